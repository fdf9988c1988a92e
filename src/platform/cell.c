/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a cell, in the order in which each needs the rights that the next one takes away. Landlock by system calls of our own, because
 * libc has none for it, and with the structures of the newest version that is used here, because the headers of a distribution may be older than its
 * kernel (Linux, Documentation/userspace-api/landlock.rst).
 */
#include "platform/cell.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- user and capabilities ---- */

static int caps_read(uint64_t *ret)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    if (syscall(SYS_capget, &head, data) != 0)
        return CLOISTER_E_PERMISSION;
    *ret = data[0].permitted | (uint64_t)data[1].permitted << 32;
    return 0;
}

static int caps_write(uint64_t caps)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)caps, .permitted = (uint32_t)caps},
        {.effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32)}};

    return syscall(SYS_capset, &head, data) == 0 ? 0 : CLOISTER_E_PERMISSION;
}

/* caps: kept for now; bounding: what an exec as root may still get back. */
static int limit_caps(uint64_t caps, uint64_t bounding)
{
    uint64_t had = 0;
    int err;

    if ((err = caps_read(&had)) != 0)
        return err;
    if (had == 0)
        return 0; /* nothing to take away; exec gives none back, either, under no_new_privs */
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
        return CLOISTER_E_PERMISSION;
    /* Without the capability to lower it, it isn't ours to lower. */
    for (unsigned c = 0; (had >> CAP_SETPCAP & 1) != 0 && c < 64; c++)
        if ((bounding >> c & 1) == 0 && prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1 &&
            prctl(PR_CAPBSET_DROP, c, 0, 0, 0) != 0)
            return CLOISTER_E_PERMISSION;
    return caps_write(had & caps);
}

int clo_caps_keep(uint64_t caps)
{
    return limit_caps(caps, caps);
}

/* Root as a user like any other, for this process and what it starts: a set bit whose lock is set stays. */
static int lock_securebits(void)
{
    const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
                               SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                               SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    uint64_t caps = 0;
    int err = caps_read(&caps);

    if (err != 0 || (caps >> CAP_SETPCAP & 1) == 0)
        return err;
    return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) == 0 ? 0 : CLOISTER_E_PERMISSION;
}

static bool is_user(uid_t user)
{
    uid_t u[3] = {0};
    gid_t g[3] = {0};

    return getresuid(&u[0], &u[1], &u[2]) == 0 && getresgid(&g[0], &g[1], &g[2]) == 0 &&
           u[0] == user && u[1] == user && u[2] == user && g[0] == user && g[1] == user &&
           g[2] == user && getgroups(0, NULL) == 0;
}

static int become_user(uid_t user)
{
    if (setgroups(0, NULL) != 0 || setresgid(user, user, user) != 0 ||
        setresuid(user, user, user) != 0)
        return CLOISTER_E_PERMISSION;
    errno = EPERM;
    return is_user(user) ? 0 : CLOISTER_E_PERMISSION;
}

static int enter_user(const struct clo_cell *c)
{
    const bool leaves = c->user != 0 && (c->lacks & CLO_CELL_USER) == 0;
    uint64_t left = 0;
    int err;

    if (c->keeps != 0)
        return clo_caps_keep(c->keeps);
    /* What the change of user takes is dropped with it. */
    if ((err = lock_securebits()) != 0 ||
        (err = limit_caps(leaves ? 1ULL << CAP_SETUID | 1ULL << CAP_SETGID : 0, 0)) != 0 ||
        (leaves && (err = become_user(c->user)) != 0) || (err = caps_write(0)) != 0 ||
        (err = caps_read(&left)) != 0)
        return err;
    errno = EPERM;
    return left == 0 && (!leaves || setresuid(0, 0, 0) != 0) ? 0 : CLOISTER_E_PERMISSION;
}

/* ---- Landlock ---- */

struct landlock_rules {
    uint64_t files, net, scoped;
};
struct landlock_below {
    uint64_t rights;
    int32_t fd;
} __attribute__((packed));
struct landlock_port {
    uint64_t rights, port;
};
enum {
    RULE_BELOW = 1,
    RULE_PORT = 2,
    GET_VERSION = 1,
    BIND_TCP = 1,
    CONNECT_TCP = 2,
    SCOPE_ABSTRACT = 1,
    SCOPE_SIGNAL = 2,
};
#define EXECUTE      (1ULL << 0)
#define WRITE_FILE   (1ULL << 1)
#define READ_FILE    (1ULL << 2)
#define READ_DIR     (1ULL << 3)
#define REMOVE_DIR   (1ULL << 4)
#define REMOVE_FILE  (1ULL << 5)
#define MAKE_DIR     (1ULL << 7)
#define MAKE_REG     (1ULL << 8)
#define MAKE_SOCK    (1ULL << 9)
#define OF_VERSION_1 ((1ULL << 13) - 1)
#define REFER        (1ULL << 13) /* from version 2 */
#define TRUNCATE     (1ULL << 14) /* 3 */
#define IOCTL_DEV    (1ULL << 15) /* 5 */
#define OF_A_FILE    (EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV)

static uint64_t file_rights(unsigned rights)
{
    static const struct {
        unsigned right;
        uint64_t is;
    } table[] = {
        {CLO_CELL_READ, READ_FILE | READ_DIR},
        {CLO_CELL_RUN, EXECUTE | READ_FILE},
        {CLO_CELL_WRITE, WRITE_FILE | TRUNCATE},
        {CLO_CELL_CHANGE, MAKE_REG | REMOVE_FILE},
        {CLO_CELL_SOCKETS, MAKE_SOCK | REMOVE_FILE},
        {CLO_CELL_FOLDERS, MAKE_DIR | REMOVE_DIR},
        {CLO_CELL_DEVICES, IOCTL_DEV},
        {CLO_CELL_LIST, READ_DIR},
    };
    uint64_t ret = 0;

    for (size_t i = 0; i < CLO_ARRAY_LEN(table); i++)
        ret |= (rights & table[i].right) != 0 ? table[i].is : 0;
    return ret;
}

static int permit_path(int ruleset, const struct clo_cell_path *p, uint64_t handled)
{
    struct landlock_below rule = {.fd = p->fd};
    struct stat st = {0};
    int err = 0;

    if (p->path != NULL)
        rule.fd = openat(AT_FDCWD, p->path, O_PATH | O_CLOEXEC);
    if (rule.fd < 0) /* what isn't there needs no permission */
        return p->path == NULL || errno == ENOENT || errno == EACCES || errno == ENOTDIR
                   ? 0
                   : CLOISTER_E_IO;
    rule.rights = file_rights(p->rights) & handled;
    if (fstat(rule.fd, &st) != 0)
        err = CLOISTER_E_IO;
    else if (!S_ISDIR(st.st_mode))
        rule.rights &= OF_A_FILE;
    if (err == 0 && rule.rights != 0 &&
        syscall(SYS_landlock_add_rule, ruleset, RULE_BELOW, &rule, 0) != 0)
        err = CLOISTER_E_UNSUPPORTED;
    if (p->path != NULL)
        close(rule.fd);
    return err;
}

/* No rule that this kernel knows is left out, nor is one that a newer kernel knows wanted. */
static struct landlock_rules rules_of(const struct clo_cell *c, long version, size_t *ret_n)
{
    struct landlock_rules r = {.files = OF_VERSION_1};

    *ret_n = version >= 6   ? sizeof r
             : version >= 4 ? offsetof(struct landlock_rules, scoped)
                            : offsetof(struct landlock_rules, net);
    r.files |= version >= 2 ? REFER : 0;
    r.files |= version >= 3 ? TRUNCATE : 0;
    r.files |= version >= 5 ? IOCTL_DEV : 0;
    if (c->opens_all)
        r.files = EXECUTE;
    if (version >= 4 && !c->net)
        r.net = BIND_TCP | CONNECT_TCP;
    if (version >= 6)
        r.scoped = c->opens_all ? SCOPE_SIGNAL : SCOPE_ABSTRACT | SCOPE_SIGNAL;
    return r;
}

static int enter_files(const struct clo_cell *c)
{
    const long version = syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);
    const struct landlock_port port = {CONNECT_TCP, c->port};
    struct landlock_rules rules;
    size_t n = 0;
    long set;
    int err = 0;

    if (version < 1)
        return CLOISTER_E_UNSUPPORTED;
    rules = rules_of(c, version, &n);
    if ((set = syscall(SYS_landlock_create_ruleset, &rules, n, 0)) < 0)
        return CLOISTER_E_UNSUPPORTED;
    for (size_t i = 0; err == 0 && i < c->paths; i++)
        err = permit_path((int)set, &c->path[i], rules.files);
    if (err == 0 && c->port != 0 && rules.net != 0 &&
        syscall(SYS_landlock_add_rule, (int)set, RULE_PORT, &port, 0) != 0)
        err = CLOISTER_E_UNSUPPORTED;
    if (err == 0 && syscall(SYS_landlock_restrict_self, (int)set, 0) != 0)
        err = CLOISTER_E_UNSUPPORTED;
    close((int)set);
    return err;
}

/* ---- seccomp ---- */

static int add_call(scmp_filter_ctx filter, const struct clo_cell_call *k)
{
    const bool fails = k->how == CLO_CALL_FAIL || k->how == CLO_CALL_FAIL_IF,
               looks = k->how != CLO_CALL_ANY && k->how != CLO_CALL_FAIL;
    const struct scmp_arg_cmp arg = {.arg = k->arg,
                                     .op = SCMP_CMP_MASKED_EQ,
                                     .datum_a = k->how == CLO_CALL_SELF ? UINT32_MAX : k->mask,
                                     .datum_b = k->how == CLO_CALL_SELF ? (uint64_t)getpid()
                                                                        : k->value};
    int err = seccomp_rule_add_array(filter,
                                     fails ? SCMP_ACT_ERRNO((uint32_t)k->error) : SCMP_ACT_ALLOW,
                                     k->nr, looks ? 1 : 0, &arg);

    /* -EDOM: a call that this processor's Linux never had; -EEXIST: permitted already by another set */
    return err == 0 || err == -EDOM || err == -EEXIST ? 0 : CLOISTER_E_UNSUPPORTED;
}

static int enter_calls(const struct clo_cell *c)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int err = CLOISTER_E_MEMORY;

    if (filter == NULL)
        return err;
    err = 0;
    /* Calls of another architecture, whose numbers mean something else, kill as well. */
    if (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0 ||
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) != 0 ||
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0)
        err = CLOISTER_E_UNSUPPORTED;
    for (size_t s = 0; err == 0 && s < c->sets; s++)
        for (size_t i = 0; err == 0 && i < c->calls[s].n; i++)
            err = add_call(filter, &c->calls[s].at[i]);
    if (err == 0 && seccomp_load(filter) != 0)
        err = CLOISTER_E_UNSUPPORTED;
    seccomp_release(filter);
    return err;
}

/* ---- the rest ---- */

static int enter_limits(const struct clo_cell *c)
{
    for (size_t i = 0; i < c->limits; i++) {
        struct rlimit l = {0};

        if (getrlimit(c->limit[i].resource, &l) != 0)
            return CLOISTER_E_IO;
        if (l.rlim_max > c->limit[i].value)
            l.rlim_max = c->limit[i].value;
        if (l.rlim_cur > l.rlim_max)
            l.rlim_cur = l.rlim_max;
        if (setrlimit(c->limit[i].resource, &l) != 0)
            return CLOISTER_E_IO;
    }
    return 0;
}

/* A change of user takes back both of the first. */
static int enter_rest(pid_t parent, bool dies_with_it)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        (dies_with_it && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return CLOISTER_E_IO;
    return getppid() == parent ? 0 : CLOISTER_E_STATE;
}

int clo_cell_enter(const struct clo_cell *c, enum clo_cell_part *ret_part)
{
    const pid_t parent = getppid();
    int dies = 0, err;

    *ret_part = CLO_CELL_REST;
    if (prctl(PR_GET_PDEATHSIG, &dies, 0, 0, 0) != 0 || enter_limits(c) != 0)
        return CLOISTER_E_IO;
    *ret_part = CLO_CELL_USER;
    if ((err = enter_user(c)) != 0)
        return err;
    *ret_part = CLO_CELL_REST;
    if ((err = enter_rest(parent, dies != 0)) != 0)
        return err;
    *ret_part = CLO_CELL_FILES;
    if ((c->lacks & CLO_CELL_FILES) == 0 && (err = enter_files(c)) != 0)
        return err;
    *ret_part = CLO_CELL_CALLS;
    return (c->lacks & CLO_CELL_CALLS) == 0 ? enter_calls(c) : 0;
}
