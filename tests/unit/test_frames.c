/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a shaped answer: each has its size whatever is said, and the answer inside is whole. fuzz/fuzz_frames.c tries all orders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "codec/bhttp.h"
#include "daemon/gateway/delta.h"
#include "daemon/gateway/frames.h"

#define TAIL ",\"id\":\"x\",\"object\":\"chat.completion.chunk\"}"
/* One word as llama-server sends it; `more` stands in the choice, `top` behind it. */
#define WORD_(text, more, top)                                                                    \
    "{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"" text "\"}" more \
    "}]" top TAIL
#define WORD(text) WORD_(text, "", ",\"created\":1")

enum {
    NONCE = 32,
    WAIT_MAX = 1 << 20,
};

struct t {
    struct clo_frames *f;
    struct clo_shape_class class;
    struct clo_bhttp_dec *dec;
    struct clo_buf content;
    unsigned informational, status, frames;
    bool final;
};

static int on_informational(void *ctx, unsigned status)
{
    struct t *t = ctx;

    assert_int_equal(status, 102);
    t->informational++;
    return 0;
}

static int on_response(void *ctx, unsigned status)
{
    ((struct t *)ctx)->status = status;
    return 0;
}

static int on_content(void *ctx, const uint8_t *p, size_t n)
{
    return clo_buf_append(&((struct t *)ctx)->content, p, n);
}

static void start(struct t *t, enum clo_shape c)
{
    static const struct clo_bhttp_handler events = {
        .informational = on_informational, .response = on_response, .content = on_content};

    *t = (struct t){.class = clo_shape_class(CLO_SHAPING_FULL, c),
                    .content = clo_buf_init(32 << 20)};
    assert_int_equal(clo_frames_new(&t->class, NONCE, WAIT_MAX, &t->f), 0);
    assert_int_equal(clo_bhttp_dec_new(CLO_BHTTP_RESPONSE, &events, t, &t->dec), 0);
}

static void end(struct t *t)
{
    clo_frames_free(t->f);
    clo_bhttp_dec_free(t->dec);
    clo_buf_clear(&t->content);
}

static void head(struct t *t, bool stream)
{
    static const struct clo_bhttp_field f[] = {{"content-type", "text/event-stream"},
                                               {"cache-control", "no-store"}};

    assert_int_equal(clo_frames_head(t->f, 200, f, 2, stream), 0);
}

static void event(struct t *t, const char *data)
{
    assert_int_equal(clo_frames_event(t->f, data, strlen(data)), 0);
}

static void take(struct t *t, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct clo_buf out = clo_buf_init(16384);

        assert_false(t->final);
        assert_int_equal(clo_frames_next(t->f, &out, &t->final), 0);
        assert_int_equal(out.len,
                         clo_frame_plain(t->class.frame, t->frames == 0 ? NONCE : 0, t->final));
        t->frames++;
        assert_int_equal(clo_bhttp_dec_feed(t->dec, out.p, out.len), 0);
        clo_buf_clear(&out);
    }
}

static void take_all(struct t *t)
{
    while (!t->final)
        take(t, 1);
}

/* What came, but for comments and blank lines. */
static void assert_events(struct t *t, const char *want)
{
    struct clo_buf got = clo_buf_init(32 << 20);

    assert_int_equal(clo_buf_append(&t->content, "", 1), 0);
    for (char *save = NULL, *line = strtok_r((char *)t->content.p, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (line[0] == ':') {
            assert_int_equal(strspn(line + 1, " "), strlen(line + 1));
            continue;
        }
        assert_int_equal(clo_buf_append(&got, line, strlen(line)), 0);
        assert_int_equal(clo_buf_append(&got, "\n", 1), 0);
    }
    assert_int_equal(clo_buf_append(&got, "", 1), 0);
    assert_string_equal((const char *)got.p, want);
    clo_buf_clear(&got);
}

static void what_is_not_known_yet_is_an_informational_response(void **state)
{
    (void)state;
    for (unsigned c = 0; c < CLO_SHAPES; c++) {
        struct t t;

        start(&t, (enum clo_shape)c);
        take(&t, 7);
        assert_int_equal(t.informational, 7);
        head(&t, true);
        event(&t, "[DONE]");
        assert_int_equal(clo_frames_end(t.f), 0);
        take_all(&t);
        assert_int_equal(t.status, 200);
        assert_int_equal(t.frames, t.class.first);
        assert_int_equal(clo_bhttp_dec_end(t.dec), 0);
        assert_events(&t, "data: [DONE]\n");
        end(&t);
    }
}

static void words_that_wait_together_are_one_event(void **state)
{
    struct t t;

    (void)state;
    start(&t, CLO_SHAPE_CHAT);
    head(&t, true);
    take(&t, 1);
    for (int i = 0; i < 40; i++)
        event(&t, WORD("abc "));
    event(&t, WORD("\\u00e9\\\"\xc3\xa9"));
    take(&t, 1);
    assert_int_equal(clo_frames_waiting(t.f), 0); /* forty-one events in one frame */
    event(&t, WORD("next"));
    take(&t, 1);
    assert_int_equal(clo_frames_end(t.f), 0);
    take_all(&t);
    assert_events(
        &t,
        "data: " WORD(
            "abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc "
            "abc abc abc abc abc abc abc abc abc abc abc abc abc \\u00e9\\\"\xc3\xa9") "\ndata: " WORD("next") "\n");
    end(&t);
}

static void when_it_was_made_makes_no_difference(void **state)
{
    struct t t;

    (void)state;
    start(&t, CLO_SHAPE_CHAT);
    head(&t, true);
    event(&t, WORD_("a", "", ",\"created\":9"));
    event(&t, WORD_("b", "", ",\"created\":10"));
    event(&t, "{\"created\":9,\"choices\":[{\"delta\":{\"content\":\"c\"}}]}");
    event(&t, "{\"created\":10,\"choices\":[{\"delta\":{\"content\":\"d\"}}]}");
    event(&t, "{\"created\":11,\"choices\":[{\"delta\":{\"content\":\"e\"}}]}");
    event(&t, "{\"choices\":[{\"text\":\"f\",\"index\":0,\"logprobs\":null}]}");
    event(&t, "{\"choices\":[{\"text\":\"g\",\"index\":0,\"logprobs\":null}]}");
    assert_int_equal(clo_frames_end(t.f), 0);
    take_all(&t);
    assert_events(
        &t,
        "data: " WORD_(
            "ab", "",
            ",\"created\":9") "\n"
                              "data: {\"created\":9,\"choices\":[{\"delta\":{\"content\":\"cde\"}}]}\n"
                              "data: {\"choices\":[{\"text\":\"fg\",\"index\":0,\"logprobs\":null}]}\n");
    end(&t);
}

/* As llama-server, and others, begin a chat's answer. */
#define OPENING(content)                                                                                       \
    "{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":" content \
    "}}],\"created\":1" TAIL

static void the_first_word_comes_with_its_author(void **state)
{
    static const char *const empty[] = {"null", "\"\""};
    static const char *const word[] = {"a", "abc", ""};
    struct t t;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(empty) * CLO_ARRAY_LEN(word); i++) {
        char first[512], next[512], want[1024];

        snprintf(first, sizeof(first), OPENING("%s"), empty[i / CLO_ARRAY_LEN(word)]);
        snprintf(next, sizeof(next), WORD("%s"), word[i % CLO_ARRAY_LEN(word)]);
        start(&t, CLO_SHAPE_CHAT);
        head(&t, true);
        event(&t, first);
        event(&t, next);
        event(&t, WORD("more"));
        assert_int_equal(clo_frames_end(t.f), 0);
        take_all(&t);
        snprintf(want, sizeof(want), "data: " OPENING("\"%s\"") "\ndata: " WORD("more") "\n",
                 word[i % CLO_ARRAY_LEN(word)]);
        assert_events(&t, want);
        end(&t);
    }
}

/* What isn't the first word of the same answer, or comes when the opening is on its way. */
static void an_opening_stays_by_itself(void **state)
{
    static const char *const next[] = {
        WORD_("a", ",\"logprobs\":{}", ""),
        WORD_("a", "", ""),
        "{\"choices\":[{\"finish_reason\":null,\"index\":1,\"delta\":{\"content\":\"a\"}}],\"created\":1" TAIL,
        "{\"choices\":[{\"finish_reason\":null,\"index\":0,\"text\":\"a\"}],\"created\":1" TAIL,
        OPENING("null"),
        OPENING("\"a\""),
        "[DONE]",
    };
    struct t t;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(next); i++) {
        char want[1024];

        start(&t, CLO_SHAPE_CHAT);
        head(&t, true);
        event(&t, OPENING("null"));
        event(&t, next[i]);
        assert_int_equal(clo_frames_end(t.f), 0);
        take_all(&t);
        snprintf(want, sizeof(want), "data: %s\ndata: %s\n", OPENING("null"), next[i]);
        assert_events(&t, want);
        end(&t);
    }
    start(&t, CLO_SHAPE_CHAT);
    head(&t, true);
    event(&t, OPENING("null"));
    take(&t, 1);
    event(&t, WORD("a"));
    assert_int_equal(clo_frames_end(t.f), 0);
    take_all(&t);
    assert_events(&t, "data: " OPENING("null") "\ndata: " WORD("a") "\n");
    end(&t);
}

static void what_says_more_than_text_stays_by_itself(void **state)
{
    static const char *const alone[] = {
        WORD_("a", ",\"logprobs\":{\"content\":[]}", ""),
        WORD_("a", ",\"token_ids\":[1]", ""),
        "{\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{\"content\":\"a\"}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"a\"}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\",\"tool_calls\":[]}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":null}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"text\":\"b\"}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"a\"}},{\"delta\":{\"content\":\"b\"}}]}",
        "{\"choices\":[],\"usage\":{}}",
        "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]",
        "{\"choices\":[{\"delta\":{\"content\":\"a}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]} ",
        "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"choices\":[{\"delta\":{\"content\":\"a\"}}]}",
        "[DONE]",
        "",
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(alone); i++) {
        struct clo_delta d = {0};

        assert_false(clo_delta_find(alone[i], strlen(alone[i]), &d));
    }
}

static void other_choices_and_other_answers_stay_apart(void **state)
{
    static const char a[] = WORD("a");
    static const char *const other[] = {
        "{\"choices\":[{\"finish_reason\":null,\"index\":1,\"delta\":{\"content\":\"a\"}}],\"created\":1" TAIL,
        "{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"a\"}}],\"created\":1,\"id\":\"y\"}",
        "{\"created\":1,\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"a\"}}]" TAIL,
        WORD_("a", "", ""),
        "{\"choices\":[{\"finish_reason\":null,\"index\":0,\"text\":\"a\"}],\"created\":1" TAIL,
    };
    struct clo_delta da = {0};

    (void)state;
    assert_true(clo_delta_find(a, strlen(a), &da));
    for (size_t i = 0; i < CLO_ARRAY_LEN(other); i++) {
        struct clo_delta d = {0};

        assert_true(clo_delta_find(other[i], strlen(other[i]), &d));
        assert_false(clo_delta_same(a, strlen(a), &da, other[i], strlen(other[i]), &d));
        assert_false(clo_delta_same(other[i], strlen(other[i]), &d, a, strlen(a), &da));
    }
}

static void an_answer_is_taken_back_until_a_frame_has_it(void **state)
{
    struct t t;

    (void)state;
    start(&t, CLO_SHAPE_CHAT);
    head(&t, true);
    event(&t, WORD("half"));
    take(&t, 0);
    assert_true(clo_frames_take_back(t.f));
    take(&t, 1);
    head(&t, false);
    assert_int_equal(clo_frames_content(t.f, "{}", 2), 0);
    take(&t, 1);
    assert_false(clo_frames_take_back(t.f));
    assert_int_equal(clo_frames_end(t.f), 0);
    take_all(&t);
    assert_int_equal(t.informational, 1);
    assert_int_equal(clo_bhttp_dec_end(t.dec), 0);
    assert_memory_equal(t.content.p, "{}\n", 3);
    end(&t);
}

static void what_breaks_off_keeps_its_shape_and_has_no_end(void **state)
{
    struct t t;

    (void)state;
    start(&t, CLO_SHAPE_WIDE);
    head(&t, true);
    event(&t, WORD("half"));
    take(&t, 1);
    clo_frames_fail(t.f);
    assert_int_equal(clo_frames_event(t.f, "x", 1), CLOISTER_E_STATE);
    assert_int_equal(clo_frames_end(t.f), CLOISTER_E_STATE);
    take_all(&t);
    assert_int_equal(t.frames, t.class.first);
    assert_int_equal(clo_bhttp_dec_end(t.dec), CLOISTER_E_CUT);
    end(&t);
}

static void a_longer_answer_has_four_times_as_many_frames(void **state)
{
    char *text = malloc(512 * 512);
    struct t t;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 512 * 512);
    start(&t, CLO_SHAPE_CHAT);
    head(&t, false);
    assert_int_equal(clo_frames_content(t.f, text, 512 * 512), 0);
    assert_int_equal(clo_frames_end(t.f), 0);
    take_all(&t);
    assert_int_equal(t.frames, 4 * t.class.first);
    assert_int_equal(clo_bhttp_dec_end(t.dec), 0);
    assert_int_equal(t.content.len, 512 * 512);
    end(&t);
    free(text);
}

static void what_nobody_ends_ends_with_the_last_frame_of_its_class(void **state)
{
    struct t t;

    (void)state;
    start(&t, CLO_SHAPE_CHAT);
    head(&t, true);
    take_all(&t);
    assert_int_equal(t.frames, t.class.max);
    assert_int_equal(clo_bhttp_dec_end(t.dec), CLOISTER_E_CUT);
    end(&t);
}

static void what_is_said_to_have_room_has_it(void **state)
{
    struct clo_shape_class small = {"x", 512, 50, 100, 4, 16};
    struct clo_buf out = clo_buf_init(65536);
    struct t t;
    size_t room = 0;
    char *text = NULL;

    (void)state;
    start(&t, CLO_SHAPE_CHAT);
    clo_frames_free(t.f);
    t.class = small;
    assert_int_equal(clo_frames_new(&small, NONCE, WAIT_MAX, &t.f), 0);
    take(&t, 5);
    head(&t, false);
    room = clo_frames_room(t.f);
    text = malloc(room);
    assert_non_null(text);
    memset(text, 'y', room);
    assert_int_equal(clo_frames_content(t.f, text, room), 0);
    assert_int_equal(clo_frames_room(t.f), 0);
    assert_int_equal(clo_frames_end(t.f), 0);
    take_all(&t);
    assert_int_equal(t.frames, 16);
    assert_int_equal(clo_bhttp_dec_end(t.dec), 0);
    assert_int_equal(clo_frames_next(t.f, &out, &t.final), CLOISTER_E_STATE);
    end(&t);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_known_yet_is_an_informational_response),
        cmocka_unit_test(words_that_wait_together_are_one_event),
        cmocka_unit_test(when_it_was_made_makes_no_difference),
        cmocka_unit_test(the_first_word_comes_with_its_author),
        cmocka_unit_test(an_opening_stays_by_itself),
        cmocka_unit_test(what_says_more_than_text_stays_by_itself),
        cmocka_unit_test(other_choices_and_other_answers_stay_apart),
        cmocka_unit_test(an_answer_is_taken_back_until_a_frame_has_it),
        cmocka_unit_test(what_breaks_off_keeps_its_shape_and_has_no_end),
        cmocka_unit_test(a_longer_answer_has_four_times_as_many_frames),
        cmocka_unit_test(what_nobody_ends_ends_with_the_last_frame_of_its_class),
        cmocka_unit_test(what_is_said_to_have_room_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
