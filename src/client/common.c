/* SPDX-License-Identifier: Apache-2.0 */
/* What several commands begin with: a server, a policy, evidence. */
#include "client/commands.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/enc.h"
#include "base/secret.h"
#include "client/judge.h"
#include "client/say.h"
#include "client/session.h"
#include "client/stop.h"
#include "platform/confine.h"
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

int clo_common_fetch(const struct clo_options *o, struct clo_live *ret, int *code)
{
    struct clo_transport *t = NULL;
    struct clo_case *c = NULL;
    struct clo_fault fault = {0};
    int err;

    ret->json = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    *code = CLO_EXIT_ERROR;
    if ((err = clo_common_transport(o, &t, code)) != 0)
        return err;
    if ((err = clo_evidence_fetch(t, &c, &ret->nonce, &fault)) != 0) {
        if (fault.step != CLO_STEP_VERDICT)
            clo_say_fault(&fault, NULL, clo_transport_url(t));
        else if (err != CLOISTER_E_IO) /* which was said */
            clo_say_problem("what %s sent is not evidence: %s", clo_transport_url(t),
                            cloister_strerror(err));
        *code = clo_fault_exit(&fault, NULL);
    } else if ((err = clo_case_save(c, &ret->json)) != 0) {
        clo_say_problem("what %s sent can't be kept: %s", clo_transport_url(t),
                        cloister_strerror(err));
    }
    clo_case_free(c);
    clo_transport_free(t);
    return err;
}

static int read_live(const struct clo_live *live, struct cloister_evidence **ret,
                     struct cloister_nonce *nonce, int *code)
{
    const int err = cloister_evidence_parse(live->json.p, live->json.len, ret);

    if (err != 0) {
        clo_say_problem("what the server sent is not evidence: %s", cloister_strerror(err));
        *code = CLO_EXIT_MALFORMED;
    }
    *nonce = live->nonce;
    return err;
}

int clo_common_evidence(const struct clo_options *o, const struct clo_live *live,
                        struct cloister_evidence **ret, struct cloister_nonce *nonce,
                        bool *has_nonce, int *code)
{
    *code = CLO_EXIT_ERROR;
    *has_nonce = live != NULL;
    return live != NULL ? read_live(live, ret, nonce, code) : load(o, ret, nonce, has_nonce, code);
}

/* ---- a cell ---- */

struct inside {
    int (*work)(void *ctx, struct clo_buf *out);
    void *ctx;
};

static int run_inside(void *ctx, struct clo_buf *out)
{
    const struct inside *in = ctx;
    int code = in->work(in->ctx, out);

    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        clo_say_file("standard output", "written", CLOISTER_E_IO);
        code = code == CLO_EXIT_OK ? CLO_EXIT_ERROR : code;
    }
    return code;
}

/* What a child's end says: an exit code of a command's, or nothing that counts. */
static int code_of(int status)
{
    if (WIFSIGNALED(status) && clo_stop_signal() == 0)
        clo_say_problem(
            "what read this was ended by the system (signal %d): it may have been made to do harm. "
            "Nothing of it counts",
            WTERMSIG(status));
    switch (WIFEXITED(status) ? WEXITSTATUS(status) : CLO_CONFINED_NEVER) {
    case CLO_EXIT_OK: return CLO_EXIT_OK;
    case CLO_EXIT_REFUSED: return CLO_EXIT_REFUSED;
    case CLO_EXIT_UNSUPPORTED: return CLO_EXIT_UNSUPPORTED;
    case CLO_EXIT_MALFORMED: return CLO_EXIT_MALFORMED;
    default: return CLO_EXIT_ERROR;
    }
}

int clo_common_inside(const struct clo_options *o, int operand,
                      int (*work)(void *ctx, struct clo_buf *out), void *ctx, struct clo_buf *out)
{
    struct inside in = {work, ctx};
    int keep[2] = {-1, -1};
    const struct clo_confined c = {.keep = keep,
                                   .keeps = CLO_ARRAY_LEN(keep),
                                   .first = clo_judge_end,
                                   .work = run_inside,
                                   .ctx = &in};
    struct clo_buf none = clo_buf_init(0);
    int status = 0, code = CLO_EXIT_ERROR;

    if (clo_judge_possible() != 0)
        return code;
    clo_stop_ends(keep);
    if (clo_options_preload(o, operand) != 0)
        clo_say_problem("not enough memory");
    else if (clo_confine_run(&c, out != NULL ? out : &none, &status) != 0)
        clo_say_problem("no process could be had for reading this");
    else if (WIFEXITED(status) && WEXITSTATUS(status) == CLO_CONFINED_NEVER)
        clo_say_problem("the process that was to read this could not be confined");
    else
        code = code_of(status);
    clo_file_preload_end();
    return code;
}
