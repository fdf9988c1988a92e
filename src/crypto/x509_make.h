/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making certificates, CRLs and OCSP responses: for the simulator, which has no vendor to sign for it, and for tests. Keys are
 * born here, live in libcrypto's memory and are never written out. Verification needs nothing of this.
 */
#ifndef CLO_CRYPTO_X509_MAKE_H
#define CLO_CRYPTO_X509_MAKE_H

#include "base/rw.h"
#include "crypto/ocsp.h"

/* A private key, from libcrypto's own generator. */
struct clo_signer;
CLO_MUST_USE int clo_signer_new_rsa(unsigned bits, struct clo_signer **ret);
CLO_MUST_USE int clo_signer_new_p256(struct clo_signer **ret);
CLO_MUST_USE int clo_signer_new_p384(struct clo_signer **ret);
void clo_signer_free(struct clo_signer *s);
/* ECDSA P-384 with SHA-384; r and s big-endian. */
CLO_MUST_USE int clo_signer_sign_p384(const struct clo_signer *s, const void *msg, size_t n,
                                      uint8_t r[48], uint8_t sig_s[48]);
/* ECDSA P-256 with SHA-256; r || s big-endian. */
CLO_MUST_USE int clo_signer_sign_p256(const struct clo_signer *s, const void *msg, size_t n,
                                      uint8_t rs[64]);
/* RSA, PKCS #1 v1.5 with SHA-256, as TPMs sign quotes; appended to out. */
CLO_MUST_USE int clo_signer_sign_rsa(const struct clo_signer *s, const void *msg, size_t n,
                                     struct clo_buf *out);
/* The public half: an EC point's x and y, each of the curve's length; an RSA modulus (its exponent is 65537); the SubjectPublicKeyInfo. */
CLO_MUST_USE int clo_signer_point(const struct clo_signer *s, uint8_t *x, uint8_t *y);
CLO_MUST_USE int clo_signer_modulus(const struct clo_signer *s, struct clo_buf *out);
CLO_MUST_USE int clo_signer_spki(const struct clo_signer *s, struct clo_buf *out);

/* How an issuer signs. */
enum clo_sig_make {
    /* By its key: RSA-PSS with SHA-384, MGF1 SHA-384; ECDSA P-256 with SHA-256; ECDSA P-384 with SHA-384. */
    CLO_MAKE_DEFAULT = 0,
    /* ECDSA, or PKCS #1 v1.5 where the key is RSA, with this hash; SHA-1 is for tests of who refuses it. */
    CLO_MAKE_SHA1,
    CLO_MAKE_SHA256,
    CLO_MAKE_SHA384,
    CLO_MAKE_SHA512,
};

struct clo_cert_ext_spec {
    const char *oid; /* dotted decimal */
    const void *p;   /* the value: the OCTET STRING's content */
    size_t n;
    bool critical;
};

/* A v3 certificate. Names hold one CN. */
struct clo_cert_spec {
    const char *subject_cn, *issuer_cn;
    uint64_t serial;
    int64_t not_before, not_after;
    bool ca; /* with basicConstraints cA, keyUsage keyCertSign and cRLSign; else with neither */
    bool ca_no_crl; /* of a CA: without cRLSign */
    bool has_path_len;
    unsigned path_len;
    const char *eku; /* dotted decimal: extKeyUsage with this one purpose; NULL: none */
    bool eku_critical;
    const struct clo_cert_ext_spec *ext;
    size_t exts;
    const struct clo_signer *subject, *issuer;
    enum clo_sig_make sig;
    int salt_len; /* of PSS; 0: 48; another one is for tests of the verifier */
};
/* DER, appended to out. */
CLO_MUST_USE int clo_cert_make(const struct clo_cert_spec *spec, struct clo_buf *out);

struct clo_crl_spec {
    const char *issuer_cn;
    int64_t this_update, next_update;
    bool no_next_update;
    const uint64_t *revoked; /* serial numbers */
    size_t revoked_n;
    const struct clo_signer *issuer;
    enum clo_sig_make sig;
};
CLO_MUST_USE int clo_crl_make(const struct clo_crl_spec *spec, struct clo_buf *out);

/* ---- OCSP ---- */

#define CLO_EKU_OCSP_SIGNING "1.3.6.1.5.5.7.3.9"

struct clo_ocsp_answer_spec {
    const struct clo_cert *cert;   /* whom it speaks of */
    const struct clo_cert *issuer; /* whose hashes stand in the CertID; NULL: the response's */
    enum clo_sig_make id_hash;     /* of CertID; the default is SHA-1, as everybody does it */
    enum clo_ocsp_status status;
    bool has_reason;
    uint8_t reason; /* of revocation: CRLReason (RFC 5280 section 5.3.1); 6 is certificateHold */
    int64_t this_update;
    int64_t next_update; /* INT64_MIN: none */
};
struct clo_ocsp_spec {
    const struct clo_ocsp_answer_spec *answer;
    size_t answers;
    const struct clo_cert *issuer;
    const struct clo_cert
        *responder;                  /* who signs, and comes along; NULL: the issuer, who doesn't */
    bool by_name;                    /* the responder is named, else identified by its key */
    const struct clo_signer *signer; /* the responder's key */
    enum clo_sig_make sig;           /* default: SHA-256, or SHA-384 for a P-384 key */
    int64_t produced_at;
};
/* A successful BasicOCSPResponse (RFC 6960), DER, appended to out. */
CLO_MUST_USE int clo_ocsp_make(const struct clo_ocsp_spec *spec, struct clo_buf *out);

#endif
