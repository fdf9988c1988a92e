/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded reader and writer, and the growing buffer that wipes. */
#include "base/rw.h"

#include <string.h>

#include "base/secret.h"

int clo_rd_view(struct clo_rd *rd, size_t n, const uint8_t **ret)
{
    if (n > rd->left)
        return CLOISTER_E_TRUNCATED;
    *ret = rd->p;
    if (n != 0) /* an empty reader may hold NULL, to which C adds nothing, not even 0 */
        rd->p += n;
    rd->left -= n;
    return 0;
}

int clo_rd_skip(struct clo_rd *rd, size_t n)
{
    const uint8_t *p;

    return clo_rd_view(rd, n, &p);
}

int clo_rd_bytes(struct clo_rd *rd, void *dst, size_t n)
{
    const uint8_t *p;
    int err;

    if ((err = clo_rd_view(rd, n, &p)) != 0)
        return err;
    if (n != 0)
        memcpy(dst, p, n);
    return 0;
}

bool clo_all_zero(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint8_t any = 0;

    for (size_t i = 0; i < n; i++)
        any |= b[i];
    return any == 0;
}

int clo_rd_zero(struct clo_rd *rd, size_t n)
{
    if (n > rd->left)
        return CLOISTER_E_TRUNCATED;
    if (!clo_all_zero(rd->p, n))
        return CLOISTER_E_MALFORMED;
    return clo_rd_skip(rd, n);
}

int clo_rd_end(const struct clo_rd *rd)
{
    return rd->left == 0 ? 0 : CLOISTER_E_TRAILING;
}

/* n bytes, most significant first (be) or last. */
static int rd_uint(struct clo_rd *rd, size_t n, bool be, uint64_t *ret)
{
    const uint8_t *p;
    uint64_t v = 0;
    int err;

    if ((err = clo_rd_view(rd, n, &p)) != 0)
        return err;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[be ? i : n - 1 - i];
    *ret = v;
    return 0;
}

/* The macros' `type` and `name` can't stand in parentheses. NOLINTBEGIN(bugprone-macro-parentheses) */
#define RD(name, type, be)                           \
    int name(struct clo_rd *rd, type *ret)           \
    {                                                \
        uint64_t v = 0;                              \
        int err = rd_uint(rd, sizeof(type), be, &v); \
                                                     \
        if (err == 0)                                \
            *ret = (type)v;                          \
        return err;                                  \
    }
RD(clo_rd_u8, uint8_t, true)
RD(clo_rd_u16be, uint16_t, true)
RD(clo_rd_u32be, uint32_t, true)
RD(clo_rd_u64be, uint64_t, true)
RD(clo_rd_u16le, uint16_t, false)
RD(clo_rd_u32le, uint32_t, false)
RD(clo_rd_u64le, uint64_t, false)
/* NOLINTEND(bugprone-macro-parentheses) */

int clo_rd_varint(struct clo_rd *rd, uint64_t *ret)
{
    static const uint64_t value[] = {0x3f, 0x3fff, 0x3fffffff, 0x3fffffffffffffff}; /* bits of it */
    unsigned exponent = 0;
    uint64_t v = 0;
    int err;

    if (rd->left == 0)
        return CLOISTER_E_TRUNCATED;
    exponent = rd->p[0] >> 6;
    if ((err = rd_uint(rd, (size_t)1 << exponent, true, &v)) != 0)
        return err;
    *ret = v & value[exponent];
    return 0;
}

int clo_wr_bytes(struct clo_wr *wr, const void *p, size_t n)
{
    if (n > wr->cap - wr->len)
        return CLOISTER_E_LIMIT;
    if (n != 0)
        memcpy(wr->p + wr->len, p, n);
    wr->len += n;
    return 0;
}

int clo_wr_zero(struct clo_wr *wr, size_t n)
{
    if (n > wr->cap - wr->len)
        return CLOISTER_E_LIMIT;
    if (n != 0)
        memset(wr->p + wr->len, 0, n);
    wr->len += n;
    return 0;
}

static int wr_uint(struct clo_wr *wr, size_t n, bool be, uint64_t v)
{
    uint8_t b[8];

    for (size_t i = 0; i < n; i++)
        b[be ? n - 1 - i : i] = (uint8_t)(v >> (8 * i));
    return clo_wr_bytes(wr, b, n);
}

#define WR(name, type, be)                       \
    int name(struct clo_wr *wr, type v)          \
    {                                            \
        return wr_uint(wr, sizeof(type), be, v); \
    }
WR(clo_wr_u8, uint8_t, true)
WR(clo_wr_u16be, uint16_t, true)
WR(clo_wr_u32be, uint32_t, true)
WR(clo_wr_u64be, uint64_t, true)
WR(clo_wr_u16le, uint16_t, false)
WR(clo_wr_u32le, uint32_t, false)
WR(clo_wr_u64le, uint64_t, false)

size_t clo_varint_len(uint64_t v)
{
    return v < 0x40 ? 1 : v < 0x4000 ? 2 : v < 0x40000000 ? 4 : 8;
}

int clo_wr_varint(struct clo_wr *wr, uint64_t v)
{
    switch (clo_varint_len(v)) {
    case 1: return wr_uint(wr, 1, true, v);
    case 2: return wr_uint(wr, 2, true, v | 0x4000);
    case 4: return wr_uint(wr, 4, true, v | 0x80000000);
    default:
        if (v >= (uint64_t)1 << 62)
            return CLOISTER_E_LIMIT;
        return wr_uint(wr, 8, true, v | (uint64_t)3 << 62);
    }
}

int clo_buf_reserve(struct clo_buf *b, size_t n, uint8_t **ret)
{
    size_t cap = b->cap;
    uint8_t *p;

    if (n > b->max - b->len)
        return CLOISTER_E_LIMIT;
    if (b->len + n > cap) {
        cap = cap < 256 ? 256 : cap;
        while (cap < b->len + n)
            cap = cap > b->max / 2 ? b->max : cap * 2;
        if ((p = clo_wipe_realloc(b->p, cap)) == NULL)
            return CLOISTER_E_MEMORY;
        b->p = p;
        b->cap = cap;
    }
    if (b->p == NULL && (b->p = clo_wipe_malloc(b->cap = 1)) == NULL) {
        b->cap = 0; /* n was 0: callers still get a place to point at */
        return CLOISTER_E_MEMORY;
    }
    *ret = b->p + b->len;
    return 0;
}

void clo_buf_commit(struct clo_buf *b, size_t n)
{
    b->len += n;
}

int clo_buf_append(struct clo_buf *b, const void *p, size_t n)
{
    uint8_t *dst;
    int err;

    if (n == 0)
        return 0;
    if ((err = clo_buf_reserve(b, n, &dst)) != 0)
        return err;
    memcpy(dst, p, n);
    clo_buf_commit(b, n);
    return 0;
}

void clo_buf_consume(struct clo_buf *b, size_t n)
{
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->len - n);
    clo_wipe(b->p + b->len - n, n);
    b->len -= n;
}

void clo_buf_clear(struct clo_buf *b)
{
    if (b == NULL)
        return;
    clo_wipe_free(b->p);
    *b = clo_buf_init(b->max);
}
