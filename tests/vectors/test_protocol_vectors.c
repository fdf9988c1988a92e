/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standards' own examples: RFC 9458 appendix A, draft-ietf-ohai-chunked-ohttp-08 appendix A,
 * draft-connolly-cfrg-xwing-kem appendix C, and the entries of draft-ietf-hpke-pq whose KEM is known here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "codec/ohttp.h"
#include "vectors.h"

/* A source of randomness that gives a vector's bytes. */
struct replay {
    const uint8_t *p;
    size_t left;
};

static int replay_fill(void *ctx, uint8_t *p, size_t n)
{
    struct replay *r = ctx;

    if (n > r->left)
        return CLOISTER_E_CRYPTO;
    memcpy(p, r->p, n);
    r->p += n;
    r->left -= n;
    return 0;
}

static struct clo_ohttp_keyconf keyconf(const json_t *v)
{
    const struct vec bytes = vec_hex(v, "keyConfig");
    uint8_t list[256] = {0}, again[256] = {0};
    struct clo_wr wr = clo_wr_init(list, sizeof(list));
    struct clo_ohttp_keyconf k = {0};
    size_t n = 0;

    assert_int_equal(clo_wr_u16be(&wr, (uint16_t)bytes.n), 0);
    assert_int_equal(clo_wr_bytes(&wr, bytes.p, bytes.n), 0);
    assert_int_equal(clo_ohttp_keys_parse(list, wr.len, &k, 1, &n), 0);
    assert_int_equal(n, 1);
    wr = clo_wr_init(again, sizeof(again));
    assert_int_equal(clo_ohttp_keyconf_write(&k, &wr), 0);
    assert_int_equal(wr.len, bytes.n);
    assert_memory_equal(again, bytes.p, bytes.n);
    return k;
}

static void assert_buf(const struct clo_buf *b, const struct vec *want)
{
    assert_int_equal(b->len, want->n);
    assert_memory_equal(b->p, want->p, want->n);
}

/* Header, enc and keys as the client makes them from the vector's ephemeral key. */
static void start(const struct clo_ohttp_keyconf *k, bool chunked, const struct vec *ephemeral,
                  struct clo_buf *out, uint8_t *enc, struct clo_ohttp_opened *ret)
{
    struct replay r = {ephemeral->p, ephemeral->n};
    const struct clo_rng rng = {replay_fill, &r};

    assert_int_equal(clo_ohttp_start_request(k, CLO_AES_128_GCM, chunked, &rng, out, enc, ret), 0);
    assert_int_equal(r.left, 0);
}

/* The gateway's view of the same request: *body is what follows enc. */
static void arrive(const struct vec *seed, const struct vec *request, bool chunked,
                   struct clo_rd *body, struct clo_ohttp_opened *ret)
{
    struct clo_ohttp_header h = {0};
    const uint8_t *enc = NULL;

    *body = clo_rd_init(request->p, request->n);
    assert_int_equal(clo_ohttp_header_parse(body, &h), 0);
    assert_true(clo_suite_known(&h.suite));
    assert_int_equal(clo_rd_view(body, clo_kem_enc_len(h.suite.kem), &enc), 0);
    assert_int_equal(clo_ohttp_open_request(seed->p, &h, chunked, enc, ret), 0);
}

static void the_example_of_rfc_9458_agrees(void **state)
{
    json_t *doc = vec_load("protocol/rfc9458.json");
    const json_t *v = json_array_get(json_object_get(doc, "vectors"), 0);
    const struct clo_ohttp_keyconf k = keyconf(v);
    const struct vec seed = vec_hex(v, "privateKey"), pk = vec_hex(v, "publicKey"),
                     ephemeral = vec_hex(v, "clientEphemeralPrivate"),
                     request = vec_hex(v, "request"), response = vec_hex(v, "response"),
                     nonce = vec_hex(v, "responseNonce"),
                     sealed_request = vec_hex(v, "encapsulatedRequest"),
                     sealed_response = vec_hex(v, "encapsulatedResponse");
    struct clo_buf req = clo_buf_init(1024), res = clo_buf_init(1024), got = clo_buf_init(1024);
    struct clo_ohttp_opened client = {0}, server = {0};
    struct replay r = {nonce.p, nonce.n};
    const struct clo_rng rng = {replay_fill, &r};
    uint8_t enc[CLO_KEM_ENC_MAX] = {0}, derived[CLO_KEM_PK_MAX] = {0};
    struct clo_rd body = {0};

    (void)state;
    assert_int_equal(clo_kem_public(k.kem, seed.p, derived), 0);
    assert_memory_equal(derived, pk.p, pk.n);
    assert_memory_equal(k.pk, pk.p, pk.n);

    start(&k, false, &ephemeral, &req, enc, &client);
    assert_int_equal(clo_ohttp_plain_seal_request(&client, request.p, request.n, &req), 0);
    assert_buf(&req, &sealed_request);

    arrive(&seed, &sealed_request, false, &body, &server);
    assert_int_equal(clo_ohttp_plain_open_request(&server, body.p, body.left, &got), 0);
    assert_buf(&got, &request);
    assert_int_equal(
        clo_ohttp_plain_seal_response(&server, enc, &rng, response.p, response.n, &res), 0);
    assert_buf(&res, &sealed_response);

    clo_buf_clear(&got);
    assert_int_equal(clo_ohttp_plain_open_response(&client, enc, res.p, res.len, &got), 0);
    assert_buf(&got, &response);
    clo_buf_clear(&req);
    clo_buf_clear(&res);
    clo_buf_clear(&got);
    json_decref(doc);
}

/* Compares each chunk with the vector's. */
struct expected {
    const json_t *chunks;
    size_t next;
};

static int expect_chunk(void *ctx, const uint8_t *p, size_t n, bool final)
{
    struct expected *e = ctx;
    const struct vec want = vec_hex(json_array_get(e->chunks, e->next++), "plaintext");

    assert_int_equal(n, want.n);
    assert_memory_equal(p, want.p, n);
    assert_int_equal(final, e->next == json_array_size(e->chunks));
    return 0;
}

static void read_chunks(const uint8_t *key, const uint8_t *base_nonce, struct clo_rd body,
                        const json_t *chunks)
{
    struct clo_ohttp_reader *reader = NULL;
    struct expected e = {chunks, 0};

    assert_int_equal(clo_ohttp_reader_new(CLO_AES_128_GCM, key, base_nonce, &reader), 0);
    assert_int_equal(clo_ohttp_reader_feed(reader, body.p, body.left, expect_chunk, &e), 0);
    assert_int_equal(clo_ohttp_reader_end(reader, expect_chunk, &e), 0);
    assert_int_equal(e.next, json_array_size(chunks));
    clo_ohttp_reader_free(reader);
}

static void write_chunks(const uint8_t *key, const uint8_t *base_nonce, const json_t *chunks,
                         struct clo_buf *out)
{
    struct clo_ohttp_writer *w = NULL;
    const size_t count = json_array_size(chunks);

    assert_int_equal(clo_ohttp_writer_new(CLO_AES_128_GCM, key, base_nonce, &w), 0);
    for (size_t i = 0; i < count; i++) {
        const struct vec text = vec_hex(json_array_get(chunks, i), "plaintext");

        assert_int_equal(i + 1 < count ? clo_ohttp_writer_chunk(w, text.p, text.n, out)
                                       : clo_ohttp_writer_final(w, text.p, text.n, out),
                         0);
    }
    clo_ohttp_writer_free(w);
}

static void the_example_of_the_chunked_draft_agrees(void **state)
{
    json_t *doc = vec_load("protocol/chunked-ohttp-08.json");
    const json_t *v = json_array_get(json_object_get(doc, "vectors"), 0);
    const json_t *request_chunks = json_object_get(v, "requestChunks"),
                 *response_chunks = json_object_get(v, "responseChunks");
    const struct clo_ohttp_keyconf k = keyconf(v);
    const struct vec seed = vec_hex(v, "skR"), ephemeral = vec_hex(v, "skE"),
                     enc = vec_hex(v, "enc"), info = vec_hex(v, "info"),
                     sealed_request = vec_hex(v, "encapsulatedRequest"),
                     nonce = vec_hex(v, "responseNonce"), secret = vec_hex(v, "secret"),
                     aead_key = vec_hex(v, "aeadKey"), aead_nonce = vec_hex(v, "aeadNonce"),
                     sealed_response = vec_hex(v, "encapsulatedResponse");
    struct clo_buf req = clo_buf_init(1024), res = clo_buf_init(1024);
    struct clo_ohttp_opened client = {0}, server = {0};
    uint8_t my_enc[CLO_KEM_ENC_MAX] = {0}, my_info[CLO_OHTTP_INFO_MAX] = {0};
    uint8_t key[CLO_AEAD_KEY_MAX] = {0}, base_nonce[CLO_AEAD_NONCE] = {0};
    struct clo_rd body = {0};

    (void)state;
    start(&k, true, &ephemeral, &req, my_enc, &client);
    assert_memory_equal(my_enc, enc.p, enc.n);
    assert_int_equal(clo_ohttp_info(true, req.p, my_info), info.n);
    assert_memory_equal(my_info, info.p, info.n);
    write_chunks(client.key, client.base_nonce, request_chunks, &req);
    assert_buf(&req, &sealed_request);

    arrive(&seed, &sealed_request, true, &body, &server);
    assert_memory_equal(server.response_secret, secret.p, secret.n);
    assert_memory_equal(client.response_secret, secret.p, secret.n);
    read_chunks(server.key, server.base_nonce, body, request_chunks);

    assert_int_equal(nonce.n, clo_ohttp_secret_len(CLO_AES_128_GCM));
    assert_int_equal(clo_ohttp_response_keys(&server, my_enc, nonce.p, key, base_nonce), 0);
    assert_memory_equal(key, aead_key.p, aead_key.n);
    assert_memory_equal(base_nonce, aead_nonce.p, aead_nonce.n);
    assert_int_equal(clo_buf_append(&res, nonce.p, nonce.n), 0);
    write_chunks(key, base_nonce, response_chunks, &res);
    assert_buf(&res, &sealed_response);
    read_chunks(key, base_nonce, clo_rd_init(res.p + nonce.n, res.len - nonce.n), response_chunks);
    clo_buf_clear(&req);
    clo_buf_clear(&res);
    json_decref(doc);
}

static void xwing_agrees_with_its_draft(void **state)
{
    json_t *doc = vec_load("protocol/x-wing.json"), *v = NULL;
    size_t i;

    (void)state;
    json_array_foreach(doc, i, v) {
        const struct vec seed = vec_hex(v, "sk"), eseed = vec_hex(v, "eseed"),
                         pk = vec_hex(v, "pk"), ct = vec_hex(v, "ct"), ss = vec_hex(v, "ss");
        struct replay r = {eseed.p, eseed.n};
        const struct clo_rng rng = {replay_fill, &r};
        uint8_t my_pk[CLO_KEM_PK_MAX] = {0}, my_ct[CLO_KEM_ENC_MAX] = {0}, my_ss[CLO_KEM_SS] = {0};

        assert_int_equal(pk.n, clo_kem_pk_len(CLO_KEM_XWING));
        assert_int_equal(ct.n, clo_kem_enc_len(CLO_KEM_XWING));
        assert_int_equal(clo_kem_public(CLO_KEM_XWING, seed.p, my_pk), 0);
        assert_memory_equal(my_pk, pk.p, pk.n);
        assert_int_equal(clo_kem_encaps(CLO_KEM_XWING, pk.p, &rng, my_ct, my_ss), 0);
        assert_int_equal(r.left, 0);
        assert_memory_equal(my_ct, ct.p, ct.n);
        assert_memory_equal(my_ss, ss.p, ss.n);
        memset(my_ss, 0, sizeof(my_ss));
        assert_int_equal(clo_kem_decaps(CLO_KEM_XWING, seed.p, ct.p, my_ss), 0);
        assert_memory_equal(my_ss, ss.p, ss.n);
    }
    assert_true(i >= 3);
    json_decref(doc);
}

/* The KEM doesn't depend on the KDF of the suite, so entries with another KDF serve as well. */
static void the_kems_agree_with_hpke_pq(void **state)
{
    json_t *doc = vec_load("protocol/hpke-pq.json"), *v = NULL;
    unsigned ran = 0;
    size_t i;

    (void)state;
    json_array_foreach(doc, i, v) {
        const unsigned kem = vec_uint(v, "kem_id");
        uint8_t my_pk[CLO_KEM_PK_MAX] = {0}, my_ss[CLO_KEM_SS] = {0};
        struct vec seed = {0}, pk = {0}, enc = {0}, ss = {0};

        if (clo_kem_pk_len(kem) == 0)
            continue;
        ran++;
        seed = vec_hex(v, "skRm");
        pk = vec_hex(v, "pkRm");
        enc = vec_hex(v, "enc");
        ss = vec_hex(v, "shared_secret");
        assert_int_equal(clo_kem_public(kem, seed.p, my_pk), 0);
        assert_memory_equal(my_pk, pk.p, pk.n);
        assert_int_equal(clo_kem_decaps(kem, seed.p, enc.p, my_ss), 0);
        assert_memory_equal(my_ss, ss.p, ss.n);
    }
    print_message("# hpke-pq: %u entries\n", ran);
    assert_true(ran >= 3);
    json_decref(doc);
}

static void check_encryptions(const json_t *v, const struct clo_suite *s,
                              const struct clo_hpke_keys *k)
{
    const json_t *list = json_object_get(v, "encryptions");
    struct clo_aead_seq *out = NULL, *in = NULL;
    uint8_t got[1024] = {0};

    assert_true(json_array_size(list) >= 10);
    assert_int_equal(clo_aead_seq_new(s->aead, CLO_SEAL, k->key, k->base_nonce, &out), 0);
    assert_int_equal(clo_aead_seq_new(s->aead, CLO_OPEN, k->key, k->base_nonce, &in), 0);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *e = json_array_get(list, i);
        const struct vec aad = vec_hex(e, "aad"), ct = vec_hex(e, "ct"), pt = vec_hex(e, "pt");

        assert_int_equal(clo_aead_seal(out, aad.p, aad.n, pt.p, pt.n, got), 0);
        assert_memory_equal(got, ct.p, ct.n);
        assert_int_equal(clo_aead_open(in, aad.p, aad.n, ct.p, ct.n, got), 0);
        assert_memory_equal(got, pt.p, pt.n);
    }
    clo_aead_seq_free(out);
    clo_aead_seq_free(in);
}

static void check_exports(const json_t *v, const struct clo_suite *s, const struct clo_hpke_keys *k)
{
    const json_t *list = json_object_get(v, "exports");
    uint8_t got[256] = {0};

    assert_true(json_array_size(list) >= 5);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *e = json_array_get(list, i);
        const struct vec context = vec_hex(e, "exporter_context"),
                         want = vec_hex(e, "exported_value");

        assert_int_equal(clo_hpke_export(s, k->exporter, context.p, context.n, got, want.n), 0);
        assert_memory_equal(got, want.p, want.n);
    }
}

static void xwing_with_hkdf_agrees_with_hpke_pq(void **state)
{
    json_t *doc = vec_load("protocol/hpke-pq.json"), *v = NULL;
    unsigned ran = 0;
    size_t i;

    (void)state;
    json_array_foreach(doc, i, v) {
        const struct clo_suite s = {(uint16_t)vec_uint(v, "kem_id"),
                                    (uint16_t)vec_uint(v, "kdf_id"),
                                    (uint16_t)vec_uint(v, "aead_id")};
        struct clo_hpke_keys sender = {0}, receiver = {0};
        uint8_t my_enc[CLO_KEM_ENC_MAX] = {0};
        struct vec seed = {0}, pk = {0}, enc = {0}, info = {0}, eseed = {0}, want = {0};
        struct replay r = {0};
        const struct clo_rng rng = {replay_fill, &r};

        if (s.kem != CLO_KEM_XWING || !clo_suite_known(&s))
            continue;
        ran++;
        seed = vec_hex(v, "skRm");
        pk = vec_hex(v, "pkRm");
        enc = vec_hex(v, "enc");
        info = vec_hex(v, "info");
        eseed = vec_hex(v, "ikmE");
        r = (struct replay){eseed.p, eseed.n};
        assert_int_equal(clo_hpke_setup_s(&s, pk.p, info.p, info.n, &rng, my_enc, &sender), 0);
        assert_memory_equal(my_enc, enc.p, enc.n);
        assert_int_equal(clo_hpke_setup_r(&s, seed.p, enc.p, info.p, info.n, &receiver), 0);
        assert_memory_equal(&sender, &receiver, sizeof(sender));
        want = vec_hex(v, "key");
        assert_memory_equal(receiver.key, want.p, want.n);
        want = vec_hex(v, "base_nonce");
        assert_memory_equal(receiver.base_nonce, want.p, want.n);
        want = vec_hex(v, "exporter_secret");
        assert_memory_equal(receiver.exporter, want.p, want.n);
        check_encryptions(v, &s, &receiver);
        check_exports(v, &s, &receiver);
    }
    assert_true(ran >= 1);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_rfc_9458_agrees),
        cmocka_unit_test(the_example_of_the_chunked_draft_agrees),
        cmocka_unit_test(xwing_agrees_with_its_draft),
        cmocka_unit_test(the_kems_agree_with_hpke_pq),
        cmocka_unit_test(xwing_with_hkdf_agrees_with_hpke_pq),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
