/* SPDX-License-Identifier: Apache-2.0 */
/* `cloister verify`: a live server's or a saved file's evidence, to a verdict. */
#include "client/commands.h"

#include <stdlib.h>

#include "client/say.h"
#include "platform/process.h"

static int print(const struct clo_options *o, const struct cloister_verdict *v)
{
    char *json = NULL;
    int err = 0;

    if (!o->json) {
        clo_print_verdict(stdout, v, o->verbose);
    } else if ((err = cloister_verdict_json(v, &json)) == 0) {
        (void)puts(json);
        free(json);
    }
    if (err == 0 && (fflush(stdout) != 0 || ferror(stdout) != 0))
        err = CLOISTER_E_IO;
    if (err != 0)
        clo_say_file("the verdict", "written", err);
    return err;
}

int clo_command_verify(const struct clo_options *o)
{
    struct cloister_verdict *v = calloc(1, sizeof(*v));
    struct cloister_evidence *e = NULL;
    struct cloister_policy *policy = NULL;
    struct cloister_nonce nonce = {0};
    bool has_nonce = false;
    int code = CLO_EXIT_ERROR, err;
    int64_t now = o->at;

    if (v == NULL || o->operands > 0 || (o->evidence == NULL && o->nonce != NULL)) {
        clo_say_problem(v == NULL ? "not enough memory"
                        : o->operands > 0
                            ? "verify takes options only: saved evidence goes with "
                              "--evidence FILE"
                            : "--nonce goes with --evidence: a live server gets a fresh one");
        goto out;
    }
    if (clo_common_policy(o->policy, &policy, &code) != 0 ||
        clo_common_evidence(o, &e, &nonce, &has_nonce, &code) != 0)
        goto out;
    /* Read only now: a policy from a pipe and the network take their time, and no nonce is from the future. */
    if (now == 0)
        now = clo_clock_now();
    /* As of another time, or from a file: judged as if it had been fetched then. */
    if (o->at != 0 || o->evidence != NULL)
        nonce.sent_at = now;
    err = cloister_evidence_verify(e, has_nonce ? &nonce : NULL, policy, cloister_roots_builtin(),
                                   now, v);
    if (err != 0 && v->outcome == CLOISTER_NOT_VERIFIED) {
        clo_say_problem("the evidence could not be judged: %s", cloister_strerror(err));
        goto out;
    }
    code = print(o, v) == 0 ? cloister_verdict_exit(v) : CLO_EXIT_ERROR;
    if (code == CLO_EXIT_REFUSED && o->evidence != NULL && o->at == 0)
        clo_say_note("saved evidence is judged as of now unless --at TIME says another time");
    if (code == CLO_EXIT_OK && !has_nonce && !o->no_freshness) {
        clo_say_problem(
            "freshness was not checked, so this may be old or somebody else's evidence: give "
            "its --nonce, or say --no-freshness");
        code = CLO_EXIT_UNSUPPORTED;
    }
out:
    cloister_evidence_free(e);
    cloister_policy_free(policy);
    free(v);
    return code;
}
