/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of cloisterd's that was taken over, in the place of a real one: it is started like that one, enters the very same cell, and then does what the
 * file "captive" beside it says, as whoever took it over would. tests/e2e/test_cells.py puts it there under the role's name.
 *
 *   open, connect, exec, ptrace, memory, fork, kill, root   tries that, and ends: with status 42 if that was refused, 43 if it succeeded
 *   the same behind "w-"   in the worker; the attester is then the program's namesake with ".real" behind it
 *   rules      says what its state doesn't permit: to the keeper, where it has a channel to it, and to its parent otherwise
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon/role.h"

static char act[32];
static pid_t other; /* the parent: a process that is surely there */

static bool read_act(void)
{
    char path[4096 + 16];
    ssize_t n = readlink("/proc/self/exe", path, 4095);
    FILE *f;

    if (n <= 0)
        return false;
    path[n] = '\0';
    (void)snprintf(strrchr(path, '/'), 16, "/captive");
    if ((f = fopen(path, "r")) == NULL)
        return false;
    if (fscanf(f, "%31s", act) != 1)
        act[0] = '\0';
    (void)fclose(f);
    return true;
}

static bool connects(void)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof a) == 0;
}

static bool reads_memory(void)
{
    char there[16];
    struct iovec to = {there, sizeof there}, from = {act, sizeof there};

    return process_vm_readv(other, &to, 1, &from, 1, 0) > 0;
}

static bool runs(void)
{
    char name[] = "sleep", second[] = "1";
    char *const argv[] = {name, second, NULL}, *const env[] = {NULL};

    return execve("/bin/sleep", argv, env) == 0;
}

static bool forks(void)
{
    const pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid > 0;
}

static bool succeeds(void)
{
    if (strcmp(act, "open") == 0)
        return open("/etc/passwd", O_WRONLY | O_APPEND) >= 0;
    if (strcmp(act, "connect") == 0)
        return connects();
    if (strcmp(act, "exec") == 0)
        return runs();
    if (strcmp(act, "fork") == 0)
        return forks();
    if (strcmp(act, "ptrace") == 0)
        return ptrace(PTRACE_ATTACH, other, NULL, NULL) == 0;
    if (strcmp(act, "memory") == 0)
        return reads_memory();
    if (strcmp(act, "kill") == 0)
        return kill(other, 0) == 0;
    if (strcmp(act, "root") == 0)
        return setresuid(0, 0, 0) == 0;
    return false;
}

static int say(int sock, uint16_t type)
{
    static const uint8_t rubbish[32];

    return clo_ipc_send(sock, type, 1, rubbish, sizeof rubbish, -1);
}

/* Ready, so that it gets channels; then a word that the keeper permits nobody, on the one to it. */
static int break_rules(enum clo_role role)
{
    static const struct clo_ipc_permit any[] = {{1, CLO_MSG_PEER, 1, 1, true}};
    static struct clo_ipc_msg m = {.fd = -1};
    struct pollfd p = {.fd = CLO_CONTROL_FD, .events = POLLIN};
    int err = clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_READY, 0, NULL, 0, -1);

    if (role == CLO_ROLE_KEEPER || role == CLO_ROLE_ENGINE || role == CLO_ROLE_FETCHER)
        return err == 0 ? say(CLO_CONTROL_FD, CLO_MSG_DEVICES_LOST) : err;
    while (err == 0 && poll(&p, 1, -1) >= 0) {
        const int got = clo_ipc_recv(CLO_CONTROL_FD, 0, any, CLO_ARRAY_LEN(any), &m);

        if (got == CLOISTER_E_NETWORK)
            break;
        if (got != 0 || m.payload[0] != CLO_ROLE_KEEPER)
            continue; /* other orders, and other channels, which stay open */
        err = say(m.fd, role == CLO_ROLE_GATEWAY ? CLO_MSG_KEYS : CLO_MSG_OPEN);
        m.fd = -1;
    }
    return err;
}

static enum clo_role role_of(const char *name)
{
    enum clo_role r = CLO_ROLE_GATEWAY;

    while (r < CLO_ROLE_COUNT && strstr(name, clo_role_name(r)) == NULL)
        r++;
    return r;
}

static enum clo_cell_kind kind_of(enum clo_role r)
{
    static const enum clo_cell_kind kind[CLO_ROLE_COUNT] = {
        [CLO_ROLE_GATEWAY] = CLO_CELL_GATEWAY,   [CLO_ROLE_KEEPER] = CLO_CELL_KEEPER,
        [CLO_ROLE_ATTESTER] = CLO_CELL_ATTESTER, [CLO_ROLE_ENGINE] = CLO_CELL_WATCH,
        [CLO_ROLE_FETCHER] = CLO_CELL_FETCHER,   [CLO_ROLE_WORKER] = CLO_CELL_WORKER};

    return kind[r];
}

static int be_real(char *argv[])
{
    char path[4096 + 8], bind[] = "LD_BIND_NOW=1";
    char *const env[] = {bind, NULL};

    (void)snprintf(path, sizeof path, "%.4000s.real", argv[0]);
    return execve(path, argv, env);
}

int main(int argc, char *argv[])
{
    const enum clo_role role = argc == 4 ? CLO_ROLE_WORKER : role_of(argv[0]);
    struct clo_cell_site site = {0};

    if (role == CLO_ROLE_COUNT || clo_role_begin(role, argc == 4 ? 3 : argc, argv, &site) != 0 ||
        !read_act())
        return 1;
    other = getppid();
    if (strncmp(act, "w-", 2) == 0 && role == CLO_ROLE_ATTESTER)
        return be_real(argv);
    if (role == CLO_ROLE_WORKER)
        memmove(act, act + 2, sizeof act - 2);
    if (clo_role_enclose(role, kind_of(role), &site) != 0)
        return CLO_EXIT_CELL;
    if (strcmp(act, "rules") != 0)
        return succeeds() ? 43 : 42;
    (void)break_rules(role);
    for (;;)
        (void)poll(NULL, 0, 1000);
}
