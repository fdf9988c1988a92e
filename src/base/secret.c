/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that wipes itself. The guarded pool is one mapping: a guard page, the slots, a guard page; locked,
 * left out of core dumps, and not inherited by a forked child.
 */
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void clo_wipe(void *p, size_t n)
{
    if (p != NULL)
        explicit_bzero(p, n);
}

bool clo_ct_equal(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t diff = 0;

    for (size_t i = 0; i < n; i++)
        diff |= (uint8_t)(x[i] ^ y[i]);
    return diff == 0;
}

void clo_ct_public(const void *p, size_t n)
{
    (void)p;
    (void)n;
}

void clo_secret_ref_wipe(struct clo_secret_ref *ref)
{
    clo_wipe(ref->p, ref->n);
}

/* ---- the guarded pool ---- */

static struct {
    uint8_t *map; /* including both guard pages */
    size_t map_n;
    uint8_t *slot; /* first slot */
    size_t slots;
    uint8_t *used; /* one byte a slot; not secret */
    size_t next;   /* where the search for a free slot starts */
} pool;

int clo_guard_init(size_t slots)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body;
    uint8_t *map;

    if (pool.map != NULL || slots == 0 || slots > SIZE_MAX / CLO_GUARD_SLOT / 2)
        return CLOISTER_E_ARGUMENT;
    body = (slots * CLO_GUARD_SLOT + page - 1) / page * page;
    map = mmap(NULL, body + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return CLOISTER_E_MEMORY;
    if (mprotect(map + page, body, PROT_READ | PROT_WRITE) != 0 || mlock(map + page, body) != 0 ||
        madvise(map + page, body, MADV_DONTDUMP) != 0 ||
        madvise(map + page, body, MADV_DONTFORK) != 0 || (pool.used = calloc(slots, 1)) == NULL) {
        munmap(map, body + 2 * page);
        return CLOISTER_E_IO;
    }
    pool.map = map;
    pool.map_n = body + 2 * page;
    pool.slot = map + page;
    pool.slots = slots;
    pool.next = 0;
    return 0;
}

void *clo_guard_alloc(void)
{
    for (size_t i = 0; i < pool.slots; i++) {
        size_t at = (pool.next + i) % pool.slots;

        if (!pool.used[at]) {
            pool.used[at] = 1;
            pool.next = at + 1;
            return pool.slot + at * CLO_GUARD_SLOT;
        }
    }
    return NULL;
}

void clo_guard_free(void *p)
{
    size_t off;

    if (p == NULL)
        return;
    off = (size_t)((uint8_t *)p - pool.slot);
    if (pool.map == NULL || (uint8_t *)p < pool.slot || off >= pool.slots * CLO_GUARD_SLOT ||
        off % CLO_GUARD_SLOT != 0 || !pool.used[off / CLO_GUARD_SLOT])
        abort();
    clo_wipe(p, CLO_GUARD_SLOT);
    pool.used[off / CLO_GUARD_SLOT] = 0;
}

void clo_guard_end(void)
{
    if (pool.map == NULL)
        return;
    clo_wipe(pool.slot, pool.slots * CLO_GUARD_SLOT);
    munmap(pool.map, pool.map_n);
    free(pool.used);
    memset(&pool, 0, sizeof pool);
}

/* ---- the wiping heap: each block knows its size, so that release can wipe all of it ---- */

struct head {
    _Alignas(max_align_t) size_t n;
};

void *clo_wipe_malloc(size_t n)
{
    struct head *h;

    if (n > SIZE_MAX - sizeof *h || (h = malloc(sizeof *h + n)) == NULL)
        return NULL;
    h->n = n;
    return h + 1;
}

void clo_wipe_free(void *p)
{
    struct head *h;

    if (p == NULL)
        return;
    h = (struct head *)p - 1;
    explicit_bzero(p, h->n);
    free(h);
}

/* gcc 12's analyzer loses sight of a block whose caller gets a pointer behind its head, and calls it leaked. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
void *clo_wipe_realloc(void *p, size_t n)
{
    size_t old;
    void *q;

    if (p == NULL)
        return clo_wipe_malloc(n);
    if (n == 0) {
        clo_wipe_free(p);
        return NULL;
    }
    old = ((struct head *)p - 1)->n;
    if ((q = clo_wipe_malloc(n)) == NULL)
        return NULL;
    memcpy(q, p, old < n ? old : n);
    clo_wipe_free(p);
    return q;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
