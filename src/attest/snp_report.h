/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an SEV-SNP report and its signing key's certificate say (AMD document 56860, table ATTESTATION_REPORT; AMD
 * document 57230, VCEK and VLEK certificates), before anything is believed or judged.
 */
#ifndef CLO_ATTEST_SNP_REPORT_H
#define CLO_ATTEST_SNP_REPORT_H

#include "base/rw.h"
#include "crypto/x509.h"

enum clo_snp_product {
    CLO_SNP_UNKNOWN,
    CLO_SNP_MILAN,
    CLO_SNP_GENOA,
    CLO_SNP_TURIN
};
#define CLO_SNP_PRODUCTS 4
/* "Milan"; "unknown" for others. */
const char *clo_snp_product_name(enum clo_snp_product p);

/* A TCB level by component: never compared as one integer. fmc exists on Turin and later. */
struct clo_snp_tcb {
    uint8_t fmc, bl, tee, snp, ucode;
    uint64_t raw;
};
/* The layout of TCB_VERSION is the product's. CLOISTER_E_MALFORMED if its reserved bytes aren't zero. */
CLO_MUST_USE int clo_snp_tcb_decode(enum clo_snp_product p, uint64_t raw, struct clo_snp_tcb *ret);
/* Is each component of a at least b's? */
bool clo_snp_tcb_at_least(const struct clo_snp_tcb *a, const struct clo_snp_tcb *b);

struct clo_snp_firmware {
    uint8_t major, minor, build;
};
/* Is a the same version as b, or a later one? */
bool clo_snp_firmware_at_least(const struct clo_snp_firmware *a, const struct clo_snp_firmware *b);

#define CLO_SNP_SIGNED_LEN 0x2a0

enum { /* POLICY */
    CLO_SNP_POLICY_SMT = 1 << 16,
    CLO_SNP_POLICY_RESERVED_ONE = 1 << 17,
    CLO_SNP_POLICY_MIGRATE_MA = 1 << 18,
    CLO_SNP_POLICY_DEBUG = 1 << 19,
    CLO_SNP_POLICY_SINGLE_SOCKET = 1 << 20,
    CLO_SNP_POLICY_CXL_ALLOW = 1 << 21,
    CLO_SNP_POLICY_MEM_AES_256_XTS = 1 << 22,
    CLO_SNP_POLICY_RAPL_DIS = 1 << 23,
    CLO_SNP_POLICY_CIPHERTEXT_HIDING = 1 << 24,
    CLO_SNP_POLICY_PAGE_SWAP_DISABLE = 1 << 25,
    CLO_SNP_POLICY_BITS = 26, /* those above are reserved */
};
enum { /* PLATFORM_INFO; reserved bits are seen set on Turin, and are no fault */
    CLO_SNP_PLATFORM_SMT = 1 << 0,
    CLO_SNP_PLATFORM_TSME = 1 << 1,
    CLO_SNP_PLATFORM_ECC = 1 << 2,
    CLO_SNP_PLATFORM_RAPL_DIS = 1 << 3,
    CLO_SNP_PLATFORM_CIPHERTEXT_HIDING = 1 << 4,
    CLO_SNP_PLATFORM_ALIAS_CHECK = 1 << 5,
};
enum clo_snp_key {
    CLO_SNP_KEY_VCEK = 0,
    CLO_SNP_KEY_VLEK = 1,
    CLO_SNP_KEY_NONE = 7
};

struct clo_snp_report {
    uint32_t version, guest_svn, vmpl, signature_algo, flags;
    uint64_t policy, platform_info, launch_mit, current_mit;
    uint8_t report_data[64];
    uint8_t measurement[48];
    uint8_t host_data[32];
    uint8_t id_key_digest[48], author_key_digest[48];
    uint8_t chip_id[64];
    uint64_t current_tcb, reported_tcb, committed_tcb, launch_tcb; /* for clo_snp_tcb_decode */
    struct clo_snp_firmware current, committed;
    uint8_t family, model;             /* CPUID; zero before version 3 */
    uint8_t r[48], s[48];              /* big-endian */
    bool reserved_zero;                /* everything that must be zero is, for this version */
    bool author_key_en, mask_chip_key; /* out of flags */
    unsigned signing_key;
};
/* n must be 1184. Every field is read whatever the version is; the caller judges that. */
CLO_MUST_USE int clo_snp_report_parse(const void *p, size_t n, struct clo_snp_report *ret);
/* By CPUID (versions 3 and later). */
enum clo_snp_product clo_snp_report_product(const struct clo_snp_report *r);

/*
 * What AMD's extensions (1.3.6.1.4.1.3704.1.*) in a VCEK or VLEK certificate say. Each group carries its own result, 0
 * or why it can't be used (CLOISTER_E_NOT_FOUND: absent), because each is wanted by another check.
 */
struct clo_snp_endorsement {
    int product_err;
    unsigned struct_version;
    enum clo_snp_product product;
    int tcb_err;
    struct clo_snp_tcb tcb; /* raw isn't set */
    int hwid_err;           /* VCEK */
    uint8_t hwid[64];
    size_t hwid_n; /* 64, or 8 on Turin */
    int csp_err;   /* VLEK */
    char csp_id[128];
};
/*
 * Every level of the product is mandatory, and no extension may appear twice. INTEGERs are strict DER, 0 to 255. The
 * chip id is raw or wrapped in an OCTET STRING: both are in use.
 */
void clo_snp_endorsement_read(const struct clo_cert *c, struct clo_snp_endorsement *ret);

#endif
