/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA GPUs (Hopper, Blackwell) and NVSwitches: SPDM 1.1 measurement reports (DMTF DSP0274: GET_MEASUREMENTS and
 * MEASUREMENTS), their device chains, revocation by OCSP answers that came with the evidence, and comparison with the
 * reference values in the policy. Parser in spdm.h. Fuzzed by fuzz/fuzz_spdm.c.
 */
#ifndef CLO_ATTEST_NVIDIA_H
#define CLO_ATTEST_NVIDIA_H

#include "attest/policy.h"
#include "attest/roots.h"
#include "attest/sections.h"
#include "attest/verdict.h"

struct clo_gpu_input {
    const struct clo_devices *devices;
    const struct clo_collateral *collateral;
    const uint8_t *nonce; /* the 32 bytes expected; NULL: the caller has none */
    bool any_nonce;
};
/*
 * Run every gpu.* check and devices.count. A check passes only if it does for every device; a failure names the first device
 * it fails for ("GPU 3: ..."). Reports' claims pass only under an authentic report. No device and none wanted: not
 * applicable, all. policy NULL: checks that need one are missing.
 */
CLO_MUST_USE int clo_gpu_appraise(const struct clo_gpu_input *in,
                                  const struct cloister_policy *policy,
                                  const struct cloister_roots *roots, int64_t now,
                                  struct clo_verdict_builder *vb);

#endif
