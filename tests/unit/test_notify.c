/* SPDX-License-Identifier: Apache-2.0 */
/* What the service manager is told, as sd_notify(3) has it, through a socket of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "platform/notify.h"

/* An abstract name leaves nothing behind. */
static int listen_at(const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const size_t n = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(a.sun_path, name, n);
    if (name[0] == '@')
        a.sun_path[0] = 0;
    assert_int_equal(bind(fd, (const struct sockaddr *)&a,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
                     0);
    return fd;
}

static const char *heard(int fd)
{
    static char text[256];
    ssize_t n = recv(fd, text, sizeof text - 1, 0);

    text[n > 0 ? n : 0] = 0;
    return text;
}

static void begin(struct clo_notify *n, const char *socket)
{
    assert_int_equal(setenv("NOTIFY_SOCKET", socket, 1), 0);
    clo_notify_init(n);
}

static void without_a_service_manager_nothing_happens(void **state)
{
    struct clo_notify n;

    (void)state;
    unsetenv("NOTIFY_SOCKET");
    clo_notify_init(&n);
    assert_int_equal(n.fd, -1);
    clo_notify_send(&n, "READY=1");
    clo_notify_reloading(&n);
    clo_notify_clear(&n);
}

static void an_abstract_name_is_reached(void **state)
{
    char name[64];
    struct clo_notify n;
    int fd;

    (void)state;
    snprintf(name, sizeof name, "@clo-notify-%d", (int)getpid());
    fd = listen_at(name);
    begin(&n, name);
    clo_notify_send(&n, "READY=1\nSTATUS=serving");
    assert_string_equal(heard(fd), "READY=1\nSTATUS=serving");
    clo_notify_reloading(&n);
    assert_int_equal(strncmp(heard(fd), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    clo_notify_clear(&n);
    close(fd);
}

static void a_path_is_reached(void **state)
{
    char name[64];
    struct clo_notify n;
    int fd;

    (void)state;
    snprintf(name, sizeof name, "/tmp/clo-notify-%d", (int)getpid());
    fd = listen_at(name);
    begin(&n, name);
    clo_notify_send(&n, "STOPPING=1");
    assert_string_equal(heard(fd), "STOPPING=1");
    clo_notify_clear(&n);
    close(fd);
    assert_int_equal(unlink(name), 0);
}

static void nobody_listening_or_a_full_socket_stops_nothing(void **state)
{
    char name[64];
    struct clo_notify n;
    int fd;

    (void)state;
    begin(&n, "/nonexistent/socket");
    clo_notify_send(&n, "READY=1");
    clo_notify_clear(&n);
    snprintf(name, sizeof name, "@clo-notify-full-%d", (int)getpid());
    fd = listen_at(name);
    begin(&n, name);
    for (int i = 0; i < 10000; i++)
        clo_notify_send(&n, "WATCHDOG=1");
    assert_string_equal(heard(fd), "WATCHDOG=1");
    clo_notify_clear(&n);
    close(fd);
}

static void names_that_are_none_are_ignored(void **state)
{
    static const char *const bad[] = {"", "/", "@", "relative", "vsock:2:1234"};
    char long_one[200];
    struct clo_notify n;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        begin(&n, bad[i]);
        assert_int_equal(n.fd, -1);
    }
    memset(long_one, 'x', sizeof long_one - 1);
    long_one[0] = '/';
    long_one[sizeof long_one - 1] = 0;
    begin(&n, long_one);
    assert_int_equal(n.fd, -1);
}

static void the_watchdog_is_this_processs_or_none(void **state)
{
    char pid[16];
    struct clo_notify n;

    (void)state;
    setenv("WATCHDOG_USEC", "60000000", 1);
    begin(&n, "@x");
    assert_int_equal(n.watchdog_us, 60000000);
    clo_notify_clear(&n);
    setenv("WATCHDOG_USEC", "60000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    begin(&n, "@x");
    assert_int_equal(n.watchdog_us, 0);
    clo_notify_clear(&n);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    setenv("WATCHDOG_USEC", "soon", 1);
    begin(&n, "@x");
    assert_int_equal(n.watchdog_us, 0);
    clo_notify_clear(&n);
}

static void the_variables_are_not_passed_on(void **state)
{
    struct clo_notify n;

    (void)state;
    setenv("WATCHDOG_USEC", "1", 1);
    setenv("WATCHDOG_PID", "1", 1);
    begin(&n, "@x");
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
    clo_notify_clear(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_service_manager_nothing_happens),
        cmocka_unit_test(an_abstract_name_is_reached),
        cmocka_unit_test(a_path_is_reached),
        cmocka_unit_test(nobody_listening_or_a_full_socket_stops_nothing),
        cmocka_unit_test(names_that_are_none_are_ignored),
        cmocka_unit_test(the_watchdog_is_this_processs_or_none),
        cmocka_unit_test(the_variables_are_not_passed_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
