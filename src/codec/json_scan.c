/* SPDX-License-Identifier: Apache-2.0 */
/* Strict JSON, read in place. Each step looks at one byte and takes it, or fails. */
#include "codec/json_scan.h"

#include <string.h>

void clo_scan_fail(struct clo_scan *s, int err)
{
    if (s->err == 0)
        s->err = err;
    s->rd.left = 0;
}

/* The next byte without taking it; -1 at the end. */
static int peek(const struct clo_scan *s)
{
    return s->rd.left == 0 ? -1 : s->rd.p[0];
}

/* n bytes that were looked at. */
static void pass(struct clo_scan *s, size_t n)
{
    if (clo_rd_skip(&s->rd, n) != 0)
        clo_scan_fail(s, CLOISTER_E_MALFORMED);
}

static void space(struct clo_scan *s)
{
    size_t n = 0;

    while (n < s->rd.left &&
           (s->rd.p[n] == ' ' || s->rd.p[n] == '\t' || s->rd.p[n] == '\n' || s->rd.p[n] == '\r'))
        n++;
    if (n > 0)
        pass(s, n);
}

/* Take the byte if it is this one. */
static bool take(struct clo_scan *s, char c)
{
    return peek(s) == c && clo_rd_skip(&s->rd, 1) == 0;
}

static void expect(struct clo_scan *s, char c)
{
    if (!take(s, c))
        clo_scan_fail(s, CLOISTER_E_MALFORMED);
}

const uint8_t *clo_scan_here(struct clo_scan *s)
{
    space(s);
    return s->rd.p;
}

bool clo_scan_is(struct clo_scan_text t, const char *word)
{
    return t.p != NULL && t.n == strlen(word) && memcmp(t.p, word, t.n) == 0;
}

/* Behind the opening bracket of an object or array. */
static void enter(struct clo_scan *s, char bracket)
{
    space(s);
    expect(s, bracket);
    if (s->err == 0 && ++s->depth > CLO_SCAN_DEPTH_MAX)
        clo_scan_fail(s, CLOISTER_E_LIMIT);
}

/* Is there another element before the closing bracket? Takes what stands between elements, or the bracket. */
static bool more(struct clo_scan *s, char bracket, size_t before)
{
    if (s->err != 0)
        return false;
    space(s);
    if (take(s, bracket)) {
        s->depth--;
        return false;
    }
    if (before > 0)
        expect(s, ',');
    return s->err == 0;
}

struct clo_scan_text clo_scan_string(struct clo_scan *s)
{
    const uint8_t *from;
    size_t n = 0;

    space(s);
    expect(s, '"');
    from = s->rd.p;
    while (n < s->rd.left && from[n] >= 0x20 && from[n] <= 0x7e && from[n] != '"' &&
           from[n] != '\\')
        n++;
    pass(s, n);
    expect(s, '"');
    return s->err == 0 ? (struct clo_scan_text){(const char *)from, n} : (struct clo_scan_text){0};
}

void clo_scan_object(struct clo_scan *s, struct clo_scan_object *ret)
{
    ret->count = 0;
    enter(s, '{');
}

bool clo_scan_member(struct clo_scan *s, struct clo_scan_object *o, struct clo_scan_text *ret)
{
    struct clo_scan_text name;

    if (!more(s, '}', o->count))
        return false;
    name = clo_scan_string(s);
    space(s);
    expect(s, ':');
    for (size_t i = 0; s->err == 0 && i < o->count; i++)
        if (o->name[i].n == name.n && (name.n == 0 || memcmp(o->name[i].p, name.p, name.n) == 0))
            clo_scan_fail(s, CLOISTER_E_DUPLICATE);
    if (s->err == 0 && o->count == CLO_SCAN_MEMBERS_MAX)
        clo_scan_fail(s, CLOISTER_E_LIMIT);
    if (s->err != 0)
        return false;
    o->name[o->count++] = name;
    *ret = name;
    return true;
}

void clo_scan_array(struct clo_scan *s, size_t *count)
{
    *count = 0;
    enter(s, '[');
}

bool clo_scan_element(struct clo_scan *s, size_t *count)
{
    if (!more(s, ']', *count))
        return false;
    ++*count;
    return true;
}

static bool digit(int c)
{
    return c >= '0' && c <= '9';
}

uint64_t clo_scan_uint(struct clo_scan *s, uint64_t max)
{
    size_t before;
    uint64_t v = 0;
    uint8_t c = 0;

    space(s);
    before = s->rd.left;
    if (peek(s) == '0') {
        expect(s, '0');
        if (digit(peek(s)))
            clo_scan_fail(s, CLOISTER_E_MALFORMED); /* no leading zeros */
    }
    while (digit(peek(s)) && clo_rd_u8(&s->rd, &c) == 0) {
        if (v > (UINT64_MAX - 9) / 10) {
            clo_scan_fail(s, CLOISTER_E_MALFORMED);
            break;
        }
        v = v * 10 + (uint64_t)(c - '0');
    }
    if (s->rd.left == before || v > max || peek(s) == '.' || peek(s) == 'e' || peek(s) == 'E')
        clo_scan_fail(s, CLOISTER_E_MALFORMED);
    return s->err == 0 ? v : 0;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void clo_scan_hex(struct clo_scan *s, uint8_t *dst, size_t n)
{
    const struct clo_scan_text t = clo_scan_string(s);

    if (s->err == 0 && t.n != 2 * n)
        clo_scan_fail(s, CLOISTER_E_MALFORMED);
    for (size_t i = 0; s->err == 0 && i < n; i++) {
        const int high = nibble(t.p[2 * i]), low = nibble(t.p[2 * i + 1]);

        if (high < 0 || low < 0)
            clo_scan_fail(s, CLOISTER_E_MALFORMED);
        else
            dst[i] = (uint8_t)(high << 4 | low);
    }
}

/* ---- values that nobody asked for ---- */

static void skip_word(struct clo_scan *s, const char *word)
{
    for (; *word != '\0'; word++)
        expect(s, *word);
}

static void skip_digits(struct clo_scan *s)
{
    if (!digit(peek(s)))
        clo_scan_fail(s, CLOISTER_E_MALFORMED);
    while (digit(peek(s)))
        expect(s, (char)peek(s));
}

/* RFC 8259 section 6 */
static void skip_number(struct clo_scan *s)
{
    (void)take(s, '-');
    if (!take(s, '0'))
        skip_digits(s);
    if (take(s, '.'))
        skip_digits(s);
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+'))
            (void)take(s, '-');
        skip_digits(s);
    }
}

/* One character of a string, or its escape. */
static bool skip_character(struct clo_scan *s)
{
    if (!take(s, '\\'))
        return clo_rd_skip(&s->rd, 1) == 0;
    if (!take(s, 'u'))
        return peek(s) > 0 && strchr("\"\\/bfnrt", peek(s)) != NULL && clo_rd_skip(&s->rd, 1) == 0;
    for (size_t i = 0; i < 4; i++)
        if (peek(s) < 0 || nibble((char)peek(s)) < 0 || clo_rd_skip(&s->rd, 1) != 0)
            return false;
    return true;
}

/* RFC 8259 section 7, escapes included; ASCII alone. */
static void skip_string(struct clo_scan *s)
{
    expect(s, '"');
    while (s->err == 0 && !take(s, '"')) {
        const int c = peek(s);

        if (c < 0x20 || c > 0x7e || !skip_character(s))
            clo_scan_fail(s, CLOISTER_E_MALFORMED);
    }
}

static void skip_value(struct clo_scan *s);

/* Recursion ends at CLO_SCAN_DEPTH_MAX. NOLINTNEXTLINE(misc-no-recursion) */
static void skip_object(struct clo_scan *s)
{
    struct clo_scan_object o;
    struct clo_scan_text name;

    clo_scan_object(s, &o);
    while (clo_scan_member(s, &o, &name))
        skip_value(s);
}

/* The same. NOLINTNEXTLINE(misc-no-recursion) */
static void skip_value(struct clo_scan *s)
{
    size_t count = 0;

    space(s);
    switch (peek(s)) {
    case '{': skip_object(s); break;
    case '[':
        clo_scan_array(s, &count);
        while (clo_scan_element(s, &count))
            skip_value(s);
        break;
    case '"': skip_string(s); break;
    case 't': skip_word(s, "true"); break;
    case 'f': skip_word(s, "false"); break;
    case 'n': skip_word(s, "null"); break;
    default: skip_number(s);
    }
}

struct clo_scan_text clo_scan_skip(struct clo_scan *s)
{
    const uint8_t *from = clo_scan_here(s);

    skip_value(s);
    return s->err == 0 ? (struct clo_scan_text){(const char *)from, (size_t)(s->rd.p - from)}
                       : (struct clo_scan_text){0};
}

int clo_scan_end(struct clo_scan *s)
{
    space(s);
    if (s->err == 0 && (s->depth != 0 || clo_rd_end(&s->rd) != 0))
        clo_scan_fail(s, CLOISTER_E_TRAILING);
    return s->err;
}
