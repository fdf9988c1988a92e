/* SPDX-License-Identifier: Apache-2.0 */
/* Building a verdict, and showing it to machines. */
#include "attest/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "codec/json.h"
#include "codec/shape.h"

#define VERDICT_JSON_MAX (1u << 20)

static const struct {
    enum cloister_check_id id;
    const char *name, *title;
} check_table[CLO_CHECK_COUNT] = {
#define CHECK_ROW_(number, id, name, title) {CLOISTER_CHECK_##id, name, title},
    CLOISTER_CHECK_LIST(CHECK_ROW_)
#undef CHECK_ROW_
};

/* Each number's place in the table, and one more: 0 is a number that no check has. */
static const uint8_t place_plus_1[] = {
#define CHECK_PLACE_(number, id, name, title) [number] = CLO_CHECK_PLACE_##id + 1,
    CLOISTER_CHECK_LIST(CHECK_PLACE_)
#undef CHECK_PLACE_
};
_Static_assert(CLO_CHECK_COUNT < UINT8_MAX, "a place fits a byte");

/* CLO_CHECK_COUNT for an unknown id. */
static size_t place_of(enum cloister_check_id id)
{
    const size_t n = (size_t)id;

    if (n >= CLO_ARRAY_LEN(place_plus_1) || place_plus_1[n] == 0)
        return CLO_CHECK_COUNT;
    return place_plus_1[n] - 1U;
}

const char *cloister_check_name(enum cloister_check_id id)
{
    size_t i = place_of(id);

    return i < CLO_CHECK_COUNT ? check_table[i].name : "";
}

const char *cloister_check_title(enum cloister_check_id id)
{
    size_t i = place_of(id);

    return i < CLO_CHECK_COUNT ? check_table[i].title : "";
}

void clo_vb_init(struct clo_verdict_builder *vb)
{
    memset(vb, 0, sizeof *vb);
    vb->valid_until = INT64_MAX;
}

static void set_text(char dst[CLOISTER_CHECK_TEXT], const char *s)
{
    size_t n = 0;

    for (; s != NULL && s[n] != '\0' && n < CLOISTER_CHECK_TEXT - 1; n++) {
        dst[n] = s[n];
        if (s[n] < 0x20 || s[n] > 0x7e)
            dst[n] = '?';
    }
    dst[n] = '\0';
}

void clo_vb_set(struct clo_verdict_builder *vb, enum cloister_check_id id,
                enum cloister_check_status status, const char *expected, const char *actual,
                const char *reason)
{
    size_t i = place_of(id);
    struct cloister_check *c = &vb->check[i];

    if (i == CLO_CHECK_COUNT || vb->out[i] || c->status != CLOISTER_CHECK_NONE) {
        vb->twice = true;
        return;
    }
    c->id = id;
    c->status = status;
    set_text(c->expected, expected);
    set_text(c->actual, actual);
    set_text(c->reason, reason == NULL ? check_table[i].title : reason);
}

static void leave_out(struct clo_verdict_builder *vb, size_t i)
{
    vb->twice = vb->twice || vb->check[i].status != CLOISTER_CHECK_NONE;
    vb->out[i] = true;
}

void clo_vb_leave_out(struct clo_verdict_builder *vb, unsigned first, unsigned last)
{
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++)
        if (check_table[i].id >= first && check_table[i].id <= last)
            leave_out(vb, i);
}

/* <cloister/checks.h> says how numbers are shared out. A number that no family has is left out of every verdict. */
static unsigned family_of(unsigned id)
{
    static const struct {
        unsigned first, last, family;
    } families[] = {
        {100, 199, CLO_FAMILY_SNP}, {200, 249, CLO_FAMILY_QUOTE}, {250, 279, CLO_FAMILY_TDX},
        {280, 299, CLO_FAMILY_SGX}, {300, 339, CLO_FAMILY_AZURE}, {340, 399, CLO_FAMILY_TPM},
        {400, 499, CLO_FAMILY_GPU},
    };

    for (size_t i = 0; i < CLO_ARRAY_LEN(families); i++)
        if (id >= families[i].first && id <= families[i].last)
            return families[i].family;
    return 0;
}

void clo_vb_keep_families(struct clo_verdict_builder *vb, unsigned families)
{
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
        const unsigned id = check_table[i].id;

        if (id >= 100 && (family_of(id) & families) == 0)
            leave_out(vb, i);
    }
}

void clo_vb_skip_families(struct clo_verdict_builder *vb, unsigned families, const char *reason)
{
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
        const unsigned id = check_table[i].id;

        if ((family_of(id) & families) != 0)
            clo_vb_skip(vb, id, id, reason);
    }
}

size_t clo_vb_count(const struct clo_verdict_builder *vb, unsigned families,
                    enum cloister_check_status status)
{
    size_t n = 0;

    for (size_t i = 0; i < CLO_CHECK_COUNT; i++)
        n += !vb->out[i] && (family_of(check_table[i].id) & families) != 0 &&
             vb->check[i].status == status;
    return n;
}

void clo_vb_claim(struct clo_verdict_builder *vb, enum cloister_check_id id, bool right,
                  bool trusted, const char *expected, const char *actual, const char *reason)
{
    if (!right)
        clo_vb_set(vb, id, CLOISTER_CHECK_FAIL, expected, actual, reason);
    else if (trusted)
        clo_vb_set(vb, id, CLOISTER_CHECK_PASS, expected, actual, NULL);
    else
        clo_vb_set(vb, id, CLOISTER_CHECK_MISSING, expected, actual,
                   "claimed, but nothing trusted vouches for it");
}

void clo_vb_unexpected(struct clo_verdict_builder *vb, enum cloister_check_id id, bool any,
                       const char *actual)
{
    clo_vb_set(vb, id, any ? CLOISTER_CHECK_NOT_APPLICABLE : CLOISTER_CHECK_MISSING, NULL, actual,
               any ? "not asked: the caller compares it with nothing"
                   : "the caller gave nothing to compare this with");
}

void clo_vb_no_policy(struct clo_verdict_builder *vb, enum cloister_check_id id, const char *actual)
{
    clo_vb_set(vb, id, CLOISTER_CHECK_MISSING, NULL, actual,
               "no policy was given to judge this by");
}

enum cloister_check_status clo_vb_status(const struct clo_verdict_builder *vb,
                                         enum cloister_check_id id)
{
    size_t i = place_of(id);

    return i < CLO_CHECK_COUNT ? vb->check[i].status : CLOISTER_CHECK_NONE;
}

void clo_vb_skip(struct clo_verdict_builder *vb, unsigned first, unsigned last, const char *reason)
{
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
        enum cloister_check_id id = check_table[i].id;

        if (id >= first && id <= last && !vb->out[i] && vb->check[i].status == CLOISTER_CHECK_NONE)
            clo_vb_set(vb, id, CLOISTER_CHECK_MISSING, NULL, NULL, reason);
    }
}

void clo_vb_until(struct clo_verdict_builder *vb, int64_t t)
{
    if (t < vb->valid_until)
        vb->valid_until = t;
}

/* Days since 1970-01-01 to a date of the proleptic Gregorian calendar, counted in years that start in March. */
void clo_date(int64_t t, char dst[CLO_DATE_LEN])
{
    const int64_t day = t / 86400 + 719468, era = day / 146097, doe = day % 146097;
    const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    const int month = (int)(mp < 10 ? mp + 3 : mp - 9), s = (int)(t % 86400);

    if (t < 0 || t > 253402300799) {
        memcpy(dst, "-", 2);
        return;
    }
    (void)snprintf(dst, CLO_DATE_LEN, "%04d-%02d-%02dT%02d:%02d:%02dZ",
                   (int)(yoe + era * 400 + (month <= 2)), month,
                   (int)(doy - (153 * mp + 2) / 5 + 1), s / 3600, s / 60 % 60, s % 60);
}

void clo_vb_finish(const struct clo_verdict_builder *vb, struct cloister_verdict *ret)
{
    size_t count[CLOISTER_CHECK_MISSING + 1] = {0};
    bool whole = !vb->twice;

    ret->checks = 0;
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
        struct cloister_check *c = &ret->check[ret->checks];

        if (vb->out[i])
            continue;
        if (ret->checks == CLOISTER_CHECKS_MAX) {
            whole = false;
            break;
        }
        ret->checks++;
        *c = vb->check[i];
        if (c->status == CLOISTER_CHECK_NONE) {
            c->id = check_table[i].id;
            c->status = CLOISTER_CHECK_MISSING;
            set_text(c->reason,
                     "this check was not made: please report this fault of the verifier");
        }
        count[c->status]++;
    }
    if (clo_vb_status(vb, CLOISTER_CHECK_EVIDENCE_FORMAT) == CLOISTER_CHECK_FAIL)
        ret->outcome = CLOISTER_MALFORMED;
    else if (count[CLOISTER_CHECK_FAIL] != 0)
        ret->outcome = CLOISTER_REFUSED;
    else if (!whole || ret->checks == 0 ||
             count[CLOISTER_CHECK_PASS] + count[CLOISTER_CHECK_NOT_APPLICABLE] != ret->checks)
        ret->outcome = CLOISTER_INDETERMINATE;
    else
        ret->outcome = CLOISTER_VERIFIED;
    ret->valid_until = ret->outcome == CLOISTER_VERIFIED ? vb->valid_until : 0;
}

int clo_outcome_error(enum cloister_outcome o)
{
    switch (o) {
    case CLOISTER_VERIFIED: return 0;
    case CLOISTER_INDETERMINATE: return CLOISTER_E_INDETERMINATE;
    case CLOISTER_MALFORMED: return CLOISTER_E_MALFORMED;
    case CLOISTER_REFUSED:
    case CLOISTER_NOT_VERIFIED: break;
    }
    return CLOISTER_E_REFUSED;
}

int cloister_verdict_exit(const struct cloister_verdict *v)
{
    switch (v->outcome) {
    case CLOISTER_VERIFIED: return 0;
    case CLOISTER_REFUSED: return 10;
    case CLOISTER_INDETERMINATE: return 20;
    case CLOISTER_MALFORMED: return 30;
    case CLOISTER_NOT_VERIFIED: break;
    }
    return 1;
}

/* ---- JSON ---- */

static const char *outcome_name(enum cloister_outcome o)
{
    switch (o) {
    case CLOISTER_VERIFIED: return "verified";
    case CLOISTER_REFUSED: return "refused";
    case CLOISTER_INDETERMINATE: return "indeterminate";
    case CLOISTER_MALFORMED: return "malformed";
    case CLOISTER_NOT_VERIFIED: break;
    }
    return "not-verified";
}

static const char *freshness_name(enum cloister_freshness f)
{
    switch (f) {
    case CLOISTER_FRESH: return "fresh";
    case CLOISTER_NOT_FRESH: return "not-fresh";
    case CLOISTER_FRESHNESS_NOT_CHECKED: break;
    }
    return "not-checked";
}

static const char *status_name(enum cloister_check_status s)
{
    switch (s) {
    case CLOISTER_CHECK_PASS: return "pass";
    case CLOISTER_CHECK_FAIL: return "fail";
    case CLOISTER_CHECK_NOT_APPLICABLE: return "not-applicable";
    case CLOISTER_CHECK_MISSING: return "missing";
    case CLOISTER_CHECK_NONE: break;
    }
    return "none";
}

/* *err sticks at the first member that can't be made. */
static void put(json_t *o, const char *name, json_t *v, int *err)
{
    if (json_object_set_new(o, name, v) != 0)
        *err = CLOISTER_E_MEMORY;
}

static void put_text(json_t *o, const char *name, const char *s, int *err)
{
    if (*s != '\0')
        put(o, name, json_string(s), err);
}

/* A digest: of 48 bytes at most. All zero, there is none. */
static void put_hex(json_t *o, const char *name, const uint8_t *digest, size_t n, int *err)
{
    char hex[2 * 48 + 1];

    if (clo_all_zero(digest, n))
        return;
    clo_hex(digest, n, hex);
    put(o, name, json_string(hex), err);
}

static json_t *checks_json(const struct cloister_verdict *v, int *err)
{
    json_t *a = json_array();

    for (size_t i = 0; i < v->checks && i < CLOISTER_CHECKS_MAX; i++) {
        const struct cloister_check *c = &v->check[i];
        json_t *o = json_object();

        put(o, "number", json_integer(c->id), err);
        put(o, "id", json_string(cloister_check_name(c->id)), err);
        put(o, "title", json_string(cloister_check_title(c->id)), err);
        put(o, "status", json_string(status_name(c->status)), err);
        put_text(o, "expected", c->expected, err);
        put_text(o, "actual", c->actual, err);
        put_text(o, "reason", c->reason, err);
        if (json_array_append_new(a, o) != 0)
            *err = CLOISTER_E_MEMORY;
    }
    return a;
}

int cloister_verdict_json(const struct cloister_verdict *v, char **ret)
{
    struct clo_buf b = clo_buf_init(VERDICT_JSON_MAX);
    json_t *o = NULL;
    char *s = NULL;
    int err = 0;

    if (v == NULL || ret == NULL)
        return CLOISTER_E_ARGUMENT;
    o = json_object();
    put(o, "v", json_integer(1), &err);
    put(o, "outcome", json_string(outcome_name(v->outcome)), &err);
    put(o, "freshness", json_string(freshness_name(v->freshness)), &err);
    put_text(o, "type", v->type, &err);
    put(o, "simulated", json_boolean(v->simulated), &err);
    put(o, "checked_at", json_integer(v->checked_at), &err);
    if (v->outcome == CLOISTER_VERIFIED)
        put(o, "valid_until", json_integer(v->valid_until), &err);
    put_hex(o, "evidence_sha256", v->evidence_digest, sizeof v->evidence_digest, &err);
    put_hex(o, "keys_sha256", v->keys_digest, sizeof v->keys_digest, &err);
    put_hex(o, "manifest_sha256", v->manifest_digest, sizeof v->manifest_digest, &err);
    put_hex(o, "policy_sha256", v->policy_digest, sizeof v->policy_digest, &err);
    put_text(o, "gateway", v->gateway, &err);
    put_text(o, "model", v->model, &err);
    if (v->outcome == CLOISTER_VERIFIED)
        put_hex(o, "measurement", v->measurement, sizeof v->measurement, &err);
    if (v->ohttp_keys_n > 0)
        put(o, "request_max", json_integer(v->request_max), &err);
    if (v->ohttp_keys_n > 0 && v->shape <= CLO_SHAPING_FULL)
        put(o, "shape", json_string(clo_shaping_name((enum clo_shaping)v->shape)), &err);
    put(o, "checks", checks_json(v, &err), &err);
    if (err != 0 || (err = clo_json_write(o, &b)) != 0)
        goto out;
    if ((s = malloc(b.len + 1)) == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    memcpy(s, b.p, b.len);
    s[b.len] = '\0';
    *ret = s;
out:
    clo_buf_clear(&b);
    json_decref(o);
    return err;
}
