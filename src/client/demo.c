/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloister demo`: a cloisterd of its own on this machine, with the simulated TEE, verified and talked to over the same path as
 * any other. It dies with this process; its folder, made here, is removed at the end.
 */
#include "client/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/secret.h"
#include "client/chat.h"
#include "client/policy_text.h"
#include "client/say.h"
#include "client/stop.h"
#include "codec/json.h"
#include "platform/file.h"
#include "platform/process.h"

#define DEFAULT_QUESTION "What is a cloister? Answer in one short sentence."

enum {
    START_S = 300, /* hashing and loading a large model takes its time */
    END_S = 10,
    TICK_MS = 100,
    ENGINE_TRIES = 2,
    PATH_MAX_ = 4096,
};

struct demo {
    const struct clo_options *o;
    char dir[PATH_MAX_ / 2]; /* "" until it is made */
    char daemon[PATH_MAX_];
    pid_t pid;  /* 0: not running */
    int events; /* ready lines come from here; -1 */
    struct clo_buf line;
    unsigned port;
    bool cells_said;       /* what is missing of them, or that nothing is */
    struct clo_buf policy; /* its text */
    struct clo_session *session;
};

/* ---- files ---- */

static void path_in(const struct demo *d, const char *name, char *ret, size_t cap)
{
    (void)snprintf(ret, cap, "%s/%s", d->dir, name);
}

static int make_dir(struct demo *d)
{
    const char *base = getenv("XDG_RUNTIME_DIR");
    struct stat st = {0};

    if (base == NULL || base[0] != '/' || stat(base, &st) != 0 || access(base, W_OK) != 0)
        base = "/tmp";
    if (snprintf(d->dir, sizeof(d->dir), "%s/cloister-demo-XXXXXX", base) >=
        64) /* sockets' names are short */
        (void)snprintf(d->dir, sizeof(d->dir), "/tmp/cloister-demo-XXXXXX");
    if (mkdtemp(d->dir) != NULL)
        return 0;
    clo_say_file(d->dir, "made", CLOISTER_E_IO);
    d->dir[0] = '\0';
    return CLOISTER_E_IO;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    (void)remove(path);
    return 0;
}

/* Beside this program, or where the build and the installation put it. */
static int find_daemon(struct demo *d)
{
    static const char *const places[] = {"cloisterd", "../daemon/cloisterd", "../sbin/cloisterd"};
    char self[PATH_MAX_ / 2] = {0};
    const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash = n > 0 ? strrchr(self, '/') : NULL;

    if (d->o->daemon != NULL) {
        (void)snprintf(d->daemon, sizeof(d->daemon), "%s", d->o->daemon);
        if (access(d->daemon, X_OK) == 0)
            return 0;
        clo_say_file(d->daemon, "run", CLOISTER_E_IO);
        return CLOISTER_E_IO;
    }
    for (size_t i = 0; slash != NULL && i < CLO_ARRAY_LEN(places); i++) {
        (void)snprintf(d->daemon, sizeof(d->daemon), "%.*s/%s", (int)(slash - self), self,
                       places[i]);
        if (access(d->daemon, X_OK) == 0)
            return 0;
    }
    clo_say_problem(
        "cloisterd is not beside this program: build it, or name it with --daemon FILE");
    return CLOISTER_E_NOT_FOUND;
}

static int check_file(const char *path, int mode, const char *option)
{
    if (path == NULL) {
        clo_say_problem("demo needs %s FILE (`make demo` brings in everything by itself)", option);
        return CLOISTER_E_ARGUMENT;
    }
    if (access(path, mode) != 0) {
        clo_say_file(path, mode == X_OK ? "run" : "read", CLOISTER_E_IO);
        return CLOISTER_E_IO;
    }
    return 0;
}

/* ---- the daemon's ready lines ---- */

static int take_policy(struct demo *d, const char *root, const char *measurement)
{
    const struct clo_policy_want w = {.root = root, .measurement = measurement};
    struct cloister_policy *p = NULL;
    json_t *doc = NULL;
    struct clo_buf text = clo_buf_init(65536);
    int err;

    if ((err = clo_policy_text(&w, &doc)) != 0 || (err = clo_json_write(doc, &text)) != 0 ||
        (err = cloister_policy_parse(text.p, text.len, &p)) != 0)
        goto out;
    clo_buf_clear(&d->policy);
    d->policy = text;
    text = clo_buf_init(0);
    if (d->session != NULL)
        clo_session_policy(d->session, &d->policy);
out:
    cloister_policy_free(p);
    clo_buf_clear(&text);
    json_decref(doc);
    return err;
}

/*
 * {"v":1,"event":"ready","port":N,"gateway":"/r/...","simulated_root":HEX,"measurement":HEX}: again whenever the
 * simulated machine is another one. Other events are none of ours.
 */
static int take_line(struct demo *d, const char *p, size_t n)
{
    struct clo_json_obj o;
    json_t *v = NULL;
    int err;

    if ((err = clo_json_parse(p, n, 65536, &v)) != 0)
        return err;
    o = clo_json_obj_init(v);
    if (strcmp(clo_json_obj_str(&o, "event", 64), "ready") == 0) {
        const char *root = clo_json_obj_str(&o, "simulated_root", 64);
        const char *measurement = clo_json_obj_str(&o, "measurement", 96);
        const char *missing = clo_json_obj_opt_str(&o, "missing_cells", 1024);

        if (!d->cells_said && missing != NULL)
            clo_say_note("processes aren't shut in as a server's would be: %s", missing);
        d->cells_said = true;
        d->port = (unsigned)clo_json_obj_int(&o, "port", 1, 65535);
        err = o.err != 0 ? o.err : take_policy(d, root, measurement);
    }
    json_decref(v);
    return err;
}

/* Whatever has come; never waits. */
static int take_events(struct demo *d)
{
    char piece[1024];
    ssize_t n;
    int err = 0;

    while (err == 0 && (n = read(d->events, piece, sizeof(piece))) > 0)
        err = clo_buf_append(&d->line, piece, (size_t)n);
    while (err == 0 && d->line.len > 0) {
        const uint8_t *stop = memchr(d->line.p, '\n', d->line.len);
        const size_t len = stop != NULL ? (size_t)(stop - d->line.p) : 0;

        if (stop == NULL)
            break;
        err = take_line(d, (const char *)d->line.p, len);
        clo_buf_consume(&d->line, len + 1);
    }
    return err;
}

static bool has_died(struct demo *d)
{
    if (d->pid != 0 && waitpid(d->pid, NULL, WNOHANG) == d->pid)
        d->pid = 0;
    return d->pid == 0;
}

/* The daemon's log so far, zero-terminated: a closed table of events, so it may be read and shown. */
static int read_log(const struct demo *d, struct clo_buf *log)
{
    char path[PATH_MAX_];
    int err;

    path_in(d, "log", path, sizeof(path));
    err = clo_file_read(path, log);
    return err != 0 ? err : clo_buf_append(log, "", 1);
}

static void show_log(const struct demo *d)
{
    struct clo_buf log = clo_buf_init(1 << 20);
    size_t at;

    if (read_log(d, &log) == 0) {
        at = log.len - 1;
        for (int lines = 0; at > 0; at--) {
            if (log.p[at - 1] == '\n' && ++lines > 10)
                break;
        }
        fputs((const char *)log.p + at, stderr);
    }
    clo_buf_clear(&log);
}

/* cloisterd tries again for ever, which is right for a server; a person wants to know. */
static bool engine_keeps_failing(const struct demo *d)
{
    struct clo_buf log = clo_buf_init(1 << 20);
    int lost = 0;

    if (read_log(d, &log) == 0) {
        for (const char *p = (const char *)log.p; (p = strstr(p, " engine-lost ")) != NULL; p++)
            lost++;
    }
    clo_buf_clear(&log);
    return lost >= ENGINE_TRIES;
}

/* Called before each question. */
static int before_question(void *ctx)
{
    struct demo *d = ctx;

    if (has_died(d)) {
        clo_say_problem("cloisterd has ended: start the demo again; its last words:");
        show_log(d);
        return CLOISTER_E_ENGINE;
    }
    return take_events(d);
}

/* ---- start and end ---- */

static int spawn(struct demo *d)
{
    char model[PATH_MAX_], engine[PATH_MAX_], run[PATH_MAX_], state[PATH_MAX_], log[PATH_MAX_];
    /*
     * Without API keys, so that none has to lie in a temporary folder: it serves this machine only. When it is to end all answers are here,
     * and nobody waits for what fills their shape.
     */
    const char *argv[] = {"cloisterd",
                          "--tee",
                          "simulated",
                          "--listen",
                          "127.0.0.1:0",
                          "--model",
                          model,
                          "--llama-server",
                          engine,
                          "--runtime-dir",
                          run,
                          "--state-dir",
                          state,
                          "--ready-fd",
                          "3",
                          "--incomplete-cells",
                          "--drain-timeout",
                          "0",
                          NULL};
    int pipe_fd[2] = {-1, -1}, log_fd = -1, stderr_fd = -1, err = CLOISTER_E_IO;

    path_in(d, "run", run, sizeof(run));
    path_in(d, "state", state, sizeof(state));
    path_in(d, "log", log, sizeof(log));
    if (realpath(d->o->model, model) == NULL || realpath(d->o->engine, engine) == NULL ||
        mkdir(run, 0700) != 0 || mkdir(state, 0700) != 0 || pipe2(pipe_fd, O_CLOEXEC) != 0 ||
        fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK) != 0 ||
        (log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0 ||
        (stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) < 0)
        goto out;
    /* A child inherits standard error: it gets the log instead of the terminal. */
    (void)dup2(log_fd, STDERR_FILENO);
    err = clo_process_spawn(d->daemon, (char *const *)(uintptr_t)argv, NULL, pipe_fd[1], &d->pid);
    (void)dup2(stderr_fd, STDERR_FILENO);
    d->events = pipe_fd[0];
    pipe_fd[0] = -1;
out:
    if (err != 0)
        clo_say_file(err == CLOISTER_E_IO ? d->dir : d->daemon, "used", err);
    for (size_t i = 0; i < 2; i++) {
        if (pipe_fd[i] >= 0)
            close(pipe_fd[i]);
    }
    if (log_fd >= 0)
        close(log_fd);
    if (stderr_fd >= 0)
        close(stderr_fd);
    return err;
}

static int wait_ready(struct demo *d)
{
    const int64_t start = clo_clock_mono_us();
    int64_t told = 0, looked = 0;

    clo_say_note("starting cloisterd: it hashes and loads the model");
    while (d->policy.len == 0) {
        struct pollfd fds[2] = {{.fd = d->events, .events = POLLIN},
                                {.fd = clo_stop_fd(), .events = POLLIN}};
        const int64_t waited = (clo_clock_mono_us() - start) / 1000000;

        if (waited >= told + 5) {
            told = waited;
            clo_say_note("still waiting for cloisterd to be ready (%lld s)", (long long)waited);
        }
        if (poll(fds, 2, TICK_MS) < 0 && errno != EINTR)
            return CLOISTER_E_IO;
        if (clo_stop_signal() != 0)
            return CLOISTER_E_CANCELLED;
        if (take_events(d) != 0) {
            clo_say_problem("cloisterd said something that this version doesn't understand");
            return CLOISTER_E_PROTOCOL;
        }
        if (d->policy.len == 0 && waited > looked) {
            looked = waited;
            if (engine_keeps_failing(d)) {
                clo_say_problem(
                    "the engine can't be started with this model: check --engine %s and "
                    "--model %s; cloisterd's last words:",
                    d->o->engine, d->o->model);
                show_log(d);
                return CLOISTER_E_ENGINE;
            }
        }
        if (d->policy.len == 0 && (has_died(d) || waited >= START_S)) {
            clo_say_problem(d->pid == 0 ? "cloisterd could not start; its last words:"
                                        : "cloisterd did not get ready in time; its last words:");
            show_log(d);
            return CLOISTER_E_ENGINE;
        }
    }
    return 0;
}

static void end(struct demo *d)
{
    const int64_t start = clo_clock_mono_us();
    bool killed = false;

    if (d->pid != 0)
        (void)kill(d->pid, SIGTERM);
    while (!has_died(d)) {
        if (!killed && clo_clock_mono_us() - start > (int64_t)END_S * 1000000) {
            (void)kill(d->pid, SIGKILL); /* what it started dies with it */
            killed = true;
        }
        (void)poll(NULL, 0, 10);
    }
    if (d->events >= 0)
        close(d->events);
    clo_buf_clear(&d->line);
    if (d->dir[0] != '\0')
        (void)nftw(d->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int talk(struct demo *d)
{
    const bool interactive = d->o->operands == 0 && isatty(STDIN_FILENO) == 1 &&
                             isatty(STDOUT_FILENO) == 1;
    struct clo_chat_setup setup = {
        .options = d->o,
        .question = d->o->operands > 0 ? d->o->operand[0]
                    : interactive      ? NULL
                                       : DEFAULT_QUESTION,
        .system = d->o->system,
        .before = before_question,
        .ctx = d,
    };
    char url[64];
    int code = CLO_EXIT_ERROR;

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", d->port);
    if (clo_common_guard() != 0)
        goto out;
    if (clo_transport_new(url, &setup.transport) != 0 ||
        clo_session_new(setup.transport, &d->policy, NULL, &d->session) != 0) {
        clo_say_problem("not enough memory");
        goto out;
    }
    setup.session = d->session;
    if (!interactive && d->o->operands == 0)
        clo_say_note("asking: %s", DEFAULT_QUESTION);
    code = clo_chat_run(&setup);
out:
    clo_session_free(d->session);
    d->session = NULL;
    clo_transport_free(setup.transport);
    return code;
}

int clo_command_demo(const struct clo_options *o)
{
    struct demo *d = calloc(1, sizeof(*d));
    int code = CLO_EXIT_ERROR;

    if (d == NULL)
        return code;
    d->o = o;
    d->events = -1;
    d->line = clo_buf_init(65536);
    if (o->operands > 1) {
        clo_say_problem("one question at a time: put it into quotes");
        goto out;
    }
    if (check_file(o->engine, X_OK, "--engine") != 0 ||
        check_file(o->model, R_OK, "--model") != 0 || find_daemon(d) != 0 || make_dir(d) != 0 ||
        spawn(d) != 0 || wait_ready(d) != 0)
        goto out;
    code = talk(d);
out:
    end(d);
    clo_buf_clear(&d->policy);
    free(d);
    return code;
}
