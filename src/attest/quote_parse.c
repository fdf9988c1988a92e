/* SPDX-License-Identifier: Apache-2.0 */
/* Reading Intel DCAP quotes and the PCK certificate's extension. Limits: quote_parse.h. Fuzzed by fuzz/fuzz_quote.c. */
#include "attest/quote_parse.h"

#include <string.h>

#define TD10_LEN   584
#define TD15_LEN   648
#define QE_TYPE    6 /* certification data: the QE's report, and the real certification data inside */
#define PCK_OID    "1.2.840.113741.1.13.1"
#define MEMBER_MAX 32

enum {
    DER_INTEGER = 0x02,
    DER_OCTETS = 0x04,
    DER_OID = 0x06,
    DER_SEQUENCE = 0x30,
};

static enum clo_quote_body body_known(const struct clo_quote_header *h, uint16_t type,
                                      uint32_t size)
{
    if (h->version == 3)
        return h->tee_type == 0 ? CLO_QUOTE_BODY_SGX : 0;
    if (h->version == 4)
        return h->tee_type == CLO_QUOTE_TEE_SGX   ? CLO_QUOTE_BODY_SGX
               : h->tee_type == CLO_QUOTE_TEE_TDX ? CLO_QUOTE_BODY_TD10
                                                  : 0;
    if (h->tee_type == CLO_QUOTE_TEE_SGX)
        return type == CLO_QUOTE_BODY_SGX && size == CLO_SGX_REPORT_LEN ? CLO_QUOTE_BODY_SGX : 0;
    if (h->tee_type != CLO_QUOTE_TEE_TDX)
        return 0;
    if (type == CLO_QUOTE_BODY_TD10 && size == TD10_LEN)
        return CLO_QUOTE_BODY_TD10;
    return type == CLO_QUOTE_BODY_TD15 && size == TD15_LEN ? CLO_QUOTE_BODY_TD15 : 0;
}

static int header_read(struct clo_rd *rd, struct clo_quote_header *ret)
{
    struct clo_quote_header h = {0};
    uint16_t type = 0;
    uint32_t size = 0;
    int err;

    if ((err = clo_rd_u16le(rd, &h.version)) != 0 || (err = clo_rd_u16le(rd, &h.key_type)) != 0 ||
        (err = clo_rd_u32le(rd, &h.tee_type)) != 0 ||
        (err = clo_rd_skip(rd, 4)) != 0 || /* the QE's and PCE's SVN, or reserved */
        (err = clo_rd_bytes(rd, h.qe_vendor, sizeof h.qe_vendor)) != 0 ||
        (err = clo_rd_skip(rd, 20)) != 0) /* user data */
        return err;
    if (h.version == 5 &&
        ((err = clo_rd_u16le(rd, &type)) != 0 || (err = clo_rd_u32le(rd, &size)) != 0))
        return err;
    if (h.version >= 3 && h.version <= 5)
        h.body = body_known(&h, type, size);
    *ret = h;
    return 0;
}

int clo_quote_header_parse(const void *p, size_t n, struct clo_quote_header *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);

    return header_read(&rd, ret);
}

static int sgx_read(struct clo_rd *rd, struct clo_sgx_report *ret)
{
    struct clo_sgx_report r = {0};
    int err;

    if ((err = clo_rd_bytes(rd, r.cpusvn, sizeof r.cpusvn)) != 0 ||
        (err = clo_rd_bytes(rd, r.miscselect, sizeof r.miscselect)) != 0 ||
        (err = clo_rd_skip(rd, 28)) != 0 ||
        (err = clo_rd_bytes(rd, r.attributes, sizeof r.attributes)) != 0 ||
        (err = clo_rd_bytes(rd, r.mrenclave, sizeof r.mrenclave)) != 0 ||
        (err = clo_rd_skip(rd, 32)) != 0 ||
        (err = clo_rd_bytes(rd, r.mrsigner, sizeof r.mrsigner)) != 0 ||
        (err = clo_rd_skip(rd, 32)) != 0 ||
        (err = clo_rd_bytes(rd, r.config_id, sizeof r.config_id)) != 0 ||
        (err = clo_rd_u16le(rd, &r.product_id)) != 0 || (err = clo_rd_u16le(rd, &r.svn)) != 0 ||
        (err = clo_rd_u16le(rd, &r.config_svn)) != 0 || (err = clo_rd_skip(rd, 58)) != 0 ||
        (err = clo_rd_bytes(rd, r.report_data, sizeof r.report_data)) != 0)
        return err;
    *ret = r;
    return 0;
}

static int td_read(struct clo_rd *rd, enum clo_quote_body body, struct clo_td_report *ret)
{
    struct clo_td_report r = {0};
    int err;

    if ((err = clo_rd_bytes(rd, r.tee_tcb_svn, sizeof r.tee_tcb_svn)) != 0 ||
        (err = clo_rd_bytes(rd, r.mrseam, sizeof r.mrseam)) != 0 ||
        (err = clo_rd_bytes(rd, r.mrsignerseam, sizeof r.mrsignerseam)) != 0 ||
        (err = clo_rd_bytes(rd, r.seam_attributes, sizeof r.seam_attributes)) != 0 ||
        (err = clo_rd_u64le(rd, &r.attributes)) != 0 || (err = clo_rd_u64le(rd, &r.xfam)) != 0 ||
        (err = clo_rd_bytes(rd, r.mrtd, sizeof r.mrtd)) != 0 ||
        (err = clo_rd_bytes(rd, r.mrconfigid, sizeof r.mrconfigid)) != 0 ||
        (err = clo_rd_bytes(rd, r.mrowner, sizeof r.mrowner)) != 0 ||
        (err = clo_rd_bytes(rd, r.mrownerconfig, sizeof r.mrownerconfig)) != 0 ||
        (err = clo_rd_bytes(rd, r.rtmr, sizeof r.rtmr)) != 0 ||
        (err = clo_rd_bytes(rd, r.report_data, sizeof r.report_data)) != 0)
        return err;
    if (body == CLO_QUOTE_BODY_TD15 &&
        ((err = clo_rd_bytes(rd, r.tee_tcb_svn2, sizeof r.tee_tcb_svn2)) != 0 ||
         (err = clo_rd_bytes(rd, r.mrservicetd, sizeof r.mrservicetd)) != 0))
        return err;
    *ret = r;
    return 0;
}

/* A reader over what a u32 length announces. */
static int part_read(struct clo_rd *rd, struct clo_rd *ret)
{
    const uint8_t *p = NULL;
    uint32_t n = 0;
    int err;

    if ((err = clo_rd_u32le(rd, &n)) != 0 || (err = clo_rd_view(rd, n, &p)) != 0)
        return err;
    *ret = clo_rd_init(p, n);
    return 0;
}

/* From the QE's report on. */
static int qe_read(struct clo_rd *rd, struct clo_quote *q)
{
    struct clo_rd report, certification;
    uint16_t auth_n = 0;
    int err;

    if ((err = clo_rd_view(rd, CLO_SGX_REPORT_LEN, &q->qe_report)) != 0 ||
        (err = clo_rd_view(rd, 64, &q->qe_signature)) != 0 ||
        (err = clo_rd_u16le(rd, &auth_n)) != 0 || (err = clo_rd_view(rd, auth_n, &q->auth)) != 0 ||
        (err = clo_rd_u16le(rd, &q->certification_type)) != 0 ||
        (err = part_read(rd, &certification)) != 0 || (err = clo_rd_end(rd)) != 0)
        return err;
    report = clo_rd_init(q->qe_report, CLO_SGX_REPORT_LEN);
    if ((err = sgx_read(&report, &q->qe)) != 0)
        return err;
    q->auth_n = auth_n;
    q->certification = certification.p;
    q->certification_n = certification.left;
    return 0;
}

static int signature_read(struct clo_rd *rd, struct clo_quote *q)
{
    struct clo_rd sig, inner;
    uint16_t type = 0;
    int err;

    if ((err = part_read(rd, &sig)) != 0 || (err = clo_rd_view(&sig, 64, &q->signature)) != 0 ||
        (err = clo_rd_view(&sig, 64, &q->key)) != 0)
        return err;
    if (q->header.version == 3)
        return qe_read(&sig, q);
    if ((err = clo_rd_u16le(&sig, &type)) != 0 || (err = part_read(&sig, &inner)) != 0 ||
        (err = clo_rd_end(&sig)) != 0)
        return err;
    return type == QE_TYPE ? qe_read(&inner, q) : CLOISTER_E_MALFORMED;
}

int clo_quote_parse(const void *p, size_t n, struct clo_quote *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_quote q = {0};
    int err;

    if (n > CLO_QUOTE_BYTES_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = header_read(&rd, &q.header)) != 0)
        return err;
    if (q.header.body == 0 || q.header.key_type != CLO_QUOTE_KEY_P256)
        return CLOISTER_E_UNSUPPORTED;
    err = q.header.body == CLO_QUOTE_BODY_SGX ? sgx_read(&rd, &q.sgx)
                                              : td_read(&rd, q.header.body, &q.td);
    if (err != 0)
        return err;
    q.signed_bytes = p;
    q.signed_n = n - rd.left;
    if ((err = signature_read(&rd, &q)) != 0)
        return err;
    q.trailing = rd.p;
    q.trailing_n = rd.left;
    *ret = q;
    return 0;
}

/* ---- certification data ---- */

/* Root first, as Intel's sample has it. */
static int chain_der(const struct clo_quote *q, struct clo_buf *dst, size_t max, size_t *count)
{
    struct clo_rd rd = clo_rd_init(q->certification, q->certification_n), inner;
    int err = 0;

    for (; rd.left > 0; ++*count) {
        const uint8_t *from = rd.p;

        if (*count == max)
            return CLOISTER_E_LIMIT;
        if ((err = clo_der_read(&rd, DER_SEQUENCE, &inner)) != 0)
            return err;
        memmove(dst + 1, dst, *count * sizeof *dst);
        dst[0] = clo_buf_init(CLO_CERT_MAX);
        if ((err = clo_buf_append(dst, from, (size_t)(rd.p - from))) != 0)
            return err;
    }
    return 0;
}

static void skip_space(const char **p, size_t *n)
{
    while (*n > 0 && (**p == '\0' || **p == ' ' || (**p >= '\t' && **p <= '\r'))) {
        ++*p;
        --*n;
    }
}

/* Certificates and white space (and zero bytes: C strings end so). Any other text would hide a certificate, or itself. */
static int chain_pem(const struct clo_quote *q, struct clo_buf *dst, size_t max, size_t *count)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    const char *p = (const char *)q->certification;
    size_t n = q->certification_n;

    for (;; ++*count) {
        struct clo_buf der = clo_buf_init(CLO_CERT_MAX);
        int err;

        skip_space(&p, &n);
        if (n == 0)
            return 0;
        if (n < sizeof begin - 1 || memcmp(p, begin, sizeof begin - 1) != 0)
            return CLOISTER_E_MALFORMED;
        if ((err = clo_pem_next(&p, &n, "CERTIFICATE", &der)) == 0 && *count < max) {
            dst[*count] = der;
            continue;
        }
        clo_buf_clear(&der);
        return err == 0 ? CLOISTER_E_LIMIT : err;
    }
}

int clo_quote_chain(const struct clo_quote *q, struct clo_buf *dst, size_t max, size_t *count)
{
    *count = 0;
    if (q->certification_type != CLO_QUOTE_CHAIN_TYPE)
        return 0;
    /* Intel's own sample has DER here; PEM begins with text. */
    if (q->certification_n > 0 && q->certification[0] == DER_SEQUENCE)
        return chain_der(q, dst, max, count);
    return chain_pem(q, dst, max, count);
}

/* ---- the PCK certificate's extension ---- */

/* 1.2.840.113741.1.13.1 in DER; a member's own number follows. */
static const uint8_t pck_arc[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
enum { /* members of the extension, then of its TCB */
    PCK_TCB = 2,
    PCK_PCEID = 3,
    PCK_FMSPC = 4,
    TCB_COMPONENTS = 16,
    TCB_PCESVN = 17,
    TCB_CPUSVN = 18,
};

/* SEQUENCE { OID, value }: the number behind the arc, and a reader over the value. */
static int member_read(struct clo_rd *rd, const uint8_t *arc, size_t arc_n, unsigned *number,
                       struct clo_rd *value)
{
    struct clo_rd member, oid;
    const uint8_t *prefix = NULL;
    uint8_t last = 0;
    int err;

    if ((err = clo_der_read(rd, DER_SEQUENCE, &member)) != 0 ||
        (err = clo_der_read(&member, DER_OID, &oid)) != 0 ||
        (err = clo_rd_view(&oid, arc_n, &prefix)) != 0 || (err = clo_rd_u8(&oid, &last)) != 0 ||
        (err = clo_rd_end(&oid)) != 0)
        return err;
    if (memcmp(prefix, arc, arc_n) != 0 || last == 0 || last >= MEMBER_MAX)
        return CLOISTER_E_MALFORMED;
    *number = last;
    *value = member;
    return 0;
}

static int octets_read(struct clo_rd *value, uint8_t *dst, size_t n)
{
    struct clo_rd o;
    int err;

    if ((err = clo_der_read(value, DER_OCTETS, &o)) != 0)
        return err;
    if (o.left != n)
        return CLOISTER_E_MALFORMED;
    return clo_rd_bytes(&o, dst, n);
}

/* A non-negative INTEGER of at most 16 bits, in its shortest form. */
static int number_read(struct clo_rd *value, unsigned max, uint16_t *ret)
{
    struct clo_rd i;
    uint8_t b = 0;
    unsigned v = 0;
    int err;

    if ((err = clo_der_read(value, DER_INTEGER, &i)) != 0)
        return err;
    if (i.left == 0 || i.left > 3 || (i.p[0] & 0x80) != 0 ||
        (i.left > 1 && i.p[0] == 0 && (i.p[1] & 0x80) == 0))
        return CLOISTER_E_MALFORMED;
    while (i.left > 0) {
        if ((err = clo_rd_u8(&i, &b)) != 0)
            return err;
        v = v << 8 | b;
    }
    if (v > max)
        return CLOISTER_E_MALFORMED;
    *ret = (uint16_t)v;
    return 0;
}

/* Mark this member as seen. */
static int first_time(uint32_t *seen, unsigned number)
{
    if ((*seen & UINT32_C(1) << number) != 0)
        return CLOISTER_E_DUPLICATE;
    *seen |= UINT32_C(1) << number;
    return 0;
}

static int pck_tcb_read(struct clo_rd *value, struct clo_pck *p)
{
    uint8_t arc[sizeof pck_arc + 1];
    struct clo_rd tcb, v;
    uint32_t seen = 0;
    uint16_t number = 0;
    unsigned which = 0;
    int err;

    memcpy(arc, pck_arc, sizeof pck_arc);
    arc[sizeof pck_arc] = PCK_TCB;
    if ((err = clo_der_read(value, DER_SEQUENCE, &tcb)) != 0)
        return err;
    while (tcb.left > 0) {
        if ((err = member_read(&tcb, arc, sizeof arc, &which, &v)) != 0 ||
            (err = first_time(&seen, which)) != 0)
            return err;
        if (which <= TCB_COMPONENTS) {
            if ((err = number_read(&v, UINT8_MAX, &number)) != 0)
                return err;
            p->component[which - 1] = (uint8_t)number;
        } else if (which == TCB_PCESVN)
            err = number_read(&v, UINT16_MAX, &p->pcesvn);
        else if (which == TCB_CPUSVN)
            err = octets_read(&v, p->cpusvn, sizeof p->cpusvn);
        else
            err = CLOISTER_E_MALFORMED;
        if (err != 0 || (err = clo_rd_end(&v)) != 0)
            return err;
    }
    /* bits 1 to 18 */
    return seen == (UINT32_C(1) << (TCB_CPUSVN + 1)) - 2 ? 0 : CLOISTER_E_NOT_FOUND;
}

int clo_pck_parse(const void *bytes, size_t n, struct clo_pck *ret)
{
    const uint32_t wanted = 1 << PCK_TCB | 1 << PCK_PCEID | 1 << PCK_FMSPC;
    struct clo_rd rd = clo_rd_init(bytes, n), all, v;
    struct clo_pck p = {0};
    uint32_t seen = 0;
    unsigned which = 0;
    int err;

    if ((err = clo_der_read(&rd, DER_SEQUENCE, &all)) != 0 || (err = clo_rd_end(&rd)) != 0)
        return err;
    while (all.left > 0) {
        if ((err = member_read(&all, pck_arc, sizeof pck_arc, &which, &v)) != 0 ||
            (err = first_time(&seen, which)) != 0)
            return err;
        if (which == PCK_TCB)
            err = pck_tcb_read(&v, &p);
        else if (which == PCK_PCEID)
            err = octets_read(&v, p.pceid, sizeof p.pceid);
        else if (which == PCK_FMSPC)
            err = octets_read(&v, p.fmspc, sizeof p.fmspc);
        else
            continue; /* PPID, SGX type, platform instance, configuration: nothing is judged by them */
        if (err != 0 || (err = clo_rd_end(&v)) != 0)
            return err;
    }
    if ((seen & wanted) != wanted)
        return CLOISTER_E_NOT_FOUND;
    *ret = p;
    return 0;
}

int clo_pck_read(const struct clo_cert *c, struct clo_pck *ret)
{
    const uint8_t *p = NULL;
    size_t n = 0;
    int err;

    if ((err = clo_cert_ext(c, PCK_OID, &p, &n)) != 0)
        return err;
    return clo_pck_parse(p, n, ret);
}
