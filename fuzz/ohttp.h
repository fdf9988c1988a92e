/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the OHTTP harnesses and the program that makes their seeds share: fixed keys, so that a committed
 * seed opens, and one way to read chunks that checks the reader's promises.
 */
#ifndef CLO_FUZZ_OHTTP_H
#define CLO_FUZZ_OHTTP_H

#include <string.h>

#include "codec/ohttp.h"
#include "fuzz.h"

/* The gateway's private key, for both KEMs. */
static const uint8_t fuzz_seed[CLO_KEM_SEED] = "cloister fuzzing, gateway's key";

/* What a client keeps of a request: an enc of zeros and one secret for all AEADs. */
static inline struct clo_ohttp_opened fuzz_opened(uint16_t aead, bool chunked)
{
    struct clo_ohttp_opened o = {
        .suite = {.kem = CLO_KEM_X25519, .kdf = CLO_KDF_HKDF_SHA256, .aead = aead},
        .chunked = chunked,
    };

    memcpy(o.response_secret, "cloister fuzzing, answer's secret", sizeof(o.response_secret));
    return o;
}

static const uint8_t fuzz_enc[CLO_KEM_ENC_MAX];

struct fuzz_trace {
    struct clo_buf text;
    size_t chunks;
    bool final;
};

static inline int fuzz_on_chunk(void *ctx, const uint8_t *p, size_t n, bool final)
{
    struct fuzz_trace *t = ctx;

    FUZZ_CHECK(!t->final && n <= CLO_OHTTP_CHUNK_MAX && (final || n > 0));
    t->chunks++;
    t->final = final;
    return clo_buf_append(&t->text, p, n);
}

/* Read a direction in pieces; the first error. Success means a final chunk, an error that there was none. */
static inline int fuzz_read(unsigned aead, const uint8_t *key, const uint8_t *base_nonce,
                            struct clo_rd body, size_t piece, struct fuzz_trace *t)
{
    struct clo_ohttp_reader *r = NULL;
    const uint8_t *p = NULL;
    int err = 0;

    *t = (struct fuzz_trace){.text = clo_buf_init(1 << 22)};
    FUZZ_CHECK(clo_ohttp_reader_new(aead, key, base_nonce, &r) == 0);
    while (err == 0 && body.left > 0) {
        const size_t n = body.left < piece ? body.left : piece;

        FUZZ_CHECK(clo_rd_view(&body, n, &p) == 0);
        err = clo_ohttp_reader_feed(r, p, n, fuzz_on_chunk, t);
    }
    if (err == 0)
        err = clo_ohttp_reader_end(r, fuzz_on_chunk, t);
    FUZZ_CHECK(t->final == (err == 0));
    FUZZ_CHECK(clo_ohttp_reader_feed(r, "", 1, fuzz_on_chunk, t) == CLOISTER_E_STATE);
    FUZZ_CHECK(clo_ohttp_reader_end(r, fuzz_on_chunk, t) == CLOISTER_E_STATE);
    clo_ohttp_reader_free(r);
    return err;
}

/* Whole and in pieces: the same error and the same text. */
static inline void fuzz_read_both_ways(unsigned aead, const uint8_t *key, const uint8_t *base_nonce,
                                       struct clo_rd body, size_t piece)
{
    struct fuzz_trace whole = {0}, split = {0};
    int err;

    err = fuzz_read(aead, key, base_nonce, body, body.left, &whole);
    FUZZ_CHECK(fuzz_read(aead, key, base_nonce, body, piece, &split) == err);
    FUZZ_CHECK(whole.chunks == split.chunks && whole.text.len == split.text.len);
    FUZZ_CHECK(whole.text.len == 0 || memcmp(whole.text.p, split.text.p, whole.text.len) == 0);
    clo_buf_clear(&whole.text);
    clo_buf_clear(&split.text);
}

#endif
