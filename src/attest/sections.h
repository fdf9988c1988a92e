/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The six sections of evidence, both ways: made by the daemon, read by the verifier; and the binding between them
 * (docs/PROTOCOL.md section 1). A section is a byte string; its digest is SHA-256 over those bytes.
 */
#ifndef CLO_ATTEST_SECTIONS_H
#define CLO_ATTEST_SECTIONS_H

#include "base/rw.h"
#include "codec/json.h"
#include "codec/shape.h"
#include "crypto/crypto.h"

enum clo_section {
    CLO_SEC_KEYS,
    CLO_SEC_MANIFEST,
    CLO_SEC_DEVICES,
    CLO_SEC_CPU,
    CLO_SEC_BATCH,
    CLO_SEC_COLLATERAL,
    CLO_SEC_COUNT
};
#define CLO_SECTION_MAX 262144       /* bytes of one section */
#define CLO_TIME_MAX    253402300799 /* the last second of the year 9999 */
const char *clo_section_name(enum clo_section s);

/* ---- binding ---- */
/* SHA-512("cloister cpu v1" 00 || R || H(keys) || H(manifest) || H(devices)) */
CLO_MUST_USE int clo_bind_cpu(const uint8_t root[32], const uint8_t keys[32],
                              const uint8_t manifest[32], const uint8_t devices[32],
                              uint8_t report_data[64]);
/* SHA-256("cloister gpu v1" 00 || H(keys) || H(manifest)) */
CLO_MUST_USE int clo_bind_gpu(const uint8_t keys[32], const uint8_t manifest[32],
                              uint8_t nonce[32]);

/* ---- keys ---- */
#define CLO_GATEWAY_PATH_LEN 19 /* "/r/" and 16 hex digits */
struct clo_keys_section {
    uint8_t ohttp_keys[4096];
    size_t ohttp_keys_n;
    int64_t created, expires;
    char gateway[CLO_GATEWAY_PATH_LEN + 1];
    uint8_t receipt_key[32];
};
CLO_MUST_USE int clo_keys_section_write(const struct clo_keys_section *k, struct clo_buf *out);
CLO_MUST_USE int clo_keys_section_parse(const void *p, size_t n, struct clo_keys_section *ret);
CLO_MUST_USE bool clo_gateway_path_ok(const char *path);

/* ---- manifest ---- */
struct clo_manifest {
    char release[64];     /* Cloister's version */
    char engine_name[64]; /* "llama-server" */
    char engine_version[64];
    bool managed;            /* started by Cloister; the next three are set only then */
    uint8_t engine_args[32]; /* SHA-256 over the engine's arguments, each followed by a zero byte */
    uint8_t model_sha256[32];
    char upstream[128]; /* "unix" or "loopback": where the engine is reached */
    char model[128];
    bool x25519;            /* DHKEM(X25519) keys are offered as well */
    char prefix_cache[16];  /* "credential", "off" or "upstream" */
    enum clo_shaping shape; /* what is promised of the traffic's shape */
    /* limits */
    uint32_t context_tokens; /* 0: unknown */
    uint32_t slots;
    uint32_t request_bytes; /* largest request body */
};
/*
 * The shape's classes are an array: all of codec/shape.h's with exactly its numbers, or none. Others are CLOISTER_E_UNSUPPORTED:
 * a client can't hold a machine to a promise that it doesn't know.
 */
CLO_MUST_USE int clo_manifest_write(const struct clo_manifest *m, struct clo_buf *out);
CLO_MUST_USE int clo_manifest_parse(const void *p, size_t n, struct clo_manifest *ret);

/* ---- cpu, devices, collateral ---- */
enum clo_cpu_kind {
    CLO_CPU_UNKNOWN,
    CLO_CPU_SIMULATED, /* "simulated": report, chain */
    CLO_CPU_SNP,       /* "sev-snp": report, chain */
    CLO_CPU_SNP_AZURE, /* "sev-snp-azure": hcl, chain, tpm_quote, tpm_signature, pcrs, [event_log] */
    CLO_CPU_TDX,       /* "tdx": quote (its chain is inside), [event_log] */
    CLO_CPU_TDX_AZURE, /* "tdx-azure": hcl, quote, tpm_quote, tpm_signature, pcrs, [event_log] */
};
/* CLO_CPU_UNKNOWN for a name that isn't one of these. */
enum clo_cpu_kind clo_cpu_kind(const char *type);
#define CLO_SNP_REPORT_LEN 1184
#define CLO_CHAIN_MAX      4
#define CLO_QUOTE_MAX      16384
#define CLO_HCL_MAX        4096
#define CLO_TPM_QUOTE_MAX  1024 /* TPMS_ATTEST */
#define CLO_TPM_SIG_MAX    1024
#define CLO_PCRS_MAX       (24 * 64)
#define CLO_EVENT_LOG_MAX  131072
struct clo_cpu_section {
    char type[24];
    enum clo_cpu_kind kind;
    uint8_t report[CLO_SNP_REPORT_LEN];
    size_t report_n;
    /* each empty where the kind doesn't have it */
    struct clo_buf quote, hcl, tpm_quote, tpm_signature, pcrs, event_log;
    /* DER, leaf first; `simulated` has its root last, because nobody else has it */
    struct clo_buf chain[CLO_CHAIN_MAX];
    size_t chain_n;
};
/* `type` says which kind is written. CLOISTER_E_ARGUMENT unless exactly that kind's members are there. */
CLO_MUST_USE int clo_cpu_section_write(const struct clo_cpu_section *c, struct clo_buf *out);
/* CLOISTER_E_UNKNOWN for another type, and for a member of another kind. */
CLO_MUST_USE int clo_cpu_section_parse(const void *p, size_t n, struct clo_cpu_section *ret);
void clo_cpu_section_clear(struct clo_cpu_section *c);
/* {"v":1,"devices":[{"arch":"hopper","report":B64,"chain":[B64 DER, ...]}, ...]}: empty without GPUs */
#define CLO_DEVICES_MAX       32
#define CLO_DEVICE_REPORT_MAX 16384
#define CLO_DEVICE_CHAIN_MAX  6
struct clo_device {
    char arch
        [16]; /* "hopper", "blackwell", "ls10": as claimed; any short lower-case word is well-formed */
    struct clo_buf report;                      /* SPDM GET_MEASUREMENTS request and response */
    struct clo_buf chain[CLO_DEVICE_CHAIN_MAX]; /* DER, leaf first; the root may be left out */
    size_t chain_n;
};
struct clo_devices {
    size_t count;
    struct clo_device *device; /* heap */
};
CLO_MUST_USE int clo_devices_section_write(const struct clo_devices *d, struct clo_buf *out);
CLO_MUST_USE int clo_devices_section_write_empty(struct clo_buf *out);
CLO_MUST_USE int clo_devices_section_parse(const void *p, size_t n, struct clo_devices *ret);
void clo_devices_clear(struct clo_devices *d);
/*
 * {"v":1,"crls":[B64 DER, ...]} and, each absent where there is none: "ocsp":[B64 DER, ...] and
 * "intel":{"tcb_info":B64,"qe_identity":B64,"chain":[B64 DER, ...]}: the vendor's answers byte for byte, and the
 * certificate that signed them (its root left out).
 */
#define CLO_CRLS_MAX     8
#define CLO_OCSPS_MAX    64
#define CLO_OCSP_MAX     8192
#define CLO_TCB_INFO_MAX 65536
struct clo_collateral {
    struct clo_buf crl[CLO_CRLS_MAX];
    size_t crls;
    struct clo_buf ocsp[CLO_OCSPS_MAX];
    size_t ocsps;
    struct clo_buf tcb_info, qe_identity; /* whole answers: {"tcbInfo":{...},"signature":"..."} */
    struct clo_buf collateral_chain[CLO_CHAIN_MAX]; /* leaf first */
    size_t collateral_chain_n;
};
CLO_MUST_USE int clo_collateral_write(const struct clo_collateral *c, struct clo_buf *out);
CLO_MUST_USE int clo_collateral_parse(const void *p, size_t n, struct clo_collateral *ret);
void clo_collateral_clear(struct clo_collateral *c);

/* ---- batch: RFC 6962 tree over nonces ---- */
#define CLO_BATCH_MAX      4096
#define CLO_BATCH_PATH_MAX 12
struct clo_batch_section {
    uint8_t root[32];
    uint32_t index, size;
    uint8_t path[CLO_BATCH_PATH_MAX][32];
    size_t path_n;
};
/* The tree of a batch, for taking many clients' sections out of it: each costs a walk, no hash. */
struct clo_batch_tree;
CLO_MUST_USE int clo_batch_tree_new(const uint8_t (*nonce)[32], size_t count,
                                    struct clo_batch_tree **ret);
CLO_MUST_USE int clo_batch_tree_section(const struct clo_batch_tree *t, size_t index,
                                        struct clo_batch_section *ret);
void clo_batch_tree_free(struct clo_batch_tree *t);
/* Root and the audit path of leaf `index` over count (1..CLO_BATCH_MAX) nonces; leaf = SHA-256(00 || nonce). */
CLO_MUST_USE int clo_batch_make(const uint8_t (*nonce)[32], size_t count, size_t index,
                                struct clo_batch_section *ret);
/* The root alone. */
CLO_MUST_USE int clo_batch_root(const uint8_t (*nonce)[32], size_t count, uint8_t root[32]);
/* Does the nonce's path lead to the root? 0 or CLOISTER_E_AUTH; path length must be exact for (index, size). */
CLO_MUST_USE int clo_batch_check(const struct clo_batch_section *b, const uint8_t nonce[32]);
CLO_MUST_USE int clo_batch_section_write(const struct clo_batch_section *b, struct clo_buf *out);
CLO_MUST_USE int clo_batch_section_parse(const void *p, size_t n, struct clo_batch_section *ret);

/* ---- the evidence document ---- */
struct clo_section_ref {
    const void *p; /* bytes inside, or NULL: */
    size_t n;
    const uint8_t *digest; /* by digest (32 bytes) */
};
CLO_MUST_USE int clo_evidence_write(const struct clo_section_ref sec[CLO_SEC_COUNT],
                                    struct clo_buf *out);

#endif
