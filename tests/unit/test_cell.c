/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process must not be able to do, tried from inside each role's real cell: each act in a child of its own that shuts itself in first. An act
 * is refused by an error, or by SIGSYS; what succeeds fails the test, and so does whatever ends the child otherwise.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/cells.h"
#include "platform/process.h"

#define USERS 65520

enum {
    DONE = 0,
    REFUSED = 10, /* by an error */
    NO_CELL = 11,
    FAR = 100,
};

static char root[64], work[96], outside[96], model[96], server[96];
static pid_t victim; /* a process of another user, waiting */
static char secret[] = "a secret of another process";
static int listener, port; /* on loopback */
static bool is_root;

/* ---- acts: 0 is success, which is what may not be ---- */

static int act_open(void)
{
    return open(outside, O_RDONLY);
}
static int act_create(void)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/new", root);
    return open(path, O_WRONLY | O_CREAT, 0600);
}
static int act_passwd(void)
{
    return open("/etc/shadow", O_RDONLY);
}
static int act_device(void)
{
    return open("/dev/mem", O_RDONLY);
}
static int act_connect(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&a, sizeof a);
}
static int act_datagram(void)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    return fd < 0 ? -1 : (int)sendto(fd, "x", 1, 0, (const struct sockaddr *)&a, sizeof a);
}
static int act_packet(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}
static int act_exec(void)
{
    char *const argv[] = {(char[]){"sleep"}, (char[]){"0"}, NULL}, *const env[] = {NULL};

    return execve("/bin/sleep", argv, env);
}
static int act_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid < 0 ? -1 : 0;
}
static int act_ptrace(void)
{
    return (int)ptrace(PTRACE_ATTACH, victim, NULL, NULL);
}
static int act_read_memory(void)
{
    char there[sizeof secret];
    struct iovec to = {there, sizeof there}, from = {secret, sizeof secret};

    return process_vm_readv(victim, &to, 1, &from, 1, 0) > 0 ? 0 : -1;
}
static int act_open_memory(void)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)victim);
    return open(path, O_RDONLY);
}
static int act_kill(void)
{
    return kill(victim, SIGKILL);
}
static int act_become_root(void)
{
    return setresuid(0, 0, 0) == 0 && setresgid(0, 0, 0) == 0 && geteuid() == 0 ? 0 : -1;
}
static int act_write_code(void)
{
    return mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                   MAP_FAILED
               ? -1
               : 0;
}
static int act_turn_into_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? -1 : mprotect(p, 4096, PROT_READ | PROT_EXEC);
}
static int act_mount(void)
{
    return (int)syscall(SYS_mount, "none", root, "tmpfs", 0, NULL);
}
static int act_namespace(void)
{
    return unshare(CLONE_NEWUSER);
}
static int act_uring(void)
{
    char params[256] = {0};

    return (int)syscall(SYS_io_uring_setup, 1, params);
}
static int act_bpf(void)
{
    return (int)syscall(SYS_bpf, 0, NULL, 0);
}
static int act_keyring(void)
{
    return (int)syscall(SYS_keyctl, 0, -1, 1);
}
static int act_dump(void)
{
    const struct rlimit l = {1 << 20, 1 << 20};

    return setrlimit(RLIMIT_CORE, &l);
}
static int act_listen(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) != 0 ? -1 : listen(fd, 1);
}
static int act_other_numbers(void)
{
#if defined(__x86_64__)
    long ret = 0;

    /* getpid by the 32-bit door */
    __asm__ volatile("int $0x80" : "=a"(ret) : "a"(20) : "memory");
    return ret > 0 ? 0 : -1;
#else
    return -1;
#endif
}

static const struct act {
    const char *name;
    int (*f)(void);
} acts[] = {
    {"open a file", act_open},
    {"make a file", act_create},
    {"open what is root's", act_passwd},
    {"open a device", act_device},
    {"connect by TCP", act_connect},
    {"send a datagram", act_datagram},
    {"listen", act_listen},
    {"open a packet socket", act_packet},
    {"exec", act_exec},
    {"fork", act_fork},
    {"ptrace another", act_ptrace},
    {"read another's memory", act_read_memory},
    {"open another's memory", act_open_memory},
    {"kill another", act_kill},
    {"become root", act_become_root},
    {"map code that can be written", act_write_code},
    {"turn data into code", act_turn_into_code},
    {"mount", act_mount},
    {"make a namespace", act_namespace},
    {"io_uring", act_uring},
    {"bpf", act_bpf},
    {"look at a keyring", act_keyring},
    {"allow core dumps", act_dump},
    {"call as 32 bits", act_other_numbers},
};

/* ---- cells ---- */

static const char *const helpers[] = {"/proc/self/exe", NULL};

static struct clo_cell_site site_of(enum clo_cell_kind k)
{
    static const enum clo_role role[CLO_CELL_KINDS] = {
        [CLO_CELL_GATEWAY] = CLO_ROLE_GATEWAY,   [CLO_CELL_KEEPER] = CLO_ROLE_KEEPER,
        [CLO_CELL_ATTESTER] = CLO_ROLE_ATTESTER, [CLO_CELL_WORKER] = CLO_ROLE_WORKER,
        [CLO_CELL_ENGINE] = CLO_ROLE_ENGINE,     [CLO_CELL_WATCH] = CLO_ROLE_ENGINE,
        [CLO_CELL_LLAMA] = CLO_ROLE_ENGINE,      [CLO_CELL_FETCHER] = CLO_ROLE_FETCHER};
    struct clo_cell_site s = {.user = clo_cell_user(USERS, role[k]),
                              .lacks = is_root ? 0 : CLO_CELL_USER,
                              .model = open(model, O_RDONLY | O_CLOEXEC)};

    if (k == CLO_CELL_ENGINE || k == CLO_CELL_LLAMA)
        s.server = server;
    if (k == CLO_CELL_PARENT)
        s = (struct clo_cell_site){.model = -1, .helpers = helpers, .keeps = 1};
    return s;
}

/* DONE, REFUSED, or minus the signal that ended it. */
static int tried(enum clo_cell_kind k, const struct clo_cell_site *site, int (*f)(void))
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        enum clo_cell_part part = CLO_CELL_REST;

        if (chdir(work) != 0 || clo_cells_enter(k, site, &part) != 0)
            _exit(NO_CELL);
        _exit(f() >= 0 ? DONE : REFUSED);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        return -WTERMSIG(status);
    return WEXITSTATUS(status);
}

static bool is_refused(int result)
{
    return result == REFUSED || result == -SIGSYS;
}

/* What a cell is there for is permitted; everything else is not. */
static bool may(enum clo_cell_kind k, const char *name)
{
    if (k == CLO_CELL_ENGINE)
        return strcmp(name, "fork") == 0;
    if (k == CLO_CELL_FETCHER) /* anywhere, by TCP or DNS: which it is, the network decides */
        return strcmp(name, "connect by TCP") == 0 || strcmp(name, "send a datagram") == 0;
    return false;
}

static void nothing_forbidden_succeeds_in(enum clo_cell_kind k)
{
    const struct clo_cell_site site = site_of(k);

    for (size_t i = 0; i < CLO_ARRAY_LEN(acts); i++) {
        const int result = tried(k, &site, acts[i].f);

        if (may(k, acts[i].name) ? result != DONE : !is_refused(result))
            fail_msg("%s: %s: %d", clo_cell_name(k), acts[i].name, result);
    }
    if (site.model >= 0)
        close(site.model);
}

#define CELL_TEST(name, k)                                         \
    static void nothing_forbidden_succeeds_in_##name(void **state) \
    {                                                              \
        (void)state;                                               \
        nothing_forbidden_succeeds_in(k);                          \
    }
CELL_TEST(the_gateway, CLO_CELL_GATEWAY)
CELL_TEST(the_keeper, CLO_CELL_KEEPER)
CELL_TEST(the_attester, CLO_CELL_ATTESTER)
CELL_TEST(the_worker, CLO_CELL_WORKER)
CELL_TEST(the_engine, CLO_CELL_ENGINE)
CELL_TEST(the_watcher_of_an_upstream, CLO_CELL_WATCH)
CELL_TEST(llama_server, CLO_CELL_LLAMA)
CELL_TEST(the_fetcher, CLO_CELL_FETCHER)

/* Each act does succeed without a cell, or its refusal would say nothing; where this process may, that is. */
static void the_acts_are_real(void **state)
{
    static int (*const real[])(void) = {
        act_open,        act_create,     act_connect,        act_listen, act_exec,       act_fork,
        act_open_memory, act_write_code, act_turn_into_code, act_ptrace, act_read_memory};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(real); i++) {
        int status = 0;
        pid_t pid = fork();

        if (pid == 0)
            _exit(real[i]() >= 0 ? DONE : REFUSED);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (is_root && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
            fail_msg("act %zu: %d", i, status);
    }
}

/* ---- what is permitted, and by how much ---- */

static int connect_to_other_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)(port == 9 ? 10 : 9)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    /* Nobody listens there, which is another error than not being allowed to ask. */
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof a) != 0 && errno == EACCES)
        return -1;
    return 0;
}

static void an_upstreams_port_is_the_only_one(void **state)
{
    struct clo_cell_site site = site_of(CLO_CELL_GATEWAY);

    (void)state;
    site.port = (uint16_t)port;
    assert_int_equal(tried(CLO_CELL_GATEWAY, &site, act_connect), DONE);
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 4)
        assert_int_equal(tried(CLO_CELL_GATEWAY, &site, connect_to_other_port), REFUSED);
    close(site.model);
}

static int read_model(void)
{
    char c = 0;
    int fd = open(model, O_RDONLY);

    return fd >= 0 && read(fd, &c, 1) == 1 && c == 'm' ? 0 : -1;
}
static int write_model(void)
{
    return open(model, O_WRONLY);
}
static int read_beside_model(void)
{
    return open(outside, O_RDONLY);
}
static int make_socket(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "s"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    return bind(fd, (const struct sockaddr *)&a, sizeof a) == 0 && unlink("s") == 0 ? 0 : -1;
}
static int make_file(void)
{
    return open("f", O_WRONLY | O_CREAT, 0600);
}
static int dial(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "/run/dbus/system_bus_socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    errno = 0;
    return connect(fd, (const struct sockaddr *)&a, sizeof a) != 0 && errno == EACCES ? -1 : 0;
}

static void llama_server_reads_the_model_and_makes_its_socket_and_no_more(void **state)
{
    const struct clo_cell_site site = site_of(CLO_CELL_LLAMA);

    (void)state;
    assert_int_equal(tried(CLO_CELL_LLAMA, &site, read_model), DONE);
    assert_int_equal(tried(CLO_CELL_LLAMA, &site, write_model), REFUSED);
    assert_int_equal(tried(CLO_CELL_LLAMA, &site, read_beside_model), REFUSED);
    assert_int_equal(tried(CLO_CELL_LLAMA, &site, make_socket), DONE);
    assert_int_equal(tried(CLO_CELL_LLAMA, &site, make_file), REFUSED);
    assert_int_equal(tried(CLO_CELL_LLAMA, &site, dial), REFUSED);
    close(site.model);
}

static int run_server(void)
{
    char *const argv[] = {server, NULL}, *const env[] = {NULL};

    return execve(server, argv, env);
}

static void llama_server_may_be_run_and_nothing_else(void **state)
{
    const struct clo_cell_site site = site_of(CLO_CELL_LLAMA);

    (void)state;
    assert_int_equal(tried(CLO_CELL_LLAMA, &site, run_server), DONE); /* /bin/true's own status */
    assert_int_equal(tried(CLO_CELL_LLAMA, &site, act_exec), REFUSED);
    assert_int_equal(tried(CLO_CELL_PARENT,
                           &(struct clo_cell_site){.model = -1, .helpers = helpers, .keeps = 1},
                           act_exec),
                     REFUSED);
    close(site.model);
}

static int use_cache(void)
{
    int fd = open("new", O_WRONLY | O_CREAT | O_EXCL, 0600);

    return fd >= 0 && rename("new", "kept") == 0 && unlink("kept") == 0 ? 0 : -1;
}

static void the_fetcher_changes_its_cache_alone(void **state)
{
    const struct clo_cell_site site = site_of(CLO_CELL_FETCHER);

    (void)state;
    assert_int_equal(tried(CLO_CELL_FETCHER, &site, use_cache), DONE);
    close(site.model);
}

/* ---- what the parent keeps from everybody ---- */

static void what_no_process_needs_none_has(void **state)
{
    static int (*const never[])(void) = {act_ptrace, act_read_memory, act_mount,   act_namespace,
                                         act_uring,  act_bpf,         act_keyring, act_packet};
    const struct clo_cell_site site = site_of(CLO_CELL_PARENT);

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(never); i++) {
        const int result = tried(CLO_CELL_PARENT, &site, never[i]);

        if (never[i] == act_packet ? result != REFUSED && result != DONE : result != -SIGSYS)
            fail_msg("%zu: %d", i, result);
    }
}

static int keeper_in_parent(void)
{
    struct clo_cell_site site = site_of(CLO_CELL_KEEPER);
    enum clo_cell_part part = CLO_CELL_REST;

    site.lacks |= CLO_CELL_USER; /* the parent of this test has no capability */
    return clo_cells_enter(CLO_CELL_KEEPER, &site, &part) == 0 ? 0 : -1;
}

/* The parent's cell has room for each other one: a filter holds for children, too. */
static void cells_can_be_built_within_the_parents(void **state)
{
    const struct clo_cell_site site = site_of(CLO_CELL_PARENT);

    (void)state;
    assert_int_equal(tried(CLO_CELL_PARENT, &site, keeper_in_parent), DONE);
}

/* ---- its own state ---- */

static int is_as_told(void)
{
    struct rlimit core = {0};

    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && getrlimit(RLIMIT_CORE, &core) == 0 &&
                   core.rlim_max == 1 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
                   prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2 &&
                   (!is_root || (geteuid() == USERS + CLO_ROLE_ENGINE && getegid() == geteuid() &&
                                 getgroups(0, NULL) == 0))
               ? 0
               : -1;
}

static void a_shut_in_process_is_its_own_user_and_undumpable(void **state)
{
    const struct clo_cell_site site = site_of(CLO_CELL_ENGINE); /* which may ask */

    (void)state;
    assert_int_equal(tried(CLO_CELL_ENGINE, &site, is_as_told), DONE);
    close(site.model);
}

/* A user that can't be had is an error, never a cell without it. */
static void a_part_that_cant_be_built_is_told(void **state)
{
    struct clo_cell_site site = site_of(CLO_CELL_KEEPER);
    struct clo_cell_trial t = {0};
    int status = 0;
    pid_t pid;

    (void)state;
    assert_int_equal(clo_cells_try(CLO_CELL_KEEPER, &site, &t), 0);
    assert_int_equal(t.parts, 0);
    pid = fork();
    if (pid == 0) {
        enum clo_cell_part part = CLO_CELL_REST;

        site.lacks = 0;
        if (is_root && (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0))
            _exit(1);
        if (clo_cells_try(CLO_CELL_KEEPER, &site, &t) != 0 || t.parts != CLO_CELL_USER ||
            t.why[0] != EPERM)
            _exit(2);
        _exit(clo_cells_enter(CLO_CELL_KEEPER, &site, &part) != 0 && part == CLO_CELL_USER ? 0 : 3);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(site.model);
}

static void words_are_read_as_they_were_written(void **state)
{
    static const char *const bad[] = {"",       "1",      "1:2",       "1:2:3:4",
                                      "a:0:0",  "1:8:0",  "1:0:65536", "1:0:-1",
                                      "-1:0:0", "1:0:0 ", " 1:0:0",    "4294967296:0:0"};
    struct clo_cell_site site = {.user = 65521, .lacks = 5, .port = 8080}, back = {0};
    char words[CLO_CELL_WORDS];

    (void)state;
    clo_cell_words(&site, words);
    assert_string_equal(words, "65521:5:8080");
    assert_int_equal(clo_cell_words_read(words, &back), 0);
    assert_true(back.user == 65521 && back.lacks == 5 && back.port == 8080 && back.model == -1);
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        assert_int_equal(clo_cell_words_read(bad[i], &back), CLOISTER_E_ARGUMENT);
}

/* ---- */

static int put(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "we");

    return f != NULL && fputs(text, f) >= 0 && fclose(f) == 0 && chmod(path, mode) == 0 ? 0 : -1;
}

static int make_place(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int ready[2] = {-1, -1};
    char c;

    (void)state;
    is_root = geteuid() == 0;
    (void)snprintf(root, sizeof root, "/tmp/clo-cell-XXXXXX");
    if (mkdtemp(root) == NULL || chmod(root, 0755) != 0)
        return -1;
    (void)snprintf(work, sizeof work, "%s/work", root);
    (void)snprintf(outside, sizeof outside, "%s/outside", root);
    (void)snprintf(model, sizeof model, "%s/model", root);
    (void)snprintf(server, sizeof server, "%s/server", root);
    if (mkdir(work, 0777) != 0 || chmod(work, 0777) != 0 || put(outside, "text", 0644) != 0 ||
        put(model, "model", 0644) != 0 || mkdir(server, 0755) != 0)
        return -1;
    (void)snprintf(server, sizeof server, "%s/server/llama-server", root);
    if (symlink("/bin/true", server) != 0)
        return -1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (const struct sockaddr *)&a, sizeof a) != 0 ||
        listen(listener, 64) != 0 || getsockname(listener, (struct sockaddr *)&a, &n) != 0 ||
        pipe(ready) != 0)
        return -1;
    port = ntohs(a.sin_port);
    victim = fork();
    if (victim ==
        0) { /* of the gateway's user, dumpable: nothing but a cell protects it from that user's other processes */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
            (is_root && (setresgid(USERS + 1, USERS + 1, USERS + 1) != 0 ||
                         setresuid(USERS + 1, USERS + 1, USERS + 1) != 0)) ||
            prctl(PR_SET_DUMPABLE, 1) != 0 || write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    return victim > 0 && read(ready[0], &c, 1) == 1 && close(ready[0]) == 0 && close(ready[1]) == 0
               ? 0
               : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static int clear_place(void **state)
{
    (void)state;
    if (kill(victim, SIGKILL) != 0 || waitpid(victim, NULL, 0) != victim)
        return -1;
    close(listener);
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
#define T cmocka_unit_test
    const struct CMUnitTest tests[] = {
        T(the_acts_are_real),
        T(nothing_forbidden_succeeds_in_the_gateway),
        T(nothing_forbidden_succeeds_in_the_keeper),
        T(nothing_forbidden_succeeds_in_the_attester),
        T(nothing_forbidden_succeeds_in_the_worker),
        T(nothing_forbidden_succeeds_in_the_engine),
        T(nothing_forbidden_succeeds_in_the_watcher_of_an_upstream),
        T(nothing_forbidden_succeeds_in_llama_server),
        T(nothing_forbidden_succeeds_in_the_fetcher),
        T(an_upstreams_port_is_the_only_one),
        T(llama_server_reads_the_model_and_makes_its_socket_and_no_more),
        T(llama_server_may_be_run_and_nothing_else),
        T(the_fetcher_changes_its_cache_alone),
        T(what_no_process_needs_none_has),
        T(cells_can_be_built_within_the_parents),
        T(a_shut_in_process_is_its_own_user_and_undumpable),
        T(a_part_that_cant_be_built_is_told),
        T(words_are_read_as_they_were_written),
    };

    /* Where even a cell without a user of its own can't be built, there is nothing to see. */
    {
        const struct clo_cell_site site = {.lacks = CLO_CELL_USER, .model = -1};
        struct clo_cell_trial t = {0};

        if (clo_cells_try(CLO_CELL_KEEPER, &site, &t) != 0 || t.parts != 0) {
            puts("1..0 # SKIP this kernel has no Landlock, or no seccomp filters");
            return 0;
        }
    }
    return cmocka_run_group_tests(tests, make_place, clear_place);
}
