/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what a TPM writes. Limits and fuzzer: tpm_quote.h. */
#include "attest/tpm_quote.h"

#include <string.h>
#include <tss2/tss2_mu.h>

#include "attest/tpm.h"

#define CLOCK_INFO_LEN  17 /* TPMS_CLOCK_INFO; its last byte is a TPMI_YES_NO */
#define EXPONENT_NORMAL 65537

static const struct {
    uint16_t alg;
    uint16_t len;
    const char *name;
} digests[] = {
    {CLO_TPM_SHA1, 20, "sha1"},
    {CLO_TPM_SHA256, CLO_SHA256_LEN, "sha256"},
    {CLO_TPM_SHA384, CLO_SHA384_LEN, "sha384"},
    {CLO_TPM_SHA512, CLO_SHA512_LEN, "sha512"},
};

const char *clo_tpm_alg_name(uint16_t alg)
{
    for (size_t i = 0; i < CLO_ARRAY_LEN(digests); i++)
        if (digests[i].alg == alg)
            return digests[i].name;
    return "unknown";
}

size_t clo_tpm_digest_len(uint16_t alg)
{
    for (size_t i = 0; i < CLO_ARRAY_LEN(digests); i++)
        if (digests[i].alg == alg)
            return digests[i].len;
    return 0;
}

bool clo_tpm_hash(uint16_t alg, enum clo_hash_alg *ret)
{
    switch (alg) {
    case CLO_TPM_SHA256: *ret = CLO_SHA256; return true;
    case CLO_TPM_SHA384: *ret = CLO_SHA384; return true;
    case CLO_TPM_SHA512: *ret = CLO_SHA512; return true;
    default: return false;
    }
}

/* ---- walking through ---- */

/* A TPM2B of at most max bytes. */
static int sized_skip(struct clo_rd *rd, size_t max)
{
    uint16_t n = 0;
    int err;

    if ((err = clo_rd_u16be(rd, &n)) != 0)
        return err;
    return n <= max ? clo_rd_skip(rd, n) : CLOISTER_E_LIMIT;
}

/* TPML_PCR_SELECTION */
static int selection_skip(struct clo_rd *rd)
{
    uint32_t count = 0;
    uint8_t n = 0;
    int err;

    if ((err = clo_rd_u32be(rd, &count)) != 0)
        return err;
    if (count > CLO_TPM_BANKS_MAX)
        return CLOISTER_E_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        if ((err = clo_rd_skip(rd, 2)) != 0 || (err = clo_rd_u8(rd, &n)) != 0)
            return err;
        if (n > TPM2_PCR_SELECT_MAX)
            return CLOISTER_E_LIMIT;
        if ((err = clo_rd_skip(rd, n)) != 0)
            return err;
    }
    return 0;
}

static int quote_walk(const uint8_t *p, size_t n)
{
    struct clo_rd rd = clo_rd_init(p, n);
    uint32_t magic = 0;
    uint16_t type = 0;
    uint8_t safe = 0;
    int err;

    if (n > CLO_TPM_QUOTE_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = clo_rd_u32be(&rd, &magic)) != 0 || (err = clo_rd_u16be(&rd, &type)) != 0)
        return err;
    if (magic != TPM2_GENERATED_VALUE || type != TPM2_ST_ATTEST_QUOTE)
        return CLOISTER_E_UNKNOWN;
    if ((err = sized_skip(&rd, sizeof((TPM2B_NAME *)0)->name)) != 0 ||
        (err = sized_skip(&rd, CLO_TPM_EXTRA_MAX)) != 0 ||
        (err = clo_rd_skip(&rd, CLOCK_INFO_LEN - 1)) != 0 || (err = clo_rd_u8(&rd, &safe)) != 0 ||
        (err = clo_rd_skip(&rd, 8)) != 0 || (err = selection_skip(&rd)) != 0 ||
        (err = sized_skip(&rd, sizeof(TPMU_HA))) != 0 || (err = clo_rd_end(&rd)) != 0)
        return err;
    return safe <= 1 ? 0 : CLOISTER_E_MALFORMED;
}

/* Two numbers of a curve up to P-384: a point, or a signature */
static int numbers_skip(struct clo_rd *rd)
{
    const int err = sized_skip(rd, CLO_SHA384_LEN);

    return err != 0 ? err : sized_skip(rd, CLO_SHA384_LEN);
}

/* *ret_scheme 0: one that tss2-mu isn't asked about */
static int signature_walk(const uint8_t *p, size_t n, enum clo_key_scheme *ret_scheme,
                          uint16_t *ret_hash)
{
    struct clo_rd rd = clo_rd_init(p, n);
    uint16_t scheme = 0;
    int err;

    if (n > CLO_TPM_SIG_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = clo_rd_u16be(&rd, &scheme)) != 0 || (err = clo_rd_u16be(&rd, ret_hash)) != 0)
        return err;
    switch (scheme) {
    case TPM2_ALG_RSASSA: *ret_scheme = CLO_KEY_RSASSA; break;
    case TPM2_ALG_RSAPSS: *ret_scheme = CLO_KEY_RSAPSS; break;
    case TPM2_ALG_ECDSA: *ret_scheme = CLO_KEY_ECDSA; break;
    default: return 0;
    }
    err = scheme == TPM2_ALG_ECDSA ? numbers_skip(&rd) : sized_skip(&rd, TPM2_MAX_RSA_KEY_BYTES);
    return err != 0 ? err : clo_rd_end(&rd);
}

/* TPMT_RSA_SCHEME, TPMT_ECC_SCHEME: of a key that signs, or that leaves it to the command */
static int scheme_skip(struct clo_rd *rd)
{
    uint16_t scheme = 0;
    int err;

    if ((err = clo_rd_u16be(rd, &scheme)) != 0)
        return err;
    switch (scheme) {
    case TPM2_ALG_NULL: return 0;
    case TPM2_ALG_RSASSA:
    case TPM2_ALG_RSAPSS:
    case TPM2_ALG_ECDSA: return clo_rd_skip(rd, 2);
    default: return CLOISTER_E_UNSUPPORTED;
    }
}

static int public_walk(const uint8_t *p, size_t n)
{
    struct clo_rd rd = clo_rd_init(p, n);
    uint16_t type = 0, symmetric = 0, kdf = 0;
    int err;

    if (n > CLO_TPM_SIG_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = clo_rd_u16be(&rd, &type)) != 0 || (err = clo_rd_skip(&rd, 6)) != 0 ||
        (err = sized_skip(&rd, sizeof(TPMU_HA))) != 0 || (err = clo_rd_u16be(&rd, &symmetric)) != 0)
        return err;
    /* Only storage keys, which don't sign, have a symmetric algorithm. */
    if ((type != TPM2_ALG_RSA && type != TPM2_ALG_ECC) || symmetric != TPM2_ALG_NULL)
        return CLOISTER_E_UNSUPPORTED;
    if ((err = scheme_skip(&rd)) != 0)
        return err;
    if (type == TPM2_ALG_RSA) {
        if ((err = clo_rd_skip(&rd, 6)) != 0 ||
            (err = sized_skip(&rd, TPM2_MAX_RSA_KEY_BYTES)) != 0)
            return err;
        return clo_rd_end(&rd);
    }
    if ((err = clo_rd_skip(&rd, 2)) != 0 || (err = clo_rd_u16be(&rd, &kdf)) != 0)
        return err;
    if (kdf != TPM2_ALG_NULL)
        return CLOISTER_E_UNSUPPORTED;
    if ((err = numbers_skip(&rd)) != 0)
        return err;
    return clo_rd_end(&rd);
}

/* ---- reading ---- */

static int bank_read(const TPMS_PCR_SELECTION *s, struct clo_tpm_bank *ret)
{
    struct clo_tpm_bank b = {.alg = s->hash};

    for (size_t i = 0; i < s->sizeofSelect; i++)
        b.pcrs |= (uint32_t)s->pcrSelect[i] << (8 * i);
    if (b.pcrs >> CLO_POLICY_PCRS != 0)
        return CLOISTER_E_LIMIT;
    *ret = b;
    return 0;
}

int clo_tpm_quote_parse(const uint8_t *p, size_t n, struct clo_tpm_quote *ret)
{
    struct clo_tpm_quote q = {0};
    const TPMS_QUOTE_INFO *info;
    TPMS_ATTEST a = {0};
    size_t at = 0;
    int err;

    if ((err = quote_walk(p, n)) != 0)
        return err;
    if (Tss2_MU_TPMS_ATTEST_Unmarshal(p, n, &at, &a) != TSS2_RC_SUCCESS || at != n)
        return CLOISTER_E_MALFORMED;
    info = &a.attested.quote;
    q.extra_n = a.extraData.size;
    memcpy(q.extra, a.extraData.buffer, q.extra_n);
    q.digest_n = info->pcrDigest.size;
    memcpy(q.digest, info->pcrDigest.buffer, q.digest_n);
    q.banks = info->pcrSelect.count;
    for (size_t i = 0; i < q.banks; i++) {
        if ((err = bank_read(&info->pcrSelect.pcrSelections[i], &q.bank[i])) != 0)
            return err;
        for (size_t k = 0; k < i; k++)
            if (q.bank[k].alg == q.bank[i].alg)
                return CLOISTER_E_DUPLICATE;
    }
    *ret = q;
    return 0;
}

/* A big-endian number in n bytes, n at least what it takes. */
static size_t number_len(const TPM2B_ECC_PARAMETER *v)
{
    size_t zeros = 0;

    while (zeros < v->size && v->buffer[zeros] == 0)
        zeros++;
    return v->size - zeros;
}

static void number_put(const TPM2B_ECC_PARAMETER *v, uint8_t *dst, size_t n)
{
    const size_t len = number_len(v);

    memset(dst, 0, n - len);
    memcpy(dst + n - len, v->buffer + v->size - len, len);
}

int clo_tpm_signature_parse(const uint8_t *p, size_t n, struct clo_tpm_signature *ret)
{
    struct clo_tpm_signature s = {0};
    TPMT_SIGNATURE t = {0};
    size_t at = 0;
    int err;

    /* No TPMT_SIGNATURE by an RSA key of at least 2,048 bits has one of these lengths: it is six bytes longer than the modulus. */
    if (n == 256 || n == 384 || n == 512) {
        s.scheme = CLO_KEY_RSASSA;
        s.hash = CLO_TPM_SHA256;
        s.sig_n = n;
        memcpy(s.sig, p, n);
        *ret = s;
        return 0;
    }
    if ((err = signature_walk(p, n, &s.scheme, &s.hash)) != 0)
        return err;
    if (s.scheme != 0 &&
        (Tss2_MU_TPMT_SIGNATURE_Unmarshal(p, n, &at, &t) != TSS2_RC_SUCCESS || at != n))
        return CLOISTER_E_MALFORMED;
    if (s.scheme == CLO_KEY_ECDSA) {
        const TPM2B_ECC_PARAMETER *r = &t.signature.ecdsa.signatureR,
                                  *v = &t.signature.ecdsa.signatureS;
        /* The curve is the key's to know: both numbers fit P-256, or they are of P-384 (which fit by chance once in 2^256). */
        const size_t len = number_len(r) <= 32 && number_len(v) <= 32 ? 32 : 48;

        number_put(r, s.sig, len);
        number_put(v, s.sig + len, len);
        s.sig_n = 2 * len;
    } else if (s.scheme != 0) {
        const TPM2B_PUBLIC_KEY_RSA *sig = &t.signature.rsassa.sig; /* RSAPSS has the same layout */

        s.sig_n = sig->size;
        memcpy(s.sig, sig->buffer, s.sig_n);
    }
    *ret = s;
    return 0;
}

static int ec_key(const TPMT_PUBLIC *t, struct clo_key **ret)
{
    const TPM2B_ECC_PARAMETER *x = &t->unique.ecc.x, *y = &t->unique.ecc.y;
    uint8_t xy[2][CLO_SHA384_LEN];
    size_t len;

    switch (t->parameters.eccDetail.curveID) {
    case TPM2_ECC_NIST_P256: len = 32; break;
    case TPM2_ECC_NIST_P384: len = 48; break;
    default: return CLOISTER_E_UNSUPPORTED;
    }
    if (number_len(x) > len || number_len(y) > len)
        return CLOISTER_E_MALFORMED;
    number_put(x, xy[0], len);
    number_put(y, xy[1], len);
    return clo_key_new_ec((unsigned)len * 8, xy[0], xy[1], ret);
}

int clo_tpm_key_from_public(const uint8_t *p, size_t n, struct clo_key **ret, bool *ret_restricted)
{
    static const TPMA_OBJECT wanted = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                      TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED |
                                      TPMA_OBJECT_SIGN_ENCRYPT;
    TPMT_PUBLIC t = {0};
    size_t at = 0;
    int err;

    if ((err = public_walk(p, n)) != 0)
        return err;
    if (Tss2_MU_TPMT_PUBLIC_Unmarshal(p, n, &at, &t) != TSS2_RC_SUCCESS || at != n)
        return CLOISTER_E_MALFORMED;
    if (t.type == TPM2_ALG_ECC) {
        err = ec_key(&t, ret);
    } else {
        const uint32_t e = t.parameters.rsaDetail.exponent;

        if (t.unique.rsa.size * 8u != t.parameters.rsaDetail.keyBits)
            return CLOISTER_E_MALFORMED;
        err = clo_key_new_rsa(t.unique.rsa.buffer, t.unique.rsa.size, e == 0 ? EXPONENT_NORMAL : e,
                              ret);
    }
    if (err == 0)
        *ret_restricted = (t.objectAttributes &
                           (wanted | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_X509SIGN)) == wanted;
    return err;
}
