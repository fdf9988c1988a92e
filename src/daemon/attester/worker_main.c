/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side: opens what it is told to, and does one thing after the other. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "daemon/attester/attester.h"
#include "platform/maker.h"
#include "platform/process.h"

enum state {
    CLOSED,
    OPEN
};

static const struct clo_ipc_permit from_attester[] = {
    {1U << CLOSED, CLO_MSG_WORK_OPEN, 1, 64, false},
    {1U << OPEN, CLO_MSG_WORK_REPORT, 64, 64, false},
    {1U << OPEN, CLO_MSG_WORK_LOOK, 0, 0, false},
    {1U << OPEN, CLO_MSG_WORK_DEVICES, 32, 32, false},
    {1U << OPEN, CLO_MSG_WORK_ACCEPT, 1, 1, false},
    {1U << OPEN, CLO_MSG_WORK_ANSWER, 1, CLO_IPC_PAYLOAD_MAX, false},
};

struct work {
    enum state state;
    struct clo_maker *maker;
    struct clo_gpus *gpus; /* NULL: none */
};

static int answer(uint16_t type, uint64_t id, const void *p, size_t n, int fd)
{
    return clo_ipc_send(CLO_CONTROL_FD, type, id, p, n, fd);
}

/* Bytes too many for a message; `head` goes into it. */
static int answer_bytes(uint16_t type, uint64_t id, const void *head, size_t head_n,
                        const struct clo_buf *bytes)
{
    int fd = -1, err;

    if ((err = clo_memfd_make(bytes->p, bytes->len, &fd)) != 0)
        return err;
    err = answer(type, id, head, head_n, fd);
    close(fd);
    return err;
}

/* ---- opening ---- */

static bool is_source_of(enum clo_source s, uint8_t tee)
{
    switch (s) {
    case CLO_SOURCE_TSM: return tee == CLO_TEE_AUTO || tee == CLO_TEE_SEV_SNP || tee == CLO_TEE_TDX;
    case CLO_SOURCE_SEV_GUEST: return tee == CLO_TEE_AUTO || tee == CLO_TEE_SEV_SNP;
    case CLO_SOURCE_VTPM:
        return tee == CLO_TEE_AUTO || tee == CLO_TEE_SEV_SNP_AZURE || tee == CLO_TEE_TDX_AZURE;
    default: return tee == CLO_TEE_SIMULATED; /* never AUTO */
    }
}

static int open_source(enum clo_source s, uint32_t pcrs, struct clo_maker **ret)
{
    switch (s) {
    case CLO_SOURCE_TSM: return clo_maker_tsm_new(ret);
    case CLO_SOURCE_SEV_GUEST: return clo_maker_sev_guest_new(ret);
    case CLO_SOURCE_VTPM: return clo_maker_vtpm_new(pcrs, ret);
    default: return clo_maker_simulated_new(clo_rng_system(), clo_clock_now(), ret);
    }
}

/* What the maker's evidence is, if it is what was asked for. */
static uint8_t tee_of(const struct clo_maker *m, uint8_t asked)
{
    for (int tee = CLO_TEE_SIMULATED; tee < CLO_TEE_AUTO; tee++) {
        const bool fits = tee == asked || (asked == CLO_TEE_AUTO && tee != CLO_TEE_SIMULATED);

        if (fits && strcmp(m->ops->type, clo_tee_name((uint8_t)tee)) == 0)
            return (uint8_t)tee;
    }
    return 0;
}

/* What to say of several failures: one that somebody can mend goes before "there is none". */
static int worst(int a, int b)
{
    const bool a_absent = a == CLOISTER_E_NOT_FOUND || a == CLOISTER_E_UNSUPPORTED;

    return a_absent && b != CLOISTER_E_UNSUPPORTED ? b : a;
}

static void open_tee(struct work *w, const struct clo_attester_start *s, struct clo_found *f)
{
    f->error = CLOISTER_E_NOT_FOUND;
    for (enum clo_source i = 0; i < CLO_SOURCES; i++)
        f->tried[i] = 1;
    for (enum clo_source i = 0; i < CLO_SOURCES && w->maker == NULL; i++) {
        struct clo_maker *m = NULL;

        if (!is_source_of(i, s->tee))
            continue;
        if ((f->tried[i] = open_source(i, s->pcrs, &m)) == 0 && (f->tee = tee_of(m, s->tee)) == 0) {
            clo_maker_free(m);
            f->tried[i] = CLOISTER_E_UNSUPPORTED;
        }
        if (f->tried[i] == 0) {
            w->maker = m;
            f->source = (uint8_t)i;
            f->error = 0;
        } else {
            f->error = worst(f->error, f->tried[i]);
        }
    }
}

static void open_gpus(struct work *w, struct clo_found *f)
{
    struct clo_gpus_state state = {0};

    if ((f->gpus_error = clo_gpus_open(&w->gpus)) != 0)
        return;
    /* One that is lost counts: they are there. */
    f->gpus = clo_gpus_look(w->gpus, &state) == 0 && state.count > 0 ? state.count : 1;
    if (f->gpus > CLO_DEVICES_MAX)
        f->gpus_error = CLOISTER_E_LIMIT;
}

static int do_open(struct work *w, const struct clo_ipc_msg *m)
{
    struct clo_attester_start s = {0};
    struct clo_found f = {.gpus_error = 1};
    uint8_t out[80 + 64] = {0};
    struct clo_wr wr = clo_wr_init(out + 80, sizeof out - 80);
    int err;

    if ((err = clo_attester_start_read(m->payload, m->n, &s)) != 0)
        return err;
    open_tee(w, &s, &f);
    if (f.error == 0 && s.gpus)
        open_gpus(w, &f);
    if (f.error == 0 && f.source == CLO_SOURCE_SIMULATOR)
        clo_maker_simulated_info(w->maker, out, out + 32);
    if (f.gpus > CLO_DEVICES_MAX)
        f.gpus = CLO_DEVICES_MAX;
    if ((err = clo_found_write(&f, &wr)) != 0)
        return err;
    w->state = f.error == 0 ? OPEN : CLOSED;
    return answer(CLO_MSG_WORK_OPENED, m->id, out, 80 + wr.len, -1);
}

/* ---- the rest: an error is the answer ---- */

static int do_report(struct work *w, const struct clo_ipc_msg *m)
{
    struct clo_buf bytes = clo_buf_init(CLO_CPU_RAW_MAX);
    struct clo_cpu_section cpu = {0};
    int err;

    if (w->maker == NULL)
        return CLOISTER_E_STATE;
    if ((err = w->maker->ops->report(w->maker, m->payload, &cpu)) == 0 &&
        (err = clo_cpu_raw_write(&cpu, &bytes)) == 0)
        err = answer_bytes(CLO_MSG_WORK_REPORTED, m->id, NULL, 0, &bytes);
    clo_cpu_section_clear(&cpu);
    clo_buf_clear(&bytes);
    return err;
}

static int do_look(struct work *w, const struct clo_ipc_msg *m)
{
    struct clo_gpus_state state = {0};
    uint8_t out[64];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int err;

    if (w->gpus == NULL)
        return CLOISTER_E_STATE;
    if ((err = clo_gpus_look(w->gpus, &state)) != 0 ||
        (err = clo_gpus_state_write(&state, &wr)) != 0)
        return err;
    return answer(CLO_MSG_WORK_LOOKED, m->id, out, wr.len, -1);
}

static int do_devices(struct work *w, const struct clo_ipc_msg *m)
{
    struct clo_buf bytes = clo_buf_init(CLO_SECTION_MAX);
    struct clo_devices devices = {0};
    int err;

    if (w->gpus == NULL)
        return CLOISTER_E_STATE;
    if ((err = clo_gpus_report(w->gpus, m->payload, &devices)) == 0 &&
        (err = clo_devices_section_write(&devices, &bytes)) == 0)
        err = answer_bytes(CLO_MSG_WORK_DEVICED, m->id, NULL, 0, &bytes);
    clo_devices_clear(&devices);
    clo_buf_clear(&bytes);
    return err;
}

static int do_accept(struct work *w, const struct clo_ipc_msg *m)
{
    int err;

    if (w->gpus == NULL || m->payload[0] > 1)
        return CLOISTER_E_STATE;
    if ((err = clo_gpus_accept(w->gpus, m->payload[0] == 1)) != 0)
        return err;
    return answer(CLO_MSG_WORK_ACCEPTED, m->id, NULL, 0, -1);
}

static int do_answer(struct work *w, const struct clo_ipc_msg *m)
{
    struct clo_buf body = clo_buf_init(CLO_ANSWER_MAX + CLO_ANSWER_CHAIN_MAX),
                   chain = clo_buf_init(CLO_ANSWER_CHAIN_MAX);
    struct clo_want want = {0};
    uint8_t head[4];
    struct clo_wr wr = clo_wr_init(head, sizeof head);
    int err;

    if (w->maker == NULL || w->maker->ops->answer == NULL)
        return CLOISTER_E_STATE;
    if ((err = clo_want_read(m->payload, m->n, &want)) == 0 &&
        (err = w->maker->ops->answer(w->maker, &want, &body, &chain)) == 0 &&
        (err = clo_wr_u32le(&wr, (uint32_t)body.len)) == 0 &&
        (chain.len == 0 || (err = clo_buf_append(&body, chain.p, chain.len)) == 0))
        err = answer_bytes(CLO_MSG_WORK_ANSWERED, m->id, head, wr.len, &body);
    clo_buf_clear(&body);
    clo_buf_clear(&chain);
    return err;
}

static int do_one(struct work *w, const struct clo_ipc_msg *m)
{
    switch (m->type) {
    case CLO_MSG_WORK_OPEN: return do_open(w, m);
    case CLO_MSG_WORK_REPORT: return do_report(w, m);
    case CLO_MSG_WORK_LOOK: return do_look(w, m);
    case CLO_MSG_WORK_DEVICES: return do_devices(w, m);
    case CLO_MSG_WORK_ACCEPT: return do_accept(w, m);
    default: return do_answer(w, m);
    }
}

static int work(struct work *w, struct clo_ipc_msg *m)
{
    struct pollfd p = {.fd = CLO_CONTROL_FD, .events = POLLIN};
    uint8_t out[4];
    int err, failed;

    for (;;) {
        (void)poll(&p, 1, -1);
        err = clo_ipc_recv(CLO_CONTROL_FD, w->state, from_attester, CLO_ARRAY_LEN(from_attester),
                           m);
        if (err == CLOISTER_E_NOT_FOUND)
            continue;
        if (err != 0)
            return err; /* the attester has gone, or isn't itself */
        if ((failed = do_one(w, m)) != 0) {
            struct clo_wr wr = clo_wr_init(out, sizeof out);

            if ((err = clo_wr_u32le(&wr, (uint32_t)failed)) == 0)
                err = answer(CLO_MSG_WORK_FAILED, m->id, out, wr.len, -1);
        }
        clo_ipc_msg_clear(m);
        if (err != 0)
            return err;
    }
}

int clo_worker_main(void)
{
    static struct clo_ipc_msg m = {.fd = -1};
    struct work w = {0};
    int err = work(&w, &m);

    clo_maker_free(w.maker);
    clo_gpus_free(w.gpus);
    return err == CLOISTER_E_NETWORK ? 0 : 1;
}
