/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering for Intel's quotes: TDX, and TDX on Azure, where the quote itself has to be had first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lab/azure.h"
#include "lab/quote.h"
#include "tests/unit/gather_try.h"

struct machine {
    struct quote_recipe r;
    struct quote_evidence e;
    struct clo_buf pem, identity_pem; /* the signers of both documents, with their root */
    struct clo_cpu_section cpu;
    struct clo_gathered *g;
    struct clo_wants wants;
    struct clo_collateral made;
    enum cloister_check_id check;
    int64_t until;
};

static struct machine *machine_new(const struct quote_recipe *r)
{
    struct machine *m = calloc(1, sizeof *m);

    assert_non_null(m);
    m->r = *r;
    quote_lab_make(r, &m->e);
    (void)snprintf(m->cpu.type, sizeof m->cpu.type, "tdx");
    copy_into(&m->cpu.quote, &m->e.quote);
    m->pem = clo_buf_init(CLO_ANSWER_CHAIN_MAX);
    pem_append(&m->pem, &m->e.collateral.collateral_chain[0]);
    pem_append(&m->pem, &m->e.chain[2]);
    copy_into(&m->identity_pem, &m->pem);
    assert_int_equal(clo_gathered_new(&m->g), 0);
    return m;
}

static void machine_free(struct machine *m)
{
    quote_lab_clear(&m->e);
    clo_buf_clear(&m->pem);
    clo_buf_clear(&m->identity_pem);
    clo_cpu_section_clear(&m->cpu);
    clo_collateral_clear(&m->made);
    clo_gathered_free(m->g);
    clo_wants_clear(&m->wants);
    free(m);
}

static int wants(struct machine *m)
{
    clo_wants_clear(&m->wants);
    return clo_wants_of(&m->cpu, NULL, &m->wants);
}

static struct clo_answer service(const struct machine *m, enum clo_want_kind kind)
{
    switch (kind) {
    case CLO_WANT_INTEL_TCB_INFO: return answer_of(&m->e.collateral.tcb_info, &m->pem);
    case CLO_WANT_INTEL_QE_IDENTITY:
        return answer_of(&m->e.collateral.qe_identity, &m->identity_pem);
    case CLO_WANT_INTEL_PCK_CRL: return answer_of(&m->e.collateral.crl[1], NULL);
    case CLO_WANT_INTEL_ROOT_CRL: return answer_of(&m->e.collateral.crl[0], NULL);
    case CLO_WANT_AZURE_TD_QUOTE: return answer_of(&m->e.quote, NULL);
    default: break;
    }
    fail_msg("nobody answers that");
    return (struct clo_answer){0};
}

static int take(struct machine *m, const struct clo_want *w, const struct clo_answer *a)
{
    int64_t until = 0, renew = 0;

    return clo_gathered_put(m->g, w, a, m->r.now, &until, &renew);
}

static int answer(struct machine *m, size_t i)
{
    const struct clo_answer a = service(m, m->wants.want[i].kind);

    return take(m, &m->wants.want[i], &a);
}

static void answer_all(struct machine *m)
{
    for (size_t i = 0; i < m->wants.count; i++)
        assert_int_equal(answer(m, i), 0);
}

static int complete(struct machine *m, size_t *missing)
{
    clo_collateral_clear(&m->made);
    return clo_gathered_complete(m->g, &m->wants, m->r.now, &m->cpu, &m->made, missing);
}

static int appraise(struct machine *m)
{
    const struct clo_self self = {.cpu = &m->cpu,
                                  .report_data = m->r.report_data,
                                  .collateral = &m->made,
                                  .roots = m->e.roots};

    return clo_self_appraise(&self, m->r.now, &m->check, &m->until);
}

static const enum clo_want_kind all_four[] = {CLO_WANT_INTEL_TCB_INFO, CLO_WANT_INTEL_QE_IDENTITY,
                                              CLO_WANT_INTEL_PCK_CRL, CLO_WANT_INTEL_ROOT_CRL};

static void test_a_quote_wants_what_intel_says_of_its_platform(void **state)
{
    struct quote_recipe r = quote_lab_td(5, CLO_QUOTE_BODY_TD15);
    struct machine *m = NULL;

    (void)state;
    for (unsigned processor = 0; processor < 2; processor++) {
        if (processor == 1)
            r.ca_cn = "Intel SGX PCK Processor CA";
        m = machine_new(&r);
        assert_int_equal(wants(m), 0);
        assert_wants(&m->wants, all_four, 4);
        assert_true(m->wants.want[0].tdx);
        assert_memory_equal(m->wants.want[0].fmspc, r.fmspc, 6);
        assert_true(m->wants.want[1].tdx);
        assert_int_equal(m->wants.want[2].processor, processor);
        answer_all(m);
        assert_int_equal(complete(m, NULL), 0);
        assert_int_equal(m->made.crls, 2);
        assert_int_equal(m->made.collateral_chain_n, 1);
        assert_int_equal(appraise(m), 0);
        assert_int_equal(m->until, 1796083200); /* the documents', 2026-12-01 */
        machine_free(m);
    }
}

static void test_quotes_that_name_no_platform(void **state)
{
    const struct quote_recipe good = quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    struct quote_recipe r[7];
    struct machine *m = NULL;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(r); i++)
        r[i] = good;
    r[0].chain = QUOTE_CHAIN_NONE;
    r[1].chain = QUOTE_CHAIN_GARBAGE;
    r[2].chain = QUOTE_CHAIN_BESIDE;
    r[3].chain_n = 1;
    r[4].ext_none = true;
    r[5].ca_cn = "Somebody Else's CA";
    r[6] = quote_lab_enclave(4);
    for (size_t i = 0; i < CLO_ARRAY_LEN(r); i++) {
        m = machine_new(&r[i]);
        assert_int_equal(wants(m), CLOISTER_E_MALFORMED);
        assert_int_equal(m->wants.count, 0);
        machine_free(m);
    }
    m = machine_new(&good);
    for (size_t n = 0; n < m->e.quote.len; n += 1 + n / 3) {
        m->cpu.quote.len = n;
        assert_int_equal(wants(m), CLOISTER_E_MALFORMED);
    }
    machine_free(m);
}

static void test_rubbish_is_no_answer(void **state)
{
    const struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    struct machine *m = machine_new(&r);

    (void)state;
    assert_int_equal(wants(m), 0);
    for (size_t i = 0; i < 4; i++) {
        const struct clo_answer good = service(m, m->wants.want[i].kind);
        struct clo_buf body = clo_buf_init(CLO_ANSWER_MAX);

        assert_int_equal(clo_buf_append(&body, good.body, good.body_n), 0);
        assert_takes_no_rubbish(m->g, &m->wants.want[i], &body, r.now);
        clo_buf_clear(&body);
    }
    for (size_t i = 0; i < 2; i++) { /* the signers */
        struct clo_answer a = service(m, m->wants.want[i].kind);

        a.chain = (const uint8_t *)"<html>";
        a.chain_n = 6;
        assert_int_equal(take(m, &m->wants.want[i], &a), CLOISTER_E_MALFORMED);
        a.chain = m->pem.p;
        a.chain_n = m->pem.len / 4;
        assert_int_equal(take(m, &m->wants.want[i], &a), CLOISTER_E_MALFORMED);
        pem_append(&m->pem, &m->e.chain[1]); /* two that aren't roots */
        a.chain = m->pem.p;
        a.chain_n = m->pem.len;
        assert_int_equal(take(m, &m->wants.want[i], &a), CLOISTER_E_MALFORMED);
    }
    machine_free(m);
}

static void test_answers_about_others_are_none(void **state)
{
    const struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    struct machine *m = machine_new(&r);
    struct clo_want w;
    struct clo_answer a;

    (void)state;
    assert_int_equal(wants(m), 0);
    for (size_t i = 0; i < 4; i++) {
        a = service(m, m->wants.want[i].kind);
        w = m->wants.want[i];
        w.fmspc[5] ^= 1;
        w.processor = true;
        if (i == 1)
            w.tdx = false;
        if (i < 3)
            assert_int_equal(take(m, &w, &a), CLOISTER_E_MALFORMED);
        w = m->wants.want[i];
        w.tdx = !w.tdx;
        if (i < 2)
            assert_int_equal(take(m, &w, &a), CLOISTER_E_MALFORMED);
        a = service(m, all_four[(i + 1) % 4]);
        assert_int_equal(take(m, &m->wants.want[i], &a), CLOISTER_E_MALFORMED);
    }
    machine_free(m);
}

static void test_dates_are_looked_at(void **state)
{
    struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10), other = r;
    struct machine *m = machine_new(&r), *past = NULL, *signer = NULL;
    struct clo_answer a;
    int64_t until = 0, renew = 0;

    (void)state;
    quote_edit(other.info, "'nextUpdate':'2026-12-01", "'nextUpdate':'2026-11-18");
    quote_edit(other.info, "'issueDate':'2026-11-01", "'issueDate':'2026-10-01");
    past = machine_new(&other);
    other = r;
    other.tcb_to = r.now + 10;
    signer = machine_new(&other);
    assert_int_equal(wants(m), 0);
    a = service(past, CLO_WANT_INTEL_TCB_INFO);
    assert_int_equal(take(m, &m->wants.want[0], &a), CLOISTER_E_EXPIRED);
    answer_all(m);
    a = service(m, CLO_WANT_INTEL_TCB_INFO);
    assert_int_equal(clo_gathered_put(m->g, &m->wants.want[0], &a, r.now, &until, &renew), 0);
    assert_int_equal(until, 1796083200);                       /* 2026-12-01 */
    assert_int_equal(renew, r.now + (1796083200 - r.now) / 2); /* more than half is over */
    /* an answer is as good as its signer's certificate */
    a = service(signer, CLO_WANT_INTEL_TCB_INFO);
    assert_int_equal(clo_gathered_put(m->g, &m->wants.want[0], &a, r.now, &until, &renew), 0);
    assert_int_equal(until, r.now + 10);
    assert_int_equal(renew, r.now + 5);
    machine_free(m);
    machine_free(past);
    machine_free(signer);
}

static void test_an_older_document_does_not_replace_a_newer_one(void **state)
{
    struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10), other = r;
    struct machine *m = machine_new(&r), *old = NULL;
    struct clo_answer a;

    (void)state;
    quote_edit(other.info, "'issueDate':'2026-11-01", "'issueDate':'2026-10-31");
    old = machine_new(&other);
    assert_int_equal(wants(m), 0);
    a = service(old, CLO_WANT_INTEL_TCB_INFO);
    assert_int_equal(take(m, &m->wants.want[0], &a), 0);
    answer_all(m);
    assert_int_equal(take(m, &m->wants.want[0], &a), CLOISTER_E_STATE);
    assert_int_equal(complete(m, NULL), 0);
    assert_memory_equal(m->made.tcb_info.p, m->e.collateral.tcb_info.p, m->made.tcb_info.len);
    machine_free(m);
    machine_free(old);
}

static void test_one_missing_answer_changes_nothing(void **state)
{
    const struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10);

    (void)state;
    for (size_t lacking = 0; lacking < 4; lacking++) {
        struct machine *m = machine_new(&r);
        size_t missing = 99;

        assert_int_equal(wants(m), 0);
        for (size_t i = 0; i < 4; i++)
            if (i != lacking)
                assert_int_equal(answer(m, i), 0);
        assert_int_equal(complete(m, &missing), CLOISTER_E_NOT_FOUND);
        assert_int_equal(missing, lacking);
        assert_int_equal(m->made.crls, 0);
        assert_int_equal(m->made.tcb_info.len, 0);
        assert_int_equal(answer(m, lacking), 0);
        assert_int_equal(complete(m, &missing), 0);
        assert_int_equal(appraise(m), 0);
        machine_free(m);
    }
}

static void test_appraisal_refuses(void **state)
{
    const struct quote_recipe good = quote_lab_td(5, CLO_QUOTE_BODY_TD15);
    static const enum cloister_check_id check[] = {
        CLOISTER_CHECK_TDX_DEBUG,
        CLOISTER_CHECK_BINDING_REPORT_DATA,
        CLOISTER_CHECK_QUOTE_SIGNATURE,
        CLOISTER_CHECK_QUOTE_REVOKED,
        CLOISTER_CHECK_QUOTE_CRL,
        CLOISTER_CHECK_QUOTE_COLLATERAL_CHAIN,
        CLOISTER_CHECK_QUOTE_TCB,
        CLOISTER_CHECK_QUOTE_ROOT,
        CLOISTER_CHECK_QUOTE_COLLATERAL_CHAIN,
    };
    struct quote_recipe r[CLO_ARRAY_LEN(check)];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(r); i++)
        r[i] = good;
    r[0].body[TD_ATTRIBUTES] |= 1;
    r[1].report_data[0] ^= 1;
    r[2].quote_signer = quote_lab.stranger;
    r[3].pck_crl.revoked = QUOTE_SERIAL_PCK;
    r[4].pck_crl.issuer = quote_lab.stranger;
    r[5].info_signer = quote_lab.stranger;
    quote_edit(r[6].info, "'tcbStatus':'UpToDate'", "'tcbStatus':'Revoked'");
    r[7].root = quote_lab.stranger;
    r[8].tcb_issuer = quote_lab.stranger;
    for (size_t i = 0; i < CLO_ARRAY_LEN(r); i++) {
        struct machine *m = machine_new(&r[i]);

        assert_int_equal(wants(m), 0);
        answer_all(m);
        assert_int_equal(complete(m, NULL), 0);
        assert_int_equal(appraise(m), CLOISTER_E_REFUSED);
        assert_int_equal(m->check, check[i]);
        machine_free(m);
    }
}

/* Out of date, and configuration needed: what is borne, a policy says. */
static void test_a_level_that_some_policy_admits_is_offered(void **state)
{
    struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    struct machine *m = NULL;

    (void)state;
    quote_edit(r.info, "'tcbStatus':'UpToDate'", "'tcbStatus':'OutOfDate'");
    m = machine_new(&r);
    assert_int_equal(wants(m), 0);
    answer_all(m);
    assert_int_equal(complete(m, NULL), 0);
    assert_int_equal(appraise(m), 0);
    machine_free(m);
}

/* ---- Azure ---- */

/* Where the parts of a TDREPORT are that its quote repeats. */
static void tdreport_of(const struct quote_recipe *r, uint8_t report[CLO_TDREPORT_LEN])
{
    memcpy(report + 264, r->body, 120);
    memcpy(report + 512, r->body + TD_ATTRIBUTES, 400);
    memcpy(report + 128, r->body + TD_DATA, 64);
}

static struct machine *azure_new(struct quote_recipe *r)
{
    struct azure_recipe a = azure_lab_good(true);
    uint8_t envelope[3 * CLO_HCL_MAX];
    struct machine *m = NULL;
    char json[4096];
    size_t n = azure_lab_json(&a, json, sizeof json);

    azure_lab_covered(&a, json, n, r->body + TD_DATA);
    n = azure_lab_envelope(&a, json, n, NULL, envelope);
    tdreport_of(r, envelope + CLO_HCL_HW_OFFSET);
    m = machine_new(r);
    (void)snprintf(m->cpu.type, sizeof m->cpu.type, "tdx-azure");
    clo_buf_clear(&m->cpu.quote);
    m->cpu.hcl = clo_buf_init(CLO_HCL_MAX);
    assert_int_equal(clo_buf_append(&m->cpu.hcl, envelope, n), 0);
    return m;
}

static void test_azures_td_wants_its_quote_first(void **state)
{
    const enum clo_want_kind first[] = {CLO_WANT_AZURE_TD_QUOTE};
    struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    struct machine *m = azure_new(&r);
    size_t missing = 99;

    (void)state;
    assert_int_equal(clo_gathered_prepare(m->g, r.now, &m->cpu), 0);
    assert_int_equal(m->cpu.quote.len, 0);
    assert_int_equal(wants(m), 0);
    assert_wants(&m->wants, first, 1);
    assert_int_equal(m->wants.want[0].request_n, CLO_TDREPORT_LEN);
    assert_memory_equal(m->wants.want[0].request, m->cpu.hcl.p + CLO_HCL_HW_OFFSET,
                        CLO_TDREPORT_LEN);
    assert_int_equal(complete(m, &missing), CLOISTER_E_NOT_FOUND);
    assert_int_equal(missing, 0);
    assert_int_equal(answer(m, 0), 0);
    assert_true(clo_gathered_has(m->g, &m->wants.want[0], r.now));
    assert_false(clo_gathered_has(m->g, &m->wants.want[0], r.leaf_to));
    assert_int_equal(complete(m, &missing), CLOISTER_E_NOT_FOUND);
    assert_int_equal(clo_gathered_prepare(m->g, r.now, &m->cpu), 0);
    assert_int_equal(m->cpu.quote.len, m->e.quote.len);
    assert_int_equal(wants(m), 0);
    assert_wants(&m->wants, all_four, 4);
    answer_all(m);
    assert_int_equal(complete(m, NULL), 0);
    /* kept for the next report of the same content */
    clo_gathered_sweep(m->g, &m->wants, r.now);
    clo_buf_clear(&m->cpu.quote);
    assert_int_equal(clo_gathered_prepare(m->g, r.now, &m->cpu), 0);
    assert_int_equal(m->cpu.quote.len, m->e.quote.len);
    /* and for no other */
    clo_buf_clear(&m->cpu.quote);
    m->cpu.hcl.p[CLO_HCL_HW_OFFSET + 1000] ^= 1;
    assert_int_equal(clo_gathered_prepare(m->g, r.now, &m->cpu), 0);
    assert_int_equal(m->cpu.quote.len, 0);
    machine_free(m);
}

static void test_a_quote_over_other_content_is_none(void **state)
{
    static const size_t at[] = {TD_SVN,        TD_SEAM_ATTRIBUTES + 7, TD_ATTRIBUTES, TD_MRTD,
                                TD_OWNER + 47, TD_RTMR + 191,          TD_DATA,       TD_DATA + 63};
    struct quote_recipe r = quote_lab_td(5, CLO_QUOTE_BODY_TD15);

    (void)state;
    for (size_t i = 0; i <= CLO_ARRAY_LEN(at); i++) {
        struct quote_recipe other = r;
        struct machine *m = azure_new(&r), *x = NULL;
        struct clo_answer a;

        assert_int_equal(wants(m), 0);
        other = r;
        if (i < CLO_ARRAY_LEN(at))
            other.body[at[i]] ^= 1;
        x = machine_new(&other);
        a = service(x, CLO_WANT_AZURE_TD_QUOTE);
        assert_int_equal(take(m, &m->wants.want[0], &a),
                         i < CLO_ARRAY_LEN(at) ? CLOISTER_E_MALFORMED : 0);
        machine_free(x);
        machine_free(m);
    }
}

static void test_rubbish_is_no_quote(void **state)
{
    struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    struct machine *m = azure_new(&r);

    (void)state;
    assert_int_equal(wants(m), 0);
    assert_takes_no_rubbish(m->g, &m->wants.want[0], &m->e.quote, r.now);
    m->cpu.hcl.len = 40;
    assert_int_equal(wants(m), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_gathered_prepare(m->g, r.now, &m->cpu), 0);
    machine_free(m);
}

static int labs_open(void **state)
{
    return quote_lab_open(state) | tl_open(state);
}

static int labs_close(void **state)
{
    return quote_lab_close(state) | tl_close(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_quote_wants_what_intel_says_of_its_platform),
        cmocka_unit_test(test_quotes_that_name_no_platform),
        cmocka_unit_test(test_rubbish_is_no_answer),
        cmocka_unit_test(test_answers_about_others_are_none),
        cmocka_unit_test(test_dates_are_looked_at),
        cmocka_unit_test(test_an_older_document_does_not_replace_a_newer_one),
        cmocka_unit_test(test_one_missing_answer_changes_nothing),
        cmocka_unit_test(test_appraisal_refuses),
        cmocka_unit_test(test_a_level_that_some_policy_admits_is_offered),
        cmocka_unit_test(test_azures_td_wants_its_quote_first),
        cmocka_unit_test(test_a_quote_over_other_content_is_none),
        cmocka_unit_test(test_rubbish_is_no_quote),
    };

    return cmocka_run_group_tests(tests, labs_open, labs_close);
}
