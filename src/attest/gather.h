/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the hardware's bytes to evidence: what a report, quote or device chain needs beside itself (certificates, revocation
 * lists and answers, collateral), what a vendor's service answers to each of these wants, and the evidence that comes of both.
 * The simulator, the laboratory and real hardware all go through here.
 *
 * An answer is an untrusted file. It is parsed and its dates are looked at when it comes; whether it is signed by whom it
 * should be, clo_self_appraise says about the whole. Pure; fuzzed by fuzz/fuzz_gather.c.
 */
#ifndef CLO_ATTEST_GATHER_H
#define CLO_ATTEST_GATHER_H

#include <cloister/verify.h>

#include "attest/sections.h"

/* Numbers travel between processes and are never reused. */
enum clo_want_kind {
    CLO_WANT_AMD_VCEK = 1,  /* product, hwid, tcb: one certificate, DER */
    CLO_WANT_AMD_CHAIN = 2, /* product, vlek: ASK (or ASVK) and ARK, PEM */
    CLO_WANT_AMD_CRL = 3,   /* product, vlek: DER */
    CLO_WANT_INTEL_TCB_INFO =
        4, /* tdx, fmspc: JSON as it came; its issuers (PEM) in the answer's chain */
    CLO_WANT_INTEL_QE_IDENTITY = 5, /* tdx: the same */
    CLO_WANT_INTEL_PCK_CRL = 6,     /* processor: DER */
    CLO_WANT_INTEL_ROOT_CRL = 7,    /* DER */
    CLO_WANT_NVIDIA_OCSP = 8,       /* request: DER OCSPResponse */
    CLO_WANT_AZURE_TD_QUOTE =
        9, /* request: a TDREPORT of 1024 bytes; the signed quote over the same content */
    CLO_WANT_KINDS
};
enum clo_amd_product {
    CLO_AMD_MILAN,
    CLO_AMD_GENOA,
    CLO_AMD_TURIN,
    CLO_AMD_PRODUCTS
};
#define CLO_WANT_REQUEST_MAX 1024
struct clo_want {
    enum clo_want_kind kind;
    enum clo_amd_product product;
    bool vlek;      /* of VLEKs, not VCEKs */
    bool tdx;       /* not SGX */
    bool processor; /* not platform */
    uint8_t hwid[64];
    size_t hwid_n;  /* 64; 8 with Turin */
    uint8_t tcb[8]; /* the report's REPORTED_TCB, byte by byte */
    uint8_t fmspc[6];
    uint8_t request[CLO_WANT_REQUEST_MAX]; /* OCSP: an OCSPRequest without a nonce */
    size_t request_n;
};
/* Of the same thing: all members. */
bool clo_want_same(const struct clo_want *a, const struct clo_want *b);
/* For the message that asks for it; the reader refuses what no want of that kind has. */
CLO_MUST_USE int clo_want_write(const struct clo_want *w, struct clo_wr *wr);
CLO_MUST_USE int clo_want_read(const void *p, size_t n, struct clo_want *ret);
/*
 * The name of its file in the cache ("amd-vcek-genoa-HWID-TCB.der", "intel-tcb-tdx-FMSPC.json", "nvidia-ocsp-SHA256.der"), at most 223 letters,
 * digits, dots and hyphens; "" where libcrypto fails. An answer's chain lies beside it, ".chain.pem" behind the whole name.
 */
#define CLO_WANT_NAME_MAX 224
void clo_want_name(const struct clo_want *w, char ret[CLO_WANT_NAME_MAX]);

#define CLO_ANSWER_MAX       CLO_TCB_INFO_MAX
#define CLO_ANSWER_CHAIN_MAX 16384
struct clo_answer {
    const uint8_t *body;
    size_t body_n;
    const uint8_t *chain; /* PEM; NULL: none */
    size_t chain_n;
};

/* Accepted answers, each for one want. */
struct clo_gathered;
CLO_MUST_USE int clo_gathered_new(struct clo_gathered **ret);
void clo_gathered_free(struct clo_gathered *g);
/*
 * What can be wanted may only follow from what has been gathered: put this into the section before clo_wants_of is asked. With "tdx-azure" it
 * is the signed quote over the envelope's TDREPORT, which names the platform; with an SEV-SNP report of version 2, which doesn't say
 * of which product it is, the certificate of its chip, which does. Nothing changes where the section has it, or nothing was gathered yet. So: after each
 * report, and again after each answer that was wanted for it, _prepare, clo_wants_of, and _complete once nothing is missing.
 */
CLO_MUST_USE int clo_gathered_prepare(struct clo_gathered *g, int64_t now,
                                      struct clo_cpu_section *cpu);
/* Whose answer the last clo_gathered_prepare put into its section; NULL: it put nothing there. */
const struct clo_want *clo_gathered_prepared(const struct clo_gathered *g);
/*
 * What this evidence needs, in an order in which it can be had; cpu or devices NULL: none. What the cpu section has in its chain already isn't wanted,
 * unless it is another chip's, or of another firmware level than the report: certificates that a host gives its guests are often of an older one. Nor is
 * what is built in. Of a version 2 report's unknown product it is one certificate each of Milan and Genoa, of which the service has one.
 * CLOISTER_E_MALFORMED: a report that can't be read, a quote without a chain, a chain that names no issuer; CLOISTER_E_NOT_FOUND: signed by a provider's
 * key (VLEK), whose certificate only the host has, and it gave none of this firmware level; CLOISTER_E_UNSUPPORTED: a product that isn't known, or
 * a report that hides its chip and so has no certificate that could be asked for; CLOISTER_E_LIMIT: more than CLO_WANTS_MAX.
 */
#define CLO_WANTS_MAX 128
struct clo_wants {
    size_t count;
    struct clo_want *want; /* heap */
};
CLO_MUST_USE int clo_wants_of(const struct clo_cpu_section *cpu, const struct clo_devices *devices,
                              struct clo_wants *ret);
void clo_wants_clear(struct clo_wants *w);
/*
 * Take an answer. CLOISTER_E_MALFORMED: rubbish; CLOISTER_E_EXPIRED: outside its dates; CLOISTER_E_STATE: older than the one that is there, which stays.
 * *ret_until: how long it can be used (INT64_MAX: for ever); *ret_renew: when a newer one should be asked for (half of what was
 * left when it was made). OCSP: an answer that isn't "successful", or not about this certificate, is rubbish; "revoked" is an answer. CLOISTER_E_FULL: CLO_WANTS_MAX answers are there.
 */
CLO_MUST_USE int clo_gathered_put(struct clo_gathered *g, const struct clo_want *w,
                                  const struct clo_answer *a, int64_t now, int64_t *ret_until,
                                  int64_t *ret_renew);
/* Is there an answer that can still be used, or something built in that takes its place? */
bool clo_gathered_has(const struct clo_gathered *g, const struct clo_want *w, int64_t now);
/*
 * Forget what is no longer usable, and what neither one of these wants asks for nor _prepare has used since the last time. keep NULL: forget everything, because
 * what came of it isn't authentic: a forged list that says it is newer would keep out the true one.
 */
void clo_gathered_sweep(struct clo_gathered *g, const struct clo_wants *keep, int64_t now);
/*
 * Complete the evidence: make cpu->chain what the section's kind has (leaf and its issuer; "simulated" the root besides), and the collateral; wants are what
 * clo_wants_of says of cpu and the devices; cpu NULL: of devices alone. ret is the caller's to clear. CLOISTER_E_NOT_FOUND: the want *ret_missing (an index;
 * may be NULL) has no usable answer; nothing was changed then, nor after another error. What stands in them isn't judged: that is clo_self_appraise's.
 */
CLO_MUST_USE int clo_gathered_complete(const struct clo_gathered *g, const struct clo_wants *wants,
                                       int64_t now, struct clo_cpu_section *cpu,
                                       struct clo_collateral *ret, size_t *ret_missing);

/*
 * Is this what a careful client will take for authentic? Every check that needs no policy has to pass: formats, chains, dates, revocation,
 * signatures, the covered data, no debugging, no device twice. What only a policy can say (which image, which firmware level, which reference values) isn't asked.
 * cpu or devices may be NULL. CLOISTER_E_REFUSED: *ret_check is the first that doesn't hold (CLOISTER_CHECK_NO_ID if it is none of these); *ret_until: as a verdict's valid_until.
 */
struct clo_self {
    const struct clo_cpu_section *cpu; /* by its type, as everywhere here */
    const uint8_t *report_data;        /* 64 bytes */
    const struct clo_devices *devices;
    const uint8_t *nonce; /* 32 bytes */
    const struct clo_collateral *collateral;
    const struct cloister_roots *roots; /* with the simulator: its own, as Genoa's */
};
CLO_MUST_USE int clo_self_appraise(const struct clo_self *self, int64_t now,
                                   enum cloister_check_id *ret_check, int64_t *ret_until);

#endif
