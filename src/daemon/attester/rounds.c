/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds with the worker: one question at a time, chosen by what is most urgent; its answer, its failure or its silence; and what
 * follows. Nothing becomes evidence that our own appraisal refuses, and nothing half-made is kept: what a round makes replaces what
 * was there as a whole, at its end.
 */
#include <string.h>

#include "daemon/attester/attester.h"

enum {
    SILENT_MAX = 3,    /* looks that the driver had no time for */
    QUOTE_WAIT_S = 20, /* for a signature that only a service beside the machine makes */
    END_S = 5,
};

struct clo_moment clo_attester_now(void)
{
    return (struct clo_moment){.unix_s = clo_clock_now(), .mono_us = clo_clock_mono_us()};
}

static int64_t in_ms(uint32_t ms)
{
    return clo_clock_mono_us() + (int64_t)ms * 1000;
}

static bool has_gpus(const struct clo_attester *a)
{
    return a->found.gpus_error == 0;
}

/* ---- parts ---- */

/* Takes the bytes over. */
static int part_set(struct clo_part *p, struct clo_buf *bytes)
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
        err = part_set(p, &b);
    clo_buf_clear(&b);
    return err;
}

static void attested_clear(struct clo_attested *t)
{
    clo_devices_clear(&t->devices);
    clo_buf_clear(&t->section);
    *t = (struct clo_attested){.section = clo_buf_init(CLO_SECTION_MAX)};
}

static void attested_move(struct clo_attested *to, struct clo_attested *from)
{
    attested_clear(to);
    *to = *from;
    *from = (struct clo_attested){.section = clo_buf_init(CLO_SECTION_MAX)};
}

static void reported_move(struct clo_reported *to, struct clo_reported *from)
{
    clo_buf_clear(&to->raw);
    *to = *from;
    from->raw = clo_buf_init(CLO_CPU_RAW_MAX);
}

void clo_attester_forget_keys(struct clo_attester *a)
{
    clo_buf_clear(&a->part[CLO_SEC_KEYS].bytes);
    clo_buf_clear(&a->next.bytes);
    attested_clear(&a->next_attested);
    a->quotable = a->next_waits = false;
    a->next_number++;
}

/* ---- saying what is wrong ---- */

static void say_waiting(struct clo_attester *a, const struct clo_waiting *w)
{
    uint8_t out[sizeof *w + 64];
    struct clo_wr wr = clo_wr_init(out, sizeof out);

    if (w->what == a->said.what && w->error == a->said.error && w->detail == a->said.detail &&
        strcmp(w->name, a->said.name) == 0)
        return; /* once is enough */
    a->said = *w;
    /* A parent that can't be told doesn't listen, and sees to that itself. */
    if (clo_waiting_write(w, &wr) == 0 &&
        clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_WAITING, 0, out, wr.len, -1) != 0)
        a->said = (struct clo_waiting){0};
}

static void say(struct clo_attester *a, enum clo_wait what, int error, uint32_t detail)
{
    const struct clo_waiting w = {.what = (uint8_t)what, .error = error, .detail = detail};

    say_waiting(a, &w);
}

/* ---- appraising ourselves ---- */

/* The simulator's root travels in its chain, last; it is the one that it told us of. */
static int learn_own_root(struct clo_attester *a, const struct clo_cpu_section *cpu)
{
    const struct clo_buf *root = cpu->chain_n > 0 ? &cpu->chain[cpu->chain_n - 1] : NULL;
    uint8_t digest[32];
    int err;

    if (a->own_roots != NULL || a->found.tee != CLO_TEE_SIMULATED)
        return 0;
    if (root == NULL)
        return CLOISTER_E_MALFORMED;
    if ((err = clo_sha256(root->p, root->len, digest)) != 0)
        return err;
    if (memcmp(digest, a->simulated, sizeof digest) != 0)
        return CLOISTER_E_AUTH;
    if ((err = cloister_roots_new(&a->own_roots)) != 0)
        return err;
    return cloister_roots_add_amd(a->own_roots, "Genoa", root->p, root->len);
}

/*
 * Are these the devices that evidence has inside, and were they appraised with this very collateral, which still holds? Then the answer
 * would be the same, at dozens of signatures a batch.
 */
static int proved_before(const struct clo_attester *a, const struct clo_attested *attested,
                         const struct clo_buf *collateral, int64_t now, bool *ret)
{
    uint8_t digest[32];
    int err;

    *ret = false;
    if (attested != &a->attested || now >= a->proved_until)
        return 0;
    if ((err = clo_sha256(collateral->p, collateral->len, digest)) == 0)
        *ret = memcmp(digest, a->proved, sizeof digest) == 0;
    return err;
}

/*
 * Complete the report, make the collateral for it and the devices, and see whether a careful client would take it all for authentic.
 * cpu is filled from r, ret with the collateral section; attested NULL: no devices. CLOISTER_E_INDETERMINATE: wait for collateral; every other
 * error has been told the parent.
 */
static int appraise(struct clo_attester *a, const struct clo_reported *r,
                    const struct clo_attested *attested, struct clo_cpu_section *cpu,
                    struct clo_buf *ret, int64_t *ret_until)
{
    const struct clo_moment now = clo_attester_now();
    enum cloister_check_id check = CLOISTER_CHECK_NO_ID;
    struct clo_waiting w = {0};
    bool same = false;
    struct clo_collateral c = {0};
    struct clo_self self = {.cpu = cpu, .report_data = r->data, .collateral = &c};
    int err;

    if (attested != NULL) {
        self.devices = &attested->devices;
        self.nonce = attested->nonce;
    }
    if ((err = clo_cpu_raw_read(r->raw.p, r->raw.len, cpu)) != 0 ||
        (err = strcmp(cpu->type, clo_tee_name(a->found.tee)) == 0 ? 0 : CLOISTER_E_PROTOCOL) != 0 ||
        (err = learn_own_root(a, cpu)) != 0 ||
        (err = clo_supply_complete(a->supply, cpu, self.devices, now, &c)) != 0 ||
        (err = clo_collateral_write(&c, ret)) != 0)
        goto out;
    if ((err = proved_before(a, attested, ret, now.unix_s, &same)) != 0)
        goto out;
    if (same)
        self.devices = NULL;
    self.roots = a->own_roots != NULL ? a->own_roots : clo_attester_roots();
    if ((err = clo_self_appraise(&self, now.unix_s, &check, ret_until)) == 0)
        clo_supply_proved(a->supply);
out:
    if (err == CLOISTER_E_INDETERMINATE && clo_supply_missing(a->supply, &w) != 0) {
        if (w.what != 0) /* it was asked for */
            say_waiting(a, &w);
    } else if (err == CLOISTER_E_REFUSED) {
        clo_log("attester", CLO_EV_SELF_REFUSED, (uint64_t)check, 0, 0, 0);
        clo_supply_distrust(a->supply, now);
        say(a, CLO_WAIT_CHECK, err, (uint32_t)check);
    } else if (err != 0) {
        say(a, CLO_WAIT_REPORT, err, 0);
    }
    clo_collateral_clear(&c);
    return err;
}

/* ---- the GPUs' state ---- */

static void gpus_lost(struct clo_attester *a, enum clo_devices_fault fault)
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

static enum clo_devices_fault fault_of_error(int err)
{
    return err == CLOISTER_E_DEVICE ? CLO_DEVICES_GONE : CLO_DEVICES_SILENT;
}

/* A stage failed, or has to wait. */
static void stage_again(struct clo_attester *a, enum clo_stage stage)
{
    a->stage = stage;
    a->again_us = in_ms(clo_attester_limits.again_ms);
}

static void stage_fault(struct clo_attester *a, enum clo_devices_fault fault)
{
    say(a, CLO_WAIT_DEVICES, CLOISTER_E_DEVICE, fault);
    stage_again(a, CLO_STAGE_LOOK);
}

static void looked(struct clo_attester *a, const struct clo_gpus_state *s)
{
    enum clo_devices_fault fault = fault_of(a, s);

    a->silent = 0;
    a->looked_us = clo_clock_mono_us();
    a->watch_us = in_ms(clo_attester_limits.watch_ms);
    if (a->state == CLO_ATTESTER_RUNNING) {
        if (fault != 0)
            gpus_lost(a, fault);
    } else if (fault != 0) {
        stage_fault(a, fault);
    } else {
        a->gpus = *s;
        a->stage = CLO_STAGE_DEVICES;
    }
}

static void look_failed(struct clo_attester *a, int err)
{
    if (a->state != CLO_ATTESTER_RUNNING)
        stage_fault(a, fault_of_error(err));
    else if (err == CLOISTER_E_BUSY && ++a->silent < SILENT_MAX)
        a->watch_us = in_ms(clo_attester_limits.watch_ms);
    else
        gpus_lost(a, fault_of_error(err));
}

/* ---- stages ---- */

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
        (err = part_set(&a->part[CLO_SEC_DEVICES], &devices)) == 0 &&
        (err = send_simulated(a)) == 0)
        err = clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_READY, 0, NULL, 0, -1);
    clo_buf_clear(&devices);
    if (err != 0)
        return err;
    a->stage = CLO_STAGE_DONE;
    a->state = CLO_ATTESTER_RUNNING;
    a->said = (struct clo_waiting){0};
    a->watch_us = in_ms(clo_attester_limits.watch_ms);
    return 0;
}

/* CLO_STAGE_CPU and CLO_STAGE_GPUS: as far as collateral allows. */
static int stage_appraise(struct clo_attester *a)
{
    const bool gpus = a->stage == CLO_STAGE_GPUS;
    struct clo_cpu_section cpu = {0};
    struct clo_buf c = clo_buf_init(CLO_SECTION_MAX);
    int64_t until = 0;
    int err;

    if (gpus && !a->next_attested.there)
        return CLOISTER_E_STATE;
    err = appraise(a, &a->report, gpus ? &a->next_attested : NULL, &cpu, &c, &until);
    clo_cpu_section_clear(&cpu);
    clo_buf_clear(&c);
    if (err == CLOISTER_E_INDETERMINATE) {
        a->again_us = INT64_MAX; /* until something is supplied */
        a->waited |= gpus;
    } else if (err != 0) {
        stage_again(a, gpus ? CLO_STAGE_LOOK : CLO_STAGE_REPORT);
    } else if (gpus && a->waited) {
        a->waited = false; /* who knows what happened to them meanwhile */
        a->stage = CLO_STAGE_LOOK;
    } else if (gpus) {
        a->stage = CLO_STAGE_ACCEPT;
    } else if (has_gpus(a)) {
        a->stage = CLO_STAGE_LOOK;
    } else {
        return ready(a);
    }
    return 0;
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
    if (a->state != CLO_ATTESTER_RUNNING || !has_gpus(a) || f->error != 0 || f->gpus_error == 0 ||
        f->gpus_error == CLOISTER_E_BUSY)
        return CLOISTER_E_STATE;
    gpus_lost(a, fault_of_error(f->gpus_error));
    return 0;
}

static int opened(struct clo_attester *a, const struct clo_ipc_msg *m)
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
    stage_again(a, CLO_STAGE_REPORT);
    a->again_us = 0;
    return 0;
}

/* ---- keys ---- */

int clo_attester_take_keys(struct clo_attester *a, const struct clo_ipc_msg *m)
{
    struct clo_keys_section s = {0};
    int err;

    if (a->part[CLO_SEC_MANIFEST].bytes.len == 0)
        return CLOISTER_E_STATE;
    if ((err = clo_keys_section_parse(m->payload, m->n, &s)) != 0 ||
        (err = clo_part_copy(&a->next, m->payload, m->n)) != 0)
        return err;
    attested_clear(&a->next_attested);
    a->next_number++;
    a->next_expires = s.expires;
    a->next_waits = false;
    a->next_again_us = 0;
    return 0;
}

/* Takes the bytes over. */
static int set_collateral(struct clo_attester *a, struct clo_buf *bytes)
{
    struct clo_part *p = &a->part[CLO_SEC_COLLATERAL];
    uint8_t before[32];
    const bool had = p->bytes.len > 0;
    int err;

    memcpy(before, p->digest, sizeof before);
    err = part_set(p, bytes);
    if (err == 0 && (!had || memcmp(before, p->digest, sizeof before) != 0))
        a->blobs_due |= 1U << CLO_SEC_COLLATERAL;
    return err;
}

/* The next keys and the GPUs' reports over them take the place of those before, all at once. */
static int promote(struct clo_attester *a, struct clo_buf *c, int64_t until)
{
    struct clo_part devices = {.bytes = clo_buf_init(CLO_SECTION_MAX)};
    const bool first = !a->quotable;
    int err;

    if (has_gpus(a) && (err = clo_part_copy(&devices, a->next_attested.section.p,
                                            a->next_attested.section.len)) != 0)
        return err;
    if ((err = set_collateral(a, c)) != 0) {
        clo_buf_clear(&devices.bytes);
        return err;
    }
    if (has_gpus(a)) {
        clo_buf_clear(&a->part[CLO_SEC_DEVICES].bytes);
        a->part[CLO_SEC_DEVICES] = devices;
        attested_move(&a->attested, &a->next_attested);
        memcpy(a->proved, a->part[CLO_SEC_COLLATERAL].digest, sizeof a->proved);
        a->proved_until = until;
    }
    clo_buf_clear(&a->part[CLO_SEC_KEYS].bytes);
    a->part[CLO_SEC_KEYS] = a->next;
    a->next = (struct clo_part){.bytes = clo_buf_init(CLO_SECTION_MAX)};
    a->expires = a->next_expires;
    a->quotable = true;
    a->said = (struct clo_waiting){0};
    a->blobs_due |= CLO_ATTESTER_BLOBS;
    return first ? clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_READY, a->manifest_id, NULL, 0, -1) : 0;
}

/* Begun, and neither evidence nor an error yet. */
static bool is_making_batch(const struct clo_attester *a)
{
    return clo_quotes_busy(a->quotes) && !a->made;
}

/* Not while a batch is being made, which is of the devices that it was begun with. */
static bool has_next_keys(const struct clo_attester *a)
{
    return a->state == CLO_ATTESTER_RUNNING && a->next.bytes.len > 0 &&
           (!has_gpus(a) || a->next_attested.there) && !is_making_batch(a);
}

static int try_next_keys(struct clo_attester *a)
{
    struct clo_cpu_section cpu = {0};
    struct clo_buf c = clo_buf_init(CLO_SECTION_MAX);
    int64_t until = 0;
    int err;

    err = appraise(a, &a->report, has_gpus(a) ? &a->next_attested : NULL, &cpu, &c, &until);
    a->next_waits = err == CLOISTER_E_INDETERMINATE;
    if (err == 0) {
        err = promote(a, &c, until);
    } else {
        if (!a->next_waits)
            attested_clear(&a->next_attested);
        a->next_again_us = in_ms(clo_attester_limits.again_ms);
        err = 0;
    }
    clo_cpu_section_clear(&cpu);
    clo_buf_clear(&c);
    return err;
}

/* A worker that can't be asked is about to be found gone: the question fails then. */
static int ask(struct clo_attester *a, enum clo_purpose purpose, uint16_t type, const void *p,
               size_t n)
{
    uint32_t limit = type == CLO_MSG_WORK_REPORT   ? clo_attester_limits.report_s
                     : type == CLO_MSG_WORK_ANSWER ? clo_attester_limits.answer_s
                                                   : clo_attester_limits.devices_s;

    a->purpose = purpose;
    return clo_worker_ask(&a->worker, type, p, n, limit);
}

/* ---- batches ---- */

static void batch_failed(struct clo_attester *a, int err)
{
    clo_log("attester", CLO_EV_REPORT_FAIL, (uint64_t) - (int64_t)err, 0, 0, 0);
    a->bound.error = CLOISTER_E_IO;
    a->made = true;
    a->batch_waits = false;
}

static int finish_evidence(struct clo_attester *a)
{
    struct clo_buf section = clo_buf_init(CLO_SECTION_MAX), c = clo_buf_init(CLO_SECTION_MAX);
    struct clo_cpu_section cpu = {0};
    int64_t until = 0;
    int err;

    if ((err = appraise(a, &a->batch, has_gpus(a) ? &a->attested : NULL, &cpu, &c, &until)) != 0 ||
        (err = clo_cpu_section_write(&cpu, &section)) != 0 ||
        (err = part_set(&a->bound.cpu, &section)) != 0)
        goto out;
    if ((err = set_collateral(a, &c)) != 0)
        goto out;
    memcpy(a->bound.collateral, a->part[CLO_SEC_COLLATERAL].digest, 32);
    a->blobs_due |= 1U << CLO_SEC_CPU;
out:
    clo_buf_clear(&section);
    clo_buf_clear(&c);
    clo_cpu_section_clear(&cpu);
    return err;
}

/* The report is there. */
static void try_batch(struct clo_attester *a)
{
    struct clo_waiting w;
    int err;

    a->batch_waits = false;
    if (!is_making_batch(a)) /* who asked for it has gone */
        return;
    err = finish_evidence(a);
    if (err == CLOISTER_E_INDETERMINATE &&
        clo_supply_missing(a->supply, &w) == CLO_WANT_AZURE_TD_QUOTE) {
        a->batch_waits = true; /* every report has its own */
        return;
    }
    if (err != 0) {
        batch_failed(a, err);
        return;
    }
    a->made = true;
    a->said = (struct clo_waiting){0};
    clo_log("attester", CLO_EV_REPORT, (uint64_t)(clo_clock_mono_us() - a->batch_since_us),
            a->batch_count, 0, 0);
    reported_move(&a->report, &a->batch);
}

/* One report over the root and what is bound to it. */
static int begin_batch(struct clo_attester *a)
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
        batch_failed(a, err);
        return 0;
    }
    memcpy(a->bound.manifest, p[CLO_SEC_MANIFEST].digest, 32);
    memcpy(a->bound.devices, p[CLO_SEC_DEVICES].digest, 32);
    return ask(a, CLO_FOR_BATCH, CLO_MSG_WORK_REPORT, a->batch.data, sizeof a->batch.data);
}

/* A batch that gets none. */
static void refuse_batch(struct clo_attester *a, int error)
{
    uint8_t root[32];

    if (clo_quotes_begin(a->quotes, root, &a->batch_count) != 0)
        return;
    a->bound.error = error;
    a->made = true;
}

/* ---- the worker's answers ---- */

static int take_attested(struct clo_attester *a, const struct clo_ipc_msg *m)
{
    struct clo_attested *t = &a->next_attested;
    uint8_t nonce[32];
    int err;

    memcpy(nonce, t->nonce, sizeof nonce);
    attested_clear(t);
    memcpy(t->nonce, nonce, sizeof nonce);
    if ((err = clo_memfd_read(m->fd, CLO_SECTION_MAX, &t->section)) != 0 ||
        (err = clo_devices_section_parse(t->section.p, t->section.len, &t->devices)) != 0)
        return err;
    if (t->devices.count != a->gpus.count)
        return CLOISTER_E_DEVICE;
    t->there = true;
    return 0;
}

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
        say(a, CLO_WAIT_REPORT, err, 0);
        clo_worker_kill(&a->worker);
        break;
    case CLO_FOR_START:
        if (a->stage >= CLO_STAGE_LOOK) {
            stage_fault(a, fault_of_error(err));
        } else {
            say(a, CLO_WAIT_REPORT, err, 0);
            stage_again(a, CLO_STAGE_REPORT);
        }
        break;
    case CLO_FOR_WATCH: look_failed(a, err); break;
    case CLO_FOR_KEYS:
        attested_clear(&a->next_attested);
        a->next_again_us = in_ms(clo_attester_limits.again_ms);
        if (err == CLOISTER_E_DEVICE)
            gpus_lost(a, CLO_DEVICES_GONE);
        else
            say(a, CLO_WAIT_DEVICES, err, fault_of_error(err));
        break;
    case CLO_FOR_BATCH:
        if (clo_quotes_busy(a->quotes))
            batch_failed(a, err);
        say(a, CLO_WAIT_REPORT, err, 0);
        break;
    case CLO_FOR_SUPPLY:
        ignored = clo_supply_answer(a->supply, a->answer_id, &nothing, NULL, clo_attester_now());
        (void)ignored;
        break;
    case CLO_FOR_THE_END: a->end = CLO_EXIT_DEVICES; break;
    default: break;
    }
}

static int answered_start(struct clo_attester *a, const struct clo_ipc_msg *m)
{
    struct clo_gpus_state s = {0};
    int err;

    switch (m->type) {
    case CLO_MSG_WORK_REPORTED:
        if ((err = clo_memfd_read(m->fd, CLO_CPU_RAW_MAX, &a->report.raw)) == 0)
            a->stage = CLO_STAGE_CPU;
        return err;
    case CLO_MSG_WORK_LOOKED:
        if ((err = clo_gpus_state_read(m->payload, m->n, &s)) == 0)
            looked(a, &s);
        return err;
    case CLO_MSG_WORK_DEVICED:
        if ((err = take_attested(a, m)) == 0)
            a->stage = CLO_STAGE_GPUS;
        return err;
    default: return ready(a); /* they take work */
    }
}

static int answered(struct clo_attester *a, enum clo_purpose purpose, const struct clo_ipc_msg *m)
{
    struct clo_gpus_state s = {0};
    int err;

    switch (purpose) {
    case CLO_FOR_OPENING: return opened(a, m);
    case CLO_FOR_START: return answered_start(a, m);
    case CLO_FOR_WATCH:
        if ((err = clo_gpus_state_read(m->payload, m->n, &s)) == 0)
            looked(a, &s);
        return err;
    case CLO_FOR_KEYS:
        /* Reports over keys that others have taken the place of meanwhile are for nobody. */
        return a->asked_number == a->next_number ? take_attested(a, m) : 0;
    case CLO_FOR_BATCH:
        if ((err = clo_memfd_read(m->fd, CLO_CPU_RAW_MAX, &a->batch.raw)) == 0)
            try_batch(a);
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

    clo_worker_kill(&a->worker);
    a->worker_again_us = in_ms(clo_attester_limits.again_ms);
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

static int open_worker(struct clo_attester *a)
{
    uint8_t out[16];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int err;

    a->worker_again_us = in_ms(clo_attester_limits.again_ms);
    if (clo_worker_start(&a->worker, "/proc/self/exe") != 0)
        return 0; /* later */
    if ((err = clo_attester_start_write(&a->start, &wr)) != 0)
        return err;
    a->purpose = CLO_FOR_OPENING;
    if (clo_worker_ask(&a->worker, CLO_MSG_WORK_OPEN, out, wr.len, clo_attester_limits.report_s) !=
        0)
        return worker_gone(a, CLOISTER_E_IO);
    return 0;
}

/* ---- what is asked next ---- */

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
    return ask(a, CLO_FOR_SUPPLY, CLO_MSG_WORK_ANSWER, out, wr.len);
}

static int ask_for_stage(struct clo_attester *a)
{
    static const uint8_t yes = 1;
    int err;

    switch (a->stage) {
    case CLO_STAGE_REPORT:
        if ((err = clo_rng_fill(clo_rng_system(), a->report.data, sizeof a->report.data)) != 0)
            return err;
        return ask(a, CLO_FOR_START, CLO_MSG_WORK_REPORT, a->report.data, sizeof a->report.data);
    case CLO_STAGE_LOOK: return ask(a, CLO_FOR_START, CLO_MSG_WORK_LOOK, NULL, 0);
    case CLO_STAGE_DEVICES:
        if ((err = clo_rng_fill(clo_rng_system(), a->next_attested.nonce, 32)) != 0)
            return err;
        return ask(a, CLO_FOR_START, CLO_MSG_WORK_DEVICES, a->next_attested.nonce, 32);
    case CLO_STAGE_ACCEPT: return ask(a, CLO_FOR_START, CLO_MSG_WORK_ACCEPT, &yes, 1);
    default: return 0;
    }
}

static int ask_for_keys(struct clo_attester *a)
{
    int err;

    if ((err = clo_bind_gpu(a->next.digest, a->part[CLO_SEC_MANIFEST].digest,
                            a->next_attested.nonce)) != 0)
        return err;
    a->asked_number = a->next_number;
    return ask(a, CLO_FOR_KEYS, CLO_MSG_WORK_DEVICES, a->next_attested.nonce, 32);
}

static int choose(struct clo_attester *a)
{
    const int64_t now = clo_clock_mono_us();
    int err = 0;

    if (a->state == CLO_ATTESTER_PREPARING && now >= a->again_us)
        err = ask_for_stage(a);
    else if (a->state == CLO_ATTESTER_RUNNING && has_gpus(a) && now >= a->watch_us)
        err = ask(a, CLO_FOR_WATCH, CLO_MSG_WORK_LOOK, NULL, 0);
    else if (a->state == CLO_ATTESTER_RUNNING && has_gpus(a) && a->next.bytes.len > 0 &&
             !a->next_attested.there && now >= a->next_again_us)
        err = ask_for_keys(a);
    else if (a->state == CLO_ATTESTER_RUNNING && !clo_quotes_busy(a->quotes))
        err = begin_batch(a);
    if (err == 0 && a->worker.asked == 0 && a->found.tee == CLO_TEE_SIMULATED)
        err = ask_simulator(a);
    return err;
}

/* So long may nobody have looked at the GPUs: a report that hangs, then a look that does, and a worker's start between. */
static int64_t unseen_us(const struct clo_attester *a)
{
    const struct clo_attester_limits *l = &clo_attester_limits;

    return a->looked_us + (int64_t)(l->report_s + l->devices_s) * 1000000 +
           (int64_t)(SILENT_MAX * l->watch_ms + l->again_ms) * 1000;
}

/* What needs no worker. */
static int without_worker(struct clo_attester *a)
{
    int64_t now = clo_clock_mono_us();
    int err = 0;

    if (a->state == CLO_ATTESTER_PREPARING && now >= a->again_us &&
        (a->stage == CLO_STAGE_CPU || a->stage == CLO_STAGE_GPUS))
        err = stage_appraise(a);
    if (err == 0 && has_next_keys(a) && now >= a->next_again_us)
        err = try_next_keys(a);
    if (a->batch_waits && now >= a->batch_until_us)
        batch_failed(a, CLOISTER_E_BUSY);
    /* What can't be answered now, is refused at once. */
    if (err == 0 && !clo_quotes_busy(a->quotes) && (!a->quotable || a->worker.sock < 0))
        refuse_batch(a, a->quotable ? CLOISTER_E_IO : CLOISTER_E_STATE);
    if (err == 0 && a->state == CLO_ATTESTER_RUNNING && has_gpus(a) && now >= unseen_us(a))
        gpus_lost(a, CLO_DEVICES_SILENT);
    return err;
}

int clo_attester_turn(struct clo_attester *a)
{
    int err = 0;

    if (a->state == CLO_ATTESTER_NEW || a->end >= 0)
        return 0;
    if (a->worker.pid != 0 && a->worker.sock < 0)
        clo_worker_reap(&a->worker);
    if (a->worker.pid == 0 && a->state != CLO_ATTESTER_LOST &&
        clo_clock_mono_us() >= a->worker_again_us)
        err = open_worker(a);
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
        try_batch(a);
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
    if (a->worker.pid == 0 && a->state != CLO_ATTESTER_LOST)
        sooner(&first, a->worker_again_us);
    if (a->state == CLO_ATTESTER_PREPARING &&
        (idle || a->stage == CLO_STAGE_CPU || a->stage == CLO_STAGE_GPUS))
        sooner(&first, a->again_us);
    if (a->state == CLO_ATTESTER_RUNNING) {
        if (has_gpus(a))
            sooner(&first, idle ? a->watch_us : unseen_us(a));
        if (has_next_keys(a) ||
            (idle && a->next.bytes.len > 0 && has_gpus(a) && !a->next_attested.there))
            sooner(&first, a->next_again_us);
    }
    if (a->batch_waits)
        sooner(&first, a->batch_until_us);
    if (a->found.tee == CLO_TEE_SIMULATED ? idle : a->fetcher >= 0)
        sooner(&first, clo_supply_wake_us(a->supply, clo_attester_now()));
    return first;
}
