/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 (RFC 8032), for receipts and releases. Private keys are the 32-byte seeds.
 */
#include "crypto/crypto.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/secret.h"

static EVP_PKEY *ed25519_private(const uint8_t seed[32])
{
    return EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed, 32);
}

int clo_ed25519_public(const uint8_t seed[32], uint8_t pk[32])
{
    EVP_PKEY *key = ed25519_private(seed);
    size_t n = 32;
    int err = 0;

    if (key == NULL || EVP_PKEY_get_raw_public_key(key, pk, &n) != 1 || n != 32)
        err = CLOISTER_E_CRYPTO;
    clo_ct_public(pk, 32);
    EVP_PKEY_free(key);
    return err;
}

int clo_ed25519_sign(const uint8_t seed[32], const void *p, size_t n, uint8_t sig[64])
{
    EVP_PKEY *key = ed25519_private(seed);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t sig_n = 64;
    int err = 0;

    if (key == NULL || ctx == NULL ||
        EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) != 1 ||
        EVP_DigestSign(ctx, sig, &sig_n, p, n) != 1 || sig_n != 64)
        err = CLOISTER_E_CRYPTO;
    clo_ct_public(sig, 64);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return err;
}

int clo_ed25519_verify(const uint8_t pk[32], const void *p, size_t n, const uint8_t sig[64])
{
    EVP_PKEY *key = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int err = CLOISTER_E_AUTH; /* whatever happens, only a verified signature is success */

    (void)ERR_set_mark();
    key = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, pk, 32);
    if (key != NULL && ctx != NULL &&
        EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) == 1 &&
        EVP_DigestVerify(ctx, sig, 64, p, n) == 1)
        err = 0;
    EVP_PKEY_free(key);
    EVP_MD_CTX_free(ctx);
    (void)ERR_pop_to_mark();
    return err;
}
