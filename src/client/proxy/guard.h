/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may ask the proxy what: judged from a request's head alone, before a byte of its body counts. Pure.
 *
 * On loopback listens not one program but everybody's browser too. Against pages from elsewhere stand three things, each enough by
 * itself: a Host that has to name the listening address (a name of the attacker's that was rebound to 127.0.0.1 stays the attacker's),
 * an Origin that has to be our own or the one that was allowed, and the token, which other users of the machine don't have either.
 *
 * Query strings are refused: no route has one, and a parameter that is silently dropped makes another question of it.
 * Header fields that would have to be there once are refused when they come twice.
 *
 * Limits: a path of CLO_GUARD_PATH_MAX bytes; the HTTP server bounds the rest. Fuzzed by fuzz/fuzz_proxy_guard.c.
 */
#ifndef CLO_PROXY_GUARD_H
#define CLO_PROXY_GUARD_H

#include "base/base.h"

#define CLO_GUARD_TOKEN_LEN 64 /* hexadecimal digits of 32 random bytes */
#define CLO_GUARD_PATH_MAX  512

enum clo_route {
    CLO_ROUTE_NONE,
    CLO_ROUTE_HEALTH,  /* GET /healthz: open to all, tells nothing */
    CLO_ROUTE_VERDICT, /* GET /v1/cloister/verdict */
    CLO_ROUTE_ASK,     /* POST of a body that is passed on */
    CLO_ROUTE_LOOK,    /* GET that is passed on: the models */
};

enum clo_ruling {
    CLO_RULING_PASS,
    CLO_RULING_PREFLIGHT,  /* the allowed origin's browser asks what it may send */
    CLO_RULING_REPEATED,   /* 400 */
    CLO_RULING_BAD_HOST,   /* 403 */
    CLO_RULING_BAD_ORIGIN, /* 403 */
    CLO_RULING_NO_TOKEN,   /* 401 */
    CLO_RULING_BAD_TOKEN,  /* 401 */
    CLO_RULING_NO_ROUTE,   /* 404 */
    CLO_RULING_BAD_METHOD, /* 405 */
    CLO_RULING_QUERY,      /* 400 */
    CLO_RULINGS
};

/* What the proxy listens on and whom it lets in; all borrowed. */
struct clo_guard {
    const char *host; /* as it was given: an address or a name, an IPv6 address without brackets */
    unsigned port;
    const char *token;  /* CLO_GUARD_TOKEN_LEN characters */
    const char *origin; /* the one that is allowed beside our own; NULL for none */
};

/* What was asked; absent fields are NULL. */
struct clo_guard_asked {
    const char *method, *path;
    const char *host, *origin, *authorization;
    bool query;    /* there was a ? */
    bool repeated; /* a field that must be there once was there twice */
};

struct clo_guard_answer {
    enum clo_ruling ruling;
    enum clo_route route;
    bool cors; /* the allowed origin asks: its browser has to be told that it may read the answer */
    char path[CLO_GUARD_PATH_MAX + 1]; /* PASS to ASK or LOOK: what is passed on */
};

void clo_guard_judge(const struct clo_guard *g, const struct clo_guard_asked *a,
                     struct clo_guard_answer *ret);

#endif
