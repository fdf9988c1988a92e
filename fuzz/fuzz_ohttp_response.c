/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of an encapsulated response under a fixed secret: response nonce, then chunks or one
 * plain message. The first byte picks AEAD and form, the second the pieces.
 */
#include "ohttp.h"

static void read_chunked(const struct clo_ohttp_opened *o, struct clo_rd rd, size_t piece)
{
    uint8_t key[CLO_AEAD_KEY_MAX] = {0}, base_nonce[CLO_AEAD_NONCE] = {0};
    const uint8_t *nonce = NULL;

    if (clo_rd_view(&rd, clo_ohttp_secret_len(o->suite.aead), &nonce) != 0)
        return;
    FUZZ_CHECK(clo_ohttp_response_keys(o, fuzz_enc, nonce, key, base_nonce) == 0);
    fuzz_read_both_ways(o->suite.aead, key, base_nonce, rd, piece);
}

static void read_plain(const struct clo_ohttp_opened *o, const struct clo_rd *rd)
{
    const size_t front = clo_ohttp_secret_len(o->suite.aead) + CLO_AEAD_TAG;
    struct clo_buf text = clo_buf_init(1 << 22);
    int err;

    err = clo_ohttp_plain_open_response(o, fuzz_enc, rd->p, rd->left, &text);
    FUZZ_CHECK(err == 0 || err == CLOISTER_E_AUTH || err == CLOISTER_E_TRUNCATED);
    FUZZ_CHECK(text.len == (err == 0 ? rd->left - front : 0));
    clo_buf_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_rd rd = clo_rd_init(data, size);
    uint8_t choice = 0, piece = 0;
    struct clo_ohttp_opened o;

    if (clo_rd_u8(&rd, &choice) != 0 || clo_rd_u8(&rd, &piece) != 0)
        return 0;
    o = fuzz_opened(CLO_AES_128_GCM + choice % 3, choice / 3 % 2 == 0);
    if (o.chunked)
        read_chunked(&o, rd, (size_t)piece + 1);
    else
        read_plain(&o, &rd);
    return 0;
}
