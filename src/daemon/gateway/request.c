/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One encrypted request, from its first byte to the end of its answer. The order of the steps is the security argument
 * (docs/PROTOCOL.md sections 2 and 3):
 *
 *   1. header and enc are in: the keeper opens, or says why not
 *   2. chunks are decrypted as they come; plaintext is kept, never used (in the plain form: ciphertext is kept until its end)
 *   3. the final chunk, or the one piece, has authenticated: the inner request is read, its credential judged
 *   4. the keeper commits: from here on, and never before, is this request the first and only one with its enc
 *   5. limits, the body's check, a slot, the engine
 *
 * What fails before the request is open ends in one answer, whatever it was, when the body has ended; what fails later is an encrypted
 * answer like any other.
 */
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "daemon/gateway/gateway.h"
#include "platform/process.h"

#define JSON_TYPE   "application/json"
#define STREAM_TYPE "text/event-stream"
#define SSE_DONE    "[DONE]"
#define SSE_ERROR \
    "{\"error\"" /* how llama-server, vLLM and SGLang begin an error inside a stream */
#define MICRO     INT64_C(1000000)
#define ERROR_MAX 65536 /* bytes of an engine's error answer that are kept */
/* So much room a shaped stream keeps for what may come at once when it has become too long: an event, and the error that says so. */
#define ROOM_MIN (CLO_GW_EVENT_MAX + 65536)

static const uint8_t nobodys_credential[32]; /* everyone's, where no key is asked for */

static void fail(struct clo_request *r, enum clo_api_code code);

/* ---- life ---- */

int clo_request_new(struct clo_gw *gw, enum clo_request_kind kind, struct clo_request **ret)
{
    struct clo_request *r = NULL;
    uint32_t place = gw->next_place;

    if (gw->requests >= gw->cfg.connections_max)
        return CLOISTER_E_FULL;
    while (gw->request[place] != NULL)
        place = (place + 1) % gw->cfg.connections_max;
    r = clo_wipe_malloc(sizeof(*r));
    if (r == NULL)
        return CLOISTER_E_MEMORY;
    *r = (struct clo_request){
        .gw = gw,
        .id = (uint64_t)++gw->generation << 32 | place,
        .kind = kind,
        .state = kind == CLO_REQ_EVIDENCE ? CLO_RS_QUOTING : CLO_RS_HEADER,
        .began_us = clo_clock_mono_us(),
        .fd = -1,
        .head = clo_buf_init(CLO_OHTTP_HDR + CLO_KEM_ENC_MAX),
        .head_need = CLO_OHTTP_HDR,
    };
    gw->request[place] = r;
    gw->requests++;
    gw->next_place = (place + 1) % gw->cfg.connections_max;
    *ret = r;
    return 0;
}

static void drop_sealed(struct clo_request *r)
{
    clo_buf_clear(&r->sealed);
    r->gw->budget.used -= r->sealed_charged;
    r->sealed_charged = 0;
}

static void drop_keys(struct clo_request *r)
{
    drop_sealed(r);
    clo_ohttp_reader_free(r->reader);
    r->reader = NULL;
    clo_guard_free(r->opened);
    r->opened = NULL;
    clo_buf_clear(&r->head);
}

static void drop_inner(struct clo_request *r)
{
    if (r->inner_live)
        clo_inner_clear(&r->inner);
    r->inner_live = false;
}

/* The keeper needs to remember this request no longer. If it is gone, it has forgotten. */
static void close_context(struct clo_request *r)
{
    if (r->keeper_context &&
        clo_link_send(r->gw->keeper, CLO_MSG_CLOSE, r->id, NULL, 0) == CLOISTER_E_FULL)
        clo_log("gateway", CLO_EV_LIMIT, CLO_GW_LIMIT_CONTEXTS, 0, 0, 0);
    r->keeper_context = false;
}

/*
 * What the engine worked for this request counts for its key: as the engine says, or, where it couldn't say, by what went in and came out.
 * An engine that refused, failed or was lost before it said anything took nothing.
 */
static void count_tokens(struct clo_request *r)
{
    const bool answered = r->engine_status == 200 ||
                          (r->engine_status == 0 && (r->gone || r->cancelled));
    uint64_t tokens = r->metered ? r->usage.tokens : r->events + r->prompt_bytes / 4;

    if (!r->launched)
        return;
    r->launched = false;
    if (answered && r->owned && !r->gw->cfg.open_to_all)
        clo_usage_spend(&r->gw->credential[r->owner].usage, tokens, clo_clock_now());
}

/* What waits to be sent counts against memory, and in a shaped answer against nothing else. */
static void count_waiting(struct clo_request *r)
{
    const size_t n = r->response != NULL && clo_response_is_shaped(r->response)
                         ? clo_response_size(r->response)
                         : 0;

    r->gw->budget.used += n;
    r->gw->budget.used -= r->waits;
    r->waits = n;
}

static void drop_response(struct clo_request *r)
{
    clo_response_free(r->response);
    r->response = NULL;
    count_waiting(r);
}

static void drop_send(struct clo_request *r)
{
    clo_buf_clear(&r->send);
    r->gw->budget.used -= r->charged;
    r->charged = 0;
}

/* Nothing more comes from the engine: the connection first, then the slot. */
static void leave_engine(struct clo_request *r)
{
    count_tokens(r);
    clo_leg_free(r->leg);
    r->leg = NULL;
    if (r->waiting)
        clo_lessor_leave(r->gw->lessor, r);
    r->waiting = false;
    if (r->leased)
        clo_lessor_give(r->gw->lessor, &r->lease);
    r->leased = false;
    clo_sse_free(r->sse);
    r->sse = NULL;
    clo_buf_clear(&r->gathered);
    drop_send(r);
}

void clo_request_free(struct clo_request *r)
{
    struct clo_gw *gw = r->gw;

    if (r->state == CLO_RS_QUOTING)
        gw->quotes--;
    close_context(r);
    drop_keys(r);
    drop_inner(r);
    leave_engine(r);
    drop_response(r);
    clo_buf_clear(&r->document);
    gw->request[(uint32_t)r->id] = NULL;
    gw->requests--;
    clo_wipe_free(r);
    clo_requests_pump(gw);
    clo_gw_request_ended(gw);
}

void clo_request_refuse(struct clo_request *r, enum clo_refusal refusal)
{
    close_context(r);
    drop_keys(r);
    drop_inner(r);
    drop_response(r);
    r->state = CLO_RS_REFUSED;
    r->refusal = refusal;
}

void clo_request_gone(struct clo_request *r)
{
    if (r->response != NULL && clo_response_state(r->response) == CLO_RESPONSE_OPEN)
        clo_log("gateway", CLO_EV_REQUEST_ABORTED, (uint64_t)-CLOISTER_E_NETWORK,
                clo_response_bytes(r->response), 0, 0);
    r->gone = true;
    leave_engine(r);
    if (r->response != NULL)
        clo_response_abort(r->response);
    clo_requests_pump(r->gw);
}

/* ---- step 1: header, keeper ---- */

static void ask_keeper(struct clo_request *r)
{
    uint8_t payload[CLO_OHTTP_HDR + 1 + CLO_KEM_ENC_MAX] = {0};
    struct clo_wr wr = clo_wr_init(payload, sizeof(payload));
    struct clo_rd rd = clo_rd_init(r->head.p, r->head.len);
    const uint8_t *ids = NULL;

    if (clo_rd_view(&rd, CLO_OHTTP_HDR, &ids) != 0 || clo_wr_bytes(&wr, ids, CLO_OHTTP_HDR) != 0 ||
        clo_wr_u8(&wr, r->chunked) != 0 || clo_wr_bytes(&wr, rd.p, rd.left) != 0 ||
        clo_link_send(r->gw->keeper, CLO_MSG_OPEN, r->id, payload, wr.len) != 0) {
        clo_request_refuse(r, CLO_REFUSE_BUSY);
        return;
    }
    r->keeper_context = true;
    r->state = CLO_RS_OPENING;
}

static size_t feed_head(struct clo_request *r, const void *p, size_t n)
{
    const size_t room = r->head_need - r->head.len;
    const size_t take = n < room ? n : room;
    struct clo_ohttp_header h = {0};
    struct clo_rd rd = {0};

    if (clo_buf_append(&r->head, p, take) != 0) {
        clo_request_refuse(r, CLO_REFUSE_BUSY);
        return take;
    }
    if (r->head.len < r->head_need)
        return take;
    if (r->head_need > CLO_OHTTP_HDR) {
        ask_keeper(r);
        return take;
    }
    rd = clo_rd_init(r->head.p, r->head.len);
    if (clo_ohttp_header_parse(&rd, &h) != 0)
        clo_request_refuse(r, CLO_REFUSE_BAD);
    else if (!clo_suite_known(&h.suite))
        clo_request_refuse(r, CLO_REFUSE_KEY); /* these ids are public */
    else
        r->head_need += clo_kem_enc_len(h.suite.kem);
    return take;
}

static int read_opened(struct clo_request *r, struct clo_rd *rd)
{
    struct clo_rd head = clo_rd_init(r->head.p, r->head.len);
    struct clo_ohttp_header h = {0};
    int err = 0;

    _Static_assert(sizeof(*r->opened) <= CLO_GUARD_SLOT, "one slot holds it");
    if ((r->opened = clo_guard_alloc()) == NULL)
        return CLOISTER_E_MEMORY;
    if ((err = clo_ohttp_header_parse(&head, &h)) != 0 ||
        (err = clo_rd_bytes(rd, r->opened->key, sizeof(r->opened->key))) != 0 ||
        (err = clo_rd_bytes(rd, r->opened->base_nonce, sizeof(r->opened->base_nonce))) != 0 ||
        (err = clo_rd_bytes(rd, r->opened->response_secret, sizeof(r->opened->response_secret))) !=
            0)
        return err;
    r->opened->suite = h.suite;
    r->opened->chunked = r->chunked;
    return 0;
}

static void begin_body(struct clo_request *r)
{
    const struct clo_ohttp_opened *o = r->opened;

    if ((r->chunked &&
         clo_ohttp_reader_new(o->suite.aead, o->key, o->base_nonce, &r->reader) != 0) ||
        clo_inner_init(&r->inner, r->gw->cfg.request_max, &r->gw->budget) != 0) {
        clo_request_refuse(r, CLO_REFUSE_BUSY);
        return;
    }
    r->inner_live = true;
    r->sealed = clo_buf_init(r->gw->upload_max);
    if (r->chunked) { /* the request's key lives in the reader from here on */
        clo_wipe(r->opened->key, sizeof(r->opened->key));
        clo_wipe(r->opened->base_nonce, sizeof(r->opened->base_nonce));
    }
    r->state = CLO_RS_BODY;
}

int clo_request_opened(struct clo_gw *gw, const struct clo_ipc_msg *m)
{
    struct clo_request *r = clo_gw_find(gw, m->id);
    struct clo_rd rd = clo_rd_init(m->payload, m->n);
    uint32_t code = 0;
    int err = clo_rd_u32le(&rd, &code);

    if (err != 0 || (code == 0) != (rd.left > 0))
        return CLOISTER_E_PROTOCOL;
    if (r == NULL || r->state != CLO_RS_OPENING)
        return 0; /* its connection has ended; CLOSE is on its way */
    if (code == 0 && (err = read_opened(r, &rd)) == CLOISTER_E_MEMORY)
        clo_request_refuse(r, CLO_REFUSE_BUSY);
    else if (err != 0 || (code == 0 && clo_rd_end(&rd) != 0))
        return CLOISTER_E_PROTOCOL;
    else if (code == 0)
        begin_body(r);
    else
        r->keeper_context = false; /* none was made */
    switch ((int32_t)code) {
    case 0: break;
    case CLOISTER_E_KEYS_CHANGED: clo_request_refuse(r, CLO_REFUSE_KEY); break;
    case CLOISTER_E_FULL: clo_request_refuse(r, CLO_REFUSE_BUSY); break;
    default: clo_request_refuse(r, CLO_REFUSE_BAD); break;
    }
    clo_outer_wake(r);
    return 0;
}

/* ---- step 2: chunks, or one piece ---- */

static int on_chunk(void *ctx, const uint8_t *p, size_t n, bool final)
{
    struct clo_request *r = ctx;

    (void) final;
    clo_inner_feed(&r->inner, p, n);
    return 0;
}

/* What can't be opened before its end has come is held as it is. */
static void hold(struct clo_request *r, const void *p, size_t n)
{
    struct clo_budget *budget = &r->gw->budget;

    if (!clo_budget_has(budget, n) || clo_buf_append(&r->sealed, p, n) != 0) {
        clo_log("gateway", CLO_EV_LIMIT, CLO_GW_LIMIT_MEMORY, budget->used, 0, 0);
        clo_request_refuse(r, CLO_REFUSE_BUSY);
        return;
    }
    budget->used += n;
    r->sealed_charged += n;
}

static int open_held(struct clo_request *r)
{
    struct clo_buf text = clo_buf_init(r->sealed.len);
    int err = clo_ohttp_plain_open_request(r->opened, r->sealed.p, r->sealed.len, &text);

    drop_sealed(r);
    if (err == 0)
        clo_inner_feed(&r->inner, text.p, text.len);
    clo_buf_clear(&text);
    return err;
}

size_t clo_request_feed(struct clo_request *r, const void *p, size_t n)
{
    size_t taken = n;

    switch (r->state) {
    case CLO_RS_HEADER: taken = feed_head(r, p, n); break;
    case CLO_RS_OPENING: return 0;
    case CLO_RS_BODY:
        if (!r->chunked)
            hold(r, p, n);
        else if (clo_ohttp_reader_feed(r->reader, p, n, on_chunk, r) != 0)
            clo_request_refuse(r, CLO_REFUSE_BAD);
        break;
    default: break; /* refused: read, and think nothing of it */
    }
    r->received += taken;
    /* Only a body without a Content-Length comes this far. */
    if (r->received > r->gw->upload_max)
        clo_request_refuse(r, CLO_REFUSE_DROP);
    return taken;
}

/* ---- step 3: the inner request ---- */

static enum clo_api_code find_credential(const struct clo_gw *gw, const struct clo_inner *in,
                                         uint32_t *ret)
{
    uint32_t at = 0;

    if (gw->cfg.open_to_all) {
        *ret = 0;
        return CLO_API_OK;
    }
    if (!clo_credential_find(gw->credential, gw->credentials, in->token, &at) || !in->has_token)
        return CLO_API_BAD_KEY;
    *ret = at;
    return gw->credential[at].terms.expires != 0 &&
                   gw->credential[at].terms.expires <= clo_clock_now()
               ? CLO_API_EXPIRED
               : CLO_API_OK;
}

static void finish_body(struct clo_request *r)
{
    struct clo_rd head = clo_rd_init(r->head.p, r->head.len);
    enum clo_api_code code = CLO_API_OK;
    const uint8_t *credential = nobodys_credential;
    const int64_t ended_us = clo_clock_mono_us();

    if ((r->chunked ? clo_ohttp_reader_end(r->reader, on_chunk, r) : open_held(r)) != 0) {
        clo_request_refuse(r, CLO_REFUSE_BAD);
        return;
    }
    if (clo_rd_skip(&head, CLO_OHTTP_HDR) != 0 ||
        clo_response_new(r->opened, head.p, clo_rng_system(), &r->response) != 0) {
        clo_request_refuse(r, CLO_REFUSE_BUSY);
        return;
    }
    r->key_id = *r->head.p;
    drop_keys(r);
    clo_log("gateway", CLO_EV_REQUEST_OPEN, r->received, 0, 0, 0);
    code = clo_inner_end(&r->inner);
    if (clo_response_shape(r->response, (enum clo_shaping)r->gw->cfg.shape, r->inner.shape,
                           ended_us) != 0) {
        clo_request_refuse(r, CLO_REFUSE_BUSY);
        return;
    }
    if (code == CLO_API_OK)
        code = find_credential(r->gw, &r->inner, &r->owner);
    if (code != CLO_API_OK) {
        fail(r, code);
        return;
    }
    r->owned = true;
    if (!r->gw->cfg.open_to_all)
        credential = r->gw->credential[r->owner].terms.digest;
    r->engine_life = r->gw->engine_life;
    /* Without a commit a copy could still run: no answer that tells the sender to ask again. */
    if (clo_link_send(r->gw->keeper, CLO_MSG_COMMIT, r->id, credential, 32) != 0)
        clo_request_refuse(r, CLO_REFUSE_BUSY);
    else
        r->state = CLO_RS_COMMITTING;
}

void clo_request_body_ended(struct clo_request *r)
{
    if (r->state == CLO_RS_HEADER)
        clo_request_refuse(r, CLO_REFUSE_BAD);
    else if (r->state == CLO_RS_BODY)
        finish_body(r);
}

/* ---- answers of our own ---- */

static void log_done(const struct clo_request *r)
{
    clo_log("gateway", CLO_EV_REQUEST_DONE, r->status, r->received, clo_response_bytes(r->response),
            (uint64_t)(clo_clock_mono_us() - r->began_us) / 1000);
}

static void say_all(struct clo_request *r, unsigned status, unsigned retry_after,
                    const struct clo_buf *body)
{
    close_context(r);
    drop_inner(r);
    r->state = CLO_RS_ANSWERING;
    r->status = status;
    if (clo_response_begin(r->response, status, JSON_TYPE, retry_after) == 0 &&
        clo_response_content(r->response, body->p, body->len) == 0 &&
        clo_response_end(r->response, clo_clock_mono_us()) == 0)
        log_done(r);
    count_waiting(r);
    clo_outer_wake(r);
}

static void say_fault(struct clo_request *r, const struct clo_api_fault *fault)
{
    struct clo_buf body = clo_buf_init(8192);

    leave_engine(r);
    if (clo_api_error_write(fault, &body) != 0)
        clo_response_abort(r->response);
    say_all(r, clo_api_status(fault->code), clo_api_retry_after(fault), &body);
    clo_buf_clear(&body);
}

static void fail(struct clo_request *r, enum clo_api_code code)
{
    const struct clo_api_fault fault = {.code = code};

    say_fault(r, &fault);
}

/* An error as an event of a stream that has begun. */
static int say_event_fault(struct clo_request *r, enum clo_api_code code)
{
    const struct clo_api_fault fault = {.code = code};
    struct clo_buf event = clo_buf_init(8192);
    int err = 0;

    if ((err = clo_buf_append(&event, "data: ", 6)) == 0 &&
        (err = clo_api_error_write(&fault, &event)) == 0 &&
        (err = clo_buf_append(&event, "\n\n", 2)) == 0)
        err = clo_response_content(r->response, event.p, event.len);
    clo_buf_clear(&event);
    return err;
}

/* ---- step 5: towards the engine ---- */

static int on_leg_head(void *ctx, const struct clo_http1_head *head);
static int on_leg_body(void *ctx, const uint8_t *p, size_t n);
static void on_leg_end(void *ctx, int err);

static const struct clo_leg_ops leg_ops = {
    .head = on_leg_head, .body = on_leg_body, .end = on_leg_end};

/* What keeps this credential's prompts apart in the engine's cache; "" where the engine needs no telling. */
static int find_salt(const struct clo_request *r, char ret[CLO_SALT_LEN + 1])
{
    const struct clo_gw *gw = r->gw;

    ret[0] = 0;
    if (!gw->engine.salted)
        return 0;
    return clo_salt_of(
        gw->salt, gw->cfg.open_to_all ? nobodys_credential : gw->credential[r->owner].terms.digest,
        ret);
}

/* A slot is ours (or none is needed): connect. */
static void launch(struct clo_request *r)
{
    struct clo_gw *gw = r->gw;
    const unsigned silence = r->asked.stream ? CLO_GW_SILENCE_S : CLO_GW_SILENCE_ALL_S;
    char salt[CLO_SALT_LEN + 1];
    int err = find_salt(r, salt);

    /* Of embeddings there is no slot to choose, and no cache (cloisterd(8)). */
    if (err == 0)
        err = clo_api_body_close(gw->engine.managed && r->inner.endpoint != CLO_EP_EMBEDDINGS,
                                 r->lease.slot, r->lease.cache, *salt != 0 ? salt : NULL, &r->send);
    clo_wipe(salt, sizeof(salt));
    r->prompt_bytes = r->send.len;
    if (err == 0)
        err = clo_leg_start(gw->base, gw->engine.address, clo_endpoint_path(r->inner.endpoint),
                            &r->send, silence, &leg_ops, r, &r->leg);
    r->launched = err == 0;
    drop_send(r);
    if (err != 0)
        fail(r, err == CLOISTER_E_NETWORK ? CLO_API_NO_ENGINE : CLO_API_BUSY);
}

static void say_limit(struct clo_request *r, enum clo_gw_limit which, enum clo_api_code code,
                      uint64_t limit, unsigned wait)
{
    const struct clo_api_fault fault = clo_api_limit_fault(code, limit, wait);

    clo_log("gateway", CLO_EV_LIMIT, which, limit, 0, 0);
    say_fault(r, &fault);
}

/* The key's own terms; all of them 0 where no key is asked for. */
static struct clo_credential_terms terms_of(const struct clo_request *r)
{
    static const struct clo_credential_terms none;

    return r->gw->cfg.open_to_all ? none : r->gw->credential[r->owner].terms;
}

static void ask_slot(struct clo_request *r)
{
    struct clo_gw *gw = r->gw;
    const uint32_t own = terms_of(r).parallel;

    switch (clo_lessor_ask(gw->lessor, r->owner, own, r, &r->lease)) {
    case 0:
        r->leased = true;
        launch(r);
        break;
    case CLOISTER_E_STATE: r->waiting = true; break;
    case CLOISTER_E_QUOTA:
        say_limit(r, CLO_GW_LIMIT_PARALLEL, CLO_API_PARALLEL, own != 0 ? own : gw->limits.parallel,
                  0);
        break;
    default:
        clo_log("gateway", CLO_EV_LIMIT, CLO_GW_LIMIT_QUEUE, clo_lessor_waiting(gw->lessor), 0, 0);
        fail(r, CLO_API_BUSY);
        break;
    }
}

void clo_requests_pump(struct clo_gw *gw)
{
    struct clo_lease lease = {0};
    void *who = NULL;

    while (gw->lessor != NULL && gw->engine.up && clo_lessor_next(gw->lessor, &who, &lease) == 0) {
        struct clo_request *r = who;

        r->waiting = false;
        r->leased = true;
        r->lease = lease;
        launch(r);
    }
}

static void prepare_engine(struct clo_request *r)
{
    struct clo_gw *gw = r->gw;
    const struct clo_api_engine engine = {.managed = gw->engine.managed,
                                          .model = gw->engine.model_name};
    struct clo_api_fault fault = {0};

    /* Keys and engine go together: what was sealed to keys of an earlier engine must not reach a later one. */
    if (!gw->engine.up || gw->engine_life != r->engine_life) {
        fail(r, CLO_API_NO_ENGINE);
        return;
    }
    if (!gw->cfg.open_to_all) {
        const uint64_t limit = terms_of(r).tokens_day;
        const unsigned wait = clo_usage_tokens_left(&gw->credential[r->owner].usage, limit,
                                                    clo_clock_now());

        if (wait != 0) {
            say_limit(r, CLO_GW_LIMIT_DAY, CLO_API_DAY, limit, wait);
            return;
        }
    }
    /* Numbers and escapes may grow when they are written anew. */
    r->send = clo_buf_init((size_t)gw->cfg.request_max * 4 + 1024);
    clo_api_body(r->inner.endpoint, r->inner.body.p, r->inner.body.len, &engine, &r->asked,
                 &r->send, &fault);
    clo_inner_drop_body(&r->inner);
    if (fault.code != CLO_API_OK) {
        say_fault(r, &fault);
        return;
    }
    r->charged = r->send.len;
    gw->budget.used += r->charged;
    ask_slot(r);
}

static void say_models(struct clo_request *r)
{
    const struct clo_api_fault fault = {.code = CLO_API_NO_SUCH_MODEL, .param = "model"};
    const char *model = r->gw->engine.model_name;
    const bool one = r->inner.endpoint == CLO_EP_MODEL;
    struct clo_buf body = clo_buf_init(4096);

    if (!r->gw->engine.up)
        fail(r, CLO_API_NO_ENGINE);
    else if (one && strcmp(r->inner.model, model) != 0)
        say_fault(r, &fault);
    else if ((one ? clo_api_model_write(model, &body) : clo_api_models_write(model, &body)) != 0)
        fail(r, CLO_API_BUSY);
    else
        say_all(r, 200, 0, &body);
    clo_buf_clear(&body);
}

/* ---- cancellation ---- */

static bool is_running(const struct clo_request *r)
{
    return r->state == CLO_RS_ANSWERING && (r->leg != NULL || r->waiting);
}

/* The one who cancels reads the end as well, so it is a proper one: with an error in it and without [DONE]. */
static void cancel(struct clo_request *r)
{
    r->cancelled = true;
    leave_engine(r);
    if (clo_response_take_back(r->response)) {
        fail(r, CLO_API_CANCELLED);
        return;
    }
    if (say_event_fault(r, CLO_API_CANCELLED) == 0 &&
        clo_response_end(r->response, clo_clock_mono_us()) == 0)
        log_done(r);
    count_waiting(r);
    clo_outer_wake(r);
}

static void do_cancel(struct clo_request *r)
{
    struct clo_gw *gw = r->gw;
    struct clo_api_fault fault = {0};
    struct clo_buf body = clo_buf_init(256);
    uint8_t id[CLO_REQUEST_ID] = {0};
    bool found = false;

    clo_api_cancel_body(r->inner.body.p, r->inner.body.len, id, &fault);
    if (fault.code != CLO_API_OK) {
        say_fault(r, &fault);
        return;
    }
    for (uint32_t i = 0; i < gw->cfg.connections_max; i++) {
        struct clo_request *other = gw->request[i];

        if (other == NULL || other == r || !is_running(other) || other->owner != r->owner ||
            !clo_inner_has_id(&other->inner, id))
            continue;
        cancel(other);
        found = true;
    }
    clo_requests_pump(gw);
    if (clo_api_cancel_write(found, &body) != 0)
        fail(r, CLO_API_BUSY);
    else
        say_all(r, 200, 0, &body);
    clo_buf_clear(&body);
}

/* ---- step 4 has succeeded ---- */

/* A cancellation makes room: it is never one too many. */
static bool is_over_minute(struct clo_request *r)
{
    const uint32_t limit = terms_of(r).requests_minute;
    unsigned wait = 0;

    if (r->gw->cfg.open_to_all || r->inner.endpoint == CLO_EP_CANCEL)
        return false;
    wait = clo_usage_ask(&r->gw->credential[r->owner].usage, limit, clo_clock_mono_us() / MICRO);
    if (wait != 0)
        say_limit(r, CLO_GW_LIMIT_MINUTE, CLO_API_MINUTE, limit, wait);
    return wait != 0;
}

static void dispatch(struct clo_request *r)
{
    const struct clo_engine_state *engine = &r->gw->engine;

    r->state = CLO_RS_ANSWERING;
    if (is_over_minute(r))
        return;
    if (r->inner.late != CLO_API_OK) {
        fail(r, r->inner.late);
        return;
    }
    switch (r->inner.endpoint) {
    case CLO_EP_MODEL:
    case CLO_EP_MODELS: say_models(r); break;
    case CLO_EP_CANCEL: do_cancel(r); break;
    case CLO_EP_EMBEDDINGS:
        /*
         * llama-server makes embeddings on slots of its own choice: only one that does nothing else is asked. vLLM salts them in its later
         * versions only, and passes over the word in others.
         */
        if (engine->up && (engine->managed ? !engine->embeddings : engine->salted))
            fail(r, CLO_API_NO_EMBEDDINGS);
        else
            prepare_engine(r);
        break;
    case CLO_EP_CHAT:
    case CLO_EP_COMPLETIONS:
        if (engine->up && engine->embeddings)
            fail(r, CLO_API_ONLY_EMBEDDINGS);
        else
            prepare_engine(r);
        break;
    case CLO_EP_NONE: fail(r, CLO_API_NO_SUCH_PATH); break;
    }
}

/* The quota is a key's and a life of private keys: with the next ones, which a client may be shown already, there is another. */
static void say_quota(struct clo_request *r)
{
    const struct clo_gw_key *key = &r->gw->key;
    const int64_t left = key->next - clo_clock_now();
    struct clo_api_fault fault = {.code = CLO_API_QUOTA, .wait = 1};

    for (size_t i = 0; i < key->ids && key->n > 0; i++) {
        if (key->id[i] == r->key_id && left > 0)
            fault.wait = (unsigned)left + 1;
    }
    say_fault(r, &fault);
}

int clo_request_committed(struct clo_gw *gw, const struct clo_ipc_msg *m)
{
    struct clo_request *r = clo_gw_find(gw, m->id);
    struct clo_rd rd = clo_rd_init(m->payload, m->n);
    uint32_t code = 0;

    if (clo_rd_u32le(&rd, &code) != 0 || clo_rd_end(&rd) != 0)
        return CLOISTER_E_PROTOCOL;
    if (r == NULL || r->state != CLO_RS_COMMITTING)
        return 0;
    close_context(r);
    switch ((int32_t)code) {
    case 0: dispatch(r); break;
    case CLOISTER_E_QUOTA: say_quota(r); break;
    case CLOISTER_E_FULL: fail(r, CLO_API_KEYS_ENDED); break;
    default: clo_request_refuse(r, CLO_REFUSE_BAD); break;
    }
    clo_outer_wake(r);
    return 0;
}

/* ---- the engine's answer ---- */

static bool is_streaming(const struct clo_request *r)
{
    return r->sse != NULL;
}

/*
 * One whole event, written anew: comments and whatever else stood between the lines stay here. What comes after [DONE] isn't
 * part of any answer.
 */
static int on_event(void *ctx, const char *data, size_t n)
{
    struct clo_request *r = ctx;
    int err = 0;

    if (r->sse_done)
        return CLOISTER_E_PROTOCOL;
    if (strncmp(data, SSE_ERROR, strlen(SSE_ERROR)) == 0)
        return CLOISTER_E_ENGINE;
    r->events++;
    if (clo_api_usage_read(data, n, &r->usage)) {
        r->metered = true;
        if (r->usage.alone && !r->asked.usage)
            return 0; /* we asked, not the client */
    }
    if (!clo_response_has_begun(r->response)) {
        clo_lessor_settle(r->gw->lessor, &r->lease);
        if ((err = clo_response_begin(r->response, 200, STREAM_TYPE, 0)) != 0)
            return err;
    }
    r->too_long = clo_response_is_shaped(r->response) && clo_response_room(r->response) < ROOM_MIN;
    if (r->too_long)
        return CLOISTER_E_LIMIT;
    r->sse_done = strcmp(data, SSE_DONE) == 0;
    err = clo_response_event(r->response, data, n);
    count_waiting(r);
    clo_outer_wake(r);
    return err;
}

static int on_leg_head(void *ctx, const struct clo_http1_head *head)
{
    struct clo_request *r = ctx;
    const bool ok = head->status == 200;

    r->engine_status = head->status;
    if (ok && strcmp(head->content_type, r->asked.stream ? STREAM_TYPE : JSON_TYPE) != 0)
        return CLOISTER_E_ENGINE;
    if (ok && r->asked.stream)
        return clo_sse_new(CLO_GW_EVENT_MAX, on_event, r, &r->sse);
    r->gathered = clo_buf_init(ok ? CLO_GW_ANSWER_MAX : ERROR_MAX);
    return 0;
}

static int on_leg_body(void *ctx, const uint8_t *p, size_t n)
{
    struct clo_request *r = ctx;
    int err = 0;

    if (!is_streaming(r))
        return clo_buf_append(&r->gathered, p, n);
    err = clo_sse_feed(r->sse, p, n);
    if (err == 0 && clo_response_is_congested(r->response) && !r->paused) {
        r->paused = true;
        clo_leg_pause(r->leg, true);
    }
    return err;
}

/* The engine is done, but a large answer takes memory until it is read: so long its request counts as one that runs. */
static void hold_share(struct clo_request *r)
{
    if (clo_response_is_shaped(r->response) || clo_response_size(r->response) <= CLO_RESPONSE_HIGH)
        return;
    clo_lessor_hold(r->gw->lessor, r->owner, &r->lease);
    r->leased = true;
}

void clo_request_flowed(struct clo_request *r)
{
    count_waiting(r);
    if (r->leased && r->leg == NULL && clo_response_size(r->response) <= CLO_RESPONSE_HIGH) {
        clo_lessor_give(r->gw->lessor, &r->lease);
        r->leased = false;
    }
    if (r->paused && r->leg != NULL && !clo_response_is_congested(r->response)) {
        r->paused = false;
        clo_leg_pause(r->leg, false);
    }
}

/* The stream has ended: as it should, or in the middle, which must look like nothing else. */
static void end_stream(struct clo_request *r, int err)
{
    enum clo_api_code code = CLO_API_OK;

    if (err == 0)
        err = clo_sse_end(r->sse);
    if (err == 0 && !r->sse_done)
        err = CLOISTER_E_CUT;
    leave_engine(r);
    r->status = 200;
    if (err == 0)
        err = clo_response_end(r->response, clo_clock_mono_us());
    code = r->too_long                ? CLO_API_TOO_LONG
           : err == CLOISTER_E_ENGINE ? CLO_API_ENGINE_FAILED
                                      : CLO_API_ENGINE_LOST;
    if (err == 0) {
        log_done(r);
        hold_share(r);
    } else if (clo_response_take_back(r->response)) {
        fail(r, code);
    } else {
        (void)!say_event_fault(r, code);
        clo_log("gateway", CLO_EV_REQUEST_ABORTED, (uint64_t)-err, clo_response_bytes(r->response),
                0, 0);
        clo_response_abort(r->response);
    }
    clo_outer_wake(r);
}

static void end_whole(struct clo_request *r, int err)
{
    struct clo_buf body = r->gathered;
    struct clo_api_fault fault = {0};

    r->gathered = clo_buf_init(0);
    if (err == 0 && r->engine_status == 200) {
        clo_lessor_settle(r->gw->lessor, &r->lease);
        r->metered = clo_api_usage_read(body.p, body.len, &r->usage);
    }
    leave_engine(r);
    if (err != 0) {
        fail(r, err == CLOISTER_E_CUT || err == CLOISTER_E_NETWORK ? CLO_API_ENGINE_LOST
                                                                   : CLO_API_ENGINE_FAILED);
    } else if (r->engine_status == 200 && body.len > clo_response_room(r->response)) {
        fail(r, CLO_API_TOO_LONG);
    } else if (r->engine_status == 200) {
        say_all(r, 200, 0, &body);
        hold_share(r);
    } else {
        clo_api_engine_fault(r->engine_status, body.p, body.len, &fault);
        say_fault(r, &fault);
    }
    clo_buf_clear(&body);
}

static void on_leg_end(void *ctx, int err)
{
    struct clo_request *r = ctx;
    struct clo_gw *gw = r->gw;

    r->leg = NULL; /* already closed */
    if (is_streaming(r))
        end_stream(r, err);
    else
        end_whole(r, err);
    clo_requests_pump(gw);
}

/* ---- losses and time ---- */

void clo_requests_keeper_lost(struct clo_gw *gw)
{
    for (uint32_t i = 0; i < gw->cfg.connections_max && gw->request != NULL; i++) {
        struct clo_request *r = gw->request[i];

        if (r == NULL)
            continue;
        r->keeper_context = false;
        if (r->state == CLO_RS_OPENING || r->state == CLO_RS_BODY)
            clo_request_refuse(r, CLO_REFUSE_BUSY);
        else if (r->state == CLO_RS_COMMITTING)
            fail(r, CLO_API_NO_KEEPER);
        else
            continue;
        clo_outer_wake(r);
    }
}

void clo_requests_engine_lost(struct clo_gw *gw)
{
    for (uint32_t i = 0; i < gw->cfg.connections_max && gw->request != NULL; i++) {
        struct clo_request *r = gw->request[i];

        if (r != NULL && r->waiting)
            fail(r, CLO_API_NO_ENGINE);
    }
}

/* Nothing waits for ever: neither for the network's bytes nor for a process of our own that is stuck. */
static void check_time(struct clo_request *r, int64_t age_us)
{
    switch (r->state) {
    case CLO_RS_HEADER:
    case CLO_RS_OPENING:
    case CLO_RS_BODY:
    case CLO_RS_REFUSED:
        if (age_us < CLO_GW_UPLOAD_S * MICRO)
            return;
        clo_log("gateway", CLO_EV_LIMIT, CLO_GW_LIMIT_UPLOAD, r->received, 0, 0);
        clo_request_refuse(r, CLO_REFUSE_DROP);
        clo_outer_hang_up(r);
        return;
    case CLO_RS_QUOTING:
        if (age_us < CLO_GW_QUOTE_S * MICRO)
            return;
        r->gw->quotes--;
        clo_request_refuse(r, CLO_REFUSE_BUSY);
        break;
    case CLO_RS_COMMITTING:
        if (age_us < (CLO_GW_UPLOAD_S + CLO_GW_QUOTE_S) * MICRO)
            return;
        fail(r, CLO_API_NO_KEEPER);
        break;
    case CLO_RS_ANSWERING: return;
    }
    clo_outer_wake(r);
}

void clo_requests_tick(struct clo_gw *gw)
{
    const int64_t now = clo_clock_mono_us();

    for (uint32_t i = 0; i < gw->cfg.connections_max && gw->requests > 0; i++) {
        struct clo_request *r = gw->request[i];

        if (r != NULL && !r->gone)
            check_time(r, now - r->began_us);
    }
}
