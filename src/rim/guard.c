/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes before they are XML: see guard.h. Fuzzed by fuzz/fuzz_rim.c. */
#include "rim/guard.h"

#include <string.h>
#include <strings.h>

#include "base/rw.h"

struct guard {
    struct clo_rd rd;
    const char *why;
    size_t depth, elements;
};

static int refuse(struct guard *g, int err, const char *why)
{
    g->why = why;
    return err;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* What XML forbids anyhow, said before anything else looks at it: a zero byte would end a C string. */
static int next(struct guard *g, uint8_t *c)
{
    if (clo_rd_u8(&g->rd, c) != 0)
        return refuse(g, CLOISTER_E_TRUNCATED, "ends in the middle");
    if ((*c < 0x20 && !is_space(*c)) || *c == 0x7f)
        return refuse(g, CLOISTER_E_MALFORMED, "holds control characters, so it is no XML");
    return 0;
}

/* <?xml version="1.0" encoding="UTF-8"?> may come first. Another encoding would make these bytes mean something else. */
static int declaration(struct guard *g)
{
    const size_t head = strlen("<?xml ");
    char text[129] = "";
    const char *encoding;
    size_t n = 0;

    if (g->rd.left < head || memcmp(g->rd.p, "<?xml ", head) != 0)
        return 0;
    while (n < 2 || memcmp(text + n - 2, "?>", 2) != 0) {
        uint8_t c = 0;
        int err;

        if (n == sizeof(text) - 1)
            return refuse(g, CLOISTER_E_LIMIT, "has an XML declaration that is too long");
        if ((err = next(g, &c)) != 0)
            return err;
        text[n++] = (char)c;
    }
    encoding = strstr(text, "encoding");
    if (encoding != NULL && strncasecmp(encoding + 8, "=\"UTF-8\"", 8) != 0 &&
        strncasecmp(encoding + 8, "='UTF-8'", 8) != 0)
        return refuse(g, CLOISTER_E_MALFORMED, "is not in UTF-8");
    return 0;
}

/* A tag, behind its "<". */
static int tag(struct guard *g)
{
    uint8_t c = 0, before = 0, quote = 0, first = 0;
    size_t n = 0, attrs = 0;
    int err;

    for (;; n++, before = c) {
        if (n == CLO_GUARD_TAG)
            return refuse(g, CLOISTER_E_LIMIT, "has a tag that is too long");
        if ((err = next(g, &c)) != 0)
            return err;
        if (n == 0)
            first = c;
        if (n == 0 && (c == '!' || c == '?'))
            return refuse(
                g, CLOISTER_E_MALFORMED,
                "holds a DOCTYPE, a comment, CDATA or a processing instruction, which no RIM has");
        if (c == '<')
            return refuse(g, CLOISTER_E_MALFORMED, "is no XML: a tag begins inside another one");
        if (quote != 0) {
            quote = c == quote ? 0 : quote;
            continue;
        }
        if (c == '>')
            break;
        if (c == '"' || c == '\'')
            quote = c;
        if (c == '=' && ++attrs > CLO_GUARD_ATTRS)
            return refuse(g, CLOISTER_E_LIMIT, "has an element with too many attributes");
    }
    if (first == '/') {
        if (g->depth == 0)
            return refuse(g, CLOISTER_E_MALFORMED, "is no XML: an element ends that never began");
        g->depth--;
        return 0;
    }
    if (++g->elements > CLO_GUARD_ELEMENTS)
        return refuse(g, CLOISTER_E_LIMIT, "has too many elements");
    if (before != '/' && ++g->depth > CLO_GUARD_DEPTH)
        return refuse(g, CLOISTER_E_LIMIT, "nests too deeply");
    return 0;
}

static int walk(struct guard *g)
{
    int err = declaration(g);

    while (err == 0 && g->rd.left > 0) {
        uint8_t c = 0;

        if ((err = next(g, &c)) != 0)
            break;
        if (c == '<') {
            if (g->depth == 0 && g->elements > 0)
                return refuse(g, CLOISTER_E_TRAILING, "goes on after its document element");
            err = tag(g);
        } else if (g->depth == 0 && !is_space(c)) {
            return g->elements > 0
                       ? refuse(g, CLOISTER_E_TRAILING, "goes on after its document element")
                       : refuse(g, CLOISTER_E_MALFORMED,
                                "is no XML: it does not begin with an element");
        }
    }
    if (err == 0 && (g->elements == 0 || g->depth > 0))
        return refuse(g, CLOISTER_E_TRUNCATED, "ends in the middle");
    return err;
}

int clo_rim_guard(const void *xml, size_t n, const char **why)
{
    struct guard g = {.rd = clo_rd_init(xml, n)};
    const int err = walk(&g);

    if (err != 0)
        *why = g.why;
    return err;
}
