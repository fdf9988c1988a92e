/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A laboratory for SEV-SNP evidence: its own root, intermediate and report key, certificates with AMD's extensions,
 * and reports written by offset, so that a case or a test can make exactly one thing wrong.
 */
#ifndef CLO_LAB_SNP_H
#define CLO_LAB_SNP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/snp.h"
#include "crypto/x509_make.h"
#include "lab/lab.h"

#define SNP_OID(x) "1.3.6.1.4.1.3704.1." x

/* Keys are made once a process. */
static struct {
    struct clo_signer *root, *ask, *leaf, *stranger, *stranger_leaf;
} snp_lab;

static inline int snp_lab_open(void **state)
{
    (void)state;
    return clo_signer_new_rsa(2048, &snp_lab.root) | clo_signer_new_rsa(2048, &snp_lab.ask) |
           clo_signer_new_rsa(2048, &snp_lab.stranger) | clo_signer_new_p384(&snp_lab.leaf) |
           clo_signer_new_p384(&snp_lab.stranger_leaf);
}

static inline int snp_lab_close(void **state)
{
    (void)state;
    clo_signer_free(snp_lab.root);
    clo_signer_free(snp_lab.ask);
    clo_signer_free(snp_lab.leaf);
    clo_signer_free(snp_lab.stranger);
    clo_signer_free(snp_lab.stranger_leaf);
    return 0;
}

struct snp_ext {
    const char *oid;
    uint8_t p[80];
    size_t n;
};

/* Everything that evidence is made of; snp_lab_good() is right in every respect. */
struct snp_recipe {
    const char *product; /* "Genoa": whose place the root takes */
    const char *root_cn, *ask_cn, *ask_issuer_cn, *leaf_cn, *leaf_issuer_cn;
    const struct clo_signer *ask_issuer, *leaf_issuer, *leaf, *crl_issuer, *report_signer;
    int64_t root_to, ask_to, leaf_from, leaf_to;
    int leaf_salt;
    bool ask_no_ca, leaf_ca;
    struct snp_ext ext[16];
    size_t exts;
    size_t chain_n;
    bool chain_garbage;
    bool no_root; /* nothing is pinned */
    bool no_crl;
    int64_t crl_from, crl_to;
    int64_t clean_crl_from; /* not zero: a second list, which revokes nothing */
    bool clean_crl_first;
    uint64_t revoked;
    uint8_t report[CLO_SNP_REPORT_LEN];
    size_t report_n;
    int flip; /* a bit of the finished report; -1: none */
    uint8_t report_data[64];
    char policy[4096]; /* ' stands for " */
    bool no_policy;    /* none is given */
    bool if_present;   /* revocation is judged where there is something to judge it by */
    int64_t now;
};

static inline void snp_put32(struct snp_recipe *r, size_t at, uint32_t v)
{
    for (size_t i = 0; i < 4; i++)
        r->report[at + i] = (uint8_t)(v >> (8 * i));
}

static inline void snp_put64(struct snp_recipe *r, size_t at, uint64_t v)
{
    snp_put32(r, at, (uint32_t)v);
    snp_put32(r, at + 4, (uint32_t)(v >> 32));
}

/* TCB_VERSION of Milan and Genoa. */
static inline uint64_t snp_tcb(unsigned bl, unsigned tee, unsigned snp, unsigned ucode)
{
    return bl | (uint64_t)tee << 8 | (uint64_t)snp << 48 | (uint64_t)ucode << 56;
}

static inline struct snp_ext *snp_ext_find(struct snp_recipe *r, const char *oid)
{
    for (size_t i = 0; i < r->exts; i++)
        if (strcmp(r->ext[i].oid, oid) == 0)
            return &r->ext[i];
    lab_cannot(__FILE__, __LINE__, oid);
}

static inline void snp_ext_set(struct snp_recipe *r, const char *oid, const void *p, size_t n)
{
    struct snp_ext *e = NULL;

    for (size_t i = 0; i < r->exts; i++)
        if (strcmp(r->ext[i].oid, oid) == 0)
            e = &r->ext[i];
    if (e == NULL) {
        LAB_MUST(r->exts < CLO_ARRAY_LEN(r->ext));
        e = &r->ext[r->exts++];
    }
    LAB_MUST(n <= sizeof e->p);
    e->oid = oid;
    memcpy(e->p, p, n);
    e->n = n;
}

static inline void snp_ext_int(struct snp_recipe *r, const char *oid, unsigned v)
{
    const uint8_t small[] = {2, 1, (uint8_t)v}, large[] = {2, 2, 0, (uint8_t)v};

    if (v < 0x80)
        snp_ext_set(r, oid, small, sizeof small);
    else
        snp_ext_set(r, oid, large, sizeof large);
}

static inline void snp_ext_text(struct snp_recipe *r, const char *oid, const char *s)
{
    uint8_t p[80] = {0x16, (uint8_t)strlen(s)};

    memcpy(p + 2, s, strlen(s));
    snp_ext_set(r, oid, p, strlen(s) + 2);
}

static inline void snp_ext_drop(struct snp_recipe *r, const char *oid)
{
    struct snp_ext *e = snp_ext_find(r, oid);

    *e = r->ext[--r->exts];
}

/* One edit of the policy's text. */
static inline void snp_policy_edit(struct snp_recipe *r, const char *from, const char *to)
{
    char s[sizeof r->policy];
    const char *at = strstr(r->policy, from);

    LAB_MUST(at != NULL);
    (void)snprintf(s, sizeof s, "%.*s%s%s", (int)(at - r->policy), r->policy, to,
                   at + strlen(from));
    memcpy(r->policy, s, sizeof s);
}

#define SNP_LAB_MEASUREMENT                            \
    "555555555555555555555555555555555555555555555555" \
    "555555555555555555555555555555555555555555555555"

static inline struct snp_recipe snp_lab_good(void)
{
    static const char *const zero[] = {SNP_OID("1"),   SNP_OID("3.2"), SNP_OID("3.4"),
                                       SNP_OID("3.5"), SNP_OID("3.6"), SNP_OID("3.7")};
    struct snp_recipe r = {
        .product = "Genoa",
        .root_cn = "ARK-Genoa",
        .ask_cn = "SEV-Genoa",
        .ask_issuer_cn = "ARK-Genoa",
        .leaf_cn = "SEV-VCEK",
        .leaf_issuer_cn = "SEV-Genoa",
        .ask_issuer = snp_lab.root,
        .leaf_issuer = snp_lab.ask,
        .leaf = snp_lab.leaf,
        .crl_issuer = snp_lab.root,
        .report_signer = snp_lab.leaf,
        .root_to = LAB_NOW + 20 * (int64_t)LAB_YEAR,
        .ask_to = LAB_NOW + 10 * (int64_t)LAB_YEAR,
        .leaf_from = LAB_NOW - LAB_YEAR,
        .leaf_to = LAB_NOW + 6 * LAB_YEAR,
        .chain_n = 2,
        .crl_from = LAB_NOW - LAB_DAY,
        .crl_to = LAB_NOW + LAB_YEAR,
        .revoked = 131073,
        .report_n = CLO_SNP_REPORT_LEN,
        .flip = -1,
        .now = LAB_NOW,
    };

    snp_put32(&r, 0x000, 5);
    snp_put32(&r, 0x004, 3);
    snp_put64(&r, 0x008, 0x3001f);
    snp_put32(&r, 0x034, 1);
    snp_put64(&r, 0x040, 0x25);
    for (size_t i = 0; i < 64; i++) {
        r.report_data[i] = (uint8_t)(0xa0 + i);
        r.report[0x050 + i] = r.report_data[i];
        r.report[0x1a0 + i] = (uint8_t)(i + 1);
    }
    memset(r.report + 0x090, 0x55, 48);
    memcpy(r.report + 0x188, "\x19\x11\x01", 3);
    memcpy(r.report + 0x1e8, "\x2b\x37\x01\x00\x2b\x37\x01\x00", 8);
    snp_put64(&r, 0x038, snp_tcb(10, 0, 27, 200));
    snp_put64(&r, 0x180, snp_tcb(10, 0, 27, 200));
    snp_put64(&r, 0x1e0, snp_tcb(10, 0, 27, 200));
    snp_put64(&r, 0x1f0, snp_tcb(10, 0, 27, 200));
    snp_put64(&r, 0x1f8, 3);
    snp_put64(&r, 0x200, 3);

    for (size_t i = 0; i < CLO_ARRAY_LEN(zero); i++)
        snp_ext_int(&r, zero[i], 0);
    snp_ext_text(&r, SNP_OID("2"), "Genoa");
    snp_ext_int(&r, SNP_OID("3.1"), 10);
    snp_ext_int(&r, SNP_OID("3.3"), 27);
    snp_ext_int(&r, SNP_OID("3.8"), 200);
    snp_ext_set(&r, SNP_OID("4"), r.report + 0x1a0, 64);

    (void)snprintf(
        r.policy, sizeof r.policy, "%s",
        "{'v':1,'name':'laboratory','tee':['sev-snp'],'measurements':['" SNP_LAB_MEASUREMENT
        "'],'sev_snp':{'products':{'genoa':{"
        "'min_tcb':{'bl':10,'tee':0,'snp':27,'ucode':200},"
        "'min_launch_tcb':{'bl':10,'tee':0,'snp':27,'ucode':200},"
        "'min_firmware':'1.55.43'}},"
        "'min_abi':'0.31','allow_smt':true,'require_platform':['alias_check','ecc'],"
        "'min_guest_svn':3,'mitigations':[0,1]},'devices':{'min':0}}");
    return r;
}

/* The same of other products. */
static inline struct snp_recipe snp_lab_milan(void)
{
    struct snp_recipe r = snp_lab_good();

    r.product = "Milan";
    r.root_cn = r.ask_issuer_cn = "ARK-Milan";
    r.ask_cn = r.leaf_issuer_cn = "SEV-Milan";
    snp_ext_text(&r, SNP_OID("2"), "Milan-B0");
    memcpy(r.report + 0x188, "\x19\x01\x01", 3);
    snp_policy_edit(&r, "'genoa'", "'milan'");
    return r;
}

static inline struct snp_recipe snp_lab_turin(void)
{
    struct snp_recipe r = snp_lab_good();

    r.product = "Turin";
    r.root_cn = r.ask_issuer_cn = "ARK-Turin";
    r.ask_cn = r.leaf_issuer_cn = "SEV-Turin";
    snp_ext_text(&r, SNP_OID("2"), "Turin");
    snp_ext_int(&r, SNP_OID("1"), 1);
    snp_ext_drop(&r, SNP_OID("3.4"));
    snp_ext_int(&r, SNP_OID("3.9"), 2);
    snp_ext_set(&r, SNP_OID("4"), r.report + 0x1a0, 8);
    memset(r.report + 0x1a8, 0, 56);
    memcpy(r.report + 0x188, "\x1a\x02\x01", 3);
    for (size_t i = 0; i < 4; i++)
        memcpy(r.report + (const size_t[]){0x38, 0x180, 0x1e0, 0x1f0}[i],
               "\x02\x0a\x00\x1b\x00\x00\x00\xc8", 8);
    snp_put64(&r, 0x040, 0x67); /* bit 6 is reserved, and set on real machines */
    snp_policy_edit(&r, "'genoa'", "'turin'");
    snp_policy_edit(&r, "{'bl':10", "{'fmc':2,'bl':10");
    snp_policy_edit(&r, "{'bl':10", "{'fmc':2,'bl':10");
    return r;
}

/* ---- making it ---- */

static inline struct cloister_policy *snp_lab_policy(const struct snp_recipe *r)
{
    struct cloister_policy *p = NULL;
    char s[sizeof r->policy], why[200];

    if (r->no_policy)
        return NULL;
    memcpy(s, r->policy, sizeof s);
    for (char *c = s; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    if (cloister_policy_check(s, strlen(s), why, sizeof why) != 0)
        lab_cannot(__FILE__, __LINE__, why);
    LAB_MUST(cloister_policy_parse(s, strlen(s), &p) == 0);
    p->revocation_if_present = r->if_present;
    return p;
}

static inline void snp_lab_root(const struct snp_recipe *r, struct clo_buf *der)
{
    const struct clo_cert_spec spec = {
        .subject_cn = r->root_cn,
        .issuer_cn = r->root_cn,
        .serial = 131072,
        .not_before = LAB_NOW - 5 * (int64_t)LAB_YEAR,
        .not_after = r->root_to,
        .ca = true,
        .subject = snp_lab.root,
        .issuer = snp_lab.root,
    };

    *der = clo_buf_init(CLO_CERT_MAX);
    LAB_MUST(clo_cert_make(&spec, der) == 0);
}

static inline void snp_lab_chain(const struct snp_recipe *r, struct clo_buf chain[CLO_CHAIN_MAX])
{
    struct clo_cert_ext_spec ext[CLO_ARRAY_LEN(r->ext)];
    const struct clo_cert_spec ask = {
        .subject_cn = r->ask_cn,
        .issuer_cn = r->ask_issuer_cn,
        .serial = 131074,
        .not_before = LAB_NOW - 4 * (int64_t)LAB_YEAR,
        .not_after = r->ask_to,
        .ca = !r->ask_no_ca,
        .subject = snp_lab.ask,
        .issuer = r->ask_issuer,
    };
    const struct clo_cert_spec leaf = {
        .subject_cn = r->leaf_cn,
        .issuer_cn = r->leaf_issuer_cn,
        .not_before = r->leaf_from,
        .not_after = r->leaf_to,
        .ca = r->leaf_ca,
        .ext = ext,
        .exts = r->exts,
        .subject = r->leaf,
        .issuer = r->leaf_issuer,
        .salt_len = r->leaf_salt,
    };

    for (size_t i = 0; i < r->exts; i++)
        ext[i] = (struct clo_cert_ext_spec){
            .oid = r->ext[i].oid, .p = r->ext[i].p, .n = r->ext[i].n};
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        chain[i] = clo_buf_init(CLO_CERT_MAX);
    LAB_MUST(clo_cert_make(&leaf, &chain[0]) == 0);
    LAB_MUST(clo_cert_make(&ask, &chain[1]) == 0);
    LAB_MUST(clo_cert_make(&ask, &chain[2]) == 0); /* only seen if chain_n says so */
    if (r->chain_garbage)
        chain[1].p[0] ^= 1;
}

static inline void snp_lab_crl(const struct snp_recipe *r, struct clo_collateral *c)
{
    const size_t own = r->clean_crl_from != 0 && r->clean_crl_first;
    struct clo_crl_spec spec = {
        .issuer_cn = r->root_cn,
        .this_update = r->crl_from,
        .next_update = r->crl_to,
        .revoked = &r->revoked,
        .revoked_n = 1,
        .issuer = r->crl_issuer,
    };

    *c = (struct clo_collateral){0};
    if (r->no_crl)
        return;
    c->crl[own] = clo_buf_init(CLO_CRL_MAX);
    c->crls = 1;
    LAB_MUST(clo_crl_make(&spec, &c->crl[own]) == 0);
    if (r->clean_crl_from != 0) {
        spec.this_update = r->clean_crl_from;
        spec.revoked_n = 0;
        c->crl[!own] = clo_buf_init(CLO_CRL_MAX);
        c->crls = 2;
        LAB_MUST(clo_crl_make(&spec, &c->crl[!own]) == 0);
    }
}

/* Sign what stands in report[0..0x2a0), and then flip the bit. */
static inline void snp_lab_sign(const struct snp_recipe *r, uint8_t report[CLO_SNP_REPORT_LEN])
{
    uint8_t sig[2][48];

    memcpy(report, r->report, CLO_SNP_REPORT_LEN);
    LAB_MUST(clo_signer_sign_p384(r->report_signer, report, 0x2a0, sig[0], sig[1]) == 0);
    for (size_t i = 0; i < 48; i++) {
        report[0x2a0 + i] = sig[0][47 - i];
        report[0x2e8 + i] = sig[1][47 - i];
    }
    if (r->flip >= 0)
        report[r->flip / 8] ^= (uint8_t)(1u << (r->flip % 8));
}

static inline struct cloister_roots *snp_lab_roots(const struct snp_recipe *r)
{
    struct cloister_roots *roots = NULL;
    struct clo_buf der;

    LAB_MUST(cloister_roots_new(&roots) == 0);
    if (!r->no_root) {
        snp_lab_root(r, &der);
        LAB_MUST(cloister_roots_add_amd(roots, r->product, der.p, der.len) == 0);
        clo_buf_clear(&der);
    }
    return roots;
}

#endif
