/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Epochs, contexts, replay sets. A handful of epochs is a list; contexts and sets are hash tables, because thousands are open.
 * What stands in a set is hashed with a secret of the process: nobody outside can choose where it falls, and neither its place
 * nor how far a comparison went tells anything about a credential.
 */
#include "daemon/keeper/epoch.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

/* What exists once an epoch, in one guarded slot. */
struct secrets {
    uint8_t xwing[CLO_KEM_SEED];
    uint8_t x25519[CLO_KEM_SEED];
    uint8_t receipt[32];
};
_Static_assert(sizeof(struct secrets) <= CLO_GUARD_SLOT,
               "an epoch's secrets fill one guarded slot");

/* A set of 32-byte entries with counters: open addressing, a power of two in size, at most half full. count 0: free. */
struct entry {
    uint8_t key[32];
    uint32_t count;
};
struct set {
    struct entry *at;
    size_t size, used;
};

struct epoch {
    struct epoch *next; /* younger first */
    uint64_t number;
    int64_t created, expires;
    struct secrets *secrets; /* NULL: destroyed */
    struct clo_ohttp_keyconf conf[2];
    size_t confs;
    uint8_t receipt_pk[32];
    struct set seen;    /* committed enc */
    struct set credits; /* requests a credential */
    size_t contexts;    /* open ones; the sets live while there are any */
    size_t uncommitted; /* of these */
};

struct context {
    uint64_t id;
    struct epoch *epoch; /* NULL: free */
    uint8_t entry[32];
    bool committed;
    uint32_t next; /* in its bucket, or in the free list; index + 1 */
};

struct clo_epochs {
    struct clo_keeper_start cfg;
    const struct clo_rng *rng;
    struct epoch *epochs;
    uint64_t numbers; /* given away */
    int64_t now;      /* of the last tick */
    uint8_t next_key_id;
    uint8_t *hash_key; /* guarded, 32 bytes */
    struct context *context;
    uint32_t *bucket; /* contexts_max of them; index + 1 */
    uint32_t free_context;
};

/* ---- sets ---- */

static struct entry *set_place(const struct set *s, const uint8_t key[32])
{
    uint64_t h = 0;

    memcpy(&h, key, sizeof h);
    for (size_t i = (size_t)h & (s->size - 1);; i = (i + 1) & (s->size - 1))
        if (s->at[i].count == 0 || memcmp(s->at[i].key, key, 32) == 0)
            return &s->at[i];
}

static uint32_t set_count(const struct set *s, const uint8_t key[32])
{
    return s->size == 0 ? 0 : set_place(s, key)->count;
}

/* Make room for one more entry. */
static int set_reserve(struct set *s)
{
    struct set grown = {0};

    if (s->used < s->size / 2)
        return 0;
    grown.size = s->size == 0 ? 64 : s->size * 2;
    if ((grown.at = calloc(grown.size, sizeof *grown.at)) == NULL)
        return CLOISTER_E_MEMORY;
    for (size_t i = 0; i < s->size; i++)
        if (s->at[i].count != 0)
            *set_place(&grown, s->at[i].key) = s->at[i];
    grown.used = s->used;
    free(s->at);
    *s = grown;
    return 0;
}

/* After set_reserve. */
static void set_add(struct set *s, const uint8_t key[32])
{
    struct entry *e = set_place(s, key);

    if (e->count == 0) {
        memcpy(e->key, key, 32);
        s->used++;
    }
    e->count++;
}

/* ---- contexts ---- */

static uint32_t *context_link(const struct clo_epochs *k, uint64_t id)
{
    uint32_t *link = &k->bucket[id % k->cfg.contexts_max];

    while (*link != 0 && k->context[*link - 1].id != id)
        link = &k->context[*link - 1].next;
    return link;
}

static void context_end(struct clo_epochs *k, uint32_t *link)
{
    uint32_t at = *link;
    struct context *c = &k->context[at - 1];

    *link = c->next;
    c->epoch->contexts--;
    c->epoch->uncommitted -= !c->committed;
    *c = (struct context){.next = k->free_context};
    k->free_context = at;
}

static void contexts_end(struct clo_epochs *k, bool (*which)(const struct context *c, int64_t now))
{
    for (uint32_t i = 0; i < k->cfg.contexts_max; i++)
        if (k->context[i].epoch != NULL && which(&k->context[i], k->now))
            context_end(k, context_link(k, k->context[i].id));
}

static bool any_context(const struct context *c, int64_t now)
{
    (void)c;
    (void)now;
    return true;
}

static bool overdue_context(const struct context *c, int64_t now)
{
    return !c->committed && now >= c->epoch->expires + CLO_EPOCH_GRACE_S;
}

/* ---- epochs ---- */

static void epoch_destroy_keys(struct epoch *e)
{
    clo_guard_free(e->secrets);
    e->secrets = NULL;
}

static void epoch_free(struct epoch *e)
{
    epoch_destroy_keys(e);
    free(e->seen.at);
    free(e->credits.at);
    free(e);
}

static int make_conf(struct clo_epochs *k, struct epoch *e, uint16_t kem,
                     uint8_t seed[CLO_KEM_SEED])
{
    static const uint16_t aead[] = {CLO_AES_256_GCM, CLO_CHACHA20_POLY1305, CLO_AES_128_GCM};
    struct clo_ohttp_keyconf *c = &e->conf[e->confs++];
    int err;

    c->key_id = k->next_key_id++;
    c->kem = kem;
    for (; c->suites < CLO_ARRAY_LEN(aead); c->suites++) {
        c->suite[c->suites].kdf = CLO_KDF_HKDF_SHA256;
        c->suite[c->suites].aead = aead[c->suites];
    }
    if ((err = clo_rng_fill(k->rng, seed, CLO_KEM_SEED)) != 0)
        return err;
    return clo_kem_public(kem, seed, c->pk);
}

static int epoch_make(struct clo_epochs *k)
{
    struct epoch *e = calloc(1, sizeof *e);
    int err;

    if (e == NULL || (e->secrets = clo_guard_alloc()) == NULL) {
        err = CLOISTER_E_MEMORY;
        goto fail;
    }
    e->created = k->now;
    e->expires = k->now + k->cfg.lifetime_s;
    if ((err = make_conf(k, e, CLO_KEM_XWING, e->secrets->xwing)) != 0 ||
        (k->cfg.x25519 && (err = make_conf(k, e, CLO_KEM_X25519, e->secrets->x25519)) != 0) ||
        (err = clo_rng_fill(k->rng, e->secrets->receipt, sizeof e->secrets->receipt)) != 0 ||
        (err = clo_ed25519_public(e->secrets->receipt, e->receipt_pk)) != 0)
        goto fail;
    e->number = ++k->numbers;
    e->next = k->epochs;
    k->epochs = e;
    return 0;
fail:
    if (e != NULL)
        epoch_free(e);
    return err;
}

/* How long before `expires` the next epoch's keys are made. */
static int64_t ahead(const struct clo_epochs *k)
{
    return clo_epoch_ahead(k->cfg.lifetime_s);
}

static bool has_current(const struct clo_epochs *k)
{
    return k->epochs != NULL && k->epochs->secrets != NULL;
}

static void drop_all(struct clo_epochs *k)
{
    contexts_end(k, any_context);
    while (k->epochs != NULL) {
        struct epoch *e = k->epochs;

        k->epochs = e->next;
        epoch_free(e);
    }
}

static void drop_overdue(struct clo_epochs *k)
{
    bool overdue = false;
    struct epoch *e;

    for (e = k->epochs; e != NULL; e = e->next) {
        if (k->now >= e->expires)
            epoch_destroy_keys(e);
        overdue = overdue || (e->uncommitted > 0 && k->now >= e->expires + CLO_EPOCH_GRACE_S);
    }
    if (overdue)
        contexts_end(k, overdue_context);
    for (struct epoch **at = &k->epochs; (e = *at) != NULL;) {
        if (e->secrets == NULL && e->contexts == 0) {
            *at = e->next;
            epoch_free(e);
        } else {
            at = &e->next;
        }
    }
}

int clo_epochs_new(const struct clo_keeper_start *cfg, const struct clo_rng *rng,
                   struct clo_epochs **ret)
{
    struct clo_epochs *k = NULL;
    int err = CLOISTER_E_MEMORY;

    if (cfg->lifetime_s < 10 || cfg->quota == 0 || cfg->set_max == 0 || cfg->contexts_max == 0 ||
        cfg->contexts_max == UINT32_MAX)
        return CLOISTER_E_ARGUMENT;
    if ((k = calloc(1, sizeof *k)) == NULL)
        return CLOISTER_E_MEMORY;
    k->cfg = *cfg;
    k->rng = rng;
    if ((k->context = calloc(cfg->contexts_max, sizeof *k->context)) == NULL ||
        (k->bucket = calloc(cfg->contexts_max, sizeof *k->bucket)) == NULL ||
        (k->hash_key = clo_guard_alloc()) == NULL)
        goto fail;
    for (uint32_t i = 0; i < cfg->contexts_max; i++)
        k->context[i].next = i + 1 < cfg->contexts_max ? i + 2 : 0;
    k->free_context = 1;
    /* Key ids start anywhere, so that keys of a keeper that crashed are unknown ones, rather than ones that don't fit. */
    if ((err = clo_rng_fill(rng, k->hash_key, 32)) != 0 ||
        (err = clo_rng_fill(rng, &k->next_key_id, 1)) != 0)
        goto fail;
    *ret = k;
    return 0;
fail:
    clo_epochs_free(k);
    return err;
}

void clo_epochs_free(struct clo_epochs *k)
{
    if (k == NULL)
        return;
    if (k->context != NULL && k->bucket != NULL)
        drop_all(k);
    clo_guard_free(k->hash_key);
    free(k->context);
    free(k->bucket);
    free(k);
}

int clo_epochs_reset(struct clo_epochs *k, int64_t now)
{
    drop_all(k);
    k->now = now;
    return epoch_make(k);
}

int clo_epochs_tick(struct clo_epochs *k, int64_t now)
{
    if (k->numbers == 0)
        return 0;
    if (now < k->now - CLO_EPOCH_CLOCK_SLACK_S)
        return clo_epochs_reset(k, now);
    if (now > k->now)
        k->now = now;
    drop_overdue(k);
    return has_current(k) && k->now < k->epochs->expires - ahead(k) ? 0 : epoch_make(k);
}

int64_t clo_epochs_next(const struct clo_epochs *k)
{
    int64_t next = INT64_MAX;

    if (k->numbers == 0)
        return next;
    if (!has_current(k))
        return k->now;
    next = k->epochs->expires - ahead(k);
    for (const struct epoch *e = k->epochs; e != NULL; e = e->next) {
        int64_t t = e->secrets != NULL ? e->expires : e->expires + CLO_EPOCH_GRACE_S;

        if (t > k->now && t < next)
            next = t;
    }
    return next;
}

uint64_t clo_epochs_current(const struct clo_epochs *k)
{
    return has_current(k) ? k->epochs->number : 0;
}

int clo_epochs_section(const struct clo_epochs *k, struct clo_buf *out)
{
    struct clo_keys_section s = {0};
    struct clo_wr wr = clo_wr_init(s.ohttp_keys, sizeof s.ohttp_keys);
    const struct epoch *e = k->epochs;
    int err;

    if (!has_current(k))
        return CLOISTER_E_STATE;
    if ((err = clo_ohttp_keys_write(e->conf, e->confs, &wr)) != 0)
        return err;
    s.ohttp_keys_n = wr.len;
    s.created = e->created;
    s.expires = e->expires;
    memcpy(s.gateway, k->cfg.gateway, sizeof s.gateway);
    memcpy(s.receipt_key, e->receipt_pk, sizeof s.receipt_key);
    return clo_keys_section_write(&s, out);
}

/* ---- requests ---- */

/* Where it stands in the sets. That is of no use to anybody who lacks the hash key, and so is public. */
static int make_entry(const struct clo_epochs *k, const void *p, size_t n, uint8_t ret[32])
{
    const struct clo_slice in[] = {{k->hash_key, 32}, {p, n}};
    int err = clo_hash(CLO_SHA256, in, CLO_ARRAY_LEN(in), ret);

    clo_ct_public(ret, 32);
    return err;
}

/* The live key that the header names, with the suite that it names, or NULL. */
static const uint8_t *find_key(const struct clo_epochs *k, const struct clo_ohttp_header *h,
                               struct epoch **ret)
{
    if (!clo_suite_known(&h->suite))
        return NULL;
    for (struct epoch *e = k->epochs; e != NULL; e = e->next) {
        for (size_t i = 0; e->secrets != NULL && i < e->confs; i++) {
            if (e->conf[i].key_id == h->key_id && e->conf[i].kem == h->suite.kem) {
                *ret = e;
                return h->suite.kem == CLO_KEM_XWING ? e->secrets->xwing : e->secrets->x25519;
            }
        }
    }
    return NULL;
}

int clo_epochs_open(struct clo_epochs *k, uint64_t id, const struct clo_ohttp_header *h,
                    bool chunked, const uint8_t *enc, size_t enc_n, struct clo_ohttp_opened *ret)
{
    struct epoch *e = NULL;
    const uint8_t *seed = find_key(k, h, &e);
    uint8_t entry[32];
    struct context *c;
    uint32_t at;
    int err;

    if (*context_link(k, id) != 0)
        return CLOISTER_E_PROTOCOL;
    if (seed == NULL)
        return CLOISTER_E_KEYS_CHANGED;
    if (enc_n != clo_kem_enc_len(h->suite.kem))
        return CLOISTER_E_AUTH;
    if ((at = k->free_context) == 0)
        return CLOISTER_E_FULL;
    if ((err = make_entry(k, enc, enc_n, entry)) != 0)
        return err;
    if (set_count(&e->seen, entry) != 0)
        return CLOISTER_E_AUTH;
    if ((err = clo_ohttp_open_request(seed, h, chunked, enc, ret)) != 0)
        return err;
    c = &k->context[at - 1];
    k->free_context = c->next;
    *c = (struct context){.id = id, .epoch = e};
    memcpy(c->entry, entry, sizeof c->entry);
    *context_link(k, id) = at;
    e->contexts++;
    e->uncommitted++;
    return 0;
}

int clo_epochs_commit(struct clo_epochs *k, uint64_t id, const uint8_t credential[32])
{
    uint32_t at = *context_link(k, id);
    struct context *c = at != 0 ? &k->context[at - 1] : NULL;
    struct epoch *e = c != NULL ? c->epoch : NULL;
    uint8_t payer[32];
    int err;

    if (c == NULL || c->committed)
        return CLOISTER_E_STATE;
    if (set_count(&e->seen, c->entry) != 0)
        return CLOISTER_E_REPLAY;
    if ((err = make_entry(k, credential, 32, payer)) != 0)
        return err;
    if (set_count(&e->credits, payer) >= k->cfg.quota)
        return CLOISTER_E_QUOTA;
    if (e->seen.used >= k->cfg.set_max) {
        epoch_destroy_keys(e);
        return CLOISTER_E_FULL;
    }
    if ((err = set_reserve(&e->seen)) != 0 || (err = set_reserve(&e->credits)) != 0)
        return err;
    set_add(&e->seen, c->entry);
    set_add(&e->credits, payer);
    c->committed = true;
    e->uncommitted--;
    return 0;
}

void clo_epochs_close(struct clo_epochs *k, uint64_t id)
{
    uint32_t *link = context_link(k, id);

    if (*link != 0)
        context_end(k, link);
}

void clo_epochs_close_all(struct clo_epochs *k)
{
    contexts_end(k, any_context);
}
