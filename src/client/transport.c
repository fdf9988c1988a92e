/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, narrowed down: HTTP(S) only, HTTP/1.1 (HTTP/2 may repeat a refused stream), no redirects, no cookies, no netrc, a
 * fresh connection for each POST. The multi interface is used so that a stop request ends the wait at once.
 */
#include "client/transport.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "client/drain.h"
#include "client/transfer.h"
#include "platform/process.h"

enum {
    POLL_MS = 1000
};

struct clo_transport {
    char *url; /* without a slash at the end */
    bool loopback;
    int stop_fd;
    CURLM *multi;              /* NULL: none yet */
    LIST_HEAD(, job) released; /* those that were let go */
    size_t drains;
};

/* A transfer, and whom to tell of its end if it is let go. */
struct job {
    LIST_ENTRY(job) link;
    struct clo_transfer x;
    void (*drained)(void *ctx, int err);
};

static void job_free(struct clo_transport *t, struct job *j)
{
    (void)curl_multi_remove_handle(t->multi, j->x.easy);
    clo_transfer_clear(&j->x);
    free(j);
}

/* ---- what was let go ---- */

static void let_go(struct clo_transport *t, struct job *j)
{
    LIST_INSERT_HEAD(&t->released, j, link);
    t->drains++;
}

/* Take from the list first: who is told may ask for more transfers. */
static void *take_back(struct clo_transport *t, struct job *j)
{
    LIST_REMOVE(j, link);
    t->drains--;
    return j->x.ctx;
}

static void finish_drained(struct clo_transport *t)
{
    struct job *j, *next;

    for (j = LIST_FIRST(&t->released); j != NULL; j = next) {
        next = LIST_NEXT(j, link);
        if (j->x.done) {
            void (*drained)(void *, int) = j->drained;
            void *ctx = take_back(t, j);
            struct clo_reply reply;
            const int err = clo_transfer_conclude(&j->x, j->x.code, &reply);

            job_free(t, j);
            drained(ctx, err);
        }
    }
}

void clo_transport_drain(struct clo_transport *t)
{
    int running = 0;

    if (t->drains == 0)
        return;
    (void)curl_multi_perform(t->multi, &running);
    clo_transfer_reap(t->multi);
    finish_drained(t);
}

size_t clo_transport_drains(const struct clo_transport *t)
{
    return t->drains;
}

void clo_transport_leave(struct clo_transport *t, bool cut)
{
    struct job *j;

    clo_transport_drain(t);
    if (t->drains == 0)
        return;
    while ((j = LIST_FIRST(&t->released)) != NULL) {
        void (*drained)(void *, int) = j->drained;
        void *ctx = take_back(t, j);

        if (cut)
            job_free(t, j);
        else /* its memory is the other process's from here on */
            clo_transfer_mute(&j->x);
        drained(ctx, CLOISTER_E_CANCELLED);
    }
    if (!cut) {
        clo_drain_take(t->multi);
        t->multi = NULL;
    }
}

/* ---- one transfer ---- */

/* How a wait for a transfer ended. */
enum waited {
    HAS_ENDED,
    HAS_ENOUGH,
    WAS_STOPPED,
    TOOK_TOO_LONG,
    HAS_FAILED, /* the loop */
};

/* Run until it has ended, has brought enough, or the stop descriptor is readable; what was let go before goes on meanwhile. */
static enum waited run(struct clo_transport *t, const struct job *j, const struct clo_post *post)
{
    const int64_t until = post != NULL && post->wait_s > 0
                              ? clo_clock_mono_us() + post->wait_s * INT64_C(1000000)
                              : INT64_MAX;
    const int stop_fd = until == INT64_MAX ? t->stop_fd : -1;
    int running = 1;

    for (;;) {
        struct curl_waitfd stop = {.fd = stop_fd, .events = CURL_WAIT_POLLIN};
        int64_t left_ms;

        if (curl_multi_perform(t->multi, &running) != CURLM_OK)
            return HAS_FAILED;
        clo_transfer_reap(t->multi);
        if (j->x.done)
            return HAS_ENDED;
        if (post != NULL && post->enough != NULL && post->enough(post->ctx))
            return HAS_ENOUGH;
        left_ms = (until - clo_clock_mono_us()) / 1000;
        if (left_ms <= 0)
            return TOOK_TOO_LONG;
        if (running == 0 ||
            curl_multi_poll(t->multi, &stop, stop_fd >= 0 ? 1 : 0,
                            left_ms < POLL_MS ? (int)left_ms : POLL_MS, NULL) != CURLM_OK)
            return HAS_FAILED;
        if (stop_fd >= 0 && stop.revents != 0)
            return WAS_STOPPED;
    }
}

/* It has not ended by itself. True: it goes on without us. */
static bool end_early(struct clo_transport *t, struct job *j, const struct clo_post *post,
                      enum waited how, struct clo_reply *reply, int *err)
{
    *err = how == HAS_ENOUGH ? 0 : how == WAS_STOPPED ? CLOISTER_E_CANCELLED : CLOISTER_E_NETWORK;
    (void)!clo_transfer_conclude(&j->x, CURLE_ABORTED_BY_CALLBACK, reply); /* for `sent` */
    if (how == HAS_ENOUGH) /* nothing comes before the request's end has arrived */
        clo_buf_clear(&j->x.body);
    if (how == WAS_STOPPED && post != NULL && post->stopping != NULL)
        post->stopping(post->ctx);
    reply->let_go = how != HAS_FAILED && post != NULL && post->drained != NULL && j->x.was_sent;
    if (reply->let_go)
        let_go(t, j);
    return reply->let_go;
}

/* post is NULL for a GET. */
static int transfer(struct clo_transport *t, const char *path, const struct clo_post *post,
                    const struct clo_transfer *x, struct clo_reply *reply)
{
    struct job *j = calloc(1, sizeof(*j));
    enum waited how;
    int err = CLOISTER_E_MEMORY;

    *reply = (struct clo_reply){0};
    finish_drained(t); /* not at the end: who is called here goes on with what was just let go */
    if (j != NULL)
        j->x = *x;
    if (post != NULL && post->own != NULL) {
        if (j != NULL)
            j->x.body = *post->own;
        else
            clo_buf_clear(post->own);
        *post->own = clo_buf_init(0);
    }
    if (j == NULL)
        return err;
    j->drained = post != NULL ? post->drained : NULL;
    if (t->multi == NULL && (t->multi = curl_multi_init()) == NULL)
        goto out;
    if ((err = clo_transfer_start(&j->x, t, path, post)) != 0)
        goto out;
    if (curl_multi_add_handle(t->multi, j->x.easy) != CURLM_OK) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    how = run(t, j, post);
    if (how == HAS_ENDED)
        err = clo_transfer_conclude(&j->x, j->x.code, reply);
    else if (end_early(t, j, post, how, reply, &err))
        j = NULL;
out:
    if (j != NULL)
        job_free(t, j);
    return err;
}

static int to_buf(void *ctx, const void *p, size_t n)
{
    return clo_buf_append(ctx, p, n);
}

int clo_transport_get(struct clo_transport *t, const char *path, const char *accept,
                      struct clo_buf *out, struct clo_reply *reply)
{
    const struct clo_transfer x = {.accept = accept, .sink = to_buf, .ctx = out};

    return transfer(t, path, NULL, &x, reply);
}

int clo_transport_post(struct clo_transport *t, const struct clo_post *post,
                       struct clo_reply *reply)
{
    const struct clo_transfer x = {.accept = post->accept, .sink = post->sink, .ctx = post->ctx};

    return transfer(t, post->path, post, &x, reply);
}

/* ---- the server ---- */

static bool is_loopback(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (strncmp(host, "127.", 4) == 0 && host[strspn(host, "0123456789.")] == '\0');
}

int clo_transport_new(const char *url, struct clo_transport **ret)
{
    static const CURLUPart unwanted[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                         CURLUPART_FRAGMENT};
    char *scheme = NULL, *host = NULL, *whole = NULL, *part = NULL;
    struct clo_transport *t = NULL;
    CURLU *u = NULL;
    size_t n;
    int err = CLOISTER_E_MEMORY;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (u = curl_url()) == NULL ||
        (t = calloc(1, sizeof(*t))) == NULL)
        goto out;
    err = CLOISTER_E_ARGUMENT;
    if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_URL, &whole, 0) != CURLUE_OK)
        goto out;
    for (size_t i = 0; i < CLO_ARRAY_LEN(unwanted); i++) {
        if (curl_url_get(u, unwanted[i], &part, 0) == CURLUE_OK)
            goto out;
    }
    t->url = strdup(whole);
    if (t->url == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    for (n = strlen(t->url); n > 0 && t->url[n - 1] == '/'; n--)
        t->url[n - 1] = '\0';
    t->loopback = is_loopback(host);
    t->stop_fd = -1;
    *ret = t;
    t = NULL;
    err = 0;
out:
    curl_free(scheme);
    curl_free(host);
    curl_free(whole);
    curl_free(part);
    curl_url_cleanup(u);
    clo_transport_free(t);
    return err;
}

void clo_transport_free(struct clo_transport *t)
{
    if (t == NULL)
        return;
    clo_transport_leave(t, true);
    curl_multi_cleanup(t->multi);
    free(t->url);
    free(t);
}

const char *clo_transport_url(const struct clo_transport *t)
{
    return t->url;
}

bool clo_transport_is_loopback(const struct clo_transport *t)
{
    return t->loopback;
}

void clo_transport_stop_fd(struct clo_transport *t, int fd)
{
    t->stop_fd = fd;
}
