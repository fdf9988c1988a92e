/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that wipes itself. The guarded pool is one mapping, or several: a guard page, the slots, a guard page; locked,
 * left out of core dumps, and not inherited by a forked child.
 */
#include "base/secret.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
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

/* One mapping. What stands before `used` doesn't change any more once it is in the list. */
struct span {
    struct span *next;
    uint8_t *map; /* including both guard pages */
    size_t map_n;
    uint8_t *slot; /* first slot */
    size_t slots;
    _Atomic size_t hint;    /* where the search for a free slot starts */
    _Atomic uint8_t used[]; /* one a slot; not secret */
};

/* A list that only grows: threads need no lock, and so a forked child finds none that nobody gives back. */
static _Atomic(struct span *) spans;
static atomic_bool unlocked;

/* strict: locked or not at all, and gone in a forked child; otherwise the child, which may be anybody's, finds zeros. */
static int span_new(size_t slots, bool strict, struct span **ret)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct span *s = NULL;
    uint8_t *map = MAP_FAILED;
    size_t body, map_n;

    if (slots == 0 || slots > SIZE_MAX / CLO_GUARD_SLOT / 2)
        return CLOISTER_E_ARGUMENT;
    body = (slots * CLO_GUARD_SLOT + page - 1) / page * page;
    map_n = body + 2 * page;
    if ((s = calloc(1, sizeof *s + slots)) == NULL ||
        (map = mmap(NULL, map_n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) == MAP_FAILED) {
        free(s);
        return CLOISTER_E_MEMORY;
    }
    if (mprotect(map + page, body, PROT_READ | PROT_WRITE) != 0 ||
        madvise(map + page, body, MADV_DONTDUMP) != 0 ||
        madvise(map + page, body, strict ? MADV_DONTFORK : MADV_WIPEONFORK) != 0)
        goto fail;
    /* Not by libc's function: a sanitizer's takes its place, and does nothing. */
    if (syscall(SYS_mlock, map + page, body) != 0) {
        if (strict)
            goto fail;
        atomic_store(&unlocked, true);
    }
    s->map = map;
    s->map_n = map_n;
    s->slot = map + page;
    s->slots = slots;
    *ret = s;
    return 0;
fail:
    munmap(map, map_n);
    free(s);
    return CLOISTER_E_IO;
}

static void publish(struct span *s)
{
    s->next = atomic_load(&spans);
    while (!atomic_compare_exchange_weak(&spans, &s->next, s))
        ;
}

int clo_guard_init(size_t slots)
{
    struct span *s = NULL;
    int err;

    if (atomic_load(&spans) != NULL)
        return CLOISTER_E_ARGUMENT;
    if ((err = span_new(slots, true, &s)) == 0)
        publish(s);
    return err;
}

static void *take(struct span *s)
{
    const size_t start = atomic_load(&s->hint);

    for (size_t i = 0; i < s->slots; i++) {
        const size_t at = (start + i) % s->slots;

        if (atomic_load(&s->used[at]) == 0 && atomic_exchange(&s->used[at], 1) == 0) {
            atomic_store(&s->hint, at + 1);
            return s->slot + at * CLO_GUARD_SLOT;
        }
    }
    return NULL;
}

void *clo_guard_alloc(void)
{
    void *p = NULL;

    for (struct span *s = atomic_load(&spans); s != NULL && p == NULL; s = s->next)
        p = take(s);
    return p;
}

void *clo_guard_grow(void)
{
    struct span *s = NULL;
    void *p = clo_guard_alloc();

    if (p != NULL || span_new((size_t)sysconf(_SC_PAGESIZE) / CLO_GUARD_SLOT, false, &s) != 0)
        return p;
    p = take(s); /* first: others may empty it at once */
    publish(s);
    return p;
}

bool clo_guard_is_locked(void)
{
    return !atomic_load(&unlocked);
}

void clo_guard_free(void *p)
{
    struct span *s = atomic_load(&spans);
    size_t off;

    if (p == NULL)
        return;
    while (s != NULL &&
           ((uint8_t *)p < s->slot || (uint8_t *)p >= s->slot + s->slots * CLO_GUARD_SLOT))
        s = s->next;
    if (s == NULL)
        abort();
    off = (size_t)((uint8_t *)p - s->slot);
    if (off % CLO_GUARD_SLOT != 0 || atomic_load(&s->used[off / CLO_GUARD_SLOT]) == 0)
        abort();
    clo_wipe(p, CLO_GUARD_SLOT);
    atomic_store(&s->used[off / CLO_GUARD_SLOT], 0);
}

void clo_guard_end(void)
{
    struct span *s = atomic_exchange(&spans, NULL), *next = NULL;

    for (; s != NULL; s = next) {
        next = s->next;
        clo_wipe(s->slot, s->slots * CLO_GUARD_SLOT);
        munmap(s->map, s->map_n);
        free(s);
    }
    atomic_store(&unlocked, false);
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
