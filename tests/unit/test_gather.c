/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering for SEV-SNP: what a report needs, what is taken for an answer, and what comes of both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attest/self.h"
#include "lab/snp.h"
#include "platform/maker.h"
#include "tests/unit/gather_try.h"

/* A machine, and everything that its vendor would answer. */
struct machine {
    struct snp_recipe r;
    struct clo_cpu_section cpu; /* as the hardware gives it: without certificates */
    struct clo_buf chain[CLO_CHAIN_MAX], root, pem;
    struct clo_collateral lists;
    struct cloister_roots *roots;
    struct clo_gathered *g;
    struct clo_wants wants;
    struct clo_collateral made;
    enum cloister_check_id check; /* of the last appraisal */
    int64_t until;
};

static struct machine *machine_new(const struct snp_recipe *r)
{
    struct machine *m = calloc(1, sizeof *m);

    assert_non_null(m);
    m->r = *r;
    (void)snprintf(m->cpu.type, sizeof m->cpu.type, "sev-snp");
    snp_lab_sign(r, m->cpu.report);
    m->cpu.report_n = CLO_SNP_REPORT_LEN;
    snp_lab_chain(r, m->chain);
    snp_lab_root(r, &m->root);
    m->pem = clo_buf_init(CLO_ANSWER_MAX);
    pem_append(&m->pem, &m->chain[1]);
    pem_append(&m->pem, &m->root);
    snp_lab_crl(r, &m->lists);
    m->roots = snp_lab_roots(r);
    assert_int_equal(clo_gathered_new(&m->g), 0);
    return m;
}

static void machine_free(struct machine *m)
{
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&m->chain[i]);
    clo_buf_clear(&m->root);
    clo_buf_clear(&m->pem);
    clo_cpu_section_clear(&m->cpu);
    clo_collateral_clear(&m->lists);
    clo_collateral_clear(&m->made);
    cloister_roots_free(m->roots);
    clo_gathered_free(m->g);
    clo_wants_clear(&m->wants);
    free(m);
}

static int wants(struct machine *m)
{
    clo_wants_clear(&m->wants);
    return clo_wants_of(&m->cpu, NULL, &m->wants);
}

/* The host gives a certificate with the report. */
static void host_gives(struct machine *m, const struct clo_buf *der)
{
    copy_into(&m->cpu.chain[m->cpu.chain_n++], der);
}

static const struct clo_buf *service(const struct machine *m, enum clo_want_kind kind)
{
    return kind == CLO_WANT_AMD_VCEK    ? &m->chain[0]
           : kind == CLO_WANT_AMD_CHAIN ? &m->pem
                                        : &m->lists.crl[0];
}

static void answer_all(struct machine *m)
{
    for (size_t i = 0; i < m->wants.count; i++)
        assert_int_equal(put(m->g, &m->wants.want[i], service(m, m->wants.want[i].kind), m->r.now),
                         0);
}

static int complete(struct machine *m, size_t *missing)
{
    clo_collateral_clear(&m->made);
    return clo_gathered_complete(m->g, &m->wants, m->r.now, &m->cpu, &m->made, missing);
}

static int appraise(struct machine *m)
{
    const struct clo_self self = {
        .cpu = &m->cpu, .report_data = m->r.report_data, .collateral = &m->made, .roots = m->roots};

    return clo_self_appraise(&self, m->r.now, &m->check, &m->until);
}

static const enum clo_want_kind all_three[] = {CLO_WANT_AMD_VCEK, CLO_WANT_AMD_CHAIN,
                                               CLO_WANT_AMD_CRL};

/* ---- what is wanted ---- */

static void test_bare_report_wants_certificate_chain_and_list(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct machine *m = machine_new(&r);
    const struct clo_want *w = NULL;

    (void)state;
    assert_int_equal(wants(m), 0);
    assert_wants(&m->wants, all_three, 3);
    w = &m->wants.want[0];
    assert_int_equal(w->product, CLO_AMD_GENOA);
    assert_false(w->vlek);
    assert_int_equal(w->hwid_n, 64);
    assert_memory_equal(w->hwid, r.report + 0x1a0, 64);
    assert_memory_equal(w->tcb, r.report + 0x180, 8);
    for (size_t i = 0; i < 3; i++)
        assert_false(clo_gathered_has(m->g, &m->wants.want[i], r.now));
    /* Only AMD's own certificates have an issuer that is built in. */
    assert_int_equal(put(m->g, &m->wants.want[0], &m->chain[0], r.now), 0);
    assert_false(clo_gathered_has(m->g, &m->wants.want[1], r.now));
    machine_free(m);
}

static void test_answers_make_evidence_that_appraises_itself(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct machine *m = machine_new(&r);

    (void)state;
    assert_int_equal(wants(m), 0);
    answer_all(m);
    assert_int_equal(complete(m, NULL), 0);
    assert_int_equal(m->cpu.chain_n, 2);
    assert_int_equal(m->made.crls, 1);
    assert_int_equal(appraise(m), 0);
    assert_int_equal(m->until, r.crl_to);
    /* It has everything now, but for the list, which evidence never has by itself. */
    assert_int_equal(wants(m), 0);
    assert_wants(&m->wants, &all_three[2], 1);
    assert_int_equal(complete(m, NULL), 0);
    assert_int_equal(m->cpu.chain_n, 2);
    assert_int_equal(appraise(m), 0);
    /* and nobody else's root makes it authentic */
    cloister_roots_free(m->roots);
    assert_int_equal(cloister_roots_new(&m->roots), 0);
    assert_int_equal(appraise(m), CLOISTER_E_REFUSED);
    assert_int_equal(m->check, CLOISTER_CHECK_SNP_ROOT);
    machine_free(m);
}

static void test_what_the_host_gave_is_not_wanted(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct machine *m = machine_new(&r);

    (void)state;
    host_gives(m, &m->root); /* in any order, with what nobody asked for */
    host_gives(m, &m->chain[1]);
    host_gives(m, &m->chain[0]);
    assert_int_equal(wants(m), 0);
    assert_wants(&m->wants, &all_three[2], 1);
    answer_all(m);
    assert_int_equal(complete(m, NULL), 0);
    assert_int_equal(m->cpu.chain_n, 2);
    assert_memory_equal(m->cpu.chain[0].p, m->chain[0].p, m->chain[0].len);
    assert_int_equal(appraise(m), 0);
    machine_free(m);
}

static void test_a_stale_certificate_of_the_host_is_replaced(void **state)
{
    struct snp_recipe r = snp_lab_good(), older = r;
    struct clo_buf chain[CLO_CHAIN_MAX];
    struct machine *m = machine_new(&r);

    (void)state;
    older.leaf = snp_lab.stranger_leaf;
    snp_ext_int(&older, SNP_OID("3.8"), 199); /* microcode before the update */
    snp_lab_chain(&older, chain);
    host_gives(m, &chain[0]);
    host_gives(m, &chain[1]);
    assert_int_equal(wants(m), 0);
    assert_wants(&m->wants, all_three, 3);
    assert_memory_equal(m->wants.want[0].tcb, r.report + 0x180, 8);
    /* neither is it taken for the service's answer */
    assert_int_equal(put(m->g, &m->wants.want[0], &chain[0], r.now), CLOISTER_E_MALFORMED);
    answer_all(m);
    assert_int_equal(complete(m, NULL), 0);
    assert_int_equal(m->cpu.chain_n, 2);
    assert_memory_equal(m->cpu.chain[0].p, m->chain[0].p, m->chain[0].len);
    assert_int_equal(appraise(m), 0);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&chain[i]);
    machine_free(m);
}

static void test_another_chips_certificate_is_no_answer(void **state)
{
    struct snp_recipe r = snp_lab_good(), other = r;
    struct clo_buf chain[CLO_CHAIN_MAX];
    struct machine *m = machine_new(&r);

    (void)state;
    snp_ext_find(&other, SNP_OID("4"))->p[63] ^= 1;
    snp_lab_chain(&other, chain);
    host_gives(m, &chain[0]);
    assert_int_equal(wants(m), 0);
    assert_wants(&m->wants, all_three, 3);
    assert_int_equal(put(m->g, &m->wants.want[0], &chain[0], r.now), CLOISTER_E_MALFORMED);
    assert_int_equal(put(m->g, &m->wants.want[0], &chain[1], r.now), CLOISTER_E_MALFORMED);
    assert_false(clo_gathered_has(m->g, &m->wants.want[0], r.now));
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&chain[i]);
    machine_free(m);
}

static void test_version_2_tells_its_product_by_the_certificate(void **state)
{
    struct snp_recipe r = snp_lab_good();
    const enum clo_want_kind both[] = {CLO_WANT_AMD_VCEK, CLO_WANT_AMD_VCEK};
    struct machine *m = NULL;

    (void)state;
    snp_put32(&r, 0, 2);
    memset(r.report + 0x188, 0, 3);
    snp_put64(&r, 0x1f8, 0);
    snp_put64(&r, 0x200, 0);
    m = machine_new(&r);
    assert_int_equal(clo_gathered_prepare(m->g, r.now, &m->cpu), 0);
    assert_int_equal(m->cpu.chain_n, 0);
    assert_int_equal(wants(m), 0);
    assert_wants(&m->wants, both, 2);
    assert_int_equal(m->wants.want[0].product, CLO_AMD_MILAN);
    assert_int_equal(m->wants.want[1].product, CLO_AMD_GENOA);
    assert_int_equal(complete(m, NULL), CLOISTER_E_NOT_FOUND);
    /* The service has Genoa's. */
    assert_int_equal(put(m->g, &m->wants.want[0], &m->chain[0], r.now), CLOISTER_E_MALFORMED);
    assert_int_equal(put(m->g, &m->wants.want[1], &m->chain[0], r.now), 0);
    assert_int_equal(complete(m, NULL), CLOISTER_E_NOT_FOUND);
    assert_int_equal(clo_gathered_prepare(m->g, r.now, &m->cpu), 0);
    assert_int_equal(m->cpu.chain_n, 1);
    assert_int_equal(clo_gathered_prepare(m->g, r.now, &m->cpu), 0);
    assert_int_equal(m->cpu.chain_n, 1);
    assert_int_equal(wants(m), 0);
    assert_wants(&m->wants, &all_three[1], 2);
    answer_all(m);
    assert_int_equal(complete(m, NULL), 0);
    assert_int_equal(appraise(m), 0);
    /* What was prepared with is kept, though no want names it any more; unless nobody needs it any more either. */
    for (size_t i = 0; i < 2; i++) {
        clo_gathered_sweep(m->g, &m->wants, r.now);
        clo_cpu_section_clear(&m->cpu);
        (void)snprintf(m->cpu.type, sizeof m->cpu.type, "sev-snp");
        snp_lab_sign(&r, m->cpu.report);
        m->cpu.report_n = CLO_SNP_REPORT_LEN;
        assert_int_equal(clo_gathered_prepare(m->g, r.now, &m->cpu), 0);
        assert_int_equal(m->cpu.chain_n, 1);
    }
    clo_gathered_sweep(m->g, &m->wants, r.now);
    clo_gathered_sweep(m->g, &m->wants, r.now);
    clo_buf_clear(&m->cpu.chain[0]);
    m->cpu.chain_n = 0;
    assert_int_equal(clo_gathered_prepare(m->g, r.now, &m->cpu), 0);
    assert_int_equal(m->cpu.chain_n, 0);
    machine_free(m);
}

static void test_providers_certificate_only_the_host_has(void **state)
{
    struct snp_recipe r = snp_lab_good();
    struct machine *m = NULL;

    (void)state;
    snp_put32(&r, 0x48, CLO_SNP_KEY_VLEK << 2);
    r.leaf_cn = "SEV-VLEK";
    r.ask_cn = r.leaf_issuer_cn = "SEV-VLEK-Genoa";
    snp_ext_drop(&r, SNP_OID("4"));
    snp_ext_text(&r, SNP_OID("5"), "provider");
    m = machine_new(&r);
    assert_int_equal(wants(m), CLOISTER_E_NOT_FOUND);
    assert_int_equal(m->wants.count, 0);
    host_gives(m, &m->chain[1]);
    assert_int_equal(wants(m), CLOISTER_E_NOT_FOUND);
    clo_buf_clear(&m->cpu.chain[0]);
    m->cpu.chain_n = 0;
    host_gives(m, &m->chain[0]);
    assert_int_equal(wants(m), 0);
    assert_wants(&m->wants, &all_three[1], 2);
    assert_true(m->wants.want[0].vlek);
    assert_true(m->wants.want[1].vlek);
    answer_all(m);
    assert_int_equal(complete(m, NULL), 0);
    assert_int_equal(appraise(m), 0); /* whose VLEKs are admitted is the policy's */
    machine_free(m);
}

static void test_reports_that_no_certificate_can_be_asked_for(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
        int err;
    } edit[] = {
        {0x48, 7 << 2, CLOISTER_E_UNSUPPORTED},                 /* no key */
        {0x48, 2 << 2, CLOISTER_E_UNSUPPORTED},                 /* an unknown one */
        {0x48, 2, CLOISTER_E_UNSUPPORTED},                      /* MASK_CHIP_KEY */
        {0x188, 0x00017019, CLOISTER_E_UNSUPPORTED},            /* an unknown processor */
        {0x180, 0x00000100 | 0x01000000, CLOISTER_E_MALFORMED}, /* reserved bytes of the TCB */
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(edit); i++) {
        struct snp_recipe r = snp_lab_good();
        struct machine *m = NULL;

        snp_put32(&r, edit[i].at, edit[i].value);
        m = machine_new(&r);
        assert_int_equal(wants(m), edit[i].err);
        machine_free(m);
    }
}

static void test_hidden_chip_needs_a_certificate_of_the_host(void **state)
{
    struct snp_recipe r = snp_lab_good();
    struct machine *m = NULL;

    (void)state;
    memset(r.report + 0x1a0, 0, 64);
    m = machine_new(&r);
    assert_int_equal(wants(m), CLOISTER_E_UNSUPPORTED);
    host_gives(m, &m->chain[0]);
    assert_int_equal(wants(m), 0);
    assert_wants(&m->wants, &all_three[1], 2);
    machine_free(m);
}

static void test_turin_has_short_chip_ids(void **state)
{
    struct snp_recipe r = snp_lab_good();
    struct machine *m = NULL;

    (void)state;
    memcpy(r.report + 0x188, "\x1a\x02\x00", 3);
    memset(r.report + 0x1a0 + 8, 0, 56);
    memcpy(r.report + 0x180, "\1\2\3\4\0\0\0\5", 8);
    m = machine_new(&r);
    assert_int_equal(wants(m), 0);
    assert_wants(&m->wants, all_three, 3);
    assert_int_equal(m->wants.want[0].product, CLO_AMD_TURIN);
    assert_int_equal(m->wants.want[0].hwid_n, 8);
    assert_memory_equal(m->wants.want[0].tcb, "\1\2\3\4\0\0\0\5", 8);
    machine_free(m);
    r.report[0x1a0 + 63] = 1;
    m = machine_new(&r);
    assert_int_equal(wants(m), CLOISTER_E_MALFORMED);
    machine_free(m);
}

static void test_rubbish_of_the_host_is_as_good_as_nothing(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct machine *m = machine_new(&r);

    (void)state;
    host_gives(m, &m->pem);
    assert_int_equal(wants(m), 0);
    assert_wants(&m->wants, all_three, 3);
    m->cpu.report_n--;
    assert_int_equal(wants(m), CLOISTER_E_MALFORMED);
    m->cpu.report_n++;
    (void)snprintf(m->cpu.type, sizeof m->cpu.type, "sev");
    assert_int_equal(wants(m), CLOISTER_E_ARGUMENT);
    machine_free(m);
}

/* ---- what is taken ---- */

static void test_rubbish_is_no_answer(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct machine *m = machine_new(&r);

    (void)state;
    assert_int_equal(wants(m), 0);
    for (size_t i = 0; i < 3; i++)
        assert_takes_no_rubbish(m->g, &m->wants.want[i], service(m, all_three[i]), r.now);
    machine_free(m);
}

static void test_answers_of_other_products_are_none(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct machine *m = machine_new(&r);

    (void)state;
    assert_int_equal(wants(m), 0);
    for (size_t i = 0; i < 3; i++) {
        struct clo_want w = m->wants.want[i];

        w.product = CLO_AMD_MILAN;
        assert_int_equal(put(m->g, &w, service(m, w.kind), r.now), CLOISTER_E_MALFORMED);
    }
    machine_free(m);
}

/* The list as the service would give it at another time. */
static void list_make(const struct snp_recipe *good, int64_t from, int64_t to, struct clo_buf *ret)
{
    struct snp_recipe r = *good;
    struct clo_collateral c;

    r.crl_from = from;
    r.crl_to = to;
    snp_lab_crl(&r, &c);
    *ret = c.crl[0];
}

static void test_dates_are_looked_at(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct machine *m = machine_new(&r);
    struct clo_buf expired, early, last;
    const struct clo_want *crl = NULL;

    (void)state;
    assert_int_equal(wants(m), 0);
    crl = want_of(&m->wants, CLO_WANT_AMD_CRL);
    list_make(&r, r.now - 2 * LAB_DAY, r.now, &expired);
    list_make(&r, r.now + 1, r.now + LAB_DAY, &early);
    list_make(&r, r.now, r.now + 1, &last);
    assert_int_equal(put(m->g, crl, &expired, r.now), CLOISTER_E_EXPIRED);
    assert_int_equal(put(m->g, crl, &early, r.now), CLOISTER_E_EXPIRED);
    assert_false(clo_gathered_has(m->g, crl, r.now));
    assert_int_equal(put(m->g, crl, &last, r.now), 0);
    assert_true(clo_gathered_has(m->g, crl, r.now));
    assert_false(clo_gathered_has(m->g, crl, r.now + 1));
    assert_false(clo_gathered_has(m->g, crl, r.now - 1));
    assert_int_equal(put(m->g, want_of(&m->wants, CLO_WANT_AMD_VCEK), &m->chain[0], r.leaf_to),
                     CLOISTER_E_EXPIRED);
    assert_int_equal(put(m->g, want_of(&m->wants, CLO_WANT_AMD_CHAIN), &m->pem, r.ask_to),
                     CLOISTER_E_EXPIRED);
    clo_buf_clear(&expired);
    clo_buf_clear(&early);
    clo_buf_clear(&last);
    machine_free(m);
}

static void test_older_answers_do_not_replace_newer_ones(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct machine *m = machine_new(&r);
    struct clo_buf older, newer;
    const struct clo_want *crl = NULL;

    (void)state;
    assert_int_equal(wants(m), 0);
    answer_all(m);
    crl = want_of(&m->wants, CLO_WANT_AMD_CRL);
    list_make(&r, r.crl_from - 1, r.crl_to + LAB_YEAR, &older);
    list_make(&r, r.crl_from + 1, r.crl_to - LAB_DAY, &newer);
    assert_int_equal(put(m->g, crl, &older, r.now), CLOISTER_E_STATE);
    assert_int_equal(complete(m, NULL), 0);
    assert_memory_equal(m->made.crl[0].p, m->lists.crl[0].p, m->lists.crl[0].len);
    assert_int_equal(put(m->g, crl, &m->lists.crl[0], r.now), 0); /* the same again */
    assert_int_equal(put(m->g, crl, &newer, r.now), 0);
    assert_int_equal(complete(m, NULL), 0);
    assert_memory_equal(m->made.crl[0].p, newer.p, newer.len);
    assert_int_equal(put(m->g, crl, &m->lists.crl[0], r.now), CLOISTER_E_STATE);
    /* but one that has run out keeps nothing out */
    assert_int_equal(put(m->g, crl, &m->lists.crl[0], r.crl_to - LAB_DAY), 0);
    clo_buf_clear(&older);
    clo_buf_clear(&newer);
    machine_free(m);
}

static void test_a_newer_one_is_asked_for_at_half_time(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct machine *m = machine_new(&r);
    const struct clo_answer list = answer_of(&m->lists.crl[0], NULL);
    const struct clo_want *crl = NULL;
    int64_t until = 0, renew = 0, now;

    (void)state;
    assert_int_equal(wants(m), 0);
    crl = want_of(&m->wants, CLO_WANT_AMD_CRL);
    assert_int_equal(clo_gathered_put(m->g, crl, &list, r.now, &until, &renew), 0);
    assert_int_equal(until, r.crl_to);
    assert_int_equal(renew, r.crl_from + (r.crl_to - r.crl_from) / 2);
    now = r.crl_to - 100; /* an old one, and the service has no other: not at once again */
    assert_int_equal(clo_gathered_put(m->g, crl, &list, now, &until, &renew), 0);
    assert_int_equal(renew, now + 50);
    machine_free(m);
}

static void test_room_is_bounded_and_swept(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct machine *m = machine_new(&r);
    struct snp_recipe other = r;
    struct clo_buf chain[CLO_CHAIN_MAX];
    struct clo_want w;
    const struct clo_wants nothing = {0};
    size_t n = 0;
    int err = 0;

    (void)state;
    assert_int_equal(wants(m), 0);
    answer_all(m);
    w = m->wants.want[0];
    for (; err == 0 && n <= CLO_WANTS_MAX; n++) {
        snp_ext_find(&other, SNP_OID("4"))->p[0] = w.hwid[0] = (uint8_t)(0x80 + n);
        snp_ext_find(&other, SNP_OID("4"))->p[1] = w.hwid[1] = (uint8_t)(n >> 7);
        snp_lab_chain(&other, chain);
        err = put(m->g, &w, &chain[0], r.now);
        for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
            clo_buf_clear(&chain[i]);
    }
    assert_int_equal(err, CLOISTER_E_FULL);
    assert_int_equal(n, CLO_WANTS_MAX - 3 + 1);
    answer_all(m); /* what is there can be replaced */
    clo_gathered_sweep(m->g, &m->wants, r.now);
    w.hwid[0] = 0x80;
    w.hwid[1] = 0;
    assert_false(clo_gathered_has(m->g, &w, r.now));
    for (size_t i = 0; i < 3; i++)
        assert_true(clo_gathered_has(m->g, &m->wants.want[i], r.now));
    clo_gathered_sweep(m->g, &m->wants, r.crl_to);
    assert_true(clo_gathered_has(m->g, &m->wants.want[0], r.now));
    assert_false(clo_gathered_has(m->g, &m->wants.want[2], r.now));
    clo_gathered_sweep(m->g, NULL, r.now);
    assert_false(clo_gathered_has(m->g, &m->wants.want[0], r.now));
    answer_all(m);
    clo_gathered_sweep(m->g, &nothing, r.now);
    assert_false(clo_gathered_has(m->g, &m->wants.want[0], r.now));
    machine_free(m);
}

/* ---- what comes of it ---- */

static void test_one_missing_answer_changes_nothing(void **state)
{
    const struct snp_recipe r = snp_lab_good();

    (void)state;
    for (size_t lacking = 0; lacking < 3; lacking++) {
        struct machine *m = machine_new(&r);
        uint8_t before[CLO_SHA256_LEN], after[CLO_SHA256_LEN];
        size_t missing = 99;

        host_gives(m, &m->root);
        assert_int_equal(wants(m), 0);
        for (size_t i = 0; i < 3; i++)
            if (i != lacking)
                assert_int_equal(
                    put(m->g, &m->wants.want[i], service(m, m->wants.want[i].kind), r.now), 0);
        section_digest(&m->cpu, before);
        assert_int_equal(complete(m, &missing), CLOISTER_E_NOT_FOUND);
        assert_int_equal(missing, lacking);
        assert_int_equal(complete(m, NULL), CLOISTER_E_NOT_FOUND);
        section_digest(&m->cpu, after);
        assert_memory_equal(before, after, sizeof before);
        assert_int_equal(m->made.crls, 0);
        assert_int_equal(
            put(m->g, &m->wants.want[lacking], service(m, m->wants.want[lacking].kind), r.now), 0);
        /* all there, but too old now */
        assert_int_equal(
            clo_gathered_complete(m->g, &m->wants, r.crl_to, &m->cpu, &m->made, &missing),
            CLOISTER_E_NOT_FOUND);
        assert_int_equal(missing, 2);
        assert_int_equal(complete(m, NULL), 0);
        machine_free(m);
    }
}

static void test_appraisal_refuses_what_no_policy_could_admit(void **state)
{
    const struct snp_recipe good = snp_lab_good();
    const struct {
        size_t at; /* a report's 32 bits, or */
        uint32_t value;
        int flip; /* a bit after signing */
        enum cloister_check_id check;
    } defect[] = {
        {0x008, 0x3001f | CLO_SNP_POLICY_DEBUG, -1, CLOISTER_CHECK_SNP_DEBUG},
        {0x008, 0x3001f | CLO_SNP_POLICY_MIGRATE_MA, -1, CLOISTER_CHECK_SNP_MIGRATION},
        {0x050, 0, -1, CLOISTER_CHECK_BINDING_REPORT_DATA},
        {0x000, 5, 0x90 * 8, CLOISTER_CHECK_SNP_SIGNATURE},
        {0x208, 1, -1, CLOISTER_CHECK_SNP_RESERVED},
        {0x000, 6, -1, CLOISTER_CHECK_SNP_VERSION},
        {0x034, 2, -1, CLOISTER_CHECK_SNP_SIGNATURE_ALGO},
        {0x1e0, 9, -1, CLOISTER_CHECK_SNP_TCB_ORDER},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(defect); i++) {
        struct snp_recipe r = good;
        struct machine *m = NULL;

        snp_put32(&r, defect[i].at, defect[i].value);
        r.flip = defect[i].flip;
        m = machine_new(&r);
        assert_int_equal(wants(m), 0);
        answer_all(m);
        assert_int_equal(complete(m, NULL), 0);
        m->until = 5;
        assert_int_equal(appraise(m), CLOISTER_E_REFUSED);
        assert_int_equal(m->check, defect[i].check);
        assert_int_equal(m->until, 5);
        machine_free(m);
    }
}

static void test_appraisal_refuses_what_is_missing_or_forged(void **state)
{
    struct snp_recipe r = snp_lab_good();
    struct machine *m = machine_new(&r);

    (void)state;
    assert_int_equal(wants(m), 0);
    answer_all(m);
    assert_int_equal(complete(m, NULL), 0);
    m->made.crls = 0;
    assert_int_equal(appraise(m), CLOISTER_E_REFUSED);
    assert_int_equal(m->check, CLOISTER_CHECK_SNP_CRL);
    m->made.crls = 1;
    m->cpu.chain_n = 1;
    assert_int_equal(appraise(m), CLOISTER_E_REFUSED);
    assert_int_equal(m->check, CLOISTER_CHECK_SNP_PRODUCT);
    m->cpu.chain_n = 2;
    assert_int_equal(appraise(m), 0);
    machine_free(m);

    r.crl_issuer = snp_lab.stranger; /* somebody's list in the service's place */
    m = machine_new(&r);
    assert_int_equal(wants(m), 0);
    answer_all(m);
    assert_int_equal(complete(m, NULL), 0);
    assert_int_equal(appraise(m), CLOISTER_E_REFUSED);
    assert_int_equal(m->check, CLOISTER_CHECK_SNP_CRL);
    machine_free(m);

    r = snp_lab_good();
    r.revoked = 131074;
    m = machine_new(&r);
    assert_int_equal(wants(m), 0);
    answer_all(m);
    assert_int_equal(complete(m, NULL), 0);
    assert_int_equal(appraise(m), CLOISTER_E_REFUSED);
    assert_int_equal(m->check, CLOISTER_CHECK_SNP_REVOKED);
    machine_free(m);
}

static void test_appraisal_wants_whole_arguments(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct machine *m = machine_new(&r);
    const struct clo_self whole = {
        .cpu = &m->cpu, .report_data = r.report_data, .collateral = &m->made, .roots = m->roots};
    struct clo_self s = {.collateral = &m->made, .roots = m->roots};

    (void)state;
    assert_int_equal(clo_self_appraise(&s, r.now, &m->check, &m->until), CLOISTER_E_ARGUMENT);
    s = whole;
    s.report_data = NULL;
    assert_int_equal(clo_self_appraise(&s, r.now, &m->check, &m->until), CLOISTER_E_ARGUMENT);
    s = whole;
    s.roots = NULL;
    assert_int_equal(clo_self_appraise(&s, r.now, &m->check, &m->until), CLOISTER_E_ARGUMENT);
    s = whole;
    s.collateral = NULL;
    assert_int_equal(clo_self_appraise(&s, r.now, &m->check, &m->until), CLOISTER_E_ARGUMENT);
    (void)snprintf(m->cpu.type, sizeof m->cpu.type, "sgx");
    assert_int_equal(clo_self_appraise(&whole, r.now, &m->check, &m->until), CLOISTER_E_ARGUMENT);
    machine_free(m);
}

/* ---- the simulator ---- */

static void test_the_simulator_goes_the_same_way(void **state)
{
    struct clo_maker *maker = NULL;
    struct clo_cpu_section cpu = {0};
    struct clo_collateral made = {0};
    struct clo_buf list = {0}, none = {0};
    struct clo_gathered *g = NULL;
    struct clo_wants l = {0};
    struct cloister_roots *roots = NULL, *none_pinned = NULL;
    struct clo_buf chain[CLO_CHAIN_MAX] = {{0}}, pem = clo_buf_init(CLO_ANSWER_MAX);
    uint8_t data[64] = {1, 2, 3};
    struct clo_self self = {.cpu = &cpu, .report_data = data, .collateral = &made, .roots = NULL};
    enum cloister_check_id check = CLOISTER_CHECK_NO_ID;
    int64_t until = 0;

    (void)state;
    assert_int_equal(clo_maker_simulated_new(clo_rng_system(), LAB_NOW, &maker), 0);
    assert_int_equal(maker->ops->report(maker, data, &cpu), 0);
    for (size_t i = 0; i < 3; i++)
        copy_into(&chain[i], &cpu.chain[i]);
    pem_append(&pem, &chain[1]);
    pem_append(&pem, &chain[2]);
    assert_int_equal(cloister_roots_new(&roots), 0);
    assert_int_equal(cloister_roots_add_amd(roots, "Genoa", chain[2].p, chain[2].len), 0);
    assert_int_equal(clo_gathered_new(&g), 0);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&cpu.chain[i]);
    cpu.chain_n = 0;

    assert_int_equal(clo_wants_of(&cpu, NULL, &l), 0);
    assert_wants(&l, all_three, 3);
    assert_int_equal(maker->ops->answer(maker, &l.want[2], &list, &none), 0);
    assert_int_equal(put(g, &l.want[0], &chain[0], LAB_NOW), 0);
    assert_int_equal(put(g, &l.want[1], &pem, LAB_NOW), 0);
    assert_int_equal(put(g, &l.want[2], &list, LAB_NOW), 0);
    assert_int_equal(clo_gathered_complete(g, &l, LAB_NOW, &cpu, &made, NULL), 0);
    assert_int_equal(cpu.chain_n, 3);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(cpu.chain[i].p, chain[i].p, chain[i].len);
    self.roots = roots;
    assert_int_equal(clo_self_appraise(&self, LAB_NOW, &check, &until), 0);
    /* its own root is nobody else's, and it isn't hardware */
    self.roots = cloister_roots_builtin();
    assert_int_equal(clo_self_appraise(&self, LAB_NOW, &check, &until), CLOISTER_E_REFUSED);
    assert_int_equal(check, CLOISTER_CHECK_SNP_ROOT);
    assert_int_equal(cloister_roots_new(&none_pinned), 0);
    self.roots = none_pinned;
    assert_int_equal(clo_self_appraise(&self, LAB_NOW, &check, &until), CLOISTER_E_REFUSED);
    assert_int_equal(check, CLOISTER_CHECK_SNP_ROOT);
    cloister_roots_free(none_pinned);
    self.roots = roots;
    (void)snprintf(cpu.type, sizeof cpu.type, "sev-snp");
    clo_buf_clear(&cpu.chain[2]);
    cpu.chain_n = 2;
    assert_int_equal(clo_self_appraise(&self, LAB_NOW, &check, &until), CLOISTER_E_REFUSED);
    assert_int_equal(check, CLOISTER_CHECK_SNP_PRODUCT);

    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&chain[i]);
    clo_buf_clear(&pem);
    clo_wants_clear(&l);
    clo_gathered_free(g);
    cloister_roots_free(roots);
    clo_cpu_section_clear(&cpu);
    clo_buf_clear(&list);
    clo_buf_clear(&none);
    clo_collateral_clear(&made);
    clo_maker_free(maker);
}

/* ---- the table ---- */

static void test_every_check_is_thought_about(void **state)
{
    static const char *const name[CLO_CHECK_COUNT] = {
#define NAME_(number, id, text, title) text,
        CLOISTER_CHECK_LIST(NAME_)
#undef NAME_
    };

    (void)state;
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++)
        if (clo_self_want[i] != CLO_SELF_PASS && clo_self_want[i] != CLO_SELF_POLICY)
            fail_msg("%s: has it to pass without a policy?", name[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bare_report_wants_certificate_chain_and_list),
        cmocka_unit_test(test_answers_make_evidence_that_appraises_itself),
        cmocka_unit_test(test_what_the_host_gave_is_not_wanted),
        cmocka_unit_test(test_a_stale_certificate_of_the_host_is_replaced),
        cmocka_unit_test(test_another_chips_certificate_is_no_answer),
        cmocka_unit_test(test_version_2_tells_its_product_by_the_certificate),
        cmocka_unit_test(test_providers_certificate_only_the_host_has),
        cmocka_unit_test(test_reports_that_no_certificate_can_be_asked_for),
        cmocka_unit_test(test_hidden_chip_needs_a_certificate_of_the_host),
        cmocka_unit_test(test_turin_has_short_chip_ids),
        cmocka_unit_test(test_rubbish_of_the_host_is_as_good_as_nothing),
        cmocka_unit_test(test_rubbish_is_no_answer),
        cmocka_unit_test(test_answers_of_other_products_are_none),
        cmocka_unit_test(test_dates_are_looked_at),
        cmocka_unit_test(test_older_answers_do_not_replace_newer_ones),
        cmocka_unit_test(test_a_newer_one_is_asked_for_at_half_time),
        cmocka_unit_test(test_room_is_bounded_and_swept),
        cmocka_unit_test(test_one_missing_answer_changes_nothing),
        cmocka_unit_test(test_appraisal_refuses_what_no_policy_could_admit),
        cmocka_unit_test(test_appraisal_refuses_what_is_missing_or_forged),
        cmocka_unit_test(test_appraisal_wants_whole_arguments),
        cmocka_unit_test(test_the_simulator_goes_the_same_way),
        cmocka_unit_test(test_every_check_is_thought_about),
    };

    return cmocka_run_group_tests(tests, snp_lab_open, snp_lab_close);
}
