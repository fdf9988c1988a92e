/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AMD's certificate extensions. A missing one is an error, not a check that is left out: verifiers that
 * compared "if present" accepted certificates of other chips and other firmware.
 */
#include "attest/snp_report.h"

#include <string.h>

#define OID(last)        "1.3.6.1.4.1.3704.1." last
#define DER_INTEGER      0x02
#define DER_OCTET_STRING 0x04
#define DER_IA5STRING    0x16

static int ext(const struct clo_cert *c, const char *oid, struct clo_rd *ret)
{
    const uint8_t *p = NULL;
    size_t n = 0;
    int err;

    if ((err = clo_cert_ext(c, oid, &p, &n)) == 0)
        *ret = clo_rd_init(p, n);
    return err;
}

/* The extension's value is one DER element and nothing else. */
static int ext_der(const struct clo_cert *c, const char *oid, uint8_t tag, struct clo_rd *ret)
{
    struct clo_rd rd, content;
    int err;

    if ((err = ext(c, oid, &rd)) != 0 || (err = clo_der_read(&rd, tag, &content)) != 0 ||
        (err = clo_rd_end(&rd)) != 0)
        return err;
    *ret = content;
    return 0;
}

/* INTEGER 0 to 255: one byte below 0x80, or a zero byte and one from 0x80 (X.690 section 8.3.2). */
static int ext_u8(const struct clo_cert *c, const char *oid, uint8_t *ret)
{
    struct clo_rd rd;
    uint8_t lead = 0, v = 0;
    bool two;
    int err;

    if ((err = ext_der(c, oid, DER_INTEGER, &rd)) != 0)
        return err;
    two = rd.left == 2;
    if ((two && (err = clo_rd_u8(&rd, &lead)) != 0) || (err = clo_rd_u8(&rd, &v)) != 0 ||
        (err = clo_rd_end(&rd)) != 0)
        return err;
    if (lead != 0 || two != (v >= 0x80))
        return CLOISTER_E_MALFORMED;
    *ret = v;
    return 0;
}

/* A reserved level: zero where it exists. */
static int ext_reserved(const struct clo_cert *c, const char *oid)
{
    uint8_t v = 0;
    int err = ext_u8(c, oid, &v);

    if (err == CLOISTER_E_NOT_FOUND)
        return 0;
    return err == 0 && v != 0 ? CLOISTER_E_MALFORMED : err;
}

static int ext_text(const struct clo_cert *c, const char *oid, char *dst, size_t cap)
{
    struct clo_rd rd;
    int err;

    if ((err = ext_der(c, oid, DER_IA5STRING, &rd)) != 0)
        return err;
    if (rd.left == 0 || rd.left >= cap)
        return CLOISTER_E_LIMIT;
    for (size_t i = 0; i < rd.left; i++)
        if (rd.p[i] < 0x20 || rd.p[i] > 0x7e)
            return CLOISTER_E_MALFORMED;
    memcpy(dst, rd.p, rd.left);
    dst[rd.left] = '\0';
    return 0;
}

/* "Milan-B0", "Genoa": the name up to a stepping. */
static enum clo_snp_product product_by_name(const char *s)
{
    size_t n = strcspn(s, "-");

    for (unsigned p = CLO_SNP_MILAN; p < CLO_SNP_PRODUCTS; p++)
        if (strlen(clo_snp_product_name(p)) == n && memcmp(s, clo_snp_product_name(p), n) == 0)
            return p;
    return CLO_SNP_UNKNOWN;
}

static int tcb_read(const struct clo_cert *c, enum clo_snp_product p, struct clo_snp_tcb *t)
{
    static const char *const reserved[] = {OID("3.4"), OID("3.5"), OID("3.6"), OID("3.7")};
    int err;

    if ((err = ext_u8(c, OID("3.1"), &t->bl)) != 0 || (err = ext_u8(c, OID("3.2"), &t->tee)) != 0 ||
        (err = ext_u8(c, OID("3.3"), &t->snp)) != 0 ||
        (err = ext_u8(c, OID("3.8"), &t->ucode)) != 0)
        return err;
    for (size_t i = 0; i < CLO_ARRAY_LEN(reserved); i++)
        if ((err = ext_reserved(c, reserved[i])) != 0)
            return err;
    /* The first mutable code is Turin's alone. */
    return p == CLO_SNP_TURIN ? ext_u8(c, OID("3.9"), &t->fmc) : ext_reserved(c, OID("3.9"));
}

/* An id of 64 or 8 bytes can't be mistaken for the same wrapped in an OCTET STRING, which is two bytes longer. */
static int hwid_read(const struct clo_cert *c, size_t want, struct clo_snp_endorsement *e)
{
    struct clo_rd rd, wrapped;
    int err;

    if ((err = ext(c, OID("4"), &rd)) != 0)
        return err;
    if (rd.left == want + 2) {
        if ((err = clo_der_read(&rd, DER_OCTET_STRING, &wrapped)) != 0 ||
            (err = clo_rd_end(&rd)) != 0)
            return err;
        rd = wrapped;
    }
    if (rd.left != want)
        return CLOISTER_E_MALFORMED;
    e->hwid_n = want;
    return clo_rd_bytes(&rd, e->hwid, want);
}

static int product_read(const struct clo_cert *c, struct clo_snp_endorsement *e)
{
    uint8_t struct_version = 0;
    char name[32] = "";
    int err;

    if ((err = ext_u8(c, OID("1"), &struct_version)) != 0 ||
        (err = ext_text(c, OID("2"), name, sizeof name)) != 0)
        return err;
    e->struct_version = struct_version;
    e->product = product_by_name(name);
    return 0;
}

void clo_snp_endorsement_read(const struct clo_cert *c, struct clo_snp_endorsement *ret)
{
    struct clo_snp_endorsement e = {0};

    e.product_err = product_read(c, &e);
    e.tcb_err = tcb_read(c, e.product, &e.tcb);
    e.hwid_err = hwid_read(c, e.product == CLO_SNP_TURIN ? 8 : 64, &e);
    e.csp_err = ext_text(c, OID("5"), e.csp_id, sizeof e.csp_id);
    *ret = e;
}
