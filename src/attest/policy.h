/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy in memory (docs/POLICY.md is its format). What a policy doesn't say has its strict default here already,
 * so that no check has to think about absence.
 */
#ifndef CLO_ATTEST_POLICY_H
#define CLO_ATTEST_POLICY_H

#include <cloister/verify.h>

#include "attest/snp_report.h"
#include "codec/shape.h"

#define CLO_EPOCH_MAX_S          86400 /* keys that live longer are no epoch */
#define CLO_POLICY_MAX           (1u << 20)
#define CLO_POLICY_LIST_MAX      1024
#define CLO_POLICY_TEXTS_MAX     64

#define CLO_POLICY_MANIFESTS_MAX 16
#define CLO_POLICY_MANIFEST_MAX  16384 /* bytes of one */
#define CLO_POLICY_REPLICAS_MAX  16
#define CLO_POLICY_URL_MAX       512

/* Values of one length: digests and ids. */
struct clo_policy_list {
    bool given; /* the policy has this member */
    size_t width, count;
    uint8_t *item; /* count * width bytes */
};
bool clo_policy_list_has(const struct clo_policy_list *l, const uint8_t *value);

struct clo_policy_texts {
    bool given;
    size_t count;
    char text[CLO_POLICY_TEXTS_MAX][128];
};
bool clo_policy_texts_have(const struct clo_policy_texts *l, const char *value);

struct clo_policy_product {
    bool admitted;
    struct clo_snp_tcb min_tcb, min_launch_tcb; /* raw isn't set */
    struct clo_snp_firmware min_firmware;
};

struct clo_policy_snp {
    struct clo_policy_product product[CLO_SNP_PRODUCTS];
    uint8_t vmpl;
    uint8_t min_abi_major, min_abi_minor;
    bool allow_smt, allow_cxl, allow_provisional, allow_masked_chip;
    uint64_t require_guest;    /* POLICY bits */
    uint64_t require_platform; /* PLATFORM_INFO bits */
    bool vcek, vlek;
    struct clo_policy_texts csp_ids;
    struct clo_policy_list chip_ids;
    struct clo_policy_list host_data, id_keys, author_keys; /* not given: must be zero */
    uint32_t min_guest_svn;
    uint64_t mitigations; /* bits of both mitigation vectors */
};

/* ---- Intel ---- */

enum clo_tcb_status { /* Intel's own words; bits, so that a policy is a set of them */
    CLO_TCB_UP_TO_DATE = 1 << 0,
    CLO_TCB_SW_HARDENING = 1 << 1,
    CLO_TCB_CONFIGURATION = 1 << 2,
    CLO_TCB_CONFIGURATION_AND_SW_HARDENING = 1 << 3,
    CLO_TCB_OUT_OF_DATE = 1 << 4,
    CLO_TCB_OUT_OF_DATE_CONFIGURATION = 1 << 5,
    CLO_TCB_RELAUNCH_ADVISED = 1 << 6,
    CLO_TCB_RELAUNCH_ADVISED_CONFIGURATION = 1 << 7,
    CLO_TCB_REVOKED = 1 << 8, /* no policy can admit it */
};
/* TD_ATTRIBUTES and XFAM of a TD (Intel TDX Module ABI): what a policy may allow beside what every TD has. */
#define CLO_TD_PKS          ((uint64_t)1 << 30)
#define CLO_TD_KL           ((uint64_t)1 << 31)
#define CLO_TD_PERFMON      ((uint64_t)1 << 63)
#define CLO_TD_XFAM_FIXED1  0x3u
#define CLO_TD_XFAM_ALLOWED 0x6dbe7u
/* ATTRIBUTES.FLAGS of an enclave (Intel SDM volume 3D, table 36-3). */
#define CLO_SGX_PROVISION_KEY  ((uint64_t)1 << 4)
#define CLO_SGX_EINITTOKEN_KEY ((uint64_t)1 << 5)
#define CLO_SGX_KSS            ((uint64_t)1 << 7)
#define CLO_SGX_AEX_NOTIFY     ((uint64_t)1 << 10)
/* What TDX and SGX have in common. */
struct clo_policy_tcb {
    unsigned statuses;              /* enum clo_tcb_status; absent: UpToDate alone */
    struct clo_policy_list fmspcs;  /* 6 bytes; not given: any platform */
    uint32_t min_evaluation_number; /* mandatory: floor of tcbEvaluationDataNumber */
    /* INTEL-SA-...; not given: those of an accepted status are accepted; given: only these */
    struct clo_policy_texts advisories;
};
/* One image: all five together. */
struct clo_policy_td {
    uint8_t mrtd[48], rtmr[4][48];
};
#define CLO_POLICY_TDS_MAX 64
struct clo_policy_tdx {
    struct clo_policy_tcb tcb;
    struct clo_policy_td *td;  /* heap */
    size_t tds;                /* 0 admits nothing */
    uint64_t allow_attributes; /* CLO_TD_*, beyond SEPT_VE_DISABLE; DEBUG never */
    bool allow_sept_ve;        /* SEPT_VE_DISABLE may be clear */
    uint64_t allow_xfam;       /* absent: every bit that the architecture allows */
    /* 48 bytes; not given: must be zero */
    struct clo_policy_list config_ids, owners, owner_configs, service_tds;
    bool require_event_log;
};
struct clo_policy_sgx {
    struct clo_policy_tcb tcb;
    /* Each list that is given has to hold; neither given admits nothing. */
    struct clo_policy_list enclaves; /* MRENCLAVE, 32 */
    struct clo_policy_list signers;  /* MRSIGNER, 32, with the next two */
    uint16_t product_id, min_svn;
    uint64_t allow_attributes; /* CLO_SGX_*, beyond INIT and MODE64BIT; DEBUG never */
};

/* ---- Azure and TPM ---- */

#define CLO_POLICY_PCRS     24
#define CLO_POLICY_PCRS_MAX 64 /* alternatives */
struct clo_policy_pcrs {
    uint32_t pinned;                    /* bit i: value[i] is set */
    uint8_t value[CLO_POLICY_PCRS][48]; /* of the bank's length */
};
enum { /* TPM_ALG_ID */
    CLO_POLICY_BANK_SHA256 = 0x0b,
    CLO_POLICY_BANK_SHA384 = 0x0c,
};
struct clo_policy_tpm {
    bool given;
    uint16_t bank;                /* absent: SHA-256 */
    uint32_t selection;           /* exactly these are quoted; absent: 0 to 23 */
    struct clo_policy_pcrs *pcrs; /* heap; one has to hold */
    size_t pcrs_n;                /* 0 admits nothing */
    struct clo_policy_list keys;  /* SHA-256 of attestation keys' SPKI */
    bool require_event_log;
};
struct clo_policy_azure {
    bool allow_console, allow_no_secure_boot; /* of vm-configuration */
    struct clo_policy_texts vm_ids;           /* not given: any */
};

/* ---- devices ---- */

enum clo_gpu_arch {
    CLO_GPU_UNKNOWN = 0,
    CLO_GPU_HOPPER = 1,
    CLO_GPU_BLACKWELL = 2,
    CLO_GPU_LS10 = 3, /* NVSwitch */
};
#define CLO_GPU_ARCHS 4
enum clo_gpu_mode {     /* the report's feature flag */
    CLO_GPU_SINGLE = 0, /* "single": one GPU a machine, passed through */
    CLO_GPU_MULTI = 1,  /* "multi" */
    CLO_GPU_PROTECTED_PCIE = 2,
};
enum clo_reference_kind {
    CLO_REFERENCE_DRIVER = 1, /* for a driver's version */
    CLO_REFERENCE_VBIOS = 2,  /* for a VBIOS' version, and a board */
};
#define CLO_REFERENCE_INDEXES 64 /* measurement blocks: 0 is block index 1 */
#define CLO_REFERENCE_VALUES  8  /* alternatives of one index */
/* What one verified RIM says: written by `cloister-rim import`. */
struct clo_reference {
    enum clo_reference_kind kind;
    enum clo_gpu_arch arch;
    char id[128];     /* the RIM's own id: shown, never believed */
    char version[64]; /* "550.90.07", "96.00.74.00.1C": has to equal the signed report's */
    /* VBIOS: "1010" project, "0200" project SKU, "882" chip SKU, in upper case; each empty where the RIM names none */
    char project[16], project_sku[16], chip_sku[16];
    uint8_t rim_sha256[32]; /* of the file that it came from */
    uint64_t active;        /* bit i: index i has to be compared */
    struct {
        uint8_t count; /* 1 to CLO_REFERENCE_VALUES where active */
        uint8_t value[CLO_REFERENCE_VALUES][48];
    } index[CLO_REFERENCE_INDEXES];
};
#define CLO_REFERENCES_MAX 64
struct clo_policy_devices {
    uint32_t min, max; /* GPUs; max absent: min. Absent altogether: 1 of them, of no architecture */
    uint32_t switches; /* exactly; absent: 0 */
    bool arch[CLO_GPU_ARCHS]; /* CLO_GPU_LS10: if there are switches */
    unsigned modes;           /* 1 << enum clo_gpu_mode; absent: "single" */
    char min_driver[64];      /* mandatory when max > 0; dotted numbers, compared by component */
    char min_vbios[CLO_GPU_ARCHS][64]; /* "" : the reference values decide */
    struct clo_reference *reference;   /* heap */
    size_t references;
};

struct cloister_policy {
    uint8_t digest[32];
    char name[128];
    bool sev_snp, simulated;
    bool sev_snp_azure, tdx_plain, tdx_azure, sgx_quote; /* what "tee" names beside them */
    bool
        revocation_if_present; /* a CRL or OCSP answer that isn't there is not applicable; one that is there has to hold */
    struct clo_policy_list measurements;
    struct clo_policy_snp snp;
    struct clo_policy_tdx tdx;
    struct clo_policy_sgx sgx;
    struct clo_policy_azure azure;
    struct clo_policy_tpm tpm;
    struct clo_policy_devices devices;
    struct clo_policy_list roots; /* simulated: SHA-256 of root certificates */
    struct clo_policy_list
        vendor_roots; /* SHA-256; given: of the verifier's roots only these count */
    struct clo_policy_list models;
    struct clo_policy_texts engines; /* "NAME VERSION", as manifests have them */
    struct clo_policy_texts releases;
    struct clo_policy_list manifests; /* SHA-256 of the pinned manifests' bytes */
    char *replica[CLO_POLICY_REPLICAS_MAX];
    size_t replicas;
    bool allow_unmanaged;
    enum clo_shaping shape; /* the least that the manifest has to promise; absent: full */
    bool x25519;
    uint16_t aead[8]; /* in order of preference */
    size_t aeads;
    int64_t max_age_s;
    int64_t max_lifetime_s; /* of an epoch's keys */
};

#endif
