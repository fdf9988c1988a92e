/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The servers that may answer, each with its verdict and channel, and the policy that they are judged by.
 *
 *  - Two verified ones are kept ready where there are as many. Requests go to the first; another is for when that can't be reached.
 *  - Evidence is renewed ahead of its end while the old channel serves. A renewal that fails is tried again with growing
 *    pauses, and at once when a request asks for it; the old verdict serves until its valid_until and never after.
 *  - After a request has failed, its server's channel is gone: nothing more is sent there before new evidence was verified.
 *  - Where the policy pins manifests, all that it lists was accepted by the user, and any of it may follow any other: a fleet in the midst
 *    of an upgrade. Where it pins none, what was verified first in this launch is remembered, and evidence that verifies but shows another manifest
 *    or measurement is refused, until the policy file changes or the proxy is started anew.
 *  - The policy file is looked at before each renewal, when a request would be refused, and on clo_pool_reload.
 *  - A policy file that changed and parses takes effect at once: everything is verified anew. One that doesn't parse is said and the
 *    old one kept.
 *
 * The list of servers is made at the start and stays.
 */
#ifndef CLO_PROXY_POOL_H
#define CLO_PROXY_POOL_H

#include <sys/queue.h>

#include <cloister/cloister.h>

#include "client/proxy/fault.h"
#include "client/proxy/wire.h"

#define CLO_POOL_SERVERS_MAX 16

struct clo_pool;
struct clo_server; /* one of them; lives as long as the pool */

struct clo_pool_setup {
    struct event_base *base;
    struct clo_wire *wire;
    const char *policy; /* the file's name; borrowed */
    const char *url
        [CLO_POOL_SERVERS_MAX]; /* none: those that the policy lists, else one at CLO_DEFAULT_SERVER */
    size_t urls;
    /* Something is verified for the first time, or (verified NULL) everything has failed once: called at most once. */
    void (*settled)(void *ctx, const struct clo_server *verified);
    void *ctx;
};
/* A sentence has been said if the policy can't be read (*code: the program's exit code) or an address is none. Fetches at once. */
CLO_MUST_USE int clo_pool_new(const struct clo_pool_setup *setup, struct clo_pool **ret, int *code);
void clo_pool_free(struct clo_pool *p);
/* SIGHUP: look at the policy file now. */
void clo_pool_reload(struct clo_pool *p);

/* ---- for requests ---- */

/* Somebody who waits for a verified server: told once, through the event loop, when there is one or none is to be expected. */
struct clo_pool_waiter {
    TAILQ_ENTRY(clo_pool_waiter) link;
    void (*told)(void *ctx);
    void *ctx;
    bool waits;
    int64_t since_us; /* 0: has not waited yet */
};
/*
 * A verified server that can be used now and isn't among `tried` (bit i: the i-th). 0, CLOISTER_E_STATE: wait, `w` will be told; or
 * CLOISTER_E_NETWORK: there is none, and *why says why not.
 */
CLO_MUST_USE int clo_pool_choose(struct clo_pool *p, uint32_t tried, struct clo_pool_waiter *w,
                                 struct clo_server **ret, struct clo_proxy_error *why);
void clo_pool_leave(struct clo_pool *p, struct clo_pool_waiter *w);

/* NULL when its verdict has ended meanwhile. */
struct cloister_channel *clo_server_channel(struct clo_server *s);
/*
 * The same, kept until it is let go, whatever becomes of its server meanwhile: behind a load balancer only the gateway that has a request can
 * cancel it.
 */
struct clo_tie;
CLO_MUST_USE struct clo_tie *clo_server_tie(struct clo_server *s);
struct cloister_channel *clo_tie_channel(const struct clo_tie *t);
/* NULL is fine. */
void clo_tie_free(struct clo_tie *t);
/* Now, by a clock that can't be set back behind the verdict. */
int64_t clo_server_now(const struct clo_server *s);
const struct cloister_verdict *clo_server_verdict(const struct clo_server *s);
const struct clo_transport *clo_server_transport(const struct clo_server *s);
uint32_t clo_server_bit(const struct clo_server *s);
/* A request to it failed: fresh evidence before the next. */
void clo_server_failed(struct clo_server *s);
/* It says that its keys take no more: look for newer ones. */
void clo_server_renew(struct clo_server *s);

/* ---- for people and programs ---- */

/* The document of GET /v1/cloister/verdict. */
CLO_MUST_USE int clo_pool_verdict_json(struct clo_pool *p, struct clo_buf *out);
/* What the first server failed of, told in a sentence; returns the program's exit code. */
int clo_pool_say_fault(const struct clo_pool *p);

#endif
