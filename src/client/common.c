/* SPDX-License-Identifier: Apache-2.0 */
/* What several commands begin with: a server, a policy, evidence. */
#include "client/commands.h"

#include <string.h>

#include "base/enc.h"
#include "base/secret.h"
#include "client/say.h"
#include "client/session.h"
#include "client/stop.h"
#include "platform/file.h"

/* With a relay nothing at all goes to the server directly: that would tie the address to the question. */
const char *clo_common_url(const struct clo_options *o)
{
    return o->relay != NULL ? o->relay : o->server != NULL ? o->server : CLO_DEFAULT_SERVER;
}

int clo_common_guard(void)
{
    void *first = clo_guard_grow(); /* the page stays */

    if (first == NULL) {
        clo_say_problem("not enough memory");
        return CLOISTER_E_MEMORY;
    }
    clo_guard_free(first);
    if (!clo_guard_is_locked())
        clo_say_problem(
            "WARNING: the system doesn't let keys be locked in memory (see `ulimit -l`): "
            "they could be written to swap");
    return 0;
}

int clo_common_transport(const struct clo_options *o, struct clo_transport **ret, int *code)
{
    const char *url = clo_common_url(o);
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

int clo_common_policy_text(const char *path, struct clo_buf *text, struct cloister_policy **ret,
                           int *code)
{
    char why[256] = {0};
    int err = CLOISTER_E_CONFIG;

    *code = CLO_EXIT_ERROR;
    if (path == NULL) {
        clo_say_problem(
            "no policy, so nothing is admitted: give one with --policy FILE or Policy in "
            "the configuration (`cloister policy init` writes one)");
        return err;
    }
    if ((err = clo_file_read(path, text)) != 0) {
        clo_say_file(path, "read", err);
        return err;
    }
    if ((err = cloister_policy_parse(text->p, text->len, ret)) == 0)
        return 0;
    *code = CLO_EXIT_MALFORMED;
    if (err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO) { /* no fault of the policy */
        *code = CLO_EXIT_ERROR;
        clo_say_problem("%s: %s", path, cloister_strerror(err));
    } else if (cloister_policy_check(text->p, text->len, why, sizeof(why)) != 0 && why[0] != '\0') {
        clo_say_problem("%s is not a policy: %s (docs/POLICY.md describes the format)", path, why);
    } else {
        clo_say_problem("%s is not a policy: %s", path, cloister_strerror(err));
    }
    return err;
}

int clo_common_policy(const char *path, struct cloister_policy **ret, int *code)
{
    struct clo_buf text = clo_buf_init(1 << 20);
    const int err = clo_common_policy_text(path, &text, ret, code);

    clo_buf_clear(&text);
    return err;
}

/* ---- evidence ---- */

int clo_common_nonce(const struct clo_options *o, struct cloister_nonce *nonce, bool *has_nonce,
                     int *code)
{
    size_t n = 0;
    int err = 0;

    *has_nonce = o->nonce != NULL;
    if (o->nonce == NULL)
        return 0;
    err = clo_unb64(o->nonce, strlen(o->nonce), nonce->bytes, sizeof(nonce->bytes), &n);
    if (err == 0 && n == sizeof(nonce->bytes))
        return 0;
    clo_say_problem("--nonce takes 32 bytes in base64url without padding, as `cloister "
                    "evidence` told them");
    *code = CLO_EXIT_ERROR;
    return CLOISTER_E_ARGUMENT;
}

static int load(const struct clo_options *o, struct cloister_evidence **e,
                struct cloister_nonce *nonce, bool *has_nonce, int *code)
{
    struct clo_buf json = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    int err;

    if ((err = clo_common_nonce(o, nonce, has_nonce, code)) != 0)
        goto out;
    if ((err = clo_file_read(o->evidence, &json)) != 0) {
        clo_say_file(o->evidence, "read", err);
        if (err == CLOISTER_E_LIMIT)
            *code = CLO_EXIT_MALFORMED;
        goto out;
    }
    if ((err = cloister_evidence_parse(json.p, json.len, e)) != 0) {
        clo_say_problem("%s is not evidence: %s", o->evidence, cloister_strerror(err));
        *code = CLO_EXIT_MALFORMED;
    }
out:
    clo_buf_clear(&json);
    return err;
}

static int fetch(const struct clo_options *o, struct cloister_evidence **e,
                 struct cloister_nonce *nonce, int *code)
{
    struct clo_transport *t = NULL;
    struct clo_fault fault = {0};
    int err;

    if ((err = clo_common_transport(o, &t, code)) != 0)
        return err;
    if ((err = clo_evidence_fetch(t, e, nonce, &fault)) != 0) {
        if (fault.step == CLO_STEP_VERDICT)
            clo_say_problem("what %s sent is not evidence: %s", clo_transport_url(t),
                            cloister_strerror(err));
        else
            clo_say_fault(&fault, NULL, clo_transport_url(t));
        *code = clo_fault_exit(&fault, NULL);
    }
    clo_transport_free(t);
    return err;
}

int clo_common_evidence(const struct clo_options *o, struct cloister_evidence **ret,
                        struct cloister_nonce *nonce, bool *has_nonce, int *code)
{
    *code = CLO_EXIT_ERROR;
    *has_nonce = o->evidence == NULL;
    return o->evidence != NULL ? load(o, ret, nonce, has_nonce, code) : fetch(o, ret, nonce, code);
}
