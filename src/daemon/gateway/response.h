/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encrypted answer to one request, in the form that the request has (docs/PROTOCOL.md section 2), made here and taken by
 * the outer HTTP server.
 *
 * Chunked: Binary HTTP in OHTTP chunks. This is the one place that decides which bytes become one chunk, and so the place where a
 * traffic shape goes: today everything that one call hands over leaves at once, in as few chunks as it takes, and one OHTTP
 * chunk is one HTTP chunk. The head is held until the first content or the end.
 *
 * Plain: all of it is held until the end, and sealed in one piece. Until then another answer may take its place.
 *
 * After _end the answer is complete; after _abort what was sealed so far is all there will ever be, and nobody can take it
 * for complete.
 */
#ifndef CLO_GATEWAY_RESPONSE_H
#define CLO_GATEWAY_RESPONSE_H

#include "codec/bhttp.h"
#include "codec/ohttp.h"

/* Bytes sealed and not yet taken beyond which the source should pause (clo_response_is_congested), until half is gone. */
#define CLO_RESPONSE_HIGH ((size_t)256 << 10)

enum clo_response_state {
    CLO_RESPONSE_OPEN,
    CLO_RESPONSE_ENDED,
    CLO_RESPONSE_ABORTED
};

struct clo_response;
/* In o's form, under keys of its own with a fresh nonce; o and enc are not needed afterwards. */
CLO_MUST_USE int clo_response_new(const struct clo_ohttp_opened *o, const uint8_t *enc,
                                  const struct clo_rng *rng, struct clo_response **ret);
/*
 * retry_after: seconds, 0 for none. Any failure of these three aborts, except that a plain answer which grew beyond its bound can
 * be taken back.
 */
CLO_MUST_USE int clo_response_begin(struct clo_response *r, unsigned status,
                                    const char *content_type, unsigned retry_after);
CLO_MUST_USE int clo_response_content(struct clo_response *r, const void *p, size_t n);
CLO_MUST_USE int clo_response_end(struct clo_response *r);
void clo_response_abort(struct clo_response *r);
/* Begin anew with another answer: true if nothing of this one has been sealed, and it is forgotten. */
bool clo_response_take_back(struct clo_response *r);

/* The next HTTP chunk, or as much of it as fits; 0 when nothing is there. */
size_t clo_response_take(struct clo_response *r, void *dst, size_t cap);
bool clo_response_has_some(const struct clo_response *r);
/* Bytes that wait; for a plain answer that has ended and was not yet taken from: its size. */
size_t clo_response_size(const struct clo_response *r);
bool clo_response_is_plain(const struct clo_response *r);
enum clo_response_state clo_response_state(const struct clo_response *r);
bool clo_response_has_begun(const struct clo_response *r);
bool clo_response_is_congested(const struct clo_response *r);
/* Content bytes handed in so far. */
uint64_t clo_response_bytes(const struct clo_response *r);
void clo_response_free(struct clo_response *r);

#endif
