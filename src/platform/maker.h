/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence makers: the attester's access to the hardware report interface, behind one small interface. The simulator
 * makes evidence in the format of SEV-SNP under a root that it invents at start: its keys live in this process's memory only, and
 * no hardware policy accepts them.
 */
#ifndef CLO_PLATFORM_MAKER_H
#define CLO_PLATFORM_MAKER_H

#include "attest/sections.h"

struct clo_maker;
struct clo_maker_ops {
    const char *type; /* the cpu section's "type" */
    /* Take one report over report_data; fills report and chain of a cleared section. May take seconds. */
    int (*report)(struct clo_maker *m, const uint8_t report_data[64], struct clo_cpu_section *ret);
    /* CRLs and the like, as they are now. */
    int (*collateral)(struct clo_maker *m, struct clo_collateral *ret);
    void (*free)(struct clo_maker *m);
};
struct clo_maker {
    const struct clo_maker_ops *ops;
};

/* now: Unix seconds, for the certificates' dates. */
CLO_MUST_USE int clo_maker_simulated_new(const struct clo_rng *rng, int64_t now,
                                         struct clo_maker **ret);
/* SHA-256 of the invented root's DER, and the constant measurement that simulated reports carry. */
void clo_maker_simulated_info(const struct clo_maker *m, uint8_t root[32], uint8_t measurement[48]);
void clo_maker_free(struct clo_maker *m);

#endif
