/* SPDX-License-Identifier: Apache-2.0 */
/* Comments and empty lines: see filler.h. */
#include "client/proxy/filler.h"

/* Is this byte part of what is kept? */
static bool step(struct clo_filler *f, uint8_t c)
{
    if (f->comment) {
        f->comment = c != '\n';
        return false;
    }
    if (c == ':' && f->at != CLO_FILLER_WITHIN) {
        f->comment = true;
        return false;
    }
    if (c != '\n') {
        f->at = CLO_FILLER_WITHIN;
        return true;
    }
    if (f->at == CLO_FILLER_EVENT)
        return false;
    f->at = f->at == CLO_FILLER_LINE ? CLO_FILLER_EVENT : CLO_FILLER_LINE;
    return true;
}

int clo_filler_feed(struct clo_filler *f, const void *p, size_t n,
                    int (*put)(void *ctx, const void *p, size_t n), void *ctx)
{
    const uint8_t *b = p;
    size_t from = 0;
    int err;

    for (size_t i = 0; i < n; i++) {
        if (step(f, b[i]))
            continue;
        if (i > from && (err = put(ctx, b + from, i - from)) != 0)
            return err;
        from = i + 1;
    }
    return n > from ? put(ctx, b + from, n - from) : 0;
}
