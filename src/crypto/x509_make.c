/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and CRLs out of libcrypto's builders. */
#include "crypto/x509_make_in.h"

#include <stdlib.h>
#include <string.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

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

int clo_signer_new_p256(struct clo_signer **ret)
{
    return signer_new(EVP_EC_gen("P-256"), ret);
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

/* ---- signatures ---- */

const char *clo_make_hash(const struct clo_signer *s, enum clo_sig_make sig)
{
    switch (sig) {
    case CLO_MAKE_SHA1: return "SHA1";
    case CLO_MAKE_SHA256: return "SHA256";
    case CLO_MAKE_SHA384: return "SHA384";
    case CLO_MAKE_SHA512: return "SHA512";
    case CLO_MAKE_DEFAULT:
    default: return EVP_PKEY_get_bits(s->key) == 256 ? "SHA256" : "SHA384";
    }
}

/* A started signature, to be ended by X509_sign_ctx or its like; NULL on failure. salt_len is PSS's, 0: PKCS #1 v1.5. */
static EVP_MD_CTX *sign_start(const struct clo_signer *s, const char *hash, int salt_len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;

    if (ctx != NULL && EVP_DigestSignInit_ex(ctx, &pctx, hash, NULL, NULL, s->key, NULL) == 1 &&
        (salt_len == 0 || (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                           EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt_len) == 1)))
        return ctx;
    EVP_MD_CTX_free(ctx);
    return NULL;
}

static EVP_MD_CTX *make_start(const struct clo_signer *s, enum clo_sig_make sig, int salt_len)
{
    const bool pss = sig == CLO_MAKE_DEFAULT && EVP_PKEY_is_a(s->key, "RSA") == 1;

    return sign_start(s, clo_make_hash(s, sig), !pss ? 0 : salt_len == 0 ? 48 : salt_len);
}

int clo_make_sign(const struct clo_signer *s, const char *hash, const void *msg, size_t n,
                  struct clo_buf *out)
{
    EVP_MD_CTX *ctx = sign_start(s, hash, 0);
    uint8_t sig[1024];
    size_t sig_n = sizeof sig;
    int err = CLOISTER_E_CRYPTO;

    if (ctx != NULL && EVP_DigestSign(ctx, sig, &sig_n, msg, n) == 1)
        err = clo_buf_append(out, sig, sig_n);
    EVP_MD_CTX_free(ctx);
    return err;
}

static int sign_ecdsa(const struct clo_signer *s, size_t scalar, const void *msg, size_t n,
                      uint8_t *r, uint8_t *sig_s)
{
    struct clo_buf der = clo_buf_init(128);
    ECDSA_SIG *sig = NULL;
    const uint8_t *p = NULL;
    int err;

    if ((err = clo_make_sign(s, scalar == 32 ? "SHA256" : "SHA384", msg, n, &der)) != 0)
        goto out;
    err = CLOISTER_E_CRYPTO;
    p = der.p;
    if ((sig = d2i_ECDSA_SIG(NULL, &p, (long)der.len)) != NULL &&
        BN_bn2binpad(ECDSA_SIG_get0_r(sig), r, (int)scalar) == (int)scalar &&
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), sig_s, (int)scalar) == (int)scalar)
        err = 0;
out:
    ECDSA_SIG_free(sig);
    clo_buf_clear(&der);
    return err;
}

int clo_signer_sign_p384(const struct clo_signer *s, const void *msg, size_t n, uint8_t r[48],
                         uint8_t sig_s[48])
{
    return sign_ecdsa(s, 48, msg, n, r, sig_s);
}

int clo_signer_sign_p256(const struct clo_signer *s, const void *msg, size_t n, uint8_t rs[64])
{
    return sign_ecdsa(s, 32, msg, n, rs, rs + 32);
}

int clo_signer_sign_rsa(const struct clo_signer *s, const void *msg, size_t n, struct clo_buf *out)
{
    return clo_make_sign(s, "SHA256", msg, n, out);
}

/* ---- public halves ---- */

static int number(const struct clo_signer *s, const char *name, uint8_t *dst, size_t n)
{
    BIGNUM *v = NULL;
    int err = CLOISTER_E_CRYPTO;

    if (EVP_PKEY_get_bn_param(s->key, name, &v) == 1 && BN_bn2binpad(v, dst, (int)n) == (int)n)
        err = 0;
    BN_free(v);
    return err;
}

int clo_signer_point(const struct clo_signer *s, uint8_t *x, uint8_t *y)
{
    const size_t n = EVP_PKEY_get_bits(s->key) == 256 ? 32 : 48;
    int err;

    if ((err = number(s, OSSL_PKEY_PARAM_EC_PUB_X, x, n)) != 0)
        return err;
    return number(s, OSSL_PKEY_PARAM_EC_PUB_Y, y, n);
}

int clo_signer_modulus(const struct clo_signer *s, struct clo_buf *out)
{
    const size_t n = (size_t)EVP_PKEY_get_bits(s->key) / 8;
    uint8_t *dst = NULL;
    int err;

    if ((err = clo_buf_reserve(out, n, &dst)) != 0 ||
        (err = number(s, OSSL_PKEY_PARAM_RSA_N, dst, n)) != 0)
        return err;
    clo_buf_commit(out, n);
    return 0;
}

int clo_signer_spki(const struct clo_signer *s, struct clo_buf *out)
{
    uint8_t *der = NULL;
    const int n = i2d_PUBKEY(s->key, &der);
    int err = n > 0 ? clo_buf_append(out, der, (size_t)n) : CLOISTER_E_CRYPTO;

    OPENSSL_free(der);
    return err;
}

/* ---- certificates ---- */

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

/* As vendors' authorities carry them: both critical. */
static bool ca_set(const struct clo_cert_spec *spec, X509 *x)
{
    BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
    ASN1_BIT_STRING *ku = ASN1_BIT_STRING_new();
    bool ok = false;

    if (bc != NULL && ku != NULL) {
        bc->ca = 0xff;
        if (spec->has_path_len && (bc->pathlen = ASN1_INTEGER_new()) != NULL)
            ok = ASN1_INTEGER_set(bc->pathlen, (long)spec->path_len) == 1;
        else
            ok = !spec->has_path_len;
        ok = ok && ASN1_BIT_STRING_set_bit(ku, 5, 1) == 1 &&          /* keyCertSign */
             ASN1_BIT_STRING_set_bit(ku, 6, !spec->ca_no_crl) == 1 && /* cRLSign */
             X509_add1_ext_i2d(x, NID_basic_constraints, bc, 1, X509V3_ADD_DEFAULT) == 1 &&
             X509_add1_ext_i2d(x, NID_key_usage, ku, 1, X509V3_ADD_DEFAULT) == 1;
    }
    BASIC_CONSTRAINTS_free(bc);
    ASN1_BIT_STRING_free(ku);
    return ok;
}

static bool eku_set(const struct clo_cert_spec *spec, X509 *x)
{
    EXTENDED_KEY_USAGE *eku = EXTENDED_KEY_USAGE_new();
    ASN1_OBJECT *oid = OBJ_txt2obj(spec->eku, 1);
    bool ok = false;

    if (eku != NULL && oid != NULL && sk_ASN1_OBJECT_push(eku, oid) > 0) {
        oid = NULL; /* handed over */
        ok = X509_add1_ext_i2d(x, NID_ext_key_usage, eku, spec->eku_critical, X509V3_ADD_DEFAULT) ==
             1;
    }
    ASN1_OBJECT_free(oid);
    EXTENDED_KEY_USAGE_free(eku);
    return ok;
}

static bool ext_add(X509 *x, const struct clo_cert_ext_spec *e)
{
    ASN1_OBJECT *oid = OBJ_txt2obj(e->oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext = NULL;
    bool ok = false;

    if (oid != NULL && value != NULL && ASN1_OCTET_STRING_set(value, e->p, (int)e->n) == 1 &&
        (ext = X509_EXTENSION_create_by_OBJ(NULL, oid, e->critical, value)) != NULL)
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
        X509_set_pubkey(x, spec->subject->key) != 1 || (spec->ca && !ca_set(spec, x)) ||
        (spec->eku != NULL && !eku_set(spec, x)))
        goto out;
    for (size_t i = 0; i < spec->exts; i++)
        if (!ext_add(x, &spec->ext[i]))
            goto out;
    if ((ctx = make_start(spec->issuer, spec->sig, spec->salt_len)) == NULL ||
        X509_sign_ctx(x, ctx) <= 0 || (n = i2d_X509(x, &der)) <= 0)
        goto out;
    err = clo_buf_append(out, der, (size_t)n);
out:
    OPENSSL_free(der);
    EVP_MD_CTX_free(ctx);
    X509_free(x);
    return err;
}

/* ---- CRLs ---- */

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

/*
 * What every list has to carry (RFC 5280, sections 5.2.1 and 5.2.3): who signed it, by the SHA-1 of its key, and a number, which grows with
 * time here.
 */
static bool crl_ext_set(const struct clo_crl_spec *spec, X509_CRL *x)
{
    AUTHORITY_KEYID *aki = AUTHORITY_KEYID_new();
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    X509_PUBKEY *key = NULL;
    const unsigned char *bits = NULL;
    uint8_t id[20];
    unsigned id_n = 0;
    int n = 0;
    bool ok = false;

    if (aki != NULL && number != NULL && X509_PUBKEY_set(&key, spec->issuer->key) == 1 &&
        X509_PUBKEY_get0_param(NULL, &bits, &n, NULL, key) == 1 &&
        EVP_Digest(bits, (size_t)n, id, &id_n, EVP_sha1(), NULL) == 1 &&
        (aki->keyid = ASN1_OCTET_STRING_new()) != NULL &&
        ASN1_OCTET_STRING_set(aki->keyid, id, (int)id_n) == 1 &&
        ASN1_INTEGER_set_int64(number, spec->this_update) == 1)
        ok = X509_CRL_add1_ext_i2d(x, NID_authority_key_identifier, aki, 0, X509V3_ADD_DEFAULT) ==
                 1 &&
             X509_CRL_add1_ext_i2d(x, NID_crl_number, number, 0, X509V3_ADD_DEFAULT) == 1;
    X509_PUBKEY_free(key);
    ASN1_INTEGER_free(number);
    AUTHORITY_KEYID_free(aki);
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
        (!spec->no_next_update && X509_CRL_set1_nextUpdate(x, next_update) != 1) ||
        !crl_ext_set(spec, x))
        goto out;
    for (size_t i = 0; i < spec->revoked_n; i++)
        if (!revoke(x, spec->revoked[i], this_update))
            goto out;
    if ((ctx = make_start(spec->issuer, spec->sig, 0)) == NULL || X509_CRL_sign_ctx(x, ctx) <= 0 ||
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
