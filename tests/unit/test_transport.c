/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outer HTTP against a scripted server on loopback: what is taken for an answer, how failures are named, and that a POST
 * goes out at most once whatever the server does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/transport.h"
#include "codec/ohttp.h"

/* Each connection gets the reply once its request is complete, and is closed. */
struct server {
    int fd;
    pthread_t thread;
    const char *reply;
    size_t reply_n;
    unsigned connections, requests;
    char head[4096]; /* of the last request */
    char url[64];
};

static size_t content_length(const char *head)
{
    const char *p = strcasestr(head, "content-length:");

    return p != NULL ? strtoul(p + 15, NULL, 10) : 0;
}

static void serve_one(struct server *s, int fd)
{
    char buf[65536] = {0};
    size_t n = 0;

    for (;;) {
        const char *end = strstr(buf, "\r\n\r\n");
        ssize_t got;

        if (end != NULL && n >= (size_t)(end + 4 - buf) + content_length(buf))
            break;
        got = read(fd, buf + n, sizeof(buf) - 1 - n);
        if (got <= 0)
            return;
        n += (size_t)got;
        buf[n] = '\0';
    }
    s->requests++;
    *strstr(buf, "\r\n\r\n") = '\0';
    snprintf(s->head, sizeof(s->head), "%.4000s", buf);
    if (s->reply_n > 0)
        assert_int_equal(write(fd, s->reply, s->reply_n), s->reply_n);
}

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd;

    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        s->connections++;
        serve_one(s, fd);
        close(fd);
    }
    return NULL;
}

static void server_start(struct server *s, const char *reply)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);

    *s = (struct server){.reply = reply, .reply_n = strlen(reply)};
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(s->fd, 8), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &n), 0);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u/prefix/", ntohs(a.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static int to_buf(void *ctx, const void *p, size_t n)
{
    return clo_buf_append(ctx, p, n);
}

static int post(const char *url, const char *reply, struct server *s, struct clo_buf *out,
                struct clo_reply *r)
{
    struct clo_post p = {
        .path = "/r/0123456789abcdef",
        .type = CLO_OHTTP_MEDIA_CHUNKED_REQ,
        .accept = CLO_OHTTP_MEDIA_CHUNKED_RES,
        .body = "sealed",
        .body_n = 6,
        .sink = to_buf,
        .ctx = out,
    };
    struct clo_transport *t = NULL;
    int err;

    if (reply != NULL)
        server_start(s, reply);
    assert_int_equal(clo_transport_new(reply != NULL ? s->url : url, &t), 0);
    err = clo_transport_post(t, &p, r);
    clo_transport_free(t);
    if (reply != NULL)
        server_stop(s);
    return err;
}

static int get(const char *reply, struct server *s, struct clo_buf *out, struct clo_reply *r)
{
    struct clo_transport *t = NULL;
    int err;

    server_start(s, reply);
    assert_int_equal(clo_transport_new(s->url, &t), 0);
    err = clo_transport_get(t, "/x", "application/json", out, r);
    clo_transport_free(t);
    server_stop(s);
    return err;
}

#define OK(type, body) "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\nContent-Length: 4\r\n\r\n" body

static void an_answer_of_the_right_type_is_taken(void **state)
{
    struct clo_buf out = clo_buf_init(100);
    struct clo_reply r;
    struct server s;
    (void)state;

    assert_int_equal(post(NULL, OK("message/ohttp-chunked-res", "abcd"), &s, &out, &r), 0);
    assert_int_equal(out.len, 4);
    assert_int_equal(r.status, 200);
    assert_true(r.sent);
    assert_non_null(strstr(s.head, "POST /prefix/r/0123456789abcdef HTTP/1.1\r\n"));
    assert_non_null(strstr(s.head, "Content-Type: message/ohttp-chunked-req"));
    assert_non_null(strstr(s.head, "Accept: message/ohttp-chunked-res"));
    assert_non_null(strstr(s.head, "Incremental: ?1"));
    assert_null(strcasestr(s.head, "expect:"));
    assert_null(strcasestr(s.head, "user-agent:"));
    assert_null(strcasestr(s.head, "cookie:"));
    clo_buf_clear(&out);
}

static void every_other_answer_is_an_error_and_sent_once(void **state)
{
    static const struct {
        const char *reply;
        int err;
        enum clo_net net;
    } cases[] = {
        {"", CLOISTER_E_NETWORK, CLO_NET_BROKEN},                   /* closed without a word */
        {"HTTP/1.1 200 OK\r\n", CLOISTER_E_PROTOCOL, CLO_NET_TYPE}, /* cut in its head */
        {"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-chunked-res\r\nContent-Length: 9\r\n\r\nabcd",
         CLOISTER_E_NETWORK, CLO_NET_BROKEN},
        {"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-chunked-res\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n",
         CLOISTER_E_NETWORK, CLO_NET_BROKEN},
        /* packed: what it says is of no interest */
        {"HTTP/1.1 200 OK\r\nContent-Type: message/ohttp-chunked-res\r\nTransfer-Encoding: deflate, chunked\r\n\r\n1b\r\n"
         "\170\234\313\311\052\056\112\311\317\114\251\112\312\112\054\051\113\114\316\003\262\322\001\141\047\010\306\r\n0\r\n\r\n",
         CLOISTER_E_NETWORK, CLO_NET_BROKEN},
        {OK("message/ohttp-res", "abcd"), CLOISTER_E_PROTOCOL, CLO_NET_TYPE},
        {OK("message/ohttp-chunked-resx", "abcd"), CLOISTER_E_PROTOCOL, CLO_NET_TYPE},
        {OK("text/html", "abcd"), CLOISTER_E_PROTOCOL, CLO_NET_TYPE},
        {"HTTP/1.1 201 Created\r\nContent-Type: message/ohttp-chunked-res\r\nContent-Length: 4\r\n\r\nabcd",
         CLOISTER_E_PROTOCOL, CLO_NET_STATUS},
        {"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_PROTOCOL,
         CLO_NET_STATUS},
        {"HTTP/1.1 307 Go\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
         CLOISTER_E_PROTOCOL, CLO_NET_STATUS},
        {"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n",
         CLOISTER_E_PROTOCOL, CLO_NET_STATUS},
        {"HTTP/1.1 408 Late\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_PROTOCOL,
         CLO_NET_STATUS},
        {"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_PROTOCOL, CLO_NET_STATUS},
        {"HTTP/1.1 425 Early\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_PROTOCOL, CLO_NET_STATUS},
        {"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_PROTOCOL, CLO_NET_STATUS},
        {"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\nWWW-Authenticate: NTLM\r\n"
         "WWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n",
         CLOISTER_E_PROTOCOL, CLO_NET_STATUS},
        {"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n",
         CLOISTER_E_PROTOCOL, CLO_NET_STATUS},
        {"HTTP/1.1 421 Elsewhere\r\nContent-Length: 0\r\n\r\n", CLOISTER_E_PROTOCOL,
         CLO_NET_STATUS},
        {"HTTP/1.1 103 Soon\r\n\r\n", CLOISTER_E_PROTOCOL, CLO_NET_STATUS},
        {"HTTP/1.1 101 Other\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nabcd",
         CLOISTER_E_PROTOCOL, CLO_NET_STATUS},
        {"abcd\r\n", CLOISTER_E_NETWORK, CLO_NET_BROKEN}, /* HTTP/0.9 */
    };
    (void)state;

    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
        struct clo_buf out = clo_buf_init(100);
        struct clo_reply r;
        struct server s;

        assert_int_equal(post(NULL, cases[i].reply, &s, &out, &r), cases[i].err);
        assert_int_equal(r.net, cases[i].net);
        assert_true(r.sent);
        assert_false(r.keys_changed);
        assert_int_equal(s.requests, 1);
        assert_int_equal(s.connections, 1);
        clo_buf_clear(&out);
    }
}

static void a_post_after_a_kept_alive_reply_has_its_own_connection(void **state)
{
    struct clo_buf out = clo_buf_init(100);
    struct clo_transport *t = NULL;
    struct clo_post p = {
        .path = "/p",
        .type = "a/b",
        .accept = "message/ohttp-chunked-res",
        .body = "x",
        .body_n = 1,
        .sink = to_buf,
        .ctx = &out,
    };
    struct clo_reply r;
    struct server s;
    (void)state;

    /* The reply allows keeping the connection; the server closes it anyway: a reused one would be found dead. */
    server_start(&s, OK("message/ohttp-chunked-res", "abcd"));
    assert_int_equal(clo_transport_new(s.url, &t), 0);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(clo_transport_post(t, &p, &r), 0);
        assert_int_equal(s.connections, i);
        assert_int_equal(s.requests, i);
    }
    clo_transport_free(t);
    server_stop(&s);
    clo_buf_clear(&out);
}

static void an_unknown_key_is_told_by_its_problem_type(void **state)
{
    static const char reply[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: 68\r\n\r\n"
        "{\"type\":\"https://iana.org/assignments/http-problem-types#ohttp-key\"}";
    struct clo_buf out = clo_buf_init(100);
    struct clo_reply r;
    struct server s;
    (void)state;

    assert_int_equal(post(NULL, reply, &s, &out, &r), CLOISTER_E_KEYS_CHANGED);
    assert_true(r.keys_changed);
    assert_int_equal(s.requests, 1);
    assert_int_equal(out.len, 0);
    clo_buf_clear(&out);
}

static void retry_after_is_told(void **state)
{
    struct clo_buf out = clo_buf_init(100);
    struct clo_reply r;
    struct server s;
    (void)state;

    assert_int_equal(
        get("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", &s, &out, &r),
        CLOISTER_E_PROTOCOL);
    assert_int_equal(r.status, 503);
    assert_int_equal(r.retry_after, 7);
    clo_buf_clear(&out);
}

static void a_longer_body_than_allowed_is_refused(void **state)
{
    struct clo_buf out = clo_buf_init(3);
    struct clo_reply r;
    struct server s;
    (void)state;

    assert_int_equal(get(OK("application/json", "abcd"), &s, &out, &r), CLOISTER_E_LIMIT);
    assert_int_equal(r.net, CLO_NET_LIMIT);
    clo_buf_clear(&out);
}

static void redirects_are_not_followed(void **state)
{
    struct clo_buf out = clo_buf_init(100);
    struct clo_reply r;
    struct server s;
    (void)state;

    assert_int_equal(
        get("HTTP/1.1 302 Go\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n", &s, &out, &r),
        CLOISTER_E_PROTOCOL);
    assert_int_equal(s.requests, 1);
    clo_buf_clear(&out);
}

static void nobody_there_means_not_sent(void **state)
{
    struct clo_buf out = clo_buf_init(100);
    struct clo_reply r;
    struct server s;
    char url[64];
    (void)state;

    server_start(&s, "");
    strcpy(url, s.url);
    server_stop(&s);
    assert_int_equal(post(url, NULL, NULL, &out, &r), CLOISTER_E_NETWORK);
    assert_int_equal(r.net, CLO_NET_CONNECT);
    assert_false(r.sent);
    assert_int_equal(post("http://name.invalid", NULL, NULL, &out, &r), CLOISTER_E_NETWORK);
    assert_int_equal(r.net, CLO_NET_RESOLVE);
    assert_false(r.sent);
}

static void a_stop_ends_the_wait_at_once(void **state)
{
    struct clo_buf out = clo_buf_init(100);
    struct clo_transport *t = NULL;
    struct clo_reply r;
    int fds[2], fd;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    char url[64];
    (void)state;

    /* A server that never answers. */
    fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(a.sin_port));
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "", 1), 1);
    assert_int_equal(clo_transport_new(url, &t), 0);
    clo_transport_stop_fd(t, fds[0]);
    assert_int_equal(clo_transport_get(t, "/", NULL, &out, &r), CLOISTER_E_CANCELLED);
    clo_transport_free(t);
    close(fd);
    close(fds[0]);
    close(fds[1]);
}

/* What a relay says instead of an answer may have no end. */
static void *talk_on(void *arg)
{
    static const char error[] = "HTTP/1.1 502 Bad\r\nContent-Type: text/html\r\n\r\n<p>";
    char buf[4096];
    int *at = arg, fd = accept(at[0], NULL, NULL);

    (void)!read(fd, buf, sizeof(buf));
    (void)!write(fd, error, sizeof(error) - 1);
    while (read(fd, buf, sizeof(buf)) > 0) /* until the client has gone */
        ;
    close(fd);
    return NULL;
}

static void an_error_is_told_without_waiting_for_its_end(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct clo_buf out = clo_buf_init(100);
    socklen_t n = sizeof(a);
    struct clo_reply r;
    pthread_t thread;
    char url[64];
    int fd;
    (void)state;

    fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    assert_int_equal(pthread_create(&thread, NULL, talk_on, &fd), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(a.sin_port));
    assert_int_equal(post(url, NULL, NULL, &out, &r), CLOISTER_E_PROTOCOL);
    assert_int_equal(r.net, CLO_NET_STATUS);
    assert_int_equal(r.status, 502);
    pthread_join(thread, NULL);
    close(fd);
}

/* A proxy that nobody listens on: what reaches a name's lookup went around it. */
static void only_this_machine_is_reached_without_the_proxy(void **state)
{
    static const char *const elsewhere[] = {"http://name.invalid", "http://127.name.invalid"};
    struct clo_buf out = clo_buf_init(100);
    struct clo_reply r;
    struct server s;
    (void)state;

    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    for (size_t i = 0; i < CLO_ARRAY_LEN(elsewhere); i++) {
        assert_int_equal(post(elsewhere[i], NULL, NULL, &out, &r), CLOISTER_E_NETWORK);
        assert_int_equal(r.net, CLO_NET_CONNECT);
    }
    assert_int_equal(post(NULL, OK(CLO_OHTTP_MEDIA_CHUNKED_RES, "abcd"), &s, &out, &r), 0);
    assert_int_equal(unsetenv("http_proxy"), 0);
    clo_buf_clear(&out);
}

static void addresses_with_anything_odd_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "localhost:8080",
                                      "ftp://host/",
                                      "file:///etc/passwd",
                                      "http://",
                                      "http://user:pass@host/",
                                      "http://host/?query",
                                      "http://host/#fragment",
                                      "http://ho st/"};
    struct clo_transport *t = NULL;
    (void)state;

    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        assert_int_equal(clo_transport_new(bad[i], &t), CLOISTER_E_ARGUMENT);
        assert_null(t);
    }
    assert_int_equal(clo_transport_new("https://relay.example/one/", &t), 0);
    assert_string_equal(clo_transport_url(t), "https://relay.example/one");
    clo_transport_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_of_the_right_type_is_taken),
        cmocka_unit_test(every_other_answer_is_an_error_and_sent_once),
        cmocka_unit_test(a_post_after_a_kept_alive_reply_has_its_own_connection),
        cmocka_unit_test(an_unknown_key_is_told_by_its_problem_type),
        cmocka_unit_test(retry_after_is_told),
        cmocka_unit_test(a_longer_body_than_allowed_is_refused),
        cmocka_unit_test(redirects_are_not_followed),
        cmocka_unit_test(nobody_there_means_not_sent),
        cmocka_unit_test(a_stop_ends_the_wait_at_once),
        cmocka_unit_test(an_error_is_told_without_waiting_for_its_end),
        cmocka_unit_test(only_this_machine_is_reached_without_the_proxy),
        cmocka_unit_test(addresses_with_anything_odd_are_refused),
    };

    return cmocka_run_group_tests_name("transport", tests, NULL, NULL);
}
