/* SPDX-License-Identifier: Apache-2.0 */
/* The next keys, with the GPUs' reports over them, until they take the place of those before. */
#include <string.h>

#include "daemon/attester/rounds.h"

void clo_round_attested_clear(struct clo_attested *t)
{
    clo_devices_clear(&t->devices);
    clo_buf_clear(&t->section);
    *t = (struct clo_attested){.section = clo_buf_init(CLO_SECTION_MAX)};
}

static void attested_move(struct clo_attested *to, struct clo_attested *from)
{
    clo_round_attested_clear(to);
    *to = *from;
    *from = (struct clo_attested){.section = clo_buf_init(CLO_SECTION_MAX)};
}

int clo_attester_take_keys(struct clo_attester *a, const struct clo_ipc_msg *m)
{
    struct clo_keys_section s = {0};
    int err;

    if (a->part[CLO_SEC_MANIFEST].bytes.len == 0)
        return CLOISTER_E_STATE;
    if ((err = clo_keys_section_parse(m->payload, m->n, &s)) != 0 ||
        (err = clo_part_copy(&a->next, m->payload, m->n)) != 0)
        return err;
    clo_round_attested_clear(&a->next_attested);
    a->next_number++;
    a->next_expires = s.expires;
    a->next_waits = false;
    a->next_again_us = 0;
    return 0;
}

void clo_attester_forget_keys(struct clo_attester *a)
{
    clo_buf_clear(&a->part[CLO_SEC_KEYS].bytes);
    clo_buf_clear(&a->next.bytes);
    clo_round_attested_clear(&a->next_attested);
    a->quotable = a->next_waits = false;
    a->next_number++;
}

int clo_round_set_collateral(struct clo_attester *a, struct clo_buf *bytes)
{
    struct clo_part *p = &a->part[CLO_SEC_COLLATERAL];
    uint8_t before[32];
    const bool had = p->bytes.len > 0;
    int err;

    memcpy(before, p->digest, sizeof before);
    err = clo_part_set(p, bytes);
    if (err == 0 && (!had || memcmp(before, p->digest, sizeof before) != 0))
        a->blobs_due |= 1U << CLO_SEC_COLLATERAL;
    return err;
}

/* Not while a batch is being made, which is of the devices that it was begun with. */
bool clo_round_has_next_keys(const struct clo_attester *a)
{
    return a->state == CLO_ATTESTER_RUNNING && a->next.bytes.len > 0 &&
           (!clo_round_has_gpus(a) || a->next_attested.there) && !clo_round_is_making_batch(a);
}

/* The next keys and the GPUs' reports over them take the place of those before, all at once. */
static int promote(struct clo_attester *a, struct clo_buf *c, int64_t until)
{
    struct clo_part devices = {.bytes = clo_buf_init(CLO_SECTION_MAX)};
    const bool first = !a->quotable;
    int err;

    if (clo_round_has_gpus(a) && (err = clo_part_copy(&devices, a->next_attested.section.p,
                                                      a->next_attested.section.len)) != 0)
        return err;
    if ((err = clo_round_set_collateral(a, c)) != 0) {
        clo_buf_clear(&devices.bytes);
        return err;
    }
    if (clo_round_has_gpus(a)) {
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

int clo_round_try_next_keys(struct clo_attester *a)
{
    struct clo_cpu_section cpu = {0};
    struct clo_buf c = clo_buf_init(CLO_SECTION_MAX);
    int64_t until = 0;
    int err;

    err = clo_round_appraise(a, &a->report, clo_round_has_gpus(a) ? &a->next_attested : NULL, &cpu,
                             &c, &until);
    a->next_waits = err == CLOISTER_E_INDETERMINATE;
    if (err == 0) {
        err = promote(a, &c, until);
    } else {
        if (!a->next_waits)
            clo_round_attested_clear(&a->next_attested);
        a->next_again_us = clo_round_in_ms(clo_attester_limits.again_ms);
        err = 0;
    }
    clo_cpu_section_clear(&cpu);
    clo_buf_clear(&c);
    return err;
}

int clo_round_ask_for_keys(struct clo_attester *a)
{
    int err;

    if ((err = clo_bind_gpu(a->next.digest, a->part[CLO_SEC_MANIFEST].digest,
                            a->next_attested.nonce)) != 0)
        return err;
    a->asked_number = a->next_number;
    return clo_round_ask(a, CLO_FOR_KEYS, CLO_MSG_WORK_DEVICES, a->next_attested.nonce, 32);
}

int clo_round_take_attested(struct clo_attester *a, const struct clo_ipc_msg *m)
{
    struct clo_attested *t = &a->next_attested;
    uint8_t nonce[32];
    int err;

    memcpy(nonce, t->nonce, sizeof nonce);
    clo_round_attested_clear(t);
    memcpy(t->nonce, nonce, sizeof nonce);
    if ((err = clo_memfd_read(m->fd, CLO_SECTION_MAX, &t->section)) != 0 ||
        (err = clo_devices_section_parse(t->section.p, t->section.len, &t->devices)) != 0)
        return err;
    if (t->devices.count != a->gpus.count)
        return CLOISTER_E_DEVICE;
    t->there = true;
    return 0;
}
