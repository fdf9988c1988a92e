/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cases of Intel's quotes share, on Azure and elsewhere: their collateral, and what can't be judged where a link between Intel's root
 * and what a quote claims is broken. That is told by lists of checks' names, for TDX and SGX together; lab_names takes out what a format has.
 */
#ifndef CLO_LAB_CASES_INTEL_H
#define CLO_LAB_CASES_INTEL_H

#include <stdio.h>
#include <string.h>

#include "lab/lab.h"
#include "lab/quote.h"

/* Missing where... */

#define QUOTE_MODULE "tdx.module tdx.module_tcb "
#define QUOTE_CLAIMS                                                                         \
    "binding.report_data quote.qe_vendor tdx.debug tdx.attributes tdx.xfam tdx.measurement " \
    "tdx.config tdx.owner tdx.service_td sgx.debug sgx.attributes sgx.measurement sgx.isv "
/* ...the attestation key didn't sign the quote */
#define QUOTE_NO_SIGNATURE QUOTE_CLAIMS QUOTE_MODULE "quote.tcb "
/* ...the quoting enclave doesn't vouch for the attestation key */
#define QUOTE_NO_BINDING QUOTE_NO_SIGNATURE "quote.signature "
/* ...the platform's key didn't sign the quoting enclave's report */
#define QUOTE_NO_QE QUOTE_NO_BINDING "quote.qe_binding quote.qe_identity quote.qe_tcb "
/* ...the platform's certificate doesn't lead to the root */
#define QUOTE_NO_PLATFORM \
    QUOTE_NO_QE "quote.crl quote.revoked quote.pck quote.qe_signature quote.tcb_info "
/* ...there is no certificate of the platform's */
#define QUOTE_NO_CHAIN QUOTE_NO_PLATFORM "quote.root quote.chain quote.chain_dates quote.crl_dates "
/* ...the collateral isn't Intel's */
#define QUOTE_NO_WORD                                                                  \
    "quote.collateral_dates quote.collateral_number quote.tcb_info quote.qe_identity " \
    "quote.qe_tcb quote.tcb " QUOTE_MODULE
/* ...it can't be read */
#define QUOTE_NO_COLLATERAL QUOTE_NO_WORD "quote.collateral_chain "
/* ...the TCB info is another platform's */
#define QUOTE_NO_INFO "quote.tcb " QUOTE_MODULE
/* ...a quote of this kind can't be read */
#define QUOTE_UNREAD                   \
    QUOTE_NO_CHAIN QUOTE_NO_COLLATERAL \
        "quote.trailing quote.chain_present quote.collateral quote.advisories tdx.event_log "
/* ...it is of a kind that nobody knows */
#define QUOTE_UNKNOWN QUOTE_UNREAD "quote.format "
/* ...the policy doesn't admit this kind */
#define QUOTE_UNADMITTED QUOTE_UNKNOWN "quote.version quote.key_type "
/* ...there is no policy */
#define QUOTE_NO_POLICY                                                               \
    "policy.type "                                                                    \
    "quote.collateral_number quote.qe_tcb quote.tcb quote.advisories tdx.module_tcb " \
    "tdx.attributes tdx.xfam tdx.measurement tdx.config tdx.owner tdx.service_td "    \
    "tdx.event_log sgx.attributes sgx.measurement sgx.isv "

#define LAB_NAMES 4096

/* Is the name, of len bytes, one of these? */
static inline bool lab_named(const char *names, const char *name, size_t len)
{
    for (const char *at = names; at != NULL && (at = strstr(at, name)) != NULL; at += len)
        if ((at == names || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

/* Each name once, but none of `but`, nor one of a family in `without` ("sgx. snp."). Both may be NULL, and names as well. */
static inline void lab_names(const char *names, const char *but, const char *without,
                             char dst[LAB_NAMES])
{
    char name[64], family[16];
    size_t n = 0;

    dst[0] = '\0';
    while (names != NULL && *names != '\0') {
        const size_t len = strcspn(names, " ");

        LAB_MUST(len < sizeof name && n + len + 2 < LAB_NAMES);
        (void)snprintf(name, sizeof name, "%.*s", (int)len, names);
        (void)snprintf(family, sizeof family, "%.*s.", (int)strcspn(name, "."), name);
        if (len > 0 && !lab_named(without, family, strlen(family)) && !lab_named(dst, name, len) &&
            !lab_named(but, name, len))
            n += (size_t)snprintf(dst + n, LAB_NAMES - n, "%s%s", n == 0 ? "" : " ", name);
        names += len + (names[len] == ' ');
    }
}

/* Lists, TCB info, QE identity, their signer, and the pinned root. */
static inline void quote_lab_items(const struct quote_recipe *r, const struct quote_evidence *e,
                                   struct lab_case *c)
{
    const struct clo_collateral *k = &e->collateral;
    struct clo_buf root;

    for (size_t i = 0; i < k->crls; i++)
        lab_item(c, CLOISTER_ITEM_CRL, k->crl[i].p, k->crl[i].len);
    if (k->tcb_info.len > 0)
        lab_item(c, CLOISTER_ITEM_TCB_INFO, k->tcb_info.p, k->tcb_info.len);
    if (k->qe_identity.len > 0)
        lab_item(c, CLOISTER_ITEM_QE_IDENTITY, k->qe_identity.p, k->qe_identity.len);
    for (size_t i = 0; i < k->collateral_chain_n; i++)
        lab_item(c, CLOISTER_ITEM_COLLATERAL_CHAIN, k->collateral_chain[i].p,
                 k->collateral_chain[i].len);
    if (r->no_root)
        return;
    quote_lab_root(r, r->root, QUOTE_SERIAL_ROOT, &root);
    lab_root(c, LAB_ROOT_INTEL, root.p, root.len);
    clo_buf_clear(&root);
}

#endif
