/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded SEV-SNP reports, certificates and CRLs against snp_table.h: what the verifier must make of each,
 * and of each with one thing changed. A check that fails and isn't named fails the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "attest/snp.h"
#include "snp_table.h"
#include "vectors.h"

#define FILE_MAX 16384

/* ---- files ---- */

struct file {
    uint8_t p[FILE_MAX];
    size_t n;
};

static void file_read(const char *name, struct file *f)
{
    const char *folder = getenv("CLOISTER_VECTORS");
    char path[4096];
    struct stat st;
    FILE *in = NULL;

    if (folder == NULL || stat(folder, &st) != 0)
        skip();
    (void)snprintf(path, sizeof path, "%s/attestation/%s", folder, name);
    in = fopen(path, "rb");
    assert_non_null(in);
    f->n = fread(f->p, 1, sizeof f->p, in);
    assert_true(f->n > 0 && f->n < sizeof f->p);
    assert_int_equal(fclose(in), 0);
}

static void assert_sha256(const struct file *f, const char *hex)
{
    uint8_t digest[32];
    char got[65];

    assert_int_equal(clo_sha256(f->p, f->n, digest), 0);
    clo_hex(digest, 32, got);
    assert_string_equal(got, hex);
}

/* The i-th PEM block as DER: the standard alphabet turned into the other one, line ends and padding dropped. */
static void pem_der(const struct file *f, size_t i, struct clo_buf *ret)
{
    static char text[FILE_MAX];
    char b64[FILE_MAX];
    uint8_t der[FILE_MAX];
    size_t n = 0, der_n = 0;
    char *at = text;

    memcpy(text, f->p, f->n);
    text[f->n] = '\0';
    for (size_t k = 0; k <= i; k++) {
        assert_non_null(at = strstr(at, "-----BEGIN"));
        assert_non_null(at = strchr(at, '\n'));
    }
    for (; *at != '-'; at++) {
        assert_true(*at != '\0');
        if (*at != '\n' && *at != '\r' && *at != '=')
            b64[n++] = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    }
    assert_int_equal(clo_unb64(b64, n, der, sizeof der, &der_n), 0);
    *ret = clo_buf_init(FILE_MAX);
    assert_int_equal(clo_buf_append(ret, der, der_n), 0);
}

static void der_load(const char *name, struct clo_buf *ret)
{
    struct file f;

    file_read(name, &f);
    if (memcmp(f.p, "-----", 5) == 0) {
        pem_der(&f, 0, ret);
        return;
    }
    *ret = clo_buf_init(FILE_MAX);
    assert_int_equal(clo_buf_append(ret, f.p, f.n), 0);
}

/* A product's bundle holds the ASK, the ARK and the ASVK, in this order. */
enum {
    BUNDLE_ASK,
    BUNDLE_ARK,
    BUNDLE_ASVK
};
static void bundle_load(const char *product, size_t which, struct clo_buf *ret)
{
    char name[64];
    struct file f;

    (void)snprintf(name, sizeof name, "snp-roots/%s_ask_ark_asvk.pem", product);
    file_read(name, &f);
    pem_der(&f, which, ret);
}

static const struct snp_vector *vector_find(const char *name)
{
    for (size_t i = 0; i < CLO_ARRAY_LEN(snp_vectors); i++)
        if (strcmp(snp_vectors[i].name, name) == 0)
            return &snp_vectors[i];
    fail_msg("no vector %s", name);
    return NULL;
}

static void report_load(const struct snp_vector *v, struct file *f)
{
    char name[128];

    (void)snprintf(name, sizeof name, "snp/%s.report.bin", v->name);
    file_read(name, f);
    assert_sha256(f, v->report_sha256);
}

/* ---- one appraisal ---- */

struct setting {
    struct file report;
    struct clo_buf chain[2];
    struct clo_snp_input in;
    struct clo_collateral collateral;
    struct cloister_policy *policy;
    struct cloister_roots *roots; /* NULL: the built-in ones */
    uint8_t report_data[64];
    int64_t when;
};

/* The policy's text with " for ' and one edit. */
static struct cloister_policy *policy_make(const char *text, const char *from, const char *to)
{
    struct cloister_policy *p = NULL;
    char s[8192] = "", why[200];
    const char *at = from == NULL ? NULL : strstr(text, from);

    if (from == NULL) {
        (void)snprintf(s, sizeof s, "%s", text);
    } else {
        assert_non_null(at);
        (void)snprintf(s, sizeof s, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    }
    for (char *c = s; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    if (cloister_policy_check(s, strlen(s), why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_int_equal(cloister_policy_parse(s, strlen(s), &p), 0);
    return p;
}

static struct cloister_roots *roots_swapped(const char *product, const char *other)
{
    struct cloister_roots *r = NULL;
    struct clo_buf ark;
    char name[16];

    (void)snprintf(name, sizeof name, "%c%s", product[0] - 'a' + 'A', product + 1);
    bundle_load(other, BUNDLE_ARK, &ark);
    assert_int_equal(cloister_roots_new(&r), 0);
    assert_int_equal(cloister_roots_add_amd(r, name, ark.p, ark.len), 0);
    clo_buf_clear(&ark);
    return r;
}

static void setting_make(const struct snp_case *c, struct setting *s)
{
    const struct snp_vector *v = vector_find(c->vector);
    const char *leaf = c->leaf != NULL ? c->leaf : v->leaf;
    const char *crl = c->crl != NULL ? c->crl : v->product;
    const bool vlek = strstr(v->policy, "vlek") != NULL;

    memset(s, 0, sizeof *s);
    report_load(v, &s->report);
    assert_int_equal(clo_unhex(v->report_data, 128, s->report_data, 64), 0);
    s->report_data[63] ^= c->other_binding;
    s->when = c->when != 0 ? c->when : v->when;
    s->policy = policy_make(v->policy, c->from, c->to);
    if (c->root != NULL)
        s->roots = roots_swapped(v->product, c->root);
    if (leaf != NULL && *leaf != '\0') {
        der_load(leaf, &s->chain[0]);
        bundle_load(c->intermediate != NULL ? c->intermediate : v->product,
                    vlek ? BUNDLE_ASVK : BUNDLE_ASK, &s->chain[1]);
        s->in.chain_n = 2;
    }
    if (*crl != '\0') {
        char name[64];

        (void)snprintf(name, sizeof name, "snp-roots/%s_kds_crl.der", crl);
        der_load(name, &s->collateral.crl[0]);
        s->collateral.crls = 1;
    }
    s->in.report = s->report.p;
    s->in.report_n = s->report.n;
    s->in.chain = s->chain;
    s->in.collateral = &s->collateral;
}

static void setting_clear(struct setting *s)
{
    clo_buf_clear(&s->chain[0]);
    clo_buf_clear(&s->chain[1]);
    clo_collateral_clear(&s->collateral);
    cloister_policy_free(s->policy);
    cloister_roots_free(s->roots);
}

static void appraise(const struct setting *s, struct clo_verdict_builder *vb)
{
    struct clo_snp_input in = s->in;
    struct clo_hw_result hw = {0};

    in.data_check = CLOISTER_CHECK_BINDING_REPORT_DATA;
    in.report_data = s->report_data;
    clo_vb_init(vb);
    assert_int_equal(clo_snp_appraise(&in, s->policy,
                                      s->roots != NULL ? s->roots : cloister_roots_builtin(),
                                      s->when, vb, &hw),
                     0);
}

/* The names of the checks with this status, one space between two. */
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

/* Each snp.* check, and the binding. */
static void assert_every_check_was_made(const struct clo_verdict_builder *vb)
{
    assert_int_not_equal(clo_vb_status(vb, CLOISTER_CHECK_BINDING_REPORT_DATA),
                         CLOISTER_CHECK_NONE);
#define MADE_(number, id, name, title) \
    if (strncmp(name, "snp.", 4) == 0) \
        assert_int_not_equal(clo_vb_status(vb, CLOISTER_CHECK_##id), CLOISTER_CHECK_NONE);
    CLOISTER_CHECK_LIST(MADE_)
#undef MADE_
    assert_false(vb->twice);
}

static void a_case_ends_as_the_table_says(void **state)
{
    const struct snp_case *c = *state;
    struct clo_verdict_builder vb;
    struct setting s;
    char fails[2048], missing[2048];
    const char *outcome;

    setting_make(c, &s);
    appraise(&s, &vb);
    names_with(&vb, CLOISTER_CHECK_FAIL, fails, sizeof fails);
    names_with(&vb, CLOISTER_CHECK_MISSING, missing, sizeof missing);
    outcome = fails[0] != '\0' ? "refused" : missing[0] != '\0' ? "indeterminate" : "verified";
    assert_string_equal(fails, c->fails == NULL ? "" : c->fails);
    assert_string_equal(outcome, c->outcome);
    if (c->lacks != NULL) {
        assert_non_null(strstr(missing, c->lacks));
        assert_true(strstr(missing, "snp.") == strstr(missing, c->lacks));
    }
    assert_every_check_was_made(&vb);
    setting_clear(&s);
}

/* ---- other statements about the files ---- */

static void every_file_is_the_one_that_was_recorded(void **state)
{
    struct file f;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(snp_files); i++) {
        file_read(snp_files[i].file, &f);
        assert_sha256(&f, snp_files[i].sha256);
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(snp_vectors); i++) {
        report_load(&snp_vectors[i], &f);
        if (snp_vectors[i].leaf == NULL)
            continue;
        file_read(snp_vectors[i].leaf, &f);
        assert_sha256(&f, snp_vectors[i].leaf_sha256);
    }
}

static void every_vector_has_a_case_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(snp_vectors); i++) {
        size_t n = 0;

        for (size_t k = 0; k < CLO_ARRAY_LEN(snp_cases); k++)
            n += strcmp(snp_cases[k].vector, snp_vectors[i].name) == 0;
        assert_true(n > 0);
    }
}

static void the_built_in_roots_are_the_recorded_ones(void **state)
{
    static const char *const product[] = {"milan", "genoa", "turin"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(product); i++) {
        const struct clo_root *r = &cloister_roots_builtin()->amd[CLO_SNP_MILAN + i];
        struct clo_buf ark;

        bundle_load(product[i], BUNDLE_ARK, &ark);
        assert_int_equal(ark.len, r->n);
        assert_memory_equal(ark.p, r->der, r->n);
        clo_buf_clear(&ark);
    }
}

/* One bit of every signed byte, and of every byte of the signature. */
static void a_flipped_bit_of_a_real_report_is_refused(void **state)
{
    const struct snp_case c = {.vector = "oak_milan_oc_release_v3"};
    struct clo_verdict_builder vb;
    struct setting s;

    (void)state;
    setting_make(&c, &s);
    for (size_t i = 0; i < CLO_SNP_REPORT_LEN; i++) {
        const uint8_t bit = (uint8_t)(1u << (i * 5 % 8));

        s.report.p[i] ^= bit;
        appraise(&s, &vb);
        s.report.p[i] ^= bit;
        if (i < 0x330)
            assert_true(clo_vb_status(&vb, CLOISTER_CHECK_SNP_SIGNATURE) == CLOISTER_CHECK_FAIL ||
                        clo_vb_status(&vb, CLOISTER_CHECK_SNP_RESERVED) == CLOISTER_CHECK_FAIL);
        else /* not signed, but must be zero */
            assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_SNP_RESERVED), CLOISTER_CHECK_FAIL);
        if (i < CLO_SNP_SIGNED_LEN) {
            assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_SNP_SIGNATURE), CLOISTER_CHECK_FAIL);
            assert_int_not_equal(clo_vb_status(&vb, CLOISTER_CHECK_SNP_MEASUREMENT),
                                 CLOISTER_CHECK_PASS);
        }
    }
    setting_clear(&s);
}

static void both_encodings_of_the_chip_id_are_read(void **state)
{
    static const char *const name[] = {"snp-negative/test-vcek-invalid-legacy.der",
                                       "snp-negative/test-vcek-invalid-new.der"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct clo_snp_endorsement e;
        struct clo_cert *c = NULL;
        struct clo_buf der;

        der_load(name[i], &der);
        assert_int_equal(clo_cert_parse(der.p, der.len, &c), 0);
        clo_snp_endorsement_read(c, &e);
        assert_int_equal(e.hwid_err, 0);
        assert_int_equal(e.hwid_n, 64);
        for (size_t k = 0; k < 8; k++)
            assert_int_equal(e.hwid[k], k);
        assert_int_equal(e.tcb.ucode, i == 0 ? 169 : 30);
        clo_cert_free(c);
        clo_buf_clear(&der);
    }
}

/* Genoa's CRL revokes one intermediate, which isn't recorded; the others aren't on it. */
static void the_recorded_crls_are_their_roots(void **state)
{
    static const char *const product[] = {"milan", "genoa"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct clo_root *r = &cloister_roots_builtin()->amd[CLO_SNP_MILAN + i];
        const struct clo_root *other = &cloister_roots_builtin()->amd[CLO_SNP_GENOA - i];
        struct clo_cert *root = NULL, *wrong = NULL, *ask = NULL;
        struct clo_buf der, ask_der;
        struct clo_crl *crl = NULL;
        char name[64];

        (void)snprintf(name, sizeof name, "snp-roots/%s_kds_crl.der", product[i]);
        der_load(name, &der);
        bundle_load(product[i], BUNDLE_ASK, &ask_der);
        assert_int_equal(clo_crl_parse(der.p, der.len, &crl), 0);
        assert_int_equal(clo_cert_parse(r->der, r->n, &root), 0);
        assert_int_equal(clo_cert_parse(other->der, other->n, &wrong), 0);
        assert_int_equal(clo_cert_parse(ask_der.p, ask_der.len, &ask), 0);
        assert_int_equal(clo_crl_signed_by(crl, root, CLO_SIG_RSA_PSS_SHA384), 0);
        assert_int_equal(clo_crl_signed_by(crl, wrong, CLO_SIG_RSA_PSS_SHA384), CLOISTER_E_AUTH);
        assert_false(clo_crl_revokes(crl, ask));
        clo_crl_free(crl);
        clo_cert_free(root);
        clo_cert_free(wrong);
        clo_cert_free(ask);
        clo_buf_clear(&der);
        clo_buf_clear(&ask_der);
    }
}

/* A small authority of another kind (ECDSA P-256): its list revokes, but isn't of AMD's profile. */
static void a_listed_serial_number_is_revoked(void **state)
{
    struct clo_buf ca_der, leaf_der, crl_der;
    struct clo_cert *ca = NULL, *leaf = NULL;
    struct clo_crl *crl = NULL;

    (void)state;
    der_load("x509-negative/prem_ca_cert.pem", &ca_der);
    der_load("x509-negative/prem_revoked_cert.pem", &leaf_der);
    der_load("x509-negative/prem_ca_crl.pem", &crl_der);
    assert_int_equal(clo_cert_parse(ca_der.p, ca_der.len, &ca), 0);
    assert_int_equal(clo_cert_parse(leaf_der.p, leaf_der.len, &leaf), 0);
    assert_int_equal(clo_crl_parse(crl_der.p, crl_der.len, &crl), 0);
    assert_true(clo_crl_revokes(crl, leaf));
    assert_false(clo_crl_revokes(crl, ca));
    assert_int_equal(clo_crl_signed_by(crl, ca, CLO_SIG_RSA_PSS_SHA384), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(clo_cert_signed_by(leaf, ca, CLO_SIG_RSA_PSS_SHA384), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(clo_crl_this_update(crl), 1771367997); /* 2026-02-17T22:39:57Z */
    assert_int_equal(clo_crl_next_update(crl), 1773960057); /* 2026-03-19T22:40:57Z */
    clo_crl_free(crl);
    clo_cert_free(ca);
    clo_cert_free(leaf);
    clo_buf_clear(&ca_der);
    clo_buf_clear(&leaf_der);
    clo_buf_clear(&crl_der);
}

/* ---- what other readers found in the files ---- */

static void same_number(uint64_t ours, const json_t *fields, const char *name)
{
    const json_t *v = json_object_get(fields, name);

    assert_non_null(v);
    if (json_is_string(v))
        assert_int_equal(ours, strtoull(json_string_value(v), NULL, 16));
    else
        assert_int_equal(ours, json_integer_value(v));
}

/* Zeros are not listed. */
static void same_bytes(const uint8_t *ours, size_t n, const json_t *fields, const char *name)
{
    const json_t *v = json_object_get(fields, name);
    uint8_t want[64] = {0};

    if (v != NULL)
        assert_int_equal(clo_unhex(json_string_value(v), json_string_length(v), want, n), 0);
    assert_memory_equal(ours, want, n);
}

/* TCB_VERSION is listed as bytes. */
static void same_tcb(uint64_t ours, const json_t *fields, const char *name)
{
    struct vec v = vec_hex(fields, name);

    assert_int_equal(v.n, 8);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(v.p[i], ours >> (8 * i) & 0xff);
}

static void same_version(const struct clo_snp_firmware *f, const json_t *fields, const char *name)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%u.%u.%u", f->major, f->minor, f->build);
    assert_string_equal(text, vec_str(fields, name));
}

static void same_report(const struct file *f, const json_t *fields)
{
    struct clo_snp_report r;
    struct vec fms;

    assert_int_equal(clo_snp_report_parse(f->p, f->n, &r), 0);
    assert_true(r.reserved_zero);
    same_number(r.version, fields, "version");
    same_number(r.guest_svn, fields, "guest_svn");
    same_number(r.policy, fields, "policy");
    same_number(r.vmpl, fields, "vmpl");
    same_number(r.platform_info, fields, "platform_info");
    same_number(r.flags, fields, "flags");
    same_number(r.launch_mit, fields, "launch_mit");
    same_number(r.current_mit, fields, "current_mit");
    same_tcb(r.current_tcb, fields, "current_tcb");
    same_tcb(r.reported_tcb, fields, "reported_tcb");
    same_tcb(r.committed_tcb, fields, "committed_tcb");
    same_tcb(r.launch_tcb, fields, "launch_tcb");
    same_version(&r.current, fields, "current_ver");
    same_version(&r.committed, fields, "committed_ver");
    same_bytes(r.report_data, 64, fields, "report_data");
    same_bytes(r.measurement, 48, fields, "measurement");
    same_bytes(r.host_data, 32, fields, "host_data");
    same_bytes(r.id_key_digest, 48, fields, "id_key_digest");
    same_bytes(r.chip_id, 64, fields, "chip_id");
    fms = vec_hex(fields, "fms");
    assert_int_equal(r.family, fms.p[0]);
    assert_int_equal(r.model, fms.p[1]);
}

static void same_level(const json_t *levels, const char *name, uint8_t ours)
{
    if (json_object_get(levels, name) == NULL)
        assert_int_equal(ours, 0);
    else
        same_number(ours, levels, name);
}

static void same_certificate(const char *name, const json_t *fields)
{
    const json_t *levels = json_object_get(fields, "tcb_exts");
    const char *product = vec_str(fields, "product");
    struct clo_snp_endorsement e;
    struct clo_cert *c = NULL;
    struct clo_buf der;

    der_load(name, &der);
    assert_int_equal(clo_cert_parse(der.p, der.len, &c), 0);
    clo_snp_endorsement_read(c, &e);
    assert_int_equal(e.product_err, 0);
    assert_int_equal(strncmp(clo_snp_product_name(e.product), product, 5), 0);
    same_number(e.struct_version, fields, "structVersion");
    assert_int_equal(e.tcb_err, 0);
    same_level(levels, "3.1", e.tcb.bl);
    same_level(levels, "3.2", e.tcb.tee);
    same_level(levels, "3.3", e.tcb.snp);
    same_level(levels, "3.8", e.tcb.ucode);
    same_level(levels, "3.9", e.tcb.fmc);
    if (json_is_string(json_object_get(fields, "csp_id"))) {
        assert_string_equal(e.csp_id, vec_str(fields, "csp_id"));
        assert_int_equal(e.hwid_err, CLOISTER_E_NOT_FOUND);
    } else {
        assert_int_equal(e.csp_err, CLOISTER_E_NOT_FOUND);
        assert_int_equal(e.hwid_err, 0);
        same_number(e.hwid_n, fields, "hwid_len");
        same_bytes(e.hwid, e.hwid_n, fields, "hwid");
    }
    clo_cert_free(c);
    clo_buf_clear(&der);
}

static void every_field_is_read_as_others_read_it(void **state)
{
    json_t *doc = vec_load("attestation/vectors.json");
    size_t reports = 0, certificates = 0;

    (void)state;
    for (size_t i = 0; i < json_array_size(doc); i++) {
        const json_t *v = json_array_get(doc, i), *fields = json_object_get(v, "fields");
        const char *name = vec_str(v, "file");
        struct file f;

        if (strcmp(vec_str(v, "kind"), "snp") != 0 || json_object_size(fields) == 0)
            continue;
        file_read(name, &f);
        assert_sha256(&f, vec_str(v, "sha256"));
        if (strstr(name, ".report.bin") != NULL) {
            same_report(&f, fields);
            reports++;
        } else {
            same_certificate(name, fields);
            certificates++;
        }
    }
    assert_true(reports >= 14 && certificates >= 14);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(every_field_is_read_as_others_read_it),
        cmocka_unit_test(every_file_is_the_one_that_was_recorded),
        cmocka_unit_test(every_vector_has_a_case_of_its_own),
        cmocka_unit_test(the_built_in_roots_are_the_recorded_ones),
        cmocka_unit_test(a_flipped_bit_of_a_real_report_is_refused),
        cmocka_unit_test(both_encodings_of_the_chip_id_are_read),
        cmocka_unit_test(the_recorded_crls_are_their_roots),
        cmocka_unit_test(a_listed_serial_number_is_revoked),
    };
    struct CMUnitTest tests[CLO_ARRAY_LEN(others) + CLO_ARRAY_LEN(snp_cases)];

    memcpy(tests, others, sizeof others);
    for (size_t i = 0; i < CLO_ARRAY_LEN(snp_cases); i++)
        tests[CLO_ARRAY_LEN(others) + i] = (struct CMUnitTest){
            snp_cases[i].name, a_case_ends_as_the_table_says, NULL, NULL,
            (void *)(uintptr_t)&snp_cases[i]};
    return _cmocka_run_group_tests("snp", tests, CLO_ARRAY_LEN(tests), NULL, NULL);
}
