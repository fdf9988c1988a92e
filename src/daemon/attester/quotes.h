/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nonces that wait for a report, and the batch that one report answers (docs/PROTOCOL.md section 1, "batched freshness").
 * While one batch is being made and answered the next one gathers. Pure: no clock, no channel, no hardware.
 *
 * Limits: CLO_BATCH_MAX nonces wait, and as many are in a batch.
 */
#ifndef CLO_DAEMON_QUOTES_H
#define CLO_DAEMON_QUOTES_H

#include "attest/sections.h"

struct clo_quotes;
CLO_MUST_USE int clo_quotes_new(struct clo_quotes **ret);
void clo_quotes_free(struct clo_quotes *q);

/* CLOISTER_E_FULL: it can't wait; answer it so. */
CLO_MUST_USE int clo_quotes_add(struct clo_quotes *q, uint64_t id, const uint8_t nonce[32]);
bool clo_quotes_full(const struct clo_quotes *q);
/*
 * Make a batch of all that wait: the root to be reported, and their number. CLOISTER_E_STATE while a batch is unanswered,
 * CLOISTER_E_NOT_FOUND when nothing waits.
 */
CLO_MUST_USE int clo_quotes_begin(struct clo_quotes *q, uint8_t root[32], size_t *ret_count);
/* The batch's next unanswered one and its section. CLOISTER_E_NOT_FOUND when all are answered. */
CLO_MUST_USE int clo_quotes_next(const struct clo_quotes *q, uint64_t *ret_id,
                                 struct clo_batch_section *ret);
/* It was answered. */
void clo_quotes_answered(struct clo_quotes *q);
/* True while a batch has unanswered ones. */
bool clo_quotes_busy(const struct clo_quotes *q);
/* The askers are gone. */
void clo_quotes_drop(struct clo_quotes *q);

#endif
