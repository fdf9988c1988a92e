/* SPDX-License-Identifier: Apache-2.0 */
/* The children: started, told what they need, asked whether they still answer. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/parent/parent.h"
#include "daemon/worker.h"
#include "platform/process.h"

enum {
    BACKOFF_FIRST_MS = 50,
    BACKOFF_MAX_MS = 5000,
    STEADY_S = 10, /* who ran that long starts with the first delay again */
    /*
     * Every PING_S each child is asked for an answer; when PINGS_MAX are due it hangs, and is replaced. They are counted, not timed, so
     * that a machine that was paused finds no child guilty.
     */
    PING_S = 5,
    PINGS_MAX = 3,
};

struct clo_child *clo_child_of(struct clo_parent *p, enum clo_role r)
{
    return &p->child[r];
}

uint64_t clo_child_life(const struct clo_parent *p, enum clo_role r)
{
    return p->child[r].state == CLO_CHILD_RUNNING ? p->child[r].life : 0;
}

/* It broke the rules, or doesn't listen: what it holds can't be relied on. Its end is seen like any other. */
void clo_child_kill(struct clo_parent *p, enum clo_role r)
{
    if (p->child[r].state != CLO_CHILD_ABSENT)
        (void)kill(p->child[r].pid, SIGKILL);
}

bool clo_child_send(struct clo_parent *p, enum clo_role r, uint16_t type, uint64_t id,
                    const void *bytes, size_t n, int fd)
{
    struct clo_child *c = clo_child_of(p, r);
    int err;

    if (c->state == CLO_CHILD_ABSENT || c->control < 0)
        return false;
    if ((err = clo_ipc_send(c->control, type, id, bytes, n, fd)) == 0)
        return true;
    if (err != CLOISTER_E_NETWORK)
        clo_log("parent", CLO_EV_IPC_BAD, r, type, c->state, (uint64_t) - (int64_t)err);
    clo_child_kill(p, r);
    return false;
}

int clo_parent_send_credentials(struct clo_parent *p)
{
    static struct clo_credential_terms terms[CLO_CREDENTIALS_MAX];
    struct clo_buf bytes = clo_buf_init(4 + sizeof terms);
    int fd = -1, err;

    for (uint32_t i = 0; i < p->keys.count; i++)
        terms[i] = p->keys.at[i].terms;
    if ((err = clo_credentials_write(terms, p->keys.count, &bytes)) == 0 &&
        (err = clo_memfd_make(bytes.p, bytes.len, &fd)) == 0) {
        (void)clo_child_send(p, CLO_ROLE_GATEWAY, CLO_MSG_CREDENTIALS, 0, NULL, 0, fd);
        close(fd);
    }
    clo_buf_clear(&bytes);
    return err;
}

int clo_parent_send_limits(struct clo_parent *p)
{
    struct clo_gateway_limits limits = {.memory_max = p->cfg.memory_max,
                                        .parallel = p->cfg.parallel,
                                        .queue_max = p->cfg.queue_max,
                                        .peer_max = p->cfg.peer_max,
                                        .relays = p->cfg.relays};
    uint8_t out[2048];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int err;

    memcpy(limits.relay, p->cfg.relay, sizeof limits.relay);
    if ((err = clo_gateway_limits_write(&limits, &wr)) == 0)
        (void)clo_child_send(p, CLO_ROLE_GATEWAY, CLO_MSG_GATEWAY_LIMITS, 0, out, wr.len, -1);
    return err;
}

static int write_engine_start(struct clo_parent *p, struct clo_wr *wr)
{
    const struct clo_config *c = &p->cfg;
    struct clo_engine_start s = {.managed = c->managed,
                                 .vllm = c->vllm,
                                 .slots = c->slots,
                                 .context = c->context,
                                 .threads = c->threads,
                                 .embeddings = (uint8_t)c->embeddings};
    char folder[CLO_STR_MAX];

    if (c->managed) {
        /* By a name in the folder where the engine and the gateway work: no path leads there from outside. */
        clo_engine_folder(&p->runtime, folder);
        snprintf(s.socket, sizeof s.socket, "engine-%llu.sock",
                 (unsigned long long)p->child[CLO_ROLE_ENGINE].life);
        snprintf(p->socket, sizeof p->socket, "%.120s/%.40s", folder, s.socket);
        memcpy(s.server, p->server, sizeof s.server);
        memcpy(s.model, p->model, sizeof s.model);
        memcpy(s.model_name, c->model_name, sizeof s.model_name);
    }
    memcpy(s.upstream, c->upstream, sizeof s.upstream);
    return clo_engine_start_write(&s, wr);
}

static int write_keeper_start(const struct clo_parent *p, struct clo_wr *wr)
{
    struct clo_keeper_start s = {.lifetime_s = p->cfg.key_lifetime,
                                 .x25519 = p->cfg.x25519,
                                 .quota = p->cfg.quota,
                                 .set_max = p->cfg.epoch_requests,
                                 .contexts_max = p->cfg.connections_max};

    memcpy(s.gateway, p->gateway_path, sizeof s.gateway);
    return clo_keeper_start_write(&s, wr);
}

static int write_gateway_start(const struct clo_parent *p, struct clo_wr *wr)
{
    struct clo_gateway_start s = {.open_to_all = p->cfg.api_keys[0] == 0,
                                  .shape = (uint8_t)p->cfg.shape,
                                  .request_max = p->cfg.request_max,
                                  .connections_max = p->cfg.connections_max};

    memcpy(s.gateway, p->gateway_path, sizeof s.gateway);
    return clo_gateway_start_write(&s, wr);
}

/* It works in its cache. */
static int write_fetcher_start(const struct clo_parent *p, struct clo_wr *wr)
{
    struct clo_fetcher_start s = p->cfg.fetch;

    snprintf(s.cache, sizeof s.cache, ".");
    return clo_fetcher_start_write(&s, wr);
}

static int send_start(struct clo_parent *p, enum clo_role r)
{
    static const uint16_t type[CLO_ROLE_COUNT] = {[CLO_ROLE_GATEWAY] = CLO_MSG_GATEWAY_START,
                                                  [CLO_ROLE_KEEPER] = CLO_MSG_KEEPER_START,
                                                  [CLO_ROLE_ATTESTER] = CLO_MSG_ATTESTER_START,
                                                  [CLO_ROLE_ENGINE] = CLO_MSG_ENGINE_START,
                                                  [CLO_ROLE_FETCHER] = CLO_MSG_FETCHER_START};
    const struct clo_attester_start attester = {.tee = (uint8_t)p->cfg.tee,
                                                .gpus = p->cfg.gpus &&
                                                        p->cfg.tee != CLO_TEE_SIMULATED,
                                                .pcrs = p->cfg.tpm_pcrs};
    uint8_t out[8 * CLO_STR_MAX];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int err = r == CLO_ROLE_GATEWAY    ? write_gateway_start(p, &wr)
              : r == CLO_ROLE_KEEPER   ? write_keeper_start(p, &wr)
              : r == CLO_ROLE_ATTESTER ? clo_attester_start_write(&attester, &wr)
              : r == CLO_ROLE_FETCHER  ? write_fetcher_start(p, &wr)
                                       : write_engine_start(p, &wr);

    if (err != 0)
        return err;
    (void)clo_child_send(p, r, type[r], 0, out, wr.len, r == CLO_ROLE_GATEWAY ? p->listener : -1);
    if (r != CLO_ROLE_GATEWAY)
        return 0;
    if ((err = clo_parent_send_limits(p)) != 0)
        return err;
    return clo_parent_send_credentials(p);
}

void clo_child_schedule(struct clo_parent *p, enum clo_role r)
{
    struct clo_child *c = clo_child_of(p, r);
    int64_t now = clo_clock_mono_us();

    if (now - c->since_us > (int64_t)STEADY_S * 1000000 || c->delay_ms == 0)
        c->delay_ms = BACKOFF_FIRST_MS;
    else
        c->delay_ms = c->delay_ms * 2 < BACKOFF_MAX_MS ? c->delay_ms * 2 : BACKOFF_MAX_MS;
    c->again_us = now + (int64_t)c->delay_ms * 1000;
    clo_log("parent", CLO_EV_CHILD_BACKOFF, r, c->delay_ms, 0, 0);
}

/* The one folder that its cell may let it work in. */
static void folder_of(const struct clo_parent *p, enum clo_role r, char ret[CLO_STR_MAX])
{
    if (p->cfg.managed && (r == CLO_ROLE_ENGINE || r == CLO_ROLE_GATEWAY))
        clo_engine_folder(&p->runtime, ret);
    else
        snprintf(ret, CLO_STR_MAX, "%s", r == CLO_ROLE_FETCHER ? p->cfg.fetch.cache : "/");
}

/* The attester's end of the channel goes there, so that nothing of the worker's comes this way. */
static int worker_start(struct clo_parent *p, const struct clo_cell_site *site)
{
    static const uint8_t name = CLO_ROLE_WORKER;
    struct clo_child *c = clo_child_of(p, CLO_ROLE_WORKER);
    int sock = -1, err;

    if ((err = clo_worker_start(c->path, site, &sock, &c->pid)) != 0)
        return err;
    p->worker_wanted = false;
    c->control = -1;
    c->state = CLO_CHILD_RUNNING;
    c->life++;
    clo_log("parent", CLO_EV_CHILD_START, CLO_ROLE_WORKER, (uint64_t)c->pid, 0, 0);
    (void)clo_child_send(p, CLO_ROLE_ATTESTER, CLO_MSG_PEER, 0, &name, 1, sock);
    close(sock);
    return 0;
}

int clo_parent_want_worker(struct clo_parent *p)
{
    if (p->worker_wanted)
        return CLOISTER_E_PROTOCOL;
    p->worker_wanted = true;
    clo_child_kill(p, CLO_ROLE_WORKER);
    return 0;
}

static int child_start(struct clo_parent *p, enum clo_role r)
{
    struct clo_child *c = clo_child_of(p, r);
    char level[2] = {(char)('0' + p->cfg.log_level), 0}, words[CLO_CELL_WORDS], folder[CLO_STR_MAX];
    char *const argv[] = {c->path, level, words, NULL};
    struct clo_process_start start = {.path = c->path, .argv = argv, .folder = folder};
    struct clo_cell_site site;
    int pair[2] = {-1, -1};
    int err;

    c->since_us = clo_clock_mono_us();
    clo_cell_site_of(&p->cfg, r, &p->cells, &site);
    if (r == CLO_ROLE_WORKER)
        return worker_start(p, &site);
    clo_cell_words(&site, words);
    folder_of(p, r, folder);
    if ((err = clo_ipc_pair(pair)) != 0)
        return err;
    start.control = pair[1];
    err = clo_process_start(&start, &c->pid);
    close(pair[1]);
    if (err != 0) {
        close(pair[0]);
        return err;
    }
    c->control = pair[0];
    c->state = CLO_CHILD_STARTING;
    c->life++;
    c->pings = 0;
    clo_log("parent", CLO_EV_CHILD_START, r, (uint64_t)c->pid, 0, 0);
    if (send_start(p, r) != 0)
        clo_child_kill(p, r); /* without it, it would wait for ever */
    return 0;
}

/* One that is being started again is looked after; one that owes an answer may be past help, and us with it. */
static bool all_answered(const struct clo_parent *p)
{
    for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++)
        if (p->child[r].state != CLO_CHILD_ABSENT && p->child[r].pings > 0)
            return false;
    return true;
}

/* Replaces what hangs: a process that is stopped, or runs in circles, ends nothing and answers nothing. */
void clo_children_ping(struct clo_parent *p)
{
    int64_t now = clo_clock_mono_us();

    if (p->phase != CLO_PHASE_SERVING || now < p->ping_us)
        return;
    p->ping_us = now + (int64_t)PING_S * 1000000;
    if (p->notify.watchdog_us > 0 && all_answered(p))
        clo_notify_send(&p->notify, "WATCHDOG=1");
    for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++) {
        struct clo_child *c = clo_child_of(p, r);

        if (r == CLO_ROLE_WORKER)
            continue; /* hardware takes as long as it takes; the attester has an eye on it */
        if (c->state != CLO_CHILD_ABSENT && c->pings == PINGS_MAX) {
            clo_log("parent", CLO_EV_CHILD_HUNG, r, (uint64_t)c->pid, 0, 0);
            clo_child_kill(p, r);
        } else if (clo_child_send(p, r, CLO_MSG_PING, 0, NULL, 0, -1)) {
            c->pings++;
        }
    }
}

/* GPUs take no work before they were appraised, nor after one was lost: the engine waits for the attester. */
bool clo_child_may_start(const struct clo_parent *p, enum clo_role r)
{
    return clo_role_wanted(&p->cfg, r) && (r != CLO_ROLE_WORKER || p->worker_wanted) &&
           (r != CLO_ROLE_ENGINE || clo_child_life(p, CLO_ROLE_ATTESTER) != 0);
}

/* Starts what is due. */
void clo_children_start(struct clo_parent *p)
{
    bool started = false;

    for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT && p->phase == CLO_PHASE_SERVING;
         r++) {
        struct clo_child *c = clo_child_of(p, r);

        if (c->state != CLO_CHILD_ABSENT || !clo_child_may_start(p, r) ||
            c->again_us > clo_clock_mono_us())
            continue;
        if (child_start(p, r) != 0)
            clo_child_schedule(p, r);
        else
            started = true;
    }
    if (started)
        clo_parent_settle(p);
}
