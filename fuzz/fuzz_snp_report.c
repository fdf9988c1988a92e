/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SEV-SNP report without certificates: whatever it says, each check is made, and none of its claims
 * passes.
 */
#include <string.h>

#include "attest/snp.h"
#include "fuzz.h"

static const char policy_text[] =
    "{\"v\":1,\"name\":\"fuzz\",\"tee\":[\"sev-snp\"],\"measurements\":[],\"sev_snp\":{\"products\":{"
    "\"milan\":{\"min_tcb\":{\"bl\":0,\"tee\":0,\"snp\":0,\"ucode\":0},\"min_firmware\":\"0.0.0\"},"
    "\"genoa\":{\"min_tcb\":{\"bl\":0,\"tee\":0,\"snp\":0,\"ucode\":0},\"min_firmware\":\"0.0.0\"},"
    "\"turin\":{\"min_tcb\":{\"fmc\":0,\"bl\":0,\"tee\":0,\"snp\":0,\"ucode\":0},"
    "\"min_firmware\":\"0.0.0\"}},\"allow_smt\":true,\"allow_provisional\":true,"
    "\"require_platform\":[]}}";

static void check_fields(const struct clo_snp_report *r, const uint8_t *data)
{
    struct clo_snp_tcb t = {0};

    FUZZ_CHECK(memcmp(r->measurement, data + 0x90, sizeof(r->measurement)) == 0);
    FUZZ_CHECK(r->r[47] == data[0x2a0] && r->s[0] == data[0x2e8 + 47]);
    for (unsigned p = CLO_SNP_UNKNOWN; p < CLO_SNP_PRODUCTS; p++)
        if (clo_snp_tcb_decode(p, r->reported_tcb, &t) == 0)
            FUZZ_CHECK(clo_snp_tcb_at_least(&t, &t));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct clo_collateral none;
    const uint8_t report_data[64] = {0};
    const struct clo_snp_input in = {.report = data,
                                     .report_n = size,
                                     .collateral = &none,
                                     .data_check = CLOISTER_CHECK_BINDING_REPORT_DATA,
                                     .report_data = report_data};
    static struct clo_verdict_builder vb;
    struct clo_hw_result hw = {0};
    struct cloister_policy *policy = NULL;
    struct clo_snp_report r = {0};

    FUZZ_CHECK((clo_snp_report_parse(data, size, &r) == 0) == (size == CLO_SNP_REPORT_LEN));
    if (size == CLO_SNP_REPORT_LEN)
        check_fields(&r, data);
    FUZZ_CHECK(cloister_policy_parse(policy_text, sizeof(policy_text) - 1, &policy) == 0);
    clo_vb_init(&vb);
    FUZZ_CHECK(clo_snp_appraise(&in, policy, cloister_roots_builtin(), 1795000000, &vb, &hw) == 0);
    FUZZ_CHECK(!vb.twice && !hw.authentic && !hw.bound && !hw.measured);
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++)
        if (vb.check[i].id >= CLOISTER_CHECK_SNP_PRODUCT)
            FUZZ_CHECK(vb.check[i].status != CLOISTER_CHECK_PASS);
    cloister_policy_free(policy);
    return 0;
}
