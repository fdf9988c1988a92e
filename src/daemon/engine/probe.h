/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question to the engine's HTTP server, asked and answered before the call returns: is it there, and what does it say
 * of itself. Never about a request of a user.
 */
#ifndef CLO_DAEMON_PROBE_H
#define CLO_DAEMON_PROBE_H

#include <sys/types.h>

#include "base/rw.h"

/* Bytes of an answer's body that are kept; longer answers are errors. */
#define CLO_PROBE_BODY_MAX 262144

struct clo_probe {
    unsigned status;
    pid_t peer; /* who listens on a Unix socket; 0: unknown */
    struct clo_buf body;
};
/*
 * GET `path` at "unix:/path", "127.0.0.1:port" or "[::1]:port" within timeout_ms. CLOISTER_E_NETWORK: nobody listens there;
 * CLOISTER_E_CUT: no whole answer in time; CLOISTER_E_CONFIG: another address. *ret is filled on success only; clear it.
 */
CLO_MUST_USE int clo_probe_get(const char *address, const char *path, int timeout_ms,
                               struct clo_probe *ret);
void clo_probe_clear(struct clo_probe *p);

#endif
