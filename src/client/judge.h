/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a server's evidence is read and judged: never in the process that has the user's files, keys and conversations.
 *
 * clo_judge_start splits a process off when the program has just begun and knows nothing yet; its copy of the command line and the environment is
 * wiped. For each case this process makes another, which shuts itself into a cell (platform/confine.h) before it gets a byte of evidence. It
 * gets evidence, nonce, policy and time, and says what is missing, or the verdict. So a server that takes over what reads its
 * evidence can't reach files, network, keys, conversations or another server's case. What it can do is to forge this one verdict: the process that
 * asked takes it in a strict form of bounded length, checks what it knows itself (policy, time, nonce given or not), and has nothing else to
 * go by.
 *
 * Each call waits for its answer, for 15 seconds at most.
 */
#ifndef CLO_CLIENT_JUDGE_H
#define CLO_CLIENT_JUDGE_H

#include <cloister/verify.h>

#include "base/rw.h"

/* Can cells be built here? Says so if not, or without Landlock, and then once. CLOISTER_E_UNSUPPORTED. */
CLO_MUST_USE int clo_judge_possible(void);
/* Before options, files and keys are read and threads made. One sentence has been said on failure. argv and what it points to are the program's. */
CLO_MUST_USE int clo_judge_start(int argc, char **argv);
/* No further case: what was split off ends, here and in children. */
void clo_judge_end(void);

struct clo_case;
#define CLO_CASE_PATH_MAX 128
/*
 * One evidence document, as it came. `wants` is the path of a section that is missing, to be fetched and added, "" if there is none. As
 * cloister_evidence_parse and _add; CLOISTER_E_IO: what read it has ended, and that was said.
 */
CLO_MUST_USE int clo_case_open(const void *json, size_t n, struct clo_case **ret,
                               char wants[CLO_CASE_PATH_MAX]);
CLO_MUST_USE int clo_case_add(struct clo_case *c, const void *section, size_t n,
                              char wants[CLO_CASE_PATH_MAX]);
/* As cloister_evidence_save. */
CLO_MUST_USE int clo_case_save(struct clo_case *c, struct clo_buf *out);
/* As cloister_evidence_verify, with the built-in roots and the policy as its text. */
CLO_MUST_USE int clo_case_verify(struct clo_case *c, const struct cloister_nonce *nonce,
                                 const struct clo_buf *policy, int64_t now,
                                 struct cloister_verdict *ret);
/* NULL is fine. */
void clo_case_free(struct clo_case *c);

/* ---- a verdict between the two, for tests as well ---- */

CLO_MUST_USE int clo_verdict_pack(const struct cloister_verdict *v, struct clo_buf *out);
/*
 * Strict: each value in its range, each text printable, nothing behind it; and it agrees with itself: "verified" has no failed check, is over this policy
 * and of this time, fresh only if a nonce was given, and ends within an hour of the nonce. CLOISTER_E_MALFORMED otherwise.
 */
CLO_MUST_USE int clo_verdict_unpack(const void *p, size_t n, const uint8_t policy_digest[32],
                                    const struct cloister_nonce *nonce, int64_t now,
                                    struct cloister_verdict *ret);

#endif
