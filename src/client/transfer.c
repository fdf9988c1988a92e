/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl, narrowed down: see transfer.h and transport.h. */
#include "client/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec/json.h"
#include "platform/curl_narrow.h"

enum {
    GET_S = 30,
    STALL_S = 300,
    PROBLEM_MAX = 4096,
};

#define PROBLEM_TYPE "application/problem+json"
#define PROBLEM_KEY  "https://iana.org/assignments/http-problem-types#ohttp-key"

/* ---- what came ---- */

static bool media_type_is(const char *got, const char *want)
{
    const size_t n = strlen(want);

    return got != NULL && strncasecmp(got, want, n) == 0 &&
           (got[n] == '\0' || got[n] == ';' || got[n] == ' ');
}

static bool got_media_type(struct clo_transfer *x, const char *want)
{
    const char *type = NULL;

    return curl_easy_getinfo(x->easy, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK &&
           media_type_is(type, want);
}

static long got_number(struct clo_transfer *x, CURLINFO what)
{
    long v = 0;

    return curl_easy_getinfo(x->easy, what, &v) == CURLE_OK ? v : 0;
}

static bool wanted(struct clo_transfer *x)
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
    struct clo_transfer *x = ctx;
    const size_t room = x->problem.max - x->problem.len;

    (void)size; /* always 1 */
    if (x->muted)
        return n;
    if (wanted(x)) {
        x->sink_err = x->sink(x->ctx, p, n);
        if (x->sink_err == CLO_TRANSFER_PAUSE) {
            x->sink_err = 0;
            return CURL_WRITEFUNC_PAUSE;
        }
    } else if (got_number(x, CURLINFO_RESPONSE_CODE) != 400 || n > room) {
        return CURL_WRITEFUNC_ERROR; /* only a problem is read, which is short: others may never end */
    } else {
        x->sink_err = clo_buf_append(&x->problem, p, n);
    }
    return x->sink_err == 0 ? n : CURL_WRITEFUNC_ERROR;
}

static bool says_key_unknown(struct clo_transfer *x)
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

void clo_transfer_mute(struct clo_transfer *x)
{
    x->muted = true;
}

void clo_transfer_reap(CURLM *multi)
{
    struct clo_transfer *x = NULL;
    CURLMsg *msg;
    int left = 0;

    while ((msg = curl_multi_info_read(multi, &left)) != NULL) {
        if (msg->msg != CURLMSG_DONE ||
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&x) != CURLE_OK)
            continue;
        x->done = true;
        x->code = msg->data.result;
    }
}

int clo_transfer_conclude(struct clo_transfer *x, CURLcode code, struct clo_reply *reply)
{
    curl_off_t retry = 0;

    *reply = (struct clo_reply){.sent = x->was_sent};
    reply->status = got_number(x, CURLINFO_RESPONSE_CODE);
    if (curl_easy_getinfo(x->easy, CURLINFO_RETRY_AFTER, &retry) == CURLE_OK)
        reply->retry_after = (long)retry;
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

/* ---- set-up ---- */

/* The last moment before the first byte leaves: the connection, TLS included, stands. */
/* The types are libcurl's. NOLINTNEXTLINE(readability-non-const-parameter) */
static int on_connected(void *ctx, char *to, char *from, int to_port, int from_port)
{
    struct clo_transfer *x = ctx;

    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    if (!x->was_sent && x->sent != NULL && !x->muted)
        x->sent(x->ctx);
    x->was_sent = true;
    return CURL_PREREQFUNC_OK;
}

static bool set_common(CURL *easy, const struct clo_transport *t, const char *url,
                       struct clo_transfer *x)
{
#define SET(option, value) (curl_easy_setopt(easy, (option), (value)) == CURLE_OK)
    return clo_curl_narrow(easy, url, &x->head) && SET(CURLOPT_TCP_KEEPALIVE, 1L) &&
           SET(CURLOPT_WRITEFUNCTION, on_body) && SET(CURLOPT_WRITEDATA, x) &&
           SET(CURLOPT_PRIVATE, x) && SET(CURLOPT_PREREQFUNCTION, on_connected) &&
           SET(CURLOPT_PREREQDATA, x) &&
           /* A proxy set for the outside world must not see what goes to this machine itself. */
           (!clo_transport_is_loopback(t) || SET(CURLOPT_PROXY, ""));
}

static bool set_post(CURL *easy, const struct clo_post *post, const struct clo_buf *own)
{
    const void *body = own->len > 0 ? own->p : post->body;
    const size_t n = own->len > 0 ? own->len : post->body_n;

    return SET(CURLOPT_POST, 1L) && SET(CURLOPT_POSTFIELDS, body) &&
           SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n) && SET(CURLOPT_TIMEOUT, post->limit_s) &&
           SET(CURLOPT_LOW_SPEED_LIMIT, 1L) &&
           SET(CURLOPT_LOW_SPEED_TIME, post->stall_s > 0 ? post->stall_s : (long)STALL_S);
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

int clo_transfer_start(struct clo_transfer *x, const struct clo_transport *t, const char *path,
                       const struct clo_post *post)
{
    char *url = NULL;
    int err = CLOISTER_E_MEMORY;

    x->problem = clo_buf_init(PROBLEM_MAX);
    x->easy = curl_easy_init();
    if (x->easy == NULL || asprintf(&url, "%s%s", clo_transport_url(t), path) < 0 ||
        !set_common(x->easy, t, url, x) ||
        !add_header(&x->headers, "Accept", x->accept != NULL ? x->accept : "*/*"))
        goto out;
    if (post == NULL ? !set_get(x->easy)
                     : !set_post(x->easy, post, &x->body) ||
                           !add_header(&x->headers, "Content-Type", post->type) ||
                           !add_header(&x->headers, "Incremental", "?1") ||
                           !add_header(&x->headers, "Expect", NULL))
        goto out;
    if (curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers) == CURLE_OK)
        err = 0;
out:
    free(url);
    return err;
}

void clo_transfer_clear(struct clo_transfer *x)
{
    curl_easy_cleanup(x->easy);
    curl_slist_free_all(x->headers);
    clo_buf_clear(&x->problem);
    clo_buf_clear(&x->body);
    x->easy = NULL;
    x->headers = NULL;
}
