/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an Intel quote needs beside itself: what Intel says of its platform and of its quoting enclave, each with its signer, and
 * the lists of the platform's issuer and of the root. On Azure the quote itself has to be had first: the machine has a
 * report that only its own hardware can verify (TDREPORT), which a service turns into a quote over the same content.
 */
#include <stdio.h>
#include <string.h>

#include "attest/collateral_intel.h"
#include "attest/gather_in.h"
#include "attest/hcl.h"
#include "attest/quote_parse.h"

/* Intel SGX PCK Certificate and CRL Profile, section 2. */
#define CN_ROOT        "Intel SGX Root CA"
#define CN_PLATFORM    "Intel SGX PCK Platform CA"
#define CN_PROCESSOR   "Intel SGX PCK Processor CA"
#define CN_SIGNER      "Intel SGX TCB Signing"
#define CN_LEN         64
#define CHAIN_MAX      3 /* PCK, its CA, root */
#define CHAIN_FILE_MAX 8 /* certificates in an answer */

/*
 * Where a TDREPORT and the body of a TD's quote have the same (Intel TDX Module ABI, TDREPORT_STRUCT; Intel TDX DCAP Quoting Library API,
 * TD report): the module's part, the TD's own, and the data.
 */
static const struct {
    size_t report, quote, n;
} same_content[] = {
    {264, 0, 120},
    {512, 120, 400},
    {128, 520, 64},
};

/* ---- quotes ---- */

/* The platform's certificate out of a TD's quote. */
static int leaf_read(const struct clo_quote *q, struct clo_cert **ret)
{
    struct clo_buf der[CHAIN_MAX] = {{0}};
    size_t n = 0;
    int err;

    if (q->header.body != CLO_QUOTE_BODY_TD10 && q->header.body != CLO_QUOTE_BODY_TD15)
        return CLOISTER_E_MALFORMED;
    err = clo_quote_chain(q, der, CHAIN_MAX, &n);
    if (err == 0)
        err = n < 2 ? CLOISTER_E_MALFORMED : clo_cert_parse(der[0].p, der[0].len, ret);
    for (size_t i = 0; i < CHAIN_MAX; i++)
        clo_buf_clear(&der[i]);
    return err;
}

static int quote_wants(const struct clo_cpu_section *cpu, struct clo_wants *l)
{
    static const enum clo_want_kind kinds[] = {CLO_WANT_INTEL_TCB_INFO, CLO_WANT_INTEL_QE_IDENTITY,
                                               CLO_WANT_INTEL_PCK_CRL, CLO_WANT_INTEL_ROOT_CRL};
    struct clo_cert *leaf = NULL;
    struct clo_quote q;
    struct clo_pck pck = {0};
    char issuer[CN_LEN] = "";
    int err;

    if ((err = clo_quote_parse(cpu->quote.p, cpu->quote.len, &q)) != 0 ||
        (err = leaf_read(&q, &leaf)) != 0 || (err = clo_pck_read(leaf, &pck)) != 0 ||
        (err = clo_cert_issuer_cn(leaf, issuer, sizeof issuer)) != 0)
        goto out;
    if (strcmp(issuer, CN_PLATFORM) != 0 && strcmp(issuer, CN_PROCESSOR) != 0)
        err = CLOISTER_E_MALFORMED;
    for (size_t i = 0; i < CLO_ARRAY_LEN(kinds) && err == 0; i++) {
        struct clo_want w = {.kind = kinds[i]};

        w.tdx = i < 2;
        if (w.kind == CLO_WANT_INTEL_TCB_INFO)
            memcpy(w.fmspc, pck.fmspc, sizeof w.fmspc);
        w.processor = w.kind == CLO_WANT_INTEL_PCK_CRL && strcmp(issuer, CN_PROCESSOR) == 0;
        err = clo_wants_add(l, &w);
    }
out:
    clo_cert_free(leaf);
    return err == 0 || clo_is_ours(err) ? err : CLOISTER_E_MALFORMED;
}

static int td_quote_want(const struct clo_cpu_section *cpu, struct clo_want *ret)
{
    struct clo_hcl h;

    if (clo_hcl_parse(cpu->hcl.p, cpu->hcl.len, &h) != 0 || h.report_type != CLO_HCL_TDX)
        return CLOISTER_E_MALFORMED;
    *ret = (struct clo_want){.kind = CLO_WANT_AZURE_TD_QUOTE, .request_n = CLO_TDREPORT_LEN};
    memcpy(ret->request, h.report, CLO_TDREPORT_LEN);
    return 0;
}

int clo_intel_wants(const struct clo_cpu_section *cpu, struct clo_wants *l)
{
    struct clo_want w;
    int err;

    if (clo_cpu_kind(cpu->type) != CLO_CPU_TDX_AZURE || cpu->quote.len != 0)
        return quote_wants(cpu, l);
    err = td_quote_want(cpu, &w);
    return err != 0 ? err : clo_wants_add(l, &w);
}

int clo_intel_prepare(struct clo_gathered *g, int64_t now, struct clo_cpu_section *cpu)
{
    struct clo_entry *e = NULL;
    struct clo_want w;
    int err;

    if (cpu->quote.len != 0 || td_quote_want(cpu, &w) != 0 ||
        (e = clo_gathered_find(g, &w, now)) == NULL)
        return 0;
    if ((err = clo_buf_copy(&cpu->quote, e->body.p, e->body.len, CLO_QUOTE_MAX)) != 0)
        return err;
    e->used = true;
    g->prepared = e->want;
    return 0;
}

/* ---- answers ---- */

static int crl_take(const struct clo_answer *a, const char *issuer, struct clo_entry *e)
{
    char cn[CN_LEN];
    int err = clo_entry_crl(e, a, cn, sizeof cn);

    return err == 0 && strcmp(cn, issuer) != 0 ? CLOISTER_E_MALFORMED : err;
}

/* The signer alone; roots are left out, and where nothing came, it is the one that is built in. */
static int signer_take(const struct clo_answer *a, struct clo_entry *e)
{
    const char *p = (const char *)a->chain;
    const struct clo_cert *known = NULL;
    const uint8_t *der = NULL;
    size_t n = a->chain_n;
    int err = 0;

    for (size_t i = 0; p != NULL && err == 0; i++) {
        struct clo_buf b = clo_buf_init(CLO_CERT_MAX);
        struct clo_cert *c = NULL;

        if ((err = clo_pem_next(&p, &n, "CERTIFICATE", &b)) == 0)
            err = i == CHAIN_FILE_MAX ? CLOISTER_E_MALFORMED : clo_cert_parse(b.p, b.len, &c);
        if (err == 0 && !clo_cert_names_itself(c)) {
            clo_entry_limit(e, c);
            err = e->chain_n++ != 0 ? CLOISTER_E_MALFORMED
                                    : clo_buf_copy(&e->chain[0], b.p, b.len, CLO_CERT_MAX);
        }
        clo_cert_free(c);
        clo_buf_clear(&b);
    }
    if (err != 0 && err != CLOISTER_E_NOT_FOUND)
        return err;
    if (e->chain_n != 0)
        return 0;
    if (p != NULL)
        return CLOISTER_E_MALFORMED;
    if ((err = clo_known_by_cn(CN_SIGNER, &known, &der, &n)) != 0)
        return err;
    clo_entry_limit(e, known);
    e->chain_n = 1;
    return clo_buf_copy(&e->chain[0], der, n, CLO_CERT_MAX);
}

static int document_take(const struct clo_answer *a, const struct clo_intel_signed *from,
                         struct clo_entry *e)
{
    const int err = clo_buf_copy(&e->body, a->body, a->body_n, CLO_TCB_INFO_MAX);

    e->made = from->issued;
    e->until = from->next;
    return err != 0 ? err : signer_take(a, e);
}

static int tcb_info_take(const struct clo_answer *a, struct clo_entry *e)
{
    struct clo_tcb_info info;
    int err;

    if ((err = clo_tcb_info_parse(a->body, a->body_n, &info)) != 0)
        return err;
    if (info.tdx != e->want.tdx || memcmp(info.fmspc, e->want.fmspc, sizeof info.fmspc) != 0)
        return CLOISTER_E_MALFORMED;
    return document_take(a, &info.from, e);
}

static int qe_identity_take(const struct clo_answer *a, struct clo_entry *e)
{
    struct clo_qe_identity qe;
    int err;

    if ((err = clo_qe_identity_parse(a->body, a->body_n, &qe)) != 0)
        return err;
    return qe.tdx != e->want.tdx ? CLOISTER_E_MALFORMED : document_take(a, &qe.from, e);
}

static int quote_take(const struct clo_answer *a, struct clo_entry *e)
{
    struct clo_cert *leaf = NULL;
    const uint8_t *body = NULL;
    struct clo_quote q;
    int err;

    if (e->want.request_n != CLO_TDREPORT_LEN)
        return CLOISTER_E_ARGUMENT;
    if (a->body_n > CLO_QUOTE_MAX || clo_quote_parse(a->body, a->body_n, &q) != 0)
        return CLOISTER_E_MALFORMED;
    if ((err = leaf_read(&q, &leaf)) != 0)
        goto out;
    body = q.signed_bytes +
           (q.header.version < 5 ? CLO_QUOTE_HEADER_LEN : CLO_QUOTE_HEADER_LEN + 6);
    for (size_t i = 0; i < CLO_ARRAY_LEN(same_content) && err == 0; i++)
        if (memcmp(e->want.request + same_content[i].report, body + same_content[i].quote,
                   same_content[i].n) != 0)
            err = CLOISTER_E_MALFORMED;
    clo_entry_limit(e, leaf);
    if (err == 0)
        err = clo_buf_copy(&e->body, a->body, a->body_n, CLO_QUOTE_MAX);
out:
    clo_cert_free(leaf);
    return err;
}

int clo_intel_take(const struct clo_answer *a, struct clo_entry *e)
{
    switch (e->want.kind) {
    case CLO_WANT_INTEL_TCB_INFO: return tcb_info_take(a, e);
    case CLO_WANT_INTEL_QE_IDENTITY: return qe_identity_take(a, e);
    case CLO_WANT_INTEL_PCK_CRL:
        return crl_take(a, e->want.processor ? CN_PROCESSOR : CN_PLATFORM, e);
    case CLO_WANT_INTEL_ROOT_CRL: return crl_take(a, CN_ROOT, e);
    case CLO_WANT_AZURE_TD_QUOTE: return quote_take(a, e);
    default: return CLOISTER_E_ARGUMENT;
    }
}
