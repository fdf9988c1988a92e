/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of gathering share: answers, wants, and trying them. Include after <cmocka.h>. */
#ifndef CLO_TEST_GATHER_TRY_H
#define CLO_TEST_GATHER_TRY_H

#include <stdlib.h>
#include <string.h>

#include "attest/gather.h"
#include "base/enc.h"

/* One PEM block more, in the standard alphabet. */
static inline void pem_append(struct clo_buf *out, const struct clo_buf *der)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----\n",
                      end[] = "-----END CERTIFICATE-----\n";
    char *b64 = malloc(CLO_B64_LEN(der->len) + 1);
    const size_t n = CLO_B64_LEN(der->len);

    assert_non_null(b64);
    clo_b64(der->p, der->len, b64);
    assert_int_equal(clo_buf_append(out, begin, sizeof begin - 1), 0);
    for (size_t i = 0; i < n; i++) {
        const char c = b64[i] == '-' ? '+' : b64[i] == '_' ? '/' : b64[i];

        assert_int_equal(clo_buf_append(out, &c, 1), 0);
        if (i % 64 == 63)
            assert_int_equal(clo_buf_append(out, "\n", 1), 0);
    }
    assert_int_equal(clo_buf_append(out, "===", (4 - n % 4) % 4), 0);
    assert_int_equal(clo_buf_append(out, "\n", 1), 0);
    assert_int_equal(clo_buf_append(out, end, sizeof end - 1), 0);
    free(b64);
}

static inline void copy_into(struct clo_buf *to, const struct clo_buf *from)
{
    clo_buf_clear(to);
    *to = clo_buf_init(CLO_ANSWER_MAX);
    assert_int_equal(clo_buf_append(to, from->p, from->len), 0);
}

static inline struct clo_answer answer_of(const struct clo_buf *body, const struct clo_buf *chain)
{
    return (struct clo_answer){.body = body->p,
                               .body_n = body->len,
                               .chain = chain == NULL ? NULL : chain->p,
                               .chain_n = chain == NULL ? 0 : chain->len};
}

static inline int put(struct clo_gathered *g, const struct clo_want *w, const struct clo_buf *body,
                      int64_t now)
{
    const struct clo_answer a = answer_of(body, NULL);
    int64_t until = 0, renew = 0;

    return clo_gathered_put(g, w, &a, now, &until, &renew);
}

static inline size_t want_place(const struct clo_wants *l, enum clo_want_kind kind)
{
    size_t i = 0;

    while (i < l->count && l->want[i].kind != kind)
        i++;
    return i;
}

static inline const struct clo_want *want_of(const struct clo_wants *l, enum clo_want_kind kind)
{
    const size_t i = want_place(l, kind);

    assert_true(i < l->count);
    return &l->want[i];
}

static inline void assert_wants(const struct clo_wants *l, const enum clo_want_kind *kind, size_t n)
{
    assert_int_equal(l->count, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(l->want[i].kind, kind[i]);
}

/* What answers instead of a vendor when something is wrong. None of it is ever taken. */
static inline void assert_takes_no_rubbish(struct clo_gathered *g, const struct clo_want *w,
                                           const struct clo_buf *good, int64_t now)
{
    static const char *const rubbish[] = {
        "",
        "<html><head><title>404 Not Found</title></head><body>nginx</body></html>\n",
        "{\"statusCode\":404,\"message\":\"Resource not found\"}",
        "{}",
        "null",
        "0",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n",
        "Too Many Requests",
    };
    int64_t until = 7, renew = 8;
    struct clo_answer a;

    for (size_t i = 0; i < CLO_ARRAY_LEN(rubbish); i++) {
        a = (struct clo_answer){.body = (const uint8_t *)rubbish[i], .body_n = strlen(rubbish[i])};
        assert_int_equal(clo_gathered_put(g, w, &a, now, &until, &renew), CLOISTER_E_MALFORMED);
    }
    for (size_t n = 0; n < good->len; n += 1 + n / 7) { /* cut short */
        a = (struct clo_answer){.body = good->p, .body_n = n};
        assert_int_not_equal(clo_gathered_put(g, w, &a, now, &until, &renew), 0);
    }
    assert_int_equal(until, 7);
    assert_int_equal(renew, 8);
    assert_false(clo_gathered_has(g, w, now));
}

/* Bytes of everything that completing could change. */
static inline void section_digest(const struct clo_cpu_section *c, uint8_t ret[CLO_SHA256_LEN])
{
    struct clo_slice in[2 + CLO_CHAIN_MAX] = {{c->report, sizeof c->report},
                                              {&c->chain_n, sizeof c->chain_n}};

    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        in[2 + i] = (struct clo_slice){c->chain[i].p, c->chain[i].len};
    assert_int_equal(clo_hash(CLO_SHA256, in, CLO_ARRAY_LEN(in), ret), 0);
}

#endif
