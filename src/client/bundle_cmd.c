/* SPDX-License-Identifier: Apache-2.0 */
/* `cloister bundle`: evidence and all that judging it needs, in one file with an expiry. */
#include "client/commands.h"

#include <stdlib.h>
#include <string.h>

#include "attest/evidence.h"
#include "attest/verdict.h"
#include "base/enc.h"
#include "client/raw_input.h"
#include "client/say.h"
#include "crypto/x509.h"
#include "platform/file.h"
#include "platform/process.h"

/* As of when it is made. */
static int64_t made_at(const struct clo_options *o)
{
    return o->at != 0 ? o->at : clo_clock_now();
}

/* ---- a Cloister server's evidence ---- */

/* One more piece of collateral. What is older gives way to it. */
static int merge(struct clo_collateral *c, enum cloister_raw_item item, const struct clo_buf *bytes)
{
    struct clo_buf *to = NULL;

    switch (item) {
    case CLOISTER_ITEM_CRL: return clo_collateral_add_crl(c, bytes->p, bytes->len);
    case CLOISTER_ITEM_OCSP: return clo_collateral_add_ocsp(c, bytes->p, bytes->len);
    case CLOISTER_ITEM_COLLATERAL_CHAIN:
        if (c->collateral_chain_n == CLO_CHAIN_MAX)
            return CLOISTER_E_LIMIT;
        to = &c->collateral_chain[c->collateral_chain_n++];
        break;
    case CLOISTER_ITEM_TCB_INFO: to = &c->tcb_info; break;
    case CLOISTER_ITEM_QE_IDENTITY: to = &c->qe_identity; break;
    default: return CLOISTER_E_ARGUMENT;
    }
    clo_buf_clear(to);
    *to = clo_buf_init(CLO_TCB_INFO_MAX);
    return clo_buf_append(to, bytes->p, bytes->len);
}

/* PEM with any number, or one DER. */
static int merge_pem(struct clo_collateral *c, enum cloister_raw_item item, const char *label,
                     const struct clo_buf *bytes)
{
    const char *p = (const char *)bytes->p;
    size_t n = bytes->len, found = 0;
    int err;

    for (;;) {
        struct clo_buf der = clo_buf_init(CLO_CRL_MAX);

        if ((err = clo_pem_next(&p, &n, label, &der)) == 0)
            err = merge(c, item, &der);
        clo_buf_clear(&der);
        if (err != 0)
            break;
        found++;
    }
    if (err == CLOISTER_E_NOT_FOUND)
        err = found > 0 ? 0 : merge(c, item, bytes);
    return err;
}

static int merge_item(struct clo_collateral *c, const struct clo_bundle_item *i)
{
    if (i->item == CLOISTER_ITEM_CRL)
        return merge_pem(c, i->item, "X509 CRL", &i->bytes);
    if (i->item == CLOISTER_ITEM_COLLATERAL_CHAIN)
        return merge_pem(c, i->item, "CERTIFICATE", &i->bytes);
    return merge(c, i->item, &i->bytes);
}

/* Newer Intel answers come with their own chain: what was there goes. */
static void forget_replaced(struct clo_collateral *c, const struct clo_bundle *more)
{
    for (size_t i = 0; i < more->items; i++) {
        if (more->item[i].item != CLOISTER_ITEM_COLLATERAL_CHAIN)
            continue;
        while (c->collateral_chain_n > 0)
            clo_buf_clear(&c->collateral_chain[--c->collateral_chain_n]);
    }
}

/* The document with more collateral in it. Collateral is signed by its vendors, and covered by no report. */
static int renew(const struct cloister_evidence *e, const struct clo_bundle *more,
                 struct clo_collateral *c, struct clo_buf *out)
{
    struct clo_section_ref sec[CLO_SEC_COUNT] = {0};
    struct clo_buf section = clo_buf_init(CLO_SECTION_MAX);
    int err = 0;

    forget_replaced(c, more);
    for (size_t i = 0; i < more->items && err == 0; i++)
        if ((err = merge_item(c, &more->item[i])) == CLOISTER_E_ARGUMENT)
            clo_say_problem("a server's evidence takes collateral only: --%s doesn't go with "
                            "--evidence",
                            clo_raw_item_name(more->item[i].item));
        else if (err != 0)
            clo_say_problem("what --%s gives can't be put in: %s",
                            clo_raw_item_name(more->item[i].item), cloister_strerror(err));
    if (err == 0 && (err = clo_collateral_write(c, &section)) != 0)
        clo_say_problem(err == CLOISTER_E_ARGUMENT
                            ? "Intel's answers go together: --tcb-info, --qe-identity and "
                              "--collateral-chain, or --collateral"
                            : "the collateral is more than a server's evidence may have");
    if (err != 0)
        goto out;
    for (size_t i = 0; i < CLO_SEC_COUNT; i++) {
        sec[i].p = e->sec[i].bytes.p == NULL ? (const uint8_t *)"" : e->sec[i].bytes.p;
        sec[i].n = e->sec[i].bytes.len;
    }
    sec[CLO_SEC_COLLATERAL].p = section.p;
    sec[CLO_SEC_COLLATERAL].n = section.len;
    if ((err = clo_evidence_write(sec, out)) != 0)
        clo_say_problem("the evidence could not be put together: %s", cloister_strerror(err));
out:
    clo_buf_clear(&section);
    return err;
}

/* The server's keys end long before collateral does, and nothing can be verified under them then. */
static int keys_end(const struct clo_options *o, const struct cloister_evidence *e, int64_t *end)
{
    struct clo_keys_section k = {0};
    char text[CLO_DATE_LEN];
    int err = clo_keys_section_parse(e->sec[CLO_SEC_KEYS].bytes.p, e->sec[CLO_SEC_KEYS].bytes.len,
                                     &k);

    if (err != 0) {
        clo_say_problem("%s has keys that can't be read: %s", o->evidence, cloister_strerror(err));
        return err;
    }
    if (k.expires <= made_at(o)) {
        clo_date(k.expires, text);
        clo_say_problem("the keys in %s ended on %s, and a bundle is judged as of a time after it "
                        "was made: save the server's evidence anew, or say --at TIME",
                        o->evidence, text);
        return CLOISTER_E_STALE;
    }
    if (k.expires < *end)
        *end = k.expires;
    return 0;
}

static int from_evidence(const struct clo_options *o, struct clo_bundle *b, int64_t *end, int *code)
{
    struct cloister_evidence *e = NULL;
    struct cloister_nonce nonce = {0};
    struct clo_collateral c = {0};
    struct clo_bundle more = {0};
    char missing[65];
    int err;

    if ((err = clo_common_evidence(o, NULL, &e, &nonce, &b->has_nonce, code)) != 0)
        return err;
    *code = CLO_EXIT_MALFORMED;
    memcpy(b->nonce, nonce.bytes, sizeof b->nonce);
    if (cloister_evidence_missing(e, 0, missing)) {
        clo_say_problem("%s lacks sections: `cloister evidence` saves it whole", o->evidence);
        err = CLOISTER_E_STATE;
        goto out;
    }
    if ((err = clo_collateral_parse(e->sec[CLO_SEC_COLLATERAL].bytes.p,
                                    e->sec[CLO_SEC_COLLATERAL].bytes.len, &c)) != 0) {
        clo_say_problem("%s has collateral that can't be read: %s", o->evidence,
                        cloister_strerror(err));
        goto out;
    }
    if ((err = clo_raw_read_collateral(o, &more, code)) != 0)
        goto out;
    *code = CLO_EXIT_ERROR;
    b->evidence = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    if ((err = renew(e, &more, &c, &b->evidence)) != 0)
        goto out;
    if ((err = clo_collateral_end(&c, end)) != 0)
        clo_say_problem("%s has collateral that can't be read: %s", o->evidence,
                        cloister_strerror(err));
    else
        err = keys_end(o, e, end);
out:
    clo_bundle_clear(&more);
    clo_collateral_clear(&c);
    cloister_evidence_free(e);
    return err;
}

/* ---- the bundle ---- */

/* Raw files: the end of what is collateral among them. */
static int raw_end(const struct clo_bundle *b, int64_t *end)
{
    struct clo_collateral c = {0};
    int err = 0;

    for (size_t i = 0; i < b->items && err == 0; i++) {
        err = merge_item(&c, &b->item[i]);
        if (err == CLOISTER_E_ARGUMENT)
            err = 0; /* no collateral */
    }
    if (err == 0)
        err = clo_collateral_end(&c, end);
    clo_collateral_clear(&c);
    return err;
}

static int add_policy(const struct clo_options *o, struct clo_bundle *b, int *code)
{
    struct cloister_policy *policy = NULL;
    uint8_t digest[32];
    char hex[65];
    int err;

    if (o->policy == NULL)
        return 0;
    b->policy = clo_buf_init(1 << 20);
    if ((err = clo_common_policy_text(o->policy, &b->policy, &policy, code)) != 0)
        return err;
    cloister_policy_digest(policy, digest);
    clo_hex(digest, sizeof digest, hex);
    clo_say_note("the bundle has your policy; whoever is to use it has to know its SHA-256: %s",
                 hex);
    cloister_policy_free(policy);
    return 0;
}

static int set_times(const struct clo_options *o, struct clo_bundle *b, int64_t end)
{
    char text[CLO_DATE_LEN];

    b->created = made_at(o);
    b->expires = o->expires != 0 && o->expires < end ? o->expires : end;
    if (b->expires == INT64_MAX) {
        clo_say_problem("there is no collateral that ends, so say how long the bundle may be used: "
                        "--expires TIME");
        return CLOISTER_E_ARGUMENT;
    }
    clo_date(b->expires, text);
    if (b->expires <= b->created) {
        clo_say_problem("it would have expired already, on %s: get newer collateral, mend "
                        "--expires, or say --at TIME",
                        text);
        return CLOISTER_E_STALE;
    }
    clo_say_note("the bundle can be used until %s", text);
    return 0;
}

static int make(void *ctx, struct clo_buf *out)
{
    const struct clo_options *o = ctx;
    struct cloister_raw *raw = NULL;
    struct clo_bundle b = {0};
    int code = CLO_EXIT_ERROR, err;
    int64_t end = INT64_MAX;

    if (o->evidence != NULL)
        err = from_evidence(o, &b, &end, &code);
    else if ((err = clo_raw_read(o, &b, &code)) == 0 &&
             (err = clo_raw_build(&b, false, &raw, &code)) == 0 && (err = raw_end(&b, &end)) != 0) {
        clo_say_problem("the collateral can't be read: %s", cloister_strerror(err));
        code = CLO_EXIT_MALFORMED;
    }
    if (err != 0 || add_policy(o, &b, &code) != 0)
        goto out;
    code = CLO_EXIT_ERROR;
    if (set_times(o, &b, end) != 0)
        goto out;
    if ((err = clo_bundle_write(&b, out)) != 0) {
        clo_say_file(o->out, "written", err);
        goto out;
    }
    code = CLO_EXIT_OK;
out:
    cloister_raw_free(raw);
    clo_bundle_clear(&b);
    return code;
}

int clo_command_bundle(const struct clo_options *o)
{
    struct clo_buf out = clo_buf_init(CLO_BUNDLE_MAX);
    int code = CLO_EXIT_ERROR, err;

    if (o->out == NULL) {
        clo_say_problem("say where the bundle goes: --out FILE (- for standard output)");
        return code;
    }
    if (o->evidence != NULL && (o->operands > 0 || o->expect != NULL)) {
        clo_say_problem("--evidence is a Cloister server's: it goes without a type, a report and "
                        "--expect");
        return code;
    }
    code = clo_common_inside(o, 1, make, (void *)(uintptr_t)o, &out);
    if (code == CLO_EXIT_OK && (err = clo_file_write(o->out, out.p, out.len)) != 0) {
        clo_say_file(o->out, "written", err);
        code = CLO_EXIT_ERROR;
    }
    clo_buf_clear(&out);
    return code;
}
