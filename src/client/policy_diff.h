/* SPDX-License-Identifier: Apache-2.0 */
/* `cloister policy diff`: how a server differs from what a policy pins, and letting the policy admit the difference. */
#ifndef CLO_CLIENT_POLICY_DIFF_H
#define CLO_CLIENT_POLICY_DIFF_H

#include "client/options.h"

/* The program's exit code: 0 if nothing differs, or the difference was accepted. */
int clo_policy_diff(const struct clo_options *o);

#endif
