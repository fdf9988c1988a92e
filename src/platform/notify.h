/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the service manager how things stand: the protocol of sd_notify(3), which is a datagram of VARIABLE=VALUE lines to the
 * Unix socket that NOTIFY_SOCKET names. Without a service manager every call does nothing.
 *
 * Nothing here waits, and nothing fails for the caller: a service manager that can't be told is its own problem.
 */
#ifndef CLO_PLATFORM_NOTIFY_H
#define CLO_PLATFORM_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/base.h"

struct clo_notify {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un to;
    socklen_t to_n;
    int64_t watchdog_us; /* 0: no watchdog, otherwise WATCHDOG=1 is due at least this often */
};

/*
 * Reads NOTIFY_SOCKET (a path, or an abstract name after '@'), WATCHDOG_USEC and WATCHDOG_PID, and removes all three from the
 * environment: they are for this process and no other.
 */
void clo_notify_init(struct clo_notify *ret);
/* "READY=1", or several lines. */
void clo_notify_send(const struct clo_notify *n, const char *state);
/* "RELOADING=1" with the time that systemd.service(5) asks for beside it. */
void clo_notify_reloading(const struct clo_notify *n);
void clo_notify_clear(struct clo_notify *n);

#endif
