/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing bundles. Limits: CLO_BUNDLE_MAX bytes, CLO_BUNDLE_ITEMS items of CLO_RAW_ITEM_MAX bytes, a policy of
 * CLO_POLICY_MAX, an evidence document of CLOISTER_EVIDENCE_MAX. Fuzzed by fuzz/fuzz_bundle.c.
 */
#include "attest/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "attest/collateral_intel.h"
#include "attest/policy.h"
#include "attest/verdict.h"
#include "base/enc.h"
#include "codec/json.h"
#include "crypto/ocsp.h"

#define EXPECT_MAX 64

static const char *const type_name[] = {
    [CLOISTER_RAW_SEV_SNP] = "sev-snp", [CLOISTER_RAW_TDX] = "tdx",
    [CLOISTER_RAW_SGX] = "sgx",         [CLOISTER_RAW_AZURE] = "azure",
    [CLOISTER_RAW_NVIDIA] = "nvidia",   [CLOISTER_RAW_TPM] = "tpm",
};
static const char *const item_name[] = {
    [CLOISTER_ITEM_REPORT] = "report",
    [CLOISTER_ITEM_CERTIFICATES] = "certificates",
    [CLOISTER_ITEM_CRL] = "crl",
    [CLOISTER_ITEM_TCB_INFO] = "tcb-info",
    [CLOISTER_ITEM_QE_IDENTITY] = "qe-identity",
    [CLOISTER_ITEM_COLLATERAL_CHAIN] = "collateral-chain",
    [CLOISTER_ITEM_OCSP] = "ocsp",
    [CLOISTER_ITEM_TD_QUOTE] = "td-quote",
    [CLOISTER_ITEM_TPM_QUOTE] = "tpm-quote",
    [CLOISTER_ITEM_TPM_SIGNATURE] = "tpm-signature",
    [CLOISTER_ITEM_TPM_KEY] = "tpm-key",
    [CLOISTER_ITEM_PCRS] = "pcrs",
    [CLOISTER_ITEM_EVENT_LOG] = "event-log",
};

const char *clo_raw_type_name(enum cloister_raw_type t)
{
    return (size_t)t < CLO_ARRAY_LEN(type_name) ? type_name[t] : NULL;
}

const char *clo_raw_item_name(enum cloister_raw_item i)
{
    return (size_t)i < CLO_ARRAY_LEN(item_name) ? item_name[i] : NULL;
}

enum cloister_raw_type clo_raw_type_find(const char *name)
{
    for (size_t i = 1; i < CLO_ARRAY_LEN(type_name); i++)
        if (strcmp(type_name[i], name) == 0)
            return (enum cloister_raw_type)i;
    return 0;
}

enum cloister_raw_item clo_raw_item_find(const char *name)
{
    for (size_t i = 1; i < CLO_ARRAY_LEN(item_name); i++)
        if (strcmp(item_name[i], name) == 0)
            return (enum cloister_raw_item)i;
    return 0;
}

void clo_bundle_clear(struct clo_bundle *b)
{
    clo_buf_clear(&b->policy);
    clo_buf_clear(&b->evidence);
    clo_buf_clear(&b->expect);
    for (size_t i = 0; i < b->items; i++)
        clo_buf_clear(&b->item[i].bytes);
    free(b->item);
    *b = (struct clo_bundle){0};
}

/* Room for one more item, empty. */
static int item_new(struct clo_bundle *b, enum cloister_raw_item item)
{
    struct clo_bundle_item *p;

    if (b->items == CLO_BUNDLE_ITEMS)
        return CLOISTER_E_LIMIT;
    if ((p = realloc(b->item, (b->items + 1) * sizeof *p)) == NULL)
        return CLOISTER_E_MEMORY;
    b->item = p;
    b->item[b->items++] = (struct clo_bundle_item){.item = item,
                                                   .bytes = clo_buf_init(CLO_RAW_ITEM_MAX)};
    return 0;
}

int clo_bundle_add(struct clo_bundle *b, enum cloister_raw_item item, const void *p, size_t n)
{
    int err;

    if (clo_raw_item_name(item) == NULL || n == 0)
        return CLOISTER_E_ARGUMENT;
    if ((err = item_new(b, item)) != 0)
        return err;
    return clo_buf_append(&b->item[b->items - 1].bytes, p, n);
}

/* ---- reading ---- */

static void set_error(struct clo_json_obj *o, int err)
{
    if (o->err == 0)
        o->err = err;
}

/* Non-empty where it is there. */
static void opt_b64(struct clo_json_obj *o, const char *name, size_t max, struct clo_buf *dst)
{
    if (json_object_get(o->v, name) == NULL)
        return;
    clo_json_obj_b64(o, name, max, dst);
    if (dst->len == 0)
        set_error(o, CLOISTER_E_MALFORMED);
}

static int evidence_read(const json_t *v, struct clo_bundle *b)
{
    struct clo_json_obj o = clo_json_obj_init(v);
    struct clo_buf nonce = {0};

    clo_json_obj_b64(&o, "document", CLOISTER_EVIDENCE_MAX, &b->evidence);
    if (b->evidence.len == 0)
        set_error(&o, CLOISTER_E_MALFORMED);
    opt_b64(&o, "nonce", sizeof b->nonce, &nonce);
    if (nonce.len == sizeof b->nonce) {
        memcpy(b->nonce, nonce.p, sizeof b->nonce);
        b->has_nonce = true;
    } else if (nonce.len != 0) {
        set_error(&o, CLOISTER_E_MALFORMED);
    }
    clo_buf_clear(&nonce);
    return clo_json_obj_end(&o);
}

static int item_read(const json_t *v, struct clo_bundle *b)
{
    struct clo_json_obj o = clo_json_obj_init(v);
    const enum cloister_raw_item item = clo_raw_item_find(clo_json_obj_str(&o, "item", 32));
    int err;

    if (o.err == 0 && item == 0)
        set_error(&o, CLOISTER_E_UNKNOWN);
    if (o.err != 0)
        return o.err;
    if ((err = item_new(b, item)) != 0)
        return err;
    clo_json_obj_b64(&o, "bytes", CLO_RAW_ITEM_MAX, &b->item[b->items - 1].bytes);
    if (b->item[b->items - 1].bytes.len == 0)
        set_error(&o, CLOISTER_E_MALFORMED);
    return clo_json_obj_end(&o);
}

static int raw_read(const json_t *v, struct clo_bundle *b)
{
    struct clo_json_obj o = clo_json_obj_init(v);
    const json_t *items;

    b->type = clo_raw_type_find(clo_json_obj_str(&o, "type", 32));
    if (b->type == 0)
        set_error(&o, CLOISTER_E_UNKNOWN);
    items = clo_json_obj_need(&o, "items", JSON_ARRAY);
    if (json_array_size(items) == 0)
        set_error(&o, CLOISTER_E_MALFORMED);
    for (size_t i = 0; o.err == 0 && i < json_array_size(items); i++)
        set_error(&o, item_read(json_array_get(items, i), b));
    opt_b64(&o, "expect", EXPECT_MAX, &b->expect);
    return clo_json_obj_end(&o);
}

int clo_bundle_parse(const void *json, size_t n, struct clo_bundle *ret)
{
    struct clo_bundle b = {0};
    const json_t *evidence, *raw;
    struct clo_json_obj o;
    json_t *doc = NULL;
    int err;

    if ((err = clo_json_parse(json, n, CLO_BUNDLE_MAX, &doc)) != 0)
        return err;
    o = clo_json_obj_init(doc);
    clo_json_obj_v1(&o);
    b.created = clo_json_obj_int(&o, "created", 0, CLO_TIME_MAX);
    b.expires = clo_json_obj_int(&o, "expires", 0, CLO_TIME_MAX);
    opt_b64(&o, "policy", CLO_POLICY_MAX, &b.policy);
    evidence = clo_json_obj_opt(&o, "evidence", JSON_OBJECT);
    raw = clo_json_obj_opt(&o, "raw", JSON_OBJECT);
    if (o.err == 0 && (evidence == NULL) == (raw == NULL))
        set_error(&o, CLOISTER_E_MALFORMED);
    else if (o.err == 0)
        set_error(&o, evidence != NULL ? evidence_read(evidence, &b) : raw_read(raw, &b));
    if (b.expires <= b.created)
        set_error(&o, CLOISTER_E_MALFORMED);
    if ((err = clo_json_obj_end(&o)) == 0) {
        *ret = b;
        b = (struct clo_bundle){0};
    }
    clo_bundle_clear(&b);
    json_decref(doc);
    return err;
}

/* ---- writing ---- */

/* *err sticks at the first member that can't be made. */
static void put(json_t *o, const char *name, json_t *v, int *err)
{
    if (json_object_set_new(o, name, v) != 0)
        *err = CLOISTER_E_MEMORY;
}

static void put_b64(json_t *o, const char *name, const void *p, size_t n, int *err)
{
    char *s = malloc(CLO_B64_LEN(n) + 1);

    if (s != NULL)
        clo_b64(p, n, s);
    put(o, name, s == NULL ? NULL : json_string(s), err);
    free(s);
}

static json_t *evidence_json(const struct clo_bundle *b, int *err)
{
    json_t *o = json_object();

    put_b64(o, "document", b->evidence.p, b->evidence.len, err);
    if (b->has_nonce)
        put_b64(o, "nonce", b->nonce, sizeof b->nonce, err);
    return o;
}

static json_t *raw_json(const struct clo_bundle *b, int *err)
{
    json_t *o = json_object(), *items = json_array();

    put(o, "type", json_string(clo_raw_type_name(b->type)), err);
    for (size_t i = 0; i < b->items; i++) {
        json_t *item = json_object();

        put(item, "item", json_string(clo_raw_item_name(b->item[i].item)), err);
        put_b64(item, "bytes", b->item[i].bytes.p, b->item[i].bytes.len, err);
        if (json_array_append_new(items, item) != 0)
            *err = CLOISTER_E_MEMORY;
    }
    put(o, "items", items, err);
    if (b->expect.len != 0)
        put_b64(o, "expect", b->expect.p, b->expect.len, err);
    return o;
}

int clo_bundle_write(const struct clo_bundle *b, struct clo_buf *out)
{
    json_t *doc = NULL;
    int err = 0;

    if (b->expires <= b->created || b->created < 0 || b->expires > CLO_TIME_MAX ||
        (b->evidence.len != 0) == (b->items != 0) ||
        (b->items != 0 && clo_raw_type_name(b->type) == NULL))
        return CLOISTER_E_ARGUMENT;
    doc = json_object();
    put(doc, "v", json_integer(1), &err);
    put(doc, "created", json_integer(b->created), &err);
    put(doc, "expires", json_integer(b->expires), &err);
    if (b->policy.len != 0)
        put_b64(doc, "policy", b->policy.p, b->policy.len, &err);
    if (b->items == 0)
        put(doc, "evidence", evidence_json(b, &err), &err);
    else
        put(doc, "raw", raw_json(b, &err), &err);
    if (err == 0)
        err = clo_json_write(doc, out);
    json_decref(doc);
    return err;
}

/* ---- collateral ---- */

/* How what is added stands to what is there. */
enum relation {
    UNRELATED,
    NEWER,
    OLDER
};
typedef int compare_fn(const void *p, size_t n, const struct clo_buf *was, enum relation *ret);

static int crl_compare(const void *p, size_t n, const struct clo_buf *was, enum relation *ret)
{
    struct clo_crl *a = NULL, *b = NULL;
    int err;

    if ((err = clo_crl_parse(p, n, &a)) == 0 && (err = clo_crl_parse(was->p, was->len, &b)) == 0)
        *ret = clo_crl_replaces(a, b) ? NEWER : clo_crl_replaces(b, a) ? OLDER : UNRELATED;
    clo_crl_free(a);
    clo_crl_free(b);
    return err;
}

static int ocsp_compare(const void *p, size_t n, const struct clo_buf *was, enum relation *ret)
{
    struct clo_ocsp *a = NULL, *b = NULL;
    int err;

    if ((err = clo_ocsp_parse(p, n, &a)) == 0 && (err = clo_ocsp_parse(was->p, was->len, &b)) == 0)
        *ret = clo_ocsp_replaces(a, b) ? NEWER : clo_ocsp_replaces(b, a) ? OLDER : UNRELATED;
    clo_ocsp_free(a);
    clo_ocsp_free(b);
    return err;
}

/* What is added can be read; what is there perhaps can't, and is left alone then. */
static int list_add(struct clo_buf *at, size_t cap, size_t *count, compare_fn *compare,
                    const void *p, size_t n, size_t max)
{
    struct clo_buf copy = clo_buf_init(max);
    enum relation relation = UNRELATED;
    size_t i = 0;
    int err;

    for (; i < *count; i++) {
        err = compare(p, n, &at[i], &relation);
        if (clo_is_ours(err) || (err == 0 && relation == OLDER))
            return err;
        if (err == 0 && relation == NEWER)
            break;
    }
    if (i == cap || n > max)
        return CLOISTER_E_LIMIT;
    if ((err = clo_buf_append(&copy, p, n)) != 0)
        return err;
    if (i < *count)
        clo_buf_clear(&at[i]);
    else
        ++*count;
    at[i] = copy;
    return 0;
}

int clo_collateral_add_crl(struct clo_collateral *c, const void *p, size_t n)
{
    struct clo_crl *crl = NULL;
    const int err = clo_crl_parse(p, n, &crl);

    clo_crl_free(crl);
    return err != 0 ? err
                    : list_add(c->crl, CLO_CRLS_MAX, &c->crls, crl_compare, p, n, CLO_CRL_MAX);
}

int clo_collateral_add_ocsp(struct clo_collateral *c, const void *p, size_t n)
{
    struct clo_ocsp *o = NULL;
    const int err = clo_ocsp_parse(p, n, &o);

    clo_ocsp_free(o);
    return err != 0 ? err
                    : list_add(c->ocsp, CLO_OCSPS_MAX, &c->ocsps, ocsp_compare, p, n, CLO_OCSP_MAX);
}

/* ---- expiry ---- */

static void earlier(int64_t *end, int64_t t)
{
    if (t < *end)
        *end = t;
}

static int crl_end(const struct clo_buf *b, int64_t *end)
{
    struct clo_crl *crl = NULL;
    int err = clo_crl_parse(b->p, b->len, &crl);

    if (err == 0)
        earlier(end, clo_crl_next_update(crl));
    clo_crl_free(crl);
    return err;
}

static int ocsp_end(const struct clo_buf *b, int64_t *end)
{
    struct clo_ocsp *o = NULL;
    int err = clo_ocsp_parse(b->p, b->len, &o);

    if (err == 0)
        earlier(end, clo_ocsp_end(o));
    clo_ocsp_free(o);
    return err == CLOISTER_E_UNSUPPORTED ? 0 : err;
}

static int intel_end(const struct clo_collateral *c, int64_t *end)
{
    struct clo_tcb_info *info = calloc(1, sizeof *info);
    struct clo_qe_identity *qe = calloc(1, sizeof *qe);
    int err = info == NULL || qe == NULL ? CLOISTER_E_MEMORY : 0;

    if (err == 0 && c->tcb_info.len != 0 &&
        (err = clo_tcb_info_parse(c->tcb_info.p, c->tcb_info.len, info)) == 0)
        earlier(end, info->from.next);
    if (err == 0 && c->qe_identity.len != 0 &&
        (err = clo_qe_identity_parse(c->qe_identity.p, c->qe_identity.len, qe)) == 0)
        earlier(end, qe->from.next);
    free(info);
    free(qe);
    return err;
}

int clo_collateral_end(const struct clo_collateral *c, int64_t *ret)
{
    int64_t end = INT64_MAX;
    int err = 0;

    for (size_t i = 0; i < c->crls && err == 0; i++)
        err = crl_end(&c->crl[i], &end);
    for (size_t i = 0; i < c->ocsps && err == 0; i++)
        err = ocsp_end(&c->ocsp[i], &end);
    if (err == 0)
        err = intel_end(c, &end);
    if (err == 0)
        *ret = end;
    return err;
}
