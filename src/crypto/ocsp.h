/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCSP responses (RFC 6960) that arrive with evidence: who signed them, and what they say of a certificate at a time
 * that the caller gives. Nothing is fetched. A nonce is neither wanted nor looked at: freshness is nextUpdate's.
 * Fuzzed by fuzz/fuzz_ocsp.c.
 */
#ifndef CLO_CRYPTO_OCSP_H
#define CLO_CRYPTO_OCSP_H

#include "crypto/x509.h"

#define CLO_OCSP_DER_MAX 8192

struct clo_ocsp;
/*
 * One successful BasicOCSPResponse and nothing behind it. CLOISTER_E_UNSUPPORTED for another status or type, and for one that is
 * about several authorities' certificates or names one in two ways.
 */
CLO_MUST_USE int clo_ocsp_parse(const void *der, size_t n, struct clo_ocsp **ret);
void clo_ocsp_free(struct clo_ocsp *o);
/*
 * Is the response signed by the issuer itself, or by a certificate inside it that the issuer signed for this
 * purpose (EKU OCSPSigning, within its dates at `now`; the first one that the response names)? By ECDSA P-384 or P-256 with a SHA-2 hash, or RSA with SHA-2 of at
 * least 2048 bits. *ret_until: the end of the responder's certificate, INT64_MAX for the issuer itself. 0 or
 * CLOISTER_E_AUTH.
 */
CLO_MUST_USE int clo_ocsp_signed_by(const struct clo_ocsp *o, const struct clo_cert *issuer,
                                    int64_t now, int64_t *ret_until);
enum clo_ocsp_status {
    CLO_OCSP_GOOD = 1,
    CLO_OCSP_REVOKED = 2, /* for whatever reason, certificateHold too */
    CLO_OCSP_UNKNOWN = 3,
};
struct clo_ocsp_answer {
    enum clo_ocsp_status status;
    bool hold; /* revoked with reason certificateHold */
    int64_t this_update;
    int64_t next_update; /* INT64_MIN when absent: callers treat that as expired */
};
/*
 * What the response says of this certificate: its CertID matches in serial number, issuer's name hash and issuer's key hash (SHA-1,
 * SHA-256, SHA-384: names in CertID are no security, the signature is). CLOISTER_E_NOT_FOUND if it says nothing,
 * CLOISTER_E_DUPLICATE if it answers twice.
 */
CLO_MUST_USE int clo_ocsp_find(const struct clo_ocsp *o, const struct clo_cert *c,
                               const struct clo_cert *issuer, struct clo_ocsp_answer *ret);
/*
 * An OCSPRequest about this one certificate, in DER, appended: unsigned, without a nonce, so that equal questions are equal bytes; its CertID by
 * SHA-384, as NVIDIA's own tools ask.
 */
CLO_MUST_USE int clo_ocsp_request_make(const struct clo_cert *c, const struct clo_cert *issuer,
                                       struct clo_wr *wr);
/*
 * What the response says of the certificate that such a request asks for, for one who has no certificate at hand: the CertID is the same; but a responder may name
 * certificates by another hash than it was asked by, and then the serial number alone can be compared (clo_ocsp_find compares everything).
 * *ret_until: the end of the answer, or of the first certificate that came with it. CLOISTER_E_NOT_FOUND if it says nothing, CLOISTER_E_DUPLICATE if it answers
 * twice, CLOISTER_E_MALFORMED for a request that isn't one.
 */
CLO_MUST_USE int clo_ocsp_of_request(const struct clo_ocsp *o, const void *request, size_t n,
                                     struct clo_ocsp_answer *ret, int64_t *ret_until);
/*
 * Does it speak of every certificate that `other` speaks of, in the same words, and no earlier? Signatures aren't
 * looked at.
 */
CLO_MUST_USE bool clo_ocsp_replaces(const struct clo_ocsp *o, const struct clo_ocsp *other);
/* The earliest nextUpdate of all that the response says, INT64_MIN where one has none. */
int64_t clo_ocsp_end(const struct clo_ocsp *o);

#endif
