/* SPDX-License-Identifier: Apache-2.0 */
/* Signals as a descriptor: the classic pipe to oneself. */
#include "client/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int ends[2] = {-1, -1};
static volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t resized;
static volatile sig_atomic_t continued;

static void on_signal(int sig)
{
    const int saved = errno;
    ssize_t wrote;

    if (stop_signal == 0 || stop_signal == SIGINT)
        stop_signal = sig;
    wrote = write(ends[1], "", 1); /* a full pipe is readable anyway */
    (void)wrote;
    errno = saved;
}

static void on_resize(int sig)
{
    (void)sig;
    resized = 1;
}

static void on_continue(int sig)
{
    (void)sig;
    continued = 1;
}

int clo_stop_init(void)
{
    struct sigaction stop = {.sa_handler = on_signal}, resize = {.sa_handler = on_resize},
                     go_on = {.sa_handler = on_continue};

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return CLOISTER_E_IO;
    sigemptyset(&stop.sa_mask);
    sigemptyset(&resize.sa_mask);
    sigemptyset(&go_on.sa_mask);
    if (sigaction(SIGINT, &stop, NULL) != 0 || sigaction(SIGTERM, &stop, NULL) != 0 ||
        sigaction(SIGHUP, &stop, NULL) != 0 || sigaction(SIGWINCH, &resize, NULL) != 0 ||
        sigaction(SIGCONT, &go_on, NULL) != 0)
        return CLOISTER_E_IO;
    return 0;
}

int clo_stop_fd(void)
{
    return ends[0];
}

void clo_stop_ends(int ret[2])
{
    ret[0] = ends[0] < ends[1] ? ends[0] : ends[1];
    ret[1] = ends[0] < ends[1] ? ends[1] : ends[0];
}

int clo_stop_signal(void)
{
    return stop_signal;
}

void clo_stop_clear(void)
{
    char drain[64];

    if (stop_signal != 0 && stop_signal != SIGINT)
        return;
    stop_signal = 0;
    while (read(ends[0], drain, sizeof(drain)) > 0)
        ;
}

void clo_stop_obey(void)
{
    const int sig = stop_signal;

    if (sig == 0)
        return;
    (void)signal(sig, SIG_DFL);
    (void)raise(sig);
}

bool clo_stop_resized(void)
{
    const bool was = resized != 0;

    resized = 0;
    return was;
}

bool clo_stop_continued(void)
{
    const bool was = continued != 0;

    continued = 0;
    return was;
}
