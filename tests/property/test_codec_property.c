/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds for every decoder of a text format, on random messages: what was written is read again; the pieces that
 * bytes come in make no difference; a message cut short is an error, never a shorter message; and no byte
 * changed on the way does more than change the outcome.
 *
 * The seed is printed; CLOISTER_SEED=N repeats a run.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <cmocka.h>

#include "codec/bhttp.h"
#include "codec/http1.h"
#include "codec/json.h"
#include "codec/sse.h"

enum {
    MESSAGES = 40,
    MESSAGE_MAX = 1 << 16,
    EVENT_MAX = 64
};

/* ---- chance: xorshift64* ---- */

static uint64_t rng;

static uint32_t chance(uint32_t below)
{
    rng ^= rng >> 12;
    rng ^= rng << 25;
    rng ^= rng >> 27;
    return (uint32_t)((rng * 0x2545f4914f6cdd1d) >> 32) % below;
}

static void must(int err)
{
    assert_int_equal(err, 0);
}

static void put(struct clo_buf *b, const char *s)
{
    must(clo_buf_append(b, s, strlen(s)));
}

/* Between min and max characters out of a set. */
static void random_text(char *dst, size_t min, size_t max, const char *set)
{
    size_t n = min + chance((uint32_t)(max - min + 1));

    for (size_t i = 0; i < n; i++)
        dst[i] = set[chance((uint32_t)strlen(set))];
    dst[n] = 0;
}

/* ---- what is common to the formats ---- */

/* A random message, the events that it holds, and at which lengths it would be whole. */
struct message {
    struct clo_buf bytes;
    struct clo_buf events;
    bool whole[MESSAGE_MAX + 1];
};

struct codec {
    void (*make)(struct message *m);
    void *(*open)(struct clo_buf *events);
    int (*feed)(void *d, const void *p, size_t n);
    int (*end)(void *d);
    void (*close)(void *d);
};

static void message_clear(struct message *m)
{
    clo_buf_clear(&m->bytes);
    clo_buf_clear(&m->events);
    memset(m->whole, 0, sizeof(m->whole));
}

static void make(const struct codec *c, struct message *m)
{
    m->bytes = clo_buf_init(MESSAGE_MAX);
    m->events = clo_buf_init(4 * MESSAGE_MAX);
    c->make(m);
    m->whole[m->bytes.len] = true;
}

/* Decode in pieces of 1 to `most` bytes, each in a block of its own, so that a read beyond it is seen. */
static int decode(const struct codec *c, const uint8_t *p, size_t n, size_t most,
                  struct clo_buf *events)
{
    void *d = NULL;
    int err = 0;

    *events = clo_buf_init(4 * MESSAGE_MAX);
    d = c->open(events);
    for (size_t at = 0; at < n && err == 0;) {
        size_t piece = most >= n ? n : 1 + chance((uint32_t)most);
        uint8_t *copy = NULL;

        piece = piece > n - at ? n - at : piece;
        assert_non_null(copy = malloc(piece));
        memcpy(copy, p + at, piece);
        err = c->feed(d, copy, piece);
        free(copy);
        at += piece;
    }
    err = c->end(d);
    c->close(d);
    return err;
}

static void assert_same(const struct clo_buf *a, const struct clo_buf *b)
{
    assert_int_equal(a->len, b->len);
    if (a->len > 0)
        assert_memory_equal(a->p, b->p, a->len);
}

static void expect(const struct codec *c, const uint8_t *p, size_t n, size_t most, int err,
                   const struct clo_buf *events)
{
    struct clo_buf got = {0};

    assert_int_equal(decode(c, p, n, most, &got), err);
    assert_same(&got, events);
    clo_buf_clear(&got);
}

static void check_pieces(const struct codec *c)
{
    static struct message m;

    for (int i = 0; i < MESSAGES; i++) {
        make(c, &m);
        expect(c, m.bytes.p, m.bytes.len, m.bytes.len, 0, &m.events);
        expect(c, m.bytes.p, m.bytes.len, 1, 0, &m.events);
        for (size_t most = 2; most < 200; most *= 2)
            expect(c, m.bytes.p, m.bytes.len, most, 0, &m.events);
        message_clear(&m);
    }
}

static void check_truncation(const struct codec *c)
{
    static struct message m;

    for (int i = 0; i < MESSAGES / 4; i++) {
        make(c, &m);
        for (size_t n = 0; n < m.bytes.len; n++) {
            struct clo_buf got = {0};
            int err = decode(c, m.bytes.p, n, n, &got);

            assert_int_equal(err, m.whole[n] ? 0 : CLOISTER_E_CUT);
            assert_true(got.len <= m.events.len);
            if (got.len > 0)
                assert_memory_equal(got.p, m.events.p, got.len);
            clo_buf_clear(&got);
        }
        message_clear(&m);
    }
}

static void check_mutation(const struct codec *c)
{
    static struct message m;

    for (int i = 0; i < MESSAGES / 4; i++) {
        make(c, &m);
        for (size_t at = 0; at < m.bytes.len; at++) {
            uint8_t was = m.bytes.p[at];
            struct clo_buf got = {0};
            int err = 0;

            m.bytes.p[at] = (uint8_t)chance(256);
            err = decode(c, m.bytes.p, m.bytes.len, m.bytes.len, &got);
            expect(c, m.bytes.p, m.bytes.len, 5, err, &got);
            clo_buf_clear(&got);
            m.bytes.p[at] = was;
        }
        message_clear(&m);
    }
}

/* ---- Binary HTTP ---- */

static int see_request(void *ctx, const char *method, const char *scheme, const char *authority,
                       const char *path)
{
    put(ctx, method);
    put(ctx, " ");
    put(ctx, scheme);
    put(ctx, " ");
    put(ctx, authority);
    put(ctx, " ");
    put(ctx, path);
    put(ctx, "\n");
    return 0;
}

static int see_status(void *ctx, unsigned status)
{
    char text[16] = "";

    snprintf(text, sizeof(text), "%u\n", status);
    put(ctx, text);
    return 0;
}

static int see_fields(void *ctx, const struct clo_bhttp_field *f, size_t n)
{
    put(ctx, "\nfields\n");
    for (size_t i = 0; i < n; i++) {
        put(ctx, f[i].name);
        put(ctx, ":");
        put(ctx, f[i].value);
        put(ctx, "\n");
    }
    return 0;
}

static int see_content(void *ctx, const uint8_t *p, size_t n)
{
    must(clo_buf_append(ctx, p, n));
    return 0;
}

static const struct clo_bhttp_handler bhttp_handler = {
    .request = see_request,
    .informational = see_status,
    .response = see_status,
    .headers = see_fields,
    .content = see_content,
    .trailers = see_fields,
};

#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789-"

struct fields {
    struct clo_bhttp_field f[4];
    char name[4][80];
    char value[4][200];
    size_t n;
};

static void random_fields(struct fields *f)
{
    f->n = chance(5);
    for (size_t i = 0; i < f->n; i++) {
        random_text(f->name[i], 2, chance(8) == 0 ? 79 : 12, LOWER);
        f->name[i][0] = 'x'; /* no connection field */
        f->name[i][1] = '-';
        random_text(f->value[i], 0, chance(8) == 0 ? 199 : 20, LOWER "\"=;,/\x80\xff");
        f->f[i] = (struct clo_bhttp_field){f->name[i], f->value[i]};
    }
}

static void random_content(struct clo_buf *b, size_t max)
{
    size_t n = chance((uint32_t)max + 1);
    uint8_t *p = NULL;

    must(clo_buf_reserve(b, n, &p));
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)chance(256);
    clo_buf_commit(b, n);
}

static void make_request(struct message *m)
{
    struct clo_buf content = clo_buf_init(MESSAGE_MAX);
    struct fields f = {0};
    char method[12] = "", authority[20] = "", path[120] = "/";

    random_text(method, 1, 10, "GETPOSTabc!#");
    random_text(authority, 0, 18, LOWER ".:");
    random_text(path + 1, 0, 100, LOWER "/?&=%");
    random_fields(&f);
    random_content(&content, 300);
    must(clo_bhttp_write_request(method, "https", authority, path, f.f, f.n, content.p, content.len,
                                 &m->bytes));
    see_request(&m->events, method, "https", authority, path);
    see_fields(&m->events, f.f, f.n);
    see_content(&m->events, content.p, content.len);
    see_fields(&m->events, NULL, 0);
    clo_buf_clear(&content);
}

static void make_response(struct message *m)
{
    struct fields f = {0};
    unsigned informational = chance(4);
    unsigned status = 200 + chance(400);

    for (unsigned i = 0; i < informational; i++) {
        random_fields(&f);
        must(clo_bhttp_write_informational(102, f.f, f.n, i == 0, &m->bytes));
        see_status(&m->events, 102);
    }
    random_fields(&f);
    must(clo_bhttp_write_response_head(status, f.f, f.n, informational == 0, &m->bytes));
    see_status(&m->events, status);
    see_fields(&m->events, f.f, f.n);
    for (uint32_t chunks = chance(5); chunks > 0; chunks--) {
        struct clo_buf content = clo_buf_init(MESSAGE_MAX);

        random_content(&content, 100);
        must(clo_bhttp_write_content(content.p, content.len, &m->bytes));
        see_content(&m->events, content.p, content.len);
        clo_buf_clear(&content);
    }
    random_fields(&f);
    must(clo_bhttp_write_end(f.f, f.n, &m->bytes));
    see_fields(&m->events, f.f, f.n);
    m->whole[m->bytes.len] = true;
    for (uint32_t padding = chance(20); padding > 0; padding--) {
        must(clo_buf_append(&m->bytes, "", 1));
        m->whole[m->bytes.len] = true;
    }
}

static void *bhttp_open(enum clo_bhttp_kind kind, struct clo_buf *events)
{
    struct clo_bhttp_dec *d = NULL;

    must(clo_bhttp_dec_new(kind, &bhttp_handler, events, &d));
    return d;
}

static void *request_open(struct clo_buf *events)
{
    return bhttp_open(CLO_BHTTP_REQUEST, events);
}

static void *response_open(struct clo_buf *events)
{
    return bhttp_open(CLO_BHTTP_RESPONSE, events);
}

static int bhttp_feed(void *d, const void *p, size_t n)
{
    return clo_bhttp_dec_feed(d, p, n);
}

static int bhttp_end(void *d)
{
    return clo_bhttp_dec_end(d);
}

static void bhttp_close(void *d)
{
    clo_bhttp_dec_free(d);
}

/* ---- server-sent events ---- */

static int see_event(void *ctx, const char *data, size_t n)
{
    put(ctx, "event ");
    must(clo_buf_append(ctx, data, n));
    put(ctx, "\n");
    return 0;
}

/* A line with any of the line ends. Behind CR the line has ended already. */
static void put_line(struct message *m, const char *line, bool whole)
{
    static const char *const ends[] = {"\n", "\r\n", "\r"};
    const char *line_end = ends[chance(3)];

    /* CR, then an empty line that ends with LF, would be one line end */
    if (line[0] == 0 && m->bytes.len > 0 && m->bytes.p[m->bytes.len - 1] == '\r')
        line_end = "\r";
    put(&m->bytes, line);
    for (; *line_end != 0; line_end++) {
        must(clo_buf_append(&m->bytes, line_end, 1));
        m->whole[m->bytes.len] = whole;
    }
}

static void make_events(struct message *m)
{
    m->whole[0] = true;
    for (uint32_t events = chance(6); events > 0; events--) {
        struct clo_buf data = clo_buf_init(1000);
        char text[EVENT_MAX + 1] = "", line[EVENT_MAX + 16] = "";

        if (chance(3) == 0)
            put_line(m, ": comment", true);
        if (chance(3) == 0)
            put_line(m, "id: 7", false);
        for (uint32_t lines = 1 + chance(3); lines > 0; lines--) {
            random_text(text, 1, EVENT_MAX / 3 - 1, LOWER "{}[]\":, \xc3\xa9");
            text[0] = '.'; /* no blank in front */
            snprintf(line, sizeof(line), "data:%s%s", chance(2) ? " " : "", text);
            put_line(m, line, false);
            put(&data, data.len == 0 ? "" : "\n");
            put(&data, text);
            if (chance(4) == 0)
                put_line(m, ":", false);
        }
        put_line(m, "", true);
        see_event(&m->events, (const char *)data.p, data.len);
        clo_buf_clear(&data);
    }
}

static void *sse_open(struct clo_buf *events)
{
    struct clo_sse *s = NULL;

    must(clo_sse_new(EVENT_MAX, see_event, events, &s));
    return s;
}

static int sse_feed(void *d, const void *p, size_t n)
{
    return clo_sse_feed(d, p, n);
}

static int sse_end(void *d)
{
    return clo_sse_end(d);
}

static void sse_close(void *d)
{
    clo_sse_free(d);
}

/* ---- HTTP/1.1 ---- */

static int see_head(void *ctx, const struct clo_http1_head *head)
{
    char line[256] = "";

    snprintf(line, sizeof(line), "%u %s %d %" PRIu64 "\n", head->status, head->content_type,
             head->has_length, head->length);
    put(ctx, line);
    return 0;
}

static int see_end(void *ctx)
{
    put(ctx, "\nend\n");
    return 0;
}

static void make_http1(struct message *m)
{
    struct clo_http1_head head = {.status = 200 + chance(100), .has_length = chance(2) == 0};
    struct clo_buf content = clo_buf_init(MESSAGE_MAX);
    char line[128] = "";

    head.status += head.status == 204 ? 1 : 0; /* has no body */
    if (chance(3) == 0)
        put(&m->bytes, "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n");
    snprintf(line, sizeof(line), "HTTP/1.1 %u Some Reason\r\n", head.status);
    put(&m->bytes, line);
    if (chance(2) == 0) {
        put(&m->bytes, "Content-Type: Text/Event-Stream; charset=utf-8\r\n");
        strcpy(head.content_type, "text/event-stream");
    }
    if (head.has_length) {
        random_content(&content, 200);
        head.length = content.len;
        snprintf(line, sizeof(line), "Content-Length:%zu\r\n\r\n", content.len);
        put(&m->bytes, line);
        see_content(&m->bytes, content.p, content.len);
    } else {
        put(&m->bytes, "transfer-encoding: Chunked\r\n\r\n");
        for (uint32_t chunks = chance(5); chunks > 0; chunks--) {
            size_t at = content.len;

            random_content(&content, 80);
            if (content.len == at)
                continue;
            snprintf(line, sizeof(line), "%zx%s\r\n", content.len - at,
                     chance(3) == 0 ? ";ext=\"1\"" : "");
            put(&m->bytes, line);
            see_content(&m->bytes, content.p + at, content.len - at);
            put(&m->bytes, "\r\n");
        }
        put(&m->bytes, chance(2) == 0 ? "0\r\n\r\n" : "00\r\nX-Trailer: 1\r\n\r\n");
    }
    see_head(&m->events, &head);
    see_content(&m->events, content.p, content.len);
    see_end(&m->events);
    clo_buf_clear(&content);
}

static void *http1_open(struct clo_buf *events)
{
    static const struct clo_http1_handler handler = {see_head, see_content, see_end};
    struct clo_http1 *r = NULL;

    must(clo_http1_new(&handler, events, &r));
    return r;
}

static int http1_feed(void *d, const void *p, size_t n)
{
    return clo_http1_feed(d, p, n);
}

static int http1_end(void *d)
{
    return clo_http1_eof(d);
}

static void http1_close(void *d)
{
    clo_http1_free(d);
}

/* ---- JSON, which is read in one piece ---- */

static json_t *random_value(unsigned depth)
{
    char text[24] = "";
    json_t *v = NULL;

    switch (chance(depth > 4 ? 5 : 7)) {
    case 0: return json_null();
    case 1: return json_boolean(chance(2));
    case 2: return json_integer((json_int_t)(((uint64_t)chance(UINT32_MAX) << 32) | chance(9)));
    case 3: return json_real((double)chance(1000000) / 7);
    case 4: random_text(text, 0, 20, LOWER "\"\\/\n\x01\x7f{}[]:,"); return json_string(text);
    case 5:
        v = json_array();
        for (uint32_t n = chance(5); n > 0; n--)
            assert_int_equal(json_array_append_new(v, random_value(depth + 1)), 0);
        return v;
    default:
        v = json_object();
        for (uint32_t n = chance(5); n > 0; n--) {
            random_text(text, 0, 8, LOWER "\"\\");
            assert_int_equal(json_object_set_new(v, text, random_value(depth + 1)), 0);
        }
        return v;
    }
}

static void make_json(struct message *m, json_t **ret)
{
    json_t *v = json_array();

    m->bytes = clo_buf_init(MESSAGE_MAX);
    for (uint32_t n = 1 + chance(4); n > 0; n--)
        assert_int_equal(json_array_append_new(v, random_value(0)), 0);
    must(clo_json_write(v, &m->bytes));
    *ret = v;
}

static void json_values_are_read_as_written(void **state)
{
    static struct message m;

    (void)state;
    for (int i = 0; i < MESSAGES; i++) {
        json_t *v = NULL, *again = NULL;

        make_json(&m, &v);
        must(clo_json_parse(m.bytes.p, m.bytes.len, m.bytes.len, &again));
        assert_true(json_equal(v, again));
        json_decref(v);
        json_decref(again);
        message_clear(&m);
    }
}

static void json_cut_short_is_an_error(void **state)
{
    static struct message m;

    (void)state;
    for (int i = 0; i < MESSAGES / 4; i++) {
        json_t *v = NULL;

        make_json(&m, &v);
        for (size_t n = 0; n < m.bytes.len; n++) {
            json_t *none = NULL;

            assert_int_equal(clo_json_parse(m.bytes.p, n, MESSAGE_MAX, &none),
                             CLOISTER_E_MALFORMED);
            assert_null(none);
        }
        json_decref(v);
        message_clear(&m);
    }
}

static void json_changed_is_refused_or_another_value(void **state)
{
    static struct message m;

    (void)state;
    for (int i = 0; i < MESSAGES; i++) {
        json_t *v = NULL;

        make_json(&m, &v);
        for (size_t at = 0; at < m.bytes.len; at++) {
            uint8_t was = m.bytes.p[at];
            json_t *other = NULL;

            m.bytes.p[at] = (uint8_t)chance(256);
            if (clo_json_parse(m.bytes.p, m.bytes.len, MESSAGE_MAX, &other) == 0) {
                struct clo_buf out = clo_buf_init(8 * MESSAGE_MAX);

                must(clo_json_write(other, &out));
                clo_buf_clear(&out);
            }
            json_decref(other);
            m.bytes.p[at] = was;
        }
        json_decref(v);
        message_clear(&m);
    }
}

/* ---- the list ---- */

static const struct codec request = {make_request, request_open, bhttp_feed, bhttp_end,
                                     bhttp_close};
static const struct codec response = {make_response, response_open, bhttp_feed, bhttp_end,
                                      bhttp_close};
static const struct codec events = {make_events, sse_open, sse_feed, sse_end, sse_close};
static const struct codec http1 = {make_http1, http1_open, http1_feed, http1_end, http1_close};

#define PROPERTIES(codec, name)                                             \
    static void name##_are_read_as_written_in_any_pieces(void **state)      \
    {                                                                       \
        (void)state;                                                        \
        check_pieces(&(codec));                                             \
    }                                                                       \
    static void name##_cut_short_are_an_error(void **state)                 \
    {                                                                       \
        (void)state;                                                        \
        check_truncation(&(codec));                                         \
    }                                                                       \
    static void name##_changed_have_one_outcome_in_any_pieces(void **state) \
    {                                                                       \
        (void)state;                                                        \
        check_mutation(&(codec));                                           \
    }
PROPERTIES(request, bhttp_requests)
PROPERTIES(response, bhttp_responses)
PROPERTIES(events, server_sent_events)
PROPERTIES(http1, http1_responses)

#define TESTS(name)                                             \
    cmocka_unit_test(name##_are_read_as_written_in_any_pieces), \
        cmocka_unit_test(name##_cut_short_are_an_error),        \
        cmocka_unit_test(name##_changed_have_one_outcome_in_any_pieces)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TESTS(bhttp_requests),
        TESTS(bhttp_responses),
        TESTS(server_sent_events),
        TESTS(http1_responses),
        cmocka_unit_test(json_values_are_read_as_written),
        cmocka_unit_test(json_cut_short_is_an_error),
        cmocka_unit_test(json_changed_is_refused_or_another_value),
    };
    const char *seed = getenv("CLOISTER_SEED");

    if (seed != NULL)
        rng = strtoull(seed, NULL, 0);
    else if (getrandom(&rng, sizeof(rng), 0) != sizeof(rng))
        return 1;
    rng |= 1;                                        /* xorshift never leaves 0 */
    print_error("CLOISTER_SEED=%" PRIu64 "\n", rng); /* TAP begins with its version */
    fflush(stdout);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
