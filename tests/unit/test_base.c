/* SPDX-License-Identifier: Apache-2.0 */
/* The ground that everything stands on: reader, writer, buffer, secret memory, encodings, log table. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/enc.h"
#include "base/event.h"
#include "base/rw.h"
#include "base/secret.h"

/* ---- reader and writer ---- */

static void integers_are_read_in_both_byte_orders(void **state)
{
    static const uint8_t in[] = {1, 1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8,
                                 1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8};
    struct clo_rd rd = clo_rd_init(in, sizeof(in));
    uint8_t u8 = 0;
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    uint64_t u64 = 0;

    (void)state;
    assert_int_equal(clo_rd_u8(&rd, &u8), 0);
    assert_int_equal(u8, 1);
    assert_int_equal(clo_rd_u16be(&rd, &u16), 0);
    assert_int_equal(u16, 0x0102);
    assert_int_equal(clo_rd_u32be(&rd, &u32), 0);
    assert_int_equal(u32, 0x01020304);
    assert_int_equal(clo_rd_u64be(&rd, &u64), 0);
    assert_int_equal(u64, 0x0102030405060708);
    assert_int_equal(clo_rd_u16le(&rd, &u16), 0);
    assert_int_equal(u16, 0x0201);
    assert_int_equal(clo_rd_u32le(&rd, &u32), 0);
    assert_int_equal(u32, 0x04030201);
    assert_int_equal(clo_rd_u64le(&rd, &u64), 0);
    assert_int_equal(u64, 0x0807060504030201);
    assert_int_equal(clo_rd_end(&rd), 0);
}

static void a_short_read_fails_and_changes_nothing(void **state)
{
    static const uint8_t in[7] = {0xff, 1, 2, 3, 4, 5, 6};
    struct clo_rd rd = clo_rd_init(in, sizeof(in));
    uint64_t v = 42;
    uint8_t dst[8] = {9};
    const uint8_t *view = dst;

    (void)state;
    assert_int_equal(clo_rd_u64be(&rd, &v), CLOISTER_E_TRUNCATED);
    assert_int_equal(clo_rd_u64le(&rd, &v), CLOISTER_E_TRUNCATED);
    assert_int_equal(clo_rd_varint(&rd, &v), CLOISTER_E_TRUNCATED);
    assert_int_equal(clo_rd_bytes(&rd, dst, 8), CLOISTER_E_TRUNCATED);
    assert_int_equal(clo_rd_view(&rd, SIZE_MAX, &view), CLOISTER_E_TRUNCATED);
    assert_int_equal(clo_rd_skip(&rd, SIZE_MAX), CLOISTER_E_TRUNCATED);
    assert_int_equal(clo_rd_zero(&rd, 8), CLOISTER_E_TRUNCATED);
    assert_int_equal(v, 42);
    assert_int_equal(dst[0], 9);
    assert_ptr_equal(view, dst);
    assert_ptr_equal(rd.p, in);
    assert_int_equal(rd.left, sizeof(in));
}

static void bytes_left_over_are_an_error(void **state)
{
    struct clo_rd rd = clo_rd_init("x", 1);

    (void)state;
    assert_int_equal(clo_rd_end(&rd), CLOISTER_E_TRAILING);
    assert_int_equal(clo_rd_skip(&rd, 1), 0);
    assert_int_equal(clo_rd_end(&rd), 0);
}

static void zeros_are_demanded_one_by_one(void **state)
{
    uint8_t in[16] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(in); i++) {
        struct clo_rd rd = clo_rd_init(in, sizeof(in));

        in[i] = 0x80;
        assert_int_equal(clo_rd_zero(&rd, sizeof(in)), CLOISTER_E_MALFORMED);
        assert_int_equal(rd.left, sizeof(in));
        assert_int_equal(clo_rd_zero(&rd, i), 0);
        in[i] = 0;
    }
}

static void an_empty_reader_may_have_no_place(void **state)
{
    struct clo_rd rd = clo_rd_init(NULL, 0);
    const uint8_t *view = (const uint8_t *)"x";
    uint8_t dst[1] = {7};

    (void)state;
    assert_int_equal(clo_rd_view(&rd, 0, &view), 0);
    assert_null(view);
    assert_int_equal(clo_rd_skip(&rd, 0), 0);
    assert_int_equal(clo_rd_zero(&rd, 0), 0);
    assert_int_equal(clo_rd_bytes(&rd, dst, 0), 0);
    assert_int_equal(dst[0], 7);
    assert_int_equal(clo_rd_end(&rd), 0);
}

/* RFC 9000 appendix A.1 */
static void varints_of_the_standard_are_read(void **state)
{
    static const struct {
        uint8_t in[8];
        size_t n;
        uint64_t v;
    } sample[] = {
        {{0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c}, 8, 151288809941952652},
        {{0x9d, 0x7f, 0x3e, 0x7d}, 4, 494878333},
        {{0x7b, 0xbd}, 2, 15293},
        {{0x25}, 1, 37},
        {{0x40, 0x25}, 2, 37},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(sample); i++) {
        struct clo_rd rd = clo_rd_init(sample[i].in, sample[i].n);
        uint64_t v = 0;

        assert_int_equal(clo_rd_varint(&rd, &v), 0);
        assert_int_equal(v, sample[i].v);
        assert_int_equal(clo_rd_end(&rd), 0);
    }
}

static void varints_are_written_in_the_fewest_bytes(void **state)
{
    static const struct {
        uint64_t v;
        size_t n;
    } edge[] = {
        {0, 1},       {63, 1},
        {64, 2},      {16383, 2},
        {16384, 4},   {((uint64_t)1 << 30) - 1, 4},
        {1 << 30, 8}, {((uint64_t)1 << 62) - 1, 8},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(edge); i++) {
        uint8_t out[8] = {0};
        struct clo_wr wr = clo_wr_init(out, sizeof(out));
        struct clo_rd rd = {0};
        uint64_t v = 0;

        assert_int_equal(clo_wr_varint(&wr, edge[i].v), 0);
        assert_int_equal(wr.len, edge[i].n);
        assert_int_equal(clo_varint_len(edge[i].v), edge[i].n);
        rd = clo_rd_init(out, wr.len);
        assert_int_equal(clo_rd_varint(&rd, &v), 0);
        assert_int_equal(v, edge[i].v);
    }
}

static void a_number_beyond_62_bits_is_no_varint(void **state)
{
    uint8_t out[8] = {0};
    struct clo_wr wr = clo_wr_init(out, sizeof(out));

    (void)state;
    assert_int_not_equal(clo_wr_varint(&wr, (uint64_t)1 << 62), 0);
    assert_int_not_equal(clo_wr_varint(&wr, UINT64_MAX), 0);
    assert_int_equal(wr.len, 0);
}

static void what_is_written_is_read_again(void **state)
{
    uint8_t out[29 + 3 + 2] = {0};
    struct clo_wr wr = clo_wr_init(out, sizeof(out));
    struct clo_rd rd = clo_rd_init(out, sizeof(out));
    uint8_t u8 = 0, bytes[3] = {0};
    uint16_t be16 = 0, le16 = 0;
    uint32_t be32 = 0, le32 = 0;
    uint64_t be64 = 0, le64 = 0;

    (void)state;
    assert_true(clo_wr_u8(&wr, 0xa1) == 0 && clo_wr_u16be(&wr, 0xa1b2) == 0 &&
                clo_wr_u32be(&wr, 0xa1b2c3d4) == 0 && clo_wr_u64be(&wr, 0xa1b2c3d4e5f60718) == 0 &&
                clo_wr_u16le(&wr, 0xa1b2) == 0 && clo_wr_u32le(&wr, 0xa1b2c3d4) == 0 &&
                clo_wr_u64le(&wr, 0xa1b2c3d4e5f60718) == 0 && clo_wr_bytes(&wr, "abc", 3) == 0 &&
                clo_wr_zero(&wr, 2) == 0);
    assert_int_equal(wr.len, sizeof(out));
    assert_int_equal(out[1], 0xa1); /* big endian indeed */
    assert_int_equal(out[15], 0xb2);
    assert_true(clo_rd_u8(&rd, &u8) == 0 && clo_rd_u16be(&rd, &be16) == 0 &&
                clo_rd_u32be(&rd, &be32) == 0 && clo_rd_u64be(&rd, &be64) == 0 &&
                clo_rd_u16le(&rd, &le16) == 0 && clo_rd_u32le(&rd, &le32) == 0 &&
                clo_rd_u64le(&rd, &le64) == 0 && clo_rd_bytes(&rd, bytes, 3) == 0 &&
                clo_rd_zero(&rd, 2) == 0 && clo_rd_end(&rd) == 0);
    assert_int_equal(u8, 0xa1);
    assert_true(be16 == 0xa1b2 && le16 == 0xa1b2);
    assert_true(be32 == 0xa1b2c3d4 && le32 == 0xa1b2c3d4);
    assert_true(be64 == 0xa1b2c3d4e5f60718 && le64 == 0xa1b2c3d4e5f60718);
    assert_memory_equal(bytes, "abc", 3);
}

static void a_full_writer_writes_nothing(void **state)
{
    uint8_t out[4] = {1, 2, 3, 4};
    struct clo_wr wr = clo_wr_init(out, 3);

    (void)state;
    assert_int_equal(clo_wr_u32be(&wr, 0), CLOISTER_E_LIMIT);
    assert_int_equal(clo_wr_bytes(&wr, "abcd", 4), CLOISTER_E_LIMIT);
    assert_int_equal(clo_wr_zero(&wr, SIZE_MAX), CLOISTER_E_LIMIT);
    assert_int_equal(clo_wr_varint(&wr, 16384), CLOISTER_E_LIMIT);
    assert_int_equal(wr.len, 0);
    assert_memory_equal(out, "\1\2\3\4", 4);
}

/* ---- the growing buffer ---- */

static void a_buffer_takes_exactly_its_maximum(void **state)
{
    struct clo_buf b = clo_buf_init(1000);
    uint8_t *place = NULL;

    (void)state;
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(clo_buf_append(&b, "0123456789", 10), 0);
    assert_int_equal(b.len, 1000);
    assert_int_equal(clo_buf_append(&b, "x", 1), CLOISTER_E_LIMIT);
    assert_int_equal(clo_buf_reserve(&b, SIZE_MAX, &place), CLOISTER_E_LIMIT);
    assert_null(place);
    assert_int_equal(b.len, 1000);
    assert_memory_equal(b.p + 990, "0123456789", 10);
    clo_buf_clear(&b);
    assert_null(b.p);
    assert_int_equal(b.max, 1000);
    assert_int_equal(clo_buf_append(&b, "again", 5), 0);
    clo_buf_clear(&b);
    clo_buf_clear(NULL);
}

static void a_reserved_place_counts_once_it_is_committed(void **state)
{
    struct clo_buf b = clo_buf_init(100000);
    uint8_t *place = NULL;

    (void)state;
    assert_int_equal(clo_buf_append(&b, "ab", 2), 0);
    assert_int_equal(clo_buf_reserve(&b, 5000, &place), 0);
    assert_int_equal(b.len, 2);
    memset(place, 'x', 5000);
    clo_buf_commit(&b, 1);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.p, "abx", 3);
    clo_buf_clear(&b);
    assert_int_equal(clo_buf_reserve(&b, 0, &place), 0);
    assert_non_null(place);
    clo_buf_clear(&b);
}

static void what_is_consumed_is_wiped(void **state)
{
    struct clo_buf b = clo_buf_init(64);

    (void)state;
    assert_int_equal(clo_buf_append(&b, "secretpublic", 12), 0);
    clo_buf_consume(&b, 0);
    assert_int_equal(b.len, 12);
    clo_buf_consume(&b, 6);
    assert_int_equal(b.len, 6);
    assert_memory_equal(b.p, "public\0\0\0\0\0\0", 12);
    clo_buf_consume(&b, 6);
    assert_int_equal(b.len, 0);
    assert_memory_equal(b.p, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
    clo_buf_clear(&b);
}

/* ---- secrets: a mark is laid down, and all writable memory of the process is searched for it ---- */

enum {
    MARK = 48
};

/* Computed from a volatile, so that the mark exists nowhere but where it is laid down. */
static volatile uint8_t mark_seed = 0x5b;

static void lay_mark(uint8_t *p)
{
    for (size_t i = 0; i < MARK; i++)
        p[i] = (uint8_t)((mark_seed ^ (uint8_t)(i * 37)) + i);
}

static bool is_mark(const uint8_t *p)
{
    for (size_t i = 0; i < MARK; i++) {
        if (p[i] != (uint8_t)((mark_seed ^ (uint8_t)(i * 37)) + i))
            return false;
    }
    return true;
}

static bool region_holds_mark(int mem, unsigned long long from, unsigned long long to)
{
    static uint8_t piece[65536];
    bool found = false;

    for (; from < to && !found; from += sizeof(piece) - MARK) {
        unsigned long long n = to - from < sizeof(piece) ? to - from : sizeof(piece);
        ssize_t got = pread(mem, piece, n, (off_t)from);

        for (ssize_t i = 0; i + MARK <= got && !found; i++)
            found = is_mark(piece + i);
        memset(piece, 0, sizeof(piece));
    }
    return found;
}

static bool memory_holds_mark(void)
{
    const unsigned long long huge = 1ULL << 28; /* the sanitisers' shadow, mostly holes */
    FILE *maps = fopen("/proc/self/maps", "r");
    int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    unsigned long long from = 0, to = 0;
    char perms[5] = "", line[512] = "";
    bool found = false;

    assert_non_null(maps);
    assert_true(mem >= 0);
    while (!found && fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%llx-%llx %4s", &from, &to, perms) == 3 && perms[0] == 'r' &&
            perms[1] == 'w' && to - from < huge)
            found = region_holds_mark(mem, from, to);
    }
    fclose(maps);
    close(mem);
    return found;
}

static void a_freed_block_leaves_nothing_behind(void **state)
{
    uint8_t *p = clo_wipe_malloc(4096);

    (void)state;
    assert_non_null(p);
    lay_mark(p + 1000);
    assert_true(memory_holds_mark()); /* the search works */
    clo_wipe_free(p);
    assert_false(memory_holds_mark());
    clo_wipe_free(NULL);
}

static void a_resized_block_leaves_nothing_behind(void **state)
{
    uint8_t *p = clo_wipe_realloc(NULL, 200);

    (void)state;
    assert_non_null(p);
    lay_mark(p);
    p = clo_wipe_realloc(p, 100000);
    assert_non_null(p);
    assert_true(is_mark(p));
    clo_wipe(p, MARK);
    assert_false(memory_holds_mark());
    lay_mark(p + 5000);
    p = clo_wipe_realloc(p, 100);
    assert_non_null(p);
    assert_false(memory_holds_mark());
    assert_null(clo_wipe_realloc(p, 0));
}

static void a_buffer_that_grew_and_was_cleared_leaves_nothing_behind(void **state)
{
    struct clo_buf b = clo_buf_init(1 << 20);
    uint8_t *place = NULL;

    (void)state;
    assert_int_equal(clo_buf_reserve(&b, MARK, &place), 0);
    lay_mark(place);
    clo_buf_commit(&b, MARK);
    assert_int_equal(clo_buf_reserve(&b, 1 << 19, &place), 0);
    assert_true(memory_holds_mark());
    clo_buf_clear(&b);
    assert_false(memory_holds_mark());
}

static __attribute__((noinline)) bool use_stack_secret(void)
{
    CLO_SECRET(key, MARK);

    lay_mark(key);
    return memory_holds_mark();
}

/* Has the mapping at p the flags "locked" or not, and "not in a core file"? (proc(5), VmFlags) */
static bool left_out_of_dumps(const void *p)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    char line[512];
    bool mine = false, found = false;

    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        unsigned long long from = 0, to = 0;

        if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
            mine = (uintptr_t)p >= from && (uintptr_t)p < to;
        else if (mine && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, " dd") != NULL;
    }
    (void)fclose(f);
    return found;
}

static bool drop_ipc_lock(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};

    if (syscall(SYS_capget, &head, data) != 0)
        return false;
    data[0].effective &= ~(UINT32_C(1) << CAP_IPC_LOCK);
    return syscall(SYS_capset, &head, data) == 0;
}

static void a_secret_on_the_stack_ends_with_its_scope(void **state)
{
    (void)state;
    assert_true(use_stack_secret());
    assert_false(memory_holds_mark());
}

static void a_guarded_secret_ends_with_its_release(void **state)
{
    uint8_t *a = NULL, *b = NULL;

    (void)state;
    assert_int_equal(clo_guard_init(64), 0);
    assert_non_null(a = clo_guard_alloc());
    lay_mark(a);
    clo_guard_free(a);
    assert_false(memory_holds_mark());
    assert_non_null(b = clo_guard_alloc());
    lay_mark(b);
    clo_guard_end();
    assert_false(memory_holds_mark());
}

static void the_pool_gives_as_many_zeroed_slots_as_it_has(void **state)
{
    enum {
        SLOTS = 33
    };
    static const uint8_t zero[CLO_GUARD_SLOT];
    uint8_t *slot[SLOTS] = {0};

    (void)state;
    assert_null(clo_guard_alloc()); /* never made */
    assert_int_equal(clo_guard_init(SLOTS), 0);
    assert_int_equal(clo_guard_init(SLOTS), CLOISTER_E_ARGUMENT);
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < SLOTS; i++) {
            assert_non_null(slot[i] = clo_guard_alloc());
            assert_memory_equal(slot[i], zero, sizeof(zero));
            memset(slot[i], (int)i + 1, CLO_GUARD_SLOT);
        }
        assert_null(clo_guard_alloc());
        for (size_t i = 0; i < SLOTS; i++) { /* nobody wrote over a neighbour */
            assert_int_equal(slot[i][0], i + 1);
            assert_int_equal(slot[i][CLO_GUARD_SLOT - 1], i + 1);
            clo_guard_free(slot[i]);
        }
    }
    clo_guard_free(NULL);
    clo_guard_end();
    clo_guard_end();
}

/* Nobody who asks for a key has to know how many there will be; each has a place of its own all the same. */
static void a_pool_that_grows_has_room_for_everybody(void **state)
{
    enum {
        SLOTS = 100
    };
    uint8_t *slot[SLOTS] = {0};

    (void)state;
    for (size_t i = 0; i < SLOTS; i++) {
        assert_non_null(slot[i] = clo_guard_grow());
        assert_true(clo_all_zero(slot[i], CLO_GUARD_SLOT));
        memset(slot[i], (int)i + 1, CLO_GUARD_SLOT);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        assert_int_equal(slot[i][0], i + 1);
        assert_int_equal(slot[i][CLO_GUARD_SLOT - 1], i + 1);
        clo_guard_free(slot[i]);
    }
    for (size_t i = 0; i < SLOTS; i++) /* those places, wiped */
        assert_true(clo_all_zero(slot[i], CLO_GUARD_SLOT));
    clo_guard_end();
}

static void *take_and_give(void *arg)
{
    for (size_t i = 0; i < 20000; i++) {
        uint8_t *p = clo_guard_grow();

        if (p == NULL || !clo_all_zero(p, CLO_GUARD_SLOT))
            return arg;
        memset(p, 0xa5, CLO_GUARD_SLOT);
        clo_guard_free(p);
    }
    return NULL;
}

static void threads_get_no_place_twice(void **state)
{
    pthread_t thread[4];
    int failure = 0;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(thread); i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take_and_give, &failure), 0);
    for (size_t i = 0; i < CLO_ARRAY_LEN(thread); i++) {
        void *failed = NULL;

        assert_int_equal(pthread_join(thread[i], &failed), 0);
        assert_null(failed);
    }
    clo_guard_end();
}

/* Locked memory as an ordinary user has it: nothing at all here, and no capability that would be above it. */
static int without_lock(int (*f)(void))
{
    const struct rlimit none = {0, 0};
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(setrlimit(RLIMIT_MEMLOCK, &none) == 0 && drop_ipc_lock() ? f() : 99);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int strict_pool(void)
{
    return clo_guard_init(1) == CLOISTER_E_IO && clo_guard_alloc() == NULL ? 0 : 1;
}

static int growing_pool(void)
{
    uint8_t *p = clo_guard_grow();

    if (p == NULL || clo_guard_is_locked() || !left_out_of_dumps(p))
        return 1;
    clo_guard_free(p);
    return 0;
}

static void memory_that_can_not_be_locked_ends_a_daemon_and_is_known_to_a_client(void **state)
{
    uint8_t *p = clo_guard_grow();

    (void)state;
    assert_non_null(p);
    assert_true(clo_guard_is_locked());
    assert_true(left_out_of_dumps(p));
    clo_guard_end();
    assert_int_equal(without_lock(strict_pool), 0);
    assert_int_equal(without_lock(growing_pool), 0);
}

/* The signal that ends f, run in a child; 0 if none. */
static int signal_of(void (*f)(void))
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        f();
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static uint8_t *new_pool(size_t slots)
{
    uint8_t *first = NULL;

    if (clo_guard_init(slots) != 0 || (first = clo_guard_alloc()) == NULL)
        _exit(1);
    return first;
}

static void read_before_the_pool(void)
{
    volatile uint8_t *p = new_pool(32);

    (void)p[-1];
}

static void read_behind_the_pool(void)
{
    volatile uint8_t *p = new_pool((size_t)sysconf(_SC_PAGESIZE) / CLO_GUARD_SLOT);

    (void)p[sysconf(_SC_PAGESIZE)];
}

static void free_twice(void)
{
    void *p = new_pool(4);

    clo_guard_free(p);
    clo_guard_free(p);
}

static void free_inside_a_slot(void)
{
    clo_guard_free(new_pool(4) + 1);
}

static void free_a_stranger(void)
{
    uint8_t other = 0;

    new_pool(4);
    clo_guard_free(&other);
}

static void free_a_slot_never_given(void)
{
    clo_guard_free(new_pool(4) + CLO_GUARD_SLOT);
}

static uint8_t *inherited;

static void read_the_parents_pool(void)
{
    (void)*(volatile uint8_t *)inherited;
}

static void the_pool_stands_between_guard_pages(void **state)
{
    (void)state;
    assert_int_equal(signal_of(read_before_the_pool), SIGSEGV);
    assert_int_equal(signal_of(read_behind_the_pool), SIGSEGV);
}

static void a_wrong_free_ends_the_process(void **state)
{
    (void)state;
    assert_int_equal(signal_of(free_twice), SIGABRT);
    assert_int_equal(signal_of(free_inside_a_slot), SIGABRT);
    assert_int_equal(signal_of(free_a_stranger), SIGABRT);
    assert_int_equal(signal_of(free_a_slot_never_given), SIGABRT);
}

static void find_zeros_and_give_back(void)
{
    if (!clo_all_zero(inherited, CLO_GUARD_SLOT))
        abort();
    clo_guard_free(inherited);
}

static void a_forked_child_inherits_no_key(void **state)
{
    (void)state;
    inherited = new_pool(4);
    assert_int_equal(signal_of(read_the_parents_pool), SIGSEGV);
    clo_guard_end();
    /* A program that uses the library may fork, and its child free what it inherited. */
    assert_non_null(inherited = clo_guard_grow());
    memset(inherited, 0xa5, CLO_GUARD_SLOT);
    assert_int_equal(signal_of(find_zeros_and_give_back), 0);
    assert_int_equal(inherited[0], 0xa5);
    clo_guard_end();
}

static void comparison_sees_every_byte(void **state)
{
    uint8_t a[64] = {0}, b[64] = {0};

    (void)state;
    assert_true(clo_ct_equal(a, b, sizeof(a)));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] = 0x80;
        assert_false(clo_ct_equal(a, b, sizeof(a)));
        assert_true(clo_ct_equal(a, b, i));
        b[i] = 0;
    }
}

/* ---- encodings ---- */

static void hex_is_lower_case_both_ways(void **state)
{
    static const uint8_t in[] = {0x00, 0x1f, 0xa0, 0xff};
    char text[9] = "";
    uint8_t out[4] = {0};

    (void)state;
    clo_hex(in, sizeof(in), text);
    assert_string_equal(text, "001fa0ff");
    assert_int_equal(clo_unhex(text, 8, out, 4), 0);
    assert_memory_equal(out, in, 4);
    clo_hex(in, 0, text);
    assert_string_equal(text, "");
    assert_int_equal(clo_unhex("", 0, out, 0), 0);
}

static void other_hex_is_refused(void **state)
{
    static const char *const bad[] = {"001fa0f",  "001fa0ff0", "001fa0ff00", "001FA0FF", "001fa0fg",
                                      "001fa0f ", " 01fa0ff",  "0x1fa0ff",   "+01fa0ff", ""};
    uint8_t out[4] = {9, 9, 9, 9};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        assert_int_equal(clo_unhex(bad[i], strlen(bad[i]), out, 4), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_unhex("00\0fa0ff", 8, out, 4), CLOISTER_E_MALFORMED);
    assert_memory_equal(out, "\x9\x9\x9\x9", 4);
}

/* RFC 4648 section 10, without the padding; the last shows the URL alphabet. */
static void base64url_of_the_standard_goes_both_ways(void **state)
{
    static const struct {
        const char *in, *text;
    } sample[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "-_-_"}};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(sample); i++) {
        size_t n = strlen(sample[i].in), got = 99;
        char text[16] = "", back[8] = "";

        clo_b64(sample[i].in, n, text);
        assert_string_equal(text, sample[i].text);
        assert_int_equal(strlen(text), CLO_B64_LEN(n));
        assert_int_equal(clo_unb64(text, strlen(text), back, n, &got), 0);
        assert_int_equal(got, n);
        assert_memory_equal(back, sample[i].in, n);
    }
}

static void other_base64_is_refused(void **state)
{
    static const char *const bad[] = {"Zg==", "Zm8=", "Z",      "Zm9vY",  "Zh", "Zm9", "Zm+v",
                                      "Zm/v", "Zm 9", "Zm9v\n", "Zg\r\n", "=",  "*m9v"};
    uint8_t out[8] = {0};
    size_t n = 77;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        assert_int_equal(clo_unb64(bad[i], strlen(bad[i]), out, sizeof(out), &n),
                         CLOISTER_E_MALFORMED);
    assert_int_equal(clo_unb64("Zm\0v", 4, out, sizeof(out), &n), CLOISTER_E_MALFORMED);
    assert_int_equal(n, 77);
}

static void base64_that_does_not_fit_is_refused(void **state)
{
    uint8_t out[3] = {1, 2, 3};
    size_t n = 77;

    (void)state;
    assert_int_equal(clo_unb64("Zm9vYg", 6, out, 3, &n), CLOISTER_E_LIMIT);
    assert_int_equal(n, 77);
    assert_memory_equal(out, "\1\2\3", 3);
}

static void base64_has_one_text_for_every_value(void **state)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned accepted = 0;

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        for (size_t k = 0; k < 64; k++) {
            const char text[2] = {alphabet[i], alphabet[k]};
            uint8_t out[1] = {0};
            size_t n = 0;

            accepted += clo_unb64(text, 2, out, 1, &n) == 0;
        }
    }
    assert_int_equal(accepted, 256);
}

/* ---- text for a terminal ---- */

static bool printable(const char *s)
{
    return clo_text_is_printable(s, strlen(s));
}

static void ordinary_text_is_printable(void **state)
{
    (void)state;
    assert_true(printable(""));
    assert_true(printable("Hello,\tworld.\n"));
    assert_true(printable("Gr\xc3\xbc\xc3\x9f"
                          "e \xe2\x82\xac \xf0\x9f\x98\x80"));
    assert_true(printable(
        "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf")); /* around the surrogates, the last */
}

static void what_moves_a_cursor_or_hides_text_is_not(void **state)
{
    static const char *const bad[] = {
        "\x1b[2J",
        "\r",
        "\x07",
        "\x08",
        "\x7f",
        "\xc2\x80",
        "\xc2\x9b"
        "31m",
        "\xc2\x9f",
        "\xe2\x80\xaa",
        "\xe2\x80\xae",
        "\xe2\x81\xa6",
        "\xe2\x81\xa9",
        "\xef\xbb\xbf"
        "a",
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        assert_false(printable(bad[i]));
    assert_false(clo_text_is_printable("a\0b", 3));
    assert_true(
        printable("\xe2\x80\xa9\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa")); /* their neighbours */
}

/* RFC 3629 section 3: shortest form, no surrogates, up to U+10FFFF. */
static void bytes_that_are_no_utf8_are_not_printable(void **state)
{
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\xaf",
        "\xc1\xbf",
        "\xc3",
        "\xc3(",
        "\xe0\x9f\xbf",
        "\xe2\x82",
        "\xe2(\xa1",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf0\x9f\x98",
        "\xf5\x80\x80\x80",
        "\xfe",
        "\xff",
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        assert_false(printable(bad[i]));
}

static void sanitising_leaves_printable_text_alone(void **state)
{
    static const char text[] = "a\tb\nGr\xc3\xbc\xc3\x9f"
                               "e \xf0\x9f\x98\x80";
    char dst[3 * sizeof(text) + 1] = "";
    size_t used = 0;

    (void)state;
    assert_int_equal(clo_text_sanitise(text, strlen(text), true, dst, &used), strlen(text));
    assert_int_equal(used, strlen(text));
    assert_string_equal(dst, text);
}

static void sanitising_replaces_what_is_not_printable(void **state)
{
    static const char text[] = "a\x1b[2Jb\xe2\x80\xae"
                               "c\xff"
                               "d\xf0\x9f";
    char dst[3 * sizeof(text) + 1] = "";
    size_t used = 0;

    (void)state;
    clo_text_sanitise(text, strlen(text), true, dst, &used);
    assert_int_equal(used, strlen(text));
    assert_true(printable(dst));
    assert_string_equal(dst, "a\xef\xbf\xbd[2Jb\xef\xbf\xbd"
                             "c\xef\xbf\xbd"
                             "d\xef\xbf\xbd\xef\xbf\xbd");
}

static void an_emoji_that_comes_in_pieces_stays_whole(void **state)
{
    static const char text[] = "x\xf0\x9f\x98\x80y";
    const size_t n = strlen(text);

    (void)state;
    for (size_t cut = 0; cut <= n; cut++) {
        char dst[64] = "", all[64] = "";
        size_t used = 0, rest = 0, len = 0;

        len = clo_text_sanitise(text, cut, false, dst, &used);
        memcpy(all, dst, len);
        assert_int_equal(used, cut >= 2 && cut <= 4 ? 1 : cut);
        len += clo_text_sanitise(text + used, n - used, true, all + len, &rest);
        assert_int_equal(used + rest, n);
        assert_string_equal(all, text);
        assert_int_equal(len, n);
    }
}

static void sanitising_never_outgrows_three_bytes_for_one(void **state)
{
    uint8_t in[64] = {0};
    char dst[3 * sizeof(in) + 1] = "";
    size_t used = 0;

    (void)state;
    memset(in, 0xf0, sizeof(in));
    assert_int_equal(clo_text_sanitise(in, sizeof(in), true, dst, &used), 3 * sizeof(in));
    assert_int_equal(used, sizeof(in));
    assert_int_equal(dst[3 * sizeof(in)], 0);
}

/* ---- the log ---- */

static void every_event_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < CLO_EV_MAX; i++) {
        const char *name = clo_event_name((enum clo_event)i);

        assert_non_null(name);
        assert_true(name[0] != 0);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
        assert_in_range(clo_event_level((enum clo_event)i), CLO_DEBUG, CLO_ERROR);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(name, clo_event_name((enum clo_event)k));
    }
}

static void an_event_is_one_line_of_words_and_numbers(void **state)
{
    static const uint64_t num[4] = {200, 512, UINT64_MAX, 7};
    static const char expected[] = "2026-01-31T12:00:00Z info gateway request-done status=200 "
                                   "in=512 out=18446744073709551615 ms=7\n";
    char line[200] = "";

    (void)state;
    assert_int_equal(
        clo_event_format(CLO_EV_REQUEST_DONE, "gateway", 1769860800, num, line, sizeof(line)),
        strlen(expected));
    assert_string_equal(line, expected);
    clo_event_format(CLO_EV_NOT_READY, "gateway", 0, num, line, sizeof(line));
    assert_string_equal(line, "1970-01-01T00:00:00Z warn gateway not-ready\n");
}

static void dates_agree_with_the_c_library(void **state)
{
    static const uint64_t num[4] = {0};
    static const int64_t edge[] = {0,         68169599,   68169600,   951782400,   951868799,
                                   951868800, 4107542400, 2147483648, 253402300799};

    (void)state;
    for (int64_t i = 0; i < 20000; i++) {
        time_t t = (time_t)(i < (int64_t)CLO_ARRAY_LEN(edge) ? edge[i] : i * 1234567 + i % 7);
        char line[100] = "", expected[32] = "";
        struct tm tm = {0};

        gmtime_r(&t, &tm);
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &tm);
        clo_event_format(CLO_EV_NOT_READY, "r", t, num, line, sizeof(line));
        line[20] = 0;
        assert_string_equal(line, expected);
    }
}

static void times_out_of_range_still_give_a_line(void **state)
{
    static const uint64_t num[4] = {0};
    char line[100] = "";

    (void)state;
    clo_event_format(CLO_EV_NOT_READY, "r", INT64_MIN, num, line, sizeof(line));
    assert_string_equal(line, "1970-01-01T00:00:00Z warn r not-ready\n");
    clo_event_format(CLO_EV_NOT_READY, "r", INT64_MAX, num, line, sizeof(line));
    assert_string_equal(line, "9999-12-31T23:59:59Z warn r not-ready\n");
}

static void a_line_never_exceeds_its_place(void **state)
{
    static const uint64_t num[4] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};

    (void)state;
    for (size_t cap = 0; cap < 200; cap++) {
        char *line = malloc(cap + 1);
        size_t n = 0;

        assert_non_null(line);
        line[cap] = '!';
        n = clo_event_format(CLO_EV_CHILD_EXIT, "parent", 0, num, line, cap);
        assert_true(n == 0 || n < cap);
        assert_int_equal(line[cap], '!');
        if (n > 0)
            assert_int_equal(strlen(line), n);
        free(line);
    }
}

static void an_id_outside_the_table_gives_no_line(void **state)
{
    static const uint64_t num[4] = {0};
    char line[100] = "";

    (void)state;
    assert_int_equal(clo_event_format(CLO_EV_MAX, "r", 0, num, line, sizeof(line)), 0);
    assert_string_equal(clo_event_name(CLO_EV_MAX), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_in_both_byte_orders),
        cmocka_unit_test(a_short_read_fails_and_changes_nothing),
        cmocka_unit_test(bytes_left_over_are_an_error),
        cmocka_unit_test(zeros_are_demanded_one_by_one),
        cmocka_unit_test(an_empty_reader_may_have_no_place),
        cmocka_unit_test(varints_of_the_standard_are_read),
        cmocka_unit_test(varints_are_written_in_the_fewest_bytes),
        cmocka_unit_test(a_number_beyond_62_bits_is_no_varint),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_full_writer_writes_nothing),
        cmocka_unit_test(a_buffer_takes_exactly_its_maximum),
        cmocka_unit_test(a_reserved_place_counts_once_it_is_committed),
        cmocka_unit_test(what_is_consumed_is_wiped),
        cmocka_unit_test(a_freed_block_leaves_nothing_behind),
        cmocka_unit_test(a_resized_block_leaves_nothing_behind),
        cmocka_unit_test(a_buffer_that_grew_and_was_cleared_leaves_nothing_behind),
        cmocka_unit_test(a_secret_on_the_stack_ends_with_its_scope),
        cmocka_unit_test(a_guarded_secret_ends_with_its_release),
        cmocka_unit_test(the_pool_gives_as_many_zeroed_slots_as_it_has),
        cmocka_unit_test(a_pool_that_grows_has_room_for_everybody),
        cmocka_unit_test(threads_get_no_place_twice),
        cmocka_unit_test(memory_that_can_not_be_locked_ends_a_daemon_and_is_known_to_a_client),
        cmocka_unit_test(the_pool_stands_between_guard_pages),
        cmocka_unit_test(a_wrong_free_ends_the_process),
        cmocka_unit_test(a_forked_child_inherits_no_key),
        cmocka_unit_test(comparison_sees_every_byte),
        cmocka_unit_test(hex_is_lower_case_both_ways),
        cmocka_unit_test(other_hex_is_refused),
        cmocka_unit_test(base64url_of_the_standard_goes_both_ways),
        cmocka_unit_test(other_base64_is_refused),
        cmocka_unit_test(base64_that_does_not_fit_is_refused),
        cmocka_unit_test(base64_has_one_text_for_every_value),
        cmocka_unit_test(ordinary_text_is_printable),
        cmocka_unit_test(what_moves_a_cursor_or_hides_text_is_not),
        cmocka_unit_test(bytes_that_are_no_utf8_are_not_printable),
        cmocka_unit_test(sanitising_leaves_printable_text_alone),
        cmocka_unit_test(sanitising_replaces_what_is_not_printable),
        cmocka_unit_test(an_emoji_that_comes_in_pieces_stays_whole),
        cmocka_unit_test(sanitising_never_outgrows_three_bytes_for_one),
        cmocka_unit_test(every_event_has_a_name_of_its_own),
        cmocka_unit_test(an_event_is_one_line_of_words_and_numbers),
        cmocka_unit_test(dates_agree_with_the_c_library),
        cmocka_unit_test(times_out_of_range_still_give_a_line),
        cmocka_unit_test(a_line_never_exceeds_its_place),
        cmocka_unit_test(an_id_outside_the_table_gives_no_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
