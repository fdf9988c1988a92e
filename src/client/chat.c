/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A conversation. Every question carries the whole history; a question whose answer did not arrive whole is not kept in it, and is
 * never sent again by the program. Users' text lives in wiping memory, and in no file.
 */
#include "client/chat.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/secret.h"
#include "client/answer.h"
#include "client/prompt.h"
#include "client/say.h"
#include "client/stop.h"
#include "codec/json.h"
#include "platform/file.h"

enum {
    MESSAGE_MAX = 8 << 20,
    REQUEST_MAX = 16 << 20,
    RETRY_S = 60, /* between attempts to refresh evidence at an idle prompt */
    IDLE_S = 5,   /* ... which begins so long after it was shown */
    IDLE_MS = 5000,
    DRAIN_MS = 200,      /* while streams of earlier answers go on */
    CHAT_TOKENS = 32768, /* beyond, one a frame, an answer may not fit the class `chat` */
};

struct chat {
    const struct clo_chat_setup *setup;
    json_t *messages;
    bool terminal;     /* standard output is one */
    uint8_t shown[32]; /* digest of the keys that the user was last told of */
    int64_t next_refresh;
    /* the answer that is being written */
    struct clo_buf pending; /* the beginning of a character */
    bool ends_line;
    int write_errno;
};

/* ---- output ---- */

static int put(struct chat *c, const void *p, size_t n)
{
    if (n == 0)
        return 0;
    c->ends_line = ((const char *)p)[n - 1] == '\n';
    if (clo_write_all(STDOUT_FILENO, p, n) == 0)
        return 0;
    c->write_errno = errno;
    return CLOISTER_E_IO;
}

/* Raw into a pipe or file; into a terminal only what can't harm it, whole characters at a time. */
static int put_text(struct chat *c, bool last)
{
    struct clo_buf *b = &c->pending;
    char *safe = NULL;
    size_t used = 0, n;
    int err;

    if (!c->terminal) {
        err = put(c, b->p, b->len);
        clo_buf_consume(b, b->len);
        return err;
    }
    safe = clo_wipe_malloc(3 * b->len + 1);
    if (safe == NULL)
        return CLOISTER_E_MEMORY;
    n = clo_text_sanitise(b->p, b->len, last, safe, &used);
    err = put(c, safe, n);
    clo_buf_consume(b, used);
    clo_wipe_free(safe);
    return err;
}

static int on_text(void *ctx, const char *p, size_t n)
{
    struct chat *c = ctx;
    int err;

    if (c->setup->options->json) /* the answer keeps it until it is whole */
        return 0;
    err = clo_buf_append(&c->pending, p, n);

    return err != 0 ? err : put_text(c, false);
}

/* What is left of the answer, and a line end. */
static int finish_text(struct chat *c)
{
    int err = put_text(c, true);

    if (err == 0 && !c->ends_line)
        err = put(c, "\n", 1);
    return err;
}

/* One answer as a document: only ever a whole one. */
static int put_json(struct chat *c, const struct clo_answer *a)
{
    const struct cloister_verdict *v = clo_session_verdict(c->setup->session);
    struct clo_buf out = clo_buf_init(2 * MESSAGE_MAX);
    char keys[65], evidence[65];
    json_t *doc = NULL;
    int err = CLOISTER_E_MEMORY;

    clo_hex(v->keys_digest, 32, keys);
    clo_hex(v->evidence_digest, 32, evidence);
    doc = json_pack("{s:i, s:s%, s:s, s:s, s:b, s:s, s:s, s:O*}", "v", 1, "answer",
                    clo_answer_text(a)->len > 0 ? (const char *)clo_answer_text(a)->p : "",
                    clo_answer_text(a)->len, "finish_reason", clo_answer_finish(a), "model",
                    v->model, "simulated", (int)v->simulated, "evidence_sha256", evidence,
                    "keys_sha256", keys, "usage", clo_answer_usage(a));
    if (doc != NULL && (err = clo_json_write(doc, &out)) == 0 &&
        (err = clo_buf_append(&out, "\n", 1)) == 0)
        err = put(c, out.p, out.len);
    json_decref(doc);
    clo_buf_clear(&out);
    return err;
}

/* ---- the channel ---- */

/* A verified server, and the user told about it whenever it has other keys than before. */
static int ready(struct chat *c)
{
    struct clo_session *s = c->setup->session;
    const struct cloister_verdict *v = clo_session_verdict(s);
    int err;

    if (c->setup->before != NULL && (err = c->setup->before(c->setup->ctx)) != 0)
        return err;
    if ((err = clo_session_ready(s)) != 0) {
        clo_say_fault(clo_session_fault(s), v, clo_transport_url(c->setup->transport));
        return err;
    }
    if (memcmp(c->shown, v->keys_digest, sizeof(c->shown)) != 0) {
        memcpy(c->shown, v->keys_digest, sizeof(c->shown));
        clo_say_verified(v);
    }
    return 0;
}

/* At an idle prompt evidence is renewed when its time is over, so that the next question doesn't give away by it when it comes. */
static int on_idle(void *ctx)
{
    struct chat *c = ctx;
    const int64_t now = time(NULL);

    clo_transport_drain(c->setup->transport);
    if (!clo_session_is_ready(c->setup->session) && now >= c->next_refresh) {
        c->next_refresh = now + RETRY_S;
        if (c->setup->before == NULL || c->setup->before(c->setup->ctx) == 0)
            (void)!clo_session_ready(c->setup->session); /* a failure is told when the user asks */
    }
    return clo_transport_drains(c->setup->transport) > 0 ? DRAIN_MS : IDLE_MS;
}

/* ---- a question ---- */

/* The answer came whole, or one sentence has been said. */
static int explain(struct chat *c, struct clo_answer *a, int err)
{
    const struct clo_fault *f = clo_session_fault(c->setup->session);
    const struct clo_answer_error *e = NULL;

    if (err == 0)
        err = clo_answer_end(a);
    e = clo_answer_error(a);
    if (err == 0) {
        if (clo_answer_was_limited(a))
            clo_say_note("the answer reached its length limit");
        return 0;
    }
    if (clo_answer_text(a)->len > 0 && c->terminal)
        (void)!put(c, "\n", c->ends_line ? 0 : 1);
    if (e != NULL) {
        clo_say_answer_error(e);
    } else if (f->err != 0) {
        errno = c->write_errno;
        clo_say_fault(f, NULL, clo_transport_url(c->setup->transport));
    } else {
        const struct clo_fault inner = {.step = CLO_STEP_ANSWER, .err = err, .reply.sent = true};

        clo_say_fault(&inner, NULL, "");
    }
    return err;
}

static int send(struct chat *c, struct clo_answer *a)
{
    const struct clo_chat_setup *setup = c->setup;
    const struct clo_chat_options o = {
        .model = setup->model != NULL ? setup->model : clo_session_verdict(setup->session)->model,
        .max_tokens = setup->options->max_tokens,
        .temperature = setup->options->temperature,
        .seed = setup->options->seed,
        .usage = setup->options->json,
    };
    struct clo_ask what = {
        .method = "POST",
        .path = "/v1/chat/completions",
        .content_type = "application/json",
        .accept = "text/event-stream",
        .shape = o.max_tokens > CHAT_TOKENS ? "wide" : "chat",
    };
    struct clo_buf body = clo_buf_init(REQUEST_MAX);
    int err;

    if ((err = clo_chat_body(c->messages, &o, &body)) == 0) {
        what.body = body.p;
        what.body_n = body.len;
        err = clo_session_ask(setup->session, &what, &clo_answer_handler, a);
    } else {
        clo_say_problem("the conversation is too large to be sent: /reset begins a new one");
    }
    clo_buf_clear(&body);
    return err;
}

/* Ask, and keep question and answer if the answer came whole. */
static int ask(struct chat *c, const void *text, size_t n)
{
    const size_t kept = json_array_size(c->messages);
    struct clo_answer *a = NULL;
    int err;

    if ((err = ready(c)) != 0)
        return err;
    if ((err = clo_chat_add(c->messages, "user", text, n)) != 0) {
        clo_say_problem("the question was not sent: it is not text in UTF-8");
        goto out;
    }
    if ((err = clo_answer_new(on_text, c, &a)) != 0)
        goto out;
    c->ends_line = true;
    c->write_errno = 0;
    err = send(c, a);
    if (err == 0 && !c->setup->options->json && (err = finish_text(c)) != 0) {
        errno = c->write_errno;
        clo_say_file("the answer", "written", err);
        goto out;
    }
    if ((err = explain(c, a, err)) != 0)
        goto out;
    if (c->setup->options->json && (err = put_json(c, a)) != 0) {
        errno = c->write_errno;
        clo_say_file("the answer", "written", err);
        goto out;
    }
    err = clo_chat_add(c->messages, "assistant", clo_answer_text(a)->p, clo_answer_text(a)->len);
out:
    while (err != 0 && json_array_size(c->messages) > kept)
        (void)json_array_remove(c->messages, json_array_size(c->messages) - 1);
    clo_buf_clear(&c->pending);
    clo_answer_free(a);
    return err;
}

/* ---- a conversation at a terminal ---- */

static int reset(struct chat *c, const char *system)
{
    if (json_array_clear(c->messages) != 0)
        return CLOISTER_E_MEMORY;
    return system != NULL && system[0] != '\0'
               ? clo_chat_add(c->messages, "system", system, strlen(system))
               : 0;
}

static void help(void)
{
    fputs(
        "/system TEXT  begin a new conversation with this system message (without TEXT: show it)\n"
        "/reset        begin a new conversation; the system message stays\n"
        "/verify       show what was verified\n"
        "/help         this text\n"
        "/quit         leave (also Ctrl-D)\n"
        "Ctrl-C        stop the answer; at the prompt: throw the line away\n"
        "Several lines: end a line with \\, or begin and end with \"\"\", or paste.\n"
        "A question that begins with / is written with a space before it.\n"
        "The whole conversation is sent with each question. It is kept in memory only: nothing of it is "
        "ever written to a file.\n",
        stdout);
}

static const char *system_message(const struct chat *c)
{
    const json_t *first = json_array_get(c->messages, 0);
    const char *role = json_string_value(json_object_get(first, "role"));

    return role != NULL && strcmp(role, "system") == 0
               ? json_string_value(json_object_get(first, "content"))
               : NULL;
}

static int command_system(struct chat *c, const char *text)
{
    const char *now = system_message(c);

    if (text[0] != '\0') {
        clo_say_note("a new conversation begins with this system message");
        return reset(c, text);
    }
    if (now == NULL)
        clo_say_note("there is no system message");
    else /* users' text: through memory that is wiped, and whole */
        return on_text(c, now, strlen(now)) == 0 ? finish_text(c) : CLOISTER_E_MEMORY;
    return 0;
}

static int command_reset(struct chat *c)
{
    const char *now = system_message(c);
    char *copy = now != NULL ? clo_wipe_malloc(strlen(now) + 1) : NULL;
    int err = CLOISTER_E_MEMORY;

    if (now == NULL || copy != NULL) {
        if (copy != NULL)
            memcpy(copy, now, strlen(now) + 1);
        err = reset(c, copy);
        clo_say_note("a new conversation begins");
    }
    clo_wipe_free(copy);
    return err;
}

/* line is zero-terminated. Returns false to leave. */
static bool command(struct chat *c, const char *line)
{
    const size_t n = strcspn(line, " \n");
    const char *rest = line + n + strspn(line + n, " \n");

#define IS(name) (n == strlen(name) && strncmp(line, name, n) == 0)
    if (IS("/quit") || IS("/exit"))
        return false;
    if (IS("/help"))
        help();
    else if (IS("/verify"))
        clo_print_verdict(stdout, clo_session_verdict(c->setup->session), true);
    else if (IS("/system"))
        (void)!command_system(c, rest);
    else if (IS("/reset"))
        (void)!command_reset(c);
    else
        clo_say_problem(
            "there is no command %.*s: /help lists them; a question that begins with / is "
            "written with a space before it",
            (int)(n < 32 ? n : 32), line);
#undef IS
    (void)fflush(stdout);
    return true;
}

static int converse(struct chat *c)
{
    struct clo_buf line = clo_buf_init(MESSAGE_MAX);
    struct clo_prompt *p = NULL;
    char prompt[96];
    int err;

    /* \1 marks what takes no room on the screen; libedit shows it with the character that follows, so one has to. */
    (void)snprintf(prompt, sizeof(prompt), "\1%s\1%s>\1%s\1 ",
                   clo_style(stdout, clo_session_verdict(c->setup->session)->simulated ? CLO_YELLOW
                                                                                       : CLO_BOLD),
                   clo_session_verdict(c->setup->session)->simulated ? "[SIMULATED] " : "",
                   clo_style(stdout, CLO_PLAIN));
    if ((err = clo_prompt_new(prompt, on_idle, c, &p)) != 0)
        return err;
    clo_say_note("/help says what else there is; Ctrl-D leaves");
    for (;;) {
        clo_stop_clear();
        clo_buf_clear(&line);
        if (c->next_refresh < time(NULL) + IDLE_S)
            c->next_refresh = time(NULL) + IDLE_S;
        err = clo_prompt_read(p, &line);
        if (clo_stop_signal() != 0 && clo_stop_signal() != SIGINT)
            break;
        if (err == CLOISTER_E_CANCELLED || (err == 0 && line.len == 0))
            continue;
        if (err == CLOISTER_E_LIMIT)
            clo_say_problem("that is more than one message can hold");
        else if (err != 0)
            break;
        else if (line.p[0] == '/' && clo_buf_append(&line, "", 1) == 0) {
            if (!command(c, (const char *)line.p))
                break;
        } else
            (void)!ask(c, line.p, line.len); /* what went wrong has been said */
        if (clo_stop_signal() != 0 && clo_stop_signal() != SIGINT)
            break;
    }
    clo_buf_clear(&line);
    clo_prompt_free(p);
    return 0;
}

/* ---- */

int clo_chat_run(const struct clo_chat_setup *setup)
{
    struct chat c = {
        .setup = setup,
        .messages = json_array(),
        .terminal = isatty(STDOUT_FILENO) == 1,
        .pending = clo_buf_init(MESSAGE_MAX),
    };
    int code = 1;

    clo_transport_stop_fd(setup->transport, clo_stop_fd());
    if (c.messages == NULL || reset(&c, setup->system) != 0) {
        clo_say_problem("the system message is not text in UTF-8");
        goto out;
    }
    if (ready(&c) != 0) {
        code = clo_fault_exit(clo_session_fault(setup->session),
                              clo_session_verdict(setup->session));
        goto out;
    }
    if (setup->question != NULL)
        code = ask(&c, setup->question, strlen(setup->question)) == 0 ? 0 : 1;
    else
        code = converse(&c) == 0 ? 0 : 1;
out:
    json_decref(c.messages);
    clo_buf_clear(&c.pending);
    return code;
}
