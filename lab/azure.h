/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A laboratory for Azure's envelopes: runtime data that name a key of lab/tpm.h, around a hardware report of lab/snp.h or a
 * TDREPORT, so that a case or a test can make exactly one thing wrong.
 */
#ifndef CLO_LAB_AZURE_H
#define CLO_LAB_AZURE_H

#include "attest/hcl.h"
#include "base/enc.h"
#include "lab/tpm.h"

/* Everything that an envelope is made of; azure_lab_good() is right in every respect. */
struct azure_recipe {
    EVP_PKEY *ak;       /* named by the runtime data */
    char json[2048];    /* %s stands for the key's modulus; ' for " */
    const char *second; /* what is put into the array of keys behind the first */
    uint32_t header[3]; /* version, report size (0: right), request type */
    uint32_t
        data[5]; /* data size (0: right), version, report type, hash type, JSON length (0: right) */
    size_t cut, more;    /* bytes behind the JSON that are there, and that are missing */
    int flip, json_flip; /* a bit of the finished envelope, of the JSON in it; -1: none */
    uint8_t behind;      /* the last byte behind the JSON */
    enum clo_hash_alg hash;
    uint8_t covers[64]; /* what the hardware covers, XORed onto the JSON's hash */
    bool tdreport;      /* a TDREPORT is inside */
};

/* With SEV-SNP's report inside, or TDX's. */
static inline struct azure_recipe azure_lab_good(bool tdx)
{
    struct azure_recipe r = {
        .ak = tl.rsa,
        .header = {1, 0, 2},
        .data = {0, 1, tdx ? CLO_HCL_TDX : CLO_HCL_SNP, 1, 0},
        .more = 100,
        .flip = -1,
        .json_flip = -1,
        .hash = CLO_SHA256,
        .tdreport = tdx,
    };

    (void)snprintf(
        r.json, sizeof r.json, "%s",
        "{'keys':[{'kid':'HCLAkPub','key_ops':['sign'],'kty':'RSA','e':'AQAB','n':'%s'}@,"
        "{'kid':'HCLEkPub','key_ops':['encrypt'],'kty':'RSA','e':'AQAB','n':'%s'}],"
        "'vm-configuration':{'console-enabled':false,'root-cert-thumbprint':'',"
        "'secure-boot':true,'tpm-enabled':true,"
        "'vmUniqueId':'0ABCDEF0-1234-5678-9abc-def012345678'},"
        "'user-data':'00','something-new':[1,2]}");
    return r;
}

static inline void azure_edit(struct azure_recipe *r, const char *from, const char *to)
{
    char s[sizeof r->json];
    const char *at = strstr(r->json, from);

    LAB_MUST(at != NULL);
    (void)snprintf(s, sizeof s, "%.*s%s%s", (int)(at - r->json), r->json, to, at + strlen(from));
    memcpy(r->json, s, sizeof s);
}

/* The JSON's text: " for ', moduli, and what stands behind the first key. */
static inline size_t azure_lab_json(const struct azure_recipe *r, char *dst, size_t cap)
{
    uint8_t n[256];
    char b64[CLO_B64_LEN(256) + 1];
    size_t at = 0;

    tl_number(r->ak, OSSL_PKEY_PARAM_RSA_N, n, sizeof n);
    clo_b64(n, sizeof n, b64);
    for (const char *c = r->json; *c != '\0'; c++) {
        const char one[2] = {*c == '\'' ? '"' : *c, '\0'};
        const char *s = one;

        if (*c == '%') {
            s = b64;
            c++;
        } else if (*c == '@') {
            s = r->second != NULL ? r->second : "";
        }
        LAB_MUST(at + strlen(s) < cap);
        memcpy(dst + at, s, strlen(s));
        at += strlen(s);
    }
    return at;
}

/* What the hardware's report covers. */
static inline void azure_lab_covered(const struct azure_recipe *r, const char *json, size_t n,
                                     uint8_t ret[64])
{
    const struct clo_slice in = {json, n};

    memset(ret, 0, 64);
    LAB_MUST(clo_hash(r->hash, &in, 1, ret) == 0);
    for (size_t i = 0; i < 64; i++)
        ret[i] ^= r->covers[i];
}

static inline void azure_le32(uint8_t *p, uint32_t v)
{
    for (size_t i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/* The envelope, its length; dst is 3 * CLO_HCL_MAX bytes. report: SEV-SNP's; not looked at where a TDREPORT is inside. */
static inline size_t azure_lab_envelope(const struct azure_recipe *r, const char *json, size_t n,
                                        const uint8_t *report, uint8_t *dst)
{
    size_t len = 0x4d4 + n + r->more;

    memset(dst, 0, 3 * (size_t)CLO_HCL_MAX);
    LAB_MUST(len <= 3 * (size_t)CLO_HCL_MAX && r->cut < len);
    memcpy(dst, "HCLA", 4);
    azure_le32(dst + 4, r->header[0]);
    azure_le32(dst + 8, r->header[1] != 0 ? r->header[1] : (uint32_t)(0x4d4 + n));
    azure_le32(dst + 12, r->header[2]);
    if (r->tdreport) {
        dst[0x20] = 0x81;
        azure_lab_covered(r, json, n, dst + 0x20 + 128);
    } else {
        LAB_MUST(report != NULL);
        memcpy(dst + 0x20, report, CLO_SNP_REPORT_LEN);
    }
    azure_le32(dst + 0x4c0, r->data[0] != 0 ? r->data[0] : (uint32_t)(20 + n));
    azure_le32(dst + 0x4c4, r->data[1]);
    azure_le32(dst + 0x4c8, r->data[2]);
    azure_le32(dst + 0x4cc, r->data[3]);
    azure_le32(dst + 0x4d0, r->data[4] != 0 ? r->data[4] : (uint32_t)n);
    memcpy(dst + 0x4d4, json, n);
    dst[len - 1] |= r->behind;
    tl_flip(dst, r->flip);
    tl_flip(dst + 0x4d4, r->json_flip);
    return len - r->cut;
}

#endif
