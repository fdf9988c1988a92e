/* SPDX-License-Identifier: Apache-2.0 */
/* What of RIM files needs no signature: the pinned root, the look at the bytes, and putting values into a policy's text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/enc.h"
#include "codec/json.h"
#include "rim/guard.h"
#include "rim/policy.h"
#include "rim/rim.h"

static void the_pinned_root_is_nvidias(void **state)
{
    struct clo_cert *root = NULL;
    uint8_t digest[32];
    char hex[65], cn[64];

    (void)state;
    assert_int_equal(clo_rim_root(&root), 0);
    clo_cert_digest(root, digest);
    clo_hex(digest, sizeof(digest), hex);
    assert_string_equal(hex, "12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1");
    assert_int_equal(clo_cert_cn(root, cn, sizeof(cn)), 0);
    assert_string_equal(cn, "NVIDIA CoRIM signing Root CA");
    assert_true(clo_cert_is_ca(root) && clo_cert_is_p384(root));
    assert_int_equal(clo_cert_signed_by(root, root, CLO_SIG_ECDSA_P384_SHA384), 0);
    clo_cert_free(root);
}

static int guard(const char *s)
{
    const char *why = NULL;
    const int err = clo_rim_guard(s, strlen(s), &why);

    assert_true((err != 0) == (why != NULL));
    return err;
}

static void elements_and_text_pass_the_guard(void **state)
{
    static const char *const good[] = {
        "<a/>",
        " <a></a>\n",
        "<a><b/>text<c d='>' e=\"'/\">x</c></a>",
        "<?xml version=\"1.0\"?><a/>",
        "<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n<a/>",
        "<a b='='>= > ' \"</a>",
        "<a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a>",
        "<a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a>"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(good); i++)
        assert_int_equal(guard(good[i]), 0);
}

static void markup_that_no_rim_has_does_not(void **state)
{
    static const char *const bad[] = {
        "<!DOCTYPE a><a/>",
        "<a><!-- b --></a>",
        "<a><![CDATA[b]]></a>",
        "<?b?><a/>",
        "<a><?b?></a>",
        "<a><!",
        "<a><?",
        "<?xml?><a/>",
        "<?xml-x ?><a/>",
        "<a b='<!DOCTYPE'/>",
        "<a <b/>",
        "</a>",
        "text",
        "text<a/>",
        "<a>\x01</a>",
        "<a>\x7f</a>",
        "<?xml version='1.0' encoding='utf-16'?><a/>",
        "<?xml version='1.0' encoding ='utf-8'?><a/>",
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        assert_int_equal(guard(bad[i]), CLOISTER_E_MALFORMED);
    assert_int_equal(guard("<a/><a/>"), CLOISTER_E_TRAILING);
    assert_int_equal(guard("<a/>x"), CLOISTER_E_TRAILING);
    assert_int_equal(guard("<a></a></a>"), CLOISTER_E_TRAILING);
    assert_int_equal(guard("<a/><?b?>"), CLOISTER_E_TRAILING);
    assert_int_equal(guard("<a/><!-- b -->"), CLOISTER_E_TRAILING);
}

static void what_ends_in_the_middle_does_not(void **state)
{
    static const char whole[] = "<a b=\"c\">d<e/></a>", head[] = "<?xml version='1.0'?>";

    (void)state;
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        char cut[sizeof(whole)] = "";

        memcpy(cut, whole, n);
        assert_int_equal(guard(cut), CLOISTER_E_TRUNCATED);
    }
    for (size_t n = strlen("<?xml "); n < sizeof(head); n++) {
        char cut[sizeof(head)] = "";

        memcpy(cut, head, n);
        assert_int_equal(guard(cut), CLOISTER_E_TRUNCATED);
    }
}

static void each_bound_is_kept_exactly(void **state)
{
    struct clo_buf b = clo_buf_init(1 << 20);
    const char *why = NULL;

    (void)state;
    assert_int_equal(guard("<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>"), 0);
    assert_int_equal(guard("<a><a><a><a><a><a><a><a><a>"), CLOISTER_E_LIMIT);
    for (size_t n = CLO_GUARD_ELEMENTS - 1; n <= CLO_GUARD_ELEMENTS; n++) {
        assert_int_equal(clo_buf_append(&b, "<a>", 3), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(clo_buf_append(&b, "<b/>", 4), 0);
        assert_int_equal(clo_buf_append(&b, "</a>", 4), 0);
        assert_int_equal(clo_rim_guard(b.p, b.len, &why),
                         n < CLO_GUARD_ELEMENTS ? 0 : CLOISTER_E_LIMIT);
        clo_buf_clear(&b);
    }
    for (size_t n = CLO_GUARD_ATTRS; n <= CLO_GUARD_ATTRS + 1; n++) {
        assert_int_equal(clo_buf_append(&b, "<a", 2), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(clo_buf_append(&b, " b='='", 6), 0);
        assert_int_equal(clo_buf_append(&b, "/>", 2), 0);
        assert_int_equal(clo_rim_guard(b.p, b.len, &why),
                         n <= CLO_GUARD_ATTRS ? 0 : CLOISTER_E_LIMIT);
        clo_buf_clear(&b);
    }
}

/* ---- into a policy ---- */

static struct clo_reference *reference(uint8_t value)
{
    struct clo_reference *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    r->kind = CLO_REFERENCE_VBIOS;
    r->arch = CLO_GPU_HOPPER;
    memcpy(r->id, "x", 2);
    memcpy(r->version, "96.00.5E.00.01", 15);
    memset(r->rim_sha256, value, 32);
    r->active = 1u << 3;
    r->index[3].count = 2;
    memset(r->index[3].value[0], value, 48);
    memset(r->index[3].value[1], 0xee, 48);
    return r;
}

static json_t *policy(const char *text)
{
    json_t *doc = NULL;

    assert_int_equal(clo_json_parse(text, strlen(text), CLO_POLICY_MAX, &doc), 0);
    return doc;
}

static const char empty[] = "{\"v\":1,\"name\":\"x\",\"tee\":[],\"devices\":{\"min\":0}}";

static void values_are_put_once(void **state)
{
    struct clo_reference *a = reference(1), *b = reference(2);
    enum clo_rim_put did = CLO_RIM_SAME;
    json_t *doc = policy(empty);
    uint8_t old[32] = {0};

    (void)state;
    assert_int_equal(clo_rim_policy_put(doc, a, false, &did, old), 0);
    assert_int_equal(did, CLO_RIM_ADDED);
    assert_int_equal(clo_rim_policy_put(doc, a, false, &did, old), 0);
    assert_int_equal(did, CLO_RIM_SAME);
    memset(a->rim_sha256, 9, 32); /* another file that says the same */
    assert_int_equal(clo_rim_policy_put(doc, a, true, &did, old), 0);
    assert_int_equal(did, CLO_RIM_SAME);
    assert_int_equal(clo_rim_policy_put(doc, b, false, &did, old), CLOISTER_E_DUPLICATE);
    assert_int_equal(old[0], 1);
    assert_int_equal(clo_rim_policy_put(doc, b, true, &did, old), 0);
    assert_int_equal(did, CLO_RIM_REPLACED);
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(doc, "devices"), "reference_values")), 1);
    json_decref(doc);
    free(a);
    free(b);
}

static void architecture_kind_and_version_tell_references_apart(void **state)
{
    struct clo_reference *a = reference(1), *b = reference(2);
    enum clo_rim_put did = CLO_RIM_SAME;
    json_t *doc = policy(empty);
    uint8_t old[32] = {0};

    (void)state;
    assert_int_equal(clo_rim_policy_put(doc, a, false, &did, old), 0);
    b->arch = CLO_GPU_BLACKWELL;
    assert_int_equal(clo_rim_policy_put(doc, b, false, &did, old), 0);
    assert_int_equal(did, CLO_RIM_ADDED);
    b->arch = CLO_GPU_HOPPER;
    b->version[13] = '2';
    assert_int_equal(clo_rim_policy_put(doc, b, false, &did, old), 0);
    assert_int_equal(did, CLO_RIM_ADDED);
    b->kind = CLO_REFERENCE_DRIVER;
    memcpy(b->version, "550.1", 6);
    assert_int_equal(clo_rim_policy_put(doc, b, false, &did, old), 0);
    assert_int_equal(did, CLO_RIM_ADDED);
    json_decref(doc);
    free(a);
    free(b);
}

static void a_policy_without_devices_gets_none(void **state)
{
    struct clo_reference *a = reference(1);
    enum clo_rim_put did = CLO_RIM_SAME;
    json_t *doc = policy("{\"v\":1,\"name\":\"x\",\"tee\":[]}");
    uint8_t old[32] = {0};

    (void)state;
    assert_int_equal(clo_rim_policy_put(doc, a, false, &did, old), CLOISTER_E_NOT_FOUND);
    assert_null(json_object_get(doc, "devices"));
    json_decref(doc);
    free(a);
}

static void the_order_of_alternatives_does_not_matter_and_their_number_does(void **state)
{
    struct clo_reference *a = reference(1), *b = reference(1);

    (void)state;
    memset(b->index[3].value[0], 0xee, 48);
    memset(b->index[3].value[1], 1, 48);
    assert_true(clo_rim_same_values(a, b));
    b->index[3].count = 1;
    assert_false(clo_rim_same_values(a, b));
    assert_false(clo_rim_same_values(b, a));
    b->index[3].count = 2;
    b->active |= 1u << 4;
    assert_false(clo_rim_same_values(a, b));
    assert_false(clo_rim_same_values(b, a));
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pinned_root_is_nvidias),
        cmocka_unit_test(elements_and_text_pass_the_guard),
        cmocka_unit_test(markup_that_no_rim_has_does_not),
        cmocka_unit_test(what_ends_in_the_middle_does_not),
        cmocka_unit_test(each_bound_is_kept_exactly),
        cmocka_unit_test(values_are_put_once),
        cmocka_unit_test(architecture_kind_and_version_tell_references_apart),
        cmocka_unit_test(a_policy_without_devices_gets_none),
        cmocka_unit_test(the_order_of_alternatives_does_not_matter_and_their_number_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
