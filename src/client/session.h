/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session: evidence, verdict, channel and exchanges with one server, under the client's rules (docs/PROTOCOL.md section 2.6):
 *
 *  - nothing of the user's leaves before evidence over a fresh nonce of ours was verified;
 *  - a verdict is used until its valid_until, and never after;
 *  - after any failure the next request fetches and verifies evidence anew;
 *  - a request is sent once: there is no call that sends one again.
 *
 * It has no user interface. The caller asks for clo_session_fault() to explain what happened.
 */
#ifndef CLO_CLIENT_SESSION_H
#define CLO_CLIENT_SESSION_H

#include <cloister/cloister.h>

#include "client/judge.h"
#include "client/transport.h"

enum clo_step {
    CLO_STEP_NONE,
    CLO_STEP_EVIDENCE, /* fetching it */
    CLO_STEP_VERDICT,  /* appraising it: the verdict says what failed */
    CLO_STEP_SEAL,     /* nothing has been sent yet */
    CLO_STEP_SEND,     /* the outer reply was not an answer */
    CLO_STEP_ANSWER,   /* in the encrypted answer */
};

struct clo_fault {
    enum clo_step step;
    int err;
    struct clo_reply reply;
};

/* ---- evidence ---- */

/*
 * Fetch evidence over a nonce that is drawn here, with every section in it. *nonce tells nonce and time of sending. Nothing of it is read here: that
 * is the case's (client/judge.h).
 */
CLO_MUST_USE int clo_evidence_fetch(struct clo_transport *t, struct clo_case **ret,
                                    struct cloister_nonce *nonce, struct clo_fault *fault);

/* ---- sessions ---- */

struct clo_session;
/* All arguments are borrowed until _free; policy: its text; api_key may be NULL. */
CLO_MUST_USE int clo_session_new(struct clo_transport *t, const struct clo_buf *policy,
                                 const char *api_key, struct clo_session **ret);
void clo_session_free(struct clo_session *s);
/* --on-hangup close: close connections whose answers are stopped, and in the end those that still drain, although that shows. */
void clo_session_cuts(struct clo_session *s);
/* Another policy: what was verified under the old one is forgotten. */
void clo_session_policy(struct clo_session *s, const struct clo_buf *policy);

/* Have a usable channel: keeps the one there is, or fetches and verifies evidence. */
CLO_MUST_USE int clo_session_ready(struct clo_session *s);
/* Is there a channel that can be used now? */
bool clo_session_is_ready(const struct clo_session *s);
/* The last verdict, good or bad; all-zero before the first. */
const struct cloister_verdict *clo_session_verdict(const struct clo_session *s);
/* What the last failed call failed of. */
const struct clo_fault *clo_session_fault(const struct clo_session *s);

struct clo_ask {
    const char *method;
    const char *path;
    const char *content_type; /* NULL without a body */
    const char *accept;
    const void *body;
    size_t body_n;
    const char *shape; /* <cloister/channel.h>'s */
};
/*
 * Send one request, once, and hand over its answer as it comes. 0 only when the answer's authenticated end has come (a break in what
 * follows it doesn't retract the answer). When the transport's stop descriptor becomes readable, or the handler refuses what comes, the server
 * is told to cancel, and the result is CLOISTER_E_CANCELLED or what the handler said. (Not for CLOISTER_E_ENGINE: there the answer has told its own end.)
 *
 * Under a traffic shape the stream is not over then: the transport reads it to its end, which shows nothing, whenever it is called
 * (clo_transport_drain), and leaves it to a process of its own when the session is freed.
 */
CLO_MUST_USE int clo_session_ask(struct clo_session *s, const struct clo_ask *ask,
                                 const struct cloister_answer_handler *h, void *ctx);

#endif
