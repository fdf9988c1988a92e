/* SPDX-License-Identifier: Apache-2.0 */
/* A verdict on its way out of a cell: it comes back as it was, and nothing else is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client/judge.h"

#define NOW 1800000000

static const uint8_t digest[32] = {7};
static const struct cloister_nonce nonce = {{1}, NOW - 1};

static struct cloister_verdict *verified(void)
{
    struct cloister_verdict *v = calloc(1, sizeof(*v));

    assert_non_null(v);
    v->outcome = CLOISTER_VERIFIED;
    v->freshness = CLOISTER_FRESH;
    strcpy(v->type, "sev-snp");
    v->checked_at = NOW;
    v->valid_until = NOW + 60;
    v->evidence_digest[0] = 1;
    memcpy(v->policy_digest, digest, sizeof(digest));
    v->checks = 2;
    v->check[0] = (struct cloister_check){.id = CLOISTER_CHECK_EPOCH_TIME,
                                          .status = CLOISTER_CHECK_PASS,
                                          .expected = "now",
                                          .actual = "now",
                                          .reason = "fine"};
    v->check[1] = (struct cloister_check){.id = CLOISTER_CHECK_MANIFEST_MANAGED,
                                          .status = CLOISTER_CHECK_NOT_APPLICABLE};
    memset(v->ohttp_keys, 0xab, 100);
    v->ohttp_keys_n = 100;
    strcpy(v->gateway, "/r/0123456789abcdef");
    v->receipt_key[31] = 9;
    v->aead[0] = 2;
    v->aead[1] = 3;
    v->aeads = 2;
    v->allow_x25519 = true;
    strcpy(v->model, "SmolLM2");
    v->measurement[47] = 5;
    v->request_max = 1 << 20;
    v->shape = CLOISTER_SHAPING_FULL;
    return v;
}

static int there_and_back(const struct cloister_verdict *v, struct cloister_verdict *ret)
{
    struct clo_buf b = clo_buf_init(1 << 19);
    int err;

    assert_int_equal(clo_verdict_pack(v, &b), 0);
    err = clo_verdict_unpack(b.p, b.len, digest, &nonce, NOW, ret);
    clo_buf_clear(&b);
    return err;
}

static void it_comes_back_as_it_was(void **state)
{
    struct cloister_verdict *v = verified(), *back = calloc(1, sizeof(*back));

    (void)state;
    assert_int_equal(there_and_back(v, back), 0);
    assert_memory_equal(v, back, sizeof(*v));
    memset(back, 0, sizeof(*back));
    *v = (struct cloister_verdict){.outcome = CLOISTER_REFUSED,
                                   .freshness = CLOISTER_NOT_FRESH,
                                   .checked_at = NOW,
                                   .checks = 1};
    memcpy(v->policy_digest, digest, sizeof(digest));
    v->check[0] = (struct cloister_check){.id = CLOISTER_CHECK_EPOCH_TIME,
                                          .status = CLOISTER_CHECK_FAIL};
    assert_int_equal(there_and_back(v, back), 0);
    assert_memory_equal(v, back, sizeof(*v));
    free(v);
    free(back);
}

/* What a process that was taken over might like the other to believe. */
static void one_that_contradicts_itself_or_its_question_is_refused(void **state)
{
    struct cloister_verdict *ret = calloc(1, sizeof(*ret));

    (void)state;
#define REFUSED(change)                                                 \
    do {                                                                \
        struct cloister_verdict *v = verified();                        \
                                                                        \
        change;                                                         \
        assert_int_equal(there_and_back(v, ret), CLOISTER_E_MALFORMED); \
        free(v);                                                        \
    } while (0)
    REFUSED(v->check[1].status = CLOISTER_CHECK_FAIL);
    REFUSED(v->check[1].status = CLOISTER_CHECK_MISSING);
    REFUSED(v->check[1].status = CLOISTER_CHECK_NONE);
    REFUSED(v->check[0].id = (enum cloister_check_id)9999);
    REFUSED(v->checks = 0);
    REFUSED(v->outcome = CLOISTER_NOT_VERIFIED);
    REFUSED(v->outcome = CLOISTER_REFUSED); /* with keys all the same */
    REFUSED(v->outcome = (enum cloister_outcome)7);
    REFUSED(v->checked_at++);
    REFUSED(v->policy_digest[0]++);
    REFUSED(v->valid_until = nonce.sent_at + 3601);
    REFUSED(v->valid_until = -1);
    REFUSED(v->ohttp_keys_n = 0);
    REFUSED(v->gateway[0] = 'x');
    REFUSED(strcpy(v->model, "\033[2J"));
    REFUSED(strcpy(v->check[0].reason, "a\nb\001"));
#undef REFUSED
    assert_int_equal(ret->outcome, CLOISTER_NOT_VERIFIED);
    free(ret);
}

static void without_a_nonce_nothing_is_fresh(void **state)
{
    struct cloister_verdict *v = verified(), *ret = calloc(1, sizeof(*ret));
    struct clo_buf b = clo_buf_init(1 << 19);

    (void)state;
    assert_int_equal(clo_verdict_pack(v, &b), 0);
    assert_int_equal(clo_verdict_unpack(b.p, b.len, digest, NULL, NOW, ret), CLOISTER_E_MALFORMED);
    clo_buf_clear(&b);
    v->freshness = CLOISTER_FRESHNESS_NOT_CHECKED;
    assert_int_equal(clo_verdict_pack(v, &b), 0);
    assert_int_equal(clo_verdict_unpack(b.p, b.len, digest, NULL, NOW, ret), 0);
    clo_buf_clear(&b);
    free(v);
    free(ret);
}

static void one_that_is_cut_or_goes_on_is_refused(void **state)
{
    struct cloister_verdict *v = verified(), *ret = calloc(1, sizeof(*ret));
    struct clo_buf b = clo_buf_init(1 << 19);

    (void)state;
    assert_int_equal(clo_verdict_pack(v, &b), 0);
    for (size_t n = 0; n < b.len; n++)
        assert_int_not_equal(clo_verdict_unpack(b.p, n, digest, &nonce, NOW, ret), 0);
    assert_int_equal(clo_buf_append(&b, "", 1), 0);
    assert_int_equal(clo_verdict_unpack(b.p, b.len, digest, &nonce, NOW, ret), CLOISTER_E_TRAILING);
    assert_int_equal(ret->outcome, CLOISTER_NOT_VERIFIED);
    clo_buf_clear(&b);
    free(v);
    free(ret);
}

/* Whatever the bytes: an error, or a verdict that could have been written so. */
static void any_byte_may_be_another(void **state)
{
    struct cloister_verdict *v = verified(), *ret = calloc(1, sizeof(*ret));
    struct clo_buf b = clo_buf_init(1 << 19), again = clo_buf_init(1 << 19);

    (void)state;
    assert_int_equal(clo_verdict_pack(v, &b), 0);
    for (size_t i = 0; i < b.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            b.p[i] ^= (uint8_t)(1u << bit);
            if (clo_verdict_unpack(b.p, b.len, digest, &nonce, NOW, ret) == 0) {
                assert_int_equal(clo_verdict_pack(ret, &again), 0);
                assert_int_equal(again.len, b.len);
                assert_memory_equal(again.p, b.p, b.len);
                clo_buf_clear(&again);
            }
            b.p[i] ^= (uint8_t)(1u << bit);
        }
    }
    clo_buf_clear(&b);
    free(v);
    free(ret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_back_as_it_was),
        cmocka_unit_test(one_that_contradicts_itself_or_its_question_is_refused),
        cmocka_unit_test(without_a_nonce_nothing_is_fresh),
        cmocka_unit_test(one_that_is_cut_or_goes_on_is_refused),
        cmocka_unit_test(any_byte_may_be_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
