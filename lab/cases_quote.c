/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cases of Intel's quotes: TDX in versions 4 and 5, with reports of TD 1.0 and 1.5, and SGX in versions 3, 4 and 5. A row is one case for each
 * kind of quote that it names; what differs from the right one stands in it.
 *
 * What a quote claims counts only if the quote is authentic: cases_intel.h says what can't be judged where which link is broken.
 */
#include "lab/cases_intel.h"
#include "lab/event.h"
#include "lab/lab.h"
#include "lab/quote.h"

/* ---- what decides ---- */

#define FORMAT  "Intel DCAP quote format (SGX ECDSA QuoteLibReference; TDX DCAP Quoting Library API)"
#define HEADER  FORMAT ", header: "
#define AUTH    FORMAT ", signature data: "
#define PROFILE "Intel SGX PCK Certificate and CRL Profile"
#define X509    "RFC 5280 section 6.1.3"
#define CRLS    "RFC 5280 section 6.3.3; " PROFILE ", CRLs"
#define PCS     "Intel Provisioning Certification Service API v4"
#define INFO    PCS ", TCB info: "
#define QEID    PCS ", enclave identity: "
#define QVL     "Intel Quote Verification Library, "
#define LEVELS  QVL "TCB level of a platform"
#define TDXM    "Intel TDX Module Base Architecture Specification"
#define SDM     "Intel SDM volume 3D, section 36.7"
#define POLICY  "docs/POLICY.md"

enum {
    TD4 = 1 << 0,  /* version 4 */
    TD5 = 1 << 1,  /* version 5, TD 1.0 */
    TD15 = 1 << 2, /* version 5, TD 1.5 */
    SGX3 = 1 << 3,
    SGX4 = 1 << 4,
    SGX5 = 1 << 5,
    BOTH = TD4 | SGX3, /* each format once */
    EACH = (1 << 6) - 1,
};

struct bits {
    size_t at;
    uint8_t bits;
};
struct row {
    const char *id, *title, *basis, *lesson, *flip;
    unsigned kinds;
    struct bits body,
        qe; /* XORed onto the report, and the quoting enclave's, before they are signed */
    struct bits quote; /* and onto the finished quote */
    const char *info[2], *module[2], *identity[2], *policy[2], *policy2[2]; /* text for text */
    const char *level; /* the platform's status */
    void (*change)(struct quote_recipe *r);
    void (*after)(struct quote_evidence *e);
    size_t len; /* of the quote; 0: whole */
    const char *fail, *missing;
};

#define ACCEPT(words)                                                                     \
    {                                                                                     \
        "'min_evaluation_number':17", "'min_evaluation_number':17,'statuses':[" words "]" \
    }
#define IN_TDX(member)                  \
    {                                   \
        "'tdx':{", "'tdx':{" member "," \
    }
#define IN_SGX(member)                  \
    {                                   \
        "'sgx':{", "'sgx':{" member "," \
    }

/* ---- emitting ---- */

static const struct {
    unsigned kind;
    const char *name; /* behind the case's id */
} kinds[] = {{TD4, ""}, {TD5, "-v5"}, {TD15, "-td15"}, {SGX3, ""}, {SGX4, "-v4"}, {SGX5, "-v5"}};

static struct quote_recipe right(unsigned kind)
{
    switch (kind) {
    case TD4: return quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    case TD5: return quote_lab_td(5, CLO_QUOTE_BODY_TD10);
    case TD15: return quote_lab_td(5, CLO_QUOTE_BODY_TD15);
    case SGX3: return quote_lab_enclave(3);
    case SGX4: return quote_lab_enclave(4);
    default: return quote_lab_enclave(5);
    }
}

static void replace(char text[QUOTE_TEXT], const char *const edit[2])
{
    if (edit[0] != NULL)
        quote_edit(text, edit[0], edit[1]);
}

static void apply(const struct row *w, struct quote_recipe *r)
{
    char to[64];

    r->body[w->body.at] ^= w->body.bits;
    r->qe[w->qe.at] ^= w->qe.bits;
    replace(r->info, w->info);
    replace(r->identity, w->identity);
    replace(r->policy, w->policy);
    replace(r->policy, w->policy2);
    if (w->module[0] != NULL)
        quote_edit_after(r->info, "'TDX_01'", w->module[0], w->module[1]);
    if (w->level != NULL) {
        (void)snprintf(to, sizeof to, "'tcbStatus':'%s'", w->level);
        quote_edit_after(r->info, "'pcesvn':13", "'tcbStatus':'UpToDate'", to);
    }
    if (w->change != NULL)
        w->change(r);
}

static void items(const struct quote_recipe *r, const struct quote_evidence *e, struct lab_case *c)
{
    if (e->quote.len > 0)
        lab_item(c, CLOISTER_ITEM_REPORT, e->quote.p, e->quote.len);
    for (size_t i = 0; r->chain == QUOTE_CHAIN_BESIDE && i < r->chain_n; i++)
        lab_item(c, CLOISTER_ITEM_CERTIFICATES, e->chain[i].p, e->chain[i].len);
    quote_lab_items(r, e, c);
    if (r->event_log != NULL)
        lab_item(c, CLOISTER_ITEM_EVENT_LOG, r->event_log, r->event_log_n);
    if (r->data == QUOTE_DATA)
        lab_expect(c, r->report_data, sizeof r->report_data);
    c->expect_any = r->data == QUOTE_DATA_ANY;
}

static void emit_one(struct lab *l, const struct row *w, unsigned kind, const char *suffix)
{
    static struct quote_recipe r;
    char id[96], fail[LAB_NAMES], missing[LAB_NAMES];
    struct quote_evidence e;
    struct lab_case c = {0};

    r = right(kind);
    c.format = r.sgx ? "sgx" : "tdx";
    (void)snprintf(id, sizeof id, "%s-%s%s", c.format, w->id, suffix);
    lab_names(w->fail, NULL, r.sgx ? "tdx." : "sgx.", fail);
    lab_names(w->missing, fail, r.sgx ? "tdx." : "sgx.", missing);
    c.bundle.type = r.sgx ? CLOISTER_RAW_SGX : CLOISTER_RAW_TDX;
    c.id = id;
    c.title = w->title;
    c.basis = w->basis;
    c.lesson = w->lesson;
    c.flip = w->flip;
    c.fail = fail;
    c.missing = missing;
    c.outcome = *fail != '\0' ? "refused" : *missing != '\0' ? "indeterminate" : "verified";
    apply(w, &r);
    quote_lab_make(&r, &e);
    if (w->quote.bits != 0)
        e.quote.p[w->quote.at] ^= w->quote.bits;
    if (w->len != 0)
        e.quote.len = w->len;
    if (w->after != NULL)
        w->after(&e);
    items(&r, &e, &c);
    c.policy = r.no_policy ? NULL : r.policy;
    c.now = r.now;
    lab_emit(l, &c);
    quote_lab_clear(&e);
}

static void emit(struct lab *l, const struct row *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < CLO_ARRAY_LEN(kinds); k++)
            if ((row[i].kinds & kinds[k].kind) != 0)
                emit_one(l, &row[i], kinds[k].kind, kinds[k].name);
}

/* A change that is one statement. */
#define CHANGE(name, statement)              \
    static void name(struct quote_recipe *r) \
    {                                        \
        statement;                           \
    }

/* ---- the bytes ---- */

CHANGE(version_2, r->version = 2)
CHANGE(version_6, r->version = 6)
CHANGE(version_3_of_a_td, r->version = 3)
CHANGE(tee_82, r->tee_type = 0x82)
CHANGE(key_type_3, r->key_type = 3)
CHANGE(body_type_4, r->body_type = 4)
CHANGE(body_type_2_of_15, r->body_type = 2)
CHANGE(body_size_less, r->body_size--)
CHANGE(zeros_behind, r->trailing_n = 3061)
CHANGE(one_behind, (r->trailing_n = 39, r->trailing = 0x5a))
CHANGE(other_vendor, r->vendor[0] ^= 1)
CHANGE(no_auth, r->auth_n = 0)
CHANGE(other_tees_policy, {
    struct quote_recipe other = r->sgx ? right(TD4) : right(SGX3);

    memcpy(r->policy, other.policy, sizeof r->policy);
})
CHANGE(without_policy, r->no_policy = true)

/* A TD's quote given out as an enclave's, and the other way round: the other one's bytes. */
static void of_the_other_tee(struct quote_recipe *r)
{
    struct quote_recipe other = r->sgx ? right(TD4) : right(SGX4);

    memcpy(other.policy, r->policy, sizeof r->policy);
    *r = other;
}

static void without_quote(struct quote_evidence *e)
{
    clo_buf_clear(&e->quote);
}

static const struct row bytes[] = {
    {.id = "good", .title = "nothing is wrong", .basis = FORMAT, .kinds = EACH},
    {.id = "good-without-authentication-data",
     .title = "nothing is wrong; the quoting enclave's authentication data are empty",
     .basis = AUTH "QE authentication data may have any length",
     .kinds = BOTH,
     .change = no_auth},
    {.id = "no-quote",
     .title = "collateral came, and no quote",
     .basis = POLICY ", how a verdict comes about: what isn't there can't be judged",
     .kinds = BOTH,
     .after = without_quote,
     .missing = "binding.report_data " QUOTE_UNADMITTED},
    {.id = "no-policy",
     .title = "no policy was given: the quote is authentic, and nothing admits it",
     .basis = POLICY ": nothing is accepted because nobody mentioned it",
     .lesson = "26 40",
     .kinds = BOTH,
     .change = without_policy,
     .missing = QUOTE_NO_POLICY},
    {.id = "policy-of-another-tee",
     .title = "the policy admits another kind of TEE only",
     .basis = POLICY ", tee",
     .lesson = "26",
     .kinds = BOTH,
     .change = other_tees_policy,
     .fail = "policy.type",
     .missing = QUOTE_UNADMITTED},
    {.id = "version-2",
     .title = "the header's version is 2, which no verifier of ECDSA quotes takes",
     .basis = HEADER "version",
     .kinds = BOTH,
     .change = version_2,
     .fail = "quote.version",
     .missing = QUOTE_UNKNOWN},
    {.id = "version-6",
     .title = "the header's version is 6, which nobody has defined",
     .basis = HEADER "version",
     .kinds = BOTH,
     .change = version_6,
     .fail = "quote.version",
     .missing = QUOTE_UNKNOWN},
    {.id = "version-3",
     .title = "a TD's quote says that it is of version 3, which is SGX's alone",
     .basis = HEADER "version and TEE type",
     .kinds = TD4,
     .change = version_3_of_a_td,
     .fail = "quote.version",
     .missing = QUOTE_UNKNOWN},
    {.id = "tee-type-unknown",
     .title = "the header's TEE type is 0x82",
     .basis = HEADER "TEE type is 0 (SGX) or 0x81 (TDX)",
     .kinds = TD4 | SGX4,
     .change = tee_82,
     .fail = "quote.version",
     .missing = QUOTE_UNKNOWN},
    {.id = "of-another-tee",
     .title = "an authentic quote of the other TEE",
     .basis = HEADER "TEE type",
     .kinds = BOTH,
     .change = of_the_other_tee,
     .fail = "quote.version",
     .missing = QUOTE_UNKNOWN},
    {.id = "key-type-p384",
     .title = "the header names an attestation key of P-384, and the key is of P-256",
     .basis = HEADER "attestation key type 2 is ECDSA-256 with P-256",
     .kinds = BOTH,
     .change = key_type_3,
     .fail = "quote.key_type",
     .missing = QUOTE_UNKNOWN},
    {.id = "body-type-unknown",
     .title = "version 5 with a body of type 4",
     .basis = FORMAT ", version 5: body types 1 to 3",
     .kinds = TD15 | SGX5,
     .change = body_type_4,
     .fail = "quote.version",
     .missing = QUOTE_UNKNOWN},
    {.id = "body-type-of-another-size",
     .title = "version 5 says TD 1.0 of a body as long as TD 1.5's",
     .basis = FORMAT ", version 5: a TD 1.0 report has 584 bytes",
     .kinds = TD15,
     .change = body_type_2_of_15,
     .fail = "quote.version",
     .missing = QUOTE_UNKNOWN},
    {.id = "body-size-too-small",
     .title = "version 5 declares a body one byte shorter than its type's",
     .basis = FORMAT ", version 5: size of the body",
     .kinds = TD15 | SGX5,
     .change = body_size_less,
     .fail = "quote.version",
     .missing = QUOTE_UNKNOWN},
    {.id = "vendor-other",
     .title = "the header's QE vendor isn't Intel",
     .basis = HEADER "QE vendor ID 939a7233f79c4ca9940a0db3957f0607",
     .kinds = BOTH,
     .change = other_vendor,
     .fail = "quote.qe_vendor"},
    {.id = "cut-in-header",
     .title = "the quote ends within its header",
     .basis = HEADER "48 bytes",
     .kinds = BOTH,
     .len = 47,
     .fail = "quote.format",
     .missing = QUOTE_UNREAD "quote.version quote.key_type"},
    {.id = "cut-in-body",
     .title = "the quote ends within the report",
     .basis = FORMAT,
     .kinds = BOTH,
     .len = 400,
     .fail = "quote.format",
     .missing = QUOTE_UNREAD},
    {.id = "cut-in-qe-report",
     .title = "the quote ends within the quoting enclave's report",
     .basis = AUTH "QE report",
     .kinds = BOTH,
     .len = 900,
     .fail = "quote.format",
     .missing = QUOTE_UNREAD},
    {.id = "signature-data-too-long",
     .title = "the declared length of the signature data goes beyond the quote",
     .basis = AUTH "length",
     .lesson = "38",
     .kinds = TD4,
     .quote = {635, 0xff},
     .fail = "quote.format",
     .missing = QUOTE_UNREAD},
    {.id = "signature-data-too-long",
     .title = "the declared length of the signature data goes beyond the quote",
     .basis = AUTH "length",
     .lesson = "38",
     .kinds = SGX3,
     .quote = {435, 0xff},
     .fail = "quote.format",
     .missing = QUOTE_UNREAD},
    {.id = "authentication-data-too-long",
     .title = "the declared length of the authentication data is 33 in place of 32",
     .basis = AUTH "QE authentication data",
     .kinds = TD4,
     .quote = {1218, 0x01},
     .fail = "quote.format",
     .missing = QUOTE_UNREAD},
    {.id = "authentication-data-too-long",
     .title = "the declared length of the authentication data is 33 in place of 32",
     .basis = AUTH "QE authentication data",
     .kinds = SGX3,
     .quote = {1012, 0x01},
     .fail = "quote.format",
     .missing = QUOTE_UNREAD},
    {.id = "outer-certification-type-5",
     .title = "the outer certification data aren't of type 6, a QE report",
     .basis = AUTH "QE certification data of versions 4 and 5",
     .kinds = TD4,
     .quote = {764, 0x03},
     .fail = "quote.format",
     .missing = QUOTE_UNREAD},
    {.id = "trailing-zeros",
     .title = "zero bytes stand behind the quote, as drivers' buffers leave them",
     .basis = FORMAT ", declared lengths: they are what counts",
     .lesson = "47",
     .kinds = BOTH,
     .change = zeros_behind},
    {.id = "trailing-bytes",
     .title = "39 bytes that nothing covers stand behind the quote",
     .basis = FORMAT ", declared lengths: what stands behind them is no part of the quote",
     .lesson = "47",
     .kinds = BOTH,
     .change = one_behind,
     .fail = "quote.trailing"},
};

/* ---- signatures ---- */

CHANGE(stranger_signs_quote, r->quote_signer = quote_lab.stranger)
CHANGE(stranger_signs_qe, r->qe_signer = quote_lab.stranger)
CHANGE(binding_half, r->binding_wrong = true)
CHANGE(other_key, r->ak = r->quote_signer = quote_lab.stranger)

/* A quoting enclave's report that covers another attestation key than comes along. */
static void key_of_a_stranger(struct quote_evidence *e)
{
    uint8_t *key = e->quote.p + (e->quote.p[0] == 3 ? 500 : 700);

    LAB_MUST(clo_signer_point(quote_lab.stranger, key, key + 32) == 0);
    LAB_MUST(clo_signer_sign_p256(quote_lab.stranger, e->quote.p, e->quote.p[0] == 3 ? 432 : 632,
                                  key - 64) == 0);
}

#define SIGNED    FORMAT ": the attestation key signs header and body"
#define SIGNED_QE AUTH "QE report signature, by the PCK"
#define BOUND     AUTH "QE report data are SHA-256(attestation key || authentication data) and 32 zeros"

static const struct row signatures[] = {
    {.id = "signature-foreign",
     .title = "another key than the attestation key signed the quote",
     .basis = SIGNED,
     .kinds = EACH,
     .change = stranger_signs_quote,
     .fail = "quote.signature",
     .missing = QUOTE_NO_SIGNATURE},
    {.id = "flip-user-data",
     .title = "a bit of the header's user data is flipped",
     .basis = SIGNED,
     .lesson = "41",
     .flip = "quote",
     .kinds = BOTH,
     .quote = {28, 0x01},
     .fail = "quote.signature",
     .missing = QUOTE_NO_SIGNATURE},
    {.id = "flip-mrseam",
     .title = "a bit of MRSEAM is flipped",
     .basis = SIGNED,
     .lesson = "41",
     .flip = "quote",
     .kinds = TD4,
     .quote = {48 + 0x10 + 47, 0x80},
     .fail = "quote.signature",
     .missing = QUOTE_NO_SIGNATURE},
    {.id = "flip-cpusvn",
     .title = "a bit of CPUSVN is flipped",
     .basis = SIGNED,
     .lesson = "41",
     .flip = "quote",
     .kinds = SGX3,
     .quote = {48 + 15, 0x80},
     .fail = "quote.signature",
     .missing = QUOTE_NO_SIGNATURE},
    {.id = "flip-signature-r",
     .title = "a bit of the quote's signature is flipped",
     .basis = SIGNED,
     .flip = "signature",
     .kinds = TD4,
     .quote = {636 + 31, 0x01},
     .fail = "quote.signature",
     .missing = QUOTE_NO_SIGNATURE},
    {.id = "flip-signature-r",
     .title = "a bit of the quote's signature is flipped",
     .basis = SIGNED,
     .flip = "signature",
     .kinds = SGX3,
     .quote = {436 + 31, 0x01},
     .fail = "quote.signature",
     .missing = QUOTE_NO_SIGNATURE},
    {.id = "qe-signature-foreign",
     .title = "another key than the platform's signed the quoting enclave's report",
     .basis = SIGNED_QE,
     .kinds = EACH,
     .change = stranger_signs_qe,
     .fail = "quote.qe_signature",
     .missing = QUOTE_NO_QE},
    {.id = "flip-qe-cpusvn",
     .title = "a bit of the quoting enclave's CPUSVN is flipped",
     .basis = SIGNED_QE,
     .lesson = "41",
     .flip = "qe-report",
     .kinds = TD4,
     .quote = {770, 0x01},
     .fail = "quote.qe_signature",
     .missing = QUOTE_NO_QE},
    {.id = "flip-qe-cpusvn",
     .title = "a bit of the quoting enclave's CPUSVN is flipped",
     .basis = SIGNED_QE,
     .lesson = "41",
     .flip = "qe-report",
     .kinds = SGX3,
     .quote = {564, 0x01},
     .fail = "quote.qe_signature",
     .missing = QUOTE_NO_QE},
    {.id = "flip-qe-signature",
     .title = "a bit of the signature of the quoting enclave's report is flipped",
     .basis = SIGNED_QE,
     .flip = "qe-signature",
     .kinds = TD4,
     .quote = {1154 + 63, 0x01},
     .fail = "quote.qe_signature",
     .missing = QUOTE_NO_QE},
    {.id = "flip-qe-signature",
     .title = "a bit of the signature of the quoting enclave's report is flipped",
     .basis = SIGNED_QE,
     .flip = "qe-signature",
     .kinds = SGX3,
     .quote = {948 + 63, 0x01},
     .fail = "quote.qe_signature",
     .missing = QUOTE_NO_QE},
    {.id = "attestation-key-swapped",
     .title = "a self-made attestation key signed the quote; the QE's report is of another one",
     .basis = BOUND,
     .kinds = BOTH,
     .after = key_of_a_stranger,
     .fail = "quote.qe_binding",
     .missing = QUOTE_NO_BINDING},
    {.id = "good-other-attestation-key",
     .title = "nothing is wrong; the quoting enclave made another attestation key",
     .basis = BOUND,
     .kinds = BOTH,
     .change = other_key},
    {.id = "qe-data-second-half",
     .title = "the QE's report data hold the key's hash, and behind it no zeros",
     .basis = BOUND,
     .kinds = BOTH,
     .change = binding_half,
     .fail = "quote.qe_binding",
     .missing = QUOTE_NO_BINDING},
    {.id = "authentication-data-changed",
     .title = "a bit of the authentication data is flipped",
     .basis = BOUND,
     .flip = "authentication-data",
     .kinds = TD4,
     .quote = {1220, 0x01},
     .fail = "quote.qe_binding",
     .missing = QUOTE_NO_BINDING},
    {.id = "authentication-data-changed",
     .title = "a bit of the authentication data is flipped",
     .basis = BOUND,
     .flip = "authentication-data",
     .kinds = SGX3,
     .quote = {1014, 0x01},
     .fail = "quote.qe_binding",
     .missing = QUOTE_NO_BINDING},
};

/* ---- the platform's certificate ---- */

CHANGE(chain_der, r->chain = QUOTE_CHAIN_DER)
CHANGE(chain_beside, r->chain = QUOTE_CHAIN_BESIDE)
CHANGE(chain_none, r->chain = QUOTE_CHAIN_NONE)
CHANGE(chain_beside_none, (r->chain = QUOTE_CHAIN_BESIDE, r->chain_n = 0))
CHANGE(chain_leaf_only, r->chain_n = 1)
CHANGE(chain_without_root, r->chain_n = 2)
CHANGE(chain_too_long, r->chain_n = 4)
CHANGE(chain_garbage, r->chain = QUOTE_CHAIN_GARBAGE)
CHANGE(root_reissued, r->root_reissued = true)
CHANGE(root_other, r->root = quote_lab.stranger)
CHANGE(root_in_chain_other, r->chain_root = quote_lab.stranger)
CHANGE(root_none, r->no_root = true)
CHANGE(ca_by_stranger, r->ca_issuer = quote_lab.stranger)
CHANGE(leaf_by_stranger, r->leaf_issuer = quote_lab.stranger)
CHANGE(leaf_by_root, r->leaf_issuer = quote_lab.root)
CHANGE(ca_named_otherwise, r->ca_cn = "Intel SGX TCB Signing")
CHANGE(ca_without_ca, r->ca_no_ca = true)
CHANGE(leaf_with_ca, r->leaf_ca = true)
CHANGE(leaf_expired, r->leaf_to = LAB_NOW - 1)
CHANGE(leaf_future, r->leaf_from = LAB_NOW + 1)
CHANGE(ca_expired, r->ca_to = LAB_NOW - LAB_DAY)
CHANGE(root_expired, r->root_to = LAB_NOW - LAB_DAY)
CHANGE(leaf_named_otherwise, r->leaf_cn = "Intel SGX PCK Certificate Test")
CHANGE(ext_none, r->ext_none = true)
CHANGE(ext_no_tcb, r->ext_drop = 2)
CHANGE(ext_no_pceid, r->ext_drop = 3)
CHANGE(ext_no_fmspc, r->ext_drop = 4)
CHANGE(ext_two_fmspcs, r->ext_twice = 4)
CHANGE(tcb_no_component, r->tcb_drop = 16)
CHANGE(tcb_no_pcesvn, r->tcb_drop = 17)
CHANGE(tcb_two_pcesvns, r->tcb_twice = 17)
CHANGE(tcb_component_wide, r->tcb_wide = 1)

/* PCS's lists: all that a chain that ends elsewhere takes with it. */
#define NO_ROOT QUOTE_NO_PLATFORM QUOTE_NO_WORD "quote.crl_dates "

static const struct row chains[] = {
    {.id = "chain-der",
     .title = "nothing is wrong; the chain in the quote is concatenated DER, root first",
     .basis = AUTH "certification data of type 5, as Intel's TDX sample has it",
     .kinds = BOTH,
     .change = chain_der},
    {.id = "chain-beside",
     .title =
         "nothing is wrong; the quote has an identifier (type 1), and the chain came beside it",
     .basis = AUTH "certification data of types 1 to 4 identify the platform",
     .kinds = BOTH,
     .change = chain_beside},
    {.id = "chain-without-root",
     .title = "nothing is wrong; the chain comes without its root, which is pinned anyway",
     .basis = X509 ": the trust anchor is no part of the path",
     .kinds = BOTH,
     .change = chain_without_root},
    {.id = "root-reissued",
     .title = "nothing is wrong; the chain ends in another certificate of the pinned root's key",
     .basis = "Intel issued its SGX Root CA twice with one key",
     .kinds = BOTH,
     .change = root_reissued},
    {.id = "chain-missing",
     .title = "the quote has certification data of type 5 without certificates",
     .basis = AUTH "certification data of type 5",
     .kinds = BOTH,
     .change = chain_none,
     .missing = QUOTE_NO_CHAIN "quote.chain_present"},
    {.id = "chain-missing-beside",
     .title = "the quote has an identifier (type 1), and no chain came beside it",
     .basis = AUTH "certification data of types 1 to 4",
     .kinds = BOTH,
     .change = chain_beside_none,
     .missing = QUOTE_NO_CHAIN "quote.chain_present"},
    {.id = "chain-leaf-only",
     .title = "of the chain only the platform's certificate came",
     .basis = X509,
     .kinds = BOTH,
     .change = chain_leaf_only,
     .missing = QUOTE_NO_CHAIN "quote.chain_present"},
    {.id = "chain-too-long",
     .title = "the chain has four certificates: the root stands in it twice",
     .basis = PROFILE ": PCK, intermediate, root",
     .kinds = BOTH,
     .change = chain_too_long,
     .fail = "quote.chain_present",
     .missing = QUOTE_NO_CHAIN},
    {.id = "chain-unreadable",
     .title = "what stands between PEM's marks is no Base64",
     .basis = "RFC 7468 section 3",
     .kinds = BOTH,
     .change = chain_garbage,
     .fail = "quote.chain_present",
     .missing = QUOTE_NO_CHAIN},
    {.id = "root-not-pinned",
     .title = "everything is signed under a root with Intel's name, which isn't the pinned one",
     .basis = X509 ": the trust anchor is the verifier's",
     .lesson = "4 46",
     .kinds = BOTH,
     .change = root_other,
     .fail = "quote.root quote.crl quote.collateral_chain",
     .missing = NO_ROOT},
    {.id = "root-in-chain-foreign",
     .title = "the chain ends in a root with Intel's name and another key",
     .basis = X509 ": names don't make a root",
     .lesson = "46",
     .kinds = BOTH,
     .change = root_in_chain_other,
     .fail = "quote.root",
     .missing = QUOTE_NO_PLATFORM},
    {.id = "root-none",
     .title = "the verifier has no root of Intel's",
     .basis = X509,
     .lesson = "46",
     .kinds = BOTH,
     .change = root_none,
     .fail = "quote.root",
     .missing = NO_ROOT "quote.collateral_chain"},
    {.id = "intermediate-foreign",
     .title = "the intermediate has the right name and isn't signed by the root",
     .basis = X509,
     .lesson = "4 39",
     .kinds = BOTH,
     .change = ca_by_stranger,
     .fail = "quote.root",
     .missing = QUOTE_NO_PLATFORM},
    {.id = "pck-foreign",
     .title = "the platform's certificate isn't signed by the intermediate",
     .basis = X509,
     .lesson = "4 39",
     .kinds = BOTH,
     .change = leaf_by_stranger,
     .fail = "quote.chain",
     .missing = QUOTE_NO_PLATFORM},
    {.id = "pck-by-root",
     .title = "the root signed the platform's certificate in the intermediate's name",
     .basis = X509,
     .kinds = BOTH,
     .change = leaf_by_root,
     .fail = "quote.chain",
     .missing = QUOTE_NO_PLATFORM},
    {.id = "intermediate-not-a-pck-ca",
     .title = "the intermediate is the root's, and has the TCB signer's name",
     .basis = PROFILE ": PCKs are issued by the Platform CA or the Processor CA",
     .kinds = BOTH,
     .change = ca_named_otherwise,
     .fail = "quote.chain",
     .missing = QUOTE_NO_PLATFORM},
    {.id = "intermediate-no-authority",
     .title = "the intermediate isn't an authority",
     .basis = "RFC 5280 section 6.1.4 (k)",
     .kinds = BOTH,
     .change = ca_without_ca,
     .fail = "quote.chain",
     .missing = QUOTE_NO_PLATFORM},
    {.id = "pck-an-authority",
     .title = "the platform's certificate is an authority's",
     .basis = PROFILE ": basic constraints of the PCK",
     .kinds = BOTH,
     .change = leaf_with_ca,
     .fail = "quote.chain",
     .missing = QUOTE_NO_PLATFORM},
    {.id = "pck-expired",
     .title = "the platform's certificate ended a second ago",
     .basis = X509 " (a)(2)",
     .lesson = "44",
     .kinds = BOTH,
     .change = leaf_expired,
     .fail = "quote.chain_dates"},
    {.id = "pck-not-yet-valid",
     .title = "the platform's certificate is valid from the next second",
     .basis = X509 " (a)(2)",
     .lesson = "44",
     .kinds = BOTH,
     .change = leaf_future,
     .fail = "quote.chain_dates"},
    {.id = "intermediate-expired",
     .title = "the intermediate ended yesterday",
     .basis = X509 " (a)(2)",
     .lesson = "44",
     .kinds = BOTH,
     .change = ca_expired,
     .fail = "quote.chain_dates"},
    {.id = "root-expired",
     .title = "the root ended yesterday",
     .basis = X509 " (a)(2)",
     .lesson = "44",
     .kinds = BOTH,
     .change = root_expired,
     .fail = "quote.chain_dates"},
    {.id = "pck-named-otherwise",
     .title = "the leaf is one of the PCK CA's, and not named as a platform's certificate",
     .basis = PROFILE ", PCK certificate: subject",
     .kinds = BOTH,
     .change = leaf_named_otherwise,
     .fail = "quote.pck"},
    {.id = "pck-no-extension",
     .title = "the platform's certificate has no SGX extension",
     .basis = PROFILE ", section 1.3.5",
     .lesson = "17 43",
     .kinds = BOTH,
     .change = ext_none,
     .fail = "quote.pck",
     .missing = QUOTE_NO_INFO "quote.tcb_info"},
    {.id = "pck-no-tcb",
     .title = "the SGX extension has no TCB",
     .basis = PROFILE ", section 1.3.5",
     .lesson = "17",
     .kinds = BOTH,
     .change = ext_no_tcb,
     .fail = "quote.pck",
     .missing = QUOTE_NO_INFO "quote.tcb_info"},
    {.id = "pck-no-pceid",
     .title = "the SGX extension has no PCEID",
     .basis = PROFILE ", section 1.3.5",
     .kinds = BOTH,
     .change = ext_no_pceid,
     .fail = "quote.pck",
     .missing = QUOTE_NO_INFO "quote.tcb_info"},
    {.id = "pck-no-fmspc",
     .title = "the SGX extension has no FMSPC",
     .basis = PROFILE ", section 1.3.5",
     .kinds = BOTH,
     .change = ext_no_fmspc,
     .fail = "quote.pck",
     .missing = QUOTE_NO_INFO "quote.tcb_info"},
    {.id = "pck-two-fmspcs",
     .title = "the SGX extension has two FMSPCs",
     .basis = PROFILE ", section 1.3.5",
     .kinds = BOTH,
     .change = ext_two_fmspcs,
     .fail = "quote.pck",
     .missing = QUOTE_NO_INFO "quote.tcb_info"},
    {.id = "pck-no-component",
     .title = "the SGX extension's TCB has 15 components",
     .basis = PROFILE ", section 1.3.5",
     .lesson = "17",
     .kinds = BOTH,
     .change = tcb_no_component,
     .fail = "quote.pck",
     .missing = QUOTE_NO_INFO "quote.tcb_info"},
    {.id = "pck-no-pcesvn",
     .title = "the SGX extension's TCB has no PCESVN",
     .basis = PROFILE ", section 1.3.5",
     .lesson = "17",
     .kinds = BOTH,
     .change = tcb_no_pcesvn,
     .fail = "quote.pck",
     .missing = QUOTE_NO_INFO "quote.tcb_info"},
    {.id = "pck-two-pcesvns",
     .title = "the SGX extension's TCB has two PCESVNs",
     .basis = PROFILE ", section 1.3.5",
     .kinds = BOTH,
     .change = tcb_two_pcesvns,
     .fail = "quote.pck",
     .missing = QUOTE_NO_INFO "quote.tcb_info"},
    {.id = "pck-component-256",
     .title = "a component of the SGX extension's TCB is 256, which no byte holds",
     .basis = PROFILE ", section 1.3.5: 0 to 255",
     .kinds = BOTH,
     .change = tcb_component_wide,
     .fail = "quote.pck",
     .missing = QUOTE_NO_INFO "quote.tcb_info"},
};

/* ---- revocation ---- */

CHANGE(no_root_crl, r->root_crl.none = true)
CHANGE(no_pck_crl, r->pck_crl.none = true)
CHANGE(root_crl_expired, r->root_crl.to = LAB_NOW - 1)
CHANGE(pck_crl_expired, r->pck_crl.to = LAB_NOW - LAB_DAY)
CHANGE(pck_crl_future, r->pck_crl.from = LAB_NOW + 1)
CHANGE(pck_crl_endless, r->pck_crl.endless = true)
CHANGE(root_crl_foreign, r->root_crl.issuer = quote_lab.stranger)
CHANGE(pck_crl_foreign, r->pck_crl.issuer = quote_lab.stranger)
CHANGE(pck_crl_by_root, r->pck_crl.issuer = quote_lab.root)
CHANGE(ca_revoked, r->root_crl.revoked = QUOTE_SERIAL_CA)
CHANGE(signer_revoked, r->root_crl.revoked = QUOTE_SERIAL_TCB)
CHANGE(pck_revoked, r->pck_crl.revoked = QUOTE_SERIAL_PCK)
CHANGE(pck_revoked_by_root, r->root_crl.revoked = QUOTE_SERIAL_PCK)

#define LISTS "quote.crl quote.crl_dates quote.revoked"

static const struct row lists[] = {
    {.id = "crl-root-missing",
     .title = "the root's revocation list didn't come",
     .basis = CRLS,
     .kinds = BOTH,
     .change = no_root_crl,
     .missing = LISTS},
    {.id = "crl-pck-missing",
     .title = "the intermediate's revocation list didn't come",
     .basis = CRLS,
     .kinds = BOTH,
     .change = no_pck_crl,
     .missing = LISTS},
    {.id = "crl-missing-allowed",
     .title = "the intermediate's revocation list didn't come, and the policy asks for none",
     .basis = POLICY ", revocation: if-present",
     .kinds = BOTH,
     .policy = {"'devices'", "'revocation':'if-present','devices'"},
     .change = no_pck_crl},
    {.id = "crl-revoked-where-optional",
     .title = "the policy asks for no lists, and one that came revokes the platform's certificate",
     .basis = POLICY ", revocation: those that are there have to hold",
     .kinds = BOTH,
     .policy = {"'devices'", "'revocation':'if-present','devices'"},
     .change = pck_revoked,
     .fail = "quote.revoked"},
    {.id = "crl-root-expired",
     .title = "the root's revocation list is past its nextUpdate",
     .basis = CRLS " (a)",
     .lesson = "37 44",
     .kinds = BOTH,
     .change = root_crl_expired,
     .fail = "quote.crl_dates"},
    {.id = "crl-pck-expired",
     .title = "the intermediate's revocation list is past its nextUpdate",
     .basis = CRLS " (a)",
     .lesson = "37 44",
     .kinds = BOTH,
     .change = pck_crl_expired,
     .fail = "quote.crl_dates"},
    {.id = "crl-not-yet-valid",
     .title = "the intermediate's revocation list is of the future",
     .basis = CRLS,
     .lesson = "44",
     .kinds = BOTH,
     .change = pck_crl_future,
     .fail = "quote.crl_dates"},
    {.id = "crl-endless",
     .title = "the intermediate's revocation list has no nextUpdate",
     .basis = "RFC 5280 section 5.1.2.5: nextUpdate is mandatory",
     .lesson = "44",
     .kinds = BOTH,
     .change = pck_crl_endless,
     .fail = "quote.crl_dates"},
    {.id = "crl-root-foreign",
     .title = "the root's revocation list is signed by another key in the root's name",
     .basis = CRLS " (f), (g)",
     .kinds = BOTH,
     .change = root_crl_foreign,
     .fail = "quote.crl",
     .missing = "quote.crl_dates quote.revoked"},
    {.id = "crl-pck-foreign",
     .title = "the intermediate's revocation list is signed by another key in its name",
     .basis = CRLS " (f), (g)",
     .kinds = BOTH,
     .change = pck_crl_foreign,
     .fail = "quote.crl",
     .missing = "quote.crl_dates quote.revoked"},
    {.id = "crl-pck-by-root",
     .title = "the root signed a revocation list in the intermediate's name",
     .basis = CRLS " (f), (g)",
     .kinds = BOTH,
     .change = pck_crl_by_root,
     .fail = "quote.crl",
     .missing = "quote.crl_dates quote.revoked"},
    {.id = "revoked-intermediate",
     .title = "the root's list revokes the intermediate",
     .basis = CRLS,
     .kinds = BOTH,
     .change = ca_revoked,
     .fail = "quote.revoked"},
    {.id = "revoked-tcb-signer",
     .title = "the root's list revokes the signer of the collateral",
     .basis = CRLS,
     .kinds = BOTH,
     .change = signer_revoked,
     .fail = "quote.revoked"},
    {.id = "revoked-pck",
     .title = "the intermediate's list revokes the platform's certificate",
     .basis = CRLS,
     .kinds = BOTH,
     .change = pck_revoked,
     .fail = "quote.revoked"},
    {.id = "revoked-by-another-issuer",
     .title =
         "nothing is wrong; the root's list has a serial number that only the intermediate gave",
     .basis = CRLS ": a list speaks of its issuer's certificates",
     .kinds = BOTH,
     .change = pck_revoked_by_root},
};

/* ---- Intel's word: TCB info and QE identity ---- */

CHANGE(no_info, r->no_info = true)
CHANGE(no_identity, r->no_identity = true)
CHANGE(no_signer, r->no_signer = true)
CHANGE(info_foreign, r->info_signer = quote_lab.stranger)
CHANGE(identity_foreign, r->identity_signer = quote_lab.stranger)
CHANGE(signer_by_ca, r->tcb_issuer = quote_lab.ca)
CHANGE(signer_named_otherwise, r->tcb_cn = "Intel SGX PCK Platform CA")
CHANGE(signer_with_ca, r->tcb_ca = true)
CHANGE(signer_expired, r->tcb_to = LAB_NOW - 1)
CHANGE(answer_twice, r->info_answer = "{\"tcbInfo\":%s,\"tcbInfo\":{},\"signature\":\"%s\"}")
CHANGE(other_fmspc, r->fmspc[5] ^= 1)
CHANGE(other_pceid, r->pceid[1] ^= 2)

/* The same members with one blank more: what somebody makes who reads the object and writes it anew. */
static void info_rewritten(struct quote_evidence *e)
{
    struct clo_buf *b = &e->collateral.tcb_info;
    uint8_t *at = memchr(b->p, ',', b->len);
    size_t i;

    LAB_MUST(at != NULL);
    i = (size_t)(at - b->p) + 1;
    LAB_MUST(clo_buf_append(b, " ", 1) == 0);
    memmove(b->p + i + 1, b->p + i, b->len - 1 - i);
    b->p[i] = ' ';
}

static void chain_add(struct quote_evidence *e, size_t from)
{
    struct clo_collateral *c = &e->collateral;

    c->collateral_chain[1] = clo_buf_init(CLO_CERT_MAX);
    quote_app(&c->collateral_chain[1], e->chain[from].p, e->chain[from].len);
    c->collateral_chain_n = 2;
}

static void signer_with_root(struct quote_evidence *e)
{
    chain_add(e, 2);
}

static void signer_with_other(struct quote_evidence *e)
{
    chain_add(e, 1);
}

static const struct row collateral[] = {
    {.id = "tcb-info-missing",
     .title = "no TCB info came",
     .basis = QVL "collateral",
     .kinds = BOTH,
     .change = no_info,
     .missing = QUOTE_NO_COLLATERAL "quote.collateral"},
    {.id = "qe-identity-missing",
     .title = "no QE identity came",
     .basis = QVL "collateral",
     .lesson = "40",
     .kinds = BOTH,
     .change = no_identity,
     .missing = QUOTE_NO_COLLATERAL "quote.collateral"},
    {.id = "tcb-signer-missing",
     .title = "the certificate of the collateral's signer didn't come",
     .basis = PCS ", TCB-Info-Issuer-Chain",
     .kinds = BOTH,
     .change = no_signer,
     .missing = QUOTE_NO_COLLATERAL},
    {.id = "tcb-signer-with-root",
     .title = "nothing is wrong; the signer's certificate came with its root",
     .basis = PCS ", TCB-Info-Issuer-Chain",
     .kinds = BOTH,
     .after = signer_with_root},
    {.id = "tcb-signer-with-other",
     .title = "behind the signer's certificate came another one than the root",
     .basis = PCS ", TCB-Info-Issuer-Chain: signer, root",
     .kinds = BOTH,
     .after = signer_with_other,
     .fail = "quote.collateral_chain",
     .missing = QUOTE_NO_WORD},
    {.id = "tcb-info-foreign",
     .title = "another key than the signer's signed the TCB info",
     .basis = PCS ", signature of tcbInfo",
     .lesson = "27",
     .kinds = BOTH,
     .change = info_foreign,
     .fail = "quote.collateral_chain",
     .missing = QUOTE_NO_WORD},
    {.id = "qe-identity-foreign",
     .title = "another key than the signer's signed the QE identity",
     .basis = PCS ", signature of enclaveIdentity",
     .lesson = "27 52",
     .kinds = BOTH,
     .change = identity_foreign,
     .fail = "quote.collateral_chain",
     .missing = QUOTE_NO_WORD},
    {.id = "tcb-info-rewritten",
     .title = "the TCB info has one blank more than what was signed",
     .basis = PCS ": the signature is over the object's bytes as they came",
     .lesson = "41 53",
     .kinds = BOTH,
     .after = info_rewritten,
     .fail = "quote.collateral_chain",
     .missing = QUOTE_NO_WORD},
    {.id = "tcb-signer-by-pck-ca",
     .title = "a PCK CA issued the signer's certificate, and not the root",
     .basis = PROFILE ", TCB signing certificate",
     .kinds = BOTH,
     .change = signer_by_ca,
     .fail = "quote.collateral_chain",
     .missing = QUOTE_NO_WORD},
    {.id = "tcb-signer-named-otherwise",
     .title = "the collateral is signed by a certificate of the root's that isn't the TCB signer's",
     .basis = PROFILE ", TCB signing certificate: subject",
     .kinds = BOTH,
     .change = signer_named_otherwise,
     .fail = "quote.collateral_chain",
     .missing = QUOTE_NO_WORD},
    {.id = "tcb-signer-an-authority",
     .title = "the signer's certificate is an authority's",
     .basis = PROFILE ", TCB signing certificate: basic constraints",
     .kinds = BOTH,
     .change = signer_with_ca,
     .fail = "quote.collateral_chain",
     .missing = QUOTE_NO_WORD},
    {.id = "tcb-signer-expired",
     .title = "the signer's certificate ended a second ago",
     .basis = X509 " (a)(2)",
     .lesson = "44",
     .kinds = BOTH,
     .change = signer_expired,
     .fail = "quote.collateral_dates"},
    {.id = "tcb-info-expired",
     .title = "the TCB info is past its nextUpdate",
     .basis = INFO "nextUpdate",
     .lesson = "37 44",
     .kinds = BOTH,
     .info = {"2026-12-01", "2026-11-17"},
     .fail = "quote.collateral_dates"},
    {.id = "tcb-info-of-the-future",
     .title = "the TCB info is issued next week",
     .basis = INFO "issueDate",
     .lesson = "44",
     .kinds = BOTH,
     .info = {"2026-11-01", "2026-11-25"},
     .fail = "quote.collateral_dates"},
    {.id = "qe-identity-expired",
     .title = "the QE identity is past its nextUpdate",
     .basis = QEID "nextUpdate",
     .lesson = "37 44",
     .kinds = BOTH,
     .identity = {"2026-12-01", "2026-11-17"},
     .fail = "quote.collateral_dates"},
    {.id = "tcb-info-number-old",
     .title = "the TCB info is within its dates, and of an evaluation before the policy's floor",
     .basis = INFO "tcbEvaluationDataNumber; " POLICY ", min_evaluation_number",
     .kinds = BOTH,
     .info = {"Number':17", "Number':16"},
     .fail = "quote.collateral_number"},
    {.id = "qe-identity-number-old",
     .title = "the QE identity is of an evaluation before the policy's floor",
     .basis = QEID "tcbEvaluationDataNumber; " POLICY ", min_evaluation_number",
     .kinds = BOTH,
     .identity = {"Number':17", "Number':16"},
     .fail = "quote.collateral_number"},
    {.id = "tcb-info-version-2",
     .title = "the TCB info is of version 2, which knows no TDX",
     .basis = INFO "version 3",
     .kinds = BOTH,
     .info = {"'version':3", "'version':2"},
     .fail = "quote.collateral",
     .missing = QUOTE_NO_COLLATERAL},
    {.id = "tcb-info-no-fmspc",
     .title = "the TCB info names no FMSPC",
     .basis = INFO "fmspc",
     .lesson = "40",
     .kinds = BOTH,
     .info = {"'fmspc':'00A0B1C2d3e4',", ""},
     .fail = "quote.collateral",
     .missing = QUOTE_NO_COLLATERAL},
    {.id = "tcb-info-no-levels",
     .title = "the TCB info has no levels",
     .basis = INFO "tcbLevels",
     .lesson = "40",
     .kinds = BOTH,
     .info = {"'tcbLevels':[{'tcb':{'sgx", "'tcbLevel':[{'tcb':{'sgx"},
     .fail = "quote.collateral",
     .missing = QUOTE_NO_COLLATERAL},
    {.id = "tcb-info-member-twice",
     .title = "the TCB info has its tcbType twice",
     .basis =
         "RFC 8259 section 4: names should be unique; what two parsers read differently is refused",
     .kinds = BOTH,
     .info = {"'tcbType':0", "'tcbType':0,'tcbType':0"},
     .fail = "quote.collateral",
     .missing = QUOTE_NO_COLLATERAL},
    {.id = "tcb-info-answer-twice",
     .title = "Intel's answer has a second tcbInfo behind the signed one",
     .basis = "RFC 8259 section 4; " PCS ", signature of tcbInfo",
     .lesson = "41",
     .kinds = BOTH,
     .change = answer_twice,
     .fail = "quote.collateral",
     .missing = QUOTE_NO_COLLATERAL},
    {.id = "qe-identity-version-3",
     .title = "the QE identity is of version 3, which nobody has defined",
     .basis = QEID "version 2",
     .kinds = BOTH,
     .identity = {"'version':2", "'version':3"},
     .fail = "quote.collateral",
     .missing = QUOTE_NO_COLLATERAL},
    {.id = "qe-identity-no-mask",
     .title = "the QE identity has no mask for the attributes",
     .basis = QEID "attributesMask",
     .lesson = "40",
     .kinds = BOTH,
     .identity = {"'attributesMask':'FBFFFFFFFFFFFFFF0000000000000000',", ""},
     .fail = "quote.collateral",
     .missing = QUOTE_NO_COLLATERAL},
    {.id = "tcb-info-new-member",
     .title = "nothing is wrong; the TCB info has a member that Intel added",
     .basis = PCS ": members may be added",
     .kinds = BOTH,
     .info = {"'tcbType':0", "'tcbType':0,'new':[1,{'a':null}]"}},
    {.id = "tcb-info-other-fmspc",
     .title = "the TCB info is another kind of platform's",
     .basis = INFO "fmspc is the PCK extension's",
     .kinds = BOTH,
     .change = other_fmspc,
     .fail = "quote.tcb_info",
     .missing = QUOTE_NO_INFO},
    {.id = "tcb-info-other-pceid",
     .title = "the TCB info is for another PCE",
     .basis = INFO "pceId is the PCK extension's",
     .kinds = BOTH,
     .change = other_pceid,
     .fail = "quote.tcb_info",
     .missing = QUOTE_NO_INFO},
    {.id = "tcb-info-of-sgx",
     .title = "the TCB info is SGX's",
     .basis = INFO "id",
     .kinds = TD4 | TD15,
     .info = {"'TDX'", "'SGX'"},
     .fail = "quote.tcb_info",
     .missing = QUOTE_NO_INFO},
    {.id = "fmspc-not-admitted",
     .title = "the policy lists other kinds of platforms",
     .basis = POLICY ", fmspcs",
     .kinds = BOTH,
     .policy = {"d3e4", "d3e5"},
     .fail = "quote.tcb_info"},
};

/* ---- levels ---- */

CHANGE(component_low, r->component[0] = 4)
CHANGE(component_below_all, (r->component[0] = 200, r->component[1] = 1))
CHANGE(pcesvn_low, r->pcesvn = 12)
CHANGE(pcesvn_below_all, r->pcesvn = 4)
CHANGE(pcesvn_high, r->pcesvn = 0xffff)

static const struct row levels[] = {
    {.id = "status-sw-hardening",
     .title = "the platform's level is SWHardeningNeeded",
     .basis = INFO "tcbStatus",
     .lesson = "45",
     .kinds = BOTH,
     .level = "SWHardeningNeeded",
     .fail = "quote.tcb"},
    {.id = "status-configuration",
     .title = "the platform's level is ConfigurationNeeded",
     .basis = INFO "tcbStatus",
     .lesson = "45",
     .kinds = BOTH,
     .level = "ConfigurationNeeded",
     .fail = "quote.tcb"},
    {.id = "status-configuration-and-sw-hardening",
     .title = "the platform's level is ConfigurationAndSWHardeningNeeded",
     .basis = INFO "tcbStatus",
     .lesson = "45",
     .kinds = BOTH,
     .level = "ConfigurationAndSWHardeningNeeded",
     .fail = "quote.tcb"},
    {.id = "status-out-of-date",
     .title = "the platform's level is OutOfDate",
     .basis = INFO "tcbStatus",
     .lesson = "45",
     .kinds = BOTH,
     .level = "OutOfDate",
     .fail = "quote.tcb"},
    {.id = "status-out-of-date-configuration",
     .title = "the platform's level is OutOfDateConfigurationNeeded",
     .basis = INFO "tcbStatus",
     .lesson = "45",
     .kinds = BOTH,
     .level = "OutOfDateConfigurationNeeded",
     .fail = "quote.tcb"},
    {.id = "status-revoked",
     .title = "the platform's level is Revoked, and the policy accepts all that can be accepted",
     .basis = INFO "tcbStatus",
     .lesson = "45",
     .kinds = BOTH,
     .level = "Revoked",
     .policy = ACCEPT("'UpToDate','SWHardeningNeeded','ConfigurationNeeded','OutOfDate',"
                      "'ConfigurationAndSWHardeningNeeded','OutOfDateConfigurationNeeded',"
                      "'TDRelaunchAdvised','TDRelaunchAdvisedConfigurationNeeded'"),
     .fail = "quote.tcb"},
    {.id = "status-unknown",
     .title = "the platform's level has a status that Intel hasn't defined",
     .basis = INFO "tcbStatus",
     .lesson = "45",
     .kinds = BOTH,
     .level = "Splendid",
     .fail = "quote.tcb"},
    {.id = "status-sw-hardening-accepted",
     .title = "the platform's level is SWHardeningNeeded, which the policy accepts",
     .basis = POLICY ", statuses",
     .kinds = BOTH,
     .level = "SWHardeningNeeded",
     .policy = ACCEPT("'UpToDate','SWHardeningNeeded'")},
    {.id = "status-up-to-date-not-accepted",
     .title = "the platform's level is ConfigurationNeeded, and the policy accepts another one",
     .basis = POLICY ", statuses",
     .kinds = BOTH,
     .level = "ConfigurationNeeded",
     .policy = ACCEPT("'UpToDate','SWHardeningNeeded'"),
     .fail = "quote.tcb"},
    {.id = "component-low",
     .title =
         "a component of the platform is below the first level: the second, OutOfDate, is its own",
     .basis = LEVELS,
     .kinds = BOTH,
     .change = component_low,
     .fail = "quote.tcb"},
    {.id = "component-below-all",
     .title = "a component of the platform is below every level, and another far above",
     .basis = LEVELS ": no component makes up for another",
     .kinds = BOTH,
     .change = component_below_all,
     .fail = "quote.tcb"},
    {.id = "pcesvn-low",
     .title = "the platform's PCESVN is below the first level",
     .basis = LEVELS,
     .kinds = BOTH,
     .change = pcesvn_low,
     .fail = "quote.tcb"},
    {.id = "pcesvn-below-all",
     .title = "the platform's PCESVN is below every level",
     .basis = LEVELS,
     .kinds = BOTH,
     .change = pcesvn_below_all,
     .fail = "quote.tcb"},
    {.id = "pcesvn-high",
     .title = "nothing is wrong; the platform's PCESVN is the highest there is",
     .basis = LEVELS,
     .kinds = BOTH,
     .change = pcesvn_high},
    {.id = "advisories-accepted",
     .title = "the platform is OutOfDate, which the policy accepts, as it does each open advisory",
     .basis = INFO "advisoryIDs; " POLICY ", advisories",
     .kinds = BOTH,
     .policy = ACCEPT("'UpToDate','OutOfDate'"),
     .policy2 = {"'fmspcs'", "'advisories':['INTEL-SA-00001','INTEL-SA-00002'],'fmspcs'"},
     .change = component_low},
    {.id = "advisory-open",
     .title = "the platform is OutOfDate, which the policy accepts, but not one of its advisories",
     .basis = INFO "advisoryIDs; " POLICY ", advisories",
     .lesson = "45",
     .kinds = BOTH,
     .policy = ACCEPT("'UpToDate','OutOfDate'"),
     .policy2 = {"'fmspcs'", "'advisories':['INTEL-SA-00001'],'fmspcs'"},
     .change = component_low,
     .fail = "quote.advisories"},
    {.id = "qe-identity-of-the-other-tee",
     .title = "the QE identity is that of SGX's quoting enclave",
     .basis = QEID "id is TD_QE for TDX",
     .kinds = TD4 | TD15,
     .identity = {"'TD_QE'", "'QE'"},
     .fail = "quote.qe_identity",
     .missing = "quote.qe_tcb quote.tcb"},
    {.id = "qe-identity-of-the-other-tee",
     .title = "the QE identity is that of TDX's quoting enclave",
     .basis = QEID "id is QE for SGX",
     .kinds = SGX3,
     .identity = {"'QE'", "'TD_QE'"},
     .fail = "quote.qe_identity",
     .missing = "quote.qe_tcb quote.tcb"},
    {.id = "qe-mrsigner",
     .title = "somebody else signed the quoting enclave",
     .basis = QEID "mrsigner",
     .kinds = BOTH,
     .qe = {SGX_SIGNER + 31, 0x80},
     .fail = "quote.qe_identity"},
    {.id = "qe-isvprodid",
     .title = "the quoting enclave is another product of Intel's",
     .basis = QEID "isvprodid",
     .kinds = BOTH,
     .qe = {SGX_PRODUCT + 1, 0x01},
     .fail = "quote.qe_identity"},
    {.id = "qe-miscselect",
     .title = "the quoting enclave's MISCSELECT is another under the mask",
     .basis = QEID "miscselect, miscselectMask",
     .kinds = BOTH,
     .qe = {SGX_MISC, 0x01},
     .fail = "quote.qe_identity"},
    {.id = "qe-attributes",
     .title = "the quoting enclave's attributes are others under the mask",
     .basis = QEID "attributes, attributesMask",
     .kinds = BOTH,
     .qe = {SGX_ATTRIBUTES, 0x20},
     .fail = "quote.qe_identity"},
    {.id = "qe-attributes-not-under-mask",
     .title =
         "nothing is wrong; the quoting enclave's XFRM is another, which the mask doesn't cover",
     .basis = QEID "attributes, attributesMask",
     .kinds = BOTH,
     .qe = {SGX_ATTRIBUTES + 8, 0x04}},
    {.id = "qe-debug",
     .title = "the quoting enclave runs under debug, and the identity's mask leaves that bit out",
     .basis = SDM ": a debug enclave's memory can be read",
     .lesson = "6",
     .kinds = BOTH,
     .qe = {SGX_ATTRIBUTES, 0x02},
     .identity = {"FBFFFF", "F9FFFF"},
     .fail = "quote.qe_identity"},
    {.id = "qe-out-of-date",
     .title = "the quoting enclave's ISVSVN reaches an OutOfDate level only",
     .basis = QEID "tcbLevels; " QVL "converging the QE's status",
     .lesson = "45 50",
     .kinds = BOTH,
     .qe = {SGX_SVN, 0x04 ^ 0x03},
     .fail = "quote.qe_tcb quote.tcb"},
    {.id = "qe-below-all",
     .title = "the quoting enclave's ISVSVN is below every level",
     .basis = QEID "tcbLevels",
     .kinds = BOTH,
     .qe = {SGX_SVN, 0x04 ^ 0x01},
     .fail = "quote.qe_tcb quote.tcb"},
    {.id = "qe-revoked",
     .title = "the quoting enclave's level is Revoked",
     .basis = QEID "tcbLevels; " QVL "converging the QE's status",
     .lesson = "45 50",
     .kinds = BOTH,
     .identity = {"'tcbStatus':'UpToDate'", "'tcbStatus':'Revoked'"},
     .fail = "quote.qe_tcb quote.tcb"},
    {.id = "qe-out-of-date-accepted",
     .title = "the quoting enclave is OutOfDate, which the policy accepts",
     .basis = POLICY ", statuses",
     .kinds = BOTH,
     .policy = ACCEPT("'UpToDate','OutOfDate'"),
     .qe = {SGX_SVN, 0x04 ^ 0x03}},
};

/* ---- what the report covers ---- */

CHANGE(data_none, r->data = QUOTE_DATA_NONE)
CHANGE(data_any, r->data = QUOTE_DATA_ANY)
CHANGE(data_zero, memset(r->body + (r->sgx ? (size_t)SGX_DATA : (size_t)TD_DATA), 0, 64))
CHANGE(data_stale, memset(r->report_data, 0x11, sizeof r->report_data))

#define COVERS "report data are the caller's 64 bytes: all of them are compared"

static const struct row data[] = {
    {.id = "report-data-other",
     .title = "the report covers other data than expected: another key, or an old nonce",
     .basis = COVERS,
     .lesson = "1 2",
     .kinds = EACH,
     .change = data_stale,
     .fail = "binding.report_data"},
    {.id = "report-data-zero",
     .title = "the report covers 64 zero bytes",
     .basis = COVERS,
     .lesson = "2 42",
     .kinds = BOTH,
     .change = data_zero,
     .fail = "binding.report_data"},
    {.id = "report-data-first-byte",
     .title = "the first byte of the report data differs",
     .basis = COVERS,
     .lesson = "2",
     .flip = "report_data",
     .kinds = TD4,
     .body = {TD_DATA, 0x01},
     .fail = "binding.report_data"},
    {.id = "report-data-first-byte",
     .title = "the first byte of the report data differs",
     .basis = COVERS,
     .lesson = "2",
     .flip = "report_data",
     .kinds = SGX3,
     .body = {SGX_DATA, 0x01},
     .fail = "binding.report_data"},
    {.id = "report-data-second-half",
     .title = "a byte in the second half of the report data differs",
     .basis = COVERS,
     .lesson = "2",
     .flip = "report_data",
     .kinds = TD4,
     .body = {TD_DATA + 32, 0x01},
     .fail = "binding.report_data"},
    {.id = "report-data-second-half",
     .title = "a byte in the second half of the report data differs",
     .basis = COVERS,
     .lesson = "2",
     .flip = "report_data",
     .kinds = SGX3,
     .body = {SGX_DATA + 32, 0x01},
     .fail = "binding.report_data"},
    {.id = "report-data-last-byte",
     .title = "the last byte of the report data differs",
     .basis = COVERS,
     .lesson = "2",
     .flip = "report_data",
     .kinds = TD4,
     .body = {TD_DATA + 63, 0x80},
     .fail = "binding.report_data"},
    {.id = "report-data-last-byte",
     .title = "the last byte of the report data differs",
     .basis = COVERS,
     .lesson = "2",
     .flip = "report_data",
     .kinds = SGX3,
     .body = {SGX_DATA + 63, 0x80},
     .fail = "binding.report_data"},
    {.id = "report-data-not-expected",
     .title = "the caller has nothing to compare the report data with",
     .basis = COVERS,
     .lesson = "40 42",
     .kinds = BOTH,
     .change = data_none,
     .missing = "binding.report_data"},
    {.id = "report-data-not-asked",
     .title = "nothing is wrong; the caller says that nothing ties this quote to anything",
     .basis = COVERS,
     .kinds = BOTH,
     .change = data_any},
};

/* ---- TDX: the module ---- */

#define MODULES  INFO "tdxModuleIdentities"
#define RELAUNCH QVL "relaunch of a TD 1.5"
#define ALL_TD   (TD4 | TD5 | TD15)

CHANGE(svn_version_2, r->body[TD_SVN + 1] = 2)
CHANGE(svn_component_2_low, r->body[TD_SVN + 2] = 1)
CHANGE(svn_component_2_below_all, r->body[TD_SVN + 2] = 0)
CHANGE(svn_old_module, r->body[TD_SVN] = 3)
CHANGE(svn_below_all, r->body[TD_SVN] = 1)
CHANGE(svn_first_component_low, r->body[TD_SVN] = 4)
CHANGE(svn_version_0, r->body[TD_SVN + 1] = 0)
CHANGE(svn_version_0_low, (r->body[TD_SVN] = 4, r->body[TD_SVN + 1] = 0))
CHANGE(svn_version_0_below_all, (r->body[TD_SVN] = 2, r->body[TD_SVN + 1] = 0))
CHANGE(running_old, r->body[TD_SVN2] = 3)
CHANGE(running_below_all, r->body[TD_SVN2] = 1)
CHANGE(running_unknown, r->body[TD_SVN2 + 1] = 2)
CHANGE(running_component_low, r->body[TD_SVN2 + 2] = 1)
CHANGE(running_zero, memset(r->body + TD_SVN2, 0, 16))
CHANGE(both_old, r->body[TD_SVN] = r->body[TD_SVN2] = 3)
CHANGE(old_module_old_platform, (r->body[TD_SVN] = 3, r->component[0] = 4))
CHANGE(old_module_old_qe, (r->body[TD_SVN] = 3, r->qe[SGX_SVN] = 3))

static const struct row modules[] = {
    {.id = "module-signer",
     .title = "somebody else signed the TDX module",
     .basis = MODULES ", mrsigner; " TDXM ", MRSIGNERSEAM",
     .kinds = ALL_TD,
     .body = {TD_SIGNER + 47, 0x01},
     .fail = "tdx.module"},
    {.id = "module-attributes",
     .title = "the TDX module has an attribute (SEAM_ATTRIBUTES)",
     .basis = MODULES ", attributes, attributesMask",
     .kinds = ALL_TD,
     .body = {TD_SEAM_ATTRIBUTES, 0x01},
     .fail = "tdx.module"},
    {.id = "module-attributes-not-under-mask",
     .title = "the TDX module has an attribute, and the identity's mask leaves it out",
     .basis = QVL "SEAM attributes are zero",
     .kinds = TD4,
     .body = {TD_SEAM_ATTRIBUTES + 7, 0x80},
     .module = {"FFFFFFFFFFFFFFFF", "0000000000000000"},
     .fail = "tdx.module"},
    {.id = "module-of-the-identity-signer",
     .title = "the identity names a signer that the TDX module doesn't have",
     .basis = MODULES ", mrsigner",
     .kinds = TD4,
     .module = {"'mrsigner':'00", "'mrsigner':'01"},
     .fail = "tdx.module"},
    {.id = "module-unknown",
     .title = "no identity in the TCB info is of the module's version (no TDX_02)",
     .basis = MODULES ", id is TDX_ and TEE_TCB_SVN[1]",
     .lesson = "40",
     .kinds = TD4,
     .change = svn_version_2,
     .fail = "quote.tcb tdx.module",
     .missing = "tdx.module_tcb"},
    {.id = "module-out-of-date",
     .title = "the TDX module's SVN reaches an OutOfDate level only; platform and QE are UpToDate",
     .basis = MODULES ", tcbLevels; " QVL "converging the module's status",
     .lesson = "45 50",
     .kinds = TD4 | TD5,
     .change = svn_old_module,
     .fail = "quote.tcb tdx.module_tcb"},
    {.id = "module-below-all",
     .title = "the TDX module's SVN is below every level of its identity",
     .basis = MODULES ", tcbLevels",
     .lesson = "50",
     .kinds = TD4 | TD5,
     .change = svn_below_all,
     .fail = "quote.tcb tdx.module_tcb"},
    {.id = "module-revoked",
     .title = "the TDX module's level is Revoked",
     .basis = MODULES ", tcbLevels",
     .lesson = "45 50",
     .kinds = TD4 | TD15,
     .module = {"'tcbStatus':'UpToDate'", "'tcbStatus':'Revoked'"},
     .policy = ACCEPT("'UpToDate','OutOfDate'"),
     .fail = "quote.tcb tdx.module_tcb"},
    {.id = "module-out-of-date-accepted",
     .title = "the TDX module is OutOfDate, which the policy accepts",
     .basis = POLICY ", statuses",
     .kinds = TD4 | TD5,
     .change = svn_old_module,
     .policy = ACCEPT("'UpToDate','OutOfDate'")},
    {.id = "module-good-platform-out-of-date",
     .title = "the platform is OutOfDate, the TDX module UpToDate: it doesn't make up for that",
     .basis = QVL "converging the module's status: the worst decides",
     .lesson = "50",
     .kinds = TD4 | TD15,
     .level = "OutOfDate",
     .fail = "quote.tcb"},
    {.id = "component-of-microcode-low",
     .title = "TEE_TCB_SVN[2] is below the first level: the second, OutOfDate, is the platform's",
     .basis = LEVELS ", tdxtcbcomponents",
     .kinds = TD4 | TD5,
     .change = svn_component_2_low,
     .fail = "quote.tcb"},
    {.id = "component-of-microcode-below-all",
     .title = "TEE_TCB_SVN[2] is below every level",
     .basis = LEVELS ", tdxtcbcomponents",
     .kinds = TD4 | TD5,
     .change = svn_component_2_below_all,
     .fail = "quote.tcb"},
    {.id = "component-0-is-the-modules",
     .title =
         "nothing is wrong; TEE_TCB_SVN[0] is below the platform's level and right for the module",
     .basis = LEVELS ": with a module identity (TEE_TCB_SVN[1] > 0) components count from index 2",
     .lesson = "51",
     .kinds = TD4 | TD15,
     .change = svn_first_component_low},
    {.id = "module-without-identity",
     .title =
         "nothing is wrong; the TDX module is of version 0, whose SVN the platform's level has",
     .basis = LEVELS ": without a module identity components count from index 0",
     .lesson = "51",
     .kinds = TD4,
     .change = svn_version_0},
    {.id = "module-without-identity-low",
     .title = "the TDX module is of version 0, and TEE_TCB_SVN[0] below the platform's first level",
     .basis = LEVELS ": without a module identity components count from index 0",
     .lesson = "51",
     .kinds = TD4,
     .change = svn_version_0_low,
     .fail = "quote.tcb tdx.module_tcb"},
    {.id = "module-without-identity-below-all",
     .title = "the TDX module is of version 0, and TEE_TCB_SVN[0] below every level",
     .basis = LEVELS ": without a module identity components count from index 0",
     .lesson = "51",
     .kinds = TD4,
     .change = svn_version_0_below_all,
     .fail = "quote.tcb tdx.module_tcb"},
    {.id = "relaunch-advised",
     .title = "an old module started the TD, and the newest runs now: starting anew is advised",
     .basis = RELAUNCH,
     .lesson = "45",
     .kinds = TD15,
     .change = svn_old_module,
     .fail = "quote.tcb tdx.module_tcb"},
    {.id = "relaunch-advised-accepted",
     .title = "starting the TD anew is advised, and the policy accepts that",
     .basis = RELAUNCH "; " POLICY ", statuses",
     .kinds = TD15,
     .change = svn_old_module,
     .policy = ACCEPT("'UpToDate','TDRelaunchAdvised'")},
    {.id = "relaunch-configuration",
     .title =
         "starting anew is advised on a platform that needs configuration, which nobody accepted",
     .basis = RELAUNCH,
     .lesson = "45",
     .kinds = TD15,
     .level = "ConfigurationNeeded",
     .change = svn_old_module,
     .policy = ACCEPT("'UpToDate','TDRelaunchAdvised'"),
     .fail = "quote.tcb tdx.module_tcb"},
    {.id = "relaunch-does-not-help-old-module",
     .title = "an old module started the TD and runs now; the policy accepts advised relaunches",
     .basis = RELAUNCH,
     .lesson = "45 50",
     .kinds = TD15,
     .change = both_old,
     .policy = ACCEPT("'UpToDate','TDRelaunchAdvised'"),
     .fail = "quote.tcb tdx.module_tcb"},
    {.id = "relaunch-does-not-help-old-platform",
     .title = "an old module on an old platform; the policy accepts advised relaunches",
     .basis = RELAUNCH,
     .lesson = "45 50",
     .kinds = TD15,
     .change = old_module_old_platform,
     .policy = ACCEPT("'UpToDate','TDRelaunchAdvised'"),
     .fail = "quote.tcb tdx.module_tcb"},
    {.id = "relaunch-does-not-help-old-qe",
     .title = "an old module and an old quoting enclave; the policy accepts advised relaunches",
     .basis = RELAUNCH,
     .lesson = "45 50",
     .kinds = TD15,
     .change = old_module_old_qe,
     .policy = ACCEPT("'UpToDate','TDRelaunchAdvised'"),
     .fail = "quote.qe_tcb quote.tcb tdx.module_tcb"},
    {.id = "relaunch-does-not-help-old-microcode",
     .title = "the TD's module is the newest, and TEE_TCB_SVN[2] was old when it was started",
     .basis = RELAUNCH ": advised where the module alone was out of date",
     .lesson = "45 50",
     .kinds = TD15,
     .change = svn_component_2_low,
     .policy = ACCEPT("'UpToDate','TDRelaunchAdvised'"),
     .fail = "quote.tcb"},
    {.id = "running-module-old",
     .title = "the newest module started the TD, and an older one runs now (TEE_TCB_SVN2)",
     .basis = TDXM ", TD-preserving update; TEE_TCB_SVN2",
     .lesson = "50",
     .kinds = TD15,
     .change = running_old,
     .fail = "quote.tcb tdx.module_tcb"},
    {.id = "running-module-below-all",
     .title = "the module that runs now is below every level of its identity",
     .basis = TDXM ", TD-preserving update; TEE_TCB_SVN2",
     .lesson = "50",
     .kinds = TD15,
     .change = running_below_all,
     .fail = "quote.tcb tdx.module_tcb"},
    {.id = "running-module-unknown",
     .title = "the TCB info has no identity for the module that runs now",
     .basis = TDXM ", TD-preserving update; " MODULES,
     .lesson = "40",
     .kinds = TD15,
     .change = running_unknown,
     .fail = "quote.tcb tdx.module_tcb"},
    {.id = "running-component-low",
     .title = "TEE_TCB_SVN2[2] reaches an OutOfDate level only",
     .basis = LEVELS ", tdxtcbcomponents",
     .lesson = "50",
     .kinds = TD15,
     .change = running_component_low,
     .fail = "quote.tcb"},
    {.id = "running-zero",
     .title = "TEE_TCB_SVN2 is all zero",
     .basis = LEVELS ", tdxtcbcomponents",
     .kinds = TD15,
     .change = running_zero,
     .fail = "quote.tcb"},
};

/* ---- TDX: what a TD says ---- */

#define TD_BITS TDXM ", ATTRIBUTES: "
#define XFAM    TDXM ", XFAM: "
#define IMAGE(mrtd, r0, r1, r2, r3)                                                              \
    "{'mrtd':'" HEX48(mrtd) "','rtmr0':'" HEX48(r0) "','rtmr1':'" HEX48(r1) "','rtmr2':'" HEX48( \
        r2) "','rtmr3':'" HEX48(r3) "'}"

CHANGE(config_id, memset(r->body + TD_CONFIG, 0x77, 48))
CHANGE(owner, memset(r->body + TD_OWNER, 0x77, 48))
CHANGE(owner_config, memset(r->body + TD_OWNER_CONFIG, 0x77, 48))
CHANGE(service_td, memset(r->body + TD_SERVICE, 0x77, 48))
CHANGE(service_td_other, memset(r->body + TD_SERVICE, 0x78, 48))
CHANGE(mrtd_of_another, memset(r->body + TD_MRTD, 0xc0, 48))
CHANGE(all_registers_zero, memset(r->body + TD_RTMR, 0, 192))
CHANGE(xfam_minimal, quote_put64(r->body + TD_XFAM, 3))

static const struct row tds[] = {
    {.id = "debug",
     .title = "the TD runs under debug",
     .basis = TD_BITS "bit 0 (DEBUG)",
     .lesson = "6",
     .kinds = ALL_TD,
     .body = {TD_ATTRIBUTES, 0x01},
     .fail = "tdx.debug"},
    {.id = "tud-bit-1",
     .title = "another bit of the byte that makes a TD untrusted is set",
     .basis = TD_BITS "bits 7:0 (TUD) have to be zero",
     .lesson = "6",
     .flip = "attributes",
     .kinds = TD4,
     .body = {TD_ATTRIBUTES, 0x02},
     .fail = "tdx.debug"},
    {.id = "tud-bit-7",
     .title = "the last bit of the byte that makes a TD untrusted is set",
     .basis = TD_BITS "bits 7:0 (TUD) have to be zero",
     .lesson = "6",
     .flip = "attributes",
     .kinds = TD4,
     .body = {TD_ATTRIBUTES, 0x80},
     .fail = "tdx.debug"},
    {.id = "sept-ve-enabled",
     .title = "SEPT_VE_DISABLE is clear: the host may take pages away",
     .basis = TD_BITS "bit 28 (SEPT_VE_DISABLE)",
     .kinds = ALL_TD,
     .body = {TD_ATTRIBUTES + 3, 0x10},
     .fail = "tdx.attributes"},
    {.id = "sept-ve-enabled-allowed",
     .title = "SEPT_VE_DISABLE is clear, which the policy allows",
     .basis = POLICY ", allow_sept_ve",
     .kinds = TD4,
     .body = {TD_ATTRIBUTES + 3, 0x10},
     .policy = IN_TDX("'allow_sept_ve':true")},
    {.id = "migratable",
     .title = "the TD may be migrated: a migration TD may take it to another machine",
     .basis = TD_BITS "bit 29 (MIGRATABLE)",
     .kinds = TD4 | TD15,
     .body = {TD_ATTRIBUTES + 3, 0x20},
     .fail = "tdx.attributes"},
    {.id = "pks",
     .title = "the TD uses supervisor protection keys, which the policy doesn't allow",
     .basis = TD_BITS "bit 30 (PKS)",
     .kinds = TD4,
     .body = {TD_ATTRIBUTES + 3, 0x40},
     .fail = "tdx.attributes"},
    {.id = "pks-allowed",
     .title = "the TD uses supervisor protection keys, which the policy allows",
     .basis = POLICY ", allow_attributes",
     .kinds = TD4,
     .body = {TD_ATTRIBUTES + 3, 0x40},
     .policy = IN_TDX("'allow_attributes':['pks']")},
    {.id = "key-locker",
     .title = "the TD uses Key Locker, which the policy doesn't allow",
     .basis = TD_BITS "bit 31 (KL)",
     .kinds = TD4,
     .body = {TD_ATTRIBUTES + 3, 0x80},
     .fail = "tdx.attributes"},
    {.id = "perfmon",
     .title = "the TD uses the performance monitor, and the policy allows protection keys only",
     .basis = TD_BITS "bit 63 (PERFMON)",
     .kinds = TD4,
     .body = {TD_ATTRIBUTES + 7, 0x80},
     .policy = IN_TDX("'allow_attributes':['pks']"),
     .fail = "tdx.attributes"},
    {.id = "perfmon-allowed",
     .title = "the TD uses the performance monitor, which the policy allows",
     .basis = POLICY ", allow_attributes",
     .kinds = TD4,
     .body = {TD_ATTRIBUTES + 7, 0x80},
     .policy = IN_TDX("'allow_attributes':['perfmon']")},
    {.id = "attributes-reserved-8",
     .title = "the first reserved attribute is set",
     .basis = TD_BITS "reserved bits are zero",
     .flip = "attributes",
     .kinds = TD4,
     .body = {TD_ATTRIBUTES + 1, 0x01},
     .fail = "tdx.attributes"},
    {.id = "attributes-reserved-62",
     .title = "the last reserved attribute is set",
     .basis = TD_BITS "reserved bits are zero",
     .flip = "attributes",
     .kinds = TD4,
     .body = {TD_ATTRIBUTES + 7, 0x40},
     .fail = "tdx.attributes"},
    {.id = "xfam-without-sse",
     .title = "XFAM lacks SSE, which is fixed to 1",
     .basis = XFAM "bits 0 and 1 are fixed to 1",
     .kinds = TD4 | TD15,
     .body = {TD_XFAM, 0x02},
     .fail = "tdx.xfam"},
    {.id = "xfam-fixed-0-bit-3",
     .title = "XFAM has MPX, which is fixed to 0",
     .basis = XFAM "bits outside 0x6dbe7 are fixed to 0",
     .flip = "xfam",
     .kinds = TD4,
     .body = {TD_XFAM, 0x08},
     .fail = "tdx.xfam"},
    {.id = "xfam-fixed-0-bit-16",
     .title = "XFAM has a bit between two known features, which is fixed to 0",
     .basis = XFAM "bits outside 0x6dbe7 are fixed to 0",
     .flip = "xfam",
     .kinds = TD4,
     .body = {TD_XFAM + 2, 0x01},
     .fail = "tdx.xfam"},
    {.id = "xfam-fixed-0-bit-63",
     .title = "XFAM's last bit is set, which is fixed to 0",
     .basis = XFAM "bits outside 0x6dbe7 are fixed to 0",
     .flip = "xfam",
     .kinds = TD4,
     .body = {TD_XFAM + 7, 0x80},
     .fail = "tdx.xfam"},
    {.id = "xfam-not-allowed",
     .title = "XFAM has AVX-512, AMX and others, and the policy allows x87, SSE and AVX",
     .basis = POLICY ", allow_xfam",
     .kinds = TD4,
     .policy = IN_TDX("'allow_xfam':'0000000000000007'"),
     .fail = "tdx.xfam"},
    {.id = "xfam-minimal",
     .title = "nothing is wrong; XFAM has x87 and SSE alone, as the policy wants",
     .basis = POLICY ", allow_xfam",
     .kinds = TD4,
     .change = xfam_minimal,
     .policy = IN_TDX("'allow_xfam':'0000000000000003'")},
    {.id = "mrtd",
     .title = "MRTD isn't the pinned image's",
     .basis = TDXM ", MRTD; " POLICY ", images",
     .kinds = ALL_TD,
     .body = {TD_MRTD, 0x01},
     .fail = "tdx.measurement"},
    {.id = "rtmr0",
     .title = "RTMR0 (firmware's configuration) isn't the pinned image's",
     .basis = "UEFI 2.10 section 38.4.1; " POLICY ", images",
     .kinds = TD4,
     .body = {TD_RTMR, 0x01},
     .fail = "tdx.measurement"},
    {.id = "rtmr1",
     .title = "RTMR1 (boot loader and kernel) isn't the pinned image's",
     .basis = "UEFI 2.10 section 38.4.1; " POLICY ", images",
     .lesson = "18",
     .kinds = TD4,
     .body = {TD_RTMR + 48 + 47, 0x01},
     .fail = "tdx.measurement"},
    {.id = "rtmr2",
     .title = "RTMR2 (command line and initial files) isn't the pinned image's",
     .basis = "UEFI 2.10 section 38.4.1; " POLICY ", images",
     .lesson = "18",
     .kinds = TD4,
     .body = {TD_RTMR + 96, 0x01},
     .fail = "tdx.measurement"},
    {.id = "rtmr3",
     .title = "RTMR3 (the application's own) isn't the pinned image's",
     .basis = TDXM ", RTMR; " POLICY ", images",
     .kinds = ALL_TD,
     .body = {TD_RTMR + 144 + 47, 0x80},
     .fail = "tdx.measurement"},
    {.id = "rtmrs-zero",
     .title = "MRTD is the pinned image's, and nothing was extended",
     .basis = POLICY ", images: all five values",
     .lesson = "40",
     .kinds = TD4,
     .change = all_registers_zero,
     .fail = "tdx.measurement"},
    {.id = "images-two",
     .title = "nothing is wrong; the TD started the second of two pinned images",
     .basis = POLICY ", images",
     .kinds = TD4,
     .policy = {"'images':[", "'images':[" IMAGE("c0", "c1", "c2", "c3", "c4") ","}},
    {.id = "images-mixed",
     .title = "MRTD is that of one pinned image, and RTMR0 to 3 are another's",
     .basis = POLICY ", images: all five are those of one image",
     .kinds = TD4,
     .change = mrtd_of_another,
     .policy = {"'images':[", "'images':[" IMAGE("c0", "c1", "c2", "c3", "c4") ","},
     .fail = "tdx.measurement"},
    {.id = "images-none",
     .title = "the policy pins no image",
     .basis = POLICY ", images: empty admits nothing",
     .lesson = "26 31 40",
     .kinds = TD4,
     .policy = {IMAGE("a0", "b0", "b1", "b2", "b3"), ""},
     .fail = "tdx.measurement"},
    {.id = "config-id",
     .title = "the host gave the TD a configuration (MRCONFIGID)",
     .basis = TDXM ", MRCONFIGID; " POLICY ", config_ids",
     .lesson = "18 40",
     .kinds = ALL_TD,
     .change = config_id,
     .fail = "tdx.config"},
    {.id = "config-id-listed",
     .title = "MRCONFIGID is the one that the policy lists",
     .basis = POLICY ", config_ids",
     .kinds = TD4,
     .change = config_id,
     .policy = IN_TDX("'config_ids':['" HEX48("77") "']")},
    {.id = "config-id-zero-not-listed",
     .title = "MRCONFIGID is zero, and the policy lists another one",
     .basis = POLICY ", config_ids",
     .kinds = TD4,
     .policy = IN_TDX("'config_ids':['" HEX48("77") "']"),
     .fail = "tdx.config"},
    {.id = "owner",
     .title = "the TD has an owner (MROWNER) that the policy doesn't list",
     .basis = TDXM ", MROWNER; " POLICY ", owners",
     .lesson = "40",
     .kinds = ALL_TD,
     .change = owner,
     .fail = "tdx.owner"},
    {.id = "owner-listed",
     .title = "MROWNER is the one that the policy lists",
     .basis = POLICY ", owners",
     .kinds = TD4,
     .change = owner,
     .policy = IN_TDX("'owners':['" HEX48("77") "']")},
    {.id = "owner-config",
     .title = "the TD's owner gave it a configuration (MROWNERCONFIG) that the policy doesn't list",
     .basis = TDXM ", MROWNERCONFIG; " POLICY ", owner_configs",
     .lesson = "40",
     .kinds = ALL_TD,
     .change = owner_config,
     .fail = "tdx.owner"},
    {.id = "owner-config-listed",
     .title = "MROWNERCONFIG is the one that the policy lists",
     .basis = POLICY ", owner_configs",
     .kinds = TD4,
     .change = owner_config,
     .policy = IN_TDX("'owner_configs':['" HEX48("77") "']")},
    {.id = "migration-td",
     .title = "a service TD (a migration agent) is bound to the TD",
     .basis = TDXM ", service TDs: MRSERVICETD",
     .lesson = "40",
     .kinds = TD15,
     .change = service_td,
     .fail = "tdx.service_td"},
    {.id = "migration-td-listed",
     .title = "the service TD that is bound is the one that the policy lists",
     .basis = POLICY ", service_tds",
     .kinds = TD15,
     .change = service_td,
     .policy = IN_TDX("'service_tds':['" HEX48("77") "']")},
    {.id = "migration-td-other",
     .title = "another service TD is bound than the policy lists",
     .basis = POLICY ", service_tds",
     .kinds = TD15,
     .change = service_td_other,
     .policy = IN_TDX("'service_tds':['" HEX48("77") "']"),
     .fail = "tdx.service_td"},
};

/* ---- TDX: event log ---- */

static struct event_lab event_log;

/* Registers as the log leads to them, and a policy that pins those. */
static void log_make(struct quote_recipe *r, const uint16_t *algs)
{
    el_start(&event_log, algs);
    memset(r->body + TD_RTMR, 0, 192);
    quote_edit(r->policy, HEX48("b3"), HEX48("00"));
    for (unsigned i = 0; i < 3; i++) {
        char from[97], to[97];

        el_event(&event_log, i + 1, 6, (uint8_t)(0x11 * (i + 1)), "event", 5);
        el_extend(r->body + TD_RTMR + 48 * (size_t)i, 48, (uint8_t)(0x11 * (i + 1)));
        for (size_t k = 0; k < 48; k++)
            (void)snprintf(from + 2 * k, 3, "b%u", i);
        clo_hex(r->body + TD_RTMR + 48 * (size_t)i, 48, to);
        quote_edit(r->policy, from, to);
    }
    r->event_log = event_log.p;
    r->event_log_n = event_log.n;
}

static void log_good(struct quote_recipe *r)
{
    static const uint16_t algs[] = {CLO_EVENT_SHA384, 0};

    log_make(r, algs);
}

static void log_of_two_banks(struct quote_recipe *r)
{
    static const uint16_t algs[] = {CLO_EVENT_SHA256, CLO_EVENT_SHA384, 0};

    log_make(r, algs);
}

static void log_of_sha256(struct quote_recipe *r)
{
    static const uint16_t algs[] = {CLO_EVENT_SHA256, 0};

    log_make(r, algs);
}

static void log_cut(struct quote_recipe *r)
{
    log_good(r);
    r->event_log_n--;
}

static void log_event_more(struct quote_recipe *r)
{
    log_good(r);
    el_event(&event_log, 4, 6, 0x44, "more", 4);
    r->event_log_n = event_log.n;
}

static void log_event_fewer(struct quote_recipe *r)
{
    static const uint16_t algs[] = {CLO_EVENT_SHA384, 0};

    log_good(r);
    el_start(&event_log, algs);
    el_event(&event_log, 1, 6, 0x11, "event", 5);
    el_event(&event_log, 2, 6, 0x22, "event", 5);
    r->event_log_n = event_log.n;
}

static void log_digest_other(struct quote_recipe *r)
{
    static const uint16_t algs[] = {CLO_EVENT_SHA384, 0};

    log_good(r);
    el_start(&event_log, algs);
    for (unsigned i = 0; i < 3; i++)
        el_event(&event_log, i + 1, 6, i == 1 ? 0x55 : (uint8_t)(0x11 * (i + 1)), "event", 5);
    r->event_log_n = event_log.n;
}

static void log_of_mrtd(struct quote_recipe *r)
{
    log_good(r);
    el_event(&event_log, 0, 6, 0x44, "MRTD", 4);
    r->event_log_n = event_log.n;
}

static void log_no_action(struct quote_recipe *r)
{
    log_good(r);
    el_event(&event_log, 1, 3, 0, "no action", 9);
    r->event_log_n = event_log.n;
}

static void log_empty(struct quote_recipe *r)
{
    static const uint16_t algs[] = {CLO_EVENT_SHA384, 0};

    log_good(r);
    el_start(&event_log, algs);
    r->event_log_n = event_log.n;
}

#define CCEL "UEFI 2.10 section 38.4.1; TCG PC Client Platform Firmware Profile, crypto-agile log"

static const struct row logs[] = {
    {.id = "event-log",
     .title = "nothing is wrong; the event log that the policy requires replays to the RTMRs",
     .basis = CCEL,
     .kinds = ALL_TD,
     .change = log_good,
     .policy = IN_TDX("'event_log':'required'")},
    {.id = "event-log-two-banks",
     .title = "nothing is wrong; the event log has SHA-256 digests besides",
     .basis = CCEL,
     .kinds = TD4,
     .change = log_of_two_banks},
    {.id = "event-log-no-action",
     .title = "nothing is wrong; the event log has an EV_NO_ACTION, which extends nothing",
     .basis = CCEL,
     .kinds = TD4,
     .change = log_no_action},
    {.id = "event-log-missing",
     .title = "the policy requires an event log, and none came",
     .basis = POLICY ", event_log",
     .lesson = "40",
     .kinds = TD4 | TD15,
     .policy = IN_TDX("'event_log':'required'"),
     .missing = "tdx.event_log"},
    {.id = "event-log-digest",
     .title = "one digest of the event log is another than was extended",
     .basis = CCEL,
     .kinds = ALL_TD,
     .change = log_digest_other,
     .fail = "tdx.event_log"},
    {.id = "event-log-event-more",
     .title = "the event log has an event that no RTMR was extended with",
     .basis = CCEL,
     .kinds = TD4,
     .change = log_event_more,
     .fail = "tdx.event_log"},
    {.id = "event-log-event-fewer",
     .title = "the event log lacks an event that RTMR2 was extended with",
     .basis = CCEL,
     .kinds = TD4,
     .change = log_event_fewer,
     .fail = "tdx.event_log"},
    {.id = "event-log-empty",
     .title = "the event log has a header and no events",
     .basis = CCEL,
     .kinds = TD4,
     .change = log_empty,
     .fail = "tdx.event_log"},
    {.id = "event-log-register-0",
     .title = "the event log extends MRTD, which nothing extends",
     .basis = CCEL ": measurement register 0 is MRTD",
     .kinds = TD4,
     .change = log_of_mrtd,
     .fail = "tdx.event_log"},
    {.id = "event-log-sha256",
     .title = "the event log has SHA-256 digests alone",
     .basis = CCEL "; RTMRs are SHA-384",
     .kinds = TD4,
     .change = log_of_sha256,
     .fail = "tdx.event_log"},
    {.id = "event-log-cut",
     .title = "the event log lacks its last byte",
     .basis = CCEL,
     .kinds = TD4,
     .change = log_cut,
     .fail = "tdx.event_log"},
};

/* ---- SGX: what an enclave says ---- */

#define SGX_BITS SDM ", ATTRIBUTES: "
#define ALL_SGX  (SGX3 | SGX4 | SGX5)
#define ENCLAVES "'enclaves':['" X16("e1") X16("e1") "'],"
#define SIGNERS  "'signers':['" X16("51") X16("51") "'],'product_id':7,'min_svn':3,"

CHANGE(config_of_host, (r->body[SGX_ATTRIBUTES] |= 0x80, r->body[192 + 63] = 1))
CHANGE(config_svn_of_host, (r->body[SGX_ATTRIBUTES] |= 0x80, r->body[260] = 1))
CHANGE(config_without_kss, r->body[192] = 1)
CHANGE(svn_2, r->body[SGX_SVN] = 2)
CHANGE(svn_259, quote_put16(r->body + SGX_SVN, 0x103))
CHANGE(svn_0_of_enclave, r->body[SGX_SVN] = 0)

static const struct row enclaves[] = {
    {.id = "debug",
     .title = "the enclave runs under debug",
     .basis = SGX_BITS "bit 1 (DEBUG)",
     .lesson = "6",
     .kinds = ALL_SGX,
     .body = {SGX_ATTRIBUTES, 0x02},
     .fail = "sgx.debug"},
    {.id = "not-initialised",
     .title = "the enclave isn't initialised",
     .basis = SGX_BITS "bit 0 (INIT)",
     .kinds = SGX3,
     .body = {SGX_ATTRIBUTES, 0x01},
     .fail = "sgx.attributes"},
    {.id = "provision-key",
     .title = "the enclave may have the provisioning key, which the policy doesn't allow",
     .basis = SGX_BITS "bit 4 (PROVISIONKEY)",
     .kinds = ALL_SGX,
     .body = {SGX_ATTRIBUTES, 0x10},
     .fail = "sgx.attributes"},
    {.id = "provision-key-allowed",
     .title = "the enclave may have the provisioning key, which the policy allows",
     .basis = POLICY ", allow_attributes",
     .kinds = SGX3,
     .body = {SGX_ATTRIBUTES, 0x10},
     .policy = IN_SGX("'allow_attributes':['provision_key']")},
    {.id = "einittoken-key",
     .title = "the enclave may have the launch key, which the policy doesn't allow",
     .basis = SGX_BITS "bit 5 (EINITTOKEN_KEY)",
     .kinds = SGX3,
     .body = {SGX_ATTRIBUTES, 0x20},
     .fail = "sgx.attributes"},
    {.id = "kss",
     .title = "the enclave uses key separation (KSS), which the policy doesn't allow",
     .basis = SGX_BITS "bit 7 (KSS)",
     .kinds = SGX3,
     .body = {SGX_ATTRIBUTES, 0x80},
     .fail = "sgx.attributes"},
    {.id = "kss-allowed",
     .title = "the enclave uses key separation (KSS), which the policy allows",
     .basis = POLICY ", allow_attributes",
     .kinds = SGX3,
     .body = {SGX_ATTRIBUTES, 0x80},
     .policy = IN_SGX("'allow_attributes':['kss']")},
    {.id = "kss-config-id",
     .title = "KSS is allowed, and the host gave the enclave a configuration (CONFIGID)",
     .basis = POLICY ", allow_attributes: CONFIGID is zero; " SDM ", CONFIGID isn't measured",
     .lesson = "18 40",
     .kinds = SGX3 | SGX5,
     .change = config_of_host,
     .policy = IN_SGX("'allow_attributes':['kss']"),
     .fail = "sgx.attributes"},
    {.id = "kss-config-svn",
     .title = "KSS is allowed, and the host gave the enclave a CONFIGSVN",
     .basis = POLICY ", allow_attributes: CONFIGSVN is zero",
     .lesson = "18 40",
     .kinds = SGX3,
     .change = config_svn_of_host,
     .policy = IN_SGX("'allow_attributes':['kss']"),
     .fail = "sgx.attributes"},
    {.id = "config-id-without-kss",
     .title = "the report has a CONFIGID, and no KSS that it could come from",
     .basis = SDM ", CONFIGID is zero without KSS",
     .kinds = SGX3,
     .change = config_without_kss,
     .fail = "sgx.attributes"},
    {.id = "aex-notify",
     .title = "the enclave is told of interrupts (AEX-Notify), which the policy doesn't allow",
     .basis = SGX_BITS "bit 10 (AEXNOTIFY)",
     .kinds = SGX3,
     .body = {SGX_ATTRIBUTES + 1, 0x04},
     .fail = "sgx.attributes"},
    {.id = "attributes-reserved-3",
     .title = "the first reserved attribute is set",
     .basis = SGX_BITS "reserved bits are zero",
     .flip = "attributes",
     .kinds = SGX3,
     .body = {SGX_ATTRIBUTES, 0x08},
     .fail = "sgx.attributes"},
    {.id = "attributes-reserved-63",
     .title = "the last reserved attribute is set",
     .basis = SGX_BITS "reserved bits are zero",
     .flip = "attributes",
     .kinds = SGX3,
     .body = {SGX_ATTRIBUTES + 7, 0x80},
     .fail = "sgx.attributes"},
    {.id = "xfrm-without-x87",
     .title = "XFRM lacks x87, which every enclave has",
     .basis = SDM ".2, XFRM: bits 0 and 1 are set",
     .kinds = SGX3,
     .body = {SGX_ATTRIBUTES + 8, 0x01},
     .fail = "sgx.attributes"},
    {.id = "mrenclave",
     .title = "another enclave of the pinned signer's runs than the policy pins",
     .basis = POLICY ", enclaves and signers: each that is there has to name the enclave",
     .kinds = ALL_SGX,
     .body = {SGX_ENCLAVE + 31, 0x01},
     .fail = "sgx.measurement"},
    {.id = "mrsigner",
     .title = "the pinned enclave is signed by somebody else than the policy pins",
     .basis = POLICY ", enclaves and signers: each that is there has to name the enclave",
     .kinds = ALL_SGX,
     .body = {SGX_SIGNER, 0x80},
     .fail = "sgx.measurement"},
    {.id = "mrenclave-not-pinned",
     .title = "nothing is wrong; the policy pins the signer alone",
     .basis = POLICY ", signers",
     .kinds = SGX3,
     .body = {SGX_ENCLAVE, 0x01},
     .policy = {ENCLAVES, ""}},
    {.id = "mrsigner-not-pinned",
     .title = "nothing is wrong; the policy pins the enclave alone, and no version",
     .basis = POLICY ", enclaves",
     .kinds = SGX3,
     .body = {SGX_SIGNER, 0x80},
     .change = svn_0_of_enclave,
     .policy = {SIGNERS, ""}},
    {.id = "nothing-pinned",
     .title = "the policy pins neither enclaves nor signers",
     .basis = POLICY ", enclaves and signers: if neither is, nothing is admitted",
     .lesson = "26 31 40",
     .kinds = SGX3,
     .policy = {ENCLAVES, ""},
     .policy2 = {SIGNERS, ""},
     .fail = "sgx.measurement"},
    {.id = "isvprodid",
     .title = "the enclave is another product of its signer's",
     .basis = POLICY ", product_id",
     .kinds = ALL_SGX,
     .body = {SGX_PRODUCT + 1, 0x01},
     .fail = "sgx.isv"},
    {.id = "isvsvn",
     .title = "the enclave's security version is below the policy's floor",
     .basis = POLICY ", min_svn",
     .kinds = ALL_SGX,
     .change = svn_2,
     .fail = "sgx.isv"},
    {.id = "isvsvn-high",
     .title = "nothing is wrong; the enclave's security version is above the policy's floor",
     .basis = POLICY ", min_svn",
     .kinds = SGX3,
     .change = svn_259},
};

void lab_cases_quote(struct lab *l)
{
    LAB_MUST(quote_lab_open(NULL) == 0);
    emit(l, bytes, CLO_ARRAY_LEN(bytes));
    emit(l, signatures, CLO_ARRAY_LEN(signatures));
    emit(l, chains, CLO_ARRAY_LEN(chains));
    emit(l, lists, CLO_ARRAY_LEN(lists));
    emit(l, collateral, CLO_ARRAY_LEN(collateral));
    emit(l, levels, CLO_ARRAY_LEN(levels));
    emit(l, data, CLO_ARRAY_LEN(data));
    emit(l, modules, CLO_ARRAY_LEN(modules));
    emit(l, tds, CLO_ARRAY_LEN(tds));
    emit(l, logs, CLO_ARRAY_LEN(logs));
    emit(l, enclaves, CLO_ARRAY_LEN(enclaves));
    LAB_MUST(quote_lab_close(NULL) == 0);
}
