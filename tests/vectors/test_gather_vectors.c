/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering over recorded evidence: each report alone wants what its vendor recorded for it, takes that, and then appraises itself, at the
 * recorded date and under the vendors' own roots.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attest/quote_parse.h"
#include "snp_table.h"
#include "tests/unit/gather_try.h"
#include "vectors.h"

#define JUL_2025 1751328000 /* 2025-07-01 */
#define SEP_2025 1757376000 /* 2025-09-09 */
#define MAR_2026 1774000000 /* 2026-03-20 */

static struct {
    struct clo_cpu_section cpu;
    struct clo_buf vcek, amd_chain, amd_crl;
    struct clo_buf tcb_info, qe_identity, signers, root_crl, pck_crl, td_quote;
    struct clo_gathered *g;
    struct clo_wants wants;
    struct clo_collateral made;
    uint8_t report_data[64];
    enum cloister_check_id check;
    int64_t now, until;
} s;

static int stop(void **state)
{
    struct clo_buf *const buf[] = {&s.vcek,     &s.amd_chain,   &s.amd_crl,
                                   &s.tcb_info, &s.qe_identity, &s.signers,
                                   &s.root_crl, &s.pck_crl,     &s.td_quote};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(buf); i++)
        clo_buf_clear(buf[i]);
    clo_cpu_section_clear(&s.cpu);
    clo_gathered_free(s.g);
    clo_wants_clear(&s.wants);
    clo_collateral_clear(&s.made);
    memset(&s, 0, sizeof s);
    return 0;
}

static void start(const char *type, int64_t now)
{
    (void)stop(NULL);
    (void)snprintf(s.cpu.type, sizeof s.cpu.type, "%s", type);
    s.now = now;
    assert_int_equal(clo_gathered_new(&s.g), 0);
}

static void file_read(const char *name, struct clo_buf *ret)
{
    const char *folder = getenv("CLOISTER_VECTORS");
    char path[4096];
    uint8_t *p = NULL;
    struct stat st;
    FILE *in = NULL;

    if (folder == NULL || stat(folder, &st) != 0)
        skip();
    (void)snprintf(path, sizeof path, "%s/attestation/%s", folder, name);
    assert_int_equal(stat(path, &st), 0);
    clo_buf_clear(ret);
    *ret = clo_buf_init(CLO_ANSWER_MAX);
    assert_int_equal(clo_buf_reserve(ret, (size_t)st.st_size, &p), 0);
    in = fopen(path, "rb");
    assert_non_null(in);
    assert_int_equal(fread(p, 1, (size_t)st.st_size, in), st.st_size);
    clo_buf_commit(ret, (size_t)st.st_size);
    assert_int_equal(fclose(in), 0);
}

/* A certificate's file, PEM or DER, as DER. */
static void cert_read(const char *name, struct clo_buf *ret)
{
    struct clo_buf f = {0};
    const char *p = NULL;
    size_t n;

    file_read(name, &f);
    p = (const char *)f.p;
    n = f.len;
    *ret = clo_buf_init(CLO_ANSWER_MAX);
    if (memcmp(f.p, "-----", 5) == 0)
        assert_int_equal(clo_pem_next(&p, &n, "CERTIFICATE", ret), 0);
    else
        assert_int_equal(clo_buf_append(ret, f.p, f.len), 0);
    clo_buf_clear(&f);
}

/* ---- the vendors' services ---- */

static int answer(const struct clo_want *w)
{
    struct clo_answer a = {0};
    int64_t until = 0, renew = 0;

    switch (w->kind) {
    case CLO_WANT_AMD_VCEK: a = answer_of(&s.vcek, NULL); break;
    case CLO_WANT_AMD_CHAIN: a = answer_of(&s.amd_chain, NULL); break;
    case CLO_WANT_AMD_CRL: a = answer_of(&s.amd_crl, NULL); break;
    case CLO_WANT_INTEL_TCB_INFO: a = answer_of(&s.tcb_info, &s.signers); break;
    case CLO_WANT_INTEL_QE_IDENTITY: a = answer_of(&s.qe_identity, &s.signers); break;
    case CLO_WANT_INTEL_PCK_CRL: a = answer_of(&s.pck_crl, NULL); break;
    case CLO_WANT_INTEL_ROOT_CRL: a = answer_of(&s.root_crl, NULL); break;
    case CLO_WANT_AZURE_TD_QUOTE: a = answer_of(&s.td_quote, NULL); break;
    default: fail_msg("nobody answers that");
    }
    return clo_gathered_put(s.g, w, &a, s.now, &until, &renew);
}

/* As a daemon does it: whatever isn't there is asked for, until nothing new follows from the answers. */
static int gather(size_t *asked)
{
    *asked = 0;
    for (size_t round = 0; round < 4; round++) {
        size_t lacking = 0;
        int err;

        clo_wants_clear(&s.wants);
        assert_int_equal(clo_gathered_prepare(s.g, s.now, &s.cpu), 0);
        if ((err = clo_wants_of(&s.cpu, NULL, &s.wants)) != 0)
            return err;
        for (size_t i = 0; i < s.wants.count; i++) {
            if (clo_gathered_has(s.g, &s.wants.want[i], s.now))
                continue;
            lacking++;
            (*asked)++;
            (void)answer(&s.wants.want[i]);
        }
        if (lacking == 0)
            break;
    }
    return clo_gathered_complete(s.g, &s.wants, s.now, &s.cpu, &s.made, NULL);
}

static int appraise(void)
{
    const struct clo_self self = {.cpu = &s.cpu,
                                  .report_data = s.report_data,
                                  .collateral = &s.made,
                                  .roots = cloister_roots_builtin()};

    return clo_self_appraise(&self, s.now, &s.check, &s.until);
}

/* ---- SEV-SNP ---- */

static void amd_load(const char *name)
{
    const struct snp_vector *v = NULL;
    struct clo_buf report = {0};
    char path[128];

    for (size_t i = 0; i < CLO_ARRAY_LEN(snp_vectors) && v == NULL; i++)
        if (strcmp(snp_vectors[i].name, name) == 0)
            v = &snp_vectors[i];
    assert_non_null(v);
    start("sev-snp", v->when);
    (void)snprintf(path, sizeof path, "snp/%s.report.bin", name);
    file_read(path, &report);
    assert_int_equal(report.len, CLO_SNP_REPORT_LEN);
    memcpy(s.cpu.report, report.p, report.len);
    s.cpu.report_n = report.len;
    clo_buf_clear(&report);
    assert_int_equal(clo_unhex(v->report_data, 128, s.report_data, 64), 0);
    if (v->leaf != NULL)
        cert_read(v->leaf, &s.vcek);
    (void)snprintf(path, sizeof path, "snp-roots/%s_ask_ark_asvk.pem", v->product);
    file_read(path, &s.amd_chain);
    if (strcmp(v->product, "turin") != 0) {
        (void)snprintf(path, sizeof path, "snp-roots/%s_kds_crl.der", v->product);
        file_read(path, &s.amd_crl);
    }
}

static void recorded_reports_gather_what_was_recorded(void **state)
{
    static const struct {
        const char *name;
        size_t asked; /* AMD's intermediates are built in */
        enum cloister_check_id check;
    } row[] = {
        {"milan_v2_virtee", 3, CLOISTER_CHECK_NO_ID}, /* Milan's or Genoa's, and the list */
        {"milan_v2_debug_gsg", 3, CLOISTER_CHECK_SNP_DEBUG},
        {"milan_v2_provisional_trustee", 3, CLOISTER_CHECK_NO_ID},
        {"milan_v3_aci_ms", 3, CLOISTER_CHECK_NO_ID},
        {"oak_cb_v3", 3, CLOISTER_CHECK_NO_ID},
        {"oak_milan_oc_release_v3", 3, CLOISTER_CHECK_NO_ID},
        {"oak_genoa_oc_v5", 3, CLOISTER_CHECK_NO_ID},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(row); i++) {
        size_t asked = 0;

        amd_load(row[i].name);
        if (gather(&asked) != 0)
            fail_msg("%s: something is missing", row[i].name);
        assert_int_equal(appraise(), row[i].check == 0 ? 0 : CLOISTER_E_REFUSED);
        assert_int_equal(s.check, row[i].check);
        if (asked > row[i].asked)
            fail_msg("%s: asked %zu times", row[i].name, asked);
        s.report_data[0] ^= 1;
        assert_int_equal(appraise(), CLOISTER_E_REFUSED);
    }
}

static void amds_intermediate_is_asked_for_only_where_it_is_another(void **state)
{
    struct clo_want chain;

    (void)state;
    amd_load("oak_milan_oc_release_v3");
    assert_int_equal(clo_wants_of(&s.cpu, NULL, &s.wants), 0);
    assert_int_equal(s.wants.count, 3);
    chain = *want_of(&s.wants, CLO_WANT_AMD_CHAIN);
    assert_false(clo_gathered_has(s.g, &chain, s.now));
    assert_int_equal(answer(want_of(&s.wants, CLO_WANT_AMD_VCEK)), 0);
    assert_true(clo_gathered_has(s.g, &chain, s.now));
    chain.product = CLO_AMD_GENOA;
    assert_false(clo_gathered_has(s.g, &chain, s.now));
    /* and one that comes all the same is as good; both kinds' issuers may stand in the file */
    assert_int_equal(answer(want_of(&s.wants, CLO_WANT_AMD_CHAIN)), 0);
    assert_int_equal(answer(want_of(&s.wants, CLO_WANT_AMD_CRL)), 0);
    assert_int_equal(clo_gathered_complete(s.g, &s.wants, s.now, &s.cpu, &s.made, NULL), 0);
    assert_int_equal(appraise(), 0);
    /* With the leaf from the host there is nothing to ask but the list. */
    clo_wants_clear(&s.wants);
    assert_int_equal(clo_wants_of(&s.cpu, NULL, &s.wants), 0);
    assert_int_equal(s.wants.count, 1);
}

static void a_list_that_has_run_out_is_no_answer(void **state)
{
    static const char *const name[] = {"milan_v3_dstack", "genoa_v5_gcp_siena"};
    size_t asked = 0;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(name); i++) {
        amd_load(name[i]);
        assert_int_equal(clo_wants_of(&s.cpu, NULL, &s.wants), 0);
        assert_int_equal(answer(want_of(&s.wants, CLO_WANT_AMD_CRL)), CLOISTER_E_EXPIRED);
        assert_int_equal(gather(&asked), CLOISTER_E_NOT_FOUND);
    }
}

static void a_providers_key_is_the_hosts_to_certify(void **state)
{
    size_t asked = 0;

    (void)state;
    amd_load("milan_v3_vlek_aws");
    assert_int_equal(gather(&asked), CLOISTER_E_NOT_FOUND);
    assert_int_equal(asked, 0);
    copy_into(&s.cpu.chain[s.cpu.chain_n++], &s.vcek);
    assert_int_equal(gather(&asked), 0);
    assert_int_equal(asked, 1);
    assert_int_equal(appraise(), 0);
}

static void turins_certificate_is_of_eight_bytes(void **state)
{
    (void)state;
    amd_load("oak_turin_oc_v5");
    assert_int_equal(clo_wants_of(&s.cpu, NULL, &s.wants), 0);
    assert_int_equal(s.wants.want[0].hwid_n, 8);
    assert_int_equal(answer(&s.wants.want[0]), 0);
    assert_int_equal(answer(want_of(&s.wants, CLO_WANT_AMD_CHAIN)), 0);
    s.wants.want[0].tcb[7] ^= 1;
    assert_int_equal(answer(&s.wants.want[0]), CLOISTER_E_MALFORMED);
}

static void azures_report_is_in_its_envelope(void **state)
{
    size_t asked = 0;

    (void)state;
    start("sev-snp-azure", 1748779200); /* 2025-06-01 */
    file_read("azure/az_snp_milan_live.hcl.bin", &s.cpu.hcl);
    cert_read("azure/az_snp_milan_live.vcek.der", &s.vcek);
    file_read("snp-roots/milan_kds_crl.der", &s.amd_crl);
    assert_int_equal(gather(&asked), 0);
    assert_int_equal(s.cpu.chain_n, 2);
    assert_int_equal(s.made.crls, 1);
}

/* ---- TDX ---- */

static void text_put(struct clo_buf *dst, const char *text)
{
    assert_int_equal(clo_buf_append(dst, text, strlen(text)), 0);
}

static void document_make(const json_t *bundle, const char *what, const char *member,
                          struct clo_buf *ret)
{
    char name[64];

    (void)snprintf(name, sizeof name, "%s_signature", what);
    *ret = clo_buf_init(CLO_ANSWER_MAX);
    text_put(ret, "{\"");
    text_put(ret, member);
    text_put(ret, "\":");
    text_put(ret, vec_str(bundle, what));
    text_put(ret, ",\"signature\":\"");
    text_put(ret, vec_str(bundle, name));
    text_put(ret, "\"}");
}

static void bundle_load(const char *name)
{
    json_t *b = vec_load(name);
    struct vec crl;

    document_make(b, "tcb_info", "tcbInfo", &s.tcb_info);
    document_make(b, "qe_identity", "enclaveIdentity", &s.qe_identity);
    s.signers = clo_buf_init(CLO_ANSWER_CHAIN_MAX);
    text_put(&s.signers, vec_str(b, "tcb_info_issuer_chain"));
    s.root_crl = clo_buf_init(CLO_ANSWER_MAX);
    crl = vec_hex(b, "root_ca_crl");
    assert_int_equal(clo_buf_append(&s.root_crl, crl.p, crl.n), 0);
    s.pck_crl = clo_buf_init(CLO_ANSWER_MAX);
    crl = vec_hex(b, "pck_crl");
    assert_int_equal(clo_buf_append(&s.pck_crl, crl.p, crl.n), 0);
    json_decref(b);
}

static void ardotai_load(bool emr)
{
    file_read(emr ? "tdx-collateral/ardotai_tcb_info_90c06f000000.json"
                  : "tdx-collateral/ardotai_tcb_info_50806f000000.json",
              &s.tcb_info);
    file_read("tdx-collateral/ardotai_td_qe_identity.json", &s.qe_identity);
    file_read("tdx-collateral/ardotai_tcb_signing_chain.pem", &s.signers);
    file_read("tdx-collateral/ardotai_root_ca_crl.der", &s.root_crl);
    file_read("tdx-collateral/ardotai_pck_crl_platform.der", &s.pck_crl);
}

static void td_load(const char *name, int64_t now)
{
    struct clo_quote q;

    start("tdx", now);
    file_read(name, &s.cpu.quote);
    assert_int_equal(clo_quote_parse(s.cpu.quote.p, s.cpu.quote.len, &q), 0);
    memcpy(s.report_data, q.td.report_data, 64);
}

static void recorded_quotes_gather_what_was_recorded(void **state)
{
    size_t asked = 0;

    (void)state;
    td_load("tdx/tdx_v4_phala_uptodate.bin", JUL_2025);
    bundle_load("attestation/tdx-collateral/phala_tdx.json");
    assert_int_equal(gather(&asked), 0);
    assert_int_equal(asked, 4);
    assert_int_equal(s.made.collateral_chain_n, 1);
    assert_int_equal(appraise(), 0);

    td_load("tdx/tdx_v4_phala_near.bin", SEP_2025);
    bundle_load("attestation/tdx-collateral/phala_near.json");
    assert_int_equal(gather(&asked), 0);
    assert_int_equal(appraise(), 0);

    td_load("tdx/tdx_v4_dstack_h200.bin", MAR_2026);
    ardotai_load(true);
    assert_int_equal(gather(&asked), 0);
    assert_int_equal(appraise(), 0);
    /* Intel's signer is built in, where a cache has lost it. */
    clo_gathered_sweep(s.g, NULL, s.now);
    clo_collateral_clear(&s.made);
    clo_buf_clear(&s.signers);
    assert_int_equal(gather(&asked), 0);
    assert_int_equal(appraise(), 0);

    td_load("tdx/tdx_v4_DEBUG_trustee.bin", MAR_2026);
    ardotai_load(false);
    assert_int_equal(gather(&asked), 0);
    assert_int_equal(appraise(), CLOISTER_E_REFUSED);
    assert_int_equal(s.check, CLOISTER_CHECK_TDX_DEBUG);
}

static void another_platforms_collateral_is_no_answer(void **state)
{
    size_t asked = 0;

    (void)state;
    td_load("tdx/tdx_v4_dstack_h200.bin", MAR_2026);
    ardotai_load(false);
    assert_int_equal(gather(&asked), CLOISTER_E_NOT_FOUND);
    assert_int_equal(answer(want_of(&s.wants, CLO_WANT_INTEL_TCB_INFO)), CLOISTER_E_MALFORMED);
    s.now = JUL_2025 + INT64_C(5) * 365 * 86400;
    assert_int_equal(answer(want_of(&s.wants, CLO_WANT_INTEL_QE_IDENTITY)), CLOISTER_E_EXPIRED);
    assert_int_equal(answer(want_of(&s.wants, CLO_WANT_INTEL_ROOT_CRL)), CLOISTER_E_EXPIRED);
}

static void azures_quote_repeats_its_tdreport(void **state)
{
    size_t asked = 0;

    (void)state;
    start("tdx-azure", MAR_2026);
    file_read("azure/az_tdx_emr_live.hcl.bin", &s.cpu.hcl);
    file_read("azure/az_tdx_emr_live.tpmquote.msg", &s.cpu.tpm_quote);
    file_read("azure/az_tdx_emr_live.tpmquote.sig", &s.cpu.tpm_signature);
    file_read("azure/az_tdx_emr_live.pcrs.bin", &s.cpu.pcrs);
    file_read("azure/az_tdx_openpcc.tdquote.bin", &s.td_quote); /* another machine's */
    ardotai_load(true);
    assert_int_equal(gather(&asked), CLOISTER_E_NOT_FOUND);
    assert_int_equal(answer(&s.wants.want[0]), CLOISTER_E_MALFORMED);
    file_read("azure/az_tdx_emr_live.tdquote.bin", &s.td_quote);
    assert_int_equal(gather(&asked), 0);
    assert_int_equal(asked, 5);
    /* Everything is right but for whom it was made: its nonce was another verifier's. */
    assert_int_equal(appraise(), CLOISTER_E_REFUSED);
    assert_int_equal(s.check, CLOISTER_CHECK_TPM_NONCE);
}

/* ---- NVIDIA ---- */

static void recorded_chains_want_answers_about_their_authorities(void **state)
{
    static const char *const name[] = {"h100_550.90.07_nvtrust", "ls10_switch_sdk"};
    struct clo_device device = {.chain_n = 0};
    const struct clo_devices d = {.count = 1, .device = &device};
    struct clo_buf pem = {0};
    char path[128];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(name); i++) {
        const char *p = NULL;
        size_t n, with_root;
        int err = 0;

        (void)snprintf(path, sizeof path, "nvidia/%s.certs.pem", name[i]);
        file_read(path, &pem);
        p = (const char *)pem.p;
        n = pem.len;
        for (device.chain_n = 0; err == 0; device.chain_n += err == 0) {
            assert_true(device.chain_n < CLO_DEVICE_CHAIN_MAX);
            device.chain[device.chain_n] = clo_buf_init(CLO_CERT_MAX);
            err = clo_pem_next(&p, &n, "CERTIFICATE", &device.chain[device.chain_n]);
        }
        with_root = device.chain_n;
        assert_int_equal(with_root, 5);
        for (; device.chain_n >= with_root - 1;
             device.chain_n--) { /* and without: it is built in */
            assert_int_equal(clo_wants_of(NULL, &d, &s.wants), 0);
            assert_int_equal(s.wants.count, 3);
            clo_wants_clear(&s.wants);
        }
        for (size_t k = 0; k < CLO_DEVICE_CHAIN_MAX; k++)
            clo_buf_clear(&device.chain[k]);
    }
    clo_buf_clear(&pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(recorded_reports_gather_what_was_recorded, stop),
        cmocka_unit_test_teardown(amds_intermediate_is_asked_for_only_where_it_is_another, stop),
        cmocka_unit_test_teardown(a_list_that_has_run_out_is_no_answer, stop),
        cmocka_unit_test_teardown(a_providers_key_is_the_hosts_to_certify, stop),
        cmocka_unit_test_teardown(turins_certificate_is_of_eight_bytes, stop),
        cmocka_unit_test_teardown(azures_report_is_in_its_envelope, stop),
        cmocka_unit_test_teardown(recorded_quotes_gather_what_was_recorded, stop),
        cmocka_unit_test_teardown(another_platforms_collateral_is_no_answer, stop),
        cmocka_unit_test_teardown(azures_quote_repeats_its_tdreport, stop),
        cmocka_unit_test_teardown(recorded_chains_want_answers_about_their_authorities, stop),
    };

    return cmocka_run_group_tests_name("gather_vectors", tests, NULL, NULL);
}
