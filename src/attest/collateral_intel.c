/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading Intel's collateral. Members that aren't known are skipped: Intel adds some without another version. Limits:
 * collateral_intel.h and codec/json_scan.h. Fuzzed by fuzz/fuzz_tcb_info.c and fuzz/fuzz_qe_identity.c.
 */
#include "attest/collateral_intel.h"

#include <string.h>

#include "attest/sections.h"

/* Members that have to be there, one bit each. */
static void seen(struct clo_scan *s, unsigned have, unsigned want)
{
    if (s->err == 0 && (have & want) != want)
        clo_scan_fail(s, CLOISTER_E_MALFORMED);
}

/* The word has to be this one: another one is another format. */
static void only(struct clo_scan *s, bool right)
{
    if (s->err == 0 && !right)
        clo_scan_fail(s, CLOISTER_E_UNSUPPORTED);
}

static unsigned decimal(const char *p, size_t n)
{
    unsigned v = 0;

    for (size_t i = 0; i < n; i++)
        v = v * 10 + (unsigned)(p[i] - '0');
    return v;
}

/* "2025-06-19T10:16:03Z" (RFC 3339) as Unix seconds: years from 1970 on, of four digits. */
static int64_t date(struct clo_scan *s)
{
    static const char shape[] = "0000-00-00T00:00:00Z";
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const struct clo_scan_text t = clo_scan_string(s);
    bool right = t.n == sizeof shape - 1;
    unsigned year, month, day, hour, minute, second, leap;
    int64_t n;

    for (size_t i = 0; right && i < t.n; i++)
        right = shape[i] == '0' ? t.p[i] >= '0' && t.p[i] <= '9' : t.p[i] == shape[i];
    if (!right) {
        clo_scan_fail(s, CLOISTER_E_MALFORMED);
        return 0;
    }
    year = decimal(t.p, 4);
    month = decimal(t.p + 5, 2);
    day = decimal(t.p + 8, 2);
    hour = decimal(t.p + 11, 2);
    minute = decimal(t.p + 14, 2);
    second = decimal(t.p + 17, 2);
    leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (year < 1970 || month < 1 || month > 12 || day < 1 ||
        day > days[month - 1] + (month == 2 ? leap : 0) || hour > 23 || minute > 59 ||
        second > 59) {
        clo_scan_fail(s, CLOISTER_E_MALFORMED);
        return 0;
    }
    n = (int64_t)(year - 1970) * 365 + (year - 1969) / 4 - (year - 1901) / 100 +
        (year - 1601) / 400;
    for (unsigned m = 1; m < month; m++)
        n += days[m - 1] + (m == 2 ? leap : 0);
    n += day - 1;
    return n * 86400 + hour * 3600 + minute * 60 + second;
}

static unsigned status(struct clo_scan *s)
{
    static const struct {
        const char *word;
        unsigned status;
    } table[] = {
        {"UpToDate", CLO_TCB_UP_TO_DATE},
        {"SWHardeningNeeded", CLO_TCB_SW_HARDENING},
        {"ConfigurationNeeded", CLO_TCB_CONFIGURATION},
        {"ConfigurationAndSWHardeningNeeded", CLO_TCB_CONFIGURATION_AND_SW_HARDENING},
        {"OutOfDate", CLO_TCB_OUT_OF_DATE},
        {"OutOfDateConfigurationNeeded", CLO_TCB_OUT_OF_DATE_CONFIGURATION},
        {"Revoked", CLO_TCB_REVOKED},
    };
    const struct clo_scan_text t = clo_scan_string(s);

    for (size_t i = 0; i < CLO_ARRAY_LEN(table); i++)
        if (clo_scan_is(t, table[i].word))
            return table[i].status;
    return 0;
}

bool clo_advisory_next(struct clo_scan *s, size_t *count, struct clo_scan_text *ret)
{
    if (*count == SIZE_MAX) {
        if (clo_scan_here(s) == NULL)
            return false; /* the level has none */
        clo_scan_array(s, count);
    }
    if (!clo_scan_element(s, count))
        return false;
    *ret = clo_scan_string(s);
    if (*count > CLO_ADVISORIES_MAX || ret->n > CLO_ADVISORY_MAX)
        clo_scan_fail(s, CLOISTER_E_LIMIT);
    return s->err == 0;
}

/* Checked now, and looked into only for the level that is chosen. */
static struct clo_scan_text advisories(struct clo_scan *s)
{
    const uint8_t *from = clo_scan_here(s);
    struct clo_scan_text t = {0};
    size_t count = SIZE_MAX;

    while (clo_advisory_next(s, &count, &t))
        continue;
    return s->err == 0 ? (struct clo_scan_text){(const char *)from, (size_t)(s->rd.p - from)}
                       : (struct clo_scan_text){0};
}

/* ---- levels ---- */

/* [{"svn":n}, ...], exactly 16. */
static void components(struct clo_scan *s, uint8_t dst[16])
{
    struct clo_scan_object o;
    struct clo_scan_text name;
    size_t count;

    clo_scan_array(s, &count);
    while (clo_scan_element(s, &count)) {
        unsigned have = 0;

        if (count > 16)
            clo_scan_fail(s, CLOISTER_E_MALFORMED);
        clo_scan_object(s, &o);
        while (clo_scan_member(s, &o, &name)) {
            if (clo_scan_is(name, "svn")) {
                have = 1;
                dst[count - 1] = (uint8_t)clo_scan_uint(s, UINT8_MAX);
            } else
                (void)clo_scan_skip(s);
        }
        seen(s, have, 1);
    }
    if (s->err == 0 && count != 16)
        clo_scan_fail(s, CLOISTER_E_MALFORMED);
}

static void tcb_of_level(struct clo_scan *s, struct clo_tcb_level *l)
{
    struct clo_scan_object o;
    struct clo_scan_text name;
    unsigned have = 0;

    clo_scan_object(s, &o);
    while (clo_scan_member(s, &o, &name)) {
        if (clo_scan_is(name, "sgxtcbcomponents")) {
            have |= 1;
            components(s, l->sgx);
        } else if (clo_scan_is(name, "pcesvn")) {
            have |= 2;
            l->pcesvn = (uint16_t)clo_scan_uint(s, UINT16_MAX);
        } else if (clo_scan_is(name, "tdxtcbcomponents")) {
            l->has_tdx = true;
            components(s, l->tdx);
        } else
            (void)clo_scan_skip(s);
    }
    seen(s, have, 3);
}

static void svn_of_level(struct clo_scan *s, struct clo_svn_level *l)
{
    struct clo_scan_object o;
    struct clo_scan_text name;
    unsigned have = 0;

    clo_scan_object(s, &o);
    while (clo_scan_member(s, &o, &name)) {
        if (clo_scan_is(name, "isvsvn")) {
            have = 1;
            l->svn = (uint16_t)clo_scan_uint(s, UINT16_MAX);
        } else
            (void)clo_scan_skip(s);
    }
    seen(s, have, 1);
}

/* One level of either kind: the other pointer is NULL. */
static void level(struct clo_scan *s, struct clo_tcb_level *platform, struct clo_svn_level *svn)
{
    struct clo_scan_object o;
    struct clo_scan_text name, open = {0};
    unsigned have = 0, st = 0;

    clo_scan_object(s, &o);
    while (clo_scan_member(s, &o, &name)) {
        if (clo_scan_is(name, "tcb")) {
            have |= 1;
            if (platform != NULL)
                tcb_of_level(s, platform);
            else
                svn_of_level(s, svn);
        } else if (clo_scan_is(name, "tcbStatus")) {
            have |= 2;
            st = status(s);
        } else if (clo_scan_is(name, "advisoryIDs"))
            open = advisories(s);
        else
            (void)clo_scan_skip(s);
    }
    seen(s, have, 3);
    if (platform != NULL) {
        platform->status = st;
        platform->advisories = open;
    } else if (svn != NULL) {
        svn->status = st;
        svn->advisories = open;
    }
}

static void svn_levels(struct clo_scan *s, struct clo_svn_level *dst, size_t *ret)
{
    size_t count;

    clo_scan_array(s, &count);
    while (clo_scan_element(s, &count)) {
        if (count > CLO_MODULE_LEVELS_MAX)
            clo_scan_fail(s, CLOISTER_E_LIMIT);
        else
            level(s, NULL, &dst[count - 1]);
    }
    *ret = s->err == 0 ? count : 0;
}

/* "TDX_01", its digits in hexadecimal. */
static uint8_t module_version(struct clo_scan *s)
{
    const struct clo_scan_text t = clo_scan_string(s);
    unsigned v = 0;

    if (t.n != 6 || memcmp(t.p, "TDX_", 4) != 0) {
        clo_scan_fail(s, CLOISTER_E_MALFORMED);
        return 0;
    }
    for (size_t i = 4; i < 6; i++) {
        const char c = t.p[i];

        if (c >= '0' && c <= '9')
            v = v << 4 | (unsigned)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            v = v << 4 | (unsigned)((c | 0x20) - 'a' + 10);
        else
            clo_scan_fail(s, CLOISTER_E_MALFORMED);
    }
    return (uint8_t)v;
}

/* tdxModule, or one of tdxModuleIdentities: that has an id and levels as well. */
static void module(struct clo_scan *s, bool identity, struct clo_tdx_module *m)
{
    struct clo_scan_object o;
    struct clo_scan_text name;
    unsigned have = 0;

    clo_scan_object(s, &o);
    while (clo_scan_member(s, &o, &name)) {
        if (clo_scan_is(name, "mrsigner")) {
            have |= 1;
            clo_scan_hex(s, m->mrsigner, sizeof m->mrsigner);
        } else if (clo_scan_is(name, "attributes")) {
            have |= 2;
            clo_scan_hex(s, m->attributes, sizeof m->attributes);
        } else if (clo_scan_is(name, "attributesMask")) {
            have |= 4;
            clo_scan_hex(s, m->mask, sizeof m->mask);
        } else if (identity && clo_scan_is(name, "id")) {
            have |= 8;
            m->version = module_version(s);
        } else if (identity && clo_scan_is(name, "tcbLevels")) {
            have |= 16;
            svn_levels(s, m->level, &m->levels);
        } else
            (void)clo_scan_skip(s);
    }
    seen(s, have, identity ? 31 : 7);
}

static void modules(struct clo_scan *s, struct clo_tcb_info *i)
{
    size_t count;

    clo_scan_array(s, &count);
    while (clo_scan_element(s, &count)) {
        if (count > CLO_TDX_MODULES_MAX) {
            clo_scan_fail(s, CLOISTER_E_LIMIT);
            return;
        }
        module(s, true, &i->identity[count - 1]);
        for (size_t k = 0; s->err == 0 && k + 1 < count; k++)
            if (i->identity[k].version == i->identity[count - 1].version)
                clo_scan_fail(s, CLOISTER_E_DUPLICATE);
    }
    i->identities = s->err == 0 ? count : 0;
}

/* ---- documents ---- */

enum { /* members that both have */
    HAS_ID = 1 << 0,
    HAS_VERSION = 1 << 1,
    HAS_ISSUED = 1 << 2,
    HAS_NEXT = 1 << 3,
    HAS_NUMBER = 1 << 4,
    HAS_LEVELS = 1 << 5,
    HAS_OWN = 6, /* the others' bits begin here */
};

/* Is it one of the members that both documents have? Then it is read. */
static bool common(struct clo_scan *s, struct clo_scan_text name, unsigned version,
                   struct clo_intel_signed *from, unsigned *have)
{
    if (clo_scan_is(name, "version")) {
        *have |= HAS_VERSION;
        only(s, clo_scan_uint(s, UINT32_MAX) == version);
    } else if (clo_scan_is(name, "issueDate")) {
        *have |= HAS_ISSUED;
        from->issued = date(s);
    } else if (clo_scan_is(name, "nextUpdate")) {
        *have |= HAS_NEXT;
        from->next = date(s);
    } else if (clo_scan_is(name, "tcbEvaluationDataNumber")) {
        *have |= HAS_NUMBER;
        from->number = (uint32_t)clo_scan_uint(s, UINT32_MAX);
    } else
        return false;
    return true;
}

static bool which_id(struct clo_scan *s, const char *tdx, const char *sgx)
{
    const struct clo_scan_text t = clo_scan_string(s);
    const bool is = clo_scan_is(t, tdx);

    only(s, is || clo_scan_is(t, sgx));
    return is;
}

static void tcb_levels(struct clo_scan *s, struct clo_tcb_info *i)
{
    size_t count;

    clo_scan_array(s, &count);
    while (clo_scan_element(s, &count)) {
        if (count > CLO_TCB_LEVELS_MAX)
            clo_scan_fail(s, CLOISTER_E_LIMIT);
        else
            level(s, &i->level[count - 1], NULL);
    }
    i->levels = s->err == 0 ? count : 0;
}

static void tcb_info(struct clo_scan *s, struct clo_tcb_info *i)
{
    enum {
        FMSPC = 1 << HAS_OWN,
        PCEID = 2 << HAS_OWN,
        TYPE = 4 << HAS_OWN,
        MODULE = 8 << HAS_OWN,
    };
    struct clo_scan_object o;
    struct clo_scan_text name;
    unsigned have = 0;

    clo_scan_object(s, &o);
    while (clo_scan_member(s, &o, &name)) {
        if (common(s, name, 3, &i->from, &have))
            continue;
        if (clo_scan_is(name, "id")) {
            have |= HAS_ID;
            i->tdx = which_id(s, "TDX", "SGX");
        } else if (clo_scan_is(name, "fmspc")) {
            have |= FMSPC;
            clo_scan_hex(s, i->fmspc, sizeof i->fmspc);
        } else if (clo_scan_is(name, "pceId")) {
            have |= PCEID;
            clo_scan_hex(s, i->pceid, sizeof i->pceid);
        } else if (clo_scan_is(name, "tcbType")) {
            have |= TYPE;
            only(s, clo_scan_uint(s, UINT32_MAX) == 0); /* components are compared one by one */
        } else if (clo_scan_is(name, "tdxModule")) {
            have |= MODULE;
            module(s, false, &i->module);
        } else if (clo_scan_is(name, "tdxModuleIdentities"))
            modules(s, i);
        else if (clo_scan_is(name, "tcbLevels")) {
            have |= HAS_LEVELS;
            tcb_levels(s, i);
        } else
            (void)clo_scan_skip(s);
    }
    seen(s, have,
         HAS_ID | HAS_VERSION | HAS_ISSUED | HAS_NEXT | HAS_NUMBER | HAS_LEVELS | FMSPC | PCEID |
             TYPE | (i->tdx ? MODULE : 0));
    for (size_t k = 0; i->tdx && k < i->levels; k++)
        seen(s, i->level[k].has_tdx, true);
}

static void qe_identity(struct clo_scan *s, struct clo_qe_identity *q)
{
    enum {
        MISC = 1 << HAS_OWN,
        MISC_MASK = 2 << HAS_OWN,
        ATTRIBUTES = 4 << HAS_OWN,
        ATTRIBUTES_MASK = 8 << HAS_OWN,
        SIGNER = 16 << HAS_OWN,
        PRODUCT = 32 << HAS_OWN,
    };
    struct clo_scan_object o;
    struct clo_scan_text name;
    unsigned have = 0;

    clo_scan_object(s, &o);
    while (clo_scan_member(s, &o, &name)) {
        if (common(s, name, 2, &q->from, &have))
            continue;
        if (clo_scan_is(name, "id")) {
            have |= HAS_ID;
            q->tdx = which_id(s, "TD_QE", "QE");
        } else if (clo_scan_is(name, "miscselect")) {
            have |= MISC;
            clo_scan_hex(s, q->miscselect, sizeof q->miscselect);
        } else if (clo_scan_is(name, "miscselectMask")) {
            have |= MISC_MASK;
            clo_scan_hex(s, q->miscselect_mask, sizeof q->miscselect_mask);
        } else if (clo_scan_is(name, "attributes")) {
            have |= ATTRIBUTES;
            clo_scan_hex(s, q->attributes, sizeof q->attributes);
        } else if (clo_scan_is(name, "attributesMask")) {
            have |= ATTRIBUTES_MASK;
            clo_scan_hex(s, q->attributes_mask, sizeof q->attributes_mask);
        } else if (clo_scan_is(name, "mrsigner")) {
            have |= SIGNER;
            clo_scan_hex(s, q->mrsigner, sizeof q->mrsigner);
        } else if (clo_scan_is(name, "isvprodid")) {
            have |= PRODUCT;
            q->product_id = (uint16_t)clo_scan_uint(s, UINT16_MAX);
        } else if (clo_scan_is(name, "tcbLevels")) {
            have |= HAS_LEVELS;
            svn_levels(s, q->level, &q->levels);
        } else
            (void)clo_scan_skip(s);
    }
    seen(s, have,
         HAS_ID | HAS_VERSION | HAS_ISSUED | HAS_NEXT | HAS_NUMBER | HAS_LEVELS | MISC | MISC_MASK |
             ATTRIBUTES | ATTRIBUTES_MASK | SIGNER | PRODUCT);
}

/*
 * {"NAME":{...},"signature":"..."}: the inner object is read where it stands, and what was read of the text is what the
 * signature has to cover.
 */
static int answer(const void *p, size_t n, const char *what, struct clo_tcb_info *info,
                  struct clo_qe_identity *qe)
{
    struct clo_intel_signed *from = info != NULL ? &info->from : &qe->from;
    struct clo_scan s = clo_scan_init(p, n);
    struct clo_scan_object o;
    struct clo_scan_text name;
    unsigned have = 0;

    if (n > CLO_TCB_INFO_MAX)
        return CLOISTER_E_LIMIT;
    clo_scan_object(&s, &o);
    while (clo_scan_member(&s, &o, &name)) {
        if (clo_scan_is(name, what)) {
            have |= 1;
            from->p = clo_scan_here(&s);
            if (info != NULL)
                tcb_info(&s, info);
            else
                qe_identity(&s, qe);
            from->n = (size_t)(s.rd.p - from->p);
        } else if (clo_scan_is(name, "signature")) {
            have |= 2;
            clo_scan_hex(&s, from->signature, sizeof from->signature);
        } else
            (void)clo_scan_skip(&s);
    }
    seen(&s, have, 3);
    return clo_scan_end(&s);
}

int clo_tcb_info_parse(const void *p, size_t n, struct clo_tcb_info *ret)
{
    struct clo_tcb_info i = {0};
    int err = answer(p, n, "tcbInfo", &i, NULL);

    if (err == 0)
        *ret = i;
    return err;
}

int clo_qe_identity_parse(const void *p, size_t n, struct clo_qe_identity *ret)
{
    struct clo_qe_identity q = {0};
    int err = answer(p, n, "enclaveIdentity", NULL, &q);

    if (err == 0)
        *ret = q;
    return err;
}
