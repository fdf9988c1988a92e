/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloister proxy`: the OpenAI API on loopback. It verifies before it accepts anything, hands out a token of this launch, and ends with
 * the command that it runs or when it is told to.
 */
#include "client/commands.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/secret.h"
#include "client/proxy/server.h"
#include "client/say.h"
#include "codec/json.h"
#include "crypto/crypto.h"
#include "platform/file.h"

enum {
    KEY_MAX = 513, /* 512 characters and a zero */
    HOST_MAX = 255,
    BODIES_MAX = 512 << 20, /* all request bodies together */
    CANCELS_S = 3,          /* for the last cancellations; each takes two seconds at most */
    SIGNALS = 4,
};

struct proxy {
    const struct clo_options *o;
    struct event_base *base;
    struct event *signal[SIGNALS], *end;
    char host[HOST_MAX + 1];
    unsigned port;
    int listener;
    char token[CLO_GUARD_TOKEN_LEN + 1], url[HOST_MAX + 32];
    struct clo_buf key;
    struct clo_callers callers;
    struct clo_proxy_http *http;
    struct stat token_file; /* st_ino 0: not written */
    pid_t child;            /* 0: none */
    bool terminal;          /* it was started at one */
    bool failed, ending;
    int code;
};

/* ---- the address ---- */

/* HOST:PORT, or [IPV6]:PORT. */
static int split_address(const char *text, struct proxy *x)
{
    const char *colon = strrchr(text, ':');
    const bool bracketed = text[0] == '[' && colon != NULL && colon > text + 1 && colon[-1] == ']';
    const char *from = text + bracketed;
    const size_t n = colon != NULL ? (size_t)(colon - from) - bracketed : 0;
    unsigned long port;
    char *end = NULL;

    if (n == 0 || n > HOST_MAX || colon[1] < '0' || colon[1] > '9' ||
        (!bracketed && memchr(from, ':', n) != NULL))
        return CLOISTER_E_ARGUMENT;
    errno = 0;
    port = strtoul(colon + 1, &end, 10);
    if (errno != 0 || *end != '\0' || port > 65535)
        return CLOISTER_E_ARGUMENT;
    memcpy(x->host, from, n);
    x->host[n] = '\0';
    x->port = (unsigned)port;
    return 0;
}

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static bool is_any(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr == htonl(INADDR_ANY);
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static int bind_one(struct proxy *x, const struct addrinfo *a)
{
    const int yes = 1, fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } got = {.v6 = {0}};
    socklen_t n = sizeof(got);

    if (fd < 0)
        return CLOISTER_E_IO;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
        bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, &got.any, &n) != 0) {
        const int saved = errno;

        close(fd);
        errno = saved;
        return CLOISTER_E_IO;
    }
    x->port = ntohs(got.any.sa_family == AF_INET6 ? got.v6.sin6_port : got.v4.sin_port);
    x->listener = fd;
    return 0;
}

static int open_listener(struct proxy *x)
{
    const char *text = x->o->listen != NULL ? x->o->listen : CLO_DEFAULT_LISTEN;
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    int err = split_address(text, x);

    if (err != 0) {
        clo_say_problem(
            "--listen doesn't take \"%s\": it takes HOST:PORT, like " CLO_DEFAULT_LISTEN, text);
        return err;
    }
    if (getaddrinfo(x->host, NULL, &hints, &list) != 0) {
        clo_say_problem("--listen: %s has no address", x->host);
        return CLOISTER_E_ARGUMENT;
    }
    if (list->ai_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)list->ai_addr)->sin6_port = htons((uint16_t)x->port);
    else
        ((struct sockaddr_in *)(void *)list->ai_addr)->sin_port = htons((uint16_t)x->port);
    if (!is_loopback(list->ai_addr) && !x->o->allow_remote) {
        clo_say_problem(
            "%s is not this machine's own address: others could connect, and the text would travel "
            "there in clear; --allow-remote allows it",
            x->host);
        err = CLOISTER_E_ARGUMENT;
    } else if (is_any(list->ai_addr)) {
        clo_say_problem(
            "%s names no address: give the one that applications will use, because the Host header of every request has "
            "to name it",
            x->host);
        err = CLOISTER_E_ARGUMENT;
    } else if ((err = bind_one(x, list)) != 0) {
        clo_say_problem("%s can't be listened on: %s", text, strerror(errno));
    }
    freeaddrinfo(list);
    if (err == 0)
        (void)snprintf(x->url, sizeof(x->url),
                       strchr(x->host, ':') != NULL ? "http://[%s]:%u/v1" : "http://%s:%u/v1",
                       x->host, x->port);
    return err;
}

/* ---- the token ---- */

static int draw_token(struct proxy *x)
{
    CLO_SECRET(bytes, CLO_GUARD_TOKEN_LEN / 2);
    const int err = clo_rng_fill(clo_rng_system(), bytes, sizeof(bytes));

    if (err == 0)
        clo_hex(bytes, sizeof(bytes), x->token);
    return err;
}

/* Beside its place and then there in one step: never half a token, and never one that others may read. */
static int write_token(struct proxy *x)
{
    const char *path = x->o->token_file;
    char *tmp = NULL;
    int fd = -1, err = CLOISTER_E_IO;

    if (path == NULL)
        return 0;
    if (asprintf(&tmp, "%s.XXXXXX", path) < 0)
        return CLOISTER_E_MEMORY;
    if ((fd = mkostemp(tmp, O_CLOEXEC)) >= 0) { /* O_EXCL, mode 0600 */
        if (clo_write_all(fd, x->token, CLO_GUARD_TOKEN_LEN) == 0 &&
            clo_write_all(fd, "\n", 1) == 0 && fstat(fd, &x->token_file) == 0 &&
            rename(tmp, path) == 0)
            err = 0;
        else
            (void)unlink(tmp);
        close(fd);
    }
    if (err != 0) {
        x->token_file = (struct stat){0};
        clo_say_file(path, "written", err);
    }
    free(tmp);
    return err;
}

/* Only if it is still ours: another proxy may have put its own there. */
static void remove_token(const struct proxy *x)
{
    struct stat st = {0};

    if (x->token_file.st_ino != 0 && lstat(x->o->token_file, &st) == 0 &&
        st.st_ino == x->token_file.st_ino && st.st_dev == x->token_file.st_dev)
        (void)unlink(x->o->token_file);
}

static int write_ready(struct proxy *x)
{
    struct clo_buf line = clo_buf_init(4096);
    json_t *doc = NULL;
    int err = CLOISTER_E_MEMORY;

    if (x->o->ready_fd < 0)
        return 0;
    doc = json_pack("{s:i, s:s, s:i, s:s, s:s}", "v", 1, "event", "ready", "port", (int)x->port,
                    "base_url", x->url, "token", x->token);
    if (doc != NULL && (err = clo_json_write(doc, &line)) == 0 &&
        (err = clo_buf_append(&line, "\n", 1)) == 0 &&
        (err = clo_write_all((int)x->o->ready_fd, line.p, line.len)) != 0)
        clo_say_file("--ready-fd", "written to", err);
    json_decref(doc);
    clo_buf_clear(&line);
    close((int)x->o->ready_fd);
    return err;
}

/* ---- the command ---- */

/* With what a program expects that was started by a shell: no signal ignored or blocked. */
static int run_command(struct proxy *x)
{
    posix_spawnattr_t attr;
    sigset_t all, none;
    int problem;

    if (x->o->command == NULL)
        return 0;
    if (setenv("OPENAI_BASE_URL", x->url, 1) != 0 || setenv("OPENAI_API_KEY", x->token, 1) != 0 ||
        posix_spawnattr_init(&attr) != 0)
        return CLOISTER_E_MEMORY;
    sigfillset(&all);
    sigemptyset(&none);
    if ((problem = posix_spawnattr_setsigdefault(&attr, &all)) == 0 &&
        (problem = posix_spawnattr_setsigmask(&attr, &none)) == 0 &&
        (problem = posix_spawnattr_setflags(&attr,
                                            POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK)) == 0)
        problem = posix_spawnp(&x->child, x->o->command[0], NULL, &attr, x->o->command, environ);
    (void)posix_spawnattr_destroy(&attr);
    if (problem == 0)
        return 0;
    x->child = 0;
    clo_say_problem("%s can't be started: %s", x->o->command[0], strerror(problem));
    return CLOISTER_E_IO;
}

/* ---- begin and end ---- */

static void break_loop(struct proxy *x)
{
    (void)event_base_loopbreak(x->base);
}

static void on_quiet(void *ctx)
{
    struct proxy *x = ctx;

    if (x->ending)
        break_loop(x);
}

static void on_end_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    break_loop(arg);
}

/* Accept nothing more, cancel what runs, and leave once the server has heard it. */
static void end(struct proxy *x, int code)
{
    const struct timeval tv = {.tv_sec = CANCELS_S};

    if (x->ending)
        return;
    x->ending = true;
    x->code = code;
    clo_proxy_http_end(x->http);
    if (x->callers.rests.cancels == 0 || evtimer_add(x->end, &tv) != 0)
        break_loop(x);
}

static void say_ready(const struct proxy *x, const struct clo_server *s)
{
    const struct cloister_verdict *v = clo_server_verdict(s);

    clo_say_verified(v);
    if (x->o->command != NULL)
        return;
    /* Standard output only where a person looks at it: elsewhere it would end up in a log. */
    if (isatty(STDOUT_FILENO) == 1) {
        printf("OPENAI_BASE_URL=%s\nOPENAI_API_KEY=%s\n", x->url, x->token);
        (void)fflush(stdout);
    }
    clo_say_note("listening on %s; Ctrl-C ends it", x->url);
}

static int begin(struct proxy *x, const struct clo_server *verified)
{
    const struct clo_proxy_setup setup = {
        .base = x->base,
        .guard = {.host = x->host,
                  .port = x->port,
                  .token = x->token,
                  .origin = x->o->allow_origin},
        .callers = &x->callers,
    };
    const int listener = x->listener;
    int err;

    x->listener = -1;
    if ((err = clo_proxy_http_new(&setup, listener, &x->http)) != 0) {
        clo_say_problem("the HTTP server can't be started: %s", cloister_strerror(err));
        return err;
    }
    if ((err = write_token(x)) != 0)
        return err;
    say_ready(x, verified);
    if ((err = write_ready(x)) != 0)
        return err;
    return run_command(x);
}

/* The first verification has ended, one way or the other. */
static void on_settled(void *ctx, const struct clo_server *verified)
{
    struct proxy *x = ctx;

    if (x->ending)
        return;
    if (verified == NULL) {
        x->failed = true;
        break_loop(x);
    } else if (begin(x, verified) != 0) {
        end(x, CLO_EXIT_ERROR);
    }
}

/* ---- signals ---- */

static void on_child(struct proxy *x)
{
    int status = 0;

    if (x->child == 0 || waitpid(x->child, &status, WNOHANG) != x->child)
        return;
    x->child = 0;
    end(x, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Its terminal is gone, and with it whoever could end it; or somebody says that the policy file has changed. */
static void on_hangup(struct proxy *x)
{
    if (x->terminal && isatty(STDERR_FILENO) != 1) {
        if (x->child != 0)
            (void)kill(x->child, SIGHUP);
        end(x, x->http != NULL ? CLO_EXIT_OK : CLO_EXIT_ERROR);
    } else if (x->callers.pool != NULL) {
        clo_pool_reload(x->callers.pool);
    }
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
    struct proxy *x = arg;

    (void)what;
    if (sig == SIGCHLD)
        on_child(x);
    else if (sig == SIGHUP)
        on_hangup(x);
    else if (sig == SIGINT && x->child != 0)
        return; /* the terminal has sent it to the command as well, whose business it is */
    else if (sig == SIGTERM && x->child != 0)
        (void)kill(x->child, SIGTERM);
    else if (sig == SIGINT || sig == SIGTERM)
        end(x, x->http != NULL ? CLO_EXIT_OK : CLO_EXIT_ERROR);
}

static int catch_signals(struct proxy *x)
{
    static const int signals[SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};

    x->end = evtimer_new(x->base, on_end_timer, x);
    if (x->end == NULL)
        return CLOISTER_E_MEMORY;
    for (size_t i = 0; i < SIGNALS; i++) {
        x->signal[i] = evsignal_new(x->base, signals[i], on_signal, x);
        if (x->signal[i] == NULL || event_add(x->signal[i], NULL) != 0)
            return CLOISTER_E_MEMORY;
    }
    return 0;
}

/* ---- */

static int find_key(struct proxy *x)
{
    const char *path = x->o->key_file;
    int err;

    if (path == NULL)
        return 0;
    err = clo_file_read_key(path, &x->key);
    if (err == CLOISTER_E_MALFORMED)
        clo_say_problem("%s does not hold an API key: one line of printable characters", path);
    else if (err != 0)
        clo_say_file(path, "read", err);
    else
        x->callers.rests.api_key = (const char *)x->key.p;
    return err;
}

/* As a browser writes it (RFC 6454 section 6.2), or no page would ever match; "null" is what any page can make itself. */
static bool is_origin(const char *text)
{
    const size_t n = strncmp(text, "https://", 8) == 0  ? 8
                     : strncmp(text, "http://", 7) == 0 ? 7
                                                        : 0;

    return n > 0 && text[n] != '\0' &&
           text[n + strspn(text + n, "abcdefghijklmnopqrstuvwxyz0123456789-._:[]")] == '\0';
}

static int check(const struct clo_options *o)
{
    if (o->allow_origin != NULL && !is_origin(o->allow_origin)) {
        clo_say_problem(
            "--allow-origin doesn't take \"%s\": it takes one origin as browsers write it, like https://app.example or "
            "http://localhost:3000, without a path",
            o->allow_origin);
        return CLOISTER_E_ARGUMENT;
    }
    if (o->operands > 0) {
        clo_say_problem(
            "proxy takes no arguments but a command behind --: see `cloister proxy --help`");
        return CLOISTER_E_ARGUMENT;
    }
    if (o->ready_fd > INT_MAX ||
        (o->ready_fd >= 0 && fcntl((int)o->ready_fd, F_SETFD, FD_CLOEXEC) != 0)) {
        clo_say_problem("--ready-fd %lld is not an open descriptor", (long long)o->ready_fd);
        return CLOISTER_E_ARGUMENT;
    }
    if (o->command == NULL && o->token_file == NULL && o->ready_fd < 0 &&
        isatty(STDOUT_FILENO) != 1) {
        clo_say_problem(
            "nobody would learn the token: standard output is no terminal; give --token-file FILE, "
            "--ready-fd N, or a command behind --");
        return CLOISTER_E_ARGUMENT;
    }
    return 0;
}

/* The servers, and the loop until the end. */
static int run(struct proxy *x)
{
    struct clo_pool_setup setup = {
        .base = x->base,
        .wire = x->callers.rests.wire,
        .policy = x->o->policy,
        .settled = on_settled,
        .ctx = x,
    };
    int code = CLO_EXIT_ERROR;

    /* With a relay nothing at all goes to a server directly: that would tie the address to the question. */
    if (x->o->relay != NULL)
        setup.url[setup.urls++] = x->o->relay;
    else if (x->o->server != NULL)
        setup.url[setup.urls++] = x->o->server;
    if (clo_pool_new(&setup, &x->callers.pool, &code) != 0)
        return code;
    if (!x->failed && !x->ending && event_base_dispatch(x->base) < 0)
        return CLO_EXIT_ERROR;
    return x->failed ? clo_pool_say_fault(x->callers.pool) : x->code;
}

static void say_rests(const struct proxy *x)
{
    const unsigned n = x->callers.rests.streams;

    if (n > 0 && x->callers.cuts)
        clo_say_note("%u stream%s cut, which shows when the answer was whole", n,
                     n == 1 ? " is" : "s are");
    else if (n > 0)
        clo_say_note("%u stream%s read to the end in the background", n, n == 1 ? " is" : "s are");
}

static void clear(struct proxy *x)
{
    clo_proxy_http_end(x->http);
    clo_proxy_http_free(x->http);
    clo_pool_free(x->callers.pool);
    say_rests(x);
    if (x->callers.cuts)
        clo_wire_free(x->callers.rests.wire);
    else
        clo_wire_leave(x->callers.rests.wire);
    remove_token(x);
    for (size_t i = 0; i < SIGNALS; i++) {
        if (x->signal[i] != NULL)
            event_free(x->signal[i]);
    }
    if (x->end != NULL)
        event_free(x->end);
    if (x->base != NULL)
        event_base_free(x->base);
    if (x->listener >= 0)
        close(x->listener);
    clo_buf_clear(&x->key);
    clo_wipe(x->token, sizeof(x->token));
}

int clo_command_proxy(const struct clo_options *o)
{
    struct proxy x = {
        .o = o,
        .listener = -1,
        .terminal = isatty(STDERR_FILENO) == 1,
        .key = clo_buf_init(KEY_MAX),
        .callers = {.max = BODIES_MAX, .rests = {.quiet = on_quiet, .ctx = &x}},
    };
    int code = CLO_EXIT_ERROR;

    event_set_mem_functions(clo_wipe_malloc, clo_wipe_realloc, clo_wipe_free);
    if (clo_options_cuts(o, &x.callers.cuts) != 0 || check(o) != 0 || clo_common_guard() != 0 ||
        find_key(&x) != 0 || open_listener(&x) != 0)
        goto out;
    x.base = event_base_new();
    if (x.base == NULL || draw_token(&x) != 0 || catch_signals(&x) != 0 ||
        clo_wire_new(x.base, &x.callers.rests.wire) != 0) {
        clo_say_problem("not enough memory or descriptors");
        goto out;
    }
    code = run(&x);
out:
    clear(&x);
    return code;
}
