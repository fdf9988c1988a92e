/* SPDX-License-Identifier: Apache-2.0 */
/* Which checks clo_self_appraise wants to pass: for self.c and its test. */
#ifndef CLO_ATTEST_SELF_H
#define CLO_ATTEST_SELF_H

#include "attest/verdict.h"

enum clo_self_want {
    CLO_SELF_UNDECIDED, /* a new check: somebody has to think about it */
    CLO_SELF_PASS,      /* needs no policy */
    CLO_SELF_POLICY, /* a policy decides, or it is about what isn't there: enough that it doesn't fail */
};
extern const enum clo_self_want clo_self_want[CLO_CHECK_COUNT];

#endif
