/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appraisal of an Intel quote, by Intel's own word: is the collateral authentic and new, is it this platform's, and which status does it
 * give to platform, quoting enclave and TDX module. A status is never only shown: each has to be one that the policy accepts.
 */
#include "attest/quote_in.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/enc.h"

#define TEXT      CLO_QUOTE_TEXT
#define CN_SIGNER "Intel SGX TCB Signing"

/* ---- reading and verifying ---- */

/* The signer, and its root where that came along: the pinned one, then, and nothing behind it. */
static int signer_load(struct clo_quote_appraisal *a)
{
    const struct clo_collateral *c = a->in->collateral;
    bool same = true;
    char cn[64];
    int err;

    a->signer_err = CLOISTER_E_NOT_FOUND;
    if (c->collateral_chain_n == 0)
        return 0;
    err = clo_known_cert(c->collateral_chain[0].p, c->collateral_chain[0].len, &a->signer,
                         &a->signer_owned);
    if (err == 0 && a->root != NULL)
        err = clo_cert_signed_by(a->signer, a->root, CLO_SIG_ECDSA_P256_SHA256);
    if (clo_is_ours(err))
        return err;
    /* Another certificate of the root's, a PCK CA's for one, can't stand in for the signer. */
    if (err == 0 && (clo_cert_cn(a->signer, cn, sizeof cn) != 0 || strcmp(cn, CN_SIGNER) != 0 ||
                     clo_cert_is_ca(a->signer)))
        err = CLOISTER_E_AUTH;
    if (err == 0 && a->root != NULL && c->collateral_chain_n > 1) {
        if ((err = clo_quote_root_is(a, &c->collateral_chain[1], &same)) != 0)
            return err;
        if (!same || c->collateral_chain_n > 2)
            err = CLOISTER_E_AUTH;
    }
    a->signer_err = err;
    return 0;
}

static int signature_verify(const struct clo_quote_appraisal *a, const struct clo_intel_signed *s,
                            bool *ok)
{
    int err = clo_cert_verify_p256(a->signer, s->p, s->n, s->signature);

    *ok = err == 0;
    return clo_is_ours(err) ? err : 0;
}

int clo_quote_collateral_load(struct clo_quote_appraisal *a)
{
    const struct clo_collateral *c = a->in->collateral;
    bool info_ok = false, qe_ok = false;
    int err;

    a->info_err = c->tcb_info.len == 0
                      ? CLOISTER_E_NOT_FOUND
                      : clo_tcb_info_parse(c->tcb_info.p, c->tcb_info.len, &a->info);
    a->qe_err = c->qe_identity.len == 0
                    ? CLOISTER_E_NOT_FOUND
                    : clo_qe_identity_parse(c->qe_identity.p, c->qe_identity.len, &a->qe);
    if ((err = signer_load(a)) != 0)
        return err;
    if (a->signer_err == 0 && a->info_err == 0 && a->qe_err == 0 &&
        ((err = signature_verify(a, &a->info.from, &info_ok)) != 0 ||
         (err = signature_verify(a, &a->qe.from, &qe_ok)) != 0))
        return err;
    a->collateral_ok = a->root != NULL && info_ok && qe_ok;
    a->info_fits = a->info_err == 0 && a->info.tdx == !a->in->sgx && a->leaf != NULL &&
                   a->pck_err == 0 &&
                   memcmp(a->info.fmspc, a->pck.fmspc, sizeof a->pck.fmspc) == 0 &&
                   memcmp(a->info.pceid, a->pck.pceid, sizeof a->pck.pceid) == 0;
    a->qe_fits = a->qe_err == 0 && a->qe.tdx == !a->in->sgx;
    clo_tcb_judge(&a->q, a->pck_err == 0 && a->leaf != NULL ? &a->pck : NULL,
                  a->info_fits ? &a->info : NULL, a->qe_fits ? &a->qe : NULL, &a->tcb);
    return 0;
}

/* ---- the collateral itself ---- */

static const char *unread(int err)
{
    return err == CLOISTER_E_UNSUPPORTED ? "of a version or type that isn't known" : "unreadable";
}

static void check_there(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_QUOTE_COLLATERAL;
    const bool no_info = a->info_err == CLOISTER_E_NOT_FOUND,
               no_qe = a->qe_err == CLOISTER_E_NOT_FOUND;
    char reason[TEXT];

    if (!no_info && a->info_err != 0) {
        (void)snprintf(reason, sizeof reason, "the TCB info is %s", unread(a->info_err));
        clo_quote_fact(a, id, false, NULL, NULL, reason);
    } else if (!no_qe && a->qe_err != 0) {
        (void)snprintf(reason, sizeof reason, "the QE identity is %s", unread(a->qe_err));
        clo_quote_fact(a, id, false, NULL, NULL, reason);
    } else if (no_info || no_qe)
        clo_quote_missing(a, id,
                          no_info ? "no TCB info came: without it the platform can't be judged"
                                  : "no QE identity came: without it the QE can't be judged");
    else
        clo_quote_fact(a, id, true, NULL, NULL, NULL);
}

static void check_signed(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_QUOTE_COLLATERAL_CHAIN;

    if (a->info_err != 0 || a->qe_err != 0)
        clo_quote_missing(a, id, "there is no collateral, or it can't be read");
    else if (a->signer_err == CLOISTER_E_NOT_FOUND)
        clo_quote_missing(a, id, "the certificate of its signer is missing");
    else if (a->root == NULL)
        clo_quote_missing(a, id, "there is no root that could have signed it");
    else
        clo_quote_fact(a, id, a->collateral_ok, NULL, NULL,
                       a->signer_err != 0
                           ? "its signer isn't Intel's TCB signing certificate, or more "
                             "than that and the root came"
                           : "a signature is wrong");
}

static void check_dates(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_QUOTE_COLLATERAL_DATES;
    int64_t from, to;
    char expected[TEXT], actual[TEXT];
    bool right;

    if (a->info_err != 0 || a->qe_err != 0) {
        clo_quote_missing(a, id, "there is no collateral, or it can't be read");
        return;
    }
    from = a->info.from.issued > a->qe.from.issued ? a->info.from.issued : a->qe.from.issued;
    to = a->info.from.next < a->qe.from.next ? a->info.from.next : a->qe.from.next;
    if (a->signer != NULL && clo_cert_not_before(a->signer) > from)
        from = clo_cert_not_before(a->signer);
    if (a->signer != NULL && clo_cert_not_after(a->signer) < to)
        to = clo_cert_not_after(a->signer);
    right = clo_quote_within(a, from, to, expected, actual);
    clo_vb_claim(a->vb, id, right, a->collateral_ok, expected, actual,
                 "TCB info, QE identity or their signer isn't valid yet or isn't any more");
}

static void check_number(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_QUOTE_COLLATERAL_NUMBER;
    char expected[TEXT], actual[TEXT];
    uint32_t have;

    if (a->info_err != 0 || a->qe_err != 0) {
        clo_quote_missing(a, id, "there is no collateral, or it can't be read");
        return;
    }
    have = a->info.from.number < a->qe.from.number ? a->info.from.number : a->qe.from.number;
    (void)snprintf(actual, sizeof actual, "%" PRIu32, have);
    if (a->floor == NULL) {
        clo_vb_no_policy(a->vb, id, actual);
        return;
    }
    (void)snprintf(expected, sizeof expected, "at least %" PRIu32, a->floor->min_evaluation_number);
    clo_vb_claim(a->vb, id, have >= a->floor->min_evaluation_number, a->collateral_ok, expected,
                 actual, "it is older than the policy's floor: known weaknesses aren't in it yet");
}

/* ---- the platform ---- */

static void check_platform(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_QUOTE_TCB_INFO;
    char expected[TEXT], actual[TEXT];
    const char *wrong = NULL;

    if (a->info_err != 0 || a->leaf == NULL || a->pck_err != 0) {
        clo_quote_missing(a, id,
                          a->info_err != 0 ? "there is no TCB info, or it can't be read"
                                           : "the platform's certificate doesn't say which it is");
        return;
    }
    clo_hex(a->pck.fmspc, sizeof a->pck.fmspc, actual);
    clo_hex(a->info.fmspc, sizeof a->info.fmspc, expected);
    if (a->info.tdx == a->in->sgx)
        wrong = "it is another TEE's";
    else if (!a->info_fits)
        wrong = "it is another platform's";
    else if (a->floor != NULL && a->floor->fmspcs.given &&
             !clo_policy_list_has(&a->floor->fmspcs, a->pck.fmspc))
        wrong = "the policy doesn't list this kind of platform";
    clo_vb_claim(a->vb, id, wrong == NULL, a->collateral_ok && a->platform_ok, expected, actual,
                 wrong);
}

/* Do the bits under the mask have the value that is wanted? */
static bool masked(const uint8_t *have, const uint8_t *mask, const uint8_t *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((have[i] & mask[i]) != want[i])
            return false;
    return true;
}

static void check_qe(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_QUOTE_QE_IDENTITY;
    const struct clo_sgx_report *r = &a->q.qe;
    const struct clo_qe_identity *w = &a->qe;
    char expected[TEXT], actual[TEXT];
    const char *wrong = NULL;

    if (a->qe_err != 0) {
        clo_quote_missing(a, id, "there is no QE identity, or it can't be read");
        return;
    }
    clo_hex(w->mrsigner, sizeof w->mrsigner, expected);
    clo_hex(r->mrsigner, sizeof r->mrsigner, actual);
    if (!a->qe_fits)
        wrong = "the identity is another TEE's quoting enclave's";
    else if (memcmp(r->mrsigner, w->mrsigner, sizeof w->mrsigner) != 0)
        wrong = "somebody else signed this enclave";
    else if (r->product_id != w->product_id)
        wrong = "it is another product of its signer's";
    else if (!masked(r->miscselect, w->miscselect_mask, w->miscselect, sizeof w->miscselect))
        wrong = "its MISCSELECT is another";
    else if (!masked(r->attributes, w->attributes_mask, w->attributes, sizeof w->attributes) ||
             (r->attributes[0] & CLO_SGX_DEBUG) != 0)
        wrong = "its attributes are others";
    clo_vb_claim(a->vb, id, wrong == NULL, a->collateral_ok && a->qe_ok, expected, actual, wrong);
}

static void statuses_text(unsigned statuses, char dst[TEXT])
{
    size_t n = 0;

    dst[0] = '\0';
    for (unsigned bit = 1; bit < CLO_TCB_REVOKED; bit <<= 1) {
        if ((statuses & bit) == 0 || n >= TEXT)
            continue;
        n += (size_t)snprintf(dst + n, TEXT - n, "%s%s", n == 0 ? "" : ", ",
                              clo_tcb_status_name(bit));
    }
}

/* A status, and whether the policy accepts it. What no policy can accept fails without one too. */
static void status_check(struct clo_quote_appraisal *a, enum cloister_check_id id, unsigned status,
                         bool trusted, const char *none)
{
    const char *actual = clo_tcb_status_name(status);
    char expected[TEXT];

    if (status == 0)
        clo_quote_fact(a, id, false, NULL, NULL, none);
    else if (status == CLO_TCB_REVOKED)
        clo_quote_fact(a, id, false, NULL, actual, "Intel has revoked this level");
    else if (a->floor == NULL)
        clo_vb_no_policy(a->vb, id, actual);
    else {
        statuses_text(a->floor->statuses, expected);
        clo_vb_claim(a->vb, id, (status & a->floor->statuses) != 0, trusted, expected, actual,
                     "the policy doesn't accept this status");
    }
}

static void check_qe_status(struct clo_quote_appraisal *a)
{
    if (!a->qe_fits)
        clo_quote_missing(a, CLOISTER_CHECK_QUOTE_QE_TCB, "there is no QE identity to judge it by");
    else
        status_check(a, CLOISTER_CHECK_QUOTE_QE_TCB, a->tcb.qe_status, a->collateral_ok && a->qe_ok,
                     "no level of Intel's fits this quoting enclave");
}

static void check_status(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_QUOTE_TCB;
    const char *none = "its module or quoting enclave has no known status";

    if (a->tcb.started.level == NULL)
        none = "no level of Intel's fits this platform";
    else if (a->q.header.body == CLO_QUOTE_BODY_TD15 && a->tcb.running.level == NULL)
        none = "no level of Intel's fits what runs now on this platform";
    if (!a->info_fits || !a->qe_fits)
        clo_quote_missing(a, id, "there is no collateral of this platform to judge it by");
    else
        status_check(a, id, a->tcb.status, a->collateral_ok && a->authentic, none);
}

/* ---- advisories ---- */

struct advisories {
    char text[TEXT];
    size_t n; /* written; TEXT: no more fits */
    size_t count;
    const char *rejected;
};

static void advisory_add(struct advisories *all, const struct clo_policy_tcb *floor,
                         struct clo_scan_text t)
{
    char name[CLO_ADVISORY_MAX + 1];

    memcpy(name, t.p, t.n);
    name[t.n] = '\0';
    all->count++;
    if (all->n < TEXT)
        all->n += (size_t)snprintf(all->text + all->n, TEXT - all->n, "%s%s",
                                   all->n == 0 ? "" : ", ", name);
    if (floor != NULL && floor->advisories.given &&
        !clo_policy_texts_have(&floor->advisories, name))
        all->rejected = "an advisory is open that the policy doesn't accept";
}

static void advisories_of(struct advisories *all, const struct clo_policy_tcb *floor,
                          struct clo_scan_text array)
{
    struct clo_scan s = clo_scan_init(array.p, array.n);
    struct clo_scan_text t = {0};
    size_t count = SIZE_MAX;

    while (clo_advisory_next(&s, &count, &t))
        advisory_add(all, floor, t);
}

/* But those of the levels that `known` has as well. */
static void advisories_of_part(struct advisories *all, const struct clo_policy_tcb *floor,
                               const struct clo_tcb_part *part, const struct clo_tcb_part *known)
{
    if (part->level != NULL && (known == NULL || part->level != known->level))
        advisories_of(all, floor, part->level->advisories);
    if (part->module_level != NULL && (known == NULL || part->module_level != known->module_level))
        advisories_of(all, floor, part->module_level->advisories);
}

static void check_advisories(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_QUOTE_ADVISORIES;
    struct advisories all = {.text = ""};

    if (a->floor != NULL && a->floor->advisories.given && (!a->info_fits || !a->qe_fits)) {
        clo_quote_missing(a, id, "there is no collateral of this platform");
        return;
    }
    advisories_of_part(&all, a->floor, &a->tcb.started, NULL);
    advisories_of_part(&all, a->floor, &a->tcb.running, &a->tcb.started);
    if (a->tcb.qe_level != NULL)
        advisories_of(&all, a->floor, a->tcb.qe_level->advisories);
    if (a->floor == NULL)
        clo_vb_no_policy(a->vb, id, all.text);
    else if (!a->floor->advisories.given)
        clo_vb_set(a->vb, id, CLOISTER_CHECK_NOT_APPLICABLE, NULL, all.text,
                   "the policy accepts those of every status that it accepts");
    else
        clo_vb_claim(a->vb, id, all.rejected == NULL && a->tcb.status != 0,
                     a->collateral_ok && a->authentic, NULL, all.text,
                     all.rejected != NULL ? all.rejected : "no level of Intel's fits");
}

/* ---- the TDX module ---- */

static void check_module(struct clo_quote_appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_TDX_MODULE,
                                 tcb = CLOISTER_CHECK_TDX_MODULE_TCB;
    const struct clo_tdx_module *m = a->tcb.module;
    const struct clo_td_report *r = &a->q.td;
    const bool trusted = a->collateral_ok && a->authentic;
    char expected[TEXT], actual[TEXT];

    if (!a->info_fits) {
        clo_vb_skip(a->vb, id, tcb, "there is no TCB info of this platform to judge it by");
        return;
    }
    (void)snprintf(actual, sizeof actual, "version %u, SVN %u", r->tee_tcb_svn[1],
                   r->tee_tcb_svn[0]);
    if (m == NULL) {
        clo_quote_fact(a, id, false, NULL, actual, "Intel's TCB info doesn't know this module");
        clo_quote_missing(a, tcb, "Intel's TCB info doesn't know this module");
        return;
    }
    clo_hex(m->mrsigner, sizeof m->mrsigner, expected);
    /* Intel's own library wants no attribute at all, whatever the mask says. */
    clo_vb_claim(a->vb, id,
                 memcmp(r->mrsignerseam, m->mrsigner, sizeof m->mrsigner) == 0 &&
                     masked(r->seam_attributes, m->mask, m->attributes, sizeof m->mask) &&
                     clo_all_zero(r->seam_attributes, sizeof r->seam_attributes),
                 trusted, expected, actual, "its signer or its attributes are others");
    /* A module of version 0 has its SVN among the platform's. */
    if (r->tee_tcb_svn[1] == 0 && a->tcb.module_status == CLO_TCB_UP_TO_DATE)
        status_check(a, tcb, a->tcb.started.level == NULL ? 0 : a->tcb.started.level->status,
                     trusted, "no level of Intel's fits this platform");
    else
        status_check(a, tcb, a->tcb.module_status, trusted, "no level of Intel's fits this module");
}

void clo_quote_collateral_checks(struct clo_quote_appraisal *a)
{
    check_there(a);
    check_signed(a);
    check_dates(a);
    check_number(a);
    check_platform(a);
    check_qe(a);
    check_qe_status(a);
    check_status(a);
    check_advisories(a);
    if (!a->in->sgx)
        check_module(a);
}
