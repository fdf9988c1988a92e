/* SPDX-License-Identifier: Apache-2.0 */
/* `cloister appraise`: any hardware evidence, from raw files or a bundle, to a verdict. No network. */
#include "client/commands.h"

#include <stdlib.h>

#include "base/enc.h"
#include "client/raw_input.h"
#include "client/say.h"
#include "platform/process.h"

/* Would another time make a difference? */
static bool date_failed(const struct cloister_verdict *v)
{
    for (size_t i = 0; i < v->checks; i++) {
        if (v->check[i].status != CLOISTER_CHECK_FAIL)
            continue;
        switch (v->check[i].id) {
        case CLOISTER_CHECK_SNP_CHAIN_DATES:
        case CLOISTER_CHECK_SNP_CRL_DATES:
        case CLOISTER_CHECK_QUOTE_CHAIN_DATES:
        case CLOISTER_CHECK_QUOTE_CRL_DATES:
        case CLOISTER_CHECK_QUOTE_COLLATERAL_DATES:
        case CLOISTER_CHECK_GPU_CHAIN_DATES:
        case CLOISTER_CHECK_GPU_OCSP_DATES: return true;
        default: break;
        }
    }
    return false;
}

/* What the reader has to know besides the lines above it. */
static void remark(const struct clo_options *o, const struct clo_bundle *b,
                   const struct cloister_policy *policy, const struct cloister_verdict *v)
{
    if (policy == NULL)
        clo_say_note(
            "no policy was given, so what the evidence says was not judged: give --policy FILE "
            "(`cloister policy from-evidence` proposes one)");
    if (b->expect.len == 0 && !o->expect_any)
        clo_say_note("nothing says what the evidence has to cover, so this may be old or somebody "
                     "else's: give --expect HEX, or say --expect-any");
    if (o->at == 0 && date_failed(v))
        clo_say_note("it was judged as of now: --at TIME says another time");
}

/*
 * What the evidence has to cover is the user's to say. What the bundle says of it came with the evidence, and proves nothing: it would
 * fit any old evidence once somebody had written it in.
 */
static int bundle_expect(const struct clo_options *o, struct clo_bundle *b, int *code)
{
    char hex[2 * 64 + 1];

    if (o->expect != NULL)
        return clo_raw_expect(o, b, code);
    if (b->expect.len > 0 && !o->expect_any) {
        clo_hex(b->expect.p, b->expect.len, hex);
        clo_say_note("the bundle says that its evidence covers %s: if that is what you asked for, "
                     "give it with --expect",
                     hex);
    }
    clo_buf_clear(&b->expect);
    return 0;
}

static int read_input(const struct clo_options *o, struct clo_bundle *b, int *code)
{
    int err;

    *code = CLO_EXIT_ERROR;
    if (o->expect != NULL && o->expect_any) {
        clo_say_problem("--expect or --expect-any, not both");
        return CLOISTER_E_ARGUMENT;
    }
    if (o->bundle == NULL)
        return clo_raw_read(o, b, code);
    if (o->operands > 0 || o->items > 0 || o->collateral != NULL) {
        clo_say_problem("a bundle has everything inside: --bundle goes without a type and files");
        return CLOISTER_E_ARGUMENT;
    }
    if ((err = clo_bundle_read(o->bundle, b, code)) != 0)
        return err;
    if (b->items == 0) {
        clo_say_problem(
            "%s holds a Cloister server's evidence: `cloister verify --bundle` judges it",
            o->bundle);
        *code = CLO_EXIT_ERROR;
        return CLOISTER_E_ARGUMENT;
    }
    return bundle_expect(o, b, code);
}

static int judge(void *ctx, struct clo_buf *out)
{
    const struct clo_options *o = ctx;
    struct cloister_verdict *v = calloc(1, sizeof *v);
    const struct cloister_roots *roots = NULL;
    struct cloister_roots *own_roots = NULL;
    struct cloister_policy *policy = NULL;
    struct cloister_raw *raw = NULL;
    struct clo_bundle b = {0};
    int code = CLO_EXIT_ERROR, err;
    int64_t now;

    (void)out;
    if (v == NULL) {
        clo_say_problem("not enough memory");
        goto out;
    }
    if (read_input(o, &b, &code) != 0 ||
        clo_bundle_policy(o, o->bundle != NULL ? &b : NULL, true, &policy, &code) != 0 ||
        clo_common_roots(o, &roots, &own_roots, &code) != 0 ||
        clo_raw_build(&b, o->expect_any, &raw, &code) != 0)
        goto out;
    now = o->at != 0 ? o->at : clo_clock_now();
    if (o->bundle != NULL && clo_bundle_expired(&b, now, o->bundle)) {
        code = CLO_EXIT_REFUSED;
        goto out;
    }
    err = cloister_raw_appraise(raw, policy, roots, now, v);
    if (err != 0 && v->outcome == CLOISTER_NOT_VERIFIED) {
        clo_say_problem("the evidence could not be judged: %s", cloister_strerror(err));
        code = CLO_EXIT_ERROR;
        goto out;
    }
    code = clo_print_outcome(o, v) == 0 ? cloister_verdict_exit(v) : CLO_EXIT_ERROR;
    if (code != CLO_EXIT_ERROR)
        remark(o, &b, policy, v);
out:
    cloister_raw_free(raw);
    cloister_roots_free(own_roots);
    cloister_policy_free(policy);
    clo_bundle_clear(&b);
    free(v);
    return code;
}

int clo_command_appraise(const struct clo_options *o)
{
    return clo_common_inside(o, 1, judge, (void *)(uintptr_t)o, NULL);
}
