/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict reader of one HTTP/1.1 response, and the writer of the request that asks for it. The head,
 * chunk sizes and trailers are read line by line; bodies are passed on as they come. A line ends with
 * CR LF and nothing else: where two readers could see two different messages, there is none.
 */
#include "codec/http1.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/secret.h"

enum {
    CHUNK_LINE_MAX = 512,
    INFORMATIONAL_MAX = 16
};

enum state {
    /* lines */
    STATUS,
    FIELD,
    CHUNK_SIZE,
    CHUNK_END,
    TRAILER,
    /* bytes */
    BODY,
    CHUNK,
    DONE,
};

struct clo_http1 {
    struct clo_http1_handler h;
    void *ctx;
    int err; /* the first error stays */
    enum state state;
    struct clo_buf line;
    size_t head_left; /* bytes that head lines and trailers may still take */
    unsigned informational;
    bool chunked;
    bool has_type;
    struct clo_http1_head head;
    uint64_t want; /* bytes still to come of the body or chunk */
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* RFC 9110 section 5.6.2 */
static bool is_token(struct clo_rd t)
{
    for (size_t i = 0; i < t.left; i++) {
        uint8_t c = lower(t.p[i]);

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') &&
            (c == 0 || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return t.left > 0;
}

/* No control characters: CR anywhere but before the LF, and NUL, end here. */
static bool is_clean(struct clo_rd t)
{
    for (size_t i = 0; i < t.left; i++) {
        if ((t.p[i] < 0x20 && t.p[i] != '\t') || t.p[i] == 0x7f)
            return false;
    }
    return true;
}

static bool equals(struct clo_rd t, const char *lower_case)
{
    return t.left == strlen(lower_case) && strncasecmp((const char *)t.p, lower_case, t.left) == 0;
}

static struct clo_rd trim_end(struct clo_rd t)
{
    while (t.left > 0 && is_blank(t.p[t.left - 1]))
        t.left--;
    return t;
}

static struct clo_rd trim(struct clo_rd t)
{
    while (t.left > 0 && is_blank(t.p[0]) && clo_rd_skip(&t, 1) == 0)
        ;
    return trim_end(t);
}

/* What stands before the first c, and behind it; false if there is no c. */
static bool split(struct clo_rd t, char c, struct clo_rd *before, struct clo_rd *after)
{
    size_t n = 0;

    while (n < t.left && t.p[n] != (uint8_t)c)
        n++;
    *before = clo_rd_init(t.p, n);
    *after = t;
    return n < t.left && clo_rd_skip(after, n + 1) == 0;
}

static unsigned digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10U : UINT_MAX;
}

/* Digits only: no sign, no blank, no prefix, no wrap. */
static int read_number(struct clo_rd t, unsigned base, uint64_t *ret)
{
    uint64_t v = 0;

    if (t.left == 0)
        return CLOISTER_E_MALFORMED;
    for (size_t i = 0; i < t.left; i++) {
        unsigned digit = digit_value(t.p[i]);

        if (digit >= base)
            return CLOISTER_E_MALFORMED;
        if (v > (UINT64_MAX - digit) / base)
            return CLOISTER_E_LIMIT;
        v = v * base + digit;
    }
    *ret = v;
    return 0;
}

/* RFC 9112 section 4: "HTTP/1.1 200 reason", the second space mandatory, the reason not. */
static int read_status(struct clo_http1 *r, struct clo_rd t)
{
    static const char version[9] = "HTTP/1.1 ";
    uint8_t start[sizeof(version)] = {0};
    struct clo_rd digits = {0};
    uint64_t status = 0;
    uint8_t space = 0;

    if (clo_rd_bytes(&t, start, sizeof(start)) != 0 || memcmp(start, version, sizeof(start)) != 0 ||
        clo_rd_view(&t, 3, &digits.p) != 0 || clo_rd_u8(&t, &space) != 0 || space != ' ')
        return CLOISTER_E_MALFORMED;
    digits.left = 3;
    /* We never ask to switch protocols, which 101 would do (RFC 9110 section 15.2.2). */
    if (read_number(digits, 10, &status) != 0 || status < 100 || status > 599 || status == 101)
        return CLOISTER_E_MALFORMED;
    r->head = (struct clo_http1_head){.status = (unsigned)status};
    r->chunked = false;
    r->has_type = false;
    r->state = FIELD;
    return 0;
}

static int read_type(struct clo_http1 *r, struct clo_rd value)
{
    struct clo_rd media = {0}, rest = {0}, type = {0}, subtype = {0};

    if (r->has_type)
        return CLOISTER_E_DUPLICATE;
    r->has_type = true;
    split(value, ';', &media, &rest);
    media = trim_end(media);
    if (!split(media, '/', &type, &subtype) || !is_token(type) || !is_token(subtype))
        return CLOISTER_E_MALFORMED;
    if (media.left >= sizeof(r->head.content_type))
        return CLOISTER_E_LIMIT;
    for (size_t i = 0; i < media.left; i++)
        r->head.content_type[i] = (char)lower(media.p[i]);
    return 0;
}

/* RFC 9112 section 5; a blank before the colon and folded lines fail the token check. */
static int read_field(struct clo_http1 *r, struct clo_rd t)
{
    struct clo_rd name = {0}, value = {0};

    if (!split(t, ':', &name, &value) || !is_token(name))
        return CLOISTER_E_MALFORMED;
    if (r->state == TRAILER)
        return 0;
    value = trim(value);
    if (equals(name, "content-type"))
        return read_type(r, value);
    if (equals(name, "content-length")) {
        if (r->head.has_length)
            return CLOISTER_E_DUPLICATE;
        r->head.has_length = true;
        return read_number(value, 10, &r->head.length);
    }
    if (equals(name, "transfer-encoding")) {
        if (r->chunked)
            return CLOISTER_E_DUPLICATE;
        r->chunked = true;
        return equals(value, "chunked") ? 0 : CLOISTER_E_UNSUPPORTED;
    }
    return 0;
}

static int finish(struct clo_http1 *r)
{
    r->state = DONE;
    return r->h.end != NULL ? r->h.end(r->ctx) : 0;
}

/* RFC 9112 section 6.3, less what it allows and a strict reader has no need for. */
static int end_head(struct clo_http1 *r)
{
    int err = 0;

    if (r->chunked && r->head.has_length)
        return CLOISTER_E_MALFORMED;
    if (r->head.status < 200) {
        r->state = STATUS;
        return r->informational++ < INFORMATIONAL_MAX ? 0 : CLOISTER_E_LIMIT;
    }
    if (r->head.status == 204 || r->head.status == 304) {
        r->chunked = false;
        r->head.has_length = true;
        r->head.length = 0;
    }
    if (!r->chunked && !r->head.has_length)
        return CLOISTER_E_UNSUPPORTED; /* a body up to the close */
    r->want = r->head.length;
    r->state = r->chunked ? CHUNK_SIZE : BODY;
    if (r->h.head != NULL && (err = r->h.head(r->ctx, &r->head)) != 0)
        return err;
    return r->state == BODY && r->want == 0 ? finish(r) : 0;
}

/* RFC 9112 section 7.1: hexadecimal size, then perhaps extensions, which mean nothing to us. */
static int read_chunk_size(struct clo_http1 *r, struct clo_rd t)
{
    struct clo_rd size = {0}, extension = {0};
    int err = 0;

    if (split(t, ';', &size, &extension))
        size = trim_end(size);
    if ((err = read_number(size, 16, &r->want)) != 0)
        return err;
    r->state = r->want == 0 ? TRAILER : CHUNK;
    return 0;
}

static int read_line(struct clo_http1 *r, struct clo_rd t)
{
    if (!is_clean(t))
        return CLOISTER_E_MALFORMED;
    switch (r->state) {
    case STATUS: return read_status(r, t);
    case FIELD: return t.left == 0 ? end_head(r) : read_field(r, t);
    case TRAILER: return t.left == 0 ? finish(r) : read_field(r, t);
    case CHUNK_SIZE: return read_chunk_size(r, t);
    default: break;
    }
    r->state = CHUNK_SIZE; /* the line end behind a chunk */
    return t.left == 0 ? 0 : CLOISTER_E_MALFORMED;
}

/* Take n more bytes of the present line from its budget. */
static int charge_line(struct clo_http1 *r, size_t n)
{
    if (r->state == CHUNK_SIZE)
        return r->line.len + n > CHUNK_LINE_MAX ? CLOISTER_E_LIMIT : 0;
    if (r->state == CHUNK_END)
        return r->line.len + n > 2 ? CLOISTER_E_MALFORMED : 0;
    if (n > r->head_left)
        return CLOISTER_E_LIMIT;
    r->head_left -= n;
    return 0;
}

static int feed_line(struct clo_http1 *r, struct clo_rd *rd)
{
    const uint8_t *lf = memchr(rd->p, '\n', rd->left);
    size_t n = lf == NULL ? rd->left : (size_t)(lf - rd->p) + 1;
    const uint8_t *p = NULL;
    int err = 0;

    if ((err = charge_line(r, n)) != 0 || (err = clo_rd_view(rd, n, &p)) != 0 ||
        (err = clo_buf_append(&r->line, p, n)) != 0 || lf == NULL)
        return err;
    if (r->line.len < 2 || r->line.p[r->line.len - 2] != '\r')
        return CLOISTER_E_MALFORMED;
    err = read_line(r, clo_rd_init(r->line.p, r->line.len - 2));
    clo_buf_consume(&r->line, r->line.len);
    return err;
}

static int feed_body(struct clo_http1 *r, struct clo_rd *rd)
{
    size_t n = r->want < rd->left ? (size_t)r->want : rd->left;
    const uint8_t *p = NULL;
    int err = clo_rd_view(rd, n, &p);

    if (err != 0 || (r->h.body != NULL && (err = r->h.body(r->ctx, p, n)) != 0))
        return err;
    r->want -= n;
    if (r->want > 0)
        return 0;
    if (r->state == BODY)
        return finish(r);
    r->state = CHUNK_END;
    return 0;
}

int clo_http1_new(const struct clo_http1_handler *h, void *ctx, struct clo_http1 **ret)
{
    struct clo_http1 *r = clo_wipe_malloc(sizeof(*r));

    if (r == NULL)
        return CLOISTER_E_MEMORY;
    *r = (struct clo_http1){.h = *h,
                            .ctx = ctx,
                            .state = STATUS,
                            .line = clo_buf_init(CLO_HTTP1_HEAD_MAX),
                            .head_left = CLO_HTTP1_HEAD_MAX};
    *ret = r;
    return 0;
}

int clo_http1_feed(struct clo_http1 *r, const void *p, size_t n)
{
    struct clo_rd rd = clo_rd_init(p, n);

    while (r->err == 0 && rd.left > 0) {
        if (r->state < BODY)
            r->err = feed_line(r, &rd);
        else if (r->state < DONE)
            r->err = feed_body(r, &rd);
        else
            r->err = CLOISTER_E_TRAILING;
    }
    return r->err;
}

int clo_http1_eof(struct clo_http1 *r)
{
    if (r->err == 0 && r->state != DONE)
        r->err = CLOISTER_E_CUT;
    return r->err;
}

void clo_http1_free(struct clo_http1 *r)
{
    if (r == NULL)
        return;
    clo_buf_clear(&r->line);
    clo_wipe_free(r);
}

/* The answers to HEAD and CONNECT are framed otherwise (RFC 9112 section 6.3), which the reader, who
 * doesn't know the question, can't see. */
static bool is_method(const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++) {
        if (s[i] < 'A' || s[i] > 'Z')
            return false;
    }
    return n > 0 && strcmp(s, "HEAD") != 0 && strcmp(s, "CONNECT") != 0;
}

static bool is_path(const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++) {
        if (s[i] < 0x21 || s[i] > 0x7e)
            return false;
    }
    return s[0] == '/';
}

int clo_http1_write_request(const char *method, const char *path, const void *body, size_t n,
                            struct clo_buf *out)
{
    char length[80] = "";
    char head[1024] = "";
    struct clo_wr wr = {0};
    int len = 0;
    int err = 0;

    if (!is_method(method) || !is_path(path) || (body == NULL && n > 0))
        return CLOISTER_E_ARGUMENT;
    if (body != NULL)
        snprintf(length, sizeof(length),
                 "Content-Type: application/json\r\nContent-Length: %zu\r\n", n);
    len = snprintf(head, sizeof(head),
                   "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", method, path,
                   length);
    if (len < 0 || (size_t)len >= sizeof(head) || n > out->max)
        return CLOISTER_E_LIMIT;
    if ((err = clo_buf_reserve(out, (size_t)len + n, &wr.p)) != 0)
        return err;
    wr.cap = (size_t)len + n;
    if ((err = clo_wr_bytes(&wr, head, (size_t)len)) != 0 ||
        (err = clo_wr_bytes(&wr, body, n)) != 0)
        return err;
    clo_buf_commit(out, wr.len);
    return 0;
}
