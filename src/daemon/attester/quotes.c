/* SPDX-License-Identifier: Apache-2.0 */
/* Two lists of nonces that change places: one gathers, the other is answered. */
#include "daemon/attester/quotes.h"

#include <stdlib.h>
#include <string.h>

struct list {
    uint64_t id[CLO_BATCH_MAX];
    uint8_t nonce[CLO_BATCH_MAX][32];
    size_t count;
};

struct clo_quotes {
    struct list *waiting, *batch;
    struct clo_batch_tree *tree;
    size_t answered;
};

int clo_quotes_new(struct clo_quotes **ret)
{
    struct clo_quotes *q = calloc(1, sizeof *q);

    if (q == NULL || (q->waiting = calloc(1, sizeof *q->waiting)) == NULL ||
        (q->batch = calloc(1, sizeof *q->batch)) == NULL) {
        clo_quotes_free(q);
        return CLOISTER_E_MEMORY;
    }
    *ret = q;
    return 0;
}

void clo_quotes_free(struct clo_quotes *q)
{
    if (q == NULL)
        return;
    clo_batch_tree_free(q->tree);
    free(q->waiting);
    free(q->batch);
    free(q);
}

int clo_quotes_add(struct clo_quotes *q, uint64_t id, const uint8_t nonce[32])
{
    struct list *w = q->waiting;

    if (clo_quotes_full(q))
        return CLOISTER_E_FULL;
    w->id[w->count] = id;
    memcpy(w->nonce[w->count], nonce, 32);
    w->count++;
    return 0;
}

bool clo_quotes_full(const struct clo_quotes *q)
{
    return q->waiting->count == CLO_BATCH_MAX;
}

int clo_quotes_begin(struct clo_quotes *q, uint8_t root[32], size_t *ret_count)
{
    struct clo_batch_section first = {0};
    struct clo_batch_tree *tree = NULL;
    struct list *w = q->waiting;
    int err;

    if (clo_quotes_busy(q))
        return CLOISTER_E_STATE;
    if (w->count == 0)
        return CLOISTER_E_NOT_FOUND;
    if ((err = clo_batch_tree_new((const uint8_t(*)[32])w->nonce, w->count, &tree)) != 0 ||
        (err = clo_batch_tree_section(tree, 0, &first)) != 0) {
        clo_batch_tree_free(tree);
        return err;
    }
    clo_batch_tree_free(q->tree);
    q->tree = tree;
    q->waiting = q->batch;
    q->waiting->count = 0;
    q->batch = w;
    q->answered = 0;
    memcpy(root, first.root, 32);
    *ret_count = w->count;
    return 0;
}

int clo_quotes_next(const struct clo_quotes *q, uint64_t *ret_id, struct clo_batch_section *ret)
{
    int err;

    if (!clo_quotes_busy(q))
        return CLOISTER_E_NOT_FOUND;
    if ((err = clo_batch_tree_section(q->tree, q->answered, ret)) != 0)
        return err;
    *ret_id = q->batch->id[q->answered];
    return 0;
}

void clo_quotes_answered(struct clo_quotes *q)
{
    if (clo_quotes_busy(q))
        q->answered++;
}

bool clo_quotes_busy(const struct clo_quotes *q)
{
    return q->answered < q->batch->count;
}

void clo_quotes_drop(struct clo_quotes *q)
{
    q->waiting->count = 0;
    q->batch->count = 0;
    q->answered = 0;
}
