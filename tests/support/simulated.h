/* SPDX-License-Identifier: Apache-2.0 */
/* Collateral for the simulator's reports, by the way that all evidence goes. */
#ifndef CLO_TESTS_SIMULATED_H
#define CLO_TESTS_SIMULATED_H

#include "platform/maker.h"

static inline int simulated_supply(struct clo_maker *m, struct clo_gathered *g,
                                   const struct clo_want *w, int64_t now)
{
    struct clo_buf body = clo_buf_init(CLO_ANSWER_MAX), chain = clo_buf_init(CLO_ANSWER_CHAIN_MAX);
    struct clo_answer a = {0};
    int64_t until = 0, renew = 0;
    int err = m->ops->answer(m, w, &body, &chain);

    a = (struct clo_answer){.body = body.p, .body_n = body.len};
    if (err == 0)
        err = clo_gathered_put(g, w, &a, now, &until, &renew);
    clo_buf_clear(&body);
    clo_buf_clear(&chain);
    return err;
}

/* *ret is the caller's to clear. */
static inline int simulated_collateral(struct clo_maker *m, struct clo_cpu_section *cpu,
                                       int64_t now, struct clo_collateral *ret)
{
    struct clo_gathered *g = NULL;
    struct clo_wants wants = {0};
    int err;

    if ((err = clo_gathered_new(&g)) != 0)
        return err;
    if ((err = clo_wants_of(cpu, NULL, &wants)) != 0)
        goto out;
    for (size_t i = 0; i < wants.count; i++)
        if ((err = simulated_supply(m, g, &wants.want[i], now)) != 0)
            goto out;
    err = clo_gathered_complete(g, &wants, now, cpu, ret, NULL);
out:
    clo_wants_clear(&wants);
    clo_gathered_free(g);
    return err;
}

#endif
