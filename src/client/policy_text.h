/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies as text (docs/POLICY.md): writing them, and saying in words what they pin and what evidence shows. What the commands of
 * `cloister policy` and `demo` share.
 */
#ifndef CLO_CLIENT_POLICY_TEXT_H
#define CLO_CLIENT_POLICY_TEXT_H

#include <jansson.h>

#include "attest/policy.h"
#include "attest/sections.h"
#include "base/enc.h"

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
    const char
        *manifest; /* the section's bytes in base64url: it names the model and its digest, too */
    bool allow_unmanaged;
    bool no_devices; /* say that no GPU is asked for, which hardware policies have to */
};
CLO_MUST_USE int clo_policy_text(const struct clo_policy_want *w, json_t **ret);

/* ---- what evidence shows: unverified, for pinning and comparing ---- */

struct clo_shown {
    struct clo_cpu_section cpu;
    struct clo_snp_report report;
    struct clo_manifest manifest;
    uint8_t manifest_digest[32];
    char measurement[97];
    char manifest_b64[CLO_B64_LEN(CLO_POLICY_MANIFEST_MAX) + 1]; /* "": too long to be pinned */
};
CLO_MUST_USE int clo_shown_read(const struct cloister_evidence *e, struct clo_shown *ret);
void clo_shown_clear(struct clo_shown *s);

/* ---- what a policy pins ---- */

struct clo_pinned {
    uint8_t digest[32];
    struct clo_manifest manifest;
};
/* Out of the text of a policy that was parsed; fills ret, *count says how much of it. */
CLO_MUST_USE int clo_policy_pinned(const json_t *policy,
                                   struct clo_pinned ret[CLO_POLICY_MANIFESTS_MAX], size_t *count);

/* ---- a manifest in words ---- */

#define CLO_MANIFEST_MEMBERS 13
struct clo_manifest_member {
    const char *id;    /* where it stands in the manifest: "model.name" */
    const char *title; /* the same for people */
    char value[160];   /* printable, as a manifest's texts are */
};
void clo_manifest_members(const struct clo_manifest *m,
                          struct clo_manifest_member ret[CLO_MANIFEST_MEMBERS]);

#endif
