/* SPDX-License-Identifier: Apache-2.0 */
/* What evidence shows: see policy_shown.h. */
#include "client/policy_shown.h"

#include <stdlib.h>
#include <string.h>

#include "attest/collateral_intel.h"
#include "attest/tpm_quote.h"

/* The parts that are looked into, borrowed; each empty where there is none. */
struct part {
    const uint8_t *p;
    size_t n;
};
struct parts {
    struct part report, leaf, root, hcl, quote, tpm_quote, pcrs, tcb_info;
};

static struct part part_of(const struct clo_buf *b)
{
    return (struct part){b->p, b->len};
}

/* ---- AMD ---- */

static int read_endorsement(const struct part *leaf, struct clo_shown *s)
{
    struct clo_snp_endorsement e;
    struct clo_cert *c = NULL;
    int err;

    if (leaf->n == 0)
        return 0;
    if ((err = clo_cert_parse(leaf->p, leaf->n, &c)) != 0)
        return err;
    clo_snp_endorsement_read(c, &e);
    clo_cert_free(c);
    if (s->product == CLO_SNP_UNKNOWN && e.product_err == 0)
        s->product = e.product;
    if (s->report.signing_key == CLO_SNP_KEY_VLEK && e.csp_err == 0)
        memcpy(s->csp_id, e.csp_id, sizeof(s->csp_id));
    return 0;
}

static int read_snp(const struct parts *p, struct clo_shown *s)
{
    int err;

    if ((err = clo_snp_report_parse(p->report.p, p->report.n, &s->report)) != 0)
        return err;
    s->product = clo_snp_report_product(&s->report);
    if (s->kind != CLO_KIND_SIMULATED)
        return read_endorsement(&p->leaf, s);
    return p->root.n == 0 ? CLOISTER_E_MALFORMED : clo_sha256(p->root.p, p->root.n, s->root);
}

/* ---- Intel ---- */

/* The platform's own level needs no look here: it is judged by Intel's word on it, which has this number. */
static int read_number(const struct part *tcb_info, struct clo_shown *s)
{
    struct clo_tcb_info *info = NULL;
    int err = 0;

    if (tcb_info->n == 0)
        return 0;
    if ((info = calloc(1, sizeof(*info))) == NULL)
        return CLOISTER_E_MEMORY;
    if ((err = clo_tcb_info_parse(tcb_info->p, tcb_info->n, info)) == 0) {
        s->has_number = true;
        s->number = info->from.number;
    }
    free(info);
    return err;
}

static int read_quote(const struct parts *p, struct clo_shown *s)
{
    const bool sgx = s->kind == CLO_KIND_SGX;
    struct clo_quote *q = calloc(1, sizeof(*q));
    int err = CLOISTER_E_MEMORY;

    if (q == NULL || (err = clo_quote_parse(p->quote.p, p->quote.n, q)) != 0)
        goto out;
    if (sgx != (q->header.body == CLO_QUOTE_BODY_SGX)) {
        err = CLOISTER_E_MALFORMED;
        goto out;
    }
    s->td = q->td;
    s->sgx = q->sgx;
    err = read_number(&p->tcb_info, s);
out:
    free(q);
    return err;
}

/* ---- Azure and TPM ---- */

static int read_pcrs(const struct parts *p, struct clo_shown_tpm *t)
{
    struct clo_tpm_quote q;
    size_t len, at = 0;
    int err;

    if ((err = clo_tpm_quote_parse(p->tpm_quote.p, p->tpm_quote.n, &q)) != 0)
        return err;
    if (q.banks != 1 || q.bank[0].pcrs == 0 ||
        (q.bank[0].alg != CLO_POLICY_BANK_SHA256 && q.bank[0].alg != CLO_POLICY_BANK_SHA384))
        return CLOISTER_E_UNSUPPORTED;
    t->there = true;
    t->bank = q.bank[0].alg;
    t->selection = q.bank[0].pcrs;
    len = t->bank == CLO_POLICY_BANK_SHA384 ? 48 : 32;
    if (p->pcrs.p == NULL || p->pcrs.n != len * (size_t)__builtin_popcount(t->selection))
        return CLOISTER_E_MALFORMED;
    for (unsigned i = 0; i < CLO_POLICY_PCRS; i++) {
        if ((t->selection >> i & 1) == 0)
            continue;
        memcpy(t->value[i], p->pcrs.p + at, len);
        at += len;
    }
    return 0;
}

static int read_azure(struct parts *p, struct clo_shown *s)
{
    struct clo_hcl h;
    int err;

    if ((err = clo_hcl_parse(p->hcl.p, p->hcl.n, &h)) != 0 ||
        (err = clo_hcl_runtime_parse(h.runtime, h.runtime_n, &s->azure)) != 0)
        return err;
    s->kind = h.report_type == CLO_HCL_TDX ? CLO_KIND_TDX_AZURE : CLO_KIND_SNP_AZURE;
    p->report = (struct part){h.report, CLO_SNP_REPORT_LEN};
    return read_pcrs(p, &s->tpm);
}

/* ---- devices ---- */

static enum clo_gpu_mode mode_of(const struct clo_spdm_report *r)
{
    const struct clo_spdm_field *flag = clo_spdm_find(r, CLO_SPDM_FEATURE_FLAG);
    const struct clo_spdm_field *pcie = clo_spdm_find(r, CLO_SPDM_PROTECTED_PCIE);

    if (pcie != NULL && pcie->n == 1 && pcie->p[0] == CLO_SPDM_ENABLED)
        return CLO_GPU_PROTECTED_PCIE;
    return flag != NULL && flag->n == 2 && flag->p[0] == CLO_GPU_MULTI ? CLO_GPU_MULTI
                                                                       : CLO_GPU_SINGLE;
}

/* A text that is absent stays "". */
static int read_text(const struct clo_spdm_report *r, enum clo_spdm_field_id id, char *dst,
                     size_t cap)
{
    const int err = clo_spdm_text(r, id, dst, cap);

    return err == CLOISTER_E_NOT_FOUND ? 0 : err;
}

static int read_device(const struct part *report, enum clo_gpu_arch arch, struct clo_shown *s)
{
    struct clo_shown_device *d = &s->device[s->devices];
    struct clo_spdm_report r;
    int err;

    if ((err = clo_spdm_parse(report->p, report->n, &r)) != 0 ||
        (err = clo_spdm_vbios(&r, d->run.vbios)) != 0 ||
        (err = read_text(&r, CLO_SPDM_DRIVER_VERSION, d->run.driver, sizeof(d->run.driver))) != 0 ||
        (err = read_text(&r, CLO_SPDM_PROJECT, d->run.project, sizeof(d->run.project))) != 0 ||
        (err = read_text(&r, CLO_SPDM_PROJECT_SKU, d->run.project_sku,
                         sizeof(d->run.project_sku))) != 0 ||
        (err = read_text(&r, CLO_SPDM_CHIP_SKU, d->run.chip_sku, sizeof(d->run.chip_sku))) != 0)
        return err;
    if (arch == CLO_GPU_UNKNOWN)
        return CLOISTER_E_UNSUPPORTED;
    d->run.arch = arch;
    d->mode = mode_of(&r);
    s->devices++;
    return 0;
}

static int read_devices(const struct clo_devices *d, struct clo_shown *s)
{
    int err = 0;

    if (d->count == 0)
        return 0;
    if ((s->device = calloc(d->count, sizeof(*s->device))) == NULL)
        return CLOISTER_E_MEMORY;
    for (size_t i = 0; i < d->count && err == 0; i++) {
        const struct clo_device *one = &d->device[i];
        const struct part report = part_of(&one->report);
        struct clo_cert *c = NULL;
        char chip[CLO_GPU_CHIP_LEN] = "";

        /* The chip's name, for the ids of its RIMs. */
        if (one->chain_n > 1 && clo_cert_parse(one->chain[1].p, one->chain[1].len, &c) == 0) {
            clo_gpu_cert_chip(c, chip);
            clo_cert_free(c);
        }
        err = read_device(&report, clo_gpu_arch_of(one->arch), s);
        if (err == 0)
            memcpy(s->device[i].run.chip, chip, sizeof(chip));
    }
    return err;
}

/* ---- all of it ---- */

static int read_parts(struct parts *p, struct clo_shown *s)
{
    int err = 0;

    if (p->hcl.n != 0 && (err = read_azure(p, s)) != 0)
        return err;
    if (clo_shown_is_snp(s))
        return read_snp(p, s);
    if (clo_shown_is_tdx(s) || s->kind == CLO_KIND_SGX)
        return read_quote(p, s);
    return s->kind == CLO_KIND_TPM ? read_pcrs(p, &s->tpm) : 0;
}

static int read_manifest(const struct part *m, struct clo_shown *s)
{
    int err;

    if ((err = clo_manifest_parse(m->p, m->n, &s->manifest)) != 0 ||
        (err = clo_sha256(m->p, m->n, s->manifest_digest)) != 0)
        return err;
    s->has_manifest = true;
    if (m->n <= CLO_POLICY_MANIFEST_MAX)
        clo_b64(m->p, m->n, s->manifest_b64);
    return 0;
}

static bool section(const struct cloister_evidence *e, const char *name, struct part *ret)
{
    return cloister_evidence_section(e, name, &ret->p, &ret->n);
}

int clo_shown_read(const struct cloister_evidence *e, struct clo_shown *ret)
{
    struct part cpu, manifest, devices, collateral;
    struct clo_shown *s = NULL;
    struct clo_cpu_section *c = NULL;
    struct clo_collateral col = {0};
    struct clo_devices d = {0};
    struct parts p = {0};
    int err = CLOISTER_E_MEMORY;

    if (!section(e, "cpu", &cpu) || !section(e, "manifest", &manifest) ||
        !section(e, "devices", &devices) || !section(e, "collateral", &collateral))
        return CLOISTER_E_STATE;
    s = calloc(1, sizeof(*s));
    c = calloc(1, sizeof(*c));
    if (s == NULL || c == NULL || (err = clo_cpu_section_parse(cpu.p, cpu.n, c)) != 0 ||
        (err = clo_devices_section_parse(devices.p, devices.n, &d)) != 0 ||
        (err = clo_collateral_parse(collateral.p, collateral.n, &col)) != 0)
        goto out;
    s->kind = clo_kind_of_cpu(c->kind);
    p.report = (struct part){c->report, c->report_n};
    p.hcl = part_of(&c->hcl);
    p.quote = part_of(&c->quote);
    p.tpm_quote = part_of(&c->tpm_quote);
    p.pcrs = part_of(&c->pcrs);
    p.tcb_info = part_of(&col.tcb_info);
    if (c->chain_n > 0) {
        p.leaf = part_of(&c->chain[0]);
        p.root = part_of(&c->chain[c->chain_n - 1]);
    }
    if ((err = read_parts(&p, s)) != 0 || (err = read_devices(&d, s)) != 0 ||
        (err = read_manifest(&manifest, s)) != 0)
        goto out;
    *ret = *s;
    s->device = NULL; /* handed over */
out:
    if (s != NULL)
        clo_shown_clear(s);
    free(s);
    if (c != NULL)
        clo_cpu_section_clear(c);
    free(c);
    clo_devices_clear(&d);
    clo_collateral_clear(&col);
    return err;
}

/* ---- raw evidence ---- */

static enum clo_kind raw_kind(enum cloister_raw_type t)
{
    switch (t) {
    case CLOISTER_RAW_SEV_SNP: return CLO_KIND_SNP;
    case CLOISTER_RAW_TDX: return CLO_KIND_TDX;
    case CLOISTER_RAW_SGX: return CLO_KIND_SGX;
    case CLOISTER_RAW_AZURE: return CLO_KIND_UNKNOWN; /* the envelope says which */
    case CLOISTER_RAW_NVIDIA: return CLO_KIND_NVIDIA;
    case CLOISTER_RAW_TPM: return CLO_KIND_TPM;
    }
    return CLO_KIND_UNKNOWN;
}

/* Certificate i of PEM text, or the one that the DER is; *ret is empty before. */
static int certificate(const struct part *file, size_t i, struct clo_buf *ret)
{
    const char *text = (const char *)file->p;
    size_t n = file->n;
    int err = clo_pem_next(&text, &n, "CERTIFICATE", ret);

    if (err == CLOISTER_E_NOT_FOUND && i == 0)
        return clo_buf_append(ret, file->p, file->n);
    for (; err == 0 && i > 0; i--) {
        clo_buf_clear(ret);
        *ret = clo_buf_init(CLO_CERT_MAX);
        err = clo_pem_next(&text, &n, "CERTIFICATE", ret);
    }
    return err;
}

static struct part *raw_part(struct parts *p, const struct clo_bundle *b,
                             enum cloister_raw_item item)
{
    switch (item) {
    case CLOISTER_ITEM_REPORT:
        return b->type == CLOISTER_RAW_AZURE     ? &p->hcl
               : b->type == CLOISTER_RAW_TPM     ? &p->tpm_quote
               : b->type == CLOISTER_RAW_SEV_SNP ? &p->report
                                                 : &p->quote;
    case CLOISTER_ITEM_TD_QUOTE: return &p->quote;
    case CLOISTER_ITEM_TPM_QUOTE: return &p->tpm_quote;
    case CLOISTER_ITEM_PCRS: return &p->pcrs;
    case CLOISTER_ITEM_TCB_INFO: return &p->tcb_info;
    default: return NULL;
    }
}

static int raw_cpu(const struct clo_bundle *b, struct clo_shown *s)
{
    struct clo_buf leaf = clo_buf_init(CLO_CERT_MAX);
    struct parts p = {0};
    int err = 0;

    for (size_t i = 0; i < b->items && err == 0; i++) {
        const struct part bytes = part_of(&b->item[i].bytes);
        struct part *at = raw_part(&p, b, b->item[i].item);

        if (at != NULL)
            *at = bytes;
        else if (b->item[i].item == CLOISTER_ITEM_CERTIFICATES && leaf.len == 0)
            err = certificate(&bytes, 0, &leaf);
    }
    p.leaf = part_of(&leaf);
    if (err == 0)
        err = read_parts(&p, s);
    clo_buf_clear(&leaf);
    return err;
}

/* A raw report doesn't say which kind of device it is of: its certificates do. */
static int raw_device(const struct part *report, const struct part *certificates,
                      struct clo_shown *s)
{
    struct clo_buf der = clo_buf_init(CLO_CERT_MAX);
    char chip[CLO_GPU_CHIP_LEN] = "";
    struct clo_cert *c = NULL;
    int err;

    if ((err = certificate(certificates, 1, &der)) == 0 &&
        (err = clo_cert_parse(der.p, der.len, &c)) == 0) {
        clo_gpu_cert_chip(c, chip);
        if ((err = read_device(report, clo_gpu_chip_arch(chip), s)) == 0)
            memcpy(s->device[s->devices - 1].run.chip, chip, sizeof(chip));
    }
    clo_cert_free(c);
    clo_buf_clear(&der);
    return err;
}

static int raw_devices(const struct clo_bundle *b, struct clo_shown *s)
{
    struct part report = {0};
    int err = 0;

    if ((s->device = calloc(b->items + 1, sizeof(*s->device))) == NULL)
        return CLOISTER_E_MEMORY;
    for (size_t i = 0; i < b->items && err == 0; i++) {
        const struct part bytes = part_of(&b->item[i].bytes);

        if (b->item[i].item == CLOISTER_ITEM_REPORT) {
            if (report.n != 0)
                return CLOISTER_E_MALFORMED;
            report = bytes;
        } else if (b->item[i].item == CLOISTER_ITEM_CERTIFICATES && report.n != 0) {
            err = raw_device(&report, &bytes, s);
            report = (struct part){0};
        }
    }
    return err == 0 && (report.n != 0 || s->devices == 0) ? CLOISTER_E_MALFORMED : err;
}

int clo_shown_read_raw(const struct clo_bundle *b, struct clo_shown *ret)
{
    struct clo_shown *s = calloc(1, sizeof(*s));
    int err = CLOISTER_E_MEMORY;

    if (s == NULL)
        return err;
    s->kind = raw_kind(b->type);
    if ((err = b->type == CLOISTER_RAW_NVIDIA ? raw_devices(b, s) : raw_cpu(b, s)) == 0 &&
        s->kind == CLO_KIND_UNKNOWN)
        err = CLOISTER_E_MALFORMED;
    if (err == 0) {
        *ret = *s;
        s->device = NULL; /* handed over */
    }
    clo_shown_clear(s);
    free(s);
    return err;
}

void clo_shown_clear(struct clo_shown *s)
{
    free(s->device);
    s->device = NULL;
    s->devices = 0;
}
