/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloisterd-attester: answers the gateway's nonces with reports that bind them to the keys, of which the keeper tells it, and to the
 * manifest, of which the parent does. The report interface itself is its worker's (worker.h), certificates and collateral are the
 * fetcher's.
 *
 * Keys belong to the manifest under which they came: a new manifest drops the keys and the channel that brought them, and a new
 * channel drops the keys. What one report bound is answered as it was bound, even if keys change meanwhile.
 */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "daemon/attester/attester.h"

#define PREPARED (1U << CLO_ATTESTER_PREPARING | 1U << CLO_ATTESTER_RUNNING)
#define ANY      (1U << CLO_ATTESTER_NEW | PREPARED | 1U << CLO_ATTESTER_LOST)

static const struct clo_ipc_permit from_parent[] = {
    {1U << CLO_ATTESTER_NEW, CLO_MSG_ATTESTER_START, 1, 64, false},
    {PREPARED | 1U << CLO_ATTESTER_LOST, CLO_MSG_PEER, 1, 1, true},
    {1U << CLO_ATTESTER_RUNNING | 1U << CLO_ATTESTER_LOST, CLO_MSG_MANIFEST, 1, CLO_IPC_PAYLOAD_MAX,
     false},
    {ANY, CLO_MSG_DRAIN, 0, 0, false},
    {ANY, CLO_MSG_PING, 0, 0, false},
    {ANY, CLO_MSG_LOG_LEVEL, 1, 1, false},
};
static const struct clo_ipc_permit from_keeper[] = {
    {1U << CLO_ATTESTER_RUNNING, CLO_MSG_KEYS, 1, CLO_IPC_PAYLOAD_MAX, false},
};
static const struct clo_ipc_permit from_gateway[] = {
    {1U << CLO_ATTESTER_RUNNING, CLO_MSG_QUOTE, 32, 32, false},
};
static const struct clo_ipc_permit from_fetcher[] = {
    {PREPARED, CLO_MSG_FETCHED, 1, 64, true},
};

static void log_bad(const struct clo_attester *a, enum clo_role peer, const struct clo_ipc_msg *m,
                    int err)
{
    clo_log("attester", CLO_EV_IPC_BAD, peer, m->type, a->state, (uint64_t) - (int64_t)err);
}

/* ---- the parent ---- */

static int start(struct clo_attester *a, const struct clo_ipc_msg *m)
{
    int err;

    if ((err = clo_attester_start_read(m->payload, m->n, &a->start)) != 0 ||
        (err = clo_supply_new(clo_attester_limits.again_ms, &a->supply)) != 0)
        return err;
    a->state = CLO_ATTESTER_PREPARING;
    return 0;
}

static int take_peer(struct clo_attester *a, struct clo_ipc_msg *m)
{
    int *place = m->payload[0] == CLO_ROLE_GATEWAY   ? &a->gateway
                 : m->payload[0] == CLO_ROLE_KEEPER  ? &a->keeper
                 : m->payload[0] == CLO_ROLE_FETCHER ? &a->fetcher
                                                     : NULL;

    if (m->payload[0] == CLO_ROLE_WORKER)
        return clo_attester_take_worker(a, m);
    if (place == NULL)
        return CLOISTER_E_PROTOCOL;
    clo_channel_drop(place);
    if (a->state == CLO_ATTESTER_LOST)
        return 0;
    *place = m->fd;
    m->fd = -1;
    if (place == &a->keeper) {
        clo_attester_forget_keys(a);
    } else if (place == &a->fetcher) {
        clo_supply_asked_in_vain(a->supply);
    } else {
        clo_quotes_drop(a->quotes);
        a->blobs_due = a->quotable ? CLO_ATTESTER_BLOBS : 0;
    }
    return 0;
}

static int command(struct clo_attester *a, struct clo_ipc_msg *m)
{
    switch (m->type) {
    case CLO_MSG_ATTESTER_START: return start(a, m);
    case CLO_MSG_PEER: return take_peer(a, m);
    case CLO_MSG_PING: return clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_PING, m->id, NULL, 0, -1);
    case CLO_MSG_LOG_LEVEL: return clo_role_log_level(m);
    case CLO_MSG_MANIFEST:
        clo_attester_forget_keys(a);
        clo_channel_drop(&a->keeper);
        a->manifest_id = m->id;
        return clo_part_copy(&a->part[CLO_SEC_MANIFEST], m->payload, m->n);
    default: /* DRAIN: the gateway, which ends first, has no more questions */
        a->end = 0;
        return clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_DRAINED, m->id, NULL, 0, -1);
    }
}

static int from_parent_all(struct clo_attester *a, struct clo_ipc_msg *m)
{
    int err;

    while ((err = clo_ipc_recv(CLO_CONTROL_FD, a->state, from_parent, CLO_ARRAY_LEN(from_parent),
                               m)) == 0) {
        err = command(a, m);
        clo_ipc_msg_clear(m);
        if (err != 0 || a->end >= 0)
            return err;
    }
    if (err == CLOISTER_E_NETWORK)
        a->end = 0;
    return err == CLOISTER_E_NOT_FOUND || err == CLOISTER_E_NETWORK ? 0 : err;
}

/* ---- the gateway ---- */

static int send_quoted(struct clo_attester *a, uint64_t id, const struct clo_batch_section *batch)
{
    struct clo_quoted q = {.error = a->bound.error};
    struct clo_buf section = clo_buf_init(CLO_SECTION_MAX);
    uint8_t out[CLO_IPC_PAYLOAD_MAX];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int err = 0;

    if (q.error == 0 && (err = clo_batch_section_write(batch, &section)) != 0)
        goto out;
    memcpy(q.cpu, a->bound.cpu.digest, 32);
    memcpy(q.manifest, a->bound.manifest, 32);
    memcpy(q.devices, a->bound.devices, 32);
    memcpy(q.collateral, a->bound.collateral, 32);
    q.keys = a->bound.keys.p;
    q.keys_n = a->bound.keys.len;
    q.batch = section.p;
    q.batch_n = section.len;
    if ((err = clo_quoted_write(&q, &wr)) == 0)
        err = clo_ipc_send(a->gateway, CLO_MSG_QUOTED, id, out, wr.len, -1);
out:
    clo_buf_clear(&section);
    return err;
}

static int send_blob(struct clo_attester *a, enum clo_section s)
{
    const struct clo_part *p = s == CLO_SEC_CPU ? &a->bound.cpu : &a->part[s];
    uint8_t out[1 + 32 + 8];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int fd = -1;
    int err;

    if ((err = clo_wr_u8(&wr, (uint8_t)s)) != 0 ||
        (err = clo_wr_bytes(&wr, p->digest, sizeof p->digest)) != 0 ||
        (err = clo_wr_u64le(&wr, (uint64_t)a->expires)) != 0 ||
        (err = clo_memfd_make(p->bytes.p, p->bytes.len, &fd)) != 0)
        return err;
    err = clo_ipc_send(a->gateway, CLO_MSG_BLOB, 0, out, wr.len, fd);
    close(fd);
    return err;
}

/* Blobs before the answers that name them; as much as there is room for. */
static int send_due(struct clo_attester *a)
{
    struct clo_batch_section batch = {0};
    uint64_t id = 0;
    int err = 0;

    for (unsigned s = 0; err == 0 && s < CLO_SEC_COUNT; s++) {
        if ((a->blobs_due & 1U << s) == 0)
            continue;
        if (!clo_ipc_writable(a->gateway))
            return 0;
        if ((err = send_blob(a, (enum clo_section)s)) == 0)
            a->blobs_due &= ~(1U << s);
    }
    while (err == 0 && a->made && clo_quotes_busy(a->quotes) && clo_ipc_writable(a->gateway)) {
        if ((err = clo_quotes_next(a->quotes, &id, &batch)) == 0 &&
            (err = send_quoted(a, id, &batch)) == 0)
            clo_quotes_answered(a->quotes);
    }
    return err == CLOISTER_E_FULL ? 0 : err;
}

static void gateway_lost(struct clo_attester *a, const struct clo_ipc_msg *m, int err)
{
    clo_quotes_drop(a->quotes);
    a->blobs_due = 0;
    if (err == CLOISTER_E_NETWORK) {
        clo_channel_drop(&a->gateway);
        return;
    }
    log_bad(a, CLO_ROLE_GATEWAY, m, err);
    clo_channel_refuse(&a->gateway, CLO_ROLE_GATEWAY);
}

static void from_gateway_all(struct clo_attester *a, struct clo_ipc_msg *m)
{
    int err = 0;

    while (err == 0 && !clo_quotes_full(a->quotes) &&
           (err = clo_ipc_recv(a->gateway, a->state, from_gateway, CLO_ARRAY_LEN(from_gateway),
                               m)) == 0) {
        err = clo_quotes_add(a->quotes, m->id, m->payload);
        clo_ipc_msg_clear(m);
    }
    if (err != 0 && err != CLOISTER_E_NOT_FOUND)
        gateway_lost(a, m, err);
}

/* ---- the keeper ---- */

static void from_keeper_all(struct clo_attester *a, struct clo_ipc_msg *m)
{
    int err = 0;

    while (err == 0 && (err = clo_ipc_recv(a->keeper, a->state, from_keeper,
                                           CLO_ARRAY_LEN(from_keeper), m)) == 0) {
        err = clo_attester_take_keys(a, m);
        clo_ipc_msg_clear(m);
    }
    if (err == CLOISTER_E_NOT_FOUND)
        return;
    clo_attester_forget_keys(a); /* the keeper that held them is gone, or can't be trusted */
    if (err == CLOISTER_E_NETWORK) {
        clo_channel_drop(&a->keeper);
        return;
    }
    log_bad(a, CLO_ROLE_KEEPER, m, err);
    clo_channel_refuse(&a->keeper, CLO_ROLE_KEEPER);
}

/* ---- the fetcher ---- */

static int take_fetched(struct clo_attester *a, const struct clo_ipc_msg *m)
{
    struct clo_buf bytes = clo_buf_init(0);
    struct clo_answer answer = {0};
    struct clo_fetched f = {0};
    int err;

    if ((err = clo_fetched_read(m->payload, m->n, &f)) != 0 ||
        (err = clo_memfd_read(m->fd, CLO_ANSWER_MAX + CLO_ANSWER_CHAIN_MAX, &bytes)) != 0)
        return err;
    if (f.body_n > CLO_ANSWER_MAX || f.chain_n > CLO_ANSWER_CHAIN_MAX ||
        (size_t)f.body_n + f.chain_n != bytes.len) {
        clo_buf_clear(&bytes);
        return CLOISTER_E_PROTOCOL;
    }
    answer = (struct clo_answer){.body = bytes.p, .body_n = f.body_n};
    if (f.chain_n > 0) {
        answer.chain = bytes.p + f.body_n;
        answer.chain_n = f.chain_n;
    }
    err = clo_supply_answer(a->supply, m->id, &f, &answer, clo_attester_now());
    clo_buf_clear(&bytes);
    if (err == 0)
        clo_attester_supplied(a);
    return err;
}

static void fetcher_lost(struct clo_attester *a, const struct clo_ipc_msg *m, int err)
{
    clo_supply_asked_in_vain(a->supply);
    if (err == CLOISTER_E_NETWORK) {
        clo_channel_drop(&a->fetcher);
        return;
    }
    log_bad(a, CLO_ROLE_FETCHER, m, err);
    clo_channel_refuse(&a->fetcher, CLO_ROLE_FETCHER);
}

static void from_fetcher_all(struct clo_attester *a, struct clo_ipc_msg *m)
{
    int err = 0;

    while (err == 0 && (err = clo_ipc_recv(a->fetcher, a->state, from_fetcher,
                                           CLO_ARRAY_LEN(from_fetcher), m)) == 0) {
        err = take_fetched(a, m);
        clo_ipc_msg_clear(m);
    }
    if (err != CLOISTER_E_NOT_FOUND)
        fetcher_lost(a, m, err);
}

/* So few questions are open at a time that there is room, unless it answers without reading: then it is no fetcher. */
static int ask_fetcher(struct clo_attester *a)
{
    static struct clo_fetch f;
    uint8_t out[2 * CLO_WANT_REQUEST_MAX];
    uint64_t id = 0;
    int err;

    while (clo_supply_keep(a->supply, &id))
        if ((err = clo_ipc_send(a->fetcher, CLO_MSG_KEEP, id, NULL, 0, -1)) != 0)
            return err;
    while (clo_supply_ask(a->supply, clo_attester_now(), &f, &id)) {
        struct clo_wr wr = clo_wr_init(out, sizeof out);

        if ((err = clo_fetch_write(&f, &wr)) != 0 ||
            (err = clo_ipc_send(a->fetcher, CLO_MSG_FETCH, id, out, wr.len, -1)) != 0)
            return err;
    }
    return 0;
}

/* ---- all of them ---- */

static int wait_ms(const struct clo_attester *a)
{
    const int64_t at = clo_attester_wake_us(a), now = clo_clock_mono_us();

    return at <= now ? 0 : at - now > 60000000 ? 60000 : (int)((at - now + 999) / 1000);
}

static void wait_for_something(struct clo_attester *a)
{
    struct pollfd p[] = {{.fd = CLO_CONTROL_FD, .events = POLLIN},
                         {.fd = a->gateway},
                         {.fd = a->keeper, .events = POLLIN},
                         {.fd = a->fetcher, .events = POLLIN},
                         {.fd = a->worker.sock, .events = POLLIN}};

    p[1].events = clo_quotes_full(a->quotes) ? 0 : POLLIN;
    if (a->blobs_due != 0 || (a->made && clo_quotes_busy(a->quotes)))
        p[1].events |= POLLOUT;
    (void)poll(p, CLO_ARRAY_LEN(p), wait_ms(a));
    /* Nobody reads its end while it has asked as much as may wait; and nobody would wait for it then. */
    if (a->gateway >= 0 && p[1].events == 0 && p[1].revents != 0)
        gateway_lost(a, NULL, CLOISTER_E_NETWORK);
}

static int run(struct clo_attester *a)
{
    static struct clo_ipc_msg m = {.fd = -1};
    int err;

    while (a->end < 0) {
        wait_for_something(a);
        if ((err = from_parent_all(a, &m)) != 0)
            return err;
        if (a->end >= 0)
            break;
        if (a->keeper >= 0)
            from_keeper_all(a, &m);
        if (a->fetcher >= 0)
            from_fetcher_all(a, &m);
        if (a->gateway >= 0)
            from_gateway_all(a, &m);
        if ((err = clo_attester_turn(a)) != 0)
            return err;
        if (a->gateway >= 0 && (err = send_due(a)) != 0)
            gateway_lost(a, &m, err);
        if (a->fetcher >= 0 && (err = ask_fetcher(a)) != 0)
            fetcher_lost(a, &m, err);
    }
    return 0;
}

static void clear(struct clo_attester *a)
{
    clo_worker_drop(&a->worker);
    clo_attester_forget_keys(a);
    clo_supply_free(a->supply);
    clo_quotes_free(a->quotes);
    cloister_roots_free(a->own_roots);
    clo_devices_clear(&a->attested.devices);
    clo_buf_clear(&a->attested.section);
    for (unsigned s = 0; s < CLO_SEC_COUNT; s++)
        clo_buf_clear(&a->part[s].bytes);
    clo_buf_clear(&a->report.raw);
    clo_buf_clear(&a->batch.raw);
    clo_buf_clear(&a->bound.keys);
    clo_buf_clear(&a->bound.cpu.bytes);
}

int main(int argc, char *argv[])
{
    static struct clo_attester a = {.gateway = -1, .keeper = -1, .fetcher = -1, .end = -1};
    const bool is_worker = argc == 4 && strcmp(argv[3], "worker") == 0;
    const enum clo_role role = is_worker ? CLO_ROLE_WORKER : CLO_ROLE_ATTESTER;
    struct clo_cell_site site = {0};
    int err;

    if (clo_role_begin(role, is_worker ? 3 : argc, argv, &site) != 0)
        return 1;
    clo_cells_add(clo_attester_more(is_worker));
    if (clo_role_enclose(role, is_worker ? CLO_CELL_WORKER : CLO_CELL_ATTESTER, &site) != 0)
        return CLO_EXIT_CELL;
    if (is_worker)
        return clo_worker_main();
    clo_worker_init(&a.worker);
    a.bound.keys = clo_buf_init(CLO_SECTION_MAX);
    if ((err = clo_quotes_new(&a.quotes)) == 0)
        err = run(&a);
    if (err != 0)
        clo_log("attester", CLO_EV_IPC_BAD, CLO_ROLE_PARENT, 0, a.state, (uint64_t) - (int64_t)err);
    clear(&a);
    return err != 0 ? 1 : a.end;
}
