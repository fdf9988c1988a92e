/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appraisal of Intel's quotes, in a laboratory of its own: what is right in every respect passes, and with one thing
 * wrong exactly the named checks fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lab/event.h"
#include "lab/quote.h"

/* Every status that a check ever had in this program. */
static unsigned seen[512];

static void appraise_made(const struct quote_evidence *e, int64_t now,
                          struct clo_verdict_builder *vb, struct clo_hw_result *hw)
{
    clo_vb_init(vb);
    clo_vb_leave_out(vb, 1, CLOISTER_CHECK_BINDING_REPORT_DATA - 1);
    clo_vb_leave_out(vb, CLOISTER_CHECK_BINDING_REPORT_DATA + 1, 199);
    clo_vb_leave_out(vb, e->in.sgx ? 250 : 280, e->in.sgx ? 279 : 299);
    clo_vb_leave_out(vb, 300, 511);
    *hw = (struct clo_hw_result){0};
    assert_int_equal(clo_quote_appraise(&e->in, e->policy, e->roots, now, vb, hw), 0);
    assert_false(vb->twice);
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
        assert_true(vb->out[i] == (vb->check[i].status == CLOISTER_CHECK_NONE));
        if (!vb->out[i])
            seen[vb->check[i].id] |= 1u << vb->check[i].status;
    }
}

static void appraise(const struct quote_recipe *r, struct clo_verdict_builder *vb,
                     struct clo_hw_result *hw)
{
    struct quote_evidence e;

    quote_lab_make(r, &e);
    appraise_made(&e, r->now, vb, hw);
    quote_lab_clear(&e);
}

static void names_with(const struct clo_verdict_builder *vb, enum cloister_check_status status,
                       char *dst, size_t cap)
{
    dst[0] = '\0';
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
        if (vb->check[i].status != status)
            continue;
        if (dst[0] != '\0')
            strncat(dst, " ", cap - strlen(dst) - 1);
        strncat(dst, cloister_check_name(vb->check[i].id), cap - strlen(dst) - 1);
    }
}

/* Exactly these checks fail. */
static void fails(const struct quote_recipe *r, const char *names)
{
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    char got[2048];

    appraise(r, &vb, &hw);
    names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, names);
}

/* Nothing fails, and exactly these are missing. */
static void lacks(const struct quote_recipe *r, const char *names)
{
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    char got[2048];

    appraise(r, &vb, &hw);
    names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, "");
    names_with(&vb, CLOISTER_CHECK_MISSING, got, sizeof got);
    assert_string_equal(got, names);
}

static void passes(const struct quote_recipe *r)
{
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;

    lacks(r, "");
    appraise(r, &vb, &hw);
    assert_true(hw.authentic && hw.measured);
}

/* What this check says. */
static struct cloister_check says(const struct quote_recipe *r, enum cloister_check_id id)
{
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;

    appraise(r, &vb, &hw);
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++)
        if (vb.check[i].id == id)
            return vb.check[i];
    fail_msg("%s wasn't made", cloister_check_name(id));
    return vb.check[0];
}

static struct quote_recipe td(void)
{
    return quote_lab_td(4, CLO_QUOTE_BODY_TD10);
}

static struct quote_recipe td15(void)
{
    return quote_lab_td(5, CLO_QUOTE_BODY_TD15);
}

#define STATUSES(words) \
    "'min_evaluation_number':17", "'min_evaluation_number':17,'statuses':[" words "]"

/* ---- what is right ---- */

static void every_kind_of_quote_passes(void **state)
{
    const struct quote_recipe all[] = {quote_lab_enclave(3),
                                       quote_lab_enclave(4),
                                       quote_lab_enclave(5),
                                       quote_lab_td(4, CLO_QUOTE_BODY_TD10),
                                       quote_lab_td(5, CLO_QUOTE_BODY_TD10),
                                       quote_lab_td(5, CLO_QUOTE_BODY_TD15)};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(all); i++)
        passes(&all[i]);
}

static void the_measurement_is_the_image_and_its_registers(void **state)
{
    struct quote_recipe r = td();
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    uint8_t want[48] = {0};
    const struct clo_slice parts[] = {{r.body + TD_MRTD, 48}, {r.body + TD_RTMR, 192}};

    (void)state;
    appraise(&r, &vb, &hw);
    assert_int_equal(clo_hash(CLO_SHA384, parts, 2, want), 0);
    assert_memory_equal(hw.measurement, want, 48);
    assert_true(hw.bound);
    r = quote_lab_enclave(3);
    appraise(&r, &vb, &hw);
    memset(want, 0, sizeof want);
    memset(want, 0xe1, 32);
    assert_memory_equal(hw.measurement, want, 48);
}

static void the_verdict_ends_with_what_ends_first(void **state)
{
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    struct quote_recipe r = td();

    (void)state;
    appraise(&r, &vb, &hw);
    assert_int_equal(vb.valid_until, 1796083200); /* 2026-12-01, the collateral's */
    r.pck_crl.to = LAB_NOW + 3600;
    appraise(&r, &vb, &hw);
    assert_int_equal(vb.valid_until, LAB_NOW + 3600);
    r.root_crl.to = LAB_NOW + 1800;
    appraise(&r, &vb, &hw);
    assert_int_equal(vb.valid_until, LAB_NOW + 1800);
    r.leaf_to = LAB_NOW + 900;
    appraise(&r, &vb, &hw);
    assert_int_equal(vb.valid_until, LAB_NOW + 900);
    r.tcb_to = LAB_NOW + 450;
    appraise(&r, &vb, &hw);
    assert_int_equal(vb.valid_until, LAB_NOW + 450);
    quote_edit(r.identity, "2026-12-01", "2026-11-18");
    r.now = LAB_NOW - LAB_DAY;
    appraise(&r, &vb, &hw);
    assert_int_equal(vb.valid_until, 1794960000);
}

/* ---- the bytes ---- */

static void another_kind_of_quote_is_not_read(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.version = 6;
    fails(&r, "quote.version");
    r.version = 2;
    fails(&r, "quote.version");
    r.version = 3; /* SGX's, with a TEE type */
    fails(&r, "quote.version");
    r = td();
    r.tee_type = 0x82;
    fails(&r, "quote.version");
    r = td();
    r.key_type = 3;
    fails(&r, "quote.key_type");
    r = td();
    r.sgx = true;
    r.policy[0] = '\0';
    r.no_policy = true;
    fails(&r, "quote.version");
    r = quote_lab_enclave(4);
    r.sgx = false;
    r.no_policy = true;
    fails(&r, "quote.version");
    r = td15();
    r.body_type = 2;
    fails(&r, "quote.version");
    r = td15();
    r.body_type = 4;
    fails(&r, "quote.version");
    r = td15();
    r.body_size = 647;
    fails(&r, "quote.version");
    r = td15();
    r.body_type = 1;
    fails(&r, "quote.version");
}

/* A quote cut anywhere, down to nothing. */
static void a_shorter_quote_is_not_read(void **state)
{
    struct quote_recipe r = td();
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    struct quote_evidence e;

    (void)state;
    r.chain_n = 2;
    quote_lab_make(&r, &e);
    for (size_t n = 0; n < e.quote.len; n += n < 1400 ? 1 : 97) {
        e.in.quote_n = n;
        appraise_made(&e, LAB_NOW, &vb, &hw);
        assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_QUOTE_FORMAT), CLOISTER_CHECK_FAIL);
        assert_false(hw.authentic);
    }
    quote_lab_clear(&e);
}

/* Every length in the quote, one too much and one too little. */
static void every_length_has_to_fit(void **state)
{
    /* v4: signature data, certification data of type 6, authentication data, chain */
    static const size_t at[] = {632, 636 + 128 + 2, 636 + 134 + 448, 636 + 134 + 450 + 32 + 2};
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    struct quote_recipe r = td();
    struct quote_evidence e;

    (void)state;
    quote_lab_make(&r, &e);
    for (size_t i = 0; i < CLO_ARRAY_LEN(at); i++)
        for (int by = -1; by <= 1; by++) {
            e.quote.p[at[i]] = (uint8_t)(e.quote.p[at[i]] + by);
            appraise_made(&e, LAB_NOW, &vb, &hw);
            assert_true(hw.authentic == (by == 0));
            assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_QUOTE_FORMAT),
                             by == 0 ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL);
            e.quote.p[at[i]] = (uint8_t)(e.quote.p[at[i]] - by);
        }
    e.quote.p[636 + 128] = 5; /* the outer certification data's type */
    appraise_made(&e, LAB_NOW, &vb, &hw);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_QUOTE_FORMAT), CLOISTER_CHECK_FAIL);
    quote_lab_clear(&e);
}

static void only_zero_bytes_may_stand_behind_it(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.trailing_n = 3061;
    passes(&r);
    r.trailing = 1;
    r.trailing_n = 1;
    fails(&r, "quote.trailing");
}

static void another_vendors_enclave_is_refused(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.vendor[15] ^= 1;
    fails(&r, "quote.qe_vendor");
}

/* ---- the platform's chain ---- */

static void a_chain_comes_in_three_ways(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.chain_n = 2;
    passes(&r);
    r.chain = QUOTE_CHAIN_BESIDE;
    passes(&r);
    r.chain_n = 3;
    passes(&r);
    r.chain = QUOTE_CHAIN_DER;
    passes(&r);
}

static void a_chain_that_is_not_there_is_missing(void **state)
{
    struct quote_recipe r = td();
    const char *all =
        "binding.report_data quote.qe_vendor quote.chain_present quote.root quote.chain "
        "quote.chain_dates quote.crl quote.crl_dates quote.revoked quote.pck "
        "quote.qe_signature quote.qe_binding quote.signature quote.tcb_info "
        "quote.qe_identity quote.qe_tcb quote.tcb tdx.module tdx.module_tcb tdx.debug "
        "tdx.attributes tdx.xfam tdx.measurement tdx.config tdx.owner tdx.service_td";

    (void)state;
    r.chain = QUOTE_CHAIN_NONE;
    lacks(&r, all);
    r.chain = QUOTE_CHAIN_PEM;
    r.chain_n = 1;
    lacks(&r, all);
}

static void a_chain_that_can_not_be_read_is_refused(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.chain = QUOTE_CHAIN_GARBAGE;
    fails(&r, "quote.chain_present");
    r.chain = QUOTE_CHAIN_PEM;
    r.chain_n = 4;
    fails(&r, "quote.chain_present");
    r.chain = QUOTE_CHAIN_DER;
    fails(&r, "quote.chain_present");
    r.chain = QUOTE_CHAIN_BESIDE;
    fails(&r, "quote.chain_present");
}

static void the_right_names_and_another_root_are_refused(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.root = quote_lab.stranger; /* pinned; everything comes from the other */
    fails(&r, "quote.root quote.crl quote.collateral_chain");
    r = td();
    r.ca_issuer = quote_lab.stranger;
    fails(&r, "quote.root");
    r = td();
    r.chain_root = quote_lab.stranger; /* a chain that pretends to end elsewhere */
    fails(&r, "quote.root");
    r = td();
    r.root_cn = "Intel SGX Root CA ";
    passes(&r);             /* its name is the pinned one's affair */
    r.root_reissued = true; /* another certificate of the same key */
    passes(&r);
    r.chain_root = quote_lab.stranger;
    fails(&r, "quote.root");
    r.chain_root = quote_lab.root;
    r.no_root = true;
    fails(&r, "quote.root");
}

static void a_link_by_another_key_or_name_is_refused(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.leaf_issuer = quote_lab.stranger;
    fails(&r, "quote.chain");
    r = td();
    r.ca_cn = "Intel SGX TCB Signing";
    fails(&r, "quote.chain");
    r = td();
    r.ca_no_ca = true;
    fails(&r, "quote.chain");
    r = td();
    r.leaf_ca = true;
    fails(&r, "quote.chain");
    r = td();
    r.ca_cn = "Intel SGX PCK Processor CA";
    passes(&r);
}

static void certificates_have_their_dates(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.leaf_from = LAB_NOW + 1;
    fails(&r, "quote.chain_dates");
    r = td();
    r.leaf_to = LAB_NOW;
    fails(&r, "quote.chain_dates");
    r = td();
    r.ca_to = LAB_NOW;
    fails(&r, "quote.chain_dates");
    r = td();
    r.root_to = LAB_NOW;
    fails(&r, "quote.chain_dates");
}

static void lists_are_wanted_from_both_issuers(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.root_crl.none = true;
    lacks(&r, "quote.crl quote.crl_dates quote.revoked");
    r.pck_crl.none = true;
    lacks(&r, "quote.crl quote.crl_dates quote.revoked");
    r.root_crl.none = false;
    lacks(&r, "quote.crl quote.crl_dates quote.revoked");
    quote_edit(r.policy, "'devices'", "'revocation':'if-present','devices'");
    passes(&r);
    r.root_crl.revoked = QUOTE_SERIAL_CA; /* one that is there has to hold */
    fails(&r, "quote.revoked");
    r.root_crl.revoked = QUOTE_SERIAL_NOBODY;
    r.root_crl.to = LAB_NOW;
    fails(&r, "quote.crl_dates");
    r.root_crl.issuer = quote_lab.stranger;
    r.root_crl.to = LAB_NOW + LAB_DAY;
    fails(&r, "quote.crl");
}

static void lists_are_their_issuers_own_and_have_dates(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.root_crl.issuer = quote_lab.ca;
    fails(&r, "quote.crl");
    r = td();
    r.pck_crl.issuer = quote_lab.root;
    fails(&r, "quote.crl");
    r = td();
    r.pck_crl.to = LAB_NOW;
    fails(&r, "quote.crl_dates");
    r = td();
    r.root_crl.from = LAB_NOW + 1;
    fails(&r, "quote.crl_dates");
    r = td();
    r.pck_crl.endless = true;
    fails(&r, "quote.crl_dates");
}

static void whoever_is_revoked_is_refused(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.root_crl.revoked = QUOTE_SERIAL_CA;
    fails(&r, "quote.revoked");
    r.root_crl.revoked = QUOTE_SERIAL_TCB;
    fails(&r, "quote.revoked");
    r.root_crl.revoked = QUOTE_SERIAL_PCK; /* not the root's to revoke */
    passes(&r);
    r.pck_crl.revoked = QUOTE_SERIAL_PCK;
    fails(&r, "quote.revoked");
    r.pck_crl.revoked = QUOTE_SERIAL_CA;
    passes(&r);
}

/* ---- the platform's certificate ---- */

static void the_certificate_names_its_platform_once(void **state)
{
    struct quote_recipe r = td();
    static const unsigned needed[] = {2, 3, 4};

    (void)state;
    r.ext_none = true;
    fails(&r, "quote.pck");
    for (size_t i = 0; i < CLO_ARRAY_LEN(needed); i++) {
        r = td();
        r.ext_drop = needed[i];
        fails(&r, "quote.pck");
    }
    for (unsigned i = 1; i <= 5; i++) {
        r = td();
        r.ext_twice = i;
        fails(&r, "quote.pck");
    }
    for (unsigned i = 1; i <= 18; i++) {
        r = td();
        r.tcb_drop = i;
        fails(&r, "quote.pck");
        r = td();
        r.tcb_twice = i;
        fails(&r, "quote.pck");
        r = td();
        r.tcb_wide = i;
        if (i < 18)
            fails(&r, "quote.pck");
    }
    r = td();
    r.ext_drop = 1;
    passes(&r);
    r = td();
    r.leaf_cn = "Intel SGX PCK Certificate 2";
    fails(&r, "quote.pck");
}

static void the_extension_is_strict_der(void **state)
{
    const struct quote_recipe r = td();
    struct clo_buf good;
    struct clo_pck pck = {0};

    (void)state;
    quote_lab_pck_extension(&r, &good);
    assert_int_equal(clo_pck_parse(good.p, good.len, &pck), 0);
    assert_memory_equal(pck.component, r.component, 16);
    assert_int_equal(pck.pcesvn, 13);
    for (size_t n = 0; n < good.len; n++)
        assert_int_not_equal(clo_pck_parse(good.p, n, &pck), 0);
    assert_int_equal(clo_buf_append(&good, "", 1), 0);
    assert_int_not_equal(clo_pck_parse(good.p, good.len, &pck), 0);
    clo_buf_clear(&good);
}

/* ---- signatures ---- */

static void each_signature_is_by_its_own_key(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.qe_signer = quote_lab.stranger;
    fails(&r, "quote.qe_signature");
    r = td();
    r.quote_signer = quote_lab.stranger;
    fails(&r, "quote.signature");
    r = td();
    r.binding_wrong = true;
    fails(&r, "quote.qe_binding");
    r = td();
    r.auth_n = 0;
    passes(&r);
}

static size_t stride(void)
{
    const char *s = getenv("CLOISTER_TEST_STRIDE");
    const size_t step = s != NULL ? strtoul(s, NULL, 10) : 1;

    assert_true(step > 0);
    return step;
}

/* One bit at a time, all that a signature covers. Collateral is left out: what counts is that something fails. */
static void every_flipped_bit_that_is_signed_is_refused(void **state)
{
    struct quote_recipe all[] = {td(), td15(), quote_lab_enclave(3)};
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(all); i++) {
        struct quote_recipe *r = &all[i];
        const size_t bits = 8 * (48 + (r->version == 5 ? 6 : 0) + r->body_n);
        struct quote_evidence e;
        char got[2048];

        r->chain_n = 2;
        r->no_info = r->no_identity = r->root_crl.none = r->pck_crl.none = true;
        quote_lab_make(r, &e);
        for (size_t b = 0; b < bits; b += stride()) {
            e.quote.p[b / 8] ^= (uint8_t)(1u << (b % 8));
            appraise_made(&e, LAB_NOW, &vb, &hw);
            names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
            assert_true(!hw.authentic && got[0] != '\0');
            e.quote.p[b / 8] ^= (uint8_t)(1u << (b % 8));
        }
        quote_lab_clear(&e);
    }
}

/* What no signature covers: lengths, signatures, certificates, their text. It is refused, or means the same. */
static void no_other_flipped_bit_changes_what_is_accepted(void **state)
{
    struct quote_recipe all[] = {td(), td15(), quote_lab_enclave(3)};
    struct cloister_verdict *v = calloc(1, sizeof *v);
    struct clo_verdict_builder vb;
    struct clo_hw_result hw, first;
    size_t accepted = 0;

    (void)state;
    assert_non_null(v);
    for (size_t i = 0; i < CLO_ARRAY_LEN(all); i++) {
        struct quote_evidence e;

        quote_lab_make(&all[i], &e);
        appraise_made(&e, LAB_NOW, &vb, &first);
        clo_vb_finish(&vb, v);
        assert_int_equal(v->outcome, CLOISTER_VERIFIED);
        for (size_t b = 8 * 432 + i; b < 8 * e.quote.len; b += 61 * stride()) {
            e.quote.p[b / 8] ^= (uint8_t)(1u << (b % 8));
            appraise_made(&e, LAB_NOW, &vb, &hw);
            clo_vb_finish(&vb, v);
            if (v->outcome == CLOISTER_VERIFIED) {
                accepted++;
                assert_true(hw.authentic && hw.bound && hw.measured);
                assert_memory_equal(hw.measurement, first.measurement, 48);
            }
            e.quote.p[b / 8] ^= (uint8_t)(1u << (b % 8));
        }
        quote_lab_clear(&e);
    }
    assert_true(accepted < 10); /* one white space of the PEM text for another */
    free(v);
}

/* ---- collateral ---- */

#define NO_COLLATERAL \
    "quote.collateral quote.collateral_chain quote.collateral_dates quote.collateral_number "

static void collateral_that_is_not_there_is_missing(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.no_info = true;
    lacks(&r, NO_COLLATERAL "quote.tcb_info quote.qe_identity quote.qe_tcb quote.tcb tdx.module "
                            "tdx.module_tcb");
    r = td();
    r.no_identity = true;
    lacks(&r, NO_COLLATERAL "quote.tcb_info quote.qe_identity quote.qe_tcb quote.tcb tdx.module "
                            "tdx.module_tcb");
    r = td();
    r.no_signer = true;
    lacks(&r, "quote.collateral_chain quote.collateral_dates quote.collateral_number "
              "quote.tcb_info quote.qe_identity quote.qe_tcb quote.tcb tdx.module tdx.module_tcb");
}

static void collateral_is_signed_by_intels_signer(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.info_signer = quote_lab.stranger;
    fails(&r, "quote.collateral_chain");
    r = td();
    r.identity_signer = quote_lab.stranger;
    fails(&r, "quote.collateral_chain");
    r = td();
    r.tcb_issuer = quote_lab.ca; /* a PCK authority isn't the root */
    fails(&r, "quote.collateral_chain");
    r = td();
    r.tcb_cn = "Intel SGX PCK Platform CA"; /* of the root, and for something else */
    fails(&r, "quote.collateral_chain");
    r = td();
    r.tcb_ca = true;
    fails(&r, "quote.collateral_chain");
}

/* One byte of the signed object, of the signature, or between them. */
/* Behind the signer its root may come along, and nothing else. */
static void the_signer_comes_alone_or_with_its_root(void **state)
{
    struct quote_recipe r = td();
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    struct quote_evidence e;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct clo_collateral *c = &e.collateral;

        quote_lab_make(&r, &e);
        for (size_t k = 1; k < (i == 3 ? 3u : 2u); k++) {
            const struct clo_buf *from = i == 1 ? &e.chain[1] : &e.chain[2];

            c->collateral_chain[k] = clo_buf_init(CLO_CERT_MAX);
            quote_app(&c->collateral_chain[k], from->p, i == 2 ? from->len - 1 : from->len);
            c->collateral_chain_n++;
        }
        appraise_made(&e, r.now, &vb, &hw);
        assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_QUOTE_COLLATERAL_CHAIN),
                         i == 0 ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL);
        quote_lab_clear(&e);
    }
}

static void a_changed_byte_of_collateral_is_refused(void **state)
{
    const struct quote_recipe r = td();
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    struct quote_evidence e;
    struct cloister_verdict *v = calloc(1, sizeof *v);

    (void)state;
    assert_non_null(v);
    quote_lab_make(&r, &e);
    for (size_t which = 0; which < 2; which++) {
        struct clo_buf *b = which == 0 ? &e.collateral.tcb_info : &e.collateral.qe_identity;

        for (size_t i = 0; i<b->len; i += stride()> 1 ? 37 : 3) {
            b->p[i] ^= 1;
            appraise_made(&e, LAB_NOW, &vb, &hw);
            clo_vb_finish(&vb, v);
            assert_int_equal(v->outcome, CLOISTER_REFUSED);
            b->p[i] ^= 1;
        }
    }
    quote_lab_clear(&e);
    free(v);
}

static void collateral_has_its_dates(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    quote_edit(r.info, "2026-12-01", "2026-11-17");
    fails(&r, "quote.collateral_dates");
    r = td();
    quote_edit(r.identity, "2026-12-01", "2026-11-17");
    fails(&r, "quote.collateral_dates");
    r = td();
    quote_edit(r.info, "2026-11-01", "2026-11-30");
    fails(&r, "quote.collateral_dates");
    r = td();
    r.tcb_to = LAB_NOW;
    fails(&r, "quote.collateral_dates");
}

static void collateral_is_as_new_as_the_policy_wants(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    quote_edit(r.info, "Number':17", "Number':16");
    fails(&r, "quote.collateral_number");
    r = td();
    quote_edit(r.identity, "Number':17", "Number':16");
    fails(&r, "quote.collateral_number");
    quote_edit(r.identity, "Number':16", "Number':18");
    passes(&r);
}

static void tcb_info_is_of_this_platform(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.fmspc[5] ^= 1;
    fails(&r, "quote.tcb_info");
    r = td();
    r.pceid[0] ^= 1;
    fails(&r, "quote.tcb_info");
    r = td();
    quote_edit(r.info, "'TDX'", "'SGX'");
    fails(&r, "quote.tcb_info");
    r = td();
    quote_edit(r.policy, "d3e4", "d3e5");
    fails(&r, "quote.tcb_info");
    quote_edit(r.policy, ",'fmspcs':['00a0b1c2d3e5']", "");
    passes(&r);
}

static void the_quoting_enclave_is_intels(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    quote_edit(r.identity, "'TD_QE'", "'QE'"); /* SGX's */
    fails(&r, "quote.qe_identity");
    r = td();
    r.qe[SGX_SIGNER] ^= 1;
    fails(&r, "quote.qe_identity");
    r = td();
    r.qe[SGX_PRODUCT] ^= 1;
    fails(&r, "quote.qe_identity");
    r = td();
    r.qe[SGX_MISC + 3] ^= 1;
    fails(&r, "quote.qe_identity");
    r = td();
    r.qe[SGX_ATTRIBUTES + 7] ^= 1;
    fails(&r, "quote.qe_identity");
    r = td();
    r.qe[SGX_ATTRIBUTES] ^= 4; /* not under the mask */
    r.qe[SGX_ATTRIBUTES + 8] ^= 1;
    passes(&r);
    r = td();
    r.qe[SGX_ATTRIBUTES] |= 2; /* debug, and an identity that would let it pass */
    quote_edit(r.identity, "FBFFFF", "F9FFFF");
    fails(&r, "quote.qe_identity");
}

/* Each of Intel's words for the platform: refused by default, and accepted where the policy says so. */
static void every_status_is_judged_by_the_policy(void **state)
{
    static const char *const word[] = {"SWHardeningNeeded", "ConfigurationNeeded",
                                       "ConfigurationAndSWHardeningNeeded", "OutOfDate",
                                       "OutOfDateConfigurationNeeded"};
    char to[128], text[128];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(word); i++) {
        struct quote_recipe r = quote_lab_enclave(3);

        (void)snprintf(to, sizeof to, "'tcbStatus':'%s'", word[i]);
        quote_edit(r.info, "'tcbStatus':'UpToDate'", to);
        fails(&r, "quote.tcb");
        assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, word[i]);
        (void)snprintf(text, sizeof text, "'min_evaluation_number':17,'statuses':['UpToDate','%s']",
                       word[i]);
        quote_edit(r.policy, "'min_evaluation_number':17", text);
        passes(&r);
    }
}

static void no_policy_admits_revoked_or_unknown_levels(void **state)
{
    static const char *const word[] = {"Revoked", "Splendid"};
    char to[64];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(word); i++) {
        struct quote_recipe r = td();

        (void)snprintf(to, sizeof to, "'tcbStatus':'%s'", word[i]);
        quote_edit(r.policy,
                   STATUSES("'UpToDate','OutOfDate','SWHardeningNeeded','ConfigurationNeeded',"
                            "'OutOfDateConfigurationNeeded','TDRelaunchAdvised'"));
        quote_edit_after(r.info, "'pcesvn':13", "'tcbStatus':'UpToDate'", to);
        fails(&r, "quote.tcb");
        r.no_policy = true;
        assert_int_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).status, CLOISTER_CHECK_FAIL);
        r = td();
        quote_edit(r.identity, "'tcbStatus':'UpToDate'", to);
        fails(&r, "quote.qe_tcb quote.tcb");
        r = td();
        quote_edit_after(r.info, "'TDX_01'", "'tcbStatus':'UpToDate'", to);
        fails(&r, "quote.tcb tdx.module_tcb");
    }
}

/* The first level that the platform reaches in every component. */
static void the_first_level_that_fits_is_chosen(void **state)
{
    struct quote_recipe r = quote_lab_enclave(3);

    (void)state;
    r.component[0] = 4;
    fails(&r, "quote.tcb");
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "OutOfDate");
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_ADVISORIES).actual,
                        "INTEL-SA-00001, INTEL-SA-00002");
    r.component[0] = 200; /* and one component too low: not more than the other makes up for */
    r.component[1] = 1;
    fails(&r, "quote.tcb");
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "");
    r = quote_lab_enclave(3);
    r.pcesvn = 12;
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "OutOfDate");
    r.pcesvn = 4;
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "");
    r.pcesvn = 0xffff;
    passes(&r);
}

static void a_tds_components_count_as_well(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.body[TD_SVN + 2] = 1; /* microcode: the second level's */
    fails(&r, "quote.tcb");
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "OutOfDate");
    r.body[TD_SVN + 2] = 0;
    fails(&r, "quote.tcb");
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "");
    r = td(); /* a module of version 0: its SVN is the first component */
    r.body[TD_SVN + 1] = 0;
    passes(&r);
    r.body[TD_SVN] = 4;
    fails(&r, "quote.tcb tdx.module_tcb");
    assert_string_equal(says(&r, CLOISTER_CHECK_TDX_MODULE_TCB).actual, "OutOfDate");
    r.body[TD_SVN] = 2;
    fails(&r, "quote.tcb tdx.module_tcb");
    assert_string_equal(says(&r, CLOISTER_CHECK_TDX_MODULE_TCB).actual, "");
}

/* What an out-of-date part makes of each status of the platform. */
static void an_out_of_date_part_makes_the_whole_out_of_date(void **state)
{
    static const char *const from_to[][2] = {
        {"UpToDate", "OutOfDate"},
        {"SWHardeningNeeded", "OutOfDate"},
        {"ConfigurationNeeded", "OutOfDateConfigurationNeeded"},
        {"ConfigurationAndSWHardeningNeeded", "OutOfDateConfigurationNeeded"},
        {"OutOfDate", "OutOfDate"},
        {"OutOfDateConfigurationNeeded", "OutOfDateConfigurationNeeded"},
    };
    char to[64];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(from_to); i++) {
        struct quote_recipe r = td();

        (void)snprintf(to, sizeof to, "'tcbStatus':'%s'", from_to[i][0]);
        quote_edit_after(r.info, "'pcesvn':13", "'tcbStatus':'UpToDate'", to);
        r.qe[SGX_SVN] = 3;
        assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, from_to[i][1]);
        assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_QE_TCB).actual, "OutOfDate");
        r.qe[SGX_SVN] = 4;
        r.body[TD_SVN] = 3; /* the module */
        assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, from_to[i][1]);
        assert_string_equal(says(&r, CLOISTER_CHECK_TDX_MODULE_TCB).actual, "OutOfDate");
    }
}

static void each_part_has_its_own_level_accepted(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.qe[SGX_SVN] = 3;
    fails(&r, "quote.qe_tcb quote.tcb");
    quote_edit(r.policy, STATUSES("'UpToDate','OutOfDate'"));
    passes(&r);
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_ADVISORIES).actual, "INTEL-SA-00004");
    r.qe[SGX_SVN] = 1; /* below every level */
    fails(&r, "quote.qe_tcb quote.tcb");
    r = td();
    r.body[TD_SVN] = 3;
    fails(&r, "quote.tcb tdx.module_tcb");
    quote_edit(r.policy, STATUSES("'UpToDate','OutOfDate'"));
    passes(&r);
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_ADVISORIES).actual, "INTEL-SA-00003");
    r.body[TD_SVN] = 1;
    fails(&r, "quote.tcb tdx.module_tcb");
}

static void the_module_is_intels(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.body[TD_SIGNER] = 1;
    fails(&r, "tdx.module");
    r = td();
    r.body[TD_SEAM_ATTRIBUTES] = 1;
    fails(&r, "tdx.module");
    quote_edit_after(r.info, "'TDX_01'", "FFFFFFFFFFFFFFFF",
                     "0000000000000000"); /* not even then */
    fails(&r, "tdx.module");
    r = td();
    r.body[TD_SVN + 1] = 2; /* a version that has no identity */
    fails(&r, "quote.tcb tdx.module");
    quote_edit(r.info, "TDX_01", "tdx_02");
    fails(&r, "quote.collateral"); /* Intel writes it in upper case */
    r = td();
    r.body[TD_SVN + 1] = 0x1a;
    quote_edit(r.info, "TDX_01", "TDX_1a");
    passes(&r);
}

/* TD 1.5: started by an old module, and the new one runs. */
static void a_td_may_be_advised_to_start_anew(void **state)
{
    struct quote_recipe r = td15();

    (void)state;
    r.body[TD_SVN] = 3;
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "TDRelaunchAdvised");
    fails(&r, "quote.tcb tdx.module_tcb");
    quote_edit(r.policy, STATUSES("'UpToDate','TDRelaunchAdvised'"));
    passes(&r);
    r.body[TD_SVN2] = 3; /* but not if the module that runs is as old */
    fails(&r, "quote.tcb tdx.module_tcb");
    r.body[TD_SVN2] = 5;
    r.body[TD_SVN2 + 2] = 1;
    fails(&r, "quote.tcb tdx.module_tcb");
    r.body[TD_SVN2 + 2] = 2;
    r.body[TD_SVN2 + 1] = 2; /* nor if nobody knows it */
    fails(&r, "quote.tcb tdx.module_tcb");
    r.body[TD_SVN2 + 1] = 0; /* one without an identity: the latest level's components */
    passes(&r);
    r.body[TD_SVN2] = 4;
    fails(&r, "quote.tcb tdx.module_tcb");

    r = td15();
    r.body[TD_SVN] = 3;
    quote_edit_after(r.info, "'pcesvn':13", "'tcbStatus':'UpToDate'",
                     "'tcbStatus':'ConfigurationNeeded'");
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual,
                        "TDRelaunchAdvisedConfigurationNeeded");
    r.qe[SGX_SVN] = 3; /* an old quoting enclave can't be helped by that */
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "OutOfDateConfigurationNeeded");
    r = td15();
    r.body[TD_SVN] = 3;
    r.component[0] = 4; /* nor an old platform */
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "OutOfDate");
    r = quote_lab_td(5, CLO_QUOTE_BODY_TD10);
    r.body[TD_SVN] = 3;
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "OutOfDate");
}

/* The module that runs now can be an older one, too: updating a module under a running TD goes in both directions. */
static void the_module_that_runs_now_is_judged_as_well(void **state)
{
    struct quote_recipe r = td15();

    (void)state;
    quote_edit(r.policy, STATUSES("'UpToDate','TDRelaunchAdvised'"));
    r.body[TD_SVN2] = 3;
    fails(&r, "quote.tcb tdx.module_tcb");
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "OutOfDate");
    assert_string_equal(says(&r, CLOISTER_CHECK_TDX_MODULE_TCB).actual, "OutOfDate");
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_ADVISORIES).actual, "INTEL-SA-00003");
    r.body[TD_SVN2] = 1; /* below every level */
    fails(&r, "quote.tcb tdx.module_tcb");
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "");
    r.body[TD_SVN2] = 5;
    r.body[TD_SVN2 + 1] = 2; /* of a version that nobody knows */
    fails(&r, "quote.tcb tdx.module_tcb");
    r.body[TD_SVN2 + 1] = 1;
    r.body[TD_SVN2 + 2] = 1; /* another component: the second level's */
    fails(&r, "quote.tcb");
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "OutOfDate");
    r.body[TD_SVN2 + 2] = 0; /* no level's */
    fails(&r, "quote.tcb");
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "");
    r = td15();
    memset(r.body + TD_SVN2, 0, 16);
    fails(&r, "quote.tcb");

    r = td15(); /* the second level of the module is revoked */
    quote_edit(r.policy, STATUSES("'UpToDate','OutOfDate','TDRelaunchAdvised'"));
    quote_edit_after(r.info, "'TDX_01'", "'OutOfDate'", "'Revoked'");
    r.body[TD_SVN2] = 3;
    fails(&r, "quote.tcb tdx.module_tcb");

    r = td15(); /* the worse of two levels counts, whichever comes first */
    quote_edit(r.policy, STATUSES("'UpToDate','OutOfDate','TDRelaunchAdvised'"));
    quote_edit(r.info, "'UpToDate'},{'tcb':{'sgx", "'Revoked'},{'tcb':{'sgx");
    fails(&r, "quote.tcb");
    r.body[TD_SVN2 + 2] = 1;
    fails(&r, "quote.tcb");
    assert_string_equal(says(&r, CLOISTER_CHECK_QUOTE_TCB).actual, "Revoked");

    r = td15(); /* a module without an identity, and then one that has one */
    quote_edit(r.policy, STATUSES("'UpToDate','TDRelaunchAdvised'"));
    r.body[TD_SVN + 1] = 0;
    passes(&r);
    r.body[TD_SVN2] = 3;
    fails(&r, "quote.tcb tdx.module_tcb");

    r = td15(); /* starting anew helps only with a module that is up to date itself */
    quote_edit(r.policy, STATUSES("'UpToDate','TDRelaunchAdvised'"));
    quote_edit_after(r.info, "'TDX_01'", "'UpToDate'", "'OutOfDate'");
    r.body[TD_SVN] = 3;
    fails(&r, "quote.tcb tdx.module_tcb");
}

/* Intel gives modules and quoting enclaves three statuses; another one isn't known, whatever the policy accepts of platforms. */
static void a_quoting_enclave_has_one_of_three_statuses(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    quote_edit(r.policy, STATUSES("'UpToDate','OutOfDate','SWHardeningNeeded'"));
    quote_edit(r.identity, "'tcbStatus':'UpToDate'", "'tcbStatus':'SWHardeningNeeded'");
    fails(&r, "quote.qe_tcb quote.tcb");
}

static void open_advisories_are_accepted_by_name(void **state)
{
    struct quote_recipe r = quote_lab_enclave(3);

    (void)state;
    r.component[0] = 4;
    quote_edit(r.policy, STATUSES("'UpToDate','OutOfDate'"));
    passes(&r);
    quote_edit(r.policy, "'fmspcs'", "'advisories':['INTEL-SA-00001','INTEL-SA-00002'],'fmspcs'");
    passes(&r);
    quote_edit(r.policy, ",'INTEL-SA-00002'", "");
    fails(&r, "quote.advisories");
    r.component[0] = 5;
    passes(&r);
    r.component[1] = 0;
    fails(&r, "quote.tcb quote.advisories");
    r = quote_lab_enclave(3);
    quote_edit(r.policy, "'fmspcs'", "'advisories':[],'fmspcs'");
    passes(&r);
    r.fmspc[0] ^= 1;
    assert_int_equal(says(&r, CLOISTER_CHECK_QUOTE_ADVISORIES).status, CLOISTER_CHECK_MISSING);
}

/* ---- collateral's text ---- */

static void tcb_info_is_read_strictly(void **state)
{
    static const char *const edits[][2] = {
        {"'version':3", "'version':2"},
        {"'version':3", "'version':4"},
        {"'id':'TDX'", "'id':'TDY'"},
        {"'tcbType':0", "'tcbType':1"},
        {"'tcbType':0,", ""},
        {"'version':3,", ""},
        {"'id':'TDX',", ""},
        {"'pceId':'0001',", ""},
        {"'issueDate':'2026-11-01T00:00:00Z',", ""},
        {"'nextUpdate':'2026-12-01T00:00:00Z',", ""},
        {"'tcbEvaluationDataNumber':17,", ""},
        {"'tcbType':0", "'tcbType':0,'tcbType':0"},
        {"'tcbType':0", "'new':{'a':1,'a':2},'tcbType':0"},
        {"'tcbType':0", "'new':[1,],'tcbType':0"},
        {"'tcbType':0", "'new':nul,'tcbType':0"},
        {"'tcbType':0", "'new':01,'tcbType':0"},
        {"'tcbType':0", "'new':'\\x','tcbType':0"},
        {"'tcbType':0", "'new':'\xc3\xa9','tcbType':0"},
        {"'tcbType':0", "'n\\u0065w':1,'tcbType':0"},
        {"'tcbType':0", "'new':[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]],'tcbType':0"},
        {"'tcbType':0", "'tcbType':00"},
        {"'tcbType':0", "'tcbType':-0"},
        {"'tcbType':0", "'tcbType':0.0"},
        {"'tcbType':0", "'tcbType':'0'"},
        {"'tcbType':0", "'tcbType' 0"},
        {"Number':17", "Number':4294967296"},
        {"Number':17", "Number':18446744073709551617"},
        {"'svn':5,", "'svn':256,"},
        {"'svn':5,", "'svn':5,'svn':5,"},
        {"{'svn':2},", ""},
        {"{'svn':2},", "{'svn':2},{'svn':2},"},
        {"{'svn':2},", "{'svm':2},"},
        {"'pcesvn':13", "'pcesvn':65536"},
        {"'pcesvn':13,", ""},
        {"'tcbStatus':'UpToDate'", "'tcbStatuz':'UpToDate'"},
        {"00A0B1C2d3e4", "00A0B1C2d3e"},
        {"00A0B1C2d3e4", "00A0B1C2d3eg"},
        {"00A0B1C2d3e4", "00A0B1C2d3e400"},
        {"2026-11-01T00:00:00Z", "2026-11-01T00:00:00"},
        {"2026-11-01T00:00:00Z", "2026-11-01 00:00:00Z"},
        {"2026-11-01T00:00:00Z", "2026-13-01T00:00:00Z"},
        {"2026-11-01T00:00:00Z", "2026-02-29T00:00:00Z"},
        {"2026-11-01T00:00:00Z", "1969-11-01T00:00:00Z"},
        {"2026-11-01T00:00:00Z", "2026-11-01T24:00:00Z"},
        {"'TDX_01'", "'TDX_1'"},
        {"'TDX_01'", "'TDX_0g'"},
        {"'isvsvn':4", "'isvsvn':65536"},
        {"'isvsvn':4", "'isvsvm':4"},
        {"'tdxModule':{", "'tdxModulf':{"},
        {",'tdxtcbcomponents':", ",'tdxtcbcomponentz':"},
        {"'attributesMask':'FFFFFFFFFFFFFFFF'", "'attributesMask':'FFFFFFFF'"},
        {"['INTEL-SA-00001','INTEL-SA-00002']", "['INTEL-SA-00001',2]"},
        {"['INTEL-SA-00001','INTEL-SA-00002']", "'INTEL-SA-00001'"},
        {"['INTEL-SA-00001','INTEL-SA-00002']",
         "['INTEL-SA-000000000000000000000000000000000000000000000000000000000000']"},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(edits); i++) {
        struct quote_recipe r = td();

        quote_edit(r.info, edits[i][0], edits[i][1]);
        fails(&r, "quote.collateral");
    }
}

static void what_intel_may_add_is_no_fault(void **state)
{
    static const char *const edits[][2] = {
        {"'tcbType':0", "'tcbType':0,'new':{'a':[1,-2.5e+3,true,false,null,'\\u00e9\\n']}"},
        {"'tcbType':0", " 'tcbType'\t:\n0 \r"},
        {"{'svn':5,", "{'svn':5,'new':[],"},
        {"'pcesvn':13", "'pcesvn':13,'new':{}"},
        {"'tcbStatus':'UpToDate'", "'tcbStatus':'UpToDate','new':0"},
        {"'attributesMask':'FFFFFFFFFFFFFFFF'}", "'attributesMask':'FFFFFFFFFFFFFFFF','new':1}"},
        {"2026-11-01T00:00:00Z", "2024-02-29T23:59:59Z"},
        {"'advisoryIDs':['INTEL-SA-00001','INTEL-SA-00002']", "'advisoryIDs':[]"},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(edits); i++) {
        struct quote_recipe r = td();

        quote_edit(r.info, edits[i][0], edits[i][1]);
        passes(&r);
    }
}

static void qe_identity_is_read_strictly(void **state)
{
    static const char *const edits[][2] = {
        {"'version':2", "'version':1"},
        {"'id':'TD_QE'", "'id':'QVE'"},
        {"'version':2,", ""},
        {"'isvprodid':2,", ""},
        {"'isvprodid':2", "'isvprodid':65536"},
        {"'miscselect':'00000000',", ""},
        {"'miscselectMask':'FFFFFFFF',", ""},
        {"'attributes':'11000000000000000000000000000000',", ""},
        {"'attributesMask':'FBFFFFFFFFFFFFFF0000000000000000',", ""},
        {"'mrsigner':'", "'mrsigner':'00"},
        {"'isvprodid':2", "'isvprodid':2,'isvprodid':2"},
        {"'tcbLevels':", "'levels':"},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(edits); i++) {
        struct quote_recipe r = td();

        quote_edit(r.identity, edits[i][0], edits[i][1]);
        fails(&r, "quote.collateral");
    }
}

/* What is verified is what was read: of two objects, of text around the answer, of a second signature. */
static void the_answer_has_one_object_and_one_signature(void **state)
{
    static const char *const bad[] = {
        "{\"tcbInfo\":%s,\"signature\":\"%s\"} x",
        "{\"tcbInfo\":{},\"tcbInfo\":%s,\"signature\":\"%s\"}",
        "{\"tcbInfo\":%s,\"signature\":\"%s\",\"tcbInfo\":{}}",
        "{\"tcbInfo\":%s,\"signature\":\"%s\",\"signature\":\"\"}",
        "{\"tcbInfo\":%s,\"signature\":\"%s00\"}",
        "{\"tcbinfo\":%s,\"signature\":\"%s\"}",
        "{\"tcbInfo\":%s \"signature\":\"%s\"}",
        "[{\"tcbInfo\":%s,\"signature\":\"%s\"}]",
        "{\"tcbInfo\":%s,\"signature\":\"%s\"",
        "{\"tcbInfo\":[%s],\"signature\":\"%s\"}",
    };
    static const char *const good[] = {
        " { \"tcbInfo\" :\n%s , \"signature\" : \"%s\" }\n",
        "{\"tcbInfo\":%s,\"signature\":\"%s\",\"new\":{\"tcbInfo\":{}}}",
    };
    struct quote_recipe r = td();

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        r.info_answer = bad[i];
        fails(&r, "quote.collateral");
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(good); i++) {
        r.info_answer = good[i];
        passes(&r);
    }
}

static void a_module_is_named_once(void **state)
{
    struct quote_recipe r = td();
    char *at = strstr(r.info, "'tdxModuleIdentities':[");
    char one[2048], twice[4200];
    const char *end = strstr(at, "]}],");

    (void)state;
    at += strlen("'tdxModuleIdentities':[");
    (void)snprintf(one, sizeof one, "%.*s", (int)(end + 2 - at), at);
    (void)snprintf(twice, sizeof twice, "%s,%s", one, one);
    quote_edit(r.info, one, twice);
    fails(&r, "quote.collateral");
    quote_edit(r.info, "TDX_01", "TDX_03");
    passes(&r);
}

/* ---- what a TD says ---- */

static void a_td_under_debug_is_refused(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 8; bit++) {
        struct quote_recipe r = td();

        r.body[TD_ATTRIBUTES] = (uint8_t)(1u << bit);
        fails(&r, "tdx.debug");
        r.no_policy = true;
        assert_int_equal(says(&r, CLOISTER_CHECK_TDX_DEBUG).status, CLOISTER_CHECK_FAIL);
    }
}

static void attributes_are_the_policys(void **state)
{
    static const struct {
        unsigned bit;
        const char *word;
    } known[] = {{30, "pks"}, {31, "kl"}, {63, "perfmon"}};
    char to[64];

    (void)state;
    for (unsigned bit = 8; bit < 64; bit++) {
        struct quote_recipe r = td();

        quote_put64(r.body + TD_ATTRIBUTES, UINT64_C(1) << bit | 0x10000000);
        if (bit == 28)
            passes(&r);
        else
            fails(&r, "tdx.attributes");
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(known); i++) {
        struct quote_recipe r = td();

        quote_put64(r.body + TD_ATTRIBUTES, UINT64_C(1) << known[i].bit | 0x10000000);
        (void)snprintf(to, sizeof to, "'tdx':{'allow_attributes':['%s'],", known[i].word);
        quote_edit(r.policy, "'tdx':{", to);
        passes(&r);
        quote_put64(r.body + TD_ATTRIBUTES, UINT64_C(1) << known[i].bit);
        fails(&r, "tdx.attributes"); /* without SEPT_VE_DISABLE */
        quote_edit(r.policy, "'tdx':{", "'tdx':{'allow_sept_ve':true,");
        passes(&r);
    }
}

static void features_are_what_architecture_and_policy_allow(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        quote_put64(r.body + TD_XFAM, UINT64_C(1) << bit | (bit > 1 ? 3 : 0));
        if (bit > 1 && (UINT64_C(0x6dbe7) >> bit & 1) != 0)
            passes(&r);
        else
            fails(&r, "tdx.xfam");
    }
    quote_edit(r.policy, "'tdx':{", "'tdx':{'allow_xfam':'0000000000000007',");
    quote_put64(r.body + TD_XFAM, 7);
    passes(&r);
    quote_put64(r.body + TD_XFAM, 3);
    passes(&r);
    quote_put64(r.body + TD_XFAM, 0x23);
    fails(&r, "tdx.xfam");
}

static void an_image_is_all_five_values(void **state)
{
    static const size_t at[] = {TD_MRTD, TD_RTMR, TD_RTMR + 48, TD_RTMR + 96, TD_RTMR + 144};
    struct quote_recipe r;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(at); i++) {
        r = td();
        r.body[at[i] + 47] ^= 1;
        fails(&r, "tdx.measurement");
    }
    /* the parts of two images don't make a third */
    r = td();
    quote_edit(r.policy, "'images':[",
               "'images':[{'mrtd':'" HEX48("c0") "','rtmr0':'" HEX48("c1") "','rtmr1':'" HEX48(
                   "c2") "','rtmr2':'" HEX48("c3") "','rtmr3':'" HEX48("c4") "'},");
    passes(&r);
    memset(r.body + TD_MRTD, 0xc0, 48);
    fails(&r, "tdx.measurement");
}

static void ids_are_zero_or_listed(void **state)
{
    static const struct {
        size_t at;
        const char *list, *fails;
    } of[] = {
        {TD_CONFIG, "config_ids", "tdx.config"},
        {TD_OWNER, "owners", "tdx.owner"},
        {TD_OWNER_CONFIG, "owner_configs", "tdx.owner"},
        {TD_SERVICE, "service_tds", "tdx.service_td"},
    };
    char to[256];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(of); i++) {
        struct quote_recipe r = td15();

        memset(r.body + of[i].at, 0x77, 48);
        fails(&r, of[i].fails);
        (void)snprintf(to, sizeof to, "'tdx':{'%s':['" HEX48("77") "'],", of[i].list);
        quote_edit(r.policy, "'tdx':{", to);
        passes(&r);
        memset(r.body + of[i].at, 0, 48);
        if (of[i].at == TD_SERVICE)
            passes(&r); /* none is bound */
        else
            fails(&r, of[i].fails);
    }
}

static void the_report_data_is_the_expected_one(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    for (size_t i = 0; i < 64; i += 7) {
        r = td();
        r.report_data[i] ^= 0x40;
        fails(&r, "binding.report_data");
    }
    r = td();
    r.data = QUOTE_DATA_NONE;
    lacks(&r, "binding.report_data");
    r.data = QUOTE_DATA_ANY;
    passes(&r);
    r = quote_lab_enclave(3);
    r.report_data[63] ^= 1;
    fails(&r, "binding.report_data");
}

static void an_event_log_has_to_replay(void **state)
{
    static const uint16_t algs[] = {CLO_EVENT_SHA384, 0};
    static struct event_lab log;
    struct quote_recipe r = td();

    (void)state;
    quote_edit(r.policy, "'tdx':{", "'tdx':{'event_log':'required',");
    lacks(&r, "tdx.event_log");
    el_start(&log, algs);
    memset(r.body + TD_RTMR, 0, 192);
    quote_edit(r.policy, HEX48("b3"), HEX48("00"));
    for (unsigned i = 0; i < 3; i++) {
        char from[97], to[97];

        el_event(&log, i + 1, 6, (uint8_t)(0x11 * i), "event", 5);
        el_extend(r.body + TD_RTMR + 48 * i, 48, (uint8_t)(0x11 * i));
        for (size_t k = 0; k < 48; k++)
            (void)snprintf(from + 2 * k, 3, "b%u", i);
        clo_hex(r.body + TD_RTMR + 48 * i, 48, to);
        quote_edit(r.policy, from, to);
    }
    r.event_log = log.p;
    r.event_log_n = log.n;
    passes(&r);
    r.event_log_n = log.n - 1;
    fails(&r, "tdx.event_log");
    r.event_log_n = log.n;
    el_event(&log, 4, 6, 0x44, "more", 4);
    r.event_log_n = log.n;
    fails(&r, "tdx.event_log");
    el_start(&log, algs);
    el_event(&log, 0, 6, 0x44, "MRTD isn't extended", 19);
    r.event_log_n = log.n;
    fails(&r, "tdx.event_log");
    r.no_policy = true;
    assert_int_equal(says(&r, CLOISTER_CHECK_TDX_EVENT_LOG).status, CLOISTER_CHECK_FAIL);
}

/* ---- what an enclave says ---- */

static void an_enclave_under_debug_is_refused(void **state)
{
    struct quote_recipe r = quote_lab_enclave(3);

    (void)state;
    r.body[SGX_ATTRIBUTES] |= 2;
    fails(&r, "sgx.debug");
}

static void an_enclaves_attributes_are_the_policys(void **state)
{
    static const struct {
        unsigned bit;
        const char *word;
    } known[] = {{4, "provision_key"}, {5, "einittoken_key"}, {7, "kss"}, {10, "aex_notify"}};
    char to[64];

    (void)state;
    for (unsigned bit = 3; bit < 64; bit++) {
        struct quote_recipe r = quote_lab_enclave(3);

        r.body[SGX_ATTRIBUTES + bit / 8] |= (uint8_t)(1u << (bit % 8));
        fails(&r, "sgx.attributes");
        for (size_t i = 0; i < CLO_ARRAY_LEN(known); i++) {
            if (known[i].bit != bit)
                continue;
            (void)snprintf(to, sizeof to, "'sgx':{'allow_attributes':['%s'],", known[i].word);
            quote_edit(r.policy, "'sgx':{", to);
            passes(&r);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        struct quote_recipe r = quote_lab_enclave(3);

        r.body[SGX_ATTRIBUTES + 8 * i] ^= 1; /* not initialised; without x87 */
        fails(&r, "sgx.attributes");
    }
}

/* What the host configures isn't in MRENCLAVE: also where KSS is allowed it has to be zero. */
static void an_enclave_has_no_configuration_of_the_hosts(void **state)
{
    static const size_t at[] = {192, 255, 260, 261}; /* CONFIGID, CONFIGSVN */

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(at); i++) {
        struct quote_recipe r = quote_lab_enclave(3);

        r.body[SGX_ATTRIBUTES] |= 0x80;
        quote_edit(r.policy, "'sgx':{", "'sgx':{'allow_attributes':['kss'],");
        passes(&r);
        r.body[at[i]] = 1;
        fails(&r, "sgx.attributes");
    }
}

static void an_enclave_is_pinned_by_itself_or_its_signer(void **state)
{
    struct quote_recipe r = quote_lab_enclave(3);

    (void)state;
    r.body[SGX_ENCLAVE + 31] ^= 1; /* each list that is there has to hold */
    fails(&r, "sgx.measurement");
    quote_edit(r.policy, "'enclaves':['" X16("e1") X16("e1") "'],", "");
    passes(&r);
    r.body[SGX_SIGNER] ^= 1;
    fails(&r, "sgx.measurement");
    r = quote_lab_enclave(3);
    r.body[SGX_PRODUCT] ^= 1;
    fails(&r, "sgx.isv");
    r = quote_lab_enclave(3);
    r.body[SGX_SVN] = 2;
    fails(&r, "sgx.isv");
    r.body[SGX_SVN] = 9;
    passes(&r);
    quote_edit(r.policy, "'signers':['" X16("51") X16("51") "'],'product_id':7,'min_svn':3,", "");
    r.body[SGX_SVN] = 0;
    passes(&r);
}

/* ---- without a policy ---- */

static void without_a_policy_only_what_needs_none_is_judged(void **state)
{
    struct quote_recipe r = td();

    (void)state;
    r.no_policy = true;
    lacks(&r, "quote.collateral_number quote.qe_tcb quote.tcb quote.advisories tdx.module_tcb "
              "tdx.attributes tdx.xfam tdx.measurement tdx.config tdx.owner tdx.service_td "
              "tdx.event_log");
    r = quote_lab_enclave(3);
    r.no_policy = true;
    lacks(&r, "quote.collateral_number quote.qe_tcb quote.tcb quote.advisories sgx.attributes "
              "sgx.measurement sgx.isv");
    r = td();
    r.no_policy = true;
    r.leaf_issuer = quote_lab.stranger;
    quote_put64(r.body + TD_XFAM, 0);
    quote_put64(r.body + TD_ATTRIBUTES, UINT64_C(1) << 40);
    fails(&r, "quote.chain tdx.attributes tdx.xfam");
}

/* Nothing that isn't vouched for passes: with a foreign signature, no claim does. */
static void no_claim_of_a_forged_quote_passes(void **state)
{
    static const enum cloister_check_id claims[] = {
        CLOISTER_CHECK_QUOTE_QE_VENDOR, CLOISTER_CHECK_QUOTE_TCB,
        CLOISTER_CHECK_TDX_MODULE,      CLOISTER_CHECK_TDX_MODULE_TCB,
        CLOISTER_CHECK_TDX_DEBUG,       CLOISTER_CHECK_TDX_ATTRIBUTES,
        CLOISTER_CHECK_TDX_XFAM,        CLOISTER_CHECK_TDX_MEASUREMENT,
        CLOISTER_CHECK_TDX_CONFIG,      CLOISTER_CHECK_TDX_OWNER,
        CLOISTER_CHECK_TDX_SERVICE_TD,  CLOISTER_CHECK_BINDING_REPORT_DATA};
    struct quote_recipe forged[] = {td(), td(), td(), td(), td()};
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;

    (void)state;
    forged[0].quote_signer = quote_lab.stranger;
    forged[1].qe_signer = quote_lab.stranger;
    forged[2].binding_wrong = true;
    forged[3].leaf_issuer = quote_lab.stranger;
    forged[4].ca_issuer = quote_lab.stranger;
    for (size_t i = 0; i < CLO_ARRAY_LEN(forged); i++) {
        appraise(&forged[i], &vb, &hw);
        assert_false(hw.authentic || hw.bound || hw.measured);
        for (size_t k = 0; k < CLO_ARRAY_LEN(claims); k++)
            assert_int_equal(clo_vb_status(&vb, claims[k]), CLOISTER_CHECK_MISSING);
    }
}

/* Last: each check has been seen to pass, to fail, and to be missing. */
static void every_check_has_been_seen_in_every_status(void **state)
{
    const unsigned pass = 1u << CLOISTER_CHECK_PASS, fail = 1u << CLOISTER_CHECK_FAIL,
                   gone = 1u << CLOISTER_CHECK_MISSING, na = 1u << CLOISTER_CHECK_NOT_APPLICABLE;
    static const enum cloister_check_id may_be_na[] = {CLOISTER_CHECK_BINDING_REPORT_DATA,
                                                       CLOISTER_CHECK_QUOTE_CRL,
                                                       CLOISTER_CHECK_QUOTE_CRL_DATES,
                                                       CLOISTER_CHECK_QUOTE_REVOKED,
                                                       CLOISTER_CHECK_QUOTE_ADVISORIES,
                                                       CLOISTER_CHECK_TDX_EVENT_LOG,
                                                       CLOISTER_CHECK_SGX_ISV};

    (void)state;
    for (unsigned id = 200; id < 300; id++) {
        unsigned want = pass | fail | gone;

        if (cloister_check_name((enum cloister_check_id)id)[0] == '\0')
            continue;
        for (size_t i = 0; i < CLO_ARRAY_LEN(may_be_na); i++)
            if (may_be_na[i] == (enum cloister_check_id)id)
                want |= na;
        if (seen[id] != want)
            fail_msg("%s: seen %x, not %x", cloister_check_name((enum cloister_check_id)id),
                     seen[id], want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_quote_passes),
        cmocka_unit_test(the_measurement_is_the_image_and_its_registers),
        cmocka_unit_test(the_verdict_ends_with_what_ends_first),
        cmocka_unit_test(another_kind_of_quote_is_not_read),
        cmocka_unit_test(a_shorter_quote_is_not_read),
        cmocka_unit_test(every_length_has_to_fit),
        cmocka_unit_test(only_zero_bytes_may_stand_behind_it),
        cmocka_unit_test(another_vendors_enclave_is_refused),
        cmocka_unit_test(a_chain_comes_in_three_ways),
        cmocka_unit_test(a_chain_that_is_not_there_is_missing),
        cmocka_unit_test(a_chain_that_can_not_be_read_is_refused),
        cmocka_unit_test(the_right_names_and_another_root_are_refused),
        cmocka_unit_test(a_link_by_another_key_or_name_is_refused),
        cmocka_unit_test(certificates_have_their_dates),
        cmocka_unit_test(lists_are_wanted_from_both_issuers),
        cmocka_unit_test(lists_are_their_issuers_own_and_have_dates),
        cmocka_unit_test(whoever_is_revoked_is_refused),
        cmocka_unit_test(the_certificate_names_its_platform_once),
        cmocka_unit_test(the_extension_is_strict_der),
        cmocka_unit_test(each_signature_is_by_its_own_key),
        cmocka_unit_test(every_flipped_bit_that_is_signed_is_refused),
        cmocka_unit_test(no_other_flipped_bit_changes_what_is_accepted),
        cmocka_unit_test(collateral_that_is_not_there_is_missing),
        cmocka_unit_test(collateral_is_signed_by_intels_signer),
        cmocka_unit_test(the_signer_comes_alone_or_with_its_root),
        cmocka_unit_test(a_changed_byte_of_collateral_is_refused),
        cmocka_unit_test(collateral_has_its_dates),
        cmocka_unit_test(collateral_is_as_new_as_the_policy_wants),
        cmocka_unit_test(tcb_info_is_of_this_platform),
        cmocka_unit_test(the_quoting_enclave_is_intels),
        cmocka_unit_test(every_status_is_judged_by_the_policy),
        cmocka_unit_test(no_policy_admits_revoked_or_unknown_levels),
        cmocka_unit_test(the_first_level_that_fits_is_chosen),
        cmocka_unit_test(a_tds_components_count_as_well),
        cmocka_unit_test(an_out_of_date_part_makes_the_whole_out_of_date),
        cmocka_unit_test(each_part_has_its_own_level_accepted),
        cmocka_unit_test(the_module_is_intels),
        cmocka_unit_test(a_td_may_be_advised_to_start_anew),
        cmocka_unit_test(the_module_that_runs_now_is_judged_as_well),
        cmocka_unit_test(a_quoting_enclave_has_one_of_three_statuses),
        cmocka_unit_test(open_advisories_are_accepted_by_name),
        cmocka_unit_test(tcb_info_is_read_strictly),
        cmocka_unit_test(what_intel_may_add_is_no_fault),
        cmocka_unit_test(qe_identity_is_read_strictly),
        cmocka_unit_test(the_answer_has_one_object_and_one_signature),
        cmocka_unit_test(a_module_is_named_once),
        cmocka_unit_test(a_td_under_debug_is_refused),
        cmocka_unit_test(attributes_are_the_policys),
        cmocka_unit_test(features_are_what_architecture_and_policy_allow),
        cmocka_unit_test(an_image_is_all_five_values),
        cmocka_unit_test(ids_are_zero_or_listed),
        cmocka_unit_test(the_report_data_is_the_expected_one),
        cmocka_unit_test(an_event_log_has_to_replay),
        cmocka_unit_test(an_enclave_under_debug_is_refused),
        cmocka_unit_test(an_enclaves_attributes_are_the_policys),
        cmocka_unit_test(an_enclave_has_no_configuration_of_the_hosts),
        cmocka_unit_test(an_enclave_is_pinned_by_itself_or_its_signer),
        cmocka_unit_test(without_a_policy_only_what_needs_none_is_judged),
        cmocka_unit_test(no_claim_of_a_forged_quote_passes),
        cmocka_unit_test(every_check_has_been_seen_in_every_status),
    };

    return cmocka_run_group_tests_name("quote", tests, quote_lab_open, quote_lab_close);
}
