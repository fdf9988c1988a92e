/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appraisal of SEV-SNP reports, in a laboratory of its own: what is right in every respect passes, and with
 * one thing wrong exactly the named checks fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/enc.h"
#include "lab/snp.h"

/* Every status that a check ever had in this program. */
static unsigned seen[UINT8_MAX + 1];

static void appraise(const struct snp_recipe *r, struct clo_verdict_builder *vb)
{
    struct cloister_policy *policy = snp_lab_policy(r);
    struct cloister_roots *roots = snp_lab_roots(r);
    struct clo_buf chain[CLO_CHAIN_MAX];
    struct clo_collateral crls;
    uint8_t report[CLO_SNP_REPORT_LEN + 1] = {0};
    const struct clo_snp_input in = {
        .report = report,
        .report_n = r->report_n,
        .chain = chain,
        .chain_n = r->chain_n,
        .collateral = &crls,
        .data_check = CLOISTER_CHECK_BINDING_REPORT_DATA,
        .report_data = r->report_data,
    };
    struct clo_hw_result hw = {0};

    snp_lab_chain(r, chain);
    snp_lab_crl(r, &crls);
    snp_lab_sign(r, report);
    clo_vb_init(vb);
    assert_int_equal(clo_snp_appraise(&in, policy, roots, r->now, vb, &hw), 0);
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++)
        if (vb->check[i].status != CLOISTER_CHECK_NONE)
            seen[vb->check[i].id] |= 1u << vb->check[i].status;
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&chain[i]);
    clo_collateral_clear(&crls);
    cloister_roots_free(roots);
    cloister_policy_free(policy);
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

/* Exactly these checks fail, and nothing else. */
static void fails(const struct snp_recipe *r, const char *names)
{
    struct clo_verdict_builder vb;
    char got[2048];

    appraise(r, &vb);
    names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, names);
}

/* Nothing fails, and these checks are missing, of those that come before the claims. */
static void lacks(const struct snp_recipe *r, const char *names)
{
    struct clo_verdict_builder vb;
    char got[2048];

    appraise(r, &vb);
    names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, "");
    names_with(&vb, CLOISTER_CHECK_MISSING, got, sizeof got);
    assert_non_null(strstr(got, names));
}

static void passes(const struct snp_recipe *r)
{
    struct clo_verdict_builder vb;
    char got[2048];

    appraise(r, &vb);
    names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, "");
    names_with(&vb, CLOISTER_CHECK_MISSING, got, sizeof got);
    assert_string_equal(got, "");
}

/* ---- what is right ---- */

static void a_good_report_passes_every_check(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct clo_verdict_builder vb;
    char got[2048];

    (void)state;
    passes(&r);
    appraise(&r, &vb);
    names_with(&vb, CLOISTER_CHECK_NOT_APPLICABLE, got, sizeof got);
    assert_string_equal(got, "");
}

static void milan_and_turin_pass_with_their_own_layouts(void **state)
{
    struct snp_recipe r = snp_lab_milan();

    (void)state;
    passes(&r);
    r = snp_lab_turin();
    passes(&r);

    /* The chip id has 8 bytes, and the 56 behind it are zero. */
    r.report[0x1df] = 1;
    fails(&r, "snp.chip");
    r.report[0x1df] = 0;
    snp_policy_edit(&r, "{'fmc':2", "{'fmc':3");
    fails(&r, "snp.tcb_min");
    snp_policy_edit(&r, "{'fmc':3", "{'fmc':2");
    snp_ext_drop(&r, SNP_OID("3.9"));
    fails(&r, "snp.cert_tcb");
}

static void siena_is_endorsed_as_genoa(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.report[0x189] = 0xa0;
    passes(&r);
    r.report[0x189] = 0xaf;
    passes(&r);
    r.report[0x189] = 0x1f;
    passes(&r);
    r.report[0x189] = 0xb0;
    fails(&r, "snp.product");
    r.report[0x189] = 0x20;
    fails(&r, "snp.product");
}

static void a_wrapped_chip_id_is_as_good_as_a_raw_one(void **state)
{
    struct snp_recipe r = snp_lab_good();
    uint8_t wrapped[66] = {4, 64};

    (void)state;
    memcpy(wrapped + 2, r.report + 0x1a0, 64);
    snp_ext_set(&r, SNP_OID("4"), wrapped, sizeof wrapped);
    passes(&r);
    wrapped[1] = 63;
    snp_ext_set(&r, SNP_OID("4"), wrapped, sizeof wrapped);
    fails(&r, "snp.chip");
}

static void older_versions_pass_without_their_later_fields(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_policy_edit(&r, ",'mitigations':[0,1]", "");
    snp_put64(&r, 0x1f8, 0);
    snp_put64(&r, 0x200, 0);
    snp_put32(&r, 0, 4);
    passes(&r);
    snp_put32(&r, 0, 3);
    passes(&r);
    snp_put32(&r, 0, 2); /* has no CPUID: its product is the certificate's */
    fails(&r, "snp.reserved");
    memset(r.report + 0x188, 0, 3);
    passes(&r);
}

static void valid_until_is_the_earliest_end(void **state)
{
    struct snp_recipe r = snp_lab_good();
    struct clo_verdict_builder vb;

    (void)state;
    appraise(&r, &vb);
    assert_int_equal(vb.valid_until, r.crl_to);
    r.leaf_to = LAB_NOW + 100;
    appraise(&r, &vb);
    assert_int_equal(vb.valid_until, r.leaf_to);
    r.ask_to = LAB_NOW + 90;
    appraise(&r, &vb);
    assert_int_equal(vb.valid_until, r.ask_to);
    r.root_to = LAB_NOW + 80;
    appraise(&r, &vb);
    assert_int_equal(vb.valid_until, r.root_to);
    r.crl_to = LAB_NOW + 70;
    appraise(&r, &vb);
    assert_int_equal(vb.valid_until, r.crl_to);
}

/* ---- bytes ---- */

static void a_report_of_another_length_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.report_n = CLO_SNP_REPORT_LEN - 1;
    fails(&r, "snp.format");
    r.report_n = CLO_SNP_REPORT_LEN + 1;
    fails(&r, "snp.format");
    r.report_n = 0;
    fails(&r, "snp.format");
}

static void an_unknown_version_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put32(&r, 0, 6);
    fails(&r, "snp.version");
    snp_put32(&r, 0, 1);
    memset(r.report + 0x188, 0, 3);
    snp_put64(&r, 0x1f8, 0);
    snp_put64(&r, 0x200, 0);
    snp_policy_edit(&r, ",'mitigations':[0,1]", "");
    fails(&r, "snp.version");
}

static void another_signature_algorithm_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put32(&r, 0x34, 0);
    fails(&r, "snp.signature_algo");
}

static void reserved_bits_must_be_zero(void **state)
{
    static const struct {
        size_t at;
        uint8_t bit;
    } reserved[] = {
        {0x00b, 0x04}, {0x00f, 0x80},                               /* POLICY 26 and 63 */
        {0x048, 0x20}, {0x04b, 0x80}, {0x04c, 0x01}, {0x04f, 0x80}, /* flags */
        {0x18b, 0x01}, {0x19f, 0x80}, {0x1eb, 0x01}, {0x1ef, 0x01}, {0x208, 0x01}, {0x29f, 0x80},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(reserved); i++) {
        struct snp_recipe r = snp_lab_good();

        r.report[reserved[i].at] |= reserved[i].bit;
        fails(&r, "snp.reserved");
    }
}

static void bit_17_of_the_policy_must_be_one(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put64(&r, 0x008, 0x1001f);
    fails(&r, "snp.reserved");
}

static void reserved_bytes_of_a_tcb_must_be_zero(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.report[0x3a] = 1; /* CURRENT_TCB, byte 2 */
    fails(&r, "snp.reserved");
}

/* Outside of what is signed, but nothing may be hidden there. */
static void bytes_behind_the_signature_must_be_zero(void **state)
{
    static const size_t at[] = {0x2d0, 0x2e7, 0x318, 0x32f, 0x330, 0x49f};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(at); i++) {
        struct snp_recipe r = snp_lab_good();

        r.flip = (int)(at[i] * 8);
        fails(&r, "snp.reserved");
    }
}

/* ---- certificates ---- */

static void an_unknown_chip_family_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.report[0x188] = 0x17;
    fails(&r, "snp.product");
}

static void a_product_that_the_policy_does_not_name_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_policy_edit(&r, "'genoa'", "'milan'");
    fails(&r, "snp.product");
}

static void certificates_of_another_product_are_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_ext_text(&r, SNP_OID("2"), "Milan-B0");
    fails(&r, "snp.product");
    snp_ext_text(&r, SNP_OID("2"), "Genoa");
    snp_ext_int(&r, SNP_OID("1"), 1);
    fails(&r, "snp.product");
    snp_ext_drop(&r, SNP_OID("1"));
    fails(&r, "snp.product");

    r = snp_lab_good();
    r.ask_cn = r.leaf_issuer_cn = "SEV-Milan";
    fails(&r, "snp.product");
    r = snp_lab_good();
    r.leaf_cn = "SEV-OTHER";
    fails(&r, "snp.product");
}

static void simulated_names_are_never_hardware(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.leaf_cn = "SEV-VCEK-SIMULATED";
    fails(&r, "snp.product");
}

static void without_certificates_nothing_is_decided(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.chain_n = 0;
    lacks(&r, "snp.product snp.chain_present snp.root snp.chain snp.chain_dates snp.revoked "
              "snp.signing_key snp.chip snp.cert_tcb snp.signature");
    r.chain_n = 1;
    lacks(&r, "snp.product snp.chain_present");
}

static void nothing_unsigned_is_shown_as_good(void **state)
{
    struct snp_recipe r = snp_lab_good();
    struct clo_verdict_builder vb;
    char got[2048];

    (void)state;
    r.chain_n = 0;
    appraise(&r, &vb);
    names_with(&vb, CLOISTER_CHECK_PASS, got, sizeof got);
    assert_string_equal(got, "snp.format snp.version snp.signature_algo snp.reserved snp.crl "
                             "snp.crl_dates");
    r = snp_lab_good();
    r.report_signer = snp_lab.stranger_leaf;
    appraise(&r, &vb);
    names_with(&vb, CLOISTER_CHECK_PASS, got, sizeof got);
    assert_string_equal(got, "snp.format snp.version snp.signature_algo snp.reserved "
                             "snp.chain_present snp.root snp.chain snp.chain_dates snp.crl "
                             "snp.crl_dates snp.revoked");
    names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, "snp.signature");
}

static void too_many_certificates_are_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.chain_n = 3;
    fails(&r, "snp.chain_present");
}

static void an_unreadable_certificate_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.chain_garbage = true;
    fails(&r, "snp.chain_present");
}

/* A complete chain that somebody made for himself. */
static void a_chain_to_another_root_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.ask_issuer = snp_lab.stranger;
    fails(&r, "snp.root");
}

static void without_a_pinned_root_nothing_is_accepted(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.no_root = true;
    fails(&r, "snp.root");
}

static void the_built_in_roots_accept_no_laboratory(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct cloister_policy *policy = snp_lab_policy(&r);
    struct clo_buf chain[CLO_CHAIN_MAX];
    struct clo_verdict_builder vb;
    struct clo_collateral crls;
    uint8_t report[CLO_SNP_REPORT_LEN];
    const struct clo_snp_input in = {.report = report,
                                     .report_n = sizeof report,
                                     .chain = chain,
                                     .chain_n = 2,
                                     .collateral = &crls,
                                     .data_check = CLOISTER_CHECK_BINDING_REPORT_DATA,
                                     .report_data = r.report_data};
    struct clo_hw_result hw = {0};

    (void)state;
    snp_lab_chain(&r, chain);
    snp_lab_crl(&r, &crls);
    snp_lab_sign(&r, report);
    clo_vb_init(&vb);
    assert_int_equal(clo_snp_appraise(&in, policy, cloister_roots_builtin(), LAB_NOW, &vb, &hw), 0);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_SNP_ROOT), CLOISTER_CHECK_FAIL);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_SNP_CRL), CLOISTER_CHECK_FAIL);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_SNP_MEASUREMENT), CLOISTER_CHECK_MISSING);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&chain[i]);
    clo_collateral_clear(&crls);
    cloister_policy_free(policy);
}

static void a_report_key_that_the_intermediate_did_not_sign_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.leaf_issuer = snp_lab.stranger;
    fails(&r, "snp.chain");
}

static void another_issuer_name_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.leaf_issuer_cn = "SEV-Turin";
    fails(&r, "snp.chain");
    r = snp_lab_good();
    r.ask_issuer_cn = "ARK-Milan";
    fails(&r, "snp.root");
}

static void an_intermediate_that_is_no_authority_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.ask_no_ca = true;
    fails(&r, "snp.chain");
}

static void a_report_key_that_is_an_authority_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.leaf_ca = true;
    fails(&r, "snp.chain");
}

static void other_signature_parameters_are_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.leaf_salt = 32;
    fails(&r, "snp.chain");
}

static void a_leaf_with_an_rsa_key_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.leaf = snp_lab.stranger;
    fails(&r, "snp.signature");
}

static void dates_of_every_certificate_are_checked(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.leaf_to = LAB_NOW;
    fails(&r, "snp.chain_dates");
    r.leaf_to = LAB_NOW + 1;
    passes(&r);
    r.leaf_from = LAB_NOW + 1;
    r.leaf_to = LAB_NOW + 2;
    fails(&r, "snp.chain_dates");
    r = snp_lab_good();
    r.ask_to = LAB_NOW;
    fails(&r, "snp.chain_dates");
    r = snp_lab_good();
    r.root_to = LAB_NOW;
    fails(&r, "snp.chain_dates");
}

static void without_a_crl_nothing_is_decided(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.no_crl = true;
    lacks(&r, "snp.crl snp.crl_dates snp.revoked");
}

static void a_crl_that_the_root_did_not_sign_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.crl_issuer = snp_lab.stranger;
    fails(&r, "snp.crl");
    r.crl_issuer = snp_lab.ask; /* AMD's intermediates issue none */
    fails(&r, "snp.crl");
}

static void an_expired_crl_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.crl_to = LAB_NOW;
    fails(&r, "snp.crl_dates");
    r = snp_lab_good();
    r.crl_from = LAB_NOW + 1;
    fails(&r, "snp.crl_dates");
}

static void of_several_crls_the_newest_decides(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        struct snp_recipe r = snp_lab_good();

        r.clean_crl_first = first != 0;
        r.revoked = 131074;
        r.clean_crl_from = r.crl_from - 1;
        fails(&r, "snp.revoked");
        r.clean_crl_from = LAB_NOW + 1; /* hides the one that revokes, but isn't valid yet */
        fails(&r, "snp.crl_dates");
    }
}

static void a_revoked_intermediate_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.revoked = 131074;
    fails(&r, "snp.revoked");
}

static void a_policy_may_do_without_a_crl(void **state)
{
    struct snp_recipe r = snp_lab_good();
    struct clo_verdict_builder vb;
    char got[2048];

    (void)state;
    r.if_present = true;
    passes(&r);
    r.no_crl = true;
    passes(&r);
    appraise(&r, &vb);
    names_with(&vb, CLOISTER_CHECK_NOT_APPLICABLE, got, sizeof got);
    assert_string_equal(got, "snp.crl snp.crl_dates snp.revoked");
    assert_int_equal(vb.valid_until, r.leaf_to);
}

static void a_crl_that_is_there_has_to_hold_all_the_same(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.if_present = true;
    r.crl_to = LAB_NOW;
    fails(&r, "snp.crl_dates");
    r = snp_lab_good();
    r.if_present = true;
    r.revoked = 131074;
    fails(&r, "snp.revoked");
    r = snp_lab_good();
    r.if_present = true;
    r.crl_issuer = snp_lab.stranger;
    fails(&r, "snp.crl");
}

/* ---- certificate against report ---- */

static struct snp_recipe make_vlek(struct snp_recipe r, const char *asvk_cn)
{
    r.ask_cn = r.leaf_issuer_cn = asvk_cn;
    r.leaf_cn = "SEV-VLEK";
    snp_ext_drop(&r, SNP_OID("4"));
    snp_ext_text(&r, SNP_OID("5"), "CN=cloud.example");
    memset(r.report + 0x1a0, 0, 64);
    snp_put32(&r, 0x48, 1 << 2);
    snp_policy_edit(&r, "'min_abi'",
                    "'signing_keys':['vlek'],'csp_ids':['CN=cloud.example'],'min_abi'");
    return r;
}

static struct snp_recipe vlek(void)
{
    return make_vlek(snp_lab_good(), "SEV-VLEK-Genoa");
}

/* Of these three, only Milan's is recorded. */
static void every_product_has_vleks(void **state)
{
    struct snp_recipe r = make_vlek(snp_lab_milan(), "SEV-VLEK-Milan");

    (void)state;
    snp_ext_text(&r, SNP_OID("2"), "Milan"); /* no stepping: it stands for many chips */
    passes(&r);
    r.ask_cn = r.leaf_issuer_cn = "SEV-VLEK-Genoa";
    fails(&r, "snp.product");
    r = make_vlek(snp_lab_turin(), "SEV-VLEK-Turin");
    passes(&r);
    snp_ext_drop(&r, SNP_OID("3.9"));
    fails(&r, "snp.cert_tcb");
    r = make_vlek(snp_lab_turin(), "SEV-VLEK-Milan");
    fails(&r, "snp.product");
}

static void a_vlek_hides_its_chip_unless_chips_are_listed(void **state)
{
    struct snp_recipe r = vlek();
    char hex[129], list[256];

    (void)state;
    r.report[0x1a0] = 7; /* shown, and nothing but the report's own word */
    passes(&r);
    clo_hex(r.report + 0x1a0, 64, hex);
    (void)snprintf(list, sizeof list, "'chip_ids':['%s'],'min_abi'", hex);
    snp_policy_edit(&r, "'min_abi'", list);
    passes(&r);
    r.report[0x1a0] = 0;
    fails(&r, "snp.chip");
    r = vlek();
    snp_put32(&r, 0x48, 1 << 2 | 2); /* MASK_CHIP_KEY */
    fails(&r, "snp.chip");
}

static void a_vlek_passes_where_its_provider_is_named(void **state)
{
    struct snp_recipe r = vlek();
    struct clo_verdict_builder vb;

    (void)state;
    passes(&r);
    appraise(&r, &vb);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_SNP_CHIP), CLOISTER_CHECK_NOT_APPLICABLE);
    snp_ext_text(&r, SNP_OID("5"), "CN=other.example");
    fails(&r, "snp.signing_key");
    r = vlek();
    snp_policy_edit(&r, "['vlek']", "['vcek']");
    fails(&r, "snp.signing_key");
}

static void a_vlek_names_a_provider_and_no_chip(void **state)
{
    struct snp_recipe r = vlek();
    uint8_t chip[64] = {1};

    (void)state;
    snp_ext_drop(&r, SNP_OID("5"));
    fails(&r, "snp.signing_key");
    r = vlek();
    snp_ext_set(&r, SNP_OID("4"), chip, sizeof chip);
    fails(&r, "snp.signing_key");
}

static void a_vcek_names_no_provider(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_ext_text(&r, SNP_OID("5"), "CN=cloud.example");
    fails(&r, "snp.signing_key");
}

static void the_report_must_name_the_kind_of_key(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put32(&r, 0x48, 1 << 2);
    fails(&r, "snp.signing_key");
    snp_put32(&r, 0x48, 7 << 2);
    fails(&r, "snp.signing_key");
    r = vlek();
    snp_put32(&r, 0x48, 0);
    fails(&r, "snp.signing_key");
}

/* A VLEK's intermediate can't vouch for a VCEK, nor the other way round. */
static void each_kind_of_key_has_its_own_intermediate(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.ask_cn = r.leaf_issuer_cn = "SEV-VLEK-Genoa";
    fails(&r, "snp.product");
    r = vlek();
    r.ask_cn = r.leaf_issuer_cn = "SEV-Genoa";
    fails(&r, "snp.product");
}

static void another_chips_certificate_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_ext_find(&r, SNP_OID("4"))->p[63] ^= 1;
    fails(&r, "snp.chip");
}

static void a_certificate_without_chip_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_ext_drop(&r, SNP_OID("4"));
    fails(&r, "snp.chip");
}

static void a_hidden_chip_is_refused_unless_the_policy_allows_it(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    memset(r.report + 0x1a0, 0, 64);
    fails(&r, "snp.chip");
    snp_policy_edit(&r, "'min_abi'", "'allow_masked_chip':true,'min_abi'");
    passes(&r);
    r.report[0x1a0] = 9; /* not hidden, and wrong */
    fails(&r, "snp.chip");

    r = snp_lab_good();
    snp_put32(&r, 0x48, 2); /* MASK_CHIP_KEY */
    fails(&r, "snp.chip");
}

static void only_listed_chips_are_admitted(void **state)
{
    struct snp_recipe r = snp_lab_good();
    char hex[129], list[256];

    (void)state;
    snp_policy_edit(&r, "'min_abi'", "'chip_ids':[],'min_abi'");
    fails(&r, "snp.chip");
    clo_hex(r.report + 0x1a0, 64, hex);
    (void)snprintf(list, sizeof list, "'chip_ids':['%s']", hex);
    snp_policy_edit(&r, "'chip_ids':[]", list);
    passes(&r);
}

static void another_firmware_levels_certificate_is_refused(void **state)
{
    static const char *const level[] = {SNP_OID("3.1"), SNP_OID("3.2"), SNP_OID("3.3"),
                                        SNP_OID("3.8")};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(level); i++) {
        struct snp_recipe r = snp_lab_good();

        snp_ext_int(&r, level[i], 77);
        fails(&r, "snp.cert_tcb");
        snp_ext_drop(&r, level[i]);
        fails(&r, "snp.cert_tcb");
    }
}

static void levels_are_strict_der_integers(void **state)
{
    static const struct {
        uint8_t p[5];
        size_t n;
    } wrong[] = {
        {{2, 2, 0, 10}, 4},                        /* not minimal */
        {{2, 1, 0x8a}, 3},                         /* negative */
        {{2, 3, 0, 0, 10}, 5},                     /* too long */
        {{2, 0}, 2},           {{2, 1, 10, 0}, 4}, /* trailing */
        {{4, 1, 10}, 3},                           /* an OCTET STRING */
        {{2, 0x81, 1, 10}, 4}, {{2, 2, 1, 10}, 4}, {{10}, 1},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++) {
        struct snp_recipe r = snp_lab_good();

        snp_ext_set(&r, SNP_OID("3.1"), wrong[i].p, wrong[i].n);
        fails(&r, "snp.cert_tcb");
    }
}

static void a_reserved_level_must_be_zero(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_ext_int(&r, SNP_OID("3.5"), 1);
    fails(&r, "snp.cert_tcb");
}

static void a_repeated_extension_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.ext[r.exts] = *snp_ext_find(&r, SNP_OID("3.8"));
    r.exts++;
    fails(&r, "snp.cert_tcb");
}

/* ---- the signature ---- */

static void a_signature_by_another_key_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.report_signer = snp_lab.stranger_leaf;
    fails(&r, "snp.signature");
}

/*
 * One bit at a time: the whole signed region, and R and S with their padding. Under valgrind, where each signature takes 50 times as
 * long, CLOISTER_TEST_STRIDE makes it every so many-th bit.
 */
static void every_flipped_bit_is_refused(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct cloister_policy *policy = snp_lab_policy(&r);
    struct cloister_roots *roots = snp_lab_roots(&r);
    struct clo_buf chain[CLO_CHAIN_MAX];
    struct clo_collateral crls;
    uint8_t report[CLO_SNP_REPORT_LEN];
    const struct clo_snp_input in = {.report = report,
                                     .report_n = sizeof report,
                                     .chain = chain,
                                     .chain_n = 2,
                                     .collateral = &crls,
                                     .data_check = CLOISTER_CHECK_BINDING_REPORT_DATA,
                                     .report_data = r.report_data};
    struct clo_hw_result hw = {0};
    struct clo_verdict_builder vb;
    const char *stride = getenv("CLOISTER_TEST_STRIDE");
    const size_t step = stride != NULL ? strtoul(stride, NULL, 10) : 1;

    (void)state;
    assert_true(step > 0);
    snp_lab_chain(&r, chain);
    snp_lab_crl(&r, &crls);
    snp_lab_sign(&r, report);
    for (size_t bit = 0; bit < 0x330 * 8; bit += step) {
        const bool padding = bit >= 0x2a0 * 8 && (bit / 8 - 0x2a0) % 72 >= 48;

        report[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        clo_vb_init(&vb);
        assert_int_equal(clo_snp_appraise(&in, policy, roots, LAB_NOW, &vb, &hw), 0);
        assert_int_equal(clo_vb_status(&vb, padding ? CLOISTER_CHECK_SNP_RESERVED
                                                    : CLOISTER_CHECK_SNP_SIGNATURE),
                         CLOISTER_CHECK_FAIL);
        report[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&chain[i]);
    clo_collateral_clear(&crls);
    cloister_roots_free(roots);
    cloister_policy_free(policy);
}

static void a_zero_signature_is_refused(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    uint8_t zero[48] = {0};
    struct clo_buf chain[CLO_CHAIN_MAX];
    struct clo_cert *leaf = NULL;

    (void)state;
    snp_lab_chain(&r, chain);
    assert_int_equal(clo_cert_parse(chain[0].p, chain[0].len, &leaf), 0);
    assert_int_equal(clo_cert_verify_p384(leaf, r.report, 0x2a0, zero, zero), CLOISTER_E_AUTH);
    clo_cert_free(leaf);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&chain[i]);
}

/* ---- claims ---- */

/* Each byte, or under valgrind, which is told by the same variable as above, each ninth. */
static size_t byte_step(void)
{
    return getenv("CLOISTER_TEST_STRIDE") != NULL ? 9 : 1;
}

static void another_report_data_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < 64; i += byte_step()) {
        struct snp_recipe r = snp_lab_good();

        r.report_data[i] ^= 0x10;
        fails(&r, "binding.report_data");
    }
}

static void reported_firmware_may_not_pass_committed(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put64(&r, 0x180, snp_tcb(10, 0, 27, 201)); /* with its certificate */
    snp_ext_int(&r, SNP_OID("3.8"), 201);
    fails(&r, "snp.tcb_order");
    snp_put64(&r, 0x180, snp_tcb(10, 0, 27, 200));
    snp_ext_int(&r, SNP_OID("3.8"), 200);
    snp_put64(&r, 0x038, snp_tcb(10, 0, 26, 201)); /* one component lower, one higher */
    fails(&r, "snp.tcb_order snp.tcb_provisional");
}

static void provisional_firmware_is_refused_unless_the_policy_allows_it(void **state)
{
    struct snp_recipe r = snp_lab_good();
    struct clo_verdict_builder vb;

    (void)state;
    snp_put64(&r, 0x038, snp_tcb(10, 0, 27, 201));
    fails(&r, "snp.tcb_provisional");
    snp_policy_edit(&r, "'min_abi'", "'allow_provisional':true,'min_abi'");
    passes(&r);
    appraise(&r, &vb);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_SNP_TCB_PROVISIONAL),
                     CLOISTER_CHECK_NOT_APPLICABLE);
    r = snp_lab_good();
    r.report[0x1e8] = 44; /* the version tells it as well */
    fails(&r, "snp.tcb_provisional");
}

static void floors_hold_for_each_component(void **state)
{
    static const char *const higher[] = {
        "{'bl':11,'tee':0,'snp':27,'ucode':200}", "{'bl':10,'tee':1,'snp':27,'ucode':200}",
        "{'bl':10,'tee':0,'snp':28,'ucode':200}", "{'bl':0,'tee':0,'snp':0,'ucode':201}"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(higher); i++) {
        struct snp_recipe r = snp_lab_good();
        char to[128];

        (void)snprintf(to, sizeof to, "'min_tcb':%s", higher[i]);
        snp_policy_edit(&r, "'min_tcb':{'bl':10,'tee':0,'snp':27,'ucode':200}", to);
        fails(&r, "snp.tcb_min");
        r = snp_lab_good();
        (void)snprintf(to, sizeof to, "'min_launch_tcb':%s", higher[i]);
        snp_policy_edit(&r, "'min_launch_tcb':{'bl':10,'tee':0,'snp':27,'ucode':200}", to);
        fails(&r, "snp.tcb_launch");
    }
}

static void the_launch_floor_is_the_other_floor_unless_said(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_policy_edit(&r, "'min_launch_tcb':{'bl':10,'tee':0,'snp':27,'ucode':200},", "");
    passes(&r);
    snp_put64(&r, 0x1f0, snp_tcb(10, 0, 26, 200));
    fails(&r, "snp.tcb_launch");
}

static void older_firmware_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_policy_edit(&r, "1.55.43", "1.55.44");
    fails(&r, "snp.firmware_min");
    snp_policy_edit(&r, "1.55.44", "2.0.0");
    fails(&r, "snp.firmware_min");
    snp_policy_edit(&r, "2.0.0", "1.54.255");
    passes(&r);
}

static void a_mitigation_must_be_active_at_launch_and_now(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put64(&r, 0x1f8, 1);
    fails(&r, "snp.mitigation");
    snp_put64(&r, 0x1f8, 3);
    snp_put64(&r, 0x200, 2);
    fails(&r, "snp.mitigation");
    snp_policy_edit(&r, ",'mitigations':[0,1]", "");
    passes(&r);
}

static void the_guests_abi_floor_must_reach_the_policys(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put64(&r, 0x008, 0x3001e);
    fails(&r, "snp.policy_abi");
    snp_put64(&r, 0x008, 0x30100); /* 1.0 is above 0.31 */
    passes(&r);
}

static void a_debuggable_guest_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put64(&r, 0x008, 0xb001f);
    fails(&r, "snp.debug");
}

static void a_migratable_guest_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put64(&r, 0x008, 0x7001f);
    fails(&r, "snp.migration");
}

static void smt_is_refused_unless_the_policy_allows_it(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put64(&r, 0x008, 0x2001f); /* on, although the guest forbade it */
    fails(&r, "snp.smt");
    snp_put64(&r, 0x040, 0x24);
    passes(&r);
    snp_policy_edit(&r, "'allow_smt':true,", "");
    passes(&r);
    snp_put64(&r, 0x008, 0x3001f); /* off now, but allowed */
    fails(&r, "snp.smt");
}

static void guest_policy_bits_are_as_the_policy_wants(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put64(&r, 0x008, 0x23001f); /* CXL */
    fails(&r, "snp.guest_policy");
    snp_policy_edit(&r, "'min_abi'", "'allow_cxl':true,'min_abi'");
    passes(&r);
    snp_policy_edit(&r, "'min_abi'",
                    "'require_guest':['single_socket','page_swap_disable'],'min_abi'");
    snp_put64(&r, 0x008, 0x13001f);
    fails(&r, "snp.guest_policy");
    snp_put64(&r, 0x008, 0x213001f);
    passes(&r);
}

static void platform_protections_are_as_the_policy_wants(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put64(&r, 0x040, 0x05); /* no alias check */
    fails(&r, "snp.platform");
    snp_policy_edit(&r, "'require_platform':['alias_check','ecc'],", "");
    fails(&r, "snp.platform"); /* which is the default */
    snp_put64(&r, 0x040, 0x21);
    passes(&r);
    snp_put64(&r, 0x040, 0xe1); /* unknown bits aren't judged */
    passes(&r);
}

static void another_privilege_level_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put32(&r, 0x030, 1);
    fails(&r, "snp.vmpl");
    snp_put32(&r, 0x030, 0x100); /* compared whole */
    fails(&r, "snp.vmpl");
    snp_put32(&r, 0x030, 2);
    snp_policy_edit(&r, "'min_abi'", "'vmpl':2,'min_abi'");
    passes(&r);
}

static void another_image_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < 48; i += byte_step()) {
        struct snp_recipe r = snp_lab_good();

        r.report[0x090 + i] ^= 1;
        fails(&r, "snp.measurement");
    }
}

static void a_policy_without_measurements_admits_no_image(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_policy_edit(&r, "'measurements':['" SNP_LAB_MEASUREMENT "'],", "");
    fails(&r, "snp.measurement");
    r = snp_lab_good();
    snp_policy_edit(&r, "['" SNP_LAB_MEASUREMENT "']", "[]");
    memset(r.report + 0x090, 0, 48);
    fails(&r, "snp.measurement");
}

static void host_data_must_be_zero_or_listed(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.report[0x0df] = 7;
    fails(&r, "snp.host_data");
    snp_policy_edit(&r, "'min_abi'",
                    "'host_data':['"
                    "0000000000000000000000000000000000000000000000000000000000000007'],'min_abi'");
    passes(&r);
    r.report[0x0df] = 0; /* listed values only, and zero isn't listed */
    fails(&r, "snp.host_data");
}

#define KEY_DIGEST                                     \
    "333333333333333333333333333333333333333333333333" \
    "333333333333333333333333333333333333333333333333"

static void id_keys_must_be_absent_or_listed(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    memset(r.report + 0x0e0, 0x33, 48);
    fails(&r, "snp.id_key");
    snp_policy_edit(&r, "'min_abi'", "'id_keys':['" KEY_DIGEST "'],'min_abi'");
    passes(&r);
    r.report[0x0e0] = 0;
    fails(&r, "snp.id_key");
}

static void author_keys_must_be_absent_or_listed_and_enabled(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put32(&r, 0x48, 1); /* enabled, but no digest */
    fails(&r, "snp.author_key");
    memset(r.report + 0x110, 0x33, 48);
    fails(&r, "snp.author_key");
    snp_policy_edit(&r, "'min_abi'", "'author_keys':['" KEY_DIGEST "'],'min_abi'");
    fails(&r, "snp.author_key"); /* an author, but no owner whose key he signed */
    memset(r.report + 0x0e0, 0x33, 48);
    snp_policy_edit(&r, "'min_abi'", "'id_keys':['" KEY_DIGEST "'],'min_abi'");
    passes(&r);
    snp_put32(&r, 0x48, 0); /* a digest, but not enabled */
    fails(&r, "snp.author_key");
}

static void a_lower_guest_version_is_refused(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    snp_put32(&r, 0x004, 2);
    fails(&r, "snp.guest_svn");
}

/* ---- without a policy ---- */

#define NEEDS_POLICY                                                                \
    "snp.tcb_min snp.tcb_launch snp.firmware_min snp.mitigation snp.policy_abi "    \
    "snp.smt snp.guest_policy snp.platform snp.vmpl snp.measurement snp.host_data " \
    "snp.id_key snp.author_key snp.guest_svn"

/* Nothing fails, and exactly these are missing. */
static void only_lacks(const struct snp_recipe *r, const char *names)
{
    struct clo_verdict_builder vb;
    char got[2048];

    appraise(r, &vb);
    names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, "");
    names_with(&vb, CLOISTER_CHECK_NOT_APPLICABLE, got, sizeof got);
    assert_string_equal(got, "");
    names_with(&vb, CLOISTER_CHECK_MISSING, got, sizeof got);
    assert_string_equal(got, names);
}

static void without_a_policy_authenticity_is_shown_and_no_more(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.no_policy = true;
    only_lacks(&r, NEEDS_POLICY);
    r = snp_lab_milan();
    r.no_policy = true;
    only_lacks(&r, NEEDS_POLICY);
    r = snp_lab_turin();
    r.no_policy = true;
    only_lacks(&r, NEEDS_POLICY);
}

static void without_a_policy_exceptions_are_not_made(void **state)
{
    struct snp_recipe r = vlek();

    (void)state;
    r.no_policy = true;
    only_lacks(&r, "snp.signing_key snp.chip " NEEDS_POLICY);
    r = snp_lab_good();
    r.no_policy = true;
    memset(r.report + 0x1a0, 0, 64); /* hides its chip */
    only_lacks(&r, "snp.chip " NEEDS_POLICY);
    r = snp_lab_good();
    r.no_policy = true;
    snp_put64(&r, 0x038, snp_tcb(10, 0, 27, 201));
    only_lacks(&r, "snp.tcb_provisional " NEEDS_POLICY);
    r = snp_lab_good();
    r.no_policy = r.no_crl = true;
    only_lacks(&r, "snp.crl snp.crl_dates snp.revoked " NEEDS_POLICY);
}

static void what_no_policy_allows_fails_without_one(void **state)
{
    struct snp_recipe r = snp_lab_good();

    (void)state;
    r.no_policy = true;
    r.report_signer = snp_lab.stranger_leaf;
    fails(&r, "snp.signature");
    r.report_signer = snp_lab.leaf;
    snp_put64(&r, 0x008, 0xb001f);
    fails(&r, "snp.debug");
    snp_put64(&r, 0x008, 0x7001f);
    fails(&r, "snp.migration");
    snp_put64(&r, 0x008, 0x3001f);
    snp_put32(&r, 0x48, 1);
    fails(&r, "snp.author_key");
    snp_put32(&r, 0x48, 7 << 2);
    fails(&r, "snp.signing_key");
    snp_put32(&r, 0x48, 0);
    r.report[0x1a0] ^= 1;
    fails(&r, "snp.chip");
    r.report[0x1a0] ^= 1;
    r.report[0x1e0] = 9;
    fails(&r, "snp.tcb_order");
    r.report[0x1e0] = 10;
    r.report[0x188] = 0x17;
    fails(&r, "snp.product");
    r = snp_lab_good();
    r.no_policy = true;
    r.leaf_to = LAB_NOW;
    fails(&r, "snp.chain_dates");
}

/* ---- the certificates that are built in ---- */

static void the_built_in_roots_have_their_published_digests(void **state)
{
    static const char *const want[] = {
        "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
        "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
        "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
    };

    (void)state;
    for (unsigned i = 0; i < CLO_ARRAY_LEN(want); i++) {
        const struct clo_root *root = &cloister_roots_builtin()->amd[CLO_SNP_MILAN + i];
        struct clo_cert *c = NULL;
        uint8_t digest[32];
        char hex[65], cn[64], name[64];

        assert_int_equal(clo_cert_parse(root->der, root->n, &c), 0);
        clo_cert_digest(c, digest);
        clo_hex(digest, 32, hex);
        assert_string_equal(hex, want[i]);
        (void)snprintf(name, sizeof name, "ARK-%s", clo_snp_product_name(CLO_SNP_MILAN + i));
        assert_int_equal(clo_cert_cn(c, cn, sizeof cn), 0);
        assert_string_equal(cn, name);
        assert_true(clo_cert_is_ca(c));
        assert_int_equal(clo_cert_rsa_bits(c), 4096);
        assert_int_equal(clo_cert_signed_by(c, c, CLO_SIG_RSA_PSS_SHA384), 0);
        clo_cert_free(c);
    }
}

static void only_a_self_signed_authority_becomes_a_root(void **state)
{
    struct snp_recipe r = snp_lab_good();
    struct cloister_roots *roots = NULL;
    struct clo_buf chain[CLO_CHAIN_MAX], root;

    (void)state;
    snp_lab_chain(&r, chain);
    snp_lab_root(&r, &root);
    assert_int_equal(cloister_roots_new(&roots), 0);
    assert_int_equal(cloister_roots_add_amd(roots, "Genoa", chain[1].p, chain[1].len),
                     CLOISTER_E_AUTH);
    assert_int_equal(cloister_roots_add_amd(roots, "Rome", root.p, root.len), CLOISTER_E_UNKNOWN);
    assert_int_equal(cloister_roots_add_amd(roots, "Genoa", root.p, root.len - 1),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(cloister_roots_add_amd(roots, "Genoa", root.p, root.len), 0);
    assert_int_equal(cloister_roots_add_amd(roots, "Genoa", root.p, root.len),
                     CLOISTER_E_DUPLICATE);
    cloister_roots_free(roots);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&chain[i]);
    clo_buf_clear(&root);
}

static void a_certificate_ends_where_its_bytes_end(void **state)
{
    struct snp_recipe r = snp_lab_good();
    struct clo_cert *c = NULL;
    struct clo_crl *crl = NULL;
    struct clo_collateral crls;
    struct clo_buf root;

    (void)state;
    snp_lab_root(&r, &root);
    snp_lab_crl(&r, &crls);
    assert_int_equal(clo_buf_append(&root, "", 1), 0);
    assert_int_equal(clo_buf_append(&crls.crl[0], "", 1), 0);
    assert_int_equal(clo_cert_parse(root.p, root.len, &c), CLOISTER_E_TRAILING);
    assert_int_equal(clo_crl_parse(crls.crl[0].p, crls.crl[0].len, &crl), CLOISTER_E_TRAILING);
    assert_int_equal(clo_cert_parse(root.p, 0, &c), CLOISTER_E_MALFORMED);
    clo_buf_clear(&root);
    clo_collateral_clear(&crls);
}

/* The last test: it looks back at all the others. */
static void every_check_was_seen_to_pass_and_to_fail(void **state)
{
    const unsigned both = 1u << CLOISTER_CHECK_PASS | 1u << CLOISTER_CHECK_FAIL;

    (void)state;
    assert_int_equal(seen[CLOISTER_CHECK_BINDING_REPORT_DATA] & both, both);
#define BOTH_(number, id, name, title)                                  \
    if (strncmp(name, "snp.", 4) == 0 && (seen[number] & both) != both) \
        fail_msg("%s", name);
    CLOISTER_CHECK_LIST(BOTH_)
#undef BOTH_
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_report_passes_every_check),
        cmocka_unit_test(milan_and_turin_pass_with_their_own_layouts),
        cmocka_unit_test(siena_is_endorsed_as_genoa),
        cmocka_unit_test(a_wrapped_chip_id_is_as_good_as_a_raw_one),
        cmocka_unit_test(older_versions_pass_without_their_later_fields),
        cmocka_unit_test(valid_until_is_the_earliest_end),
        cmocka_unit_test(a_report_of_another_length_is_refused),
        cmocka_unit_test(an_unknown_version_is_refused),
        cmocka_unit_test(another_signature_algorithm_is_refused),
        cmocka_unit_test(reserved_bits_must_be_zero),
        cmocka_unit_test(bit_17_of_the_policy_must_be_one),
        cmocka_unit_test(reserved_bytes_of_a_tcb_must_be_zero),
        cmocka_unit_test(bytes_behind_the_signature_must_be_zero),
        cmocka_unit_test(an_unknown_chip_family_is_refused),
        cmocka_unit_test(a_product_that_the_policy_does_not_name_is_refused),
        cmocka_unit_test(certificates_of_another_product_are_refused),
        cmocka_unit_test(simulated_names_are_never_hardware),
        cmocka_unit_test(without_certificates_nothing_is_decided),
        cmocka_unit_test(nothing_unsigned_is_shown_as_good),
        cmocka_unit_test(too_many_certificates_are_refused),
        cmocka_unit_test(an_unreadable_certificate_is_refused),
        cmocka_unit_test(a_chain_to_another_root_is_refused),
        cmocka_unit_test(without_a_pinned_root_nothing_is_accepted),
        cmocka_unit_test(the_built_in_roots_accept_no_laboratory),
        cmocka_unit_test(a_report_key_that_the_intermediate_did_not_sign_is_refused),
        cmocka_unit_test(another_issuer_name_is_refused),
        cmocka_unit_test(an_intermediate_that_is_no_authority_is_refused),
        cmocka_unit_test(a_report_key_that_is_an_authority_is_refused),
        cmocka_unit_test(other_signature_parameters_are_refused),
        cmocka_unit_test(a_leaf_with_an_rsa_key_is_refused),
        cmocka_unit_test(dates_of_every_certificate_are_checked),
        cmocka_unit_test(without_a_crl_nothing_is_decided),
        cmocka_unit_test(a_crl_that_the_root_did_not_sign_is_refused),
        cmocka_unit_test(an_expired_crl_is_refused),
        cmocka_unit_test(a_revoked_intermediate_is_refused),
        cmocka_unit_test(of_several_crls_the_newest_decides),
        cmocka_unit_test(a_policy_may_do_without_a_crl),
        cmocka_unit_test(a_crl_that_is_there_has_to_hold_all_the_same),
        cmocka_unit_test(every_product_has_vleks),
        cmocka_unit_test(a_vlek_hides_its_chip_unless_chips_are_listed),
        cmocka_unit_test(without_a_policy_authenticity_is_shown_and_no_more),
        cmocka_unit_test(without_a_policy_exceptions_are_not_made),
        cmocka_unit_test(what_no_policy_allows_fails_without_one),
        cmocka_unit_test(a_vlek_passes_where_its_provider_is_named),
        cmocka_unit_test(a_vlek_names_a_provider_and_no_chip),
        cmocka_unit_test(a_vcek_names_no_provider),
        cmocka_unit_test(the_report_must_name_the_kind_of_key),
        cmocka_unit_test(each_kind_of_key_has_its_own_intermediate),
        cmocka_unit_test(another_chips_certificate_is_refused),
        cmocka_unit_test(a_certificate_without_chip_is_refused),
        cmocka_unit_test(a_hidden_chip_is_refused_unless_the_policy_allows_it),
        cmocka_unit_test(only_listed_chips_are_admitted),
        cmocka_unit_test(another_firmware_levels_certificate_is_refused),
        cmocka_unit_test(levels_are_strict_der_integers),
        cmocka_unit_test(a_reserved_level_must_be_zero),
        cmocka_unit_test(a_repeated_extension_is_refused),
        cmocka_unit_test(a_signature_by_another_key_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(a_zero_signature_is_refused),
        cmocka_unit_test(another_report_data_is_refused),
        cmocka_unit_test(reported_firmware_may_not_pass_committed),
        cmocka_unit_test(provisional_firmware_is_refused_unless_the_policy_allows_it),
        cmocka_unit_test(floors_hold_for_each_component),
        cmocka_unit_test(the_launch_floor_is_the_other_floor_unless_said),
        cmocka_unit_test(older_firmware_is_refused),
        cmocka_unit_test(a_mitigation_must_be_active_at_launch_and_now),
        cmocka_unit_test(the_guests_abi_floor_must_reach_the_policys),
        cmocka_unit_test(a_debuggable_guest_is_refused),
        cmocka_unit_test(a_migratable_guest_is_refused),
        cmocka_unit_test(smt_is_refused_unless_the_policy_allows_it),
        cmocka_unit_test(guest_policy_bits_are_as_the_policy_wants),
        cmocka_unit_test(platform_protections_are_as_the_policy_wants),
        cmocka_unit_test(another_privilege_level_is_refused),
        cmocka_unit_test(another_image_is_refused),
        cmocka_unit_test(a_policy_without_measurements_admits_no_image),
        cmocka_unit_test(host_data_must_be_zero_or_listed),
        cmocka_unit_test(id_keys_must_be_absent_or_listed),
        cmocka_unit_test(author_keys_must_be_absent_or_listed_and_enabled),
        cmocka_unit_test(a_lower_guest_version_is_refused),
        cmocka_unit_test(the_built_in_roots_have_their_published_digests),
        cmocka_unit_test(only_a_self_signed_authority_becomes_a_root),
        cmocka_unit_test(a_certificate_ends_where_its_bytes_end),
        cmocka_unit_test(every_check_was_seen_to_pass_and_to_fail),
    };

    return cmocka_run_group_tests(tests, snp_lab_open, snp_lab_close);
}
