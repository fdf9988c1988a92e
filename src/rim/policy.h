/* SPDX-License-Identifier: Apache-2.0 */
/* Reference values into a policy's text: devices.reference_values (docs/POLICY.md). All other members stay, in their order. */
#ifndef CLO_RIM_POLICY_H
#define CLO_RIM_POLICY_H

#include <jansson.h>

#include "attest/policy.h"

enum clo_rim_put {
    CLO_RIM_ADDED = 1,
    CLO_RIM_SAME = 2, /* it has these values already */
    CLO_RIM_REPLACED = 3,
};
/*
 * Put one set of values into a policy that has a member "devices". Values for the same kind, architecture, version and board that
 * differ are CLOISTER_E_DUPLICATE unless `replace`, and old_rim then says which RIM they came from. CLOISTER_E_NOT_FOUND: no "devices".
 * CLOISTER_E_FULL: it has as many sets as a policy may.
 */
CLO_MUST_USE int clo_rim_policy_put(json_t *policy, const struct clo_reference *ref, bool replace,
                                    enum clo_rim_put *ret, uint8_t old_rim[32]);

const char *clo_rim_kind_word(enum clo_reference_kind k);
const char *clo_rim_arch_word(enum clo_gpu_arch a);
/* [{"index": n, "values": [...]}, ...]; NULL without memory. */
json_t *clo_rim_measurements(const struct clo_reference *ref);

#endif
