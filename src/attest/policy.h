/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy in memory (docs/POLICY.md is its format). What a policy doesn't say has its strict default here already,
 * so that no check has to think about absence.
 */
#ifndef CLO_ATTEST_POLICY_H
#define CLO_ATTEST_POLICY_H

#include <cloister/verify.h>

#include "attest/snp_report.h"

#define CLO_POLICY_MAX           (1u << 20)
#define CLO_POLICY_LIST_MAX      1024
#define CLO_POLICY_TEXTS_MAX     16

#define CLO_POLICY_MANIFESTS_MAX 16
#define CLO_POLICY_MANIFEST_MAX  16384 /* bytes of one */
#define CLO_POLICY_REPLICAS_MAX  16
#define CLO_POLICY_URL_MAX       512

/* Values of one length: digests and ids. */
struct clo_policy_list {
    bool given; /* the policy has this member */
    size_t width, count;
    uint8_t *item; /* count * width bytes */
};
bool clo_policy_list_has(const struct clo_policy_list *l, const uint8_t *value);

struct clo_policy_texts {
    bool given;
    size_t count;
    char text[CLO_POLICY_TEXTS_MAX][128];
};
bool clo_policy_texts_have(const struct clo_policy_texts *l, const char *value);

struct clo_policy_product {
    bool admitted;
    struct clo_snp_tcb min_tcb, min_launch_tcb; /* raw isn't set */
    struct clo_snp_firmware min_firmware;
};

struct clo_policy_snp {
    struct clo_policy_product product[CLO_SNP_PRODUCTS];
    uint8_t vmpl;
    uint8_t min_abi_major, min_abi_minor;
    bool allow_smt, allow_cxl, allow_provisional, allow_masked_chip;
    uint64_t require_guest;    /* POLICY bits */
    uint64_t require_platform; /* PLATFORM_INFO bits */
    bool vcek, vlek;
    struct clo_policy_texts csp_ids;
    struct clo_policy_list chip_ids;
    struct clo_policy_list host_data, id_keys, author_keys; /* not given: must be zero */
    uint32_t min_guest_svn;
    uint64_t mitigations; /* bits of both mitigation vectors */
};

struct cloister_policy {
    uint8_t digest[32];
    char name[128];
    bool sev_snp, simulated;
    struct clo_policy_list measurements;
    struct clo_policy_snp snp;
    struct clo_policy_list roots; /* simulated: SHA-256 of root certificates */
    uint32_t min_devices;
    struct clo_policy_list models;
    struct clo_policy_texts releases;
    struct clo_policy_list manifests; /* SHA-256 of the pinned manifests' bytes */
    char *replica[CLO_POLICY_REPLICAS_MAX];
    size_t replicas;
    bool allow_unmanaged;
    bool x25519;
    uint16_t aead[8]; /* in order of preference */
    size_t aeads;
    int64_t max_age_s;
};

#endif
