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
    /* The same, borrowed, where they were parsed before; NULL for all or for one: not yet. */
    const struct clo_cert *const *parsed;
    const struct clo_collateral *collateral;
    bool
        simulated; /* root from the chain, its digest pinned by the policy; without one, by roots */
    /* the check that says whether REPORT_DATA is right: BINDING_REPORT_DATA, or AZURE_RUNTIME */
    enum cloister_check_id data_check;
    const uint8_t *
        report_data; /* the 64 bytes expected; NULL: the caller has none, and the check is missing */
    bool any_report_data; /* the caller wants none: not applicable */
};
/* What the rest of an appraisal rests on. */
struct clo_hw_result {
    bool authentic;          /* root, chain and signature are right */
    bool bound;              /* and the report data is the expected one */
    bool measured;           /* and the measurement is one that the policy pins */
    uint8_t measurement[48]; /* as cloister_verdict has it */
};
/*
 * Run every snp.* check and in->data_check and add them to the verdict. policy NULL: checks that need one are missing. What a report claims passes only
 * when the report is authentic (root, chain and signature); a wrong claim fails even then. valid_until is lowered to
 * the earliest end of certificates and CRL. Returns 0 when the checks could be made (pass or fail: the verdict says), an
 * error only for E_MEMORY/E_CRYPTO.
 */
CLO_MUST_USE int clo_snp_appraise(const struct clo_snp_input *in,
                                  const struct cloister_policy *policy,
                                  const struct cloister_roots *roots, int64_t now,
                                  struct clo_verdict_builder *vb, struct clo_hw_result *ret);

#endif
