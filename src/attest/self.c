/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Would a careful client take this for authentic? The verifier's own appraisal, without a policy: it then fails what is wrong
 * under every policy, passes what is right under every one, and calls the rest missing.
 */
#include <string.h>

#include "attest/azure.h"
#include "attest/gather.h"
#include "attest/kind.h"
#include "attest/nvidia.h"
#include "attest/self.h"

#define PASS(id)   [CLO_CHECK_PLACE_##id] = CLO_SELF_PASS
#define POLICY(id) [CLO_CHECK_PLACE_##id] = CLO_SELF_POLICY

const enum clo_self_want clo_self_want[CLO_CHECK_COUNT] = {
    /* The document's own: its other sections aren't there yet, or are what the caller has just made. */
    POLICY(EVIDENCE_COMPLETE),
    POLICY(EVIDENCE_FORMAT),
    POLICY(POLICY_TYPE),
    POLICY(POLICY_MEASUREMENTS),
    POLICY(EPOCH_TIME),
    POLICY(FRESHNESS_NONCE),
    PASS(BINDING_REPORT_DATA),
    POLICY(KEYS_SUITE),
    POLICY(MANIFEST_MODEL),
    POLICY(MANIFEST_UPSTREAM),
    POLICY(MANIFEST_MANAGED),
    POLICY(MANIFEST_RELEASE),
    POLICY(MANIFEST_PINNED),
    POLICY(MANIFEST_ENGINE),
    POLICY(MANIFEST_SHAPE),
    POLICY(DEVICES_COUNT),
    POLICY(DEVICES_APPRAISED),

    PASS(SNP_FORMAT),
    PASS(SNP_VERSION),
    PASS(SNP_SIGNATURE_ALGO),
    PASS(SNP_RESERVED),
    PASS(SNP_PRODUCT),
    PASS(SNP_CHAIN_PRESENT),
    PASS(SNP_ROOT),
    PASS(SNP_CHAIN),
    PASS(SNP_CHAIN_DATES),
    PASS(SNP_CRL),
    PASS(SNP_CRL_DATES),
    PASS(SNP_REVOKED),
    POLICY(SNP_SIGNING_KEY), /* which provider's VLEKs are admitted; a wrong kind of key fails */
    POLICY(SNP_CHIP), /* whether a VLEK, which names none, or a hidden one is; another chip fails */
    PASS(SNP_CERT_TCB),
    PASS(SNP_SIGNATURE),
    PASS(SNP_TCB_ORDER),
    POLICY(
        SNP_TCB_PROVISIONAL), /* passes where there is none; whether it is borne, a policy says */
    POLICY(SNP_TCB_MIN),      /* floors */
    POLICY(SNP_TCB_LAUNCH),
    POLICY(SNP_FIRMWARE_MIN),
    POLICY(SNP_MITIGATION),
    POLICY(SNP_POLICY_ABI),
    PASS(SNP_DEBUG),
    PASS(SNP_MIGRATION),
    POLICY(SNP_SMT), /* choices of whoever runs the machine, and of who trusts it */
    POLICY(SNP_GUEST_POLICY),
    POLICY(SNP_PLATFORM),
    POLICY(SNP_VMPL), /* under which paravisor, which image, whose */
    POLICY(SNP_MEASUREMENT),
    POLICY(SNP_HOST_DATA),
    POLICY(SNP_ID_KEY),
    POLICY(SNP_AUTHOR_KEY),
    POLICY(SNP_GUEST_SVN),

    PASS(QUOTE_FORMAT),
    PASS(QUOTE_VERSION),
    PASS(QUOTE_KEY_TYPE),
    PASS(QUOTE_QE_VENDOR),
    PASS(QUOTE_TRAILING),
    PASS(QUOTE_CHAIN_PRESENT),
    PASS(QUOTE_ROOT),
    PASS(QUOTE_CHAIN),
    PASS(QUOTE_CHAIN_DATES),
    PASS(QUOTE_CRL),
    PASS(QUOTE_CRL_DATES),
    PASS(QUOTE_REVOKED),
    PASS(QUOTE_PCK),
    PASS(QUOTE_QE_SIGNATURE),
    PASS(QUOTE_QE_BINDING),
    PASS(QUOTE_SIGNATURE),
    PASS(QUOTE_COLLATERAL),
    PASS(QUOTE_COLLATERAL_CHAIN),
    PASS(QUOTE_COLLATERAL_DATES),
    POLICY(QUOTE_COLLATERAL_NUMBER), /* a floor */
    PASS(QUOTE_TCB_INFO),
    PASS(QUOTE_QE_IDENTITY),
    POLICY(QUOTE_QE_TCB), /* which status is borne; "Revoked" and none at all fail */
    POLICY(QUOTE_TCB),
    POLICY(QUOTE_ADVISORIES),
    PASS(TDX_MODULE),
    POLICY(TDX_MODULE_TCB),
    PASS(TDX_DEBUG),
    POLICY(TDX_ATTRIBUTES), /* which are borne; unknown ones fail */
    POLICY(TDX_XFAM),
    POLICY(TDX_MEASUREMENT),
    POLICY(TDX_CONFIG),
    POLICY(TDX_OWNER),
    POLICY(TDX_SERVICE_TD),
    POLICY(TDX_EVENT_LOG), /* whether there has to be one; a wrong one fails */
    PASS(SGX_DEBUG),
    POLICY(SGX_ATTRIBUTES),
    POLICY(SGX_MEASUREMENT),
    POLICY(SGX_ISV),

    PASS(AZURE_FORMAT),
    PASS(AZURE_TYPE),
    PASS(AZURE_RUNTIME),
    PASS(AZURE_KEY),
    POLICY(AZURE_VM), /* secure boot, console; a VM without a TPM fails */
    PASS(TPM_FORMAT),
    PASS(TPM_KEY),
    PASS(TPM_KEY_TRUSTED),
    PASS(TPM_ALGORITHM),
    PASS(TPM_SIGNATURE),
    PASS(TPM_NONCE),
    POLICY(TPM_SELECTION), /* which PCRs, and their values */
    PASS(TPM_PCR_DIGEST),
    POLICY(TPM_PCRS),
    POLICY(TPM_EVENT_LOG), /* whether there has to be one; a wrong one fails */

    PASS(GPU_FORMAT),
    POLICY(GPU_ARCHITECTURE), /* which are admitted; what contradicts itself fails */
    PASS(GPU_CHAIN_PRESENT),
    PASS(GPU_ROOT),
    PASS(GPU_CHAIN),
    PASS(GPU_CHAIN_DATES),
    PASS(GPU_IDENTITY),
    PASS(GPU_OCSP),
    PASS(GPU_OCSP_DATES),
    PASS(GPU_REVOKED),
    PASS(GPU_SIGNATURE),
    PASS(GPU_NONCE),
    PASS(GPU_DISTINCT),
    POLICY(GPU_DRIVER), /* floors */
    POLICY(GPU_VBIOS),
    POLICY(GPU_REFERENCE), /* reference values are the policy's */
    POLICY(GPU_MEASUREMENTS),
    POLICY(GPU_MODE),
    POLICY(GPU_DEBUG),    /* reports show none: it follows from the reference values */
    POLICY(GPU_SWITCHES), /* whether they are asked for; one that isn't listed fails */
};

static const enum cloister_check_id check_id[CLO_CHECK_COUNT] = {
#define ID_(number, id, name, title) CLOISTER_CHECK_##id,
    CLOISTER_CHECK_LIST(ID_)
#undef ID_
};

static int appraise_cpu(const struct clo_self *s, enum clo_kind kind, int64_t now,
                        struct clo_verdict_builder *vb)
{
    const struct clo_cpu_section *c = s->cpu;
    const struct clo_snp_input snp = {
        .report = c->report,
        .report_n = c->report_n,
        .chain = c->chain,
        .chain_n = c->chain_n,
        .collateral = s->collateral,
        .simulated = kind == CLO_KIND_SIMULATED,
        .data_check = CLOISTER_CHECK_BINDING_REPORT_DATA,
        .report_data = s->report_data,
    };
    const struct clo_quote_input quote = {
        .quote = c->quote.p,
        .quote_n = c->quote.len,
        .collateral = s->collateral,
        .event_log = c->event_log.p,
        .event_log_n = c->event_log.len,
        .data_check = CLOISTER_CHECK_BINDING_REPORT_DATA,
        .report_data = s->report_data,
    };
    uint8_t expected[CLO_SHA256_LEN];
    const struct clo_azure_input azure = {
        .hcl = c->hcl.p,
        .hcl_n = c->hcl.len,
        .quote = c->quote.p,
        .quote_n = c->quote.len,
        .chain = c->chain,
        .chain_n = c->chain_n,
        .tpm_quote = c->tpm_quote.p,
        .tpm_quote_n = c->tpm_quote.len,
        .tpm_signature = c->tpm_signature.p,
        .tpm_signature_n = c->tpm_signature.len,
        .pcrs = c->pcrs.p,
        .pcrs_n = c->pcrs.len,
        .event_log = c->event_log.p,
        .event_log_n = c->event_log.len,
        .collateral = s->collateral,
        .expected = expected,
        .expected_n = sizeof expected,
    };
    struct clo_hw_result hw = {0};
    int err;

    switch (kind) {
    case CLO_KIND_SIMULATED:
    case CLO_KIND_SNP: return clo_snp_appraise(&snp, NULL, s->roots, now, vb, &hw);
    case CLO_KIND_TDX: return clo_quote_appraise(&quote, NULL, s->roots, now, vb, &hw);
    case CLO_KIND_SNP_AZURE:
    case CLO_KIND_TDX_AZURE:
        /* as the verifier does: a vTPM's qualifying data are shorter */
        err = clo_sha256(s->report_data, 64, expected);
        return err != 0 ? err : clo_azure_appraise(&azure, NULL, s->roots, now, vb, &hw);
    case CLO_KIND_SGX:
    case CLO_KIND_NVIDIA:
    case CLO_KIND_TPM:
    case CLO_KIND_UNKNOWN:
    case CLO_KINDS: break;
    }
    return CLOISTER_E_ARGUMENT;
}

/* Whose own checks say more than what follows from them for the evidence: these go first. */
static bool common(size_t place)
{
    return check_id[place] < CLOISTER_CHECK_SNP_FORMAT;
}

static bool holds(const struct clo_verdict_builder *vb, size_t place, bool cpu, bool failing)
{
    const enum cloister_check_status s = vb->check[place].status;

    if (failing)
        return s != CLOISTER_CHECK_FAIL;
    return s == CLOISTER_CHECK_PASS || clo_self_want[place] == CLO_SELF_POLICY || vb->out[place] ||
           (!cpu && check_id[place] == CLOISTER_CHECK_BINDING_REPORT_DATA);
}

/* The first that fails; else the first that has to pass and doesn't. */
static int judge(const struct clo_verdict_builder *vb, bool cpu, enum cloister_check_id *ret_check)
{
    for (unsigned round = 0; round < 4; round++)
        for (size_t i = 0; i < CLO_CHECK_COUNT; i++)
            if (common(i) == (round % 2 == 1) && !holds(vb, i, cpu, round < 2)) {
                *ret_check = check_id[i];
                return CLOISTER_E_REFUSED;
            }
    return vb->twice ? CLOISTER_E_REFUSED : 0;
}

int clo_self_appraise(const struct clo_self *self, int64_t now, enum cloister_check_id *ret_check,
                      int64_t *ret_until)
{
    const bool devices = self->devices != NULL && self->devices->count > 0;
    const struct clo_gpu_input gpu = {
        .devices = self->devices, .collateral = self->collateral, .nonce = self->nonce};
    struct clo_verdict_builder vb;
    enum clo_kind kind = CLO_KIND_UNKNOWN;
    int err = 0;

    *ret_check = CLOISTER_CHECK_NO_ID;
    if (self->collateral == NULL || self->roots == NULL || (self->cpu == NULL && !devices) ||
        (self->cpu != NULL && self->report_data == NULL) || (devices && self->nonce == NULL))
        return CLOISTER_E_ARGUMENT;
    if (self->cpu != NULL &&
        (kind = clo_kind_of_cpu(clo_cpu_kind(self->cpu->type))) == CLO_KIND_UNKNOWN)
        return CLOISTER_E_ARGUMENT;
    clo_vb_init(&vb);
    clo_vb_keep_families(&vb, clo_kind_families(kind) | (devices ? CLO_FAMILY_GPU : 0));
    if (self->cpu != NULL)
        err = appraise_cpu(self, kind, now, &vb);
    if (err == 0 && devices)
        err = clo_gpu_appraise(&gpu, NULL, self->roots, now, &vb);
    if (err == 0)
        err = judge(&vb, self->cpu != NULL, ret_check);
    if (err == 0)
        *ret_until = vb.valid_until;
    return err;
}
