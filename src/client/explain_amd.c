/* SPDX-License-Identifier: Apache-2.0 */
/* SEV-SNP reports in plain language (AMD document 56860, table ATTESTATION_REPORT). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "attest/snp_report.h"
#include "client/explain.h"

static const struct {
    uint64_t bit;
    const char *set, *clear;
} guest_bits[] =
    {
        {CLO_SNP_POLICY_SMT, "hyper-threading allowed", "hyper-threading forbidden"},
        {CLO_SNP_POLICY_MIGRATE_MA, "A MIGRATION AGENT may be given its memory",
         "no migration agent"},
        {CLO_SNP_POLICY_DEBUG, "DEBUGGING ALLOWED: the host may read its memory", "no debugging"},
        {CLO_SNP_POLICY_SINGLE_SOCKET, "one socket only", NULL},
        {CLO_SNP_POLICY_CXL_ALLOW, "CXL memory allowed", NULL},
        {CLO_SNP_POLICY_MEM_AES_256_XTS, "memory under AES-256-XTS", NULL},
        {CLO_SNP_POLICY_RAPL_DIS, "power metering must be off", NULL},
        {CLO_SNP_POLICY_CIPHERTEXT_HIDING, "ciphertext must be hidden", NULL},
        {CLO_SNP_POLICY_PAGE_SWAP_DISABLE, "page swapping disabled", NULL},
},
  platform_bits[] = {
      {CLO_SNP_PLATFORM_SMT, "hyper-threading on", "hyper-threading off"},
      {CLO_SNP_PLATFORM_TSME, "all memory encrypted", NULL},
      {CLO_SNP_PLATFORM_ECC, "ECC memory", "no ECC memory"},
      {CLO_SNP_PLATFORM_RAPL_DIS, "power metering off", NULL},
      {CLO_SNP_PLATFORM_CIPHERTEXT_HIDING, "ciphertext hidden", NULL},
      {CLO_SNP_PLATFORM_ALIAS_CHECK, "memory checked for aliases (BadRAM)",
       "NOT checked for memory aliases (BadRAM)"},
};

static void add_word(char *dst, size_t cap, const char *word)
{
    const size_t n = strlen(dst);

    if (word != NULL)
        (void)snprintf(dst + n, cap - n, "%s%s", n == 0 ? "" : "; ", word);
}

static void tcb(struct clo_explain *x, const char *name, const char *meaning,
                enum clo_snp_product product, uint64_t raw)
{
    struct clo_snp_tcb t = {0};

    if (clo_snp_tcb_decode(product, raw, &t) != 0)
        clo_explain_field(x, name, meaning, "0x%016" PRIx64 " (no product that is known here)",
                          raw);
    else if (product == CLO_SNP_TURIN)
        clo_explain_field(x, name, meaning, "FMC %u, boot loader %u, TEE %u, SNP %u, microcode %u",
                          t.fmc, t.bl, t.tee, t.snp, t.ucode);
    else
        clo_explain_field(x, name, meaning, "boot loader %u, TEE %u, SNP %u, microcode %u", t.bl,
                          t.tee, t.snp, t.ucode);
}

static void bits(struct clo_explain *x, const struct clo_snp_report *r)
{
    char text[512] = "";

    for (size_t i = 0; i < CLO_ARRAY_LEN(guest_bits); i++)
        add_word(text, sizeof text,
                 (r->policy & guest_bits[i].bit) != 0 ? guest_bits[i].set : guest_bits[i].clear);
    clo_explain_field(x, "guest policy",
                      "what the guest's owner demanded at launch; the hardware keeps to it",
                      "0x%" PRIx64 ": %s", r->policy, text);
    text[0] = '\0';
    for (size_t i = 0; i < CLO_ARRAY_LEN(platform_bits); i++)
        add_word(text, sizeof text,
                 (r->platform_info & platform_bits[i].bit) != 0 ? platform_bits[i].set
                                                                : platform_bits[i].clear);
    clo_explain_field(x, "platform", "how the machine is set up", "0x%" PRIx64 ": %s",
                      r->platform_info, text);
}

void clo_explain_snp(struct clo_explain *x, const uint8_t *p, size_t n)
{
    struct clo_snp_report r = {0};
    enum clo_snp_product product;
    int err = clo_snp_report_parse(p, n, &r);

    if (err != 0) {
        clo_explain_unreadable(x, "AMD SEV-SNP report", err);
        return;
    }
    clo_explain_part(
        x, "AMD SEV-SNP attestation report",
        r.signing_key == CLO_SNP_KEY_VLEK
            ? "the chip's firmware, with a key that AMD certified for a cloud provider (VLEK)"
        : r.signing_key == CLO_SNP_KEY_VCEK
            ? "the chip's firmware, with a key of this one chip that AMD certified (VCEK)"
        : r.signing_key == CLO_SNP_KEY_NONE ? "NOBODY: the report itself says that it isn't signed"
                                            : "a key of a kind that isn't known here",
        r.signing_key == CLO_SNP_KEY_NONE
            ? "nothing: whoever wrote it could write anything"
            : "that a VM with encrypted memory runs on a genuine AMD processor, what was started "
              "in it, and that this VM asked for a report over the 64 bytes below");
    product = r.version >= 3 ? clo_snp_report_product(&r) : CLO_SNP_UNKNOWN;
    clo_explain_field(x, "version", "layout of the report", "%" PRIu32, r.version);
    clo_explain_field(x, "product", "generation of the processor", "%s",
                      r.version < 3 ? "not told before version 3: the certificate says it"
                                    : clo_snp_product_name(product));
    clo_explain_hex(
        x, "measurement",
        "SHA-384 of what was loaded before the VM started: firmware, and with direct boot kernel "
        "and command line",
        r.measurement, sizeof r.measurement);
    clo_explain_hex(
        x, "report data",
        "64 bytes that the VM chose: what they cover is the protocol's affair (Cloister: nonces, "
        "keys, manifest and devices)",
        r.report_data, sizeof r.report_data);
    clo_explain_hex(x, "host data", "32 bytes that the host chose at launch", r.host_data,
                    sizeof r.host_data);
    clo_explain_field(x, "privilege level", "which layer of the VM asked: 0 is the most privileged",
                      "VMPL %" PRIu32, r.vmpl);
    bits(x, &r);
    tcb(x, "reported TCB", "firmware levels that the signing key stands for", product,
        r.reported_tcb);
    tcb(x, "committed TCB", "levels that can't be taken back", product, r.committed_tcb);
    tcb(x, "current TCB",
        "levels that run; above the committed ones: provisional, can be taken back", product,
        r.current_tcb);
    tcb(x, "launch TCB", "levels when the VM was started", product, r.launch_tcb);
    clo_explain_field(x, "firmware", "version that runs; committed version", "%u.%u.%u; %u.%u.%u",
                      r.current.major, r.current.minor, r.current.build, r.committed.major,
                      r.committed.minor, r.committed.build);
    clo_explain_hex(x, "chip", "the chip's own id; zeros where it is hidden", r.chip_id,
                    sizeof r.chip_id);
    clo_explain_hex(x, "id key", "SHA-384 of the key that signed the image's identity; zeros: none",
                    r.id_key_digest, sizeof r.id_key_digest);
    clo_explain_field(x, "guest SVN", "security version that the image's owner gave it", "%" PRIu32,
                      r.guest_svn);
    clo_explain_unproven(
        x, "what happens inside after the start: only a measured image whose code is known "
           "makes its own statements true");
    clo_explain_unproven(
        x, "that nobody opened the machine: physical attacks on memory buses are outside what "
           "a report can show");
    clo_explain_unproven(x, "anything about GPUs or disks beside the processor");
}
