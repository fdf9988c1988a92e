/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key agreement: X25519 (RFC 7748) and ML-KEM-768 (FIPS 203), the two halves of X-Wing.
 *
 * Keys come as bytes and leave as bytes; libcrypto's key objects live for one call. Randomness is an
 * argument: ML-KEM's encapsulation is the derandomised one, its key generation starts from the seed.
 */
#include "crypto/crypto.h"

#include <string.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/secret.h"

static EVP_PKEY *x25519_private(const uint8_t sk[CLO_X25519_LEN])
{
    return EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, sk, CLO_X25519_LEN);
}

int clo_x25519_public(const uint8_t sk[32], uint8_t pk[32])
{
    EVP_PKEY *key = x25519_private(sk);
    size_t n = CLO_X25519_LEN;
    int err = 0;

    if (key == NULL || EVP_PKEY_get_raw_public_key(key, pk, &n) != 1 || n != CLO_X25519_LEN)
        err = CLOISTER_E_CRYPTO;
    clo_ct_public(pk, CLO_X25519_LEN);
    EVP_PKEY_free(key);
    return err;
}

/*
 * RFC 7748 section 6.1 and RFC 9180 section 7.1.4: an all-zero result comes from a point of small
 * order and is refused. libcrypto refuses it as well; the comparison here doesn't rely on that.
 */
static int x25519_derive(EVP_PKEY_CTX *ctx, uint8_t ss[32])
{
    static const uint8_t zeros[CLO_X25519_LEN];
    CLO_SECRET(z, CLO_X25519_LEN);
    size_t n = sizeof(z);
    bool none;

    if (EVP_PKEY_derive(ctx, z, &n) != 1 || n != sizeof(z))
        return CLOISTER_E_AUTH;
    none = clo_ct_equal(z, zeros, sizeof(z));
    clo_ct_public(&none, sizeof(none)); /* whoever sent the point knows its order */
    if (none)
        return CLOISTER_E_AUTH;
    memcpy(ss, z, sizeof(z));
    return 0;
}

int clo_x25519(const uint8_t sk[32], const uint8_t pk[32], uint8_t ss[32])
{
    EVP_PKEY *peer = NULL, *key = NULL;
    EVP_PKEY_CTX *ctx = NULL;
    int err = CLOISTER_E_CRYPTO;

    (void)ERR_set_mark();
    key = x25519_private(sk);
    peer = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, pk, CLO_X25519_LEN);
    if (key == NULL || peer == NULL)
        goto out;
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (ctx == NULL || EVP_PKEY_derive_init(ctx) != 1 ||
        EVP_PKEY_derive_set_peer_ex(ctx, peer, 0) != 1)
        goto out;
    err = x25519_derive(ctx, ss);
out:
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer);
    EVP_PKEY_free(key);
    (void)ERR_pop_to_mark();
    return err;
}

/* ML-KEM.KeyGen_internal(d, z); NULL on failure. */
static EVP_PKEY *mlkem_private(const uint8_t seed[CLO_MLKEM768_SEED])
{
    CLO_SECRET(copy, CLO_MLKEM768_SEED); /* OSSL_PARAM wants it writable */
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ML_KEM_SEED, copy, sizeof(copy)),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "ML-KEM-768", NULL);
    EVP_PKEY *key = NULL;

    memcpy(copy, seed, sizeof(copy));
    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_params(ctx, params) != 1 || EVP_PKEY_generate(ctx, &key) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

int clo_mlkem768_public(const uint8_t seed[CLO_MLKEM768_SEED], uint8_t pk[CLO_MLKEM768_PK])
{
    EVP_PKEY *key = mlkem_private(seed);
    size_t n = CLO_MLKEM768_PK;
    int err = 0;

    if (key == NULL || EVP_PKEY_get_raw_public_key(key, pk, &n) != 1 || n != CLO_MLKEM768_PK)
        err = CLOISTER_E_CRYPTO;
    EVP_PKEY_free(key);
    return err;
}

static int mlkem_encaps(EVP_PKEY *key, const uint8_t m[32], uint8_t ct[CLO_MLKEM768_CT],
                        uint8_t ss[CLO_MLKEM768_SS])
{
    CLO_SECRET(copy, 32);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KEM_PARAM_IKME, copy, sizeof(copy)),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    size_t ct_n = CLO_MLKEM768_CT, ss_n = CLO_MLKEM768_SS;
    int err = 0;

    memcpy(copy, m, sizeof(copy));
    if (ctx == NULL || EVP_PKEY_encapsulate_init(ctx, params) != 1 ||
        EVP_PKEY_encapsulate(ctx, ct, &ct_n, ss, &ss_n) != 1 || ct_n != CLO_MLKEM768_CT ||
        ss_n != CLO_MLKEM768_SS)
        err = CLOISTER_E_CRYPTO;
    EVP_PKEY_CTX_free(ctx);
    return err;
}

int clo_mlkem768_encaps(const uint8_t pk[CLO_MLKEM768_PK], const uint8_t m[32],
                        uint8_t ct[CLO_MLKEM768_CT], uint8_t ss[CLO_MLKEM768_SS])
{
    EVP_PKEY *key = NULL;
    int err = CLOISTER_E_MALFORMED;

    /* The import does the modulus check of FIPS 203 section 7.2; nothing else about a pk can fail. */
    (void)ERR_set_mark();
    key = EVP_PKEY_new_raw_public_key_ex(NULL, "ML-KEM-768", NULL, pk, CLO_MLKEM768_PK);
    if (key != NULL)
        err = mlkem_encaps(key, m, ct, ss);
    EVP_PKEY_free(key);
    (void)ERR_pop_to_mark();
    return err;
}

int clo_mlkem768_decaps(const uint8_t seed[CLO_MLKEM768_SEED], const uint8_t ct[CLO_MLKEM768_CT],
                        uint8_t ss[CLO_MLKEM768_SS])
{
    EVP_PKEY *key = mlkem_private(seed);
    EVP_PKEY_CTX *ctx = NULL;
    size_t n = CLO_MLKEM768_SS;
    int err = CLOISTER_E_CRYPTO;

    if (key == NULL)
        goto out;
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    /* A damaged ct gives another secret, not an error: the implicit rejection of FIPS 203. */
    if (ctx == NULL || EVP_PKEY_decapsulate_init(ctx, NULL) != 1 ||
        EVP_PKEY_decapsulate(ctx, ss, &n, ct, CLO_MLKEM768_CT) != 1 || n != CLO_MLKEM768_SS)
        goto out;
    err = 0;
out:
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return err;
}
