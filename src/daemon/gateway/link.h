/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One IPC channel in the event loop: messages in by callback, messages out through a bounded queue for the moments when the
 * socket is full. A peer that goes away or breaks the rules is reported once, and nothing comes from it afterwards.
 */
#ifndef CLO_GATEWAY_LINK_H
#define CLO_GATEWAY_LINK_H

#include "platform/ipc.h"

struct event_base;
struct clo_link;

struct clo_link_ops {
    const struct clo_ipc_permit *table;
    size_t rows;
    /* m is the callee's to read and, if it takes m->fd, to set that to -1. An error is a broken rule. */
    int (*message)(void *ctx, struct clo_ipc_msg *m);
    /* The last call: CLOISTER_E_NETWORK or CLOISTER_E_PROTOCOL. The link must not be freed inside message, but may be here. */
    void (*lost)(void *ctx, int err);
};
/* Takes fd. state: the receiver's state, looked at for each message. */
CLO_MUST_USE int clo_link_new(struct event_base *base, int fd, const struct clo_link_ops *ops,
                              const unsigned *state, void *ctx, struct clo_link **ret);
/* CLOISTER_E_FULL when too much waits already, CLOISTER_E_NETWORK when the peer is gone. */
CLO_MUST_USE int clo_link_send(struct clo_link *l, uint16_t type, uint64_t id, const void *p,
                               size_t n);
void clo_link_free(struct clo_link *l);

#endif
