/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AEAD with a counter. This is the one counter module: no other code computes a nonce or gives one
 * to libcrypto, so that no message can be sealed twice under the same one.
 *
 * One libcrypto context serves a whole sequence: the key is expanded once and each message sets only
 * the nonce. The key lives nowhere else; any failure frees the context, which wipes it.
 *
 * The cipher handles are fetched once a process and immutable afterwards (see hash.c).
 */
#include "crypto/crypto.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/secret.h"

static _Atomic(EVP_CIPHER *) cipher_handle[CLO_CHACHA20_POLY1305 + 1]; /* by AEAD id */

static EVP_CIPHER *cipher_get(unsigned aead_id)
{
    static const char *const name[] = {
        [CLO_AES_128_GCM] = "AES-128-GCM",
        [CLO_AES_256_GCM] = "AES-256-GCM",
        [CLO_CHACHA20_POLY1305] = "ChaCha20-Poly1305",
    };
    EVP_CIPHER *cipher = atomic_load(&cipher_handle[aead_id]), *first = NULL;

    if (cipher != NULL)
        return cipher;
    cipher = EVP_CIPHER_fetch(NULL, name[aead_id], NULL);
    if (cipher != NULL &&
        !atomic_compare_exchange_strong(&cipher_handle[aead_id], &first, cipher)) {
        EVP_CIPHER_free(cipher);
        cipher = first;
    }
    return cipher;
}

struct clo_aead_seq {
    EVP_CIPHER_CTX *ctx; /* NULL after the first failure */
    uint64_t next;       /* number of the next message */
    enum clo_aead_dir dir;
    uint8_t base_nonce[CLO_AEAD_NONCE];
};

size_t clo_aead_key_len(unsigned aead_id)
{
    switch (aead_id) {
    case CLO_AES_128_GCM: return 16;
    case CLO_AES_256_GCM:
    case CLO_CHACHA20_POLY1305: return 32;
    default: return 0;
    }
}

int clo_aead_seq_new(unsigned aead_id, enum clo_aead_dir dir, const uint8_t *key,
                     const uint8_t base_nonce[CLO_AEAD_NONCE], struct clo_aead_seq **ret)
{
    struct clo_aead_seq *s = NULL;
    EVP_CIPHER *cipher = NULL;
    int err = 0;

    if (clo_aead_key_len(aead_id) == 0)
        return CLOISTER_E_UNSUPPORTED;
    cipher = cipher_get(aead_id);
    if (cipher == NULL)
        return CLOISTER_E_CRYPTO;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return CLOISTER_E_MEMORY;
    s->dir = dir;
    memcpy(s->base_nonce, base_nonce, CLO_AEAD_NONCE);
    s->ctx = EVP_CIPHER_CTX_new();
    if (s->ctx == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    if (EVP_CipherInit_ex2(s->ctx, cipher, key, NULL, dir == CLO_SEAL, NULL) != 1) {
        err = CLOISTER_E_CRYPTO;
        goto out;
    }
    *ret = s;
    s = NULL;
out:
    clo_aead_seq_free(s);
    return err;
}

/* The next message's nonce: base_nonce XOR its number, big-endian. Each number is given out once. */
static int take_nonce(struct clo_aead_seq *s, uint8_t nonce[CLO_AEAD_NONCE])
{
    if (s->next == UINT64_MAX)
        return CLOISTER_E_STATE;
    memcpy(nonce, s->base_nonce, CLO_AEAD_NONCE);
    for (size_t i = 0; i < 8; i++)
        nonce[CLO_AEAD_NONCE - 1 - i] ^= (uint8_t)(s->next >> (8 * i));
    s->next++;
    return 0;
}

/* n is the text's length without the tag; the tag is read when opening and written when sealing. */
static int message(struct clo_aead_seq *s, enum clo_aead_dir dir, const void *aad, size_t aad_n,
                   const void *p, size_t n, uint8_t *dst, uint8_t tag[CLO_AEAD_TAG])
{
    uint8_t nonce[CLO_AEAD_NONCE] = {0}, none[CLO_AEAD_TAG] = {0};
    int len = 0, err;

    if (s->ctx == NULL || s->dir != dir)
        return CLOISTER_E_STATE;
    if (n > INT_MAX || aad_n > INT_MAX)
        return CLOISTER_E_LIMIT;
    err = take_nonce(s, nonce);
    if (err != 0)
        return err;
    if (EVP_CipherInit_ex2(s->ctx, NULL, NULL, nonce, -1, NULL) != 1)
        return CLOISTER_E_CRYPTO;
    if (dir == CLO_OPEN &&
        EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_SET_TAG, CLO_AEAD_TAG, tag) != 1)
        return CLOISTER_E_CRYPTO;
    if (aad_n > 0 && EVP_CipherUpdate(s->ctx, NULL, &len, aad, (int)aad_n) != 1)
        return CLOISTER_E_CRYPTO;
    if (n > 0 && EVP_CipherUpdate(s->ctx, dst, &len, p, (int)n) != 1)
        return CLOISTER_E_CRYPTO;
    if (EVP_CipherFinal_ex(s->ctx, none, &len) != 1)
        return dir == CLO_OPEN ? CLOISTER_E_AUTH : CLOISTER_E_CRYPTO;
    if (dir == CLO_SEAL &&
        EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_GET_TAG, CLO_AEAD_TAG, tag) != 1)
        return CLOISTER_E_CRYPTO;
    return 0;
}

static void end(struct clo_aead_seq *s)
{
    EVP_CIPHER_CTX_free(s->ctx); /* wipes the key schedule */
    s->ctx = NULL;
    clo_wipe(s->base_nonce, sizeof(s->base_nonce));
}

/* The callers' errors stay theirs: what libcrypto queued for a refused message is dropped. */
static int run(struct clo_aead_seq *s, enum clo_aead_dir dir, const void *aad, size_t aad_n,
               const void *p, size_t n, uint8_t *dst, uint8_t tag[CLO_AEAD_TAG])
{
    int err;

    (void)ERR_set_mark();
    err = message(s, dir, aad, aad_n, p, n, dst, tag);
    (void)ERR_pop_to_mark();
    if (err != 0) {
        end(s);
        clo_wipe(dst, n);
    }
    return err;
}

int clo_aead_seal(struct clo_aead_seq *s, const void *aad, size_t aad_n, const void *p, size_t n,
                  uint8_t *dst)
{
    uint8_t tag[CLO_AEAD_TAG] = {0};
    int err;

    err = run(s, CLO_SEAL, aad, aad_n, p, n, dst, tag);
    if (err == 0)
        memcpy(dst + n, tag, sizeof(tag));
    return err;
}

int clo_aead_open(struct clo_aead_seq *s, const void *aad, size_t aad_n, const void *p, size_t n,
                  uint8_t *dst)
{
    uint8_t tag[CLO_AEAD_TAG] = {0};
    int err;

    if (n < CLO_AEAD_TAG) { /* no message was ever so short */
        err = s->ctx != NULL && s->dir == CLO_OPEN ? CLOISTER_E_AUTH : CLOISTER_E_STATE;
        end(s);
        return err;
    }
    n -= CLO_AEAD_TAG;
    memcpy(tag, (const uint8_t *)p + n, sizeof(tag));
    return run(s, CLO_OPEN, aad, aad_n, p, n, dst, tag);
}

void clo_aead_seq_free(struct clo_aead_seq *s)
{
    if (s == NULL)
        return;
    end(s);
    free(s);
}
