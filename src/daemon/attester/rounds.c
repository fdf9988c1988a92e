/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds with the worker: one question at a time, chosen by what is most urgent; its answer, its failure or its silence; and what
 * follows. Nothing becomes evidence that our own appraisal refuses, and nothing half-made is kept: what a round makes replaces what
 * was there as a whole, at its end.
 */
#include <string.h>

#include "daemon/attester/rounds.h"

struct clo_moment clo_attester_now(void)
{
    return (struct clo_moment){.unix_s = clo_clock_now(), .mono_us = clo_clock_mono_us()};
}

int64_t clo_round_in_ms(uint32_t ms)
{
    return clo_clock_mono_us() + (int64_t)ms * 1000;
}

/* ---- parts ---- */

int clo_part_set(struct clo_part *p, struct clo_buf *bytes)
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

int clo_part_copy(struct clo_part *p, const void *bytes, size_t n)
{
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);
    int err;

    if ((err = clo_buf_append(&b, bytes, n)) == 0)
        err = clo_part_set(p, &b);
    clo_buf_clear(&b);
    return err;
}

/* ---- what is asked next ---- */

/* A worker that can't be asked is about to be found gone: the question fails then. */
int clo_round_ask(struct clo_attester *a, enum clo_purpose purpose, uint16_t type, const void *p,
                  size_t n)
{
    uint32_t limit = type == CLO_MSG_WORK_REPORT   ? clo_attester_limits.report_s
                     : type == CLO_MSG_WORK_ANSWER ? clo_attester_limits.answer_s
                                                   : clo_attester_limits.devices_s;

    a->purpose = purpose;
    return clo_worker_ask(&a->worker, type, p, n, limit);
}

/* ---- the worker's answers ---- */

static int take_supply(struct clo_attester *a, const struct clo_ipc_msg *m)
{
    struct clo_rd rd = clo_rd_init(m->payload, m->n);
    struct clo_buf bytes = clo_buf_init(0);
    struct clo_fetched f = {0};
    struct clo_answer answer = {0};
    uint32_t body_n = 0;
    int err;

    if ((err = clo_rd_u32le(&rd, &body_n)) != 0 ||
        (err = clo_memfd_read(m->fd, CLO_ANSWER_MAX + CLO_ANSWER_CHAIN_MAX, &bytes)) != 0)
        goto out;
    if (body_n > bytes.len) {
        err = CLOISTER_E_PROTOCOL;
        goto out;
    }
    answer = (struct clo_answer){.body = bytes.p, .body_n = body_n};
    if (bytes.len > body_n) {
        answer.chain = bytes.p + body_n;
        answer.chain_n = bytes.len - body_n;
    }
    err = clo_supply_answer(a->supply, a->answer_id, &f, &answer, clo_attester_now());
    clo_attester_supplied(a);
out:
    clo_buf_clear(&bytes);
    return err;
}

/* The question came to nothing. */
static void failed(struct clo_attester *a, enum clo_purpose purpose, int err)
{
    const struct clo_fetched nothing = {.error = err};
    int ignored;

    switch (purpose) {
    case CLO_FOR_OPENING:
        clo_round_say(a, CLO_WAIT_REPORT, err, 0);
        clo_worker_drop(&a->worker);
        break;
    case CLO_FOR_START:
        if (a->stage >= CLO_STAGE_LOOK) {
            clo_round_stage_fault(a, clo_round_fault_of_error(err));
        } else {
            clo_round_say(a, CLO_WAIT_REPORT, err, 0);
            clo_round_stage_again(a, CLO_STAGE_REPORT);
        }
        break;
    case CLO_FOR_WATCH: clo_round_look_failed(a, err); break;
    case CLO_FOR_KEYS:
        clo_round_attested_clear(&a->next_attested);
        a->next_again_us = clo_round_in_ms(clo_attester_limits.again_ms);
        if (err == CLOISTER_E_DEVICE)
            clo_round_gpus_lost(a, CLO_DEVICES_GONE);
        else
            clo_round_say(a, CLO_WAIT_DEVICES, err, clo_round_fault_of_error(err));
        break;
    case CLO_FOR_BATCH:
        if (clo_quotes_busy(a->quotes))
            clo_round_batch_failed(a, err);
        clo_round_say(a, CLO_WAIT_REPORT, err, 0);
        break;
    case CLO_FOR_SUPPLY:
        ignored = clo_supply_answer(a->supply, a->answer_id, &nothing, NULL, clo_attester_now());
        (void)ignored;
        break;
    case CLO_FOR_THE_END: a->end = CLO_EXIT_DEVICES; break;
    default: break;
    }
}

static int answered(struct clo_attester *a, enum clo_purpose purpose, const struct clo_ipc_msg *m)
{
    struct clo_gpus_state s = {0};
    int err;

    switch (purpose) {
    case CLO_FOR_OPENING: return clo_round_opened(a, m);
    case CLO_FOR_START: return clo_round_stage_answered(a, m);
    case CLO_FOR_WATCH:
        if ((err = clo_gpus_state_read(m->payload, m->n, &s)) == 0)
            clo_round_looked(a, &s);
        return err;
    case CLO_FOR_KEYS:
        /* Reports over keys that others have taken the place of meanwhile are for nobody. */
        return a->asked_number == a->next_number ? clo_round_take_attested(a, m) : 0;
    case CLO_FOR_BATCH:
        if ((err = clo_memfd_read(m->fd, CLO_CPU_RAW_MAX, &a->batch.raw)) == 0)
            clo_round_try_batch(a);
        return err;
    case CLO_FOR_SUPPLY: return take_supply(a, m);
    default: a->end = CLO_EXIT_DEVICES; return 0;
    }
}

/* ---- the worker's life ---- */

/* It is no use any more: what it was asked has failed. */
static int worker_gone(struct clo_attester *a, int err)
{
    enum clo_purpose purpose = a->purpose;

    clo_worker_drop(&a->worker);
    a->worker_again_us = clo_round_in_ms(clo_attester_limits.again_ms);
    a->purpose = CLO_FOR_NOTHING;
    failed(a, purpose, err);
    /* The simulator's keys are gone with it: another one is another machine. */
    return a->opened && a->found.tee == CLO_TEE_SIMULATED ? CLOISTER_E_IO : 0;
}

static int read_failure(const struct clo_ipc_msg *m, int *ret)
{
    struct clo_rd rd = clo_rd_init(m->payload, m->n);
    uint32_t error = 0;
    int err;

    if ((err = clo_rd_u32le(&rd, &error)) != 0)
        return err;
    *ret = (int)(int32_t)error;
    return *ret < 0 ? 0 : CLOISTER_E_PROTOCOL;
}

static int hear_worker(struct clo_attester *a)
{
    static struct clo_ipc_msg m = {.fd = -1};
    enum clo_purpose purpose = a->purpose;
    int err = clo_worker_answer(&a->worker, &m), failure = 0;

    if (err == CLOISTER_E_NOT_FOUND) {
        if (a->worker.asked == 0 || clo_clock_mono_us() < a->worker.until_us)
            return 0;
        clo_log("attester", CLO_EV_WORKER_HUNG, a->worker.asked, 0, 0, 0);
        return worker_gone(a, CLOISTER_E_BUSY);
    }
    if (err != 0)
        return worker_gone(a, CLOISTER_E_IO);
    if (m.type == CLO_MSG_WORK_FAILED && (err = read_failure(&m, &failure)) != 0) {
        clo_ipc_msg_clear(&m);
        return worker_gone(a, err);
    }
    a->purpose = CLO_FOR_NOTHING;
    if (failure == 0)
        failure = answered(a, purpose, &m);
    clo_ipc_msg_clear(&m);
    if (failure != 0)
        failed(a, purpose, failure);
    return 0;
}

/* The parent starts it, because it may touch the hardware; the last one, if it still hangs there, ends first. */
static int want_worker(struct clo_attester *a)
{
    a->worker_wanted = true;
    a->worker_again_us = clo_round_in_ms(clo_attester_limits.again_ms);
    return clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_WORKER, 0, NULL, 0, -1);
}

int clo_attester_take_worker(struct clo_attester *a, struct clo_ipc_msg *m)
{
    uint8_t out[16];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int err;

    if (!a->worker_wanted)
        return CLOISTER_E_PROTOCOL;
    a->worker_wanted = false;
    if (a->state == CLO_ATTESTER_LOST)
        return 0;
    if ((err = clo_attester_start_write(&a->start, &wr)) != 0)
        return err;
    a->worker.sock = m->fd;
    m->fd = -1;
    a->purpose = CLO_FOR_OPENING;
    if (clo_worker_ask(&a->worker, CLO_MSG_WORK_OPEN, out, wr.len, clo_attester_limits.report_s) !=
        0)
        return worker_gone(a, CLOISTER_E_IO);
    return 0;
}

static int ask_simulator(struct clo_attester *a)
{
    static struct clo_fetch f;
    uint8_t out[2 * CLO_WANT_REQUEST_MAX];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int err;

    if (!clo_supply_ask(a->supply, clo_attester_now(), &f, &a->answer_id))
        return 0;
    if ((err = clo_want_write(&f.want, &wr)) != 0)
        return err;
    return clo_round_ask(a, CLO_FOR_SUPPLY, CLO_MSG_WORK_ANSWER, out, wr.len);
}

static int choose(struct clo_attester *a)
{
    const int64_t now = clo_clock_mono_us();
    int err = 0;

    if (a->state == CLO_ATTESTER_PREPARING && now >= a->again_us)
        err = clo_round_ask_for_stage(a);
    else if (a->state == CLO_ATTESTER_RUNNING && clo_round_has_gpus(a) && now >= a->watch_us)
        err = clo_round_ask(a, CLO_FOR_WATCH, CLO_MSG_WORK_LOOK, NULL, 0);
    else if (a->state == CLO_ATTESTER_RUNNING && clo_round_has_gpus(a) && a->next.bytes.len > 0 &&
             !a->next_attested.there && now >= a->next_again_us)
        err = clo_round_ask_for_keys(a);
    else if (a->state == CLO_ATTESTER_RUNNING && !clo_quotes_busy(a->quotes))
        err = clo_round_begin_batch(a);
    if (err == 0 && a->worker.asked == 0 && a->found.tee == CLO_TEE_SIMULATED)
        err = ask_simulator(a);
    return err;
}

/* What needs no worker. */
static int without_worker(struct clo_attester *a)
{
    int64_t now = clo_clock_mono_us();
    int err = 0;

    if (a->state == CLO_ATTESTER_PREPARING && now >= a->again_us &&
        (a->stage == CLO_STAGE_CPU || a->stage == CLO_STAGE_GPUS))
        err = clo_round_stage_appraise(a);
    if (err == 0 && clo_round_has_next_keys(a) && now >= a->next_again_us)
        err = clo_round_try_next_keys(a);
    if (a->batch_waits && now >= a->batch_until_us)
        clo_round_batch_failed(a, CLOISTER_E_BUSY);
    /* What can't be answered now, is refused at once. */
    if (err == 0 && !clo_quotes_busy(a->quotes) && (!a->quotable || a->worker.sock < 0))
        clo_round_refuse_batch(a, a->quotable ? CLOISTER_E_IO : CLOISTER_E_STATE);
    if (err == 0 && a->state == CLO_ATTESTER_RUNNING && clo_round_has_gpus(a) &&
        now >= clo_round_unseen_us(a))
        clo_round_gpus_lost(a, CLO_DEVICES_SILENT);
    return err;
}

static bool wants_worker(const struct clo_attester *a)
{
    return a->worker.sock < 0 && !a->worker_wanted && a->state != CLO_ATTESTER_LOST;
}

int clo_attester_turn(struct clo_attester *a)
{
    int err = 0;

    if (a->state == CLO_ATTESTER_NEW || a->end >= 0)
        return 0;
    if (wants_worker(a) && clo_clock_mono_us() >= a->worker_again_us)
        err = want_worker(a);
    if (err == 0 && a->worker.sock >= 0)
        err = hear_worker(a);
    if (err == 0 && a->end < 0)
        err = without_worker(a);
    if (err == 0 && a->end < 0 && a->worker.sock >= 0 && a->worker.asked == 0 && choose(a) != 0)
        err = worker_gone(a, CLOISTER_E_IO);
    return err;
}

void clo_attester_supplied(struct clo_attester *a)
{
    if (a->state == CLO_ATTESTER_PREPARING &&
        (a->stage == CLO_STAGE_CPU || a->stage == CLO_STAGE_GPUS))
        a->again_us = 0;
    if (a->next_waits)
        a->next_again_us = 0;
    if (a->batch_waits)
        clo_round_try_batch(a);
}

static void sooner(int64_t *first, int64_t at)
{
    *first = at < *first ? at : *first;
}

int64_t clo_attester_wake_us(const struct clo_attester *a)
{
    const bool idle = a->worker.sock >= 0 && a->worker.asked == 0;
    int64_t first = INT64_MAX;

    if (a->state == CLO_ATTESTER_NEW)
        return first;
    if (a->worker.asked != 0)
        sooner(&first, a->worker.until_us);
    if (wants_worker(a))
        sooner(&first, a->worker_again_us);
    if (a->state == CLO_ATTESTER_PREPARING &&
        (idle || a->stage == CLO_STAGE_CPU || a->stage == CLO_STAGE_GPUS))
        sooner(&first, a->again_us);
    if (a->state == CLO_ATTESTER_RUNNING) {
        if (clo_round_has_gpus(a))
            sooner(&first, idle ? a->watch_us : clo_round_unseen_us(a));
        if (clo_round_has_next_keys(a) ||
            (idle && a->next.bytes.len > 0 && clo_round_has_gpus(a) && !a->next_attested.there))
            sooner(&first, a->next_again_us);
    }
    if (a->batch_waits)
        sooner(&first, a->batch_until_us);
    if (a->found.tee == CLO_TEE_SIMULATED ? idle : a->fetcher >= 0)
        sooner(&first, clo_supply_wake_us(a->supply, clo_attester_now()));
    return first;
}
