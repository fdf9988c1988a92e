/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An Intel quote, and the same bytes as a PCK certificate's extension: what is read lies inside what was given, what is told to be signed is
 * the beginning, and whatever the quote says, each check is made once and none of its claims passes.
 */
#include <string.h>

#include "attest/quote.h"
#include "attest/quote_parse.h"
#include "fuzz.h"

static const char policy_text[] =
    "{\"v\":1,\"name\":\"fuzz\",\"tee\":[\"tdx\",\"sgx\"],\"revocation\":\"if-present\","
    "\"tdx\":{\"images\":[],\"tcb\":{\"min_evaluation_number\":0},\"allow_sept_ve\":true},"
    "\"sgx\":{\"enclaves\":[],\"tcb\":{\"min_evaluation_number\":0}},\"devices\":{\"min\":0}}";

static void inside(const uint8_t *data, size_t size, const uint8_t *p, size_t n)
{
    FUZZ_CHECK(p >= data && n <= size && (size_t)(p - data) <= size - n);
}

static void check_fields(const uint8_t *data, size_t size, const struct clo_quote *q)
{
    struct clo_buf chain[3] = {{0}, {0}, {0}};
    size_t count = 0;

    FUZZ_CHECK(q->signed_bytes == data && q->signed_n < size);
    inside(data, size, q->signature, 64);
    inside(data, size, q->key, 64);
    inside(data, size, q->qe_report, CLO_SGX_REPORT_LEN);
    inside(data, size, q->qe_signature, 64);
    inside(data, size, q->auth, q->auth_n);
    inside(data, size, q->certification, q->certification_n);
    inside(data, size, q->trailing, q->trailing_n);
    FUZZ_CHECK(q->trailing + q->trailing_n == data + size);
    FUZZ_CHECK(q->signature == data + q->signed_n + 4); /* nothing but a length between */
    FUZZ_CHECK(memcmp(q->qe.report_data, q->qe_report + 320, 64) == 0);
    if (q->header.body == CLO_QUOTE_BODY_SGX)
        FUZZ_CHECK(memcmp(q->sgx.report_data, data + q->signed_n - 64, 64) == 0);
    else
        FUZZ_CHECK(q->header.body == CLO_QUOTE_BODY_TD15
                       ? memcmp(q->td.mrservicetd, data + q->signed_n - 48, 48) == 0
                       : memcmp(q->td.report_data, data + q->signed_n - 64, 64) == 0);
    (void)(clo_quote_chain(q, chain, 3, &count) == 0);
    FUZZ_CHECK(count <= 3);
    for (size_t i = 0; i < 3; i++)
        clo_buf_clear(&chain[i]);
}

static void check_appraisal(const uint8_t *data, size_t size, bool sgx)
{
    static const struct clo_collateral none;
    const uint8_t report_data[64] = {0};
    const struct clo_quote_input in = {.sgx = sgx,
                                       .quote = data,
                                       .quote_n = size,
                                       .collateral = &none,
                                       .data_check = CLOISTER_CHECK_BINDING_REPORT_DATA,
                                       .report_data = report_data};
    static struct clo_verdict_builder vb;
    struct cloister_policy *policy = NULL;
    struct clo_hw_result hw = {0};

    FUZZ_CHECK(cloister_policy_parse(policy_text, sizeof(policy_text) - 1, &policy) == 0);
    clo_vb_init(&vb);
    FUZZ_CHECK(clo_quote_appraise(&in, policy, cloister_roots_builtin(), 1795000000, &vb, &hw) ==
               0);
    FUZZ_CHECK(!vb.twice && !hw.authentic && !hw.bound && !hw.measured);
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
        const struct cloister_check *c = &vb.check[i];

        if (c->id >= CLOISTER_CHECK_QUOTE_PCK)
            FUZZ_CHECK(c->status != CLOISTER_CHECK_PASS);
        if (c->id == CLOISTER_CHECK_QUOTE_FORMAT || c->id == CLOISTER_CHECK_QUOTE_SIGNATURE ||
            c->id == CLOISTER_CHECK_QUOTE_TCB)
            FUZZ_CHECK(c->status != CLOISTER_CHECK_NONE);
    }
    cloister_policy_free(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_quote_header h = {0};
    struct clo_quote q = {0};
    struct clo_pck pck = {0};

    if (clo_quote_parse(data, size, &q) == 0) {
        FUZZ_CHECK(clo_quote_header_parse(data, size, &h) == 0);
        FUZZ_CHECK(h.version == q.header.version && h.body == q.header.body);
        check_fields(data, size, &q);
    }
    (void)(clo_pck_parse(data, size, &pck) == 0);
    check_appraisal(data, size, false);
    check_appraisal(data, size, true);
    return 0;
}
