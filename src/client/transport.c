/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, narrowed down: HTTP(S) only, HTTP/1.1 (HTTP/2 may repeat a refused stream), no redirects, no cookies, no netrc, a
 * fresh connection for each POST. The multi interface is used so that a stop request ends the wait at once.
 */
#include "client/transport.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/transfer.h"

struct clo_transport {
    char *url; /* without a slash at the end */
    bool loopback;
    int stop_fd;
};

/* ---- one transfer ---- */

/* Run to the end, or until the stop descriptor is readable: then CLOISTER_E_CANCELLED. */
static int run(CURLM *multi, int stop_fd, CURLcode *ret)
{
    int running = 1;

    for (;;) {
        struct curl_waitfd stop = {.fd = stop_fd, .events = CURL_WAIT_POLLIN};
        CURLMsg *msg = NULL;
        int left = 0;

        if (curl_multi_perform(multi, &running) != CURLM_OK)
            return CLOISTER_E_NETWORK;
        while ((msg = curl_multi_info_read(multi, &left)) != NULL) {
            if (msg->msg == CURLMSG_DONE) {
                *ret = msg->data.result;
                return 0;
            }
        }
        if (running == 0 ||
            curl_multi_poll(multi, &stop, stop_fd >= 0 ? 1 : 0, 1000, NULL) != CURLM_OK)
            return CLOISTER_E_NETWORK;
        if (stop_fd >= 0 && stop.revents != 0)
            return CLOISTER_E_CANCELLED;
    }
}

/* post is NULL for a GET. */
static int transfer(struct clo_transport *t, const char *path, const struct clo_post *post,
                    struct clo_transfer *x, struct clo_reply *reply)
{
    CURLM *multi = curl_multi_init();
    CURLcode code = CURLE_OK;
    int err = CLOISTER_E_MEMORY;

    *reply = (struct clo_reply){0};
    if (multi == NULL || (err = clo_transfer_start(x, t, path, post)) != 0)
        goto out;
    if (curl_multi_add_handle(multi, x->easy) != CURLM_OK) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    err = run(multi, post != NULL && post->limit_s > 0 ? -1 : t->stop_fd, &code);
    if (err == 0) {
        err = clo_transfer_conclude(x, code, reply);
    } else {
        (void)!clo_transfer_conclude(x, CURLE_ABORTED_BY_CALLBACK, reply); /* for `sent` */
        if (err == CLOISTER_E_CANCELLED && post != NULL && post->stopping != NULL)
            post->stopping(post->ctx);
    }
    (void)curl_multi_remove_handle(multi, x->easy);
out:
    clo_transfer_clear(x);
    curl_multi_cleanup(multi);
    return err;
}

static int to_buf(void *ctx, const void *p, size_t n)
{
    return clo_buf_append(ctx, p, n);
}

int clo_transport_get(struct clo_transport *t, const char *path, const char *accept,
                      struct clo_buf *out, struct clo_reply *reply)
{
    struct clo_transfer x = {.accept = accept, .sink = to_buf, .ctx = out};

    return transfer(t, path, NULL, &x, reply);
}

int clo_transport_post(struct clo_transport *t, const struct clo_post *post,
                       struct clo_reply *reply)
{
    struct clo_transfer x = {.accept = post->accept, .sink = post->sink, .ctx = post->ctx};

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
