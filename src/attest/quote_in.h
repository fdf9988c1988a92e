/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the appraisal of Intel quotes: what its steps share. quote_appraise.c reads the quote and walks the platform's chain,
 * quote_collateral.c judges the platform by Intel's collateral, quote_claims.c what a TD or an enclave says of itself.
 */
#ifndef CLO_ATTEST_QUOTE_IN_H
#define CLO_ATTEST_QUOTE_IN_H

#include "attest/quote.h"
#include "attest/quote_tcb.h"

#define CLO_QUOTE_CHAIN_LEN 3 /* PCK, its CA, root */
#define CLO_QUOTE_TEXT      CLOISTER_CHECK_TEXT

struct clo_quote_appraisal {
    const struct clo_quote_input *in;
    const struct cloister_policy *policy; /* NULL: none */
    const struct clo_policy_tcb *floor;   /* the policy's for this kind; NULL together with it */
    int64_t now;
    struct clo_verdict_builder *vb;
    struct clo_quote q;

    struct clo_buf inside[CLO_QUOTE_CHAIN_LEN]; /* the chain inside the quote */
    const struct clo_buf *chain;                /* that one, or the caller's */
    size_t chain_n;
    const struct clo_cert *leaf, *ca; /* both or none */
    struct clo_cert *leaf_owned, *ca_owned;
    const struct clo_root *pin;
    const struct clo_cert *root;        /* pinned, or NULL */
    bool root_other;                    /* the chain ends in another root */
    struct clo_crl *root_crl, *pck_crl; /* signed by root, by ca; or NULL */
    bool stray_crl;                     /* one came that neither signed */
    struct clo_pck pck;
    int pck_err;

    bool root_ok, chain_ok, qe_signature_ok, binding_ok, signature_ok;
    bool platform_ok; /* root and chain */
    bool qe_ok;       /* and the QE's report */
    bool authentic;   /* and the quote */

    struct clo_tcb_info info;
    struct clo_qe_identity qe;
    int info_err, qe_err; /* CLOISTER_E_NOT_FOUND: none came */
    const struct clo_cert *signer;
    struct clo_cert *signer_owned;
    int signer_err;
    bool collateral_ok; /* both are there, and signed by Intel */
    bool info_fits;     /* TCB info is of this kind and this platform */
    bool qe_fits;       /* QE identity is of this kind */
    struct clo_tcb_judged tcb;
};

void clo_quote_fact(struct clo_quote_appraisal *a, enum cloister_check_id id, bool ok,
                    const char *expected, const char *actual, const char *reason);
/* Of what the quote says itself: trusted if it is authentic. */
void clo_quote_claim(struct clo_quote_appraisal *a, enum cloister_check_id id, bool right,
                     const char *expected, const char *actual, const char *reason);
void clo_quote_missing(struct clo_quote_appraisal *a, enum cloister_check_id id,
                       const char *reason);
/* "from to to", and whether now lies between. The verdict can't outlive `to`. */
bool clo_quote_within(struct clo_quote_appraisal *a, int64_t from, int64_t to,
                      char expected[CLO_QUOTE_TEXT], char actual[CLO_QUOTE_TEXT]);
/* Is this the pinned root, which is there, or another certificate of the same key? */
CLO_MUST_USE int clo_quote_root_is(const struct clo_quote_appraisal *a, const struct clo_buf *der,
                                   bool *ret);

/* Read TCB info, QE identity and their signer, and verify them; before any check of theirs. */
CLO_MUST_USE int clo_quote_collateral_load(struct clo_quote_appraisal *a);
/* quote.collateral to quote.advisories, tdx.module and tdx.module_tcb */
void clo_quote_collateral_checks(struct clo_quote_appraisal *a);
/* tdx.debug to tdx.event_log, or sgx.* */
CLO_MUST_USE int clo_quote_claims(struct clo_quote_appraisal *a);

#endif
