/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle: evidence and everything that judging it needs (certificates, collateral, revocation, perhaps a policy) in one file, for
 * a verifier without a network. Nothing in it is trusted because it is there: whoever carries it may have changed it. Its
 * expiry says until when its collateral can be judged, and only ever takes away.
 *
 * One strict JSON document of at most CLO_BUNDLE_MAX bytes:
 * {"v":1,"created":T,"expires":T,["policy":B64,] and one of
 *  "evidence":{"document":B64,["nonce":B64]} (an evidence document with every section inside) or
 *  "raw":{"type":"tdx","items":[{"item":"report","bytes":B64},...],["expect":B64]}}.
 * nonce, expect and policy are what the bundle's maker says of them: none counts before the user says the same.
 * Fuzzed by fuzz/fuzz_bundle.c.
 */
#ifndef CLO_ATTEST_BUNDLE_H
#define CLO_ATTEST_BUNDLE_H

#include <cloister/verify.h>

#include "attest/sections.h"

#define CLO_BUNDLE_MAX   (4u << 20)
#define CLO_BUNDLE_ITEMS 256
#define CLO_RAW_ITEM_MAX (1u << 20)

/* "sev-snp", "tdx", "sgx", "azure", "nvidia", "tpm"; NULL for no type. _find: 0 for no such name. */
const char *clo_raw_type_name(enum cloister_raw_type t);
enum cloister_raw_type clo_raw_type_find(const char *name);
/* "report", "certificates", "crl", ...: as `cloister appraise` names its options. */
const char *clo_raw_item_name(enum cloister_raw_item i);
enum cloister_raw_item clo_raw_item_find(const char *name);

struct clo_bundle_item {
    enum cloister_raw_item item;
    struct clo_buf bytes;
};
struct clo_bundle {
    int64_t created, expires; /* Unix seconds */
    struct clo_buf policy;    /* its exact bytes; empty: none */
    struct clo_buf evidence;  /* the document; empty: the bundle is raw */
    bool has_nonce;
    uint8_t nonce[32];
    enum cloister_raw_type type;  /* raw */
    struct clo_bundle_item *item; /* heap; in the order in which they are to be added */
    size_t items;
    struct clo_buf expect; /* empty: none */
};
CLO_MUST_USE int clo_bundle_parse(const void *json, size_t n, struct clo_bundle *ret);
CLO_MUST_USE int clo_bundle_write(const struct clo_bundle *b, struct clo_buf *out);
void clo_bundle_clear(struct clo_bundle *b);
/* A copy of the bytes as the next item. */
CLO_MUST_USE int clo_bundle_add(struct clo_bundle *b, enum cloister_raw_item item, const void *p,
                                size_t n);
/*
 * One more list, or answer, in DER. One of the same issuer, or about the same certificates, that is there already and is no newer goes;
 * one that is newer stays, and nothing is added. Signatures aren't looked at: the verifier takes the newest that is
 * signed. CLOISTER_E_LIMIT beyond CLO_CRLS_MAX and CLO_OCSPS_MAX.
 */
CLO_MUST_USE int clo_collateral_add_crl(struct clo_collateral *c, const void *p, size_t n);
CLO_MUST_USE int clo_collateral_add_ocsp(struct clo_collateral *c, const void *p, size_t n);
/*
 * Until when this collateral can be judged: the earliest nextUpdate of its CRLs, OCSP answers, TCB info and QE identity; INT64_MAX without
 * any. Signatures aren't looked at; OCSP responses without an answer ("try later") have no end.
 */
CLO_MUST_USE int clo_collateral_end(const struct clo_collateral *c, int64_t *ret);

#endif
