/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded TDX and SGX quotes with recorded collateral of Intel's: what the verifier must make of each, at its collateral's own date, and of
 * each with one thing changed. The policy of a quote pins exactly what others read in it (vectors.json), so that what
 * fails is named in the table, and anything else that fails fails the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "attest/quote.h"
#include "attest/quote_parse.h"
#include "vectors.h"

/* ---- files ---- */

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
    *ret = clo_buf_init((size_t)st.st_size + 64);
    assert_int_equal(clo_buf_reserve(ret, (size_t)st.st_size, &p), 0);
    in = fopen(path, "rb");
    assert_non_null(in);
    assert_int_equal(fread(p, 1, (size_t)st.st_size, in), st.st_size);
    clo_buf_commit(ret, (size_t)st.st_size);
    assert_int_equal(fclose(in), 0);
}

static void put(struct clo_buf *dst, const void *p, size_t n)
{
    *dst = clo_buf_init(n);
    assert_int_equal(clo_buf_append(dst, p, n), 0);
}

/* One DER, or every certificate of a PEM text; how many. */
static size_t certificates(const struct clo_buf *file, struct clo_buf *dst, size_t max)
{
    const char *p = (const char *)file->p;
    size_t n = file->len, count = 0;
    int err;

    while (count < max) {
        dst[count] = clo_buf_init(CLO_CERT_MAX);
        if ((err = clo_pem_next(&p, &n, "CERTIFICATE", &dst[count])) != 0) {
            assert_int_equal(err, CLOISTER_E_NOT_FOUND);
            break;
        }
        count++;
    }
    return count;
}

/* The fields that others read in this file; zero values are left out there. */
static json_t *fields_of(const char *file)
{
    json_t *doc = vec_load("attestation/vectors.json"), *fields = NULL;

    for (size_t i = 0; i < json_array_size(doc) && fields == NULL; i++) {
        const json_t *v = json_array_get(doc, i);

        if (strcmp(vec_str(v, "file"), file) == 0)
            fields = json_incref(json_object_get(v, "fields"));
    }
    assert_non_null(fields);
    json_decref(doc);
    return fields;
}

static const char *field_or_zero(const json_t *fields, const char *name)
{
    static const char zero[] = "000000000000000000000000000000000000000000000000"
                               "000000000000000000000000000000000000000000000000";
    const char *s = json_string_value(json_object_get(fields, name));

    return s == NULL ? zero : s;
}

/* ---- one appraisal ---- */

/* Where collateral comes from: a bundle that somebody recorded whole, or single files. */
struct source {
    const char *bundle;
    const char *tcb_info, *qe_identity, *chain, *root_crl, *pck_crl;
};
enum collateral {
    NONE,
    PHALA_TDX,
    PHALA_SGX,
    PHALA_NEAR,
    PHALA_OUTDATED,
    ARDOTAI_50806F,
    ARDOTAI_90C06F,
    GTG_2026,
    GTG_2023,
    MIXED_2023,
    QVL_TDX,
    QVL_SGX,
};
#define DIR "tdx-collateral/"
#define ARDOTAI                                                             \
    DIR "ardotai_td_qe_identity.json", DIR "ardotai_tcb_signing_chain.pem", \
        DIR "ardotai_root_ca_crl.der", DIR "ardotai_pck_crl_platform.der"
#define QVL(kind)                                                                                \
    NULL, "intel-qvl-sample/" kind "/tcbInfo.json", "intel-qvl-sample/" kind "/qeIdentity.json", \
        "intel-qvl-sample/" kind "/tcbSignChain.pem", "intel-qvl-sample/" kind "/rootCaCrl.der", \
        "intel-qvl-sample/" kind "/intermediateCaCrl.der"
static const struct source sources[] = {
    [PHALA_TDX] = {.bundle = DIR "phala_tdx.json"},
    [PHALA_SGX] = {.bundle = DIR "phala_sgx.json"},
    [PHALA_NEAR] = {.bundle = DIR "phala_near.json"},
    [PHALA_OUTDATED] = {.bundle = DIR "phala_tdx_outdated.json"},
    [ARDOTAI_50806F] = {NULL, DIR "ardotai_tcb_info_50806f000000.json", ARDOTAI},
    [ARDOTAI_90C06F] = {NULL, DIR "ardotai_tcb_info_90c06f000000.json", ARDOTAI},
    /* the same months: somebody's TCB info with somebody else's lists and identity */
    [GTG_2026] = {DIR "phala_tdx_outdated.json", DIR "gtg_tcbinfo_v5.json", NULL, NULL, NULL, NULL},
    [GTG_2023] = {NULL, DIR "gtg_tcbinfo_v4.json", DIR "gtg_td_qe_identity.json",
                  DIR "ardotai_tcb_signing_chain.pem", DIR "gtg_root_ca.crl",
                  DIR "gtg_pck_platform.crl"},
    /* today's collateral with the lists of three years before */
    [MIXED_2023] = {NULL, DIR "ardotai_tcb_info_50806f000000.json",
                    DIR "ardotai_td_qe_identity.json", DIR "ardotai_tcb_signing_chain.pem",
                    DIR "gtg_root_ca.crl", DIR "gtg_pck_platform.crl"},
    [QVL_TDX] = {QVL("tdx")},
    [QVL_SGX] = {QVL("sgx")},
};

struct setting {
    struct clo_buf quote, ccel, chain[CLO_CHAIN_MAX];
    struct clo_quote_input in;
    struct clo_collateral collateral;
    struct cloister_policy *policy;
    struct cloister_roots *roots; /* NULL: the built-in ones */
    uint8_t report_data[64];
    int64_t when;
};

/* {"tcbInfo":...,"signature":"..."}: the bundle has the two parts of the answer on their own. */
static void answer_make(const json_t *bundle, const char *what, const char *member,
                        struct clo_buf *ret)
{
    const char *inner = vec_str(bundle, what);
    char name[64], text[32768];
    int n;

    (void)snprintf(name, sizeof name, "%s_signature", what);
    n = snprintf(text, sizeof text, "{\"%s\":%s,\"signature\":\"%s\"}", member, inner,
                 vec_str(bundle, name));
    assert_true(n > 0 && (size_t)n < sizeof text);
    put(ret, text, (size_t)n);
}

static void crl_add(struct clo_collateral *c, const uint8_t *p, size_t n)
{
    put(&c->crl[c->crls++], p, n);
}

static void bundle_load(const char *name, struct clo_collateral *c)
{
    char path[256];
    json_t *b;
    struct vec crl;
    struct clo_buf chain;

    (void)snprintf(path, sizeof path, "attestation/%s", name);
    b = vec_load(path);
    answer_make(b, "tcb_info", "tcbInfo", &c->tcb_info);
    answer_make(b, "qe_identity", "enclaveIdentity", &c->qe_identity);
    crl = vec_hex(b, "root_ca_crl");
    crl_add(c, crl.p, crl.n);
    crl = vec_hex(b, "pck_crl");
    crl_add(c, crl.p, crl.n);
    assert_string_equal(vec_str(b, "tcb_info_issuer_chain"),
                        vec_str(b, "qe_identity_issuer_chain"));
    put(&chain, vec_str(b, "tcb_info_issuer_chain"), strlen(vec_str(b, "tcb_info_issuer_chain")));
    c->collateral_chain_n = certificates(&chain, c->collateral_chain, CLO_CHAIN_MAX);
    assert_int_equal(c->collateral_chain_n, 2);
    clo_buf_clear(&chain);
    json_decref(b);
}

static void collateral_load(enum collateral which, struct clo_collateral *c)
{
    const struct source *s = &sources[which];
    struct clo_buf f;

    if (which == NONE)
        return;
    if (s->bundle != NULL) {
        bundle_load(s->bundle, c);
        if (s->tcb_info != NULL) {
            clo_buf_clear(&c->tcb_info);
            file_read(s->tcb_info, &c->tcb_info);
        }
        return;
    }
    file_read(s->tcb_info, &c->tcb_info);
    file_read(s->qe_identity, &c->qe_identity);
    file_read(s->root_crl, &c->crl[c->crls++]);
    file_read(s->pck_crl, &c->crl[c->crls++]);
    file_read(s->chain, &f);
    c->collateral_chain_n = certificates(&f, c->collateral_chain, CLO_CHAIN_MAX);
    clo_buf_clear(&f);
    if (which == QVL_TDX) { /* root first */
        const struct clo_buf root = c->collateral_chain[0];

        c->collateral_chain[0] = c->collateral_chain[1];
        c->collateral_chain[1] = root;
    }
}

/* One edit of the text, then " for '. */
static struct cloister_policy *policy_make(char *text, size_t cap, const char *from, const char *to)
{
    struct cloister_policy *p = NULL;
    char why[200], copy[8192];
    char *at;

    if (from != NULL) {
        (void)snprintf(copy, sizeof copy, "%s", text);
        at = strstr(copy, from);
        assert_non_null(at);
        (void)snprintf(text, cap, "%.*s%s%s", (int)(at - copy), copy, to, at + strlen(from));
    }
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    if (cloister_policy_check(text, strlen(text), why, sizeof why) != 0)
        fail_msg("%s in %s", why, text);
    assert_int_equal(cloister_policy_parse(text, strlen(text), &p), 0);
    return p;
}

static void policy_text(const json_t *f, bool sgx, char *dst, size_t cap)
{
    if (sgx)
        (void)snprintf(dst, cap,
                       "{'v':1,'name':'recorded','tee':['sgx'],'devices':{'min':0},'sgx':{"
                       "'enclaves':['%.64s'],'signers':['%.64s'],'product_id':%u,'min_svn':%u,"
                       "'tcb':{'min_evaluation_number':0,'fmspcs':['%.12s']}}}",
                       field_or_zero(f, "mrenclave"), field_or_zero(f, "mrsigner"),
                       (unsigned)json_integer_value(json_object_get(f, "isvprodid")),
                       (unsigned)json_integer_value(json_object_get(f, "isvsvn")),
                       field_or_zero(f, "fmspc"));
    else
        (void)snprintf(
            dst, cap,
            "{'v':1,'name':'recorded','tee':['tdx'],'devices':{'min':0},'tdx':{"
            "'images':[{'mrtd':'%s','rtmr0':'%s','rtmr1':'%s','rtmr2':'%s','rtmr3':'%s'}"
            "],'config_ids':['%s'],'tcb':{'min_evaluation_number':0,'fmspcs':['%.12s']}}}",
            field_or_zero(f, "mrtd"), field_or_zero(f, "rtmr0"), field_or_zero(f, "rtmr1"),
            field_or_zero(f, "rtmr2"), field_or_zero(f, "rtmr3"), field_or_zero(f, "mrconfigid"),
            field_or_zero(f, "fmspc"));
}

static void setting_make(struct setting *s, const char *quote, enum collateral c, int64_t when,
                         const char *from, const char *to)
{
    json_t *fields = fields_of(quote);
    char text[8192];
    struct vec data;

    *s = (struct setting){.when = when};
    file_read(quote, &s->quote);
    collateral_load(c, &s->collateral);
    s->in = (struct clo_quote_input){
        .sgx = strstr(quote, "sgx") != NULL,
        .quote = s->quote.p,
        .quote_n = s->quote.len,
        .collateral = &s->collateral,
        .chain = s->chain,
        .data_check = CLOISTER_CHECK_BINDING_REPORT_DATA,
        .report_data = s->report_data,
        .any_report_data = json_object_size(fields) == 0,
    };
    if (json_object_size(fields) == 0)
        s->in.report_data = NULL;
    else if (json_object_get(fields, "report_data") != NULL) {
        data = vec_hex(fields, "report_data");
        assert_int_equal(data.n, 64);
        memcpy(s->report_data, data.p, 64);
    }
    policy_text(fields, s->in.sgx, text, sizeof text);
    s->policy = policy_make(text, sizeof text, from, to);
    json_decref(fields);
}

static void setting_clear(struct setting *s)
{
    clo_buf_clear(&s->quote);
    clo_buf_clear(&s->ccel);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&s->chain[i]);
    clo_collateral_clear(&s->collateral);
    cloister_policy_free(s->policy);
    cloister_roots_free(s->roots);
}

static void appraise(const struct setting *s, struct clo_verdict_builder *vb,
                     struct clo_hw_result *hw)
{
    clo_vb_init(vb);
    *hw = (struct clo_hw_result){0};
    assert_int_equal(clo_quote_appraise(&s->in, s->policy,
                                        s->roots != NULL ? s->roots : cloister_roots_builtin(),
                                        s->when, vb, hw),
                     0);
    assert_false(vb->twice);
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
        const unsigned id = vb->check[i].id;

        assert_true(id == 0 || id == s->in.data_check || (id >= 200 && id < 300));
    }
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

static const struct cloister_check *check_of(const struct clo_verdict_builder *vb,
                                             enum cloister_check_id id)
{
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++)
        if (vb->check[i].id == id)
            return &vb->check[i];
    fail_msg("%s wasn't made", cloister_check_name(id));
    return NULL;
}

/* ---- the table ---- */

enum { /* moments */
    JUN_2023 = 1687219200,
    JUL_2025 = 1751328000, /* 2025-07-01 */
    SEP_2025 = 1757376000, /* 2025-09-09 */
    FEB_2026 = 1772020800, /* 2026-02-25 */
    MAR_2026 = 1774000000, /* 2026-03-20 */
    MAY_2026 = 1777600000,
};
#define TDX         "tdx/tdx_"
#define SGX         "sgx/sgx_"
#define FLOOR       "'min_evaluation_number':0"
#define WITH(words) FLOOR, FLOOR ",'statuses':[" words "]"
#define NO_COLLATERAL                                                                         \
    "quote.collateral quote.collateral_chain quote.collateral_dates quote.collateral_number " \
    "quote.tcb_info quote.qe_identity quote.qe_tcb quote.tcb tdx.module tdx.module_tcb"
#define NO_LISTS "quote.crl quote.crl_dates quote.revoked "

static const struct quote_case {
    const char *name, *quote;
    enum collateral collateral;
    int64_t when;
    const char *from, *to; /* one edit of the policy */
    const char *fails, *missing;
    const char *status, *advisories; /* quote.tcb's and quote.advisories' */
} cases[] = {
    {"an up-to-date TD passes", TDX "v4_phala_uptodate.bin", PHALA_TDX, JUL_2025, NULL, NULL, "",
     "", "UpToDate", ""},
    {"a TD with a configuration passes where the policy lists it", TDX "v4_phala_near.bin",
     PHALA_NEAR, SEP_2025, NULL, NULL, "", "", "UpToDate", ""},
    {"a TD with a configuration fails where the policy lists none", TDX "v4_phala_near.bin",
     PHALA_NEAR, SEP_2025, "'config_ids':['0112a2", "'owners':['0112a2", "tdx.config tdx.owner", "",
     "UpToDate", ""},
    {"a platform below every level is refused", TDX "v5_phala_outdated.bin", PHALA_OUTDATED,
     FEB_2026, NULL, NULL, "quote.tcb", "", "", ""},
    {"no status admits a platform below every level", TDX "v5_phala_outdated.bin", PHALA_OUTDATED,
     FEB_2026, WITH("'UpToDate','OutOfDate','OutOfDateConfigurationNeeded'"), "quote.tcb", "", "",
     ""},
    {"another platform below every level is refused", TDX "v4_phala_tappd.bin", PHALA_TDX, JUL_2025,
     NULL, NULL, "quote.tcb", "", "", ""},
    {"a quote of a certificate that isn't valid yet is refused", TDX "v4_live_ardotai.bin",
     PHALA_TDX, JUL_2025, NULL, NULL, "quote.chain_dates", "", "UpToDate", ""},
    {"a TD of 1.5 whose module was replaced since passes", TDX "v5_gtg.bin", GTG_2026, FEB_2026,
     NULL, NULL, "", "", "UpToDate", ""},
    {"the same with another record of the collateral", TDX "v5_gtg.bin", ARDOTAI_90C06F, MAR_2026,
     NULL, NULL, "", "", "UpToDate", ""},
    {"a TD with a GPU passes", TDX "v4_dstack_h200.bin", ARDOTAI_90C06F, MAR_2026, NULL, NULL, "",
     "", "UpToDate", ""},
    {"a TD whose certificate is a month too new is refused", TDX "v4_dstack_lite.bin",
     ARDOTAI_90C06F, MAR_2026, NULL, NULL, "quote.chain_dates", "", "UpToDate", ""},
    {"a migration TD that the policy doesn't name is refused", TDX "v5_trustee.bin", ARDOTAI_90C06F,
     MAR_2026, NULL, NULL, "quote.tcb tdx.module_tcb tdx.service_td", "", "",
     "INTEL-SA-01036, INTEL-SA-01099"},
    {"a migration TD that the policy names is no fault", TDX "v5_trustee.bin", ARDOTAI_90C06F,
     MAR_2026, "'tdx':{",
     "'tdx':{'service_tds':['383c87d3bbb047b2d171eaca95312ede99f258088dc788f6ae2ccf8b6dd848fe8d47629e"
     "08b3f6cbd4a00dd47a5a033d'],",
     "quote.tcb tdx.module_tcb", "", "", "INTEL-SA-01036, INTEL-SA-01099"},
    {"PERFMON is refused where the policy doesn't allow it", TDX "v4_PERFMON_automata.bin",
     ARDOTAI_90C06F, MAR_2026, NULL, NULL, "quote.tcb tdx.module_tcb tdx.attributes", "", "",
     "INTEL-SA-01036, INTEL-SA-01099"},
    {"PERFMON is no fault where the policy allows it", TDX "v4_PERFMON_automata.bin",
     ARDOTAI_90C06F, MAR_2026, "'tdx':{", "'tdx':{'allow_attributes':['perfmon'],",
     "quote.tcb tdx.module_tcb", "", "", "INTEL-SA-01036, INTEL-SA-01099"},
    {"a TD under debug is refused for that alone", TDX "v4_DEBUG_trustee.bin", ARDOTAI_50806F,
     MAR_2026, WITH("'UpToDate','OutOfDate'"), "tdx.debug", "", "OutOfDate",
     "INTEL-SA-00837, INTEL-SA-00960, INTEL-SA-00982, INTEL-SA-00986, INTEL-SA-01010, "
     "INTEL-SA-01036, INTEL-SA-01076, INTEL-SA-01079, INTEL-SA-01099, INTEL-SA-01103, "
     "INTEL-SA-01111"},
    {"an out-of-date TD is refused", TDX "v4_DEBUG_trustee.bin", ARDOTAI_50806F, MAR_2026, NULL,
     NULL, "quote.tcb tdx.module_tcb tdx.debug", "", "OutOfDate", NULL},
    {"an early sample: bytes behind it, attributes, and no level", TDX "v4_spr_e4.bin",
     ARDOTAI_50806F, MAR_2026, NULL, NULL, "quote.trailing quote.tcb tdx.module_tcb tdx.attributes",
     "", "", ""},
    {"the same with its attributes allowed", TDX "v4_spr_e4.bin", ARDOTAI_50806F, MAR_2026,
     "'tdx':{", "'tdx':{'allow_sept_ve':true,'allow_attributes':['pks'],",
     "quote.trailing quote.tcb tdx.module_tcb", "", "", ""},
    {"collateral whose signer's certificate is newer is out of its dates", TDX "v4_spr_e4.bin",
     GTG_2023, JUN_2023, NULL, NULL,
     "quote.trailing quote.collateral_dates quote.tcb tdx.module_tcb tdx.attributes", "", "", ""},
    {"lists of years ago are refused", TDX "v4_DEBUG_trustee.bin", MIXED_2023, MAR_2026,
     WITH("'UpToDate','OutOfDate'"), "quote.crl_dates tdx.debug", "", "OutOfDate", NULL},
    {"expired collateral is refused", TDX "v4_phala_uptodate.bin", PHALA_TDX, SEP_2025, NULL, NULL,
     "quote.crl_dates quote.collateral_dates", "", "UpToDate", ""},
    {"a number below the floor is refused", TDX "v4_phala_uptodate.bin", PHALA_TDX, JUL_2025, FLOOR,
     "'min_evaluation_number':18", "quote.collateral_number", "", "UpToDate", ""},
    {"a number at the floor passes", TDX "v4_phala_uptodate.bin", PHALA_TDX, JUL_2025, FLOOR,
     "'min_evaluation_number':17", "", "", "UpToDate", ""},
    {"a platform that the policy doesn't list is refused", TDX "v4_phala_uptodate.bin", PHALA_TDX,
     JUL_2025, "b0c06f", "b0c06e", "quote.tcb_info", "", "UpToDate", ""},
    {"another image is refused", TDX "v4_phala_uptodate.bin", PHALA_TDX, JUL_2025, "'rtmr3':'00",
     "'rtmr3':'01", "tdx.measurement", "", "UpToDate", ""},
    {"another platform's TCB info judges nothing", TDX "v4_phala_uptodate.bin", PHALA_OUTDATED,
     FEB_2026, NULL, NULL, "quote.tcb_info", "quote.tcb tdx.module tdx.module_tcb", "", ""},
    {"an event log that the policy requires is missing", TDX "v4_phala_uptodate.bin", PHALA_TDX,
     JUL_2025, "'tdx':{", "'tdx':{'event_log':'required',", "", "tdx.event_log", "UpToDate", ""},
    {"an SGX enclave's TCB info judges no TD", TDX "v4_phala_uptodate.bin", PHALA_SGX, JUL_2025,
     NULL, NULL, "quote.crl quote.tcb_info quote.qe_identity",
     "quote.crl_dates quote.revoked quote.qe_tcb quote.tcb tdx.module tdx.module_tcb", "", ""},
    {"without collateral nothing says how the platform is", TDX "v4_gcp_automata_8000.bin", NONE,
     MAR_2026, NULL, NULL, "", NO_LISTS NO_COLLATERAL, "", ""},
    {"the same of another cloud's TD", TDX "v4_prem_nonce.bin", NONE, MAR_2026, NULL, NULL, "",
     NO_LISTS NO_COLLATERAL, "", ""},
    {"the same of a third", TDX "v4_gce_openpcc_8000.bin", NONE, MAR_2026, NULL, NULL, "",
     NO_LISTS NO_COLLATERAL, "", ""},
    {"lists that the policy doesn't require may be missing", TDX "v4_gce_openpcc_8000.bin", NONE,
     MAR_2026, "'devices'", "'revocation':'if-present','devices'", "", NO_COLLATERAL, "", ""},
    {"a list that is there has to hold all the same", TDX "v4_phala_uptodate.bin", PHALA_TDX,
     SEP_2025, "'devices'", "'revocation':'if-present','devices'",
     "quote.crl_dates quote.collateral_dates", "", "UpToDate", ""},

    {"an enclave in need of configuration is refused", SGX "v3_phala.bin", PHALA_SGX, JUL_2025,
     NULL, NULL, "quote.tcb", "", "ConfigurationAndSWHardeningNeeded",
     "INTEL-SA-00289, INTEL-SA-00615"},
    {"an enclave in need of configuration passes where the policy accepts that", SGX "v3_phala.bin",
     PHALA_SGX, JUL_2025, WITH("'ConfigurationAndSWHardeningNeeded','UpToDate'"), "", "",
     "ConfigurationAndSWHardeningNeeded", "INTEL-SA-00289, INTEL-SA-00615"},
    {"its advisories pass where the policy lists them", SGX "v3_phala.bin", PHALA_SGX, JUL_2025,
     WITH("'ConfigurationAndSWHardeningNeeded','UpToDate'],'advisories':['INTEL-SA-00615',"
          "'INTEL-SA-00289'"),
     "", "", "ConfigurationAndSWHardeningNeeded", "INTEL-SA-00289, INTEL-SA-00615"},
    {"an advisory that the policy doesn't list is refused", SGX "v3_phala.bin", PHALA_SGX, JUL_2025,
     WITH("'ConfigurationAndSWHardeningNeeded','UpToDate'],'advisories':['INTEL-SA-00615'"),
     "quote.advisories", "", "ConfigurationAndSWHardeningNeeded", "INTEL-SA-00289, INTEL-SA-00615"},
    {"an enclave under debug is refused", SGX "v3_automata_solana.bin", PHALA_SGX, JUL_2025,
     WITH("'ConfigurationAndSWHardeningNeeded','UpToDate'"), "sgx.debug", "",
     "ConfigurationAndSWHardeningNeeded", "INTEL-SA-00289, INTEL-SA-00615"},
    {"another authority's list and another platform's TCB info", SGX "v3_automata_mock.bin",
     PHALA_SGX, JUL_2025, NULL, NULL, "quote.crl quote.tcb_info",
     "quote.crl_dates quote.revoked quote.tcb", "", ""},
    {"another enclave of the same signer's is refused", SGX "v3_phala.bin", PHALA_SGX, JUL_2025,
     "'33d8736d", "'33d8736e", "quote.tcb sgx.measurement", "", "ConfigurationAndSWHardeningNeeded",
     NULL},
    {"an older version of the product is refused", SGX "v3_phala.bin", PHALA_SGX, JUL_2025,
     "'min_svn':0", "'min_svn':1", "quote.tcb sgx.isv", "", "ConfigurationAndSWHardeningNeeded",
     NULL},

    {"a sample under Intel's names and another key is refused: TDX",
     "intel-qvl-sample/tdx/quote.dat", QVL_TDX, MAR_2026, NULL, NULL,
     "quote.root quote.crl quote.collateral quote.qe_identity tdx.attributes tdx.xfam",
     "quote.qe_vendor quote.crl_dates quote.revoked quote.pck quote.qe_signature quote.qe_binding "
     "quote.signature quote.collateral_chain quote.collateral_dates quote.collateral_number "
     "quote.tcb_info quote.qe_tcb quote.tcb tdx.module tdx.module_tcb tdx.debug "
     "tdx.measurement tdx.config tdx.owner tdx.service_td",
     "", NULL},
};

static void a_case_ends_as_the_table_says(void **state)
{
    const struct quote_case *c = *state;
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    struct setting s;
    char got[2048];

    setting_make(&s, c->quote, c->collateral, c->when, c->from, c->to);
    appraise(&s, &vb, &hw);
    names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, c->fails);
    names_with(&vb, CLOISTER_CHECK_MISSING, got, sizeof got);
    assert_string_equal(got, c->missing);
    assert_string_equal(check_of(&vb, CLOISTER_CHECK_QUOTE_TCB)->actual, c->status);
    if (c->advisories != NULL)
        assert_string_equal(check_of(&vb, CLOISTER_CHECK_QUOTE_ADVISORIES)->actual, c->advisories);
    assert_true(hw.authentic == (c->collateral < QVL_TDX));
    assert_true(hw.bound == hw.authentic);
    setting_clear(&s);
}

/* ---- single tests ---- */

static void every_file_is_the_one_that_was_recorded(void **state)
{
    json_t *doc = vec_load("attestation/vectors.json");
    uint8_t digest[32];
    char hex[65];
    size_t quotes = 0;

    (void)state;
    for (size_t i = 0; i < json_array_size(doc); i++) {
        const json_t *v = json_array_get(doc, i);
        const char *kind = vec_str(v, "kind");
        struct clo_buf f;

        if (strcmp(kind, "tdx") != 0 && strcmp(kind, "sgx") != 0 &&
            strcmp(kind, "tdx-collateral") != 0 && strncmp(kind, "intel-qvl", 9) != 0)
            continue;
        file_read(vec_str(v, "file"), &f);
        assert_int_equal(clo_sha256(f.p, f.len, digest), 0);
        clo_hex(digest, sizeof digest, hex);
        assert_string_equal(hex, vec_str(v, "sha256"));
        clo_buf_clear(&f);
        quotes++;
    }
    assert_true(quotes >= 40);
    json_decref(doc);
}

static void same(const json_t *fields, const char *name, const void *p, size_t n)
{
    char hex[129];

    clo_hex(p, n, hex);
    assert_int_equal(strncmp(hex, field_or_zero(fields, name), n > 48 ? 96 : 2 * n), 0);
}

static void same_number(const json_t *fields, const char *name, unsigned v)
{
    assert_int_equal(json_integer_value(json_object_get(fields, name)), v);
}

static void same_td(const json_t *f, const struct clo_quote *q)
{
    uint8_t bits[8];

    for (size_t i = 0; i < 8; i++)
        bits[i] = (uint8_t)(q->td.attributes >> (8 * i));
    same(f, "td_attr", bits, 8);
    for (size_t i = 0; i < 8; i++)
        bits[i] = (uint8_t)(q->td.xfam >> (8 * i));
    same(f, "xfam", bits, 8);
    same(f, "tee_tcb_svn", q->td.tee_tcb_svn, 16);
    same(f, "tee_tcb_svn2", q->td.tee_tcb_svn2, 16);
    same(f, "mrseam", q->td.mrseam, 48);
    same(f, "seam_attr", q->td.seam_attributes, 8);
    same(f, "mrtd", q->td.mrtd, 48);
    same(f, "mrconfigid", q->td.mrconfigid, 48);
    same(f, "mrowner", q->td.mrowner, 48);
    same(f, "rtmr0", q->td.rtmr[0], 48);
    same(f, "rtmr1", q->td.rtmr[1], 48);
    same(f, "rtmr2", q->td.rtmr[2], 48);
    same(f, "rtmr3", q->td.rtmr[3], 48);
    same(f, "report_data", q->td.report_data, 64);
}

static void same_enclave(const json_t *f, const struct clo_quote *q)
{
    same(f, "attributes", q->sgx.attributes, 16);
    same(f, "mrenclave", q->sgx.mrenclave, 32);
    same(f, "mrsigner", q->sgx.mrsigner, 32);
    same(f, "report_data", q->sgx.report_data, 64);
    same_number(f, "isvprodid", q->sgx.product_id);
    same_number(f, "isvsvn", q->sgx.svn);
}

static void same_platform(const json_t *f, const struct clo_quote *q)
{
    struct clo_buf chain[3] = {{0}, {0}, {0}};
    struct clo_cert *leaf = NULL;
    struct clo_pck pck = {0};
    size_t count = 0;

    assert_int_equal(clo_quote_chain(q, chain, 3, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(clo_cert_parse(chain[0].p, chain[0].len, &leaf), 0);
    assert_int_equal(clo_pck_read(leaf, &pck), 0);
    same(f, "fmspc", pck.fmspc, 6);
    same(f, "pceid", pck.pceid, 2);
    same(f, "cpusvn", pck.cpusvn, 16);
    for (size_t i = 0; i < 17; i++)
        assert_int_equal(json_integer_value(json_array_get(json_object_get(f, "tcbcomps"), i)),
                         i < 16 ? pck.component[i] : pck.pcesvn);
    clo_cert_free(leaf);
    for (size_t i = 0; i < 3; i++)
        clo_buf_clear(&chain[i]);
}

static void every_field_is_read_as_others_read_it(void **state)
{
    json_t *doc = vec_load("attestation/vectors.json");
    size_t quotes = 0;

    (void)state;
    for (size_t i = 0; i < json_array_size(doc); i++) {
        const json_t *v = json_array_get(doc, i), *f = json_object_get(v, "fields");
        struct clo_quote q = {0};
        struct clo_buf file;

        if (json_object_get(f, "qe_isvsvn") == NULL ||
            (strcmp(vec_str(v, "kind"), "tdx") != 0 && strcmp(vec_str(v, "kind"), "sgx") != 0))
            continue;
        file_read(vec_str(v, "file"), &file);
        assert_int_equal(clo_quote_parse(file.p, file.len, &q), 0);
        same_number(f, "version", q.header.version);
        same_number(f, "qe_isvsvn", q.qe.svn);
        same_number(f, "total", (unsigned)(file.len - q.trailing_n));
        if (q.header.body == CLO_QUOTE_BODY_SGX)
            same_enclave(f, &q);
        else
            same_td(f, &q);
        same_platform(f, &q);
        clo_buf_clear(&file);
        quotes++;
    }
    assert_true(quotes >= 18);
    json_decref(doc);
}

/* COS 113's log holds what RTMR0 to 3 say. */
static void a_recorded_event_log_replays(void **state)
{
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    struct setting s;

    (void)state;
    setting_make(&s, TDX "v4_gcp_cos113_8000.bin", NONE, MAR_2026, NULL, NULL);
    file_read(TDX "v4_gcp_cos113.ccel.bin", &s.ccel);
    s.in.event_log = s.ccel.p;
    s.in.event_log_n = s.ccel.len;
    appraise(&s, &vb, &hw);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_TDX_EVENT_LOG), CLOISTER_CHECK_PASS);
    assert_true(hw.measured);
    setting_clear(&s);

    setting_make(&s, TDX "v4_prem_nonce.bin", NONE, MAR_2026, NULL, NULL);
    file_read(TDX "v4_gcp_cos113.ccel.bin", &s.ccel);
    s.in.event_log = s.ccel.p;
    s.in.event_log_n = s.ccel.len;
    appraise(&s, &vb, &hw);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_TDX_EVENT_LOG), CLOISTER_CHECK_FAIL);
    setting_clear(&s);
}

static void own_root(struct setting *s, const char *file)
{
    struct clo_buf f, der = {0};

    file_read(file, &f);
    assert_int_equal(certificates(&f, &der, 1), 1);
    assert_int_equal(cloister_roots_new(&s->roots), 0);
    assert_int_equal(cloister_roots_add_intel(s->roots, der.p, der.len), 0);
    clo_buf_clear(&f);
    clo_buf_clear(&der);
}

/* Its TD is all zero, and its SVNs don't fit in a byte: what can hold is what keys vouch for. */
static void intels_tdx_sample_is_authentic_under_its_own_root(void **state)
{
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    struct setting s;
    char got[2048];

    (void)state;
    setting_make(&s, "intel-qvl-sample/tdx/quote.dat", QVL_TDX, MAR_2026, NULL, NULL);
    own_root(&s, "intel-qvl-sample/tdx/trustedRootCaCert.pem");
    appraise(&s, &vb, &hw);
    assert_true(hw.authentic && !hw.bound);
    names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, "quote.collateral quote.qe_identity tdx.attributes tdx.xfam");
    setting_clear(&s);
}

static void intels_sgx_sample_needs_its_chain_from_beside(void **state)
{
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    struct setting s;
    struct clo_buf f;
    char got[2048];

    (void)state;
    setting_make(&s, "intel-qvl-sample/sgx/quote.dat", QVL_SGX, 1700000000, NULL, NULL);
    own_root(&s, "intel-qvl-sample/sgx/trustedRootCaCert.pem");
    appraise(&s, &vb, &hw);
    assert_false(hw.authentic);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_QUOTE_CHAIN_PRESENT),
                     CLOISTER_CHECK_MISSING);

    file_read("intel-qvl-sample/sgx/pckCert.pem", &f);
    assert_int_equal(certificates(&f, s.chain, 1), 1);
    clo_buf_clear(&f);
    file_read("intel-qvl-sample/sgx/pckSignChain.pem", &f);
    s.in.chain_n = 1 + certificates(&f, s.chain + 1, CLO_CHAIN_MAX - 1);
    clo_buf_clear(&f);
    appraise(&s, &vb, &hw);
    assert_true(hw.authentic);
    names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, "quote.collateral sgx.attributes");
    setting_clear(&s);
}

/* Each root has Intel's names: the built-in one's evidence is nothing under theirs. */
static void real_quotes_are_refused_under_a_samples_root(void **state)
{
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
    struct setting s;

    (void)state;
    setting_make(&s, TDX "v4_phala_uptodate.bin", PHALA_TDX, JUL_2025, NULL, NULL);
    own_root(&s, "intel-qvl-sample/tdx/trustedRootCaCert.pem");
    appraise(&s, &vb, &hw);
    assert_false(hw.authentic);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_QUOTE_ROOT), CLOISTER_CHECK_FAIL);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_QUOTE_COLLATERAL_CHAIN),
                     CLOISTER_CHECK_FAIL);
    setting_clear(&s);
}

/* Every flip in the signed bytes, and in the three signatures and two keys behind them. */
static void a_flipped_bit_of_a_real_quote_is_refused(void **state)
{
    static const struct {
        const char *quote;
        enum collateral collateral;
        int64_t when;
    } of[] = {
        {TDX "v4_phala_uptodate.bin", PHALA_TDX, JUL_2025},
        {TDX "v5_gtg.bin", ARDOTAI_90C06F, MAR_2026},
        {SGX "v3_phala.bin", PHALA_SGX, JUL_2025},
    };
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(of); i++) {
        struct setting s;
        size_t bits;

        setting_make(&s, of[i].quote, of[i].collateral, of[i].when, NULL, NULL);
        bits = 8 * (strstr(of[i].quote, "v3") != NULL ? 432 : 700);
        for (size_t b = i; b < bits; b += 97) {
            s.quote.p[b / 8] ^= (uint8_t)(1u << (b % 8));
            appraise(&s, &vb, &hw);
            assert_false(hw.authentic);
            s.quote.p[b / 8] ^= (uint8_t)(1u << (b % 8));
        }
        appraise(&s, &vb, &hw);
        assert_true(hw.authentic);
        setting_clear(&s);
    }
}

int main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(every_file_is_the_one_that_was_recorded),
        cmocka_unit_test(every_field_is_read_as_others_read_it),
        cmocka_unit_test(a_recorded_event_log_replays),
        cmocka_unit_test(intels_tdx_sample_is_authentic_under_its_own_root),
        cmocka_unit_test(intels_sgx_sample_needs_its_chain_from_beside),
        cmocka_unit_test(real_quotes_are_refused_under_a_samples_root),
        cmocka_unit_test(a_flipped_bit_of_a_real_quote_is_refused),
    };
    struct CMUnitTest tests[CLO_ARRAY_LEN(others) + CLO_ARRAY_LEN(cases)];

    memcpy(tests, others, sizeof others);
    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++)
        tests[CLO_ARRAY_LEN(others) + i] = (struct CMUnitTest){
            cases[i].name, a_case_ends_as_the_table_says, NULL, NULL, (void *)(uintptr_t)&cases[i]};
    return _cmocka_run_group_tests("quotes", tests, CLO_ARRAY_LEN(tests), NULL, NULL);
}
