/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates and revocation lists (RFC 5280 sections 4.1 and 5.1), read as strict DER by our own reader: what is compared and
 * verified is what was received, and a list of some kilobytes costs less than a signature. libcrypto makes keys and verifies. Chains
 * are walked by the callers, one signature at a time: libcrypto's own path building knows nothing of AMD's profile (a CRL that
 * the root issues and not the intermediate, leaves without key identifiers), and would look into a system store.
 *
 * What decides is compared exactly: the signature algorithm with all its parameters, and libcrypto's results with 1. An extension
 * that is critical and unknown here makes a certificate or list unsupported (RFC 5280 sections 4.2 and 5.2).
 *
 * Limits: CLO_CERT_MAX, CLO_CRL_MAX. Fuzzed by fuzz/fuzz_cert_ext.c.
 */
#include "crypto/x509_in.h"

#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>

#define OID_MAX 32

struct clo_crl {
    uint8_t *der;                /* as received; what follows points into it */
    struct clo_rd tbs, alg, sig; /* as in struct clo_cert */
    struct clo_rd issuer;        /* with its header */
    struct clo_rd revoked;       /* list of entries */
    int64_t this_update, next_update;
};

/* id-ce (RFC 5280 section 4.2.1): two bytes, and one of these */
enum {
    CE_KEY_USAGE = 15,
    CE_SUBJECT_ALT_NAME = 17,
    CE_BASIC_CONSTRAINTS = 19,
    CE_DELTA_CRL_INDICATOR = 27,
    CE_ISSUING_DISTRIBUTION_POINT = 28,
    CE_CERTIFICATE_ISSUER = 29,
    CE_NAME_CONSTRAINTS = 30,
    CE_EXT_KEY_USAGE = 37
};

/* The last byte of an id-ce; 0 for any other OID. */
static unsigned ce_id(const struct clo_rd *oid)
{
    return oid->left == 3 && oid->p[0] == 0x55 && oid->p[1] == 0x1d ? oid->p[2] : 0;
}

/* A copy of n bytes; NULL when there is no memory. */
static uint8_t *copy_of(const void *p, size_t n)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);

    if (copy != NULL && n > 0)
        memcpy(copy, p, n);
    return copy;
}

/* Certificate and CertificateList alike: SEQUENCE { signed part, AlgorithmIdentifier, BIT STRING }. */
static int signed_read(struct clo_rd rd, struct clo_rd *ret_body, struct clo_rd *tbs,
                       struct clo_rd *alg, struct clo_rd *sig)
{
    struct clo_rd all;
    int err;

    if ((err = clo_der_read(&rd, CLO_DER_SEQUENCE, &all)) != 0)
        return err;
    if (clo_rd_end(&rd) != 0)
        return CLOISTER_E_TRAILING;
    if ((err = clo_der_whole(&all, CLO_DER_SEQUENCE, ret_body, tbs)) != 0 ||
        (err = clo_der_read(&all, CLO_DER_SEQUENCE, alg)) != 0 ||
        (err = clo_der_bits(&all, sig)) != 0)
        return err;
    return clo_rd_end(&all) == 0 ? 0 : CLOISTER_E_MALFORMED;
}

/* Certificates and lists don't come from streams: what ends too early is simply not one. */
static int as_malformed(int err)
{
    return err == CLOISTER_E_TRUNCATED ? CLOISTER_E_MALFORMED : err;
}

/* ---- names ---- */

/* The next AttributeTypeAndValue of a Name's content; `set` is where it is inside an RDN. Both empty at the end. */
static int attribute_next(struct clo_rd *name, struct clo_rd *set, struct clo_rd *oid,
                          struct clo_rd *value)
{
    struct clo_rd pair;
    int err;

    if (set->left == 0 &&
        (err = clo_der_read(name, 0x31, set)) != 0) /* RelativeDistinguishedName */
        return err;
    if ((err = clo_der_read(set, CLO_DER_SEQUENCE, &pair)) != 0 ||
        (err = clo_der_read(&pair, CLO_DER_OID, oid)) != 0)
        return err;
    if (pair.left == 0)
        return CLOISTER_E_MALFORMED;
    if ((err = clo_der_read(&pair, pair.p[0], value)) != 0) /* one of several types of string */
        return err;
    return clo_rd_end(&pair);
}

static int name_check(struct clo_rd name)
{
    struct clo_rd set = clo_rd_init(NULL, 0), oid, value;
    int err = 0;

    while (err == 0 && (name.left > 0 || set.left > 0))
        err = attribute_next(&name, &set, &oid, &value);
    return err;
}

static int common_name(const struct clo_rd *whole, char *dst, size_t cap)
{
    struct clo_rd rd = *whole, name, set = clo_rd_init(NULL, 0), oid, value, found;
    bool have = false;
    int err;

    if ((err = clo_der_read(&rd, CLO_DER_SEQUENCE, &name)) != 0)
        return err;
    while (name.left > 0 || set.left > 0) {
        if ((err = attribute_next(&name, &set, &oid, &value)) != 0)
            return err;
        if (oid.left != 3 || memcmp(oid.p, "\x55\x04\x03", 3) != 0) /* id-at-commonName */
            continue;
        if (have)
            return CLOISTER_E_DUPLICATE;
        found = value;
        have = true;
    }
    if (!have)
        return CLOISTER_E_NOT_FOUND;
    if (found.left >= cap)
        return CLOISTER_E_LIMIT;
    for (size_t i = 0; i < found.left; i++)
        if (found.p[i] < 0x20 || found.p[i] > 0x7e)
            return CLOISTER_E_MALFORMED;
    if (found.left != 0)
        memcpy(dst, found.p, found.left);
    dst[found.left] = '\0';
    return 0;
}

/* Vendors copy the issuer's name byte for byte; where one didn't, libcrypto knows about case and white space. */
enum name_relation {
    NAMES_SAME,
    NAMES_DIFFER,
    NAMES_UNKNOWN, /* memory ran out, or one is no name */
};

static enum name_relation name_compare(const struct clo_rd *a, const struct clo_rd *b)
{
    const uint8_t *p = a->p, *q = b->p;
    X509_NAME *x = NULL, *y = NULL;
    enum name_relation relation = NAMES_UNKNOWN;

    if (clo_der_same(a, b))
        return NAMES_SAME;
    (void)ERR_set_mark();
    x = d2i_X509_NAME(NULL, &p, (long)a->left);
    y = d2i_X509_NAME(NULL, &q, (long)b->left);
    if (x != NULL && y != NULL)
        relation = X509_NAME_cmp(x, y) == 0 ? NAMES_SAME : NAMES_DIFFER;
    X509_NAME_free(x);
    X509_NAME_free(y);
    (void)ERR_pop_to_mark();
    return relation;
}

bool clo_name_same(const struct clo_rd *a, const struct clo_rd *b)
{
    return name_compare(a, b) == NAMES_SAME;
}

/* ---- certificates ---- */

/* BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL } */
static int basic_constraints_read(struct clo_rd value, struct clo_cert *c)
{
    struct clo_rd body, len;
    int err;

    if ((err = clo_der_read(&value, CLO_DER_SEQUENCE, &body)) != 0 ||
        (err = clo_rd_end(&value)) != 0 || (err = clo_der_bool(&body, &c->ca)) != 0)
        return err;
    if (body.left == 0)
        return 0;
    if ((err = clo_der_integer(&body, &len)) != 0 || (err = clo_rd_end(&body)) != 0)
        return err;
    if (!c->ca || (len.p[0] & 0x80) != 0)
        return CLOISTER_E_MALFORMED;
    if (len.left == 1)
        c->path_len = len.p[0];
    return 0;
}

/* KeyUsage ::= BIT STRING, of nine bits of which one at least is set */
static int key_usage_read(struct clo_rd value, struct clo_cert *c)
{
    struct clo_rd bits;
    size_t value_n;
    uint8_t unused = 0, second = 0, last;
    int err;

    if ((err = clo_der_read(&value, CLO_DER_BIT_STRING, &bits)) != 0 ||
        (err = clo_rd_end(&value)) != 0)
        return err;
    value_n = bits.left;
    if ((err = clo_rd_u8(&bits, &unused)) != 0 || (err = clo_rd_u8(&bits, &c->key_usage)) != 0)
        return err;
    if (bits.left > 0 && (err = clo_rd_u8(&bits, &second)) != 0)
        return err;
    last = value_n > 2 ? second : c->key_usage;
    if (bits.left > 0 || unused > 7 ||
        (last & ((1U << unused) - 1)) != 0 || /* X.690 section 11.2.1 */
        (c->key_usage == 0 && second == 0))
        return CLOISTER_E_MALFORMED;
    c->has_key_usage = true;
    return 0;
}

/* ExtKeyUsageSyntax ::= SEQUENCE OF OBJECT IDENTIFIER */
static int ext_key_usage_read(struct clo_rd value, struct clo_cert *c)
{
    static const uint8_t ocsp_signing[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09};
    const struct clo_rd want = clo_rd_init(ocsp_signing, sizeof ocsp_signing);
    struct clo_rd list, oid;
    int err;

    if ((err = clo_der_read(&value, CLO_DER_SEQUENCE, &list)) != 0 ||
        (err = clo_rd_end(&value)) != 0)
        return err;
    while (list.left > 0) {
        if ((err = clo_der_read(&list, CLO_DER_OID, &oid)) != 0)
            return err;
        c->ocsp_signing = c->ocsp_signing || clo_der_same(&oid, &want);
    }
    return 0;
}

/*
 * Known and so borne where they are critical: basicConstraints and keyUsage, which clo_cert_is_ca reads; subjectAltName,
 * which is critical where the subject is empty (RFC 5280 section 4.2.1.6; attestation keys' certificates have it)
 * and restricts nothing; extKeyUsage for one who asks for it. What is read may be there once.
 */
static int extensions_read(struct clo_cert *c, bool eku)
{
    struct clo_rd list = c->exts;
    bool seen[64] = {false}, unknown = false;
    struct clo_ext e;
    int err = 0;

    while (err == 0 && list.left > 0) {
        unsigned id;

        if ((err = clo_der_ext(&list, &e)) != 0)
            return err;
        id = ce_id(&e.oid);
        if (id < sizeof seen && id != 0) {
            if (seen[id])
                return CLOISTER_E_MALFORMED;
            seen[id] = true;
        }
        if (id == CE_BASIC_CONSTRAINTS)
            err = basic_constraints_read(e.value, c);
        else if (id == CE_KEY_USAGE)
            err = key_usage_read(e.value, c);
        else if (id == CE_EXT_KEY_USAGE)
            err = ext_key_usage_read(e.value, c);
        if (e.critical && id != CE_BASIC_CONSTRAINTS && id != CE_KEY_USAGE &&
            id != CE_SUBJECT_ALT_NAME && !(eku && id == CE_EXT_KEY_USAGE))
            unknown = true;
        if (id ==
            CE_NAME_CONSTRAINTS) /* always critical, whether or not it says so (section 4.2.1.10) */
            unknown = true;
    }
    if (err == 0 && unknown)
        err = CLOISTER_E_UNSUPPORTED;
    return err;
}

/* Version ::= INTEGER { v1(0), v2(1), v3(2) }, [0] EXPLICIT and left out for v1. */
static int version_read(struct clo_rd *tbs, unsigned *ret)
{
    struct clo_rd outer, v;
    int err;

    *ret = 1;
    if (!clo_der_next_is(tbs, CLO_DER_CONTEXT(0)))
        return 0;
    if ((err = clo_der_read(tbs, CLO_DER_CONTEXT(0), &outer)) != 0 ||
        (err = clo_der_integer(&outer, &v)) != 0 || (err = clo_rd_end(&outer)) != 0)
        return err;
    if (v.left != 1 || v.p[0] > 2)
        return CLOISTER_E_MALFORMED;
    *ret = v.p[0] + 1U;
    return 0;
}

/* TBSCertificate. Unique identifiers, which nobody may use any more, are refused. */
static int tbs_read(struct clo_rd tbs, struct clo_cert *c)
{
    struct clo_rd alg, issuer, subject, validity, skip;
    unsigned version;
    int err;

    if ((err = version_read(&tbs, &version)) != 0 ||
        (err = clo_der_integer(&tbs, &c->serial)) != 0 ||
        (err = clo_der_read(&tbs, CLO_DER_SEQUENCE, &alg)) != 0 ||
        (err = clo_der_whole(&tbs, CLO_DER_SEQUENCE, &issuer, &c->issuer)) != 0 ||
        (err = clo_der_read(&tbs, CLO_DER_SEQUENCE, &validity)) != 0 ||
        (err = clo_der_time(&validity, &c->not_before)) != 0 ||
        (err = clo_der_time(&validity, &c->not_after)) != 0 || (err = clo_rd_end(&validity)) != 0 ||
        (err = clo_der_whole(&tbs, CLO_DER_SEQUENCE, &subject, &c->subject)) != 0 ||
        (err = clo_der_whole(&tbs, CLO_DER_SEQUENCE, &skip, &c->spki)) != 0 ||
        (err = clo_der_exts(&tbs, CLO_DER_CONTEXT(3), &c->exts)) != 0 ||
        (err = clo_rd_end(&tbs)) != 0 || (err = name_check(issuer)) != 0 ||
        (err = name_check(subject)) != 0)
        return err;
    c->same_alg = clo_der_same(&alg, &c->alg);
    return version < 3 && c->exts.left > 0 ? CLOISTER_E_MALFORMED : 0;
}

static int cert_parse(const void *der, size_t n, bool eku, struct clo_cert **ret)
{
    struct clo_cert *c = NULL;
    struct clo_rd tbs;
    int err;

    if (n > CLO_CERT_MAX)
        return CLOISTER_E_LIMIT;
    if ((c = calloc(1, sizeof *c)) == NULL)
        return CLOISTER_E_MEMORY;
    c->key_usage = c->path_len = 0xff;
    c->der_n = n;
    if ((c->der = copy_of(der, n)) == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    if ((err = signed_read(clo_rd_init(c->der, n), &tbs, &c->tbs, &c->alg, &c->sig)) != 0)
        goto out;
    if ((err = tbs_read(tbs, c)) != 0 || (err = extensions_read(c, eku)) != 0 ||
        (err = clo_spki_read(&c->spki, &c->key_bits, &c->key, &c->kind)) != 0) {
        if (err == CLOISTER_E_TRAILING) /* inside, that is */
            err = CLOISTER_E_MALFORMED;
        goto out;
    }
    if ((err = clo_sha256(der, n, c->digest)) != 0)
        goto out;
    *ret = c;
    c = NULL;
out:
    clo_cert_free(c);
    return as_malformed(err);
}

int clo_cert_parse(const void *der, size_t n, struct clo_cert **ret)
{
    return cert_parse(der, n, false, ret);
}

int clo_cert_parse_eku(const void *der, size_t n, struct clo_cert **ret)
{
    return cert_parse(der, n, true, ret);
}

void clo_cert_free(struct clo_cert *c)
{
    if (c == NULL)
        return;
    EVP_PKEY_free(c->key);
    free(c->der);
    free(c);
}

void clo_cert_digest(const struct clo_cert *c, uint8_t ret[CLO_SHA256_LEN])
{
    memcpy(ret, c->digest, CLO_SHA256_LEN);
}

int64_t clo_cert_not_before(const struct clo_cert *c)
{
    return c->not_before;
}

int64_t clo_cert_not_after(const struct clo_cert *c)
{
    return c->not_after;
}

int clo_cert_cn(const struct clo_cert *c, char *dst, size_t cap)
{
    return common_name(&c->subject, dst, cap);
}

int clo_cert_issuer_cn(const struct clo_cert *c, char *dst, size_t cap)
{
    return common_name(&c->issuer, dst, cap);
}

/* An arc of an OID's content (X.690 section 8.19.2). */
static int arc_put(struct clo_wr *wr, uint64_t v)
{
    uint8_t groups[10];
    size_t n = 0;
    int err = 0;

    do
        groups[n++] = (uint8_t)(v & 0x7f);
    while ((v >>= 7) != 0);
    while (err == 0 && n-- > 0)
        err = clo_wr_u8(wr, groups[n] | (n > 0 ? 0x80 : 0));
    return err;
}

/* The content of the OID that a caller wrote in dotted decimal. */
static int oid_put(const char *s, struct clo_wr *wr)
{
    uint64_t first = 0;
    int err = 0;

    for (size_t i = 0; err == 0; i++, s++) {
        uint64_t v = 0;

        if (*s < '0' || *s > '9')
            return CLOISTER_E_ARGUMENT;
        for (; *s >= '0' && *s <= '9'; s++) {
            v = v * 10 + (uint64_t)(*s - '0');
            if (v > UINT32_MAX)
                return CLOISTER_E_ARGUMENT;
        }
        if (i == 0)
            first = v * 40;
        else
            err = arc_put(wr, i == 1 ? first + v : v);
        if (*s == '\0')
            return i > 0 ? err : CLOISTER_E_ARGUMENT;
        if (*s != '.')
            return CLOISTER_E_ARGUMENT;
    }
    return err;
}

int clo_cert_ext(const struct clo_cert *c, const char *oid, const uint8_t **ret, size_t *ret_n)
{
    struct clo_rd list = c->exts, want, found;
    uint8_t p[OID_MAX];
    struct clo_wr wr = clo_wr_init(p, sizeof p);
    struct clo_ext e;
    bool have = false;
    int err;

    if ((err = oid_put(oid, &wr)) != 0)
        return err;
    want = clo_rd_init(p, wr.len);
    while (list.left > 0) {
        if ((err = clo_der_ext(&list, &e)) != 0)
            return err;
        if (!clo_der_same(&e.oid, &want))
            continue;
        if (have)
            return CLOISTER_E_DUPLICATE;
        found = e.value;
        have = true;
    }
    if (!have)
        return CLOISTER_E_NOT_FOUND;
    *ret = found.p;
    *ret_n = found.left;
    return 0;
}

int clo_cert_serial(const struct clo_cert *c, const uint8_t **ret, size_t *ret_n)
{
    const uint8_t *p = c->serial.p;
    size_t n = c->serial.left;

    if ((p[0] & 0x80) != 0)
        return CLOISTER_E_MALFORMED;
    if (p[0] == 0) { /* alone, or in front of a high bit */
        p++;
        n--;
    }
    *ret = p;
    *ret_n = n;
    return 0;
}

int clo_cert_spki_digest(const struct clo_cert *c, uint8_t ret[CLO_SHA256_LEN])
{
    return clo_sha256(c->spki.p, c->spki.left, ret);
}

bool clo_cert_is_ca(const struct clo_cert *c)
{
    return c->ca && c->has_key_usage && (c->key_usage & CLO_KU_CERT_SIGN) != 0;
}

bool clo_cert_path_len_allows(const struct clo_cert *c, size_t below)
{
    return c->path_len == 0xff || below <= c->path_len;
}

bool clo_cert_has_key(const struct clo_cert *c)
{
    return c->key != NULL;
}

bool clo_cert_is_p384(const struct clo_cert *c)
{
    return c->kind == CLO_KIND_P384;
}

unsigned clo_cert_rsa_bits(const struct clo_cert *c)
{
    return c->kind == CLO_KIND_RSA ? (unsigned)EVP_PKEY_get_bits(c->key) : 0;
}

/* ---- signatures ---- */

/* Does the algorithm say exactly what the profile does, and is the issuer's key of its kind? */
static int profile_read(enum clo_sig_profile profile, const struct clo_rd *id,
                        const struct clo_cert *issuer, struct clo_sig_alg *ret)
{
    static const struct {
        struct clo_sig_alg alg;
        enum clo_key_kind kind;
    } table[] = {
        [CLO_SIG_RSA_PSS_SHA384] = {{CLO_KEY_RSAPSS, CLO_SHA384}, CLO_KIND_RSA},
        [CLO_SIG_ECDSA_P256_SHA256] = {{CLO_KEY_ECDSA, CLO_SHA256}, CLO_KIND_P256},
        [CLO_SIG_ECDSA_P384_SHA384] = {{CLO_KEY_ECDSA, CLO_SHA384}, CLO_KIND_P384},
        [CLO_SIG_RSA_SHA256] = {{CLO_KEY_RSASSA, CLO_SHA256}, CLO_KIND_RSA},
        [CLO_SIG_RSA_SHA384] = {{CLO_KEY_RSASSA, CLO_SHA384}, CLO_KIND_RSA},
    };
    struct clo_sig_alg alg;

    if (profile < CLO_SIG_RSA_PSS_SHA384 || profile >= CLO_ARRAY_LEN(table))
        return CLOISTER_E_ARGUMENT;
    if (clo_sig_alg_read(id, &alg) != 0 || alg.scheme != table[profile].alg.scheme ||
        alg.hash != table[profile].alg.hash || issuer->kind != table[profile].kind ||
        !clo_sig_alg_fits(&alg, issuer->key, issuer->kind))
        return CLOISTER_E_UNSUPPORTED;
    *ret = alg;
    return 0;
}

bool clo_cert_names_itself(const struct clo_cert *c)
{
    return clo_der_same(&c->issuer, &c->subject);
}

int clo_cert_signed_by(const struct clo_cert *c, const struct clo_cert *issuer,
                       enum clo_sig_profile profile)
{
    struct clo_sig_alg alg;
    int err;

    if ((err = profile_read(profile, &c->alg, issuer, &alg)) != 0)
        return err;
    if (!c->same_alg)
        return CLOISTER_E_UNSUPPORTED;
    if (!clo_name_same(&c->issuer, &issuer->subject))
        return CLOISTER_E_AUTH;
    return clo_sig_verify(&alg, issuer->key, c->tbs.p, c->tbs.left, c->sig.p, c->sig.left);
}

/* ---- revocation lists ---- */

/* The next entry of a list: SEQUENCE { serial, date, crlEntryExtensions OPTIONAL }. */
static int entry_next(struct clo_rd *list, struct clo_rd *serial, struct clo_rd *exts)
{
    struct clo_rd entry, walk;
    struct clo_ext e;
    int64_t when;
    int err;

    if ((err = clo_der_read(list, CLO_DER_SEQUENCE, &entry)) != 0 ||
        (err = clo_der_integer(&entry, serial)) != 0 || (err = clo_der_time(&entry, &when)) != 0)
        return err;
    *exts = clo_rd_init(NULL, 0);
    if (entry.left == 0)
        return 0;
    if ((err = clo_der_read(&entry, CLO_DER_SEQUENCE, exts)) != 0)
        return err;
    for (walk = *exts; walk.left > 0;)
        if ((err = clo_der_ext(&walk, &e)) != 0)
            return err;
    return clo_rd_end(&entry);
}

/*
 * No critical extension is known, of the list or of an entry: a delta CRL, an indirect one, or one of partial scope isn't
 * what we can judge. Those that say so are critical (RFC 5280 sections 5.2.4, 5.2.5 and 5.3.3), and are where it was left out, too.
 */
static bool any_unknown(struct clo_rd list)
{
    struct clo_ext e;

    while (list.left > 0) {
        if (clo_der_ext(&list, &e) != 0 || e.critical)
            return true;
        if (ce_id(&e.oid) >= CE_DELTA_CRL_INDICATOR && ce_id(&e.oid) <= CE_CERTIFICATE_ISSUER)
            return true;
    }
    return false;
}

static int entries_check(struct clo_rd list, bool v2, bool *unknown)
{
    struct clo_rd serial, exts;
    int err;

    while (list.left > 0) {
        if ((err = entry_next(&list, &serial, &exts)) != 0)
            return err;
        if (exts.left > 0 && !v2)
            return CLOISTER_E_MALFORMED;
        *unknown = *unknown || any_unknown(exts);
    }
    return 0;
}

/* TBSCertList. Both places name the same algorithm (RFC 5280 section 5.1.1.2). */
static int list_read(struct clo_rd tbs, struct clo_crl *c)
{
    struct clo_rd version, alg, issuer, exts;
    bool v2 = clo_der_next_is(&tbs, CLO_DER_INTEGER), unknown = false;
    int err;

    if (v2) {
        if ((err = clo_der_integer(&tbs, &version)) != 0)
            return err;
        if (version.left != 1 || version.p[0] != 1)
            return CLOISTER_E_MALFORMED;
    }
    if ((err = clo_der_read(&tbs, CLO_DER_SEQUENCE, &alg)) != 0 ||
        (err = clo_der_whole(&tbs, CLO_DER_SEQUENCE, &issuer, &c->issuer)) != 0 ||
        (err = name_check(issuer)) != 0 || (err = clo_der_time(&tbs, &c->this_update)) != 0)
        return err;
    if (!clo_der_same(&alg, &c->alg))
        return CLOISTER_E_MALFORMED;
    if (tbs.left > 0 && !clo_der_next_is(&tbs, CLO_DER_SEQUENCE) &&
        !clo_der_next_is(&tbs, CLO_DER_CONTEXT(0)) &&
        (err = clo_der_time(&tbs, &c->next_update)) != 0)
        return err;
    if (clo_der_next_is(&tbs, CLO_DER_SEQUENCE) &&
        ((err = clo_der_read(&tbs, CLO_DER_SEQUENCE, &c->revoked)) != 0 ||
         (err = entries_check(c->revoked, v2, &unknown)) != 0))
        return err;
    if ((err = clo_der_exts(&tbs, CLO_DER_CONTEXT(0), &exts)) != 0 || (err = clo_rd_end(&tbs)) != 0)
        return err;
    if (exts.left > 0 && !v2)
        return CLOISTER_E_MALFORMED;
    return unknown || any_unknown(exts) ? CLOISTER_E_UNSUPPORTED : 0;
}

int clo_crl_parse(const void *der, size_t n, struct clo_crl **ret)
{
    struct clo_crl *c = NULL;
    struct clo_rd tbs;
    int err;

    if (n > CLO_CRL_MAX)
        return CLOISTER_E_LIMIT;
    if ((c = calloc(1, sizeof *c)) == NULL)
        return CLOISTER_E_MEMORY;
    c->next_update = INT64_MIN;
    if ((c->der = copy_of(der, n)) == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    if ((err = signed_read(clo_rd_init(c->der, n), &tbs, &c->tbs, &c->alg, &c->sig)) != 0)
        goto out;
    if ((err = list_read(tbs, c)) != 0) {
        if (err == CLOISTER_E_TRAILING) /* inside, that is */
            err = CLOISTER_E_MALFORMED;
        goto out;
    }
    *ret = c;
    c = NULL;
out:
    clo_crl_free(c);
    return as_malformed(err);
}

void clo_crl_free(struct clo_crl *crl)
{
    if (crl != NULL)
        free(crl->der);
    free(crl);
}

int64_t clo_crl_this_update(const struct clo_crl *crl)
{
    return crl->this_update;
}

int64_t clo_crl_next_update(const struct clo_crl *crl)
{
    return crl->next_update;
}

int clo_crl_issuer_cn(const struct clo_crl *crl, char *dst, size_t cap)
{
    return common_name(&crl->issuer, dst, cap);
}

bool clo_crl_names(const struct clo_crl *crl, const struct clo_cert *issuer)
{
    return clo_der_same(&crl->issuer, &issuer->subject);
}

bool clo_crl_replaces(const struct clo_crl *crl, const struct clo_crl *other)
{
    return clo_der_same(&crl->issuer, &other->issuer) && crl->this_update >= other->this_update;
}

int clo_crl_signed_by(const struct clo_crl *crl, const struct clo_cert *issuer,
                      enum clo_sig_profile profile)
{
    struct clo_sig_alg alg;
    int err;

    if ((err = profile_read(profile, &crl->alg, issuer, &alg)) != 0)
        return err;
    if (!clo_name_same(&crl->issuer, &issuer->subject) ||
        (issuer->key_usage & CLO_KU_CRL_SIGN) == 0) /* RFC 5280 section 6.3.3 (f) */
        return CLOISTER_E_AUTH;
    return clo_sig_verify(&alg, issuer->key, crl->tbs.p, crl->tbs.left, crl->sig.p, crl->sig.left);
}

bool clo_crl_revokes(const struct clo_crl *crl, const struct clo_cert *c)
{
    struct clo_rd list = crl->revoked, entry, serial;

    /* what can't be compared counts as the same: a list that may be the certificate's issuer's is heeded */
    if (name_compare(&crl->issuer, &c->issuer) == NAMES_DIFFER)
        return false;
    while (list.left > 0)
        /* entries were read whole when the list was parsed */
        if (clo_der_read(&list, CLO_DER_SEQUENCE, &entry) != 0 ||
            clo_der_integer(&entry, &serial) != 0 || clo_der_same(&serial, &c->serial))
            return true;
    return false;
}
