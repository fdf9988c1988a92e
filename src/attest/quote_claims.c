/* SPDX-License-Identifier: Apache-2.0 */
/* Appraisal of an Intel quote: what a TD or an enclave says of itself, against the policy. */
#include "attest/quote_in.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "attest/tpm.h"
#include "base/enc.h"

#define TEXT CLO_QUOTE_TEXT

/* ---- TD ---- */

static void check_td_bits(struct clo_quote_appraisal *a)
{
    const struct clo_td_report *r = &a->q.td;
    const uint64_t known = CLO_TD_UNDER_DEBUG | CLO_TD_SEPT_VE_DISABLE | CLO_TD_PKS | CLO_TD_KL |
                           CLO_TD_PERFMON;
    const uint64_t other = r->attributes & ~CLO_TD_UNDER_DEBUG;
    const bool debug = (r->attributes & CLO_TD_UNDER_DEBUG) != 0;
    const bool xfam_sound = (r->xfam & CLO_TD_XFAM_FIXED1) == CLO_TD_XFAM_FIXED1 &&
                            (r->xfam & ~(uint64_t)CLO_TD_XFAM_ALLOWED) == 0;
    uint64_t allowed;
    char expected[TEXT], actual[TEXT];

    clo_quote_claim(a, CLOISTER_CHECK_TDX_DEBUG, !debug, "off", debug ? "on" : "off",
                    "the host may read the TD's memory");

    (void)snprintf(actual, sizeof actual, "0x%" PRIx64, r->attributes);
    if ((r->attributes & ~known) != 0)
        clo_quote_fact(a, CLOISTER_CHECK_TDX_ATTRIBUTES, false, NULL, actual,
                       "an attribute is set that this version doesn't know, or never admits");
    else if (a->policy == NULL)
        clo_vb_no_policy(a->vb, CLOISTER_CHECK_TDX_ATTRIBUTES, actual);
    else {
        allowed = CLO_TD_SEPT_VE_DISABLE | a->policy->tdx.allow_attributes;
        (void)snprintf(expected, sizeof expected, "none but 0x%" PRIx64 "%s", allowed,
                       a->policy->tdx.allow_sept_ve ? "" : ", with 0x10000000");
        clo_quote_claim(
            a, CLOISTER_CHECK_TDX_ATTRIBUTES,
            (other & ~allowed) == 0 &&
                (a->policy->tdx.allow_sept_ve || (other & CLO_TD_SEPT_VE_DISABLE) != 0),
            expected, actual,
            "an attribute is set that the policy doesn't allow, or SEPT_VE_DISABLE isn't");
    }

    (void)snprintf(actual, sizeof actual, "0x%" PRIx64, r->xfam);
    if (!xfam_sound)
        clo_quote_fact(a, CLOISTER_CHECK_TDX_XFAM, false, NULL, actual,
                       "the architecture doesn't allow these features");
    else if (a->policy == NULL)
        clo_vb_no_policy(a->vb, CLOISTER_CHECK_TDX_XFAM, actual);
    else {
        allowed = CLO_TD_XFAM_FIXED1 | (a->policy->tdx.allow_xfam & CLO_TD_XFAM_ALLOWED);
        (void)snprintf(expected, sizeof expected, "none but 0x%" PRIx64, allowed);
        clo_quote_claim(a, CLOISTER_CHECK_TDX_XFAM, (r->xfam & ~allowed) == 0, expected, actual,
                        "the policy doesn't allow a feature that is on");
    }
}

static bool image_is(const struct clo_td_report *r, const struct clo_policy_td *t)
{
    return memcmp(r->mrtd, t->mrtd, sizeof r->mrtd) == 0 &&
           memcmp(r->rtmr, t->rtmr, sizeof r->rtmr) == 0;
}

static void check_image(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_TDX_MEASUREMENT;
    const struct clo_td_report *r = &a->q.td;
    char expected[TEXT], actual[TEXT], mrtd[2 * sizeof r->mrtd + 1];
    bool pinned = false;

    clo_hex(r->mrtd, sizeof r->mrtd, mrtd);
    (void)snprintf(actual, sizeof actual, "MRTD %s", mrtd);
    if (a->policy == NULL) {
        clo_vb_no_policy(a->vb, id, actual);
        return;
    }
    for (size_t i = 0; i < a->policy->tdx.tds; i++)
        pinned = pinned || image_is(r, &a->policy->tdx.td[i]);
    (void)snprintf(expected, sizeof expected, "one of %zu images", a->policy->tdx.tds);
    clo_quote_claim(a, id, pinned, expected, actual,
                    "another image was started: MRTD and RTMR0 to 3 have to be one image's");
}

/* Values that the policy lists, or zero where it lists none. */
static bool listed(const struct clo_policy_list *l, const uint8_t value[48])
{
    return l->given ? clo_policy_list_has(l, value) : clo_all_zero(value, 48);
}

static void list_check(struct clo_quote_appraisal *a, enum cloister_check_id id, bool right,
                       const uint8_t value[48], const char *reason)
{
    char actual[TEXT];

    clo_hex(value, 48, actual);
    if (a->policy == NULL)
        clo_vb_no_policy(a->vb, id, actual);
    else
        clo_quote_claim(a, id, right, NULL, actual, reason);
}

static void check_td_ids(struct clo_quote_appraisal *a)
{
    static const struct clo_policy_tdx none;
    const struct clo_policy_tdx *p = a->policy == NULL ? &none : &a->policy->tdx;
    const struct clo_td_report *r = &a->q.td;

    list_check(a, CLOISTER_CHECK_TDX_CONFIG, listed(&p->config_ids, r->mrconfigid), r->mrconfigid,
               "the host gave the TD a configuration that the policy doesn't list");
    list_check(a, CLOISTER_CHECK_TDX_OWNER,
               listed(&p->owners, r->mrowner) && listed(&p->owner_configs, r->mrownerconfig),
               r->mrowner, "the policy doesn't list this owner, or its configuration");
    /* A quote of TD 1.0 is made only where no service TD is bound. */
    list_check(a, CLOISTER_CHECK_TDX_SERVICE_TD,
               clo_all_zero(r->mrservicetd, sizeof r->mrservicetd) ||
                   listed(&p->service_tds, r->mrservicetd),
               r->mrservicetd,
               "a service TD, one for migration for instance, has power over the TD");
}

/* CCEL: measurement register 0 is MRTD, 1 to 4 are RTMR0 to 3 (UEFI 2.10, section 38.4.1). */
static bool log_fits(const struct clo_td_report *r, const struct clo_event_replay *e)
{
    if ((e->extended & ~UINT32_C(0x1e)) != 0)
        return false;
    for (size_t i = 0; i < 4; i++)
        if (memcmp(e->value[i + 1], r->rtmr[i], sizeof r->rtmr[i]) != 0)
            return false;
    return true;
}

static int check_event_log(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_TDX_EVENT_LOG;
    struct clo_event_replay e = {0};
    char actual[TEXT] = "";
    int err;

    if (a->in->event_log == NULL) {
        if (a->policy == NULL)
            clo_vb_no_policy(a->vb, id, NULL);
        else if (a->policy->tdx.require_event_log)
            clo_quote_missing(a, id, "no event log came, and the policy requires one");
        else
            clo_vb_set(a->vb, id, CLOISTER_CHECK_NOT_APPLICABLE, NULL, NULL,
                       "no event log came, and the policy requires none");
        return 0;
    }
    err = clo_event_log_replay(a->in->event_log, a->in->event_log_n, CLO_EVENT_SHA384, &e);
    if (clo_is_ours(err))
        return err;
    if (err == 0)
        (void)snprintf(actual, sizeof actual, "%zu events", e.events);
    clo_quote_claim(a, id, err == 0 && log_fits(&a->q.td, &e), NULL, actual,
                    err != 0 ? "the event log can't be read"
                             : "the event log leads to other values than the quoted ones");
    return 0;
}

/* ---- enclave ---- */

static uint64_t little(const uint8_t p[8])
{
    uint64_t v = 0;

    for (size_t i = 8; i > 0; i--)
        v = v << 8 | p[i - 1];
    return v;
}

static void check_enclave_bits(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_SGX_ATTRIBUTES;
    const uint64_t flags = little(a->q.sgx.attributes), xfrm = little(a->q.sgx.attributes + 8);
    const bool configured = a->q.sgx.config_svn != 0 ||
                            !clo_all_zero(a->q.sgx.config_id, sizeof a->q.sgx.config_id);
    const bool debug = (flags & CLO_SGX_DEBUG) != 0;
    uint64_t allowed = CLO_SGX_INIT | CLO_SGX_MODE64;
    char expected[TEXT], actual[TEXT];

    clo_quote_claim(a, CLOISTER_CHECK_SGX_DEBUG, !debug, "off", debug ? "on" : "off",
                    "the host may read the enclave's memory");
    (void)snprintf(actual, sizeof actual, "0x%" PRIx64 ", XFRM 0x%" PRIx64, flags, xfrm);
    /* x87 and SSE are always on (Intel SDM volume 3D, section 36.7.2). */
    if ((flags & CLO_SGX_INIT) == 0 || (xfrm & 3) != 3)
        clo_quote_fact(a, id, false, NULL, actual, "no running enclave has these attributes");
    else if (a->policy == NULL)
        clo_vb_no_policy(a->vb, id, actual);
    else {
        allowed |= a->policy->sgx.allow_attributes;
        (void)snprintf(expected, sizeof expected, "none but 0x%" PRIx64, allowed);
        /* No measurement has what the host configures, and no policy lists it. */
        clo_quote_claim(a, id, (flags & ~(allowed | CLO_SGX_DEBUG)) == 0 && !configured, expected,
                        actual,
                        configured ? "the host gave the enclave a configuration (CONFIGID)"
                                   : "an attribute is set that the policy doesn't allow");
    }
}

static void check_enclave(struct clo_quote_appraisal *a)
{
    const struct clo_sgx_report *r = &a->q.sgx;
    const struct clo_policy_sgx *p;
    char expected[TEXT], actual[TEXT];
    char enclave[2 * sizeof r->mrenclave + 1], signer[2 * sizeof r->mrsigner + 1];

    clo_hex(r->mrenclave, sizeof r->mrenclave, enclave);
    clo_hex(r->mrsigner, sizeof r->mrsigner, signer);
    (void)snprintf(actual, sizeof actual, "MRENCLAVE %s, MRSIGNER %s", enclave, signer);
    if (a->policy == NULL) {
        clo_vb_no_policy(a->vb, CLOISTER_CHECK_SGX_MEASUREMENT, actual);
        (void)snprintf(actual, sizeof actual, "product %u, SVN %u", r->product_id, r->svn);
        clo_vb_no_policy(a->vb, CLOISTER_CHECK_SGX_ISV, actual);
        return;
    }
    /* Each list that the policy has is to hold: naming a signer as well admits no more enclaves. */
    p = &a->policy->sgx;
    clo_quote_claim(a, CLOISTER_CHECK_SGX_MEASUREMENT,
                    (p->enclaves.given || p->signers.given) &&
                        (!p->enclaves.given || clo_policy_list_has(&p->enclaves, r->mrenclave)) &&
                        (!p->signers.given || clo_policy_list_has(&p->signers, r->mrsigner)),
                    NULL, actual, "the policy doesn't list this enclave, or its signer");
    (void)snprintf(actual, sizeof actual, "product %u, SVN %u", r->product_id, r->svn);
    if (!p->signers.given) {
        clo_vb_set(a->vb, CLOISTER_CHECK_SGX_ISV, CLOISTER_CHECK_NOT_APPLICABLE, NULL, actual,
                   "the policy names enclaves, not signers");
        return;
    }
    (void)snprintf(expected, sizeof expected, "product %u, SVN at least %u", p->product_id,
                   p->min_svn);
    clo_quote_claim(a, CLOISTER_CHECK_SGX_ISV,
                    r->product_id == p->product_id && r->svn >= p->min_svn, expected, actual,
                    "it is another product, or an older version of it");
}

int clo_quote_claims(struct clo_quote_appraisal *a)
{
    if (a->in->sgx) {
        check_enclave_bits(a);
        check_enclave(a);
        return 0;
    }
    check_td_bits(a);
    check_image(a);
    check_td_ids(a);
    return check_event_log(a);
}
