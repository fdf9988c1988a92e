/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing that a secret decides: neither a branch nor an address. To be run under valgrind's memcheck, by test_constant_time.py.
 *
 * Secrets are marked as memory without a value, and the product's own functions do their work on them, as they are compiled for the
 * product. What memcheck would say of a branch on such memory, or of an index, it says of a secret. What becomes public does so where
 * the product says so (clo_ct_public), and in libcrypto at the two places below.
 *
 *   constant_time clean      nothing may be reported
 *   constant_time leaky      the same, but nothing becomes public, and each case ends with a branch on what came out: every one has to be
 *                            reported, as do some classic mistakes
 *   constant_time foreign    ML-KEM alone, with any libcrypto: one that isn't built for this has to be reported
 *
 * What of an ML-KEM key is public only libcrypto can say, if it was built with OPENSSL_CONSTANT_TIME_VALIDATION; and functions inside
 * it can be stood in front of only if it has its symbols. Without such a one the cases of key agreement are skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/crypto.h>
#include <valgrind/memcheck.h>

#include "base/enc.h"
#include "base/secret.h"
#include "client/proxy/guard.h"
#include "daemon/gateway/api.h"
#include "daemon/gateway/limits.h"
#include "daemon/keeper/epoch.h"

enum {
    AEADS = 3,
    TEXT = 300 /* some blocks of every cipher, and a part of one */
};

static bool leaky;    /* nothing becomes public */
static bool foreign;  /* whatever libcrypto this is */
static bool tag_told; /* an AEAD is at work: whether a tag is right may be told */

/* ---- secrets ---- */

static void hide(const void *p, size_t n)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(p, n);
}

static void show(const void *p, size_t n)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(p, n);
}

static void fill_secret(uint8_t *p, size_t n, unsigned start)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(start + 7 * i);
    hide(p, n);
}

/* Different secrets each time. */
static int secret_fill(void *ctx, uint8_t *p, size_t n)
{
    static unsigned drawn;

    (void)ctx;
    fill_secret(p, n, ++drawn * 31);
    if (n == 1) /* the keeper's first key id */
        show(p, n);
    return 0;
}
static const struct clo_rng secret_rng = {secret_fill, NULL};

/* What came out has to be as secret as what went in: else the case would show nothing. It is the test's to look at from here on. */
static void reveal(const void *p, size_t n)
{
    static volatile unsigned sink;
    const uint8_t *b = p;
    uint8_t bits = 0;

    for (size_t i = 0; i < n; i++) {
        assert_int_equal(VALGRIND_GET_VBITS(b + i, &bits, 1), 1);
        assert_int_not_equal(bits, 0);
        if (leaky && (b[i] & 1) != 0)
            sink++;
    }
    show(p, n);
}

/* ---- what becomes public ---- */

/* The product says it. */
void I_WRAP_SONAME_FNNAME_ZU(NONE, clo_ct_public)(const void *p, size_t n);
void I_WRAP_SONAME_FNNAME_ZU(NONE, clo_ct_public)(const void *p, size_t n)
{
    if (!leaky)
        show(p, n);
}

/* Whether a tag is right: the caller gets text or none. ML-KEM's comparison in the same function stays secret. */
int I_WRAP_SONAME_FNNAME_ZU(libcryptoZdsoZd3, CRYPTO_memcmp)(const void *a, const void *b,
                                                             size_t n);
int I_WRAP_SONAME_FNNAME_ZU(libcryptoZdsoZd3, CRYPTO_memcmp)(const void *a, const void *b, size_t n)
{
    OrigFn original;
    int differ;

    VALGRIND_GET_ORIG_FN(original);
    CALL_FN_W_WWW(differ, original, a, b, n);
    if (tag_told && !leaky)
        show(&differ, sizeof(differ));
    return differ;
}

/* Whether the result is all zeros: only a point of small order gives that, and whoever sent it knows. */
int I_WRAP_SONAME_FNNAME_ZU(libcryptoZdsoZd3, ossl_x25519)(uint8_t *ss, const uint8_t *sk,
                                                           const uint8_t *pk);
int I_WRAP_SONAME_FNNAME_ZU(libcryptoZdsoZd3, ossl_x25519)(uint8_t *ss, const uint8_t *sk,
                                                           const uint8_t *pk)
{
    OrigFn original;
    int good;

    VALGRIND_GET_ORIG_FN(original);
    CALL_FN_W_WWW(good, original, ss, sk, pk);
    if (!leaky)
        show(&good, sizeof(good));
    return good;
}

/* libcrypto takes the shared secret for public once it is out; it is ours, and as secret as before. */
int I_WRAP_SONAME_FNNAME_ZU(libcryptoZdsoZd3, ossl_ml_kem_encap_seed)(uint8_t *ct, size_t ct_n,
                                                                      uint8_t *ss, size_t ss_n,
                                                                      const uint8_t *m, size_t m_n,
                                                                      const void *key);
int I_WRAP_SONAME_FNNAME_ZU(libcryptoZdsoZd3, ossl_ml_kem_encap_seed)(uint8_t *ct, size_t ct_n,
                                                                      uint8_t *ss, size_t ss_n,
                                                                      const uint8_t *m, size_t m_n,
                                                                      const void *key)
{
    OrigFn original;
    int good;

    VALGRIND_GET_ORIG_FN(original);
    CALL_FN_W_7W(good, original, ct, ct_n, ss, ss_n, m, m_n, key);
    hide(ss, ss_n);
    return good;
}

int I_WRAP_SONAME_FNNAME_ZU(libcryptoZdsoZd3, ossl_ml_kem_decap)(uint8_t *ss, size_t ss_n,
                                                                 const uint8_t *ct, size_t ct_n,
                                                                 const void *key);
int I_WRAP_SONAME_FNNAME_ZU(libcryptoZdsoZd3, ossl_ml_kem_decap)(uint8_t *ss, size_t ss_n,
                                                                 const uint8_t *ct, size_t ct_n,
                                                                 const void *key)
{
    OrigFn original;
    int good;

    VALGRIND_GET_ORIG_FN(original);
    CALL_FN_W_5W(good, original, ss, ss_n, ct, ct_n, key);
    hide(ss, ss_n);
    return good;
}

static bool libcrypto_says_what_is_public(void)
{
    return strstr(OpenSSL_version(OPENSSL_CFLAGS), "OPENSSL_CONSTANT_TIME_VALIDATION") != NULL;
}

static void need_its_libcrypto(void)
{
    if (!foreign && !libcrypto_says_what_is_public())
        skip();
}

/* ---- comparisons ---- */

static void secrets_are_compared(void)
{
    for (int at = -1; at < 32; at++) { /* where they differ; nowhere */
        uint8_t a[32] = {0}, b[32] = {0};
        bool same;

        if (at >= 0)
            b[at] = 0x80;
        hide(a, sizeof a);
        hide(b, sizeof b);
        same = clo_ct_equal(a, b, sizeof a);
        reveal(&same, sizeof same);
        assert_int_equal(same, at < 0);
    }
}

static void an_api_key_is_found(void)
{
    enum {
        KEYS = 6,
        REVOKED = 3
    };
    struct clo_credential table[KEYS] = {0};
    uint8_t key[43], digest[CLO_SHA256_LEN];

    for (unsigned i = 0; i < KEYS; i++) {
        fill_secret(key, sizeof key, i);
        assert_int_equal(clo_sha256(key, sizeof key, table[i].terms.digest), 0);
        table[i].accepted = i != REVOKED;
    }
    for (unsigned i = 0; i <= KEYS; i++) { /* the last: none of them */
        uint32_t at = 77;
        bool found;

        fill_secret(key, sizeof key, i);
        assert_int_equal(clo_sha256(key, sizeof key, digest), 0);
        if (i == KEYS) { /* ... but nearly */
            memcpy(digest, table[0].terms.digest, sizeof digest);
            digest[CLO_SHA256_LEN - 1] ^= 1;
        }
        found = clo_credential_find(table, KEYS, digest, &at);
        assert_int_equal(found, i != REVOKED && i != KEYS);
        assert_int_equal(at, found ? i : 77);
        reveal(digest, sizeof digest);
    }
}

static void a_request_is_found_by_its_id(void)
{
    struct clo_inner in = {.has_request = true};
    uint8_t id[CLO_REQUEST_ID];

    fill_secret(in.request, sizeof in.request, 1);
    for (int at = -1; at < CLO_REQUEST_ID; at++) {
        fill_secret(id, sizeof id, 1);
        if (at >= 0)
            id[at] ^= 1;
        assert_int_equal(clo_inner_has_id(&in, id), at < 0);
        reveal(id, sizeof id);
    }
}

static void the_proxys_token_is_compared(void)
{
    char token[CLO_GUARD_TOKEN_LEN + 1], said[7 + CLO_GUARD_TOKEN_LEN + 1] = "Bearer ";
    const struct clo_guard g = {.host = "127.0.0.1", .port = 8787, .token = token};
    const struct clo_guard_asked asked = {
        .method = "GET", .path = "/v1/models", .host = "127.0.0.1:8787", .authorization = said};

    for (int at = -1; at < CLO_GUARD_TOKEN_LEN; at++) {
        struct clo_guard_answer answer = {0};

        memset(token, 'a', CLO_GUARD_TOKEN_LEN);
        memcpy(said + 7, token, CLO_GUARD_TOKEN_LEN);
        token[CLO_GUARD_TOKEN_LEN] = '\0';
        if (at >= 0)
            said[7 + at] = 'b';
        hide(token, CLO_GUARD_TOKEN_LEN);
        clo_guard_judge(&g, &asked, &answer);
        assert_int_equal(answer.ruling, at < 0 ? CLO_RULING_PASS : CLO_RULING_BAD_TOKEN);
        reveal(token, CLO_GUARD_TOKEN_LEN);
    }
}

/* ---- encodings ---- */

static void keys_and_tokens_are_written(void)
{
    uint8_t all[256];
    char hex[2 * sizeof all + 1], b64[CLO_B64_LEN(sizeof all) + 1];
    size_t n = 0;

    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (uint8_t)i;
    hide(all, sizeof all);
    clo_hex(all, sizeof all, hex);
    reveal(hex, sizeof hex - 1);
    clo_b64(all, sizeof all, b64);
    reveal(b64, sizeof b64 - 1);
    memset(all, 0, sizeof all);
    assert_int_equal(clo_unhex(hex, strlen(hex), all, sizeof all), 0);
    for (size_t i = 0; i < sizeof all; i++)
        assert_int_equal(all[i], i);
    memset(all, 0, sizeof all);
    assert_int_equal(clo_unb64(b64, strlen(b64), all, sizeof all, &n), 0);
    assert_int_equal(n, sizeof all);
    for (size_t i = 0; i < sizeof all; i++)
        assert_int_equal(all[i], i);
}

/* ---- keys from keys ---- */

static void secrets_are_hashed(void)
{
    uint8_t key[100], digest[32];
    const struct clo_slice in = {key, sizeof key};

    fill_secret(key, sizeof key, 1);
    assert_int_equal(clo_sha256(key, sizeof key, digest), 0);
    reveal(digest, sizeof digest);
    assert_int_equal(clo_sha3_256(&in, 1, digest), 0);
    reveal(digest, sizeof digest);
    assert_int_equal(clo_shake256(&in, 1, key, sizeof key), 0);
    reveal(key, sizeof key);
}

static void keys_come_of_the_shared_secret(void)
{
    for (uint16_t aead = 1; aead <= AEADS; aead++) {
        const struct clo_suite s = {CLO_KEM_XWING, CLO_KDF_HKDF_SHA256, aead};
        struct clo_hpke_keys k = {0};
        uint8_t ss[CLO_KEM_SS], out[100];

        fill_secret(ss, sizeof ss, aead);
        assert_int_equal(clo_hpke_schedule(&s, ss, "info", 4, &k), 0);
        assert_int_equal(clo_hpke_export(&s, k.exporter, "context", 7, out, sizeof out), 0);
        reveal(k.key, clo_aead_key_len(aead));
        reveal(k.base_nonce, sizeof k.base_nonce);
        reveal(k.exporter, sizeof k.exporter);
        reveal(out, sizeof out);
    }
}

static void the_answers_keys_come_of_its_secret(void)
{
    for (uint16_t aead = 1; aead <= AEADS; aead++) {
        struct clo_ohttp_opened o = {.suite = {CLO_KEM_XWING, CLO_KDF_HKDF_SHA256, aead}};
        uint8_t enc[CLO_KEM_ENC_MAX] = {0}, nonce[CLO_AEAD_KEY_MAX] = {0};
        uint8_t key[CLO_AEAD_KEY_MAX], base_nonce[CLO_AEAD_NONCE];

        fill_secret(o.response_secret, sizeof o.response_secret, aead);
        assert_int_equal(clo_ohttp_response_keys(&o, enc, nonce, key, base_nonce), 0);
        reveal(key, clo_aead_key_len(aead));
        reveal(base_nonce, sizeof base_nonce);
    }
}

/* ---- key agreement ---- */

/* A key pair's halves agree, whatever was encapsulated: seed, randomness and ciphertext are all secret. */
static void agree(unsigned kem)
{
    uint8_t seed[CLO_KEM_SEED], pk[CLO_KEM_PK_MAX], enc[CLO_KEM_ENC_MAX];
    const size_t enc_n = clo_kem_enc_len(kem);

    fill_secret(seed, sizeof seed, 3);
    assert_int_equal(clo_kem_public(kem, seed, pk), 0);
    /* Nowhere; in ML-KEM's part, whose implicit rejection must not show; in X25519's. */
    for (size_t damaged = 0; damaged < 3; damaged++) {
        uint8_t sent[CLO_KEM_SS], got[CLO_KEM_SS];

        assert_int_equal(clo_kem_encaps(kem, pk, &secret_rng, enc, sent), 0);
        if (damaged > 0)
            enc[damaged == 1 ? 0 : enc_n - 2] ^= 1;
        hide(enc, enc_n);
        assert_int_equal(clo_kem_decaps(kem, seed, enc, got), 0);
        reveal(sent, sizeof sent);
        reveal(got, sizeof got);
        assert_int_equal(memcmp(sent, got, sizeof got) == 0, damaged == 0);
    }
}

static void x25519_is_decapsulated(void)
{
    need_its_libcrypto();
    agree(CLO_KEM_X25519);
}

static void xwing_is_decapsulated(void)
{
    need_its_libcrypto();
    agree(CLO_KEM_XWING);
}

static void mlkem_is_decapsulated(void)
{
    uint8_t seed[CLO_MLKEM768_SEED], pk[CLO_MLKEM768_PK], ct[CLO_MLKEM768_CT];
    uint8_t m[32], sent[CLO_MLKEM768_SS], got[CLO_MLKEM768_SS];

    need_its_libcrypto();
    for (size_t damaged = 0; damaged <= sizeof ct; damaged += sizeof ct / 4) {
        fill_secret(seed, sizeof seed, 5);
        fill_secret(m, sizeof m, 6);
        assert_int_equal(clo_mlkem768_public(seed, pk), 0);
        assert_int_equal(clo_mlkem768_encaps(pk, m, ct, sent), 0);
        if (damaged > 0)
            ct[damaged - 1] ^= 0x10;
        hide(ct, sizeof ct);
        assert_int_equal(clo_mlkem768_decaps(seed, ct, got), 0);
        reveal(sent, sizeof sent);
        reveal(got, sizeof got);
        assert_int_equal(memcmp(sent, got, sizeof got) == 0, damaged == 0);
    }
}

/* The one thing about it that may show, and only because the sender has chosen it. */
static void a_point_of_small_order_is_refused(void)
{
    uint8_t sk[CLO_X25519_LEN], pk[CLO_X25519_LEN] = {0}, ss[CLO_X25519_LEN];

    need_its_libcrypto();
    fill_secret(sk, sizeof sk, 9);
    assert_int_equal(clo_x25519(sk, pk, ss), CLOISTER_E_AUTH);
    reveal(sk, sizeof sk);
}

static void a_receipt_is_signed(void)
{
    uint8_t seed[32], pk[32], sig[64];

    fill_secret(seed, sizeof seed, 11);
    assert_int_equal(clo_ed25519_public(seed, pk), 0);
    assert_int_equal(clo_ed25519_sign(seed, "receipt", 7, sig), 0);
    reveal(seed, sizeof seed);
    assert_int_equal(clo_ed25519_verify(pk, "receipt", 7, sig), 0);
}

/* ---- messages ---- */

/* Sealed under a secret key; then opened, as it is and with one bit changed: anywhere in the text, or in the tag. */
static void a_message_is_sealed_and_opened(void)
{
    static const size_t change[] = {SIZE_MAX, 0, TEXT - 1, TEXT, TEXT + CLO_AEAD_TAG - 1};

    tag_told = true;
    for (unsigned aead = 1; aead <= AEADS; aead++) {
        for (size_t i = 0; i < CLO_ARRAY_LEN(change); i++) {
            uint8_t key[CLO_AEAD_KEY_MAX], nonce[CLO_AEAD_NONCE];
            uint8_t text[TEXT], sealed[TEXT + CLO_AEAD_TAG], opened[TEXT];
            struct clo_aead_seq *seal = NULL, *open = NULL;
            const bool whole = change[i] == SIZE_MAX;

            fill_secret(key, sizeof key, aead);
            fill_secret(nonce, sizeof nonce, aead);
            fill_secret(text, sizeof text, 1);
            assert_int_equal(clo_aead_seq_new(aead, CLO_SEAL, key, nonce, &seal), 0);
            assert_int_equal(clo_aead_seq_new(aead, CLO_OPEN, key, nonce, &open), 0);
            assert_int_equal(clo_aead_seal(seal, "aad", 3, text, sizeof text, sealed), 0);
            if (!whole)
                sealed[change[i]] ^= 1;
            assert_int_equal(clo_aead_open(open, "aad", 3, sealed, sizeof sealed, opened),
                             whole ? 0 : CLOISTER_E_AUTH);
            reveal(sealed, sizeof sealed);
            if (whole)
                reveal(opened, sizeof opened);
            clo_aead_seq_free(seal);
            clo_aead_seq_free(open);
        }
    }
    tag_told = false;
}

struct taken {
    uint8_t text[TEXT];
    size_t n;
};
static int take(void *ctx, const uint8_t *p, size_t n, bool final)
{
    struct taken *t = ctx;

    (void) final;
    memcpy(t->text + t->n, p, n);
    t->n += n;
    return 0;
}

/* Both forms; a body of the chunked one is two chunks: its lengths are public, all else is secret. */
static void a_body_is_sealed_and_opened(void)
{
    tag_told = true;
    for (uint16_t aead = 1; aead <= AEADS; aead++) {
        for (unsigned damaged = 0; damaged < 2; damaged++) {
            struct clo_ohttp_opened o = {.suite = {CLO_KEM_XWING, CLO_KDF_HKDF_SHA256, aead}};
            struct clo_buf body = clo_buf_init(4096), plain = clo_buf_init(4096);
            struct clo_buf text = clo_buf_init(4096);
            struct clo_ohttp_writer *w = NULL;
            struct clo_ohttp_reader *r = NULL;
            struct taken got = {0};
            uint8_t said[TEXT];
            int err;

            fill_secret(o.key, sizeof o.key, aead);
            fill_secret(o.base_nonce, sizeof o.base_nonce, aead);
            fill_secret(said, sizeof said, 1);
            assert_int_equal(clo_ohttp_writer_new(aead, o.key, o.base_nonce, &w), 0);
            assert_int_equal(clo_ohttp_writer_chunk(w, said, 100, &body), 0);
            assert_int_equal(clo_ohttp_writer_final(w, said + 100, TEXT - 100, &body), 0);
            assert_int_equal(clo_ohttp_plain_seal_request(&o, said, TEXT, &plain), 0);
            if (damaged != 0) {
                body.p[body.len - 1] ^= 1;
                plain.p[plain.len - 1] ^= 1;
            }
            assert_int_equal(clo_ohttp_reader_new(aead, o.key, o.base_nonce, &r), 0);
            assert_int_equal(clo_ohttp_reader_feed(r, body.p, body.len, take, &got), 0);
            err = clo_ohttp_reader_end(r, take, &got);
            assert_int_equal(err, damaged == 0 ? 0 : CLOISTER_E_AUTH);
            assert_int_equal(got.n, damaged == 0 ? TEXT : 100);
            reveal(got.text, got.n);
            err = clo_ohttp_plain_open_request(&o, plain.p, plain.len, &text);
            assert_int_equal(err, damaged == 0 ? 0 : CLOISTER_E_AUTH);
            assert_int_equal(text.len, damaged == 0 ? TEXT : 0);
            reveal(text.p, text.len);
            clo_ohttp_writer_free(w);
            clo_ohttp_reader_free(r);
            clo_buf_clear(&body);
            clo_buf_clear(&plain);
            clo_buf_clear(&text);
        }
    }
    tag_told = false;
}

/* ---- the keeper ---- */

struct sent {
    struct clo_ohttp_header header;
    uint8_t enc[CLO_KEM_ENC_MAX];
    size_t enc_n;
};

static struct sent send_to(const struct clo_ohttp_keyconf *conf)
{
    struct clo_buf out = clo_buf_init(4096);
    struct clo_ohttp_opened sender = {0};
    struct sent s = {.enc_n = clo_kem_enc_len(conf->kem)};
    struct clo_rd rd;

    assert_int_equal(clo_ohttp_start_request(conf, CLO_AES_256_GCM, true, clo_rng_system(), &out,
                                             s.enc, &sender),
                     0);
    rd = clo_rd_init(out.p, out.len);
    assert_int_equal(clo_ohttp_header_parse(&rd, &s.header), 0);
    clo_buf_clear(&out);
    hide(s.enc, s.enc_n);
    return s;
}

static int open_at(struct clo_epochs *k, uint64_t id, const struct sent *s)
{
    struct clo_ohttp_opened o = {0};
    int err = clo_epochs_open(k, id, &s->header, true, s->enc, s->enc_n, &o);

    if (err == 0) {
        reveal(o.key, sizeof o.key);
        reveal(o.base_nonce, sizeof o.base_nonce);
        reveal(o.response_secret, sizeof o.response_secret);
    }
    return err;
}

static int commit_by(struct clo_epochs *k, uint64_t id, unsigned who)
{
    uint8_t credential[32];

    fill_secret(credential, sizeof credential, who);
    return clo_epochs_commit(k, id, credential);
}

/* Keys are made, requests opened, committed, repeated and charged: seeds, enc, credentials and what hides them in the sets are secret. */
static void the_keeper_serves(void)
{
    static const struct clo_keeper_start config = {.lifetime_s = 1800,
                                                   .x25519 = 1,
                                                   .quota = 3,
                                                   .set_max = 100,
                                                   .contexts_max = 16,
                                                   .gateway = "/r/0123456789abcdef"};
    struct clo_buf section = clo_buf_init(CLO_SECTION_MAX);
    struct clo_ohttp_keyconf conf[2];
    struct clo_keys_section keys = {0};
    struct clo_epochs *k = NULL;
    size_t confs = 0;

    need_its_libcrypto();
    assert_int_equal(clo_epochs_new(&config, &secret_rng, &k), 0);
    assert_int_equal(clo_epochs_reset(k, 1800000000), 0);
    assert_int_equal(clo_epochs_section(k, &section), 0);
    assert_int_equal(clo_keys_section_parse(section.p, section.len, &keys), 0);
    assert_int_equal(clo_ohttp_keys_parse(keys.ohttp_keys, keys.ohttp_keys_n, conf, 2, &confs), 0);
    assert_int_equal(confs, 2);
    for (size_t i = 0; i < confs; i++) {
        struct sent s = send_to(&conf[i]);

        assert_int_equal(open_at(k, 1, &s), 0);
        assert_int_equal(open_at(k, 2, &s), 0);
        assert_int_equal(commit_by(k, 1, (unsigned)i), 0);
        assert_int_equal(commit_by(k, 2, (unsigned)i), CLOISTER_E_REPLAY);
        assert_int_equal(open_at(k, 3, &s), CLOISTER_E_AUTH);
        clo_epochs_close_all(k);
        /* Another point, or what ML-KEM rejects implicitly: it opens, to keys that nobody has. */
        s.enc[0] ^= 1;
        assert_int_equal(open_at(k, 4, &s), 0);
        clo_epochs_close_all(k);
    }
    for (uint64_t id = 1; id <= 3; id++) { /* the first key has one already */
        const struct sent s = send_to(&conf[1]);

        assert_int_equal(open_at(k, id, &s), 0);
        assert_int_equal(commit_by(k, id, 0), id < 3 ? 0 : CLOISTER_E_QUOTA);
    }
    clo_epochs_free(k);
    clo_buf_clear(&section);
}

/* ---- mistakes, which have to be reported ---- */

static uint8_t password[32], guess[32];

static void hide_both(void)
{
    fill_secret(password, sizeof password, 1);
    fill_secret(guess, sizeof guess, 1);
}

static void memcmp_is_reported(void)
{
    int (*volatile compare)(const void *, const void *, size_t) = memcmp;

    hide_both();
    assert_int_equal(compare(password, guess, sizeof guess), 0);
}

static void a_loop_that_stops_early_is_reported(void)
{
    const volatile uint8_t *a = password, *b = guess;
    size_t i = 0;

    hide_both();
    while (i < sizeof password && a[i] == b[i])
        i++;
    assert_int_equal(i, sizeof password);
}

static void a_table_is_reported(void)
{
    static const char digit[] = "0123456789abcdef";
    const volatile char *table = digit;
    char hex = 0;

    hide_both();
    hex = table[password[0] & 15];
    show(&hex, 1);
    assert_int_equal(hex, '1');
}

/* Nor is a key safe that came of others by the right functions. */
static void a_key_that_decides_is_reported(void)
{
    uint8_t seed[CLO_KEM_SEED], pk[CLO_X25519_LEN], ss[CLO_KEM_SS];
    static volatile unsigned sink;

    need_its_libcrypto();
    fill_secret(seed, sizeof seed, 1);
    assert_int_equal(clo_kem_public(CLO_KEM_X25519, seed, pk), 0);
    assert_int_equal(clo_kem_decaps(CLO_KEM_X25519, seed, pk, ss), 0);
    if ((ss[0] & 1) != 0)
        sink++;
}

/* ---- */

struct one {
    const char *name;
    void (*run)(void);
};
#define ONE(f) \
    {          \
#f, f  \
    }

static const struct one cases[] = {
    ONE(secrets_are_compared),
    ONE(an_api_key_is_found),
    ONE(a_request_is_found_by_its_id),
    ONE(the_proxys_token_is_compared),
    ONE(keys_and_tokens_are_written),
    ONE(secrets_are_hashed),
    ONE(keys_come_of_the_shared_secret),
    ONE(the_answers_keys_come_of_its_secret),
    ONE(x25519_is_decapsulated),
    ONE(xwing_is_decapsulated),
    ONE(mlkem_is_decapsulated),
    ONE(a_point_of_small_order_is_refused),
    ONE(a_receipt_is_signed),
    ONE(a_message_is_sealed_and_opened),
    ONE(a_body_is_sealed_and_opened),
    ONE(the_keeper_serves),
};
static const struct one mistakes[] = {
    ONE(memcmp_is_reported),
    ONE(a_loop_that_stops_early_is_reported),
    ONE(a_table_is_reported),
    ONE(a_key_that_decides_is_reported),
};
static const struct one foreign_one = ONE(mlkem_is_decapsulated);

static void run(void **state)
{
    const struct one *o = *state;
    const unsigned before = VALGRIND_COUNT_ERRORS;
    unsigned found;

    o->run();
    found = VALGRIND_COUNT_ERRORS - before;
    if (leaky)
        assert_int_not_equal(found, 0);
    else
        assert_int_equal(found, 0);
}

int main(int argc, char *argv[])
{
    struct CMUnitTest tests[CLO_ARRAY_LEN(cases) + CLO_ARRAY_LEN(mistakes)] = {0};
    const char *what = argc == 2 ? argv[1] : "";
    size_t n = 0;

    leaky = strcmp(what, "leaky") == 0;
    foreign = strcmp(what, "foreign") == 0;
    if ((!leaky && !foreign && strcmp(what, "clean") != 0) || RUNNING_ON_VALGRIND == 0)
        return 2;
    if (clo_crypto_init() != 0 || clo_guard_init(16) != 0)
        return 2;
    for (size_t i = 0; !foreign && i < CLO_ARRAY_LEN(cases); i++)
        tests[n++] = (struct CMUnitTest){cases[i].name, run, NULL, NULL,
                                         (void *)(uintptr_t)&cases[i]};
    for (size_t i = 0; leaky && i < CLO_ARRAY_LEN(mistakes); i++)
        tests[n++] = (struct CMUnitTest){mistakes[i].name, run, NULL, NULL,
                                         (void *)(uintptr_t)&mistakes[i]};
    if (foreign)
        tests[n++] = (struct CMUnitTest){foreign_one.name, run, NULL, NULL,
                                         (void *)(uintptr_t)&foreign_one};
    return _cmocka_run_group_tests("constant_time", tests, n, NULL, NULL);
}
