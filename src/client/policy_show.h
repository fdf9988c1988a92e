/* SPDX-License-Identifier: Apache-2.0 */
/* `cloister policy show`: what a policy admits, in plain words, and what it leaves open. */
#ifndef CLO_CLIENT_POLICY_SHOW_H
#define CLO_CLIENT_POLICY_SHOW_H

/* The program's exit code. */
int clo_policy_show(const char *path);

#endif
