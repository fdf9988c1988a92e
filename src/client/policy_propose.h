/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy that pins what evidence shows, no more and no less: what was started exactly, levels as floors, everything else at its strict
 * default. For somebody who has reason to trust that evidence.
 */
#ifndef CLO_CLIENT_POLICY_PROPOSE_H
#define CLO_CLIENT_POLICY_PROPOSE_H

#include <jansson.h>

#include "client/policy_shown.h"

/*
 * pin_chip: and this very machine. CLOISTER_E_UNSUPPORTED if the evidence doesn't say what a policy has to (SEV-SNP: its product);
 * CLOISTER_E_LIMIT for a manifest that is too long to be pinned.
 */
CLO_MUST_USE int clo_policy_propose(const struct clo_shown *s, const char *name, bool pin_chip,
                                    json_t **ret);
/* What the user has to know about such a policy, a sentence each, on standard error. */
void clo_policy_propose_notes(const struct clo_shown *s, bool pin_chip);

/* {"mrtd":HEX,"rtmr0":HEX,...} as it stands in "tdx.images"; NULL without memory. */
json_t *clo_shown_image(const struct clo_shown *s);
/* {"0":HEX,...} of these PCRs, which were quoted, as it stands in "tpm.pcrs"; NULL without memory. */
json_t *clo_shown_pcrs(const struct clo_shown *s, uint32_t which);
#endif
