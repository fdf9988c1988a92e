/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Project Wycheproof's cases for every primitive of the facade. Cases that the facade's types can't
 * express (another nonce, tag, key or signature length) are counted apart; each test says how many ran
 * and demands at least as many as the files held when it was written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "crypto/crypto.h"
#include "vectors.h"

/* What one file gave. */
struct tally {
    unsigned ran, refused, inexpressible;
};

typedef void (*case_fn)(const json_t *group, const json_t *test, struct tally *t);

static bool is(const json_t *test, const char *result)
{
    return strcmp(vec_str(test, "result"), result) == 0;
}

static bool flagged(const json_t *test, const char *flag)
{
    const json_t *flags = json_object_get(test, "flags");

    for (size_t i = 0; i < json_array_size(flags); i++) {
        if (strcmp(json_string_value(json_array_get(flags, i)), flag) == 0)
            return true;
    }
    return false;
}

static void every_case(const char *file, case_fn fn, unsigned least, unsigned least_refused)
{
    char path[256];
    json_t *doc = NULL;
    struct tally t = {0};
    size_t i, j;
    json_t *group, *test;

    (void)snprintf(path, sizeof(path), "protocol/wycheproof/%s_test.json", file);
    doc = vec_load(path);
    json_array_foreach(json_object_get(doc, "testGroups"), i, group) {
        json_array_foreach(json_object_get(group, "tests"), j, test)
            fn(group, test, &t);
    }
    print_message("# %s: %u cases, %u of them refused; %u inexpressible\n", file, t.ran, t.refused,
                  t.inexpressible);
    assert_int_equal(t.ran + t.inexpressible, vec_uint(doc, "numberOfTests"));
    assert_true(t.ran >= least);
    assert_true(t.refused >= least_refused);
    json_decref(doc);
}

/* ---- AEAD ---- */

static void aead_open_case(unsigned id, const json_t *test, const struct vec *sealed,
                           const struct vec *msg, struct tally *t)
{
    const struct vec key = vec_hex(test, "key"), iv = vec_hex(test, "iv"),
                     aad = vec_hex(test, "aad");
    static uint8_t text[VEC_MAX];
    struct clo_aead_seq *s = NULL;
    int err;

    assert_int_equal(clo_aead_seq_new(id, CLO_OPEN, key.p, iv.p, &s), 0);
    err = clo_aead_open(s, aad.p, aad.n, sealed->p, sealed->n, text);
    if (is(test, "valid")) {
        assert_int_equal(err, 0);
        assert_memory_equal(text, msg->p, msg->n);
    } else {
        assert_int_equal(err, CLOISTER_E_AUTH);
        t->refused++;
    }
    clo_aead_seq_free(s);
}

static void aead_case(unsigned id, const json_t *test, struct tally *t)
{
    const struct vec key = vec_hex(test, "key"), iv = vec_hex(test, "iv"),
                     aad = vec_hex(test, "aad"), msg = vec_hex(test, "msg"),
                     tag = vec_hex(test, "tag");
    struct vec sealed = vec_hex(test, "ct");
    static uint8_t got[VEC_MAX + CLO_AEAD_TAG];
    struct clo_aead_seq *s = NULL;

    assert_int_equal(sealed.n, msg.n);
    memcpy(sealed.p + sealed.n, tag.p, tag.n);
    sealed.n += tag.n;
    if (is(test, "valid")) {
        assert_int_equal(clo_aead_seq_new(id, CLO_SEAL, key.p, iv.p, &s), 0);
        assert_int_equal(clo_aead_seal(s, aad.p, aad.n, msg.p, msg.n, got), 0);
        assert_memory_equal(got, sealed.p, sealed.n);
        clo_aead_seq_free(s);
    }
    aead_open_case(id, test, &sealed, &msg, t);
    t->ran++;
}

static void aes_gcm_case(const json_t *group, const json_t *test, struct tally *t)
{
    const unsigned key_size = vec_uint(group, "keySize");

    if (vec_uint(group, "ivSize") != 96 || vec_uint(group, "tagSize") != 128 || key_size == 192)
        t->inexpressible++;
    else
        aead_case(key_size == 128 ? CLO_AES_128_GCM : CLO_AES_256_GCM, test, t);
}

static void chacha_case(const json_t *group, const json_t *test, struct tally *t)
{
    if (vec_uint(group, "ivSize") != 96)
        t->inexpressible++;
    else
        aead_case(CLO_CHACHA20_POLY1305, test, t);
}

static void aes_gcm_agrees(void **state)
{
    (void)state;
    every_case("aes_gcm", aes_gcm_case, 133, 54);
}

static void chacha20_poly1305_agrees(void **state)
{
    (void)state;
    every_case("chacha20_poly1305", chacha_case, 316, 60);
}

/* ---- HKDF ---- */

static void hkdf_case(const json_t *group, const json_t *test, struct tally *t)
{
    const struct vec ikm = vec_hex(test, "ikm"), salt = vec_hex(test, "salt"),
                     info = vec_hex(test, "info"), okm = vec_hex(test, "okm");
    const struct clo_slice ikm_slice = {ikm.p, ikm.n}, info_slice = {info.p, info.n};
    const size_t n = vec_uint(test, "size");
    uint8_t prk[CLO_SHA256_LEN] = {0};
    static uint8_t got[VEC_MAX];

    (void)group;
    t->ran++;
    assert_int_equal(clo_hkdf_extract(salt.p, salt.n, &ikm_slice, 1, prk), 0);
    if (is(test, "valid")) {
        assert_int_equal(clo_hkdf_expand(prk, &info_slice, 1, got, n), 0);
        assert_int_equal(okm.n, n);
        assert_memory_equal(got, okm.p, n);
    } else {
        assert_int_equal(clo_hkdf_expand(prk, &info_slice, 1, got, n), CLOISTER_E_LIMIT);
        t->refused++;
    }
}

static void hkdf_sha256_agrees(void **state)
{
    (void)state;
    every_case("hkdf_sha256", hkdf_case, 86, 3);
}

/* ---- X25519: "acceptable" cases agree too, and an all-zero secret is refused ---- */

static void x25519_case(const json_t *group, const json_t *test, struct tally *t)
{
    const struct vec pk = vec_hex(test, "public"), sk = vec_hex(test, "private"),
                     shared = vec_hex(test, "shared");
    uint8_t got[CLO_X25519_LEN] = {0};

    (void)group;
    t->ran++;
    assert_int_equal(pk.n, CLO_X25519_LEN);
    assert_int_equal(sk.n, CLO_X25519_LEN);
    if (flagged(test, "ZeroSharedSecret")) {
        assert_int_equal(clo_x25519(sk.p, pk.p, got), CLOISTER_E_AUTH);
        t->refused++;
    } else {
        assert_int_equal(clo_x25519(sk.p, pk.p, got), 0);
        assert_memory_equal(got, shared.p, shared.n);
    }
}

static void x25519_agrees(void **state)
{
    (void)state;
    every_case("x25519", x25519_case, 518, 31);
}

/* ---- ML-KEM-768 ---- */

static void mlkem_case(const json_t *group, const json_t *test, struct tally *t)
{
    const struct vec seed = vec_hex(test, "seed"), ct = vec_hex(test, "c");
    struct vec ek = {0}, want = {0};
    uint8_t pk[CLO_MLKEM768_PK] = {0}, ss[CLO_MLKEM768_SS] = {0};

    (void)group;
    if (seed.n != CLO_MLKEM768_SEED || ct.n != CLO_MLKEM768_CT) {
        assert_true(is(test, "invalid"));
        t->inexpressible++;
        return;
    }
    t->ran++;
    assert_true(is(test, "valid"));
    ek = vec_hex(test, "ek");
    want = vec_hex(test, "K");
    assert_int_equal(clo_mlkem768_public(seed.p, pk), 0);
    assert_memory_equal(pk, ek.p, ek.n);
    assert_int_equal(clo_mlkem768_decaps(seed.p, ct.p, ss), 0);
    assert_memory_equal(ss, want.p, want.n);
}

static void mlkem768_decapsulation_agrees(void **state)
{
    (void)state;
    every_case("mlkem_768", mlkem_case, 153, 0);
}

static void mlkem_keygen_case(const json_t *group, const json_t *test, struct tally *t)
{
    const struct vec seed = vec_hex(test, "seed"), ek = vec_hex(test, "ek");
    uint8_t pk[CLO_MLKEM768_PK] = {0};

    (void)group;
    t->ran++;
    assert_int_equal(seed.n, CLO_MLKEM768_SEED);
    assert_int_equal(clo_mlkem768_public(seed.p, pk), 0);
    assert_memory_equal(pk, ek.p, ek.n);
}

static void mlkem768_key_generation_agrees(void **state)
{
    (void)state;
    every_case("mlkem_768_keygen_seed", mlkem_keygen_case, 100, 0);
}

/* ---- Ed25519 ---- */

static void ed25519_case(const json_t *group, const json_t *test, struct tally *t)
{
    const struct vec pk = vec_hex(json_object_get(group, "publicKey"), "pk"),
                     msg = vec_hex(test, "msg"), sig = vec_hex(test, "sig");

    assert_int_equal(pk.n, 32);
    if (sig.n != 64) {
        assert_true(is(test, "invalid"));
        t->inexpressible++;
        return;
    }
    t->ran++;
    if (is(test, "valid")) {
        assert_int_equal(clo_ed25519_verify(pk.p, msg.p, msg.n, sig.p), 0);
    } else {
        assert_int_equal(clo_ed25519_verify(pk.p, msg.p, msg.n, sig.p), CLOISTER_E_AUTH);
        t->refused++;
    }
}

static void ed25519_agrees(void **state)
{
    (void)state;
    every_case("ed25519", ed25519_case, 139, 51);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aes_gcm_agrees),
        cmocka_unit_test(chacha20_poly1305_agrees),
        cmocka_unit_test(hkdf_sha256_agrees),
        cmocka_unit_test(x25519_agrees),
        cmocka_unit_test(mlkem768_decapsulation_agrees),
        cmocka_unit_test(mlkem768_key_generation_agrees),
        cmocka_unit_test(ed25519_agrees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
