/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks cloisterd for each recorded conversation again, and notes what somebody sees who watches the network, and when the user sees text:
 *
 *   bench_leak_ask PORT POLICY KEY-FILE TAPE MARKS OUT PARALLEL GAP-US
 *
 * Conversations begin at random, GAP-US apart in the mean, and no more than PARALLEL go on at a time; each has a connection of its own. What is watched is
 * when each segment of an answer came, by the kernel's own time of its arrival, and how many bytes it brought; these processes' own waiting isn't in
 * it. Every answer is also decrypted as it comes: it must be whole, with all its text, or the run fails.
 *
 * OUT: of each conversation 32-bit numbers: its own, segments, when text existed (first, last) and when it could be seen (first, last), in microseconds after the request;
 * then of each segment microseconds after the request, and bytes.
 */
#include <cloister/cloister.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "codec/http1.h"
#include "tape.h"

#define PIECE_MAX    65536
#define EVIDENCE_MAX ((size_t)4 << 20)
#define SILENCE_MS   120000 /* nothing comes from anywhere: something hangs */

struct segment {
    uint32_t us, bytes;
};

/* One transfer: a conversation's or, without an exchange, evidence's. */
struct stream {
    int fd;
    struct cloister_exchange *x;
    struct clo_http1 *http;
    const char *want; /* media type */
    bool ended;
    char *text; /* evidence */
    size_t text_n;
    uint32_t number;
    uint64_t asked, first, last;
    uint32_t seen, half; /* characters of text, in whole events and in the one that is coming */
    bool line_end;       /* the last byte was one */
    struct segment *segment;
    size_t segments, room;
};

static struct tape tape;
static struct tape_mark *marks;
static uint16_t port;

static _Noreturn void refuse(const char *what, int err)
{
    fprintf(stderr, "%s: %s\n", what, cloister_strerror(err));
    exit(1);
}

/* ---- what comes ---- */

static int on_answer_head(void *ctx, unsigned status, const struct cloister_field *f, size_t n)
{
    (void)ctx, (void)f, (void)n;
    if (status != 200)
        fprintf(stderr, "inner status %u\n", status);
    return status == 200 ? 0 : CLOISTER_E_ENGINE;
}

/* Text can be seen when its event is whole: at a blank line. */
static int on_answer(void *ctx, const void *p, size_t n)
{
    struct stream *s = ctx;
    const char *at = p;

    for (size_t i = 0; i < n; i++) {
        s->half += at[i] == TAPE_TEXT;
        if (at[i] == '\n' && s->line_end && s->half > 0) {
            s->last = tape_now();
            if (s->seen == 0)
                s->first = s->last;
            s->seen += s->half;
            s->half = 0;
        }
        s->line_end = at[i] == '\n';
    }
    return 0;
}

static const struct cloister_answer_handler answer_handler = {.head = on_answer_head,
                                                              .content = on_answer};

static int on_head(void *ctx, const struct clo_http1_head *head)
{
    const struct stream *s = ctx;

    return head->status == 200 && strcmp(head->content_type, s->want) == 0 ? 0
                                                                           : CLOISTER_E_PROTOCOL;
}

static int on_body(void *ctx, const uint8_t *p, size_t n)
{
    struct stream *s = ctx;

    if (s->x != NULL)
        return cloister_exchange_feed(s->x, p, n, &answer_handler, s);
    if (n > EVIDENCE_MAX - s->text_n)
        return CLOISTER_E_LIMIT;
    memcpy(s->text + s->text_n, p, n);
    s->text_n += n;
    return 0;
}

static int on_end(void *ctx)
{
    struct stream *s = ctx;

    s->ended = true;
    return s->x != NULL ? cloister_exchange_end(s->x, &answer_handler, s) : 0;
}

static const struct clo_http1_handler http_handler = {on_head, on_body, on_end};

static void note(struct stream *s, uint64_t at, size_t n)
{
    if (s->segments == s->room) {
        s->room = s->room * 2 + 64;
        if ((s->segment = reallocarray(s->segment, s->room, sizeof(*s->segment))) == NULL)
            tape_fail("segments");
    }
    s->segment[s->segments++] = (struct segment){(uint32_t)((at - s->asked) / 1000), (uint32_t)n};
}

/* When the kernel got the last of these bytes. */
static uint64_t arrival(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        struct timespec ts;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&ts, CMSG_DATA(c), sizeof(ts));
        return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
    }
    errno = 0;
    tape_fail("the kernel tells no times");
}

/* What has come; true once all has. */
static bool hear(struct stream *s, int flags)
{
    static uint8_t piece[PIECE_MAX];
    char control[CMSG_SPACE(sizeof(struct timespec))];
    int err;

    while (!s->ended) {
        struct iovec iov = {piece, sizeof(piece)};
        struct msghdr m = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof(control)};
        const ssize_t n = recvmsg(s->fd, &m, flags);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return false;
        if (n < 0)
            tape_fail("recvmsg");
        if (n > 0)
            note(s, arrival(&m), (size_t)n);
        err = n > 0 ? clo_http1_feed(s->http, piece, (size_t)n) : clo_http1_eof(s->http);
        if (err != 0)
            refuse("an answer", err);
    }
    return true;
}

/* ---- what is sent ---- */

static void say(const struct stream *s, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) {
        const ssize_t sent = send(s->fd, at, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            tape_fail("send");
        at += sent;
        n -= (size_t)sent;
    }
}

static void begin(struct stream *s, const char *method, const char *path, const uint8_t *body,
                  size_t n)
{
    const struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int on = 1;
    char head[1024];
    int err;

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || setsockopt(s->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) != 0 ||
        setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        connect(s->fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0)
        tape_fail("connect");
    if ((err = clo_http1_new(&http_handler, s, &s->http)) != 0)
        refuse("http", err);
    snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: localhost\r\n", method, path);
    say(s, head, strlen(head));
    if (body != NULL) {
        snprintf(head, sizeof(head),
                 "Content-Type: message/ohttp-chunked-req\r\nIncremental: ?1\r\n"
                 "Content-Length: %zu\r\n",
                 n);
        say(s, head, strlen(head));
    }
    say(s, "\r\n", 2);
    if (body != NULL)
        say(s, body, n);
    s->asked = tape_now();
}

static void end(struct stream *s)
{
    close(s->fd);
    clo_http1_free(s->http);
    cloister_exchange_free(s->x);
    free(s->text);
    free(s->segment);
    *s = (struct stream){.fd = -1};
}

/* ---- a channel ---- */

static char *file(const char *path, size_t *ret_n)
{
    static char text[65536];
    FILE *f = fopen(path, "re");

    if (f == NULL)
        tape_fail(path);
    *ret_n = fread(text, 1, sizeof(text) - 1, f);
    text[*ret_n] = 0;
    fclose(f);
    return text;
}

static struct cloister_channel *verified(const char *policy_path)
{
    static struct cloister_verdict v;
    struct stream s = {.want = "application/json", .text = malloc(EVIDENCE_MAX)};
    struct cloister_channel *ret = NULL;
    struct cloister_policy *policy = NULL;
    struct cloister_evidence *e = NULL;
    struct cloister_nonce nonce;
    char path[CLOISTER_EVIDENCE_PATH_MAX];
    const char *text;
    size_t n = 0;
    int err;

    if (s.text == NULL)
        tape_fail("evidence");
    text = file(policy_path, &n);
    if ((err = cloister_policy_parse(text, n, &policy)) != 0 ||
        (err = cloister_evidence_request(time(NULL), true, &nonce, path)) != 0)
        refuse("policy", err);
    begin(&s, "GET", path, NULL, 0);
    while (!hear(&s, 0))
        ;
    if ((err = cloister_evidence_parse(s.text, s.text_n, &e)) != 0 ||
        (err = cloister_evidence_verify(e, &nonce, policy, cloister_roots_builtin(), time(NULL),
                                        &v)) != 0 ||
        (err = cloister_channel_open(&v, time(NULL), &ret)) != 0)
        refuse("evidence", err);
    cloister_evidence_free(e);
    cloister_policy_free(policy);
    end(&s);
    return ret;
}

/* ---- conversations ---- */

static void ask(struct stream *s, struct cloister_channel *c, const char *key, uint32_t number)
{
    struct cloister_request req = {.method = "POST",
                                   .path = "/v1/chat/completions",
                                   .api_key = key,
                                   .content_type = "application/json"};
    const uint8_t *body = NULL;
    char text[256];
    size_t n = 0;
    int err;

    *s = (struct stream){.fd = -1, .number = number, .want = "message/ohttp-chunked-res"};
    req.body_n = (size_t)snprintf(
        text, sizeof(text),
        "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\","
        "\"content\":\"" TAPE_QUESTION "\"}]}",
        number);
    req.body = text;
    if ((err = cloister_exchange_new(c, &req, time(NULL), &s->x)) != 0 ||
        (err = cloister_exchange_body(s->x, &body, &n)) != 0)
        refuse("a request", err);
    begin(s, "POST", cloister_channel_gateway(c), body, n);
}

static uint32_t since(const struct stream *s, uint64_t at)
{
    return at == 0 ? 0 : (uint32_t)((at - s->asked) / 1000);
}

static void write_down(const struct stream *s, FILE *out)
{
    const struct tape_mark *m = &marks[s->number];
    const uint32_t head[] = {s->number,         (uint32_t)s->segments, since(s, m->first),
                             since(s, m->last), since(s, s->first),    since(s, s->last)};

    errno = 0;
    if (s->seen != tape.conversation[s->number].text || !cloister_exchange_complete(s->x))
        tape_fail("an answer's text is not all there");
    if (fwrite(head, sizeof(head), 1, out) != 1 ||
        fwrite(s->segment, sizeof(*s->segment), s->segments, out) != s->segments)
        tape_fail("writing");
}

/* Exponentially distributed, so that no conversation's clock has a fixed place beside another's. */
static uint64_t gap(uint64_t mean_us)
{
    return (uint64_t)(-log(1 - drand48()) * (double)mean_us * 1000);
}

int main(int argc, char **argv)
{
    struct epoll_event ev = {.events = EPOLLIN}, got[64];
    const int loop = epoll_create1(EPOLL_CLOEXEC);
    struct cloister_channel *channel;
    uint32_t asked = 0, running = 0, parallel;
    struct stream *streams;
    uint64_t next, mean;
    char *key;
    size_t n = 0;
    FILE *out;

    if (argc != 9) {
        fprintf(stderr,
                "Usage: bench_leak_ask PORT POLICY KEY-FILE TAPE MARKS OUT PARALLEL GAP-US\n");
        return 1;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    port = (uint16_t)strtoul(argv[1], NULL, 10);
    channel = verified(argv[2]);
    key = file(argv[3], &n);
    key[strcspn(key, "\n")] = 0;
    tape_load(argv[4], &tape);
    marks = tape_marks(argv[5], &tape);
    parallel = (uint32_t)strtoul(argv[7], NULL, 10);
    mean = strtoul(argv[8], NULL, 10);
    streams = calloc(parallel, sizeof(*streams));
    if (loop < 0 || streams == NULL || (out = fopen(argv[6], "we")) == NULL)
        tape_fail(argv[6]);
    for (uint32_t i = 0; i < parallel; i++)
        streams[i].fd = -1;
    next = tape_now();
    while (asked < tape.count || running > 0) {
        const bool may = asked < tape.count && running < parallel;
        const uint64_t now = tape_now();
        int came, wait_ms = SILENCE_MS;

        if (may && now >= next) {
            struct stream *s = streams;

            while (s->fd >= 0)
                s++;
            ask(s, channel, key, asked++);
            running++;
            next += gap(mean);
            ev.data.ptr = s;
            if (epoll_ctl(loop, EPOLL_CTL_ADD, s->fd, &ev) != 0)
                tape_fail("epoll");
            continue;
        }
        if (may)
            wait_ms = (int)((next - now) / 1000000) + 1;
        if ((came = epoll_wait(loop, got, 64, wait_ms)) < 0 && errno != EINTR)
            tape_fail("epoll");
        errno = 0;
        if (came == 0 && !may)
            tape_fail("nothing comes any more");
        for (int i = 0; i < came; i++) {
            struct stream *s = got[i].data.ptr;

            if (!hear(s, MSG_DONTWAIT))
                continue;
            write_down(s, out);
            end(s);
            running--;
        }
    }
    if (fclose(out) != 0)
        tape_fail(argv[6]);
    free(streams);
    cloister_channel_free(channel);
    return 0;
}
