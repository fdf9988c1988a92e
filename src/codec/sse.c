/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-sent events: lines are gathered one at a time, `data` lines joined until a blank line hands
 * them over. Comments aren't gathered, so they may be of any length (streams keep alive with them); any
 * other line obeys the limit of an event.
 */
#include "codec/sse.h"

#include <string.h>

#include "base/secret.h"

#define BOM "\xef\xbb\xbf"
enum {
    LINE_EXTRA = sizeof(BOM "data: ") - 1
};

struct clo_sse {
    clo_sse_fn fn;
    void *ctx;
    int err; /* the first error stays */
    size_t max;
    struct clo_buf line;
    struct clo_buf data; /* of this event; each line has LF behind it */
    bool first;          /* the first line, where a byte order mark may stand */
    bool after_cr;       /* LF at once is the second half of a line end */
    bool comment;        /* this line is one, and is being dropped */
    bool begun;          /* this event has a line that is no comment */
};

int clo_sse_new(size_t max, clo_sse_fn fn, void *ctx, struct clo_sse **ret)
{
    struct clo_sse *s = NULL;

    if (max > SIZE_MAX - LINE_EXTRA)
        return CLOISTER_E_ARGUMENT;
    if ((s = clo_wipe_malloc(sizeof(*s))) == NULL)
        return CLOISTER_E_MEMORY;
    *s = (struct clo_sse){.fn = fn,
                          .ctx = ctx,
                          .max = max,
                          .line = clo_buf_init(max + LINE_EXTRA),
                          .data = clo_buf_init(max + 1),
                          .first = true};
    *ret = s;
    return 0;
}

static int dispatch(struct clo_sse *s)
{
    int err = 0;

    s->begun = false;
    if (s->data.len == 0)
        return 0; /* WHATWG HTML section 9.2.6: without data there is no event */
    s->data.p[s->data.len - 1] = 0;
    err = s->fn(s->ctx, (const char *)s->data.p, s->data.len - 1);
    clo_buf_consume(&s->data, s->data.len);
    return err;
}

static int add_data(struct clo_sse *s, const uint8_t *p, size_t n)
{
    int err = 0;

    if (s->data.len > s->max || n > s->max - s->data.len)
        return CLOISTER_E_LIMIT;
    if ((err = clo_buf_append(&s->data, p, n)) != 0)
        return err;
    return clo_buf_append(&s->data, "\n", 1);
}

static int read_line(struct clo_sse *s, struct clo_rd rd)
{
    int err = 0;

    if (rd.left == 0)
        return dispatch(s);
    if (rd.p[0] == ':')
        return 0;
    s->begun = true;
    if (rd.left < 4 || memcmp(rd.p, "data", 4) != 0 || (rd.left > 4 && rd.p[4] != ':'))
        return 0;
    if ((err = clo_rd_skip(&rd, rd.left > 4 ? 5 : 4)) != 0)
        return err;
    if (rd.left > 0 && rd.p[0] == ' ' && (err = clo_rd_skip(&rd, 1)) != 0)
        return err;
    return add_data(s, rd.p, rd.left);
}

static int end_line(struct clo_sse *s)
{
    struct clo_rd rd = clo_rd_init(s->line.p, s->line.len);
    size_t bom = sizeof(BOM) - 1;
    int err = 0;

    if (s->first && rd.left >= bom && memcmp(rd.p, BOM, bom) == 0)
        err = clo_rd_skip(&rd, bom);
    if (err == 0 && !s->comment)
        err = read_line(s, rd);
    clo_buf_consume(&s->line, s->line.len);
    s->first = false;
    s->comment = false;
    return err;
}

/* Bytes up to the next line end. */
static size_t run_length(const struct clo_rd *rd)
{
    size_t n = 0;

    while (n < rd->left && rd->p[n] != '\n' && rd->p[n] != '\r')
        n++;
    return n;
}

static int feed_run(struct clo_sse *s, struct clo_rd *rd)
{
    const uint8_t *p = NULL;
    size_t n = run_length(rd);
    uint8_t end = 0;
    int err = clo_rd_view(rd, n, &p);

    if (err != 0)
        return err;
    if (n > 0) {
        s->after_cr = false;
        s->comment = s->comment || (s->line.len == 0 && p[0] == ':');
        if (!s->comment && (err = clo_buf_append(&s->line, p, n)) != 0)
            return err;
    }
    if (rd->left == 0)
        return 0;
    if ((err = clo_rd_u8(rd, &end)) != 0)
        return err;
    if (end == '\n' && s->after_cr) {
        s->after_cr = false;
        return 0;
    }
    s->after_cr = end == '\r';
    return end_line(s);
}

int clo_sse_feed(struct clo_sse *s, const void *p, size_t n)
{
    struct clo_rd rd = clo_rd_init(p, n);

    while (s->err == 0 && rd.left > 0)
        s->err = feed_run(s, &rd);
    return s->err;
}

int clo_sse_end(struct clo_sse *s)
{
    if (s->err == 0 && (s->begun || s->line.len > 0 || s->comment))
        s->err = CLOISTER_E_CUT;
    return s->err;
}

void clo_sse_free(struct clo_sse *s)
{
    if (s == NULL)
        return;
    clo_buf_clear(&s->line);
    clo_buf_clear(&s->data);
    clo_wipe_free(s);
}

int clo_sse_write(const void *data, size_t n, struct clo_buf *out)
{
    struct clo_rd rd = clo_rd_init(data, n);
    const uint8_t *line = NULL;
    bool more = true;
    int err = 0;

    while (err == 0 && more) {
        const uint8_t *end = rd.left > 0 ? memchr(rd.p, '\n', rd.left) : NULL;
        const size_t len = end != NULL ? (size_t)(end - rd.p) : rd.left;

        more = end != NULL;
        if ((err = clo_rd_view(&rd, len, &line)) != 0 ||
            (more && (err = clo_rd_skip(&rd, 1)) != 0) ||
            (err = clo_buf_append(out, "data: ", 6)) != 0 ||
            (err = clo_buf_append(out, line, len)) != 0)
            break;
        err = clo_buf_append(out, "\n", 1);
    }
    return err != 0 ? err : clo_buf_append(out, "\n", 1);
}
