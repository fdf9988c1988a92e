/* SPDX-License-Identifier: Apache-2.0 */
/* The client's rules, in one place: see session.h. */
#include "client/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/enc.h"
#include "base/secret.h"
#include "codec/ohttp.h"

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
    close_channel(s);
    free(s->verdict);
    free(s);
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

struct asking {
    struct clo_session *s;
    struct cloister_exchange *x;
    const struct cloister_answer_handler *h;
    void *ctx;
    uint8_t id[32];
};

static int on_bytes(void *ctx, const void *p, size_t n)
{
    struct asking *a = ctx;
    int err;

    a->s->fault.step = CLO_STEP_ANSWER;
    err = cloister_exchange_feed(a->x, p, n, a->h, a->ctx);
    /* What breaks behind the answer's end doesn't retract it; there is nothing more to read. */
    return err != 0 && cloister_exchange_complete(a->x) ? CLOISTER_E_TRUNCATED : err;
}

/*
 * Seal and send, once: questions and cancellations alike. Without `stopping` this is a cancellation, which nothing stops
 * but its own short limit.
 */
static int post(struct asking *a, const struct cloister_request *req, void (*stopping)(void *ctx))
{
    struct clo_session *s = a->s;
    struct clo_post p = {
        .path = cloister_channel_gateway(s->chan),
        .type = CLO_OHTTP_MEDIA_CHUNKED_REQ,
        .accept = CLO_OHTTP_MEDIA_CHUNKED_RES,
        .sink = on_bytes,
        .stopping = stopping,
        .ctx = a,
        .limit_s = stopping == NULL ? CANCEL_S : 0,
    };
    const uint8_t *body = NULL;
    int err;

    s->fault = (struct clo_fault){.step = CLO_STEP_SEAL};
    if ((err = cloister_exchange_new(s->chan, req, session_now(s), &a->x)) != 0 ||
        (err = cloister_exchange_body(a->x, &body, &p.body_n)) != 0)
        goto out;
    p.body = body;
    s->fault.step = CLO_STEP_SEND;
    err = clo_transport_post(s->t, &p, &s->fault.reply);
    if (err == 0) {
        s->fault.step = CLO_STEP_ANSWER;
        err = cloister_exchange_end(a->x, a->h, a->ctx);
    }
out:
    s->fault.err = err;
    /* The answer counts from its authenticated end on, whatever became of the connection afterwards. */
    if (a->x != NULL && cloister_exchange_complete(a->x))
        err = 0;
    cloister_exchange_free(a->x);
    a->x = NULL;
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

/* The user stopped the answer: say so before the connection is closed, and don't mind whether it was heard. */
static void on_stopping(void *ctx)
{
    static const struct cloister_answer_handler deaf = {.head = ignore_head,
                                                        .content = ignore_content};
    const struct asking *a = ctx;
    struct asking cancel = {.s = a->s, .h = &deaf};
    char id[CLO_B64_LEN(sizeof(a->id)) + 1] = {0}, body[sizeof(id) + 16];
    struct cloister_request req = {
        .method = "POST",
        .path = CANCEL_PATH,
        .api_key = a->s->api_key,
        .content_type = "application/json",
    };
    struct clo_fault fault = a->s->fault;

    clo_b64(a->id, sizeof(a->id), id);
    (void)snprintf(body, sizeof(body), "{\"request\":\"%s\"}", id);
    req.body = body;
    req.body_n = strlen(body);
    if (fault.reply.sent && !cloister_exchange_complete(a->x))
        (void)!post(&cancel, &req, NULL);
    a->s->fault = fault;
}

int clo_session_ask(struct clo_session *s, const struct clo_ask *ask,
                    const struct cloister_answer_handler *h, void *ctx)
{
    struct asking a = {.s = s, .h = h, .ctx = ctx};
    struct cloister_request req = {
        .method = ask->method,
        .path = ask->path,
        .api_key = s->api_key,
        .content_type = ask->content_type,
        .accept = ask->accept,
        .id = a.id,
        .body = ask->body,
        .body_n = ask->body_n,
    };
    int err;

    if (!clo_session_is_ready(s)) {
        s->fault = (struct clo_fault){.step = CLO_STEP_SEAL, .err = CLOISTER_E_STALE};
        return CLOISTER_E_STALE;
    }
    err = clo_rng_fill(clo_rng_system(), a.id, sizeof(a.id));
    if (err == 0)
        err = post(&a, &req, on_stopping);
    if (err != 0 || s->fault.err != 0)
        close_channel(s);
    return err;
}
