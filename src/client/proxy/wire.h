/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outer HTTP of the proxy: libcurl inside the event loop, many transfers at a time, each with a connection of its own. Set-up and
 * judgement are client/transfer.h's.
 *
 * A flight ends with exactly one call of done, never from within a call of this interface; or with clo_flight_abort, and then without.
 */
#ifndef CLO_PROXY_WIRE_H
#define CLO_PROXY_WIRE_H

#include "client/transport.h"

struct event_base;
struct clo_wire;
struct clo_flight;

CLO_MUST_USE int clo_wire_new(struct event_base *base, struct clo_wire **ret);
/* Ends what still flies with CLOISTER_E_CANCELLED. */
void clo_wire_free(struct clo_wire *w);
/* The same; but those that were handed over fly on after the program's end (client/drain.h). NULL is fine. */
void clo_wire_leave(struct clo_wire *w);

struct clo_flight_plan {
    const struct clo_transport *to; /* has to outlive the flight */
    const char *path;
    const char *accept; /* NULL: any */
    const struct clo_post *
        post; /* NULL: a GET; of it path, type, body, own and limits count, body has to outlive the flight */
    /* bytes of a 200 answer; CLO_TRANSFER_PAUSE (client/transfer.h): the same ones again after clo_flight_resume */
    int (*sink)(void *ctx, const void *p, size_t n);
    void (*sent)(void *ctx); /* a byte is about to leave; may be NULL */
    void (*done)(void *ctx, int err, const struct clo_reply *reply); /* the flight is gone */
    void *ctx;
};
CLO_MUST_USE int clo_flight_start(struct clo_wire *w, const struct clo_flight_plan *plan,
                                  struct clo_flight **ret);
void clo_flight_resume(struct clo_flight *f);
/*
 * It goes on for others: these are called from now on, and it is one that may be left to a process of its own. answered: a piece of
 * its answer has authenticated, so that the request's bytes are needed no more. Not from within sink or sent.
 */
void clo_flight_hand_over(struct clo_flight *f, bool answered,
                          int (*sink)(void *ctx, const void *p, size_t n),
                          void (*done)(void *ctx, int err, const struct clo_reply *reply),
                          void *ctx);
/* Close its connection. Not from within sink or sent. NULL is fine. */
void clo_flight_abort(struct clo_flight *f);

#endif
