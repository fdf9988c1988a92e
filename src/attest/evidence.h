/* SPDX-License-Identifier: Apache-2.0 */
/* The evidence document in memory: section bytes as they came. */
#ifndef CLO_ATTEST_EVIDENCE_H
#define CLO_ATTEST_EVIDENCE_H

#include <cloister/verify.h>

#include "attest/sections.h"

struct cloister_evidence {
    struct {
        bool present; /* bytes are here, and `digest` is theirs */
        uint8_t digest[32];
        struct clo_buf bytes;
    } sec[CLO_SEC_COUNT];
    char gateway[CLO_GATEWAY_PATH_LEN + 1];
};

#endif
