/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocking use, over a transport of the caller's (<cloister/client.h>): made of the public functions of evidence and channel, in the order
 * that docs/PROTOCOL.md section 2.6 wants.
 *
 * Many transports can report no more than that a callback of theirs failed, so what a sink said is kept here and outweighs what
 * the transport returned.
 *
 * Limits: CLOISTER_EVIDENCE_MAX for the document, CLO_SECTION_MAX for each of at most CLO_SEC_COUNT blobs.
 */
#include <cloister/client.h>

#include <stdio.h>
#include <string.h>

#include "attest/sections.h"
#include "base/enc.h"
#include "codec/ohttp.h"
#include "lib/channel.h"

#define EVIDENCE_PATH "/.well-known/cloister/evidence?nonce="
#define EVIDENCE_FULL "&full=1"
_Static_assert(sizeof(EVIDENCE_PATH EVIDENCE_FULL) + CLO_B64_LEN(32) <= CLOISTER_EVIDENCE_PATH_MAX,
               "every request for evidence fits");

static int transport_check(const struct cloister_transport *t)
{
    if (t == NULL || t->get == NULL || t->post == NULL || t->now == NULL)
        return CLOISTER_E_ARGUMENT;
    return clo_reserved_check(t->reserved, CLO_ARRAY_LEN(t->reserved));
}

/* ---- evidence ---- */

int cloister_evidence_request(int64_t now, bool full, struct cloister_nonce *ret,
                              char path[CLOISTER_EVIDENCE_PATH_MAX])
{
    struct cloister_nonce nonce = {.sent_at = now};
    char text[CLO_B64_LEN(sizeof(nonce.bytes)) + 1] = {0};
    int err;

    if (ret == NULL || path == NULL || now < 0)
        return CLOISTER_E_ARGUMENT;
    if ((err = clo_rng_fill(clo_rng_system(), nonce.bytes, sizeof(nonce.bytes))) != 0)
        return err;
    clo_b64(nonce.bytes, sizeof(nonce.bytes), text);
    (void)snprintf(path, CLOISTER_EVIDENCE_PATH_MAX, EVIDENCE_PATH "%s%s", text,
                   full ? EVIDENCE_FULL : "");
    *ret = nonce;
    return 0;
}

struct gathering {
    struct clo_buf *out;
    int err;
};

static int gather(void *ctx, const void *p, size_t n)
{
    struct gathering *g = ctx;

    if (g->err == 0)
        g->err = clo_buf_append(g->out, p, n);
    return g->err;
}

static int get(const struct cloister_transport *t, const char *path, const char *accept,
               struct clo_buf *out)
{
    struct gathering g = {.out = out};
    const int err = t->get(t->ctx, path, accept, gather, &g);

    return g.err != 0 ? g.err : err;
}

static int fetch_blob(const struct cloister_transport *t, const char *hex,
                      struct cloister_evidence *e)
{
    struct clo_buf blob = clo_buf_init(CLO_SECTION_MAX);
    char path[CLO_GATEWAY_PATH_LEN + sizeof("/blob/") + 64] = {0};
    int err = CLOISTER_E_MALFORMED; /* without a gateway's path nobody has the blob */

    if (cloister_evidence_gateway(e)[0] == '\0')
        goto out;
    (void)snprintf(path, sizeof(path), "%s/blob/%s", cloister_evidence_gateway(e), hex);
    if ((err = get(t, path, NULL, &blob)) != 0)
        goto out;
    err = cloister_evidence_add(e, blob.p, blob.len);
out:
    clo_buf_clear(&blob);
    return err;
}

int cloister_evidence_fetch(const struct cloister_transport *t, struct cloister_evidence **ret,
                            struct cloister_nonce *ret_nonce)
{
    struct clo_buf json = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    char path[CLOISTER_EVIDENCE_PATH_MAX] = {0}, hex[65] = {0};
    struct cloister_evidence *e = NULL;
    struct cloister_nonce nonce = {0};
    int err;

    if ((err = transport_check(t)) != 0)
        return err;
    if (ret == NULL || ret_nonce == NULL)
        return CLOISTER_E_ARGUMENT;
    if ((err = cloister_evidence_request(t->now(t->ctx), true, &nonce, path)) != 0 ||
        (err = get(t, path, "application/json", &json)) != 0 ||
        (err = cloister_evidence_parse(json.p, json.len, &e)) != 0)
        goto out;
    for (size_t i = 0; i < CLO_SEC_COUNT && cloister_evidence_missing(e, 0, hex); i++) {
        if ((err = fetch_blob(t, hex, e)) != 0)
            goto out;
    }
    *ret = e;
    *ret_nonce = nonce;
    e = NULL;
out:
    cloister_evidence_free(e);
    clo_buf_clear(&json);
    return err;
}

int cloister_connect(const struct cloister_transport *t, const struct cloister_policy *policy,
                     const struct cloister_roots *roots, struct cloister_verdict *v,
                     struct cloister_channel **ret)
{
    struct cloister_evidence *e = NULL;
    struct cloister_nonce nonce = {0};
    int64_t now;
    int err;

    if (v == NULL)
        return CLOISTER_E_ARGUMENT;
    memset(v, 0, sizeof(*v));
    if (policy == NULL || roots == NULL || ret == NULL)
        return CLOISTER_E_ARGUMENT;
    if ((err = cloister_evidence_fetch(t, &e, &nonce)) != 0)
        return err;
    now = t->now(t->ctx);
    err = cloister_evidence_verify(e, &nonce, policy, roots, now, v);
    if (err == 0)
        err = cloister_channel_open(v, now, ret);
    cloister_evidence_free(e);
    return err;
}

/* ---- requests ---- */

struct asking {
    struct cloister_exchange *x;
    const struct cloister_answer_handler *h;
    void *ctx;
    int err;
};

static int on_bytes(void *ctx, const void *p, size_t n)
{
    struct asking *a = ctx;

    if (a->err == 0)
        a->err = cloister_exchange_feed(a->x, p, n, a->h, a->ctx);
    return a->err;
}

int cloister_ask(const struct cloister_transport *t, struct cloister_channel *c,
                 const struct cloister_request *req, const struct cloister_answer_handler *h,
                 void *ctx)
{
    struct asking a = {.h = h, .ctx = ctx};
    const uint8_t *body = NULL;
    size_t n = 0;
    int err;

    if ((err = transport_check(t)) != 0 || (err = clo_handler_check(h)) != 0)
        return err;
    if ((err = cloister_exchange_new(c, req, t->now(t->ctx), &a.x)) != 0 ||
        (err = cloister_exchange_body(a.x, &body, &n)) != 0)
        goto out;
    err = t->post(t->ctx, cloister_channel_gateway(c), CLO_OHTTP_MEDIA_CHUNKED_REQ,
                  CLO_OHTTP_MEDIA_CHUNKED_RES, body, n, on_bytes, &a);
    if (a.err != 0)
        err = a.err;
    else if (err == 0)
        err = cloister_exchange_end(a.x, h, ctx);
    /* After any failure evidence comes before the next request, even where the answer counts. */
    if (err != 0)
        clo_channel_spend(c);
    /* It would say that nothing was sent, which only this library knows: as a number it is -EFAULT, too. */
    if (err == CLOISTER_E_STALE)
        err = CLOISTER_E_CANCELLED;
    if (cloister_exchange_complete(a.x))
        err = 0;
out:
    cloister_exchange_free(a.x);
    return err;
}
