/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of X.509, keys and OCSP share, and nobody else sees. */
#ifndef CLO_CRYPTO_X509_IN_H
#define CLO_CRYPTO_X509_IN_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/x509.h"

#define CLO_DER_BOOLEAN     0x01
#define CLO_DER_INTEGER     0x02
#define CLO_DER_BIT_STRING  0x03
#define CLO_DER_OCTETS      0x04
#define CLO_DER_OID         0x06
#define CLO_DER_ENUMERATED  0x0a
#define CLO_DER_SEQUENCE    0x30
#define CLO_DER_GENERALIZED 0x18
#define CLO_DER_CONTEXT(n)  (0xa0 | (n)) /* constructed */

#define CLO_RSA_BITS_MIN    2048

/* As clo_der_read, and the whole element with its header. */
CLO_MUST_USE int clo_der_whole(struct clo_rd *rd, uint8_t tag, struct clo_rd *ret,
                               struct clo_rd *ret_whole);
/* A BIT STRING of whole bytes. */
CLO_MUST_USE int clo_der_bits(struct clo_rd *rd, struct clo_rd *ret);
bool clo_der_same(const struct clo_rd *a, const struct clo_rd *b);
/* Unix seconds of a date of the Gregorian calendar in UTC; month 1 to 12. */
int64_t clo_unix_seconds(int64_t year, int month, int day, int hour, int minute, int second);

enum clo_key_kind {
    CLO_KIND_OTHER,
    CLO_KIND_RSA,
    CLO_KIND_P256,
    CLO_KIND_P384
};

/* der is a copy of what was received; readers point into it. */
struct clo_cert {
    X509 *x;
    uint8_t *der;
    size_t der_n;
    struct clo_rd tbs; /* the signed part with its header */
    struct clo_rd alg; /* AlgorithmIdentifier's content */
    struct clo_rd sig;
    struct clo_rd serial;                /* INTEGER's content */
    struct clo_rd issuer, subject, spki; /* with their headers */
    struct clo_rd key_bits;              /* subjectPublicKey */
    bool same_alg;                       /* the signed part names the same algorithm */
    EVP_PKEY *key; /* x's; NULL: none that can be read */
    enum clo_key_kind kind;
    uint32_t flags, key_usage; /* libcrypto's EXFLAG_* and KU_* */
    uint8_t digest[CLO_SHA256_LEN];
    int64_t not_before, not_after;
};

/* As clo_cert_parse; extKeyUsage may be critical: for one who looks at it. */
CLO_MUST_USE int clo_cert_parse_eku(const void *der, size_t n, struct clo_cert **ret);

/* How a signature is made. */
struct clo_sig_alg {
    enum clo_key_scheme scheme;
    enum clo_hash_alg hash;
};
/*
 * The algorithm of an AlgorithmIdentifier's content, in exactly its one encoding: ECDSA or PKCS #1 v1.5 with a SHA-2
 * hash, or RSA-PSS in AMD's way. CLOISTER_E_UNSUPPORTED for anything else.
 */
CLO_MUST_USE int clo_sig_alg_read(const struct clo_rd *alg, struct clo_sig_alg *ret);
/* kind and size of the key fit the scheme */
bool clo_sig_alg_fits(const struct clo_sig_alg *alg, EVP_PKEY *key, enum clo_key_kind kind);
/* ECDSA's sig is DER here, as in certificates. 0 or CLOISTER_E_AUTH; the key must fit. */
CLO_MUST_USE int clo_sig_verify(const struct clo_sig_alg *alg, EVP_PKEY *key, const void *msg,
                                size_t n, const void *sig, size_t sig_n);
/* ECDSA-Sig-Value (RFC 3279 section 2.2.3) out of r || s of 2 * n bytes, n <= 48; returns its length. */
#define CLO_ECDSA_DER_MAX 104
size_t clo_ecdsa_der(const uint8_t *r, const uint8_t *s, size_t n, uint8_t dst[CLO_ECDSA_DER_MAX]);
enum clo_key_kind clo_key_kind_of(const X509_PUBKEY *pub);

#endif
