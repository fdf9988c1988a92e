/* SPDX-License-Identifier: Apache-2.0 */
/* The answer's two layers. `plain` is wiped as soon as it is sealed; `out` holds sealed chunks, each with its length in front. */
#include "daemon/gateway/response.h"

#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "codec/sse.h"
#include "daemon/gateway/frames.h"

#define PREFIX  4 /* length of a queued chunk, ours alone */
#define OUT_MAX ((size_t)40 << 20)
#define PLAIN_MAX \
    (OUT_MAX - ((size_t)1 << 20))            /* of a plain answer, so that `out` holds it sealed */
#define SEALED    (CLO_OHTTP_CHUNK_MAX + 64) /* one chunk with everything around it */
#define SPARE_MAX 4096                       /* an idle stream keeps no more than this */
#define SECOND    INT64_C(1000000)
#define STREAM    "text/event-stream"

/* What seals a plain answer in the end. */
struct plain_form {
    struct clo_ohttp_opened *opened; /* in guarded memory */
    uint8_t enc[CLO_KEM_ENC_MAX];
    const struct clo_rng *rng;
};

struct clo_response {
    struct clo_ohttp_writer *writer; /* chunked */
    struct plain_form *form;         /* plain */
    uint8_t nonce[CLO_AEAD_KEY_MAX]; /* stands before the first chunk */
    size_t nonce_n;                  /* 0 once it is out */
    enum clo_shaping shaping;
    struct clo_shape_class class; /* of frames */
    struct clo_frames *frames;    /* NULL: none */
    int64_t start_us, due_us;     /* when the request ended; when a plain answer leaves */
    struct clo_buf plain;
    struct clo_buf out;
    size_t taken; /* of out's front: consumed in one go when it is worth it */
    size_t left;  /* of the chunk that is being taken */
    enum clo_response_state state;
    bool is_plain, begun, congested;
    bool broken; /* no more can be sealed */
    uint64_t bytes;
};

static int begin_plain(struct clo_response *r, const struct clo_ohttp_opened *o, const uint8_t *enc,
                       const struct clo_rng *rng)
{
    struct plain_form *form = clo_wipe_malloc(sizeof(*form));

    if (form == NULL)
        return CLOISTER_E_MEMORY;
    *form = (struct plain_form){.opened = clo_guard_alloc(), .rng = rng};
    if (form->opened == NULL) {
        clo_wipe_free(form);
        return CLOISTER_E_MEMORY;
    }
    form->opened->suite = o->suite;
    memcpy(form->opened->response_secret, o->response_secret, sizeof(o->response_secret));
    memcpy(form->enc, enc, clo_kem_enc_len(o->suite.kem));
    r->form = form;
    return 0;
}

static int begin_chunks(struct clo_response *r, const struct clo_ohttp_opened *o,
                        const uint8_t *enc, const struct clo_rng *rng)
{
    CLO_SECRET(key, CLO_AEAD_KEY_MAX);
    CLO_SECRET(base_nonce, CLO_AEAD_NONCE);
    int err = 0;

    r->nonce_n = clo_ohttp_secret_len(o->suite.aead);
    if ((err = clo_rng_fill(rng, r->nonce, r->nonce_n)) != 0 ||
        (err = clo_ohttp_response_keys(o, enc, r->nonce, key, base_nonce)) != 0)
        return err;
    return clo_ohttp_writer_new(o->suite.aead, key, base_nonce, &r->writer);
}

int clo_response_new(const struct clo_ohttp_opened *o, const uint8_t *enc,
                     const struct clo_rng *rng, struct clo_response **ret)
{
    struct clo_response *r = clo_wipe_malloc(sizeof(*r));
    int err = 0;

    if (r == NULL)
        return CLOISTER_E_MEMORY;
    *r = (struct clo_response){.is_plain = !o->chunked,
                               .plain = clo_buf_init(o->chunked ? OUT_MAX : PLAIN_MAX),
                               .out = clo_buf_init(OUT_MAX)};
    err = o->chunked ? begin_chunks(r, o, enc, rng) : begin_plain(r, o, enc, rng);
    if (err != 0) {
        clo_response_free(r);
        return err;
    }
    *ret = r;
    return 0;
}

int clo_response_shape(struct clo_response *r, enum clo_shaping s, enum clo_shape c,
                       int64_t start_us)
{
    if (r->begun || r->frames != NULL)
        return CLOISTER_E_STATE;
    r->shaping = s;
    r->start_us = start_us;
    if (r->is_plain || s == CLO_SHAPING_OFF)
        return 0;
    r->class = clo_shape_class(s, c);
    return clo_frames_new(&r->class, r->nonce_n, OUT_MAX, &r->frames);
}

static void drop_keys(struct clo_response *r)
{
    clo_ohttp_writer_free(r->writer);
    r->writer = NULL;
    if (r->form != NULL)
        clo_guard_free(r->form->opened);
    clo_wipe_free(r->form);
    r->form = NULL;
}

void clo_response_free(struct clo_response *r)
{
    if (r == NULL)
        return;
    drop_keys(r);
    clo_frames_free(r->frames);
    clo_buf_clear(&r->plain);
    clo_buf_clear(&r->out);
    clo_wipe_free(r);
}

void clo_response_abort(struct clo_response *r)
{
    if (r->state == CLO_RESPONSE_OPEN)
        r->state = CLO_RESPONSE_ABORTED;
    if (r->frames != NULL) {
        clo_frames_fail(r->frames);
        return;
    }
    drop_keys(r);
    clo_buf_clear(&r->plain);
}

bool clo_response_take_back(struct clo_response *r)
{
    if (r->state != CLO_RESPONSE_OPEN ||
        (r->frames != NULL ? !clo_frames_take_back(r->frames) : r->begun && !r->is_plain))
        return false;
    clo_buf_clear(&r->plain);
    r->begun = false;
    r->bytes = 0;
    return true;
}

/* Queue n bytes, which leave in one piece if there is room. */
static int queue(struct clo_response *r, const void *p, size_t n)
{
    uint8_t length[PREFIX] = {0};
    struct clo_wr wr = clo_wr_init(length, sizeof(length));
    int err = 0;

    if ((err = clo_wr_u32be(&wr, (uint32_t)n)) != 0 ||
        (err = clo_buf_append(&r->out, length, sizeof(length))) != 0)
        return err;
    return clo_buf_append(&r->out, p, n);
}

/* Put one chunk of n plaintext bytes behind those that wait. */
static int seal_one(struct clo_response *r, const uint8_t *p, size_t n, bool final)
{
    struct clo_buf chunk = clo_buf_init(SEALED);
    int err = 0;

    if ((err = clo_buf_append(&chunk, r->nonce, r->nonce_n)) != 0 ||
        (err = final ? clo_ohttp_writer_final(r->writer, p, n, &chunk)
                     : clo_ohttp_writer_chunk(r->writer, p, n, &chunk)) != 0 ||
        (err = queue(r, chunk.p, chunk.len)) != 0)
        goto out;
    r->nonce_n = 0;
    r->congested = r->congested || r->out.len - r->taken > CLO_RESPONSE_HIGH;
out:
    clo_buf_clear(&chunk);
    return err;
}

/* Everything in `plain` leaves; with `last` the answer ends. */
static int seal(struct clo_response *r, bool last)
{
    struct clo_rd rd = clo_rd_init(r->plain.p, r->plain.len);
    int err = 0;

    while (err == 0 && (rd.left > 0 || last)) {
        const size_t n = rd.left < CLO_OHTTP_CHUNK_MAX ? rd.left : CLO_OHTTP_CHUNK_MAX;
        const bool final = last && n == rd.left;
        const uint8_t *p = NULL;

        if ((err = clo_rd_view(&rd, n, &p)) != 0 || (err = seal_one(r, p, n, final)) != 0)
            break;
        last = last && !final;
    }
    if (r->plain.cap > SPARE_MAX)
        clo_buf_clear(&r->plain);
    else
        clo_buf_consume(&r->plain, r->plain.len);
    return err;
}

/* Zero bytes behind the message, so that the body has one of the sizes that requests have. */
static int pad_plain(struct clo_response *r)
{
    const size_t around = clo_ohttp_secret_len(r->form->opened->suite.aead) + CLO_AEAD_TAG;
    const size_t n = clo_shape_round(around + r->plain.len) - around - r->plain.len;
    uint8_t *at = NULL;
    int err = clo_buf_reserve(&r->plain, n, &at);

    if (err == 0) {
        memset(at, 0, n);
        clo_buf_commit(&r->plain, n);
    }
    return err;
}

/* The whole answer in one piece (RFC 9458 section 4.4). */
static int seal_plain(struct clo_response *r)
{
    struct clo_buf sealed = clo_buf_init(OUT_MAX - PREFIX);
    int err = r->shaping != CLO_SHAPING_OFF ? pad_plain(r) : 0;

    if (err == 0)
        err = clo_ohttp_plain_seal_response(r->form->opened, r->form->enc, r->form->rng, r->plain.p,
                                            r->plain.len, &sealed);
    clo_buf_clear(&r->plain);
    if (err == 0)
        err = queue(r, sealed.p, sealed.len);
    clo_buf_clear(&sealed);
    return err;
}

/* The frame that is due now. */
static int seal_frame(struct clo_response *r)
{
    struct clo_buf frame = clo_buf_init(CLO_OHTTP_CHUNK_MAX);
    bool final = false;
    int err = 0;

    if ((err = clo_frames_next(r->frames, &frame, &final)) == 0)
        err = seal_one(r, frame.p, frame.len, final);
    clo_buf_clear(&frame);
    if (final)
        drop_keys(r);
    return err;
}

/* A failure on the way ends the answer: half of it must not look like all of it. */
static int checked(struct clo_response *r, int err)
{
    if (err != 0 && !(err == CLOISTER_E_LIMIT && r->is_plain))
        clo_response_abort(r);
    return err;
}

int clo_response_begin(struct clo_response *r, unsigned status, const char *content_type,
                       unsigned retry_after)
{
    struct clo_bhttp_field f[3] = {{"content-type", content_type}, {"cache-control", "no-store"}};
    char seconds[16] = "";
    size_t n = 2;

    if (r->state != CLO_RESPONSE_OPEN || r->begun)
        return CLOISTER_E_STATE;
    if (retry_after != 0) {
        snprintf(seconds, sizeof(seconds), "%u", retry_after);
        f[n++] = (struct clo_bhttp_field){"retry-after", seconds};
    }
    r->begun = true;
    if (r->frames != NULL)
        return checked(r,
                       clo_frames_head(r->frames, status, f, n, strcmp(content_type, STREAM) == 0));
    return checked(r, clo_bhttp_write_response_head(status, f, n, true, &r->plain));
}

/* In frames more may wait than is sealed. */
static int in_frames(struct clo_response *r, size_t n, int err)
{
    r->congested = r->congested || clo_frames_waiting(r->frames) > CLO_RESPONSE_HIGH;
    r->bytes += n;
    return checked(r, err);
}

int clo_response_content(struct clo_response *r, const void *p, size_t n)
{
    int err = 0;

    if (r->state != CLO_RESPONSE_OPEN || !r->begun)
        return CLOISTER_E_STATE;
    if (r->frames != NULL)
        return in_frames(r, n, clo_frames_content(r->frames, p, n));
    err = clo_bhttp_write_content(p, n, &r->plain);
    if (err == 0 && !r->is_plain)
        err = seal(r, false);
    r->bytes += n;
    return checked(r, err);
}

int clo_response_event(struct clo_response *r, const void *data, size_t n)
{
    struct clo_buf event = clo_buf_init(OUT_MAX);
    int err = 0;

    if (r->state != CLO_RESPONSE_OPEN || !r->begun)
        return CLOISTER_E_STATE;
    if (r->frames != NULL)
        return in_frames(r, n, clo_frames_event(r->frames, data, n));
    if ((err = clo_sse_write(data, n, &event)) == 0)
        err = clo_response_content(r, event.p, event.len);
    clo_buf_clear(&event);
    return checked(r, err);
}

/* The first whole second behind the request's end that hasn't begun. */
static int64_t next_second(const struct clo_response *r, int64_t now_us)
{
    return now_us + SECOND - (now_us - r->start_us) % SECOND;
}

int clo_response_end(struct clo_response *r, int64_t now_us)
{
    int err = 0;

    if (r->state != CLO_RESPONSE_OPEN || !r->begun)
        return CLOISTER_E_STATE;
    if (r->frames != NULL) {
        if ((err = clo_frames_end(r->frames)) == 0)
            r->state = CLO_RESPONSE_ENDED;
        return checked(r, err);
    }
    err = clo_bhttp_write_end(NULL, 0, &r->plain);
    if (err == 0)
        err = r->is_plain ? seal_plain(r) : seal(r, true);
    if (err != 0)
        return checked(r, err);
    r->state = CLO_RESPONSE_ENDED;
    r->due_us = r->is_plain && r->shaping == CLO_SHAPING_FULL ? next_second(r, now_us) : 0;
    drop_keys(r);
    return 0;
}

static bool has_some(const struct clo_response *r)
{
    return r->out.len > r->taken;
}

/* Once half of the buffer is air, or all of it, it is moved or let go. */
static void tidy(struct clo_response *r)
{
    if (r->taken == r->out.len && r->out.cap > SPARE_MAX)
        clo_buf_clear(&r->out);
    else if (r->taken == r->out.len || r->taken > r->out.len / 2)
        clo_buf_consume(&r->out, r->taken);
    else
        return;
    r->taken = 0;
}

size_t clo_response_take(struct clo_response *r, int64_t now_us, void *dst, size_t cap)
{
    struct clo_rd rd = {0};
    uint32_t length = 0;
    size_t n = 0;

    if (clo_response_flow(r, now_us) != CLO_FLOW_SOME)
        return 0;
    if (r->frames != NULL && !has_some(r) && seal_frame(r) != 0) {
        r->broken = true;
        return 0;
    }
    rd = clo_rd_init(r->out.p, r->out.len);
    if (clo_rd_skip(&rd, r->taken) != 0)
        return 0;
    if (r->left == 0) {
        if (clo_rd_u32be(&rd, &length) != 0)
            return 0;
        r->left = length;
        r->taken += PREFIX;
    }
    n = r->left < cap ? r->left : cap;
    if (clo_rd_bytes(&rd, dst, n) != 0)
        return 0;
    r->left -= n;
    r->taken += n;
    tidy(r);
    if (clo_response_size(r) < CLO_RESPONSE_HIGH / 2)
        r->congested = false;
    return n;
}

int64_t clo_response_due(const struct clo_response *r)
{
    if (has_some(r))
        return r->is_plain ? r->due_us : 0;
    if (r->frames == NULL || r->broken || clo_frames_are_over(r->frames))
        return CLO_RESPONSE_NEVER;
    if (r->class.interval_ms == 0)
        return clo_frames_have_some(r->frames) ? 0 : CLO_RESPONSE_NEVER;
    return r->start_us + clo_shape_due_us(&r->class, clo_frames_index(r->frames));
}

enum clo_response_flow clo_response_flow(const struct clo_response *r, int64_t now_us)
{
    if (r->broken)
        return CLO_FLOW_CUT;
    if (clo_response_due(r) <= now_us)
        return CLO_FLOW_SOME;
    if (has_some(r))
        return CLO_FLOW_WAIT;
    if (r->frames != NULL)
        return clo_frames_are_over(r->frames) ? CLO_FLOW_END : CLO_FLOW_WAIT;
    switch (r->state) {
    case CLO_RESPONSE_ENDED: return CLO_FLOW_END;
    case CLO_RESPONSE_ABORTED: return CLO_FLOW_CUT;
    case CLO_RESPONSE_OPEN: break;
    }
    return CLO_FLOW_WAIT;
}

enum clo_response_state clo_response_state(const struct clo_response *r)
{
    return r->state;
}

bool clo_response_has_begun(const struct clo_response *r)
{
    return r->begun;
}

size_t clo_response_size(const struct clo_response *r)
{
    const size_t sealed = r->out.len - r->taken - (r->left == 0 && has_some(r) ? PREFIX : 0);

    return sealed + (r->frames != NULL ? clo_frames_waiting(r->frames) : 0);
}

size_t clo_response_room(const struct clo_response *r)
{
    const size_t bound = r->is_plain ? PLAIN_MAX : OUT_MAX;
    const size_t room = r->frames != NULL ? clo_frames_room(r->frames) : bound;

    return room < bound ? room : bound;
}

bool clo_response_is_shaped(const struct clo_response *r)
{
    return r->frames != NULL;
}

bool clo_response_is_plain(const struct clo_response *r)
{
    return r->is_plain;
}

bool clo_response_is_congested(const struct clo_response *r)
{
    return r->congested;
}

uint64_t clo_response_bytes(const struct clo_response *r)
{
    return r->bytes;
}
