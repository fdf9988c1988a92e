/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw evidence from files: those that the options name, or a bundle. Reports may come as hexadecimal text; NVIDIA's also as the JSON
 * that its tools write; Intel's collateral also as one JSON ("QuoteCollateralV3", as the DCAP tools write it).
 * Each function has said one sentence when it fails; *code is then the exit code.
 */
#ifndef CLO_CLIENT_RAW_INPUT_H
#define CLO_CLIENT_RAW_INPUT_H

#include "attest/bundle.h"
#include "client/options.h"

/* The type and files of the command line, read. ret is empty before. */
CLO_MUST_USE int clo_raw_read(const struct clo_options *o, struct clo_bundle *ret, int *code);
/* Collateral files alone, which go with a server's evidence; ret is empty before. */
CLO_MUST_USE int clo_raw_read_collateral(const struct clo_options *o, struct clo_bundle *ret,
                                         int *code);
/* --expect, in the place of what is expected so far. */
CLO_MUST_USE int clo_raw_expect(const struct clo_options *o, struct clo_bundle *b, int *code);
/* The reports and certificates of NVIDIA's serialised evidence, a JSON array. */
CLO_MUST_USE int clo_raw_add_nvidia_json(struct clo_bundle *b, const struct clo_buf *text);
/* What Intel's collateral in one JSON holds. */
CLO_MUST_USE int clo_raw_add_collateral(struct clo_bundle *b, const struct clo_buf *text);
/* Has it expired, or does it claim to be from the future? Says so. */
bool clo_bundle_expired(const struct clo_bundle *b, int64_t now, const char *path);
/* The bundle that --bundle names. */
CLO_MUST_USE int clo_bundle_read(const char *path, struct clo_bundle *ret, int *code);
/* What a bundle holds, ready to be appraised. */
CLO_MUST_USE int clo_raw_build(const struct clo_bundle *b, bool expect_any,
                               struct cloister_raw **ret, int *code);
/*
 * The policy: --policy, or the bundle's own where --bundle-policy says that it has this digest. *ret stays NULL where
 * `optional` and none is named.
 */
CLO_MUST_USE int clo_bundle_policy(const struct clo_options *o, const struct clo_bundle *b,
                                   bool optional, struct cloister_policy **ret, int *code);
/* Those that --root names, or the built-in ones: *own is then NULL, else the caller's to free. */
CLO_MUST_USE int clo_common_roots(const struct clo_options *o, const struct cloister_roots **ret,
                                  struct cloister_roots **own, int *code);
/* Hexadecimal text (white space aside) becomes bytes; anything else stays as it is. */
void clo_unhex_text(struct clo_buf *b);

#endif
