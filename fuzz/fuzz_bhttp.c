/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary HTTP. The first byte picks the kind (bit 0) and the pieces that the rest is fed in. What the
 * decoder makes of a message must not depend on the pieces, and a complete request, written again, must
 * decode to the same.
 */
#include <string.h>

#include "base/rw.h"
#include "codec/bhttp.h"
#include "fuzz.h"

enum {
    TRACE_MAX = 1 << 22
};

static int add(void *ctx, const char *s)
{
    return clo_buf_append(ctx, s, strlen(s) + 1);
}

static int add_status(void *ctx, unsigned status)
{
    return clo_buf_append(ctx, &status, sizeof(status));
}

static int on_request(void *ctx, const char *method, const char *scheme, const char *authority,
                      const char *path)
{
    int err = 0;

    if ((err = add(ctx, method)) != 0 || (err = add(ctx, scheme)) != 0 ||
        (err = add(ctx, authority)) != 0)
        return err;
    return add(ctx, path);
}

static int on_fields(void *ctx, const struct clo_bhttp_field *f, size_t n)
{
    int err = clo_buf_append(ctx, &n, sizeof(n));

    FUZZ_CHECK(n <= CLO_BHTTP_FIELDS_MAX);
    for (size_t i = 0; i < n && err == 0; i++) {
        FUZZ_CHECK(f[i].name[0] != 0 && f[i].name[0] != ':' && strpbrk(f[i].value, "\r\n") == NULL);
        if ((err = add(ctx, f[i].name)) == 0)
            err = add(ctx, f[i].value);
    }
    return err;
}

static int on_content(void *ctx, const uint8_t *p, size_t n)
{
    FUZZ_CHECK(n > 0);
    return clo_buf_append(ctx, p, n);
}

static const struct clo_bhttp_handler trace_handler = {
    .request = on_request,
    .informational = add_status,
    .response = add_status,
    .headers = on_fields,
    .content = on_content,
    .trailers = on_fields,
};

static int decode(enum clo_bhttp_kind kind, const uint8_t *p, size_t n, size_t piece,
                  struct clo_buf *trace)
{
    struct clo_bhttp_dec *d = NULL;
    int err = 0;

    FUZZ_CHECK(clo_bhttp_dec_new(kind, &trace_handler, trace, &d) == 0);
    for (size_t at = 0; at < n && err == 0; at += piece)
        err = clo_bhttp_dec_feed(d, p + at, n - at < piece ? n - at : piece);
    FUZZ_CHECK(!clo_bhttp_dec_complete(d) || err == 0);
    err = clo_bhttp_dec_end(d);
    FUZZ_CHECK(clo_bhttp_dec_complete(d) == (err == 0));
    clo_bhttp_dec_free(d);
    return err;
}

/* Rewrites what was decoded, content and trailers as they are. */
struct copy {
    char *control[4];
    struct clo_buf content, headers;
    struct clo_bhttp_field f[CLO_BHTTP_FIELDS_MAX];
    size_t fields;
    bool trailers;
};

static int keep_request(void *ctx, const char *method, const char *scheme, const char *authority,
                        const char *path)
{
    struct copy *c = ctx;
    const char *from[4] = {method, scheme, authority, path};

    for (size_t i = 0; i < 4; i++)
        FUZZ_CHECK((c->control[i] = strdup(from[i])) != NULL);
    return 0;
}

static int keep_headers(void *ctx, const struct clo_bhttp_field *f, size_t n)
{
    struct copy *c = ctx;

    for (size_t i = 0; i < n; i++) {
        c->f[i] = (struct clo_bhttp_field){strdup(f[i].name), strdup(f[i].value)};
        FUZZ_CHECK(c->f[i].name != NULL && c->f[i].value != NULL);
    }
    c->fields = n;
    return 0;
}

static int keep_content(void *ctx, const uint8_t *p, size_t n)
{
    return clo_buf_append(&((struct copy *)ctx)->content, p, n);
}

static int see_trailers(void *ctx, const struct clo_bhttp_field *f, size_t n)
{
    (void)f;
    ((struct copy *)ctx)->trailers = n > 0;
    return 0;
}

static void check_round_trip(const uint8_t *p, size_t n, const struct clo_buf *trace)
{
    static const struct clo_bhttp_handler keep = {.request = keep_request,
                                                  .headers = keep_headers,
                                                  .content = keep_content,
                                                  .trailers = see_trailers};
    struct copy c = {.content = clo_buf_init(n)};
    struct clo_buf out = clo_buf_init(SIZE_MAX / 2), again = clo_buf_init(TRACE_MAX);
    struct clo_bhttp_dec *d = NULL;
    int err = 0;

    FUZZ_CHECK(clo_bhttp_dec_new(CLO_BHTTP_REQUEST, &keep, &c, &d) == 0);
    FUZZ_CHECK(clo_bhttp_dec_feed(d, p, n) == 0 && clo_bhttp_dec_end(d) == 0);
    clo_bhttp_dec_free(d);
    err = clo_bhttp_write_request(c.control[0], c.control[1], c.control[2], c.control[3], c.f,
                                  c.fields, c.content.p, c.content.len, &out);
    FUZZ_CHECK(err == 0 ||
               err == CLOISTER_E_LIMIT); /* lengths may have been coded less than shortest */
    if (err == 0 && !c.trailers) {
        FUZZ_CHECK(decode(CLO_BHTTP_REQUEST, out.p, out.len, out.len, &again) == 0);
        FUZZ_CHECK(again.len == trace->len && memcmp(again.p, trace->p, again.len) == 0);
    }
    for (size_t i = 0; i < 4; i++)
        free(c.control[i]);
    for (size_t i = 0; i < c.fields; i++) {
        free((char *)(uintptr_t)c.f[i].name);
        free((char *)(uintptr_t)c.f[i].value);
    }
    clo_buf_clear(&c.content);
    clo_buf_clear(&out);
    clo_buf_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum clo_bhttp_kind kind = CLO_BHTTP_REQUEST;
    struct clo_buf whole = clo_buf_init(TRACE_MAX), split = clo_buf_init(TRACE_MAX);
    int err = 0;

    if (size < 1)
        return 0;
    if (data[0] & 1)
        kind = CLO_BHTTP_RESPONSE;
    err = decode(kind, data + 1, size - 1, size, &whole);
    FUZZ_CHECK(decode(kind, data + 1, size - 1, (data[0] >> 1) + 1, &split) == err);
    FUZZ_CHECK(whole.len == split.len &&
               (whole.len == 0 || memcmp(whole.p, split.p, whole.len) == 0));
    if (err == 0 && kind == CLO_BHTTP_REQUEST)
        check_round_trip(data + 1, size - 1, &whole);
    clo_buf_clear(&whole);
    clo_buf_clear(&split);
    return 0;
}
