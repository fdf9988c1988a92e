/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of API keys over time, and who a connection is counted for. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/gateway/limits.h"

#define DAY      86400
#define MIDNIGHT (INT64_C(20000) * DAY)

static void ask_times(struct clo_usage *u, uint32_t limit, int64_t second, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        assert_int_equal(clo_usage_ask(u, limit, second), 0);
}

static void a_minute_sees_as_many_requests_as_allowed_and_no_more(void **state)
{
    struct clo_usage u = {0};

    (void)state;
    ask_times(&u, 3, 1000, 3);
    for (int64_t s = 1000; s <= 1060; s++)
        assert_int_equal(clo_usage_ask(&u, 3, s), 1061 - s);
    ask_times(&u, 3, 1061, 3);
}

static void what_is_told_is_when_it_is_taken_and_not_a_second_later(void **state)
{
    (void)state;
    for (unsigned gap = 0; gap < 59; gap++) {
        struct clo_usage early = {0}, late = {0};
        const int64_t now = 5000 + (int64_t)gap;
        unsigned wait = 0;

        ask_times(&early, 2, 5000, 1);
        ask_times(&early, 2, now, 1);
        late = early;
        wait = clo_usage_ask(&early, 2, now);
        assert_true(wait > 0);
        assert_true(clo_usage_ask(&early, 2, now + wait - 1) > 0);
        assert_int_equal(clo_usage_ask(&late, 2, now + wait), 0);
    }
}

static void a_refused_request_is_not_counted(void **state)
{
    struct clo_usage u = {0};

    (void)state;
    ask_times(&u, 1, 10, 1);
    for (int i = 0; i < 100; i++)
        assert_true(clo_usage_ask(&u, 1, 40) > 0);
    assert_int_equal(clo_usage_ask(&u, 1, 71), 0);
}

static void a_limit_that_comes_later_finds_what_was_before(void **state)
{
    struct clo_usage u = {0};

    (void)state;
    ask_times(&u, 0, 100, 50);
    assert_int_equal(clo_usage_ask(&u, 10, 110), 51);
    assert_int_equal(clo_usage_ask(&u, 51, 110), 0);
}

static void after_a_long_rest_nothing_is_left_of_it(void **state)
{
    struct clo_usage u = {0};

    (void)state;
    ask_times(&u, 5, 100, 5);
    ask_times(&u, 5, INT64_C(1) << 40, 5);
}

static void tokens_are_refused_once_they_are_used_up_until_midnight(void **state)
{
    struct clo_usage u = {0};

    (void)state;
    assert_int_equal(clo_usage_tokens_left(&u, 100, MIDNIGHT), 0);
    clo_usage_spend(&u, 99, MIDNIGHT + 5);
    assert_int_equal(clo_usage_tokens_left(&u, 100, MIDNIGHT + 5), 0);
    clo_usage_spend(&u, 500, MIDNIGHT + 6); /* one answer may go beyond */
    assert_int_equal(clo_usage_tokens_left(&u, 100, MIDNIGHT + 10), DAY - 10);
    assert_int_equal(clo_usage_tokens_left(&u, 100, MIDNIGHT + DAY - 1), 1);
    assert_int_equal(clo_usage_tokens_left(&u, 100, MIDNIGHT + DAY), 0);
    assert_int_equal(clo_usage_tokens_left(&u, 0, MIDNIGHT + 10), 0);
}

static void a_new_day_begins_with_nothing_spent(void **state)
{
    struct clo_usage u = {0};

    (void)state;
    clo_usage_spend(&u, 100, MIDNIGHT - 1);
    clo_usage_spend(&u, 40, MIDNIGHT);
    assert_int_equal(clo_usage_tokens_left(&u, 50, MIDNIGHT), 0);
    clo_usage_spend(&u, UINT64_MAX, MIDNIGHT); /* and no sum wraps */
    assert_true(clo_usage_tokens_left(&u, UINT64_MAX, MIDNIGHT) > 0);
}

/* ---- API keys ---- */

static void a_key_is_found_by_its_digest_while_it_is_accepted(void **state)
{
    enum {
        KEYS = 4
    };
    struct clo_credential table[KEYS] = {0};
    const uint8_t nobodys[CLO_SHA256_LEN] = {0};
    uint32_t at = 77;

    (void)state;
    for (uint32_t i = 0; i < KEYS; i++) {
        table[i].terms.digest[CLO_SHA256_LEN - 1] = (uint8_t)(i + 1);
        table[i].accepted = true;
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        assert_true(clo_credential_find(table, KEYS, table[i].terms.digest, &at));
        assert_int_equal(at, i);
        at = 77;
        assert_false(clo_credential_find(table, i, table[i].terms.digest, &at));
        table[i].accepted = false;
        assert_false(clo_credential_find(table, KEYS, table[i].terms.digest, &at));
        table[i].accepted = true;
    }
    assert_false(clo_credential_find(table, KEYS, nobodys, &at));
    assert_int_equal(at, 77);
}

/* ---- peers ---- */

static void v4(const char *text, uint8_t peer[16])
{
    struct sockaddr_in in = {.sin_family = AF_INET};

    assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
    assert_true(clo_peer_of((const struct sockaddr *)&in, peer));
}

static void v6(const char *text, uint8_t peer[16])
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    assert_true(clo_peer_of((const struct sockaddr *)&in6, peer));
}

static void an_ipv4_address_is_the_same_peer_however_it_is_written(void **state)
{
    uint8_t a[16], b[16], c[16];

    (void)state;
    v4("192.0.2.7", a);
    v6("::ffff:192.0.2.7", b);
    v4("192.0.2.8", c);
    assert_memory_equal(a, b, 16);
    assert_memory_not_equal(a, c, 16);
}

static void an_ipv6_peer_is_its_64_bit_network(void **state)
{
    uint8_t a[16], b[16], c[16];

    (void)state;
    v6("2001:db8:1:2::1", a);
    v6("2001:db8:1:2:ffff::9", b);
    v6("2001:db8:1:3::1", c);
    assert_memory_equal(a, b, 16);
    assert_memory_not_equal(a, c, 16);
}

static void another_kind_of_address_is_no_peer(void **state)
{
    const struct sockaddr sa = {.sa_family = AF_UNIX};
    uint8_t a[16];

    (void)state;
    assert_false(clo_peer_of(&sa, a));
}

static void a_network_has_what_shares_its_first_bits(void **state)
{
    static const struct {
        const char *net;
        uint8_t prefix;
        const char *address;
        bool in;
    } table[] = {
        {"::ffff:10.0.0.0", 104, "::ffff:10.255.0.1", true},
        {"::ffff:10.0.0.0", 104, "::ffff:11.0.0.1", false},
        {"::ffff:10.0.0.1", 128, "::ffff:10.0.0.1", true},
        {"::ffff:10.0.0.1", 128, "::ffff:10.0.0.2", false},
        {"2001:db8::", 33, "2001:db8:7fff::1", true},
        {"2001:db8::", 33, "2001:db8:8000::1", false},
        {"::", 0, "::ffff:10.0.0.2", true},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(table); i++) {
        struct clo_network net = {.prefix = table[i].prefix};
        uint8_t address[16];

        assert_int_equal(inet_pton(AF_INET6, table[i].net, net.address), 1);
        assert_int_equal(inet_pton(AF_INET6, table[i].address, address), 1);
        assert_int_equal(clo_network_has(&net, address), table[i].in);
    }
}

static void connections_are_counted_up_and_down(void **state)
{
    struct clo_peers *p = NULL;
    uint8_t a[16], b[16], c[16];

    (void)state;
    v4("192.0.2.1", a);
    v4("192.0.2.2", b);
    v4("192.0.2.3", c);
    assert_int_equal(clo_peers_new(2, &p), 0);
    assert_true(clo_peers_add(p, a) && clo_peers_add(p, b) && clo_peers_add(p, a));
    assert_int_equal(clo_peers_count(p, a), 2);
    assert_false(clo_peers_add(p, c));
    clo_peers_drop(p, c); /* never counted: nobody's */
    clo_peers_drop(p, a);
    clo_peers_drop(p, a);
    assert_int_equal(clo_peers_count(p, a), 0);
    assert_int_equal(clo_peers_count(p, b), 1);
    assert_true(clo_peers_add(p, c));
    clo_peers_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minute_sees_as_many_requests_as_allowed_and_no_more),
        cmocka_unit_test(what_is_told_is_when_it_is_taken_and_not_a_second_later),
        cmocka_unit_test(a_refused_request_is_not_counted),
        cmocka_unit_test(a_limit_that_comes_later_finds_what_was_before),
        cmocka_unit_test(after_a_long_rest_nothing_is_left_of_it),
        cmocka_unit_test(tokens_are_refused_once_they_are_used_up_until_midnight),
        cmocka_unit_test(a_new_day_begins_with_nothing_spent),
        cmocka_unit_test(a_key_is_found_by_its_digest_while_it_is_accepted),
        cmocka_unit_test(an_ipv4_address_is_the_same_peer_however_it_is_written),
        cmocka_unit_test(an_ipv6_peer_is_its_64_bit_network),
        cmocka_unit_test(another_kind_of_address_is_no_peer),
        cmocka_unit_test(a_network_has_what_shares_its_first_bits),
        cmocka_unit_test(connections_are_counted_up_and_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
