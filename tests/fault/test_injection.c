/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens when memory runs out or libcrypto fails: each call of a whole piece of work fails once, in its turn, then several at
 * random. Whatever fails says so; what is said to have succeeded is right to the byte; out-parameters of what failed are as they
 * were; nothing is leaked or written in the clear; no key is zero and no nonce seals twice; and the next piece of work goes well.
 *
 * Faults come from tests/support/faults.c. The seed of the random part is printed; CLOISTER_FAULT_SEED repeats it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>

#include <cloister/channel.h>

#include "../support/faults.h"
#include "lab/machine.h"
#include "lab/snp.h"
#include "base/enc.h"
#include "base/secret.h"
#include "codec/bhttp.h"
#include "codec/http1.h"
#include "codec/json.h"
#include "codec/ohttp.h"
#include "codec/sse.h"
#include "../support/simulated.h"

enum {
    TRACE_MAX = 1 << 22,
    RANDOM_ROUNDS = 300
};
#define SECRET_TEXT "nobody else may read this sentence"

/* What no function gives: an out-parameter still has it after a failure. */
static char untouched[1];
#define UNTOUCHED ((void *)untouched)

static unsigned long violations;

/* err, noting whether a failure left its out-parameter alone. */
static int pointer_kept(int err, const void *p)
{
    violations += (err != 0) != (p == UNTOUCHED);
    return err;
}

/* The call comes first: arguments of a function have no order. */
static int last;
#define POINTER_KEPT(call, p) (last = (call), pointer_kept(last, p))

static void fill(void *p, size_t n)
{
    memset(p, 0xa5, n);
}

static int bytes_kept(int err, const void *p, size_t n)
{
    const uint8_t *b = p;
    size_t same = 0;

    while (same < n && b[same] == 0xa5)
        same++;
    violations += err != 0 && same != n;
    return err;
}

/* ---- the work: parsers ---- */

static int run_json(struct clo_buf *out)
{
    static const char text[] =
        "{\"v\":1,\"list\":[1,2,{\"deep\":[true,null,\"\\u00e9\"]}],\"text\":\"abc\",\"hex\":\"00ff\","
        "\"b64\":\"AQIDBA\",\"number\":12}";
    json_t *v = UNTOUCHED;
    struct clo_json_obj o;
    struct clo_buf b = clo_buf_init(16);
    uint8_t hex[2] = {0};
    int err = POINTER_KEPT(clo_json_parse(text, sizeof text - 1, 4096, &v), v);

    if (err != 0)
        return err;
    o = clo_json_obj_init(v);
    clo_json_obj_v1(&o);
    (void)clo_json_obj_need(&o, "list", JSON_ARRAY);
    (void)clo_json_obj_str(&o, "text", 16);
    clo_json_obj_hex(&o, "hex", hex, 2);
    clo_json_obj_b64(&o, "b64", 16, &b);
    (void)clo_json_obj_int(&o, "number", 0, 99);
    err = clo_json_obj_end(&o);
    if (err == 0 && (err = clo_buf_append(out, b.p, b.len)) == 0 &&
        (err = clo_buf_append(out, hex, 2)) == 0)
        err = clo_json_write(v, out);
    clo_buf_clear(&b);
    json_decref(v);
    return err;
}

static int add_text(void *ctx, const char *s)
{
    return clo_buf_append(ctx, s, strlen(s) + 1);
}

static int on_status(void *ctx, unsigned status)
{
    return clo_buf_append(ctx, &status, sizeof status);
}

static int on_bytes(void *ctx, const uint8_t *p, size_t n)
{
    return clo_buf_append(ctx, p, n);
}

static int on_fields(void *ctx, const struct clo_bhttp_field *f, size_t n)
{
    int err = clo_buf_append(ctx, &n, sizeof n);

    for (size_t i = 0; i < n && err == 0; i++) {
        if ((err = add_text(ctx, f[i].name)) == 0)
            err = add_text(ctx, f[i].value);
    }
    return err;
}

static int on_request(void *ctx, const char *method, const char *scheme, const char *authority,
                      const char *path)
{
    int err;

    if ((err = add_text(ctx, method)) != 0 || (err = add_text(ctx, scheme)) != 0 ||
        (err = add_text(ctx, authority)) != 0)
        return err;
    return add_text(ctx, path);
}

static const struct clo_bhttp_handler trace = {
    .request = on_request,
    .informational = on_status,
    .response = on_status,
    .headers = on_fields,
    .content = on_bytes,
    .trailers = on_fields,
};

static const struct clo_bhttp_field fields[] = {{"content-type", "application/json"},
                                                {"accept", "text/event-stream"}};

static int decode(enum clo_bhttp_kind kind, const struct clo_buf *message, struct clo_buf *out)
{
    struct clo_bhttp_dec *d = UNTOUCHED;
    int err = POINTER_KEPT(clo_bhttp_dec_new(kind, &trace, out, &d), d);

    if (err != 0)
        return err;
    for (size_t i = 0; i < message->len && err == 0; i++)
        err = clo_bhttp_dec_feed(d, message->p + i, 1);
    violations += err != 0 && clo_bhttp_dec_complete(d);
    if (err == 0)
        err = clo_bhttp_dec_end(d);
    clo_bhttp_dec_free(d);
    return err;
}

static int run_bhttp(struct clo_buf *out)
{
    struct clo_buf request = clo_buf_init(4096), response = clo_buf_init(4096);
    int err;

    if ((err = clo_bhttp_write_request("POST", "https", "", "/v1/models", fields, 2, SECRET_TEXT,
                                       34, &request)) == 0 &&
        (err = clo_bhttp_write_informational(102, fields, 1, true, &response)) == 0 &&
        (err = clo_bhttp_write_response_head(200, fields, 2, false, &response)) == 0 &&
        (err = clo_bhttp_write_content("one", 3, &response)) == 0 &&
        (err = clo_bhttp_write_content("two", 3, &response)) == 0 &&
        (err = clo_bhttp_write_end(fields, 1, &response)) == 0 &&
        (err = decode(CLO_BHTTP_REQUEST, &request, out)) == 0)
        err = decode(CLO_BHTTP_RESPONSE, &response, out);
    clo_buf_clear(&request);
    clo_buf_clear(&response);
    return err;
}

static int on_http_head(void *ctx, const struct clo_http1_head *head)
{
    return clo_buf_append(ctx, &head->status, sizeof head->status);
}

static int on_http_end(void *ctx)
{
    return clo_buf_append(ctx, "end", 3);
}

static int run_http1(struct clo_buf *out)
{
    static const struct clo_http1_handler h = {on_http_head, on_bytes, on_http_end};
    static const char text[] =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\n...\r\n0\r\nTrailer: 1\r\n\r\n";
    struct clo_http1 *r = UNTOUCHED;
    int err;

    if ((err = clo_http1_write_request("POST", "/v1/x", "{}", 2, out)) != 0 ||
        (err = POINTER_KEPT(clo_http1_new(&h, out, &r), r)) != 0)
        return err;
    for (size_t i = 0; i < sizeof text - 1 && err == 0; i++)
        err = clo_http1_feed(r, text + i, 1);
    if (err == 0)
        err = clo_http1_eof(r);
    clo_http1_free(r);
    return err;
}

static int on_event(void *ctx, const char *data, size_t n)
{
    return clo_buf_append(ctx, data, n + 1);
}

static int run_sse(struct clo_buf *out)
{
    static const char text[] =
        "\xef\xbb\xbf: comment\ndata: one\ndata: more of one\n\nevent: x\r\ndata: two\r\n\r\ndata:three\r\r";
    struct clo_sse *s = UNTOUCHED;
    int err = POINTER_KEPT(clo_sse_new(1024, on_event, out, &s), s);

    if (err != 0)
        return err;
    for (size_t i = 0; i < sizeof text - 1 && err == 0; i++)
        err = clo_sse_feed(s, text + i, 1);
    if (err == 0)
        err = clo_sse_end(s);
    clo_sse_free(s);
    return err;
}

/* ---- the work: keys and the channel ---- */

static struct server {
    uint8_t seed[2][CLO_KEM_SEED]; /* X-Wing, X25519 */
    struct clo_ohttp_keyconf conf[2];
    struct cloister_verdict verdict;
} server;

static int server_open(void)
{
    static const uint16_t kem[2] = {CLO_KEM_XWING, CLO_KEM_X25519};
    struct clo_wr wr = clo_wr_init(server.verdict.ohttp_keys, sizeof server.verdict.ohttp_keys);

    for (size_t i = 0; i < 2; i++) {
        struct clo_ohttp_keyconf *k = &server.conf[i];

        memset(server.seed[i], (int)(3 + i), CLO_KEM_SEED);
        *k = (struct clo_ohttp_keyconf){.key_id = (uint8_t)(7 + i), .kem = kem[i], .suites = 3};
        for (uint16_t a = 0; a < 3; a++) {
            k->suite[a].kdf = CLO_KDF_HKDF_SHA256;
            k->suite[a].aead = (uint16_t)(a + 1);
        }
        if (clo_kem_public(kem[i], server.seed[i], k->pk) != 0)
            return 1;
    }
    server.verdict.outcome = CLOISTER_VERIFIED;
    server.verdict.freshness = CLOISTER_FRESH;
    server.verdict.valid_until = LAB_NOW + 600;
    memcpy(server.verdict.gateway, "/r/0123456789abcdef", sizeof "/r/0123456789abcdef");
    server.verdict.aead[0] = CLO_AES_256_GCM;
    server.verdict.aeads = 1;
    if (clo_ohttp_keys_write(server.conf, 2, &wr) != 0)
        return 1;
    server.verdict.ohttp_keys_n = wr.len;
    return 0;
}

static int run_keys(struct clo_buf *out)
{
    struct clo_ohttp_keyconf k[4];
    uint8_t *dst = NULL;
    struct clo_wr wr;
    size_t n = 77;
    int err;

    fill(k, sizeof k);
    err = bytes_kept(
        clo_ohttp_keys_parse(server.verdict.ohttp_keys, server.verdict.ohttp_keys_n, k, 4, &n), k,
        sizeof k);
    violations += err != 0 && n != 77;
    if (err != 0 || (err = clo_buf_reserve(out, 4096, &dst)) != 0)
        return err;
    wr = clo_wr_init(dst, 4096);
    if ((err = clo_ohttp_keys_write(k, n, &wr)) == 0)
        clo_buf_commit(out, wr.len);
    return err;
}

static int on_chunk(void *ctx, const uint8_t *p, size_t n, bool final)
{
    (void) final;
    return clo_bhttp_dec_feed(ctx, p, n);
}

/* Open a chunked request as the gateway does; what it says goes to out. */
static int serve(const uint8_t *p, size_t n, struct clo_ohttp_opened *opened,
                 uint8_t enc[CLO_KEM_ENC_MAX], struct clo_buf *out)
{
    struct clo_ohttp_header h = {0};
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_ohttp_reader *r = UNTOUCHED;
    struct clo_bhttp_dec *d = NULL;
    int err;

    if ((err = clo_ohttp_header_parse(&rd, &h)) != 0 ||
        (err = clo_rd_bytes(&rd, enc, clo_kem_enc_len(h.suite.kem))) != 0)
        return err;
    fill(opened, sizeof *opened);
    if ((err = bytes_kept(clo_ohttp_open_request(server.seed[0], &h, true, enc, opened), opened,
                          sizeof *opened)) != 0 ||
        (err = POINTER_KEPT(clo_ohttp_reader_new(h.suite.aead, opened->key, opened->base_nonce, &r),
                            r)) != 0)
        return err;
    if ((err = clo_bhttp_dec_new(CLO_BHTTP_REQUEST, &trace, out, &d)) == 0 &&
        (err = clo_ohttp_reader_feed(r, rd.p, rd.left, on_chunk, d)) == 0 &&
        (err = clo_ohttp_reader_end(r, on_chunk, d)) == 0)
        err = clo_bhttp_dec_end(d);
    clo_bhttp_dec_free(d);
    clo_ohttp_reader_free(r);
    return err;
}

static int seal_answer(const struct clo_ohttp_opened *opened, const uint8_t *enc,
                       struct clo_buf *out)
{
    struct clo_buf plain = clo_buf_init(4096);
    struct clo_ohttp_writer *w = NULL;
    CLO_SECRET(nonce, CLO_AEAD_KEY_MAX);
    CLO_SECRET(key, CLO_AEAD_KEY_MAX);
    CLO_SECRET(base, CLO_AEAD_NONCE);
    int err;

    if ((err = clo_rng_fill(clo_rng_system(), nonce, 32)) == 0 &&
        (err = clo_buf_append(out, nonce, 32)) == 0 &&
        (err = clo_ohttp_response_keys(opened, enc, nonce, key, base)) == 0 &&
        (err = clo_ohttp_writer_new(opened->suite.aead, key, base, &w)) == 0 &&
        (err = clo_bhttp_write_response_head(200, fields, 1, true, &plain)) == 0 &&
        (err = clo_ohttp_writer_chunk(w, plain.p, plain.len, out)) == 0) {
        clo_buf_consume(&plain, plain.len);
        if ((err = clo_bhttp_write_content(SECRET_TEXT, 34, &plain)) == 0 &&
            (err = clo_bhttp_write_end(NULL, 0, &plain)) == 0 &&
            (err = clo_ohttp_writer_chunk(w, plain.p, plain.len, out)) == 0)
            err = clo_ohttp_writer_final(w, "\0\0\0", 3, out);
    }
    clo_buf_clear(&plain);
    clo_ohttp_writer_free(w);
    return err;
}

static int on_head(void *ctx, unsigned status, const struct cloister_field *f, size_t n)
{
    const char *type = cloister_field_find(f, n, "content-type");
    int err = on_status(ctx, status);

    return err == 0 && type != NULL ? add_text(ctx, type) : err;
}

static int on_content(void *ctx, const void *p, size_t n)
{
    return clo_buf_append(ctx, p, n);
}

static const struct cloister_answer_handler handler = {.head = on_head, .content = on_content};

static void must_not_show(const struct clo_buf *sealed)
{
    violations += sealed->len > 0 && memmem(sealed->p, sealed->len, SECRET_TEXT, 34) != NULL;
}

static int exchange(struct cloister_exchange *x, struct clo_buf *answer, struct clo_buf *out)
{
    __attribute__((cleanup(clo_ohttp_opened_wipe))) struct clo_ohttp_opened opened = {0};
    uint8_t enc[CLO_KEM_ENC_MAX] = {0};
    const uint8_t *body = NULL;
    size_t n = 0;
    int err;

    if ((err = cloister_exchange_body(x, &body, &n)) != 0)
        return err;
    violations += memmem(body, n, SECRET_TEXT, 34) != NULL;
    if ((err = clo_buf_append(out, body, n)) != 0 ||
        (err = serve(body, n, &opened, enc, out)) != 0 ||
        (err = seal_answer(&opened, enc, answer)) != 0)
        return err;
    for (size_t i = 0; i < answer->len && err == 0; i += 7)
        err = cloister_exchange_feed(x, answer->p + i, answer->len - i < 7 ? answer->len - i : 7,
                                     &handler, out);
    /* a failure is final */
    violations += err != 0 && cloister_exchange_feed(x, "x", 1, &handler, out) != CLOISTER_E_STATE;
    return err != 0 ? err : cloister_exchange_end(x, &handler, out);
}

/* Request and answer, as client and gateway. A long body makes several chunks. */
static int run_channel(struct clo_buf *out)
{
    static char body[40000];
    struct cloister_request q = {.method = "POST",
                                 .path = "/v1/chat/completions",
                                 .api_key = "sk-0123456789abcdef",
                                 .content_type = "application/json",
                                 .accept = "text/event-stream",
                                 .id = (const uint8_t *)"0123456789abcdef0123456789abcdef",
                                 .body = body,
                                 .body_n = sizeof body};
    struct clo_buf answer = clo_buf_init(65536);
    struct cloister_channel *c = UNTOUCHED;
    struct cloister_exchange *x = UNTOUCHED;
    int err = POINTER_KEPT(cloister_channel_open(&server.verdict, LAB_NOW, &c), c);

    memset(body, ' ', sizeof body);
    memcpy(body, SECRET_TEXT, 34); /* NOLINT(bugprone-not-null-terminated-result): no string */
    if (err != 0)
        return err;
    err = POINTER_KEPT(cloister_exchange_new(c, &q, LAB_NOW, &x), x);
    if (err == 0) {
        err = exchange(x, &answer, out);
        cloister_exchange_free(x);
    }
    must_not_show(&answer);
    clo_buf_clear(&answer);
    cloister_channel_free(c);
    return err;
}

/* The same in the unchunked form, to the X25519 key. */
static int run_plain(struct clo_buf *out)
{
    __attribute__((cleanup(clo_ohttp_opened_wipe))) struct clo_ohttp_opened client = {0},
                                                                            opened = {0};
    struct clo_buf sealed = clo_buf_init(8192), answer = clo_buf_init(4096);
    uint8_t enc[CLO_KEM_ENC_MAX] = {0};
    struct clo_ohttp_header h = {0};
    struct clo_rd rd = {0};
    int err;

    fill(&client, sizeof client);
    fill(enc, sizeof enc);
    err = bytes_kept(clo_ohttp_start_request(&server.conf[1], CLO_CHACHA20_POLY1305, false,
                                             clo_rng_system(), &sealed, enc, &client),
                     enc, sizeof enc);
    violations += err != 0 && sealed.len != 0;
    if (err == 0 && (err = clo_ohttp_plain_seal_request(&client, SECRET_TEXT, 34, &sealed)) == 0) {
        rd = clo_rd_init(sealed.p, sealed.len);
        err = clo_ohttp_header_parse(&rd, &h);
    }
    if (err == 0 && (err = clo_rd_skip(&rd, 32)) == 0 &&
        (err = clo_ohttp_open_request(server.seed[1], &h, false, enc, &opened)) == 0 &&
        (err = clo_ohttp_plain_open_request(&opened, rd.p, rd.left, out)) == 0 &&
        (err = clo_ohttp_plain_seal_response(&opened, enc, clo_rng_system(), SECRET_TEXT, 34,
                                             &answer)) == 0 &&
        (err = clo_ohttp_plain_open_response(&client, enc, answer.p, answer.len, out)) == 0)
        err = clo_buf_append(out, sealed.p, sealed.len);
    must_not_show(&sealed);
    must_not_show(&answer);
    clo_buf_clear(&sealed);
    clo_buf_clear(&answer);
    return err;
}

static int run_signature(struct clo_buf *out)
{
    static const uint8_t seed[32] = {9};
    uint8_t pk[32] = {0}, sig[64] = {0}, hash[32] = {0};
    struct clo_sha256_ctx *h = UNTOUCHED;
    int err;

    if ((err = clo_ed25519_public(seed, pk)) != 0 ||
        (err = clo_ed25519_sign(seed, "receipt", 7, sig)) != 0 ||
        (err = clo_ed25519_verify(pk, "receipt", 7, sig)) != 0 ||
        (err = clo_buf_append(out, sig, 64)) != 0 ||
        (err = POINTER_KEPT(clo_sha256_new(&h), h)) != 0)
        return err;
    if ((err = clo_sha256_update(h, "receipt", 7)) == 0 && (err = clo_sha256_final(h, hash)) == 0)
        err = clo_buf_append(out, hash, 32);
    clo_sha256_free(h);
    return err;
}

/* ---- the work: evidence ---- */

static struct scene {
    struct clo_buf sec[CLO_SEC_COUNT], document;
    struct cloister_roots *roots;
    char policy[16384];
} scenes
    [3]; /* by the simulator; by a laboratory that stands for AMD; by one that stands for NVIDIA, too */
static struct synthetic_scene machine; /* of the last one */

static const struct cloister_nonce nonce = {.bytes = {0x40}, .sent_at = LAB_NOW - 2};

static void quotes(char *s)
{
    for (; *s != '\0'; s++)
        if (*s == '\'')
            *s = '"';
}

static void make_cpu(struct scene *s, bool hardware, const uint8_t data[64],
                     struct clo_cpu_section *cpu, struct clo_collateral *crls)
{
    struct snp_recipe r = snp_lab_good();
    struct clo_maker *m = NULL;
    uint8_t root[32], measurement[48];
    char hex_root[65], hex_measurement[97];

    if (hardware) {
        *cpu = (struct clo_cpu_section){.type = "sev-snp", .report_n = CLO_SNP_REPORT_LEN};
        memcpy(r.report + 0x50, data, 64);
        snp_lab_chain(&r, cpu->chain);
        snp_lab_sign(&r, cpu->report);
        for (size_t i = r.chain_n; i < CLO_CHAIN_MAX; i++)
            clo_buf_clear(&cpu->chain[i]);
        cpu->chain_n = r.chain_n;
        snp_lab_crl(&r, crls);
        s->roots = snp_lab_roots(&r);
        memcpy(s->policy, r.policy, sizeof r.policy);
    } else {
        assert_int_equal(clo_maker_simulated_new(clo_rng_system(), LAB_NOW, &m), 0);
        assert_int_equal(m->ops->report(m, data, cpu), 0);
        assert_int_equal(simulated_collateral(m, cpu, LAB_NOW, crls), 0);
        clo_maker_simulated_info(m, root, measurement);
        clo_hex(root, 32, hex_root);
        clo_hex(measurement, 48, hex_measurement);
        (void)snprintf(
            s->policy, sizeof s->policy,
            "{'v':1,'name':'simulated','tee':['simulated'],'measurements':['%s'],'simulated':{'roots':['%s']}}",
            hex_measurement, hex_root);
        clo_maker_free(m);
    }
    quotes(s->policy);
}

static void make_scene(struct scene *s, bool hardware)
{
    struct clo_keys_section keys = {
        .created = LAB_NOW - 600, .expires = LAB_NOW + 1200, .gateway = "/r/0123456789abcdef"};
    struct clo_manifest manifest = {.release = "0.1.0",
                                    .engine_name = "llama-server",
                                    .engine_version = "b1",
                                    .managed = true,
                                    .upstream = "unix",
                                    .model = "Some Model",
                                    .prefix_cache = "credential",
                                    .shape = CLO_SHAPING_FULL};
    struct clo_section_ref ref[CLO_SEC_COUNT] = {0};
    struct clo_batch_section batch = {0};
    struct clo_cpu_section cpu = {0};
    struct clo_collateral crls = {0};
    uint8_t digest[3][32], data[64];

    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        s->sec[i] = clo_buf_init(CLO_SECTION_MAX);
    memcpy(keys.ohttp_keys, server.verdict.ohttp_keys, server.verdict.ohttp_keys_n);
    keys.ohttp_keys_n = server.verdict.ohttp_keys_n;
    memset(keys.receipt_key, 9, 32);
    memset(manifest.model_sha256, 0x22, 32);
    manifest.x25519 = true;
    assert_int_equal(clo_keys_section_write(&keys, &s->sec[CLO_SEC_KEYS]), 0);
    assert_int_equal(clo_manifest_write(&manifest, &s->sec[CLO_SEC_MANIFEST]), 0);
    assert_int_equal(clo_devices_section_write_empty(&s->sec[CLO_SEC_DEVICES]), 0);
    assert_int_equal(clo_batch_make(&nonce.bytes, 1, 0, &batch), 0);
    assert_int_equal(clo_batch_section_write(&batch, &s->sec[CLO_SEC_BATCH]), 0);
    for (unsigned i = CLO_SEC_KEYS; i <= CLO_SEC_DEVICES; i++)
        assert_int_equal(clo_sha256(s->sec[i].p, s->sec[i].len, digest[i]), 0);
    assert_int_equal(clo_bind_cpu(batch.root, digest[0], digest[1], digest[2], data), 0);
    make_cpu(s, hardware, data, &cpu, &crls);
    assert_int_equal(clo_cpu_section_write(&cpu, &s->sec[CLO_SEC_CPU]), 0);
    assert_int_equal(clo_collateral_write(&crls, &s->sec[CLO_SEC_COLLATERAL]), 0);
    clo_cpu_section_clear(&cpu);
    clo_collateral_clear(&crls);
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        ref[i] = (struct clo_section_ref){.p = s->sec[i].p, .n = s->sec[i].len};
    s->document = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    assert_int_equal(clo_evidence_write(ref, &s->document), 0);
}

static int copied(const struct clo_buf *from, struct clo_buf *ret)
{
    *ret = clo_buf_init(from->max);
    return clo_buf_append(ret, from->p, from->len);
}

static void make_machine(struct scene *s)
{
    struct synthetic *y = NULL;

    assert_int_equal(synthetic_new(LAB_NOW, &y), 0);
    synthetic_good(y, 1, 0, &machine);
    memcpy(machine.nonce[SYNTHETIC_NONCES - 1], nonce.bytes, 32);
    machine.delegated = true;
    assert_int_equal(synthetic_make(y, &machine), 0);
    assert_int_equal(synthetic_roots(y, &s->roots), 0);
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        assert_int_equal(copied(&machine.sec[i], &s->sec[i]), 0);
    assert_int_equal(copied(&machine.document, &s->document), 0);
    assert_true(machine.policy.len < sizeof s->policy);
    memcpy(s->policy, machine.policy.p, machine.policy.len + 1);
    synthetic_free(y);
}

static void free_scene(struct scene *s)
{
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        clo_buf_clear(&s->sec[i]);
    clo_buf_clear(&s->document);
    cloister_roots_free(s->roots);
}

static int run_sections(struct clo_buf *out)
{
    static struct clo_keys_section keys;
    static struct clo_manifest manifest;
    static struct clo_cpu_section cpu;
    static struct clo_collateral crls;
    const struct clo_buf *sec = scenes[2].sec;
    struct clo_batch_section batch;
    struct clo_devices devices = {.count = 0};
    int err;

    fill(&keys, sizeof keys);
    fill(&manifest, sizeof manifest);
    fill(&batch, sizeof batch);
    fill(&cpu, sizeof cpu);
    fill(&crls, sizeof crls);
    if ((err = bytes_kept(clo_keys_section_parse(sec[CLO_SEC_KEYS].p, sec[CLO_SEC_KEYS].len, &keys),
                          &keys, sizeof keys)) != 0 ||
        (err = clo_keys_section_write(&keys, out)) != 0 ||
        (err = bytes_kept(
             clo_manifest_parse(sec[CLO_SEC_MANIFEST].p, sec[CLO_SEC_MANIFEST].len, &manifest),
             &manifest, sizeof manifest)) != 0 ||
        (err = clo_manifest_write(&manifest, out)) != 0 ||
        (err = bytes_kept(
             clo_batch_section_parse(sec[CLO_SEC_BATCH].p, sec[CLO_SEC_BATCH].len, &batch), &batch,
             sizeof batch)) != 0 ||
        (err = clo_batch_section_write(&batch, out)) != 0)
        return err;
    err = clo_devices_section_parse(sec[CLO_SEC_DEVICES].p, sec[CLO_SEC_DEVICES].len, &devices);
    violations += err != 0 && (devices.count != 0 || devices.device != NULL);
    if (err == 0)
        err = clo_devices_section_write(&devices, out);
    clo_devices_clear(&devices);
    if (err != 0)
        return err;
    if ((err = bytes_kept(clo_cpu_section_parse(sec[CLO_SEC_CPU].p, sec[CLO_SEC_CPU].len, &cpu),
                          &cpu, sizeof cpu)) != 0)
        return err;
    err = clo_cpu_section_write(&cpu, out);
    clo_cpu_section_clear(&cpu);
    if (err != 0 || (err = bytes_kept(clo_collateral_parse(sec[CLO_SEC_COLLATERAL].p,
                                                           sec[CLO_SEC_COLLATERAL].len, &crls),
                                      &crls, sizeof crls)) != 0)
        return err;
    err = clo_collateral_write(&crls, out);
    clo_collateral_clear(&crls);
    return err;
}

static int run_policy(struct clo_buf *out)
{
    struct cloister_policy *p = UNTOUCHED;
    const char *text = scenes[2].policy;
    uint8_t digest[32];
    char why[200] = "";
    int err = POINTER_KEPT(cloister_policy_parse(text, strlen(text), &p), p);

    if (err != 0)
        return err;
    cloister_policy_digest(p, digest);
    cloister_policy_free(p);
    if ((err = cloister_policy_check(text, strlen(text), why, sizeof why)) != 0)
        return err;
    return clo_buf_append(out, digest, 32);
}

/* A failure within the verdict has left no trace of trust in it. */
static int verify(const struct scene *s, const struct cloister_evidence *e,
                  const struct cloister_policy *p, struct clo_buf *out)
{
    static struct cloister_verdict v;
    static const struct cloister_verdict zero;
    char *json = UNTOUCHED;
    int err;

    fill(&v, sizeof v);
    err = cloister_evidence_verify(
        e, &nonce, p, s->roots != NULL ? s->roots : cloister_roots_builtin(), LAB_NOW, &v);
    if (err == 0)
        violations += v.outcome != CLOISTER_VERIFIED;
    else
        violations += v.outcome == CLOISTER_VERIFIED || v.valid_until != 0 || v.ohttp_keys_n != 0;
    if (err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO)
        /* every byte, padding too: NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
        violations += memcmp(&v, &zero, sizeof v) != 0;
    if (err != 0 || (err = POINTER_KEPT(cloister_verdict_json(&v, &json), json)) != 0)
        return err;
    err = add_text(out, json);
    free(json);
    return err;
}

static int run_evidence(const struct scene *s, struct clo_buf *out)
{
    struct cloister_evidence *e = UNTOUCHED;
    struct cloister_policy *p = NULL;
    char *saved = UNTOUCHED;
    size_t n = 77;
    int err = POINTER_KEPT(cloister_evidence_parse(s->document.p, s->document.len, &e), e);

    if (err != 0)
        return err;
    if ((err = cloister_policy_parse(s->policy, strlen(s->policy), &p)) == 0 &&
        (err = verify(s, e, p, out)) == 0 &&
        (err = POINTER_KEPT(cloister_evidence_save(e, &saved, &n), saved)) == 0) {
        err = clo_buf_append(out, saved, n);
        free(saved);
    }
    cloister_policy_free(p);
    cloister_evidence_free(e);
    return err;
}

/* A section of the kind that has most members. */
static int run_azure_section(struct clo_buf *out)
{
    static const char text[] =
        "{\"v\":1,\"type\":\"tdx-azure\",\"hcl\":\"AA\",\"quote\":\"AQ\",\"tpm_quote\":\"Ag\","
        "\"tpm_signature\":\"Aw\",\"pcrs\":\"BA\",\"event_log\":\"BQ\"}";
    static const char intel[] =
        "{\"v\":1,\"crls\":[\"AA\"],\"ocsp\":[\"AQ\"],\"intel\":{\"tcb_info\":\"Ag\","
        "\"qe_identity\":\"Aw\",\"chain\":[\"BA\"]}}";
    static struct clo_cpu_section cpu;
    static struct clo_collateral c;
    int err;

    fill(&cpu, sizeof cpu);
    fill(&c, sizeof c);
    if ((err = bytes_kept(clo_cpu_section_parse(text, strlen(text), &cpu), &cpu, sizeof cpu)) != 0)
        return err;
    err = clo_cpu_section_write(&cpu, out);
    clo_cpu_section_clear(&cpu);
    if (err != 0 ||
        (err = bytes_kept(clo_collateral_parse(intel, strlen(intel), &c), &c, sizeof c)) != 0)
        return err;
    err = clo_collateral_write(&c, out);
    clo_collateral_clear(&c);
    return err;
}

static int raw_fill(struct cloister_raw *r)
{
    const struct clo_device *d = &machine.devices.device[0];
    int err;

    if ((err = cloister_raw_add(r, CLOISTER_ITEM_REPORT, d->report.p, d->report.len)) != 0 ||
        (err = cloister_raw_expect(r, d->report.p + 4, 32)) != 0)
        return err;
    for (size_t i = 0; i < d->chain_n && err == 0; i++)
        err = cloister_raw_add(r, CLOISTER_ITEM_CERTIFICATES, d->chain[i].p, d->chain[i].len);
    for (size_t i = 0; i < machine.collateral.ocsps && err == 0; i++)
        err = cloister_raw_add(r, CLOISTER_ITEM_OCSP, machine.collateral.ocsp[i].p,
                               machine.collateral.ocsp[i].len);
    return err;
}

/* The GPU by itself. (Its certificate is read twice: once for a name in it, where a key that can't be made is no loss.) */
static int run_raw(struct clo_buf *out)
{
    static struct cloister_verdict v;
    struct cloister_policy *p = NULL;
    struct cloister_raw *r = UNTOUCHED;
    char *json = UNTOUCHED;
    int err = POINTER_KEPT(cloister_raw_new(CLOISTER_RAW_NVIDIA, &r), r);

    if (err != 0)
        return err;
    fill(&v, sizeof v);
    if ((err = raw_fill(r)) == 0 &&
        (err = cloister_policy_parse(scenes[2].policy, strlen(scenes[2].policy), &p)) == 0) {
        err = cloister_raw_appraise(r, p, scenes[2].roots, LAB_NOW, &v);
        violations += (err == 0) != (v.outcome == CLOISTER_VERIFIED);
        violations += (err == 0) != (v.valid_until != 0);
    }
    if (err == 0 && (err = POINTER_KEPT(cloister_verdict_json(&v, &json), json)) == 0) {
        err = add_text(out, json);
        free(json);
    }
    cloister_policy_free(p);
    cloister_raw_free(r);
    return err;
}

static int run_combined(struct clo_buf *out)
{
    return run_evidence(&scenes[2], out);
}

static int run_simulated(struct clo_buf *out)
{
    return run_evidence(&scenes[0], out);
}

static int run_hardware(struct clo_buf *out)
{
    return run_evidence(&scenes[1], out);
}

/* ---- the faults ---- */

typedef int (*work)(struct clo_buf *out);

/* One run under the faults that are set: wrong in nothing. Tells whether any fault struck. */
static bool run_once(work run, const struct clo_buf *want, bool must_fail, int *ret)
{
    struct clo_buf out = clo_buf_init(TRACE_MAX);
    const long live = clo_fault_live();
    unsigned long hits;

    violations = 0;
    clo_fault_restart();
    *ret = run(&out);
    hits = clo_fault_off();
    ERR_clear_error();
    assert_int_equal(violations, 0);
    assert_int_equal(clo_fault_misuse(), 0);
    assert_true(*ret <= 0);
    if (*ret == 0) {
        assert_false(must_fail && hits > 0); /* a failure that nobody looked at */
        assert_int_equal(out.len, want->len);
        assert_memory_equal(out.p, want->p, want->len);
    } else {
        assert_true(hits > 0);
    }
    clo_buf_clear(&out);
    assert_int_equal(clo_fault_live(), live);
    return hits > 0;
}

static void reference(work run, struct clo_buf *want)
{
    *want = clo_buf_init(TRACE_MAX);
    clo_fault_restart();
    violations = 0;
    assert_int_equal(run(want), 0);
    assert_int_equal(violations, 0);
}

static void goes_well(work run, const struct clo_buf *want)
{
    int err = -1;

    clo_fault_off();
    (void)run_once(run, want, false, &err);
    assert_int_equal(err, 0);
}

static uint64_t seed;

/*
 * Each call in its turn; where the work is long, one of every `stride`, beginning where the seed says. An allocation that failed is told as
 * such, unless the library below can't tell.
 */
static void sweep(work run, const struct clo_buf *want, unsigned kind, unsigned stride)
{
    unsigned long n = 1 + seed % stride, tried = 0, refused = 0;
    bool struck = true;

    for (; struck; n += stride, tried++) {
        int err = 0;

        clo_fault_nth(kind, n);
        struck = run_once(run, want, kind == CLO_FAULT_CRYPTO, &err);
        refused += err != 0;
        if (kind == CLO_FAULT_ALLOC && err != 0 && err != CLOISTER_E_MEMORY &&
            err != CLOISTER_E_CRYPTO)
            fail_msg("allocation %lu: %s", n, cloister_error_name(err));
        if (tried % 8 == 0)
            goes_well(run, want);
    }
    goes_well(run, want);
    print_message("# kind %u: %lu faults, %lu refused\n", kind, tried - 1, refused);
}

static void at_random(work run, const struct clo_buf *want)
{
    static const unsigned kinds[] = {CLO_FAULT_ALLOC, CLO_FAULT_CRYPTO,
                                     CLO_FAULT_ALLOC | CLO_FAULT_CRYPTO | CLO_FAULT_LIBCRYPTO};
    int err = 0;

    for (unsigned i = 0; i < RANDOM_ROUNDS; i++) {
        clo_fault_result(i % 2 == 0 ? 0 : -1);
        clo_fault_random(kinds[i % CLO_ARRAY_LEN(kinds)], seed + i, 2u << i % 8);
        (void)run_once(run, want, false, &err);
    }
    clo_fault_result(0);
    goes_well(run, want);
}

static void fail_everywhere(work run, bool crypto, unsigned stride)
{
    struct clo_buf want;

    reference(run, &want);
    goes_well(run, &want);
    sweep(run, &want, CLO_FAULT_ALLOC, stride);
    if (crypto) {
        sweep(run, &want, CLO_FAULT_LIBCRYPTO, stride);
        sweep(run, &want, CLO_FAULT_CRYPTO, 1);
        clo_fault_result(-1);
        sweep(run, &want, CLO_FAULT_CRYPTO, 1);
        clo_fault_result(0);
    }
    at_random(run, &want);
    clo_buf_clear(&want);
}

#define SURVIVES_SOME(name, run, crypto, stride)    \
    static void name(void **state)                  \
    {                                               \
        (void)state;                                \
        fail_everywhere((run), (crypto), (stride)); \
    }
#define SURVIVES(name, run, crypto) SURVIVES_SOME(name, run, crypto, 1)

SURVIVES(json_is_read_and_written_wholly_or_not, run_json, false)
SURVIVES(binary_http_is_read_and_written_wholly_or_not, run_bhttp, false)
SURVIVES(http_answers_are_read_wholly_or_not, run_http1, false)
SURVIVES(events_are_read_wholly_or_not, run_sse, false)
SURVIVES(key_lists_are_read_wholly_or_not, run_keys, false)
SURVIVES(sections_are_read_wholly_or_not, run_sections, false)
SURVIVES(sections_of_every_vendor_are_read_wholly_or_not, run_azure_section, false)
SURVIVES(a_policy_is_read_wholly_or_not, run_policy, true)
SURVIVES(simulated_evidence_is_verified_wholly_or_not, run_simulated, true)
SURVIVES(hardware_evidence_is_verified_wholly_or_not, run_hardware, true)
SURVIVES_SOME(a_machine_with_a_gpu_is_verified_wholly_or_not, run_combined, true, 11)
SURVIVES_SOME(raw_evidence_is_appraised_wholly_or_not, run_raw, false, 11)
SURVIVES(signatures_and_hashes_are_made_wholly_or_not, run_signature, true)
SURVIVES(a_plain_exchange_succeeds_wholly_or_not, run_plain, true)
SURVIVES(a_chunked_exchange_succeeds_wholly_or_not, run_channel, true)

/*
 * ---- the first use, where libcrypto's algorithms are fetched: each fault in a process of its own ----
 *
 * Only functions fail here, no allocation inside libcrypto: its own start can fail for good.
 */

static int first_use(void)
{
    static const uint8_t key[32] = {1}, base[12] = {2};
    const struct clo_slice info = {"info", 4};
    struct clo_aead_seq *s = NULL;
    uint8_t hash[32] = {0}, okm[32] = {0}, sealed[16 + CLO_AEAD_TAG] = {0};
    int err;

    if ((err = clo_sha256("x", 1, hash)) != 0 ||
        (err = clo_hkdf_expand(hash, &info, 1, okm, 32)) != 0 ||
        (err = clo_aead_seq_new(CLO_AES_256_GCM, CLO_SEAL, key, base, &s)) != 0)
        return err;
    err = clo_aead_seal(s, NULL, 0, hash, 16, sealed);
    clo_aead_seq_free(s);
    return err;
}

/* Exit status of the child: 0 no fault struck, 1 one did and the next use went well, 2 it didn't. */
static int first_use_with(unsigned long n)
{
    unsigned long hits;

    clo_fault_nth(CLO_FAULT_CRYPTO, n);
    (void)!first_use();
    hits = clo_fault_off();
    return first_use() != 0 ? 2 : hits > 0;
}

/* Before anything else: returns the nth fault after which nothing works any more, 0 if there is none. */
static unsigned long first_use_sweep(void)
{
    for (unsigned long n = 1;; n++) {
        int status = 0;
        const pid_t pid = fork();

        if (pid == 0)
            _exit(first_use_with(n));
        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
            WEXITSTATUS(status) > 1)
            return n;
        if (WEXITSTATUS(status) == 0)
            return 0;
    }
}

static unsigned long spoilt_by;

static void a_fault_at_the_first_use_does_not_last(void **state)
{
    (void)state;
    assert_int_equal(spoilt_by, 0);
}

static int open_all(void **state)
{
    if (snp_lab_open(state) != 0 || server_open() != 0)
        return 1;
    make_scene(&scenes[0], false);
    make_scene(&scenes[1], true);
    make_machine(&scenes[2]);
    return 0;
}

static int close_all(void **state)
{
    free_scene(&scenes[0]);
    free_scene(&scenes[1]);
    free_scene(&scenes[2]);
    synthetic_clear(&machine);
    return snp_lab_close(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_at_the_first_use_does_not_last),
        cmocka_unit_test(json_is_read_and_written_wholly_or_not),
        cmocka_unit_test(binary_http_is_read_and_written_wholly_or_not),
        cmocka_unit_test(http_answers_are_read_wholly_or_not),
        cmocka_unit_test(events_are_read_wholly_or_not),
        cmocka_unit_test(key_lists_are_read_wholly_or_not),
        cmocka_unit_test(sections_are_read_wholly_or_not),
        cmocka_unit_test(sections_of_every_vendor_are_read_wholly_or_not),
        cmocka_unit_test(a_policy_is_read_wholly_or_not),
        cmocka_unit_test(simulated_evidence_is_verified_wholly_or_not),
        cmocka_unit_test(hardware_evidence_is_verified_wholly_or_not),
        cmocka_unit_test(a_machine_with_a_gpu_is_verified_wholly_or_not),
        cmocka_unit_test(raw_evidence_is_appraised_wholly_or_not),
        cmocka_unit_test(signatures_and_hashes_are_made_wholly_or_not),
        cmocka_unit_test(a_plain_exchange_succeeds_wholly_or_not),
        cmocka_unit_test(a_chunked_exchange_succeeds_wholly_or_not),
    };
    const char *given = getenv("CLOISTER_FAULT_SEED");

    if (!clo_fault_own_libcrypto())
        return 1;
    clo_json_use_wiping_heap();
    seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_error("CLOISTER_FAULT_SEED=%llu\n",
                (unsigned long long)seed); /* TAP begins with its version */
    spoilt_by = first_use_sweep();
    return cmocka_run_group_tests(tests, open_all, close_all);
}
