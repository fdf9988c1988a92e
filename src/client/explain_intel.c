/* SPDX-License-Identifier: Apache-2.0 */
/* Intel's quotes and collateral in plain language (Intel TDX module specification; Intel DCAP quoting library API). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/collateral_intel.h"
#include "attest/quote_parse.h"
#include "attest/verdict.h"
#include "client/explain.h"

static const char *const tcb_words[] = {
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "TDRelaunchAdvised",
    "TDRelaunchAdvisedConfigurationNeeded",
    "Revoked",
};

static void td(struct clo_explain *x, const struct clo_quote *q)
{
    static const char *const rtmr[] = {
        "firmware's configuration, extended at boot",
        "boot loader, kernel, command line: extended at boot",
        "the operating system's own: extended while it runs",
        "the application's own: extended while it runs",
    };
    const struct clo_td_report *t = &q->td;
    char name[8];

    clo_explain_hex(x, "MRTD", "SHA-384 of what was loaded before the TD started: its firmware",
                    t->mrtd, 48);
    for (size_t i = 0; i < CLO_ARRAY_LEN(rtmr); i++) {
        (void)snprintf(name, sizeof name, "RTMR%zu", i);
        clo_explain_hex(x, name, rtmr[i], t->rtmr[i], 48);
    }
    clo_explain_hex(x, "report data",
                    "64 bytes that the TD chose: what they cover is the protocol's affair",
                    t->report_data, 64);
    clo_explain_field(
        x, "attributes", "how the TD may be looked into", "0x%016" PRIx64 ": %s%s", t->attributes,
        (t->attributes & CLO_TD_UNDER_DEBUG) != 0 ? "UNDER DEBUG: the host may read its memory"
                                                  : "no debugging",
        (t->attributes & CLO_TD_SEPT_VE_DISABLE) != 0 ? "" : "; SEPT_VE_DISABLE is not set");
    clo_explain_field(x, "XFAM", "extended processor features that it may use", "0x%016" PRIx64,
                      t->xfam);
    clo_explain_hex(x, "MRCONFIGID", "what the owner wrote in at launch; zeros: nothing",
                    t->mrconfigid, 48);
    clo_explain_hex(x, "MROWNER", "who started it, where that is said; zeros: nobody", t->mrowner,
                    48);
    clo_explain_hex(x, "MROWNERCONFIG", "the owner's configuration; zeros: none", t->mrownerconfig,
                    48);
    clo_explain_hex(x, "TEE TCB SVN", "levels of the TDX module and its loader", t->tee_tcb_svn,
                    16);
    clo_explain_hex(x, "MRSEAM", "SHA-384 of the TDX module", t->mrseam, 48);
    if (q->header.body == CLO_QUOTE_BODY_TD15) {
        clo_explain_hex(x, "TEE TCB SVN 2", "levels of the module that runs now", t->tee_tcb_svn2,
                        16);
        clo_explain_hex(x, "MRSERVICETD",
                        "a service TD that may move or read this one (migration); zeros: none",
                        t->mrservicetd, 48);
    }
}

static void enclave(struct clo_explain *x, const struct clo_quote *q)
{
    const struct clo_sgx_report *s = &q->sgx;

    clo_explain_hex(x, "MRENCLAVE", "SHA-256 of the enclave's code and data", s->mrenclave, 32);
    clo_explain_hex(x, "MRSIGNER", "SHA-256 of the key that signed the enclave", s->mrsigner, 32);
    clo_explain_field(x, "product, version", "as its signer numbers them", "%u, %u", s->product_id,
                      s->svn);
    clo_explain_field(x, "attributes", "how the enclave may be looked into", "%s",
                      (s->attributes[0] & CLO_SGX_DEBUG) != 0
                          ? "DEBUG: the host may read its memory"
                          : "no debugging");
    clo_explain_hex(x, "report data", "64 bytes that the enclave chose", s->report_data, 64);
}

static void chain(struct clo_explain *x, const struct clo_quote *q)
{
    struct clo_buf der[4] = {{0}};
    size_t count = 0;

    if (clo_quote_chain(q, der, CLO_ARRAY_LEN(der), &count) == 0)
        for (size_t i = 0; i < count; i++)
            clo_explain_cert(x, der[i].p, der[i].len);
    for (size_t i = 0; i < CLO_ARRAY_LEN(der); i++)
        clo_buf_clear(&der[i]);
}

void clo_explain_quote(struct clo_explain *x, const uint8_t *p, size_t n)
{
    struct clo_quote q = {0};
    int err = clo_quote_parse(p, n, &q);

    if (err != 0) {
        clo_explain_unreadable(x, "Intel TDX or SGX quote", err);
        return;
    }
    clo_explain_part(
        x, q.header.body == CLO_QUOTE_BODY_SGX ? "Intel SGX quote" : "Intel TDX quote",
        "Intel's quoting enclave, with a key that it made and that the platform's own key (PCK), "
        "which Intel certified, vouches for",
        q.header.body == CLO_QUOTE_BODY_SGX
            ? "that an enclave with this code runs on a genuine Intel processor, and asked for a "
              "quote over the 64 bytes below"
            : "that a VM with encrypted memory (a trust domain) runs on a genuine Intel "
              "processor, what was started in it, and that it asked for a quote over the 64 "
              "bytes below");
    clo_explain_field(x, "version", "layout of the quote", "%u", q.header.version);
    if (q.header.body == CLO_QUOTE_BODY_SGX)
        enclave(x, &q);
    else
        td(x, &q);
    if (q.trailing_n > 0)
        clo_explain_field(x, "bytes behind it", "no part of the quote, signed by nobody", "%zu",
                          q.trailing_n);
    clo_explain_unproven(
        x, "how old the platform's firmware is: that takes Intel's TCB info, which says it by "
           "the platform's certificate");
    clo_explain_unproven(
        x, "what happens inside after the start, and physical attacks on memory buses");
    chain(x, &q);
}

void clo_explain_tcb_info(struct clo_explain *x, const uint8_t *p, size_t n)
{
    struct clo_tcb_info *info = calloc(1, sizeof *info);
    int err = info == NULL ? CLOISTER_E_MEMORY : clo_tcb_info_parse(p, n, info);
    char from[CLO_DATE_LEN], to[CLO_DATE_LEN], text[256] = "";

    if (err != 0) {
        clo_explain_unreadable(x, "Intel TCB info", err);
        goto out;
    }
    clo_date(info->from.issued, from);
    clo_date(info->from.next, to);
    clo_explain_part(x, "Intel TCB info", "Intel's TCB signing key",
                     "how Intel judged each firmware level of one kind of platform on that day");
    clo_explain_field(x, "for", "", "%s", info->tdx ? "TDX" : "SGX");
    clo_explain_hex(x, "FMSPC", "the kind of platform", info->fmspc, sizeof info->fmspc);
    clo_explain_field(x, "dates", "it can be used from and to", "%s to %s", from, to);
    clo_explain_field(x, "evaluation number", "grows with each of Intel's judgements", "%" PRIu32,
                      info->from.number);
    for (size_t i = 0; i < info->levels; i++) {
        for (size_t k = 0; k < CLO_ARRAY_LEN(tcb_words); k++) {
            const size_t at = strlen(text);

            if (info->level[i].status == 1u << k && strstr(text, tcb_words[k]) == NULL)
                (void)snprintf(text + at, sizeof text - at, "%s%s", at == 0 ? "" : ", ",
                               tcb_words[k]);
        }
    }
    clo_explain_field(x, "levels", "from the best to the worst", "%zu: %s", info->levels, text);
out:
    free(info);
}

void clo_explain_qe_identity(struct clo_explain *x, const uint8_t *p, size_t n)
{
    struct clo_qe_identity *qe = calloc(1, sizeof *qe);
    int err = qe == NULL ? CLOISTER_E_MEMORY : clo_qe_identity_parse(p, n, qe);
    char from[CLO_DATE_LEN], to[CLO_DATE_LEN];

    if (err != 0) {
        clo_explain_unreadable(x, "Intel's identity of the quoting enclave", err);
        goto out;
    }
    clo_date(qe->from.issued, from);
    clo_date(qe->from.next, to);
    clo_explain_part(x, "Intel's identity of the quoting enclave", "Intel's TCB signing key",
                     "which enclave Intel made for signing quotes, and how it judged each of its "
                     "versions on that day");
    clo_explain_field(x, "for", "", "%s", qe->tdx ? "TDX" : "SGX");
    clo_explain_hex(x, "MRSIGNER", "SHA-256 of the key that signed that enclave", qe->mrsigner,
                    sizeof qe->mrsigner);
    clo_explain_field(x, "dates", "it can be used from and to", "%s to %s", from, to);
    clo_explain_field(x, "evaluation number", "grows with each of Intel's judgements", "%" PRIu32,
                      qe->from.number);
out:
    free(qe);
}
