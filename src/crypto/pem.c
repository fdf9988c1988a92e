/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PEM (RFC 7468) out of evidence: certificate chains in quotes, collateral's issuer chains.
 *
 * Between the two lines stand base64 characters, padding at the end only, and white space; headers as old
 * encrypted keys have them are refused. What decides is the DER inside, so that text around blocks, and blocks
 * of other labels, are of no account.
 *
 * Limits: the caller's buffer. Fuzzed by fuzz/fuzz_pem.c.
 */
#include "crypto/x509.h"

#include <stdio.h>
#include <string.h>

#define LABEL_MAX 32

/* Moves to where `what` begins; nothing moves if that is nowhere. */
static bool find(struct clo_rd *rd, const char *what, size_t n)
{
    struct clo_rd r = *rd;

    while (r.left >= n) {
        const uint8_t *at = memchr(r.p, what[0], r.left - n + 1);

        if (at == NULL || clo_rd_skip(&r, (size_t)(at - r.p)) != 0)
            return false;
        if (memcmp(r.p, what, n) == 0) {
            *rd = r;
            return true;
        }
        if (clo_rd_skip(&r, 1) != 0)
            return false;
    }
    return false;
}

/* RFC 4648 section 4: each digit's value and one more, from 0x20 on; 0 is no digit. */
/* clang-format off */
static const uint8_t value_plus_1[] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 63, 0, 0, 0, 64,
    53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 0, 0, 0, 0, 0, 0,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 0, 0, 0, 0, 0,
    0, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41,
    42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 0, 0, 0, 0, 0,
};
/* clang-format on */

/* -1 for what is no digit. */
static int value(uint8_t c)
{
    return c >= 0x20 && c < 0x20 + sizeof value_plus_1 ? value_plus_1[c - 0x20] - 1 : -1;
}

/* One canonical base64 text, white space in it ignored. */
static int decode(const uint8_t *p, size_t n, struct clo_buf *out)
{
    uint8_t *dst = NULL;
    uint32_t group = 0;
    size_t have = 0, pads = 0, used = 0, digits = 0;
    int err;

    for (size_t i = 0; i < n; i++)
        digits += value(p[i]) >= 0;
    if ((err = clo_buf_reserve(out, digits / 4 * 3 + digits % 4, &dst)) != 0)
        return err;
    for (size_t i = 0; i < n; i++) {
        int v = value(p[i]);

        if (v < 0) {
            if (p[i] == ' ' || p[i] == '\t' || p[i] == '\r' || p[i] == '\n')
                continue;
            if (p[i] != '=' || have < 2 || have + pads >= 4)
                return CLOISTER_E_MALFORMED;
            pads++;
            continue;
        }
        if (pads != 0)
            return CLOISTER_E_MALFORMED;
        group = group << 6 | (uint32_t)v;
        if (++have < 4)
            continue;
        dst[used++] = (uint8_t)(group >> 16);
        dst[used++] = (uint8_t)(group >> 8);
        dst[used++] = (uint8_t)group;
        group = 0;
        have = 0;
    }
    if (have + pads != 0 && have + pads != 4)
        return CLOISTER_E_MALFORMED;
    /* bits left over must be zero (RFC 4648 section 3.5) */
    if (have == 3) {
        if ((group & 3) != 0)
            return CLOISTER_E_MALFORMED;
        dst[used++] = (uint8_t)(group >> 10);
        dst[used++] = (uint8_t)(group >> 2);
    } else if (have == 2) {
        if ((group & 15) != 0)
            return CLOISTER_E_MALFORMED;
        dst[used++] = (uint8_t)(group >> 4);
    }
    if (used == 0)
        return CLOISTER_E_MALFORMED;
    clo_buf_commit(out, used);
    return 0;
}

int clo_pem_next(const char **p, size_t *n, const char *label, struct clo_buf *ret)
{
    char begin[LABEL_MAX + 17], end[LABEL_MAX + 15];
    const size_t label_n = strlen(label);
    struct clo_rd rd = clo_rd_init(*p, *n);
    const uint8_t *text = NULL, *line = NULL, *dash;
    int err;

    if (label_n > LABEL_MAX || ret->len != 0)
        return CLOISTER_E_ARGUMENT;
    (void)snprintf(begin, sizeof begin, "-----BEGIN %s-----", label);
    (void)snprintf(end, sizeof end, "-----END %s-----", label);
    if (!find(&rd, begin, label_n + 16))
        return CLOISTER_E_NOT_FOUND;
    if ((err = clo_rd_skip(&rd, label_n + 16)) != 0)
        return err;
    /* The text ends at the first dash: no base64 has one. */
    dash = rd.left == 0 ? NULL : memchr(rd.p, '-', rd.left);
    if (dash == NULL)
        return CLOISTER_E_TRUNCATED;
    if ((err = clo_rd_view(&rd, (size_t)(dash - rd.p), &text)) != 0)
        return err;
    if (clo_rd_view(&rd, label_n + 14, &line) != 0 || memcmp(line, end, label_n + 14) != 0)
        return CLOISTER_E_MALFORMED;
    if ((err = decode(text, (size_t)(line - text), ret)) != 0) {
        clo_buf_clear(ret);
        return err;
    }
    *p = (const char *)rd.p;
    *n = rd.left;
    return 0;
}
