/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A want, as a message and as a file's name: see gather.h. Each kind has its own members and no others; a reader takes no want that
 * its writer doesn't write. Fuzzed by fuzz/fuzz_ipc.c.
 */
#include <stdio.h>
#include <string.h>

#include "attest/gather.h"
#include "base/enc.h"
#include "crypto/crypto.h"

enum {
    HWID = 64,
    HWID_TURIN = 8,
    TDREPORT = 1024
};

bool clo_want_same(const struct clo_want *a, const struct clo_want *b)
{
    return a->kind == b->kind && a->product == b->product && a->vlek == b->vlek &&
           a->tdx == b->tdx && a->processor == b->processor && a->hwid_n == b->hwid_n &&
           memcmp(a->hwid, b->hwid, sizeof a->hwid) == 0 &&
           memcmp(a->tcb, b->tcb, sizeof a->tcb) == 0 &&
           memcmp(a->fmspc, b->fmspc, sizeof a->fmspc) == 0 && a->request_n == b->request_n &&
           memcmp(a->request, b->request, a->request_n) == 0;
}

static size_t hwid_len(enum clo_amd_product product)
{
    return product == CLO_AMD_TURIN ? HWID_TURIN : HWID;
}

static int write_product(const struct clo_want *w, struct clo_wr *wr)
{
    return w->product < CLO_AMD_PRODUCTS ? clo_wr_u8(wr, (uint8_t)w->product) : CLOISTER_E_ARGUMENT;
}

static int write_vcek(const struct clo_want *w, struct clo_wr *wr)
{
    int err;

    if (w->product < CLO_AMD_PRODUCTS && w->hwid_n != hwid_len(w->product))
        return CLOISTER_E_ARGUMENT;
    if ((err = write_product(w, wr)) != 0 || (err = clo_wr_bytes(wr, w->hwid, w->hwid_n)) != 0)
        return err;
    return clo_wr_bytes(wr, w->tcb, sizeof w->tcb);
}

static int write_request(const struct clo_want *w, struct clo_wr *wr)
{
    const bool fits = w->kind == CLO_WANT_AZURE_TD_QUOTE
                          ? w->request_n == TDREPORT
                          : w->request_n > 0 && w->request_n <= sizeof w->request;
    int err;

    if (!fits)
        return CLOISTER_E_ARGUMENT;
    if ((err = clo_wr_u16le(wr, (uint16_t)w->request_n)) != 0)
        return err;
    return clo_wr_bytes(wr, w->request, w->request_n);
}

int clo_want_write(const struct clo_want *w, struct clo_wr *wr)
{
    struct clo_wr to = *wr;
    int err = clo_wr_u8(&to, (uint8_t)w->kind);

    if (err != 0)
        return err;
    switch (w->kind) {
    case CLO_WANT_AMD_VCEK: err = write_vcek(w, &to); break;
    case CLO_WANT_AMD_CHAIN:
    case CLO_WANT_AMD_CRL:
        if ((err = write_product(w, &to)) == 0)
            err = clo_wr_u8(&to, w->vlek ? 1 : 0);
        break;
    case CLO_WANT_INTEL_TCB_INFO:
        if ((err = clo_wr_u8(&to, w->tdx ? 1 : 0)) == 0)
            err = clo_wr_bytes(&to, w->fmspc, sizeof w->fmspc);
        break;
    case CLO_WANT_INTEL_QE_IDENTITY: err = clo_wr_u8(&to, w->tdx ? 1 : 0); break;
    case CLO_WANT_INTEL_PCK_CRL: err = clo_wr_u8(&to, w->processor ? 1 : 0); break;
    case CLO_WANT_INTEL_ROOT_CRL: break;
    case CLO_WANT_NVIDIA_OCSP:
    case CLO_WANT_AZURE_TD_QUOTE: err = write_request(w, &to); break;
    default: err = CLOISTER_E_ARGUMENT;
    }
    if (err == 0)
        *wr = to;
    return err;
}

static int read_flag(struct clo_rd *rd, bool *ret)
{
    uint8_t v = 0;
    int err;

    if ((err = clo_rd_u8(rd, &v)) != 0)
        return err;
    if (v > 1)
        return CLOISTER_E_MALFORMED;
    *ret = v == 1;
    return 0;
}

static int read_product(struct clo_rd *rd, struct clo_want *w)
{
    uint8_t v = 0;
    int err;

    if ((err = clo_rd_u8(rd, &v)) != 0)
        return err;
    if (v >= CLO_AMD_PRODUCTS)
        return CLOISTER_E_UNKNOWN;
    w->product = (enum clo_amd_product)v;
    return 0;
}

static int read_vcek(struct clo_rd *rd, struct clo_want *w)
{
    int err;

    if ((err = read_product(rd, w)) != 0)
        return err;
    w->hwid_n = hwid_len(w->product);
    if ((err = clo_rd_bytes(rd, w->hwid, w->hwid_n)) != 0)
        return err;
    return clo_rd_bytes(rd, w->tcb, sizeof w->tcb);
}

static int read_request(struct clo_rd *rd, struct clo_want *w)
{
    uint16_t n = 0;
    int err;

    if ((err = clo_rd_u16le(rd, &n)) != 0)
        return err;
    if (n > sizeof w->request)
        return CLOISTER_E_LIMIT;
    if (n == 0 || (w->kind == CLO_WANT_AZURE_TD_QUOTE && n != TDREPORT))
        return CLOISTER_E_MALFORMED;
    w->request_n = n;
    return clo_rd_bytes(rd, w->request, n);
}

int clo_want_read(const void *p, size_t n, struct clo_want *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_want w = {0};
    uint8_t kind = 0;
    int err;

    if ((err = clo_rd_u8(&rd, &kind)) != 0)
        return err;
    if (kind == 0 || kind >= CLO_WANT_KINDS)
        return CLOISTER_E_UNKNOWN;
    w.kind = (enum clo_want_kind)kind;
    switch (w.kind) {
    case CLO_WANT_AMD_VCEK: err = read_vcek(&rd, &w); break;
    case CLO_WANT_AMD_CHAIN:
    case CLO_WANT_AMD_CRL:
        if ((err = read_product(&rd, &w)) == 0)
            err = read_flag(&rd, &w.vlek);
        break;
    case CLO_WANT_INTEL_TCB_INFO:
        if ((err = read_flag(&rd, &w.tdx)) == 0)
            err = clo_rd_bytes(&rd, w.fmspc, sizeof w.fmspc);
        break;
    case CLO_WANT_INTEL_QE_IDENTITY: err = read_flag(&rd, &w.tdx); break;
    case CLO_WANT_INTEL_PCK_CRL: err = read_flag(&rd, &w.processor); break;
    case CLO_WANT_NVIDIA_OCSP:
    case CLO_WANT_AZURE_TD_QUOTE: err = read_request(&rd, &w); break;
    default: break; /* the root CRL is one alone */
    }
    if (err != 0 || (err = clo_rd_end(&rd)) != 0)
        return err;
    *ret = w;
    return 0;
}

/* The name has room for all of these: the longest is a VCEK's. */
static void name_of_request(const char *what, const char *suffix, const struct clo_want *w,
                            char ret[CLO_WANT_NAME_MAX])
{
    uint8_t digest[CLO_SHA256_LEN];
    char hex[2 * CLO_SHA256_LEN + 1];

    ret[0] = '\0';
    if (w->request_n > sizeof w->request || clo_sha256(w->request, w->request_n, digest) != 0)
        return;
    clo_hex(digest, sizeof digest, hex);
    (void)snprintf(ret, CLO_WANT_NAME_MAX, "%s-%s.%s", what, hex, suffix);
}

void clo_want_name(const struct clo_want *w, char ret[CLO_WANT_NAME_MAX])
{
    static const char *const products[CLO_AMD_PRODUCTS] = {"milan", "genoa", "turin"};
    const char *product = w->product < CLO_AMD_PRODUCTS ? products[w->product] : "unknown";
    const char *key = w->vlek ? "vlek" : "vcek";
    const char *tee = w->tdx ? "tdx" : "sgx";
    char hwid[2 * HWID + 1] = "", tcb[2 * sizeof w->tcb + 1], fmspc[2 * sizeof w->fmspc + 1];

    ret[0] = '\0';
    switch (w->kind) {
    case CLO_WANT_AMD_VCEK:
        clo_hex(w->hwid, w->hwid_n <= HWID ? w->hwid_n : HWID, hwid);
        clo_hex(w->tcb, sizeof w->tcb, tcb);
        (void)snprintf(ret, CLO_WANT_NAME_MAX, "amd-vcek-%s-%s-%s.der", product, hwid, tcb);
        break;
    case CLO_WANT_AMD_CHAIN:
        (void)snprintf(ret, CLO_WANT_NAME_MAX, "amd-%s-chain-%s.pem", key, product);
        break;
    case CLO_WANT_AMD_CRL:
        (void)snprintf(ret, CLO_WANT_NAME_MAX, "amd-%s-crl-%s.der", key, product);
        break;
    case CLO_WANT_INTEL_TCB_INFO:
        clo_hex(w->fmspc, sizeof w->fmspc, fmspc);
        (void)snprintf(ret, CLO_WANT_NAME_MAX, "intel-tcb-%s-%s.json", tee, fmspc);
        break;
    case CLO_WANT_INTEL_QE_IDENTITY:
        (void)snprintf(ret, CLO_WANT_NAME_MAX, "intel-qe-identity-%s.json", tee);
        break;
    case CLO_WANT_INTEL_PCK_CRL:
        (void)snprintf(ret, CLO_WANT_NAME_MAX, "intel-pck-crl-%s.der",
                       w->processor ? "processor" : "platform");
        break;
    case CLO_WANT_INTEL_ROOT_CRL:
        (void)snprintf(ret, CLO_WANT_NAME_MAX, "intel-root-crl.der");
        break;
    case CLO_WANT_NVIDIA_OCSP: name_of_request("nvidia-ocsp", "der", w, ret); break;
    case CLO_WANT_AZURE_TD_QUOTE: name_of_request("azure-td-quote", "bin", w, ret); break;
    default: break;
    }
}
