/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What evidence needs beside reports, over time: which certificates, lists and answers are wanted, when each is asked for (again),
 * which have been part of evidence that passed our own appraisal, and what is missing. What they are is attest/gather.h's; who gets
 * them, the fetcher's. Pure but for memory: the clock comes in.
 *
 * Limits: CLO_WANTS_MAX wants. One that the last evidence didn't need isn't asked for; one that none has needed for a while is forgotten.
 */
#ifndef CLO_DAEMON_COLLATERAL_H
#define CLO_DAEMON_COLLATERAL_H

#include "daemon/messages.h"

struct clo_supply;
/* again_ms: the first pause before something that failed is asked for again. */
CLO_MUST_USE int clo_supply_new(uint32_t again_ms, struct clo_supply **ret);
void clo_supply_free(struct clo_supply *s);

struct clo_moment {
    int64_t unix_s, mono_us;
};

/*
 * clo_gathered_prepare, clo_wants_of and clo_gathered_complete in one: remembers what is wanted. cpu or devices may be NULL.
 * CLOISTER_E_INDETERMINATE: something isn't there (yet): clo_supply_missing; other errors as theirs.
 */
CLO_MUST_USE int clo_supply_complete(struct clo_supply *s, struct clo_cpu_section *cpu,
                                     const struct clo_devices *devices, struct clo_moment now,
                                     struct clo_collateral *ret);
/* What the last clo_supply_complete lacked, as the parent says it (`what` is 0 while no answer yet says why). Its kind; 0: nothing. */
enum clo_want_kind clo_supply_missing(const struct clo_supply *s, struct clo_waiting *ret);
/* It passed our own appraisal, or it didn't: then whatever hasn't before is thrown away, and asked for behind the cache's back. */
void clo_supply_proved(struct clo_supply *s);
void clo_supply_distrust(struct clo_supply *s, struct clo_moment now);

/* The next question that is due, which counts as asked then; false: none. */
CLO_MUST_USE bool clo_supply_ask(struct clo_supply *s, struct clo_moment now, struct clo_fetch *ret,
                                 uint64_t *ret_id);
/* Its answer. CLOISTER_E_PROTOCOL: nobody asked that. body and chain are borrowed. */
CLO_MUST_USE int clo_supply_answer(struct clo_supply *s, uint64_t id, const struct clo_fetched *f,
                                   const struct clo_answer *a, struct clo_moment now);
/* A question's answer that was good and is worth keeping; false: none. */
CLO_MUST_USE bool clo_supply_keep(struct clo_supply *s, uint64_t *ret_id);
/* Who was asked is gone. */
void clo_supply_asked_in_vain(struct clo_supply *s);
/* When clo_supply_ask may have something: monotonic microseconds. */
int64_t clo_supply_wake_us(const struct clo_supply *s, struct clo_moment now);

#endif
