/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon's fetcher makes of the network's and the configuration's bytes. The first byte chooses: issuers in a header, a quote in
 * JSON, or a URL.
 */
#include <string.h>

#include "daemon/fetcher/url.h"
#include "fuzz.h"

enum {
    ROOM = 4096
};

static void chain(const uint8_t *p, size_t n)
{
    struct clo_buf b = clo_buf_init(ROOM);

    if (clo_chain_header_decode((const char *)p, n, &b) == 0) {
        FUZZ_CHECK(b.len > 0 && b.len <= ROOM && b.len <= n);
        for (size_t i = 0; i < b.len; i++)
            FUZZ_CHECK(b.p[i] == '\n' || b.p[i] == '\r' || (b.p[i] >= ' ' && b.p[i] <= '~'));
    }
    clo_buf_clear(&b);
}

static void quote(const uint8_t *p, size_t n)
{
    struct clo_buf b = clo_buf_init(ROOM);
    int err = clo_azure_quote_decode(p, n, &b);

    FUZZ_CHECK(err == 0 ? b.len > 0 && b.len <= ROOM && b.len < n : b.len == 0);
    clo_buf_clear(&b);
}

static void url(const uint8_t *p, size_t n)
{
    char s[CLO_STR_MAX] = "";
    struct clo_fetcher_start start = {.online = 1};
    const struct clo_want w = {.kind = CLO_WANT_AMD_CRL};
    struct clo_service_request r;

    if (n >= sizeof s)
        return;
    memcpy(s, p, n);
    /* what is enough for a service is enough for the instance's, and a URL of this machine is one */
    FUZZ_CHECK(!clo_service_url_ok(s, CLO_URL_SERVICE) || clo_service_url_ok(s, CLO_URL_INSTANCE));
    if (!clo_service_url_ok(s, CLO_URL_SERVICE))
        return;
    FUZZ_CHECK(s[0] == '\0' || strncmp(s, "https://", 8) == 0 || clo_service_url_is_near(s));
    memcpy(start.amd, s, sizeof start.amd);
    FUZZ_CHECK(clo_service_request_make(&start, &w, &r) == 0);
    FUZZ_CHECK(strlen(r.url) > 4 && strcmp(r.url + strlen(r.url) - 4, "/crl") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const reader[])(const uint8_t *p, size_t n) = {chain, quote, url};

    if (size < 1)
        return 0;
    reader[data[0] % CLO_ARRAY_LEN(reader)](data + 1, size - 1);
    return 0;
}
