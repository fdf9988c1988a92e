/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates that are built in, as DER: for roots.c and its tests. */
#ifndef CLO_ATTEST_ROOTS_IN_H
#define CLO_ATTEST_ROOTS_IN_H

#include "attest/roots.h"

struct clo_root_der {
    const uint8_t *p; /* NULL: none */
    size_t n;
};
extern const struct clo_root_der clo_root_amd[CLO_SNP_PRODUCTS], clo_root_intel, clo_root_nvidia;

/* Intermediates. Nothing is trusted for standing here. */
#define CLO_KNOWN_DERS 12
extern const struct clo_root_der clo_known_der[CLO_KNOWN_DERS];

#endif
