/* SPDX-License-Identifier: Apache-2.0 */
/* How often services are asked: src/daemon/fetcher/pace.c. No clock: the tests say what time it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/fetcher/pace.h"

enum {
    S = 1000,
    HOUR = 3600 * S,
    T0 = 5 * S /* the machine has just started */
};

static struct clo_pace *p;
static uint32_t status, again;

static int fresh(void **state)
{
    (void)state;
    free(p);
    p = calloc(1, sizeof *p);
    status = again = 0;
    return p == NULL;
}

static int gone(void **state)
{
    (void)state;
    free(p);
    p = NULL;
    return 0;
}

static int check(enum clo_service s, const char *name, int64_t now)
{
    return clo_pace_check(p, s, name, now, &status, &again);
}

static int done(enum clo_service s, const char *name, uint32_t answer, int64_t now)
{
    const struct clo_pace_end end = {answer == 200, answer, 0};

    return clo_pace_done(p, s, name, &end, 0, now, &again);
}

static int throttled(uint32_t answer, uint32_t retry_after, int64_t now)
{
    const struct clo_pace_end end = {false, answer, retry_after};

    return clo_pace_done(p, CLO_SERVICE_AMD, "a", &end, 0, now, &again);
}

static void nobody_waits_at_first(void **state)
{
    (void)state;
    for (unsigned s = 0; s < CLO_SERVICES; s++)
        assert_int_equal(check((enum clo_service)s, "a", 0), 0);
}

static void between_two_requests_there_is_a_gap(void **state)
{
    (void)state;
    clo_pace_begin(p, CLO_SERVICE_AMD, 10 * S, T0);
    assert_int_equal(check(CLO_SERVICE_AMD, "b", T0), CLOISTER_E_BUSY);
    assert_int_equal(again, 10);
    assert_int_equal(status, 0);
    assert_int_equal(check(CLO_SERVICE_AMD, "b", T0 + 10 * S - 1), CLOISTER_E_BUSY);
    assert_int_equal(again, 1); /* never 0 while it is too soon */
    assert_int_equal(check(CLO_SERVICE_AMD, "b", T0 + 10 * S), 0);
    assert_int_equal(check(CLO_SERVICE_INTEL, "b", T0), 0);
}

static void a_good_answer_leaves_the_gap_as_it_is(void **state)
{
    (void)state;
    clo_pace_begin(p, CLO_SERVICE_AMD, 10 * S, T0);
    assert_int_equal(done(CLO_SERVICE_AMD, "a", 200, T0 + S), 0);
    assert_int_equal(again, 0);
    assert_int_equal(check(CLO_SERVICE_AMD, "a", T0 + S), CLOISTER_E_BUSY);
    assert_int_equal(again, 9);
}

static void retry_after_is_obeyed_up_to_an_hour(void **state)
{
    (void)state;
    assert_int_equal(throttled(429, 42, T0), CLOISTER_E_BUSY);
    assert_int_equal(again, 42);
    assert_int_equal(check(CLO_SERVICE_AMD, "other", T0 + 42 * S - 1), CLOISTER_E_BUSY);
    assert_int_equal(status, 429);
    assert_int_equal(check(CLO_SERVICE_AMD, "other", T0 + 42 * S), 0);
    assert_int_equal(throttled(503, 3600, T0 + 100 * S), CLOISTER_E_BUSY);
    assert_int_equal(again, 3600);
    fresh(state);
    assert_int_equal(throttled(503, 3601, T0), CLOISTER_E_BUSY);
    assert_int_equal(again, 3600);
    fresh(state);
    assert_int_equal(throttled(503, UINT32_MAX, T0), CLOISTER_E_BUSY);
    assert_int_equal(again, 3600);
}

static void a_shorter_retry_after_never_shortens_what_was_said_before(void **state)
{
    (void)state;
    assert_int_equal(throttled(429, 60, T0), CLOISTER_E_BUSY);
    assert_int_equal(throttled(429, 1, T0 + S), CLOISTER_E_BUSY);
    assert_int_equal(again, 59);
}

static void without_a_retry_after_waits_double_from_ten_seconds_to_a_quarter_of_an_hour(
    void **state)
{
    static const uint32_t expected[] = {10, 20, 40, 80, 160, 320, 640, 720, 720, 720};
    int64_t now = T0;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(expected); i++) {
        assert_int_equal(throttled(429, 0, now), CLOISTER_E_BUSY);
        assert_int_equal(again, expected[i]);
        now += (int64_t)again * S;
        assert_int_equal(check(CLO_SERVICE_AMD, "a", now), 0);
    }
    for (unsigned i = 0; i < 1000; i++) { /* no shift goes too far */
        assert_int_equal(throttled(429, 0, now), CLOISTER_E_BUSY);
        now += (int64_t)again * S;
    }
    assert_int_equal(again, 720);
}

static void chance_adds_a_quarter_at_most_and_never_beyond_a_quarter_of_an_hour(void **state)
{
    const struct clo_pace_end end = {false, 429, 0};
    bool differs = false;
    int64_t now = T0;

    (void)state;
    for (uint32_t jitter = 0; jitter < 100000; jitter += 77) {
        fresh(state);
        assert_int_equal(clo_pace_done(p, CLO_SERVICE_INTEL, "a", &end, jitter, T0, &again),
                         CLOISTER_E_BUSY);
        assert_in_range(again, 10, 13);
        differs = differs || again != 10;
    }
    assert_true(differs);
    fresh(state);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(clo_pace_done(p, CLO_SERVICE_INTEL, "a", &end, 180000, now, &again),
                         CLOISTER_E_BUSY);
        now += (int64_t)again * S;
    }
    assert_int_equal(again, 900);
    for (uint32_t jitter = UINT32_MAX - 5; jitter != 5; jitter++) {
        assert_int_equal(clo_pace_done(p, CLO_SERVICE_INTEL, "a", &end, jitter, now, &again),
                         CLOISTER_E_BUSY);
        assert_in_range(again, 720, 900);
        now += (int64_t)again * S;
    }
}

static void a_good_answer_ends_the_doubling(void **state)
{
    (void)state;
    assert_int_equal(throttled(429, 0, T0), CLOISTER_E_BUSY);
    assert_int_equal(throttled(429, 0, T0 + 10 * S), CLOISTER_E_BUSY);
    assert_int_equal(again, 20);
    assert_int_equal(done(CLO_SERVICE_AMD, "a", 200, T0 + 30 * S), 0);
    assert_int_equal(throttled(429, 0, T0 + 31 * S), CLOISTER_E_BUSY);
    assert_int_equal(again, 10);
}

static void requests_that_fail_together_count_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(throttled(429, 0, T0), CLOISTER_E_BUSY);
    assert_int_equal(again, 10);
    assert_int_equal(throttled(503, 0, T0 + 5 * S), CLOISTER_E_BUSY); /* the slowest of them */
    assert_int_equal(again, 5);
}

static void a_service_that_gives_no_answer_is_left_alone_for_a_while(void **state)
{
    (void)state;
    assert_int_equal(done(CLO_SERVICE_NVIDIA, "a", 0, T0), CLOISTER_E_NETWORK);
    assert_int_equal(again, 20);
    assert_int_equal(check(CLO_SERVICE_NVIDIA, "b", T0), CLOISTER_E_NETWORK);
    assert_int_equal(again, 10);
    assert_int_equal(check(CLO_SERVICE_INTEL, "b", T0), 0);
    assert_int_equal(check(CLO_SERVICE_NVIDIA, "b", T0 + 10 * S), 0);
}

static void so_is_one_that_fails(void **state)
{
    (void)state;
    assert_int_equal(done(CLO_SERVICE_NVIDIA, "a", 500, T0), CLOISTER_E_NETWORK);
    assert_int_equal(check(CLO_SERVICE_NVIDIA, "b", T0), CLOISTER_E_NETWORK);
    assert_int_equal(status, 500);
    assert_int_equal(again, 10);
}

static void what_isnt_there_isnt_asked_for_again_within_an_hour(void **state)
{
    (void)state;
    assert_int_equal(done(CLO_SERVICE_AMD, "a", 404, T0), CLOISTER_E_NOT_FOUND);
    assert_int_equal(again, 3600);
    assert_int_equal(check(CLO_SERVICE_AMD, "b", T0), 0); /* that is no fault of the service's */
    assert_int_equal(check(CLO_SERVICE_AMD, "a", T0 + HOUR - 1), CLOISTER_E_NOT_FOUND);
    assert_int_equal(status, 404);
    assert_int_equal(check(CLO_SERVICE_AMD, "a", T0 + HOUR), 0);
}

static void an_answer_of_no_use_rests_its_want_alone(void **state)
{
    static const uint32_t odd[] = {200, 204, 206, 301, 302, 400, 401, 403, 418};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(odd); i++) {
        const struct clo_pace_end end = {false, odd[i], 0};

        fresh(state);
        assert_int_equal(clo_pace_done(p, CLO_SERVICE_INTEL, "a", &end, 0, T0, &again),
                         CLOISTER_E_NETWORK);
        assert_int_equal(again, 20);
        assert_int_equal(check(CLO_SERVICE_INTEL, "a", T0), CLOISTER_E_NETWORK);
        assert_int_equal(status, odd[i]);
        assert_int_equal(check(CLO_SERVICE_INTEL, "b", T0), 0);
    }
}

/* Four a time, always in the same order: the first would otherwise be asked for alone, and nothing else ever. */
static void one_want_that_always_fails_doesnt_starve_the_others(void **state)
{
    bool served = false;
    int64_t now = T0;

    (void)state;
    for (unsigned i = 0; i < 10 && !served; i++, now += 10 * S) {
        if (check(CLO_SERVICE_NVIDIA, "bad", now) == 0)
            assert_int_equal(done(CLO_SERVICE_NVIDIA, "bad", 0, now), CLOISTER_E_NETWORK);
        served = check(CLO_SERVICE_NVIDIA, "good", now) == 0;
    }
    assert_true(served);
}

static void of_two_reasons_the_one_that_lasts_longer_is_told(void **state)
{
    (void)state;
    assert_int_equal(done(CLO_SERVICE_AMD, "a", 404, T0), CLOISTER_E_NOT_FOUND);
    assert_int_equal(throttled(429, 60, T0), CLOISTER_E_BUSY);
    assert_int_equal(check(CLO_SERVICE_AMD, "a", T0), CLOISTER_E_NOT_FOUND);
    assert_int_equal(again, 3600);
    assert_int_equal(check(CLO_SERVICE_AMD, "b", T0), CLOISTER_E_BUSY);
    assert_int_equal(again, 60);
    assert_int_equal(check(CLO_SERVICE_AMD, "a", T0 + HOUR), 0);
}

static void too_many_resting_wants_forget_the_one_that_would_end_first(void **state)
{
    char name[16];

    (void)state;
    for (int i = 0; i < CLO_PACE_WANTS; i++) {
        (void)snprintf(name, sizeof name, "w%d", i);
        assert_int_equal(done(CLO_SERVICE_AMD, name, 404, T0 + i), CLOISTER_E_NOT_FOUND);
    }
    assert_int_equal(done(CLO_SERVICE_AMD, "one-more", 404, T0 + S), CLOISTER_E_NOT_FOUND);
    assert_int_equal(check(CLO_SERVICE_AMD, "w0", T0 + S), 0);
    assert_int_equal(check(CLO_SERVICE_AMD, "w1", T0 + S), CLOISTER_E_NOT_FOUND);
    assert_int_equal(check(CLO_SERVICE_AMD, "one-more", T0 + S), CLOISTER_E_NOT_FOUND);
    assert_int_equal(done(CLO_SERVICE_AMD, "w7", 200, T0 + S), 0); /* frees its row */
    assert_int_equal(check(CLO_SERVICE_AMD, "w7", T0 + S), 0);
    assert_int_equal(done(CLO_SERVICE_AMD, "w0", 404, T0 + S), CLOISTER_E_NOT_FOUND);
    assert_int_equal(check(CLO_SERVICE_AMD, "w1", T0 + S), CLOISTER_E_NOT_FOUND);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, gone)
    const struct CMUnitTest tests[] = {
        TEST(nobody_waits_at_first),
        TEST(between_two_requests_there_is_a_gap),
        TEST(a_good_answer_leaves_the_gap_as_it_is),
        TEST(retry_after_is_obeyed_up_to_an_hour),
        TEST(a_shorter_retry_after_never_shortens_what_was_said_before),
        TEST(without_a_retry_after_waits_double_from_ten_seconds_to_a_quarter_of_an_hour),
        TEST(chance_adds_a_quarter_at_most_and_never_beyond_a_quarter_of_an_hour),
        TEST(a_good_answer_ends_the_doubling),
        TEST(requests_that_fail_together_count_once),
        TEST(a_service_that_gives_no_answer_is_left_alone_for_a_while),
        TEST(so_is_one_that_fails),
        TEST(what_isnt_there_isnt_asked_for_again_within_an_hour),
        TEST(an_answer_of_no_use_rests_its_want_alone),
        TEST(one_want_that_always_fails_doesnt_starve_the_others),
        TEST(of_two_reasons_the_one_that_lasts_longer_is_told),
        TEST(too_many_resting_wants_forget_the_one_that_would_end_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
