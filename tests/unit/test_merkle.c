/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nonce tree against RFC 6962 section 2.1, whose recursive definition is written out here a second
 * time, and against the six-leaf and seven-leaf shapes of its section 2.1.3.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "attest/sections.h"

static uint8_t nonces[CLO_BATCH_MAX][32];
/* C17 converts no array pointer to one of const elements by itself. */
#define NONCES ((const uint8_t(*)[32])nonces)

static int make_nonces(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_BATCH_MAX; i++)
        for (size_t k = 0; k < 32; k++)
            nonces[i][k] = (uint8_t)(i * 7 + (i >> 8) * 13 + k);
    return 0;
}

static void hash2(uint8_t prefix, const void *a, size_t an, const void *b, size_t bn, uint8_t *ret)
{
    const struct clo_slice in[] = {{&prefix, 1}, {a, an}, {b, bn}};

    assert_int_equal(clo_hash(CLO_SHA256, in, 3, ret), 0);
}

/* The largest power of two smaller than n (n > 1). */
static size_t split(size_t n)
{
    size_t k = 1;

    while (k * 2 < n)
        k *= 2;
    return k;
}

/* MTH(D[first : first + n]) */
static void mth(size_t first, size_t n, uint8_t ret[32])
{
    uint8_t left[32], right[32];

    if (n == 1) {
        hash2(0, nonces[first], 32, "", 0, ret);
        return;
    }
    mth(first, split(n), left);
    mth(first + split(n), n - split(n), right);
    hash2(1, left, 32, right, 32, ret);
}

/* PATH(m, D[first : first + n]); returns how many nodes it has. */
static size_t path(size_t m, size_t first, size_t n, uint8_t ret[][32])
{
    size_t k = n > 1 ? split(n) : 0;
    size_t used;

    if (n == 1)
        return 0;
    if (m < k) {
        used = path(m, first, k, ret);
        mth(first + k, n - k, ret[used]);
    } else {
        used = path(m - k, first + k, n - k, ret);
        mth(first, k, ret[used]);
    }
    return used + 1;
}

static void trees_of_every_small_size_match_the_definition(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 33; n++) {
        uint8_t root[32], want[CLO_BATCH_PATH_MAX][32];

        mth(0, n, root);
        for (size_t i = 0; i < n; i++) {
            struct clo_batch_section b;

            assert_int_equal(clo_batch_make(NONCES, n, i, &b), 0);
            assert_memory_equal(b.root, root, 32);
            assert_int_equal(b.index, i);
            assert_int_equal(b.size, n);
            assert_int_equal(b.path_n, path(i, 0, n, want));
            assert_memory_equal(b.path, want, b.path_n * 32);
            assert_int_equal(clo_batch_check(&b, nonces[i]), 0);
        }
    }
}

static void the_largest_batch_and_its_neighbours_match_the_definition(void **state)
{
    const size_t sizes[] = {4095, 4096};

    (void)state;
    for (size_t s = 0; s < CLO_ARRAY_LEN(sizes); s++) {
        const size_t leaves[] = {0, 1, 2047, 2048, sizes[s] - 1};
        struct clo_batch_tree *t = NULL;
        uint8_t root[32];

        mth(0, sizes[s], root);
        assert_int_equal(clo_batch_tree_new(NONCES, sizes[s], &t), 0);
        for (size_t i = 0; i < CLO_ARRAY_LEN(leaves); i++) {
            uint8_t want[CLO_BATCH_PATH_MAX][32];
            struct clo_batch_section b;

            assert_int_equal(clo_batch_tree_section(t, leaves[i], &b), 0);
            assert_memory_equal(b.root, root, 32);
            assert_int_equal(b.path_n, path(leaves[i], 0, sizes[s], want));
            assert_memory_equal(b.path, want, b.path_n * 32);
            assert_int_equal(clo_batch_check(&b, nonces[leaves[i]]), 0);
        }
        clo_batch_tree_free(t);
    }
}

static void a_batch_of_one_is_its_leaf(void **state)
{
    uint8_t leaf[32], root[32];

    (void)state;
    hash2(0, nonces[0], 32, "", 0, leaf);
    assert_int_equal(clo_batch_root(NONCES, 1, root), 0);
    assert_memory_equal(root, leaf, 32);
}

static void another_nonce_is_refused_at_every_place(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 9; n++) {
        for (size_t i = 0; i < n; i++) {
            struct clo_batch_section b;
            uint8_t other[32];

            assert_int_equal(clo_batch_make(NONCES, n, i, &b), 0);
            memcpy(other, nonces[i], 32);
            other[31] ^= 1;
            assert_int_equal(clo_batch_check(&b, other), CLOISTER_E_AUTH);
            assert_int_equal(clo_batch_check(&b, nonces[i + 1]), CLOISTER_E_AUTH);
        }
    }
}

static void a_path_of_another_length_is_refused(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 9; n++) {
        for (size_t i = 0; i < n; i++) {
            struct clo_batch_section b, c;

            assert_int_equal(clo_batch_make(NONCES, n, i, &b), 0);
            c = b;
            memset(c.path[c.path_n++], 0, 32);
            assert_int_equal(clo_batch_check(&c, nonces[i]), CLOISTER_E_AUTH);
            if (b.path_n == 0)
                continue;
            c = b;
            c.path_n--;
            assert_int_equal(clo_batch_check(&c, nonces[i]), CLOISTER_E_AUTH);
        }
    }
}

static void another_index_or_size_is_refused(void **state)
{
    struct clo_batch_section b, c;

    (void)state;
    assert_int_equal(clo_batch_make(NONCES, 7, 3, &b), 0);
    for (uint32_t i = 0; i < 9; i++) {
        c = b;
        c.index = i;
        assert_int_equal(clo_batch_check(&c, nonces[3]), i == 3 ? 0 : CLOISTER_E_AUTH);
    }
    c = b;
    c.size = 0;
    assert_int_equal(clo_batch_check(&c, nonces[3]), CLOISTER_E_AUTH);
    c.size = 16;
    assert_int_equal(clo_batch_check(&c, nonces[3]), CLOISTER_E_AUTH);
    c.size = UINT32_MAX;
    assert_int_equal(clo_batch_check(&c, nonces[3]), CLOISTER_E_AUTH);
}

/* An inner node given as a leaf: the prefixes 00 and 01 keep the two apart. */
static void an_inner_node_is_no_leaf(void **state)
{
    struct clo_batch_section b = {.index = 0, .size = 2, .path_n = 1};
    uint8_t inner[32], nonce[32];

    (void)state;
    assert_int_equal(clo_batch_root(NONCES, 4, b.root), 0);
    mth(0, 2, inner);
    mth(2, 2, b.path[0]);
    memcpy(nonce, inner, 32);
    assert_int_equal(clo_batch_check(&b, nonce), CLOISTER_E_AUTH);
}

static void a_batch_is_bounded(void **state)
{
    struct clo_batch_section b;

    (void)state;
    assert_int_equal(clo_batch_make(NONCES, 0, 0, &b), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_batch_make(NONCES, CLO_BATCH_MAX + 1, 0, &b), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_batch_make(NONCES, 4, 4, &b), CLOISTER_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_of_every_small_size_match_the_definition),
        cmocka_unit_test(the_largest_batch_and_its_neighbours_match_the_definition),
        cmocka_unit_test(a_batch_of_one_is_its_leaf),
        cmocka_unit_test(another_nonce_is_refused_at_every_place),
        cmocka_unit_test(a_path_of_another_length_is_refused),
        cmocka_unit_test(another_index_or_size_is_refused),
        cmocka_unit_test(an_inner_node_is_no_leaf),
        cmocka_unit_test(a_batch_is_bounded),
    };

    return cmocka_run_group_tests(tests, make_nonces, NULL);
}
