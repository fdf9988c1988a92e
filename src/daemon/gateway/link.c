/* SPDX-License-Identifier: Apache-2.0 */
/* An IPC channel in the event loop. Queued messages may carry a credential's digest: they lie in the wiping heap. */
#include "daemon/gateway/link.h"

#include <event2/event.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/secret.h"

#define QUEUE_MAX 8192 /* messages */
#define TURN_MAX  64   /* messages read before others get a turn */

struct waiting {
    STAILQ_ENTRY(waiting) next;
    uint16_t type;
    uint64_t id;
    size_t n;
    uint8_t payload[];
};

struct clo_link {
    int fd;
    const struct clo_link_ops *ops;
    const unsigned *state;
    void *ctx;
    struct event *in, *out;
    STAILQ_HEAD(, waiting) queue;
    size_t queued;
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct clo_link *l = arg;

    (void)what;
    for (unsigned i = 0; i < TURN_MAX; i++) {
        struct clo_ipc_msg m;
        int err = clo_ipc_recv(fd, *l->state, l->ops->table, l->ops->rows, &m);

        if (err == CLOISTER_E_NOT_FOUND)
            return;
        if (err == 0) {
            err = l->ops->message(l->ctx, &m);
            clo_ipc_msg_clear(&m);
            if (err != 0)
                err = CLOISTER_E_PROTOCOL;
        }
        if (err != 0) {
            event_del(l->in);
            event_del(l->out);
            l->ops->lost(l->ctx, err);
            return; /* l may be gone */
        }
    }
}

/* A peer that is gone shows on the reading side. */
static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct clo_link *l = arg;
    struct waiting *w = NULL;

    (void)what;
    while ((w = STAILQ_FIRST(&l->queue)) != NULL) {
        if (clo_ipc_send(fd, w->type, w->id, w->payload, w->n, -1) == CLOISTER_E_FULL) {
            event_add(l->out, NULL);
            return;
        }
        STAILQ_REMOVE_HEAD(&l->queue, next);
        l->queued--;
        clo_wipe_free(w);
    }
}

int clo_link_new(struct event_base *base, int fd, const struct clo_link_ops *ops,
                 const unsigned *state, void *ctx, struct clo_link **ret)
{
    struct clo_link *l = clo_wipe_malloc(sizeof(*l));

    if (l == NULL)
        return CLOISTER_E_MEMORY;
    *l = (struct clo_link){.fd = fd, .ops = ops, .state = state, .ctx = ctx};
    STAILQ_INIT(&l->queue);
    l->in = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, l);
    l->out = event_new(base, fd, EV_WRITE, on_writable, l);
    if (l->in == NULL || l->out == NULL || evutil_make_socket_nonblocking(fd) != 0 ||
        event_add(l->in, NULL) != 0) {
        l->fd = -1; /* stays the caller's */
        clo_link_free(l);
        return CLOISTER_E_MEMORY;
    }
    *ret = l;
    return 0;
}

static int enqueue(struct clo_link *l, uint16_t type, uint64_t id, const void *p, size_t n)
{
    struct waiting *w = NULL;

    if (l->queued >= QUEUE_MAX)
        return CLOISTER_E_FULL;
    w = clo_wipe_malloc(sizeof(*w) + n);
    if (w == NULL)
        return CLOISTER_E_MEMORY;
    *w = (struct waiting){.type = type, .id = id, .n = n};
    if (n > 0)
        memcpy(w->payload, p, n);
    STAILQ_INSERT_TAIL(&l->queue, w, next);
    l->queued++;
    return event_add(l->out, NULL) == 0 ? 0 : CLOISTER_E_MEMORY;
}

int clo_link_send(struct clo_link *l, uint16_t type, uint64_t id, const void *p, size_t n)
{
    int err = CLOISTER_E_FULL;

    if (l == NULL)
        return CLOISTER_E_NETWORK;
    if (l->queued == 0)
        err = clo_ipc_send(l->fd, type, id, p, n, -1);
    return err == CLOISTER_E_FULL ? enqueue(l, type, id, p, n) : err;
}

void clo_link_free(struct clo_link *l)
{
    struct waiting *w = NULL;

    if (l == NULL)
        return;
    if (l->in != NULL)
        event_free(l->in);
    if (l->out != NULL)
        event_free(l->out);
    while ((w = STAILQ_FIRST(&l->queue)) != NULL) {
        STAILQ_REMOVE_HEAD(&l->queue, next);
        clo_wipe_free(w);
    }
    if (l->fd >= 0)
        close(l->fd);
    clo_wipe_free(l);
}
