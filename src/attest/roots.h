/* SPDX-License-Identifier: Apache-2.0 */
/* Trust anchors: AMD's ARK certificates by product, as DER. Pinned here, inside verification. */
#ifndef CLO_ATTEST_ROOTS_H
#define CLO_ATTEST_ROOTS_H

#include <cloister/verify.h>

#include "attest/snp_report.h"

struct clo_root {
    const uint8_t *der; /* NULL: none for this product */
    size_t n;
};
struct cloister_roots {
    struct clo_root amd[CLO_SNP_PRODUCTS];
};

#endif
