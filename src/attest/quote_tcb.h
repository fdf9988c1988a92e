/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Intel's collateral says of one platform: the levels that fit it, and the status that they come to. Intel's own
 * algorithm (Intel SGX TDX DCAP Quote Verification Library, section "TCB status"): the first level whose components are all at most
 * the platform's; then the quoting enclave's and the TDX module's own levels can make it worse.
 *
 * Stricter than Intel's: a module can be replaced under a running TD, in both directions. What TD 1.5 says of the one that runs now
 * (TEE_TCB_SVN2) is judged like what it was started by; Intel's library looks at it only for an excuse.
 */
#ifndef CLO_ATTEST_QUOTE_TCB_H
#define CLO_ATTEST_QUOTE_TCB_H

#include "attest/collateral_intel.h"
#include "attest/quote_parse.h"

/* Each pointer NULL where nothing fits; each status 0 where there is none, or its word isn't known. */
struct clo_tcb_part {
    const struct clo_tcb_level *level; /* of the platform */
    const struct clo_svn_level
        *module_level; /* NULL too for a module of version 0: the platform's level covers it */
    unsigned module_status;
    unsigned status; /* of both together */
};
struct clo_tcb_judged {
    struct clo_tcb_part started; /* what the TD was started by; of an enclave, the platform */
    struct clo_tcb_part running; /* TD 1.5: what runs now */
    const struct clo_svn_level *qe_level; /* of the quoting enclave */
    const struct clo_tdx_module *module;  /* TDX: whose identity the module has to have */
    unsigned qe_status, module_status;    /* the module's: the worse one of the two */
    unsigned status;                      /* all of them together */
};
/* Any of info, qe and pck may be NULL: what needs it isn't found. info is of the quote's own kind. */
void clo_tcb_judge(const struct clo_quote *q, const struct clo_pck *pck,
                   const struct clo_tcb_info *info, const struct clo_qe_identity *qe,
                   struct clo_tcb_judged *ret);

/* "UpToDate", ...; "unknown" for 0. */
const char *clo_tcb_status_name(unsigned status);

#endif
