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
#include "crypto/x509_in.h"

#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

struct clo_crl {
    X509_CRL *x;
    uint8_t *der;                /* as received; what follows points into it */
    struct clo_rd tbs, alg, sig; /* as in struct clo_cert */
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

int clo_der_whole(struct clo_rd *rd, uint8_t tag, struct clo_rd *ret, struct clo_rd *ret_whole)
{
    const uint8_t *from = rd->p;
    int err;

    if ((err = clo_der_read(rd, tag, ret)) != 0)
        return err;
    *ret_whole = clo_rd_init(from, (size_t)(ret->p + ret->left - from));
    return 0;
}

int clo_der_bits(struct clo_rd *rd, struct clo_rd *ret)
{
    struct clo_rd r = *rd, bits;
    uint8_t unused = 0;
    int err;

    if ((err = clo_der_read(&r, CLO_DER_BIT_STRING, &bits)) != 0 ||
        (err = clo_rd_u8(&bits, &unused)) != 0)
        return err;
    if (unused != 0)
        return CLOISTER_E_MALFORMED;
    *rd = r;
    *ret = bits;
    return 0;
}

bool clo_der_same(const struct clo_rd *a, const struct clo_rd *b)
{
    return a->left == b->left && (a->left == 0 || memcmp(a->p, b->p, a->left) == 0);
}

int64_t clo_unix_seconds(int64_t year, int month, int day, int hour, int minute, int second)
{
    /* Days since 1970-01-01 of a year that starts in March, so that leap days come last. */
    const int64_t y = year - (month < 3);
    const int m = (month + 9) % 12;
    const int64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719469;

    return days * 86400 + hour * 3600 + minute * 60 + second;
}

/* ASN1_TIME_to_tm gives the proleptic Gregorian date in UTC; no C library time zone is asked. */
static int unix_time(const ASN1_TIME *t, int64_t *ret)
{
    struct tm tm = {0};

    if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
        return CLOISTER_E_MALFORMED;
    *ret = clo_unix_seconds(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                            tm.tm_sec);
    return 0;
}

/* A copy of n bytes; NULL when there is no memory. */
static uint8_t *copy_of(const void *p, size_t n)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);

    if (copy != NULL && n > 0)
        memcpy(copy, p, n);
    return copy;
}

/* ---- certificates ---- */

/*
 * Known: basicConstraints and keyUsage, which clo_cert_is_ca reads; subjectAltName, which is critical where the subject is empty
 * (RFC 5280 section 4.2.1.6; attestation keys' certificates have it) and names no restriction; extKeyUsage for one who asks for it.
 */
static bool critical_known(X509 *x, bool eku)
{
    for (int i = -1; (i = X509_get_ext_by_critical(x, 1, i)) >= 0;) {
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(X509_get_ext(x, i)));

        if (nid != NID_basic_constraints && nid != NID_key_usage && nid != NID_subject_alt_name &&
            !(eku && nid == NID_ext_key_usage))
            return false;
    }
    return true;
}

/* Where things stand in a Certificate (RFC 5280 section 4.1), strictly DER: what is verified and compared is what was received. */
static int cert_walk(struct clo_cert *c, size_t n)
{
    struct clo_rd rd = clo_rd_init(c->der, n), body, tbs, alg, skip;
    int err;

    if ((err = clo_der_read(&rd, CLO_DER_SEQUENCE, &body)) != 0 ||
        (err = clo_der_whole(&body, CLO_DER_SEQUENCE, &tbs, &c->tbs)) != 0 ||
        (err = clo_der_read(&body, CLO_DER_SEQUENCE, &c->alg)) != 0 ||
        (err = clo_der_bits(&body, &c->sig)) != 0 || (err = clo_rd_end(&body)) != 0)
        return err;
    if (tbs.left > 0 && tbs.p[0] == CLO_DER_CONTEXT(0) &&
        (err = clo_der_read(&tbs, CLO_DER_CONTEXT(0), &skip)) != 0) /* version */
        return err;
    if ((err = clo_der_read(&tbs, CLO_DER_INTEGER, &c->serial)) != 0 ||
        (err = clo_der_read(&tbs, CLO_DER_SEQUENCE, &alg)) != 0 ||
        (err = clo_der_whole(&tbs, CLO_DER_SEQUENCE, &skip, &c->issuer)) != 0 ||
        (err = clo_der_read(&tbs, CLO_DER_SEQUENCE, &skip)) != 0 || /* validity */
        (err = clo_der_whole(&tbs, CLO_DER_SEQUENCE, &skip, &c->subject)) != 0 ||
        (err = clo_der_whole(&tbs, CLO_DER_SEQUENCE, &skip, &c->spki)) != 0)
        return err;
    c->same_alg = clo_der_same(&alg, &c->alg);
    if ((err = clo_der_read(&skip, CLO_DER_SEQUENCE, &alg)) != 0)
        return err;
    return clo_der_bits(&skip, &c->key_bits);
}

static int cert_parse(const void *der, size_t n, bool eku, struct clo_cert **ret)
{
    const uint8_t *p = der;
    struct clo_cert *c = NULL;
    int err = 0;

    if (n > CLO_CERT_MAX)
        return CLOISTER_E_LIMIT;
    if ((c = calloc(1, sizeof *c)) == NULL)
        return CLOISTER_E_MEMORY;
    (void)ERR_set_mark();
    if ((c->der = copy_of(der, n)) == NULL)
        err = CLOISTER_E_MEMORY;
    else if ((c->x = d2i_X509(NULL, &p, (long)n)) == NULL)
        err = CLOISTER_E_MALFORMED;
    else if (p != (const uint8_t *)der + n)
        err = CLOISTER_E_TRAILING;
    else if (cert_walk(c, n) != 0)
        err = CLOISTER_E_MALFORMED;
    else if ((err = unix_time(X509_get0_notBefore(c->x), &c->not_before)) == 0 &&
             (err = unix_time(X509_get0_notAfter(c->x), &c->not_after)) == 0 &&
             (err = clo_sha256(der, n, c->digest)) == 0 && !critical_known(c->x, eku))
        err = CLOISTER_E_UNSUPPORTED;
    if (err ==
        0) { /* all that libcrypto would work out later: a certificate doesn't change, and threads may share it */
        c->der_n = n;
        c->key = X509_get0_pubkey(c->x);
        c->kind = clo_key_kind_of(X509_get_X509_PUBKEY(c->x));
        c->flags = X509_get_extension_flags(c->x);
        c->key_usage = X509_get_key_usage(c->x);
        if ((c->flags & EXFLAG_INVALID) !=
            0) /* an extension that libcrypto knows makes no sense, or is there twice */
            err = CLOISTER_E_MALFORMED;
    }
    (void)ERR_pop_to_mark();
    if (err == 0) {
        *ret = c;
        c = NULL;
    }
    clo_cert_free(c);
    return err;
}

int clo_cert_parse(const void *der, size_t n, struct clo_cert **ret)
{
    return cert_parse(der, n, false, ret);
}

int clo_cert_parse_eku(const void *der, size_t n, struct clo_cert **ret)
{
    return cert_parse(der, n, true, ret);
}

void clo_cert_free(struct clo_cert *c)
{
    if (c == NULL)
        return;
    X509_free(c->x);
    free(c->der);
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

int clo_cert_serial(const struct clo_cert *c, const uint8_t **ret, size_t *ret_n)
{
    const uint8_t *p = c->serial.p;
    size_t n = c->serial.left;

    if (n == 0 || (p[0] & 0x80) != 0)
        return CLOISTER_E_MALFORMED;
    while (n > 0 && p[0] == 0) {
        p++;
        n--;
    }
    *ret = p;
    *ret_n = n;
    return 0;
}

int clo_cert_spki_digest(const struct clo_cert *c, uint8_t ret[CLO_SHA256_LEN])
{
    return clo_sha256(c->spki.p, c->spki.left, ret);
}

bool clo_cert_is_ca(const struct clo_cert *c)
{
    return (c->flags & EXFLAG_V1) == 0 && (c->flags & EXFLAG_CA) != 0 &&
           (c->flags & EXFLAG_KUSAGE) != 0 && (c->key_usage & KU_KEY_CERT_SIGN) != 0;
}

bool clo_cert_is_p384(const struct clo_cert *c)
{
    return c->kind == CLO_KIND_P384;
}

unsigned clo_cert_rsa_bits(const struct clo_cert *c)
{
    return c->key != NULL && c->kind == CLO_KIND_RSA ? (unsigned)EVP_PKEY_get_bits(c->key) : 0;
}

/* ---- signatures ---- */

/* Does the algorithm say exactly what the profile does, and is the issuer's key of its kind? */
static int profile_read(enum clo_sig_profile profile, const struct clo_rd *id,
                        const struct clo_cert *issuer, struct clo_sig_alg *ret)
{
    static const struct {
        struct clo_sig_alg alg;
        enum clo_key_kind kind;
    } table[] = {
        [CLO_SIG_RSA_PSS_SHA384] = {{CLO_KEY_RSAPSS, CLO_SHA384}, CLO_KIND_RSA},
        [CLO_SIG_ECDSA_P256_SHA256] = {{CLO_KEY_ECDSA, CLO_SHA256}, CLO_KIND_P256},
        [CLO_SIG_ECDSA_P384_SHA384] = {{CLO_KEY_ECDSA, CLO_SHA384}, CLO_KIND_P384},
        [CLO_SIG_RSA_SHA256] = {{CLO_KEY_RSASSA, CLO_SHA256}, CLO_KIND_RSA},
        [CLO_SIG_RSA_SHA384] = {{CLO_KEY_RSASSA, CLO_SHA384}, CLO_KIND_RSA},
    };
    struct clo_sig_alg alg;

    if (profile < CLO_SIG_RSA_PSS_SHA384 || profile >= CLO_ARRAY_LEN(table))
        return CLOISTER_E_ARGUMENT;
    if (clo_sig_alg_read(id, &alg) != 0 || alg.scheme != table[profile].alg.scheme ||
        alg.hash != table[profile].alg.hash || issuer->kind != table[profile].kind ||
        !clo_sig_alg_fits(&alg, issuer->key, issuer->kind))
        return CLOISTER_E_UNSUPPORTED;
    *ret = alg;
    return 0;
}

int clo_cert_signed_by(const struct clo_cert *c, const struct clo_cert *issuer,
                       enum clo_sig_profile profile)
{
    struct clo_sig_alg alg;
    int err;

    if ((err = profile_read(profile, &c->alg, issuer, &alg)) != 0)
        return err;
    if (!c->same_alg)
        return CLOISTER_E_UNSUPPORTED;
    if (X509_NAME_cmp(X509_get_issuer_name(c->x), X509_get_subject_name(issuer->x)) != 0)
        return CLOISTER_E_AUTH;
    return clo_sig_verify(&alg, issuer->key, c->tbs.p, c->tbs.left, c->sig.p, c->sig.left);
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
 * CertificateList ::= { tbsCertList { version OPTIONAL, signature, ... }, signatureAlgorithm, signatureValue }: both name
 * the same algorithm (RFC 5280 section 5.1.1.2), which libcrypto doesn't check for CRLs.
 */
static int crl_walk(struct clo_crl *c, size_t n)
{
    struct clo_rd rd = clo_rd_init(c->der, n), list, tbs, version, inner;
    int err;

    if ((err = clo_der_read(&rd, CLO_DER_SEQUENCE, &list)) != 0 ||
        (err = clo_der_whole(&list, CLO_DER_SEQUENCE, &tbs, &c->tbs)) != 0 ||
        (err = clo_der_read(&list, CLO_DER_SEQUENCE, &c->alg)) != 0 ||
        (err = clo_der_bits(&list, &c->sig)) != 0 || (err = clo_rd_end(&list)) != 0)
        return err;
    if (tbs.left > 0 && tbs.p[0] == CLO_DER_INTEGER &&
        (err = clo_der_read(&tbs, CLO_DER_INTEGER, &version)) != 0)
        return err;
    if ((err = clo_der_read(&tbs, CLO_DER_SEQUENCE, &inner)) != 0)
        return err;
    return clo_der_same(&inner, &c->alg) ? 0 : CLOISTER_E_MALFORMED;
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
    (void)ERR_set_mark();
    if ((c->der = copy_of(der, n)) == NULL)
        err = CLOISTER_E_MEMORY;
    else if ((c->x = d2i_X509_CRL(NULL, &p, (long)n)) == NULL)
        err = CLOISTER_E_MALFORMED;
    else if (p != (const uint8_t *)der + n)
        err = CLOISTER_E_TRAILING;
    else if ((err = unix_time(X509_CRL_get0_lastUpdate(c->x), &c->this_update)) == 0 &&
             X509_CRL_get0_nextUpdate(c->x) != NULL)
        err = unix_time(X509_CRL_get0_nextUpdate(c->x), &c->next_update);
    if (err == 0 && (err = crl_walk(c, n)) == 0 && !crl_critical_known(c->x))
        err = CLOISTER_E_UNSUPPORTED;
    (void)ERR_pop_to_mark();
    if (err == 0) {
        *ret = c;
        c = NULL;
    }
    clo_crl_free(c);
    return err;
}

void clo_crl_free(struct clo_crl *crl)
{
    if (crl == NULL)
        return;
    X509_CRL_free(crl->x);
    free(crl->der);
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
    struct clo_sig_alg alg;
    int err;

    if ((err = profile_read(profile, &crl->alg, issuer, &alg)) != 0)
        return err;
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl->x), X509_get_subject_name(issuer->x)) != 0 ||
        (issuer->key_usage & KU_CRL_SIGN) == 0) /* RFC 5280 section 6.3.3 (f) */
        return CLOISTER_E_AUTH;
    return clo_sig_verify(&alg, issuer->key, crl->tbs.p, crl->tbs.left, crl->sig.p, crl->sig.left);
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
