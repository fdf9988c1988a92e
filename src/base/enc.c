/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal, base64url, and what of foreign text may reach a terminal. */
#include "base/enc.h"

#include <string.h>

/*
 * Keys and tokens are written in both encodings: digits are computed, because what is looked up in a table, or chosen by a branch, tells
 * others on the same processor. What is read by table below is no key.
 */

/* All ones where v is above the limit, else 0; both are small. */
static uint32_t above(uint32_t v, uint32_t limit)
{
    return 0U - ((limit - v) >> 31);
}

static char hex_digit(uint32_t v)
{
    return (char)('0' + v + (above(v, 9) & ('a' - '9' - 1)));
}

void clo_hex(const void *p, size_t n, char *dst)
{
    const uint8_t *b = p;

    for (size_t i = 0; i < n; i++) {
        *dst++ = hex_digit(b[i] >> 4);
        *dst++ = hex_digit(b[i] & 15);
    }
    *dst = '\0';
}

static int unhex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

int clo_unhex(const char *s, size_t len, void *dst, size_t n)
{
    uint8_t *b = dst;

    if (len / 2 != n || len % 2 != 0)
        return CLOISTER_E_MALFORMED;
    for (size_t i = 0; i < len; i++)
        if (unhex_digit(s[i]) < 0)
            return CLOISTER_E_MALFORMED;
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)((unsigned)unhex_digit(s[2 * i]) << 4 |
                         (unsigned)unhex_digit(s[2 * i + 1]));
    return 0;
}

/* RFC 4648 section 5: A to Z, a to z, 0 to 9, '-', '_'. Each term leads from the end of one run to the start of the next. */
static char b64_digit(uint32_t v)
{
    return (char)('A' + v + (above(v, 25) & ('a' - 'Z' - 1)) - (above(v, 51) & ('z' + 1 - '0')) -
                  (above(v, 61) & ('9' + 1 - '-')) + (above(v, 62) & ('_' - '-' - 1)));
}

void clo_b64(const void *p, size_t n, char *dst)
{
    const uint8_t *b = p;
    uint32_t acc = 0;
    unsigned bits = 0;

    for (size_t i = 0; i < n; i++) {
        acc = acc << 8 | b[i];
        bits += 8;
        while (bits >= 6) {
            bits -= 6;
            *dst++ = b64_digit(acc >> bits & 63);
        }
    }
    if (bits > 0)
        *dst++ = b64_digit(acc << (6 - bits) & 63);
    *dst = '\0';
}

/* RFC 4648 section 5: each digit's value and one more, from 0x20 on; 0 is no digit. */
/* clang-format off */
static const uint8_t b64_value_plus_1[] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 63, 0, 0,
    53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 0, 0, 0, 0, 0, 0,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 0, 0, 0, 0, 64,
    0, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41,
    42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 0, 0, 0, 0, 0,
};
/* clang-format on */

/* -1 for what is no digit. */
static int unb64_digit(char c)
{
    const uint8_t at = (uint8_t)c;

    return at >= 0x20 && at < 0x20 + sizeof b64_value_plus_1 ? b64_value_plus_1[at - 0x20] - 1 : -1;
}

int clo_unb64(const char *s, size_t len, void *dst, size_t cap, size_t *ret_n)
{
    size_t n = len / 4 * 3 + (len % 4 == 0 ? 0 : len % 4 - 1);
    uint8_t *b = dst;
    uint32_t acc = 0;
    unsigned bits = 0;

    if (len % 4 == 1)
        return CLOISTER_E_MALFORMED;
    if (n > cap)
        return CLOISTER_E_LIMIT;
    for (size_t i = 0; i < len; i++) {
        if (unb64_digit(s[i]) < 0)
            return CLOISTER_E_MALFORMED;
    }
    if (len % 4 != 0 && (unb64_digit(s[len - 1]) & (len % 4 == 2 ? 15 : 3)) != 0)
        return CLOISTER_E_MALFORMED; /* left-over bits must be zero: one text for one value */
    for (size_t i = 0; i < len; i++) {
        acc = acc << 6 | (uint32_t)unb64_digit(s[i]);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *b++ = (uint8_t)(acc >> bits);
        }
    }
    *ret_n = n;
    return 0;
}

/*
 * One UTF-8 character (RFC 3629 section 4). Returns its length, 0 if the bytes so far begin a character that goes on
 * after the end, -1 if they can't begin one.
 */
static int utf8_next(const uint8_t *p, size_t n, uint32_t *ret)
{
    uint8_t lo = 0x80, hi = 0xbf;
    uint32_t c;
    int len;

    if (p[0] < 0x80) {
        *ret = p[0];
        return 1;
    }
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;
        c = p[0] & 0x1f;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        len = 3;
        c = p[0] & 0x0f;
        lo = p[0] == 0xe0 ? 0xa0 : 0x80;
        hi = p[0] == 0xed ? 0x9f : 0xbf;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        c = p[0] & 0x07;
        lo = p[0] == 0xf0 ? 0x90 : 0x80;
        hi = p[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return -1;
    }
    for (int i = 1; i < len; i++) {
        if ((size_t)i >= n)
            return 0;
        if (p[i] < lo || p[i] > hi)
            return -1;
        c = c << 6 | (p[i] & 0x3f);
        lo = 0x80;
        hi = 0xbf;
    }
    *ret = c;
    return len;
}

static bool printable(uint32_t c)
{
    if (c < 0x20)
        return c == '\n' || c == '\t';
    return !(c >= 0x7f && c <= 0x9f) && !(c >= 0x202a && c <= 0x202e) &&
           !(c >= 0x2066 && c <= 0x2069) && c != 0xfeff;
}

bool clo_text_is_printable(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint32_t c = 0;

    while (n > 0) {
        int len = utf8_next(b, n, &c);

        if (len <= 0 || !printable(c))
            return false;
        b += len;
        n -= (size_t)len;
    }
    return true;
}

size_t clo_text_sanitise(const void *p, size_t n, bool last, char *dst, size_t *used)
{
    const uint8_t *b = p;
    size_t out = 0, at = 0;
    uint32_t c = 0;

    while (at < n) {
        int len = utf8_next(b + at, n - at, &c);

        if (len == 0 && !last)
            break;
        if (len > 0 && printable(c)) {
            memcpy(dst + out, b + at, (size_t)len);
            out += (size_t)len;
        } else {
            memcpy(dst + out, "\xef\xbf\xbd", 3);
            out += 3;
        }
        at += len > 0 ? (size_t)len : 1;
    }
    dst[out] = '\0';
    *used = at;
    return out;
}
