/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use which of the engine's slots. A slot of llama-server holds the prompt cache of what ran there last, so it is
 * leased to one credential: that credential's next request may reuse the cache; when the lease changes hands the request must
 * run with the cache off. No request ever runs on a slot that another one still occupies; those that find none wait in one bounded
 * queue, first come, first served.
 *
 * Pure: no I/O, no clock. Owners are small integers (the credential's place in the table), waiters are opaque pointers.
 * An engine without slots of its own (somebody else's, behind --upstream) has slots == 0: nobody waits, and only the limit of
 * parallel requests a credential holds.
 */
#ifndef CLO_GATEWAY_LEASE_H
#define CLO_GATEWAY_LEASE_H

#include "base/base.h"

#define CLO_LEASE_SLOTS_MAX 1024
#define CLO_LEASE_NO_SLOT   UINT32_MAX

/* A granted lease: hand it back as it is. */
struct clo_lease {
    uint32_t owner;
    uint32_t slot;       /* CLO_LEASE_NO_SLOT where the engine has none */
    uint32_t generation; /* of the engine: a slot of one that has gone is nobody's */
    bool cache;          /* what the slot remembers is this owner's own */
};

struct clo_lessor;
/* parallel: granted and waiting requests an owner; queue_max: waiting ones, all together. */
CLO_MUST_USE int clo_lessor_new(uint32_t parallel, uint32_t queue_max, struct clo_lessor **ret);
void clo_lessor_free(struct clo_lessor *l);
/* Other limits from now on; whoever runs or waits already stays. */
CLO_MUST_USE int clo_lessor_set_limits(struct clo_lessor *l, uint32_t parallel, uint32_t queue_max);
/* Owners are 0..owners-1; the number only grows. */
CLO_MUST_USE int clo_lessor_set_owners(struct clo_lessor *l, uint32_t owners);
/* A fresh engine: its slots remember nobody. Leases of the old one stay counted until they are handed back. */
CLO_MUST_USE int clo_lessor_set_slots(struct clo_lessor *l, uint32_t slots);
/*
 * Ask for a slot. parallel: the owner's own limit; 0: everyone's. 0: *ret is granted. CLOISTER_E_STATE: all slots are busy and `who`
 * waits. CLOISTER_E_QUOTA: the owner has its share already. CLOISTER_E_FULL: the queue is full.
 */
CLO_MUST_USE int clo_lessor_ask(struct clo_lessor *l, uint32_t owner, uint32_t parallel, void *who,
                                struct clo_lease *ret);
/* Grant the head of the queue a slot: 0, or CLOISTER_E_NOT_FOUND when nobody waits or no slot is free. */
CLO_MUST_USE int clo_lessor_next(struct clo_lessor *l, void **who, struct clo_lease *ret);
/* `who` waits no longer; fine if it didn't. */
void clo_lessor_leave(struct clo_lessor *l, const void *who);
/*
 * The engine has answered under this lease, so the slot now remembers this request and nothing before it. A request that the
 * engine refused, or never saw, overwrites nothing: its slot is then nobody's, and the next one runs with the cache off.
 */
void clo_lessor_settle(struct clo_lessor *l, const struct clo_lease *lease);
/* The request has ended and the engine knows (its connection is closed). */
void clo_lessor_give(struct clo_lessor *l, const struct clo_lease *lease);
/* The owner's share of parallel requests stays taken after it gave its slot: ret is handed back as well. */
void clo_lessor_hold(struct clo_lessor *l, uint32_t owner, struct clo_lease *ret);
/* The owner's number becomes another's, who must not meet what the slots remember: only while it holds no lease. */
void clo_lessor_forget(struct clo_lessor *l, uint32_t owner);
uint32_t clo_lessor_waiting(const struct clo_lessor *l);

#endif
