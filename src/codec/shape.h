/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The traffic shape's numbers (docs/PROTOCOL.md section 4): what sizes an encrypted request may have, into which chunks it is cut, and
 * how many frames of which size and when an encrypted answer is. Arithmetic only: the gateway makes frames by it
 * (daemon/gateway/frames.h), and the channel holds what it gets against it.
 */
#ifndef CLO_CODEC_SHAPE_H
#define CLO_CODEC_SHAPE_H

#include "base/base.h"

/* How much of it a machine keeps to. Numbers of the manifest's words and of <cloister/verify.h>. */
enum clo_shaping {
    CLO_SHAPING_OFF, /* bytes leave as they come */
    CLO_SHAPING_SIZE, /* frames of one size and padded totals, as soon as there is something to send */
    CLO_SHAPING_FULL /* ... and at times that nothing depends on */
};
/* "off", "size", "full" */
const char *clo_shaping_name(enum clo_shaping s);
CLO_MUST_USE bool clo_shaping_read(const char *word, enum clo_shaping *ret);

/* The client chooses the class; it is visible, what is inside isn't. */
enum clo_shape {
    CLO_SHAPE_CHAT,
    CLO_SHAPE_WIDE,
    CLO_SHAPE_BULK,
    CLO_SHAPES
};
struct clo_shape_class {
    const char *name;
    uint32_t frame;       /* bytes on the wire, HTTP's chunk framing included */
    uint32_t interval_ms; /* between two frames; 0: without a clock */
    uint32_t delay_ms;    /* from the final request chunk to frame 0 */
    uint32_t first; /* frames of the smallest answer; each further class has four times as many */
    uint32_t max;   /* ... up to this */
};
/* Under CLO_SHAPING_SIZE interval and delay are 0; there is none under CLO_SHAPING_OFF. */
struct clo_shape_class clo_shape_class(enum clo_shaping s, enum clo_shape c);
CLO_MUST_USE bool clo_shape_read(const char *name, enum clo_shape *ret);

/* ---- requests ---- */
/*
 * T: the size of the whole body of a chunked request with `head` bytes of header and enc whose inner message has n bytes: the
 * smallest of 16 KiB x 4^k up to 1 MiB, and beyond that of the numbers whose bits below the top six are zero, that holds it.
 */
size_t clo_shape_request(size_t head, size_t n);
/* Plaintext bytes of each chunk of it that isn't the final one. */
#define CLO_SHAPE_REQUEST_CHUNK 16367
/* How many of those a chunked request of t bytes has. */
size_t clo_shape_request_chunks(size_t head, size_t t);
/* Plaintext bytes that a chunked request of t bytes holds. */
size_t clo_shape_request_room(size_t head, size_t t);
/* The smallest of T's sizes that is n or more: the size of a body that is one piece. */
size_t clo_shape_round(size_t n);

/* ---- frames ---- */
/* d: bytes of the HTTP chunk in a frame; 0 for a size that frames don't have. */
size_t clo_frame_chunk(uint32_t frame);
/* Plaintext bytes of a frame. nonce: bytes of response nonce in front, in frame 0; else 0. */
size_t clo_frame_plain(uint32_t frame, size_t nonce, bool final);
/* May an answer end with frame `index`? */
bool clo_shape_may_end(const struct clo_shape_class *c, uint32_t index);
/* When frame `index` is due, in microseconds behind the final request chunk. */
int64_t clo_shape_due_us(const struct clo_shape_class *c, uint32_t index);
/* Seconds that no stream lives beyond, whatever its class: its last frame's time, and a minute for the way. */
long clo_shape_longest_s(void);

#endif
