/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outer HTTP. libmicrohttpd parses; what a route answers at once is a prepared response, everything else is a struct
 * clo_request: suspended while it waits, resumed by clo_outer_wake. One return of the content callback is one HTTP chunk and
 * one send.
 */
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/enc.h"
#include "daemon/gateway/gateway.h"
#include "platform/process.h"

#define EVIDENCE_PATH "/.well-known/cloister/evidence"
#define OHTTP_PATH    "/.well-known/ohttp-gateway" /* RFC 9540 section 3 */
#define MICRO         INT64_C(1000000)
#define BLOCK         1024  /* of a buffer that chunked answers to HTTP/1.0 clients go through */
#define PLAIN_BLOCK   16384 /* ... and that plain ones do: each is one send */
#define BLOB_PATH     "/blob/"
#define JSON_TYPE     "application/json"
#define PROBLEM_TYPE  "application/problem+json"
/* RFC 9458 section 5.2 */
#define KEY_PROBLEM                                                            \
    "{\"type\":\"https://iana.org/assignments/http-problem-types#ohttp-key\"," \
    "\"title\":\"key identifier unknown\"}"

enum fixed {
    FIXED_OK,
    FIXED_NOT_READY,
    FIXED_BAD,
    FIXED_KEY,
    FIXED_NOT_FOUND,
    FIXED_METHOD,
    FIXED_TYPE,
    FIXED_BUSY,
    FIXED_COUNT
};

static const struct {
    unsigned status;
    const char *body, *type, *field, *value;
} fixed_table[FIXED_COUNT] = {
    [FIXED_OK] = {200, "ok\n", "text/plain", NULL, NULL},
    [FIXED_NOT_READY] = {503, "not ready\n", "text/plain", "Retry-After", "1"},
    [FIXED_BAD] = {400, "", NULL, NULL, NULL},
    [FIXED_KEY] = {400, KEY_PROBLEM, PROBLEM_TYPE, NULL, NULL},
    [FIXED_NOT_FOUND] = {404, "", NULL, NULL, NULL},
    [FIXED_METHOD] = {405, "", NULL, "Allow", "GET, HEAD, POST"},
    [FIXED_TYPE] = {415, "", NULL, "Accept-Post",
                    CLO_OHTTP_MEDIA_CHUNKED_REQ ", " CLO_OHTTP_MEDIA_REQ},
    [FIXED_BUSY] = {503, "", NULL, "Retry-After", "1"},
};

static int add_header(struct MHD_Response *res, const char *name, const char *value)
{
    return MHD_add_response_header(res, name, value) == MHD_YES ? 0 : CLOISTER_E_MEMORY;
}

static int make_fixed(struct clo_gw *gw)
{
    _Static_assert(FIXED_COUNT <= CLO_ARRAY_LEN(gw->fixed), "all have a place");
    for (size_t i = 0; i < FIXED_COUNT; i++) {
        struct MHD_Response *res = MHD_create_response_from_buffer(
            strlen(fixed_table[i].body), (void *)(uintptr_t)fixed_table[i].body,
            MHD_RESPMEM_PERSISTENT);

        gw->fixed[i] = res;
        if (res == NULL || add_header(res, "Cache-Control", "no-store") != 0 ||
            (fixed_table[i].type != NULL &&
             add_header(res, "Content-Type", fixed_table[i].type) != 0) ||
            (fixed_table[i].field != NULL &&
             add_header(res, fixed_table[i].field, fixed_table[i].value) != 0))
            return CLOISTER_E_MEMORY;
    }
    return 0;
}

static enum MHD_Result answer(struct clo_gw *gw, struct MHD_Connection *conn, enum fixed which)
{
    if (fixed_table[which].status >= 400)
        clo_log("gateway", CLO_EV_REQUEST_REFUSED, fixed_table[which].status, 0, 0, 0);
    return MHD_queue_response(conn, fixed_table[which].status, gw->fixed[which]);
}

/* ---- waiting ---- */

/*
 * A suspended connection is watched by nobody but us. Edge-triggered, because bytes that the peer sent ahead stay where they are;
 * asked by poll, because those bytes hide the end behind them from a read.
 */
static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    struct clo_request *r = arg;

    (void)what;
    if (poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0) {
        event_del(r->watch);
        clo_request_gone(r);
        clo_outer_wake(r);
    }
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    clo_outer_wake(arg);
}

/* Come back when the answer's next piece is due. */
static bool wait_until_due(struct clo_request *r)
{
    const int64_t due = r->response != NULL ? clo_response_due(r->response) : CLO_RESPONSE_NEVER;
    const int64_t left = due - clo_clock_mono_us();
    struct timeval tv = {0};

    if (due == CLO_RESPONSE_NEVER)
        return true;
    if (r->due == NULL && (r->due = evtimer_new(r->gw->base, on_due, r)) == NULL)
        return false;
    if (left > 0) {
        tv.tv_sec = (time_t)(left / MICRO);
        tv.tv_usec = (suseconds_t)(left % MICRO);
    }
    return event_add(r->due, &tv) == 0;
}

static enum MHD_Result wait_for_wake(struct clo_request *r)
{
    if (!wait_until_due(r))
        return MHD_NO;
    if (r->watch == NULL) {
        r->watch = event_new(r->gw->base, r->fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST, on_watch,
                             r);
        if (r->watch == NULL || event_add(r->watch, NULL) != 0)
            return MHD_NO;
    }
    if (!r->suspended) {
        MHD_suspend_connection(r->conn);
        r->suspended = true;
    }
    return MHD_YES;
}

/*
 * There is an answer, and by its shape it isn't time yet: whatever has come for it waits. Only the timer says when it is time: timers are
 * late by a little, and a frame that something came for just then would leave before it, and be told from those for which nothing came.
 */
static bool is_early(const struct clo_request *r)
{
    return !r->gone && r->state == CLO_RS_ANSWERING && r->response != NULL && r->due != NULL &&
           event_pending(r->due, EV_TIMEOUT, NULL);
}

void clo_outer_wake(struct clo_request *r)
{
    if (r->suspended && !is_early(r)) {
        r->suspended = false;
        MHD_resume_connection(r->conn);
        /* Without threads of its own the server isn't told: it has to be run. */
        event_active(r->gw->http_timer, EV_TIMEOUT, 0);
    }
}

void clo_outer_hang_up(struct clo_request *r)
{
    shutdown(r->fd, SHUT_RDWR);
    clo_outer_wake(r);
}

/* ---- the encrypted answer ---- */

static ssize_t on_content(void *arg, uint64_t pos, char *dst, size_t max)
{
    struct clo_request *r = arg;
    int64_t now = 0;
    size_t n = 0;

    (void)pos;
    if (r->gone)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    now = clo_clock_mono_us();
    n = clo_response_take(r->response, now, dst, max);
    clo_request_flowed(r);
    if (n > 0)
        return (ssize_t)n;
    switch (clo_response_flow(r->response, now)) {
    case CLO_FLOW_END: return MHD_CONTENT_READER_END_OF_STREAM;
    case CLO_FLOW_CUT: return MHD_CONTENT_READER_END_WITH_ERROR;
    case CLO_FLOW_SOME:
    case CLO_FLOW_WAIT: break;
    }
    return wait_for_wake(r) == MHD_YES ? 0 : MHD_CONTENT_READER_END_WITH_ERROR;
}

/* A plain answer is there as a whole, so that its length can be told; chunks come as they are made. */
static enum MHD_Result answer_encrypted(struct clo_request *r)
{
    const bool plain = clo_response_is_plain(r->response);
    const uint64_t size = plain ? clo_response_size(r->response) : MHD_SIZE_UNKNOWN;
    struct MHD_Response *res = NULL;
    enum MHD_Result ok = MHD_NO;

    if (plain && clo_response_state(r->response) != CLO_RESPONSE_ENDED)
        return MHD_NO;
    res = MHD_create_response_from_callback(size, plain ? PLAIN_BLOCK : BLOCK, on_content, r, NULL);
    if (res == NULL)
        return MHD_NO;
    if (add_header(res, "Content-Type",
                   plain ? CLO_OHTTP_MEDIA_RES : CLO_OHTTP_MEDIA_CHUNKED_RES) == 0 &&
        (plain || add_header(res, "Incremental", "?1") == 0) &&
        add_header(res, "X-Accel-Buffering", "no") == 0 && /* nginx holds answers otherwise */
        add_header(res, "Cache-Control", "no-store") == 0)
        ok = MHD_queue_response(r->conn, MHD_HTTP_OK, res);
    MHD_destroy_response(res);
    return ok;
}

static enum MHD_Result answer_document(struct clo_request *r)
{
    /* Evidence is public, so a copy outside the wiping heap is fine. */
    struct MHD_Response *res = MHD_create_response_from_buffer(r->document.len, r->document.p,
                                                               MHD_RESPMEM_MUST_COPY);
    enum MHD_Result ok = MHD_NO;

    if (res == NULL)
        return MHD_NO;
    if (add_header(res, "Content-Type", JSON_TYPE) == 0 &&
        add_header(res, "Cache-Control", "no-store") == 0)
        ok = MHD_queue_response(r->conn, MHD_HTTP_OK, res);
    MHD_destroy_response(res);
    return ok;
}

static enum MHD_Result answer_refusal(struct clo_request *r)
{
    switch (r->refusal) {
    case CLO_REFUSE_BAD: return answer(r->gw, r->conn, FIXED_BAD);
    case CLO_REFUSE_KEY: return answer(r->gw, r->conn, FIXED_KEY);
    case CLO_REFUSE_BUSY: return answer(r->gw, r->conn, FIXED_BUSY);
    case CLO_REFUSE_NOT:
    case CLO_REFUSE_DROP: break;
    }
    return MHD_NO;
}

/* The request has been read to its end: answer it, or wait until that is possible. */
static enum MHD_Result proceed(struct clo_request *r)
{
    if (r->gone)
        return MHD_NO;
    if (r->state == CLO_RS_REFUSED)
        return answer_refusal(r);
    if (r->state == CLO_RS_ANSWERING && r->kind == CLO_REQ_EVIDENCE)
        return answer_document(r);
    if (r->state == CLO_RS_ANSWERING &&
        clo_response_flow(r->response, clo_clock_mono_us()) != CLO_FLOW_WAIT)
        return answer_encrypted(r);
    return wait_for_wake(r);
}

/* ---- routes ---- */

static enum MHD_Result open_request(struct clo_gw *gw, struct MHD_Connection *conn,
                                    enum clo_request_kind kind, void **state,
                                    struct clo_request **ret)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        conn, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (info == NULL || clo_request_new(gw, kind, ret) != 0)
        return answer(gw, conn, FIXED_BUSY);
    (*ret)->conn = conn;
    (*ret)->fd = info->connect_fd;
    *state = *ret;
    return MHD_YES;
}

struct query {
    const char *nonce;
    size_t nonce_n;
    bool full, bad;
};

static enum MHD_Result read_argument(void *arg, enum MHD_ValueKind kind, const char *key,
                                     size_t key_n, const char *value, size_t n)
{
    struct query *q = arg;

    (void)kind;
    if (key_n == 5 && memcmp(key, "nonce", 5) == 0 && value != NULL && q->nonce == NULL) {
        q->nonce = value;
        q->nonce_n = n;
    } else if (key_n == 4 && memcmp(key, "full", 4) == 0 && n == 1 && *value == '1' && !q->full) {
        q->full = true;
    } else {
        q->bad = true;
    }
    return MHD_YES;
}

static enum MHD_Result get_evidence(struct clo_gw *gw, struct MHD_Connection *conn, void **state)
{
    struct query q = {0};
    struct clo_request *r = NULL;
    uint8_t nonce[32] = {0};
    size_t n = 0;
    enum MHD_Result ok = MHD_NO;

    MHD_get_connection_values_n(conn, MHD_GET_ARGUMENT_KIND, read_argument, &q);
    if (q.bad || q.nonce == NULL || clo_unb64(q.nonce, q.nonce_n, nonce, sizeof(nonce), &n) != 0 ||
        n != sizeof(nonce))
        return answer(gw, conn, FIXED_BAD);
    ok = open_request(gw, conn, CLO_REQ_EVIDENCE, state, &r);
    if (r == NULL)
        return ok;
    r->full = q.full;
    clo_evidence_ask(r, nonce);
    return proceed(r);
}

static enum MHD_Result get_blob(struct clo_gw *gw, struct MHD_Connection *conn, const char *hex)
{
    uint8_t digest[32] = {0};
    const struct clo_buf *bytes = NULL;
    struct MHD_Response *res = NULL;
    enum MHD_Result ok = MHD_NO;

    if (clo_unhex(hex, strlen(hex), digest, sizeof(digest)) != 0 ||
        (bytes = clo_evidence_find(gw, digest)) == NULL)
        return answer(gw, conn, FIXED_NOT_FOUND);
    res = MHD_create_response_from_buffer(bytes->len, bytes->p, MHD_RESPMEM_MUST_COPY);
    if (res == NULL)
        return MHD_NO;
    if (add_header(res, "Content-Type", JSON_TYPE) == 0 &&
        add_header(res, "Cache-Control", "public, max-age=31536000, immutable") == 0)
        ok = MHD_queue_response(conn, MHD_HTTP_OK, res);
    MHD_destroy_response(res);
    return ok;
}

/* RFC 9540: one key configuration for clients that don't verify evidence themselves. Held no longer than its keys are good for. */
static enum MHD_Result get_key(struct clo_gw *gw, struct MHD_Connection *conn)
{
    const int64_t left = gw->key.best_before - clo_clock_now();
    struct MHD_Response *res = NULL;
    enum MHD_Result ok = MHD_NO;
    char cache[48] = "no-store";

    if (gw->key.n == 0 || gw->key.expires <= clo_clock_now())
        return answer(gw, conn, FIXED_BUSY);
    if (left > 0)
        snprintf(cache, sizeof(cache), "max-age=%lld", (long long)left);
    res = MHD_create_response_from_buffer(gw->key.n, gw->key.list, MHD_RESPMEM_MUST_COPY);
    if (res == NULL)
        return MHD_NO;
    if (add_header(res, "Content-Type", CLO_OHTTP_MEDIA_KEYS) == 0 &&
        add_header(res, "Cache-Control", cache) == 0)
        ok = MHD_queue_response(conn, MHD_HTTP_OK, res);
    MHD_destroy_response(res);
    return ok;
}

static bool is_ready(const struct clo_gw *gw)
{
    return gw->state == CLO_GW_RUN && gw->keeper != NULL && gw->attester != NULL && gw->quotable &&
           gw->engine.up;
}

static enum MHD_Result get(struct clo_gw *gw, struct MHD_Connection *conn, const char *path,
                           void **state)
{
    const size_t gateway_n = strlen(gw->cfg.gateway);

    if (strcmp(path, EVIDENCE_PATH) == 0)
        return get_evidence(gw, conn, state);
    if (strcmp(path, OHTTP_PATH) == 0)
        return get_key(gw, conn);
    if (strcmp(path, "/healthz") == 0)
        return answer(gw, conn, FIXED_OK);
    if (strcmp(path, "/readyz") == 0)
        return answer(gw, conn, is_ready(gw) ? FIXED_OK : FIXED_NOT_READY);
    if (strcmp(path, gw->cfg.gateway) == 0)
        return answer(gw, conn, FIXED_METHOD);
    if (strncmp(path, gw->cfg.gateway, gateway_n) == 0 &&
        strncmp(path + gateway_n, BLOB_PATH, strlen(BLOB_PATH)) == 0)
        return get_blob(gw, conn, path + gateway_n + strlen(BLOB_PATH));
    return answer(gw, conn, FIXED_NOT_FOUND);
}

static bool is_get_path(const struct clo_gw *gw, const char *path)
{
    return strcmp(path, EVIDENCE_PATH) == 0 || strcmp(path, "/healthz") == 0 ||
           strcmp(path, "/readyz") == 0 ||
           (strncmp(path, gw->cfg.gateway, strlen(gw->cfg.gateway)) == 0 &&
            strncmp(path + strlen(gw->cfg.gateway), BLOB_PATH, strlen(BLOB_PATH)) == 0);
}

/* Refusals that rest on public facts come before the body is read. */
static enum MHD_Result post(struct clo_gw *gw, struct MHD_Connection *conn, const char *path,
                            void **state)
{
    const char *type = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "Content-Type");
    const char *length = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "Content-Length");
    const bool chunked = type != NULL && strcasecmp(type, CLO_OHTTP_MEDIA_CHUNKED_REQ) == 0;
    unsigned long long n = 0;
    struct clo_request *r = NULL;
    enum MHD_Result ok = MHD_NO;

    if (strcmp(path, gw->cfg.gateway) != 0 && strcmp(path, OHTTP_PATH) != 0)
        return answer(gw, conn, is_get_path(gw, path) ? FIXED_METHOD : FIXED_NOT_FOUND);
    if (!chunked && (type == NULL || strcasecmp(type, CLO_OHTTP_MEDIA_REQ) != 0))
        return answer(gw, conn, FIXED_TYPE);
    if (length != NULL) /* digits only: the HTTP server has checked that */
        n = strtoull(length, NULL, 10);
    if (n > gw->upload_max)
        return answer(gw, conn, FIXED_BAD);
    if (gw->state != CLO_GW_RUN || gw->keeper == NULL)
        return answer(gw, conn, FIXED_BUSY);
    if (gw->budget.used >= gw->budget.max ||
        !clo_budget_has(&gw->budget, n > gw->cfg.request_max ? gw->cfg.request_max : n)) {
        clo_log("gateway", CLO_EV_LIMIT, CLO_GW_LIMIT_MEMORY, gw->budget.used, 0, 0);
        return answer(gw, conn, FIXED_BUSY);
    }
    ok = open_request(gw, conn, CLO_REQ_OHTTP, state, &r);
    if (r != NULL)
        r->chunked = chunked;
    return ok;
}

/*
 * Is it this field, or what could be taken for it? With a blank before the colon the server has another name, and so it has where the
 * value goes on in the next line, which it puts behind the name.
 */
static bool is_field(const char *key, size_t n, const char *name)
{
    return n >= strlen(name) && strncasecmp(key, name, strlen(name)) == 0;
}

static enum MHD_Result read_framing(void *arg, enum MHD_ValueKind kind, const char *key,
                                    size_t key_n, const char *value, size_t n)
{
    static const char length[] = "Content-Length", coding[] = "Transfer-Encoding";
    unsigned *framings = arg;

    (void)kind;
    if (is_field(key, key_n, length))
        *framings += key_n == sizeof(length) - 1 ? 1 : 2;
    if (is_field(key, key_n, coding))
        *framings += key_n == sizeof(coding) - 1 && n == 7 && strncasecmp(value, "chunked", n) == 0
                         ? 1
                         : 2;
    return MHD_YES;
}

/* Where two readers could see two different bodies there is none (RFC 9112 section 6.3). The server itself lets them through. */
static bool is_framing_clear(struct MHD_Connection *conn)
{
    unsigned framings = 0;

    MHD_get_connection_values_n(conn, MHD_HEADER_KIND, read_framing, &framings);
    return framings <= 1;
}

static enum MHD_Result answer_and_close(struct MHD_Connection *conn, unsigned status,
                                        const char *retry_after)
{
    struct MHD_Response *res = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result ok = MHD_NO;

    if (res == NULL)
        return MHD_NO;
    if (add_header(res, "Cache-Control", "no-store") == 0 &&
        add_header(res, "Connection", "close") == 0 &&
        (retry_after == NULL || add_header(res, "Retry-After", retry_after) == 0))
        ok = MHD_queue_response(conn, status, res);
    MHD_destroy_response(res);
    return ok;
}

/* Stands in the place of a connection that its peer has one too many of. */
static char one_too_many;

static bool is_one_too_many(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info != NULL && info->socket_context == &one_too_many;
}

/* Stands for a GET between the call with its head and the one after its body, where the answer doesn't cost the connection. */
static char get_pending;

static enum MHD_Result first_call(struct clo_gw *gw, struct MHD_Connection *conn, const char *path,
                                  const char *method, void **state)
{
    if (is_one_too_many(conn)) {
        clo_log("gateway", CLO_EV_LIMIT, CLO_GW_LIMIT_PEER, gw->limits.peer_max, 0, 0);
        return answer_and_close(conn, MHD_HTTP_TOO_MANY_REQUESTS, "5");
    }
    if (!is_framing_clear(conn))
        return answer_and_close(conn, MHD_HTTP_BAD_REQUEST, NULL);
    if (strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0) {
        *state = &get_pending;
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_POST) == 0)
        return post(gw, conn, path, state);
    return answer(gw, conn, FIXED_METHOD);
}

/* A piece that can't be taken yet stays with the HTTP server, which then stops reading. */
static enum MHD_Result take_body(struct clo_request *r, const char *data, size_t *n)
{
    size_t taken = 0;

    while (taken < *n) {
        const size_t step = clo_request_feed(r, data + taken, *n - taken);

        if (step == 0)
            break;
        taken += step;
    }
    *n -= taken;
    if (r->refusal == CLO_REFUSE_DROP)
        return MHD_NO;
    return *n == 0 ? MHD_YES : wait_for_wake(r);
}

/* Called with the head, with each piece of the body, after the body, and after each wake. */
static enum MHD_Result on_access(void *arg, struct MHD_Connection *conn, const char *path,
                                 const char *method, const char *version, const char *data,
                                 size_t *n, void **state)
{
    struct clo_request *r = *state;

    (void)version;
    if (r == NULL)
        return first_call(arg, conn, path, method, state);
    if (*state == &get_pending) {
        *state = NULL;
        return *n == 0 ? get(arg, conn, path, state) : MHD_NO;
    }
    if (r->gone || r->refusal == CLO_REFUSE_DROP)
        return MHD_NO;
    if (*n > 0)
        return r->kind == CLO_REQ_OHTTP ? take_body(r, data, n) : MHD_NO;
    if (r->kind == CLO_REQ_OHTTP)
        clo_request_body_ended(r);
    return proceed(r);
}

static void on_completed(void *arg, struct MHD_Connection *conn, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct clo_request *r = *state;

    (void)arg;
    (void)conn;
    (void)why;
    if (r == NULL || *state == &get_pending)
        return;
    *state = NULL;
    if (r->watch != NULL)
        event_free(r->watch);
    if (r->due != NULL)
        event_free(r->due);
    clo_request_free(r);
}

/* ---- the HTTP server inside the event loop ---- */

/* Does a limit hold for it, and is it beyond that, and some to spare, with n connections? */
static bool is_beyond(const struct clo_gw *gw, const struct sockaddr *sa, uint32_t n,
                      uint32_t spare)
{
    uint8_t address[16] = {0};

    if (gw->limits.peer_max == 0 || n <= (uint64_t)gw->limits.peer_max + spare ||
        !clo_address_of(sa, address))
        return false;
    for (uint32_t i = 0; i < gw->limits.relays; i++) {
        if (clo_network_has(&gw->limits.relay[i], address))
            return false;
    }
    return true;
}

/* A few connections too many are told so, once they have said what they want; more of them cost nothing but their accept. */
static enum MHD_Result on_accept(void *arg, const struct sockaddr *sa, socklen_t n)
{
    const struct clo_gw *gw = arg;
    uint8_t peer[16] = {0};

    (void)n;
    if (clo_peer_of(sa, peer) &&
        is_beyond(gw, sa, clo_peers_count(gw->peers, peer) + 1, CLO_GW_REFUSED_MAX))
        return MHD_NO;
    return MHD_YES;
}

/* Everybody's are counted, so that limits and relays can change while connections are open. */
static void on_opened(struct clo_gw *gw, struct MHD_Connection *conn, const struct sockaddr *sa,
                      void **state)
{
    uint8_t peer[16] = {0};

    if (!clo_peer_of(sa, peer) || !clo_peers_add(gw->peers, peer) ||
        !is_beyond(gw, sa, clo_peers_count(gw->peers, peer), 0))
        return;
    *state = &one_too_many;
    (void)MHD_set_connection_option(conn, MHD_CONNECTION_OPTION_TIMEOUT,
                                    (unsigned)CLO_GW_REFUSED_S);
}

/*
 * At its limit, of connections or of descriptors, the server stops listening; that there is room again it notes only when it is
 * run once more.
 */
static void on_connection(void *arg, struct MHD_Connection *conn, void **state,
                          enum MHD_ConnectionNotificationCode what)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *sa = info != NULL ? info->client_addr : NULL;
    struct clo_gw *gw = arg;
    uint8_t peer[16] = {0};

    if (what == MHD_CONNECTION_NOTIFY_STARTED && sa != NULL)
        on_opened(gw, conn, sa, state);
    if (what != MHD_CONNECTION_NOTIFY_CLOSED)
        return;
    gw->http_again = true;
    if (sa != NULL && clo_peer_of(sa, peer))
        clo_peers_drop(gw->peers, peer);
}

static void run_http(struct clo_gw *gw)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;
    struct timeval tv = {0};

    do {
        gw->http_again = false;
        MHD_run(gw->http);
    } while (gw->http_again); /* each time a connection less */
    if (MHD_get_timeout(gw->http, &ms) != MHD_YES) {
        event_del(gw->http_timer);
        return;
    }
    tv.tv_sec = (time_t)(ms / 1000);
    tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
    event_add(gw->http_timer, &tv);
}

static void on_http(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    run_http(arg);
}

int clo_outer_start(struct clo_gw *gw, int listener)
{
    const union MHD_DaemonInfo *info = NULL;
    int err = make_fixed(gw);

    if (err != 0 || (err = clo_peers_new(gw->cfg.connections_max, &gw->peers)) != 0)
        return err;
    gw->http = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, on_accept, gw, on_access, gw,
        MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)gw->cfg.connections_max, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CLO_GW_IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CLO_GW_CONN_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, gw, MHD_OPTION_END);
    if (gw->http == NULL)
        return CLOISTER_E_IO;
    info = MHD_get_daemon_info(gw->http, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL)
        return CLOISTER_E_IO;
    gw->http_ready = event_new(gw->base, info->epoll_fd, EV_READ | EV_PERSIST, on_http, gw);
    gw->http_timer = event_new(gw->base, -1, 0, on_http, gw);
    if (gw->http_ready == NULL || gw->http_timer == NULL || event_add(gw->http_ready, NULL) != 0)
        return CLOISTER_E_MEMORY;
    run_http(gw);
    return 0;
}

void clo_outer_quiesce(struct clo_gw *gw)
{
    if (gw->http == NULL)
        return;
    /* The descriptor is left open until the end of the process: closing it would race with the server's epoll set. */
    (void)MHD_quiesce_daemon(gw->http);
    event_active(gw->http_timer, EV_TIMEOUT, 0);
}
