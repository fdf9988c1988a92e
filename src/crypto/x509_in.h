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

static inline bool clo_der_next_is(const struct clo_rd *rd, uint8_t tag)
{
    return rd->left > 0 && rd->p[0] == tag;
}
/* As clo_der_read, and the whole element with its header. */
CLO_MUST_USE int clo_der_whole(struct clo_rd *rd, uint8_t tag, struct clo_rd *ret,
                               struct clo_rd *ret_whole);
/* A BIT STRING of whole bytes. */
CLO_MUST_USE int clo_der_bits(struct clo_rd *rd, struct clo_rd *ret);
/* An INTEGER's content: in its shortest form, so that equal numbers are equal bytes. */
CLO_MUST_USE int clo_der_integer(struct clo_rd *rd, struct clo_rd *ret);
/* BOOLEAN DEFAULT FALSE; that a FALSE is written out though it shouldn't be is borne: certificates do it. */
CLO_MUST_USE int clo_der_bool(struct clo_rd *rd, bool *ret);
/* Unix seconds of a GeneralizedTime as RFC 5280 section 4.1.2.5.2 wants it: YYYYMMDDHHMMSSZ. */
CLO_MUST_USE int clo_der_generalized_time(struct clo_rd *rd, int64_t *ret);
/* The same, or UTCTime: YYMMDDHHMMSSZ, of the years 1950 to 2049. */
CLO_MUST_USE int clo_der_time(struct clo_rd *rd, int64_t *ret);
bool clo_der_same(const struct clo_rd *a, const struct clo_rd *b);
/* Unix seconds of a date of the Gregorian calendar in UTC; month 1 to 12. */
int64_t clo_unix_seconds(int64_t year, int month, int day, int hour, int minute, int second);

struct clo_ext {
    struct clo_rd oid, value;
    bool critical;
};
/* The next Extension (RFC 5280 section 4.1) of a list. */
CLO_MUST_USE int clo_der_ext(struct clo_rd *list, struct clo_ext *ret);
/* [tag] EXPLICIT Extensions OPTIONAL: their list, each of which can be read; empty when they are absent. */
CLO_MUST_USE int clo_der_exts(struct clo_rd *rd, uint8_t tag, struct clo_rd *ret);
bool clo_der_any_critical(struct clo_rd list);

enum clo_key_kind {
    CLO_KIND_OTHER,
    CLO_KIND_RSA,
    CLO_KIND_P256,
    CLO_KIND_P384
};

/* der is a copy of what was received; readers point into it. Nothing in it changes: threads may share it. */
struct clo_cert {
    uint8_t *der;
    size_t der_n;
    struct clo_rd tbs; /* the signed part with its header */
    struct clo_rd alg; /* AlgorithmIdentifier's content */
    struct clo_rd sig;
    struct clo_rd serial;                /* INTEGER's content */
    struct clo_rd issuer, subject, spki; /* with their headers */
    struct clo_rd key_bits;              /* subjectPublicKey */
    struct clo_rd exts;                  /* list of Extension */
    bool same_alg;                       /* the signed part names the same algorithm */
    bool ca;                             /* basicConstraints */
    uint8_t path_len;                    /* 255: no limit, or none that a chain could reach */
    bool has_key_usage;
    uint8_t key_usage; /* the first byte of the BIT STRING; all ones when there is none */
    bool ocsp_signing; /* a purpose in extKeyUsage */
    EVP_PKEY *key;     /* NULL: of no kind that we know, or no key at all */
    enum clo_key_kind kind;
    uint8_t digest[CLO_SHA256_LEN];
    int64_t not_before, not_after;
};
#define CLO_KU_DIGITAL_SIGNATURE 0x80
#define CLO_KU_CERT_SIGN         0x04
#define CLO_KU_CRL_SIGN          0x02

/* Same Name, with headers: same bytes, or equal by the rules of RFC 5280 section 7.1. */
bool clo_name_same(const struct clo_rd *a, const struct clo_rd *b);

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
/*
 * The key of a SubjectPublicKeyInfo with its header, and its subjectPublicKey. *ret is NULL for a key of another kind, or that
 * is none. CLOISTER_E_MALFORMED unless it is DER.
 */
CLO_MUST_USE int clo_spki_read(const struct clo_rd *spki, struct clo_rd *ret_bits, EVP_PKEY **ret,
                               enum clo_key_kind *ret_kind);

#endif
