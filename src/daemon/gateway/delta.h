/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of a stream that say nothing but some more of the answer's text: {"choices":[{"delta":{"content":"..."}}]} of
 * /v1/chat/completions, {"choices":[{"text":"..."}]} of /v1/completions. Two that differ in that text alone, or in when they were
 * made, are one event with both texts: where frames have a fixed size, three events with a word each would fill one.
 *
 * What isn't clearly such an event isn't one; nothing is decoded or written anew. Fuzzed by fuzz/fuzz_frames.c.
 */
#ifndef CLO_GATEWAY_DELTA_H
#define CLO_GATEWAY_DELTA_H

#include "base/rw.h"

struct clo_span {
    size_t at, n;
};
struct clo_delta {
    struct clo_span text;    /* between the quotes */
    struct clo_span created; /* the number; n 0: none */
};
/* Is the event's data such a one, in one line, of one choice, without probabilities? */
CLO_MUST_USE bool clo_delta_find(const void *p, size_t n, struct clo_delta *ret);
/* Do a and b differ in text and `created` alone? */
CLO_MUST_USE bool clo_delta_same(const void *a, size_t a_n, const struct clo_delta *da,
                                 const void *b, size_t b_n, const struct clo_delta *db);

#endif
