/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 responses (RFC 9112) from the engine, and the request to it. What was read is shown as
 * "STATUS TYPE LENGTH|BODY|end", every response both whole and byte by byte.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/http1.h"

struct trace {
    struct clo_buf text;
    int stop;
};

static int on_head(void *ctx, const struct clo_http1_head *head)
{
    struct trace *t = ctx;
    char line[256] = "", length[24] = "-";

    if (head->has_length)
        snprintf(length, sizeof(length), "%" PRIu64, head->length);
    snprintf(line, sizeof(line), "%u %s %s|", head->status, head->content_type, length);
    return clo_buf_append(&t->text, line, strlen(line));
}

static int on_body(void *ctx, const uint8_t *p, size_t n)
{
    struct trace *t = ctx;

    assert_true(n > 0);
    assert_int_equal(clo_buf_append(&t->text, p, n), 0);
    return t->stop;
}

static int on_end(void *ctx)
{
    return clo_buf_append(&((struct trace *)ctx)->text, "|end", 4);
}

static int read_pieces(const char *p, size_t n, size_t piece, struct trace *t)
{
    static const struct clo_http1_handler handler = {on_head, on_body, on_end};
    struct clo_http1 *r = NULL;
    int err = 0;

    t->text = clo_buf_init(1 << 20);
    assert_int_equal(clo_http1_new(&handler, t, &r), 0);
    for (size_t at = 0; at < n && err == 0; at += piece)
        err = clo_http1_feed(r, p + at, n - at < piece ? n - at : piece);
    if (err != 0)
        assert_int_equal(clo_http1_feed(r, "x", 1), err); /* the first error stays */
    err = clo_http1_eof(r);
    clo_http1_free(r);
    return err;
}

static void expect(const char *in, size_t n, int err, const char *events)
{
    for (size_t piece = 1; piece <= n; piece += n) {
        struct trace t = {0};

        assert_int_equal(read_pieces(in, n, piece, &t), err);
        assert_int_equal(clo_buf_append(&t.text, "", 1), 0);
        assert_string_equal((const char *)t.text.p, events);
        clo_buf_clear(&t.text);
    }
    for (size_t piece = 2; piece <= n + 1; piece++) {
        struct trace t = {0};

        assert_int_equal(read_pieces(in, n, piece, &t), err);
        clo_buf_clear(&t.text);
    }
}

#define EXPECT(in, err, events) expect(in, sizeof(in) - 1, err, events)
#define OK                      "HTTP/1.1 200 OK\r\n"
#define CHUNKED                 OK "Transfer-Encoding: chunked\r\n\r\n"

static void a_body_of_a_given_length_is_read(void **state)
{
    (void)state;
    EXPECT(OK "Content-Type: application/json\r\nContent-Length: 5\r\n\r\nhello", 0,
           "200 application/json 5|hello|end");
    EXPECT(OK "content-length:0\r\n\r\n", 0, "200  0||end");
    EXPECT("HTTP/1.1 503 \r\nCONTENT-LENGTH: \t2 \t\r\n\r\nno", 0, "503  2|no|end");
}

static void a_body_in_chunks_is_read(void **state)
{
    (void)state;
    EXPECT(CHUNKED "5\r\nhello\r\n0a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n", 0,
           "200  -|hello0123456789abcdefghij|end");
    EXPECT(OK "transfer-encoding: CHUNKED\r\n\r\n000\r\n\r\n", 0, "200  -||end");
}

static void chunk_extensions_and_trailers_are_skipped(void **state)
{
    (void)state;
    EXPECT(CHUNKED "2;a=b;c=\"d\"\r\nhi\r\n0 ; x\r\nServer-Timing: 1\r\nX:\r\n\r\n", 0,
           "200  -|hi|end");
}

static void the_media_type_is_lower_case_without_parameters(void **state)
{
    (void)state;
    EXPECT(OK "Content-Type: Text/Event-Stream; charset=UTF-8\r\nContent-Length: 0\r\n\r\n", 0,
           "200 text/event-stream 0||end");
    EXPECT(OK "Content-Type: a/b \t;c\r\nContent-Length: 0\r\n\r\n", 0, "200 a/b 0||end");
    EXPECT(OK "Content-Type: nonsense\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "Content-Type: a b/c\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "Content-Type: a/b\r\nContent-Type: a/b\r\nContent-Length: 0\r\n\r\n",
           CLOISTER_E_DUPLICATE, "");
}

#define A16  "aaaaaaaaaaaaaaaa"
#define A128 A16 A16 A16 A16 A16 A16 A16 A16

static void a_media_type_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    EXPECT(OK "Content-Type: a/" A128 "\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_LIMIT, "");
}

static void informational_responses_are_skipped(void **state)
{
    (void)state;
    EXPECT(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\nContent-Type: a/b\r\n\r\n" OK
        "Content-Length: 1\r\n\r\n!",
        0, "200  1|!|end");
    EXPECT("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", CLOISTER_E_MALFORMED, "");
}

static void informational_responses_are_bounded_in_number(void **state)
{
    static const char one[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct clo_buf in = clo_buf_init(1 << 16);
    struct trace t = {0};

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(clo_buf_append(&in, one, sizeof(one) - 1), 0);
    assert_int_equal(read_pieces((const char *)in.p, in.len, in.len, &t), CLOISTER_E_LIMIT);
    clo_buf_clear(&in);
    clo_buf_clear(&t.text);
}

static void answers_that_have_no_body_end_with_their_head(void **state)
{
    (void)state;
    EXPECT("HTTP/1.1 204 No Content\r\n\r\n", 0, "204  0||end");
    EXPECT("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 0, "304  0||end");
    EXPECT("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 0, "204  0||end");
}

static void a_body_up_to_the_close_is_refused(void **state)
{
    (void)state;
    EXPECT(OK "Content-Type: a/b\r\n\r\nhello", CLOISTER_E_UNSUPPORTED, "");
    EXPECT(OK "\r\n", CLOISTER_E_UNSUPPORTED, "");
}

static void two_framings_are_refused(void **state)
{
    (void)state;
    EXPECT(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", CLOISTER_E_DUPLICATE, "");
    EXPECT(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
           CLOISTER_E_DUPLICATE, "");
    EXPECT(OK "Transfer-Encoding: gzip, chunked\r\n\r\n", CLOISTER_E_UNSUPPORTED, "");
    EXPECT(OK "Transfer-Encoding: identity\r\n\r\n", CLOISTER_E_UNSUPPORTED, "");
}

static void a_length_is_digits_that_fit(void **state)
{
    (void)state;
    EXPECT(OK "Content-Length: 18446744073709551615\r\n\r\n", CLOISTER_E_CUT,
           "200  18446744073709551615|");
    EXPECT(OK "Content-Length: 18446744073709551616\r\n\r\n", CLOISTER_E_LIMIT, "");
    EXPECT(OK "Content-Length: 99999999999999999999999\r\n\r\n", CLOISTER_E_LIMIT, "");
    EXPECT(OK "Content-Length:\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "Content-Length: +5\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "Content-Length: -1\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "Content-Length: 5, 5\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "Content-Length: 5 5\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "Content-Length: 0x5\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "Content-Length: a\r\n\r\n", CLOISTER_E_MALFORMED, "");
}

static void a_chunk_size_is_hexadecimal_that_fits(void **state)
{
    (void)state;
    EXPECT(CHUNKED "FFFFFFFFFFFFFFFF\r\nabc", CLOISTER_E_CUT, "200  -|abc");
    EXPECT(CHUNKED "10000000000000000\r\n", CLOISTER_E_LIMIT, "200  -|");
    EXPECT(CHUNKED "FFFFFFFFFFFFFFFFF\r\n", CLOISTER_E_LIMIT, "200  -|");
    EXPECT(CHUNKED "\r\n", CLOISTER_E_MALFORMED, "200  -|");
    EXPECT(CHUNKED ";a=b\r\n", CLOISTER_E_MALFORMED, "200  -|");
    EXPECT(CHUNKED "-1\r\n", CLOISTER_E_MALFORMED, "200  -|");
    EXPECT(CHUNKED "0x1\r\na\r\n", CLOISTER_E_MALFORMED, "200  -|");
    EXPECT(CHUNKED " 1\r\na\r\n", CLOISTER_E_MALFORMED, "200  -|");
    EXPECT(CHUNKED "1 \r\na\r\n", CLOISTER_E_MALFORMED, "200  -|");
    EXPECT(CHUNKED "1g\r\na\r\n", CLOISTER_E_MALFORMED, "200  -|");
}

static void a_chunk_ends_with_a_line_end(void **state)
{
    (void)state;
    EXPECT(CHUNKED "2\r\nabc\r\n0\r\n\r\n", CLOISTER_E_MALFORMED, "200  -|ab");
    EXPECT(CHUNKED "2\r\nab\n0\r\n\r\n", CLOISTER_E_MALFORMED, "200  -|ab");
    EXPECT(CHUNKED "2\r\nab0\r\n\r\n", CLOISTER_E_MALFORMED, "200  -|ab");
}

static void only_version_1_1_is_spoken(void **state)
{
    (void)state;
    EXPECT("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT("HTTP/2 200 OK\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT("http/1.1 200 OK\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT("ICY 200 OK\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT("\r\n" OK "Content-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
}

static void a_status_is_three_digits_and_a_blank(void **state)
{
    (void)state;
    EXPECT("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT("HTTP/1.1 20 OK\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT("HTTP/1.1 2000 OK\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT("HTTP/1.1  200 OK\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT("HTTP/1.1 +20 OK\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT("HTTP/1.1 099 OK\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT("HTTP/1.1 600 OK\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT("HTTP/1.1\t200\tOK\r\n\r\n", CLOISTER_E_MALFORMED, "");
}

static void lines_end_with_cr_lf_and_hold_neither(void **state)
{
    (void)state;
    EXPECT("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "Content-Length: 0\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "Content-Length: 0\r\n\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "A: b\rContent-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "A: b\r\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "A: b\0c\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(CHUNKED "1\na\r\n", CLOISTER_E_MALFORMED, "200  -|");
}

static void field_lines_are_strict(void **state)
{
    (void)state;
    EXPECT(OK "A: b\r\n c\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, ""); /* folded */
    EXPECT(OK "A: b\r\n\tc\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK " A: b\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "Content-Length : 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "no colon\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK ": b\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(OK "A(: b\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_MALFORMED, "");
    EXPECT(CHUNKED "0\r\nX: 1\r\n y\r\n\r\n", CLOISTER_E_MALFORMED, "200  -|");
    EXPECT(OK "A:\r\nB: \xff:\xc3\xa9\r\nContent-Length: 0\r\n\r\n", 0, "200  0||end");
}

static void bytes_behind_the_end_are_refused(void **state)
{
    (void)state;
    EXPECT(OK "Content-Length: 2\r\n\r\nhi!", CLOISTER_E_TRAILING, "200  2|hi|end");
    EXPECT(CHUNKED "0\r\n\r\n" OK, CLOISTER_E_TRAILING, "200  -||end");
    EXPECT("HTTP/1.1 204 No Content\r\n\r\n\r\n", CLOISTER_E_TRAILING, "204  0||end");
}

static void a_connection_closed_early_is_a_cut(void **state)
{
    static const char whole[] = CHUNKED "5\r\nhello\r\n0\r\nX: y\r\n\r\n";

    (void)state;
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        struct trace t = {0};

        assert_int_equal(read_pieces(whole, n, n + 1, &t), CLOISTER_E_CUT);
        clo_buf_clear(&t.text);
    }
}

/* `head` bytes of "A: ..." lines between the status line and the end. */
static int read_padded(const char *start, size_t fill, const char *end)
{
    struct clo_buf in = clo_buf_init(1 << 16);
    struct trace t = {0};
    uint8_t *p = NULL;
    int err = 0;

    assert_int_equal(clo_buf_append(&in, start, strlen(start)), 0);
    assert_int_equal(clo_buf_reserve(&in, fill, &p), 0);
    memset(p, 'x', fill);
    clo_buf_commit(&in, fill);
    assert_int_equal(clo_buf_append(&in, end, strlen(end)), 0);
    err = read_pieces((const char *)in.p, in.len, 1000, &t);
    clo_buf_clear(&in);
    clo_buf_clear(&t.text);
    return err;
}

static void a_head_is_as_long_as_the_limit_says(void **state)
{
    static const char start[] = OK "A: ", end[] = "\r\nContent-Length: 0\r\n\r\n";
    size_t rest = CLO_HTTP1_HEAD_MAX - (sizeof(start) - 1) - (sizeof(end) - 1);

    (void)state;
    assert_int_equal(read_padded(start, rest, end), 0);
    assert_int_equal(read_padded(start, rest + 1, end), CLOISTER_E_LIMIT);
    assert_int_equal(read_padded(OK, CLO_HTTP1_HEAD_MAX, ""), CLOISTER_E_LIMIT);
    assert_int_equal(read_padded(CHUNKED "0\r\nA: ", CLO_HTTP1_HEAD_MAX, "\r\n\r\n"),
                     CLOISTER_E_LIMIT);
}

static void chunk_extensions_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(read_padded(CHUNKED "1;", 400, "\r\na\r\n0\r\n\r\n"), 0);
    assert_int_equal(read_padded(CHUNKED "1;", 600, "\r\na\r\n0\r\n\r\n"), CLOISTER_E_LIMIT);
}

static void chunks_may_be_many(void **state)
{
    struct clo_buf in = clo_buf_init(1 << 18);
    struct trace t = {0};

    (void)state;
    assert_int_equal(clo_buf_append(&in, CHUNKED, sizeof(CHUNKED) - 1), 0);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(clo_buf_append(&in, "1\r\na\r\n", 6), 0);
    assert_int_equal(clo_buf_append(&in, "0\r\n\r\n", 5), 0);
    assert_int_equal(read_pieces((const char *)in.p, in.len, 77, &t), 0);
    assert_int_equal(t.text.len, strlen("200  -|") + 10000 + strlen("|end"));
    clo_buf_clear(&in);
    clo_buf_clear(&t.text);
}

static void the_handler_can_end_it(void **state)
{
    struct trace t = {.stop = CLOISTER_E_CANCELLED};

    (void)state;
    assert_int_equal(read_pieces(OK "Content-Length: 2\r\n\r\nhi", 40, 40, &t),
                     CLOISTER_E_CANCELLED);
    clo_buf_clear(&t.text);
    clo_http1_free(NULL);
}

/* ---- the request ---- */

static void expect_request(const char *method, const char *path, const char *body,
                           const char *expected)
{
    struct clo_buf out = clo_buf_init(1024);

    assert_int_equal(
        clo_http1_write_request(method, path, body, body == NULL ? 0 : strlen(body), &out), 0);
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(out.p, expected, out.len);
    clo_buf_clear(&out);
}

static void requests_are_written(void **state)
{
    (void)state;
    expect_request("GET", "/v1/models", NULL,
                   "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    expect_request("POST", "/v1/chat/completions", "{}",
                   "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                   "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
    expect_request("POST", "/x", "",
                   "POST /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                   "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n");
}

static void a_request_that_would_say_something_else_is_not_written(void **state)
{
    static const struct {
        const char *method, *path;
    } bad[] = {
        {"", "/"},       {"get", "/"},         {"GE T", "/"},    {"GET\r\n", "/"},
        {"HEAD", "/"},   {"CONNECT", "/"},     {"GET", ""},      {"GET", "x"},
        {"GET", "/a b"}, {"GET", "/\r\nA: b"}, {"GET", "/\x7f"}, {"GET", "/\xc3\xa9"},
    };
    static char longest[4096];
    struct clo_buf out = clo_buf_init(100000), small = clo_buf_init(64);

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        assert_int_equal(clo_http1_write_request(bad[i].method, bad[i].path, NULL, 0, &out),
                         CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_http1_write_request("GET", "/", NULL, 1, &out), CLOISTER_E_ARGUMENT);
    memset(longest, '/', sizeof(longest) - 1);
    assert_int_equal(clo_http1_write_request("GET", longest, NULL, 0, &out), CLOISTER_E_LIMIT);
    assert_int_equal(clo_http1_write_request("POST", "/", "0123456789", 10, &small),
                     CLOISTER_E_LIMIT);
    assert_int_equal(out.len, 0);
    assert_int_equal(small.len, 0);
    clo_buf_clear(&out);
    clo_buf_clear(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_of_a_given_length_is_read),
        cmocka_unit_test(a_body_in_chunks_is_read),
        cmocka_unit_test(chunk_extensions_and_trailers_are_skipped),
        cmocka_unit_test(the_media_type_is_lower_case_without_parameters),
        cmocka_unit_test(a_media_type_that_does_not_fit_is_refused),
        cmocka_unit_test(informational_responses_are_skipped),
        cmocka_unit_test(informational_responses_are_bounded_in_number),
        cmocka_unit_test(answers_that_have_no_body_end_with_their_head),
        cmocka_unit_test(a_body_up_to_the_close_is_refused),
        cmocka_unit_test(two_framings_are_refused),
        cmocka_unit_test(a_length_is_digits_that_fit),
        cmocka_unit_test(a_chunk_size_is_hexadecimal_that_fits),
        cmocka_unit_test(a_chunk_ends_with_a_line_end),
        cmocka_unit_test(only_version_1_1_is_spoken),
        cmocka_unit_test(a_status_is_three_digits_and_a_blank),
        cmocka_unit_test(lines_end_with_cr_lf_and_hold_neither),
        cmocka_unit_test(field_lines_are_strict),
        cmocka_unit_test(bytes_behind_the_end_are_refused),
        cmocka_unit_test(a_connection_closed_early_is_a_cut),
        cmocka_unit_test(a_head_is_as_long_as_the_limit_says),
        cmocka_unit_test(chunk_extensions_are_bounded),
        cmocka_unit_test(chunks_may_be_many),
        cmocka_unit_test(the_handler_can_end_it),
        cmocka_unit_test(requests_are_written),
        cmocka_unit_test(a_request_that_would_say_something_else_is_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
