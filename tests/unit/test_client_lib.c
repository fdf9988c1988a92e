/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocking use of the library, against a server that lives behind a transport made here: what is fetched, when there is a channel, that a request
 * leaves once, and which answer counts.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cloister/client.h>

#include "base/enc.h"
#include "codec/bhttp.h"
#include "codec/ohttp.h"
#include "../support/simulated.h"

enum {
    NOW = 1800000000,
    LIFETIME = 1200,
    TRANSPORTS_OWN = -1000, /* an error that only the transport knows */
};
#define GATEWAY "/r/0123456789abcdef"
#define ANSWER  "The answer is 42."

static struct clo_maker *maker;
static struct cloister_policy *policy;
static uint8_t seed[CLO_KEM_SEED];
static struct clo_ohttp_keyconf conf;

/* How the server, and what lies between, behaves; and what it has seen. */
struct server {
    int64_t now;
    unsigned by_digest;   /* a bit for each section that is left out of the document */
    const char *document; /* sent instead of evidence */
    bool other_nonce, false_blobs, endless;
    int get_err;
    enum {
        WHOLE,
        CUT_END,
        ALTERED,
        NO_BYTES
    } answer;
    int post_err;    /* returned after all bytes */
    int hides_sinks; /* returned instead of what a sink said */
    size_t piece;    /* bytes a time; 0: all at once */

    struct clo_buf sec[CLO_SEC_COUNT];
    unsigned gets, posts;
    size_t given;
    char path[CLOISTER_EVIDENCE_PATH_MAX];
    char text[64];
    size_t text_n;
    int stop_with;
};

static struct server *server_new(void)
{
    struct server *s = calloc(1, sizeof *s);

    assert_non_null(s);
    s->now = NOW;
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        s->sec[i] = clo_buf_init(CLO_SECTION_MAX);
    return s;
}

static void server_free(struct server *s)
{
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        clo_buf_clear(&s->sec[i]);
    free(s);
}

/* ---- evidence ---- */

static void make_keys(struct clo_buf *out)
{
    struct clo_keys_section k = {
        .created = NOW - 60, .expires = NOW + LIFETIME, .gateway = GATEWAY};
    struct clo_wr wr = clo_wr_init(k.ohttp_keys, sizeof k.ohttp_keys);

    assert_int_equal(clo_ohttp_keys_write(&conf, 1, &wr), 0);
    k.ohttp_keys_n = wr.len;
    assert_int_equal(clo_keys_section_write(&k, out), 0);
}

static void make_sections(struct server *s, const uint8_t nonce[1][32])
{
    const struct clo_manifest manifest = {.release = "0.1.0",
                                          .engine_name = "engine",
                                          .engine_version = "1",
                                          .upstream = "unix",
                                          .model = "m",
                                          .prefix_cache = "upstream"};
    struct clo_batch_section batch = {0};
    struct clo_cpu_section cpu = {0};
    struct clo_collateral crls = {0};
    uint8_t digest[3][32], data[64];

    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        clo_buf_clear(&s->sec[i]);
    make_keys(&s->sec[CLO_SEC_KEYS]);
    assert_int_equal(clo_manifest_write(&manifest, &s->sec[CLO_SEC_MANIFEST]), 0);
    assert_int_equal(clo_devices_section_write_empty(&s->sec[CLO_SEC_DEVICES]), 0);
    assert_int_equal(clo_batch_make(nonce, 1, 0, &batch), 0);
    assert_int_equal(clo_batch_section_write(&batch, &s->sec[CLO_SEC_BATCH]), 0);
    for (size_t i = CLO_SEC_KEYS; i <= CLO_SEC_DEVICES; i++)
        assert_int_equal(clo_sha256(s->sec[i].p, s->sec[i].len, digest[i]), 0);
    assert_int_equal(clo_bind_cpu(batch.root, digest[0], digest[1], digest[2], data), 0);
    assert_int_equal(maker->ops->report(maker, data, &cpu), 0);
    assert_int_equal(simulated_collateral(maker, &cpu, NOW, &crls), 0);
    assert_int_equal(clo_cpu_section_write(&cpu, &s->sec[CLO_SEC_CPU]), 0);
    assert_int_equal(clo_collateral_write(&crls, &s->sec[CLO_SEC_COLLATERAL]), 0);
    clo_cpu_section_clear(&cpu);
    clo_collateral_clear(&crls);
}

/* The nonce in the path and query of a request for evidence. */
static void nonce_of(const char *path, uint8_t nonce[32])
{
    const char *at = strstr(path, "nonce=");
    size_t n = 0;

    assert_int_equal(strncmp(path, "/.well-known/cloister/evidence?", 31), 0);
    assert_non_null(at);
    assert_int_equal(clo_unb64(at + 6, strcspn(at + 6, "&"), nonce, 32, &n), 0);
    assert_int_equal(n, 32);
}

static void make_document(struct server *s, const char *path, struct clo_buf *out)
{
    struct clo_section_ref ref[CLO_SEC_COUNT] = {0};
    uint8_t nonce[1][32], digest[CLO_SEC_COUNT][32];

    nonce_of(path, nonce[0]);
    nonce[0][0] ^= s->other_nonce;
    make_sections(s, (const uint8_t(*)[32])nonce);
    for (size_t i = 0; i < CLO_SEC_COUNT; i++) {
        ref[i] = (struct clo_section_ref){.p = s->sec[i].p, .n = s->sec[i].len};
        if ((s->by_digest & 1u << i) == 0)
            continue;
        assert_int_equal(clo_sha256(s->sec[i].p, s->sec[i].len, digest[i]), 0);
        ref[i] = (struct clo_section_ref){.digest = digest[i]};
    }
    assert_int_equal(clo_evidence_write(ref, out), 0);
}

static void make_blob(struct server *s, const char *path, struct clo_buf *out)
{
    uint8_t digest[32];
    char hex[65];

    assert_int_equal(strncmp(path, GATEWAY "/blob/", sizeof(GATEWAY "/blob/") - 1), 0);
    for (size_t i = 0; i < CLO_SEC_COUNT; i++) {
        assert_int_equal(clo_sha256(s->sec[i].p, s->sec[i].len, digest), 0);
        clo_hex(digest, 32, hex);
        if (strcmp(path + sizeof(GATEWAY "/blob/") - 1, hex) == 0 && out->len == 0)
            assert_int_equal(clo_buf_append(out, s->sec[i].p, s->sec[i].len), 0);
    }
    assert_true(out->len > 0);
    if (s->false_blobs)
        out->p[out->len - 1] ^= 1;
}

/* ---- the transport ---- */

static int give(struct server *s, const struct clo_buf *b, cloister_sink sink, void *sink_ctx)
{
    const size_t piece = s->piece == 0 ? b->len : s->piece;
    int err = 0;

    for (size_t at = 0; err == 0 && (at < b->len || s->endless); at += piece) {
        const size_t left = s->endless ? piece : b->len - at;

        s->given += left < piece ? left : piece;
        err = sink(sink_ctx, b->p + (s->endless ? 0 : at), left < piece ? left : piece);
    }
    return err != 0 && s->hides_sinks != 0 ? s->hides_sinks : err;
}

static int on_get(void *ctx, const char *path, const char *accept, cloister_sink sink,
                  void *sink_ctx)
{
    struct clo_buf b = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    const bool first = strncmp(path, "/r/", 3) != 0;
    struct server *s = ctx;
    int err;

    s->gets++;
    (void)snprintf(s->path, sizeof s->path, "%s", path);
    if (s->get_err != 0)
        return s->get_err;
    if (first)
        assert_string_equal(accept, "application/json");
    else
        assert_null(accept);
    if (first && s->document != NULL)
        assert_int_equal(clo_buf_append(&b, s->document, strlen(s->document)), 0);
    else if (first)
        make_document(s, path, &b);
    else
        make_blob(s, path, &b);
    err = give(s, &b, sink, sink_ctx);
    clo_buf_clear(&b);
    return err;
}

static void seal_answer(const struct clo_ohttp_opened *keys, const uint8_t *enc,
                        struct clo_buf *out)
{
    const struct clo_bhttp_field f = {"content-type", "text/plain"};
    uint8_t nonce[CLO_AEAD_KEY_MAX] = {1}, key[CLO_AEAD_KEY_MAX] = {0}, base[CLO_AEAD_NONCE] = {0};
    struct clo_buf plain = clo_buf_init(4096);
    struct clo_ohttp_writer *w = NULL;

    assert_int_equal(clo_buf_append(out, nonce, clo_ohttp_secret_len(keys->suite.aead)), 0);
    assert_int_equal(clo_ohttp_response_keys(keys, enc, nonce, key, base), 0);
    assert_int_equal(clo_ohttp_writer_new(keys->suite.aead, key, base, &w), 0);
    assert_int_equal(clo_bhttp_write_response_head(200, &f, 1, true, &plain), 0);
    assert_int_equal(clo_bhttp_write_content(ANSWER, strlen(ANSWER), &plain), 0);
    assert_int_equal(clo_ohttp_writer_chunk(w, plain.p, plain.len, out), 0);
    clo_buf_consume(&plain, plain.len);
    assert_int_equal(clo_bhttp_write_end(NULL, 0, &plain), 0);
    assert_int_equal(clo_ohttp_writer_chunk(w, plain.p, plain.len, out), 0);
    assert_int_equal(clo_ohttp_writer_final(w, "", 0, out), 0);
    clo_ohttp_writer_free(w);
    clo_buf_clear(&plain);
}

static int on_post(void *ctx, const char *path, const char *type, const char *accept,
                   const void *body, size_t n, cloister_sink sink, void *sink_ctx)
{
    struct clo_rd rd = clo_rd_init(body, n);
    struct clo_ohttp_opened keys = {0};
    struct clo_ohttp_header hdr = {0};
    uint8_t enc[CLO_KEM_ENC_MAX] = {0};
    struct clo_buf out = clo_buf_init(65536);
    struct server *s = ctx;
    int err;

    s->posts++;
    assert_string_equal(path, GATEWAY);
    assert_string_equal(type, "message/ohttp-chunked-req");
    assert_string_equal(accept, "message/ohttp-chunked-res");
    assert_int_equal(clo_ohttp_header_parse(&rd, &hdr), 0);
    assert_int_equal(clo_rd_bytes(&rd, enc, clo_kem_enc_len(hdr.suite.kem)), 0);
    assert_int_equal(clo_ohttp_open_request(seed, &hdr, true, enc, &keys), 0);
    if (s->answer != NO_BYTES)
        seal_answer(&keys, enc, &out);
    if (s->answer == CUT_END)
        out.len -= 40; /* the final chunk, and part of the one with the answer's end */
    if (s->answer == ALTERED)
        out.p[60] ^= 1;
    err = give(s, &out, sink, sink_ctx);
    clo_buf_clear(&out);
    return err != 0 ? err : s->post_err;
}

static int64_t on_now(void *ctx)
{
    const struct server *s = ctx;

    return s->now;
}

static struct cloister_transport to(struct server *s)
{
    return (struct cloister_transport){.ctx = s, .get = on_get, .post = on_post, .now = on_now};
}

static int on_head(void *ctx, unsigned status, const struct cloister_field *f, size_t n)
{
    (void)ctx;
    assert_int_equal(status, 200);
    assert_string_equal(cloister_field_find(f, n, "content-type"), "text/plain");
    return 0;
}

static int on_content(void *ctx, const void *p, size_t n)
{
    struct server *s = ctx;

    assert_true(n < sizeof s->text - s->text_n);
    memcpy(s->text + s->text_n, p, n);
    s->text_n += n;
    return s->stop_with;
}

static const struct cloister_answer_handler handler = {.head = on_head, .content = on_content};
static const struct cloister_request question = {.method = "GET", .path = "/v1/models"};

static int make_world(void **state)
{
    uint8_t root[32], measurement[48];
    char json[512], root_hex[65], measurement_hex[97];

    (void)state;
    conf = (struct clo_ohttp_keyconf){.key_id = 1, .kem = CLO_KEM_XWING, .suites = 1};
    conf.suite[0].kdf = CLO_KDF_HKDF_SHA256;
    conf.suite[0].aead = CLO_AES_256_GCM;
    if (clo_maker_simulated_new(clo_rng_system(), NOW, &maker) != 0 ||
        clo_rng_fill(clo_rng_system(), seed, sizeof seed) != 0 ||
        clo_kem_public(CLO_KEM_XWING, seed, conf.pk) != 0)
        return -1;
    clo_maker_simulated_info(maker, root, measurement);
    clo_hex(root, sizeof root, root_hex);
    clo_hex(measurement, sizeof measurement, measurement_hex);
    (void)snprintf(json, sizeof json,
                   "{\"v\":1,\"name\":\"test\",\"tee\":[\"simulated\"],\"measurements\":[\"%s\"],"
                   "\"simulated\":{\"roots\":[\"%s\"]},\"allow_unmanaged\":true,\"shape\":\"off\"}",
                   measurement_hex, root_hex);
    return cloister_policy_parse(json, strlen(json), &policy);
}

static int end_world(void **state)
{
    (void)state;
    clo_maker_free(maker);
    cloister_policy_free(policy);
    return 0;
}

/* ---- evidence ---- */

static int connect_with(struct server *s, struct cloister_verdict *v, struct cloister_channel **c)
{
    const struct cloister_transport t = to(s);

    memset(v, 0xff, sizeof *v);
    return cloister_connect(&t, policy, cloister_roots_builtin(), v, c);
}

static void assert_no_verdict(const struct cloister_verdict *v)
{
    static const struct cloister_verdict none;

    assert_memory_equal(v, &none, sizeof none);
}

/* No channel, no verdict, this error. Frees the server. */
static void not_judged(struct server *s, int expected)
{
    struct cloister_channel *c = NULL;
    struct cloister_verdict v;

    assert_int_equal(connect_with(s, &v, &c), expected);
    assert_no_verdict(&v);
    assert_null(c);
    server_free(s);
}

static void a_request_for_evidence_carries_its_fresh_nonce(void **state)
{
    char path[2][CLOISTER_EVIDENCE_PATH_MAX];
    struct cloister_nonce n[2];
    uint8_t nonce[32];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(cloister_evidence_request(NOW, i == 1, &n[i], path[i]), 0);
        assert_int_equal(n[i].sent_at, NOW);
        nonce_of(path[i], nonce);
        assert_memory_equal(nonce, n[i].bytes, 32);
        assert_int_equal(strstr(path[i], "full=1") != NULL, i == 1);
    }
    assert_memory_not_equal(n[0].bytes, n[1].bytes, 32);
}

static void verified_evidence_opens_a_channel(void **state)
{
    struct server *s = server_new();
    struct cloister_channel *c = NULL;
    struct cloister_verdict v;

    (void)state;
    s->piece = 1000;
    assert_int_equal(connect_with(s, &v, &c), 0);
    assert_int_equal(v.outcome, CLOISTER_VERIFIED);
    assert_int_equal(v.freshness, CLOISTER_FRESH);
    assert_int_equal(v.checked_at, NOW);
    assert_string_equal(cloister_channel_gateway(c), GATEWAY);
    assert_int_equal(cloister_channel_valid_until(c), v.valid_until);
    assert_int_equal(s->gets, 1);
    assert_int_equal(s->posts, 0);
    cloister_channel_free(c);
    server_free(s);
}

static void only_sections_that_came_by_digest_are_fetched(void **state)
{
    struct server *s = server_new();
    struct cloister_channel *c = NULL;
    struct cloister_verdict v;

    (void)state;
    s->by_digest = 1u << CLO_SEC_MANIFEST | 1u << CLO_SEC_DEVICES | 1u << CLO_SEC_COLLATERAL;
    assert_int_equal(connect_with(s, &v, &c), 0);
    assert_int_equal(s->gets, 4);
    cloister_channel_free(c);
    server_free(s);
}

static void a_blob_of_another_digest_is_refused(void **state)
{
    struct server *s = server_new();

    (void)state;
    s->by_digest = 1u << CLO_SEC_DEVICES;
    s->false_blobs = true;
    not_judged(s, CLOISTER_E_NOT_FOUND);
}

static void without_keys_there_is_nowhere_to_fetch_from(void **state)
{
    struct server *s = server_new();

    (void)state;
    s->by_digest = 1u << CLO_SEC_KEYS;
    not_judged(s, CLOISTER_E_MALFORMED);
}

static void endless_evidence_ends_at_its_limit(void **state)
{
    struct server *s = server_new();

    (void)state;
    s->endless = true;
    s->document = "{\"v\":1,";
    not_judged(s, CLOISTER_E_LIMIT);
}

static int endless_blobs(void *ctx, const char *path, const char *accept, cloister_sink sink,
                         void *sink_ctx)
{
    struct server *s = ctx;

    s->endless = strncmp(path, "/r/", 3) == 0;
    s->given = 0;
    return on_get(ctx, path, accept, sink, sink_ctx);
}

static void an_endless_blob_ends_at_a_sections_limit(void **state)
{
    struct server *s = server_new();
    struct cloister_transport t = to(s);
    struct cloister_evidence *e = NULL;
    struct cloister_nonce nonce;

    (void)state;
    s->by_digest = 1u << CLO_SEC_COLLATERAL;
    t.get = endless_blobs;
    assert_int_equal(cloister_evidence_fetch(&t, &e, &nonce), CLOISTER_E_LIMIT);
    assert_null(e);
    assert_true(s->given < CLO_SECTION_MAX + 65536);
    server_free(s);
}

static void what_a_limit_said_outweighs_what_the_transport_makes_of_it(void **state)
{
    struct server *s = server_new();

    (void)state;
    s->endless = true;
    s->document = "{";
    s->piece = 1;
    s->hides_sinks = CLOISTER_E_NETWORK;
    not_judged(s, CLOISTER_E_LIMIT);
}

static void what_is_no_evidence_has_no_verdict(void **state)
{
    static const char *const document[] = {"", "{\"v\":1}"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(document); i++) {
        struct server *s = server_new();

        s->document = document[i];
        not_judged(s, CLOISTER_E_MALFORMED);
    }
}

static int empty_blobs(void *ctx, const char *path, const char *accept, cloister_sink sink,
                       void *sink_ctx)
{
    return strncmp(path, "/r/", 3) == 0 ? 0 : on_get(ctx, path, accept, sink, sink_ctx);
}

static void an_empty_blob_is_refused(void **state)
{
    struct server *s = server_new();
    struct cloister_transport t = to(s);
    struct cloister_evidence *e = NULL;
    struct cloister_nonce nonce;

    (void)state;
    s->by_digest = 1u << CLO_SEC_MANIFEST;
    t.get = empty_blobs;
    assert_int_equal(cloister_evidence_fetch(&t, &e, &nonce), CLOISTER_E_NOT_FOUND);
    assert_null(e);
    server_free(s);
}

static void the_transports_own_errors_come_back(void **state)
{
    struct server *s = server_new();

    (void)state;
    s->get_err = TRANSPORTS_OWN;
    not_judged(s, TRANSPORTS_OWN);
}

static void evidence_for_another_nonce_is_refused_and_the_verdict_says_so(void **state)
{
    struct server *s = server_new();
    struct cloister_channel *c = NULL;
    struct cloister_verdict v;

    (void)state;
    s->other_nonce = true;
    assert_int_equal(connect_with(s, &v, &c), CLOISTER_E_REFUSED);
    assert_int_equal(v.outcome, CLOISTER_REFUSED);
    assert_int_equal(v.freshness, CLOISTER_NOT_FRESH);
    assert_null(c);
    server_free(s);
}

static void evidence_that_is_too_old_is_refused_and_the_verdict_says_so(void **state)
{
    struct server *s = server_new();
    struct cloister_channel *c = NULL;
    struct cloister_verdict v;

    (void)state;
    s->now = NOW + LIFETIME;
    assert_int_equal(connect_with(s, &v, &c), CLOISTER_E_REFUSED);
    assert_int_equal(v.outcome, CLOISTER_REFUSED);
    assert_null(c);
    server_free(s);
}

/* ---- asking ---- */

static struct cloister_channel *connected(struct server *s)
{
    struct cloister_channel *c = NULL;
    struct cloister_verdict v;

    assert_int_equal(connect_with(s, &v, &c), 0);
    return c;
}

static int ask(struct server *s, struct cloister_channel *c)
{
    const struct cloister_transport t = to(s);

    s->text_n = 0;
    memset(s->text, 0, sizeof s->text);
    return cloister_ask(&t, c, &question, &handler, s);
}

/* The request left once and failed so; then there is nothing but fresh evidence. Frees the server. */
static void fails_once(struct server *s, int expected)
{
    struct cloister_channel *c = connected(s);

    assert_int_equal(ask(s, c), expected);
    assert_int_equal(s->posts, 1);
    assert_int_equal(cloister_channel_valid_until(c), 0);
    assert_int_equal(ask(s, c), CLOISTER_E_STALE);
    assert_int_equal(s->posts, 1);
    cloister_channel_free(c);
    server_free(s);
}

static void each_request_is_sent_once_and_answered(void **state)
{
    struct server *s = server_new();
    struct cloister_channel *c = connected(s);

    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        s->piece = i;
        assert_int_equal(ask(s, c), 0);
        assert_string_equal(s->text, ANSWER);
        assert_int_equal(s->posts, i);
    }
    assert_int_equal(s->gets, 1);
    cloister_channel_free(c);
    server_free(s);
}

static void a_cut_answer_is_an_error(void **state)
{
    struct server *s = server_new();

    (void)state;
    s->answer = CUT_END;
    fails_once(s, CLOISTER_E_CUT);
}

static void an_altered_answer_is_an_error(void **state)
{
    struct server *s = server_new();

    (void)state;
    s->answer = ALTERED;
    s->hides_sinks = CLOISTER_E_NETWORK;
    fails_once(s, CLOISTER_E_AUTH);
}

static void no_answer_is_an_error(void **state)
{
    struct server *s = server_new();

    (void)state;
    s->answer = NO_BYTES;
    fails_once(s, CLOISTER_E_CUT);
}

static void a_request_that_the_transport_lost_is_not_sent_again(void **state)
{
    struct server *s = server_new();

    (void)state;
    s->answer = NO_BYTES;
    s->post_err = CLOISTER_E_NETWORK;
    fails_once(s, CLOISTER_E_NETWORK);
}

static void the_handlers_return_comes_back(void **state)
{
    struct server *s = server_new();

    (void)state;
    s->stop_with = 7;
    s->hides_sinks = CLOISTER_E_NETWORK;
    fails_once(s, 7);
}

/* "Nothing was sent" invites to send again: nobody but the library can know that. -EFAULT is the same number. */
static void what_was_sent_is_never_called_stale(void **state)
{
    struct server *s = server_new();

    (void)state;
    s->answer = NO_BYTES;
    s->post_err = CLOISTER_E_STALE;
    fails_once(s, CLOISTER_E_CANCELLED);
    s = server_new();
    s->stop_with = CLOISTER_E_STALE;
    fails_once(s, CLOISTER_E_CANCELLED);
}

/* What time() and clock_gettime() tell when they fail. */
static void a_clock_that_failed_sends_nothing(void **state)
{
    struct server *s = server_new();
    struct cloister_channel *c = connected(s);
    char path[CLOISTER_EVIDENCE_PATH_MAX];
    struct cloister_nonce nonce;

    (void)state;
    assert_int_equal(cloister_evidence_request(-1, true, &nonce, path), CLOISTER_E_ARGUMENT);
    s->now = -1;
    assert_int_equal(ask(s, c), CLOISTER_E_ARGUMENT);
    assert_int_equal(s->posts, 0);
    cloister_channel_free(c);
    server_free(s);
}

static void a_break_behind_the_answers_end_does_not_retract_it(void **state)
{
    struct server *s = server_new();
    struct cloister_channel *c = connected(s);

    (void)state;
    s->post_err = CLOISTER_E_NETWORK;
    assert_int_equal(ask(s, c), 0);
    assert_string_equal(s->text, ANSWER);
    /* but something broke: fresh evidence before the next one */
    assert_int_equal(ask(s, c), CLOISTER_E_STALE);
    assert_int_equal(s->posts, 1);
    cloister_channel_free(c);
    server_free(s);
}

static void nothing_is_sent_at_or_after_valid_until(void **state)
{
    struct server *s = server_new();
    struct cloister_channel *c = connected(s);

    (void)state;
    s->now = cloister_channel_valid_until(c);
    assert_int_equal(ask(s, c), CLOISTER_E_STALE);
    assert_int_equal(s->posts, 0);
    s->now--;
    assert_int_equal(ask(s, c), 0);
    cloister_channel_free(c);
    server_free(s);
}

static void what_cannot_be_sent_leaves_the_channel_as_it_was(void **state)
{
    struct cloister_request large = question;
    struct server *s = server_new();
    struct cloister_channel *c = connected(s);
    const struct cloister_transport t = to(s);

    (void)state;
    large.body = "";
    large.body_n = SIZE_MAX / 2; /* judged before a byte is read */
    assert_int_equal(cloister_ask(&t, c, &large, &handler, s), CLOISTER_E_LIMIT);
    assert_int_equal(s->posts, 0);
    assert_int_equal(ask(s, c), 0);
    cloister_channel_free(c);
    server_free(s);
}

static void what_a_newer_header_may_ask_is_refused_and_not_sent(void **state)
{
    struct cloister_answer_handler newer_handler = handler;
    struct cloister_request newer_request = question;
    struct server *s = server_new();
    struct cloister_channel *c = connected(s);
    const struct cloister_transport t = to(s);
    struct cloister_transport newer_transport = t;
    struct cloister_evidence *e = NULL;
    struct cloister_nonce nonce;

    (void)state;
    newer_handler.reserved[0] = s;
    newer_request.reserved[2] = s;
    newer_transport.reserved[0] = s;
    assert_int_equal(cloister_ask(&t, c, &question, &newer_handler, s), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(cloister_ask(&t, c, &newer_request, &handler, s), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(cloister_ask(&newer_transport, c, &question, &handler, s),
                     CLOISTER_E_UNSUPPORTED);
    assert_int_equal(cloister_evidence_fetch(&newer_transport, &e, &nonce), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(s->posts, 0);
    assert_int_equal(s->gets, 1);
    cloister_channel_free(c);
    server_free(s);
}

static void a_transport_or_handler_that_lacks_a_function_is_refused(void **state)
{
    struct cloister_answer_handler mute = {.head = on_head};
    struct server *s = server_new();
    struct cloister_channel *c = connected(s);
    struct cloister_transport t = to(s);

    (void)state;
    assert_int_equal(cloister_ask(&t, c, &question, &mute, s), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_ask(&t, c, &question, NULL, s), CLOISTER_E_ARGUMENT);
    t.post = NULL;
    assert_int_equal(cloister_ask(&t, c, &question, &handler, s), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_ask(NULL, c, &question, &handler, s), CLOISTER_E_ARGUMENT);
    assert_int_equal(s->posts, 0);
    cloister_channel_free(c);
    server_free(s);
}

/* Its own way to the server, and the channel that all share. */
struct client {
    pthread_t thread;
    struct server *s;
    struct cloister_channel *c;
    int err;
};

static void *asks(void *ctx)
{
    struct client *client = ctx;

    for (unsigned i = 0; i < 8 && client->err == 0; i++)
        client->err = ask(client->s, client->c);
    return NULL;
}

static void threads_share_a_channel_until_one_of_them_fails(void **state)
{
    struct client client[4] = {0};
    struct server *s = server_new();
    struct cloister_channel *c = connected(s);

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < CLO_ARRAY_LEN(client); i++) {
            client[i].s = server_new();
            client[i].c = c;
            if (round == 1 && i == 0)
                client[i].s->answer = CUT_END;
            assert_int_equal(pthread_create(&client[i].thread, NULL, asks, &client[i]), 0);
        }
        for (size_t i = 0; i < CLO_ARRAY_LEN(client); i++) {
            assert_int_equal(pthread_join(client[i].thread, NULL), 0);
            if (round == 0)
                assert_int_equal(client[i].err, 0);
            else if (i == 0)
                assert_int_equal(client[i].err, CLOISTER_E_CUT);
            else
                assert_true(client[i].err == 0 || client[i].err == CLOISTER_E_STALE);
            server_free(client[i].s);
        }
    }
    assert_int_equal(ask(s, c), CLOISTER_E_STALE);
    cloister_channel_free(c);
    server_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_for_evidence_carries_its_fresh_nonce),
        cmocka_unit_test(verified_evidence_opens_a_channel),
        cmocka_unit_test(only_sections_that_came_by_digest_are_fetched),
        cmocka_unit_test(a_blob_of_another_digest_is_refused),
        cmocka_unit_test(without_keys_there_is_nowhere_to_fetch_from),
        cmocka_unit_test(endless_evidence_ends_at_its_limit),
        cmocka_unit_test(an_endless_blob_ends_at_a_sections_limit),
        cmocka_unit_test(what_a_limit_said_outweighs_what_the_transport_makes_of_it),
        cmocka_unit_test(what_is_no_evidence_has_no_verdict),
        cmocka_unit_test(an_empty_blob_is_refused),
        cmocka_unit_test(the_transports_own_errors_come_back),
        cmocka_unit_test(evidence_for_another_nonce_is_refused_and_the_verdict_says_so),
        cmocka_unit_test(evidence_that_is_too_old_is_refused_and_the_verdict_says_so),
        cmocka_unit_test(each_request_is_sent_once_and_answered),
        cmocka_unit_test(a_cut_answer_is_an_error),
        cmocka_unit_test(an_altered_answer_is_an_error),
        cmocka_unit_test(no_answer_is_an_error),
        cmocka_unit_test(a_request_that_the_transport_lost_is_not_sent_again),
        cmocka_unit_test(the_handlers_return_comes_back),
        cmocka_unit_test(what_was_sent_is_never_called_stale),
        cmocka_unit_test(a_clock_that_failed_sends_nothing),
        cmocka_unit_test(a_break_behind_the_answers_end_does_not_retract_it),
        cmocka_unit_test(nothing_is_sent_at_or_after_valid_until),
        cmocka_unit_test(what_cannot_be_sent_leaves_the_channel_as_it_was),
        cmocka_unit_test(what_a_newer_header_may_ask_is_refused_and_not_sent),
        cmocka_unit_test(a_transport_or_handler_that_lacks_a_function_is_refused),
        cmocka_unit_test(threads_share_a_channel_until_one_of_them_fails),
    };

    return cmocka_run_group_tests(tests, make_world, end_world);
}
