/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Oblivious HTTP's rules. The standards' examples are in tests/vectors/test_protocol_vectors.c, random
 * damage in tests/property/test_ohttp_property.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "codec/ohttp.h"

#define AEAD CLO_AES_256_GCM

static const uint8_t seed[CLO_KEM_SEED] = {7};
static const uint8_t key[CLO_AEAD_KEY_MAX] = {1};
static const uint8_t base_nonce[CLO_AEAD_NONCE] = {2};

static struct clo_ohttp_keyconf keyconf(uint8_t key_id, uint16_t kem)
{
    struct clo_ohttp_keyconf k = {.key_id = key_id, .kem = kem, .suites = 2};

    k.suite[0].kdf = CLO_KDF_HKDF_SHA256;
    k.suite[0].aead = CLO_AES_256_GCM;
    k.suite[1].kdf = CLO_KDF_HKDF_SHA256;
    k.suite[1].aead = CLO_CHACHA20_POLY1305;
    assert_int_equal(clo_kem_public(kem, seed, k.pk), 0);
    return k;
}

/* ---- key configurations ---- */

/* Six bytes a time: id, unknown KEM, and whatever that KEM has. */
static void put_unknown_kem(struct clo_wr *wr, uint8_t key_id)
{
    assert_int_equal(clo_wr_u16be(wr, 6), 0);
    assert_int_equal(clo_wr_u8(wr, key_id), 0);
    assert_int_equal(clo_wr_u16be(wr, 0x0010), 0);
    assert_int_equal(clo_wr_zero(wr, 3), 0);
}

static void a_written_key_list_reads_back(void **state)
{
    const struct clo_ohttp_keyconf k[2] = {keyconf(1, CLO_KEM_XWING), keyconf(2, CLO_KEM_X25519)};
    struct clo_ohttp_keyconf got[2] = {{0}};
    uint8_t list[2048] = {0};
    struct clo_wr wr = clo_wr_init(list, sizeof(list));
    size_t n = 0;

    (void)state;
    assert_int_equal(clo_ohttp_keys_write(k, 2, &wr), 0);
    assert_int_equal(clo_ohttp_keys_parse(list, wr.len, got, 2, &n), 0);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(got[i].key_id, k[i].key_id);
        assert_int_equal(got[i].kem, k[i].kem);
        assert_memory_equal(got[i].pk, k[i].pk, sizeof(k[i].pk));
        assert_int_equal(got[i].suites, 2);
        assert_memory_equal(got[i].suite, k[i].suite, sizeof(k[i].suite));
    }
}

static void unknown_kems_are_skipped(void **state)
{
    const struct clo_ohttp_keyconf k = keyconf(2, CLO_KEM_X25519);
    struct clo_ohttp_keyconf got = {0};
    uint8_t list[256] = {0};
    struct clo_wr wr = clo_wr_init(list, sizeof(list));
    size_t n = 0;

    (void)state;
    put_unknown_kem(&wr, 1);
    assert_int_equal(clo_ohttp_keys_write(&k, 1, &wr), 0);
    put_unknown_kem(&wr, 3);
    assert_int_equal(clo_ohttp_keys_parse(list, wr.len, &got, 1, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(got.key_id, 2);
}

static void unknown_suites_are_left_out_and_so_is_an_entry_without_others(void **state)
{
    struct clo_ohttp_keyconf k[2] = {keyconf(1, CLO_KEM_X25519), keyconf(2, CLO_KEM_X25519)};
    struct clo_ohttp_keyconf got[2] = {{0}};
    uint8_t list[256] = {0};
    struct clo_wr wr = clo_wr_init(list, sizeof(list));
    size_t n = 0;

    (void)state;
    k[0].suite[0].kdf = k[0].suite[1].kdf = 0x0011;
    k[1].suite[0].aead = 0xffff;
    assert_int_equal(clo_ohttp_keys_write(k, 2, &wr), 0);
    assert_int_equal(clo_ohttp_keys_parse(list, wr.len, got, 2, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(got[0].key_id, 2);
    assert_int_equal(got[0].suites, 1);
    assert_int_equal(got[0].suite[0].aead, CLO_CHACHA20_POLY1305);
}

static void a_key_id_or_a_suite_that_comes_twice_is_refused(void **state)
{
    struct clo_ohttp_keyconf k[2] = {keyconf(1, CLO_KEM_X25519), keyconf(1, CLO_KEM_XWING)};
    struct clo_ohttp_keyconf got[2] = {{0}};
    uint8_t list[2048] = {0};
    struct clo_wr wr = clo_wr_init(list, sizeof(list));
    size_t n = 99;

    (void)state;
    assert_int_equal(clo_ohttp_keys_write(k, 2, &wr), 0);
    assert_int_equal(clo_ohttp_keys_parse(list, wr.len, got, 2, &n), CLOISTER_E_DUPLICATE);
    assert_int_equal(n, 99);

    wr = clo_wr_init(list, sizeof(list));
    put_unknown_kem(&wr, 1);
    assert_int_equal(clo_ohttp_keys_write(k, 1, &wr), 0);
    assert_int_equal(clo_ohttp_keys_parse(list, wr.len, got, 2, &n), CLOISTER_E_DUPLICATE);

    k[0].suite[1] = k[0].suite[0];
    wr = clo_wr_init(list, sizeof(list));
    assert_int_equal(clo_ohttp_keys_write(k, 1, &wr), 0);
    assert_int_equal(clo_ohttp_keys_parse(list, wr.len, got, 2, &n), CLOISTER_E_DUPLICATE);
}

static void a_key_list_has_its_limits(void **state)
{
    const struct clo_ohttp_keyconf k[2] = {keyconf(1, CLO_KEM_X25519), keyconf(2, CLO_KEM_X25519)};
    struct clo_ohttp_keyconf got = {0};
    uint8_t list[512] = {0};
    struct clo_wr wr = clo_wr_init(list, sizeof(list));
    size_t n = 99;

    (void)state;
    assert_int_equal(clo_ohttp_keys_write(k, 2, &wr), 0);
    assert_int_equal(clo_ohttp_keys_parse(list, wr.len, &got, 1, &n), CLOISTER_E_LIMIT);
    wr = clo_wr_init(list, sizeof(list));
    for (uint8_t i = 0; i < 16; i++)
        put_unknown_kem(&wr, i);
    assert_int_equal(clo_ohttp_keys_parse(list, wr.len, &got, 1, &n), 0);
    assert_int_equal(n, 0);
    put_unknown_kem(&wr, 16);
    assert_int_equal(clo_ohttp_keys_parse(list, wr.len, &got, 1, &n), CLOISTER_E_LIMIT);
}

static void a_cut_key_list_is_refused_at_every_byte(void **state)
{
    const struct clo_ohttp_keyconf k = keyconf(1, CLO_KEM_X25519);
    struct clo_ohttp_keyconf got = {0};
    uint8_t list[256] = {0};
    struct clo_wr wr = clo_wr_init(list, sizeof(list));
    size_t n = 99;

    (void)state;
    assert_int_equal(clo_ohttp_keys_write(&k, 1, &wr), 0);
    for (size_t len = 1; len < wr.len; len++)
        assert_int_equal(clo_ohttp_keys_parse(list, len, &got, 1, &n), CLOISTER_E_TRUNCATED);
    assert_int_equal(n, 99);
}

static void a_key_entry_with_wrong_inner_lengths_is_refused(void **state)
{
    const struct clo_ohttp_keyconf k = keyconf(1, CLO_KEM_X25519);
    struct clo_ohttp_keyconf got = {0};
    uint8_t list[256] = {0};
    struct clo_wr wr = clo_wr_init(list, sizeof(list));
    size_t n = 99;

    (void)state;
    assert_int_equal(clo_ohttp_keys_write(&k, 1, &wr), 0);
    assert_int_equal(wr.len, 2 + 3 + 32 + 2 + 8);
    list[1]++; /* the entry claims one byte more, and it is there */
    assert_int_equal(clo_ohttp_keys_parse(list, wr.len + 1, &got, 1, &n), CLOISTER_E_TRAILING);
    list[1]--;
    list[38] = 0; /* no suites, then bytes that nobody claims */
    assert_int_equal(clo_ohttp_keys_parse(list, wr.len, &got, 1, &n), CLOISTER_E_TRAILING);
    list[1] -= 8;
    assert_int_equal(clo_ohttp_keys_parse(list, wr.len - 8, &got, 1, &n), CLOISTER_E_MALFORMED);
    list[1] += 7;
    list[38] = 7; /* not a multiple of four */
    assert_int_equal(clo_ohttp_keys_parse(list, wr.len - 1, &got, 1, &n), CLOISTER_E_MALFORMED);
}

static void only_a_complete_key_configuration_is_written(void **state)
{
    struct clo_ohttp_keyconf k = keyconf(1, CLO_KEM_X25519);
    uint8_t list[64] = {0};
    struct clo_wr wr = clo_wr_init(list, 20);

    (void)state;
    assert_int_not_equal(clo_ohttp_keyconf_write(&k, &wr), 0); /* no room */
    assert_int_equal(wr.len, 0);
    wr = clo_wr_init(list, sizeof(list));
    assert_int_equal(clo_ohttp_keys_write(&k, 0, &wr), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_ohttp_keys_write(&k, 17, &wr), CLOISTER_E_ARGUMENT);
    k.suites = 0;
    assert_int_equal(clo_ohttp_keyconf_write(&k, &wr), CLOISTER_E_ARGUMENT);
    k.suites = CLO_OHTTP_SUITES_MAX + 1;
    assert_int_equal(clo_ohttp_keyconf_write(&k, &wr), CLOISTER_E_ARGUMENT);
    k = keyconf(1, CLO_KEM_X25519);
    k.kem = 0x0010;
    assert_int_equal(clo_ohttp_keyconf_write(&k, &wr), CLOISTER_E_ARGUMENT);
    assert_int_equal(wr.len, 0);
}

/* ---- header and info ---- */

static void a_header_reads_as_it_was_written(void **state)
{
    const struct clo_suite s = {CLO_KEM_XWING, CLO_KDF_HKDF_SHA256, CLO_CHACHA20_POLY1305};
    const uint8_t want[] = {9, 0x64, 0x7a, 0, 1, 0, 3};
    uint8_t raw[8] = {0};
    struct clo_wr wr = clo_wr_init(raw, sizeof(raw));
    struct clo_ohttp_header h = {0};
    struct clo_rd rd;

    (void)state;
    assert_int_equal(clo_ohttp_header_write(9, &s, &wr), 0);
    assert_int_equal(wr.len, CLO_OHTTP_HDR);
    assert_memory_equal(raw, want, sizeof(want));
    rd = clo_rd_init(raw, sizeof(raw));
    assert_int_equal(clo_ohttp_header_parse(&rd, &h), 0);
    assert_int_equal(rd.left, 1);
    assert_int_equal(h.key_id, 9);
    assert_int_equal(h.suite.kem, s.kem);
    assert_int_equal(h.suite.kdf, s.kdf);
    assert_int_equal(h.suite.aead, s.aead);
    assert_memory_equal(h.raw, want, sizeof(want));
    rd = clo_rd_init(raw, 6);
    assert_int_equal(clo_ohttp_header_parse(&rd, &h), CLOISTER_E_TRUNCATED);
    assert_int_equal(rd.left, 6);
}

static void info_holds_the_label_a_zero_and_the_header(void **state)
{
    const uint8_t raw[CLO_OHTTP_HDR] = {1, 2, 3, 4, 5, 6, 7};
    uint8_t info[CLO_OHTTP_INFO_MAX] = {0};

    (void)state;
    assert_int_equal(clo_ohttp_info(false, raw, info), 22 + 7);
    assert_memory_equal(info, "message/bhttp request\0\1\2\3\4\5\6\7", 29);
    assert_int_equal(clo_ohttp_info(true, raw, info), 30 + 7);
    assert_memory_equal(info, "message/bhttp chunked request\0\1\2\3\4\5\6\7", 37);
}

/* ---- opening a request ---- */

struct request {
    struct clo_ohttp_header header;
    uint8_t enc[CLO_KEM_ENC_MAX];
    struct clo_ohttp_opened client;
};

static struct request start(uint16_t kem, uint16_t aead, bool chunked)
{
    const struct clo_ohttp_keyconf k = keyconf(5, kem);
    struct clo_buf out = clo_buf_init(4096);
    struct request r = {0};
    struct clo_rd rd;

    assert_int_equal(
        clo_ohttp_start_request(&k, aead, chunked, clo_rng_system(), &out, r.enc, &r.client), 0);
    rd = clo_rd_init(out.p, out.len);
    assert_int_equal(clo_ohttp_header_parse(&rd, &r.header), 0);
    assert_int_equal(rd.left, clo_kem_enc_len(kem));
    assert_memory_equal(rd.p, r.enc, rd.left);
    clo_buf_clear(&out);
    return r;
}

static void both_sides_of_a_request_hold_the_same_keys(void **state)
{
    static const uint16_t kems[] = {CLO_KEM_X25519, CLO_KEM_XWING};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        const struct request r = start(kems[i / 2], AEAD, i % 2);
        struct clo_ohttp_opened server = {0};

        assert_int_equal(clo_ohttp_open_request(seed, &r.header, i % 2, r.enc, &server), 0);
        assert_memory_equal(server.key, r.client.key, sizeof(server.key));
        assert_memory_equal(server.base_nonce, r.client.base_nonce, sizeof(server.base_nonce));
        assert_memory_equal(server.response_secret, r.client.response_secret,
                            sizeof(server.response_secret));
        assert_int_equal(server.chunked, i % 2);
    }
}

static void the_plain_and_the_chunked_form_share_no_key(void **state)
{
    const struct request r = start(CLO_KEM_X25519, AEAD, true);
    struct clo_ohttp_opened plain = {0};

    (void)state;
    assert_int_equal(clo_ohttp_open_request(seed, &r.header, false, r.enc, &plain), 0);
    assert_memory_not_equal(plain.key, r.client.key, sizeof(plain.key));
    assert_memory_not_equal(plain.response_secret, r.client.response_secret,
                            sizeof(plain.response_secret));
}

/* Nothing in the header is outside the key schedule, the key id included. */
static void every_header_bit_is_bound_into_the_keys(void **state)
{
    const struct request r = start(CLO_KEM_X25519, AEAD, true);

    (void)state;
    for (size_t bit = 0; bit < 8 * (size_t)CLO_OHTTP_HDR; bit++) {
        uint8_t raw[CLO_OHTTP_HDR];
        struct clo_rd rd = clo_rd_init(raw, sizeof(raw));
        struct clo_ohttp_opened server = {0};
        struct clo_ohttp_header h = {0};
        int err;

        memcpy(raw, r.header.raw, sizeof(raw));
        raw[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(clo_ohttp_header_parse(&rd, &h), 0);
        err = clo_ohttp_open_request(seed, &h, true, r.enc, &server);
        if (err == 0)
            assert_memory_not_equal(server.key, r.client.key, 16);
        else
            assert_int_equal(err, CLOISTER_E_UNSUPPORTED);
    }
}

static void a_suite_that_the_configuration_does_not_list_is_not_used(void **state)
{
    const struct clo_ohttp_keyconf k = keyconf(1, CLO_KEM_X25519);
    struct clo_buf out = clo_buf_init(4096);
    struct clo_ohttp_opened o = {0};
    uint8_t enc[CLO_KEM_ENC_MAX] = {0};

    (void)state;
    assert_int_equal(
        clo_ohttp_start_request(&k, CLO_AES_128_GCM, true, clo_rng_system(), &out, enc, &o),
        CLOISTER_E_UNSUPPORTED);
    assert_int_equal(clo_ohttp_start_request(&k, 0xffff, true, clo_rng_system(), &out, enc, &o),
                     CLOISTER_E_UNSUPPORTED);
    assert_int_equal(out.len, 0);
    clo_buf_clear(&out);
}

static void a_request_that_has_no_room_is_not_started(void **state)
{
    const struct clo_ohttp_keyconf k = keyconf(1, CLO_KEM_XWING);
    struct clo_buf out = clo_buf_init(1126);
    struct clo_ohttp_opened o = {0};
    uint8_t enc[CLO_KEM_ENC_MAX] = {0};

    (void)state;
    assert_int_equal(clo_ohttp_start_request(&k, AEAD, true, clo_rng_system(), &out, enc, &o),
                     CLOISTER_E_LIMIT);
    assert_int_equal(out.len, 0);
    clo_buf_clear(&out);
}

static void each_direction_has_its_own_key(void **state)
{
    const struct request r = start(CLO_KEM_XWING, AEAD, true);
    const uint8_t nonce[2][CLO_AEAD_KEY_MAX] = {{1}, {2}};
    uint8_t k[2][CLO_AEAD_KEY_MAX] = {{0}}, n[2][CLO_AEAD_NONCE] = {{0}};

    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(clo_ohttp_response_keys(&r.client, r.enc, nonce[i], k[i], n[i]), 0);
    assert_memory_not_equal(k[0], r.client.key, sizeof(k[0]));
    assert_memory_not_equal(n[0], r.client.base_nonce, sizeof(n[0]));
    assert_memory_not_equal(k[0], k[1], sizeof(k[0])); /* the response nonce decides */
}

static void the_response_secret_is_as_long_as_nonce_and_key_allow(void **state)
{
    (void)state;
    assert_int_equal(clo_ohttp_secret_len(CLO_AES_128_GCM), 16);
    assert_int_equal(clo_ohttp_secret_len(CLO_AES_256_GCM), 32);
    assert_int_equal(clo_ohttp_secret_len(CLO_CHACHA20_POLY1305), 32);
    assert_int_equal(clo_ohttp_secret_len(0xffff), 0);
}

static void a_wiped_request_is_zero(void **state)
{
    static const struct clo_ohttp_opened zero;
    struct clo_ohttp_opened o;

    (void)state;
    memset(&o, 0xee, sizeof(o));
    clo_ohttp_opened_wipe(&o);
    assert_memory_equal(&o, &zero, sizeof(o));
}

/* ---- chunks ---- */

/* What a reader delivered. */
struct got {
    struct clo_buf text;
    unsigned chunks, finals;
    int answer; /* what the callback returns */
    const uint8_t *last;
};

static int collect(void *ctx, const uint8_t *p, size_t n, bool final)
{
    struct got *g = ctx;

    assert_int_equal(g->finals, 0);
    g->chunks++;
    g->finals += final;
    g->last = p;
    assert_int_equal(clo_buf_append(&g->text, p, n), 0);
    return g->answer;
}

static struct clo_ohttp_reader *reader(void)
{
    struct clo_ohttp_reader *r = NULL;

    assert_int_equal(clo_ohttp_reader_new(AEAD, key, base_nonce, &r), 0);
    return r;
}

static struct clo_ohttp_writer *writer(void)
{
    struct clo_ohttp_writer *w = NULL;

    assert_int_equal(clo_ohttp_writer_new(AEAD, key, base_nonce, &w), 0);
    return w;
}

/* "one" and "two", then the final chunk "end": 1 + 19, 1 + 19, 1 + 19 bytes. */
static struct clo_buf three_chunks(void)
{
    struct clo_ohttp_writer *w = writer();
    struct clo_buf out = clo_buf_init(4096);

    assert_int_equal(clo_ohttp_writer_chunk(w, "one", 3, &out), 0);
    assert_int_equal(clo_ohttp_writer_chunk(w, "two", 3, &out), 0);
    assert_int_equal(clo_ohttp_writer_final(w, "end", 3, &out), 0);
    assert_int_equal(out.len, 60);
    clo_ohttp_writer_free(w);
    return out;
}

/* Feed everything and end; the first error. */
static int read_all(const uint8_t *p, size_t n, struct got *g)
{
    struct clo_ohttp_reader *r = reader();
    int err;

    *g = (struct got){.text = clo_buf_init(1 << 20)};
    err = clo_ohttp_reader_feed(r, p, n, collect, g);
    if (err == 0)
        err = clo_ohttp_reader_end(r, collect, g);
    clo_ohttp_reader_free(r);
    return err;
}

static void chunks_come_out_as_they_went_in(void **state)
{
    struct clo_buf body = three_chunks();
    struct got g = {0};

    (void)state;
    assert_int_equal(read_all(body.p, body.len, &g), 0);
    assert_int_equal(g.chunks, 3);
    assert_int_equal(g.finals, 1);
    assert_int_equal(g.text.len, 9);
    assert_memory_equal(g.text.p, "onetwoend", 9);
    clo_buf_clear(&g.text);
    clo_buf_clear(&body);
}

static void each_chunk_is_delivered_as_soon_as_it_is_whole(void **state)
{
    struct clo_buf body = three_chunks();
    struct clo_ohttp_reader *r = reader();
    struct got g = {.text = clo_buf_init(64)};

    (void)state;
    for (size_t i = 0; i < body.len; i++) {
        assert_int_equal(g.chunks, i / 20 < 2 ? i / 20 : 2);
        assert_int_equal(clo_ohttp_reader_feed(r, body.p + i, 1, collect, &g), 0);
    }
    assert_int_equal(g.chunks, 2);
    assert_int_equal(clo_ohttp_reader_end(r, collect, &g), 0);
    assert_int_equal(g.finals, 1);
    clo_ohttp_reader_free(r);
    clo_buf_clear(&g.text);
    clo_buf_clear(&body);
}

static void the_final_chunk_may_be_empty(void **state)
{
    struct clo_ohttp_writer *w = writer();
    struct clo_buf body = clo_buf_init(64);
    struct got g = {0};

    (void)state;
    assert_int_equal(clo_ohttp_writer_final(w, NULL, 0, &body), 0);
    assert_int_equal(body.len, 17);
    assert_int_equal(read_all(body.p, body.len, &g), 0);
    assert_int_equal(g.finals, 1);
    assert_int_equal(g.text.len, 0);
    clo_ohttp_writer_free(w);
    clo_buf_clear(&body);
    clo_buf_clear(&g.text);
}

static void the_largest_chunks_pass(void **state)
{
    static uint8_t text[CLO_OHTTP_CHUNK_MAX + 1];
    struct clo_ohttp_writer *w = writer();
    struct clo_buf body = clo_buf_init(1 << 20);
    struct got g = {0};

    (void)state;
    assert_int_equal(clo_ohttp_writer_chunk(w, text, sizeof(text), &body), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_ohttp_writer_final(w, text, sizeof(text), &body), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_ohttp_writer_chunk(w, text, CLO_OHTTP_CHUNK_MAX, &body), 0);
    assert_int_equal(body.len, 4 + CLO_OHTTP_CHUNK_MAX + CLO_AEAD_TAG);
    assert_int_equal(clo_ohttp_writer_final(w, text, CLO_OHTTP_CHUNK_MAX, &body), 0);
    assert_int_equal(read_all(body.p, body.len, &g), 0);
    assert_int_equal(g.text.len, 2 * CLO_OHTTP_CHUNK_MAX);
    clo_ohttp_writer_free(w);
    clo_buf_clear(&body);
    clo_buf_clear(&g.text);
}

static void a_length_over_the_limit_is_refused_before_its_bytes_arrive(void **state)
{
    static const uint8_t lengths[][8] = {
        {0x80, 0x00, 0x40, 0x11},                         /* 16384 + 16 + 1 */
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, /* 2^62 - 1 */
    };
    static const size_t n[] = {4, 8};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct clo_ohttp_reader *r = reader();
        struct got g = {0};

        assert_int_equal(clo_ohttp_reader_feed(r, lengths[i], n[i] - 1, collect, &g), 0);
        assert_int_equal(clo_ohttp_reader_feed(r, lengths[i] + n[i] - 1, 1, collect, &g),
                         CLOISTER_E_LIMIT);
        assert_int_equal(clo_ohttp_reader_feed(r, "", 1, collect, &g), CLOISTER_E_STATE);
        clo_ohttp_reader_free(r);
    }
}

static void a_final_chunk_over_the_limit_is_refused_as_soon_as_it_is_too_long(void **state)
{
    static const uint8_t bytes[1 + CLO_OHTTP_CHUNK_MAX + CLO_AEAD_TAG]; /* the mark 0, then zeros */
    struct clo_ohttp_reader *r = reader();
    struct got g = {0};

    (void)state;
    assert_int_equal(clo_ohttp_reader_feed(r, bytes, sizeof(bytes), collect, &g), 0);
    assert_int_equal(clo_ohttp_reader_feed(r, bytes, 1, collect, &g), CLOISTER_E_LIMIT);
    assert_int_equal(clo_ohttp_reader_end(r, collect, &g), CLOISTER_E_STATE);
    assert_int_equal(g.chunks, 0);
    clo_ohttp_reader_free(r);
}

static void an_empty_chunk_that_is_not_final_is_refused(void **state)
{
    struct clo_ohttp_writer *w = writer();
    struct clo_aead_seq *s = NULL;
    uint8_t body[1 + CLO_AEAD_TAG] = {CLO_AEAD_TAG};
    struct clo_buf out = clo_buf_init(64);
    struct got g = {0};

    (void)state;
    assert_int_equal(clo_ohttp_writer_chunk(w, NULL, 0, &out), CLOISTER_E_ARGUMENT);
    clo_ohttp_writer_free(w);
    /* A peer that seals one correctly all the same. */
    assert_int_equal(clo_aead_seq_new(AEAD, CLO_SEAL, key, base_nonce, &s), 0);
    assert_int_equal(clo_aead_seal(s, NULL, 0, NULL, 0, body + 1), 0);
    clo_aead_seq_free(s);
    assert_int_equal(read_all(body, sizeof(body), &g), CLOISTER_E_AUTH);
    assert_int_equal(g.chunks, 0);
    for (uint8_t len = 1; len < CLO_AEAD_TAG; len++) {
        body[0] = len;
        assert_int_equal(read_all(body, 1, &g), CLOISTER_E_AUTH);
    }
}

static void a_body_without_its_final_chunk_is_cut(void **state)
{
    struct clo_buf body = three_chunks();
    struct got g = {0};

    (void)state;
    for (size_t n = 0; n < body.len; n++) {
        /* From 17 bytes behind the mark on there is a tag, but not the right one. */
        assert_int_equal(read_all(body.p, n, &g), n < 57 ? CLOISTER_E_CUT : CLOISTER_E_AUTH);
        assert_int_equal(g.finals, 0);
        clo_buf_clear(&g.text);
    }
    clo_buf_clear(&body);
}

static void bytes_behind_the_final_chunk_are_refused(void **state)
{
    struct clo_buf body = three_chunks();
    struct got g = {0};

    (void)state;
    assert_int_equal(clo_buf_append(&body, "", 1), 0);
    assert_int_equal(read_all(body.p, body.len, &g), CLOISTER_E_AUTH);
    assert_int_equal(g.chunks, 2);
    assert_int_equal(g.finals, 0);
    clo_buf_clear(&g.text);
    clo_buf_clear(&body);
}

/* A chunk can't be passed off as the end, nor the end as a chunk: the AAD differs. */
static void the_final_mark_is_authenticated(void **state)
{
    struct clo_buf body = three_chunks();
    struct got g = {0};

    (void)state;
    body.p[20] = 0; /* "two" as the final chunk */
    assert_int_equal(read_all(body.p, 40, &g), CLOISTER_E_AUTH);
    assert_int_equal(g.chunks, 1);
    clo_buf_clear(&g.text);
    body.p[20] = 19;
    body.p[40] = 19; /* "end" as one more chunk */
    assert_int_equal(read_all(body.p, body.len, &g), CLOISTER_E_AUTH);
    assert_int_equal(g.chunks, 2);
    clo_buf_clear(&g.text);
    clo_buf_clear(&body);
}

/* RFC 9000 allows longer encodings; the length itself is not authenticated, the chunk is. */
static void a_length_in_a_longer_encoding_is_accepted(void **state)
{
    struct clo_buf body = three_chunks();
    uint8_t longer[61 + 1 + 3 + 7] = {0};
    struct clo_wr wr = clo_wr_init(longer, sizeof(longer));
    struct got g = {0};

    (void)state;
    assert_int_equal(clo_wr_u16be(&wr, 0x4000 | 19), 0);
    assert_int_equal(clo_wr_bytes(&wr, body.p + 1, 19), 0);
    assert_int_equal(clo_wr_u32be(&wr, 0x80000000 | 19), 0);
    assert_int_equal(clo_wr_bytes(&wr, body.p + 21, 19), 0);
    assert_int_equal(clo_wr_u64be(&wr, UINT64_C(0xc000000000000000)), 0);
    assert_int_equal(clo_wr_bytes(&wr, body.p + 41, 19), 0);
    assert_int_equal(read_all(longer, wr.len, &g), 0);
    assert_memory_equal(g.text.p, "onetwoend", 9);
    clo_buf_clear(&g.text);
    clo_buf_clear(&body);
}

static void the_first_error_ends_the_reading(void **state)
{
    struct clo_buf body = three_chunks();
    struct clo_ohttp_reader *r = reader();
    struct got g = {.text = clo_buf_init(64)};

    (void)state;
    body.p[5] ^= 1;
    assert_int_equal(clo_ohttp_reader_feed(r, body.p, 20, collect, &g), CLOISTER_E_AUTH);
    body.p[5] ^= 1;
    assert_int_equal(clo_ohttp_reader_feed(r, body.p, 20, collect, &g), CLOISTER_E_STATE);
    assert_int_equal(clo_ohttp_reader_feed(r, NULL, 0, collect, &g), CLOISTER_E_STATE);
    assert_int_equal(clo_ohttp_reader_end(r, collect, &g), CLOISTER_E_STATE);
    assert_int_equal(g.chunks, 0);
    clo_ohttp_reader_free(r);
    clo_buf_clear(&body);
}

static void the_callbacks_error_ends_the_reading(void **state)
{
    struct clo_buf body = three_chunks();
    struct clo_ohttp_reader *r = reader();
    struct got g = {.text = clo_buf_init(64), .answer = CLOISTER_E_CANCELLED};

    (void)state;
    assert_int_equal(clo_ohttp_reader_feed(r, body.p, body.len, collect, &g), CLOISTER_E_CANCELLED);
    assert_int_equal(g.chunks, 1);
    assert_int_equal(clo_ohttp_reader_feed(r, body.p, body.len, collect, &g), CLOISTER_E_STATE);
    clo_ohttp_reader_free(r);
    clo_buf_clear(&g.text);
    clo_buf_clear(&body);
}

static void a_delivered_chunk_is_wiped(void **state)
{
    static const uint8_t zeros[3];
    struct clo_buf body = three_chunks();
    struct clo_ohttp_reader *r = reader();
    struct got g = {.text = clo_buf_init(64)};

    (void)state;
    assert_int_equal(clo_ohttp_reader_feed(r, body.p, 20, collect, &g), 0);
    assert_memory_equal(g.text.p, "one", 3);
    assert_memory_equal(g.last, zeros, 3); /* the reader keeps its buffer, empty */
    clo_ohttp_reader_free(r);
    clo_buf_clear(&g.text);
    clo_buf_clear(&body);
}

static void a_reader_ends_once(void **state)
{
    struct clo_buf body = three_chunks();
    struct clo_ohttp_reader *r = reader();
    struct got g = {.text = clo_buf_init(64)};

    (void)state;
    assert_int_equal(clo_ohttp_reader_feed(r, body.p, body.len, collect, &g), 0);
    assert_int_equal(clo_ohttp_reader_end(r, collect, &g), 0);
    assert_int_equal(clo_ohttp_reader_end(r, collect, &g), CLOISTER_E_STATE);
    assert_int_equal(clo_ohttp_reader_feed(r, body.p, 1, collect, &g), CLOISTER_E_STATE);
    assert_int_equal(g.finals, 1);
    clo_ohttp_reader_free(r);
    clo_ohttp_reader_free(NULL);
    clo_buf_clear(&g.text);
    clo_buf_clear(&body);
}

static void nothing_is_written_after_the_final_chunk(void **state)
{
    struct clo_ohttp_writer *w = writer();
    struct clo_buf out = clo_buf_init(64);

    (void)state;
    assert_int_equal(clo_ohttp_writer_final(w, NULL, 0, &out), 0);
    assert_int_equal(clo_ohttp_writer_chunk(w, "x", 1, &out), CLOISTER_E_STATE);
    assert_int_equal(clo_ohttp_writer_final(w, NULL, 0, &out), CLOISTER_E_STATE);
    assert_int_equal(out.len, 17);
    clo_ohttp_writer_free(w);
    clo_ohttp_writer_free(NULL);
    clo_buf_clear(&out);
}

/* A chunk that finds no room took no number: the next one is still message 0. */
static void a_chunk_that_has_no_room_is_not_sealed(void **state)
{
    struct clo_ohttp_writer *w = writer();
    struct clo_buf out = clo_buf_init(20);
    struct got g = {0};

    (void)state;
    assert_int_equal(clo_ohttp_writer_chunk(w, "four", 4, &out), CLOISTER_E_LIMIT);
    assert_int_equal(out.len, 0);
    assert_int_equal(clo_ohttp_writer_final(w, "end", 3, &out), 0);
    assert_int_equal(read_all(out.p, out.len, &g), 0);
    clo_ohttp_writer_free(w);
    clo_buf_clear(&out);
    clo_buf_clear(&g.text);
}

static void an_unknown_aead_makes_no_reader_and_no_writer(void **state)
{
    struct clo_ohttp_reader *r = NULL;
    struct clo_ohttp_writer *w = NULL;

    (void)state;
    assert_int_equal(clo_ohttp_reader_new(0xffff, key, base_nonce, &r), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(clo_ohttp_writer_new(0xffff, key, base_nonce, &w), CLOISTER_E_UNSUPPORTED);
    assert_null(r);
    assert_null(w);
}

/* ---- plain form ---- */

static void a_plain_exchange_goes_both_ways(void **state)
{
    const struct request r = start(CLO_KEM_XWING, CLO_CHACHA20_POLY1305, false);
    struct clo_ohttp_opened server = {0};
    struct clo_buf sealed = clo_buf_init(256), got = clo_buf_init(256);

    (void)state;
    assert_int_equal(clo_ohttp_open_request(seed, &r.header, false, r.enc, &server), 0);
    assert_int_equal(clo_ohttp_plain_seal_request(&r.client, "ask", 3, &sealed), 0);
    assert_int_equal(clo_ohttp_plain_open_request(&server, sealed.p, sealed.len, &got), 0);
    assert_memory_equal(got.p, "ask", 3);
    clo_buf_clear(&sealed);
    clo_buf_clear(&got);
    assert_int_equal(
        clo_ohttp_plain_seal_response(&server, r.enc, clo_rng_system(), "answer", 6, &sealed), 0);
    assert_int_equal(sealed.len, 32 + 6 + CLO_AEAD_TAG);
    assert_int_equal(clo_ohttp_plain_open_response(&r.client, r.enc, sealed.p, sealed.len, &got),
                     0);
    assert_int_equal(got.len, 6);
    assert_memory_equal(got.p, "answer", 6);
    clo_buf_clear(&sealed);
    clo_buf_clear(&got);
}

static void every_flipped_bit_of_a_plain_message_is_refused(void **state)
{
    const struct request r = start(CLO_KEM_X25519, AEAD, false);
    struct clo_buf req = clo_buf_init(256), res = clo_buf_init(256), got = clo_buf_init(256);

    (void)state;
    assert_int_equal(clo_ohttp_plain_seal_request(&r.client, "ask", 3, &req), 0);
    assert_int_equal(
        clo_ohttp_plain_seal_response(&r.client, r.enc, clo_rng_system(), "ok", 2, &res), 0);
    for (size_t bit = 0; bit < 8 * req.len; bit++) {
        req.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(clo_ohttp_plain_open_request(&r.client, req.p, req.len, &got),
                         CLOISTER_E_AUTH);
        req.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * res.len; bit++) {
        res.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(clo_ohttp_plain_open_response(&r.client, r.enc, res.p, res.len, &got),
                         CLOISTER_E_AUTH);
        res.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t n = 0; n < res.len; n++)
        assert_int_equal(clo_ohttp_plain_open_response(&r.client, r.enc, res.p, n, &got),
                         n < 32 ? CLOISTER_E_TRUNCATED : CLOISTER_E_AUTH);
    assert_int_equal(got.len, 0);
    clo_buf_clear(&req);
    clo_buf_clear(&res);
    clo_buf_clear(&got);
}

static void the_plain_form_refuses_the_keys_of_a_chunked_request(void **state)
{
    const struct request r = start(CLO_KEM_X25519, AEAD, true);
    uint8_t sealed[64] = {0};
    struct clo_buf out = clo_buf_init(256);

    (void)state;
    assert_int_equal(clo_ohttp_plain_seal_request(&r.client, "ask", 3, &out), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_ohttp_plain_open_request(&r.client, sealed, sizeof(sealed), &out),
                     CLOISTER_E_ARGUMENT);
    assert_int_equal(
        clo_ohttp_plain_seal_response(&r.client, r.enc, clo_rng_system(), "ok", 2, &out),
        CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_ohttp_plain_open_response(&r.client, r.enc, sealed, sizeof(sealed), &out),
                     CLOISTER_E_ARGUMENT);
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_key_list_reads_back),
        cmocka_unit_test(unknown_kems_are_skipped),
        cmocka_unit_test(unknown_suites_are_left_out_and_so_is_an_entry_without_others),
        cmocka_unit_test(a_key_id_or_a_suite_that_comes_twice_is_refused),
        cmocka_unit_test(a_key_list_has_its_limits),
        cmocka_unit_test(a_cut_key_list_is_refused_at_every_byte),
        cmocka_unit_test(a_key_entry_with_wrong_inner_lengths_is_refused),
        cmocka_unit_test(only_a_complete_key_configuration_is_written),
        cmocka_unit_test(a_header_reads_as_it_was_written),
        cmocka_unit_test(info_holds_the_label_a_zero_and_the_header),
        cmocka_unit_test(both_sides_of_a_request_hold_the_same_keys),
        cmocka_unit_test(the_plain_and_the_chunked_form_share_no_key),
        cmocka_unit_test(every_header_bit_is_bound_into_the_keys),
        cmocka_unit_test(a_suite_that_the_configuration_does_not_list_is_not_used),
        cmocka_unit_test(a_request_that_has_no_room_is_not_started),
        cmocka_unit_test(each_direction_has_its_own_key),
        cmocka_unit_test(the_response_secret_is_as_long_as_nonce_and_key_allow),
        cmocka_unit_test(a_wiped_request_is_zero),
        cmocka_unit_test(chunks_come_out_as_they_went_in),
        cmocka_unit_test(each_chunk_is_delivered_as_soon_as_it_is_whole),
        cmocka_unit_test(the_final_chunk_may_be_empty),
        cmocka_unit_test(the_largest_chunks_pass),
        cmocka_unit_test(a_length_over_the_limit_is_refused_before_its_bytes_arrive),
        cmocka_unit_test(a_final_chunk_over_the_limit_is_refused_as_soon_as_it_is_too_long),
        cmocka_unit_test(an_empty_chunk_that_is_not_final_is_refused),
        cmocka_unit_test(a_body_without_its_final_chunk_is_cut),
        cmocka_unit_test(bytes_behind_the_final_chunk_are_refused),
        cmocka_unit_test(the_final_mark_is_authenticated),
        cmocka_unit_test(a_length_in_a_longer_encoding_is_accepted),
        cmocka_unit_test(the_first_error_ends_the_reading),
        cmocka_unit_test(the_callbacks_error_ends_the_reading),
        cmocka_unit_test(a_delivered_chunk_is_wiped),
        cmocka_unit_test(a_reader_ends_once),
        cmocka_unit_test(nothing_is_written_after_the_final_chunk),
        cmocka_unit_test(a_chunk_that_has_no_room_is_not_sealed),
        cmocka_unit_test(an_unknown_aead_makes_no_reader_and_no_writer),
        cmocka_unit_test(a_plain_exchange_goes_both_ways),
        cmocka_unit_test(every_flipped_bit_of_a_plain_message_is_refused),
        cmocka_unit_test(the_plain_form_refuses_the_keys_of_a_chunked_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
