/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner request: Binary HTTP, header fields, and the body's allow-list. The first byte says whose engine it is (bit 0) and in
 * what pieces the rest comes. What passes must be one JSON object with our slot in it and none that the request chose.
 */
#include <string.h>

#include "codec/json.h"
#include "daemon/gateway/api.h"
#include "fuzz.h"

enum {
    BODY_MAX = 65536,
    SLOT = 5
};

static void check_sent(const struct clo_buf *sent, bool managed, bool stream)
{
    json_t *v = NULL, *options = NULL;

    FUZZ_CHECK(clo_json_parse(sent->p, sent->len, sent->len, &v) == 0);
    FUZZ_CHECK(strcmp(json_string_value(json_object_get(v, "model")), "m") == 0);
    options = json_object_get(v, "stream_options");
    FUZZ_CHECK(stream == json_is_true(json_object_get(options, "include_usage")));
    if (managed) {
        FUZZ_CHECK(json_integer_value(json_object_get(v, "id_slot")) == SLOT);
        FUZZ_CHECK(json_is_false(json_object_get(v, "cache_prompt")));
    } else {
        FUZZ_CHECK(json_object_get(v, "id_slot") == NULL);
        FUZZ_CHECK(json_object_get(v, "cache_prompt") == NULL);
    }
    FUZZ_CHECK(json_object_get(v, "grammar") == NULL && json_object_get(v, "lora") == NULL);
    json_decref(v);
}

static void check_fault(const struct clo_api_fault *fault)
{
    struct clo_buf out = clo_buf_init(8192);
    json_t *v = NULL;

    FUZZ_CHECK(clo_api_error_write(fault, &out) == 0);
    FUZZ_CHECK(clo_json_parse(out.p, out.len, out.len, &v) == 0);
    json_decref(v);
    clo_buf_clear(&out);
}

static void check_body(const struct clo_inner *in, bool managed)
{
    const struct clo_api_engine engine = {.managed = managed, .model = "m"};
    struct clo_buf sent = clo_buf_init(4 * BODY_MAX + 1024);
    struct clo_api_fault fault = {0};
    uint8_t id[CLO_REQUEST_ID] = {0};
    struct clo_api_asked asked = {0};
    struct clo_api_usage usage = {0};

    if (in->endpoint == CLO_EP_CANCEL)
        clo_api_cancel_body(in->body.p, in->body.len, id, &fault);
    else
        clo_api_body(in->endpoint, in->body.p, in->body.len, &engine, &asked, &sent, &fault);
    if (fault.code != CLO_API_OK) {
        check_fault(&fault);
    } else if (in->endpoint != CLO_EP_CANCEL) {
        FUZZ_CHECK(clo_api_body_close(managed, SLOT, false, NULL, &sent) == 0);
        check_sent(&sent, managed, asked.stream);
    }
    /* The same bytes, were they an engine's answer, or its error. */
    (void)clo_api_usage_read(in->body.p, in->body.len, &usage);
    clo_api_engine_fault(400, in->body.p, in->body.len, &fault);
    check_fault(&fault);
    clo_buf_clear(&sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_budget budget = {.max = BODY_MAX};
    struct clo_inner in = {0};
    size_t piece = 0;

    if (size == 0)
        return 0;
    piece = (size_t)(data[0] >> 1) + 1;
    FUZZ_CHECK(clo_inner_init(&in, BODY_MAX, &budget) == 0);
    for (size_t at = 1; at < size; at += piece)
        clo_inner_feed(&in, data + at, size - at < piece ? size - at : piece);
    if (clo_inner_end(&in) == CLO_API_OK && in.late == CLO_API_OK)
        check_body(&in, (data[0] & 1) != 0);
    FUZZ_CHECK(budget.used <= BODY_MAX);
    clo_inner_clear(&in);
    FUZZ_CHECK(budget.used == 0);
    return 0;
}
