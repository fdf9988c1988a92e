/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation, at a terminal or for a script: what `chat` and `demo` share. */
#ifndef CLO_CLIENT_CHAT_H
#define CLO_CLIENT_CHAT_H

#include "client/options.h"
#include "client/session.h"

struct clo_chat_setup {
    const struct clo_options *options; /* max_tokens, temperature, seed; with `model`: */
    const char *model;                 /* NULL: the verified one */
    struct clo_transport *transport;
    struct clo_session *session;
    const char *question; /* NULL: interactive */
    const char *system;   /* NULL: no system message */
    /* called before each question, e.g. to take a new policy; may be NULL */
    int (*before)(void *ctx);
    void *ctx;
};
/* Returns the program's exit code. */
int clo_chat_run(const struct clo_chat_setup *setup);

#endif
