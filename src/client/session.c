/* SPDX-License-Identifier: Apache-2.0 */
/* The client's rules, in one place: see session.h. */
#include "client/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/enc.h"
#include "attest/sections.h"
#include "base/secret.h"
#include "codec/ohttp.h"
#include "codec/shape.h"
#include "lib/channel.h"

#define CANCEL_PATH "/v1/cloister/cancel"

enum {
    BLOBS_MAX = 6,
    CANCEL_S = 2, /* a stop must not wait long for a server that may be gone */
};

struct clo_session {
    struct clo_transport *t;
    const struct clo_buf *policy; /* its text */
    const char *api_key;
    struct cloister_verdict *verdict;
    struct cloister_channel *chan; /* NULL: evidence has to be fetched before anything is sent */
    int64_t awake_since;           /* boot clock minus wall clock when the verdict was made */
    bool cuts;                     /* what was stopped is closed, and that shows */
    bool unheard;                  /* the server goes on with an answer that was stopped here */
    struct clo_fault fault;
};

/* ---- clocks ---- */

static int64_t clock_s(clockid_t id)
{
    struct timespec t = {0};

    (void)clock_gettime(id, &t);
    return t.tv_sec;
}

/* Now, by the wall clock; one that is set back can't make a verdict live longer. */
static int64_t session_now(const struct clo_session *s)
{
    const int64_t wall = clock_s(CLOCK_REALTIME);
    const int64_t boot = clock_s(CLOCK_BOOTTIME) + s->awake_since;

    return wall > boot ? wall : boot;
}

/* ---- evidence ---- */

int clo_evidence_fetch(struct clo_transport *t, struct clo_case **ret, struct cloister_nonce *nonce,
                       struct clo_fault *fault)
{
    struct clo_buf bytes = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    struct clo_case *c = NULL;
    struct cloister_nonce fresh = {0};
    char path[CLO_CASE_PATH_MAX] = {0};
    int err;

    _Static_assert(sizeof(path) >= CLOISTER_EVIDENCE_PATH_MAX, "either path fits");
    *fault = (struct clo_fault){.step = CLO_STEP_EVIDENCE};
    err = cloister_evidence_request(clock_s(CLOCK_REALTIME), true, &fresh, path);
    if (err != 0)
        goto out;
    if ((err = clo_transport_get(t, path, "application/json", &bytes, &fault->reply)) != 0)
        goto out;
    fault->step = CLO_STEP_VERDICT;
    if ((err = clo_case_open(bytes.p, bytes.len, &c, path)) != 0)
        goto out;
    /* A server may leave sections out that it serves by digest. */
    for (size_t i = 0; path[0] != '\0'; i++) {
        if (i == BLOBS_MAX) {
            err = CLOISTER_E_PROTOCOL;
            goto out;
        }
        clo_buf_clear(&bytes);
        fault->step = CLO_STEP_EVIDENCE;
        if ((err = clo_transport_get(t, path, NULL, &bytes, &fault->reply)) != 0)
            goto out;
        if ((err = clo_case_add(c, bytes.p, bytes.len, path)) != 0)
            goto out;
    }
    *nonce = fresh;
    *ret = c;
    c = NULL;
out:
    fault->err = err;
    clo_case_free(c);
    clo_buf_clear(&bytes);
    return err;
}

/* ---- sessions ---- */

int clo_session_new(struct clo_transport *t, const struct clo_buf *policy, const char *api_key,
                    struct clo_session **ret)
{
    struct clo_session *s = calloc(1, sizeof(*s));

    if (s == NULL || (s->verdict = calloc(1, sizeof(*s->verdict))) == NULL) {
        free(s);
        return CLOISTER_E_MEMORY;
    }
    s->t = t;
    s->policy = policy;
    s->api_key = api_key;
    *ret = s;
    return 0;
}

static void close_channel(struct clo_session *s)
{
    cloister_channel_free(s->chan);
    s->chan = NULL;
}

void clo_session_free(struct clo_session *s)
{
    if (s == NULL)
        return;
    clo_transport_leave(s->t, s->cuts); /* what drains knows the session */
    close_channel(s);
    free(s->verdict);
    free(s);
}

void clo_session_cuts(struct clo_session *s)
{
    s->cuts = true;
}

void clo_session_policy(struct clo_session *s, const struct clo_buf *policy)
{
    close_channel(s);
    s->policy = policy;
}

bool clo_session_is_ready(const struct clo_session *s)
{
    return s->chan != NULL && session_now(s) < cloister_channel_valid_until(s->chan);
}

int clo_session_ready(struct clo_session *s)
{
    struct cloister_nonce nonce = {0};
    struct clo_case *c = NULL;
    int64_t now;
    int err;

    if (clo_session_is_ready(s))
        return 0;
    close_channel(s);
    *s->verdict = (struct cloister_verdict){0};
    if ((err = clo_evidence_fetch(s->t, &c, &nonce, &s->fault)) != 0)
        goto out;
    s->fault.step = CLO_STEP_VERDICT;
    now = clock_s(CLOCK_REALTIME);
    s->awake_since = now - clock_s(CLOCK_BOOTTIME);
    if ((err = clo_case_verify(c, &nonce, s->policy, now, s->verdict)) != 0 ||
        (err = cloister_channel_open(s->verdict, now, &s->chan)) != 0)
        s->fault.err = err;
out:
    clo_case_free(c);
    return err;
}

const struct cloister_verdict *clo_session_verdict(const struct clo_session *s)
{
    return s->verdict;
}

const struct clo_fault *clo_session_fault(const struct clo_session *s)
{
    return &s->fault;
}

/* ---- requests ---- */

/*
 * One request and its answer. On the heap, because the stream goes on when its answer is whole or nobody wants it any more: the transport has it
 * then, until on_drained.
 */
struct asking {
    struct clo_session *s;
    struct cloister_exchange *x;
    const struct cloister_answer_handler *h;
    void *ctx;
    int refused; /* by the handler */
    bool
        lasts; /* the stream is read to its end, whatever becomes of its answer: under a traffic shape */
    bool stopped; /* what still comes isn't looked at */
    bool let_go;
    uint8_t id[32];
};

static void asking_free(struct asking *a)
{
    if (a == NULL)
        return;
    cloister_exchange_free(a->x);
    clo_wipe(a, sizeof(*a));
    free(a);
}

static int on_head(void *ctx, unsigned status, const struct cloister_field *f, size_t n)
{
    struct asking *a = ctx;

    return a->refused = a->h->head(a->ctx, status, f, n);
}

static int on_content(void *ctx, const void *p, size_t n)
{
    struct asking *a = ctx;

    return a->refused = a->h->content(a->ctx, p, n);
}

static const struct cloister_answer_handler watched = {.head = on_head, .content = on_content};

static int on_bytes(void *ctx, const void *p, size_t n)
{
    struct asking *a = ctx;
    int err;

    if (a->stopped)
        return a->s->cuts ? CLOISTER_E_CANCELLED : 0;
    if (!a->let_go)
        a->s->fault.step = CLO_STEP_ANSWER;
    err = cloister_exchange_feed(a->x, p, n, &watched, a);
    if (err != 0 && a->refused != 0) {
        a->stopped = a->lasts; /* see has_enough */
        return a->lasts ? 0 : err;
    }
    /* What breaks behind the answer's end doesn't retract it; there is nothing more to read. */
    return err == 0 || err == CLOISTER_E_SHAPE ? err
           : cloister_exchange_complete(a->x)  ? CLOISTER_E_TRUNCATED
                                               : err;
}

/* The answer is whole, or can't be put where it belongs: a stop like any other. Nobody has to wait for the stream's end. */
static bool has_enough(void *ctx)
{
    const struct asking *a = ctx;

    return a->refused != 0 || cloister_exchange_complete(a->x);
}

static void on_drained(void *ctx, int err)
{
    struct asking *a = ctx;

    if (err == 0 && !a->stopped)
        err = cloister_exchange_end(a->x, &watched, a);
    /* After any failure evidence comes before the next request; a machine that broke its promise is sent nothing more. */
    if (err != 0 && err != CLOISTER_E_CANCELLED)
        close_channel(a->s);
    asking_free(a);
}

static void on_stopping(void *ctx);

/* Seal and send, once: questions and cancellations alike. A cancellation isn't stopped by anything but its own short limit. */
static int send(struct asking *a, const struct cloister_request *req, bool cancels)
{
    struct clo_session *s = a->s;
    struct clo_buf body = clo_buf_init(0);
    char path[CLO_GATEWAY_PATH_LEN + 1] = {0}; /* the channel may end meanwhile */
    struct clo_post p = {
        .path = path,
        .type = CLO_OHTTP_MEDIA_CHUNKED_REQ,
        .accept = CLO_OHTTP_MEDIA_CHUNKED_RES,
        .own = &body,
        .sink = on_bytes,
        .stopping = cancels ? NULL : on_stopping,
        .ctx = a,
        .wait_s = cancels ? CANCEL_S : 0,
    };
    int err;

    (void)snprintf(path, sizeof(path), "%s", cloister_channel_gateway(s->chan));
    if (a->lasts) {
        p.enough = has_enough;
        p.drained = on_drained;
        p.limit_s = clo_shape_longest_s();
    } else if (cancels) {
        p.limit_s = CANCEL_S;
    }
    s->fault = (struct clo_fault){.step = CLO_STEP_SEAL};
    if ((err = cloister_exchange_new(s->chan, req, session_now(s), &a->x)) != 0 ||
        (err = clo_exchange_body_take(a->x, &body)) != 0)
        return err;
    s->fault.step = CLO_STEP_SEND;
    err = clo_transport_post(s->t, &p, &s->fault.reply);
    a->let_go = s->fault.reply.let_go;
    if (a->refused != 0) {
        s->fault.step = CLO_STEP_ANSWER;
        return a->refused;
    }
    if (err == 0 && !a->let_go) {
        s->fault.step = CLO_STEP_ANSWER;
        err = cloister_exchange_end(a->x, a->h, a->ctx);
    }
    return err;
}

/* The result of all of it. *a is gone afterwards, or the transport's. */
static int post(struct asking *a, const struct cloister_request *req, bool cancels)
{
    struct clo_session *s = a->s;
    int err = send(a, req, cancels);

    s->fault.err = err;
    /* Nobody has pressed a key, and yet it was stopped; unless the answer said itself that there will be no more of it. */
    if (!cancels)
        s->unheard = a->let_go && a->refused != 0 && a->refused != CLOISTER_E_ENGINE &&
                     !cloister_exchange_complete(a->x);
    /* The answer counts from its authenticated end on, whatever became of the connection afterwards. */
    if (a->refused == 0 && a->x != NULL && cloister_exchange_complete(a->x))
        err = 0;
    else
        a->stopped = true;
    if (!a->let_go) {
        asking_free(a);
    } else if (a->stopped) { /* the keys go: what still comes is ciphertext */
        cloister_exchange_free(a->x);
        a->x = NULL;
    }
    return err;
}

static int ignore_head(void *ctx, unsigned status, const struct cloister_field *f, size_t n)
{
    (void)ctx;
    (void)status;
    (void)f;
    (void)n;
    return 0;
}

static int ignore_content(void *ctx, const void *p, size_t n)
{
    (void)ctx;
    (void)p;
    (void)n;
    return 0;
}

static struct asking *asking_new(struct clo_session *s, const struct cloister_answer_handler *h,
                                 void *ctx)
{
    struct asking *a = calloc(1, sizeof(*a));

    if (a != NULL)
        *a = (struct asking){
            .s = s,
            .h = h,
            .ctx = ctx,
            .lasts = s->verdict->shape != CLOISTER_SHAPING_OFF,
        };
    return a;
}

/* Tell the server that nobody waits for this answer any more, and don't mind whether it was heard. */
static void cancel(struct clo_session *s, const uint8_t id[32])
{
    static const struct cloister_answer_handler deaf = {.head = ignore_head,
                                                        .content = ignore_content};
    struct asking *a = asking_new(s, &deaf, NULL);
    char text[CLO_B64_LEN(32) + 1] = {0}, body[sizeof(text) + 16];
    struct cloister_request req = {
        .method = "POST",
        .path = CANCEL_PATH,
        .api_key = s->api_key,
        .content_type = "application/json",
    };
    const struct clo_fault fault = s->fault;

    clo_b64(id, 32, text);
    (void)snprintf(body, sizeof(body), "{\"request\":\"%s\"}", text);
    req.body = body;
    req.body_n = strlen(body);
    if (a != NULL && s->chan != NULL)
        (void)!post(a, &req, true);
    else
        asking_free(a);
    s->fault = fault;
}

/* The user stopped the answer: say so while its connection stands. */
static void on_stopping(void *ctx)
{
    struct asking *a = ctx;

    a->stopped = true;
    if (a->s->fault.reply.sent && !cloister_exchange_complete(a->x))
        cancel(a->s, a->id);
}

int clo_session_ask(struct clo_session *s, const struct clo_ask *ask,
                    const struct cloister_answer_handler *h, void *ctx)
{
    struct asking *a = NULL;
    struct cloister_request req = {
        .method = ask->method,
        .path = ask->path,
        .api_key = s->api_key,
        .content_type = ask->content_type,
        .accept = ask->accept,
        .body = ask->body,
        .body_n = ask->body_n,
        .shape = ask->shape,
    };
    uint8_t id[32];
    int err = CLOISTER_E_MEMORY;

    s->unheard = false;
    s->fault = (struct clo_fault){.step = CLO_STEP_SEAL};
    if (!clo_session_is_ready(s))
        return s->fault.err = CLOISTER_E_STALE;
    if ((a = asking_new(s, h, ctx)) == NULL ||
        (err = clo_rng_fill(clo_rng_system(), a->id, sizeof(a->id))) != 0) {
        asking_free(a);
        return s->fault.err = err;
    }
    memcpy(id, a->id, sizeof(id));
    req.id = id;
    err = post(a, &req, false);
    if (s->unheard)
        cancel(s, id);
    if (err != 0 || s->fault.err != 0)
        close_channel(s);
    return err;
}
