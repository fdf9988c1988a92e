/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TPM's structures: what the reader takes, tss2-mu writes back byte for byte, so that there is one way only to say a thing; and a
 * quote without a key is nobody's, whatever it says.
 */
#include <string.h>
#include <tss2/tss2_mu.h>

#include "attest/tpm.h"
#include "attest/tpm_quote.h"
#include "fuzz.h"

static void check_quote(const uint8_t *data, size_t size)
{
    struct clo_tpm_quote q = {0};
    uint8_t again[CLO_TPM_QUOTE_MAX];
    TPMS_ATTEST a = {0};
    size_t at = 0, end = 0;

    if (clo_tpm_quote_parse(data, size, &q) != 0)
        return;
    FUZZ_CHECK(size <= sizeof again && q.extra_n <= sizeof q.extra);
    FUZZ_CHECK(q.digest_n <= sizeof q.digest && q.banks <= CLO_TPM_BANKS_MAX);
    for (size_t i = 0; i < q.banks; i++)
        FUZZ_CHECK(q.bank[i].pcrs >> CLO_POLICY_PCRS == 0);
    FUZZ_CHECK(Tss2_MU_TPMS_ATTEST_Unmarshal(data, size, &at, &a) == 0 && at == size);
    FUZZ_CHECK(Tss2_MU_TPMS_ATTEST_Marshal(&a, again, sizeof again, &end) == 0 && end == size);
    FUZZ_CHECK(memcmp(again, data, size) == 0);
}

static void check_key(const uint8_t *data, size_t size)
{
    struct clo_key *key = NULL;
    bool restricted = false;
    uint8_t digest[CLO_SHA256_LEN];

    if (clo_tpm_key_from_public(data, size, &key, &restricted) != 0) {
        FUZZ_CHECK(key == NULL && !restricted);
        return;
    }
    FUZZ_CHECK(clo_key_digest(key, digest) == 0);
    clo_key_free(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t pcrs[24 * 32], expected[32];
    const struct clo_tpm_input in = {
        .quote = data,
        .quote_n = size,
        .signature = data,
        .signature_n = size,
        .pcrs = pcrs,
        .pcrs_n = sizeof pcrs,
        .key_restricted = true,
        .key_trust = CLOISTER_CHECK_PASS,
        .expected = expected,
        .expected_n = sizeof expected,
    };
    static struct clo_verdict_builder vb;
    struct clo_tpm_signature s = {0};
    struct clo_tpm_result r = {0};

    check_quote(data, size);
    check_key(data, size);
    if (clo_tpm_signature_parse(data, size, &s) == 0)
        FUZZ_CHECK(s.sig_n <= sizeof s.sig);
    clo_vb_init(&vb);
    FUZZ_CHECK(clo_tpm_appraise(&in, NULL, &vb, &r) == 0);
    FUZZ_CHECK(!vb.twice && !r.authentic && !r.bound && !r.measured);
    for (unsigned id = CLOISTER_CHECK_TPM_KEY; id <= CLOISTER_CHECK_TPM_EVENT_LOG; id++)
        if (id != CLOISTER_CHECK_TPM_ALGORITHM)
            FUZZ_CHECK(clo_vb_status(&vb, id) != CLOISTER_CHECK_PASS &&
                       clo_vb_status(&vb, id) != CLOISTER_CHECK_NONE);
    return 0;
}
