/* SPDX-License-Identifier: Apache-2.0 */
/* Strict JSON (RFC 8259): what is refused before, by and after jansson, and the reader of objects. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/json.h"

static int parse_bytes(const void *p, size_t n)
{
    json_t *v = NULL;
    int err = clo_json_parse(p, n, 1 << 16, &v);

    assert_int_equal(v == NULL, err != 0);
    json_decref(v);
    return err;
}

static int parse(const char *s)
{
    return parse_bytes(s, strlen(s));
}

static json_t *must_parse(const char *s)
{
    json_t *v = NULL;

    assert_int_equal(clo_json_parse(s, strlen(s), 1 << 16, &v), 0);
    return v;
}

static void objects_and_arrays_are_read(void **state)
{
    (void)state;
    assert_int_equal(parse("{}"), 0);
    assert_int_equal(parse(" [1, -2, 1.5e3, \"\\u00e9\\ud83d\\ude00\", null, true, {\"a\": []}]\n"),
                     0);
}

static void what_is_not_json_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "{]",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "[01]",
        "[+1]",
        "[.5]",
        "[1.]",
        "[0x1]",
        "[NaN]",
        "[Infinity]",
        "[1e999]",
        "[\"\n\"]",
        "[\"\\x\"]",
        "[\"\\ud83d\"]",
        "[\"",
        "[\"\\",
        "[tru]",
        "// c\n[]",
        "[]/**/",
        "1",
        "\"a\"",
        "null",
        "[99999999999999999999]",
        "\xef\xbb\xbf[]",
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        assert_int_equal(parse(bad[i]), CLOISTER_E_MALFORMED);
}

static void bytes_behind_the_value_are_refused(void **state)
{
    (void)state;
    assert_int_equal(parse("{} {}"), CLOISTER_E_MALFORMED);
    assert_int_equal(parse("[]x"), CLOISTER_E_MALFORMED);
    assert_int_equal(parse_bytes("[]\0", 3), CLOISTER_E_MALFORMED);
    assert_int_equal(parse("[] \t\r\n"), 0);
}

static void repeated_members_are_refused(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"a\":1,\"a\":1}"), CLOISTER_E_DUPLICATE);
    assert_int_equal(parse("{\"a\":1,\"\\u0061\":2}"), CLOISTER_E_DUPLICATE);
    assert_int_equal(parse("[{\"x\":{\"a\":1,\"b\":2,\"a\":3}}]"), CLOISTER_E_DUPLICATE);
    assert_int_equal(parse("[{\"a\":1},{\"a\":1}]"), 0);
}

static void zero_bytes_in_text_are_refused(void **state)
{
    (void)state;
    assert_int_equal(parse("[\"\\u0000\"]"), CLOISTER_E_MALFORMED);
    assert_int_equal(parse("{\"a\\u0000b\":1}"), CLOISTER_E_MALFORMED);
    assert_int_equal(parse_bytes("[\"\0\"]", 5), CLOISTER_E_MALFORMED);
}

static void text_that_is_no_utf8_is_refused(void **state)
{
    (void)state;
    assert_int_equal(parse("[\"\xff\"]"), CLOISTER_E_MALFORMED);
    assert_int_equal(parse("[\"\xc0\xaf\"]"), CLOISTER_E_MALFORMED);
    assert_int_equal(parse("[\"\xed\xa0\x80\"]"), CLOISTER_E_MALFORMED);
    assert_int_equal(parse("[\"\xc3\"]"), CLOISTER_E_MALFORMED);
}

static int parse_nested(const char *open, const char *close, size_t depth)
{
    char text[1024] = "";

    for (size_t i = 0; i < depth; i++)
        strcat(text, open);
    strcat(text, "1");
    for (size_t i = 0; i < depth; i++)
        strcat(text, close);
    return parse(text);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(parse_nested("[", "]", CLO_JSON_DEPTH_MAX), 0);
    assert_int_equal(parse_nested("[", "]", CLO_JSON_DEPTH_MAX + 1), CLOISTER_E_LIMIT);
    assert_int_equal(parse_nested("{\"a\":", "}", CLO_JSON_DEPTH_MAX), 0);
    assert_int_equal(parse_nested("{\"a\":", "}", CLO_JSON_DEPTH_MAX + 1), CLOISTER_E_LIMIT);
}

static void brackets_in_text_are_no_depth(void **state)
{
    char text[256] = "[\"";

    (void)state;
    memset(text + 2, '[', 100);
    strcat(text, "\\\"[{\\\\\",\"[\",{}]");
    assert_int_equal(parse(text), 0);
    /* and the scan finds back out of a string: */
    assert_int_equal(parse_nested("[\"\\\\\",", "]", CLO_JSON_DEPTH_MAX + 1), CLOISTER_E_LIMIT);
    assert_int_equal(parse_nested("[\"\\\"\",", "]", CLO_JSON_DEPTH_MAX + 1), CLOISTER_E_LIMIT);
}

static void many_brackets_side_by_side_are_no_depth(void **state)
{
    char text[1024] = "[[]";

    (void)state;
    for (size_t i = 0; i < 200; i++)
        strcat(text, ",[]");
    strcat(text, "]");
    assert_int_equal(parse(text), 0);
}

/* Each small value takes a hundred times the memory of its text. */
static void the_number_of_values_is_bounded(void **state)
{
    static char text[2 * CLO_JSON_VALUES_MAX + 8];
    json_t *v = NULL;

    (void)state;
    text[0] = '[';
    for (size_t i = 0; i < CLO_JSON_VALUES_MAX; i++)
        memcpy(text + 1 + 2 * i, "1,", 2);
    memcpy(text + 2 * CLO_JSON_VALUES_MAX, "]", 2); /* instead of the last comma */
    assert_int_equal(clo_json_parse(text, strlen(text), sizeof(text), &v), 0);
    assert_int_equal(json_array_size(v), CLO_JSON_VALUES_MAX);
    json_decref(v);
    v = NULL;
    memcpy(text + 2 * CLO_JSON_VALUES_MAX, ",1]", 4);
    assert_int_equal(clo_json_parse(text, strlen(text), sizeof(text), &v), CLOISTER_E_LIMIT);
    assert_null(v);
    /* in a string they are no values */
    text[1] = '"';
    memcpy(text + 2 * CLO_JSON_VALUES_MAX, "1\"]", 4);
    assert_int_equal(clo_json_parse(text, strlen(text), sizeof(text), &v), 0);
    json_decref(v);
}

static void size_is_bounded(void **state)
{
    json_t *v = NULL;

    (void)state;
    assert_int_equal(clo_json_parse("[1234]", 6, 5, &v), CLOISTER_E_LIMIT);
    assert_null(v);
    assert_int_equal(clo_json_parse("[1234]", 6, 6, &v), 0);
    json_decref(v);
}

/* ---- writing ---- */

static void values_are_written_compactly_and_in_order(void **state)
{
    static const char text[] = "{\"z\":[1,-2,true,null],\"a\":\"\xc3\xa9\\n\\\"\",\"m\":{}}";
    struct clo_buf out = clo_buf_init(256);
    json_t *v = must_parse(text);

    (void)state;
    assert_int_equal(clo_json_write(v, &out), 0);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.p, text, out.len);
    json_decref(v);
    clo_buf_clear(&out);
}

static void what_does_not_fit_is_not_written(void **state)
{
    struct clo_buf out = clo_buf_init(6);
    json_t *v = must_parse("[1,2]");

    (void)state;
    assert_int_equal(clo_buf_append(&out, "ab", 2), 0);
    assert_int_equal(clo_json_write(v, &out), CLOISTER_E_LIMIT);
    assert_int_equal(out.len, 2);
    clo_buf_consume(&out, 1);
    assert_int_equal(clo_json_write(v, &out), 0);
    assert_memory_equal(out.p, "b[1,2]", 6);
    json_decref(v);
    clo_buf_clear(&out);
}

/* ---- reading objects ---- */

static void a_whole_object_is_read(void **state)
{
    json_t *v = must_parse(
        "{\"v\":1,\"i\":-3,\"t\":true,\"s\":\"text\",\"h\":\"00ff\",\"x\":\"aGk\","
        "\"a\":[1],\"oi\":5,\"os\":\"more\",\"ob\":false}");
    struct clo_json_obj o = clo_json_obj_init(v);
    struct clo_buf bytes = clo_buf_init(0);
    uint8_t hash[2] = {0};

    (void)state;
    clo_json_obj_v1(&o);
    assert_int_equal(clo_json_obj_int(&o, "i", -3, 3), -3);
    assert_true(clo_json_obj_bool(&o, "t"));
    assert_string_equal(clo_json_obj_str(&o, "s", 4), "text");
    clo_json_obj_hex(&o, "h", hash, 2);
    clo_json_obj_b64(&o, "x", 2, &bytes);
    assert_int_equal(json_array_size(clo_json_obj_need(&o, "a", JSON_ARRAY)), 1);
    assert_int_equal(clo_json_obj_opt_int(&o, "oi", 0, 9, 1), 5);
    assert_string_equal(clo_json_obj_opt_str(&o, "os", 9), "more");
    assert_false(clo_json_obj_opt_bool(&o, "ob", true));
    assert_int_equal(clo_json_obj_end(&o), 0);
    assert_memory_equal(hash, "\0\xff", 2);
    assert_int_equal(bytes.len, 2);
    assert_memory_equal(bytes.p, "hi", 2);
    clo_buf_clear(&bytes);
    json_decref(v);
}

static void optional_members_may_be_absent(void **state)
{
    json_t *v = must_parse("{}");
    struct clo_json_obj o = clo_json_obj_init(v);

    (void)state;
    assert_int_equal(clo_json_obj_opt_int(&o, "i", 0, 9, 77), 77);
    assert_true(clo_json_obj_opt_bool(&o, "b", true));
    assert_null(clo_json_obj_opt_str(&o, "s", 9));
    assert_null(clo_json_obj_opt(&o, "a", JSON_ARRAY));
    assert_int_equal(clo_json_obj_end(&o), 0);
    json_decref(v);
}

static void an_unknown_member_is_refused(void **state)
{
    json_t *v = must_parse("{\"a\":1,\"b\":2}");
    struct clo_json_obj o = clo_json_obj_init(v);

    (void)state;
    assert_int_equal(clo_json_obj_int(&o, "a", 0, 9), 1);
    assert_int_equal(clo_json_obj_end(&o), CLOISTER_E_UNKNOWN);
    json_decref(v);
}

typedef void (*reader)(struct clo_json_obj *o);

static void read_int(struct clo_json_obj *o)
{
    assert_in_range(clo_json_obj_int(o, "m", 1, 9), 1, 9);
}

static void read_opt_int(struct clo_json_obj *o)
{
    assert_in_range(clo_json_obj_opt_int(o, "m", 1, 9, 5), 1, 9);
}

static void read_bool(struct clo_json_obj *o)
{
    assert_false(clo_json_obj_bool(o, "m"));
}

static void read_opt_bool(struct clo_json_obj *o)
{
    assert_false(clo_json_obj_opt_bool(o, "m", false));
}

static void read_str(struct clo_json_obj *o)
{
    assert_string_equal(clo_json_obj_str(o, "m", 4), "");
}

static void read_opt_str(struct clo_json_obj *o)
{
    const char *s = clo_json_obj_opt_str(o, "m", 4);

    assert_true(s == NULL || s[0] == 0);
}

static void read_hex(struct clo_json_obj *o)
{
    uint8_t dst[2] = {7, 7};

    clo_json_obj_hex(o, "m", dst, 2);
    assert_memory_equal(dst, "\7\7", 2);
}

static void read_b64(struct clo_json_obj *o)
{
    struct clo_buf b = clo_buf_init(99);

    clo_json_obj_b64(o, "m", 3, &b);
    assert_int_equal(b.len, 0);
    assert_int_equal(b.max, 3);
    clo_buf_clear(&b);
}

static void read_array(struct clo_json_obj *o)
{
    assert_null(clo_json_obj_need(o, "m", JSON_ARRAY));
}

static void wrong_members_are_refused(void **state)
{
    static const struct {
        const char *json;
        reader read;
        int err;
    } bad[] = {
        {"{}", read_int, CLOISTER_E_MALFORMED},
        {"{\"m\":null}", read_int, CLOISTER_E_MALFORMED},
        {"{\"m\":0}", read_int, CLOISTER_E_MALFORMED},
        {"{\"m\":10}", read_int, CLOISTER_E_MALFORMED},
        {"{\"m\":2.0}", read_int, CLOISTER_E_MALFORMED},
        {"{\"m\":\"2\"}", read_int, CLOISTER_E_MALFORMED},
        {"{\"m\":true}", read_int, CLOISTER_E_MALFORMED},
        {"{\"m\":null}", read_opt_int, CLOISTER_E_MALFORMED},
        {"{\"m\":10}", read_opt_int, CLOISTER_E_MALFORMED},
        {"{\"m\":1e0}", read_opt_int, CLOISTER_E_MALFORMED},
        {"{}", read_bool, CLOISTER_E_MALFORMED},
        {"{\"m\":1}", read_bool, CLOISTER_E_MALFORMED},
        {"{\"m\":null}", read_bool, CLOISTER_E_MALFORMED},
        {"{\"m\":\"true\"}", read_opt_bool, CLOISTER_E_MALFORMED},
        {"{\"m\":null}", read_opt_bool, CLOISTER_E_MALFORMED},
        {"{}", read_str, CLOISTER_E_MALFORMED},
        {"{\"m\":1}", read_str, CLOISTER_E_MALFORMED},
        {"{\"m\":\"12345\"}", read_str, CLOISTER_E_LIMIT},
        {"{\"m\":null}", read_opt_str, CLOISTER_E_MALFORMED},
        {"{\"m\":\"12345\"}", read_opt_str, CLOISTER_E_LIMIT},
        {"{}", read_hex, CLOISTER_E_MALFORMED},
        {"{\"m\":\"00f\"}", read_hex, CLOISTER_E_MALFORMED},
        {"{\"m\":\"00ff00\"}", read_hex, CLOISTER_E_MALFORMED},
        {"{\"m\":\"00FF\"}", read_hex, CLOISTER_E_MALFORMED},
        {"{\"m\":1}", read_hex, CLOISTER_E_MALFORMED},
        {"{}", read_b64, CLOISTER_E_MALFORMED},
        {"{\"m\":\"Zg==\"}", read_b64, CLOISTER_E_MALFORMED},
        {"{\"m\":\"Zh\"}", read_b64, CLOISTER_E_MALFORMED},
        {"{\"m\":\"Z\"}", read_b64, CLOISTER_E_MALFORMED},
        {"{\"m\":\"Zm9vYg\"}", read_b64, CLOISTER_E_LIMIT},
        {"{\"m\":{}}", read_array, CLOISTER_E_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        json_t *v = must_parse(bad[i].json);
        struct clo_json_obj o = clo_json_obj_init(v);

        bad[i].read(&o);
        assert_int_equal(clo_json_obj_end(&o), bad[i].err);
        json_decref(v);
    }
}

static void an_empty_text_is_no_error(void **state)
{
    json_t *v = must_parse("{\"s\":\"\",\"x\":\"\"}");
    struct clo_json_obj o = clo_json_obj_init(v);
    struct clo_buf bytes = clo_buf_init(9);

    (void)state;
    assert_string_equal(clo_json_obj_str(&o, "s", 0), "");
    clo_json_obj_b64(&o, "x", 0, &bytes);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(clo_json_obj_end(&o), 0);
    clo_buf_clear(&bytes);
    json_decref(v);
}

static void any_version_but_1_is_unknown(void **state)
{
    static const char *const bad[] = {"{}",          "{\"v\":2}",     "{\"v\":0}",
                                      "{\"v\":1.0}", "{\"v\":\"1\"}", "{\"v\":null}",
                                      "{\"v\":true}"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        json_t *v = must_parse(bad[i]);
        struct clo_json_obj o = clo_json_obj_init(v);

        clo_json_obj_v1(&o);
        assert_int_equal(clo_json_obj_end(&o), CLOISTER_E_UNKNOWN);
        json_decref(v);
    }
}

static void the_first_error_is_the_one_told(void **state)
{
    json_t *v = must_parse("{\"s\":\"12345\",\"i\":true,\"unknown\":1}");
    struct clo_json_obj o = clo_json_obj_init(v);

    (void)state;
    clo_json_obj_str(&o, "s", 4);
    clo_json_obj_int(&o, "i", 0, 9);
    clo_json_obj_v1(&o);
    assert_int_equal(clo_json_obj_end(&o), CLOISTER_E_LIMIT);
    json_decref(v);
}

static void what_is_no_object_has_no_members(void **state)
{
    json_t *v = must_parse("[1]");
    struct clo_json_obj o = clo_json_obj_init(v), none = clo_json_obj_init(NULL);

    (void)state;
    assert_string_equal(clo_json_obj_str(&o, "s", 4), "");
    assert_null(clo_json_obj_opt(&none, "s", JSON_STRING));
    assert_int_equal(clo_json_obj_end(&o), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_json_obj_end(&none), CLOISTER_E_MALFORMED);
    json_decref(v);
}

static void an_object_has_at_most_64_members(void **state)
{
    (void)state;
    for (int n = 64; n <= 65; n++) {
        char text[1024] = "{", member[16] = "";
        struct clo_json_obj o = {0};
        json_t *v = NULL;

        for (int i = 0; i < n; i++) {
            snprintf(member, sizeof(member), "%s\"m%d\":%d", i == 0 ? "" : ",", i, i);
            strcat(text, member);
        }
        v = must_parse(strcat(text, "}"));
        o = clo_json_obj_init(v);
        for (int i = 0; i < n; i++) {
            snprintf(member, sizeof(member), "m%d", i);
            clo_json_obj_int(&o, member, 0, 64);
        }
        assert_int_equal(clo_json_obj_end(&o), n > 64 ? CLOISTER_E_LIMIT : 0);
        json_decref(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_and_arrays_are_read),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(bytes_behind_the_value_are_refused),
        cmocka_unit_test(repeated_members_are_refused),
        cmocka_unit_test(zero_bytes_in_text_are_refused),
        cmocka_unit_test(text_that_is_no_utf8_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(brackets_in_text_are_no_depth),
        cmocka_unit_test(many_brackets_side_by_side_are_no_depth),
        cmocka_unit_test(the_number_of_values_is_bounded),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(values_are_written_compactly_and_in_order),
        cmocka_unit_test(what_does_not_fit_is_not_written),
        cmocka_unit_test(a_whole_object_is_read),
        cmocka_unit_test(optional_members_may_be_absent),
        cmocka_unit_test(an_unknown_member_is_refused),
        cmocka_unit_test(wrong_members_are_refused),
        cmocka_unit_test(an_empty_text_is_no_error),
        cmocka_unit_test(any_version_but_1_is_unknown),
        cmocka_unit_test(the_first_error_is_the_one_told),
        cmocka_unit_test(what_is_no_object_has_no_members),
        cmocka_unit_test(an_object_has_at_most_64_members),
    };

    clo_json_use_wiping_heap();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
