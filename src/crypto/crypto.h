/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The facade over libcrypto (OpenSSL >= 3.5): the only folder that includes <openssl/...>.
 *
 * Everything here is pure: randomness comes in as a clo_rng. libcrypto's own contexts are not locked in
 * memory but are freed with OPENSSL_cleanse. Return values of libcrypto are compared with == 1, never taken
 * as booleans (some are negative on failure).
 */
#ifndef CLO_CRYPTO_H
#define CLO_CRYPTO_H

#include "base/base.h"

/*
 * First call of every program, before any other of this header: libcrypto must not read openssl.cnf, OPENSSL_CONF or
 * OPENSSL_MODULES, so that no file or variable of the machine changes what was measured. Idempotent.
 */
CLO_MUST_USE int clo_crypto_init(void);

/* ---- randomness ---- */
struct clo_rng {
    int (*fill)(void *ctx, uint8_t *p, size_t n); /* 0 or an error; all n bytes or none */
    void *ctx;
};
CLO_MUST_USE int clo_rng_fill(const struct clo_rng *rng, void *p, size_t n);
/* libcrypto's private DRBG (RAND_priv_bytes). Static; needs no freeing. */
const struct clo_rng *clo_rng_system(void);

/* ---- hashes ---- */
#define CLO_SHA256_LEN 32
#define CLO_SHA384_LEN 48
#define CLO_SHA512_LEN 64
enum clo_hash_alg {
    CLO_SHA256,
    CLO_SHA384,
    CLO_SHA512
};
struct clo_slice {
    const void *p;
    size_t n;
};
/* Hash of the concatenation of `count` slices; ret has the algorithm's length. */
CLO_MUST_USE int clo_hash(enum clo_hash_alg alg, const struct clo_slice *in, size_t count,
                          uint8_t *ret);
CLO_MUST_USE int clo_sha256(const void *p, size_t n, uint8_t ret[CLO_SHA256_LEN]);
/* Incremental SHA-256, for files. */
struct clo_sha256_ctx;
CLO_MUST_USE int clo_sha256_new(struct clo_sha256_ctx **ret);
CLO_MUST_USE int clo_sha256_update(struct clo_sha256_ctx *h, const void *p, size_t n);
CLO_MUST_USE int clo_sha256_final(struct clo_sha256_ctx *h, uint8_t ret[CLO_SHA256_LEN]);
void clo_sha256_free(struct clo_sha256_ctx *h);

/* ---- HKDF-SHA256 (RFC 5869) ---- */
CLO_MUST_USE int clo_hkdf_extract(const void *salt, size_t salt_n, const struct clo_slice *ikm,
                                  size_t count, uint8_t prk[CLO_SHA256_LEN]);
/* n <= 255 * 32. info is the concatenation of `count` slices. */
CLO_MUST_USE int clo_hkdf_expand(const uint8_t prk[CLO_SHA256_LEN], const struct clo_slice *info,
                                 size_t count, void *ret, size_t n);

/* ---- AEAD with a counter: the only place that makes a nonce ---- */
/* Values are HPKE's AEAD ids (RFC 9180 section 7.3). */
enum clo_aead_id {
    CLO_AES_128_GCM = 1,
    CLO_AES_256_GCM = 2,
    CLO_CHACHA20_POLY1305 = 3
};
#define CLO_AEAD_TAG     16
#define CLO_AEAD_NONCE   12
#define CLO_AEAD_KEY_MAX 32
/* 16 or 32; 0 for an unknown id. */
size_t clo_aead_key_len(unsigned aead_id);

/*
 * A sequence of sealed (or opened) messages in one direction under one key: message i uses
 * base_nonce XOR i (RFC 9180 section 5.2). A sequence goes one way only; after the first failure every call
 * fails with CLOISTER_E_STATE and the key is gone.
 */
struct clo_aead_seq;
enum clo_aead_dir {
    CLO_SEAL,
    CLO_OPEN
};
CLO_MUST_USE int clo_aead_seq_new(unsigned aead_id, enum clo_aead_dir dir, const uint8_t *key,
                                  const uint8_t base_nonce[CLO_AEAD_NONCE],
                                  struct clo_aead_seq **ret);
/* dst gets n + CLO_AEAD_TAG bytes; may be the same place as p. */
CLO_MUST_USE int clo_aead_seal(struct clo_aead_seq *s, const void *aad, size_t aad_n, const void *p,
                               size_t n, uint8_t *dst);
/* n includes the tag; dst gets n - CLO_AEAD_TAG bytes; on failure dst is wiped and holds nothing. */
CLO_MUST_USE int clo_aead_open(struct clo_aead_seq *s, const void *aad, size_t aad_n, const void *p,
                               size_t n, uint8_t *dst);
void clo_aead_seq_free(struct clo_aead_seq *s);

/* ---- X25519 (RFC 7748) ---- */
#define CLO_X25519_LEN 32
CLO_MUST_USE int clo_x25519_public(const uint8_t sk[32], uint8_t pk[32]);
/* An all-zero result (a small-order peer point) is CLOISTER_E_AUTH. */
CLO_MUST_USE int clo_x25519(const uint8_t sk[32], const uint8_t pk[32], uint8_t ss[32]);

/* ---- ML-KEM-768 (FIPS 203) ---- */
#define CLO_MLKEM768_SEED 64 /* d || z */
#define CLO_MLKEM768_PK   1184
#define CLO_MLKEM768_CT   1088
#define CLO_MLKEM768_SS   32
CLO_MUST_USE int clo_mlkem768_public(const uint8_t seed[CLO_MLKEM768_SEED],
                                     uint8_t pk[CLO_MLKEM768_PK]);
/* m: the 32 bytes of randomness of FIPS 203 ML-KEM.Encaps_internal. A pk that fails the modulus check: E_MALFORMED. */
CLO_MUST_USE int clo_mlkem768_encaps(const uint8_t pk[CLO_MLKEM768_PK], const uint8_t m[32],
                                     uint8_t ct[CLO_MLKEM768_CT], uint8_t ss[CLO_MLKEM768_SS]);
CLO_MUST_USE int clo_mlkem768_decaps(const uint8_t seed[CLO_MLKEM768_SEED],
                                     const uint8_t ct[CLO_MLKEM768_CT],
                                     uint8_t ss[CLO_MLKEM768_SS]);

/* SHA3-256 and SHAKE256: X-Wing's combiner and seed expansion. */
CLO_MUST_USE int clo_sha3_256(const struct clo_slice *in, size_t count, uint8_t ret[32]);
CLO_MUST_USE int clo_shake256(const struct clo_slice *in, size_t count, uint8_t *ret, size_t n);

/* ---- Ed25519 (RFC 8032) ---- */
CLO_MUST_USE int clo_ed25519_public(const uint8_t seed[32], uint8_t pk[32]);
CLO_MUST_USE int clo_ed25519_sign(const uint8_t seed[32], const void *p, size_t n, uint8_t sig[64]);
/* 0 or CLOISTER_E_AUTH. */
CLO_MUST_USE int clo_ed25519_verify(const uint8_t pk[32], const void *p, size_t n,
                                    const uint8_t sig[64]);

#endif
