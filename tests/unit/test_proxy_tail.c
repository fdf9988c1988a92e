/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a stream is handed over with its authenticated end only, wherever the pieces are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/proxy/tail.h"

#define DONE "data: [DONE]\n\n"

static void assert_text(const struct clo_buf *b, const char *want)
{
    assert_int_equal(b->len, strlen(want));
    assert_memory_equal(b->p != NULL ? b->p : (const uint8_t *)"", want, strlen(want));
}

/* The text in two cuts; what is handed over before the end, and with it. */
static void assert_cuts(const char *text, const char *before)
{
    const size_t n = strlen(text);

    for (size_t i = 0; i <= n; i++) {
        for (size_t k = i; k <= n; k++) {
            struct clo_buf out = clo_buf_init(4096);
            struct clo_tail t = {0};

            assert_int_equal(clo_tail_put(&t, text, i, &out), 0);
            assert_int_equal(clo_tail_put(&t, text + i, k - i, &out), 0);
            assert_int_equal(clo_tail_put(&t, text + k, n - k, &out), 0);
            assert_text(&out, before);
            assert_int_equal(clo_tail_whole(&t, &out), 0);
            assert_text(&out, text);
            clo_buf_clear(&out);
        }
    }
}

static void the_end_waits_wherever_it_is_cut(void **state)
{
    (void)state;
    assert_cuts("data: {}\n\n" DONE, "data: {}\n\n");
    assert_cuts(DONE, "");
}

static void half_an_end_waits_too(void **state)
{
    (void)state;
    assert_cuts("data: {}\n\ndata: [DO", "data: {}\n\n");
    assert_cuts("data: {}\n\nd", "data: {}\n\n");
}

static void what_turns_out_to_be_something_else_goes_on(void **state)
{
    (void)state;
    assert_cuts("data: {}\n\ndata: [DOOM]\n\n", "data: {}\n\ndata: [DOOM]\n\n");
    assert_cuts("ddata: data: [DONE]\n\nmore", "ddata: data: [DONE]\n\nmore");
    assert_cuts(DONE DONE, DONE);
    assert_cuts(": a comment\n\n", ": a comment\n\n");
}

static void a_broken_stream_gets_an_event_on_a_line_of_its_own_instead(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", "data: {E}\n\n"},
        {"data: {}\n\n" DONE, "data: {}\n\ndata: {E}\n\n"},
        {"data: {}\n\ndata: [D", "data: {}\n\ndata: {E}\n\n"},
        {"data: {\"a", "data: {\"a\n\ndata: {E}\n\n"},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(rows); i++) {
        struct clo_buf out = clo_buf_init(4096);
        struct clo_tail t = {0};

        for (const char *s = rows[i].text; *s != '\0'; s++)
            assert_int_equal(clo_tail_put(&t, s, 1, &out), 0);
        assert_int_equal(clo_tail_broken(&t, "{E}", 3, &out), 0);
        assert_text(&out, rows[i].want);
        clo_buf_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_waits_wherever_it_is_cut),
        cmocka_unit_test(half_an_end_waits_too),
        cmocka_unit_test(what_turns_out_to_be_something_else_goes_on),
        cmocka_unit_test(a_broken_stream_gets_an_event_on_a_line_of_its_own_instead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
