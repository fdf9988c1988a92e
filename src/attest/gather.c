/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What evidence wants, and what has been answered. What an answer has to say is each vendor's file's: gather_amd.c, gather_intel.c,
 * gather_nvidia.c.
 */
#include <stdlib.h>
#include <string.h>

#include "attest/gather_in.h"

/* ---- wants ---- */

int clo_wants_add(struct clo_wants *l, const struct clo_want *w)
{
    struct clo_want *grown = NULL;

    for (size_t i = 0; i < l->count; i++)
        if (clo_want_same(&l->want[i], w))
            return 0;
    if (l->count == CLO_WANTS_MAX)
        return CLOISTER_E_LIMIT;
    if ((grown = realloc(l->want, (l->count + 1) * sizeof *grown)) == NULL)
        return CLOISTER_E_MEMORY;
    l->want = grown;
    l->want[l->count++] = *w;
    return 0;
}

void clo_wants_clear(struct clo_wants *w)
{
    free(w->want);
    *w = (struct clo_wants){0};
}

int clo_wants_of(const struct clo_cpu_section *cpu, const struct clo_devices *devices,
                 struct clo_wants *ret)
{
    struct clo_wants l = {0};
    int err = 0;

    if (cpu != NULL)
        switch (clo_cpu_kind(cpu->type)) {
        case CLO_CPU_SIMULATED:
        case CLO_CPU_SNP:
        case CLO_CPU_SNP_AZURE: err = clo_amd_wants(cpu, &l); break;
        case CLO_CPU_TDX:
        case CLO_CPU_TDX_AZURE: err = clo_intel_wants(cpu, &l); break;
        case CLO_CPU_UNKNOWN: err = CLOISTER_E_ARGUMENT; break;
        }
    if (err == 0 && devices != NULL)
        err = clo_nvidia_wants(devices, &l);
    if (err == 0) {
        *ret = l;
        l = (struct clo_wants){0};
    }
    clo_wants_clear(&l);
    return err;
}

/* ---- answers ---- */

int clo_buf_copy(struct clo_buf *dst, const void *p, size_t n, size_t max)
{
    *dst = clo_buf_init(max);
    return clo_buf_append(dst, p, n);
}

void clo_entry_limit(struct clo_entry *e, const struct clo_cert *c)
{
    if (clo_cert_not_before(c) > e->made)
        e->made = clo_cert_not_before(c);
    if (clo_cert_not_after(c) < e->until)
        e->until = clo_cert_not_after(c);
}

int clo_entry_crl(struct clo_entry *e, const struct clo_answer *a, char *issuer, size_t cap)
{
    struct clo_crl *c = NULL;
    int err;

    if ((err = clo_crl_parse(a->body, a->body_n, &c)) != 0 ||
        (err = clo_crl_issuer_cn(c, issuer, cap)) != 0)
        goto out;
    e->made = clo_crl_this_update(c);
    e->until = clo_crl_next_update(c);
    err = clo_buf_copy(&e->body, a->body, a->body_n, CLO_CRL_MAX);
out:
    clo_crl_free(c);
    return err;
}

static void entry_free(struct clo_entry *e)
{
    if (e == NULL)
        return;
    clo_buf_clear(&e->body);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&e->chain[i]);
    free(e);
}

int clo_gathered_new(struct clo_gathered **ret)
{
    *ret = calloc(1, sizeof **ret);
    return *ret == NULL ? CLOISTER_E_MEMORY : 0;
}

void clo_gathered_free(struct clo_gathered *g)
{
    if (g == NULL)
        return;
    for (size_t i = 0; i < g->count; i++)
        entry_free(g->entry[i]);
    free(g);
}

static bool in_time(const struct clo_entry *e, int64_t now)
{
    return e->made <= now && now < e->until;
}

struct clo_entry *clo_gathered_find(const struct clo_gathered *g, const struct clo_want *w,
                                    int64_t now)
{
    for (size_t i = 0; i < g->count; i++)
        if (clo_want_same(&g->entry[i]->want, w))
            return in_time(g->entry[i], now) ? g->entry[i] : NULL;
    return NULL;
}

bool clo_gathered_has(const struct clo_gathered *g, const struct clo_want *w, int64_t now)
{
    if (clo_gathered_find(g, w, now) != NULL)
        return true;
    if (w->kind != CLO_WANT_AMD_CHAIN || w->vlek)
        return false;
    for (size_t i = 0; i < g->count; i++)
        if (g->entry[i]->want.kind == CLO_WANT_AMD_VCEK &&
            g->entry[i]->want.product == w->product && g->entry[i]->known_issuer &&
            in_time(g->entry[i], now))
            return true;
    return false;
}

static bool listed(const struct clo_wants *l, const struct clo_want *w)
{
    for (size_t i = 0; i < l->count; i++)
        if (clo_want_same(&l->want[i], w))
            return true;
    return false;
}

void clo_gathered_sweep(struct clo_gathered *g, const struct clo_wants *keep, int64_t now)
{
    size_t n = 0;

    for (size_t i = 0; i < g->count; i++) {
        struct clo_entry *e = g->entry[i];

        if (keep == NULL || now >= e->until || (!e->used && !listed(keep, &e->want))) {
            entry_free(e);
            continue;
        }
        e->used = false;
        g->entry[n++] = e;
    }
    g->count = n;
}

static int take(const struct clo_answer *a, struct clo_entry *e)
{
    if (a->body_n > CLO_ANSWER_MAX || a->chain_n > CLO_ANSWER_CHAIN_MAX)
        return CLOISTER_E_MALFORMED;
    switch (e->want.kind) {
    case CLO_WANT_AMD_VCEK:
    case CLO_WANT_AMD_CHAIN:
    case CLO_WANT_AMD_CRL: return clo_amd_take(a, e);
    case CLO_WANT_INTEL_TCB_INFO:
    case CLO_WANT_INTEL_QE_IDENTITY:
    case CLO_WANT_INTEL_PCK_CRL:
    case CLO_WANT_INTEL_ROOT_CRL:
    case CLO_WANT_AZURE_TD_QUOTE: return clo_intel_take(a, e);
    case CLO_WANT_NVIDIA_OCSP: return clo_nvidia_take(a, e);
    case CLO_WANT_KINDS: break;
    }
    return CLOISTER_E_ARGUMENT;
}

/*
 * Half of what was left when it was made; but what was already older than that when it came is asked for again only after half of what is
 * left now: there may be nothing newer for a long time.
 */
static int64_t renew_at(const struct clo_entry *e, int64_t now)
{
    const int64_t half = e->made + (e->until - e->made) / 2;

    if (e->until == INT64_MAX)
        return INT64_MAX;
    return half > now ? half : now + (e->until - now) / 2;
}

int clo_gathered_put(struct clo_gathered *g, const struct clo_want *w, const struct clo_answer *a,
                     int64_t now, int64_t *ret_until, int64_t *ret_renew)
{
    struct clo_entry *e = NULL;
    size_t i = 0;
    int err;

    if (w->request_n > sizeof w->request || w->hwid_n > sizeof w->hwid ||
        (unsigned)w->product >= CLO_AMD_PRODUCTS)
        return CLOISTER_E_ARGUMENT;
    if ((e = calloc(1, sizeof *e)) == NULL)
        return CLOISTER_E_MEMORY;
    e->want = *w;
    e->until = INT64_MAX;
    if ((err = take(a, e)) != 0) {
        err = clo_is_ours(err) || err == CLOISTER_E_ARGUMENT ? err : CLOISTER_E_MALFORMED;
        goto out;
    }
    if (!in_time(e, now)) {
        err = CLOISTER_E_EXPIRED;
        goto out;
    }
    while (i < g->count && !clo_want_same(&g->entry[i]->want, w))
        i++;
    if (i < g->count && in_time(g->entry[i], now) && g->entry[i]->made > e->made) {
        err = CLOISTER_E_STATE;
        goto out;
    }
    if (i == CLO_ARRAY_LEN(g->entry)) {
        err = CLOISTER_E_FULL;
        goto out;
    }
    *ret_until = e->until;
    *ret_renew = renew_at(e, now);
    if (i < g->count) {
        e->used = g->entry[i]->used;
        entry_free(g->entry[i]);
    } else {
        g->count++;
    }
    g->entry[i] = e;
    e = NULL;
out:
    entry_free(e);
    return err;
}

/* ---- into the evidence ---- */

int clo_gathered_prepare(struct clo_gathered *g, int64_t now, struct clo_cpu_section *cpu)
{
    g->prepared = (struct clo_want){0};
    switch (clo_cpu_kind(cpu->type)) {
    case CLO_CPU_SNP:
    case CLO_CPU_SNP_AZURE: return clo_amd_prepare(g, now, cpu);
    case CLO_CPU_TDX_AZURE: return clo_intel_prepare(g, now, cpu);
    case CLO_CPU_SIMULATED:
    case CLO_CPU_TDX:
    case CLO_CPU_UNKNOWN: break;
    }
    return 0;
}

const struct clo_want *clo_gathered_prepared(const struct clo_gathered *g)
{
    return (int)g->prepared.kind != 0 ? &g->prepared : NULL;
}

static int crl_put(const struct clo_entry *e, struct clo_collateral *c)
{
    if (c->crls == CLO_CRLS_MAX)
        return CLOISTER_E_LIMIT;
    return clo_buf_copy(&c->crl[c->crls++], e->body.p, e->body.len, CLO_CRL_MAX);
}

/* Several certificates may be one answer's. */
static int ocsp_put(const struct clo_entry *e, struct clo_collateral *c)
{
    for (size_t i = 0; i < c->ocsps; i++)
        if (c->ocsp[i].len == e->body.len && memcmp(c->ocsp[i].p, e->body.p, e->body.len) == 0)
            return 0;
    if (c->ocsps == CLO_OCSPS_MAX)
        return CLOISTER_E_LIMIT;
    return clo_buf_copy(&c->ocsp[c->ocsps++], e->body.p, e->body.len, CLO_OCSP_MAX);
}

/* The TCB info's signer signed the QE identity too, else no verifier takes them together. */
static int intel_put(const struct clo_entry *e, struct clo_buf *document, struct clo_collateral *c)
{
    int err = clo_buf_copy(document, e->body.p, e->body.len, CLO_TCB_INFO_MAX);

    for (size_t i = 0; err == 0 && c->collateral_chain_n <= i && i < e->chain_n; i++) {
        err = clo_buf_copy(&c->collateral_chain[i], e->chain[i].p, e->chain[i].len, CLO_CERT_MAX);
        c->collateral_chain_n = i + 1;
    }
    return err;
}

static int put(const struct clo_entry *e, struct clo_collateral *c)
{
    switch (e->want.kind) {
    case CLO_WANT_AMD_CRL:
    case CLO_WANT_INTEL_PCK_CRL:
    case CLO_WANT_INTEL_ROOT_CRL: return crl_put(e, c);
    case CLO_WANT_INTEL_TCB_INFO: return intel_put(e, &c->tcb_info, c);
    case CLO_WANT_INTEL_QE_IDENTITY: return intel_put(e, &c->qe_identity, c);
    case CLO_WANT_NVIDIA_OCSP: return ocsp_put(e, c);
    case CLO_WANT_AMD_VCEK:
    case CLO_WANT_AMD_CHAIN:
    case CLO_WANT_AZURE_TD_QUOTE:
    case CLO_WANT_KINDS: break;
    }
    return 0;
}

static bool has_chain(const struct clo_cpu_section *cpu)
{
    const enum clo_cpu_kind kind = cpu == NULL ? CLO_CPU_UNKNOWN : clo_cpu_kind(cpu->type);

    return kind == CLO_CPU_SIMULATED || kind == CLO_CPU_SNP || kind == CLO_CPU_SNP_AZURE;
}

static void chain_clear(struct clo_buf chain[CLO_CHAIN_MAX])
{
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&chain[i]);
}

/* Everything but the two that become the section's chain: those are looked at where the chain is made. */
static int collateral_make(const struct clo_gathered *g, const struct clo_wants *wants, int64_t now,
                           struct clo_collateral *c, size_t *missing)
{
    for (size_t i = 0; i < wants->count; i++) {
        const struct clo_want *w = &wants->want[i];
        const struct clo_entry *e = clo_gathered_find(g, w, now);
        int err;

        if (w->kind == CLO_WANT_AMD_VCEK || w->kind == CLO_WANT_AMD_CHAIN)
            continue;
        *missing = i;
        if (e == NULL || w->kind == CLO_WANT_AZURE_TD_QUOTE) /* which _prepare would have used */
            return CLOISTER_E_NOT_FOUND;
        if ((err = put(e, c)) != 0)
            return err;
    }
    return 0;
}

static size_t first_of(const struct clo_wants *wants, enum clo_want_kind kind)
{
    size_t i = 0;

    while (i < wants->count && wants->want[i].kind != kind)
        i++;
    return i;
}

int clo_gathered_complete(const struct clo_gathered *g, const struct clo_wants *wants, int64_t now,
                          struct clo_cpu_section *cpu, struct clo_collateral *ret,
                          size_t *ret_missing)
{
    struct clo_collateral c = {0};
    struct clo_buf chain[CLO_CHAIN_MAX] = {{0}};
    enum clo_want_kind kind = CLO_WANT_KINDS;
    size_t n = 0, missing = 0;
    int err = 0;

    if (has_chain(cpu) &&
        (err = clo_amd_chain(g, wants, now, cpu, chain, &n, &kind)) == CLOISTER_E_NOT_FOUND) {
        /* These aren't the section's wants, if they don't have what it lacks. */
        if ((missing = first_of(wants, kind)) == wants->count)
            err = CLOISTER_E_ARGUMENT;
    }
    if (err == 0)
        err = collateral_make(g, wants, now, &c, &missing);
    if (err == CLOISTER_E_NOT_FOUND && ret_missing != NULL)
        *ret_missing = missing;
    if (err != 0)
        goto out;
    if (has_chain(cpu)) {
        chain_clear(cpu->chain);
        memcpy(cpu->chain, chain, sizeof chain);
        cpu->chain_n = n;
        memset(chain, 0, sizeof chain);
    }
    *ret = c;
    c = (struct clo_collateral){0};
out:
    chain_clear(chain);
    clo_collateral_clear(&c);
    return err;
}
