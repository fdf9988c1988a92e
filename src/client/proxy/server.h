/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proxy's HTTP towards applications: libmicrohttpd inside the event loop. What the guard lets pass becomes a call (call.h); a
 * connection is suspended while it waits, resumed when its call has something to say, and one return of the content callback
 * is one HTTP chunk.
 *
 * libmicrohttpd's own buffers hold text. They are larger than the 32 KiB up to which it would take them from the heap, so that each
 * connection's is a mapping of its own, which the kernel clears when it is given back.
 *
 * Limits: CONNECTIONS at a time, CALLS of them with a request that runs, STREAMS with those that go on behind answers, 64 KiB a connection, 120 s without a movement.
 */
#ifndef CLO_PROXY_SERVER_H
#define CLO_PROXY_SERVER_H

#include "client/proxy/call.h"

struct event_base;
struct clo_proxy_http;

struct clo_proxy_setup {
    struct event_base *base;
    struct clo_guard guard; /* what it points at has to last */
    struct clo_callers *callers;
};
/* Begin to accept on a listening socket, which it takes. */
CLO_MUST_USE int clo_proxy_http_new(const struct clo_proxy_setup *setup, int listener,
                                    struct clo_proxy_http **ret);
/* Accept nothing more and end every connection; what runs is cancelled. NULL is fine, and so is a second time. */
void clo_proxy_http_end(struct clo_proxy_http *h);
/* NULL is fine. */
void clo_proxy_http_free(struct clo_proxy_http *h);

#endif
