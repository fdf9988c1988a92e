/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: what is accepted is not too deep, and written and read again it is equal; the readers of members
 * agree with each other about it.
 */
#include <string.h>

#include "codec/json.h"
#include "fuzz.h"

enum {
    SIZE_LIMIT = 1 << 16
};

/* Bounded by what it checks. NOLINTNEXTLINE(misc-no-recursion) */
static void check_depth(const json_t *v, unsigned depth)
{
    json_t *m = (json_t *)(uintptr_t)v; /* jansson's iterators lack const */
    const char *key = NULL;
    json_t *member = NULL;
    size_t i = 0;

    if (!json_is_object(v) && !json_is_array(v))
        return;
    FUZZ_CHECK(depth < CLO_JSON_DEPTH_MAX);
    json_object_foreach(m, key, member)
        check_depth(member, depth + 1);
    json_array_foreach(m, i, member)
        check_depth(member, depth + 1);
}

static void check_round_trip(const json_t *v)
{
    struct clo_buf out = clo_buf_init(SIZE_LIMIT * 8);
    json_t *again = NULL;

    FUZZ_CHECK(clo_json_write(v, &out) == 0);
    FUZZ_CHECK(clo_json_parse(out.p, out.len, out.len, &again) == 0);
    FUZZ_CHECK(json_equal(v, again));
    json_decref(again);
    clo_buf_clear(&out);
}

static void read_members(const json_t *v)
{
    struct clo_json_obj o = clo_json_obj_init(v);
    uint8_t hash[4] = {0};
    struct clo_buf bytes = clo_buf_init(0);

    clo_json_obj_v1(&o);
    FUZZ_CHECK(clo_json_obj_int(&o, "i", -5, 5) <= 5);
    FUZZ_CHECK(strlen(clo_json_obj_str(&o, "s", 8)) <= 8);
    clo_json_obj_opt_str(&o, "os", 8);
    clo_json_obj_opt_int(&o, "oi", 0, 9, 3);
    clo_json_obj_opt_bool(&o, "ob", true);
    clo_json_obj_bool(&o, "b");
    clo_json_obj_hex(&o, "h", hash, sizeof(hash));
    clo_json_obj_b64(&o, "x", 16, &bytes);
    FUZZ_CHECK(bytes.len <= 16);
    if (clo_json_obj_end(&o) == 0) {
        FUZZ_CHECK(json_object_size(v) >= 6 && json_object_size(v) <= 9);
        FUZZ_CHECK(json_integer_value(json_object_get(v, "v")) == 1);
    }
    clo_buf_clear(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *v = NULL;

    if (clo_json_parse(data, size, SIZE_LIMIT, &v) != 0) {
        FUZZ_CHECK(v == NULL);
        return 0;
    }
    check_depth(v, 0);
    check_round_trip(v);
    read_members(v);
    json_decref(v);
    return 0;
}
