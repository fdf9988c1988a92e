/* SPDX-License-Identifier: Apache-2.0 */
/* What all cases have in common: filling them in, checking that they say what they have to, and writing them. */
#include "lab/lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/policy.h"
#include "base/enc.h"
#include "codec/json.h"
#include "lab/corpus.h"

#define IDS_MAX    4096
#define ID_LEN_MAX 64

struct lab {
    lab_sink *sink;
    void *arg;
    const char *format, *id; /* NULL: all */
    bool found;              /* the one case that is wanted */
    char *seen[IDS_MAX];
    size_t seen_n;
};

/* ---- filling in ---- */

void lab_item(struct lab_case *c, enum cloister_raw_item item, const void *p, size_t n)
{
    LAB_MUST(clo_bundle_add(&c->bundle, item, p, n) == 0);
}

void lab_expect(struct lab_case *c, const void *p, size_t n)
{
    clo_buf_clear(&c->bundle.expect);
    c->bundle.expect = clo_buf_init(64);
    LAB_MUST(clo_buf_append(&c->bundle.expect, p, n) == 0);
}

void lab_document(struct lab_case *c, const void *json, size_t n, const uint8_t nonce[32],
                  int64_t sent_at)
{
    clo_buf_clear(&c->bundle.evidence);
    c->bundle.evidence = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    LAB_MUST(clo_buf_append(&c->bundle.evidence, json, n) == 0);
    c->bundle.has_nonce = nonce != NULL;
    if (nonce != NULL)
        memcpy(c->bundle.nonce, nonce, sizeof c->bundle.nonce);
    c->sent_at = sent_at;
}

void lab_root(struct lab_case *c, enum lab_root_kind kind, const void *der, size_t n)
{
    struct lab_root *r = &c->root[c->roots];

    LAB_MUST(c->roots < LAB_ROOTS_MAX);
    *r = (struct lab_root){.kind = kind, .der = clo_buf_init(CLO_CERT_MAX)};
    LAB_MUST(clo_buf_append(&r->der, der, n) == 0);
    c->roots++;
}

void lab_pem(struct clo_buf *out, const struct clo_buf *der)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----\n",
                      end[] = "-----END CERTIFICATE-----\n";
    char *text = calloc(1, CLO_B64_LEN(der->len) + 4);
    size_t n;

    LAB_MUST(text != NULL);
    clo_b64(der->p, der->len, text);
    for (char *c = text; *c != '\0'; c++) { /* the alphabet of RFC 4648 section 4 */
        if (*c == '-')
            *c = '+';
        else if (*c == '_')
            *c = '/';
    }
    n = strlen(text);
    while (n % 4 != 0)
        text[n++] = '=';
    LAB_MUST(clo_buf_append(out, begin, strlen(begin)) == 0);
    for (size_t i = 0; i < n; i += 64) {
        LAB_MUST(clo_buf_append(out, text + i, n - i < 64 ? n - i : 64) == 0);
        LAB_MUST(clo_buf_append(out, "\n", 1) == 0);
    }
    LAB_MUST(clo_buf_append(out, end, strlen(end)) == 0);
    free(text);
}

/* ---- writing ---- */

static void put(json_t *o, const char *name, json_t *v)
{
    LAB_MUST(json_object_set_new(o, name, v) == 0);
}

static json_t *b64(const void *p, size_t n)
{
    char *s = malloc(CLO_B64_LEN(n) + 1);
    json_t *v;

    LAB_MUST(s != NULL);
    clo_b64(p, n, s);
    v = json_string(s);
    free(s);
    return v;
}

/* The next word of a list that is apart by blanks; false: no more. */
static bool word_next(const char **list, char *dst, size_t cap)
{
    size_t n;

    *list += strspn(*list, " ");
    n = strcspn(*list, " ");
    if (n == 0)
        return false;
    LAB_MUST(n < cap);
    memcpy(dst, *list, n);
    dst[n] = '\0';
    *list += n;
    return true;
}

static bool is_check(const char *name)
{
#define IS_CHECK_(number, id, text, title) \
    if (strcmp(name, text) == 0)           \
        return true;
    CLOISTER_CHECK_LIST(IS_CHECK_)
#undef IS_CHECK_
    return false;
}

/* Names of checks, each once. */
static json_t *checks(const struct lab_case *c, const char *list)
{
    json_t *a = json_array();
    char name[ID_LEN_MAX];

    while (list != NULL && word_next(&list, name, sizeof name)) {
        if (!is_check(name))
            lab_cannot(c->id, 0, name);
        for (size_t i = 0; i < json_array_size(a); i++)
            if (strcmp(json_string_value(json_array_get(a, i)), name) == 0)
                lab_cannot(c->id, 0, name);
        LAB_MUST(json_array_append_new(a, json_string(name)) == 0);
    }
    return a;
}

static json_t *lessons(const char *list)
{
    json_t *a = json_array();
    char word[8];

    while (word_next(&list, word, sizeof word)) {
        const unsigned long row = strtoul(word, NULL, 10);

        LAB_MUST(row > 0);
        LAB_MUST(json_array_append_new(a, json_integer((json_int_t)row)) == 0);
    }
    return a;
}

static json_t *raw(const struct lab_case *c)
{
    json_t *o = json_object(), *items = json_array();

    put(o, "type", json_string(clo_raw_type_name(c->bundle.type)));
    for (size_t i = 0; i < c->bundle.items; i++) {
        const struct clo_bundle_item *from = &c->bundle.item[i];
        json_t *item = json_object();

        put(item, "item", json_string(clo_raw_item_name(from->item)));
        put(item, "bytes", b64(from->bytes.p, from->bytes.len));
        LAB_MUST(json_array_append_new(items, item) == 0);
    }
    put(o, "items", items);
    if (c->bundle.expect.len > 0)
        put(o, "expect", b64(c->bundle.expect.p, c->bundle.expect.len));
    if (c->expect_any)
        put(o, "expect_any", json_true());
    return o;
}

static json_t *evidence(const struct lab_case *c)
{
    json_t *o = json_object();

    put(o, "document", b64(c->bundle.evidence.p, c->bundle.evidence.len));
    if (c->bundle.has_nonce) {
        put(o, "nonce", b64(c->bundle.nonce, sizeof c->bundle.nonce));
        put(o, "sent_at", json_integer(c->sent_at));
    }
    return o;
}

/* ' stands for ". A policy that nobody could use isn't one. */
static json_t *policy(const struct lab_case *c)
{
    const size_t n = strlen(c->policy);
    char *s = malloc(n + 1), why[200];
    json_t *v;

    LAB_MUST(s != NULL);
    memcpy(s, c->policy, n + 1);
    for (char *p = s; *p != '\0'; p++)
        if (*p == '\'')
            *p = '"';
    if (cloister_policy_check(s, n, why, sizeof why) != 0)
        lab_cannot(c->id, 0, why);
    v = b64(s, n);
    free(s);
    return v;
}

static json_t *roots(const struct lab_case *c)
{
    static const struct {
        const char *vendor, *product;
    } name[] = {
        [LAB_ROOT_MILAN] = {"amd", "milan"},  [LAB_ROOT_GENOA] = {"amd", "genoa"},
        [LAB_ROOT_TURIN] = {"amd", "turin"},  [LAB_ROOT_INTEL] = {"intel", NULL},
        [LAB_ROOT_NVIDIA] = {"nvidia", NULL}, [LAB_ROOT_TPM] = {"tpm", NULL},
    };
    json_t *a = json_array();

    for (size_t i = 0; i < c->roots; i++) {
        json_t *o = json_object();

        put(o, "vendor", json_string(name[c->root[i].kind].vendor));
        if (name[c->root[i].kind].product != NULL)
            put(o, "product", json_string(name[c->root[i].kind].product));
        put(o, "certificate", b64(c->root[i].der.p, c->root[i].der.len));
        LAB_MUST(json_array_append_new(a, o) == 0);
    }
    return a;
}

static json_t *expected(const struct lab_case *c)
{
    json_t *o = json_object(), *fail = checks(c, c->fail), *missing = checks(c, c->missing);
    const bool fails = json_array_size(fail) > 0, lacks = json_array_size(missing) > 0;
    const char *is = c->outcome;

    /* An outcome that doesn't follow from the checks is a slip of whoever wrote the case. */
    if (strcmp(is, "verified") == 0        ? fails || lacks
        : strcmp(is, "refused") == 0       ? !fails
        : strcmp(is, "indeterminate") == 0 ? fails || !lacks
                                           : strcmp(is, "malformed") != 0)
        lab_cannot(c->id, 0, "outcome and checks contradict each other");
    put(o, "outcome", json_string(is));
    put(o, "fail", fail);
    put(o, "missing", missing);
    if (c->not_applicable != NULL)
        put(o, "not_applicable", checks(c, c->not_applicable));
    return o;
}

static void write_case(const struct lab_case *c, struct clo_buf *out)
{
    json_t *o = json_object();

    put(o, "v", json_integer(1));
    put(o, "id", json_string(c->id));
    put(o, "format", json_string(c->format));
    put(o, "title", json_string(c->title));
    put(o, "basis", json_string(c->basis));
    if (c->lesson != NULL)
        put(o, "lesson", lessons(c->lesson));
    if (c->flip != NULL)
        put(o, "flip", json_string(c->flip));
    put(o, "now", json_integer(c->now));
    if (c->bundle.items > 0)
        put(o, "raw", raw(c));
    else
        put(o, "evidence", evidence(c));
    if (c->policy != NULL)
        put(o, "policy", policy(c));
    put(o, "roots", roots(c));
    put(o, "expected", expected(c));
    LAB_MUST(clo_json_write(o, out) == 0);
    json_decref(o);
}

/* ---- emitting ---- */

static void id_take(struct lab *l, const char *id)
{
    const size_t n = strlen(id);

    if (n == 0 || n > ID_LEN_MAX || strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != n)
        lab_cannot(id, 0, "an id has lower-case words and digits");
    for (size_t i = 0; i < l->seen_n; i++)
        if (strcmp(l->seen[i], id) == 0)
            lab_cannot(id, 0, "two cases have this id");
    LAB_MUST(l->seen_n < IDS_MAX);
    LAB_MUST((l->seen[l->seen_n] = strdup(id)) != NULL);
    l->seen_n++;
}

static bool wanted(const struct lab *l, const struct lab_case *c)
{
    return (l->format == NULL || strcmp(l->format, c->format) == 0) &&
           (l->id == NULL || strcmp(l->id, c->id) == 0);
}

void lab_emit(struct lab *l, struct lab_case *c)
{
    struct clo_buf json = clo_buf_init(LAB_CASE_MAX);

    LAB_MUST(c->id != NULL);
    if (c->format == NULL || c->title == NULL || c->basis == NULL || c->outcome == NULL)
        lab_cannot(c->id, 0, "format, title, basis and outcome are wanted");
    if (!lab_format_known(c->format))
        lab_cannot(c->id, 0, "an unknown format");
    if ((c->bundle.items > 0) == (c->bundle.evidence.len > 0))
        lab_cannot(c->id, 0, "raw items or an evidence document are wanted");
    if (c->now <= 0 || (c->bundle.items > 0 && clo_raw_type_name(c->bundle.type) == NULL) ||
        (c->expect_any && c->bundle.expect.len > 0))
        lab_cannot(c->id, 0, "now, type or expectation");
    id_take(l, c->id);
    if (wanted(l, c)) {
        write_case(c, &json);
        l->sink(l->arg, c, &json);
        l->found = l->id != NULL;
    }
    clo_buf_clear(&json);
    clo_bundle_clear(&c->bundle);
    for (size_t i = 0; i < c->roots; i++)
        clo_buf_clear(&c->root[i].der);
    c->roots = 0;
}

/* ---- the corpus ---- */

static const struct {
    const char *format;
    void (*cases)(struct lab *l);
} chapter[] = {
    {"sev-snp", lab_cases_snp},     {"sev-snp-azure", lab_cases_azure}, {"tdx", lab_cases_quote},
    {"tdx-azure", lab_cases_azure}, {"sgx", lab_cases_quote},           {"tpm", lab_cases_tpm},
    {"nvidia", lab_cases_nvidia},   {"evidence", lab_cases_evidence},
};

bool lab_format_known(const char *format)
{
    for (size_t i = 0; i < CLO_ARRAY_LEN(chapter); i++)
        if (strcmp(chapter[i].format, format) == 0)
            return true;
    return false;
}

/* Did an earlier chapter that is wanted run this one's function? */
static bool ran(size_t i, const char *format)
{
    for (size_t k = 0; k < i; k++)
        if (chapter[k].cases == chapter[i].cases &&
            (format == NULL || strcmp(chapter[k].format, format) == 0))
            return true;
    return false;
}

void lab_corpus(const char *format, const char *id, lab_sink *sink, void *arg)
{
    static struct lab l;

    l = (struct lab){.sink = sink, .arg = arg, .format = format, .id = id};
    for (size_t i = 0; i < CLO_ARRAY_LEN(chapter) && !l.found; i++)
        if ((format == NULL || strcmp(chapter[i].format, format) == 0) && !ran(i, format))
            chapter[i].cases(&l);
    for (size_t i = 0; i < l.seen_n; i++)
        free(l.seen[i]);
    l.seen_n = 0;
}
