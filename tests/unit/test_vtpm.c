/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Azure's evidence made by a real TPM (swtpm): an attestation key at Azure's handle, an envelope in Azure's NV index with a synthetic
 * hardware report over runtime data that name this key. What the maker gives has to verify; and under every fault it gives an
 * error, and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
#include <cmocka.h>

#include "lab/snp.h"
#include "lab/azure.h"
#include "platform/maker.h"
#include "platform/tpm_device.h"
#include "support/fake_tpm.h"

#define AK_HANDLE   0x81000003u
#define ALL_PCRS    0xffffffu
#define NV_MAX      2048 /* swtpm's largest index */
#define AZURE_INDEX 2600 /* Azure's */

static struct {
    EVP_PKEY *ak;
    struct snp_recipe snp;
    uint8_t small[3 * CLO_HCL_MAX], azure[3 * CLO_HCL_MAX], tdx[3 * CLO_HCL_MAX],
        other[3 * CLO_HCL_MAX]; /* of Azure's length, with other runtime data */
    struct clo_buf chain[CLO_CHAIN_MAX];
    struct clo_collateral collateral;
    struct cloister_roots *roots;
    struct cloister_policy *policy;
} world;

static const uint8_t some_data[64] =
    "sixty-four bytes of report data, of which the TPM sees a hash...";

/* ---- the TPM's owner ---- */

static void pcr_extend(ESYS_CONTEXT *esys, ESYS_TR pcr)
{
    TPML_DIGEST_VALUES v = {.count = 1, .digests[0].hashAlg = TPM2_ALG_SHA256};

    memset(v.digests[0].digest.sha256, 0x77, 32);
    assert_int_equal(Esys_PCR_Extend(esys, pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &v),
                     0);
}

/* swtpm forgets its PCRs when it dies. */
static void begin(void)
{
    struct clo_tpm_device d;

    assert_true(fake_tpm_start());
    assert_int_equal(clo_tpm_device_open(&d), 0);
    pcr_extend(d.esys, ESYS_TR_PCR4);
    pcr_extend(d.esys, ESYS_TR_PCR7);
    pcr_extend(d.esys, ESYS_TR_PCR7);
    clo_tpm_device_close(&d);
}

static void evict(ESYS_CONTEXT *esys, ESYS_TR object)
{
    ESYS_TR made = ESYS_TR_NONE;

    assert_int_equal(Esys_EvictControl(esys, ESYS_TR_RH_OWNER, object, ESYS_TR_PASSWORD,
                                       ESYS_TR_NONE, ESYS_TR_NONE, AK_HANDLE, &made),
                     0);
    if (made != ESYS_TR_NONE)
        assert_int_equal(Esys_TR_Close(esys, &made), 0);
}

static void ak_remove(void)
{
    struct clo_tpm_device d;
    ESYS_TR ak;

    assert_int_equal(clo_tpm_device_open(&d), 0);
    if (Esys_TR_FromTPMPublic(d.esys, AK_HANDLE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &ak) ==
        0)
        evict(d.esys, ak);
    clo_tpm_device_close(&d);
}

/* The same seed makes the same key; unique: another one. */
static EVP_PKEY *ak_make(TPMI_ALG_PUBLIC type, uint8_t unique)
{
    TPM2B_PUBLIC in = {.publicArea = {
                           .type = type,
                           .nameAlg = TPM2_ALG_SHA256,
                           .objectAttributes = TL_RESTRICTED | TPMA_OBJECT_NODA,
                       }};
    TPMT_PUBLIC *t = &in.publicArea;
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPML_PCR_SELECTION none = {0};
    const TPM2B_DATA outside = {0};
    uint8_t n[256], e[] = {1, 0, 1};
    TPM2B_PUBLIC *out = NULL;
    struct clo_tpm_device d;
    EVP_PKEY *ret = NULL;
    ESYS_TR key;

    if (type == TPM2_ALG_RSA) {
        t->parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
        t->parameters.rsaDetail.scheme.scheme = TPM2_ALG_RSASSA;
        t->parameters.rsaDetail.scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;
        t->parameters.rsaDetail.keyBits = 2048;
        t->unique.rsa.size = 1;
        t->unique.rsa.buffer[0] = unique;
    } else {
        t->parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
        t->parameters.eccDetail.scheme.scheme = TPM2_ALG_ECDSA;
        t->parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
        t->parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
        t->parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
    }
    ak_remove();
    assert_int_equal(clo_tpm_device_open(&d), 0);
    assert_int_equal(Esys_CreatePrimary(d.esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                        ESYS_TR_NONE, &sensitive, &in, &outside, &none, &key, &out,
                                        NULL, NULL, NULL),
                     0);
    evict(d.esys, key);
    assert_int_equal(Esys_FlushContext(d.esys, key), 0);
    clo_tpm_device_close(&d);
    if (type == TPM2_ALG_RSA) {
        OSSL_PARAM param[3] = {OSSL_PARAM_END, OSSL_PARAM_END, OSSL_PARAM_END};
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);

        assert_int_equal(out->publicArea.unique.rsa.size, sizeof n);
        for (size_t i = 0; i < sizeof n; i++) /* OSSL_PARAM's numbers are little-endian here */
            n[i] = out->publicArea.unique.rsa.buffer[sizeof n - 1 - i];
        param[0] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, sizeof n);
        param[1] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e, sizeof e);
        assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
        assert_int_equal(EVP_PKEY_fromdata(ctx, &ret, EVP_PKEY_PUBLIC_KEY, param), 1);
        EVP_PKEY_CTX_free(ctx);
    }
    Esys_Free(out);
    return ret;
}

static void index_remove(void)
{
    struct clo_tpm_device d;
    ESYS_TR nv;

    assert_int_equal(clo_tpm_device_open(&d), 0);
    if (Esys_TR_FromTPMPublic(d.esys, FAKE_TPM_INDEX, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              &nv) == 0)
        assert_int_equal(Esys_NV_UndefineSpace(d.esys, ESYS_TR_RH_OWNER, nv, ESYS_TR_PASSWORD,
                                               ESYS_TR_NONE, ESYS_TR_NONE),
                         0);
    clo_tpm_device_close(&d);
}

/* p NULL: it is never written. */
static void index_make(const uint8_t *p, size_t n, TPMA_NV more)
{
    const TPM2B_NV_PUBLIC public = {
        .nvPublic = {
            .nvIndex = FAKE_TPM_INDEX,
            .nameAlg = TPM2_ALG_SHA256,
            .attributes = TPMA_NV_OWNERWRITE | TPMA_NV_AUTHWRITE | TPMA_NV_NO_DA | more,
            .dataSize = (uint16_t)n,
        }};
    const TPM2B_AUTH none = {0};
    struct clo_tpm_device d;
    ESYS_TR nv;

    index_remove();
    assert_int_equal(clo_tpm_device_open(&d), 0);
    assert_int_equal(Esys_NV_DefineSpace(d.esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                         ESYS_TR_NONE, &none, &public, &nv),
                     0);
    for (size_t at = 0; p != NULL && at < n;) {
        TPM2B_MAX_NV_BUFFER b = {.size = (uint16_t)(n - at < 512 ? n - at : 512)};

        memcpy(b.buffer, p + at, b.size);
        assert_int_equal(Esys_NV_Write(d.esys, ESYS_TR_RH_OWNER, nv, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                       ESYS_TR_NONE, &b, (uint16_t)at),
                         0);
        at += b.size;
    }
    clo_tpm_device_close(&d);
}

static void owner_auth(const char *from, const char *to)
{
    TPM2B_AUTH now = {.size = (uint16_t)strlen(from)}, next = {.size = (uint16_t)strlen(to)};
    struct clo_tpm_device d;

    memcpy(now.buffer, from, now.size);
    memcpy(next.buffer, to, next.size);
    assert_int_equal(clo_tpm_device_open(&d), 0);
    assert_int_equal(Esys_TR_SetAuth(d.esys, ESYS_TR_RH_OWNER, &now), 0);
    assert_int_equal(Esys_HierarchyChangeAuth(d.esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
                                              ESYS_TR_NONE, ESYS_TR_NONE, &next),
                     0);
    clo_tpm_device_close(&d);
}

/* ---- the laboratory ---- */

#define ENCRYPTION_KEY ",{'kid':'HCLEkPub','key_ops':['encrypt'],'kty':'RSA','e':'AQAB','n':'%s'}"

/* Of exactly n bytes. */
static void envelope_of(struct azure_recipe *r, size_t n, uint8_t dst[3 * CLO_HCL_MAX])
{
    uint8_t report[CLO_SNP_REPORT_LEN];
    char json[CLO_HCL_MAX];
    size_t json_n;

    r->ak = world.ak;
    json_n = azure_lab_json(r, json, sizeof json);
    assert_true(0x4d4 + json_n <= n);
    r->more = n - 0x4d4 - json_n;
    azure_lab_covered(r, json, json_n, world.snp.report + 0x50);
    snp_lab_sign(&world.snp, report);
    assert_int_equal(azure_lab_envelope(r, json, json_n, report, dst), n);
}

static void policy_of(struct snp_recipe *snp)
{
    uint8_t once[64] = {0}, twice[64] = {0};
    char text[400], hex[2][65];

    memset(once + 32, 0x77, 32);
    memset(twice + 32, 0x77, 32);
    assert_int_equal(clo_sha256(once, 64, once), 0);
    memcpy(twice, once, 32);
    assert_int_equal(clo_sha256(twice, 64, twice), 0);
    for (size_t i = 0; i < 32; i++) {
        (void)snprintf(hex[0] + 2 * i, 3, "%02x", once[i]);
        (void)snprintf(hex[1] + 2 * i, 3, "%02x", twice[i]);
    }
    (void)snprintf(text, sizeof text, "'azure':{},'tpm':{'pcrs':[{'4':'%s','7':'%s'}]},'devices'",
                   hex[0], hex[1]);
    snp_policy_edit(snp, "'sev-snp'", "'sev-snp-azure'");
    snp_policy_edit(snp, "'devices'", text);
}

static int world_open(void **state)
{
    struct azure_recipe r;

    if (snp_lab_open(state) != 0)
        return -1;
    fake_tpm_calm();
    begin();
    world.ak = ak_make(TPM2_ALG_RSA, 0);
    world.snp = snp_lab_good();
    policy_of(&world.snp);
    r = azure_lab_good(false);
    envelope_of(&r, AZURE_INDEX, world.azure);
    azure_edit(&r, "'user-data':'00'", "'user-data':'01'");
    envelope_of(&r, AZURE_INDEX, world.other);
    r = azure_lab_good(true);
    envelope_of(&r, AZURE_INDEX, world.tdx);
    r = azure_lab_good(false);
    azure_edit(&r, ENCRYPTION_KEY, "");
    envelope_of(&r, NV_MAX, world.small);
    index_make(world.small, NV_MAX, TPMA_NV_OWNERREAD);
    snp_lab_chain(&world.snp, world.chain);
    snp_lab_crl(&world.snp, &world.collateral);
    world.roots = snp_lab_roots(&world.snp);
    world.policy = snp_lab_policy(&world.snp);
    return 0;
}

static int world_close(void **state)
{
    fake_tpm_stop();
    EVP_PKEY_free(world.ak);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&world.chain[i]);
    clo_collateral_clear(&world.collateral);
    cloister_roots_free(world.roots);
    cloister_policy_free(world.policy);
    return snp_lab_close(state);
}

static int calm(void **state)
{
    (void)state;
    fake_tpm_calm();
    return 0;
}

/* The device is closed again, whatever happened. */
static int try_new(uint32_t pcrs, struct clo_maker **ret)
{
    const int err = clo_maker_vtpm_new(pcrs, ret);

    assert_int_equal(fake_tpm.opened, fake_tpm.closed);
    return err;
}

static int try_report(struct clo_maker *m, const uint8_t data[64], struct clo_cpu_section *c)
{
    static const struct clo_cpu_section nothing;
    int err;

    memset(c, 0, sizeof *c);
    err = m->ops->report(m, data, c);
    assert_int_equal(fake_tpm.opened, fake_tpm.closed);
    if (err != 0)
        assert_memory_equal(c, &nothing, sizeof nothing);
    return err;
}

static struct clo_maker *maker(void)
{
    struct clo_maker *m = NULL;

    assert_int_equal(try_new(ALL_PCRS, &m), 0);
    fake_tpm.commands = 0;
    return m;
}

static void azures_index(void)
{
    fake_tpm.envelope = world.azure;
    fake_tpm.envelope_n = AZURE_INDEX;
}

static enum cloister_outcome judged(const struct clo_cpu_section *c, const uint8_t data[64])
{
    const struct {
        enum cloister_raw_item item;
        const struct clo_buf *b;
    } item[] = {
        {CLOISTER_ITEM_REPORT, &c->hcl},
        {CLOISTER_ITEM_TPM_QUOTE, &c->tpm_quote},
        {CLOISTER_ITEM_TPM_SIGNATURE, &c->tpm_signature},
        {CLOISTER_ITEM_PCRS, &c->pcrs},
        {CLOISTER_ITEM_CERTIFICATES, &world.chain[0]},
        {CLOISTER_ITEM_CERTIFICATES, &world.chain[1]},
        {CLOISTER_ITEM_CRL, &world.collateral.crl[0]},
    };
    struct cloister_verdict v = {0};
    struct cloister_raw *raw = NULL;
    uint8_t expected[32];
    int err;

    assert_int_equal(clo_sha256(data, 64, expected), 0);
    assert_int_equal(cloister_raw_new(CLOISTER_RAW_AZURE, &raw), 0);
    for (size_t i = 0; i < CLO_ARRAY_LEN(item); i++)
        assert_int_equal(cloister_raw_add(raw, item[i].item, item[i].b->p, item[i].b->len), 0);
    assert_int_equal(cloister_raw_expect(raw, expected, sizeof expected), 0);
    err = cloister_raw_appraise(raw, world.policy, world.roots, LAB_NOW, &v);
    assert_int_equal(err == 0, v.outcome == CLOISTER_VERIFIED);
    cloister_raw_free(raw);
    return v.outcome;
}

static void assert_verified(const struct clo_cpu_section *c, const uint8_t data[64])
{
    assert_int_equal(judged(c, data), CLOISTER_VERIFIED);
}

static void assert_report(int want)
{
    struct clo_maker *m = maker();
    struct clo_cpu_section c;

    assert_int_equal(try_report(m, some_data, &c), want);
    if (want == 0)
        assert_verified(&c, some_data);
    clo_cpu_section_clear(&c);
    clo_maker_free(m);
}

static void assert_new(int want)
{
    struct clo_maker *m = NULL;

    assert_int_equal(try_new(ALL_PCRS, &m), want);
    if (want != 0)
        assert_null(m);
    clo_maker_free(m);
}

/* Opened without a fault; then the fault. */
static void assert_faulty_report(struct fake_tpm f, int want)
{
    struct clo_maker *m = maker();
    struct clo_cpu_section c;

    fake_tpm.at = f.at;
    fake_tpm.skip = f.skip;
    fake_tpm.times = f.times;
    fake_tpm.fault = f.fault;
    fake_tpm.arg = f.arg;
    fake_tpm.met = 0;
    assert_int_equal(try_report(m, some_data, &c), want);
    assert_true(fake_tpm.met > 0);
    fake_tpm.fault = FAKE_TPM_NONE;
    if (want == 0)
        assert_verified(&c, some_data);
    clo_cpu_section_clear(&c);
    clo_maker_free(m);
}

/* ---- what is right ---- */

static void evidence_of_a_tpm_is_verified(void **state)
{
    struct clo_maker *m = maker();
    struct clo_cpu_section c;

    (void)state;
    assert_string_equal(m->ops->type, "sev-snp-azure");
    assert_int_equal(try_report(m, some_data, &c), 0);
    assert_string_equal(c.type, "sev-snp-azure");
    assert_int_equal(c.hcl.len, NV_MAX);
    assert_memory_equal(c.hcl.p, world.small, NV_MAX);
    assert_int_equal(c.pcrs.len, 24 * 32);
    assert_int_equal(c.chain_n + c.report_n + c.quote.len + c.event_log.len, 0);
    assert_verified(&c, some_data);
    clo_cpu_section_clear(&c);
    clo_maker_free(m);
}

static void an_index_of_azures_size_is_read_in_pieces(void **state)
{
    struct clo_maker *m;
    struct clo_cpu_section c;

    (void)state;
    azures_index();
    m = maker();
    assert_int_equal(try_report(m, some_data, &c), 0);
    assert_int_equal(c.hcl.len, AZURE_INDEX);
    assert_memory_equal(c.hcl.p, world.azure, AZURE_INDEX);
    assert_verified(&c, some_data);
    clo_cpu_section_clear(&c);
    clo_maker_free(m);
}

static void each_report_is_over_its_own_data_alone(void **state)
{
    struct clo_maker *m = maker();
    struct clo_cpu_section c[2];
    uint8_t data[2][64];

    (void)state;
    memcpy(data[0], some_data, 64);
    memcpy(data[1], some_data, 64);
    data[1][63] ^= 1;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(try_report(m, data[i], &c[i]), 0);
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 2; k++)
            assert_int_equal(judged(&c[i], data[k]), i == k ? CLOISTER_VERIFIED : CLOISTER_REFUSED);
    for (size_t i = 0; i < 2; i++)
        clo_cpu_section_clear(&c[i]);
    clo_maker_free(m);
}

static void what_is_quoted_is_what_was_asked_for(void **state)
{
    static const uint32_t pcrs[] = {1, 1u << 23, 1u << 4 | 1u << 7, 0x0001ff, 0xff00ff, 0xffffff};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(pcrs); i++) {
        struct clo_maker *m = NULL;
        struct clo_cpu_section c;
        struct clo_tpm_quote q;

        assert_int_equal(try_new(pcrs[i], &m), 0);
        assert_int_equal(try_report(m, some_data, &c), 0);
        assert_int_equal(c.pcrs.len, 32 * __builtin_popcount(pcrs[i]));
        assert_int_equal(clo_tpm_quote_parse(c.tpm_quote.p, c.tpm_quote.len, &q), 0);
        assert_int_equal(q.bank[0].pcrs, pcrs[i]);
        clo_cpu_section_clear(&c);
        clo_maker_free(m);
    }
}

static void pcrs_that_there_are_not_are_the_callers_mistake(void **state)
{
    struct clo_maker *m = NULL;

    (void)state;
    assert_int_equal(try_new(0, &m), CLOISTER_E_ARGUMENT);
    assert_int_equal(try_new(1u << 24, &m), CLOISTER_E_ARGUMENT);
    assert_int_equal(try_new(UINT32_MAX, &m), CLOISTER_E_ARGUMENT);
    assert_null(m);
    assert_int_equal(fake_tpm.opened, 0);
}

static void the_section_lacks_only_what_others_know(void **state)
{
    struct clo_maker *m = maker();
    struct clo_buf out = clo_buf_init(CLO_SECTION_MAX);
    struct clo_cpu_section c, back;

    (void)state;
    assert_int_equal(try_report(m, some_data, &c), 0);
    c.chain[0] = world.chain[0];
    c.chain[1] = world.chain[1];
    c.chain_n = 2;
    assert_int_equal(clo_cpu_section_write(&c, &out), 0);
    assert_int_equal(clo_cpu_section_parse(out.p, out.len, &back), 0);
    assert_int_equal(back.kind, CLO_CPU_SNP_AZURE);
    assert_memory_equal(back.tpm_signature.p, c.tpm_signature.p, c.tpm_signature.len);
    c.chain_n = 0;
    clo_cpu_section_clear(&back);
    clo_cpu_section_clear(&c);
    clo_buf_clear(&out);
    clo_maker_free(m);
}

static void an_envelope_with_a_tdreport_makes_it_tdx(void **state)
{
    static const uint8_t td_quote[] = "a signed quote, which somebody else has to fetch";
    struct clo_buf out = clo_buf_init(CLO_SECTION_MAX);
    struct clo_cpu_section c, back;
    struct clo_maker *m;

    (void)state;
    azures_index();
    fake_tpm.envelope = world.tdx;
    m = maker();
    assert_string_equal(m->ops->type, "tdx-azure");
    assert_int_equal(try_report(m, some_data, &c), 0);
    assert_int_equal(c.quote.len, 0);
    assert_memory_equal(c.hcl.p, world.tdx, AZURE_INDEX);
    assert_int_equal(clo_cpu_section_write(&c, &out), CLOISTER_E_ARGUMENT);
    c.quote = clo_buf_init(CLO_QUOTE_MAX);
    assert_int_equal(clo_buf_append(&c.quote, td_quote, sizeof td_quote), 0);
    clo_buf_clear(&out);
    assert_int_equal(clo_cpu_section_write(&c, &out), 0);
    assert_int_equal(clo_cpu_section_parse(out.p, out.len, &back), 0);
    assert_int_equal(back.kind, CLO_CPU_TDX_AZURE);
    clo_cpu_section_clear(&back);
    clo_cpu_section_clear(&c);
    clo_buf_clear(&out);
    /* The same machine can't become one of the other kind. */
    fake_tpm.envelope = world.azure;
    assert_int_equal(try_report(m, some_data, &c), CLOISTER_E_MALFORMED);
    clo_maker_free(m);
}

/* ---- what isn't there ---- */

static void a_device_that_does_not_open_says_why(void **state)
{
    static const struct {
        int e, want;
    } row[] = {
        {ENOENT, CLOISTER_E_NOT_FOUND}, {ENODEV, CLOISTER_E_NOT_FOUND},
        {ENXIO, CLOISTER_E_NOT_FOUND},  {EACCES, CLOISTER_E_PERMISSION},
        {EPERM, CLOISTER_E_PERMISSION}, {EROFS, CLOISTER_E_PERMISSION},
        {EBUSY, CLOISTER_E_BUSY},       {ENOMEM, CLOISTER_E_MEMORY},
        {EIO, CLOISTER_E_IO},           {EMFILE, CLOISTER_E_IO},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(row); i++) {
        struct clo_maker *m;
        struct clo_cpu_section c;

        fake_tpm_calm();
        m = maker();
        fake_tpm.open_errno = row[i].e;
        assert_new(row[i].want);
        assert_int_equal(try_report(m, some_data, &c), row[i].want);
        assert_int_equal(fake_tpm.commands, 0);
        clo_maker_free(m);
    }
}

static void a_tpm_that_is_not_azures_is_no_azure(void **state)
{
    struct clo_maker *m = maker();
    struct clo_cpu_section c;

    (void)state;
    index_remove();
    assert_new(CLOISTER_E_NOT_FOUND);
    assert_int_equal(try_report(m, some_data, &c), CLOISTER_E_NOT_FOUND);
    index_make(NULL, NV_MAX, TPMA_NV_OWNERREAD); /* there, and never written */
    assert_new(CLOISTER_E_NOT_FOUND);
    index_make(world.small, NV_MAX, TPMA_NV_OWNERREAD);
    clo_maker_free(m);
    assert_report(0);
}

static void an_index_that_holds_something_else_is_refused(void **state)
{
    struct {
        size_t n, at;
        uint8_t flip;
        int want;
    } row[] = {
        {AZURE_INDEX, 0, 1, CLOISTER_E_UNSUPPORTED}, /* not HCLA */
        {AZURE_INDEX, 3, 0x20, CLOISTER_E_UNSUPPORTED},
        {AZURE_INDEX, 4, 0x40, CLOISTER_E_UNSUPPORTED},  /* version */
        {AZURE_INDEX, 0x4c8, 1, CLOISTER_E_UNSUPPORTED}, /* report type */
        {0x4d3, 0, 0, CLOISTER_E_UNSUPPORTED},
        {64, 0, 0, CLOISTER_E_UNSUPPORTED},
        {0, 0, 0, CLOISTER_E_UNSUPPORTED},
        {CLO_HCL_MAX + 1, 0, 0, CLOISTER_E_UNSUPPORTED},
        {65535, 0, 0, CLOISTER_E_UNSUPPORTED},
        {0x4d4, 0, 0, CLOISTER_E_MALFORMED}, /* cut */
        {2000, 0, 0, CLOISTER_E_MALFORMED},
        {AZURE_INDEX, 0x4c0, 1, CLOISTER_E_MALFORMED}, /* sizes */
        {AZURE_INDEX, 0x70, 1, CLOISTER_E_MALFORMED},  /* report data */
        {AZURE_INDEX, 0x9f, 1, CLOISTER_E_MALFORMED},
        {AZURE_INDEX, 0x600, 1, CLOISTER_E_MALFORMED}, /* runtime data */
        {AZURE_INDEX, AZURE_INDEX - 1, 1, CLOISTER_E_MALFORMED},
        {CLO_HCL_MAX, 0, 0, 0}, /* zeros behind it */
    };
    static uint8_t p[65535];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(row); i++) {
        struct clo_cpu_section c;
        struct clo_maker *m;

        fake_tpm_calm();
        azures_index();
        m = maker();
        memset(p, 0, sizeof p);
        memcpy(p, world.azure, AZURE_INDEX);
        p[row[i].at] ^= row[i].flip;
        fake_tpm.envelope = p;
        fake_tpm.envelope_n = row[i].n;
        assert_new(row[i].want);
        assert_int_equal(try_report(m, some_data, &c), row[i].want);
        clo_cpu_section_clear(&c);
        clo_maker_free(m);
    }
}

static void the_index_is_read_by_whoever_may(void **state)
{
    (void)state;
    azures_index();
    fake_tpm.attributes = TPMA_NV_AUTHREAD | TPMA_NV_WRITTEN;
    assert_report(0);
    fake_tpm.attributes = TPMA_NV_PPREAD | TPMA_NV_WRITTEN;
    assert_new(CLOISTER_E_PERMISSION);
    /* The owner may no longer, after the first piece. */
    fake_tpm.attributes = TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD | TPMA_NV_WRITTEN;
    assert_faulty_report((struct fake_tpm){.at = TPM2_CC_NV_Read,
                                           .skip = 1,
                                           .times = 1,
                                           .fault = FAKE_TPM_CODE,
                                           .arg = TPM2_RC_NV_AUTHORIZATION},
                         0);
    fake_tpm_calm();
    index_make(world.small, NV_MAX, TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD);
    owner_auth("", "somebody's");
    assert_report(0); /* by the index's own */
    owner_auth("somebody's", "");
    index_make(world.small, NV_MAX, TPMA_NV_OWNERREAD);
    owner_auth("", "somebody's");
    assert_new(CLOISTER_E_PERMISSION);
    owner_auth("somebody's", "");
    assert_report(0);
}

static void without_the_attestation_key_there_is_no_report(void **state)
{
    (void)state;
    ak_remove();
    assert_new(0); /* opening asks for none */
    assert_report(CLOISTER_E_NOT_FOUND);
    EVP_PKEY_free(ak_make(TPM2_ALG_RSA, 7)); /* another than the envelope names */
    assert_report(CLOISTER_E_MALFORMED);
    assert_null(ak_make(TPM2_ALG_ECC, 0));
    assert_report(CLOISTER_E_UNSUPPORTED);
    EVP_PKEY_free(ak_make(TPM2_ALG_RSA, 0));
    assert_report(0);
}

/* ---- what changes meanwhile ---- */

static void a_pcr_extended_meanwhile_is_quoted_anew(void **state)
{
    static const struct {
        uint32_t at;
        unsigned skip;
    } row[] = {
        {TPM2_CC_Quote, 0}, /* before its values were read */
        {TPM2_CC_PCR_Read,
         0}, /* between two of three batches: read already, and still to be read */
        {TPM2_CC_PCR_Read, 1},
        {TPM2_CC_PCR_Read, 2}, /* behind the last: too late to matter */
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(row); i++)
        for (uint32_t pcr = 10; pcr <= 23;
             pcr += 13) { /* 10: of the second batch; 23: of the last */
            fake_tpm_calm();
            assert_faulty_report((struct fake_tpm){.at = row[i].at,
                                                   .skip = row[i].skip,
                                                   .times = 1,
                                                   .fault = FAKE_TPM_EXTEND,
                                                   .arg = pcr},
                                 0);
        }
}

/* The TPM says that its PCRs moved, and the rest of them needn't be read. */
static void a_moved_counter_ends_an_attempt(void **state)
{
    unsigned whole, spoiled_attempt;

    (void)state;
    assert_report(0);
    whole = fake_tpm.commands;
    fake_tpm_calm();
    assert_faulty_report((struct fake_tpm){.at = TPM2_CC_PCR_Read,
                                           .times = 1,
                                           .fault = FAKE_TPM_EXTEND,
                                           .arg = 10}, /* one that the counter counts */
                         0);
    spoiled_attempt = fake_tpm.commands - whole;
    assert_int_equal(spoiled_attempt, 4); /* the key's name, a quote, two of three batches */
}

static void pcrs_that_never_hold_still_are_busy(void **state)
{
    (void)state;
    assert_faulty_report(
        (struct fake_tpm){.at = TPM2_CC_Quote, .times = 1000, .fault = FAKE_TPM_EXTEND, .arg = 10},
        CLOISTER_E_BUSY);
    assert_true(fake_tpm.met <= 4);
    fake_tpm_calm();
    assert_faulty_report(
        (struct fake_tpm){
            .at = TPM2_CC_PCR_Read, .times = 1000, .fault = FAKE_TPM_EXTEND, .arg = 23},
        CLOISTER_E_BUSY);
    fake_tpm_calm();
    assert_report(0);
}

static void an_envelope_renewed_between_two_pieces_is_read_anew(void **state)
{
    struct clo_maker *m;
    struct clo_cpu_section c;

    (void)state;
    for (unsigned skip = 0; skip < 3; skip++) {
        fake_tpm_calm();
        azures_index();
        fake_tpm.other = world.other;
        m = maker();
        fake_tpm.at = TPM2_CC_NV_Read;
        fake_tpm.skip = skip;
        fake_tpm.times = 1;
        fake_tpm.fault = FAKE_TPM_SWAP;
        assert_int_equal(try_report(m, some_data, &c), 0);
        assert_int_equal(fake_tpm.met, 1);
        assert_memory_equal(c.hcl.p, skip < 2 ? world.other : world.azure, AZURE_INDEX);
        assert_verified(&c, some_data);
        clo_cpu_section_clear(&c);
        clo_maker_free(m);
    }
}

/* ---- what somebody else asked for ---- */

/* Bits of commands as tss2 sends them, with one empty password. */
#define QUOTED_DATA  (8 * 29)
#define QUOTED_PCRS  (8 * 72)
#define NV_READ_SIZE (8 * 31)

static void a_genuine_quote_over_something_else_is_no_result(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 8 * 32; i += 51) { /* data that an earlier report may have been over */
        fake_tpm_calm();
        assert_faulty_report(
            (struct fake_tpm){
                .at = TPM2_CC_Quote, .times = 1, .fault = FAKE_TPM_ASK, .arg = QUOTED_DATA + i},
            CLOISTER_E_MALFORMED);
    }
    for (uint32_t i = 0; i < 24; i++) { /* without one of the PCRs */
        fake_tpm_calm();
        assert_faulty_report(
            (struct fake_tpm){
                .at = TPM2_CC_Quote, .times = 1, .fault = FAKE_TPM_ASK, .arg = QUOTED_PCRS + i},
            CLOISTER_E_MALFORMED);
    }
}

static void fewer_bytes_than_asked_for_are_no_envelope(void **state)
{
    (void)state;
    for (unsigned skip = 0; skip < 2; skip++) {
        fake_tpm_calm();
        azures_index();
        assert_faulty_report((struct fake_tpm){.at = TPM2_CC_NV_Read,
                                               .skip = skip,
                                               .times = 1000,
                                               .fault = FAKE_TPM_ASK,
                                               .arg = NV_READ_SIZE + 2}, /* 0x400 */
                             CLOISTER_E_MALFORMED);
    }
}

static void a_tpm_that_gives_pieces_of_nothing_is_rubbish(void **state)
{
    (void)state;
    assert_faulty_report((struct fake_tpm){.at = TPM2_CC_GetCapability,
                                           .times = 1000,
                                           .fault = FAKE_TPM_FLIP,
                                           .arg = 8 * 25 + 2}, /* 0x00000400 */
                         CLOISTER_E_MALFORMED);
}

/* ---- what goes wrong ---- */

static void a_tpm_that_asks_to_try_again_is_asked_again(void **state)
{
    static const uint32_t code[] = {TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(code); i++) {
        fake_tpm_calm();
        assert_faulty_report((struct fake_tpm){.times = 3, .fault = FAKE_TPM_CODE, .arg = code[i]},
                             0);
        fake_tpm_calm();
        assert_faulty_report(
            (struct fake_tpm){
                .at = TPM2_CC_Quote, .times = 3, .fault = FAKE_TPM_CODE, .arg = code[i]},
            0);
        fake_tpm_calm();
        assert_faulty_report(
            (struct fake_tpm){.times = 1000, .fault = FAKE_TPM_CODE, .arg = code[i]},
            CLOISTER_E_BUSY);
        assert_true(fake_tpm.met < 50);
        fake_tpm_calm();
        fake_tpm.times = 1000;
        fake_tpm.fault = FAKE_TPM_CODE;
        fake_tpm.arg = code[i];
        assert_new(CLOISTER_E_BUSY);
    }
}

#define H1 (TPM2_RC_H + TPM2_RC_1)
#define P1 (TPM2_RC_P + TPM2_RC_1)
#define S1 (TPM2_RC_S + TPM2_RC_1)

static void response_codes_are_told_apart(void **state)
{
    static const struct {
        uint32_t code;
        int want;
    } row[] = {
        {TPM2_RC_NV_RATE, CLOISTER_E_BUSY},
        {TPM2_RC_LOCKOUT, CLOISTER_E_BUSY},
        {TPM2_RC_NV_UNAVAILABLE, CLOISTER_E_BUSY},
        {TPM2_RC_MEMORY, CLOISTER_E_BUSY},
        {TPM2_RC_OBJECT_MEMORY, CLOISTER_E_BUSY},
        {TPM2_RC_SESSION_MEMORY, CLOISTER_E_BUSY},
        {TPM2_RC_CANCELED, CLOISTER_E_BUSY},
        {TPM2_RC_LOCALITY, CLOISTER_E_PERMISSION},
        {TPM2_RC_REFERENCE_H0, CLOISTER_E_NOT_FOUND},
        {TPM2_RC_REFERENCE_S6, CLOISTER_E_NOT_FOUND},
        {TPM2_RC_HANDLE + H1, CLOISTER_E_NOT_FOUND},
        {TPM2_RC_VALUE + H1, CLOISTER_E_NOT_FOUND},
        {TPM2_RC_VALUE + P1, CLOISTER_E_IO},
        {TPM2_RC_VALUE + S1, CLOISTER_E_IO},
        {TPM2_RC_AUTH_FAIL + S1, CLOISTER_E_PERMISSION},
        {TPM2_RC_BAD_AUTH + S1, CLOISTER_E_PERMISSION},
        {TPM2_RC_POLICY_FAIL + S1, CLOISTER_E_PERMISSION},
        {TPM2_RC_HIERARCHY + H1, CLOISTER_E_PERMISSION},
        {TPM2_RC_NV_AUTHORIZATION, CLOISTER_E_PERMISSION},
        {TPM2_RC_NV_LOCKED, CLOISTER_E_PERMISSION},
        {TPM2_RC_AUTH_UNAVAILABLE, CLOISTER_E_PERMISSION},
        {TPM2_RC_NV_UNINITIALIZED, CLOISTER_E_NOT_FOUND},
        {TPM2_RC_SCHEME + P1 + TPM2_RC_1, CLOISTER_E_UNSUPPORTED},
        {TPM2_RC_KEY + H1, CLOISTER_E_UNSUPPORTED},
        {TPM2_RC_COMMAND_CODE, CLOISTER_E_UNSUPPORTED},
        {TSS2_RESMGR_RC_LAYER | TPM2_RC_COMMAND_CODE,
         CLOISTER_E_UNSUPPORTED}, /* the kernel's own */
        {TSS2_RESMGR_TPM_RC_LAYER | TPM2_RC_COMMAND_CODE, CLOISTER_E_UNSUPPORTED},
        {TPM2_RC_INITIALIZE, CLOISTER_E_DEVICE},
        {TPM2_RC_FAILURE, CLOISTER_E_DEVICE},
        {TPM2_RC_REBOOT, CLOISTER_E_DEVICE},
        {TPM2_RC_COMMAND_SIZE, CLOISTER_E_IO},
        {TPM2_RC_SIZE + P1, CLOISTER_E_IO},
        {TPM2_RC_BAD_TAG, CLOISTER_E_IO},
        {0x0500, CLOISTER_E_IO}, /* a vendor's */
    };
    static const uint32_t at[] = {TPM2_CC_NV_Read, TPM2_CC_Quote, TPM2_CC_PCR_Read};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(row); i++)
        for (size_t k = 0; k < CLO_ARRAY_LEN(at); k++) {
            fake_tpm_calm();
            assert_faulty_report(
                (struct fake_tpm){
                    .at = at[k], .times = 1000, .fault = FAKE_TPM_CODE, .arg = row[i].code},
                row[i].want);
        }
}

/* How many commands a report takes. */
static unsigned dialogue(void)
{
    struct clo_maker *m = maker();
    struct clo_cpu_section c;

    assert_int_equal(try_report(m, some_data, &c), 0);
    clo_cpu_section_clear(&c);
    clo_maker_free(m);
    assert_true(fake_tpm.commands > 8);
    return fake_tpm.commands;
}

static void a_tpm_that_goes_is_an_error_wherever_it_goes(void **state)
{
    const unsigned n = dialogue();

    (void)state;
    for (unsigned i = 0; i < n; i++) {
        fake_tpm_calm();
        assert_faulty_report((struct fake_tpm){.skip = i, .times = 1, .fault = FAKE_TPM_DIE},
                             CLOISTER_E_IO);
        assert_false(fake_tpm_runs());
        fake_tpm_calm();
        assert_new(CLOISTER_E_IO);
        begin();
    }
    assert_report(0); /* it came back */
}

static void a_failing_driver_is_an_error_wherever_it_fails(void **state)
{
    static const struct {
        enum fake_tpm_fault fault;
        int e, want;
    } row[] = {
        {FAKE_TPM_WRITE, EIO, CLOISTER_E_IO},
        {FAKE_TPM_WRITE, EPIPE, CLOISTER_E_IO},
        {FAKE_TPM_WRITE, ENODEV, CLOISTER_E_NOT_FOUND},
        {FAKE_TPM_WRITE, EBUSY, CLOISTER_E_BUSY},
        {FAKE_TPM_READ, EIO, CLOISTER_E_IO},
        {FAKE_TPM_READ, 0, CLOISTER_E_IO},
        {FAKE_TPM_READ, ENODEV, CLOISTER_E_NOT_FOUND},
        {FAKE_TPM_READ, EPERM, CLOISTER_E_PERMISSION},
    };
    const unsigned n = dialogue();

    (void)state;
    for (size_t k = 0; k < CLO_ARRAY_LEN(row); k++)
        for (unsigned i = 0; i < n; i++) {
            fake_tpm_calm();
            assert_faulty_report(
                (struct fake_tpm){
                    .skip = i, .times = 1000, .fault = row[k].fault, .arg = (uint32_t)row[k].e},
                row[k].want);
        }
}

static void an_interrupted_call_is_made_again(void **state)
{
    (void)state;
    assert_faulty_report((struct fake_tpm){.times = 1, .fault = FAKE_TPM_WRITE, .arg = EINTR}, 0);
}

static void a_slow_tpm_is_waited_for(void **state)
{
    (void)state;
    /* Longer than the second after which tss2's own way to the device gives up. */
    assert_faulty_report((struct fake_tpm){.times = 1, .fault = FAKE_TPM_SLOW, .arg = 1200}, 0);
}

static void an_answer_that_is_not_whole_is_rubbish_wherever_it_comes(void **state)
{
    static const uint32_t len[] = {0, 1, 6, 9, 10, 11, 20};
    const unsigned n = dialogue();

    (void)state;
    for (unsigned i = 0; i < n; i++)
        for (size_t k = 0; k < CLO_ARRAY_LEN(len); k++) {
            fake_tpm_calm();
            assert_faulty_report(
                (struct fake_tpm){.skip = i, .times = 1000, .fault = FAKE_TPM_CUT, .arg = len[k]},
                len[k] == 0 ? CLOISTER_E_IO : CLOISTER_E_MALFORMED);
        }
}

/* ---- rubbish, from memory ---- */

/* Under valgrind only every so many-th. */
static size_t stride(void)
{
    const char *s = getenv("CLOISTER_TEST_STRIDE");
    const size_t step = s != NULL ? strtoul(s, NULL, 10) : 1;

    assert_true(step > 0);
    return step;
}

/*
 * What the maker can't see is what only the hardware's signature covers, and gather.h's clo_self_appraise looks at that. All else is as it was
 * asked for, or an error.
 */
static bool same_but_for_the_hardwares(const struct clo_cpu_section *c,
                                       const struct clo_cpu_section *good)
{
    static const struct {
        size_t from, to;
    } kept[] = {{0, 4}, {0x20 + 0x50, 0x20 + 0x90}, {0x4c4, AZURE_INDEX}};

    if (c->hcl.len != good->hcl.len || c->tpm_quote.len != good->tpm_quote.len ||
        c->tpm_signature.len != good->tpm_signature.len || c->pcrs.len != good->pcrs.len)
        return false;
    for (size_t i = 0; i < CLO_ARRAY_LEN(kept); i++)
        if (memcmp(c->hcl.p + kept[i].from, good->hcl.p + kept[i].from,
                   kept[i].to - kept[i].from) != 0)
            return false;
    return memcmp(c->tpm_quote.p, good->tpm_quote.p, c->tpm_quote.len) == 0 &&
           memcmp(c->tpm_signature.p, good->tpm_signature.p, c->tpm_signature.len) == 0 &&
           memcmp(c->pcrs.p, good->pcrs.p, c->pcrs.len) == 0;
}

struct sweep {
    struct clo_maker *m;
    struct clo_cpu_section good;
    size_t refused, harmless;
};

static void spoiled(struct sweep *s, size_t nth, enum fake_tpm_fault fault, uint32_t arg)
{
    struct clo_cpu_section c;

    fake_tpm.skip = (unsigned)nth;
    fake_tpm.fault = fault;
    fake_tpm.arg = arg;
    fake_tpm.met = 0;
    if (try_report(s->m, some_data, &c) != 0) {
        s->refused++;
        return;
    }
    assert_true(fake_tpm.met > 0 || fault == FAKE_TPM_NONE);
    assert_true(same_but_for_the_hardwares(&c, &s->good));
    s->harmless++;
    clo_cpu_section_clear(&c);
}

static void no_rubbish_becomes_evidence(void **state)
{
    char said[1];
    struct sweep s = {0};
    const int err_fd = dup(2);
    FILE *f = tmpfile();

    (void)state;
    azures_index();
    s.m = maker();
    fake_tpm_record();
    assert_int_equal(try_report(s.m, some_data, &s.good), 0);
    assert_true(fake_tpm_recorded() > 8);
    fake_tpm_replay();
    spoiled(&s, 0, FAKE_TPM_NONE, 0);
    assert_non_null(f);
    assert_int_equal(dup2(fileno(f), 2), 2);
    for (size_t i = 0; i < fake_tpm_recorded(); i++) {
        const size_t n = fake_tpm_recorded_len(i);

        for (size_t k = 0; k < n; k += stride()) {
            spoiled(&s, i, FAKE_TPM_FLIP, (uint32_t)(8 * k + k % 8));
            spoiled(&s, i, FAKE_TPM_CUT, (uint32_t)k);
            spoiled(&s, i, FAKE_TPM_CUT_WHOLE, (uint32_t)(k < 10 ? 10 : k));
        }
        for (size_t k = 1; k <= 64; k *= 2)
            spoiled(&s, i, FAKE_TPM_MORE, (uint32_t)k);
    }
    assert_int_equal(dup2(err_fd, 2), 2);
    (void)close(err_fd);
    rewind(f);
    assert_int_equal(fread(said, 1, sizeof said, f), 0); /* and nothing was said */
    (void)fclose(f);
    assert_true(s.refused > s.harmless);
    fake_tpm_forget();
    clo_cpu_section_clear(&s.good);
    clo_maker_free(s.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(evidence_of_a_tpm_is_verified, calm),
        cmocka_unit_test_setup(an_index_of_azures_size_is_read_in_pieces, calm),
        cmocka_unit_test_setup(each_report_is_over_its_own_data_alone, calm),
        cmocka_unit_test_setup(what_is_quoted_is_what_was_asked_for, calm),
        cmocka_unit_test_setup(pcrs_that_there_are_not_are_the_callers_mistake, calm),
        cmocka_unit_test_setup(the_section_lacks_only_what_others_know, calm),
        cmocka_unit_test_setup(an_envelope_with_a_tdreport_makes_it_tdx, calm),
        cmocka_unit_test_setup(a_device_that_does_not_open_says_why, calm),
        cmocka_unit_test_setup(a_tpm_that_is_not_azures_is_no_azure, calm),
        cmocka_unit_test_setup(an_index_that_holds_something_else_is_refused, calm),
        cmocka_unit_test_setup(the_index_is_read_by_whoever_may, calm),
        cmocka_unit_test_setup(without_the_attestation_key_there_is_no_report, calm),
        cmocka_unit_test_setup(a_pcr_extended_meanwhile_is_quoted_anew, calm),
        cmocka_unit_test_setup(a_moved_counter_ends_an_attempt, calm),
        cmocka_unit_test_setup(pcrs_that_never_hold_still_are_busy, calm),
        cmocka_unit_test_setup(an_envelope_renewed_between_two_pieces_is_read_anew, calm),
        cmocka_unit_test_setup(a_genuine_quote_over_something_else_is_no_result, calm),
        cmocka_unit_test_setup(fewer_bytes_than_asked_for_are_no_envelope, calm),
        cmocka_unit_test_setup(a_tpm_that_gives_pieces_of_nothing_is_rubbish, calm),
        cmocka_unit_test_setup(a_tpm_that_asks_to_try_again_is_asked_again, calm),
        cmocka_unit_test_setup(response_codes_are_told_apart, calm),
        cmocka_unit_test_setup(a_tpm_that_goes_is_an_error_wherever_it_goes, calm),
        cmocka_unit_test_setup(a_failing_driver_is_an_error_wherever_it_fails, calm),
        cmocka_unit_test_setup(an_interrupted_call_is_made_again, calm),
        cmocka_unit_test_setup(a_slow_tpm_is_waited_for, calm),
        cmocka_unit_test_setup(an_answer_that_is_not_whole_is_rubbish_wherever_it_comes, calm),
        cmocka_unit_test_setup(no_rubbish_becomes_evidence, calm),
    };

    if (!fake_tpm_start() && getenv("CLOISTER_NO_PACKAGES") != NULL) {
        (void)puts("1..1\nok 1 - evidence of a real TPM # SKIP there is no swtpm");
        return 0;
    }
    return cmocka_run_group_tests(tests, world_open, world_close);
}
