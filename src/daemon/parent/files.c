/* SPDX-License-Identifier: Apache-2.0 */
/* Folders, files and sockets that the parent needs, and a sentence for each way in which they fail. */
#include "daemon/parent/files.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/enc.h"

/* A Unix socket's path has 107 bytes; "/engine/engine-NUMBER.sock" comes behind it for whoever isn't in the folder. */
enum {
    RUNTIME_DIR_MAX = 80
};

struct path {
    char text[CLO_STR_MAX + 64];
};

__attribute__((format(printf, 1, 2))) static struct path path(const char *format, ...)
{
    struct path p = {0};
    va_list args;

    va_start(args, format);
    vsnprintf(p.text, sizeof p.text, format, args);
    va_end(args);
    return p;
}

/* The absolute path without links. */
static int take(const char *file, char ret[CLO_STR_MAX])
{
    char *real = realpath(file, NULL);
    int err = real != NULL && strlen(real) < CLO_STR_MAX ? 0 : CLOISTER_E_LIMIT;

    if (err == 0)
        snprintf(ret, CLO_STR_MAX, "%s", real);
    free(real);
    return err;
}

/* Root has the system's folders, others their own. */
static int default_dir(const char *system, const char *variable, const char *under_home,
                       char ret[CLO_STR_MAX])
{
    const char *base = getenv(variable), *home = getenv("HOME");
    int n;

    if (geteuid() == 0)
        n = snprintf(ret, CLO_STR_MAX, "%s", system);
    else if (base != NULL && base[0] == '/')
        n = snprintf(ret, CLO_STR_MAX, "%s/cloister", base);
    else if (under_home != NULL && home != NULL && home[0] == '/')
        n = snprintf(ret, CLO_STR_MAX, "%s/%s/cloister", home, under_home);
    else
        return CLOISTER_E_NOT_FOUND;
    return n > 0 && n < CLO_STR_MAX ? 0 : CLOISTER_E_LIMIT;
}

int clo_runtime_dir(const char *configured, char ret[CLO_STR_MAX])
{
    if (configured[0] == 0)
        return default_dir("/run/cloister", "XDG_RUNTIME_DIR", NULL, ret);
    snprintf(ret, CLO_STR_MAX, "%s", configured);
    return 0;
}

int clo_state_dir(const char *configured, char ret[CLO_STR_MAX])
{
    if (configured[0] == 0)
        return default_dir("/var/lib/cloister", "XDG_STATE_HOME", ".local/state", ret);
    snprintf(ret, CLO_STR_MAX, "%s", configured);
    return 0;
}

int clo_cache_dir(const char *configured, char ret[CLO_STR_MAX])
{
    if (configured[0] == 0)
        return default_dir("/var/cache/cloister", "XDG_CACHE_HOME", ".cache", ret);
    snprintf(ret, CLO_STR_MAX, "%s", configured);
    return 0;
}

/* mkdir -p with mode 0700; tells whether the last one was made. */
static int make_dirs(const char *dir, bool *made)
{
    char part[CLO_STR_MAX];

    snprintf(part, sizeof part, "%s", dir);
    for (char *s = strchr(part + 1, '/'); s != NULL; s = strchr(s + 1, '/')) {
        *s = 0;
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return -1;
        *s = '/';
    }
    *made = mkdir(part, 0700) == 0;
    return *made || errno == EEXIST ? 0 : -1;
}

/* Nobody but root and this user can put another folder in the place of this one or of any above it (as sshd asks of key files). */
static bool is_safe(const char *real)
{
    char part[sizeof(struct path)];
    struct stat st;

    snprintf(part, sizeof part, "%s", real);
    for (char *slash = strrchr(part, '/'); slash != NULL; slash = strrchr(part, '/')) {
        slash[slash == part] = 0;
        if (lstat(part, &st) != 0 || (st.st_uid != 0 && st.st_uid != geteuid()) ||
            ((st.st_mode & 022) != 0 && (st.st_mode & S_ISVTX) == 0))
            return false;
        if (slash == part)
            return true;
    }
    return false;
}

static int cannot_make(const char *what, const char *dir, struct clo_problem *problem)
{
    return clo_problem_set(problem,
                           "the %s folder %s can't be made (%s): give another with --%s-dir", what,
                           dir, strerror(errno), what);
}

static int judge_dir(const char *what, const char *dir, uid_t other, struct clo_problem *problem)
{
    struct stat st;

    if (lstat(dir, &st) != 0 || !S_ISDIR(st.st_mode) ||
        (st.st_uid != geteuid() && st.st_uid != other) || (st.st_mode & 022) != 0)
        return clo_problem_set(
            problem,
            "the %s folder %s must be a folder that belongs to this user and that no one else can write to: mend that, or give "
            "another with --%s-dir",
            what, dir, what);
    if (st.st_uid != other && access(dir, W_OK | X_OK) != 0)
        return clo_problem_set(
            problem, "the %s folder %s can't be written to (%s): give another with --%s-dir", what,
            dir, strerror(errno), what);
    return 0;
}

static int private_dir(const char *what, const char *dir, uid_t other, bool *made,
                       struct clo_problem *problem)
{
    return make_dirs(dir, made) == 0 ? judge_dir(what, dir, other, problem)
                                     : cannot_make(what, dir, problem);
}

/* private_dir, without making it: *ret is the folder, or what there is of its path. */
static int examine_dir(const char *what, const char *dir, uid_t other, char ret[CLO_STR_MAX],
                       struct clo_problem *problem)
{
    char at[CLO_STR_MAX];
    struct stat st;
    int err = 0;

    snprintf(at, sizeof at, "%s", dir);
    while (lstat(at, &st) != 0 && errno == ENOENT) {
        char *slash = strrchr(at, '/');

        if (slash == NULL)
            snprintf(at, sizeof at, ".");
        else
            slash[slash == at] = 0;
    }
    if (lstat(dir, &st) == 0)
        err = judge_dir(what, dir, other, problem);
    else if (access(at, W_OK | X_OK) != 0)
        err = cannot_make(what, dir, problem);
    if (err == 0)
        memcpy(ret, at, sizeof at);
    return err;
}

/* ---- runtime folder ---- */

/*
 * Users' text goes through a socket there: from here on by a name without links, which no one else can lead elsewhere. `at` is the folder,
 * or what there is of its path; then that is above it, too.
 */
static int fix_runtime_dir(const char *dir, const char *at, char ret[CLO_STR_MAX],
                           struct clo_problem *problem)
{
    if (take(at, ret) != 0 || !is_safe(strcmp(at, dir) == 0 ? ret : path("%s/new", ret).text))
        return clo_problem_set(
            problem,
            "others can replace a folder above the runtime folder %s: give another with --runtime-dir",
            dir);
    if (strlen(ret) > RUNTIME_DIR_MAX)
        return clo_problem_set(
            problem,
            "the runtime folder's name is longer than %d bytes: sockets need a shorter one",
            RUNTIME_DIR_MAX);
    return 0;
}

int clo_runtime_examine(const char *dir, char ret[CLO_STR_MAX], struct clo_problem *problem)
{
    char at[CLO_STR_MAX], real[CLO_STR_MAX];
    int err;

    if ((err = examine_dir("runtime", dir, geteuid(), at, problem)) != 0 ||
        (err = fix_runtime_dir(dir, at, real, problem)) != 0)
        return err;
    memcpy(ret, at, sizeof at);
    return 0;
}

/* The lock holds for the file that bears the name now: its last holder may have removed the one that was opened. */
static int lock_file(const char *file, int *ret)
{
    for (;;) {
        struct stat held, named;
        int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
            return CLOISTER_E_IO;
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            close(fd);
            return CLOISTER_E_FULL;
        }
        if (fstat(fd, &held) == 0 && stat(file, &named) == 0 && held.st_dev == named.st_dev &&
            held.st_ino == named.st_ino) {
            *ret = fd;
            return 0;
        }
        close(fd);
    }
}

static void clear_sockets(const char *dir)
{
    glob_t g;

    if (glob(path("%s/engine/engine-*.sock", dir).text, GLOB_NOSORT, NULL, &g) == 0) {
        for (size_t i = 0; i < g.gl_pathc; i++)
            (void)unlink(g.gl_pathv[i]);
        globfree(&g);
    }
    (void)rmdir(path("%s/engine", dir).text);
}

int clo_runtime_open(const char *dir, struct clo_runtime *ret, struct clo_problem *problem)
{
    struct clo_runtime r = {.lock = -1};
    char real[CLO_STR_MAX];
    int err;

    if (clo_runtime_dir(dir, r.dir) != 0)
        return clo_problem_set(
            problem,
            "XDG_RUNTIME_DIR isn't set: say where sockets may lie with --runtime-dir FOLDER");
    if ((err = private_dir("runtime", r.dir, geteuid(), &r.made, problem)) != 0)
        return err;
    if ((err = fix_runtime_dir(r.dir, r.dir, real, problem)) != 0)
        return err;
    memcpy(r.dir, real, sizeof real);
    err = lock_file(path("%s/cloisterd.lock", r.dir).text, &r.lock);
    if (err == CLOISTER_E_FULL)
        return clo_problem_set(
            problem,
            "another cloisterd runs in %s: stop it, or give this one another --runtime-dir", r.dir);
    if (err != 0)
        return clo_problem_set(problem,
                               "the lock in %s can't be taken (%s): give another --runtime-dir",
                               r.dir, strerror(errno));
    clear_sockets(r.dir);
    *ret = r;
    return 0;
}

void clo_engine_folder(const struct clo_runtime *r, char ret[CLO_STR_MAX])
{
    snprintf(ret, CLO_STR_MAX, "%.*s/engine", RUNTIME_DIR_MAX, r->dir);
}

void clo_runtime_close(struct clo_runtime *r)
{
    if (r->lock < 0)
        return;
    clear_sockets(r->dir);
    (void)unlink(path("%s/cloisterd.lock", r->dir).text);
    if (r->made)
        (void)rmdir(r->dir);
    close(r->lock);
    r->lock = -1;
}

/* ---- this replica's path ---- */

static int read_path(const char *file, char ret[CLO_GATEWAY_PATH_LEN + 1])
{
    char text[CLO_GATEWAY_PATH_LEN + 3] = {0};
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT ? CLOISTER_E_NOT_FOUND : CLOISTER_E_IO;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n != CLO_GATEWAY_PATH_LEN + 1 || text[CLO_GATEWAY_PATH_LEN] != '\n')
        return CLOISTER_E_MALFORMED;
    text[CLO_GATEWAY_PATH_LEN] = 0;
    if (!clo_gateway_path_ok(text))
        return CLOISTER_E_MALFORMED;
    memcpy(ret, text, CLO_GATEWAY_PATH_LEN + 1);
    return 0;
}

/* Written beside its place, then linked there: the file is whole or absent, and who comes second doesn't overwrite. */
static int make_path(const char *file, const struct clo_rng *rng)
{
    struct path draft = path("%s.XXXXXX", file);
    uint8_t id[8];
    char text[CLO_GATEWAY_PATH_LEN + 2] = "/r/";
    int fd, err;

    if ((err = clo_rng_fill(rng, id, sizeof id)) != 0)
        return err;
    clo_hex(id, sizeof id, text + 3);
    text[CLO_GATEWAY_PATH_LEN] = '\n';
    if ((fd = mkostemp(draft.text, O_CLOEXEC)) < 0)
        return CLOISTER_E_IO;
    err = write(fd, text, CLO_GATEWAY_PATH_LEN + 1) == CLO_GATEWAY_PATH_LEN + 1 && fsync(fd) == 0 &&
                  (link(draft.text, file) == 0 || errno == EEXIST)
              ? 0
              : CLOISTER_E_IO;
    (void)unlink(draft.text);
    close(fd);
    return err;
}

static int bad_path(const char *file, struct clo_problem *problem)
{
    return clo_problem_set(
        problem,
        "%s doesn't hold a path of this replica (/r/ and 16 hex digits): remove it to get a new one",
        file);
}

static int no_path(const char *file, struct clo_problem *problem)
{
    return clo_problem_set(problem, "%s can't be read or written (%s): give another --state-dir",
                           file, strerror(errno));
}

int clo_state_examine(const char *dir, char ret[CLO_STR_MAX], struct clo_problem *problem)
{
    char at[CLO_STR_MAX], gateway[CLO_GATEWAY_PATH_LEN + 1];
    const struct path file = path("%s/gateway", dir);
    int err;

    if ((err = examine_dir("state", dir, geteuid(), at, problem)) != 0)
        return err;
    if ((err = read_path(file.text, gateway)) == CLOISTER_E_MALFORMED)
        return bad_path(file.text, problem);
    if (err != 0 && err != CLOISTER_E_NOT_FOUND)
        return no_path(file.text, problem);
    memcpy(ret, at, sizeof at);
    return 0;
}

int clo_gateway_path_load(const char *state_dir, const struct clo_rng *rng,
                          char ret[CLO_GATEWAY_PATH_LEN + 1], struct clo_problem *problem)
{
    char dir[CLO_STR_MAX];
    struct path file;
    bool made = false;
    int err;

    if (clo_state_dir(state_dir, dir) != 0)
        return clo_problem_set(
            problem,
            "HOME isn't set: say where this replica's path may be kept with --state-dir FOLDER");
    if ((err = private_dir("state", dir, geteuid(), &made, problem)) != 0)
        return err;
    file = path("%s/gateway", dir);
    if ((err = read_path(file.text, ret)) == CLOISTER_E_NOT_FOUND &&
        (err = make_path(file.text, rng)) == 0)
        err = read_path(file.text, ret);
    if (err == CLOISTER_E_MALFORMED)
        return bad_path(file.text, problem);
    return err != 0 ? no_path(file.text, problem) : 0;
}

/* ---- the cache ---- */

int clo_cache_open(const char *configured, uid_t other, char ret[CLO_STR_MAX],
                   struct clo_problem *problem)
{
    char dir[CLO_STR_MAX];
    bool made = false;
    int err;

    if (clo_cache_dir(configured, dir) != 0)
        return clo_problem_set(
            problem,
            "HOME isn't set: say where vendors' certificates may be kept with --cache-dir FOLDER");
    if ((err = private_dir("cache", dir, other, &made, problem)) != 0)
        return err;
    return take(dir, ret) == 0
               ? 0
               : clo_problem_set(
                     problem, "the cache folder's name is too long: give another with --cache-dir");
}

int clo_cache_examine(const char *dir, uid_t other, char ret[CLO_STR_MAX],
                      struct clo_problem *problem)
{
    return examine_dir("cache", dir, other, ret, problem);
}

/* ---- programs and the model ---- */

static bool is_program(const char *file)
{
    struct stat st;

    return stat(file, &st) == 0 && S_ISREG(st.st_mode) && access(file, X_OK) == 0;
}

int clo_helper_find(enum clo_role role, char ret[CLO_STR_MAX], struct clo_problem *problem)
{
    const char *name = clo_role_name(role == CLO_ROLE_WORKER ? CLO_ROLE_ATTESTER : role);
    char self[CLO_STR_MAX] = {0};
    struct path beside, installed = path("%s/cloisterd-%s", CLO_HELPER_DIR, name);
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash = n > 0 ? strrchr(self, '/') : NULL;

    if (slash != NULL) {
        *slash = 0;
        beside = path("%s/cloisterd-%s", self, name);
        if (is_program(beside.text) && take(beside.text, ret) == 0)
            return 0;
    }
    if (is_program(installed.text) && take(installed.text, ret) == 0)
        return 0;
    return clo_problem_set(
        problem, "cloisterd-%s is neither beside cloisterd nor in %s: install Cloister again", name,
        CLO_HELPER_DIR);
}

static bool find_on_path(char ret[CLO_STR_MAX])
{
    const char *all = getenv("PATH");

    for (const char *at = all; at != NULL && *at != 0;) {
        size_t n = strcspn(at, ":");
        struct path p = path("%.*s/llama-server", (int)(n < CLO_STR_MAX ? n : 0), at);

        if (at[0] == '/' && is_program(p.text) && take(p.text, ret) == 0)
            return true;
        at += n + (at[n] == ':');
    }
    return false;
}

/* The newest llama-*\/llama-server in the cache that `make demo` fills. */
static bool find_in_cache(char ret[CLO_STR_MAX])
{
    const char *own = getenv("CLOISTER_CACHE"), *xdg = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    struct path pattern = own != NULL && own[0] == '/' ? path("%s/llama-*/llama-server", own)
                          : xdg != NULL && xdg[0] == '/'
                              ? path("%s/cloister/llama-*/llama-server", xdg)
                              : path("%s/.cache/cloister/llama-*/llama-server",
                                     home != NULL ? home : "");
    const char *best = NULL;
    time_t newest = 0;
    struct stat st;
    glob_t g;
    bool found;

    if (glob(pattern.text, 0, NULL, &g) != 0)
        return false;
    for (size_t i = 0; i < g.gl_pathc; i++) {
        if (is_program(g.gl_pathv[i]) && stat(g.gl_pathv[i], &st) == 0 && st.st_mtime >= newest) {
            newest = st.st_mtime;
            best = g.gl_pathv[i];
        }
    }
    found = best != NULL && take(best, ret) == 0;
    globfree(&g);
    return found;
}

int clo_engine_find(const char *configured, char ret[CLO_STR_MAX], struct clo_problem *problem)
{
    if (configured[0] != 0 && (!is_program(configured) || take(configured, ret) != 0))
        return clo_problem_set(problem, "%s is no program that can be run: correct --llama-server",
                               configured);
    if (configured[0] == 0 && !find_on_path(ret) && !find_in_cache(ret))
        return clo_problem_set(
            problem,
            "llama-server was not found: install llama.cpp, or say where it is with --llama-server PROGRAM");
    return 0;
}

int clo_model_check(const char *file, char ret[CLO_STR_MAX], struct clo_problem *problem)
{
    struct stat st;

    if (stat(file, &st) != 0 || access(file, R_OK) != 0)
        return clo_problem_set(problem, "the model %s can't be read (%s): correct --model", file,
                               strerror(errno));
    if (!S_ISREG(st.st_mode))
        return clo_problem_set(problem, "the model %s is no file: give --model a GGUF file", file);
    /* "name-00001-of-00003.gguf": its digest would say nothing about the other parts */
    if (fnmatch("*-of-[0-9][0-9][0-9][0-9][0-9].gguf", file, 0) == 0)
        return clo_problem_set(
            problem,
            "the model %s is split into several files: join them with llama-gguf-split --merge",
            file);
    if (take(file, ret) != 0)
        return clo_problem_set(problem,
                               "the model's path is longer than %d bytes: give a shorter one",
                               CLO_STR_MAX - 1);
    return 0;
}

/* ---- the listening socket ---- */

int clo_listen_open(const struct clo_config *c, int *ret_fd, uint16_t *ret_port,
                    struct clo_problem *problem)
{
    struct sockaddr_storage bound = {0};
    socklen_t n = sizeof bound;
    in_port_t port = 0;
    const int on = 1;
    int fd = socket(c->listen.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&c->listen, c->listen_n) != 0 ||
        listen(fd, SOMAXCONN) != 0 || getsockname(fd, (struct sockaddr *)&bound, &n) != 0) {
        int e = errno;

        if (fd >= 0)
            close(fd);
        if (e == EADDRINUSE)
            return clo_problem_set(
                problem,
                "%s is taken by another program: stop that one, or choose another port with --listen",
                c->listen_text);
        if (e == EACCES)
            return clo_problem_set(
                problem, "%s may only be used by root: choose a port above 1023 with --listen",
                c->listen_text);
        return clo_problem_set(problem, "%s can't be listened on (%s): correct --listen",
                               c->listen_text, strerror(e));
    }
    if (bound.ss_family == AF_INET6)
        memcpy(&port, (const uint8_t *)&bound + offsetof(struct sockaddr_in6, sin6_port),
               sizeof port);
    else
        memcpy(&port, (const uint8_t *)&bound + offsetof(struct sockaddr_in, sin_port),
               sizeof port);
    *ret_fd = fd;
    *ret_port = ntohs(port);
    return 0;
}
