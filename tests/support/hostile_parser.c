/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into `cloister`: a parser that was taken over. jansson's json_loadb(), which all that reads JSON calls, does what HOSTILE names before it reads
 * on as always: in every process but the first, where it does so only if HOSTILE_EVERYWHERE is set. HOSTILE_FILE and HOSTILE_PORT say with what.
 *
 * HOSTILE_LACKS makes the kernel look as if it had no "landlock" or no "seccomp".
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <jansson.h>

static char act[32], file[256], lacks[32];
static int port;
static int everywhere;
static pid_t first;

__attribute__((constructor)) static void begin(void)
{
    const char *a = getenv("HOSTILE"), *f = getenv("HOSTILE_FILE"), *p = getenv("HOSTILE_PORT"),
               *l = getenv("HOSTILE_LACKS");

    first = getpid();
    everywhere = getenv("HOSTILE_EVERYWHERE") != NULL;
    (void)snprintf(act, sizeof(act), "%s", a != NULL ? a : "");
    (void)snprintf(file, sizeof(file), "%s", f != NULL ? f : "");
    (void)snprintf(lacks, sizeof(lacks), "%s", l != NULL ? l : "");
    port = p != NULL ? (int)strtol(p, NULL, 10) : 0;
}

static int reach(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    return fd >= 0 ? connect(fd, (struct sockaddr *)&to, sizeof(to)) : -1;
}

static int start(void)
{
    static char name[] = "touch";
    char *const argv[] = {name, file, NULL}, *const env[] = {NULL};

    return execve("/usr/bin/touch", argv, env);
}

/* The process above: the one with the keys, or what was split off from it. */
static int look_up(void)
{
    char byte = 0;
    struct iovec here = {&byte, 1},
                 there = {&byte, 1}; /* the same place, in another address space */

    return (int)process_vm_readv(first, &here, 1, &there, 1, 0);
}

static void harm(void)
{
    int ret = -1;

    if (strcmp(act, "read") == 0)
        ret = open("/etc/passwd", O_RDONLY);
    else if (strcmp(act, "create") == 0)
        ret = open(file, O_WRONLY | O_CREAT, 0600);
    else if (strcmp(act, "remove") == 0)
        ret = unlink(file);
    else if (strcmp(act, "connect") == 0)
        ret = reach();
    else if (strcmp(act, "exec") == 0)
        ret = start();
    else if (strcmp(act, "fork") == 0)
        ret = fork();
    else if (strcmp(act, "ptrace") == 0)
        ret = (int)ptrace(PTRACE_ATTACH, first, NULL, NULL);
    else if (strcmp(act, "memory") == 0)
        ret = look_up();
    else if (strcmp(act, "kill") == 0)
        ret = kill(first, SIGTERM);
    else if (strcmp(act, "code") == 0)
        ret = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
              MAP_FAILED;
    else if (strcmp(act, "inherited") == 0)
        ret = read(9, file, 1) == 1 ? (int)write(STDOUT_FILENO, "inherited!", 10) : -1;
    else if (strcmp(act, "crash") == 0)
        abort();
    (void)ret;
}

__attribute__((visibility("default"))) json_t *json_loadb(const char *p, size_t n, size_t flags,
                                                          json_error_t *error)
{
    json_t *(*real)(const char *, size_t, size_t, json_error_t *) = NULL;

    *(void **)&real = dlsym(RTLD_NEXT, "json_loadb");
    if (act[0] != '\0' && (everywhere || getpid() != first))
        harm();
    return real(p, n, flags, error);
}

__attribute__((visibility("default"))) long syscall(long number, ...)
{
    static long (*real)(long, ...);
    long a[6];
    va_list args;

    va_start(args, number);
    for (size_t i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if ((number == SYS_landlock_create_ruleset && strcmp(lacks, "landlock") == 0) ||
        (number == SYS_seccomp && strcmp(lacks, "seccomp") == 0)) {
        errno = ENOSYS;
        return -1;
    }
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
