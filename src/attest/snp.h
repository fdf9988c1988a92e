/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AMD SEV-SNP attestation reports (AMD document 56860, table "ATTESTATION_REPORT"), versions 2 to 5: parsing, the VCEK's and VLEK's
 * extensions, and appraisal. The signature is verified over the bytes as received.
 * Fuzzed by fuzz/fuzz_snp_report.c and fuzz/fuzz_cert_ext.c.
 */
#ifndef CLO_ATTEST_SNP_H
#define CLO_ATTEST_SNP_H

#include "attest/policy.h"
#include "attest/roots.h"
#include "attest/sections.h"
#include "attest/snp_report.h"
#include "attest/verdict.h"

struct clo_snp_input {
    const uint8_t *report; /* as received */
    size_t report_n;
    const struct clo_buf *chain; /* leaf, ASK or ASVK [, root for `simulated`] */
    size_t chain_n;
    const struct clo_collateral *collateral;
    bool simulated; /* root from the chain, its digest pinned by the policy */
};
/*
 * Run every snp.* check and binding.report_data and add them to the verdict. What a report claims passes only
 * when the report is authentic (root, chain and signature); a wrong claim fails even then. valid_until is lowered to
 * the earliest end of certificates and CRL. Returns 0 when the checks could be made (pass or fail: the verdict says), an
 * error only for E_MEMORY/E_CRYPTO.
 */
CLO_MUST_USE int clo_snp_appraise(const struct clo_snp_input *in, const uint8_t report_data[64],
                                  const struct cloister_policy *policy,
                                  const struct cloister_roots *roots, int64_t now,
                                  struct clo_verdict_builder *vb);

#endif
