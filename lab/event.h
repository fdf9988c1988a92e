/* SPDX-License-Identifier: Apache-2.0 */
/* Writing event logs, right ones and wrong ones. */
#ifndef CLO_LAB_EVENT_H
#define CLO_LAB_EVENT_H

#include <string.h>

#include "attest/tpm.h"
#include "lab/lab.h"

#define EL_MAX  262144
#define EL_SHA1 0x04

struct event_lab {
    uint8_t p[EL_MAX];
    size_t n;
    uint16_t alg[16]; /* of the header, and of every event */
    size_t algs;
};

static inline size_t el_len(uint16_t alg)
{
    return alg == EL_SHA1 ? 20 : alg == CLO_EVENT_SHA256 ? 32 : alg == CLO_EVENT_SHA384 ? 48 : 64;
}

static inline void el_put(struct event_lab *l, const void *p, size_t n)
{
    LAB_MUST(n <= sizeof l->p - l->n);
    if (n != 0)
        memcpy(l->p + l->n, p, n);
    l->n += n;
}

static inline void el_int(struct event_lab *l, uint32_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t b = (uint8_t)(v >> (8 * i));

        el_put(l, &b, 1);
    }
}

/* Of these algorithms; ends with 0. */
static inline void el_start(struct event_lab *l, const uint16_t *alg)
{
    static const uint8_t zero[20];

    l->n = 0;
    l->algs = 0;
    while (alg[l->algs] != 0) {
        l->alg[l->algs] = alg[l->algs];
        l->algs++;
    }
    el_int(l, 0, 4);
    el_int(l, 3, 4);
    el_put(l, zero, 20);
    el_int(l, (uint32_t)(16 + 8 + 4 + 4 * l->algs + 1), 4);
    el_put(l, "Spec ID Event03", 16);
    el_put(l, "\0\0\0\0\0\2\0\2", 8);
    el_int(l, (uint32_t)l->algs, 4);
    for (size_t i = 0; i < l->algs; i++) {
        el_int(l, l->alg[i], 2);
        el_int(l, (uint32_t)el_len(l->alg[i]), 2);
    }
    el_int(l, 0, 1);
}

/* Every digest is made of `fill`. */
static inline void el_event(struct event_lab *l, uint32_t reg, uint32_t type, uint8_t fill,
                            const void *data, size_t n)
{
    uint8_t digest[64];

    memset(digest, fill, sizeof digest);
    el_int(l, reg, 4);
    el_int(l, type, 4);
    el_int(l, (uint32_t)l->algs, 4);
    for (size_t i = 0; i < l->algs; i++) {
        el_int(l, l->alg[i], 2);
        el_put(l, digest, el_len(l->alg[i]));
    }
    el_int(l, (uint32_t)n, 4);
    el_put(l, data, n);
}

/* What extending it with a digest made of `fill` makes of a register. */
static inline void el_extend(uint8_t *value, size_t len, uint8_t fill)
{
    uint8_t digest[48];
    const struct clo_slice in[] = {{value, len}, {digest, len}};

    memset(digest, fill, sizeof digest);
    LAB_MUST(clo_hash(len == 32 ? CLO_SHA256 : CLO_SHA384, in, 2, value) == 0);
}

#endif
