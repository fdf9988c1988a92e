/* SPDX-License-Identifier: Apache-2.0 */
/* A server made of the codec, for tests of the client's channel: it opens a request as the gateway does, and seals what a test wants. */
#ifndef CHANNEL_SERVER_H
#define CHANNEL_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cloister/channel.h>

#include "codec/bhttp.h"
#include "codec/ohttp.h"

enum {
    NOW = 1800000000,
    VALID_UNTIL = NOW + 600,
    ANSWER_MAX = 1 << 20
};

struct server {
    uint8_t seed[2][CLO_KEM_SEED]; /* X-Wing, X25519 */
    struct clo_ohttp_keyconf conf[2];
    /* the last request */
    struct clo_ohttp_header hdr;
    struct clo_ohttp_opened opened;
    uint8_t enc[CLO_KEM_ENC_MAX];
    char method[16], scheme[16], authority[16], path[64], fields[2048];
    struct clo_buf content;
    size_t chunks, largest, final_n, total; /* of plaintext, zeros behind the message included */
    struct clo_bhttp_dec *dec;
};

static void make_conf(struct server *s, size_t i, uint16_t kem, uint8_t key_id)
{
    struct clo_ohttp_keyconf *k = &s->conf[i];

    *k = (struct clo_ohttp_keyconf){.key_id = key_id, .kem = kem, .suites = 3};
    for (uint16_t a = 0; a < 3; a++) {
        k->suite[a].kdf = CLO_KDF_HKDF_SHA256;
        k->suite[a].aead = (uint16_t)(a + 1);
    }
    assert_int_equal(clo_rng_fill(clo_rng_system(), s->seed[i], CLO_KEM_SEED), 0);
    assert_int_equal(clo_kem_public(kem, s->seed[i], k->pk), 0);
}

static void verdict_keys(struct cloister_verdict *v, const struct clo_ohttp_keyconf *k, size_t n)
{
    struct clo_wr wr = clo_wr_init(v->ohttp_keys, sizeof(v->ohttp_keys));

    assert_int_equal(clo_ohttp_keys_write(k, n, &wr), 0);
    v->ohttp_keys_n = wr.len;
}

static struct cloister_verdict good_verdict(const struct server *s)
{
    struct cloister_verdict v = {
        .outcome = CLOISTER_VERIFIED,
        .freshness = CLOISTER_FRESH,
        .checked_at = NOW,
        .valid_until = VALID_UNTIL,
        .gateway = "/r/0123456789abcdef",
        .aead = {CLO_AES_256_GCM, CLO_CHACHA20_POLY1305},
        .aeads = 2,
    };

    verdict_keys(&v, s->conf, 2);
    return v;
}

static int on_request(void *ctx, const char *method, const char *scheme, const char *authority,
                      const char *path)
{
    struct server *s = ctx;

    assert_true(strlen(method) < sizeof(s->method) && strlen(scheme) < sizeof(s->scheme) &&
                strlen(authority) < sizeof(s->authority) && strlen(path) < sizeof(s->path));
    strcpy(s->method, method);
    strcpy(s->scheme, scheme);
    strcpy(s->authority, authority);
    strcpy(s->path, path);
    return 0;
}

static int on_fields(void *ctx, const struct clo_bhttp_field *f, size_t n)
{
    struct server *s = ctx;

    for (size_t i = 0; i < n; i++) {
        strncat(s->fields, f[i].name, sizeof(s->fields) - strlen(s->fields) - 1);
        strncat(s->fields, ": ", sizeof(s->fields) - strlen(s->fields) - 1);
        strncat(s->fields, f[i].value, sizeof(s->fields) - strlen(s->fields) - 1);
        strncat(s->fields, "\n", sizeof(s->fields) - strlen(s->fields) - 1);
    }
    return 0;
}

static int on_body(void *ctx, const uint8_t *p, size_t n)
{
    struct server *s = ctx;

    return clo_buf_append(&s->content, p, n);
}

static int on_chunk(void *ctx, const uint8_t *p, size_t n, bool final)
{
    struct server *s = ctx;

    s->chunks++;
    s->total += n;
    if (n > s->largest)
        s->largest = n;
    if (final)
        s->final_n = n;
    return clo_bhttp_dec_feed(s->dec, p, n);
}

/* Open a request as the gateway does. */
static void serve(struct server *s, const uint8_t *p, size_t n)
{
    static const struct clo_bhttp_handler h = {
        .request = on_request, .headers = on_fields, .content = on_body};
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_ohttp_reader *r = NULL;
    size_t i;

    assert_int_equal(clo_ohttp_header_parse(&rd, &s->hdr), 0);
    i = s->hdr.suite.kem == CLO_KEM_XWING ? 0 : 1;
    assert_int_equal(s->hdr.key_id, s->conf[i].key_id);
    assert_int_equal(clo_rd_bytes(&rd, s->enc, clo_kem_enc_len(s->hdr.suite.kem)), 0);
    assert_int_equal(clo_ohttp_open_request(s->seed[i], &s->hdr, true, s->enc, &s->opened), 0);
    assert_int_equal(
        clo_ohttp_reader_new(s->hdr.suite.aead, s->opened.key, s->opened.base_nonce, &r), 0);
    assert_int_equal(clo_bhttp_dec_new(CLO_BHTTP_REQUEST, &h, s, &s->dec), 0);
    s->content = clo_buf_init(n);
    s->chunks = s->largest = s->final_n = s->total = 0;
    assert_int_equal(clo_ohttp_reader_feed(r, rd.p, rd.left, on_chunk, s), 0);
    assert_int_equal(clo_ohttp_reader_end(r, on_chunk, s), 0);
    assert_int_equal(clo_bhttp_dec_end(s->dec), 0);
    clo_ohttp_reader_free(r);
    clo_bhttp_dec_free(s->dec);
    s->dec = NULL;
}

static void seal_nonce(const struct server *s, struct clo_buf *out, struct clo_ohttp_writer **w)
{
    uint8_t nonce[CLO_AEAD_KEY_MAX] = {0}, key[CLO_AEAD_KEY_MAX] = {0}, base[CLO_AEAD_NONCE] = {0};
    const size_t n = clo_ohttp_secret_len(s->opened.suite.aead);

    assert_int_equal(clo_rng_fill(clo_rng_system(), nonce, n), 0);
    assert_int_equal(clo_buf_append(out, nonce, n), 0);
    assert_int_equal(clo_ohttp_response_keys(&s->opened, s->enc, nonce, key, base), 0);
    assert_int_equal(clo_ohttp_writer_new(s->opened.suite.aead, key, base, w), 0);
}

#endif
