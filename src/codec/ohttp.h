/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Oblivious HTTP (RFC 9458) and chunked Oblivious HTTP (draft-ietf-ohai-chunked-ohttp-08): key configurations,
 * encapsulated request headers, and both directions of the chunked form. No I/O: bytes in, bytes out.
 *
 * The gateway's half works from struct clo_ohttp_opened alone, which the keeper hands out for one request: it never sees
 * a private key. What the peer sends is consumed incrementally; memory held is bounded by one chunk.
 *
 * Limits: a chunk holds at most CLO_OHTTP_CHUNK_MAX plaintext bytes, the final one too; non-final chunks are never
 * empty; a key configuration list holds at most 16 entries.
 */
#ifndef CLO_CODEC_OHTTP_H
#define CLO_CODEC_OHTTP_H

#include "base/rw.h"
#include "codec/hpke.h"

#define CLO_OHTTP_CHUNK_MAX         16384
#define CLO_OHTTP_HDR               7 /* key id, KEM, KDF, AEAD */
#define CLO_OHTTP_MEDIA_KEYS        "application/ohttp-keys"
#define CLO_OHTTP_MEDIA_REQ         "message/ohttp-req"
#define CLO_OHTTP_MEDIA_RES         "message/ohttp-res"
#define CLO_OHTTP_MEDIA_CHUNKED_REQ "message/ohttp-chunked-req"
#define CLO_OHTTP_MEDIA_CHUNKED_RES "message/ohttp-chunked-res"

/* ---- key configurations (RFC 9458 section 3) ---- */
#define CLO_OHTTP_SUITES_MAX 8
struct clo_ohttp_keyconf {
    uint8_t key_id;
    uint16_t kem;
    uint8_t pk[CLO_KEM_PK_MAX]; /* clo_kem_pk_len(kem) bytes are used */
    struct {
        uint16_t kdf, aead;
    } suite[CLO_OHTTP_SUITES_MAX];
    size_t suites;
};
/* One configuration without the list's length prefix. */
CLO_MUST_USE int clo_ohttp_keyconf_write(const struct clo_ohttp_keyconf *k, struct clo_wr *wr);
/*
 * Read an application/ohttp-keys list: *ret_n entries of known KEMs into ret[cap], in order. Entries of unknown KEMs are
 * skipped (their length allows it); malformed ones, duplicate key ids, and more than cap known ones are errors.
 */
CLO_MUST_USE int clo_ohttp_keys_parse(const void *p, size_t n, struct clo_ohttp_keyconf *ret,
                                      size_t cap, size_t *ret_n);
CLO_MUST_USE int clo_ohttp_keys_write(const struct clo_ohttp_keyconf *k, size_t count,
                                      struct clo_wr *wr);

/* ---- the encapsulated request's header ---- */
struct clo_ohttp_header {
    uint8_t key_id;
    struct clo_suite suite;
    uint8_t raw[CLO_OHTTP_HDR]; /* as received: part of the HPKE info */
};
CLO_MUST_USE int clo_ohttp_header_parse(struct clo_rd *rd, struct clo_ohttp_header *ret);
CLO_MUST_USE int clo_ohttp_header_write(uint8_t key_id, const struct clo_suite *s,
                                        struct clo_wr *wr);
/*
 * info = "message/bhttp request" or "message/bhttp chunked request", a zero byte, the seven header bytes.
 * ret must hold CLO_OHTTP_INFO_MAX; returns its length.
 */
#define CLO_OHTTP_INFO_MAX 64
size_t clo_ohttp_info(bool chunked, const uint8_t raw[CLO_OHTTP_HDR],
                      uint8_t ret[CLO_OHTTP_INFO_MAX]);

/*
 * What one request's opening gives: the request AEAD's key and base nonce, and the exported response secret. Made by the
 * keeper (clo_ohttp_open_request), carried over IPC, used by the gateway; and by the client for its own requests.
 */
struct clo_ohttp_opened {
    struct clo_suite suite;
    bool chunked;
    uint8_t key[CLO_AEAD_KEY_MAX];
    uint8_t base_nonce[CLO_AEAD_NONCE];
    uint8_t response_secret[CLO_AEAD_KEY_MAX]; /* max(Nn, Nk) bytes are used */
};
void clo_ohttp_opened_wipe(struct clo_ohttp_opened *o);
/* max(Nn, Nk): 16 or 32; 0 for an unknown AEAD. */
size_t clo_ohttp_secret_len(unsigned aead_id);
/* Decapsulate; computes info itself. enc has clo_kem_enc_len(h->suite.kem) bytes. */
CLO_MUST_USE int clo_ohttp_open_request(const uint8_t seed[CLO_KEM_SEED],
                                        const struct clo_ohttp_header *h, bool chunked,
                                        const uint8_t *enc, struct clo_ohttp_opened *ret);

/* ---- chunk reader: QUIC varint lengths, final chunk marked by 0 and running to the end of the body ---- */
struct clo_ohttp_reader; /* opens one direction */
/* aead/key/base_nonce of the direction to be opened. */
CLO_MUST_USE int clo_ohttp_reader_new(unsigned aead_id, const uint8_t *key,
                                      const uint8_t base_nonce[CLO_AEAD_NONCE],
                                      struct clo_ohttp_reader **ret);
/*
 * Called once for each authenticated chunk, in order. p is valid during the call only and wiped after it. A non-zero
 * return ends the reading with that error.
 */
typedef int (*clo_ohttp_chunk_fn)(void *ctx, const uint8_t *p, size_t n, bool final);
/* Feed body bytes. Any error is final: the key is wiped and later calls return CLOISTER_E_STATE. */
CLO_MUST_USE int clo_ohttp_reader_feed(struct clo_ohttp_reader *r, const void *p, size_t n,
                                       clo_ohttp_chunk_fn fn, void *ctx);
/* The body has ended: opens the final chunk. CLOISTER_E_CUT when there is none. */
CLO_MUST_USE int clo_ohttp_reader_end(struct clo_ohttp_reader *r, clo_ohttp_chunk_fn fn, void *ctx);
void clo_ohttp_reader_free(struct clo_ohttp_reader *r);

/* ---- chunk writer ---- */
struct clo_ohttp_writer; /* seals one direction */
CLO_MUST_USE int clo_ohttp_writer_new(unsigned aead_id, const uint8_t *key,
                                      const uint8_t base_nonce[CLO_AEAD_NONCE],
                                      struct clo_ohttp_writer **ret);
/* Append one sealed chunk, with its length in front, to out. 0 < n <= CLO_OHTTP_CHUNK_MAX. */
CLO_MUST_USE int clo_ohttp_writer_chunk(struct clo_ohttp_writer *w, const void *p, size_t n,
                                        struct clo_buf *out);
/* The final chunk, n may be 0; afterwards only _free makes sense. */
CLO_MUST_USE int clo_ohttp_writer_final(struct clo_ohttp_writer *w, const void *p, size_t n,
                                        struct clo_buf *out);
void clo_ohttp_writer_free(struct clo_ohttp_writer *w);

/* ---- the response's keys ---- */
/*
 * key and nonce of the response from the response secret, enc and the response nonce (clo_ohttp_secret_len bytes);
 * RFC 9458 section 4.4 and the chunked draft use the same derivation.
 */
CLO_MUST_USE int clo_ohttp_response_keys(const struct clo_ohttp_opened *o, const uint8_t *enc,
                                         const uint8_t *nonce, uint8_t key[CLO_AEAD_KEY_MAX],
                                         uint8_t base_nonce[CLO_AEAD_NONCE]);

/* ---- client: start a request ---- */
/*
 * Encapsulate to a key configuration with one of its suites. Writes header and enc to out; *enc_ret points to the enc that
 * the caller keeps (buffer of CLO_KEM_ENC_MAX); *ret opens the response later and its key/base_nonce seal the request.
 */
CLO_MUST_USE int clo_ohttp_start_request(const struct clo_ohttp_keyconf *k, uint16_t aead,
                                         bool chunked, const struct clo_rng *rng,
                                         struct clo_buf *out, uint8_t enc[CLO_KEM_ENC_MAX],
                                         struct clo_ohttp_opened *ret);

/* ---- plain (unchunked) form, RFC 9458 ---- */
CLO_MUST_USE int clo_ohttp_plain_seal_request(const struct clo_ohttp_opened *o, const void *p,
                                              size_t n, struct clo_buf *out);
CLO_MUST_USE int clo_ohttp_plain_open_request(const struct clo_ohttp_opened *o, const void *p,
                                              size_t n, struct clo_buf *out);
CLO_MUST_USE int clo_ohttp_plain_seal_response(const struct clo_ohttp_opened *o, const uint8_t *enc,
                                               const struct clo_rng *rng, const void *p, size_t n,
                                               struct clo_buf *out);
CLO_MUST_USE int clo_ohttp_plain_open_response(const struct clo_ohttp_opened *o, const uint8_t *enc,
                                               const void *p, size_t n, struct clo_buf *out);

#endif
