/* SPDX-License-Identifier: Apache-2.0 */
/* Errors that say what to do: see fault.h. */
#include "client/proxy/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/enc.h"
#include "client/say.h"
#include "codec/json.h"

#define INVALID  "invalid_request_error"
#define SERVER   "server_error"
#define DENIED   "permission_error"

#define NOT_SENT "nothing was sent"
#define NOT_AGAIN                                                                                    \
    "The request may have run, so it was not sent again: ask anew only if running it twice does no " \
    "harm."

struct row {
    unsigned status;
    long retry_after;
    const char *type, *code, *message;
};

static void take(const struct row *r, struct clo_proxy_error *ret)
{
    *ret = (struct clo_proxy_error){
        .status = r->status, .retry_after = r->retry_after, .type = r->type, .code = r->code};
    (void)snprintf(ret->message, sizeof(ret->message), "%s", r->message);
}

__attribute__((format(printf, 2, 3))) static void say(struct clo_proxy_error *e, const char *fmt,
                                                      ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(e->message, sizeof(e->message), fmt, args);
    va_end(args);
}

void clo_proxy_error_ruling(enum clo_ruling r, struct clo_proxy_error *ret)
{
    static const struct row rows[CLO_RULINGS] = {
        [CLO_RULING_REPEATED] = {400, 0, INVALID, "invalid_header",
                                 "A header field that has to be there once is there twice."},
        [CLO_RULING_BAD_HOST] =
            {403, 0, DENIED, "bad_host",
             "The Host header doesn't name the address that cloister proxy listens on: use the base URL that it "
             "printed. A web page whose name was rebound to this machine gets this answer."},
        [CLO_RULING_BAD_ORIGIN] =
            {403, 0, DENIED, "bad_origin",
             "Pages of this origin may not use cloister proxy: start it with --allow-origin ORIGIN if this one may."},
        [CLO_RULING_NO_TOKEN] =
            {401, 0, INVALID, "invalid_api_key",
             "No token: give the one that cloister proxy showed when it started as the API key (OPENAI_API_KEY)."},
        [CLO_RULING_BAD_TOKEN] =
            {401, 0, INVALID, "invalid_api_key",
             "This is not the token of this cloister proxy: it draws a new one at every start; give that as the API key "
             "(OPENAI_API_KEY). The server's own API key belongs into the file that --key-file names."},
        [CLO_RULING_NO_ROUTE] =
            {404, 0, INVALID, "unknown_url",
             "There is no such endpoint: POST /v1/chat/completions, /v1/completions, /v1/embeddings; GET /v1/models, "
             "/v1/cloister/verdict."},
        [CLO_RULING_BAD_METHOD] = {405, 0, INVALID, "method_not_allowed",
                                   "This endpoint doesn't take this method."},
        [CLO_RULING_QUERY] =
            {400, 0, INVALID, "unsupported_parameter",
             "Query parameters are not passed on: leave out what follows the question mark."},
    };

    take(&rows[rows[r].status != 0 ? r : CLO_RULING_NO_ROUTE], ret);
}

void clo_proxy_error_limit(enum clo_proxy_limit l, struct clo_proxy_error *ret)
{
    static const struct row rows[] = {
        [CLO_LIMIT_BODY] =
            {413, 0, INVALID, "request_too_large",
             "The request body is larger than 32 MiB, the most that is taken: " NOT_SENT "."},
        [CLO_LIMIT_SERVER] =
            {413, 0, INVALID, "request_too_large",
             "The request body is larger than this server takes (GET /v1/cloister/verdict tells "
             "request_max): " NOT_SENT "."},
        [CLO_LIMIT_MEMORY] = {503, 1, SERVER, "overloaded",
                              "Too many large requests at the same time: " NOT_SENT
                              ", try again in a moment."},
        [CLO_LIMIT_PARALLEL] = {503, 1, SERVER, "overloaded",
                                "Too many requests at the same time: " NOT_SENT
                                ", try again in a moment."},
        [CLO_LIMIT_VERSION] = {505, 0, INVALID, "http_version",
                               "HTTP/1.0 can't tell a cut answer from a whole one: use HTTP/1.1."},
        [CLO_LIMIT_FRAMING] = {400, 0, INVALID, "invalid_header",
                               "The length of the request is not clear: " NOT_SENT "."},
        [CLO_LIMIT_ENDING] = {503, 0, SERVER, "unavailable",
                              "cloister proxy is ending: " NOT_SENT "."},
        [CLO_LIMIT_OURS] = {500, 0, SERVER, "proxy_error",
                            "cloister proxy ran out of memory or descriptors: " NOT_SENT "."},
    };

    take(&rows[l], ret);
}

/* ---- no verified server ---- */

static const char *net_text(const struct clo_reply *r)
{
    switch (r->net) {
    case CLO_NET_RESOLVE: return "its name has no address; check the spelling and your network";
    case CLO_NET_CONNECT: return "nothing answers there; check that it runs, and your network";
    case CLO_NET_TLS:
        return "no TLS connection; check the address, your clock and your CA certificates";
    case CLO_NET_TIMEOUT: return "no answer in time";
    case CLO_NET_TYPE: return "what answers there is no Cloister server";
    case CLO_NET_LIMIT: return "it sent more than is allowed";
    case CLO_NET_OK:
    case CLO_NET_STATUS:
    case CLO_NET_BROKEN: break;
    }
    return "the connection broke off";
}

static void refused(const struct clo_fault *f, const struct cloister_verdict *v, const char *url,
                    struct clo_proxy_error *e)
{
    const struct cloister_check *why = v != NULL ? clo_verdict_culprit(v) : NULL;

    e->code = "not_verified";
    e->never_again = true; /* time alone won't mend it */
    if (why == NULL)
        say(e,
            "The server %s was NOT verified and " NOT_SENT
            ": %s. Check your clock, and that server and proxy are of "
            "matching versions.",
            url, cloister_strerror(f->err));
    else if (why->id == CLOISTER_CHECK_SNP_MEASUREMENT || why->id == CLOISTER_CHECK_MANIFEST_PINNED)
        say(e,
            "The server %s was NOT verified and " NOT_SENT
            ": %s (%s). `cloister policy diff` shows what has changed; once the policy admits it "
            "(`cloister policy diff --accept`), the proxy goes on by itself.",
            url, why->reason[0] != '\0' ? why->reason : cloister_check_title(why->id),
            cloister_check_name(why->id));
    else
        say(e,
            "The server %s was NOT verified and " NOT_SENT
            ": %s (%s). `cloister verify -v` shows every check, "
            "`cloister policy show` what you admit.",
            url, why->reason[0] != '\0' ? why->reason : cloister_check_title(why->id),
            cloister_check_name(why->id));
}

void clo_proxy_error_server(const struct clo_fault *f, const struct cloister_verdict *v,
                            bool changed, const char *url, struct clo_proxy_error *ret)
{
    static const struct row unreachable = {503, 2, SERVER, "server_unreachable", ""};

    take(&unreachable, ret);
    if (changed) {
        ret->retry_after = 0;
        ret->code = "manifest_changed";
        ret->never_again = true;
        say(ret,
            "The server %s was verified, but it runs something else than when this proxy started, and " NOT_SENT
            ". The policy pins no manifest, so the proxy keeps to the first one that it saw: start it anew to take this one, or "
            "give the policy file the `manifests` that you accept (`cloister policy init --from-server` writes the present "
            "one), and the proxy goes on by itself.",
            url);
    } else if (f->step == CLO_STEP_VERDICT && f->err != CLOISTER_E_MEMORY &&
               f->err != CLOISTER_E_CRYPTO) {
        ret->retry_after = 0;
        refused(f, v, url, ret);
    } else if (f->reply.net == CLO_NET_STATUS) {
        ret->retry_after = f->reply.retry_after > 0 ? f->reply.retry_after : 2;
        say(ret,
            f->reply.status == 503
                ? "The server %s is not ready yet (HTTP status %ld instead of evidence): " NOT_SENT
                  ", try again."
                : "%s answered with HTTP status %ld instead of evidence: " NOT_SENT
                  "; check the address.",
            url, f->reply.status);
    } else if (f->err == CLOISTER_E_NETWORK || f->err == CLOISTER_E_PROTOCOL ||
               f->err == CLOISTER_E_LIMIT) {
        say(ret, "No evidence from %s, so " NOT_SENT ": %s.", url, net_text(&f->reply));
    } else {
        say(ret, "No evidence from %s, so " NOT_SENT ": %s.", url, cloister_strerror(f->err));
    }
}

/* ---- a request that was sealed ---- */

static void may_have_run(const struct clo_fault *f, const char *url, struct clo_proxy_error *e)
{
    const char *what = NULL;

    e->status = 502;
    e->retry_after = 0;
    e->never_again = true;
    e->code = "no_answer";
    if (f->step == CLO_STEP_ANSWER || f->step == CLO_STEP_NONE) {
        e->code = "answer_cut";
        if (f->err == CLOISTER_E_AUTH)
            what = "The answer was altered on its way";
        else if (f->err == CLOISTER_E_SHAPE)
            what = "The server broke the traffic shape that it promises";
        else if (f->err == CLOISTER_E_LIMIT)
            what = "The answer is larger than 32 MiB, the most that is taken";
        else if (f->err == CLOISTER_E_CUT || f->err == CLOISTER_E_NETWORK)
            what = "The answer was cut off before its end";
        else
            what = "The answer could not be read";
    } else if (f->err == CLOISTER_E_KEYS_CHANGED) {
        e->code = "keys_changed";
        what =
            "Something on the way says that the server has other keys by now, which can't be told from a lie";
    } else if (f->reply.net != CLO_NET_STATUS) {
        say(e, "No answer came from %s: %s. " NOT_AGAIN, url, net_text(&f->reply));
        return;
    }
    if (what != NULL)
        say(e, "%s. " NOT_AGAIN, what);
    else
        say(e, "No answer came from %s, but an outer HTTP status %ld. " NOT_AGAIN, url,
            f->reply.status);
}

void clo_proxy_error_request(const struct clo_fault *f, const char *url,
                             struct clo_proxy_error *ret)
{
    static const struct row unsent = {503, 1, SERVER, "server_unreachable", ""};

    take(&unsent, ret);
    if (f->step == CLO_STEP_SEAL && f->err == CLOISTER_E_LIMIT)
        clo_proxy_error_limit(CLO_LIMIT_SERVER, ret);
    else if (f->step == CLO_STEP_SEAL)
        clo_proxy_error_limit(CLO_LIMIT_OURS, ret);
    else if (f->reply.sent)
        may_have_run(f, url, ret);
    else
        say(ret, "The request was not sent to %s: %s.", url, net_text(&f->reply));
}

int clo_proxy_error_json(const struct clo_proxy_error *e, struct clo_buf *out)
{
    char safe[3 * CLO_FAULT_TEXT + 1];
    size_t used = 0;
    json_t *doc;
    int err = CLOISTER_E_MEMORY;

    /* A reason may repeat what evidence said of itself. */
    (void)clo_text_sanitise(e->message, strlen(e->message), true, safe, &used);
    doc = json_pack("{s:{s:s, s:s, s:n, s:s}}", "error", "message", safe, "type", e->type, "param",
                    "code", e->code);
    if (doc != NULL)
        err = clo_json_write(doc, out);
    json_decref(doc);
    return err;
}
