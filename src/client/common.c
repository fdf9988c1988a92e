/* SPDX-License-Identifier: Apache-2.0 */
/* What several commands begin with: a server, a policy. */
#include "client/commands.h"

#include "client/file.h"
#include "client/say.h"
#include "client/stop.h"

int clo_common_transport(const struct clo_options *o, struct clo_transport **ret, int *code)
{
    /* With a relay nothing at all goes to the server directly: that would tie the address to the question. */
    const char *url = o->relay != NULL    ? o->relay
                      : o->server != NULL ? o->server
                                          : CLO_DEFAULT_SERVER;
    const int err = clo_transport_new(url, ret);

    if (err != 0)
        *code = CLO_EXIT_ERROR;
    if (err == CLOISTER_E_ARGUMENT)
        clo_say_problem(
            "\"%s\" is not an address like https://host:port/path (without user, query or "
            "fragment)",
            url);
    else if (err != 0)
        clo_say_problem("%s", cloister_strerror(err));
    else
        clo_transport_stop_fd(*ret, clo_stop_fd());
    return err;
}

int clo_common_policy(const char *path, struct cloister_policy **ret, int *code)
{
    struct clo_buf json = clo_buf_init(1 << 20);
    char why[256] = {0};
    bool malformed = false;
    int err = CLOISTER_E_CONFIG;

    if (path == NULL) {
        clo_say_problem(
            "no policy, so nothing is admitted: give one with --policy FILE or Policy in "
            "the configuration (`cloister policy init` writes one)");
        goto out;
    }
    if ((err = clo_file_read(path, &json)) != 0) {
        clo_say_file(path, "read", err);
        goto out;
    }
    if ((err = cloister_policy_parse(json.p, json.len, ret)) == 0)
        goto out;
    malformed = true;
    if (cloister_policy_check(json.p, json.len, why, sizeof(why)) != 0 && why[0] != '\0')
        clo_say_problem("%s is not a policy: %s (docs/POLICY.md describes the format)", path, why);
    else
        clo_say_problem("%s is not a policy: %s", path, cloister_strerror(err));
out:
    if (err != 0)
        *code = malformed ? CLO_EXIT_MALFORMED : CLO_EXIT_ERROR;
    clo_buf_clear(&json);
    return err;
}
