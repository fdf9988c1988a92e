/* SPDX-License-Identifier: Apache-2.0 */
/* What the worker's messages hold, and how collateral is asked for over time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../support/simulated.h"
#include "daemon/attester/collateral.h"
#include "daemon/worker.h"
#include "lab/quote.h"
#include "lab/snp.h"
#include "tests/unit/gather_try.h"

#define NOW      1800000000
#define AGAIN_MS 100

static struct clo_maker *maker;
static struct clo_buf crl; /* the simulator's list */

static int setup(void **state)
{
    const struct clo_want w = {.kind = CLO_WANT_AMD_CRL};
    struct clo_buf chain = clo_buf_init(0);

    (void)state;
    crl = clo_buf_init(CLO_ANSWER_MAX);
    if (clo_crypto_init() != 0 || clo_maker_simulated_new(clo_rng_system(), NOW, &maker) != 0)
        return -1;
    return maker->ops->answer(maker, &w, &crl, &chain);
}

static int teardown(void **state)
{
    (void)state;
    clo_buf_clear(&crl);
    clo_maker_free(maker);
    return 0;
}

static void fill(struct clo_buf *b, const char *text)
{
    *b = clo_buf_init(64);
    assert_int_equal(clo_buf_append(b, text, strlen(text)), 0);
}

/* ---- payloads ---- */

static void a_section_comes_back_and_only_as_a_whole(void **state)
{
    struct clo_cpu_section c = {.type = "sev-snp-azure"}, back = {0};
    struct clo_buf raw = clo_buf_init(CLO_CPU_RAW_MAX);

    (void)state;
    fill(&c.hcl, "hcl");
    fill(&c.tpm_quote, "quote");
    fill(&c.pcrs, "pcrs");
    fill(&c.chain[0], "leaf");
    fill(&c.chain[1], "issuer");
    c.chain_n = 2;
    assert_int_equal(clo_cpu_raw_write(&c, &raw), 0);
    for (size_t n = 0; n < raw.len; n++)
        assert_int_not_equal(clo_cpu_raw_read(raw.p, n, &back), 0);
    assert_int_equal(clo_cpu_raw_read(raw.p, raw.len, &back), 0);
    assert_int_equal(back.kind, CLO_CPU_SNP_AZURE);
    assert_string_equal(back.type, c.type);
    assert_int_equal(back.chain_n, 2);
    assert_memory_equal(back.chain[1].p, "issuer", 6);
    assert_memory_equal(back.tpm_quote.p, "quote", 5);
    assert_int_equal(back.quote.len, 0);
    clo_cpu_section_clear(&back);
    assert_int_equal(clo_buf_append(&raw, "", 1), 0);
    assert_int_equal(clo_cpu_raw_read(raw.p, raw.len, &back), CLOISTER_E_TRAILING);
    clo_cpu_section_clear(&c);
    clo_buf_clear(&raw);
}

static void a_simulated_report_takes_the_same_way(void **state)
{
    static const uint8_t data[64] = {1};
    struct clo_cpu_section c = {0}, back = {0};
    struct clo_buf raw = clo_buf_init(CLO_CPU_RAW_MAX);

    (void)state;
    assert_int_equal(maker->ops->report(maker, data, &c), 0);
    assert_int_equal(clo_cpu_raw_write(&c, &raw), 0);
    assert_int_equal(clo_cpu_raw_read(raw.p, raw.len, &back), 0);
    assert_int_equal(back.report_n, c.report_n);
    assert_memory_equal(back.report, c.report, c.report_n);
    assert_int_equal(back.chain_n, 3);
    clo_cpu_section_clear(&c);
    clo_cpu_section_clear(&back);
    clo_buf_clear(&raw);
}

static void lengths_and_types_are_bounded(void **state)
{
    struct clo_cpu_section c = {.type = "sev-snp"}, back = {0};
    struct clo_buf raw = clo_buf_init(CLO_CPU_RAW_MAX);

    (void)state;
    assert_int_equal(clo_cpu_raw_write(&c, &raw), 0);
    raw.p[4] = 'x';
    assert_int_equal(clo_cpu_raw_read(raw.p, raw.len, &back), CLOISTER_E_UNKNOWN);
    raw.p[4] = 's';
    raw.p[0] = sizeof c.type; /* no room for its zero */
    assert_int_equal(clo_cpu_raw_read(raw.p, raw.len, &back), CLOISTER_E_LIMIT);
    raw.p[0] = 7;
    raw.p[11 + 1] = 5; /* a report of 1280 bytes */
    assert_int_equal(clo_cpu_raw_read(raw.p, raw.len, &back), CLOISTER_E_LIMIT);
    raw.p[11 + 1] = 0;
    raw.p[raw.len - 4] = CLO_CHAIN_MAX + 1;
    assert_int_equal(clo_cpu_raw_read(raw.p, raw.len, &back), CLOISTER_E_LIMIT);
    clo_buf_clear(&raw);
}

static void gpus_come_back_as_they_are(void **state)
{
    const struct clo_gpus_state v = {
        .count = 8, .cc = true, .devtools = true, .accepting = true, .identity = {7}};
    struct clo_gpus_state back = {0};
    uint8_t raw[64] = {0};
    struct clo_wr wr = clo_wr_init(raw, sizeof raw);

    (void)state;
    assert_int_equal(clo_gpus_state_write(&v, &wr), 0);
    for (size_t n = 0; n < wr.len; n++)
        assert_int_equal(clo_gpus_state_read(raw, n, &back), CLOISTER_E_TRUNCATED);
    assert_int_equal(clo_gpus_state_read(raw, wr.len, &back), 0);
    assert_int_equal(back.count, 8);
    assert_true(back.cc && !back.multi && back.devtools && !back.simulated && back.accepting);
    assert_int_equal(back.identity[0], 7);
    raw[4] = 2;
    assert_int_equal(clo_gpus_state_read(raw, wr.len, &back), CLOISTER_E_MALFORMED);
}

/* ---- collateral over time ---- */

struct play {
    struct clo_supply *s;
    struct clo_moment now;
    struct clo_fetch asked;
    uint64_t id;
};

static struct play begin(void)
{
    struct play p = {.now = {NOW, 1000000}};

    assert_int_equal(clo_supply_new(AGAIN_MS, &p.s), 0);
    return p;
}

static void later(struct play *p, int64_t ms)
{
    p->now.mono_us += ms * 1000;
    p->now.unix_s += ms / 1000;
}

static int complete(struct play *p)
{
    static const uint8_t data[64];
    struct clo_cpu_section cpu = {0};
    struct clo_collateral c = {0};
    int err;

    assert_int_equal(maker->ops->report(maker, data, &cpu), 0);
    err = clo_supply_complete(p->s, &cpu, NULL, p->now, &c);
    assert_int_equal(c.crls, err == 0 ? 1 : 0);
    clo_cpu_section_clear(&cpu);
    clo_collateral_clear(&c);
    return err;
}

static bool ask(struct play *p)
{
    return clo_supply_ask(p->s, p->now, &p->asked, &p->id);
}

static int answer(struct play *p, bool from_file, const void *bytes, size_t n)
{
    const struct clo_fetched f = {.from_file = from_file, .status = from_file ? 0 : 200};
    const struct clo_answer a = {.body = bytes, .body_n = n};

    return clo_supply_answer(p->s, p->id, &f, &a, p->now);
}

static int refuse(struct play *p, int error, uint32_t status, uint32_t again_s)
{
    const struct clo_fetched f = {.error = error, .status = status, .again_s = again_s};

    return clo_supply_answer(p->s, p->id, &f, &(struct clo_answer){0}, p->now);
}

static void what_is_wanted_is_asked_for_once(void **state)
{
    struct play p = begin();
    struct clo_waiting w;

    (void)state;
    assert_false(ask(&p)); /* nothing is wanted yet */
    assert_int_equal(complete(&p), CLOISTER_E_INDETERMINATE);
    assert_int_equal(clo_supply_missing(p.s, &w), CLO_WANT_AMD_CRL);
    assert_int_equal(w.what, 0); /* nobody was asked: no news */
    assert_true(ask(&p));
    assert_int_equal(p.asked.renew, 0);
    assert_int_equal(p.asked.want.kind, CLO_WANT_AMD_CRL);
    assert_false(ask(&p));
    assert_true(clo_supply_wake_us(p.s, p.now) == INT64_MAX);
    assert_int_equal(answer(&p, false, crl.p, crl.len), 0);
    assert_int_equal(answer(&p, false, crl.p, crl.len), CLOISTER_E_PROTOCOL); /* twice */
    assert_int_equal(complete(&p), 0);
    assert_false(ask(&p));
    clo_supply_free(p.s);
}

static void what_was_good_is_kept_and_nothing_else(void **state)
{
    struct play p = begin();
    uint64_t id = 0;

    (void)state;
    assert_int_equal(complete(&p), CLOISTER_E_INDETERMINATE);
    assert_true(ask(&p));
    assert_int_equal(answer(&p, false, crl.p, crl.len), 0);
    assert_false(clo_supply_keep(p.s, &id)); /* not appraised */
    assert_int_equal(complete(&p), 0);
    clo_supply_proved(p.s);
    assert_true(clo_supply_keep(p.s, &id));
    assert_int_equal(id, p.id);
    assert_false(clo_supply_keep(p.s, &id));
    clo_supply_free(p.s);

    p = begin();
    assert_int_equal(complete(&p), CLOISTER_E_INDETERMINATE);
    assert_true(ask(&p));
    assert_int_equal(answer(&p, true, crl.p, crl.len), 0); /* a file already */
    assert_int_equal(complete(&p), 0);
    clo_supply_proved(p.s);
    assert_false(clo_supply_keep(p.s, &id));
    clo_supply_free(p.s);
}

static void a_bad_file_is_passed_over_at_once_and_a_bad_service_after_a_while(void **state)
{
    struct play p = begin();
    struct clo_waiting w;

    (void)state;
    assert_int_equal(complete(&p), CLOISTER_E_INDETERMINATE);
    assert_true(ask(&p));
    assert_int_equal(answer(&p, true, "rubbish", 7), 0);
    assert_true(ask(&p));
    assert_int_equal(p.asked.renew, 1);
    assert_int_equal(answer(&p, false, "<html>", 6), 0);
    assert_false(ask(&p));
    assert_int_equal(complete(&p), CLOISTER_E_INDETERMINATE);
    assert_int_equal(clo_supply_missing(p.s, &w), CLO_WANT_AMD_CRL);
    assert_int_equal(w.what, CLO_WAIT_COLLATERAL);
    assert_int_equal(w.error, CLOISTER_E_MALFORMED);
    assert_string_equal(w.name, "amd-vcek-crl-genoa.der");
    assert_true(clo_supply_wake_us(p.s, p.now) == p.now.mono_us + AGAIN_MS * 1000);
    later(&p, AGAIN_MS);
    assert_true(ask(&p));
    clo_supply_free(p.s);
}

static void a_file_is_looked_at_again_however_long_the_service_wants_to_rest(void **state)
{
    struct play p = begin();
    struct clo_waiting w;

    (void)state;
    assert_int_equal(complete(&p), CLOISTER_E_INDETERMINATE);
    assert_true(ask(&p));
    assert_int_equal(refuse(&p, CLOISTER_E_NOT_FOUND, 404, 3600), 0);
    assert_int_equal(complete(&p), CLOISTER_E_INDETERMINATE);
    assert_int_equal(clo_supply_missing(p.s, &w), CLO_WANT_AMD_CRL);
    assert_int_equal(w.detail, 404);
    assert_int_equal(w.again_s, 3600);
    assert_false(ask(&p));
    later(&p, 12 * AGAIN_MS);
    assert_true(ask(&p));
    assert_int_equal(p.asked.renew, 0);
    assert_int_equal(answer(&p, true, crl.p, crl.len), 0);
    assert_int_equal(complete(&p), 0);
    clo_supply_free(p.s);
}

static void an_answer_is_renewed_in_time_and_never_used_after_its_end(void **state)
{
    const int64_t year = INT64_C(365) * 86400;
    struct play p = begin();

    (void)state;
    assert_int_equal(complete(&p), CLOISTER_E_INDETERMINATE);
    assert_true(ask(&p));
    assert_int_equal(answer(&p, true, crl.p, crl.len), 0);
    later(&p, year * 1000 / 4);
    assert_false(ask(&p));
    assert_true(clo_supply_wake_us(p.s, p.now) > p.now.mono_us);
    later(&p, year * 1000 / 2);
    assert_true(ask(&p)); /* more than half of its time is over */
    assert_int_equal(p.asked.renew, 1);
    assert_int_equal(refuse(&p, CLOISTER_E_NETWORK, 0, 10), 0);
    assert_int_equal(complete(&p), 0); /* it holds on */
    assert_false(ask(&p));
    later(&p, year * 1000 / 2);
    assert_int_equal(complete(&p), CLOISTER_E_INDETERMINATE);
    assert_true(ask(&p));
    assert_int_equal(answer(&p, false, crl.p, crl.len), 0); /* the same old one */
    assert_int_equal(complete(&p), CLOISTER_E_INDETERMINATE);
    clo_supply_free(p.s);
}

static void who_asks_a_fetcher_that_has_gone_asks_the_next_one(void **state)
{
    struct play p = begin();
    uint64_t before;

    (void)state;
    assert_int_equal(complete(&p), CLOISTER_E_INDETERMINATE);
    assert_true(ask(&p));
    before = p.id;
    clo_supply_asked_in_vain(p.s);
    assert_int_equal(answer(&p, false, crl.p, crl.len), CLOISTER_E_PROTOCOL);
    assert_true(ask(&p));
    assert_int_not_equal(p.id, before);
    clo_supply_free(p.s);
}

static void what_made_evidence_that_fails_is_thrown_away_unless_it_passed_before(void **state)
{
    struct play p = begin();

    (void)state;
    assert_int_equal(complete(&p), CLOISTER_E_INDETERMINATE);
    assert_true(ask(&p));
    assert_int_equal(answer(&p, true, crl.p, crl.len), 0);
    assert_int_equal(complete(&p), 0);
    clo_supply_distrust(p.s, p.now);
    assert_int_equal(complete(&p), CLOISTER_E_INDETERMINATE);
    assert_false(ask(&p));
    later(&p, AGAIN_MS);
    assert_true(ask(&p));
    assert_int_equal(p.asked.renew, 1); /* the file isn't believed */
    assert_int_equal(answer(&p, false, crl.p, crl.len), 0);
    assert_int_equal(complete(&p), 0);
    clo_supply_proved(p.s);
    clo_supply_distrust(p.s, p.now); /* it was the report, then */
    assert_int_equal(complete(&p), 0);
    clo_supply_free(p.s);
}

/* A report of version 2 names its product by the certificate that was found for it, which no want names from then on. */
struct old_machine {
    struct snp_recipe r;
    struct clo_buf chain[CLO_CHAIN_MAX], root, pem;
    struct clo_collateral lists;
};

static void old_machine_make(struct old_machine *m)
{
    *m = (struct old_machine){.r = snp_lab_good(), .pem = clo_buf_init(CLO_ANSWER_MAX)};
    snp_put32(&m->r, 0, 2);
    memset(m->r.report + 0x188, 0, 3);
    snp_put64(&m->r, 0x1f8, 0);
    snp_put64(&m->r, 0x200, 0);
    snp_lab_chain(&m->r, m->chain);
    snp_lab_root(&m->r, &m->root);
    pem_append(&m->pem, &m->chain[1]);
    pem_append(&m->pem, &m->root);
    snp_lab_crl(&m->r, &m->lists);
}

static void old_machine_clear(struct old_machine *m)
{
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&m->chain[i]);
    clo_buf_clear(&m->root);
    clo_buf_clear(&m->pem);
    clo_collateral_clear(&m->lists);
}

static int old_complete(struct play *p, const struct old_machine *m)
{
    struct clo_cpu_section cpu = {.type = "sev-snp", .report_n = CLO_SNP_REPORT_LEN};
    struct clo_collateral c = {0};
    int err;

    snp_lab_sign(&m->r, cpu.report);
    err = clo_supply_complete(p->s, &cpu, NULL, p->now, &c);
    clo_cpu_section_clear(&cpu);
    clo_collateral_clear(&c);
    return err;
}

/* Until nothing is due: the service has Genoa's certificates and not Milan's. *ret: the question about the leaf. */
static void old_answers(struct play *p, const struct old_machine *m, uint64_t *ret)
{
    while (ask(p)) {
        const struct clo_want *w = &p->asked.want;
        const struct clo_buf *b = w->kind == CLO_WANT_AMD_VCEK    ? &m->chain[0]
                                  : w->kind == CLO_WANT_AMD_CHAIN ? &m->pem
                                                                  : &m->lists.crl[0];

        if (w->kind == CLO_WANT_AMD_VCEK && w->product == CLO_AMD_GENOA)
            *ret = p->id;
        assert_int_equal(w->product == CLO_AMD_GENOA ? answer(p, false, b->p, b->len)
                                                     : refuse(p, CLOISTER_E_NOT_FOUND, 404, 0),
                         0);
    }
}

static void a_certificate_that_told_the_product_is_kept_and_thrown_away_like_others(void **state)
{
    struct play p = begin();
    struct old_machine m;
    uint64_t leaf = 0, id = 0;
    bool kept = false;

    (void)state;
    old_machine_make(&m);
    p.now.unix_s = m.r.now;
    assert_int_equal(old_complete(&p, &m), CLOISTER_E_INDETERMINATE);
    old_answers(&p, &m, &leaf);
    assert_int_equal(old_complete(&p, &m), CLOISTER_E_INDETERMINATE);
    old_answers(&p, &m, &leaf);
    assert_int_equal(old_complete(&p, &m), 0);
    clo_supply_proved(p.s);
    while (clo_supply_keep(p.s, &id))
        kept |= id == leaf;
    assert_true(kept);
    for (int i = 0; i < 20; i++) { /* however often it is used, and asked for no more */
        assert_true(clo_supply_wake_us(p.s, p.now) > p.now.mono_us);
        later(&p, 60 * AGAIN_MS);
        assert_false(ask(&p)); /* nor is Milan's, which there isn't */
        assert_int_equal(old_complete(&p, &m), 0);
    }
    /* After an update it is another one; and if that isn't authentic, it goes, though the rest was proved. */
    m.r.report[0x180 + 7] -= 1;
    snp_ext_int(&m.r, SNP_OID("3.8"), m.r.report[0x180 + 7]);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&m.chain[i]);
    snp_lab_chain(&m.r, m.chain);
    assert_int_equal(old_complete(&p, &m), CLOISTER_E_INDETERMINATE);
    old_answers(&p, &m, &leaf);
    assert_int_equal(old_complete(&p, &m), 0);
    clo_supply_distrust(p.s, p.now);
    assert_int_equal(old_complete(&p, &m), CLOISTER_E_INDETERMINATE);
    old_machine_clear(&m);
    clo_supply_free(p.s);
}

static int td_complete(struct play *p, const struct quote_evidence *e)
{
    struct clo_cpu_section cpu = {.type = "tdx"};
    struct clo_collateral c = {0};
    int err;

    copy_into(&cpu.quote, &e->quote);
    err = clo_supply_complete(p->s, &cpu, NULL, p->now, &c);
    clo_cpu_section_clear(&cpu);
    clo_collateral_clear(&c);
    return err;
}

/* Until nothing is due. Bit i: the want of kind i was asked for, past the cache with `renewed`. */
static unsigned td_answers(struct play *p, const struct quote_evidence *e, unsigned only,
                           unsigned *renewed)
{
    unsigned kinds = 0;

    *renewed = 0;
    while (ask(p)) {
        const enum clo_want_kind k = p->asked.want.kind;
        const struct clo_buf *b = k == CLO_WANT_INTEL_TCB_INFO      ? &e->collateral.tcb_info
                                  : k == CLO_WANT_INTEL_QE_IDENTITY ? &e->collateral.qe_identity
                                  : k == CLO_WANT_INTEL_PCK_CRL     ? &e->collateral.crl[1]
                                                                    : &e->collateral.crl[0];

        kinds |= 1U << k;
        *renewed |= p->asked.renew ? 1U << k : 0;
        assert_int_equal((only >> k & 1) != 0 ? answer(p, false, b->p, b->len)
                                              : refuse(p, CLOISTER_E_NETWORK, 0, 0),
                         0);
    }
    return kinds;
}

/* They are taken together only while one key signs both: a newer one of another key makes the other one useless. */
static void intels_documents_are_asked_for_anew_together(void **state)
{
    const struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    const unsigned info = 1U << CLO_WANT_INTEL_TCB_INFO,
                   identity = 1U << CLO_WANT_INTEL_QE_IDENTITY,
                   lists = 1U << CLO_WANT_INTEL_PCK_CRL | 1U << CLO_WANT_INTEL_ROOT_CRL;
    struct play p = begin();
    struct quote_evidence e;
    unsigned renewed = 0;

    (void)state;
    quote_lab_make(&r, &e);
    p.now.unix_s = r.now;
    assert_int_equal(td_complete(&p, &e), CLOISTER_E_INDETERMINATE);
    assert_int_equal(td_answers(&p, &e, ~0U, &renewed), info | identity | lists);
    assert_int_equal(renewed, 0);
    assert_int_equal(td_complete(&p, &e), 0);
    clo_supply_proved(p.s);
    p.now.mono_us += (int64_t)AGAIN_MS * 1000;
    p.now.unix_s += 1296000 / 2 + 86400; /* past their half, and before their end */
    assert_int_equal(td_answers(&p, &e, identity, &renewed) & (info | identity), info | identity);
    assert_int_equal(td_complete(&p, &e), 0);
    clo_supply_distrust(p.s, p.now);
    assert_int_equal(td_complete(&p, &e), CLOISTER_E_INDETERMINATE);
    p.now.mono_us += (int64_t)100 * AGAIN_MS * 1000;
    assert_int_equal(td_answers(&p, &e, ~0U, &renewed), info | identity | lists);
    assert_int_equal(renewed,
                     info | identity); /* the lists were proved, and are good from a file */
    assert_int_equal(td_complete(&p, &e), 0);
    quote_lab_clear(&e);
    clo_supply_free(p.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_section_comes_back_and_only_as_a_whole),
        cmocka_unit_test(a_simulated_report_takes_the_same_way),
        cmocka_unit_test(lengths_and_types_are_bounded),
        cmocka_unit_test(gpus_come_back_as_they_are),
        cmocka_unit_test(what_is_wanted_is_asked_for_once),
        cmocka_unit_test(what_was_good_is_kept_and_nothing_else),
        cmocka_unit_test(a_bad_file_is_passed_over_at_once_and_a_bad_service_after_a_while),
        cmocka_unit_test(a_file_is_looked_at_again_however_long_the_service_wants_to_rest),
        cmocka_unit_test(an_answer_is_renewed_in_time_and_never_used_after_its_end),
        cmocka_unit_test(who_asks_a_fetcher_that_has_gone_asks_the_next_one),
        cmocka_unit_test(what_made_evidence_that_fails_is_thrown_away_unless_it_passed_before),
        cmocka_unit_test_setup_teardown(
            a_certificate_that_told_the_product_is_kept_and_thrown_away_like_others, snp_lab_open,
            snp_lab_close),
        cmocka_unit_test_setup_teardown(intels_documents_are_asked_for_anew_together,
                                        quote_lab_open, quote_lab_close),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
