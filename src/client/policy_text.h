/* SPDX-License-Identifier: Apache-2.0 */
/* Writing policies (docs/POLICY.md): what `policy init` and `demo` share. */
#ifndef CLO_CLIENT_POLICY_TEXT_H
#define CLO_CLIENT_POLICY_TEXT_H

#include <jansson.h>

#include "attest/policy.h"

/* Hexadecimal texts as they will stand in the policy; NULL leaves a member out. */
struct clo_policy_want {
    const char *measurement;
    const char *root; /* given: a simulated machine; else SEV-SNP with what follows */
    enum clo_snp_product product;
    struct clo_snp_tcb tcb;
    struct clo_snp_firmware firmware;
    uint32_t vmpl;
    bool allow_smt;
    const char *host_data, *id_key, *author_key;
    const char *model;
    bool allow_unmanaged;
    bool no_devices; /* say that no GPU is asked for, which hardware policies have to */
};
CLO_MUST_USE int clo_policy_text(const struct clo_policy_want *w, json_t **ret);

#endif
