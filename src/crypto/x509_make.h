/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making certificates and CRLs: for the simulator, which has no vendor to sign for it, and for tests. Keys are
 * born here, live in libcrypto's memory and are never written out. Verification needs nothing of this.
 */
#ifndef CLO_CRYPTO_X509_MAKE_H
#define CLO_CRYPTO_X509_MAKE_H

#include "base/rw.h"
#include "crypto/crypto.h"

/* A private key, from libcrypto's own generator. */
struct clo_signer;
CLO_MUST_USE int clo_signer_new_rsa(unsigned bits, struct clo_signer **ret);
CLO_MUST_USE int clo_signer_new_p384(struct clo_signer **ret);
void clo_signer_free(struct clo_signer *s);
/* ECDSA P-384 with SHA-384; r and s big-endian. */
CLO_MUST_USE int clo_signer_sign_p384(const struct clo_signer *s, const void *msg, size_t n,
                                      uint8_t r[48], uint8_t sig_s[48]);

struct clo_cert_ext_spec {
    const char *oid; /* dotted decimal */
    const void *p;   /* the value: the OCTET STRING's content */
    size_t n;
};

/* A v3 certificate signed with RSA-PSS, SHA-384, MGF1 SHA-384. Names hold one CN. */
struct clo_cert_spec {
    const char *subject_cn, *issuer_cn;
    uint64_t serial;
    int64_t not_before, not_after;
    bool ca; /* with basicConstraints cA, keyUsage keyCertSign and cRLSign; else with neither */
    const struct clo_cert_ext_spec *ext;
    size_t exts;
    const struct clo_signer *subject, *issuer;
    int salt_len; /* 0: 48; another one is for tests of the verifier */
};
/* DER, appended to out. */
CLO_MUST_USE int clo_cert_make(const struct clo_cert_spec *spec, struct clo_buf *out);

struct clo_crl_spec {
    const char *issuer_cn;
    int64_t this_update, next_update;
    const uint64_t *revoked; /* serial numbers */
    size_t revoked_n;
    const struct clo_signer *issuer;
};
CLO_MUST_USE int clo_crl_make(const struct clo_crl_spec *spec, struct clo_buf *out);

#endif
