/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for secrets and users' text.
 *
 *  - CLO_SECRET(name, n): an array on the stack that wipes itself on every way out of its scope.
 *  - clo_guard_*: small long-lived keys in packed, guarded, locked, undumpable pages. A process of the
 *    daemon makes its pool once, or doesn't start; where others ask for keys (the client, the
 *    library), it grows, and goes on where the system doesn't let it lock memory.
 *  - clo_wipe_malloc/realloc/free: a heap for users' text that wipes on release; also the allocator
 *    hooks of libraries that hold such text (jansson, libevent).
 *
 * Comparison of secrets is constant time only.
 */
#ifndef CLO_BASE_SECRET_H
#define CLO_BASE_SECRET_H

#include "base/base.h"

void clo_wipe(void *p, size_t n);
/* Constant time in the contents; n is public. So far the outcome is as secret as they are: see clo_ct_public. */
CLO_MUST_USE bool clo_ct_equal(const void *a, const void *b, size_t n);
/*
 * Says that these bytes, though they come of secrets, are public from here on, because the protocol makes them so. It does nothing:
 * tests/ct stand in its place, and anywhere else take a branch or an index that depends on a secret for a fault.
 */
void clo_ct_public(const void *p, size_t n);

struct clo_secret_ref {
    void *p;
    size_t n;
};
void clo_secret_ref_wipe(struct clo_secret_ref *ref);

/* uint8_t name[n], zeroed, wiped when the scope ends. */
#define CLO_SECRET(name, n)                                                                       \
    uint8_t name[n] = {0};                                                                        \
    __attribute__((cleanup(clo_secret_ref_wipe), unused)) struct clo_secret_ref name##_wiper_ = { \
        name, sizeof(name)}

/*
 * Make the process's pool: `slots` secrets of up to CLO_GUARD_SLOT bytes each, between guard pages,
 * locked (mlock) and out of core dumps. CLOISTER_E_IO when the lock limit is too low: fail, do not go on
 * with swappable keys. Call once, before the first allocation. A forked child has none of it.
 */
#define CLO_GUARD_SLOT 128
CLO_MUST_USE int clo_guard_init(size_t slots);
/* A zeroed slot; NULL when the pool is full or was never made. By any thread, as all that follows but _end. */
CLO_MUST_USE void *clo_guard_alloc(void);
/*
 * The same where nobody made a pool: a full one grows by a page between guard pages, locked if the system lets it
 * (clo_guard_is_locked), out of core dumps in any case. NULL: no memory. A forked child finds zeros in it.
 */
CLO_MUST_USE void *clo_guard_grow(void);
/* Has every page so far been locked? */
bool clo_guard_is_locked(void);
/* Wipes and gives back. NULL is fine; a pointer that isn't from the pool, or a second free, aborts. */
void clo_guard_free(void *p);
/* Wipe everything, unmap; for tests and the end of a process, when no other thread is left. */
void clo_guard_end(void);

void *clo_wipe_malloc(size_t n);
void *clo_wipe_realloc(void *p, size_t n);
void clo_wipe_free(void *p);

#endif
