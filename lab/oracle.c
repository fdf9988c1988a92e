/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloister-oracle: one case of the laboratory as JSON on standard input, the verdict as JSON on standard output. What another verifier needs to
 * be driven by the same runner; docs/LAB.md says how. What a case says of itself, and what it expects, isn't looked at.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/bundle.h"
#include "attest/policy.h"
#include "attest/verdict.h"
#include "codec/json.h"
#include "lab/corpus.h"

#define EXIT_USAGE     2
#define EXIT_MALFORMED 30
#define VERDICT_MAX    (1u << 20)
#define ROOTS_MAX      32

static const char usage[] =
    "Judges one case of the laboratory: JSON on standard input, the verdict on standard output.\n"
    "\n"
    "  cloister-oracle [--many] [--builtin-roots]\n"
    "\n"
    "  -m, --many           any number of cases, each on a line of its own; so are the verdicts\n"
    "  -b, --builtin-roots  leave the case's roots alone, and trust the vendors' own\n"
    "  -h, --help           this\n"
    "\n"
    "Exit status: 0 if all could be judged, whatever came out; 30 for input that is no case, 2 for a wrong command\n"
    "line, 1 for anything else.\n";

/* A case, as far as it is to be judged. */
struct question {
    char id[80];
    int64_t now;
    bool has_policy;
    struct clo_buf policy;
    struct clo_buf evidence;
    bool has_nonce;
    struct cloister_nonce nonce;
    struct cloister_raw *raw;
    int raw_err; /* why the items can't be evidence of this type */
    struct cloister_roots *roots;
};

static void question_clear(struct question *q)
{
    clo_buf_clear(&q->policy);
    clo_buf_clear(&q->evidence);
    cloister_raw_free(q->raw);
    cloister_roots_free(q->roots);
    *q = (struct question){0};
}

/* ---- reading ---- */

static void set_error(struct clo_json_obj *o, int err)
{
    if (o->err == 0)
        o->err = err;
}

static int evidence_read(const json_t *v, struct question *q)
{
    struct clo_json_obj o = clo_json_obj_init(v);
    struct clo_buf nonce = {0};

    clo_json_obj_b64(&o, "document", CLOISTER_EVIDENCE_MAX, &q->evidence);
    if (json_object_get(v, "nonce") != NULL) {
        clo_json_obj_b64(&o, "nonce", sizeof q->nonce.bytes, &nonce);
        q->nonce.sent_at = clo_json_obj_int(&o, "sent_at", 0, CLO_TIME_MAX);
        if (nonce.len != sizeof q->nonce.bytes)
            set_error(&o, CLOISTER_E_MALFORMED);
        else
            memcpy(q->nonce.bytes, nonce.p, sizeof q->nonce.bytes);
        q->has_nonce = true;
    }
    if (q->evidence.len == 0)
        set_error(&o, CLOISTER_E_MALFORMED);
    clo_buf_clear(&nonce);
    return clo_json_obj_end(&o);
}

/* An item that this type has no use for, or out of place, is the case's fault; one that can't be read is what the case is about. */
static int item_read(const json_t *v, struct question *q)
{
    struct clo_json_obj o = clo_json_obj_init(v);
    const enum cloister_raw_item item = clo_raw_item_find(clo_json_obj_str(&o, "item", 32));
    struct clo_buf bytes = {0};
    int err;

    clo_json_obj_b64(&o, "bytes", CLO_RAW_ITEM_MAX, &bytes);
    if (o.err == 0 && q->raw_err == 0) {
        err = cloister_raw_add(q->raw, item, bytes.p, bytes.len);
        if (clo_is_ours(err) || err == CLOISTER_E_ARGUMENT || err == CLOISTER_E_STATE)
            set_error(&o, err);
        else
            q->raw_err = err;
    }
    clo_buf_clear(&bytes);
    return clo_json_obj_end(&o);
}

static int raw_read(const json_t *v, struct question *q)
{
    struct clo_json_obj o = clo_json_obj_init(v);
    const enum cloister_raw_type type = clo_raw_type_find(clo_json_obj_str(&o, "type", 32));
    const json_t *items = clo_json_obj_need(&o, "items", JSON_ARRAY);
    struct clo_buf expect = {0};

    if (o.err == 0)
        set_error(&o, type == 0 ? CLOISTER_E_UNKNOWN : cloister_raw_new(type, &q->raw));
    for (size_t i = 0; o.err == 0 && i < json_array_size(items); i++)
        set_error(&o, item_read(json_array_get(items, i), q));
    if (json_object_get(v, "expect") != NULL) {
        clo_json_obj_b64(&o, "expect", CLO_RAW_ITEM_MAX, &expect);
        if (o.err == 0 && q->raw_err == 0)
            q->raw_err = cloister_raw_expect(q->raw, expect.p, expect.len);
    }
    if (clo_json_obj_opt_bool(&o, "expect_any", false) && q->raw != NULL)
        cloister_raw_expect_any(q->raw);
    clo_buf_clear(&expect);
    return clo_json_obj_end(&o);
}

static int root_read(const json_t *v, struct cloister_roots *roots)
{
    static const struct {
        const char *member, *name;
    } products[] = {{"milan", "Milan"}, {"genoa", "Genoa"}, {"turin", "Turin"}};
    struct clo_json_obj o = clo_json_obj_init(v);
    const char *vendor = clo_json_obj_str(&o, "vendor", 16), *product = NULL;
    struct clo_buf der = {0};

    if (strcmp(vendor, "amd") == 0)
        product = clo_json_obj_str(&o, "product", 16);
    clo_json_obj_b64(&o, "certificate", CLO_CERT_MAX, &der);
    if (o.err == 0 && product != NULL) {
        int err = CLOISTER_E_UNKNOWN;

        for (size_t i = 0; i < CLO_ARRAY_LEN(products); i++)
            if (strcmp(products[i].member, product) == 0)
                err = cloister_roots_add_amd(roots, products[i].name, der.p, der.len);
        set_error(&o, err);
    } else if (o.err == 0) {
        set_error(&o, strcmp(vendor, "intel") == 0 ? cloister_roots_add_intel(roots, der.p, der.len)
                      : strcmp(vendor, "nvidia") == 0
                          ? cloister_roots_add_nvidia(roots, der.p, der.len)
                      : strcmp(vendor, "tpm") == 0 ? cloister_roots_add_tpm(roots, der.p, der.len)
                                                   : CLOISTER_E_UNKNOWN);
    }
    clo_buf_clear(&der);
    return clo_json_obj_end(&o);
}

static int question_read(const void *p, size_t n, struct question *q)
{
    const json_t *evidence, *raw, *roots;
    struct clo_json_obj o;
    json_t *doc = NULL;
    int err;

    if ((err = clo_json_parse(p, n, LAB_CASE_MAX, &doc)) != 0)
        return err;
    o = clo_json_obj_init(doc);
    clo_json_obj_v1(&o);
    (void)snprintf(q->id, sizeof q->id, "%s", clo_json_obj_str(&o, "id", sizeof q->id - 1));
    q->now = clo_json_obj_int(&o, "now", 0, CLO_TIME_MAX);
    q->has_policy = json_object_get(doc, "policy") != NULL;
    if (q->has_policy)
        clo_json_obj_b64(&o, "policy", CLO_POLICY_MAX, &q->policy);
    evidence = clo_json_obj_opt(&o, "evidence", JSON_OBJECT);
    raw = clo_json_obj_opt(&o, "raw", JSON_OBJECT);
    roots = clo_json_obj_need(&o, "roots", JSON_ARRAY);
    (void)clo_json_obj_opt_str(&o, "format", 64);
    (void)clo_json_obj_opt_str(&o, "title", 1024);
    (void)clo_json_obj_opt_str(&o, "basis", 1024);
    (void)clo_json_obj_opt_str(&o, "flip", 64);
    (void)clo_json_obj_opt(&o, "lesson", JSON_ARRAY);
    (void)clo_json_obj_opt(&o, "expected", JSON_OBJECT);
    if (o.err == 0 && ((evidence == NULL) == (raw == NULL) || json_array_size(roots) > ROOTS_MAX))
        set_error(&o, CLOISTER_E_MALFORMED);
    if (o.err == 0)
        set_error(&o, evidence != NULL ? evidence_read(evidence, q) : raw_read(raw, q));
    if (o.err == 0)
        set_error(&o, cloister_roots_new(&q->roots));
    for (size_t i = 0; o.err == 0 && i < json_array_size(roots); i++)
        set_error(&o, root_read(json_array_get(roots, i), q->roots));
    err = clo_json_obj_end(&o);
    json_decref(doc);
    return err;
}

/* ---- judging ---- */

static int judge(const struct question *q, const struct cloister_roots *roots,
                 struct cloister_verdict *v)
{
    struct cloister_policy *policy = NULL;
    struct cloister_evidence *e = NULL;
    int err = 0;

    if (q->has_policy &&
        (err = cloister_policy_parse(q->policy.p == NULL ? (const uint8_t *)"" : q->policy.p,
                                     q->policy.len, &policy)) != 0)
        return err;
    memset(v, 0, sizeof *v);
    if (q->raw != NULL)
        err = q->raw_err != 0 ? q->raw_err
                              : cloister_raw_appraise(q->raw, policy, roots, q->now, v);
    else if ((err = cloister_evidence_parse(q->evidence.p, q->evidence.len, &e)) == 0)
        err = cloister_evidence_verify(e, q->has_nonce ? &q->nonce : NULL, policy, roots, q->now,
                                       v);
    cloister_evidence_free(e);
    cloister_policy_free(policy);
    if (clo_is_ours(err))
        return err;
    if (v->outcome == CLOISTER_NOT_VERIFIED) /* what came isn't evidence, so no check was made */
        v->outcome = CLOISTER_MALFORMED;
    return 0;
}

/* ---- answering ---- */

static int answer(const char *id, const struct cloister_verdict *v, struct clo_buf *out)
{
    json_t *full = NULL, *o = NULL, *checks = json_array();
    const json_t *from;
    char *text = NULL;
    int err;

    if ((err = cloister_verdict_json(v, &text)) != 0 ||
        (err = clo_json_parse(text, strlen(text), VERDICT_MAX, &full)) != 0)
        goto out;
    from = json_object_get(full, "checks");
    err = checks == NULL ? CLOISTER_E_MEMORY : 0;
    for (size_t i = 0; i < json_array_size(from); i++) {
        const json_t *one = json_array_get(from, i);
        json_t *c = json_pack("{s:O,s:O,s:s}", "id", json_object_get(one, "id"), "status",
                              json_object_get(one, "status"), "reason",
                              json_string_value(json_object_get(one, "reason")) == NULL
                                  ? ""
                                  : json_string_value(json_object_get(one, "reason")));

        if (json_array_append_new(checks, c) != 0)
            err = CLOISTER_E_MEMORY;
    }
    o = json_pack("{s:i,s:s,s:O,s:O}", "v", 1, "id", id, "outcome",
                  json_object_get(full, "outcome"), "checks", checks);
    if (o == NULL)
        err = CLOISTER_E_MEMORY;
    if (err == 0)
        err = clo_json_write(o, out);
out:
    json_decref(o);
    json_decref(full);
    json_decref(checks);
    free(text);
    return err;
}

static int complain(size_t line, const char *what, int err)
{
    if (line > 0)
        (void)fprintf(stderr, "cloister-oracle: line %zu: ", line);
    else
        (void)fprintf(stderr, "cloister-oracle: ");
    (void)fprintf(stderr, "%s: %s\n", what, cloister_strerror(err));
    return clo_is_ours(err) || err == CLOISTER_E_IO ? 1 : EXIT_MALFORMED;
}

static int one(const void *p, size_t n, size_t line, bool builtin)
{
    static struct cloister_verdict v;
    struct clo_buf out = clo_buf_init(VERDICT_MAX);
    struct question q = {0};
    int err, code = 0;

    if ((err = question_read(p, n, &q)) != 0)
        code = complain(line, "this is no case", err);
    else if ((err = judge(&q, builtin ? cloister_roots_builtin() : q.roots, &v)) != 0 ||
             (err = answer(q.id, &v, &out)) != 0)
        code = complain(line, q.id, err);
    else if (fwrite(out.p, 1, out.len, stdout) != out.len || putchar('\n') == EOF ||
             fflush(stdout) != 0)
        code = complain(line, "standard output", CLOISTER_E_IO);
    question_clear(&q);
    clo_buf_clear(&out);
    return code;
}

/* One case from the first byte to the last. */
static int all_of_it(bool builtin)
{
    struct clo_buf in = clo_buf_init(LAB_CASE_MAX);
    uint8_t piece[16384];
    size_t n;
    int err = 0, code;

    while (err == 0 && (n = fread(piece, 1, sizeof piece, stdin)) > 0)
        err = clo_buf_append(&in, piece, n);
    if (ferror(stdin))
        err = CLOISTER_E_IO;
    code = err != 0 ? complain(0, "standard input", err) : one(in.p, in.len, 0, builtin);
    clo_buf_clear(&in);
    return code;
}

static int each_line(bool builtin)
{
    char *line = NULL;
    size_t cap = 0, number = 0;
    ssize_t n;
    int code = 0;

    while (code == 0 && (n = getline(&line, &cap, stdin)) > 0)
        code = one(line, (size_t)n, ++number, builtin);
    if (code == 0 && ferror(stdin))
        code = complain(0, "standard input", CLOISTER_E_IO);
    free(line);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"many", no_argument, NULL, 'm'},
        {"builtin-roots", no_argument, NULL, 'b'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bool many = false, builtin = false;
    int c;

    while ((c = getopt_long(argc, argv, "mbh", options, NULL)) != -1) {
        switch (c) {
        case 'm': many = true; break;
        case 'b': builtin = true; break;
        case 'h': return fputs(usage, stdout) == EOF || fflush(stdout) != 0;
        default: (void)fputs(usage, stderr); return EXIT_USAGE;
        }
    }
    if (optind != argc) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    return many ? each_line(builtin) : all_of_it(builtin);
}
