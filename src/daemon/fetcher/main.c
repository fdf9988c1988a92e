/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloisterd-fetcher: the only process that asks the vendors' services, and the only one with libcurl. It holds nothing secret
 * and judges nothing: what it gets, from a file or from the network, are untrusted bytes that it hands to the attester.
 *
 * The attester names what it wants, never a URL. It has the loop to itself: nothing here waits for a service, a name or a pipe.
 */
#include "daemon/fetcher/jobs.h"
#include "daemon/role.h"

enum state {
    NEW,
    RUNNING
};

static const struct clo_ipc_permit from_parent[] = {
    {1U << NEW, CLO_MSG_FETCHER_START, 1, CLO_IPC_PAYLOAD_MAX, false},
    {1U << RUNNING, CLO_MSG_PEER, 1, 1, true},
    {1U << NEW | 1U << RUNNING, CLO_MSG_DRAIN, 0, 0, false},
    {1U << NEW | 1U << RUNNING, CLO_MSG_PING, 0, 0, false},
    {1U << NEW | 1U << RUNNING, CLO_MSG_LOG_LEVEL, 1, 1, false},
};
/* a flag, and a want with its request */
enum {
    FETCH_MAX = 64 + CLO_WANT_REQUEST_MAX
};
static const struct clo_ipc_permit from_attester[] = {
    {1U << RUNNING, CLO_MSG_FETCH, 2, FETCH_MAX, false},
    {1U << RUNNING, CLO_MSG_KEEP, 0, 0, false},
};

struct fetcher {
    enum state state;
    struct clo_jobs *jobs; /* NULL while NEW */
    int attester;
    bool ends;
};

static void log_bad(enum clo_role peer, const struct clo_ipc_msg *m, enum state state, int err)
{
    clo_log("fetcher", CLO_EV_IPC_BAD, peer, m->type, state, (uint64_t) - (int64_t)err);
}

static int begin(struct fetcher *f, const struct clo_ipc_msg *m)
{
    struct clo_fetcher_start start = {0};
    int err;

    if ((err = clo_fetcher_start_read(m->payload, m->n, &start)) != 0 ||
        (err = clo_jobs_new(&start, &f->jobs)) != 0)
        return err;
    f->state = RUNNING;
    return clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_READY, 0, NULL, 0, -1);
}

static int take_peer(struct fetcher *f, struct clo_ipc_msg *m)
{
    if (m->payload[0] != CLO_ROLE_ATTESTER)
        return CLOISTER_E_PROTOCOL;
    clo_channel_drop(&f->attester);
    clo_jobs_drop(f->jobs);
    f->attester = m->fd;
    m->fd = -1;
    return 0;
}

static int command(struct fetcher *f, struct clo_ipc_msg *m)
{
    switch (m->type) {
    case CLO_MSG_FETCHER_START: return begin(f, m);
    case CLO_MSG_PEER: return take_peer(f, m);
    case CLO_MSG_PING: return clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_PING, m->id, NULL, 0, -1);
    case CLO_MSG_LOG_LEVEL: return clo_role_log_level(m);
    default: /* DRAIN: what an attester still waits for it can do without */
        f->ends = true;
        return clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_DRAINED, m->id, NULL, 0, -1);
    }
}

static int from_parent_all(struct fetcher *f, struct clo_ipc_msg *m)
{
    int err;

    while ((err = clo_ipc_recv(CLO_CONTROL_FD, f->state, from_parent, CLO_ARRAY_LEN(from_parent),
                               m)) == 0) {
        err = command(f, m);
        clo_ipc_msg_clear(m);
        if (err != 0 || f->ends)
            return err;
    }
    if (err == CLOISTER_E_NETWORK)
        f->ends = true;
    return err == CLOISTER_E_NOT_FOUND || err == CLOISTER_E_NETWORK ? 0 : err;
}

static void attester_lost(struct fetcher *f, const struct clo_ipc_msg *m, int err)
{
    clo_jobs_drop(f->jobs);
    if (err == CLOISTER_E_NETWORK) {
        clo_channel_drop(&f->attester);
        return;
    }
    log_bad(CLO_ROLE_ATTESTER, m, f->state, err);
    clo_channel_refuse(&f->attester, CLO_ROLE_ATTESTER);
}

/* Where nothing is read for want of room, this says that nothing more will come. */
static bool has_hung_up(int sock)
{
    struct pollfd p = {.fd = sock};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

/*
 * One message, if there is one: files are read and written for it, and the parent shouldn't wait for many of them. The attester's
 * faults end its channel; an error is a fault of ours.
 */
static int from_attester_one(struct fetcher *f, struct clo_ipc_msg *m)
{
    struct clo_fetch want = {0};
    int err;

    if (clo_jobs_full(f->jobs)) {
        if (has_hung_up(f->attester))
            attester_lost(f, m, CLOISTER_E_NETWORK);
        return 0;
    }
    err = clo_ipc_recv(f->attester, f->state, from_attester, CLO_ARRAY_LEN(from_attester), m);
    if (err == CLOISTER_E_NOT_FOUND)
        return 0;
    if (err != 0 ||
        (m->type == CLO_MSG_FETCH && (err = clo_fetch_read(m->payload, m->n, &want)) != 0))
        attester_lost(f, m, err);
    else if (m->type == CLO_MSG_FETCH)
        err = clo_jobs_fetch(f->jobs, m->id, &want);
    else
        clo_jobs_keep(f->jobs, m->id);
    clo_ipc_msg_clear(m);
    return f->attester >= 0 ? err : 0;
}

static int to_attester(struct fetcher *f, const struct clo_ipc_msg *m)
{
    int err = clo_jobs_send(f->jobs, f->attester);

    if (err != CLOISTER_E_NETWORK)
        return err;
    attester_lost(f, m, err);
    return 0;
}

static void wait_for_work(struct fetcher *f)
{
    struct pollfd p[] = {{.fd = CLO_CONTROL_FD, .events = POLLIN}, {.fd = f->attester}};

    if (f->jobs == NULL) {
        (void)poll(p, 1, -1);
        return;
    }
    p[1].events = clo_jobs_full(f->jobs) ? 0 : POLLIN;
    if (clo_jobs_due(f->jobs))
        p[1].events |= POLLOUT;
    clo_jobs_wait(f->jobs, p, CLO_ARRAY_LEN(p));
}

static int run(struct fetcher *f)
{
    static struct clo_ipc_msg m = {.fd = -1};
    int err;

    for (;;) {
        wait_for_work(f);
        if ((err = from_parent_all(f, &m)) != 0 || f->ends)
            return err;
        if ((f->attester >= 0 && (err = from_attester_one(f, &m)) != 0) ||
            (f->attester >= 0 && (err = to_attester(f, &m)) != 0))
            return err;
    }
}

int main(int argc, char *argv[])
{
    struct fetcher f = {.attester = -1};
    struct clo_cell_site site = {0};
    int err;

    if (clo_role_begin(CLO_ROLE_FETCHER, argc, argv, &site) != 0)
        return 1;
    if (clo_role_enclose(CLO_ROLE_FETCHER, CLO_CELL_FETCHER, &site) != 0)
        return CLO_EXIT_CELL;
    err = run(&f);
    if (err != 0)
        clo_log("fetcher", CLO_EV_IPC_BAD, CLO_ROLE_PARENT, 0, f.state, (uint64_t) - (int64_t)err);
    clo_channel_drop(&f.attester);
    clo_jobs_free(f.jobs);
    return err == 0 ? 0 : 1;
}
