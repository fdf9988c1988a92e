/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificate table that comes beside an SEV-SNP report (AMD document 56421, GHCB specification, section "SNP extended
 * guest request"): what the host has of the chain. The host can put anything there; whatever comes of it is verified like any other chain.
 *
 * Limits: CLO_SNP_CERT_TABLE_MAX bytes, 32 entries. Fuzzed by fuzz/fuzz_snp_certs.c.
 */
#ifndef CLO_ATTEST_SNP_CERTS_H
#define CLO_ATTEST_SNP_CERTS_H

#include "attest/sections.h"

#define CLO_SNP_CERT_TABLE_MAX 65536

/*
 * The chain for a report that a VCEK or VLEK signed, leaf first: the leaf and, if it is there and issued the leaf by name, the intermediate. The root that comes
 * along is left alone, for roots are pinned. *ret_n is 0, without an error, for an empty table and for one that doesn't have this leaf.
 * chain[] is what the caller clears; untouched on failure. A table that breaks its format, names a certificate twice, or holds one that is none: CLOISTER_E_TRUNCATED, _TRAILING,
 * _MALFORMED, _DUPLICATE or _LIMIT; _UNSUPPORTED for a certificate with what we don't know.
 */
CLO_MUST_USE int clo_snp_certs_read(const void *p, size_t n, bool vlek,
                                    struct clo_buf chain[CLO_CHAIN_MAX], size_t *ret_n);

#endif
