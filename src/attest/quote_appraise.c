/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appraisal of an Intel quote. Three keys stand between Intel's root and a TD's claims: the platform's (PCK) signs the quoting
 * enclave's report, which names the attestation key, which signs the quote. So: what the bytes are (format, certificates,
 * lists); whether each key is vouched for; then what Intel says of the platform, and what the TD or enclave claims.
 *
 * The root is pinned as a certificate: both of Intel's own sample roots have the real one's names and another key.
 */
#include "attest/quote.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "attest/quote_in.h"
#include "base/enc.h"
#include "base/secret.h"

#define TEXT CLO_QUOTE_TEXT

/* Intel SGX PCK Certificate and CRL Profile, section 2: subjects. */
#define CN_PCK       "Intel SGX PCK Certificate"
#define CN_PLATFORM  "Intel SGX PCK Platform CA"
#define CN_PROCESSOR "Intel SGX PCK Processor CA"

static const uint8_t intel_vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                         0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

static void set(struct clo_quote_appraisal *a, enum cloister_check_id id,
                enum cloister_check_status status, const char *expected, const char *actual,
                const char *reason)
{
    clo_vb_set(a->vb, id, status, expected, actual, reason);
}

void clo_quote_fact(struct clo_quote_appraisal *a, enum cloister_check_id id, bool ok,
                    const char *expected, const char *actual, const char *reason)
{
    set(a, id, ok ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL, expected, actual,
        ok ? NULL : reason);
}

void clo_quote_claim(struct clo_quote_appraisal *a, enum cloister_check_id id, bool right,
                     const char *expected, const char *actual, const char *reason)
{
    clo_vb_claim(a->vb, id, right, a->authentic, expected, actual, reason);
}

void clo_quote_missing(struct clo_quote_appraisal *a, enum cloister_check_id id, const char *reason)
{
    set(a, id, CLOISTER_CHECK_MISSING, NULL, NULL, reason);
}

bool clo_quote_within(struct clo_quote_appraisal *a, int64_t from, int64_t to, char expected[TEXT],
                      char actual[TEXT])
{
    char t1[CLO_DATE_LEN], t2[CLO_DATE_LEN];

    clo_date(from, t1);
    clo_date(to, t2);
    (void)snprintf(expected, TEXT, "%s to %s", t1, t2);
    clo_date(a->now, actual);
    clo_vb_until(a->vb, to);
    return from <= a->now && a->now < to;
}

/* ---- first step: what the bytes are ---- */

/* The header's own checks. False: what follows can't be read. */
static bool header_checks(struct clo_quote_appraisal *a, const struct clo_quote_header *h)
{
    const bool kind = h->body != 0 && (h->body == CLO_QUOTE_BODY_SGX) == a->in->sgx;
    char text[TEXT];

    (void)snprintf(text, sizeof text, "version %u, TEE type 0x%" PRIx32, h->version, h->tee_type);
    clo_quote_fact(a, CLOISTER_CHECK_QUOTE_VERSION, kind,
                   a->in->sgx ? "SGX, version 3 to 5" : "TDX, version 4 or 5", text,
                   h->body == 0 ? "this version or body isn't known" : "it is another TEE's quote");
    (void)snprintf(text, sizeof text, "%u", h->key_type);
    clo_quote_fact(a, CLOISTER_CHECK_QUOTE_KEY_TYPE, h->key_type == CLO_QUOTE_KEY_P256, "2", text,
                   "the quote names another kind of key");
    return kind && h->key_type == CLO_QUOTE_KEY_P256;
}

/* Every check that wasn't made is missing. */
static void skip_all(struct clo_quote_appraisal *a, const char *reason)
{
    clo_quote_missing(a, a->in->data_check, reason);
    clo_vb_skip(a->vb, CLOISTER_CHECK_QUOTE_FORMAT, CLOISTER_CHECK_QUOTE_ADVISORIES, reason);
    if (a->in->sgx)
        clo_vb_skip(a->vb, CLOISTER_CHECK_SGX_DEBUG, CLOISTER_CHECK_SGX_ISV, reason);
    else
        clo_vb_skip(a->vb, CLOISTER_CHECK_TDX_MODULE, CLOISTER_CHECK_TDX_EVENT_LOG, reason);
}

/* False: all checks are made, the quote can't be read. */
static bool quote_read(struct clo_quote_appraisal *a)
{
    struct clo_quote_header h = {0};
    int err = clo_quote_header_parse(a->in->quote, a->in->quote_n, &h);

    if (err == 0 && !header_checks(a, &h)) {
        skip_all(a, "a quote of this kind can't be read");
        return false;
    }
    if (err == 0)
        err = clo_quote_parse(a->in->quote, a->in->quote_n, &a->q);
    clo_quote_fact(a, CLOISTER_CHECK_QUOTE_FORMAT, err == 0, NULL, NULL,
                   "a length inside the quote doesn't fit it");
    if (err != 0)
        skip_all(a, "the quote can't be read");
    return err == 0;
}

static void check_header(struct clo_quote_appraisal *a)
{
    char expected[TEXT], actual[TEXT];

    clo_hex(intel_vendor, sizeof intel_vendor, expected);
    clo_hex(a->q.header.qe_vendor, sizeof a->q.header.qe_vendor, actual);
    clo_quote_claim(a, CLOISTER_CHECK_QUOTE_QE_VENDOR,
                    memcmp(a->q.header.qe_vendor, intel_vendor, sizeof intel_vendor) == 0, expected,
                    actual, "the quote isn't made by Intel's quoting enclave");
    (void)snprintf(actual, sizeof actual, "%zu bytes", a->q.trailing_n);
    clo_quote_fact(a, CLOISTER_CHECK_QUOTE_TRAILING, clo_all_zero(a->q.trailing, a->q.trailing_n),
                   NULL, actual, "bytes that nothing covers stand behind the quote");
}

/* Where it isn't the pinned one byte for byte, it has to be another of the same key: Intel issued its root twice. */
int clo_quote_root_is(const struct clo_quote_appraisal *a, const struct clo_buf *der, bool *ret)
{
    uint8_t theirs[CLO_SHA256_LEN], ours[CLO_SHA256_LEN];
    struct clo_cert *c = NULL;
    int err;

    *ret = der->len == a->pin->n && memcmp(der->p, a->pin->der, a->pin->n) == 0;
    if (*ret)
        return 0;
    if ((err = clo_cert_parse(der->p, der->len, &c)) == 0 &&
        (err = clo_cert_signed_by(c, a->root, CLO_SIG_ECDSA_P256_SHA256)) == 0 &&
        (err = clo_cert_spki_digest(c, theirs)) == 0 &&
        (err = clo_cert_spki_digest(a->root, ours)) == 0)
        *ret = memcmp(theirs, ours, sizeof ours) == 0;
    clo_cert_free(c);
    return clo_is_ours(err) ? err : 0;
}

static int root_compare(struct clo_quote_appraisal *a)
{
    bool same = true;
    int err = 0;

    if (a->chain_n == CLO_QUOTE_CHAIN_LEN && a->root != NULL)
        err = clo_quote_root_is(a, &a->chain[CLO_QUOTE_CHAIN_LEN - 1], &same);
    a->root_other = !same;
    return err;
}

/* The chain out of the quote, or the caller's where the quote has none. */
static int chain_load(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_QUOTE_CHAIN_PRESENT;
    const char *wrong = NULL;
    char actual[TEXT];
    int err;

    err = clo_quote_chain(&a->q, a->inside, CLO_QUOTE_CHAIN_LEN, &a->chain_n);
    if (clo_is_ours(err))
        return err;
    a->chain = a->inside;
    if (err != 0)
        wrong = "the chain inside the quote can't be read, or is too long";
    else if (a->chain_n == 0) {
        a->chain = a->in->chain;
        a->chain_n = a->in->chain_n;
    }
    (void)snprintf(actual, sizeof actual, "%zu, certification data of type %u", a->chain_n,
                   a->q.certification_type);
    if (wrong == NULL && a->chain_n < 2) {
        set(a, id, CLOISTER_CHECK_MISSING, "2 or 3 certificates", actual,
            "certificates are missing: without them the quote can't be judged");
        return 0;
    }
    if (wrong == NULL && a->chain_n > CLO_QUOTE_CHAIN_LEN)
        wrong = "there are too many certificates";
    if (wrong == NULL &&
        ((err = clo_cert_parse(a->chain[0].p, a->chain[0].len, &a->leaf_owned)) != 0 ||
         (err = clo_known_cert(a->chain[1].p, a->chain[1].len, &a->ca, &a->ca_owned)) != 0))
        wrong = "a certificate can't be read";
    if (clo_is_ours(err))
        return err;
    clo_quote_fact(a, id, wrong == NULL, "2 or 3 certificates", actual, wrong);
    if (wrong != NULL)
        return 0;
    a->leaf = a->leaf_owned;
    a->pck_err = clo_pck_read(a->leaf, &a->pck);
    if (clo_is_ours(a->pck_err))
        return a->pck_err;
    return root_compare(a);
}

/* Keep the newer of two lists. */
static void crl_keep(struct clo_crl **kept, struct clo_crl *c)
{
    if (*kept != NULL && clo_crl_this_update(c) <= clo_crl_this_update(*kept)) {
        clo_crl_free(c);
        return;
    }
    clo_crl_free(*kept);
    *kept = c;
}

/*
 * Which of the two issuers signed the list? Their names differ, so that one signature at most is verified. The one whose name stands in
 * the list byte for byte is tried first: comparing unlike names takes libcrypto longer than all that is parsed here.
 */
static int crl_take(struct clo_quote_appraisal *a, const struct clo_buf *der)
{
    const struct clo_cert *const issuer[] = {a->root, a->ca};
    struct clo_crl **const kept[] = {&a->root_crl, &a->pck_crl};
    struct clo_crl *c = NULL;
    size_t first;
    int err;

    if ((err = clo_crl_parse(der->p, der->len, &c)) != 0) {
        a->stray_crl = true;
        return clo_is_ours(err) ? err : 0;
    }
    first = a->root != NULL && clo_crl_names(c, a->root) ? 0
            : a->ca != NULL && clo_crl_names(c, a->ca)   ? 1
                                                         : 0;
    err = CLOISTER_E_AUTH;
    for (size_t i = 0; i < 2 && !clo_is_ours(err); i++) {
        const size_t k = (first + i) % 2;

        if (issuer[k] != NULL &&
            (err = clo_crl_signed_by(c, issuer[k], CLO_SIG_ECDSA_P256_SHA256)) == 0) {
            crl_keep(kept[k], c);
            return 0;
        }
    }
    clo_crl_free(c);
    /* Without both issuers nobody can say whose it is. */
    a->stray_crl = a->stray_crl || (a->root != NULL && a->ca != NULL);
    return clo_is_ours(err) ? err : 0;
}

static int crls_find(struct clo_quote_appraisal *a)
{
    int err = 0;

    for (size_t i = 0; err == 0 && i < a->in->collateral->crls; i++)
        err = crl_take(a, &a->in->collateral->crl[i]);
    return err;
}

/* ---- second step: do the keys vouch for each other, up to Intel's ---- */

static bool cn_is(const struct clo_cert *c, const char *a, const char *b)
{
    char cn[64];

    return clo_cert_cn(c, cn, sizeof cn) == 0 && (strcmp(cn, a) == 0 || strcmp(cn, b) == 0);
}

static int chain_verify(struct clo_quote_appraisal *a)
{
    int err;

    if (a->root != NULL) {
        err = clo_cert_signed_by(a->ca, a->root, CLO_SIG_ECDSA_P256_SHA256);
        if (clo_is_ours(err))
            return err;
        a->root_ok = err == 0 && !a->root_other && clo_cert_is_ca(a->root);
    }
    err = clo_cert_signed_by(a->leaf, a->ca, CLO_SIG_ECDSA_P256_SHA256);
    if (clo_is_ours(err))
        return err;
    a->chain_ok = err == 0 && clo_cert_is_ca(a->ca) && !clo_cert_is_ca(a->leaf) &&
                  cn_is(a->ca, CN_PLATFORM, CN_PROCESSOR);
    a->platform_ok = a->root_ok && a->chain_ok;
    err = clo_cert_verify_p256(a->leaf, a->q.qe_report, CLO_SGX_REPORT_LEN, a->q.qe_signature);
    if (clo_is_ours(err))
        return err;
    a->qe_signature_ok = err == 0;
    a->qe_ok = a->platform_ok && a->qe_signature_ok;
    return 0;
}

static int authenticate(struct clo_quote_appraisal *a)
{
    const struct clo_slice bound[] = {{a->q.key, 64}, {a->q.auth, a->q.auth_n}};
    uint8_t digest[CLO_SHA256_LEN];
    int err;

    if (a->leaf != NULL && (err = chain_verify(a)) != 0)
        return err;
    if ((err = clo_hash(CLO_SHA256, bound, CLO_ARRAY_LEN(bound), digest)) != 0)
        return err;
    a->binding_ok = memcmp(a->q.qe.report_data, digest, sizeof digest) == 0 &&
                    clo_all_zero(a->q.qe.report_data + sizeof digest, 32);
    /* Over the bytes as received: whatever a parser makes of them, these are what was signed. */
    err = clo_p256_verify(a->q.key, a->q.signed_bytes, a->q.signed_n, a->q.signature);
    if (clo_is_ours(err))
        return err;
    a->signature_ok = err == 0;
    a->authentic = a->qe_ok && a->binding_ok && a->signature_ok;
    return 0;
}

static void check_chain(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id root = CLOISTER_CHECK_QUOTE_ROOT,
                                 chain = CLOISTER_CHECK_QUOTE_CHAIN,
                                 dates = CLOISTER_CHECK_QUOTE_CHAIN_DATES;
    const struct clo_cert *const c[] = {a->leaf, a->ca, a->root};
    int64_t from = INT64_MIN, to = INT64_MAX;
    char expected[TEXT], actual[TEXT];
    bool right;

    if (a->leaf == NULL) {
        clo_vb_skip(a->vb, root, dates, "there is no chain");
        return;
    }
    if (a->root == NULL)
        clo_quote_fact(a, root, false, NULL, NULL, "no root of Intel's is pinned");
    else
        clo_quote_fact(a, root, a->root_ok, NULL, NULL,
                       a->root_other ? "the chain ends in another root"
                                     : "the intermediate isn't signed by the pinned root");
    clo_quote_fact(a, chain, a->chain_ok, NULL, NULL,
                   "the platform's certificate isn't signed by a PCK CA of Intel's");
    for (size_t i = 0; i < CLO_ARRAY_LEN(c); i++) {
        if (c[i] == NULL)
            continue;
        if (clo_cert_not_before(c[i]) > from)
            from = clo_cert_not_before(c[i]);
        if (clo_cert_not_after(c[i]) < to)
            to = clo_cert_not_after(c[i]);
    }
    right = clo_quote_within(a, from, to, expected, actual);
    clo_quote_fact(a, dates, right, expected, actual,
                   "a certificate isn't valid yet or isn't any more");
}

static bool revoked(const struct clo_crl *crl, const struct clo_cert *c)
{
    return crl != NULL && c != NULL && clo_crl_revokes(crl, c);
}

/* The root's list is of the intermediate and the collateral's signer, the intermediate's of the platform's certificate. */
static void check_crl(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_QUOTE_CRL,
                                 dates = CLOISTER_CHECK_QUOTE_CRL_DATES,
                                 gone = CLOISTER_CHECK_QUOTE_REVOKED;
    const struct clo_crl *const list[] = {a->root_crl, a->pck_crl};
    const bool whole = a->root_crl != NULL && a->pck_crl != NULL;
    const bool optional = a->policy != NULL && a->policy->revocation_if_present && !a->stray_crl;
    const enum cloister_check_status absent = optional ? CLOISTER_CHECK_NOT_APPLICABLE
                                                       : CLOISTER_CHECK_MISSING;
    const char *why = optional ? "the policy doesn't require both lists, and one isn't there"
                      : a->root_crl == NULL ? "there is no list that the root signed"
                                            : "there is no list that the intermediate signed";
    char expected[TEXT] = "", actual[TEXT] = "";
    int64_t from = INT64_MIN, to = INT64_MAX;
    bool in_time;

    for (size_t i = 0; i < CLO_ARRAY_LEN(list); i++) {
        if (list[i] == NULL)
            continue;
        if (clo_crl_this_update(list[i]) > from)
            from = clo_crl_this_update(list[i]);
        if (clo_crl_next_update(list[i]) < to)
            to = clo_crl_next_update(list[i]);
    }
    if (whole)
        clo_vb_claim(a->vb, id, true, a->platform_ok, NULL, NULL, NULL);
    else if (a->stray_crl)
        clo_quote_fact(a, id, false, NULL, NULL, "a list that came isn't signed by its issuer");
    else
        set(a, id, absent, NULL, NULL, why);

    in_time = list[0] == NULL && list[1] == NULL ? true
                                                 : clo_quote_within(a, from, to, expected, actual);
    if (!whole && in_time)
        set(a, dates, absent, expected, actual, why);
    else
        clo_quote_fact(a, dates, in_time, expected, actual,
                       "a revocation list isn't valid yet or isn't any more");

    if (revoked(a->root_crl, a->ca))
        clo_quote_fact(a, gone, false, NULL, NULL, "the intermediate is revoked");
    else if (revoked(a->root_crl, a->signer))
        clo_quote_fact(a, gone, false, NULL, NULL, "the collateral's signer is revoked");
    else if (revoked(a->pck_crl, a->leaf))
        clo_quote_fact(a, gone, false, NULL, NULL, "the platform's certificate is revoked");
    else if (!whole)
        set(a, gone, absent, NULL, NULL, why);
    else
        clo_vb_claim(a->vb, gone, true, a->platform_ok, NULL, NULL, NULL);
}

static void check_pck(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_QUOTE_PCK;
    char actual[TEXT] = "", fmspc[2 * sizeof a->pck.fmspc + 1], pceid[2 * sizeof a->pck.pceid + 1];
    const char *wrong = NULL;

    if (a->leaf == NULL) {
        clo_quote_missing(a, id, "there is no chain");
        return;
    }
    if (a->pck_err == CLOISTER_E_NOT_FOUND)
        wrong = "the certificate lacks what a platform is judged by";
    else if (a->pck_err != 0)
        wrong = "the certificate's SGX extension can't be read";
    else if (!cn_is(a->leaf, CN_PCK, CN_PCK))
        wrong = "the certificate isn't a platform's";
    if (a->pck_err == 0) {
        clo_hex(a->pck.fmspc, sizeof a->pck.fmspc, fmspc);
        clo_hex(a->pck.pceid, sizeof a->pck.pceid, pceid);
        (void)snprintf(actual, sizeof actual, "FMSPC %s, PCE id %s, PCE SVN %u", fmspc, pceid,
                       a->pck.pcesvn);
    }
    clo_vb_claim(a->vb, id, wrong == NULL, a->platform_ok, NULL, actual, wrong);
}

static void check_signatures(struct clo_quote_appraisal *a)
{
    if (a->leaf == NULL)
        clo_quote_missing(a, CLOISTER_CHECK_QUOTE_QE_SIGNATURE,
                          "there is no certificate to verify it with");
    else
        clo_vb_claim(a->vb, CLOISTER_CHECK_QUOTE_QE_SIGNATURE, a->qe_signature_ok, a->platform_ok,
                     NULL, NULL, "the signature is wrong");
    clo_vb_claim(a->vb, CLOISTER_CHECK_QUOTE_QE_BINDING, a->binding_ok, a->qe_ok, NULL, NULL,
                 "the quoting enclave's report is of another attestation key");
    clo_quote_claim(a, CLOISTER_CHECK_QUOTE_SIGNATURE, a->signature_ok, NULL, NULL,
                    "the signature is wrong");
}

/* ---- third step: what the quote claims ---- */

static const uint8_t *report_data(const struct clo_quote_appraisal *a)
{
    return a->in->sgx ? a->q.sgx.report_data : a->q.td.report_data;
}

static void check_report_data(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = a->in->data_check;
    char expected[TEXT], actual[TEXT];

    clo_hex(report_data(a), 64, actual);
    if (a->in->report_data == NULL) {
        clo_vb_unexpected(a->vb, id, a->in->any_report_data, actual);
        return;
    }
    clo_hex(a->in->report_data, 64, expected);
    clo_quote_claim(
        a, id, clo_ct_equal(report_data(a), a->in->report_data, 64), expected, actual,
        "the quote was made for other keys, another manifest, other devices, or another nonce");
}

static int result(const struct clo_quote_appraisal *a, struct clo_hw_result *ret)
{
    const enum cloister_check_id id = a->in->sgx ? CLOISTER_CHECK_SGX_MEASUREMENT
                                                 : CLOISTER_CHECK_TDX_MEASUREMENT;
    const struct clo_slice td[] = {{a->q.td.mrtd, sizeof a->q.td.mrtd},
                                   {a->q.td.rtmr, sizeof a->q.td.rtmr}};
    struct clo_hw_result r = {.authentic = a->authentic};
    int err;

    r.bound = a->authentic && clo_vb_status(a->vb, a->in->data_check) == CLOISTER_CHECK_PASS;
    r.measured = a->authentic && clo_vb_status(a->vb, id) == CLOISTER_CHECK_PASS;
    if (a->in->sgx)
        memcpy(r.measurement, a->q.sgx.mrenclave, sizeof a->q.sgx.mrenclave);
    else if ((err = clo_hash(CLO_SHA384, td, CLO_ARRAY_LEN(td), r.measurement)) != 0)
        return err;
    *ret = r;
    return 0;
}

static void appraisal_clear(struct clo_quote_appraisal *a)
{
    for (size_t i = 0; i < CLO_QUOTE_CHAIN_LEN; i++)
        clo_buf_clear(&a->inside[i]);
    clo_cert_free(a->leaf_owned);
    clo_cert_free(a->ca_owned);
    clo_cert_free(a->signer_owned);
    clo_crl_free(a->root_crl);
    clo_crl_free(a->pck_crl);
}

int clo_quote_appraise(const struct clo_quote_input *in, const struct cloister_policy *policy,
                       const struct cloister_roots *roots, int64_t now,
                       struct clo_verdict_builder *vb, struct clo_hw_result *ret)
{
    struct clo_quote_appraisal a = {.in = in,
                                    .policy = policy,
                                    .now = now,
                                    .vb = vb,
                                    .pin = &roots->intel,
                                    .root = roots->intel.cert};
    int err;

    if (policy != NULL)
        a.floor = in->sgx ? &policy->sgx.tcb : &policy->tdx.tcb;
    if (!quote_read(&a))
        return 0;
    if ((err = chain_load(&a)) != 0 || (err = crls_find(&a)) != 0 ||
        (err = authenticate(&a)) != 0 || (err = clo_quote_collateral_load(&a)) != 0)
        goto out;
    check_header(&a);
    check_chain(&a);
    check_crl(&a);
    check_pck(&a);
    check_signatures(&a);
    clo_quote_collateral_checks(&a);
    if ((err = clo_quote_claims(&a)) != 0)
        goto out;
    check_report_data(&a);
    err = result(&a, ret);
out:
    appraisal_clear(&a);
    return err;
}
