/* SPDX-License-Identifier: Apache-2.0 */
/* The process that reads on: see drain.h. */
#include "client/drain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "client/say.h"

enum {
    POLL_MS = 1000,
    IDLE_MS = 10,
    STACK = 512 << 10, /* more than anything here was ever deep */
    BLOCK_MAX = 1 << 20,
    SMALL_MAX = 2048,
    SMALL_STEP = 8,
};

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define UNDER_ASAN
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define UNDER_ASAN
#endif

/* What is kept. It stays here in the command's own process, too, so that nothing closes it there: that would tell the server. */
static CURLM *kept;

void clo_drain_take(CURLM *multi)
{
    kept = multi;
}

/* ---- a process without a past ---- */

static void wipe_strings(char **list)
{
    for (; list != NULL && *list != NULL; list++)
        clo_wipe(*list, strlen(*list));
}

/* Where functions that have returned left their variables. */
__attribute__((noinline)) static void wipe_stack(void)
{
    uint8_t deep[STACK];

    clo_wipe(deep, sizeof(deep));
}

/*
 * What other libraries freed was not wiped. With no way to grow, the heap gives its free blocks until there are none: all of them are
 * overwritten. (Under AddressSanitizer freed blocks never come back; there it would only fail.)
 */
static void wipe_heap(void)
{
#ifndef UNDER_ASAN
    struct rlimit was = {0}, none = {0};
    void **taken = NULL;

    if (getrlimit(RLIMIT_AS, &was) != 0)
        return;
    none.rlim_max = was.rlim_max;
    if (setrlimit(RLIMIT_AS, &none) != 0)
        return;
    /* Small blocks are kept by size, each in a list of its own; large ones are cut to what is asked for. */
    for (size_t n = BLOCK_MAX; n >= sizeof(void *); n = n > SMALL_MAX ? n / 2 : n - SMALL_STEP) {
        void **p;

        while ((p = malloc(n)) != NULL) {
            clo_wipe(p, malloc_usable_size((void *)p));
            *p = (void *)taken;
            taken = p;
        }
    }
    (void)setrlimit(RLIMIT_AS, &was);
    while (taken != NULL) {
        void **next = *taken;

        *taken = NULL;
        free((void *)taken);
        taken = next;
    }
#endif
}

/*
 * The connections are the only sockets that are closed on exec; whatever a parent handed down is not, and would be held open: a pipe's reader
 * waits for its end.
 */
static bool is_connection(int fd)
{
    const int flags = fcntl(fd, F_GETFD);
    struct stat st = {0};

    return flags >= 0 && (flags & FD_CLOEXEC) != 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static bool close_others(void)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    DIR *d = opendir("/proc/self/fd");
    const struct dirent *e;
    bool ok = null >= 0 && d != NULL;

    for (int fd = STDIN_FILENO; ok && fd <= STDERR_FILENO; fd++)
        ok = dup2(null, fd) == fd;
    while (ok && (e = readdir(d)) != NULL) {
        const int fd = e->d_name[0] != '.' ? (int)strtol(e->d_name, NULL, 10) : -1;

        if (fd > STDERR_FILENO && fd != dirfd(d) && !is_connection(fd))
            (void)close(fd);
    }
    if (d != NULL)
        (void)closedir(d);
    return ok;
}

/* ---- reading on ---- */

static void read_on(void)
{
    int running = 1, ready = 0;

    while (curl_multi_perform(kept, &running) == CURLM_OK && running > 0) {
        /* Not curl_multi_poll: what wakes that up was closed with the rest. */
        if (curl_multi_wait(kept, NULL, 0, POLL_MS, &ready) != CURLM_OK)
            return;
        if (ready == 0) /* where there is no descriptor to wait on it doesn't wait */
            (void)poll(NULL, 0, IDLE_MS);
    }
}

__attribute__((noreturn)) static void live(char **argv)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGWINCH, SIGCONT};

    (void)setsid();
    for (size_t i = 0; i < CLO_ARRAY_LEN(signals); i++)
        (void)signal(signals[i], SIG_DFL);
    if (prctl(PR_SET_DUMPABLE, 0) != 0 || !close_others() || chdir("/") != 0)
        _exit(1);
    (void)prctl(PR_SET_NAME, "cloister-drain");
    wipe_strings(argv != NULL && argv[0] != NULL ? argv + 1 : NULL);
    wipe_strings(environ);
    wipe_stack(); /* first: afterwards the stack has the room that it needs while nothing may grow */
    wipe_heap();
    read_on();
    _exit(0);
}

void clo_drain_leave(char **argv)
{
    int running = 0;
    pid_t pid;

    if (kept == NULL || curl_multi_perform(kept, &running) != CURLM_OK || running == 0)
        return;
    pid = fork();
    if (pid == 0)
        live(argv);
    if (pid < 0)
        clo_say_note(
            "no process could be started that reads the answer's stream to its end (%s), so the moment of its end shows",
            strerror(errno));
}
