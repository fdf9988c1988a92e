/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of 24 bytes, a zero one, and the certificates that they point at. Limits and fuzzer: snp_certs.h. */
#include "attest/snp_certs.h"

#include <string.h>

#include "crypto/x509.h"

#define ENTRY_LEN   24
#define ENTRIES_MAX 32
#define CN_MAX      128

enum kind {
    VCEK,
    VLEK,
    ASK, /* or ASVK, beside a VLEK */
    ARK,
    KINDS
};
/* As written: the table has their bytes in this order (AMD's sev-guest tools, cert-table.c), not in the one of UEFI. */
static const uint8_t guid_of[KINDS][16] = {
    [VCEK] = {0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8,
              0xac, 0xcd},
    [VLEK] = {0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0,
              0xb8, 0xa1},
    [ASK] = {0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27,
             0xc7, 0x82},
    [ARK] = {0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c,
             0xd0, 0xae},
};

struct entry {
    const uint8_t *guid;
    struct clo_rd bytes;
};

/* The bytes that an entry points at. Offsets count from the table's start; each comparison is against what is left. */
static int entry_bytes(const void *p, size_t n, uint32_t offset, uint32_t length,
                       struct clo_rd *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    const uint8_t *at = NULL;
    int err;

    if ((err = clo_rd_skip(&rd, offset)) != 0 || (err = clo_rd_view(&rd, length, &at)) != 0)
        return err;
    *ret = clo_rd_init(at, length);
    return 0;
}

/* All entries, so that one that is wrong is seen wherever it stands. */
static int entries_read(const void *p, size_t n, struct entry e[ENTRIES_MAX], size_t *ret_count)
{
    struct clo_rd rd = clo_rd_init(p, n);
    size_t count = 0;

    for (;;) {
        uint32_t offset = 0, length = 0;
        const uint8_t *guid = NULL;
        int err;

        if ((err = clo_rd_view(&rd, 16, &guid)) != 0 || (err = clo_rd_u32le(&rd, &offset)) != 0 ||
            (err = clo_rd_u32le(&rd, &length)) != 0)
            return err; /* the zero entry is missing */
        if (clo_all_zero(guid, 16) && offset == 0 && length == 0)
            break;
        if (count == ENTRIES_MAX)
            return CLOISTER_E_LIMIT;
        for (size_t i = 0; i < count; i++)
            if (memcmp(e[i].guid, guid, 16) == 0)
                return CLOISTER_E_DUPLICATE;
        e[count].guid = guid;
        if ((err = entry_bytes(p, n, offset, length, &e[count].bytes)) != 0)
            return err;
        count++;
    }
    /* No certificate lies among the entries. */
    for (size_t i = 0; i < count; i++)
        if (e[i].bytes.left > 0 && e[i].bytes.p < rd.p)
            return CLOISTER_E_MALFORMED;
    *ret_count = count;
    return 0;
}

static const struct entry *entry_find(const struct entry *e, size_t count, enum kind kind)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(e[i].guid, guid_of[kind], 16) == 0)
            return &e[i];
    return NULL;
}

/* DER, or the PEM that some hosts were given and hand on. */
static int cert_read(const struct entry *e, struct clo_buf *der, struct clo_cert **ret)
{
    const char *text = (const char *)e->bytes.p;
    size_t left = e->bytes.left;
    int err;

    if (left == 0)
        return CLOISTER_E_MALFORMED;
    err = text[0] == '-' ? clo_pem_next(&text, &left, "CERTIFICATE", der)
                         : clo_buf_append(der, e->bytes.p, left);
    if (err != 0)
        return err == CLOISTER_E_NOT_FOUND ? CLOISTER_E_MALFORMED : err;
    return clo_cert_parse(der->p, der->len, ret);
}

static bool issued_by_name(const struct clo_cert *c, const struct clo_cert *issuer)
{
    char wanted[CN_MAX], name[CN_MAX];

    return clo_cert_issuer_cn(c, wanted, sizeof wanted) == 0 &&
           clo_cert_cn(issuer, name, sizeof name) == 0 && strcmp(wanted, name) == 0;
}

int clo_snp_certs_read(const void *p, size_t n, bool vlek, struct clo_buf chain[CLO_CHAIN_MAX],
                       size_t *ret_n)
{
    struct clo_buf der[2] = {clo_buf_init(CLO_CERT_MAX), clo_buf_init(CLO_CERT_MAX)};
    const struct entry *leaf_at, *ask_at;
    struct entry e[ENTRIES_MAX] = {0};
    struct clo_cert *leaf = NULL, *ask = NULL;
    size_t count = 0, got = 0;
    int err = 0;

    if (n == 0)
        goto done;
    if (n > CLO_SNP_CERT_TABLE_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = entries_read(p, n, e, &count)) != 0)
        goto out;
    leaf_at = entry_find(e, count, vlek ? VLEK : VCEK);
    ask_at = entry_find(e, count, ASK);
    if (leaf_at == NULL)
        goto done;
    if ((err = cert_read(leaf_at, &der[0], &leaf)) != 0 ||
        (ask_at != NULL && (err = cert_read(ask_at, &der[1], &ask)) != 0))
        goto out;
    got = ask != NULL && issued_by_name(leaf, ask) ? 2 : 1;
done:
    for (size_t i = 0; i < got; i++) {
        chain[i] = der[i];
        der[i] = clo_buf_init(CLO_CERT_MAX);
    }
    *ret_n = got;
out:
    clo_cert_free(ask);
    clo_cert_free(leaf);
    clo_buf_clear(&der[0]);
    clo_buf_clear(&der[1]);
    return err;
}
