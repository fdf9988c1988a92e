/* SPDX-License-Identifier: Apache-2.0 */
/* Questions and answers in OpenAI's shape: see answer.h. */
#include "client/answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/enc.h"
#include "base/secret.h"
#include "codec/json.h"
#include "codec/sse.h"

enum {
    EVENT_MAX = 1 << 20,
    TEXT_MAX = 16 << 20,
};

/* ---- questions ---- */

int clo_chat_add(json_t *messages, const char *role, const void *text, size_t n)
{
    json_t *content = NULL, *m = NULL;

    if (n > 0 && memchr(text, '\0', n) != NULL)
        return CLOISTER_E_MALFORMED;
    content = json_stringn(n > 0 ? text : "", n); /* NULL as well for what isn't UTF-8 */
    if (content == NULL)
        return CLOISTER_E_MALFORMED;
    m = json_pack("{s:s, s:o}", "role", role, "content", content);
    return m != NULL && json_array_append_new(messages, m) == 0 ? 0 : CLOISTER_E_MEMORY;
}

int clo_chat_body(const json_t *messages, const struct clo_chat_options *o, struct clo_buf *out)
{
    json_t *body = json_object();
    int err = CLOISTER_E_MEMORY;

    if (body == NULL || json_object_set_new(body, "model", json_string(o->model)) != 0 ||
        json_object_set_new(body, "messages", json_deep_copy(messages)) != 0 ||
        json_object_set_new(body, "stream", json_true()) != 0)
        goto out;
    if (o->usage &&
        json_object_set_new(body, "stream_options", json_pack("{s:b}", "include_usage", 1)) != 0)
        goto out;
    if ((o->max_tokens > 0 &&
         json_object_set_new(body, "max_tokens", json_integer(o->max_tokens)) != 0) ||
        (o->temperature >= 0 &&
         json_object_set_new(body, "temperature", json_real(o->temperature)) != 0) ||
        (o->seed >= 0 && json_object_set_new(body, "seed", json_integer(o->seed)) != 0))
        goto out;
    err = clo_json_write(body, out);
out:
    json_decref(body);
    return err;
}

/* ---- answers ---- */

struct clo_answer {
    int (*text_fn)(void *ctx, const char *p, size_t n);
    void *ctx;
    unsigned status;
    struct clo_sse *sse;  /* NULL unless the answer streams */
    struct clo_buf plain; /* an error document */
    struct clo_buf text;
    bool done, failed;
    char finish[32];
    json_t *usage;
    struct clo_answer_error error;
};

static void copy_printable(const char *s, char *dst, size_t cap)
{
    size_t n = 0;

    /* One line of what a terminal may see, without a final stop; what doesn't fit is left out. */
    if (s == NULL || !clo_text_is_printable(s, strlen(s)))
        s = "";
    for (; n < cap - 1 && s[n] != '\0'; n++) {
        dst[n] = s[n];
        if (s[n] == '\n' || s[n] == '\t')
            dst[n] = ' ';
    }
    /* ... and no half of a character */
    while (n > 0 && s[n] != '\0' && ((unsigned char)s[n] & 0xc0) == 0x80)
        n--;
    if (n > 0 && dst[n - 1] == '.')
        n--;
    dst[n] = '\0';
}

/* {"error": {"message": ..., "type": ..., "code": ...}}; code may be a number. */
static void take_error(struct clo_answer *a, const json_t *e)
{
    const char *code = json_string_value(json_object_get(e, "code"));

    a->failed = true;
    a->error.status = a->status;
    if (code == NULL)
        code = json_string_value(json_object_get(e, "type"));
    copy_printable(code, a->error.code, sizeof(a->error.code));
    copy_printable(json_string_value(json_object_get(e, "message")), a->error.message,
                   sizeof(a->error.message));
}

static int take_choice(struct clo_answer *a, const json_t *choice)
{
    const json_t *content = json_object_get(json_object_get(choice, "delta"), "content");
    const char *finish = json_string_value(json_object_get(choice, "finish_reason"));
    const size_t n = json_string_length(content);
    int err = 0;

    if (finish != NULL)
        copy_printable(finish, a->finish, sizeof(a->finish));
    if (n == 0)
        return 0;
    err = clo_buf_append(&a->text, json_string_value(content), n);
    return err != 0 ? err : a->text_fn(a->ctx, json_string_value(content), n);
}

static int on_event(void *ctx, const char *data, size_t n)
{
    struct clo_answer *a = ctx;
    const json_t *e = NULL;
    json_t *v = NULL;
    int err = 0;

    if (a->done || a->failed)
        return CLOISTER_E_PROTOCOL; /* nothing follows the end */
    if (n == 6 && memcmp(data, "[DONE]", 6) == 0) {
        a->done = true;
        return 0;
    }
    if (clo_json_parse(data, n, EVENT_MAX, &v) != 0)
        return CLOISTER_E_PROTOCOL;
    e = json_object_get(v, "error");
    if (json_is_object(json_object_get(v, "usage"))) {
        json_decref(a->usage);
        a->usage = json_incref(json_object_get(v, "usage"));
    }
    if (e != NULL) {
        take_error(a, e);
        err = CLOISTER_E_ENGINE; /* nothing more comes: who waits for it needn't */
    } else {
        err = take_choice(a, json_array_get(json_object_get(v, "choices"), 0));
    }
    json_decref(v);
    return err;
}

static bool is_stream(const char *type)
{
    static const char want[] = "text/event-stream";
    const size_t n = sizeof(want) - 1;

    return strncasecmp(type, want, n) == 0 && (type[n] == '\0' || type[n] == ';' || type[n] == ' ');
}

static int on_head(void *ctx, unsigned status, const struct cloister_field *f, size_t n)
{
    const char *type = cloister_field_find(f, n, "content-type");
    struct clo_answer *a = ctx;

    a->status = status;
    if (status == 200 && (type == NULL || !is_stream(type)))
        return CLOISTER_E_PROTOCOL;
    return status == 200 ? clo_sse_new(EVENT_MAX, on_event, a, &a->sse) : 0;
}

static int on_content(void *ctx, const void *p, size_t n)
{
    struct clo_answer *a = ctx;

    return a->sse != NULL ? clo_sse_feed(a->sse, p, n) : clo_buf_append(&a->plain, p, n);
}

const struct cloister_answer_handler clo_answer_handler = {.head = on_head, .content = on_content};

int clo_answer_new(int (*text)(void *ctx, const char *p, size_t n), void *ctx,
                   struct clo_answer **ret)
{
    struct clo_answer *a = clo_wipe_malloc(sizeof(*a));

    if (a == NULL)
        return CLOISTER_E_MEMORY;
    *a = (struct clo_answer){.text_fn = text,
                             .ctx = ctx,
                             .plain = clo_buf_init(EVENT_MAX),
                             .text = clo_buf_init(TEXT_MAX)};
    *ret = a;
    return 0;
}

void clo_answer_free(struct clo_answer *a)
{
    if (a == NULL)
        return;
    clo_sse_free(a->sse);
    clo_buf_clear(&a->plain);
    clo_buf_clear(&a->text);
    json_decref(a->usage);
    clo_wipe_free(a);
}

static int judge_status(unsigned status)
{
    switch (status) {
    case 401:
    case 403: return CLOISTER_E_CREDENTIAL;
    case 429: return CLOISTER_E_QUOTA;
    case 503: return CLOISTER_E_FULL;
    default: return CLOISTER_E_ENGINE;
    }
}

int clo_answer_end(struct clo_answer *a)
{
    json_t *v = NULL;
    int err;

    if (a->sse != NULL) {
        err = clo_sse_end(a->sse);
        if (a->failed)
            return CLOISTER_E_ENGINE;
        return err != 0 ? err : a->done ? 0 : CLOISTER_E_CUT;
    }
    if (a->status == 0)
        return CLOISTER_E_CUT;
    if (clo_json_parse(a->plain.p, a->plain.len, EVENT_MAX, &v) == 0)
        take_error(a, json_object_get(v, "error"));
    json_decref(v);
    return judge_status(a->status);
}

const struct clo_answer_error *clo_answer_error(const struct clo_answer *a)
{
    return a->failed ? &a->error : NULL;
}

bool clo_answer_was_limited(const struct clo_answer *a)
{
    return strcmp(a->finish, "length") == 0;
}

const char *clo_answer_finish(const struct clo_answer *a)
{
    return a->finish;
}

const json_t *clo_answer_usage(const struct clo_answer *a)
{
    return a->usage;
}

const struct clo_buf *clo_answer_text(const struct clo_answer *a)
{
    return &a->text;
}
