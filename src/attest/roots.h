/* SPDX-License-Identifier: Apache-2.0 */
/* Trust anchors: vendors' root certificates, as DER. Pinned here, inside verification. */
#ifndef CLO_ATTEST_ROOTS_H
#define CLO_ATTEST_ROOTS_H

#include <cloister/verify.h>

#include "attest/snp_report.h"

struct clo_root {
    const uint8_t *der; /* NULL: none */
    size_t n;
    const struct clo_cert *cert; /* the same, decoded once; NULL together with der */
};
#define CLO_ROOTS_TPM_MAX 8
struct cloister_roots {
    struct clo_root amd[CLO_SNP_PRODUCTS];
    struct clo_root intel, nvidia;
    struct clo_root tpm[CLO_ROOTS_TPM_MAX];
    size_t tpms;
};
/* Those of `roots` that the policy admits: roots itself where it says nothing of them, else *copy, which borrows. */
CLO_MUST_USE int clo_roots_admitted(const struct cloister_roots *roots,
                                    const struct cloister_policy *policy,
                                    struct cloister_roots *copy, const struct cloister_roots **ret);
/*
 * A certificate out of evidence, decoded. Vendors' own intermediates (those that roots_known.c holds) are decoded once
 * a process and shared, because decoding costs as much as a signature: *ret_owned is
 * NULL then, else *ret itself, for clo_cert_free. What is known this way is not thereby trusted: its signature is verified like any other's.
 */
CLO_MUST_USE int clo_known_cert(const uint8_t *der, size_t n, const struct clo_cert **ret,
                                struct clo_cert **ret_owned);
/* One of these by its subject's CN, shared as well: borrowed, with its bytes. CLOISTER_E_NOT_FOUND. */
CLO_MUST_USE int clo_known_by_cn(const char *cn, const struct clo_cert **ret,
                                 const uint8_t **ret_der, size_t *ret_n);

#endif
