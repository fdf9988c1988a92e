/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCSP responses: who may sign one, what it says of whom, and when. libcrypto's own parser is asked too, so that maker and
 * reader don't agree on a mistake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "crypto/x509_in.h"
#include "crypto/x509_make.h"

#define NOW  1795000000 /* 2026-11-18 */
#define DAY  86400
#define YEAR (365 * DAY)

/* issuer signs leaf and responder; stranger has the issuer's name, but a key of its own. */
static struct {
    struct clo_signer *issuer_key, *stranger_key, *leaf_key, *responder_key, *rsa_key, *weak_key;
    struct clo_cert *issuer, *stranger, *leaf, *other_leaf, *responder;
} lab;

static struct clo_cert_spec spec_of(const char *cn, const struct clo_signer *subject)
{
    return (struct clo_cert_spec){.subject_cn = cn,
                                  .issuer_cn = "issuer",
                                  .serial = 0x81,
                                  .not_before = NOW - YEAR,
                                  .not_after = NOW + YEAR,
                                  .subject = subject,
                                  .issuer = lab.issuer_key};
}

static struct clo_cert *cert_of(const struct clo_cert_spec *spec)
{
    struct clo_buf b = clo_buf_init(CLO_CERT_MAX);
    struct clo_cert *c = NULL;

    assert_int_equal(clo_cert_make(spec, &b), 0);
    assert_int_equal(clo_cert_parse_eku(b.p, b.len, &c), 0);
    clo_buf_clear(&b);
    return c;
}

static struct clo_cert_spec responder_spec(void)
{
    struct clo_cert_spec spec = spec_of("responder", lab.responder_key);

    spec.serial = 2;
    spec.eku = CLO_EKU_OCSP_SIGNING;
    spec.not_after = NOW + 30 * DAY;
    return spec;
}

static int lab_open(void **state)
{
    struct clo_cert_spec spec;
    int err;

    (void)state;
    err = clo_signer_new_p384(&lab.issuer_key) | clo_signer_new_p384(&lab.stranger_key) |
          clo_signer_new_p384(&lab.leaf_key) | clo_signer_new_p256(&lab.responder_key) |
          clo_signer_new_rsa(2048, &lab.rsa_key) | clo_signer_new_rsa(1024, &lab.weak_key);
    if (err != 0)
        return err;
    spec = spec_of("issuer", lab.issuer_key);
    spec.ca = true;
    lab.issuer = cert_of(&spec);
    spec = spec_of("issuer", lab.stranger_key);
    spec.ca = true;
    spec.issuer = lab.stranger_key;
    lab.stranger = cert_of(&spec);
    spec = spec_of("leaf", lab.leaf_key);
    lab.leaf = cert_of(&spec);
    spec.serial = 0x82;
    lab.other_leaf = cert_of(&spec);
    spec = responder_spec();
    lab.responder = cert_of(&spec);
    return 0;
}

static int lab_close(void **state)
{
    (void)state;
    clo_cert_free(lab.issuer);
    clo_cert_free(lab.stranger);
    clo_cert_free(lab.leaf);
    clo_cert_free(lab.other_leaf);
    clo_cert_free(lab.responder);
    clo_signer_free(lab.issuer_key);
    clo_signer_free(lab.stranger_key);
    clo_signer_free(lab.leaf_key);
    clo_signer_free(lab.responder_key);
    clo_signer_free(lab.rsa_key);
    clo_signer_free(lab.weak_key);
    return 0;
}

/* A good answer for the leaf, signed by the issuer. */
struct recipe {
    struct clo_ocsp_answer_spec answer[3];
    struct clo_ocsp_spec spec;
};

static void good(struct recipe *r)
{
    *r = (struct recipe){0};
    for (size_t i = 0; i < CLO_ARRAY_LEN(r->answer); i++)
        r->answer[i] = (struct clo_ocsp_answer_spec){.cert = lab.leaf,
                                                     .status = CLO_OCSP_GOOD,
                                                     .this_update = NOW - DAY,
                                                     .next_update = NOW + DAY};
    r->spec = (struct clo_ocsp_spec){.answer = r->answer,
                                     .answers = 1,
                                     .issuer = lab.issuer,
                                     .signer = lab.issuer_key,
                                     .produced_at = NOW - DAY};
}

static void delegated(struct recipe *r, const struct clo_cert *responder,
                      const struct clo_signer *key)
{
    good(r);
    r->spec.responder = responder;
    r->spec.signer = key;
}

static struct clo_buf der_of(const struct recipe *r)
{
    struct clo_buf b = clo_buf_init(CLO_OCSP_DER_MAX);

    assert_int_equal(clo_ocsp_make(&r->spec, &b), 0);
    return b;
}

static struct clo_ocsp *ocsp_of(const struct recipe *r)
{
    struct clo_buf b = der_of(r);
    struct clo_ocsp *o = NULL;

    assert_int_equal(clo_ocsp_parse(b.p, b.len, &o), 0);
    clo_buf_clear(&b);
    return o;
}

static void signed_gives(const struct recipe *r, const struct clo_cert *issuer, int want,
                         int64_t want_until)
{
    struct clo_ocsp *o = ocsp_of(r);
    int64_t until = 7;

    assert_int_equal(clo_ocsp_signed_by(o, issuer, NOW, &until), want);
    assert_true(until == (want == 0 ? want_until : 7));
    clo_ocsp_free(o);
}

static struct clo_ocsp_answer answer_of(const struct recipe *r)
{
    struct clo_ocsp *o = ocsp_of(r);
    struct clo_ocsp_answer a = {0};

    assert_int_equal(clo_ocsp_find(o, lab.leaf, lab.issuer, &a), 0);
    clo_ocsp_free(o);
    return a;
}

static void find_gives(const struct recipe *r, int want)
{
    struct clo_ocsp *o = ocsp_of(r);
    struct clo_ocsp_answer a = {.status = 99};

    assert_int_equal(clo_ocsp_find(o, lab.leaf, lab.issuer, &a), want);
    if (want != 0)
        assert_int_equal(a.status, 99);
    clo_ocsp_free(o);
}

/* ---- who signed ---- */

static void the_issuer_itself_may_sign(void **state)
{
    struct recipe r;

    (void)state;
    good(&r);
    signed_gives(&r, lab.issuer, 0, INT64_MAX);
    r.spec.by_name = true;
    signed_gives(&r, lab.issuer, 0, INT64_MAX);
    r.spec.sig = CLO_MAKE_SHA256;
    signed_gives(&r, lab.issuer, 0, INT64_MAX);
    r.spec.sig = CLO_MAKE_SHA512;
    signed_gives(&r, lab.issuer, 0, INT64_MAX);
}

static void whom_the_issuer_sent_may_sign(void **state)
{
    struct recipe r;

    (void)state;
    delegated(&r, lab.responder, lab.responder_key);
    signed_gives(&r, lab.issuer, 0, NOW + 30 * DAY);
    r.spec.by_name = true;
    signed_gives(&r, lab.issuer, 0, NOW + 30 * DAY);
}

static void a_responder_may_have_an_rsa_key_or_a_critical_purpose(void **state)
{
    struct clo_cert_spec spec = responder_spec();
    struct clo_cert *c = NULL;
    struct recipe r;

    (void)state;
    spec.subject = lab.rsa_key;
    spec.eku_critical = true;
    c = cert_of(&spec);
    delegated(&r, c, lab.rsa_key);
    signed_gives(&r, lab.issuer, 0, NOW + 30 * DAY);
    r.spec.sig = CLO_MAKE_SHA384;
    signed_gives(&r, lab.issuer, 0, NOW + 30 * DAY);
    clo_cert_free(c);
}

static void sha_1_and_short_rsa_keys_sign_nothing(void **state)
{
    struct clo_cert_spec spec = responder_spec();
    struct clo_cert *c = NULL;
    struct recipe r;

    (void)state;
    good(&r);
    r.spec.sig = CLO_MAKE_SHA1;
    signed_gives(&r, lab.issuer, CLOISTER_E_AUTH, 0);
    delegated(&r, lab.responder, lab.responder_key);
    r.spec.sig = CLO_MAKE_SHA1;
    signed_gives(&r, lab.issuer, CLOISTER_E_AUTH, 0);
    spec.subject = lab.rsa_key;
    c = cert_of(&spec);
    delegated(&r, c, lab.rsa_key);
    r.spec.sig = CLO_MAKE_SHA1;
    signed_gives(&r, lab.issuer, CLOISTER_E_AUTH, 0);
    clo_cert_free(c);
    spec.subject = lab.weak_key;
    c = cert_of(&spec);
    delegated(&r, c, lab.weak_key);
    signed_gives(&r, lab.issuer, CLOISTER_E_AUTH, 0);
    clo_cert_free(c);
    /* nor does the issuer delegate with SHA-1 */
    spec = responder_spec();
    spec.sig = CLO_MAKE_SHA1;
    c = cert_of(&spec);
    delegated(&r, c, lab.responder_key);
    signed_gives(&r, lab.issuer, CLOISTER_E_AUTH, 0);
    clo_cert_free(c);
}

static void a_strangers_signature_is_refused(void **state)
{
    struct recipe r;

    (void)state;
    good(&r); /* the issuer is named, by its key or its name, but another one signs */
    r.spec.signer = lab.stranger_key;
    signed_gives(&r, lab.issuer, CLOISTER_E_AUTH, 0);
    r.spec.by_name = true;
    signed_gives(&r, lab.issuer, CLOISTER_E_AUTH, 0);
    good(&r); /* what is right for one issuer isn't for another of the same name */
    signed_gives(&r, lab.stranger, CLOISTER_E_AUTH, 0);
    delegated(&r, lab.stranger, lab.stranger_key); /* brings itself along */
    signed_gives(&r, lab.issuer, CLOISTER_E_AUTH, 0);
    r.spec.by_name = true;
    signed_gives(&r, lab.issuer, CLOISTER_E_AUTH, 0);
    delegated(&r, lab.responder, lab.stranger_key); /* another key than the responder's */
    signed_gives(&r, lab.issuer, CLOISTER_E_AUTH, 0);
}

static void refuses_responder(const struct clo_cert_spec *spec, const struct clo_signer *key)
{
    struct clo_cert *c = cert_of(spec);
    struct recipe r;

    delegated(&r, c, key);
    signed_gives(&r, lab.issuer, CLOISTER_E_AUTH, 0);
    r.spec.by_name = true;
    signed_gives(&r, lab.issuer, CLOISTER_E_AUTH, 0);
    clo_cert_free(c);
}

static void a_responder_needs_the_purpose(void **state)
{
    struct clo_cert_spec spec = responder_spec();

    (void)state;
    spec.eku = NULL;
    refuses_responder(&spec, lab.responder_key);
    spec.eku = "1.3.6.1.5.5.7.3.1"; /* serverAuth */
    refuses_responder(&spec, lab.responder_key);
    spec.eku = "2.5.29.37.0"; /* any purpose is not this one */
    refuses_responder(&spec, lab.responder_key);
}

static void a_responder_is_the_issuers_own(void **state)
{
    struct clo_cert_spec spec = responder_spec();

    (void)state;
    spec.issuer = lab.stranger_key; /* an authority of the same name */
    refuses_responder(&spec, lab.responder_key);
    spec = responder_spec();
    spec.issuer_cn = "somebody";
    refuses_responder(&spec, lab.responder_key);
    spec = responder_spec();
    spec.issuer = lab.leaf_key; /* a leaf is no authority */
    spec.issuer_cn = "leaf";
    refuses_responder(&spec, lab.responder_key);
    spec = responder_spec();
    spec.issuer = lab.responder_key; /* self-signed */
    refuses_responder(&spec, lab.responder_key);
}

static void a_responder_has_dates(void **state)
{
    struct clo_cert_spec spec = responder_spec();
    struct clo_ocsp *o = NULL;
    int64_t until = 7;
    struct recipe r;

    (void)state;
    spec.not_after = NOW;
    refuses_responder(&spec, lab.responder_key);
    spec = responder_spec();
    spec.not_before = NOW + 1;
    refuses_responder(&spec, lab.responder_key);
    delegated(&r, lab.responder, lab.responder_key);
    o = ocsp_of(&r);
    assert_int_equal(clo_ocsp_signed_by(o, lab.issuer, NOW + 30 * DAY - 1, &until), 0);
    until = 7;
    assert_int_equal(clo_ocsp_signed_by(o, lab.issuer, NOW + 30 * DAY, &until), CLOISTER_E_AUTH);
    assert_int_equal(clo_ocsp_signed_by(o, lab.issuer, NOW - YEAR - 1, &until), CLOISTER_E_AUTH);
    assert_int_equal(clo_ocsp_signed_by(o, lab.issuer, INT64_MIN, &until), CLOISTER_E_AUTH);
    assert_int_equal(clo_ocsp_signed_by(o, lab.issuer, INT64_MAX, &until), CLOISTER_E_AUTH);
    assert_true(until == 7);
    clo_ocsp_free(o);
}

static void a_responder_needs_key_usage_that_lets_it_sign(void **state)
{
    static const uint8_t agree[] = {3, 2, 3, 8},
                         sign[] = {3, 2, 7, 0x80}; /* keyAgreement, digitalSignature */
    struct clo_cert_ext_spec ku = {.oid = "2.5.29.15", .p = agree, .n = 4, .critical = true};
    struct clo_cert_spec spec = responder_spec();
    struct clo_cert *c = NULL;
    struct recipe r;

    (void)state;
    spec.ext = &ku;
    spec.exts = 1;
    refuses_responder(&spec, lab.responder_key);
    ku.p = sign;
    c = cert_of(&spec);
    delegated(&r, c, lab.responder_key);
    signed_gives(&r, lab.issuer, 0, NOW + 30 * DAY);
    clo_cert_free(c);
}

static void nobody_answers_for_itself(void **state)
{
    struct recipe r;

    (void)state;
    delegated(&r, lab.leaf, lab.leaf_key);
    signed_gives(&r, lab.issuer, CLOISTER_E_AUTH, 0);
    signed_gives(&r, lab.leaf, 0, INT64_MAX); /* which is why callers pass the issuer */
    good(&r);
    r.spec.signer = lab.leaf_key;
    signed_gives(&r, lab.issuer, CLOISTER_E_AUTH, 0);
}

static void who_is_no_authority_delegates_nothing(void **state)
{
    struct clo_cert_spec spec = responder_spec();
    struct clo_cert *c = NULL;
    struct recipe r;

    (void)state;
    spec.issuer = lab.leaf_key;
    spec.issuer_cn = "leaf";
    c = cert_of(&spec);
    delegated(&r, c, lab.responder_key);
    signed_gives(&r, lab.leaf, CLOISTER_E_AUTH, 0);
    clo_cert_free(c);
}

/* Under valgrind, where a signature takes 50 times as long, only every so many-th bit. */
static size_t stride(void)
{
    const char *s = getenv("CLOISTER_TEST_STRIDE");
    const size_t step = s != NULL ? strtoul(s, NULL, 10) : 1;

    assert_true(step > 0);
    return step;
}

static void every_bit_of_a_response_counts(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct recipe r;
        struct clo_buf b;

        if (i == 0)
            good(&r);
        else
            delegated(&r, lab.responder, lab.responder_key);
        b = der_of(&r);
        for (size_t bit = 0; bit < b.len * 8; bit += stride()) {
            struct clo_ocsp *o = NULL;
            int64_t until = 7;

            b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (clo_ocsp_parse(b.p, b.len, &o) == 0)
                assert_int_equal(clo_ocsp_signed_by(o, lab.issuer, NOW, &until), CLOISTER_E_AUTH);
            clo_ocsp_free(o);
            b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t n = 0; n < b.len; n++) {
            struct clo_ocsp *o = NULL;

            assert_int_not_equal(clo_ocsp_parse(b.p, n, &o), 0);
            assert_null(o);
        }
        clo_buf_clear(&b);
    }
    assert_int_equal(ERR_peek_error(), 0);
}

/* ---- what it says of whom ---- */

static void an_answer_is_read(void **state)
{
    static const enum clo_sig_make hash[] = {CLO_MAKE_SHA1, CLO_MAKE_SHA256, CLO_MAKE_SHA384};
    struct recipe r;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(hash); i++) {
        struct clo_ocsp_answer a;

        good(&r);
        r.answer[0].id_hash = hash[i];
        a = answer_of(&r);
        assert_int_equal(a.status, CLO_OCSP_GOOD);
        assert_false(a.hold);
        assert_true(a.this_update == NOW - DAY);
        assert_true(a.next_update == NOW + DAY);
    }
}

static X509 *libcryptos(const struct clo_cert *c)
{
    const uint8_t *p = c->der;
    X509 *x = d2i_X509(NULL, &p, (long)c->der_n);

    assert_non_null(x);
    return x;
}

static void libcrypto_reads_the_same(void **state)
{
    struct recipe r;
    struct clo_buf b;
    X509 *leaf = libcryptos(lab.leaf), *issuer = libcryptos(lab.issuer);
    OCSP_RESPONSE *response = NULL;
    OCSP_BASICRESP *basic = NULL;
    OCSP_CERTID *id = NULL;
    ASN1_GENERALIZEDTIME *revoked = NULL, *from = NULL, *to = NULL;
    const uint8_t *p = NULL;
    int status = -1, reason = -1;

    (void)state;
    good(&r);
    r.answer[0].status = CLO_OCSP_REVOKED;
    r.answer[0].has_reason = true;
    r.answer[0].reason = OCSP_REVOKED_STATUS_CERTIFICATEHOLD;
    b = der_of(&r);
    p = b.p;
    response = d2i_OCSP_RESPONSE(NULL, &p, (long)b.len);
    assert_non_null(response);
    assert_ptr_equal(p, b.p + b.len);
    assert_int_equal(OCSP_response_status(response), OCSP_RESPONSE_STATUS_SUCCESSFUL);
    basic = OCSP_response_get1_basic(response);
    assert_non_null(basic);
    id = OCSP_cert_to_id(EVP_sha1(), leaf, issuer);
    assert_int_equal(OCSP_resp_find_status(basic, id, &status, &reason, &revoked, &from, &to), 1);
    assert_int_equal(status, V_OCSP_CERTSTATUS_REVOKED);
    assert_int_equal(reason, OCSP_REVOKED_STATUS_CERTIFICATEHOLD);
    assert_non_null(from);
    assert_non_null(to);
    assert_int_equal(OCSP_basic_verify(basic, NULL, NULL, OCSP_NOSIGS) == 1,
                     0); /* knows no signer */
    OCSP_CERTID_free(id);
    X509_free(leaf);
    X509_free(issuer);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    clo_buf_clear(&b);
    ERR_clear_error();
}

/* And its signature, by a responder that the issuer sent. */
static void libcrypto_accepts_what_is_made(void **state)
{
    for (int i = 0; i < 4; i++) {
        STACK_OF(X509) *trusted = sk_X509_new_null();
        OCSP_RESPONSE *response = NULL;
        OCSP_BASICRESP *basic = NULL;
        const uint8_t *p = NULL;
        struct recipe r;
        struct clo_buf b;

        (void)state;
        if (i < 2)
            good(&r);
        else
            delegated(&r, lab.responder, lab.responder_key);
        r.spec.by_name = i % 2 == 0;
        b = der_of(&r);
        p = b.p;
        response = d2i_OCSP_RESPONSE(NULL, &p, (long)b.len);
        basic = OCSP_response_get1_basic(response);
        assert_true(sk_X509_push(trusted, libcryptos(i < 2 ? lab.issuer : lab.responder)) > 0);
        assert_int_equal(OCSP_basic_verify(basic, trusted, NULL, OCSP_TRUSTOTHER), 1);
        OCSP_BASICRESP_free(basic);
        OCSP_RESPONSE_free(response);
        sk_X509_pop_free(trusted, X509_free);
        clo_buf_clear(&b);
    }
}

static void revoked_is_revoked_for_whatever_reason(void **state)
{
    struct clo_ocsp_answer a;
    struct recipe r;

    (void)state;
    good(&r);
    r.answer[0].status = CLO_OCSP_REVOKED;
    a = answer_of(&r);
    assert_int_equal(a.status, CLO_OCSP_REVOKED);
    assert_false(a.hold);
    for (unsigned reason = 0; reason <= 10;
         reason++) { /* 8 is removeFromCRL, which has no place here and heals nothing */
        r.answer[0].has_reason = true;
        r.answer[0].reason = (uint8_t)reason;
        a = answer_of(&r);
        assert_int_equal(a.status, CLO_OCSP_REVOKED);
        assert_int_equal(a.hold, reason == 6);
    }
}

static void unknown_is_not_good(void **state)
{
    struct recipe r;

    (void)state;
    good(&r);
    r.answer[0].status = CLO_OCSP_UNKNOWN;
    assert_int_equal(answer_of(&r).status, CLO_OCSP_UNKNOWN);
}

static void without_next_update_an_answer_is_expired(void **state)
{
    struct recipe r;

    (void)state;
    good(&r);
    r.answer[0].next_update = INT64_MIN;
    assert_true(answer_of(&r).next_update == INT64_MIN);
}

static void an_answer_for_somebody_else_is_none(void **state)
{
    struct recipe r;
    struct clo_ocsp *o = NULL;
    struct clo_ocsp_answer a = {0};

    (void)state;
    good(&r);
    r.answer[0].cert = lab.other_leaf; /* another serial number */
    find_gives(&r, CLOISTER_E_NOT_FOUND);
    good(&r);
    r.answer[0].issuer = lab.stranger; /* same name, another key */
    find_gives(&r, CLOISTER_E_NOT_FOUND);
    good(&r);
    r.answer[0].id_hash = CLO_MAKE_SHA512; /* which nobody uses here */
    find_gives(&r, CLOISTER_E_NOT_FOUND);
    good(&r);
    r.spec.answers = 0;
    find_gives(&r, CLOISTER_E_NOT_FOUND);
    /* asked about the same serial number of another issuer */
    good(&r);
    o = ocsp_of(&r);
    assert_int_equal(clo_ocsp_find(o, lab.leaf, lab.stranger, &a), CLOISTER_E_NOT_FOUND);
    assert_int_equal(clo_ocsp_find(o, lab.leaf, lab.issuer, &a), 0);
    clo_ocsp_free(o);
}

static void one_of_several_answers_is_found(void **state)
{
    struct recipe r;

    (void)state;
    good(&r);
    r.spec.answers = 3;
    r.answer[0].cert = lab.other_leaf;
    r.answer[1].status = CLO_OCSP_REVOKED;
    r.answer[2].cert = lab.responder;
    assert_int_equal(answer_of(&r).status, CLO_OCSP_REVOKED);
}

static void two_answers_are_none(void **state)
{
    struct recipe r;

    (void)state;
    good(&r);
    r.spec.answers = 2;
    r.answer[1].status = CLO_OCSP_REVOKED;
    find_gives(&r, CLOISTER_E_DUPLICATE);
    r.answer[1].status = CLO_OCSP_GOOD;
    find_gives(&r, CLOISTER_E_DUPLICATE);
}

/* Who signs may speak for one authority; nor can one certificate then be named in two ways. */
static void a_response_speaks_for_one_issuer(void **state)
{
    struct clo_ocsp *o = NULL;
    struct recipe r;
    struct clo_buf b;

    (void)state;
    for (int k = 0; k < 2; k++) {
        good(&r);
        r.spec.answers = 2;
        r.answer[1].cert = lab.other_leaf;
        if (k == 0)
            r.answer[1].issuer = lab.stranger;
        else
            r.answer[1].id_hash = CLO_MAKE_SHA256;
        b = der_of(&r);
        assert_int_equal(clo_ocsp_parse(b.p, b.len, &o), CLOISTER_E_UNSUPPORTED);
        assert_null(o);
        clo_buf_clear(&b);
    }
}

/* ---- what the bytes are ---- */

/* One text instead of another of the same length, the first time it occurs behind `skip`. */
static int parse_with(const char *from, const char *to, size_t n)
{
    struct clo_ocsp *o = NULL;
    struct recipe r;
    struct clo_buf b;
    uint8_t *at = NULL;
    int err;

    good(&r);
    b = der_of(&r);
    at = memmem(b.p, b.len, from, n);
    assert_non_null(at);
    memcpy(at, to, n);
    err = clo_ocsp_parse(b.p, b.len, &o);
    clo_ocsp_free(o);
    clo_buf_clear(&b);
    return err;
}

static void dates_are_dates(void **state)
{
    /* NOW + DAY */
    static const char *const bad[] = {"20261119122640z", "20261319122640Z",  "20260019122640Z",
                                      "20261132122640Z", "20261100122640Z",  "20260229122640Z",
                                      "21000229122640Z", "20261131122640Z",  "20261119242640Z",
                                      "20261119126040Z", "20261119122660Z",  "2026111912264.Z",
                                      "+0261119122640Z", "20261119122640\0", " 0261119122640Z"};
    static const char *const fine[] = {"20261119110640Z", "20240229122640Z", "20000229122640Z",
                                       "99991231235959Z", "00000101000000Z"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(fine); i++)
        assert_int_equal(parse_with("20261119110640Z", fine[i], 15), 0);
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        assert_int_equal(parse_with("20261119110640Z", bad[i], 15), CLOISTER_E_MALFORMED);
    assert_int_equal(parse_with("\x18\x0f", "\x17\x0f", 2), CLOISTER_E_MALFORMED); /* UTCTime */
}

static void dates_are_counted_as_libcrypto_counts_them(void **state)
{
    static const int64_t when[] = {0,          951782399,    951782400,  951868800,
                                   1709164800, 1709251199,   4107542399, 4107542400,
                                   4133980799, 253402300799, NOW};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(when); i++) {
        struct recipe r;

        good(&r);
        r.answer[0].next_update = when[i];
        assert_true(answer_of(&r).next_update == when[i]);
    }
}

static void other_responses_are_unsupported(void **state)
{
    static const uint8_t later[] = {0x30, 3, 0x0a, 1, 3}; /* tryLater, and nothing else */
    struct clo_ocsp *o = NULL;

    (void)state;
    for (uint8_t status = 1; status < 8; status++) {
        const char to[] = {0x0a, 1, (char)status, (char)0xa0};

        assert_int_equal(parse_with("\x0a\x01\x00\xa0", to, 4), CLOISTER_E_UNSUPPORTED);
    }
    assert_int_equal(clo_ocsp_parse(later, sizeof later, &o), CLOISTER_E_UNSUPPORTED);
    assert_int_equal(parse_with("\x2b\x06\x01\x05\x05\x07\x30\x01\x01",
                                "\x2b\x06\x01\x05\x05\x07\x30\x01\x02", 9),
                     CLOISTER_E_UNSUPPORTED);
}

static void statuses_are_one_of_three(void **state)
{
    (void)state;
    assert_int_equal(parse_with("\x80\x00\x18\x0f", "\x82\x00\x18\x0f", 4), 0);
    assert_int_equal(parse_with("\x80\x00\x18\x0f", "\x83\x00\x18\x0f", 4), CLOISTER_E_MALFORMED);
    assert_int_equal(parse_with("\x80\x00\x18\x0f", "\x81\x00\x18\x0f", 4), CLOISTER_E_MALFORMED);
    assert_int_equal(parse_with("\x80\x00\x18\x0f", "\xa0\x00\x18\x0f", 4), CLOISTER_E_MALFORMED);
    assert_int_equal(parse_with("\x80\x00\x18\x0f", "\xa1\x00\x18\x0f", 4), CLOISTER_E_TRUNCATED);
    assert_int_equal(parse_with("\x80\x00\x18\x0f", "\x05\x00\x18\x0f", 4), CLOISTER_E_MALFORMED);
}

static void a_response_ends_where_its_bytes_end(void **state)
{
    struct clo_ocsp *o = NULL;
    struct recipe r;
    struct clo_buf b;

    (void)state;
    good(&r);
    b = der_of(&r);
    assert_int_equal(clo_buf_append(&b, "", 1), 0);
    assert_int_equal(clo_ocsp_parse(b.p, b.len, &o), CLOISTER_E_TRAILING);
    clo_buf_clear(&b);
    assert_int_equal(clo_ocsp_parse("", 0, &o), CLOISTER_E_TRUNCATED);
    assert_null(o);
    clo_ocsp_free(NULL);
}

static void a_response_has_limits(void **state)
{
    static uint8_t large[CLO_OCSP_DER_MAX + 1];
    static struct clo_ocsp_answer_spec many[33];
    struct clo_buf b = clo_buf_init(1 << 16);
    struct clo_ocsp *o = NULL;
    struct recipe r;

    (void)state;
    assert_int_equal(clo_ocsp_parse(large, sizeof large, &o), CLOISTER_E_LIMIT);
    good(&r);
    for (size_t i = 0; i < CLO_ARRAY_LEN(many); i++) {
        many[i] = r.answer[0];
        many[i].cert = lab.other_leaf;
    }
    many[31] = r.answer[0];
    r.spec.answer = many;
    r.spec.answers = 32;
    assert_int_equal(answer_of(&r).status, CLO_OCSP_GOOD);
    r.spec.answers = 33;
    assert_int_equal(clo_ocsp_make(&r.spec, &b), 0);
    assert_true(b.len < CLO_OCSP_DER_MAX);
    assert_int_equal(clo_ocsp_parse(b.p, b.len, &o), CLOISTER_E_LIMIT);
    assert_null(o);
    clo_buf_clear(&b);
}

/* ---- asking ---- */

static size_t request_of(const struct clo_cert *c, const struct clo_cert *issuer, uint8_t dst[512])
{
    struct clo_wr wr = clo_wr_init(dst, 512);

    assert_int_equal(clo_ocsp_request_make(c, issuer, &wr), 0);
    return wr.len;
}

static void libcrypto_asks_the_same(void **state)
{
    const struct clo_cert *const asked[] = {lab.leaf, lab.other_leaf, lab.responder};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(asked); i++) {
        X509 *c = libcryptos(asked[i]), *issuer = libcryptos(lab.issuer);
        OCSP_REQUEST *request = OCSP_REQUEST_new();
        uint8_t ours[512], *theirs = NULL;
        const size_t n = request_of(asked[i], lab.issuer, ours);
        struct clo_wr small = clo_wr_init(ours, n - 1);

        assert_non_null(request);
        assert_non_null(OCSP_request_add0_id(request, OCSP_cert_to_id(EVP_sha384(), c, issuer)));
        assert_int_equal(i2d_OCSP_REQUEST(request, &theirs), n);
        assert_memory_equal(theirs, ours, n);
        assert_int_not_equal(clo_ocsp_request_make(asked[i], lab.issuer, &small), 0);
        OPENSSL_free(theirs);
        OCSP_REQUEST_free(request);
        X509_free(c);
        X509_free(issuer);
    }
}

static int of_request(const struct recipe *r, const struct clo_cert *issuer,
                      struct clo_ocsp_answer *ret, int64_t *ret_until)
{
    struct clo_ocsp *o = ocsp_of(r);
    uint8_t request[512];
    const size_t n = request_of(lab.leaf, issuer, request);
    const int err = clo_ocsp_of_request(o, request, n, ret, ret_until);

    clo_ocsp_free(o);
    return err;
}

static void a_request_finds_its_answer(void **state)
{
    struct clo_ocsp_answer a = {0};
    struct recipe r;
    int64_t until = 0;

    (void)state;
    for (unsigned same = 0; same < 2; same++) { /* asked by SHA-384, named by that or SHA-1 */
        good(&r);
        r.spec.answers = 3;
        r.answer[0].cert = lab.other_leaf;
        r.answer[1].status = CLO_OCSP_REVOKED;
        r.answer[2].cert = lab.responder;
        for (size_t i = 0; i < 3; i++)
            r.answer[i].id_hash = same == 1 ? CLO_MAKE_SHA384 : CLO_MAKE_DEFAULT;
        assert_int_equal(of_request(&r, lab.issuer, &a, &until), 0);
        assert_int_equal(a.status, CLO_OCSP_REVOKED);
        assert_true(until == NOW + DAY);
        /* the same serial number of another issuer: only equal hashes can tell */
        assert_int_equal(of_request(&r, lab.stranger, &a, &until),
                         same == 1 ? CLOISTER_E_NOT_FOUND : 0);
        r.answer[0].cert = lab.leaf;
        assert_int_equal(of_request(&r, lab.issuer, &a, &until), CLOISTER_E_DUPLICATE);
        r.answer[0].cert = r.answer[1].cert = lab.other_leaf;
        assert_int_equal(of_request(&r, lab.issuer, &a, &until), CLOISTER_E_NOT_FOUND);
    }
}

static void an_answer_ends_with_its_certificates(void **state)
{
    struct clo_ocsp_answer a = {0};
    struct recipe r;
    int64_t until = 0;

    (void)state;
    delegated(&r, lab.responder, lab.responder_key);
    assert_int_equal(of_request(&r, lab.issuer, &a, &until), 0);
    assert_true(until == NOW + DAY);
    r.answer[0].next_update = NOW + YEAR;
    assert_int_equal(of_request(&r, lab.issuer, &a, &until), 0);
    assert_true(until == NOW + 30 * DAY);
    r.answer[0].next_update = INT64_MIN;
    assert_int_equal(of_request(&r, lab.issuer, &a, &until), 0);
    assert_true(until == INT64_MIN);
}

static void what_is_no_request_finds_nothing(void **state)
{
    struct clo_ocsp_answer a = {0};
    struct clo_ocsp *o = NULL;
    uint8_t request[512];
    struct recipe r;
    int64_t until = 0;
    size_t n;

    (void)state;
    good(&r);
    o = ocsp_of(&r);
    n = request_of(lab.leaf, lab.issuer, request);
    assert_int_equal(clo_ocsp_of_request(o, request, n, &a, &until), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(clo_ocsp_of_request(o, request, i, &a, &until), CLOISTER_E_MALFORMED);
    request[n] = 0;
    assert_int_equal(clo_ocsp_of_request(o, request, n + 1, &a, &until), CLOISTER_E_MALFORMED);
    clo_ocsp_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_issuer_itself_may_sign),
        cmocka_unit_test(whom_the_issuer_sent_may_sign),
        cmocka_unit_test(a_responder_may_have_an_rsa_key_or_a_critical_purpose),
        cmocka_unit_test(sha_1_and_short_rsa_keys_sign_nothing),
        cmocka_unit_test(a_strangers_signature_is_refused),
        cmocka_unit_test(a_responder_needs_the_purpose),
        cmocka_unit_test(a_responder_is_the_issuers_own),
        cmocka_unit_test(a_responder_has_dates),
        cmocka_unit_test(a_responder_needs_key_usage_that_lets_it_sign),
        cmocka_unit_test(nobody_answers_for_itself),
        cmocka_unit_test(who_is_no_authority_delegates_nothing),
        cmocka_unit_test(every_bit_of_a_response_counts),
        cmocka_unit_test(an_answer_is_read),
        cmocka_unit_test(libcrypto_reads_the_same),
        cmocka_unit_test(libcrypto_accepts_what_is_made),
        cmocka_unit_test(revoked_is_revoked_for_whatever_reason),
        cmocka_unit_test(unknown_is_not_good),
        cmocka_unit_test(without_next_update_an_answer_is_expired),
        cmocka_unit_test(an_answer_for_somebody_else_is_none),
        cmocka_unit_test(one_of_several_answers_is_found),
        cmocka_unit_test(two_answers_are_none),
        cmocka_unit_test(a_response_speaks_for_one_issuer),
        cmocka_unit_test(dates_are_dates),
        cmocka_unit_test(dates_are_counted_as_libcrypto_counts_them),
        cmocka_unit_test(other_responses_are_unsupported),
        cmocka_unit_test(statuses_are_one_of_three),
        cmocka_unit_test(a_response_ends_where_its_bytes_end),
        cmocka_unit_test(a_response_has_limits),
        cmocka_unit_test(libcrypto_asks_the_same),
        cmocka_unit_test(a_request_finds_its_answer),
        cmocka_unit_test(an_answer_ends_with_its_certificates),
        cmocka_unit_test(what_is_no_request_finds_nothing),
    };

    return cmocka_run_group_tests(tests, lab_open, lab_close);
}
