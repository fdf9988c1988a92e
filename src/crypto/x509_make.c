/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and CRLs out of libcrypto's builders. */
#include "crypto/x509_make.h"

#include <stdlib.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

struct clo_signer {
    EVP_PKEY *key;
};

static int signer_new(EVP_PKEY *key, struct clo_signer **ret)
{
    struct clo_signer *s = NULL;

    if (key == NULL)
        return CLOISTER_E_CRYPTO;
    if ((s = malloc(sizeof *s)) == NULL) {
        EVP_PKEY_free(key);
        return CLOISTER_E_MEMORY;
    }
    s->key = key;
    *ret = s;
    return 0;
}

int clo_signer_new_rsa(unsigned bits, struct clo_signer **ret)
{
    return signer_new(EVP_RSA_gen(bits), ret);
}

int clo_signer_new_p384(struct clo_signer **ret)
{
    return signer_new(EVP_EC_gen("P-384"), ret);
}

void clo_signer_free(struct clo_signer *s)
{
    if (s != NULL)
        EVP_PKEY_free(s->key);
    free(s);
}

int clo_signer_sign_p384(const struct clo_signer *s, const void *msg, size_t n, uint8_t r[48],
                         uint8_t sig_s[48])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ECDSA_SIG *sig = NULL;
    uint8_t der[128];
    const uint8_t *p = der;
    size_t der_n = sizeof der;
    int err = CLOISTER_E_CRYPTO;

    if (ctx == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    if (EVP_DigestSignInit_ex(ctx, NULL, "SHA384", NULL, NULL, s->key, NULL) != 1 ||
        EVP_DigestSign(ctx, der, &der_n, msg, n) != 1 ||
        (sig = d2i_ECDSA_SIG(NULL, &p, (long)der_n)) == NULL)
        goto out;
    if (BN_bn2binpad(ECDSA_SIG_get0_r(sig), r, 48) == 48 &&
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), sig_s, 48) == 48)
        err = 0;
out:
    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(ctx);
    return err;
}

/* A started RSA-PSS signature, to be ended by X509_sign_ctx or its like; NULL on failure. */
static EVP_MD_CTX *pss_start(const struct clo_signer *issuer, int salt_len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;

    if (ctx != NULL &&
        EVP_DigestSignInit_ex(ctx, &pctx, "SHA384", NULL, NULL, issuer->key, NULL) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
        EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt_len == 0 ? 48 : salt_len) == 1)
        return ctx;
    EVP_MD_CTX_free(ctx);
    return NULL;
}

static bool name_set(X509_NAME *name, const char *cn)
{
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1,
                                      0) == 1;
}

static bool times_set(const struct clo_cert_spec *spec, X509 *x)
{
    return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)spec->not_before) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)spec->not_after) != NULL;
}

/* As AMD's authorities carry them: both critical. */
static bool ca_set(X509 *x)
{
    BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
    ASN1_BIT_STRING *ku = ASN1_BIT_STRING_new();
    bool ok = false;

    if (bc != NULL && ku != NULL) {
        bc->ca = 0xff;
        ok = ASN1_BIT_STRING_set_bit(ku, 5, 1) == 1 && /* keyCertSign */
             ASN1_BIT_STRING_set_bit(ku, 6, 1) == 1 && /* cRLSign */
             X509_add1_ext_i2d(x, NID_basic_constraints, bc, 1, X509V3_ADD_DEFAULT) == 1 &&
             X509_add1_ext_i2d(x, NID_key_usage, ku, 1, X509V3_ADD_DEFAULT) == 1;
    }
    BASIC_CONSTRAINTS_free(bc);
    ASN1_BIT_STRING_free(ku);
    return ok;
}

static bool ext_add(X509 *x, const struct clo_cert_ext_spec *e)
{
    ASN1_OBJECT *oid = OBJ_txt2obj(e->oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext = NULL;
    bool ok = false;

    if (oid != NULL && value != NULL && ASN1_OCTET_STRING_set(value, e->p, (int)e->n) == 1 &&
        (ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value)) != NULL)
        ok = X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
    return ok;
}

int clo_cert_make(const struct clo_cert_spec *spec, struct clo_buf *out)
{
    X509 *x = X509_new();
    EVP_MD_CTX *ctx = NULL;
    uint8_t *der = NULL;
    int n, err = CLOISTER_E_CRYPTO;

    if (x == NULL || X509_set_version(x, X509_VERSION_3) != 1 ||
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), spec->serial) != 1 ||
        !name_set(X509_get_subject_name(x), spec->subject_cn) ||
        !name_set(X509_get_issuer_name(x), spec->issuer_cn) || !times_set(spec, x) ||
        X509_set_pubkey(x, spec->subject->key) != 1 || (spec->ca && !ca_set(x)))
        goto out;
    for (size_t i = 0; i < spec->exts; i++)
        if (!ext_add(x, &spec->ext[i]))
            goto out;
    if ((ctx = pss_start(spec->issuer, spec->salt_len)) == NULL || X509_sign_ctx(x, ctx) <= 0 ||
        (n = i2d_X509(x, &der)) <= 0)
        goto out;
    err = clo_buf_append(out, der, (size_t)n);
out:
    OPENSSL_free(der);
    EVP_MD_CTX_free(ctx);
    X509_free(x);
    return err;
}

static bool revoke(X509_CRL *x, uint64_t serial, ASN1_TIME *when)
{
    X509_REVOKED *r = X509_REVOKED_new();
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    bool ok = false;

    if (r != NULL && number != NULL && ASN1_INTEGER_set_uint64(number, serial) == 1 &&
        X509_REVOKED_set_serialNumber(r, number) == 1 &&
        X509_REVOKED_set_revocationDate(r, when) == 1)
        ok = X509_CRL_add0_revoked(x, r) == 1;
    ASN1_INTEGER_free(number);
    if (!ok)
        X509_REVOKED_free(r);
    return ok;
}

int clo_crl_make(const struct clo_crl_spec *spec, struct clo_buf *out)
{
    X509_CRL *x = X509_CRL_new();
    X509_NAME *name = X509_NAME_new();
    ASN1_TIME *this_update = ASN1_TIME_set(NULL, (time_t)spec->this_update);
    ASN1_TIME *next_update = ASN1_TIME_set(NULL, (time_t)spec->next_update);
    EVP_MD_CTX *ctx = NULL;
    uint8_t *der = NULL;
    int n, err = CLOISTER_E_CRYPTO;

    if (x == NULL || name == NULL || this_update == NULL || next_update == NULL ||
        X509_CRL_set_version(x, X509_CRL_VERSION_2) != 1 || !name_set(name, spec->issuer_cn) ||
        X509_CRL_set_issuer_name(x, name) != 1 || X509_CRL_set1_lastUpdate(x, this_update) != 1 ||
        X509_CRL_set1_nextUpdate(x, next_update) != 1)
        goto out;
    for (size_t i = 0; i < spec->revoked_n; i++)
        if (!revoke(x, spec->revoked[i], this_update))
            goto out;
    if ((ctx = pss_start(spec->issuer, 0)) == NULL || X509_CRL_sign_ctx(x, ctx) <= 0 ||
        (n = i2d_X509_CRL(x, &der)) <= 0)
        goto out;
    err = clo_buf_append(out, der, (size_t)n);
out:
    OPENSSL_free(der);
    EVP_MD_CTX_free(ctx);
    ASN1_TIME_free(next_update);
    ASN1_TIME_free(this_update);
    X509_NAME_free(name);
    X509_CRL_free(x);
    return err;
}
