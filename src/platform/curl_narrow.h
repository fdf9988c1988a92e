/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, narrowed down, for whoever uses it: HTTP and HTTPS alone, HTTP/1.1 (HTTP/2 may repeat a refused stream), no redirects, no
 * netrc, no cookies, a fresh connection for each transfer that no program started meanwhile inherits, 10 s to connect, no signals.
 * Time limits, sizes, proxies and what is sent are the caller's.
 */
#ifndef CLO_PLATFORM_CURL_NARROW_H
#define CLO_PLATFORM_CURL_NARROW_H

#include <curl/curl.h>

#include "base/base.h"

/* False: libcurl refused an option, and the handle must not be used. url is copied. */
CLO_MUST_USE bool clo_curl_narrow(CURL *easy, const char *url);

#endif
