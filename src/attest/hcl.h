/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope that Azure's paravisor leaves in the vTPM's NV index 0x01400001 (HCLA_ATTESTATION_REPORT): a hardware
 * report, and the runtime data (JSON) whose hash is the report's REPORT_DATA. Microsoft adds members to the JSON from time to time, so
 * unknown ones are skipped; but it is strict JSON without a member twice, because the same bytes must mean the same to everyone who hashes them.
 *
 * Limits: CLO_HCL_MAX bytes, 16 keys. Fuzzed by fuzz/fuzz_hcl.c.
 */
#ifndef CLO_ATTEST_HCL_H
#define CLO_ATTEST_HCL_H

#include "attest/snp.h"
#include "crypto/crypto.h"

#define CLO_HCL_HW_OFFSET      0x20
#define CLO_HCL_RUNTIME_OFFSET 0x4d4
#define CLO_HCL_SNP            2
#define CLO_HCL_TDX            4
#define CLO_TDREPORT_LEN       1024

struct clo_hcl {
    uint32_t report_type; /* CLO_HCL_SNP or CLO_HCL_TDX */
    const uint8_t *
        report; /* borrowed: CLO_SNP_REPORT_LEN bytes; a TDREPORT is shorter, and zeros follow it */
    const uint8_t *runtime; /* borrowed: the bytes that are hashed */
    size_t runtime_n;
    enum clo_hash_alg hash;
};
/* CLOISTER_E_UNKNOWN for a version, type or hash that this version doesn't know. */
CLO_MUST_USE int clo_hcl_parse(const uint8_t *p, size_t n, struct clo_hcl *ret);
/* What REPORT_DATA has to be: the hash of the runtime data, and zeros. */
CLO_MUST_USE int clo_hcl_report_data(const struct clo_hcl *h, uint8_t ret[64]);

enum clo_hcl_flag {
    CLO_HCL_ABSENT,
    CLO_HCL_OFF,
    CLO_HCL_ON,
};
struct clo_hcl_runtime {
    size_t keys;           /* named HCLAkPub; the next four are of the only one */
    const char *key_wrong; /* NULL: it is a signing RSA key that can be read */
    uint8_t modulus[512];
    size_t modulus_n;
    uint32_t exponent;
    enum clo_hcl_flag secure_boot, console, tpm;
    char vm_id[64]; /* "" if absent */
};
/* CLOISTER_E_MALFORMED or another parser's error if the bytes aren't such JSON. */
CLO_MUST_USE int clo_hcl_runtime_parse(const uint8_t *p, size_t n, struct clo_hcl_runtime *ret);

#endif
