/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that make up the rounds with the worker have of each other; for nobody else. Each answers a question of the worker's
 * (rounds.c asks and hears), or does what needs none; what has to be done later it leaves in struct clo_attester.
 */
#ifndef CLO_DAEMON_ROUNDS_H
#define CLO_DAEMON_ROUNDS_H

#include "daemon/attester/attester.h"

/* rounds.c */
int64_t clo_round_in_ms(uint32_t ms); /* monotonic microseconds */
static inline bool clo_round_has_gpus(const struct clo_attester *a)
{
    return a->found.gpus_error == 0;
}
/* The worker, which is idle. After an error it is to be given up. */
CLO_MUST_USE int clo_round_ask(struct clo_attester *a, enum clo_purpose purpose, uint16_t type,
                               const void *p, size_t n);
/* Takes the bytes over. */
CLO_MUST_USE int clo_part_set(struct clo_part *p, struct clo_buf *bytes);

/* appraise.c */
/* To the parent, unless it was the last thing said. */
void clo_round_say_waiting(struct clo_attester *a, const struct clo_waiting *w);
void clo_round_say(struct clo_attester *a, enum clo_wait what, int error, uint32_t detail);
/*
 * Complete the report, make the collateral for it and the devices, and see whether a careful client would take it all for authentic.
 * cpu is filled from r, ret with the collateral section; attested NULL: no devices. CLOISTER_E_INDETERMINATE: wait for collateral; every other
 * error has been told the parent.
 */
CLO_MUST_USE int clo_round_appraise(struct clo_attester *a, const struct clo_reported *r,
                                    const struct clo_attested *attested,
                                    struct clo_cpu_section *cpu, struct clo_buf *ret,
                                    int64_t *ret_until);

/* watch.c */
/* Keys, askers and channels go at once, and the attester ends. */
void clo_round_gpus_lost(struct clo_attester *a, enum clo_devices_fault fault);
enum clo_devices_fault clo_round_fault_of_error(int err);
void clo_round_looked(struct clo_attester *a, const struct clo_gpus_state *s);
void clo_round_look_failed(struct clo_attester *a, int err);
/* So long may nobody have looked at the GPUs. */
int64_t clo_round_unseen_us(const struct clo_attester *a);

/* stages.c */
/* A stage failed, or has to wait. */
void clo_round_stage_again(struct clo_attester *a, enum clo_stage stage);
void clo_round_stage_fault(struct clo_attester *a, enum clo_devices_fault fault);
/* CLO_STAGE_CPU and CLO_STAGE_GPUS: as far as collateral allows. An error ends the attester. */
CLO_MUST_USE int clo_round_stage_appraise(struct clo_attester *a);
CLO_MUST_USE int clo_round_opened(struct clo_attester *a, const struct clo_ipc_msg *m);
CLO_MUST_USE int clo_round_ask_for_stage(struct clo_attester *a);
CLO_MUST_USE int clo_round_stage_answered(struct clo_attester *a, const struct clo_ipc_msg *m);

/* keys.c */
void clo_round_attested_clear(struct clo_attested *t);
/* Takes the bytes over. */
CLO_MUST_USE int clo_round_set_collateral(struct clo_attester *a, struct clo_buf *bytes);
/* Is all there to appraise them, and may they come now? */
bool clo_round_has_next_keys(const struct clo_attester *a);
CLO_MUST_USE int clo_round_try_next_keys(struct clo_attester *a);
CLO_MUST_USE int clo_round_ask_for_keys(struct clo_attester *a);
CLO_MUST_USE int clo_round_take_attested(struct clo_attester *a, const struct clo_ipc_msg *m);

/* batch.c */
/* Begun, and neither evidence nor an error yet. */
bool clo_round_is_making_batch(const struct clo_attester *a);
CLO_MUST_USE int clo_round_begin_batch(struct clo_attester *a);
/* The report is there, and perhaps what it lacked. */
void clo_round_try_batch(struct clo_attester *a);
void clo_round_batch_failed(struct clo_attester *a, int err);
/* A batch that gets none. */
void clo_round_refuse_batch(struct clo_attester *a, int error);

#endif
