/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 responses (RFC 9112) from the inference engine: a small strict incremental reader, and the writer of the request.
 * Informational responses are skipped. Bodies: Content-Length or chunked; a body that runs to the close of the connection is
 * refused, because its end can't be told from a crash. Both framings at once, duplicates of either, folded lines and
 * bare CR are refused.
 *
 * Limits: head at most CLO_HTTP1_HEAD_MAX bytes. Trailer fields are skipped within the same limit. Fuzzed by fuzz/fuzz_http1.c.
 */
#ifndef CLO_CODEC_HTTP1_H
#define CLO_CODEC_HTTP1_H

#include "base/rw.h"

#define CLO_HTTP1_HEAD_MAX 16384

struct clo_http1_head {
    unsigned status;        /* 200..599 */
    char content_type[128]; /* lower case media type without parameters, "" if absent */
    bool has_length;
    uint64_t length;
};
struct clo_http1_handler {
    int (*head)(void *ctx, const struct clo_http1_head *head);
    int (*body)(void *ctx, const uint8_t *p, size_t n);
    int (*end)(void *ctx); /* the explicit end of the body */
};
struct clo_http1;
CLO_MUST_USE int clo_http1_new(const struct clo_http1_handler *h, void *ctx,
                               struct clo_http1 **ret);
/* Bytes after the end are CLOISTER_E_TRAILING. */
CLO_MUST_USE int clo_http1_feed(struct clo_http1 *r, const void *p, size_t n);
/* The connection was closed: 0 if the answer was complete, CLOISTER_E_CUT if not. */
CLO_MUST_USE int clo_http1_eof(struct clo_http1 *r);
void clo_http1_free(struct clo_http1 *r);

/* "METHOD path HTTP/1.1" with Host: localhost, Connection: close, and for a body Content-Type: application/json and
 * Content-Length. method and path must be printable ASCII without spaces. */
CLO_MUST_USE int clo_http1_write_request(const char *method, const char *path, const void *body,
                                         size_t n, struct clo_buf *out);

#endif
