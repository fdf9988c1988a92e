/* SPDX-License-Identifier: Apache-2.0 */
/* The report's fields, in their order. Offsets in comments are AMD document 56860's. */
#include "attest/snp_report.h"

#include "attest/sections.h"

static const char *const product_name[CLO_SNP_PRODUCTS] = {
    [CLO_SNP_UNKNOWN] = "unknown",
    [CLO_SNP_MILAN] = "Milan",
    [CLO_SNP_GENOA] = "Genoa",
    [CLO_SNP_TURIN] = "Turin",
};

const char *clo_snp_product_name(enum clo_snp_product p)
{
    return product_name[(unsigned)p < CLO_SNP_PRODUCTS ? p : CLO_SNP_UNKNOWN];
}

/* TCB_VERSION: bytes from the least significant one. */
int clo_snp_tcb_decode(enum clo_snp_product p, uint64_t raw, struct clo_snp_tcb *ret)
{
    struct clo_snp_tcb t = {.raw = raw};
    uint8_t b[8];
    unsigned reserved = 0;

    for (size_t i = 0; i < 8; i++)
        b[i] = (uint8_t)(raw >> (8 * i));
    switch (p) {
    case CLO_SNP_MILAN:
    case CLO_SNP_GENOA:
        t.bl = b[0];
        t.tee = b[1];
        reserved = b[2] | b[3] | b[4] | b[5];
        t.snp = b[6];
        break;
    case CLO_SNP_TURIN:
        t.fmc = b[0];
        t.bl = b[1];
        t.tee = b[2];
        t.snp = b[3];
        reserved = b[4] | b[5] | b[6];
        break;
    default: return CLOISTER_E_UNSUPPORTED;
    }
    t.ucode = b[7];
    if (reserved != 0)
        return CLOISTER_E_MALFORMED;
    *ret = t;
    return 0;
}

bool clo_snp_tcb_at_least(const struct clo_snp_tcb *a, const struct clo_snp_tcb *b)
{
    return a->fmc >= b->fmc && a->bl >= b->bl && a->tee >= b->tee && a->snp >= b->snp &&
           a->ucode >= b->ucode;
}

bool clo_snp_firmware_at_least(const struct clo_snp_firmware *a, const struct clo_snp_firmware *b)
{
    if (a->major != b->major)
        return a->major > b->major;
    if (a->minor != b->minor)
        return a->minor > b->minor;
    return a->build >= b->build;
}

/* n bytes that must be zero: noted, so that the rest can still be read and judged. */
static int reserved(struct clo_rd *rd, size_t n, bool *all_zero)
{
    int err = clo_rd_zero(rd, n);

    if (err != CLOISTER_E_MALFORMED)
        return err;
    *all_zero = false;
    return clo_rd_skip(rd, n);
}

static int firmware(struct clo_rd *rd, struct clo_snp_firmware *f, bool *all_zero)
{
    int err;

    if ((err = clo_rd_u8(rd, &f->build)) != 0 || (err = clo_rd_u8(rd, &f->minor)) != 0 ||
        (err = clo_rd_u8(rd, &f->major)) != 0)
        return err;
    return reserved(rd, 1, all_zero);
}

/* A scalar of the signature: 72 bytes, least significant first, of which P-384 uses 48. */
static int scalar(struct clo_rd *rd, uint8_t ret[48], bool *all_zero)
{
    const uint8_t *p = NULL;
    int err;

    if ((err = clo_rd_view(rd, 48, &p)) != 0)
        return err;
    for (size_t i = 0; i < 48; i++)
        ret[i] = p[47 - i];
    return reserved(rd, 24, all_zero);
}

/* What is reserved depends on version and flags. */
static void judge_reserved(struct clo_snp_report *r)
{
    if (r->flags >> 5 != 0 || r->policy >> CLO_SNP_POLICY_BITS != 0 ||
        (r->policy & CLO_SNP_POLICY_RESERVED_ONE) == 0)
        r->reserved_zero = false;
    if (r->version < 3 && (r->family | r->model) != 0)
        r->reserved_zero = false;
    if (r->version < 5 && (r->launch_mit | r->current_mit) != 0)
        r->reserved_zero = false;
    r->author_key_en = (r->flags & 1) != 0;
    r->mask_chip_key = (r->flags & 2) != 0;
    r->signing_key = r->flags >> 2 & 7;
}

int clo_snp_report_parse(const void *p, size_t n, struct clo_snp_report *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_snp_report r = {.reserved_zero = true};
    bool *zero = &r.reserved_zero;
    uint8_t stepping = 0;
    int err;

    if (n != CLO_SNP_REPORT_LEN)
        return n < CLO_SNP_REPORT_LEN ? CLOISTER_E_TRUNCATED : CLOISTER_E_TRAILING;
    if ((err = clo_rd_u32le(&rd, &r.version)) != 0 ||   /* 0x000 */
        (err = clo_rd_u32le(&rd, &r.guest_svn)) != 0 || /* 0x004 */
        (err = clo_rd_u64le(&rd, &r.policy)) != 0 ||    /* 0x008 */
        (err = clo_rd_skip(&rd, 32)) != 0 ||            /* 0x010 FAMILY_ID, IMAGE_ID: the owner's */
        (err = clo_rd_u32le(&rd, &r.vmpl)) != 0 ||      /* 0x030 */
        (err = clo_rd_u32le(&rd, &r.signature_algo)) != 0 ||       /* 0x034 */
        (err = clo_rd_u64le(&rd, &r.current_tcb)) != 0 ||          /* 0x038 */
        (err = clo_rd_u64le(&rd, &r.platform_info)) != 0 ||        /* 0x040 */
        (err = clo_rd_u32le(&rd, &r.flags)) != 0 ||                /* 0x048 */
        (err = reserved(&rd, 4, zero)) != 0 ||                     /* 0x04c */
        (err = clo_rd_bytes(&rd, r.report_data, 64)) != 0 ||       /* 0x050 */
        (err = clo_rd_bytes(&rd, r.measurement, 48)) != 0 ||       /* 0x090 */
        (err = clo_rd_bytes(&rd, r.host_data, 32)) != 0 ||         /* 0x0c0 */
        (err = clo_rd_bytes(&rd, r.id_key_digest, 48)) != 0 ||     /* 0x0e0 */
        (err = clo_rd_bytes(&rd, r.author_key_digest, 48)) != 0 || /* 0x110 */
        (err = clo_rd_skip(&rd, 64)) != 0 ||               /* 0x140 REPORT_ID, REPORT_ID_MA */
        (err = clo_rd_u64le(&rd, &r.reported_tcb)) != 0 || /* 0x180 */
        (err = clo_rd_u8(&rd, &r.family)) != 0 ||          /* 0x188 */
        (err = clo_rd_u8(&rd, &r.model)) != 0 || (err = clo_rd_u8(&rd, &stepping)) != 0 ||
        (err = reserved(&rd, 21, zero)) != 0 ||             /* 0x18b */
        (err = clo_rd_bytes(&rd, r.chip_id, 64)) != 0 ||    /* 0x1a0 */
        (err = clo_rd_u64le(&rd, &r.committed_tcb)) != 0 || /* 0x1e0 */
        (err = firmware(&rd, &r.current, zero)) != 0 ||     /* 0x1e8 */
        (err = firmware(&rd, &r.committed, zero)) != 0 ||   /* 0x1ec */
        (err = clo_rd_u64le(&rd, &r.launch_tcb)) != 0 ||    /* 0x1f0 */
        (err = clo_rd_u64le(&rd, &r.launch_mit)) != 0 ||    /* 0x1f8 */
        (err = clo_rd_u64le(&rd, &r.current_mit)) != 0 ||   /* 0x200 */
        (err = reserved(&rd, 152, zero)) != 0 ||            /* 0x208 */
        (err = scalar(&rd, r.r, zero)) != 0 ||              /* 0x2a0 */
        (err = scalar(&rd, r.s, zero)) != 0 ||              /* 0x2e8 */
        (err = reserved(&rd, 368, zero)) != 0 ||            /* 0x330 */
        (err = clo_rd_end(&rd)) != 0)
        return err;
    if (r.version < 3 && stepping != 0)
        r.reserved_zero = false;
    judge_reserved(&r);
    *ret = r;
    return 0;
}

/* Genoa's model A0h to AFh are Bergamo and Siena: AMD endorses them under Genoa. */
enum clo_snp_product clo_snp_report_product(const struct clo_snp_report *r)
{
    if (r->family == 0x19 && r->model <= 0x0f)
        return CLO_SNP_MILAN;
    if (r->family == 0x19 &&
        ((r->model >= 0x10 && r->model <= 0x1f) || (r->model >= 0xa0 && r->model <= 0xaf)))
        return CLO_SNP_GENOA;
    if (r->family == 0x1a && r->model <= 0x11)
        return CLO_SNP_TURIN;
    return CLO_SNP_UNKNOWN;
}
