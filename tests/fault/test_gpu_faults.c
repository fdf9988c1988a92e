/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPUs through NVML when memory runs out or libcrypto fails, at each call in turn: an error by its type, nothing half made, nothing left behind.
 * tests/support/faults.c stands between; the driver's library (tests/support/fake_nvml.h) has memory of its own.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "platform/gpus.h"
#include "support/fake_nvml.h"
#include "support/faults.h"

#define GPUS 2

static const uint8_t nonce[32] = {1, 2, 3};
static char folder[] = "/tmp/cloister-gpu-faults-XXXXXX";

void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);

void *__wrap_dlopen(const char *name, int flags)
{
    char path[256];

    if (name == NULL || strcmp(name, "libnvidia-ml.so.1") != 0)
        return __real_dlopen(name, flags);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return __real_dlopen(path, flags);
}

static int set_up(void **state)
{
    static struct synthetic_scene s;
    struct synthetic *y = NULL;
    int err;

    (void)state;
    if (mkdtemp(folder) == NULL || synthetic_new(SYNTHETIC_NOW, &y) != 0)
        return -1;
    synthetic_good(y, GPUS, 0, &s);
    err = synthetic_make(y, &s);
    if (err == 0)
        err = fake_gpus_write(y, &s, folder);
    if (err == 0)
        err = fake_gpus_library(folder, FAKE_NVML, folder);
    synthetic_clear(&s);
    synthetic_free(y);
    return err;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"gpu-0.pem",         "gpu-0.key",      "gpu-0.report",
                                        "gpu-1.pem",         "gpu-1.key",      "gpu-1.report",
                                        "libnvidia-ml.so.1", "fake_nvml.conf", "ready"};
    char path[256];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    return rmdir(folder);
}

/* All that the daemon does with GPUs, as far as it gets. */
static int work(void)
{
    struct clo_gpus_state s = {.count = 77};
    struct clo_devices d = {.count = 77};
    struct clo_gpus *g = NULL;
    int err;

    if ((err = clo_gpus_open(&g)) != 0) {
        assert_null(g);
        return err;
    }
    if ((err = clo_gpus_look(g, &s)) != 0)
        assert_int_equal(s.count, 77);
    else
        err = clo_gpus_accept(g, true);
    if (err == 0 && (err = clo_gpus_report(g, nonce, &d)) != 0)
        assert_true(d.count == 77 && d.device == NULL);
    if (err == 0) {
        assert_int_equal(d.count, GPUS);
        for (size_t i = 0; i < GPUS; i++)
            assert_int_equal(d.device[i].chain_n, 5);
        clo_devices_clear(&d);
    }
    clo_gpus_free(g);
    return err;
}

static void each_call_fails_once(unsigned kind, int expected, unsigned long at_least)
{
    unsigned long n = 0, hits;
    long live;
    int err;

    assert_int_equal(work(), 0);
    live = clo_fault_live();
    do {
        clo_fault_nth(kind, ++n);
        err = work();
        hits = clo_fault_off();
        if (hits == 0)
            assert_int_equal(err, 0);
        else if (err != CLOISTER_E_MEMORY) /* which libcrypto may lack too */
            assert_int_equal(err, expected);
        assert_int_equal(clo_fault_live(), live);
    } while (hits != 0);
    assert_true(n > at_least);
}

static void memory_that_runs_out_is_told(void **state)
{
    (void)state;
    each_call_fails_once(CLO_FAULT_ALLOC, CLOISTER_E_MEMORY, 2 + GPUS * 6);
}

static void a_library_that_fails_is_told(void **state)
{
    (void)state;
    each_call_fails_once(CLO_FAULT_CRYPTO, CLOISTER_E_CRYPTO, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_runs_out_is_told),
        cmocka_unit_test(a_library_that_fails_is_told),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
