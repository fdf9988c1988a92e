/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Azure's envelope without certificates or a quote: it may keep its format and be of a kind, but nothing that it says passes; and whatever it says,
 * each check is made once.
 */
#include <string.h>

#include "attest/azure.h"
#include "attest/hcl.h"
#include "fuzz.h"

static void check_fields(const uint8_t *data, size_t size)
{
    struct clo_hcl_runtime r = {0};
    struct clo_hcl h = {0};
    bool tdx = false;
    const int err = clo_hcl_parse(data, size, &h);

    FUZZ_CHECK((clo_azure_is_tdx(data, size, &tdx) == 0) == (err == 0));
    if (err == 0) {
        FUZZ_CHECK(h.report == data + CLO_HCL_HW_OFFSET);
        FUZZ_CHECK(h.runtime == data + CLO_HCL_RUNTIME_OFFSET);
        FUZZ_CHECK(h.runtime_n <= size - CLO_HCL_RUNTIME_OFFSET);
        FUZZ_CHECK(tdx == (h.report_type == CLO_HCL_TDX));
    }
    /* The runtime data alone too, so that a mutation need not get the envelope right. */
    if (clo_hcl_runtime_parse(data, size, &r) == 0) {
        FUZZ_CHECK(r.modulus_n <= sizeof r.modulus && memchr(r.vm_id, 0, sizeof r.vm_id) != NULL);
        FUZZ_CHECK(r.keys != 1 || r.key_wrong != NULL || r.modulus_n >= 256);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct clo_collateral none;
    static const uint8_t expected[32];
    const struct clo_azure_input in = {
        .hcl = data,
        .hcl_n = size,
        .collateral = &none,
        .expected = expected,
        .expected_n = sizeof expected,
    };
    static struct clo_verdict_builder vb;
    struct clo_hw_result hw = {0};
    bool tdx = false;

    check_fields(data, size);
    if (clo_azure_is_tdx(data, size, &tdx) != 0)
        tdx = size % 2 == 1;
    clo_vb_init(&vb);
    clo_vb_keep_families(&vb, CLO_FAMILY_AZURE | CLO_FAMILY_TPM |
                                  (tdx ? CLO_FAMILY_QUOTE | CLO_FAMILY_TDX : CLO_FAMILY_SNP));
    FUZZ_CHECK(clo_azure_appraise(&in, NULL, cloister_roots_builtin(), 1795000000, &vb, &hw) == 0);
    FUZZ_CHECK(!vb.twice && !hw.authentic && !hw.bound && !hw.measured);
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
        const unsigned id = vb.check[i].id;

        if (id == CLOISTER_CHECK_BINDING_REPORT_DATA ||
            (id >= CLOISTER_CHECK_AZURE_RUNTIME && id <= CLOISTER_CHECK_TPM_EVENT_LOG &&
             id != CLOISTER_CHECK_TPM_KEY))
            FUZZ_CHECK(vb.check[i].status != CLOISTER_CHECK_PASS);
    }
    FUZZ_CHECK(clo_vb_count(&vb, CLO_FAMILY_AZURE | CLO_FAMILY_TPM, CLOISTER_CHECK_NONE) == 0);
    return 0;
}
