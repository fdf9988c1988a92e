/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HPKE's behaviour. That its numbers are right is shown by tests/vectors/test_protocol_vectors.c and
 * here by libcrypto's own implementation of the X25519 suites.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/hpke.h>

#include "codec/hpke.h"

static const uint16_t kems[] = {CLO_KEM_X25519, CLO_KEM_XWING};
static const uint16_t aeads[] = {CLO_AES_128_GCM, CLO_AES_256_GCM, CLO_CHACHA20_POLY1305};
static const uint8_t seed[CLO_KEM_SEED] = {7};
static const struct clo_suite xwing = {CLO_KEM_XWING, CLO_KDF_HKDF_SHA256, CLO_AES_256_GCM};

/* Gives 0, 1, 2, ...; fails once `left` is used up. */
struct counting {
    size_t drawn, calls, left;
};

static int counting_fill(void *ctx, uint8_t *p, size_t n)
{
    struct counting *c = ctx;

    if (n > c->left)
        return CLOISTER_E_CRYPTO;
    c->calls++;
    c->left -= n;
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)c->drawn++;
    return 0;
}

static void the_receiver_gets_the_senders_keys_in_every_suite(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(kems) * CLO_ARRAY_LEN(aeads); i++) {
        const struct clo_suite s = {kems[i / 3], CLO_KDF_HKDF_SHA256, aeads[i % 3]};
        uint8_t pk[CLO_KEM_PK_MAX] = {0}, enc[CLO_KEM_ENC_MAX] = {0};
        struct clo_hpke_keys a = {0}, b = {0};

        assert_true(clo_suite_known(&s));
        assert_int_equal(clo_kem_public(s.kem, seed, pk), 0);
        assert_int_equal(clo_hpke_setup_s(&s, pk, "info", 4, clo_rng_system(), enc, &a), 0);
        assert_int_equal(clo_hpke_setup_r(&s, seed, enc, "info", 4, &b), 0);
        assert_memory_equal(&a, &b, sizeof(a));
    }
}

static void another_info_gives_other_keys(void **state)
{
    const uint8_t ss[CLO_KEM_SS] = {1};
    struct clo_hpke_keys a = {0}, b = {0};

    (void)state;
    assert_int_equal(clo_hpke_schedule(&xwing, ss, "info", 4, &a), 0);
    assert_int_equal(clo_hpke_schedule(&xwing, ss, "infO", 4, &b), 0);
    assert_memory_not_equal(a.key, b.key, sizeof(a.key));
    assert_memory_not_equal(a.base_nonce, b.base_nonce, sizeof(a.base_nonce));
    assert_memory_not_equal(a.exporter, b.exporter, sizeof(a.exporter));
}

static void every_id_of_the_suite_changes_the_keys(void **state)
{
    const struct clo_suite a = {CLO_KEM_XWING, CLO_KDF_HKDF_SHA256, CLO_AES_256_GCM};
    const struct clo_suite b = {CLO_KEM_XWING, CLO_KDF_HKDF_SHA256, CLO_CHACHA20_POLY1305};
    const struct clo_suite c = {CLO_KEM_X25519, CLO_KDF_HKDF_SHA256, CLO_AES_256_GCM};
    const uint8_t ss[CLO_KEM_SS] = {1};
    struct clo_hpke_keys ka = {0}, kb = {0}, kc = {0};

    (void)state;
    assert_int_equal(clo_hpke_schedule(&a, ss, NULL, 0, &ka), 0);
    assert_int_equal(clo_hpke_schedule(&b, ss, NULL, 0, &kb), 0);
    assert_int_equal(clo_hpke_schedule(&c, ss, NULL, 0, &kc), 0);
    assert_memory_not_equal(ka.key, kb.key, sizeof(ka.key));
    assert_memory_not_equal(ka.key, kc.key, sizeof(ka.key));
}

static void exports_differ_by_context(void **state)
{
    const uint8_t exporter[CLO_SHA256_LEN] = {1};
    uint8_t a[32] = {0}, b[32] = {0};

    (void)state;
    assert_int_equal(clo_hpke_export(&xwing, exporter, "request", 7, a, sizeof(a)), 0);
    assert_int_equal(clo_hpke_export(&xwing, exporter, "respons", 7, b, sizeof(b)), 0);
    assert_memory_not_equal(a, b, sizeof(a));
}

static void an_unknown_id_is_refused(void **state)
{
    static const struct clo_suite unknown[] = {
        {0x0010, CLO_KDF_HKDF_SHA256, CLO_AES_256_GCM}, /* P-256 */
        {CLO_KEM_XWING, 0x0011, CLO_AES_256_GCM},       /* the one-stage SHAKE256 schedule */
        {CLO_KEM_XWING, CLO_KDF_HKDF_SHA256, 0xffff},   /* export only */
        {0, 0, 0},
    };
    const uint8_t ss[CLO_KEM_SS] = {0};
    uint8_t pk[CLO_KEM_PK_MAX] = {0}, enc[CLO_KEM_ENC_MAX] = {0}, out[CLO_KEM_SS] = {0};
    struct clo_hpke_keys k = {0};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(unknown); i++) {
        const struct clo_suite *s = &unknown[i];

        assert_false(clo_suite_known(s));
        assert_int_equal(clo_hpke_schedule(s, ss, NULL, 0, &k), CLOISTER_E_UNSUPPORTED);
        assert_int_equal(clo_hpke_setup_s(s, pk, NULL, 0, clo_rng_system(), enc, &k),
                         CLOISTER_E_UNSUPPORTED);
        assert_int_equal(clo_hpke_setup_r(s, seed, enc, NULL, 0, &k), CLOISTER_E_UNSUPPORTED);
    }
    assert_int_equal(clo_kem_pk_len(0x0010), 0);
    assert_int_equal(clo_kem_enc_len(0x0010), 0);
    assert_int_equal(clo_kem_public(0x0010, seed, pk), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(clo_kem_encaps(0x0010, pk, clo_rng_system(), enc, out),
                     CLOISTER_E_UNSUPPORTED);
    assert_int_equal(clo_kem_decaps(0x0010, seed, enc, out), CLOISTER_E_UNSUPPORTED);
}

static void each_encapsulation_draws_its_own_randomness(void **state)
{
    static const size_t want[] = {32, 64};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(kems); i++) {
        struct counting c = {.left = 1000};
        const struct clo_rng rng = {counting_fill, &c};
        uint8_t pk[CLO_KEM_PK_MAX] = {0};
        uint8_t enc[2][CLO_KEM_ENC_MAX] = {{0}}, ss[2][CLO_KEM_SS] = {{0}};

        assert_int_equal(clo_kem_public(kems[i], seed, pk), 0);
        assert_int_equal(clo_kem_encaps(kems[i], pk, &rng, enc[0], ss[0]), 0);
        assert_int_equal(c.drawn, want[i]);
        assert_int_equal(clo_kem_encaps(kems[i], pk, &rng, enc[1], ss[1]), 0);
        assert_int_equal(c.drawn, 2 * want[i]);
        assert_memory_not_equal(enc[0], enc[1], clo_kem_enc_len(kems[i]));
        assert_memory_not_equal(ss[0], ss[1], CLO_KEM_SS);
    }
}

static void without_randomness_nothing_is_encapsulated(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(kems); i++) {
        struct counting c = {.left = 31};
        const struct clo_rng rng = {counting_fill, &c};
        uint8_t pk[CLO_KEM_PK_MAX] = {0}, enc[CLO_KEM_ENC_MAX] = {0}, ss[CLO_KEM_SS] = {0};

        assert_int_equal(clo_kem_public(kems[i], seed, pk), 0);
        assert_int_equal(clo_kem_encaps(kems[i], pk, &rng, enc, ss), CLOISTER_E_CRYPTO);
        assert_int_equal(c.calls, 0);
    }
}

/* Both halves of X-Wing enter its secret. */
static void damage_to_either_half_of_enc_gives_another_secret(void **state)
{
    static const size_t at[] = {0, CLO_MLKEM768_CT - 1, CLO_MLKEM768_CT, CLO_KEM_ENC_MAX - 2};
    uint8_t pk[CLO_KEM_PK_MAX] = {0}, enc[CLO_KEM_ENC_MAX] = {0};
    uint8_t good[CLO_KEM_SS] = {0}, bad[CLO_KEM_SS] = {0};

    (void)state;
    assert_int_equal(clo_kem_public(CLO_KEM_XWING, seed, pk), 0);
    assert_int_equal(clo_kem_encaps(CLO_KEM_XWING, pk, clo_rng_system(), enc, good), 0);
    for (size_t i = 0; i < CLO_ARRAY_LEN(at); i++) {
        enc[at[i]] ^= 1;
        assert_int_equal(clo_kem_decaps(CLO_KEM_XWING, seed, enc, bad), 0);
        assert_memory_not_equal(good, bad, sizeof(good));
        enc[at[i]] ^= 1;
    }
    assert_int_equal(clo_kem_decaps(CLO_KEM_XWING, seed, enc, bad), 0);
    assert_memory_equal(good, bad, sizeof(good));
}

static void a_point_of_small_order_is_refused_by_both_kems(void **state)
{
    uint8_t pk[CLO_KEM_PK_MAX] = {0}, enc[CLO_KEM_ENC_MAX] = {0}, ss[CLO_KEM_SS] = {0};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(kems); i++) {
        assert_int_equal(clo_kem_public(kems[i], seed, pk), 0);
        assert_int_equal(clo_kem_encaps(kems[i], pk, clo_rng_system(), enc, ss), 0);
        memset(enc + clo_kem_enc_len(kems[i]) - 32, 0, 32);
        assert_int_equal(clo_kem_decaps(kems[i], seed, enc, ss), CLOISTER_E_AUTH);
        memset(pk + clo_kem_pk_len(kems[i]) - 32, 0, 32);
        assert_int_equal(clo_kem_encaps(kems[i], pk, clo_rng_system(), enc, ss), CLOISTER_E_AUTH);
    }
}

static void an_unreduced_public_key_is_refused(void **state)
{
    uint8_t pk[CLO_KEM_PK_MAX], enc[CLO_KEM_ENC_MAX] = {0};
    struct clo_hpke_keys k = {0};

    (void)state;
    memset(pk, 0xff, sizeof(pk));
    assert_int_equal(clo_hpke_setup_s(&xwing, pk, NULL, 0, clo_rng_system(), enc, &k),
                     CLOISTER_E_MALFORMED);
}

static void wiped_keys_are_zero(void **state)
{
    static const struct clo_hpke_keys zero;
    struct clo_hpke_keys k;

    (void)state;
    memset(&k, 0xee, sizeof(k));
    clo_hpke_keys_wipe(&k);
    assert_memory_equal(&k, &zero, sizeof(k));
}

/* libcrypto seals, Cloister opens; and both export the same. */
static void libcryptos_own_hpke_agrees(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(aeads); i++) {
        const struct clo_suite s = {CLO_KEM_X25519, CLO_KDF_HKDF_SHA256, aeads[i]};
        const OSSL_HPKE_SUITE peer = {s.kem, s.kdf, s.aead};
        OSSL_HPKE_CTX *ctx = OSSL_HPKE_CTX_new(OSSL_HPKE_MODE_BASE, peer, OSSL_HPKE_ROLE_SENDER,
                                               NULL, NULL);
        uint8_t pk[CLO_X25519_LEN] = {0}, enc[CLO_X25519_LEN] = {0}, sealed[2][64] = {{0}};
        uint8_t want[24] = {0}, got[24] = {0}, text[8] = {0};
        size_t enc_n = sizeof(enc), n[2] = {sizeof(sealed[0]), sizeof(sealed[1])};
        struct clo_aead_seq *seq = NULL;
        struct clo_hpke_keys k = {0};

        assert_non_null(ctx);
        assert_int_equal(clo_kem_public(s.kem, seed, pk), 0);
        assert_int_equal(
            OSSL_HPKE_encap(ctx, enc, &enc_n, pk, sizeof(pk), (const uint8_t *)"info", 4), 1);
        for (size_t j = 0; j < 2; j++)
            assert_int_equal(OSSL_HPKE_seal(ctx, sealed[j], &n[j], (const uint8_t *)"aad", 3,
                                            (const uint8_t *)"message", 7),
                             1);
        assert_int_equal(OSSL_HPKE_export(ctx, want, sizeof(want), (const uint8_t *)"context", 7),
                         1);

        assert_int_equal(clo_hpke_setup_r(&s, seed, enc, "info", 4, &k), 0);
        assert_int_equal(clo_aead_seq_new(s.aead, CLO_OPEN, k.key, k.base_nonce, &seq), 0);
        for (size_t j = 0; j < 2; j++) {
            assert_int_equal(clo_aead_open(seq, "aad", 3, sealed[j], n[j], text), 0);
            assert_memory_equal(text, "message", 7);
        }
        assert_int_equal(clo_hpke_export(&s, k.exporter, "context", 7, got, sizeof(got)), 0);
        assert_memory_equal(got, want, sizeof(got));
        clo_aead_seq_free(seq);
        OSSL_HPKE_CTX_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_receiver_gets_the_senders_keys_in_every_suite),
        cmocka_unit_test(another_info_gives_other_keys),
        cmocka_unit_test(every_id_of_the_suite_changes_the_keys),
        cmocka_unit_test(exports_differ_by_context),
        cmocka_unit_test(an_unknown_id_is_refused),
        cmocka_unit_test(each_encapsulation_draws_its_own_randomness),
        cmocka_unit_test(without_randomness_nothing_is_encapsulated),
        cmocka_unit_test(damage_to_either_half_of_enc_gives_another_secret),
        cmocka_unit_test(a_point_of_small_order_is_refused_by_both_kems),
        cmocka_unit_test(an_unreduced_public_key_is_refused),
        cmocka_unit_test(wiped_keys_are_zero),
        cmocka_unit_test(libcryptos_own_hpke_agrees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
