/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAI's chat API, as much as the client uses: the body of a question, and the reader of its streamed answer. An answer is done when
 * `[DONE]` has come without an error event; that it came whole is the channel's to say.
 *
 * Limits: an event or a plain error document holds at most 1 MiB.
 */
#ifndef CLO_CLIENT_ANSWER_H
#define CLO_CLIENT_ANSWER_H

#include <cloister/channel.h>

#include <jansson.h>

#include "base/rw.h"

struct clo_chat_options {
    const char *model;
    int64_t max_tokens; /* 0: the server's default */
    double temperature; /* negative: the server's default */
    int64_t seed;       /* negative: none */
    bool usage;         /* ask for the count of tokens */
};

/* Add one message to an array of messages; n bytes of UTF-8, CLOISTER_E_MALFORMED if it isn't. */
CLO_MUST_USE int clo_chat_add(json_t *messages, const char *role, const void *text, size_t n);
/* The body of a streamed completion. */
CLO_MUST_USE int clo_chat_body(const json_t *messages, const struct clo_chat_options *o,
                               struct clo_buf *out);

struct clo_answer_error {
    unsigned status;   /* inner HTTP status; 200 for an error event in a stream */
    char code[64];     /* OpenAI's `code`, else its `type`; printable */
    char message[400]; /* printable, one line */
};

struct clo_answer;
/* text gets the pieces of the answer as they come. */
CLO_MUST_USE int clo_answer_new(int (*text)(void *ctx, const char *p, size_t n), void *ctx,
                                struct clo_answer **ret);
void clo_answer_free(struct clo_answer *a);
/* For clo_session_ask, with the clo_answer as ctx. */
extern const struct cloister_answer_handler clo_answer_handler;
/*
 * The answer's authenticated end has come: 0 if it is done; CLOISTER_E_CUT without [DONE]; CLOISTER_E_ENGINE, E_CREDENTIAL (401),
 * E_QUOTA (429), E_FULL (503) for errors in OpenAI's shape, told by clo_answer_error; E_PROTOCOL for anything else.
 */
CLO_MUST_USE int clo_answer_end(struct clo_answer *a);
/* NULL if no error was told. */
const struct clo_answer_error *clo_answer_error(const struct clo_answer *a);
/* The answer ended because its length limit was reached. */
bool clo_answer_was_limited(const struct clo_answer *a);
/* Why it ended, in OpenAI's word: "stop", "length"; "" if it was not told. Printable. */
const char *clo_answer_finish(const struct clo_answer *a);
/* OpenAI's `usage` object; NULL if it was not told. Borrowed. */
const json_t *clo_answer_usage(const struct clo_answer *a);
/* All of its text so far. */
const struct clo_buf *clo_answer_text(const struct clo_answer *a);

#endif
