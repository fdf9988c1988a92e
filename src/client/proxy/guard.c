/* SPDX-License-Identifier: Apache-2.0 */
/* Method, path, Host, Origin, Authorization: see guard.h. */
#include "client/proxy/guard.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/secret.h"

#define MODELS "/v1/models"

static const struct {
    const char *path;
    enum clo_route route;
} routes[] = {
    {"/healthz", CLO_ROUTE_HEALTH},          {"/v1/cloister/verdict", CLO_ROUTE_VERDICT},
    {"/v1/chat/completions", CLO_ROUTE_ASK}, {"/v1/completions", CLO_ROUTE_ASK},
    {"/v1/embeddings", CLO_ROUTE_ASK},       {MODELS, CLO_ROUTE_LOOK},
};

/* ---- Host and Origin ---- */

/* HOST[:PORT] where PORT is left out for 80, http's own (RFC 9110 section 4.2.1). */
static bool names(const char *text, const char *host, unsigned port)
{
    const size_t n = strlen(host);
    char number[16];

    if (strncasecmp(text, host, n) != 0)
        return false;
    if (text[n] == '\0')
        return port == 80;
    (void)snprintf(number, sizeof(number), ":%u", port);
    return strcmp(text + n, number) == 0;
}

static bool names_us(const struct clo_guard *g, const char *text)
{
    static const char *const loopback[] = {"127.0.0.1", "localhost", "[::1]"};
    char bracketed[256];

    for (size_t i = 0; i < CLO_ARRAY_LEN(loopback); i++) {
        if (names(text, loopback[i], g->port))
            return true;
    }
    if (strchr(g->host, ':') == NULL)
        return names(text, g->host, g->port);
    return snprintf(bracketed, sizeof(bracketed), "[%s]", g->host) < (int)sizeof(bracketed) &&
           names(text, bracketed, g->port);
}

static bool is_own_origin(const struct clo_guard *g, const char *origin)
{
    return strncmp(origin, "http://", 7) == 0 && names_us(g, origin + 7);
}

/* ---- the token ---- */

static enum clo_ruling judge_token(const struct clo_guard *g, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    const char *token;
    bool same;

    if (authorization == NULL || strncasecmp(authorization, scheme, strlen(scheme)) != 0)
        return CLO_RULING_NO_TOKEN;
    token = authorization + strlen(scheme);
    token += strspn(token, " ");
    if (strlen(token) != CLO_GUARD_TOKEN_LEN)
        return CLO_RULING_BAD_TOKEN;
    same = clo_ct_equal(token, g->token, CLO_GUARD_TOKEN_LEN);
    clo_ct_public(&same, sizeof(same)); /* the answer tells it */
    return same ? CLO_RULING_PASS : CLO_RULING_BAD_TOKEN;
}

/* ---- paths ---- */

/*
 * The name of a model, as a path is allowed to hold it (RFC 3986 section 3.3: pchar without percent-encoding, and the slash that names
 * like owner/model have). It came decoded; what would need encoding again names no model.
 */
static bool is_model_name(const char *s)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "-._~!$&'()*+,;=:@/";

    return *s != '\0' && s[strspn(s, allowed)] == '\0' && strstr(s, "..") == NULL;
}

static enum clo_route find_route(const char *path)
{
    const size_t n = strlen(MODELS);

    for (size_t i = 0; i < CLO_ARRAY_LEN(routes); i++) {
        if (strcmp(path, routes[i].path) == 0)
            return routes[i].route;
    }
    return strncmp(path, MODELS "/", n + 1) == 0 && is_model_name(path + n + 1) ? CLO_ROUTE_LOOK
                                                                                : CLO_ROUTE_NONE;
}

static bool takes(enum clo_route route, const char *method)
{
    if (strcmp(method, "HEAD") == 0)
        return route == CLO_ROUTE_HEALTH;
    return strcmp(method, route == CLO_ROUTE_ASK ? "POST" : "GET") == 0;
}

/* ---- */

static enum clo_ruling judge(const struct clo_guard *g, const struct clo_guard_asked *a,
                             struct clo_guard_answer *ret)
{
    enum clo_ruling token;

    if (a->repeated)
        return CLO_RULING_REPEATED;
    if (a->host == NULL || !names_us(g, a->host))
        return CLO_RULING_BAD_HOST;
    if (a->origin != NULL) {
        ret->cors = g->origin != NULL && strcmp(a->origin, g->origin) == 0;
        if (!ret->cors && !is_own_origin(g, a->origin))
            return CLO_RULING_BAD_ORIGIN;
    }
    ret->route = strlen(a->path) <= CLO_GUARD_PATH_MAX ? find_route(a->path) : CLO_ROUTE_NONE;
    /* A browser asks without the token (Fetch standard, CORS preflight); it learns no more than that its page is allowed. */
    if (ret->cors && strcmp(a->method, "OPTIONS") == 0)
        return CLO_RULING_PREFLIGHT;
    token = ret->route == CLO_ROUTE_HEALTH ? CLO_RULING_PASS : judge_token(g, a->authorization);
    if (token != CLO_RULING_PASS)
        return token;
    if (ret->route == CLO_ROUTE_NONE)
        return CLO_RULING_NO_ROUTE;
    if (!takes(ret->route, a->method))
        return CLO_RULING_BAD_METHOD;
    return a->query ? CLO_RULING_QUERY : CLO_RULING_PASS;
}

void clo_guard_judge(const struct clo_guard *g, const struct clo_guard_asked *a,
                     struct clo_guard_answer *ret)
{
    *ret = (struct clo_guard_answer){0};
    ret->ruling = judge(g, a, ret);
    if (ret->ruling != CLO_RULING_PASS)
        ret->route = CLO_ROUTE_NONE;
    else
        memcpy(ret->path, a->path, strlen(a->path) + 1);
}
