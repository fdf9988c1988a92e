/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to the inference engine: one connection, over a Unix socket or loopback, closed when the answer has
 * ended or is no longer wanted (which is how an engine learns that it may stop).
 */
#ifndef CLO_GATEWAY_ENGINE_H
#define CLO_GATEWAY_ENGINE_H

#include "codec/http1.h"

struct event_base;
struct clo_leg;

struct clo_leg_ops {
    int (*head)(void *ctx, const struct clo_http1_head *head);
    int (*body)(void *ctx, const uint8_t *p, size_t n);
    /*
     * The last call, with the connection closed: 0 when the body came to its explicit end; what head or body returned; CLOISTER_E_CUT
     * or CLOISTER_E_NETWORK when the engine broke off, was silent too long or talked nonsense. The leg is gone after it.
     */
    void (*end)(void *ctx, int err);
};
/*
 * address: "unix:/path" or "127.0.0.1:port". Takes what is in `body` and wipes it when it is sent. silence_s: how long the
 * engine may say nothing. No callback is called before the event loop runs again.
 */
CLO_MUST_USE int clo_leg_start(struct event_base *base, const char *address, const char *path,
                               struct clo_buf *body, unsigned silence_s,
                               const struct clo_leg_ops *ops, void *ctx, struct clo_leg **ret);
/* Stop or go on reading: the engine then feels that its reader is slow. */
void clo_leg_pause(struct clo_leg *leg, bool pause);
/* Close the connection; no further callback. Not from inside head or body. NULL is fine. */
void clo_leg_free(struct clo_leg *leg);

#endif
