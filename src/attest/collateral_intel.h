/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Intel says about platforms: TCB info (version 3) and QE identity (version 2), as Intel's PCS answers with API version 4
 * (https://api.portal.trustedservices.intel.com, "Get TCB Info", "Get Quoting Enclave Identity"). The signature covers the inner object
 * byte for byte: what is read here is read out of exactly these bytes, in one pass.
 *
 * Everything is borrowed from the text. Limits: CLO_TCB_INFO_MAX bytes and those below. Fuzzed by fuzz/fuzz_tcb_info.c and fuzz/fuzz_qe_identity.c.
 */
#ifndef CLO_ATTEST_COLLATERAL_INTEL_H
#define CLO_ATTEST_COLLATERAL_INTEL_H

#include "attest/policy.h"
#include "codec/json_scan.h"

#define CLO_TCB_LEVELS_MAX    64
#define CLO_TDX_MODULES_MAX   16
#define CLO_MODULE_LEVELS_MAX 16
#define CLO_ADVISORIES_MAX    128
#define CLO_ADVISORY_MAX      64 /* characters */

/* What both documents have. */
struct clo_intel_signed {
    const uint8_t *p; /* the inner object, verbatim */
    size_t n;
    uint8_t signature[64]; /* r || s */
    int64_t issued, next;  /* issueDate, nextUpdate */
    uint32_t number;       /* tcbEvaluationDataNumber */
};

/* A level's status, one bit of enum clo_tcb_status; 0: a word that isn't known, which no policy admits. */
struct clo_tcb_level {
    uint8_t sgx[16], tdx[16]; /* component SVNs */
    bool has_tdx;             /* every level of a TDX document has them */
    uint16_t pcesvn;
    unsigned status;
    struct clo_scan_text advisories; /* JSON array of strings, or empty */
};
/* A level of a TDX module or of an enclave. */
struct clo_svn_level {
    uint16_t svn;
    unsigned status;
    struct clo_scan_text advisories;
};
struct clo_tdx_module {
    uint8_t version; /* of "TDX_01": 1 */
    uint8_t mrsigner[48], attributes[8], mask[8];
    struct clo_svn_level level[CLO_MODULE_LEVELS_MAX];
    size_t levels;
};
struct clo_tcb_info {
    struct clo_intel_signed from;
    bool tdx; /* "id": "TDX"; else "SGX" */
    uint8_t fmspc[6], pceid[2];
    struct clo_tdx_module module; /* tdxModule: of modules whose version is 0; has no levels */
    struct clo_tdx_module identity[CLO_TDX_MODULES_MAX];
    size_t identities;
    struct clo_tcb_level level[CLO_TCB_LEVELS_MAX]; /* best first, as Intel sorts them */
    size_t levels;
};
/* CLOISTER_E_UNSUPPORTED for another version, id or TCB type; else the fault of the text. */
CLO_MUST_USE int clo_tcb_info_parse(const void *p, size_t n, struct clo_tcb_info *ret);

struct clo_qe_identity {
    struct clo_intel_signed from;
    bool tdx; /* "id": "TD_QE"; else "QE" */
    uint8_t miscselect[4], miscselect_mask[4];
    uint8_t attributes[16], attributes_mask[16];
    uint8_t mrsigner[32];
    uint16_t product_id;
    struct clo_svn_level level[CLO_MODULE_LEVELS_MAX];
    size_t levels;
};
CLO_MUST_USE int clo_qe_identity_parse(const void *p, size_t n, struct clo_qe_identity *ret);

/* The next advisory of a level's array: *s starts as clo_scan_init(advisories.p, advisories.n) and *count as SIZE_MAX. */
bool clo_advisory_next(struct clo_scan *s, size_t *count, struct clo_scan_text *ret);

#endif
