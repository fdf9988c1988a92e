/* SPDX-License-Identifier: Apache-2.0 */
/* Questions and answers in OpenAI's shape, as the client writes and reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/answer.h"

struct reading {
    struct clo_answer *a;
    char text[256];
    size_t n;
};

static int on_text(void *ctx, const char *p, size_t n)
{
    struct reading *r = ctx;

    assert_true(n < sizeof(r->text) - r->n);
    memcpy(r->text + r->n, p, n);
    r->n += n;
    return 0;
}

static void start(struct reading *r, unsigned status, const char *type)
{
    const struct cloister_field f = {"content-type", type};

    *r = (struct reading){0};
    assert_int_equal(clo_answer_new(on_text, r, &r->a), 0);
    assert_int_equal(clo_answer_handler.head(r->a, status, &f, 1), 0);
}

static int feed(struct reading *r, const char *s)
{
    return clo_answer_handler.content(r->a, s, strlen(s));
}

#define DELTA(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define FINISH(why) \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" why "\"}]}\n\n"
#define DONE "data: [DONE]\n\n"

static void pieces_become_one_text(void **state)
{
    struct reading r;
    (void)state;

    start(&r, 200, "text/event-stream; charset=utf-8");
    assert_int_equal(feed(&r, DELTA("Hel") DELTA("lo") FINISH("stop") DONE), 0);
    assert_int_equal(clo_answer_end(r.a), 0);
    assert_string_equal(r.text, "Hello");
    assert_int_equal(clo_answer_text(r.a)->len, 5);
    assert_false(clo_answer_was_limited(r.a));
    assert_null(clo_answer_error(r.a));
    clo_answer_free(r.a);
}

static void a_stream_without_done_is_cut(void **state)
{
    struct reading r;
    (void)state;

    start(&r, 200, "text/event-stream");
    assert_int_equal(feed(&r, DELTA("Hel") FINISH("stop")), 0);
    assert_int_equal(clo_answer_end(r.a), CLOISTER_E_CUT);
    clo_answer_free(r.a);
}

static void a_cut_event_is_cut(void **state)
{
    struct reading r;
    (void)state;

    start(&r, 200, "text/event-stream");
    assert_int_equal(feed(&r, DELTA("Hel") "data: [DONE]\n"), 0);
    assert_int_equal(clo_answer_end(r.a), CLOISTER_E_CUT);
    clo_answer_free(r.a);
}

static void an_error_event_fails_the_answer_even_with_done(void **state)
{
    struct reading r;
    (void)state;

    start(&r, 200, "text/event-stream");
    assert_int_equal(
        feed(&r,
             DELTA("Hel") "data: {\"error\":{\"message\":\"gone\",\"code\":\"engine_lost\"}}\n\n"),
        CLOISTER_E_ENGINE);
    assert_int_equal(clo_answer_end(r.a), CLOISTER_E_ENGINE);
    assert_string_equal(clo_answer_error(r.a)->code, "engine_lost");
    assert_string_equal(clo_answer_error(r.a)->message, "gone");
    assert_int_not_equal(feed(&r, DONE), 0);
    assert_int_equal(clo_answer_end(r.a), CLOISTER_E_ENGINE);
    clo_answer_free(r.a);
}

static void nothing_may_follow_done(void **state)
{
    struct reading r;
    (void)state;

    start(&r, 200, "text/event-stream");
    assert_int_equal(feed(&r, DONE DELTA("more")), CLOISTER_E_PROTOCOL);
    clo_answer_free(r.a);
}

static void the_length_limit_is_told(void **state)
{
    struct reading r;
    (void)state;

    start(&r, 200, "text/event-stream");
    assert_int_equal(feed(&r, DELTA("Hel") FINISH("length") DONE), 0);
    assert_int_equal(clo_answer_end(r.a), 0);
    assert_true(clo_answer_was_limited(r.a));
    clo_answer_free(r.a);
}

static void statuses_become_errors(void **state)
{
    static const struct {
        unsigned status;
        int err;
    } cases[] = {{401, CLOISTER_E_CREDENTIAL},
                 {429, CLOISTER_E_QUOTA},
                 {503, CLOISTER_E_FULL},
                 {400, CLOISTER_E_ENGINE}};
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reading r;

        start(&r, cases[i].status, "application/json");
        assert_int_equal(feed(&r, "{\"error\":{\"message\":\"no\",\"type\":\"t\",\"code\":null}}"),
                         0);
        assert_int_equal(clo_answer_end(r.a), cases[i].err);
        assert_int_equal(clo_answer_error(r.a)->status, cases[i].status);
        assert_string_equal(clo_answer_error(r.a)->code, "t");
        clo_answer_free(r.a);
    }
}

static void an_errors_text_that_could_harm_a_terminal_is_dropped(void **state)
{
    struct reading r;
    (void)state;

    start(&r, 500, "application/json");
    assert_int_equal(feed(&r, "{\"error\":{\"message\":\"\\u001b[2Jgone\",\"code\":\"x\"}}"), 0);
    assert_int_equal(clo_answer_end(r.a), CLOISTER_E_ENGINE);
    assert_string_equal(clo_answer_error(r.a)->message, "");
    clo_answer_free(r.a);
}

static void an_answer_that_does_not_stream_is_refused(void **state)
{
    const struct cloister_field json = {"content-type", "application/json"};
    struct reading r = {0};
    (void)state;

    assert_int_equal(clo_answer_new(on_text, &r, &r.a), 0);
    assert_int_equal(clo_answer_handler.head(r.a, 200, &json, 1), CLOISTER_E_PROTOCOL);
    assert_int_equal(clo_answer_handler.head(r.a, 200, NULL, 0), CLOISTER_E_PROTOCOL);
    clo_answer_free(r.a);
}

static void no_answer_at_all_is_a_cut(void **state)
{
    struct reading r = {0};
    (void)state;

    assert_int_equal(clo_answer_new(on_text, &r, &r.a), 0);
    assert_int_equal(clo_answer_end(r.a), CLOISTER_E_CUT);
    clo_answer_free(r.a);
}

static void a_question_holds_the_whole_conversation(void **state)
{
    const struct clo_chat_options all = {
        .model = "m", .max_tokens = 5, .temperature = 0.5, .seed = 7};
    const struct clo_chat_options none = {.model = "m", .temperature = -1, .seed = -1};
    struct clo_buf out = clo_buf_init(4096);
    json_t *messages = json_array();
    (void)state;

    assert_int_equal(clo_chat_add(messages, "system", "be brief", 8), 0);
    assert_int_equal(clo_chat_add(messages, "user", "\"hi\"\n", 5), 0);
    assert_int_equal(clo_chat_body(messages, &all, &out), 0);
    assert_int_equal(clo_buf_append(&out, "", 1), 0);
    assert_string_equal(
        (char *)out.p,
        "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},"
        "{\"role\":\"user\",\"content\":\"\\\"hi\\\"\\n\"}],\"stream\":true,"
        "\"max_tokens\":5,\"temperature\":0.5,\"seed\":7}");
    clo_buf_clear(&out);
    assert_int_equal(json_array_clear(messages), 0);
    assert_int_equal(clo_chat_body(messages, &none, &out), 0);
    assert_int_equal(clo_buf_append(&out, "", 1), 0);
    assert_string_equal((char *)out.p, "{\"model\":\"m\",\"messages\":[],\"stream\":true}");
    clo_buf_clear(&out);
    json_decref(messages);
}

static void a_message_is_text_in_utf8(void **state)
{
    json_t *messages = json_array();
    (void)state;

    assert_int_equal(clo_chat_add(messages, "user", "a\xff", 2), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_chat_add(messages, "user", "a\0b", 3), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_chat_add(messages, "user", "\xf0\x9f\xa6\x8a", 4), 0);
    assert_int_equal(clo_chat_add(messages, "user", NULL, 0), 0);
    assert_int_equal(json_array_size(messages), 2);
    json_decref(messages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_become_one_text),
        cmocka_unit_test(a_stream_without_done_is_cut),
        cmocka_unit_test(a_cut_event_is_cut),
        cmocka_unit_test(an_error_event_fails_the_answer_even_with_done),
        cmocka_unit_test(nothing_may_follow_done),
        cmocka_unit_test(the_length_limit_is_told),
        cmocka_unit_test(statuses_become_errors),
        cmocka_unit_test(an_errors_text_that_could_harm_a_terminal_is_dropped),
        cmocka_unit_test(an_answer_that_does_not_stream_is_refused),
        cmocka_unit_test(no_answer_at_all_is_a_cut),
        cmocka_unit_test(a_question_holds_the_whole_conversation),
        cmocka_unit_test(a_message_is_text_in_utf8),
    };

    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
