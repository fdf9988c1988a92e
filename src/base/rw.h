/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded reader and writer: the only code that walks over untrusted bytes.
 *
 * A reader borrows its bytes and never copies unless asked. Every call either consumes exactly what
 * it returns or fails and leaves reader and out-parameters untouched. Lengths are size_t and every
 * comparison is made against what is left, so that no addition can wrap.
 *
 * clo_wr writes into a fixed buffer that the caller owns. clo_buf grows on the heap up to a cap and
 * wipes what it held whenever it lets go of memory: users' text and ciphertext alike travel in it.
 */
#ifndef CLO_BASE_RW_H
#define CLO_BASE_RW_H

#include "base/base.h"

struct clo_rd {
    const uint8_t *p;
    size_t left;
};

static inline struct clo_rd clo_rd_init(const void *p, size_t n)
{
    return (struct clo_rd){.p = p, .left = n};
}
CLO_MUST_USE int clo_rd_u8(struct clo_rd *rd, uint8_t *ret);
CLO_MUST_USE int clo_rd_u16be(struct clo_rd *rd, uint16_t *ret);
CLO_MUST_USE int clo_rd_u32be(struct clo_rd *rd, uint32_t *ret);
CLO_MUST_USE int clo_rd_u64be(struct clo_rd *rd, uint64_t *ret);
CLO_MUST_USE int clo_rd_u16le(struct clo_rd *rd, uint16_t *ret);
CLO_MUST_USE int clo_rd_u32le(struct clo_rd *rd, uint32_t *ret);
CLO_MUST_USE int clo_rd_u64le(struct clo_rd *rd, uint64_t *ret);
/* QUIC variable-length integer (RFC 9000 section 16), any of its encodings. */
CLO_MUST_USE int clo_rd_varint(struct clo_rd *rd, uint64_t *ret);
CLO_MUST_USE int clo_rd_skip(struct clo_rd *rd, size_t n);
CLO_MUST_USE int clo_rd_bytes(struct clo_rd *rd, void *dst, size_t n);
/* Borrow n bytes: *ret points into the reader's input. */
CLO_MUST_USE int clo_rd_view(struct clo_rd *rd, size_t n, const uint8_t **ret);
/* Are these bytes all zero? True of none. Its time depends on n alone. */
bool clo_all_zero(const void *p, size_t n);
/* n bytes that must all be zero: CLOISTER_E_MALFORMED otherwise. */
CLO_MUST_USE int clo_rd_zero(struct clo_rd *rd, size_t n);
/* CLOISTER_E_TRAILING unless everything was read. */
CLO_MUST_USE int clo_rd_end(const struct clo_rd *rd);

struct clo_wr {
    uint8_t *p;
    size_t len; /* written */
    size_t cap;
};

static inline struct clo_wr clo_wr_init(void *p, size_t cap)
{
    return (struct clo_wr){.p = p, .len = 0, .cap = cap};
}
CLO_MUST_USE int clo_wr_u8(struct clo_wr *wr, uint8_t v);
CLO_MUST_USE int clo_wr_u16be(struct clo_wr *wr, uint16_t v);
CLO_MUST_USE int clo_wr_u32be(struct clo_wr *wr, uint32_t v);
CLO_MUST_USE int clo_wr_u64be(struct clo_wr *wr, uint64_t v);
CLO_MUST_USE int clo_wr_u16le(struct clo_wr *wr, uint16_t v);
CLO_MUST_USE int clo_wr_u32le(struct clo_wr *wr, uint32_t v);
CLO_MUST_USE int clo_wr_u64le(struct clo_wr *wr, uint64_t v);
/* Shortest encoding; v < 2^62. */
CLO_MUST_USE int clo_wr_varint(struct clo_wr *wr, uint64_t v);
CLO_MUST_USE int clo_wr_bytes(struct clo_wr *wr, const void *p, size_t n);
CLO_MUST_USE int clo_wr_zero(struct clo_wr *wr, size_t n);
/* Bytes that the shortest varint encoding of v takes: 1, 2, 4 or 8. */
size_t clo_varint_len(uint64_t v);

struct clo_buf {
    uint8_t *p; /* NULL while empty */
    size_t len;
    size_t cap; /* allocated */
    size_t max; /* never grows beyond; exceeding it is CLOISTER_E_LIMIT */
};

static inline struct clo_buf clo_buf_init(size_t max)
{
    return (struct clo_buf){.max = max};
}
CLO_MUST_USE int clo_buf_append(struct clo_buf *b, const void *p, size_t n);
/* Make room for n more bytes and give the place; clo_buf_commit says how many were used. */
CLO_MUST_USE int clo_buf_reserve(struct clo_buf *b, size_t n, uint8_t **ret);
void clo_buf_commit(struct clo_buf *b, size_t n);
/* Drop n bytes from the front (n <= len); what moves away is wiped. */
void clo_buf_consume(struct clo_buf *b, size_t n);
/* Wipe, free, and leave an empty buffer with the same max. _clear(NULL) is fine. */
void clo_buf_clear(struct clo_buf *b);

#endif
