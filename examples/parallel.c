/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several private answers at a time, in one thread: parallel URL REQUEST-JSON... < POLICY, with the API key in $API_KEY.
 *
 * What an event loop does with the library: it moves bytes between transfers of its own and cloister_exchange_feed(), and the library
 * never waits. Here the loop is libcurl's multi interface. Answers are printed in order, when all have come.
 */
#include <cloister/cloister.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PARALLEL_MAX 16

/* One HTTP transfer: of the exchange x, or without one of evidence. */
struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    struct cloister_exchange *x;
    char *text; /* evidence, or the answer's plaintext */
    size_t text_n;
    int err;
};

/* ---- what comes ---- */

static int on_text(void *ctx, const void *p, size_t n)
{
    struct transfer *t = ctx;
    char *longer = NULL;

    if (n < CLOISTER_EVIDENCE_MAX - t->text_n)
        longer = realloc(t->text, t->text_n + n + 1);
    if (longer == NULL)
        return CLOISTER_E_LIMIT;
    memcpy(longer + t->text_n, p, n);
    t->text = longer;
    t->text_n += n;
    return 0;
}

static int on_head(void *ctx, unsigned status, const struct cloister_field *f, size_t n)
{
    (void)ctx, (void)f, (void)n;
    return status == 200 ? 0 : CLOISTER_E_ENGINE;
}

static const struct cloister_answer_handler handler = {.head = on_head, .content = on_text};

static bool is_wanted(const struct transfer *t)
{
    const char *const want = t->x != NULL ? "message/ohttp-chunked-res" : "application/json";
    const char *type = NULL;
    long status = 0;

    return curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
           curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && status == 200 &&
           type != NULL && strcmp(type, want) == 0;
}

static size_t on_bytes(char *p, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;

    (void)size; /* always 1 */
    if (!is_wanted(t))
        t->err = CLOISTER_E_PROTOCOL;
    else if (t->x == NULL)
        t->err = on_text(t, p, n);
    else
        t->err = cloister_exchange_feed(t->x, p, n, &handler, t);
    return t->err == 0 ? n : 0; /* none of n bytes taken: libcurl gives up */
}

/* The transfer has ended. An exchange decides by itself whether its answer is whole. */
static void conclude(struct transfer *t, CURLcode code)
{
    if (t->err == 0 && code != CURLE_OK)
        t->err = CLOISTER_E_NETWORK;
    if (t->err == 0 && !is_wanted(t))
        t->err = CLOISTER_E_PROTOCOL;
    if (t->x == NULL)
        return;
    if (t->err == 0)
        t->err = cloister_exchange_end(t->x, &handler, t);
    if (cloister_exchange_complete(t->x))
        t->err = 0;
}

/* ---- what is sent ---- */

static bool add_header(struct transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->headers, line);

    if (longer != NULL)
        t->headers = longer;
    return longer != NULL;
}

#define SET(option, value) (curl_easy_setopt(t->easy, (option), (value)) == CURLE_OK)
/* Its own connection: on a kept one that turns out to be dead libcurl would send a request again. */
static int start(CURLM *loop, struct transfer *t, const char *base, const char *path)
{
    const uint8_t *body = NULL;
    char url[1024];
    size_t n = 0;
    int err;

    if (snprintf(url, sizeof url, "%s%s", base, path) >= (int)sizeof url)
        return CLOISTER_E_ARGUMENT;
    if ((t->easy = curl_easy_init()) == NULL || !SET(CURLOPT_URL, url) ||
        !SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ||
        !SET(CURLOPT_FRESH_CONNECT, 1L) || !SET(CURLOPT_WRITEFUNCTION, on_bytes) ||
        !SET(CURLOPT_WRITEDATA, t) || !SET(CURLOPT_PRIVATE, t) ||
        !SET(CURLOPT_TIMEOUT, t->x == NULL ? 30L : 0L) || /* nobody keeps us waiting for evidence */
        !SET(CURLOPT_LOW_SPEED_LIMIT, 1L) || !SET(CURLOPT_LOW_SPEED_TIME, 300L))
        return CLOISTER_E_MEMORY;
    if (t->x != NULL) {
        if ((err = cloister_exchange_body(t->x, &body, &n)) != 0)
            return err;
        if (!add_header(t, "Content-Type: message/ohttp-chunked-req") ||
            !add_header(t, "Incremental: ?1") || !add_header(t, "Expect:") ||
            !SET(CURLOPT_HTTPHEADER, t->headers) || !SET(CURLOPT_POSTFIELDS, body) ||
            !SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n))
            return CLOISTER_E_MEMORY;
    }
    return curl_multi_add_handle(loop, t->easy) == CURLM_OK ? 0 : CLOISTER_E_NETWORK;
}
#undef SET

static void end(CURLM *loop, struct transfer *t)
{
    (void)curl_multi_remove_handle(loop, t->easy);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    cloister_exchange_free(t->x);
    free(t->text);
}

/* Until all transfers have ended. A program's own loop would watch its other descriptors here as well. */
static int run(CURLM *loop)
{
    int running = 1, left = 0;

    while (running > 0) {
        char *t = NULL;
        CURLMsg *m;

        if (curl_multi_perform(loop, &running) != CURLM_OK ||
            (running > 0 && curl_multi_poll(loop, NULL, 0, 1000, NULL) != CURLM_OK))
            return CLOISTER_E_NETWORK;
        while ((m = curl_multi_info_read(loop, &left)) != NULL) {
            if (m->msg == CURLMSG_DONE &&
                curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t) == CURLE_OK)
                conclude((struct transfer *)(void *)t, m->data.result);
        }
    }
    return 0;
}

/* ---- in which order ---- */

static int verify(CURLM *loop, const char *url, const struct cloister_policy *policy,
                  struct cloister_channel **ret)
{
    static struct cloister_verdict v;
    char path[CLOISTER_EVIDENCE_PATH_MAX];
    struct cloister_evidence *e = NULL;
    struct cloister_nonce nonce;
    struct transfer t = {0};
    int err;

    if ((err = cloister_evidence_request(time(NULL), true, &nonce, path)) != 0 ||
        (err = start(loop, &t, url, path)) != 0 || (err = run(loop)) != 0 || (err = t.err) != 0 ||
        (err = cloister_evidence_parse(t.text, t.text_n, &e)) != 0)
        goto out;
    err = cloister_evidence_verify(e, &nonce, policy, cloister_roots_builtin(), time(NULL), &v);
    if (err == 0)
        err = cloister_channel_open(&v, time(NULL), ret);
out:
    cloister_evidence_free(e);
    end(loop, &t);
    return err;
}

static int ask(CURLM *loop, const char *url, struct cloister_channel *c, struct transfer *t,
               const char *json)
{
    struct cloister_request req = {.method = "POST", .path = "/v1/chat/completions"};
    int err;

    req.api_key = getenv("API_KEY");
    req.content_type = "application/json";
    req.body = json;
    req.body_n = strlen(json);
    if ((err = cloister_exchange_new(c, &req, time(NULL), &t->x)) != 0)
        return err;
    return start(loop, t, url, cloister_channel_gateway(c));
}

int main(int argc, char **argv)
{
    struct transfer t[PARALLEL_MAX] = {{0}};
    struct cloister_policy *policy = NULL;
    struct cloister_channel *c = NULL;
    CURLM *loop = curl_multi_init();
    static char json[65536];
    int err = CLOISTER_E_ARGUMENT, n = argc - 2;

    if (n < 1 || n > PARALLEL_MAX || loop == NULL ||
        (err = cloister_policy_parse(json, fread(json, 1, sizeof json, stdin), &policy)) != 0 ||
        (err = verify(loop, argv[1], policy, &c)) != 0)
        goto out;
    for (int i = 0; i < n && err == 0; i++)
        err = ask(loop, argv[1], c, &t[i], argv[2 + i]);
    if (err != 0 || (err = run(loop)) != 0)
        goto out;
    for (int i = 0; i < n; i++) {
        if (t[i].err == 0)
            printf("%.*s\n", (int)t[i].text_n, t[i].text);
        else
            fprintf(stderr, "%d: %s\n", i + 1, cloister_strerror(t[i].err));
        err = err != 0 ? err : t[i].err;
    }
out:
    if (err != 0)
        fprintf(stderr, "%s\n", cloister_strerror(err));
    for (int i = 0; i < PARALLEL_MAX; i++)
        end(loop, &t[i]);
    cloister_channel_free(c);
    cloister_policy_free(policy);
    curl_multi_cleanup(loop);
    return err != 0;
}
