/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary HTTP messages (RFC 9292), both directions, known-length and indeterminate-length forms.
 *
 * The decoder is incremental and takes bytes in any pieces. A message is complete only at its explicit end (content and trailer
 * section): the truncated forms of section 3.8 are refused. After the end only zero bytes may follow (padding).
 * Field names are lower case tokens, values are visible ASCII, space, tab and obs-text without leading or trailing
 * white space; pseudo-header names and connection fields are refused.
 *
 * Limits: control data CLO_BHTTP_LINE_MAX bytes each, CLO_BHTTP_FIELDS_MAX fields, CLO_BHTTP_SECTION_MAX bytes a field
 * section, CLO_BHTTP_INFO_MAX informational responses. Content is passed on as it comes; its bound is the caller's.
 * Fuzzed by fuzz/fuzz_bhttp.c.
 */
#ifndef CLO_CODEC_BHTTP_H
#define CLO_CODEC_BHTTP_H

#include "base/rw.h"

#define CLO_BHTTP_LINE_MAX    8192
#define CLO_BHTTP_FIELDS_MAX  64
#define CLO_BHTTP_SECTION_MAX 32768
#define CLO_BHTTP_INFO_MAX    65536

struct clo_bhttp_field {
    const char *name;  /* zero-terminated, lower case */
    const char *value; /* zero-terminated */
};

enum clo_bhttp_kind {
    CLO_BHTTP_REQUEST,
    CLO_BHTTP_RESPONSE
};

/* Events of the decoder, in message order. Pointers are valid during the call. A non-zero return ends decoding with it. */
struct clo_bhttp_handler {
    int (*request)(void *ctx, const char *method, const char *scheme, const char *authority,
                   const char *path);
    int (*informational)(void *ctx, unsigned status); /* its fields are checked and dropped */
    int (*response)(void *ctx, unsigned status);
    int (*headers)(void *ctx, const struct clo_bhttp_field *f, size_t n);
    int (*content)(void *ctx, const uint8_t *p, size_t n);
    int (*trailers)(void *ctx, const struct clo_bhttp_field *f,
                    size_t n); /* always called, n may be 0 */
};

struct clo_bhttp_dec;
CLO_MUST_USE int clo_bhttp_dec_new(enum clo_bhttp_kind kind, const struct clo_bhttp_handler *h,
                                   void *ctx, struct clo_bhttp_dec **ret);
CLO_MUST_USE int clo_bhttp_dec_feed(struct clo_bhttp_dec *d, const void *p, size_t n);
/* Has the message's explicit end come? */
bool clo_bhttp_dec_complete(const struct clo_bhttp_dec *d);
/* No more bytes: 0 if the message is complete, CLOISTER_E_CUT if not. */
CLO_MUST_USE int clo_bhttp_dec_end(struct clo_bhttp_dec *d);
void clo_bhttp_dec_free(struct clo_bhttp_dec *d);

/* Known-length request; one call, because requests are held whole. */
CLO_MUST_USE int clo_bhttp_write_request(const char *method, const char *scheme,
                                         const char *authority, const char *path,
                                         const struct clo_bhttp_field *f, size_t fields,
                                         const void *content, size_t n, struct clo_buf *out);
/* Indeterminate-length response, in pieces: head, any number of content chunks (empty ones write nothing), end. */
CLO_MUST_USE int clo_bhttp_write_informational(unsigned status, const struct clo_bhttp_field *f,
                                               size_t fields, bool first, struct clo_buf *out);
CLO_MUST_USE int clo_bhttp_write_response_head(unsigned status, const struct clo_bhttp_field *f,
                                               size_t fields, bool first, struct clo_buf *out);
CLO_MUST_USE int clo_bhttp_write_content(const void *p, size_t n, struct clo_buf *out);
CLO_MUST_USE int clo_bhttp_write_end(const struct clo_bhttp_field *trailers, size_t n,
                                     struct clo_buf *out);

#endif
