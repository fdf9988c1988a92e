/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl beside the channels: see ask.h. */
#include "daemon/fetcher/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/curl_narrow.h"

#ifndef CLO_ASK_TOTAL_S /* a test has less time */
#define CLO_ASK_TOTAL_S 30
#endif

enum {
    WAIT_MS = 10000,
    FDS_MAX = 4
};

struct clo_asker {
    CURLM *multi;
    char proxy[CLO_STR_MAX]; /* "": none */
};

struct clo_asking {
    struct clo_asker *asker;
    CURL *easy;
    struct curl_slist *headers;
    struct clo_service_request request;
    size_t head; /* curl_narrow.h's */
    struct clo_buf body;
    void (*done)(void *ctx, struct clo_reply_got *got);
    void *ctx;
};

int clo_asker_new(const char *proxy, struct clo_asker **ret)
{
    struct clo_asker *a = NULL;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (a = calloc(1, sizeof *a)) == NULL ||
        (a->multi = curl_multi_init()) == NULL) {
        free(a);
        return CLOISTER_E_MEMORY;
    }
    memcpy(a->proxy, proxy, strnlen(proxy, sizeof a->proxy - 1));
    *ret = a;
    return 0;
}

void clo_asker_free(struct clo_asker *a)
{
    if (a == NULL)
        return;
    curl_multi_cleanup(a->multi);
    free(a);
}

/* ---- the request ---- */

static uint32_t got_status(struct clo_asking *x)
{
    long v = 0;

    return curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &v) == CURLE_OK && v > 0 && v < 1000
               ? (uint32_t)v
               : 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct clo_asking *x = ctx;

    (void)size; /* always 1 */
    /* What is said about a failure nobody reads: it may never end. */
    return got_status(x) == 200 && clo_buf_append(&x->body, p, n) == 0 ? n : CURL_WRITEFUNC_ERROR;
}

static bool add_header(struct clo_asking *x, const char *line)
{
    struct curl_slist *more = curl_slist_append(x->headers, line);

    if (more != NULL)
        x->headers = more;
    return more != NULL;
}

static bool add_media_type(struct clo_asking *x, const char *name, const char *type)
{
    char line[128];

    return snprintf(line, sizeof line, "%s: %s", name, type) < (int)sizeof line &&
           add_header(x, line);
}

static bool prepare(struct clo_asking *x)
{
    const struct clo_service_request *r = &x->request;

#define SET(option, value) (curl_easy_setopt(x->easy, (option), (value)) == CURLE_OK)
    if (!clo_curl_narrow(x->easy, r->url, &x->head) ||
        !SET(CURLOPT_TIMEOUT, (long)CLO_ASK_TOTAL_S) ||
        !SET(CURLOPT_PROXY, r->near ? "" : x->asker->proxy) ||
        !SET(CURLOPT_WRITEFUNCTION, on_body) || !SET(CURLOPT_WRITEDATA, x) ||
        !SET(CURLOPT_PRIVATE, x) || !add_media_type(x, "Accept", r->accept))
        return false;
#if LIBCURL_VERSION_NUM >= 0x075700
    /* A name that takes long to resolve must not keep the loop waiting for the thread that does it. */
    if (!SET(CURLOPT_QUICK_EXIT, 1L))
        return false;
#endif
    if (r->type != NULL &&
        (!SET(CURLOPT_POST, 1L) || !SET(CURLOPT_POSTFIELDS, r->body) ||
         !SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_n) ||
         !add_media_type(x, "Content-Type", r->type) || !add_header(x, "Expect:")))
        return false;
    return SET(CURLOPT_HTTPHEADER, x->headers);
#undef SET
}

static void asking_free(struct clo_asking *x)
{
    if (x->easy != NULL)
        (void)curl_multi_remove_handle(x->asker->multi, x->easy);
    curl_easy_cleanup(x->easy);
    curl_slist_free_all(x->headers);
    clo_buf_clear(&x->body);
    free(x);
}

int clo_asker_start(struct clo_asker *a, const struct clo_service_request *r,
                    void (*done)(void *ctx, struct clo_reply_got *got), void *ctx,
                    struct clo_asking **ret)
{
    struct clo_asking *x = calloc(1, sizeof *x);

    if (x == NULL)
        return CLOISTER_E_MEMORY;
    x->asker = a;
    x->request = *r;
    x->body = clo_buf_init(CLO_ANSWER_MAX);
    x->done = done;
    x->ctx = ctx;
    x->easy = curl_easy_init();
    if (x->easy == NULL || !prepare(x) || curl_multi_add_handle(a->multi, x->easy) != CURLM_OK) {
        asking_free(x);
        return CLOISTER_E_MEMORY;
    }
    *ret = x;
    return 0;
}

void clo_asker_abort(struct clo_asking *x)
{
    asking_free(x);
}

/* ---- the answer ---- */

/* One header of one of the names, once. */
static bool take_chain(struct clo_asking *x, struct clo_buf *chain)
{
    for (size_t i = 0; i < CLO_CHAIN_HEADERS && x->request.chain[i] != NULL; i++) {
        struct curl_header *h = NULL;

        if (curl_easy_header(x->easy, x->request.chain[i], 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
            continue;
        return h->amount == 1 && clo_chain_header_decode(h->value, strlen(h->value), chain) == 0;
    }
    return false;
}

static void conclude(struct clo_asking *x, CURLcode code, struct clo_reply_got *got)
{
    const uint32_t status = got_status(x);
    struct clo_buf *body = &x->body;
    curl_off_t retry = 0;

    got->body = clo_buf_init(CLO_ANSWER_MAX);
    got->chain = clo_buf_init(CLO_ANSWER_CHAIN_MAX);
    if (curl_easy_getinfo(x->easy, CURLINFO_RETRY_AFTER, &retry) == CURLE_OK && retry > 0)
        got->retry_after_s = retry < UINT32_MAX ? (uint32_t)retry : UINT32_MAX;
    /* Of another answer the body wasn't read; of this one, a part doesn't count, nor does a promise. Too long is an answer, of no use. */
    got->status = status < 200 || (status == 200 && code != CURLE_OK && code != CURLE_WRITE_ERROR)
                      ? 0
                      : status;
    if (status != 200 || code != CURLE_OK || body->len == 0)
        return;
    if (x->request.chain[0] != NULL && !take_chain(x, &got->chain))
        return;
    if (x->request.wrapped) {
        got->useful = clo_azure_quote_decode(body->p, body->len, &got->body) == 0;
    } else {
        got->body = *body;
        *body = clo_buf_init(0);
        got->useful = true;
    }
}

static void finish(struct clo_asking *x, CURLcode code)
{
    void (*done)(void *, struct clo_reply_got *) = x->done;
    void *ctx = x->ctx;
    struct clo_reply_got got = {0};

    conclude(x, code, &got);
    asking_free(x);
    done(ctx, &got);
    clo_buf_clear(&got.body);
    clo_buf_clear(&got.chain);
}

static void go_on(struct clo_asker *a)
{
    CURLMsg *msg;
    int running = 0, left = 0;

    (void)curl_multi_perform(a->multi, &running);
    while ((msg = curl_multi_info_read(a->multi, &left)) != NULL) {
        struct clo_asking *x = NULL;

        if (msg->msg == CURLMSG_DONE &&
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&x) == CURLE_OK)
            finish(x, msg->data.result);
    }
}

void clo_asker_wait(struct clo_asker *a, struct pollfd *fds, size_t n)
{
    struct curl_waitfd extra[FDS_MAX] = {0};
    unsigned count = 0;

    for (size_t i = 0; i < n && count < FDS_MAX; i++) {
        if (fds[i].fd < 0)
            continue;
        extra[count].fd = fds[i].fd;
        extra[count].events = (short)(((fds[i].events & POLLIN) != 0 ? CURL_WAIT_POLLIN : 0) |
                                      ((fds[i].events & POLLOUT) != 0 ? CURL_WAIT_POLLOUT : 0));
        count++;
    }
    (void)curl_multi_poll(a->multi, extra, count, WAIT_MS, NULL);
    go_on(a);
}
