/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a shaped answer: see frames.h. */
#include "daemon/gateway/frames.h"

#include <string.h>

#include "base/secret.h"
#include "codec/sse.h"
#include "daemon/gateway/delta.h"

#define EVENT "data: "

enum {
    FRAMING = 1, /* a message's first byte: an indeterminate-length response */
    CHUNK_HEAD =
        2,   /* the length in front of a content chunk, always of two bytes (RFC 9000 section 16) */
    END = 2, /* no more content, no trailers: a zero each */
    PADDING_HEAD = 13 /* all of an informational response but the value of its one field */
};

/* What a chat's first event says: whose text follows, and none of it. */
#define ROLE    "{\"role\":\"assistant\",\"content\":"
#define CONTENT "{\"content\":"
static const char *const openings[] = {ROLE "null}", ROLE "\"\"}"};

/* The last event, while its text can go on. */
struct tail {
    bool live;
    struct clo_span opening; /* that, in the data; n 0: it says something else */
    uint64_t event;          /* where its data begin, counted from the first content byte */
    size_t n;                /* of the data */
    struct clo_delta at;     /* in the data */
};

struct clo_frames {
    struct clo_shape_class class;
    size_t nonce;
    uint32_t index;
    bool begun, stream,
        placed; /* the head is known; the answer is a stream; the head is in a frame */
    bool ended, failed;
    bool closed; /* the end is in a frame */
    bool over;   /* the final frame was made */
    struct clo_buf head;
    struct clo_buf text; /* content; `taken` bytes of its front are in frames */
    size_t taken;
    uint64_t moved; /* content bytes that were dropped from its front */
    struct tail tail;
};

int clo_frames_new(const struct clo_shape_class *c, size_t nonce, size_t max,
                   struct clo_frames **ret)
{
    struct clo_frames *f = clo_wipe_malloc(sizeof(*f));

    if (f == NULL)
        return CLOISTER_E_MEMORY;
    *f = (struct clo_frames){
        .class = *c,
        .nonce = nonce,
        .head = clo_buf_init(clo_frame_plain(c->frame, nonce, false) - FRAMING - CHUNK_HEAD - END),
        .text = clo_buf_init(max)};
    *ret = f;
    return 0;
}

void clo_frames_free(struct clo_frames *f)
{
    if (f == NULL)
        return;
    clo_buf_clear(&f->head);
    clo_buf_clear(&f->text);
    clo_wipe_free(f);
}

/* ---- in ---- */

int clo_frames_head(struct clo_frames *f, unsigned status, const struct clo_bhttp_field *field,
                    size_t fields, bool stream)
{
    int err;

    if (f->begun || f->ended || f->failed)
        return CLOISTER_E_STATE;
    if ((err = clo_bhttp_write_response_head(status, field, fields, false, &f->head)) != 0)
        return err;
    f->begun = true;
    f->stream = stream;
    return 0;
}

static bool takes_content(const struct clo_frames *f)
{
    return f->begun && !f->ended && !f->failed;
}

int clo_frames_content(struct clo_frames *f, const void *p, size_t n)
{
    if (!takes_content(f))
        return CLOISTER_E_STATE;
    f->tail = (struct tail){0};
    return clo_buf_append(&f->text, p, n);
}

/* Put n bytes in the middle. */
static int insert(struct clo_buf *b, size_t at, const void *p, size_t n)
{
    int err = clo_buf_append(b, p, n);

    if (err == 0) {
        memmove(b->p + at + n, b->p + at, b->len - n - at);
        memcpy(b->p + at, p, n);
    }
    return err;
}

/* Take old bytes out of the middle, and put n others there. */
static int replace(struct clo_buf *b, size_t at, size_t old, const void *p, size_t n)
{
    int err = n > old ? insert(b, at, p, n - old) : 0;

    if (err != 0)
        return err;
    if (n < old) {
        memmove(b->p + at + n, b->p + at + old, b->len - at - old);
        b->len -= old - n;
    }
    memcpy(b->p + at, p, n);
    return 0;
}

static struct clo_span opening(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < CLO_ARRAY_LEN(openings); i++) {
        const size_t length = strlen(openings[i]);
        const uint8_t *at = memmem(data, n, openings[i], length);

        if (at != NULL)
            return (struct clo_span){(size_t)(at - data), length};
    }
    return (struct clo_span){0};
}

/* Is the last event still there, from its first byte? With that in a frame it can't be looked at any more, and is left alone. */
static bool is_there(const struct clo_frames *f)
{
    return f->tail.event >= f->moved + f->taken;
}

static const uint8_t *last_event(const struct clo_frames *f)
{
    return f->text.p + (f->tail.event - f->moved);
}

/* Can this event's text go on behind the last one's? */
static bool goes_on(const struct clo_frames *f, const uint8_t *data, size_t n,
                    const struct clo_delta *d)
{
    const struct tail *t = &f->tail;

    return t->live && is_there(f) && clo_delta_same(last_event(f), t->n, &t->at, data, n, d);
}

/*
 * Does this event say the first of the text whose author the last one named, and nothing else? All around the two deltas has to be the
 * same, so that the last one is as well formed as this one, which was looked at.
 */
static bool follows_opening(const struct clo_frames *f, const uint8_t *data, size_t n,
                            const struct clo_delta *d)
{
    const struct clo_span o = f->tail.opening;
    const size_t before = strlen(CONTENT) + 1, after = d->text.at + d->text.n + 2;

    return o.n > 0 && is_there(f) && d->text.at == o.at + before &&
           memcmp(data, last_event(f), o.at) == 0 &&
           memcmp(data + o.at, CONTENT, before - 1) == 0 && after <= n && data[after - 1] == '}' &&
           n - after == f->tail.n - o.at - o.n &&
           memcmp(data + after, last_event(f) + o.at + o.n, n - after) == 0;
}

int clo_frames_event(struct clo_frames *f, const void *data, size_t n)
{
    struct clo_delta d = {0};
    const bool plain = clo_delta_find(data, n, &d);
    int err = 0;

    if (!takes_content(f))
        return CLOISTER_E_STATE;
    if (plain && goes_on(f, data, n, &d)) {
        struct tail *t = &f->tail;
        const size_t end = (size_t)(t->event - f->moved) + t->at.text.at + t->at.text.n;

        if ((err = insert(&f->text, end, (const uint8_t *)data + d.text.at, d.text.n)) != 0)
            return err;
        t->n += d.text.n;
        t->at.text.n += d.text.n;
        if (t->at.created.at > t->at.text.at)
            t->at.created.at += d.text.n;
        return 0;
    }
    if (plain && follows_opening(f, data, n, &d)) {
        const size_t at = (size_t)(f->tail.event - f->moved) + f->tail.opening.at + strlen(ROLE);
        const size_t old = f->tail.opening.n - strlen(ROLE) - 1;

        /* One event, as a frame doesn't hold two: the first word would wait for the next frame. */
        f->tail = (struct tail){0};
        return replace(&f->text, at, old, (const uint8_t *)data + d.text.at - 1, d.text.n + 2);
    }
    f->tail = (struct tail){
        .live = plain, .event = f->moved + f->text.len + strlen(EVENT), .n = n, .at = d};
    if (!plain)
        f->tail.opening = opening(data, n);
    return clo_sse_write(data, n, &f->text);
}

int clo_frames_end(struct clo_frames *f)
{
    if (!takes_content(f))
        return CLOISTER_E_STATE;
    f->ended = true;
    return 0;
}

void clo_frames_fail(struct clo_frames *f)
{
    if (!f->ended)
        f->failed = true;
}

bool clo_frames_take_back(struct clo_frames *f)
{
    if (f->placed || f->failed)
        return false;
    clo_buf_clear(&f->head);
    clo_buf_clear(&f->text);
    f->begun = f->ended = false;
    f->tail = (struct tail){0};
    f->moved = 0;
    return true;
}

/* ---- out ---- */

static void put_length(uint8_t *at, size_t n)
{
    at[0] = (uint8_t)(0x40 | n >> 8);
    at[1] = (uint8_t)n;
}

/* An informational response of exactly n bytes (RFC 9292 section 3.5.1): 102, and a field that fills it. */
static void put_waiting(uint8_t *at, size_t n)
{
    static const uint8_t head[] = {0x40, 102, 7, 'p', 'a', 'd', 'd', 'i', 'n', 'g'};

    memcpy(at, head, sizeof(head));
    put_length(at + sizeof(head), n - PADDING_HEAD);
    memset(at + sizeof(head) + 2, '0', n - PADDING_HEAD);
    at[n - 1] = 0; /* no more fields */
}

/* What stands behind a whole event and means nothing. */
static void put_filler(uint8_t *at, size_t n, bool stream)
{
    if (n == 0)
        return;
    memset(at, stream ? ' ' : '\n', n);
    at[n - 1] = '\n';
    if (stream && n > 1)
        at[0] = ':';
}

/* Take n bytes of content. */
static void take_text(struct clo_frames *f, uint8_t *at, size_t n)
{
    if (n > 0)
        memcpy(at, f->text.p + f->taken, n);
    f->taken += n;
    if (f->taken == f->text.len || f->taken > f->text.len / 2) {
        clo_buf_consume(&f->text, f->taken);
        f->moved += f->taken;
        f->taken = 0;
    }
}

/* One chunk that takes all of n bytes. */
static void put_chunk(struct clo_frames *f, uint8_t *at, size_t n)
{
    const size_t room = n - CHUNK_HEAD, waiting = clo_frames_waiting(f);
    const size_t part = waiting < room ? waiting : room;

    put_length(at, room);
    take_text(f, at + CHUNK_HEAD, part);
    put_filler(at + CHUNK_HEAD + part, room - part, f->stream);
}

/* What is left of the content, and its end. */
static void put_end(struct clo_frames *f, uint8_t *at, size_t n)
{
    const size_t rest = clo_frames_waiting(f);
    size_t used = 0;

    if (rest > 0) {
        put_length(at, rest);
        take_text(f, at + CHUNK_HEAD, rest);
        used = CHUNK_HEAD + rest;
    }
    memset(at + used, 0, n - used); /* END, and padding */
    f->closed = true;
}

/* Does the end fit into n bytes, behind the head if that is still to come? */
static bool end_fits(const struct clo_frames *f, size_t n)
{
    const size_t rest = clo_frames_waiting(f);
    const size_t head = f->placed ? 0 : f->head.len;

    return f->closed || (f->ended && head + (rest > 0 ? CHUNK_HEAD : 0) + rest + END <= n);
}

int clo_frames_next(struct clo_frames *f, struct clo_buf *out, bool *final)
{
    const size_t nonce = f->index == 0 ? f->nonce : 0;
    const bool may_end = clo_shape_may_end(&f->class, f->index);
    const size_t framing = f->index == 0 ? FRAMING : 0;
    size_t n = clo_frame_plain(f->class.frame, nonce, may_end) - framing;
    const bool last = may_end && (f->failed || end_fits(f, n) || f->index + 1 == f->class.max);
    const size_t all = clo_frame_plain(f->class.frame, nonce, last);
    uint8_t *at = NULL;
    int err;

    if (f->over)
        return CLOISTER_E_STATE;
    if ((err = clo_buf_reserve(out, all, &at)) != 0)
        return err;
    n = all - framing;
    if (framing > 0)
        *at++ = 3;
    if (!f->begun) {
        put_waiting(at, n);
    } else {
        const bool ends = end_fits(f, n);

        if (!f->placed) {
            memcpy(at, f->head.p, f->head.len);
            at += f->head.len;
            n -= f->head.len;
            f->placed = true;
            clo_buf_clear(&f->head);
        }
        if (f->closed)
            memset(at, 0, n);
        else if (ends)
            put_end(f, at, n);
        else
            put_chunk(f, at, n);
    }
    clo_buf_commit(out, all);
    f->index++;
    f->over = last;
    *final = last;
    return 0;
}

uint32_t clo_frames_index(const struct clo_frames *f)
{
    return f->index;
}

bool clo_frames_have_some(const struct clo_frames *f)
{
    return !f->over &&
           ((f->begun && !f->placed) || clo_frames_waiting(f) > 0 || f->ended || f->failed);
}

bool clo_frames_are_over(const struct clo_frames *f)
{
    return f->over;
}

size_t clo_frames_waiting(const struct clo_frames *f)
{
    return f->text.len - f->taken;
}

size_t clo_frames_room(const struct clo_frames *f)
{
    const size_t each = clo_frame_plain(f->class.frame, 0, false) - CHUNK_HEAD;
    /* One frame may be the head's, and one the end's. */
    const size_t left = f->class.max > f->index + 2 ? f->class.max - f->index - 2 : 0;
    const size_t room = left * each, waiting = clo_frames_waiting(f);

    return room > waiting ? room - waiting : 0;
}
