/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that go on without an application: see rest.h. */
#include "client/proxy/rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "codec/ohttp.h"
#include "codec/shape.h"
#include "lib/channel.h"

#define CANCEL_PATH "/v1/cloister/cancel"

enum {
    CANCEL_S = 2, /* a cancellation that has no shape ends then */
    STALL_S = 660,
};

struct rest {
    struct clo_rests *shared;
    struct clo_server *server;
    struct clo_flight *flight;
    struct clo_tie *tie;         /* NULL: of a cancellation */
    struct cloister_exchange *x; /* NULL: what comes isn't looked at */
    bool cancels;                /* ... and its answer is waited for */
};

bool clo_rest_is_breach(int err)
{
    return err != 0 && err != CLOISTER_E_NETWORK && err != CLOISTER_E_CUT &&
           err != CLOISTER_E_TRUNCATED && err != CLOISTER_E_CANCELLED && err != CLOISTER_E_MEMORY;
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

static const struct cloister_answer_handler deaf = {.head = ignore_head, .content = ignore_content};

/* The cancellation was heard, or never will be. */
static void settle(struct rest *r)
{
    struct clo_rests *s = r->shared;

    if (!r->cancels)
        return;
    r->cancels = false;
    if (--s->cancels == 0 && s->quiet != NULL)
        s->quiet(s->ctx);
}

static void rest_free(struct rest *r)
{
    cloister_exchange_free(r->x);
    clo_tie_free(r->tie);
    free(r);
}

static int on_bytes(void *ctx, const void *p, size_t n)
{
    struct rest *r = ctx;
    int err;

    if (r->x == NULL)
        return 0;
    err = cloister_exchange_feed(r->x, p, n, &deaf, NULL);
    if (cloister_exchange_complete(r->x))
        settle(r);
    return err;
}

static void on_done(void *ctx, int err, const struct clo_reply *reply)
{
    struct rest *r = ctx;

    if (err == 0 && r->x != NULL)
        err = cloister_exchange_end(r->x, &deaf, NULL);
    /* It doesn't retract what was handed over; but such a machine is sent nothing more under this verdict. */
    if (r->x != NULL && clo_rest_is_breach(err) && reply->net != CLO_NET_STATUS &&
        reply->net != CLO_NET_TYPE)
        clo_server_failed(r->server);
    r->shared->streams--;
    settle(r);
    rest_free(r);
}

void clo_rest_take(struct clo_rests *s, struct clo_server *server, struct clo_flight *flight,
                   struct clo_tie *tie, struct cloister_exchange *x)
{
    struct rest *r = calloc(1, sizeof(*r));

    if (r == NULL) {
        clo_flight_abort(flight);
        cloister_exchange_free(x);
        clo_tie_free(tie);
        return;
    }
    *r = (struct rest){.shared = s, .server = server, .flight = flight, .tie = tie, .x = x};
    clo_flight_hand_over(flight, x != NULL, on_bytes, on_done, r);
    s->streams++;
}

void clo_rest_cancel(struct clo_rests *s, struct clo_server *server, struct clo_tie *tie,
                     const uint8_t id[32])
{
    struct rest *r = calloc(1, sizeof(*r));
    struct cloister_channel *chan = clo_tie_channel(tie);
    struct clo_buf sealed = clo_buf_init(0);
    char text[CLO_B64_LEN(32) + 1] = {0}, body[sizeof(text) + 16];
    const struct cloister_request req = {
        .method = "POST",
        .path = CANCEL_PATH,
        .api_key = s->api_key,
        .content_type = "application/json",
        .body = body,
        .body_n = sizeof("{\"request\":\"\"}") - 1 + CLO_B64_LEN(32),
    };
    struct clo_post post = {
        .type = CLO_OHTTP_MEDIA_CHUNKED_REQ,
        .own = &sealed,
        .limit_s = CANCEL_S,
    };
    struct clo_flight_plan plan = {
        .to = clo_server_transport(server),
        .accept = CLO_OHTTP_MEDIA_CHUNKED_RES,
        .post = &post,
        .sink = on_bytes,
        .done = on_done,
        .ctx = r,
    };

    if (r == NULL)
        return;
    if (clo_server_now(server) >= cloister_channel_valid_until(chan))
        chan = clo_server_channel(server);
    if (chan == NULL)
        goto out;
    *r = (struct rest){.shared = s, .server = server, .cancels = true};
    clo_b64(id, 32, text);
    (void)snprintf(body, sizeof(body), "{\"request\":\"%s\"}", text);
    if (cloister_exchange_new(chan, &req, clo_server_now(server), &r->x) != 0 ||
        clo_exchange_body_take(r->x, &sealed) != 0)
        goto out;
    if (clo_channel_is_shaped(chan)) { /* it looks like any other request, its end too */
        post.limit_s = clo_shape_longest_s();
        post.stall_s = STALL_S;
    }
    plan.path = cloister_channel_gateway(chan);
    if (clo_flight_start(s->wire, &plan, &r->flight) != 0)
        goto out;
    if (clo_channel_is_shaped(chan))
        clo_flight_hand_over(r->flight, false, on_bytes, on_done, r);
    s->streams++;
    s->cancels++;
    r = NULL;
out:
    if (r != NULL)
        rest_free(r);
    clo_buf_clear(&sealed);
}
