/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies that are proposed from evidence: what was shown is admitted, anything else is not, and nothing is let in because it was
 * shown that a policy's owner has to decide.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "attest/verdict.h"
#include "client/policy_propose.h"
#include "codec/json.h"
#include "lab/quote.h"
#include "lab/machine.h"

static struct synthetic *machines;
static struct cloister_roots *machine_roots;

static int open_all(void **state)
{
    return quote_lab_open(state) != 0 || synthetic_new(SYNTHETIC_NOW, &machines) != 0 ||
           synthetic_roots(machines, &machine_roots) != 0;
}

static int close_all(void **state)
{
    cloister_roots_free(machine_roots);
    synthetic_free(machines);
    return quote_lab_close(state);
}

static struct cloister_policy *parsed(const json_t *doc)
{
    struct clo_buf text = clo_buf_init(CLO_POLICY_MAX);
    struct cloister_policy *p = NULL;
    char why[200] = "";

    assert_int_equal(clo_json_write(doc, &text), 0);
    if (cloister_policy_check(text.p, text.len, why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_int_equal(cloister_policy_parse(text.p, text.len, &p), 0);
    clo_buf_clear(&text);
    return p;
}

static void open_checks(const struct cloister_verdict *v, char *dst, size_t cap)
{
    dst[0] = '\0';
    for (size_t i = 0; i < v->checks; i++) {
        if (v->check[i].status == CLOISTER_CHECK_PASS ||
            v->check[i].status == CLOISTER_CHECK_NOT_APPLICABLE)
            continue;
        if (dst[0] != '\0')
            strncat(dst, " ", cap - strlen(dst) - 1);
        strncat(dst, cloister_check_name(v->check[i].id), cap - strlen(dst) - 1);
    }
}

/* ---- machines: SEV-SNP, and GPUs beside it ---- */

static struct synthetic_scene *machine(size_t gpus, size_t switches)
{
    struct synthetic_scene *s = calloc(1, sizeof *s);

    assert_non_null(s);
    synthetic_good(machines, gpus, switches, s);
    assert_int_equal(synthetic_make(machines, s), 0);
    return s;
}

static void machine_free(struct synthetic_scene *s)
{
    synthetic_clear(s);
    free(s);
}

static struct clo_shown *shown_of(const struct synthetic_scene *s)
{
    struct clo_shown *shown = calloc(1, sizeof *shown);
    struct cloister_evidence *e = NULL;

    assert_non_null(shown);
    assert_int_equal(cloister_evidence_parse(s->document.p, s->document.len, &e), 0);
    assert_int_equal(clo_shown_read(e, shown), 0);
    cloister_evidence_free(e);
    return shown;
}

static void shown_free(struct clo_shown *s)
{
    clo_shown_clear(s);
    free(s);
}

static json_t *proposal(const struct synthetic_scene *s, bool pin_chip)
{
    struct clo_shown *shown = shown_of(s);
    json_t *doc = NULL;

    assert_int_equal(clo_policy_propose(shown, "n", pin_chip, &doc), 0);
    shown_free(shown);
    return doc;
}

/* The names of the checks that this policy leaves open for that machine; "": it is admitted. */
static const char *left_open(const struct synthetic_scene *s, const json_t *doc)
{
    static char names[4096];
    struct cloister_policy *p = parsed(doc);
    struct cloister_evidence *e = NULL;
    struct cloister_verdict v;
    int err;

    assert_int_equal(cloister_evidence_parse(s->document.p, s->document.len, &e), 0);
    err = cloister_evidence_verify(e, &s->ours, p, machine_roots, s->now, &v);
    open_checks(&v, names, sizeof names);
    assert_true((err == 0) == (names[0] == '\0'));
    cloister_evidence_free(e);
    cloister_policy_free(p);
    return names;
}

static void a_machine_is_admitted_by_the_policy_that_pins_it(void **state)
{
    struct synthetic_scene *s = machine(0, 0);
    json_t *doc = proposal(s, false);
    struct cloister_policy *p = parsed(doc);

    (void)state;
    assert_string_equal(left_open(s, doc), "");
    assert_true(p->sev_snp);
    assert_false(p->sev_snp_azure || p->tdx_plain || p->revocation_if_present);
    assert_int_equal(p->measurements.count, 1);
    assert_int_equal(p->manifests.count, 1);
    assert_false(p->models.given || p->releases.given || p->snp.chip_ids.given);
    assert_false(p->snp.allow_provisional || p->snp.allow_masked_chip || p->snp.allow_cxl);
    assert_int_equal(p->snp.require_platform, CLO_SNP_PLATFORM_ALIAS_CHECK);
    assert_int_equal(p->devices.max, 0);
    cloister_policy_free(p);
    json_decref(doc);
    machine_free(s);
}

static void its_own_chip_is_pinned_where_that_is_wanted(void **state)
{
    struct synthetic_scene *s = machine(0, 0);
    struct clo_shown *shown = shown_of(s);
    json_t *doc = proposal(s, true);
    struct cloister_policy *p = parsed(doc);

    (void)state;
    assert_string_equal(left_open(s, doc), "");
    assert_int_equal(p->snp.chip_ids.count, 1);
    assert_true(clo_policy_list_has(&p->snp.chip_ids, shown->report.chip_id));
    cloister_policy_free(p);
    shown_free(shown);
    json_decref(doc);
    machine_free(s);
}

/* What devices say of themselves lets none in: their maker's values have to come from elsewhere. */
static void gpus_are_not_admitted_before_reference_values_come(void **state)
{
    struct synthetic_scene *s = machine(4, 2);
    json_t *doc = proposal(s, false), *devices = json_object_get(doc, "devices"), *good = NULL;
    struct cloister_policy *p = parsed(doc);

    (void)state;
    assert_int_equal(p->devices.min, 4);
    assert_int_equal(p->devices.max, 4);
    assert_int_equal(p->devices.switches, 2);
    assert_true(p->devices.arch[CLO_GPU_HOPPER] && !p->devices.arch[CLO_GPU_BLACKWELL]);
    assert_int_equal(p->devices.modes, 1 << CLO_GPU_PROTECTED_PCIE);
    assert_int_equal(p->devices.references, 0);
    cloister_policy_free(p);
    assert_string_equal(left_open(s, doc),
                        "devices.appraised gpu.reference gpu.measurements gpu.debug");
    /* As `cloister-rim import` writes them. */
    assert_int_equal(clo_json_parse(s->policy.p, s->policy.len, CLO_POLICY_MAX, &good), 0);
    assert_int_equal(
        json_object_set(devices, "reference_values",
                        json_object_get(json_object_get(good, "devices"), "reference_values")),
        0);
    assert_string_equal(left_open(s, doc), "");
    json_decref(good);
    json_decref(doc);
    machine_free(s);
}

/* As the service is configured; nobody is admitted whose traffic tells more. */
static void a_shape_that_hides_less_is_written_down(void **state)
{
    static const char *const word[] = {"off", "size", NULL};

    (void)state;
    for (unsigned i = 0; i < CLO_ARRAY_LEN(word); i++) {
        struct synthetic_scene *s = calloc(1, sizeof *s);
        const char *got;
        json_t *doc = NULL;

        assert_non_null(s);
        synthetic_good(machines, 0, 0, s);
        s->manifest.shape = (enum clo_shaping)i;
        assert_int_equal(synthetic_make(machines, s), 0);
        doc = proposal(s, false);
        got = json_string_value(json_object_get(doc, "shape"));
        if (word[i] != NULL)
            assert_string_equal(got, word[i]);
        else
            assert_null(got);
        assert_string_equal(left_open(s, doc), "");
        if (word[i] != NULL) {
            assert_int_equal(json_object_del(doc, "shape"), 0);
            assert_string_equal(left_open(s, doc), "manifest.shape");
        }
        json_decref(doc);
        machine_free(s);
    }
}

static void another_machine_is_not_admitted(void **state)
{
    struct synthetic_scene *a = machine(0, 0), *b = calloc(1, sizeof *b);
    json_t *doc = proposal(a, false);

    (void)state;
    assert_non_null(b);
    synthetic_good(machines, 1, 0, b);
    b->manifest.slots++;
    assert_int_equal(synthetic_make(machines, b), 0);
    assert_non_null(strstr(left_open(b, doc), "manifest.pinned"));
    assert_non_null(strstr(left_open(b, doc), "devices.count"));
    json_decref(doc);
    machine_free(a);
    machine_free(b);
}

/* ---- Intel's quotes, as raw evidence ---- */

static void item(struct clo_bundle *b, enum cloister_raw_item what, const struct clo_buf *bytes)
{
    assert_int_equal(clo_bundle_add(b, what, bytes->p, bytes->len), 0);
}

static void bundle_of(const struct quote_recipe *r, const struct quote_evidence *e,
                      struct clo_bundle *b)
{
    *b = (struct clo_bundle){.type = r->sgx ? CLOISTER_RAW_SGX : CLOISTER_RAW_TDX};
    item(b, CLOISTER_ITEM_REPORT, &e->quote);
    if (e->collateral.tcb_info.len != 0)
        item(b, CLOISTER_ITEM_TCB_INFO, &e->collateral.tcb_info);
}

/* The policy that is proposed for r's quote, and what is left open when r2's quote is judged by it. */
static const char *quote_left_open(const struct quote_recipe *r, const struct quote_recipe *r2,
                                   json_t **ret)
{
    static char names[4096];
    struct clo_shown *shown = calloc(1, sizeof *shown);
    struct clo_verdict_builder vb;
    struct cloister_verdict v;
    struct clo_hw_result hw;
    struct clo_bundle b;
    struct quote_evidence e;
    json_t *doc = NULL;

    assert_non_null(shown);
    quote_lab_make(r, &e);
    bundle_of(r, &e, &b);
    assert_int_equal(clo_shown_read_raw(&b, shown), 0);
    assert_int_equal(clo_policy_propose(shown, "n", false, &doc), 0);
    shown_free(shown);
    clo_bundle_clear(&b);
    quote_lab_clear(&e);

    quote_lab_make(r2, &e);
    cloister_policy_free(e.policy);
    e.policy = parsed(doc);
    clo_vb_init(&vb);
    clo_vb_keep_families(&vb, CLO_FAMILY_QUOTE | (r2->sgx ? CLO_FAMILY_SGX : CLO_FAMILY_TDX));
    assert_int_equal(clo_quote_appraise(&e.in, e.policy, e.roots, r2->now, &vb, &hw), 0);
    clo_vb_skip(&vb, 1, CLOISTER_CHECK_BINDING_REPORT_DATA - 1, "");
    clo_vb_skip(&vb, CLOISTER_CHECK_BINDING_REPORT_DATA + 1, 99, "");
    clo_vb_finish(&vb, &v);
    names[0] = '\0';
    for (size_t i = 0; i < v.checks; i++) {
        const struct cloister_check *c = &v.check[i];

        if (c->id < CLOISTER_CHECK_QUOTE_FORMAT ||
            (c->status != CLOISTER_CHECK_FAIL && c->status != CLOISTER_CHECK_MISSING))
            continue;
        if (names[0] != '\0')
            strncat(names, " ", sizeof names - strlen(names) - 1);
        strncat(names, cloister_check_name(c->id), sizeof names - strlen(names) - 1);
    }
    quote_lab_clear(&e);
    if (ret != NULL)
        *ret = doc;
    else
        json_decref(doc);
    return names;
}

static void a_td_is_admitted_by_the_policy_that_pins_it(void **state)
{
    struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10), other = r;
    struct cloister_policy *p = NULL;
    json_t *doc = NULL;

    (void)state;
    assert_string_equal(quote_left_open(&r, &r, &doc), "");
    p = parsed(doc);
    assert_true(p->tdx_plain && p->tdx.tds == 1 && p->tdx.tcb.min_evaluation_number > 0);
    assert_int_equal(p->tdx.tcb.statuses, CLO_TCB_UP_TO_DATE);
    assert_false(p->tdx.allow_sept_ve || p->tdx.config_ids.given || p->tdx.owners.given);
    assert_true(p->tdx.allow_attributes == 0);
    cloister_policy_free(p);
    json_decref(doc);
    for (size_t i = 0; i < 4; i++) {
        other = r;
        other.body[TD_RTMR + 48 * i] ^= 1;
        assert_string_equal(quote_left_open(&r, &other, NULL), "tdx.measurement");
    }
    other = r;
    other.body[TD_MRTD] ^= 1;
    assert_string_equal(quote_left_open(&r, &other, NULL), "tdx.measurement");
}

static void what_the_host_chose_for_a_td_is_pinned(void **state)
{
    static const struct {
        size_t at;
        const char *check;
    } chosen[] = {
        {TD_CONFIG, "tdx.config"}, {TD_OWNER, "tdx.owner"}, {TD_OWNER_CONFIG, "tdx.owner"}};
    struct quote_recipe plain = quote_lab_td(4, CLO_QUOTE_BODY_TD10);

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(chosen); i++) {
        struct quote_recipe r = plain;

        r.body[chosen[i].at] = 1;
        assert_string_equal(quote_left_open(&r, &r, NULL), "");
        assert_string_equal(quote_left_open(&r, &plain, NULL), chosen[i].check);
        assert_string_equal(quote_left_open(&plain, &r, NULL), chosen[i].check);
    }
}

static void attributes_of_a_td_are_taken_over_but_debugging_is_not(void **state)
{
    struct quote_recipe plain = quote_lab_td(5, CLO_QUOTE_BODY_TD15), r = plain;

    (void)state;
    quote_put64(r.body + TD_ATTRIBUTES, CLO_TD_PERFMON | CLO_TD_PKS); /* and no SEPT_VE_DISABLE */
    assert_string_equal(quote_left_open(&r, &r, NULL), "");
    assert_string_equal(quote_left_open(&plain, &r, NULL), "tdx.attributes");
    r = plain;
    quote_put64(r.body + TD_ATTRIBUTES, CLO_TD_SEPT_VE_DISABLE | 1);
    assert_string_equal(quote_left_open(&r, &r, NULL), "tdx.debug");
}

/* Whoever wants a platform with open holes has to write that himself. */
static void a_platform_out_of_date_is_left_to_the_owner(void **state)
{
    struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10);

    (void)state;
    quote_edit(r.info, "UpToDate", "OutOfDate");
    assert_non_null(strstr(quote_left_open(&r, &r, NULL), "quote.tcb"));
}

static void an_enclave_is_admitted_by_the_policy_that_pins_it(void **state)
{
    struct quote_recipe r = quote_lab_enclave(3), other = r;

    (void)state;
    assert_string_equal(quote_left_open(&r, &r, NULL), "");
    other.body[SGX_ENCLAVE] ^= 1;
    assert_string_equal(quote_left_open(&r, &other, NULL), "sgx.measurement");
    r.body[SGX_ATTRIBUTES] |= CLO_SGX_KSS;
    assert_string_equal(quote_left_open(&r, &r, NULL), "");
}

/* ---- what can't be proposed for ---- */

static void what_is_not_evidence_gives_no_policy(void **state)
{
    struct clo_bundle b = {.type = CLOISTER_RAW_TDX};
    static uint8_t bytes[] = "junk";
    const struct clo_buf junk = {.p = bytes, .len = 4};
    struct clo_shown *s = calloc(1, sizeof *s);

    (void)state;
    assert_non_null(s);
    item(&b, CLOISTER_ITEM_REPORT, &junk);
    for (unsigned t = CLOISTER_RAW_SEV_SNP; t <= CLOISTER_RAW_TPM; t++) {
        b.type = t;
        assert_int_not_equal(clo_shown_read_raw(&b, s), 0);
    }
    clo_bundle_clear(&b);
    for (unsigned t = CLOISTER_RAW_SEV_SNP; t <= CLOISTER_RAW_TPM; t++) { /* nothing at all */
        b = (struct clo_bundle){.type = t};
        assert_int_not_equal(clo_shown_read_raw(&b, s), 0);
    }
    free(s);
}

/* A machine whose CPU isn't known has no floors that a policy could name. */
static void a_product_that_is_not_known_gives_no_policy(void **state)
{
    struct synthetic_scene *m = machine(0, 0);
    struct clo_shown *s = shown_of(m);
    json_t *doc = NULL;

    (void)state;
    s->product = CLO_SNP_UNKNOWN;
    assert_int_equal(clo_policy_propose(s, "n", false, &doc), CLOISTER_E_UNSUPPORTED);
    s->product = CLO_SNP_GENOA;
    s->manifest_b64[0] = '\0';
    assert_int_equal(clo_policy_propose(s, "n", false, &doc), CLOISTER_E_LIMIT);
    assert_null(doc);
    shown_free(s);
    machine_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_is_admitted_by_the_policy_that_pins_it),
        cmocka_unit_test(its_own_chip_is_pinned_where_that_is_wanted),
        cmocka_unit_test(gpus_are_not_admitted_before_reference_values_come),
        cmocka_unit_test(a_shape_that_hides_less_is_written_down),
        cmocka_unit_test(another_machine_is_not_admitted),
        cmocka_unit_test(a_td_is_admitted_by_the_policy_that_pins_it),
        cmocka_unit_test(what_the_host_chose_for_a_td_is_pinned),
        cmocka_unit_test(attributes_of_a_td_are_taken_over_but_debugging_is_not),
        cmocka_unit_test(a_platform_out_of_date_is_left_to_the_owner),
        cmocka_unit_test(an_enclave_is_admitted_by_the_policy_that_pins_it),
        cmocka_unit_test(what_is_not_evidence_gives_no_policy),
        cmocka_unit_test(a_product_that_is_not_known_gives_no_policy),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
