/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded evidence of Azure's confidential VMs, SEV-SNP and TDX: each under a policy that pins what it says itself, so that what fails is
 * what is wrong with it; and each with a part of another's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "attest/azure.h"
#include "attest/hcl.h"
#include "vectors.h"

#define JUN_2025 1748779200 /* Milan's recorded CRL and every VCEK are valid */
#define AUG_2025 1754006400 /* Genoa's */
#define MAR_2026 1774224000 /* Intel's recorded collateral */
#define FILE_MAX 40000

/* ---- files ---- */

struct file {
    uint8_t p[FILE_MAX];
    size_t n;
};

static void file_read(const char *name, struct file *f)
{
    const char *folder = getenv("CLOISTER_VECTORS");
    char path[4096];
    struct stat st;
    FILE *in = NULL;

    if (folder == NULL || stat(folder, &st) != 0)
        skip();
    (void)snprintf(path, sizeof path, "%s/attestation/%s", folder, name);
    in = fopen(path, "rb");
    assert_non_null(in);
    f->n = fread(f->p, 1, sizeof f->p, in);
    assert_true(f->n > 0 && f->n < sizeof f->p);
    assert_int_equal(fclose(in), 0);
}

static void put(struct clo_buf *dst, const void *p, size_t n)
{
    *dst = clo_buf_init(n);
    assert_int_equal(clo_buf_append(dst, p, n), 0);
}

/* The i-th certificate of a PEM text, or the one DER. */
static void cert_load(const char *name, size_t i, struct clo_buf *ret)
{
    static struct file f;
    const char *p;
    size_t n;

    file_read(name, &f);
    if (f.p[0] == 0x30) {
        put(ret, f.p, f.n);
        return;
    }
    p = (const char *)f.p;
    n = f.n;
    for (size_t k = 0; k <= i; k++) {
        clo_buf_clear(ret);
        *ret = clo_buf_init(CLO_CERT_MAX);
        assert_int_equal(clo_pem_next(&p, &n, "CERTIFICATE", ret), 0);
    }
}

/* ---- one appraisal ---- */

static struct setting {
    struct file hcl, td_quote, quote, signature, pcrs;
    struct clo_buf chain[2];
    size_t chain_n;
    struct clo_collateral collateral;
    struct cloister_policy *policy;
    bool tdx;
    int64_t now;
    uint8_t expected[64];
    size_t expected_n;
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
} s;

static void setting_clear(void)
{
    clo_buf_clear(&s.chain[0]);
    clo_buf_clear(&s.chain[1]);
    clo_collateral_clear(&s.collateral);
    cloister_policy_free(s.policy);
    memset(&s, 0, sizeof s);
}

static int start(void **state)
{
    (void)state;
    setting_clear();
    return 0;
}

static void name_of(const char *which, const char *suffix, char dst[128])
{
    (void)snprintf(dst, 128, "azure/%s.%s", which, suffix);
}

/* The vTPM's part of an evidence; expected is what its quote covers. */
static void tpm_load(const char *which)
{
    char name[128];
    size_t n;

    name_of(which, "tpmquote.msg", name);
    file_read(name, &s.quote);
    name_of(which, "tpmquote.sig", name);
    file_read(name, &s.signature);
    name_of(which, "pcrs.bin", name);
    file_read(name, &s.pcrs);
    /* magic, type, and behind the qualified signer's name the qualifying data */
    n = (size_t)(s.quote.p[6] << 8 | s.quote.p[7]);
    s.expected_n = (size_t)(s.quote.p[8 + n] << 8 | s.quote.p[9 + n]);
    memcpy(s.expected, s.quote.p + 10 + n, s.expected_n);
}

static void snp_load(const char *which, const char *vcek, const char *product)
{
    char name[128];

    setting_clear();
    name_of(which, "hcl.bin", name);
    file_read(name, &s.hcl);
    s.now = JUN_2025;
    if (vcek == NULL)
        return;
    name_of(vcek, strcmp(vcek, "az_snp_milan_v0") == 0 ? "vcek.pem" : "vcek.der", name);
    cert_load(name, 0, &s.chain[0]);
    (void)snprintf(name, sizeof name, "snp-roots/%s_ask_ark_asvk.pem", product);
    cert_load(name, 0, &s.chain[1]);
    s.chain_n = 2;
    (void)snprintf(name, sizeof name, "snp-roots/%s_kds_crl.der", product);
    file_read(name, &s.td_quote); /* a place to read it to */
    put(&s.collateral.crl[0], s.td_quote.p, s.td_quote.n);
    s.collateral.crls = 1;
    s.td_quote.n = 0;
}

static void put_hex(char *dst, size_t cap, const char *before, const uint8_t *p, size_t n,
                    const char *behind)
{
    char hex[2 * 64 + 1];
    const size_t at = strlen(dst);

    clo_hex(p, n, hex);
    assert_true((size_t)snprintf(dst + at, cap - at, "%s%s%s", before, hex, behind) < cap - at);
}

static void put_text(char *dst, size_t cap, const char *text)
{
    const size_t at = strlen(dst);

    assert_true((size_t)snprintf(dst + at, cap - at, "%s", text) < cap - at);
}

/* What every PCR that came is, pinned, and the VM by its own name; with ' for ". */
static void policy_rest(char *dst, size_t cap, const char *azure)
{
    char name[16];

    put_text(dst, cap, "},'azure':{");
    put_text(dst, cap, azure);
    put_text(dst, cap, "},'tpm':{'pcrs':[{");
    for (size_t i = 0; i < 24; i++) {
        (void)snprintf(name, sizeof name, "%s'%zu':'", i == 0 ? "" : ",", i);
        put_hex(dst, cap, name, s.pcrs.p + 32 * i, 32, "'");
    }
    put_text(dst, cap, "}]},'devices':{'min':0}}");
}

static void policy_parse(char *text)
{
    char why[200];

    for (char *c = text; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    if (cloister_policy_check(text, strlen(text), why, sizeof why) != 0)
        fail_msg("%s", why);
    cloister_policy_free(s.policy);
    s.policy = NULL;
    assert_int_equal(cloister_policy_parse(text, strlen(text), &s.policy), 0);
}

/* The VM's own id out of its runtime data, and the console that every one of them has. */
static void azure_own(char dst[160])
{
    struct clo_hcl_runtime r;
    struct clo_hcl h;

    assert_int_equal(clo_hcl_parse(s.hcl.p, s.hcl.n, &h), 0);
    assert_int_equal(clo_hcl_runtime_parse(h.runtime, h.runtime_n, &r), 0);
    (void)snprintf(dst, 160, "'allow_console':true,'vm_ids':['%s']", r.vm_id);
}

static void snp_policy(const char *product, const char *azure)
{
    const uint8_t *r = s.hcl.p + CLO_HCL_HW_OFFSET;
    char text[8192] = "", own[160];

    azure_own(own);
    put_hex(text, sizeof text, "{'v':1,'name':'recorded','tee':['sev-snp-azure'],'measurements':['",
            r + 0x90, 48, "']");
    (void)snprintf(text + strlen(text), sizeof text - strlen(text),
                   ",'sev_snp':{'products':{'%s':{'min_tcb':{'bl':%u,'tee':%u,'snp':%u,'ucode':%u},"
                   "'min_firmware':'%u.%u.%u'}},'min_abi':'0.31','allow_smt':true,"
                   "'require_platform':[],",
                   product, r[0x180], r[0x181], r[0x186], r[0x187], r[0x1ee], r[0x1ed], r[0x1ec]);
    put_hex(text, sizeof text, "'chip_ids':['", r + 0x1a0, 64, "'],");
    put_hex(text, sizeof text, "'id_keys':['", r + 0xe0, 48, "']");
    policy_rest(text, sizeof text, azure != NULL ? azure : own);
    policy_parse(text);
}

static void judge(const struct cloister_policy *policy)
{
    const struct clo_azure_input in = {
        .hcl = s.hcl.p,
        .hcl_n = s.hcl.n,
        .quote = s.td_quote.p,
        .quote_n = s.td_quote.n,
        .chain = s.chain,
        .chain_n = s.chain_n,
        .tpm_quote = s.quote.p,
        .tpm_quote_n = s.quote.n,
        .tpm_signature = s.signature.p,
        .tpm_signature_n = s.signature.n,
        .pcrs = s.pcrs.p,
        .pcrs_n = s.pcrs.n,
        .collateral = &s.collateral,
        .expected = s.expected,
        .expected_n = s.expected_n,
    };
    const unsigned families = CLO_FAMILY_AZURE | CLO_FAMILY_TPM |
                              (s.tdx ? CLO_FAMILY_QUOTE | CLO_FAMILY_TDX
                                     : (unsigned)CLO_FAMILY_SNP);

    clo_vb_init(&s.vb);
    clo_vb_keep_families(&s.vb, families);
    memset(&s.hw, 0, sizeof s.hw);
    assert_int_equal(clo_azure_appraise(&in, policy, cloister_roots_builtin(), s.now, &s.vb, &s.hw),
                     0);
    assert_false(s.vb.twice);
    assert_int_equal(clo_vb_count(&s.vb, families, CLOISTER_CHECK_NONE), 0);
}

/* missing NULL: whatever else is */
static void assert_judged(const char *fails, const char *missing)
{
    static const enum cloister_check_status of[] = {CLOISTER_CHECK_FAIL, CLOISTER_CHECK_MISSING};

    judge(s.policy);
    for (size_t k = 0; k < 2; k++) {
        char text[4096] = "";

        for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
            if (s.vb.check[i].status != of[k] || s.vb.out[i])
                continue;
            if (text[0] != '\0')
                strncat(text, " ", sizeof text - strlen(text) - 1);
            strncat(text, cloister_check_name(s.vb.check[i].id), sizeof text - strlen(text) - 1);
        }
        if (k == 0 || missing != NULL)
            assert_string_equal(text, k == 0 ? fails : missing);
    }
}

static bool passed(enum cloister_check_id id)
{
    return clo_vb_status(&s.vb, id) == CLOISTER_CHECK_PASS;
}

/* ---- SEV-SNP ---- */

static void whole_evidence_of_milan_machines_passes(void **state)
{
    static const char *const which[] = {"az_snp_milan_v0", "az_snp_milan_v2_userdata",
                                        "az_snp_milan_live"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(which); i++) {
        struct clo_slice in[2];
        uint8_t want[48];

        snp_load(which[i], which[i], "milan");
        tpm_load(which[i]);
        snp_policy("milan", NULL);
        assert_judged("", "");
        assert_true(s.hw.authentic && s.hw.bound && s.hw.measured);
        in[0] = (struct clo_slice){s.hcl.p + CLO_HCL_HW_OFFSET + 0x90, 48};
        in[1] = (struct clo_slice){s.pcrs.p, s.pcrs.n};
        assert_int_equal(clo_hash(CLO_SHA384, in, 2, want), 0);
        assert_memory_equal(s.hw.measurement, want, 48);
        /* the console is on in all of them, and that is the policy's to allow */
        snp_policy("milan", "");
        assert_judged("azure.vm", "");
        snp_policy("milan", "'allow_console':true,'vm_ids':['another']");
        assert_judged("azure.vm", "");
        s.expected[0] ^= 1;
        snp_policy("milan", NULL);
        assert_judged("binding.report_data tpm.nonce", "");
    }
}

static void a_quote_that_covers_nothing_is_refused_by_its_nonce(void **state)
{
    (void)state;
    snp_load("az_snp_milan_v3_emptynonce", "az_snp_milan_v3_emptynonce", "milan");
    tpm_load("az_snp_milan_v3_emptynonce");
    assert_int_equal(s.expected_n, 0);
    snp_policy("milan", NULL);
    assert_judged("binding.report_data tpm.nonce", "");
    s.expected_n = 32;
    assert_judged("binding.report_data tpm.nonce", "");
    assert_true(s.hw.authentic && s.hw.measured && !s.hw.bound);
}

static void provisional_firmware_is_refused(void **state)
{
    (void)state;
    snp_load("az_snp_milan_rep2", "az_snp_milan_rep2", "milan");
    tpm_load("az_snp_milan_rep2");
    snp_policy("milan", NULL);
    assert_judged("snp.tcb_provisional", "");
}

static void genoas_envelope_without_a_quote_binds_nothing(void **state)
{
    (void)state;
    snp_load("az_snp_genoa_openpcc", "az_snp_genoa_openpcc", "genoa");
    s.now = AUG_2025;
    s.expected_n = 32;
    snp_policy("genoa", NULL);
    assert_judged("", "binding.report_data tpm.format tpm.algorithm tpm.signature tpm.nonce "
                      "tpm.selection tpm.pcr_digest tpm.pcrs tpm.event_log");
    assert_true(passed(CLOISTER_CHECK_AZURE_RUNTIME) && passed(CLOISTER_CHECK_AZURE_KEY) &&
                passed(CLOISTER_CHECK_AZURE_VM) && passed(CLOISTER_CHECK_TPM_KEY_TRUSTED));
    assert_false(s.hw.bound);
}

/* 2,048 bytes, provisional firmware, a key that says it encrypts; the certificates beside it are another chip's. */
static void an_older_envelope_is_read_and_refused(void **state)
{
    (void)state;
    snp_load("az_snp_milan_hcl_v1_2048", NULL, NULL);
    s.expected_n = 32;
    snp_policy("milan", NULL);
    assert_judged("binding.report_data azure.key", NULL);
    assert_true(passed(CLOISTER_CHECK_AZURE_FORMAT) && passed(CLOISTER_CHECK_AZURE_TYPE));
    cert_load("azure/az_other_chip_certs.pem", 0, &s.chain[0]);
    cert_load("azure/az_other_chip_certs.pem", 1, &s.chain[1]);
    s.chain_n = 2;
    assert_judged("binding.report_data snp.chip snp.signature snp.tcb_provisional azure.key", NULL);
    assert_false(s.hw.authentic);
}

static void another_chips_certificate_is_refused(void **state)
{
    (void)state;
    snp_load("az_snp_milan_live", "az_snp_milan_v0", "milan");
    tpm_load("az_snp_milan_live");
    snp_policy("milan", NULL);
    assert_judged("snp.chip snp.signature", NULL);
    assert_false(s.hw.authentic || s.hw.bound || s.hw.measured);
    assert_false(passed(CLOISTER_CHECK_AZURE_RUNTIME) || passed(CLOISTER_CHECK_TPM_KEY_TRUSTED) ||
                 passed(CLOISTER_CHECK_BINDING_REPORT_DATA));
}

/* Both quotes are genuine; each is by a key that the other machine's report doesn't name. */
static void another_machines_vtpm_is_refused(void **state)
{
    (void)state;
    snp_load("az_snp_milan_live", "az_snp_milan_live", "milan");
    tpm_load("az_snp_milan_v0");
    snp_policy("milan", NULL);
    assert_judged("binding.report_data tpm.signature",
                  "tpm.nonce tpm.selection tpm.pcr_digest tpm.pcrs");
    assert_false(s.hw.authentic || s.hw.bound || s.hw.measured);
}

/* The key swapped inside the envelope: the report covers the runtime data that were there. */
static void another_machines_runtime_data_are_refused(void **state)
{
    static struct file other;

    (void)state;
    snp_load("az_snp_milan_live", "az_snp_milan_live", "milan");
    file_read("azure/az_snp_milan_v0.hcl.bin", &other);
    assert_int_equal(other.n, s.hcl.n);
    memcpy(s.hcl.p + 0x4c0, other.p + 0x4c0, other.n - 0x4c0);
    tpm_load("az_snp_milan_v0");
    snp_policy("milan", NULL);
    assert_judged("binding.report_data azure.runtime tpm.key_trusted", NULL);
    assert_false(s.hw.authentic || s.hw.bound || s.hw.measured);
}

static void another_machines_pcrs_are_refused(void **state)
{
    (void)state;
    snp_load("az_snp_milan_live", "az_snp_milan_live", "milan");
    tpm_load("az_snp_milan_live");
    file_read("azure/az_snp_milan_v0.pcrs.bin", &s.pcrs);
    snp_policy("milan", NULL); /* which pins those */
    assert_judged("tpm.pcr_digest", "tpm.pcrs");
    assert_true(s.hw.authentic && s.hw.bound && !s.hw.measured);
    s.pcrs.n -= 32;
    assert_judged("tpm.pcr_digest tpm.pcrs", "");
}

/* The bits of one byte after another; of all bits of the hash alone below. */
static void a_flipped_bit_of_the_runtime_data_is_refused(void **state)
{
    struct clo_hcl h;
    uint8_t data[64];

    (void)state;
    snp_load("az_snp_milan_live", "az_snp_milan_live", "milan");
    tpm_load("az_snp_milan_live");
    snp_policy("milan", NULL);
    assert_int_equal(clo_hcl_parse(s.hcl.p, s.hcl.n, &h), 0);
    for (size_t bit = 0; bit < 8 * h.runtime_n; bit++) {
        uint8_t *p = s.hcl.p + CLO_HCL_RUNTIME_OFFSET + bit / 8;

        *p ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(clo_hcl_report_data(&h, data), 0);
        assert_memory_not_equal(data, h.report + 0x50, 64);
        if (bit % 8 == bit / 8 % 8) {
            judge(s.policy);
            assert_true(clo_vb_status(&s.vb, CLOISTER_CHECK_AZURE_RUNTIME) == CLOISTER_CHECK_FAIL ||
                        clo_vb_status(&s.vb, CLOISTER_CHECK_AZURE_FORMAT) == CLOISTER_CHECK_FAIL);
            assert_int_equal(clo_vb_status(&s.vb, CLOISTER_CHECK_BINDING_REPORT_DATA),
                             CLOISTER_CHECK_FAIL);
            assert_false(s.hw.authentic || s.hw.bound);
        }
        *p ^= (uint8_t)(1u << (bit % 8));
    }
    assert_judged("", "");
}

/* The envelope itself isn't signed, so each of its bits is fixed. */
static void a_flipped_bit_of_the_envelope_is_refused(void **state)
{
    (void)state;
    snp_load("az_snp_milan_live", "az_snp_milan_live", "milan");
    tpm_load("az_snp_milan_live");
    snp_policy("milan", NULL);
    for (size_t bit = 0; bit < 8 * s.hcl.n; bit++) {
        const bool header = bit < 8 * CLO_HCL_HW_OFFSET;
        const bool data = bit >= 8 * 0x4c0 && bit < 8 * CLO_HCL_RUNTIME_OFFSET;
        const bool report = !header && bit < 8 * 0x4c0 && bit % 8 == bit / 8 % 8;
        const bool behind = bit >= 8 * (CLO_HCL_RUNTIME_OFFSET + 1110);

        if (!header && !data && !report && !behind)
            continue;
        s.hcl.p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        judge(s.policy);
        s.hcl.p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_true(clo_vb_count(&s.vb, CLO_FAMILY_AZURE | CLO_FAMILY_SNP, CLOISTER_CHECK_FAIL) >
                    0);
    }
}

static void the_quotes_selection_is_the_policys_or_it_is_refused(void **state)
{
    (void)state;
    snp_load("az_snp_milan_live", "az_snp_milan_live", "milan");
    tpm_load("az_snp_milan_live");
    snp_policy("milan", NULL);
    s.policy->tpm.selection = 0x7fffff;
    s.policy->tpm.pcrs[0].pinned = 0x7fffff;
    assert_judged("tpm.selection", "");
    assert_false(s.hw.measured);
}

/* {signature, message, PCRs} as a program wrote them, with the key beside it. */
static void a_quote_in_another_container_is_read(void **state)
{
    static struct file f, pem;
    struct clo_buf spki = clo_buf_init(1024);
    struct clo_policy_pcrs pins = {.pinned = 0xffffff};
    struct cloister_policy policy = {0};
    struct clo_tpm_result r = {0};
    struct clo_tpm_input in = {.key_restricted = true, .key_trust = CLOISTER_CHECK_PASS};
    struct clo_verdict_builder vb;
    struct clo_key *key = NULL;
    const char *p;
    uint8_t pcrs[24 * 32];
    size_t n;

    (void)state;
    file_read("azure/az_kinvolk.quote.bincode", &f);
    file_read("azure/az_other_chip.akpub.pem", &pem);
    p = (const char *)pem.p;
    n = pem.n;
    assert_int_equal(clo_pem_next(&p, &n, "PUBLIC KEY", &spki), 0);
    assert_int_equal(clo_key_of_spki(spki.p, spki.len, &key), 0);
    for (size_t i = 0; i < 24; i++) {
        /* fields of fixed size: 32 bytes each behind one count */
        memcpy(pcrs + 32 * i, f.p + f.n - 24 * 32 + 32 * i, 32);
        memcpy(pins.value[i], pcrs + 32 * i, 32);
    }
    policy.tpm = (struct clo_policy_tpm){
        .given = true, .bank = 0x0b, .selection = 0xffffff, .pcrs = &pins, .pcrs_n = 1};
    in.key = key;
    in.signature = f.p + 8;
    in.signature_n = 256;
    in.quote = f.p + 272;
    in.quote_n = 122;
    in.pcrs = pcrs;
    in.pcrs_n = sizeof pcrs;
    in.expected = (const uint8_t *)"challenge";
    in.expected_n = 9;
    clo_vb_init(&vb);
    assert_int_equal(clo_tpm_appraise(&in, &policy, &vb, &r), 0);
    assert_true(r.authentic && r.bound && r.measured);
    clo_key_free(key);
    clo_buf_clear(&spki);
}

/* ---- TDX ---- */

static void intel_load(void)
{
    static const char *const crl[] = {"tdx-collateral/ardotai_root_ca_crl.der",
                                      "tdx-collateral/ardotai_pck_crl_platform.der"};
    static struct file f;

    for (size_t i = 0; i < 2; i++) {
        file_read(crl[i], &f);
        put(&s.collateral.crl[i], f.p, f.n);
    }
    s.collateral.crls = 2;
    file_read("tdx-collateral/ardotai_tcb_info_90c06f000000.json", &f);
    put(&s.collateral.tcb_info, f.p, f.n);
    file_read("tdx-collateral/ardotai_td_qe_identity.json", &f);
    put(&s.collateral.qe_identity, f.p, f.n);
    cert_load("tdx-collateral/ardotai_tcb_signing_chain.pem", 0, &s.collateral.collateral_chain[0]);
    cert_load("tdx-collateral/ardotai_tcb_signing_chain.pem", 1, &s.collateral.collateral_chain[1]);
    s.collateral.collateral_chain_n = 2;
}

static void tdx_load(const char *which, bool with_quote)
{
    char name[128];

    setting_clear();
    s.tdx = true;
    s.now = MAR_2026;
    name_of(which, "hcl.bin", name);
    file_read(name, &s.hcl);
    if (with_quote) {
        name_of(which, "tdquote.bin", name);
        file_read(name, &s.td_quote);
    }
    intel_load();
}

static void tdx_policy(void)
{
    const uint8_t *body = s.td_quote.p + 48; /* version 4; zeros where there is none */
    char text[8192] = "", own[160];

    azure_own(own);
    put_text(text, sizeof text, "{'v':1,'name':'recorded','tee':['tdx-azure'],");
    put_hex(text, sizeof text, "'tdx':{'images':[{'mrtd':'", body + 0x88, 48, "'");
    put_hex(text, sizeof text, ",'rtmr0':'", body + 0x148, 48, "'");
    put_hex(text, sizeof text, ",'rtmr1':'", body + 0x178, 48, "'");
    put_hex(text, sizeof text, ",'rtmr2':'", body + 0x1a8, 48, "'");
    put_hex(text, sizeof text, ",'rtmr3':'", body + 0x1d8, 48, "'}],");
    put_text(text, sizeof text, "'tcb':{'min_evaluation_number':18}");
    policy_rest(text, sizeof text, own);
    policy_parse(text);
}

static void whole_evidence_of_a_tdx_machine_passes(void **state)
{
    (void)state;
    tdx_load("az_tdx_emr_live", true);
    tpm_load("az_tdx_emr_live");
    tdx_policy();
    assert_judged("", "");
    assert_true(s.hw.authentic && s.hw.bound && s.hw.measured);
    assert_true(passed(CLOISTER_CHECK_AZURE_RUNTIME) && passed(CLOISTER_CHECK_BINDING_REPORT_DATA));
}

static void a_tdreport_alone_proves_nothing(void **state)
{
    (void)state;
    tdx_load("az_tdx_emr_live", true);
    tpm_load("az_tdx_emr_live");
    tdx_policy();
    s.td_quote.n = 0;
    assert_judged("", NULL);
    assert_int_equal(clo_vb_status(&s.vb, CLOISTER_CHECK_AZURE_TYPE), CLOISTER_CHECK_MISSING);
    assert_int_equal(clo_vb_status(&s.vb, CLOISTER_CHECK_BINDING_REPORT_DATA),
                     CLOISTER_CHECK_MISSING);
    assert_false(s.hw.authentic || s.hw.bound || s.hw.measured);
    /* one without secure boot is refused for that all the same */
    tdx_load("az_tdx_kinvolk", false);
    s.expected_n = 32;
    tdx_policy();
    assert_judged("azure.vm", NULL);
}

static void another_tds_quote_is_refused(void **state)
{
    (void)state;
    tdx_load("az_tdx_emr_live", true);
    tpm_load("az_tdx_emr_live");
    tdx_policy();
    file_read("azure/az_tdx_openpcc.tdquote.bin", &s.td_quote);
    judge(s.policy);
    assert_int_equal(clo_vb_status(&s.vb, CLOISTER_CHECK_AZURE_RUNTIME), CLOISTER_CHECK_FAIL);
    assert_int_equal(clo_vb_status(&s.vb, CLOISTER_CHECK_TPM_KEY_TRUSTED), CLOISTER_CHECK_FAIL);
    assert_int_equal(clo_vb_status(&s.vb, CLOISTER_CHECK_BINDING_REPORT_DATA), CLOISTER_CHECK_FAIL);
    assert_false(s.hw.authentic || s.hw.bound || s.hw.measured);
}

static void a_tdx_machine_without_a_vtpms_quote_binds_nothing(void **state)
{
    (void)state;
    tdx_load("az_tdx_openpcc", true);
    s.expected_n = 32;
    tdx_policy();
    judge(s.policy);
    assert_true(passed(CLOISTER_CHECK_AZURE_TYPE) && passed(CLOISTER_CHECK_AZURE_RUNTIME) &&
                passed(CLOISTER_CHECK_AZURE_KEY) && passed(CLOISTER_CHECK_TPM_KEY_TRUSTED));
    assert_int_equal(clo_vb_status(&s.vb, CLOISTER_CHECK_BINDING_REPORT_DATA),
                     CLOISTER_CHECK_MISSING);
    assert_false(s.hw.bound);
}

static void a_tdx_envelope_in_snp_evidence_and_the_other_way_round_is_refused(void **state)
{
    (void)state;
    tdx_load("az_tdx_emr_live", true);
    tpm_load("az_tdx_emr_live");
    tdx_policy();
    s.tdx = false;
    assert_judged("binding.report_data azure.type", NULL);
    snp_load("az_snp_milan_live", "az_snp_milan_live", "milan");
    tpm_load("az_snp_milan_live");
    snp_policy("milan", NULL);
    s.tdx = true;
    assert_judged("binding.report_data azure.type", NULL);
    s.tdx = false;
    file_read("azure/az_tdx_emr_live.tdquote.bin", &s.td_quote); /* one too many */
    assert_judged("binding.report_data azure.type", NULL);
}

static int stop(void **state)
{
    return start(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_evidence_of_milan_machines_passes),
        cmocka_unit_test(a_quote_that_covers_nothing_is_refused_by_its_nonce),
        cmocka_unit_test(provisional_firmware_is_refused),
        cmocka_unit_test(genoas_envelope_without_a_quote_binds_nothing),
        cmocka_unit_test(an_older_envelope_is_read_and_refused),
        cmocka_unit_test(another_chips_certificate_is_refused),
        cmocka_unit_test(another_machines_vtpm_is_refused),
        cmocka_unit_test(another_machines_runtime_data_are_refused),
        cmocka_unit_test(another_machines_pcrs_are_refused),
        cmocka_unit_test(a_flipped_bit_of_the_runtime_data_is_refused),
        cmocka_unit_test(a_flipped_bit_of_the_envelope_is_refused),
        cmocka_unit_test(the_quotes_selection_is_the_policys_or_it_is_refused),
        cmocka_unit_test(a_quote_in_another_container_is_read),
        cmocka_unit_test(whole_evidence_of_a_tdx_machine_passes),
        cmocka_unit_test(a_tdreport_alone_proves_nothing),
        cmocka_unit_test(another_tds_quote_is_refused),
        cmocka_unit_test(a_tdx_machine_without_a_vtpms_quote_binds_nothing),
        cmocka_unit_test(a_tdx_envelope_in_snp_evidence_and_the_other_way_round_is_refused),
    };

    return cmocka_run_group_tests_name("azure_vectors", tests, start, stop);
}
