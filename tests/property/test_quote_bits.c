/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No flipped bit is taken for anything else: quotes of every version and body, and their collateral, out of the laboratory. The other
 * kinds are in test_evidence_bits.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lab/quote.h"
#include "evidence_bits.h"

static void survives_no_flipped_bit(const struct quote_recipe *r)
{
    struct quote_evidence e;
    struct subject s = {
        .type = r->sgx ? CLOISTER_RAW_SGX : CLOISTER_RAW_TDX,
        .expect = r->report_data,
        .expect_n = sizeof r->report_data,
        .now = r->now,
    };

    quote_lab_make(r, &e);
    (void)subject_copy(&s, CLOISTER_ITEM_REPORT, e.quote.p, e.quote.len);
    (void)subject_copy(&s, CLOISTER_ITEM_TCB_INFO, e.collateral.tcb_info.p,
                       e.collateral.tcb_info.len);
    (void)subject_copy(&s, CLOISTER_ITEM_QE_IDENTITY, e.collateral.qe_identity.p,
                       e.collateral.qe_identity.len);
    for (size_t i = 0; i < e.collateral.collateral_chain_n; i++)
        (void)subject_copy(&s, CLOISTER_ITEM_COLLATERAL_CHAIN, e.collateral.collateral_chain[i].p,
                           e.collateral.collateral_chain[i].len);
    subject_add_crls(&s, &e.collateral);
    s.policy = e.policy;
    s.roots = e.roots;
    e.roots = NULL;
    subject_check(&s);
    quote_lab_clear(&e);
}

static void a_tds_quote_of_version_4_survives_no_flipped_bit(void **state)
{
    const struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10);

    (void)state;
    survives_no_flipped_bit(&r);
}

static void a_tds_quote_of_version_5_survives_no_flipped_bit(void **state)
{
    const struct quote_recipe r = quote_lab_td(5, CLO_QUOTE_BODY_TD15);

    (void)state;
    survives_no_flipped_bit(&r);
}

static void an_enclaves_quote_survives_no_flipped_bit(void **state)
{
    const struct quote_recipe r = quote_lab_enclave(3);

    (void)state;
    survives_no_flipped_bit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tds_quote_of_version_4_survives_no_flipped_bit),
        cmocka_unit_test(a_tds_quote_of_version_5_survives_no_flipped_bit),
        cmocka_unit_test(an_enclaves_quote_survives_no_flipped_bit),
    };

    return cmocka_run_group_tests(tests, quote_lab_open, quote_lab_close);
}
