/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of `cloister`, and what they share. Each returns the program's exit code. */
#ifndef CLO_CLIENT_COMMANDS_H
#define CLO_CLIENT_COMMANDS_H

#include <cloister/cloister.h>

#include "client/options.h"
#include "client/transport.h"

enum {
    CLO_EXIT_OK = 0,
    CLO_EXIT_ERROR = 1,
    CLO_EXIT_REFUSED = 10,
    CLO_EXIT_UNSUPPORTED = 20,
    CLO_EXIT_MALFORMED = 30,
};

int clo_command_chat(const struct clo_options *o);
int clo_command_verify(const struct clo_options *o);
int clo_command_evidence(const struct clo_options *o);
int clo_command_policy(const struct clo_options *o);
int clo_command_demo(const struct clo_options *o);

/* Each of these has said one sentence when it fails; *code is then the exit code. */
CLO_MUST_USE int clo_common_transport(const struct clo_options *o, struct clo_transport **ret,
                                      int *code);
CLO_MUST_USE int clo_common_policy(const char *path, struct cloister_policy **ret, int *code);

#endif
