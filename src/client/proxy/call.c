/* SPDX-License-Identifier: Apache-2.0 */
/* One request from its first byte to the end of its answer: see call.h. */
#include "client/proxy/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/enc.h"
#include "base/secret.h"
#include "client/proxy/filler.h"
#include "client/proxy/fit.h"
#include "client/proxy/tail.h"
#include "client/transfer.h"
#include "codec/ohttp.h"
#include "codec/shape.h"
#include "lib/channel.h"

#define SSE_TYPE "text/event-stream"

enum {
    STREAM_HIGH = 256 << 10, /* held for a slow application before the server's side is paused */
    SHAPED_HIGH = 4 << 20,   /* ... which shows */
    STALL_S = 660,           /* longer than the gateway waits for its engine */
    TYPE_MAX = 256,
};

struct clo_call {
    struct clo_callers *shared;
    void (*wake)(void *ctx);
    void *ctx;
    char method[8], path[CLO_GUARD_PATH_MAX + 1], content_type[TYPE_MAX + 1], accept[TYPE_MAX + 1];
    struct clo_buf body;
    size_t charged;
    /* sending */
    struct clo_pool_waiter waiter;
    uint32_t tried;
    struct clo_server *server;
    struct clo_tie *tie; /* under which it was sealed */
    struct cloister_exchange *x;
    struct clo_flight *flight;
    uint8_t id[32];
    bool sent, paused;
    bool shaped; /* the stream is read to its end, whatever becomes of it */
    struct clo_fit fit;
    bool vouched, simulated;
    uint8_t evidence[32];
    /* the answer */
    enum clo_call_state state;
    struct clo_fault fault;
    struct clo_proxy_error error;
    unsigned status;
    char type[TYPE_MAX + 1];
    long retry_after;
    bool stream, ended, whole;
    struct clo_filler filler; /* of a stream */
    struct clo_tail tail;
    struct clo_buf out;
};

static void go(struct clo_call *c);

/* ---- the body ---- */

static int charge(struct clo_call *c, size_t want)
{
    struct clo_callers *s = c->shared;

    if (want > CLO_CALL_BODY_MAX)
        return CLOISTER_E_LIMIT;
    if (want <= c->charged)
        return 0;
    if (want - c->charged > s->max - s->used)
        return CLOISTER_E_FULL;
    s->used += want - c->charged;
    c->charged = want;
    return 0;
}

static void on_told(void *ctx)
{
    struct clo_call *c = ctx;

    go(c);
    if (c->state != CLO_CALL_BUSY)
        c->wake(c->ctx);
}

/* A value that is too long for its place is none: it is only ever a media type or two. */
static void copy(char *dst, size_t cap, const char *src)
{
    if (src != NULL && strlen(src) < cap)
        memcpy(dst, src, strlen(src) + 1);
}

int clo_call_new(struct clo_callers *shared, const struct clo_call_plan *plan,
                 struct clo_call **ret)
{
    struct clo_call *c = calloc(1, sizeof(*c));
    uint8_t *room = NULL;
    int err;

    if (c == NULL)
        return CLOISTER_E_MEMORY;
    c->shared = shared;
    c->wake = plan->wake;
    c->ctx = plan->ctx;
    c->waiter.told = on_told;
    c->waiter.ctx = c;
    c->body = clo_buf_init(CLO_CALL_BODY_MAX + CLO_FIT_ROOM);
    c->out = clo_buf_init(CLO_CALL_BODY_MAX);
    copy(c->method, sizeof(c->method), plan->method);
    copy(c->path, sizeof(c->path), plan->path);
    copy(c->content_type, sizeof(c->content_type), plan->content_type);
    copy(c->accept, sizeof(c->accept), plan->accept);
    if ((err = charge(c, plan->body_n)) != 0 ||
        (err = clo_buf_reserve(&c->body, plan->body_n, &room)) != 0 ||
        (err = clo_rng_fill(clo_rng_system(), c->id, sizeof(c->id))) != 0) {
        clo_call_free(c);
        return err;
    }
    *ret = c;
    return 0;
}

int clo_call_body(struct clo_call *c, const void *p, size_t n)
{
    const int err = n > CLO_CALL_BODY_MAX - c->body.len ? CLOISTER_E_LIMIT
                                                        : charge(c, c->body.len + n);

    return err != 0 ? err : clo_buf_append(&c->body, p, n);
}

/* ---- the answer's content ---- */

static int on_head(void *ctx, unsigned status, const struct cloister_field *f, size_t n)
{
    struct clo_call *c = ctx;
    const char *type = cloister_field_find(f, n, "content-type");
    const char *after = cloister_field_find(f, n, "retry-after");

    /* A redirect would lead the application, and its question, elsewhere. */
    if (status < 200 || status > 599 || status / 100 == 3)
        return CLOISTER_E_PROTOCOL;
    c->status = status;
    copy(c->type, sizeof(c->type), type);
    c->stream = status == 200 && strncasecmp(c->type, SSE_TYPE, strlen(SSE_TYPE)) == 0;
    if (after != NULL && strlen(after) < 6 && after[strspn(after, "0123456789")] == '\0')
        c->retry_after = strtol(after, NULL, 10);
    return 0;
}

static int put_tail(void *ctx, const void *p, size_t n)
{
    struct clo_call *c = ctx;

    return clo_tail_put(&c->tail, p, n, &c->out);
}

static int on_content(void *ctx, const void *p, size_t n)
{
    struct clo_call *c = ctx;

    if (!c->stream)
        return clo_buf_append(&c->out, p, n);
    c->state = CLO_CALL_STREAM;
    return c->shaped ? clo_filler_feed(&c->filler, p, n, put_tail, c) : put_tail(c, p, n);
}

static const struct cloister_answer_handler handler = {.head = on_head, .content = on_content};

/* The authenticated end has come. */
static void complete(struct clo_call *c)
{
    if (c->ended)
        return;
    if (clo_tail_whole(&c->tail, &c->out) != 0)
        return; /* out of memory: the stream ends without it, and so not as a whole */
    /* What fills the last frame: white space behind JSON, and no part of what the engine said. */
    while (c->shaped && !c->stream && c->out.len > 0 && c->out.p[c->out.len - 1] == '\n')
        c->out.len--;
    c->ended = c->whole = true;
    c->state = c->stream ? CLO_CALL_STREAM : CLO_CALL_WHOLE;
}

static void drop_exchange(struct clo_call *c)
{
    clo_flight_abort(c->flight);
    c->flight = NULL;
    cloister_exchange_free(c->x);
    c->x = NULL;
}

/* The end of a stream that is not whole: the application is told so in the stream itself. */
static void break_stream(struct clo_call *c)
{
    struct clo_buf json = clo_buf_init(16384);

    /* In memory that isn't there the event is left out: the connection's end says the same. */
    if (clo_proxy_error_json(&c->error, &json) == 0)
        (void)!clo_tail_broken(&c->tail, json.p, json.len, &c->out);
    clo_buf_clear(&json);
    c->ended = true;
}

static void fail(struct clo_call *c)
{
    drop_exchange(c);
    if (c->error.status == 0)
        clo_proxy_error_request(
            &c->fault,
            c->server != NULL ? clo_transport_url(clo_server_transport(c->server)) : "the server",
            &c->error);
    if (c->state == CLO_CALL_STREAM) {
        break_stream(c);
    } else {
        clo_buf_clear(&c->out);
        c->state = CLO_CALL_FAILED;
    }
}

/* ---- the flight ---- */

static size_t high(const struct clo_call *c)
{
    return c->shaped ? SHAPED_HIGH : STREAM_HIGH;
}

static int on_bytes(void *ctx, const void *p, size_t n)
{
    struct clo_call *c = ctx;
    int err;

    if (c->stream && c->out.len >= high(c) && !c->ended) {
        c->paused = true;
        return CLO_TRANSFER_PAUSE;
    }
    c->fault.step = CLO_STEP_ANSWER;
    err = cloister_exchange_feed(c->x, p, n, &handler, c);
    if (cloister_exchange_complete(c->x)) {
        complete(c);
        err = err == 0 || clo_rest_is_breach(err) ? err : CLOISTER_E_TRUNCATED;
    }
    if (c->state != CLO_CALL_BUSY)
        c->wake(c->ctx);
    return err;
}

static void on_sent(void *ctx)
{
    struct clo_call *c = ctx;

    c->sent = true;
    clo_buf_clear(&c->body); /* it can't be sealed anew any more */
}

static void on_done(void *ctx, int err, const struct clo_reply *reply)
{
    struct clo_call *c = ctx;

    c->flight = NULL;
    if (err == 0) {
        c->fault.step = CLO_STEP_ANSWER;
        err = cloister_exchange_end(c->x, &handler, c);
    }
    c->fault.err = err;
    c->fault.reply = *reply;
    /* The answer counts from its authenticated end on, whatever became of the connection afterwards. */
    if (cloister_exchange_complete(c->x)) {
        complete(c);
        drop_exchange(c);
        if (clo_rest_is_breach(
                err)) /* but such a machine is sent nothing more under this verdict */
            clo_server_failed(c->server);
    } else if (!reply->sent) {
        drop_exchange(c);
        clo_server_failed(c->server);
        c->tried |= clo_server_bit(c->server);
        go(c);
    } else {
        clo_server_failed(c->server);
        fail(c);
    }
    if (c->state != CLO_CALL_BUSY)
        c->wake(c->ctx);
}

static int seal(struct clo_call *c, struct clo_post *post)
{
    const struct cloister_verdict *v = clo_server_verdict(c->server);
    struct cloister_request req = {
        .method = c->method,
        .path = c->path,
        .api_key = c->shared->rests.api_key,
        .content_type = c->content_type[0] != '\0' ? c->content_type : NULL,
        .accept = c->accept[0] != '\0' ? c->accept : NULL,
        .id = c->id,
        .shape = c->fit.shape,
    };
    struct cloister_channel *chan;
    int err;

    clo_tie_free(c->tie);
    if ((c->tie = clo_server_tie(c->server)) == NULL)
        return CLOISTER_E_STALE;
    chan = clo_tie_channel(c->tie);
    c->shaped = clo_channel_is_shaped(chan);
    if (c->shaped) {
        if ((err = clo_fit_limit(&c->fit, &c->body)) != 0)
            return err;
        c->fit.limit = NULL;
        post->limit_s = clo_shape_longest_s();
    }
    req.body = c->body.p;
    req.body_n = c->body.len;
    if ((err = cloister_exchange_new(chan, &req, clo_server_now(c->server), &c->x)) != 0 ||
        (err = clo_exchange_body_take(c->x, post->own)) != 0)
        return err;
    post->path = cloister_channel_gateway(chan);
    c->vouched = true;
    c->simulated = v->simulated;
    memcpy(c->evidence, v->evidence_digest, sizeof(c->evidence));
    return 0;
}

/* Send it to a server that is ready; or wait for one; or say why there is none. */
static void go(struct clo_call *c)
{
    struct clo_buf sealed = clo_buf_init(0);
    struct clo_post post = {
        .type = CLO_OHTTP_MEDIA_CHUNKED_REQ,
        .own = &sealed,
        .stall_s = STALL_S,
    };
    struct clo_flight_plan plan = {
        .accept = CLO_OHTTP_MEDIA_CHUNKED_RES,
        .post = &post,
        .sink = on_bytes,
        .sent = on_sent,
        .done = on_done,
        .ctx = c,
    };
    struct clo_server *server = NULL;
    int err = clo_pool_choose(c->shared->pool, c->tried, &c->waiter, &server, &c->error);

    if (err == CLOISTER_E_STATE)
        return;
    if (err == 0) {
        c->server = server;
        c->fault = (struct clo_fault){.step = CLO_STEP_SEAL};
        if ((c->fault.err = seal(c, &post)) == 0) {
            plan.to = clo_server_transport(server);
            plan.path = post.path;
            c->fault.err = clo_flight_start(c->shared->rests.wire, &plan, &c->flight);
        }
        if (c->fault.err == 0) {
            c->fault.step = CLO_STEP_SEND;
            return;
        }
    }
    clo_buf_clear(&sealed);
    fail(c);
}

void clo_call_send(struct clo_call *c)
{
    clo_fit_judge(c->path, &c->body, &c->fit);
    go(c);
}

/* ---- for the HTTP server ---- */

enum clo_call_state clo_call_state(const struct clo_call *c)
{
    return c->state;
}

void clo_call_head(const struct clo_call *c, struct clo_call_head *ret)
{
    *ret = (struct clo_call_head){
        .status = c->status,
        .type = c->type,
        .retry_after = c->retry_after,
        /* Limits come with a time to come back and are judged before the engine sees anything (docs/PROTOCOL.md section 2.5, step 6). */
        .never_again = (c->status >= 500 && c->retry_after == 0) || c->status == 408 ||
                       c->status == 409,
    };
}

const struct clo_proxy_error *clo_call_error(const struct clo_call *c)
{
    return &c->error;
}

bool clo_call_vouched(const struct clo_call *c, bool *simulated, char hex[65])
{
    if (!c->vouched)
        return false;
    *simulated = c->simulated;
    clo_hex(c->evidence, sizeof(c->evidence), hex);
    return true;
}

const struct clo_buf *clo_call_content(const struct clo_call *c)
{
    return &c->out;
}

size_t clo_call_take(struct clo_call *c, void *dst, size_t cap)
{
    const size_t n = c->out.len < cap ? c->out.len : cap;

    if (n > 0)
        memcpy(dst, c->out.p, n);
    clo_buf_consume(&c->out, n);
    if (c->paused && c->out.len <= high(c) / 2) {
        c->paused = false;
        if (c->flight != NULL)
            clo_flight_resume(c->flight);
    }
    return n;
}

bool clo_call_ended(const struct clo_call *c, bool *whole)
{
    *whole = c->whole;
    return c->ended && c->out.len == 0;
}

/* The application has what it wanted, or has gone: the stream's end tells nobody which. */
static void leave_rest(struct clo_call *c)
{
    if (c->paused)
        clo_flight_resume(c->flight);
    if (!c->whole) {
        cloister_exchange_free(c->x);
        c->x = NULL;
    }
    clo_rest_take(&c->shared->rests, c->server, c->flight, c->tie, c->x);
    c->flight = NULL;
    c->tie = NULL;
    c->x = NULL;
}

void clo_call_free(struct clo_call *c)
{
    if (c == NULL)
        return;
    clo_pool_leave(c->shared->pool, &c->waiter);
    if (c->flight != NULL && c->sent && !c->whole)
        clo_rest_cancel(&c->shared->rests, c->server, c->tie, c->id);
    if (c->flight != NULL && c->sent && c->shaped && (c->whole || !c->shared->cuts))
        leave_rest(c);
    /* An overloaded server, or one whose keys take no more: newer evidence may tell of newer keys. */
    if (c->whole && c->status == 503)
        clo_server_renew(c->server);
    drop_exchange(c);
    clo_tie_free(c->tie);
    clo_buf_clear(&c->body);
    clo_buf_clear(&c->out);
    c->shared->used -= c->charged;
    clo_wipe(c, sizeof(*c));
    free(c);
}
