/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launch measurement that SEV-SNP firmware computes while a guest's first pages are put in place (AMD document 56860, section 8.17:
 * SNP_LAUNCH_UPDATE, PAGE_INFO): what the MEASUREMENT of a report must be for a firmware image, a kernel with its command line, and so many
 * processors. Firmware is OVMF's (edk2, OvmfPkg): a table of GUIDs at its end names its SEV metadata. Kernel, initrd and
 * command line are measured as QEMU's table of hashes (kernel-hashes=on).
 *
 * Limits: firmware of 64 MiB, 64 entries in its table, 64 sections of 256 MiB together, 4,096 processors. Fuzzed by fuzz/fuzz_snp_launch.c.
 */
#ifndef CLO_ATTEST_SNP_LAUNCH_H
#define CLO_ATTEST_SNP_LAUNCH_H

#include "base/rw.h"

#define CLO_SNP_FIRMWARE_MAX (64u << 20)
#define CLO_SNP_VCPUS_MAX    4096

/* Who starts the guest: each sets its processors' first registers in its own way. */
enum clo_snp_vmm {
    CLO_VMM_QEMU,
    CLO_VMM_EC2,
    CLO_VMM_GCE,
};
struct clo_snp_launch {
    const uint8_t *firmware;
    size_t firmware_n;
    bool kernel; /* the next three are measured, too */
    uint8_t kernel_sha256[32];
    uint8_t initrd_sha256[32];  /* of no bytes, if there is none */
    uint8_t cmdline_sha256[32]; /* of the text and a zero byte */
    uint32_t vcpus;
    uint32_t vcpu_signature; /* CPUID 1, EAX: counts with QEMU only */
    uint64_t guest_features; /* SEV_FEATURES; bit 0 is SNP itself */
    enum clo_snp_vmm vmm;
};
enum clo_snp_launch_problem {
    CLO_LAUNCH_OK,
    CLO_LAUNCH_SIZE,        /* not whole pages, or too large */
    CLO_LAUNCH_TABLE,       /* its table of GUIDs breaks its format */
    CLO_LAUNCH_NO_METADATA, /* firmware without SEV-SNP metadata: it starts no such guest */
    CLO_LAUNCH_METADATA,    /* they break their format */
    CLO_LAUNCH_SECTION,     /* a kind of section that this version doesn't know */
    CLO_LAUNCH_NO_HASHES, /* a kernel, but firmware that doesn't check one: it would be started unmeasured */
    CLO_LAUNCH_NO_RESET, /* several processors, and nothing that says where the others begin */
};
/* CLOISTER_E_MALFORMED, E_LIMIT or E_UNSUPPORTED: *ret_problem says why. CLOISTER_E_ARGUMENT for a number of processors beyond its limits. */
CLO_MUST_USE int clo_snp_launch_measure(const struct clo_snp_launch *in, uint8_t ret[48],
                                        enum clo_snp_launch_problem *ret_problem);
/* CPUID 1, EAX (AMD document 25481). */
uint32_t clo_cpu_signature(unsigned family, unsigned model, unsigned stepping);
/* That of QEMU's processor "EPYC-v4", ...; false for another name. The i-th name; NULL beyond the last. */
bool clo_cpu_signature_find(const char *name, uint32_t *ret);
const char *clo_cpu_name(size_t i);

#endif
