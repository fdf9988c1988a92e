/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building a verdict. There is one place for every check of <cloister/checks.h>; whoever makes the checks may do so in any
 * order, and each is made exactly once. The outcome follows from the places alone: one that was left empty is a
 * bug, counts as missing, and can never become "verified".
 */
#ifndef CLO_ATTEST_VERDICT_H
#define CLO_ATTEST_VERDICT_H

#include <cloister/verify.h>

#include "base/base.h"

/* A check's place in the list, and how many there are. */
enum {
#define CLO_CHECK_PLACE_(number, id, name, title) CLO_CHECK_PLACE_##id,
    CLOISTER_CHECK_LIST(CLO_CHECK_PLACE_)
#undef CLO_CHECK_PLACE_
    CLO_CHECK_COUNT
};

/* Not a fault of the evidence: it ends an appraisal with this error and without a verdict. */
static inline bool clo_is_ours(int err)
{
    return err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO;
}

struct clo_verdict_builder {
    struct cloister_check check[CLO_CHECK_COUNT]; /* in the list's order */
    int64_t valid_until;
    bool twice; /* a check was made twice, or one that was left out: a bug, never verified */
    bool out[CLO_CHECK_COUNT]; /* isn't part of this verdict */
};

/* Every check is part of the verdict, until it is left out. */
void clo_vb_init(struct clo_verdict_builder *vb);
/* The checks [first, last] are of a family that this kind of evidence doesn't have: they aren't part of the verdict. */
void clo_vb_leave_out(struct clo_verdict_builder *vb, unsigned first, unsigned last);
/* What evidence is of, beside the common checks (1 to 99). */
enum clo_check_family {
    CLO_FAMILY_SNP = 1 << 0,
    CLO_FAMILY_QUOTE = 1 << 1, /* Intel's quotes; with one of the next two */
    CLO_FAMILY_TDX = 1 << 2,
    CLO_FAMILY_SGX = 1 << 3,
    CLO_FAMILY_AZURE = 1 << 4,
    CLO_FAMILY_TPM = 1 << 5,
    CLO_FAMILY_GPU = 1 << 6,
};
/* Every check that is neither common nor of these families is left out. */
void clo_vb_keep_families(struct clo_verdict_builder *vb, unsigned families);
/* The families' checks that weren't made become missing, for this reason. */
void clo_vb_skip_families(struct clo_verdict_builder *vb, unsigned families, const char *reason);
/* How many checks of these families have this status. */
size_t clo_vb_count(const struct clo_verdict_builder *vb, unsigned families,
                    enum cloister_check_status status);
/*
 * Texts are cut and made printable ASCII; NULL is "". reason NULL: the check's title, which says what holds when it
 * passes.
 */
void clo_vb_set(struct clo_verdict_builder *vb, enum cloister_check_id id,
                enum cloister_check_status status, const char *expected, const char *actual,
                const char *reason);
/*
 * A statement of the evidence's own. Wrong: fail, with `reason`. Right: pass, but only if what makes the statement is
 * trusted; else missing.
 */
void clo_vb_claim(struct clo_verdict_builder *vb, enum cloister_check_id id, bool right,
                  bool trusted, const char *expected, const char *actual, const char *reason);
/*
 * A check of what the evidence covers, where the caller has nothing to compare with: not applicable if `any` is wanted, else
 * missing.
 */
void clo_vb_unexpected(struct clo_verdict_builder *vb, enum cloister_check_id id, bool any,
                       const char *actual);
/* A check that needs a policy, and none was given. */
void clo_vb_no_policy(struct clo_verdict_builder *vb, enum cloister_check_id id,
                      const char *actual);
enum cloister_check_status clo_vb_status(const struct clo_verdict_builder *vb,
                                         enum cloister_check_id id);
/* Every check in [first, last] that wasn't made becomes missing, for this reason. */
void clo_vb_skip(struct clo_verdict_builder *vb, unsigned first, unsigned last, const char *reason);
/* The verdict can't outlive t. */
void clo_vb_until(struct clo_verdict_builder *vb, int64_t t);
/* "2026-01-31T12:00:00Z"; "-" for what has no four-digit year. */
#define CLO_DATE_LEN 32
void clo_date(int64_t t, char dst[CLO_DATE_LEN]);
/* Copy the checks to the verdict and set outcome and valid_until. */
void clo_vb_finish(const struct clo_verdict_builder *vb, struct cloister_verdict *ret);
/* What a function that appraises returns for it: 0 for CLOISTER_VERIFIED alone. */
CLO_MUST_USE int clo_outcome_error(enum cloister_outcome o);

#endif
