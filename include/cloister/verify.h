/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification: evidence, policy, trust anchors and time to a verdict (the verifier's and relying party's roles of
 * RFC 9334). Pure: no clock, no files, no network, no environment; nothing is remembered between calls.
 */
#ifndef CLOISTER_VERIFY_H
#define CLOISTER_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloister/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- evidence ---- */

/*
 * What GET /.well-known/cloister/evidence answers (docs/PROTOCOL.md section 1). Sections are byte strings: they are hashed as they
 * came and never re-serialised. At most CLOISTER_EVIDENCE_MAX bytes; strict JSON.
 */
#define CLOISTER_EVIDENCE_MAX (1u << 20)
struct cloister_evidence;
CLOISTER_API CLOISTER_MUST_USE int cloister_evidence_parse(const void *json, size_t n,
                                                           struct cloister_evidence **ret);
CLOISTER_API void cloister_evidence_free(struct cloister_evidence *e);
/*
 * The digest of the i-th section that came by digest only and has not been added yet, in lower-case hex; false when
 * i is beyond the last. Fetch it from <gateway path>/blob/HEX and give it to _add.
 */
CLOISTER_API bool cloister_evidence_missing(const struct cloister_evidence *e, size_t i,
                                            char hex[65]);
/* The gateway path out of the (not yet verified) keys section, for fetching blobs only; "" if unreadable. */
CLOISTER_API const char *cloister_evidence_gateway(const struct cloister_evidence *e);
/* CLOISTER_E_NOT_FOUND if no missing section has this content's SHA-256. */
CLOISTER_API CLOISTER_MUST_USE int cloister_evidence_add(struct cloister_evidence *e, const void *p,
                                                         size_t n);
/*
 * The bytes of a section that is there ("keys", "manifest", "devices", "cpu", "batch", "collateral"), borrowed: unverified, for showing
 * and comparing. False for one that isn't, or has not been added yet.
 */
CLOISTER_API bool cloister_evidence_section(const struct cloister_evidence *e, const char *name,
                                            const uint8_t **ret, size_t *ret_n);
/* A self-contained bundle with every section inside; *ret from malloc, zero-terminated. CLOISTER_E_STATE while something is missing. */
CLOISTER_API CLOISTER_MUST_USE int cloister_evidence_save(const struct cloister_evidence *e,
                                                          char **ret, size_t *ret_n);

/* 32 fresh random bytes that the client chose, and when it sent them (Unix seconds, the client's clock). */
struct cloister_nonce {
    uint8_t bytes[32];
    int64_t sent_at;
};

/* ---- policy ---- */

/* What the user admits (docs/POLICY.md): strict JSON of at most 1 MiB, named by the SHA-256 of its bytes. */
struct cloister_policy;
CLOISTER_API CLOISTER_MUST_USE int cloister_policy_parse(const void *json, size_t n,
                                                         struct cloister_policy **ret);
CLOISTER_API void cloister_policy_free(struct cloister_policy *p);
CLOISTER_API void cloister_policy_digest(const struct cloister_policy *p, uint8_t ret[32]);
/* The i-th replica (a URL) that the policy lists, borrowed; NULL beyond the last. */
CLOISTER_API const char *cloister_policy_replica(const struct cloister_policy *p, size_t i);
/* Would _parse take it? If not, `why` (at least 200 bytes) gets a sentence that says where and why; else "". */
CLOISTER_API CLOISTER_MUST_USE int cloister_policy_check(const void *json, size_t n, char *why,
                                                         size_t cap);

/* ---- trust anchors ---- */

/*
 * Vendors' root certificates. The built-in ones are AMD's ARK-Milan, ARK-Genoa and ARK-Turin, the Intel SGX Root CA and
 * NVIDIA's Device Identity CA; static.
 */
struct cloister_roots;
CLOISTER_API const struct cloister_roots *cloister_roots_builtin(void);
/* An explicit set, for tests and laboratories: starts empty. */
CLOISTER_API CLOISTER_MUST_USE int cloister_roots_new(struct cloister_roots **ret);
/* product: "Milan", "Genoa" or "Turin"; der: one self-signed certificate. */
CLOISTER_API CLOISTER_MUST_USE int cloister_roots_add_amd(struct cloister_roots *r,
                                                          const char *product, const void *der,
                                                          size_t n);
/* One self-signed certificate, DER: of Intel's PCK certificates and TCB signatures; of NVIDIA's device chains. */
CLOISTER_API CLOISTER_MUST_USE int cloister_roots_add_intel(struct cloister_roots *r,
                                                            const void *der, size_t n);
CLOISTER_API CLOISTER_MUST_USE int cloister_roots_add_nvidia(struct cloister_roots *r,
                                                             const void *der, size_t n);
/* A root of TPM attestation keys' certificates, at most 8: there is no built-in one. */
CLOISTER_API CLOISTER_MUST_USE int cloister_roots_add_tpm(struct cloister_roots *r, const void *der,
                                                          size_t n);
CLOISTER_API void cloister_roots_free(struct cloister_roots *r);

/* ---- verdict ---- */

enum cloister_outcome {
    CLOISTER_NOT_VERIFIED = 0, /* the zero value: no verification has happened */
    CLOISTER_VERIFIED = 1,
    CLOISTER_REFUSED = 2, /* a check failed */
    CLOISTER_INDETERMINATE =
        3, /* something that a check needs is missing or can't be judged by this version */
    CLOISTER_MALFORMED = 4,
};

enum cloister_freshness {
    CLOISTER_FRESHNESS_NOT_CHECKED = 0, /* no nonce was given: never enough for a channel */
    CLOISTER_FRESH = 1,
    CLOISTER_NOT_FRESH = 2,
};

enum cloister_check_status {
    CLOISTER_CHECK_NONE = 0,
    CLOISTER_CHECK_PASS = 1,
    CLOISTER_CHECK_FAIL = 2,
    /* the policy doesn't ask, or the caller gave no nonce; never because the evidence lacks something */
    CLOISTER_CHECK_NOT_APPLICABLE = 3,
    CLOISTER_CHECK_MISSING = 4, /* can't be judged */
};

/* Numbers are never reused. Names ("snp.vmpl") by cloister_check_name. */
#include <cloister/checks.h>

#define CLOISTER_CHECKS_MAX 128
#define CLOISTER_CHECK_TEXT 200
struct cloister_check {
    enum cloister_check_id id;
    enum cloister_check_status status;
    char expected[CLOISTER_CHECK_TEXT]; /* printable ASCII, cut where too long */
    char actual[CLOISTER_CHECK_TEXT];
    char reason[CLOISTER_CHECK_TEXT]; /* one line for people */
};

#define CLOISTER_OHTTP_KEYS_MAX 4096
/* What sizes and times of encrypted traffic give away (docs/PROTOCOL.md section 4): each hides more than the one before. */
enum cloister_shaping {
    CLOISTER_SHAPING_OFF = 0,  /* how long the answer is, when which part of it was written */
    CLOISTER_SHAPING_SIZE = 1, /* when which part of it was written */
    CLOISTER_SHAPING_FULL = 2, /* the length's class */
};

struct cloister_verdict {
    enum cloister_outcome outcome;
    enum cloister_freshness freshness;
    char type[24];       /* "sev-snp", "simulated", ... */
    bool simulated;      /* true: protects nothing */
    int64_t checked_at;  /* the `now` of the call */
    int64_t valid_until; /* 0 unless verified */
    uint8_t evidence_digest
        [32]; /* SHA-256 over H(keys) || H(manifest) || H(devices) || H(cpu) || H(batch) || H(collateral); raw: over all items */
    uint8_t keys_digest[32];
    uint8_t manifest_digest[32];
    uint8_t policy_digest[32];
    size_t checks;
    struct cloister_check check[CLOISTER_CHECKS_MAX]; /* in the order of CLOISTER_CHECK_LIST */

    /* What the channel needs: set only together with outcome CLOISTER_VERIFIED. */
    uint8_t ohttp_keys[CLOISTER_OHTTP_KEYS_MAX];
    size_t ohttp_keys_n;
    char gateway[32];
    uint8_t receipt_key[32];
    uint16_t aead[8]; /* admitted by the policy, in order of preference */
    size_t aeads;
    bool allow_x25519; /* manifest and policy both allow DHKEM(X25519) */
    char model[128];   /* the manifest's model name */
    /* what was started: SEV-SNP the report's MEASUREMENT; TDX SHA-384 over MRTD and RTMR0 to 3; on Azure SHA-384 over
       the former and the vTPM's PCR values as quoted */
    uint8_t measurement[48];
    uint32_t request_max; /* bytes of the largest request body that is taken; 0: not told */
    uint32_t shape; /* what the manifest promises of the traffic's shape: enum cloister_shaping */
    uint64_t reserved[62]; /* zero */
};

/*
 * Appraise. nonce NULL: freshness is not checked (a saved file). Times lie between 1970 and 9999. *ret is filled in every
 * case but CLOISTER_E_MEMORY, E_CRYPTO and E_ARGUMENT, which leave it all-zero. Returns 0 only for outcome
 * CLOISTER_VERIFIED; else CLOISTER_E_REFUSED, CLOISTER_E_INDETERMINATE or CLOISTER_E_MALFORMED.
 */
CLOISTER_API CLOISTER_MUST_USE int cloister_evidence_verify(const struct cloister_evidence *e,
                                                            const struct cloister_nonce *nonce,
                                                            const struct cloister_policy *policy,
                                                            const struct cloister_roots *roots,
                                                            int64_t now,
                                                            struct cloister_verdict *ret);

/* ---- raw evidence: reports and quotes that came from anywhere, without Cloister's sections ---- */

enum cloister_raw_type {
    CLOISTER_RAW_SEV_SNP = 1,
    CLOISTER_RAW_TDX = 2,
    CLOISTER_RAW_SGX = 3,
    CLOISTER_RAW_AZURE = 4, /* SEV-SNP or TDX: the envelope says which */
    CLOISTER_RAW_NVIDIA = 5,
    CLOISTER_RAW_TPM = 6,
};
enum cloister_raw_item {
    CLOISTER_ITEM_REPORT =
        1, /* SEV-SNP report, TDX or SGX quote, Azure's HCL envelope, SPDM request and response */
    CLOISTER_ITEM_CERTIFICATES =
        2, /* one DER, or PEM with any number; leaf first. NVIDIA: the last report's chain. SEV-SNP: AMD's files as they
              are, copies, roots and authorities that didn't issue the leaf are left out. TPM: zero or 0xff bytes behind a
              DER are left out */
    CLOISTER_ITEM_CRL = 3,      /* DER or PEM */
    CLOISTER_ITEM_TCB_INFO = 4, /* Intel's answer as it came: {"tcbInfo":{...},"signature":"..."} */
    CLOISTER_ITEM_QE_IDENTITY = 5, /* the same: {"enclaveIdentity":{...},"signature":"..."} */
    CLOISTER_ITEM_COLLATERAL_CHAIN =
        6,                       /* TCB signing certificate and perhaps its root, DER or PEM */
    CLOISTER_ITEM_OCSP = 7,      /* one DER OCSPResponse */
    CLOISTER_ITEM_TD_QUOTE = 8,  /* Azure with TDX: the signed quote */
    CLOISTER_ITEM_TPM_QUOTE = 9, /* TPMS_ATTEST */
    CLOISTER_ITEM_TPM_SIGNATURE =
        10, /* TPMT_SIGNATURE, or the bytes of an RSASSA-PKCS1 SHA-256 signature alone */
    CLOISTER_ITEM_TPM_KEY =
        11, /* TPM: the attestation key as TPMT_PUBLIC; its certificates are CERTIFICATES */
    CLOISTER_ITEM_PCRS = 12,      /* the quoted PCRs' values, concatenated in the quote's order */
    CLOISTER_ITEM_EVENT_LOG = 13, /* TCG crypto-agile log, or CCEL for TDX */
};
/* A set of items: at most 32 reports, 1 MiB each and 4 MiB together. Copies what it is given. */
struct cloister_raw;
CLOISTER_API CLOISTER_MUST_USE int cloister_raw_new(enum cloister_raw_type type,
                                                    struct cloister_raw **ret);
CLOISTER_API void cloister_raw_free(struct cloister_raw *r);
/* CLOISTER_E_ARGUMENT for an item that this type has no use for, CLOISTER_E_DUPLICATE for a second one of a kind that
   comes once, CLOISTER_E_STATE for NVIDIA's certificates before any report. After a failure the set is as it was. */
CLOISTER_API CLOISTER_MUST_USE int cloister_raw_add(struct cloister_raw *r,
                                                    enum cloister_raw_item item, const void *p,
                                                    size_t n);
/*
 * What the evidence has to cover: 64 bytes of report data (SEV-SNP, TDX, SGX), 32 bytes of nonce (NVIDIA), or up to 64
 * bytes of qualifying data (TPM, Azure). Without it freshness can't be judged, and the outcome is at best indeterminate.
 */
CLOISTER_API CLOISTER_MUST_USE int cloister_raw_expect(struct cloister_raw *r, const void *p,
                                                       size_t n);
/* The caller knows that nothing ties this evidence to anything, and wants the rest judged. */
CLOISTER_API void cloister_raw_expect_any(struct cloister_raw *r);
/*
 * Appraise under a policy whose "tee" names the type (NVIDIA: that has reference values under "devices"; TPM: that has
 * "tpm"). policy NULL: what needs one is missing, so that authenticity is shown and the outcome is at best indeterminate.
 * Results and *ret as cloister_evidence_verify; a verdict of raw evidence never opens a channel.
 */
CLOISTER_API CLOISTER_MUST_USE int cloister_raw_appraise(const struct cloister_raw *r,
                                                         const struct cloister_policy *policy,
                                                         const struct cloister_roots *roots,
                                                         int64_t now, struct cloister_verdict *ret);

CLOISTER_API const char *cloister_check_name(enum cloister_check_id id);
/* What the check is for, one short phrase for people. */
CLOISTER_API const char *cloister_check_title(enum cloister_check_id id);
/* The verdict as one JSON document ("v": 1), *ret from malloc, zero-terminated. */
CLOISTER_API CLOISTER_MUST_USE int cloister_verdict_json(const struct cloister_verdict *v,
                                                         char **ret);
/* Exit code of a program for this outcome: 0, 10, 20, 30 or 1. */
CLOISTER_API int cloister_verdict_exit(const struct cloister_verdict *v);

#ifdef __cplusplus
}
#endif
#endif
