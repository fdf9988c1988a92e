/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloisterd, the parent: reads the configuration, starts the other processes, connects them, and starts them again when they
 * end. It reads no byte from the network and holds no secret but digests of API keys.
 *
 * Keys and manifest. Evidence says "these keys exist in a machine that runs this manifest", so a key pair must never be seen with
 * two manifests, and a request sealed to a key must reach no engine but the one in its manifest. Messages to different processes
 * overtake each other; what orders them is that every manifest has a channel of its own between keeper and attester:
 *
 *   1. An engine comes up (or comes up again: every life of an engine counts as another manifest). The parent writes the manifest.
 *   2. attester: MANIFEST, then PEER(keeper). On MANIFEST the attester drops its keys and the channel that brought them.
 *   3. keeper: RESET, then PEER(attester). On RESET the keeper destroys its keys and that same old channel.
 *   4. The keeper shows its new keys on the new channel. The attester reads them after the new manifest, because the channel came
 *      after it. Older keys can't arrive: their channel is gone on both sides.
 *   5. The attester tells the parent READY with the number of step 2: it can quote. Only now is the gateway told of the
 *      engine, and answers READY with the same number: the whole is ready. Had it been told earlier, a request sealed to older keys could have reached the new engine; the keeper has
 *      destroyed those keys by now, and dropped what they had opened.
 *
 * When an engine goes down the gateway is told at once, and drops what waits for it. Every engine has another socket, so
 * that a message on its way to the old one can't meet the new one. (A request to an upstream that restarts within a second of being
 * asked can: --upstream is somebody else's engine, `managed` is false in its manifest, and policies have to allow that.)
 *
 * An attester that was restarted gets steps 2 to 5 again without the RESET: same keys, same manifest. A keeper that was restarted has
 * no keys; RESET makes its first ones. A gateway that was restarted gets channels to both and the engine's state.
 * All of this is one function, settle(), which compares what is with what should be, so that restarts may come in any order.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/enc.h"
#include "daemon/parent/files.h"
#include "daemon/parent/keys.h"
#include "daemon/role.h"
#include "platform/process.h"

enum {
    BACKOFF_FIRST_MS = 50,
    BACKOFF_MAX_MS = 5000,
    STEADY_S = 10, /* who ran that long starts with the first delay again */
    END_S = 3,     /* between the order to end and SIGKILL */
    TURN_MAX = 16, /* messages of one child before others, and signals, are looked at */
    /*
     * Every PING_S each child is asked for an answer; when PINGS_MAX are due it hangs, and is replaced. They are counted, not timed, so
     * that a machine that was paused finds no child guilty.
     */
    PING_S = 5,
    PINGS_MAX = 3,
};

enum child_state {
    ABSENT,
    STARTING,
    RUNNING
};

struct child {
    enum child_state state;
    pid_t pid;
    int control;
    uint64_t life; /* counts starts */
    char path[CLO_STR_MAX];
    int64_t since_us, again_us; /* started; when to start again */
    unsigned delay_ms;
    unsigned pings; /* unanswered */
};

enum phase {
    SERVING,
    DRAINING,
    ENDING
};

struct parent {
    struct clo_config cfg;
    struct clo_runtime runtime;
    struct clo_keys keys;
    char model[CLO_STR_MAX], server[CLO_STR_MAX];
    char gateway_path[CLO_GATEWAY_PATH_LEN + 1];
    int listener, signals;
    uint16_t port;
    enum phase phase;
    int64_t deadline_us; /* of DRAINING and ENDING */
    int64_t ping_us;     /* the next one, while SERVING */
    int status;          /* to exit with */
    struct child child[CLO_ROLE_COUNT];
    char socket[CLO_STR_MAX]; /* the managed engine's */
    bool engine_advised;      /* the sentence about an engine that doesn't start was said */
    uint8_t simulated[32 + 48];
    bool has_simulated;
    /* the engine that is up, and what was said about it */
    bool up;
    struct clo_engine_state engine;
    struct clo_buf manifest;
    uint64_t manifest_number;                        /* counts engines that came up */
    uint64_t gateway_keeper[2], gateway_attester[2]; /* lives that are connected */
    uint64_t bound[3];        /* manifest and lives of keeper and attester that are bound */
    uint64_t bind_number;     /* counts bindings */
    uint64_t quotable;        /* the binding under which the attester can quote */
    uint64_t keeper_reset[2]; /* keeper's life, and the manifest that it was last reset for */
    uint64_t gateway_told
        [3]; /* gateway's life, the manifest whose engine it knows (0: none), the binding */
    uint64_t gateway_serves; /* the binding under which it said that it serves */
    bool ready;
};

static void say(const char *sentence)
{
    fprintf(stderr, "cloisterd: %s.\n", sentence);
}

static struct child *child_of(struct parent *p, enum clo_role r)
{
    return &p->child[r];
}

static uint64_t life_of(const struct parent *p, enum clo_role r)
{
    return p->child[r].state == RUNNING ? p->child[r].life : 0;
}

/* ---- starting and ending children ---- */

/* It broke the rules, or doesn't listen: what it holds can't be relied on. Its end is seen like any other. */
static void child_kill(struct parent *p, enum clo_role r)
{
    if (p->child[r].state != ABSENT)
        (void)kill(p->child[r].pid, SIGKILL);
}

static bool child_send(struct parent *p, enum clo_role r, uint16_t type, uint64_t id,
                       const void *bytes, size_t n, int fd)
{
    struct child *c = child_of(p, r);
    int err;

    if (c->state == ABSENT || c->control < 0)
        return false;
    if ((err = clo_ipc_send(c->control, type, id, bytes, n, fd)) == 0)
        return true;
    if (err != CLOISTER_E_NETWORK)
        clo_log("parent", CLO_EV_IPC_BAD, r, type, c->state, (uint64_t) - (int64_t)err);
    child_kill(p, r);
    return false;
}

static int send_credentials(struct parent *p)
{
    static struct clo_credential_terms terms[CLO_CREDENTIALS_MAX];
    struct clo_buf bytes = clo_buf_init(4 + sizeof terms);
    int fd = -1, err;

    for (uint32_t i = 0; i < p->keys.count; i++)
        terms[i] = p->keys.at[i].terms;
    if ((err = clo_credentials_write(terms, p->keys.count, &bytes)) == 0 &&
        (err = clo_memfd_make(bytes.p, bytes.len, &fd)) == 0) {
        (void)child_send(p, CLO_ROLE_GATEWAY, CLO_MSG_CREDENTIALS, 0, NULL, 0, fd);
        close(fd);
    }
    clo_buf_clear(&bytes);
    return err;
}

static int send_limits(struct parent *p)
{
    const struct clo_gateway_limits limits = {.memory_max = p->cfg.memory_max,
                                              .parallel = p->cfg.parallel,
                                              .queue_max = p->cfg.queue_max};
    uint8_t out[2048];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int err = clo_gateway_limits_write(&limits, &wr);

    if (err == 0)
        (void)child_send(p, CLO_ROLE_GATEWAY, CLO_MSG_GATEWAY_LIMITS, 0, out, wr.len, -1);
    return err;
}

static int write_engine_start(struct parent *p, struct clo_wr *wr)
{
    const struct clo_config *c = &p->cfg;
    struct clo_engine_start s = {
        .managed = c->managed, .slots = c->slots, .context = c->context, .threads = c->threads};

    if (c->managed) {
        snprintf(p->socket, sizeof p->socket, "%.80s/engine-%llu.sock", p->runtime.dir,
                 (unsigned long long)p->child[CLO_ROLE_ENGINE].life);
        memcpy(s.socket, p->socket, sizeof s.socket);
        memcpy(s.server, p->server, sizeof s.server);
        memcpy(s.model, p->model, sizeof s.model);
        memcpy(s.model_name, c->model_name, sizeof s.model_name);
    }
    memcpy(s.upstream, c->upstream, sizeof s.upstream);
    return clo_engine_start_write(&s, wr);
}

static int write_keeper_start(const struct parent *p, struct clo_wr *wr)
{
    struct clo_keeper_start s = {.lifetime_s = p->cfg.key_lifetime,
                                 .x25519 = p->cfg.x25519,
                                 .quota = p->cfg.quota,
                                 .set_max = p->cfg.epoch_requests,
                                 .contexts_max = p->cfg.connections_max};

    memcpy(s.gateway, p->gateway_path, sizeof s.gateway);
    return clo_keeper_start_write(&s, wr);
}

static int write_gateway_start(const struct parent *p, struct clo_wr *wr)
{
    struct clo_gateway_start s = {.open_to_all = p->cfg.api_keys[0] == 0,
                                  .request_max = p->cfg.request_max,
                                  .connections_max = p->cfg.connections_max};

    memcpy(s.gateway, p->gateway_path, sizeof s.gateway);
    return clo_gateway_start_write(&s, wr);
}

static int send_start(struct parent *p, enum clo_role r)
{
    static const uint16_t type[CLO_ROLE_COUNT] = {[CLO_ROLE_GATEWAY] = CLO_MSG_GATEWAY_START,
                                                  [CLO_ROLE_KEEPER] = CLO_MSG_KEEPER_START,
                                                  [CLO_ROLE_ATTESTER] = CLO_MSG_ATTESTER_START,
                                                  [CLO_ROLE_ENGINE] = CLO_MSG_ENGINE_START};
    const struct clo_attester_start attester = {.tee = (uint8_t)p->cfg.tee};
    uint8_t out[8 * CLO_STR_MAX];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int err = r == CLO_ROLE_GATEWAY    ? write_gateway_start(p, &wr)
              : r == CLO_ROLE_KEEPER   ? write_keeper_start(p, &wr)
              : r == CLO_ROLE_ATTESTER ? clo_attester_start_write(&attester, &wr)
                                       : write_engine_start(p, &wr);

    if (err != 0)
        return err;
    (void)child_send(p, r, type[r], 0, out, wr.len, r == CLO_ROLE_GATEWAY ? p->listener : -1);
    if (r != CLO_ROLE_GATEWAY)
        return 0;
    if ((err = send_limits(p)) != 0)
        return err;
    return send_credentials(p);
}

static void child_schedule(struct parent *p, enum clo_role r)
{
    struct child *c = child_of(p, r);
    int64_t now = clo_clock_mono_us();

    if (now - c->since_us > (int64_t)STEADY_S * 1000000 || c->delay_ms == 0)
        c->delay_ms = BACKOFF_FIRST_MS;
    else
        c->delay_ms = c->delay_ms * 2 < BACKOFF_MAX_MS ? c->delay_ms * 2 : BACKOFF_MAX_MS;
    c->again_us = now + (int64_t)c->delay_ms * 1000;
    clo_log("parent", CLO_EV_CHILD_BACKOFF, r, c->delay_ms, 0, 0);
}

static int child_start(struct parent *p, enum clo_role r)
{
    struct child *c = child_of(p, r);
    char level[2] = {(char)('0' + p->cfg.log_level), 0};
    char *const argv[] = {c->path, level, NULL};
    int pair[2] = {-1, -1};
    int err;

    c->since_us = clo_clock_mono_us();
    if ((err = clo_ipc_pair(pair)) != 0)
        return err;
    err = clo_process_spawn(c->path, argv, NULL, pair[1], &c->pid);
    close(pair[1]);
    if (err != 0) {
        close(pair[0]);
        return err;
    }
    c->control = pair[0];
    c->state = STARTING;
    c->life++;
    c->pings = 0;
    clo_log("parent", CLO_EV_CHILD_START, r, (uint64_t)c->pid, 0, 0);
    if (send_start(p, r) != 0)
        child_kill(p, r); /* without it, it would wait for ever */
    return 0;
}

/* Replaces what hangs: a process that is stopped, or runs in circles, ends nothing and answers nothing. */
static void children_ping(struct parent *p)
{
    int64_t now = clo_clock_mono_us();

    if (p->phase != SERVING || now < p->ping_us)
        return;
    p->ping_us = now + (int64_t)PING_S * 1000000;
    for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++) {
        struct child *c = child_of(p, r);

        if (c->state != ABSENT && c->pings == PINGS_MAX) {
            clo_log("parent", CLO_EV_CHILD_HUNG, r, (uint64_t)c->pid, 0, 0);
            child_kill(p, r);
        } else if (child_send(p, r, CLO_MSG_PING, 0, NULL, 0, -1)) {
            c->pings++;
        }
    }
}

/* Starts what is due. */
static void children_start(struct parent *p)
{
    for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT && p->phase == SERVING; r++) {
        struct child *c = child_of(p, r);

        if (c->state == ABSENT && c->again_us <= clo_clock_mono_us() && child_start(p, r) != 0)
            child_schedule(p, r);
    }
}

static void emit(const struct parent *p, const char *line, size_t n)
{
    /* Whoever asked for it may be gone, or not read any more: supervision doesn't wait for that. */
    ssize_t wrote = p->cfg.ready_fd >= 0 && clo_ipc_writable(p->cfg.ready_fd)
                        ? write(p->cfg.ready_fd, line, n)
                        : 0;

    (void)wrote;
}

static void set_ready(struct parent *p, bool ready)
{
    char line[512], root[65], measurement[97];
    int n;

    if (ready == p->ready)
        return;
    p->ready = ready;
    clo_log("parent", ready ? CLO_EV_READY : CLO_EV_NOT_READY, p->port, 0, 0, 0);
    if (!ready) {
        n = snprintf(line, sizeof line, "{\"v\":1,\"event\":\"not-ready\"}\n");
    } else {
        n = snprintf(line, sizeof line,
                     "{\"v\":1,\"event\":\"ready\",\"port\":%u,\"gateway\":\"%s\"", p->port,
                     p->gateway_path);
        if (p->has_simulated) {
            clo_hex(p->simulated, 32, root);
            clo_hex(p->simulated + 32, 48, measurement);
            n += snprintf(line + n, sizeof line - (size_t)n,
                          ",\"simulated_root\":\"%s\",\"measurement\":\"%s\"", root, measurement);
        }
        n += snprintf(line + n, sizeof line - (size_t)n, "}\n");
    }
    emit(p, line, (size_t)n);
}

/* ---- connecting them ---- */

static void tell_engine_state(struct parent *p, const struct clo_engine_state *s)
{
    uint8_t out[2 * CLO_STR_MAX];
    struct clo_wr wr = clo_wr_init(out, sizeof out);

    if (clo_engine_state_write(s, &wr) == 0)
        (void)child_send(p, CLO_ROLE_GATEWAY, CLO_MSG_ENGINE_STATE, 0, out, wr.len, -1);
}

/* A fresh channel between two children. */
static void introduce(struct parent *p, enum clo_role a, enum clo_role b)
{
    const uint8_t name_a = (uint8_t)a, name_b = (uint8_t)b;
    int pair[2] = {-1, -1};

    if (clo_ipc_pair(pair) != 0) {
        child_kill(p, a); /* out of descriptors: begin again */
        return;
    }
    (void)child_send(p, a, CLO_MSG_PEER, 0, &name_b, 1, pair[0]);
    (void)child_send(p, b, CLO_MSG_PEER, 0, &name_a, 1, pair[1]);
    close(pair[0]);
    close(pair[1]);
}

/* Both run, and not yet, or no longer, with each other. */
static bool are_strangers(const struct parent *p, enum clo_role a, enum clo_role b,
                          const uint64_t lives[2])
{
    return life_of(p, a) != 0 && life_of(p, b) != 0 &&
           (lives[0] != life_of(p, a) || lives[1] != life_of(p, b));
}

/* Steps 2 and 3 above. */
static void bind_keys(struct parent *p)
{
    const uint64_t keeper = life_of(p, CLO_ROLE_KEEPER), attester = life_of(p, CLO_ROLE_ATTESTER);

    (void)child_send(p, CLO_ROLE_ATTESTER, CLO_MSG_MANIFEST, ++p->bind_number, p->manifest.p,
                     p->manifest.len, -1);
    if (p->keeper_reset[0] != keeper || p->keeper_reset[1] != p->manifest_number) {
        (void)child_send(p, CLO_ROLE_KEEPER, CLO_MSG_RESET, 0, NULL, 0, -1);
        p->keeper_reset[0] = keeper;
        p->keeper_reset[1] = p->manifest_number;
    }
    introduce(p, CLO_ROLE_ATTESTER, CLO_ROLE_KEEPER);
    p->bound[0] = p->manifest_number;
    p->bound[1] = keeper;
    p->bound[2] = attester;
}

static bool is_bound(const struct parent *p)
{
    return p->bound[0] == p->manifest_number && p->bound[1] == life_of(p, CLO_ROLE_KEEPER) &&
           p->bound[2] == life_of(p, CLO_ROLE_ATTESTER);
}

/* Compare what is with what should be, and send what makes up the difference. */
static void settle(struct parent *p)
{
    const uint64_t gateway = life_of(p, CLO_ROLE_GATEWAY), keeper = life_of(p, CLO_ROLE_KEEPER),
                   attester = life_of(p, CLO_ROLE_ATTESTER);
    static const struct clo_engine_state down;
    bool can_quote;

    if (p->phase != SERVING)
        return;
    if (are_strangers(p, CLO_ROLE_GATEWAY, CLO_ROLE_KEEPER, p->gateway_keeper)) {
        introduce(p, CLO_ROLE_GATEWAY, CLO_ROLE_KEEPER);
        p->gateway_keeper[0] = gateway;
        p->gateway_keeper[1] = keeper;
    }
    if (are_strangers(p, CLO_ROLE_GATEWAY, CLO_ROLE_ATTESTER, p->gateway_attester)) {
        introduce(p, CLO_ROLE_GATEWAY, CLO_ROLE_ATTESTER);
        p->gateway_attester[0] = gateway;
        p->gateway_attester[1] = attester;
    }
    if (p->up && keeper != 0 && attester != 0 && !is_bound(p))
        bind_keys(p);
    can_quote = p->up && keeper != 0 && attester != 0 && is_bound(p) &&
                p->quotable == p->bind_number;
    if (gateway != 0 && p->gateway_told[0] != gateway) {
        p->gateway_told[0] = gateway; /* a new one knows of no engine */
        p->gateway_told[1] = p->gateway_told[2] = p->gateway_serves = 0;
    }
    if (gateway != 0 && !p->up && p->gateway_told[1] != 0) {
        tell_engine_state(p, &down);
        p->gateway_told[1] = 0;
    }
    if (gateway != 0 && can_quote && p->gateway_told[1] != p->manifest_number) {
        tell_engine_state(p, &p->engine);
        p->gateway_told[1] = p->manifest_number;
    }
    if (gateway != 0 && can_quote && p->gateway_told[2] != p->bind_number) {
        (void)child_send(p, CLO_ROLE_GATEWAY, CLO_MSG_MANIFEST, p->bind_number, p->manifest.p,
                         p->manifest.len, -1);
        p->gateway_told[2] = p->bind_number;
    }
    set_ready(p, gateway != 0 && can_quote && p->gateway_serves == p->bind_number);
}

/* ---- what children say ---- */

static const struct clo_ipc_permit from_gateway[] = {
    {1U << STARTING | 1U << RUNNING, CLO_MSG_READY, 0, 0, false},
    {1U << RUNNING, CLO_MSG_DRAINED, 0, 0, false},
    {1U << STARTING | 1U << RUNNING, CLO_MSG_PING, 0, 0, false},
};
static const struct clo_ipc_permit from_attester[] = {
    {1U << STARTING, CLO_MSG_SIMULATED, 80, 80, false},
    {1U << STARTING | 1U << RUNNING, CLO_MSG_READY, 0, 0, false},
    {1U << STARTING | 1U << RUNNING, CLO_MSG_DRAINED, 0, 0, false},
    {1U << STARTING | 1U << RUNNING, CLO_MSG_PING, 0, 0, false},
    {1U << RUNNING, CLO_MSG_PEER_BAD, 1, 1, false},
};
static const struct clo_ipc_permit from_keeper[] = {
    {1U << STARTING, CLO_MSG_READY, 0, 0, false},
    {1U << STARTING | 1U << RUNNING, CLO_MSG_DRAINED, 0, 0, false},
    {1U << STARTING | 1U << RUNNING, CLO_MSG_PING, 0, 0, false},
    {1U << RUNNING, CLO_MSG_PEER_BAD, 1, 1, false},
};
static const struct clo_ipc_permit from_engine[] = {
    {1U << STARTING, CLO_MSG_READY, 0, 0, false},
    {1U << RUNNING, CLO_MSG_ENGINE_UP, 1, CLO_IPC_PAYLOAD_MAX, false},
    {1U << RUNNING, CLO_MSG_ENGINE_DOWN, 0, 0, false},
    {1U << STARTING | 1U << RUNNING, CLO_MSG_DRAINED, 0, 0, false},
    {1U << STARTING | 1U << RUNNING, CLO_MSG_PING, 0, 0, false},
};
static const struct {
    const struct clo_ipc_permit *table;
    size_t rows;
} permits[CLO_ROLE_COUNT] = {[CLO_ROLE_GATEWAY] = {from_gateway, CLO_ARRAY_LEN(from_gateway)},
                             [CLO_ROLE_KEEPER] = {from_keeper, CLO_ARRAY_LEN(from_keeper)},
                             [CLO_ROLE_ATTESTER] = {from_attester, CLO_ARRAY_LEN(from_attester)},
                             [CLO_ROLE_ENGINE] = {from_engine, CLO_ARRAY_LEN(from_engine)}};

static void engine_down(struct parent *p)
{
    p->up = false;
    settle(p);
}

static int write_manifest(struct parent *p, const struct clo_engine_up *up)
{
    struct clo_manifest m = {.managed = p->cfg.managed,
                             .x25519 = p->cfg.x25519,
                             .context_tokens = up->context,
                             .slots = up->slots,
                             .request_bytes = p->cfg.request_max};

    snprintf(m.release, sizeof m.release, "%s", CLO_VERSION);
    memcpy(m.engine_name, up->name, sizeof m.engine_name);
    memcpy(m.engine_version, up->version, sizeof m.engine_version);
    memcpy(m.engine_args, up->args_sha256, sizeof m.engine_args);
    memcpy(m.model_sha256, up->model_sha256, sizeof m.model_sha256);
    memcpy(m.model, p->engine.model_name, sizeof m.model);
    snprintf(m.upstream, sizeof m.upstream, "%s",
             strncmp(p->engine.address, "unix:", 5) == 0 ? "unix" : "loopback");
    snprintf(m.prefix_cache, sizeof m.prefix_cache, "%s",
             p->cfg.managed ? "credential" : "upstream");
    clo_buf_clear(&p->manifest);
    return clo_manifest_write(&m, &p->manifest);
}

/* Step 1 above. */
static int engine_up(struct parent *p, const struct clo_ipc_msg *m)
{
    struct clo_engine_up up = {0};
    const char *name = p->cfg.model_name;
    int err;

    if ((err = clo_engine_up_read(m->payload, m->n, &up)) != 0)
        return err;
    if (p->up)
        return CLOISTER_E_PROTOCOL;
    p->engine = (struct clo_engine_state){
        .up = 1, .managed = p->cfg.managed, .slots = up.slots, .context = up.context};
    snprintf(p->engine.model_name, sizeof p->engine.model_name, "%s",
             name[0] != 0 ? name : up.model_name);
    if (p->cfg.managed)
        snprintf(p->engine.address, sizeof p->engine.address, "unix:%.500s", p->socket);
    else
        memcpy(p->engine.address, p->cfg.upstream, sizeof p->engine.address);
    if ((err = write_manifest(p, &up)) != 0)
        return err;
    p->manifest_number++;
    p->up = true;
    return 0;
}

/* READY for a binding: each once, in their order, and none that it wasn't told of. */
static int heard_ready(uint64_t binding, uint64_t told, uint64_t *said)
{
    if (binding <= *said || binding > told)
        return CLOISTER_E_PROTOCOL;
    *said = binding;
    return 0;
}

/* The keeper's or the attester's word about another. */
static int heard_bad(struct parent *p, enum clo_role from, uint8_t peer)
{
    if (peer == from ||
        (peer != CLO_ROLE_GATEWAY && peer != CLO_ROLE_KEEPER && peer != CLO_ROLE_ATTESTER))
        return CLOISTER_E_PROTOCOL;
    child_kill(p, (enum clo_role)peer);
    return 0;
}

static int heard(struct parent *p, enum clo_role r, const struct clo_ipc_msg *m)
{
    struct child *c = child_of(p, r);

    switch (m->type) {
    case CLO_MSG_READY:
        if (c->state == STARTING) {
            c->state = RUNNING;
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
        memcpy(p->simulated, m->payload, sizeof p->simulated);
        p->has_simulated = true;
        return 0;
    case CLO_MSG_ENGINE_UP: return engine_up(p, m);
    case CLO_MSG_ENGINE_DOWN:
        if (!p->up)
            return CLOISTER_E_PROTOCOL;
        engine_down(p);
        return 0;
    default: /* DRAINED: its end says the same */
        return p->phase == SERVING ? CLOISTER_E_PROTOCOL : 0;
    }
}

static void listen_to(struct parent *p, enum clo_role r)
{
    static struct clo_ipc_msg m = {.fd = -1};
    struct child *c = child_of(p, r);
    int err = 0;

    for (unsigned i = 0; err == 0 && i < TURN_MAX; i++) {
        err = clo_ipc_recv(c->control, c->state, permits[r].table, permits[r].rows, &m);
        if (err != 0)
            break;
        err = heard(p, r, &m);
        clo_ipc_msg_clear(&m);
        if (err == 0)
            settle(p);
    }
    if (err == 0 || err == CLOISTER_E_NOT_FOUND)
        return;
    if (err != CLOISTER_E_NETWORK)
        clo_log("parent", CLO_EV_IPC_BAD, r, m.type, c->state, (uint64_t) - (int64_t)err);
    /* Without its channel it is of no use. */
    child_kill(p, r);
    close(c->control);
    c->control = -1;
}

/* ---- the end ---- */

static void kill_all(struct parent *p)
{
    for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++)
        child_kill(p, r);
}

/* The gateway has ended: nobody needs the others. */
static void begin_ending(struct parent *p)
{
    p->phase = ENDING;
    p->deadline_us = clo_clock_mono_us() + (int64_t)END_S * 1000000;
    for (enum clo_role r = CLO_ROLE_KEEPER; r < CLO_ROLE_COUNT; r++)
        (void)child_send(p, r, CLO_MSG_DRAIN, 0, NULL, 0, -1);
    child_kill(p, CLO_ROLE_GATEWAY);
}

static void begin_draining(struct parent *p, int status)
{
    p->status = status;
    p->phase = DRAINING;
    p->deadline_us = clo_clock_mono_us() + (int64_t)p->cfg.drain_timeout * 1000000;
    set_ready(p, false);
    clo_log("parent", CLO_EV_DRAIN, 0, 0, 0, 0);
    close(
        p->listener); /* the gateway's is the last one: when it closes its own, connections are refused */
    p->listener = -1;
    if (p->child[CLO_ROLE_GATEWAY].state != RUNNING ||
        !child_send(p, CLO_ROLE_GATEWAY, CLO_MSG_DRAIN, 0, NULL, 0, -1))
        begin_ending(p);
}

static void give_up(struct parent *p, const char *sentence, int status)
{
    say(sentence);
    begin_draining(p, status);
}

/* ---- what happens to children ---- */

/* What no restart mends, or only the person who started us can. */
static void look_at_exit(struct parent *p, enum clo_role r, int status)
{
    char sentence[2 * CLO_STR_MAX + 128];

    if (p->phase != SERVING || !WIFEXITED(status))
        return;
    switch (WEXITSTATUS(status)) {
    case CLO_EXIT_UNSUPPORTED:
        give_up(
            p,
            "this build makes evidence with the simulator only: SEV-SNP needs one with access to the hardware",
            CLO_EXIT_UNSUPPORTED);
        return;
    case CLO_EXIT_LOCK:
        snprintf(
            sentence, sizeof sentence,
            "cloisterd-%s can't lock its memory for keys: raise the limit for locked memory (ulimit -l, LimitMEMLOCK=)",
            clo_role_name(r));
        give_up(p, sentence, 1);
        return;
    case CLO_EXIT_ENGINE:
        if (!p->engine_advised) {
            snprintf(
                sentence, sizeof sentence,
                "llama-server ended before it was ready, and is tried again: to see why, run %s --model %s",
                p->server, p->model);
            say(sentence);
        }
        p->engine_advised = true;
        return;
    default: return;
    }
}

static void child_ended(struct parent *p, enum clo_role r, int status)
{
    struct child *c = child_of(p, r);

    if (p->phase == SERVING || status != 0)
        clo_log("parent", CLO_EV_CHILD_EXIT, r, (uint64_t)c->pid,
                WIFEXITED(status) ? (uint64_t)WEXITSTATUS(status) : 0,
                WIFSIGNALED(status) ? (uint64_t)WTERMSIG(status) : 0);
    if (c->control >= 0)
        close(c->control);
    c->control = -1;
    c->state = ABSENT;
    if (r == CLO_ROLE_ENGINE) {
        if (p->socket[0] != 0)
            (void)unlink(p->socket); /* it couldn't, if it was killed */
        engine_down(p);
    }
    look_at_exit(p, r, status);
    if (p->phase == DRAINING && r == CLO_ROLE_GATEWAY)
        begin_ending(p);
    else if (p->phase == SERVING)
        child_schedule(p, r);
}

/* Also reaps what a killed engine left behind: the parent is the reaper of its descendants. */
static void reap(struct parent *p)
{
    int status = 0;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++)
            if (p->child[r].state != ABSENT && p->child[r].pid == pid)
                child_ended(p, r, status);
    settle(p);
}

/* Only looks: whoever is reaped behind reap()'s back stays in the table, and its number may soon be somebody else's. */
static bool all_gone(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD;
}

/* ---- signals and the loop ---- */

/* A store without keys is one that nobody may use, as after the last one was revoked. */
static void say_if_empty(const struct clo_keys *keys)
{
    if (keys->count == 0)
        say("the key store holds no key: nobody is served until `cloisterd key add` makes one");
}

static void reload_keys(struct parent *p)
{
    struct clo_problem problem = {0};
    struct clo_keys keys = {0};

    if (p->cfg.api_keys[0] == 0)
        return;
    if (clo_keys_load(p->cfg.api_keys, &keys, &problem) != 0) {
        say(problem.text);
        say("the API keys stay as they were");
        return;
    }
    clo_keys_clear(&p->keys);
    p->keys = keys;
    say_if_empty(&p->keys);
    if (p->child[CLO_ROLE_GATEWAY].state != ABSENT)
        (void)send_credentials(p);
}

static void on_signals(struct parent *p)
{
    struct signalfd_siginfo s;

    while (read(p->signals, &s, sizeof s) == sizeof s) {
        if (s.ssi_signo == SIGHUP && p->phase == SERVING)
            reload_keys(p);
        if (s.ssi_signo != SIGTERM && s.ssi_signo != SIGINT)
            continue;
        if (p->phase == SERVING)
            begin_draining(p, 0);
        else
            kill_all(p); /* asked twice */
    }
    reap(p);
}

static int wait_ms(const struct parent *p)
{
    int64_t now = clo_clock_mono_us(), first;

    first = p->phase == SERVING ? p->ping_us : p->deadline_us;
    if (p->phase == SERVING)
        for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++)
            if (p->child[r].state == ABSENT && p->child[r].again_us < first)
                first = p->child[r].again_us;
    return first <= now ? 0 : first - now > 60000000 ? 60000 : (int)((first - now + 999) / 1000);
}

static void on_deadline(struct parent *p)
{
    if (p->phase == SERVING || clo_clock_mono_us() < p->deadline_us)
        return;
    if (p->phase == DRAINING)
        begin_ending(p);
    else
        kill_all(p);
    p->deadline_us = clo_clock_mono_us() + 1000000;
}

static void run(struct parent *p)
{
    while (p->phase != ENDING || !all_gone()) {
        struct pollfd fds[CLO_ROLE_COUNT] = {{.fd = p->signals, .events = POLLIN}};

        children_start(p);
        for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++)
            fds[r] = (struct pollfd){.fd = p->child[r].state == ABSENT ? -1 : p->child[r].control,
                                     .events = POLLIN};
        (void)poll(fds, CLO_ROLE_COUNT, wait_ms(p));
        for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++)
            if (fds[r].revents != 0 && p->child[r].control >= 0)
                listen_to(p, r);
        on_signals(p);
        children_ping(p);
        on_deadline(p);
    }
}

/* ---- the start ---- */

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    return sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)
                                                   : -1;
}

/*
 * Room for a connection and its way to the engine, each, and what else a process opens: a gateway without would lose messages that
 * bring a descriptor, and strangers could see to that by connecting. Children inherit it.
 */
static int raise_descriptors(uint32_t connections, struct clo_problem *problem)
{
    const rlim_t need = 2 * (rlim_t)connections + 64;
    struct rlimit limit = {0};

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        limit = (struct rlimit){0};
    if (limit.rlim_cur >= need)
        return 0;
    limit.rlim_cur = need;
    if (limit.rlim_max < need)
        limit.rlim_max = need; /* root may */
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return 0;
    return clo_problem_set(
        problem,
        "%u connections need %llu open files: raise that limit (ulimit -n, LimitNOFILE=) or lower --max-connections",
        connections, (unsigned long long)need);
}

/* Everything that can be wrong before a process runs. */
static int prepare(struct parent *p, struct clo_problem *problem)
{
    const struct clo_config *c = &p->cfg;
    int err;

    if ((err = raise_descriptors(c->connections_max, problem)) != 0)
        return err;
    if (c->ready_fd >= 0 &&
        (fcntl(c->ready_fd, F_GETFD) < 0 || fcntl(c->ready_fd, F_SETFD, FD_CLOEXEC) != 0))
        return clo_problem_set(
            problem, "--ready-fd %d isn't open: open it in the program that starts cloisterd",
            c->ready_fd);
    for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++) {
        p->child[r].control = -1;
        if ((err = clo_helper_find(r, p->child[r].path, problem)) != 0)
            return err;
    }
    if (c->managed && ((err = clo_model_check(c->model, p->model, problem)) != 0 ||
                       (err = clo_engine_find(c->server, p->server, problem)) != 0))
        return err;
    if (c->api_keys[0] != 0) {
        if ((err = clo_keys_load(c->api_keys, &p->keys, problem)) != 0)
            return err;
        say_if_empty(&p->keys);
    }
    if ((err = clo_runtime_open(c->runtime_dir, &p->runtime, problem)) != 0 ||
        (err = clo_gateway_path_load(c->state_dir, clo_rng_system(), p->gateway_path, problem)) !=
            0 ||
        (err = clo_listen_open(c, &p->listener, &p->port, problem)) != 0)
        return err;
    if ((p->signals = open_signals()) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return clo_problem_set(problem, "the operating system refused a signal descriptor (%s)",
                               strerror(errno));
    return 0;
}

int main(int argc, char *argv[])
{
    static struct parent p = {.listener = -1, .signals = -1, .runtime = {.lock = -1}};
    static struct clo_problem problem;
    enum clo_config_want want = CLO_WANT_RUN;

    if (argc > 1 && strcmp(argv[1], "key") == 0)
        return clo_key_command(argc - 1, argv + 1);
    if (clo_config_read(argc, argv, &p.cfg, &want, &problem) != 0) {
        say(problem.text);
        return 1;
    }
    if (want == CLO_WANT_HELP) {
        clo_config_help();
        return 0;
    }
    if (want == CLO_WANT_VERSION) {
        puts("cloisterd " CLO_VERSION);
        return 0;
    }
    clo_log_level(p.cfg.log_level);
    p.manifest = clo_buf_init(CLO_IPC_PAYLOAD_MAX);
    if (clo_process_harden(0) != 0) {
        say("the operating system refused to protect this process");
        return 1;
    }
    if (prepare(&p, &problem) != 0) {
        say(problem.text);
        p.status = 1;
    } else {
        clo_log("parent", CLO_EV_START, (uint64_t)getpid(), 0, 0, 0);
        run(&p);
        clo_log("parent", CLO_EV_STOP, (uint64_t)p.status, 0, 0, 0);
    }
    clo_runtime_close(&p.runtime);
    clo_buf_clear(&p.manifest);
    clo_keys_clear(&p.keys);
    return p.status;
}
