/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloisterd-attester: holds the hardware report interface. It learns the manifest from the parent and the keys from the
 * keeper, and answers the gateway's nonces with reports that bind them together.
 *
 * Keys belong to the manifest under which they came: a new manifest drops the keys and the channel that brought them, and a new
 * channel drops the keys. What one report bound is answered as it was bound, even if keys change meanwhile.
 */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "daemon/attester/quotes.h"
#include "daemon/role.h"
#include "platform/maker.h"

enum state {
    NEW,
    RUNNING
};

static const struct clo_ipc_permit from_parent[] = {
    {1U << NEW, CLO_MSG_ATTESTER_START, 1, 1, false},
    {1U << RUNNING, CLO_MSG_PEER, 1, 1, true},
    {1U << RUNNING, CLO_MSG_MANIFEST, 1, CLO_IPC_PAYLOAD_MAX, false},
    {1U << NEW | 1U << RUNNING, CLO_MSG_DRAIN, 0, 0, false},
    {1U << NEW | 1U << RUNNING, CLO_MSG_PING, 0, 0, false},
    {1U << NEW | 1U << RUNNING, CLO_MSG_LOG_LEVEL, 1, 1, false},
};
static const struct clo_ipc_permit from_keeper[] = {
    {1U << RUNNING, CLO_MSG_KEYS, 1, CLO_IPC_PAYLOAD_MAX, false},
};
static const struct clo_ipc_permit from_gateway[] = {
    {1U << RUNNING, CLO_MSG_QUOTE, 32, 32, false},
};

/* A section and its digest. */
struct part {
    struct clo_buf bytes;
    uint8_t digest[32];
};

/* What one report bound together, until all of its batch are answered. */
struct bound {
    int error; /* then there is no report */
    struct clo_buf keys, cpu;
    uint8_t manifest[32], devices[32], collateral[32];
};

struct attester {
    enum state state;
    struct clo_maker *maker;
    struct clo_quotes *quotes;
    struct part part[CLO_SEC_COUNT]; /* keys, manifest, devices and collateral are used */
    uint64_t manifest_id;            /* the parent's number of the manifest */
    bool quotable;                   /* manifest and keys are there */
    int64_t expires;                 /* of the keys */
    struct bound bound;
    unsigned blobs_due; /* bit mask of sections that the gateway lacks */
    int gateway, keeper;
    bool ends;
};

#define BLOBS (1U << CLO_SEC_MANIFEST | 1U << CLO_SEC_DEVICES | 1U << CLO_SEC_COLLATERAL)

static void log_bad(enum clo_role peer, const struct clo_ipc_msg *m, enum state state, int err)
{
    clo_log("attester", CLO_EV_IPC_BAD, peer, m->type, state, (uint64_t) - (int64_t)err);
}

/* Takes the bytes over. */
static int part_set(struct part *p, struct clo_buf *bytes)
{
    uint8_t digest[32];
    int err = clo_sha256(bytes->p, bytes->len, digest);

    if (err != 0)
        return err;
    clo_buf_clear(&p->bytes);
    p->bytes = *bytes;
    *bytes = clo_buf_init(CLO_SECTION_MAX);
    memcpy(p->digest, digest, sizeof digest);
    return 0;
}

static int part_copy(struct part *p, const void *bytes, size_t n)
{
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);
    int err;

    if ((err = clo_buf_append(&b, bytes, n)) == 0)
        err = part_set(p, &b);
    clo_buf_clear(&b);
    return err;
}

static void forget_keys(struct attester *a)
{
    clo_buf_clear(&a->part[CLO_SEC_KEYS].bytes);
    a->quotable = false;
}

static int refresh_collateral(struct attester *a)
{
    struct clo_collateral c = {0};
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);
    int err;

    if ((err = a->maker->ops->collateral(a->maker, &c)) == 0 &&
        (err = clo_collateral_write(&c, &b)) == 0)
        err = part_set(&a->part[CLO_SEC_COLLATERAL], &b);
    clo_buf_clear(&b);
    clo_collateral_clear(&c);
    return err;
}

static int start(struct attester *a, const struct clo_ipc_msg *m)
{
    struct clo_attester_start s = {0};
    struct clo_buf devices = clo_buf_init(CLO_SECTION_MAX);
    uint8_t info[32 + 48];
    int err;

    if ((err = clo_attester_start_read(m->payload, m->n, &s)) != 0)
        return err;
    if (s.tee != CLO_TEE_SIMULATED)
        return CLOISTER_E_UNSUPPORTED;
    if ((err = clo_quotes_new(&a->quotes)) != 0 ||
        (err = clo_maker_simulated_new(clo_rng_system(), clo_clock_now(), &a->maker)) != 0 ||
        (err = clo_devices_section_write_empty(&devices)) != 0 ||
        (err = part_set(&a->part[CLO_SEC_DEVICES], &devices)) != 0)
        goto out;
    clo_maker_simulated_info(a->maker, info, info + 32);
    a->state = RUNNING;
    if ((err = clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_SIMULATED, 0, info, sizeof info, -1)) == 0)
        err = clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_READY, 0, NULL, 0, -1);
out:
    clo_buf_clear(&devices);
    return err;
}

static int take_peer(struct attester *a, struct clo_ipc_msg *m)
{
    int *place = m->payload[0] == CLO_ROLE_GATEWAY  ? &a->gateway
                 : m->payload[0] == CLO_ROLE_KEEPER ? &a->keeper
                                                    : NULL;

    if (place == NULL)
        return CLOISTER_E_PROTOCOL;
    clo_channel_drop(place);
    *place = m->fd;
    m->fd = -1;
    if (place == &a->keeper) {
        forget_keys(a);
    } else {
        clo_quotes_drop(a->quotes);
        a->blobs_due = a->quotable ? BLOBS : 0;
    }
    return 0;
}

static int command(struct attester *a, struct clo_ipc_msg *m)
{
    switch (m->type) {
    case CLO_MSG_ATTESTER_START: return start(a, m);
    case CLO_MSG_PEER: return take_peer(a, m);
    case CLO_MSG_PING: return clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_PING, m->id, NULL, 0, -1);
    case CLO_MSG_LOG_LEVEL: return clo_role_log_level(m);
    case CLO_MSG_MANIFEST:
        forget_keys(a);
        clo_channel_drop(&a->keeper);
        a->manifest_id = m->id;
        return part_copy(&a->part[CLO_SEC_MANIFEST], m->payload, m->n);
    default: /* DRAIN: the gateway, which ends first, has no more questions */
        a->ends = true;
        return clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_DRAINED, m->id, NULL, 0, -1);
    }
}

static int take_keys(struct attester *a, const struct clo_ipc_msg *m)
{
    struct clo_keys_section s = {0};
    bool first = !a->quotable;
    int err;

    if (a->part[CLO_SEC_MANIFEST].bytes.len == 0)
        return CLOISTER_E_STATE;
    if ((err = clo_keys_section_parse(m->payload, m->n, &s)) != 0 ||
        (err = part_copy(&a->part[CLO_SEC_KEYS], m->payload, m->n)) != 0 ||
        (err = refresh_collateral(a)) != 0)
        return err;
    a->expires = s.expires;
    a->quotable = true;
    a->blobs_due = BLOBS;
    return first ? clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_READY, a->manifest_id, NULL, 0, -1) : 0;
}

/* ---- reports ---- */

/* Takes one report over the root and what is bound to it. */
static int bind(struct attester *a, const uint8_t root[32])
{
    const struct part *p = a->part;
    struct clo_cpu_section cpu = {0};
    uint8_t report_data[64];
    int err;

    if (!a->quotable)
        return CLOISTER_E_STATE;
    if ((err = clo_bind_cpu(root, p[CLO_SEC_KEYS].digest, p[CLO_SEC_MANIFEST].digest,
                            p[CLO_SEC_DEVICES].digest, report_data)) != 0 ||
        (err = a->maker->ops->report(a->maker, report_data, &cpu)) != 0 ||
        (err = clo_cpu_section_write(&cpu, &a->bound.cpu)) != 0 ||
        (err = clo_buf_append(&a->bound.keys, p[CLO_SEC_KEYS].bytes.p,
                              p[CLO_SEC_KEYS].bytes.len)) != 0)
        goto out;
    memcpy(a->bound.manifest, p[CLO_SEC_MANIFEST].digest, 32);
    memcpy(a->bound.devices, p[CLO_SEC_DEVICES].digest, 32);
    memcpy(a->bound.collateral, p[CLO_SEC_COLLATERAL].digest, 32);
out:
    clo_cpu_section_clear(&cpu);
    return err;
}

static void begin_batch(struct attester *a)
{
    uint8_t root[32];
    size_t count = 0;
    int64_t since = clo_clock_mono_us();

    if (clo_quotes_begin(a->quotes, root, &count) != 0)
        return;
    clo_buf_clear(&a->bound.keys);
    clo_buf_clear(&a->bound.cpu);
    a->bound.error = bind(a, root);
    if (a->bound.error == 0) {
        clo_log("attester", CLO_EV_REPORT, (uint64_t)(clo_clock_mono_us() - since), count, 0, 0);
    } else if (a->bound.error != CLOISTER_E_STATE) {
        clo_log("attester", CLO_EV_REPORT_FAIL, (uint64_t) - (int64_t)a->bound.error, 0, 0, 0);
        a->bound.error = CLOISTER_E_IO;
    }
}

static int send_quoted(struct attester *a, uint64_t id, const struct clo_batch_section *batch)
{
    struct clo_quoted q = {.error = a->bound.error};
    struct clo_buf section = clo_buf_init(CLO_SECTION_MAX);
    uint8_t out[CLO_IPC_PAYLOAD_MAX];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int err = 0;

    if (q.error == 0 && (err = clo_batch_section_write(batch, &section)) != 0)
        goto out;
    memcpy(q.manifest, a->bound.manifest, 32);
    memcpy(q.devices, a->bound.devices, 32);
    memcpy(q.collateral, a->bound.collateral, 32);
    q.keys = a->bound.keys.p;
    q.keys_n = a->bound.keys.len;
    q.cpu = a->bound.cpu.p;
    q.cpu_n = a->bound.cpu.len;
    q.batch = section.p;
    q.batch_n = section.len;
    if ((err = clo_quoted_write(&q, &wr)) == 0)
        err = clo_ipc_send(a->gateway, CLO_MSG_QUOTED, id, out, wr.len, -1);
out:
    clo_buf_clear(&section);
    return err;
}

static int send_blob(struct attester *a, enum clo_section s)
{
    const struct part *p = &a->part[s];
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
static int send_due(struct attester *a)
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
    while (err == 0 && clo_quotes_busy(a->quotes) && clo_ipc_writable(a->gateway)) {
        if ((err = clo_quotes_next(a->quotes, &id, &batch)) == 0 &&
            (err = send_quoted(a, id, &batch)) == 0)
            clo_quotes_answered(a->quotes);
    }
    return err == CLOISTER_E_FULL ? 0 : err;
}

/* ---- channels ---- */

static int from_parent_all(struct attester *a, struct clo_ipc_msg *m)
{
    int err;

    while ((err = clo_ipc_recv(CLO_CONTROL_FD, a->state, from_parent, CLO_ARRAY_LEN(from_parent),
                               m)) == 0) {
        err = command(a, m);
        clo_ipc_msg_clear(m);
        if (err != 0 || a->ends)
            return err;
    }
    if (err == CLOISTER_E_NETWORK)
        a->ends = true;
    return err == CLOISTER_E_NOT_FOUND || err == CLOISTER_E_NETWORK ? 0 : err;
}

static void from_keeper_all(struct attester *a, struct clo_ipc_msg *m)
{
    int err = 0;

    while (err == 0 && (err = clo_ipc_recv(a->keeper, a->state, from_keeper,
                                           CLO_ARRAY_LEN(from_keeper), m)) == 0) {
        err = take_keys(a, m);
        clo_ipc_msg_clear(m);
    }
    if (err == CLOISTER_E_NOT_FOUND)
        return;
    forget_keys(a); /* the keeper that held them is gone, or can't be trusted */
    if (err == CLOISTER_E_NETWORK) {
        clo_channel_drop(&a->keeper);
        return;
    }
    log_bad(CLO_ROLE_KEEPER, m, a->state, err);
    clo_channel_refuse(&a->keeper, CLO_ROLE_KEEPER);
}

static void gateway_lost(struct attester *a, const struct clo_ipc_msg *m, int err)
{
    clo_quotes_drop(a->quotes);
    if (err == CLOISTER_E_NETWORK) {
        clo_channel_drop(&a->gateway);
        return;
    }
    log_bad(CLO_ROLE_GATEWAY, m, a->state, err);
    clo_channel_refuse(&a->gateway, CLO_ROLE_GATEWAY);
}

static void from_gateway_all(struct attester *a, struct clo_ipc_msg *m)
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

static int run(struct attester *a)
{
    static struct clo_ipc_msg m = {.fd = -1};
    int err;

    for (;;) {
        struct pollfd p[] = {{.fd = CLO_CONTROL_FD, .events = POLLIN},
                             {.fd = a->gateway},
                             {.fd = a->keeper, .events = POLLIN}};

        if (a->quotes != NULL) {
            p[1].events = clo_quotes_full(a->quotes) ? 0 : POLLIN;
            if (a->blobs_due != 0 || clo_quotes_busy(a->quotes))
                p[1].events |= POLLOUT;
        }
        (void)poll(p, CLO_ARRAY_LEN(p), -1);
        if ((err = from_parent_all(a, &m)) != 0 || a->ends)
            return err;
        if (a->keeper >= 0)
            from_keeper_all(a, &m);
        if (a->gateway >= 0)
            from_gateway_all(a, &m);
        if (a->gateway < 0)
            continue;
        begin_batch(a);
        if ((err = send_due(a)) != 0)
            gateway_lost(a, &m, err);
    }
}

int main(int argc, char *argv[])
{
    struct attester a = {.gateway = -1, .keeper = -1};
    int err;

    if (clo_role_begin(CLO_ROLE_ATTESTER, argc, argv) != 0)
        return 1;
    a.bound.keys = a.bound.cpu = clo_buf_init(CLO_SECTION_MAX);
    err = run(&a);
    if (err != 0 && err != CLOISTER_E_UNSUPPORTED)
        clo_log("attester", CLO_EV_IPC_BAD, CLO_ROLE_PARENT, 0, a.state, (uint64_t) - (int64_t)err);
    clo_maker_free(a.maker);
    clo_quotes_free(a.quotes);
    for (unsigned s = 0; s < CLO_SEC_COUNT; s++)
        clo_buf_clear(&a.part[s].bytes);
    clo_buf_clear(&a.bound.keys);
    clo_buf_clear(&a.bound.cpu);
    return err == 0 ? 0 : err == CLOISTER_E_UNSUPPORTED ? CLO_EXIT_UNSUPPORTED : 1;
}
