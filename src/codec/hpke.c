/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HPKE base mode over the crypto facade: two KEMs, then RFC 9180's key schedule with HKDF-SHA256.
 *
 * Secrets stand in CLO_SECRET arrays or in structs with a cleanup attribute, so every way out wipes
 * them. Nothing here parses: all inputs have fixed lengths. The fuzzers are those of ohttp.c.
 */
#include "codec/hpke.h"

#include <string.h>

#include "base/rw.h"
#include "base/secret.h"

#define X25519_LEN        CLO_X25519_LEN
#define XWING_SEED        96 /* ML-KEM's d and z, then the X25519 private key */
#define LABEL_VERSION     "HPKE-v1"
#define SUITE_ID_MAX      10
#define XWING_PK          (CLO_MLKEM768_PK + X25519_LEN)
#define XWING_ENC         (CLO_MLKEM768_CT + X25519_LEN)
#define CONTEXT_LEN       (1 + 2 * CLO_SHA256_LEN)
#define STR_SLICE(string) ((struct clo_slice){string, sizeof(string) - 1})

_Static_assert(XWING_PK == CLO_KEM_PK_MAX && XWING_ENC == CLO_KEM_ENC_MAX, "X-Wing's sizes");

/* ---- labelled HKDF (RFC 9180 section 4) ---- */

/* "KEM" || kem id, or "HPKE" || kem id || kdf id || aead id. */
struct suite_id {
    uint8_t p[SUITE_ID_MAX];
    size_t n;
};

static struct suite_id suite_id_kem(unsigned kem)
{
    return (struct suite_id){{'K', 'E', 'M', (uint8_t)(kem >> 8), (uint8_t)kem}, 5};
}

static struct suite_id suite_id_hpke(const struct clo_suite *s)
{
    return (struct suite_id){{'H', 'P', 'K', 'E', (uint8_t)(s->kem >> 8), (uint8_t)s->kem,
                              (uint8_t)(s->kdf >> 8), (uint8_t)s->kdf, (uint8_t)(s->aead >> 8),
                              (uint8_t)s->aead},
                             10};
}

/* Only the schedule's "secret" has a salt, which is then CLO_KEM_SS bytes; NULL for none. */
static int labelled_extract(const struct suite_id *id, const uint8_t *salt, struct clo_slice label,
                            const void *ikm, size_t ikm_n, uint8_t prk[CLO_SHA256_LEN])
{
    const struct clo_slice in[] = {STR_SLICE(LABEL_VERSION), {id->p, id->n}, label, {ikm, ikm_n}};

    return clo_hkdf_extract(salt, salt != NULL ? CLO_KEM_SS : 0, in, CLO_ARRAY_LEN(in), prk);
}

static int labelled_expand(const struct suite_id *id, const uint8_t prk[CLO_SHA256_LEN],
                           struct clo_slice label, const void *info, size_t info_n, void *ret,
                           size_t n)
{
    const uint8_t len[2] = {(uint8_t)(n >> 8), (uint8_t)n};
    const struct clo_slice in[] = {
        {len, sizeof(len)}, STR_SLICE(LABEL_VERSION), {id->p, id->n}, label, {info, info_n},
    };

    return clo_hkdf_expand(prk, in, CLO_ARRAY_LEN(in), ret, n); /* refuses n > 255 * 32 */
}

/* ---- DHKEM(X25519, HKDF-SHA256) (RFC 9180 section 4.1) ---- */

static int dhkem_secret(const uint8_t dh[X25519_LEN], const uint8_t enc[X25519_LEN],
                        const uint8_t pk[X25519_LEN], uint8_t ss[CLO_KEM_SS])
{
    const struct suite_id id = suite_id_kem(CLO_KEM_X25519);
    CLO_SECRET(prk, CLO_SHA256_LEN);
    uint8_t context[2 * X25519_LEN] = {0};
    int err;

    memcpy(context, enc, X25519_LEN);
    memcpy(context + X25519_LEN, pk, X25519_LEN);
    err = labelled_extract(&id, NULL, STR_SLICE("eae_prk"), dh, X25519_LEN, prk);
    if (err != 0)
        return err;
    return labelled_expand(&id, prk, STR_SLICE("shared_secret"), context, sizeof(context), ss,
                           CLO_KEM_SS);
}

static int dhkem_encaps(const uint8_t *pk, const struct clo_rng *rng, uint8_t *enc, uint8_t *ss)
{
    CLO_SECRET(ske, X25519_LEN);
    CLO_SECRET(dh, X25519_LEN);
    int err;

    if ((err = clo_rng_fill(rng, ske, sizeof(ske))) != 0 ||
        (err = clo_x25519_public(ske, enc)) != 0 || (err = clo_x25519(ske, pk, dh)) != 0)
        return err;
    return dhkem_secret(dh, enc, pk, ss);
}

static int dhkem_decaps(const uint8_t *sk, const uint8_t *enc, uint8_t *ss)
{
    CLO_SECRET(dh, X25519_LEN);
    uint8_t pk[X25519_LEN] = {0};
    int err;

    if ((err = clo_x25519(sk, enc, dh)) != 0 || (err = clo_x25519_public(sk, pk)) != 0)
        return err;
    return dhkem_secret(dh, enc, pk, ss);
}

/* ---- X-Wing (draft-connolly-cfrg-xwing-kem sections 5.2 to 5.5) ---- */

static int xwing_expand(const uint8_t seed[CLO_KEM_SEED], uint8_t ret[XWING_SEED])
{
    return clo_shake256(&(struct clo_slice){seed, CLO_KEM_SEED}, 1, ret, XWING_SEED);
}

static int xwing_combine(const uint8_t ss_m[CLO_MLKEM768_SS], const uint8_t ss_x[X25519_LEN],
                         const uint8_t ct_x[X25519_LEN], const uint8_t pk_x[X25519_LEN],
                         uint8_t ss[CLO_KEM_SS])
{
    static const uint8_t label[6] = {0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c};
    const struct clo_slice in[] = {
        {ss_m, CLO_MLKEM768_SS}, {ss_x, X25519_LEN},     {ct_x, X25519_LEN},
        {pk_x, X25519_LEN},      {label, sizeof(label)},
    };

    return clo_sha3_256(in, CLO_ARRAY_LEN(in), ss);
}

static int xwing_public(const uint8_t seed[CLO_KEM_SEED], uint8_t *pk)
{
    CLO_SECRET(sk, XWING_SEED);
    int err;

    if ((err = xwing_expand(seed, sk)) != 0 || (err = clo_mlkem768_public(sk, pk)) != 0)
        return err;
    return clo_x25519_public(sk + CLO_MLKEM768_SEED, pk + CLO_MLKEM768_PK);
}

/*
 * The draft lets an all-zero X25519 result through, because ML-KEM carries the secret then; clo_x25519
 * refuses it. Only a peer that chose such a point meets the difference, and it depends on public bytes.
 */
static int xwing_encaps(const uint8_t *pk, const struct clo_rng *rng, uint8_t *enc, uint8_t *ss)
{
    const uint8_t *pk_x = pk + CLO_MLKEM768_PK;
    uint8_t *ct_x = enc + CLO_MLKEM768_CT;
    CLO_SECRET(eseed, 32 + X25519_LEN); /* ML-KEM's m, then the ephemeral X25519 key */
    CLO_SECRET(ss_m, CLO_MLKEM768_SS);
    CLO_SECRET(ss_x, X25519_LEN);
    int err;

    if ((err = clo_rng_fill(rng, eseed, sizeof(eseed))) != 0 ||
        (err = clo_mlkem768_encaps(pk, eseed, enc, ss_m)) != 0 ||
        (err = clo_x25519_public(eseed + 32, ct_x)) != 0 ||
        (err = clo_x25519(eseed + 32, pk_x, ss_x)) != 0)
        return err;
    return xwing_combine(ss_m, ss_x, ct_x, pk_x, ss);
}

static int xwing_decaps(const uint8_t *seed, const uint8_t *enc, uint8_t *ss)
{
    const uint8_t *ct_x = enc + CLO_MLKEM768_CT;
    CLO_SECRET(sk, XWING_SEED);
    CLO_SECRET(ss_m, CLO_MLKEM768_SS);
    CLO_SECRET(ss_x, X25519_LEN);
    uint8_t pk_x[X25519_LEN] = {0};
    int err;

    if ((err = xwing_expand(seed, sk)) != 0 || (err = clo_mlkem768_decaps(sk, enc, ss_m)) != 0 ||
        (err = clo_x25519(sk + CLO_MLKEM768_SEED, ct_x, ss_x)) != 0 ||
        (err = clo_x25519_public(sk + CLO_MLKEM768_SEED, pk_x)) != 0)
        return err;
    return xwing_combine(ss_m, ss_x, ct_x, pk_x, ss);
}

/* ---- the KEMs by their id ---- */

size_t clo_kem_pk_len(unsigned kem_id)
{
    switch (kem_id) {
    case CLO_KEM_X25519: return X25519_LEN;
    case CLO_KEM_XWING: return XWING_PK;
    default: return 0;
    }
}

size_t clo_kem_enc_len(unsigned kem_id)
{
    switch (kem_id) {
    case CLO_KEM_X25519: return X25519_LEN;
    case CLO_KEM_XWING: return XWING_ENC;
    default: return 0;
    }
}

int clo_kem_public(unsigned kem_id, const uint8_t seed[CLO_KEM_SEED], uint8_t *pk)
{
    switch (kem_id) {
    case CLO_KEM_X25519: return clo_x25519_public(seed, pk);
    case CLO_KEM_XWING: return xwing_public(seed, pk);
    default: return CLOISTER_E_UNSUPPORTED;
    }
}

int clo_kem_encaps(unsigned kem_id, const uint8_t *pk, const struct clo_rng *rng, uint8_t *enc,
                   uint8_t ss[CLO_KEM_SS])
{
    switch (kem_id) {
    case CLO_KEM_X25519: return dhkem_encaps(pk, rng, enc, ss);
    case CLO_KEM_XWING: return xwing_encaps(pk, rng, enc, ss);
    default: return CLOISTER_E_UNSUPPORTED;
    }
}

int clo_kem_decaps(unsigned kem_id, const uint8_t seed[CLO_KEM_SEED], const uint8_t *enc,
                   uint8_t ss[CLO_KEM_SS])
{
    switch (kem_id) {
    case CLO_KEM_X25519: return dhkem_decaps(seed, enc, ss);
    case CLO_KEM_XWING: return xwing_decaps(seed, enc, ss);
    default: return CLOISTER_E_UNSUPPORTED;
    }
}

/* ---- the key schedule (RFC 9180 section 5.1) ---- */

bool clo_suite_known(const struct clo_suite *s)
{
    return clo_kem_pk_len(s->kem) != 0 && s->kdf == CLO_KDF_HKDF_SHA256 &&
           clo_aead_key_len(s->aead) != 0;
}

void clo_hpke_keys_wipe(struct clo_hpke_keys *k)
{
    clo_wipe(k, sizeof(*k));
}

/* mode_base || psk_id_hash || info_hash; in base mode the PSK and its id are empty. */
static int schedule_context(const struct suite_id *id, const void *info, size_t info_n,
                            uint8_t ret[CONTEXT_LEN])
{
    int err;

    ret[0] = 0;
    err = labelled_extract(id, NULL, STR_SLICE("psk_id_hash"), NULL, 0, ret + 1);
    if (err != 0)
        return err;
    return labelled_extract(id, NULL, STR_SLICE("info_hash"), info, info_n,
                            ret + 1 + CLO_SHA256_LEN);
}

int clo_hpke_schedule(const struct clo_suite *s, const uint8_t ss[CLO_KEM_SS], const void *info,
                      size_t info_n, struct clo_hpke_keys *ret)
{
    const struct suite_id id = suite_id_hpke(s);
    __attribute__((cleanup(clo_hpke_keys_wipe))) struct clo_hpke_keys k = {0};
    CLO_SECRET(secret, CLO_SHA256_LEN);
    uint8_t context[CONTEXT_LEN] = {0};
    int err;

    if (!clo_suite_known(s))
        return CLOISTER_E_UNSUPPORTED;
    if ((err = schedule_context(&id, info, info_n, context)) != 0 ||
        (err = labelled_extract(&id, ss, STR_SLICE("secret"), NULL, 0, secret)) != 0 ||
        (err = labelled_expand(&id, secret, STR_SLICE("key"), context, sizeof(context), k.key,
                               clo_aead_key_len(s->aead))) != 0 ||
        (err = labelled_expand(&id, secret, STR_SLICE("base_nonce"), context, sizeof(context),
                               k.base_nonce, sizeof(k.base_nonce))) != 0 ||
        (err = labelled_expand(&id, secret, STR_SLICE("exp"), context, sizeof(context), k.exporter,
                               sizeof(k.exporter))) != 0)
        return err;
    *ret = k;
    return 0;
}

int clo_hpke_export(const struct clo_suite *s, const uint8_t exporter[CLO_SHA256_LEN],
                    const void *context, size_t context_n, void *ret, size_t n)
{
    const struct suite_id id = suite_id_hpke(s);

    return labelled_expand(&id, exporter, STR_SLICE("sec"), context, context_n, ret, n);
}

int clo_hpke_setup_s(const struct clo_suite *s, const uint8_t *pk, const void *info, size_t info_n,
                     const struct clo_rng *rng, uint8_t *enc, struct clo_hpke_keys *ret)
{
    CLO_SECRET(ss, CLO_KEM_SS);
    int err;

    err = clo_suite_known(s) ? clo_kem_encaps(s->kem, pk, rng, enc, ss) : CLOISTER_E_UNSUPPORTED;
    if (err != 0)
        return err;
    return clo_hpke_schedule(s, ss, info, info_n, ret);
}

int clo_hpke_setup_r(const struct clo_suite *s, const uint8_t seed[CLO_KEM_SEED],
                     const uint8_t *enc, const void *info, size_t info_n, struct clo_hpke_keys *ret)
{
    CLO_SECRET(ss, CLO_KEM_SS);
    int err;

    err = clo_suite_known(s) ? clo_kem_decaps(s->kem, seed, enc, ss) : CLOISTER_E_UNSUPPORTED;
    if (err != 0)
        return err;
    return clo_hpke_schedule(s, ss, info, info_n, ret);
}
