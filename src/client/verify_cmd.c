/* SPDX-License-Identifier: Apache-2.0 */
/* `cloister verify`: a live server's or a saved file's evidence, to a verdict. */
#include "client/commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "client/file.h"
#include "client/say.h"
#include "platform/process.h"

static int load(const struct clo_options *o, struct cloister_evidence **e,
                struct cloister_nonce *nonce, bool *has_nonce, int *code)
{
    struct clo_buf json = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    size_t n = 0;
    int err;

    if (o->nonce != NULL) {
        err = clo_unb64(o->nonce, strlen(o->nonce), nonce->bytes, sizeof(nonce->bytes), &n);
        if (err != 0 || n != sizeof(nonce->bytes)) {
            clo_say_problem("--nonce takes 32 bytes in base64url without padding, as `cloister "
                            "evidence` told them");
            err = CLOISTER_E_ARGUMENT;
            goto out;
        }
        *has_nonce = true;
    }
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
    bool has_nonce = o->evidence == NULL;
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
        (o->evidence != NULL ? load(o, &e, &nonce, &has_nonce, &code)
                             : fetch(o, &e, &nonce, &code)) != 0)
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
