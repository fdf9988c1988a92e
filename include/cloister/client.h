/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocking use: evidence, verdict and channel over a transport that the caller provides. What happens in which order is decided here,
 * how bytes travel is the caller's: this library opens no socket and reads no clock of its own. A program with an event loop uses
 * <cloister/verify.h> and <cloister/channel.h> directly: these functions are made of nothing else.
 */
#ifndef CLOISTER_CLIENT_H
#define CLOISTER_CLIENT_H

#include <cloister/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Takes bytes of a body as they come; a non-zero return ends the transfer, which returns that value. */
typedef int (*cloister_sink)(void *sink_ctx, const void *p, size_t n);

/*
 * The caller's transport to one server or relay. Both functions send one request and give the body of a 200 answer of media type `accept`
 * (NULL: any) to the sink; anything else is an error: CLOISTER_E_NETWORK, CLOISTER_E_PROTOCOL, CLOISTER_E_KEYS_CHANGED, or one of the
 * caller's own (negative). They never follow redirects, and post never sends its request a second time, whatever happens. post sends the
 * header `Incremental: ?1` beside Content-Type and Accept, so that proxies pass the answer on as it comes.
 *
 * A transport that several threads use at a time must bear that; this library keeps nothing about it.
 */
struct cloister_transport {
    void *ctx;
    int (*get)(void *ctx, const char *path, const char *accept, cloister_sink sink, void *sink_ctx);
    int (*post)(void *ctx, const char *path, const char *type, const char *accept, const void *body,
                size_t n, cloister_sink sink, void *sink_ctx);
    int64_t (*now)(void *ctx); /* Unix seconds, by a clock that isn't set back */
    void *reserved[4];         /* NULL */
};

/*
 * For event loops: draw a fresh nonce and write the path and query of the evidence request that carries it (GET, application/json).
 * full: with every section inside, rather than some by digest.
 */
#define CLOISTER_EVIDENCE_PATH_MAX 128
CLOISTER_API CLOISTER_MUST_USE int cloister_evidence_request(int64_t now, bool full,
                                                             struct cloister_nonce *ret,
                                                             char path[CLOISTER_EVIDENCE_PATH_MAX]);

/*
 * Fetch evidence over a fresh nonce, whole: sections that came by digest are fetched too. It is not judged. The transport's errors, those of
 * cloister_evidence_parse and cloister_evidence_add, CLOISTER_E_MALFORMED where nothing says where a section can be had.
 */
CLOISTER_API CLOISTER_MUST_USE int cloister_evidence_fetch(const struct cloister_transport *t,
                                                           struct cloister_evidence **ret,
                                                           struct cloister_nonce *ret_nonce);

/*
 * Fetch, verify, open. *v is filled whenever evidence came and could be judged, so that it tells why the server was refused; all-zero
 * otherwise. Only 0 leaves a channel in *ret. The errors of cloister_evidence_fetch, cloister_evidence_verify, cloister_channel_open.
 */
CLOISTER_API CLOISTER_MUST_USE int cloister_connect(const struct cloister_transport *t,
                                                    const struct cloister_policy *policy,
                                                    const struct cloister_roots *roots,
                                                    struct cloister_verdict *v,
                                                    struct cloister_channel **ret);

/*
 * Seal one request, send it once, hand over its answer as it comes. 0 only when the answer's authenticated end has come; a break in what
 * follows it doesn't retract the answer. Under a traffic shape it returns when the stream has ended, long after the handler's `complete` was
 * called: a non-zero return of that ends the stream there, which shows, and the result is 0 as well. Any other non-zero return of the handler or the transport comes back as it is, but CLOISTER_E_STALE as
 * CLOISTER_E_CANCELLED.
 *
 * CLOISTER_E_STALE: nothing was sent, connect anew. It is the answer after valid_until, and after any failure of a request that may have
 * left: that spends the channel, for all threads. Whether a failed request has run can't be known: repeating it is for people to decide.
 */
CLOISTER_API CLOISTER_MUST_USE int cloister_ask(const struct cloister_transport *t,
                                                struct cloister_channel *c,
                                                const struct cloister_request *req,
                                                const struct cloister_answer_handler *h, void *ctx);

#ifdef __cplusplus
}
#endif
#endif
