/* SPDX-License-Identifier: Apache-2.0 */
/* The traffic shape's numbers against docs/PROTOCOL.md section 4, and against what is really sealed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "codec/ohttp.h"
#include "codec/shape.h"

#define SIZE_MAX_TRIED ((size_t)64 << 20)

/* ---- words and classes ---- */

static void the_three_words_are_read_and_no_other(void **state)
{
    static const char *const wrong[] = {"", "Full", "full ", "of", "offs", "sizes", "none", "2"};
    enum clo_shaping s = CLO_SHAPING_SIZE;

    (void)state;
    for (unsigned i = CLO_SHAPING_OFF; i <= CLO_SHAPING_FULL; i++) {
        assert_true(clo_shaping_read(clo_shaping_name((enum clo_shaping)i), &s));
        assert_int_equal(s, i);
    }
    assert_string_equal(clo_shaping_name(CLO_SHAPING_OFF), "off");
    assert_string_equal(clo_shaping_name(CLO_SHAPING_SIZE), "size");
    assert_string_equal(clo_shaping_name(CLO_SHAPING_FULL), "full");
    for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++)
        assert_false(clo_shaping_read(wrong[i], &s));
    assert_int_equal(s, CLO_SHAPING_FULL); /* untouched */
}

static void classes_are_the_protocols(void **state)
{
    static const struct clo_shape_class want[CLO_SHAPES] = {
        {"chat", 512, 50, 100, 512, 32768},
        {"wide", 4096, 50, 100, 128, 32768},
        {"bulk", 16384, 50, 100, 32, 32768},
    };
    enum clo_shape read = CLO_SHAPE_CHAT;

    (void)state;
    for (unsigned i = 0; i < CLO_SHAPES; i++) {
        const struct clo_shape_class full = clo_shape_class(CLO_SHAPING_FULL, (enum clo_shape)i);
        const struct clo_shape_class size = clo_shape_class(CLO_SHAPING_SIZE, (enum clo_shape)i);

        assert_string_equal(full.name, want[i].name);
        assert_int_equal(full.frame, want[i].frame);
        assert_int_equal(full.interval_ms, want[i].interval_ms);
        assert_int_equal(full.delay_ms, want[i].delay_ms);
        assert_int_equal(full.first, want[i].first);
        assert_int_equal(full.max, want[i].max);
        /* Without a clock, and otherwise the same. */
        assert_string_equal(size.name, want[i].name);
        assert_int_equal(size.interval_ms, 0);
        assert_int_equal(size.delay_ms, 0);
        assert_true(size.frame == full.frame && size.first == full.first && size.max == full.max);
        assert_true(clo_shape_read(want[i].name, &read));
        assert_int_equal(read, i);
    }
    assert_false(clo_shape_read("", &read));
    assert_false(clo_shape_read("Chat", &read));
    assert_false(clo_shape_read("chat,chat", &read));
}

/* ---- requests ---- */

/* The rule by itself: 16 KiB x 4^k up to 1 MiB, beyond that nothing below the top six bits. */
static bool is_size(size_t t)
{
    size_t top = t;

    if (t <= (size_t)1 << 20)
        return t == 16384 || t == 65536 || t == 262144 || t == 1048576;
    while (top >= 64)
        top >>= 1;
    while (top < t)
        top <<= 1;
    return top == t;
}

static void sizes_are_those_of_the_rule_and_all_of_them(void **state)
{
    size_t t = clo_shape_round(0), seen = 1;

    (void)state;
    assert_int_equal(t, 16384);
    while (t < SIZE_MAX_TRIED) {
        const size_t next = clo_shape_round(t + 1);

        assert_true(is_size(next) && next > t);
        assert_int_equal(clo_shape_round(next), next);
        assert_int_equal(clo_shape_round(next - 1), next);
        seen++;
        t = next;
    }
    assert_int_equal(t, SIZE_MAX_TRIED);
    assert_int_equal(seen, 4 + 6 * 32); /* and so none is left out: six doublings of 32 steps */
}

/* A chat resends its history: a step that is too fine would tell how long the last answer was, one that is too coarse costs. */
static void no_request_is_padded_by_more_than_the_rule_allows(void **state)
{
    (void)state;
    for (size_t n = 1; n < SIZE_MAX_TRIED; n += n / 7 + 1) {
        const size_t t = clo_shape_round(n);

        assert_true(t >= n);
        if (n > (size_t)1 << 20)
            assert_true((t - n) * 32 < n);
        else if (n > 16384)
            assert_true(t < 4 * n);
    }
}

/* What the protocol says in words: floor((T-h-17)/16385) chunks that aren't final, and the final one. */
static void room_is_what_the_chunks_hold(void **state)
{
    static const size_t head[] = {1127, 39};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(head); i++) {
        for (size_t t = 16384; t <= SIZE_MAX_TRIED; t = clo_shape_round(t + 1)) {
            const size_t left = t - head[i] - 17;

            assert_int_equal(clo_shape_request_room(head[i], t),
                             left / 16385 * 16367 + left % 16385);
        }
    }
}

/* Seals a message of `room` bytes as the protocol says for a body of t bytes; returns how many there are. */
static size_t sealed(uint16_t kem, size_t t, size_t room)
{
    static const uint8_t key[CLO_AEAD_KEY_MAX] = {1}, nonce[CLO_AEAD_NONCE] = {2};
    const size_t enc = kem == CLO_KEM_XWING ? 1120 : 32;
    const size_t chunks = (t - CLO_OHTTP_HDR - enc - 17) / 16385;
    struct clo_buf out = clo_buf_init(SIZE_MAX_TRIED);
    struct clo_ohttp_writer *w = NULL;
    uint8_t *message = calloc(1, room + 1);
    size_t at = 0, n;

    assert_non_null(message);
    assert_int_equal(clo_ohttp_writer_new(CLO_AES_256_GCM, key, nonce, &w), 0);
    assert_true(room >= chunks * CLO_SHAPE_REQUEST_CHUNK);
    for (; at < chunks * CLO_SHAPE_REQUEST_CHUNK; at += CLO_SHAPE_REQUEST_CHUNK)
        assert_int_equal(clo_ohttp_writer_chunk(w, message + at, CLO_SHAPE_REQUEST_CHUNK, &out), 0);
    assert_true(room - at <= CLO_OHTTP_CHUNK_MAX);
    assert_int_equal(clo_ohttp_writer_final(w, message + at, room - at, &out), 0);
    n = CLO_OHTTP_HDR + enc + out.len;
    clo_ohttp_writer_free(w);
    clo_buf_clear(&out);
    free(message);
    return n;
}

static void what_is_sealed_has_exactly_the_size(uint16_t kem, size_t head, size_t n)
{
    const size_t t = clo_shape_request(head, n);
    const size_t room = clo_shape_request_room(head, t);

    assert_true(is_size(t));
    assert_true(room >= n);
    assert_int_equal(sealed(kem, t, room), t);
    /* The next smaller size would not have held it. */
    if (t > 16384) {
        size_t less = t - 1;

        while (!is_size(less))
            less--;
        assert_true(clo_shape_request_room(head, less) < n);
    }
}

static void a_sealed_request_has_exactly_its_size(void **state)
{
    static const struct {
        uint16_t kem;
        size_t head;
    } suite[] = {{CLO_KEM_XWING, 1127}, {CLO_KEM_X25519, 39}};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(suite); i++) {
        const size_t head = suite[i].head;

        assert_int_equal(head, CLO_OHTTP_HDR + (suite[i].kem == CLO_KEM_XWING ? 1120 : 32));
        for (size_t n = 0; n < (size_t)6 << 20; n += n / 3 + 61)
            what_is_sealed_has_exactly_the_size(suite[i].kem, head, n);
        /* On both sides of every step of the small sizes, and of some of the larger ones. */
        for (size_t t = 16384; t <= (size_t)2 << 20; t = clo_shape_round(t + 1)) {
            const size_t room = clo_shape_request_room(head, t);

            assert_int_equal(clo_shape_request(head, room), t);
            assert_int_equal(clo_shape_request(head, room + 1), clo_shape_round(t + 1));
            what_is_sealed_has_exactly_the_size(suite[i].kem, head, room - 1);
            what_is_sealed_has_exactly_the_size(suite[i].kem, head, room);
            what_is_sealed_has_exactly_the_size(suite[i].kem, head, room + 1);
        }
    }
}

/* ---- frames ---- */

static const uint32_t frames[] = {512, 4096, 16384};

/* hex digits, CRLF, d bytes, CRLF: one HTTP/1.1 chunk as it is on the wire. */
static void a_frame_on_the_wire_has_its_size(void **state)
{
    static const unsigned want_d[] = {505, 4089, 16376}, want_digits[] = {3, 3, 4};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(frames); i++) {
        const size_t d = clo_frame_chunk(frames[i]);
        char line[20];
        const int n = snprintf(line, sizeof line, "%zx\r\n", d);

        assert_int_equal(d, want_d[i]);
        assert_int_equal(n, want_digits[i] + 2);
        assert_int_equal((size_t)n + d + 2, frames[i]);
    }
    for (uint32_t f = 0; f < 20000; f++)
        if (f != 512 && f != 4096 && f != 16384)
            assert_int_equal(clo_frame_chunk(f), 0);
}

/* A frame's plaintext, sealed, is the HTTP chunk; the first has the nonce in front, the final one no length. */
static void a_sealed_frame_fills_its_chunk(void **state)
{
    static const struct {
        unsigned aead;
        size_t nonce; /* max(Nn, Nk) */
    } suite[] = {{CLO_AES_128_GCM, 16}, {CLO_AES_256_GCM, 32}, {CLO_CHACHA20_POLY1305, 32}};
    static const uint8_t key[CLO_AEAD_KEY_MAX] = {1}, base[CLO_AEAD_NONCE] = {2}, text[16384] = {0};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(suite) * CLO_ARRAY_LEN(frames); i++) {
        const uint32_t f = frames[i % CLO_ARRAY_LEN(frames)];
        const size_t nonce = suite[i / CLO_ARRAY_LEN(frames)].nonce;
        struct clo_buf out = clo_buf_init(1 << 16);
        struct clo_ohttp_writer *w = NULL;

        assert_int_equal(clo_ohttp_writer_new(suite[i / CLO_ARRAY_LEN(frames)].aead, key, base, &w),
                         0);
        assert_int_equal(clo_ohttp_writer_chunk(w, text, clo_frame_plain(f, nonce, false), &out),
                         0);
        assert_int_equal(nonce + out.len, clo_frame_chunk(f));
        out.len = 0;
        assert_int_equal(clo_ohttp_writer_chunk(w, text, clo_frame_plain(f, 0, false), &out), 0);
        assert_int_equal(out.len, clo_frame_chunk(f));
        assert_int_equal(clo_frame_plain(f, 0, false), clo_frame_chunk(f) - 18);
        out.len = 0;
        assert_int_equal(clo_ohttp_writer_final(w, text, clo_frame_plain(f, 0, true), &out), 0);
        assert_int_equal(out.len, clo_frame_chunk(f));
        clo_ohttp_writer_free(w);
        clo_buf_clear(&out);
    }
}

static void answers_end_at_the_lengths_of_their_class_alone(void **state)
{
    static const uint32_t want[CLO_SHAPES][7] = {
        {512, 2048, 8192, 32768},
        {128, 512, 2048, 8192, 32768},
        {32, 128, 512, 2048, 8192, 32768},
    };

    (void)state;
    for (unsigned i = 0; i < CLO_SHAPES; i++) {
        for (enum clo_shaping s = CLO_SHAPING_SIZE; s <= CLO_SHAPING_FULL; s++) {
            const struct clo_shape_class c = clo_shape_class(s, (enum clo_shape)i);
            size_t ends = 0;

            for (uint32_t index = 0; index < 3 * c.max; index++) {
                if (!clo_shape_may_end(&c, index))
                    continue;
                assert_true(ends + 1 < CLO_ARRAY_LEN(want[i]));
                assert_int_equal(index + 1, want[i][ends++]);
            }
            assert_int_equal(want[i][ends], 0); /* all of them were there */
        }
    }
}

static void frames_are_due_at_times_that_nothing_depends_on(void **state)
{
    const struct clo_shape_class c = clo_shape_class(CLO_SHAPING_FULL, CLO_SHAPE_CHAT);
    const struct clo_shape_class size = clo_shape_class(CLO_SHAPING_SIZE, CLO_SHAPE_CHAT);

    (void)state;
    assert_int_equal(clo_shape_due_us(&c, 0), 100000);
    for (uint32_t i = 1; i < c.max; i++)
        assert_int_equal(clo_shape_due_us(&c, i) - clo_shape_due_us(&c, i - 1), 50000);
    /* How long answers take that a person waits for: 25.6 s, 102 s, 410 s. */
    assert_int_equal(clo_shape_due_us(&c, 512) - clo_shape_due_us(&c, 0), 25600000);
    assert_int_equal(clo_shape_due_us(&c, 2048) - clo_shape_due_us(&c, 0), 102400000);
    assert_int_equal(clo_shape_due_us(&c, 8192) - clo_shape_due_us(&c, 0), 409600000);
    assert_int_equal(clo_shape_due_us(&size, 32767), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_words_are_read_and_no_other),
        cmocka_unit_test(classes_are_the_protocols),
        cmocka_unit_test(sizes_are_those_of_the_rule_and_all_of_them),
        cmocka_unit_test(no_request_is_padded_by_more_than_the_rule_allows),
        cmocka_unit_test(room_is_what_the_chunks_hold),
        cmocka_unit_test(a_sealed_request_has_exactly_its_size),
        cmocka_unit_test(a_frame_on_the_wire_has_its_size),
        cmocka_unit_test(a_sealed_frame_fills_its_chunk),
        cmocka_unit_test(answers_end_at_the_lengths_of_their_class_alone),
        cmocka_unit_test(frames_are_due_at_times_that_nothing_depends_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
