/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol of sd_notify(3), without its library. */
#include "platform/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/process.h"

static bool take_address(const char *name, struct clo_notify *n)
{
    const size_t len = strlen(name);

    /* Other forms (vsock:) are for machines that report to their host, which is none of a service's business. */
    if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof n->to.sun_path)
        return false;
    n->to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(n->to.sun_path, name, len);
    if (name[0] == '@')
        n->to.sun_path[0] = 0; /* abstract: unix(7); the length ends it, not a zero */
    n->to_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
    return true;
}

static int64_t number(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    long long n;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return 0;
    errno = 0;
    n = strtoll(text, &end, 10);
    return *end == 0 && errno == 0 ? n : 0;
}

void clo_notify_init(struct clo_notify *ret)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct clo_notify n = {.fd = -1};

    if (name != NULL && take_address(name, &n))
        n.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (n.fd >= 0 && (getenv("WATCHDOG_PID") == NULL || number("WATCHDOG_PID") == getpid()))
        n.watchdog_us = number("WATCHDOG_USEC");
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    *ret = n;
}

void clo_notify_send(const struct clo_notify *n, const char *state)
{
    /* By name each time: a service manager that starts anew makes another socket there. */
    if (n->fd >= 0)
        (void)sendto(n->fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
                     (const struct sockaddr *)&n->to, n->to_n);
}

void clo_notify_reloading(const struct clo_notify *n)
{
    char state[64];

    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clo_clock_mono_us());
    clo_notify_send(n, state);
}

void clo_notify_clear(struct clo_notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}
