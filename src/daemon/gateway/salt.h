/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Salts that keep one API key's prompts out of another's reach in the prefix cache of an engine that takes `cache_salt`: vLLM
 * reuses a block only under the salt that it was made with.
 *
 * A salt is HKDF-Expand(secret, "cloister cache salt v1" || credential). The secret is 32 fresh random bytes for each set of
 * HPKE keys and each engine, so that nobody can guess a salt, and nothing is reused beyond the life of the keys under which it was asked.
 */
#ifndef CLO_GATEWAY_SALT_H
#define CLO_GATEWAY_SALT_H

#include "base/enc.h"
#include "crypto/crypto.h"

#define CLO_SALT_SECRET 32
#define CLO_SALT_LEN    CLO_B64_LEN(32)

/* A new secret. */
CLO_MUST_USE int clo_salt_renew(const struct clo_rng *rng, uint8_t secret[CLO_SALT_SECRET]);
/* The salt of this credential (the digest of its API key), base64url, zero-terminated. */
CLO_MUST_USE int clo_salt_of(const uint8_t secret[CLO_SALT_SECRET], const uint8_t credential[32],
                             char ret[CLO_SALT_LEN + 1]);

#endif
