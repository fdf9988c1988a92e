/* SPDX-License-Identifier: Apache-2.0 */
/* A verdict out of a cell: an error, or one that would be written so, and that holds what a channel rests on. */
#include <stdlib.h>
#include <string.h>

#include "client/judge.h"
#include "fuzz.h"

#define NOW 1800000000

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const uint8_t digest[32] = {7};
    static const struct cloister_nonce nonce = {{1}, NOW - 1};
    struct cloister_verdict *v = calloc(1, sizeof(*v));
    struct clo_buf again = clo_buf_init(1 << 19);

    if (v == NULL)
        return 0;
    if (clo_verdict_unpack(p, n, digest, &nonce, NOW, v) == 0) {
        FUZZ_CHECK(clo_verdict_pack(v, &again) == 0 && again.len == n);
        FUZZ_CHECK(memcmp(again.p, p, n) == 0);
        FUZZ_CHECK((v->outcome == CLOISTER_VERIFIED) == (v->ohttp_keys_n > 0));
        FUZZ_CHECK(v->valid_until <= nonce.sent_at + 3600 && v->checked_at == NOW);
    } else {
        FUZZ_CHECK(v->outcome == CLOISTER_NOT_VERIFIED && v->ohttp_keys_n == 0);
    }
    clo_buf_clear(&again);
    free(v);
    return 0;
}
