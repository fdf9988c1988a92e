/* SPDX-License-Identifier: Apache-2.0 */
/* What the proxy does for the traffic shape: which class a request gets, its limit, and what of a stream is filler. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/proxy/filler.h"
#include "client/proxy/fit.h"

#define CHAT  "/v1/chat/completions"
#define PLAIN "/v1/completions"

/* ---- classes and limits ---- */

static const struct {
    const char *path, *body, *shape, *limited; /* NULL: the body stays as it is */
} cases[] = {
    {CHAT, "{\"model\":\"m\",\"messages\":[]}", "chat",
     "{\"model\":\"m\",\"messages\":[],\"max_tokens\":4096}"},
    {CHAT, " {\"model\":\"m\"} \n", "chat", " {\"model\":\"m\",\"max_tokens\":4096}"},
    {CHAT, "{\"max_tokens\":7}", "chat", NULL},
    {CHAT, "{\"max_completion_tokens\":7}", "chat", NULL},
    {CHAT, "{\"max_tokens\":null}", "chat", "{\"max_tokens\":null,\"max_completion_tokens\":4096}"},
    {CHAT, "{\"max_tokens\":null,\"max_completion_tokens\":9}", "chat", NULL},
    {CHAT, "{\"max_tokens\":null,\"max_completion_tokens\":null}", "chat", NULL},
    {CHAT, "{\"max_tokens\":32768}", "chat", NULL},
    {CHAT, "{\"max_tokens\":32769}", "wide", NULL},
    {CHAT, "{\"max_completion_tokens\":32769}", "wide", NULL},
    {CHAT, "{\"n\":1,\"max_tokens\":7}", "chat", NULL},
    {CHAT, "{\"n\":2,\"max_tokens\":7}", "wide", NULL},
    {CHAT, "{\"logprobs\":false,\"max_tokens\":7}", "chat", NULL},
    {CHAT, "{\"logprobs\":true,\"max_tokens\":7}", "wide", NULL},
    {CHAT, "{\"logprobs\":null,\"top_logprobs\":2,\"max_tokens\":7}", "wide", NULL},
    {CHAT, "{\"tools\":[],\"max_tokens\":7}", "chat", NULL},
    {CHAT, "{\"tools\":[{}],\"max_tokens\":7}", "wide", NULL},
    {CHAT, "{\"functions\":[{}],\"max_tokens\":7}", "wide", NULL},
    /* The words of a conversation decide nothing. */
    {CHAT, "{\"messages\":[{\"content\":\"logprobs tools n 2\"}],\"max_tokens\":7}", "chat", NULL},
    {PLAIN, "{\"prompt\":\"x\"}", "chat", "{\"prompt\":\"x\",\"max_tokens\":4096}"},
    {PLAIN, "{\"prompt\":[\"x\"],\"max_tokens\":7}", "chat", NULL},
    {PLAIN, "{\"prompt\":[\"x\",\"y\"],\"max_tokens\":7}", "wide", NULL},
    {PLAIN, "{\"logprobs\":0,\"max_tokens\":7}", "wide", NULL},
    {PLAIN, "{\"max_tokens\":null}", "chat", NULL},
    {"/v1/embeddings", "{\"input\":\"x\"}", "bulk", NULL},
    {"/v1/embeddings", "nonsense", "bulk", NULL},
    {"/v1/models", "", "chat", NULL},
    /* Not for us to judge. */
    {CHAT, "", "chat", NULL},
    {CHAT, "{}", "chat", NULL},
    {CHAT, "[1]", "chat", NULL},
    {CHAT, "{\"n\":2", "chat", NULL},
    {CHAT, "{\"n\":1,\"n\":2}", "chat", NULL},
};

static void the_class_follows_from_the_kind_of_request(void **state)
{
    (void)state;

    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
        struct clo_buf body = clo_buf_init(4096);
        const char *want = cases[i].limited != NULL ? cases[i].limited : cases[i].body;
        struct clo_fit fit;

        assert_int_equal(clo_buf_append(&body, cases[i].body, strlen(cases[i].body)), 0);
        clo_fit_judge(cases[i].path, &body, &fit);
        assert_string_equal(fit.shape, cases[i].shape);
        assert_int_equal(clo_fit_limit(&fit, &body), 0);
        assert_int_equal(body.len, strlen(want));
        if (body.len > 0)
            assert_memory_equal(body.p, want, body.len);
        clo_buf_clear(&body);
    }
}

/* ---- filler ---- */

static int put(void *ctx, const void *p, size_t n)
{
    assert_true(n > 0);
    return clo_buf_append(ctx, p, n);
}

/* Whatever comes of this text in three pieces. */
static void assert_kept(const char *text, const char *want)
{
    const size_t n = strlen(text);

    for (size_t i = 0; i <= n; i++) {
        for (size_t k = i; k <= n; k++) {
            struct clo_buf out = clo_buf_init(4096);
            struct clo_filler f = {0};

            assert_int_equal(clo_filler_feed(&f, text, i, put, &out), 0);
            assert_int_equal(clo_filler_feed(&f, text + i, k - i, put, &out), 0);
            assert_int_equal(clo_filler_feed(&f, text + k, n - k, put, &out), 0);
            assert_int_equal(out.len, strlen(want));
            if (out.len > 0)
                assert_memory_equal(out.p, want, out.len);
            clo_buf_clear(&out);
        }
    }
}

static void filler_is_taken_out_wherever_the_pieces_are_cut(void **state)
{
    (void)state;

    assert_kept("data: a\n\n:    \ndata: b\n\n", "data: a\n\ndata: b\n\n");
    assert_kept("data: a\n\n\ndata: b\n\n", "data: a\n\ndata: b\n\n");
    assert_kept("data: a\n\n\n\n\n:\n\n:  \n:\n", "data: a\n\n");
    assert_kept(":   \n\ndata: a\n\n", "data: a\n\n");
    assert_kept(":       ", "");
    assert_kept("event: e\n: between\ndata: a\n\n", "event: e\ndata: a\n\n");
}

static void what_an_event_says_stays_as_it_is(void **state)
{
    static const char *const same[] = {
        "data: {\"content\":\": \\n\\n:\"}\n\n",
        "data: a:b\ndata::\n\n",
        "data:\ndata: a\n\n",
        "data: cut off",
        "data: a\n",
        "data: a\r\ndata: b\r\n\r\n",
    };
    (void)state;

    for (size_t i = 0; i < CLO_ARRAY_LEN(same); i++)
        assert_kept(same[i], same[i]);
}

static int refuse(void *ctx, const void *p, size_t n)
{
    (void)ctx;
    (void)p;
    (void)n;
    return CLOISTER_E_LIMIT;
}

static void a_refusal_comes_back(void **state)
{
    struct clo_filler f = {0};
    (void)state;

    assert_int_equal(clo_filler_feed(&f, "data: a\n\n:x\n", 12, refuse, NULL), CLOISTER_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_class_follows_from_the_kind_of_request),
        cmocka_unit_test(filler_is_taken_out_wherever_the_pieces_are_cut),
        cmocka_unit_test(what_an_event_says_stays_as_it_is),
        cmocka_unit_test(a_refusal_comes_back),
    };

    return cmocka_run_group_tests_name("proxy_shape", tests, NULL, NULL);
}
