/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary HTTP (RFC 9292), read and written. A decoded message is shown as a text of its events, one a line, with
 * pieces of content run together; errors are what feed and end say.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/enc.h"
#include "codec/bhttp.h"

struct trace {
    char text[4096];
    size_t len;
    bool in_content;
    int stop; /* what the handler answers to content */
};

__attribute__((format(printf, 2, 3))) static void add(struct trace *t, const char *format, ...)
{
    va_list args;
    int n = 0;

    va_start(args, format);
    n = vsnprintf(t->text + t->len, sizeof(t->text) - t->len, format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof(t->text) - t->len);
    t->len += (size_t)n;
}

static int on_request(void *ctx, const char *method, const char *scheme, const char *authority,
                      const char *path)
{
    add(ctx, "request %s [%s] [%s] %s\n", method, scheme, authority, path);
    return 0;
}

static int on_informational(void *ctx, unsigned status)
{
    add(ctx, "informational %u\n", status);
    return 0;
}

static int on_response(void *ctx, unsigned status)
{
    add(ctx, "response %u\n", status);
    return 0;
}

static int on_headers(void *ctx, const struct clo_bhttp_field *f, size_t n)
{
    add(ctx, "headers %zu\n", n);
    for (size_t i = 0; i < n && i < 8; i++)
        add(ctx, "  %s: %s\n", f[i].name, strlen(f[i].value) < 200 ? f[i].value : "(long)");
    return 0;
}

static int on_content(void *ctx, const uint8_t *p, size_t n)
{
    struct trace *t = ctx;

    add(t, "%s%.*s", t->in_content ? "" : "content ", (int)n, (const char *)p);
    t->in_content = true;
    return t->stop;
}

static int on_trailers(void *ctx, const struct clo_bhttp_field *f, size_t n)
{
    struct trace *t = ctx;

    if (t->in_content)
        add(t, "\n");
    add(t, "trailers %zu\n", n);
    for (size_t i = 0; i < n; i++)
        add(t, "  %s: %s\n", f[i].name, f[i].value);
    return 0;
}

static const struct clo_bhttp_handler handler = {
    .request = on_request,
    .informational = on_informational,
    .response = on_response,
    .headers = on_headers,
    .content = on_content,
    .trailers = on_trailers,
};

static int decode(enum clo_bhttp_kind kind, const void *p, size_t n, struct trace *t)
{
    struct clo_bhttp_dec *d = NULL;
    int err = 0;

    *t = (struct trace){.stop = t->stop};
    assert_int_equal(clo_bhttp_dec_new(kind, &handler, t, &d), 0);
    err = clo_bhttp_dec_feed(d, p, n);
    if (err != 0)
        assert_int_equal(clo_bhttp_dec_end(d), err); /* the first error stays */
    err = clo_bhttp_dec_end(d);
    assert_int_equal(clo_bhttp_dec_complete(d), err == 0);
    clo_bhttp_dec_free(d);
    return err;
}

/* Message literals may hold zero bytes. */
#define REQUEST(s, t)  decode(CLO_BHTTP_REQUEST, s, sizeof(s) - 1, t)
#define RESPONSE(s, t) decode(CLO_BHTTP_RESPONSE, s, sizeof(s) - 1, t)

#define GET   \
    "\0"      \
    "\3GET"   \
    "\5https" \
    "\0"      \
    "\1/"
#define GET_INDETERMINATE \
    "\2"                  \
    "\3GET"               \
    "\5https"             \
    "\0"                  \
    "\1/"

/* ---- RFC 9292 section 5, byte for byte ---- */

static size_t unhex(const char *hex, uint8_t *dst)
{
    size_t n = strlen(hex) / 2;

    assert_int_equal(clo_unhex(hex, strlen(hex), dst, n), 0);
    return n;
}

#define RFC_REQUEST_EVENTS                                                 \
    "request GET [https] [] /hello.txt\n"                                  \
    "headers 3\n"                                                          \
    "  user-agent: curl/7.16.3 libcurl/7.16.3 OpenSSL/0.9.7l zlib/1.2.3\n" \
    "  host: www.example.com\n"                                            \
    "  accept-language: en, mi\n"                                          \
    "trailers 0\n"

static const char rfc_known_request[] = "0003474554056874747073000a2f6865"
                                        "6c6c6f2e747874406c0a757365722d61"
                                        "67656e74346375726c2f372e31362e33"
                                        "206c69626375726c2f372e31362e3320"
                                        "4f70656e53534c2f302e392e376c207a"
                                        "6c69622f312e322e3304686f73740f77"
                                        "77772e6578616d706c652e636f6d0f61"
                                        "63636570742d6c616e67756167650665"
                                        "6e2c206d690000";

static void the_known_length_request_of_the_rfc_is_read(void **state)
{
    uint8_t in[512] = {0};
    size_t n = unhex(rfc_known_request, in);
    struct trace t = {0};

    (void)state;
    assert_int_equal(decode(CLO_BHTTP_REQUEST, in, n, &t), 0);
    assert_string_equal(t.text, RFC_REQUEST_EVENTS);
}

static void the_known_length_request_of_the_rfc_is_written(void **state)
{
    static const struct clo_bhttp_field f[] = {
        {"user-agent", "curl/7.16.3 libcurl/7.16.3 OpenSSL/0.9.7l zlib/1.2.3"},
        {"host", "www.example.com"},
        {"accept-language", "en, mi"},
    };
    uint8_t expected[512] = {0};
    size_t n = unhex(rfc_known_request, expected);
    struct clo_buf out = clo_buf_init(4096);

    (void)state;
    assert_int_equal(clo_bhttp_write_request("GET", "https", "", "/hello.txt", f, 3, NULL, 0, &out),
                     0);
    assert_int_equal(out.len, n);
    assert_memory_equal(out.p, expected, n);
    clo_buf_clear(&out);
}

static void the_indeterminate_length_request_of_the_rfc_is_read(void **state)
{
    static const char hex[] = "0203474554056874747073000a2f6865"
                              "6c6c6f2e7478740a757365722d616765"
                              "6e74346375726c2f372e31362e33206c"
                              "69626375726c2f372e31362e33204f70"
                              "656e53534c2f302e392e376c207a6c69"
                              "622f312e322e3304686f73740f777777"
                              "2e6578616d706c652e636f6d0f616363"
                              "6570742d6c616e677561676506656e2c"
                              "206d6900000000000000000000000000";
    uint8_t in[512] = {0};
    size_t n = unhex(hex, in);
    struct trace t = {0};

    (void)state;
    assert_int_equal(decode(CLO_BHTTP_REQUEST, in, n, &t), 0);
    assert_string_equal(t.text, RFC_REQUEST_EVENTS);
    /* ten bytes of padding may go; the two before them are the end of content and of the trailers */
    assert_int_equal(decode(CLO_BHTTP_REQUEST, in, n - 10, &t), 0);
    assert_string_equal(t.text, RFC_REQUEST_EVENTS);
    assert_int_equal(decode(CLO_BHTTP_REQUEST, in, n - 11, &t), CLOISTER_E_CUT);
}

static const char rfc_response[] = "0340660772756e6e696e670a22736c65"
                                   "657020313522004067046c696e6b233c"
                                   "2f7374796c652e6373733e3b2072656c"
                                   "3d7072656c6f61643b2061733d737479"
                                   "6c65046c696e6b243c2f736372697074"
                                   "2e6a733e3b2072656c3d7072656c6f61"
                                   "643b2061733d7363726970740040c804"
                                   "646174651d4d6f6e2c203237204a756c"
                                   "20323030392031323a32383a35332047"
                                   "4d540673657276657206417061636865"
                                   "0d6c6173742d6d6f6469666965641d57"
                                   "65642c203232204a756c203230303920"
                                   "31393a31353a353620474d5404657461"
                                   "671422333461613338372d642d313536"
                                   "3865623030220d6163636570742d7261"
                                   "6e6765730562797465730e636f6e7465"
                                   "6e742d6c656e67746802353104766172"
                                   "790f4163636570742d456e636f64696e"
                                   "670c636f6e74656e742d747970650a74"
                                   "6578742f706c61696e003348656c6c6f"
                                   "20576f726c6421204d7920636f6e7465"
                                   "6e7420696e636c756465732061207472"
                                   "61696c696e672043524c462e0d0a0000";

static void the_indeterminate_length_response_of_the_rfc_is_read(void **state)
{
    uint8_t in[512] = {0};
    size_t n = unhex(rfc_response, in);
    struct trace t = {0};

    (void)state;
    assert_int_equal(n, 368);
    assert_int_equal(decode(CLO_BHTTP_RESPONSE, in, n, &t), 0);
    assert_string_equal(t.text, "informational 102\n"
                                "informational 103\n"
                                "response 200\n"
                                "headers 8\n"
                                "  date: Mon, 27 Jul 2009 12:28:53 GMT\n"
                                "  server: Apache\n"
                                "  last-modified: Wed, 22 Jul 2009 19:15:56 GMT\n"
                                "  etag: \"34aa387-d-1568eb00\"\n"
                                "  accept-ranges: bytes\n"
                                "  content-length: 51\n"
                                "  vary: Accept-Encoding\n"
                                "  content-type: text/plain\n"
                                "content Hello World! My content includes a trailing CRLF.\r\n\n"
                                "trailers 0\n");
}

static void the_indeterminate_length_response_of_the_rfc_is_written(void **state)
{
    static const struct clo_bhttp_field running[] = {{"running", "\"sleep 15\""}};
    static const struct clo_bhttp_field links[] = {
        {"link", "</style.css>; rel=preload; as=style"},
        {"link", "</script.js>; rel=preload; as=script"},
    };
    static const struct clo_bhttp_field f[] = {
        {"date", "Mon, 27 Jul 2009 12:28:53 GMT"},
        {"server", "Apache"},
        {"last-modified", "Wed, 22 Jul 2009 19:15:56 GMT"},
        {"etag", "\"34aa387-d-1568eb00\""},
        {"accept-ranges", "bytes"},
        {"content-length", "51"},
        {"vary", "Accept-Encoding"},
        {"content-type", "text/plain"},
    };
    static const char content[] = "Hello World! My content includes a trailing CRLF.\r\n";
    uint8_t expected[512] = {0};
    size_t n = unhex(rfc_response, expected);
    struct clo_buf out = clo_buf_init(4096);

    (void)state;
    assert_int_equal(clo_bhttp_write_informational(102, running, 1, true, &out), 0);
    assert_int_equal(clo_bhttp_write_informational(103, links, 2, false, &out), 0);
    assert_int_equal(clo_bhttp_write_response_head(200, f, 8, false, &out), 0);
    assert_int_equal(clo_bhttp_write_content(content, strlen(content), &out), 0);
    assert_int_equal(clo_bhttp_write_content("", 0, &out), 0);
    assert_int_equal(clo_bhttp_write_end(NULL, 0, &out), 0);
    assert_int_equal(out.len, n);
    assert_memory_equal(out.p, expected, n);
    clo_buf_clear(&out);
}

static void the_known_length_response_of_the_rfc_is_read(void **state)
{
    static const char hex[] = "0140c8001d5468697320636f6e74656e"
                              "7420636f6e7461696e732043524c462e"
                              "0d0a0d07747261696c65720474657874";
    uint8_t in[64] = {0};
    size_t n = unhex(hex, in);
    struct trace t = {0};

    (void)state;
    assert_int_equal(decode(CLO_BHTTP_RESPONSE, in, n, &t), 0);
    assert_string_equal(t.text, "response 200\n"
                                "headers 0\n"
                                "content This content contains CRLF.\r\n\n"
                                "trailers 1\n"
                                "  trailer: text\n");
}

/* ---- framing ---- */

static void each_kind_takes_only_its_own_framing(void **state)
{
    struct trace t = {0};

    (void)state;
    assert_int_equal(REQUEST("\1\x40\xc8\0\0\0", &t), CLOISTER_E_MALFORMED);
    assert_int_equal(REQUEST("\3\x40\xc8\0\0\0", &t), CLOISTER_E_MALFORMED);
    assert_int_equal(RESPONSE(GET "\0\0\0", &t), CLOISTER_E_MALFORMED);
    assert_int_equal(RESPONSE(GET_INDETERMINATE "\0\0\0", &t), CLOISTER_E_MALFORMED);
    assert_int_equal(REQUEST("\4", &t), CLOISTER_E_MALFORMED);
    assert_int_equal(RESPONSE("\5", &t), CLOISTER_E_MALFORMED);
    assert_int_equal(REQUEST("\xc0\0\0\1\0\0\0\0", &t), CLOISTER_E_MALFORMED);
    assert_string_equal(t.text, "");
}

/* RFC 9292 section 3: integers need not be in the fewest bytes. */
static void longer_integers_than_needed_are_accepted(void **state)
{
    struct trace t = {0};

    (void)state;
    assert_int_equal(REQUEST("\x40\0"
                             "\x80\0\0\3GET"
                             "\xc0\0\0\0\0\0\0\5https"
                             "\x40\0"
                             "\x40\1/"
                             "\x40\10"
                             "\x40\1a"
                             "\x80\0\0\1b"
                             "\x40\2hi"
                             "\x40\0",
                             &t),
                     0);
    assert_string_equal(t.text,
                        "request GET [https] [] /\nheaders 1\n  a: b\ncontent hi\ntrailers 0\n");
    assert_int_equal(REQUEST("\2\3GET\5https\0\1/"
                             "\x40\1a\1b\x40\0"
                             "\x40\2hi\x40\0"
                             "\x40\0",
                             &t),
                     0);
    assert_string_equal(t.text,
                        "request GET [https] [] /\nheaders 1\n  a: b\ncontent hi\ntrailers 0\n");
}

static void content_comes_in_any_number_of_chunks(void **state)
{
    struct trace t = {0};

    (void)state;
    assert_int_equal(RESPONSE("\3\x40\xc8\0"
                              "\2ab"
                              "\1c"
                              "\3def"
                              "\0"
                              "\1x\1y\0",
                              &t),
                     0);
    assert_string_equal(t.text, "response 200\nheaders 0\ncontent abcdef\ntrailers 1\n  x: y\n");
}

/* Section 3.8 lets an encoder leave out empty parts at the end; here an answer without its end is cut. */
static void truncated_forms_are_refused(void **state)
{
    struct trace t = {0};

    (void)state;
    assert_int_equal(REQUEST(GET "\0\0\0", &t), 0);
    assert_int_equal(REQUEST(GET "\0\0", &t), CLOISTER_E_CUT);
    assert_int_equal(REQUEST(GET "\0", &t), CLOISTER_E_CUT);
    assert_int_equal(REQUEST(GET, &t), CLOISTER_E_CUT);
    assert_int_equal(RESPONSE("\3\x40\xc8\0\1a\0", &t), CLOISTER_E_CUT);
    assert_int_equal(RESPONSE("\3\x40\xc8\0\1a", &t), CLOISTER_E_CUT);
    assert_int_equal(RESPONSE("\3\x40\x66\0", &t), CLOISTER_E_CUT);
    assert_int_equal(RESPONSE("", &t), CLOISTER_E_CUT);
}

static void only_zeros_may_follow_the_end(void **state)
{
    struct trace t = {0};

    (void)state;
    assert_int_equal(REQUEST(GET "\0\0\0"
                                 "\0\0\0\0\0\0\0\0\0\0",
                             &t),
                     0);
    assert_int_equal(REQUEST(GET "\0\0\0"
                                 "\0\0\0\0\0\0\0\0\0\1",
                             &t),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(REQUEST(GET "\0\0\0"
                                 "\x80\0",
                             &t),
                     CLOISTER_E_MALFORMED);
}

static void completeness_is_known_before_the_padding(void **state)
{
    struct clo_bhttp_dec *d = NULL;
    struct trace t = {0};

    (void)state;
    assert_int_equal(clo_bhttp_dec_new(CLO_BHTTP_RESPONSE, &handler, &t, &d), 0);
    assert_false(clo_bhttp_dec_complete(d));
    assert_int_equal(clo_bhttp_dec_feed(d, "\3\x40\xc8\0\1a\0", 7), 0);
    assert_false(clo_bhttp_dec_complete(d));
    assert_int_equal(clo_bhttp_dec_feed(d, "\0", 1), 0);
    assert_true(clo_bhttp_dec_complete(d));
    assert_int_equal(clo_bhttp_dec_feed(d, "\0\0\0", 3), 0);
    assert_true(clo_bhttp_dec_complete(d));
    assert_int_equal(clo_bhttp_dec_feed(d, "\7", 1), CLOISTER_E_MALFORMED);
    assert_false(clo_bhttp_dec_complete(d));
    clo_bhttp_dec_free(d);
    clo_bhttp_dec_free(NULL);
}

/* ---- control data ---- */

static void control_data_of_a_request_are_checked(void **state)
{
    static const struct {
        const char *p;
        size_t n;
    } bad[] = {
#define M(s) {s, sizeof(s) - 1}
        M("\0\0\5https\0\1/\0\0\0"),            /* no method */
        M("\0\4GE T\5https\0\1/\0\0\0"),        /* a blank in it */
        M("\0\3G\0T\5https\0\1/\0\0\0"),        /* a zero */
        M("\0\3GET\0\0\1/\0\0\0"),              /* no scheme */
        M("\0\3GET\5HTTPS\0\1/\0\0\0"),         /* upper case */
        M("\0\3GET\0051ttps\0\1/\0\0\0"),       /* begins with a digit */
        M("\0\3GET\5https\3a b\1/\0\0\0"),      /* a blank in the authority */
        M("\0\3GET\5https\0\0\0\0\0"),          /* no path */
        M("\0\3GET\5https\0\1a\0\0\0"),         /* relative */
        M("\0\3GET\5https\0\3/\r\n\0\0\0"),     /* a line end */
        M("\0\3GET\5https\0\3/ a\0\0\0"),       /* a blank */
        M("\0\3GET\5https\0\3/\xc3\xa9\0\0\0"), /* not ASCII */
        M("\0\7CONNECT\0\1a\0\0\0\0"),          /* has neither scheme nor path */
    };
    struct trace t = {0};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        assert_int_equal(decode(CLO_BHTTP_REQUEST, bad[i].p, bad[i].n, &t), CLOISTER_E_MALFORMED);
        assert_string_equal(t.text, "");
    }
    assert_int_equal(REQUEST("\0\7OPTIONS\5https\13example.com\1*\0\0\0", &t), 0);
    assert_string_equal(t.text, "request OPTIONS [https] [example.com] *\nheaders 0\ntrailers 0\n");
}

static void control_data_may_be_as_long_as_the_limit_says(void **state)
{
    struct clo_buf in = clo_buf_init(1 << 20);
    struct trace t = {0};
    uint8_t *path = NULL;

    (void)state;
    for (size_t over = 0; over < 2; over++) {
        struct clo_bhttp_dec *d = NULL;
        uint8_t prefix[4] = {0};
        struct clo_wr wr = clo_wr_init(prefix, sizeof(prefix));
        /* the events aren't asked for: such a path fits no trace */
        static const struct clo_bhttp_handler none = {0};

        assert_int_equal(clo_wr_varint(&wr, CLO_BHTTP_LINE_MAX + over), 0);
        assert_int_equal(clo_buf_append(&in, "\0\3GET\5https\0", 12), 0);
        assert_int_equal(clo_buf_append(&in, prefix, wr.len), 0);
        assert_int_equal(clo_buf_reserve(&in, CLO_BHTTP_LINE_MAX + over, &path), 0);
        memset(path, '/', CLO_BHTTP_LINE_MAX + over);
        clo_buf_commit(&in, CLO_BHTTP_LINE_MAX + over);
        assert_int_equal(clo_buf_append(&in, "\0\0\0", 3), 0);
        assert_int_equal(clo_bhttp_dec_new(CLO_BHTTP_REQUEST, &none, &t, &d), 0);
        assert_int_equal(clo_bhttp_dec_feed(d, in.p, in.len), over ? CLOISTER_E_LIMIT : 0);
        clo_bhttp_dec_free(d);
        clo_buf_clear(&in);
    }
}

static void only_statuses_of_the_standard_are_taken(void **state)
{
    struct trace t = {0};

    (void)state;
    assert_int_equal(RESPONSE("\1\x3f\0\0\0", &t), CLOISTER_E_MALFORMED);      /* 63 */
    assert_int_equal(RESPONSE("\1\x40\x63\0\0\0", &t), CLOISTER_E_MALFORMED);  /* 99 */
    assert_int_equal(RESPONSE("\1\x42\x58\0\0\0", &t), CLOISTER_E_MALFORMED);  /* 600 */
    assert_int_equal(RESPONSE("\1\x40\x64\0\x40\xc7\0\x40\xc8\0\0\0", &t), 0); /* 100, 199, 200 */
    assert_string_equal(
        t.text, "informational 100\ninformational 199\nresponse 200\nheaders 0\ntrailers 0\n");
    assert_int_equal(RESPONSE("\1\x42\x57\0\0\0", &t), 0); /* 599 */
    assert_string_equal(t.text, "response 599\nheaders 0\ntrailers 0\n");
}

static void informational_responses_are_bounded_in_number(void **state)
{
    static const struct clo_bhttp_handler none = {0};
    struct clo_bhttp_dec *d = NULL;

    (void)state;
    assert_int_equal(clo_bhttp_dec_new(CLO_BHTTP_RESPONSE, &none, NULL, &d), 0);
    assert_int_equal(clo_bhttp_dec_feed(d, "\3", 1), 0);
    for (unsigned i = 0; i < CLO_BHTTP_INFO_MAX; i++)
        assert_int_equal(clo_bhttp_dec_feed(d, "\x40\x66\7padding\00200\0", 14), 0);
    assert_int_equal(clo_bhttp_dec_feed(d, "\x40\x66\0", 3), CLOISTER_E_LIMIT);
    clo_bhttp_dec_free(d);
}

static void fields_of_informational_responses_are_checked_too(void **state)
{
    struct trace t = {0};

    (void)state;
    assert_int_equal(RESPONSE("\3\x40\x66\1A\1b\0\x40\xc8\0\0\0", &t), CLOISTER_E_MALFORMED);
    assert_string_equal(t.text, "");
}

/* ---- fields ---- */

static void fields_come_in_order_with_their_repetitions(void **state)
{
    struct trace t = {0};

    (void)state;
    assert_int_equal(REQUEST(GET "\14"
                                 "\1b\0011"
                                 "\1a\0"
                                 "\1b\0012"
                                 "\0\0",
                             &t),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(REQUEST(GET "\13"
                                 "\1b\0011"
                                 "\1a\0"
                                 "\1b\0012"
                                 "\0\0",
                             &t),
                     0);
    assert_string_equal(t.text,
                        "request GET [https] [] /\nheaders 3\n  b: 1\n  a: \n  b: 2\ntrailers 0\n");
}

static int decode_field(const void *name, size_t name_n, const void *value, size_t value_n)
{
    struct clo_buf in = clo_buf_init(4096);
    uint8_t n[2] = {(uint8_t)name_n, (uint8_t)value_n};
    struct trace t = {0};
    int err = 0;

    assert_true(name_n < 64 && value_n < 64);
    assert_int_equal(clo_buf_append(&in, "\2\3GET\5https\0\1/", 14), 0);
    assert_int_equal(clo_buf_append(&in, &n[0], 1), 0);
    assert_int_equal(clo_buf_append(&in, name, name_n), 0);
    assert_int_equal(clo_buf_append(&in, &n[1], 1), 0);
    assert_int_equal(clo_buf_append(&in, value, value_n), 0);
    assert_int_equal(clo_buf_append(&in, "\0\0\0", 3), 0);
    err = decode(CLO_BHTTP_REQUEST, in.p, in.len, &t);
    clo_buf_clear(&in);
    return err;
}

static void names_are_lower_case_tokens(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        const char name[2] = {'x', (char)c};
        bool token = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                     (c != 0 && strchr("!#$%&'*+-.^_`|~", (int)c) != NULL);

        assert_int_equal(decode_field(name, 2, "v", 1), token ? 0 : CLOISTER_E_MALFORMED);
    }
}

static void pseudo_and_connection_fields_are_refused(void **state)
{
    static const char *const bad[] = {
        ":method",    ":path",      ":status",          ":protocol", ":",
        "connection", "keep-alive", "proxy-connection", "te",        "transfer-encoding",
        "upgrade"};
    static const char *const good[] = {"host", "tea", "content-length", "cookie"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        assert_int_equal(decode_field(bad[i], strlen(bad[i]), "v", 1), CLOISTER_E_MALFORMED);
    for (size_t i = 0; i < CLO_ARRAY_LEN(good); i++)
        assert_int_equal(decode_field(good[i], strlen(good[i]), "v", 1), 0);
}

static void a_name_is_never_empty(void **state)
{
    struct trace t = {0};

    (void)state;
    assert_int_equal(REQUEST(GET "\2\0\0\0\0", &t), CLOISTER_E_MALFORMED);
}

static void values_hold_no_control_characters(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        const char value[3] = {'a', (char)c, 'b'};
        bool ok = c == '\t' || (c >= 0x20 && c != 0x7f);

        assert_int_equal(decode_field("x", 1, value, 3), ok ? 0 : CLOISTER_E_MALFORMED);
    }
}

static void values_have_no_white_space_around_them(void **state)
{
    (void)state;
    assert_int_equal(decode_field("x", 1, "", 0), 0);
    assert_int_equal(decode_field("x", 1, " a", 2), CLOISTER_E_MALFORMED);
    assert_int_equal(decode_field("x", 1, "a ", 2), CLOISTER_E_MALFORMED);
    assert_int_equal(decode_field("x", 1, "\ta", 2), CLOISTER_E_MALFORMED);
    assert_int_equal(decode_field("x", 1, "a\t", 2), CLOISTER_E_MALFORMED);
    assert_int_equal(decode_field("x", 1, " ", 1), CLOISTER_E_MALFORMED);
}

static void a_field_never_outgrows_its_section(void **state)
{
    static const struct {
        const char *p;
        size_t n;
    } bad[] = {
        M("\1"
          "\1a\1b"), /* name goes beyond */
        M("\2"
          "\1a\1b"), /* value's length goes beyond */
        M("\3"
          "\1a\1b"), /* value goes beyond */
        M("\3"
          "\1a\x40\1b"), /* value's length straddles the end */
        M("\5"
          "\1a\1b\x40\1c"), /* next name's length straddles it */
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        struct clo_buf in = clo_buf_init(256);
        struct trace t = {0};

        assert_int_equal(clo_buf_append(&in, GET, sizeof(GET) - 1), 0);
        assert_int_equal(clo_buf_append(&in, bad[i].p, bad[i].n), 0);
        assert_int_equal(clo_buf_append(&in, "\0\0\0\0\0\0\0\0", 8), 0);
        assert_int_equal(decode(CLO_BHTTP_REQUEST, in.p, in.len, &t), CLOISTER_E_MALFORMED);
        clo_buf_clear(&in);
    }
}

static void fields_are_bounded_in_number(void **state)
{
    (void)state;
    for (size_t n = CLO_BHTTP_FIELDS_MAX; n <= CLO_BHTTP_FIELDS_MAX + 1; n++) {
        struct clo_buf known = clo_buf_init(4096), indeterminate = clo_buf_init(4096);
        const uint8_t section[2] = {(uint8_t)(0x40 | n * 3 >> 8), (uint8_t)(n * 3)};
        int expected = n > CLO_BHTTP_FIELDS_MAX ? CLOISTER_E_LIMIT : 0;
        struct trace t = {0};

        assert_int_equal(clo_buf_append(&known, GET, sizeof(GET) - 1), 0);
        assert_int_equal(clo_buf_append(&known, section, 2), 0);
        assert_int_equal(
            clo_buf_append(&indeterminate, GET_INDETERMINATE, sizeof(GET_INDETERMINATE) - 1), 0);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(clo_buf_append(&known, "\1a\0", 3), 0);
            assert_int_equal(clo_buf_append(&indeterminate, "\1a\0", 3), 0);
        }
        assert_int_equal(clo_buf_append(&known, "\0\0", 2), 0);
        assert_int_equal(clo_buf_append(&indeterminate, "\0\0\0", 3), 0);
        assert_int_equal(decode(CLO_BHTTP_REQUEST, known.p, known.len, &t), expected);
        assert_int_equal(decode(CLO_BHTTP_REQUEST, indeterminate.p, indeterminate.len, &t),
                         expected);
        clo_buf_clear(&known);
        clo_buf_clear(&indeterminate);
    }
}

static void sections_are_bounded_in_size(void **state)
{
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        /* one field: name length 1, name 1, value length 4, value */
        size_t value = CLO_BHTTP_SECTION_MAX - 6 + over;
        const uint8_t len[4] = {0x80, 0, (uint8_t)(value >> 8), (uint8_t)value};
        const uint8_t section[4] = {0x80, 0, (uint8_t)((value + 6) >> 8), (uint8_t)(value + 6)};
        int expected = over ? CLOISTER_E_LIMIT : 0;

        for (size_t known = 0; known < 2; known++) {
            struct clo_buf in = clo_buf_init(1 << 17);
            struct trace t = {0};
            uint8_t *p = NULL;

            assert_int_equal(clo_buf_append(&in, known ? "\1\x40\xc8" : "\3\x40\xc8", 3), 0);
            assert_int_equal(clo_buf_append(&in, section, known ? 4 : 0), 0);
            assert_int_equal(clo_buf_append(&in, "\1a", 2), 0);
            assert_int_equal(clo_buf_append(&in, len, 4), 0);
            assert_int_equal(clo_buf_reserve(&in, value, &p), 0);
            memset(p, 'v', value);
            clo_buf_commit(&in, value);
            assert_int_equal(clo_buf_append(&in, "\0\0\0", known ? 2 : 3), 0);
            assert_int_equal(decode(CLO_BHTTP_RESPONSE, in.p, in.len, &t), expected);
            clo_buf_clear(&in);
        }
    }
}

static void a_huge_length_is_refused_at_once(void **state)
{
    struct trace t = {0};

    (void)state;
    assert_int_equal(REQUEST("\0\xff\xff\xff\xff\xff\xff\xff\xff", &t), CLOISTER_E_LIMIT);
    assert_int_equal(REQUEST(GET "\xff\xff\xff\xff\xff\xff\xff\xff", &t), CLOISTER_E_LIMIT);
    assert_int_equal(REQUEST(GET_INDETERMINATE "\xff\xff\xff\xff\xff\xff\xff\xff", &t),
                     CLOISTER_E_LIMIT);
    assert_int_equal(REQUEST(GET_INDETERMINATE "\1a\xff\xff\xff\xff\xff\xff\xff\xff", &t),
                     CLOISTER_E_LIMIT);
    /* content's bound is the caller's: it is merely not all there */
    assert_int_equal(REQUEST(GET "\0\xff\xff\xff\xff\xff\xff\xff\xff"
                                 "abc",
                             &t),
                     CLOISTER_E_CUT);
}

static void a_handler_can_end_decoding(void **state)
{
    struct trace t = {.stop = CLOISTER_E_CANCELLED};

    (void)state;
    assert_int_equal(RESPONSE("\3\x40\xc8\0\1a\1b\0\0", &t), CLOISTER_E_CANCELLED);
    assert_string_equal(t.text, "response 200\nheaders 0\ncontent a");
}

/* ---- writing ---- */

static void what_the_decoder_would_refuse_is_not_written(void **state)
{
    static const struct clo_bhttp_field bad[] = {
        {"", "v"},       {"Upper", "v"}, {"te", "v"}, {":path", "v"}, {"a b", "v"},
        {"a", "x\r\ny"}, {"a", "x\ny"},  {"a", " x"}, {"a", "x\t"},   {"a", "\x7f"},
    };
    struct clo_buf out = clo_buf_init(1 << 20);

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        assert_int_equal(clo_bhttp_write_informational(102, &bad[i], 1, true, &out),
                         CLOISTER_E_ARGUMENT);
        assert_int_equal(clo_bhttp_write_response_head(200, &bad[i], 1, true, &out),
                         CLOISTER_E_ARGUMENT);
        assert_int_equal(clo_bhttp_write_end(&bad[i], 1, &out), CLOISTER_E_ARGUMENT);
        assert_int_equal(
            clo_bhttp_write_request("GET", "https", "", "/", &bad[i], 1, NULL, 0, &out),
            CLOISTER_E_ARGUMENT);
    }
    assert_int_equal(clo_bhttp_write_request("G T", "https", "", "/", NULL, 0, NULL, 0, &out),
                     CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_bhttp_write_request("GET", "", "", "/", NULL, 0, NULL, 0, &out),
                     CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_bhttp_write_request("GET", "https", "a\n", "/", NULL, 0, NULL, 0, &out),
                     CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_bhttp_write_request("GET", "https", "", "x", NULL, 0, NULL, 0, &out),
                     CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_bhttp_write_informational(200, NULL, 0, true, &out), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_bhttp_write_response_head(199, NULL, 0, true, &out), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_bhttp_write_response_head(600, NULL, 0, true, &out), CLOISTER_E_ARGUMENT);
    assert_int_equal(out.len, 0);
    clo_buf_clear(&out);
}

static void too_many_or_too_long_fields_are_not_written(void **state)
{
    static struct clo_bhttp_field f[CLO_BHTTP_FIELDS_MAX + 1];
    static char longest[CLO_BHTTP_SECTION_MAX];
    const struct clo_bhttp_field one = {"a", longest};
    struct clo_buf out = clo_buf_init(1 << 20);

    (void)state;
    memset(longest, 'v', sizeof(longest) - 1);
    for (size_t i = 0; i < CLO_ARRAY_LEN(f); i++)
        f[i] = (struct clo_bhttp_field){"a", "b"};
    assert_int_equal(clo_bhttp_write_end(f, CLO_ARRAY_LEN(f), &out), CLOISTER_E_LIMIT);
    assert_int_equal(clo_bhttp_write_end(&one, 1, &out), CLOISTER_E_LIMIT);
    assert_int_equal(clo_bhttp_write_request("GET", "https", "", longest, NULL, 0, NULL, 0, &out),
                     CLOISTER_E_LIMIT);
    assert_int_equal(out.len, 0);
    clo_buf_clear(&out);
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
    static const struct clo_bhttp_field f[] = {{"a", "b"}};
    struct clo_buf out = clo_buf_init(8);

    (void)state;
    assert_int_equal(clo_buf_append(&out, "12345", 5), 0);
    assert_int_equal(clo_bhttp_write_content("abc", 3, &out), CLOISTER_E_LIMIT);
    assert_int_equal(clo_bhttp_write_end(f, 1, &out), CLOISTER_E_LIMIT);
    assert_int_equal(clo_bhttp_write_response_head(200, f, 1, false, &out), CLOISTER_E_LIMIT);
    assert_int_equal(clo_bhttp_write_request("GET", "https", "", "/", NULL, 0, NULL, 0, &out),
                     CLOISTER_E_LIMIT);
    assert_int_equal(out.len, 5);
    assert_memory_equal(out.p, "12345", 5);
    assert_int_equal(clo_bhttp_write_content("ab", 2, &out), 0);
    clo_buf_clear(&out);
}

/* The traffic shape counts on these lengths: a frame of p bytes holds a padding value of p - 13. */
static void a_padding_response_costs_thirteen_bytes(void **state)
{
    static char zeros[16346];
    static const size_t frame[] = {505 - 18, 4089 - 18, 16376 - 18};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(frame); i++) {
        const struct clo_bhttp_field f[] = {{"padding", zeros}};
        struct clo_buf out = clo_buf_init(1 << 15);

        memset(zeros, 0, sizeof(zeros));
        memset(zeros, '0', frame[i] - 13);
        assert_int_equal(clo_bhttp_write_informational(102, f, 1, false, &out), 0);
        assert_int_equal(out.len, frame[i]);
        clo_buf_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_known_length_request_of_the_rfc_is_read),
        cmocka_unit_test(the_known_length_request_of_the_rfc_is_written),
        cmocka_unit_test(the_indeterminate_length_request_of_the_rfc_is_read),
        cmocka_unit_test(the_indeterminate_length_response_of_the_rfc_is_read),
        cmocka_unit_test(the_indeterminate_length_response_of_the_rfc_is_written),
        cmocka_unit_test(the_known_length_response_of_the_rfc_is_read),
        cmocka_unit_test(each_kind_takes_only_its_own_framing),
        cmocka_unit_test(longer_integers_than_needed_are_accepted),
        cmocka_unit_test(content_comes_in_any_number_of_chunks),
        cmocka_unit_test(truncated_forms_are_refused),
        cmocka_unit_test(only_zeros_may_follow_the_end),
        cmocka_unit_test(completeness_is_known_before_the_padding),
        cmocka_unit_test(control_data_of_a_request_are_checked),
        cmocka_unit_test(control_data_may_be_as_long_as_the_limit_says),
        cmocka_unit_test(only_statuses_of_the_standard_are_taken),
        cmocka_unit_test(informational_responses_are_bounded_in_number),
        cmocka_unit_test(fields_of_informational_responses_are_checked_too),
        cmocka_unit_test(fields_come_in_order_with_their_repetitions),
        cmocka_unit_test(names_are_lower_case_tokens),
        cmocka_unit_test(pseudo_and_connection_fields_are_refused),
        cmocka_unit_test(a_name_is_never_empty),
        cmocka_unit_test(values_hold_no_control_characters),
        cmocka_unit_test(values_have_no_white_space_around_them),
        cmocka_unit_test(a_field_never_outgrows_its_section),
        cmocka_unit_test(fields_are_bounded_in_number),
        cmocka_unit_test(sections_are_bounded_in_size),
        cmocka_unit_test(a_huge_length_is_refused_at_once),
        cmocka_unit_test(a_handler_can_end_decoding),
        cmocka_unit_test(what_the_decoder_would_refuse_is_not_written),
        cmocka_unit_test(too_many_or_too_long_fields_are_not_written),
        cmocka_unit_test(a_full_buffer_is_left_as_it_was),
        cmocka_unit_test(a_padding_response_costs_thirteen_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
