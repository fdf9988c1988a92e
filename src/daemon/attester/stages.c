/* SPDX-License-Identifier: Apache-2.0 */
/* From START to READY: a first report and its appraisal, then the GPUs, their appraisal, and their leave to work. */
#include <string.h>

#include "daemon/attester/rounds.h"

enum {
    /* Collateral is waited for, times again_ms; then the machine may have become another: its firmware is updated while it runs. */
    ANEW = 12,
};

void clo_round_stage_again(struct clo_attester *a, enum clo_stage stage)
{
    a->stage = stage;
    a->again_us = clo_round_in_ms(clo_attester_limits.again_ms);
}

void clo_round_stage_fault(struct clo_attester *a, enum clo_devices_fault fault)
{
    clo_round_say(a, CLO_WAIT_DEVICES, CLOISTER_E_DEVICE, fault);
    clo_round_stage_again(a, CLO_STAGE_LOOK);
}

static int send_simulated(struct clo_attester *a)
{
    return a->found.tee == CLO_TEE_SIMULATED ? clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_SIMULATED, 0,
                                                            a->simulated, sizeof a->simulated, -1)
                                             : 0;
}

static int ready(struct clo_attester *a)
{
    struct clo_buf devices = clo_buf_init(CLO_SECTION_MAX);
    int err;

    if ((err = clo_devices_section_write_empty(&devices)) == 0 &&
        (err = clo_part_set(&a->part[CLO_SEC_DEVICES], &devices)) == 0 &&
        (err = send_simulated(a)) == 0)
        err = clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_READY, 0, NULL, 0, -1);
    clo_buf_clear(&devices);
    if (err != 0)
        return err;
    a->stage = CLO_STAGE_DONE;
    a->state = CLO_ATTESTER_RUNNING;
    a->said = (struct clo_waiting){0};
    a->watch_us = a->looked_us = clo_clock_mono_us(); /* at once: all that took its time */
    return 0;
}

int clo_round_stage_appraise(struct clo_attester *a)
{
    const bool gpus = a->stage == CLO_STAGE_GPUS;
    struct clo_cpu_section cpu = {0};
    struct clo_buf c = clo_buf_init(CLO_SECTION_MAX);
    int64_t until = 0;
    int err;

    if (gpus && !a->next_attested.there)
        return CLOISTER_E_STATE;
    err = clo_round_appraise(a, &a->report, gpus ? &a->next_attested : NULL, &cpu, &c, &until);
    clo_cpu_section_clear(&cpu);
    clo_buf_clear(&c);
    if (err == CLOISTER_E_INDETERMINATE && clo_clock_mono_us() < a->anew_us) {
        a->again_us = a->anew_us; /* or as soon as something is supplied */
        a->waited |= gpus;
    } else if (err != 0) {
        clo_round_stage_again(a, gpus ? CLO_STAGE_LOOK : CLO_STAGE_REPORT);
    } else if (gpus && a->waited) {
        a->waited = false; /* who knows what happened to them meanwhile */
        a->stage = CLO_STAGE_LOOK;
    } else if (gpus) {
        a->stage = CLO_STAGE_ACCEPT;
    } else if (clo_round_has_gpus(a)) {
        a->stage = CLO_STAGE_LOOK;
    } else {
        return ready(a);
    }
    return 0;
}

/* What was asked for is there, and can be appraised. */
static void stage_has(struct clo_attester *a, enum clo_stage stage)
{
    a->stage = stage;
    a->anew_us = clo_round_in_ms(ANEW * clo_attester_limits.again_ms);
}

/* The worker is believed nothing that it wasn't asked for: least of all a simulator. */
static bool is_asked_for(const struct clo_attester *a, const struct clo_found *f)
{
    const struct clo_attester_start *s = &a->start;

    if (f->error != 0)
        return true;
    return (s->tee == CLO_TEE_AUTO ? f->tee != CLO_TEE_SIMULATED : f->tee == s->tee) &&
           (f->tee == CLO_TEE_SIMULATED) == (f->source == CLO_SOURCE_SIMULATOR) &&
           (f->gpus_error == 1) == (s->gpus == 0);
}

/* After the last worker's end. */
static int opened_again(struct clo_attester *a, const struct clo_found *f)
{
    if (f->error == 0 && f->tee == a->found.tee && f->gpus_error == a->found.gpus_error)
        return 0;
    if (a->state != CLO_ATTESTER_RUNNING || !clo_round_has_gpus(a) || f->error != 0 ||
        f->gpus_error == 0 || f->gpus_error == CLOISTER_E_BUSY)
        return CLOISTER_E_STATE;
    clo_round_gpus_lost(a, clo_round_fault_of_error(f->gpus_error));
    return 0;
}

int clo_round_opened(struct clo_attester *a, const struct clo_ipc_msg *m)
{
    struct clo_found f = {0};
    int err;

    if ((err = clo_found_read(m->payload + sizeof a->simulated, m->n - sizeof a->simulated, &f)) !=
        0)
        return err;
    if (!is_asked_for(a, &f))
        return CLOISTER_E_PROTOCOL;
    if (a->opened)
        return opened_again(a, &f);
    a->found = f;
    memcpy(a->simulated, m->payload, sizeof a->simulated);
    if ((err = clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_FOUND, 0, m->payload + sizeof a->simulated,
                            m->n - sizeof a->simulated, -1)) != 0)
        return err;
    if (f.error == CLOISTER_E_NOT_FOUND || f.error == CLOISTER_E_UNSUPPORTED ||
        f.gpus_error == CLOISTER_E_UNSUPPORTED || f.gpus_error == CLOISTER_E_LIMIT)
        a->end = CLO_EXIT_UNSUPPORTED;
    else if (f.error == CLOISTER_E_PERMISSION || f.gpus_error == CLOISTER_E_PERMISSION)
        a->end = CLO_EXIT_PERMISSION;
    if (a->end >= 0)
        return 0;
    /* Whatever else it is may pass: the GPUs' driver isn't up yet, the TPM is somebody else's now. */
    if (f.error != 0 || (f.gpus_error < 0 && f.gpus_error != CLOISTER_E_NOT_FOUND))
        return f.error != 0 ? f.error : f.gpus_error;
    a->opened = true;
    clo_round_stage_again(a, CLO_STAGE_REPORT);
    a->again_us = 0;
    return 0;
}

int clo_round_ask_for_stage(struct clo_attester *a)
{
    static const uint8_t yes = 1;
    int err;

    switch (a->stage) {
    case CLO_STAGE_REPORT:
        if ((err = clo_rng_fill(clo_rng_system(), a->report.data, sizeof a->report.data)) != 0)
            return err;
        return clo_round_ask(a, CLO_FOR_START, CLO_MSG_WORK_REPORT, a->report.data,
                             sizeof a->report.data);
    case CLO_STAGE_LOOK: return clo_round_ask(a, CLO_FOR_START, CLO_MSG_WORK_LOOK, NULL, 0);
    case CLO_STAGE_DEVICES:
        if ((err = clo_rng_fill(clo_rng_system(), a->next_attested.nonce, 32)) != 0)
            return err;
        return clo_round_ask(a, CLO_FOR_START, CLO_MSG_WORK_DEVICES, a->next_attested.nonce, 32);
    case CLO_STAGE_ACCEPT: return clo_round_ask(a, CLO_FOR_START, CLO_MSG_WORK_ACCEPT, &yes, 1);
    default: return 0;
    }
}

int clo_round_stage_answered(struct clo_attester *a, const struct clo_ipc_msg *m)
{
    struct clo_gpus_state s = {0};
    int err;

    switch (m->type) {
    case CLO_MSG_WORK_REPORTED:
        if ((err = clo_memfd_read(m->fd, CLO_CPU_RAW_MAX, &a->report.raw)) == 0)
            stage_has(a, CLO_STAGE_CPU);
        return err;
    case CLO_MSG_WORK_LOOKED:
        if ((err = clo_gpus_state_read(m->payload, m->n, &s)) == 0)
            clo_round_looked(a, &s);
        return err;
    case CLO_MSG_WORK_DEVICED:
        if ((err = clo_round_take_attested(a, m)) == 0)
            stage_has(a, CLO_STAGE_GPUS);
        return err;
    default: return ready(a); /* they take work */
    }
}
