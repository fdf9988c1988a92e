/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Project Wycheproof's cases for the two signatures of AMD's chain: RSASSA-PSS on certificates, ECDSA P-384 on
 * reports. A report has no DER around its scalars, so ECDSA cases go through the strict DER reader first; what
 * it refuses counts as refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "crypto/x509.h"
#include "vectors.h"

typedef int (*verify_fn)(const struct vec *key, const struct vec *msg, const struct vec *sig);

/* A positive INTEGER in its one encoding, as 48 bytes. */
static int scalar(struct clo_rd *rd, uint8_t ret[48])
{
    struct clo_rd v;
    const uint8_t *p = NULL;
    int err;

    if ((err = clo_der_read(rd, 0x02, &v)) != 0)
        return err;
    if (v.left == 0 || v.p[0] >= 0x80 || (v.left > 1 && v.p[0] == 0 && v.p[1] < 0x80))
        return CLOISTER_E_MALFORMED;
    if (v.left > 1 && v.p[0] == 0 && (err = clo_rd_skip(&v, 1)) != 0)
        return err;
    if (v.left > 48)
        return CLOISTER_E_MALFORMED;
    memset(ret, 0, 48);
    memcpy(ret + 48 - v.left, v.p, v.left);
    return clo_rd_view(&v, v.left, &p);
}

static int ecdsa(const struct vec *key, const struct vec *msg, const struct vec *sig)
{
    struct clo_rd rd = clo_rd_init(sig->p, sig->n), seq;
    uint8_t r[48], s[48];

    if (clo_der_read(&rd, 0x30, &seq) != 0 || clo_rd_end(&rd) != 0 || scalar(&seq, r) != 0 ||
        scalar(&seq, s) != 0 || clo_rd_end(&seq) != 0)
        return CLOISTER_E_MALFORMED;
    return clo_spki_verify_p384(key->p, key->n, msg->p, msg->n, r, s);
}

static int pss(const struct vec *key, const struct vec *msg, const struct vec *sig)
{
    return clo_spki_verify_pss(key->p, key->n, msg->p, msg->n, sig->p, sig->n);
}

/* Every case; `reached` is how many the primitive itself has to decide at least, `valid` how many are good. */
static void every_case(const char *file, verify_fn fn, unsigned reached, unsigned valid)
{
    json_t *doc = vec_load(file), *group, *test;
    unsigned ran = 0, passed = 0, decided = 0;
    size_t i, j;

    json_array_foreach(json_object_get(doc, "testGroups"), i, group) {
        const struct vec key = vec_hex(group, "publicKeyDer");

        json_array_foreach(json_object_get(group, "tests"), j, test) {
            const struct vec msg = vec_hex(test, "msg"), sig = vec_hex(test, "sig");
            const int err = fn(&key, &msg, &sig);

            if ((err == 0) != (strcmp(vec_str(test, "result"), "valid") == 0))
                fail_msg("%s: case %u: %d", file, vec_uint(test, "tcId"), err);
            ran++;
            passed += err == 0;
            decided += err == 0 || err == CLOISTER_E_AUTH;
        }
    }
    assert_int_equal(ran, vec_uint(doc, "numberOfTests"));
    assert_int_equal(passed, valid);
    print_message("# %s: %u cases, %u reached the primitive\n", file, ran, decided);
    assert_true(decided >= reached);
    json_decref(doc);
}

static void ecdsa_p384_agrees_with_every_case(void **state)
{
    (void)state;
    every_case("protocol/wycheproof/ecdsa_secp384r1_sha384_test.json", ecdsa, 269, 194);
}

static void rsa_pss_agrees_with_every_case(void **state)
{
    (void)state;
    every_case("protocol/wycheproof/rsa_pss_4096_sha384_mgf1_48_test.json", pss, 141, 95);
}

static void a_key_of_another_kind_is_refused(void **state)
{
    json_t *doc = vec_load("protocol/wycheproof/rsa_pss_4096_sha384_mgf1_48_test.json");
    const struct vec key = vec_hex(json_array_get(json_object_get(doc, "testGroups"), 0),
                                   "publicKeyDer");
    const uint8_t one[48] = {1};

    (void)state;
    assert_int_equal(clo_spki_verify_p384(key.p, key.n, "x", 1, one, one), CLOISTER_E_AUTH);
    assert_int_equal(clo_spki_verify_pss(key.p, key.n - 1, "x", 1, one, sizeof one),
                     CLOISTER_E_MALFORMED);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ecdsa_p384_agrees_with_every_case),
        cmocka_unit_test(rsa_pss_agrees_with_every_case),
        cmocka_unit_test(a_key_of_another_kind_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
