/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Azure confidential VMs. The paravisor's ("HCL") envelope holds a hardware report whose REPORT_DATA is the SHA-256 of
 * runtime data, which name the attestation key of the vTPM: the hardware vouches for the key, the key for the vTPM's quote.
 * With TDX the report in the envelope is only MACed: a signed quote over the same runtime data has to be there.
 * Fuzzed by fuzz/fuzz_hcl.c.
 */
#ifndef CLO_ATTEST_AZURE_H
#define CLO_ATTEST_AZURE_H

#include "attest/quote.h"
#include "attest/snp.h"
#include "attest/tpm.h"

struct clo_azure_input {
    const uint8_t *hcl;
    size_t hcl_n;
    const uint8_t *quote; /* TDX: the signed quote; NULL with SEV-SNP */
    size_t quote_n;
    const struct clo_buf *chain; /* SEV-SNP: leaf, ASK */
    size_t chain_n;
    const uint8_t *tpm_quote, *tpm_signature, *pcrs, *event_log;
    size_t tpm_quote_n, tpm_signature_n, pcrs_n, event_log_n;
    const struct clo_collateral *collateral;
    const uint8_t *expected; /* the vTPM quote's whole qualifying data; NULL: the caller has none */
    size_t expected_n;
    bool any_expected;
};
/* Which hardware report is inside; for a look before anything is judged. CLOISTER_E_MALFORMED if that can't be told. */
CLO_MUST_USE int clo_azure_is_tdx(const uint8_t *hcl, size_t n, bool *ret);
/*
 * Run every azure.*, tpm.* check, binding.report_data (the vTPM's quote covers the expected data and everything between it and the
 * hardware holds), and those of clo_snp_appraise or clo_quote_appraise with azure.runtime as their data check. The caller has
 * left the other hardware's families out.
 */
CLO_MUST_USE int clo_azure_appraise(const struct clo_azure_input *in,
                                    const struct cloister_policy *policy,
                                    const struct cloister_roots *roots, int64_t now,
                                    struct clo_verdict_builder *vb, struct clo_hw_result *ret);

#endif
