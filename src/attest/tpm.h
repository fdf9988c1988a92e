/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TPM 2.0 quotes (TCG TPM 2.0 Library, part 2: TPMS_ATTEST, TPMT_SIGNATURE, TPMT_PUBLIC), unmarshalled by tss2-mu, and the event
 * logs behind their PCRs (TCG PC Client Platform Firmware Profile, section 10: crypto-agile log).
 * Fuzzed by fuzz/fuzz_tpm_quote.c and fuzz/fuzz_event_log.c.
 */
#ifndef CLO_ATTEST_TPM_H
#define CLO_ATTEST_TPM_H

#include "attest/policy.h"
#include "attest/roots.h"
#include "attest/sections.h"
#include "attest/verdict.h"
#include "crypto/x509.h"

struct clo_tpm_input {
    const uint8_t *quote; /* TPMS_ATTEST */
    size_t quote_n;
    const uint8_t *signature; /* TPMT_SIGNATURE, or an RSASSA-PKCS1 SHA-256 signature alone */
    size_t signature_n;
    const uint8_t *pcrs; /* in the order of the quote's selection */
    size_t pcrs_n;
    const uint8_t *event_log; /* NULL: none */
    size_t event_log_n;
    const struct clo_key *key; /* NULL: none is there */
    bool key_restricted;       /* known to sign nothing but what the TPM made */
    bool key_use_unknown;      /* nothing says whether it is: there is no public area */
    enum cloister_check_status
        key_trust; /* PASS: something authentic names it; MISSING: nothing does; FAIL: what is there is wrong */
    const char *key_trust_reason;
    const uint8_t *expected; /* the whole of the qualifying data; NULL: the caller has none */
    size_t expected_n;
    bool any_expected;
};
struct clo_tpm_result {
    bool authentic; /* format, signature, key restricted and trusted */
    bool bound;     /* and the qualifying data is the expected one */
    bool measured;  /* and selection, digest and PCRs are the policy's */
};
/* Run every tpm.* check. An empty nonce is never the expected one. policy NULL: checks that need one are missing. */
CLO_MUST_USE int clo_tpm_appraise(const struct clo_tpm_input *in,
                                  const struct cloister_policy *policy,
                                  struct clo_verdict_builder *vb, struct clo_tpm_result *ret);

/* ---- keys, for evidence that brings its own ---- */
/*
 * The attestation key in a TPMT_PUBLIC. *ret_restricted: made by a TPM that it never leaves, and signs nothing but what that TPM made
 * (fixedTPM, fixedParent, sensitiveDataOrigin, restricted and sign are set, decrypt and x509sign aren't).
 * CLOISTER_E_UNSUPPORTED for a key that isn't RSA or EC P-256 or P-384, or doesn't sign.
 */
CLO_MUST_USE int clo_tpm_key_from_public(const uint8_t *p, size_t n, struct clo_key **ret,
                                         bool *ret_restricted);
struct clo_tpm_trust {
    enum cloister_check_status status; /* for clo_tpm_input's key_trust, with the next one */
    const char *reason;
};
/*
 * What vouches for key: the policy (NULL: none) by its list of keys, if it has one, and nothing else then; or a chain of certificates, leaf
 * first, to one of roots->tpm, by RSA PKCS #1 signatures. Lowers vb's valid_until. There are no revocation
 * lists for these certificates.
 */
CLO_MUST_USE int clo_tpm_key_trust(const struct clo_key *key, const struct clo_buf *chain,
                                   size_t chain_n, const struct cloister_policy *policy,
                                   const struct cloister_roots *roots, int64_t now,
                                   struct clo_verdict_builder *vb, struct clo_tpm_trust *ret);

/* ---- event logs ---- */
enum clo_event_log_alg {
    CLO_EVENT_SHA256 = 0x0b,
    CLO_EVENT_SHA384 = 0x0c,
};
#define CLO_EVENT_REGISTERS 24
struct clo_event_replay {
    uint8_t value
        [CLO_EVENT_REGISTERS]
        [48]; /* hash length's bytes used; registers start as zeros (StartupLocality is honoured) */
    uint32_t extended; /* bit i: register i was extended */
    size_t events;     /* measured ones */
};
/*
 * Replay the log's digests of one algorithm. Events of type EV_NO_ACTION are skipped, all-0xff or all-zero padding ends the log.
 * CLOISTER_E_NOT_FOUND if the log has no digests of that algorithm; at most 4,096 events.
 */
CLO_MUST_USE int clo_event_log_replay(const uint8_t *p, size_t n, enum clo_event_log_alg alg,
                                      struct clo_event_replay *ret);

#endif
