/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509 for attestation chains: certificates and CRLs that arrive inside evidence, checked against a pinned
 * root at a time that the caller gives. No system trust store, no clock, no network.
 */
#ifndef CLO_CRYPTO_X509_H
#define CLO_CRYPTO_X509_H

#include "base/rw.h"
#include "crypto/crypto.h"

#define CLO_CERT_MAX 8192 /* bytes of DER */
#define CLO_CRL_MAX  65536

/*
 * One DER element (X.690) with this one-byte tag: its content, borrowed. Lengths must be definite and minimal.
 * The reader moves behind the element, or stays where it is on failure.
 */
CLO_MUST_USE int clo_der_read(struct clo_rd *rd, uint8_t tag, struct clo_rd *ret);

/*
 * The next PEM block of this label ("CERTIFICATE", "X509 CRL"; RFC 7468) as DER into *ret, which is empty before. Text between blocks is
 * skipped; *p and *n move on. CLOISTER_E_NOT_FOUND when there is none left.
 */
CLO_MUST_USE int clo_pem_next(const char **p, size_t *n, const char *label, struct clo_buf *ret);

struct clo_cert;
/* Exactly one DER certificate; trailing bytes are refused. */
CLO_MUST_USE int clo_cert_parse(const void *der, size_t n, struct clo_cert **ret);
void clo_cert_free(struct clo_cert *c);
/* SHA-256 over the DER as received. */
void clo_cert_digest(const struct clo_cert *c, uint8_t ret[CLO_SHA256_LEN]);
/* Unix seconds. */
int64_t clo_cert_not_before(const struct clo_cert *c);
int64_t clo_cert_not_after(const struct clo_cert *c);
/* The subject's one CN, printable ASCII, zero-terminated; CLOISTER_E_NOT_FOUND for none, E_DUPLICATE for several. */
CLO_MUST_USE int clo_cert_cn(const struct clo_cert *c, char *dst, size_t cap);
CLO_MUST_USE int clo_cert_issuer_cn(const struct clo_cert *c, char *dst, size_t cap);
/*
 * The extension with this OID (dotted decimal): borrowed bytes of its value (the OCTET STRING's content).
 * CLOISTER_E_NOT_FOUND if absent, CLOISTER_E_DUPLICATE if there are several.
 */
CLO_MUST_USE int clo_cert_ext(const struct clo_cert *c, const char *oid, const uint8_t **ret,
                              size_t *ret_n);
/* The serial number's magnitude, big-endian without leading zeros (empty for 0), borrowed; CLOISTER_E_MALFORMED if negative. */
CLO_MUST_USE int clo_cert_serial(const struct clo_cert *c, const uint8_t **ret, size_t *ret_n);
/* SHA-256 over the SubjectPublicKeyInfo in DER. */
CLO_MUST_USE int clo_cert_spki_digest(const struct clo_cert *c, uint8_t ret[CLO_SHA256_LEN]);
/* Has it a public key of a kind that we know? One that was lost to a lack of memory isn't. */
bool clo_cert_has_key(const struct clo_cert *c);
/* Is the public key EC P-384? */
bool clo_cert_is_p384(const struct clo_cert *c);
/* May it sign certificates: basicConstraints cA and keyUsage keyCertSign are there and say so? */
bool clo_cert_is_ca(const struct clo_cert *c);
/* May `below` authorities stand between it and the leaf (pathLenConstraint, RFC 5280 section 4.2.1.9)? */
bool clo_cert_path_len_allows(const struct clo_cert *c, size_t below);
/* RSA modulus bits, 0 if the key isn't RSA. */
unsigned clo_cert_rsa_bits(const struct clo_cert *c);

enum clo_sig_profile {
    CLO_SIG_RSA_PSS_SHA384 = 1,    /* MGF1 SHA-384, salt 48: all of AMD's chain */
    CLO_SIG_ECDSA_P256_SHA256 = 2, /* all of Intel's */
    CLO_SIG_ECDSA_P384_SHA384 = 3, /* all of NVIDIA's */
    CLO_SIG_RSA_SHA256 = 4,        /* PKCS #1 v1.5, 2048 bits at least: TPM vendors' */
    CLO_SIG_RSA_SHA384 = 5,
};
/* Is its issuer its subject, byte for byte? */
CLO_MUST_USE bool clo_cert_names_itself(const struct clo_cert *c);
/*
 * Is c signed by issuer's key, with exactly this algorithm and parameters (also in the signed part), and do the
 * names match? 0, CLOISTER_E_AUTH (signature or name wrong), CLOISTER_E_UNSUPPORTED (another algorithm).
 * Dates are not judged.
 */
CLO_MUST_USE int clo_cert_signed_by(const struct clo_cert *c, const struct clo_cert *issuer,
                                    enum clo_sig_profile profile);

/* ECDSA P-384 with SHA-384 over msg; r and s 48 bytes big-endian; range-checked. 0 or CLOISTER_E_AUTH. */
CLO_MUST_USE int clo_cert_verify_p384(const struct clo_cert *c, const void *msg, size_t n,
                                      const uint8_t r[48], const uint8_t s[48]);

/* ECDSA P-256 with SHA-256 by the certificate's key; r and s 32 bytes big-endian. 0 or CLOISTER_E_AUTH. */
CLO_MUST_USE int clo_cert_verify_p256(const struct clo_cert *c, const void *msg, size_t n,
                                      const uint8_t rs[64]);
/* The same by a bare public key, its affine x and y big-endian: CLOISTER_E_AUTH too if that isn't a point of the curve. */
CLO_MUST_USE int clo_p256_verify(const uint8_t xy[64], const void *msg, size_t n,
                                 const uint8_t rs[64]);

/* A public key that signs TPM quotes: RSA by modulus and exponent (2048 to 4096 bits), EC by curve and point, or a certificate's. */
struct clo_key;
CLO_MUST_USE int clo_key_new_rsa(const uint8_t *modulus, size_t n, uint32_t exponent,
                                 struct clo_key **ret);
/* bits: 256 or 384; x and y of bits / 8 bytes */
CLO_MUST_USE int clo_key_new_ec(unsigned bits, const uint8_t *x, const uint8_t *y,
                                struct clo_key **ret);
CLO_MUST_USE int clo_key_of_cert(const struct clo_cert *c, struct clo_key **ret);
/* A SubjectPublicKeyInfo in DER. */
CLO_MUST_USE int clo_key_of_spki(const void *der, size_t n, struct clo_key **ret);
void clo_key_free(struct clo_key *k);
/* SHA-256 over the key's SubjectPublicKeyInfo in DER. */
CLO_MUST_USE int clo_key_digest(const struct clo_key *k, uint8_t ret[CLO_SHA256_LEN]);
enum clo_key_scheme {
    CLO_KEY_RSASSA = 1, /* PKCS #1 v1.5 */
    CLO_KEY_RSAPSS = 2, /* salt as long as the hash */
    CLO_KEY_ECDSA = 3,  /* sig is r || s, each of the curve's length */
};
/* 0 or CLOISTER_E_AUTH; CLOISTER_E_AUTH too for a scheme that isn't the key's kind. */
CLO_MUST_USE int clo_key_verify(const struct clo_key *k, enum clo_key_scheme scheme,
                                enum clo_hash_alg hash, const void *msg, size_t n,
                                const uint8_t *sig, size_t sig_n);

/*
 * The same primitives under a bare SubjectPublicKeyInfo in DER, for published vectors: ECDSA P-384 with SHA-384, and
 * RSASSA-PSS with SHA-384, MGF1 SHA-384, 48 bytes of salt. 0, CLOISTER_E_AUTH, or CLOISTER_E_MALFORMED for the key.
 */
CLO_MUST_USE int clo_spki_verify_p384(const void *spki, size_t spki_n, const void *msg, size_t n,
                                      const uint8_t r[48], const uint8_t s[48]);
CLO_MUST_USE int clo_spki_verify_pss(const void *spki, size_t spki_n, const void *msg, size_t n,
                                     const void *sig, size_t sig_n);

struct clo_crl;
CLO_MUST_USE int clo_crl_parse(const void *der, size_t n, struct clo_crl **ret);
void clo_crl_free(struct clo_crl *crl);
int64_t clo_crl_this_update(const struct clo_crl *crl);
/* INT64_MIN when the CRL has no nextUpdate: callers treat that as expired. */
int64_t clo_crl_next_update(const struct clo_crl *crl);
/* Is the CRL's issuer this certificate's subject, byte for byte? clo_crl_signed_by also takes names that RFC 5280 calls equal. */
CLO_MUST_USE bool clo_crl_names(const struct clo_crl *crl, const struct clo_cert *issuer);
/* The issuer's one CN, as clo_cert_cn. */
CLO_MUST_USE int clo_crl_issuer_cn(const struct clo_crl *crl, char *dst, size_t cap);
CLO_MUST_USE int clo_crl_signed_by(const struct clo_crl *crl, const struct clo_cert *issuer,
                                   enum clo_sig_profile profile);
/* Does it say that it comes from the same issuer as `other`, and no earlier? Signatures aren't looked at. */
CLO_MUST_USE bool clo_crl_replaces(const struct clo_crl *crl, const struct clo_crl *other);
/* Is the certificate's serial on the list, and is its issuer the CRL's? */
CLO_MUST_USE bool clo_crl_revokes(const struct clo_crl *crl, const struct clo_cert *c);

#endif
