/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a shaped answer, and which events become one. The first two bytes choose size, nonce and kind of the answer; then each byte is an
 * act (what is said, or a frame's turn), some with what follows as their text. What comes out is decoded by the client's decoders:
 * every frame has its size, their number is a class's, and the events are those that went in, but for where their text was joined.
 */
#include <stdlib.h>
#include <string.h>

#include "codec/bhttp.h"
#include "codec/sse.h"
#include "daemon/gateway/delta.h"
#include "daemon/gateway/frames.h"
#include "fuzz.h"

enum {
    WAIT_MAX = 65536,
    FIRST = 4,
    MAX = 64,
    EVENTS_MAX = 512,
};

/* Events with everything joined that can be. */
struct events {
    struct clo_buf at[EVENTS_MAX];
    size_t count;
    bool full;
};

static void add_one(struct events *e, const void *p, size_t n)
{
    struct clo_delta last = {0}, d = {0};
    struct clo_buf *b = e->count > 0 ? &e->at[e->count - 1] : NULL;
    struct clo_buf joined = clo_buf_init(4 * WAIT_MAX);

    if (b != NULL && b->len > 0 && clo_delta_find(b->p, b->len, &last) &&
        clo_delta_find(p, n, &d) && clo_delta_same(b->p, b->len, &last, p, n, &d)) {
        const size_t end = last.text.at + last.text.n;

        FUZZ_CHECK(clo_buf_append(&joined, b->p, end) == 0);
        FUZZ_CHECK(clo_buf_append(&joined, (const uint8_t *)p + d.text.at, d.text.n) == 0);
        FUZZ_CHECK(clo_buf_append(&joined, b->p + end, b->len - end) == 0);
        clo_buf_clear(b);
        *b = joined;
        return;
    }
    if (e->count == EVENTS_MAX) {
        e->full = true;
        return;
    }
    e->at[e->count] = clo_buf_init(4 * WAIT_MAX);
    FUZZ_CHECK(clo_buf_append(&e->at[e->count++], p, n) == 0);
}

/* One that names the text's author is taken apart, however much of the text it brings: into one with none, and the text's. */
static void add(struct events *e, const void *p, size_t n)
{
    static const char role[] = "{\"role\":\"assistant\",\"content\":", content[] = "{\"content\":";
    struct clo_buf plain = clo_buf_init(4 * WAIT_MAX), author = clo_buf_init(4 * WAIT_MAX);
    const uint8_t *const from = p, *at = memmem(p, n, role, strlen(role));
    const size_t before = at != NULL ? (size_t)(at - from) : 0;
    size_t used = before + strlen(role), after = 0;
    struct clo_delta d = {0};

    if (at != NULL) {
        const bool null = n - used >= 5 && memcmp(from + used, "null}", 5) == 0;

        used += null ? 4 : 0;
        FUZZ_CHECK(clo_buf_append(&plain, from, before) == 0 &&
                   clo_buf_append(&plain, content, strlen(content)) == 0 &&
                   clo_buf_append(&plain, "\"\"", null ? 2 : 0) == 0 &&
                   clo_buf_append(&plain, from + used, n - used) == 0);
    }
    after = at != NULL && clo_delta_find(plain.p, plain.len, &d) ? d.text.at + d.text.n + 1 : 0;
    if (after > 0 && d.text.at == before + strlen(content) + 1) {
        FUZZ_CHECK(clo_buf_append(&author, from, before) == 0 &&
                   clo_buf_append(&author, role, strlen(role)) == 0 &&
                   clo_buf_append(&author, "\"\"", 2) == 0 &&
                   clo_buf_append(&author, plain.p + after, plain.len - after) == 0);
        add_one(e, author.p, author.len);
        add_one(e, plain.p, plain.len);
    } else {
        add_one(e, p, n);
    }
    clo_buf_clear(&plain);
    clo_buf_clear(&author);
}

static void clear(struct events *e)
{
    for (size_t i = 0; i < e->count; i++)
        clo_buf_clear(&e->at[i]);
}

struct run {
    struct clo_frames *f;
    struct clo_shape_class class;
    size_t nonce;
    bool stream, begun, ended, failed, closed;
    struct events in, out;
    struct clo_buf content; /* what went in, of an answer that isn't a stream */
    /* coming out */
    struct clo_bhttp_dec *dec;
    struct clo_sse *sse;
    struct clo_buf got;
    unsigned status;
    bool over;
};

static int on_event(void *ctx, const char *data, size_t n)
{
    struct run *r = ctx;

    add(&r->out, data, n);
    return 0;
}

static int on_response(void *ctx, unsigned status)
{
    ((struct run *)ctx)->status = status;
    return 0;
}

static int on_content(void *ctx, const uint8_t *p, size_t n)
{
    struct run *r = ctx;

    return r->stream ? clo_sse_feed(r->sse, p, n) : clo_buf_append(&r->got, p, n);
}

static void take_frame(struct run *r)
{
    struct clo_buf out = clo_buf_init(65536);
    const uint32_t i = clo_frames_index(r->f);
    bool final = false;
    int err = clo_frames_next(r->f, &out, &final);

    if (r->over) {
        FUZZ_CHECK(err == CLOISTER_E_STATE);
        return;
    }
    FUZZ_CHECK(err == 0 && i < MAX);
    FUZZ_CHECK(out.len == clo_frame_plain(r->class.frame, i == 0 ? r->nonce : 0, final));
    FUZZ_CHECK(!final || clo_shape_may_end(&r->class, i));
    FUZZ_CHECK(clo_bhttp_dec_feed(r->dec, out.p, out.len) == 0);
    r->over = final;
    clo_buf_clear(&out);
}

/* An act's text: two bytes of length, and so many. */
static void text(const uint8_t **p, size_t *n, struct clo_rd *ret)
{
    struct clo_rd rd = clo_rd_init(*p, *n);
    uint16_t want = 0;

    (void)!clo_rd_u16be(&rd, &want);
    *ret = clo_rd_init(rd.p, rd.left < want % 1024 ? rd.left : want % 1024);
    *p = ret->p + ret->left;
    *n = rd.left - ret->left;
}

static void say(struct run *r, const uint8_t *p, size_t n)
{
    int err = 0;

    if (!r->begun || r->ended || r->failed) {
        FUZZ_CHECK(clo_frames_content(r->f, p, n) == CLOISTER_E_STATE);
        FUZZ_CHECK(clo_frames_event(r->f, p, n) == CLOISTER_E_STATE);
        return;
    }
    if (!r->stream) {
        if ((err = clo_frames_content(r->f, p, n)) == 0)
            FUZZ_CHECK(clo_buf_append(&r->content, p, n) == 0);
    } else if (n > 0 && memchr(p, '\r', n) == NULL && memchr(p, 0, n) == NULL) {
        if ((err = clo_frames_event(r->f, p, n)) == 0)
            add(&r->in, p, n);
    }
    FUZZ_CHECK(err == 0 || err == CLOISTER_E_LIMIT);
    if (err != 0) { /* as its caller does */
        clo_frames_fail(r->f);
        r->failed = true;
    }
}

static void act(struct run *r, uint8_t what, const uint8_t **p, size_t *n)
{
    static const struct clo_bhttp_field field[] = {{"content-type", "x/y"}};
    struct clo_rd part = {0};

    switch (what % 6) {
    case 0:
    case 1:
        text(p, n, &part);
        say(r, part.p, part.left);
        break;
    case 2:
        if (clo_frames_head(r->f, 200, field, 1, r->stream) == 0) {
            FUZZ_CHECK(!r->begun && !r->failed);
            r->begun = true;
        }
        break;
    case 3:
        if (clo_frames_end(r->f) == 0) {
            FUZZ_CHECK(r->begun && !r->failed && !r->ended);
            r->ended = true;
        }
        break;
    case 4:
        if (what % 5 == 0 && clo_frames_take_back(r->f)) {
            FUZZ_CHECK(!r->failed && r->status == 0);
            clear(&r->in);
            r->in.count = 0;
            clo_buf_clear(&r->content);
            r->begun = r->ended = false;
        } else if (what % 5 == 1) {
            clo_frames_fail(r->f);
            r->failed = r->failed || !r->ended;
        }
        break;
    default: take_frame(r); break;
    }
}

/* What was not said at once has line feeds in between. */
static void without_fillers(struct clo_buf *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->len; i++)
        if (b->p[i] != '\n')
            b->p[n++] = b->p[i];
    b->len = n;
}

static void compare(struct run *r)
{
    /* With all of the class's frames used up an answer may not have come to its end. */
    const bool whole = clo_bhttp_dec_end(r->dec) == 0;

    FUZZ_CHECK(!whole || (r->ended && !r->failed));
    FUZZ_CHECK(whole || r->failed || !r->ended || clo_frames_index(r->f) == MAX);
    if (!whole || r->in.full)
        return;
    FUZZ_CHECK(r->status == 200);
    if (!r->stream) {
        without_fillers(&r->content);
        without_fillers(&r->got);
        FUZZ_CHECK(r->got.len == r->content.len &&
                   (r->got.len == 0 || memcmp(r->got.p, r->content.p, r->got.len) == 0));
        return;
    }
    FUZZ_CHECK(clo_sse_end(r->sse) == 0);
    FUZZ_CHECK(r->out.count == r->in.count);
    for (size_t i = 0; i < r->in.count; i++)
        FUZZ_CHECK(r->out.at[i].len == r->in.at[i].len &&
                   memcmp(r->out.at[i].p, r->in.at[i].p, r->in.at[i].len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct clo_bhttp_handler events = {.response = on_response, .content = on_content};
    static const uint32_t frame[] = {512, 4096, 16384, 512};
    struct run *r = NULL;

    if (size < 2 || (r = calloc(1, sizeof(*r))) == NULL)
        return 0;
    r->class = (struct clo_shape_class){"x", frame[data[0] & 3], 50, 100, FIRST, MAX};
    r->nonce = (data[0] & 4) != 0 ? 32 : 16;
    r->stream = (data[0] & 8) != 0;
    r->content = clo_buf_init(4 * WAIT_MAX);
    r->got = clo_buf_init((size_t)MAX * 16384);
    FUZZ_CHECK(clo_frames_new(&r->class, r->nonce, WAIT_MAX, &r->f) == 0);
    FUZZ_CHECK(clo_bhttp_dec_new(CLO_BHTTP_RESPONSE, &events, r, &r->dec) == 0);
    FUZZ_CHECK(clo_sse_new(4 * WAIT_MAX, on_event, r, &r->sse) == 0);
    data += 2;
    size -= 2;
    while (size > 0 && !r->over) {
        const uint8_t what = *data++;

        size--;
        act(r, what, &data, &size);
    }
    while (!r->over) {
        /* What nobody ends goes on to its class's last frame. */
        take_frame(r);
    }
    take_frame(r);
    compare(r);
    clear(&r->in);
    clear(&r->out);
    clo_buf_clear(&r->content);
    clo_buf_clear(&r->got);
    clo_sse_free(r->sse);
    clo_bhttp_dec_free(r->dec);
    clo_frames_free(r->f);
    free(r);
    return 0;
}
