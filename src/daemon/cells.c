/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each process may do. A set is a list of system calls for one purpose; a cell is a few sets, a list of paths and a list of limits: the table
 * `cells` below. docs/PRIVSEP.md shows the same table; tests/unit/test_privsep.py compares the two.
 */
#include "daemon/cells.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/process.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define CALL(name)           \
    {                        \
        .nr = SCMP_SYS(name) \
    }
#define CALL_IF(name, a, m, v)                                                          \
    {                                                                                   \
        .nr = SCMP_SYS(name), .how = CLO_CALL_IS, .arg = (a), .mask = (m), .value = (v) \
    }
#define CALL_SELF(name)                            \
    {                                              \
        .nr = SCMP_SYS(name), .how = CLO_CALL_SELF \
    }
#define FAIL(name, e)                                            \
    {                                                            \
        .nr = SCMP_SYS(name), .how = CLO_CALL_FAIL, .error = (e) \
    }
#define FAIL_IF(name, a, m, v, e)                                                             \
    {                                                                                         \
        .nr = SCMP_SYS(name), .how = CLO_CALL_FAIL_IF, .arg = (a), .mask = (m), .value = (v), \
        .error = (e)                                                                          \
    }
#define WHOLE UINT32_MAX /* of an argument that is an int */

/* ---- sets of system calls ---- */

/* What a loop over open channels needs, its memory, its clock, its end, and the log. No memory becomes code. */
static const struct clo_cell_call loop[] = {
    CALL(read),
    CALL(write),
    CALL(readv),
    CALL(writev),
    CALL(pread64),
    CALL(lseek),
    CALL(close),
    CALL(fcntl),
    CALL(fstat),
    CALL_IF(newfstatat, 3, WHOLE, AT_EMPTY_PATH), /* libc's fstat */
    CALL(poll),
    CALL(ppoll),
    CALL(recvmsg),
    CALL(sendmsg),
    CALL(memfd_create),
    CALL(ftruncate),
    CALL(brk),
    CALL_IF(mmap, 2, PROT_EXEC, 0),
    CALL_IF(mprotect, 2, PROT_EXEC, 0),
    CALL(munmap),
    CALL(mremap),
    CALL(madvise),
    CALL(mlock),
    CALL(mlock2),
    CALL(munlock),
    CALL(getrandom),
    CALL(clock_gettime),
    CALL(clock_getres),
    CALL(clock_nanosleep),
    CALL(nanosleep),
    CALL(gettimeofday),
    CALL(time),
    CALL(getpid),
    CALL(getppid),
    CALL(gettid),
    CALL(getuid),
    CALL(geteuid),
    CALL(getgid),
    CALL(getegid),
    CALL_IF(prlimit64, 2, UINT64_MAX, 0), /* to ask */
    CALL(getrlimit),
    CALL(getrusage),
    CALL(sysinfo),
    CALL(sched_getaffinity),
    CALL(sched_yield),
    CALL(futex),
    CALL(rt_sigaction),
    CALL(rt_sigprocmask),
    CALL(rt_sigreturn),
    CALL(sigaltstack),
    CALL(restart_syscall),
    CALL_SELF(tgkill), /* abort() */
    CALL(exit),
    CALL(exit_group),
};
/* Opening and looking: of what the paths permit. */
static const struct clo_cell_call open_files[] = {
    CALL(openat),     CALL(open),       CALL(newfstatat), CALL(stat),   CALL(lstat),
    CALL(statx),      CALL(readlink),   CALL(readlinkat), CALL(access), CALL(faccessat),
    CALL(faccessat2), CALL(getdents64), CALL(getcwd),     CALL(statfs), CALL(fstatfs),
    CALL(fadvise64),  CALL(uname),
};
static const struct clo_cell_call change_files[] = {
    CALL(unlinkat), CALL(unlink), CALL(renameat), CALL(renameat2),
    CALL(rename),   CALL(fchmod), CALL(fsync),
};
static const struct clo_cell_call change_folders[] = {
    CALL(mkdir),
    CALL(mkdirat),
    CALL(rmdir),
    CALL(unlinkat),
};
/* A library's threads. clone3 hides its flags from the filter: libc tries clone then. */
static const struct clo_cell_call threads[] = {
    CALL_IF(clone, 0, CLONE_THREAD, CLONE_THREAD),
    FAIL(clone3, ENOSYS),
    CALL(set_robust_list),
    CALL(set_tid_address),
    CALL(rseq),
    CALL(membarrier),
    CALL(eventfd2),
    CALL(pipe2),
};
/* Libraries that are loaded while it runs: their code may be mapped from files, never written. */
static const struct clo_cell_call code[] = {
    CALL_IF(mmap, 2, PROT_EXEC | PROT_WRITE, PROT_EXEC),
};
/* Speaking to an engine's socket, and in the gateway's case to whom it accepted. */
static const struct clo_cell_call dial[] = {
    CALL_IF(socket, 0, WHOLE, AF_UNIX),
    CALL(connect),
    CALL(getsockopt),
    CALL(setsockopt),
    CALL(getsockname),
    CALL(getpeername),
    CALL(recvfrom),
    CALL(sendto),
    CALL(shutdown),
};
static const struct clo_cell_call dial_tcp[] = {
    CALL_IF(socket, 0, WHOLE, AF_INET),
    CALL_IF(socket, 0, WHOLE, AF_INET6),
};
/* libc asks the kernel which addresses this machine has, to sort those of a service. */
static const struct clo_cell_call resolve[] = {
    CALL_IF(socket, 0, WHOLE, AF_NETLINK),
    CALL(bind),
    CALL(socketpair),
    CALL(sendmmsg),
    CALL_IF(ioctl, 1, WHOLE, FIONREAD),
    CALL_IF(ioctl, 1, WHOLE, FIONBIO),
};
/* The listening socket comes from the parent, bound. */
static const struct clo_cell_call serve[] = {
    CALL(accept4),        CALL(accept),
    CALL(epoll_create1),  CALL(epoll_create),
    CALL(epoll_ctl),      CALL(epoll_wait),
    CALL(epoll_pwait),    CALL(epoll_pwait2),
    CALL(eventfd2),       CALL(pipe2),
    CALL(timerfd_create), CALL(timerfd_settime),
    CALL(socketpair),     CALL_IF(ioctl, 1, WHOLE, FIONBIO),
};
/* Requests to devices; which ones, the paths say. A library that would start a program does without. */
static const struct clo_cell_call devices[] = {
    CALL(ioctl), FAIL_IF(clone, 0, CLONE_THREAD, 0, EPERM), FAIL(vfork, EPERM), CALL(uname),
    CALL(dup),
};
/* Starting one program, seeing its end, and ending it. */
static const struct clo_cell_call spawn[] = {
    CALL(clone),
    CALL(fork),
    CALL(vfork),
    CALL(execve),
    CALL(wait4),
    CALL(waitid),
    CALL(kill),
    CALL(pidfd_open),
    CALL(pidfd_send_signal),
    CALL(pipe2),
    CALL(dup),
    CALL(dup2),
    CALL(dup3),
    CALL(setsid),
    CALL(close_range),
    CALL(umask),
    CALL(set_robust_list),
    CALL(set_tid_address),
    CALL(rseq),
};
/* Building a cell within this one, which can only be narrower. */
static const struct clo_cell_call enclose[] = {
    CALL(prctl),
    CALL(capget),
    CALL(capset),
    CALL(setrlimit),
    CALL(prlimit64),
    CALL(getresuid),
    CALL(getresgid),
    CALL(getgroups),
    CALL(landlock_create_ruleset),
    CALL(landlock_add_rule),
    CALL(landlock_restrict_self),
    CALL(seccomp),
};
/* llama-server: itself, once, by the first exec (the paths see to it that there is no other); its own socket, and no other; threads. */
static const struct clo_cell_call infer[] = {
    CALL(execve),
    CALL(arch_prctl),
    CALL(ioctl), /* of which devices, the paths say */
    CALL(prctl),
    CALL_IF(socket, 0, WHOLE, AF_UNIX),
    FAIL(connect, EACCES), /* libc would ask a name service who it is */
    CALL(bind),
    CALL(listen),
    CALL(accept),
    CALL(accept4),
    CALL(getsockopt),
    CALL(setsockopt),
    CALL(getsockname),
    CALL(getpeername),
    CALL(recvfrom),
    CALL(sendto),
    CALL(shutdown),
    CALL(select),
    CALL(pselect6),
    CALL(epoll_create1),
    CALL(epoll_ctl),
    CALL(epoll_wait),
    CALL(epoll_pwait),
    CALL(socketpair),
    CALL(preadv),
    CALL(preadv2),
    CALL(readahead),
    CALL(mincore),
    CALL(mlockall),
    CALL(munlockall),
    CALL(get_mempolicy),
    CALL(set_mempolicy),
    CALL(mbind),
    CALL(sched_setaffinity),
    CALL(sched_getparam),
    CALL(sched_getscheduler),
    CALL(sched_setscheduler),
    CALL(sched_get_priority_max),
    CALL(sched_get_priority_min),
    CALL(getpriority),
    CALL(setpriority),
    CALL(getcpu),
    CALL(times),
    CALL(getpgrp),
    CALL(getresuid),
    CALL(getresgid),
    CALL(getgroups),
    CALL(rt_sigtimedwait),
    CALL(fcntl),
    CALL(flock),
    CALL(dup2),
    CALL(dup3),
    CALL(pipe),
    CALL(eventfd2),
};
/* The parent's own: users for its children, signals, its folders. It also has every call that one of them has, because a filter holds for children, too. */
static const struct clo_cell_call supervise[] = {
    CALL(setresuid), CALL(setresgid), CALL(setgroups), CALL(signalfd4), CALL(signalfd),
    CALL(chdir),     CALL(fchdir),    CALL(chmod),     CALL(adjtimex),  CALL(clock_adjtime),
};
#if SANITIZED
/* What AddressSanitizer does beside the program: it looks for a thread's stack. A build without it has no such set. */
static const struct clo_cell_call sanitizer[] = {
    CALL(openat),
    CALL(readlink),
};

/* Looking for leaks at the end takes ptrace, which no cell has. */
static bool shut_in;
int __lsan_is_turned_off(void) __attribute__((visibility("default")));
int __lsan_is_turned_off(void)
{
    return shut_in;
}
#endif

/* ---- paths ---- */

#define LIBRARIES                                                                            \
    {"/usr", -1, CLO_CELL_READ}, {"/lib", -1, CLO_CELL_READ}, {"/lib64", -1, CLO_CELL_READ}, \
    {                                                                                        \
        "/etc/ld.so.cache", -1, CLO_CELL_READ                                                \
    }
#define MACHINE                                                                        \
    {"/proc/cpuinfo", -1, CLO_CELL_READ}, {"/proc/meminfo", -1, CLO_CELL_READ},        \
        {"/proc/stat", -1, CLO_CELL_READ}, {"/sys/devices/system", -1, CLO_CELL_READ}, \
        {"/dev/null", -1, CLO_CELL_READ | CLO_CELL_WRITE},                             \
    {                                                                                  \
        "/dev/urandom", -1, CLO_CELL_READ                                              \
    }
/* NVIDIA's driver; the star is for numbers. */
#define DEVICE (CLO_CELL_READ | CLO_CELL_WRITE | CLO_CELL_DEVICES)
#define GPUS                                                                        \
    {"/dev/nvidia*", -1, DEVICE}, {"/proc/driver/nvidia", -1, CLO_CELL_READ},       \
        {"/proc/devices", -1, CLO_CELL_READ}, {"/proc/modules", -1, CLO_CELL_READ}, \
        {"/sys/bus/pci", -1, CLO_CELL_READ}, {"/sys/devices", -1, CLO_CELL_READ},   \
    {                                                                               \
        "/sys/module/nvidia", -1, CLO_CELL_READ                                     \
    }

static const struct clo_cell_path worker_paths[] = {
    {"/sys/kernel/config/tsm", -1, CLO_CELL_READ | CLO_CELL_WRITE | CLO_CELL_FOLDERS},
    {"/dev/sev-guest", -1, DEVICE},
    {"/dev/tdx_guest", -1, DEVICE},
    {"/dev/tpmrm0", -1, DEVICE},
    {"/proc/self", -1, CLO_CELL_READ},
    LIBRARIES,
    MACHINE,
    GPUS,
};
static const struct clo_cell_path fetcher_paths[] = {
    {".", -1, CLO_CELL_READ | CLO_CELL_WRITE | CLO_CELL_CHANGE}, /* the cache */
    {"/etc", -1, CLO_CELL_READ}, /* certificates, name service: what everybody may read there */
    {"/run/systemd/resolve", -1, CLO_CELL_READ},
    LIBRARIES,
    MACHINE,
};
/* The model, llama-server, its folder and what runs it are added by add_engine. */
static const struct clo_cell_path llama_paths[] = {
    {".", -1, CLO_CELL_SOCKETS}, {"/proc/self", -1, CLO_CELL_READ}, LIBRARIES, MACHINE, GPUS,
};
static const struct clo_cell_path engine_paths[] = {
    {".", -1, CLO_CELL_SOCKETS},
    {"/proc", -1, CLO_CELL_READ}, /* its child's is narrower */
    {"/dev", -1, CLO_CELL_LIST},
    LIBRARIES,
    MACHINE,
    GPUS,
};

/* ---- limits ---- */

/* One that starts nothing: neither programs nor threads. */
static const struct clo_cell_limit alone[] = {
    {RLIMIT_CORE, 1},     {RLIMIT_NPROC, 0},       {RLIMIT_NOFILE, 64},
    {RLIMIT_MSGQUEUE, 0}, {RLIMIT_SIGPENDING, 64},
};
static const struct clo_cell_limit gateway_limits[] = {
    {RLIMIT_CORE, 1},
    {RLIMIT_NPROC, 0},
    {RLIMIT_MSGQUEUE, 0},
    {RLIMIT_SIGPENDING, 64},
};
static const struct clo_cell_limit others[] = {
    {RLIMIT_CORE, 1},
    {RLIMIT_NOFILE, 1024},
    {RLIMIT_MSGQUEUE, 0},
};
static const struct clo_cell_limit parent_limits[] = {
    {RLIMIT_CORE, 1},
    {RLIMIT_MSGQUEUE, 0},
};

/* ---- the table ---- */

#define SET(s)                \
    {                         \
        (s), CLO_ARRAY_LEN(s) \
    }
#define PATHS(p)  .path = (p), .paths = CLO_ARRAY_LEN(p)
#define LIMITS(l) .limit = (l), .limits = CLO_ARRAY_LEN(l)
enum {
    USUAL_SETS = 9
};
static const struct {
    const char *name;
    struct clo_cell_calls calls[USUAL_SETS];
    const struct clo_cell_path *path;
    size_t paths;
    const struct clo_cell_limit *limit;
    size_t limits;
} cells[CLO_CELL_KINDS] = {
    /* clang-format off */
    [CLO_CELL_GATEWAY]  = {"gateway",      {SET(loop), SET(dial), SET(serve)}, NULL, 0, LIMITS(gateway_limits)},
    [CLO_CELL_KEEPER]   = {"keeper",       {SET(loop)}, NULL, 0, LIMITS(alone)},
    [CLO_CELL_ATTESTER] = {"attester",     {SET(loop)}, NULL, 0, LIMITS(alone)},
    [CLO_CELL_WORKER]   = {"worker",       {SET(loop), SET(open_files), SET(change_folders), SET(threads), SET(code), SET(devices)}, PATHS(worker_paths), LIMITS(others)},
    [CLO_CELL_ENGINE]   = {"engine",       {SET(loop), SET(open_files), SET(change_files), SET(threads), SET(code), SET(dial), SET(spawn), SET(enclose), SET(infer)}, PATHS(engine_paths), LIMITS(others)},
    [CLO_CELL_WATCH]    = {"engine",       {SET(loop), SET(dial)}, NULL, 0, LIMITS(alone)},
    [CLO_CELL_LLAMA]    = {"llama-server", {SET(loop), SET(open_files), SET(change_files), SET(threads), SET(code), SET(infer)}, PATHS(llama_paths), LIMITS(others)},
    [CLO_CELL_FETCHER]  = {"fetcher",      {SET(loop), SET(open_files), SET(change_files), SET(threads), SET(code), SET(dial), SET(dial_tcp), SET(resolve)}, PATHS(fetcher_paths), LIMITS(others)},
    [CLO_CELL_PARENT]   = {"parent",       {SET(supervise), SET(spawn), SET(enclose)}, NULL, 0, LIMITS(parent_limits)},
    /* clang-format on */
};

const char *clo_cell_name(enum clo_cell_kind k)
{
    return k < CLO_CELL_KINDS ? cells[k].name : "unknown";
}

uid_t clo_cell_user(uint32_t base, enum clo_role r)
{
    return base + (uid_t)r;
}

/* ---- a cell, put together ---- */

enum {
    PATHS_MAX = 96,
    PROGRAMS_MAX = CLO_ROLE_COUNT + 1,
    CALLS_MAX = 512,
    SCRIPT_LINE = 256, /* of "#!" as far as the kernel reads it (Linux, BINPRM_BUF_SIZE) */
};

struct plan {
    struct clo_cell cell;
    struct clo_cell_path path[PATHS_MAX];
    glob_t globbed[8];
    size_t globs;
    struct clo_cell_call all[CALLS_MAX];
    char folder[CLO_STR_MAX], interpreter[PROGRAMS_MAX][SCRIPT_LINE];
    size_t programs;
};

static const struct clo_cell_more *given;

void clo_cells_add(const struct clo_cell_more *more)
{
    given = more;
}

static int add_path(struct plan *p, const struct clo_cell_path *path)
{
    if (p->cell.paths == PATHS_MAX)
        return CLOISTER_E_LIMIT;
    p->path[p->cell.paths++] = *path;
    return 0;
}

/* A path with a star is every path that fits it now. */
static int add_paths(struct plan *p, const char *pattern, unsigned rights)
{
    glob_t *g = &p->globbed[p->globs];
    int err = 0;

    if (strchr(pattern, '*') == NULL)
        return add_path(p, &(struct clo_cell_path){pattern, -1, rights});
    if (p->globs == CLO_ARRAY_LEN(p->globbed))
        return CLOISTER_E_LIMIT;
    if (glob(pattern, GLOB_NOSORT, NULL, g) != 0)
        return 0;
    p->globs++;
    for (size_t i = 0; err == 0 && i < g->gl_pathc; i++)
        err = add_path(p, &(struct clo_cell_path){g->gl_pathv[i], -1, rights});
    return err;
}

/* What the kernel starts in the place of a script: the program that its first line names. */
static void read_interpreter(const char *file, char ret[SCRIPT_LINE])
{
    char line[SCRIPT_LINE] = {0};
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, line, sizeof line - 1) : -1;
    const char *at = line + 2;

    if (fd >= 0)
        close(fd);
    ret[0] = 0;
    if (n < 3 || memcmp(line, "#!", 2) != 0)
        return;
    at += strspn(at, " \t");
    (void)snprintf(ret, SCRIPT_LINE, "%.*s", (int)strcspn(at, " \t\n"), at);
}

/* To run a program takes its file, for a script what it is written for, and the linker that the kernel starts with either. */
static int add_program(struct plan *p, const char *file)
{
    char *interpreter = p->interpreter[p->programs];
    int err;

    if (p->programs++ == PROGRAMS_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = add_path(p, &(struct clo_cell_path){file, -1, CLO_CELL_RUN})) != 0)
        return err;
    read_interpreter(file, interpreter);
    return interpreter[0] != 0 ? add_path(p, &(struct clo_cell_path){interpreter, -1, CLO_CELL_RUN})
                               : 0;
}

static int add_linkers(struct plan *p)
{
    static const char *const linkers[] = {"/lib/ld-*.so.*", "/lib64/ld-*.so.*"};
    int err = 0;

    for (size_t i = 0; err == 0 && i < CLO_ARRAY_LEN(linkers); i++)
        err = add_paths(p, linkers[i], CLO_CELL_RUN);
    return err;
}

/* The model, llama-server, and the folder in which it keeps libraries of its own. */
static int add_engine(struct plan *p, const struct clo_cell_site *site)
{
    const char *slash = site->server != NULL ? strrchr(site->server, '/') : NULL;
    int err;

    if (slash == NULL)
        return CLOISTER_E_ARGUMENT;
    (void)snprintf(p->folder, sizeof p->folder, "%.*s", (int)(slash - site->server), site->server);
    if ((err = add_path(p, &(struct clo_cell_path){NULL, site->model, CLO_CELL_READ})) != 0 ||
        (err = add_path(p, &(struct clo_cell_path){p->folder, -1, CLO_CELL_READ})) != 0 ||
        (err = add_program(p, site->server)) != 0)
        return err;
    return add_linkers(p);
}

/*
 * The parent's children run its own programs and llama-server, and nothing else. Its own by their folder, so that others of their names, of an
 * update, can be run as well.
 */
static int add_parent(struct plan *p, const struct clo_cell_site *site)
{
    int err = 0;

    for (const char *const *h = site->helpers; err == 0 && h != NULL && *h != NULL; h++) {
        const char *slash = strrchr(*h, '/');

        if (slash == NULL)
            return CLOISTER_E_ARGUMENT;
        (void)snprintf(p->folder, sizeof p->folder, "%.*s", (int)(slash - *h), *h);
        err = add_program(p, *h);
    }
    if (err == 0 && p->folder[0] != 0)
        err = add_path(p, &(struct clo_cell_path){p->folder, -1, CLO_CELL_RUN});
    if (err == 0 && site->server != NULL)
        err = add_program(p, site->server);
    return err == 0 ? add_linkers(p) : err;
}

static bool has_call(const struct plan *p, size_t n, int nr)
{
    for (size_t i = 0; i < n; i++)
        if (p->all[i].nr == nr)
            return true;
    return false;
}

/* Every call of every cell, each permitted as a whole: what no process needs, no process can have, whatever becomes of its cell. */
static int take_all_calls(struct plan *p)
{
    size_t n = 0;

    for (int fails = 0; fails < 2; fails++)
        for (size_t k = 0; k < CLO_CELL_KINDS; k++)
            for (size_t s = 0; s < USUAL_SETS; s++)
                for (size_t i = 0; i < cells[k].calls[s].n; i++) {
                    struct clo_cell_call call = cells[k].calls[s].at[i];

                    if ((call.how == CLO_CALL_FAIL_IF) ||
                        (call.how == CLO_CALL_FAIL) != (fails == 1) || has_call(p, n, call.nr))
                        continue;
                    if (n == CALLS_MAX)
                        return CLOISTER_E_LIMIT;
                    if (fails == 0)
                        call = (struct clo_cell_call){.nr = call.nr};
                    p->all[n++] = call;
                }
    p->cell.calls[0] = (struct clo_cell_calls){p->all, n};
    p->cell.sets = 1;
    return 0;
}

static void take_usual_calls(struct plan *p, enum clo_cell_kind k, const struct clo_cell_site *site)
{
    for (size_t s = 0; s < USUAL_SETS && cells[k].calls[s].n > 0; s++)
        p->cell.calls[p->cell.sets++] = cells[k].calls[s];
    if ((k == CLO_CELL_GATEWAY || k == CLO_CELL_WATCH) && site->port != 0)
        p->cell.calls[p->cell.sets++] = (struct clo_cell_calls)SET(dial_tcp);
#if SANITIZED
    p->cell.calls[p->cell.sets++] = (struct clo_cell_calls)SET(sanitizer);
#endif
}

static int make(struct plan *p, enum clo_cell_kind k, const struct clo_cell_site *site)
{
    int err = 0;

    *p = (struct plan){.cell = {.user = site->user,
                                .lacks = site->lacks,
                                .port = site->port,
                                .net = k == CLO_CELL_FETCHER || k == CLO_CELL_PARENT,
                                .opens_all = k == CLO_CELL_PARENT,
                                .limit = cells[k].limit,
                                .limits = cells[k].limits}};
    p->cell.path = p->path;
    for (size_t i = 0; err == 0 && i < cells[k].paths; i++)
        err = add_paths(p, cells[k].path[i].path, cells[k].path[i].rights);
    if (err == 0 && (k == CLO_CELL_ENGINE || k == CLO_CELL_LLAMA))
        err = add_engine(p, site);
    if (err == 0 && k == CLO_CELL_PARENT)
        err = add_parent(p, site);
    for (size_t i = 0; err == 0 && given != NULL && i < given->paths; i++)
        err = add_path(p, &given->path[i]);
    if (err == 0 && k == CLO_CELL_PARENT)
        err = take_all_calls(p);
    else
        take_usual_calls(p, k, site);
    if (given != NULL)
        p->cell.calls[p->cell.sets++] = given->calls;
    return err;
}

int clo_cells_enter(enum clo_cell_kind k, const struct clo_cell_site *site,
                    enum clo_cell_part *ret_part)
{
    /* Not the heap's: its free might ask for what the cell refuses. */
    static struct plan plan;
    struct plan *p = &plan;
    int err;

    *ret_part = CLO_CELL_REST;
    if ((err = make(p, k, site)) == 0) {
        p->cell.keeps = site->keeps;
        err = clo_cell_enter(&p->cell, ret_part);
#if SANITIZED
        shut_in = true;
#endif
    }
    return err;
}

/* ---- on the way to a child ---- */

void clo_cell_words(const struct clo_cell_site *site, char ret[CLO_CELL_WORDS])
{
    (void)snprintf(ret, CLO_CELL_WORDS, "%u:%u:%u", (unsigned)site->user, site->lacks, site->port);
}

int clo_cell_words_read(const char *text, struct clo_cell_site *ret)
{
    const unsigned long max[3] = {UINT32_MAX, CLO_CELL_USER | CLO_CELL_FILES | CLO_CELL_CALLS,
                                  UINT16_MAX};
    unsigned long v[3] = {0};

    for (size_t i = 0; i < 3; i++) {
        char *end = NULL;

        if (*text < '0' || *text > '9')
            return CLOISTER_E_ARGUMENT;
        v[i] = strtoul(text, &end, 10);
        if (v[i] > max[i] || *end != (i < 2 ? ':' : 0))
            return CLOISTER_E_ARGUMENT;
        text = end + 1;
    }
    *ret = (struct clo_cell_site){
        .user = (uid_t)v[0], .lacks = (unsigned)v[1], .port = (uint16_t)v[2], .model = -1};
    return 0;
}

/* ---- trying ---- */

/* One part after the other is left out once it has failed, so that all that is missing is found. */
_Noreturn static void try_here(enum clo_cell_kind k, struct clo_cell_site site, int report)
{
    struct clo_cell_trial t = {0};
    enum clo_cell_part part = CLO_CELL_REST;
    ssize_t wrote;

    while (clo_cells_enter(k, &site, &part) != 0) {
        const int why = errno;

        t.parts |= part;
        if (part == CLO_CELL_REST || (site.lacks & part) != 0)
            break;
        t.why[part == CLO_CELL_USER ? 0 : part == CLO_CELL_FILES ? 1 : 2] = why;
        site.lacks |= part;
    }
    wrote = write(report, &t, sizeof t);
    _exit(wrote == sizeof t ? 0 : 1);
}

int clo_cells_try(enum clo_cell_kind k, const struct clo_cell_site *site,
                  struct clo_cell_trial *ret)
{
    struct clo_cell_trial t = {0};
    int pair[2] = {-1, -1}, status = 0;
    ssize_t got;
    pid_t pid;

    if (pipe2(pair, O_CLOEXEC) != 0)
        return CLOISTER_E_IO;
    if ((pid = fork()) == 0)
        try_here(k, *site, pair[1]);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return CLOISTER_E_IO;
    }
    do
        got = read(pair[0], &t, sizeof t);
    while (got < 0 && errno == EINTR);
    close(pair[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (got != sizeof t || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return CLOISTER_E_IO; /* killed by the cell that it had built: a fault of ours */
    *ret = t;
    return 0;
}
