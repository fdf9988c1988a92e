/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, narrowed down, for whoever uses it: HTTP and HTTPS alone, HTTP/1.1 (HTTP/2 may repeat a refused stream), no redirects, no
 * netrc, no cookies, a fresh connection for each transfer that no program started meanwhile inherits, 10 s to connect, no signals.
 * Of an answer's head and tail CLO_CURL_HEAD_MAX bytes, and nothing is unpacked: a few bytes could keep the process busy for ever.
 * Time limits, the body's size, proxies and what is sent are the caller's.
 */
#ifndef CLO_PLATFORM_CURL_NARROW_H
#define CLO_PLATFORM_CURL_NARROW_H

#include <curl/curl.h>

#include "base/base.h"

/* Every answer's to one request, interim ones and a proxy's among them; beyond, the transfer ends with CURLE_WRITE_ERROR. */
#define CLO_CURL_HEAD_MAX ((size_t)128 << 10)

/* False: libcurl refused an option, and the handle must not be used. url is copied; *head is counted in, as long as easy lives. */
CLO_MUST_USE bool clo_curl_narrow(CURL *easy, const char *url, size_t *head);

#endif
