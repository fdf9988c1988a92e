/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batched freshness: the Merkle tree of RFC 6962 section 2.1 (RFC 9162 section 2.1) over clients'
 * nonces, so that one hardware report answers all of them.
 *
 * The tree is built level by level: pairs are hashed, an odd last node rises unchanged. That gives the
 * same tree as the RFC's recursive split at the largest power of two, without recursion.
 */
#include "attest/sections.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

#define LEVELS (CLO_BATCH_PATH_MAX + 1)

struct clo_batch_tree {
    size_t count;         /* leaves */
    size_t levels;        /* in use; the last has one node */
    size_t size[LEVELS];  /* nodes of a level */
    size_t first[LEVELS]; /* where a level starts in node[] */
    uint8_t node[][32];
};

static int leaf_hash(const uint8_t nonce[32], uint8_t ret[32])
{
    const uint8_t prefix = 0;
    const struct clo_slice in[] = {{&prefix, 1}, {nonce, 32}};

    return clo_hash(CLO_SHA256, in, CLO_ARRAY_LEN(in), ret);
}

static int node_hash(const uint8_t left[32], const uint8_t right[32], uint8_t ret[32])
{
    const uint8_t prefix = 1;
    const struct clo_slice in[] = {{&prefix, 1}, {left, 32}, {right, 32}};

    return clo_hash(CLO_SHA256, in, CLO_ARRAY_LEN(in), ret);
}

/* Where each level starts; returns the number of nodes. */
static size_t lay_out(size_t count, struct clo_batch_tree *t)
{
    size_t total = 0;

    t->count = count;
    for (size_t n = count;; n = (n + 1) / 2) {
        t->size[t->levels] = n;
        t->first[t->levels++] = total;
        total += n;
        if (n == 1)
            return total;
    }
}

int clo_batch_tree_new(const uint8_t (*nonce)[32], size_t count, struct clo_batch_tree **ret)
{
    struct clo_batch_tree layout = {0};
    struct clo_batch_tree *t = NULL;
    size_t total;
    int err = 0;

    if (count == 0 || count > CLO_BATCH_MAX)
        return CLOISTER_E_ARGUMENT;
    total = lay_out(count, &layout);
    if ((t = malloc(sizeof *t + total * sizeof t->node[0])) == NULL)
        return CLOISTER_E_MEMORY;
    *t = layout;

    for (size_t i = 0; i < count; i++)
        if ((err = leaf_hash(nonce[i], t->node[i])) != 0)
            goto out;
    for (size_t l = 1; l < t->levels; l++) {
        uint8_t(*below)[32] = t->node + t->first[l - 1];
        uint8_t(*here)[32] = t->node + t->first[l];

        for (size_t i = 0; i < t->size[l]; i++) {
            if (2 * i + 1 == t->size[l - 1])
                memcpy(here[i], below[2 * i], 32);
            else if ((err = node_hash(below[2 * i], below[2 * i + 1], here[i])) != 0)
                goto out;
        }
    }
    *ret = t;
    t = NULL;
out:
    free(t);
    return err;
}

void clo_batch_tree_free(struct clo_batch_tree *t)
{
    free(t);
}

int clo_batch_tree_section(const struct clo_batch_tree *t, size_t index,
                           struct clo_batch_section *ret)
{
    struct clo_batch_section b = {0};

    if (index >= t->count)
        return CLOISTER_E_ARGUMENT;
    b.index = (uint32_t)index;
    b.size = (uint32_t)t->count;
    for (size_t l = 0, i = index; l + 1 < t->levels; l++, i /= 2)
        if ((i ^ 1) < t->size[l])
            memcpy(b.path[b.path_n++], t->node[t->first[l] + (i ^ 1)], 32);
    memcpy(b.root, t->node[t->first[t->levels - 1]], 32);
    *ret = b;
    return 0;
}

int clo_batch_make(const uint8_t (*nonce)[32], size_t count, size_t index,
                   struct clo_batch_section *ret)
{
    struct clo_batch_tree *t = NULL;
    int err;

    if ((err = clo_batch_tree_new(nonce, count, &t)) == 0)
        err = clo_batch_tree_section(t, index, ret);
    clo_batch_tree_free(t);
    return err;
}

int clo_batch_root(const uint8_t (*nonce)[32], size_t count, uint8_t root[32])
{
    struct clo_batch_section b = {0};
    int err;

    if ((err = clo_batch_make(nonce, count, 0, &b)) == 0)
        memcpy(root, b.root, 32);
    return err;
}

/* RFC 9162 section 2.1.3.2. */
int clo_batch_check(const struct clo_batch_section *b, const uint8_t nonce[32])
{
    uint32_t fn = b->index;
    uint32_t sn = b->size - 1;
    uint8_t r[32];
    int err;

    if (b->size == 0 || b->size > CLO_BATCH_MAX || b->index >= b->size ||
        b->path_n > CLO_BATCH_PATH_MAX)
        return CLOISTER_E_AUTH;
    if ((err = leaf_hash(nonce, r)) != 0)
        return err;
    for (size_t i = 0; i < b->path_n; i++) {
        if (sn == 0)
            return CLOISTER_E_AUTH; /* a longer path than the tree is high */
        if ((fn & 1) != 0 || fn == sn) {
            if ((err = node_hash(b->path[i], r, r)) != 0)
                return err;
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else if ((err = node_hash(r, b->path[i], r)) != 0) {
            return err;
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && clo_ct_equal(r, b->root, 32) ? 0 : CLOISTER_E_AUTH;
}
