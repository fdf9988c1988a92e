/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a role, hardening a process from its inside, clocks, and the log's way to standard error. */
#include "platform/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crypto/crypto.h"

/* Where the pipe that reports a failed exec lies in the child, and a number above all fixed ones. */
enum {
    FD_REPORT = CLO_CONTROL_FD + 1,
    FD_FREE
};

static enum clo_level least_level = CLO_INFO;

/* Between fork and exec. (A cell is built with memory from the heap: no process here that starts others has threads.) */
_Noreturn static void become(const struct clo_process_start *s, pid_t parent, int report)
{
    /*
     * Libraries are bound at once: a lazy binding saves all vector registers on the stack first, and what AES-GCM left in them is users'
     * text, which nobody would wipe (seen with glibc 2.41).
     */
    static char bind[] = "LD_BIND_NOW=1";
    static char *const bare[] = {bind, NULL};
    ssize_t wrote;
    sigset_t none;
    int control = s->control;
    int null;
    int problem;

    /* A session of its own: what a terminal sends to its foreground group is the parent's to handle. */
    setsid();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        goto fail;
    for (int i = 1; i < NSIG; i++)
        (void)signal(i, SIG_DFL); /* refused for SIGKILL, SIGSTOP and libc's own */
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) != 0 ||
        (report = fcntl(report, F_DUPFD_CLOEXEC, FD_FREE)) < 0 ||
        (control >= 0 && (control = fcntl(control, F_DUPFD, FD_FREE)) < 0) ||
        (null = open("/dev/null", O_RDWR)) < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(null, STDOUT_FILENO) < 0 || (s->mute && dup2(null, STDERR_FILENO) < 0))
        goto fail;
    if (control < 0)
        close(CLO_CONTROL_FD);
    else if (dup2(control, CLO_CONTROL_FD) < 0)
        goto fail;
    if (dup3(report, FD_REPORT, O_CLOEXEC) < 0)
        goto fail;
    report = FD_REPORT;
    if (close_range(FD_FREE, ~0U, 0) != 0 || (s->folder != NULL && chdir(s->folder) != 0))
        goto fail;
    if (s->enclose != NULL && s->enclose(s->ctx) != 0) {
        errno = EPERM;
        goto fail;
    }
    execve(s->path, s->argv, s->env != NULL ? s->env : bare);
fail:
    problem = errno;
    wrote = write(report, &problem, sizeof problem);
    (void)wrote;
    _exit(1);
}

int clo_process_start(const struct clo_process_start *s, pid_t *ret)
{
    int report[2] = {-1, -1};
    int problem = 0;
    ssize_t got;
    pid_t parent = getpid();
    pid_t pid;

    /* The pipe closes by itself when exec succeeds, so that a program which can't be started is an error of this call. */
    if (pipe2(report, O_CLOEXEC) != 0)
        return CLOISTER_E_IO;
    pid = fork();
    if (pid == 0)
        become(s, parent, report[1]);
    close(report[1]);
    if (pid < 0) {
        close(report[0]);
        return CLOISTER_E_IO;
    }
    do
        got = read(report[0], &problem, sizeof problem);
    while (got < 0 && errno == EINTR);
    close(report[0]);
    if (got != 0) {
        (void)waitpid(pid, NULL, 0);
        return problem == ENOENT ? CLOISTER_E_NOT_FOUND : CLOISTER_E_IO;
    }
    *ret = pid;
    return 0;
}

int clo_process_spawn(const char *path, char *const argv[], char *const env[], int control,
                      pid_t *ret)
{
    const struct clo_process_start s = {.path = path, .argv = argv, .env = env, .control = control};

    return clo_process_start(&s, ret);
}

/*
 * Where one of the three is closed, the next file or socket would get its number, and then what is meant for people. The wrong
 * way round, so that reading and writing fail instead.
 */
static int keep_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return CLOISTER_E_IO;
    }
    return 0;
}

/*
 * No mapping of this process, nor of what it starts, belongs into a core file, whoever may raise the limit one day (core(5)). Before
 * the process isn't dumpable: then the file is root's. Without /proc, or in a kernel without core files, there is no such file.
 */
static void leave_out_of_core(void)
{
    const int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    (void)!write(fd, "0", 1); /* one of three, any of which is enough */
    close(fd);
}

int clo_process_harden(pid_t parent)
{
    /*
     * One byte, not zero: the kernel writes no core file that small, and takes exactly this value as "don't start the
     * program of core_pattern either", which a limit of zero doesn't stop (Linux, fs/coredump.c). The engine inherits it.
     */
    const struct rlimit no_core = {1, 1};

    if (keep_standard_fds() != 0)
        return CLOISTER_E_IO;
    if (clo_crypto_init() != 0)
        return CLOISTER_E_CRYPTO;
    leave_out_of_core();
    if (setrlimit(RLIMIT_CORE, &no_core) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0 ||
        signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return CLOISTER_E_IO;
    umask(077);
    if (parent != 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
            return CLOISTER_E_IO;
        if (getppid() != parent)
            return CLOISTER_E_STATE;
    }
    return 0;
}

int64_t clo_clock_now(void)
{
    struct timespec t = {0};

    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec;
}

int64_t clo_clock_mono_us(void)
{
    struct timespec t = {0};

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void clo_log_level(enum clo_level least)
{
    least_level = least;
}

void clo_log(const char *role, enum clo_event id, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    const uint64_t num[4] = {a, b, c, d};
    char line[256];
    ssize_t wrote;
    size_t n;

    if (clo_event_level(id) < least_level)
        return;
    n = clo_event_format(id, role, clo_clock_now(), num, line, sizeof line);
    wrote = write(STDERR_FILENO, line, n);
    (void)wrote; /* nobody is left to be told */
}
