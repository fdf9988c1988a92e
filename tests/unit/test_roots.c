/* SPDX-License-Identifier: Apache-2.0 */
/* Trust anchors: those that are built in, those of the caller's own, and intermediates that are decoded once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>

#include "attest/policy.h"
#include "attest/roots_in.h"
#include "base/enc.h"
#include "crypto/x509_make.h"

#define NOW  1795000000 /* 2026-11-18 */
#define YEAR (365 * 86400)

/* ---- built in ---- */

static void has_digest(const struct clo_root *root, const char *want, const char *cn)
{
    struct clo_cert *c = NULL;
    uint8_t digest[32];
    char hex[65], got[64] = "";

    assert_non_null(root->der);
    assert_int_equal(clo_cert_parse(root->der, root->n, &c), 0);
    clo_cert_digest(c, digest);
    clo_hex(digest, 32, hex);
    assert_string_equal(hex, want);
    assert_int_equal(clo_cert_cn(c, got, sizeof got), 0);
    assert_string_equal(got, cn);
    assert_true(clo_cert_is_ca(c));
    clo_cert_free(c);
    /* and the decoded one is the same */
    assert_non_null(root->cert);
    clo_cert_digest(root->cert, digest);
    clo_hex(digest, 32, hex);
    assert_string_equal(hex, want);
}

static void intels_root_has_its_published_digest(void **state)
{
    const struct clo_root *root = &cloister_roots_builtin()->intel;
    uint8_t digest[32];
    char hex[65];

    (void)state;
    has_digest(root, "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3",
               "Intel SGX Root CA");
    assert_int_equal(clo_cert_spki_digest(root->cert, digest), 0);
    clo_hex(digest, 32, hex);
    assert_string_equal(hex, "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e");
    assert_int_equal(clo_cert_signed_by(root->cert, root->cert, CLO_SIG_ECDSA_P256_SHA256), 0);
}

static void nvidias_root_has_its_published_digest(void **state)
{
    const struct clo_root *root = &cloister_roots_builtin()->nvidia;

    (void)state;
    has_digest(root, "102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48",
               "NVIDIA Device Identity CA");
    assert_int_equal(clo_cert_signed_by(root->cert, root->cert, CLO_SIG_ECDSA_P384_SHA384), 0);
}

static void amds_roots_are_decoded_once(void **state)
{
    static const char *const want[] = {
        "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
        "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
        "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
    };
    static const char *const cn[] = {"ARK-Milan", "ARK-Genoa", "ARK-Turin"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(want); i++)
        has_digest(&cloister_roots_builtin()->amd[CLO_SNP_MILAN + i], want[i], cn[i]);
    assert_null(cloister_roots_builtin()->amd[CLO_SNP_UNKNOWN].der);
    assert_null(cloister_roots_builtin()->amd[CLO_SNP_UNKNOWN].cert);
}

static void no_root_of_tpms_is_built_in(void **state)
{
    (void)state;
    assert_int_equal(cloister_roots_builtin()->tpms, 0);
}

/* ---- intermediates ---- */

static const struct clo_cert *known(const struct clo_root_der *der)
{
    struct clo_cert *owned = (struct clo_cert *)(uintptr_t)1;
    const struct clo_cert *c = NULL;

    assert_int_equal(clo_known_cert(der->p, der->n, &c, &owned), 0);
    assert_null(owned);
    assert_non_null(c);
    return c;
}

static void every_known_intermediate_comes_from_a_built_in_root(void **state)
{
    const struct cloister_roots *r = cloister_roots_builtin();
    const struct clo_cert *c[CLO_KNOWN_DERS];
    bool good[CLO_KNOWN_DERS] = {false};

    (void)state;
    for (size_t i = 0; i < CLO_KNOWN_DERS; i++)
        c[i] = known(&clo_known_der[i]);
    /* NVIDIA's are two deep */
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < CLO_KNOWN_DERS; i++) {
            good[i] = good[i] ||
                      clo_cert_signed_by(c[i], r->intel.cert, CLO_SIG_ECDSA_P256_SHA256) == 0 ||
                      clo_cert_signed_by(c[i], r->nvidia.cert, CLO_SIG_ECDSA_P384_SHA384) == 0;
            for (size_t k = CLO_SNP_MILAN; !good[i] && k < CLO_SNP_PRODUCTS; k++)
                good[i] = clo_cert_signed_by(c[i], r->amd[k].cert, CLO_SIG_RSA_PSS_SHA384) == 0;
            for (size_t k = 0; !good[i] && k < CLO_KNOWN_DERS; k++)
                good[i] = good[k] && clo_cert_is_ca(c[k]) &&
                          clo_cert_signed_by(c[i], c[k], CLO_SIG_ECDSA_P384_SHA384) == 0;
        }
    }
    for (size_t i = 0; i < CLO_KNOWN_DERS; i++)
        assert_true(good[i]);
}

static void what_is_known_is_shared_and_is_what_was_asked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_KNOWN_DERS; i++) {
        const struct clo_cert *c = known(&clo_known_der[i]);
        uint8_t digest[32], want[32];

        assert_ptr_equal(known(&clo_known_der[i]), c);
        clo_cert_digest(c, digest);
        assert_int_equal(clo_sha256(clo_known_der[i].p, clo_known_der[i].n, want), 0);
        assert_memory_equal(digest, want, 32);
    }
    assert_ptr_equal(known(&clo_root_intel), cloister_roots_builtin()->intel.cert);
    assert_ptr_equal(known(&clo_root_nvidia), cloister_roots_builtin()->nvidia.cert);
    assert_ptr_equal(known(&clo_root_amd[CLO_SNP_GENOA]),
                     cloister_roots_builtin()->amd[CLO_SNP_GENOA].cert);
}

/* A bit of the signature: the same names, key and length. */
static void a_lookalike_is_not_taken_for_what_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_KNOWN_DERS; i++) {
        const struct clo_cert *real = known(&clo_known_der[i]), *c = NULL;
        struct clo_cert *owned = NULL;
        uint8_t der[CLO_CERT_MAX];

        memcpy(der, clo_known_der[i].p, clo_known_der[i].n);
        der[clo_known_der[i].n - 1] ^= 1;
        assert_int_equal(clo_known_cert(der, clo_known_der[i].n, &c, &owned), 0);
        assert_non_null(owned);
        assert_ptr_equal(c, owned);
        assert_ptr_not_equal(c, real);
        clo_cert_free(owned);
        /* and one that is cut short, or longer, is none at all */
        c = NULL;
        owned = NULL;
        assert_int_not_equal(clo_known_cert(der, clo_known_der[i].n - 1, &c, &owned), 0);
        der[clo_known_der[i].n] = 0;
        assert_int_not_equal(clo_known_cert(der, clo_known_der[i].n + 1, &c, &owned), 0);
        assert_null(c);
        assert_null(owned);
    }
    {
        const struct clo_cert *c = NULL;
        struct clo_cert *owned = NULL;

        assert_int_not_equal(clo_known_cert((const uint8_t *)"", 0, &c, &owned), 0);
    }
}

static void *ask_for_all(void *arg)
{
    const struct clo_cert **got = arg;

    for (size_t i = 0; i < CLO_KNOWN_DERS; i++) {
        struct clo_cert *owned = NULL;

        if (clo_known_cert(clo_known_der[i].p, clo_known_der[i].n, &got[i], &owned) != 0 ||
            owned != NULL)
            got[i] = NULL;
    }
    return NULL;
}

/* Runs first: nothing is decoded yet. */
static void threads_get_the_same(void **state)
{
    static const struct clo_cert *got[4][CLO_KNOWN_DERS];
    pthread_t t[4];

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, ask_for_all, got[i]), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(t[i], NULL), 0);
    for (size_t i = 0; i < CLO_KNOWN_DERS; i++) {
        assert_non_null(got[0][i]);
        for (size_t k = 1; k < 4; k++)
            assert_ptr_equal(got[0][i], got[k][i]);
    }
}

/* ---- the caller's own ---- */

static struct {
    struct clo_signer *rsa, *p256, *p384, *other;
} keys;

static int open_keys(void **state)
{
    (void)state;
    return clo_signer_new_rsa(2048, &keys.rsa) | clo_signer_new_p256(&keys.p256) |
           clo_signer_new_p384(&keys.p384) | clo_signer_new_p256(&keys.other);
}

static int close_keys(void **state)
{
    (void)state;
    clo_signer_free(keys.rsa);
    clo_signer_free(keys.p256);
    clo_signer_free(keys.p384);
    clo_signer_free(keys.other);
    return 0;
}

static struct clo_buf root_by(const struct clo_signer *subject, const struct clo_signer *issuer,
                              const char *issuer_cn, bool ca, uint64_t serial,
                              enum clo_sig_make how)
{
    const struct clo_cert_spec spec = {.subject_cn = "root",
                                       .issuer_cn = issuer_cn,
                                       .serial = serial,
                                       .not_before = NOW - YEAR,
                                       .not_after = NOW + YEAR,
                                       .ca = ca,
                                       .subject = subject,
                                       .issuer = issuer,
                                       .sig = how};
    struct clo_buf b = clo_buf_init(CLO_CERT_MAX);

    assert_int_equal(clo_cert_make(&spec, &b), 0);
    return b;
}

typedef int add_fn(struct cloister_roots *r, const void *der, size_t n);

static int add(add_fn *fn, struct cloister_roots *r, const struct clo_signer *key, uint64_t serial,
               enum clo_sig_make how)
{
    struct clo_buf b = root_by(key, key, "root", true, serial, how);
    int err = fn(r, b.p, b.len);

    clo_buf_clear(&b);
    return err;
}

static void a_root_has_its_vendors_algorithm(void **state)
{
    struct cloister_roots *r = NULL;

    (void)state;
    assert_int_equal(cloister_roots_new(&r), 0);
    assert_int_equal(add(cloister_roots_add_intel, r, keys.p384, 1, 0), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(add(cloister_roots_add_intel, r, keys.rsa, 1, 0), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(add(cloister_roots_add_nvidia, r, keys.p256, 1, 0), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(add(cloister_roots_add_nvidia, r, keys.rsa, 1, 0), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(add(cloister_roots_add_tpm, r, keys.rsa, 1, 0),
                     CLOISTER_E_UNSUPPORTED); /* PSS */
    assert_null(r->intel.der);
    assert_null(r->nvidia.der);
    assert_int_equal(r->tpms, 0);
    assert_int_equal(add(cloister_roots_add_intel, r, keys.p256, 1, 0), 0);
    assert_int_equal(add(cloister_roots_add_nvidia, r, keys.p384, 1, 0), 0);
    assert_int_equal(add(cloister_roots_add_tpm, r, keys.rsa, 1, CLO_MAKE_SHA256), 0);
    assert_int_equal(add(cloister_roots_add_tpm, r, keys.rsa, 2, CLO_MAKE_SHA384), 0);
    assert_int_equal(add(cloister_roots_add_tpm, r, keys.p256, 3, 0), 0);
    assert_int_equal(add(cloister_roots_add_tpm, r, keys.p384, 4, 0), 0);
    assert_int_equal(r->tpms, 4);
    assert_non_null(r->intel.cert);
    assert_non_null(r->nvidia.cert);
    for (size_t i = 0; i < r->tpms; i++)
        assert_non_null(r->tpm[i].cert);
    cloister_roots_free(r);
}

static void only_self_signed_authorities_become_roots(void **state)
{
    struct cloister_roots *r = NULL;
    struct clo_buf other = root_by(keys.p256, keys.other, "root", true, 1, 0);
    struct clo_buf named = root_by(keys.p256, keys.p256, "another", true, 1, 0);
    struct clo_buf leaf = root_by(keys.p256, keys.p256, "root", false, 1, 0);
    struct clo_buf good = root_by(keys.p256, keys.p256, "root", true, 1, 0);

    (void)state;
    assert_int_equal(cloister_roots_new(&r), 0);
    assert_int_equal(cloister_roots_add_intel(r, other.p, other.len), CLOISTER_E_AUTH);
    assert_int_equal(cloister_roots_add_intel(r, named.p, named.len), CLOISTER_E_AUTH);
    assert_int_equal(cloister_roots_add_intel(r, leaf.p, leaf.len), CLOISTER_E_MALFORMED);
    assert_int_equal(cloister_roots_add_intel(r, good.p, good.len - 1), CLOISTER_E_MALFORMED);
    assert_int_equal(cloister_roots_add_tpm(r, other.p, other.len), CLOISTER_E_AUTH);
    assert_int_equal(cloister_roots_add_tpm(r, leaf.p, leaf.len), CLOISTER_E_MALFORMED);
    assert_int_equal(cloister_roots_add_intel(r, good.p, good.len), 0);
    assert_int_equal(cloister_roots_add_intel(r, good.p, good.len), CLOISTER_E_DUPLICATE);
    assert_int_equal(cloister_roots_add_intel(NULL, good.p, good.len), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_roots_add_intel(r, NULL, 1), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_roots_add_nvidia(r, good.p, 0), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_roots_add_tpm(NULL, good.p, good.len), CLOISTER_E_ARGUMENT);
    cloister_roots_free(r);
    cloister_roots_free(NULL);
    clo_buf_clear(&other);
    clo_buf_clear(&named);
    clo_buf_clear(&leaf);
    clo_buf_clear(&good);
}

static void there_are_at_most_eight_roots_of_tpms_each_once(void **state)
{
    struct cloister_roots *r = NULL;
    struct clo_buf b = root_by(keys.p256, keys.p256, "root", true, 99, 0);

    (void)state;
    assert_int_equal(cloister_roots_new(&r), 0);
    assert_int_equal(cloister_roots_add_tpm(r, b.p, b.len), 0);
    assert_int_equal(cloister_roots_add_tpm(r, b.p, b.len), CLOISTER_E_DUPLICATE);
    for (uint64_t i = 1; i < CLO_ROOTS_TPM_MAX; i++)
        assert_int_equal(add(cloister_roots_add_tpm, r, keys.p256, i, 0), 0);
    assert_int_equal(add(cloister_roots_add_tpm, r, keys.p256, 50, 0), CLOISTER_E_FULL);
    assert_int_equal(r->tpms, CLO_ROOTS_TPM_MAX);
    cloister_roots_free(r);
    clo_buf_clear(&b);
}

/* ---- what a policy admits ---- */

/* Each root in turn is the only one that the policy lists: it stays, and no other does. */
static void a_policy_admits_the_roots_that_it_lists_and_no_other(void **state)
{
    static const char product[CLO_SNP_PRODUCTS][8] = {
        [CLO_SNP_MILAN] = "Milan", [CLO_SNP_GENOA] = "Genoa", [CLO_SNP_TURIN] = "Turin"};
    struct cloister_policy policy = {.vendor_roots = {.width = 32}};
    struct cloister_roots *r = NULL, few = {0};
    const struct cloister_roots *kept = NULL;
    const struct clo_root *all[CLO_SNP_PRODUCTS + 4];
    uint8_t digest[32];
    size_t n = 0;

    (void)state;
    assert_int_equal(cloister_roots_new(&r), 0);
    for (unsigned i = CLO_SNP_MILAN; i < CLO_SNP_PRODUCTS; i++) {
        struct clo_buf b = root_by(keys.rsa, keys.rsa, "root", true, i, 0);

        assert_int_equal(cloister_roots_add_amd(r, product[i], b.p, b.len), 0);
        all[n++] = &r->amd[i];
        clo_buf_clear(&b);
    }
    assert_int_equal(add(cloister_roots_add_intel, r, keys.p256, 1, 0), 0);
    assert_int_equal(add(cloister_roots_add_nvidia, r, keys.p384, 1, 0), 0);
    assert_int_equal(add(cloister_roots_add_tpm, r, keys.p256, 2, 0), 0);
    assert_int_equal(add(cloister_roots_add_tpm, r, keys.p256, 3, 0), 0);
    all[n++] = &r->intel;
    all[n++] = &r->nvidia;
    all[n++] = &r->tpm[0];
    all[n++] = &r->tpm[1];

    policy.vendor_roots.item = digest;
    for (size_t only = 0; only <= n; only++) { /* the last time none */
        size_t left = 0;

        policy.vendor_roots.given = true;
        policy.vendor_roots.count = only < n;
        if (only < n)
            assert_int_equal(clo_sha256(all[only]->der, all[only]->n, digest), 0);
        assert_int_equal(clo_roots_admitted(r, &policy, &few, &kept), 0);
        assert_ptr_equal(kept, &few);
        for (unsigned i = 0; i < CLO_SNP_PRODUCTS; i++) {
            left += few.amd[i].der != NULL;
            assert_int_equal(few.amd[i].der != NULL, few.amd[i].cert != NULL);
            assert_true(few.amd[i].der == NULL || few.amd[i].der == all[only]->der);
        }
        left += (few.intel.der != NULL) + (few.nvidia.der != NULL) + few.tpms;
        assert_int_equal(few.intel.der != NULL, few.intel.cert != NULL);
        assert_int_equal(few.nvidia.der != NULL, few.nvidia.cert != NULL);
        assert_int_equal(left, only < n);
        if (only < n && few.intel.der != NULL)
            assert_ptr_equal(few.intel.der, all[only]->der);
        if (only < n && few.nvidia.der != NULL)
            assert_ptr_equal(few.nvidia.der, all[only]->der);
        if (few.tpms == 1)
            assert_ptr_equal(few.tpm[0].der, all[only]->der);

        /* who says nothing of roots leaves them all */
        policy.vendor_roots.given = false;
        assert_int_equal(clo_roots_admitted(r, &policy, &few, &kept), 0);
        assert_ptr_equal(kept, r);
    }
    assert_int_equal(clo_roots_admitted(r, NULL, &few, &kept), 0);
    assert_ptr_equal(kept, r);
    cloister_roots_free(r);
}

/* Those that stand in for an answer of the vendor's. */
static void intermediates_are_found_by_name(void **state)
{
    static const char *const cn[] = {"SEV-Milan",
                                     "SEV-Genoa",
                                     "SEV-Turin",
                                     "SEV-VLEK-Milan",
                                     "SEV-VLEK-Genoa",
                                     "SEV-VLEK-Turin",
                                     "Intel SGX TCB Signing"};
    const struct clo_cert *c = NULL, *again = NULL;
    const uint8_t *der = NULL;
    char got[64];
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(cn); i++) {
        uint8_t digest[32], of_der[32];

        assert_int_equal(clo_known_by_cn(cn[i], &c, &der, &n), 0);
        assert_int_equal(clo_cert_cn(c, got, sizeof got), 0);
        assert_string_equal(got, cn[i]);
        clo_cert_digest(c, digest);
        assert_int_equal(clo_sha256(der, n, of_der), 0);
        assert_memory_equal(digest, of_der, sizeof digest);
        assert_int_equal(clo_known_by_cn(cn[i], &again, &der, &n), 0);
        assert_ptr_equal(again, c);
    }
    assert_int_equal(clo_known_by_cn("SEV-Genoa-SIMULATED", &c, &der, &n), CLOISTER_E_NOT_FOUND);
    assert_int_equal(clo_known_by_cn("ARK-Genoa", &c, &der, &n), CLOISTER_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_get_the_same),
        cmocka_unit_test(intels_root_has_its_published_digest),
        cmocka_unit_test(nvidias_root_has_its_published_digest),
        cmocka_unit_test(amds_roots_are_decoded_once),
        cmocka_unit_test(no_root_of_tpms_is_built_in),
        cmocka_unit_test(every_known_intermediate_comes_from_a_built_in_root),
        cmocka_unit_test(what_is_known_is_shared_and_is_what_was_asked_for),
        cmocka_unit_test(a_lookalike_is_not_taken_for_what_is_known),
        cmocka_unit_test(a_policy_admits_the_roots_that_it_lists_and_no_other),
        cmocka_unit_test(a_root_has_its_vendors_algorithm),
        cmocka_unit_test(only_self_signed_authorities_become_roots),
        cmocka_unit_test(there_are_at_most_eight_roots_of_tpms_each_once),
        cmocka_unit_test(intermediates_are_found_by_name),
    };

    return cmocka_run_group_tests(tests, open_keys, close_keys);
}
