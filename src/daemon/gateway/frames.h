/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is inside the frames of a shaped answer (docs/PROTOCOL.md section 4): Binary HTTP of exactly the bytes that the class's next
 * frame has room for, whatever there is to say. Pure: when a frame is made is its caller's business, and so is sealing it.
 *
 * While the status isn't known a frame is an informational response. Then it is one content chunk that fills it: events, cut anywhere,
 * and behind the last whole one a comment (of what isn't a stream: line feeds). After the answer's end all is zero bytes, up to the
 * first number of frames that an answer of this class may have. Fuzzed by fuzz/fuzz_frames.c.
 */
#ifndef CLO_GATEWAY_FRAMES_H
#define CLO_GATEWAY_FRAMES_H

#include "codec/bhttp.h"
#include "codec/shape.h"

struct clo_frames;
/* max: bytes that may wait. nonce: bytes of response nonce that frame 0 has to leave room for. */
CLO_MUST_USE int clo_frames_new(const struct clo_shape_class *c, size_t nonce, size_t max,
                                struct clo_frames **ret);
void clo_frames_free(struct clo_frames *f);

/*
 * The answer, as far as it is known. stream: it consists of events. CLOISTER_E_STATE out of order; CLOISTER_E_LIMIT beyond max, or for a
 * head that one frame doesn't hold.
 */
CLO_MUST_USE int clo_frames_head(struct clo_frames *f, unsigned status,
                                 const struct clo_bhttp_field *field, size_t fields, bool stream);
/* What isn't a stream is said at once, and its end with it: between its parts there may be line feeds otherwise. */
CLO_MUST_USE int clo_frames_content(struct clo_frames *f, const void *p, size_t n);
/* One event's data. Text that goes on where the last event stopped becomes part of that. */
CLO_MUST_USE int clo_frames_event(struct clo_frames *f, const void *data, size_t n);
CLO_MUST_USE int clo_frames_end(struct clo_frames *f);
/* There won't be an end: frames go on, so that nobody sees it in the traffic, and the answer stays incomplete. */
void clo_frames_fail(struct clo_frames *f);
/* Forget the answer, if no frame has any of it yet. */
bool clo_frames_take_back(struct clo_frames *f);

/* Append the next frame's plaintext; after the final one CLOISTER_E_STATE. */
CLO_MUST_USE int clo_frames_next(struct clo_frames *f, struct clo_buf *out, bool *final);
/* The number of the next frame; of the class's most there are left. */
uint32_t clo_frames_index(const struct clo_frames *f);
/* Is there something that no frame has yet, or nothing but the rest of the shape? What has no clock goes by this. */
bool clo_frames_have_some(const struct clo_frames *f);
bool clo_frames_are_over(const struct clo_frames *f);
/* Bytes of content that wait for a frame. */
size_t clo_frames_waiting(const struct clo_frames *f);
/* Content bytes that are certain to fit into what is left of the class. */
size_t clo_frames_room(const struct clo_frames *f);

#endif
