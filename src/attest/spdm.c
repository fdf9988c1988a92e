/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits: CLO_SPDM_BLOCKS_MAX, CLO_SPDM_FIELDS_MAX, CLO_SPDM_PADDING_MAX; all lengths are checked against each
 * other, so that no byte before the padding belongs to nothing. Fuzzed by fuzz/fuzz_spdm.c.
 *
 * The signature's place is computed. Who takes the last 96 bytes instead reads the wrong ones in a report that is padded.
 */
#include "attest/spdm.h"

#include <stdio.h>
#include <string.h>

#define SPDM_1_1         0x11
#define GET_MEASUREMENTS 0xe0
#define MEASUREMENTS     0x60
#define WITH_SIGNATURE   0x01
#define ALL_MEASUREMENTS 0xff
#define SLOTS            8
#define DMTF_SPEC        0x01 /* MeasurementSpecification: the block's content is DMTF's own structure */
#define BLOCK_HEAD       3 /* of that structure: type, length */
#define OPAQUE_VERSION   1 /* the newest layout that is known here */

/* GET_MEASUREMENTS: version, code, signature wanted, all blocks, nonce, slot. */
static int request(struct clo_rd *rd, struct clo_spdm_report *r, uint8_t *slot)
{
    uint8_t version = 0, code = 0, attributes = 0, operation = 0;
    int err;

    if ((err = clo_rd_u8(rd, &version)) != 0 || (err = clo_rd_u8(rd, &code)) != 0 ||
        (err = clo_rd_u8(rd, &attributes)) != 0 || (err = clo_rd_u8(rd, &operation)) != 0 ||
        (err = clo_rd_bytes(rd, r->nonce, sizeof r->nonce)) != 0 ||
        (err = clo_rd_u8(rd, slot)) != 0)
        return err;
    if (version != SPDM_1_1 || code != GET_MEASUREMENTS || attributes != WITH_SIGNATURE ||
        operation != ALL_MEASUREMENTS)
        return CLOISTER_E_UNSUPPORTED;
    return *slot < SLOTS ? 0 : CLOISTER_E_MALFORMED;
}

/* MEASUREMENTS, as far as the blocks. Param1 counts nothing when all were asked for; Param2 is the slot. */
static int response(struct clo_rd *rd, uint8_t slot, uint8_t *blocks, struct clo_rd *record)
{
    uint8_t version = 0, code = 0, param1 = 0, param2 = 0, top = 0;
    const uint8_t *p = NULL;
    uint16_t low = 0;
    size_t n;
    int err;

    if ((err = clo_rd_u8(rd, &version)) != 0 || (err = clo_rd_u8(rd, &code)) != 0 ||
        (err = clo_rd_u8(rd, &param1)) != 0 || (err = clo_rd_u8(rd, &param2)) != 0 ||
        (err = clo_rd_u8(rd, blocks)) != 0 || (err = clo_rd_u16le(rd, &low)) != 0 ||
        (err = clo_rd_u8(rd, &top)) != 0)
        return err;
    if (version != SPDM_1_1 || code != MEASUREMENTS)
        return CLOISTER_E_UNSUPPORTED;
    if (param1 != 0 || param2 != slot || *blocks == 0)
        return CLOISTER_E_MALFORMED;
    if (*blocks > CLO_SPDM_BLOCKS_MAX)
        return CLOISTER_E_LIMIT;
    n = (size_t)top << 16 | low;
    if ((err = clo_rd_view(rd, n, &p)) != 0)
        return err;
    *record = clo_rd_init(p, n);
    return 0;
}

/* A measurement block and DMTF's structure in it. Indices are 1 to n in their order, so that none is missing and none comes twice. */
static int block(struct clo_rd *rd, size_t i, struct clo_spdm_block *b)
{
    uint8_t index = 0, spec = 0;
    uint16_t size = 0;
    int err;

    if ((err = clo_rd_u8(rd, &index)) != 0 || (err = clo_rd_u8(rd, &spec)) != 0 ||
        (err = clo_rd_u16le(rd, &size)) != 0 || (err = clo_rd_u8(rd, &b->type)) != 0 ||
        (err = clo_rd_u16le(rd, &b->n)) != 0)
        return err;
    if (index != i + 1 || spec != DMTF_SPEC || size != (size_t)b->n + BLOCK_HEAD)
        return CLOISTER_E_MALFORMED;
    return clo_rd_view(rd, b->n, &b->p);
}

static int record(struct clo_rd rd, uint8_t blocks, struct clo_spdm_report *r)
{
    int err;

    for (r->blocks = 0; r->blocks < blocks; r->blocks++)
        if ((err = block(&rd, r->blocks, &r->block[r->blocks])) != 0)
            return err;
    return clo_rd_end(&rd);
}

static int opaque_field(struct clo_rd *rd, struct clo_spdm_report *r)
{
    struct clo_spdm_field f = {0};
    int err;

    if ((err = clo_rd_u16le(rd, &f.id)) != 0 || (err = clo_rd_u16le(rd, &f.n)) != 0 ||
        (err = clo_rd_view(rd, f.n, &f.p)) != 0)
        return err;
    for (size_t i = 0; i < r->fields; i++)
        if (r->field[i].id == f.id)
            return CLOISTER_E_DUPLICATE;
    if (r->fields == CLO_SPDM_FIELDS_MAX)
        return CLOISTER_E_LIMIT;
    r->field[r->fields++] = f;
    return 0;
}

/* Fields of type, length, value. Later firmware has a layout with a head of its own, in which fields have more parts. */
static int opaque(struct clo_rd rd, struct clo_spdm_report *r)
{
    static const char head[] = "NVDAOD";
    const struct clo_spdm_field *v = NULL;
    struct clo_rd peek = rd;
    const uint8_t *p = NULL;
    int err;

    if (clo_rd_view(&peek, sizeof head - 1, &p) == 0 && memcmp(p, head, sizeof head - 1) == 0)
        return CLOISTER_E_UNSUPPORTED;
    while (rd.left != 0)
        if ((err = opaque_field(&rd, r)) != 0)
            return err;
    v = clo_spdm_find(r, CLO_SPDM_OPAQUE_VERSION);
    if (v != NULL && (v->n != 2 || v->p[0] > OPAQUE_VERSION || v->p[1] != 0))
        return CLOISTER_E_UNSUPPORTED;
    return 0;
}

int clo_spdm_parse(const void *p, size_t n, struct clo_spdm_report *ret)
{
    struct clo_rd rd = clo_rd_init(p, n), blocks = {0};
    struct clo_spdm_report r = {0};
    const uint8_t *fields = NULL;
    uint16_t fields_n = 0;
    uint8_t slot = 0, count = 0;
    int err;

    if ((err = request(&rd, &r, &slot)) != 0 || (err = response(&rd, slot, &count, &blocks)) != 0 ||
        (err = record(blocks, count, &r)) != 0 ||
        (err = clo_rd_skip(&rd, CLO_SPDM_NONCE_LEN)) != 0 || /* the device's nonce */
        (err = clo_rd_u16le(&rd, &fields_n)) != 0 ||
        (err = clo_rd_view(&rd, fields_n, &fields)) != 0 ||
        (err = opaque(clo_rd_init(fields, fields_n), &r)) != 0)
        return err;
    r.signed_n = n - rd.left;
    if ((err = clo_rd_bytes(&rd, r.r, sizeof r.r)) != 0 ||
        (err = clo_rd_bytes(&rd, r.s, sizeof r.s)) != 0)
        return err;
    if (rd.left > CLO_SPDM_PADDING_MAX || clo_rd_zero(&rd, rd.left) != 0)
        return CLOISTER_E_TRAILING;
    *ret = r;
    return 0;
}

const struct clo_spdm_field *clo_spdm_find(const struct clo_spdm_report *r,
                                           enum clo_spdm_field_id id)
{
    for (size_t i = 0; i < r->fields; i++)
        if (r->field[i].id == id)
            return &r->field[i];
    return NULL;
}

static bool plain(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '-' || c == '_';
}

int clo_spdm_text(const struct clo_spdm_report *r, enum clo_spdm_field_id id, char *dst, size_t cap)
{
    const struct clo_spdm_field *f = clo_spdm_find(r, id);
    size_t n = 0;

    if (f == NULL)
        return CLOISTER_E_NOT_FOUND;
    while (n < f->n && plain(f->p[n]))
        n++;
    for (size_t i = n; i < f->n; i++)
        if (f->p[i] != 0)
            return CLOISTER_E_MALFORMED;
    if (n == 0)
        return CLOISTER_E_MALFORMED;
    if (n >= cap)
        return CLOISTER_E_LIMIT;
    memcpy(dst, f->p, n);
    dst[n] = '\0';
    return 0;
}

/*
 * Eight bytes 00 5e 00 96 01 00 00 00 print as 96.00.5E.00.01: a little-endian word, and the low byte of a second one.
 * The rest of that has never been seen in use, and can't be printed.
 */
int clo_spdm_vbios(const struct clo_spdm_report *r, char dst[CLO_SPDM_VBIOS_LEN])
{
    const struct clo_spdm_field *f = clo_spdm_find(r, CLO_SPDM_VBIOS_VERSION);

    if (f == NULL || f->n != 8)
        return clo_spdm_text(r, CLO_SPDM_VBIOS_VERSION, dst, CLO_SPDM_VBIOS_LEN);
    if (f->p[5] != 0 || f->p[6] != 0 || f->p[7] != 0)
        return CLOISTER_E_MALFORMED;
    (void)snprintf(dst, CLO_SPDM_VBIOS_LEN, "%02X.%02X.%02X.%02X.%02X", f->p[3], f->p[2], f->p[1],
                   f->p[0], f->p[4]);
    return 0;
}
