/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies as text (docs/POLICY.md): writing them from values that are known, and saying in words what they pin. What the commands of
 * `cloister policy` and `demo` share.
 */
#ifndef CLO_CLIENT_POLICY_TEXT_H
#define CLO_CLIENT_POLICY_TEXT_H

#include <jansson.h>

#include "attest/policy.h"
#include "attest/sections.h"

/* Hexadecimal texts as they will stand in the policy; NULL leaves a member out. */
struct clo_policy_want {
    const char *measurement;
    const char *root; /* given: a simulated machine; else SEV-SNP with what follows */
    enum clo_snp_product product;
    struct clo_snp_tcb tcb;
    const struct clo_snp_tcb *launch; /* NULL: as tcb */
    struct clo_snp_firmware firmware;
    uint32_t vmpl;
    bool allow_smt;
};
CLO_MUST_USE int clo_policy_text(const struct clo_policy_want *w, json_t **ret);
/* The member "sev_snp" alone; *err is set if memory ran out. */
json_t *clo_policy_snp_json(const struct clo_policy_want *w, int *err);

/* ---- what a policy pins ---- */

struct clo_pinned {
    uint8_t digest[32];
    struct clo_manifest manifest;
};
/* Out of the text of a policy that was parsed; fills ret, *count says how much of it. */
CLO_MUST_USE int clo_policy_pinned(const json_t *policy,
                                   struct clo_pinned ret[CLO_POLICY_MANIFESTS_MAX], size_t *count);

/* ---- a manifest in words ---- */

#define CLO_MANIFEST_MEMBERS 14
struct clo_manifest_member {
    const char *id;    /* where it stands in the manifest: "model.name" */
    const char *title; /* the same for people */
    char value[160];   /* printable, as a manifest's texts are */
};
void clo_manifest_members(const struct clo_manifest *m,
                          struct clo_manifest_member ret[CLO_MANIFEST_MEMBERS]);

#endif
