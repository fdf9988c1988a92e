/* SPDX-License-Identifier: Apache-2.0 */
/* The inner API: which requests are read, which body members pass, and what an error looks like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "codec/json.h"
#include "crypto/crypto.h"
#include "daemon/gateway/api.h"
#include "daemon/gateway/salt.h"

#define ID    "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA" /* bytes 1 to 32 */
#define CHAT  "/v1/chat/completions"
#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]"
enum {
    BODY_MAX = 4096
};

static const struct clo_api_engine ours = {.managed = true, .model = "m"};
static const struct clo_api_engine theirs = {.managed = false, .model = "m"};

/* ---- requests ---- */

static struct clo_budget budget = {.max = 1 << 20};

struct request {
    const char *method, *scheme, *path;
    struct clo_bhttp_field f[8];
    size_t fields;
    const char *body;
};
static const struct request good = {
    .method = "POST",
    .scheme = "https",
    .path = CHAT,
    .f = {{"authorization", "Bearer key"}, {"content-type", "application/json"}},
    .fields = 2,
    .body = "{}"};

static struct request with(const char *name, const char *value)
{
    struct request r = good;

    r.f[r.fields++] = (struct clo_bhttp_field){name, value};
    return r;
}

/* Decode a request with padding behind it, one byte at a time. */
static enum clo_api_code read_request(const struct request *r, struct clo_inner *in)
{
    static const uint8_t padding[64];
    struct clo_buf b = clo_buf_init(1 << 20);
    enum clo_api_code code = CLO_API_OK;

    assert_int_equal(clo_bhttp_write_request(r->method, r->scheme, "", r->path, r->f, r->fields,
                                             r->body, strlen(r->body), &b),
                     0);
    assert_int_equal(clo_inner_init(in, BODY_MAX, &budget), 0);
    for (size_t i = 0; i < b.len; i++)
        clo_inner_feed(in, b.p + i, 1);
    clo_inner_feed(in, padding, sizeof(padding));
    code = clo_inner_end(in);
    clo_buf_clear(&b);
    return code;
}

static void assert_fault(struct request r, enum clo_api_code fault, enum clo_api_code late)
{
    struct clo_inner in = {0};

    assert_int_equal(read_request(&r, &in), fault);
    assert_int_equal(in.late, late);
    clo_inner_clear(&in);
    assert_int_equal(budget.used, 0);
}

static void a_good_request_is_read(void **state)
{
    struct request r = with("cloister-request", ID);
    struct clo_inner in = {0};
    uint8_t digest[32] = {0};

    (void)state;
    r.f[r.fields++] = (struct clo_bhttp_field){"cloister-shape", "wide"};
    assert_int_equal(read_request(&r, &in), CLO_API_OK);
    assert_int_equal(in.late, CLO_API_OK);
    assert_int_equal(in.endpoint, CLO_EP_CHAT);
    assert_int_equal(in.shape, CLO_SHAPE_WIDE);
    assert_int_equal(clo_sha256("key", 3, digest), 0);
    assert_true(in.has_token && in.has_request);
    assert_memory_equal(in.token, digest, 32);
    assert_int_equal(in.request[31], 32);
    assert_memory_equal(in.body.p, "{}", 2);
    assert_int_equal(budget.used, 2);
    clo_inner_clear(&in);
    assert_int_equal(budget.used, 0);
}

static void other_header_fields_are_dropped(void **state)
{
    struct request r = with("x-forwarded-for", "10.0.0.1");

    (void)state;
    r.f[r.fields++] = (struct clo_bhttp_field){"x-forwarded-for", "10.0.0.2"};
    r.f[r.fields++] = (struct clo_bhttp_field){"host", "elsewhere"};
    assert_fault(r, CLO_API_OK, CLO_API_OK);
}

static void a_singleton_that_comes_twice_is_refused(void **state)
{
    static const char *const name[] = {"authorization", "content-type", "cloister-shape",
                                       "cloister-request"};
    static const char *const value[] = {"Bearer key", "application/json", "chat", ID};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(name); i++) {
        struct request r = with(name[i], value[i]);

        r.f[r.fields++] = (struct clo_bhttp_field){name[i], value[i]};
        assert_fault(r, CLO_API_BAD_FIELD, CLO_API_OK);
    }
}

static void an_unknown_shape_is_refused(void **state)
{
    (void)state;
    assert_fault(with("cloister-shape", "Chat"), CLO_API_BAD_FIELD, CLO_API_OK);
    assert_fault(with("cloister-shape", ""), CLO_API_BAD_FIELD, CLO_API_OK);
    assert_fault(with("cloister-shape", "chat, wide"), CLO_API_BAD_FIELD, CLO_API_OK);
}

static void a_request_id_is_32_bytes_of_canonical_base64url(void **state)
{
    (void)state;
    assert_fault(with("cloister-request", "AQID"), CLO_API_BAD_FIELD, CLO_API_OK);
    assert_fault(with("cloister-request", ID "="), CLO_API_BAD_FIELD, CLO_API_OK);
    assert_fault(with("cloister-request", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyB"),
                 CLO_API_BAD_FIELD, CLO_API_OK); /* left-over bits */
}

static void a_missing_or_other_authorization_is_no_key(void **state)
{
    static const char *const value[] = {"Basic a2V5", "Bearer", "Bearerkey", "key"};
    struct request r = good;
    struct clo_inner in = {0};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(value); i++) {
        r.f[0].value = value[i];
        assert_int_equal(read_request(&r, &in), CLO_API_OK);
        assert_false(in.has_token);
        clo_inner_clear(&in);
    }
}

static void another_scheme_or_a_cut_message_is_malformed(void **state)
{
    struct request r = good;
    struct clo_inner in = {0};

    (void)state;
    r.scheme = "http";
    assert_fault(r, CLO_API_MALFORMED, CLO_API_OK);
    assert_int_equal(clo_inner_init(&in, BODY_MAX, &budget), 0);
    clo_inner_feed(&in, "\0\4POST", 6);
    assert_int_equal(clo_inner_end(&in), CLO_API_MALFORMED);
    clo_inner_clear(&in);
}

static void path_and_method_are_judged_after_the_credential(void **state)
{
    static const char *const wrong[] = {"/v1/chat/completions/",
                                        "/v1/chat/completions?x=1",
                                        "/slots",
                                        "/",
                                        "/v1/../slots",
                                        "/V1/models"};
    struct request r = good;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++) {
        r.path = wrong[i];
        assert_fault(r, CLO_API_OK, CLO_API_NO_SUCH_PATH);
    }
    r = good;
    r.method = "GET";
    assert_fault(r, CLO_API_OK, CLO_API_BAD_METHOD);
    r.path = "/v1/models";
    assert_fault(r, CLO_API_OK, CLO_API_OK);
}

static void a_model_is_named_in_the_path(void **state)
{
    static const struct {
        const char *path, *name;
    } table[] = {
        {"/v1/models/m", "m"},         {"/v1/models/org%2Fm%2d1", "org/m-1"},
        {"/v1/models/org/m", "org/m"}, {"/v1/models/m%2", ""},
        {"/v1/models/m%", ""},         {"/v1/models/m%zz", ""},
        {"/v1/models/m%00", ""},       {"/v1/models/%1b", ""},
        {"/v1/models/", ""},
    };
    struct request r = good;
    struct clo_inner in = {0};
    char path[400] = "/v1/models/", name[CLO_API_MODEL_MAX + 1] = "";

    (void)state;
    r.method = "GET";
    for (size_t i = 0; i < CLO_ARRAY_LEN(table); i++) {
        r.path = table[i].path;
        assert_int_equal(read_request(&r, &in), CLO_API_OK);
        assert_int_equal(in.endpoint, CLO_EP_MODEL);
        assert_string_equal(in.model, table[i].name);
        clo_inner_clear(&in);
    }
    r.path = path;
    memset(name, 'x', CLO_API_MODEL_MAX);
    memcpy(path + 11, name, CLO_API_MODEL_MAX);
    assert_int_equal(read_request(&r, &in), CLO_API_OK);
    assert_string_equal(in.model, name);
    clo_inner_clear(&in);
    path[11 + CLO_API_MODEL_MAX] = 'x';
    assert_int_equal(read_request(&r, &in), CLO_API_OK);
    assert_string_equal(in.model, "");
    clo_inner_clear(&in);
    r.method = "POST";
    assert_fault(r, CLO_API_OK, CLO_API_BAD_METHOD);
}

static void a_body_that_is_not_json_by_its_type_is_refused(void **state)
{
    struct request r = good;

    (void)state;
    r.f[1].value = "text/plain";
    assert_fault(r, CLO_API_OK, CLO_API_BAD_TYPE);
    r.f[1].value = "application/json; charset=utf-8";
    assert_fault(r, CLO_API_OK, CLO_API_OK);
}

static void a_body_beyond_the_limit_is_dropped_at_once(void **state)
{
    char big[BODY_MAX + 2] = "";
    struct request r = good;

    (void)state;
    memset(big, ' ', sizeof(big) - 1);
    r.body = big;
    assert_fault(r, CLO_API_OK, CLO_API_TOO_LARGE);
}

static void a_body_beyond_what_all_may_hold_is_dropped_at_once(void **state)
{
    (void)state;
    budget.max = 1;
    assert_fault(good, CLO_API_OK, CLO_API_BUSY);
    budget.max = 1 << 20;
}

/* Other requests' bodies, written anew, can be more than what a reload allows now. */
static void where_more_is_held_than_allowed_nothing_more_is_taken(void **state)
{
    (void)state;
    budget = (struct clo_budget){.used = 100, .max = 50};
    assert_false(clo_budget_has(&budget, 0));
    {
        struct clo_inner in = {0};

        assert_int_equal(read_request(&good, &in), CLO_API_OK);
        assert_int_equal(in.late, CLO_API_BUSY);
        clo_inner_clear(&in);
        assert_int_equal(budget.used, 100);
    }
    budget = (struct clo_budget){.max = 1 << 20};
    assert_true(clo_budget_has(&budget, 1 << 20) && !clo_budget_has(&budget, (1 << 20) + 1));
}

/* ---- bodies ---- */

static struct clo_api_fault check_body(enum clo_endpoint e, const char *body,
                                       const struct clo_api_engine *engine)
{
    struct clo_buf out = clo_buf_init(1 << 16);
    struct clo_api_fault fault = {0};
    struct clo_api_asked asked = {0};

    clo_api_body(e, body, strlen(body), engine, &asked, &out, &fault);
    if (fault.code != CLO_API_OK)
        assert_int_equal(out.len, 0);
    clo_buf_clear(&out);
    return fault;
}

static void assert_body(const char *body, const struct clo_api_engine *engine, const char *sent)
{
    struct clo_buf out = clo_buf_init(1 << 16);
    struct clo_api_fault fault = {0};
    struct clo_api_asked asked = {0};

    clo_api_body(CLO_EP_CHAT, body, strlen(body), engine, &asked, &out, &fault);
    assert_int_equal(fault.code, CLO_API_OK);
    assert_int_equal(clo_api_body_close(engine->managed, 3, true, NULL, &out), 0);
    assert_int_equal(out.len, strlen(sent));
    assert_memory_equal(out.p, sent, out.len);
    assert_int_equal(asked.stream, strstr(body, "\"stream\":true") != NULL);
    clo_buf_clear(&out);
}

static void slot_and_cache_are_set_by_us(void **state)
{
    (void)state;
    assert_body("{" HELLO "}", &ours,
                "{" HELLO ",\"model\":\"m\",\"id_slot\":3,\"cache_prompt\":true}");
}

static void an_engine_that_is_not_ours_gets_no_members_of_ours(void **state)
{
    (void)state;
    assert_body("{\"model\":\"m\"," HELLO ",\"stream\":true}", &theirs,
                "{\"model\":\"m\"," HELLO
                ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
}

static void an_engine_that_takes_a_salt_gets_it_from_us_alone(void **state)
{
    const char body[] = "{\"model\":\"m\"," HELLO "}";
    struct clo_buf out = clo_buf_init(1 << 16);
    struct clo_api_fault fault = {0};
    struct clo_api_asked asked = {0};

    (void)state;
    clo_api_body(CLO_EP_CHAT, body, strlen(body), &theirs, &asked, &out, &fault);
    assert_int_equal(fault.code, CLO_API_OK);
    assert_int_equal(clo_api_body_close(false, 0, false, "c2FsdA", &out), 0);
    assert_int_equal(clo_buf_append(&out, "", 1), 0);
    assert_string_equal((const char *)out.p,
                        "{\"model\":\"m\"," HELLO ",\"cache_salt\":\"c2FsdA\"}");
    clo_buf_clear(&out);
    fault = check_body(CLO_EP_CHAT, "{" HELLO ",\"cache_salt\":\"mine\"}", &theirs);
    assert_int_equal(fault.code, CLO_API_BAD_MEMBER);
    assert_string_equal(fault.param, "cache_salt");
}

/* HKDF-Expand of RFC 5869 by hand: HMAC-SHA256(secret, label || credential || 1). */
static void a_salt_is_its_credentials_and_its_secrets(void **state)
{
    uint8_t secret[CLO_SALT_SECRET] = {0}, other[CLO_SALT_SECRET] = {0}, alice[32], bob[32];
    char a[CLO_SALT_LEN + 1], again[CLO_SALT_LEN + 1], b[CLO_SALT_LEN + 1], later[CLO_SALT_LEN + 1];

    (void)state;
    memset(alice, 'a', sizeof(alice));
    memset(bob, 'b', sizeof(bob));
    assert_int_equal(clo_salt_of(secret, alice, a), 0);
    assert_string_equal(a, "gMVvZmJei1Xr-vc0iUovibTE5klRErxSjur9ILQkoB8");
    assert_int_equal(clo_salt_renew(clo_rng_system(), secret), 0);
    assert_int_equal(clo_salt_renew(clo_rng_system(), other), 0);
    assert_memory_not_equal(secret, other, sizeof(secret));
    assert_int_equal(clo_salt_of(secret, alice, a), 0);
    assert_int_equal(clo_salt_of(secret, alice, again), 0);
    assert_int_equal(clo_salt_of(secret, bob, b), 0);
    assert_int_equal(clo_salt_of(other, alice, later), 0);
    assert_string_equal(a, again);
    assert_string_not_equal(a, b);
    assert_string_not_equal(a, later);
    assert_int_equal(strlen(a), 43);
}

static void members_that_concern_openai_alone_are_dropped(void **state)
{
    (void)state;
    assert_body("{" HELLO ",\"user\":\"u\",\"metadata\":{\"a\":\"b\"},\"store\":true}", &theirs,
                "{" HELLO ",\"model\":\"m\"}");
}

static void what_the_openai_packages_send_passes(void **state)
{
    static const char *const member[] = {
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}]",
        "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}",
        "\"parallel_tool_calls\":false",
        "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"s\",\"schema\":{}}}",
        "\"stop\":[\"a\",\"b\"]",
        "\"logprobs\":true",
        "\"top_logprobs\":3",
        "\"seed\":7",
        "\"max_completion_tokens\":9",
        "\"max_tokens\":9",
        "\"temperature\":0.5",
        "\"top_p\":0.5",
        "\"presence_penalty\":0.5",
        "\"frequency_penalty\":0.5",
        "\"logit_bias\":{\"5\":1}",
        "\"n\":1",
        "\"reasoning_effort\":\"low\"",
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(member); i++) {
        char body[512] = "", sent[512] = "";

        snprintf(body, sizeof(body), "{" HELLO ",%s}", member[i]);
        snprintf(sent, sizeof(sent), "{" HELLO ",%s,\"model\":\"m\"}", member[i]);
        assert_body(body, &theirs, sent);
    }
}

static void what_this_server_can_not_do_is_refused_by_name(void **state)
{
    static const char *const name[] = {"functions",  "function_call", "modalities",        "audio",
                                       "prediction", "verbosity",     "web_search_options"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(name); i++) {
        char body[256] = "";
        struct clo_api_fault fault;

        snprintf(body, sizeof(body), "{" HELLO ",\"%s\":null}", name[i]);
        fault = check_body(CLO_EP_CHAT, body, &theirs);
        assert_int_equal(fault.code, CLO_API_BAD_MEMBER);
        assert_string_equal(fault.param, name[i]);
    }
}

static void a_stream_is_asked_for_its_tokens_and_the_client_gets_what_it_asked_for(void **state)
{
    static const struct {
        const char *options;
        bool stream, usage;
        enum clo_api_code code;
    } table[] = {
        {"null", true, false, CLO_API_OK},
        {"{}", true, false, CLO_API_OK},
        {"{\"include_usage\":false}", true, false, CLO_API_OK},
        {"{\"include_usage\":true}", true, true, CLO_API_OK},
        {"{\"include_usage\":true,\"include_obfuscation\":false}", true, true, CLO_API_OK},
        {"{\"include_usage\":1}", true, false, CLO_API_BAD_VALUE},
        {"{\"continuous_usage_stats\":true}", true, false, CLO_API_BAD_VALUE},
        {"[]", true, false, CLO_API_BAD_VALUE},
        {"null", false, false, CLO_API_OK},
        {"{\"include_usage\":true}", false, false, CLO_API_BAD_VALUE},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(table); i++) {
        struct clo_buf out = clo_buf_init(1 << 16);
        struct clo_api_fault fault = {0};
        struct clo_api_asked asked = {0};
        char body[512] = "";

        snprintf(body, sizeof(body), "{" HELLO ",\"stream\":%s,\"stream_options\":%s}",
                 table[i].stream ? "true" : "false", table[i].options);
        clo_api_body(CLO_EP_CHAT, body, strlen(body), &ours, &asked, &out, &fault);
        assert_int_equal(fault.code, table[i].code);
        assert_int_equal(asked.usage, table[i].usage);
        if (fault.code == CLO_API_OK)
            assert_int_equal(memmem(out.p, out.len, "{\"include_usage\":true}", 22) != NULL,
                             table[i].stream);
        clo_buf_clear(&out);
    }
}

static void of_an_engine_of_ours_no_other_number_of_dimensions_is_promised(void **state)
{
    static const char body[] =
        "{\"input\":[\"x\"],\"encoding_format\":\"base64\",\"dimensions\":8}";

    (void)state;
    assert_string_equal(check_body(CLO_EP_EMBEDDINGS, body, &ours).param, "dimensions");
    assert_int_equal(check_body(CLO_EP_EMBEDDINGS, body, &theirs).code, CLO_API_OK);
}

static void members_outside_the_list_are_refused_by_name(void **state)
{
    static const char *const name[] = {
        "id_slot",    "cache_prompt",    "slot_id",          "lora",        "grammar",
        "n_predict",  "samplers",        "n_keep",           "prompt",      "input",
        "nonsense",   "return_progress", "n_probs",          "json_schema", "best_of",
        "cache_salt", "response_fields", "timings_per_token"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(name); i++) {
        char body[256] = "";
        struct clo_api_fault fault = {0};

        snprintf(body, sizeof(body), "{" HELLO ",\"%s\":1}", name[i]);
        fault = check_body(CLO_EP_CHAT, body, &ours);
        assert_int_equal(fault.code, CLO_API_BAD_MEMBER);
        assert_string_equal(fault.param, name[i]);
    }
}

static void a_name_that_is_long_or_unprintable_is_not_repeated(void **state)
{
    (void)state;
    assert_string_equal(check_body(CLO_EP_CHAT, "{\"a\\u001b[31m\":1}", &ours).param, "");
    assert_string_equal(
        check_body(CLO_EP_CHAT,
                   "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":1}",
                   &ours)
            .param,
        "");
}

static void what_is_not_one_json_object_is_refused(void **state)
{
    static const char *const body[] = {
        "", "[]", "{", "{} {}", "null", "{\"n\":1,\"n\":1}", "{\"n\":NaN}", "\xff"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(body); i++)
        assert_int_equal(check_body(CLO_EP_CHAT, body[i], &ours).code, CLO_API_BAD_JSON);
}

static void more_answers_at_once_would_take_slots_that_are_not_leased(void **state)
{
    (void)state;
    assert_string_equal(check_body(CLO_EP_CHAT, "{" HELLO ",\"n\":2}", &ours).param, "n");
    assert_int_equal(check_body(CLO_EP_CHAT, "{" HELLO ",\"n\":1}", &ours).code, CLO_API_OK);
    assert_int_equal(check_body(CLO_EP_CHAT, "{" HELLO ",\"n\":2}", &theirs).code, CLO_API_OK);
}

static void another_model_is_not_found(void **state)
{
    const struct clo_api_fault fault = check_body(CLO_EP_CHAT, "{" HELLO ",\"model\":\"gpt-5\"}",
                                                  &ours);

    (void)state;
    assert_int_equal(fault.code, CLO_API_NO_SUCH_MODEL);
    assert_int_equal(clo_api_status(fault.code), 404);
    assert_string_equal(fault.param, "model");
}

static void pictures_come_along_as_data_or_not_at_all(void **state)
{
    static const char part[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},%s]}]}";
    static const struct {
        const char *part;
        enum clo_api_code code;
    } table[] = {
        {"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA\"}}",
         CLO_API_OK},
        {"{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://x/\"}}", CLO_API_BAD_VALUE},
        {"{\"type\":\"image_url\",\"image_url\":{\"url\":\"file:///etc/passwd\"}}",
         CLO_API_BAD_VALUE},
        {"{\"type\":\"image_url\"}", CLO_API_BAD_VALUE},
        {"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:,\",\"detail\":\"low\"}}",
         CLO_API_OK},
        {"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:,\",\"x\":1}}", CLO_API_BAD_VALUE},
        {"{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AA\",\"format\":\"wav\"}}",
         CLO_API_OK},
        {"{\"type\":\"input_audio\",\"input_audio\":{\"url\":\"http://x/\"}}", CLO_API_BAD_VALUE},
        {"{\"type\":\"input_audio\",\"input_audio\":\"http://x/\"}", CLO_API_BAD_VALUE},
        {"{\"type\":\"video_url\"}", CLO_API_BAD_VALUE},
        {"1", CLO_API_BAD_VALUE},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(table); i++) {
        char body[512] = "";

        snprintf(body, sizeof(body), part, table[i].part);
        assert_int_equal(check_body(CLO_EP_CHAT, body, &ours).code, table[i].code);
    }
}

/* vLLM goes by such members where `uuid` stands beside them, whatever the type is, and shares what a uuid names. */
static void a_part_has_a_type_and_what_it_names_and_nothing_else(void **state)
{
    static const char body[] = "{\"messages\":[{\"role\":\"user\",\"content\":%s}]}";
    static const char *const content[] = {
        "[{\"type\":\"text\"}]",
        "[{\"type\":\"type\",\"text\":\"x\"}]",
        "[{\"type\":\"text\",\"text\":\"x\",\"uuid\":\"1\"}]",
        "[{\"type\":\"text\",\"text\":\"x\",\"video_url\":\"http://x/\"}]",
        "[{\"type\":\"text\",\"image_url\":\"http://x/\"}]",
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://x/\"}}",
        "1",
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(content); i++) {
        char text[512] = "";

        snprintf(text, sizeof(text), body, content[i]);
        assert_int_equal(check_body(CLO_EP_CHAT, text, &theirs).code, CLO_API_BAD_VALUE);
    }
}

static void a_message_may_have_no_content(void **state)
{
    static const char body[] =
        "{\"messages\":[{\"role\":\"assistant\",\"content\":null},{\"role\":\"assistant\"}]}";

    (void)state;
    assert_int_equal(check_body(CLO_EP_CHAT, body, &ours).code, CLO_API_OK);
}

/* Others of these name a template of the request's own, or make vLLM's one thread count tokens while all wait. */
static void the_template_is_told_how_to_think_and_nothing_else(void **state)
{
    static const struct {
        const char *kwargs;
        enum clo_api_code code;
    } table[] = {
        {"null", CLO_API_OK},
        {"{}", CLO_API_OK},
        {"{\"enable_thinking\":false,\"reasoning_effort\":\"low\"}", CLO_API_OK},
        {"{\"enable_thinking\":{}}", CLO_API_BAD_VALUE},
        {"{\"enable_thinking\":[1]}", CLO_API_BAD_VALUE},
        {"{\"chat_template\":\"x\"}", CLO_API_BAD_VALUE},
        {"{\"thinking\":true,\"tokenize\":true}", CLO_API_BAD_VALUE},
        {"[]", CLO_API_BAD_VALUE},
        {"\"x\"", CLO_API_BAD_VALUE},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(table); i++) {
        struct clo_api_fault fault = {0};
        char body[512] = "";

        snprintf(body, sizeof(body), "{" HELLO ",\"chat_template_kwargs\":%s}", table[i].kwargs);
        fault = check_body(CLO_EP_CHAT, body, &theirs);
        assert_int_equal(fault.code, table[i].code);
        assert_string_equal(fault.param, fault.code == CLO_API_OK ? "" : "chat_template_kwargs");
    }
}

static void a_chat_without_messages_is_refused(void **state)
{
    static const char *const body[] = {"{}", "{\"messages\":[]}", "{\"messages\":\"x\"}",
                                       "{\"messages\":[1]}"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(body); i++)
        assert_int_equal(check_body(CLO_EP_CHAT, body[i], &ours).code, CLO_API_BAD_VALUE);
}

static void each_endpoint_has_its_own_list(void **state)
{
    (void)state;
    assert_int_equal(check_body(CLO_EP_COMPLETIONS, "{\"prompt\":\"x\"}", &ours).code, CLO_API_OK);
    assert_int_equal(check_body(CLO_EP_COMPLETIONS, "{" HELLO "}", &ours).code, CLO_API_BAD_MEMBER);
    assert_int_equal(check_body(CLO_EP_EMBEDDINGS, "{\"input\":\"x\"}", &theirs).code, CLO_API_OK);
    assert_int_equal(
        check_body(CLO_EP_EMBEDDINGS, "{\"input\":\"x\",\"stream\":true}", &theirs).code,
        CLO_API_BAD_MEMBER);
}

static void a_cancellation_names_one_request_and_nothing_else(void **state)
{
    static const struct {
        const char *body;
        enum clo_api_code code;
    } table[] = {
        {"{\"request\":\"" ID "\"}", CLO_API_OK},
        {"{\"request\":\"" ID "\",\"all\":true}", CLO_API_BAD_VALUE},
        {"{\"request\":\"AQID\"}", CLO_API_BAD_VALUE},
        {"{}", CLO_API_BAD_VALUE},
        {"[]", CLO_API_BAD_VALUE},
        {"", CLO_API_BAD_JSON},
    };
    uint8_t id[CLO_REQUEST_ID] = {0};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(table); i++) {
        struct clo_api_fault fault = {0};

        clo_api_cancel_body(table[i].body, strlen(table[i].body), id, &fault);
        assert_int_equal(fault.code, table[i].code);
    }
    assert_int_equal(id[31], 32);
}

/* ---- errors ---- */

static void every_error_has_openais_shape(void **state)
{
    (void)state;
    for (unsigned c = CLO_API_MALFORMED; c < CLO_API_CODES; c++) {
        const struct clo_api_fault fault = {.code = (enum clo_api_code)c, .param = "p\"q"};
        struct clo_buf b = clo_buf_init(4096);
        struct clo_json_obj top = {0}, error = {0};
        json_t *v = NULL;

        assert_int_equal(clo_api_error_write(&fault, &b), 0);
        assert_int_equal(clo_json_parse(b.p, b.len, 4096, &v), 0);
        top = clo_json_obj_init(v);
        error = clo_json_obj_init(clo_json_obj_need(&top, "error", JSON_OBJECT));
        assert_true(strlen(clo_json_obj_str(&error, "message", 512)) > 10);
        assert_true(strlen(clo_json_obj_str(&error, "type", 64)) > 0);
        assert_string_equal(clo_json_obj_str(&error, "param", 64), "p\"q");
        assert_true(strlen(clo_json_obj_str(&error, "code", 64)) > 0);
        assert_int_equal(clo_json_obj_end(&top), 0);
        assert_int_equal(clo_json_obj_end(&error), 0);
        assert_true(clo_api_status(fault.code) >= 400);
        json_decref(v);
        clo_buf_clear(&b);
    }
}

static void whoever_is_to_come_again_is_told_when(void **state)
{
    (void)state;
    for (unsigned c = CLO_API_MALFORMED; c < CLO_API_CODES; c++) {
        const struct clo_api_fault fault = {.code = (enum clo_api_code)c};
        const bool later = clo_api_status(fault.code) == 429 || clo_api_status(fault.code) == 503;

        assert_int_equal(clo_api_retry_after(&fault) > 0, later);
    }
}

static void a_limit_is_named_with_its_number_and_its_end(void **state)
{
    struct clo_api_fault fault = clo_api_limit_fault(CLO_API_MINUTE, 60, 17);

    (void)state;
    assert_non_null(strstr(fault.text, "60 requests a minute"));
    assert_non_null(strstr(fault.text, "17 s"));
    assert_int_equal(clo_api_retry_after(&fault), 17);
    fault = clo_api_limit_fault(CLO_API_DAY, UINT64_C(1) << 40, 5);
    assert_non_null(strstr(fault.text, "1099511627776 tokens a day"));
    fault = clo_api_limit_fault(CLO_API_PARALLEL, 2, 0);
    assert_non_null(strstr(fault.text, "2 requests at the same time"));
    assert_int_equal(clo_api_retry_after(&fault), 1);
}

static void the_tokens_are_read_where_the_engine_tells_them(void **state)
{
    static const struct {
        const char *text;
        bool found, alone;
        uint64_t tokens;
    } table[] = {
        {"{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,\"total_tokens\":12}}",
         true, true, 12},
        {"{\"choices\":[{}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}", true, false,
         12},
        {"{\"data\":[],\"usage\":{\"prompt_tokens\":5,\"total_tokens\":5}}", true, false, 5},
        {"{\"choices\":[],\"usage\":null}", false, false, 0},
        {"{\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":{}\"}}]}", false, false, 0},
        {"{\"usage\":{\"prompt_tokens\":-5,\"completion_tokens\":99999999999}}", true, false, 0},
        {"\"usage\"", false, false, 0},
        {"[DONE]", false, false, 0},
        {"", false, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(table); i++) {
        struct clo_api_usage usage = {0};

        assert_int_equal(clo_api_usage_read(table[i].text, strlen(table[i].text), &usage),
                         table[i].found);
        assert_int_equal(usage.alone, table[i].alone);
        assert_int_equal(usage.tokens, table[i].tokens);
    }
}

static struct clo_api_fault engine_says(unsigned status, const char *body)
{
    struct clo_api_fault fault = {0};

    clo_api_engine_fault(status, body, strlen(body), &fault);
    return fault;
}

static void a_prompt_beyond_the_context_is_told_with_both_numbers(void **state)
{
    const struct clo_api_fault fault = engine_says(
        400, "{\"error\":{\"code\":400,\"message\":\"m\",\"type\":"
             "\"exceed_context_size_error\",\"n_prompt_tokens\":9000,\"n_ctx\":2048}}");

    (void)state;
    assert_int_equal(fault.code, CLO_API_CONTEXT);
    assert_non_null(strstr(fault.text, "9000"));
    assert_non_null(strstr(fault.text, "2048"));
}

static void a_text_too_long_to_embed_is_the_askers_fault(void **state)
{
    const struct clo_api_fault fault = engine_says(
        500, "{\"error\":{\"code\":500,\"message\":\"input (1002 tokens) is too large to process. "
             "increase the physical batch size (current batch size: 256)\"}}");

    (void)state;
    assert_int_equal(fault.code, CLO_API_CONTEXT);
    assert_string_equal(fault.text, "");
}

static void an_engine_that_is_busy_is_no_fault_of_the_askers(void **state)
{
    const struct clo_api_fault fault = engine_says(429, "{\"error\":{\"message\":\"too many\"}}");

    (void)state;
    assert_int_equal(clo_api_status(fault.code), 503);
    assert_true(clo_api_retry_after(&fault) > 0);
    assert_string_equal(fault.text, "");
}

static void the_engines_words_about_itself_are_not_passed_on(void **state)
{
    const struct clo_api_fault fault = engine_says(
        500, "{\"error\":{\"message\":\"slot 3: /srv/model.gguf\"}}");

    (void)state;
    assert_int_equal(fault.code, CLO_API_ENGINE_FAILED);
    assert_string_equal(fault.text, "");
}

static void the_engines_refusal_is_passed_on_if_it_is_printable(void **state)
{
    (void)state;
    assert_string_equal(engine_says(400, "{\"error\":{\"message\":\"bad tool\"}}").text,
                        "bad tool");
    assert_string_equal(engine_says(400, "{\"error\":{\"message\":\"\\u001b[2J\"}}").text, "");
    assert_string_equal(engine_says(400, "<html>").text, "");
    assert_int_equal(engine_says(404, "").code, CLO_API_ENGINE_SAYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_request_is_read),
        cmocka_unit_test(other_header_fields_are_dropped),
        cmocka_unit_test(a_singleton_that_comes_twice_is_refused),
        cmocka_unit_test(an_unknown_shape_is_refused),
        cmocka_unit_test(a_request_id_is_32_bytes_of_canonical_base64url),
        cmocka_unit_test(a_missing_or_other_authorization_is_no_key),
        cmocka_unit_test(another_scheme_or_a_cut_message_is_malformed),
        cmocka_unit_test(path_and_method_are_judged_after_the_credential),
        cmocka_unit_test(a_model_is_named_in_the_path),
        cmocka_unit_test(a_body_that_is_not_json_by_its_type_is_refused),
        cmocka_unit_test(a_body_beyond_the_limit_is_dropped_at_once),
        cmocka_unit_test(a_body_beyond_what_all_may_hold_is_dropped_at_once),
        cmocka_unit_test(where_more_is_held_than_allowed_nothing_more_is_taken),
        cmocka_unit_test(slot_and_cache_are_set_by_us),
        cmocka_unit_test(an_engine_that_is_not_ours_gets_no_members_of_ours),
        cmocka_unit_test(an_engine_that_takes_a_salt_gets_it_from_us_alone),
        cmocka_unit_test(a_salt_is_its_credentials_and_its_secrets),
        cmocka_unit_test(members_that_concern_openai_alone_are_dropped),
        cmocka_unit_test(what_the_openai_packages_send_passes),
        cmocka_unit_test(what_this_server_can_not_do_is_refused_by_name),
        cmocka_unit_test(a_stream_is_asked_for_its_tokens_and_the_client_gets_what_it_asked_for),
        cmocka_unit_test(of_an_engine_of_ours_no_other_number_of_dimensions_is_promised),
        cmocka_unit_test(members_outside_the_list_are_refused_by_name),
        cmocka_unit_test(a_name_that_is_long_or_unprintable_is_not_repeated),
        cmocka_unit_test(what_is_not_one_json_object_is_refused),
        cmocka_unit_test(more_answers_at_once_would_take_slots_that_are_not_leased),
        cmocka_unit_test(another_model_is_not_found),
        cmocka_unit_test(pictures_come_along_as_data_or_not_at_all),
        cmocka_unit_test(a_part_has_a_type_and_what_it_names_and_nothing_else),
        cmocka_unit_test(a_message_may_have_no_content),
        cmocka_unit_test(the_template_is_told_how_to_think_and_nothing_else),
        cmocka_unit_test(a_chat_without_messages_is_refused),
        cmocka_unit_test(each_endpoint_has_its_own_list),
        cmocka_unit_test(a_cancellation_names_one_request_and_nothing_else),
        cmocka_unit_test(every_error_has_openais_shape),
        cmocka_unit_test(whoever_is_to_come_again_is_told_when),
        cmocka_unit_test(a_limit_is_named_with_its_number_and_its_end),
        cmocka_unit_test(the_tokens_are_read_where_the_engine_tells_them),
        cmocka_unit_test(a_prompt_beyond_the_context_is_told_with_both_numbers),
        cmocka_unit_test(a_text_too_long_to_embed_is_the_askers_fault),
        cmocka_unit_test(an_engine_that_is_busy_is_no_fault_of_the_askers),
        cmocka_unit_test(the_engines_words_about_itself_are_not_passed_on),
        cmocka_unit_test(the_engines_refusal_is_passed_on_if_it_is_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
