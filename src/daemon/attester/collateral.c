/* SPDX-License-Identifier: Apache-2.0 */
/* Wants with their states. Their answers lie in struct clo_gathered. */
#include "daemon/attester/collateral.h"

#include <stdlib.h>
#include <string.h>

enum {
    PAUSES_MAX = 12,  /* times the first pause is the longest */
    UNWANTED_MAX = 8, /* completions that didn't want it, until it is forgotten */
    ASKED_MAX = 4,    /* questions that are open at the same time */
};

struct item {
    struct clo_want want;
    char name[CLO_WANT_NAME_MAX];
    uint64_t id; /* of the last question */
    bool asked, answered;
    bool bad; /* what is in the cache */
    bool proved, new, keep;
    unsigned unwanted;
    uint32_t pause_ms;       /* after the next failure */
    int64_t again_us, renew; /* not before; Unix: ask for a newer one */
    struct clo_fetched last;
    int error; /* of the last answer itself, if it came */
};

struct clo_supply {
    struct clo_gathered *gathered;
    struct item *item[CLO_WANTS_MAX];
    size_t count;
    size_t missing; /* count: nothing */
    uint64_t next_id;
    uint32_t again_ms;
};

int clo_supply_new(uint32_t again_ms, struct clo_supply **ret)
{
    struct clo_supply *s = calloc(1, sizeof *s);
    int err;

    if (s == NULL)
        return CLOISTER_E_MEMORY;
    s->again_ms = again_ms;
    if ((err = clo_gathered_new(&s->gathered)) != 0) {
        free(s);
        return err;
    }
    *ret = s;
    return 0;
}

void clo_supply_free(struct clo_supply *s)
{
    if (s == NULL)
        return;
    clo_gathered_free(s->gathered);
    for (size_t i = 0; i < s->count; i++)
        free(s->item[i]);
    free(s);
}

/* ---- wants ---- */

static size_t find(const struct clo_supply *s, const struct clo_want *w)
{
    size_t i = 0;

    while (i < s->count && !clo_want_same(&s->item[i]->want, w))
        i++;
    return i;
}

static int add(struct clo_supply *s, const struct clo_want *w)
{
    struct item *i;

    if (s->count == CLO_WANTS_MAX)
        return CLOISTER_E_FULL;
    if ((i = calloc(1, sizeof *i)) == NULL)
        return CLOISTER_E_MEMORY;
    i->want = *w;
    i->pause_ms = s->again_ms;
    clo_want_name(w, i->name);
    s->item[s->count++] = i;
    return 0;
}

/* What more than `most` completions didn't want goes, with its answer. */
static int forget(struct clo_supply *s, unsigned most, int64_t now)
{
    struct clo_wants keep = {0};
    size_t left = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (s->item[i]->unwanted > most && !s->item[i]->asked)
            free(s->item[i]);
        else
            s->item[left++] = s->item[i];
    }
    if (left == s->count)
        return 0;
    s->count = left;
    if (left > 0 && (keep.want = calloc(left, sizeof *keep.want)) == NULL)
        return CLOISTER_E_MEMORY;
    for (; keep.count < left; keep.count++)
        keep.want[keep.count] = s->item[keep.count]->want;
    clo_gathered_sweep(s->gathered, &keep, now);
    free(keep.want);
    return 0;
}

/* What is used needs to be kept, though with it there the evidence doesn't want it any more. */
static int remember(struct clo_supply *s, const struct clo_wants *wants, int64_t now)
{
    const struct clo_want *prepared = clo_gathered_prepared(s->gathered);
    size_t used = prepared != NULL ? find(s, prepared) : s->count, more = 0;
    int err;

    for (size_t i = 0; i < s->count; i++)
        s->item[i]->unwanted = i == used ? 0 : s->item[i]->unwanted + 1;
    for (size_t i = 0; i < wants->count; i++) {
        size_t at = find(s, &wants->want[i]);

        if (at < s->count)
            s->item[at]->unwanted = 0;
        else
            more++;
    }
    /* Before there would be too many, or they would be so for ever. */
    if ((err = forget(s, s->count + more > CLO_WANTS_MAX ? 0 : UNWANTED_MAX, now)) != 0)
        return err;
    for (size_t i = 0; i < wants->count; i++)
        if (find(s, &wants->want[i]) == s->count && (err = add(s, &wants->want[i])) != 0)
            return err;
    return 0;
}

int clo_supply_complete(struct clo_supply *s, struct clo_cpu_section *cpu,
                        const struct clo_devices *devices, struct clo_moment now,
                        struct clo_collateral *ret)
{
    struct clo_wants wants = {0};
    size_t missing = 0;
    int err;

    s->missing = CLO_WANTS_MAX;
    if ((cpu != NULL && (err = clo_gathered_prepare(s->gathered, now.unix_s, cpu)) != 0) ||
        (err = clo_wants_of(cpu, devices, &wants)) != 0)
        return err;
    if ((err = remember(s, &wants, now.unix_s)) != 0)
        goto out;
    err = clo_gathered_complete(s->gathered, &wants, now.unix_s, cpu, ret, &missing);
    if (err == CLOISTER_E_NOT_FOUND && missing < wants.count) {
        s->missing = find(s, &wants.want[missing]);
        err = CLOISTER_E_INDETERMINATE;
    }
out:
    clo_wants_clear(&wants);
    return err;
}

enum clo_want_kind clo_supply_missing(const struct clo_supply *s, struct clo_waiting *ret)
{
    const struct item *i;
    bool told;

    if (s->missing >= s->count)
        return (enum clo_want_kind)0;
    i = s->item[s->missing];
    /* After a good answer that has ended, or was thrown away, the next one says why there is none. */
    told = i->answered && (i->error != 0 || i->last.error != 0);
    *ret = (struct clo_waiting){.what = told ? CLO_WAIT_COLLATERAL : 0,
                                .error = i->error != 0 ? i->error : i->last.error,
                                .detail = i->last.status,
                                .again_s = i->last.again_s};
    memcpy(ret->name, i->name, sizeof ret->name);
    return i->want.kind;
}

void clo_supply_proved(struct clo_supply *s)
{
    for (size_t n = 0; n < s->count; n++) {
        struct item *i = s->item[n];

        if (i->unwanted > 0)
            continue; /* it had no part in it */
        i->proved = true;
        /* Each report has a quote of its own. */
        i->keep |= i->new && i->want.kind != CLO_WANT_AZURE_TD_QUOTE;
        i->new = false;
    }
}

/*
 * Asking costs nobody anything while the fetcher keeps its distance to a service, and there may be a file by then: so not as long as the
 * service would like it.
 */
static void pause_item(struct clo_supply *s, struct item *i, int64_t now_us)
{
    const uint32_t most = PAUSES_MAX * s->again_ms;
    int64_t ms = (int64_t)i->last.again_s * 1000;

    if (ms < i->pause_ms)
        ms = i->pause_ms;
    i->again_us = now_us + (ms < most ? ms : most) * 1000;
    i->pause_ms = i->pause_ms * 2 < most ? i->pause_ms * 2 : most;
}

/* Evidence has room for one signer's certificate, so that both are of use only while the same key signs them. */
static bool has_intels_signer(const struct item *i)
{
    return i->want.kind == CLO_WANT_INTEL_TCB_INFO || i->want.kind == CLO_WANT_INTEL_QE_IDENTITY;
}

void clo_supply_distrust(struct clo_supply *s, struct clo_moment now)
{
    bool any = false, signer = false;

    for (size_t n = 0; n < s->count; n++) {
        const struct item *i = s->item[n];

        any |= i->unwanted == 0 && !i->proved;
        signer |= i->unwanted == 0 && !i->proved && has_intels_signer(i);
    }
    if (!any)
        return;
    clo_gathered_sweep(s->gathered, NULL, now.unix_s);
    for (size_t n = 0; n < s->count; n++) {
        struct item *i = s->item[n];

        /* What was proved before is in the cache, and good; the rest is asked for anew, and what may no longer go with that. */
        i->bad |= !i->proved || (signer && has_intels_signer(i));
        i->new = i->keep = false;
        if (!i->proved)
            pause_item(s, i, now.mono_us);
    }
}

/* ---- questions and answers ---- */

/* What the last evidence didn't need isn't asked for, and may be needed by the next. */
static bool is_due(const struct clo_supply *s, const struct item *i, struct clo_moment now)
{
    return !i->asked && i->unwanted == 0 && now.mono_us >= i->again_us &&
           (now.unix_s >= i->renew || !clo_gathered_has(s->gathered, &i->want, now.unix_s));
}

static size_t asked(const struct clo_supply *s)
{
    size_t count = 0;

    for (size_t n = 0; n < s->count; n++)
        count += s->item[n]->asked;
    return count;
}

bool clo_supply_ask(struct clo_supply *s, struct clo_moment now, struct clo_fetch *ret,
                    uint64_t *ret_id)
{
    const bool full = asked(s) >= ASKED_MAX;

    for (size_t n = 0; n < s->count && !full; n++) {
        struct item *i = s->item[n];

        if (!is_due(s, i, now))
            continue;
        i->asked = true;
        i->id = *ret_id = ++s->next_id;
        i->keep = false;
        *ret = (struct clo_fetch){.renew = i->bad ||
                                           clo_gathered_has(s->gathered, &i->want, now.unix_s),
                                  .want = i->want};
        return true;
    }
    return false;
}

/* `a` came, and may be rubbish. */
static void take(struct clo_supply *s, struct item *i, const struct clo_answer *a,
                 struct clo_moment now)
{
    int64_t until = 0;

    i->error = clo_gathered_put(s->gathered, &i->want, a, now.unix_s, &until, &i->renew);
    if (i->error == 0) {
        i->proved = i->bad = false;
        i->new = !i->last.from_file;
        i->pause_ms = s->again_ms;
        i->again_us = now.mono_us + (int64_t)s->again_ms * 1000;
    } else if (i->last.from_file && !i->bad) {
        i->bad = true; /* at once, past the file */
    } else {
        pause_item(s, i, now.mono_us);
    }
}

int clo_supply_answer(struct clo_supply *s, uint64_t id, const struct clo_fetched *f,
                      const struct clo_answer *a, struct clo_moment now)
{
    size_t n = 0;

    while (n < s->count && !(s->item[n]->asked && s->item[n]->id == id))
        n++;
    if (n == s->count)
        return CLOISTER_E_PROTOCOL;
    s->item[n]->asked = false;
    s->item[n]->answered = true;
    s->item[n]->last = *f;
    s->item[n]->error = 0;
    if (f->error == 0) {
        take(s, s->item[n], a, now);
    } else {
        s->item[n]->bad = false; /* what is in the cache may be another file next time */
        pause_item(s, s->item[n], now.mono_us);
    }
    return 0;
}

bool clo_supply_keep(struct clo_supply *s, uint64_t *ret_id)
{
    for (size_t n = 0; n < s->count; n++) {
        if (!s->item[n]->keep)
            continue;
        s->item[n]->keep = false;
        *ret_id = s->item[n]->id;
        return true;
    }
    return false;
}

void clo_supply_asked_in_vain(struct clo_supply *s)
{
    for (size_t n = 0; n < s->count; n++)
        s->item[n]->asked = s->item[n]->keep = s->item[n]->new = false;
}

int64_t clo_supply_wake_us(const struct clo_supply *s, struct clo_moment now)
{
    int64_t first = INT64_MAX;

    if (asked(s) >= ASKED_MAX)
        return first; /* an answer comes before that */
    for (size_t n = 0; n < s->count; n++) {
        const struct item *i = s->item[n];
        int64_t at = i->again_us;

        if (i->asked || i->unwanted > 0)
            continue;
        if (clo_gathered_has(s->gathered, &i->want, now.unix_s) && now.unix_s < i->renew) {
            /* A minute at most: the clock may be set, and an answer may end before it is renewed. */
            int64_t s_left = i->renew - now.unix_s < 60 ? i->renew - now.unix_s : 60;

            if (at < now.mono_us + s_left * 1000000)
                at = now.mono_us + s_left * 1000000;
        }
        first = at < first ? at : first;
    }
    return first;
}
