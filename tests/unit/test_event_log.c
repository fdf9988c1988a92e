/* SPDX-License-Identifier: Apache-2.0 */
/* Event logs: what a replay counts, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lab/event.h"

static struct event_lab lab;
static const uint16_t both[] = {CLO_EVENT_SHA256, CLO_EVENT_SHA384, 0};

static int replay(enum clo_event_log_alg alg, struct clo_event_replay *r)
{
    return clo_event_log_replay(lab.p, lab.n, alg, r);
}

static void each_register_is_the_hash_of_what_it_was_and_what_came(void **state)
{
    static const enum clo_event_log_alg alg[] = {CLO_EVENT_SHA256, CLO_EVENT_SHA384};
    struct clo_event_replay r;

    (void)state;
    el_start(&lab, both);
    el_event(&lab, 4, 0x80000003, 0x11, "boot", 4);
    el_event(&lab, 0, 8, 0x22, "", 0);
    el_event(&lab, 4, 0x80000006, 0x33, "table", 5);
    el_event(&lab, 23, 13, 0x44, "", 0);
    for (size_t i = 0; i < 2; i++) {
        const size_t len = i == 0 ? 32 : 48;
        uint8_t want[24][48] = {{0}};

        el_extend(want[4], len, 0x11);
        el_extend(want[0], len, 0x22);
        el_extend(want[4], len, 0x33);
        el_extend(want[23], len, 0x44);
        assert_int_equal(replay(alg[i], &r), 0);
        assert_int_equal(r.events, 4);
        assert_int_equal(r.extended, 1u << 4 | 1u << 0 | 1u << 23);
        assert_memory_equal(r.value, want, sizeof want);
    }
}

static void events_without_action_extend_nothing(void **state)
{
    struct clo_event_replay r;

    (void)state;
    el_start(&lab, both);
    el_event(&lab, 0, 3, 0x11, "hello", 5);
    el_event(&lab, 0xffffffff, 3, 0x11, "anywhere", 8);
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), 0);
    assert_int_equal(r.events, 0);
    assert_int_equal(r.extended, 0);
}

static void the_locality_that_started_the_tpm_shows_in_the_first_register(void **state)
{
    struct clo_event_replay r;
    uint8_t want[48] = {0};

    (void)state;
    el_start(&lab, both);
    el_event(&lab, 0, 3, 0, "StartupLocality\0\3", 17);
    el_event(&lab, 0, 8, 0x22, "", 0);
    want[31] = 3;
    el_extend(want, 32, 0x22);
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), 0);
    assert_memory_equal(r.value[0], want, 32);
}

static void a_locality_told_twice_or_late_or_unknown_is_refused(void **state)
{
    struct clo_event_replay r;

    (void)state;
    el_start(&lab, both);
    el_event(&lab, 0, 3, 0, "StartupLocality\0\3", 17);
    el_event(&lab, 0, 3, 0, "StartupLocality\0\3", 17);
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), CLOISTER_E_DUPLICATE);
    el_start(&lab, both);
    el_event(&lab, 0, 8, 0x22, "", 0);
    el_event(&lab, 0, 3, 0, "StartupLocality\0\3", 17);
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), CLOISTER_E_MALFORMED);
    el_start(&lab, both);
    el_event(&lab, 0, 3, 0, "StartupLocality\0\2", 17);
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), CLOISTER_E_MALFORMED);
    el_start(&lab, both);
    el_event(&lab, 0, 3, 0, "StartupLocality\0\3x", 18);
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), CLOISTER_E_MALFORMED);
}

static void padding_of_one_kind_ends_a_log(void **state)
{
    static const uint8_t fill[] = {0, 0xff};
    static const size_t count[] = {1, 7, 8, 9, 4096};

    (void)state;
    for (size_t f = 0; f < 2; f++)
        for (size_t c = 0; c < CLO_ARRAY_LEN(count); c++) {
            struct clo_event_replay r;

            el_start(&lab, both);
            el_event(&lab, 4, 13, 0x11, "", 0);
            memset(lab.p + lab.n, fill[f], count[c]);
            lab.n += count[c];
            assert_int_equal(replay(CLO_EVENT_SHA384, &r), 0);
            assert_int_equal(r.events, 1);
            if (count[c] < 2)
                continue;
            lab.p[lab.n - 1] ^= 1; /* something behind the padding */
            assert_int_not_equal(replay(CLO_EVENT_SHA384, &r), 0);
        }
}

static void a_log_without_the_bank_is_not_found(void **state)
{
    static const uint16_t one[] = {EL_SHA1, CLO_EVENT_SHA256, 0};
    struct clo_event_replay r;

    (void)state;
    el_start(&lab, one);
    el_event(&lab, 4, 13, 0x11, "", 0);
    assert_int_equal(replay(CLO_EVENT_SHA384, &r), CLOISTER_E_NOT_FOUND);
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), 0);
    assert_int_equal(replay(EL_SHA1, &r), CLOISTER_E_ARGUMENT);
}

/* Where the header says, so does every event: none can leave the bank out that is replayed. */
static void an_event_must_have_each_of_the_headers_digests_once(void **state)
{
    static const struct {
        uint16_t alg[3];
        size_t n;
    } wrong[] = {
        {{CLO_EVENT_SHA256}, 1},
        {{CLO_EVENT_SHA256, CLO_EVENT_SHA256}, 2},
        {{CLO_EVENT_SHA384, EL_SHA1}, 2},
        {{CLO_EVENT_SHA256, CLO_EVENT_SHA384, EL_SHA1}, 3},
        {{0}, 0},
    };
    struct clo_event_replay r;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++) {
        el_start(&lab, both);
        lab.algs = wrong[i].n;
        memcpy(lab.alg, wrong[i].alg, sizeof wrong[i].alg);
        el_event(&lab, 4, 13, 0x11, "", 0);
        assert_int_not_equal(replay(CLO_EVENT_SHA256, &r), 0);
    }
}

static void a_register_beyond_the_last_is_refused(void **state)
{
    struct clo_event_replay r;

    (void)state;
    el_start(&lab, both);
    el_event(&lab, 24, 13, 0x11, "", 0);
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), CLOISTER_E_MALFORMED);
}

static void a_header_that_is_not_one_is_refused(void **state)
{
    static const uint16_t twice[] = {CLO_EVENT_SHA256, CLO_EVENT_SHA256, 0};
    struct clo_event_replay r;

    (void)state;
    el_start(&lab, twice);
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), CLOISTER_E_DUPLICATE);
    el_start(&lab, both);
    lab.p[4] = 8; /* a measured event */
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), CLOISTER_E_MALFORMED);
    el_start(&lab, both);
    lab.p[32] ^= 1; /* its name */
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), CLOISTER_E_MALFORMED);
    el_start(&lab, both);
    lab.p[62] = 20; /* SHA-256 of 20 bytes */
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), CLOISTER_E_MALFORMED);
    el_start(&lab, both);
    lab.p[56] = 17; /* seventeen algorithms */
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), CLOISTER_E_LIMIT);
    el_start(&lab, both);
    lab.p[56] = 0;
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), CLOISTER_E_LIMIT);
    lab.n = 0;
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), CLOISTER_E_TRUNCATED);
}

/* A cut is either noticed or falls between two events: a log can't be stretched by cutting it. */
static void a_cut_log_is_refused_or_says_less(void **state)
{
    struct clo_event_replay r;
    size_t whole, taken = 0;

    (void)state;
    el_start(&lab, both);
    el_event(&lab, 4, 13, 0x11, "abc", 3);
    el_event(&lab, 5, 13, 0x22, "abc", 3);
    whole = lab.n;
    for (lab.n = 0; lab.n < whole; lab.n++)
        if (replay(CLO_EVENT_SHA256, &r) == 0) {
            assert_true(r.events < 2);
            taken++;
        }
    assert_int_equal(taken, 2); /* no event, and one */
}

static void more_events_than_the_cap_are_refused(void **state)
{
    static const uint16_t one[] = {CLO_EVENT_SHA256, 0};
    struct clo_event_replay r;

    (void)state;
    el_start(&lab, one);
    for (size_t i = 0; i < 4096; i++)
        el_event(&lab, 1, 13, 0x11, "", 0);
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), 0);
    assert_int_equal(r.events, 4096);
    el_event(&lab, 1, 13, 0x11, "", 0);
    assert_int_equal(replay(CLO_EVENT_SHA256, &r), CLOISTER_E_LIMIT);
}

static void a_refused_log_leaves_the_result_alone(void **state)
{
    struct clo_event_replay r, before;

    (void)state;
    memset(&r, 0x5a, sizeof r);
    before = r;
    el_start(&lab, both);
    el_event(&lab, 4, 13, 0x11, "", 0);
    lab.n--;
    assert_int_not_equal(replay(CLO_EVENT_SHA256, &r), 0);
    assert_memory_equal(&r, &before, sizeof r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_register_is_the_hash_of_what_it_was_and_what_came),
        cmocka_unit_test(events_without_action_extend_nothing),
        cmocka_unit_test(the_locality_that_started_the_tpm_shows_in_the_first_register),
        cmocka_unit_test(a_locality_told_twice_or_late_or_unknown_is_refused),
        cmocka_unit_test(padding_of_one_kind_ends_a_log),
        cmocka_unit_test(a_log_without_the_bank_is_not_found),
        cmocka_unit_test(an_event_must_have_each_of_the_headers_digests_once),
        cmocka_unit_test(a_register_beyond_the_last_is_refused),
        cmocka_unit_test(a_header_that_is_not_one_is_refused),
        cmocka_unit_test(a_cut_log_is_refused_or_says_less),
        cmocka_unit_test(more_events_than_the_cap_are_refused),
        cmocka_unit_test(a_refused_log_leaves_the_result_alone),
    };

    return cmocka_run_group_tests_name("event_log", tests, NULL, NULL);
}
