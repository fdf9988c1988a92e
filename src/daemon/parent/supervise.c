/* SPDX-License-Identifier: Apache-2.0 */
/* Supervision: what children say, what becomes of those that end, signals, and the loop over all of it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/parent/parent.h"
#include "platform/process.h"

enum {
    END_S = 3,     /* between the order to end and SIGKILL */
    TURN_MAX = 16, /* messages of one child before others, and signals, are looked at */
    /* From one reload to the next: what each sends must not fill the channel of a gateway that is busy for a moment. */
    RELOAD_PAUSE_MS = 100,
};

/* ---- what children say ---- */

static const struct clo_ipc_permit from_gateway[] = {
    {1U << CLO_CHILD_STARTING | 1U << CLO_CHILD_RUNNING, CLO_MSG_READY, 0, 0, false},
    {1U << CLO_CHILD_RUNNING, CLO_MSG_DRAINED, 0, 0, false},
    {1U << CLO_CHILD_STARTING | 1U << CLO_CHILD_RUNNING, CLO_MSG_PING, 0, 0, false},
};
static const struct clo_ipc_permit from_attester[] = {
    {1U << CLO_CHILD_STARTING, CLO_MSG_SIMULATED, 80, 80, false},
    {1U << CLO_CHILD_STARTING | 1U << CLO_CHILD_RUNNING, CLO_MSG_WORKER, 0, 0, false},
    {1U << CLO_CHILD_STARTING, CLO_MSG_FOUND, 1, 64, false},
    {1U << CLO_CHILD_STARTING | 1U << CLO_CHILD_RUNNING, CLO_MSG_WAITING, 1, 64 + CLO_WANT_NAME_MAX,
     false},
    {1U << CLO_CHILD_RUNNING, CLO_MSG_DEVICES_LOST, 1, 1, false},
    {1U << CLO_CHILD_STARTING | 1U << CLO_CHILD_RUNNING, CLO_MSG_READY, 0, 0, false},
    {1U << CLO_CHILD_STARTING | 1U << CLO_CHILD_RUNNING, CLO_MSG_DRAINED, 0, 0, false},
    {1U << CLO_CHILD_STARTING | 1U << CLO_CHILD_RUNNING, CLO_MSG_PING, 0, 0, false},
    /* before READY as well: it asks the fetcher while it prepares */
    {1U << CLO_CHILD_STARTING | 1U << CLO_CHILD_RUNNING, CLO_MSG_PEER_BAD, 1, 1, false},
};
static const struct clo_ipc_permit from_keeper[] = {
    {1U << CLO_CHILD_STARTING, CLO_MSG_READY, 0, 0, false},
    {1U << CLO_CHILD_STARTING | 1U << CLO_CHILD_RUNNING, CLO_MSG_DRAINED, 0, 0, false},
    {1U << CLO_CHILD_STARTING | 1U << CLO_CHILD_RUNNING, CLO_MSG_PING, 0, 0, false},
    {1U << CLO_CHILD_RUNNING, CLO_MSG_PEER_BAD, 1, 1, false},
};
static const struct clo_ipc_permit from_fetcher[] = {
    {1U << CLO_CHILD_STARTING, CLO_MSG_READY, 0, 0, false},
    {1U << CLO_CHILD_STARTING | 1U << CLO_CHILD_RUNNING, CLO_MSG_DRAINED, 0, 0, false},
    {1U << CLO_CHILD_STARTING | 1U << CLO_CHILD_RUNNING, CLO_MSG_PING, 0, 0, false},
    {1U << CLO_CHILD_RUNNING, CLO_MSG_PEER_BAD, 1, 1, false},
};
static const struct clo_ipc_permit from_engine[] = {
    {1U << CLO_CHILD_STARTING, CLO_MSG_READY, 0, 0, false},
    {1U << CLO_CHILD_RUNNING, CLO_MSG_ENGINE_UP, 1, CLO_IPC_PAYLOAD_MAX, false},
    {1U << CLO_CHILD_RUNNING, CLO_MSG_ENGINE_DOWN, 0, 0, false},
    {1U << CLO_CHILD_STARTING | 1U << CLO_CHILD_RUNNING, CLO_MSG_DRAINED, 0, 0, false},
    {1U << CLO_CHILD_STARTING | 1U << CLO_CHILD_RUNNING, CLO_MSG_PING, 0, 0, false},
};
static const struct {
    const struct clo_ipc_permit *table;
    size_t rows;
} permits[CLO_ROLE_COUNT] = {[CLO_ROLE_GATEWAY] = {from_gateway, CLO_ARRAY_LEN(from_gateway)},
                             [CLO_ROLE_KEEPER] = {from_keeper, CLO_ARRAY_LEN(from_keeper)},
                             [CLO_ROLE_ATTESTER] = {from_attester, CLO_ARRAY_LEN(from_attester)},
                             [CLO_ROLE_ENGINE] = {from_engine, CLO_ARRAY_LEN(from_engine)},
                             [CLO_ROLE_FETCHER] = {from_fetcher, CLO_ARRAY_LEN(from_fetcher)}};

static void engine_down(struct clo_parent *p)
{
    p->up = false;
    clo_parent_settle(p);
}

/* READY for a binding: each once, in their order, and none that it wasn't told of. */
static int heard_ready(uint64_t binding, uint64_t told, uint64_t *said)
{
    if (binding <= *said || binding > told)
        return CLOISTER_E_PROTOCOL;
    *said = binding;
    return 0;
}

/* The keeper's, the attester's or the fetcher's word about another. */
static int heard_bad(struct clo_parent *p, enum clo_role from, uint8_t peer)
{
    if (peer == from || (peer != CLO_ROLE_GATEWAY && peer != CLO_ROLE_KEEPER &&
                         peer != CLO_ROLE_ATTESTER && peer != CLO_ROLE_FETCHER))
        return CLOISTER_E_PROTOCOL;
    if ((from == CLO_ROLE_FETCHER && peer != CLO_ROLE_ATTESTER) ||
        (peer == CLO_ROLE_FETCHER && from != CLO_ROLE_ATTESTER))
        return CLOISTER_E_PROTOCOL; /* they have nothing to do with each other */
    clo_child_kill(p, (enum clo_role)peer);
    return 0;
}

static int heard(struct clo_parent *p, enum clo_role r, const struct clo_ipc_msg *m)
{
    struct clo_child *c = clo_child_of(p, r);

    switch (m->type) {
    case CLO_MSG_READY:
        if (c->state == CLO_CHILD_STARTING) {
            c->state = CLO_CHILD_RUNNING;
            return 0;
        }
        return r == CLO_ROLE_ATTESTER ? heard_ready(m->id, p->bind_number, &p->quotable)
                                      : heard_ready(m->id, p->gateway_told[2], &p->gateway_serves);
    case CLO_MSG_PING:
        if (c->pings == 0)
            return CLOISTER_E_PROTOCOL;
        c->pings--;
        return 0;
    case CLO_MSG_PEER_BAD: return heard_bad(p, r, m->payload[0]);
    case CLO_MSG_SIMULATED:
        if (p->cfg.tee != CLO_TEE_SIMULATED)
            return CLOISTER_E_PROTOCOL;
        memcpy(p->simulated, m->payload, sizeof p->simulated);
        p->has_simulated = true;
        return 0;
    case CLO_MSG_FOUND: return clo_parent_found(p, m);
    case CLO_MSG_WAITING: return clo_parent_waiting(p, m);
    case CLO_MSG_DEVICES_LOST: return clo_parent_devices_lost(p, m);
    case CLO_MSG_WORKER: return clo_parent_want_worker(p);
    case CLO_MSG_ENGINE_UP: return clo_parent_engine_up(p, m);
    case CLO_MSG_ENGINE_DOWN:
        if (!p->up)
            return CLOISTER_E_PROTOCOL;
        engine_down(p);
        return 0;
    default: /* DRAINED: its end says the same */
        return p->phase == CLO_PHASE_SERVING ? CLOISTER_E_PROTOCOL : 0;
    }
}

static void listen_to(struct clo_parent *p, enum clo_role r)
{
    static struct clo_ipc_msg m = {.fd = -1};
    struct clo_child *c = clo_child_of(p, r);
    int err = 0;

    for (unsigned i = 0; err == 0 && i < TURN_MAX; i++) {
        err = clo_ipc_recv(c->control, c->state, permits[r].table, permits[r].rows, &m);
        if (err != 0)
            break;
        err = heard(p, r, &m);
        clo_ipc_msg_clear(&m);
        if (err == 0)
            clo_parent_settle(p);
    }
    if (err == 0 || err == CLOISTER_E_NOT_FOUND)
        return;
    if (err != CLOISTER_E_NETWORK)
        clo_log("parent", CLO_EV_IPC_BAD, r, m.type, c->state, (uint64_t) - (int64_t)err);
    /* Without its channel it is of no use. */
    clo_child_kill(p, r);
    close(c->control);
    c->control = -1;
}

/* ---- the end ---- */

static void kill_all(struct clo_parent *p)
{
    for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++)
        clo_child_kill(p, r);
}

/* The gateway has ended: nobody needs the others. */
static void begin_ending(struct clo_parent *p)
{
    p->phase = CLO_PHASE_ENDING;
    p->deadline_us = clo_clock_mono_us() + (int64_t)END_S * 1000000;
    for (enum clo_role r = CLO_ROLE_KEEPER; r < CLO_ROLE_COUNT; r++)
        (void)clo_child_send(p, r, CLO_MSG_DRAIN, 0, NULL, 0, -1);
    clo_child_kill(p, CLO_ROLE_GATEWAY);
}

static void begin_draining(struct clo_parent *p, int status)
{
    p->status = status;
    p->phase = CLO_PHASE_DRAINING;
    p->deadline_us = clo_clock_mono_us() + (int64_t)p->cfg.drain_timeout * 1000000;
    clo_parent_set_ready(p, false);
    clo_notify_send(&p->notify, "STOPPING=1\nSTATUS=finishing open requests");
    clo_log("parent", CLO_EV_DRAIN, 0, 0, 0, 0);
    close(
        p->listener); /* the gateway's is the last one: when it closes its own, connections are refused */
    p->listener = -1;
    if (p->child[CLO_ROLE_GATEWAY].state != CLO_CHILD_RUNNING ||
        !clo_child_send(p, CLO_ROLE_GATEWAY, CLO_MSG_DRAIN, 0, NULL, 0, -1))
        begin_ending(p);
}

static void give_up(struct clo_parent *p, const char *sentence, int status)
{
    clo_parent_say(sentence);
    begin_draining(p, status);
}

/* ---- what happens to children ---- */

/* What no restart mends, or only the person who started us can. */
static void look_at_exit(struct clo_parent *p, enum clo_role r, int status)
{
    char sentence[2 * CLO_STR_MAX + 128];

    if (p->phase != CLO_PHASE_SERVING || !WIFEXITED(status))
        return;
    switch (WEXITSTATUS(status)) {
    case CLO_EXIT_UNSUPPORTED:
    case CLO_EXIT_PERMISSION:
        if (r != CLO_ROLE_ATTESTER)
            return;
        if (!p->said_unfit) /* its message was overtaken */
            clo_parent_say("this machine's evidence can't be had: `cloisterd check` says why");
        begin_draining(p, WEXITSTATUS(status) == CLO_EXIT_UNSUPPORTED ? CLO_EXIT_UNSUPPORTED : 1);
        return;
    case CLO_EXIT_LOCK:
        snprintf(
            sentence, sizeof sentence,
            "cloisterd-%s can't lock its memory for keys: raise the limit for locked memory (ulimit -l, LimitMEMLOCK=)",
            clo_role_name(r));
        give_up(p, sentence, 1);
        return;
    case CLO_EXIT_CELL:
        snprintf(
            sentence, sizeof sentence,
            "cloisterd-%s can't shut itself into its cell any more: `cloisterd check` says what is missing",
            clo_role_name(r));
        give_up(p, sentence, 1);
        return;
    case CLO_EXIT_ENGINE:
        if (!p->engine_advised) {
            snprintf(
                sentence, sizeof sentence,
                "llama-server ended before it was ready, and is tried again: to see why, run %s --model %s",
                p->server, p->model);
            clo_parent_say(sentence);
        }
        p->engine_advised = true;
        return;
    default: return;
    }
}

static void child_ended(struct clo_parent *p, enum clo_role r, int status)
{
    struct clo_child *c = clo_child_of(p, r);
    const enum clo_child_state before = c->state;

    /* A worker ends with its attester, and whenever that has had enough of it. */
    if ((p->phase == CLO_PHASE_SERVING && r != CLO_ROLE_WORKER) || status != 0)
        clo_log("parent", CLO_EV_CHILD_EXIT, r, (uint64_t)c->pid,
                WIFEXITED(status) ? (uint64_t)WEXITSTATUS(status) : 0,
                WIFSIGNALED(status) ? (uint64_t)WTERMSIG(status) : 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        clo_log("parent", CLO_EV_CELL_BROKEN, r, (uint64_t)c->pid, 0, 0);
    if (c->control >= 0)
        close(c->control);
    c->control = -1;
    c->state = CLO_CHILD_ABSENT;
    if (r == CLO_ROLE_ENGINE) {
        if (p->socket[0] != 0)
            (void)unlink(p->socket); /* it couldn't, if it was killed */
        engine_down(p);
    }
    if (r == CLO_ROLE_ATTESTER) {
        p->worker_wanted = false; /* its successor asks for itself */
        clo_child_kill(p, CLO_ROLE_WORKER);
    }
    look_at_exit(p, r, status);
    /* Nobody looks at the GPUs that it vouched for, and who knows for how long. (After DEVICES_LOST it is running no more.) */
    if (r == CLO_ROLE_ATTESTER && before == CLO_CHILD_RUNNING && p->gpus &&
        p->phase != CLO_PHASE_ENDING)
        clo_parent_retire_keys(p, 0);
    if (p->phase == CLO_PHASE_DRAINING && r == CLO_ROLE_GATEWAY)
        begin_ending(p);
    else if (p->phase == CLO_PHASE_SERVING && r != CLO_ROLE_WORKER)
        clo_child_schedule(p, r);
}

/* Only looks: until it is reaped, its number is nobody else's. */
static pid_t next_ended(void)
{
    siginfo_t info = {0};

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ? info.si_pid : 0;
}

/* Why the attester ends, it says before it does, and its end may be seen first. What follows from its words may be to kill it. */
static void hear_last_words(struct clo_parent *p, pid_t pid)
{
    const struct clo_child *c = clo_child_of(p, CLO_ROLE_ATTESTER);

    if (c->state != CLO_CHILD_ABSENT && c->pid == pid && c->control >= 0)
        listen_to(p, CLO_ROLE_ATTESTER);
}

/* Also reaps what a killed engine left behind: the parent is the reaper of its descendants. */
static void reap(struct clo_parent *p)
{
    int status = 0;
    pid_t pid;

    while ((pid = next_ended()) > 0) {
        hear_last_words(p, pid);
        if (waitpid(pid, &status, WNOHANG) != pid)
            break;
        for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++)
            if (p->child[r].state != CLO_CHILD_ABSENT && p->child[r].pid == pid)
                child_ended(p, r, status);
    }
    clo_parent_settle(p);
}

/* Only looks: whoever is reaped behind reap()'s back stays in the table, and its number may soon be somebody else's. */
static bool all_gone(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD;
}

/* ---- signals and the loop ---- */

static void on_signals(struct clo_parent *p)
{
    struct signalfd_siginfo s;

    while (read(p->signals, &s, sizeof s) == sizeof s) {
        p->reload_wanted |= s.ssi_signo == SIGHUP;
        if (s.ssi_signo != SIGTERM && s.ssi_signo != SIGINT)
            continue;
        if (p->phase == CLO_PHASE_SERVING)
            begin_draining(p, 0);
        else
            kill_all(p); /* asked twice */
    }
    reap(p);
}

static void reload_if_due(struct clo_parent *p)
{
    if (!p->reload_wanted || p->phase != CLO_PHASE_SERVING || clo_clock_mono_us() < p->reload_us)
        return;
    p->reload_wanted = false;
    clo_parent_reload(p);
    p->reload_us = clo_clock_mono_us() + (int64_t)RELOAD_PAUSE_MS * 1000;
}

static int wait_ms(const struct clo_parent *p)
{
    int64_t now = clo_clock_mono_us(), first;

    first = p->phase == CLO_PHASE_SERVING ? p->ping_us : p->deadline_us;
    if (p->phase == CLO_PHASE_SERVING)
        for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++)
            if (p->child[r].state == CLO_CHILD_ABSENT && clo_child_may_start(p, r) &&
                p->child[r].again_us < first)
                first = p->child[r].again_us;
    if (p->phase == CLO_PHASE_SERVING && p->reload_wanted && p->reload_us < first)
        first = p->reload_us;
    return first <= now ? 0 : first - now > 60000000 ? 60000 : (int)((first - now + 999) / 1000);
}

static void on_deadline(struct clo_parent *p)
{
    if (p->phase == CLO_PHASE_SERVING || clo_clock_mono_us() < p->deadline_us)
        return;
    if (p->phase == CLO_PHASE_DRAINING)
        begin_ending(p);
    else
        kill_all(p);
    p->deadline_us = clo_clock_mono_us() + 1000000;
}

void clo_parent_run(struct clo_parent *p)
{
    while (p->phase != CLO_PHASE_ENDING || !all_gone()) {
        struct pollfd fds[CLO_ROLE_COUNT] = {{.fd = p->signals, .events = POLLIN}};

        clo_children_start(p);
        for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++)
            fds[r] = (struct pollfd){
                .fd = p->child[r].state == CLO_CHILD_ABSENT ? -1 : p->child[r].control,
                .events = POLLIN};
        (void)poll(fds, CLO_ROLE_COUNT, wait_ms(p));
        for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++)
            if (fds[r].revents != 0 && p->child[r].control >= 0)
                listen_to(p, r);
        on_signals(p);
        reload_if_due(p);
        clo_children_ping(p);
        on_deadline(p);
    }
}
