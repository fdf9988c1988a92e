/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bodies, cut and damaged at random: what holds for all of them. The seed is printed and can be
 * given again with CLOISTER_SEED.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "codec/ohttp.h"

#define CHUNKS_MAX 8
#define BODY_MAX   (CHUNKS_MAX * (CLO_OHTTP_CHUNK_MAX + CLO_AEAD_TAG + 8))

static const uint16_t kems[] = {CLO_KEM_X25519, CLO_KEM_XWING};
static const uint16_t aeads[] = {CLO_AES_128_GCM, CLO_AES_256_GCM, CLO_CHACHA20_POLY1305};

/* ---- reproducible randomness (SplitMix64) ---- */

static uint64_t prng;

static uint64_t next(void)
{
    uint64_t z = prng += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static size_t below(size_t n)
{
    return (size_t)(next() % n);
}

static void fill(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)next();
}

/* A source that counts, and gives other bytes each time. */
struct counting {
    size_t calls, bytes;
};

static int counting_fill(void *ctx, uint8_t *p, size_t n)
{
    struct counting *c = ctx;

    c->calls++;
    c->bytes += n;
    fill(p, n);
    return 0;
}

/* ---- one direction's body ---- */

struct body {
    uint16_t aead;
    uint8_t key[CLO_AEAD_KEY_MAX], base_nonce[CLO_AEAD_NONCE];
    struct clo_buf text, sealed;
    size_t chunks;                  /* with the final one */
    size_t text_at[CHUNKS_MAX + 1]; /* where each chunk's text starts, and the end */
    size_t at[CHUNKS_MAX + 1];      /* the same for the sealed chunks, with the length in front */
};

/* Sizes cluster at both ends of the range: 1, a few, the maximum. */
static size_t text_size(size_t max)
{
    switch (below(4)) {
    case 0: return 1 + below(3);
    case 1: return max - below(2);
    default: return 1 + below(max);
    }
}

static struct body body_new(size_t max)
{
    static uint8_t text[CLO_OHTTP_CHUNK_MAX];
    struct body b = {.aead = aeads[below(3)],
                     .text = clo_buf_init(BODY_MAX),
                     .sealed = clo_buf_init(BODY_MAX),
                     .chunks = 1 + below(CHUNKS_MAX)};
    struct clo_ohttp_writer *w = NULL;

    fill(b.key, sizeof(b.key));
    fill(b.base_nonce, sizeof(b.base_nonce));
    assert_int_equal(clo_ohttp_writer_new(b.aead, b.key, b.base_nonce, &w), 0);
    for (size_t i = 0; i < b.chunks; i++) {
        const bool final = i + 1 == b.chunks;
        const size_t n = final && below(4) == 0 ? 0 : text_size(max);

        fill(text, n);
        assert_int_equal(final ? clo_ohttp_writer_final(w, text, n, &b.sealed)
                               : clo_ohttp_writer_chunk(w, text, n, &b.sealed),
                         0);
        assert_int_equal(clo_buf_append(&b.text, text, n), 0);
        b.text_at[i + 1] = b.text.len;
        b.at[i + 1] = b.sealed.len;
    }
    clo_ohttp_writer_free(w);
    return b;
}

static void body_clear(struct body *b)
{
    clo_buf_clear(&b->text);
    clo_buf_clear(&b->sealed);
}

/* ---- reading it ---- */

struct got {
    const struct body *b;
    size_t chunks;
    bool final;
};

/* Whatever is delivered is the next chunk of the original: never damaged, never out of turn. */
static int expect(void *ctx, const uint8_t *p, size_t n, bool final)
{
    struct got *g = ctx;
    const struct body *b = g->b;
    const size_t i = g->chunks++;

    assert_true(i < b->chunks);
    assert_int_equal(n, b->text_at[i + 1] - b->text_at[i]);
    if (n > 0)
        assert_memory_equal(p, b->text.p + b->text_at[i], n);
    assert_int_equal(final, i + 1 == b->chunks);
    g->final = final;
    return 0;
}

/* Feed the bytes in pieces of up to `piece`, then end; the first error. */
static int read_pieces(const struct body *b, const uint8_t *p, size_t n, size_t piece,
                       struct got *g)
{
    struct clo_ohttp_reader *r = NULL;
    int err = 0;

    *g = (struct got){.b = b};
    assert_int_equal(clo_ohttp_reader_new(b->aead, b->key, b->base_nonce, &r), 0);
    for (size_t at = 0; err == 0 && at < n;) {
        size_t take = 1 + below(piece);

        take = take < n - at ? take : n - at;
        err = clo_ohttp_reader_feed(r, p + at, take, expect, g);
        at += take;
    }
    if (err == 0)
        err = clo_ohttp_reader_end(r, expect, g);
    clo_ohttp_reader_free(r);
    return err;
}

/* Damaged bytes: an error, no final chunk, and no more than the chunks in front of the damage. */
static void assert_refused(const struct body *b, const uint8_t *p, size_t n, size_t intact)
{
    struct got g = {0};

    assert_int_not_equal(read_pieces(b, p, n, n + 1, &g), 0);
    assert_false(g.final);
    assert_true(g.chunks <= intact);
}

static void any_split_of_a_body_gives_the_same_text(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        static const size_t pieces[] = {1, 7, 600, BODY_MAX};
        struct body b = body_new(i % 4 == 0 ? 300 : CLO_OHTTP_CHUNK_MAX);
        struct got g = {0};

        assert_int_equal(read_pieces(&b, b.sealed.p, b.sealed.len, pieces[i % 4], &g), 0);
        assert_int_equal(g.chunks, b.chunks);
        assert_true(g.final);
        body_clear(&b);
    }
}

/* The chunk that holds this byte of the sealed body. */
static size_t chunk_of(const struct body *b, size_t at)
{
    size_t i = 0;

    while (at >= b->at[i + 1])
        i++;
    return i;
}

static void any_flipped_bit_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct body b = body_new(40);

        for (size_t bit = 0; bit < 8 * b.sealed.len; bit++) {
            b.sealed.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_refused(&b, b.sealed.p, b.sealed.len, chunk_of(&b, bit / 8));
            b.sealed.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        body_clear(&b);
    }
}

static void a_body_cut_anywhere_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        struct body b = body_new(100);

        for (size_t n = 0; n < b.sealed.len; n++)
            assert_refused(&b, b.sealed.p, n, chunk_of(&b, n));
        body_clear(&b);
    }
}

static void append(struct clo_buf *out, const struct body *b, size_t chunk)
{
    assert_int_equal(
        clo_buf_append(out, b->sealed.p + b->at[chunk], b->at[chunk + 1] - b->at[chunk]), 0);
}

static void chunks_that_were_swapped_doubled_or_dropped_are_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct body b = body_new(64);
        const size_t at = below(b.chunks), other = below(b.chunks);
        struct clo_buf swapped = clo_buf_init(2 * BODY_MAX), doubled = clo_buf_init(2 * BODY_MAX),
                       dropped = clo_buf_init(2 * BODY_MAX);

        for (size_t c = 0; c < b.chunks; c++) {
            append(&swapped, &b, c == at ? other : c == other ? at : c);
            append(&doubled, &b, c);
            if (c == at)
                append(&doubled, &b, c);
            else
                append(&dropped, &b, c);
        }
        if (at != other)
            assert_refused(&b, swapped.p, swapped.len, at < other ? at : other);
        /* A doubled final chunk only makes that chunk longer, and it never opens. */
        assert_refused(&b, doubled.p, doubled.len, at + 1 < b.chunks ? at + 1 : at);
        assert_refused(&b, dropped.p, dropped.len, at);
        clo_buf_clear(&swapped);
        clo_buf_clear(&doubled);
        clo_buf_clear(&dropped);
        body_clear(&b);
    }
}

static void a_chunk_of_another_body_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        struct body a = body_new(64), b = body_new(64);
        const size_t at = below(a.chunks < b.chunks ? a.chunks : b.chunks);
        struct clo_buf mixed = clo_buf_init(BODY_MAX);

        for (size_t c = 0; c < a.chunks; c++)
            append(&mixed, c == at ? &b : &a, c);
        assert_refused(&a, mixed.p, mixed.len, at);
        clo_buf_clear(&mixed);
        body_clear(&a);
        body_clear(&b);
    }
}

/* ---- whole requests ---- */

static struct clo_ohttp_keyconf keyconf(uint16_t kem, const uint8_t seed[CLO_KEM_SEED])
{
    struct clo_ohttp_keyconf k = {.key_id = (uint8_t)next(), .kem = kem, .suites = 3};

    for (size_t i = 0; i < 3; i++) {
        k.suite[i].kdf = CLO_KDF_HKDF_SHA256;
        k.suite[i].aead = aeads[i];
    }
    assert_int_equal(clo_kem_public(kem, seed, k.pk), 0);
    return k;
}

static void every_suite_carries_a_request_and_its_answer(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 48; i++) {
        const uint16_t kem = kems[i % 2], aead = aeads[i / 2 % 3];
        const bool chunked = i / 6 % 2;
        struct counting c = {0};
        const struct clo_rng rng = {counting_fill, &c};
        uint8_t seed[CLO_KEM_SEED], enc[CLO_KEM_ENC_MAX] = {0}, nonce[CLO_AEAD_KEY_MAX];
        uint8_t key[2][CLO_AEAD_KEY_MAX] = {{0}}, base_nonce[2][CLO_AEAD_NONCE] = {{0}};
        struct clo_ohttp_opened client = {0}, server = {0};
        struct clo_buf out = clo_buf_init(4096);
        struct clo_ohttp_header h = {0};
        struct clo_ohttp_keyconf k;
        struct clo_rd rd;

        fill(seed, sizeof(seed));
        fill(nonce, sizeof(nonce));
        k = keyconf(kem, seed);
        assert_int_equal(clo_ohttp_start_request(&k, aead, chunked, &rng, &out, enc, &client), 0);
        rd = clo_rd_init(out.p, out.len);
        assert_int_equal(clo_ohttp_header_parse(&rd, &h), 0);
        assert_int_equal(h.key_id, k.key_id);
        assert_int_equal(clo_ohttp_open_request(seed, &h, chunked, rd.p, &server), 0);
        assert_memory_equal(client.key, server.key, sizeof(client.key));
        assert_memory_equal(client.base_nonce, server.base_nonce, sizeof(client.base_nonce));

        assert_int_equal(clo_ohttp_response_keys(&client, enc, nonce, key[0], base_nonce[0]), 0);
        assert_int_equal(clo_ohttp_response_keys(&server, rd.p, nonce, key[1], base_nonce[1]), 0);
        assert_memory_equal(key[0], key[1], sizeof(key[0]));
        assert_memory_equal(base_nonce[0], base_nonce[1], sizeof(base_nonce[0]));
        assert_memory_not_equal(key[0], client.key, clo_aead_key_len(aead));
        assert_memory_not_equal(base_nonce[0], client.base_nonce, CLO_AEAD_NONCE);
        clo_buf_clear(&out);
    }
}

/* One seed for all key pairs was a fault elsewhere: here every request draws its own bytes, all of them. */
static void each_request_draws_fresh_randomness(void **state)
{
    enum {
        REQUESTS = 40
    };
    static uint8_t enc[REQUESTS][CLO_KEM_ENC_MAX];
    static struct clo_ohttp_opened o[REQUESTS];
    const uint8_t seed[CLO_KEM_SEED] = {1};

    (void)state;
    for (size_t k = 0; k < CLO_ARRAY_LEN(kems); k++) {
        const struct clo_ohttp_keyconf conf = keyconf(kems[k], seed);
        const size_t want = kems[k] == CLO_KEM_XWING ? 64 : 32;
        struct counting c = {0};
        const struct clo_rng rng = {counting_fill, &c};

        for (size_t i = 0; i < REQUESTS; i++) {
            struct clo_buf out = clo_buf_init(4096);

            assert_int_equal(
                clo_ohttp_start_request(&conf, CLO_AES_256_GCM, true, &rng, &out, enc[i], &o[i]),
                0);
            assert_int_equal(c.bytes, (i + 1) * want);
            clo_buf_clear(&out);
            for (size_t j = 0; j < i; j++) {
                assert_memory_not_equal(enc[i], enc[j], clo_kem_enc_len(kems[k]));
                /* The X25519 half by itself, which X-Wing has at the end. */
                assert_memory_not_equal(enc[i] + clo_kem_enc_len(kems[k]) - 32,
                                        enc[j] + clo_kem_enc_len(kems[k]) - 32, 32);
                assert_memory_not_equal(o[i].key, o[j].key, sizeof(o[i].key));
                assert_memory_not_equal(o[i].base_nonce, o[j].base_nonce, CLO_AEAD_NONCE);
                assert_memory_not_equal(o[i].response_secret, o[j].response_secret, 32);
            }
        }
    }
}

static void each_plain_answer_draws_a_fresh_nonce(void **state)
{
    const uint8_t seed[CLO_KEM_SEED] = {1};
    const struct clo_ohttp_keyconf conf = keyconf(CLO_KEM_X25519, seed);
    struct counting c = {0};
    const struct clo_rng rng = {counting_fill, &c};
    struct clo_buf out = clo_buf_init(4096), a = clo_buf_init(256), b = clo_buf_init(256);
    struct clo_ohttp_opened o = {0};
    uint8_t enc[CLO_KEM_ENC_MAX] = {0};

    (void)state;
    assert_int_equal(clo_ohttp_start_request(&conf, CLO_AES_128_GCM, false, &rng, &out, enc, &o),
                     0);
    c = (struct counting){0};
    assert_int_equal(clo_ohttp_plain_seal_response(&o, enc, &rng, "same", 4, &a), 0);
    assert_int_equal(clo_ohttp_plain_seal_response(&o, enc, &rng, "same", 4, &b), 0);
    assert_int_equal(c.calls, 2);
    assert_int_equal(c.bytes, 32);
    assert_int_equal(a.len, b.len);
    assert_memory_not_equal(a.p, b.p, 16);
    assert_memory_not_equal(a.p + 16, b.p + 16, a.len - 16);
    clo_buf_clear(&out);
    clo_buf_clear(&a);
    clo_buf_clear(&b);
}

/* Key pairs: other seeds, other public keys, in both halves. */
static void each_seed_gives_its_own_key_pair(void **state)
{
    enum {
        PAIRS = 20
    };
    static uint8_t pk[PAIRS][CLO_KEM_PK_MAX];

    (void)state;
    for (size_t k = 0; k < CLO_ARRAY_LEN(kems); k++) {
        const size_t n = clo_kem_pk_len(kems[k]);

        for (size_t i = 0; i < PAIRS; i++) {
            uint8_t seed[CLO_KEM_SEED];

            fill(seed, sizeof(seed));
            assert_int_equal(clo_kem_public(kems[k], seed, pk[i]), 0);
            for (size_t j = 0; j < i; j++) {
                assert_memory_not_equal(pk[i], pk[j], 32);
                assert_memory_not_equal(pk[i] + n - 32, pk[j] + n - 32, 32);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_of_a_body_gives_the_same_text),
        cmocka_unit_test(any_flipped_bit_is_refused),
        cmocka_unit_test(a_body_cut_anywhere_is_refused),
        cmocka_unit_test(chunks_that_were_swapped_doubled_or_dropped_are_refused),
        cmocka_unit_test(a_chunk_of_another_body_is_refused),
        cmocka_unit_test(every_suite_carries_a_request_and_its_answer),
        cmocka_unit_test(each_request_draws_fresh_randomness),
        cmocka_unit_test(each_plain_answer_draws_a_fresh_nonce),
        cmocka_unit_test(each_seed_gives_its_own_key_pair),
    };
    const char *seed = getenv("CLOISTER_SEED");

    prng = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    print_error("CLOISTER_SEED=%llu\n", (unsigned long long)prng); /* TAP begins with its version */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
