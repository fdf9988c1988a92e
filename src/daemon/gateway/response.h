/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encrypted answer to one request, in the form that the request has (docs/PROTOCOL.md section 2), made here and taken by
 * the outer HTTP server.
 *
 * Chunked: Binary HTTP in OHTTP chunks, each of which is one HTTP chunk. This is the one place that decides which bytes become one
 * chunk, and when. Without a shape everything that one call hands over leaves at once, in as few chunks as it takes; the head is held
 * until the first content or the end. With one (_shape) the answer is frames (frames.h): each is made when it is due and asked for.
 *
 * Plain: all of it is held until the end, and sealed in one piece. Until then another answer may take its place. A shape pads it, and
 * has it leave a whole number of seconds after its request.
 *
 * After _end the answer is complete; after _abort it is not, and nobody can take it for complete: unshaped, what was sealed so far is all
 * there will ever be; shaped, frames go on to a number at which an answer may end.
 */
#ifndef CLO_GATEWAY_RESPONSE_H
#define CLO_GATEWAY_RESPONSE_H

#include "codec/bhttp.h"
#include "codec/ohttp.h"
#include "codec/shape.h"

/* Bytes sealed and not yet taken beyond which the source should pause (clo_response_is_congested), until half is gone. */
#define CLO_RESPONSE_HIGH ((size_t)256 << 10)

enum clo_response_state {
    CLO_RESPONSE_OPEN,
    CLO_RESPONSE_ENDED,
    CLO_RESPONSE_ABORTED
};

enum clo_response_flow {
    CLO_FLOW_SOME, /* _take gives something */
    CLO_FLOW_WAIT, /* ... when it is due, or when more is said */
    CLO_FLOW_END,  /* all was taken */
    CLO_FLOW_CUT   /* all was taken, and it breaks off here */
};
#define CLO_RESPONSE_NEVER INT64_MAX

struct clo_response;
/* In o's form, under keys of its own with a fresh nonce; o and enc are not needed afterwards. */
CLO_MUST_USE int clo_response_new(const struct clo_ohttp_opened *o, const uint8_t *enc,
                                  const struct clo_rng *rng, struct clo_response **ret);
/* Before anything is said. start_us: when the request ended, on the clock of _take's now_us. */
CLO_MUST_USE int clo_response_shape(struct clo_response *r, enum clo_shaping s, enum clo_shape c,
                                    int64_t start_us);
/*
 * retry_after: seconds, 0 for none. Any failure of these four aborts, except that a plain answer which grew beyond its bound can
 * be taken back.
 */
CLO_MUST_USE int clo_response_begin(struct clo_response *r, unsigned status,
                                    const char *content_type, unsigned retry_after);
CLO_MUST_USE int clo_response_content(struct clo_response *r, const void *p, size_t n);
/* One event's data, of one line or several. */
CLO_MUST_USE int clo_response_event(struct clo_response *r, const void *data, size_t n);
/* now_us: from when on a plain answer's seconds are counted up. */
CLO_MUST_USE int clo_response_end(struct clo_response *r, int64_t now_us);
void clo_response_abort(struct clo_response *r);
/* Begin anew with another answer: true if nothing of this one has been sealed, and it is forgotten. */
bool clo_response_take_back(struct clo_response *r);

/* The next HTTP chunk, or as much of it as fits; 0 when nothing is there or due. */
size_t clo_response_take(struct clo_response *r, int64_t now_us, void *dst, size_t cap);
enum clo_response_flow clo_response_flow(const struct clo_response *r, int64_t now_us);
/* When the next bytes are due; CLO_RESPONSE_NEVER if that depends on what is still to be said. */
int64_t clo_response_due(const struct clo_response *r);
/* Bytes that wait; for a plain answer that has ended and was not yet taken from: its size. */
size_t clo_response_size(const struct clo_response *r);
/* Content bytes that are certain to fit. */
size_t clo_response_room(const struct clo_response *r);
bool clo_response_is_plain(const struct clo_response *r);
bool clo_response_is_shaped(const struct clo_response *r);
enum clo_response_state clo_response_state(const struct clo_response *r);
bool clo_response_has_begun(const struct clo_response *r);
bool clo_response_is_congested(const struct clo_response *r);
/* Content bytes handed in so far. */
uint64_t clo_response_bytes(const struct clo_response *r);
void clo_response_free(struct clo_response *r);

#endif
