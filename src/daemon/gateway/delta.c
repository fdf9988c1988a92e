/* SPDX-License-Identifier: Apache-2.0 */
/* Events with nothing but text: see delta.h. A scanner that knows where values end, and believes nothing else. */
#include "daemon/gateway/delta.h"

#include <string.h>

enum {
    DEPTH_MAX = 8,
};

struct scan {
    const uint8_t *start;
    struct clo_rd rd;
    bool bad;
};

static size_t here(const struct scan *s)
{
    return (size_t)(s->rd.p - s->start);
}

/* The next byte that isn't a blank; 0 at the end. */
static uint8_t peek(struct scan *s)
{
    while (s->rd.left > 0 && (*s->rd.p == ' ' || *s->rd.p == '\t'))
        s->bad |= clo_rd_skip(&s->rd, 1) != 0;
    return s->rd.left > 0 ? *s->rd.p : 0;
}

static bool take(struct scan *s, uint8_t c)
{
    if (peek(s) != c || clo_rd_skip(&s->rd, 1) != 0)
        s->bad = true;
    return !s->bad;
}

/* What stands between the quotes. */
static struct clo_span string(struct scan *s)
{
    struct clo_span r = {0};
    uint8_t c = 0;

    if (!take(s, '"'))
        return r;
    r.at = here(s);
    while (!s->bad) {
        if (clo_rd_u8(&s->rd, &c) != 0 || c < 0x20)
            s->bad = true;
        else if (c == '"')
            break;
        else if (c == '\\')
            s->bad |= clo_rd_skip(&s->rd, 1) != 0;
    }
    r.n = s->bad ? 0 : here(s) - 1 - r.at;
    return r;
}

/* Any value: strings are read, of all else just the nesting is followed. */
static void skip(struct scan *s)
{
    unsigned depth = 0;

    do {
        const uint8_t c = peek(s);

        if (c == '"') {
            (void)string(s);
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        if (c == '}' || c == ']' || c == ',')
            if (depth == 0)
                return;
        if (c == '}' || c == ']')
            depth--;
        if (c == 0 || depth > DEPTH_MAX || clo_rd_skip(&s->rd, 1) != 0)
            s->bad = true;
    } while (!s->bad);
}

static struct clo_span value(struct scan *s)
{
    struct clo_span r = {0};

    (void)peek(s);
    r.at = here(s);
    skip(s);
    r.n = here(s) - r.at;
    return r;
}

/* Begin a list's next item, if there is one. */
static bool next(struct scan *s, uint8_t end, bool *first)
{
    if (peek(s) == end) {
        (void)take(s, end);
        return false;
    }
    if (!*first)
        (void)take(s, ',');
    *first = false;
    return !s->bad;
}

static bool next_member(struct scan *s, bool *first, struct clo_span *name)
{
    if (s->bad || !next(s, '}', first))
        return false;
    *name = string(s);
    return take(s, ':');
}

static bool is(const struct scan *s, struct clo_span name, const char *word)
{
    return name.n == strlen(word) && memcmp(s->start + name.at, word, name.n) == 0;
}

static void null(struct scan *s)
{
    const uint8_t *p = NULL;

    (void)peek(s);
    if (clo_rd_view(&s->rd, 4, &p) != 0 || memcmp(p, "null", 4) != 0)
        s->bad = true;
}

/* {"content": "..."} and nothing else. */
static struct clo_span content(struct scan *s)
{
    struct clo_span name = {0}, text = {0};
    bool first = true;

    (void)take(s, '{');
    if (!next_member(s, &first, &name) || !is(s, name, "content"))
        s->bad = true;
    else
        text = string(s);
    (void)take(s, '}');
    return text;
}

static void choice(struct scan *s, struct clo_delta *d)
{
    struct clo_span name = {0};
    bool first = true, found = false;

    (void)take(s, '{');
    while (next_member(s, &first, &name)) {
        const bool delta = is(s, name, "delta");

        if (is(s, name, "index")) {
            skip(s);
        } else if (is(s, name, "finish_reason") || is(s, name, "logprobs")) {
            null(s);
        } else if ((delta || is(s, name, "text")) && !found) {
            d->text = delta ? content(s) : string(s);
            found = true;
        } else {
            s->bad = true;
        }
    }
    s->bad |= !found;
}

bool clo_delta_find(const void *p, size_t n, struct clo_delta *ret)
{
    struct scan s = {.start = p, .rd = clo_rd_init(p, n)};
    struct clo_delta d = {0};
    struct clo_span name = {0};
    bool first = true, found = false;

    (void)take(&s, '{');
    while (next_member(&s, &first, &name)) {
        if (is(&s, name, "choices")) {
            (void)take(&s, '[');
            choice(&s, &d);
            (void)take(&s, ']');
            s.bad |= found;
            found = true;
        } else if (is(&s, name, "created")) {
            s.bad |= d.created.n > 0;
            d.created = value(&s);
        } else {
            skip(&s);
        }
    }
    if (s.bad || !found || s.rd.left > 0 || memchr(p, '\n', n) != NULL)
        return false;
    *ret = d;
    return true;
}

/* The bytes between the end of one span and the begin of the next. */
struct rest {
    struct clo_span part[3];
};

static struct rest around(size_t n, const struct clo_delta *d)
{
    const bool text_first = d->created.n == 0 || d->text.at < d->created.at;
    const struct clo_span a = text_first ? d->text : d->created;
    const struct clo_span b = d->created.n == 0 ? a : text_first ? d->created : d->text;
    struct rest r = {.part = {{0, a.at}}};

    if (d->created.n > 0)
        r.part[1] = (struct clo_span){a.at + a.n, b.at - a.at - a.n};
    r.part[2] = (struct clo_span){b.at + b.n, n - b.at - b.n};
    return r;
}

bool clo_delta_same(const void *a, size_t a_n, const struct clo_delta *da, const void *b,
                    size_t b_n, const struct clo_delta *db)
{
    const struct rest ra = around(a_n, da), rb = around(b_n, db);

    if ((da->created.n > 0) != (db->created.n > 0) ||
        (da->created.at > da->text.at) != (db->created.at > db->text.at))
        return false;
    for (size_t i = 0; i < CLO_ARRAY_LEN(ra.part); i++)
        if (ra.part[i].n != rb.part[i].n ||
            memcmp((const uint8_t *)a + ra.part[i].at, (const uint8_t *)b + rb.part[i].at,
                   ra.part[i].n) != 0)
            return false;
    return true;
}
