/* SPDX-License-Identifier: Apache-2.0 */
/* Slot leases: who shares a prompt cache with whom (nobody), and who waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "daemon/gateway/lease.h"

enum {
    ALICE,
    BOB,
    CAROL,
    OWNERS
};
static int who_a, who_b, who_c; /* waiters: only their addresses matter */

static struct clo_lessor *make(uint32_t slots, uint32_t parallel, uint32_t queue)
{
    struct clo_lessor *l = NULL;

    assert_int_equal(clo_lessor_new(parallel, queue, &l), 0);
    assert_int_equal(clo_lessor_set_owners(l, OWNERS), 0);
    assert_int_equal(clo_lessor_set_slots(l, slots), 0);
    return l;
}

static struct clo_lease granted(struct clo_lessor *l, uint32_t owner)
{
    struct clo_lease lease = {0};

    assert_int_equal(clo_lessor_ask(l, owner, 0, &who_a, &lease), 0);
    return lease;
}

static void use_once(struct clo_lessor *l, uint32_t owner)
{
    const struct clo_lease lease = granted(l, owner);

    clo_lessor_settle(l, &lease);
    clo_lessor_give(l, &lease);
}

static void a_fresh_slot_has_no_cache_to_share(void **state)
{
    struct clo_lessor *l = make(1, 4, 4);

    (void)state;
    assert_false(granted(l, ALICE).cache);
    clo_lessor_free(l);
}

static void the_same_owner_gets_its_slot_back_with_its_cache(void **state)
{
    struct clo_lessor *l = make(2, 4, 4);
    struct clo_lease first = granted(l, ALICE), again = {0};

    (void)state;
    clo_lessor_settle(l, &first);
    clo_lessor_give(l, &first);
    use_once(l, BOB);
    again = granted(l, ALICE);
    assert_int_equal(again.slot, first.slot);
    assert_true(again.cache);
    clo_lessor_free(l);
}

static void a_slot_is_its_holders_only_when_the_engine_has_answered(void **state)
{
    struct clo_lessor *l = make(1, 4, 4);
    struct clo_lease refused = {0};

    (void)state;
    use_once(l, ALICE);
    refused = granted(l, BOB);
    clo_lessor_give(l, &refused); /* Alice's prompt is still in there */
    assert_false(granted(l, BOB).cache);
    clo_lessor_free(l);
}

static void a_refused_request_of_ones_own_takes_nothing_away(void **state)
{
    struct clo_lessor *l = make(1, 4, 4);
    struct clo_lease refused = {0};

    (void)state;
    use_once(l, ALICE);
    refused = granted(l, ALICE);
    clo_lessor_give(l, &refused);
    assert_true(granted(l, ALICE).cache);
    clo_lessor_free(l);
}

static void a_lease_that_changes_hands_has_no_cache(void **state)
{
    struct clo_lessor *l = make(1, 4, 4);

    (void)state;
    use_once(l, ALICE);
    assert_false(granted(l, BOB).cache);
    clo_lessor_free(l);
}

static void after_it_changed_hands_the_first_owner_has_no_cache_either(void **state)
{
    struct clo_lessor *l = make(1, 4, 4);

    (void)state;
    use_once(l, ALICE);
    use_once(l, BOB);
    assert_false(granted(l, ALICE).cache);
    clo_lessor_free(l);
}

static void a_newcomer_takes_the_slot_that_was_used_longest_ago(void **state)
{
    struct clo_lessor *l = make(2, 4, 4);
    struct clo_lease alice = granted(l, ALICE), bob = granted(l, BOB);

    (void)state;
    clo_lessor_give(l, &bob);
    clo_lessor_give(l, &alice);
    use_once(l, ALICE); /* the younger one now */
    assert_int_equal(granted(l, CAROL).slot, bob.slot);
    clo_lessor_free(l);
}

static void a_busy_slot_is_never_granted_not_even_to_its_owner(void **state)
{
    struct clo_lessor *l = make(1, 4, 4);
    struct clo_lease lease = {.slot = 77};

    (void)state;
    (void)granted(l, ALICE);
    assert_int_equal(clo_lessor_ask(l, ALICE, 0, &who_a, &lease), CLOISTER_E_STATE);
    assert_int_equal(lease.slot, 77);
    clo_lessor_free(l);
}

static void those_who_wait_are_served_in_order(void **state)
{
    struct clo_lessor *l = make(1, 4, 4);
    struct clo_lease running = granted(l, ALICE), lease = {0};
    void *who = NULL;

    (void)state;
    assert_int_equal(clo_lessor_ask(l, BOB, 0, &who_b, &lease), CLOISTER_E_STATE);
    assert_int_equal(clo_lessor_ask(l, ALICE, 0, &who_a, &lease), CLOISTER_E_STATE);
    assert_int_equal(clo_lessor_next(l, &who, &lease), CLOISTER_E_NOT_FOUND);
    clo_lessor_give(l, &running);
    assert_int_equal(clo_lessor_next(l, &who, &lease), 0);
    assert_ptr_equal(who, &who_b);
    assert_false(lease.cache);
    clo_lessor_give(l, &lease);
    assert_int_equal(clo_lessor_next(l, &who, &lease), 0);
    assert_ptr_equal(who, &who_a);
    assert_int_equal(clo_lessor_next(l, &who, &lease), CLOISTER_E_NOT_FOUND);
    clo_lessor_free(l);
}

static void a_newcomer_does_not_overtake_the_queue(void **state)
{
    struct clo_lessor *l = make(1, 4, 4);
    struct clo_lease running = granted(l, ALICE), lease = {0};

    (void)state;
    assert_int_equal(clo_lessor_ask(l, BOB, 0, &who_b, &lease), CLOISTER_E_STATE);
    clo_lessor_give(l, &running);
    assert_int_equal(clo_lessor_ask(l, CAROL, 0, &who_c, &lease), CLOISTER_E_STATE);
    clo_lessor_free(l);
}

static void the_queue_is_bounded(void **state)
{
    struct clo_lessor *l = make(1, 4, 1);
    struct clo_lease lease = {0};

    (void)state;
    (void)granted(l, ALICE);
    assert_int_equal(clo_lessor_ask(l, BOB, 0, &who_b, &lease), CLOISTER_E_STATE);
    assert_int_equal(clo_lessor_ask(l, CAROL, 0, &who_c, &lease), CLOISTER_E_FULL);
    assert_int_equal(clo_lessor_waiting(l), 1);
    clo_lessor_free(l);
}

static void an_owner_has_its_share_of_running_and_waiting_requests_and_no_more(void **state)
{
    struct clo_lessor *l = make(1, 2, 4);
    struct clo_lease running = granted(l, ALICE), lease = {0};

    (void)state;
    assert_int_equal(clo_lessor_ask(l, ALICE, 0, &who_a, &lease), CLOISTER_E_STATE);
    assert_int_equal(clo_lessor_ask(l, ALICE, 0, &who_c, &lease), CLOISTER_E_QUOTA);
    assert_int_equal(clo_lessor_ask(l, BOB, 0, &who_b, &lease), CLOISTER_E_STATE);
    clo_lessor_give(l, &running);
    assert_int_equal(clo_lessor_ask(l, ALICE, 0, &who_c, &lease), CLOISTER_E_STATE);
    clo_lessor_free(l);
}

static void an_owner_can_keep_its_share_without_its_slot(void **state)
{
    struct clo_lessor *l = make(1, 1, 4);
    struct clo_lease lease = granted(l, ALICE);

    (void)state;
    clo_lessor_give(l, &lease);
    clo_lessor_hold(l, ALICE, &lease);
    assert_int_equal(clo_lessor_ask(l, ALICE, 0, &who_a, &lease), CLOISTER_E_QUOTA);
    use_once(l, BOB);
    clo_lessor_give(l, &lease);
    use_once(l, ALICE);
    clo_lessor_free(l);
}

static void an_owners_own_limit_stands_before_everyones(void **state)
{
    struct clo_lessor *l = make(0, 2, 0);
    struct clo_lease lease = {0};

    (void)state;
    assert_int_equal(clo_lessor_ask(l, ALICE, 1, &who_a, &lease), 0);
    assert_int_equal(clo_lessor_ask(l, ALICE, 1, &who_a, &lease), CLOISTER_E_QUOTA);
    for (int i = 0; i < 3; i++)
        assert_int_equal(clo_lessor_ask(l, BOB, 3, &who_b, &lease), 0);
    assert_int_equal(clo_lessor_ask(l, BOB, 3, &who_b, &lease), CLOISTER_E_QUOTA);
    clo_lessor_free(l);
}

static void a_limit_that_is_lowered_below_what_runs_takes_nothing_away(void **state)
{
    struct clo_lessor *l = make(2, 4, 4);
    struct clo_lease one = granted(l, ALICE), two = granted(l, ALICE), lease = {0};
    void *who = NULL;

    (void)state;
    assert_int_equal(clo_lessor_ask(l, BOB, 0, &who_b, &lease), CLOISTER_E_STATE);
    assert_int_equal(clo_lessor_ask(l, CAROL, 0, &who_c, &lease), CLOISTER_E_STATE);
    assert_int_equal(clo_lessor_set_limits(l, 1, 0), 0);
    assert_int_equal(clo_lessor_ask(l, ALICE, 0, &who_a, &lease), CLOISTER_E_QUOTA);
    clo_lessor_give(l, &one);
    clo_lessor_give(l, &two);
    assert_int_equal(clo_lessor_next(l, &who, &lease), 0);
    assert_ptr_equal(who, &who_b);
    assert_int_equal(clo_lessor_next(l, &who, &lease), 0);
    assert_ptr_equal(who, &who_c);
    clo_lessor_free(l);
}

static void one_who_takes_anothers_number_takes_nothing_else(void **state)
{
    struct clo_lessor *l = make(1, 4, 4);

    (void)state;
    use_once(l, ALICE);
    clo_lessor_forget(l, ALICE);
    assert_false(granted(l, ALICE).cache);
    clo_lessor_free(l);
}

static void one_who_leaves_the_queue_is_not_called_and_not_counted(void **state)
{
    struct clo_lessor *l = make(1, 1, 4);
    struct clo_lease running = granted(l, ALICE), lease = {0};
    void *who = NULL;

    (void)state;
    assert_int_equal(clo_lessor_ask(l, BOB, 0, &who_b, &lease), CLOISTER_E_STATE);
    assert_int_equal(clo_lessor_ask(l, CAROL, 0, &who_c, &lease), CLOISTER_E_STATE);
    clo_lessor_leave(l, &who_b);
    clo_lessor_leave(l, &who_b);
    clo_lessor_give(l, &running);
    assert_int_equal(clo_lessor_next(l, &who, &lease), 0);
    assert_ptr_equal(who, &who_c);
    assert_int_equal(clo_lessor_ask(l, BOB, 0, &who_b, &lease), CLOISTER_E_STATE);
    clo_lessor_free(l);
}

static void a_fresh_engine_remembers_nobody(void **state)
{
    struct clo_lessor *l = make(1, 4, 4);

    (void)state;
    use_once(l, ALICE);
    assert_int_equal(clo_lessor_set_slots(l, 1), 0);
    assert_false(granted(l, ALICE).cache);
    clo_lessor_free(l);
}

static void a_lease_of_the_old_engine_frees_no_slot_of_the_new_one(void **state)
{
    struct clo_lessor *l = make(1, 4, 4);
    struct clo_lease old = granted(l, ALICE), lease = {0};

    (void)state;
    assert_int_equal(clo_lessor_set_slots(l, 1), 0);
    (void)granted(l, BOB);
    clo_lessor_give(l, &old);
    assert_int_equal(clo_lessor_ask(l, ALICE, 0, &who_a, &lease), CLOISTER_E_STATE);
    clo_lessor_free(l);
}

static void a_lease_of_the_old_engine_settles_no_slot_of_the_new_one(void **state)
{
    struct clo_lessor *l = make(1, 4, 4);
    struct clo_lease old = granted(l, ALICE);

    (void)state;
    assert_int_equal(clo_lessor_set_slots(l, 1), 0);
    clo_lessor_settle(l, &old);
    assert_false(granted(l, ALICE).cache);
    clo_lessor_free(l);
}

static void an_engine_without_slots_makes_nobody_wait(void **state)
{
    struct clo_lessor *l = make(0, 2, 0);
    struct clo_lease lease = {0};

    (void)state;
    lease = granted(l, ALICE);
    assert_int_equal(lease.slot, CLO_LEASE_NO_SLOT);
    assert_false(lease.cache);
    (void)granted(l, ALICE);
    assert_int_equal(clo_lessor_ask(l, ALICE, 0, &who_a, &lease), CLOISTER_E_QUOTA);
    clo_lessor_free(l);
}

static void an_unknown_owner_and_too_many_slots_are_refused(void **state)
{
    struct clo_lessor *l = make(1, 2, 2);
    struct clo_lease lease = {0};

    (void)state;
    assert_int_equal(clo_lessor_ask(l, OWNERS, 0, &who_a, &lease), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_lessor_set_slots(l, CLO_LEASE_SLOTS_MAX + 1), CLOISTER_E_LIMIT);
    assert_int_equal(clo_lessor_set_owners(l, 1), CLOISTER_E_ARGUMENT);
    clo_lessor_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_slot_has_no_cache_to_share),
        cmocka_unit_test(the_same_owner_gets_its_slot_back_with_its_cache),
        cmocka_unit_test(a_slot_is_its_holders_only_when_the_engine_has_answered),
        cmocka_unit_test(a_refused_request_of_ones_own_takes_nothing_away),
        cmocka_unit_test(a_lease_that_changes_hands_has_no_cache),
        cmocka_unit_test(after_it_changed_hands_the_first_owner_has_no_cache_either),
        cmocka_unit_test(a_newcomer_takes_the_slot_that_was_used_longest_ago),
        cmocka_unit_test(a_busy_slot_is_never_granted_not_even_to_its_owner),
        cmocka_unit_test(those_who_wait_are_served_in_order),
        cmocka_unit_test(a_newcomer_does_not_overtake_the_queue),
        cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(an_owner_has_its_share_of_running_and_waiting_requests_and_no_more),
        cmocka_unit_test(an_owner_can_keep_its_share_without_its_slot),
        cmocka_unit_test(an_owners_own_limit_stands_before_everyones),
        cmocka_unit_test(a_limit_that_is_lowered_below_what_runs_takes_nothing_away),
        cmocka_unit_test(one_who_takes_anothers_number_takes_nothing_else),
        cmocka_unit_test(one_who_leaves_the_queue_is_not_called_and_not_counted),
        cmocka_unit_test(a_fresh_engine_remembers_nobody),
        cmocka_unit_test(a_lease_of_the_old_engine_frees_no_slot_of_the_new_one),
        cmocka_unit_test(a_lease_of_the_old_engine_settles_no_slot_of_the_new_one),
        cmocka_unit_test(an_engine_without_slots_makes_nobody_wait),
        cmocka_unit_test(an_unknown_owner_and_too_many_slots_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
