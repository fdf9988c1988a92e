/* SPDX-License-Identifier: Apache-2.0 */
/* The proxy's errors: OpenAI's shape, and whether an application's library may ask again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/proxy/fault.h"
#include "codec/json.h"

#define URL "https://llm.example"

/* Every error has to be a document of this shape with something to read in it. */
static void assert_shape(const struct clo_proxy_error *e)
{
    struct clo_buf out = clo_buf_init(16384);
    const json_t *error;
    json_t *doc = NULL;

    assert_in_range(e->status, 400, 599);
    assert_int_equal(clo_proxy_error_json(e, &out), 0);
    assert_int_equal(clo_json_parse(out.p, out.len, out.len, &doc), 0);
    error = json_object_get(doc, "error");
    assert_int_equal(json_object_size(doc), 1);
    assert_int_equal(json_object_size(error), 4);
    assert_true(json_string_length(json_object_get(error, "message")) > 20);
    assert_true(json_is_string(json_object_get(error, "type")));
    assert_true(json_is_string(json_object_get(error, "code")));
    assert_true(json_is_null(json_object_get(error, "param")));
    json_decref(doc);
    clo_buf_clear(&out);
}

static struct clo_proxy_error of_request(struct clo_fault f)
{
    struct clo_proxy_error e = {0};

    clo_proxy_error_request(&f, URL, &e);
    assert_shape(&e);
    return e;
}

static void every_ruling_and_limit_has_its_sentence(void **state)
{
    struct clo_proxy_error e = {0};

    (void)state;
    for (int r = CLO_RULING_REPEATED; r < CLO_RULINGS; r++) {
        clo_proxy_error_ruling((enum clo_ruling)r, &e);
        assert_shape(&e);
        assert_false(e.never_again);
    }
    for (int l = CLO_LIMIT_BODY; l <= CLO_LIMIT_OURS; l++) {
        clo_proxy_error_limit((enum clo_proxy_limit)l, &e);
        assert_shape(&e);
        assert_false(e.never_again);
    }
}

static void what_was_never_sent_may_be_asked_again(void **state)
{
    const struct clo_proxy_error e = of_request((struct clo_fault){
        .step = CLO_STEP_SEND, .err = CLOISTER_E_NETWORK, .reply = {.net = CLO_NET_CONNECT}});

    (void)state;
    assert_int_equal(e.status, 503);
    assert_false(e.never_again);
    assert_true(e.retry_after > 0);
    assert_non_null(strstr(e.message, "not sent"));
}

static void whatever_may_have_run_is_never_asked_again_by_itself(void **state)
{
    const struct clo_fault faults[] = {
        {CLO_STEP_SEND, CLOISTER_E_NETWORK, {.net = CLO_NET_BROKEN, .sent = true}},
        {CLO_STEP_SEND, CLOISTER_E_NETWORK, {.net = CLO_NET_TIMEOUT, .sent = true}},
        {CLO_STEP_SEND,
         CLOISTER_E_PROTOCOL,
         {.net = CLO_NET_STATUS, .status = 503, .retry_after = 1, .sent = true}},
        {CLO_STEP_SEND,
         CLOISTER_E_PROTOCOL,
         {.net = CLO_NET_STATUS, .status = 429, .retry_after = 1, .sent = true}},
        {CLO_STEP_SEND,
         CLOISTER_E_KEYS_CHANGED,
         {.net = CLO_NET_STATUS, .status = 400, .sent = true, .keys_changed = true}},
        {CLO_STEP_SEND, CLOISTER_E_PROTOCOL, {.net = CLO_NET_TYPE, .status = 200, .sent = true}},
        {CLO_STEP_ANSWER, CLOISTER_E_CUT, {.status = 200, .sent = true}},
        {CLO_STEP_ANSWER, CLOISTER_E_AUTH, {.status = 200, .sent = true}},
        {CLO_STEP_ANSWER, CLOISTER_E_LIMIT, {.net = CLO_NET_LIMIT, .status = 200, .sent = true}},
        {CLO_STEP_ANSWER, CLOISTER_E_NETWORK, {.net = CLO_NET_BROKEN, .status = 200, .sent = true}},
        {CLO_STEP_ANSWER, CLOISTER_E_MALFORMED, {.status = 200, .sent = true}},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(faults); i++) {
        const struct clo_proxy_error e = of_request(faults[i]);

        assert_int_equal(e.status, 502);
        assert_true(e.never_again);
        assert_int_equal(e.retry_after, 0);
        assert_non_null(strstr(e.message, "may have run"));
    }
}

static void memory_of_ours_that_runs_out_is_not_the_servers_fault(void **state)
{
    const struct clo_fault f = {.step = CLO_STEP_VERDICT, .err = CLOISTER_E_MEMORY};
    struct clo_proxy_error e = {0};

    (void)state;
    clo_proxy_error_server(&f, NULL, false, URL, &e);
    assert_shape(&e);
    assert_false(e.never_again);
    assert_null(strstr(e.message, "clock"));
    assert_non_null(strstr(e.message, cloister_strerror(CLOISTER_E_MEMORY)));
}

static void a_refusal_names_the_check_that_failed(void **state)
{
    struct cloister_verdict *v = calloc(1, sizeof(*v));
    const struct clo_fault f = {.step = CLO_STEP_VERDICT, .err = CLOISTER_E_REFUSED};
    struct clo_proxy_error e = {0};

    (void)state;
    assert_non_null(v);
    v->outcome = CLOISTER_REFUSED;
    v->checks = 1;
    v->check[0].id = CLOISTER_CHECK_SNP_MEASUREMENT;
    v->check[0].status = CLOISTER_CHECK_FAIL;
    clo_proxy_error_server(&f, v, false, URL, &e);
    assert_shape(&e);
    assert_int_equal(e.status, 503);
    assert_true(e.never_again);
    assert_string_equal(e.code, "not_verified");
    assert_non_null(strstr(e.message, "snp.measurement"));
    assert_non_null(strstr(e.message, "cloister policy diff --accept"));
    clo_proxy_error_server(&f, NULL, false, URL, &e);
    assert_shape(&e);
    free(v);
}

static void another_manifest_that_no_policy_pins_leads_to_what_helps(void **state)
{
    const struct clo_fault f = {.step = CLO_STEP_VERDICT, .err = CLOISTER_E_REFUSED};
    struct clo_proxy_error e = {0};

    (void)state;
    clo_proxy_error_server(&f, NULL, true, URL, &e);
    assert_shape(&e);
    assert_string_equal(e.code, "manifest_changed");
    assert_non_null(strstr(e.message, "start it anew"));
    assert_non_null(strstr(e.message, "cloister policy init --from-server"));
}

static void a_server_that_is_not_ready_says_when_to_come_back(void **state)
{
    const struct clo_fault f = {.step = CLO_STEP_EVIDENCE,
                                .err = CLOISTER_E_PROTOCOL,
                                .reply = {.net = CLO_NET_STATUS, .status = 503, .retry_after = 7}};
    struct clo_proxy_error e = {0};

    (void)state;
    clo_proxy_error_server(&f, NULL, false, URL, &e);
    assert_shape(&e);
    assert_int_equal(e.retry_after, 7);
    assert_false(e.never_again);
}

static void what_evidence_says_of_itself_is_made_harmless(void **state)
{
    struct clo_proxy_error e = {.status = 503, .type = "t", .code = "c"};
    struct clo_buf out = clo_buf_init(16384);

    (void)state;
    memcpy(e.message, "a\033[2J\xff\x80z", 9);
    assert_int_equal(clo_proxy_error_json(&e, &out), 0);
    assert_null(memchr(out.p, '\033', out.len));
    assert_null(memmem(out.p, out.len, "\\u001b", 6));
    clo_buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_ruling_and_limit_has_its_sentence),
        cmocka_unit_test(what_was_never_sent_may_be_asked_again),
        cmocka_unit_test(whatever_may_have_run_is_never_asked_again_by_itself),
        cmocka_unit_test(memory_of_ours_that_runs_out_is_not_the_servers_fault),
        cmocka_unit_test(a_refusal_names_the_check_that_failed),
        cmocka_unit_test(another_manifest_that_no_policy_pins_leads_to_what_helps),
        cmocka_unit_test(a_server_that_is_not_ready_says_when_to_come_back),
        cmocka_unit_test(what_evidence_says_of_itself_is_made_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
