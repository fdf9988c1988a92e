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
int clo_command_proxy(const struct clo_options *o);
int clo_command_appraise(const struct clo_options *o);
int clo_command_explain(const struct clo_options *o);
int clo_command_bundle(const struct clo_options *o);
int clo_command_measure(const struct clo_options *o);

/* The verdict on standard output, for people or as JSON; an error has been said. */
CLO_MUST_USE int clo_print_outcome(const struct clo_options *o, const struct cloister_verdict *v);
/* Once, before there are keys: where they can't be locked in memory, one sentence warns of it. CLOISTER_E_MEMORY has been said. */
CLO_MUST_USE int clo_common_guard(void);
/* Where everything goes: the relay, the server or the default. */
const char *clo_common_url(const struct clo_options *o);
/* Each of these has said one sentence when it fails; *code is then the exit code. */
CLO_MUST_USE int clo_common_transport(const struct clo_options *o, struct clo_transport **ret,
                                      int *code);
CLO_MUST_USE int clo_common_policy(const char *path, struct cloister_policy **ret, int *code);
/* The same, and the policy's own text, appended to an empty buffer. */
CLO_MUST_USE int clo_common_policy_text(const char *path, struct clo_buf *text,
                                        struct cloister_policy **ret, int *code);
/* What --nonce says. */
CLO_MUST_USE int clo_common_nonce(const struct clo_options *o, struct cloister_nonce *nonce,
                                  bool *has_nonce, int *code);
/* A live server's evidence over a fresh nonce: whole, and unread. */
struct clo_live {
    struct clo_buf json;
    struct cloister_nonce nonce;
};
CLO_MUST_USE int clo_common_fetch(const struct clo_options *o, struct clo_live *ret, int *code);
/*
 * Evidence: that of a live server, or a saved file's where live is NULL; *has_nonce says whether there is a nonce. When it was sent is told
 * for a live server only.
 */
CLO_MUST_USE int clo_common_evidence(const struct clo_options *o, const struct clo_live *live,
                                     struct cloister_evidence **ret, struct cloister_nonce *nonce,
                                     bool *has_nonce, int *code);
/*
 * What a command does with what others made, in a cell (platform/confine.h), with the files that the options name and this operand (-1: none) read
 * before. `work` returns the exit code; so does this. out: what work gives back; NULL where it has nothing to give.
 */
int clo_common_inside(const struct clo_options *o, int operand,
                      int (*work)(void *ctx, struct clo_buf *out), void *ctx, struct clo_buf *out);

#endif
