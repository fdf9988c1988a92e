/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binding between evidence and hardware (docs/PROTOCOL.md section 1): what a report's user data
 * must be. Every input but the label has a fixed length, so that no two inputs share an encoding.
 */
#include "attest/sections.h"

/* The label's terminating zero byte is part of it. */
static const char cpu_label[] = "cloister cpu v1";
static const char gpu_label[] = "cloister gpu v1";

int clo_bind_cpu(const uint8_t root[32], const uint8_t keys[32], const uint8_t manifest[32],
                 const uint8_t devices[32], uint8_t report_data[64])
{
    const struct clo_slice in[] = {
        {cpu_label, sizeof cpu_label}, {root, 32}, {keys, 32}, {manifest, 32}, {devices, 32},
    };

    return clo_hash(CLO_SHA512, in, CLO_ARRAY_LEN(in), report_data);
}

int clo_bind_gpu(const uint8_t keys[32], const uint8_t manifest[32], uint8_t nonce[32])
{
    const struct clo_slice in[] = {
        {gpu_label, sizeof gpu_label},
        {keys, 32},
        {manifest, 32},
    };

    return clo_hash(CLO_SHA256, in, CLO_ARRAY_LEN(in), nonce);
}
