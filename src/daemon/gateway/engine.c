/* SPDX-License-Identifier: Apache-2.0 */
/* The engine leg: a non-blocking socket, the request out, the answer in through codec/http1. */
#include "daemon/gateway/engine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/secret.h"

#define READ_SIZE 16384

struct clo_leg {
    int fd;
    struct event *in, *out;
    struct clo_http1 *http;
    struct clo_buf send;
    size_t sent;
    struct timeval silence;
    const struct clo_leg_ops *ops;
    void *ctx;
    bool ended;
};

union address {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static int parse_unix(const char *path, union address *a, socklen_t *n)
{
    const size_t len = strlen(path);

    if (len == 0 || len >= sizeof(a->un.sun_path))
        return CLOISTER_E_CONFIG;
    a->un.sun_family = AF_UNIX;
    memcpy(a->un.sun_path, path, len);
    *n = sizeof(a->un);
    return 0;
}

/* Loopback and nothing else: where users' text goes in the clear is not for an address to widen. */
static int parse_loopback(const char *s, union address *a, socklen_t *n)
{
    static const char v4[] = "127.0.0.1:", v6[] = "[::1]:";
    const bool is_v6 = strncmp(s, v6, sizeof(v6) - 1) == 0;
    char *end = NULL;
    unsigned long port = 0;

    if (!is_v6 && strncmp(s, v4, sizeof(v4) - 1) != 0)
        return CLOISTER_E_CONFIG;
    s += is_v6 ? sizeof(v6) - 1 : sizeof(v4) - 1;
    if (*s < '1' || *s > '9')
        return CLOISTER_E_CONFIG;
    port = strtoul(s, &end, 10);
    if (*end != 0 || port > UINT16_MAX)
        return CLOISTER_E_CONFIG;
    if (is_v6) {
        a->in6.sin6_family = AF_INET6;
        a->in6.sin6_port = htons((uint16_t)port);
        a->in6.sin6_addr = in6addr_loopback;
        *n = sizeof(a->in6);
    } else {
        a->in.sin_family = AF_INET;
        a->in.sin_port = htons((uint16_t)port);
        a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *n = sizeof(a->in);
    }
    return 0;
}

static int dial(const char *address, int *ret)
{
    union address a = {0};
    socklen_t n = 0;
    int fd = -1;
    int err = strncmp(address, "unix:", 5) == 0 ? parse_unix(address + 5, &a, &n)
                                                : parse_loopback(address, &a, &n);

    if (err != 0)
        return err;
    fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return CLOISTER_E_IO;
    /* EAGAIN is a Unix socket's full backlog: the engine is as good as gone. */
    if (connect(fd, &a.any, n) != 0 && errno != EINPROGRESS) {
        close(fd);
        return CLOISTER_E_NETWORK;
    }
    *ret = fd;
    return 0;
}

static void finish(struct clo_leg *leg, int err)
{
    const struct clo_leg_ops *ops = leg->ops;
    void *ctx = leg->ctx;

    clo_leg_free(leg);
    ops->end(ctx, err);
}

static int on_http_head(void *ctx, const struct clo_http1_head *head)
{
    struct clo_leg *leg = ctx;

    return leg->ops->head(leg->ctx, head);
}

static int on_http_body(void *ctx, const uint8_t *p, size_t n)
{
    struct clo_leg *leg = ctx;

    return leg->ops->body(leg->ctx, p, n);
}

static int on_http_end(void *ctx)
{
    struct clo_leg *leg = ctx;

    leg->ended = true;
    return 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct clo_leg *leg = arg;
    CLO_SECRET(piece, READ_SIZE);
    ssize_t n = 0;
    int err = 0;

    if ((what & EV_TIMEOUT) != 0) {
        finish(leg, CLOISTER_E_NETWORK);
        return;
    }
    n = read(fd, piece, sizeof(piece));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0)
        err = CLOISTER_E_NETWORK;
    else if (n == 0)
        err = clo_http1_eof(leg->http);
    else
        err = clo_http1_feed(leg->http, piece, (size_t)n);
    if (err != 0 || leg->ended)
        finish(leg, err);
}

/* An answer may come before the whole request is out, so a write that fails only stops the writing: reading tells the rest. */
static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct clo_leg *leg = arg;
    struct clo_rd rd = clo_rd_init(leg->send.p, leg->send.len);
    ssize_t n = 0;

    (void)what;
    if (clo_rd_skip(&rd, leg->sent) != 0)
        return;
    n = send(fd, rd.p, rd.left, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        n = 0;
    if (n >= 0)
        leg->sent += (size_t)n;
    if (n < 0 || leg->sent == leg->send.len)
        clo_buf_clear(&leg->send);
    else
        event_add(leg->out, NULL);
}

int clo_leg_start(struct event_base *base, const char *address, const char *path,
                  struct clo_buf *body, unsigned silence_s, const struct clo_leg_ops *ops,
                  void *ctx, struct clo_leg **ret)
{
    static const struct clo_http1_handler handler = {
        .head = on_http_head, .body = on_http_body, .end = on_http_end};
    struct clo_leg *leg = clo_wipe_malloc(sizeof(*leg));
    int err = 0;

    if (leg == NULL)
        return CLOISTER_E_MEMORY;
    *leg = (struct clo_leg){.fd = -1,
                            .ops = ops,
                            .ctx = ctx,
                            .silence = {.tv_sec = (time_t)silence_s},
                            .send = clo_buf_init(body->len + 4096)};
    if ((err = clo_http1_write_request("POST", path, body->p, body->len, &leg->send)) != 0 ||
        (err = clo_http1_new(&handler, leg, &leg->http)) != 0 ||
        (err = dial(address, &leg->fd)) != 0)
        goto out;
    leg->in = event_new(base, leg->fd, EV_READ | EV_PERSIST, on_readable, leg);
    leg->out = event_new(base, leg->fd, EV_WRITE, on_writable, leg);
    if (leg->in == NULL || leg->out == NULL || event_add(leg->in, &leg->silence) != 0 ||
        event_add(leg->out, NULL) != 0) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    clo_buf_clear(body);
    *ret = leg;
    leg = NULL;
out:
    clo_leg_free(leg);
    return err;
}

void clo_leg_pause(struct clo_leg *leg, bool pause)
{
    if (pause)
        event_del(leg->in);
    else
        event_add(leg->in, &leg->silence);
}

void clo_leg_free(struct clo_leg *leg)
{
    if (leg == NULL)
        return;
    if (leg->in != NULL)
        event_free(leg->in);
    if (leg->out != NULL)
        event_free(leg->out);
    if (leg->fd >= 0)
        close(leg->fd);
    clo_http1_free(leg->http);
    clo_buf_clear(&leg->send);
    clo_wipe_free(leg);
}
