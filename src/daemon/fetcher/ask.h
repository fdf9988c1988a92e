/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking services: libcurl, narrowed down, several requests at a time. 10 s to connect and 30 s in all; an answer is read up to
 * CLO_ANSWER_MAX, and only with status 200.
 */
#ifndef CLO_FETCHER_ASK_H
#define CLO_FETCHER_ASK_H

#include <poll.h>

#include "daemon/fetcher/url.h"

/* How one request ended. */
struct clo_reply_got {
    bool useful;            /* status 200, a whole body, and the chain that belongs to it */
    uint32_t status;        /* 0: no whole answer came */
    uint32_t retry_after_s; /* 0: it doesn't say */
    struct clo_buf body,
        chain; /* unwrapped; empty unless useful. The receiver may take them over */
};
struct clo_asker;
struct clo_asking;
/* proxy: "" for none. */
CLO_MUST_USE int clo_asker_new(const char *proxy, struct clo_asker **ret);
void clo_asker_free(struct clo_asker *a); /* abort all before */
/*
 * done is called once, from clo_asker_wait; what it is given it may keep by moving it. *ret is valid until then. r is copied.
 */
CLO_MUST_USE int clo_asker_start(struct clo_asker *a, const struct clo_service_request *r,
                                 void (*done)(void *ctx, struct clo_reply_got *got), void *ctx,
                                 struct clo_asking **ret);
/* Without a call of done. Not from within done. */
void clo_asker_abort(struct clo_asking *x);
/* Let the requests go on, and wait until one of these descriptors (-1: none) or of the connections is ready. */
void clo_asker_wait(struct clo_asker *a, struct pollfd *fds, size_t n);

#endif
