/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong, said once; and what all evidence goes through before anybody gets it: our own appraisal. */
#include <string.h>

#include "daemon/attester/rounds.h"

void clo_round_say_waiting(struct clo_attester *a, const struct clo_waiting *w)
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

void clo_round_say(struct clo_attester *a, enum clo_wait what, int error, uint32_t detail)
{
    const struct clo_waiting w = {.what = (uint8_t)what, .error = error, .detail = detail};

    clo_round_say_waiting(a, &w);
}

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

int clo_round_appraise(struct clo_attester *a, const struct clo_reported *r,
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
    if ((err = clo_self_appraise(&self, now.unix_s, &check, ret_until)) != 0)
        goto out;
    clo_supply_proved(a->supply);
    if (attested == &a->attested && !same) { /* by what came since */
        a->proved_until = 0;
        if ((err = clo_sha256(ret->p, ret->len, a->proved)) == 0)
            a->proved_until = *ret_until;
    }
out:
    if (err == CLOISTER_E_INDETERMINATE && clo_supply_missing(a->supply, &w) != 0) {
        if (w.what != 0) /* it was asked for */
            clo_round_say_waiting(a, &w);
    } else if (err == CLOISTER_E_REFUSED) {
        clo_log("attester", CLO_EV_SELF_REFUSED, (uint64_t)check, 0, 0, 0);
        clo_supply_distrust(a->supply, now);
        clo_round_say(a, CLO_WAIT_CHECK, err, (uint32_t)check);
    } else if (err != 0) {
        clo_round_say(a, CLO_WAIT_REPORT, err, 0);
    }
    clo_collateral_clear(&c);
    return err;
}
