/* SPDX-License-Identifier: Apache-2.0 */
/* The key store: what is accepted is written and read again as the same, and holds what the store promises. */
#include <string.h>

#include "daemon/parent/keys.h"
#include "fuzz.h"

static void check_key(const struct clo_keys *keys, const struct clo_key *k)
{
    FUZZ_CHECK(strlen(k->id) == CLO_KEY_ID_LEN);
    FUZZ_CHECK(k->label[0] == 0 || clo_key_label_ok(k->label, strlen(k->label)));
    FUZZ_CHECK(k->created >= 0 && k->created <= CLO_TIME_MAX);
    FUZZ_CHECK(k->terms.expires >= 0 && k->terms.expires <= CLO_TIME_MAX);
    FUZZ_CHECK(clo_keys_find(keys, k->id) == k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_keys keys = {0}, again = {0};
    struct clo_buf out = clo_buf_init(CLO_KEYS_FILE_MAX);
    uint32_t at = 0;

    if (clo_keys_parse(data, size, &keys, &at) != 0) {
        FUZZ_CHECK(keys.at == NULL && at <= CLO_CREDENTIALS_MAX);
        return 0;
    }
    FUZZ_CHECK(keys.count <= CLO_CREDENTIALS_MAX);
    for (uint32_t i = 0; i < keys.count; i++)
        check_key(&keys, &keys.at[i]);
    FUZZ_CHECK(clo_keys_write(&keys, &out) == 0);
    FUZZ_CHECK(clo_keys_parse(out.p, out.len, &again, NULL) == 0);
    FUZZ_CHECK(again.count == keys.count);
    for (uint32_t i = 0; i < keys.count; i++) {
        FUZZ_CHECK(strcmp(again.at[i].id, keys.at[i].id) == 0 &&
                   strcmp(again.at[i].label, keys.at[i].label) == 0);
        FUZZ_CHECK(again.at[i].created == keys.at[i].created &&
                   memcmp(&again.at[i].terms, &keys.at[i].terms, sizeof keys.at[i].terms) == 0);
    }
    clo_buf_clear(&out);
    clo_keys_clear(&keys);
    clo_keys_clear(&again);
    return 0;
}
