/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proxy's guard: lines of method, path, Host, Origin and Authorization, an empty one for a field that isn't there. Nothing may
 * pass under a foreign name, from a foreign page, or, but for the health check, without the token.
 */
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "client/proxy/guard.h"
#include "fuzz.h"

#define TOKEN  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define ORIGIN "http://localhost:3000"

enum {
    LINES = 5
};

static bool is_one_of(const char *s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcasecmp(s, list[i]) == 0)
            return true;
    }
    return false;
}

static void check_pass(const struct clo_guard_asked *a, const struct clo_guard_answer *r)
{
    static const char *const hosts[] = {"127.0.0.1:8787", "localhost:8787", "[::1]:8787"};
    static const char *const origins[] = {ORIGIN, "http://127.0.0.1:8787", "http://localhost:8787",
                                          "http://[::1]:8787"};

    FUZZ_CHECK(a->host != NULL && is_one_of(a->host, hosts, CLO_ARRAY_LEN(hosts)));
    FUZZ_CHECK(a->origin == NULL || is_one_of(a->origin, origins, CLO_ARRAY_LEN(origins)));
    FUZZ_CHECK(r->cors == (a->origin != NULL && strcmp(a->origin, ORIGIN) == 0));
    if (r->ruling == CLO_RULING_PREFLIGHT) {
        FUZZ_CHECK(r->cors && r->route == CLO_ROUTE_NONE && strcmp(a->method, "OPTIONS") == 0);
        return;
    }
    FUZZ_CHECK(!a->query && r->route != CLO_ROUTE_NONE && strcmp(r->path, a->path) == 0);
    FUZZ_CHECK(r->route == CLO_ROUTE_HEALTH ||
               (a->authorization != NULL && strstr(a->authorization, " " TOKEN) != NULL));
    FUZZ_CHECK((strcmp(a->method, "POST") == 0) == (r->route == CLO_ROUTE_ASK));
    for (const char *c = r->path; *c != '\0'; c++)
        FUZZ_CHECK(*c > ' ' && *c < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct clo_guard g = {
        .host = "127.0.0.1", .port = 8787, .token = TOKEN, .origin = ORIGIN};
    struct clo_guard_answer r = {0};
    struct clo_guard_asked a = {0};
    const char *line[LINES] = {0};
    char *text, *at;

    if (size < 1 || (text = malloc(size)) == NULL)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    at = text;
    for (size_t i = 0; i < LINES; i++)
        line[i] = at != NULL ? strsep(&at, "\n") : NULL;
    a.method = line[0] != NULL ? line[0] : "";
    a.path = line[1] != NULL ? line[1] : "";
    a.host = line[2];
    a.origin = line[3] != NULL && line[3][0] != '\0' ? line[3] : NULL;
    a.authorization = line[4];
    a.query = (data[0] & 1) != 0;
    a.repeated = (data[0] & 2) != 0;
    clo_guard_judge(&g, &a, &r);
    FUZZ_CHECK(!a.repeated || r.ruling == CLO_RULING_REPEATED);
    if (r.ruling == CLO_RULING_PASS || r.ruling == CLO_RULING_PREFLIGHT)
        check_pass(&a, &r);
    else
        FUZZ_CHECK(r.route == CLO_ROUTE_NONE && r.path[0] == '\0');
    free(text);
    return 0;
}
