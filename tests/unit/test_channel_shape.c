/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's half of the traffic shape (docs/PROTOCOL.md section 4): what sizes its requests have, and that an answer whose pieces have
 * other sizes or another number than the machine promised is refused. The numbers stand here once more, as the protocol has them.
 */
#include <stdio.h>

#include "base/enc.h"
#include "channel_server.h"
#include "codec/shape.h"

enum {
    HEAD_XWING = 1127,
    HEAD_X25519 = 39,
    MESSAGE_MAX = 4 << 20,
    INSERTED_BEFORE_STATUS = 3, /* frames with nothing but a 102 */
};

static const struct {
    const char *name;
    size_t plain, first, max; /* plaintext bytes of a frame: d - 18 */
} classes[] = {{"chat", 505 - 18, 512, 32768},
               {"wide", 4089 - 18, 128, 32768},
               {"bulk", 16376 - 18, 32, 32768}};

static const uint16_t aeads[] = {CLO_AES_128_GCM, CLO_AES_256_GCM, CLO_CHACHA20_POLY1305};
static const size_t nonces[] = {16, 32, 32};

/* ---- a channel with a server ---- */

struct pair {
    struct server s;
    struct cloister_channel *c;
    struct cloister_exchange *x;
    const uint8_t *sealed;
    size_t sealed_n;
    /* what the client was told */
    unsigned heads, completes;
    size_t content;
};

static const struct cloister_request question = {
    .method = "POST",
    .path = "/v1/chat/completions",
    .api_key = "sk-test",
    .content_type = "application/json",
    .body = "{}",
    .body_n = 2,
};

static int open_channel(struct pair *t, uint16_t kem, uint16_t aead, uint32_t shape)
{
    const size_t i = kem == CLO_KEM_XWING ? 0 : 1;
    struct cloister_verdict v;

    make_conf(&t->s, 0, CLO_KEM_XWING, 7);
    make_conf(&t->s, 1, CLO_KEM_X25519, 8);
    v = good_verdict(&t->s);
    verdict_keys(&v, &t->s.conf[i], 1);
    v.allow_x25519 = true;
    v.aead[0] = aead;
    v.aeads = 1;
    v.shape = shape;
    return cloister_channel_open(&v, NOW, &t->c);
}

static void ask(struct pair *t, const struct cloister_request *req)
{
    cloister_exchange_free(t->x);
    t->x = NULL;
    t->s.fields[0] = '\0';
    clo_buf_clear(&t->s.content);
    assert_int_equal(cloister_exchange_new(t->c, req, NOW, &t->x), 0);
    assert_int_equal(cloister_exchange_body(t->x, &t->sealed, &t->sealed_n), 0);
    serve(&t->s, t->sealed, t->sealed_n);
    t->heads = t->completes = 0;
    t->content = 0;
}

static void pair_end(struct pair *t)
{
    cloister_exchange_free(t->x);
    cloister_channel_free(t->c);
    clo_buf_clear(&t->s.content);
    *t = (struct pair){0};
}

static int on_head(void *ctx, unsigned status, const struct cloister_field *f, size_t n)
{
    struct pair *t = ctx;

    (void)f;
    (void)n;
    assert_int_equal(status, 200);
    t->heads++;
    return 0;
}

static int on_text(void *ctx, const void *p, size_t n)
{
    struct pair *t = ctx;

    (void)p;
    t->content += n;
    return 0;
}

static int on_complete(void *ctx)
{
    struct pair *t = ctx;

    t->completes++;
    return 0;
}

static const struct cloister_answer_handler handler = {
    .head = on_head, .content = on_text, .complete = on_complete};

/* ---- requests ---- */

/* The protocol's list: 16 KiB x 4^k up to 1 MiB, then numbers whose bits below the top six are zero. */
static bool is_size(size_t t)
{
    size_t top = 0;

    if (t <= 1 << 20)
        return t == 16384 || t == 65536 || t == 262144 || t == 1048576;
    while (t >> top > 63)
        top++;
    return t >> top << top == t;
}

static size_t smaller_size(size_t t)
{
    do
        t--;
    while (t > 0 && !is_size(t));
    return t;
}

static size_t room(size_t h, size_t t)
{
    return t <= h + 17 ? 0 : (t - h - 17) / 16385 * 16367 + (t - h - 17) % 16385;
}

/* Bytes of the Binary HTTP message that this request becomes. */
static size_t message_len(const struct cloister_request *req)
{
    const struct clo_bhttp_field f[] = {
        {"authorization", "Bearer sk-test"},
        {"content-type", "application/json"},
        {"cloister-shape", req->shape != NULL ? req->shape : "chat"}};
    struct clo_buf out = clo_buf_init(MESSAGE_MAX);
    size_t n;

    assert_int_equal(clo_bhttp_write_request(req->method, "https", "", req->path, f, 3, req->body,
                                             req->body_n, &out),
                     0);
    n = out.len;
    clo_buf_clear(&out);
    return n;
}

static void check_request(struct pair *t, size_t head, const struct cloister_request *req)
{
    const size_t n = message_len(req), got = t->sealed_n;

    assert_true(is_size(got));
    assert_true(room(head, got) >= n);
    assert_true(room(head, smaller_size(got)) < n);
    assert_int_equal(t->s.total, room(head, got));
    assert_int_equal(t->s.chunks, (got - head - 17) / 16385 + 1);
    assert_int_equal(t->s.final_n, (got - head - 17) % 16385);
    assert_true(t->s.chunks == 1 || t->s.largest == 16367 || t->s.largest == t->s.final_n);
    assert_int_equal(t->s.content.len, req->body_n);
    assert_true(req->body_n == 0 || memcmp(t->s.content.p, req->body, req->body_n) == 0);
}

static void a_request_has_the_smallest_size_that_holds_it(void **state)
{
    static const size_t sizes[] = {16384,           65536,   262144,         1048576,
                                   1048576 + 32768, 2097152, 2097152 + 65536};
    char *body = malloc(MESSAGE_MAX);
    (void)state;

    assert_non_null(body);
    for (size_t i = 0; i < MESSAGE_MAX; i++)
        body[i] = (char)('a' + i % 23);
    for (int xwing = 0; xwing < 2; xwing++) {
        const size_t head = xwing ? HEAD_XWING : HEAD_X25519;
        struct pair t = {0};

        assert_int_equal(open_channel(&t, xwing ? CLO_KEM_XWING : CLO_KEM_X25519, CLO_AES_256_GCM,
                                      CLOISTER_SHAPING_FULL),
                         0);
        for (size_t i = 0; i < CLO_ARRAY_LEN(sizes); i++) {
            /* Messages around what this size just holds: the lengths inside take more bytes as the body grows. */
            for (size_t under = 140; under > 100; under--) {
                struct cloister_request req = question;

                req.body = body;
                req.body_n = room(head, sizes[i]) - under;
                if (i > 3 && under % 8 != 0 && message_len(&req) != room(head, sizes[i]) &&
                    message_len(&req) != room(head, sizes[i]) + 1)
                    continue;
                ask(&t, &req);
                check_request(&t, head, &req);
            }
        }
        pair_end(&t);
    }
    free(body);
}

static void one_byte_more_than_a_size_holds_takes_the_next(void **state)
{
    struct pair t = {0};
    char *body = calloc(1, 16384);
    struct cloister_request req = question;
    (void)state;

    assert_non_null(body);
    assert_int_equal(open_channel(&t, CLO_KEM_XWING, CLO_AES_256_GCM, CLOISTER_SHAPING_SIZE), 0);
    req.body = body;
    req.body_n = 16384 - HEAD_XWING - 17;
    while (message_len(&req) > 16384 - HEAD_XWING - 17)
        req.body_n--;
    assert_int_equal(message_len(&req), 16384 - HEAD_XWING - 17);
    ask(&t, &req);
    assert_int_equal(t.sealed_n, 16384);
    assert_int_equal(t.s.chunks, 1);
    req.body_n++;
    ask(&t, &req);
    assert_int_equal(t.sealed_n, 65536);
    pair_end(&t);
    free(body);
}

static void every_kind_of_request_and_cipher_is_padded(void **state)
{
    const struct cloister_request models = {.method = "GET", .path = "/v1/models"};
    const struct cloister_request cancel = {
        .method = "POST",
        .path = "/v1/cloister/cancel",
        .content_type = "application/json",
        .body = "{\"request\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}",
        .body_n = 57,
    };
    const struct cloister_request *const kinds[] = {&models, &cancel, &question};
    (void)state;

    for (size_t a = 0; a < CLO_ARRAY_LEN(aeads); a++)
        for (int xwing = 0; xwing < 2; xwing++)
            for (uint32_t shape = CLOISTER_SHAPING_SIZE; shape <= CLOISTER_SHAPING_FULL; shape++) {
                struct pair t = {0};

                assert_int_equal(
                    open_channel(&t, xwing ? CLO_KEM_XWING : CLO_KEM_X25519, aeads[a], shape), 0);
                for (size_t k = 0; k < CLO_ARRAY_LEN(kinds); k++) {
                    ask(&t, kinds[k]);
                    assert_int_equal(t.sealed_n, 16384);
                }
                pair_end(&t);
            }
}

static void without_a_promise_nothing_is_padded_and_no_class_is_named(void **state)
{
    struct pair t = {0};
    struct cloister_request req = question;
    (void)state;

    assert_int_equal(open_channel(&t, CLO_KEM_XWING, CLO_AES_256_GCM, CLOISTER_SHAPING_OFF), 0);
    req.shape = "wide";
    ask(&t, &req);
    assert_true(t.sealed_n < HEAD_XWING + 200);
    assert_null(strstr(t.s.fields, "cloister-shape"));
    pair_end(&t);
}

static void the_class_is_named_inside(void **state)
{
    static const char *const given[] = {NULL, "chat", "wide", "bulk"};
    static const char *const sent[] = {"chat", "chat", "wide", "bulk"};
    struct cloister_request req = question;
    struct pair t = {0};
    char line[64];
    (void)state;

    assert_int_equal(open_channel(&t, CLO_KEM_XWING, CLO_AES_256_GCM, CLOISTER_SHAPING_FULL), 0);
    for (size_t i = 0; i < CLO_ARRAY_LEN(given); i++) {
        req.shape = given[i];
        ask(&t, &req);
        snprintf(line, sizeof(line), "cloister-shape: %s\n", sent[i]);
        assert_non_null(strstr(t.s.fields, line));
    }
    pair_end(&t);
}

static void a_class_that_there_is_not_is_refused(void **state)
{
    static const char *const wrong[] = {"", "Chat", "chat ", "narrow"};
    struct cloister_request req = question;
    struct pair t = {0};
    (void)state;

    for (uint32_t shape = CLOISTER_SHAPING_OFF; shape <= CLOISTER_SHAPING_FULL; shape++) {
        assert_int_equal(open_channel(&t, CLO_KEM_XWING, CLO_AES_256_GCM, shape), 0);
        for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++) {
            req.shape = wrong[i];
            assert_int_equal(cloister_exchange_new(t.c, &req, NOW, &t.x), CLOISTER_E_ARGUMENT);
            assert_null(t.x);
        }
        pair_end(&t);
    }
}

static void a_promise_that_is_not_known_opens_no_channel(void **state)
{
    struct pair t = {0};
    (void)state;

    assert_int_equal(open_channel(&t, CLO_KEM_XWING, CLO_AES_256_GCM, CLOISTER_SHAPING_FULL + 1),
                     CLOISTER_E_UNSUPPORTED);
    assert_null(t.c);
    pair_end(&t);
}

/* ---- answers ---- */

struct plan {
    size_t class, aead; /* indices */
    size_t frames;      /* in all, the final one included */
    size_t end;         /* the frame in which the message ends */
    size_t odd;         /* this frame has `by` bytes more or less than its place wants */
    int by;
};
#define NO_ODD SIZE_MAX

/* The inner message up to its end, long enough that it ends in frame `end`; what of it doesn't matter here is one run of content. */
static void write_message(const struct plan *p, struct clo_buf *out)
{
    const size_t size = classes[p->class].plain;
    char *zeros = malloc(size);
    struct clo_bhttp_field f = {"padding", zeros};
    size_t n;

    assert_non_null(zeros);
    memset(zeros, '0', size);
    for (size_t i = 0; i < INSERTED_BEFORE_STATUS; i++) {
        const size_t plain = size - (i == 0 ? nonces[p->aead] : 0), before = out->len;

        zeros[plain - (i == 0 ? 14 : 13)] = '\0';
        assert_int_equal(clo_bhttp_write_informational(102, &f, 1, i == 0, out), 0);
        zeros[plain - (i == 0 ? 14 : 13)] = '0';
        assert_int_equal(out->len - before, plain); /* such a frame is exactly full */
    }
    assert_int_equal(clo_bhttp_write_response_head(200, NULL, 0, false, out), 0);
    n = p->end > INSERTED_BEFORE_STATUS ? (p->end - INSERTED_BEFORE_STATUS) * size : 8;
    zeros[size - 1] = '\0';
    for (size_t part; n > 0; n -= part) {
        part = n < size ? n : size;
        assert_int_equal(clo_bhttp_write_content(zeros, part, out), 0);
    }
    assert_int_equal(clo_bhttp_write_end(NULL, 0, out), 0);
    free(zeros);
}

/* A whole answer's bytes, nonce in front; *complete_at: so many of them up to the end of the frame with the message's end. */
static void seal_frames(struct pair *t, const struct plan *p, struct clo_buf *out)
{
    const size_t size = classes[p->class].plain;
    struct clo_buf plain = clo_buf_init((p->end + 8) * (size + 8));
    struct clo_ohttp_writer *w = NULL;
    uint8_t *frame = calloc(1, size + 8);
    size_t at = 0;

    assert_non_null(frame);
    write_message(p, &plain);
    seal_nonce(&t->s, out, &w);
    for (size_t i = 0; i < p->frames; i++) {
        const bool final = i == p->frames - 1;
        const size_t n = (size_t)((long)(size - (i == 0 ? nonces[p->aead] : 0) + final) +
                                  (i == p->odd ? p->by : 0));
        const size_t part = plain.len - at < n ? plain.len - at : n;

        memcpy(frame, plain.p + at, part);
        memset(frame + part, 0, n - part);
        at += part;
        if (final)
            assert_int_equal(clo_ohttp_writer_final(w, frame, n, out), 0);
        else
            assert_int_equal(clo_ohttp_writer_chunk(w, frame, n, out), 0);
    }
    clo_ohttp_writer_free(w);
    clo_buf_clear(&plain);
    free(frame);
}

static int take(struct pair *t, const struct clo_buf *all)
{
    const int err = cloister_exchange_feed(t->x, all->p, all->len, &handler, t);

    return err != 0 ? err : cloister_exchange_end(t->x, &handler, t);
}

static int run_plan(struct pair *t, const struct plan *p)
{
    struct clo_buf all = clo_buf_init((p->frames + 1) * (classes[p->class].plain + 64));
    struct cloister_request req = question;
    int err;

    req.shape = classes[p->class].name;
    ask(t, &req);
    seal_frames(t, p, &all);
    err = take(t, &all);
    clo_buf_clear(&all);
    return err;
}

static void an_answer_that_keeps_its_shape_is_taken(void **state)
{
    (void)state;

    for (size_t a = 0; a < CLO_ARRAY_LEN(aeads); a++)
        for (int xwing = 0; xwing < 2; xwing++) {
            struct pair t = {0};

            assert_int_equal(open_channel(&t, xwing ? CLO_KEM_XWING : CLO_KEM_X25519, aeads[a],
                                          CLOISTER_SHAPING_FULL),
                             0);
            for (size_t c = 0; c < CLO_ARRAY_LEN(classes); c++) {
                const struct plan p = {
                    .class = c, .aead = a, .frames = classes[c].first, .end = 5, .odd = NO_ODD};

                assert_int_equal(run_plan(&t, &p), 0);
                assert_true(cloister_exchange_complete(t.x));
                assert_int_equal(t.heads, 1);
                assert_int_equal(t.completes, 1);
            }
            pair_end(&t);
        }
}

static void every_length_class_up_to_the_last_is_taken(void **state)
{
    struct pair t = {0};
    (void)state;

    assert_int_equal(open_channel(&t, CLO_KEM_X25519, CLO_AES_128_GCM, CLOISTER_SHAPING_SIZE), 0);
    for (size_t frames = 512; frames <= 32768; frames *= 4) {
        const struct plan p = {.frames = frames, .end = 5, .odd = NO_ODD};

        assert_int_equal(run_plan(&t, &p), 0);
    }
    pair_end(&t);
}

static void the_answer_is_told_complete_before_its_stream_ends(void **state)
{
    const struct plan p = {.frames = 512, .end = 5, .aead = 1, .odd = NO_ODD};
    struct clo_buf all = clo_buf_init(ANSWER_MAX);
    struct pair t = {0};
    size_t at = 0;
    (void)state;

    assert_int_equal(open_channel(&t, CLO_KEM_XWING, CLO_AES_256_GCM, CLOISTER_SHAPING_FULL), 0);
    ask(&t, &question);
    seal_frames(&t, &p, &all);
    while (!cloister_exchange_complete(t.x) && at < all.len) {
        assert_int_equal(t.completes, 0);
        assert_int_equal(cloister_exchange_feed(t.x, all.p + at, 505 - (at == 0), &handler, &t), 0);
        at += 505 - (at == 0);
    }
    assert_int_equal(t.completes, 1);
    assert_true(at < 10 * 505);
    /* A cut behind it is told, and retracts nothing. */
    assert_int_equal(cloister_exchange_feed(t.x, all.p + at, all.len - at - 600, &handler, &t), 0);
    assert_int_equal(cloister_exchange_end(t.x, &handler, &t), CLOISTER_E_TRUNCATED);
    assert_true(cloister_exchange_complete(t.x));
    clo_buf_clear(&all);
    pair_end(&t);
}

static void a_cut_before_the_end_of_a_shaped_answer_is_a_cut(void **state)
{
    const struct plan p = {.frames = 512, .end = 400, .aead = 1, .odd = NO_ODD};
    struct clo_buf all = clo_buf_init(ANSWER_MAX);
    struct pair t = {0};
    (void)state;

    assert_int_equal(open_channel(&t, CLO_KEM_XWING, CLO_AES_256_GCM, CLOISTER_SHAPING_FULL), 0);
    ask(&t, &question);
    seal_frames(&t, &p, &all);
    assert_int_equal(cloister_exchange_feed(t.x, all.p, 300 * 505, &handler, &t), 0);
    assert_int_equal(cloister_exchange_end(t.x, &handler, &t), CLOISTER_E_CUT);
    clo_buf_clear(&all);
    pair_end(&t);
}

/* Each frame is looked at before what it holds is: a breach before the end leaves no answer, one behind it is told all the same. */
static void a_frame_of_another_size_is_refused(void **state)
{
    (void)state;

    for (size_t a = 0; a < CLO_ARRAY_LEN(aeads); a++) {
        struct pair t = {0};

        assert_int_equal(open_channel(&t, CLO_KEM_X25519, aeads[a], CLOISTER_SHAPING_SIZE), 0);
        for (size_t c = 0; c < CLO_ARRAY_LEN(classes); c++) {
            const size_t last = classes[c].first - 1;
            const size_t odd[] = {0, 1, 2, 3, 7, 8, last - 1, last};

            for (size_t i = 0; i < CLO_ARRAY_LEN(odd); i++)
                for (int by = -1; by <= 1; by += 2) {
                    const struct plan p = {.class = c,
                                           .aead = a,
                                           .frames = last + 1,
                                           .end = 7,
                                           .odd = odd[i],
                                           .by = by};

                    assert_int_equal(run_plan(&t, &p), CLOISTER_E_SHAPE);
                    assert_int_equal(cloister_exchange_complete(t.x), odd[i] > p.end);
                    assert_int_equal(t.completes, odd[i] > p.end);
                    assert_int_equal(cloister_exchange_feed(t.x, "x", 1, &handler, &t),
                                     CLOISTER_E_STATE);
                }
        }
        pair_end(&t);
    }
}

static void an_answer_with_a_frame_too_few_or_too_many_is_refused(void **state)
{
    struct pair t = {0};
    (void)state;

    assert_int_equal(open_channel(&t, CLO_KEM_X25519, CLO_AES_256_GCM, CLOISTER_SHAPING_FULL), 0);
    for (size_t c = 0; c < CLO_ARRAY_LEN(classes); c++) {
        const size_t first = classes[c].first;
        const size_t wrong[] = {10, first - 1, first + 1, 2 * first, 4 * first - 1, 4 * first + 1};

        for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++) {
            const struct plan p = {
                .class = c, .aead = 1, .frames = wrong[i], .end = 5, .odd = NO_ODD};

            assert_int_equal(run_plan(&t, &p), CLOISTER_E_SHAPE);
            assert_true(cloister_exchange_complete(t.x));
        }
    }
    pair_end(&t);
}

/* A frame that isn't the last one, where the longest answer has to have ended. */
static void no_answer_goes_beyond_the_longest(void **state)
{
    struct pair t = {0};
    (void)state;

    assert_int_equal(open_channel(&t, CLO_KEM_X25519, CLO_AES_256_GCM, CLOISTER_SHAPING_FULL), 0);
    for (size_t more = 1; more < 3; more++) {
        const struct plan p = {.aead = 1, .frames = 32768 + more, .end = 5, .odd = NO_ODD};

        assert_int_equal(run_plan(&t, &p), CLOISTER_E_SHAPE);
    }
    pair_end(&t);
}

static void an_answer_in_another_class_than_asked_for_is_refused(void **state)
{
    struct pair t = {0};
    (void)state;

    assert_int_equal(open_channel(&t, CLO_KEM_X25519, CLO_AES_256_GCM, CLOISTER_SHAPING_FULL), 0);
    for (size_t asked = 0; asked < CLO_ARRAY_LEN(classes); asked++)
        for (size_t c = 0; c < CLO_ARRAY_LEN(classes); c++) {
            const struct plan p = {
                .class = c, .aead = 1, .frames = classes[c].first, .end = 5, .odd = NO_ODD};
            struct clo_buf all = clo_buf_init(ANSWER_MAX);
            struct cloister_request req = question;

            req.shape = classes[asked].name;
            ask(&t, &req);
            seal_frames(&t, &p, &all);
            assert_int_equal(take(&t, &all), asked == c ? 0 : CLOISTER_E_SHAPE);
            assert_int_equal(t.heads, asked == c);
            clo_buf_clear(&all);
        }
    pair_end(&t);
}

/* What a gateway without the shape would send: chunks as they come. */
static void an_answer_without_frames_is_refused(void **state)
{
    struct clo_buf out = clo_buf_init(ANSWER_MAX), plain = clo_buf_init(ANSWER_MAX);
    struct clo_ohttp_writer *w = NULL;
    struct pair t = {0};
    (void)state;

    assert_int_equal(open_channel(&t, CLO_KEM_XWING, CLO_AES_256_GCM, CLOISTER_SHAPING_SIZE), 0);
    ask(&t, &question);
    seal_nonce(&t.s, &out, &w);
    assert_int_equal(clo_bhttp_write_response_head(200, NULL, 0, true, &plain), 0);
    assert_int_equal(clo_bhttp_write_content("short", 5, &plain), 0);
    assert_int_equal(clo_bhttp_write_end(NULL, 0, &plain), 0);
    assert_int_equal(clo_ohttp_writer_final(w, plain.p, plain.len, &out), 0);
    assert_int_equal(take(&t, &out), CLOISTER_E_SHAPE);
    assert_int_equal(t.heads, 0);
    assert_false(cloister_exchange_complete(t.x));
    clo_ohttp_writer_free(w);
    clo_buf_clear(&out);
    clo_buf_clear(&plain);
    pair_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_has_the_smallest_size_that_holds_it),
        cmocka_unit_test(one_byte_more_than_a_size_holds_takes_the_next),
        cmocka_unit_test(every_kind_of_request_and_cipher_is_padded),
        cmocka_unit_test(without_a_promise_nothing_is_padded_and_no_class_is_named),
        cmocka_unit_test(the_class_is_named_inside),
        cmocka_unit_test(a_class_that_there_is_not_is_refused),
        cmocka_unit_test(a_promise_that_is_not_known_opens_no_channel),
        cmocka_unit_test(an_answer_that_keeps_its_shape_is_taken),
        cmocka_unit_test(every_length_class_up_to_the_last_is_taken),
        cmocka_unit_test(the_answer_is_told_complete_before_its_stream_ends),
        cmocka_unit_test(a_cut_before_the_end_of_a_shaped_answer_is_a_cut),
        cmocka_unit_test(a_frame_of_another_size_is_refused),
        cmocka_unit_test(an_answer_with_a_frame_too_few_or_too_many_is_refused),
        cmocka_unit_test(no_answer_goes_beyond_the_longest),
        cmocka_unit_test(an_answer_in_another_class_than_asked_for_is_refused),
        cmocka_unit_test(an_answer_without_frames_is_refused),
    };

    return cmocka_run_group_tests_name("channel_shape", tests, NULL, NULL);
}
