/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the seeds of the OHTTP harnesses under the folder given (fuzz/corpus). Always the same bytes: run
 * it again when the formats or the fixed keys change.
 */
#include <stdio.h>

#include "ohttp.h"

static const uint16_t aeads[] = {CLO_AES_128_GCM, CLO_AES_256_GCM, CLO_CHACHA20_POLY1305};

static int counting(void *ctx, uint8_t *p, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)i;
    return 0;
}

static const struct clo_rng rng = {counting, NULL};

static void save(const char *folder, const char *harness, const char *name, struct clo_buf *b)
{
    char path[4096] = "";
    FILE *f = NULL;

    (void)snprintf(path, sizeof(path), "%s/%s/%s", folder, harness, name);
    f = fopen(path, "wb");
    FUZZ_CHECK(f != NULL && fwrite(b->p, 1, b->len, f) == b->len && fclose(f) == 0);
    clo_buf_clear(b);
}

static void put(struct clo_buf *b, const void *p, size_t n)
{
    FUZZ_CHECK(clo_buf_append(b, p, n) == 0);
}

static struct clo_ohttp_keyconf keyconf(uint8_t key_id, uint16_t kem)
{
    struct clo_ohttp_keyconf k = {.key_id = key_id, .kem = kem, .suites = 3};

    for (size_t i = 0; i < 3; i++) {
        k.suite[i].kdf = CLO_KDF_HKDF_SHA256;
        k.suite[i].aead = aeads[i];
    }
    FUZZ_CHECK(clo_kem_public(kem, fuzz_seed, k.pk) == 0);
    return k;
}

/* Two chunks of n bytes and a final one. */
static void chunks(uint16_t aead, const uint8_t *key, const uint8_t *base_nonce, size_t n,
                   struct clo_buf *out)
{
    static const uint8_t text[256] = "GET /v1/models";
    struct clo_ohttp_writer *w = NULL;

    FUZZ_CHECK(clo_ohttp_writer_new(aead, key, base_nonce, &w) == 0);
    FUZZ_CHECK(clo_ohttp_writer_chunk(w, text, n, out) == 0);
    FUZZ_CHECK(clo_ohttp_writer_chunk(w, text, n, out) == 0);
    FUZZ_CHECK(clo_ohttp_writer_final(w, text, n % 7, out) == 0);
    clo_ohttp_writer_free(w);
}

static void request(const char *folder, const char *name, uint16_t kem, uint16_t aead, bool chunked,
                    size_t n)
{
    const struct clo_ohttp_keyconf k = keyconf(1, kem);
    struct clo_buf b = clo_buf_init(8192);
    struct clo_ohttp_opened o = {0};
    uint8_t enc[CLO_KEM_ENC_MAX] = {0};

    put(&b, "\x06", 1); /* in pieces of seven bytes */
    FUZZ_CHECK(clo_ohttp_start_request(&k, aead, chunked, &rng, &b, enc, &o) == 0);
    if (chunked)
        chunks(aead, o.key, o.base_nonce, n, &b);
    else
        FUZZ_CHECK(clo_ohttp_plain_seal_request(&o, "GET /v1/models", n, &b) == 0);
    save(folder, "ohttp_request", name, &b);
}

static void response(const char *folder, const char *name, uint8_t choice, size_t n)
{
    const struct clo_ohttp_opened o = fuzz_opened(aeads[choice % 3], choice / 3 % 2 == 0);
    uint8_t key[CLO_AEAD_KEY_MAX] = {0}, base_nonce[CLO_AEAD_NONCE] = {0};
    const uint8_t nonce[CLO_AEAD_KEY_MAX] = {0};
    struct clo_buf b = clo_buf_init(8192);

    put(&b, &choice, 1);
    put(&b, "\x06", 1);
    if (o.chunked) {
        put(&b, nonce, clo_ohttp_secret_len(o.suite.aead));
        FUZZ_CHECK(clo_ohttp_response_keys(&o, fuzz_enc, nonce, key, base_nonce) == 0);
        chunks(o.suite.aead, key, base_nonce, n, &b);
    } else {
        FUZZ_CHECK(clo_ohttp_plain_seal_response(&o, fuzz_enc, &rng, "HTTP", n, &b) == 0);
    }
    save(folder, "ohttp_response", name, &b);
}

static void keys(const char *folder, const char *name, const struct clo_ohttp_keyconf *k,
                 size_t count, const void *after, size_t after_n)
{
    static uint8_t list[8192];
    struct clo_wr wr = clo_wr_init(list, sizeof(list));
    struct clo_buf b = clo_buf_init(8192);

    FUZZ_CHECK(clo_ohttp_keys_write(k, count, &wr) == 0);
    put(&b, list, wr.len);
    put(&b, after, after_n);
    save(folder, "ohttp_keys", name, &b);
}

int main(int argc, char **argv)
{
    const struct clo_ohttp_keyconf k[] = {keyconf(1, CLO_KEM_XWING), keyconf(2, CLO_KEM_X25519)};
    const char *folder = argc == 2 ? argv[1] : NULL;

    if (folder == NULL) {
        (void)fprintf(stderr, "usage: ohttp_seeds FOLDER\n");
        return 1;
    }
    request(folder, "xwing-chunked", CLO_KEM_XWING, CLO_AES_256_GCM, true, 40);
    request(folder, "x25519-chunked", CLO_KEM_X25519, CLO_AES_128_GCM, true, 1);
    request(folder, "x25519-chunked-2-byte-length", CLO_KEM_X25519, CLO_CHACHA20_POLY1305, true,
            200);
    request(folder, "x25519-plain", CLO_KEM_X25519, CLO_AES_256_GCM, false, 14);
    request(folder, "xwing-plain", CLO_KEM_XWING, CLO_AES_256_GCM, false, 14);
    response(folder, "aes128-chunked", 0, 7);
    response(folder, "aes256-chunked-2-byte-length", 1, 200);
    response(folder, "chacha20-chunked", 2, 30);
    response(folder, "aes256-plain", 4, 4);
    keys(folder, "both", k, 2, NULL, 0);
    keys(folder, "x25519", k + 1, 1, NULL, 0);
    keys(folder, "x25519-and-unknown", k + 1, 1, "\0\6\3\0\x10\1\2\3", 8);
    keys(folder, "same-id", k + 1, 1, "\0\6\2\0\x10\1\2\3", 8);
    keys(folder, "cut", k + 1, 1, "\0\x2b\3\0\x20", 5);
    return 0;
}
