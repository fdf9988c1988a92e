/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes (FIPS 180-4, FIPS 202) and HKDF-SHA256 (RFC 5869).
 *
 * HKDF is written over HMAC, because its inputs come as slices: the lists that HPKE and OHTTP hash
 * need no buffer that would hold a joined copy of a secret.
 *
 * The algorithm handles are fetched once a process and shared; they are immutable afterwards and
 * libcrypto counts their references, so this is no state that a result could depend on. What could
 * not be fetched, because memory had run out, is tried again at the next use.
 */
#include "crypto/crypto.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/secret.h"

enum md_index {
    MD_SHA256,
    MD_SHA384,
    MD_SHA512,
    MD_SHA3_256,
    MD_SHAKE256,
    MD_COUNT
};

static _Atomic(EVP_MD *) md_handle[MD_COUNT];
static _Atomic(EVP_MAC *) hmac_handle;

/* NULL where libcrypto can't. Of several threads that fetch at a time the first one's handle stays. */
static const EVP_MD *md_get(enum md_index i)
{
    static const char *const name[MD_COUNT] = {
        [MD_SHA256] = "SHA256",     [MD_SHA384] = "SHA384",     [MD_SHA512] = "SHA512",
        [MD_SHA3_256] = "SHA3-256", [MD_SHAKE256] = "SHAKE256",
    };
    EVP_MD *md = atomic_load(&md_handle[i]), *first = NULL;

    if (md != NULL)
        return md;
    md = EVP_MD_fetch(NULL, name[i], NULL);
    if (md != NULL && !atomic_compare_exchange_strong(&md_handle[i], &first, md)) {
        EVP_MD_free(md);
        md = first;
    }
    return md;
}

static EVP_MAC *hmac_get(void)
{
    EVP_MAC *mac = atomic_load(&hmac_handle), *first = NULL;

    if (mac != NULL)
        return mac;
    mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (mac != NULL && !atomic_compare_exchange_strong(&hmac_handle, &first, mac)) {
        EVP_MAC_free(mac);
        mac = first;
    }
    return mac;
}

/* A started digest; *ret is the caller's to free. */
static int digest_new(enum md_index i, EVP_MD_CTX **ret)
{
    const EVP_MD *md = md_get(i);
    EVP_MD_CTX *ctx = NULL;

    if (md == NULL)
        return CLOISTER_E_CRYPTO;
    ctx = EVP_MD_CTX_new();
    if (ctx == NULL)
        return CLOISTER_E_MEMORY;
    if (EVP_DigestInit_ex2(ctx, md, NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return CLOISTER_E_CRYPTO;
    }
    *ret = ctx;
    return 0;
}

/* n: the output's length for SHAKE256, ignored otherwise. */
static int digest(enum md_index i, const struct clo_slice *in, size_t count, uint8_t *ret, size_t n)
{
    EVP_MD_CTX *ctx = NULL;
    int ok, err;

    err = digest_new(i, &ctx);
    if (err != 0)
        return err;
    for (size_t k = 0; k < count; k++) {
        if (in[k].n > 0 && EVP_DigestUpdate(ctx, in[k].p, in[k].n) != 1) {
            err = CLOISTER_E_CRYPTO;
            goto out;
        }
    }
    ok = i == MD_SHAKE256 ? EVP_DigestFinalXOF(ctx, ret, n) : EVP_DigestFinal_ex(ctx, ret, NULL);
    if (ok != 1)
        err = CLOISTER_E_CRYPTO;
out:
    EVP_MD_CTX_free(ctx);
    return err;
}

int clo_hash(enum clo_hash_alg alg, const struct clo_slice *in, size_t count, uint8_t *ret)
{
    switch (alg) {
    case CLO_SHA256: return digest(MD_SHA256, in, count, ret, 0);
    case CLO_SHA384: return digest(MD_SHA384, in, count, ret, 0);
    case CLO_SHA512: return digest(MD_SHA512, in, count, ret, 0);
    }
    return CLOISTER_E_ARGUMENT;
}

int clo_sha256(const void *p, size_t n, uint8_t ret[CLO_SHA256_LEN])
{
    return clo_hash(CLO_SHA256, &(struct clo_slice){p, n}, 1, ret);
}

int clo_sha3_256(const struct clo_slice *in, size_t count, uint8_t ret[32])
{
    return digest(MD_SHA3_256, in, count, ret, 0);
}

int clo_shake256(const struct clo_slice *in, size_t count, uint8_t *ret, size_t n)
{
    return digest(MD_SHAKE256, in, count, ret, n);
}

struct clo_sha256_ctx {
    EVP_MD_CTX *ctx; /* NULL once the hash was taken or a step failed */
};

int clo_sha256_new(struct clo_sha256_ctx **ret)
{
    struct clo_sha256_ctx *h = calloc(1, sizeof(*h));
    int err;

    if (h == NULL)
        return CLOISTER_E_MEMORY;
    err = digest_new(MD_SHA256, &h->ctx);
    if (err != 0) {
        free(h);
        return err;
    }
    *ret = h;
    return 0;
}

static void sha256_end(struct clo_sha256_ctx *h)
{
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

int clo_sha256_update(struct clo_sha256_ctx *h, const void *p, size_t n)
{
    if (h->ctx == NULL)
        return CLOISTER_E_STATE;
    if (n > 0 && EVP_DigestUpdate(h->ctx, p, n) != 1) {
        sha256_end(h);
        return CLOISTER_E_CRYPTO;
    }
    return 0;
}

int clo_sha256_final(struct clo_sha256_ctx *h, uint8_t ret[CLO_SHA256_LEN])
{
    int ok;

    if (h->ctx == NULL)
        return CLOISTER_E_STATE;
    ok = EVP_DigestFinal_ex(h->ctx, ret, NULL);
    sha256_end(h);
    return ok == 1 ? 0 : CLOISTER_E_CRYPTO;
}

void clo_sha256_free(struct clo_sha256_ctx *h)
{
    if (h == NULL)
        return;
    sha256_end(h);
    free(h);
}

static int hmac_update(EVP_MAC_CTX *ctx, const struct clo_slice *in, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (in[i].n > 0 && EVP_MAC_update(ctx, in[i].p, in[i].n) != 1)
            return CLOISTER_E_CRYPTO;
    }
    return 0;
}

/* An HMAC-SHA256 context with its key set; *ret is the caller's to free. */
static int hmac_new(const uint8_t *key, size_t key_n, EVP_MAC_CTX **ret)
{
    char name[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = hmac_get();
    EVP_MAC_CTX *ctx = NULL;

    if (mac == NULL)
        return CLOISTER_E_CRYPTO;
    ctx = EVP_MAC_CTX_new(mac);
    if (ctx == NULL)
        return CLOISTER_E_MEMORY;
    if (EVP_MAC_init(ctx, key, key_n, params) != 1) {
        EVP_MAC_CTX_free(ctx);
        return CLOISTER_E_CRYPTO;
    }
    *ret = ctx;
    return 0;
}

int clo_hkdf_extract(const void *salt, size_t salt_n, const struct clo_slice *ikm, size_t count,
                     uint8_t prk[CLO_SHA256_LEN])
{
    /* RFC 5869 section 2.2: an absent salt is HashLen zeros, which is the same HMAC key. */
    static const uint8_t zeros[CLO_SHA256_LEN];
    EVP_MAC_CTX *ctx = NULL;
    size_t n = 0;
    int err;

    if (salt_n == 0) {
        salt = zeros;
        salt_n = sizeof(zeros);
    }
    err = hmac_new(salt, salt_n, &ctx);
    if (err == 0)
        err = hmac_update(ctx, ikm, count);
    if (err == 0 && EVP_MAC_final(ctx, prk, &n, CLO_SHA256_LEN) != 1)
        err = CLOISTER_E_CRYPTO;
    EVP_MAC_CTX_free(ctx);
    return err;
}

int clo_hkdf_expand(const uint8_t prk[CLO_SHA256_LEN], const struct clo_slice *info, size_t count,
                    void *ret, size_t n)
{
    CLO_SECRET(block, CLO_SHA256_LEN); /* T(i) of RFC 5869 section 2.3 */
    EVP_MAC_CTX *ctx = NULL;
    uint8_t *dst = ret;
    size_t done = 0, len = 0;
    int err;

    if (n > 255 * CLO_SHA256_LEN)
        return CLOISTER_E_LIMIT;
    err = hmac_new(prk, CLO_SHA256_LEN, &ctx);
    if (err != 0)
        return err;
    for (uint8_t i = 1; done < n; i++) {
        const size_t take = n - done < sizeof(block) ? n - done : sizeof(block);

        /* A NULL key starts the next block under the same one. */
        if (i > 1 && (EVP_MAC_init(ctx, NULL, 0, NULL) != 1 ||
                      EVP_MAC_update(ctx, block, sizeof(block)) != 1)) {
            err = CLOISTER_E_CRYPTO;
            break;
        }
        err = hmac_update(ctx, info, count);
        if (err != 0)
            break;
        if (EVP_MAC_update(ctx, &i, 1) != 1 ||
            EVP_MAC_final(ctx, block, &len, sizeof(block)) != 1) {
            err = CLOISTER_E_CRYPTO;
            break;
        }
        memcpy(dst + done, block, take);
        done += take;
    }
    if (err != 0)
        clo_wipe(ret, n);
    EVP_MAC_CTX_free(ctx);
    return err;
}
