/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an Intel DCAP quote says (Intel SGX ECDSA QuoteLibReference, Intel TDX DCAP Quoting Library API: version 3 for SGX,
 * versions 4 and 5 for SGX and TDX), and what the certificate of the platform's key (PCK) says of it, before anything is
 * believed or judged. Everything is borrowed from the bytes as received.
 *
 * Limits: CLO_QUOTE_BYTES_MAX bytes; PCK extension: 32 members of a sequence. Fuzzed by fuzz/fuzz_quote.c.
 */
#ifndef CLO_ATTEST_QUOTE_PARSE_H
#define CLO_ATTEST_QUOTE_PARSE_H

#include "crypto/x509.h"

#define CLO_QUOTE_BYTES_MAX  (1u << 20)
#define CLO_QUOTE_HEADER_LEN 48
#define CLO_SGX_REPORT_LEN   384

enum { /* attestation key type */
    CLO_QUOTE_KEY_P256 = 2,
};
enum { /* TEE type */
    CLO_QUOTE_TEE_SGX = 0,
    CLO_QUOTE_TEE_TDX = 0x81,
};
enum clo_quote_body {
    CLO_QUOTE_BODY_SGX = 1, /* as version 5 numbers them */
    CLO_QUOTE_BODY_TD10 = 2,
    CLO_QUOTE_BODY_TD15 = 3,
};

struct clo_quote_header {
    uint16_t version, key_type;
    uint32_t tee_type; /* reserved in version 3, and zero */
    uint8_t qe_vendor[16];
    enum clo_quote_body body; /* 0: not known */
};
/* At least CLO_QUOTE_HEADER_LEN bytes (54 in version 5), else CLOISTER_E_MALFORMED or _TRUNCATED. */
CLO_MUST_USE int clo_quote_header_parse(const void *p, size_t n, struct clo_quote_header *ret);

/* Report of an SGX enclave (sgx_report_body_t). */
struct clo_sgx_report {
    uint8_t cpusvn[16];
    uint8_t miscselect[4],
        attributes[16]; /* as they stand: flags are the first 8 bytes, little-endian */
    uint8_t mrenclave[32], mrsigner[32];
    uint8_t config_id[64]; /* the host's, where the attribute KSS is set; zero elsewhere */
    uint16_t product_id, svn, config_svn;
    uint8_t report_data[64];
};
/* Report of a TD (TDX module's TD_INFO with the module's own part); the last two are zero before TD 1.5. */
struct clo_td_report {
    uint8_t tee_tcb_svn[16];
    uint8_t mrseam[48], mrsignerseam[48], seam_attributes[8];
    uint64_t attributes, xfam;
    uint8_t mrtd[48], mrconfigid[48], mrowner[48], mrownerconfig[48], rtmr[4][48];
    uint8_t report_data[64];
    uint8_t tee_tcb_svn2[16], mrservicetd[48];
};
enum { /* SGX attributes */
    CLO_SGX_INIT = 1 << 0,
    CLO_SGX_DEBUG = 1 << 1,
    CLO_SGX_MODE64 = 1 << 2,
};
#define CLO_TD_UNDER_DEBUG \
    UINT64_C(0xff) /* bit 0 DEBUG; the others are reserved for the same purpose */
#define CLO_TD_SEPT_VE_DISABLE (UINT64_C(1) << 28)
struct clo_quote {
    struct clo_quote_header header;
    const uint8_t *signed_bytes; /* header and body */
    size_t signed_n;
    struct clo_sgx_report sgx; /* one of these, as header.body says */
    struct clo_td_report td;
    const uint8_t *signature;    /* 64: r || s, by: */
    const uint8_t *key;          /* 64: x || y of the attestation key */
    const uint8_t *qe_report;    /* CLO_SGX_REPORT_LEN, as signed by the PCK */
    const uint8_t *qe_signature; /* 64 */
    struct clo_sgx_report qe;
    const uint8_t *auth; /* the quoting enclave's authentication data */
    size_t auth_n;
    uint16_t certification_type;
    const uint8_t *certification;
    size_t certification_n;
    const uint8_t *trailing; /* what stands behind the declared length */
    size_t trailing_n;
};
/*
 * By the declared lengths, each of which has to be used up exactly. CLOISTER_E_UNSUPPORTED for a header whose version,
 * body or key type isn't known.
 */
CLO_MUST_USE int clo_quote_parse(const void *p, size_t n, struct clo_quote *ret);

/*
 * The certificates in certification data of type 5, leaf first, as DER: they come as PEM, leaf first, or as DER, root first. *count is how many, at
 * most max; dst[] is empty before, and the caller's to clear whatever is returned. CLOISTER_E_LIMIT for more.
 */
#define CLO_QUOTE_CHAIN_TYPE 5
CLO_MUST_USE int clo_quote_chain(const struct clo_quote *q, struct clo_buf *dst, size_t max,
                                 size_t *count);

/* The SGX extension of a PCK certificate (Intel SGX PCK Certificate and CRL Profile, section 1.3.5). */
struct clo_pck {
    uint8_t component[16]; /* SGX TCB component SVNs */
    uint16_t pcesvn;
    uint8_t cpusvn[16];
    uint8_t pceid[2], fmspc[6];
};
/* CLOISTER_E_NOT_FOUND if it, or a part that is named here, isn't there; CLOISTER_E_DUPLICATE; CLOISTER_E_MALFORMED. */
CLO_MUST_USE int clo_pck_read(const struct clo_cert *c, struct clo_pck *ret);
/* The same from the extension's value. */
CLO_MUST_USE int clo_pck_parse(const void *p, size_t n, struct clo_pck *ret);

#endif
