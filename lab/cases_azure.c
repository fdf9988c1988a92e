/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cases of Azure's confidential VMs: an envelope with runtime data and a hardware report, the vTPM's quote and PCRs and, of TDX, a signed
 * quote. A row is one case for each hardware that it names; what differs from the right one stands in it. Each check of the hardware's own families
 * fails once here; what else can be wrong with reports and quotes is in cases_snp.c and cases_quote.c.
 */
#include "lab/azure.h"
#include "lab/cases_intel.h"
#include "lab/event.h"
#include "lab/lab.h"
#include "lab/quote.h"
#include "lab/snp.h"

/* ---- what is missing, where... (names of the other hardware's checks don't count) ---- */

/* ...the attestation key didn't sign the vTPM's quote */
#define TPM_CLAIMS "tpm.nonce tpm.selection tpm.pcr_digest tpm.pcrs "
/* ...the runtime data name no key */
#define NO_KEY "tpm.key tpm.key_trusted tpm.signature binding.report_data " TPM_CLAIMS
/* ...the hardware doesn't cover the runtime data */
#define NO_RUNTIME "azure.key azure.vm " NO_KEY
/* ...the hardware's report isn't authentic */
#define NO_REPORT "azure.runtime " NO_RUNTIME
/* ...it isn't even looked at */
#define SNP_TIES "snp.product snp.signing_key snp.chip snp.cert_tcb "
#define SNP_SAYS                                                                      \
    "snp.tcb_order snp.tcb_provisional snp.tcb_min snp.tcb_launch snp.firmware_min "  \
    "snp.mitigation snp.policy_abi snp.debug snp.migration snp.smt snp.guest_policy " \
    "snp.platform snp.vmpl snp.measurement snp.host_data snp.id_key snp.author_key "  \
    "snp.guest_svn "
#define SNP_ALL                                                                          \
    "snp.format snp.version snp.signature_algo snp.reserved snp.chain_present snp.root " \
    "snp.chain snp.chain_dates snp.crl snp.crl_dates snp.revoked snp.signature " SNP_TIES SNP_SAYS
#define NO_HARDWARE SNP_ALL QUOTE_UNADMITTED NO_REPORT
/* ...nor the vTPM's quote */
#define NO_TPM \
    "tpm.format tpm.algorithm tpm.signature tpm.event_log binding.report_data " TPM_CLAIMS
#define NOTHING "azure.format azure.type " NO_HARDWARE NO_TPM

/* ---- what decides ---- */

#define HCL     "Azure guest attestation, HCL report: "
#define RUNTIME "Azure guest attestation, runtime data: "
#define JWK     "RFC 7517 section 4; " RUNTIME "keys"
#define POLICY  "docs/POLICY.md, azure"
#define TPMS    "TPM 2.0 Library, part 2, TPMS_ATTEST: "
#define QUOTED  "TPM 2.0 Library, part 3, TPM2_Quote"
#define AMD     "AMD 56860, ATTESTATION_REPORT: "
#define KDS     "AMD 57230: "
#define INTEL   "Intel DCAP quote format: "
#define PCK     "Intel SGX PCK Certificate and CRL Profile"
#define PCS     "Intel Provisioning Certification Service API v4: "
#define TDXM    "Intel TDX Module Base Architecture Specification: "
#define X509    "RFC 5280 section 6.1"
#define CRL     "RFC 5280 section 6.3.3"

#define PCRS    "{'4':'" TL_X32("14") "','7':'" TL_X32("17") "'}"

enum {
    SNP = 1 << 0,
    TDX = 1 << 1,
    BOTH = SNP | TDX,
};

/* Everything; right() is right in every respect. */
struct recipe {
    bool tdx;
    struct snp_recipe snp;
    struct quote_recipe td;
    struct tl_recipe tpm;
    struct azure_recipe hcl;
    uint8_t other[64]; /* XORed onto what the hardware's signed report, or quote, covers */
    bool envelope_none, td_quote_none, td_quote_too;
    bool quote_none, signature_none, pcrs_none;
    bool policy_none, not_expected, any;
    bool intermediate_garbage;
};

struct row {
    const char *id, *title, *basis, *lesson, *flip;
    unsigned kinds;
    void (*change)(struct recipe *r);
    const char *json[2], *policy[2], *policy2[2]; /* text for text */
    const char *fail, *missing;
};

static char *policy_of(struct recipe *r)
{
    return r->tdx ? r->td.policy : r->snp.policy;
}

static void policy_edit(struct recipe *r, const char *const edit[2])
{
    if (edit[0] == NULL)
        return;
    if (r->tdx)
        quote_edit(r->td.policy, edit[0], edit[1]);
    else
        snp_policy_edit(&r->snp, edit[0], edit[1]);
}

static void right(struct recipe *r, bool tdx)
{
    static const char *const members[2] = {"'devices'",
                                           "'azure':{},'tpm':{'pcrs':[" PCRS "]},'devices'"};
    static const char *const kind[2][2] = {{"['sev-snp']", "['sev-snp-azure']"},
                                           {"['tdx']", "['tdx-azure']"}};

    *r = (struct recipe){
        .tdx = tdx,
        .snp = snp_lab_good(),
        .td = quote_lab_td(4, CLO_QUOTE_BODY_TD10),
        .tpm = tl_good(),
        .hcl = azure_lab_good(tdx),
    };
    /* RTMRs are the guest's firmware's, and the paravisor leaves them alone. */
    memset(r->td.body + TD_RTMR, 0, 192);
    quote_edit(r->td.policy, HEX48("b0"), HEX48("00"));
    quote_edit(r->td.policy, HEX48("b1"), HEX48("00"));
    quote_edit(r->td.policy, HEX48("b2"), HEX48("00"));
    quote_edit(r->td.policy, HEX48("b3"), HEX48("00"));
    policy_edit(r, kind[tdx]);
    policy_edit(r, members);
}

/* ---- emitting ---- */

static void certificates(struct recipe *r, struct lab_case *c)
{
    struct clo_buf chain[CLO_CHAIN_MAX], root;
    struct clo_collateral crl;

    snp_lab_chain(&r->snp, chain);
    snp_lab_crl(&r->snp, &crl);
    if (r->intermediate_garbage)
        chain[1].p[4] ^= 1; /* the tag of what is signed */
    for (size_t i = 0; i < r->snp.chain_n; i++)
        lab_item(c, CLOISTER_ITEM_CERTIFICATES, chain[i].p, chain[i].len);
    for (size_t i = 0; i < crl.crls; i++)
        lab_item(c, CLOISTER_ITEM_CRL, crl.crl[i].p, crl.crl[i].len);
    if (!r->snp.no_root) {
        snp_lab_root(&r->snp, &root);
        lab_root(c, LAB_ROOT_GENOA, root.p, root.len);
        clo_buf_clear(&root);
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(chain); i++)
        clo_buf_clear(&chain[i]);
    clo_collateral_clear(&crl);
}

static void hardware(struct recipe *r, struct lab_case *c)
{
    static uint8_t envelope[3 * CLO_HCL_MAX];
    static char json[CLO_HCL_MAX];
    const size_t n = azure_lab_json(&r->hcl, json, sizeof json);
    uint8_t report[CLO_SNP_REPORT_LEN], data[64];
    struct quote_evidence e;
    size_t len;

    azure_lab_covered(&r->hcl, json, n, data);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] ^= r->other[i];
    memcpy(r->snp.report + 0x50, data, sizeof data);
    memcpy(r->td.body + TD_DATA, data, sizeof data);
    snp_lab_sign(&r->snp, report);
    len = azure_lab_envelope(&r->hcl, json, n, report, envelope);
    if (!r->envelope_none)
        lab_item(c, CLOISTER_ITEM_REPORT, envelope, len);
    if (r->tdx || r->td_quote_too) {
        quote_lab_make(&r->td, &e);
        if (!r->td_quote_none)
            lab_item(c, CLOISTER_ITEM_TD_QUOTE, e.quote.p, e.quote.len);
        if (r->tdx)
            quote_lab_items(&r->td, &e, c);
        quote_lab_clear(&e);
    }
    if (!r->tdx)
        certificates(r, c);
}

static void vtpm(const struct recipe *r, struct lab_case *c)
{
    static struct tl_quote q;

    tl_make(&r->tpm, &q);
    if (!r->quote_none)
        lab_item(c, CLOISTER_ITEM_TPM_QUOTE, q.quote, q.quote_n);
    if (!r->signature_none)
        lab_item(c, CLOISTER_ITEM_TPM_SIGNATURE, q.sig, q.sig_n);
    if (!r->pcrs_none)
        lab_item(c, CLOISTER_ITEM_PCRS, q.pcrs, q.pcrs_n);
    if (r->tpm.log != NULL)
        lab_item(c, CLOISTER_ITEM_EVENT_LOG, r->tpm.log, r->tpm.log_n);
    if (!r->not_expected && !r->any)
        lab_expect(c, r->tpm.expected, r->tpm.expected_n);
    c->expect_any = r->any;
}

static void emit(struct lab *l, const struct row *w, bool tdx)
{
    static struct recipe r;
    const char *without = tdx ? "snp. sgx." : "quote. tdx. sgx.";
    char id[96], fail[LAB_NAMES], missing[LAB_NAMES];
    struct lab_case c = {
        .id = id,
        .format = tdx ? "tdx-azure" : "sev-snp-azure",
        .title = w->title,
        .basis = w->basis,
        .lesson = w->lesson,
        .flip = w->flip,
        .bundle = {.type = CLOISTER_RAW_AZURE},
        .now = LAB_NOW,
        .fail = fail,
        .missing = missing,
    };

    (void)snprintf(id, sizeof id, "azure-%s-%s", tdx ? "tdx" : "snp", w->id);
    lab_names(w->fail, NULL, without, fail);
    lab_names(w->missing, fail, without, missing);
    c.outcome = *fail != '\0' ? "refused" : *missing != '\0' ? "indeterminate" : "verified";
    right(&r, tdx);
    if (w->json[0] != NULL)
        azure_edit(&r.hcl, w->json[0], w->json[1]);
    policy_edit(&r, w->policy);
    policy_edit(&r, w->policy2);
    if (w->change != NULL)
        w->change(&r);
    hardware(&r, &c);
    vtpm(&r, &c);
    c.policy = r.policy_none ? NULL : policy_of(&r);
    lab_emit(l, &c);
}

/* A change that is one statement. */
#define CHANGE(name, statement)        \
    static void name(struct recipe *r) \
    {                                  \
        statement;                     \
    }

/* ---- the envelope ---- */

CHANGE(header_2, r->hcl.header[0] = 2)
CHANGE(header_0, r->hcl.header[0] = 0)
CHANGE(header_3, r->hcl.header[0] = 3)
CHANGE(size_small, r->hcl.header[1] = 0x4c0)
CHANGE(size_beyond, r->hcl.header[1] = 0x10000)
CHANGE(request_1, r->hcl.header[2] = 1)
CHANGE(signature_wrong, r->hcl.flip = 0)
CHANGE(status_set, r->hcl.flip = 0x10 * 8)
CHANGE(reserved_set, r->hcl.flip = 0x1f * 8)
CHANGE(data_size_small, r->hcl.data[0] = 20)
CHANGE(data_size_huge, r->hcl.data[0] = 0xffffffff)
CHANGE(data_version_2, r->hcl.data[1] = 2)
CHANGE(type_0, r->hcl.data[2] = 0)
CHANGE(type_3, r->hcl.data[2] = 3)
CHANGE(hash_0, r->hcl.data[3] = 0)
CHANGE(hash_4, r->hcl.data[3] = 4)
CHANGE(hash_sha384, (r->hcl.data[3] = 2, r->hcl.hash = CLO_SHA384))
CHANGE(hash_sha512, (r->hcl.data[3] = 3, r->hcl.hash = CLO_SHA512))
CHANGE(hash_named_otherwise, r->hcl.data[3] = 3)
CHANGE(json_huge, r->hcl.data[4] = 0xffffffff)
CHANGE(json_beyond, r->hcl.data[4] = 5000)
CHANGE(json_short, r->hcl.data[4] = 10)
CHANGE(behind, r->hcl.behind = 1)
CHANGE(cut_json, (r->hcl.more = 0, r->hcl.cut = 1))
CHANGE(cut_report, (r->hcl.more = 0, r->hcl.cut = 1000))
CHANGE(too_long, r->hcl.more = CLO_HCL_MAX)
CHANGE(envelope_none, r->envelope_none = true)
CHANGE(policy_none, r->policy_none = true)

#define BAD_ENVELOPE "binding.report_data azure.format"
#define NO_ENVELOPE  "azure.type " NO_HARDWARE
#define BAD_TYPE     "binding.report_data azure.type"

static const struct row envelopes[] = {
    {.id = "good", .title = "nothing is wrong", .basis = HCL "all of it", .kinds = BOTH},
    {.id = "header-version-2",
     .title = "nothing is wrong; the envelope's header is of version 2",
     .basis = HCL "version",
     .kinds = BOTH,
     .change = header_2},
    {.id = "hash-sha384",
     .title = "nothing is wrong; the runtime data are hashed with SHA-384",
     .basis = HCL "hash type 2",
     .kinds = BOTH,
     .change = hash_sha384},
    {.id = "hash-sha512",
     .title = "nothing is wrong; the runtime data are hashed with SHA-512",
     .basis = HCL "hash type 3",
     .kinds = BOTH,
     .change = hash_sha512},
    {.id = "no-policy",
     .title = "no policy was given: all is authentic, and nothing admits it",
     .basis = "docs/POLICY.md: nothing is accepted because nobody mentioned it",
     .lesson = "26 40",
     .kinds = BOTH,
     .change = policy_none,
     .missing = "policy.type azure.vm tpm.selection tpm.pcrs tpm.event_log " QUOTE_NO_POLICY
                "snp.tcb_min snp.tcb_launch snp.firmware_min snp.mitigation snp.policy_abi "
                "snp.smt snp.guest_policy snp.platform snp.vmpl snp.measurement "
                "snp.host_data snp.id_key snp.author_key snp.guest_svn"},
    {.id = "policy-of-other-machines",
     .title = "the policy admits this hardware, but not on Azure",
     .basis = "docs/POLICY.md, tee",
     .lesson = "26",
     .kinds = SNP,
     .policy = {"'sev-snp-azure'", "'sev-snp'"},
     .policy2 = {"'azure':{},", ""},
     .fail = "policy.type",
     .missing = NOTHING},
    {.id = "policy-of-other-machines",
     .title = "the policy admits this hardware, but not on Azure",
     .basis = "docs/POLICY.md, tee",
     .lesson = "26",
     .kinds = TDX,
     .policy = {"'tdx-azure'", "'tdx'"},
     .policy2 = {"'azure':{},", ""},
     .fail = "policy.type",
     .missing = NOTHING},
    {.id = "envelope-missing",
     .title = "the vTPM's quote came, and no envelope",
     .basis = "docs/POLICY.md, how a verdict comes about: what isn't there can't be judged",
     .lesson = "40",
     .kinds = BOTH,
     .change = envelope_none,
     .missing = NOTHING},
    {.id = "envelope-name",
     .title = "the envelope doesn't begin with HCLA",
     .basis = HCL "signature",
     .kinds = BOTH,
     .change = signature_wrong,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "header-version-0",
     .title = "the envelope's header is of version 0",
     .basis = HCL "version",
     .kinds = BOTH,
     .change = header_0,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "header-version-3",
     .title = "the envelope's header is of version 3, which isn't known",
     .basis = HCL "version",
     .kinds = BOTH,
     .change = header_3,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "report-size-small",
     .title = "the envelope's size leaves no room for runtime data",
     .basis = HCL "report size",
     .kinds = BOTH,
     .change = size_small,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "report-size-beyond",
     .title = "the envelope's size goes beyond its bytes",
     .basis = HCL "report size",
     .lesson = "38",
     .kinds = BOTH,
     .change = size_beyond,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "request-type",
     .title = "the envelope answers another request than that for a report",
     .basis = HCL "request type 2",
     .kinds = BOTH,
     .change = request_1,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "status",
     .title = "the envelope says that the request failed",
     .basis = HCL "status is 0",
     .lesson = "8",
     .kinds = BOTH,
     .change = status_set,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "reserved",
     .title = "a reserved bit of the envelope's header is set",
     .basis = HCL "reserved",
     .kinds = BOTH,
     .change = reserved_set,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "data-size-small",
     .title = "the runtime data's size is that of their header alone",
     .basis = HCL "data size",
     .kinds = BOTH,
     .change = data_size_small,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "data-size-huge",
     .title = "the runtime data's size is the largest number there is",
     .basis = HCL "data size",
     .lesson = "38",
     .kinds = BOTH,
     .change = data_size_huge,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "data-version",
     .title = "the runtime data are of version 2, which isn't known",
     .basis = HCL "version of the runtime data",
     .kinds = BOTH,
     .change = data_version_2,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "report-type-0",
     .title = "the envelope names no kind of report",
     .basis = HCL "report type is 2 (SEV-SNP) or 4 (TDX)",
     .kinds = BOTH,
     .change = type_0,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "report-type-vbs",
     .title = "the envelope names a kind of report (3) that no hardware makes",
     .basis = HCL "report type is 2 (SEV-SNP) or 4 (TDX)",
     .kinds = BOTH,
     .change = type_3,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "hash-type-0",
     .title = "the envelope names no hash",
     .basis = HCL "hash type is 1 (SHA-256), 2 (SHA-384) or 3 (SHA-512)",
     .kinds = BOTH,
     .change = hash_0,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "hash-type-4",
     .title = "the envelope names a hash (4) that isn't known",
     .basis = HCL "hash type is 1 (SHA-256), 2 (SHA-384) or 3 (SHA-512)",
     .kinds = BOTH,
     .change = hash_4,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "json-length-huge",
     .title = "the JSON's length is the largest number there is",
     .basis = HCL "JSON length",
     .lesson = "38",
     .kinds = BOTH,
     .change = json_huge,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "json-length-beyond",
     .title = "the JSON's length is beyond the runtime data's",
     .basis = HCL "JSON length",
     .kinds = BOTH,
     .change = json_beyond,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "json-length-short",
     .title = "the JSON's length ends within the JSON, whose rest lies behind",
     .basis = HCL "JSON length",
     .lesson = "47",
     .kinds = BOTH,
     .change = json_short,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "bytes-behind",
     .title = "a byte that isn't zero lies behind the JSON",
     .basis = HCL "JSON length",
     .lesson = "47",
     .kinds = BOTH,
     .change = behind,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "cut-in-json",
     .title = "the envelope lacks its last byte",
     .basis = HCL "report size",
     .kinds = BOTH,
     .change = cut_json,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "cut-in-report",
     .title = "the envelope lacks its last 1000 bytes",
     .basis = HCL "report size",
     .kinds = BOTH,
     .change = cut_report,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "too-long",
     .title = "the envelope is longer than an index of a vTPM",
     .basis = HCL "NV index 0x01400001",
     .kinds = BOTH,
     .change = too_long,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "json-member-twice",
     .title = "the runtime data name a member twice",
     .basis = "RFC 8259 section 4: what two parsers read differently is refused",
     .kinds = BOTH,
     .json = {"'user-data':'00'", "'user-data':'00','user-data':'00'"},
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "json-more-behind",
     .title = "behind the runtime data's object stands more",
     .basis = "RFC 8259 section 2",
     .lesson = "47",
     .kinds = BOTH,
     .json = {"[1,2]}", "[1,2]} x"},
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "json-open",
     .title = "the runtime data's object isn't closed",
     .basis = "RFC 8259 section 4",
     .kinds = BOTH,
     .json = {"[1,2]}", "[1,2]"},
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "json-no-keys",
     .title = "the runtime data have no array of keys",
     .basis = JWK,
     .lesson = "40",
     .kinds = BOTH,
     .json = {"'keys':", "'Keys':"},
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "json-flag-as-number",
     .title = "secure-boot is 1, and not true",
     .basis = RUNTIME "vm-configuration",
     .kinds = BOTH,
     .json = {"'secure-boot':true", "'secure-boot':1"},
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
};

/* ---- kinds ---- */

CHANGE(td_quote_too, r->td_quote_too = true)
CHANGE(td_quote_none, r->td_quote_none = true)
CHANGE(tdreport_as_snp, (r->hcl.tdreport = r->td_quote_too = true))
CHANGE(report_as_tdx, r->hcl.tdreport = false)
CHANGE(tdreport_of_sgx, r->hcl.flip = 0x20 * 8 + 7)
CHANGE(tdreport_covers_other, (r->hcl.covers[0] = 1, r->other[0] = 1))
CHANGE(tdreport_behind, r->hcl.flip = (0x20 + 1024) * 8)

static const struct row types[] = {
    {.id = "td-quote-beside-report",
     .title = "a TD's quote came beside an SEV-SNP report",
     .basis = HCL "report type",
     .kinds = SNP,
     .change = td_quote_too,
     .fail = BAD_TYPE,
     .missing = NO_HARDWARE},
    {.id = "tdreport-as-snp",
     .title = "the envelope says SEV-SNP and holds a TDREPORT, and a TD's quote came beside it",
     .basis = HCL "report type",
     .kinds = SNP,
     .change = tdreport_as_snp,
     .fail = BAD_TYPE,
     .missing = NO_HARDWARE},
    {.id = "report-as-tdx",
     .title = "the envelope says TDX and holds an SEV-SNP report",
     .basis = HCL "report type",
     .kinds = TDX,
     .change = report_as_tdx,
     .fail = BAD_TYPE,
     .missing = NO_HARDWARE},
    {.id = "tdreport-of-an-enclave",
     .title = "the envelope's TDREPORT is an enclave's report",
     .basis = TDXM "REPORTMACSTRUCT, REPORTTYPE 0x81",
     .kinds = TDX,
     .change = tdreport_of_sgx,
     .fail = BAD_TYPE,
     .missing = NO_HARDWARE},
    {.id = "tdreport-covers-other",
     .title =
         "the envelope's TDREPORT covers other data than the signed quote and the runtime data",
     .basis = RUNTIME "REPORTDATA is their hash",
     .kinds = TDX,
     .change = tdreport_covers_other,
     .fail = BAD_TYPE,
     .missing = NO_HARDWARE},
    {.id = "tdreport-longer",
     .title = "behind the envelope's TDREPORT stands a byte that isn't zero",
     .basis = HCL "hardware report: 1024 bytes and zeros",
     .lesson = "47",
     .kinds = TDX,
     .change = tdreport_behind,
     .fail = BAD_ENVELOPE,
     .missing = NO_ENVELOPE},
    {.id = "td-quote-missing",
     .title = "the TDREPORT came, which its own machine alone can verify, and no signed quote",
     .basis = TDXM "TDREPORT is MACed with a key of the CPU's",
     .lesson = "4 27",
     .kinds = TDX,
     .change = td_quote_none,
     .missing = "azure.type " NO_HARDWARE},
};

/* ---- the runtime data ---- */

CHANGE(covers_other, r->other[0] = 1)
CHANGE(covers_other_end, r->other[31] = 0x80)
CHANGE(covers_more, r->other[32] = 1)

/* A bit of what nothing reads: the hash sees it. */
static void user_data_flipped(struct recipe *r)
{
    static char json[CLO_HCL_MAX + 1];
    const char *at;

    json[azure_lab_json(&r->hcl, json, sizeof json - 1)] = '\0';
    at = strstr(json, "\"user-data\":\"");
    LAB_MUST(at != NULL);
    r->hcl.json_flip = (int)(8 * (size_t)(at + 13 - json));
}

#define COVERED       RUNTIME "report data are their hash and zeros"
#define OTHER_RUNTIME "binding.report_data azure.runtime tpm.key_trusted"

static const struct row runtimes[] = {
    {.id = "runtime-other",
     .title = "the hardware covers other runtime data",
     .basis = COVERED,
     .lesson = "1 4",
     .kinds = BOTH,
     .change = covers_other,
     .fail = OTHER_RUNTIME,
     .missing = NO_RUNTIME},
    {.id = "runtime-hash-last-bit",
     .title = "the last bit of the runtime data's hash is another in the report data",
     .basis = COVERED,
     .lesson = "2",
     .kinds = BOTH,
     .change = covers_other_end,
     .fail = OTHER_RUNTIME,
     .missing = NO_RUNTIME},
    {.id = "runtime-hash-and-more",
     .title = "behind the runtime data's hash the report data aren't zero",
     .basis = COVERED,
     .lesson = "2",
     .kinds = BOTH,
     .change = covers_more,
     .fail = OTHER_RUNTIME,
     .missing = NO_RUNTIME},
    {.id = "runtime-flip",
     .title = "a bit of the runtime data is flipped, in a member that nobody reads",
     .basis = COVERED ", over their bytes as they came",
     .lesson = "41",
     .flip = "runtime",
     .kinds = SNP,
     .change = user_data_flipped,
     .fail = OTHER_RUNTIME,
     .missing = NO_RUNTIME},
    {.id = "runtime-flip",
     .title = "a bit of the runtime data is flipped, in a member that nobody reads",
     .basis = COVERED ", over their bytes as they came",
     .lesson = "41",
     .flip = "runtime",
     .kinds = TDX,
     .change = user_data_flipped,
     .fail = BAD_TYPE,
     .missing = NO_HARDWARE},
    {.id = "hash-named-otherwise",
     .title = "the runtime data are hashed with SHA-256, and the envelope says SHA-512",
     .basis = HCL "hash type",
     .kinds = SNP,
     .change = hash_named_otherwise,
     .fail = OTHER_RUNTIME,
     .missing = NO_RUNTIME},
    {.id = "hash-named-otherwise",
     .title = "the runtime data are hashed with SHA-256, and the envelope says SHA-512",
     .basis = HCL "hash type",
     .kinds = TDX,
     .change = hash_named_otherwise,
     .fail = BAD_TYPE,
     .missing = NO_HARDWARE},
};

#define BAD_KEY "binding.report_data azure.key"

static const struct row keys[] = {
    {.id = "key-none",
     .title = "the runtime data name no attestation key",
     .basis = JWK ": HCLAkPub",
     .lesson = "40",
     .kinds = BOTH,
     .json = {"HCLAkPub", "HCLAkPuc"},
     .fail = BAD_KEY,
     .missing = NO_KEY},
    {.id = "key-two",
     .title = "the runtime data name two attestation keys",
     .basis = JWK ": HCLAkPub",
     .kinds = BOTH,
     .json = {"HCLEkPub", "HCLAkPub"},
     .fail = BAD_KEY,
     .missing = NO_KEY},
    {.id = "key-encrypts",
     .title = "the attestation key is one for encrypting",
     .basis = JWK ", key_ops",
     .kinds = BOTH,
     .json = {"['sign']", "['encrypt']"},
     .fail = BAD_KEY,
     .missing = NO_KEY},
    {.id = "key-signs-and-encrypts",
     .title = "the attestation key signs and encrypts",
     .basis = JWK ", key_ops",
     .kinds = BOTH,
     .json = {"['sign']", "['sign','encrypt']"},
     .fail = BAD_KEY,
     .missing = NO_KEY},
    {.id = "key-without-purpose",
     .title = "the attestation key has no key_ops",
     .basis = JWK ", key_ops",
     .lesson = "40",
     .kinds = BOTH,
     .json = {"'key_ops':['sign'],", ""},
     .fail = BAD_KEY,
     .missing = NO_KEY},
    {.id = "key-use-contradicts",
     .title = "the attestation key's use contradicts its key_ops",
     .basis = JWK ", use",
     .kinds = BOTH,
     .json = {"'kty':'RSA'", "'kty':'RSA','use':'enc'"},
     .fail = BAD_KEY,
     .missing = NO_KEY},
    {.id = "key-not-rsa",
     .title = "the attestation key says that it is of a curve",
     .basis = JWK ", kty",
     .kinds = BOTH,
     .json = {"'kty':'RSA'", "'kty':'EC'"},
     .fail = BAD_KEY,
     .missing = NO_KEY},
    {.id = "key-without-modulus",
     .title = "the attestation key has no modulus",
     .basis = "RFC 7518 section 6.3.1.1",
     .kinds = BOTH,
     .json = {"'n':'%s'}@", "'x':'%s'}@"},
     .fail = BAD_KEY,
     .missing = NO_KEY},
    {.id = "key-small",
     .title = "the attestation key's modulus has 8 bits",
     .basis = "RFC 7518 section 3.3: 2048 bits at least",
     .kinds = BOTH,
     .json = {"'n':'%s'}@", "'n':'wQ'}@"},
     .fail = BAD_KEY,
     .missing = NO_KEY},
    {.id = "key-even-exponent",
     .title = "the attestation key's exponent is even",
     .basis = "RFC 8017 section 3.1",
     .kinds = BOTH,
     .json = {"'e':'AQAB'", "'e':'AQAC'"},
     .fail = BAD_KEY,
     .missing = NO_KEY},
    {.id = "members-added",
     .title = "nothing is wrong; Microsoft added members and another key",
     .basis = RUNTIME "members may be added",
     .kinds = BOTH,
     .json = {"'kty':'RSA','e':'AQAB','n':'%s'}@", "'kty':'RSA','e':'AQAB','n':'%s','use':'sig',"
                                                   "'alg':'RS256'},{'kid':'Another'}"}},
};

#define VM(from, to) .json = {from, to}

static const struct row vms[] = {
    {.id = "secure-boot-off",
     .title = "the VM was started without secure boot",
     .basis = RUNTIME "secure-boot; " POLICY ", allow_no_secure_boot",
     .lesson = "6",
     .kinds = BOTH,
     VM("'secure-boot':true", "'secure-boot':false"),
     .fail = "azure.vm"},
    {.id = "secure-boot-off-allowed",
     .title = "the VM was started without secure boot, which the policy allows",
     .basis = POLICY ", allow_no_secure_boot",
     .kinds = BOTH,
     VM("'secure-boot':true", "'secure-boot':false"),
     .policy = {"'azure':{}", "'azure':{'allow_no_secure_boot':true}"}},
    {.id = "secure-boot-not-told",
     .title = "the runtime data don't tell of secure boot",
     .basis = RUNTIME "secure-boot",
     .lesson = "40",
     .kinds = BOTH,
     VM("'secure-boot':true,", ""),
     .missing = "azure.vm"},
    {.id = "console-on",
     .title = "the host has a console into the VM",
     .basis = RUNTIME "console-enabled; " POLICY ", allow_console",
     .kinds = BOTH,
     VM("'console-enabled':false", "'console-enabled':true"),
     .fail = "azure.vm"},
    {.id = "console-on-allowed",
     .title = "the host has a console into the VM, which the policy allows",
     .basis = POLICY ", allow_console",
     .kinds = BOTH,
     VM("'console-enabled':false", "'console-enabled':true"),
     .policy = {"'azure':{}", "'azure':{'allow_console':true}"}},
    {.id = "console-not-told",
     .title = "the runtime data don't tell of a console",
     .basis = RUNTIME "console-enabled",
     .lesson = "40",
     .kinds = BOTH,
     VM("'console-enabled':false,", ""),
     .missing = "azure.vm"},
    {.id = "tpm-off",
     .title = "the VM has no TPM",
     .basis = RUNTIME "tpm-enabled",
     .kinds = BOTH,
     VM("'tpm-enabled':true", "'tpm-enabled':false"),
     .policy = {"'azure':{}", "'azure':{'allow_console':true,'allow_no_secure_boot':true}"},
     .fail = "azure.vm"},
    {.id = "vm-listed",
     .title = "nothing is wrong; the policy lists this VM, in other letters' case",
     .basis = POLICY ", vm_ids; RFC 9562 section 4",
     .kinds = BOTH,
     .policy = {"'azure':{}", "'azure':{'vm_ids':['x','0abcdef0-1234-5678-9ABC-def012345678']}"}},
    {.id = "vm-not-listed",
     .title = "the policy lists another VM",
     .basis = POLICY ", vm_ids",
     .kinds = BOTH,
     .policy = {"'azure':{}", "'azure':{'vm_ids':['0abcdef0-1234-5678-9abc-def012345679']}"},
     .fail = "azure.vm"},
    {.id = "vm-id-begins-alike",
     .title = "the VM's id is the listed one without its last digit",
     .basis = POLICY ", vm_ids",
     .kinds = BOTH,
     VM("345678'", "34567'"),
     .policy = {"'azure':{}", "'azure':{'vm_ids':['0abcdef0-1234-5678-9abc-def012345678']}"},
     .fail = "azure.vm"},
    {.id = "vm-id-not-told",
     .title = "the policy lists VMs, and the runtime data don't tell which this is",
     .basis = POLICY ", vm_ids",
     .lesson = "40",
     .kinds = BOTH,
     VM("vmUniqueId", "vmOtherId"),
     .policy = {"'azure':{}", "'azure':{'vm_ids':['0abcdef0-1234-5678-9abc-def012345678']}"},
     .missing = "azure.vm"},
    {.id = "vm-configuration-missing",
     .title = "the runtime data have no vm-configuration",
     .basis = RUNTIME "vm-configuration",
     .lesson = "40",
     .kinds = BOTH,
     VM("vm-configuration", "vm-other"),
     .missing = "azure.vm"},
};

/* ---- the vTPM ---- */

static struct event_lab event_log;

CHANGE(another_vtpm, r->tpm.signer = tl.rsa2)
CHANGE(another_key_named, r->hcl.ak = r->tpm.signer = tl.rsa2)
CHANGE(nonce_other, r->tpm.nonce[31] ^= 1)
CHANGE(nonce_shorter, r->tpm.nonce_n = 31)
CHANGE(nonce_empty, r->tpm.nonce_n = 0)
CHANGE(nonce_not_expected, r->not_expected = true)
CHANGE(nonce_any, r->any = true)
CHANGE(quote_none, r->quote_none = true)
CHANGE(signature_none, r->signature_none = true)
CHANGE(magic, r->tpm.magic = 0x54434702)
CHANGE(certify, r->tpm.type = TPM2_ST_ATTEST_CERTIFY)
CHANGE(sha1_signature, r->tpm.hash = TPM2_ALG_SHA1)
CHANGE(sha1_bank, r->tpm.bank[0].alg = TPM2_ALG_SHA1)
CHANGE(sha384_bank, r->tpm.bank[0].alg = TPM2_ALG_SHA384)
CHANGE(pcrs_fewer, r->tpm.bank[0].pcrs = 0x7fffff)
CHANGE(pcrs_none, r->pcrs_none = true)
CHANGE(pcrs_changed, r->tpm.pcrs_flip = 8 * 32 * 9)
CHANGE(pcrs_more, r->tpm.pcrs_more = 32)
CHANGE(pcr_4, r->tpm.value[4][0] ^= 1)
CHANGE(pcr_7, r->tpm.value[7][0] ^= 1)
CHANGE(rsapss, r->tpm.scheme = TPM2_ALG_RSAPSS)

/* Of PCR 0 alone, whose value it leads to. */
static void log_good(struct recipe *r)
{
    static const uint16_t algs[] = {CLO_EVENT_SHA256, 0};

    el_start(&event_log, algs);
    el_event(&event_log, 0, 8, 0x11, "v", 1);
    memset(r->tpm.value[0], 0, 48);
    el_extend(r->tpm.value[0], 32, 0x11);
    r->tpm.log = event_log.p;
    r->tpm.log_n = event_log.n;
}

static void log_other(struct recipe *r)
{
    log_good(r);
    r->tpm.value[0][0] ^= 1;
}

static void key_list(struct recipe *r, uint8_t bits)
{
    struct clo_key *key = tl_key(tl.rsa);
    char hex[65], to[128];
    uint8_t digest[32];
    const char *const edit[2] = {"'tpm':{", to};

    LAB_MUST(clo_key_digest(key, digest) == 0);
    clo_key_free(key);
    digest[0] ^= bits;
    clo_hex(digest, sizeof digest, hex);
    (void)snprintf(to, sizeof to, "'tpm':{'keys':['%s'],", hex);
    policy_edit(r, edit);
}

CHANGE(key_listed, key_list(r, 0))
CHANGE(key_not_listed, key_list(r, 1))

#define BAD_NONCE "binding.report_data tpm.nonce"

static const struct row vtpms[] = {
    {.id = "tpm-another-machines",
     .title = "another machine's vTPM made the quote",
     .basis = RUNTIME "HCLAkPub signs the vTPM's quotes",
     .lesson = "4 39",
     .kinds = BOTH,
     .change = another_vtpm,
     .fail = "binding.report_data tpm.signature",
     .missing = TPM_CLAIMS},
    {.id = "tpm-another-key-named",
     .title = "nothing is wrong; this hardware's runtime data name another vTPM's key",
     .basis = RUNTIME "HCLAkPub signs the vTPM's quotes",
     .kinds = BOTH,
     .change = another_key_named},
    {.id = "tpm-rsapss",
     .title = "nothing is wrong; the vTPM signs with RSAPSS",
     .basis = "TPM 2.0 Library, part 2, TPMT_SIGNATURE",
     .kinds = BOTH,
     .change = rsapss},
    {.id = "tpm-key-listed",
     .title = "nothing is wrong; the policy lists the attestation key",
     .basis = "docs/POLICY.md, tpm, keys",
     .kinds = BOTH,
     .change = key_listed},
    {.id = "tpm-key-not-listed",
     .title = "the hardware names the attestation key, and the policy lists another one",
     .basis = "docs/POLICY.md, tpm, keys",
     .kinds = BOTH,
     .change = key_not_listed,
     .fail = "binding.report_data tpm.key_trusted",
     .missing = "tpm.key tpm.signature " TPM_CLAIMS},
    {.id = "tpm-quote-missing",
     .title = "the envelope came, and no quote of the vTPM's",
     .basis = QUOTED,
     .lesson = "40",
     .kinds = BOTH,
     .change = quote_none,
     .missing = NO_TPM},
    {.id = "tpm-signature-missing",
     .title = "the vTPM's quote came without its signature",
     .basis = QUOTED,
     .lesson = "40",
     .kinds = BOTH,
     .change = signature_none,
     .missing = NO_TPM},
    {.id = "tpm-magic",
     .title = "the attestation key signed something that the vTPM didn't make",
     .basis = TPMS "magic is TPM_GENERATED_VALUE",
     .kinds = BOTH,
     .change = magic,
     .fail = "binding.report_data tpm.format",
     .missing = NO_TPM},
    {.id = "tpm-type",
     .title = "the attestation key signed another statement than a quote",
     .basis = TPMS "type is TPM_ST_ATTEST_QUOTE",
     .kinds = BOTH,
     .change = certify,
     .fail = "binding.report_data tpm.format",
     .missing = NO_TPM},
    {.id = "tpm-sha1-signature",
     .title = "the vTPM's quote is signed with SHA-1",
     .basis = "NIST SP 800-131A revision 2, section 3: no SHA-1 for signatures",
     .kinds = BOTH,
     .change = sha1_signature,
     .fail = "binding.report_data tpm.algorithm",
     .missing = "tpm.signature " TPM_CLAIMS},
    {.id = "tpm-sha1-bank",
     .title = "the vTPM's SHA-1 bank is quoted",
     .basis = "docs/POLICY.md, tpm, bank",
     .kinds = BOTH,
     .change = sha1_bank,
     .fail = "binding.report_data tpm.algorithm tpm.selection tpm.pcrs",
     .missing = "tpm.signature tpm.nonce tpm.pcr_digest"},
    {.id = "nonce-other",
     .title = "the vTPM's quote covers other data: another key, or an old nonce",
     .basis = TPMS "extraData are the caller's qualifying data, all of them",
     .lesson = "1 2 7",
     .kinds = BOTH,
     .change = nonce_other,
     .fail = BAD_NONCE},
    {.id = "nonce-shorter",
     .title = "the vTPM's quote covers the expected data without their last byte",
     .basis = TPMS "extraData are the caller's qualifying data, all of them",
     .lesson = "42",
     .kinds = BOTH,
     .change = nonce_shorter,
     .fail = BAD_NONCE},
    {.id = "nonce-empty",
     .title = "the vTPM's quote covers no data: it may be of any time",
     .basis = TPMS "extraData are the caller's qualifying data, all of them",
     .lesson = "7 42",
     .kinds = BOTH,
     .change = nonce_empty,
     .fail = BAD_NONCE},
    {.id = "nonce-not-expected",
     .title = "the caller has nothing to compare the quoted data with",
     .basis = TPMS "extraData",
     .lesson = "40 42",
     .kinds = BOTH,
     .change = nonce_not_expected,
     .missing = BAD_NONCE},
    {.id = "nonce-not-asked",
     .title = "nothing is wrong; the caller says that nothing ties this evidence to anything",
     .basis = TPMS "extraData",
     .kinds = BOTH,
     .change = nonce_any},
    {.id = "pcrs-fewer",
     .title = "PCR 23 isn't quoted, and the policy wants 0 to 23",
     .basis = "docs/POLICY.md, tpm, selection",
     .lesson = "40",
     .kinds = BOTH,
     .change = pcrs_fewer,
     .fail = "tpm.selection"},
    {.id = "pcrs-superset",
     .title = "more PCRs are quoted than the policy wants",
     .basis = "docs/POLICY.md, tpm, selection",
     .kinds = BOTH,
     .policy = {"'tpm':{", "'tpm':{'selection':[0,1,2,3,4,5,6,7],"},
     .fail = "tpm.selection"},
    {.id = "pcrs-other-bank",
     .title = "the SHA-384 bank is quoted, and the policy wants SHA-256's",
     .basis = "docs/POLICY.md, tpm, bank",
     .kinds = BOTH,
     .change = sha384_bank,
     .fail = "tpm.selection tpm.pcrs"},
    {.id = "pcrs-missing",
     .title = "the values of the PCRs didn't come with the quote",
     .basis = QUOTED ", pcrDigest",
     .lesson = "40",
     .kinds = BOTH,
     .change = pcrs_none,
     .missing = "tpm.pcr_digest tpm.pcrs"},
    {.id = "pcrs-not-the-quoted",
     .title = "a PCR's value isn't the one that was quoted",
     .basis = QUOTED ", pcrDigest",
     .kinds = BOTH,
     .change = pcrs_changed,
     .fail = "tpm.pcr_digest",
     .missing = "tpm.pcrs"},
    {.id = "pcrs-one-more",
     .title = "one value more came than was quoted",
     .basis = QUOTED ", pcrDigest",
     .lesson = "47",
     .kinds = BOTH,
     .change = pcrs_more,
     .fail = "tpm.pcr_digest tpm.pcrs"},
    {.id = "pcr-4",
     .title = "the paravisor is the pinned one, and started another guest (PCR 4)",
     .basis = "docs/POLICY.md, tpm, pcrs",
     .lesson = "18 31",
     .kinds = BOTH,
     .change = pcr_4,
     .fail = "tpm.pcrs"},
    {.id = "pcr-7",
     .title = "secure boot's state (PCR 7) is another than the policy pins",
     .basis = "docs/POLICY.md, tpm, pcrs",
     .lesson = "18 31",
     .kinds = BOTH,
     .change = pcr_7,
     .fail = "tpm.pcrs"},
    {.id = "pcrs-none-pinned",
     .title = "the policy pins no PCRs",
     .basis = "docs/POLICY.md, tpm, pcrs: empty admits nothing",
     .lesson = "26 31 40",
     .kinds = BOTH,
     .policy = {PCRS, ""},
     .fail = "tpm.pcrs"},
    {.id = "event-log",
     .title = "nothing is wrong; the event log that the policy requires replays to the PCRs",
     .basis = "TCG PC Client Platform Firmware Profile, crypto-agile log",
     .kinds = BOTH,
     .change = log_good,
     .policy = {"'tpm':{", "'tpm':{'event_log':'required',"}},
    {.id = "event-log-other",
     .title = "the event log leads to another PCR 0 than was quoted",
     .basis = "TCG PC Client Platform Firmware Profile, crypto-agile log",
     .kinds = BOTH,
     .change = log_other,
     .fail = "tpm.event_log"},
    {.id = "event-log-missing",
     .title = "the policy requires an event log, and none came",
     .basis = "docs/POLICY.md, tpm, event_log",
     .lesson = "40",
     .kinds = BOTH,
     .policy = {"'tpm':{", "'tpm':{'event_log':'required',"},
     .missing = "tpm.event_log"},
};

/* ---- the hardware: SEV-SNP ---- */

#define NO_SNP_SIGNATURE SNP_TIES SNP_SAYS NO_REPORT
#define NO_SNP_CHAIN     "snp.signature " NO_SNP_SIGNATURE

CHANGE(snp_version, snp_put32(&r->snp, 0, 6))
CHANGE(snp_algo, snp_put32(&r->snp, 0x34, 2))
CHANGE(snp_reserved, r->snp.report[0x4f] = 0x80)
CHANGE(snp_product, snp_ext_text(&r->snp, SNP_OID("2"), "Milan-B0"))
CHANGE(snp_garbage, r->intermediate_garbage = true)
CHANGE(snp_no_chain, r->snp.chain_n = 0)
CHANGE(snp_ask_foreign, r->snp.ask_issuer = snp_lab.stranger)
CHANGE(snp_leaf_foreign, r->snp.leaf_issuer = snp_lab.stranger)
CHANGE(snp_expired, r->snp.leaf_to = LAB_NOW - 1)
CHANGE(snp_crl_foreign, r->snp.crl_issuer = snp_lab.stranger)
CHANGE(snp_crl_expired, r->snp.crl_to = LAB_NOW - 1)
CHANGE(snp_revoked, r->snp.revoked = 131074)
CHANGE(snp_names_vlek, snp_put32(&r->snp, 0x48, 1 << 2))
CHANGE(snp_other_chip, snp_ext_find(&r->snp, SNP_OID("4"))->p[63] ^= 1)
CHANGE(snp_other_tcb, snp_ext_int(&r->snp, SNP_OID("3.8"), 201))
CHANGE(snp_other_signer, r->snp.report_signer = snp_lab.stranger_leaf)
CHANGE(snp_order, (snp_ext_int(&r->snp, SNP_OID("3.8"), 201),
                   snp_put64(&r->snp, 0x180, snp_tcb(10, 0, 27, 201))))
CHANGE(snp_provisional, snp_put64(&r->snp, 0x38, snp_tcb(10, 0, 27, 201)))
CHANGE(snp_launch_old, snp_put64(&r->snp, 0x1f0, snp_tcb(10, 0, 27, 199)))
CHANGE(snp_mitigation, snp_put64(&r->snp, 0x1f8, 1))
CHANGE(snp_debug, snp_put64(&r->snp, 8, 0xb001f))
CHANGE(snp_migration, snp_put64(&r->snp, 8, 0x7001f))
CHANGE(snp_alias, snp_put64(&r->snp, 0x40, 0x05))
CHANGE(snp_vmpl, snp_put32(&r->snp, 0x30, 2))
CHANGE(snp_measurement, r->snp.report[0x90] ^= 1)
CHANGE(snp_host_data, r->snp.report[0xdf] = 7)
CHANGE(snp_id_key, memset(r->snp.report + 0xe0, 0x33, 48))
CHANGE(snp_author_key, snp_put32(&r->snp, 0x48, 1))

static const struct row snps[] = {
    {.id = "version",
     .title = "the report is of a version that no document describes",
     .basis = AMD "VERSION",
     .kinds = SNP,
     .change = snp_version,
     .fail = "snp.version"},
    {.id = "signature-algo",
     .title = "the report names another signature algorithm",
     .basis = AMD "SIGNATURE_ALGO",
     .kinds = SNP,
     .change = snp_algo,
     .fail = "snp.signature_algo"},
    {.id = "reserved-bits",
     .title = "a reserved bit of the report is set",
     .basis = AMD "reserved fields must be zero",
     .kinds = SNP,
     .change = snp_reserved,
     .fail = "snp.reserved"},
    {.id = "product",
     .title = "the report key's certificate is of another product",
     .basis = KDS "productName",
     .kinds = SNP,
     .change = snp_product,
     .fail = "snp.product"},
    {.id = "chain-garbage",
     .title = "the intermediate is DER, and no certificate",
     .basis = "RFC 5280 section 4.1",
     .kinds = SNP,
     .change = snp_garbage,
     .fail = "snp.chain_present",
     .missing = "snp.root snp.chain snp.chain_dates snp.revoked " NO_SNP_CHAIN},
    {.id = "chain-missing",
     .title = "no certificates came",
     .basis = KDS "a report is verified with its key's certificate",
     .lesson = "40",
     .kinds = SNP,
     .change = snp_no_chain,
     .missing = "snp.chain_present snp.root snp.chain snp.chain_dates snp.revoked " NO_SNP_CHAIN},
    {.id = "root",
     .title = "the intermediate isn't signed by the pinned root",
     .basis = KDS "ARK",
     .lesson = "4 46",
     .kinds = SNP,
     .change = snp_ask_foreign,
     .fail = "snp.root",
     .missing = NO_SNP_CHAIN},
    {.id = "chain",
     .title = "the report key's certificate isn't signed by the intermediate",
     .basis = X509 ".3 (a)(1)",
     .lesson = "39",
     .kinds = SNP,
     .change = snp_leaf_foreign,
     .fail = "snp.chain",
     .missing = NO_SNP_CHAIN},
    {.id = "chain-expired",
     .title = "the report key's certificate ended a second ago",
     .basis = X509 ".3 (a)(2)",
     .lesson = "44",
     .kinds = SNP,
     .change = snp_expired,
     .fail = "snp.chain_dates"},
    {.id = "crl-foreign",
     .title = "the revocation list isn't signed by the root",
     .basis = CRL " (f), (g)",
     .kinds = SNP,
     .change = snp_crl_foreign,
     .fail = "snp.crl",
     .missing = "snp.crl_dates snp.revoked"},
    {.id = "crl-expired",
     .title = "the revocation list is past its nextUpdate",
     .basis = CRL " (a)",
     .lesson = "44",
     .kinds = SNP,
     .change = snp_crl_expired,
     .fail = "snp.crl_dates"},
    {.id = "revoked-intermediate",
     .title = "the intermediate is revoked",
     .basis = CRL " (i)",
     .kinds = SNP,
     .change = snp_revoked,
     .fail = "snp.revoked"},
    {.id = "signing-key",
     .title = "the report names a VLEK, and a VCEK signed it",
     .basis = AMD "SIGNING_KEY",
     .kinds = SNP,
     .change = snp_names_vlek,
     .fail = "snp.signing_key"},
    {.id = "chip",
     .title = "the report key's certificate is another chip's",
     .basis = KDS "hwID",
     .lesson = "43",
     .kinds = SNP,
     .change = snp_other_chip,
     .fail = "snp.chip"},
    {.id = "cert-tcb",
     .title = "the report key's certificate is for another firmware level",
     .basis = KDS "ucodeSPL",
     .lesson = "17",
     .kinds = SNP,
     .change = snp_other_tcb,
     .fail = "snp.cert_tcb"},
    {.id = "signature",
     .title = "another key than the certificate's signed the report",
     .basis = AMD "SIGNATURE",
     .kinds = SNP,
     .change = snp_other_signer,
     .fail = "snp.signature",
     .missing = NO_SNP_SIGNATURE},
    {.id = "tcb-order",
     .title = "the reported firmware level is above the committed one",
     .basis = AMD "REPORTED_TCB <= COMMITTED_TCB",
     .kinds = SNP,
     .change = snp_order,
     .fail = "snp.tcb_order"},
    {.id = "tcb-provisional",
     .title = "firmware runs that was not committed",
     .basis = AMD "COMMITTED_TCB, CURRENT_TCB",
     .kinds = SNP,
     .change = snp_provisional,
     .fail = "snp.tcb_provisional"},
    {.id = "tcb-below-floor",
     .title = "the reported firmware level is below the policy's floor",
     .basis = "docs/POLICY.md, sev_snp, min_tcb",
     .kinds = SNP,
     .policy = {"'min_tcb':{'bl':10,'tee':0,'snp':27", "'min_tcb':{'bl':10,'tee':0,'snp':28"},
     .fail = "snp.tcb_min"},
    {.id = "tcb-launch-below-floor",
     .title = "the machine was started on firmware below the policy's floor",
     .basis = "docs/POLICY.md, sev_snp, min_launch_tcb",
     .kinds = SNP,
     .change = snp_launch_old,
     .fail = "snp.tcb_launch"},
    {.id = "firmware-below-floor",
     .title = "the firmware's version is below the policy's floor",
     .basis = "docs/POLICY.md, sev_snp, min_firmware",
     .kinds = SNP,
     .policy = {"1.55.43", "1.55.44"},
     .fail = "snp.firmware_min"},
    {.id = "mitigation",
     .title = "a mitigation wasn't active when the machine was started",
     .basis = AMD "LAUNCH_MIT_VECTOR",
     .kinds = SNP,
     .change = snp_mitigation,
     .fail = "snp.mitigation"},
    {.id = "policy-abi",
     .title = "the guest's ABI floor is below the policy's",
     .basis = "docs/POLICY.md, sev_snp, min_abi",
     .kinds = SNP,
     .policy = {"'0.31'", "'0.32'"},
     .fail = "snp.policy_abi"},
    {.id = "debug",
     .title = "the VM runs under debug",
     .basis = "AMD 56860, guest policy, bit 19",
     .lesson = "6",
     .kinds = SNP,
     .change = snp_debug,
     .fail = "snp.debug"},
    {.id = "migration-agent",
     .title = "a migration agent may be given the VM's memory",
     .basis = "AMD 56860, guest policy, bit 18",
     .kinds = SNP,
     .change = snp_migration,
     .fail = "snp.migration"},
    {.id = "smt",
     .title = "hyper-threading is on, and the policy doesn't allow it",
     .basis = "docs/POLICY.md, sev_snp, allow_smt",
     .kinds = SNP,
     .policy = {"'allow_smt':true,", ""},
     .fail = "snp.smt"},
    {.id = "guest-policy",
     .title = "the VM may span sockets, and the policy wants one",
     .basis = "AMD 56860, guest policy, bit 20",
     .kinds = SNP,
     .policy = {"'allow_smt'", "'require_guest':['single_socket'],'allow_smt'"},
     .fail = "snp.guest_policy"},
    {.id = "alias-check",
     .title = "the platform didn't check memory for aliases (BadRAM)",
     .basis = "AMD 56860, PLATFORM_INFO, bit 5; CVE-2024-21944",
     .kinds = SNP,
     .change = snp_alias,
     .fail = "snp.platform"},
    {.id = "vmpl",
     .title = "the guest asked for the report, not the paravisor: it may name any key",
     .basis = AMD "VMPL; " HCL "the paravisor's level is 0",
     .lesson = "4",
     .kinds = SNP,
     .change = snp_vmpl,
     .fail = "binding.report_data snp.vmpl azure.key",
     .missing = NO_KEY},
    {.id = "measurement",
     .title = "another paravisor runs than the policy pins",
     .basis = AMD "MEASUREMENT",
     .lesson = "31",
     .kinds = SNP,
     .change = snp_measurement,
     .fail = "snp.measurement"},
    {.id = "host-data",
     .title = "the host gave the VM data that the policy doesn't list",
     .basis = AMD "HOST_DATA",
     .lesson = "40",
     .kinds = SNP,
     .change = snp_host_data,
     .fail = "snp.host_data"},
    {.id = "id-key",
     .title = "the image's owner has a key that the policy doesn't list",
     .basis = AMD "ID_KEY_DIGEST",
     .lesson = "40",
     .kinds = SNP,
     .change = snp_id_key,
     .fail = "snp.id_key"},
    {.id = "author-key",
     .title = "the report says that there is an author's key, and shows none",
     .basis = AMD "AUTHOR_KEY_EN",
     .kinds = SNP,
     .change = snp_author_key,
     .fail = "snp.author_key"},
    {.id = "guest-svn",
     .title = "the guest's security version is below the policy's floor",
     .basis = "docs/POLICY.md, sev_snp, min_guest_svn",
     .kinds = SNP,
     .policy = {"'min_guest_svn':3", "'min_guest_svn':4"},
     .fail = "snp.guest_svn"},
};

/* ---- the hardware: TDX ---- */

CHANGE(td_version, r->td.version = 6)
CHANGE(td_key_type, r->td.key_type = 3)
CHANGE(td_cut, r->td.cut = 1)
CHANGE(td_vendor, r->td.vendor[0] ^= 1)
CHANGE(td_trailing, (r->td.trailing_n = 1, r->td.trailing = 1))
CHANGE(td_chain_garbage, r->td.chain = QUOTE_CHAIN_GARBAGE)
CHANGE(td_chain_none, r->td.chain = QUOTE_CHAIN_NONE)
CHANGE(td_ca_foreign, r->td.ca_issuer = quote_lab.stranger)
CHANGE(td_leaf_foreign, r->td.leaf_issuer = quote_lab.stranger)
CHANGE(td_expired, r->td.leaf_to = LAB_NOW - 1)
CHANGE(td_crl_foreign, r->td.pck_crl.issuer = quote_lab.stranger)
CHANGE(td_crl_expired, r->td.pck_crl.to = LAB_NOW - 1)
CHANGE(td_revoked, r->td.root_crl.revoked = QUOTE_SERIAL_CA)
CHANGE(td_no_extension, r->td.ext_none = true)
CHANGE(td_qe_foreign, r->td.qe_signer = quote_lab.stranger)
CHANGE(td_binding, r->td.binding_wrong = true)
CHANGE(td_signature, r->td.quote_signer = quote_lab.stranger)
CHANGE(td_info_version, quote_edit(r->td.info, "'version':3", "'version':2"))
CHANGE(td_info_foreign, r->td.info_signer = quote_lab.stranger)
CHANGE(td_info_expired, quote_edit(r->td.info, "2026-12-01", "2026-11-17"))
CHANGE(td_info_old, quote_edit(r->td.info, "Number':17", "Number':16"))
CHANGE(td_info_missing, r->td.no_info = true)
CHANGE(td_info_other, r->td.fmspc[5] ^= 1)
CHANGE(td_qe_signer, r->td.qe[SGX_SIGNER] ^= 1)
CHANGE(td_qe_old, r->td.qe[SGX_SVN] = 3)
CHANGE(td_platform_old, r->td.component[0] = 4)
CHANGE(td_module_signer, r->td.body[TD_SIGNER] = 1)
CHANGE(td_module_old, r->td.body[TD_SVN] = 3)
CHANGE(td_debug, r->td.body[TD_ATTRIBUTES] |= 1)
CHANGE(td_perfmon, r->td.body[TD_ATTRIBUTES + 7] |= 0x80)
CHANGE(td_xfam, r->td.body[TD_XFAM + 2] |= 1)
CHANGE(td_mrtd, r->td.body[TD_MRTD] ^= 1)
CHANGE(td_rtmr, r->td.body[TD_RTMR] ^= 1)
CHANGE(td_config, memset(r->td.body + TD_CONFIG, 0x77, 48))
CHANGE(td_owner, memset(r->td.body + TD_OWNER, 0x77, 48))

/* A quote of TD 1.5, which tells of service TDs. */
static void td_15(struct recipe *r)
{
    struct quote_recipe td = quote_lab_td(5, CLO_QUOTE_BODY_TD15);

    memcpy(td.policy, r->td.policy, sizeof td.policy);
    memset(td.body + TD_RTMR, 0, 192);
    r->td = td;
}

static void td_service(struct recipe *r)
{
    td_15(r);
    memset(r->td.body + TD_SERVICE, 0x77, 48);
}

static const struct row tds[] = {
    {.id = "good-td15",
     .title = "nothing is wrong; the quote is of version 5 and a TD 1.5",
     .basis = INTEL "version 5",
     .kinds = TDX,
     .change = td_15},
    {.id = "version",
     .title = "the TD's quote is of a version that nobody has defined",
     .basis = INTEL "version",
     .kinds = TDX,
     .change = td_version,
     .fail = "quote.version",
     .missing = QUOTE_UNKNOWN NO_REPORT},
    {.id = "key-type",
     .title = "the TD's quote names another kind of key",
     .basis = INTEL "attestation key type",
     .kinds = TDX,
     .change = td_key_type,
     .fail = "quote.key_type",
     .missing = QUOTE_UNKNOWN NO_REPORT},
    {.id = "quote-cut",
     .title = "the TD's quote lacks its last byte",
     .basis = INTEL "length",
     .kinds = TDX,
     .change = td_cut,
     .fail = "quote.format",
     .missing = QUOTE_UNREAD NO_REPORT},
    {.id = "quote-vendor",
     .title = "the TD's quote names another QE vendor than Intel",
     .basis = INTEL "QE vendor ID",
     .kinds = TDX,
     .change = td_vendor,
     .fail = "quote.qe_vendor"},
    {.id = "quote-trailing",
     .title = "a byte that nothing covers stands behind the TD's quote",
     .basis = INTEL "declared lengths",
     .lesson = "47",
     .kinds = TDX,
     .change = td_trailing,
     .fail = "quote.trailing"},
    {.id = "chain-garbage",
     .title = "the chain in the TD's quote can't be read",
     .basis = "RFC 7468 section 3",
     .kinds = TDX,
     .change = td_chain_garbage,
     .fail = "quote.chain_present",
     .missing = QUOTE_NO_CHAIN NO_REPORT},
    {.id = "chain-missing",
     .title = "the TD's quote has no chain, and none came beside it",
     .basis = INTEL "certification data",
     .lesson = "40",
     .kinds = TDX,
     .change = td_chain_none,
     .missing = "quote.chain_present " QUOTE_NO_CHAIN NO_REPORT},
    {.id = "root",
     .title = "the intermediate isn't signed by the pinned root",
     .basis = X509,
     .lesson = "4 46",
     .kinds = TDX,
     .change = td_ca_foreign,
     .fail = "quote.root",
     .missing = QUOTE_NO_PLATFORM NO_REPORT},
    {.id = "chain",
     .title = "the platform's certificate isn't signed by the intermediate",
     .basis = X509 ".3 (a)(1)",
     .lesson = "39",
     .kinds = TDX,
     .change = td_leaf_foreign,
     .fail = "quote.chain",
     .missing = QUOTE_NO_PLATFORM NO_REPORT},
    {.id = "chain-expired",
     .title = "the platform's certificate ended a second ago",
     .basis = X509 ".3 (a)(2)",
     .lesson = "44",
     .kinds = TDX,
     .change = td_expired,
     .fail = "quote.chain_dates"},
    {.id = "crl-foreign",
     .title = "the intermediate's revocation list isn't signed by it",
     .basis = CRL " (f), (g)",
     .kinds = TDX,
     .change = td_crl_foreign,
     .fail = "quote.crl",
     .missing = "quote.crl_dates quote.revoked"},
    {.id = "crl-expired",
     .title = "the intermediate's revocation list is past its nextUpdate",
     .basis = CRL " (a)",
     .lesson = "44",
     .kinds = TDX,
     .change = td_crl_expired,
     .fail = "quote.crl_dates"},
    {.id = "revoked-intermediate",
     .title = "the root's list revokes the intermediate",
     .basis = CRL,
     .kinds = TDX,
     .change = td_revoked,
     .fail = "quote.revoked"},
    {.id = "pck-no-extension",
     .title = "the platform's certificate has no SGX extension",
     .basis = PCK ", section 1.3.5",
     .lesson = "17",
     .kinds = TDX,
     .change = td_no_extension,
     .fail = "quote.pck",
     .missing = "quote.tcb_info " QUOTE_NO_INFO},
    {.id = "qe-signature",
     .title = "another key than the platform's signed the quoting enclave's report",
     .basis = INTEL "QE report signature",
     .kinds = TDX,
     .change = td_qe_foreign,
     .fail = "quote.qe_signature",
     .missing = QUOTE_NO_QE NO_REPORT},
    {.id = "qe-binding",
     .title = "the quoting enclave's report data hold more than the attestation key's hash",
     .basis = INTEL "QE report data",
     .kinds = TDX,
     .change = td_binding,
     .fail = "quote.qe_binding",
     .missing = QUOTE_NO_BINDING NO_REPORT},
    {.id = "quote-signature",
     .title = "another key than the attestation key signed the TD's quote",
     .basis = INTEL "signature",
     .kinds = TDX,
     .change = td_signature,
     .fail = "quote.signature",
     .missing = QUOTE_NO_SIGNATURE NO_REPORT},
    {.id = "tcb-info-unreadable",
     .title = "the TCB info is of version 2, which knows no TDX",
     .basis = PCS "TCB info, version",
     .kinds = TDX,
     .change = td_info_version,
     .fail = "quote.collateral",
     .missing = QUOTE_NO_COLLATERAL},
    {.id = "tcb-info-missing",
     .title = "no TCB info came",
     .basis = PCS "TCB info",
     .lesson = "40",
     .kinds = TDX,
     .change = td_info_missing,
     .missing = "quote.collateral " QUOTE_NO_COLLATERAL},
    {.id = "tcb-info-foreign",
     .title = "the TCB info isn't signed by Intel's signer",
     .basis = PCS "TCB info, signature",
     .lesson = "27",
     .kinds = TDX,
     .change = td_info_foreign,
     .fail = "quote.collateral_chain",
     .missing = QUOTE_NO_WORD},
    {.id = "tcb-info-expired",
     .title = "the TCB info is past its nextUpdate",
     .basis = PCS "TCB info, nextUpdate",
     .lesson = "44",
     .kinds = TDX,
     .change = td_info_expired,
     .fail = "quote.collateral_dates"},
    {.id = "tcb-info-number-old",
     .title = "the TCB info is of an evaluation before the policy's floor",
     .basis = PCS "TCB info, tcbEvaluationDataNumber",
     .kinds = TDX,
     .change = td_info_old,
     .fail = "quote.collateral_number"},
    {.id = "tcb-info-other-fmspc",
     .title = "the TCB info is another kind of platform's",
     .basis = PCS "TCB info, fmspc",
     .kinds = TDX,
     .change = td_info_other,
     .fail = "quote.tcb_info",
     .missing = QUOTE_NO_INFO},
    {.id = "qe-mrsigner",
     .title = "somebody else signed the quoting enclave",
     .basis = PCS "enclave identity, mrsigner",
     .kinds = TDX,
     .change = td_qe_signer,
     .fail = "quote.qe_identity"},
    {.id = "qe-out-of-date",
     .title = "the quoting enclave is OutOfDate",
     .basis = PCS "enclave identity, tcbLevels",
     .lesson = "45 50",
     .kinds = TDX,
     .change = td_qe_old,
     .fail = "quote.qe_tcb quote.tcb"},
    {.id = "platform-out-of-date",
     .title = "the platform is OutOfDate",
     .basis = PCS "TCB info, tcbLevels",
     .lesson = "45",
     .kinds = TDX,
     .change = td_platform_old,
     .fail = "quote.tcb"},
    {.id = "advisory-open",
     .title = "the platform is OutOfDate, which the policy accepts, but not its advisories",
     .basis = PCS "TCB info, advisoryIDs",
     .lesson = "45",
     .kinds = TDX,
     .change = td_platform_old,
     .policy = {"'min_evaluation_number':17",
                "'min_evaluation_number':17,'statuses':['UpToDate','OutOfDate'],'advisories':[]"},
     .fail = "quote.advisories"},
    {.id = "advisories-accepted",
     .title = "nothing is wrong; the policy accepts OutOfDate, and these advisories",
     .basis = PCS "TCB info, advisoryIDs",
     .kinds = TDX,
     .change = td_platform_old,
     .policy =
         {"'min_evaluation_number':17",
          "'min_evaluation_number':17,'statuses':['UpToDate','OutOfDate'],'advisories':['INTEL-SA-00001','INTEL-SA-00002']"}},
    {.id = "module-signer",
     .title = "somebody else signed the TDX module",
     .basis = TDXM "MRSIGNERSEAM",
     .kinds = TDX,
     .change = td_module_signer,
     .fail = "tdx.module"},
    {.id = "module-out-of-date",
     .title = "the TDX module is OutOfDate",
     .basis = PCS "TCB info, tdxModuleIdentities",
     .lesson = "45 50",
     .kinds = TDX,
     .change = td_module_old,
     .fail = "quote.tcb tdx.module_tcb"},
    {.id = "debug",
     .title = "the TD runs under debug",
     .basis = TDXM "ATTRIBUTES, bit 0",
     .lesson = "6",
     .kinds = TDX,
     .change = td_debug,
     .fail = "tdx.debug"},
    {.id = "attributes",
     .title = "the TD uses the performance monitor, which the policy doesn't allow",
     .basis = TDXM "ATTRIBUTES, bit 63",
     .kinds = TDX,
     .change = td_perfmon,
     .fail = "tdx.attributes"},
    {.id = "xfam",
     .title = "XFAM has a bit that is fixed to 0",
     .basis = TDXM "XFAM",
     .kinds = TDX,
     .change = td_xfam,
     .fail = "tdx.xfam"},
    {.id = "mrtd",
     .title = "another paravisor runs than the policy pins",
     .basis = TDXM "MRTD",
     .lesson = "31",
     .kinds = TDX,
     .change = td_mrtd,
     .fail = "tdx.measurement"},
    {.id = "rtmr0",
     .title = "an RTMR isn't zero, as the policy pins it",
     .basis = "docs/POLICY.md, tdx, images",
     .kinds = TDX,
     .change = td_rtmr,
     .fail = "tdx.measurement"},
    {.id = "config-id",
     .title = "the host gave the TD a configuration (MRCONFIGID)",
     .basis = TDXM "MRCONFIGID",
     .lesson = "40",
     .kinds = TDX,
     .change = td_config,
     .fail = "tdx.config"},
    {.id = "owner",
     .title = "the TD has an owner (MROWNER) that the policy doesn't list",
     .basis = TDXM "MROWNER",
     .lesson = "40",
     .kinds = TDX,
     .change = td_owner,
     .fail = "tdx.owner"},
    {.id = "migration-td",
     .title = "a service TD (a migration agent) is bound to the TD",
     .basis = TDXM "MRSERVICETD",
     .kinds = TDX,
     .change = td_service,
     .fail = "tdx.service_td"},
};

static void emit_all(struct lab *l, const struct row *row, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((row[i].kinds & SNP) != 0)
            emit(l, &row[i], false);
        if ((row[i].kinds & TDX) != 0)
            emit(l, &row[i], true);
    }
}

void lab_cases_azure(struct lab *l)
{
    LAB_MUST((snp_lab_open(NULL) | quote_lab_open(NULL) | tl_open(NULL)) == 0);
    emit_all(l, envelopes, CLO_ARRAY_LEN(envelopes));
    emit_all(l, types, CLO_ARRAY_LEN(types));
    emit_all(l, runtimes, CLO_ARRAY_LEN(runtimes));
    emit_all(l, keys, CLO_ARRAY_LEN(keys));
    emit_all(l, vms, CLO_ARRAY_LEN(vms));
    emit_all(l, vtpms, CLO_ARRAY_LEN(vtpms));
    emit_all(l, snps, CLO_ARRAY_LEN(snps));
    emit_all(l, tds, CLO_ARRAY_LEN(tds));
    LAB_MUST((snp_lab_close(NULL) | quote_lab_close(NULL) | tl_close(NULL)) == 0);
}
