/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that hold for every message between processes, over many random ones. The generator is seeded with a constant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/attester/quotes.h"
#include "daemon/messages.h"

static uint64_t seed;
static uint32_t random_u32(void)
{
    /* xorshift64* (Vigna) */
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)(seed * 2685821657736338717U >> 32);
}

static void random_bytes(void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)random_u32();
}

static void random_text(char *p, size_t cap)
{
    size_t n = random_u32() % cap;

    memset(p, 0, cap);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(1 + random_u32() % 255);
}

static int seeded(void **state)
{
    (void)state;
    seed = 0x636c6f6973746572;
    return 0;
}

static void a_message_passes_exactly_when_its_row_permits_it(void **state)
{
    static struct clo_ipc_msg m;

    (void)state;
    for (int round = 0; round < 100000; round++) {
        uint8_t packet[64];
        struct clo_wr wr = clo_wr_init(packet, sizeof packet);
        struct clo_ipc_permit row = {random_u32(), (uint16_t)(random_u32() % 4), random_u32() % 8,
                                     random_u32() % 16, (random_u32() & 1) != 0};
        uint16_t version = random_u32() % 8 == 0 ? (uint16_t)random_u32() : 1,
                 type = (uint16_t)(random_u32() % 4);
        uint32_t n = random_u32() % 16, said = random_u32() % 8 == 0 ? random_u32() : n;
        unsigned at = random_u32() % 32;
        bool fd = (random_u32() & 1) != 0, permitted;

        assert_int_equal(clo_wr_u16le(&wr, version), 0);
        assert_int_equal(clo_wr_u16le(&wr, type), 0);
        assert_int_equal(clo_wr_u32le(&wr, said), 0);
        assert_int_equal(clo_wr_u64le(&wr, 0), 0);
        permitted = version == 1 && said == n && row.type == type && (row.states >> at & 1) != 0 &&
                    n >= row.min && n <= row.max && row.fd == fd;
        assert_int_equal(clo_ipc_check(packet, CLO_IPC_HEADER + n, fd, at, &row, 1, &m),
                         permitted ? 0 : CLOISTER_E_PROTOCOL);
    }
}

static void what_is_written_is_read_back(void **state)
{
    static uint8_t raw[CLO_IPC_MAX];

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct clo_wr wr = clo_wr_init(raw, sizeof raw);
        struct clo_engine_start a = {0}, b = {0};
        struct clo_engine_up c = {0}, d = {0};

        a.managed = random_u32() & 1;
        random_text(a.server, sizeof a.server);
        random_text(a.model, sizeof a.model);
        random_text(a.model_name, sizeof a.model_name);
        random_text(a.socket, sizeof a.socket);
        random_text(a.upstream, sizeof a.upstream);
        a.slots = random_u32();
        a.context = random_u32();
        a.threads = random_u32();
        assert_int_equal(clo_engine_start_write(&a, &wr), 0);
        assert_int_equal(clo_engine_start_read(raw, wr.len, &b), 0);
        assert_memory_equal(&a, &b, sizeof a);

        wr.len = 0;
        random_text(c.name, sizeof c.name);
        random_text(c.version, sizeof c.version);
        random_text(c.model_name, sizeof c.model_name);
        random_bytes(c.model_sha256, 32);
        random_bytes(c.args_sha256, 32);
        c.slots = random_u32();
        c.context = random_u32();
        assert_int_equal(clo_engine_up_write(&c, &wr), 0);
        assert_int_equal(clo_engine_up_read(raw, wr.len, &d), 0);
        assert_memory_equal(&c, &d, sizeof c);
    }
}

static void cut_and_lengthened_payloads_are_refused(void **state)
{
    static uint8_t raw[CLO_IPC_MAX];

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct clo_wr wr = clo_wr_init(raw, sizeof raw - 1);
        struct clo_engine_state s = {.up = 1}, back;

        random_text(s.address, sizeof s.address);
        random_text(s.model_name, sizeof s.model_name);
        assert_int_equal(clo_engine_state_write(&s, &wr), 0);
        raw[wr.len] = 0;
        assert_int_equal(clo_engine_state_read(raw, random_u32() % wr.len, &back),
                         CLOISTER_E_TRUNCATED);
        assert_int_equal(clo_engine_state_read(raw, wr.len + 1, &back), CLOISTER_E_TRAILING);
    }
}

static void random_payloads_never_crash_a_reader(void **state)
{
    static uint8_t raw[600];

    (void)state;
    for (int round = 0; round < 100000; round++) {
        union {
            struct clo_keeper_start keeper;
            struct clo_attester_start attester;
            struct clo_engine_start engine;
            struct clo_engine_up up;
            struct clo_engine_state state;
            struct clo_gateway_start gateway;
            struct clo_quoted quoted;
        } v;
        size_t n = random_u32() % sizeof raw;
        int refused = 0;

        random_bytes(raw, n < 16 ? n : 16);
        refused += clo_keeper_start_read(raw, n, &v.keeper) != 0;
        refused += clo_attester_start_read(raw, n, &v.attester) != 0;
        refused += clo_engine_start_read(raw, n, &v.engine) != 0;
        refused += clo_engine_up_read(raw, n, &v.up) != 0;
        refused += clo_engine_state_read(raw, n, &v.state) != 0;
        refused += clo_gateway_start_read(raw, n, &v.gateway) != 0;
        refused += clo_quoted_read(raw, n, &v.quoted) != 0;
        assert_true(refused >= 5); /* hardly anything is two things at once */
    }
}

static void every_nonce_of_a_batch_is_answered_once_with_its_own_path(void **state)
{
    struct clo_quotes *q = NULL;

    (void)state;
    assert_int_equal(clo_quotes_new(&q), 0);
    for (int round = 0; round < 40; round++) {
        static uint8_t nonce[1000][32];
        size_t n = 1 + random_u32() % 1000, count = 0, late = random_u32() % 5;
        uint8_t root[32], next_root[32];

        random_bytes(nonce, sizeof nonce);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(clo_quotes_add(q, i, nonce[i]), 0);
        assert_int_equal(clo_quotes_begin(q, root, &count), 0);
        assert_int_equal(count, n);
        for (size_t i = 0; i < late;
             i++) /* they come while the report is being made: the next batch's */
            assert_int_equal(clo_quotes_add(q, 5000 + i, nonce[i]), 0);
        assert_int_equal(clo_quotes_begin(q, next_root, &count), CLOISTER_E_STATE);
        for (size_t i = 0; i < n; i++) {
            struct clo_batch_section s;
            uint64_t id = 0;

            assert_int_equal(clo_quotes_next(q, &id, &s), 0);
            assert_int_equal(id, i);
            assert_memory_equal(s.root, root, 32);
            assert_int_equal(clo_batch_check(&s, nonce[i]), 0);
            clo_quotes_answered(q);
        }
        assert_false(clo_quotes_busy(q));
        assert_int_equal(clo_quotes_begin(q, next_root, &count),
                         late > 0 ? 0 : CLOISTER_E_NOT_FOUND);
        assert_int_equal(late > 0 ? count : 0, late);
        clo_quotes_drop(q);
    }
    clo_quotes_free(q);
}

static void a_full_queue_says_so_and_goes_on_after_its_batch(void **state)
{
    struct clo_quotes *q = NULL;
    uint8_t nonce[32] = {0}, root[32];
    size_t count = 0;

    (void)state;
    assert_int_equal(clo_quotes_new(&q), 0);
    for (uint64_t i = 0; i < CLO_BATCH_MAX; i++)
        assert_int_equal(clo_quotes_add(q, i, nonce), 0);
    assert_true(clo_quotes_full(q));
    assert_int_equal(clo_quotes_add(q, 0, nonce), CLOISTER_E_FULL);
    assert_int_equal(clo_quotes_begin(q, root, &count), 0);
    assert_int_equal(count, CLO_BATCH_MAX);
    assert_int_equal(clo_quotes_add(q, 0, nonce), 0);
    clo_quotes_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_message_passes_exactly_when_its_row_permits_it, seeded),
        cmocka_unit_test_setup(what_is_written_is_read_back, seeded),
        cmocka_unit_test_setup(cut_and_lengthened_payloads_are_refused, seeded),
        cmocka_unit_test_setup(random_payloads_never_crash_a_reader, seeded),
        cmocka_unit_test_setup(every_nonce_of_a_batch_is_answered_once_with_its_own_path, seeded),
        cmocka_unit_test_setup(a_full_queue_says_so_and_goes_on_after_its_batch, seeded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
