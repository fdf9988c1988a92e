/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine that says again what was recorded: bench_leak_engine SOCKET TAPE MARKS. It listens on a Unix socket, speaks as much of
 * llama-server's HTTP as the gateway asks for, and answers the question with number i by conversation i's events, each of its recorded
 * size at its recorded time. Their text is of the recorded length and says nothing. It runs until it is killed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "tape.h"

#define PARALLEL_MAX 1024
#define REQUEST_MAX  65536
#define EVENT_MAX    8192
#define HEAD                                                 \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" \
    "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
#define DONE "data: [DONE]\n\n"

/* A connection; of the questions among them `c` is what is answered. */
struct talk {
    int fd; /* -1: free */
    char *in;
    size_t in_n;
    const struct tape_conversation *c;
    struct tape_mark *mark;
    uint32_t next; /* event */
    uint64_t due;
};

static struct tape tape;
static struct tape_mark *marks;
static struct talk talks[PARALLEL_MAX];

static void hang_up(struct talk *t)
{
    close(t->fd);
    free(t->in);
    *t = (struct talk){.fd = -1};
}

/* Answers are small beside a socket's buffer: a reader that waits makes nobody else wait. False: it is gone. */
static bool say(struct talk *t, const char *p, size_t n)
{
    while (n > 0) {
        const ssize_t sent = send(t->fd, p, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* ---- what is said ---- */

/* An event of the recorded size: what is left over goes into the answer's id, which is as long in each. */
static size_t write_event(const struct tape_event *e, bool first, bool last, char ret[EVENT_MAX])
{
    static const char fill[] =
        "................................................................................................................................";
    char text[EVENT_MAX / 2], delta[EVENT_MAX / 2 + 64];
    int fixed, pad;

    errno = 0;
    if (last && e->bytes == strlen(DONE)) {
        memcpy(ret, DONE, e->bytes);
        return e->bytes;
    }
    if (e->own >= sizeof(text))
        tape_fail("an event is too long");
    memset(text, TAPE_TEXT, e->own);
    text[e->own] = 0;
    if (e->own > 0)
        snprintf(delta, sizeof(delta), "null,\"index\":0,\"delta\":{\"content\":\"%s\"}", text);
    else if (first)
        snprintf(delta, sizeof(delta),
                 "null,\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}");
    else
        snprintf(delta, sizeof(delta), "\"stop\",\"index\":0,\"delta\":{}");
    pad = 0;
    for (int round = 0; round < 2; round++) {
        fixed = snprintf(
            ret, EVENT_MAX,
            "data: {\"choices\":[{\"finish_reason\":%s}],\"created\":1700000000,"
            "\"id\":\"chatcmpl-%.*s\",\"model\":\"m\",\"object\":\"chat.completion.chunk\"}\n\n",
            delta, pad, fill);
        pad = (int)e->bytes - fixed;
        if (pad < 0 || pad >= (int)sizeof(fill))
            tape_fail("an event's size can't be made");
        if (pad == 0)
            break;
    }
    return e->bytes;
}

/* All that is due by now. */
static void go_on(struct talk *t, uint64_t now)
{
    const struct tape_conversation *c = t->c;
    char event[EVENT_MAX], chunk[EVENT_MAX + 32];

    while (t->next < c->events && t->due <= now) {
        const struct tape_event *e = &c->event[t->next];
        const size_t n = write_event(e, t->next == 0, t->next + 1 == c->events, event);
        const int m = snprintf(chunk, sizeof(chunk), "%zx\r\n%.*s\r\n", n, (int)n, event);

        if (e->own > 0) {
            t->mark->last = tape_now();
            if (t->mark->first == 0)
                t->mark->first = t->mark->last;
        }
        if (!say(t, chunk, (size_t)m)) {
            hang_up(t);
            return;
        }
        if (++t->next < c->events)
            t->due += (uint64_t)c->event[t->next].us * 1000;
    }
    if (t->next == c->events) {
        (void)say(t, "0\r\n\r\n", 5);
        hang_up(t);
    }
}

/* ---- what is asked ---- */

static void answer(struct talk *t, const char *body)
{
    static const char other[] =
        "{\"status\":\"ok\",\"object\":\"list\",\"data\":[{\"id\":\"m\",\"object\":\"model\"}]}";
    char head[256];
    unsigned i = 0;

    if (strncmp(t->in, "POST ", 5) != 0) {
        snprintf(head, sizeof(head),
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                 "Connection: close\r\n\r\n",
                 strlen(other));
        (void)(say(t, head, strlen(head)) && say(t, other, strlen(other)));
        hang_up(t);
        return;
    }
    errno = 0;
    if ((body = strstr(body, "replay ")) == NULL || sscanf(body, TAPE_QUESTION, &i) != 1 ||
        i >= tape.count)
        tape_fail("a question");
    if (!say(t, HEAD, strlen(HEAD))) {
        hang_up(t);
        return;
    }
    t->c = &tape.conversation[i];
    t->mark = &marks[i];
    *t->mark = (struct tape_mark){0};
    t->due = tape_now() + (uint64_t)t->c->event[0].us * 1000;
}

/* A question has come once its whole body has. */
static void hear(struct talk *t)
{
    const ssize_t n = recv(t->fd, t->in + t->in_n, REQUEST_MAX - t->in_n, MSG_DONTWAIT);
    const char *body, *length;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || t->in_n + (size_t)n >= REQUEST_MAX) {
        hang_up(t);
        return;
    }
    t->in_n += (size_t)n;
    t->in[t->in_n] = 0;
    if (t->c != NULL || (body = strstr(t->in, "\r\n\r\n")) == NULL)
        return;
    body += 4;
    length = strcasestr(t->in, "\r\nContent-Length:");
    if (length != NULL && length < body &&
        t->in_n - (size_t)(body - t->in) < strtoul(length + 17, NULL, 10))
        return;
    answer(t, body);
}

static void let_in(int listener, int loop)
{
    struct epoll_event ev = {.events = EPOLLIN};
    struct talk *t = talks;

    while (t < talks + PARALLEL_MAX && t->fd >= 0)
        t++;
    errno = 0;
    if (t == talks + PARALLEL_MAX || (t->in = malloc(REQUEST_MAX)) == NULL)
        tape_fail("too many connections");
    if ((t->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
        tape_fail("accept");
    ev.data.ptr = t;
    if (epoll_ctl(loop, EPOLL_CTL_ADD, t->fd, &ev) != 0)
        tape_fail("epoll");
}

static int listen_at(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0 ||
        listen(fd, PARALLEL_MAX) != 0)
        tape_fail(path);
    return fd;
}

/* The next event of all, from `now` on; UINT64_MAX: none is planned. */
static uint64_t pending(void)
{
    uint64_t due = UINT64_MAX;

    for (const struct talk *t = talks; t < talks + PARALLEL_MAX; t++)
        if (t->fd >= 0 && t->c != NULL && t->due < due)
            due = t->due;
    return due;
}

int main(int argc, char **argv)
{
    const int loop = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN}, got[64];
    int listener;

    if (argc != 4) {
        fprintf(stderr, "Usage: bench_leak_engine SOCKET TAPE MARKS\n");
        return 1;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    tape_load(argv[2], &tape);
    marks = tape_marks(argv[3], &tape);
    for (struct talk *t = talks; t < talks + PARALLEL_MAX; t++)
        t->fd = -1;
    listener = listen_at(argv[1]);
    if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, listener, &ev) != 0)
        tape_fail("epoll");
    for (;;) {
        const uint64_t due = pending(), now = tape_now(), wait = due > now ? due - now : 0;
        const struct timespec ts = {(time_t)(wait / 1000000000), (long)(wait % 1000000000)};
        const int n = epoll_pwait2(loop, got, 64, due == UINT64_MAX ? NULL : &ts, NULL);

        for (int i = 0; i < n; i++) {
            if (got[i].data.ptr == NULL)
                let_in(listener, loop);
            else
                hear(got[i].data.ptr);
        }
        for (struct talk *t = talks; t < talks + PARALLEL_MAX; t++)
            if (t->fd >= 0 && t->c != NULL && t->due <= tape_now())
                go_on(t, tape_now());
    }
}
