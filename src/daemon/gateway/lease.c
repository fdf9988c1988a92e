/* SPDX-License-Identifier: Apache-2.0 */
/* Slot leases and the queue before them. Tables are small and scanned: slots are tens, waiters hundreds. */
#include "daemon/gateway/lease.h"

#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX

struct slot {
    uint32_t owner; /* whose prompt it remembers */
    bool busy;
    uint64_t used; /* when it was last granted, in grants */
};

struct waiter {
    uint32_t owner;
    void *who;
};

struct clo_lessor {
    struct slot slot[CLO_LEASE_SLOTS_MAX];
    uint32_t slots;
    uint32_t generation;
    uint64_t grants;
    uint32_t *held; /* granted and waiting, an owner */
    uint32_t owners;
    uint32_t parallel;
    struct waiter *queue; /* oldest first */
    uint32_t waiting, queue_max;
};

int clo_lessor_new(uint32_t parallel, uint32_t queue_max, struct clo_lessor **ret)
{
    struct clo_lessor *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return CLOISTER_E_MEMORY;
    l->queue = calloc(queue_max > 0 ? queue_max : 1, sizeof(*l->queue));
    if (l->queue == NULL) {
        free(l);
        return CLOISTER_E_MEMORY;
    }
    l->parallel = parallel;
    l->queue_max = queue_max;
    *ret = l;
    return 0;
}

void clo_lessor_free(struct clo_lessor *l)
{
    if (l == NULL)
        return;
    free(l->queue);
    free(l->held);
    free(l);
}

int clo_lessor_set_limits(struct clo_lessor *l, uint32_t parallel, uint32_t queue_max)
{
    const uint32_t room = queue_max > l->waiting ? queue_max : l->waiting;
    struct waiter *queue = reallocarray(l->queue, room > 0 ? room : 1, sizeof(*queue));

    if (queue == NULL)
        return CLOISTER_E_MEMORY;
    l->queue = queue;
    l->parallel = parallel;
    l->queue_max = queue_max;
    return 0;
}

int clo_lessor_set_owners(struct clo_lessor *l, uint32_t owners)
{
    uint32_t *held = NULL;

    if (owners < l->owners || owners == NOBODY)
        return CLOISTER_E_ARGUMENT;
    if (owners == l->owners)
        return 0;
    held = reallocarray(l->held, owners, sizeof(*held));
    if (held == NULL)
        return CLOISTER_E_MEMORY;
    memset(held + l->owners, 0, (owners - l->owners) * sizeof(*held));
    l->held = held;
    l->owners = owners;
    return 0;
}

int clo_lessor_set_slots(struct clo_lessor *l, uint32_t slots)
{
    if (slots > CLO_LEASE_SLOTS_MAX)
        return CLOISTER_E_LIMIT;
    for (uint32_t i = 0; i < slots; i++)
        l->slot[i] = (struct slot){.owner = NOBODY};
    l->slots = slots;
    l->generation++;
    return 0;
}

/* A free slot: the owner's own, most recently used, before anyone else's, least recently used. */
static struct slot *find_slot(struct clo_lessor *l, uint32_t owner)
{
    struct slot *own = NULL, *other = NULL;

    for (uint32_t i = 0; i < l->slots; i++) {
        struct slot *s = &l->slot[i];

        if (s->busy)
            continue;
        if (s->owner == owner && (own == NULL || s->used > own->used))
            own = s;
        if (s->owner != owner && (other == NULL || s->used < other->used))
            other = s;
    }
    return own != NULL ? own : other;
}

static int grant(struct clo_lessor *l, uint32_t owner, struct clo_lease *ret)
{
    struct slot *s = NULL;

    *ret = (struct clo_lease){
        .owner = owner, .slot = CLO_LEASE_NO_SLOT, .generation = l->generation};
    if (l->slots == 0)
        return 0;
    s = find_slot(l, owner);
    if (s == NULL)
        return CLOISTER_E_NOT_FOUND;
    ret->slot = (uint32_t)(s - l->slot);
    ret->cache = s->owner == owner;
    /* Until the engine has answered, the slot may still remember the one before. */
    *s = (struct slot){.owner = ret->cache ? owner : NOBODY, .busy = true, .used = ++l->grants};
    return 0;
}

int clo_lessor_ask(struct clo_lessor *l, uint32_t owner, uint32_t parallel, void *who,
                   struct clo_lease *ret)
{
    struct clo_lease lease = {0};

    if (owner >= l->owners)
        return CLOISTER_E_ARGUMENT;
    if (l->held[owner] >= (parallel != 0 ? parallel : l->parallel))
        return CLOISTER_E_QUOTA;
    /* Nobody overtakes those who wait. */
    if (l->waiting == 0 && grant(l, owner, &lease) == 0) {
        l->held[owner]++;
        *ret = lease;
        return 0;
    }
    if (l->waiting >= l->queue_max)
        return CLOISTER_E_FULL;
    l->queue[l->waiting++] = (struct waiter){.owner = owner, .who = who};
    l->held[owner]++;
    return CLOISTER_E_STATE;
}

/* Remove the i-th waiter and keep the order of the others. */
static void drop_waiter(struct clo_lessor *l, uint32_t i)
{
    l->waiting--;
    memmove(&l->queue[i], &l->queue[i + 1], (l->waiting - i) * sizeof(*l->queue));
}

int clo_lessor_next(struct clo_lessor *l, void **who, struct clo_lease *ret)
{
    struct clo_lease lease = {0};

    if (l->waiting == 0 || grant(l, l->queue[0].owner, &lease) != 0)
        return CLOISTER_E_NOT_FOUND;
    *who = l->queue[0].who;
    *ret = lease;
    drop_waiter(l, 0);
    return 0;
}

void clo_lessor_leave(struct clo_lessor *l, const void *who)
{
    for (uint32_t i = 0; i < l->waiting; i++) {
        if (l->queue[i].who == who) {
            l->held[l->queue[i].owner]--;
            drop_waiter(l, i);
            return;
        }
    }
}

void clo_lessor_settle(struct clo_lessor *l, const struct clo_lease *lease)
{
    if (lease->generation == l->generation && lease->slot < l->slots)
        l->slot[lease->slot].owner = lease->owner;
}

void clo_lessor_give(struct clo_lessor *l, const struct clo_lease *lease)
{
    if (lease->owner < l->owners && l->held[lease->owner] > 0)
        l->held[lease->owner]--;
    if (lease->generation == l->generation && lease->slot < l->slots)
        l->slot[lease->slot].busy = false;
}

void clo_lessor_hold(struct clo_lessor *l, uint32_t owner, struct clo_lease *ret)
{
    *ret = (struct clo_lease){
        .owner = owner, .slot = CLO_LEASE_NO_SLOT, .generation = l->generation};
    if (owner < l->owners)
        l->held[owner]++;
}

void clo_lessor_forget(struct clo_lessor *l, uint32_t owner)
{
    for (uint32_t i = 0; i < l->slots; i++) {
        if (l->slot[i].owner == owner)
            l->slot[i].owner = NOBODY;
    }
}

uint32_t clo_lessor_waiting(const struct clo_lessor *l)
{
    return l->waiting;
}
