/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events (WHATWG HTML section 9.2). Events are shown in brackets, one behind the other. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/sse.h"

enum {
    LIMIT = 32
};

struct trace {
    struct clo_buf text;
    int stop;
};

static int on_event(void *ctx, const char *data, size_t n)
{
    struct trace *t = ctx;

    assert_int_equal(data[n], 0);
    assert_int_equal(clo_buf_append(&t->text, "[", 1), 0);
    assert_int_equal(clo_buf_append(&t->text, data, n), 0);
    assert_int_equal(clo_buf_append(&t->text, "]", 1), 0);
    return t->stop;
}

/* Feeds byte by byte if `piece` is 1. Returns what end says. */
static int read_pieces(const char *p, size_t n, size_t piece, struct trace *t)
{
    struct clo_sse *s = NULL;
    int err = 0;

    t->text = clo_buf_init(4096);
    assert_int_equal(clo_sse_new(LIMIT, on_event, t, &s), 0);
    for (size_t at = 0; at < n && err == 0; at += piece)
        err = clo_sse_feed(s, p + at, n - at < piece ? n - at : piece);
    if (err != 0)
        assert_int_equal(clo_sse_feed(s, "\n", 1), err); /* the first error stays */
    err = clo_sse_end(s);
    clo_sse_free(s);
    return err;
}

static void expect(const char *in, size_t n, int err, const char *events)
{
    for (size_t piece = 1; piece <= n + 1; piece++) {
        struct trace t = {0};

        assert_int_equal(read_pieces(in, n, piece, &t), err);
        assert_int_equal(clo_buf_append(&t.text, "", 1), 0);
        assert_string_equal((const char *)t.text.p, events);
        clo_buf_clear(&t.text);
    }
}

#define EXPECT(in, err, events) expect(in, sizeof(in) - 1, err, events)

static void events_are_told_one_by_one(void **state)
{
    (void)state;
    EXPECT("data: {\"a\":1}\n\ndata: [DONE]\n\n", 0, "[{\"a\":1}][[DONE]]");
    EXPECT("", 0, "");
}

static void any_line_end_will_do(void **state)
{
    (void)state;
    EXPECT("data: a\r\n\r\ndata: b\r\rdata: c\n\ndata: d\r\n\n", 0, "[a][b][c][d]");
    EXPECT("data: a\r\ndata: b\rdata: c\n\n", 0, "[a\nb\nc]");
}

static void lines_of_data_are_joined(void **state)
{
    (void)state;
    EXPECT("data: a\ndata: b\n\n", 0, "[a\nb]");
    EXPECT("data\ndata\n\n", 0, "[\n]");
    EXPECT("data:\n\n", 0, "[]");
    EXPECT("data\n\n", 0, "[]");
}

static void one_blank_behind_the_colon_is_no_data(void **state)
{
    (void)state;
    EXPECT("data:a\n\ndata: a\n\ndata:  a\n\ndata:\ta\n\n", 0, "[a][a][ a][\ta]");
    EXPECT("data: \n\n", 0, "[]");
}

static void comments_and_other_fields_are_skipped(void **state)
{
    (void)state;
    EXPECT(": hi\n\n:\n\nevent: x\nid: 7\nretry: 9\n\ndatum: no\nDATA: no\ndata : no\n\n", 0, "");
    EXPECT("event: x\ndata: a\n: hi\nid: 3\n\n", 0, "[a]");
    EXPECT("\n\n\ndata: a\n\n\n", 0, "[a]");
}

static void a_byte_order_mark_is_skipped_once(void **state)
{
    (void)state;
    EXPECT("\xef\xbb\xbf"
           "data: a\n\n",
           0, "[a]");
    EXPECT("\xef\xbb\xbf\n\xef\xbb\xbf"
           "data: a\n\n",
           0, "");
    EXPECT("\xef\xbb\xbf: hi\n\n", 0, "");
    EXPECT("\xef\xbb\xbf\xef\xbb\xbf"
           "data: a\n\n",
           0, "");
    EXPECT("data: \xef\xbb\xbf\n\n", 0, "[\xef\xbb\xbf]");
}

static void an_event_without_its_blank_line_is_cut(void **state)
{
    (void)state;
    EXPECT("data: a\n\ndata: b\n", CLOISTER_E_CUT, "[a]");
    EXPECT("data: a\n\ndata: b", CLOISTER_E_CUT, "[a]");
    EXPECT("data: a\n\nd", CLOISTER_E_CUT, "[a]");
    EXPECT("data: a\n\nevent: x\n", CLOISTER_E_CUT, "[a]");
    EXPECT("data: a\n\n: a comment cut", CLOISTER_E_CUT, "[a]");
    EXPECT("data: a\n\n: a comment\n", 0, "[a]");
}

#define X16 "xxxxxxxxxxxxxxxx"

static void an_event_is_as_long_as_the_limit_says(void **state)
{
    (void)state;
    EXPECT("data: " X16 X16 "\n\n", 0, "[" X16 X16 "]");
    EXPECT("data:" X16 X16 "\n\n", 0, "[" X16 X16 "]");
    EXPECT("data: " X16 X16 "x\n\n", CLOISTER_E_LIMIT, "");
    EXPECT("data:" X16 X16 "x\n\n", CLOISTER_E_LIMIT, "");
    EXPECT("data: " X16 "\ndata: xxxxxxxxxxxxxxx\n\n", 0, "[" X16 "\nxxxxxxxxxxxxxxx]");
    EXPECT("data: " X16 "\ndata: " X16 "\n\n", CLOISTER_E_LIMIT, "");
    EXPECT("data: " X16 X16 "\ndata\n\n", CLOISTER_E_LIMIT, "");
    EXPECT("data: " X16 X16 "\ndata\ndata\n\n", CLOISTER_E_LIMIT, "");
    EXPECT("data: " X16 "\n\ndata: " X16 X16 "\n\n", 0, "[" X16 "][" X16 X16 "]");
}

static void a_line_without_end_is_refused_unless_it_is_a_comment(void **state)
{
    (void)state;
    EXPECT(":" X16 X16 X16 X16 X16 "\ndata: a\n\n", 0, "[a]");
    EXPECT("id: " X16 X16 X16 X16 X16 "\ndata: a\n\n", CLOISTER_E_LIMIT, "");
}

static void zero_bytes_are_data(void **state)
{
    struct trace t = {0};

    (void)state;
    assert_int_equal(read_pieces("data: a\0b\n\n", 11, 11, &t), 0);
    assert_int_equal(t.text.len, 5);
    assert_memory_equal(t.text.p, "[a\0b]", 5);
    clo_buf_clear(&t.text);
}

static void the_reader_of_events_can_end_it(void **state)
{
    struct trace t = {.stop = CLOISTER_E_CANCELLED};

    (void)state;
    assert_int_equal(read_pieces("data: a\n\ndata: b\n\n", 18, 18, &t), CLOISTER_E_CANCELLED);
    assert_int_equal(t.text.len, 3);
    clo_buf_clear(&t.text);
    clo_sse_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_told_one_by_one),
        cmocka_unit_test(any_line_end_will_do),
        cmocka_unit_test(lines_of_data_are_joined),
        cmocka_unit_test(one_blank_behind_the_colon_is_no_data),
        cmocka_unit_test(comments_and_other_fields_are_skipped),
        cmocka_unit_test(a_byte_order_mark_is_skipped_once),
        cmocka_unit_test(an_event_without_its_blank_line_is_cut),
        cmocka_unit_test(an_event_is_as_long_as_the_limit_says),
        cmocka_unit_test(a_line_without_end_is_refused_unless_it_is_a_comment),
        cmocka_unit_test(zero_bytes_are_data),
        cmocka_unit_test(the_reader_of_events_can_end_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
