/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of the proxy in OpenAI's shape, {"error":{"message","type","param","code"}}: each says what happened and what to do. The
 * messages are made of our own words, numbers and addresses: nothing of a question or an answer. Pure.
 *
 * Whether an application's library may send the request again by itself is part of the error: the `openai` packages do so after 408, 409, 429
 * and 5xx and after a connection that broke, and heed `x-should-retry: false`.
 */
#ifndef CLO_PROXY_FAULT_H
#define CLO_PROXY_FAULT_H

#include "base/rw.h"
#include "client/proxy/guard.h"
#include "client/session.h"

#define CLO_FAULT_TEXT 900

struct clo_proxy_error {
    unsigned status;  /* 0: none */
    long retry_after; /* seconds, 0 for none */
    bool never_again; /* x-should-retry: false */
    const char *type, *code;
    char message[CLO_FAULT_TEXT + 1];
};

/* What the guard refused; allowed: the methods of a route, for 405. */
void clo_proxy_error_ruling(enum clo_ruling r, struct clo_proxy_error *ret);

enum clo_proxy_limit {
    CLO_LIMIT_BODY,     /* 413: one body is too large */
    CLO_LIMIT_SERVER,   /* 413: for this server */
    CLO_LIMIT_MEMORY,   /* 503: all together are */
    CLO_LIMIT_PARALLEL, /* 503: too many at a time */
    CLO_LIMIT_VERSION,  /* 505: HTTP/1.0 */
    CLO_LIMIT_FRAMING,  /* 400: two readers could see two bodies */
    CLO_LIMIT_ENDING,   /* 503: the proxy is about to end */
    CLO_LIMIT_OURS,     /* 500: out of memory and the like; nothing was sent */
};
void clo_proxy_error_limit(enum clo_proxy_limit l, struct clo_proxy_error *ret);

/* Why there is no verified server: nothing was sent. `changed`: verified, but another one than at the start. v may be NULL. */
void clo_proxy_error_server(const struct clo_fault *f, const struct cloister_verdict *v,
                            bool changed, const char *url, struct clo_proxy_error *ret);
/* What became of a request that was sealed: f->reply.sent decides whether it may have run. */
void clo_proxy_error_request(const struct clo_fault *f, const char *url,
                             struct clo_proxy_error *ret);

/* {"error":{...}} appended. */
CLO_MUST_USE int clo_proxy_error_json(const struct clo_proxy_error *e, struct clo_buf *out);

#endif
