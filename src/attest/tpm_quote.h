/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a TPM writes (TCG TPM 2.0 Library, part 2), read: quotes, signatures and public areas. tss2-mu unmarshals them; but it
 * reports what it refuses on standard error, and a verifier of strangers' bytes must not. So each structure is walked through by the
 * bounded reader first, and only what is whole, within its caps and without trailing bytes is given to tss2-mu.
 *
 * Limits: quotes of CLO_TPM_QUOTE_MAX, signatures and public areas of CLO_TPM_SIG_MAX bytes; 16 banks, PCRs 0 to 23; RSA keys of 4,096
 * bits. Fuzzed by fuzz/fuzz_tpm_quote.c.
 */
#ifndef CLO_ATTEST_TPM_QUOTE_H
#define CLO_ATTEST_TPM_QUOTE_H

#include "attest/policy.h"
#include "crypto/x509.h"

/* TPM_ALG_ID (part 2, section 6.3) */
#define CLO_TPM_SHA1   0x0004
#define CLO_TPM_SHA256 0x000b
#define CLO_TPM_SHA384 0x000c
#define CLO_TPM_SHA512 0x000d
/* "sha256"; "unknown" */
const char *clo_tpm_alg_name(uint16_t alg);
/* Bytes of a digest of this algorithm, 0 for an unknown one. */
size_t clo_tpm_digest_len(uint16_t alg);
/* False for one that isn't of SHA-2. */
bool clo_tpm_hash(uint16_t alg, enum clo_hash_alg *ret);

#define CLO_TPM_EXTRA_MAX 66 /* TPM2B_DATA: a digest and its algorithm */
#define CLO_TPM_BANKS_MAX 16
struct clo_tpm_bank {
    uint16_t alg;
    uint32_t pcrs; /* bit i: PCR i is selected */
};
struct clo_tpm_quote {
    uint8_t extra[CLO_TPM_EXTRA_MAX]; /* the qualifying data */
    size_t extra_n;
    struct clo_tpm_bank bank[CLO_TPM_BANKS_MAX];
    size_t banks;
    uint8_t digest[64]; /* of the selected PCRs' values, by the signature's hash */
    size_t digest_n;
};
/* TPMS_ATTEST. CLOISTER_E_UNKNOWN if a TPM didn't make it (the magic number) or it isn't a quote. */
CLO_MUST_USE int clo_tpm_quote_parse(const uint8_t *p, size_t n, struct clo_tpm_quote *ret);

struct clo_tpm_signature {
    enum clo_key_scheme
        scheme; /* 0: one that this version can't verify, and the rest but hash is empty */
    uint16_t hash;
    uint8_t sig[512]; /* as clo_key_verify wants it */
    size_t sig_n;
};
/* TPMT_SIGNATURE; 256, 384 or 512 bytes are those of an RSASSA-PKCS1 SHA-256 signature alone. */
CLO_MUST_USE int clo_tpm_signature_parse(const uint8_t *p, size_t n, struct clo_tpm_signature *ret);

#endif
