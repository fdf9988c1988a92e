/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloister policy`: write one, from values that the user knows (init), from what a live server shows now, which trusts that server on first
 * use (init --from-server), or from evidence that the user chose to trust (from-evidence). What a policy admits (show) is policy_show.c's, how
 * a server differs from one (diff) policy_diff.c's.
 */
#include "client/commands.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "attest/policy.h"
#include "base/enc.h"
#include "client/policy_diff.h"
#include "client/policy_propose.h"
#include "client/policy_show.h"
#include "client/policy_text.h"
#include "client/raw_input.h"
#include "client/say.h"
#include "platform/file.h"
#include "platform/process.h"

/* ---- init ---- */

/* A written policy must be one: found out here, not when it is used. */
static int emit(json_t *doc)
{
    struct clo_buf text = clo_buf_init(CLO_POLICY_MAX);
    int code = CLO_EXIT_ERROR, err;
    char why[256] = {0};

    if ((err = clo_json_write_text(doc, &text)) != 0) {
        clo_say_problem("the policy can't be written: %s", cloister_strerror(err));
    } else if (cloister_policy_check(text.p, text.len, why, sizeof(why)) != 0) {
        clo_say_problem("no policy comes of these values: %s", why);
    } else if ((err = clo_write_all(STDOUT_FILENO, text.p, text.len)) != 0 ||
               (err = clo_write_all(STDOUT_FILENO, "\n", 1)) != 0) {
        clo_say_file("the policy", "written", err);
    } else {
        code = CLO_EXIT_OK;
    }
    clo_buf_clear(&text);
    return code;
}

/* "1.2.3" into numbers 0..255; how many, 0 if it isn't that. */
static size_t dotted(const char *s, uint8_t *ret, size_t cap)
{
    for (size_t n = 0; n < cap; n++) {
        char *end = NULL;
        const unsigned long v = strtoul(s, &end, 10);

        if (end == s || v > 255 || *s < '0' || *s > '9')
            return 0;
        ret[n] = (uint8_t)v;
        if (*end == '\0')
            return n + 1;
        if (*end != '.')
            return 0;
        s = end + 1;
    }
    return 0;
}

static int init_snp(const struct clo_options *o, json_t **ret)
{
    struct clo_policy_want w = {0};
    uint8_t tcb[5] = {0}, firmware[3] = {0};
    const size_t levels = o->min_tcb != NULL ? dotted(o->min_tcb, tcb, 5) : 0;

    for (enum clo_snp_product p = CLO_SNP_MILAN; p < CLO_SNP_PRODUCTS; p++) {
        if (strcasecmp(o->sev_snp, clo_snp_product_name(p)) == 0)
            w.product = p;
    }
    if (w.product == CLO_SNP_UNKNOWN || levels != (w.product == CLO_SNP_TURIN ? 5 : 4) ||
        o->min_firmware == NULL || dotted(o->min_firmware, firmware, 3) != 3) {
        clo_say_problem(
            "--sev-snp takes milan, genoa or turin, and needs --min-tcb "
            "BL.TEE.SNP.UCODE (turin: .FMC) and --min-firmware A.B.C: AMD's security bulletins "
            "tell the levels");
        return CLOISTER_E_ARGUMENT;
    }
    w.tcb = (struct clo_snp_tcb){
        .bl = tcb[0], .tee = tcb[1], .snp = tcb[2], .ucode = tcb[3], .fmc = tcb[4]};
    w.firmware = (struct clo_snp_firmware){firmware[0], firmware[1], firmware[2]};
    w.measurement = o->measurement;
    clo_say_note("GPUs are not asked for, and none is admitted (\"devices\": {\"min\": 0})");
    return clo_policy_text(&w, ret);
}

/* ---- from what evidence shows ---- */

/*
 * Not a matter of what is shown: what a policy admits only if its owner writes it in, because it makes the machine weaker, or because it
 * comes from elsewhere.
 */
static const struct {
    enum cloister_check_id id;
    const char *member;
} by_hand[] = {
    {CLOISTER_CHECK_SNP_TCB_PROVISIONAL, "sev_snp.allow_provisional"},
    {CLOISTER_CHECK_SNP_PLATFORM, "sev_snp.require_platform"},
    {CLOISTER_CHECK_QUOTE_QE_TCB, "tcb.statuses"},
    {CLOISTER_CHECK_QUOTE_TCB, "tcb.statuses"},
    {CLOISTER_CHECK_TDX_MODULE_TCB, "tcb.statuses"},
    {CLOISTER_CHECK_GPU_REFERENCE, "devices.reference_values"},
    {CLOISTER_CHECK_GPU_MEASUREMENTS, "devices.reference_values"},
    {CLOISTER_CHECK_GPU_DEBUG, "devices.reference_values"},
    {CLOISTER_CHECK_GPU_MODE, "devices.reference_values"},
    {CLOISTER_CHECK_DEVICES_APPRAISED, "devices.reference_values"},
};

static const char *member_of(enum cloister_check_id id)
{
    for (size_t i = 0; i < CLO_ARRAY_LEN(by_hand); i++)
        if (by_hand[i].id == id)
            return by_hand[i].member;
    return NULL;
}

static bool is_open(const struct cloister_check *c)
{
    return c->status == CLOISTER_CHECK_FAIL || c->status == CLOISTER_CHECK_MISSING;
}

/* Saved evidence may lack what judging it needs; a server has to have it, and wrong it may not be in either. */
static bool is_final(const struct cloister_check *c, bool saved)
{
    return is_open(c) && member_of(c->id) == NULL && (c->status == CLOISTER_CHECK_FAIL || !saved);
}

static void say_open(const struct cloister_check *c)
{
    const char *member = member_of(c->id);

    clo_say_note("  %s %s: %s%s%s%s", c->status == CLOISTER_CHECK_FAIL ? "\u2717" : "?",
                 cloister_check_name(c->id), c->reason, member != NULL ? " (" : "",
                 member != NULL ? member : "", member != NULL ? ")" : "");
}

/* The names of what wasn't judged, for lack of something that isn't a matter of the policy. */
static void say_unjudged(const struct cloister_verdict *v, bool all)
{
    char names[2048] = "";
    size_t n = 0;

    for (size_t i = 0; i < v->checks && n < sizeof(names); i++)
        if (v->check[i].status == CLOISTER_CHECK_MISSING &&
            (all || member_of(v->check[i].id) == NULL))
            n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n == 0 ? "" : ", ",
                                  cloister_check_name(v->check[i].id));
    if (n > 0)
        clo_say_note("  ? not judged: %s", names);
}

/* Signed by what it should be, as far as its own kind goes? */
static bool is_genuine(const struct cloister_verdict *v)
{
    static const enum cloister_check_id signatures[] = {
        CLOISTER_CHECK_SNP_SIGNATURE, CLOISTER_CHECK_QUOTE_SIGNATURE, CLOISTER_CHECK_TPM_SIGNATURE,
        CLOISTER_CHECK_GPU_SIGNATURE};

    for (size_t i = 0; i < v->checks; i++)
        for (size_t k = 0; k < CLO_ARRAY_LEN(signatures); k++)
            if (v->check[i].id == signatures[k] && is_open(&v->check[i]))
                return false;
    return true;
}

/* bare: judged without the policy, so that no reason is worth its line. */
static void say_all_open(const struct cloister_verdict *v, bool bare)
{
    if (v->outcome == CLOISTER_VERIFIED)
        return;
    clo_say_problem("WARNING: this policy does not admit that very evidence yet, because of");
    for (size_t i = 0; i < v->checks && !bare; i++)
        if (is_open(&v->check[i]) && member_of(v->check[i].id) != NULL)
            say_open(&v->check[i]);
    say_unjudged(v, bare);
    if (!is_genuine(v))
        clo_say_problem(
            "WARNING: nothing shows that this evidence is genuine: certificates are missing, or "
            "what they need");
}

/* The evidence under the policy that pins what it shows: *code is the program's, and 0 is returned if the policy may be written. */
static int judge(const struct cloister_verdict *v, bool saved, bool bare, int *code)
{
    for (size_t i = 0; i < v->checks; i++) {
        if (!is_final(&v->check[i], saved))
            continue;
        clo_say_problem("even a policy that pins what is shown does not admit it:");
        clo_print_verdict(stderr, v, false);
        *code = cloister_verdict_exit(v);
        return CLOISTER_E_REFUSED;
    }
    say_all_open(v, bare);
    return 0;
}

/* What is looked at: a server's or saved evidence, or a bundle of raw evidence. */
struct source {
    const struct clo_options *o;
    bool saved, has_nonce;
    struct cloister_evidence *evidence; /* NULL: raw */
    struct cloister_nonce nonce;
    struct clo_bundle bundle;
    const struct cloister_roots *roots;
    struct cloister_roots *own_roots;
    struct clo_shown shown;
};

static int appraise(const struct source *s, const struct cloister_policy *p,
                    struct cloister_verdict *v, int *code)
{
    const int64_t now = s->o->at != 0 ? s->o->at : clo_clock_now();
    struct cloister_nonce nonce = s->nonce;
    struct cloister_raw *raw = NULL;
    int err = 0;

    if (s->saved)
        nonce.sent_at = now;
    if (s->evidence != NULL)
        err = cloister_evidence_verify(s->evidence, s->has_nonce ? &nonce : NULL, p, s->roots, now,
                                       v);
    else if ((err = clo_raw_build(&s->bundle, s->bundle.expect.len == 0, &raw, code)) == 0)
        err = cloister_raw_appraise(raw, p, s->roots, now, v);
    cloister_raw_free(raw);
    return v->outcome == CLOISTER_NOT_VERIFIED ? err : 0;
}

/*
 * GPUs by themselves are admitted by reference values, of which a proposal has none: without a policy what can be judged is.
 */
static const struct cloister_policy *judged_by(const struct source *s,
                                               const struct cloister_policy *p)
{
    return s->shown.kind == CLO_KIND_NVIDIA ? NULL : p;
}

/* Pin what is shown, then hold the evidence against that: everything but the pinned values is checked even on first use. */
static int propose(struct source *s, const char *name, int *code)
{
    struct clo_buf text = clo_buf_init(CLO_POLICY_MAX);
    struct cloister_verdict *v = calloc(1, sizeof(*v));
    struct cloister_policy *p = NULL;
    json_t *doc = NULL;
    char why[256] = {0};
    int err = CLOISTER_E_MEMORY;

    *code = CLO_EXIT_ERROR;
    if (v == NULL)
        goto out;
    if ((err = clo_policy_propose(&s->shown, name, s->o->pin_chip, &doc)) != 0) {
        clo_say_problem("no policy can be made of this evidence: %s", cloister_strerror(err));
        *code = err == CLOISTER_E_UNSUPPORTED ? CLO_EXIT_UNSUPPORTED : CLO_EXIT_MALFORMED;
        goto out;
    }
    if ((err = clo_json_write_text(doc, &text)) != 0)
        goto out;
    if (cloister_policy_check(text.p, text.len, why, sizeof(why)) != 0) {
        clo_say_problem("no policy comes of what is shown: %s", why);
        *code = CLO_EXIT_MALFORMED;
        err = CLOISTER_E_MALFORMED;
        goto out;
    }
    if ((err = cloister_policy_parse(text.p, text.len, &p)) != 0 ||
        (err = appraise(s, judged_by(s, p), v, code)) != 0 ||
        (err = judge(v, s->saved, judged_by(s, p) == NULL, code)) != 0)
        goto out;
    clo_policy_propose_notes(&s->shown, s->o->pin_chip);
    *code = emit(doc);
out:
    if (err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO)
        clo_say_problem("%s", cloister_strerror(err));
    json_decref(doc);
    cloister_policy_free(p);
    clo_buf_clear(&text);
    free(v);
    return err;
}

static void source_clear(struct source *s)
{
    clo_shown_clear(&s->shown);
    clo_bundle_clear(&s->bundle);
    cloister_evidence_free(s->evidence);
    cloister_roots_free(s->own_roots);
    free(s);
}

static int unreadable(const char *what, int err)
{
    clo_say_problem("no policy can be made of %s: %s", what, cloister_strerror(err));
    return err == CLOISTER_E_UNSUPPORTED ? CLO_EXIT_UNSUPPORTED : CLO_EXIT_MALFORMED;
}

struct first_use {
    const struct clo_options *o;
    const struct clo_live *live;
};

static int propose_first(void *ctx, struct clo_buf *out)
{
    const struct first_use *f = ctx;
    struct source *s = calloc(1, sizeof(*s));
    int code = CLO_EXIT_ERROR, err;

    (void)out;
    if (s == NULL) {
        clo_say_problem("not enough memory");
        return code;
    }
    s->o = f->o;
    s->roots = cloister_roots_builtin();
    if (clo_common_evidence(f->o, f->live, &s->evidence, &s->nonce, &s->has_nonce, &code) != 0)
        goto out;
    if ((err = clo_shown_read(s->evidence, &s->shown)) != 0) {
        code = unreadable("this server's evidence", err);
        goto out;
    }
    if (propose(s, "written by cloister policy init", &code) == 0 && code == CLO_EXIT_OK)
        clo_say_problem(
            "WARNING: this policy trusts what %s shows now. It notices later changes (`cloister policy diff` "
            "tells them), but can't tell whether this image is a good one: compare the measurement with "
            "a source you trust",
            clo_common_url(f->o));
out:
    source_clear(s);
    return code;
}

static int init_from_server(const struct clo_options *o)
{
    struct clo_live live = {0};
    struct first_use f = {o, &live};
    int code = CLO_EXIT_ERROR;

    if (clo_common_fetch(o, &live, &code) == 0)
        code = clo_common_inside(o, -1, propose_first, &f, NULL);
    clo_buf_clear(&live.json);
    return code;
}

/* ---- from saved evidence ---- */

/* A saved evidence document, or a bundle with one or with raw evidence inside. */
static int load(struct source *s, const char *path, int *code)
{
    struct clo_buf text = clo_buf_init(CLO_BUNDLE_MAX);
    int err;

    *code = CLO_EXIT_ERROR;
    if ((err = clo_file_read(path, &text)) != 0) {
        clo_say_file(path, "read", err);
        goto out;
    }
    *code = CLO_EXIT_MALFORMED;
    if (cloister_evidence_parse(text.p, text.len, &s->evidence) == 0)
        goto out;
    if ((err = clo_bundle_parse(text.p, text.len, &s->bundle)) != 0) {
        clo_say_problem(
            "%s is neither saved evidence nor a bundle (`cloister bundle` makes one of raw "
            "reports and quotes)",
            path);
        goto out;
    }
    if (s->bundle.evidence.len == 0)
        goto out;
    s->has_nonce = s->bundle.has_nonce;
    memcpy(s->nonce.bytes, s->bundle.nonce, sizeof(s->nonce.bytes));
    if ((err = cloister_evidence_parse(s->bundle.evidence.p, s->bundle.evidence.len,
                                       &s->evidence)) != 0)
        clo_say_problem("what %s holds is not evidence: %s", path, cloister_strerror(err));
out:
    clo_buf_clear(&text);
    return err;
}

static int propose_saved(void *ctx, struct clo_buf *out)
{
    const struct clo_options *o = ctx;
    const char *path = o->operand[1];
    struct source *s = calloc(1, sizeof(*s));
    int code = CLO_EXIT_ERROR, err;

    (void)out;
    if (s == NULL) {
        clo_say_problem("not enough memory");
        return code;
    }
    s->o = o;
    s->saved = true;
    if (clo_common_roots(o, &s->roots, &s->own_roots, &code) != 0 || load(s, path, &code) != 0)
        goto out;
    err = s->evidence != NULL ? clo_shown_read(s->evidence, &s->shown)
                              : clo_shown_read_raw(&s->bundle, &s->shown);
    if (err != 0) {
        code = unreadable(path, err);
        goto out;
    }
    if (propose(s, "written by cloister policy from-evidence", &code) == 0 && code == CLO_EXIT_OK)
        clo_say_problem(
            "WARNING: this policy trusts what %s shows, and nothing tells whether that is good: "
            "compare what was started with a source you trust",
            path);
    else if (code == CLO_EXIT_REFUSED && o->at == 0)
        clo_say_note("saved evidence is judged as of now unless --at TIME says another time");
out:
    source_clear(s);
    return code;
}

/* ---- the command ---- */

static int init(const struct clo_options *o)
{
    const int sources = o->from_server + (o->root != NULL) + (o->sev_snp != NULL);
    json_t *doc = NULL;
    int code = CLO_EXIT_ERROR;

    if (sources != 1 || (!o->from_server && o->measurement == NULL)) {
        clo_say_problem(
            "policy init takes one of --from-server; --simulated-root HEX --measurement HEX; "
            "--sev-snp PRODUCT --measurement HEX --min-tcb LEVELS --min-firmware VERSION");
        return code;
    }
    if (o->from_server)
        return init_from_server(o);
    if (o->sev_snp != NULL) {
        if (init_snp(o, &doc) != 0)
            return code;
    } else {
        const struct clo_policy_want w = {.root = o->root, .measurement = o->measurement};

        if (clo_policy_text(&w, &doc) != 0) {
            clo_say_problem("not enough memory");
            return code;
        }
        clo_say_problem("WARNING: " CLO_SIMULATED_WARNING);
    }
    code = emit(doc);
    json_decref(doc);
    return code;
}

int clo_command_policy(const struct clo_options *o)
{
    const char *what = o->operands > 0 ? o->operand[0] : "";
    const bool diff = strcmp(what, "diff") == 0, from = strcmp(what, "from-evidence") == 0;

    if (!diff &&
        (o->evidence != NULL || o->nonce != NULL || o->json || o->accept || o->replace || o->yes)) {
        clo_say_problem(
            "--evidence, --nonce, --json, --accept, --replace and --yes go with `policy diff`");
        return CLO_EXIT_ERROR;
    }
    if (!from && (o->pin_chip || o->at != 0 || o->roots_n > 0) &&
        !(o->from_server && o->at == 0 && o->roots_n == 0)) {
        clo_say_problem("--at and --root go with `policy from-evidence`, --pin-chip with that and "
                        "with --from-server");
        return CLO_EXIT_ERROR;
    }
    if (strcmp(what, "show") == 0 && o->operands == 2)
        return clo_policy_show(o->operand[1]);
    if (from && o->operands == 2)
        return clo_common_inside(o, 1, propose_saved, (void *)(uintptr_t)o, NULL);
    if (strcmp(what, "init") == 0 && o->operands == 1)
        return init(o);
    if (diff && o->operands == 1)
        return clo_policy_diff(o);
    clo_say_problem(
        "policy takes `init` with options, `from-evidence FILE`, `show FILE`, or `diff` with options: see `cloister policy --help`");
    return CLO_EXIT_ERROR;
}
