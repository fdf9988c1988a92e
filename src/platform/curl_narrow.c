/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl, narrowed down: see curl_narrow.h. */
#include "platform/curl_narrow.h"

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

bool clo_curl_narrow(CURL *easy, const char *url)
{
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
           SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
#undef SET
}
