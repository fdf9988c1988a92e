/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transport for <cloister/client.h> over libcurl, to be copied. Its context is the URL of the server or relay.
 *
 * Each request has a handle of its own: on a kept connection that turns out to be dead libcurl would send the request again. For the
 * same reason HTTP/1.1 (HTTP/2 repeats what a server refused) and no Expect. Evidence comes within half a minute, or a hostile server
 * could keep us waiting; an answer may take its time, but not fall silent for five minutes.
 */
#include <cloister/client.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct transfer {
    CURL *easy;
    const char *accept;
    cloister_sink sink;
    void *sink_ctx;
    int err;
};

static bool is_wanted(const struct transfer *x)
{
    const char *type = NULL;
    long status = 0;

    return curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
           curl_easy_getinfo(x->easy, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && status == 200 &&
           (x->accept == NULL || (type != NULL && strcmp(type, x->accept) == 0));
}

static size_t on_bytes(char *p, size_t size, size_t n, void *ctx)
{
    struct transfer *x = ctx;

    (void)size; /* always 1 */
    x->err = is_wanted(x) ? x->sink(x->sink_ctx, p, n) : CLOISTER_E_PROTOCOL;
    return x->err == 0 ? n : 0; /* none of n bytes taken: libcurl gives up */
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    struct curl_slist *longer = NULL;
    char line[128];

    if (snprintf(line, sizeof line, "%s%s", name, value) < (int)sizeof line)
        longer = curl_slist_append(*list, line);
    if (longer != NULL)
        *list = longer;
    return longer != NULL;
}

#define SET(option, value) (curl_easy_setopt(x.easy, (option), (value)) == CURLE_OK)
static int post(void *ctx, const char *path, const char *type, const char *accept, const void *body,
                size_t n, cloister_sink sink, void *sink_ctx)
{
    struct transfer x = {curl_easy_init(), accept, sink, sink_ctx, 0};
    struct curl_slist *headers = NULL;
    char url[1024];
    int err = CLOISTER_E_ARGUMENT;

    if (ctx == NULL ||
        snprintf(url, sizeof url, "%s%s", (const char *)ctx, path) >= (int)sizeof url)
        goto out;
    err = CLOISTER_E_MEMORY;
    if (x.easy == NULL || !add_header(&headers, "Accept: ", accept != NULL ? accept : "*/*"))
        goto out;
    if (body != NULL &&
        (!add_header(&headers, "Content-Type: ", type) ||
         !add_header(&headers, "Incremental: ?1", "") || !add_header(&headers, "Expect:", "") ||
         !SET(CURLOPT_POSTFIELDS, body) || !SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n)))
        goto out;
    if (!SET(CURLOPT_URL, url) || !SET(CURLOPT_HTTPHEADER, headers) ||
        !SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) || !SET(CURLOPT_NOSIGNAL, 1L) ||
        !SET(CURLOPT_WRITEFUNCTION, on_bytes) || !SET(CURLOPT_WRITEDATA, &x) ||
        !SET(CURLOPT_TIMEOUT, body == NULL ? 30L : 0L) || !SET(CURLOPT_LOW_SPEED_LIMIT, 1L) ||
        !SET(CURLOPT_LOW_SPEED_TIME, 300L))
        goto out;
    err = curl_easy_perform(x.easy) == CURLE_OK ? 0 : CLOISTER_E_NETWORK;
    if (x.err != 0)
        err = x.err;
    else if (err == 0 && !is_wanted(&x)) /* nothing came that a sink could have seen */
        err = CLOISTER_E_PROTOCOL;
out:
    curl_easy_cleanup(x.easy);
    curl_slist_free_all(headers);
    return err;
}
#undef SET

static int get(void *ctx, const char *path, const char *accept, cloister_sink sink, void *sink_ctx)
{
    return post(ctx, path, "", accept, NULL, 0, sink, sink_ctx);
}

/* A laptop's clock may be set back while the program runs; a program that lives long takes the larger of this and CLOCK_BOOTTIME's progress. */
static int64_t now(void *ctx)
{
    (void)ctx;
    return time(NULL);
}
