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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_bundle_of_a_servers_evidence_has_no_raw_items),
        cmocka_unit_test(odd_bundles_are_refused),
        cmocka_unit_test(every_type_and_item_has_one_name),
        cmocka_unit_test(collateral_ends_with_the_first_of_its_parts),
    };

    return cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
}
