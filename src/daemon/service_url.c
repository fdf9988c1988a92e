/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The URLs of services, as the configuration may name them: see messages.h. A small part of RFC 3986, so that whoever asks there
 * can't read them otherwise.
 */
#include <string.h>
#include <strings.h>

#include "daemon/messages.h"

#define DIGITS        "0123456789"
#define LETTERS       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define INSTANCE_HOST "169.254.169.254"

struct parts {
    bool tls;
    const char *host; /* with its brackets */
    size_t host_n;
    const char *path; /* to the end */
};

/* Four numbers up to 255: no name, whatever a resolver makes of others. */
static bool is_ipv4(const char *s, size_t n)
{
    unsigned dots = 0, value = 0;
    size_t digits = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] == '.') {
            if (digits == 0 || ++dots > 3)
                return false;
            digits = value = 0;
        } else {
            value = value * 10 + (unsigned)(s[i] - '0');
            if (s[i] < '0' || s[i] > '9' || ++digits > 3 || value > 255)
                return false;
        }
    }
    return dots == 3 && digits > 0;
}

static bool host_is(const struct parts *u, const char *name)
{
    return u->host_n == strlen(name) && strncasecmp(u->host, name, u->host_n) == 0;
}

static bool is_loopback(const struct parts *u)
{
    return host_is(u, "localhost") || host_is(u, "[::1]") ||
           (strncmp(u->host, "127.", 4) == 0 && is_ipv4(u->host, u->host_n));
}

static bool take_host(const char **at, struct parts *u)
{
    const char *s = *at;

    u->host = s;
    if (*s == '[') {
        s += 1 + strspn(s + 1, DIGITS "abcdefABCDEF:.");
        if (s == u->host + 1 || *s++ != ']')
            return false;
    } else {
        s += strspn(s, LETTERS DIGITS ".-");
        if (s == u->host || *u->host == '.' || *u->host == '-')
            return false;
    }
    u->host_n = (size_t)(s - u->host);
    *at = s;
    return true;
}

static bool take_port(const char **at)
{
    unsigned port = 0;
    const char *s = *at;

    if (*s != ':')
        return true;
    for (s++; *s >= '0' && *s <= '9'; s++) {
        if ((port = port * 10 + (unsigned)(*s - '0')) > 65535)
            return false;
    }
    *at = s;
    return port > 0;
}

static bool split(const char *url, struct parts *ret)
{
    struct parts u = {0};

    if (strncmp(url, "https://", 8) == 0)
        u.tls = true;
    else if (strncmp(url, "http://", 7) != 0)
        return false;
    url += u.tls ? 8 : 7;
    if (!take_host(&url, &u) || !take_port(&url))
        return false;
    u.path = url;
    if (*url != '\0' && *url != '/')
        return false;
    *ret = u;
    return url[strspn(url, LETTERS DIGITS "/._~-")] == '\0';
}

bool clo_service_url_ok(const char *url, enum clo_url_use use)
{
    struct parts u = {0};

    if (url[0] == '\0')
        return true;
    if (!split(url, &u))
        return false;
    if (use == CLO_URL_PROXY)
        return u.path[0] == '\0' || strcmp(u.path, "/") == 0;
    return u.tls || is_loopback(&u) || (use == CLO_URL_INSTANCE && host_is(&u, INSTANCE_HOST));
}

bool clo_service_url_is_near(const char *url)
{
    struct parts u = {0};

    return split(url, &u) && (is_loopback(&u) || host_is(&u, INSTANCE_HOST));
}
