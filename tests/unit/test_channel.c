/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's channel against a server half made here from the codec: what opens it, what a request looks like inside, and that an
 * answer is complete only at its authenticated end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cloister/channel.h>

#include "base/enc.h"
#include "channel_server.h"

static const char *const pieces[] = {"The", " answer", " is", " 42."};
#define ANSWER "The answer is 42."

enum part {
    PART_NONCE,
    PART_HEAD,
    PART_CONTENT, /* four chunks */
    PART_END = PART_CONTENT + 4,
    PART_FINAL,
    PARTS
};

/* An answer in its parts, so that a test can lose, repeat or reorder them. */
struct answer {
    struct clo_buf part[PARTS];
};

static void seal_answer(const struct server *s, const char *padding, size_t padding_n,
                        struct answer *a)
{
    const struct clo_bhttp_field f = {"content-type", "text/event-stream"};
    struct clo_buf plain = clo_buf_init(ANSWER_MAX);
    struct clo_ohttp_writer *w = NULL;

    for (size_t i = 0; i < PARTS; i++)
        a->part[i] = clo_buf_init(ANSWER_MAX);
    seal_nonce(s, &a->part[PART_NONCE], &w);
    assert_int_equal(clo_bhttp_write_informational(102, NULL, 0, true, &plain), 0);
    assert_int_equal(clo_bhttp_write_response_head(200, &f, 1, false, &plain), 0);
    assert_int_equal(clo_ohttp_writer_chunk(w, plain.p, plain.len, &a->part[PART_HEAD]), 0);
    clo_buf_consume(&plain, plain.len);
    for (size_t i = 0; i < CLO_ARRAY_LEN(pieces); i++) {
        assert_int_equal(clo_bhttp_write_content(pieces[i], strlen(pieces[i]), &plain), 0);
        assert_int_equal(clo_ohttp_writer_chunk(w, plain.p, plain.len, &a->part[PART_CONTENT + i]),
                         0);
        clo_buf_consume(&plain, plain.len);
    }
    assert_int_equal(clo_bhttp_write_end(NULL, 0, &plain), 0);
    assert_int_equal(clo_ohttp_writer_chunk(w, plain.p, plain.len, &a->part[PART_END]), 0);
    assert_int_equal(clo_ohttp_writer_final(w, padding, padding_n, &a->part[PART_FINAL]), 0);
    clo_buf_clear(&plain);
    clo_ohttp_writer_free(w);
}

static void answer_clear(struct answer *a)
{
    for (size_t i = 0; i < PARTS; i++)
        clo_buf_clear(&a->part[i]);
}

/* ---- the client half ---- */

struct seen {
    unsigned calls, status;
    char type[64];
    char text[256];
    size_t n;
    int stop_with;
};

static int on_head(void *ctx, unsigned status, const struct cloister_field *f, size_t n)
{
    const char *type = cloister_field_find(f, n, "content-type");
    struct seen *seen = ctx;

    seen->calls++;
    seen->status = status;
    strncpy(seen->type, type != NULL ? type : "", sizeof(seen->type) - 1);
    return 0;
}

static int on_text(void *ctx, const void *p, size_t n)
{
    struct seen *seen = ctx;

    assert_true(n < sizeof(seen->text) - seen->n);
    memcpy(seen->text + seen->n, p, n);
    seen->n += n;
    return seen->stop_with;
}

static const struct cloister_answer_handler handler = {.head = on_head, .content = on_text};

static const struct cloister_request question = {
    .method = "POST",
    .path = "/v1/chat/completions",
    .api_key = "sk-test",
    .content_type = "application/json",
    .accept = "text/event-stream",
    .id = (const uint8_t *)"0123456789abcdef0123456789abcdef",
    .body = "{}",
    .body_n = 2,
};

struct pair {
    struct server s;
    struct cloister_channel *c;
    struct cloister_exchange *x;
    struct answer a;
    struct seen seen;
};

static void pair_open(struct pair *t)
{
    struct cloister_verdict v;

    make_conf(&t->s, 0, CLO_KEM_XWING, 7);
    make_conf(&t->s, 1, CLO_KEM_X25519, 8);
    v = good_verdict(&t->s);
    assert_int_equal(cloister_channel_open(&v, NOW, &t->c), 0);
}

static void pair_ask(struct pair *t)
{
    const uint8_t *p = NULL;
    size_t n = 0;

    assert_int_equal(cloister_exchange_new(t->c, &question, NOW, &t->x), 0);
    assert_int_equal(cloister_exchange_body(t->x, &p, &n), 0);
    clo_buf_clear(&t->s.content);
    t->s.fields[0] = '\0';
    serve(&t->s, p, n);
    t->seen = (struct seen){0};
}

static void pair_start(struct pair *t)
{
    *t = (struct pair){0};
    pair_open(t);
    pair_ask(t);
    seal_answer(&t->s, "\0\0\0\0", 4, &t->a);
}

static void pair_end(struct pair *t)
{
    cloister_exchange_free(t->x);
    cloister_channel_free(t->c);
    clo_buf_clear(&t->s.content);
    answer_clear(&t->a);
}

static void a_body_larger_than_the_server_takes_is_not_sealed(void **state)
{
    struct cloister_request big = question;
    struct pair t = {0};
    struct cloister_verdict v;
    static char body[101];

    (void)state;
    make_conf(&t.s, 0, CLO_KEM_XWING, 7);
    make_conf(&t.s, 1, CLO_KEM_X25519, 8);
    v = good_verdict(&t.s);
    v.request_max = 100;
    assert_int_equal(cloister_channel_open(&v, NOW, &t.c), 0);
    big.body = body;
    big.body_n = 101;
    assert_int_equal(cloister_exchange_new(t.c, &big, NOW, &t.x), CLOISTER_E_LIMIT);
    assert_null(t.x);
    big.body_n = 100;
    assert_int_equal(cloister_exchange_new(t.c, &big, NOW, &t.x), 0);
    pair_end(&t);
}

static int feed(struct pair *t, const void *p, size_t n)
{
    return cloister_exchange_feed(t->x, p, n, &handler, &t->seen);
}

static int end(struct pair *t)
{
    return cloister_exchange_end(t->x, &handler, &t->seen);
}

/* Feed these parts and the end of the body: the first error. */
static int feed_parts(struct pair *t, const int *part, size_t n)
{
    int err = 0;

    for (size_t i = 0; i < n && err == 0; i++)
        err = feed(t, t->a.part[part[i]].p, t->a.part[part[i]].len);
    return err != 0 ? err : end(t);
}

static void join(const struct answer *a, struct clo_buf *out)
{
    for (size_t i = 0; i < PARTS; i++)
        assert_int_equal(clo_buf_append(out, a->part[i].p, a->part[i].len), 0);
}

/* ---- opening ---- */

static void only_a_verified_and_fresh_verdict_opens_a_channel(void **state)
{
    struct server s = {0};
    struct cloister_channel *c = NULL;
    struct cloister_verdict v = {0};
    (void)state;

    assert_int_equal(cloister_channel_open(&v, NOW, &c), CLOISTER_E_REFUSED);
    make_conf(&s, 0, CLO_KEM_XWING, 1);
    make_conf(&s, 1, CLO_KEM_X25519, 2);
    for (int outcome = 0; outcome <= CLOISTER_MALFORMED + 1; outcome++) {
        v = good_verdict(&s);
        v.outcome = outcome;
        if (outcome != CLOISTER_VERIFIED)
            assert_int_equal(cloister_channel_open(&v, NOW, &c), CLOISTER_E_REFUSED);
    }
    v = good_verdict(&s);
    v.freshness = CLOISTER_FRESHNESS_NOT_CHECKED;
    assert_int_equal(cloister_channel_open(&v, NOW, &c), CLOISTER_E_STALE);
    v.freshness = CLOISTER_NOT_FRESH;
    assert_int_equal(cloister_channel_open(&v, NOW, &c), CLOISTER_E_STALE);
    v = good_verdict(&s);
    assert_int_equal(cloister_channel_open(&v, VALID_UNTIL, &c), CLOISTER_E_STALE);
    v.valid_until = 0;
    assert_int_equal(cloister_channel_open(&v, NOW, &c), CLOISTER_E_STALE);
    assert_null(c);
    v = good_verdict(&s);
    assert_int_equal(cloister_channel_open(&v, VALID_UNTIL - 1, &c), 0);
    assert_string_equal(cloister_channel_gateway(c), "/r/0123456789abcdef");
    assert_int_equal(cloister_channel_valid_until(c), VALID_UNTIL);
    cloister_channel_free(c);
}

static int open_with(const struct server *s, const struct clo_ohttp_keyconf *k, size_t n,
                     uint16_t aead, bool x25519, struct cloister_channel **c)
{
    struct cloister_verdict v = good_verdict(s);

    verdict_keys(&v, k, n);
    v.aead[0] = aead;
    v.aeads = 1;
    v.allow_x25519 = x25519;
    return cloister_channel_open(&v, NOW, c);
}

static void the_key_is_chosen_by_kem_and_never_by_place(void **state)
{
    struct server s = {0};
    struct cloister_channel *c = NULL;
    (void)state;

    for (size_t xwing = 0; xwing < 2; xwing++) {
        struct pair t = {0};
        struct cloister_verdict v;

        make_conf(&t.s, 0, CLO_KEM_XWING, 7);
        make_conf(&t.s, 1, CLO_KEM_X25519, 8);
        v = good_verdict(&t.s);
        if (xwing == 1) {
            const struct clo_ohttp_keyconf turned[2] = {t.s.conf[1], t.s.conf[0]};

            verdict_keys(&v, turned, 2);
        }
        v.allow_x25519 = true;
        assert_int_equal(cloister_channel_open(&v, NOW, &t.c), 0);
        pair_ask(&t);
        assert_int_equal(t.s.hdr.suite.kem, CLO_KEM_XWING);
        pair_end(&t);
    }
    make_conf(&s, 0, CLO_KEM_XWING, 1);
    make_conf(&s, 1, CLO_KEM_XWING, 2);
    assert_int_equal(open_with(&s, s.conf, 2, CLO_AES_256_GCM, true, &c), CLOISTER_E_DUPLICATE);
}

static void x25519_needs_the_verdicts_leave(void **state)
{
    struct server s = {0};
    struct cloister_channel *c = NULL;
    (void)state;

    make_conf(&s, 1, CLO_KEM_X25519, 2);
    make_conf(&s, 0, CLO_KEM_XWING, 1);
    assert_int_equal(open_with(&s, &s.conf[1], 1, CLO_AES_256_GCM, false, &c),
                     CLOISTER_E_UNSUPPORTED);
    assert_int_equal(open_with(&s, &s.conf[1], 1, CLO_AES_256_GCM, true, &c), 0);
    cloister_channel_free(c);
}

static void the_cipher_is_the_first_of_the_verdict_that_the_key_offers(void **state)
{
    static const uint16_t aeads[] = {CLO_AES_128_GCM, CLO_AES_256_GCM, CLO_CHACHA20_POLY1305};
    (void)state;

    for (size_t i = 0; i < CLO_ARRAY_LEN(aeads); i++) {
        struct pair t = {0};

        make_conf(&t.s, 0, CLO_KEM_XWING, 7);
        make_conf(&t.s, 1, CLO_KEM_X25519, 8);
        assert_int_equal(open_with(&t.s, t.s.conf, 2, aeads[i], false, &t.c), 0);
        pair_ask(&t);
        assert_int_equal(t.s.hdr.suite.aead, aeads[i]);
        seal_answer(&t.s, NULL, 0, &t.a);
        assert_int_equal(feed_parts(&t, (const int[]){0, 1, 2, 3, 4, 5, 6, 7}, PARTS), 0);
        assert_int_equal(t.seen.n, strlen(ANSWER));
        pair_end(&t);
    }
}

static void a_cipher_that_the_verdict_does_not_list_is_never_used(void **state)
{
    struct server s = {0};
    struct cloister_channel *c = NULL;
    (void)state;

    make_conf(&s, 0, CLO_KEM_XWING, 1);
    make_conf(&s, 1, CLO_KEM_X25519, 2);
    s.conf[0].suites = 1; /* AES-128-GCM alone */
    assert_int_equal(open_with(&s, s.conf, 2, CLO_AES_256_GCM, false, &c), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(open_with(&s, s.conf, 2, 0x7777, false, &c), CLOISTER_E_UNSUPPORTED);
}

/* ---- requests ---- */

static void a_request_carries_everything_inside(void **state)
{
    char id[CLO_B64_LEN(32) + 1] = {0}, want[256] = {0};
    struct pair t;
    (void)state;

    pair_start(&t);
    clo_b64(question.id, 32, id);
    snprintf(want, sizeof(want),
             "authorization: Bearer sk-test\ncontent-type: application/json\n"
             "accept: text/event-stream\ncloister-request: %s\n",
             id);
    assert_string_equal(t.s.method, "POST");
    assert_string_equal(t.s.scheme, "https");
    assert_string_equal(t.s.authority, "");
    assert_string_equal(t.s.path, "/v1/chat/completions");
    assert_string_equal(t.s.fields, want);
    assert_int_equal(t.s.content.len, 2);
    pair_end(&t);
}

static void fields_that_were_not_given_are_not_sent(void **state)
{
    const struct cloister_request req = {.method = "GET", .path = "/v1/models"};
    const uint8_t *p = NULL;
    size_t n = 0;
    struct pair t = {0};
    (void)state;

    pair_open(&t);
    assert_int_equal(cloister_exchange_new(t.c, &req, NOW, &t.x), 0);
    assert_int_equal(cloister_exchange_body(t.x, &p, &n), 0);
    serve(&t.s, p, n);
    assert_string_equal(t.s.fields, "");
    assert_int_equal(t.s.content.len, 0);
    pair_end(&t);
}

static void no_chunk_of_a_long_request_is_too_long(void **state)
{
    enum {
        N = 100000
    };
    struct cloister_request req = question;
    char *body = malloc(N);
    const uint8_t *p = NULL;
    size_t n = 0;
    struct pair t = {0};
    (void)state;

    assert_non_null(body);
    memset(body, 'x', N);
    req.body = body;
    req.body_n = N;
    pair_open(&t);
    assert_int_equal(cloister_exchange_new(t.c, &req, NOW, &t.x), 0);
    assert_int_equal(cloister_exchange_body(t.x, &p, &n), 0);
    serve(&t.s, p, n);
    assert_int_equal(t.s.largest, CLO_OHTTP_CHUNK_MAX);
    assert_int_equal(t.s.chunks, N / CLO_OHTTP_CHUNK_MAX + 1);
    assert_true(t.s.final_n > 0);
    assert_int_equal(t.s.content.len, N);
    assert_memory_equal(t.s.content.p, body, N);
    free(body);
    pair_end(&t);
}

static void no_two_requests_share_a_byte_of_key_material(void **state)
{
    struct cloister_exchange *a = NULL, *b = NULL;
    const uint8_t *pa = NULL, *pb = NULL;
    size_t na = 0, nb = 0;
    struct pair t = {0};
    (void)state;

    pair_open(&t);
    assert_int_equal(cloister_exchange_new(t.c, &question, NOW, &a), 0);
    assert_int_equal(cloister_exchange_new(t.c, &question, NOW, &b), 0);
    assert_int_equal(cloister_exchange_body(a, &pa, &na), 0);
    assert_int_equal(cloister_exchange_body(b, &pb, &nb), 0);
    assert_int_equal(na, nb);
    assert_memory_not_equal(pa + CLO_OHTTP_HDR, pb + CLO_OHTTP_HDR, 32);
    assert_memory_not_equal(pa + na - 32, pb + nb - 32, 32);
    cloister_exchange_free(a);
    cloister_exchange_free(b);
    pair_end(&t);
}

static void a_request_is_given_out_once(void **state)
{
    const uint8_t *p = NULL;
    size_t n = 0;
    struct pair t;
    (void)state;

    pair_start(&t);
    assert_int_equal(cloister_exchange_body(t.x, &p, &n), CLOISTER_E_STATE);
    assert_null(p);
    pair_end(&t);
}

/* An answer may begin while the request is still being sent: its bytes mustn't go before the exchange does. */
static void a_request_stays_readable_while_its_answer_comes(void **state)
{
    const uint8_t *p = NULL;
    size_t n = 0;
    uint8_t before[32], after[32];
    struct pair t = {0};
    (void)state;

    pair_open(&t);
    assert_int_equal(cloister_exchange_new(t.c, &question, NOW, &t.x), 0);
    assert_int_equal(cloister_exchange_body(t.x, &p, &n), 0);
    assert_int_equal(clo_sha256(p, n, before), 0);
    serve(&t.s, p, n);
    seal_answer(&t.s, "", 0, &t.a);
    for (size_t i = 0; i < PARTS; i++) {
        assert_int_equal(feed(&t, t.a.part[i].p, t.a.part[i].len), 0);
        assert_int_equal(clo_sha256(p, n, after), 0);
        assert_memory_equal(before, after, sizeof(before));
    }
    assert_int_equal(end(&t), 0);
    assert_int_equal(clo_sha256(p, n, after), 0);
    assert_memory_equal(before, after, sizeof(before));
    pair_end(&t);
}

static void no_request_is_sealed_after_the_verdict_has_ended(void **state)
{
    struct pair t = {0};
    (void)state;

    pair_open(&t);
    assert_int_equal(cloister_exchange_new(t.c, &question, VALID_UNTIL, &t.x), CLOISTER_E_STALE);
    assert_int_equal(cloister_exchange_new(t.c, &question, VALID_UNTIL - 1, &t.x), 0);
    pair_end(&t);
}

static void a_key_that_would_smuggle_a_field_is_refused(void **state)
{
    struct cloister_request req = question;
    struct pair t = {0};
    (void)state;

    pair_open(&t);
    req.api_key = "sk\r\ncloister-shape: wide";
    assert_int_not_equal(cloister_exchange_new(t.c, &req, NOW, &t.x), 0);
    assert_null(t.x);
    pair_end(&t);
}

static void an_answer_to_a_request_that_was_not_taken_is_refused(void **state)
{
    struct pair t = {0};
    (void)state;

    pair_open(&t);
    assert_int_equal(cloister_exchange_new(t.c, &question, NOW, &t.x), 0);
    assert_int_equal(feed(&t, "x", 1), CLOISTER_E_STATE);
    assert_int_equal(end(&t), CLOISTER_E_STATE);
    pair_end(&t);
}

/* ---- answers ---- */

static void an_answer_arrives_whole_whatever_the_pieces(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 7, 64, 100000};
    (void)state;

    for (size_t i = 0; i < CLO_ARRAY_LEN(sizes); i++) {
        struct clo_buf all = clo_buf_init(ANSWER_MAX);
        struct pair t;

        pair_start(&t);
        join(&t.a, &all);
        for (size_t at = 0; at < all.len; at += sizes[i]) {
            const size_t left = all.len - at;

            assert_int_equal(feed(&t, all.p + at, left < sizes[i] ? left : sizes[i]), 0);
        }
        assert_true(cloister_exchange_complete(t.x));
        assert_int_equal(end(&t), 0);
        assert_true(cloister_exchange_complete(t.x));
        assert_int_equal(t.seen.calls, 1);
        assert_int_equal(t.seen.status, 200);
        assert_string_equal(t.seen.type, "text/event-stream");
        assert_int_equal(t.seen.n, strlen(ANSWER));
        assert_memory_equal(t.seen.text, ANSWER, strlen(ANSWER));
        clo_buf_clear(&all);
        pair_end(&t);
    }
}

static void content_is_handed_over_as_soon_as_its_chunk_has_come(void **state)
{
    struct pair t;
    (void)state;

    pair_start(&t);
    assert_int_equal(feed(&t, t.a.part[PART_NONCE].p, t.a.part[PART_NONCE].len), 0);
    assert_int_equal(feed(&t, t.a.part[PART_HEAD].p, t.a.part[PART_HEAD].len), 0);
    assert_int_equal(t.seen.calls, 1);
    assert_int_equal(feed(&t, t.a.part[PART_CONTENT].p, t.a.part[PART_CONTENT].len), 0);
    assert_int_equal(t.seen.n, 3);
    assert_false(cloister_exchange_complete(t.x));
    pair_end(&t);
}

static void an_answer_cut_at_any_byte_is_never_taken_for_a_whole_one(void **state)
{
    size_t total = 0, complete_at = 0;
    struct pair whole;
    (void)state;

    pair_start(&whole);
    for (size_t i = 0; i < PARTS; i++) {
        total += whole.a.part[i].len;
        if (i <= PART_END)
            complete_at += whole.a.part[i].len;
    }
    for (size_t cut = 0; cut < total; cut++) {
        struct clo_buf all = clo_buf_init(ANSWER_MAX);
        struct pair t = {0};
        int err;

        t.c = whole.c;
        t.s = whole.s;
        t.s.content = clo_buf_init(ANSWER_MAX);
        pair_ask(&t);
        seal_answer(&t.s, "\0\0\0\0", 4, &t.a);
        join(&t.a, &all);
        assert_int_equal(all.len, total);
        assert_int_equal(feed(&t, all.p, cut), 0);
        err = end(&t);
        if (cut < complete_at) {
            assert_int_equal(err, CLOISTER_E_CUT);
            assert_false(cloister_exchange_complete(t.x));
        } else {
            assert_int_equal(err, CLOISTER_E_TRUNCATED);
            assert_true(cloister_exchange_complete(t.x));
        }
        t.c = NULL;
        clo_buf_clear(&all);
        pair_end(&t);
    }
    pair_end(&whole);
}

static void lost_repeated_or_reordered_chunks_are_refused(void **state)
{
    static const struct {
        int part[PARTS + 1];
        size_t n;
        int want;
    } cases[] = {
        {{0, 1, 2, 4, 5, 6, 7}, 7, CLOISTER_E_AUTH},       /* one lost */
        {{0, 1, 2, 3, 4, 6, 7}, 7, CLOISTER_E_AUTH},       /* the last one of content lost */
        {{0, 1, 2, 2, 3, 4, 5, 6, 7}, 9, CLOISTER_E_AUTH}, /* one repeated */
        {{0, 1, 3, 2, 4, 5, 6, 7}, 8, CLOISTER_E_AUTH},    /* two turned */
        {{0, 2, 3, 4, 5, 6, 7}, 7, CLOISTER_E_AUTH},       /* the head lost */
        {{0, 1, 2, 3, 7}, 5, CLOISTER_E_AUTH},             /* the real final chunk, too early */
        {{0, 1, 2, 3, 4, 5, 7}, 7, CLOISTER_E_AUTH},       /* the end lost, final chunk kept */
        {{1, 2, 3, 4, 5, 6, 7}, 7, CLOISTER_E_AUTH},       /* the nonce lost */
    };
    (void)state;

    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
        struct pair t;
        int err;

        pair_start(&t);
        err = feed_parts(&t, cases[i].part, cases[i].n);
        if (cases[i].part[0] == PART_NONCE)
            assert_int_equal(err, cases[i].want);
        else /* what is read as a length depends on ciphertext */
            assert_true(err == CLOISTER_E_AUTH || err == CLOISTER_E_LIMIT || err == CLOISTER_E_CUT);
        assert_false(cloister_exchange_complete(t.x));
        pair_end(&t);
    }
}

static void a_flipped_bit_anywhere_is_refused(void **state)
{
    struct pair whole;
    (void)state;

    pair_start(&whole);
    for (size_t at = 0;; at++) {
        struct clo_buf all = clo_buf_init(ANSWER_MAX);
        struct pair t = {0};
        size_t total;
        int err;

        t.c = whole.c;
        t.s = whole.s;
        t.s.content = clo_buf_init(ANSWER_MAX);
        pair_ask(&t);
        seal_answer(&t.s, NULL, 0, &t.a);
        join(&t.a, &all);
        total = all.len;
        if (at < total) {
            all.p[at] ^= (uint8_t)(1u << (at % 8));
            err = feed(&t, all.p, all.len);
            if (err == 0)
                err = end(&t);
            assert_int_not_equal(err, 0);
        }
        t.c = NULL;
        clo_buf_clear(&all);
        pair_end(&t);
        if (at >= total)
            break;
    }
    pair_end(&whole);
}

static void a_forged_end_mark_after_a_cut_is_refused(void **state)
{
    struct pair t;
    (void)state;

    pair_start(&t);
    for (int i = PART_NONCE; i < PART_END; i++)
        assert_int_equal(feed(&t, t.a.part[i].p, t.a.part[i].len), 0);
    assert_int_equal(feed(&t, "\0", 1), 0);
    assert_int_equal(end(&t), CLOISTER_E_CUT);
    assert_false(cloister_exchange_complete(t.x));
    pair_end(&t);
}

static void an_authenticated_final_chunk_without_the_messages_end_is_a_cut(void **state)
{
    struct clo_buf out = clo_buf_init(ANSWER_MAX), plain = clo_buf_init(ANSWER_MAX);
    struct clo_ohttp_writer *w = NULL;
    struct pair t;
    (void)state;

    pair_start(&t);
    seal_nonce(&t.s, &out, &w);
    assert_int_equal(clo_bhttp_write_response_head(200, NULL, 0, true, &plain), 0);
    assert_int_equal(clo_bhttp_write_content("short", 5, &plain), 0);
    assert_int_equal(clo_ohttp_writer_final(w, plain.p, plain.len, &out), 0);
    assert_int_equal(feed(&t, out.p, out.len), 0);
    assert_int_equal(end(&t), CLOISTER_E_CUT);
    assert_false(cloister_exchange_complete(t.x));
    clo_ohttp_writer_free(w);
    clo_buf_clear(&out);
    clo_buf_clear(&plain);
    pair_end(&t);
}

static void another_requests_answer_is_refused(void **state)
{
    struct clo_buf all = clo_buf_init(ANSWER_MAX);
    struct pair t;
    (void)state;

    pair_start(&t);
    join(&t.a, &all);
    cloister_exchange_free(t.x);
    pair_ask(&t);
    assert_int_equal(feed(&t, all.p, all.len), CLOISTER_E_AUTH);
    clo_buf_clear(&all);
    pair_end(&t);
}

static void padding_after_the_end_is_zero_bytes_only(void **state)
{
    struct pair t;
    (void)state;

    pair_start(&t);
    answer_clear(&t.a);
    seal_answer(&t.s, "\0\0x\0", 4, &t.a);
    assert_int_equal(feed_parts(&t, (const int[]){0, 1, 2, 3, 4, 5, 6, 7}, PARTS),
                     CLOISTER_E_MALFORMED);
    assert_true(cloister_exchange_complete(t.x));
    pair_end(&t);
}

static void a_break_in_the_padding_does_not_retract_the_answer(void **state)
{
    struct pair t;
    (void)state;

    pair_start(&t);
    assert_int_equal(feed_parts(&t, (const int[]){0, 1, 2, 3, 4, 5, 6}, PARTS - 1),
                     CLOISTER_E_TRUNCATED);
    assert_true(cloister_exchange_complete(t.x));
    assert_int_equal(t.seen.n, strlen(ANSWER));
    pair_end(&t);
}

static void nothing_works_after_a_failure(void **state)
{
    struct pair t;
    (void)state;

    pair_start(&t);
    assert_int_equal(feed(&t, t.a.part[0].p, t.a.part[0].len), 0);
    assert_int_equal(feed(&t, t.a.part[2].p, t.a.part[2].len), CLOISTER_E_AUTH);
    assert_int_equal(feed(&t, t.a.part[1].p, t.a.part[1].len), CLOISTER_E_STATE);
    assert_int_equal(end(&t), CLOISTER_E_STATE);
    assert_int_equal(t.seen.calls, 0);
    pair_end(&t);
}

static void a_handler_can_end_an_answer(void **state)
{
    struct pair t;
    (void)state;

    pair_start(&t);
    t.seen.stop_with = CLOISTER_E_CANCELLED;
    assert_int_equal(feed_parts(&t, (const int[]){0, 1, 2, 3}, 4), CLOISTER_E_CANCELLED);
    assert_int_equal(end(&t), CLOISTER_E_STATE);
    assert_false(cloister_exchange_complete(t.x));
    pair_end(&t);
}

/* A handler that meddles with the exchange that is calling it. */
static int meddle(void *ctx, const void *p, size_t n)
{
    static const struct cloister_answer_handler none = {0};
    struct pair *t = ctx;

    (void)p;
    (void)n;
    assert_int_equal(cloister_exchange_feed(t->x, "x", 1, &none, NULL), CLOISTER_E_STATE);
    assert_int_equal(cloister_exchange_end(t->x, &none, NULL), CLOISTER_E_STATE);
    t->seen.calls++;
    return 0;
}

static int ignore_head(void *ctx, unsigned status, const struct cloister_field *f, size_t n)
{
    (void)ctx;
    (void)status;
    (void)f;
    (void)n;
    return 0;
}

static void a_handler_can_not_feed_or_end_its_own_exchange(void **state)
{
    static const struct cloister_answer_handler h = {.head = ignore_head, .content = meddle};
    struct clo_buf all = clo_buf_init(ANSWER_MAX);
    struct pair t;
    (void)state;

    pair_start(&t);
    join(&t.a, &all);
    assert_int_equal(cloister_exchange_feed(t.x, all.p, all.len, &h, &t), 0);
    assert_int_equal(cloister_exchange_end(t.x, &h, &t), 0);
    assert_true(cloister_exchange_complete(t.x));
    assert_true(t.seen.calls > 0);
    clo_buf_clear(&all);
    pair_end(&t);
}

static void what_is_not_there_is_refused(void **state)
{
    static const struct cloister_answer_handler h = {.head = ignore_head, .content = meddle};
    const uint8_t *p = NULL;
    struct pair t = {0};
    size_t n = 0;
    (void)state;

    pair_open(&t);
    assert_int_equal(cloister_exchange_new(NULL, &question, NOW, &t.x), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_exchange_new(t.c, NULL, NOW, &t.x), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_exchange_new(t.c, &question, NOW, NULL), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_exchange_new(t.c, &question, NOW, &t.x), 0);
    assert_int_equal(cloister_exchange_body(NULL, &p, &n), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_exchange_body(t.x, NULL, &n), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_exchange_body(t.x, &p, NULL), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_exchange_body(t.x, &p, &n), 0); /* which the others haven't spent */
    assert_int_equal(cloister_exchange_feed(NULL, "x", 1, &h, NULL), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_exchange_feed(t.x, NULL, 1, &h, NULL), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_exchange_end(NULL, &h, NULL), CLOISTER_E_ARGUMENT);
    pair_end(&t);
}

static void a_repeated_content_type_is_refused(void **state)
{
    const struct clo_bhttp_field f[2] = {{"content-type", "a/b"}, {"content-type", "c/d"}};
    struct clo_buf out = clo_buf_init(ANSWER_MAX), plain = clo_buf_init(ANSWER_MAX);
    struct clo_ohttp_writer *w = NULL;
    struct pair t;
    (void)state;

    pair_start(&t);
    seal_nonce(&t.s, &out, &w);
    assert_int_equal(clo_bhttp_write_response_head(200, f, 2, true, &plain), 0);
    assert_int_equal(clo_ohttp_writer_chunk(w, plain.p, plain.len, &out), 0);
    assert_int_equal(feed(&t, out.p, out.len), CLOISTER_E_DUPLICATE);
    clo_ohttp_writer_free(w);
    clo_buf_clear(&out);
    clo_buf_clear(&plain);
    pair_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_larger_than_the_server_takes_is_not_sealed),
        cmocka_unit_test(only_a_verified_and_fresh_verdict_opens_a_channel),
        cmocka_unit_test(the_key_is_chosen_by_kem_and_never_by_place),
        cmocka_unit_test(x25519_needs_the_verdicts_leave),
        cmocka_unit_test(the_cipher_is_the_first_of_the_verdict_that_the_key_offers),
        cmocka_unit_test(a_cipher_that_the_verdict_does_not_list_is_never_used),
        cmocka_unit_test(a_request_carries_everything_inside),
        cmocka_unit_test(fields_that_were_not_given_are_not_sent),
        cmocka_unit_test(no_chunk_of_a_long_request_is_too_long),
        cmocka_unit_test(no_two_requests_share_a_byte_of_key_material),
        cmocka_unit_test(a_request_is_given_out_once),
        cmocka_unit_test(a_request_stays_readable_while_its_answer_comes),
        cmocka_unit_test(no_request_is_sealed_after_the_verdict_has_ended),
        cmocka_unit_test(a_key_that_would_smuggle_a_field_is_refused),
        cmocka_unit_test(an_answer_to_a_request_that_was_not_taken_is_refused),
        cmocka_unit_test(an_answer_arrives_whole_whatever_the_pieces),
        cmocka_unit_test(content_is_handed_over_as_soon_as_its_chunk_has_come),
        cmocka_unit_test(an_answer_cut_at_any_byte_is_never_taken_for_a_whole_one),
        cmocka_unit_test(lost_repeated_or_reordered_chunks_are_refused),
        cmocka_unit_test(a_flipped_bit_anywhere_is_refused),
        cmocka_unit_test(a_forged_end_mark_after_a_cut_is_refused),
        cmocka_unit_test(an_authenticated_final_chunk_without_the_messages_end_is_a_cut),
        cmocka_unit_test(another_requests_answer_is_refused),
        cmocka_unit_test(padding_after_the_end_is_zero_bytes_only),
        cmocka_unit_test(a_break_in_the_padding_does_not_retract_the_answer),
        cmocka_unit_test(nothing_works_after_a_failure),
        cmocka_unit_test(a_handler_can_end_an_answer),
        cmocka_unit_test(a_handler_can_not_feed_or_end_its_own_exchange),
        cmocka_unit_test(what_is_not_there_is_refused),
        cmocka_unit_test(a_repeated_content_type_is_refused),
    };

    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
