/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's side of an encapsulated request: header, decapsulation with a fixed key, chunks. The first
 * byte says in what pieces the rest comes; the rest is read in the chunked and in the plain form.
 */
#include "ohttp.h"

static void read_plain(const struct clo_ohttp_opened *o, const struct clo_rd *body)
{
    struct clo_buf text = clo_buf_init(1 << 22);
    int err;

    err = clo_ohttp_plain_open_request(o, body->p, body->left, &text);
    FUZZ_CHECK(err == 0 || err == CLOISTER_E_AUTH);
    FUZZ_CHECK(text.len == (err == 0 ? body->left - CLO_AEAD_TAG : 0));
    clo_buf_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_rd rd = clo_rd_init(data, size);
    struct clo_ohttp_header h = {0};
    struct clo_ohttp_opened o = {0};
    const uint8_t *enc = NULL;
    uint8_t piece = 0;

    if (clo_rd_u8(&rd, &piece) != 0 || clo_ohttp_header_parse(&rd, &h) != 0)
        return 0;
    if (!clo_suite_known(&h.suite)) {
        FUZZ_CHECK(clo_ohttp_open_request(fuzz_seed, &h, true, data, &o) == CLOISTER_E_UNSUPPORTED);
        return 0;
    }
    if (clo_rd_view(&rd, clo_kem_enc_len(h.suite.kem), &enc) != 0)
        return 0;
    if (clo_ohttp_open_request(fuzz_seed, &h, true, enc, &o) != 0) /* a point of small order */
        return 0;
    fuzz_read_both_ways(h.suite.aead, o.key, o.base_nonce, rd, (size_t)piece + 1);
    FUZZ_CHECK(clo_ohttp_open_request(fuzz_seed, &h, false, enc, &o) == 0);
    read_plain(&o, &rd);
    return 0;
}
