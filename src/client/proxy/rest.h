/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes on without an application (docs/PROTOCOL.md section 4): the rest of a stream whose answer is whole or that nobody wants any more,
 * and cancellations. Each is read to its end in the event loop, because the moment at which a connection closes shows how long its answer was;
 * at the proxy's end they are left to a process of their own.
 *
 * The rest of a whole answer is still opened, which is how a breach of the promised shape is seen; it is zero bytes. Of one that was stopped
 * the keys are gone.
 */
#ifndef CLO_PROXY_REST_H
#define CLO_PROXY_REST_H

#include "client/proxy/pool.h"

/* What all of them share. */
struct clo_rests {
    struct clo_wire *wire;
    const char *api_key; /* NULL for none */
    unsigned streams;    /* so many go on */
    unsigned
        cancels; /* cancellations whose answer has not come, counted among the streams as well */
    void (*quiet)(void *ctx); /* the last of these has been heard, or failed */
    void *ctx;
};

/* After this error of an answer that was whole: did its machine, or somebody on the way, break the rules? A mere cut isn't one. */
bool clo_rest_is_breach(int err);

/*
 * Take a flight, the tie under which it was sealed, and the exchange, whose answer is whole (NULL: it isn't wanted), from whom they were so far.
 * Without memory for that all three end at once.
 */
void clo_rest_take(struct clo_rests *r, struct clo_server *server, struct clo_flight *flight,
                   struct clo_tie *tie, struct cloister_exchange *x);
/* Tell the server that nobody waits for the answer to request `id`, through the gateway that has it. Heard or not, there is nobody to tell. */
void clo_rest_cancel(struct clo_rests *r, struct clo_server *server, struct clo_tie *tie,
                     const uint8_t id[32]);

#endif
