/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of evidence, and what a policy has to say about each. */
#include "attest/kind.h"

#include <stdio.h>
#include <string.h>

#define TEXT CLOISTER_CHECK_TEXT

static const struct {
    const char *name;
    unsigned families;
} kinds[CLO_KINDS] = {
    [CLO_KIND_UNKNOWN] = {"", 0},
    [CLO_KIND_SIMULATED] = {"simulated", CLO_FAMILY_SNP},
    [CLO_KIND_SNP] = {"sev-snp", CLO_FAMILY_SNP},
    [CLO_KIND_SNP_AZURE] = {"sev-snp-azure", CLO_FAMILY_SNP | CLO_FAMILY_AZURE | CLO_FAMILY_TPM},
    [CLO_KIND_TDX] = {"tdx", CLO_FAMILY_QUOTE | CLO_FAMILY_TDX},
    [CLO_KIND_TDX_AZURE] = {"tdx-azure",
                            CLO_FAMILY_QUOTE | CLO_FAMILY_TDX | CLO_FAMILY_AZURE | CLO_FAMILY_TPM},
    [CLO_KIND_SGX] = {"sgx", CLO_FAMILY_QUOTE | CLO_FAMILY_SGX},
    [CLO_KIND_NVIDIA] = {"nvidia", CLO_FAMILY_GPU},
    [CLO_KIND_TPM] = {"tpm", CLO_FAMILY_TPM},
};

enum clo_kind clo_kind_of_cpu(enum clo_cpu_kind cpu)
{
    switch (cpu) {
    case CLO_CPU_SIMULATED: return CLO_KIND_SIMULATED;
    case CLO_CPU_SNP: return CLO_KIND_SNP;
    case CLO_CPU_SNP_AZURE: return CLO_KIND_SNP_AZURE;
    case CLO_CPU_TDX: return CLO_KIND_TDX;
    case CLO_CPU_TDX_AZURE: return CLO_KIND_TDX_AZURE;
    case CLO_CPU_UNKNOWN: break;
    }
    return CLO_KIND_UNKNOWN;
}

const char *clo_kind_name(enum clo_kind kind)
{
    return (unsigned)kind < CLO_KINDS ? kinds[kind].name : "";
}

unsigned clo_kind_families(enum clo_kind kind)
{
    return (unsigned)kind < CLO_KINDS ? kinds[kind].families : 0;
}

static bool admits(const struct cloister_policy *p, enum clo_kind kind)
{
    switch (kind) {
    case CLO_KIND_SIMULATED: return p->simulated;
    case CLO_KIND_SNP: return p->sev_snp;
    case CLO_KIND_SNP_AZURE: return p->sev_snp_azure;
    case CLO_KIND_TDX: return p->tdx_plain;
    case CLO_KIND_TDX_AZURE: return p->tdx_azure;
    case CLO_KIND_SGX: return p->sgx_quote;
    case CLO_KIND_NVIDIA: return p->devices.references > 0;
    case CLO_KIND_TPM: return p->tpm.given;
    case CLO_KIND_UNKNOWN:
    case CLO_KINDS: break;
    }
    return false;
}

bool clo_kind_admit(enum clo_kind kind, const struct cloister_policy *policy,
                    struct clo_verdict_builder *vb)
{
    char expected[TEXT] = "none";
    size_t n = 0;
    bool ok;

    if (policy == NULL) {
        clo_vb_no_policy(vb, CLOISTER_CHECK_POLICY_TYPE, clo_kind_name(kind));
        return true;
    }
    ok = admits(policy, kind);
    for (unsigned k = CLO_KIND_UNKNOWN; k < CLO_KINDS; k++) /* eight short names always fit */
        if (admits(policy, k))
            n += (size_t)snprintf(expected + n, sizeof expected - n, "%s%s", n == 0 ? "" : ", ",
                                  clo_kind_name(k));
    clo_vb_set(vb, CLOISTER_CHECK_POLICY_TYPE, ok ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL,
               expected, clo_kind_name(kind),
               ok ? NULL : "the policy doesn't admit this kind of evidence");
    return ok;
}

void clo_kind_check_pins(enum clo_kind kind, const struct cloister_policy *policy,
                         struct clo_verdict_builder *vb)
{
    const bool tdx = kind == CLO_KIND_TDX || kind == CLO_KIND_TDX_AZURE;
    const bool azure = kind == CLO_KIND_SNP_AZURE || kind == CLO_KIND_TDX_AZURE;
    const size_t images = tdx ? policy->tdx.tds : policy->measurements.count;
    /* On Azure the hardware measures the paravisor alone: what else was started, the vTPM's PCRs say. */
    const bool ok = images > 0 && (!azure || policy->tpm.pcrs_n > 0);
    char actual[TEXT];

    if (azure)
        (void)snprintf(actual, sizeof actual, "%zu, and %zu of PCRs", images, policy->tpm.pcrs_n);
    else
        (void)snprintf(actual, sizeof actual, "%zu", images);
    clo_vb_set(vb, CLOISTER_CHECK_POLICY_MEASUREMENTS,
               ok ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL,
               azure ? "at least 1, and 1 of PCRs" : "at least 1", actual,
               ok ? NULL : "a policy that pins no image admits none");
}
