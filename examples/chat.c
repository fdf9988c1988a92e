/* SPDX-License-Identifier: Apache-2.0 */
/* One private answer, as it comes: chat URL REQUEST-JSON < POLICY, with the API key in $API_KEY. */
#include <cloister/cloister.h>
#include <stdlib.h>
#include "curl_transport.h"

static int on_head(void *out, unsigned status, const struct cloister_field *f, size_t n)
{
    (void)out, (void)f, (void)n;
    return status == 200 ? 0 : (int)status; /* comes back from cloister_ask */
}

static int on_content(void *out, const void *p, size_t n)
{
    return fwrite(p, 1, n, out) == n && fflush(out) == 0 ? 0 : CLOISTER_E_IO;
}

int main(int argc, char **argv)
{
    const struct cloister_answer_handler h = {.head = on_head, .content = on_content};
    struct cloister_request req = {.method = "POST", .path = "/v1/chat/completions"};
    struct cloister_transport t = {.ctx = argv[1], .get = get, .post = post, .now = now};
    struct cloister_policy *policy = NULL;
    struct cloister_channel *channel = NULL;
    static struct cloister_verdict v; /* says what was verified, or why not */
    static char json[65536];
    int err;

    req.api_key = getenv("API_KEY");
    req.content_type = "application/json";
    req.body = argc == 3 ? argv[2] : "";
    req.body_n = strlen(req.body);
    if ((err = cloister_policy_parse(json, fread(json, 1, sizeof json, stdin), &policy)) != 0 ||
        (err = cloister_connect(&t, policy, cloister_roots_builtin(), &v, &channel)) != 0 ||
        (err = cloister_ask(&t, channel, &req, &h, stdout)) != 0)
        fprintf(stderr, "%s\n", err > 0 ? "the server said no" : cloister_strerror(err));
    cloister_channel_free(channel);
    cloister_policy_free(policy);
    return err != 0;
}
