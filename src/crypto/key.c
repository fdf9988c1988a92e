/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public keys and the signatures that they verify: the few algorithms of vendors' chains and TPM quotes, each in exactly
 * one encoding. libcrypto's results are compared with 1.
 */
#include "crypto/x509_in.h"

#include <stdlib.h>
#include <string.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#define RSA_BITS_MAX  4096 /* of a key that signs quotes */
#define RSA_BITS_READ 8192 /* of any */
#define SCALAR_MAX    48

struct clo_key {
    EVP_PKEY *key;
    enum clo_key_kind kind;
};

/* ---- algorithm identifiers ---- */

/* Contents of AlgorithmIdentifier: ECDSA without parameters (RFC 5758 section 3.2), PKCS #1 v1.5 with NULL (RFC 4055 section 5). */
#define ECDSA(h)                                                \
    {                                                           \
        0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, h \
    }
#define PKCS1(h)                                                                  \
    {                                                                             \
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, h, 0x05, 0x00 \
    }

static const struct {
    uint8_t p[13];
    size_t n;
    struct clo_sig_alg alg;
} known_alg[] = {
    {ECDSA(2), 10, {CLO_KEY_ECDSA, CLO_SHA256}},   {ECDSA(3), 10, {CLO_KEY_ECDSA, CLO_SHA384}},
    {ECDSA(4), 10, {CLO_KEY_ECDSA, CLO_SHA512}},   {PKCS1(11), 13, {CLO_KEY_RSASSA, CLO_SHA256}},
    {PKCS1(12), 13, {CLO_KEY_RSASSA, CLO_SHA384}}, {PKCS1(13), 13, {CLO_KEY_RSASSA, CLO_SHA512}},
};

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

/* id-RSASSA-PSS (RFC 4055 section 3.1): what follows it is RSASSA-PSS-params. */
static const uint8_t pss_oid[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a};
/* As AMD writes them, and with NULL left out where it may be: SHA-384, MGF1 with SHA-384, 48 bytes of salt. */
static const uint8_t pss_amd[] = {
    0x30, 0x39, 0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
    0x02, 0x02, 0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
    0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
    0x02, 0x02, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x30, 0xa3, 0x03, 0x02, 0x01, 0x01};

/* RSASSA-PSS-params that say SHA-384, MGF1 with SHA-384, 48 bytes of salt, trailer field 1. */
static bool is_pss_sha384(const struct clo_rd *alg)
{
    struct clo_rd rd = *alg, oid, params, whole;
    const uint8_t *p = NULL;
    RSA_PSS_PARAMS *pss = NULL;
    bool ok = false;

    if (rd.left < sizeof pss_oid || memcmp(rd.p, pss_oid, sizeof pss_oid) != 0 ||
        clo_der_read(&rd, CLO_DER_OID, &oid) != 0)
        return false;
    if (rd.left == sizeof pss_amd && memcmp(rd.p, pss_amd, sizeof pss_amd) == 0)
        return true;
    if (clo_der_whole(&rd, CLO_DER_SEQUENCE, &params, &whole) != 0 || clo_rd_end(&rd) != 0)
        return false;
    p = whole.p;
    pss = d2i_RSA_PSS_PARAMS(NULL, &p, (long)whole.left);
    if (pss != NULL)
        ok = p == whole.p + whole.left && is_sha384(pss->hashAlgorithm) &&
             is_mgf1_sha384(pss->maskGenAlgorithm) && pss->saltLength != NULL &&
             ASN1_INTEGER_get(pss->saltLength) == 48 &&
             (pss->trailerField == NULL || ASN1_INTEGER_get(pss->trailerField) == 1);
    RSA_PSS_PARAMS_free(pss);
    return ok;
}

int clo_sig_alg_read(const struct clo_rd *alg, struct clo_sig_alg *ret)
{
    for (size_t i = 0; i < CLO_ARRAY_LEN(known_alg); i++) {
        if (alg->left == known_alg[i].n && memcmp(alg->p, known_alg[i].p, alg->left) == 0) {
            *ret = known_alg[i].alg;
            return 0;
        }
    }
    if (!is_pss_sha384(alg))
        return CLOISTER_E_UNSUPPORTED;
    *ret = (struct clo_sig_alg){CLO_KEY_RSAPSS, CLO_SHA384};
    return 0;
}

/* ---- keys ---- */

bool clo_sig_alg_fits(const struct clo_sig_alg *alg, EVP_PKEY *key, enum clo_key_kind kind)
{
    if (key == NULL)
        return false;
    switch (alg->scheme) {
    case CLO_KEY_RSASSA: return kind == CLO_KIND_RSA && EVP_PKEY_get_bits(key) >= CLO_RSA_BITS_MIN;
    case CLO_KEY_RSAPSS: return kind == CLO_KIND_RSA;
    case CLO_KEY_ECDSA: return kind == CLO_KIND_P256 || kind == CLO_KIND_P384;
    default: return false;
    }
}

static size_t hash_len(enum clo_hash_alg hash)
{
    return hash == CLO_SHA256   ? CLO_SHA256_LEN
           : hash == CLO_SHA384 ? CLO_SHA384_LEN
                                : CLO_SHA512_LEN;
}

/* PKCS #1 v1.5 or PSS with the hash in the mask too, and a salt as long as the hash. */
static bool rsa_set(EVP_PKEY_CTX *ctx, const struct clo_sig_alg *alg)
{
    const EVP_MD *md = alg->hash == CLO_SHA256   ? EVP_sha256()
                       : alg->hash == CLO_SHA384 ? EVP_sha384()
                                                 : EVP_sha512();
    const bool pss = alg->scheme == CLO_KEY_RSAPSS;

    if (EVP_PKEY_CTX_set_rsa_padding(ctx, pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_CTX_set_signature_md(ctx, md) != 1)
        return false;
    return !pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)hash_len(alg->hash)) == 1;
}

/* libcrypto refuses scalars outside [1, order - 1] (FIPS 186-5 section 6.4.2) and any ECDSA-Sig-Value that isn't DER. */
int clo_sig_verify(const struct clo_sig_alg *alg, EVP_PKEY *key, const void *msg, size_t n,
                   const void *sig, size_t sig_n)
{
    const struct clo_slice in = {msg, n};
    EVP_PKEY_CTX *ctx = NULL;
    uint8_t hash[CLO_SHA512_LEN];
    int err;

    if ((err = clo_hash(alg->hash, &in, 1, hash)) != 0)
        return err;
    (void)ERR_set_mark();
    if ((ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)) == NULL)
        err = CLOISTER_E_MEMORY;
    else if (EVP_PKEY_verify_init(ctx) != 1 || (alg->scheme != CLO_KEY_ECDSA && !rsa_set(ctx, alg)))
        err = CLOISTER_E_CRYPTO;
    else if (EVP_PKEY_verify(ctx, sig, sig_n, hash, hash_len(alg->hash)) != 1)
        err = CLOISTER_E_AUTH;
    EVP_PKEY_CTX_free(ctx);
    (void)ERR_pop_to_mark();
    return err;
}

/* A non-negative INTEGER. */
static size_t der_integer(const uint8_t *p, size_t n, uint8_t *dst)
{
    size_t at = 0;

    while (n > 1 && p[0] == 0) {
        p++;
        n--;
    }
    dst[at++] = CLO_DER_INTEGER;
    dst[at++] = (uint8_t)(n + (p[0] >> 7));
    if (p[0] >> 7)
        dst[at++] = 0;
    memcpy(dst + at, p, n);
    return at + n;
}

size_t clo_ecdsa_der(const uint8_t *r, const uint8_t *s, size_t n, uint8_t dst[CLO_ECDSA_DER_MAX])
{
    size_t at = 2; /* no more than 102 bytes follow: a length of one byte */

    at += der_integer(r, n, dst + at);
    at += der_integer(s, n, dst + at);
    dst[0] = CLO_DER_SEQUENCE;
    dst[1] = (uint8_t)(at - 2);
    return at;
}

static int key_new(EVP_PKEY *key, enum clo_key_kind kind, struct clo_key **ret)
{
    struct clo_key *k = calloc(1, sizeof *k);

    if (k == NULL) {
        EVP_PKEY_free(key);
        return CLOISTER_E_MEMORY;
    }
    k->key = key;
    k->kind = kind;
    *ret = k;
    return 0;
}

/* What may sign a quote. */
static bool key_admitted(EVP_PKEY *key, enum clo_key_kind kind)
{
    const int bits = kind == CLO_KIND_RSA ? EVP_PKEY_get_bits(key) : 0;

    return kind == CLO_KIND_P256 || kind == CLO_KIND_P384 ||
           (kind == CLO_KIND_RSA && bits >= CLO_RSA_BITS_MIN && bits <= RSA_BITS_MAX);
}

static EVP_PKEY *key_from(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    (void)ERR_set_mark();
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    (void)ERR_pop_to_mark();
    return key;
}

/* modulus without leading zeros; NULL for what is no key. */
static EVP_PKEY *rsa_make(const uint8_t *modulus, size_t n, uint64_t exponent)
{
    uint8_t native[RSA_BITS_READ / 8]; /* OSSL_PARAM's integers are in the machine's order */
    OSSL_PARAM params[3];

    if (n == 0 || n > sizeof native || modulus[n - 1] % 2 == 0 || exponent < 3 || exponent % 2 == 0)
        return NULL;
    for (size_t i = 0; i < n; i++)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        native[i] = modulus[n - 1 - i];
#else
        native[i] = modulus[i];
#endif
    params[0] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, native, n);
    params[1] = OSSL_PARAM_construct_uint64(OSSL_PKEY_PARAM_RSA_E, &exponent);
    params[2] = OSSL_PARAM_construct_end();
    return key_from("RSA", params);
}

int clo_key_new_rsa(const uint8_t *modulus, size_t n, uint32_t exponent, struct clo_key **ret)
{
    EVP_PKEY *key = NULL;

    while (n > 0 && modulus[0] == 0) {
        modulus++;
        n--;
    }
    if (n > RSA_BITS_MAX / 8 || n < CLO_RSA_BITS_MIN / 8)
        return CLOISTER_E_UNSUPPORTED;
    if ((key = rsa_make(modulus, n, exponent)) == NULL)
        return CLOISTER_E_MALFORMED;
    if (!key_admitted(key, CLO_KIND_RSA)) {
        EVP_PKEY_free(key);
        return CLOISTER_E_UNSUPPORTED;
    }
    return key_new(key, CLO_KIND_RSA, ret);
}

/* NULL for what isn't a point of the curve. */
static EVP_PKEY *ec_key(enum clo_key_kind kind, const uint8_t *x, const uint8_t *y)
{
    const size_t n = kind == CLO_KIND_P256 ? 32 : 48;
    char p256[] = "P-256", p384[] = "P-384";
    uint8_t point[1 + 2 * SCALAR_MAX] = {4}; /* uncompressed (SEC 1 section 2.3.3) */
    OSSL_PARAM params[3];

    memcpy(point + 1, x, n);
    memcpy(point + 1 + n, y, n);
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                 kind == CLO_KIND_P256 ? p256 : p384, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * n);
    params[2] = OSSL_PARAM_construct_end();
    return key_from("EC", params);
}

int clo_key_new_ec(unsigned bits, const uint8_t *x, const uint8_t *y, struct clo_key **ret)
{
    const enum clo_key_kind kind = bits == 256 ? CLO_KIND_P256 : CLO_KIND_P384;
    EVP_PKEY *key = NULL;

    if (bits != 256 && bits != 384)
        return CLOISTER_E_UNSUPPORTED;
    if ((key = ec_key(kind, x, y)) == NULL)
        return CLOISTER_E_MALFORMED;
    return key_new(key, kind, ret);
}

int clo_key_of_cert(const struct clo_cert *c, struct clo_key **ret)
{
    if (c->key == NULL || !key_admitted(c->key, c->kind))
        return CLOISTER_E_UNSUPPORTED;
    if (EVP_PKEY_up_ref(c->key) != 1)
        return CLOISTER_E_CRYPTO;
    return key_new(c->key, c->kind, ret);
}

/* RSAPublicKey ::= SEQUENCE { modulus, publicExponent } (RFC 8017 appendix A.1.1); NULL for none. */
static EVP_PKEY *rsa_key(struct clo_rd bits)
{
    struct clo_rd body, n, e;
    uint64_t exponent = 0;

    if (clo_der_read(&bits, CLO_DER_SEQUENCE, &body) != 0 || clo_rd_end(&bits) != 0 ||
        clo_der_integer(&body, &n) != 0 || clo_der_integer(&body, &e) != 0 ||
        clo_rd_end(&body) != 0 || (n.p[0] & 0x80) != 0 || (e.p[0] & 0x80) != 0 || e.left > 8)
        return NULL;
    for (size_t i = 0; i < e.left; i++)
        exponent = exponent << 8 | e.p[i];
    return rsa_make(n.p + (n.p[0] == 0), n.left - (n.p[0] == 0), exponent);
}

/*
 * Kinds are told by the algorithm's identifier, whole: curves by name only (RFC 5480 section 2.1.1), so that one with a
 * generator of the sender's choosing, as in CVE-2020-0601, is of no kind that we know; and points uncompressed.
 */
int clo_spki_read(const struct clo_rd *spki, struct clo_rd *ret_bits, EVP_PKEY **ret,
                  enum clo_key_kind *ret_kind)
{
    static const uint8_t p256[] = {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                   0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    static const uint8_t p384[] = {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
                                   0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
    static const uint8_t rsa[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
                                  0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    const struct clo_rd is_p256 = clo_rd_init(p256, sizeof p256);
    const struct clo_rd is_p384 = clo_rd_init(p384, sizeof p384);
    const struct clo_rd is_rsa = clo_rd_init(rsa, sizeof rsa);
    struct clo_rd rd = *spki, body, alg, bits;
    enum clo_key_kind kind = CLO_KIND_OTHER;
    EVP_PKEY *key = NULL;

    if (clo_der_read(&rd, CLO_DER_SEQUENCE, &body) != 0 || clo_rd_end(&rd) != 0 ||
        clo_der_read(&body, CLO_DER_SEQUENCE, &alg) != 0 || clo_der_bits(&body, &bits) != 0 ||
        clo_rd_end(&body) != 0)
        return CLOISTER_E_MALFORMED;
    if (clo_der_same(&alg, &is_rsa))
        kind = CLO_KIND_RSA;
    else if (clo_der_same(&alg, &is_p256) && bits.left == 65 && bits.p[0] == 4)
        kind = CLO_KIND_P256;
    else if (clo_der_same(&alg, &is_p384) && bits.left == 97 && bits.p[0] == 4)
        kind = CLO_KIND_P384;
    if (kind == CLO_KIND_RSA)
        key = rsa_key(bits);
    else if (kind != CLO_KIND_OTHER)
        key = ec_key(kind, bits.p + 1, bits.p + 1 + (bits.left - 1) / 2);
    *ret_bits = bits;
    *ret_kind = key != NULL ? kind : CLO_KIND_OTHER;
    *ret = key;
    return 0;
}

static int spki_read(const void *spki, size_t n, EVP_PKEY **ret, enum clo_key_kind *ret_kind)
{
    const struct clo_rd rd = clo_rd_init(spki, n);
    struct clo_rd bits;

    return clo_spki_read(&rd, &bits, ret, ret_kind);
}

int clo_key_of_spki(const void *der, size_t n, struct clo_key **ret)
{
    enum clo_key_kind kind = CLO_KIND_OTHER;
    EVP_PKEY *key = NULL;
    int err;

    if ((err = spki_read(der, n, &key, &kind)) != 0)
        return err;
    if (!key_admitted(key, kind)) {
        EVP_PKEY_free(key);
        return CLOISTER_E_UNSUPPORTED;
    }
    return key_new(key, kind, ret);
}

void clo_key_free(struct clo_key *k)
{
    if (k != NULL)
        EVP_PKEY_free(k->key);
    free(k);
}

int clo_key_digest(const struct clo_key *k, uint8_t ret[CLO_SHA256_LEN])
{
    uint8_t *der = NULL;
    const int n = i2d_PUBKEY(k->key, &der);
    int err = n > 0 ? clo_sha256(der, (size_t)n, ret) : CLOISTER_E_CRYPTO;

    OPENSSL_free(der);
    return err;
}

int clo_key_verify(const struct clo_key *k, enum clo_key_scheme scheme, enum clo_hash_alg hash,
                   const void *msg, size_t n, const uint8_t *sig, size_t sig_n)
{
    const struct clo_sig_alg alg = {scheme, hash};
    const size_t scalar = k->kind == CLO_KIND_P256 ? 32 : 48;
    uint8_t der[CLO_ECDSA_DER_MAX];

    if (!clo_sig_alg_fits(&alg, k->key, k->kind) ||
        (hash != CLO_SHA256 && hash != CLO_SHA384 && hash != CLO_SHA512))
        return CLOISTER_E_AUTH;
    if (scheme != CLO_KEY_ECDSA)
        return clo_sig_verify(&alg, k->key, msg, n, sig, sig_n);
    if (sig_n != 2 * scalar)
        return CLOISTER_E_AUTH;
    return clo_sig_verify(&alg, k->key, msg, n, der, clo_ecdsa_der(sig, sig + scalar, scalar, der));
}

/* ---- bare primitives ---- */

static int verify_ecdsa(EVP_PKEY *key, enum clo_key_kind kind, enum clo_key_kind want,
                        const void *msg, size_t n, const uint8_t *r, const uint8_t *s)
{
    const struct clo_sig_alg alg = {CLO_KEY_ECDSA, want == CLO_KIND_P256 ? CLO_SHA256 : CLO_SHA384};
    uint8_t der[CLO_ECDSA_DER_MAX];

    if (key == NULL || kind != want)
        return CLOISTER_E_AUTH;
    return clo_sig_verify(&alg, key, msg, n, der,
                          clo_ecdsa_der(r, s, want == CLO_KIND_P256 ? 32 : 48, der));
}

int clo_cert_verify_p384(const struct clo_cert *c, const void *msg, size_t n, const uint8_t r[48],
                         const uint8_t s[48])
{
    return verify_ecdsa(c->key, c->kind, CLO_KIND_P384, msg, n, r, s);
}

int clo_cert_verify_p256(const struct clo_cert *c, const void *msg, size_t n, const uint8_t rs[64])
{
    return verify_ecdsa(c->key, c->kind, CLO_KIND_P256, msg, n, rs, rs + 32);
}

int clo_p256_verify(const uint8_t xy[64], const void *msg, size_t n, const uint8_t rs[64])
{
    EVP_PKEY *key = ec_key(CLO_KIND_P256, xy, xy + 32);
    int err = verify_ecdsa(key, CLO_KIND_P256, CLO_KIND_P256, msg, n, rs, rs + 32);

    EVP_PKEY_free(key);
    return err;
}

int clo_spki_verify_p384(const void *spki, size_t spki_n, const void *msg, size_t n,
                         const uint8_t r[48], const uint8_t s[48])
{
    enum clo_key_kind kind = CLO_KIND_OTHER;
    EVP_PKEY *key = NULL;
    int err;

    if ((err = spki_read(spki, spki_n, &key, &kind)) != 0)
        return err;
    err = verify_ecdsa(key, kind, CLO_KIND_P384, msg, n, r, s);
    EVP_PKEY_free(key);
    return err;
}

int clo_spki_verify_pss(const void *spki, size_t spki_n, const void *msg, size_t n, const void *sig,
                        size_t sig_n)
{
    const struct clo_sig_alg alg = {CLO_KEY_RSAPSS, CLO_SHA384};
    enum clo_key_kind kind = CLO_KIND_OTHER;
    EVP_PKEY *key = NULL;
    int err;

    if ((err = spki_read(spki, spki_n, &key, &kind)) != 0)
        return err;
    err = kind == CLO_KIND_RSA ? clo_sig_verify(&alg, key, msg, n, sig, sig_n)
                               : CLOISTER_E_MALFORMED;
    EVP_PKEY_free(key);
    return err;
}
