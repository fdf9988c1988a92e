/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw evidence: what is taken, what its verdict has, and that nothing of it is more than it is. Reports come from the laboratory that stands
 * for AMD; how devices are judged without their machine is in test_combined.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cloister/verify.h>

#include "attest/kind.h"
#include "attest/roots.h"
#include "base/enc.h"
#include "lab/snp.h"

enum {
    ITEMS = CLOISTER_ITEM_EVENT_LOG,
    TYPES = CLOISTER_RAW_TPM,
};

static struct cloister_raw *raw(enum cloister_raw_type type)
{
    struct cloister_raw *r = NULL;

    assert_int_equal(cloister_raw_new(type, &r), 0);
    return r;
}

/* Report, chain and list of a recipe, one item each. */
static struct cloister_raw *raw_of(const struct snp_recipe *recipe)
{
    struct cloister_raw *r = raw(CLOISTER_RAW_SEV_SNP);
    struct clo_buf chain[CLO_CHAIN_MAX];
    struct clo_collateral c;
    uint8_t report[CLO_SNP_REPORT_LEN];

    snp_lab_chain(recipe, chain);
    snp_lab_crl(recipe, &c);
    snp_lab_sign(recipe, report);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_REPORT, report, recipe->report_n), 0);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++) {
        if (i < recipe->chain_n)
            assert_int_equal(
                cloister_raw_add(r, CLOISTER_ITEM_CERTIFICATES, chain[i].p, chain[i].len), 0);
        clo_buf_clear(&chain[i]);
    }
    for (size_t i = 0; i < c.crls; i++)
        assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_CRL, c.crl[i].p, c.crl[i].len), 0);
    clo_collateral_clear(&c);
    return r;
}

static int judge(const struct snp_recipe *recipe, const struct cloister_raw *r, bool with_policy,
                 struct cloister_verdict *v)
{
    struct cloister_policy *p = with_policy ? snp_lab_policy(recipe) : NULL;
    struct cloister_roots *roots = snp_lab_roots(recipe);
    int err = cloister_raw_appraise(r, p, roots, recipe->now, v);

    cloister_roots_free(roots);
    cloister_policy_free(p);
    return err;
}

static enum cloister_check_status status_of(const struct cloister_verdict *v,
                                            enum cloister_check_id id)
{
    for (size_t i = 0; i < v->checks; i++)
        if (v->check[i].id == id)
            return v->check[i].status;
    return CLOISTER_CHECK_NONE;
}

/* ---- what is taken ---- */

static void a_type_takes_the_items_that_it_has_use_for(void **state)
{
    /* by type; bit i: item i */
    static const struct {
        unsigned takes, once;
    } want[TYPES + 1] = {
        [CLOISTER_RAW_SEV_SNP] = {1 << 1 | 1 << 2 | 1 << 3, 1 << 1},
        [CLOISTER_RAW_TDX] = {1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 13,
                              1 << 1 | 1 << 4 | 1 << 5 | 1 << 13},
        [CLOISTER_RAW_SGX] = {1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6,
                              1 << 1 | 1 << 4 | 1 << 5},
        [CLOISTER_RAW_AZURE] = {1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 |
                                    1 << 9 | 1 << 10 | 1 << 12 | 1 << 13,
                                1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 12 |
                                    1 << 13},
        [CLOISTER_RAW_NVIDIA] = {1 << 1 | 1 << 2 | 1 << 7, 0},
        [CLOISTER_RAW_TPM] = {1 << 2 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13,
                              1 << 9 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13},
    };

    (void)state;
    for (unsigned t = 1; t <= TYPES; t++) {
        for (unsigned i = 0; i <= ITEMS + 1; i++) {
            struct cloister_raw *r = raw(t);
            int err = 0;

            if (t == CLOISTER_RAW_NVIDIA && i != CLOISTER_ITEM_REPORT)
                assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_REPORT, "\x30", 1), 0);
            /* an empty SEQUENCE is DER, as far as anybody looks at it here */
            err = cloister_raw_add(r, i, "\x30\x00", 2);
            assert_int_equal(err, (want[t].takes >> i & 1) != 0 ? 0 : CLOISTER_E_ARGUMENT);
            if (err == 0)
                assert_int_equal(cloister_raw_add(r, i, "\x30\x00", 2),
                                 (want[t].once >> i & 1) != 0 ? CLOISTER_E_DUPLICATE : 0);
            cloister_raw_free(r);
        }
    }
}

static void what_is_not_there_is_refused(void **state)
{
    struct cloister_raw *r = NULL;
    struct cloister_verdict v;
    const struct cloister_verdict zero = {0};

    (void)state;
    assert_int_equal(cloister_raw_new(0, &r), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_raw_new(TYPES + 1, &r), CLOISTER_E_ARGUMENT);
    assert_null(r);
    assert_int_equal(cloister_raw_new(CLOISTER_RAW_TDX, NULL), CLOISTER_E_ARGUMENT);
    r = raw(CLOISTER_RAW_SEV_SNP);
    assert_int_equal(cloister_raw_add(NULL, CLOISTER_ITEM_REPORT, "x", 1), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_REPORT, NULL, 1), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_REPORT, "x", 0), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_raw_expect(NULL, "x", 1), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_raw_expect(r, NULL, 64), CLOISTER_E_ARGUMENT);
    cloister_raw_expect_any(NULL);
    memset(&v, 0xff, sizeof v);
    assert_int_equal(cloister_raw_appraise(NULL, NULL, cloister_roots_builtin(), 1, &v),
                     CLOISTER_E_ARGUMENT);
    assert_memory_equal(&v, &zero, sizeof v);
    assert_int_equal(cloister_raw_appraise(r, NULL, NULL, 1, &v), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_raw_appraise(r, NULL, cloister_roots_builtin(), -1, &v),
                     CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_raw_appraise(r, NULL, cloister_roots_builtin(), INT64_MAX, &v),
                     CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_raw_appraise(r, NULL, cloister_roots_builtin(), 1, NULL),
                     CLOISTER_E_ARGUMENT);
    cloister_raw_free(r);
    cloister_raw_free(NULL);
}

static void what_is_expected_has_the_length_of_its_type(void **state)
{
    static const struct {
        enum cloister_raw_type type;
        size_t min, max;
    } want[] = {
        {CLOISTER_RAW_SEV_SNP, 64, 64}, {CLOISTER_RAW_TDX, 64, 64},    {CLOISTER_RAW_SGX, 64, 64},
        {CLOISTER_RAW_AZURE, 1, 64},    {CLOISTER_RAW_NVIDIA, 32, 32}, {CLOISTER_RAW_TPM, 1, 64},
    };
    static const uint8_t data[66];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(want); i++) {
        for (size_t n = 0; n <= sizeof data; n++) {
            struct cloister_raw *r = raw(want[i].type);
            const bool fits = n >= want[i].min && n <= want[i].max;

            assert_int_equal(cloister_raw_expect(r, data, n), fits ? 0 : CLOISTER_E_ARGUMENT);
            if (fits)
                assert_int_equal(cloister_raw_expect(r, data, n), CLOISTER_E_DUPLICATE);
            cloister_raw_free(r);
        }
    }
}

static void sets_are_bounded(void **state)
{
    uint8_t *p = calloc(1, (1 << 20) + 1);
    struct cloister_raw *r = raw(CLOISTER_RAW_NVIDIA);

    (void)state;
    assert_non_null(p);
    p[0] = 0x30;
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_CERTIFICATES, "\x30\x00", 2),
                     CLOISTER_E_STATE); /* of which report? */
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_REPORT, p, CLO_DEVICE_REPORT_MAX + 1),
                     CLOISTER_E_LIMIT);
    for (size_t i = 0; i < CLO_DEVICES_MAX; i++)
        assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_REPORT, p, 1), 0);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_REPORT, p, 1), CLOISTER_E_LIMIT);
    for (size_t i = 0; i < CLO_DEVICE_CHAIN_MAX; i++)
        assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_CERTIFICATES, "\x30\x00", 2), 0);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_CERTIFICATES, "\x30\x00", 2),
                     CLOISTER_E_LIMIT);
    for (size_t i = 0; i < CLO_OCSPS_MAX; i++)
        assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_OCSP, p, 1), 0);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_OCSP, p, 1), CLOISTER_E_LIMIT);
    cloister_raw_free(r);

    r = raw(CLOISTER_RAW_AZURE); /* each 1 MiB, and 4 MiB together */
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_REPORT, p, (1 << 20) + 1), CLOISTER_E_LIMIT);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_REPORT, p, 1 << 20), 0);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_TD_QUOTE, p, 1 << 20), 0);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_TPM_QUOTE, p, 1 << 20), 0);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_PCRS, p, 1 << 20), 0);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_EVENT_LOG, p, 1), CLOISTER_E_LIMIT);
    cloister_raw_free(r);
    free(p);
}

/* ---- DER and PEM ---- */

static void pem_append(struct clo_buf *b, const char *label, const uint8_t *der, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char line[128];

    (void)snprintf(line, sizeof line, "some text\n-----BEGIN %s-----\n", label);
    assert_int_equal(clo_buf_append(b, line, strlen(line)), 0);
    for (size_t i = 0; i < n; i += 3) {
        const uint32_t v = (uint32_t)der[i] << 16 | (i + 1 < n ? der[i + 1] << 8 : 0) |
                           (i + 2 < n ? der[i + 2] : 0);
        char quad[5] = {digit[v >> 18], digit[v >> 12 & 63], i + 1 < n ? digit[v >> 6 & 63] : '=',
                        i + 2 < n ? digit[v & 63] : '=', '\n'};

        assert_int_equal(clo_buf_append(b, quad, i % 48 == 45 ? 5 : 4), 0);
    }
    (void)snprintf(line, sizeof line, "\n-----END %s-----\n", label);
    assert_int_equal(clo_buf_append(b, line, strlen(line)), 0);
}

static void chains_and_lists_may_be_pem(void **state)
{
    struct snp_recipe recipe = snp_lab_good();
    struct cloister_raw *r = raw(CLOISTER_RAW_SEV_SNP);
    struct clo_buf chain[CLO_CHAIN_MAX], pem = clo_buf_init(1 << 16), list = clo_buf_init(1 << 16);
    struct clo_collateral c;
    struct cloister_verdict v;
    uint8_t report[CLO_SNP_REPORT_LEN];

    (void)state;
    snp_lab_chain(&recipe, chain);
    snp_lab_crl(&recipe, &c);
    snp_lab_sign(&recipe, report);
    for (size_t i = 0; i < 2; i++)
        pem_append(&pem, "CERTIFICATE", chain[i].p, chain[i].len);
    pem_append(&list, "X509 CRL", c.crl[0].p, c.crl[0].len);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_REPORT, report, sizeof report), 0);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_CERTIFICATES, pem.p, pem.len), 0);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_CRL, pem.p, pem.len), CLOISTER_E_MALFORMED);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_CRL, list.p, list.len), 0);
    assert_int_equal(cloister_raw_expect(r, recipe.report_data, 64), 0);
    assert_int_equal(judge(&recipe, r, true, &v), 0);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&chain[i]);
    clo_collateral_clear(&c);
    clo_buf_clear(&pem);
    clo_buf_clear(&list);
    cloister_raw_free(r);
}

/* Of a file that can't be taken whole nothing is taken. */
static void a_broken_pem_file_adds_nothing(void **state)
{
    struct cloister_raw *r = raw(CLOISTER_RAW_SEV_SNP);
    struct clo_buf pem = clo_buf_init(1 << 16);

    (void)state;
    for (size_t i = 0; i < 8; i++)
        pem_append(&pem, "CERTIFICATE", (const uint8_t *)"\x30\x00", 2);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_CERTIFICATES, "garbage", 7),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_CERTIFICATES, pem.p, pem.len - 4),
                     CLOISTER_E_MALFORMED); /* the last block has no end */
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_CERTIFICATES, pem.p, pem.len), 0);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_CERTIFICATES, pem.p, pem.len),
                     CLOISTER_E_LIMIT);
    cloister_raw_free(r);
    clo_buf_clear(&pem);
}

/* ---- the verdict ---- */

static void a_report_is_appraised_as_in_evidence(void **state)
{
    struct snp_recipe recipe = snp_lab_good();
    struct cloister_raw *r = raw_of(&recipe);
    struct cloister_verdict v;
    char *json = NULL;

    (void)state;
    assert_int_equal(cloister_raw_expect(r, recipe.report_data, 64), 0);
    assert_int_equal(judge(&recipe, r, true, &v), 0);
    assert_int_equal(v.outcome, CLOISTER_VERIFIED);
    assert_string_equal(v.type, "sev-snp");
    assert_int_equal(v.freshness, CLOISTER_FRESHNESS_NOT_CHECKED);
    assert_int_equal(v.ohttp_keys_n, 0); /* no channel can be made of it */
    assert_string_equal(v.gateway, "");
    assert_int_equal(v.aeads, 0);
    assert_int_equal(v.valid_until, recipe.crl_to);
    assert_memory_equal(v.measurement, recipe.report + 0x90, 48);
    assert_int_equal(cloister_verdict_json(&v, &json), 0);
    assert_non_null(strstr(json, "\"evidence_sha256\""));
    assert_non_null(strstr(json, "\"measurement\""));
    assert_null(strstr(json, "\"keys_sha256\""));
    assert_null(strstr(json, "\"request_max\""));
    assert_null(strstr(json, "\"shape\""));
    free(json);
    cloister_raw_free(r);
}

static void the_verdict_has_the_type_the_binding_and_its_family(void **state)
{
    struct snp_recipe recipe = snp_lab_good();
    struct cloister_raw *r = raw_of(&recipe);
    struct cloister_verdict v;

    (void)state;
    cloister_raw_expect_any(r);
    assert_int_equal(judge(&recipe, r, true, &v), 0);
    assert_int_equal(v.check[0].id, CLOISTER_CHECK_POLICY_TYPE);
    assert_int_equal(v.check[1].id, CLOISTER_CHECK_BINDING_REPORT_DATA);
    assert_int_equal(v.check[1].status, CLOISTER_CHECK_NOT_APPLICABLE);
    for (size_t i = 2; i < v.checks; i++)
        assert_true(v.check[i].id >= 100 && v.check[i].id < 200);
    cloister_raw_free(r);
}

static void without_anything_to_cover_it_is_indeterminate(void **state)
{
    struct snp_recipe recipe = snp_lab_good();
    struct cloister_raw *r = raw_of(&recipe);
    struct cloister_verdict v;

    (void)state;
    assert_int_equal(judge(&recipe, r, true, &v), CLOISTER_E_INDETERMINATE);
    assert_int_equal(status_of(&v, CLOISTER_CHECK_BINDING_REPORT_DATA), CLOISTER_CHECK_MISSING);
    assert_int_equal(v.valid_until, 0);
    recipe.report_data[63] ^= 1;
    assert_int_equal(cloister_raw_expect(r, recipe.report_data, 64), 0);
    cloister_raw_expect_any(r); /* what is expected stays expected */
    assert_int_equal(judge(&recipe, r, true, &v), CLOISTER_E_REFUSED);
    assert_int_equal(status_of(&v, CLOISTER_CHECK_BINDING_REPORT_DATA), CLOISTER_CHECK_FAIL);
    cloister_raw_free(r);
}

static void without_a_policy_authenticity_is_shown_and_no_more(void **state)
{
    struct snp_recipe recipe = snp_lab_good();
    struct cloister_raw *r = raw_of(&recipe);
    struct cloister_verdict v;

    (void)state;
    assert_int_equal(cloister_raw_expect(r, recipe.report_data, 64), 0);
    assert_int_equal(judge(&recipe, r, false, &v), CLOISTER_E_INDETERMINATE);
    assert_int_equal(status_of(&v, CLOISTER_CHECK_POLICY_TYPE), CLOISTER_CHECK_MISSING);
    assert_int_equal(status_of(&v, CLOISTER_CHECK_SNP_SIGNATURE), CLOISTER_CHECK_PASS);
    assert_int_equal(status_of(&v, CLOISTER_CHECK_SNP_ROOT), CLOISTER_CHECK_PASS);
    assert_int_equal(status_of(&v, CLOISTER_CHECK_SNP_DEBUG), CLOISTER_CHECK_PASS);
    assert_int_equal(status_of(&v, CLOISTER_CHECK_BINDING_REPORT_DATA), CLOISTER_CHECK_PASS);
    assert_int_equal(status_of(&v, CLOISTER_CHECK_SNP_MEASUREMENT), CLOISTER_CHECK_MISSING);
    for (size_t i = 0; i < sizeof v.measurement; i++)
        assert_int_equal(v.measurement[i], 0);
    cloister_raw_free(r);
}

static void a_policy_of_another_kind_refuses_it(void **state)
{
    static const char *const tee[] = {"[]", "['tdx']", "['simulated']"};
    static const char *const more[] = {"", ",'tdx':{'images':[],'tcb':{'min_evaluation_number':1}}",
                                       ",'simulated':{'roots':[]}"};
    struct cloister_verdict v;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(tee); i++) {
        struct snp_recipe recipe = snp_lab_good();
        struct cloister_raw *r = raw_of(&recipe);

        cloister_raw_expect_any(r);
        (void)snprintf(recipe.policy, sizeof recipe.policy,
                       "{'v':1,'name':'other','tee':%s%s,'devices':{'min':0}}", tee[i], more[i]);
        assert_int_equal(judge(&recipe, r, true, &v), CLOISTER_E_REFUSED);
        assert_int_equal(status_of(&v, CLOISTER_CHECK_POLICY_TYPE), CLOISTER_CHECK_FAIL);
        assert_int_equal(status_of(&v, CLOISTER_CHECK_SNP_SIGNATURE), CLOISTER_CHECK_MISSING);
        cloister_raw_free(r);
    }
}

/* ---- AMD's files ---- */

enum file_cert {
    LEAF,
    ASK,
    ARK,
    ASVK,     /* the other authority that AMD's root issued */
    IMPOSTOR, /* has the ASK's name, another key, and no root */
    SECOND,   /* another leaf */
    NOTHING,  /* no certificate */
    END,
};

static void file_cert(const struct snp_recipe *recipe, enum file_cert which, struct clo_buf *ret)
{
    struct snp_recipe r = *recipe;
    struct clo_buf chain[CLO_CHAIN_MAX];

    if (which == ARK) {
        snp_lab_root(&r, ret);
        return;
    }
    *ret = clo_buf_init(CLO_CERT_MAX);
    if (which == NOTHING) {
        assert_int_equal(clo_buf_append(ret, "\x30\x00", 2), 0);
        return;
    }
    if (which == ASVK)
        r.ask_cn = "SEV-VLEK-Genoa";
    else if (which == IMPOSTOR)
        r.ask_issuer = snp_lab.stranger;
    else if (which == SECOND)
        r.leaf_to += LAB_DAY;
    snp_lab_chain(&r, chain);
    if (which ==
        IMPOSTOR) { /* snp_lab_chain certifies the ASK's own key: this one holds the stranger's */
        const struct clo_cert_spec spec = {
            .subject_cn = r.ask_cn,
            .issuer_cn = r.ask_issuer_cn,
            .serial = 1,
            .not_before = LAB_NOW - LAB_DAY,
            .not_after = LAB_NOW + LAB_DAY,
            .ca = true,
            .subject = snp_lab.stranger,
            .issuer = snp_lab.stranger,
        };

        assert_int_equal(clo_cert_make(&spec, ret), 0);
    } else {
        const struct clo_buf *b = &chain[which == LEAF || which == SECOND ? 0 : 1];

        assert_int_equal(clo_buf_append(ret, b->p, b->len), 0);
    }
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&chain[i]);
}

/* A right report with these certificates, the first alone and the rest in one PEM file. */
static int judge_files(const enum file_cert *certs, struct cloister_verdict *v)
{
    struct snp_recipe recipe = snp_lab_good();
    struct clo_buf pem = clo_buf_init(1 << 16), made[END] = {{0}};
    struct cloister_raw *r = NULL;
    int err;

    recipe.chain_n = 0;
    r = raw_of(&recipe);
    cloister_raw_expect_any(r);
    for (size_t i = 0; certs[i] != END; i++) {
        struct clo_buf *der = &made[certs[i]];

        if (der->p == NULL) /* once: signatures are random */
            file_cert(&recipe, certs[i], der);
        if (i == 0)
            assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_CERTIFICATES, der->p, der->len), 0);
        else
            pem_append(&pem, "CERTIFICATE", der->p, der->len);
    }
    for (size_t i = 0; i < END; i++)
        clo_buf_clear(&made[i]);
    if (pem.len > 0)
        assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_CERTIFICATES, pem.p, pem.len), 0);
    err = judge(&recipe, r, true, v);
    cloister_raw_free(r);
    clo_buf_clear(&pem);
    return err;
}

/* The key service's cert_chain, the one with both authorities that is passed about, a cloud's answer; and some of them twice. */
static void amds_own_files_are_taken_as_they_are(void **state)
{
    static const enum file_cert files[][8] = {
        {LEAF, ASK, END},
        {LEAF, ASK, ARK, END},
        {LEAF, ARK, ASK, END},
        {LEAF, ASK, ARK, ASVK, END},
        {LEAF, ASVK, ARK, ASK, END},
        {LEAF, ASVK, ASK, END},
        {LEAF, LEAF, ASK, ARK, ASK, ARK, ASVK, END},
        {LEAF, IMPOSTOR, ASK, END}, /* the issuer is who signed */
        {LEAF, ASK, IMPOSTOR, ARK, END},
    };
    struct cloister_verdict v;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(files); i++)
        assert_int_equal(judge_files(files[i], &v), 0);
}

/* Only copies, roots and other authorities are left out, and the latter only beside the right one. */
static void a_certificate_that_has_no_place_in_the_chain_is_one_too_many(void **state)
{
    static const struct {
        enum file_cert file[5];
        enum cloister_check_status present, chain;
    } files[] = {
        {{LEAF, ASK, SECOND, END}, CLOISTER_CHECK_FAIL, CLOISTER_CHECK_MISSING},
        {{LEAF, ASK, ARK, NOTHING, END}, CLOISTER_CHECK_FAIL, CLOISTER_CHECK_MISSING},
        {{LEAF, NOTHING, END}, CLOISTER_CHECK_FAIL, CLOISTER_CHECK_MISSING},
        {{NOTHING, ASK, END}, CLOISTER_CHECK_FAIL, CLOISTER_CHECK_MISSING},
        {{NOTHING, LEAF, ASK, END}, CLOISTER_CHECK_FAIL, CLOISTER_CHECK_MISSING},
        {{LEAF, ASVK, IMPOSTOR, END}, CLOISTER_CHECK_PASS, CLOISTER_CHECK_FAIL},
        {{LEAF, ASVK, END}, CLOISTER_CHECK_PASS, CLOISTER_CHECK_FAIL},
        {{LEAF, IMPOSTOR, END}, CLOISTER_CHECK_PASS, CLOISTER_CHECK_FAIL},
        {{ASK, LEAF, END}, CLOISTER_CHECK_PASS, CLOISTER_CHECK_FAIL},
    };
    struct cloister_verdict v;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(files); i++) {
        assert_int_equal(judge_files(files[i].file, &v), CLOISTER_E_REFUSED);
        assert_int_equal(status_of(&v, CLOISTER_CHECK_SNP_CHAIN_PRESENT), files[i].present);
        assert_int_equal(status_of(&v, CLOISTER_CHECK_SNP_CHAIN), files[i].chain);
    }
}

/* The first one is the leaf, whatever it says of itself: an authority's isn't taken for one that came along. */
static void a_leaf_that_is_an_authority_is_refused(void **state)
{
    struct snp_recipe recipe = snp_lab_good();
    struct cloister_raw *r = NULL;
    struct cloister_verdict v;

    (void)state;
    recipe.leaf_ca = true;
    r = raw_of(&recipe);
    cloister_raw_expect_any(r);
    assert_int_equal(judge(&recipe, r, true, &v), CLOISTER_E_REFUSED);
    assert_int_equal(status_of(&v, CLOISTER_CHECK_SNP_CHAIN_PRESENT), CLOISTER_CHECK_PASS);
    assert_int_equal(status_of(&v, CLOISTER_CHECK_SNP_CHAIN), CLOISTER_CHECK_FAIL);
    cloister_raw_free(r);
}

static void a_root_does_not_stand_in_for_the_intermediate(void **state)
{
    static const enum file_cert files[][4] = {
        {LEAF, END}, {LEAF, ARK, END}, {LEAF, ARK, LEAF, END}};
    struct cloister_verdict v;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(files); i++) {
        assert_int_equal(judge_files(files[i], &v), CLOISTER_E_INDETERMINATE);
        assert_int_equal(status_of(&v, CLOISTER_CHECK_SNP_CHAIN_PRESENT), CLOISTER_CHECK_MISSING);
    }
}

/* A root that comes along is never the one that counts. */
static void a_chain_to_its_own_root_is_refused(void **state)
{
    struct snp_recipe recipe = snp_lab_good();
    struct cloister_raw *r = raw_of(&recipe);
    struct cloister_verdict v;
    struct cloister_policy *p = snp_lab_policy(&recipe);
    struct clo_buf root;

    (void)state;
    snp_lab_root(&recipe, &root);
    cloister_raw_expect_any(r);
    assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_CERTIFICATES, root.p, root.len), 0);
    assert_int_equal(cloister_raw_appraise(r, p, cloister_roots_builtin(), LAB_NOW, &v),
                     CLOISTER_E_REFUSED);
    assert_int_equal(status_of(&v, CLOISTER_CHECK_SNP_ROOT), CLOISTER_CHECK_FAIL);
    cloister_policy_free(p);
    cloister_raw_free(r);
    clo_buf_clear(&root);
}

static void a_policy_may_admit_fewer_roots(void **state)
{
    struct cloister_verdict v;

    (void)state;
    for (int own = 0; own < 2; own++) {
        struct snp_recipe recipe = snp_lab_good();
        struct cloister_roots *roots = snp_lab_roots(&recipe);
        const struct clo_root *root = &roots->amd[CLO_SNP_GENOA];
        struct cloister_raw *r = raw_of(&recipe);
        struct cloister_policy *p = NULL;
        uint8_t digest[32];
        char hex[65], member[200];

        assert_int_equal(clo_sha256(root->der, root->n, digest), 0);
        digest[0] ^= own == 0;
        clo_hex(digest, 32, hex);
        (void)snprintf(member, sizeof member, "'roots':['%s'],'devices'", hex);
        snp_policy_edit(&recipe, "'devices'", member);
        p = snp_lab_policy(&recipe);
        cloister_raw_expect_any(r);
        assert_int_equal(cloister_raw_appraise(r, p, roots, recipe.now, &v),
                         own == 1 ? 0 : CLOISTER_E_REFUSED);
        assert_int_equal(status_of(&v, CLOISTER_CHECK_SNP_ROOT),
                         own == 1 ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL);
        cloister_policy_free(p);
        cloister_roots_free(roots);
        cloister_raw_free(r);
    }
}

/* Each kind under a policy for each: only its own admits it, whatever members stand beside it. */
static void no_kind_is_admitted_by_anothers_policy(void **state)
{
#define V32_ "1111111111111111111111111111111111111111111111111111111111111111"
#define SNP_                                                                                       \
    "'sev_snp':{'products':{'genoa':{'min_tcb':{'bl':1,'tee':0,'snp':1,'ucode':1},'min_firmware':" \
    "'1.0.0'}}},"
#define TDX_ "'tdx':{'images':[],'tcb':{'min_evaluation_number':1}},"
#define TPM_ "'tpm':{'pcrs':[]},"
    static const struct {
        enum cloister_raw_type type;
        bool td_quote;
        const char *tee, *members; /* of the policy that admits it */
        bool tpm;                  /* which admits a TPM's quotes too */
    } kind[] = {
        {CLOISTER_RAW_SEV_SNP, false, "'sev-snp'", SNP_, false},
        {CLOISTER_RAW_AZURE, false, "'sev-snp-azure'", SNP_ TPM_ "'azure':{},", true},
        {CLOISTER_RAW_TDX, false, "'tdx'", TDX_, false},
        {CLOISTER_RAW_AZURE, true, "'tdx-azure'", TDX_ TPM_ "'azure':{},", true},
        {CLOISTER_RAW_SGX, false, "'sgx'", "'sgx':{'tcb':{'min_evaluation_number':1}},", false},
        {CLOISTER_RAW_TPM, false, "", TPM_, true},
        {CLOISTER_RAW_NVIDIA, false, "", "", false},
        {0, false, "'simulated'", "'simulated':{'roots':[]},", false},
    };
    static const char no_device[] = "'devices':{'min':0}";
    static const char device[] =
        "'devices':{'min':1,'architectures':['hopper'],'min_driver':'550.90','reference_values':[{"
        "'kind':'driver','arch':'hopper','id':'x','version':'550.90','rim_sha256':'" V32_
        "','measurements':[{'index':0,'values':['" V32_ "11111111111111111111111111111111']}]}]}";
#undef V32_
#undef SNP_
#undef TDX_
#undef TPM_

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(kind); i++) {
        struct snp_recipe recipe = {0};
        struct cloister_policy *p = NULL;

        (void)snprintf(recipe.policy, sizeof recipe.policy, "{'v':1,'name':'one','tee':[%s],%s%s}",
                       kind[i].tee, kind[i].members,
                       kind[i].type == CLOISTER_RAW_NVIDIA ? device : no_device);
        p = snp_lab_policy(&recipe);
        for (size_t k = 0; k < CLO_ARRAY_LEN(kind) - 1; k++) { /* nothing raw is simulated */
            const bool admitted = k == i || (kind[k].type == CLOISTER_RAW_TPM && kind[i].tpm);
            struct cloister_raw *r = raw(kind[k].type);
            struct cloister_verdict v;

            if (kind[k].td_quote)
                assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_TD_QUOTE, "x", 1), 0);
            assert_int_equal(cloister_raw_appraise(r, p, cloister_roots_builtin(), LAB_NOW, &v),
                             admitted ? CLOISTER_E_INDETERMINATE : CLOISTER_E_REFUSED);
            assert_int_equal(status_of(&v, CLOISTER_CHECK_POLICY_TYPE),
                             admitted ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL);
            cloister_raw_free(r);
        }
        cloister_policy_free(p);
    }
}

/* Nothing was given, so that nothing fails and nothing passes; and each check is there. */
static void an_empty_set_is_indeterminate(void **state)
{
    static const enum clo_kind kind[TYPES + 1] = {
        [CLOISTER_RAW_SEV_SNP] = CLO_KIND_SNP,   [CLOISTER_RAW_TDX] = CLO_KIND_TDX,
        [CLOISTER_RAW_SGX] = CLO_KIND_SGX,       [CLOISTER_RAW_AZURE] = CLO_KIND_SNP_AZURE,
        [CLOISTER_RAW_NVIDIA] = CLO_KIND_NVIDIA, [CLOISTER_RAW_TPM] = CLO_KIND_TPM,
    };

    (void)state;
    for (unsigned t = 1; t <= TYPES; t++) {
        struct cloister_raw *r = raw(t);
        struct clo_verdict_builder vb;
        struct cloister_verdict v;
        size_t n = 0;

        assert_int_equal(cloister_raw_appraise(r, NULL, cloister_roots_builtin(), LAB_NOW, &v),
                         CLOISTER_E_INDETERMINATE);
        assert_string_equal(v.type, clo_kind_name(kind[t]));
        clo_vb_init(&vb);
        clo_vb_keep_families(&vb, clo_kind_families(kind[t]));
        for (size_t i = 0; i < CLO_CHECK_COUNT; i++)
            n += !vb.out[i];
        /* of the 17 common checks two are left, or one */
        assert_int_equal(v.checks, n - (t == CLOISTER_RAW_TPM ? 16 : 15));
        for (size_t i = 0; i < v.checks; i++)
            assert_int_equal(v.check[i].status, CLOISTER_CHECK_MISSING);
        cloister_raw_free(r);
    }
}

/* Every type with bytes that are nothing: no crash, no pass of a claim, no check left out. */
static void garbage_is_refused(void **state)
{
    (void)state;
    for (unsigned t = 1; t <= TYPES; t++) {
        struct cloister_raw *r = raw(t);
        struct cloister_verdict v;

        for (unsigned i = 1; i <= ITEMS; i++)
            (void)!cloister_raw_add(r, i, "\x30\x03garbage", 9);
        cloister_raw_expect_any(r);
        assert_int_equal(cloister_raw_appraise(r, NULL, cloister_roots_builtin(), LAB_NOW, &v),
                         CLOISTER_E_REFUSED);
        for (size_t i = 0; i < v.checks; i++)
            assert_null(strstr(v.check[i].reason, "was not made"));
        cloister_raw_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_type_takes_the_items_that_it_has_use_for),
        cmocka_unit_test(what_is_not_there_is_refused),
        cmocka_unit_test(what_is_expected_has_the_length_of_its_type),
        cmocka_unit_test(sets_are_bounded),
        cmocka_unit_test(chains_and_lists_may_be_pem),
        cmocka_unit_test(a_broken_pem_file_adds_nothing),
        cmocka_unit_test(a_report_is_appraised_as_in_evidence),
        cmocka_unit_test(the_verdict_has_the_type_the_binding_and_its_family),
        cmocka_unit_test(without_anything_to_cover_it_is_indeterminate),
        cmocka_unit_test(without_a_policy_authenticity_is_shown_and_no_more),
        cmocka_unit_test(a_policy_of_another_kind_refuses_it),
        cmocka_unit_test(amds_own_files_are_taken_as_they_are),
        cmocka_unit_test(a_certificate_that_has_no_place_in_the_chain_is_one_too_many),
        cmocka_unit_test(a_leaf_that_is_an_authority_is_refused),
        cmocka_unit_test(a_root_does_not_stand_in_for_the_intermediate),
        cmocka_unit_test(a_chain_to_its_own_root_is_refused),
        cmocka_unit_test(a_policy_may_admit_fewer_roots),
        cmocka_unit_test(no_kind_is_admitted_by_anothers_policy),
        cmocka_unit_test(an_empty_set_is_indeterminate),
        cmocka_unit_test(garbage_is_refused),
    };

    return cmocka_run_group_tests(tests, snp_lab_open, snp_lab_close);
}
