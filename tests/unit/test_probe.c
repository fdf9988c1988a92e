/* SPDX-License-Identifier: Apache-2.0 */
/* How the engine process tells an engine that is gone from one that is busy: the first ends all keys, the second nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/engine/probe.h"

enum {
    CALLERS = 3
};

struct engine {
    struct sockaddr_un at;
    char address[128];
    int listener, caller[CALLERS];
};

/* Listens, but answers nobody. */
static int setup(void **state)
{
    static struct engine e;

    e = (struct engine){.at = {.sun_family = AF_UNIX}};
    snprintf(e.at.sun_path, sizeof e.at.sun_path, "/tmp/cloister-probe-%ld.sock", (long)getpid());
    snprintf(e.address, sizeof e.address, "unix:%s", e.at.sun_path);
    (void)unlink(e.at.sun_path);
    e.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (size_t i = 0; i < CALLERS; i++)
        e.caller[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    *state = &e;
    return e.listener >= 0 && bind(e.listener, (const struct sockaddr *)&e.at, sizeof e.at) == 0 &&
                   listen(e.listener, 0) == 0
               ? 0
               : -1;
}

static int teardown(void **state)
{
    const struct engine *e = *state;

    for (size_t i = 0; i < CALLERS; i++)
        close(e->caller[i]);
    if (e->listener >= 0)
        close(e->listener);
    (void)unlink(e->at.sun_path);
    return 0;
}

static int probe(const char *address)
{
    struct clo_probe p = {0};

    return clo_probe_get(address, "/health", 100, &p);
}

static void an_engine_that_doesnt_answer_in_time_is_busy(void **state)
{
    const struct engine *e = *state;

    assert_int_equal(probe(e->address), CLOISTER_E_CUT);
}

static void an_engine_whose_queue_is_full_is_busy(void **state)
{
    const struct engine *e = *state;
    int refused = 0;

    for (size_t i = 0; i < CALLERS; i++)
        refused += connect(e->caller[i], (const struct sockaddr *)&e->at, sizeof e->at) != 0;
    assert_true(refused > 0);
    assert_int_equal(probe(e->address), CLOISTER_E_CUT);
}

static void an_engine_that_nobody_is_is_gone(void **state)
{
    struct engine *e = *state;

    close(e->listener);
    e->listener = -1;
    assert_int_equal(probe(e->address), CLOISTER_E_NETWORK);
    (void)unlink(e->at.sun_path);
    assert_int_equal(probe(e->address), CLOISTER_E_NETWORK);
}

static void addresses_outside_the_machine_are_none(void **state)
{
    (void)state;
    assert_int_equal(probe("192.0.2.1:80"), CLOISTER_E_CONFIG);
    assert_int_equal(probe("127.0.0.1:99999"), CLOISTER_E_CONFIG);
    assert_int_equal(probe("unix:"
                           "/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789"
                           "/0123456789/0123456789/0123456789/0123456789/0123456789"),
                     CLOISTER_E_CONFIG);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_engine_that_doesnt_answer_in_time_is_busy),
        T(an_engine_whose_queue_is_full_is_busy),
        T(an_engine_that_nobody_is_is_gone),
        T(addresses_outside_the_machine_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
