/* SPDX-License-Identifier: Apache-2.0 */
/* Salts for an engine's prefix cache: see salt.h. */
#include "daemon/gateway/salt.h"

#include "base/secret.h"

int clo_salt_renew(const struct clo_rng *rng, uint8_t secret[CLO_SALT_SECRET])
{
    return clo_rng_fill(rng, secret, CLO_SALT_SECRET);
}

int clo_salt_of(const uint8_t secret[CLO_SALT_SECRET], const uint8_t credential[32],
                char ret[CLO_SALT_LEN + 1])
{
    static const char label[] = "cloister cache salt v1";
    const struct clo_slice info[] = {{label, sizeof(label) - 1}, {credential, 32}};
    CLO_SECRET(salt, 32);
    int err = clo_hkdf_expand(secret, info, CLO_ARRAY_LEN(info), salt, sizeof(salt));

    if (err == 0)
        clo_b64(salt, sizeof(salt), ret);
    return err;
}
