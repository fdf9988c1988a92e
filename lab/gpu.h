/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A laboratory for NVIDIA's evidence: a root of its own, identity, provisioner, and for each device a boot ROM and a leaf, as NVIDIA's
 * chains have them; SPDM reports, revocation answers and reference values, so that a case or a test can make exactly one
 * thing wrong.
 */
#ifndef CLO_LAB_GPU_H
#define CLO_LAB_GPU_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/nvidia_in.h"
#include "attest/spdm.h"
#include "base/enc.h"
#include "crypto/x509_make.h"
#include "lab/lab.h"

#define GPU_LAB_DEVICES 12
#define GPU_LAB_FIELDS  20
#define GPU_LAB_REPORT  8192

/* Keys are made once a process. */
static struct {
    struct clo_signer *root, *identity, *ica, *stranger;
    struct clo_signer *brom[GPU_LAB_DEVICES], *leaf[GPU_LAB_DEVICES];
} gpu_lab;

static inline int gpu_lab_open(void **state)
{
    int err = clo_signer_new_p384(&gpu_lab.root) | clo_signer_new_p384(&gpu_lab.identity) |
              clo_signer_new_p384(&gpu_lab.ica) | clo_signer_new_p384(&gpu_lab.stranger);

    (void)state;
    for (size_t i = 0; i < GPU_LAB_DEVICES; i++)
        err |= clo_signer_new_p384(&gpu_lab.brom[i]) | clo_signer_new_p384(&gpu_lab.leaf[i]);
    return err;
}

static inline int gpu_lab_close(void **state)
{
    (void)state;
    clo_signer_free(gpu_lab.root);
    clo_signer_free(gpu_lab.identity);
    clo_signer_free(gpu_lab.ica);
    clo_signer_free(gpu_lab.stranger);
    for (size_t i = 0; i < GPU_LAB_DEVICES; i++) {
        clo_signer_free(gpu_lab.brom[i]);
        clo_signer_free(gpu_lab.leaf[i]);
    }
    return 0;
}

struct gpu_lab_field {
    uint16_t id, n;
    uint8_t p[192];
};

/* A chain's places. */
enum gpu_lab_role {
    GPU_LAB_LEAF,
    GPU_LAB_BROM,
    GPU_LAB_ICA,
    GPU_LAB_IDENTITY,
    GPU_LAB_ROLES
};

struct gpu_lab_device {
    const char *arch; /* as claimed */
    const char *chip; /* in the certificates' names */
    const char *brom_chip;
    size_t key; /* of the laboratory's boot ROMs and leaves */
    size_t leaf_key, leaf_serial;
    /* the report */
    uint8_t head[4], tail[4]; /* of request and response */
    uint8_t nonce[32], slot;
    size_t blocks;
    uint8_t value[CLO_SPDM_BLOCKS_MAX + 1][48];
    struct gpu_lab_field field[GPU_LAB_FIELDS];
    size_t fields;
    size_t padding;                  /* zero bytes behind the signature */
    const struct clo_signer *signer; /* NULL: the leaf's key */
    size_t signed_from;              /* the signature leaves out so many bytes at the start */
    struct {
        size_t at;
        uint8_t bits;
    } edit[2];              /* XORed onto the report before it is signed */
    size_t hash_at, hash_n; /* measurement of this index, from 1, has so many bytes; 0: none */
    int flip;               /* a bit of the finished report; -1: none */
    /* the chain */
    uint8_t fwid[48];
    bool no_fwid, other_fwid_key, leaf_ca, brom_no_ca, send_root;
    bool fwid_garbage, fwid_sha256; /* bytes behind it; another hash */
    bool other_form;                /* Hopper's extension on Blackwell, and the other way round */
    size_t fwids;                   /* Blackwell: so many lists of them */
    int64_t leaf_from, leaf_to, brom_to;
    const struct clo_signer *leaf_issuer; /* NULL: the boot ROM */
    size_t chain_n;                       /* 0: all of it */
    int left_out;                         /* a place; -1: none */
    bool garbage;                         /* the leaf isn't a certificate */
    bool ica_is_device;                   /* the provisioner has a device's name */
};

/* Everything that evidence is made of; gpu_lab_good() is right in every respect. */
struct gpu_recipe {
    size_t devices;
    struct gpu_lab_device device[GPU_LAB_DEVICES];
    bool no_root;
    int64_t root_to, identity_to, ica_to;
    const struct clo_signer *identity_issuer;
    bool has_path_len;
    enum gpu_lab_role path_len_at; /* the identity, or the provisioner */
    unsigned path_len;
    /* revocation: `odd` is the place, of the first device, that the next lines are about; -1: none */
    bool no_ocsp, no_policy;
    bool delegated, delegate_unfit; /* a responder of its own, and one without the purpose */
    int64_t delegate_to;
    const struct clo_signer *delegate_issuer; /* NULL: the issuer */
    bool by_name;                             /* the responder is */
    enum clo_sig_make ocsp_sig, id_hash;
    int odd;
    bool odd_missing, odd_about_other, odd_other_issuer; /* of another device's; names another */
    enum clo_ocsp_status odd_status;
    bool odd_hold;
    const struct clo_signer *odd_signer; /* NULL: the issuer */
    int64_t odd_from, odd_to;
    int64_t second_from; /* not zero: another answer about it, which says "good", or this: */
    enum clo_ocsp_status second_status;
    bool leaf_answered; /* with the odd status, if it is the leaf */
    bool ocsp_garbage, ocsp_flip;
    /* what is wanted */
    bool revocation_if_present;
    struct clo_policy_devices want; /* its reference values are these: */
    struct clo_reference reference[4];
    uint8_t nonce[32];
    bool no_nonce, any_nonce;
    int64_t now;
};

/* ---- edits ---- */

static inline struct gpu_lab_field *gpu_lab_field(struct gpu_lab_device *d, unsigned id)
{
    for (size_t i = 0; i < d->fields; i++)
        if (d->field[i].id == id)
            return &d->field[i];
    return NULL;
}

static inline void gpu_lab_set(struct gpu_lab_device *d, unsigned id, const void *p, size_t n)
{
    struct gpu_lab_field *f = gpu_lab_field(d, id);

    if (f == NULL) {
        LAB_MUST(d->fields < GPU_LAB_FIELDS);
        f = &d->field[d->fields++];
    }
    LAB_MUST(n <= sizeof f->p);
    f->id = (uint16_t)id;
    f->n = (uint16_t)n;
    memcpy(f->p, p, n);
}

static inline void gpu_lab_byte(struct gpu_lab_device *d, unsigned id, uint8_t v)
{
    gpu_lab_set(d, id, &v, 1);
}

/* With the zero byte that firmware sends, too. */
static inline void gpu_lab_text(struct gpu_lab_device *d, unsigned id, const char *s)
{
    gpu_lab_set(d, id, s, strlen(s) + 1);
}

static inline void gpu_lab_drop(struct gpu_lab_device *d, unsigned id)
{
    struct gpu_lab_field *f = gpu_lab_field(d, id);

    LAB_MUST(f != NULL);
    *f = d->field[--d->fields];
}

static inline void gpu_lab_pdi(size_t i, uint8_t pdi[8])
{
    for (size_t k = 0; k < 8; k++)
        pdi[k] = (uint8_t)(0x50 + 16 * i + k);
}

static inline void gpu_lab_index(struct clo_reference *ref, size_t i, uint8_t byte)
{
    ref->active |= (uint64_t)1 << i;
    memset(ref->index[i].value[ref->index[i].count++], byte, 48);
}

static inline void gpu_lab_mode(struct gpu_lab_device *d, enum clo_gpu_mode mode)
{
    const uint8_t flag[2] = {(uint8_t)mode, 0};

    gpu_lab_set(d, CLO_SPDM_FEATURE_FLAG, flag, 2);
    gpu_lab_byte(d, CLO_SPDM_PROTECTED_PCIE,
                 mode == CLO_GPU_PROTECTED_PCIE ? CLO_SPDM_ENABLED : CLO_SPDM_DISABLED);
}

/* ---- what is right ---- */

static inline void gpu_lab_gpu(struct gpu_recipe *r, size_t switches)
{
    struct gpu_lab_device *d = &r->device[r->devices];
    uint8_t at[18 * 8];

    *d = (struct gpu_lab_device){.arch = "hopper", .chip = "GH100", .brom_chip = "GH100"};
    gpu_lab_set(d, CLO_SPDM_VBIOS_VERSION, "\x00\x74\x00\x96\x1c\x00\x00\x00", 8);
    gpu_lab_set(d, CLO_SPDM_CHIP_SKU, "882\0\0\0\0\0\0", 9);
    gpu_lab_text(d, CLO_SPDM_PROJECT, "1010");
    gpu_lab_text(d, CLO_SPDM_PROJECT_SKU, "0200");
    gpu_lab_text(d, CLO_SPDM_DRIVER_VERSION, "550.90.07");
    gpu_lab_byte(d, CLO_SPDM_NVDEC0_STATUS, CLO_SPDM_DISABLED);
    gpu_lab_set(d, CLO_SPDM_OPAQUE_VERSION, "\1", 2);
    gpu_lab_mode(d, switches == 0 ? CLO_GPU_SINGLE : CLO_GPU_PROTECTED_PCIE);
    for (size_t k = 0; switches != 0 && k < 18; k++) { /* ports, the last two without a switch */
        uint8_t pdi[8] = {0};

        if (k < 16)
            gpu_lab_pdi(k % switches, pdi);
        for (size_t b = 0; b < 8; b++)
            at[8 * k + b] = pdi[7 - b];
    }
    if (switches != 0)
        gpu_lab_set(d, CLO_SPDM_PDI, at, sizeof at);
    d->blocks = 64;
    for (size_t k = 0; k <= CLO_SPDM_BLOCKS_MAX; k++)
        memset(d->value[k], (int)(0x10 + k), 48);
    memset(d->value[35], 0xee, 48); /* the decoder is off */
    memset(d->fwid, 0xf0, sizeof d->fwid);
    gpu_lab_set(d, CLO_SPDM_FWID, d->fwid, sizeof d->fwid);
}

static inline void gpu_lab_switch(struct gpu_recipe *r, size_t which)
{
    struct gpu_lab_device *d = &r->device[r->devices];
    uint8_t pdi[8];

    *d = (struct gpu_lab_device){.arch = "ls10", .chip = "LS_10", .brom_chip = "LS_10"};
    gpu_lab_set(d, CLO_SPDM_VBIOS_VERSION, "96.10.55.00.01", 14);
    gpu_lab_pdi(which, pdi);
    gpu_lab_set(d, CLO_SPDM_PDI, pdi, 8);
    d->blocks = 31;
    for (size_t k = 0; k < 31; k++)
        memset(d->value[k], (int)(0x80 + k), 48);
    memset(d->fwid, 0xf1, sizeof d->fwid);
}

static inline void gpu_lab_references(struct gpu_recipe *r)
{
    struct clo_reference *driver = &r->reference[0], *vbios = &r->reference[1],
                         *bios = &r->reference[2];

    *driver = (struct clo_reference){.kind = CLO_REFERENCE_DRIVER,
                                     .arch = CLO_GPU_HOPPER,
                                     .id = "NV_GPU_DRIVER_GH100_550.90.07",
                                     .version = "550.90.07"};
    gpu_lab_index(driver, 7, 0x17);
    gpu_lab_index(driver, 21, 0x25);
    gpu_lab_index(driver, 35, 0x33); /* not what the report has: skipped */
    gpu_lab_index(driver, 63, 0x4f);
    *vbios = (struct clo_reference){.kind = CLO_REFERENCE_VBIOS,
                                    .arch = CLO_GPU_HOPPER,
                                    .id = "NV_GPU_VBIOS_1010_0200_882_960074001C",
                                    .version = "96.00.74.00.1C",
                                    .project = "1010",
                                    .project_sku = "0200",
                                    .chip_sku = "882"};
    gpu_lab_index(vbios, 0, 0x10);
    gpu_lab_index(vbios, 12, 0x77); /* two alternatives: */
    gpu_lab_index(vbios, 12, 0x1c);
    *bios = (struct clo_reference){.kind = CLO_REFERENCE_VBIOS,
                                   .arch = CLO_GPU_LS10,
                                   .id = "NV_SWITCH_BIOS_5612_0002_890_9610550001",
                                   .version = "96.10.55.00.01",
                                   .project = "5612",
                                   .project_sku = "0002",
                                   .chip_sku = "890"};
    gpu_lab_index(bios, 0, 0x80);
    gpu_lab_index(bios, 30, 0x9e);
    r->want.references = 3;
}

/* Hopper GPUs; with switches in protected PCIe mode. The recipe must stay where it is: want.reference points into it. */
static inline void gpu_lab_good(struct gpu_recipe *r, size_t gpus, size_t switches)
{
    *r = (struct gpu_recipe){.root_to = LAB_NOW + 20 * (int64_t)LAB_YEAR,
                             .identity_to = LAB_NOW + 15 * (int64_t)LAB_YEAR,
                             .ica_to = LAB_NOW + 15 * (int64_t)LAB_YEAR,
                             .identity_issuer = gpu_lab.root,
                             .path_len_at = GPU_LAB_IDENTITY,
                             .delegate_to = LAB_NOW + LAB_DAY / 2,
                             .odd = -1,
                             .odd_status = CLO_OCSP_GOOD,
                             .odd_from = LAB_NOW - LAB_DAY,
                             .odd_to = LAB_NOW + LAB_DAY,
                             .now = LAB_NOW};
    LAB_MUST(gpus + switches <= GPU_LAB_DEVICES);
    memset(r->nonce, 0xa5, sizeof r->nonce);
    for (; r->devices < gpus + switches; r->devices++) {
        struct gpu_lab_device *d = &r->device[r->devices];

        if (r->devices < gpus)
            gpu_lab_gpu(r, switches);
        else
            gpu_lab_switch(r, r->devices - gpus);
        d->key = d->leaf_key = r->devices;
        d->leaf_serial = 0x200 + r->devices;
        memcpy(d->head, "\x11\xe0\x01\xff", 4);
        memcpy(d->tail, "\x11\x60\x00\x00", 4);
        memcpy(d->nonce, r->nonce, 32);
        d->flip = d->left_out = -1;
        d->leaf_from = LAB_NOW - LAB_YEAR;
        d->leaf_to = LAB_NOW + 10 * (int64_t)LAB_YEAR;
        d->brom_to = LAB_NOW + 15 * (int64_t)LAB_YEAR;
        d->fwids = 1;
    }
    gpu_lab_references(r);
    r->want.min = r->want.max = (uint32_t)gpus;
    r->want.switches = (uint32_t)switches;
    r->want.arch[CLO_GPU_HOPPER] = true;
    r->want.arch[CLO_GPU_LS10] = switches != 0;
    r->want.modes = 1u << (switches == 0 ? CLO_GPU_SINGLE : CLO_GPU_PROTECTED_PCIE);
    (void)snprintf(r->want.min_driver, sizeof r->want.min_driver, "550.54.15");
    (void)snprintf(r->want.min_vbios[CLO_GPU_HOPPER], 64, "96.00.74.00.0A");
    (void)snprintf(r->want.min_vbios[CLO_GPU_LS10], 64, "96.10.55.00.01");
    r->want.reference = r->reference;
}

/* ---- making it: reports ---- */

static inline void gpu_lab_put(struct clo_wr *wr, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        LAB_MUST(clo_wr_u8(wr, (uint8_t)(i < 8 ? v >> (8 * i) : 0)) == 0);
}

/* What is signed, and how long it is. */
static inline size_t gpu_lab_body(const struct gpu_lab_device *d, uint8_t p[GPU_LAB_REPORT])
{
    struct clo_wr wr = clo_wr_init(p, GPU_LAB_REPORT);
    size_t fields_n = 0;

    LAB_MUST((clo_wr_bytes(&wr, d->head, 4) | clo_wr_bytes(&wr, d->nonce, 32) |
              clo_wr_u8(&wr, d->slot) | clo_wr_bytes(&wr, d->tail, 4)) == 0);
    gpu_lab_put(&wr, d->blocks, 1);
    gpu_lab_put(&wr, d->blocks * 55 + (d->hash_at != 0 ? d->hash_n - 48 : 0), 3);
    for (size_t i = 0; i < d->blocks; i++) {
        const size_t n = d->hash_at == i + 1 ? d->hash_n : 48;

        gpu_lab_put(&wr, i + 1, 1);
        gpu_lab_put(&wr, 1, 1);
        gpu_lab_put(&wr, n + 3, 2);
        gpu_lab_put(&wr, 1, 1);
        gpu_lab_put(&wr, n, 2);
        LAB_MUST(clo_wr_bytes(&wr, d->value[i], n < 48 ? n : 48) == 0);
        gpu_lab_put(&wr, 0, n < 48 ? 0 : n - 48);
    }
    for (size_t i = 0; i < d->fields; i++)
        fields_n += 4u + d->field[i].n;
    gpu_lab_put(&wr, 0x5a5a5a5a, 32);
    gpu_lab_put(&wr, fields_n, 2);
    for (size_t i = 0; i < d->fields; i++) {
        gpu_lab_put(&wr, d->field[i].id, 2);
        gpu_lab_put(&wr, d->field[i].n, 2);
        LAB_MUST(clo_wr_bytes(&wr, d->field[i].p, d->field[i].n) == 0);
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(d->edit); i++)
        p[d->edit[i].at] ^= d->edit[i].bits;
    return wr.len;
}

static inline void gpu_lab_report(const struct gpu_lab_device *d, struct clo_buf *out)
{
    const struct clo_signer *signer = d->signer != NULL ? d->signer : gpu_lab.leaf[d->leaf_key];
    uint8_t p[GPU_LAB_REPORT], sig[96], zero[256] = {0};
    const size_t n = gpu_lab_body(d, p);

    LAB_MUST(clo_signer_sign_p384(signer, p + d->signed_from, n - d->signed_from, sig, sig + 48) ==
             0);
    *out = clo_buf_init(CLO_DEVICE_REPORT_MAX);
    LAB_MUST(clo_buf_append(out, p, n) == 0);
    LAB_MUST(clo_buf_append(out, sig, sizeof sig) == 0);
    if (d->padding != 0)
        LAB_MUST(clo_buf_append(out, zero, d->padding) == 0);
    if (d->flip >= 0)
        out->p[d->flip / 8] ^= (uint8_t)(1u << (d->flip % 8));
}

/* ---- certificates ---- */

/* An element around what stands in [at, wr->len). */
static inline void gpu_lab_wrap(struct clo_wr *wr, size_t at, uint8_t tag)
{
    const size_t n = wr->len - at, head = n < 128 ? 2 : 3;

    LAB_MUST(n < 256 && wr->len + head <= wr->cap);
    memmove(wr->p + at + head, wr->p + at, n);
    wr->p[at] = tag;
    wr->p[at + 1] = n < 128 ? (uint8_t)n : 0x81;
    if (n >= 128)
        wr->p[at + 2] = (uint8_t)n;
    wr->len += head;
}

static inline void gpu_lab_fwid(const struct gpu_lab_device *d, struct clo_wr *wr)
{
    const size_t seq = wr->len;
    size_t at = 0;

    LAB_MUST((clo_wr_bytes(wr, "\x60\x86\x48\x01\x65\x03\x04\x02", 8) |
              clo_wr_u8(wr, d->fwid_sha256 ? 1 : 2)) == 0);
    gpu_lab_wrap(wr, seq, 0x06);
    at = wr->len;
    LAB_MUST(clo_wr_bytes(wr, d->fwid, 48) == 0);
    gpu_lab_wrap(wr, at, 0x04);
    gpu_lab_wrap(wr, seq, 0x30);
}

static inline bool gpu_lab_is_tcb_info(const struct gpu_lab_device *d)
{
    return (strncmp(d->chip, "GB", 2) == 0) != d->other_form;
}

/* The leaf's extension, as the chip's family has it. */
static inline void gpu_lab_ext(const struct gpu_lab_device *d, struct clo_wr *wr)
{
    struct clo_buf spki = clo_buf_init(256);

    if (gpu_lab_is_tcb_info(d)) {
        LAB_MUST(clo_wr_bytes(wr, "\x80\x06NVIDIA\x83\x01\x01", 11) == 0);
        for (size_t i = 0; i < d->fwids; i++) {
            const size_t at = wr->len;

            gpu_lab_fwid(d, wr);
            gpu_lab_wrap(wr, at, 0xa6);
        }
        LAB_MUST(clo_wr_bytes(wr, "\x89\x01\x41", 3) == 0);
    } else {
        LAB_MUST(clo_wr_bytes(wr, "\2\1\1", 3) == 0);
        LAB_MUST(clo_signer_spki(d->other_fwid_key ? gpu_lab.stranger : gpu_lab.brom[d->key],
                                 &spki) == 0);
        LAB_MUST(clo_wr_bytes(wr, spki.p, spki.len) == 0);
        gpu_lab_fwid(d, wr);
    }
    gpu_lab_wrap(wr, 0, 0x30);
    if (d->fwid_garbage)
        LAB_MUST(clo_wr_u8(wr, 0) == 0);
    clo_buf_clear(&spki);
}

static inline void gpu_lab_cert(const struct clo_cert_spec *spec, struct clo_buf *der)
{
    *der = clo_buf_init(CLO_CERT_MAX);
    LAB_MUST(clo_cert_make(spec, der) == 0);
}

/* An authority's: made once, because devices share the very bytes of theirs, and each signature is another one. */
static inline void gpu_lab_authority(const struct clo_cert_spec *spec, struct clo_buf *der)
{
    static struct {
        char subject[64], issuer[64];
        struct clo_cert_spec spec;
        uint8_t der[1024];
        size_t n;
    } made[128];
    size_t i = 0;

    while (i < CLO_ARRAY_LEN(made) && made[i].n != 0 &&
           (strcmp(made[i].subject, spec->subject_cn) != 0 ||
            strcmp(made[i].issuer, spec->issuer_cn) != 0 || made[i].spec.serial != spec->serial ||
            made[i].spec.not_after != spec->not_after || made[i].spec.ca != spec->ca ||
            made[i].spec.has_path_len != spec->has_path_len ||
            made[i].spec.path_len != spec->path_len || made[i].spec.subject != spec->subject ||
            made[i].spec.issuer != spec->issuer))
        i++;
    LAB_MUST(i < CLO_ARRAY_LEN(made));
    if (made[i].n == 0) {
        gpu_lab_cert(spec, der);
        (void)snprintf(made[i].subject, sizeof made[i].subject, "%s", spec->subject_cn);
        (void)snprintf(made[i].issuer, sizeof made[i].issuer, "%s", spec->issuer_cn);
        made[i].spec = *spec;
        made[i].n = der->len;
        LAB_MUST(made[i].n <= sizeof made[i].der);
        memcpy(made[i].der, der->p, der->len);
        return;
    }
    *der = clo_buf_init(CLO_CERT_MAX);
    LAB_MUST(clo_buf_append(der, made[i].der, made[i].n) == 0);
}

static inline void gpu_lab_root(const struct gpu_recipe *r, struct clo_buf *der)
{
    const struct clo_cert_spec spec = {
        .subject_cn = "NVIDIA Device Identity CA",
        .issuer_cn = "NVIDIA Device Identity CA",
        .serial = 1,
        .not_before = LAB_NOW - 5 * (int64_t)LAB_YEAR,
        .not_after = r->root_to,
        .ca = true,
        .subject = gpu_lab.root,
        .issuer = gpu_lab.root,
    };

    gpu_lab_authority(&spec, der);
}

static inline void gpu_lab_leaf(const struct gpu_lab_device *d, const char *cn, const char *issuer,
                                struct clo_buf *der)
{
    uint8_t p[512];
    struct clo_wr wr = clo_wr_init(p, sizeof p);
    struct clo_cert_ext_spec ext = {
        .p = p, .oid = gpu_lab_is_tcb_info(d) ? "2.23.133.5.4.1.1" : "2.23.133.5.4.1"};
    const struct clo_cert_spec spec = {
        .subject_cn = cn,
        .issuer_cn = issuer,
        .serial = d->leaf_serial,
        .not_before = d->leaf_from,
        .not_after = d->leaf_to,
        .ca = d->leaf_ca,
        .ext = &ext,
        .exts = d->no_fwid ? 0 : 1,
        .subject = gpu_lab.leaf[d->leaf_key],
        .issuer = d->leaf_issuer != NULL ? d->leaf_issuer : gpu_lab.brom[d->key],
    };

    gpu_lab_ext(d, &wr);
    ext.n = wr.len;
    gpu_lab_cert(&spec, der);
}

/* Leaf, boot ROM, provisioner, identity; the caller takes what the recipe wants of it. */
static inline void gpu_lab_certs(const struct gpu_recipe *r, const struct gpu_lab_device *d,
                                 struct clo_buf cert[GPU_LAB_ROLES])
{
    char leaf[64], brom[64], ica[64];
    struct clo_cert_spec spec = {.not_before = LAB_NOW - 4 * (int64_t)LAB_YEAR,
                                 .not_after = d->brom_to};

    (void)snprintf(leaf, sizeof leaf, "%s A01 GSP FMC LF", d->chip);
    (void)snprintf(brom, sizeof brom, "%s A01 GSP BROM", d->brom_chip);
    (void)snprintf(ica, sizeof ica,
                   d->ica_is_device ? "%s A01 GSP BROM 2" : "NVIDIA %s Provisioner ICA 1",
                   d->brom_chip);
    gpu_lab_leaf(d, leaf, brom, &cert[GPU_LAB_LEAF]);
    spec.subject_cn = brom;
    spec.issuer_cn = ica;
    spec.serial = 0x100 + d->key;
    spec.ca = !d->brom_no_ca;
    spec.subject = gpu_lab.brom[d->key];
    spec.issuer = gpu_lab.ica;
    gpu_lab_authority(&spec, &cert[GPU_LAB_BROM]);
    spec.subject_cn = ica;
    spec.issuer_cn = "NVIDIA GH100 Identity";
    spec.serial = 3; /* one of each name */
    for (const char *c = d->brom_chip; *c != '\0'; c++)
        spec.serial = spec.serial * 31 + (uint8_t)*c;
    spec.ca = true;
    spec.not_after = r->ica_to;
    spec.has_path_len = r->has_path_len && r->path_len_at == GPU_LAB_ICA;
    spec.path_len = r->path_len;
    spec.subject = gpu_lab.ica;
    spec.issuer = gpu_lab.identity;
    gpu_lab_authority(&spec, &cert[GPU_LAB_ICA]);
    spec.subject_cn = "NVIDIA GH100 Identity";
    spec.issuer_cn = "NVIDIA Device Identity CA";
    spec.serial = 2;
    spec.subject = gpu_lab.identity;
    spec.issuer = r->identity_issuer;
    spec.not_after = r->identity_to;
    spec.has_path_len = r->has_path_len && r->path_len_at == GPU_LAB_IDENTITY;
    gpu_lab_authority(&spec, &cert[GPU_LAB_IDENTITY]);
}

/* ---- revocation answers ---- */

static inline void gpu_lab_answer(const struct gpu_recipe *r, const struct clo_buf *der,
                                  const struct clo_buf *issuer_der,
                                  const struct clo_signer *issuer_key, bool odd,
                                  struct clo_collateral *c)
{
    struct clo_cert *cert = NULL, *issuer = NULL, *responder = NULL;
    struct clo_buf responder_der = clo_buf_init(CLO_CERT_MAX), *out = &c->ocsp[c->ocsps];
    struct clo_ocsp_answer_spec a = {.status = odd ? r->odd_status : CLO_OCSP_GOOD,
                                     .has_reason = odd && r->odd_hold,
                                     .reason = 6,
                                     .this_update = odd ? r->odd_from : LAB_NOW - LAB_DAY,
                                     .next_update = odd ? r->odd_to : LAB_NOW + LAB_DAY,
                                     .id_hash = r->id_hash};
    struct clo_ocsp_spec spec = {.answer = &a,
                                 .answers = 1,
                                 .by_name = r->by_name,
                                 .sig = r->ocsp_sig,
                                 .produced_at = LAB_NOW - LAB_DAY};
    char name[64] = "";

    LAB_MUST(clo_cert_parse(der->p, der->len, &cert) == 0);
    LAB_MUST(clo_cert_parse(issuer_der->p, issuer_der->len, &issuer) == 0);
    LAB_MUST(clo_cert_cn(issuer, name, sizeof name) == 0);
    a.cert = cert;
    a.issuer = odd && r->odd_other_issuer ? cert : NULL;
    spec.issuer = issuer;
    spec.signer = odd && r->odd_signer != NULL ? r->odd_signer : issuer_key;
    if (r->delegated) {
        const struct clo_cert_spec delegate = {
            .subject_cn = "NVIDIA OCSP",
            .issuer_cn = name,
            .serial = 77,
            .not_before = LAB_NOW - LAB_DAY,
            .not_after = r->delegate_to,
            .eku = r->delegate_unfit ? NULL : CLO_EKU_OCSP_SIGNING,
            .subject = gpu_lab.stranger,
            .issuer = r->delegate_issuer != NULL ? r->delegate_issuer : issuer_key,
        };

        LAB_MUST(clo_cert_make(&delegate, &responder_der) == 0);
        LAB_MUST(clo_cert_parse(responder_der.p, responder_der.len, &responder) == 0);
        spec.responder = responder;
        spec.signer = gpu_lab.stranger;
    }
    LAB_MUST(c->ocsps < CLO_OCSPS_MAX);
    *out = clo_buf_init(CLO_OCSP_MAX);
    LAB_MUST(clo_ocsp_make(&spec, out) == 0);
    c->ocsps++;
    if (odd && r->second_from != 0) {
        a.status = r->second_status != 0 ? r->second_status : CLO_OCSP_GOOD;
        a.this_update = r->second_from;
        a.next_update = LAB_NOW + LAB_DAY;
        c->ocsp[c->ocsps] = clo_buf_init(CLO_OCSP_MAX);
        LAB_MUST(clo_ocsp_make(&spec, &c->ocsp[c->ocsps]) == 0);
        c->ocsps++;
    }
    clo_cert_free(cert);
    clo_cert_free(issuer);
    clo_cert_free(responder);
    clo_buf_clear(&responder_der);
}

/* One device's certificates; those that are there already have their answer. */
static inline void gpu_lab_answers(const struct gpu_recipe *r, size_t device,
                                   const struct clo_buf cert[GPU_LAB_ROLES],
                                   struct clo_collateral *c)
{
    const struct clo_signer *const key[GPU_LAB_ROLES] = {
        gpu_lab.brom[r->device[device].key], gpu_lab.ica, gpu_lab.identity, gpu_lab.root};
    struct clo_buf root, other[GPU_LAB_ROLES] = {{0}};
    struct gpu_lab_device next = r->device[device];
    bool first_of_chip = true;

    for (size_t i = 0; i < device; i++)
        first_of_chip = first_of_chip &&
                        strcmp(r->device[i].brom_chip, r->device[device].brom_chip) != 0;
    gpu_lab_root(r, &root);
    next.key = (next.key + 1) % GPU_LAB_DEVICES;
    if (r->odd_about_other)
        gpu_lab_certs(r, &next, other);
    for (int role = 0; role < GPU_LAB_ROLES; role++) {
        const bool odd = device == 0 && r->odd == role;

        if ((role == GPU_LAB_LEAF && !(odd && r->leaf_answered)) || (odd && r->odd_missing) ||
            (role == GPU_LAB_ICA && !first_of_chip) || (role == GPU_LAB_IDENTITY && device != 0))
            continue;
        gpu_lab_answer(r, odd && r->odd_about_other ? &other[role] : &cert[role],
                       role == GPU_LAB_IDENTITY ? &root : &cert[role + 1], key[role], odd, c);
    }
    for (int role = 0; role < GPU_LAB_ROLES; role++)
        clo_buf_clear(&other[role]);
    clo_buf_clear(&root);
}

/* ---- all of it ---- */

/* devices and collateral are empty before, and the caller's to clear; OCSP answers are added to the collateral. */
static inline void gpu_lab_make(const struct gpu_recipe *r, struct clo_devices *devices,
                                struct clo_collateral *collateral)
{
    *devices = (struct clo_devices){.count = r->devices};
    devices->device = calloc(r->devices == 0 ? 1 : r->devices, sizeof *devices->device);
    LAB_MUST(devices->device != NULL);
    for (size_t i = 0; i < r->devices; i++) {
        const struct gpu_lab_device *d = &r->device[i];
        struct clo_device *out = &devices->device[i];
        struct clo_buf cert[GPU_LAB_ROLES];

        (void)snprintf(out->arch, sizeof out->arch, "%s", d->arch);
        gpu_lab_report(d, &out->report);
        gpu_lab_certs(r, d, cert);
        if (!r->no_ocsp)
            gpu_lab_answers(r, i, cert, collateral);
        for (int k = 0; k < GPU_LAB_ROLES; k++) {
            if (k != d->left_out && (d->chain_n == 0 || out->chain_n < d->chain_n))
                out->chain[out->chain_n++] = cert[k];
            else
                clo_buf_clear(&cert[k]);
        }
        if (d->send_root)
            gpu_lab_root(r, &out->chain[out->chain_n++]);
        if (d->garbage)
            out->chain[0].p[0] ^= 1;
    }
    LAB_MUST(!(r->ocsp_garbage || r->ocsp_flip) || collateral->ocsp[0].p != NULL);
    if (r->ocsp_garbage)
        collateral->ocsp[0].p[0] ^= 1;
    if (r->ocsp_flip)
        collateral->ocsp[0].p[collateral->ocsp[0].len - 1] ^= 1;
}

/* The laboratory's root among the others. */
static inline void gpu_lab_pin(const struct gpu_recipe *r, struct cloister_roots *roots)
{
    struct clo_buf der;

    if (r->no_root)
        return;
    gpu_lab_root(r, &der);
    LAB_MUST(cloister_roots_add_nvidia(roots, der.p, der.len) == 0);
    clo_buf_clear(&der);
}

/* ---- the policy's text ---- */

__attribute__((format(printf, 2, 3))) static inline void gpu_lab_say(struct clo_buf *out,
                                                                     const char *format, ...)
{
    char text[512];
    va_list ap;
    int n = 0;

    va_start(ap, format);
    n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    LAB_MUST(n >= 0 && (size_t)n < sizeof text);
    LAB_MUST(clo_buf_append(out, text, (size_t)n) == 0);
}

static inline void gpu_lab_reference_json(const struct clo_reference *ref, struct clo_buf *out)
{
    const char *arch = clo_gpu_arch_name(ref->arch);
    const char *sep = "";
    char hex[97];

    gpu_lab_say(out, "{\"kind\":\"%s\"", ref->kind == CLO_REFERENCE_DRIVER ? "driver" : "vbios");
    gpu_lab_say(out, ",\"arch\":\"%s\"", arch);
    gpu_lab_say(out, ",\"id\":\"%s\"", ref->id);
    gpu_lab_say(out, ",\"version\":\"%s\"", ref->version);
    if (ref->project[0] != '\0')
        gpu_lab_say(out, ",\"project\":\"%s\"", ref->project);
    if (ref->project_sku[0] != '\0')
        gpu_lab_say(out, ",\"project_sku\":\"%s\"", ref->project_sku);
    if (ref->chip_sku[0] != '\0')
        gpu_lab_say(out, ",\"chip_sku\":\"%s\"", ref->chip_sku);

    clo_hex(ref->rim_sha256, 32, hex);
    gpu_lab_say(out, ",\"rim_sha256\":\"%s\",\"measurements\":[", hex);
    for (size_t i = 0; i < CLO_REFERENCE_INDEXES; i++) {
        if ((ref->active >> i & 1) == 0)
            continue;
        gpu_lab_say(out, "%s{\"index\":", sep);
        gpu_lab_say(out, "%zu,\"values\":[", i);
        for (size_t k = 0; k < ref->index[i].count; k++) {
            clo_hex(ref->index[i].value[k], 48, hex);
            gpu_lab_say(out, "%s\"%s\"", k == 0 ? "" : ",", hex);
        }
        gpu_lab_say(out, "%s", "]}");
        sep = ",";
    }
    gpu_lab_say(out, "%s", "]}");
}

/* The policy's member "devices", its value alone. */
static inline void gpu_lab_policy_json(const struct gpu_recipe *r, struct clo_buf *out)
{
    static const char *const mode[] = {"single", "multi", "protected-pcie"};
    const char *sep = "";

    gpu_lab_say(out, "{\"min\":%u", r->want.min);
    gpu_lab_say(out, ",\"max\":%u", r->want.max);
    gpu_lab_say(out, ",\"switches\":%u,\"architectures\":[", r->want.switches);
    if (r->want.arch[CLO_GPU_HOPPER])
        gpu_lab_say(out, "%s", "\"hopper\"");
    if (r->want.arch[CLO_GPU_BLACKWELL])
        gpu_lab_say(out, "%s\"blackwell\"", r->want.arch[CLO_GPU_HOPPER] ? "," : "");
    gpu_lab_say(out, "%s", "],\"modes\":[");
    for (unsigned m = 0; m < CLO_ARRAY_LEN(mode); m++)
        if ((r->want.modes & 1u << m) != 0) {
            gpu_lab_say(out, "%s", sep);
            gpu_lab_say(out, "\"%s\"", mode[m]);
            sep = ",";
        }
    gpu_lab_say(out, "%s", "]");
    if (r->want.min_driver[0] != '\0')
        gpu_lab_say(out, ",\"min_driver\":\"%s\"", r->want.min_driver);
    gpu_lab_say(out, "%s", ",\"min_vbios\":{");
    sep = "";
    for (unsigned a = CLO_GPU_HOPPER; a < CLO_GPU_ARCHS; a++) {
        if (r->want.min_vbios[a][0] == '\0')
            continue;
        gpu_lab_say(out, "%s", sep);
        gpu_lab_say(out, "\"%s\":", clo_gpu_arch_name((enum clo_gpu_arch)a));
        gpu_lab_say(out, "\"%s\"", r->want.min_vbios[a]);
        sep = ",";
    }
    gpu_lab_say(out, "%s", "},\"reference_values\":[");
    for (size_t i = 0; i < r->want.references; i++) {
        if (i != 0)
            gpu_lab_say(out, "%s", ",");
        gpu_lab_reference_json(&r->want.reference[i], out);
    }
    gpu_lab_say(out, "%s", "]}");
}

#endif
