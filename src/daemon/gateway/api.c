/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner API. What may pass to the engine is named here, member by member: an engine that isn't ours has switches for files,
 * slots and caches among its body members, and new ones appear with each release.
 */
#include "daemon/gateway/api.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/enc.h"
#include "base/secret.h"
#include "codec/json.h"
#include "crypto/crypto.h"

#define BEARER        "bearer "
#define ENGINE_MAX    65536 /* bytes of an engine's error answer that are looked at */
#define TOKENS_MAX    INT32_MAX
#define JSON_MAX_SIZE SIZE_MAX /* the body's own bound was applied already */

/* ---- faults ---- */

static const struct {
    uint16_t status;
    uint16_t retry_after;
    const char *type;
    const char *code;
    const char *text;
} faults[CLO_API_CODES] = {
    [CLO_API_OK] = {200, 0, "", "", ""},
    [CLO_API_MALFORMED] = {400, 0, "invalid_request_error", "malformed_request",
                           "The encrypted request is not a well-formed Binary HTTP request."},
    [CLO_API_BAD_FIELD] = {400, 0, "invalid_request_error", "invalid_header",
                           "A header field is repeated or has a value that is not allowed."},
    [CLO_API_BAD_KEY] = {401, 0, "invalid_request_error", "invalid_api_key",
                         "The API key is missing or was not accepted."},
    [CLO_API_NO_SUCH_PATH] = {404, 0, "invalid_request_error", "unknown_url",
                              "There is no such endpoint."},
    [CLO_API_BAD_METHOD] = {405, 0, "invalid_request_error", "method_not_allowed",
                            "This endpoint does not take this method."},
    [CLO_API_TOO_LARGE] = {413, 0, "invalid_request_error", "request_too_large",
                           "The request body is larger than this server takes."},
    [CLO_API_BAD_TYPE] = {415, 0, "invalid_request_error", "unsupported_media_type",
                          "The request body has to be application/json."},
    [CLO_API_BAD_JSON] =
        {400, 0, "invalid_request_error", "invalid_json",
         "The request body is not a JSON object, repeats a member, or has too many values or levels."},
    [CLO_API_BAD_MEMBER] = {400, 0, "invalid_request_error", "unsupported_parameter",
                            "The request has a parameter that this server does not take."},
    [CLO_API_BAD_VALUE] = {400, 0, "invalid_request_error", "invalid_value",
                           "A parameter has a value that this server does not take."},
    [CLO_API_NO_SUCH_MODEL] = {404, 0, "invalid_request_error", "model_not_found",
                               "There is no such model here."},
    [CLO_API_CONTEXT] = {400, 0, "invalid_request_error", "context_length_exceeded",
                         "The prompt is longer than the model's context."},
    [CLO_API_ENGINE_SAYS] = {400, 0, "invalid_request_error", "engine_refused",
                             "The inference engine refused the request."},
    [CLO_API_QUOTA] = {429, 60, "rate_limit_error", "quota_exceeded",
                       "This API key has used up its requests until the server's keys change."},
    [CLO_API_PARALLEL] = {429, 1, "rate_limit_error", "rate_limit_exceeded",
                          "This API key has too many requests running at the same time."},
    [CLO_API_BUSY] = {503, 1, "server_error", "overloaded",
                      "The server is busy. Try again in a moment."},
    [CLO_API_KEYS_ENDED] = {503, 1, "server_error", "keys_exhausted",
                            "The server's keys take no more requests. Fetch its evidence again."},
    [CLO_API_NO_KEEPER] = {503, 1, "server_error", "unavailable",
                           "A part of the server is restarting. Try again in a moment."},
    [CLO_API_NO_ENGINE] = {503, 2, "server_error", "engine_unavailable",
                           "The inference engine is not running yet."},
    [CLO_API_ENGINE_LOST] = {502, 0, "server_error", "engine_lost",
                             "The inference engine stopped before the answer was complete."},
    [CLO_API_ENGINE_FAILED] = {502, 0, "server_error", "engine_error",
                               "The inference engine failed to answer."},
    [CLO_API_NO_EMBEDDINGS] = {400, 0, "invalid_request_error", "unsupported_endpoint",
                               "The model that runs here makes no embeddings."},
    [CLO_API_CANCELLED] = {409, 0, "invalid_request_error", "cancelled",
                           "The request was cancelled by its sender."},
    [CLO_API_EXPIRED] = {401, 0, "invalid_request_error", "expired_api_key",
                         "This API key has expired."},
    [CLO_API_MINUTE] = {429, 60, "rate_limit_error", "requests_per_minute_exceeded",
                        "This API key has used up its requests of this minute."},
    [CLO_API_DAY] = {429, 3600, "rate_limit_error", "tokens_per_day_exceeded",
                     "This API key has used up its tokens of this day."},
    [CLO_API_ONLY_EMBEDDINGS] = {400, 0, "invalid_request_error", "unsupported_endpoint",
                                 "The model that runs here makes embeddings, and nothing else."},
    [CLO_API_TOO_LONG] =
        {500, 0, "server_error", "answer_too_long",
         "The answer is longer than the traffic shape's class holds. Ask for less, or in the class wide."},
};

unsigned clo_api_status(enum clo_api_code code)
{
    return faults[code].status;
}

unsigned clo_api_retry_after(const struct clo_api_fault *f)
{
    return f->wait != 0 ? f->wait : faults[f->code].retry_after;
}

struct clo_api_fault clo_api_limit_fault(enum clo_api_code code, uint64_t limit, unsigned wait)
{
    struct clo_api_fault f = {.code = code, .wait = wait};
    const char *unit = code == CLO_API_MINUTE ? "requests a minute"
                       : code == CLO_API_DAY  ? "tokens a day (UTC)"
                                              : "requests at the same time";

    snprintf(f.text, sizeof(f.text), "This API key is limited to %llu %s. Try again in %u s.",
             (unsigned long long)limit, unit, clo_api_retry_after(&f));
    return f;
}

/* json_pack refuses text that isn't UTF-8; callers give none. */
static int write_and_drop(json_t *v, struct clo_buf *out)
{
    int err = v == NULL ? CLOISTER_E_MEMORY : clo_json_write(v, out);

    json_decref(v);
    return err;
}

int clo_api_error_write(const struct clo_api_fault *f, struct clo_buf *out)
{
    return write_and_drop(
        json_pack("{s:{s:s, s:s, s:s?, s:s}}", "error", "message",
                  f->text[0] != 0 ? f->text : faults[f->code].text, "type", faults[f->code].type,
                  "param", f->param[0] != 0 ? f->param : NULL, "code", faults[f->code].code),
        out);
}

static void set_fault(struct clo_api_fault *f, enum clo_api_code code, const char *param)
{
    *f = (struct clo_api_fault){.code = code};
    /* Names come from the request: long or unprintable ones are not repeated. */
    if (param != NULL && strlen(param) < sizeof(f->param) &&
        clo_text_is_printable(param, strlen(param)))
        memcpy(f->param, param, strlen(param));
}

/* llama-server tells both numbers beside its text. */
static bool context_fault(const json_t *error, struct clo_api_fault *ret)
{
    const char *type = json_string_value(json_object_get(error, "type"));
    const json_int_t prompt = json_integer_value(json_object_get(error, "n_prompt_tokens"));
    const json_int_t context = json_integer_value(json_object_get(error, "n_ctx"));

    if (type == NULL || strcmp(type, "exceed_context_size_error") != 0)
        return false;
    set_fault(ret, CLO_API_CONTEXT, NULL);
    if (prompt > 0 && prompt <= TOKENS_MAX && context > 0 && context <= TOKENS_MAX)
        snprintf(ret->text, sizeof(ret->text),
                 "The prompt has %lld tokens, but the model's context holds %lld. "
                 "Shorten the conversation or start a new one.",
                 (long long)prompt, (long long)context);
    return true;
}

/* llama-server blames itself for a text that doesn't fit into the batch in which it makes embeddings. */
static bool is_batch_fault(unsigned status, const char *text)
{
    return status == 500 && text != NULL && strstr(text, "is too large to process") != NULL;
}

void clo_api_engine_fault(unsigned status, const void *body, size_t n, struct clo_api_fault *ret)
{
    const char *text = NULL;
    const json_t *error = NULL;
    json_t *v = NULL;

    set_fault(ret, status >= 500 ? CLO_API_ENGINE_FAILED : CLO_API_ENGINE_SAYS, NULL);
    if (status == 503)
        set_fault(ret, CLO_API_NO_ENGINE, NULL);
    if (status == 429) { /* too many at once: ours, not the asker's, who may come again */
        set_fault(ret, CLO_API_BUSY, NULL);
        return;
    }
    if (clo_json_parse(body, n, ENGINE_MAX, &v) != 0)
        return;
    error = json_object_get(v, "error");
    text = json_string_value(json_object_get(error, "message"));
    if (is_batch_fault(status, text))
        set_fault(ret, CLO_API_CONTEXT, NULL);
    else if (status < 500 && !context_fault(error, ret) && text != NULL &&
             strlen(text) < sizeof(ret->text) && clo_text_is_printable(text, strlen(text)))
        memcpy(ret->text, text, strlen(text));
    json_decref(v);
}

/* ---- the request ---- */

static const struct {
    const char *path, *method;
} endpoints[CLO_EP_NONE] = {
    [CLO_EP_CHAT] = {"/v1/chat/completions", "POST"},
    [CLO_EP_COMPLETIONS] = {"/v1/completions", "POST"},
    [CLO_EP_EMBEDDINGS] = {"/v1/embeddings", "POST"},
    [CLO_EP_MODELS] = {"/v1/models", "GET"},
    [CLO_EP_CANCEL] = {"/v1/cloister/cancel", "POST"},
    [CLO_EP_MODEL] = {"/v1/models/", "GET"},
};

const char *clo_endpoint_path(enum clo_endpoint e)
{
    return e < CLO_EP_NONE ? endpoints[e].path : "/";
}

/* The first one stays. */
static void set_late(struct clo_inner *in, enum clo_api_code code)
{
    if (in->late == CLO_API_OK)
        in->late = code;
}

/* The rest of the path, percent-decoded; what isn't a printable name that fits can't be a model's. */
static void read_model(struct clo_inner *in, const char *text)
{
    char name[CLO_API_MODEL_MAX + 1] = "";
    size_t n = 0;

    for (; *text != 0 && n < CLO_API_MODEL_MAX; n++) {
        name[n] = *text;
        if (*text == '%') { /* digits in either case (RFC 3986 section 2.1) */
            char digits[2] = {0};

            for (size_t d = 0; d < sizeof(digits) && text[1 + d] != 0; d++)
                digits[d] = (char)tolower((unsigned char)text[1 + d]);
            if (clo_unhex(digits, sizeof(digits), &name[n], 1) != 0)
                return;
            text += 2;
        }
        text++;
    }
    if (*text == 0 && strlen(name) == n && clo_text_is_printable(name, n))
        memcpy(in->model, name, n);
}

static int on_request(void *ctx, const char *method, const char *scheme, const char *authority,
                      const char *path)
{
    struct clo_inner *in = ctx;

    (void)authority; /* there is one authority in here */
    if (strcmp(scheme, "https") != 0)
        return CLOISTER_E_MALFORMED;
    in->endpoint = CLO_EP_NONE;
    for (unsigned e = 0; e < CLO_EP_NONE; e++) {
        if (strcmp(path, endpoints[e].path) == 0)
            in->endpoint = (enum clo_endpoint)e;
    }
    if (strncmp(path, endpoints[CLO_EP_MODEL].path, strlen(endpoints[CLO_EP_MODEL].path)) == 0) {
        in->endpoint = CLO_EP_MODEL;
        read_model(in, path + strlen(endpoints[CLO_EP_MODEL].path));
    }
    if (in->endpoint == CLO_EP_NONE)
        set_late(in, CLO_API_NO_SUCH_PATH);
    else if (strcmp(method, endpoints[in->endpoint].method) != 0)
        set_late(in, CLO_API_BAD_METHOD);
    return 0;
}

static enum clo_api_code read_authorization(struct clo_inner *in, const char *value)
{
    const char *token = value + strlen(BEARER);
    size_t n = strlen(value);

    /* Another scheme is no key, which is for the credential check to say. */
    if (n <= strlen(BEARER) || strncasecmp(value, BEARER, strlen(BEARER)) != 0)
        return CLO_API_OK;
    n -= strlen(BEARER);
    if (n > CLO_TOKEN_MAX || clo_sha256(token, n, in->token) != 0)
        return CLO_API_BAD_FIELD;
    in->has_token = true;
    return CLO_API_OK;
}

static enum clo_api_code read_content_type(struct clo_inner *in, const char *value)
{
    const size_t n = strcspn(value, "; \t");

    if (n != strlen("application/json") || strncasecmp(value, "application/json", n) != 0)
        set_late(in, CLO_API_BAD_TYPE);
    return CLO_API_OK;
}

static enum clo_api_code read_shape(struct clo_inner *in, const char *value)
{
    return clo_shape_read(value, &in->shape) ? CLO_API_OK : CLO_API_BAD_FIELD;
}

static int read_request_id(const char *s, size_t n, uint8_t id[CLO_REQUEST_ID])
{
    uint8_t tmp[CLO_REQUEST_ID] = {0};
    size_t got = 0;
    int err = clo_unb64(s, n, tmp, sizeof(tmp), &got);

    if (err == 0 && got != sizeof(tmp))
        err = CLOISTER_E_MALFORMED;
    if (err == 0)
        memcpy(id, tmp, sizeof(tmp));
    return err;
}

static enum clo_api_code read_request_field(struct clo_inner *in, const char *value)
{
    if (read_request_id(value, strlen(value), in->request) != 0)
        return CLO_API_BAD_FIELD;
    in->has_request = true;
    return CLO_API_OK;
}

static enum clo_api_code read_accept(struct clo_inner *in, const char *value)
{
    (void)in; /* one form exists of each answer: the field is allowed, and changes nothing */
    (void)value;
    return CLO_API_OK;
}

static int on_headers(void *ctx, const struct clo_bhttp_field *f, size_t n)
{
    static const struct {
        const char *name;
        enum clo_api_code (*read)(struct clo_inner *in, const char *value);
        bool list; /* may stand there more than once */
    } known[] = {
        {"authorization", read_authorization, false},    {"accept", read_accept, true},
        {"content-type", read_content_type, false},      {"cloister-shape", read_shape, false},
        {"cloister-request", read_request_field, false},
    };
    bool seen[CLO_ARRAY_LEN(known)] = {false};
    struct clo_inner *in = ctx;

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < CLO_ARRAY_LEN(known); k++) {
            if (strcmp(f[i].name, known[k].name) != 0)
                continue;
            if (seen[k] && !known[k].list)
                in->fault = CLO_API_BAD_FIELD;
            seen[k] = true;
            if (in->fault == CLO_API_OK)
                in->fault = known[k].read(in, f[i].value);
        }
    }
    return 0;
}

bool clo_budget_has(const struct clo_budget *b, size_t n)
{
    return b->used <= b->max && n <= b->max - b->used;
}

/* Content that there is no room for is dropped at once; its end is still waited for. */
static int on_content(void *ctx, const uint8_t *p, size_t n)
{
    struct clo_inner *in = ctx;

    if (in->late == CLO_API_TOO_LARGE || in->late == CLO_API_BUSY)
        return 0;
    if (n > in->body.max - in->body.len) {
        clo_inner_drop_body(in);
        in->late = CLO_API_TOO_LARGE;
        return 0;
    }
    if (!clo_budget_has(in->budget, n) || clo_buf_append(&in->body, p, n) != 0) {
        clo_inner_drop_body(in);
        in->late = CLO_API_BUSY;
        return 0;
    }
    in->budget->used += n;
    in->charged += n;
    return 0;
}

int clo_inner_init(struct clo_inner *in, size_t body_max, struct clo_budget *budget)
{
    static const struct clo_bhttp_handler handler = {
        .request = on_request, .headers = on_headers, .content = on_content};
    struct clo_bhttp_dec *dec = NULL;
    int err = clo_bhttp_dec_new(CLO_BHTTP_REQUEST, &handler, in, &dec);

    if (err != 0)
        return err;
    *in = (struct clo_inner){
        .dec = dec, .budget = budget, .endpoint = CLO_EP_NONE, .body = clo_buf_init(body_max)};
    return 0;
}

void clo_inner_feed(struct clo_inner *in, const void *p, size_t n)
{
    if (in->fault == CLO_API_MALFORMED)
        return;
    if (clo_bhttp_dec_feed(in->dec, p, n) != 0) {
        in->fault = CLO_API_MALFORMED;
        clo_inner_drop_body(in);
    }
}

enum clo_api_code clo_inner_end(struct clo_inner *in)
{
    if (in->fault != CLO_API_MALFORMED && clo_bhttp_dec_end(in->dec) != 0)
        in->fault = CLO_API_MALFORMED;
    clo_bhttp_dec_free(in->dec);
    in->dec = NULL;
    if (in->fault != CLO_API_OK)
        in->shape = CLO_SHAPE_CHAT;
    return in->fault;
}

bool clo_inner_has_id(const struct clo_inner *in, const uint8_t id[CLO_REQUEST_ID])
{
    const bool same = clo_ct_equal(in->request, id, CLO_REQUEST_ID);

    clo_ct_public(&same, sizeof(same)); /* the answer tells it, and the other request's end */
    return in->has_request && same;
}

void clo_inner_drop_body(struct clo_inner *in)
{
    clo_buf_clear(&in->body);
    if (in->budget != NULL)
        in->budget->used -= in->charged;
    in->charged = 0;
}

void clo_inner_clear(struct clo_inner *in)
{
    clo_inner_drop_body(in);
    clo_bhttp_dec_free(in->dec);
    clo_wipe(in, sizeof(*in));
}

/* ---- bodies ---- */

#define CHAT       (1u << CLO_EP_CHAT)
#define COMPLETE   (1u << CLO_EP_COMPLETIONS)
#define EMBED      (1u << CLO_EP_EMBEDDINGS)
#define GENERATE   (CHAT | COMPLETE)
#define EVERYWHERE (GENERATE | EMBED)

static const struct {
    const char *name;
    unsigned where; /* bit mask of endpoints that pass it on */
    unsigned drop;  /* ... that take it and say nothing to the engine */
} members[] = {
    {"model", EVERYWHERE, 0},
    {"messages", CHAT, 0},
    {"prompt", COMPLETE, 0},
    {"suffix", COMPLETE, 0},
    {"echo", COMPLETE, 0},
    {"input", EMBED, 0},
    {"encoding_format", EMBED, 0},
    {"dimensions", EMBED, 0},
    {"stream", GENERATE, 0},
    {"stream_options", GENERATE, 0},
    {"max_tokens", GENERATE, 0},
    {"max_completion_tokens", CHAT, 0},
    {"temperature", GENERATE, 0},
    {"top_p", GENERATE, 0},
    {"top_k", GENERATE, 0},
    {"min_p", GENERATE, 0},
    {"n", GENERATE, 0},
    {"stop", GENERATE, 0},
    {"seed", GENERATE, 0},
    {"logprobs", GENERATE, 0},
    {"top_logprobs", CHAT, 0},
    {"logit_bias", GENERATE, 0},
    {"presence_penalty", GENERATE, 0},
    {"frequency_penalty", GENERATE, 0},
    {"response_format", CHAT, 0},
    {"tools", CHAT, 0},
    {"tool_choice", CHAT, 0},
    {"parallel_tool_calls", CHAT, 0},
    {"reasoning_effort", CHAT, 0},
    {"chat_template_kwargs", CHAT, 0},
    {"user", 0, EVERYWHERE},
    {"metadata", 0, EVERYWHERE},
    {"store", 0, EVERYWHERE},
    {"service_tier", 0, EVERYWHERE},
    {"safety_identifier", 0, EVERYWHERE},
    {"prompt_cache_key", 0, EVERYWHERE},
    {"prompt_cache_retention", 0, EVERYWHERE},
};

/* Copy what passes into `out`; the first member that may not be there is the fault. */
static void filter_members(enum clo_endpoint e, json_t *body, json_t *out,
                           struct clo_api_fault *ret)
{
    const char *name = NULL;
    json_t *value = NULL;

    json_object_foreach(body, name, value) {
        size_t i = 0;

        while (i < CLO_ARRAY_LEN(members) && strcmp(members[i].name, name) != 0)
            i++;
        if (i == CLO_ARRAY_LEN(members) || ((members[i].where | members[i].drop) & 1u << e) == 0) {
            set_fault(ret, CLO_API_BAD_MEMBER, name);
            return;
        }
        if ((members[i].where & 1u << e) != 0 && json_object_set(out, name, value) != 0) {
            set_fault(ret, CLO_API_BUSY, NULL);
            return;
        }
    }
}

/* An object with no members but these two, either of which may be missing. */
static bool has_only(const json_t *v, const char *one, const char *other)
{
    const size_t known = (size_t)(json_object_get(v, one) != NULL) +
                         (size_t)(json_object_get(v, other) != NULL);

    return json_is_object(v) && json_object_size(v) == known;
}

/*
 * A part has its type and the member of that name, because engines go by members that its type doesn't mention. Data of
 * pictures comes along or not at all: an engine that fetched a URL would tell its host what is asked.
 */
static bool is_part_ok(const json_t *part)
{
    const char *type = json_string_value(json_object_get(part, "type"));
    const json_t *value = type != NULL ? json_object_get(part, type) : NULL;
    const char *url = NULL;

    if (value == NULL || !has_only(part, "type", type))
        return false;
    if (strcmp(type, "text") == 0 || strcmp(type, "refusal") == 0)
        return json_is_string(value);
    if (strcmp(type, "input_audio") == 0)
        return has_only(value, "data", "format");
    if (strcmp(type, "image_url") != 0 || !has_only(value, "url", "detail"))
        return false;
    url = json_string_value(json_object_get(value, "url"));
    return url != NULL && strncasecmp(url, "data:", 5) == 0;
}

static bool is_content_ok(const json_t *content)
{
    size_t i = 0;
    json_t *part = NULL;

    json_array_foreach(content, i, part) {
        if (!is_part_ok(part))
            return false;
    }
    return content == NULL || json_is_null(content) || json_is_string(content) ||
           json_is_array(content);
}

static bool are_messages_ok(const json_t *messages)
{
    size_t i = 0;
    json_t *message = NULL;

    if (!json_is_array(messages) || json_array_size(messages) == 0)
        return false;
    json_array_foreach(messages, i, message) {
        if (!json_is_object(message) || !is_content_ok(json_object_get(message, "content")))
            return false;
    }
    return true;
}

/* How to think is the asker's choice. Other variables replace the template, or reach functions behind it. */
static bool is_template_ok(json_t *kwargs)
{
    static const char *const known[] = {"enable_thinking", "thinking", "clear_thinking",
                                        "thinking_budget", "reasoning_effort"};
    const char *name = NULL;
    json_t *value = NULL;

    json_object_foreach(kwargs, name, value) {
        size_t i = 0;

        while (i < CLO_ARRAY_LEN(known) && strcmp(known[i], name) != 0)
            i++;
        if (i == CLO_ARRAY_LEN(known) || json_is_object(value) || json_is_array(value))
            return false;
    }
    return kwargs == NULL || json_is_null(kwargs) || json_is_object(kwargs);
}

/* Only a stream has options; obfuscation is for those who see sizes through TLS, and is OpenAI's own. */
static bool are_options_ok(const json_t *options, bool stream)
{
    const json_t *usage = json_object_get(options, "include_usage");
    const json_t *obfuscation = json_object_get(options, "include_obfuscation");

    if (options == NULL || json_is_null(options))
        return true;
    return stream && has_only(options, "include_usage", "include_obfuscation") &&
           (usage == NULL || json_is_boolean(usage)) &&
           (obfuscation == NULL || json_is_boolean(obfuscation));
}

/* The values on which something of ours rests; all others are the engine's to judge. */
static void check_values(enum clo_endpoint e, json_t *body, const struct clo_api_engine *engine,
                         struct clo_api_asked *asked, struct clo_api_fault *ret)
{
    const json_t *options = json_object_get(body, "stream_options");
    const json_t *model = json_object_get(body, "model");
    const json_t *flag = json_object_get(body, "stream");
    const json_t *n = json_object_get(body, "n");

    if (e == CLO_EP_CHAT && !are_messages_ok(json_object_get(body, "messages"))) {
        set_fault(ret, CLO_API_BAD_VALUE, "messages");
    } else if (!is_template_ok(json_object_get(body, "chat_template_kwargs"))) {
        set_fault(ret, CLO_API_BAD_VALUE, "chat_template_kwargs");
    } else if (flag != NULL && !json_is_boolean(flag) && !json_is_null(flag)) {
        set_fault(ret, CLO_API_BAD_VALUE, "stream");
    } else if (!are_options_ok(options, json_is_true(flag))) {
        set_fault(ret, CLO_API_BAD_VALUE, "stream_options");
    } else if (engine->managed && json_object_get(body, "dimensions") != NULL) {
        /* llama-server would pass over it, and answer with as many as the model has. */
        set_fault(ret, CLO_API_BAD_MEMBER, "dimensions");
    } else if (n != NULL && !json_is_null(n) && engine->managed &&
               (!json_is_integer(n) || json_integer_value(n) != 1)) {
        /* More answers at once would run on slots that are not leased. */
        set_fault(ret, CLO_API_BAD_VALUE, "n");
    } else if (model != NULL && !json_is_string(model)) {
        set_fault(ret, CLO_API_BAD_VALUE, "model");
    } else if (model != NULL && strcmp(json_string_value(model), engine->model) != 0) {
        set_fault(ret, CLO_API_NO_SUCH_MODEL, "model");
    } else {
        asked->stream = json_is_true(flag);
        asked->usage = json_is_true(json_object_get(options, "include_usage"));
    }
}

/* What the engine is told beside what the request says. A name is always there, so that clo_api_body_close can begin with a comma. */
static int add_ours(json_t *pass, const struct clo_api_engine *engine, bool stream)
{
    (void)json_object_del(pass, "stream_options");
    if ((stream && json_object_set_new(pass, "stream_options",
                                       json_pack("{s:b}", "include_usage", 1)) != 0) ||
        json_object_set_new(pass, "model", json_string(engine->model)) != 0)
        return CLOISTER_E_MEMORY;
    return 0;
}

void clo_api_body(enum clo_endpoint e, const void *p, size_t n, const struct clo_api_engine *engine,
                  struct clo_api_asked *asked, struct clo_buf *out, struct clo_api_fault *ret)
{
    json_t *body = NULL, *pass = json_object();
    struct clo_api_asked wants = {0};
    int err = 0;

    set_fault(ret, CLO_API_OK, NULL);
    err = clo_json_parse(p, n, JSON_MAX_SIZE, &body);
    if (err == CLOISTER_E_MEMORY || pass == NULL) {
        set_fault(ret, CLO_API_BUSY, NULL);
        goto out;
    }
    if (err != 0 || !json_is_object(body)) {
        set_fault(ret, CLO_API_BAD_JSON, NULL);
        goto out;
    }
    filter_members(e, body, pass, ret);
    if (ret->code == CLO_API_OK)
        check_values(e, pass, engine, &wants, ret);
    if (ret->code != CLO_API_OK)
        goto out;
    if ((err = add_ours(pass, engine, wants.stream)) != 0 ||
        (err = clo_json_write(pass, out)) != 0) {
        set_fault(ret, err == CLOISTER_E_LIMIT ? CLO_API_TOO_LARGE : CLO_API_BUSY, NULL);
        goto out;
    }
    out->len--; /* the brace */
    *asked = wants;
out:
    json_decref(body);
    json_decref(pass);
}

int clo_api_body_close(bool managed, uint32_t slot, bool cache, const char *salt,
                       struct clo_buf *out)
{
    char tail[96] = "}";

    if (salt != NULL)
        snprintf(tail, sizeof(tail), ",\"cache_salt\":\"%.64s\"}", salt);
    else if (managed)
        snprintf(tail, sizeof(tail), ",\"id_slot\":%u,\"cache_prompt\":%s}", slot,
                 cache ? "true" : "false");
    return clo_buf_append(out, tail, strlen(tail));
}

void clo_api_cancel_body(const void *p, size_t n, uint8_t request[CLO_REQUEST_ID],
                         struct clo_api_fault *ret)
{
    json_t *body = NULL;
    struct clo_json_obj o = {0};
    const char *id = NULL;

    set_fault(ret, CLO_API_OK, NULL);
    if (clo_json_parse(p, n, JSON_MAX_SIZE, &body) != 0) {
        set_fault(ret, CLO_API_BAD_JSON, NULL);
        return;
    }
    o = clo_json_obj_init(body);
    id = clo_json_obj_str(&o, "request", CLO_B64_LEN(CLO_REQUEST_ID));
    if (clo_json_obj_end(&o) != 0 || read_request_id(id, strlen(id), request) != 0)
        set_fault(ret, CLO_API_BAD_VALUE, "request");
    json_decref(body);
}

int clo_api_cancel_write(bool cancelled, struct clo_buf *out)
{
    return write_and_drop(json_pack("{s:b}", "cancelled", cancelled), out);
}

static json_t *model_object(const char *model)
{
    return json_pack("{s:s, s:s, s:i, s:s}", "id", model, "object", "model", "created", 0,
                     "owned_by", "cloister");
}

int clo_api_models_write(const char *model, struct clo_buf *out)
{
    return write_and_drop(json_pack("{s:s, s:[o]}", "object", "list", "data", model_object(model)),
                          out);
}

int clo_api_model_write(const char *model, struct clo_buf *out)
{
    return write_and_drop(model_object(model), out);
}

/* ---- what an answer took ---- */

static uint64_t count_of(const json_t *usage, const char *name)
{
    const json_int_t n = json_integer_value(json_object_get(usage, name));

    return n > 0 && n <= TOKENS_MAX ? (uint64_t)n : 0;
}

bool clo_api_usage_read(const void *p, size_t n, struct clo_api_usage *ret)
{
    const json_t *usage = NULL, *choices = NULL;
    json_t *v = NULL;
    bool found = false;

    /* Most events have none, and needn't be parsed. */
    if (n == 0 || n > CLO_API_USAGE_MAX || memmem(p, n, "\"usage\"", 7) == NULL ||
        clo_json_parse(p, n, CLO_API_USAGE_MAX, &v) != 0)
        return false;
    usage = json_object_get(v, "usage");
    choices = json_object_get(v, "choices");
    found = json_is_object(usage);
    if (found)
        *ret = (struct clo_api_usage){
            .tokens = count_of(usage, "prompt_tokens") + count_of(usage, "completion_tokens"),
            .alone = json_is_array(choices) && json_array_size(choices) == 0};
    json_decref(v);
    return found;
}
