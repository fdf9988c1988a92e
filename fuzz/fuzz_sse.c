/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events: the first byte says in what pieces the rest is fed; the events must be the same. */
#include <string.h>

#include "codec/sse.h"
#include "fuzz.h"

enum {
    EVENT_MAX = 64,
    TRACE_MAX = 1 << 22
};

static int on_event(void *ctx, const char *data, size_t n)
{
    FUZZ_CHECK(n <= EVENT_MAX && data[n] == 0);
    FUZZ_CHECK(memchr(data, '\r', n) == NULL);
    return clo_buf_append(ctx, data, n + 1);
}

static int read_events(const uint8_t *p, size_t n, size_t piece, struct clo_buf *trace)
{
    struct clo_sse *s = NULL;
    int err = 0;

    FUZZ_CHECK(clo_sse_new(EVENT_MAX, on_event, trace, &s) == 0);
    for (size_t at = 0; at < n && err == 0; at += piece)
        err = clo_sse_feed(s, p + at, n - at < piece ? n - at : piece);
    err = clo_sse_end(s);
    clo_sse_free(s);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_buf whole = clo_buf_init(TRACE_MAX), split = clo_buf_init(TRACE_MAX);
    int err = 0;

    if (size < 1)
        return 0;
    err = read_events(data + 1, size - 1, size, &whole);
    FUZZ_CHECK(read_events(data + 1, size - 1, (size_t)data[0] + 1, &split) == err);
    FUZZ_CHECK(whole.len == split.len &&
               (whole.len == 0 || memcmp(whole.p, split.p, whole.len) == 0));
    clo_buf_clear(&whole);
    clo_buf_clear(&split);
    return 0;
}
