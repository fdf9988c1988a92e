/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Oblivious HTTP, plain and chunked, without I/O.
 *
 * Limits: 16 key configurations in a list and CLO_OHTTP_SUITES_MAX suites in one; CLO_OHTTP_CHUNK_MAX
 * plaintext bytes in a chunk, so a reader holds at most that and a tag; a longer chunk is refused as
 * soon as its length is known. Fuzzers: fuzz_ohttp_keys, fuzz_ohttp_request, fuzz_ohttp_response.
 *
 * Which error a damaged message gives depends on public bytes only (lengths, framing); whatever fails
 * to decrypt gives CLOISTER_E_AUTH. Before the peer, callers make one answer of all of them.
 */
#include "codec/ohttp.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

#define KEYS_MAX   16
#define SEALED_MAX (CLO_OHTTP_CHUNK_MAX + CLO_AEAD_TAG)
#define FINAL_AAD  "final"
#define LABEL_MAX  32
#define VARINT_MAX 8

/* ---- key configurations (RFC 9458 section 3.1) ---- */

static int keyconf_append(const struct clo_ohttp_keyconf *k, struct clo_wr *wr)
{
    const size_t pk_n = clo_kem_pk_len(k->kem);
    int err;

    if (pk_n == 0 || k->suites == 0 || k->suites > CLO_OHTTP_SUITES_MAX)
        return CLOISTER_E_ARGUMENT;
    if ((err = clo_wr_u8(wr, k->key_id)) != 0 || (err = clo_wr_u16be(wr, k->kem)) != 0 ||
        (err = clo_wr_bytes(wr, k->pk, pk_n)) != 0 ||
        (err = clo_wr_u16be(wr, (uint16_t)(4 * k->suites))) != 0)
        return err;
    for (size_t i = 0; i < k->suites; i++) {
        if ((err = clo_wr_u16be(wr, k->suite[i].kdf)) != 0 ||
            (err = clo_wr_u16be(wr, k->suite[i].aead)) != 0)
            return err;
    }
    return 0;
}

int clo_ohttp_keyconf_write(const struct clo_ohttp_keyconf *k, struct clo_wr *wr)
{
    struct clo_wr next = *wr;
    int err;

    err = keyconf_append(k, &next);
    if (err == 0)
        *wr = next;
    return err;
}

int clo_ohttp_keys_write(const struct clo_ohttp_keyconf *k, size_t count, struct clo_wr *wr)
{
    struct clo_wr next = *wr;
    int err;

    if (count == 0 || count > KEYS_MAX)
        return CLOISTER_E_ARGUMENT;
    for (size_t i = 0; i < count; i++) {
        const size_t n = 1 + 2 + clo_kem_pk_len(k[i].kem) + 2 + 4 * k[i].suites;

        if ((err = clo_wr_u16be(&next, (uint16_t)n)) != 0 ||
            (err = keyconf_append(&k[i], &next)) != 0)
            return err;
    }
    *wr = next;
    return 0;
}

/* Whether this pair was read before: a list that says something twice is malformed. */
static bool suite_listed(const struct clo_ohttp_keyconf *k, uint16_t kdf, uint16_t aead)
{
    for (size_t i = 0; i < k->suites; i++) {
        if (k->suite[i].kdf == kdf && k->suite[i].aead == aead)
            return true;
    }
    return false;
}

/* Keeps the pairs that this build knows, in order. */
static int suites_parse(struct clo_rd *rd, struct clo_ohttp_keyconf *k)
{
    int err;

    if (rd->left == 0 || rd->left % 4 != 0)
        return CLOISTER_E_MALFORMED;
    while (rd->left > 0) {
        struct clo_suite s = {.kem = k->kem};

        if ((err = clo_rd_u16be(rd, &s.kdf)) != 0 || (err = clo_rd_u16be(rd, &s.aead)) != 0)
            return err;
        if (!clo_suite_known(&s))
            continue;
        if (suite_listed(k, s.kdf, s.aead))
            return CLOISTER_E_DUPLICATE;
        if (k->suites == CLO_OHTTP_SUITES_MAX)
            return CLOISTER_E_LIMIT;
        k->suite[k->suites].kdf = s.kdf;
        k->suite[k->suites].aead = s.aead;
        k->suites++;
    }
    return 0;
}

/* An unknown KEM leaves k->suites at 0: what follows its id can't be read, nor need it be. */
static int keyconf_parse(const uint8_t *p, size_t n, struct clo_ohttp_keyconf *k)
{
    struct clo_rd rd = clo_rd_init(p, n), suites;
    const uint8_t *view = NULL;
    uint16_t len = 0;
    size_t pk_n;
    int err;

    if ((err = clo_rd_u8(&rd, &k->key_id)) != 0 || (err = clo_rd_u16be(&rd, &k->kem)) != 0)
        return err;
    pk_n = clo_kem_pk_len(k->kem);
    if (pk_n == 0)
        return 0;
    if ((err = clo_rd_bytes(&rd, k->pk, pk_n)) != 0 || (err = clo_rd_u16be(&rd, &len)) != 0 ||
        (err = clo_rd_view(&rd, len, &view)) != 0 || (err = clo_rd_end(&rd)) != 0)
        return err;
    suites = clo_rd_init(view, len);
    return suites_parse(&suites, k);
}

int clo_ohttp_keys_parse(const void *p, size_t n, struct clo_ohttp_keyconf *ret, size_t cap,
                         size_t *ret_n)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_ohttp_keyconf known[KEYS_MAX];
    bool seen[UINT8_MAX + 1] = {false};
    size_t entries = 0, count = 0;
    int err;

    while (rd.left > 0) {
        struct clo_ohttp_keyconf k = {0};
        const uint8_t *view = NULL;
        uint16_t len = 0;

        if (entries++ == KEYS_MAX)
            return CLOISTER_E_LIMIT;
        if ((err = clo_rd_u16be(&rd, &len)) != 0 || (err = clo_rd_view(&rd, len, &view)) != 0 ||
            (err = keyconf_parse(view, len, &k)) != 0)
            return err;
        if (seen[k.key_id])
            return CLOISTER_E_DUPLICATE;
        seen[k.key_id] = true;
        if (k.suites == 0)
            continue;
        if (count == cap)
            return CLOISTER_E_LIMIT;
        known[count++] = k;
    }
    if (count > 0)
        memcpy(ret, known, count * sizeof(known[0]));
    *ret_n = count;
    return 0;
}

/* ---- the encapsulated request's header (RFC 9458 section 4.1) ---- */

int clo_ohttp_header_parse(struct clo_rd *rd, struct clo_ohttp_header *ret)
{
    struct clo_ohttp_header h = {0};
    struct clo_rd ids;
    int err;

    err = clo_rd_bytes(rd, h.raw, sizeof(h.raw));
    if (err != 0)
        return err;
    ids = clo_rd_init(h.raw, sizeof(h.raw));
    if ((err = clo_rd_u8(&ids, &h.key_id)) != 0 || (err = clo_rd_u16be(&ids, &h.suite.kem)) != 0 ||
        (err = clo_rd_u16be(&ids, &h.suite.kdf)) != 0 ||
        (err = clo_rd_u16be(&ids, &h.suite.aead)) != 0)
        return err;
    *ret = h;
    return 0;
}

int clo_ohttp_header_write(uint8_t key_id, const struct clo_suite *s, struct clo_wr *wr)
{
    struct clo_wr next = *wr;
    int err;

    if ((err = clo_wr_u8(&next, key_id)) != 0 || (err = clo_wr_u16be(&next, s->kem)) != 0 ||
        (err = clo_wr_u16be(&next, s->kdf)) != 0 || (err = clo_wr_u16be(&next, s->aead)) != 0)
        return err;
    *wr = next;
    return 0;
}

/* The two labels of either form; section 4.3 of RFC 9458, section 6 of the chunked draft. */
static const char *request_label(bool chunked)
{
    return chunked ? "message/bhttp chunked request" : "message/bhttp request";
}

static const char *response_label(bool chunked)
{
    return chunked ? "message/bhttp chunked response" : "message/bhttp response";
}

size_t clo_ohttp_info(bool chunked, const uint8_t raw[CLO_OHTTP_HDR],
                      uint8_t ret[CLO_OHTTP_INFO_MAX])
{
    const char *label = request_label(chunked);
    const size_t n = strlen(label) + 1; /* the zero byte is part of info */

    _Static_assert(LABEL_MAX + CLO_OHTTP_HDR <= CLO_OHTTP_INFO_MAX, "info fits");
    memcpy(ret, label, n);
    memcpy(ret + n, raw, CLO_OHTTP_HDR);
    return n + CLO_OHTTP_HDR;
}

/* ---- one request's keys ---- */

void clo_ohttp_opened_wipe(struct clo_ohttp_opened *o)
{
    clo_wipe(o, sizeof(*o));
}

size_t clo_ohttp_secret_len(unsigned aead_id)
{
    const size_t key_n = clo_aead_key_len(aead_id);

    return key_n == 0 || key_n > CLO_AEAD_NONCE ? key_n : CLO_AEAD_NONCE;
}

static int opened_from_keys(const struct clo_suite *s, bool chunked, const struct clo_hpke_keys *k,
                            struct clo_ohttp_opened *ret)
{
    __attribute__((cleanup(clo_ohttp_opened_wipe))) struct clo_ohttp_opened o = {0};
    const char *label = response_label(chunked);
    int err;

    o.suite = *s;
    o.chunked = chunked;
    memcpy(o.key, k->key, sizeof(o.key));
    memcpy(o.base_nonce, k->base_nonce, sizeof(o.base_nonce));
    err = clo_hpke_export(s, k->exporter, label, strlen(label), o.response_secret,
                          clo_ohttp_secret_len(s->aead));
    if (err == 0)
        *ret = o;
    return err;
}

int clo_ohttp_open_request(const uint8_t seed[CLO_KEM_SEED], const struct clo_ohttp_header *h,
                           bool chunked, const uint8_t *enc, struct clo_ohttp_opened *ret)
{
    __attribute__((cleanup(clo_hpke_keys_wipe))) struct clo_hpke_keys k = {0};
    uint8_t info[CLO_OHTTP_INFO_MAX] = {0};
    const size_t info_n = clo_ohttp_info(chunked, h->raw, info);
    int err;

    err = clo_hpke_setup_r(&h->suite, seed, enc, info, info_n, &k);
    if (err != 0)
        return err;
    return opened_from_keys(&h->suite, chunked, &k, ret);
}

static bool keyconf_offers(const struct clo_ohttp_keyconf *k, const struct clo_suite *s)
{
    return clo_suite_known(s) && suite_listed(k, s->kdf, s->aead);
}

int clo_ohttp_start_request(const struct clo_ohttp_keyconf *k, uint16_t aead, bool chunked,
                            const struct clo_rng *rng, struct clo_buf *out,
                            uint8_t enc[CLO_KEM_ENC_MAX], struct clo_ohttp_opened *ret)
{
    const struct clo_suite s = {.kem = k->kem, .kdf = CLO_KDF_HKDF_SHA256, .aead = aead};
    const size_t enc_n = clo_kem_enc_len(s.kem);
    __attribute__((cleanup(clo_hpke_keys_wipe))) struct clo_hpke_keys keys = {0};
    uint8_t raw[CLO_OHTTP_HDR] = {0}, info[CLO_OHTTP_INFO_MAX] = {0};
    struct clo_wr wr = clo_wr_init(raw, sizeof(raw));
    uint8_t fresh[CLO_KEM_ENC_MAX] = {0};
    uint8_t *dst = NULL;
    size_t info_n;
    int err;

    if (!keyconf_offers(k, &s))
        return CLOISTER_E_UNSUPPORTED;
    if ((err = clo_buf_reserve(out, CLO_OHTTP_HDR + enc_n, &dst)) != 0 ||
        (err = clo_ohttp_header_write(k->key_id, &s, &wr)) != 0)
        return err;
    info_n = clo_ohttp_info(chunked, raw, info);
    if ((err = clo_hpke_setup_s(&s, k->pk, info, info_n, rng, fresh, &keys)) != 0 ||
        (err = opened_from_keys(&s, chunked, &keys, ret)) != 0)
        return err;
    memcpy(dst, raw, sizeof(raw));
    memcpy(dst + sizeof(raw), fresh, enc_n);
    clo_buf_commit(out, sizeof(raw) + enc_n);
    memcpy(enc, fresh, enc_n);
    return 0;
}

int clo_ohttp_response_keys(const struct clo_ohttp_opened *o, const uint8_t *enc,
                            const uint8_t *nonce, uint8_t key[CLO_AEAD_KEY_MAX],
                            uint8_t base_nonce[CLO_AEAD_NONCE])
{
    const size_t key_n = clo_aead_key_len(o->suite.aead);
    const size_t secret_n = clo_ohttp_secret_len(o->suite.aead);
    const size_t enc_n = clo_kem_enc_len(o->suite.kem);
    const struct clo_slice secret = {o->response_secret, secret_n};
    const struct clo_slice key_info = {"key", 3}, nonce_info = {"nonce", 5};
    uint8_t salt[CLO_KEM_ENC_MAX + CLO_AEAD_KEY_MAX] = {0};
    CLO_SECRET(prk, CLO_SHA256_LEN);
    CLO_SECRET(k, CLO_AEAD_KEY_MAX);
    int err;

    if (!clo_suite_known(&o->suite))
        return CLOISTER_E_UNSUPPORTED;
    memcpy(salt, enc, enc_n);
    memcpy(salt + enc_n, nonce, secret_n);
    if ((err = clo_hkdf_extract(salt, enc_n + secret_n, &secret, 1, prk)) != 0 ||
        (err = clo_hkdf_expand(prk, &key_info, 1, k, key_n)) != 0 ||
        (err = clo_hkdf_expand(prk, &nonce_info, 1, base_nonce, CLO_AEAD_NONCE)) != 0)
        return err;
    memcpy(key, k, key_n);
    return 0;
}

/* ---- chunk reader (chunked draft sections 4 to 6) ---- */

enum reader_state {
    READ_LENGTH, /* collecting a varint */
    READ_CHUNK,  /* collecting `need` bytes of a non-final chunk */
    READ_FINAL,  /* collecting the final chunk up to the end of the body */
    READ_OVER,   /* ended, well or badly: no key any more */
};

struct clo_ohttp_reader {
    struct clo_aead_seq *seq;
    enum reader_state state;
    uint8_t length[VARINT_MAX];
    size_t length_n;
    size_t need;
    struct clo_buf chunk; /* sealed bytes, opened in place */
};

int clo_ohttp_reader_new(unsigned aead_id, const uint8_t *key,
                         const uint8_t base_nonce[CLO_AEAD_NONCE], struct clo_ohttp_reader **ret)
{
    struct clo_ohttp_reader *r = calloc(1, sizeof(*r));
    int err;

    if (r == NULL)
        return CLOISTER_E_MEMORY;
    r->chunk = clo_buf_init(SEALED_MAX);
    err = clo_aead_seq_new(aead_id, CLO_OPEN, key, base_nonce, &r->seq);
    if (err != 0) {
        clo_ohttp_reader_free(r);
        return err;
    }
    *ret = r;
    return 0;
}

static void reader_over(struct clo_ohttp_reader *r)
{
    r->state = READ_OVER;
    clo_aead_seq_free(r->seq);
    r->seq = NULL;
    clo_buf_clear(&r->chunk);
}

/* Open what was collected and hand it over; nothing of it stays. */
static int reader_open(struct clo_ohttp_reader *r, bool final, clo_ohttp_chunk_fn fn, void *ctx)
{
    int err;

    err = clo_aead_open(r->seq, FINAL_AAD, final ? strlen(FINAL_AAD) : 0, r->chunk.p, r->chunk.len,
                        r->chunk.p);
    if (err == 0)
        err = fn(ctx, r->chunk.p, r->chunk.len - CLO_AEAD_TAG, final);
    clo_buf_consume(&r->chunk, r->chunk.len);
    return err;
}

/* One byte of the length; when it is complete, judge it before any byte of the chunk is taken. */
static int reader_length(struct clo_ohttp_reader *r, struct clo_rd *rd)
{
    struct clo_rd varint;
    uint64_t len = 0;
    int err;

    err = clo_rd_u8(rd, &r->length[r->length_n]);
    if (err != 0)
        return err;
    r->length_n++;
    if (r->length_n < (size_t)1 << (r->length[0] >> 6)) /* RFC 9000 section 16 */
        return 0;
    varint = clo_rd_init(r->length, r->length_n);
    r->length_n = 0;
    err = clo_rd_varint(&varint, &len);
    if (err != 0)
        return err;
    if (len == 0) {
        r->state = READ_FINAL;
        return 0;
    }
    if (len > SEALED_MAX)
        return CLOISTER_E_LIMIT;
    if (len <= CLO_AEAD_TAG) /* an empty non-final chunk: as if it had failed to decrypt */
        return CLOISTER_E_AUTH;
    r->need = (size_t)len;
    r->state = READ_CHUNK;
    return 0;
}

static int reader_take(struct clo_ohttp_reader *r, struct clo_rd *rd, size_t n)
{
    const uint8_t *view = NULL;
    int err;

    err = clo_rd_view(rd, n, &view);
    return err != 0 ? err : clo_buf_append(&r->chunk, view, n);
}

static int reader_step(struct clo_ohttp_reader *r, struct clo_rd *rd, clo_ohttp_chunk_fn fn,
                       void *ctx)
{
    size_t room;
    int err;

    switch (r->state) {
    case READ_LENGTH: return reader_length(r, rd);
    case READ_CHUNK:
        room = r->need - r->chunk.len;
        err = reader_take(r, rd, rd->left < room ? rd->left : room);
        if (err != 0 || r->chunk.len < r->need)
            return err;
        r->state = READ_LENGTH;
        return reader_open(r, false, fn, ctx);
    case READ_FINAL: return reader_take(r, rd, rd->left); /* the buffer's cap refuses more */
    case READ_OVER: break;
    }
    return CLOISTER_E_STATE;
}

int clo_ohttp_reader_feed(struct clo_ohttp_reader *r, const void *p, size_t n,
                          clo_ohttp_chunk_fn fn, void *ctx)
{
    struct clo_rd rd = clo_rd_init(p, n);
    int err = r->state == READ_OVER ? CLOISTER_E_STATE : 0;

    while (err == 0 && rd.left > 0)
        err = reader_step(r, &rd, fn, ctx);
    if (err != 0)
        reader_over(r);
    return err;
}

int clo_ohttp_reader_end(struct clo_ohttp_reader *r, clo_ohttp_chunk_fn fn, void *ctx)
{
    int err;

    if (r->state == READ_OVER)
        return CLOISTER_E_STATE;
    if (r->state != READ_FINAL || r->chunk.len < CLO_AEAD_TAG)
        err = CLOISTER_E_CUT;
    else
        err = reader_open(r, true, fn, ctx);
    reader_over(r);
    return err;
}

void clo_ohttp_reader_free(struct clo_ohttp_reader *r)
{
    if (r == NULL)
        return;
    reader_over(r);
    free(r);
}

/* ---- chunk writer ---- */

struct clo_ohttp_writer {
    struct clo_aead_seq *seq; /* NULL after the final chunk or a failure */
};

int clo_ohttp_writer_new(unsigned aead_id, const uint8_t *key,
                         const uint8_t base_nonce[CLO_AEAD_NONCE], struct clo_ohttp_writer **ret)
{
    struct clo_ohttp_writer *w = calloc(1, sizeof(*w));
    int err;

    if (w == NULL)
        return CLOISTER_E_MEMORY;
    err = clo_aead_seq_new(aead_id, CLO_SEAL, key, base_nonce, &w->seq);
    if (err != 0) {
        free(w);
        return err;
    }
    *ret = w;
    return 0;
}

static void writer_over(struct clo_ohttp_writer *w)
{
    clo_aead_seq_free(w->seq);
    w->seq = NULL;
}

/* The length in front is the sealed chunk's, or 0 for the final one. A full buffer seals nothing. */
static int writer_put(struct clo_ohttp_writer *w, bool final, const void *p, size_t n,
                      struct clo_buf *out)
{
    const uint64_t length = final ? 0 : n + CLO_AEAD_TAG;
    const size_t front = clo_varint_len(length);
    uint8_t *dst = NULL;
    struct clo_wr wr;
    int err;

    if (w->seq == NULL)
        return CLOISTER_E_STATE;
    err = clo_buf_reserve(out, front + n + CLO_AEAD_TAG, &dst);
    if (err != 0)
        return err;
    wr = clo_wr_init(dst, front);
    err = clo_wr_varint(&wr, length);
    if (err == 0)
        err = clo_aead_seal(w->seq, FINAL_AAD, final ? strlen(FINAL_AAD) : 0, p, n, dst + front);
    if (err == 0)
        clo_buf_commit(out, front + n + CLO_AEAD_TAG);
    if (err != 0 || final)
        writer_over(w);
    return err;
}

int clo_ohttp_writer_chunk(struct clo_ohttp_writer *w, const void *p, size_t n, struct clo_buf *out)
{
    if (n == 0 || n > CLO_OHTTP_CHUNK_MAX)
        return CLOISTER_E_ARGUMENT;
    return writer_put(w, false, p, n, out);
}

int clo_ohttp_writer_final(struct clo_ohttp_writer *w, const void *p, size_t n, struct clo_buf *out)
{
    if (n > CLO_OHTTP_CHUNK_MAX)
        return CLOISTER_E_ARGUMENT;
    return writer_put(w, true, p, n, out);
}

void clo_ohttp_writer_free(struct clo_ohttp_writer *w)
{
    if (w == NULL)
        return;
    writer_over(w);
    free(w);
}

/* ---- plain form: one message under a sequence of its own (RFC 9458 sections 4.3 and 4.4) ---- */

static int plain_seal(unsigned aead, const uint8_t *key, const uint8_t *base_nonce, const void *p,
                      size_t n, uint8_t *dst)
{
    struct clo_aead_seq *seq = NULL;
    int err;

    err = clo_aead_seq_new(aead, CLO_SEAL, key, base_nonce, &seq);
    if (err == 0)
        err = clo_aead_seal(seq, NULL, 0, p, n, dst);
    clo_aead_seq_free(seq);
    return err;
}

static int plain_open(unsigned aead, const uint8_t *key, const uint8_t *base_nonce, const void *p,
                      size_t n, struct clo_buf *out)
{
    struct clo_aead_seq *seq = NULL;
    uint8_t *dst = NULL;
    int err;

    if (n < CLO_AEAD_TAG)
        return CLOISTER_E_AUTH;
    if ((err = clo_buf_reserve(out, n - CLO_AEAD_TAG, &dst)) != 0 ||
        (err = clo_aead_seq_new(aead, CLO_OPEN, key, base_nonce, &seq)) != 0 ||
        (err = clo_aead_open(seq, NULL, 0, p, n, dst)) != 0)
        goto out;
    clo_buf_commit(out, n - CLO_AEAD_TAG);
out:
    clo_aead_seq_free(seq);
    return err;
}

int clo_ohttp_plain_seal_request(const struct clo_ohttp_opened *o, const void *p, size_t n,
                                 struct clo_buf *out)
{
    uint8_t *dst = NULL;
    int err;

    if (o->chunked || n > SIZE_MAX - CLO_AEAD_TAG)
        return CLOISTER_E_ARGUMENT;
    if ((err = clo_buf_reserve(out, n + CLO_AEAD_TAG, &dst)) != 0 ||
        (err = plain_seal(o->suite.aead, o->key, o->base_nonce, p, n, dst)) != 0)
        return err;
    clo_buf_commit(out, n + CLO_AEAD_TAG);
    return 0;
}

int clo_ohttp_plain_open_request(const struct clo_ohttp_opened *o, const void *p, size_t n,
                                 struct clo_buf *out)
{
    if (o->chunked)
        return CLOISTER_E_ARGUMENT;
    return plain_open(o->suite.aead, o->key, o->base_nonce, p, n, out);
}

int clo_ohttp_plain_seal_response(const struct clo_ohttp_opened *o, const uint8_t *enc,
                                  const struct clo_rng *rng, const void *p, size_t n,
                                  struct clo_buf *out)
{
    const size_t nonce_n = clo_ohttp_secret_len(o->suite.aead);
    CLO_SECRET(key, CLO_AEAD_KEY_MAX);
    uint8_t base_nonce[CLO_AEAD_NONCE] = {0};
    uint8_t *dst = NULL;
    int err;

    if (o->chunked || n > SIZE_MAX - nonce_n - CLO_AEAD_TAG)
        return CLOISTER_E_ARGUMENT;
    if ((err = clo_buf_reserve(out, nonce_n + n + CLO_AEAD_TAG, &dst)) != 0 ||
        (err = clo_rng_fill(rng, dst, nonce_n)) != 0 ||
        (err = clo_ohttp_response_keys(o, enc, dst, key, base_nonce)) != 0 ||
        (err = plain_seal(o->suite.aead, key, base_nonce, p, n, dst + nonce_n)) != 0)
        return err;
    clo_buf_commit(out, nonce_n + n + CLO_AEAD_TAG);
    return 0;
}

int clo_ohttp_plain_open_response(const struct clo_ohttp_opened *o, const uint8_t *enc,
                                  const void *p, size_t n, struct clo_buf *out)
{
    struct clo_rd rd = clo_rd_init(p, n);
    CLO_SECRET(key, CLO_AEAD_KEY_MAX);
    uint8_t base_nonce[CLO_AEAD_NONCE] = {0};
    const uint8_t *nonce = NULL;
    int err;

    if (o->chunked)
        return CLOISTER_E_ARGUMENT;
    if ((err = clo_rd_view(&rd, clo_ohttp_secret_len(o->suite.aead), &nonce)) != 0 ||
        (err = clo_ohttp_response_keys(o, enc, nonce, key, base_nonce)) != 0)
        return err;
    return plain_open(o->suite.aead, key, base_nonce, rd.p, rd.left, out);
}
