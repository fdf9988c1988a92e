/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of gathering share: the store, and what each vendor's file does for it. */
#ifndef CLO_ATTEST_GATHER_IN_H
#define CLO_ATTEST_GATHER_IN_H

#include "attest/gather.h"
#include "attest/roots.h"
#include "attest/snp_report.h"
#include "attest/verdict.h"

/* An accepted answer. */
struct clo_entry {
    struct clo_want want;
    struct clo_buf body;
    struct clo_buf chain[CLO_CHAIN_MAX]; /* AMD's: ASK, ARK; Intel's: the signer, root left out */
    size_t chain_n;
    int64_t made, until; /* usable from, and until before */
    bool used;           /* by _prepare, since the last sweep */
    bool known_issuer;   /* a VCEK whose issuer is built in */
};
struct clo_gathered {
    size_t count;
    struct clo_entry *entry[CLO_WANTS_MAX]; /* heap */
    struct clo_want prepared;               /* by the last _prepare; its kind is 0 for nothing */
};
/* NULL: none that can be used now. */
struct clo_entry *clo_gathered_find(const struct clo_gathered *g, const struct clo_want *w,
                                    int64_t now);
/* Once each; CLOISTER_E_LIMIT. */
CLO_MUST_USE int clo_wants_add(struct clo_wants *l, const struct clo_want *w);
CLO_MUST_USE int clo_buf_copy(struct clo_buf *dst, const void *p, size_t n, size_t max);
/* Keep what a certificate limits. */
void clo_entry_limit(struct clo_entry *e, const struct clo_cert *c);
/* Keep a revocation list; whose it says that it is. */
CLO_MUST_USE int clo_entry_crl(struct clo_entry *e, const struct clo_answer *a, char *issuer,
                               size_t cap);

/*
 * Read an answer into *e, whose want is set and whose made and until are unlimited: is it what was wanted? Any error that isn't
 * ours is a fault of the answer; *e is the caller's to clear.
 */
CLO_MUST_USE int clo_amd_take(const struct clo_answer *a, struct clo_entry *e);
CLO_MUST_USE int clo_intel_take(const struct clo_answer *a, struct clo_entry *e);
CLO_MUST_USE int clo_nvidia_take(const struct clo_answer *a, struct clo_entry *e);

CLO_MUST_USE int clo_amd_wants(const struct clo_cpu_section *cpu, struct clo_wants *l);
CLO_MUST_USE int clo_intel_wants(const struct clo_cpu_section *cpu, struct clo_wants *l);
CLO_MUST_USE int clo_nvidia_wants(const struct clo_devices *devices, struct clo_wants *l);

CLO_MUST_USE int clo_amd_prepare(struct clo_gathered *g, int64_t now, struct clo_cpu_section *cpu);
CLO_MUST_USE int clo_intel_prepare(struct clo_gathered *g, int64_t now,
                                   struct clo_cpu_section *cpu);

/*
 * The chain that cpu is to have, leaf first, into chain[], which is the caller's to clear; *ret_n certificates. CLOISTER_E_NOT_FOUND:
 * *ret_kind has no usable answer.
 */
CLO_MUST_USE int clo_amd_chain(const struct clo_gathered *g, const struct clo_wants *wants,
                               int64_t now, const struct clo_cpu_section *cpu,
                               struct clo_buf chain[CLO_CHAIN_MAX], size_t *ret_n,
                               enum clo_want_kind *ret_kind);

#endif
