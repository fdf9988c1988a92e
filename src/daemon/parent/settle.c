/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected with whom, and under which manifest.
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
 *   5. The attester tells the parent READY with the number of step 2: it can quote. Only now is the gateway told of the engine, and
 *      answers READY with the same number: the whole is ready. Had it been told earlier, a request sealed to older keys could have
 *      reached the new engine; the keeper has destroyed those keys by now, and dropped what they had opened.
 *
 * When an engine goes down the gateway is told at once, and drops what waits for it. Every engine has another socket, so
 * that a message on its way to the old one can't meet the new one. (A request to an upstream that restarts within a second of being
 * asked can: --upstream is somebody else's engine, `managed` is false in its manifest, and policies have to allow that.)
 *
 * An attester that was restarted gets steps 2 to 5 again without the RESET: same keys, same manifest. A keeper that was restarted has
 * no keys; RESET makes its first ones. A gateway that was restarted gets channels to both and the engine's state.
 * All of this is one function, clo_parent_settle(), which compares what is with what should be, so that restarts may come in any order.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/enc.h"
#include "daemon/parent/parent.h"
#include "daemon/role.h"

static void emit(const struct clo_parent *p, const char *line, size_t n)
{
    /* Whoever asked for it may be gone, or not read any more: supervision doesn't wait for that. */
    ssize_t wrote = p->cfg.ready_fd >= 0 && clo_ipc_writable(p->cfg.ready_fd)
                        ? write(p->cfg.ready_fd, line, n)
                        : 0;

    (void)wrote;
}

void clo_parent_set_ready(struct clo_parent *p, bool ready)
{
    char line[512 + sizeof p->cells.missing], root[65], measurement[97];
    int n;

    if (ready == p->ready)
        return;
    p->ready = ready;
    if (p->phase == CLO_PHASE_SERVING)
        clo_notify_send(&p->notify,
                        ready ? "READY=1\nSTATUS=serving"
                              : "STATUS=not serving: waiting for the engine, or for evidence");
    p->ever_ready |= ready;
    if (ready)
        p->waiting = (struct clo_waiting){0};
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
        if (p->cells.missing[0] != 0) /* fit for a string of JSON as it is */
            n += snprintf(line + n, sizeof line - (size_t)n, ",\"missing_cells\":\"%s\"",
                          p->cells.missing);
        n += snprintf(line + n, sizeof line - (size_t)n, "}\n");
    }
    emit(p, line, (size_t)n);
}

/* ---- connecting them ---- */

static void tell_engine_state(struct clo_parent *p, const struct clo_engine_state *s)
{
    uint8_t out[2 * CLO_STR_MAX];
    struct clo_wr wr = clo_wr_init(out, sizeof out);

    if (clo_engine_state_write(s, &wr) == 0)
        (void)clo_child_send(p, CLO_ROLE_GATEWAY, CLO_MSG_ENGINE_STATE, 0, out, wr.len, -1);
}

/* A fresh channel between two children. */
static void introduce(struct clo_parent *p, enum clo_role a, enum clo_role b)
{
    const uint8_t name_a = (uint8_t)a, name_b = (uint8_t)b;
    int pair[2] = {-1, -1};

    if (clo_ipc_pair(pair) != 0) {
        clo_child_kill(p, a); /* out of descriptors: begin again */
        return;
    }
    (void)clo_child_send(p, a, CLO_MSG_PEER, 0, &name_b, 1, pair[0]);
    (void)clo_child_send(p, b, CLO_MSG_PEER, 0, &name_a, 1, pair[1]);
    close(pair[0]);
    close(pair[1]);
}

/* Started, if not yet ready: these two need each other for that. */
static uint64_t begun(const struct clo_parent *p, enum clo_role r)
{
    return p->child[r].state != CLO_CHILD_ABSENT ? p->child[r].life : 0;
}

static void introduce_fetcher(struct clo_parent *p)
{
    const uint64_t attester = begun(p, CLO_ROLE_ATTESTER),
                   fetcher = clo_child_life(p, CLO_ROLE_FETCHER);

    if (attester == 0 || fetcher == 0 ||
        (p->attester_fetcher[0] == attester && p->attester_fetcher[1] == fetcher))
        return;
    introduce(p, CLO_ROLE_ATTESTER, CLO_ROLE_FETCHER);
    p->attester_fetcher[0] = attester;
    p->attester_fetcher[1] = fetcher;
}

/* Both run, and not yet, or no longer, with each other. */
static bool are_strangers(const struct clo_parent *p, enum clo_role a, enum clo_role b,
                          const uint64_t lives[2])
{
    return clo_child_life(p, a) != 0 && clo_child_life(p, b) != 0 &&
           (lives[0] != clo_child_life(p, a) || lives[1] != clo_child_life(p, b));
}

/* Steps 2 and 3 above. */
static void bind_keys(struct clo_parent *p)
{
    const uint64_t keeper = clo_child_life(p, CLO_ROLE_KEEPER),
                   attester = clo_child_life(p, CLO_ROLE_ATTESTER);

    (void)clo_child_send(p, CLO_ROLE_ATTESTER, CLO_MSG_MANIFEST, ++p->bind_number, p->manifest.p,
                         p->manifest.len, -1);
    if (p->keeper_reset[0] != keeper || p->keeper_reset[1] != p->manifest_number) {
        (void)clo_child_send(p, CLO_ROLE_KEEPER, CLO_MSG_RESET, 0, NULL, 0, -1);
        p->keeper_reset[0] = keeper;
        p->keeper_reset[1] = p->manifest_number;
    }
    introduce(p, CLO_ROLE_ATTESTER, CLO_ROLE_KEEPER);
    p->bound[0] = p->manifest_number;
    p->bound[1] = keeper;
    p->bound[2] = attester;
}

static bool is_bound(const struct clo_parent *p)
{
    return p->bound[0] == p->manifest_number && p->bound[1] == clo_child_life(p, CLO_ROLE_KEEPER) &&
           p->bound[2] == clo_child_life(p, CLO_ROLE_ATTESTER);
}

/* Compare what is with what should be, and send what makes up the difference. */
void clo_parent_settle(struct clo_parent *p)
{
    const uint64_t gateway = clo_child_life(p, CLO_ROLE_GATEWAY),
                   keeper = clo_child_life(p, CLO_ROLE_KEEPER),
                   attester = clo_child_life(p, CLO_ROLE_ATTESTER);
    static const struct clo_engine_state down;
    bool can_quote;

    if (p->phase != CLO_PHASE_SERVING)
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
    introduce_fetcher(p);
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
        (void)clo_child_send(p, CLO_ROLE_GATEWAY, CLO_MSG_MANIFEST, p->bind_number, p->manifest.p,
                             p->manifest.len, -1);
        p->gateway_told[2] = p->bind_number;
    }
    clo_parent_set_ready(p, gateway != 0 && can_quote && p->gateway_serves == p->bind_number);
}

/* ---- engines ---- */

static int write_manifest(struct clo_parent *p, const struct clo_engine_up *up)
{
    struct clo_manifest m = {.managed = p->cfg.managed,
                             .x25519 = p->cfg.x25519,
                             .shape = p->cfg.shape,
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
             !p->cfg.managed && !p->cfg.vllm         ? "upstream"
             : p->cfg.embeddings != CLO_POOLING_NONE ? "off"
                                                     : "credential");
    clo_buf_clear(&p->manifest);
    return clo_manifest_write(&m, &p->manifest);
}

/* Step 1 above. */
int clo_parent_engine_up(struct clo_parent *p, const struct clo_ipc_msg *m)
{
    struct clo_engine_up up = {0};
    const char *name = p->cfg.model_name;
    int err;

    if ((err = clo_engine_up_read(m->payload, m->n, &up)) != 0)
        return err;
    if (p->up)
        return CLOISTER_E_PROTOCOL;
    p->engine = (struct clo_engine_state){.up = 1,
                                          .managed = p->cfg.managed,
                                          .slots = up.slots,
                                          .context = up.context,
                                          .embeddings = p->cfg.embeddings != CLO_POOLING_NONE,
                                          .salted = p->cfg.vllm};
    snprintf(p->engine.model_name, sizeof p->engine.model_name, "%s",
             name[0] != 0 ? name : up.model_name);
    if (p->cfg.managed)
        snprintf(p->engine.address, sizeof p->engine.address, "unix:engine-%llu.sock",
                 (unsigned long long)p->child[CLO_ROLE_ENGINE].life);
    else
        memcpy(p->engine.address, p->cfg.upstream, sizeof p->engine.address);
    if ((err = write_manifest(p, &up)) != 0)
        return err;
    p->manifest_number++;
    p->up = true;
    return 0;
}
