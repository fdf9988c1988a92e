/* SPDX-License-Identifier: Apache-2.0 */
/* Azure's envelope and TPM quotes in plain language. */
#include <stdio.h>

#include "attest/hcl.h"
#include "attest/tpm_quote.h"
#include "client/explain.h"

static const char *flag(enum clo_hcl_flag f, const char *on, const char *off)
{
    return f == CLO_HCL_ON ? on : f == CLO_HCL_OFF ? off : "not told";
}

void clo_explain_azure(struct clo_explain *x, const uint8_t *p, size_t n)
{
    struct clo_hcl_runtime r = {0};
    struct clo_hcl h = {0};
    uint8_t data[64];
    int err;

    if ((err = clo_hcl_parse(p, n, &h)) != 0 || (err = clo_hcl_report_data(&h, data)) != 0) {
        clo_explain_unreadable(x, "Azure's envelope (HCL report)", err);
        return;
    }
    clo_explain_part(
        x, "Azure's envelope (HCL report)",
        "the hardware: the report inside covers the hash of the runtime data",
        "that Microsoft's paravisor in this VM names the vTPM's attestation key, and how the VM is "
        "set up");
    clo_explain_hex(x, "runtime data", "hash that the hardware's report has to cover, and zeros",
                    data, sizeof data);
    if ((err = clo_hcl_runtime_parse(h.runtime, h.runtime_n, &r)) != 0) {
        clo_explain_field(x, "runtime data", "", "can't be read: %s", cloister_strerror(err));
    } else {
        clo_explain_field(
            x, "attestation key", "the vTPM's, by which its quotes are verified", "%s",
            r.keys == 1 && r.key_wrong == NULL ? "one RSA key" : "not exactly one usable key");
        clo_explain_field(x, "secure boot", "the VM starts only signed boot loaders", "%s",
                          flag(r.secure_boot, "on", "OFF"));
        clo_explain_field(x, "console", "the operator can connect to a serial console", "%s",
                          flag(r.console, "ENABLED", "off"));
        if (r.vm_id[0] != '\0')
            clo_explain_field(x, "VM", "Azure's id of it", "%s", r.vm_id);
    }
    clo_explain_unproven(
        x, "what the guest's operating system is: the hardware measured only the paravisor; the "
           "vTPM's PCRs tell the rest");
    if (h.report_type == CLO_HCL_SNP)
        clo_explain_snp(x, h.report, CLO_SNP_REPORT_LEN);
    else
        clo_explain_unproven(
            x, "anything by the TDX report inside: it isn't signed; a signed quote over the same "
               "runtime data has to come along");
}

void clo_explain_tpm(struct clo_explain *x, const uint8_t *p, size_t n)
{
    struct clo_tpm_quote q = {0};
    char pcrs[128] = "";
    int err = clo_tpm_quote_parse(p, n, &q);

    if (err != 0) {
        clo_explain_unreadable(x, "TPM quote", err);
        return;
    }
    clo_explain_part(
        x, "TPM quote", "the TPM, with its attestation key",
        "that the TPM's registers (PCRs) had values with this digest when it was asked with this "
        "data");
    clo_explain_hex(x, "qualifying data",
                    "what the quote answers to; empty: it proves no freshness", q.extra, q.extra_n);
    for (size_t b = 0; b < q.banks; b++) {
        size_t at = 0;

        for (unsigned i = 0; i < 24 && at < sizeof pcrs; i++)
            if ((q.bank[b].pcrs >> i & 1) != 0)
                at += (size_t)snprintf(pcrs + at, sizeof pcrs - at, "%s%u", at == 0 ? "" : " ", i);
        clo_explain_field(x, clo_tpm_alg_name(q.bank[b].alg), "PCRs that are quoted", "%s", pcrs);
    }
    clo_explain_hex(x, "digest", "over those PCRs' values, which have to come along", q.digest,
                    q.digest_n);
    clo_explain_unproven(
        x,
        "whose TPM it is: the attestation key has to be vouched for by a certificate, or on Azure "
        "by the hardware's report");
}
