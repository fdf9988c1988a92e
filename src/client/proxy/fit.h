/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which class of the traffic shape (docs/PROTOCOL.md section 4) a request of an application wants. The class is visible, so it follows from the kind
 * of request alone, never from what is said in it. Pure.
 *
 *  - /v1/embeddings: `bulk`.
 *  - Completions with logprobs, tools, several choices or prompts, or more than CLO_FIT_CHAT_TOKENS tokens: `wide`, because what they stream for
 *    a token is long, or may be more than one frame of `chat` for each. That many tokens fit `chat` at one token a frame.
 *  - Everything else: `chat`; what can't be read as well, because its answer is a short error.
 *
 * A stream ends after 27 minutes at the latest. An answer that is longer is cut, so one that nobody has limited gets a limit that a slow
 * engine (2.5 tokens a second) still reaches.
 */
#ifndef CLO_PROXY_FIT_H
#define CLO_PROXY_FIT_H

#include "base/rw.h"

#define CLO_FIT_CHAT_TOKENS 32768
#define CLO_FIT_MAX_TOKENS  4096

struct clo_fit {
    const char *shape;
    const char *limit; /* the member that has to be added, with CLO_FIT_MAX_TOKENS; NULL: none */
};
/* path: "/v1/..."; the body as it came. */
void clo_fit_judge(const char *path, const struct clo_buf *body, struct clo_fit *ret);
/* Add the member to the body, which stays as it is otherwise. Needs CLO_FIT_ROOM bytes more. */
#define CLO_FIT_ROOM 64
CLO_MUST_USE int clo_fit_limit(const struct clo_fit *f, struct clo_buf *body);

#endif
