/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of evidence: how verdicts and policies name them, which checks they have, and whether a policy admits them. */
#ifndef CLO_ATTEST_KIND_H
#define CLO_ATTEST_KIND_H

#include "attest/policy.h"
#include "attest/sections.h"
#include "attest/verdict.h"

enum clo_kind {
    CLO_KIND_UNKNOWN,
    CLO_KIND_SIMULATED,
    CLO_KIND_SNP,
    CLO_KIND_SNP_AZURE,
    CLO_KIND_TDX,
    CLO_KIND_TDX_AZURE,
    /* raw evidence only */
    CLO_KIND_SGX,
    CLO_KIND_NVIDIA,
    CLO_KIND_TPM,
    CLO_KINDS
};
enum clo_kind clo_kind_of_cpu(enum clo_cpu_kind cpu);
/* "sev-snp", ...: as cloister_verdict has it; "" for CLO_KIND_UNKNOWN. */
const char *clo_kind_name(enum clo_kind kind);
/* The families of checks (enum clo_check_family) that the kind has by itself: devices beside a cpu aren't counted. */
unsigned clo_kind_families(enum clo_kind kind);
/*
 * Make policy.type: does the policy name this kind? (NVIDIA's devices are admitted by having reference values, a TPM by having "tpm".)
 * False: the kind's own checks are not to be made. policy NULL: the check is missing, and they are.
 */
bool clo_kind_admit(enum clo_kind kind, const struct cloister_policy *policy,
                    struct clo_verdict_builder *vb);
/* Make policy.measurements: does the policy pin what a machine of this kind starts? */
void clo_kind_check_pins(enum clo_kind kind, const struct cloister_policy *policy,
                         struct clo_verdict_builder *vb);

#endif
