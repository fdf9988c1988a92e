/* SPDX-License-Identifier: Apache-2.0 */
/* A blocking HTTP GET with a deadline. The answer is read by the strict reader of codec/http1.h. */
#include "daemon/engine/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "codec/http1.h"
#include "platform/process.h"

union address {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static int parse_port(const char *s, in_port_t *ret)
{
    char *end = NULL;
    unsigned long v;

    if (s[0] < '1' || s[0] > '9')
        return CLOISTER_E_CONFIG;
    v = strtoul(s, &end, 10);
    if (*end != 0 || v > UINT16_MAX)
        return CLOISTER_E_CONFIG;
    *ret = htons((uint16_t)v);
    return 0;
}

static int parse(const char *s, union address *a, socklen_t *n)
{
    static const char v4[] = "127.0.0.1:", v6[] = "[::1]:", unix_prefix[] = "unix:";

    if (strncmp(s, unix_prefix, sizeof unix_prefix - 1) == 0) {
        s += sizeof unix_prefix - 1;
        if (strlen(s) >= sizeof a->un.sun_path)
            return CLOISTER_E_CONFIG;
        a->un.sun_family = AF_UNIX;
        memcpy(a->un.sun_path, s, strlen(s) + 1);
        *n = sizeof a->un;
        return 0;
    }
    if (strncmp(s, v4, sizeof v4 - 1) == 0) {
        a->in.sin_family = AF_INET;
        a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *n = sizeof a->in;
        return parse_port(s + sizeof v4 - 1, &a->in.sin_port);
    }
    if (strncmp(s, v6, sizeof v6 - 1) == 0) {
        a->in6.sin6_family = AF_INET6;
        a->in6.sin6_addr = in6addr_loopback;
        *n = sizeof a->in6;
        return parse_port(s + sizeof v6 - 1, &a->in6.sin6_port);
    }
    return CLOISTER_E_CONFIG;
}

static int dial(const char *address, int *ret)
{
    union address a = {0};
    socklen_t n = 0;
    int fd = -1;
    int err;

    if ((err = parse(address, &a, &n)) != 0)
        return err;
    if ((fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0)
        return CLOISTER_E_IO;
    if (connect(fd, &a.any, n) != 0 && errno != EINPROGRESS) {
        /* EAGAIN: somebody listens on this Unix socket, and has no room for one more */
        err = errno == EAGAIN ? CLOISTER_E_CUT : CLOISTER_E_NETWORK;
        close(fd);
        return err;
    }
    *ret = fd;
    return 0;
}

struct reading {
    struct clo_probe *probe;
    bool done;
};

static int on_head(void *ctx, const struct clo_http1_head *head)
{
    struct reading *r = ctx;

    r->probe->status = head->status;
    return 0;
}

static int on_body(void *ctx, const uint8_t *p, size_t n)
{
    struct reading *r = ctx;

    return clo_buf_append(&r->probe->body, p, n);
}

static int on_end(void *ctx)
{
    struct reading *r = ctx;

    r->done = true;
    return 0;
}

static int wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t left = (deadline - clo_clock_mono_us() + 999) / 1000;

    return left > 0 && poll(&p, 1, (int)left) == 1 ? 0 : CLOISTER_E_CUT;
}

static int ask(int fd, const struct clo_buf *request, int64_t deadline)
{
    struct clo_rd rd = clo_rd_init(request->p, request->len);
    int err = 0;

    while (err == 0 && rd.left > 0) {
        ssize_t sent;

        if ((err = wait_for(fd, POLLOUT, deadline)) != 0)
            return err;
        sent = send(fd, rd.p, rd.left, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return CLOISTER_E_NETWORK; /* a refused TCP connection shows here */
        if (sent > 0)
            err = clo_rd_skip(&rd, (size_t)sent);
    }
    return err;
}

static int hear(int fd, struct clo_http1 *http, const struct reading *r, int64_t deadline)
{
    uint8_t piece[4096];
    int err = 0;

    while (err == 0 && !r->done) {
        ssize_t got;

        if ((err = wait_for(fd, POLLIN, deadline)) != 0)
            return err;
        got = recv(fd, piece, sizeof piece, 0);
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return CLOISTER_E_CUT;
        if (got == 0)
            return clo_http1_eof(http);
        if (got > 0)
            err = clo_http1_feed(http, piece, (size_t)got);
    }
    return err;
}

int clo_probe_get(const char *address, const char *path, int timeout_ms, struct clo_probe *ret)
{
    static const struct clo_http1_handler handler = {on_head, on_body, on_end};
    struct clo_probe probe = {.body = clo_buf_init(CLO_PROBE_BODY_MAX)};
    struct reading reading = {.probe = &probe};
    struct clo_buf request = clo_buf_init(4096);
    struct clo_http1 *http = NULL;
    struct ucred peer = {0};
    socklen_t peer_n = sizeof peer;
    int64_t deadline = clo_clock_mono_us() + (int64_t)timeout_ms * 1000;
    int fd = -1;
    int err;

    if ((err = clo_http1_write_request("GET", path, NULL, 0, &request)) != 0 ||
        (err = clo_http1_new(&handler, &reading, &http)) != 0 || (err = dial(address, &fd)) != 0 ||
        (err = ask(fd, &request, deadline)) != 0 || (err = hear(fd, http, &reading, deadline)) != 0)
        goto out;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_n) == 0)
        probe.peer = peer.pid;
    *ret = probe;
    probe.body = clo_buf_init(0);
out:
    if (fd >= 0)
        close(fd);
    clo_http1_free(http);
    clo_buf_clear(&request);
    clo_buf_clear(&probe.body);
    return err;
}

void clo_probe_clear(struct clo_probe *p)
{
    clo_buf_clear(&p->body);
}
