/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA's GPUs through NVML (libnvidia-ml.so.1, loaded at run time: the driver brings it, and there is none to link against). Nothing
 * here is believed: reports and chains are judged by attest/nvidia.h, and the state that the driver tells only ever takes keys away.
 */
#ifndef CLO_PLATFORM_GPUS_H
#define CLO_PLATFORM_GPUS_H

#include "attest/sections.h"

struct clo_gpus;
/*
 * CLOISTER_E_NOT_FOUND: no NVIDIA driver, or no GPU; CLOISTER_E_UNSUPPORTED: a driver too old for attestation, or without its library, or
 * with another version's; CLOISTER_E_PERMISSION. Every other error may pass: CLOISTER_E_BUSY, CLOISTER_E_DEVICE, CLOISTER_E_IO.
 */
CLO_MUST_USE int clo_gpus_open(struct clo_gpus **ret);
void clo_gpus_free(struct clo_gpus *g);

/* As the driver tells it. */
struct clo_gpus_state {
    uint32_t count;
    bool cc; /* confidential computing is on: for all of them, or in protected PCIe mode (multi) */
    bool multi;     /* several GPUs in one trust domain */
    bool devtools;  /* developer tools: memory can be read */
    bool simulated; /* the environment isn't a production one */
    bool accepting; /* "ready": takes work */
    uint8_t identity
        [32]; /* SHA-256 over the UUIDs in their order: other or fewer GPUs, another value */
};
/*
 * Look at them. CLOISTER_E_DEVICE: one is lost, fell off the bus or needs a reset; CLOISTER_E_BUSY: not now; any other error: they can't be
 * vouched for.
 * A reset takes `accepting` back.
 */
CLO_MUST_USE int clo_gpus_look(struct clo_gpus *g, struct clo_gpus_state *ret);
/* One report each over the nonce, with its chain. All, or none. */
CLO_MUST_USE int clo_gpus_report(struct clo_gpus *g, const uint8_t nonce[32],
                                 struct clo_devices *ret);
/* Let them take work, after they were appraised; or no longer. */
CLO_MUST_USE int clo_gpus_accept(struct clo_gpus *g, bool work);

#endif
