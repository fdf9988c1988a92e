/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes: starting a role with nothing but its control channel, and what each process does to itself first (no core
 * dumps, not dumpable, dies with its parent, signals in a known state). What it may do from then on: cell.h.
 */
#ifndef CLO_PLATFORM_PROCESS_H
#define CLO_PLATFORM_PROCESS_H

#include <sys/types.h>

#include "base/base.h"

/* The control channel's descriptor in every child. */
#define CLO_CONTROL_FD 3

/*
 * Start `path` with argv: no environment but `env` (NULL-terminated "NAME=value" list; NULL: LD_BIND_NOW=1 alone), standard input and
 * output on /dev/null, standard error inherited, control (-1: none) as descriptor 3, every other descriptor closed, a session of
 * its own, PR_SET_PDEATHSIG SIGKILL. CLOISTER_E_NOT_FOUND: no such program; CLOISTER_E_IO: it can't be started.
 */
CLO_MUST_USE int clo_process_spawn(const char *path, char *const argv[], char *const env[],
                                   int control, pid_t *ret);
/* The same with more to say of it. */
struct clo_process_start {
    const char *path;
    char *const *argv, *const *env; /* env: as above */
    int control;                    /* -1: none */
    bool
        mute; /* a program that isn't ours: its standard error, where it might say anything, goes to /dev/null */
    const char *folder; /* it works in; NULL: ours */
    /* Called in the child, as the last before exec: 0, or it isn't started. NULL: none. The control channel has its number by then. */
    int (*enclose)(void *ctx);
    void *ctx;
};
CLO_MUST_USE int clo_process_start(const struct clo_process_start *s, pid_t *ret);
/*
 * First call of every process: standard input, output and error are taken, if only by /dev/null; libcrypto without configuration files
 * (clo_crypto_init); no core dump, thrice (RLIMIT_CORE 1, which stops a core_pattern program too; not dumpable; no mapping in
 * coredump_filter); umask 077, SIGPIPE ignored, PDEATHSIG again with a check that the parent is still `parent` (0: neither).
 */
CLO_MUST_USE int clo_process_harden(pid_t parent);
/* Unix seconds, and microseconds of the monotonic clock. */
int64_t clo_clock_now(void);
int64_t clo_clock_mono_us(void);

/* Write one event line to standard error in one write(2). */
#include "base/event.h"
void clo_log(const char *role, enum clo_event id, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
/* Events below this level are dropped; default CLO_INFO. */
void clo_log_level(enum clo_level least);

#endif
