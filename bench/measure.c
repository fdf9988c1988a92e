/* SPDX-License-Identifier: Apache-2.0 */
#include "measure.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include <openssl/evp.h>

#define ROUNDS_MAX 1001
#define CAUGHT_MAX 256

static bool json;
static size_t rounds = 61;

/* ---- what is asked of libcrypto ---- */

typedef int verify_fn(EVP_PKEY_CTX *, const unsigned char *, size_t, const unsigned char *, size_t);

static struct {
    EVP_PKEY_CTX *ctx;
    uint8_t sig[1024], hash[64];
    size_t sig_n, hash_n;
} caught[CAUGHT_MAX];
static size_t caught_n;
static bool catching;

static verify_fn *real_verify(void)
{
    static verify_fn *fn;
    void *p;

    if (fn == NULL) {
        p = dlsym(RTLD_NEXT, "EVP_PKEY_verify");
        memcpy(&fn, &p, sizeof fn);
    }
    return fn;
}

/* Seen by shared libraries too: libxmlsec verifies by it. */
__attribute__((visibility("default"))) int EVP_PKEY_verify(EVP_PKEY_CTX *ctx,
                                                           const unsigned char *sig, size_t sig_n,
                                                           const unsigned char *hash, size_t hash_n)
{
    if (catching) {
        assert_true(caught_n < CAUGHT_MAX && sig_n <= sizeof caught[0].sig &&
                    hash_n <= sizeof caught[0].hash);
        caught[caught_n].ctx = EVP_PKEY_CTX_dup(ctx);
        assert_non_null(caught[caught_n].ctx);
        memcpy(caught[caught_n].sig, sig, sig_n);
        memcpy(caught[caught_n].hash, hash, hash_n);
        caught[caught_n].sig_n = sig_n;
        caught[caught_n].hash_n = hash_n;
        caught_n++;
    }
    return real_verify()(ctx, sig, sig_n, hash, hash_n);
}

static size_t allocations;

/* The C library's own, under other names (glibc). */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);

__attribute__((visibility("default"))) void *malloc(size_t n)
{
    allocations++;
    return __libc_malloc(n);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t n)
{
    allocations++;
    return __libc_calloc(count, n);
}

__attribute__((visibility("default"))) void *realloc(void *p, size_t n)
{
    allocations++;
    return __libc_realloc(p, n);
}

/* ---- measuring ---- */

/* Of the processor, and not of the wall: what else runs on the machine isn't what is measured. */
static double now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v)
{
    qsort(v, rounds, sizeof v[0], by_size);
    return v[rounds / 2];
}

static void replay(void)
{
    for (size_t i = 0; i < caught_n; i++)
        assert_int_equal(real_verify()(caught[i].ctx, caught[i].sig, caught[i].sig_n,
                                       caught[i].hash, caught[i].hash_n),
                         1);
}

static size_t count(const char *name, int (*work)(void *), void *arg)
{
    size_t allocs;

    assert_int_equal(work(arg), 0); /* warm: constants are decoded once a process */
    catching = true;
    if (work(arg) != 0)
        fail_msg("%s fails: what is measured has to be whole", name);
    catching = false;
    allocations = 0;
    (void)work(arg);
    allocs = allocations;
    replay();
    return allocs;
}

void measure(const char *name, int (*work)(void *), void *arg)
{
    static double whole[ROUNDS_MAX], floor_[ROUNDS_MAX];
    const size_t allocs = count(name, work, arg);
    double w, f;

    for (size_t i = 0; i < rounds; i++) {
        const double t0 = now_us();

        (void)work(arg);
        whole[i] = now_us() - t0;
        replay();
        floor_[i] = now_us() - t0 - whole[i];
    }
    w = median(whole);
    f = median(floor_);
    if (json)
        printf("{\"case\":\"%s\",\"whole_us\":%.1f,\"floor_us\":%.1f,\"ratio\":%.3f,"
               "\"verified\":%zu,\"allocs\":%zu}\n",
               name, w, f, w / f, caught_n, allocs);
    else
        printf("%-34s %9.0f %9.0f %7.2f %9zu %8zu\n", name, w, f, w / f, caught_n, allocs);
    for (size_t i = 0; i < caught_n; i++)
        EVP_PKEY_CTX_free(caught[i].ctx);
    caught_n = 0;
}

bool measure_init(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *end = NULL;

        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            rounds = strtoul(argv[++i], &end, 10);
            if (*end != '\0' || rounds < 1 || rounds > ROUNDS_MAX)
                goto usage;
        } else if (argv[i][0] != '-') {
            cmocka_set_test_filter(argv[i]);
        } else {
            goto usage;
        }
    }
    if (!json)
        printf("%-34s %9s %9s %7s %9s %8s\n", "", "whole us", "floor us", "ratio", "verified",
               "allocs");
    return true;
usage:
    (void)fprintf(stderr, "usage: %s [--json] [--rounds 1..%d] [CASE]\n", argv[0], ROUNDS_MAX);
    return false;
}
