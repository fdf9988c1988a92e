/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A laboratory for TPM quotes: attestation keys, certificates by PKCS #1 authorities, and quotes that tss2-mu marshals, so that a case or a
 * test can make exactly one thing wrong.
 */
#ifndef CLO_LAB_TPM_H
#define CLO_LAB_TPM_H

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "attest/tpm.h"
#include "attest/tpm_quote.h"
#include "lab/lab.h"

#define TL_RESTRICTED                                                                   \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | \
     TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT)

/* A PCR of SHA-256 in a policy, whose every byte is this one. */
#define TL_X4(c)  c c c c
#define TL_X32(c) TL_X4(c) TL_X4(c) TL_X4(c) TL_X4(c) TL_X4(c) TL_X4(c) TL_X4(c) TL_X4(c)

/* Keys are made once a process. */
static struct {
    EVP_PKEY *rsa, *rsa2, *p256, *p384, *root, *ca, *stranger;
} tl;

static inline int tl_open(void **state)
{
    (void)state;
    tl.rsa = EVP_RSA_gen(2048);
    tl.rsa2 = EVP_RSA_gen(2048);
    tl.root = EVP_RSA_gen(2048);
    tl.ca = EVP_RSA_gen(2048);
    tl.stranger = EVP_RSA_gen(2048);
    tl.p256 = EVP_EC_gen("P-256");
    tl.p384 = EVP_EC_gen("P-384");
    return tl.rsa == NULL || tl.rsa2 == NULL || tl.root == NULL || tl.ca == NULL ||
           tl.stranger == NULL || tl.p256 == NULL || tl.p384 == NULL;
}

static inline int tl_close(void **state)
{
    (void)state;
    EVP_PKEY_free(tl.rsa);
    EVP_PKEY_free(tl.rsa2);
    EVP_PKEY_free(tl.root);
    EVP_PKEY_free(tl.ca);
    EVP_PKEY_free(tl.stranger);
    EVP_PKEY_free(tl.p256);
    EVP_PKEY_free(tl.p384);
    return 0;
}

static inline struct clo_key *tl_key(EVP_PKEY *pkey)
{
    struct clo_key *key = NULL;
    uint8_t *der = NULL;
    const int n = i2d_PUBKEY(pkey, &der);

    LAB_MUST(n > 0);
    LAB_MUST(clo_key_of_spki(der, (size_t)n, &key) == 0);
    OPENSSL_free(der);
    return key;
}

/* A key's big number of this name, in exactly n bytes. */
static inline void tl_number(EVP_PKEY *pkey, const char *name, uint8_t *dst, size_t n)
{
    BIGNUM *b = NULL;

    LAB_MUST(EVP_PKEY_get_bn_param(pkey, name, &b) == 1);
    LAB_MUST(BN_bn2binpad(b, dst, (int)n) == (int)n);
    BN_free(b);
}

/* Everything that a quote is made of; tl_good() is right in every respect. */
struct tl_recipe {
    EVP_PKEY *signer, *key; /* who signs, and whose public key the appraisal has */
    uint16_t scheme, hash;
    bool bare; /* the signature without its TPMT_SIGNATURE */
    bool restricted, unknown;
    enum cloister_check_status trust;
    uint32_t magic;
    uint16_t type;
    uint8_t nonce[66];
    size_t nonce_n;
    uint64_t clock, firmware;
    bool unsafe; /* the clock isn't safe */
    struct clo_tpm_bank bank[2];
    size_t banks;
    uint8_t value[24][48];               /* of the first bank */
    int pcrs_more;                       /* this many bytes more or fewer of them come along */
    int digest_flip;                     /* a bit of pcrDigest before signing; -1: none */
    int quote_flip, sig_flip, pcrs_flip; /* and of what comes along; -1: none */
    size_t quote_cut, quote_extra;
    const uint8_t *log;
    size_t log_n;
    const uint8_t *expected;
    size_t expected_n;
    bool any_expected;
};

struct tl_quote {
    uint8_t quote[CLO_TPM_QUOTE_MAX + 1], sig[1024], pcrs[2048];
    size_t quote_n, sig_n, pcrs_n;
};

#define TL_NONCE "0123456789abcdef0123456789abcdef"

static inline struct tl_recipe tl_good(void)
{
    struct tl_recipe r = {
        .signer = tl.rsa,
        .key = tl.rsa,
        .scheme = TPM2_ALG_RSASSA,
        .hash = TPM2_ALG_SHA256,
        .restricted = true,
        .trust = CLOISTER_CHECK_PASS,
        .magic = TPM2_GENERATED_VALUE,
        .type = TPM2_ST_ATTEST_QUOTE,
        .nonce_n = 32,
        .bank = {{TPM2_ALG_SHA256, 0xffffff}},
        .banks = 1,
        .digest_flip = -1,
        .quote_flip = -1,
        .sig_flip = -1,
        .pcrs_flip = -1,
        .expected = (const uint8_t *)TL_NONCE,
        .expected_n = 32,
    };

    memcpy(r.nonce, TL_NONCE, 32);
    for (size_t i = 0; i < 24; i++)
        memset(r.value[i], (int)(0x10 + i), 48);
    return r;
}

static inline const EVP_MD *tl_md(uint16_t hash)
{
    return hash == TPM2_ALG_SHA1     ? EVP_sha1()
           : hash == TPM2_ALG_SHA256 ? EVP_sha256()
           : hash == TPM2_ALG_SHA384 ? EVP_sha384()
                                     : EVP_sha512();
}

static inline void tl_flip(uint8_t *p, int bit)
{
    if (bit >= 0)
        p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
}

static inline void tl_sign(const struct tl_recipe *r, struct tl_quote *q)
{
    TPMT_SIGNATURE t = {.sigAlg = r->scheme};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    uint8_t sig[1024];
    size_t n = sizeof sig, at = 0;

    LAB_MUST(EVP_DigestSignInit(ctx, &pctx, tl_md(r->hash), NULL, r->signer) == 1);
    if (r->scheme == TPM2_ALG_RSAPSS) {
        LAB_MUST(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1);
        LAB_MUST(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1);
    }
    LAB_MUST(EVP_DigestSign(ctx, sig, &n, q->quote, q->quote_n) == 1);
    EVP_MD_CTX_free(ctx);
    if (r->scheme == TPM2_ALG_ECDSA) {
        const uint8_t *p = sig;
        ECDSA_SIG *es = d2i_ECDSA_SIG(NULL, &p, (long)n);
        const int len = (EVP_PKEY_get_bits(r->signer) + 7) / 8;

        LAB_MUST(es != NULL);
        t.signature.ecdsa.hash = r->hash;
        t.signature.ecdsa.signatureR.size = (uint16_t)len;
        t.signature.ecdsa.signatureS.size = (uint16_t)len;
        LAB_MUST(BN_bn2binpad(ECDSA_SIG_get0_r(es), t.signature.ecdsa.signatureR.buffer, len) ==
                 len);
        LAB_MUST(BN_bn2binpad(ECDSA_SIG_get0_s(es), t.signature.ecdsa.signatureS.buffer, len) ==
                 len);
        ECDSA_SIG_free(es);
    } else {
        t.signature.rsassa.hash = r->hash;
        t.signature.rsassa.sig.size = (uint16_t)n;
        memcpy(t.signature.rsassa.sig.buffer, sig, n);
    }
    if (r->bare) {
        q->sig_n = n;
        memcpy(q->sig, sig, n);
    } else {
        LAB_MUST(Tss2_MU_TPMT_SIGNATURE_Marshal(&t, q->sig, sizeof q->sig, &at) == 0);
        q->sig_n = at;
    }
}

static inline void tl_make(const struct tl_recipe *r, struct tl_quote *q)
{
    TPMS_ATTEST a = {.magic = r->magic, .type = r->type};
    TPML_PCR_SELECTION *sel = &a.attested.quote.pcrSelect;
    uint8_t digest[64];
    unsigned digest_n = 0;
    size_t at = 0;

    memset(q, 0, sizeof *q);
    a.qualifiedSigner.size = 34; /* a name: the hash's algorithm, and the hash */
    a.qualifiedSigner.name[1] = TPM2_ALG_SHA256;
    a.extraData.size = (uint16_t)r->nonce_n;
    memcpy(a.extraData.buffer, r->nonce, r->nonce_n);
    a.clockInfo.clock = r->clock;
    a.clockInfo.safe = !r->unsafe;
    a.firmwareVersion = r->firmware;
    sel->count = (uint32_t)r->banks;
    for (size_t b = 0; b < r->banks; b++) {
        const size_t len = clo_tpm_digest_len(r->bank[b].alg);

        sel->pcrSelections[b].hash = r->bank[b].alg;
        sel->pcrSelections[b].sizeofSelect = 3;
        for (size_t i = 0; i < 3; i++)
            sel->pcrSelections[b].pcrSelect[i] = (uint8_t)(r->bank[b].pcrs >> (8 * i));
        for (size_t i = 0; i < 24; i++)
            if ((r->bank[b].pcrs >> i & 1) != 0) {
                memcpy(q->pcrs + q->pcrs_n, r->value[i], len);
                q->pcrs_n += len;
            }
    }
    LAB_MUST(EVP_Digest(q->pcrs, q->pcrs_n, digest, &digest_n, tl_md(r->hash), NULL) == 1);
    tl_flip(digest, r->digest_flip);
    a.attested.quote.pcrDigest.size = (uint16_t)digest_n;
    memcpy(a.attested.quote.pcrDigest.buffer, digest, digest_n);
    if (r->type == TPM2_ST_ATTEST_QUOTE) {
        LAB_MUST(Tss2_MU_TPMS_ATTEST_Marshal(&a, q->quote, sizeof q->quote, &at) == 0);
    } else { /* the same bytes under another name */
        a.type = TPM2_ST_ATTEST_QUOTE;
        LAB_MUST(Tss2_MU_TPMS_ATTEST_Marshal(&a, q->quote, sizeof q->quote, &at) == 0);
        q->quote[4] = (uint8_t)(r->type >> 8);
        q->quote[5] = (uint8_t)r->type;
    }
    q->quote_n = at - r->quote_cut + r->quote_extra;
    tl_sign(r, q);
    q->pcrs_n = (size_t)((ptrdiff_t)q->pcrs_n + r->pcrs_more);
    tl_flip(q->quote, r->quote_flip);
    tl_flip(q->sig, r->sig_flip);
    tl_flip(q->pcrs, r->pcrs_flip);
}

/* A policy with a "tpm" member alone: this bank and selection, and every value as the recipe has it. */
struct tl_policy {
    struct cloister_policy p;
    struct clo_policy_pcrs alternative[2];
    uint8_t key[2][32];
};

static inline void tl_policy(const struct tl_recipe *r, struct tl_policy *t)
{
    memset(t, 0, sizeof *t);
    t->p.tpm.given = true;
    t->p.tpm.bank = r->bank[0].alg;
    t->p.tpm.selection = r->bank[0].pcrs;
    t->p.tpm.pcrs = t->alternative;
    t->p.tpm.pcrs_n = 1;
    t->alternative[0].pinned = r->bank[0].pcrs;
    memcpy(t->alternative[0].value, r->value, sizeof r->value);
}

static inline void tl_appraise(const struct tl_recipe *r, const struct tl_quote *q,
                               const struct cloister_policy *policy, struct clo_verdict_builder *vb,
                               struct clo_tpm_result *ret)
{
    struct clo_key *key = r->key == NULL ? NULL : tl_key(r->key);
    const struct clo_tpm_input in = {
        .quote = q->quote,
        .quote_n = q->quote_n,
        .signature = q->sig,
        .signature_n = q->sig_n,
        .pcrs = q->pcrs,
        .pcrs_n = q->pcrs_n,
        .event_log = r->log,
        .event_log_n = r->log_n,
        .key = key,
        .key_restricted = r->restricted,
        .key_use_unknown = r->unknown,
        .key_trust = r->trust,
        .expected = r->expected,
        .expected_n = r->expected_n,
        .any_expected = r->any_expected,
    };

    clo_vb_init(vb);
    clo_vb_keep_families(vb, CLO_FAMILY_TPM);
    LAB_MUST(clo_tpm_appraise(&in, policy, vb, ret) == 0);
    LAB_MUST(!vb->twice);
    LAB_MUST(clo_vb_count(vb, CLO_FAMILY_TPM, CLOISTER_CHECK_NONE) == 0);
    clo_key_free(key);
}

/* ---- public areas and certificates ---- */

static inline size_t tl_public(EVP_PKEY *pkey, uint32_t attributes, uint8_t *dst, size_t cap)
{
    TPMT_PUBLIC t = {.nameAlg = TPM2_ALG_SHA256, .objectAttributes = attributes};
    size_t at = 0;

    if (EVP_PKEY_is_a(pkey, "RSA")) {
        t.type = TPM2_ALG_RSA;
        t.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
        t.parameters.rsaDetail.scheme.scheme = TPM2_ALG_RSASSA;
        t.parameters.rsaDetail.scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;
        t.parameters.rsaDetail.keyBits = 2048;
        t.unique.rsa.size = 256;
        tl_number(pkey, OSSL_PKEY_PARAM_RSA_N, t.unique.rsa.buffer, 256);
    } else {
        const size_t len = (size_t)EVP_PKEY_get_bits(pkey) / 8;

        t.type = TPM2_ALG_ECC;
        t.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
        t.parameters.eccDetail.scheme.scheme = TPM2_ALG_ECDSA;
        t.parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
        t.parameters.eccDetail.curveID = len == 32 ? TPM2_ECC_NIST_P256 : TPM2_ECC_NIST_P384;
        t.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
        t.unique.ecc.x.size = t.unique.ecc.y.size = (uint16_t)len;
        tl_number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, t.unique.ecc.x.buffer, len);
        tl_number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, t.unique.ecc.y.buffer, len);
    }
    LAB_MUST(Tss2_MU_TPMT_PUBLIC_Marshal(&t, dst, cap, &at) == 0);
    return at;
}

struct tl_cert {
    const char *subject, *issuer; /* "": an empty name */
    EVP_PKEY *key, *signer;
    int64_t from, to;
    const char *constraints; /* "critical,CA:TRUE"; NULL: none */
    const EVP_MD *md;        /* NULL: SHA-256 */
};

static inline void tl_ext(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    LAB_MUST(e != NULL);
    LAB_MUST(X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
}

static inline void tl_name(X509_NAME *name, const char *cn)
{
    if (*cn != '\0')
        LAB_MUST(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1,
                                            -1, 0) == 1);
}

static inline void tl_cert(const struct tl_cert *c, struct clo_buf *ret)
{
    X509 *x = X509_new();
    uint8_t *der = NULL;
    int n;

    LAB_MUST(x != NULL);
    LAB_MUST(X509_set_version(x, X509_VERSION_3) == 1);
    LAB_MUST(ASN1_INTEGER_set(X509_get_serialNumber(x), 7) == 1);
    tl_name(X509_get_subject_name(x), c->subject);
    tl_name(X509_get_issuer_name(x), c->issuer);
    LAB_MUST(ASN1_TIME_set(X509_getm_notBefore(x), c->from) != NULL);
    LAB_MUST(ASN1_TIME_set(X509_getm_notAfter(x), c->to) != NULL);
    LAB_MUST(X509_set_pubkey(x, c->key) == 1);
    if (c->constraints != NULL) {
        tl_ext(x, NID_basic_constraints, c->constraints);
        tl_ext(x, NID_key_usage, "critical,keyCertSign,cRLSign");
    }
    LAB_MUST(X509_sign(x, c->signer, c->md != NULL ? c->md : EVP_sha256()) > 0);
    LAB_MUST((n = i2d_X509(x, &der)) > 0);
    *ret = clo_buf_init(CLO_CERT_MAX);
    LAB_MUST(clo_buf_append(ret, der, (size_t)n) == 0);
    OPENSSL_free(der);
    X509_free(x);
}

#endif
