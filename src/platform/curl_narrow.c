/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl, narrowed down: see curl_narrow.h. */
#include "platform/curl_narrow.h"

#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    CONNECT_S = 10
};

/* A program that is started meanwhile has no business on our connections. */
static curl_socket_t on_open(void *ctx, curlsocktype why, struct curl_sockaddr *a)
{
    (void)ctx;
    (void)why;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/*
 * Some versions of libcurl keep as many lines behind the body as come, and undo every transfer coding that an answer names. What was packed a few
 * times over may take for ever to unpack, all in one call.
 */
static bool is_packed(const char *line, size_t n)
{
    static const char name[] = "Transfer-Encoding:", chunked[] = "chunked";
    const size_t name_n = sizeof name - 1, chunked_n = sizeof chunked - 1;

    if (n < name_n || strncasecmp(line, name, name_n) != 0)
        return false;
    for (line += name_n, n -= name_n; n > 0 && (*line == ' ' || *line == '\t'); n--)
        line++;
    while (n > 0 && strchr("\r\n\t ", line[n - 1]) != NULL) /* a zero byte counts as one of these */
        n--;
    return n != chunked_n || strncasecmp(line, chunked, chunked_n) != 0;
}

/* The types are libcurl's. NOLINTNEXTLINE(readability-non-const-parameter) */
static size_t on_head(char *p, size_t size, size_t n, void *ctx)
{
    size_t *head = ctx;

    (void)size; /* always 1 */
    if (n > CLO_CURL_HEAD_MAX - *head || is_packed(p, n))
        return CURL_WRITEFUNC_ERROR;
    *head += n;
    return n;
}

bool clo_curl_narrow(CURL *easy, const char *url, size_t *head)
{
    *head = 0;
#define SET(option, value) (curl_easy_setopt(easy, (option), (value)) == CURLE_OK)
    return SET(CURLOPT_URL, url) &&
#if LIBCURL_VERSION_NUM >= 0x075500
           SET(CURLOPT_PROTOCOLS_STR, "http,https") &&
#else
           SET(CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS) &&
#endif
           SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_NOSIGNAL, 1L) &&
           SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) && SET(CURLOPT_FRESH_CONNECT, 1L) &&
           SET(CURLOPT_FORBID_REUSE, 1L) && SET(CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S) &&
           SET(CURLOPT_OPENSOCKETFUNCTION, on_open) && SET(CURLOPT_HEADERFUNCTION, on_head) &&
           SET(CURLOPT_HEADERDATA, head);
#undef SET
}
