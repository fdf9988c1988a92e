/* SPDX-License-Identifier: Apache-2.0 */
/* `cloister chat`: a conversation at a terminal, or one question for scripts. */
#include "client/commands.h"

#include <string.h>
#include <unistd.h>

#include "attest/policy.h"
#include "base/secret.h"
#include "client/chat.h"
#include "client/say.h"
#include "platform/file.h"

enum {
    QUESTION_MAX = 8 << 20,
    KEY_MAX = 513 /* 512 characters and a zero */
};

/*
 * Out of the command line, which everybody on this machine may look at as long as it stands there (proc(5)), into memory that is wiped. The
 * arguments are the program's own to change (C17 5.1.2.2.1).
 */
static int take_argument(const char *arg, struct clo_buf *to)
{
    const size_t n = strlen(arg);
    int err = clo_buf_append(to, arg, n + 1);

    clo_wipe((char *)(uintptr_t)arg, n);
    if (err != 0)
        clo_say_problem("%s", cloister_strerror(err));
    return err;
}

/*
 * The question from the command line or standard input; none: a conversation. Standard input is read only if it was asked for, or is no
 * terminal and there is no other question.
 */
static int find_question(const struct clo_options *o, struct clo_buf *text, const char **ret)
{
    const bool piped = isatty(STDIN_FILENO) != 1;
    int err;

    if (text->len > 0) { /* the command line's */
        *ret = (const char *)text->p;
        return 0;
    }
    if (o->operands == 0 && !piped && isatty(STDOUT_FILENO) == 1)
        return 0;
    if ((err = clo_file_read("-", text)) != 0) {
        clo_say_file("the question", "read", err);
        return err;
    }
    while (text->len > 0 && text->p[text->len - 1] == '\n')
        text->len--;
    if (text->len == 0 || memchr(text->p, '\0', text->len) != NULL) {
        clo_say_problem(text->len == 0
                            ? "there is no question: give one as an argument or on standard input"
                            : "the question is not text in UTF-8");
        return CLOISTER_E_ARGUMENT;
    }
    if ((err = clo_buf_append(text, "", 1)) == 0)
        *ret = (const char *)text->p;
    return err;
}

static int find_key(const struct clo_options *o, struct clo_buf *key)
{
    int err;

    if (o->key_file == NULL)
        return 0;
    err = clo_file_read_key(o->key_file, key);
    if (err == CLOISTER_E_MALFORMED)
        clo_say_problem("%s does not hold an API key: one line of printable characters",
                        o->key_file);
    else if (err != 0)
        clo_say_file(o->key_file, "read", err);
    return err;
}

int clo_command_chat(const struct clo_options *o)
{
    struct clo_buf text = clo_buf_init(QUESTION_MAX + 1), key = clo_buf_init(KEY_MAX),
                   system = clo_buf_init(QUESTION_MAX + 1);
    struct clo_chat_setup setup = {.options = o, .model = o->model};
    struct clo_buf policy = clo_buf_init(CLO_POLICY_MAX);
    struct cloister_policy *parsed = NULL;
    int code = CLO_EXIT_ERROR, err;
    bool cuts = false;

    if (o->operands > 1) {
        clo_say_problem("one question at a time: put it into quotes");
        return code;
    }
    if (clo_options_cuts(o, &cuts) != 0)
        return code;
    /* At once: everything else takes its time. */
    if ((o->operands == 1 && strcmp(o->operand[0], "-") != 0 &&
         take_argument(o->operand[0], &text) != 0) ||
        (o->system != NULL && take_argument(o->system, &system) != 0))
        goto out;
    if (o->system != NULL)
        setup.system = (const char *)system.p;
    if (clo_common_guard() != 0 ||
        clo_common_policy_text(o->policy, &policy, &parsed, &code) != 0 ||
        clo_common_transport(o, &setup.transport, &code) != 0 || find_key(o, &key) != 0 ||
        find_question(o, &text, &setup.question) != 0)
        goto out;
    err = clo_session_new(setup.transport, &policy, key.len > 0 ? (const char *)key.p : NULL,
                          &setup.session);
    if (err != 0) {
        clo_say_problem("%s", cloister_strerror(err));
        goto out;
    }
    if (cuts)
        clo_session_cuts(setup.session);
    if (o->json && setup.question == NULL) {
        clo_say_problem(
            "--json prints one answer: give the question as an argument or on standard input");
        goto out;
    }
    code = clo_chat_run(&setup);
out:
    clo_session_free(setup.session);
    clo_transport_free(setup.transport);
    cloister_policy_free(parsed);
    clo_buf_clear(&policy);
    clo_buf_clear(&key);
    clo_buf_clear(&text);
    clo_buf_clear(&system);
    return code;
}
