/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcrypto's start, and randomness: callers pass a clo_rng, so that every layer below the edge stays a pure function and
 * tests can count and replay what is drawn. The system's source is libcrypto's private DRBG, which
 * the kernel seeds.
 */
#include "crypto/crypto.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

int clo_crypto_init(void)
{
    return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 ? 0 : CLOISTER_E_CRYPTO;
}

static int system_fill(void *ctx, uint8_t *p, size_t n)
{
    (void)ctx;
    if (n > INT_MAX)
        return CLOISTER_E_LIMIT;
    return RAND_priv_bytes(p, (int)n) == 1 ? 0 : CLOISTER_E_CRYPTO;
}

int clo_rng_fill(const struct clo_rng *rng, void *p, size_t n)
{
    return rng->fill(rng->ctx, p, n);
}

const struct clo_rng *clo_rng_system(void)
{
    static const struct clo_rng system_rng = {.fill = system_fill, .ctx = NULL};

    return &system_rng;
}
