/* SPDX-License-Identifier: Apache-2.0 */
/* One report for the nonces that wait, and what it bound together. */
#include <string.h>

#include "daemon/attester/rounds.h"

enum {
    QUOTE_WAIT_S = 20, /* for a signature that only a service beside the machine makes */
};

bool clo_round_is_making_batch(const struct clo_attester *a)
{
    return clo_quotes_busy(a->quotes) && !a->made;
}

void clo_round_batch_failed(struct clo_attester *a, int err)
{
    clo_log("attester", CLO_EV_REPORT_FAIL, (uint64_t) - (int64_t)err, 0, 0, 0);
    a->bound.error = CLOISTER_E_IO;
    a->made = true;
    a->batch_waits = false;
}

static void reported_move(struct clo_reported *to, struct clo_reported *from)
{
    clo_buf_clear(&to->raw);
    *to = *from;
    from->raw = clo_buf_init(CLO_CPU_RAW_MAX);
}

static int finish_evidence(struct clo_attester *a)
{
    struct clo_buf section = clo_buf_init(CLO_SECTION_MAX), c = clo_buf_init(CLO_SECTION_MAX);
    struct clo_cpu_section cpu = {0};
    int64_t until = 0;
    int err;

    if ((err = clo_round_appraise(a, &a->batch, clo_round_has_gpus(a) ? &a->attested : NULL, &cpu,
                                  &c, &until)) != 0 ||
        (err = clo_cpu_section_write(&cpu, &section)) != 0 ||
        (err = clo_part_set(&a->bound.cpu, &section)) != 0)
        goto out;
    if ((err = clo_round_set_collateral(a, &c)) != 0)
        goto out;
    memcpy(a->bound.collateral, a->part[CLO_SEC_COLLATERAL].digest, 32);
    a->blobs_due |= 1U << CLO_SEC_CPU;
out:
    clo_buf_clear(&section);
    clo_buf_clear(&c);
    clo_cpu_section_clear(&cpu);
    return err;
}

void clo_round_try_batch(struct clo_attester *a)
{
    struct clo_waiting w;
    int err;

    a->batch_waits = false;
    if (!clo_round_is_making_batch(a)) /* who asked for it has gone */
        return;
    err = finish_evidence(a);
    if (err == CLOISTER_E_INDETERMINATE &&
        clo_supply_missing(a->supply, &w) == CLO_WANT_AZURE_TD_QUOTE) {
        a->batch_waits = true; /* every report has its own */
        return;
    }
    if (err != 0) {
        clo_round_batch_failed(a, err);
        return;
    }
    a->made = true;
    a->said = (struct clo_waiting){0};
    clo_log("attester", CLO_EV_REPORT, (uint64_t)(clo_clock_mono_us() - a->batch_since_us),
            a->batch_count, 0, 0);
    reported_move(&a->report, &a->batch);
}

/* One report over the root and what is bound to it. */
int clo_round_begin_batch(struct clo_attester *a)
{
    const struct clo_part *p = a->part;
    uint8_t root[32];
    int err;

    if (clo_quotes_begin(a->quotes, root, &a->batch_count) != 0)
        return 0;
    clo_buf_clear(&a->bound.keys);
    a->batch_since_us = clo_clock_mono_us();
    a->batch_until_us = a->batch_since_us +
                        (int64_t)(clo_attester_limits.report_s + QUOTE_WAIT_S) * 1000000;
    a->bound.error = 0;
    a->made = a->batch_waits = false;
    if ((err = clo_bind_cpu(root, p[CLO_SEC_KEYS].digest, p[CLO_SEC_MANIFEST].digest,
                            p[CLO_SEC_DEVICES].digest, a->batch.data)) != 0 ||
        (err = clo_buf_append(&a->bound.keys, p[CLO_SEC_KEYS].bytes.p,
                              p[CLO_SEC_KEYS].bytes.len)) != 0) {
        clo_round_batch_failed(a, err);
        return 0;
    }
    memcpy(a->bound.manifest, p[CLO_SEC_MANIFEST].digest, 32);
    memcpy(a->bound.devices, p[CLO_SEC_DEVICES].digest, 32);
    return clo_round_ask(a, CLO_FOR_BATCH, CLO_MSG_WORK_REPORT, a->batch.data,
                         sizeof a->batch.data);
}

void clo_round_refuse_batch(struct clo_attester *a, int error)
{
    uint8_t root[32];

    if (clo_quotes_begin(a->quotes, root, &a->batch_count) != 0)
        return;
    a->bound.error = error;
    a->made = true;
}
