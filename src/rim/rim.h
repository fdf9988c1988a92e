/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA's reference integrity manifests: SWID tags (ISO/IEC 19770-2:2015, TCG Reference Integrity Manifest Information Model)
 * that say which measurements a genuine driver or VBIOS has, with an enveloped XML signature. They are read
 * here and nowhere else: no XML parser is part of what verifies evidence or runs the daemon.
 *
 * One form of signature is taken, the one that NVIDIA makes: one Signature as a child of the document element, one Reference to the
 * whole document with the transforms enveloped-signature and Canonical XML 1.1, SHA-384, ECDSA P-384, and the certificates up to the pinned root
 * in its KeyInfo. The key is the one of the certificate that was verified, set by hand; values are read only after
 * that, out of the tree whose signature was verified.
 *
 * Limits: CLO_RIM_MAX bytes, and those of guard.h. Fuzzed by fuzz/fuzz_rim.c.
 */
#ifndef CLO_RIM_H
#define CLO_RIM_H

#include "attest/policy.h"
#include "crypto/x509.h"

#define CLO_RIM_MAX       (1u << 20)
#define CLO_RIM_CERTS_MAX 8
#define CLO_RIM_WHY       320

struct clo_rim {
    struct clo_reference ref;
    char signer[128];          /* the leaf's CN */
    uint8_t signer_digest[32]; /* SHA-256 of its certificate */
    int64_t until;             /* the first end of a certificate of the chain, or of the root */
};

/* Before the first RIM: both libraries, with everything off that could open a file or a connection. */
CLO_MUST_USE int clo_rim_init(void);
void clo_rim_end(void);

/* NVIDIA's root for RIMs, decoded; the caller frees it. */
CLO_MUST_USE int clo_rim_root(struct clo_cert **ret);

/*
 * Verify a RIM at `now` and read it. On failure ret is untouched and `why` holds a sentence's predicate ("is not
 * signed ..."), which may quote the file: CLOISTER_E_AUTH (signature or chain), E_STALE (dates), E_UNSUPPORTED (another
 * algorithm, product or kind of tag), E_MEMORY, E_CRYPTO, and the parsers' errors.
 */
CLO_MUST_USE int clo_rim_read(const void *xml, size_t n, const struct clo_cert *root, int64_t now,
                              struct clo_rim *ret, char why[CLO_RIM_WHY]);

/* Do both say the same values for every index, in whatever order of alternatives? */
bool clo_rim_same_values(const struct clo_reference *a, const struct clo_reference *b);

#endif
