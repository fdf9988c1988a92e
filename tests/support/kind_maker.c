/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `kind_maker KIND DIR` invents what machine_maker doesn't, as of now, for tests in Python. For KIND tdx a TD:
 *
 *   intel/tcb.json, qe.json, chain.pem, pck-crl.der, root-crl.der   what Intel's services answer (chain: signer, then root)
 *   intel-later/                                                    the same, of four days later; each holds for seven, from the day before
 *   roots/intel.der                                                 the root that such a machine's evidence ends in
 *   policy.json                                                     admits exactly this machine
 *   tee/                                                            for fake_tee.h
 *
 * For sev-snp-azure and tdx-azure DIR/tpm is a folder for fake_tpm.h in which swtpm listens. Its TPM gets Azure's attestation key and, in the NV
 * index, an envelope around a report of the machine that machine_maker left in DIR; or, for tdx-azure, around a TDREPORT,
 * with tdx's files but for tee/, and
 *
 *   azure/tdreport, azure/quote   what the instance service is asked with, and answers
 *   tpm/envelope                  the same envelope, but as long as Azure's, which swtpm has no room for
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/pem.h>

#include "crypto/x509_make_in.h"
#include "lab/azure.h"
#include "lab/quote.h"
#include "platform/tpm_device.h"
#include "support/fake_tpm.h"

#define AK_HANDLE   0x81000003u
#define NV_MAX      2048 /* swtpm's largest index */
#define AZURE_INDEX 2600
#define SNP_DATA    0x50
#define TD_REPORT   1024

static const char *folder;

static void path_of(char ret[4096], const char *name)
{
    LAB_MUST(snprintf(ret, 4096, "%s/%s", folder, name) < 4096);
}

static void save(const char *name, const void *p, size_t n)
{
    char path[4096];
    FILE *f;

    path_of(path, name);
    LAB_MUST((f = fopen(path, "wb")) != NULL);
    LAB_MUST(fwrite(p, 1, n, f) == n && fclose(f) == 0);
}

static void make_folder(const char *name)
{
    char path[4096];

    path_of(path, name);
    LAB_MUST(mkdir(path, 0700) == 0);
}

static size_t load(const char *name, void *p, size_t cap)
{
    char path[4096];
    size_t n;
    FILE *f;

    path_of(path, name);
    LAB_MUST((f = fopen(path, "rb")) != NULL);
    n = fread(p, 1, cap, f);
    (void)fclose(f);
    return n;
}

/* ---- a TD and Intel ---- */

static void date(int64_t t, char ret[32])
{
    const time_t when = (time_t)t;
    struct tm tm;

    LAB_MUST(gmtime_r(&when, &tm) != NULL && strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
}

/* The laboratory's is of its own time. */
static void move_to(struct quote_recipe *r, int64_t now)
{
    int64_t *const times[] = {&r->leaf_from, &r->leaf_to, &r->ca_to,
                              &r->root_to,   &r->tcb_to,  &r->now};
    char from[32], to[32];

    for (size_t i = 0; i < CLO_ARRAY_LEN(times); i++)
        *times[i] += now - LAB_NOW;
    r->root_crl.from = r->pck_crl.from = now - LAB_DAY;
    r->root_crl.to = r->pck_crl.to = now + 7 * LAB_DAY;
    date(now - LAB_DAY, from);
    date(now + 7 * LAB_DAY, to);
    for (size_t i = 0; i < 2; i++) {
        quote_edit(i == 0 ? r->info : r->identity, "2026-11-01T00:00:00Z", from);
        quote_edit(i == 0 ? r->info : r->identity, "2026-12-01T00:00:00Z", to);
    }
}

/* `later` has certificates of its own, by the same keys. */
static void save_intel(const struct quote_recipe *r, const char *to)
{
    struct clo_buf root, pem = clo_buf_init(4 * CLO_CERT_MAX);
    struct clo_collateral c;
    char path[64];

    quote_lab_collateral(r, &c);
    quote_lab_root(r, r->root, QUOTE_SERIAL_ROOT, &root);
    quote_pem(&pem, &c.collateral_chain[0]);
    quote_pem(&pem, &root);
    make_folder(to);
#define SAVE(name, b) \
    ((void)snprintf(path, sizeof path, "%s/" name, to), save(path, (b).p, (b).len))
    SAVE("tcb.json", c.tcb_info);
    SAVE("qe.json", c.qe_identity);
    SAVE("chain.pem", pem);
    SAVE("root-crl.der", c.crl[0]);
    SAVE("pck-crl.der", c.crl[1]);
#undef SAVE
    clo_buf_clear(&root);
    clo_buf_clear(&pem);
    clo_collateral_clear(&c);
}

static void save_vendor(const struct quote_recipe *r, int64_t now)
{
    struct quote_recipe later = quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    struct clo_buf root;
    char text[QUOTE_TEXT];

    move_to(&later, now + 4 * LAB_DAY);
    save_intel(r, "intel");
    save_intel(&later, "intel-later");
    make_folder("roots");
    quote_lab_root(r, r->root, QUOTE_SERIAL_ROOT, &root);
    save("roots/intel.der", root.p, root.len);
    clo_buf_clear(&root);
    memcpy(text, r->policy, sizeof text);
    quote_marks(text);
    save("policy.json", text, strlen(text));
}

static void save_quote(const struct quote_recipe *r, const char *name)
{
    struct clo_buf chain[4], quote;

    quote_lab_chain(r, chain);
    quote_lab_quote(r, chain, &quote);
    save(name, quote.p, quote.len);
    clo_buf_clear(&quote);
    for (size_t i = 0; i < CLO_ARRAY_LEN(chain); i++)
        clo_buf_clear(&chain[i]);
}

static void make_td(int64_t now)
{
    static const char words[] = "tsm 1\nprovider tdx_guest\n";
    struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    BIO *bio = BIO_new(BIO_s_mem());
    char *p = NULL;
    long n;

    move_to(&r, now);
    save_vendor(&r, now);
    make_folder("tee");
    save_quote(&r, "tee/quote");
    LAB_MUST(bio != NULL &&
             PEM_write_bio_PKCS8PrivateKey(bio, quote_lab.ak->key, NULL, NULL, 0, NULL, NULL) == 1);
    n = BIO_get_mem_data(bio, &p);
    save("tee/ak.key", p, (size_t)n);
    BIO_free(bio);
    save("tee/tee", words, sizeof words - 1);
}

/* ---- Azure's vTPM ---- */

/* At Azure's handle; its public key's modulus. */
static void make_ak(ESYS_CONTEXT *esys, uint8_t modulus[256])
{
    const TPM2B_PUBLIC in = {
        .publicArea = {
            .type = TPM2_ALG_RSA,
            .nameAlg = TPM2_ALG_SHA256,
            .objectAttributes = TL_RESTRICTED | TPMA_OBJECT_NODA,
            .parameters.rsaDetail = {.symmetric.algorithm = TPM2_ALG_NULL,
                                     .scheme = {.scheme = TPM2_ALG_RSASSA,
                                                .details.rsassa.hashAlg = TPM2_ALG_SHA256},
                                     .keyBits = 2048},
        }};
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPML_PCR_SELECTION none = {0};
    const TPM2B_DATA outside = {0};
    TPM2B_PUBLIC *out = NULL;
    ESYS_TR key, kept;

    LAB_MUST(Esys_CreatePrimary(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                ESYS_TR_NONE, &sensitive, &in, &outside, &none, &key, &out, NULL,
                                NULL, NULL) == 0);
    LAB_MUST(Esys_EvictControl(esys, ESYS_TR_RH_OWNER, key, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                               ESYS_TR_NONE, AK_HANDLE, &kept) == 0);
    LAB_MUST(Esys_FlushContext(esys, key) == 0);
    LAB_MUST(out->publicArea.unique.rsa.size == 256);
    memcpy(modulus, out->publicArea.unique.rsa.buffer, 256);
    Esys_Free(out);
}

static void make_index(ESYS_CONTEXT *esys, const uint8_t *p, size_t n)
{
    const TPM2B_NV_PUBLIC public = {
        .nvPublic = {
            .nvIndex = FAKE_TPM_INDEX,
            .nameAlg = TPM2_ALG_SHA256,
            .attributes = TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_NO_DA,
            .dataSize = (uint16_t)n,
        }};
    const TPM2B_AUTH none = {0};
    ESYS_TR nv;

    LAB_MUST(Esys_NV_DefineSpace(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                 ESYS_TR_NONE, &none, &public, &nv) == 0);
    for (size_t at = 0; at < n;) {
        TPM2B_MAX_NV_BUFFER b = {.size = (uint16_t)(n - at < 512 ? n - at : 512)};

        memcpy(b.buffer, p + at, b.size);
        LAB_MUST(Esys_NV_Write(esys, ESYS_TR_RH_OWNER, nv, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                               ESYS_TR_NONE, &b, (uint16_t)at) == 0);
        at += b.size;
    }
}

static void sign_report(uint8_t report[CLO_SNP_REPORT_LEN])
{
    char pem[4096];
    BIO *bio = BIO_new_mem_buf(pem, (int)load("tee/vcek.key", pem, sizeof pem));
    struct clo_signer signer = {0};
    uint8_t r[48], s[48];

    LAB_MUST(bio != NULL);
    LAB_MUST((signer.key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)) != NULL);
    LAB_MUST(clo_signer_sign_p384(&signer, report, 0x2a0, r, s) == 0);
    for (size_t i = 0; i < 48; i++) {
        report[0x2a0 + i] = r[47 - i];
        report[0x2e8 + i] = s[47 - i];
    }
    EVP_PKEY_free(signer.key);
    BIO_free(bio);
}

/* A TDREPORT has what the quote's body has, elsewhere. */
static void make_azure_td(struct quote_recipe *r, const uint8_t *td, int64_t now)
{
    memcpy(r->body, td + 264, 120);
    memcpy(r->body + 120, td + 512, 400);
    memcpy(r->body + TD_DATA, td + 128, 64);
    make_folder("azure");
    save("azure/tdreport", td, TD_REPORT);
    save_quote(r, "azure/quote");
    save_vendor(r, now);
}

static void make_azure(bool tdx, int64_t now)
{
    struct quote_recipe td = quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    static uint8_t envelope[3 * CLO_HCL_MAX];
    uint8_t modulus[256], report[CLO_SNP_REPORT_LEN] = {0};
    struct azure_recipe hcl = azure_lab_good(tdx);
    char b64[CLO_B64_LEN(256) + 1], path[4096], json[1024];
    struct clo_tpm_device d;
    size_t n, len;

    path_of(path, "tpm");
    LAB_MUST(fake_tpm_attach(path));
    LAB_MUST(clo_tpm_device_open(&d) == 0);
    make_ak(d.esys, modulus);
    clo_b64(modulus, sizeof modulus, b64);
    n = (size_t)snprintf(json, sizeof json,
                         "{\"keys\":[{\"kid\":\"HCLAkPub\",\"key_ops\":[\"sign\"],\"kty\":\"RSA\","
                         "\"e\":\"AQAB\",\"n\":\"%s\"}],\"vm-configuration\":{"
                         "\"console-enabled\":false,\"secure-boot\":true,\"tpm-enabled\":true,"
                         "\"vmUniqueId\":\"0ABCDEF0-1234-5678-9abc-def012345678\"}}",
                         b64);
    LAB_MUST(n < sizeof json);
    hcl.more = 0;
    if (!tdx) {
        LAB_MUST(load("tee/template", report, sizeof report) == sizeof report);
        azure_lab_covered(&hcl, json, n, report + SNP_DATA);
        sign_report(report);
    }
    len = azure_lab_envelope(&hcl, json, n, report, envelope);
    if (tdx) {
        uint8_t *const inside = envelope + CLO_HCL_HW_OFFSET;

        move_to(&td, now);
        memset(td.body + TD_RTMR, 0,
               192); /* the guest's firmware's, whom the paravisor leaves alone */
        for (size_t i = 0; i < 4; i++)
            quote_edit_after(
                td.policy, "rtmr",
                (const char *[]){HEX48("b0"), HEX48("b1"), HEX48("b2"), HEX48("b3")}[i],
                HEX48("00"));
        memcpy(inside + 264, td.body, 120);
        memcpy(inside + 512, td.body + 120, 400);
        make_azure_td(&td, inside, now);
    }
    LAB_MUST(len <= NV_MAX);
    make_index(d.esys, envelope, len);
    clo_tpm_device_close(&d);
    if (tdx)
        save("tpm/envelope", envelope, AZURE_INDEX);
}

int main(int argc, char **argv)
{
    const int64_t now = time(NULL);

    if (argc != 3) {
        (void)fputs("usage: kind_maker tdx|sev-snp-azure|tdx-azure DIR\n", stderr);
        return 1;
    }
    folder = argv[2];
    LAB_MUST(clo_crypto_init() == 0 && quote_lab_open(NULL) == 0);
    if (strcmp(argv[1], "tdx") == 0)
        make_td(now);
    else if (strcmp(argv[1], "sev-snp-azure") == 0 || strcmp(argv[1], "tdx-azure") == 0)
        make_azure(argv[1][0] == 't', now);
    else
        return 1;
    return quote_lab_close(NULL);
}
