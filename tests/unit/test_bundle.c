/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles: read and written, and refused where anything is odd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "attest/bundle.h"
#include "crypto/x509_make.h"

static int parse(const char *text, struct clo_bundle *b)
{
    return clo_bundle_parse(text, strlen(text), b);
}

static void what_is_written_is_read_again(void **state)
{
    struct clo_bundle b = {.created = 5, .expires = 6, .type = CLOISTER_RAW_TDX}, got = {0};
    struct clo_buf out = clo_buf_init(CLO_BUNDLE_MAX);

    (void)state;
    b.expect = clo_buf_init(64);
    b.policy = clo_buf_init(64);
    assert_int_equal(clo_buf_append(&b.expect, "abc", 3), 0);
    assert_int_equal(clo_buf_append(&b.policy, "{}", 2), 0);
    assert_int_equal(clo_bundle_add(&b, CLOISTER_ITEM_REPORT, "quote", 5), 0);
    assert_int_equal(clo_bundle_add(&b, CLOISTER_ITEM_CRL, "list", 4), 0);
    assert_int_equal(clo_bundle_write(&b, &out), 0);
    assert_int_equal(clo_bundle_parse(out.p, out.len, &got), 0);
    assert_int_equal(got.type, CLOISTER_RAW_TDX);
    assert_int_equal(got.items, 2);
    assert_int_equal(got.item[1].item, CLOISTER_ITEM_CRL);
    assert_memory_equal(got.item[0].bytes.p, "quote", 5);
    assert_int_equal(got.expect.len, 3);
    assert_int_equal(got.policy.len, 2);
    assert_int_equal(got.created, 5);
    assert_int_equal(got.expires, 6);
    clo_bundle_clear(&b);
    clo_bundle_clear(&got);
    clo_buf_clear(&out);
}

static void a_bundle_of_a_servers_evidence_has_no_raw_items(void **state)
{
    struct clo_bundle b = {.created = 5, .expires = 6, .has_nonce = true}, got = {0};
    struct clo_buf out = clo_buf_init(CLO_BUNDLE_MAX);

    (void)state;
    b.evidence = clo_buf_init(64);
    assert_int_equal(clo_buf_append(&b.evidence, "{}", 2), 0);
    assert_int_equal(clo_bundle_write(&b, &out), 0);
    assert_int_equal(clo_bundle_parse(out.p, out.len, &got), 0);
    assert_true(got.has_nonce);
    assert_int_equal(got.items, 0);
    assert_int_equal(clo_bundle_add(&b, CLOISTER_ITEM_REPORT, "x", 1), 0);
    assert_int_equal(clo_bundle_write(&b, &out), CLOISTER_E_ARGUMENT);
    clo_bundle_clear(&b);
    clo_bundle_clear(&got);
    clo_buf_clear(&out);
}

static void odd_bundles_are_refused(void **state)
{
    static const struct {
        const char *text;
        int err;
    } odd[] = {
        {"", CLOISTER_E_MALFORMED},
        {"{}", CLOISTER_E_UNKNOWN},
        {"{\"v\":2,\"created\":1,\"expires\":2,\"evidence\":{\"document\":\"e30\"}}",
         CLOISTER_E_UNKNOWN},
        {"{\"v\":1,\"created\":1,\"expires\":2}", CLOISTER_E_MALFORMED},
        {"{\"v\":1,\"created\":2,\"expires\":2,\"evidence\":{\"document\":\"e30\"}}",
         CLOISTER_E_MALFORMED},
        {"{\"v\":1,\"expires\":2,\"evidence\":{\"document\":\"e30\"}}", CLOISTER_E_MALFORMED},
        {"{\"v\":1,\"created\":1,\"expires\":2,\"evidence\":{\"document\":\"\"}}",
         CLOISTER_E_MALFORMED},
        {"{\"v\":1,\"created\":1,\"expires\":2,\"evidence\":{\"document\":\"e30\",\"nonce\":\"AAAA\"}}",
         CLOISTER_E_MALFORMED},
        {"{\"v\":1,\"created\":1,\"expires\":2,\"evidence\":{\"document\":\"e30\"},\"more\":1}",
         CLOISTER_E_UNKNOWN},
        {"{\"v\":1,\"created\":1,\"expires\":2,\"evidence\":{\"document\":\"e30\"},\"raw\":{\"type\":\"tdx\","
         "\"items\":[{\"item\":\"report\",\"bytes\":\"AA\"}]}}",
         CLOISTER_E_MALFORMED},
        {"{\"v\":1,\"created\":1,\"expires\":2,\"raw\":{\"type\":\"tdx\",\"items\":[]}}",
         CLOISTER_E_MALFORMED},
        {"{\"v\":1,\"created\":1,\"expires\":2,\"raw\":{\"type\":\"vax\",\"items\":[{\"item\":\"report\","
         "\"bytes\":\"AA\"}]}}",
         CLOISTER_E_UNKNOWN},
        {"{\"v\":1,\"created\":1,\"expires\":2,\"raw\":{\"type\":\"tdx\",\"items\":[{\"item\":\"crystal\","
         "\"bytes\":\"AA\"}]}}",
         CLOISTER_E_UNKNOWN},
        {"{\"v\":1,\"created\":1,\"expires\":2,\"raw\":{\"type\":\"tdx\",\"items\":[{\"item\":\"report\","
         "\"bytes\":\"\"}]}}",
         CLOISTER_E_MALFORMED},
        {"{\"v\":1,\"v\":1,\"created\":1,\"expires\":2,\"evidence\":{\"document\":\"e30\"}}",
         CLOISTER_E_DUPLICATE},
    };
    struct clo_bundle b = {0};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(odd); i++) {
        assert_int_equal(parse(odd[i].text, &b), odd[i].err);
        assert_int_equal(b.items, 0);
        assert_null(b.evidence.p);
    }
}

static void every_type_and_item_has_one_name(void **state)
{
    (void)state;
    for (int i = CLOISTER_RAW_SEV_SNP; i <= CLOISTER_RAW_TPM; i++)
        assert_int_equal(clo_raw_type_find(clo_raw_type_name(i)), i);
    for (int i = CLOISTER_ITEM_REPORT; i <= CLOISTER_ITEM_EVENT_LOG; i++)
        assert_int_equal(clo_raw_item_find(clo_raw_item_name(i)), i);
    assert_null(clo_raw_type_name(99));
    assert_null(clo_raw_item_name(99));
    assert_int_equal(clo_raw_item_find("nothing"), 0);
}

static void collateral_ends_with_the_first_of_its_parts(void **state)
{
    struct clo_signer *issuer = NULL;
    struct clo_collateral c = {0};
    int64_t end = 0;

    (void)state;
    assert_int_equal(clo_collateral_end(&c, &end), 0);
    assert_true(end == INT64_MAX);
    assert_int_equal(clo_signer_new_p384(&issuer), 0);
    for (int i = 0; i < 2; i++) {
        struct clo_crl_spec spec = {.issuer_cn = "x",
                                    .this_update = 1000,
                                    .next_update = 9000 - i * 1000,
                                    .issuer = issuer};

        c.crl[i] = clo_buf_init(CLO_CRL_MAX);
        assert_int_equal(clo_crl_make(&spec, &c.crl[i]), 0);
        c.crls++;
    }
    assert_int_equal(clo_collateral_end(&c, &end), 0);
    assert_true(end == 8000);
    assert_int_equal(clo_buf_append(&c.crl[0], "x", 1), 0);
    assert_int_equal(clo_collateral_end(&c, &end), CLOISTER_E_TRAILING);
    clo_collateral_clear(&c);
    clo_signer_free(issuer);
}

static struct clo_buf crl_of(const struct clo_signer *issuer, const char *cn, int64_t from)
{
    const struct clo_crl_spec spec = {
        .issuer_cn = cn, .this_update = from, .next_update = from + 1000, .issuer = issuer};
    struct clo_buf b = clo_buf_init(CLO_CRL_MAX);

    assert_int_equal(clo_crl_make(&spec, &b), 0);
    return b;
}

static void a_newer_list_takes_the_place_of_its_issuers_older_one(void **state)
{
    struct clo_signer *issuer = NULL;
    struct clo_collateral c = {0};
    struct clo_buf crl[4] = {{0}};
    char cn[8];

    (void)state;
    assert_int_equal(clo_signer_new_p384(&issuer), 0);
    crl[0] = crl_of(issuer, "x", 2000);
    crl[1] = crl_of(issuer, "x", 3000);
    crl[2] = crl_of(issuer, "x", 1000);
    crl[3] = crl_of(issuer, "y", 1000);
    for (size_t i = 0; i < CLO_ARRAY_LEN(crl); i++)
        assert_int_equal(clo_collateral_add_crl(&c, crl[i].p, crl[i].len), 0);
    assert_int_equal(c.crls, 2);
    assert_int_equal(c.crl[0].len, crl[1].len);
    assert_memory_equal(c.crl[0].p, crl[1].p, crl[1].len);
    assert_memory_equal(c.crl[1].p, crl[3].p, crl[3].len);
    assert_int_equal(clo_collateral_add_crl(&c, "x", 1), CLOISTER_E_MALFORMED);
    for (int i = 0; c.crls < CLO_CRLS_MAX; i++) {
        clo_buf_clear(&crl[0]);
        (void)snprintf(cn, sizeof cn, "z%d", i);
        crl[0] = crl_of(issuer, cn, 1);
        assert_int_equal(clo_collateral_add_crl(&c, crl[0].p, crl[0].len), 0);
    }
    assert_int_equal(clo_collateral_add_crl(&c, crl[0].p, crl[0].len), 0);
    clo_buf_clear(&crl[0]);
    crl[0] = crl_of(issuer, "another", 1);
    assert_int_equal(clo_collateral_add_crl(&c, crl[0].p, crl[0].len), CLOISTER_E_LIMIT);
    for (size_t i = 0; i < CLO_ARRAY_LEN(crl); i++)
        clo_buf_clear(&crl[i]);
    clo_collateral_clear(&c);
    clo_signer_free(issuer);
}

static struct clo_cert *cert_of(const struct clo_signer *key, uint64_t serial)
{
    const struct clo_cert_spec spec = {.subject_cn = "x",
                                       .issuer_cn = "x",
                                       .serial = serial,
                                       .not_before = 1,
                                       .not_after = 100000,
                                       .subject = key,
                                       .issuer = key};
    struct clo_buf b = clo_buf_init(CLO_CERT_MAX);
    struct clo_cert *c = NULL;

    assert_int_equal(clo_cert_make(&spec, &b), 0);
    assert_int_equal(clo_cert_parse(b.p, b.len, &c), 0);
    clo_buf_clear(&b);
    return c;
}

/* About both of the certificates, or the first of them. */
static struct clo_buf answer_of(struct clo_cert *const cert[2], size_t n,
                                const struct clo_signer *key, int64_t from)
{
    const struct clo_ocsp_answer_spec answer[] = {
        {.cert = cert[0], .status = CLO_OCSP_GOOD, .this_update = from, .next_update = from + 1000},
        {.cert = cert[1], .status = CLO_OCSP_GOOD, .this_update = from, .next_update = from + 1000},
    };
    const struct clo_ocsp_spec spec = {
        .answer = answer, .answers = n, .issuer = cert[0], .signer = key, .produced_at = from};
    struct clo_buf b = clo_buf_init(CLO_OCSP_MAX);

    assert_int_equal(clo_ocsp_make(&spec, &b), 0);
    return b;
}

static void a_newer_answer_takes_the_place_of_the_older_one_about_the_same_certificate(void **state)
{
    struct clo_signer *key = NULL;
    struct clo_cert *cert[3] = {NULL};
    struct clo_collateral c = {0};
    struct clo_buf answer[4] = {{0}};
    int64_t end = 0;

    (void)state;
    assert_int_equal(clo_signer_new_p384(&key), 0);
    for (size_t i = 0; i < CLO_ARRAY_LEN(cert); i++)
        cert[i] = cert_of(key, 0x10 + i);
    answer[0] = answer_of(cert, 1, key, 2000);
    answer[1] = answer_of(cert + 1, 1, key, 2000);
    answer[2] = answer_of(cert, 1, key, 3000);
    answer[3] = answer_of(cert + 1, 2, key, 2500); /* says more than the second */
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(clo_collateral_add_ocsp(&c, answer[i].p, answer[i].len), 0);
    assert_int_equal(c.ocsps, 2);
    assert_memory_equal(c.ocsp[0].p, answer[2].p, answer[2].len);
    assert_memory_equal(c.ocsp[1].p, answer[1].p, answer[1].len);
    assert_int_equal(clo_collateral_add_ocsp(&c, answer[3].p, answer[3].len), 0);
    assert_int_equal(c.ocsps, 2);
    assert_memory_equal(c.ocsp[1].p, answer[3].p, answer[3].len);
    /* older, and about one of the two only */
    assert_int_equal(clo_collateral_add_ocsp(&c, answer[1].p, answer[1].len), 0);
    assert_int_equal(c.ocsps, 2);
    assert_int_equal(clo_collateral_end(&c, &end), 0);
    assert_true(end == 3500);
    for (size_t i = 0; i < CLO_ARRAY_LEN(answer); i++)
        clo_buf_clear(&answer[i]);
    for (size_t i = 0; i < CLO_ARRAY_LEN(cert); i++)
        clo_cert_free(cert[i]);
    clo_collateral_clear(&c);
    clo_signer_free(key);
}

static void an_answer_that_says_nothing_has_no_end(void **state)
{
    static const uint8_t try_later[] = {0x30, 0x03, 0x0a, 0x01, 0x03};
    struct clo_collateral c = {.ocsps = 1};
    int64_t end = 0;

    (void)state;
    c.ocsp[0] = clo_buf_init(CLO_OCSP_MAX);
    assert_int_equal(clo_buf_append(&c.ocsp[0], try_later, sizeof try_later), 0);
    assert_int_equal(clo_collateral_end(&c, &end), 0);
    assert_true(end == INT64_MAX);
    assert_int_equal(clo_collateral_add_ocsp(&c, try_later, sizeof try_later),
                     CLOISTER_E_UNSUPPORTED);
    clo_collateral_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_bundle_of_a_servers_evidence_has_no_raw_items),
        cmocka_unit_test(odd_bundles_are_refused),
        cmocka_unit_test(every_type_and_item_has_one_name),
        cmocka_unit_test(collateral_ends_with_the_first_of_its_parts),
        cmocka_unit_test(a_newer_list_takes_the_place_of_its_issuers_older_one),
        cmocka_unit_test(
            a_newer_answer_takes_the_place_of_the_older_one_about_the_same_certificate),
        cmocka_unit_test(an_answer_that_says_nothing_has_no_end),
    };

    return cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
}
