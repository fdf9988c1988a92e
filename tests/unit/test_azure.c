/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Azure's evidence, out of the laboratories of SEV-SNP and TPMs: the whole chain from the hardware to the nonce, and what becomes
 * of the verdict when one link of it is another's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "attest/azure.h"
#include "attest/hcl.h"
#include "base/enc.h"
#include "lab/snp.h"
#include "lab/azure.h"
#include "lab/tpm.h"

struct evidence {
    struct snp_recipe snp;
    struct tl_recipe tpm;
    struct azure_recipe hcl;
    bool no_td_quote, keep_tdx;
};

struct made {
    struct clo_buf chain[CLO_CHAIN_MAX];
    struct clo_collateral collateral;
    struct cloister_roots *roots;
    struct cloister_policy *policy;
    uint8_t hcl[3 * CLO_HCL_MAX];
    size_t hcl_n, json_n;
    struct tl_quote q;
};

static struct evidence good(void)
{
    struct evidence e = {
        .snp = snp_lab_good(),
        .tpm = tl_good(),
        .hcl = azure_lab_good(false),
    };

    snp_policy_edit(&e.snp, "'sev-snp'", "'sev-snp-azure'");
    snp_policy_edit(&e.snp, "'devices'",
                    "'azure':{},'tpm':{'pcrs':[{"
                    "'4':'1414141414141414141414141414141414141414141414141414141414141414',"
                    "'7':'1717171717171717171717171717171717171717171717171717171717171717'}]},"
                    "'devices'");
    return e;
}

static void make(struct evidence *e, struct made *m)
{
    static char json[CLO_HCL_MAX];
    uint8_t report[CLO_SNP_REPORT_LEN];

    memset(m, 0, sizeof *m);
    m->json_n = azure_lab_json(&e->hcl, json, sizeof json);
    azure_lab_covered(&e->hcl, json, m->json_n, e->snp.report + 0x50);
    snp_lab_sign(&e->snp, report);
    m->hcl_n = azure_lab_envelope(&e->hcl, json, m->json_n, report, m->hcl);
    snp_lab_chain(&e->snp, m->chain);
    snp_lab_crl(&e->snp, &m->collateral);
    m->roots = snp_lab_roots(&e->snp);
    m->policy = snp_lab_policy(&e->snp);
    tl_make(&e->tpm, &m->q);
}

static void made_clear(struct made *m)
{
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&m->chain[i]);
    clo_collateral_clear(&m->collateral);
    cloister_roots_free(m->roots);
    cloister_policy_free(m->policy);
}

static struct clo_hw_result appraise(const struct evidence *e, const struct made *m,
                                     const struct cloister_policy *policy,
                                     struct clo_verdict_builder *vb)
{
    static const uint8_t td_quote[16];
    const struct clo_azure_input in = {
        .hcl = m->hcl,
        .hcl_n = m->hcl_n,
        .quote = td_quote,
        .quote_n = e->hcl.tdreport && !e->no_td_quote ? sizeof td_quote : 0,
        .chain = m->chain,
        .chain_n = e->snp.chain_n,
        .tpm_quote = m->q.quote,
        .tpm_quote_n = m->q.quote_n,
        .tpm_signature = m->q.sig,
        .tpm_signature_n = m->q.sig_n,
        .pcrs = m->q.pcrs,
        .pcrs_n = m->q.pcrs_n,
        .event_log = e->tpm.log,
        .event_log_n = e->tpm.log_n,
        .collateral = &m->collateral,
        .expected = e->tpm.expected,
        .expected_n = e->tpm.expected_n,
        .any_expected = e->tpm.any_expected,
    };
    const unsigned families = CLO_FAMILY_AZURE | CLO_FAMILY_TPM |
                              (e->keep_tdx ? CLO_FAMILY_QUOTE | CLO_FAMILY_TDX
                                           : (unsigned)CLO_FAMILY_SNP);
    struct clo_hw_result hw = {0};

    clo_vb_init(vb);
    clo_vb_keep_families(vb, families);
    assert_int_equal(clo_azure_appraise(&in, policy, m->roots, e->snp.now, vb, &hw), 0);
    assert_false(vb->twice);
    assert_int_equal(clo_vb_count(vb, families, CLOISTER_CHECK_NONE), 0);
    assert_int_not_equal(clo_vb_status(vb, CLOISTER_CHECK_BINDING_REPORT_DATA),
                         CLOISTER_CHECK_NONE);
    return hw;
}

static void names_with(const struct clo_verdict_builder *vb, enum cloister_check_status status,
                       char *dst, size_t cap)
{
    dst[0] = '\0';
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
        if (vb->check[i].status != status || vb->out[i])
            continue;
        if (dst[0] != '\0')
            strncat(dst, " ", cap - strlen(dst) - 1);
        strncat(dst, cloister_check_name(vb->check[i].id), cap - strlen(dst) - 1);
    }
}

/* missing NULL: whatever else is missing */
static struct clo_hw_result assert_judged(struct evidence *e, const char *fails,
                                          const char *missing)
{
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    static struct made m;
    char text[4096];

    make(e, &m);
    hw = appraise(e, &m, m.policy, &vb);
    names_with(&vb, CLOISTER_CHECK_FAIL, text, sizeof text);
    assert_string_equal(text, fails);
    names_with(&vb, CLOISTER_CHECK_MISSING, text, sizeof text);
    if (missing != NULL)
        assert_string_equal(text, missing);
    made_clear(&m);
    return hw;
}

/* What is left of TPM and binding where the hardware vouches for no key. */
#define UNTRUSTED \
    "tpm.key tpm.key_trusted tpm.signature tpm.nonce tpm.selection tpm.pcr_digest tpm.pcrs"

/* ---- what is right ---- */

static void right_evidence_passes_every_check(void **state)
{
    struct evidence e = good();
    struct clo_hw_result hw;

    (void)state;
    hw = assert_judged(&e, "", "");
    assert_true(hw.authentic && hw.bound && hw.measured);
}

static void the_measurement_is_over_the_hardwares_and_the_pcrs(void **state)
{
    struct evidence e = good();
    uint8_t hardware[48], want[48];
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    static struct made m;

    (void)state;
    memset(hardware, 0x55, sizeof hardware);
    make(&e, &m);
    hw = appraise(&e, &m, m.policy, &vb);
    {
        const struct clo_slice in[] = {{hardware, 48}, {m.q.pcrs, 24 * 32}};

        assert_int_equal(clo_hash(CLO_SHA384, in, 2, want), 0);
    }
    assert_memory_equal(hw.measurement, want, 48);
    made_clear(&m);
}

static void the_runtime_data_may_be_hashed_with_each_of_sha_2(void **state)
{
    (void)state;
    for (uint32_t type = 1; type <= 3; type++) {
        struct evidence e = good();

        e.hcl.header[0] = 2;
        e.hcl.data[3] = type;
        e.hcl.hash = type == 1 ? CLO_SHA256 : type == 2 ? CLO_SHA384 : CLO_SHA512;
        assert_true(assert_judged(&e, "", "").bound);
        e.hcl.hash = type == 1 ? CLO_SHA512 : CLO_SHA256; /* another than it says */
        assert_false(
            assert_judged(&e, "binding.report_data azure.runtime tpm.key_trusted", NULL).bound);
    }
}

/* ---- the envelope ---- */

static void an_envelope_that_breaks_its_format_is_refused(void **state)
{
    static const char fails[] = "binding.report_data azure.format";
    struct evidence e;

    (void)state;
#define WRONG(...)                      \
    do {                                \
        e = good();                     \
        __VA_ARGS__;                    \
        assert_judged(&e, fails, NULL); \
    } while (0)
    WRONG(e.hcl.flip = 0); /* its name */
    WRONG(e.hcl.header[0] = 0);
    WRONG(e.hcl.header[0] = 3);
    WRONG(e.hcl.header[2] = 1);   /* another request */
    WRONG(e.hcl.flip = 0x10 * 8); /* status */
    WRONG(e.hcl.flip = 0x1f * 8); /* reserved */
    WRONG(e.hcl.header[1] = 0x4c0);
    WRONG(e.hcl.header[1] = 0x10000);
    WRONG(e.hcl.data[0] = 19);
    WRONG(e.hcl.data[0] = 20);
    WRONG(e.hcl.data[0] = 0xffffffff);
    WRONG(e.hcl.data[1] = 2);
    WRONG(e.hcl.data[2] = 0);
    WRONG(e.hcl.data[2] = 3);
    WRONG(e.hcl.data[3] = 0);
    WRONG(e.hcl.data[3] = 4);
    WRONG(e.hcl.data[4] = 0xffffffff);
    WRONG(e.hcl.data[4] = 5000);
    WRONG(e.hcl.data[4] = 10); /* the rest of the JSON lies behind, and isn't zero */
    WRONG(e.hcl.behind = 1);
    WRONG(e.hcl.more = 0, e.hcl.cut = 1);
    WRONG(e.hcl.cut = 4000 - 1700); /* inside the hardware's report */
    WRONG(e.hcl.more = CLO_HCL_MAX);
#undef WRONG
}

static void an_envelope_that_is_not_there_is_missing(void **state)
{
    struct evidence e = good();
    struct clo_verdict_builder vb;
    static struct made m;
    char text[4096];

    (void)state;
    make(&e, &m);
    m.hcl_n = 0;
    assert_false(appraise(&e, &m, m.policy, &vb).authentic);
    names_with(&vb, CLOISTER_CHECK_FAIL, text, sizeof text);
    assert_string_equal(text, "");
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_AZURE_FORMAT), CLOISTER_CHECK_MISSING);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_BINDING_REPORT_DATA),
                     CLOISTER_CHECK_MISSING);
    made_clear(&m);
}

static void an_envelope_cut_anywhere_is_refused_and_read_no_further(void **state)
{
    struct evidence e = good();
    struct clo_hcl h;
    static struct made m;
    bool tdx = true;

    (void)state;
    make(&e, &m);
    for (size_t n = 0; n < 0x4d4 + m.json_n; n++) {
        uint8_t *p = malloc(n + 1);

        assert_non_null(p);
        memcpy(p, m.hcl, n);
        assert_int_not_equal(clo_hcl_parse(p, n, &h), 0);
        assert_int_equal(clo_azure_is_tdx(p, n, &tdx), CLOISTER_E_MALFORMED);
        free(p);
    }
    assert_true(tdx);
    assert_int_equal(clo_azure_is_tdx(m.hcl, m.hcl_n, &tdx), 0);
    assert_false(tdx);
    made_clear(&m);
}

static void hardware_of_another_kind_than_the_evidence_is_refused(void **state)
{
    struct evidence e = good();

    (void)state;
    e.keep_tdx = true; /* evidence for TDX, with an SEV-SNP report inside */
    assert_judged(&e, "binding.report_data azure.type", NULL);
    e = good();
    e.hcl.tdreport = true; /* evidence for SEV-SNP, with a TDREPORT inside */
    e.hcl.data[2] = 4;
    assert_judged(&e, "binding.report_data azure.type", NULL);
    e = good();
    e.hcl.data[2] = 4; /* an SEV-SNP report under TDX's name */
    e.keep_tdx = true;
    assert_judged(&e, "binding.report_data azure.type", NULL);
    e = good();
    e.hcl.tdreport = true; /* the other way round */
    assert_judged(&e, "binding.report_data azure.type", NULL);
}

static void a_tdreport_without_a_signed_quote_proves_nothing(void **state)
{
    struct evidence e = good();
    struct clo_verdict_builder vb;
    static struct made m;

    (void)state;
    e.hcl.tdreport = e.keep_tdx = e.no_td_quote = true;
    e.hcl.data[2] = 4;
    make(&e, &m);
    assert_false(appraise(&e, &m, NULL, &vb).authentic);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_AZURE_TYPE), CLOISTER_CHECK_MISSING);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_AZURE_RUNTIME), CLOISTER_CHECK_MISSING);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_BINDING_REPORT_DATA),
                     CLOISTER_CHECK_MISSING);
    /* one that covers other runtime data contradicts its own envelope */
    m.hcl[0x20 + 128] ^= 1;
    assert_false(appraise(&e, &m, NULL, &vb).authentic);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_AZURE_TYPE), CLOISTER_CHECK_FAIL);
    m.hcl[0x20 + 128] ^= 1;
    m.hcl[0x20] = 0; /* an SGX report's type */
    assert_false(appraise(&e, &m, NULL, &vb).authentic);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_AZURE_TYPE), CLOISTER_CHECK_FAIL);
    m.hcl[0x20] = 0x81;
    /* and a quote that is none is refused */
    e.no_td_quote = false;
    assert_false(appraise(&e, &m, NULL, &vb).authentic);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_QUOTE_FORMAT), CLOISTER_CHECK_FAIL);
    assert_int_not_equal(clo_vb_status(&vb, CLOISTER_CHECK_BINDING_REPORT_DATA),
                         CLOISTER_CHECK_PASS);
    made_clear(&m);
}

/* ---- the runtime data ---- */

static void runtime_data_that_break_their_format_are_refused(void **state)
{
    static const char *const wrong[][2] = {
        {"'user-data':'00'", "'user-data':'00','user-data':'00'"},
        {"'kty':'RSA'", "'kty':'RSA','kty':'RSA'"},
        {"'secure-boot':true", "'secure-boot':true,'secure-boot':true"},
        {"'secure-boot':true", "'secure-boot':1"},
        {"'secure-boot':true", "'secure-boot':'true'"},
        {"'console-enabled':false", "'console-enabled':null"},
        {"'keys':[", "'keys':[3,"},
        {"'keys':[", "'keys':[{'kid':3},"},
        {"'keys':", "'Keys':"},
        {"[1,2]}", "[1,2]} "
                   "x"},
        {"[1,2]}", "[1,2]"},
        {"'vm-configuration':{", "'vm-configuration':[],'x':{"},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++) {
        struct evidence e = good();

        azure_edit(&e.hcl, wrong[i][0], wrong[i][1]);
        assert_judged(&e, "binding.report_data azure.format", NULL);
    }
}

static void the_attestation_key_has_to_be_named_once_and_sign(void **state)
{
    static const char *const wrong[][2] = {
        {"HCLAkPub", "HCLAkPuc"},
        {"HCLEkPub", "HCLAkPub"},
        {"['sign']", "['encrypt']"},
        {"['sign']", "['sign','encrypt']"},
        {"['sign']", "[]"},
        {"['sign']", "'sign'"},
        {"'key_ops':['sign'],", ""},
        {"'kty':'RSA'", "'kty':'EC'"},
        {"'kty':'RSA'", "'kty':'RSA','use':'enc'"},
        {"'e':'AQAB'", "'e':'AQAB='"},
        {"'e':'AQAB'", "'e':'AQ'"},
        {"'e':'AQAB'", "'e':'AAEAAQ'"}, /* the same number, a byte longer */
        {"'e':'AQAB'", "'e':'AQAC'"},
        {"'e':'AQAB'", "'e':''"},
        {"'n':'%s'}@", "'n':'%s='}@"},
        {"'n':'%s'}@", "'n':'AAAA%s'}@"},
        {"'n':'%s'}@", "'n':'wQ'}@"},
        {"'n':'%s'}@", "'x':'%s'}@"},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++) {
        struct evidence e = good();

        azure_edit(&e.hcl, wrong[i][0], wrong[i][1]);
        assert_judged(&e, "binding.report_data azure.key", NULL);
    }
}

static void members_that_microsoft_may_add_are_tolerated(void **state)
{
    struct evidence e = good();

    (void)state;
    azure_edit(&e.hcl, "'kty':'RSA'", "'kty':'RSA','use':'sig','alg':'RS256'");
    azure_edit(&e.hcl, "'secure-boot':true", "'secure-boot':true,'new':{'a':[null]}");
    e.hcl.second = ",{\"kid\":\"Another\"}";
    assert_judged(&e, "", "");
}

static void the_vm_has_to_be_configured_as_the_policy_wants(void **state)
{
    static const struct {
        const char *from, *to, *policy; /* for {} */
        enum cloister_check_status status;
    } vm[] = {
        {"'secure-boot':true", "'secure-boot':false", NULL, CLOISTER_CHECK_FAIL},
        {"'secure-boot':true", "'secure-boot':false", "{'allow_no_secure_boot':true}",
         CLOISTER_CHECK_PASS},
        {"'secure-boot':true,", "", NULL, CLOISTER_CHECK_MISSING},
        {"'console-enabled':false", "'console-enabled':true", NULL, CLOISTER_CHECK_FAIL},
        {"'console-enabled':false", "'console-enabled':true", "{'allow_console':true}",
         CLOISTER_CHECK_PASS},
        {"'console-enabled':false,", "", NULL, CLOISTER_CHECK_MISSING},
        {"'console-enabled':false,", "", "{'allow_console':true}", CLOISTER_CHECK_PASS},
        {"'tpm-enabled':true", "'tpm-enabled':false",
         "{'allow_console':true,'allow_no_secure_boot':true}", CLOISTER_CHECK_FAIL},
        {"'tpm-enabled':true,", "", "{'allow_console':true,'allow_no_secure_boot':true}",
         CLOISTER_CHECK_MISSING},
        {"0ABC", "0ABC", "{'vm_ids':['x','0abcdef0-1234-5678-9ABC-def012345678']}",
         CLOISTER_CHECK_PASS},
        {"0ABC", "0ABD", "{'vm_ids':['x','0abcdef0-1234-5678-9ABC-def012345678']}",
         CLOISTER_CHECK_FAIL},
        {"345678'", "34567'", "{'vm_ids':['0abcdef0-1234-5678-9ABC-def012345678']}",
         CLOISTER_CHECK_FAIL},
        {"vmUniqueId", "vmOtherId", "{'vm_ids':['0abcdef0-1234-5678-9ABC-def012345678']}",
         CLOISTER_CHECK_MISSING},
        {"vmUniqueId", "vmOtherId", NULL, CLOISTER_CHECK_PASS},
        {"vm-configuration", "vm-other", NULL, CLOISTER_CHECK_MISSING},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(vm); i++) {
        struct evidence e = good();
        char policy[128];

        azure_edit(&e.hcl, vm[i].from, vm[i].to);
        if (vm[i].policy != NULL) {
            (void)snprintf(policy, sizeof policy, "'azure':%s", vm[i].policy);
            snp_policy_edit(&e.snp, "'azure':{}", policy);
        }
        assert_judged(&e, vm[i].status == CLOISTER_CHECK_FAIL ? "azure.vm" : "",
                      vm[i].status == CLOISTER_CHECK_MISSING ? "azure.vm" : "");
    }
}

/* Hash and signature see each; the JSON alone is not what says so. */
/* Under valgrind, where a signature takes 50 times as long, only every so many-th bit. */
static size_t stride(void)
{
    const char *s = getenv("CLOISTER_TEST_STRIDE");
    const size_t step = s != NULL ? strtoul(s, NULL, 10) : 1;

    assert_true(step > 0);
    return step;
}

static void a_flipped_bit_of_the_runtime_data_is_refused(void **state)
{
    struct evidence e = good();
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    static struct made m;

    (void)state;
    make(&e, &m);
    for (size_t bit = 0; bit < 8 * m.json_n; bit += 3 * stride()) {
        tl_flip(m.hcl + 0x4d4, (int)bit);
        hw = appraise(&e, &m, m.policy, &vb);
        tl_flip(m.hcl + 0x4d4, (int)bit);
        assert_true(clo_vb_status(&vb, CLOISTER_CHECK_AZURE_RUNTIME) == CLOISTER_CHECK_FAIL ||
                    clo_vb_status(&vb, CLOISTER_CHECK_AZURE_FORMAT) == CLOISTER_CHECK_FAIL);
        assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_BINDING_REPORT_DATA),
                         CLOISTER_CHECK_FAIL);
        assert_false(hw.authentic || hw.bound);
    }
    made_clear(&m);
}

/* ---- one link is another's ---- */

static void another_machines_vtpm_is_refused(void **state)
{
    struct evidence e = good();

    (void)state;
    e.tpm.signer = tl.rsa2; /* quotes, but isn't named */
    assert_judged(&e, "binding.report_data tpm.signature",
                  "tpm.nonce tpm.selection tpm.pcr_digest tpm.pcrs");
    e = good();
    e.hcl.ak = e.tpm.signer = tl.rsa2; /* named by runtime data that this hardware covers */
    assert_judged(&e, "", "");
}

static void runtime_data_that_the_hardware_does_not_cover_name_nobody(void **state)
{
    struct evidence e = good();

    (void)state;
    e.hcl.covers[31] = 1;
    assert_judged(
        &e, "binding.report_data azure.runtime tpm.key_trusted",
        "azure.key azure.vm tpm.key tpm.signature tpm.nonce tpm.selection tpm.pcr_digest tpm.pcrs");
    e.hcl.covers[31] = 0;
    e.hcl.covers[32] = 1; /* behind the hash nothing but zeros */
    assert_judged(&e, "binding.report_data azure.runtime tpm.key_trusted", NULL);
}

static void hardware_that_is_not_authentic_vouches_for_no_key(void **state)
{
    struct evidence e = good();
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    static struct made m;
    char text[4096];

    (void)state;
    e.snp.report_signer = snp_lab.stranger_leaf;
    make(&e, &m);
    hw = appraise(&e, &m, m.policy, &vb);
    assert_false(hw.authentic || hw.bound || hw.measured);
    names_with(&vb, CLOISTER_CHECK_FAIL, text, sizeof text);
    assert_string_equal(text, "snp.signature");
    names_with(&vb, CLOISTER_CHECK_MISSING, text, sizeof text);
    assert_non_null(strstr(text, "binding.report_data "));
    assert_non_null(strstr(text, "azure.runtime azure.key azure.vm " UNTRUSTED));
    made_clear(&m);
    /* nor does hardware whose certificates didn't come */
    e = good();
    e.snp.chain_n = 0;
    make(&e, &m);
    hw = appraise(&e, &m, m.policy, &vb);
    assert_false(hw.authentic || hw.bound || hw.measured);
    names_with(&vb, CLOISTER_CHECK_FAIL, text, sizeof text);
    assert_string_equal(text, "");
    made_clear(&m);
}

static void a_quote_for_other_data_binds_nothing(void **state)
{
    struct evidence e = good();

    (void)state;
    e.tpm.nonce[31] ^= 1;
    assert_judged(&e, "binding.report_data tpm.nonce", "");
    e = good();
    e.tpm.nonce_n = 0;
    assert_judged(&e, "binding.report_data tpm.nonce", "");
    e.tpm.expected_n = 0;
    assert_judged(&e, "binding.report_data tpm.nonce", "");
    e = good();
    e.tpm.expected = NULL;
    assert_judged(&e, "", "binding.report_data tpm.nonce");
}

static void whoever_wants_any_nonce_gets_no_binding(void **state)
{
    struct evidence e = good();
    struct clo_hw_result hw;

    (void)state;
    e.tpm.expected = NULL;
    e.tpm.any_expected = true;
    hw = assert_judged(&e, "", "");
    assert_true(hw.authentic && hw.measured && !hw.bound);
}

static void what_runs_in_the_guest_is_only_in_the_pcrs(void **state)
{
    struct evidence e = good();
    struct clo_hw_result hw;

    (void)state;
    e.tpm.value[4][0] ^= 1;
    hw = assert_judged(&e, "tpm.pcrs", "");
    assert_true(hw.authentic && hw.bound && !hw.measured);
    e = good();
    memset(e.snp.report + 0x90, 0x56, 48); /* another paravisor */
    hw = assert_judged(&e, "snp.measurement", "");
    assert_true(hw.authentic && hw.bound && !hw.measured);
}

static void a_report_of_another_privilege_level_is_refused(void **state)
{
    struct evidence e = good();
    struct clo_verdict_builder vb;
    static struct made m;

    (void)state;
    snp_put32(&e.snp, 0x30,
              2); /* the guest's own, not the paravisor's: it covers what the guest likes */
    assert_judged(&e, "binding.report_data snp.vmpl azure.key", NULL);
    /* no policy that is read wants another level; what would, still takes no key from it */
    make(&e, &m);
    m.policy->snp.vmpl = 2;
    (void)appraise(&e, &m, m.policy, &vb);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_SNP_VMPL), CLOISTER_CHECK_PASS);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_AZURE_KEY), CLOISTER_CHECK_FAIL);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_BINDING_REPORT_DATA), CLOISTER_CHECK_FAIL);
    made_clear(&m);
}

/* As for a TPM by itself, a list decides; but here the hardware has to name the key as well. */
static void a_policy_may_say_which_keys_the_hardware_may_name(void **state)
{
    struct clo_key *key = tl_key(tl.rsa);
    uint8_t digest[32];
    char hex[65], list[128];

    (void)state;
    assert_int_equal(clo_key_digest(key, digest), 0);
    clo_key_free(key);
    for (int other = 0; other < 2; other++) {
        struct evidence e = good();

        digest[0] ^= (uint8_t)other;
        clo_hex(digest, sizeof digest, hex);
        (void)snprintf(list, sizeof list, "'tpm':{'keys':['%s'],", hex);
        snp_policy_edit(&e.snp, "'tpm':{", list);
        assert_judged(&e, other ? "binding.report_data tpm.key_trusted" : "", other ? NULL : "");
        digest[0] ^= (uint8_t)other;
        e.hcl.covers[31] = 1; /* a key that is listed, and not named */
        assert_judged(&e, "binding.report_data azure.runtime tpm.key_trusted", NULL);
    }
}

static void a_vtpm_without_a_quote_is_missing(void **state)
{
    struct evidence e = good();
    struct clo_verdict_builder vb;
    static struct made m;
    char text[4096];

    (void)state;
    make(&e, &m);
    m.q.quote_n = 0;
    assert_false(appraise(&e, &m, m.policy, &vb).bound);
    names_with(&vb, CLOISTER_CHECK_FAIL, text, sizeof text);
    assert_string_equal(text, "");
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_BINDING_REPORT_DATA),
                     CLOISTER_CHECK_MISSING);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_TPM_PCRS), CLOISTER_CHECK_MISSING);
    made_clear(&m);
}

static void without_a_policy_authenticity_is_shown_and_nothing_accepted(void **state)
{
    struct evidence e = good();
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    static struct made m;
    char text[4096];

    (void)state;
    make(&e, &m);
    hw = appraise(&e, &m, NULL, &vb);
    assert_true(hw.authentic && hw.bound && !hw.measured);
    names_with(&vb, CLOISTER_CHECK_FAIL, text, sizeof text);
    assert_string_equal(text, "");
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_AZURE_VM), CLOISTER_CHECK_MISSING);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_TPM_PCRS), CLOISTER_CHECK_MISSING);
    made_clear(&m);
}

static int open_both(void **state)
{
    return snp_lab_open(state) | tl_open(state);
}

static int close_both(void **state)
{
    return snp_lab_close(state) | tl_close(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_evidence_passes_every_check),
        cmocka_unit_test(the_measurement_is_over_the_hardwares_and_the_pcrs),
        cmocka_unit_test(the_runtime_data_may_be_hashed_with_each_of_sha_2),
        cmocka_unit_test(an_envelope_that_breaks_its_format_is_refused),
        cmocka_unit_test(an_envelope_that_is_not_there_is_missing),
        cmocka_unit_test(an_envelope_cut_anywhere_is_refused_and_read_no_further),
        cmocka_unit_test(hardware_of_another_kind_than_the_evidence_is_refused),
        cmocka_unit_test(a_tdreport_without_a_signed_quote_proves_nothing),
        cmocka_unit_test(runtime_data_that_break_their_format_are_refused),
        cmocka_unit_test(the_attestation_key_has_to_be_named_once_and_sign),
        cmocka_unit_test(members_that_microsoft_may_add_are_tolerated),
        cmocka_unit_test(the_vm_has_to_be_configured_as_the_policy_wants),
        cmocka_unit_test(a_flipped_bit_of_the_runtime_data_is_refused),
        cmocka_unit_test(another_machines_vtpm_is_refused),
        cmocka_unit_test(runtime_data_that_the_hardware_does_not_cover_name_nobody),
        cmocka_unit_test(hardware_that_is_not_authentic_vouches_for_no_key),
        cmocka_unit_test(a_quote_for_other_data_binds_nothing),
        cmocka_unit_test(whoever_wants_any_nonce_gets_no_binding),
        cmocka_unit_test(what_runs_in_the_guest_is_only_in_the_pcrs),
        cmocka_unit_test(a_report_of_another_privilege_level_is_refused),
        cmocka_unit_test(a_policy_may_say_which_keys_the_hardware_may_name),
        cmocka_unit_test(a_vtpm_without_a_quote_is_missing),
        cmocka_unit_test(without_a_policy_authenticity_is_shown_and_nothing_accepted),
    };

    return cmocka_run_group_tests_name("azure", tests, open_both, close_both);
}
