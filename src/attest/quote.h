/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's DCAP quotes: TDX (versions 4 and 5) and SGX (versions 3 to 5), and the collateral that they are judged by (Intel PCS version 4
 * answers). The signature is verified over the bytes as received, collateral over the verbatim bytes of its inner object.
 * Parsers in quote_parse.h and collateral_intel.h. Fuzzed by fuzz/fuzz_quote.c, fuzz/fuzz_tcb_info.c and fuzz/fuzz_qe_identity.c.
 */
#ifndef CLO_ATTEST_QUOTE_H
#define CLO_ATTEST_QUOTE_H

#include "attest/policy.h"
#include "attest/roots.h"
#include "attest/sections.h"
#include "attest/snp.h"
#include "attest/verdict.h"

struct clo_quote_input {
    bool sgx; /* an SGX quote is wanted; else a TDX one */
    const uint8_t *quote;
    size_t quote_n;
    /* The PCK chain where the quote has none inside (raw appraisal only); leaf first. */
    const struct clo_buf *chain;
    size_t chain_n;
    const struct clo_collateral *collateral;
    const uint8_t *event_log; /* CCEL; NULL: none */
    size_t event_log_n;
    enum cloister_check_id data_check; /* as in clo_snp_input, with the next two */
    const uint8_t *report_data;
    bool any_report_data;
};
/*
 * Run every quote.* check, every tdx.* or every sgx.* check, and in->data_check. Rules as clo_snp_appraise. policy NULL:
 * checks that need one are missing.
 */
CLO_MUST_USE int clo_quote_appraise(const struct clo_quote_input *in,
                                    const struct cloister_policy *policy,
                                    const struct cloister_roots *roots, int64_t now,
                                    struct clo_verdict_builder *vb, struct clo_hw_result *ret);

#endif
