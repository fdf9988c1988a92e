/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw evidence: reports and quotes that came from anywhere, appraised by the same code as those in Cloister's sections. What ties
 * them to anything is the caller's to say: nothing here binds keys, and no verdict made here opens a channel.
 *
 * Limits: an item 1 MiB, all together 4 MiB; CLO_DEVICES_MAX reports, CHAIN_MAX certificates a chain, CLO_CRLS_MAX and CLO_OCSPS_MAX
 * lists and answers, each of what is decoded as long as sections.h says. Fuzzed by fuzz/fuzz_raw.c.
 */
#include <cloister/verify.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/azure.h"
#include "attest/kind.h"
#include "attest/nvidia_in.h"
#include "crypto/x509.h"

#define ITEM_MAX   (1u << 20)
#define TOTAL_MAX  (4u << 20)
#define CHAIN_MAX  8
#define EXPECT_MAX 64
#define ITEMS      (CLOISTER_ITEM_EVENT_LOG + 1)
#define BIT(item)  (1u << (item))

struct cloister_raw {
    enum cloister_raw_type type;
    struct clo_buf once[ITEMS]; /* what comes once, by item */
    struct clo_buf chain[CHAIN_MAX];
    size_t chain_n;
    struct clo_device device[CLO_DEVICES_MAX]; /* NVIDIA */
    size_t devices;
    struct clo_collateral
        collateral; /* lists, answers and chain; TCB info and identity stand in `once` */
    size_t total;
    uint8_t digest[32]; /* over all items */
    uint8_t expect[EXPECT_MAX];
    size_t expect_n; /* 0: nothing is expected */
    bool any;
};

/* What each type has use for; and of that, what comes once. NVIDIA has a report for each device. */
static const struct {
    unsigned takes, once;
} use[] = {
    [CLOISTER_RAW_SEV_SNP] = {BIT(CLOISTER_ITEM_REPORT) | BIT(CLOISTER_ITEM_CERTIFICATES) |
                                  BIT(CLOISTER_ITEM_CRL),
                              BIT(CLOISTER_ITEM_REPORT)},
#define INTEL_ONCE_ \
    (BIT(CLOISTER_ITEM_REPORT) | BIT(CLOISTER_ITEM_TCB_INFO) | BIT(CLOISTER_ITEM_QE_IDENTITY))
#define INTEL_                                                                \
    (INTEL_ONCE_ | BIT(CLOISTER_ITEM_CERTIFICATES) | BIT(CLOISTER_ITEM_CRL) | \
     BIT(CLOISTER_ITEM_COLLATERAL_CHAIN))
    [CLOISTER_RAW_TDX] = {INTEL_ | BIT(CLOISTER_ITEM_EVENT_LOG),
                          INTEL_ONCE_ | BIT(CLOISTER_ITEM_EVENT_LOG)},
    [CLOISTER_RAW_SGX] = {INTEL_, INTEL_ONCE_},
#define TPM_                                                                                     \
    (BIT(CLOISTER_ITEM_TPM_QUOTE) | BIT(CLOISTER_ITEM_TPM_SIGNATURE) | BIT(CLOISTER_ITEM_PCRS) | \
     BIT(CLOISTER_ITEM_EVENT_LOG))
    [CLOISTER_RAW_AZURE] = {INTEL_ | TPM_ | BIT(CLOISTER_ITEM_TD_QUOTE),
                            INTEL_ONCE_ | TPM_ | BIT(CLOISTER_ITEM_TD_QUOTE)},
    [CLOISTER_RAW_NVIDIA] = {BIT(CLOISTER_ITEM_REPORT) | BIT(CLOISTER_ITEM_CERTIFICATES) |
                                 BIT(CLOISTER_ITEM_OCSP),
                             0},
    [CLOISTER_RAW_TPM] = {TPM_ | BIT(CLOISTER_ITEM_TPM_KEY) | BIT(CLOISTER_ITEM_CERTIFICATES),
                          TPM_ | BIT(CLOISTER_ITEM_TPM_KEY)},
#undef INTEL_ONCE_
#undef INTEL_
#undef TPM_
};

int cloister_raw_new(enum cloister_raw_type type, struct cloister_raw **ret)
{
    struct cloister_raw *r = NULL;

    if (ret == NULL || (size_t)type >= CLO_ARRAY_LEN(use) || use[type].takes == 0)
        return CLOISTER_E_ARGUMENT;
    if ((r = calloc(1, sizeof *r)) == NULL)
        return CLOISTER_E_MEMORY;
    r->type = type;
    *ret = r;
    return 0;
}

void cloister_raw_free(struct cloister_raw *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < ITEMS; i++)
        clo_buf_clear(&r->once[i]);
    for (size_t i = 0; i < r->chain_n; i++)
        clo_buf_clear(&r->chain[i]);
    for (size_t i = 0; i < r->devices; i++) {
        clo_buf_clear(&r->device[i].report);
        for (size_t k = 0; k < r->device[i].chain_n; k++)
            clo_buf_clear(&r->device[i].chain[k]);
    }
    clo_collateral_clear(&r->collateral);
    free(r);
}

/* ---- adding ---- */

/* A place for byte strings of one sort. */
struct list {
    struct clo_buf *at;
    size_t cap, max;
    size_t *count;
    const char *label; /* of its PEM form; NULL: it has none */
};

static int one_add(const struct list *l, const void *p, size_t n)
{
    int err;

    if (*l->count == l->cap || n > l->max)
        return CLOISTER_E_LIMIT;
    l->at[*l->count] = clo_buf_init(l->max);
    if ((err = clo_buf_append(&l->at[*l->count], p, n)) == 0)
        ++*l->count;
    return err;
}

/* Is it DER? Then it begins with a SEQUENCE; what stands behind that is for the one who decodes it. */
static bool is_der(const void *p, size_t n)
{
    struct clo_rd rd = clo_rd_init(p, n), in;

    return clo_der_read(&rd, 0x30, &in) == 0;
}

/* How much of an NV index's content is the certificate in it: behind it there is nothing but the index's filling. */
static size_t without_filling(const uint8_t *p, size_t n)
{
    struct clo_rd rd = clo_rd_init(p, n), in;

    if (clo_der_read(&rd, 0x30, &in) != 0)
        return n;
    for (size_t i = 0; i < rd.left; i++)
        if (rd.p[i] != rd.p[0] || (rd.p[i] != 0 && rd.p[i] != 0xff))
            return n;
    return n - rd.left;
}

/* At least one PEM block, or nothing is added. */
static int pem_add(const struct list *l, const char *p, size_t n)
{
    const size_t had = *l->count;
    int err = 0;

    while (err == 0) {
        struct clo_buf der = clo_buf_init(l->max);

        if ((err = clo_pem_next(&p, &n, l->label, &der)) == 0)
            err = one_add(l, der.p, der.len);
        clo_buf_clear(&der);
    }
    if (err == CLOISTER_E_NOT_FOUND && *l->count > had)
        return 0;
    while (*l->count > had)
        clo_buf_clear(&l->at[--*l->count]);
    return err == CLOISTER_E_NOT_FOUND ? CLOISTER_E_MALFORMED : err;
}

/* Where an item goes that comes more than once. */
static int list_of(struct cloister_raw *r, enum cloister_raw_item item, struct list *ret)
{
    struct clo_collateral *c = &r->collateral;
    static const char cert[] = "CERTIFICATE";

    if (item == CLOISTER_ITEM_CRL)
        *ret = (struct list){c->crl, CLO_CRLS_MAX, CLO_CRL_MAX, &c->crls, "X509 CRL"};
    else if (item == CLOISTER_ITEM_OCSP)
        *ret = (struct list){c->ocsp, CLO_OCSPS_MAX, CLO_OCSP_MAX, &c->ocsps, NULL};
    else if (item == CLOISTER_ITEM_COLLATERAL_CHAIN)
        *ret = (struct list){c->collateral_chain, CLO_CHAIN_MAX, CLO_CERT_MAX,
                             &c->collateral_chain_n, cert};
    else if (r->type != CLOISTER_RAW_NVIDIA)
        *ret = (struct list){r->chain, CHAIN_MAX, CLO_CERT_MAX, &r->chain_n, cert};
    else if (r->devices == 0)
        return CLOISTER_E_STATE; /* certificates of which report? */
    else
        *ret = (struct list){r->device[r->devices - 1].chain, CLO_DEVICE_CHAIN_MAX, CLO_CERT_MAX,
                             &r->device[r->devices - 1].chain_n, cert};
    return 0;
}

static int list_add(struct cloister_raw *r, enum cloister_raw_item item, const void *p, size_t n)
{
    struct list l = {0};
    int err;

    if ((err = list_of(r, item, &l)) != 0)
        return err;
    if (r->type == CLOISTER_RAW_TPM)
        n = without_filling(p, n);
    return l.label == NULL || is_der(p, n) ? one_add(&l, p, n) : pem_add(&l, p, n);
}

static int device_add(struct cloister_raw *r, const void *p, size_t n)
{
    struct clo_device *d = &r->device[r->devices];
    int err;

    if (r->devices == CLO_DEVICES_MAX || n > CLO_DEVICE_REPORT_MAX)
        return CLOISTER_E_LIMIT;
    *d = (struct clo_device){.report = clo_buf_init(CLO_DEVICE_REPORT_MAX)};
    if ((err = clo_buf_append(&d->report, p, n)) == 0)
        r->devices++;
    return err;
}

static int once_add(struct cloister_raw *r, enum cloister_raw_item item, const void *p, size_t n)
{
    struct clo_buf *b = &r->once[item];

    if (b->len > 0)
        return CLOISTER_E_DUPLICATE;
    *b = clo_buf_init(ITEM_MAX);
    return clo_buf_append(b, p, n);
}

int cloister_raw_add(struct cloister_raw *r, enum cloister_raw_item item, const void *p, size_t n)
{
    uint8_t own[32], all[32];
    const uint8_t number = (uint8_t)item;
    const struct clo_slice in[] = {{r == NULL ? NULL : r->digest, 32}, {&number, 1}, {own, 32}};
    int err;

    if (r == NULL || p == NULL || n == 0 || item < CLOISTER_ITEM_REPORT || item >= ITEMS ||
        (use[r->type].takes & BIT(item)) == 0)
        return CLOISTER_E_ARGUMENT;
    if (n > ITEM_MAX || n > TOTAL_MAX - r->total)
        return CLOISTER_E_LIMIT;
    if ((err = clo_sha256(p, n, own)) != 0 ||
        (err = clo_hash(CLO_SHA256, in, CLO_ARRAY_LEN(in), all)) != 0)
        return err;
    if ((use[r->type].once & BIT(item)) != 0)
        err = once_add(r, item, p, n);
    else if (item == CLOISTER_ITEM_REPORT)
        err = device_add(r, p, n);
    else
        err = list_add(r, item, p, n);
    if (err != 0)
        return err;
    memcpy(r->digest, all, sizeof all);
    r->total += n;
    return 0;
}

int cloister_raw_expect(struct cloister_raw *r, const void *p, size_t n)
{
    size_t min = 1, max = EXPECT_MAX;

    if (r == NULL || p == NULL)
        return CLOISTER_E_ARGUMENT;
    if (r->type == CLOISTER_RAW_NVIDIA)
        min = max = 32;
    else if (r->type != CLOISTER_RAW_AZURE && r->type != CLOISTER_RAW_TPM)
        min = max = 64;
    if (n < min || n > max)
        return CLOISTER_E_ARGUMENT;
    if (r->expect_n != 0)
        return CLOISTER_E_DUPLICATE;
    memcpy(r->expect, p, n);
    r->expect_n = n;
    return 0;
}

void cloister_raw_expect_any(struct cloister_raw *r)
{
    if (r != NULL)
        r->any = true;
}

/* ---- appraising ---- */

/* AMD's certificates as they came. */
struct bag {
    const struct clo_cert *c[CHAIN_MAX]; /* NULL: can't be read, and stays */
    struct clo_cert *own[CHAIN_MAX];     /* those that aren't shared */
    bool out[CHAIN_MAX];
};

struct work {
    const struct cloister_raw *r;
    const struct cloister_policy *policy; /* NULL: none */
    const struct cloister_roots *roots;
    int64_t now;
    enum clo_kind kind;
    const uint8_t *expected;          /* NULL: nothing is */
    bool any;                         /* and nothing has to be */
    struct clo_collateral collateral; /* the raw evidence's, borrowed, as the next one */
    struct clo_device device[CLO_DEVICES_MAX];
    struct bag bag;
    struct clo_buf chain[CHAIN_MAX];          /* SEV-SNP: those certificates that are its chain */
    const struct clo_cert *parsed[CHAIN_MAX]; /* the same, out of the bag */
    struct clo_verdict_builder vb;
    struct clo_hw_result hw;
};

static const struct clo_buf *item_of(const struct work *w, enum cloister_raw_item item)
{
    return &w->r->once[item];
}

/* ---- AMD's chain ---- */

static bool named(const struct clo_cert *c, const char *cn)
{
    char name[64] = "";

    return c != NULL && clo_cert_cn(c, name, sizeof name) == 0 && strcmp(name, cn) == 0;
}

/*
 * Copies of an earlier one, and roots: the pinned one is what counts, and a section has none either. A root names itself byte for byte, as
 * AMD's do; what doesn't, stays.
 */
static int bag_fill(const struct cloister_raw *r, struct bag *bag)
{
    for (size_t i = 0; i < r->chain_n; i++) {
        int err = clo_known_cert(r->chain[i].p, r->chain[i].len, &bag->c[i], &bag->own[i]);

        if (err == 0 && i > 0)
            err = clo_cert_names_itself(bag->c[i])
                      ? clo_cert_signed_by(bag->c[i], bag->c[i], CLO_SIG_RSA_PSS_SHA384)
                      : CLOISTER_E_AUTH;
        if (err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO)
            return err;
        bag->out[i] = err == 0 && i > 0;
        for (size_t k = 0; k < i; k++)
            if (r->chain[k].len == r->chain[i].len &&
                memcmp(r->chain[k].p, r->chain[i].p, r->chain[i].len) == 0)
                bag->out[i] = true;
    }
    return 0;
}

/* Who issued the leaf, by name, and by signature where several have it; 0: nobody here. */
static int issuer_find(const struct bag *bag, size_t n, size_t *ret)
{
    char cn[64] = "";
    size_t found = 0, names = 0;

    if (bag->c[0] == NULL || clo_cert_issuer_cn(bag->c[0], cn, sizeof cn) != 0) {
        *ret = 0;
        return 0;
    }
    for (size_t i = n; i-- > 1;)
        if (!bag->out[i] && named(bag->c[i], cn)) {
            found = i;
            names++;
        }
    for (size_t i = 1; i < n && names > 1; i++) {
        int err = CLOISTER_E_AUTH;

        if (!bag->out[i] && named(bag->c[i], cn))
            err = clo_cert_signed_by(bag->c[0], bag->c[i], CLO_SIG_RSA_PSS_SHA384);
        if (err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO)
            return err;
        if (err == 0) {
            found = i;
            break;
        }
    }
    *ret = found;
    return 0;
}

/*
 * AMD's certificates come in files: the key service's cert_chain has ASK and ARK, one that is passed about the ASVK besides, a cloud's
 * answer the leaf too. So the leaf, which is the first, and its issuer are picked, and copies, roots and (beside the issuer) other
 * authorities are left out. What is none of these stays, and is one too many: another leaf, or what can't be read. None of it decides anything:
 * what is picked is judged like a chain that came alone.
 */
static int snp_chain(struct work *w, size_t *ret_n)
{
    const struct cloister_raw *r = w->r;
    struct bag *bag = &w->bag;
    size_t issuer = 0, n = 0;
    int err;

    if ((err = bag_fill(r, bag)) != 0 || (err = issuer_find(bag, r->chain_n, &issuer)) != 0)
        return err;
    for (size_t i = 0; i < r->chain_n; i++)
        if (!bag->out[i] && (issuer == 0 || i == 0 || i == issuer || bag->c[i] == NULL ||
                             !clo_cert_is_ca(bag->c[i]))) {
            w->chain[n] = r->chain[i];
            w->parsed[n++] = bag->c[i];
        }
    *ret_n = n;
    return 0;
}

static int appraise_snp(struct work *w)
{
    struct clo_snp_input in = {
        .report = item_of(w, CLOISTER_ITEM_REPORT)->p,
        .report_n = item_of(w, CLOISTER_ITEM_REPORT)->len,
        .chain = w->chain,
        .parsed = w->parsed,
        .collateral = &w->collateral,
        .data_check = CLOISTER_CHECK_BINDING_REPORT_DATA,
        .report_data = w->expected,
        .any_report_data = w->any,
    };
    int err = snp_chain(w, &in.chain_n);

    return err != 0 ? err : clo_snp_appraise(&in, w->policy, w->roots, w->now, &w->vb, &w->hw);
}

static int appraise_quote(struct work *w)
{
    const struct clo_quote_input in = {
        .sgx = w->kind == CLO_KIND_SGX,
        .quote = item_of(w, CLOISTER_ITEM_REPORT)->p,
        .quote_n = item_of(w, CLOISTER_ITEM_REPORT)->len,
        .chain = w->r->chain,
        .chain_n = w->r->chain_n,
        .collateral = &w->collateral,
        .event_log = item_of(w, CLOISTER_ITEM_EVENT_LOG)->p,
        .event_log_n = item_of(w, CLOISTER_ITEM_EVENT_LOG)->len,
        .data_check = CLOISTER_CHECK_BINDING_REPORT_DATA,
        .report_data = w->expected,
        .any_report_data = w->any,
    };

    return clo_quote_appraise(&in, w->policy, w->roots, w->now, &w->vb, &w->hw);
}

static int appraise_azure(struct work *w)
{
    struct clo_azure_input in = {
        .hcl = item_of(w, CLOISTER_ITEM_REPORT)->p,
        .hcl_n = item_of(w, CLOISTER_ITEM_REPORT)->len,
        .quote = item_of(w, CLOISTER_ITEM_TD_QUOTE)->p,
        .quote_n = item_of(w, CLOISTER_ITEM_TD_QUOTE)->len,
        .chain = w->r->chain,
        .chain_n = w->r->chain_n,
        .tpm_quote = item_of(w, CLOISTER_ITEM_TPM_QUOTE)->p,
        .tpm_quote_n = item_of(w, CLOISTER_ITEM_TPM_QUOTE)->len,
        .tpm_signature = item_of(w, CLOISTER_ITEM_TPM_SIGNATURE)->p,
        .tpm_signature_n = item_of(w, CLOISTER_ITEM_TPM_SIGNATURE)->len,
        .pcrs = item_of(w, CLOISTER_ITEM_PCRS)->p,
        .pcrs_n = item_of(w, CLOISTER_ITEM_PCRS)->len,
        .event_log = item_of(w, CLOISTER_ITEM_EVENT_LOG)->p,
        .event_log_n = item_of(w, CLOISTER_ITEM_EVENT_LOG)->len,
        .collateral = &w->collateral,
        .expected = w->expected,
        .expected_n = w->r->expect_n,
        .any_expected = w->any,
    };
    int err = 0;

    if (w->kind == CLO_KIND_SNP_AZURE) {
        in.chain = w->chain;
        err = snp_chain(w, &in.chain_n);
    }
    return err != 0 ? err : clo_azure_appraise(&in, w->policy, w->roots, w->now, &w->vb, &w->hw);
}

/* Nothing claims an architecture here: it is the one that the leaf's name has, which is compared with the rest of the chain. */
static int device_arch(struct clo_device *d)
{
    struct clo_cert *leaf = NULL;
    char chip[CLO_GPU_CHIP_LEN] = "";
    enum clo_gpu_arch arch;
    int err;

    if (d->chain_n == 0)
        return 0;
    err = clo_cert_parse(d->chain[0].p, d->chain[0].len, &leaf);
    if (err == 0) {
        clo_gpu_cert_chip(leaf, chip);
        arch = clo_gpu_chip_arch(chip);
        if (arch != CLO_GPU_UNKNOWN)
            (void)snprintf(d->arch, sizeof d->arch, "%s", clo_gpu_arch_name(arch));
    }
    clo_cert_free(leaf);
    return err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO ? err : 0;
}

static int appraise_gpus(struct work *w)
{
    const struct clo_devices devices = {.count = w->r->devices, .device = w->device};
    const struct clo_gpu_input in = {.devices = &devices,
                                     .collateral = &w->collateral,
                                     .nonce = w->expected,
                                     .any_nonce = w->any};
    int err = 0;

    memcpy(w->device, w->r->device, w->r->devices * sizeof *w->device);
    for (size_t i = 0; i < w->r->devices && err == 0; i++)
        err = device_arch(&w->device[i]);
    return err != 0 ? err : clo_gpu_appraise(&in, w->policy, w->roots, w->now, &w->vb);
}

/* The key by its own public area; without one, by the leaf of its certificates, which say nothing of how it may be used. */
static int tpm_key(struct work *w, struct clo_key **ret, bool *ret_restricted)
{
    const struct clo_buf *pub = item_of(w, CLOISTER_ITEM_TPM_KEY);
    struct clo_rd rd = clo_rd_init(pub->p, pub->len);
    struct clo_cert *leaf = NULL;
    uint16_t size = 0;
    int err;

    if (pub->len > 0) {
        /* TPM2B_PUBLIC is stored by tools: its length is no TPMI_ALG_PUBLIC, with which the area begins. */
        if (clo_rd_u16be(&rd, &size) != 0 || size != rd.left)
            rd = clo_rd_init(pub->p, pub->len);
        return clo_tpm_key_from_public(rd.p, rd.left, ret, ret_restricted);
    }
    if (w->r->chain_n == 0)
        return CLOISTER_E_NOT_FOUND;
    if ((err = clo_cert_parse(w->r->chain[0].p, w->r->chain[0].len, &leaf)) == 0)
        err = clo_key_of_cert(leaf, ret);
    clo_cert_free(leaf);
    return err;
}

static int appraise_tpm(struct work *w)
{
    struct clo_tpm_input in = {
        .quote = item_of(w, CLOISTER_ITEM_TPM_QUOTE)->p,
        .quote_n = item_of(w, CLOISTER_ITEM_TPM_QUOTE)->len,
        .signature = item_of(w, CLOISTER_ITEM_TPM_SIGNATURE)->p,
        .signature_n = item_of(w, CLOISTER_ITEM_TPM_SIGNATURE)->len,
        .pcrs = item_of(w, CLOISTER_ITEM_PCRS)->p,
        .pcrs_n = item_of(w, CLOISTER_ITEM_PCRS)->len,
        .event_log = item_of(w, CLOISTER_ITEM_EVENT_LOG)->p,
        .event_log_n = item_of(w, CLOISTER_ITEM_EVENT_LOG)->len,
        .key_use_unknown = item_of(w, CLOISTER_ITEM_TPM_KEY)->len == 0,
        .key_trust = CLOISTER_CHECK_MISSING,
        .key_trust_reason = "no attestation key came with the quote",
        .expected = w->expected,
        .expected_n = w->r->expect_n,
        .any_expected = w->any,
    };
    struct clo_tpm_trust trust = {0};
    struct clo_tpm_result result = {0};
    struct clo_key *key = NULL;
    int err = tpm_key(w, &key, &in.key_restricted);

    if (err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO)
        return err;
    if (err != 0 && (w->r->chain_n > 0 || item_of(w, CLOISTER_ITEM_TPM_KEY)->len > 0)) {
        in.key_trust = CLOISTER_CHECK_FAIL;
        in.key_trust_reason = "what came as the attestation key isn't one";
    }
    if (err == 0) {
        if ((err = clo_tpm_key_trust(key, w->r->chain, w->r->chain_n, w->policy, w->roots, w->now,
                                     &w->vb, &trust)) != 0)
            goto out;
        in.key = key;
        in.key_trust = trust.status;
        in.key_trust_reason = trust.reason;
    }
    err = clo_tpm_appraise(&in, w->policy, &w->vb, &result);
out:
    clo_key_free(key);
    return err;
}

static enum clo_kind kind_of(const struct cloister_raw *r)
{
    const struct clo_buf *hcl = &r->once[CLOISTER_ITEM_REPORT];
    bool tdx = false;

    switch (r->type) {
    case CLOISTER_RAW_SEV_SNP: return CLO_KIND_SNP;
    case CLOISTER_RAW_TDX: return CLO_KIND_TDX;
    case CLOISTER_RAW_SGX: return CLO_KIND_SGX;
    case CLOISTER_RAW_NVIDIA: return CLO_KIND_NVIDIA;
    case CLOISTER_RAW_TPM: return CLO_KIND_TPM;
    case CLOISTER_RAW_AZURE: break;
    }
    /* An envelope that can't be read will be said to be malformed; what came beside it says which checks there are. */
    if (clo_azure_is_tdx(hcl->p, hcl->len, &tdx) != 0)
        tdx = r->once[CLOISTER_ITEM_TD_QUOTE].len > 0;
    return tdx ? CLO_KIND_TDX_AZURE : CLO_KIND_SNP_AZURE;
}

/* Is there anything to appraise? */
static bool there(const struct cloister_raw *r)
{
    switch (r->type) {
    case CLOISTER_RAW_NVIDIA: return r->devices > 0;
    case CLOISTER_RAW_TPM: return r->once[CLOISTER_ITEM_TPM_QUOTE].len > 0;
    case CLOISTER_RAW_SEV_SNP:
    case CLOISTER_RAW_TDX:
    case CLOISTER_RAW_SGX:
    case CLOISTER_RAW_AZURE: break;
    }
    return r->once[CLOISTER_ITEM_REPORT].len > 0;
}

static int appraise(struct work *w)
{
    switch (w->kind) {
    case CLO_KIND_SNP: return appraise_snp(w);
    case CLO_KIND_TDX:
    case CLO_KIND_SGX: return appraise_quote(w);
    case CLO_KIND_SNP_AZURE:
    case CLO_KIND_TDX_AZURE: return appraise_azure(w);
    case CLO_KIND_NVIDIA: return appraise_gpus(w);
    case CLO_KIND_TPM: return appraise_tpm(w);
    case CLO_KIND_SIMULATED: /* only in Cloister's own evidence */
    case CLO_KIND_UNKNOWN:
    case CLO_KINDS: break;
    }
    return CLOISTER_E_ARGUMENT;
}

/* Beside the families: the policy's word on the kind, and the one common check that the hardware's appraisal makes. */
static void leave_out(struct work *w)
{
    const unsigned own = w->kind == CLO_KIND_NVIDIA ? CLOISTER_CHECK_DEVICES_COUNT
                         : w->kind == CLO_KIND_TPM  ? CLOISTER_CHECK_POLICY_TYPE
                                                    : CLOISTER_CHECK_BINDING_REPORT_DATA;

    _Static_assert(CLOISTER_CHECK_POLICY_TYPE < CLOISTER_CHECK_BINDING_REPORT_DATA &&
                       CLOISTER_CHECK_POLICY_TYPE < CLOISTER_CHECK_DEVICES_COUNT,
                   "their order is that of the ranges");
    clo_vb_leave_out(&w->vb, 1, CLOISTER_CHECK_POLICY_TYPE - 1);
    clo_vb_leave_out(&w->vb, CLOISTER_CHECK_POLICY_TYPE + 1, own - 1);
    clo_vb_leave_out(&w->vb, own + 1, 99);
    clo_vb_keep_families(&w->vb, clo_kind_families(w->kind));
}

static int judge(struct work *w)
{
    leave_out(w);
    /* what has no date of its own ends with the calendar */
    clo_vb_until(&w->vb, CLO_TIME_MAX);
    if (!clo_kind_admit(w->kind, w->policy, &w->vb)) {
        clo_vb_skip(&w->vb, 1, UINT16_MAX,
                    "not judged, because the policy doesn't admit this kind of evidence");
        return 0;
    }
    if (!there(w->r)) {
        clo_vb_skip(&w->vb, 1, UINT16_MAX, "there is no report or quote");
        return 0;
    }
    return appraise(w);
}

int cloister_raw_appraise(const struct cloister_raw *r, const struct cloister_policy *policy,
                          const struct cloister_roots *roots, int64_t now,
                          struct cloister_verdict *ret)
{
    struct cloister_roots fewer;
    struct work *w = NULL;
    int err;

    if (ret == NULL)
        return CLOISTER_E_ARGUMENT;
    memset(ret, 0, sizeof *ret);
    if (r == NULL || roots == NULL || now < 0 || now > CLO_TIME_MAX)
        return CLOISTER_E_ARGUMENT;
    if ((err = clo_roots_admitted(roots, policy, &fewer, &roots)) != 0)
        return err;
    if ((w = calloc(1, sizeof *w)) == NULL)
        return CLOISTER_E_MEMORY;
    w->r = r;
    w->policy = policy;
    w->roots = roots;
    w->now = now;
    w->kind = kind_of(r);
    w->expected = r->expect_n > 0 ? r->expect : NULL;
    w->any = r->any && r->expect_n == 0;
    w->collateral = r->collateral;
    w->collateral.tcb_info = r->once[CLOISTER_ITEM_TCB_INFO];
    w->collateral.qe_identity = r->once[CLOISTER_ITEM_QE_IDENTITY];
    clo_vb_init(&w->vb);
    if ((err = judge(w)) != 0)
        goto out;
    ret->checked_at = now;
    memcpy(ret->evidence_digest, r->digest, sizeof r->digest);
    (void)snprintf(ret->type, sizeof ret->type, "%s", clo_kind_name(w->kind));
    if (policy != NULL)
        cloister_policy_digest(policy, ret->policy_digest);
    clo_vb_finish(&w->vb, ret);
    if (ret->outcome == CLOISTER_VERIFIED)
        memcpy(ret->measurement, w->hw.measurement, sizeof ret->measurement);
    err = clo_outcome_error(ret->outcome);
out:
    for (size_t i = 0; i < CHAIN_MAX; i++)
        clo_cert_free(w->bag.own[i]);
    free(w);
    return err;
}
