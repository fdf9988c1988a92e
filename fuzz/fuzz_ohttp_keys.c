/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of key configurations: what was read is within its limits, writes and reads back the same, and a
 * request to it either starts or says why not.
 */
#include "ohttp.h"

enum {
    CAP = 4
};

static int zeros(void *ctx, uint8_t *p, size_t n)
{
    (void)ctx;
    memset(p, 0, n);
    return 0;
}

static void start(const struct clo_ohttp_keyconf *k)
{
    const struct clo_rng rng = {zeros, NULL};
    struct clo_buf out = clo_buf_init(4096);
    struct clo_ohttp_opened o = {0};
    uint8_t enc[CLO_KEM_ENC_MAX] = {0};
    int err;

    err = clo_ohttp_start_request(k, k->suite[0].aead, true, &rng, &out, enc, &o);
    FUZZ_CHECK(err == 0 || err == CLOISTER_E_MALFORMED || err == CLOISTER_E_AUTH);
    FUZZ_CHECK(out.len == (err == 0 ? CLO_OHTTP_HDR + clo_kem_enc_len(k->kem) : 0));
    clo_buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct clo_ohttp_keyconf k[CAP], again[CAP];
    static uint8_t list[2][CAP * (CLO_KEM_PK_MAX + 64)];
    struct clo_wr wr = clo_wr_init(list[0], sizeof(list[0]));
    struct clo_wr wr2 = clo_wr_init(list[1], sizeof(list[1]));
    size_t n = SIZE_MAX, n2 = 0;

    if (clo_ohttp_keys_parse(data, size, k, CAP, &n) != 0) {
        FUZZ_CHECK(n == SIZE_MAX);
        return 0;
    }
    FUZZ_CHECK(n <= CAP);
    if (n == 0)
        return 0;
    FUZZ_CHECK(clo_ohttp_keys_write(k, n, &wr) == 0 && wr.len <= size);
    FUZZ_CHECK(clo_ohttp_keys_parse(list[0], wr.len, again, CAP, &n2) == 0 && n2 == n);
    FUZZ_CHECK(clo_ohttp_keys_write(again, n, &wr2) == 0 && wr2.len == wr.len);
    FUZZ_CHECK(memcmp(list[0], list[1], wr.len) == 0);
    for (size_t i = 0; i < n; i++)
        start(&k[i]);
    return 0;
}
