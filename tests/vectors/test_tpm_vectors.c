/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded TPM quotes, attestation keys' certificates and event logs: Google's and Microsoft's clouds, a software TPM. What the verifier must
 * make of each under a policy that pins its own values, and of each with one thing changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "attest/tpm.h"
#include "attest/tpm_quote.h"
#include "vectors.h"

#define DEC_2025 1765000000
#define NOV_2026 1795000000

/* ---- files ---- */

struct file {
    uint8_t p[300000];
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

/* A certificate: DER as it stands, or the first of a PEM text. */
static void cert_load(const char *name, struct clo_buf *ret)
{
    static struct file f;
    const char *p;
    size_t n;

    file_read(name, &f);
    *ret = clo_buf_init(CLO_CERT_MAX);
    p = (const char *)f.p;
    n = f.n;
    if (f.p[0] == 0x30)
        assert_int_equal(clo_buf_append(ret, f.p, f.n), 0);
    else
        assert_int_equal(clo_pem_next(&p, &n, "CERTIFICATE", ret), 0);
}

/* The usual base64 as DER or other bytes. */
static void base64(const char *s, struct file *f)
{
    char url[8192];
    size_t n = 0;

    for (; *s != '\0' && *s != '='; s++)
        url[n++] = *s == '+' ? '-' : *s == '/' ? '_' : *s;
    assert_int_equal(clo_unb64(url, n, f->p, sizeof f->p, &f->n), 0);
}

/* ---- one appraisal ---- */

struct setting {
    struct file quote, signature, pcrs, log;
    struct clo_key *key;
    bool restricted;
    struct clo_tpm_trust trust;
    struct cloister_policy policy;
    struct clo_policy_pcrs pins;
    uint8_t expected[64];
    size_t expected_n;
    struct clo_verdict_builder vb;
    struct clo_tpm_result result;
};
static struct setting s;

static int setting_clear(void **state)
{
    (void)state;
    clo_key_free(s.key);
    memset(&s, 0, sizeof s);
    return 0;
}

/* Exactly the PCRs that came, in this bank. */
static void pin(uint16_t bank, uint32_t selection)
{
    const size_t len = clo_tpm_digest_len(bank);
    size_t at = 0;

    s.policy.tpm = (struct clo_policy_tpm){
        .given = true, .bank = bank, .selection = selection, .pcrs = &s.pins, .pcrs_n = 1};
    s.pins.pinned = selection;
    for (size_t i = 0; i < 24; i++)
        if ((selection >> i & 1) != 0) {
            memcpy(s.pins.value[i], s.pcrs.p + at, len > 48 ? 48 : len);
            at += len;
        }
}

/* A quote of Google's COS-85 in this bank, with its key, certificate and log. */
static void gce_load(const char *which, const char *bank, uint16_t alg)
{
    static const char *const above[] = {"tpm-roots/gtt_tpm_ek_intermediate_2.crt",
                                        "tpm-roots/gtt_tpm_ek_root_1.cer"};
    struct clo_buf chain[2], root_der;
    struct clo_cert *root = NULL;
    struct cloister_roots roots = {.tpms = 1};
    static struct file pub;
    char name[128];

    (void)setting_clear(NULL);
    (void)snprintf(name, sizeof name, "tpm/%s.%s.msg", which, bank);
    file_read(name, &s.quote);
    (void)snprintf(name, sizeof name, "tpm/%s.%s.tpmt_signature.bin", which, bank);
    file_read(name, &s.signature);
    (void)snprintf(name, sizeof name, "tpm/%s.%s.pcrs.bin", which, bank);
    file_read(name, &s.pcrs);
    (void)snprintf(name, sizeof name, "tpm/%s.eventlog.bin", which);
    file_read(name, &s.log);
    (void)snprintf(name, sizeof name, "tpm/%s.ak.tpmt_public.bin", which);
    file_read(name, &pub);
    assert_int_equal(clo_tpm_key_from_public(pub.p, pub.n, &s.key, &s.restricted), 0);
    (void)snprintf(name, sizeof name, "tpm/%s.akcert.der", which);
    cert_load(name, &chain[0]);
    cert_load(above[0], &chain[1]);
    cert_load(above[1], &root_der);
    assert_int_equal(clo_cert_parse(root_der.p, root_der.len, &root), 0);
    roots.tpm[0] = (struct clo_root){root_der.p, root_der.len, root};
    clo_vb_init(&s.vb);
    assert_int_equal(clo_tpm_key_trust(s.key, chain, 2, NULL, &roots, NOV_2026, &s.vb, &s.trust),
                     0);
    clo_cert_free(root);
    clo_buf_clear(&root_der);
    clo_buf_clear(&chain[0]);
    clo_buf_clear(&chain[1]);
    pin(alg, 0xffffff);
    s.policy.tpm.require_event_log = true;
    memcpy(s.expected, "\x90\x09", 2);
    s.expected_n = 2;
}

static void judge(void)
{
    const struct clo_tpm_input in = {
        .quote = s.quote.p,
        .quote_n = s.quote.n,
        .signature = s.signature.p,
        .signature_n = s.signature.n,
        .pcrs = s.pcrs.p,
        .pcrs_n = s.pcrs.n,
        .event_log = s.log.p,
        .event_log_n = s.log.n,
        .key = s.key,
        .key_restricted = s.restricted,
        .key_trust = s.trust.status,
        .key_trust_reason = s.trust.reason,
        .expected = s.expected,
        .expected_n = s.expected_n,
    };

    clo_vb_init(&s.vb);
    clo_vb_keep_families(&s.vb, CLO_FAMILY_TPM);
    memset(&s.result, 0, sizeof s.result);
    assert_int_equal(clo_tpm_appraise(&in, &s.policy, &s.vb, &s.result), 0);
    assert_false(s.vb.twice);
}

static void assert_judged(const char *fails, const char *missing)
{
    static const enum cloister_check_status of[] = {CLOISTER_CHECK_FAIL, CLOISTER_CHECK_MISSING};

    judge();
    for (size_t k = 0; k < 2; k++) {
        char text[512] = "";

        for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
            if (s.vb.check[i].status != of[k] || s.vb.out[i] || s.vb.check[i].id < 300)
                continue;
            if (text[0] != '\0')
                strncat(text, " ", sizeof text - strlen(text) - 1);
            strncat(text, cloister_check_name(s.vb.check[i].id) + 4,
                    sizeof text - strlen(text) - 1);
        }
        assert_string_equal(text, k == 0 ? fails : missing);
    }
}

/* ---- quotes ---- */

static void googles_quote_with_its_nonce_passes_down_to_the_event_log(void **state)
{
    static const struct {
        const char *name;
        uint16_t alg;
    } bank[] = {{"sha256", CLO_TPM_SHA256}, {"sha384", CLO_TPM_SHA384}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        gce_load("gce_cos85_nonce9009", bank[i].name, bank[i].alg);
        assert_true(s.restricted);
        assert_int_equal(s.trust.status, CLOISTER_CHECK_PASS);
        assert_judged("", "");
        assert_true(s.result.authentic && s.result.bound && s.result.measured);
        assert_int_equal(clo_vb_status(&s.vb, CLOISTER_CHECK_TPM_EVENT_LOG), CLOISTER_CHECK_PASS);
        s.expected[0] ^= 1;
        assert_judged("nonce", "");
        s.expected_n = 1;
        assert_judged("nonce", "");
    }
}

static void a_quote_without_a_nonce_is_refused_whatever_is_expected(void **state)
{
    (void)state;
    gce_load("gce_cos85_nononce", "sha256", CLO_TPM_SHA256);
    assert_judged("nonce", "");
    assert_true(s.result.authentic && s.result.measured && !s.result.bound);
    s.expected_n = 0;
    assert_judged("nonce", "");
}

static void a_bank_of_sha_1_is_refused(void **state)
{
    (void)state;
    gce_load("gce_cos85_nonce9009", "sha1", CLO_TPM_SHA1);
    assert_judged("algorithm", "signature nonce selection pcr_digest pcrs event_log");
    s.policy.tpm.bank = CLO_TPM_SHA256;
    assert_judged("algorithm selection pcrs", "signature nonce pcr_digest event_log");
}

static void windows_signature_with_sha_1_is_refused(void **state)
{
    static struct file pub;

    (void)state;
    (void)setting_clear(NULL);
    file_read("tpm/goattest_win_gcp.msg", &s.quote);
    file_read("tpm/goattest_win_gcp.tpmt_signature.bin", &s.signature);
    file_read("tpm/goattest_win_gcp.ak.tpmt_public.bin", &pub);
    assert_int_equal(clo_tpm_key_from_public(pub.p, pub.n, &s.key, &s.restricted), 0);
    assert_true(s.restricted);
    s.trust.status = CLOISTER_CHECK_PASS; /* as if it were pinned */
    s.expected_n = 2;
    pin(CLO_TPM_SHA256, 0xffffff);
    assert_judged("algorithm nonce selection pcrs", "signature pcr_digest");
    assert_false(s.result.authentic);
}

static void a_quote_in_one_bank_is_none_of_another(void **state)
{
    (void)state;
    gce_load("gce_cos85_nonce9009", "sha256", CLO_TPM_SHA256);
    s.policy.tpm.bank = CLO_TPM_SHA384;
    assert_judged("selection pcrs", "");
    /* the values of one, the quote of the other */
    gce_load("gce_cos85_nonce9009", "sha256", CLO_TPM_SHA256);
    file_read("tpm/gce_cos85_nonce9009.sha384.pcrs.bin", &s.pcrs);
    assert_judged("pcr_digest pcrs", "event_log");
}

static void a_superset_of_the_wanted_pcrs_is_another_quote(void **state)
{
    (void)state;
    gce_load("gce_cos85_nonce9009", "sha256", CLO_TPM_SHA256);
    s.policy.tpm.selection = s.pins.pinned = 0xff;
    assert_judged("selection", "");
    assert_false(s.result.measured);
}

static void another_quotes_signature_is_refused(void **state)
{
    (void)state;
    gce_load("gce_cos85_nonce9009", "sha256", CLO_TPM_SHA256);
    file_read("tpm/gce_cos85_nononce.sha256.tpmt_signature.bin", &s.signature);
    assert_judged("signature", "nonce selection pcr_digest pcrs event_log");
    file_read("tpm/gce_cos85_nonce9009.sha384.tpmt_signature.bin", &s.signature);
    assert_judged("signature", "nonce selection pcr_digest pcrs event_log");
}

static void another_boots_event_log_is_refused(void **state)
{
    (void)state;
    gce_load("gce_cos85_nonce9009", "sha256", CLO_TPM_SHA256);
    file_read("tpm/tcg_eventlog_openpcc.bin", &s.log);
    assert_judged("event_log", "");
    gce_load("gce_cos85_nonce9009", "sha256", CLO_TPM_SHA256);
    s.log.n -= 1;
    assert_judged("event_log", "");
    s.log.n = 0;
    assert_judged("", "event_log");
}

/* Every bit of the signed bytes, of the signature, and of every value. */
static void a_flipped_bit_of_a_real_quote_is_refused(void **state)
{
    (void)state;
    gce_load("gce_cos85_nonce9009", "sha256", CLO_TPM_SHA256);
    s.log.n = 0;
    s.policy.tpm.require_event_log = false;
    assert_judged("", "");
    for (size_t part = 0; part < 3; part++) {
        struct file *f = part == 0 ? &s.quote : part == 1 ? &s.signature : &s.pcrs;

        for (size_t bit = 0; bit < 8 * f->n; bit++) {
            f->p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            judge();
            f->p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            assert_false(s.result.authentic && s.result.measured);
            assert_int_equal(clo_vb_status(&s.vb, CLOISTER_CHECK_TPM_PCR_DIGEST) ==
                                     CLOISTER_CHECK_FAIL ||
                                 !s.result.authentic,
                             true);
            assert_true(clo_vb_count(&s.vb, CLO_FAMILY_TPM, CLOISTER_CHECK_FAIL) > 0);
        }
    }
}

/* Its key has neither a certificate nor a public area: only a policy can name it, and somebody has to know that it is restricted. */
static void a_software_tpms_quote_is_trusted_only_if_its_key_is_pinned(void **state)
{
    static struct file spki;
    struct cloister_roots none = {.tpms = 0};
    uint8_t digest[32];
    struct clo_policy_list pinned = {true, 32, 1, digest};
    json_t *doc = vec_load("attestation/tpm/swtpm_trustee_evidence.json");
    const json_t *q = json_object_get(doc, "tpm_quote"), *pcrs = json_object_get(q, "pcrs");

    (void)state;
    (void)setting_clear(NULL);
    base64(vec_str(doc, "ak_public"), &spki);
    base64(vec_str(q, "message"), &s.quote);
    base64(vec_str(q, "signature"), &s.signature);
    for (size_t i = 0; i < json_array_size(pcrs); i++) {
        const struct vec v = vec_unhex(json_string_value(json_array_get(pcrs, i)));

        memcpy(s.pcrs.p + s.pcrs.n, v.p, v.n);
        s.pcrs.n += v.n;
    }
    json_decref(doc);
    assert_int_equal(clo_key_of_spki(spki.p, spki.n, &s.key), 0);
    pin(CLO_TPM_SHA256, 0xffffff);
    memcpy(s.expected, s.quote.p + 6 + 2 + 34 + 2, 64);
    s.expected_n = 64;
    clo_vb_init(&s.vb);
    assert_int_equal(clo_tpm_key_trust(s.key, NULL, 0, &s.policy, &none, NOV_2026, &s.vb, &s.trust),
                     0);
    assert_judged("key", "key_trusted signature nonce selection pcr_digest pcrs");
    s.restricted = true;
    assert_judged("", "key key_trusted signature nonce selection pcr_digest pcrs");
    assert_int_equal(clo_sha256(spki.p, spki.n, digest), 0);
    s.policy.tpm.keys = pinned;
    assert_int_equal(clo_tpm_key_trust(s.key, NULL, 0, &s.policy, &none, NOV_2026, &s.vb, &s.trust),
                     0);
    assert_judged("", "");
    assert_true(s.result.authentic && s.result.bound && s.result.measured);
}

static void a_quote_of_three_pcrs_is_read(void **state)
{
    struct clo_tpm_quote q;

    (void)state;
    file_read("tpm/dstack_tpms_attest_sample.bin", &s.quote);
    assert_int_equal(clo_tpm_quote_parse(s.quote.p, s.quote.n, &q), 0);
    assert_int_equal(q.extra_n, 4);
    assert_memory_equal(q.extra, "\x12\x34\x56\x78", 4);
    assert_int_equal(q.banks, 1);
    assert_int_equal(q.bank[0].alg, CLO_TPM_SHA256);
    assert_int_equal(q.bank[0].pcrs, 7);
    assert_int_equal(q.digest_n, 32);
    for (size_t n = 0; n < s.quote.n; n++)
        assert_int_not_equal(clo_tpm_quote_parse(s.quote.p, n, &q), 0);
    assert_int_not_equal(clo_tpm_quote_parse(s.quote.p, s.quote.n + 1, &q), 0);
}

/* ---- certificates ---- */

/* Does the leaf's own key have what vouches for it? */
static enum cloister_check_status chain_status(const char *leaf, const char *intermediate,
                                               const char *root_name, int64_t now)
{
    struct clo_buf chain[2], root_der;
    struct clo_cert *root = NULL, *cert = NULL;
    struct cloister_roots roots = {.tpms = 1};
    struct clo_tpm_trust t = {0};
    struct clo_verdict_builder vb;
    struct clo_key *key = NULL;
    size_t n;

    cert_load(leaf, &chain[0]);
    cert_load(intermediate, &chain[1]);
    cert_load(root_name, &root_der);
    n = (size_t)(chain[0].p[2] << 8 | chain[0].p[3]) + 4; /* without the filling of an NV index */
    chain[0].len = n;
    assert_int_equal(clo_cert_parse(chain[0].p, n, &cert), 0);
    assert_int_equal(clo_key_of_cert(cert, &key), 0);
    assert_int_equal(clo_cert_parse(root_der.p, root_der.len, &root), 0);
    roots.tpm[0] = (struct clo_root){root_der.p, root_der.len, root};
    clo_vb_init(&vb);
    assert_int_equal(clo_tpm_key_trust(key, chain, 2, NULL, &roots, now, &vb, &t), 0);
    clo_key_free(key);
    clo_cert_free(cert);
    clo_cert_free(root);
    clo_buf_clear(&root_der);
    clo_buf_clear(&chain[0]);
    clo_buf_clear(&chain[1]);
    return t.status;
}

#define AZ_01   "tpm/test_azure_ak_certificate_01.der"
#define AZ_03   "tpm/test_azure_ak_certificate_03.der" /* 4,096 bytes of an NV index */
#define AZ_CA1  "tpm-roots/azure_tpm_intermediate_01.pem"
#define AZ_CA3  "tpm-roots/azure_tpm_intermediate_03.pem"
#define AZ_ROOT "tpm-roots/azure_tpm_root_2023.pem"
#define GCE     "tpm/test_gce_ak_cert.der"
#define GCE_CA  "tpm/test_gce_ak_intermediate_cert.der"
#define GCE_CA3 "tpm-roots/gtt_gcp_ek_ak_ca_intermediate_v3.crt"

static void recorded_chains_lead_to_their_roots_and_no_others(void **state)
{
    static const struct {
        const char *leaf, *ca, *root;
        int64_t now;
        bool good;
    } chain[] = {
        {AZ_01, AZ_CA3, AZ_ROOT, DEC_2025, true},
        {AZ_03, AZ_CA3, AZ_ROOT, DEC_2025, true},
        {AZ_01, AZ_CA3, AZ_ROOT, NOV_2026, false}, /* expired */
        {AZ_01, AZ_CA3, AZ_ROOT, 1750000000, false},
        {AZ_01, AZ_CA1, AZ_ROOT, DEC_2025, false},
        {AZ_01, AZ_CA3, "tpm-roots/gce_ek_ak_root.pem", DEC_2025, false},
        {GCE, GCE_CA, "tpm-roots/gce_ek_ak_root.pem", NOV_2026, true},
        {GCE, GCE_CA, "tpm-roots/gtt_gcp_ek_ak_ca_root.crt", NOV_2026, true}, /* the same root */
        {GCE, GCE_CA3, "tpm-roots/gce_ek_ak_root.pem", NOV_2026, false},      /* the same names */
        {GCE, GCE_CA, AZ_ROOT, NOV_2026, false},
        {"tpm/gce_cos85_nononce.akcert.der", "tpm-roots/gtt_tpm_ek_intermediate_2.crt",
         "tpm-roots/gtt_tpm_ek_root_1.cer", NOV_2026, true},
        {"tpm/gce_cos85_nononce.akcert.der", "tpm-roots/gtt_tpm_ek_intermediate_3.crt",
         "tpm-roots/gtt_tpm_ek_root_1.cer", NOV_2026, false},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(chain); i++)
        assert_int_equal(chain_status(chain[i].leaf, chain[i].ca, chain[i].root, chain[i].now),
                         chain[i].good ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL);
}

/* ---- event logs ---- */

static void a_tds_event_log_replays_to_its_quotes_registers(void **state)
{
    static struct file quote, log;
    struct clo_event_replay r;

    (void)state;
    file_read("tdx/tdx_v4_gcp_cos113_8000.bin", &quote);
    file_read("tdx/tdx_v4_gcp_cos113.ccel.bin", &log);
    assert_int_equal(clo_event_log_replay(log.p, log.n, CLO_EVENT_SHA256, &r),
                     CLOISTER_E_NOT_FOUND);
    assert_int_equal(clo_event_log_replay(log.p, log.n, CLO_EVENT_SHA384, &r), 0);
    assert_int_equal(r.events, 43);
    assert_int_equal(r.extended, 0xe);
    for (size_t i = 0; i < 4; i++) /* register i + 1 is RTMR i */
        assert_memory_equal(r.value[i + 1], quote.p + 48 + 0x148 + 48 * i, 48);
}

static void a_log_of_another_cloud_is_read_in_both_banks(void **state)
{
    static struct file log;
    struct clo_event_replay r[2];

    (void)state;
    file_read("tpm/tcg_eventlog_openpcc.bin", &log);
    assert_int_equal(clo_event_log_replay(log.p, log.n, CLO_EVENT_SHA256, &r[0]), 0);
    assert_int_equal(clo_event_log_replay(log.p, log.n, CLO_EVENT_SHA384, &r[1]), 0);
    assert_int_equal(r[0].extended, 0x43ff);
    assert_int_equal(r[1].extended, 0x43ff);
    assert_int_equal(r[0].events, r[1].events);
    /* A separator alone: what PCR 3 of every machine has whose firmware measures nothing there. */
    assert_memory_equal(r[0].value[3], r[0].value[6], 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(googles_quote_with_its_nonce_passes_down_to_the_event_log),
        cmocka_unit_test(a_quote_without_a_nonce_is_refused_whatever_is_expected),
        cmocka_unit_test(a_bank_of_sha_1_is_refused),
        cmocka_unit_test(windows_signature_with_sha_1_is_refused),
        cmocka_unit_test(a_quote_in_one_bank_is_none_of_another),
        cmocka_unit_test(a_superset_of_the_wanted_pcrs_is_another_quote),
        cmocka_unit_test(another_quotes_signature_is_refused),
        cmocka_unit_test(another_boots_event_log_is_refused),
        cmocka_unit_test(a_flipped_bit_of_a_real_quote_is_refused),
        cmocka_unit_test(a_software_tpms_quote_is_trusted_only_if_its_key_is_pinned),
        cmocka_unit_test(a_quote_of_three_pcrs_is_read),
        cmocka_unit_test(recorded_chains_lead_to_their_roots_and_no_others),
        cmocka_unit_test(a_tds_event_log_replays_to_its_quotes_registers),
        cmocka_unit_test(a_log_of_another_cloud_is_read_in_both_banks),
    };

    return cmocka_run_group_tests_name("tpm_vectors", tests, NULL, setting_clear);
}
