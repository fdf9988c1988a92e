/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HPKE (RFC 9180), base mode, with HKDF-SHA256 and two KEMs: X-Wing (draft-connolly-cfrg-xwing-kem) and
 * DHKEM(X25519, HKDF-SHA256). Written over the crypto facade: OpenSSL's own HPKE knows no X-Wing.
 *
 * Private keys are 32-byte seeds. X-Wing's expands with SHAKE256 (draft section 5.2); an X25519 runtime
 * key's seed is its private key.
 */
#ifndef CLO_CODEC_HPKE_H
#define CLO_CODEC_HPKE_H

#include "crypto/crypto.h"

enum clo_kem_id {
    CLO_KEM_X25519 = 0x0020,
    CLO_KEM_XWING = 0x647a
};
enum clo_kdf_id {
    CLO_KDF_HKDF_SHA256 = 0x0001
};

#define CLO_KEM_SEED    32
#define CLO_KEM_PK_MAX  1216
#define CLO_KEM_ENC_MAX 1120
#define CLO_KEM_SS      32
/* 0 for an unknown KEM. */
size_t clo_kem_pk_len(unsigned kem_id);
size_t clo_kem_enc_len(unsigned kem_id);

CLO_MUST_USE int clo_kem_public(unsigned kem_id, const uint8_t seed[CLO_KEM_SEED], uint8_t *pk);
/* X25519 draws 32 bytes from rng, X-Wing 64 (ML-KEM's m, then the ephemeral X25519 key). */
CLO_MUST_USE int clo_kem_encaps(unsigned kem_id, const uint8_t *pk, const struct clo_rng *rng,
                                uint8_t *enc, uint8_t ss[CLO_KEM_SS]);
CLO_MUST_USE int clo_kem_decaps(unsigned kem_id, const uint8_t seed[CLO_KEM_SEED],
                                const uint8_t *enc, uint8_t ss[CLO_KEM_SS]);

struct clo_suite {
    uint16_t kem, kdf, aead;
};
CLO_MUST_USE bool clo_suite_known(const struct clo_suite *s);

/* The key schedule's results (RFC 9180 section 5.1); wipe with clo_hpke_keys_wipe, or keep in guarded memory. */
struct clo_hpke_keys {
    uint8_t key[CLO_AEAD_KEY_MAX];
    uint8_t base_nonce[CLO_AEAD_NONCE];
    uint8_t exporter[CLO_SHA256_LEN];
};
void clo_hpke_keys_wipe(struct clo_hpke_keys *k);
CLO_MUST_USE int clo_hpke_schedule(const struct clo_suite *s, const uint8_t ss[CLO_KEM_SS],
                                   const void *info, size_t info_n, struct clo_hpke_keys *ret);
CLO_MUST_USE int clo_hpke_export(const struct clo_suite *s, const uint8_t exporter[CLO_SHA256_LEN],
                                 const void *context, size_t context_n, void *ret, size_t n);

/* SetupBaseS: encapsulate to pk and run the schedule. */
CLO_MUST_USE int clo_hpke_setup_s(const struct clo_suite *s, const uint8_t *pk, const void *info,
                                  size_t info_n, const struct clo_rng *rng, uint8_t *enc,
                                  struct clo_hpke_keys *ret);
/* SetupBaseR. */
CLO_MUST_USE int clo_hpke_setup_r(const struct clo_suite *s, const uint8_t seed[CLO_KEM_SEED],
                                  const uint8_t *enc, const void *info, size_t info_n,
                                  struct clo_hpke_keys *ret);

#endif
