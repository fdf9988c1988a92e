/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, narrowed down: HTTP(S) only, HTTP/1.1 (HTTP/2 may repeat a refused stream), no redirects, no cookies, no netrc, a
 * fresh connection for each POST. The multi interface is used so that a stop request ends the wait at once.
 */
#include "client/transport.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec/json.h"
#include "codec/ohttp.h"

enum {
    CONNECT_S = 10,
    GET_S = 30,
    STALL_S = 300,
    PROBLEM_MAX = 4096,
};

#define PROBLEM_TYPE "application/problem+json"
#define PROBLEM_KEY  "https://iana.org/assignments/http-problem-types#ohttp-key"

struct clo_transport {
    char *url; /* without a slash at the end */
    bool loopback;
    int stop_fd;
};

/* ---- one transfer ---- */

struct transfer {
    CURL *easy;
    const char *accept;
    bool judged; /* status and media type were looked at */
    bool wanted; /* ... and are the right ones */
    int sink_err;
    int (*sink)(void *ctx, const void *p, size_t n);
    void *ctx;
    struct clo_buf problem; /* the beginning of another answer */
};

static bool media_type_is(const char *got, const char *want)
{
    const size_t n = strlen(want);

    return got != NULL && strncasecmp(got, want, n) == 0 &&
           (got[n] == '\0' || got[n] == ';' || got[n] == ' ');
}

static bool got_media_type(struct transfer *x, const char *want)
{
    const char *type = NULL;

    return curl_easy_getinfo(x->easy, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK &&
           media_type_is(type, want);
}

static long got_number(struct transfer *x, CURLINFO what)
{
    long v = 0;

    return curl_easy_getinfo(x->easy, what, &v) == CURLE_OK ? v : 0;
}

static bool wanted(struct transfer *x)
{
    if (!x->judged) {
        x->judged = true;
        x->wanted = got_number(x, CURLINFO_RESPONSE_CODE) == 200 &&
                    (x->accept == NULL || got_media_type(x, x->accept));
    }
    return x->wanted;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct transfer *x = ctx;
    const size_t room = x->problem.max - x->problem.len;

    (void)size; /* always 1 */
    if (wanted(x))
        x->sink_err = x->sink(x->ctx, p, n);
    else if (got_number(x, CURLINFO_RESPONSE_CODE) != 400 || n > room)
        return CURL_WRITEFUNC_ERROR; /* only a problem is read, which is short: others may never end */
    else
        x->sink_err = clo_buf_append(&x->problem, p, n);
    return x->sink_err == 0 ? n : CURL_WRITEFUNC_ERROR;
}

static bool says_key_unknown(struct transfer *x)
{
    struct clo_json_obj o;
    const char *type;
    json_t *v = NULL;
    bool yes;

    if (!got_media_type(x, PROBLEM_TYPE) ||
        clo_json_parse(x->problem.p, x->problem.len, PROBLEM_MAX, &v) != 0)
        return false;
    o = clo_json_obj_init(v);
    type = clo_json_obj_opt_str(&o, "type", 256);
    yes = type != NULL && strcmp(type, PROBLEM_KEY) == 0;
    json_decref(v);
    return yes;
}

static enum clo_net judge_curl(CURLcode code)
{
    switch (code) {
    case CURLE_OK: return CLO_NET_OK;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return CLO_NET_RESOLVE;
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED: return CLO_NET_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_ENGINE_INITFAILED: return CLO_NET_TLS;
    case CURLE_OPERATION_TIMEDOUT: return CLO_NET_TIMEOUT;
    default: return CLO_NET_BROKEN;
    }
}

/* The transfer has ended: what it was, in our terms. */
static int conclude(struct transfer *x, CURLcode code, struct clo_reply *reply)
{
    curl_off_t retry = 0, ready = 0;

    reply->status = got_number(x, CURLINFO_RESPONSE_CODE);
    if (curl_easy_getinfo(x->easy, CURLINFO_RETRY_AFTER, &retry) == CURLE_OK)
        reply->retry_after = (long)retry;
    /* Set once the connection, TLS included, stands and the request is about to go. */
    if (curl_easy_getinfo(x->easy, CURLINFO_PRETRANSFER_TIME_T, &ready) == CURLE_OK)
        reply->sent = ready > 0;

    reply->net = judge_curl(code);
    if (reply->net == CLO_NET_TIMEOUT && !reply->sent)
        reply->net = CLO_NET_CONNECT;
    if (reply->status != 0 && reply->status != 200) {
        reply->net = CLO_NET_STATUS;
        reply->keys_changed = reply->status == 400 && says_key_unknown(x);
        return reply->keys_changed ? CLOISTER_E_KEYS_CHANGED : CLOISTER_E_PROTOCOL;
    }
    if (reply->status == 200 && !wanted(x)) {
        reply->net = CLO_NET_TYPE;
        return CLOISTER_E_PROTOCOL;
    }
    if (x->sink_err != 0) {
        reply->net = x->sink_err == CLOISTER_E_LIMIT ? CLO_NET_LIMIT : CLO_NET_OK;
        return x->sink_err;
    }
    return code == CURLE_OK ? 0 : CLOISTER_E_NETWORK;
}

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

/* ---- set-up ---- */

static bool set_common(CURL *easy, const struct clo_transport *t, const char *url,
                       struct transfer *x)
{
#define SET(option, value) (curl_easy_setopt(easy, (option), (value)) == CURLE_OK)
    return SET(CURLOPT_URL, url) &&
#if LIBCURL_VERSION_NUM >= 0x075500
           SET(CURLOPT_PROTOCOLS_STR, "http,https") &&
#else
           SET(CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS) &&
#endif
           SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_NOSIGNAL, 1L) &&
           SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) && SET(CURLOPT_FRESH_CONNECT, 1L) &&
           SET(CURLOPT_FORBID_REUSE, 1L) && SET(CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S) &&
           SET(CURLOPT_TCP_KEEPALIVE, 1L) && SET(CURLOPT_WRITEFUNCTION, on_body) &&
           SET(CURLOPT_WRITEDATA, x) &&
           /* A proxy set for the outside world must not see what goes to this machine itself. */
           (!t->loopback || SET(CURLOPT_PROXY, ""));
}

static bool set_post(CURL *easy, const struct clo_post *post)
{
    return SET(CURLOPT_POST, 1L) && SET(CURLOPT_POSTFIELDS, post->body) &&
           SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->body_n) &&
           SET(CURLOPT_TIMEOUT, post->limit_s) && SET(CURLOPT_LOW_SPEED_LIMIT, 1L) &&
           SET(CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
}

static bool set_get(CURL *easy)
{
    return SET(CURLOPT_HTTPGET, 1L) && SET(CURLOPT_TIMEOUT, (long)GET_S);
}
#undef SET

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    struct curl_slist *more = NULL;
    char line[256];

    /* libcurl's way to leave out a header of its own: the name and nothing behind the colon */
    if (snprintf(line, sizeof(line), "%s:%s%s", name, value != NULL ? " " : "",
                 value != NULL ? value : "") >= (int)sizeof(line))
        return false;
    more = curl_slist_append(*list, line);
    if (more != NULL)
        *list = more;
    return more != NULL;
}

/* post is NULL for a GET. */
static int transfer(struct clo_transport *t, const char *path, const struct clo_post *post,
                    struct transfer *x, struct clo_reply *reply)
{
    struct curl_slist *headers = NULL;
    CURLM *multi = curl_multi_init();
    CURLcode code = CURLE_OK;
    char *url = NULL;
    int err = CLOISTER_E_MEMORY;

    *reply = (struct clo_reply){0};
    x->problem = clo_buf_init(PROBLEM_MAX);
    x->easy = curl_easy_init();
    if (multi == NULL || x->easy == NULL || asprintf(&url, "%s%s", t->url, path) < 0 ||
        !set_common(x->easy, t, url, x) ||
        !add_header(&headers, "Accept", x->accept != NULL ? x->accept : "*/*"))
        goto out;
    if (post == NULL
            ? !set_get(x->easy)
            : !set_post(x->easy, post) || !add_header(&headers, "Content-Type", post->type) ||
                  !add_header(&headers, "Incremental", "?1") ||
                  !add_header(&headers, "Expect", NULL))
        goto out;
    if (curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, headers) != CURLE_OK ||
        curl_multi_add_handle(multi, x->easy) != CURLM_OK)
        goto out;

    err = run(multi, post != NULL && post->limit_s > 0 ? -1 : t->stop_fd, &code);
    if (err == 0) {
        err = conclude(x, code, reply);
    } else {
        (void)conclude(x, CURLE_ABORTED_BY_CALLBACK, reply); /* for `sent` */
        if (err == CLOISTER_E_CANCELLED && post != NULL && post->stopping != NULL)
            post->stopping(post->ctx);
    }
    (void)curl_multi_remove_handle(multi, x->easy);
out:
    curl_easy_cleanup(x->easy);
    curl_slist_free_all(headers);
    curl_multi_cleanup(multi);
    clo_buf_clear(&x->problem);
    free(url);
    return err;
}

static int to_buf(void *ctx, const void *p, size_t n)
{
    return clo_buf_append(ctx, p, n);
}

int clo_transport_get(struct clo_transport *t, const char *path, const char *accept,
                      struct clo_buf *out, struct clo_reply *reply)
{
    struct transfer x = {.accept = accept, .sink = to_buf, .ctx = out};

    return transfer(t, path, NULL, &x, reply);
}

int clo_transport_post(struct clo_transport *t, const struct clo_post *post,
                       struct clo_reply *reply)
{
    struct transfer x = {.accept = post->accept, .sink = post->sink, .ctx = post->ctx};

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

void clo_transport_stop_fd(struct clo_transport *t, int fd)
{
    t->stop_fd = fd;
}
