/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No flipped bit is taken for anything else: evidence of every kind, recorded (rows of tests/vectors/evidence_table.json) and of
 * laboratories, which are there everywhere. Intel's laboratory has test_quote_bits.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lab/gpu.h"
#include "lab/snp.h"
#include "lab/tpm.h"
#include "evidence_bits.h"

/* ---- recorded evidence ---- */

static void row_survives_no_flipped_bit(const char *name)
{
    static struct subject s;

    shelf_load();
    memset(&s, 0, sizeof s);
    s.row = row_named(name);
    s.type = type_of(vec_str(s.row, "kind"));
    s.pieces = evidence_pieces(s.row, s.piece);
    s.policy = s.own = policy_make(s.row);
    s.roots = roots_make(s.row);
    s.now = json_integer_value(json_object_get(s.row, "time"));
    subject_check(&s);
}

static void a_recorded_row_survives_no_flipped_bit(void **state)
{
    row_survives_no_flipped_bit(*state);
}

/* ---- the laboratories' ---- */

static void a_report_of_the_laboratory_survives_no_flipped_bit(void **state)
{
    const struct snp_recipe r = snp_lab_good();
    struct clo_buf chain[CLO_CHAIN_MAX];
    struct clo_collateral crls;
    uint8_t report[CLO_SNP_REPORT_LEN];
    struct subject s = {
        .type = CLOISTER_RAW_SEV_SNP,
        .expect = r.report_data,
        .expect_n = sizeof r.report_data,
        .now = r.now,
    };

    (void)state;
    snp_lab_chain(&r, chain);
    snp_lab_crl(&r, &crls);
    snp_lab_sign(&r, report);
    (void)subject_copy(&s, CLOISTER_ITEM_REPORT, report, sizeof report);
    (void)subject_add(&s, CLOISTER_ITEM_CERTIFICATES, chain[0]);
    (void)subject_add(&s, CLOISTER_ITEM_CERTIFICATES, chain[1]);
    subject_add_crls(&s, &crls);
    s.policy = s.own = snp_lab_policy(&r);
    s.roots = snp_lab_roots(&r);
    subject_check(&s);
    for (size_t i = 2; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&chain[i]);
}

/* A GPU, with answers about revocation. */
static void a_device_of_the_laboratory_survives_no_flipped_bit(void **state)
{
    static struct gpu_recipe r;
    static struct clo_collateral collateral;
    struct clo_devices devices;
    struct cloister_policy policy = {0};
    struct subject s = {.type = CLOISTER_RAW_NVIDIA, .policy = &policy};

    (void)state;
    gpu_lab_good(&r, 1, 0);
    memset(&collateral, 0, sizeof collateral);
    gpu_lab_make(&r, &devices, &collateral);
    for (size_t i = 0; i < devices.count; i++) {
        struct clo_device *d = &devices.device[i];

        (void)subject_add(&s, CLOISTER_ITEM_REPORT, d->report);
        for (size_t k = 0; k < d->chain_n; k++)
            (void)subject_add(&s, CLOISTER_ITEM_CERTIFICATES, d->chain[k]);
    }
    free(devices.device);
    subject_add_crls(&s, &collateral);
    policy.devices = r.want;
    assert_int_equal(cloister_roots_new(&s.roots), 0);
    gpu_lab_pin(&r, s.roots);
    s.expect = r.nonce;
    s.expect_n = sizeof r.nonce;
    s.now = r.now;
    subject_check(&s);
}

/* An attestation key that a root vouches for, through an authority between them. */
static void a_quote_of_the_laboratorys_tpm_survives_no_flipped_bit(void **state)
{
    const struct tl_recipe r = tl_good();
    const struct tl_cert root = {"Root",
                                 "Root",
                                 tl.root,
                                 tl.root,
                                 LAB_NOW - LAB_DAY,
                                 LAB_NOW + 300 * LAB_DAY,
                                 "critical,CA:TRUE",
                                 NULL};
    const struct tl_cert ca = {"Authority",
                               "Root",
                               tl.ca,
                               tl.root,
                               LAB_NOW - LAB_DAY,
                               LAB_NOW + 200 * LAB_DAY,
                               "critical,CA:TRUE,pathlen:0",
                               NULL};
    const struct tl_cert ak = {
        "Key", "Authority", tl.rsa, tl.ca, LAB_NOW - LAB_DAY, LAB_NOW + 100 * LAB_DAY, NULL, NULL};
    static struct tl_quote q;
    static struct tl_policy policy;
    struct clo_buf der;
    uint8_t area[1024];
    struct subject s = {
        .type = CLOISTER_RAW_TPM,
        .policy = &policy.p,
        .expect = r.expected,
        .expect_n = r.expected_n,
        .now = LAB_NOW,
    };

    (void)state;
    tl_make(&r, &q);
    tl_policy(&r, &policy);
    (void)subject_copy(&s, CLOISTER_ITEM_TPM_QUOTE, q.quote, q.quote_n);
    (void)subject_copy(&s, CLOISTER_ITEM_TPM_SIGNATURE, q.sig, q.sig_n);
    (void)subject_copy(&s, CLOISTER_ITEM_PCRS, q.pcrs, q.pcrs_n);
    (void)subject_copy(&s, CLOISTER_ITEM_TPM_KEY, area,
                       tl_public(tl.rsa, TL_RESTRICTED, area, sizeof area));
    tl_cert(&ak, &der);
    (void)subject_add(&s, CLOISTER_ITEM_CERTIFICATES, der);
    tl_cert(&ca, &der);
    (void)subject_add(&s, CLOISTER_ITEM_CERTIFICATES, der);
    tl_cert(&root, &der);
    assert_int_equal(cloister_roots_new(&s.roots), 0);
    assert_int_equal(cloister_roots_add_tpm(s.roots, der.p, der.len), 0);
    clo_buf_clear(&der);
    subject_check(&s);
}

static int labs_open(void **state)
{
    return snp_lab_open(state) | gpu_lab_open(state) | tl_open(state);
}

static int labs_close(void **state)
{
    return snp_lab_close(state) | gpu_lab_close(state) | tl_close(state);
}

int main(int argc, char **argv)
{
    static const char *const rows[] = {
        "snp-milan-v2-virtee",    "snp-milan-v3-vlek-aws",
        "tdx-v4-phala-uptodate",  "tdx-v5-gtg",
        "sgx-v3-phala",           "azure-snp-milan-live",
        "azure-tdx-emr-live",     "tpm-gce-nonce-sha256-log",
        "nvidia-h100-545.00-e2e", "nvidia-ls10-switch-sdk",
    };
    static const struct CMUnitTest labs[] = {
        cmocka_unit_test(a_report_of_the_laboratory_survives_no_flipped_bit),
        cmocka_unit_test(a_device_of_the_laboratory_survives_no_flipped_bit),
        cmocka_unit_test(a_quote_of_the_laboratorys_tpm_survives_no_flipped_bit),
    };
    struct CMUnitTest tests[CLO_ARRAY_LEN(labs) + CLO_ARRAY_LEN(rows)];
    size_t n = 0;
    int failed;

    if (argc != 2 || (table = json_load_file(argv[1], JSON_REJECT_DUPLICATES, NULL)) == NULL)
        return 99;
    for (; n < CLO_ARRAY_LEN(labs); n++)
        tests[n] = labs[n];
    for (size_t i = 0; i < CLO_ARRAY_LEN(rows); i++)
        tests[n++] = (struct CMUnitTest){rows[i], a_recorded_row_survives_no_flipped_bit, NULL,
                                         NULL, (void *)(uintptr_t)rows[i]};
    failed = _cmocka_run_group_tests("bits", tests, n, labs_open, labs_close);
    json_decref(table);
    return failed;
}
