/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles: what is read is written again as the same bytes' meaning; nothing in them leads out of its caps. */
#include <string.h>

#include "attest/bundle.h"
#include "fuzz.h"

static bool same(const struct clo_buf *a, const struct clo_buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

static void check_same(const struct clo_bundle *a, const struct clo_bundle *b)
{
    FUZZ_CHECK(a->created == b->created && a->expires == b->expires && a->items == b->items);
    FUZZ_CHECK(same(&a->policy, &b->policy) && same(&a->evidence, &b->evidence) &&
               same(&a->expect, &b->expect));
    FUZZ_CHECK(a->has_nonce == b->has_nonce && memcmp(a->nonce, b->nonce, sizeof a->nonce) == 0);
    for (size_t i = 0; i < a->items; i++)
        FUZZ_CHECK(a->item[i].item == b->item[i].item &&
                   same(&a->item[i].bytes, &b->item[i].bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_buf out = clo_buf_init(CLO_BUNDLE_MAX);
    struct clo_bundle b = {0}, again = {0};

    if (clo_bundle_parse(data, size, &b) == 0) {
        FUZZ_CHECK(b.created < b.expires && (b.evidence.len == 0) == (b.items != 0));
        FUZZ_CHECK(b.items <= CLO_BUNDLE_ITEMS);
        FUZZ_CHECK(clo_bundle_write(&b, &out) == 0);
        FUZZ_CHECK(clo_bundle_parse(out.p, out.len, &again) == 0);
        check_same(&b, &again);
    } else {
        FUZZ_CHECK(b.items == 0 && b.item == NULL);
    }
    clo_bundle_clear(&b);
    clo_bundle_clear(&again);
    clo_buf_clear(&out);
    return 0;
}
