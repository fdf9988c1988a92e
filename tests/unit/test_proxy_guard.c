/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask the proxy what: names, origins, the token, routes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/proxy/guard.h"

#define TOKEN  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define BEARER "Bearer " TOKEN

static const struct clo_guard guard = {.host = "127.0.0.1", .port = 8787, .token = TOKEN};

/* What would pass, to be changed in one place. */
static struct clo_guard_asked good(void)
{
    return (struct clo_guard_asked){.method = "POST",
                                    .path = "/v1/chat/completions",
                                    .host = "127.0.0.1:8787",
                                    .authorization = BEARER};
}

static struct clo_guard_answer judged(const struct clo_guard *g, const struct clo_guard_asked *a)
{
    struct clo_guard_answer r = {0};

    clo_guard_judge(g, a, &r);
    return r;
}

static enum clo_ruling ruling(const struct clo_guard_asked *a)
{
    return judged(&guard, a).ruling;
}

static enum clo_ruling with_host(const struct clo_guard *g, const char *host)
{
    struct clo_guard_asked a = good();

    a.host = host;
    return judged(g, &a).ruling;
}

static enum clo_ruling with_token(const char *authorization)
{
    struct clo_guard_asked a = good();

    a.authorization = authorization;
    return ruling(&a);
}

static enum clo_ruling asked_for(const char *method, const char *path)
{
    struct clo_guard_asked a = good();

    a.method = method;
    a.path = path;
    return ruling(&a);
}

static void a_request_with_name_and_token_passes(void **state)
{
    const struct clo_guard_asked a = good();
    const struct clo_guard_answer r = judged(&guard, &a);

    (void)state;
    assert_int_equal(r.ruling, CLO_RULING_PASS);
    assert_int_equal(r.route, CLO_ROUTE_ASK);
    assert_string_equal(r.path, "/v1/chat/completions");
    assert_false(r.cors);
}

static void only_the_listening_address_is_a_good_host(void **state)
{
    static const char *const ours[] = {"127.0.0.1:8787", "localhost:8787", "LocalHost:8787",
                                       "[::1]:8787"};
    static const char *const others[] = {
        "",
        "127.0.0.1",
        "localhost",
        "localhost:",
        "127.0.0.1:80",
        "127.0.0.1:87870",
        "127.0.0.1:08787",
        "127.0.0.1:+8787",
        "127.0.0.1:8787 ",
        " 127.0.0.1:8787",
        "127.0.0.1:8787,evil.example",
        "127.0.0.1:8787.evil.example",
        "127.0.0.1:8787@evil.example",
        "127.0.0.1.evil.example:8787",
        "localhost.:8787",
        "evil.example:8787",
        "127.0.0.2:8787",
        "::1:8787",
        "0.0.0.0:8787",
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(ours); i++)
        assert_int_equal(with_host(&guard, ours[i]), CLO_RULING_PASS);
    for (size_t i = 0; i < CLO_ARRAY_LEN(others); i++)
        assert_int_equal(with_host(&guard, others[i]), CLO_RULING_BAD_HOST);
    assert_int_equal(with_host(&guard, NULL), CLO_RULING_BAD_HOST);
}

static void the_port_may_be_left_out_where_it_is_http_s_own(void **state)
{
    const struct clo_guard g = {.host = "127.0.0.1", .port = 80, .token = TOKEN};

    (void)state;
    assert_int_equal(with_host(&g, "localhost"), CLO_RULING_PASS);
    assert_int_equal(with_host(&g, "localhost:80"), CLO_RULING_PASS);
    assert_int_equal(with_host(&g, "localhost:8080"), CLO_RULING_BAD_HOST);
}

static void the_given_name_is_a_good_host_too(void **state)
{
    const struct clo_guard named = {.host = "box.lan", .port = 1, .token = TOKEN},
                           six = {.host = "fd00::1", .port = 1, .token = TOKEN};

    (void)state;
    assert_int_equal(with_host(&named, "box.lan:1"), CLO_RULING_PASS);
    assert_int_equal(with_host(&named, "box.lan.evil.example:1"), CLO_RULING_BAD_HOST);
    assert_int_equal(with_host(&six, "[fd00::1]:1"), CLO_RULING_PASS);
    assert_int_equal(with_host(&six, "fd00::1:1"), CLO_RULING_BAD_HOST);
}

static void only_the_whole_token_is_the_token(void **state)
{
    static const char *const none[] = {"", "Bearer", TOKEN, "Basic " TOKEN, "BearerX " TOKEN};
    static const char *const wrong[] = {
        "Bearer ",
        "Bearer 0",
        BEARER "0",
        BEARER " ",
        "Bearer 10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        "Bearer 00112233445566778899aabbccddeeff00112233445566778899aabbccddeefe",
        "Bearer 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF",
    };

    (void)state;
    assert_int_equal(with_token("bearer " TOKEN), CLO_RULING_PASS); /* RFC 9110 section 11.1 */
    assert_int_equal(with_token(NULL), CLO_RULING_NO_TOKEN);
    for (size_t i = 0; i < CLO_ARRAY_LEN(none); i++)
        assert_int_equal(with_token(none[i]), CLO_RULING_NO_TOKEN);
    for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++)
        assert_int_equal(with_token(wrong[i]), CLO_RULING_BAD_TOKEN);
}

static void pages_of_other_origins_are_refused_before_the_token_counts(void **state)
{
    static const char *const others[] = {"",
                                         "null",
                                         "https://evil.example",
                                         "http://localhost",
                                         "http://127.0.0.1:1",
                                         "https://127.0.0.1:8787",
                                         "http://127.0.0.1:8787/",
                                         "127.0.0.1:8787",
                                         "http://localhost:3000.evil.example"};
    const struct clo_guard g = {
        .host = "127.0.0.1", .port = 8787, .token = TOKEN, .origin = "http://localhost:3000"};
    struct clo_guard_asked a = good();

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(others); i++) {
        a.origin = others[i];
        assert_int_equal(judged(&g, &a).ruling, CLO_RULING_BAD_ORIGIN);
        a.method = "OPTIONS";
        assert_int_equal(judged(&g, &a).ruling, CLO_RULING_BAD_ORIGIN);
        a.method = "POST";
    }
    a.origin = "http://localhost:8787";
    assert_int_equal(judged(&g, &a).ruling, CLO_RULING_PASS);
    assert_false(judged(&g, &a).cors);
    a.origin = "http://localhost:3000";
    assert_int_equal(judged(&g, &a).ruling, CLO_RULING_PASS);
    assert_true(judged(&g, &a).cors);
    assert_int_equal(ruling(&a), CLO_RULING_BAD_ORIGIN); /* without --allow-origin */
}

static void a_preflight_is_answered_to_the_allowed_origin_only(void **state)
{
    const struct clo_guard g = {
        .host = "127.0.0.1", .port = 8787, .token = TOKEN, .origin = "https://app.example"};
    struct clo_guard_asked a = good();

    (void)state;
    a.method = "OPTIONS";
    a.authorization = NULL;
    assert_int_equal(judged(&g, &a).ruling, CLO_RULING_NO_TOKEN);
    a.origin = "https://app.example";
    assert_int_equal(judged(&g, &a).ruling, CLO_RULING_PREFLIGHT);
    a.host = "evil.example:8787";
    assert_int_equal(judged(&g, &a).ruling, CLO_RULING_BAD_HOST);
}

static void repeated_fields_and_query_strings_are_refused(void **state)
{
    struct clo_guard_asked a = good();

    (void)state;
    a.query = true;
    assert_int_equal(ruling(&a), CLO_RULING_QUERY);
    a = good();
    a.repeated = true;
    assert_int_equal(ruling(&a), CLO_RULING_REPEATED);
}

static void each_route_takes_its_method_and_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(asked_for("POST", "/v1/completions"), CLO_RULING_PASS);
    assert_int_equal(asked_for("POST", "/v1/embeddings"), CLO_RULING_PASS);
    assert_int_equal(asked_for("GET", "/v1/models"), CLO_RULING_PASS);
    assert_int_equal(asked_for("GET", "/v1/models/owner/name-1.5:q4"), CLO_RULING_PASS);
    assert_int_equal(asked_for("GET", "/v1/cloister/verdict"), CLO_RULING_PASS);
    assert_int_equal(asked_for("GET", "/v1/completions"), CLO_RULING_BAD_METHOD);
    assert_int_equal(asked_for("POST", "/v1/models"), CLO_RULING_BAD_METHOD);
    assert_int_equal(asked_for("HEAD", "/v1/models"), CLO_RULING_BAD_METHOD);
    assert_int_equal(asked_for("DELETE", "/v1/models/m"), CLO_RULING_BAD_METHOD);
    assert_int_equal(asked_for("POST", "/v1/cloister/cancel"), CLO_RULING_NO_ROUTE);
    assert_int_equal(asked_for("GET", "/v1/models/"), CLO_RULING_NO_ROUTE);
    assert_int_equal(asked_for("GET", "/v1/models/../cloister/cancel"), CLO_RULING_NO_ROUTE);
    assert_int_equal(asked_for("GET", "/v1/models/a b"), CLO_RULING_NO_ROUTE);
    assert_int_equal(asked_for("GET", "/v1/models/a\r\nx"), CLO_RULING_NO_ROUTE);
    assert_int_equal(asked_for("GET", "/V1/models"), CLO_RULING_NO_ROUTE);
    assert_int_equal(asked_for("GET", "//v1/models"), CLO_RULING_NO_ROUTE);
}

static void health_needs_no_token_but_a_good_host(void **state)
{
    struct clo_guard_asked a = good();

    (void)state;
    a.method = "GET";
    a.path = "/healthz";
    a.authorization = NULL;
    assert_int_equal(ruling(&a), CLO_RULING_PASS);
    assert_int_equal(judged(&guard, &a).route, CLO_ROUTE_HEALTH);
    a.host = "evil.example:8787";
    assert_int_equal(ruling(&a), CLO_RULING_BAD_HOST);
}

static void a_path_that_is_too_long_is_no_route(void **state)
{
    char path[CLO_GUARD_PATH_MAX + 2];

    (void)state;
    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    memcpy(path, "/v1/models/", 11);
    assert_int_equal(asked_for("GET", path), CLO_RULING_NO_ROUTE);
    path[sizeof(path) - 2] = '\0';
    assert_int_equal(asked_for("GET", path), CLO_RULING_PASS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_with_name_and_token_passes),
        cmocka_unit_test(only_the_listening_address_is_a_good_host),
        cmocka_unit_test(the_port_may_be_left_out_where_it_is_http_s_own),
        cmocka_unit_test(the_given_name_is_a_good_host_too),
        cmocka_unit_test(only_the_whole_token_is_the_token),
        cmocka_unit_test(pages_of_other_origins_are_refused_before_the_token_counts),
        cmocka_unit_test(a_preflight_is_answered_to_the_allowed_origin_only),
        cmocka_unit_test(repeated_fields_and_query_strings_are_refused),
        cmocka_unit_test(each_route_takes_its_method_and_nothing_else),
        cmocka_unit_test(health_needs_no_token_but_a_good_host),
        cmocka_unit_test(a_path_that_is_too_long_is_no_route),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
