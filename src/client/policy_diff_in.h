/* SPDX-License-Identifier: Apache-2.0 */
/* Inside `cloister policy diff`: what differs (policy_diff_find.c), saying it (policy_diff_print.c), accepting it (policy_diff.c). */
#ifndef CLO_CLIENT_POLICY_DIFF_IN_H
#define CLO_CLIENT_POLICY_DIFF_IN_H

#include "client/commands.h"
#include "client/policy_propose.h"
#include "client/policy_text.h"

struct clo_diff {
    const struct clo_options *o;
    struct cloister_evidence *evidence;
    struct cloister_nonce nonce;
    int64_t now;

    struct clo_buf text; /* the policy as it is */
    json_t *doc;
    struct cloister_policy *policy;
    struct cloister_verdict verdict;
    struct clo_pinned pinned[CLO_POLICY_MANIFESTS_MAX];
    size_t pinned_n;

    bool readable; /* `shown` is set */
    struct clo_shown shown;
    char measurement[97]; /* SEV-SNP and simulated */
    /* What is shown is of a kind that the policy pins; and it isn't pinned. */
    bool has_measurement, has_image, has_pcrs;
    bool new_measurement, new_image, new_pcrs, new_manifest;

    struct clo_buf wanted; /* the policy that pins what is shown; empty if that is the same one */
    char why[256];         /* it is none */
    struct cloister_verdict judged; /* under the wanted policy */
    bool accepted;
};

/* ---- what differs ---- */

/* Judge the evidence twice, and find what differs. 0 if there are verdicts, whatever they say. */
CLO_MUST_USE int clo_diff_compare(struct clo_diff *d);
/* Would the policy that pins what is shown admit this server? */
bool clo_diff_acceptable(const struct clo_diff *d);
/* Of what the policy pins, that which most of what is shown is the same in; of equals the one that stands last. NULL for none. */
const struct clo_pinned *clo_diff_nearest_manifest(const struct clo_diff *d);
const struct clo_policy_td *clo_diff_nearest_image(const struct clo_diff *d);
const struct clo_policy_pcrs *clo_diff_nearest_pcrs(const struct clo_diff *d);
/* The PCRs that a policy which pins what is shown pins: those that it pins already, or all that were quoted. */
uint32_t clo_diff_wanted_pcrs(const struct clo_diff *d);
/* A TD's image, register by register: MRTD, then RTMR0 to 3. */
#define CLO_DIFF_REGISTERS 5
extern const char *const clo_diff_register_name[CLO_DIFF_REGISTERS];
const uint8_t *clo_diff_register(const struct clo_policy_td *td, size_t i);
const uint8_t *clo_diff_shown_register(const struct clo_diff *d, size_t i);
/* Calls `what` for each driver and each VBIOS that runs on a device without a reference value in the policy. */
void clo_diff_each_without_reference(const struct clo_diff *d,
                                     void (*what)(const struct clo_diff *d,
                                                  enum clo_reference_kind kind,
                                                  const struct clo_gpu_running *run, void *arg),
                                     void *arg);
const char *clo_diff_version(enum clo_reference_kind kind, const struct clo_gpu_running *run);

/* ---- saying it ---- */

void clo_diff_print_text(const struct clo_diff *d);
CLO_MUST_USE int clo_diff_json(const struct clo_diff *d, struct clo_buf *out);

#endif
