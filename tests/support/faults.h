/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults on demand: allocations, libcrypto's functions and input/output that fail although nothing is wrong. Two ways to use it:
 *
 *  - linked into a test with --wrap (tests/fault/meson.build has the list): this interface says what fails, and randomness is a
 *    fixed sequence, so that what succeeds can be compared byte for byte;
 *  - preloaded into a program (libclo_faults.so): the environment says it, CLOISTER_FAULT_KINDS (a sum of enum clo_fault_kind),
 *    CLOISTER_FAULT_SEED, CLOISTER_FAULT_EVERY (one of so many), CLOISTER_FAULT_WHILE (only while this file exists) and
 *    CLOISTER_FAULT_SPARE (a library whose own allocations don't fail).
 */
#ifndef CLO_TEST_FAULTS_H
#define CLO_TEST_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

enum clo_fault_kind {
    CLO_FAULT_ALLOC = 1,  /* malloc and the like: NULL */
    CLO_FAULT_CRYPTO = 2, /* a libcrypto function: its failure */
    CLO_FAULT_IO =
        4, /* read, write and the like: a short count, EINTR, or EAGAIN where it may be */
    CLO_FAULT_LIBCRYPTO = 8, /* linked only: an allocation inside libcrypto */
};

/* From now on the nth call of these kinds (from 1) fails, and no other. */
void clo_fault_nth(unsigned kinds, unsigned long n);
/* From now on each call of these kinds fails with a chance of one in `every`, by the seed. */
void clo_fault_random(unsigned kinds, uint64_t seed, unsigned every);
/* No more faults; how many there were. */
unsigned long clo_fault_off(void);
/* What a failing libcrypto function returns where it returns a number: 0 or -1. */
void clo_fault_result(int v);

/* Linked only: libcrypto's allocations become ours; before its first use. False if it is too late. */
bool clo_fault_own_libcrypto(void);
/* Linked only: blocks of the wrapped heap that are not freed. */
long clo_fault_live(void);
/* Linked only: begin the fixed random sequence anew, and forget which nonces sealed. */
void clo_fault_restart(void);
/* Linked only: how often a cipher was given a key of zeros, or sealed twice under one key and nonce. */
unsigned long clo_fault_misuse(void);

#endif
