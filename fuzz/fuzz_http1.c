/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 responses: the first byte says in what pieces the rest is fed; head, body and outcome must be the
 * same, and a body with a length must have it.
 */
#include <string.h>

#include "codec/http1.h"
#include "fuzz.h"

enum {
    TRACE_MAX = 1 << 22
};

struct seen {
    struct clo_http1_head head;
    struct clo_buf body;
    unsigned heads, ends;
};

static int on_head(void *ctx, const struct clo_http1_head *head)
{
    struct seen *s = ctx;

    FUZZ_CHECK(s->heads++ == 0 && head->status >= 200 && head->status <= 599);
    FUZZ_CHECK(memchr(head->content_type, 0, sizeof(head->content_type)) != NULL);
    s->head = *head;
    return 0;
}

static int on_body(void *ctx, const uint8_t *p, size_t n)
{
    struct seen *s = ctx;

    FUZZ_CHECK(s->heads == 1 && s->ends == 0 && n > 0);
    return clo_buf_append(&s->body, p, n);
}

static int on_end(void *ctx)
{
    struct seen *s = ctx;

    FUZZ_CHECK(s->heads == 1 && s->ends++ == 0);
    return 0;
}

static int read_response(const uint8_t *p, size_t n, size_t piece, struct seen *s)
{
    static const struct clo_http1_handler handler = {on_head, on_body, on_end};
    struct clo_http1 *r = NULL;
    int err = 0;

    *s = (struct seen){.body = clo_buf_init(TRACE_MAX)};
    FUZZ_CHECK(clo_http1_new(&handler, s, &r) == 0);
    for (size_t at = 0; at < n && err == 0; at += piece)
        err = clo_http1_feed(r, p + at, n - at < piece ? n - at : piece);
    err = clo_http1_eof(r);
    clo_http1_free(r);
    FUZZ_CHECK(err != 0 || s->ends == 1);
    FUZZ_CHECK(s->ends == 0 || !s->head.has_length || s->head.length == s->body.len);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole = {0}, split = {0};
    int err = 0;

    if (size < 1)
        return 0;
    err = read_response(data + 1, size - 1, size, &whole);
    FUZZ_CHECK(read_response(data + 1, size - 1, (size_t)data[0] + 1, &split) == err);
    FUZZ_CHECK(whole.heads == split.heads && whole.ends == split.ends &&
               whole.head.status == split.head.status && whole.head.length == split.head.length &&
               strcmp(whole.head.content_type, split.head.content_type) == 0);
    FUZZ_CHECK(whole.body.len == split.body.len &&
               (whole.body.len == 0 || memcmp(whole.body.p, split.body.p, whole.body.len) == 0));
    clo_buf_clear(&whole.body);
    clo_buf_clear(&split.body);
    return 0;
}
