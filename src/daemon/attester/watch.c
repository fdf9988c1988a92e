/* SPDX-License-Identifier: Apache-2.0 */
/* The GPUs' state: what takes the keys from them, and when nobody has looked for too long. */
#include <string.h>

#include "daemon/attester/rounds.h"

enum {
    SILENT_MAX = 3, /* looks that the driver had no time for */
    END_S = 5,
};

void clo_round_gpus_lost(struct clo_attester *a, enum clo_devices_fault fault)
{
    const uint8_t reason = (uint8_t)fault;
    int err;

    clo_log("attester", CLO_EV_DEVICES_LOST, reason, 0, 0, 0);
    clo_attester_forget_keys(a);
    clo_quotes_drop(a->quotes);
    clo_channel_drop(&a->keeper);
    clo_channel_drop(&a->gateway);
    clo_channel_drop(&a->fetcher);
    a->state = CLO_ATTESTER_LOST;
    err = clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_DEVICES_LOST, 0, &reason, 1, -1);
    /* They take no more work, if that can still be said to them. */
    if (err != 0 || a->worker.sock < 0 || a->worker.asked != 0 ||
        clo_worker_ask(&a->worker, CLO_MSG_WORK_ACCEPT, "", 1, END_S) != 0)
        a->end = CLO_EXIT_DEVICES;
    a->purpose = CLO_FOR_THE_END;
}

/* 0: nothing to object to. */
static enum clo_devices_fault fault_of(const struct clo_attester *a, const struct clo_gpus_state *s)
{
    if (!s->cc)
        return CLO_DEVICES_CC_OFF;
    if (s->devtools)
        return CLO_DEVICES_DEVTOOLS;
    if (s->simulated)
        return CLO_DEVICES_SIMULATED;
    if (s->count == 0 || s->count > CLO_DEVICES_MAX)
        return CLO_DEVICES_OTHER;
    if (a->state != CLO_ATTESTER_RUNNING)
        return (enum clo_devices_fault)0;
    if (s->count != a->gpus.count || memcmp(s->identity, a->gpus.identity, sizeof s->identity) != 0)
        return CLO_DEVICES_OTHER;
    return s->accepting ? (enum clo_devices_fault)0 : CLO_DEVICES_RESET;
}

enum clo_devices_fault clo_round_fault_of_error(int err)
{
    return err == CLOISTER_E_DEVICE ? CLO_DEVICES_GONE : CLO_DEVICES_SILENT;
}

void clo_round_looked(struct clo_attester *a, const struct clo_gpus_state *s)
{
    enum clo_devices_fault fault = fault_of(a, s);

    a->silent = 0;
    a->looked_us = clo_clock_mono_us();
    a->watch_us = clo_round_in_ms(clo_attester_limits.watch_ms);
    if (a->state == CLO_ATTESTER_RUNNING) {
        if (fault != 0)
            clo_round_gpus_lost(a, fault);
    } else if (fault != 0) {
        clo_round_stage_fault(a, fault);
    } else {
        a->gpus = *s;
        a->stage = CLO_STAGE_DEVICES;
    }
}

void clo_round_look_failed(struct clo_attester *a, int err)
{
    if (a->state != CLO_ATTESTER_RUNNING)
        clo_round_stage_fault(a, clo_round_fault_of_error(err));
    else if (err == CLOISTER_E_BUSY && ++a->silent < SILENT_MAX)
        a->watch_us = clo_round_in_ms(clo_attester_limits.watch_ms);
    else
        clo_round_gpus_lost(a, clo_round_fault_of_error(err));
}

/* So long may nobody have looked at the GPUs: a report that hangs, then a look that does, and a worker's start between. */
int64_t clo_round_unseen_us(const struct clo_attester *a)
{
    const struct clo_attester_limits *l = &clo_attester_limits;

    return a->looked_us + (int64_t)(l->report_s + l->devices_s) * 1000000 +
           (int64_t)(SILENT_MAX * l->watch_ms + l->again_ms) * 1000;
}
