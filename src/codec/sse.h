/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-sent events (WHATWG HTML section 9.2), as much as OpenAI's streams use: `data:` lines gathered into one event,
 * comments and other fields skipped, any of LF, CR LF, CR as line end, cut anywhere.
 *
 * Limits: one event at most `max` bytes of data. Fuzzed by fuzz/fuzz_sse.c. A byte order mark at the start is skipped.
 */
#ifndef CLO_CODEC_SSE_H
#define CLO_CODEC_SSE_H

#include "base/rw.h"

/* data is valid during the call and zero-terminated (n does not count the zero). */
typedef int (*clo_sse_fn)(void *ctx, const char *data, size_t n);
struct clo_sse;
CLO_MUST_USE int clo_sse_new(size_t max, clo_sse_fn fn, void *ctx, struct clo_sse **ret);
CLO_MUST_USE int clo_sse_feed(struct clo_sse *s, const void *p, size_t n);
/* The stream has ended: CLOISTER_E_CUT if an event was begun and not ended by a blank line. */
CLO_MUST_USE int clo_sse_end(struct clo_sse *s);
void clo_sse_free(struct clo_sse *s);

/* Append one event: each line of data as a `data:` line, and a blank one. */
CLO_MUST_USE int clo_sse_write(const void *data, size_t n, struct clo_buf *out);

#endif
