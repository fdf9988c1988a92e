/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A laboratory for Intel's quotes: its own root, PCK authority, platform, quoting enclave and TCB signer, quotes written by
 * offset and collateral written as text, so that a case or a test can make exactly one thing wrong.
 */
#ifndef CLO_LAB_QUOTE_H
#define CLO_LAB_QUOTE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/quote.h"
#include "attest/quote_parse.h"
#include "base/enc.h"
#include "crypto/x509_make.h"
#include "lab/lab.h"

#define QUOTE_TEXT 8192

/* Keys are made once a process. */
static struct {
    struct clo_signer *root, *ca, *pck, *ak, *tcb, *stranger;
} quote_lab;

static inline int quote_lab_open(void **state)
{
    (void)state;
    return clo_signer_new_p256(&quote_lab.root) | clo_signer_new_p256(&quote_lab.ca) |
           clo_signer_new_p256(&quote_lab.pck) | clo_signer_new_p256(&quote_lab.ak) |
           clo_signer_new_p256(&quote_lab.tcb) | clo_signer_new_p256(&quote_lab.stranger);
}

static inline int quote_lab_close(void **state)
{
    (void)state;
    clo_signer_free(quote_lab.root);
    clo_signer_free(quote_lab.ca);
    clo_signer_free(quote_lab.pck);
    clo_signer_free(quote_lab.ak);
    clo_signer_free(quote_lab.tcb);
    clo_signer_free(quote_lab.stranger);
    return 0;
}

enum { /* serial numbers */
    QUOTE_SERIAL_ROOT = 1,
    QUOTE_SERIAL_CA,
    QUOTE_SERIAL_PCK,
    QUOTE_SERIAL_TCB,
    QUOTE_SERIAL_NOBODY = 99,
};
/* How the chain comes. */
enum quote_chain {
    QUOTE_CHAIN_PEM,
    QUOTE_CHAIN_DER,
    QUOTE_CHAIN_BESIDE, /* certification data of another type */
    QUOTE_CHAIN_NONE,
    QUOTE_CHAIN_GARBAGE,
};
struct quote_crl {
    bool none, endless; /* without nextUpdate */
    int64_t from, to;
    uint64_t revoked;
    const struct clo_signer *issuer;
};

/* Everything that evidence is made of; quote_lab_td() and quote_lab_enclave() are right in every respect. */
struct quote_recipe {
    bool sgx;
    uint16_t version, key_type, body_type;
    uint32_t tee_type, body_size;
    uint8_t vendor[16];
    uint8_t body[648], qe[CLO_SGX_REPORT_LEN];
    size_t body_n;
    uint8_t auth[32];
    size_t auth_n;
    bool binding_wrong;
    const struct clo_signer *ak, *quote_signer, *qe_signer;
    size_t trailing_n;
    uint8_t trailing;
    size_t cut; /* bytes that the quote lacks at its end */
    int flip;   /* a bit of the finished quote; -1: none */

    enum quote_chain chain;
    size_t chain_n;
    const char *root_cn, *leaf_cn, *ca_cn, *tcb_cn;
    const struct clo_signer *root,
        *chain_root; /* the pinned one's key, and that of the chain's last certificate */
    const struct clo_signer *ca_issuer, *leaf_issuer, *tcb_issuer;
    int64_t leaf_from, leaf_to, ca_to, root_to, tcb_to;
    bool ca_no_ca, leaf_ca, tcb_ca, no_root, root_reissued;

    uint8_t component[16], fmspc[6], pceid[2];
    unsigned pcesvn;
    unsigned tcb_drop, tcb_twice, tcb_wide; /* a member of the extension's TCB */
    unsigned ext_drop, ext_twice;           /* a member of the extension */
    bool ext_none;

    struct quote_crl root_crl, pck_crl;
    bool no_info, no_identity, no_signer;
    const struct clo_signer *info_signer, *identity_signer;
    char info[QUOTE_TEXT], identity[QUOTE_TEXT]; /* inner objects; ' stands for " */
    const char *info_answer; /* what is around, with one %s for each: object, signature */
    char policy[QUOTE_TEXT];
    bool no_policy;
    uint8_t report_data[64];
    enum {
        QUOTE_DATA,
        QUOTE_DATA_ANY,
        QUOTE_DATA_NONE
    } data;
    const uint8_t *event_log;
    size_t event_log_n;
    int64_t now;
};

static inline void quote_edit(char text[QUOTE_TEXT], const char *from, const char *to)
{
    char s[QUOTE_TEXT];
    const char *at = strstr(text, from);
    int n;

    LAB_MUST(at != NULL);
    n = snprintf(s, sizeof s, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    LAB_MUST(n > 0 && n < QUOTE_TEXT);
    memcpy(text, s, (size_t)n + 1);
}

/* The same behind this mark. */
static inline void quote_edit_after(char text[QUOTE_TEXT], const char *mark, const char *from,
                                    const char *to)
{
    char s[QUOTE_TEXT];
    char *at = strstr(text, mark);

    LAB_MUST(at != NULL);
    (void)snprintf(s, sizeof s, "%s", at);
    quote_edit(s, from, to);
    LAB_MUST((size_t)(at - text) + strlen(s) < QUOTE_TEXT);
    memcpy(at, s, strlen(s) + 1);
}

static inline void quote_put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void quote_put32(uint8_t *p, uint32_t v)
{
    quote_put16(p, v & 0xffff);
    quote_put16(p + 2, v >> 16);
}

static inline void quote_put64(uint8_t *p, uint64_t v)
{
    quote_put32(p, (uint32_t)v);
    quote_put32(p + 4, (uint32_t)(v >> 32));
}

enum { /* offsets in a TD's report */
    TD_SVN = 0,
    TD_SIGNER = 0x40,
    TD_SEAM_ATTRIBUTES = 0x70,
    TD_ATTRIBUTES = 0x78,
    TD_XFAM = 0x80,
    TD_MRTD = 0x88,
    TD_CONFIG = 0xb8,
    TD_OWNER = 0xe8,
    TD_OWNER_CONFIG = 0x118,
    TD_RTMR = 0x148,
    TD_DATA = 0x208,
    TD_SVN2 = 584,
    TD_SERVICE = 600,
};
enum { /* offsets in an enclave's report */
    SGX_MISC = 16,
    SGX_ATTRIBUTES = 48,
    SGX_ENCLAVE = 64,
    SGX_SIGNER = 128,
    SGX_PRODUCT = 256,
    SGX_SVN = 258,
    SGX_DATA = 320,
};

#define X16(c)   c c c c c c c c c c c c c c c c
#define HEX48(c) X16(c) X16(c) X16(c)
#define SVN16(first)                                                                             \
    "[{'svn':" first ",'category':'BIOS'},{'svn':2},{'svn':0},{'svn':0},{'svn':0},{'svn':0},"    \
    "{'svn':0},{'svn':0},{'svn':0},{'svn':0},{'svn':0},{'svn':0},{'svn':0},{'svn':0},{'svn':0}," \
    "{'svn':0}]"
#define TDX16(c0, c1, c2)                                                                    \
    "[{'svn':" c0 "},{'svn':" c1 "},{'svn':" c2 "},{'svn':0},{'svn':0},{'svn':0},{'svn':0}," \
    "{'svn':0},{'svn':0},{'svn':0},{'svn':0},{'svn':0},{'svn':0},{'svn':0},{'svn':0},{'svn':0}]"
#define QUOTE_DATES "'issueDate':'2026-11-01T00:00:00Z','nextUpdate':'2026-12-01T00:00:00Z'"

static inline void quote_lab_texts(struct quote_recipe *r)
{
    (void)snprintf(
        r->info, QUOTE_TEXT,
        "{'id':'%s','version':3," QUOTE_DATES ",'fmspc':'00A0B1C2d3e4','pceId':'0001','tcbType':0,"
        "'tcbEvaluationDataNumber':17,%s'tcbLevels':["
        "{'tcb':{'sgxtcbcomponents':" SVN16(
            "5") ",'pcesvn':13%s},'tcbDate':'2026-01-01T00:00:00Z',"
                 "'tcbStatus':'UpToDate'},"
                 "{'tcb':{'sgxtcbcomponents':" SVN16(
                     "3") ",'pcesvn':5%s},'tcbDate':'2024-01-01T00:00:00Z',"
                          "'tcbStatus':'OutOfDate','advisoryIDs':['INTEL-SA-00001','INTEL-SA-00002']}]}",
        r->sgx ? "SGX" : "TDX",
        r->sgx
            ? ""
            : "'tdxModule':{'mrsigner':'" HEX48(
                  "00") "','attributes':'0000000000000000',"
                        "'attributesMask':'FFFFFFFFFFFFFFFF'},'tdxModuleIdentities':[{'id':'TDX_01',"
                        "'mrsigner':'" HEX48(
                            "00") "','attributes':'0000000000000000',"
                                  "'attributesMask':'FFFFFFFFFFFFFFFF','tcbLevels':[{'tcb':{'isvsvn':4},"
                                  "'tcbDate':'2026-01-01T00:00:00Z','tcbStatus':'UpToDate'},{'tcb':{'isvsvn':2},"
                                  "'tcbDate':'2024-01-01T00:00:00Z','tcbStatus':'OutOfDate',"
                                  "'advisoryIDs':['INTEL-SA-00003']}]}],",
        r->sgx ? "" : ",'tdxtcbcomponents':" TDX16("5", "0", "2"),
        r->sgx ? "" : ",'tdxtcbcomponents':" TDX16("3", "0", "1"));
    (void)snprintf(
        r->identity, QUOTE_TEXT,
        "{'id':'%s','version':2," QUOTE_DATES ",'tcbEvaluationDataNumber':17,"
        "'miscselect':'00000000','miscselectMask':'FFFFFFFF',"
        "'attributes':'11000000000000000000000000000000',"
        "'attributesMask':'FBFFFFFFFFFFFFFF0000000000000000',"
        "'mrsigner':'" X16("Dc") X16(
            "dC") "','isvprodid':2,'tcbLevels':["
                  "{'tcb':{'isvsvn':4},'tcbDate':'2026-01-01T00:00:00Z','tcbStatus':'UpToDate'},"
                  "{'tcb':{'isvsvn':2},'tcbDate':'2024-01-01T00:00:00Z','tcbStatus':'OutOfDate',"
                  "'advisoryIDs':['INTEL-SA-00004']}]}",
        r->sgx ? "QE" : "TD_QE");
    if (r->sgx)
        (void)snprintf(r->policy, QUOTE_TEXT,
                       "{'v':1,'name':'laboratory','tee':['sgx'],'devices':{'min':0},'sgx':{"
                       "'enclaves':['" X16("e1") X16("e1") "'],'signers':['" X16("51") X16(
                           "51") "'],'product_id':7,'min_svn':3,"
                                 "'tcb':{'min_evaluation_number':17,'fmspcs':['00a0b1c2d3e4']}}}");
    else
        (void)snprintf(
            r->policy, QUOTE_TEXT,
            "{'v':1,'name':'laboratory','tee':['tdx'],'devices':{'min':0},'tdx':{"
            "'images':[{'mrtd':'" HEX48("a0") "','rtmr0':'" HEX48("b0") "','rtmr1':'" HEX48("b1") "','rtmr2':'" HEX48(
                "b2") "','rtmr3':'" HEX48("b3") "'}],"
                                                "'tcb':{'min_evaluation_number':17,'fmspcs':['00a0b1c2d3e4']}}}");
}

static inline struct quote_recipe quote_lab_common(uint16_t version, bool sgx)
{
    static const uint8_t intel[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                      0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
    struct quote_recipe r = {
        .sgx = sgx,
        .version = version,
        .key_type = 2,
        .tee_type = sgx ? 0 : 0x81,
        .auth_n = 32,
        .ak = quote_lab.ak,
        .quote_signer = quote_lab.ak,
        .qe_signer = quote_lab.pck,
        .flip = -1,
        .chain_n = 3,
        .root_cn = "Intel SGX Root CA",
        .ca_cn = sgx ? "Intel SGX PCK Processor CA" : "Intel SGX PCK Platform CA",
        .leaf_cn = "Intel SGX PCK Certificate",
        .tcb_cn = "Intel SGX TCB Signing",
        .root = quote_lab.root,
        .chain_root = quote_lab.root,
        .ca_issuer = quote_lab.root,
        .leaf_issuer = quote_lab.ca,
        .tcb_issuer = quote_lab.root,
        .leaf_from = LAB_NOW - LAB_YEAR,
        .leaf_to = LAB_NOW + 6 * LAB_YEAR,
        .ca_to = LAB_NOW + 7 * LAB_YEAR,
        .root_to = LAB_NOW + 20 * (int64_t)LAB_YEAR,
        .tcb_to = LAB_NOW + 5 * LAB_YEAR,
        .component = {5, 2},
        .pcesvn = 13,
        .fmspc = {0x00, 0xa0, 0xb1, 0xc2, 0xd3, 0xe4},
        .pceid = {0, 1},
        .root_crl = {.from = LAB_NOW - LAB_DAY,
                     .to = LAB_NOW + LAB_YEAR,
                     .revoked = QUOTE_SERIAL_NOBODY,
                     .issuer = quote_lab.root},
        .pck_crl = {.from = LAB_NOW - LAB_DAY,
                    .to = LAB_NOW + 30 * LAB_DAY,
                    .revoked = QUOTE_SERIAL_NOBODY,
                    .issuer = quote_lab.ca},
        .info_signer = quote_lab.tcb,
        .identity_signer = quote_lab.tcb,
        .info_answer = "{\"tcbInfo\":%s,\"signature\":\"%s\"}",
        .now = LAB_NOW,
    };

    memcpy(r.vendor, intel, sizeof intel);
    memset(r.auth, 0x1c, sizeof r.auth);
    for (size_t i = 0; i < 64; i++)
        r.report_data[i] = (uint8_t)(0xa0 + i);
    r.qe[SGX_ATTRIBUTES] = 0x15; /* INIT, MODE64BIT, PROVISION_KEY */
    r.qe[SGX_ATTRIBUTES + 8] = 0xe7;
    memset(r.qe + SGX_SIGNER, 0xdc, 32);
    quote_put16(r.qe + SGX_PRODUCT, 2);
    quote_put16(r.qe + SGX_SVN, 4);
    quote_lab_texts(&r);
    return r;
}

/* version 4, or 5 with a report of TD 1.0 or 1.5 */
static inline struct quote_recipe quote_lab_td(uint16_t version, enum clo_quote_body body)
{
    struct quote_recipe r = quote_lab_common(version, false);

    r.body_type = (uint16_t)body;
    r.body_n = body == CLO_QUOTE_BODY_TD15 ? 648 : 584;
    r.body_size = (uint32_t)r.body_n;
    memcpy(r.body + TD_SVN, "\x05\x01\x02", 3);
    quote_put64(r.body + TD_ATTRIBUTES, 0x10000000);
    quote_put64(r.body + TD_XFAM, 0x602e7 & 0x6dbe7);
    memset(r.body + TD_MRTD, 0xa0, 48);
    for (size_t i = 0; i < 4; i++)
        memset(r.body + TD_RTMR + 48 * i, (int)(0xb0 + i), 48);
    memcpy(r.body + TD_DATA, r.report_data, 64);
    if (body == CLO_QUOTE_BODY_TD15)
        memcpy(r.body + TD_SVN2, "\x05\x01\x02", 3);
    return r;
}

/* version 3, 4 or 5 */
static inline struct quote_recipe quote_lab_enclave(uint16_t version)
{
    struct quote_recipe r = quote_lab_common(version, true);

    r.body_type = CLO_QUOTE_BODY_SGX;
    r.body_n = r.body_size = CLO_SGX_REPORT_LEN;
    r.body[SGX_ATTRIBUTES] = 0x05;
    r.body[SGX_ATTRIBUTES + 8] = 0xe7;
    memset(r.body + SGX_ENCLAVE, 0xe1, 32);
    memset(r.body + SGX_SIGNER, 0x51, 32);
    quote_put16(r.body + SGX_PRODUCT, 7);
    quote_put16(r.body + SGX_SVN, 3);
    memcpy(r.body + SGX_DATA, r.report_data, 64);
    return r;
}

/* ---- certificates and lists ---- */

static inline void quote_der(struct clo_buf *out, uint8_t tag, const void *p, size_t n)
{
    const uint8_t small[] = {tag, (uint8_t)n}, mid[] = {tag, 0x81, (uint8_t)n},
                  large[] = {tag, 0x82, (uint8_t)(n >> 8), (uint8_t)n};

    if (n < 0x80)
        LAB_MUST(clo_buf_append(out, small, sizeof small) == 0);
    else if (n < 0x100)
        LAB_MUST(clo_buf_append(out, mid, sizeof mid) == 0);
    else
        LAB_MUST(clo_buf_append(out, large, sizeof large) == 0);
    LAB_MUST(clo_buf_append(out, p, n) == 0);
}

/* SEQUENCE { OID 1.2.840.113741.1.13.1.a[.b], value } */
static inline void quote_member(struct clo_buf *out, unsigned a, unsigned b, uint8_t tag,
                                const void *p, size_t n)
{
    const uint8_t oid[] = {0x2a, 0x86, 0x48, 0x86,       0xf8,      0x4d,
                           0x01, 0x0d, 0x01, (uint8_t)a, (uint8_t)b};
    struct clo_buf m = clo_buf_init(4096);

    quote_der(&m, 0x06, oid, b == 0 ? sizeof oid - 1 : sizeof oid);
    quote_der(&m, tag, p, n);
    quote_der(out, 0x30, m.p, m.len);
    clo_buf_clear(&m);
}

static inline void quote_number(struct clo_buf *out, unsigned a, unsigned b, unsigned v)
{
    const uint8_t bytes[] = {0, (uint8_t)(v >> 8), (uint8_t)v};
    const size_t skip = v < 0x80 ? 2 : v < 0x8000 && v >= 0x100 ? 1 : v < 0x100 ? 1 : 0;

    quote_member(out, a, b, 0x02, bytes + skip, sizeof bytes - skip);
}

static inline void quote_lab_pck_tcb(const struct quote_recipe *r, struct clo_buf *tcb)
{
    for (unsigned i = 1; i <= 18; i++)
        for (unsigned k = 0; k < (i == r->tcb_drop ? 0u : i == r->tcb_twice ? 2u : 1u); k++) {
            if (i == 18)
                quote_member(tcb, 2, 18, 0x04, r->component, 16); /* CPUSVN is made of them */
            else if (i == 17)
                quote_number(tcb, 2, 17, i == r->tcb_wide ? 0x10000 : r->pcesvn);
            else
                quote_number(tcb, 2, i, i == r->tcb_wide ? 256 : r->component[i - 1]);
        }
}

static inline void quote_lab_pck_extension(const struct quote_recipe *r, struct clo_buf *out)
{
    static const uint8_t ppid[16], type[] = {0};
    struct clo_buf all = clo_buf_init(4096), tcb = clo_buf_init(4096);

    quote_lab_pck_tcb(r, &tcb);
    for (unsigned i = 1; i <= 5; i++)
        for (unsigned k = 0; k < (i == r->ext_drop ? 0u : i == r->ext_twice ? 2u : 1u); k++)
            switch (i) {
            case 1: quote_member(&all, 1, 0, 0x04, ppid, sizeof ppid); break;
            case 2: quote_member(&all, 2, 0, 0x30, tcb.p, tcb.len); break;
            case 3: quote_member(&all, 3, 0, 0x04, r->pceid, 2); break;
            case 4: quote_member(&all, 4, 0, 0x04, r->fmspc, 6); break;
            default: quote_member(&all, 5, 0, 0x0a, type, 1); break;
            }
    *out = clo_buf_init(4096);
    quote_der(out, 0x30, all.p, all.len);
    clo_buf_clear(&all);
    clo_buf_clear(&tcb);
}

static inline void quote_lab_cert(struct clo_buf *dst, const struct clo_cert_spec *spec)
{
    *dst = clo_buf_init(CLO_CERT_MAX);
    LAB_MUST(clo_cert_make(spec, dst) == 0);
}

/*
 * What Intel's PCK certificates carry besides, in this order: a place for lists (at this name nobody answers), key identifiers (nobody compares
 * them), key usage, and that they are no authority.
 */
static const uint8_t quote_crl_place[] = {
    0x30, 0x2b, 0x30, 0x29, 0xa0, 0x27, 0xa0, 0x25, 0x86, 0x23, 0x68, 0x74, 0x74, 0x70, 0x73,
    0x3a, 0x2f, 0x2f, 0x63, 0x6f, 0x6c, 0x6c, 0x61, 0x74, 0x65, 0x72, 0x61, 0x6c, 0x2e, 0x69,
    0x6e, 0x76, 0x61, 0x6c, 0x69, 0x64, 0x2f, 0x72, 0x6f, 0x6f, 0x74, 0x2e, 0x63, 0x72, 0x6c,
};
static const uint8_t quote_key_id[22] = {0x04, 20, 1};
static const uint8_t quote_issuer_id[24] = {0x30, 22, 0x80, 20, 1};
static const uint8_t quote_key_usage[] = {0x03, 0x02, 0x06, 0xc0};
static const uint8_t quote_no_authority[] = {0x30, 0x00};
#define QUOTE_EXTS                                                                                 \
    {.oid = "2.5.29.35", .p = quote_issuer_id, .n = sizeof quote_issuer_id},                       \
        {.oid = "2.5.29.31", .p = quote_crl_place, .n = sizeof quote_crl_place},                   \
        {.oid = "2.5.29.14", .p = quote_key_id, .n = sizeof quote_key_id},                         \
        {.oid = "2.5.29.15", .critical = true, .p = quote_key_usage, .n = sizeof quote_key_usage}, \
    {                                                                                              \
        .oid = "2.5.29.19", .critical = true, .p = quote_no_authority,                             \
        .n = sizeof quote_no_authority                                                             \
    }

static inline void quote_lab_root(const struct quote_recipe *r, const struct clo_signer *key,
                                  uint64_t serial, struct clo_buf *dst)
{
    const struct clo_cert_ext_spec place = {
        .oid = "2.5.29.31", .p = quote_crl_place, .n = sizeof quote_crl_place};

    quote_lab_cert(dst, &(struct clo_cert_spec){.subject_cn = r->root_cn,
                                                .issuer_cn = r->root_cn,
                                                .serial = serial,
                                                .not_before = LAB_NOW - 5 * (int64_t)LAB_YEAR,
                                                .not_after = r->root_to,
                                                .ca = true,
                                                .ext = &place,
                                                .exts = 1,
                                                .subject = key,
                                                .issuer = key});
}

/* Leaf, intermediate, root and, in the fourth place, one too many. */
static inline void quote_lab_chain(const struct quote_recipe *r, struct clo_buf chain[4])
{
    struct clo_cert_ext_spec ext[] = {QUOTE_EXTS, {.oid = "1.2.840.113741.1.13.1"}};
    const size_t no_authority = r->leaf_ca ? 2 : 0; /* an authority has these two of another kind */
    struct clo_buf value;

    quote_lab_pck_extension(r, &value);
    ext[5].p = value.p;
    ext[5].n = value.len;
    if (no_authority != 0)
        ext[3] = ext[5];
    quote_lab_cert(&chain[0],
                   &(struct clo_cert_spec){.subject_cn = r->leaf_cn,
                                           .issuer_cn = r->ca_cn,
                                           .serial = QUOTE_SERIAL_PCK,
                                           .not_before = r->leaf_from,
                                           .not_after = r->leaf_to,
                                           .ca = r->leaf_ca,
                                           .ext = ext,
                                           .exts = CLO_ARRAY_LEN(ext) - no_authority - r->ext_none,
                                           .subject = quote_lab.pck,
                                           .issuer = r->leaf_issuer});
    quote_lab_cert(&chain[1], &(struct clo_cert_spec){.subject_cn = r->ca_cn,
                                                      .issuer_cn = r->root_cn,
                                                      .serial = QUOTE_SERIAL_CA,
                                                      .not_before = LAB_NOW - 4 * (int64_t)LAB_YEAR,
                                                      .not_after = r->ca_to,
                                                      .ca = !r->ca_no_ca,
                                                      .subject = quote_lab.ca,
                                                      .issuer = r->ca_issuer});
    quote_lab_root(r, r->chain_root, r->root_reissued ? 77 : QUOTE_SERIAL_ROOT, &chain[2]);
    quote_lab_root(r, r->chain_root, QUOTE_SERIAL_ROOT, &chain[3]);
    clo_buf_clear(&value);
}

static inline void quote_lab_crl_make(const struct quote_crl *l, const char *issuer,
                                      struct clo_collateral *c)
{
    const struct clo_crl_spec spec = {.issuer_cn = issuer,
                                      .this_update = l->from,
                                      .next_update = l->to,
                                      .no_next_update = l->endless,
                                      .revoked = &l->revoked,
                                      .revoked_n = 1,
                                      .issuer = l->issuer};

    if (l->none)
        return;
    c->crl[c->crls] = clo_buf_init(CLO_CRL_MAX);
    LAB_MUST(clo_crl_make(&spec, &c->crl[c->crls++]) == 0);
}

static inline void quote_marks(char *s)
{
    for (; *s != '\0'; s++)
        if (*s == '\'')
            *s = '"';
}

static inline void quote_lab_answer(const char *object, const char *around,
                                    const struct clo_signer *key, struct clo_buf *dst)
{
    char inner[QUOTE_TEXT], text[QUOTE_TEXT + 512], hex[129];
    uint8_t rs[64];
    int n;

    (void)snprintf(inner, sizeof inner, "%s", object);
    quote_marks(inner);
    LAB_MUST(clo_signer_sign_p256(key, inner, strlen(inner), rs) == 0);
    clo_hex(rs, sizeof rs, hex);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    n = snprintf(text, sizeof text, around, inner, hex);
#pragma GCC diagnostic pop
    LAB_MUST(n > 0 && (size_t)n < sizeof text);
    *dst = clo_buf_init(sizeof text);
    LAB_MUST(clo_buf_append(dst, text, (size_t)n) == 0);
}

static inline void quote_lab_collateral(const struct quote_recipe *r, struct clo_collateral *c)
{
    *c = (struct clo_collateral){0};
    quote_lab_crl_make(&r->root_crl, r->root_cn, c);
    quote_lab_crl_make(&r->pck_crl, r->ca_cn, c);
    if (!r->no_info)
        quote_lab_answer(r->info, r->info_answer, r->info_signer, &c->tcb_info);
    if (!r->no_identity)
        quote_lab_answer(r->identity, "{\"enclaveIdentity\":%s,\"signature\":\"%s\"}",
                         r->identity_signer, &c->qe_identity);
    if (r->no_signer)
        return;
    quote_lab_cert(&c->collateral_chain[0],
                   &(struct clo_cert_spec){.subject_cn = r->tcb_cn,
                                           .issuer_cn = r->root_cn,
                                           .serial = QUOTE_SERIAL_TCB,
                                           .not_before = LAB_NOW - 2 * (int64_t)LAB_YEAR,
                                           .not_after = r->tcb_to,
                                           .ca = r->tcb_ca,
                                           .subject = quote_lab.tcb,
                                           .issuer = r->tcb_issuer});
    c->collateral_chain_n = 1;
}

/* ---- the quote ---- */

static inline void quote_app(struct clo_buf *b, const void *p, size_t n)
{
    LAB_MUST(clo_buf_append(b, p, n) == 0);
}

static inline void quote_app16(struct clo_buf *b, unsigned v)
{
    uint8_t p[2];

    quote_put16(p, v);
    quote_app(b, p, sizeof p);
}

static inline void quote_app32(struct clo_buf *b, size_t v)
{
    uint8_t p[4];

    quote_put32(p, (uint32_t)v);
    quote_app(b, p, sizeof p);
}

static inline void quote_pem(struct clo_buf *b, const struct clo_buf *der)
{
    char text[2 * CLO_CERT_MAX];

    clo_b64(der->p, der->len, text);
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
    quote_app(b, "-----BEGIN CERTIFICATE-----\n", 28);
    quote_app(b, text, strlen(text));
    quote_app(b, "==", (4 - strlen(text) % 4) % 4);
    quote_app(b, "\n-----END CERTIFICATE-----\n", 27);
}

static inline void quote_certification(const struct quote_recipe *r, const struct clo_buf chain[4],
                                       struct clo_buf *b)
{
    struct clo_buf data = clo_buf_init(32768);

    for (size_t i = 0; i < r->chain_n; i++)
        if (r->chain == QUOTE_CHAIN_PEM)
            quote_pem(&data, &chain[i]);
        else if (r->chain == QUOTE_CHAIN_DER)
            quote_app(&data, chain[r->chain_n - 1 - i].p, chain[r->chain_n - 1 - i].len);
    if (r->chain == QUOTE_CHAIN_GARBAGE)
        quote_app(&data, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", 56);
    if (r->chain == QUOTE_CHAIN_BESIDE)
        quote_app(&data, "an identifier of the platform", 29);
    quote_app16(b, r->chain == QUOTE_CHAIN_BESIDE ? 1 : 5);
    quote_app32(b, data.len);
    quote_app(b, data.p, data.len);
    clo_buf_clear(&data);
}

/* QE report, its signature, authentication data, certification data. */
static inline void quote_qe(const struct quote_recipe *r, const struct clo_buf chain[4],
                            const uint8_t key[64], struct clo_buf *b)
{
    const struct clo_slice bound[] = {{key, 64}, {r->auth, r->auth_n}};
    uint8_t qe[CLO_SGX_REPORT_LEN], rs[64];

    memcpy(qe, r->qe, sizeof qe);
    LAB_MUST(clo_hash(CLO_SHA256, bound, 2, qe + SGX_DATA) == 0);
    qe[SGX_DATA + 63] = r->binding_wrong;
    LAB_MUST(clo_signer_sign_p256(r->qe_signer, qe, sizeof qe, rs) == 0);
    quote_app(b, qe, sizeof qe);
    quote_app(b, rs, sizeof rs);
    quote_app16(b, (unsigned)r->auth_n);
    quote_app(b, r->auth, r->auth_n);
    quote_certification(r, chain, b);
}

static inline void quote_lab_quote(const struct quote_recipe *r, const struct clo_buf chain[4],
                                   struct clo_buf *q)
{
    struct clo_buf sig = clo_buf_init(65536), qe = clo_buf_init(65536);
    uint8_t header[48] = {0}, key[64], rs[64];

    quote_put16(header, r->version);
    quote_put16(header + 2, r->key_type);
    quote_put32(header + 4, r->tee_type);
    memcpy(header + 12, r->vendor, 16);
    *q = clo_buf_init(131072);
    quote_app(q, header, sizeof header);
    if (r->version == 5) {
        quote_app16(q, r->body_type);
        quote_app32(q, r->body_size);
    }
    quote_app(q, r->body, r->body_n);
    LAB_MUST(clo_signer_sign_p256(r->quote_signer, q->p, q->len, rs) == 0);
    LAB_MUST(clo_signer_point(r->ak, key, key + 32) == 0);
    quote_app(&sig, rs, sizeof rs);
    quote_app(&sig, key, sizeof key);
    quote_qe(r, chain, key, &qe);
    if (r->version != 3) {
        quote_app16(&sig, 6);
        quote_app32(&sig, qe.len);
    }
    quote_app(&sig, qe.p, qe.len);
    quote_app32(q, sig.len);
    quote_app(q, sig.p, sig.len);
    for (size_t i = 0; i < r->trailing_n; i++)
        quote_app(q, &r->trailing, 1);
    q->len -= r->cut;
    if (r->flip >= 0)
        q->p[r->flip / 8] ^= (uint8_t)(1u << (r->flip % 8));
    clo_buf_clear(&sig);
    clo_buf_clear(&qe);
}

/* ---- all of it ---- */

static inline struct cloister_policy *quote_lab_policy(const struct quote_recipe *r)
{
    struct cloister_policy *p = NULL;
    char s[QUOTE_TEXT], why[200];

    if (r->no_policy)
        return NULL;
    memcpy(s, r->policy, sizeof s);
    quote_marks(s);
    if (cloister_policy_check(s, strlen(s), why, sizeof why) != 0)
        lab_cannot(__FILE__, __LINE__, why);
    LAB_MUST(cloister_policy_parse(s, strlen(s), &p) == 0);
    return p;
}

struct quote_evidence {
    struct clo_buf quote, chain[4];
    struct clo_collateral collateral;
    struct cloister_policy *policy;
    struct cloister_roots *roots;
    struct clo_quote_input in;
};

static inline void quote_lab_make(const struct quote_recipe *r, struct quote_evidence *e)
{
    struct clo_buf root;

    *e = (struct quote_evidence){0};
    quote_lab_chain(r, e->chain);
    quote_lab_quote(r, e->chain, &e->quote);
    quote_lab_collateral(r, &e->collateral);
    e->policy = quote_lab_policy(r);
    LAB_MUST(cloister_roots_new(&e->roots) == 0);
    if (!r->no_root) {
        quote_lab_root(r, r->root, QUOTE_SERIAL_ROOT, &root);
        LAB_MUST(cloister_roots_add_intel(e->roots, root.p, root.len) == 0);
        clo_buf_clear(&root);
    }
    e->in = (struct clo_quote_input){
        .sgx = r->sgx,
        .quote = e->quote.p,
        .quote_n = e->quote.len,
        .chain = e->chain,
        .chain_n = r->chain == QUOTE_CHAIN_BESIDE ? r->chain_n : 0,
        .collateral = &e->collateral,
        .event_log = r->event_log,
        .event_log_n = r->event_log_n,
        .data_check = CLOISTER_CHECK_BINDING_REPORT_DATA,
        .report_data = r->data == QUOTE_DATA ? r->report_data : NULL,
        .any_report_data = r->data == QUOTE_DATA_ANY,
    };
}

static inline void quote_lab_clear(struct quote_evidence *e)
{
    clo_buf_clear(&e->quote);
    for (size_t i = 0; i < CLO_ARRAY_LEN(e->chain); i++)
        clo_buf_clear(&e->chain[i]);
    clo_collateral_clear(&e->collateral);
    cloister_policy_free(e->policy);
    cloister_roots_free(e->roots);
}

#endif
