/* SPDX-License-Identifier: Apache-2.0 */
/* Classes for requests: see fit.h. */
#include "client/proxy/fit.h"

#include <stdio.h>
#include <string.h>

#include "codec/json.h"

#define CHAT        "/v1/chat/completions"
#define COMPLETIONS "/v1/completions"
#define EMBEDDINGS  "/v1/embeddings"

static bool is_set(const json_t *body, const char *name)
{
    const json_t *v = json_object_get(body, name);

    return v != NULL && !json_is_null(v) && !json_is_false(v);
}

static bool exceeds(const json_t *body, const char *name, json_int_t max)
{
    return json_integer_value(json_object_get(body, name)) > max;
}

static bool has_many(const json_t *body, const char *name, size_t max)
{
    return json_array_size(json_object_get(body, name)) > max;
}

static bool is_wide(const json_t *body)
{
    return is_set(body, "logprobs") || is_set(body, "top_logprobs") || exceeds(body, "n", 1) ||
           has_many(body, "tools", 0) || has_many(body, "functions", 0) ||
           has_many(body, "prompt", 1) || exceeds(body, "max_tokens", CLO_FIT_CHAT_TOKENS) ||
           exceeds(body, "max_completion_tokens", CLO_FIT_CHAT_TOKENS);
}

/* The member with which the answer can be limited, unless it is; a member that is there as null can't be added again. */
static const char *missing_limit(const json_t *body, bool chat)
{
    static const char *const names[] = {"max_tokens", "max_completion_tokens"};
    const size_t n = chat ? 2 : 1;

    for (size_t i = 0; i < n; i++)
        if (is_set(body, names[i]))
            return NULL;
    for (size_t i = 0; i < n; i++)
        if (json_object_get(body, names[i]) == NULL)
            return names[i];
    return NULL;
}

void clo_fit_judge(const char *path, const struct clo_buf *body, struct clo_fit *ret)
{
    const bool chat = strcmp(path, CHAT) == 0;
    json_t *v = NULL;

    *ret = (struct clo_fit){.shape = strcmp(path, EMBEDDINGS) == 0 ? "bulk" : "chat"};
    if ((!chat && strcmp(path, COMPLETIONS) != 0) || body->len == 0 ||
        clo_json_parse(body->p, body->len, body->len, &v) != 0)
        return;
    if (json_object_size(v) > 0) {
        if (is_wide(v))
            ret->shape = "wide";
        ret->limit = missing_limit(v, chat);
    }
    json_decref(v);
}

int clo_fit_limit(const struct clo_fit *f, struct clo_buf *body)
{
    char text[CLO_FIT_ROOM];
    size_t n = body->len;
    int len;

    if (f->limit == NULL)
        return 0;
    while (n > 0 && body->p[n - 1] != '}') /* white space: it was seen to be an object */
        n--;
    if (n == 0)
        return CLOISTER_E_ARGUMENT;
    len = snprintf(text, sizeof(text), ",\"%s\":%d}", f->limit, CLO_FIT_MAX_TOKENS);
    body->len = n - 1;
    return clo_buf_append(body, text, (size_t)len);
}
