/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channel of <cloister/channel.h>: chunked Oblivious HTTP around Binary HTTP, client side (docs/PROTOCOL.md section 2).
 *
 * A channel is made from nothing but a verified and fresh verdict, and keeps of it one key configuration and one AEAD. An
 * exchange seals one request and opens its answer. What is passed on has been authenticated chunk by chunk; the answer
 * is complete when Binary HTTP's explicit end has come inside such chunks, and the first failure wipes all keys.
 *
 * The traffic shape (docs/PROTOCOL.md section 4) is kept in two places: seal_request() alone decides how the plaintext is padded and cut into
 * chunks, check_frame() alone holds the answer's chunks against what the manifest promised, before anybody sees what is in them.
 */
#include "lib/channel.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "base/secret.h"
#include "codec/bhttp.h"
#include "codec/ohttp.h"
#include "codec/shape.h"

enum {
    KEYCONFS_MAX = 16,           /* as many as a list may hold */
    REQUEST_BODY_MAX = 32 << 20, /* of the inner request */
    REQUEST_MAX = REQUEST_BODY_MAX + 65536,
    SEALED_MAX = REQUEST_MAX + REQUEST_MAX / 16, /* sizes of that magnitude are no further apart */
    CONTENT_TYPE_MAX = 256,
};

struct cloister_channel {
    struct clo_ohttp_keyconf conf;
    uint16_t aead;
    size_t request_max;
    enum clo_shaping shaping;
    _Atomic int64_t valid_until; /* 0: spent */
    char gateway[sizeof(((struct cloister_verdict *)0)->gateway)];
};

/* ---- the channel ---- */

static bool offers(const struct clo_ohttp_keyconf *k, uint16_t aead)
{
    for (size_t i = 0; i < k->suites; i++) {
        if (k->suite[i].kdf == CLO_KDF_HKDF_SHA256 && k->suite[i].aead == aead)
            return true;
    }
    return false;
}

/*
 * The epoch's only key of this KEM, and the first AEAD of the policy's list that it offers. Several keys of one KEM are refused:
 * taking one of them would be choosing by place.
 */
static int choose(const struct cloister_verdict *v, const struct clo_ohttp_keyconf *k, size_t n,
                  uint16_t kem, struct cloister_channel *c)
{
    const struct clo_ohttp_keyconf *found = NULL;

    for (size_t i = 0; i < n; i++) {
        if (k[i].kem != kem)
            continue;
        if (found != NULL)
            return CLOISTER_E_DUPLICATE;
        found = &k[i];
    }
    for (size_t i = 0; found != NULL && i < v->aeads && i < CLO_ARRAY_LEN(v->aead); i++) {
        if (clo_aead_key_len(v->aead[i]) > 0 && offers(found, v->aead[i])) {
            c->conf = *found;
            c->aead = v->aead[i];
            return 0;
        }
    }
    return CLOISTER_E_UNSUPPORTED;
}

int cloister_channel_open(const struct cloister_verdict *v, int64_t now,
                          struct cloister_channel **ret)
{
    struct clo_ohttp_keyconf *k = NULL;
    struct cloister_channel *c = NULL;
    size_t n = 0;
    int err;

    if (v == NULL || ret == NULL || now < 0)
        return CLOISTER_E_ARGUMENT;
    if (v->outcome != CLOISTER_VERIFIED)
        return CLOISTER_E_REFUSED;
    if (v->freshness != CLOISTER_FRESH || now >= v->valid_until)
        return CLOISTER_E_STALE;
    if (v->gateway[0] != '/' || memchr(v->gateway, '\0', sizeof(v->gateway)) == NULL ||
        v->ohttp_keys_n > sizeof(v->ohttp_keys))
        return CLOISTER_E_ARGUMENT;
    if (v->shape > CLO_SHAPING_FULL) /* a promise of a newer version, which couldn't be checked */
        return CLOISTER_E_UNSUPPORTED;

    k = calloc(KEYCONFS_MAX, sizeof(*k));
    c = calloc(1, sizeof(*c));
    if (k == NULL || c == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    if ((err = clo_ohttp_keys_parse(v->ohttp_keys, v->ohttp_keys_n, k, KEYCONFS_MAX, &n)) != 0)
        goto out;
    err = choose(v, k, n, CLO_KEM_XWING, c);
    if (err == CLOISTER_E_UNSUPPORTED && v->allow_x25519)
        err = choose(v, k, n, CLO_KEM_X25519, c);
    if (err != 0)
        goto out;
    atomic_init(&c->valid_until, v->valid_until);
    c->request_max = v->request_max > 0 && v->request_max < REQUEST_BODY_MAX ? v->request_max
                                                                             : REQUEST_BODY_MAX;
    c->shaping = (enum clo_shaping)v->shape;
    memcpy(c->gateway, v->gateway, sizeof(c->gateway));
    *ret = c;
    c = NULL;
out:
    free(k);
    free(c);
    return err;
}

void cloister_channel_free(struct cloister_channel *c)
{
    free(c);
}

const char *cloister_channel_gateway(const struct cloister_channel *c)
{
    return c->gateway;
}

int64_t cloister_channel_valid_until(const struct cloister_channel *c)
{
    return atomic_load(&c->valid_until);
}

bool clo_channel_is_shaped(const struct cloister_channel *c)
{
    return c->shaping != CLO_SHAPING_OFF;
}

void clo_channel_spend(struct cloister_channel *c)
{
    atomic_store(&c->valid_until, 0);
}

int clo_reserved_check(void *const *reserved, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (reserved[i] != NULL)
            return CLOISTER_E_UNSUPPORTED;
    }
    return 0;
}

int clo_handler_check(const struct cloister_answer_handler *h)
{
    if (h == NULL || h->head == NULL || h->content == NULL)
        return CLOISTER_E_ARGUMENT;
    return clo_reserved_check(h->reserved, CLO_ARRAY_LEN(h->reserved));
}

/* ---- an exchange ---- */

enum exchange_state {
    SEALED,  /* the request waits to be taken */
    TAKEN,   /* the response's nonce comes */
    OPENING, /* the response's chunks come */
    OVER,    /* ended, well or badly: no key any more */
};

struct cloister_exchange {
    enum exchange_state state;
    struct clo_buf body;           /* sealed request */
    struct clo_ohttp_opened *keys; /* in guarded memory; NULL once the response's are known */
    uint8_t enc[CLO_KEM_ENC_MAX];
    uint8_t nonce[CLO_AEAD_KEY_MAX]; /* the response's, gathered */
    size_t nonce_n;
    struct clo_ohttp_reader *reader;
    struct clo_bhttp_dec *dec;
    unsigned status;
    bool complete;
    bool shaped;
    struct clo_shape_class shape; /* what every chunk of the answer has to keep to */
    uint32_t frames;              /* so many have come */
    /* set during a call of _feed or _end */
    const struct cloister_answer_handler *h;
    void *ctx;
};

static void drop_keys(struct cloister_exchange *x)
{
    clo_guard_free(x->keys);
    x->keys = NULL;
}

static void exchange_over(struct cloister_exchange *x)
{
    x->state = OVER;
    drop_keys(x);
    clo_ohttp_reader_free(x->reader);
    x->reader = NULL;
    clo_bhttp_dec_free(x->dec);
    x->dec = NULL;
}

/* The request in Binary HTTP's known-length form. */
static int write_request(const struct cloister_request *req, const char *shape, struct clo_buf *out)
{
    struct clo_buf bearer = clo_buf_init(4096);
    char id[CLO_B64_LEN(32) + 1] = {0};
    struct clo_bhttp_field f[5] = {0};
    size_t n = 0;
    int err = 0;

    if (req->api_key != NULL) {
        if ((err = clo_buf_append(&bearer, "Bearer ", 7)) != 0 ||
            (err = clo_buf_append(&bearer, req->api_key, strlen(req->api_key) + 1)) != 0)
            goto out;
        f[n++] = (struct clo_bhttp_field){"authorization", (const char *)bearer.p};
    }
    if (req->content_type != NULL)
        f[n++] = (struct clo_bhttp_field){"content-type", req->content_type};
    if (req->accept != NULL)
        f[n++] = (struct clo_bhttp_field){"accept", req->accept};
    if (shape != NULL)
        f[n++] = (struct clo_bhttp_field){"cloister-shape", shape};
    if (req->id != NULL) {
        clo_b64(req->id, 32, id);
        f[n++] = (struct clo_bhttp_field){"cloister-request", id};
    }
    err = clo_bhttp_write_request(req->method, "https", "", req->path, f, n, req->body, req->body_n,
                                  out);
out:
    clo_buf_clear(&bearer);
    return err;
}

/*
 * n bytes of the message and the zeros behind it, from `at` on. Only where the one passes into the other they are put together: what is
 * wholly the message, or wholly zeros, is sealed from where it is.
 */
static const uint8_t *padded(const struct clo_buf *plain, size_t at, size_t n,
                             uint8_t scratch[CLO_OHTTP_CHUNK_MAX])
{
    static const uint8_t zeros[CLO_OHTTP_CHUNK_MAX];

    if (at >= plain->len)
        return zeros;
    if (plain->len - at >= n)
        return plain->p + at;
    memcpy(scratch, plain->p + at, plain->len - at);
    memset(scratch + (plain->len - at), 0, n - (plain->len - at));
    return scratch;
}

/*
 * The one place that decides how a request is padded and cut into chunks: full ones, and what is left in the final one. Under a shape out
 * has the exact size of its class afterwards; how long the message is shows nowhere.
 */
static int seal_request(struct clo_ohttp_writer *w, bool shaped, const struct clo_buf *plain,
                        struct clo_buf *out)
{
    const size_t piece = shaped ? CLO_SHAPE_REQUEST_CHUNK : CLO_OHTTP_CHUNK_MAX;
    const size_t t = shaped ? clo_shape_request(out->len, plain->len) : 0;
    const size_t all = shaped ? clo_shape_request_room(out->len, t) : plain->len;
    /* What is left for the final chunk may be a little more than another holds. */
    size_t chunks = shaped    ? clo_shape_request_chunks(out->len, t)
                    : all > 0 ? (all - 1) / piece
                              : 0;
    uint8_t *scratch = NULL, *room = NULL;
    size_t at = 0;
    int err = CLOISTER_E_MEMORY;

    if ((scratch = clo_wipe_malloc(CLO_OHTTP_CHUNK_MAX)) == NULL ||
        (shaped && (err = clo_buf_reserve(out, t - out->len, &room)) != 0))
        goto out;
    for (; chunks > 0; chunks--, at += piece) {
        err = clo_ohttp_writer_chunk(w, padded(plain, at, piece, scratch), piece, out);
        if (err != 0)
            goto out;
    }
    err = clo_ohttp_writer_final(w, padded(plain, at, all - at, scratch), all - at, out);
    if (err == 0 && shaped && out->len != t)
        err = CLOISTER_E_STATE; /* never: nothing of another size leaves, all the same */
out:
    clo_wipe_free(scratch);
    return err;
}

int cloister_exchange_new(struct cloister_channel *c, const struct cloister_request *req,
                          int64_t now, struct cloister_exchange **ret)
{
    struct clo_buf plain = clo_buf_init(REQUEST_MAX);
    struct clo_ohttp_writer *w = NULL;
    struct cloister_exchange *x = NULL;
    enum clo_shape shape = CLO_SHAPE_CHAT;
    bool shaped;
    int err;

    if (c == NULL || req == NULL || ret == NULL || req->method == NULL || req->path == NULL ||
        (req->body == NULL && req->body_n > 0) || now < 0 || /* a clock that failed tells -1 */
        (req->shape != NULL && !clo_shape_read(req->shape, &shape)))
        return CLOISTER_E_ARGUMENT;
    if ((err = clo_reserved_check(req->reserved, CLO_ARRAY_LEN(req->reserved))) != 0)
        return err;
    if (now >= cloister_channel_valid_until(c))
        return CLOISTER_E_STALE;
    if (req->body_n > c->request_max)
        return CLOISTER_E_LIMIT;
    x = calloc(1, sizeof(*x));
    if (x == NULL)
        return CLOISTER_E_MEMORY;
    x->body = clo_buf_init(SEALED_MAX);
    x->shaped = shaped = c->shaping != CLO_SHAPING_OFF;
    x->shape = clo_shape_class(c->shaping, shape);

    _Static_assert(sizeof(*x->keys) <= CLO_GUARD_SLOT, "one slot holds it");
    if ((x->keys = clo_guard_grow()) == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    if ((err = write_request(req, shaped ? x->shape.name : NULL, &plain)) != 0 ||
        (err = clo_ohttp_start_request(&c->conf, c->aead, true, clo_rng_system(), &x->body, x->enc,
                                       x->keys)) != 0 ||
        (err = clo_ohttp_writer_new(c->aead, x->keys->key, x->keys->base_nonce, &w)) != 0 ||
        (err = seal_request(w, shaped, &plain, &x->body)) != 0)
        goto out;
    /* What is left to be done needs the response's secret alone. */
    clo_wipe(x->keys->key, sizeof(x->keys->key));
    clo_wipe(x->keys->base_nonce, sizeof(x->keys->base_nonce));
    *ret = x;
    x = NULL;
out:
    clo_buf_clear(&plain);
    clo_ohttp_writer_free(w);
    cloister_exchange_free(x);
    return err;
}

int cloister_exchange_body(struct cloister_exchange *x, const uint8_t **ret, size_t *ret_n)
{
    if (x == NULL || ret == NULL || ret_n == NULL)
        return CLOISTER_E_ARGUMENT;
    if (x->state != SEALED)
        return CLOISTER_E_STATE;
    x->state = TAKEN;
    *ret = x->body.p;
    *ret_n = x->body.len;
    return 0;
}

int clo_exchange_body_take(struct cloister_exchange *x, struct clo_buf *ret)
{
    const uint8_t *p = NULL;
    size_t n = 0;
    const int err = cloister_exchange_body(x, &p, &n);

    if (err != 0)
        return err;
    clo_buf_clear(ret);
    *ret = x->body;
    x->body = clo_buf_init(0);
    return 0;
}

/* ---- the answer: from Binary HTTP to the caller ---- */

static int on_response(void *ctx, unsigned status)
{
    struct cloister_exchange *x = ctx;

    x->status = status;
    return 0;
}

const char *cloister_field_find(const struct cloister_field *f, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(f[i].name, name) == 0)
            return f[i].value;
    }
    return NULL;
}

static int on_headers(void *ctx, const struct clo_bhttp_field *f, size_t n)
{
    struct cloister_field field[CLO_BHTTP_FIELDS_MAX];
    struct cloister_exchange *x = ctx;
    bool typed = false;

    for (size_t i = 0; i < n && i < CLO_BHTTP_FIELDS_MAX; i++) {
        field[i] = (struct cloister_field){f[i].name, f[i].value};
        if (strcmp(f[i].name, "content-type") != 0)
            continue;
        if (typed)
            return CLOISTER_E_DUPLICATE;
        if (strlen(f[i].value) > CONTENT_TYPE_MAX)
            return CLOISTER_E_LIMIT;
        typed = true;
    }
    return x->h->head(x->ctx, x->status, field, n);
}

static int on_content(void *ctx, const uint8_t *p, size_t n)
{
    struct cloister_exchange *x = ctx;

    return n > 0 ? x->h->content(x->ctx, p, n) : 0;
}

/* The message's explicit end: nothing but padding may follow. */
static int on_trailers(void *ctx, const struct clo_bhttp_field *f, size_t n)
{
    struct cloister_exchange *x = ctx;

    (void)f;
    (void)n;
    x->complete = true;
    return x->h->complete != NULL ? x->h->complete(x->ctx) : 0;
}

static const struct clo_bhttp_handler answer_events = {
    .response = on_response,
    .headers = on_headers,
    .content = on_content,
    .trailers = on_trailers,
};

/*
 * Each chunk has exactly the size of its frame, and the last one stands where an answer may end: a machine that lets either depend on what
 * it says doesn't keep its promise. Times are not for here: what lies between may delay anything.
 */
static int check_frame(struct cloister_exchange *x, size_t n, bool final)
{
    const uint32_t i = x->frames;

    if (!x->shaped)
        return 0;
    if (i >= x->shape.max || (!final && i == x->shape.max - 1) ||
        (final && !clo_shape_may_end(&x->shape, i)) ||
        n != clo_frame_plain(x->shape.frame, i == 0 ? x->nonce_n : 0, final))
        return CLOISTER_E_SHAPE;
    x->frames++;
    return 0;
}

static int on_chunk(void *ctx, const uint8_t *p, size_t n, bool final)
{
    struct cloister_exchange *x = ctx;
    const int err = check_frame(x, n, final);

    return err != 0 ? err : clo_bhttp_dec_feed(x->dec, p, n);
}

/* The response's keys, from its nonce; those of the request have no use any more. */
static int start_opening(struct cloister_exchange *x)
{
    CLO_SECRET(key, CLO_AEAD_KEY_MAX);
    CLO_SECRET(base_nonce, CLO_AEAD_NONCE);
    int err;

    if ((err = clo_ohttp_response_keys(x->keys, x->enc, x->nonce, key, base_nonce)) != 0 ||
        (err = clo_ohttp_reader_new(x->keys->suite.aead, key, base_nonce, &x->reader)) != 0 ||
        (err = clo_bhttp_dec_new(CLO_BHTTP_RESPONSE, &answer_events, x, &x->dec)) != 0)
        return err;
    drop_keys(x);
    x->state = OPENING; /* the request's bytes stay: they may still be on their way */
    return 0;
}

static int feed(struct cloister_exchange *x, struct clo_rd *rd)
{
    int err;

    if (x->state == TAKEN) {
        const size_t nonce_n = clo_ohttp_secret_len(x->keys->suite.aead);
        const size_t part = rd->left < nonce_n - x->nonce_n ? rd->left : nonce_n - x->nonce_n;

        if ((err = clo_rd_bytes(rd, x->nonce + x->nonce_n, part)) != 0)
            return err;
        x->nonce_n += part;
        if (x->nonce_n < nonce_n)
            return 0;
        if ((err = start_opening(x)) != 0)
            return err;
    }
    return clo_ohttp_reader_feed(x->reader, rd->p, rd->left, on_chunk, x);
}

/* Not from inside a handler: what called it would go on with keys and buffers that are gone. */
static int takes_answer(const struct cloister_exchange *x)
{
    return (x->state == TAKEN || x->state == OPENING) && x->h == NULL ? 0 : CLOISTER_E_STATE;
}

int cloister_exchange_feed(struct cloister_exchange *x, const void *p, size_t n,
                           const struct cloister_answer_handler *h, void *ctx)
{
    struct clo_rd rd = clo_rd_init(p, n);
    int err;

    if (x == NULL || (p == NULL && n > 0))
        return CLOISTER_E_ARGUMENT;
    if ((err = takes_answer(x)) != 0)
        return err;
    if (n == 0)
        return 0;
    x->h = h;
    x->ctx = ctx;
    if ((err = clo_handler_check(h)) == 0)
        err = feed(x, &rd);
    x->h = NULL;
    x->ctx = NULL;
    if (err != 0)
        exchange_over(x);
    return err;
}

bool cloister_exchange_complete(const struct cloister_exchange *x)
{
    return x->complete;
}

int cloister_exchange_end(struct cloister_exchange *x, const struct cloister_answer_handler *h,
                          void *ctx)
{
    int err;

    if (x == NULL)
        return CLOISTER_E_ARGUMENT;
    if ((err = takes_answer(x)) != 0)
        return err;
    err = CLOISTER_E_CUT;
    if (x->state == OPENING) {
        const bool was_complete = x->complete;

        x->h = h;
        x->ctx = ctx;
        if ((err = clo_handler_check(h)) == 0)
            err = clo_ohttp_reader_end(x->reader, on_chunk, x);
        x->h = NULL;
        x->ctx = NULL;
        if (err == 0)
            err = clo_bhttp_dec_end(x->dec);
        /* A final chunk that was cut can't be told from one that was altered. */
        else if (was_complete && (err == CLOISTER_E_CUT || err == CLOISTER_E_AUTH))
            err = CLOISTER_E_TRUNCATED;
    }
    exchange_over(x);
    return err;
}

void cloister_exchange_free(struct cloister_exchange *x)
{
    if (x == NULL)
        return;
    exchange_over(x);
    clo_buf_clear(&x->body);
    clo_wipe(x, sizeof(*x));
    free(x);
}
