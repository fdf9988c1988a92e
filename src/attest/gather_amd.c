/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an SEV-SNP report needs beside itself: the certificate of the key that signed it (VCEK), which AMD's service makes of chip
 * and firmware level; its issuer; the list of revoked issuers. The host may give certificates with the report: none of them is
 * believed, and one that is of another firmware level is of no use, because the key was another.
 */
#include <stdio.h>
#include <string.h>

#include "attest/gather_in.h"
#include "attest/hcl.h"

#define TURIN_HWID_LEN 8
#define CHIP_LEN       64
#define CN_LEN         64
#define CHAIN_FILE_MAX 8 /* certificates in an answer */

/* ---- a report and the certificates beside it ---- */

struct snp_view {
    const struct clo_cpu_section *cpu;
    struct clo_snp_report r;
    enum clo_snp_product product; /* UNKNOWN: a version 2 report's that no certificate tells */
    struct clo_snp_tcb reported;  /* where the product is known */
    bool vlek, masked;
    const struct clo_cert *cert[CLO_CHAIN_MAX]; /* NULL: can't be read */
    struct clo_cert *own[CLO_CHAIN_MAX];
    size_t leaf, issuer, root; /* in the chain; CLO_CHAIN_MAX: none */
};

static void view_clear(struct snp_view *v)
{
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_cert_free(v->own[i]);
}

static void tcb_bytes(uint64_t raw, uint8_t ret[8])
{
    for (size_t i = 0; i < 8; i++)
        ret[i] = (uint8_t)(raw >> (8 * i));
}

static uint64_t tcb_raw(const uint8_t tcb[8])
{
    uint64_t raw = 0;

    for (size_t i = 8; i > 0; i--)
        raw = raw << 8 | tcb[i - 1];
    return raw;
}

static bool tcb_same(const struct clo_snp_tcb *a, const struct clo_snp_tcb *b)
{
    return clo_snp_tcb_at_least(a, b) && clo_snp_tcb_at_least(b, a);
}

static bool cn_starts(const struct clo_cert *c, const char *with)
{
    char cn[CN_LEN];

    return clo_cert_cn(c, cn, sizeof cn) == 0 && strncmp(cn, with, strlen(with)) == 0;
}

/* Is it the certificate of the key that signed a report of this product, as far as both say? */
static bool is_leaf(const struct snp_view *v, const struct clo_cert *c)
{
    struct clo_snp_endorsement e;
    uint8_t chip[CHIP_LEN] = {0};

    if (c == NULL || !cn_starts(c, v->vlek ? "SEV-VLEK" : "SEV-VCEK"))
        return false;
    clo_snp_endorsement_read(c, &e);
    if (e.product_err != 0 || e.product != v->product || e.tcb_err != 0 ||
        !tcb_same(&e.tcb, &v->reported))
        return false;
    if (v->vlek)
        return true;
    if (e.hwid_err != 0)
        return false;
    memcpy(chip, e.hwid, e.hwid_n);
    return v->masked || memcmp(chip, v->r.chip_id, sizeof chip) == 0;
}

/* As appraisal finds it: by CPUID, and in version 2, which has none, by the leaf's extension. */
static void product_find(struct snp_view *v)
{
    if (v->r.version >= 3) {
        v->product = clo_snp_report_product(&v->r);
        return;
    }
    for (size_t i = 0; i < v->cpu->chain_n && v->product == CLO_SNP_UNKNOWN; i++) {
        struct clo_snp_endorsement e;

        if (v->cert[i] == NULL)
            continue;
        clo_snp_endorsement_read(v->cert[i], &e);
        if (e.product_err == 0)
            v->product = e.product;
    }
}

static int report_find(const struct clo_cpu_section *cpu, const uint8_t **ret, size_t *ret_n)
{
    struct clo_hcl h;

    *ret = cpu->report;
    *ret_n = cpu->report_n;
    if (clo_cpu_kind(cpu->type) != CLO_CPU_SNP_AZURE)
        return 0;
    if (clo_hcl_parse(cpu->hcl.p, cpu->hcl.len, &h) != 0 || h.report_type != CLO_HCL_SNP)
        return CLOISTER_E_MALFORMED;
    *ret = h.report;
    *ret_n = CLO_SNP_REPORT_LEN;
    return 0;
}

/* Which of the chain's signed `c`, by name and signature; CLO_CHAIN_MAX: none. */
static int issuer_find(const struct snp_view *v, const struct clo_cert *c, size_t *ret)
{
    *ret = CLO_CHAIN_MAX;
    for (size_t i = 0; i < v->cpu->chain_n && *ret == CLO_CHAIN_MAX; i++) {
        int err;

        if (v->cert[i] == NULL || v->cert[i] == c)
            continue;
        err = clo_cert_signed_by(c, v->cert[i], CLO_SIG_RSA_PSS_SHA384);
        if (clo_is_ours(err))
            return err;
        if (err == 0)
            *ret = i;
    }
    return 0;
}

static int view_make(const struct clo_cpu_section *cpu, struct snp_view *v)
{
    const uint8_t *report = NULL;
    size_t n = 0;
    int err;

    *v = (struct snp_view){
        .cpu = cpu, .leaf = CLO_CHAIN_MAX, .issuer = CLO_CHAIN_MAX, .root = CLO_CHAIN_MAX};
    if (cpu->chain_n > CLO_CHAIN_MAX)
        return CLOISTER_E_ARGUMENT;
    if (report_find(cpu, &report, &n) != 0 || clo_snp_report_parse(report, n, &v->r) != 0)
        return CLOISTER_E_MALFORMED;
    v->vlek = v->r.signing_key == CLO_SNP_KEY_VLEK;
    v->masked = v->r.mask_chip_key || clo_all_zero(v->r.chip_id, sizeof v->r.chip_id);
    for (size_t i = 0; i < cpu->chain_n; i++) {
        err = clo_known_cert(cpu->chain[i].p, cpu->chain[i].len, &v->cert[i], &v->own[i]);
        if (clo_is_ours(err))
            return err;
    }
    product_find(v);
    if (v->product == CLO_SNP_UNKNOWN)
        return v->r.version < 3 ? 0 : CLOISTER_E_UNSUPPORTED;
    if (clo_snp_tcb_decode(v->product, v->r.reported_tcb, &v->reported) != 0)
        return CLOISTER_E_MALFORMED;
    for (size_t i = 0; i < cpu->chain_n && v->leaf == CLO_CHAIN_MAX; i++)
        if (is_leaf(v, v->cert[i]))
            v->leaf = i;
    for (size_t i = 0; i < cpu->chain_n && v->root == CLO_CHAIN_MAX; i++)
        if (v->cert[i] != NULL && clo_cert_names_itself(v->cert[i]))
            v->root = i;
    return v->leaf == CLO_CHAIN_MAX ? 0 : issuer_find(v, v->cert[v->leaf], &v->issuer);
}

/* AMD's own intermediate, if it is what signed this leaf. */
static int known_issuer(const struct clo_cert *leaf, enum clo_snp_product product, bool vlek,
                        const struct clo_cert **ret, const uint8_t **ret_der, size_t *ret_n)
{
    char cn[CN_LEN];
    int err;

    (void)snprintf(cn, sizeof cn, "SEV-%s%s", vlek ? "VLEK-" : "", clo_snp_product_name(product));
    err = clo_known_by_cn(cn, ret, ret_der, ret_n);
    if (err == 0)
        err = clo_cert_signed_by(leaf, *ret, CLO_SIG_RSA_PSS_SHA384);
    return err == 0 || clo_is_ours(err) ? err : CLOISTER_E_NOT_FOUND;
}

/* ---- wants ---- */

static enum clo_amd_product amd_product(enum clo_snp_product p)
{
    return (enum clo_amd_product)(p - CLO_SNP_MILAN);
}

static enum clo_snp_product snp_product(enum clo_amd_product p)
{
    return (enum clo_snp_product)(p + CLO_SNP_MILAN);
}

static int want_vcek(const struct snp_view *v, enum clo_snp_product product, struct clo_wants *l)
{
    struct clo_want w = {.kind = CLO_WANT_AMD_VCEK,
                         .product = amd_product(product),
                         .hwid_n = product == CLO_SNP_TURIN ? TURIN_HWID_LEN : CHIP_LEN};

    if (v->masked)
        return CLOISTER_E_UNSUPPORTED;
    if (!clo_all_zero(v->r.chip_id + w.hwid_n, CHIP_LEN - w.hwid_n))
        return CLOISTER_E_MALFORMED;
    memcpy(w.hwid, v->r.chip_id, w.hwid_n);
    tcb_bytes(v->r.reported_tcb, w.tcb);
    return clo_wants_add(l, &w);
}

static int wants_of_view(const struct snp_view *v, struct clo_wants *l)
{
    const bool simulated = clo_cpu_kind(v->cpu->type) == CLO_CPU_SIMULATED,
               leaf = v->leaf != CLO_CHAIN_MAX;
    struct clo_want w = {.product = amd_product(v->product), .vlek = v->vlek};
    const struct clo_cert *known = NULL;
    const uint8_t *der = NULL;
    size_t n = 0;
    int err;

    if (!v->vlek && v->r.signing_key != CLO_SNP_KEY_VCEK)
        return CLOISTER_E_UNSUPPORTED;
    if (v->vlek && !leaf)
        return CLOISTER_E_NOT_FOUND;
    if (v->product == CLO_SNP_UNKNOWN) { /* version 2 was Milan's and Genoa's */
        err = want_vcek(v, CLO_SNP_MILAN, l);
        return err != 0 ? err : want_vcek(v, CLO_SNP_GENOA, l);
    }
    if (!leaf && (err = want_vcek(v, v->product, l)) != 0)
        return err;
    err = CLOISTER_E_NOT_FOUND;
    if (leaf && v->issuer != CLO_CHAIN_MAX && (!simulated || v->root != CLO_CHAIN_MAX))
        err = 0;
    else if (leaf && !simulated)
        err = known_issuer(v->cert[v->leaf], v->product, v->vlek, &known, &der, &n);
    if (clo_is_ours(err))
        return err;
    w.kind = CLO_WANT_AMD_CHAIN;
    if (err != 0 && (err = clo_wants_add(l, &w)) != 0)
        return err;
    w.kind = CLO_WANT_AMD_CRL;
    return clo_wants_add(l, &w);
}

int clo_amd_wants(const struct clo_cpu_section *cpu, struct clo_wants *l)
{
    struct snp_view v;
    int err = view_make(cpu, &v);

    if (err == 0)
        err = wants_of_view(&v, l);
    view_clear(&v);
    return err;
}

/* ---- answers ---- */

static int vcek_take(const struct clo_answer *a, struct clo_entry *e)
{
    const enum clo_snp_product product = snp_product(e->want.product);
    const struct clo_cert *known = NULL;
    struct clo_snp_endorsement end;
    struct clo_snp_tcb tcb;
    struct clo_cert *c = NULL;
    const uint8_t *der = NULL;
    size_t n = 0;
    int err;

    if ((err = clo_cert_parse(a->body, a->body_n, &c)) != 0)
        return err;
    clo_snp_endorsement_read(c, &end);
    if (!cn_starts(c, "SEV-VCEK") || end.product_err != 0 || end.product != product ||
        end.hwid_err != 0 || end.hwid_n != e->want.hwid_n ||
        memcmp(end.hwid, e->want.hwid, end.hwid_n) != 0 || end.tcb_err != 0 ||
        clo_snp_tcb_decode(product, tcb_raw(e->want.tcb), &tcb) != 0 || !tcb_same(&end.tcb, &tcb)) {
        err = CLOISTER_E_MALFORMED;
        goto out;
    }
    err = known_issuer(c, product, false, &known, &der, &n);
    if (clo_is_ours(err))
        goto out;
    e->known_issuer = err == 0;
    clo_entry_limit(e, c);
    err = clo_buf_copy(&e->body, a->body, a->body_n, CLO_CERT_MAX);
out:
    clo_cert_free(c);
    return err;
}

/* AMD's name for this product's, or the simulator's. */
static bool named(const char *cn, const char *prefix, const struct clo_want *w)
{
    char want[CN_LEN];

    (void)snprintf(want, sizeof want, "%s%s", prefix,
                   clo_snp_product_name(snp_product(w->product)));
    return strncmp(cn, want, strlen(want)) == 0 &&
           (cn[strlen(want)] == '\0' || strcmp(cn + strlen(want), "-SIMULATED") == 0);
}

/* One certificate of a chain: the intermediate comes first in *e, whatever the file's order. */
static int chain_cert_take(const struct clo_buf *der, struct clo_entry *e)
{
    struct clo_cert *c = NULL;
    char cn[CN_LEN];
    size_t place = 0;
    int err;

    if ((err = clo_cert_parse(der->p, der->len, &c)) != 0)
        return err;
    err = CLOISTER_E_MALFORMED;
    if (clo_cert_cn(c, cn, sizeof cn) != 0)
        goto out;
    if (named(cn, "ARK-", &e->want))
        place = 1;
    else if (!named(cn, e->want.vlek ? "SEV-VLEK-" : "SEV-", &e->want)) {
        err = 0; /* AMD's files of both kinds of key's issuers are often kept in one */
        goto out;
    }
    if (e->chain[place].len != 0)
        goto out;
    clo_entry_limit(e, c);
    err = clo_buf_copy(&e->chain[place], der->p, der->len, CLO_CERT_MAX);
out:
    clo_cert_free(c);
    return err;
}

static int chain_take(const struct clo_answer *a, struct clo_entry *e)
{
    const char *p = (const char *)a->body;
    size_t n = a->body_n;
    int err = 0;

    for (size_t i = 0; err == 0; i++) {
        struct clo_buf der = clo_buf_init(CLO_CERT_MAX);

        err = clo_pem_next(&p, &n, "CERTIFICATE", &der);
        if (err == 0)
            err = i == CHAIN_FILE_MAX ? CLOISTER_E_MALFORMED : chain_cert_take(&der, e);
        clo_buf_clear(&der);
    }
    if (err != CLOISTER_E_NOT_FOUND)
        return err;
    e->chain_n = 2;
    return e->chain[0].len != 0 && e->chain[1].len != 0 ? 0 : CLOISTER_E_MALFORMED;
}

static int crl_take(const struct clo_answer *a, struct clo_entry *e)
{
    char cn[CN_LEN];
    int err = clo_entry_crl(e, a, cn, sizeof cn);

    return err == 0 && !named(cn, "ARK-", &e->want) ? CLOISTER_E_MALFORMED : err;
}

int clo_amd_take(const struct clo_answer *a, struct clo_entry *e)
{
    if (e->want.kind == CLO_WANT_AMD_VCEK)
        return vcek_take(a, e);
    return e->want.kind == CLO_WANT_AMD_CHAIN ? chain_take(a, e) : crl_take(a, e);
}

/* ---- into the section ---- */

/* Where only the leaf can tell the product. */
int clo_amd_prepare(struct clo_gathered *g, int64_t now, struct clo_cpu_section *cpu)
{
    struct clo_wants l = {0};
    struct clo_entry *e = NULL;
    struct clo_buf copy = {0};
    struct snp_view v;
    int err = view_make(cpu, &v);

    if (err != 0 || v.product != CLO_SNP_UNKNOWN || v.vlek || cpu->chain_n == CLO_CHAIN_MAX ||
        (err = wants_of_view(&v, &l)) != 0)
        goto out;
    for (size_t i = 0; i < l.count && e == NULL; i++)
        e = clo_gathered_find(g, &l.want[i], now);
    if (e == NULL || (err = clo_buf_copy(&copy, e->body.p, e->body.len, CLO_CERT_MAX)) != 0)
        goto out;
    e->used = true;
    g->prepared = e->want;
    cpu->chain[cpu->chain_n++] = copy;
out:
    clo_wants_clear(&l);
    view_clear(&v);
    return err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO ? err : 0;
}

static const struct clo_entry *usable(const struct clo_gathered *g, const struct clo_wants *wants,
                                      int64_t now, enum clo_want_kind kind)
{
    for (size_t i = 0; i < wants->count; i++)
        if (wants->want[i].kind == kind)
            return clo_gathered_find(g, &wants->want[i], now);
    return NULL;
}

/* The certificate above the leaf: one that signed it, from the host, the service, or built in; the service's else. */
static int issuer_get(const struct snp_view *v, const struct clo_cert *leaf,
                      const struct clo_entry *chain, struct clo_buf *ret)
{
    const struct clo_cert *known = NULL;
    const uint8_t *der = NULL;
    size_t i, n = 0;
    int err;

    if ((err = issuer_find(v, leaf, &i)) != 0)
        return err;
    if (i != CLO_CHAIN_MAX)
        return clo_buf_copy(ret, v->cpu->chain[i].p, v->cpu->chain[i].len, CLO_CERT_MAX);
    if (chain != NULL)
        return clo_buf_copy(ret, chain->chain[0].p, chain->chain[0].len, CLO_CERT_MAX);
    if ((err = known_issuer(leaf, v->product, v->vlek, &known, &der, &n)) != 0)
        return err;
    return clo_buf_copy(ret, der, n, CLO_CERT_MAX);
}

int clo_amd_chain(const struct clo_gathered *g, const struct clo_wants *wants, int64_t now,
                  const struct clo_cpu_section *cpu, struct clo_buf chain[CLO_CHAIN_MAX],
                  size_t *ret_n, enum clo_want_kind *ret_kind)
{
    const struct clo_entry *vcek = usable(g, wants, now, CLO_WANT_AMD_VCEK);
    const struct clo_entry *above = usable(g, wants, now, CLO_WANT_AMD_CHAIN);
    const struct clo_buf *leaf = NULL, *root = NULL;
    struct clo_cert *c = NULL;
    struct snp_view v;
    int err = view_make(cpu, &v);

    if (err != 0)
        goto out;
    *ret_kind = CLO_WANT_AMD_VCEK;
    err = CLOISTER_E_NOT_FOUND;
    if (v.leaf != CLO_CHAIN_MAX)
        leaf = &cpu->chain[v.leaf];
    else if (vcek != NULL && v.product != CLO_SNP_UNKNOWN)
        leaf = &vcek->body;
    if (leaf == NULL || (err = clo_cert_parse(leaf->p, leaf->len, &c)) != 0 ||
        (err = clo_buf_copy(&chain[0], leaf->p, leaf->len, CLO_CERT_MAX)) != 0)
        goto out;
    *ret_kind = CLO_WANT_AMD_CHAIN;
    if ((err = issuer_get(&v, c, above, &chain[1])) != 0)
        goto out;
    *ret_n = 2;
    if (clo_cpu_kind(cpu->type) != CLO_CPU_SIMULATED)
        goto out;
    if (above != NULL)
        root = &above->chain[1];
    else if (v.root != CLO_CHAIN_MAX)
        root = &cpu->chain[v.root];
    err = root == NULL ? CLOISTER_E_NOT_FOUND
                       : clo_buf_copy(&chain[2], root->p, root->len, CLO_CERT_MAX);
    *ret_n = 3;
out:
    clo_cert_free(c);
    view_clear(&v);
    return err;
}
