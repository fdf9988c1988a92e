/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of NVIDIA's appraisal share: certificates, chains and what OCSP says of them, reference values. */
#ifndef CLO_ATTEST_NVIDIA_IN_H
#define CLO_ATTEST_NVIDIA_IN_H

#include "attest/nvidia.h"
#include "attest/spdm.h"
#include "crypto/ocsp.h"
#include "crypto/x509.h"

/* ---- nvidia_cert.c: what a device's certificates say ---- */

#define CLO_GPU_CHIP_LEN 16
/* "GH100", "GB202", "LS_10": the first word of a device certificate's CN; "" if there is none. */
void clo_gpu_cert_chip(const struct clo_cert *c, char dst[CLO_GPU_CHIP_LEN]);
enum clo_gpu_arch clo_gpu_chip_arch(const char *chip);
/* "hopper", "blackwell", "ls10", "unknown" */
const char *clo_gpu_arch_name(enum clo_gpu_arch a);
enum clo_gpu_arch clo_gpu_arch_of(const char *name);
struct clo_gpu_fwid {
    uint8_t digest[CLO_SPDM_DIGEST_LEN]; /* SHA-384 over the firmware that holds the leaf's key */
    bool has_device_key;
    uint8_t device_key
        [CLO_SHA256_LEN]; /* SHA-256 over the SubjectPublicKeyInfo of the key that signed the leaf */
};
/*
 * The leaf's firmware id (TCG DICE attestation architecture): Hopper and LS10 have a CompositeDeviceID, Blackwell a
 * DiceTcbInfo, whose first fwid it is. CLOISTER_E_NOT_FOUND without the extension.
 */
CLO_MUST_USE int clo_gpu_fwid_read(const struct clo_cert *leaf, enum clo_gpu_arch arch,
                                   struct clo_gpu_fwid *ret);

/* ---- nvidia_chain.c: who signed whom, and what has been revoked ---- */

/* What OCSP says of a certificate, by the newest answer that its issuer signed. */
struct clo_gpu_revocation {
    bool answered;       /* there is one */
    bool unsigned_there; /* there are answers, and the issuer signed none */
    struct clo_ocsp_answer answer;
    int64_t until; /* the answer's end or its responder's, whichever is first */
};
/* Many devices share intermediates: one certificate, as bytes, is decoded and judged once in a call. */
struct clo_gpu_cert {
    const uint8_t *der;
    size_t n;
    const struct clo_cert *cert; /* NULL: can't be read */
    struct clo_cert *owned;
    const struct clo_cert *issuer; /* the certificate that the next two are about */
    bool signed_by_issuer;
    bool looked_up;
    struct clo_gpu_revocation revocation;
};
struct clo_gpu_answer {
    struct clo_ocsp *ocsp; /* NULL: can't be read */
    bool asked;
    uint8_t issuer_key[CLO_SHA256_LEN]; /* whose signature the next two are about */
    bool signed_by_issuer;
    int64_t until;
};
struct clo_gpu_chains {
    const struct clo_collateral *collateral;
    const struct clo_cert *root; /* NULL: none is pinned */
    const struct clo_root *pin;
    int64_t now;
    struct clo_gpu_cert *cert; /* heap */
    size_t certs;
    struct clo_gpu_answer answer[CLO_OCSPS_MAX];
    bool answer_malformed; /* one that came isn't an OCSP response */
};
/* Room for the devices' certificates; decodes the root and the answers. */
CLO_MUST_USE int clo_gpu_chains_init(struct clo_gpu_chains *c, const struct clo_gpu_input *in,
                                     const struct cloister_roots *roots, int64_t now);
void clo_gpu_chains_clear(struct clo_gpu_chains *c);
/* One device's chain, leaf first, without the root. */
struct clo_gpu_chain {
    struct clo_gpu_cert *cert[CLO_DEVICE_CHAIN_MAX];
    size_t n;
    bool readable; /* a leaf and at least one authority, all decoded */
    bool root_ok;  /* the pinned root signed the last one */
    bool links_ok; /* each is signed by the next, which may sign certificates; the leaf may not */
    bool device_above; /* not links_ok: one above the second is a device's own */
};
CLO_MUST_USE int clo_gpu_chain_load(struct clo_gpu_chains *c, const struct clo_device *d,
                                    struct clo_gpu_chain *ret);
/* Of certificate i. */
CLO_MUST_USE int clo_gpu_chain_revocation(struct clo_gpu_chains *c, const struct clo_gpu_chain *k,
                                          size_t i, const struct clo_gpu_revocation **ret);

/* ---- nvidia_reference.c: what runs, and what should ---- */

/* Dotted numbers of this base, compared by component; a missing one is 0. False if either isn't one. */
bool clo_gpu_version_at_least(const char *version, const char *floor, unsigned base, bool *ret);
/* What a report says that it runs on; each text "" where it says nothing readable. */
struct clo_gpu_running {
    enum clo_gpu_arch arch;
    char chip[CLO_GPU_CHIP_LEN];
    char driver[64], vbios[CLO_SPDM_VBIOS_LEN];
    char project[16], project_sku[16], chip_sku[16];
};
/* The reference values of this kind for what runs. NULL for none, or (*ambiguous) for several that fit equally well. */
const struct clo_reference *clo_gpu_reference_find(const struct clo_policy_devices *policy,
                                                   enum clo_reference_kind kind,
                                                   const struct clo_gpu_running *run,
                                                   bool *ambiguous);
/* The id under which NVIDIA publishes them. */
void clo_gpu_rim_id(enum clo_reference_kind kind, const struct clo_gpu_running *run, char *dst,
                    size_t cap);
struct clo_gpu_comparison {
    size_t compared, different;
    size_t first;                     /* the first index that differs */
    const uint8_t *expected, *actual; /* there, 48 bytes; actual NULL: no such measurement */
};
/* Every active index, but those in `skip`; adds to *ret. */
void clo_gpu_compare(const struct clo_reference *ref, const struct clo_spdm_report *r,
                     uint64_t skip, struct clo_gpu_comparison *ret);

#endif
