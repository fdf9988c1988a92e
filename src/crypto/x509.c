/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates and CRLs over libcrypto's parsers. Chains are walked by the callers, one signature at a time:
 * libcrypto's own path building knows nothing of AMD's profile (a CRL that the root issues and not the
 * intermediate, leaves without key identifiers), and would look into a system store.
 *
 * What decides is compared exactly: the signature algorithm with all its parameters, and libcrypto's
 * results with 1. An extension that is critical and unknown here makes a certificate or CRL unsupported
 * (RFC 5280 sections 4.2 and 5.2).
 *
 * Limits: CLO_CERT_MAX, CLO_CRL_MAX. Fuzzed by fuzz/fuzz_cert_ext.c.
 */
#include "crypto/x509.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define P384_SCALAR  48
#define DER_INTEGER  0x02
#define DER_SEQUENCE 0x30

struct clo_cert {
    X509 *x;
    uint8_t digest[CLO_SHA256_LEN];
    int64_t not_before, not_after;
};

struct clo_crl {
    X509_CRL *x;
    int64_t this_update, next_update;
};

int clo_der_read(struct clo_rd *rd, uint8_t tag, struct clo_rd *ret)
{
    struct clo_rd r = *rd;
    const uint8_t *p = NULL;
    uint8_t t = 0, b = 0;
    size_t n = 0;
    int err;

    if ((err = clo_rd_u8(&r, &t)) != 0 || (err = clo_rd_u8(&r, &b)) != 0)
        return err;
    if (t != tag)
        return CLOISTER_E_MALFORMED;
    n = b;
    if (b >= 0x80) { /* long form: one to three bytes of length, more than any element here has */
        size_t octets = b & 0x7f;

        if (octets < 1 || octets > 3)
            return CLOISTER_E_MALFORMED;
        for (n = 0; octets > 0; octets--) {
            if ((err = clo_rd_u8(&r, &b)) != 0)
                return err;
            if (n == 0 && b == 0)
                return CLOISTER_E_MALFORMED;
            n = n << 8 | b;
        }
        if (n < 0x80)
            return CLOISTER_E_MALFORMED;
    }
    if ((err = clo_rd_view(&r, n, &p)) != 0)
        return err;
    *rd = r;
    *ret = clo_rd_init(p, n);
    return 0;
}

/* ASN1_TIME_to_tm gives the proleptic Gregorian date in UTC; no C library time zone is asked. */
static int unix_time(const ASN1_TIME *t, int64_t *ret)
{
    struct tm tm = {0};
    int64_t y, days;
    int m;

    if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
        return CLOISTER_E_MALFORMED;
    /* Days since 1970-01-01 of a year that starts in March, so that leap days come last. */
    y = tm.tm_year + 1900 - (tm.tm_mon < 2);
    m = (tm.tm_mon + 10) % 12;
    days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + tm.tm_mday - 719469;
    *ret = days * 86400 + tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
    return 0;
}

/* ---- certificates ---- */

static bool critical_known(X509 *x)
{
    for (int i = -1; (i = X509_get_ext_by_critical(x, 1, i)) >= 0;) {
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(X509_get_ext(x, i)));

        if (nid != NID_basic_constraints && nid != NID_key_usage)
            return false;
    }
    return true;
}

int clo_cert_parse(const void *der, size_t n, struct clo_cert **ret)
{
    const uint8_t *p = der;
    struct clo_cert *c = NULL;
    int err = 0;

    if (n > CLO_CERT_MAX)
        return CLOISTER_E_LIMIT;
    if ((c = calloc(1, sizeof *c)) == NULL)
        return CLOISTER_E_MEMORY;
    if ((c->x = d2i_X509(NULL, &p, (long)n)) == NULL)
        err = CLOISTER_E_MALFORMED;
    else if (p != (const uint8_t *)der + n)
        err = CLOISTER_E_TRAILING;
    else if ((err = unix_time(X509_get0_notBefore(c->x), &c->not_before)) == 0 &&
             (err = unix_time(X509_get0_notAfter(c->x), &c->not_after)) == 0 &&
             (err = clo_sha256(der, n, c->digest)) == 0 && !critical_known(c->x))
        err = CLOISTER_E_UNSUPPORTED;
    if (err == 0) {
        *ret = c;
        c = NULL;
    }
    clo_cert_free(c);
    return err;
}

void clo_cert_free(struct clo_cert *c)
{
    if (c != NULL)
        X509_free(c->x);
    free(c);
}

void clo_cert_digest(const struct clo_cert *c, uint8_t ret[CLO_SHA256_LEN])
{
    memcpy(ret, c->digest, CLO_SHA256_LEN);
}

int64_t clo_cert_not_before(const struct clo_cert *c)
{
    return c->not_before;
}

int64_t clo_cert_not_after(const struct clo_cert *c)
{
    return c->not_after;
}

static int common_name(const X509_NAME *name, char *dst, size_t cap)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    const ASN1_STRING *s;
    const uint8_t *p;
    size_t n;

    if (at < 0)
        return CLOISTER_E_NOT_FOUND;
    if (X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
        return CLOISTER_E_DUPLICATE;
    s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    p = ASN1_STRING_get0_data(s);
    n = (size_t)ASN1_STRING_length(s);
    if (n >= cap)
        return CLOISTER_E_LIMIT;
    for (size_t i = 0; i < n; i++)
        if (p[i] < 0x20 || p[i] > 0x7e)
            return CLOISTER_E_MALFORMED;
    if (n != 0)
        memcpy(dst, p, n);
    dst[n] = '\0';
    return 0;
}

int clo_cert_cn(const struct clo_cert *c, char *dst, size_t cap)
{
    return common_name(X509_get_subject_name(c->x), dst, cap);
}

int clo_cert_issuer_cn(const struct clo_cert *c, char *dst, size_t cap)
{
    return common_name(X509_get_issuer_name(c->x), dst, cap);
}

int clo_cert_ext(const struct clo_cert *c, const char *oid, const uint8_t **ret, size_t *ret_n)
{
    ASN1_OBJECT *want = OBJ_txt2obj(oid, 1);
    const ASN1_OCTET_STRING *s;
    int at, err = 0;

    if (want == NULL)
        return CLOISTER_E_MEMORY;
    at = X509_get_ext_by_OBJ(c->x, want, -1);
    if (at < 0)
        err = CLOISTER_E_NOT_FOUND;
    else if (X509_get_ext_by_OBJ(c->x, want, at) >= 0)
        err = CLOISTER_E_DUPLICATE;
    ASN1_OBJECT_free(want);
    if (err != 0)
        return err;
    s = X509_EXTENSION_get_data(X509_get_ext(c->x, at));
    *ret = ASN1_STRING_get0_data(s);
    *ret_n = (size_t)ASN1_STRING_length(s);
    return 0;
}

bool clo_cert_is_ca(const struct clo_cert *c)
{
    const uint32_t bad = EXFLAG_INVALID | EXFLAG_V1;
    uint32_t flags = X509_get_extension_flags(c->x);

    return (flags & bad) == 0 && (flags & EXFLAG_CA) != 0 && (flags & EXFLAG_KUSAGE) != 0 &&
           (X509_get_key_usage(c->x) & KU_KEY_CERT_SIGN) != 0;
}

static bool is_p384(const EVP_PKEY *key)
{
    char group[32] = "";

    return key != NULL && EVP_PKEY_is_a(key, "EC") == 1 &&
           EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
           strcmp(group, SN_secp384r1) == 0;
}

bool clo_cert_is_p384(const struct clo_cert *c)
{
    return is_p384(X509_get0_pubkey(c->x));
}

unsigned clo_cert_rsa_bits(const struct clo_cert *c)
{
    const EVP_PKEY *key = X509_get0_pubkey(c->x);

    return key != NULL && EVP_PKEY_is_a(key, "RSA") == 1 ? (unsigned)EVP_PKEY_get_bits(key) : 0;
}

/* ---- signatures ---- */

static bool alg_is(const X509_ALGOR *alg, int nid)
{
    const ASN1_OBJECT *oid = NULL;

    if (alg == NULL)
        return false;
    X509_ALGOR_get0(&oid, NULL, NULL, alg);
    return OBJ_obj2nid(oid) == nid;
}

/* A hash's AlgorithmIdentifier: parameters absent or NULL (RFC 4055 section 2.1). */
static bool is_sha384(const X509_ALGOR *alg)
{
    int type = V_ASN1_UNDEF;

    if (!alg_is(alg, NID_sha384))
        return false;
    X509_ALGOR_get0(NULL, &type, NULL, alg);
    return type == V_ASN1_UNDEF || type == V_ASN1_NULL;
}

/* MGF1 over SHA-384: the mask's parameter is a hash's AlgorithmIdentifier of its own. */
static bool is_mgf1_sha384(const X509_ALGOR *alg)
{
    const void *value = NULL;
    X509_ALGOR *hash = NULL;
    int type = V_ASN1_UNDEF;
    bool ok;

    if (!alg_is(alg, NID_mgf1))
        return false;
    X509_ALGOR_get0(NULL, &type, &value, alg);
    if (type != V_ASN1_SEQUENCE)
        return false;
    hash = ASN1_item_unpack(value, ASN1_ITEM_rptr(X509_ALGOR));
    ok = is_sha384(hash);
    X509_ALGOR_free(hash);
    return ok;
}

/* RSASSA-PSS-params (RFC 4055 section 3.1) that say SHA-384, MGF1 with SHA-384, 48 bytes of salt, trailer field 1. */
static bool is_pss_sha384(const X509_ALGOR *alg)
{
    const void *value = NULL;
    RSA_PSS_PARAMS *pss = NULL;
    int type = V_ASN1_UNDEF;
    bool ok;

    if (!alg_is(alg, NID_rsassaPss))
        return false;
    X509_ALGOR_get0(NULL, &type, &value, alg);
    if (type != V_ASN1_SEQUENCE ||
        (pss = ASN1_item_unpack(value, ASN1_ITEM_rptr(RSA_PSS_PARAMS))) == NULL)
        return false;
    ok = is_sha384(pss->hashAlgorithm) && is_mgf1_sha384(pss->maskGenAlgorithm) &&
         pss->saltLength != NULL && ASN1_INTEGER_get(pss->saltLength) == 48 &&
         (pss->trailerField == NULL || ASN1_INTEGER_get(pss->trailerField) == 1);
    RSA_PSS_PARAMS_free(pss);
    return ok;
}

static int profile_check(enum clo_sig_profile profile, const X509_ALGOR *alg,
                         const struct clo_cert *issuer)
{
    if (profile != CLO_SIG_RSA_PSS_SHA384)
        return CLOISTER_E_ARGUMENT;
    return is_pss_sha384(alg) && clo_cert_rsa_bits(issuer) != 0 ? 0 : CLOISTER_E_UNSUPPORTED;
}

int clo_cert_signed_by(const struct clo_cert *c, const struct clo_cert *issuer,
                       enum clo_sig_profile profile)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer->x);
    const X509_ALGOR *alg = NULL;
    int err;

    X509_get0_signature(NULL, &alg, c->x);
    if ((err = profile_check(profile, alg, issuer)) != 0)
        return err;
    if (X509_ALGOR_cmp(alg, X509_get0_tbs_sigalg(c->x)) != 0)
        return CLOISTER_E_UNSUPPORTED;
    if (X509_NAME_cmp(X509_get_issuer_name(c->x), X509_get_subject_name(issuer->x)) != 0)
        return CLOISTER_E_AUTH;
    return X509_verify(c->x, key) == 1 ? 0 : CLOISTER_E_AUTH;
}

/* DER ECDSA-Sig-Value (RFC 3279 section 2.2.3) out of two scalars; *ret by OPENSSL_malloc, 0 on failure. */
static int ecdsa_der(const uint8_t r[P384_SCALAR], const uint8_t s[P384_SCALAR], uint8_t **ret)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *br = BN_bin2bn(r, P384_SCALAR, NULL);
    BIGNUM *bs = BN_bin2bn(s, P384_SCALAR, NULL);
    int n = 0;

    if (sig != NULL && br != NULL && bs != NULL && ECDSA_SIG_set0(sig, br, bs) == 1) {
        br = bs = NULL; /* handed over */
        n = i2d_ECDSA_SIG(sig, ret);
    }
    BN_free(br);
    BN_free(bs);
    ECDSA_SIG_free(sig);
    return n > 0 ? n : 0;
}

/* libcrypto refuses scalars outside [1, order - 1] (FIPS 186-5 section 6.4.2). */
static int verify_p384(EVP_PKEY *key, const void *msg, size_t n, const uint8_t r[P384_SCALAR],
                       const uint8_t s[P384_SCALAR])
{
    EVP_MD_CTX *ctx = NULL;
    uint8_t *der = NULL;
    int der_n, err = CLOISTER_E_AUTH;

    if (!is_p384(key))
        return CLOISTER_E_AUTH;
    der_n = ecdsa_der(r, s, &der);
    ctx = EVP_MD_CTX_new();
    if (der_n == 0 || ctx == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    if (EVP_DigestVerifyInit_ex(ctx, NULL, "SHA384", NULL, NULL, key, NULL) != 1) {
        err = CLOISTER_E_CRYPTO;
        goto out;
    }
    if (EVP_DigestVerify(ctx, der, (size_t)der_n, msg, n) == 1)
        err = 0;
out:
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    return err;
}

int clo_cert_verify_p384(const struct clo_cert *c, const void *msg, size_t n,
                         const uint8_t r[P384_SCALAR], const uint8_t s[P384_SCALAR])
{
    return verify_p384(X509_get0_pubkey(c->x), msg, n, r, s);
}

/* A SubjectPublicKeyInfo and nothing behind it. */
static EVP_PKEY *spki_key(const void *spki, size_t n)
{
    const uint8_t *p = spki;
    EVP_PKEY *key = n > CLO_CERT_MAX ? NULL : d2i_PUBKEY(NULL, &p, (long)n);

    if (key != NULL && p != (const uint8_t *)spki + n) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

int clo_spki_verify_p384(const void *spki, size_t spki_n, const void *msg, size_t n,
                         const uint8_t r[P384_SCALAR], const uint8_t s[P384_SCALAR])
{
    EVP_PKEY *key = spki_key(spki, spki_n);
    int err = key == NULL ? CLOISTER_E_MALFORMED : verify_p384(key, msg, n, r, s);

    EVP_PKEY_free(key);
    return err;
}

int clo_spki_verify_pss(const void *spki, size_t spki_n, const void *msg, size_t n, const void *sig,
                        size_t sig_n)
{
    EVP_PKEY *key = spki_key(spki, spki_n);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    int err = CLOISTER_E_AUTH;

    if (key == NULL || EVP_PKEY_is_a(key, "RSA") != 1) {
        err = CLOISTER_E_MALFORMED;
        goto out;
    }
    if (ctx == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    if (EVP_DigestVerifyInit_ex(ctx, &pctx, "SHA384", NULL, NULL, key, NULL) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 48) != 1) {
        err = CLOISTER_E_CRYPTO;
        goto out;
    }
    if (EVP_DigestVerify(ctx, sig, sig_n, msg, n) == 1)
        err = 0;
out:
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return err;
}

/* ---- CRLs ---- */

/* No critical extension is known: a delta CRL, an indirect one, or one of partial scope isn't what we can judge. */
static bool crl_critical_known(X509_CRL *x)
{
    STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(x);

    if (X509_CRL_get_ext_by_critical(x, 1, -1) >= 0)
        return false;
    for (int i = 0; i < sk_X509_REVOKED_num(list); i++)
        if (X509_REVOKED_get_ext_by_critical(sk_X509_REVOKED_value(list, i), 1, -1) >= 0)
            return false;
    return true;
}

/*
 * CertificateList ::= { tbsCertList { version OPTIONAL, signature, ... }, signatureAlgorithm, ... }: both name
 * the same algorithm (RFC 5280 section 5.1.1.2). libcrypto neither checks this for CRLs nor hands out the
 * inner one.
 */
static int crl_algorithms(const void *der, size_t n)
{
    struct clo_rd rd = clo_rd_init(der, n), list, tbs, version, inner, outer;
    int err;

    if ((err = clo_der_read(&rd, DER_SEQUENCE, &list)) != 0 ||
        (err = clo_der_read(&list, DER_SEQUENCE, &tbs)) != 0)
        return err;
    if (tbs.left > 0 && tbs.p[0] == DER_INTEGER &&
        (err = clo_der_read(&tbs, DER_INTEGER, &version)) != 0)
        return err;
    if ((err = clo_der_read(&tbs, DER_SEQUENCE, &inner)) != 0 ||
        (err = clo_der_read(&list, DER_SEQUENCE, &outer)) != 0)
        return err;
    if (inner.left != outer.left || memcmp(inner.p, outer.p, inner.left) != 0)
        return CLOISTER_E_MALFORMED;
    return 0;
}

int clo_crl_parse(const void *der, size_t n, struct clo_crl **ret)
{
    const uint8_t *p = der;
    struct clo_crl *c = NULL;
    int err = 0;

    if (n > CLO_CRL_MAX)
        return CLOISTER_E_LIMIT;
    if ((c = calloc(1, sizeof *c)) == NULL)
        return CLOISTER_E_MEMORY;
    c->next_update = INT64_MIN;
    if ((c->x = d2i_X509_CRL(NULL, &p, (long)n)) == NULL)
        err = CLOISTER_E_MALFORMED;
    else if (p != (const uint8_t *)der + n)
        err = CLOISTER_E_TRAILING;
    else if ((err = unix_time(X509_CRL_get0_lastUpdate(c->x), &c->this_update)) == 0 &&
             X509_CRL_get0_nextUpdate(c->x) != NULL)
        err = unix_time(X509_CRL_get0_nextUpdate(c->x), &c->next_update);
    if (err == 0 && (err = crl_algorithms(der, n)) == 0 && !crl_critical_known(c->x))
        err = CLOISTER_E_UNSUPPORTED;
    if (err == 0) {
        *ret = c;
        c = NULL;
    }
    clo_crl_free(c);
    return err;
}

void clo_crl_free(struct clo_crl *crl)
{
    if (crl != NULL)
        X509_CRL_free(crl->x);
    free(crl);
}

int64_t clo_crl_this_update(const struct clo_crl *crl)
{
    return crl->this_update;
}

int64_t clo_crl_next_update(const struct clo_crl *crl)
{
    return crl->next_update;
}

int clo_crl_signed_by(const struct clo_crl *crl, const struct clo_cert *issuer,
                      enum clo_sig_profile profile)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer->x);
    const X509_ALGOR *alg = NULL;
    int err;

    X509_CRL_get0_signature(crl->x, NULL, &alg);
    if ((err = profile_check(profile, alg, issuer)) != 0)
        return err;
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl->x), X509_get_subject_name(issuer->x)) != 0)
        return CLOISTER_E_AUTH;
    return X509_CRL_verify(crl->x, key) == 1 ? 0 : CLOISTER_E_AUTH;
}

bool clo_crl_revokes(const struct clo_crl *crl, const struct clo_cert *c)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(c->x);
    STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl->x);

    if (X509_NAME_cmp(X509_CRL_get_issuer(crl->x), X509_get_issuer_name(c->x)) != 0)
        return false;
    for (int i = 0; i < sk_X509_REVOKED_num(list); i++) {
        const X509_REVOKED *r = sk_X509_REVOKED_value(list, i);

        if (ASN1_INTEGER_cmp(X509_REVOKED_get0_serialNumber(r), serial) == 0)
            return true;
    }
    return false;
}
