/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP towards applications: see server.h. */
#include "client/proxy/server.h"

#include <event2/event.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    CONNECTIONS = 512,
    CALLS = 128,
    STREAMS = 384, /* with those that go on without an application; each takes a descriptor */
    IDLE_S = 120,
    GONE_S = 1,
    CONN_MEMORY = 64 << 10,
    BLOCK = 1024,           /* a buffer that only HTTP/1.0 clients' answers would go through */
    DISCARD_MAX = 64 << 20, /* of a body that is refused; beyond that the connection ends */
};

#define JSON_TYPE "application/json"
#define EXPOSED   "Cloister-Verdict, Cloister-Evidence, Retry-After, X-Should-Retry"

struct clo_proxy_http {
    struct clo_proxy_setup setup;
    struct MHD_Daemon *mhd;
    struct event *ready, *timer;
    bool again; /* a connection has ended while the server ran */
    bool ending;
    unsigned calls;
    LIST_HEAD(, ask) asks;
};

/* One connection. */
struct link {
    struct clo_proxy_http *h;
    struct MHD_Connection *conn;
    struct event *watch; /* for the application's hang-up */
    bool gone;           /* it has */
    struct ask *ask;     /* the request that it carries now, or NULL */
};

/* One HTTP request. */
struct ask {
    LIST_ENTRY(ask) link;
    struct clo_proxy_http *h;
    struct MHD_Connection *conn;
    struct link *carrier;
    bool suspended, gone, sent;
    struct clo_guard_answer judged;
    struct clo_proxy_error error; /* status 0: none */
    size_t discarded;
    struct clo_call *call;
};

/* ---- waiting ---- */

static void wake(void *ctx)
{
    struct ask *a = ctx;

    if (a->suspended) {
        a->suspended = false;
        MHD_resume_connection(a->conn);
        /* Without threads of its own the server isn't told: it has to be run. */
        event_active(a->h->timer, EV_TIMEOUT, 0);
    }
}

/*
 * A suspended connection is watched by nobody but us; of others the server overlooks an end that came together with data. Edge-triggered,
 * because bytes that the application sent ahead stay where they are; asked by poll, because those bytes hide the end behind them from a read.
 */
static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    struct link *l = arg;

    (void)what;
    if (poll(&p, 1, 0) != 1 || (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) == 0)
        return;
    (void)event_del(l->watch);
    l->gone = true;
    if (l->ask != NULL && l->ask->suspended) {
        /* the server is told so when it asks next, which ends the request and so its call */
        l->ask->gone = true;
        wake(l->ask);
    } else {
        /* what has come is still read and answered, unless the answer would have to be waited for */
        (void)MHD_set_connection_option(l->conn, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)GONE_S);
        event_active(l->h->timer, EV_TIMEOUT, 0); /* which is set anew */
    }
}

static enum MHD_Result wait_for_wake(struct ask *a)
{
    if (a->carrier->gone)
        return MHD_NO;
    if (!a->suspended) {
        MHD_suspend_connection(a->conn);
        a->suspended = true;
    }
    return MHD_YES;
}

/* ---- answers ---- */

static bool add(struct MHD_Response *res, const char *name, const char *value)
{
    return MHD_add_response_header(res, name, value) == MHD_YES;
}

static bool add_number(struct MHD_Response *res, const char *name, long value)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%ld", value);
    return value <= 0 || add(res, name, text);
}

/* What every answer says. */
static bool add_common(const struct ask *a, struct MHD_Response *res, const char *type)
{
    bool simulated = false;
    char hex[65];

    if (!add(res, "Cache-Control", "no-store") || !add(res, "X-Content-Type-Options", "nosniff") ||
        (type != NULL && type[0] != '\0' && !add(res, "Content-Type", type)))
        return false;
    if (a->judged.cors &&
        (!add(res, "Access-Control-Allow-Origin", a->h->setup.guard.origin) ||
         !add(res, "Vary", "Origin") || !add(res, "Access-Control-Expose-Headers", EXPOSED)))
        return false;
    return a->call == NULL || !clo_call_vouched(a->call, &simulated, hex) ||
           (add(res, "Cloister-Verdict", simulated ? "simulated" : "verified") &&
            add(res, "Cloister-Evidence", hex));
}

/* res is given up. */
static enum MHD_Result queue(struct ask *a, unsigned status, struct MHD_Response *res, bool good)
{
    const enum MHD_Result ok = good && res != NULL ? MHD_queue_response(a->conn, status, res)
                                                   : MHD_NO;

    if (res != NULL)
        MHD_destroy_response(res);
    return ok;
}

static struct MHD_Response *from_copy(const void *p, size_t n)
{
    return MHD_create_response_from_buffer(n, (void *)(uintptr_t)p, MHD_RESPMEM_MUST_COPY);
}

static enum MHD_Result answer_error(struct ask *a, const struct clo_proxy_error *e)
{
    struct clo_buf json = clo_buf_init(16384);
    struct MHD_Response *res = NULL;
    enum MHD_Result ok = MHD_NO;

    if (clo_proxy_error_json(e, &json) == 0 && (res = from_copy(json.p, json.len)) != NULL)
        ok = queue(a, e->status, res,
                   add_common(a, res, JSON_TYPE) &&
                       add_number(res, "Retry-After", e->retry_after) &&
                       (!e->never_again || add(res, "X-Should-Retry", "false")) &&
                       (e->status != 405 || add(res, "Allow", "GET, POST")) &&
                       (e->status != 401 || add(res, "WWW-Authenticate", "Bearer")));
    clo_buf_clear(&json);
    return ok;
}

static enum MHD_Result answer_text(struct ask *a, const char *text)
{
    struct MHD_Response *res = from_copy(text, strlen(text));

    return queue(a, MHD_HTTP_OK, res, res != NULL && add_common(a, res, "text/plain"));
}

static enum MHD_Result answer_preflight(struct ask *a)
{
    struct MHD_Response *res = from_copy("", 0);

    /* Authorization has to be named: the asterisk doesn't stand for it (Fetch standard, CORS protocol). */
    return queue(a, MHD_HTTP_NO_CONTENT, res,
                 res != NULL && add_common(a, res, NULL) &&
                     add(res, "Access-Control-Allow-Methods", "GET, POST") &&
                     add(res, "Access-Control-Allow-Headers", "Authorization, Content-Type, *") &&
                     add(res, "Access-Control-Allow-Private-Network", "true") &&
                     add(res, "Access-Control-Max-Age", "600"));
}

static enum MHD_Result answer_verdict(struct ask *a)
{
    struct clo_buf json = clo_buf_init(1 << 20);
    struct MHD_Response *res = NULL;
    enum MHD_Result ok = MHD_NO;

    if (clo_pool_verdict_json(a->h->setup.callers->pool, &json) == 0 &&
        (res = from_copy(json.p, json.len)) != NULL)
        ok = queue(a, MHD_HTTP_OK, res, add_common(a, res, JSON_TYPE));
    clo_buf_clear(&json);
    return ok;
}

/* ---- answers that come from the server ---- */

static ssize_t on_content(void *arg, uint64_t pos, char *dst, size_t max)
{
    struct ask *a = arg;
    bool whole = false;
    size_t n;

    (void)pos;
    if (a->gone || a->call == NULL)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    n = clo_call_take(a->call, dst, max);
    if (n > 0)
        return (ssize_t)n;
    if (clo_call_ended(a->call, &whole))
        return whole ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
    return wait_for_wake(a) == MHD_YES ? 0 : MHD_CONTENT_READER_END_WITH_ERROR;
}

static enum MHD_Result answer_call(struct ask *a, bool stream)
{
    const struct clo_buf *whole = clo_call_content(a->call);
    struct clo_call_head head = {0};
    /* The content is the call's until the request is over (on_completed). */
    struct MHD_Response *res = stream ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK,
                                                                          on_content, a, NULL)
                                      : MHD_create_response_from_buffer(whole->len, whole->p,
                                                                        MHD_RESPMEM_PERSISTENT);

    clo_call_head(a->call, &head);
    return queue(a, head.status, res,
                 res != NULL && add_common(a, res, head.type) &&
                     add_number(res, "Retry-After", head.retry_after) &&
                     (!head.never_again || add(res, "X-Should-Retry", "false")));
}

/* The request has been read to its end: answer it, or wait until that is possible. */
static enum MHD_Result proceed(struct ask *a)
{
    if (a->gone)
        return MHD_NO;
    if (a->error.status != 0)
        return answer_error(a, &a->error);
    if (a->judged.ruling == CLO_RULING_PREFLIGHT)
        return answer_preflight(a);
    if (a->judged.route == CLO_ROUTE_HEALTH)
        return answer_text(a, "ok\n");
    if (a->judged.route == CLO_ROUTE_VERDICT)
        return answer_verdict(a);
    if (a->carrier->gone)
        return MHD_NO; /* nobody would see the answer */
    if (!a->sent) {
        a->sent = true;
        clo_call_send(a->call);
    }
    switch (clo_call_state(a->call)) {
    case CLO_CALL_STREAM: return answer_call(a, true);
    case CLO_CALL_WHOLE: return answer_call(a, false);
    case CLO_CALL_FAILED: return answer_error(a, clo_call_error(a->call));
    case CLO_CALL_BUSY: break;
    }
    return wait_for_wake(a);
}

/* ---- a request's head ---- */

struct fields {
    struct clo_guard_asked asked;
    const char *content_type, *accept, *length;
    bool expects;
    unsigned framings;
};

static enum MHD_Result read_field(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_n,
                                  const char *value, size_t n)
{
    struct fields *f = arg;
    const struct {
        const char *name;
        const char **at;
    } once[] = {
        {"Host", &f->asked.host},
        {"Origin", &f->asked.origin},
        {"Authorization", &f->asked.authorization},
        {"Content-Type", &f->content_type},
        {"Content-Length", &f->length},
    };

    (void)kind;
    if (value == NULL || strlen(value) != n)
        return MHD_YES;
    for (size_t i = 0; i < CLO_ARRAY_LEN(once); i++) {
        if (strcasecmp(key, once[i].name) != 0)
            continue;
        f->asked.repeated = f->asked.repeated || *once[i].at != NULL;
        *once[i].at = value;
    }
    if (strcasecmp(key, "Accept") == 0)
        f->accept = value;
    if (strcasecmp(key, "Expect") == 0)
        f->expects = true;
    /* Where two readers could see two different bodies there is none (RFC 9112 section 6.3). The server itself lets them through. */
    if (key_n == 14 && strcasecmp(key, "Content-Length") == 0)
        f->framings += 1;
    if (strcasecmp(key, "Transfer-Encoding") == 0)
        f->framings += strcasecmp(value, "chunked") == 0 ? 1 : 2;
    return MHD_YES;
}

static int new_call(struct ask *a, const struct fields *f)
{
    struct clo_proxy_http *h = a->h;
    struct clo_call_plan plan = {
        .method = a->judged.route == CLO_ROUTE_ASK ? "POST" : "GET",
        .path = a->judged.path,
        .content_type = f->content_type,
        .accept = f->accept,
        .wake = wake,
        .ctx = a,
    };
    int err;

    if (h->calls >= CALLS || h->calls + h->setup.callers->rests.streams >= STREAMS) {
        clo_proxy_error_limit(CLO_LIMIT_PARALLEL, &a->error);
        return CLOISTER_E_FULL;
    }
    if (f->length != NULL) /* digits only: the HTTP server has checked that */
        plan.body_n = strtoull(f->length, NULL, 10);
    if ((err = clo_call_new(h->setup.callers, &plan, &a->call)) == 0)
        h->calls++;
    return err;
}

static void refuse_body(struct ask *a, int err)
{
    if (a->error.status == 0)
        clo_proxy_error_limit(err == CLOISTER_E_LIMIT  ? CLO_LIMIT_BODY
                              : err == CLOISTER_E_FULL ? CLO_LIMIT_MEMORY
                                                       : CLO_LIMIT_OURS,
                              &a->error);
}

static void drop_call(struct ask *a)
{
    if (a->call != NULL)
        a->h->calls--;
    clo_call_free(a->call);
    a->call = NULL;
}

static void judge(struct ask *a, const struct fields *f, const char *version)
{
    int err;

    if (f->framings > 1)
        clo_proxy_error_limit(CLO_LIMIT_FRAMING, &a->error);
    else if (strcmp(version, MHD_HTTP_VERSION_1_1) != 0)
        clo_proxy_error_limit(CLO_LIMIT_VERSION, &a->error);
    if (a->error.status != 0)
        return;
    clo_guard_judge(&a->h->setup.guard, &f->asked, &a->judged);
    if (a->judged.ruling == CLO_RULING_PREFLIGHT)
        return;
    if (a->judged.ruling != CLO_RULING_PASS)
        clo_proxy_error_ruling(a->judged.ruling, &a->error);
    else if (a->h->ending)
        clo_proxy_error_limit(CLO_LIMIT_ENDING, &a->error);
    else if ((a->judged.route == CLO_ROUTE_ASK || a->judged.route == CLO_ROUTE_LOOK) &&
             (err = new_call(a, f)) != 0)
        refuse_body(a, err);
}

static enum MHD_Result first_call(struct clo_proxy_http *h, struct MHD_Connection *conn,
                                  const char *path, const char *method, const char *version,
                                  void **state)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct fields f = {.asked = {.method = method, .path = path}};
    struct ask *a = calloc(1, sizeof(*a));

    if (a == NULL || info == NULL || info->socket_context == NULL) {
        free(a);
        return MHD_NO;
    }
    a->h = h;
    a->conn = conn;
    a->carrier = info->socket_context;
    a->carrier->ask = a;
    LIST_INSERT_HEAD(&h->asks, a, link);
    *state = a;
    (void)MHD_get_connection_values_n(conn, MHD_HEADER_KIND, read_field, &f);
    f.asked.query = MHD_get_connection_values_n(conn, MHD_GET_ARGUMENT_KIND, NULL, NULL) > 0;
    judge(a, &f, version);
    /* Who asks before sending a body is answered before it; others' bodies are read to their end, so that the answer arrives. */
    if (a->error.status != 0 && (f.expects || f.framings > 1))
        return answer_error(a, &a->error);
    return MHD_YES;
}

static enum MHD_Result take_body(struct ask *a, const char *data, size_t *n)
{
    int err = 0;

    if (a->call != NULL && a->judged.route == CLO_ROUTE_ASK)
        err = clo_call_body(a->call, data, *n);
    if (err != 0) {
        refuse_body(a, err);
        drop_call(a);
    }
    if (a->call == NULL || a->judged.route != CLO_ROUTE_ASK)
        a->discarded += *n;
    *n = 0;
    return a->discarded <= DISCARD_MAX ? MHD_YES : MHD_NO;
}

/* Called with the head, with each piece of the body, after the body, and after each wake. */
static enum MHD_Result on_access(void *arg, struct MHD_Connection *conn, const char *path,
                                 const char *method, const char *version, const char *data,
                                 size_t *n, void **state)
{
    struct ask *a = *state;

    if (a == NULL)
        return first_call(arg, conn, path, method, version, state);
    if (a->gone)
        return MHD_NO;
    return *n > 0 ? take_body(a, data, n) : proceed(a);
}

static void on_completed(void *arg, struct MHD_Connection *conn, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct ask *a = *state;

    (void)arg;
    (void)conn;
    (void)why;
    if (a == NULL)
        return;
    *state = NULL;
    a->carrier->ask = NULL;
    drop_call(a);
    LIST_REMOVE(a, link);
    free(a);
}

/* ---- the HTTP server inside the event loop ---- */

static void link_free(struct link *l)
{
    if (l != NULL && l->watch != NULL)
        event_free(l->watch);
    free(l);
}

/* NULL: requests on it are refused. */
static struct link *link_new(struct clo_proxy_http *h, struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct link *l = calloc(1, sizeof(*l));

    if (l == NULL || info == NULL) {
        free(l);
        return NULL;
    }
    l->h = h;
    l->conn = conn;
    l->watch = event_new(h->setup.base, info->connect_fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST,
                         on_watch, l);
    if (l->watch == NULL || event_add(l->watch, NULL) != 0) {
        link_free(l);
        l = NULL;
    }
    return l;
}

/*
 * At its limit, of connections or of descriptors, the server stops listening; that there is room again it notes only when it is
 * run once more.
 */
static void on_connection(void *arg, struct MHD_Connection *conn, void **state,
                          enum MHD_ConnectionNotificationCode what)
{
    struct clo_proxy_http *h = arg;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *state = link_new(h, conn);
        return;
    }
    h->again = true;
    link_free(*state);
    *state = NULL;
}

static void run_http(struct clo_proxy_http *h)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;
    struct timeval tv = {0};

    do {
        h->again = false;
        (void)MHD_run(h->mhd);
    } while (h->again); /* each time a connection less */
    if (MHD_get_timeout(h->mhd, &ms) != MHD_YES) {
        (void)event_del(h->timer);
        return;
    }
    tv.tv_sec = (time_t)(ms / 1000);
    tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
    (void)event_add(h->timer, &tv);
}

static void on_http(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    run_http(arg);
}

int clo_proxy_http_new(const struct clo_proxy_setup *setup, int listener,
                       struct clo_proxy_http **ret)
{
    struct clo_proxy_http *h = calloc(1, sizeof(*h));
    const union MHD_DaemonInfo *info = NULL;
    int err = CLOISTER_E_MEMORY;

    if (h == NULL)
        return err;
    LIST_INIT(&h->asks);
    h->setup = *setup;
    h->mhd = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access, h,
        MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONN_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_END);
    if (h->mhd == NULL)
        goto out;
    info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    if (info != NULL)
        h->ready = event_new(setup->base, info->epoll_fd, EV_READ | EV_PERSIST, on_http, h);
    h->timer = event_new(setup->base, -1, 0, on_http, h);
    if (h->ready == NULL || h->timer == NULL || event_add(h->ready, NULL) != 0)
        goto out;
    run_http(h);
    *ret = h;
    h = NULL;
    err = 0;
out:
    clo_proxy_http_free(h);
    return err;
}

void clo_proxy_http_end(struct clo_proxy_http *h)
{
    struct ask *a;

    if (h == NULL || h->mhd == NULL)
        return;
    h->ending = true;
    /* The server doesn't end while connections are suspended. */
    LIST_FOREACH(a, &h->asks, link) {
        a->gone = true;
        wake(a);
    }
    (void)MHD_run(h->mhd);
    (void)event_del(h->ready);
    (void)event_del(h->timer);
    MHD_stop_daemon(h->mhd); /* closes the listening socket */
    h->mhd = NULL;
}

void clo_proxy_http_free(struct clo_proxy_http *h)
{
    if (h == NULL)
        return;
    if (h->mhd != NULL)
        MHD_stop_daemon(h->mhd);
    if (h->ready != NULL)
        event_free(h->ready);
    if (h->timer != NULL)
        event_free(h->timer);
    free(h);
}
