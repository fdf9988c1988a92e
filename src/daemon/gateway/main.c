/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's start, channels and end. Channels to keeper and attester come from the parent and may be replaced when one of
 * them was restarted; without the parent there is no gateway.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "daemon/gateway/gateway.h"
#include "daemon/role.h"

#define IN_INIT    (1u << CLO_GW_INIT)
#define IN_RUN     (1u << CLO_GW_RUN)
#define ALWAYS     (1u << CLO_GW_INIT | 1u << CLO_GW_RUN | 1u << CLO_GW_DRAIN)

#define CREDENTIAL 32 /* bytes */
/* Room of an encrypted request beside its body, and of the padding behind it (docs/PROTOCOL.md section 4). */
#define UPLOAD_EXTRA ((size_t)128 << 10)

struct clo_request *clo_gw_find(struct clo_gw *gw, uint64_t id)
{
    const uint32_t place = (uint32_t)id;
    struct clo_request *r = NULL;

    if (gw->request == NULL || place >= gw->cfg.connections_max)
        return NULL;
    r = gw->request[place];
    return r != NULL && r->id == id ? r : NULL;
}

static void stop(struct clo_gw *gw, int status)
{
    gw->exit_status = status;
    event_base_loopbreak(gw->base);
}

static void check_drained(struct clo_gw *gw)
{
    if (gw->state != CLO_GW_DRAIN || gw->requests > 0)
        return;
    /* If the parent doesn't hear it, it sees the end of the process. */
    stop(gw, clo_link_send(gw->parent, CLO_MSG_DRAINED, 0, NULL, 0) == 0 ? 0 : 1);
}

void clo_gw_request_ended(struct clo_gw *gw)
{
    check_drained(gw);
}

/*
 * That a process went away is its parent's to tell, and to mend. What broke on this side nobody else sees: only a new gateway gets new
 * channels.
 */
static void look_at_loss(struct clo_gw *gw, enum clo_role role, int err)
{
    if (err == CLOISTER_E_NETWORK)
        return;
    clo_log("gateway", CLO_EV_IPC_BAD, role, 0, 0, (uint64_t)-err);
    stop(gw, 1);
}

/* ---- keeper ---- */

/* The configuration that most others understand: X25519's where it is offered (docs/PROTOCOL.md section 2.1). */
static int on_keys(struct clo_gw *gw, const struct clo_ipc_msg *m)
{
    struct clo_ohttp_keyconf conf[2] = {0};
    struct clo_keys_section s = {0};
    struct clo_gw_key key = {0};
    struct clo_wr wr = clo_wr_init(key.list, sizeof(key.list));
    size_t n = 0, which = 0;
    int64_t spare = 0;
    int err = 0;

    if ((err = clo_keys_section_parse(m->payload, m->n, &s)) != 0 ||
        (err = clo_ohttp_keys_parse(s.ohttp_keys, s.ohttp_keys_n, conf, CLO_ARRAY_LEN(conf), &n)) !=
            0)
        return err;
    which = n == 2 && conf[1].kem == CLO_KEM_X25519;
    if (n == 0)
        return CLOISTER_E_PROTOCOL;
    if ((err = clo_ohttp_keys_write(&conf[which], 1, &wr)) != 0)
        return err;
    key.n = wr.len;
    key.expires = s.expires;
    key.next = s.expires - clo_epoch_ahead(s.expires - s.created);
    for (; key.ids < n; key.ids++)
        key.id[key.ids] = conf[key.ids].key_id;
    spare = (s.expires - s.created) / 5; /* as of a verdict (docs/PROTOCOL.md section 1.5) */
    key.best_before = s.expires - (spare < CLO_GW_KEY_SPARE_S ? spare : CLO_GW_KEY_SPARE_S);
    gw->key = key;
    return gw->salt != NULL ? clo_salt_renew(clo_rng_system(), gw->salt) : 0;
}

static int on_keeper(void *ctx, struct clo_ipc_msg *m)
{
    switch (m->type) {
    case CLO_MSG_OPENED: return clo_request_opened(ctx, m);
    case CLO_MSG_COMMITTED: return clo_request_committed(ctx, m);
    default: return on_keys(ctx, m);
    }
}

static void drop_keeper(struct clo_gw *gw)
{
    gw->key.n = 0;
    clo_link_free(gw->keeper);
    gw->keeper = NULL;
    clo_requests_keeper_lost(gw);
}

static void on_keeper_lost(void *ctx, int err)
{
    look_at_loss(ctx, CLO_ROLE_KEEPER, err);
    drop_keeper(ctx);
}

static const struct clo_ipc_permit keeper_permits[] = {
    {ALWAYS, CLO_MSG_OPENED, 4, 4 + CLO_AEAD_KEY_MAX + CLO_AEAD_NONCE + CLO_AEAD_KEY_MAX, false},
    {ALWAYS, CLO_MSG_COMMITTED, 4, 4, false},
    {ALWAYS, CLO_MSG_KEYS, 1, CLO_IPC_PAYLOAD_MAX, false},
};
static const struct clo_link_ops keeper_ops = {keeper_permits, CLO_ARRAY_LEN(keeper_permits),
                                               on_keeper, on_keeper_lost};

/* ---- attester ---- */

static int on_attester(void *ctx, struct clo_ipc_msg *m)
{
    return m->type == CLO_MSG_QUOTED ? clo_evidence_quoted(ctx, m) : clo_evidence_blob(ctx, m);
}

static void drop_attester(struct clo_gw *gw)
{
    clo_link_free(gw->attester);
    gw->attester = NULL;
    clo_evidence_attester_lost(gw);
}

static void on_attester_lost(void *ctx, int err)
{
    look_at_loss(ctx, CLO_ROLE_ATTESTER, err);
    drop_attester(ctx);
}

static const struct clo_ipc_permit attester_permits[] = {
    {ALWAYS, CLO_MSG_QUOTED, 4, CLO_IPC_PAYLOAD_MAX, false},
    {ALWAYS, CLO_MSG_BLOB, 41, 41, true},
};
static const struct clo_link_ops attester_ops = {attester_permits, CLO_ARRAY_LEN(attester_permits),
                                                 on_attester, on_attester_lost};

/* ---- parent ---- */

static int on_peer(struct clo_gw *gw, struct clo_ipc_msg *m)
{
    struct clo_rd rd = clo_rd_init(m->payload, m->n);
    struct clo_link **place = NULL;
    uint8_t role = 0;
    int err = clo_rd_u8(&rd, &role);

    if (err != 0)
        return err;
    if (role == CLO_ROLE_KEEPER) {
        drop_keeper(gw);
        err = clo_link_new(gw->base, m->fd, &keeper_ops, &gw->state, gw, &gw->keeper);
        place = &gw->keeper;
    } else if (role == CLO_ROLE_ATTESTER) {
        drop_attester(gw);
        err = clo_link_new(gw->base, m->fd, &attester_ops, &gw->state, gw, &gw->attester);
        place = &gw->attester;
    } else {
        return CLOISTER_E_PROTOCOL;
    }
    if (*place != NULL)
        m->fd = -1;
    if (err == 0 && role == CLO_ROLE_ATTESTER)
        clo_evidence_tick(gw);
    return err;
}

/* The largest encrypted request that can hold the largest body, padded as the protocol says. */
static size_t upload_max(uint32_t request_max)
{
    const size_t n = (size_t)request_max + UPLOAD_EXTRA;
    const size_t shaped = clo_shape_request(CLO_OHTTP_HDR + CLO_KEM_ENC_MAX, n);
    const size_t loose = n + n / 32; /* in smaller chunks than ours */

    return shaped > loose ? shaped : loose;
}

static bool is_config_ok(const struct clo_gateway_start *c)
{
    return clo_gateway_path_ok(c->gateway) && c->connections_max > 0 && c->request_max > 0;
}

/* Once START, the limits and the keys are there. */
static int begin_service(struct clo_gw *gw)
{
    const uint32_t owners = gw->cfg.open_to_all ? 1 : gw->credentials;
    int err = 0;

    if (gw->state != CLO_GW_INIT || gw->listener < 0 || !gw->limited ||
        !(gw->credentialed || gw->cfg.open_to_all))
        return 0;
    gw->upload_max = upload_max(gw->cfg.request_max);
    gw->request = calloc(gw->cfg.connections_max, sizeof(struct clo_request *));
    if (gw->request == NULL)
        return CLOISTER_E_MEMORY;
    if (clo_guard_init((size_t)gw->cfg.connections_max + CLO_GATEWAY_SLOTS_MORE) != 0 ||
        (gw->salt = clo_guard_alloc()) == NULL) {
        stop(gw, CLO_EXIT_LOCK);
        return 0;
    }
    if ((err = clo_salt_renew(clo_rng_system(), gw->salt)) != 0 ||
        (err = clo_lessor_new(gw->limits.parallel, gw->limits.queue_max, &gw->lessor)) != 0 ||
        (err = clo_lessor_set_owners(gw->lessor, owners)) != 0 ||
        (err = clo_lessor_set_slots(gw->lessor, gw->engine.managed ? gw->engine.slots : 0)) != 0 ||
        (err = clo_outer_start(gw, gw->listener)) != 0)
        return err;
    gw->state = CLO_GW_RUN;
    return clo_link_send(gw->parent, CLO_MSG_READY, 0, NULL, 0);
}

static int on_start(struct clo_gw *gw, struct clo_ipc_msg *m)
{
    int err = clo_gateway_start_read(m->payload, m->n, &gw->cfg);

    if (err != 0)
        return err;
    if (gw->listener >= 0 || !is_config_ok(&gw->cfg))
        return CLOISTER_E_CONFIG;
    gw->listener = m->fd;
    m->fd = -1;
    return begin_service(gw);
}

/* What runs goes on, also where less is allowed from now on. */
static int on_limits(struct clo_gw *gw, const struct clo_ipc_msg *m)
{
    struct clo_gateway_limits limits = {0};
    int err = clo_gateway_limits_read(m->payload, m->n, &limits);

    if (err != 0)
        return err;
    if (limits.parallel == 0 || limits.memory_max == 0)
        return CLOISTER_E_CONFIG;
    gw->limits = limits;
    gw->limited = true;
    gw->budget.max = limits.memory_max;
    if (gw->lessor != NULL)
        err = clo_lessor_set_limits(gw->lessor, limits.parallel, limits.queue_max);
    return err == 0 ? begin_service(gw) : err;
}

static uint32_t find_key(const struct clo_gw *gw, const uint8_t digest[CREDENTIAL])
{
    uint32_t i = 0;

    /* In no constant time: this is the parent's list against its last one, both long, and no peer has a say in it. */
    for (; i < gw->credentials; i++) {
        const uint8_t *known = gw->credential[i].terms.digest;

        if (memcmp(known, digest, CREDENTIAL) == 0)
            break;
    }
    return i;
}

static bool is_in_use(const struct clo_gw *gw, uint32_t place)
{
    for (uint32_t i = 0; i < gw->cfg.connections_max && gw->request != NULL; i++) {
        const struct clo_request *r = gw->request[i];

        if (r != NULL && r->owned && r->owner == place)
            return true;
    }
    return false;
}

/* A place for another key: a new one, or that of a key which isn't accepted any more and of which nothing runs. */
static int make_place(struct clo_gw *gw, uint32_t *ret)
{
    struct clo_credential *grown = NULL;
    uint32_t room = gw->credential_room;

    for (uint32_t i = 0; gw->credentials >= CLO_CREDENTIALS_MAX && i < gw->credentials; i++) {
        if (gw->credential[i].accepted || is_in_use(gw, i))
            continue;
        if (gw->lessor != NULL)
            clo_lessor_forget(gw->lessor, i);
        *ret = i;
        return 0;
    }
    if (gw->credentials >= CLO_GW_CREDENTIALS)
        return CLOISTER_E_FULL;
    /* By doubling: each growth is copied and wiped as a whole, and no stream moves meanwhile. */
    if (gw->credentials == room) {
        room = room > 0 ? 2 * room : 16;
        if ((grown = clo_wipe_realloc(gw->credential, room * sizeof(*grown))) == NULL)
            return CLOISTER_E_MEMORY;
        gw->credential = grown;
        gw->credential_room = room;
    }
    *ret = gw->credentials++;
    return 0;
}

/* What holds now is marked first, so that no place of a key that stays is given to another. The terms are reordered. */
static int place_keys(struct clo_gw *gw, struct clo_credential_terms *terms, uint32_t count)
{
    uint32_t place = 0, fresh = 0;
    int err = 0;

    for (uint32_t i = 0; i < gw->credentials; i++)
        gw->credential[i].accepted = false;
    for (uint32_t i = 0; i < count; i++) {
        if ((place = find_key(gw, terms[i].digest)) == gw->credentials) {
            terms[fresh++] = terms[i];
            continue;
        }
        gw->credential[place].terms = terms[i];
        gw->credential[place].accepted = true;
    }
    for (uint32_t i = 0; i < fresh; i++) {
        if ((err = make_place(gw, &place)) != 0)
            return err;
        gw->credential[place] = (struct clo_credential){.terms = terms[i], .accepted = true};
    }
    return 0;
}

/*
 * The keys that hold from now on. A place in the table is its key's while anything of it runs, because leases name it: a key that
 * is no longer accepted keeps its place, and what it has used, as long as there is room.
 */
static int on_credentials(struct clo_gw *gw, const struct clo_ipc_msg *m)
{
    struct clo_buf bytes = clo_buf_init(4 + (size_t)CLO_CREDENTIALS_MAX * CLO_CREDENTIAL_BYTES);
    struct clo_credential_terms *terms = NULL;
    uint32_t count = 0;
    int err = clo_memfd_read(m->fd, bytes.max, &bytes);

    if (err != 0 || (err = clo_credentials_read(bytes.p, bytes.len, &terms, &count)) != 0 ||
        (err = place_keys(gw, terms, count)) != 0)
        goto out;
    gw->credentialed = true;
    if (gw->lessor != NULL && !gw->cfg.open_to_all)
        err = clo_lessor_set_owners(gw->lessor, gw->credentials);
    if (err == 0)
        err = begin_service(gw);
out:
    free(terms);
    clo_buf_clear(&bytes);
    return err;
}

static int on_engine_state(struct clo_gw *gw, const struct clo_ipc_msg *m)
{
    struct clo_engine_state state = {0};
    int err = clo_engine_state_read(m->payload, m->n, &state);

    if (err != 0)
        return err;
    gw->engine = state;
    gw->engine_life++;
    if (gw->lessor == NULL)
        return 0; /* before START, which looks at it again */
    if ((err = clo_salt_renew(clo_rng_system(), gw->salt)) != 0)
        return err;
    /* Whether it went or came, its slots remember nothing that we know of. */
    err = clo_lessor_set_slots(gw->lessor, state.managed ? state.slots : 0);
    if (err == 0 && !state.up)
        clo_requests_engine_lost(gw);
    clo_requests_pump(gw);
    return err;
}

static int on_drain(struct clo_gw *gw)
{
    gw->state = CLO_GW_DRAIN;
    clo_log("gateway", CLO_EV_DRAIN, gw->requests, 0, 0, 0);
    clo_outer_quiesce(gw);
    check_drained(gw);
    return 0;
}

/*
 * The attester can quote under it. Its bytes come from there too, as the blob that is served. The parent waits for the answer
 * before it calls the whole ready.
 */
static int on_manifest(struct clo_gw *gw, const struct clo_ipc_msg *m)
{
    gw->quotable = gw->attester != NULL;
    return clo_link_send(gw->parent, CLO_MSG_READY, m->id, NULL, 0);
}

static int on_parent(void *ctx, struct clo_ipc_msg *m)
{
    struct clo_gw *gw = ctx;

    switch (m->type) {
    case CLO_MSG_PEER: return on_peer(gw, m);
    case CLO_MSG_CREDENTIALS: return on_credentials(gw, m);
    case CLO_MSG_GATEWAY_START: return on_start(gw, m);
    case CLO_MSG_GATEWAY_LIMITS: return on_limits(gw, m);
    case CLO_MSG_ENGINE_STATE: return on_engine_state(gw, m);
    case CLO_MSG_DRAIN: return on_drain(gw);
    case CLO_MSG_PING: return clo_link_send(gw->parent, CLO_MSG_PING, m->id, NULL, 0);
    case CLO_MSG_LOG_LEVEL: return clo_role_log_level(m);
    default: return on_manifest(gw, m);
    }
}

static void on_parent_lost(void *ctx, int err)
{
    look_at_loss(ctx, CLO_ROLE_PARENT, err);
    stop(ctx, 1);
}

static const struct clo_ipc_permit parent_permits[] = {
    {ALWAYS, CLO_MSG_PEER, 1, 1, true},
    {IN_INIT | IN_RUN, CLO_MSG_CREDENTIALS, 0, 0, true},
    {IN_INIT | IN_RUN, CLO_MSG_GATEWAY_LIMITS, 1, CLO_IPC_PAYLOAD_MAX, false},
    {IN_INIT, CLO_MSG_GATEWAY_START, 1, CLO_IPC_PAYLOAD_MAX, true},
    {ALWAYS, CLO_MSG_ENGINE_STATE, 1, CLO_IPC_PAYLOAD_MAX, false},
    {ALWAYS, CLO_MSG_MANIFEST, 1, CLO_IPC_PAYLOAD_MAX, false},
    {IN_RUN, CLO_MSG_DRAIN, 0, 0, false},
    {ALWAYS, CLO_MSG_PING, 0, 0, false},
    {ALWAYS, CLO_MSG_LOG_LEVEL, 1, 1, false},
};
static const struct clo_link_ops parent_ops = {parent_permits, CLO_ARRAY_LEN(parent_permits),
                                               on_parent, on_parent_lost};

/* ---- life ---- */

static void on_second(evutil_socket_t fd, short what, void *arg)
{
    struct clo_gw *gw = arg;

    (void)fd;
    (void)what;
    if (gw->state == CLO_GW_INIT)
        return;
    clo_evidence_tick(gw);
    clo_requests_tick(gw);
}

/* Its usual clock moves in steps of milliseconds: frames would be late by as much, each by another time. */
static struct event_base *precise_loop(void)
{
    struct event_config *c = event_config_new();
    struct event_base *ret = NULL;

    if (c != NULL && event_config_set_flag(c, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
        ret = event_base_new_with_config(c);
    if (c != NULL)
        event_config_free(c);
    return ret;
}

static int run(struct clo_gw *gw)
{
    const struct timeval second = {.tv_sec = 1};
    struct event *tick = NULL;
    int err = CLOISTER_E_MEMORY;

    gw->base = precise_loop();
    if (gw->base == NULL)
        return err;
    tick = event_new(gw->base, -1, EV_PERSIST, on_second, gw);
    if (tick == NULL || event_add(tick, &second) != 0 ||
        (err = clo_link_new(gw->base, CLO_CONTROL_FD, &parent_ops, &gw->state, gw, &gw->parent)) !=
            0)
        return err;
    return event_base_dispatch(gw->base) < 0 ? CLOISTER_E_IO : 0;
}

/* libevent's warnings are free text; what matters in them comes back as an error as well. */
static void log_nothing(int severity, const char *text)
{
    (void)severity;
    (void)text;
}

/*
 * The process ends here without taking the HTTP server apart: its sockets go with it. Secrets are wiped; users' text in
 * requests that a lost parent cut off is in pages that no one can read any more and no dump holds.
 */
int main(int argc, char *argv[])
{
    static struct clo_gw gw = {.exit_status = 1, .listener = -1};
    struct clo_cell_site site = {0};

    if (clo_role_begin(CLO_ROLE_GATEWAY, argc, argv, &site) != 0)
        return 1;
    if (clo_role_enclose(CLO_ROLE_GATEWAY, CLO_CELL_GATEWAY, &site) != 0)
        return CLO_EXIT_CELL;
    clo_json_use_wiping_heap();
    event_set_log_callback(log_nothing);
    event_set_mem_functions(clo_wipe_malloc, clo_wipe_realloc, clo_wipe_free);
    if (run(&gw) != 0)
        gw.exit_status = 1;
    clo_log("gateway", CLO_EV_STOP, (uint64_t)gw.exit_status, 0, 0, 0);
    clo_guard_end();
    return gw.exit_status;
}
