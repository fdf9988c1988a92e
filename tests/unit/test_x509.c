/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates, revocation lists, bare keys and PEM as evidence brings them: what each profile admits, and that nothing else
 * passes for it. Tested from inside, for what no maker would write.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "crypto/x509_in.h"
#include "crypto/x509_make.h"

#define NOW  1795000000 /* 2026-11-18 */
#define YEAR (365 * 86400)

static struct {
    struct clo_signer *rsa, *weak, *p256, *p384, *other256, *other384;
} keys;

static int open_keys(void **state)
{
    (void)state;
    return clo_signer_new_rsa(2048, &keys.rsa) | clo_signer_new_rsa(1024, &keys.weak) |
           clo_signer_new_p256(&keys.p256) | clo_signer_new_p384(&keys.p384) |
           clo_signer_new_p256(&keys.other256) | clo_signer_new_p384(&keys.other384);
}

static int close_keys(void **state)
{
    (void)state;
    clo_signer_free(keys.rsa);
    clo_signer_free(keys.weak);
    clo_signer_free(keys.p256);
    clo_signer_free(keys.p384);
    clo_signer_free(keys.other256);
    clo_signer_free(keys.other384);
    return 0;
}

static struct clo_cert_spec spec_of(const struct clo_signer *subject,
                                    const struct clo_signer *issuer)
{
    return (struct clo_cert_spec){.subject_cn = "subject",
                                  .issuer_cn = "issuer",
                                  .serial = 0x1234,
                                  .not_before = NOW - YEAR,
                                  .not_after = NOW + YEAR,
                                  .subject = subject,
                                  .issuer = issuer};
}

static struct clo_buf der_of(const struct clo_cert_spec *spec)
{
    struct clo_buf b = clo_buf_init(CLO_CERT_MAX);

    assert_int_equal(clo_cert_make(spec, &b), 0);
    return b;
}

static struct clo_cert *cert_of(const struct clo_cert_spec *spec)
{
    struct clo_buf b = der_of(spec);
    struct clo_cert *c = NULL;

    assert_int_equal(clo_cert_parse(b.p, b.len, &c), 0);
    clo_buf_clear(&b);
    return c;
}

/* An authority named "issuer". */
static struct clo_cert *issuer_of(const struct clo_signer *key)
{
    struct clo_cert_spec spec = spec_of(key, key);

    spec.subject_cn = "issuer";
    spec.ca = true;
    return cert_of(&spec);
}

/* One DER element of less than 64 KiB, appended. */
static void put(struct clo_buf *out, uint8_t tag, const void *p, size_t n)
{
    const uint8_t head[] = {tag, 0x82, (uint8_t)(n >> 8), (uint8_t)n},
                  mid[] = {tag, 0x81, (uint8_t)n}, small[] = {tag, (uint8_t)n};

    if (n >= 0x100)
        assert_int_equal(clo_buf_append(out, head, sizeof head), 0);
    else if (n >= 0x80)
        assert_int_equal(clo_buf_append(out, mid, sizeof mid), 0);
    else
        assert_int_equal(clo_buf_append(out, small, sizeof small), 0);
    if (n > 0)
        assert_int_equal(clo_buf_append(out, p, n), 0);
}

/* ---- which algorithm passes for which profile ---- */

static const enum clo_sig_profile profiles[] = {
    CLO_SIG_RSA_PSS_SHA384, CLO_SIG_ECDSA_P256_SHA256, CLO_SIG_ECDSA_P384_SHA384,
    CLO_SIG_RSA_SHA256,     CLO_SIG_RSA_SHA384,
};

/* want 0: no profile is right */
static void only_this_profile(const struct clo_signer *key, enum clo_sig_make sig,
                              enum clo_sig_profile want)
{
    const uint64_t serial = 7;
    struct clo_cert_spec spec = spec_of(keys.p256, key);
    const struct clo_crl_spec list = {.issuer_cn = "issuer",
                                      .this_update = NOW,
                                      .next_update = NOW + YEAR,
                                      .revoked = &serial,
                                      .revoked_n = 1,
                                      .issuer = key,
                                      .sig = sig};
    struct clo_cert *issuer = issuer_of(key), *c = NULL;
    struct clo_buf der = clo_buf_init(CLO_CRL_MAX);
    struct clo_crl *crl = NULL;

    spec.sig = sig;
    c = cert_of(&spec);
    assert_int_equal(clo_crl_make(&list, &der), 0);
    assert_int_equal(clo_crl_parse(der.p, der.len, &crl), 0);
    for (size_t i = 0; i < CLO_ARRAY_LEN(profiles); i++) {
        const int err = profiles[i] == want ? 0 : CLOISTER_E_UNSUPPORTED;

        assert_int_equal(clo_cert_signed_by(c, issuer, profiles[i]), err);
        assert_int_equal(clo_crl_signed_by(crl, issuer, profiles[i]), err);
    }
    assert_int_equal(clo_cert_signed_by(c, issuer, 0), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_cert_signed_by(c, issuer, 6), CLOISTER_E_ARGUMENT);
    clo_crl_free(crl);
    clo_buf_clear(&der);
    clo_cert_free(c);
    clo_cert_free(issuer);
}

static void a_profile_admits_one_algorithm(void **state)
{
    (void)state;
    only_this_profile(keys.rsa, CLO_MAKE_DEFAULT, CLO_SIG_RSA_PSS_SHA384);
    only_this_profile(keys.rsa, CLO_MAKE_SHA256, CLO_SIG_RSA_SHA256);
    only_this_profile(keys.rsa, CLO_MAKE_SHA384, CLO_SIG_RSA_SHA384);
    only_this_profile(keys.p256, CLO_MAKE_DEFAULT, CLO_SIG_ECDSA_P256_SHA256);
    only_this_profile(keys.p384, CLO_MAKE_DEFAULT, CLO_SIG_ECDSA_P384_SHA384);
}

static void another_hash_than_the_profiles_is_refused(void **state)
{
    (void)state;
    only_this_profile(keys.rsa, CLO_MAKE_SHA1, 0);
    only_this_profile(keys.rsa, CLO_MAKE_SHA512, 0);
    only_this_profile(keys.p256, CLO_MAKE_SHA1, 0);
    only_this_profile(keys.p256, CLO_MAKE_SHA384, 0);
    only_this_profile(keys.p256, CLO_MAKE_SHA512, 0);
    only_this_profile(keys.p384, CLO_MAKE_SHA1, 0);
    only_this_profile(keys.p384, CLO_MAKE_SHA256, 0);
    only_this_profile(keys.p384, CLO_MAKE_SHA512, 0);
}

static void a_short_rsa_key_signs_nothing_of_a_tpm(void **state)
{
    (void)state;
    only_this_profile(keys.weak, CLO_MAKE_SHA256, 0);
    only_this_profile(keys.weak, CLO_MAKE_SHA384, 0);
}

static void another_issuers_signature_is_refused(void **state)
{
    const struct {
        const struct clo_signer *signer, *named;
        enum clo_sig_profile profile;
    } cases[] = {{keys.other256, keys.p256, CLO_SIG_ECDSA_P256_SHA256},
                 {keys.other384, keys.p384, CLO_SIG_ECDSA_P384_SHA384}};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
        struct clo_cert_spec spec = spec_of(keys.p256, cases[i].signer);
        struct clo_cert *c = cert_of(&spec), *issuer = issuer_of(cases[i].named);

        assert_int_equal(clo_cert_signed_by(c, issuer, cases[i].profile), CLOISTER_E_AUTH);
        clo_cert_free(c);
        /* the right key, but another name */
        spec = spec_of(keys.p256, cases[i].named);
        spec.issuer_cn = "somebody";
        c = cert_of(&spec);
        assert_int_equal(clo_cert_signed_by(c, issuer, cases[i].profile), CLOISTER_E_AUTH);
        clo_cert_free(c);
        clo_cert_free(issuer);
    }
}

/* Certificate ::= { tbs, alg, signature }, put together anew. */
static int reassembled(const struct clo_cert *c, const struct clo_cert *issuer, uint8_t unused_bits,
                       const void *sig, size_t sig_n, bool null_params)
{
    const uint8_t null[] = {5, 0};
    struct clo_buf body = clo_buf_init(CLO_CERT_MAX), all = clo_buf_init(CLO_CERT_MAX),
                   part = clo_buf_init(CLO_CERT_MAX);
    struct clo_cert *made = NULL;
    int err;

    assert_int_equal(clo_buf_append(&body, c->tbs.p, c->tbs.left), 0);
    assert_int_equal(clo_buf_append(&part, c->alg.p, c->alg.left), 0);
    if (null_params)
        assert_int_equal(clo_buf_append(&part, null, sizeof null), 0);
    put(&body, CLO_DER_SEQUENCE, part.p, part.len);
    clo_buf_clear(&part);
    assert_int_equal(clo_buf_append(&part, &unused_bits, 1), 0);
    assert_int_equal(clo_buf_append(&part, sig, sig_n), 0);
    put(&body, CLO_DER_BIT_STRING, part.p, part.len);
    put(&all, CLO_DER_SEQUENCE, body.p, body.len);
    err = clo_cert_parse(all.p, all.len, &made);
    if (err == 0)
        err = clo_cert_signed_by(made, issuer, CLO_SIG_ECDSA_P256_SHA256);
    clo_cert_free(made);
    clo_buf_clear(&part);
    clo_buf_clear(&body);
    clo_buf_clear(&all);
    return err;
}

static void a_signature_has_one_encoding(void **state)
{
    struct clo_cert_spec spec = spec_of(keys.p384, keys.p256);
    struct clo_cert *c = cert_of(&spec), *issuer = issuer_of(keys.p256);
    struct clo_rd rd = c->sig, pair, r, s;
    uint8_t sig[160], rs[64] = {0};
    const size_t n = c->sig.left;

    (void)state;
    memcpy(sig, c->sig.p, n);
    assert_int_equal(reassembled(c, issuer, 0, sig, n, false), 0);
    assert_int_equal(reassembled(c, issuer, 1, sig, n, false), CLOISTER_E_MALFORMED);
    assert_int_equal(reassembled(c, issuer, 0, sig, n, true), CLOISTER_E_UNSUPPORTED);
    sig[n] = 0;
    assert_int_equal(reassembled(c, issuer, 0, sig, n + 1, false), CLOISTER_E_AUTH);
    assert_int_equal(reassembled(c, issuer, 0, sig, n - 1, false), CLOISTER_E_AUTH);
    assert_int_equal(reassembled(c, issuer, 0, sig, 0, false), CLOISTER_E_AUTH);
    /* r || s, as quotes have it, is none here */
    assert_int_equal(clo_der_read(&rd, CLO_DER_SEQUENCE, &pair), 0);
    assert_int_equal(clo_der_read(&pair, CLO_DER_INTEGER, &r), 0);
    assert_int_equal(clo_der_read(&pair, CLO_DER_INTEGER, &s), 0);
    r = r.left > 32 ? clo_rd_init(r.p + 1, 32) : r;
    s = s.left > 32 ? clo_rd_init(s.p + 1, 32) : s;
    memcpy(rs + 32 - r.left, r.p, r.left);
    memcpy(rs + 64 - s.left, s.p, s.left);
    assert_int_equal(reassembled(c, issuer, 0, rs, 64, false), CLOISTER_E_AUTH);
    /* the same numbers with a zero too many in front: BER, but not DER */
    sig[0] = CLO_DER_SEQUENCE;
    sig[1] = (uint8_t)(4 + 34 + 34);
    sig[2] = CLO_DER_INTEGER;
    sig[3] = 34;
    memset(sig + 4, 0, 2);
    memcpy(sig + 6, rs, 32);
    sig[38] = CLO_DER_INTEGER;
    sig[39] = 34;
    memset(sig + 40, 0, 2);
    memcpy(sig + 42, rs + 32, 32);
    assert_int_equal(reassembled(c, issuer, 0, sig, 74, false), CLOISTER_E_AUTH);
    clo_cert_free(c);
    clo_cert_free(issuer);
}

static void algorithm_identifiers_are_read_exactly(void **state)
{
    static const uint8_t ecdsa[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2, 5, 0};
    static const uint8_t rsa[] = {6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 5, 0, 0};
    struct clo_sig_alg alg = {0};
    struct clo_rd rd = clo_rd_init(ecdsa, 10);

    (void)state;
    assert_int_equal(clo_sig_alg_read(&rd, &alg), 0);
    assert_true(alg.scheme == CLO_KEY_ECDSA && alg.hash == CLO_SHA256);
    for (size_t n = 0; n <= sizeof ecdsa; n++) {
        rd = clo_rd_init(ecdsa, n);
        if (n != 10)
            assert_int_equal(clo_sig_alg_read(&rd, &alg), CLOISTER_E_UNSUPPORTED);
    }
    for (size_t n = 0; n <= sizeof rsa; n++) {
        rd = clo_rd_init(rsa, n);
        assert_int_equal(clo_sig_alg_read(&rd, &alg), n == 13 ? 0 : CLOISTER_E_UNSUPPORTED);
    }
    assert_true(alg.scheme == CLO_KEY_RSASSA && alg.hash == CLO_SHA256);
}

/* AMD's parameters may be written in more than one way; what they say may not differ. */
static void pss_parameters_are_read_for_what_they_say(void **state)
{
    static const uint8_t head[] = {6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10};
    static const uint8_t oid384[] = {6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2};
    static const uint8_t oid256[] = {6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1};
    static const uint8_t mgf1[] = {6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8};
    static const struct {
        bool hash256, mask256, null, no_hash, no_mask, no_salt;
        uint8_t salt, trailer; /* 0: absent */
        int err;
    } cases[] = {
        {.salt = 48, .trailer = 1, .null = true, .err = 0},
        {.salt = 48, .trailer = 1, .err = 0},
        {.salt = 48, .err = 0},
        {.salt = 48, .trailer = 2, .err = CLOISTER_E_UNSUPPORTED},
        {.salt = 32, .err = CLOISTER_E_UNSUPPORTED},
        {.no_salt = true, .err = CLOISTER_E_UNSUPPORTED},             /* 20 */
        {.salt = 48, .no_hash = true, .err = CLOISTER_E_UNSUPPORTED}, /* SHA-1 */
        {.salt = 48, .no_mask = true, .err = CLOISTER_E_UNSUPPORTED},
        {.salt = 48, .hash256 = true, .err = CLOISTER_E_UNSUPPORTED},
        {.salt = 48, .mask256 = true, .err = CLOISTER_E_UNSUPPORTED},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
        struct clo_buf hash = clo_buf_init(256), mask = clo_buf_init(256), all = clo_buf_init(256),
                       params = clo_buf_init(256), t = clo_buf_init(256);
        const uint8_t null[] = {5, 0}, salt[] = {2, 1, cases[i].salt},
                      trailer[] = {2, 1, cases[i].trailer};
        struct clo_sig_alg alg = {0};
        struct clo_rd rd;

        for (int k = 0; k < 2; k++) {
            const bool weak = k == 0 ? cases[i].hash256 : cases[i].mask256;

            assert_int_equal(clo_buf_append(&t, weak ? oid256 : oid384, sizeof oid384), 0);
            if (cases[i].null)
                assert_int_equal(clo_buf_append(&t, null, 2), 0);
            if (k == 0) {
                put(&hash, CLO_DER_SEQUENCE, t.p, t.len);
            } else {
                struct clo_buf in = clo_buf_init(256);

                assert_int_equal(clo_buf_append(&in, mgf1, sizeof mgf1), 0);
                put(&in, CLO_DER_SEQUENCE, t.p, t.len);
                put(&mask, CLO_DER_SEQUENCE, in.p, in.len);
                clo_buf_clear(&in);
            }
            clo_buf_clear(&t);
        }
        if (!cases[i].no_hash)
            put(&params, 0xa0, hash.p, hash.len);
        if (!cases[i].no_mask)
            put(&params, 0xa1, mask.p, mask.len);
        if (!cases[i].no_salt)
            put(&params, 0xa2, salt, 3);
        if (cases[i].trailer != 0)
            put(&params, 0xa3, trailer, 3);
        assert_int_equal(clo_buf_append(&all, head, sizeof head), 0);
        put(&all, CLO_DER_SEQUENCE, params.p, params.len);
        rd = clo_rd_init(all.p, all.len);
        assert_int_equal(clo_sig_alg_read(&rd, &alg), cases[i].err);
        if (cases[i].err == 0)
            assert_true(alg.scheme == CLO_KEY_RSAPSS && alg.hash == CLO_SHA384);
        assert_int_equal(clo_buf_append(&all, "", 1), 0); /* one byte behind */
        rd = clo_rd_init(all.p, all.len);
        assert_int_equal(clo_sig_alg_read(&rd, &alg), CLOISTER_E_UNSUPPORTED);
        clo_buf_clear(&hash);
        clo_buf_clear(&mask);
        clo_buf_clear(&params);
        clo_buf_clear(&all);
    }
}

/* ---- what a certificate's bytes are ---- */

static void every_bit_of_a_certificate_counts(void **state)
{
    const struct clo_signer *const key[] = {keys.p256, keys.p384};

    (void)state;
    for (size_t k = 0; k < CLO_ARRAY_LEN(key); k++) {
        const enum clo_sig_profile profile = k == 0 ? CLO_SIG_ECDSA_P256_SHA256
                                                    : CLO_SIG_ECDSA_P384_SHA384;
        struct clo_cert_spec spec = spec_of(keys.p256, key[k]);
        struct clo_buf b = der_of(&spec);
        struct clo_cert *issuer = issuer_of(key[k]);

        for (size_t bit = 0; bit < b.len * 8; bit++) {
            struct clo_cert *c = NULL;

            b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (clo_cert_parse(b.p, b.len, &c) == 0)
                assert_int_not_equal(clo_cert_signed_by(c, issuer, profile), 0);
            clo_cert_free(c);
            b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t n = 0; n < b.len; n++) {
            struct clo_cert *c = NULL;

            assert_int_equal(clo_cert_parse(b.p, n, &c), CLOISTER_E_MALFORMED);
            assert_null(c);
        }
        clo_cert_free(issuer);
        clo_buf_clear(&b);
    }
    assert_int_equal(ERR_peek_error(), 0); /* nothing is left behind for others to find */
}

static void a_certificate_is_der(void **state)
{
    struct clo_cert_spec spec = spec_of(keys.p256, keys.p256);
    struct clo_buf b = der_of(&spec), ber = clo_buf_init(CLO_CERT_MAX);
    const uint8_t indefinite[] = {0x30, 0x80}, end[] = {0, 0}, longer[] = {0x30, 0x83, 0};
    struct clo_cert *c = NULL;

    (void)state;
    assert_int_equal(b.p[1], 0x82);
    assert_int_equal(clo_buf_append(&ber, indefinite, 2), 0);
    assert_int_equal(clo_buf_append(&ber, b.p + 4, b.len - 4), 0);
    assert_int_equal(clo_buf_append(&ber, end, 2), 0);
    assert_int_equal(clo_cert_parse(ber.p, ber.len, &c), CLOISTER_E_MALFORMED);
    clo_buf_clear(&ber);
    assert_int_equal(clo_buf_append(&ber, longer, 3), 0);
    assert_int_equal(clo_buf_append(&ber, b.p + 2, b.len - 2), 0);
    assert_int_equal(clo_cert_parse(ber.p, ber.len, &c), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_buf_append(&b, end, 1), 0);
    assert_int_equal(clo_cert_parse(b.p, b.len, &c), CLOISTER_E_TRAILING);
    assert_null(c);
    clo_buf_clear(&ber);
    clo_buf_clear(&b);
}

static void a_certificate_has_a_limit(void **state)
{
    static uint8_t large[CLO_CERT_MAX + 1];
    struct clo_cert *c = NULL;

    (void)state;
    assert_int_equal(clo_cert_parse(large, sizeof large, &c), CLOISTER_E_LIMIT);
    assert_int_equal(clo_cert_parse(large, CLO_CERT_MAX, &c), CLOISTER_E_MALFORMED);
}

static void a_serial_number_is_a_magnitude(void **state)
{
    static const struct {
        uint64_t serial;
        uint8_t want[8];
        size_t n;
    } cases[] = {{0, {0}, 0},
                 {1, {1}, 1},
                 {0x7f, {0x7f}, 1},
                 {0x80, {0x80}, 1},
                 {0xff00, {0xff, 0}, 2},
                 {UINT64_MAX, {255, 255, 255, 255, 255, 255, 255, 255}, 8}};
    struct clo_cert_spec spec = spec_of(keys.p256, keys.p256);
    struct clo_cert *c = NULL;
    const uint8_t *p = NULL;
    uint8_t *at = NULL;
    struct clo_buf b;
    size_t n = 9;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
        spec.serial = cases[i].serial;
        c = cert_of(&spec);
        assert_int_equal(clo_cert_serial(c, &p, &n), 0);
        assert_int_equal(n, cases[i].n);
        if (n > 0)
            assert_memory_equal(p, cases[i].want, n);
        clo_cert_free(c);
    }
    /* negative */
    spec.serial = 0x1234;
    b = der_of(&spec);
    at = memmem(b.p, 32, "\x02\x02\x12\x34", 4);
    assert_non_null(at);
    at[2] = 0x92;
    c = NULL;
    n = 9;
    assert_int_equal(clo_cert_parse(b.p, b.len, &c), 0);
    assert_int_equal(clo_cert_serial(c, &p, &n), CLOISTER_E_MALFORMED);
    assert_int_equal(n, 9);
    clo_cert_free(c);
    clo_buf_clear(&b);
}

static void a_key_is_known_by_its_encoding(void **state)
{
    const struct clo_signer *const key[] = {keys.rsa, keys.p256, keys.p384};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(key); i++) {
        struct clo_cert_spec spec = spec_of(key[i], keys.p256);
        struct clo_cert *c = cert_of(&spec);
        struct clo_buf spki = clo_buf_init(1024);
        struct clo_key *k = NULL;
        uint8_t got[32], want[32];

        assert_int_equal(clo_signer_spki(key[i], &spki), 0);
        assert_int_equal(clo_sha256(spki.p, spki.len, want), 0);
        assert_int_equal(clo_cert_spki_digest(c, got), 0);
        assert_memory_equal(got, want, 32);
        assert_int_equal(clo_key_of_cert(c, &k), 0);
        assert_int_equal(clo_key_digest(k, got), 0);
        assert_memory_equal(got, want, 32);
        clo_key_free(k);
        k = NULL;
        assert_int_equal(clo_key_of_spki(spki.p, spki.len, &k), 0);
        assert_int_equal(clo_key_digest(k, got), 0);
        assert_memory_equal(got, want, 32);
        clo_key_free(k);
        k = NULL;
        assert_int_equal(clo_key_of_spki(spki.p, spki.len - 1, &k), CLOISTER_E_MALFORMED);
        assert_int_equal(clo_buf_append(&spki, "", 1), 0);
        assert_int_equal(clo_key_of_spki(spki.p, spki.len, &k), CLOISTER_E_MALFORMED);
        assert_null(k);
        assert_int_equal(clo_cert_is_p384(c), i == 2);
        assert_int_equal(clo_cert_rsa_bits(c), i == 0 ? 2048 : 0);
        clo_buf_clear(&spki);
        clo_cert_free(c);
    }
}

static void only_known_critical_extensions_are_borne(void **state)
{
    static const uint8_t value[] = {0x30, 0};
    static const struct {
        const char *oid;
        bool critical;
        int err;
    } cases[] = {
        {"2.23.133.5.4.1", false, 0},
        {"2.23.133.5.4.1", true, CLOISTER_E_UNSUPPORTED},
        {"2.5.29.30", true, CLOISTER_E_UNSUPPORTED},  /* nameConstraints, */
        {"2.5.29.30", false, CLOISTER_E_UNSUPPORTED}, /* whoever left out that it is critical */
        {"2.5.29.36", true, CLOISTER_E_UNSUPPORTED},  /* policyConstraints */
        {"2.5.29.17", true, 0}, /* subjectAltName, where the subject is empty */
    };
    struct clo_cert_spec spec = spec_of(keys.p256, keys.p256);
    struct clo_buf b;
    struct clo_cert *c = NULL;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
        const struct clo_cert_ext_spec ext = {
            .oid = cases[i].oid, .p = value, .n = 2, .critical = cases[i].critical};

        spec.ext = &ext;
        spec.exts = 1;
        b = der_of(&spec);
        assert_int_equal(clo_cert_parse(b.p, b.len, &c), cases[i].err);
        clo_cert_free(c);
        c = NULL;
        clo_buf_clear(&b);
    }
    spec.exts = 0;
    spec.eku = CLO_EKU_OCSP_SIGNING;
    spec.eku_critical = true;
    b = der_of(&spec);
    assert_int_equal(clo_cert_parse(b.p, b.len, &c), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(clo_cert_parse_eku(b.p, b.len, &c), 0);
    clo_cert_free(c);
    clo_buf_clear(&b);
}

/* What decides has to make sense, and to be there once. */
static void extensions_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        const char *oid;
        uint8_t p[12];
        size_t n;
        int err;
        bool ca;
    } cases[] = {
        {"2.5.29.19", {0x30, 0}, 2, 0, false},
        {"2.5.29.19", {0x30, 3, 1, 1, 0xff}, 5, 0, true},
        {"2.5.29.19", {0x30, 3, 1, 1, 0}, 5, 0, false}, /* the default, written out: borne */
        {"2.5.29.19", {0x30, 3, 1, 1, 1}, 5, CLOISTER_E_MALFORMED, false},
        {"2.5.29.19", {0x30, 4, 1, 2, 0xff, 0xff}, 6, CLOISTER_E_MALFORMED, false},
        {"2.5.29.19", {0x30, 6, 1, 1, 0xff, 2, 1, 0}, 8, 0, true},
        {"2.5.29.19", {0x30, 6, 1, 1, 0xff, 2, 1, 0x80}, 8, CLOISTER_E_MALFORMED, false},
        {"2.5.29.19", {0x30, 7, 1, 1, 0xff, 2, 2, 0, 0}, 9, CLOISTER_E_MALFORMED, false},
        {"2.5.29.19", {0x30, 3, 2, 1, 0}, 5, CLOISTER_E_MALFORMED, false}, /* of a leaf */
        {"2.5.29.19", {0x30, 3, 1, 1, 0xff, 0}, 6, CLOISTER_E_MALFORMED, false},
        {"2.5.29.19", {0x30, 5, 1, 1, 0xff, 5, 0}, 7, CLOISTER_E_MALFORMED, false},
        {"2.5.29.19", {0x30}, 1, CLOISTER_E_MALFORMED, false},
        {"2.5.29.19", {0x31, 0}, 2, CLOISTER_E_MALFORMED, false},
        {"2.5.29.15", {3, 2, 2, 4}, 4, 0, false},
        {"2.5.29.15", {3, 3, 7, 0, 0x80}, 5, 0, false}, /* decipherOnly */
        {"2.5.29.15", {3, 2, 8, 4}, 4, CLOISTER_E_MALFORMED, false},
        {"2.5.29.15", {3, 2, 3, 0x24}, 4, CLOISTER_E_MALFORMED, false}, /* a bit that isn't used */
        {"2.5.29.15", {3, 3, 7, 4, 0xc0}, 5, CLOISTER_E_MALFORMED, false},
        {"2.5.29.15", {3, 3, 7, 5, 0x80}, 5, 0, false},
        {"2.5.29.15", {3, 2, 2, 0}, 4, CLOISTER_E_MALFORMED, false},
        {"2.5.29.15", {3, 1, 0}, 3, CLOISTER_E_MALFORMED, false},
        {"2.5.29.15", {3, 0}, 2, CLOISTER_E_MALFORMED, false},
        {"2.5.29.15", {3, 4, 0, 4, 0, 0}, 6, CLOISTER_E_MALFORMED, false},
        {"2.5.29.15", {3, 2, 2, 4, 0}, 5, CLOISTER_E_MALFORMED, false},
        {"2.5.29.15", {4, 2, 2, 4}, 4, CLOISTER_E_MALFORMED, false},
        {"2.5.29.37", {0x30, 3, 6, 1, 0x2a}, 5, 0, false},
        {"2.5.29.37", {0x30, 3, 5, 1, 0x2a}, 5, CLOISTER_E_MALFORMED, false},
        {"2.5.29.37", {0x30, 2, 6, 1}, 4, CLOISTER_E_MALFORMED, false},
        {"2.5.29.37", {6, 1, 0x2a}, 3, CLOISTER_E_MALFORMED, false},
        {"1.2.3", {0xff}, 1, 0, false}, /* nobody reads it */
    };
    struct clo_cert_spec spec = spec_of(keys.p256, keys.p256);

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
        const struct clo_cert_ext_spec e = {.oid = cases[i].oid, .p = cases[i].p, .n = cases[i].n};
        const struct clo_cert_ext_spec twice[] = {e, e};
        const bool read = strncmp(cases[i].oid, "2.5", 3) == 0;
        struct clo_cert *c = NULL;
        struct clo_buf b;

        spec.ext = twice;
        spec.exts = 1;
        b = der_of(&spec);
        assert_int_equal(clo_cert_parse(b.p, b.len, &c), cases[i].err);
        if (c != NULL)
            assert_int_equal(c->ca, cases[i].ca);
        clo_cert_free(c);
        clo_buf_clear(&b);
        if (cases[i].err != 0)
            continue;
        spec.exts = 2;
        c = NULL;
        b = der_of(&spec);
        assert_int_equal(clo_cert_parse(b.p, b.len, &c), read ? CLOISTER_E_MALFORMED : 0);
        if (c != NULL) {
            const uint8_t *p = NULL;
            size_t n = 0;

            assert_int_equal(clo_cert_ext(c, cases[i].oid, &p, &n), CLOISTER_E_DUPLICATE);
        }
        clo_cert_free(c);
        clo_buf_clear(&b);
    }
}

static void an_authority_says_so_twice(void **state)
{
    static const uint8_t ca[] = {0x30, 3, 1, 1, 0xff}, sign[] = {3, 2, 2, 4}, crl[] = {3, 2, 1, 2};
    const struct clo_cert_ext_spec bc = {.oid = "2.5.29.19", .p = ca, .n = sizeof ca},
                                   ku = {.oid = "2.5.29.15", .p = sign, .n = 4},
                                   other = {.oid = "2.5.29.15", .p = crl, .n = 4};
    const struct {
        struct clo_cert_ext_spec ext[2];
        size_t n;
        bool want;
    } cases[] = {{{bc, ku}, 2, true}, {{bc}, 1, false}, {{ku}, 1, false}, {{bc, other}, 2, false}};
    struct clo_cert_spec spec = spec_of(keys.p256, keys.p256);

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
        struct clo_cert *c = NULL;

        spec.ext = cases[i].ext;
        spec.exts = cases[i].n;
        c = cert_of(&spec);
        assert_int_equal(clo_cert_is_ca(c), cases[i].want);
        clo_cert_free(c);
    }
}

static void an_authority_limits_those_below_it(void **state)
{
    static const unsigned limits[] = {0, 1, 127, 128, 70000};
    struct clo_cert_spec spec = spec_of(keys.p256, keys.p256);
    struct clo_cert *c = NULL;

    (void)state;
    spec.ca = true;
    c = cert_of(&spec);
    assert_true(clo_cert_path_len_allows(c, 0));
    assert_true(clo_cert_path_len_allows(c, 1000));
    clo_cert_free(c);
    spec.has_path_len = true;
    for (size_t i = 0; i < CLO_ARRAY_LEN(limits); i++) {
        spec.path_len = limits[i];
        c = cert_of(&spec);
        assert_true(clo_cert_path_len_allows(c, limits[i]));
        assert_true(clo_cert_path_len_allows(c, limits[i] + 1) ==
                    (limits[i] > 127)); /* beyond any chain */
        clo_cert_free(c);
    }
}

static void extensions_are_found_by_their_number(void **state)
{
    static const uint8_t value[] = {1, 2, 3};
    static const char *const oids[] = {"1.3.6.1.4.1.3704.1.3.10",
                                       "2.23.133.5.4.1",
                                       "1.2.840.113741.1.13.1",
                                       "2.999.4294967295",
                                       "0.0",
                                       "1.39.128.16384"};
    struct clo_cert_spec spec = spec_of(keys.p256, keys.p256);
    struct clo_cert_ext_spec ext[CLO_ARRAY_LEN(oids)];
    struct clo_cert *c = NULL;
    const uint8_t *p = NULL;
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(oids); i++)
        ext[i] = (struct clo_cert_ext_spec){.oid = oids[i], .p = value, .n = i % 3 + 1};
    spec.ext = ext;
    spec.exts = CLO_ARRAY_LEN(oids);
    c = cert_of(&spec);
    for (size_t i = 0; i < CLO_ARRAY_LEN(oids); i++) {
        assert_int_equal(clo_cert_ext(c, oids[i], &p, &n), 0);
        assert_int_equal(n, i % 3 + 1);
        assert_memory_equal(p, value, n);
    }
    assert_int_equal(clo_cert_ext(c, "1.3.6.1.4.1.3704.1.3.1", &p, &n), CLOISTER_E_NOT_FOUND);
    assert_int_equal(clo_cert_ext(c, "1.3.6.1.4.1.3704.1.3", &p, &n), CLOISTER_E_NOT_FOUND);
    assert_int_equal(clo_cert_ext(c, "", &p, &n), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_cert_ext(c, "1", &p, &n), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_cert_ext(c, "1..2", &p, &n), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_cert_ext(c, "1.2.", &p, &n), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_cert_ext(c, "1.x", &p, &n), CLOISTER_E_ARGUMENT);
    assert_int_equal(clo_cert_ext(c, "1.4294967296", &p, &n), CLOISTER_E_ARGUMENT);
    clo_cert_free(c);
}

/* Names whose case or white space differ are the same name (RFC 5280 section 7.1). */
static void names_are_compared_as_names(void **state)
{
    static const struct {
        const char *cn;
        int err;
    } cases[] = {{"issuer", 0},
                 {"Issuer", 0},
                 {" issuer ", 0},
                 {"issuer2", CLOISTER_E_AUTH},
                 {"issue", CLOISTER_E_AUTH}};
    struct clo_cert *issuer = issuer_of(keys.p256);

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
        struct clo_cert_spec spec = spec_of(keys.p256, keys.p256);
        struct clo_cert *c = NULL;

        spec.issuer_cn = cases[i].cn;
        c = cert_of(&spec);
        assert_int_equal(clo_cert_signed_by(c, issuer, CLO_SIG_ECDSA_P256_SHA256), cases[i].err);
        clo_cert_free(c);
    }
    clo_cert_free(issuer);
}

static void dates_before_1970_and_beyond_2049_are_read(void **state)
{
    static const int64_t when[] = {-631152000, -1,         0,           946684799,
                                   2524607999, 2524608000, 253402300799};
    struct clo_cert_spec spec = spec_of(keys.p256, keys.p256);

    (void)state;
    assert_true(clo_unix_seconds(0, 1, 1, 0, 0, 0) == -62167219200); /* a leap year */
    assert_true(clo_unix_seconds(0, 3, 1, 0, 0, 0) == -62162035200);
    for (size_t i = 0; i < CLO_ARRAY_LEN(when); i++) {
        struct clo_cert *c = NULL;

        spec.not_before = when[i];
        spec.not_after = when[CLO_ARRAY_LEN(when) - 1 - i];
        c = cert_of(&spec);
        assert_true(clo_cert_not_before(c) == when[i]);
        assert_true(clo_cert_not_after(c) == when[CLO_ARRAY_LEN(when) - 1 - i]);
        clo_cert_free(c);
    }
}

/* ---- revocation lists ---- */

static void a_list_needs_who_may_sign_lists(void **state)
{
    const struct clo_crl_spec list = {
        .issuer_cn = "issuer", .this_update = NOW, .next_update = NOW + YEAR, .issuer = keys.p256};
    struct clo_cert_spec spec = spec_of(keys.p256, keys.p256);
    struct clo_buf b = clo_buf_init(CLO_CRL_MAX);
    struct clo_cert *no = NULL, *yes = NULL, *other = NULL, *named = NULL;
    struct clo_crl *crl = NULL;

    (void)state;
    assert_int_equal(clo_crl_make(&list, &b), 0);
    assert_int_equal(clo_crl_parse(b.p, b.len, &crl), 0);
    spec.subject_cn = "issuer";
    spec.ca = true;
    yes = cert_of(&spec);
    spec.ca_no_crl = true;
    no = cert_of(&spec);
    spec = spec_of(keys.p256, keys.p256);
    spec.ca = true;
    named = cert_of(&spec);
    other = issuer_of(keys.other256);
    assert_int_equal(clo_crl_signed_by(crl, yes, CLO_SIG_ECDSA_P256_SHA256), 0);
    assert_int_equal(clo_crl_signed_by(crl, no, CLO_SIG_ECDSA_P256_SHA256), CLOISTER_E_AUTH);
    assert_int_equal(clo_crl_signed_by(crl, named, CLO_SIG_ECDSA_P256_SHA256), CLOISTER_E_AUTH);
    assert_int_equal(clo_crl_signed_by(crl, other, CLO_SIG_ECDSA_P256_SHA256), CLOISTER_E_AUTH);
    clo_crl_free(crl);
    clo_cert_free(no);
    clo_cert_free(yes);
    clo_cert_free(named);
    clo_cert_free(other);
    clo_buf_clear(&b);
}

/* What an extension of the list, or of its one entry, makes of it. */
static int list_with(int nid, bool critical, bool of_entry)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_CRL *x = X509_CRL_new();
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    ASN1_TIME *t = ASN1_TIME_set(NULL, NOW);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext = NULL;
    X509_NAME *name = X509_NAME_new();
    struct clo_crl *crl = NULL;
    uint8_t *der = NULL;
    int der_n, err;

    assert_int_equal(ASN1_OCTET_STRING_set(value, (const uint8_t *)"\x30", 2), 1);
    ext = X509_EXTENSION_create_by_NID(NULL, nid, critical, value);
    assert_non_null(ext);
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"issuer", -1, -1, 0),
        1);
    assert_int_equal(X509_CRL_set_version(x, 1) & X509_CRL_set_issuer_name(x, name) &
                         X509_CRL_set1_lastUpdate(x, t) & X509_CRL_set1_nextUpdate(x, t) &
                         ASN1_INTEGER_set(serial, 7) &
                         X509_REVOKED_set_serialNumber(entry, serial) &
                         X509_REVOKED_set_revocationDate(entry, t),
                     1);
    assert_int_equal(of_entry ? X509_REVOKED_add_ext(entry, ext, -1) : X509_CRL_add_ext(x, ext, -1),
                     1);
    assert_int_equal(X509_CRL_add0_revoked(x, entry), 1);
    assert_true(X509_CRL_sign(x, key, EVP_sha256()) > 0);
    der_n = i2d_X509_CRL(x, &der);
    assert_true(der_n > 0);
    err = clo_crl_parse(der, (size_t)der_n, &crl);
    assert_true((crl != NULL) == (err == 0));
    clo_crl_free(crl);
    OPENSSL_free(der);
    X509_NAME_free(name);
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(value);
    ASN1_TIME_free(t);
    ASN1_INTEGER_free(serial);
    X509_CRL_free(x);
    EVP_PKEY_free(key);
    return err;
}

/* Those that say so are critical by RFC 5280; whoever leaves that out means it all the same. */
static void a_list_that_is_not_whole_is_unsupported(void **state)
{
    (void)state;
    for (int critical = 0; critical < 2; critical++) {
        assert_int_equal(list_with(NID_delta_crl, critical, false), CLOISTER_E_UNSUPPORTED);
        assert_int_equal(list_with(NID_issuing_distribution_point, critical, false),
                         CLOISTER_E_UNSUPPORTED);
        assert_int_equal(list_with(NID_certificate_issuer, critical, true), CLOISTER_E_UNSUPPORTED);
        assert_int_equal(list_with(NID_crl_number, critical, false),
                         critical ? CLOISTER_E_UNSUPPORTED : 0);
        assert_int_equal(list_with(NID_invalidity_date, critical, true),
                         critical ? CLOISTER_E_UNSUPPORTED : 0);
    }
}

static void every_bit_of_a_list_counts(void **state)
{
    const uint64_t serial[] = {0x1234, 77};
    const struct clo_crl_spec list = {.issuer_cn = "issuer",
                                      .this_update = NOW,
                                      .next_update = NOW + YEAR,
                                      .revoked = serial,
                                      .revoked_n = 2,
                                      .issuer = keys.p256};
    struct clo_buf b = clo_buf_init(CLO_CRL_MAX);
    struct clo_cert *issuer = issuer_of(keys.p256);

    (void)state;
    assert_int_equal(clo_crl_make(&list, &b), 0);
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        struct clo_crl *crl = NULL;

        b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (clo_crl_parse(b.p, b.len, &crl) == 0)
            assert_int_not_equal(clo_crl_signed_by(crl, issuer, CLO_SIG_ECDSA_P256_SHA256), 0);
        clo_crl_free(crl);
        b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t n = 0; n < b.len; n++) {
        struct clo_crl *crl = NULL;

        assert_int_not_equal(clo_crl_parse(b.p, n, &crl), 0);
        assert_null(crl);
    }
    clo_cert_free(issuer);
    clo_buf_clear(&b);
}

static void a_list_revokes_its_issuers_serial_numbers(void **state)
{
    const uint64_t serial[] = {5, 0x1234};
    const struct clo_crl_spec list = {.issuer_cn = "issuer",
                                      .this_update = NOW,
                                      .no_next_update = true,
                                      .revoked = serial,
                                      .revoked_n = 2,
                                      .issuer = keys.p256};
    struct clo_cert_spec spec = spec_of(keys.p256, keys.p256);
    struct clo_buf b = clo_buf_init(CLO_CRL_MAX);
    struct clo_cert *c = cert_of(&spec);
    struct clo_crl *crl = NULL;

    (void)state;
    assert_int_equal(clo_crl_make(&list, &b), 0);
    assert_int_equal(clo_crl_parse(b.p, b.len, &crl), 0);
    assert_true(clo_crl_this_update(crl) == NOW);
    assert_true(clo_crl_next_update(crl) == INT64_MIN);
    assert_true(clo_crl_revokes(crl, c));
    clo_cert_free(c);
    spec.serial = 6;
    c = cert_of(&spec);
    assert_false(clo_crl_revokes(crl, c));
    clo_cert_free(c);
    spec.serial = 0x1234;
    spec.issuer_cn = "somebody";
    c = cert_of(&spec);
    assert_false(clo_crl_revokes(crl, c));
    clo_cert_free(c);
    clo_crl_free(crl);
    clo_buf_clear(&b);
}

/* ---- ECDSA over messages ---- */

static const uint8_t order256[32] = {
    0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};

static void p256_signatures_verify_and_others_dont(void **state)
{
    struct clo_cert_spec spec = spec_of(keys.p256, keys.p256);
    struct clo_cert *c = cert_of(&spec), *wrong = NULL;
    uint8_t rs[64], bad[64], xy[64];

    (void)state;
    spec = spec_of(keys.p384, keys.p256);
    wrong = cert_of(&spec);
    assert_int_equal(clo_signer_sign_p256(keys.p256, "quote", 5, rs), 0);
    assert_int_equal(clo_signer_point(keys.p256, xy, xy + 32), 0);
    assert_int_equal(clo_cert_verify_p256(c, "quote", 5, rs), 0);
    assert_int_equal(clo_p256_verify(xy, "quote", 5, rs), 0);
    assert_int_equal(clo_cert_verify_p256(c, "quotes", 6, rs), CLOISTER_E_AUTH);
    assert_int_equal(clo_p256_verify(xy, "quot", 4, rs), CLOISTER_E_AUTH);
    assert_int_equal(clo_cert_verify_p256(wrong, "quote", 5, rs), CLOISTER_E_AUTH);
    assert_int_equal(clo_cert_verify_p384(c, "quote", 5, rs, rs), CLOISTER_E_AUTH);
    for (size_t bit = 0; bit < 512; bit++) {
        memcpy(bad, rs, 64);
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(clo_p256_verify(xy, "quote", 5, bad), CLOISTER_E_AUTH);
    }
    /* r and s of zero, of the order, and beyond it: CVE-2022-21449 and its like */
    for (int i = 0; i < 9; i++) {
        memset(bad, 0, 64);
        if (i % 3 == 1)
            memcpy(bad, order256, 32);
        if (i % 3 == 2)
            memset(bad, 0xff, 32);
        if (i / 3 == 1)
            memcpy(bad + 32, order256, 32);
        if (i / 3 == 2)
            memset(bad + 32, 0xff, 32);
        assert_int_equal(clo_p256_verify(xy, "quote", 5, bad), CLOISTER_E_AUTH);
        assert_int_equal(clo_cert_verify_p256(c, "quote", 5, bad), CLOISTER_E_AUTH);
        memcpy(bad + 32 * (i % 2), rs + 32 * (i % 2), 32); /* one of the two is right */
        assert_int_equal(clo_p256_verify(xy, "quote", 5, bad), CLOISTER_E_AUTH);
    }
    clo_cert_free(c);
    clo_cert_free(wrong);
}

static void p384_signatures_verify_and_others_dont(void **state)
{
    struct clo_cert_spec spec = spec_of(keys.p384, keys.p256);
    struct clo_cert *c = cert_of(&spec);
    uint8_t r[48], s[48], none[48] = {0}, all[48];

    (void)state;
    memset(all, 0xff, 48);
    assert_int_equal(clo_signer_sign_p384(keys.p384, "report", 6, r, s), 0);
    assert_int_equal(clo_cert_verify_p384(c, "report", 6, r, s), 0);
    assert_int_equal(clo_cert_verify_p384(c, "report", 5, r, s), CLOISTER_E_AUTH);
    assert_int_equal(clo_cert_verify_p384(c, "report", 6, s, r), CLOISTER_E_AUTH);
    assert_int_equal(clo_cert_verify_p384(c, "report", 6, none, none), CLOISTER_E_AUTH);
    assert_int_equal(clo_cert_verify_p384(c, "report", 6, r, none), CLOISTER_E_AUTH);
    assert_int_equal(clo_cert_verify_p384(c, "report", 6, none, s), CLOISTER_E_AUTH);
    assert_int_equal(clo_cert_verify_p384(c, "report", 6, all, all), CLOISTER_E_AUTH);
    clo_cert_free(c);
}

static void what_isnt_a_point_verifies_nothing(void **state)
{
    uint8_t rs[64], xy[64], bad[64] = {0};
    struct clo_key *k = NULL;

    (void)state;
    assert_int_equal(clo_signer_sign_p256(keys.p256, "quote", 5, rs), 0);
    assert_int_equal(clo_signer_point(keys.p256, xy, xy + 32), 0);
    assert_int_equal(clo_p256_verify(bad, "quote", 5, rs), CLOISTER_E_AUTH); /* (0, 0) */
    memset(bad, 0xff, 64); /* coordinates beyond the field */
    assert_int_equal(clo_p256_verify(bad, "quote", 5, rs), CLOISTER_E_AUTH);
    assert_int_equal(clo_key_new_ec(256, bad, bad + 32, &k), CLOISTER_E_MALFORMED);
    memcpy(bad, xy, 64);
    bad[63] ^= 1;
    assert_int_equal(clo_p256_verify(bad, "quote", 5, rs), CLOISTER_E_AUTH);
    assert_int_equal(clo_key_new_ec(256, bad, bad + 32, &k), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_key_new_ec(521, xy, xy + 32, &k), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(clo_key_new_ec(0, xy, xy + 32, &k), CLOISTER_E_UNSUPPORTED);
    assert_null(k);
    assert_int_equal(ERR_peek_error(), 0);
}

/* ---- bare keys ---- */

static void an_rsa_key_verifies_its_schemes(void **state)
{
    struct clo_buf modulus = clo_buf_init(512), sig = clo_buf_init(512);
    struct clo_key *k = NULL;
    uint8_t zeros[300] = {0};

    (void)state;
    assert_int_equal(clo_signer_modulus(keys.rsa, &modulus), 0);
    assert_int_equal(clo_signer_sign_rsa(keys.rsa, "quote", 5, &sig), 0);
    memcpy(zeros + 44, modulus.p, 256); /* leading zeros don't matter */
    assert_int_equal(clo_key_new_rsa(zeros, 300, 65537, &k), 0);
    assert_int_equal(clo_key_verify(k, CLO_KEY_RSASSA, CLO_SHA256, "quote", 5, sig.p, sig.len), 0);
    assert_int_equal(clo_key_verify(k, CLO_KEY_RSASSA, CLO_SHA256, "quota", 5, sig.p, sig.len),
                     CLOISTER_E_AUTH);
    assert_int_equal(clo_key_verify(k, CLO_KEY_RSASSA, CLO_SHA384, "quote", 5, sig.p, sig.len),
                     CLOISTER_E_AUTH);
    assert_int_equal(clo_key_verify(k, CLO_KEY_RSASSA, 3, "quote", 5, sig.p, sig.len),
                     CLOISTER_E_AUTH);
    assert_int_equal(clo_key_verify(k, CLO_KEY_RSAPSS, CLO_SHA256, "quote", 5, sig.p, sig.len),
                     CLOISTER_E_AUTH);
    assert_int_equal(clo_key_verify(k, CLO_KEY_ECDSA, CLO_SHA256, "quote", 5, sig.p, sig.len),
                     CLOISTER_E_AUTH);
    assert_int_equal(clo_key_verify(k, 0, CLO_SHA256, "quote", 5, sig.p, sig.len), CLOISTER_E_AUTH);
    assert_int_equal(clo_key_verify(k, 4, CLO_SHA256, "quote", 5, sig.p, sig.len), CLOISTER_E_AUTH);
    for (size_t n = 0; n < sig.len; n += 15)
        assert_int_equal(clo_key_verify(k, CLO_KEY_RSASSA, CLO_SHA256, "quote", 5, sig.p, n),
                         CLOISTER_E_AUTH);
    for (size_t i = 0; i < sig.len; i++) {
        sig.p[i] ^= 0x10;
        assert_int_equal(clo_key_verify(k, CLO_KEY_RSASSA, CLO_SHA256, "quote", 5, sig.p, sig.len),
                         CLOISTER_E_AUTH);
        sig.p[i] ^= 0x10;
    }
    memset(zeros, 0, sizeof zeros);
    assert_int_equal(clo_key_verify(k, CLO_KEY_RSASSA, CLO_SHA256, "quote", 5, zeros, 256),
                     CLOISTER_E_AUTH);
    zeros[255] = 1;
    assert_int_equal(clo_key_verify(k, CLO_KEY_RSASSA, CLO_SHA256, "quote", 5, zeros, 256),
                     CLOISTER_E_AUTH);
    assert_int_equal(clo_key_verify(k, CLO_KEY_RSASSA, CLO_SHA256, "quote", 5, modulus.p, 256),
                     CLOISTER_E_AUTH);
    clo_key_free(k);
    clo_key_free(NULL);
    clo_buf_clear(&modulus);
    clo_buf_clear(&sig);
}

static void pss_has_a_salt_as_long_as_its_hash(void **state)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    uint8_t *spki = NULL;
    struct clo_key *k = NULL;
    const int n = i2d_PUBKEY(key, &spki), lengths[] = {32, 48, 0, 20};

    (void)state;
    assert_int_equal(clo_key_of_spki(spki, (size_t)n, &k), 0);
    for (size_t i = 0; i < CLO_ARRAY_LEN(lengths); i++) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *pctx = NULL;
        uint8_t sig[256];
        size_t sig_n = sizeof sig;

        assert_int_equal(EVP_DigestSignInit_ex(ctx, &pctx, "SHA256", NULL, NULL, key, NULL), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, lengths[i]), 1);
        assert_int_equal(EVP_DigestSign(ctx, sig, &sig_n, (const uint8_t *)"quote", 5), 1);
        assert_int_equal(clo_key_verify(k, CLO_KEY_RSAPSS, CLO_SHA256, "quote", 5, sig, sig_n),
                         lengths[i] == 32 ? 0 : CLOISTER_E_AUTH);
        assert_int_equal(clo_key_verify(k, CLO_KEY_RSASSA, CLO_SHA256, "quote", 5, sig, sig_n),
                         CLOISTER_E_AUTH);
        EVP_MD_CTX_free(ctx);
    }
    clo_key_free(k);
    OPENSSL_free(spki);
    EVP_PKEY_free(key);
}

static void an_ec_key_verifies_its_signatures(void **state)
{
    uint8_t rs[96], x[48], y[48];
    struct clo_key *k = NULL;

    (void)state;
    assert_int_equal(clo_signer_point(keys.p256, x, y), 0);
    assert_int_equal(clo_signer_sign_p256(keys.p256, "quote", 5, rs), 0);
    assert_int_equal(clo_key_new_ec(256, x, y, &k), 0);
    assert_int_equal(clo_key_verify(k, CLO_KEY_ECDSA, CLO_SHA256, "quote", 5, rs, 64), 0);
    assert_int_equal(clo_key_verify(k, CLO_KEY_ECDSA, CLO_SHA384, "quote", 5, rs, 64),
                     CLOISTER_E_AUTH);
    assert_int_equal(clo_key_verify(k, CLO_KEY_ECDSA, CLO_SHA256, "quote", 5, rs, 63),
                     CLOISTER_E_AUTH);
    assert_int_equal(clo_key_verify(k, CLO_KEY_ECDSA, CLO_SHA256, "quote", 5, rs, 65),
                     CLOISTER_E_AUTH);
    assert_int_equal(clo_key_verify(k, CLO_KEY_ECDSA, CLO_SHA256, "quote", 5, rs, 0),
                     CLOISTER_E_AUTH);
    assert_int_equal(clo_key_verify(k, CLO_KEY_RSASSA, CLO_SHA256, "quote", 5, rs, 64),
                     CLOISTER_E_AUTH);
    assert_int_equal(clo_key_verify(k, CLO_KEY_RSAPSS, CLO_SHA256, "quote", 5, rs, 64),
                     CLOISTER_E_AUTH);
    clo_key_free(k);
    assert_int_equal(clo_signer_point(keys.p384, x, y), 0);
    assert_int_equal(clo_signer_sign_p384(keys.p384, "quote", 5, rs, rs + 48), 0);
    assert_int_equal(clo_key_new_ec(384, x, y, &k), 0);
    assert_int_equal(clo_key_verify(k, CLO_KEY_ECDSA, CLO_SHA384, "quote", 5, rs, 96), 0);
    assert_int_equal(clo_key_verify(k, CLO_KEY_ECDSA, CLO_SHA384, "quote", 5, rs, 64),
                     CLOISTER_E_AUTH);
    clo_key_free(k);
}

static void keys_that_are_weak_or_none_are_refused(void **state)
{
    struct clo_buf modulus = clo_buf_init(512), spki = clo_buf_init(1024);
    struct clo_cert_spec spec = spec_of(keys.weak, keys.p256);
    struct clo_cert *c = cert_of(&spec);
    struct clo_key *k = NULL;
    uint8_t big[513];

    (void)state;
    assert_int_equal(clo_signer_modulus(keys.weak, &modulus), 0);
    assert_int_equal(clo_key_new_rsa(modulus.p, modulus.len, 65537, &k), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(clo_signer_spki(keys.weak, &spki), 0);
    assert_int_equal(clo_key_of_spki(spki.p, spki.len, &k), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(clo_key_of_cert(c, &k), CLOISTER_E_UNSUPPORTED);
    clo_buf_clear(&modulus);
    assert_int_equal(clo_signer_modulus(keys.rsa, &modulus), 0);
    assert_int_equal(clo_key_new_rsa(modulus.p, modulus.len, 0, &k), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_key_new_rsa(modulus.p, modulus.len, 1, &k), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_key_new_rsa(modulus.p, modulus.len, 65536, &k), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_key_new_rsa(modulus.p, 0, 65537, &k), CLOISTER_E_UNSUPPORTED);
    memset(big, 0xff, sizeof big);
    assert_int_equal(clo_key_new_rsa(big, 513, 65537, &k), CLOISTER_E_UNSUPPORTED);
    big[255] = 0xfe;
    assert_int_equal(clo_key_new_rsa(big, 256, 65537, &k), CLOISTER_E_MALFORMED); /* even */
    big[255] = 0xff;
    big[0] = 0x7f; /* 2047 bits */
    assert_int_equal(clo_key_new_rsa(big, 256, 65537, &k), CLOISTER_E_UNSUPPORTED);
    assert_null(k);
    clo_cert_free(c);
    clo_buf_clear(&modulus);
    clo_buf_clear(&spki);
}

/* Written out, a curve may have a generator for which the sender knows every key: CVE-2020-0601. */
static void a_curve_is_named_and_never_written_out(void **state)
{
    char named[] = "P-256", how[] = OSSL_PKEY_EC_ENCODING_EXPLICIT;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, named, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_EC_ENCODING, how, 0),
        OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;
    uint8_t *spki = NULL, r[48] = {1};
    struct clo_key *k = NULL;
    int n;

    (void)state;
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_params(ctx, params), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
    n = i2d_PUBKEY(key, &spki);
    assert_true(n > 200); /* its parameters are written out */
    assert_int_equal(clo_key_of_spki(spki, (size_t)n, &k), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(clo_spki_verify_p384(spki, (size_t)n, "x", 1, r, r), CLOISTER_E_AUTH);
    OPENSSL_free(spki);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
}

/* ---- PEM ---- */

static int pem(const char *text, size_t n, const char *label, struct clo_buf *b, size_t *used)
{
    const char *p = text;
    size_t left = n;
    int err = clo_pem_next(&p, &left, label, b);

    *used = (size_t)(p - text);
    assert_int_equal(*used + left, n);
    if (err != 0) {
        assert_int_equal(*used, 0);
        assert_int_equal(b->len, 0);
    }
    return err;
}

static void pem_blocks_come_one_after_another(void **state)
{
    static const char text[] =
        "Bag attributes: none\r\n"
        "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"
        "-----BEGIN CERTIFICATE-----\r\nAQID\r\nBAU=\r\n-----END CERTIFICATE-----\r\n"
        "junk -----BEGIN\n"
        "-----BEGIN CERTIFICATE-----\nBg==\n-----END CERTIFICATE-----"
        "-----BEGIN CERTIFICATE-----\n \tBw c=\n-----END CERTIFICATE-----\n";
    static const uint8_t want[3][5] = {{1, 2, 3, 4, 5}, {6}, {7, 7}};
    static const size_t lengths[] = {5, 1, 2};
    struct clo_buf b = clo_buf_init(64);
    const char *p = text;
    size_t n = sizeof text; /* the zero behind is text, too: quotes have it */

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(clo_pem_next(&p, &n, "CERTIFICATE", &b), 0);
        assert_int_equal(b.len, lengths[i]);
        assert_memory_equal(b.p, want[i], b.len);
        clo_buf_clear(&b);
    }
    assert_int_equal(clo_pem_next(&p, &n, "CERTIFICATE", &b), CLOISTER_E_NOT_FOUND);
    p = text;
    n = sizeof text;
    assert_int_equal(clo_pem_next(&p, &n, "X509 CRL", &b), 0);
    assert_int_equal(b.len, 3);
    assert_int_equal(clo_pem_next(&p, &n, "X509 CRL", &b), CLOISTER_E_ARGUMENT); /* b isn't empty */
    clo_buf_clear(&b);
    assert_int_equal(clo_pem_next(&p, &n, "X509 CRL", &b), CLOISTER_E_NOT_FOUND);
}

static void pem_that_is_broken_is_refused(void **state)
{
#define BLOCK(s) "-----BEGIN CERTIFICATE-----\n" s "\n-----END CERTIFICATE-----\n"
    static const struct {
        const char *text;
        int err;
    } cases[] = {
        {"", CLOISTER_E_NOT_FOUND},
        {"-----BEGIN CERTIFICATE----", CLOISTER_E_NOT_FOUND},
        {"-----BEGIN CERTIFICATES-----\nAAAA\n-----END CERTIFICATES-----", CLOISTER_E_NOT_FOUND},
        {"-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----",
         CLOISTER_E_NOT_FOUND},
        {"-----BEGIN CERTIFICATE-----", CLOISTER_E_TRUNCATED},
        {"-----BEGIN CERTIFICATE-----\nAAAA", CLOISTER_E_TRUNCATED},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE----", CLOISTER_E_MALFORMED},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END X509 CRL-----", CLOISTER_E_MALFORMED},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n----END CERTIFICATE-----", CLOISTER_E_MALFORMED},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
         CLOISTER_E_MALFORMED},
        {BLOCK(""), CLOISTER_E_MALFORMED},
        {BLOCK("A"), CLOISTER_E_MALFORMED},
        {BLOCK("AA"), CLOISTER_E_MALFORMED},
        {BLOCK("AAA"), CLOISTER_E_MALFORMED},
        {BLOCK("AAAAA"), CLOISTER_E_MALFORMED},
        {BLOCK("="), CLOISTER_E_MALFORMED},
        {BLOCK("===="), CLOISTER_E_MALFORMED},
        {BLOCK("A==="), CLOISTER_E_MALFORMED},
        {BLOCK("AA="), CLOISTER_E_MALFORMED},
        {BLOCK("AA==="), CLOISTER_E_MALFORMED},
        {BLOCK("AAA=="), CLOISTER_E_MALFORMED},
        {BLOCK("AAAA="), CLOISTER_E_MALFORMED},
        {BLOCK("AA==AAAA"), CLOISTER_E_MALFORMED},
        {BLOCK("AB=="), CLOISTER_E_MALFORMED}, /* left-over bits */
        {BLOCK("AAB="), CLOISTER_E_MALFORMED},
        {BLOCK("AA_A"), CLOISTER_E_MALFORMED},
        {BLOCK("AA.A"), CLOISTER_E_MALFORMED},
        {BLOCK("AA\fAA"), CLOISTER_E_MALFORMED},
        {BLOCK("Proc-Type: 4,ENCRYPTED\n\nAAAA"), CLOISTER_E_MALFORMED},
        {BLOCK("X: y\n\nAAAA"), CLOISTER_E_MALFORMED},
        {BLOCK("AA\xc3\xa4"), CLOISTER_E_MALFORMED},
    };
    struct clo_buf b = clo_buf_init(64);
    size_t used = 0;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++)
        assert_int_equal(pem(cases[i].text, strlen(cases[i].text), "CERTIFICATE", &b, &used),
                         cases[i].err);
    assert_int_equal(pem(BLOCK("AA\0A"), sizeof BLOCK("AA\0A") - 1, "CERTIFICATE", &b, &used),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(pem("x", 1, "A LABEL THAT IS LONGER THAN ANY REAL ONE", &b, &used),
                     CLOISTER_E_ARGUMENT);
}

static void pem_fits_its_buffer_or_is_refused(void **state)
{
    struct clo_buf b = clo_buf_init(6);
    size_t used = 0;
    char *text = NULL;

    (void)state;
    assert_int_equal(pem(BLOCK("AAAAAAAA"), strlen(BLOCK("AAAAAAAA")), "CERTIFICATE", &b, &used),
                     0);
    assert_int_equal(b.len, 6);
    clo_buf_clear(&b);
    assert_int_equal(pem(BLOCK("AAAAAAA="), strlen(BLOCK("AAAAAAAA")), "CERTIFICATE", &b, &used),
                     0);
    assert_int_equal(b.len, 5);
    clo_buf_clear(&b);
    assert_int_equal(
        pem(BLOCK("AAAAAAAAAA=="), strlen(BLOCK("AAAAAAAAAAAA")), "CERTIFICATE", &b, &used),
        CLOISTER_E_LIMIT);
    /* a megabyte of white space is no reason for memory */
    text = malloc(1 << 20);
    assert_non_null(text);
    memset(text, '\n', 1 << 20);
    memcpy(text, "-----BEGIN CERTIFICATE-----", 27);
    memcpy(text + (1 << 20) - 30, "AAAA-----END CERTIFICATE-----", 29);
    assert_int_equal(pem(text, 1 << 20, "CERTIFICATE", &b, &used), 0);
    assert_int_equal(b.len, 3);
    clo_buf_clear(&b);
    /* and a megabyte of dashes is walked over once */
    memset(text, '-', 1 << 20);
    assert_int_equal(pem(text, 1 << 20, "CERTIFICATE", &b, &used), CLOISTER_E_NOT_FOUND);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_admits_one_algorithm),
        cmocka_unit_test(another_hash_than_the_profiles_is_refused),
        cmocka_unit_test(a_short_rsa_key_signs_nothing_of_a_tpm),
        cmocka_unit_test(another_issuers_signature_is_refused),
        cmocka_unit_test(a_signature_has_one_encoding),
        cmocka_unit_test(algorithm_identifiers_are_read_exactly),
        cmocka_unit_test(pss_parameters_are_read_for_what_they_say),
        cmocka_unit_test(every_bit_of_a_certificate_counts),
        cmocka_unit_test(a_certificate_is_der),
        cmocka_unit_test(a_certificate_has_a_limit),
        cmocka_unit_test(a_serial_number_is_a_magnitude),
        cmocka_unit_test(a_key_is_known_by_its_encoding),
        cmocka_unit_test(only_known_critical_extensions_are_borne),
        cmocka_unit_test(extensions_that_make_no_sense_are_refused),
        cmocka_unit_test(an_authority_says_so_twice),
        cmocka_unit_test(an_authority_limits_those_below_it),
        cmocka_unit_test(extensions_are_found_by_their_number),
        cmocka_unit_test(names_are_compared_as_names),
        cmocka_unit_test(dates_before_1970_and_beyond_2049_are_read),
        cmocka_unit_test(a_list_needs_who_may_sign_lists),
        cmocka_unit_test(a_list_that_is_not_whole_is_unsupported),
        cmocka_unit_test(every_bit_of_a_list_counts),
        cmocka_unit_test(a_list_revokes_its_issuers_serial_numbers),
        cmocka_unit_test(p256_signatures_verify_and_others_dont),
        cmocka_unit_test(p384_signatures_verify_and_others_dont),
        cmocka_unit_test(what_isnt_a_point_verifies_nothing),
        cmocka_unit_test(an_rsa_key_verifies_its_schemes),
        cmocka_unit_test(pss_has_a_salt_as_long_as_its_hash),
        cmocka_unit_test(an_ec_key_verifies_its_signatures),
        cmocka_unit_test(keys_that_are_weak_or_none_are_refused),
        cmocka_unit_test(a_curve_is_named_and_never_written_out),
        cmocka_unit_test(pem_blocks_come_one_after_another),
        cmocka_unit_test(pem_that_is_broken_is_refused),
        cmocka_unit_test(pem_fits_its_buffer_or_is_refused),
    };

    return cmocka_run_group_tests(tests, open_keys, close_keys);
}
