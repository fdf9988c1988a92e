/* SPDX-License-Identifier: Apache-2.0 */
/* The traffic shape's numbers: see shape.h and docs/PROTOCOL.md section 4. */
#include "codec/shape.h"

#include <string.h>

#include "codec/ohttp.h"

enum {
    REQUEST_MIN = 16 << 10,
    COARSE_MAX = 1 << 20, /* up to here sizes are four times the one before */
    TOP_BITS = 6,
    CHUNK_WIRE = 2 + CLO_SHAPE_REQUEST_CHUNK + CLO_AEAD_TAG, /* varint, sealed bytes */
    FINAL_WIRE = 1 + CLO_AEAD_TAG,
    FRAMING = 4, /* two CRLFs around an HTTP chunk */
};

static const char *const shaping_names[] = {
    [CLO_SHAPING_OFF] = "off", [CLO_SHAPING_SIZE] = "size", [CLO_SHAPING_FULL] = "full"};

static const struct clo_shape_class classes[CLO_SHAPES] = {
    [CLO_SHAPE_CHAT] = {"chat", 512, 50, 100, 512, 32768},
    [CLO_SHAPE_WIDE] = {"wide", 4096, 50, 100, 128, 32768},
    [CLO_SHAPE_BULK] = {"bulk", 16384, 50, 100, 32, 32768},
};

const char *clo_shaping_name(enum clo_shaping s)
{
    return shaping_names[s];
}

bool clo_shaping_read(const char *word, enum clo_shaping *ret)
{
    for (unsigned i = 0; i < CLO_ARRAY_LEN(shaping_names); i++)
        if (strcmp(word, shaping_names[i]) == 0) {
            *ret = (enum clo_shaping)i;
            return true;
        }
    return false;
}

struct clo_shape_class clo_shape_class(enum clo_shaping s, enum clo_shape c)
{
    struct clo_shape_class r = classes[c];

    if (s != CLO_SHAPING_FULL)
        r.interval_ms = r.delay_ms = 0;
    return r;
}

bool clo_shape_read(const char *name, enum clo_shape *ret)
{
    for (unsigned i = 0; i < CLO_SHAPES; i++)
        if (strcmp(name, classes[i].name) == 0) {
            *ret = (enum clo_shape)i;
            return true;
        }
    return false;
}

/* ---- requests ---- */

static size_t next_size(size_t t)
{
    size_t step = 1;

    if (t < COARSE_MAX)
        return t * 4;
    while (t >> TOP_BITS >= step)
        step *= 2;
    return t + step;
}

size_t clo_shape_round(size_t n)
{
    size_t t = REQUEST_MIN;

    while (t < n)
        t = next_size(t);
    return t;
}

size_t clo_shape_request_room(size_t head, size_t t)
{
    const size_t left = t - head - FINAL_WIRE;

    return left / CHUNK_WIRE * CLO_SHAPE_REQUEST_CHUNK + left % CHUNK_WIRE;
}

size_t clo_shape_request_chunks(size_t head, size_t t)
{
    return (t - head - FINAL_WIRE) / CHUNK_WIRE;
}

size_t clo_shape_request(size_t head, size_t n)
{
    size_t t = clo_shape_round(head + FINAL_WIRE + n);

    while (clo_shape_request_room(head, t) < n)
        t = next_size(t);
    return t;
}

/* ---- frames ---- */

size_t clo_frame_chunk(uint32_t frame)
{
    switch (frame) {
    case 512:
    case 4096: return frame - FRAMING - 3;  /* 0x1f9, 0xff9 */
    case 16384: return frame - FRAMING - 4; /* 0x3ff8 */
    default: return 0;
    }
}

size_t clo_frame_plain(uint32_t frame, size_t nonce, bool final)
{
    return clo_frame_chunk(frame) - nonce - CLO_AEAD_TAG - (final ? 1 : 2);
}

bool clo_shape_may_end(const struct clo_shape_class *c, uint32_t index)
{
    uint32_t n = c->first;

    while (n < index + 1 && n < c->max)
        n *= 4;
    return n == index + 1;
}

int64_t clo_shape_due_us(const struct clo_shape_class *c, uint32_t index)
{
    return ((int64_t)c->delay_ms + (int64_t)index * c->interval_ms) * 1000;
}

long clo_shape_longest_s(void)
{
    int64_t longest = 0;

    for (unsigned i = 0; i < CLO_SHAPES; i++) {
        const int64_t due = clo_shape_due_us(&classes[i], classes[i].max - 1);

        longest = due > longest ? due : longest;
    }
    return (long)(longest / 1000000) + 60;
}
