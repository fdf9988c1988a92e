/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What evidence shows, of whatever kind: unverified, for proposing a policy and for comparing with one. Nothing here
 * says whether it is true.
 */
#ifndef CLO_CLIENT_POLICY_SHOWN_H
#define CLO_CLIENT_POLICY_SHOWN_H

#include "attest/bundle.h"
#include "attest/hcl.h"
#include "attest/kind.h"
#include "attest/nvidia_in.h"
#include "attest/quote_parse.h"
#include "attest/snp_report.h"
#include "base/enc.h"

/* The quoted PCRs; their values are of the bank's length. */
struct clo_shown_tpm {
    bool there;
    uint16_t bank;      /* TPM_ALG_ID: SHA-256 or SHA-384 */
    uint32_t selection; /* bit i: value[i] was quoted */
    uint8_t value[CLO_POLICY_PCRS][48];
};
struct clo_shown_device {
    struct clo_gpu_running run; /* arch CLO_GPU_LS10: a switch */
    enum clo_gpu_mode mode;
};

struct clo_shown {
    enum clo_kind kind;
    /* SEV-SNP and simulated */
    struct clo_snp_report report;
    enum clo_snp_product product; /* by the report, else by its certificate */
    char csp_id[128];             /* the provider whose VLEK signed; "" for none */
    uint8_t root[32];             /* simulated: SHA-256 of the root that came along */
    /* Intel */
    struct clo_td_report td;
    struct clo_sgx_report sgx;
    bool has_number;
    uint32_t number; /* tcbEvaluationDataNumber of the collateral that came along */

    struct clo_hcl_runtime azure;
    struct clo_shown_tpm tpm;
    struct clo_shown_device *device; /* heap */
    size_t devices;

    bool has_manifest; /* raw evidence has none */
    struct clo_manifest manifest;
    uint8_t manifest_digest[32];
    char manifest_b64[CLO_B64_LEN(CLO_POLICY_MANIFEST_MAX) + 1]; /* "": too long to be pinned */
};
/* CLOISTER_E_UNSUPPORTED for what this version can't pin. *ret is as large as a manifest: not for a small stack. */
CLO_MUST_USE int clo_shown_read(const struct cloister_evidence *e, struct clo_shown *ret);
CLO_MUST_USE int clo_shown_read_raw(const struct clo_bundle *b, struct clo_shown *ret);
void clo_shown_clear(struct clo_shown *s);

static inline bool clo_shown_is_snp(const struct clo_shown *s)
{
    return s->kind == CLO_KIND_SIMULATED || s->kind == CLO_KIND_SNP ||
           s->kind == CLO_KIND_SNP_AZURE;
}
static inline bool clo_shown_is_tdx(const struct clo_shown *s)
{
    return s->kind == CLO_KIND_TDX || s->kind == CLO_KIND_TDX_AZURE;
}
static inline bool clo_shown_is_azure(const struct clo_shown *s)
{
    return s->kind == CLO_KIND_SNP_AZURE || s->kind == CLO_KIND_TDX_AZURE;
}

#endif
