/* SPDX-License-Identifier: Apache-2.0 */
/* `cloister verify`: the evidence of a live server, a saved file or a bundle, to a verdict. */
#include "client/commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "client/raw_input.h"
#include "client/say.h"
#include "platform/file.h"
#include "platform/process.h"

int clo_print_outcome(const struct clo_options *o, const struct cloister_verdict *v)
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

/*
 * Evidence out of a bundle, and the policy. The nonce in it is what its maker says: it counts once the user says it too, with --nonce.
 */
static int from_bundle(const struct clo_options *o, int64_t now, struct cloister_evidence **e,
                       struct cloister_policy **policy, struct cloister_nonce *nonce,
                       bool *has_nonce, int *code)
{
    char text[CLO_B64_LEN(32) + 1];
    struct clo_bundle b = {0};
    int err;

    if ((err = clo_bundle_read(o->bundle, &b, code)) != 0)
        goto out;
    *code = CLO_EXIT_ERROR;
    err = CLOISTER_E_ARGUMENT;
    if (b.evidence.len == 0) {
        clo_say_problem("%s holds raw evidence: `cloister appraise --bundle` judges it", o->bundle);
        goto out;
    }
    if (clo_bundle_expired(&b, now, o->bundle)) {
        *code = CLO_EXIT_REFUSED;
        err = CLOISTER_E_STALE;
        goto out;
    }
    if ((err = clo_bundle_policy(o, &b, false, policy, code)) != 0 ||
        (err = clo_common_nonce(o, nonce, has_nonce, code)) != 0)
        goto out;
    if ((err = cloister_evidence_parse(b.evidence.p, b.evidence.len, e)) != 0) {
        clo_say_problem("what %s holds is not evidence: %s", o->bundle, cloister_strerror(err));
        *code = CLO_EXIT_MALFORMED;
        goto out;
    }
    if (b.has_nonce && !*has_nonce) {
        clo_b64(b.nonce, sizeof b.nonce, text);
        clo_say_note(
            "the bundle says that its evidence answers the nonce %s: if that is yours, give "
            "it with --nonce",
            text);
    }
out:
    clo_bundle_clear(&b);
    return err;
}

struct work {
    const struct clo_options *o;
    const struct clo_live *live; /* NULL: a saved file's, or a bundle's */
};

static int judge(void *ctx, struct clo_buf *out)
{
    const struct work *w = ctx;
    const struct clo_options *o = w->o;
    struct cloister_verdict *v = calloc(1, sizeof(*v));
    struct cloister_evidence *e = NULL;
    struct cloister_policy *policy = NULL;
    struct cloister_nonce nonce = {0};
    bool has_nonce = false;
    int code = CLO_EXIT_ERROR, err;
    int64_t now = o->at;

    (void)out;
    if (v == NULL) {
        clo_say_problem("not enough memory");
        goto out;
    }
    if (o->bundle != NULL) {
        if (from_bundle(o, now != 0 ? now : clo_clock_now(), &e, &policy, &nonce, &has_nonce,
                        &code) != 0)
            goto out;
    } else if (clo_bundle_policy(o, NULL, false, &policy, &code) != 0 ||
               clo_common_evidence(o, w->live, &e, &nonce, &has_nonce, &code) != 0) {
        goto out;
    }
    /* Read only now: a policy from a pipe and the network take their time, and no nonce is from the future. */
    if (now == 0)
        now = clo_clock_now();
    /* As of another time, or from a file: judged as if it had been fetched then. */
    if (o->at != 0 || w->live == NULL)
        nonce.sent_at = now;
    err = cloister_evidence_verify(e, has_nonce ? &nonce : NULL, policy, cloister_roots_builtin(),
                                   now, v);
    if (err != 0 && v->outcome == CLOISTER_NOT_VERIFIED) {
        clo_say_problem("the evidence could not be judged: %s", cloister_strerror(err));
        code = CLO_EXIT_ERROR;
        goto out;
    }
    code = clo_print_outcome(o, v) == 0 ? cloister_verdict_exit(v) : CLO_EXIT_ERROR;
    if (code == CLO_EXIT_REFUSED && w->live == NULL && o->at == 0)
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

/* A policy that is none is told before anybody is asked for evidence. */
static int check_policy(const struct clo_options *o, int *code)
{
    struct cloister_policy *policy = NULL;
    const int err = clo_bundle_policy(o, NULL, false, &policy, code);

    cloister_policy_free(policy);
    return err;
}

int clo_command_verify(const struct clo_options *o)
{
    const bool saved = o->evidence != NULL || o->bundle != NULL;
    struct clo_live live = {0};
    struct work w = {.o = o, .live = saved ? NULL : &live};
    int code = CLO_EXIT_ERROR;

    if (o->operands > 0 || (o->evidence != NULL && o->bundle != NULL) ||
        (!saved && o->nonce != NULL)) {
        clo_say_problem(o->operands > 0 ? "verify takes options only: saved evidence goes with "
                                          "--evidence FILE"
                        : saved         ? "--evidence or --bundle, not both"
                                : "--nonce goes with --evidence: a live server gets a fresh one");
        return code;
    }
    /* Read once: it may be a pipe. */
    if (clo_options_preload(o, -1) != 0)
        clo_say_problem("not enough memory");
    else if (saved || (check_policy(o, &code) == 0 && clo_common_fetch(o, &live, &code) == 0))
        code = clo_common_inside(o, -1, judge, &w, NULL);
    clo_file_preload_end();
    clo_buf_clear(&live.json);
    return code;
}
