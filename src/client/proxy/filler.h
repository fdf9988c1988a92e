/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fills the frames of a shaped stream of events (docs/PROTOCOL.md section 4) and says nothing: comments, and line ends where an event could
 * begin. Both are legal and mean nothing (HTML standard, section 9.2.6); but some applications' readers stumble over them, and each would wake
 * the application. Taken out however the pieces are cut. Pure.
 */
#ifndef CLO_PROXY_FILLER_H
#define CLO_PROXY_FILLER_H

#include "base/base.h"

struct clo_filler { /* all zero: the beginning of a stream */
    enum clo_filler_at {
        CLO_FILLER_EVENT, /* an event could begin */
        CLO_FILLER_LINE,  /* a line of an event could begin */
        CLO_FILLER_WITHIN
    } at;
    bool comment; /* in one, which came at `at` */
};

/* What is to be kept goes to put in pieces, in order; its non-zero return ends it. */
CLO_MUST_USE int clo_filler_feed(struct clo_filler *f, const void *p, size_t n,
                                 int (*put)(void *ctx, const void *p, size_t n), void *ctx);

#endif
