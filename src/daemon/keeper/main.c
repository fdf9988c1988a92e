/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloisterd-keeper: holds the private keys. It has three channels and nothing else: the parent commands, the gateway
 * opens and commits requests, the attester is told which keys new evidence shows, and the gateway as well, for those who ask it for
 * nothing but a key. It opens no file and no socket.
 *
 * Keys are shown on a channel that was made for one manifest: RESET drops it together with the keys, and the parent hands over
 * the next one only after the attester has taken the next manifest (src/daemon/parent/settle.c).
 */
#include <poll.h>
#include <unistd.h>

#include "base/secret.h"
#include "daemon/keeper/epoch.h"
#include "daemon/role.h"

enum state {
    NEW,
    RUNNING
};

static const struct clo_ipc_permit from_parent[] = {
    {1U << NEW, CLO_MSG_KEEPER_START, 1, CLO_IPC_PAYLOAD_MAX, false},
    {1U << RUNNING, CLO_MSG_PEER, 1, 1, true},
    {1U << RUNNING, CLO_MSG_RESET, 0, 0, false},
    {1U << NEW | 1U << RUNNING, CLO_MSG_DRAIN, 0, 0, false},
    {1U << NEW | 1U << RUNNING, CLO_MSG_PING, 0, 0, false},
    {1U << NEW | 1U << RUNNING, CLO_MSG_LOG_LEVEL, 1, 1, false},
};
enum {
    OPEN_MIN = CLO_OHTTP_HDR + 1
};
static const struct clo_ipc_permit from_gateway[] = {
    {1U << RUNNING, CLO_MSG_OPEN, OPEN_MIN, OPEN_MIN + CLO_KEM_ENC_MAX, false},
    {1U << RUNNING, CLO_MSG_COMMIT, 32, 32, false},
    {1U << RUNNING, CLO_MSG_CLOSE, 0, 0, false},
};
enum {
    TICK_MS = 1000
};

struct keeper {
    enum state state;
    struct clo_epochs *epochs;
    uint32_t lifetime_s;
    int gateway, attester;
    uint64_t shown;  /* the epoch that the attester was told */
    uint64_t told;   /* ... and the gateway */
    uint64_t logged; /* the epoch whose birth was */
    bool ends;
};

static void log_bad(enum clo_role peer, const struct clo_ipc_msg *m, enum state state, int err)
{
    clo_log("keeper", CLO_EV_IPC_BAD, peer, m->type, state, (uint64_t) - (int64_t)err);
}

static int take_peer(struct keeper *k, struct clo_ipc_msg *m)
{
    int *place = m->payload[0] == CLO_ROLE_GATEWAY    ? &k->gateway
                 : m->payload[0] == CLO_ROLE_ATTESTER ? &k->attester
                                                      : NULL;

    if (place == NULL)
        return CLOISTER_E_PROTOCOL;
    clo_channel_drop(place);
    *place = m->fd;
    m->fd = -1;
    if (place == &k->gateway) {
        clo_epochs_close_all(k->epochs); /* nobody is left who could go on with them */
        k->told = 0;
    } else {
        k->shown = 0;
    }
    return 0;
}

static int command(struct keeper *k, struct clo_ipc_msg *m)
{
    struct clo_keeper_start start = {0};
    int err;

    switch (m->type) {
    case CLO_MSG_KEEPER_START:
        if ((err = clo_keeper_start_read(m->payload, m->n, &start)) != 0 ||
            (err = clo_epochs_new(&start, clo_rng_system(), &k->epochs)) != 0)
            return err;
        k->lifetime_s = start.lifetime_s;
        k->state = RUNNING;
        return clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_READY, 0, NULL, 0, -1);
    case CLO_MSG_PEER: return take_peer(k, m);
    case CLO_MSG_PING: return clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_PING, m->id, NULL, 0, -1);
    case CLO_MSG_LOG_LEVEL: return clo_role_log_level(m);
    case CLO_MSG_RESET:
        clo_channel_drop(&k->attester);
        return clo_epochs_reset(k->epochs, clo_clock_now());
    default: /* DRAIN: without a gateway, which ends first, there is nothing to finish */
        k->ends = true;
        return clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_DRAINED, m->id, NULL, 0, -1);
    }
}

static int answer_open(struct keeper *k, const struct clo_ipc_msg *m)
{
    __attribute__((cleanup(clo_ohttp_opened_wipe))) struct clo_ohttp_opened opened = {0};
    CLO_SECRET(out, 4 + CLO_AEAD_KEY_MAX + CLO_AEAD_NONCE + CLO_AEAD_KEY_MAX);
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    struct clo_rd rd = clo_rd_init(m->payload, m->n);
    struct clo_ohttp_header h = {0};
    uint8_t chunked = 0;
    int err, result;

    if ((err = clo_ohttp_header_parse(&rd, &h)) != 0 || (err = clo_rd_u8(&rd, &chunked)) != 0)
        return err;
    if (chunked > 1)
        return CLOISTER_E_PROTOCOL;
    result = clo_epochs_open(k->epochs, m->id, &h, chunked == 1, rd.p, rd.left, &opened);
    if (result == CLOISTER_E_PROTOCOL)
        return result;
    if ((err = clo_wr_u32le(&wr, (uint32_t)result)) != 0 ||
        (result == 0 &&
         ((err = clo_wr_bytes(&wr, opened.key, sizeof opened.key)) != 0 ||
          (err = clo_wr_bytes(&wr, opened.base_nonce, sizeof opened.base_nonce)) != 0 ||
          (err = clo_wr_bytes(&wr, opened.response_secret, sizeof opened.response_secret)) != 0)))
        return err;
    return clo_ipc_send(k->gateway, CLO_MSG_OPENED, m->id, out, wr.len, -1);
}

static int serve(struct keeper *k, const struct clo_ipc_msg *m)
{
    uint8_t out[4];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int err;

    switch (m->type) {
    case CLO_MSG_OPEN: return answer_open(k, m);
    case CLO_MSG_COMMIT:
        if ((err = clo_wr_u32le(&wr, (uint32_t)clo_epochs_commit(k->epochs, m->id, m->payload))) !=
            0)
            return err;
        return clo_ipc_send(k->gateway, CLO_MSG_COMMITTED, m->id, out, wr.len, -1);
    default: clo_epochs_close(k->epochs, m->id); return 0;
    }
}

/* Tell a peer the current epoch's public keys, once. A peer that is gone is being started again: the parent brings the next channel. */
static int show_keys(const struct keeper *k, uint64_t current, int peer, uint64_t *known)
{
    struct clo_buf section = clo_buf_init(CLO_IPC_PAYLOAD_MAX);
    int err;

    if (current == 0 || current == *known || peer < 0)
        return 0;
    if ((err = clo_epochs_section(k->epochs, &section)) == 0 &&
        (err = clo_ipc_send(peer, CLO_MSG_KEYS, current, section.p, section.len, -1)) == 0)
        *known = current;
    clo_buf_clear(&section);
    return err;
}

/* Let time pass, and tell the others when other keys are to be shown. */
static int tick(struct keeper *k)
{
    uint64_t current;
    int err;

    if (k->epochs == NULL)
        return 0;
    if ((err = clo_epochs_tick(k->epochs, clo_clock_now())) != 0)
        return err;
    current = clo_epochs_current(k->epochs);
    if (current != k->logged)
        clo_log("keeper", CLO_EV_EPOCH_NEW, current, k->lifetime_s, 0, 0);
    k->logged = current;
    if ((err = show_keys(k, current, k->attester, &k->shown)) == CLOISTER_E_NETWORK) {
        clo_channel_drop(&k->attester);
        err = 0;
    }
    /* The gateway faces the network: full or gone, it holds nobody up, and reading finds out which. */
    if (err == 0 && k->gateway >= 0 && clo_ipc_writable(k->gateway) &&
        ((err = show_keys(k, current, k->gateway, &k->told)) == CLOISTER_E_NETWORK ||
         err == CLOISTER_E_FULL))
        err = 0;
    return err;
}

/* One message of the gateway, if there is one. Its faults end the channel, not the keeper. */
static void from_gateway_one(struct keeper *k, struct clo_ipc_msg *m)
{
    int err;

    if (!clo_ipc_writable(k->gateway))
        return;
    err = clo_ipc_recv(k->gateway, k->state, from_gateway, CLO_ARRAY_LEN(from_gateway), m);
    if (err == CLOISTER_E_NOT_FOUND)
        return;
    if (err == 0) {
        err = serve(k, m);
        clo_ipc_msg_clear(m);
    }
    if (err == 0)
        return;
    clo_epochs_close_all(k->epochs);
    if (err == CLOISTER_E_NETWORK) {
        clo_channel_drop(&k->gateway);
        return;
    }
    log_bad(CLO_ROLE_GATEWAY, m, k->state, err);
    clo_channel_refuse(&k->gateway, CLO_ROLE_GATEWAY);
}

/* The attester may say nothing: reading only finds out that it is gone. */
static void from_attester_one(struct keeper *k, struct clo_ipc_msg *m)
{
    int err = clo_ipc_recv(k->attester, k->state, NULL, 0, m);

    if (err == CLOISTER_E_NETWORK)
        clo_channel_drop(&k->attester);
    else if (err != CLOISTER_E_NOT_FOUND)
        clo_channel_refuse(&k->attester, CLO_ROLE_ATTESTER);
}

/* Commands first: what they change must hold for the requests behind them. */
static int from_parent_all(struct keeper *k, struct clo_ipc_msg *m)
{
    int err;

    while ((err = clo_ipc_recv(CLO_CONTROL_FD, k->state, from_parent, CLO_ARRAY_LEN(from_parent),
                               m)) == 0) {
        err = command(k, m);
        clo_ipc_msg_clear(m);
        if (err != 0 || k->ends)
            return err;
    }
    if (err == CLOISTER_E_NETWORK)
        k->ends = true;
    return err == CLOISTER_E_NOT_FOUND || err == CLOISTER_E_NETWORK ? 0 : err;
}

static int run(struct keeper *k)
{
    static struct clo_ipc_msg m = {.fd = -1};
    int err;

    for (;;) {
        struct pollfd p[] = {{.fd = CLO_CONTROL_FD, .events = POLLIN},
                             {.fd = k->gateway, .events = POLLIN},
                             {.fd = k->attester, .events = POLLIN}};

        if (k->gateway >= 0 && !clo_ipc_writable(k->gateway))
            p[1].events = POLLOUT;
        (void)poll(p, CLO_ARRAY_LEN(p), TICK_MS);
        if ((err = from_parent_all(k, &m)) != 0 || k->ends || (err = tick(k)) != 0)
            return err;
        if (k->gateway >= 0)
            from_gateway_one(k, &m);
        if (k->attester >= 0)
            from_attester_one(k, &m);
        if ((err = tick(k)) != 0) /* a full set ends its keys at once */
            return err;
    }
}

int main(int argc, char *argv[])
{
    struct keeper k = {.gateway = -1, .attester = -1};
    struct clo_cell_site site = {0};
    int err;

    if (clo_role_begin(CLO_ROLE_KEEPER, argc, argv, &site) != 0)
        return 1;
    if (clo_role_enclose(CLO_ROLE_KEEPER, CLO_CELL_KEEPER, &site) != 0)
        return CLO_EXIT_CELL;
    if (clo_guard_init(CLO_KEEPER_SLOTS) != 0)
        return CLO_EXIT_LOCK;
    err = run(&k);
    if (err != 0)
        clo_log("keeper", CLO_EV_IPC_BAD, CLO_ROLE_PARENT, 0, k.state, (uint64_t) - (int64_t)err);
    clo_epochs_free(k.epochs);
    clo_guard_end();
    return err == 0 ? 0 : 1;
}
