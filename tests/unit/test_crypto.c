/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the facade over libcrypto promises. That the primitives are right is shown by
 * tests/vectors/test_wycheproof.c; here stand the rules that the facade adds.
 *
 * aead.c is included, because no test could seal 2^64 messages to see the counter's end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/err.h>

#include "base/enc.h"
#include "crypto/aead.c"

static const uint8_t key[CLO_AEAD_KEY_MAX] = {1, 2, 3};
static const uint8_t base_nonce[CLO_AEAD_NONCE] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0xff, 0xff, 0xff};
static const unsigned aead_ids[] = {CLO_AES_128_GCM, CLO_AES_256_GCM, CLO_CHACHA20_POLY1305};

static struct clo_aead_seq *seq(unsigned id, enum clo_aead_dir dir)
{
    struct clo_aead_seq *s = NULL;

    assert_int_equal(clo_aead_seq_new(id, dir, key, base_nonce, &s), 0);
    return s;
}

static void assert_hex(const uint8_t *p, size_t n, const char *hex)
{
    uint8_t want[128] = {0};

    assert_int_equal(clo_unhex(hex, strlen(hex), want, n), 0);
    assert_memory_equal(p, want, n);
}

/* ---- randomness ---- */

static void the_system_source_fills_all_bytes(void **state)
{
    uint8_t a[64] = {0}, b[64] = {0};

    (void)state;
    assert_int_equal(clo_rng_fill(clo_rng_system(), a, sizeof(a)), 0);
    assert_int_equal(clo_rng_fill(clo_rng_system(), b, sizeof(b)), 0);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, a + 32, 32);
}

/* ---- hashes and HKDF ---- */

static void hashes_agree_with_their_standards(void **state)
{
    const struct clo_slice abc = {"abc", 3};
    uint8_t h[64] = {0};

    (void)state;
    assert_int_equal(clo_hash(CLO_SHA256, &abc, 1, h), 0);
    assert_hex(h, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(clo_hash(CLO_SHA384, &abc, 1, h), 0);
    assert_hex(h, 48,
               "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
               "8086072ba1e7cc2358baeca134c825a7");
    assert_int_equal(clo_hash(CLO_SHA512, &abc, 1, h), 0);
    assert_hex(h, 64,
               "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
               "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    assert_int_equal(clo_sha3_256(&abc, 1, h), 0);
    assert_hex(h, 32, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
    assert_int_equal(clo_shake256(NULL, 0, h, 32), 0);
    assert_hex(h, 32, "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f");
}

static void slices_are_hashed_as_one_string(void **state)
{
    const struct clo_slice parts[] = {{"a", 1}, {NULL, 0}, {"bc", 2}};
    uint8_t whole[CLO_SHA256_LEN] = {0}, cut[CLO_SHA256_LEN] = {0};

    (void)state;
    assert_int_equal(clo_sha256("abc", 3, whole), 0);
    assert_int_equal(clo_hash(CLO_SHA256, parts, 3, cut), 0);
    assert_memory_equal(whole, cut, sizeof(whole));
    assert_int_equal(clo_hash((enum clo_hash_alg)99, parts, 3, cut), CLOISTER_E_ARGUMENT);
}

static void the_incremental_hash_ends_once(void **state)
{
    struct clo_sha256_ctx *h = NULL;
    uint8_t whole[CLO_SHA256_LEN] = {0}, step[CLO_SHA256_LEN] = {0};

    (void)state;
    assert_int_equal(clo_sha256_new(&h), 0);
    assert_int_equal(clo_sha256_update(h, "ab", 2), 0);
    assert_int_equal(clo_sha256_update(h, NULL, 0), 0);
    assert_int_equal(clo_sha256_update(h, "c", 1), 0);
    assert_int_equal(clo_sha256_final(h, step), 0);
    assert_int_equal(clo_sha256("abc", 3, whole), 0);
    assert_memory_equal(whole, step, sizeof(whole));
    assert_int_equal(clo_sha256_final(h, step), CLOISTER_E_STATE);
    assert_int_equal(clo_sha256_update(h, "d", 1), CLOISTER_E_STATE);
    clo_sha256_free(h);
    clo_sha256_free(NULL);
}

/* RFC 5869, appendix A.3: neither salt nor info. */
static void hkdf_takes_an_absent_salt_for_zeros(void **state)
{
    uint8_t ikm[22], prk[CLO_SHA256_LEN] = {0}, okm[42] = {0};

    (void)state;
    memset(ikm, 0x0b, sizeof(ikm));
    assert_int_equal(clo_hkdf_extract(NULL, 0, &(struct clo_slice){ikm, 22}, 1, prk), 0);
    assert_hex(prk, 32, "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04");
    assert_int_equal(clo_hkdf_expand(prk, NULL, 0, okm, sizeof(okm)), 0);
    assert_hex(okm, 42,
               "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
               "9d201395faa4b61a96c8");
}

static void hkdf_gives_at_most_255_blocks(void **state)
{
    static uint8_t okm[255 * CLO_SHA256_LEN + 1];

    (void)state;
    assert_int_equal(clo_hkdf_expand(key, NULL, 0, okm, sizeof(okm) - 1), 0);
    assert_int_equal(clo_hkdf_expand(key, NULL, 0, okm, sizeof(okm)), CLOISTER_E_LIMIT);
}

/* ---- the AEAD sequence ---- */

static void a_sequence_opens_what_its_twin_sealed(void **state)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 505, 16384};
    static uint8_t text[16384], sealed[16384 + CLO_AEAD_TAG];

    (void)state;
    for (size_t a = 0; a < CLO_ARRAY_LEN(aead_ids); a++) {
        struct clo_aead_seq *out = seq(aead_ids[a], CLO_SEAL), *in = seq(aead_ids[a], CLO_OPEN);

        for (size_t i = 0; i < CLO_ARRAY_LEN(sizes); i++) {
            memset(text, (int)i, sizeof(text));
            assert_int_equal(clo_aead_seal(out, "aad", i % 4, text, sizes[i], sealed), 0);
            assert_int_equal(
                clo_aead_open(in, "aad", i % 4, sealed, sizes[i] + CLO_AEAD_TAG, sealed), 0);
            assert_memory_equal(sealed, text, sizes[i]);
        }
        clo_aead_seq_free(out);
        clo_aead_seq_free(in);
    }
}

static void sealing_in_place_gives_the_same_bytes(void **state)
{
    struct clo_aead_seq *a = seq(CLO_AES_256_GCM, CLO_SEAL), *b = seq(CLO_AES_256_GCM, CLO_SEAL);
    uint8_t apart[5 + CLO_AEAD_TAG] = {0}, place[5 + CLO_AEAD_TAG] = "hello";

    (void)state;
    assert_int_equal(clo_aead_seal(a, NULL, 0, "hello", 5, apart), 0);
    assert_int_equal(clo_aead_seal(b, NULL, 0, place, 5, place), 0);
    assert_memory_equal(apart, place, sizeof(apart));
    clo_aead_seq_free(a);
    clo_aead_seq_free(b);
}

/* RFC 9180 section 5.2, over a carry into the second byte of the counter. */
static void message_i_has_the_base_nonce_xor_i(void **state)
{
    (void)state;
    for (size_t a = 0; a < CLO_ARRAY_LEN(aead_ids); a++) {
        struct clo_aead_seq *s = seq(aead_ids[a], CLO_SEAL);

        for (unsigned i = 0; i < 600; i++) {
            uint8_t nonce[CLO_AEAD_NONCE], sealed[1 + CLO_AEAD_TAG] = {0}, text = 0;
            struct clo_aead_seq *one = NULL;

            memcpy(nonce, base_nonce, sizeof(nonce));
            nonce[11] ^= (uint8_t)i;
            nonce[10] ^= (uint8_t)(i >> 8);
            assert_int_equal(clo_aead_seal(s, NULL, 0, "x", 1, sealed), 0);
            assert_int_equal(clo_aead_seq_new(aead_ids[a], CLO_OPEN, key, nonce, &one), 0);
            assert_int_equal(clo_aead_open(one, NULL, 0, sealed, sizeof(sealed), &text), 0);
            assert_int_equal(text, 'x');
            clo_aead_seq_free(one);
        }
        clo_aead_seq_free(s);
    }
}

static void the_counter_never_wraps(void **state)
{
    struct clo_aead_seq *s = seq(CLO_AES_128_GCM, CLO_SEAL);
    uint8_t sealed[1 + CLO_AEAD_TAG] = {0};

    (void)state;
    s->next = UINT64_MAX - 1;
    assert_int_equal(clo_aead_seal(s, NULL, 0, "x", 1, sealed), 0);
    assert_int_equal(clo_aead_seal(s, NULL, 0, "x", 1, sealed), CLOISTER_E_STATE);
    assert_null(s->ctx);
    clo_aead_seq_free(s);
}

static void a_sequence_goes_one_way_only(void **state)
{
    struct clo_aead_seq *out = seq(CLO_AES_256_GCM, CLO_SEAL), *in = seq(CLO_AES_256_GCM, CLO_OPEN);
    uint8_t buf[1 + CLO_AEAD_TAG] = {0};

    (void)state;
    assert_int_equal(clo_aead_open(out, NULL, 0, buf, sizeof(buf), buf), CLOISTER_E_STATE);
    assert_int_equal(clo_aead_seal(in, NULL, 0, "x", 1, buf), CLOISTER_E_STATE);
    assert_null(out->ctx);
    assert_null(in->ctx);
    clo_aead_seq_free(out);
    clo_aead_seq_free(in);
}

static void the_first_failure_takes_the_key_away(void **state)
{
    (void)state;
    for (size_t a = 0; a < CLO_ARRAY_LEN(aead_ids); a++) {
        struct clo_aead_seq *out = seq(aead_ids[a], CLO_SEAL), *in = seq(aead_ids[a], CLO_OPEN);
        uint8_t good[2][4 + CLO_AEAD_TAG] = {{0}}, bad[4 + CLO_AEAD_TAG] = {0}, text[4] = {0};

        assert_int_equal(clo_aead_seal(out, NULL, 0, "text", 4, good[0]), 0);
        assert_int_equal(clo_aead_seal(out, NULL, 0, "more", 4, good[1]), 0);
        memcpy(bad, good[0], sizeof(bad));
        bad[3] ^= 1;
        assert_int_equal(clo_aead_open(in, NULL, 0, bad, sizeof(bad), text), CLOISTER_E_AUTH);
        assert_null(in->ctx);
        assert_int_equal(clo_aead_open(in, NULL, 0, good[0], sizeof(good[0]), text),
                         CLOISTER_E_STATE);
        assert_int_equal(clo_aead_open(in, NULL, 0, good[1], sizeof(good[1]), text),
                         CLOISTER_E_STATE);
        clo_aead_seq_free(out);
        clo_aead_seq_free(in);
    }
}

static void a_refused_message_leaves_no_text(void **state)
{
    static const uint8_t zeros[64];

    (void)state;
    for (size_t a = 0; a < CLO_ARRAY_LEN(aead_ids); a++) {
        struct clo_aead_seq *out = seq(aead_ids[a], CLO_SEAL), *in = seq(aead_ids[a], CLO_OPEN);
        uint8_t text[64], sealed[64 + CLO_AEAD_TAG] = {0}, got[64];

        memset(text, 'S', sizeof(text));
        memset(got, 0xee, sizeof(got));
        assert_int_equal(clo_aead_seal(out, NULL, 0, text, sizeof(text), sealed), 0);
        sealed[sizeof(sealed) - 1] ^= 0x80;
        assert_int_equal(clo_aead_open(in, NULL, 0, sealed, sizeof(sealed), got), CLOISTER_E_AUTH);
        assert_memory_equal(got, zeros, sizeof(got));
        clo_aead_seq_free(out);
        clo_aead_seq_free(in);
    }
}

static void additional_data_is_authenticated(void **state)
{
    struct clo_aead_seq *out = seq(CLO_AES_256_GCM, CLO_SEAL), *in = seq(CLO_AES_256_GCM, CLO_OPEN);
    uint8_t sealed[1 + CLO_AEAD_TAG] = {0}, text = 0;

    (void)state;
    assert_int_equal(clo_aead_seal(out, "final", 5, "x", 1, sealed), 0);
    assert_int_equal(clo_aead_open(in, NULL, 0, sealed, sizeof(sealed), &text), CLOISTER_E_AUTH);
    clo_aead_seq_free(out);
    clo_aead_seq_free(in);
}

static void less_than_a_tag_is_no_message(void **state)
{
    struct clo_aead_seq *in = seq(CLO_AES_256_GCM, CLO_OPEN);
    uint8_t buf[CLO_AEAD_TAG] = {0};

    (void)state;
    assert_int_equal(clo_aead_open(in, NULL, 0, buf, CLO_AEAD_TAG - 1, buf), CLOISTER_E_AUTH);
    assert_int_equal(clo_aead_open(in, NULL, 0, buf, CLO_AEAD_TAG - 1, buf), CLOISTER_E_STATE);
    clo_aead_seq_free(in);
}

static void an_unknown_aead_is_refused(void **state)
{
    struct clo_aead_seq *s = NULL;

    (void)state;
    for (unsigned id = 0; id <= UINT16_MAX; id++) {
        if (clo_aead_key_len(id) != 0)
            continue;
        assert_int_equal(clo_aead_seq_new(id, CLO_SEAL, key, base_nonce, &s),
                         CLOISTER_E_UNSUPPORTED);
        assert_null(s);
    }
    assert_int_equal(clo_aead_key_len(CLO_AES_128_GCM), 16);
    assert_int_equal(clo_aead_key_len(CLO_AES_256_GCM), 32);
    assert_int_equal(clo_aead_key_len(CLO_CHACHA20_POLY1305), 32);
}

/* ---- key agreement ---- */

static void both_sides_of_x25519_agree(void **state)
{
    uint8_t a[32] = {1}, b[32] = {2}, pa[32] = {0}, pb[32] = {0}, ab[32] = {0}, ba[32] = {1};

    (void)state;
    assert_int_equal(clo_x25519_public(a, pa), 0);
    assert_int_equal(clo_x25519_public(b, pb), 0);
    assert_int_equal(clo_x25519(a, pb, ab), 0);
    assert_int_equal(clo_x25519(b, pa, ba), 0);
    assert_memory_equal(ab, ba, 32);
}

/* The seven encodings that RFC 7748's function takes to zero (p = 2^255 - 19). */
static void points_of_small_order_are_refused(void **state)
{
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    uint8_t sk[32] = {1}, pk[32] = {0}, ss[32], untouched[32];

    (void)state;
    memset(ss, 0xee, sizeof(ss));
    memset(untouched, 0xee, sizeof(untouched));
    for (size_t i = 0; i < CLO_ARRAY_LEN(points); i++) {
        assert_int_equal(clo_unhex(points[i], 64, pk, 32), 0);
        assert_int_equal(clo_x25519(sk, pk, ss), CLOISTER_E_AUTH);
        assert_memory_equal(ss, untouched, 32);
    }
}

static void both_sides_of_mlkem_agree(void **state)
{
    const uint8_t seed[CLO_MLKEM768_SEED] = {1}, m[32] = {2};
    uint8_t pk[CLO_MLKEM768_PK] = {0}, ct[CLO_MLKEM768_CT] = {0}, ct2[CLO_MLKEM768_CT] = {0};
    uint8_t a[32] = {0}, b[32] = {1};

    (void)state;
    assert_int_equal(clo_mlkem768_public(seed, pk), 0);
    assert_int_equal(clo_mlkem768_encaps(pk, m, ct, a), 0);
    assert_int_equal(clo_mlkem768_decaps(seed, ct, b), 0);
    assert_memory_equal(a, b, 32);
    /* All randomness is in m. */
    assert_int_equal(clo_mlkem768_encaps(pk, m, ct2, a), 0);
    assert_memory_equal(ct, ct2, sizeof(ct));
}

static void a_damaged_mlkem_ciphertext_gives_another_secret(void **state)
{
    const uint8_t seed[CLO_MLKEM768_SEED] = {1}, m[32] = {2};
    uint8_t pk[CLO_MLKEM768_PK] = {0}, ct[CLO_MLKEM768_CT] = {0}, a[32] = {0}, b[32] = {0};

    (void)state;
    assert_int_equal(clo_mlkem768_public(seed, pk), 0);
    assert_int_equal(clo_mlkem768_encaps(pk, m, ct, a), 0);
    ct[0] ^= 1;
    assert_int_equal(clo_mlkem768_decaps(seed, ct, b), 0);
    assert_memory_not_equal(a, b, 32);
}

/* FIPS 203 section 7.2: a coefficient of 3329 or more. */
static void an_unreduced_mlkem_key_is_refused(void **state)
{
    const uint8_t seed[CLO_MLKEM768_SEED] = {1}, m[32] = {2};
    uint8_t pk[CLO_MLKEM768_PK] = {0}, ct[CLO_MLKEM768_CT] = {0}, ss[32] = {0};

    (void)state;
    assert_int_equal(clo_mlkem768_public(seed, pk), 0);
    pk[0] = 0x01; /* the first coefficient becomes 0xd01 = 3329 */
    pk[1] = (uint8_t)((pk[1] & 0xf0) | 0x0d);
    assert_int_equal(clo_mlkem768_encaps(pk, m, ct, ss), CLOISTER_E_MALFORMED);
    memset(pk, 0xff, sizeof(pk));
    assert_int_equal(clo_mlkem768_encaps(pk, m, ct, ss), CLOISTER_E_MALFORMED);
}

/* ---- signatures ---- */

/* RFC 8032 section 7.1, test 2. */
static void ed25519_agrees_with_its_standard(void **state)
{
    uint8_t seed[32] = {0}, pk[32] = {0}, sig[64] = {0};

    (void)state;
    assert_int_equal(
        clo_unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", 64, seed, 32),
        0);
    assert_int_equal(clo_ed25519_public(seed, pk), 0);
    assert_hex(pk, 32, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    assert_int_equal(clo_ed25519_sign(seed, "\x72", 1, sig), 0);
    assert_hex(sig, 64,
               "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
               "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    assert_int_equal(clo_ed25519_verify(pk, "\x72", 1, sig), 0);
}

static void every_flipped_bit_of_a_signature_is_refused(void **state)
{
    const uint8_t seed[32] = {3};
    uint8_t pk[32] = {0}, sig[64] = {0};

    (void)state;
    assert_int_equal(clo_ed25519_public(seed, pk), 0);
    assert_int_equal(clo_ed25519_sign(seed, "receipt", 7, sig), 0);
    for (size_t bit = 0; bit < 8 * sizeof(sig); bit++) {
        sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(clo_ed25519_verify(pk, "receipt", 7, sig), CLOISTER_E_AUTH);
        sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(clo_ed25519_verify(pk, "receipT", 7, sig), CLOISTER_E_AUTH);
    assert_int_equal(clo_ed25519_verify(pk, "receipt", 7, sig), 0);
}

/* A program that embeds this library finds its own libcrypto errors as it left them. */
static void refusals_leave_nothing_in_libcryptos_error_queue(void **state)
{
    const uint8_t zeros[32] = {0}, sk[32] = {1}, m[32] = {0};
    static uint8_t pk[CLO_MLKEM768_PK], ct[CLO_MLKEM768_CT];
    struct clo_aead_seq *in = seq(CLO_AES_256_GCM, CLO_OPEN);
    uint8_t buf[64] = {0}, signer[32] = {0};

    (void)state;
    assert_int_equal(clo_ed25519_public(sk, signer), 0);
    ERR_clear_error();
    memset(pk, 0xff, sizeof(pk));
    assert_int_equal(clo_aead_open(in, NULL, 0, buf, sizeof(buf), buf), CLOISTER_E_AUTH);
    assert_int_equal(clo_x25519(sk, zeros, buf), CLOISTER_E_AUTH);
    assert_int_equal(clo_mlkem768_encaps(pk, m, ct, buf), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_ed25519_verify(signer, "x", 1, buf), CLOISTER_E_AUTH);
    assert_int_equal(ERR_peek_error(), 0);
    clo_aead_seq_free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_system_source_fills_all_bytes),
        cmocka_unit_test(hashes_agree_with_their_standards),
        cmocka_unit_test(slices_are_hashed_as_one_string),
        cmocka_unit_test(the_incremental_hash_ends_once),
        cmocka_unit_test(hkdf_takes_an_absent_salt_for_zeros),
        cmocka_unit_test(hkdf_gives_at_most_255_blocks),
        cmocka_unit_test(a_sequence_opens_what_its_twin_sealed),
        cmocka_unit_test(sealing_in_place_gives_the_same_bytes),
        cmocka_unit_test(message_i_has_the_base_nonce_xor_i),
        cmocka_unit_test(the_counter_never_wraps),
        cmocka_unit_test(a_sequence_goes_one_way_only),
        cmocka_unit_test(the_first_failure_takes_the_key_away),
        cmocka_unit_test(a_refused_message_leaves_no_text),
        cmocka_unit_test(additional_data_is_authenticated),
        cmocka_unit_test(less_than_a_tag_is_no_message),
        cmocka_unit_test(an_unknown_aead_is_refused),
        cmocka_unit_test(both_sides_of_x25519_agree),
        cmocka_unit_test(points_of_small_order_are_refused),
        cmocka_unit_test(both_sides_of_mlkem_agree),
        cmocka_unit_test(a_damaged_mlkem_ciphertext_gives_another_secret),
        cmocka_unit_test(an_unreduced_mlkem_key_is_refused),
        cmocka_unit_test(ed25519_agrees_with_its_standard),
        cmocka_unit_test(every_flipped_bit_of_a_signature_is_refused),
        cmocka_unit_test(refusals_leave_nothing_in_libcryptos_error_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
