/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What we use of NVML's binary interface, written down from NVIDIA's API reference (structures' version 1, drivers 535 and
 * later), because the header comes with CUDA's toolkit and not with the driver. All numbers are unsigned int, and so are
 * 32 bits wide on every platform that has such GPUs. Sizes and places are asserted below.
 */
#ifndef CLO_PLATFORM_NVML_ABI_H
#define CLO_PLATFORM_NVML_ABI_H

#include <stddef.h>
#include <stdint.h>

/* nvmlReturn_t: all that we tell apart, and what the fake in the tests answers. */
enum nvml_return {
    NVML_OK = 0,
    NVML_E_UNINITIALIZED = 1,
    NVML_E_INVALID_ARGUMENT = 2,
    NVML_E_NOT_SUPPORTED = 3,
    NVML_E_NO_PERMISSION = 4,
    NVML_E_NOT_FOUND = 6,
    NVML_E_INSUFFICIENT_SIZE = 7,
    NVML_E_DRIVER_NOT_LOADED = 9,
    NVML_E_TIMEOUT = 10,
    NVML_E_IRQ_ISSUE = 11,
    NVML_E_LIBRARY_NOT_FOUND = 12,
    NVML_E_FUNCTION_NOT_FOUND = 13,
    NVML_E_GPU_IS_LOST = 15,
    NVML_E_RESET_REQUIRED = 16,
    NVML_E_OPERATING_SYSTEM = 17, /* "blocked by the operating system or a control group" */
    NVML_E_LIB_RM_VERSION_MISMATCH = 18,
    NVML_E_IN_USE = 19,
    NVML_E_MEMORY = 20,
    NVML_E_INSUFFICIENT_RESOURCES = 23,
    NVML_E_ARGUMENT_VERSION_MISMATCH = 25,
    NVML_E_NOT_READY = 27,
    NVML_E_GPU_NOT_FOUND = 28,
    NVML_E_INVALID_STATE = 29,
    NVML_E_UNKNOWN = 999,
};

typedef struct nvml_device_st *nvml_device; /* opaque */

/* nvmlDeviceGetArchitecture */
#define NVML_ARCH_HOPPER    9
#define NVML_ARCH_BLACKWELL 10

/* nvmlDeviceGetUUID: text with its zero byte; the longest that is documented */
#define NVML_UUID_MAX 96

/* nvmlDeviceGetMemoryInfo */
struct nvml_memory {
    unsigned long long total, available, used;
};

/* nvmlSystemGetConfComputeState */
struct nvml_cc_state {
    unsigned environment; /* NVML_CC_ENVIRONMENT_... */
    unsigned feature;     /* 1: confidential computing is on */
    unsigned devtools;    /* 1: developer tools are allowed */
};
#define NVML_CC_ENVIRONMENT_UNAVAILABLE 0
#define NVML_CC_ENVIRONMENT_SIMULATION  1
#define NVML_CC_ENVIRONMENT_PRODUCTION  2

/* nvmlSystemGetConfComputeSettings, from driver 550 on; the caller sets the version */
struct nvml_cc_settings {
    unsigned version;
    struct nvml_cc_state state;
    unsigned multi; /* NVML_CC_MULTI_... */
};
#define NVML_CC_SETTINGS_VERSION     (1u << 24 | (unsigned)sizeof(struct nvml_cc_settings))
#define NVML_CC_MULTI_NONE           0
#define NVML_CC_MULTI_PROTECTED_PCIE 1
#define NVML_CC_MULTI_NVLE           2 /* encrypted NVLink */

/* nvmlDeviceGetConfComputeGpuCertificate: text in PEM, leaf first; sizes are written by the driver */
struct nvml_cc_certificate {
    unsigned chain_size;
    unsigned attestation_chain_size;
    uint8_t chain[0x1000]; /* of the key that secures the session with the driver: not ours */
    uint8_t attestation_chain[0x1400]; /* of the key that signs reports */
};

/* nvmlDeviceGetConfComputeGpuAttestationReport: the caller sets the nonce */
struct nvml_cc_report {
    unsigned cec_present;
    unsigned report_size;
    unsigned cec_report_size;
    uint8_t nonce[0x20];
    uint8_t report[0x2000];
    uint8_t cec_report[0x1000]; /* of the board's own controller, where it has one */
};

_Static_assert(sizeof(unsigned) == 4 && sizeof(unsigned long long) == 8, "NVML's numbers");
_Static_assert(sizeof(struct nvml_memory) == 24, "nvmlMemory_t");
_Static_assert(sizeof(struct nvml_cc_state) == 12, "nvmlConfComputeSystemState_t");
_Static_assert(sizeof(struct nvml_cc_settings) == 20 && NVML_CC_SETTINGS_VERSION == 0x1000014,
               "nvmlSystemConfComputeSettings_v1_t");
_Static_assert(offsetof(struct nvml_cc_settings, state.environment) == 4 &&
                   offsetof(struct nvml_cc_settings, state.feature) == 8 &&
                   offsetof(struct nvml_cc_settings, state.devtools) == 12 &&
                   offsetof(struct nvml_cc_settings, multi) == 16,
               "nvmlSystemConfComputeSettings_v1_t");
_Static_assert(sizeof(struct nvml_cc_certificate) == 9224 &&
                   offsetof(struct nvml_cc_certificate, attestation_chain_size) == 4 &&
                   offsetof(struct nvml_cc_certificate, chain) == 8 &&
                   offsetof(struct nvml_cc_certificate, attestation_chain) == 4104,
               "nvmlConfComputeGpuCertificate_t");
_Static_assert(sizeof(struct nvml_cc_report) == 12332 &&
                   offsetof(struct nvml_cc_report, report_size) == 4 &&
                   offsetof(struct nvml_cc_report, cec_report_size) == 8 &&
                   offsetof(struct nvml_cc_report, nonce) == 12 &&
                   offsetof(struct nvml_cc_report, report) == 44 &&
                   offsetof(struct nvml_cc_report, cec_report) == 8236,
               "nvmlConfComputeGpuAttestationReport_t");

#endif
