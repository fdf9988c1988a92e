/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's logic: epochs of keys, open contexts, replay sets and quotas (docs/PROTOCOL.md section 3). Pure: time and
 * randomness come in, answers go out; src/daemon/keeper/main.c carries them.
 *
 * An epoch's keys live from its birth to `expires` and never longer; new evidence shows the youngest epoch. The replay set of an
 * epoch outlives its keys until the last context has ended, so that a request opened in time still passes exactly once.
 *
 * Limits: contexts_max open contexts in all; set_max entries a replay set; one credential at most `quota` of them. Memory grows with
 * use, up to these.
 */
#ifndef CLO_DAEMON_EPOCH_H
#define CLO_DAEMON_EPOCH_H

#include "daemon/messages.h"

/* An uncommitted context ends this long after its epoch's `expires`. */
#define CLO_EPOCH_GRACE_S 60
/* A clock that goes back by more than this ends all epochs: it would lengthen the life of their keys. */
#define CLO_EPOCH_CLOCK_SLACK_S 5

struct clo_epochs;
/* Needs clo_guard_init. rng must outlive the result. CLOISTER_E_ARGUMENT for limits of zero or a lifetime below 10 s. */
CLO_MUST_USE int clo_epochs_new(const struct clo_keeper_start *cfg, const struct clo_rng *rng,
                                struct clo_epochs **ret);
void clo_epochs_free(struct clo_epochs *k);

/* Destroy all keys, contexts and sets, and start with a fresh epoch. On failure there are no keys at all. */
CLO_MUST_USE int clo_epochs_reset(struct clo_epochs *k, int64_t now);
/*
 * Let time pass: destroys keys at `expires`, drops overdue contexts, makes the next epoch when it is due. Does nothing before the first
 * reset. To be called before anything else is asked; on failure (no randomness, no memory) what had to be destroyed is destroyed.
 */
CLO_MUST_USE int clo_epochs_tick(struct clo_epochs *k, int64_t now);
/* When tick has something to do next; INT64_MAX: never. */
int64_t clo_epochs_next(const struct clo_epochs *k);
/* Number of the epoch that new evidence shows; 0: none. Numbers grow and are never reused. */
uint64_t clo_epochs_current(const struct clo_epochs *k);
/* Its keys section. CLOISTER_E_STATE without one. */
CLO_MUST_USE int clo_epochs_section(const struct clo_epochs *k, struct clo_buf *out);

/*
 * Open one request. CLOISTER_E_KEYS_CHANGED: no live epoch has this key id with this suite; CLOISTER_E_AUTH: enc was committed before
 * or can't be decapsulated; CLOISTER_E_FULL: too many contexts; CLOISTER_E_PROTOCOL: the id is in use.
 */
CLO_MUST_USE int clo_epochs_open(struct clo_epochs *k, uint64_t id,
                                 const struct clo_ohttp_header *h, bool chunked, const uint8_t *enc,
                                 size_t enc_n, struct clo_ohttp_opened *ret);
/*
 * The one atomic step: insert enc unless present. CLOISTER_E_REPLAY, E_QUOTA, E_FULL (the set is full: its keys end), or E_STATE (no
 * such context, or it was committed already).
 */
CLO_MUST_USE int clo_epochs_commit(struct clo_epochs *k, uint64_t id, const uint8_t credential[32]);
/* The context ends; unknown ids are ignored, because time may have ended it already. */
void clo_epochs_close(struct clo_epochs *k, uint64_t id);
/* The asker is gone: all contexts end. */
void clo_epochs_close_all(struct clo_epochs *k);

#endif
