/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells of the client: see confine.h. What is permitted is the table below. Landlock by system calls of our own, because libc has none, and with
 * the structure of the newest version used here, because headers may be older than the kernel that runs
 * (Linux, Documentation/userspace-api/landlock.rst).
 */
#include "platform/confine.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "platform/file.h"

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#else
#define THIS_ARCH 0
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

_Static_assert(THIS_ARCH != 0, "whose numbers are these?");

enum {
    CPU_S = 10,
    MEMORY = 512 << 20
};

/* ---- limits ---- */

static int enter_limits(void)
{
    static const struct {
        __rlimit_resource_t what;
        rlim_t value;
    } limits[] = {
        {RLIMIT_CPU, CPU_S},
        {RLIMIT_NOFILE, 0}, /* of new ones */
        {RLIMIT_NPROC, 0},
#ifndef SANITIZED /* which maps terabytes */
        {RLIMIT_DATA, MEMORY},
#endif
    };

    for (size_t i = 0; i < CLO_ARRAY_LEN(limits); i++) {
        const struct rlimit l = {limits[i].value, limits[i].value};
        struct rlimit now = {0};

        if (getrlimit(limits[i].what, &now) != 0 ||
            (now.rlim_max > l.rlim_max && setrlimit(limits[i].what, &l) != 0))
            return CLOISTER_E_UNSUPPORTED;
    }
    return 0;
}

/* ---- Landlock: every right that there is, and not one of them given ---- */

struct landlock_rules {
    uint64_t files, net, scoped;
};

static long landlock_version(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */);
}

static int enter_landlock(void)
{
    static const unsigned rights[] = {13, 14, 15, 15, 16}; /* of files, by version */
    const long version = landlock_version();
    struct landlock_rules r = {0};
    size_t n = offsetof(struct landlock_rules, net);
    long set;
    int err = 0;

    if (version < 1)
        return 0; /* seccomp has left out all that it would forbid */
    r.files = (UINT64_C(1) << rights[version <= 5 ? version - 1 : 4]) - 1;
    if (version >= 4) {
        r.net = 3; /* bind and connect, TCP */
        n = offsetof(struct landlock_rules, scoped);
    }
    if (version >= 6) {
        r.scoped = 3; /* abstract Unix sockets, signals */
        n = sizeof(r);
    }
    if ((set = syscall(SYS_landlock_create_ruleset, &r, n, 0)) < 0)
        return CLOISTER_E_UNSUPPORTED;
    if (syscall(SYS_landlock_restrict_self, (int)set, 0) != 0)
        err = CLOISTER_E_UNSUPPORTED;
    close((int)set);
    return err;
}

/* ---- seccomp ---- */

enum how {
    ANY,
    NOT_RUN, /* memory, unless it could be run */
    TERMINAL /* ioctl: what a stream asks a terminal */
};

static const struct {
    int nr;
    enum how how;
} calls[] = {
    /* what comes and goes by the descriptors that are there */
    {SYS_read, ANY},
    {SYS_write, ANY},
    {SYS_writev, ANY},
    {SYS_close, ANY},
#ifdef SYS_poll
    {SYS_poll, ANY},
#endif
    {SYS_ppoll, ANY},
    {SYS_ioctl, TERMINAL},
    /* memory */
    {SYS_mmap, NOT_RUN},
    {SYS_mprotect, NOT_RUN},
    {SYS_munmap, ANY},
    {SYS_mremap, ANY},
    {SYS_madvise, ANY},
    {SYS_brk, ANY},
    /* the rest of being a process */
    {SYS_futex, ANY},
    {SYS_getrandom, ANY},
    {SYS_getpid, ANY},
    {SYS_gettid, ANY},
    {SYS_clock_gettime, ANY}, /* where the vDSO can't answer */
    {SYS_gettimeofday, ANY},
    {SYS_rt_sigreturn, ANY},
    {SYS_rt_sigprocmask, ANY},
    {SYS_restart_syscall, ANY},
    {SYS_exit, ANY},
    {SYS_exit_group, ANY},
#ifdef SANITIZED /* its reports */
    {SYS_sigaltstack, ANY},
    {SYS_sched_yield, ANY},
#endif
};

static const uint32_t terminal[] = {TCGETS, TCGETS2, TCFLSH, TIOCGWINSZ};

#define LOW(member)                          \
    (offsetof(struct seccomp_data, member) + \
     (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint32_t) : 0))
#define LOAD(at)        ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at)))
#define IF_NOT(k, skip) ((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (skip)))
#define IF_SET(k, skip) ((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (k), (skip), 0))
#define ANSWER(what)    ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (what)))
#define KILL            ANSWER(SECCOMP_RET_KILL_PROCESS)
#define PERMIT          ANSWER(SECCOMP_RET_ALLOW)

static int enter_seccomp(void)
{
    /* Number by number: what fits none falls through to the end. Numbers of another architecture mean something else. */
    struct sock_filter code[5 * CLO_ARRAY_LEN(calls) + 2 * CLO_ARRAY_LEN(terminal) + 8];
    struct sock_fprog program = {.filter = code};
    unsigned short n = 0;

    code[n++] = LOAD(offsetof(struct seccomp_data, arch));
    code[n++] = IF_NOT(THIS_ARCH, 1);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1);
    code[n++] = KILL;
    code[n++] = LOAD(offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < CLO_ARRAY_LEN(calls); i++) {
        const uint32_t nr = (uint32_t)calls[i].nr;

        switch (calls[i].how) {
        case ANY:
            code[n++] = IF_NOT(nr, 1);
            code[n++] = PERMIT;
            break;
        case NOT_RUN:
            code[n++] = IF_NOT(nr, 4);
            code[n++] = LOAD(LOW(args[2]));
            code[n++] = IF_SET(PROT_EXEC, 1);
            code[n++] = PERMIT;
            code[n++] = KILL;
            break;
        case TERMINAL:
            code[n++] = IF_NOT(nr, (uint8_t)(2 * CLO_ARRAY_LEN(terminal) + 2));
            code[n++] = LOAD(LOW(args[1]));
            for (size_t t = 0; t < CLO_ARRAY_LEN(terminal); t++) {
                code[n++] = IF_NOT(terminal[t], 1);
                code[n++] = PERMIT;
            }
            code[n++] = KILL;
            break;
        }
    }
    code[n++] = KILL;
    program.len = n;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? 0
                                                                           : CLOISTER_E_UNSUPPORTED;
}

/* ---- the whole ---- */

bool clo_confine_possible(void)
{
    static const uint32_t kill = SECCOMP_RET_KILL_PROCESS;

    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &kill) == 0;
}

bool clo_confine_is_whole(void)
{
    return landlock_version() >= 1;
}

int clo_confine_enter(void)
{
    int err;

    tzset(); /* gmtime_r() would look for /etc/localtime */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return CLOISTER_E_UNSUPPORTED;
    /* Landlock's own descriptor comes before there may be none. */
    if ((err = enter_landlock()) != 0 || (err = enter_limits()) != 0)
        return err;
    return enter_seccomp();
}

/* ---- a child ---- */

/* So that the C library doesn't look at a stream for the first time from inside. */
static void settle_streams(void)
{
    static char in[BUFSIZ], out[BUFSIZ];

    (void)setvbuf(stdin, in, _IOFBF, sizeof(in));
    (void)setvbuf(stdout, out, isatty(STDOUT_FILENO) == 1 ? _IOLBF : _IOFBF, sizeof(out));
}

/* Whoever started this program may have left it descriptors that nobody here knows of. */
static int close_others(const struct clo_confined *c, int mine)
{
    unsigned from = STDERR_FILENO + 1;

    for (size_t i = 0; i <= c->keeps; i++) {
        const unsigned next = (unsigned)(i < c->keeps ? c->keep[i] : mine);

        if (next < from || (next > from && close_range(from, next - 1, 0) != 0))
            return CLOISTER_E_ARGUMENT;
        from = next + 1;
    }
    return close_range(from, ~0U, 0) == 0 ? 0 : CLOISTER_E_UNSUPPORTED;
}

_Noreturn static void inside(const struct clo_confined *c, size_t max, int fd, pid_t parent)
{
    struct clo_buf out = clo_buf_init(max);
    int code;

    settle_streams();
    if (c->first != NULL)
        c->first();
    /* Opened last, it has the highest number, but for what was closed below it. */
    if (c->keeps > 0 && fd < c->keep[c->keeps - 1] &&
        (fd = fcntl(fd, F_DUPFD_CLOEXEC, c->keep[c->keeps - 1] + 1)) < 0)
        _exit(CLO_CONFINED_NEVER);
    if (close_others(c, fd) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent ||
        clo_confine_enter() != 0)
        _exit(CLO_CONFINED_NEVER);
    code = c->work(c->ctx, &out);
    if (clo_write_all(fd, out.p, out.len) != 0)
        code = CLO_CONFINED_NEVER;
    _exit(code);
}

/* All that comes, however much that is: a child that can't write would wait for ever. */
static int take_all(int fd, struct clo_buf *ret)
{
    uint8_t piece[4096];
    int err = 0;

    for (;;) {
        const ssize_t n = read(fd, piece, sizeof(piece));

        if (n == 0)
            return err;
        if (n < 0 && errno != EINTR)
            return CLOISTER_E_IO;
        if (n > 0 && err == 0)
            err = clo_buf_append(ret, piece, (size_t)n);
    }
}

int clo_confine_run(const struct clo_confined *c, struct clo_buf *ret, int *ret_status)
{
    const pid_t parent = getpid();
    int ends[2] = {-1, -1}, status = 0, err;
    pid_t pid;

    (void)fflush(stdout);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return CLOISTER_E_IO;
    if ((pid = fork()) == 0) {
        close(ends[0]);
        inside(c, ret->max, ends[1], parent);
    }
    close(ends[1]);
    err = pid < 0 ? CLOISTER_E_IO : take_all(ends[0], ret);
    close(ends[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return CLOISTER_E_IO;
    *ret_status = status;
    return err;
}
