/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every certificate and revocation list of the recorded evidence, read by us and by libcrypto: both see the same dates, names,
 * numbers, keys and purposes, and agree on who signed whom. That files are the recorded ones is test_snp_vectors' business.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "crypto/x509_in.h"
#include "vectors.h"

#define FOLDER    "attestation"
#define CERTS_MAX 400
#define FILE_MAX  (1 << 20)

static struct {
    struct clo_cert *c;
    X509 *x;
} certs[CERTS_MAX];
static size_t n;
static struct {
    struct clo_crl *c;
    X509_CRL *x;
} lists[32];
static size_t lists_n;

static int64_t seconds(const ASN1_TIME *t)
{
    struct tm tm = {0};

    assert_int_equal(ASN1_TIME_to_tm(t, &tm), 1);
    return timegm(&tm);
}

static void take(const uint8_t *der, size_t der_n)
{
    const uint8_t *p = der;
    struct clo_cert *c = NULL;
    uint8_t digest[32];

    assert_int_equal(clo_cert_parse(der, der_n, &c), 0);
    clo_cert_digest(c, digest);
    for (size_t i = 0; i < n; i++) {
        if (memcmp(certs[i].c->digest, digest, 32) == 0) { /* each once */
            clo_cert_free(c);
            return;
        }
    }
    assert_true(n < CERTS_MAX);
    certs[n].c = c;
    certs[n].x = d2i_X509(NULL, &p, (long)der_n);
    assert_non_null(certs[n].x);
    n++;
}

static void take_list(const uint8_t *der, size_t der_n)
{
    const uint8_t *p = der;
    X509_CRL *x = d2i_X509_CRL(NULL, &p, (long)der_n);
    struct clo_crl *c = NULL;

    if (x == NULL || p != der + der_n) {
        X509_CRL_free(x);
        return;
    }
    assert_int_equal(clo_crl_parse(der, der_n, &c), 0);
    assert_true(lists_n < CLO_ARRAY_LEN(lists));
    lists[lists_n].c = c;
    lists[lists_n++].x = x;
}

/* JSON's line ends stand for themselves. */
static size_t unescape(char *s, size_t len)
{
    size_t to = 0;

    for (size_t i = 0; i < len; i++) {
        const bool escaped = s[i] == '\\' && i + 1 < len && s[i + 1] == 'n';

        s[to++] = escaped ? '\n' : s[i];
        i += escaped;
    }
    return to;
}

static void take_file(const char *folder, const char *name)
{
    static char text[FILE_MAX];
    char path[4096];
    const char *p = text;
    size_t len;
    FILE *f = NULL;

    (void)snprintf(path, sizeof path, "%s/%s/%s", folder, FOLDER, name);
    f = fopen(path, "rb");
    assert_non_null(f);
    len = fread(text, 1, sizeof text, f);
    (void)fclose(f);
    if (strstr(name, "crl") != NULL || strstr(name, "Crl") != NULL) {
        take_list((uint8_t *)text, len);
    } else if (len > 4 && text[0] == 0x30 && strstr(name, ".der") != NULL) {
        const struct clo_rd whole = clo_rd_init(text, len);
        struct clo_rd rd = whole, body;

        if (clo_der_read(&rd, CLO_DER_SEQUENCE, &body) ==
            0) /* one file has bytes behind its certificate */
            take((uint8_t *)text, len - rd.left);
    }
    len = unescape(text, len);
    for (;;) {
        struct clo_buf der = clo_buf_init(CLO_CERT_MAX);

        if (clo_pem_next(&p, &len, "CERTIFICATE", &der) != 0)
            break;
        take(der.p, der.len);
        clo_buf_clear(&der);
    }
}

static int load(void **state)
{
    const char *folder = getenv("CLOISTER_VECTORS");
    char path[4096];
    json_t *files = NULL;

    (void)state;
    if (folder == NULL)
        return 0;
    (void)snprintf(path, sizeof path, "%s/%s/vectors.json", folder, FOLDER);
    if ((files = json_load_file(path, 0, NULL)) == NULL)
        return 0;
    for (size_t i = 0; i < json_array_size(files); i++)
        take_file(folder, vec_str(json_array_get(files, i), "file"));
    json_decref(files);
    ERR_clear_error();
    return 0;
}

static int unload(void **state)
{
    (void)state;
    while (n > 0) {
        clo_cert_free(certs[--n].c);
        X509_free(certs[n].x);
    }
    while (lists_n > 0) {
        clo_crl_free(lists[--lists_n].c);
        X509_CRL_free(lists[lists_n].x);
    }
    return 0;
}

static void want_vectors(void)
{
    if (n == 0)
        skip();
}

static void dates_and_numbers_are_the_same(void **state)
{
    (void)state;
    want_vectors();
    assert_true(n > 60);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *serial = NULL;
        BIGNUM *ours = NULL, *theirs = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certs[i].x), NULL);
        size_t serial_n = 0;

        assert_true(clo_cert_not_before(certs[i].c) == seconds(X509_get0_notBefore(certs[i].x)));
        assert_true(clo_cert_not_after(certs[i].c) == seconds(X509_get0_notAfter(certs[i].x)));
        assert_int_equal(clo_cert_serial(certs[i].c, &serial, &serial_n), 0);
        ours = BN_bin2bn(serial, (int)serial_n, NULL);
        assert_int_equal(BN_cmp(ours, theirs), 0);
        BN_free(ours);
        BN_free(theirs);
    }
}

static void names_are_the_same(void **state)
{
    (void)state;
    want_vectors();
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 2; k++) {
            const X509_NAME *name = k == 0 ? X509_get_subject_name(certs[i].x)
                                           : X509_get_issuer_name(certs[i].x);
            char ours[256] = "", theirs[256] = "";
            int err = k == 0 ? clo_cert_cn(certs[i].c, ours, sizeof ours)
                             : clo_cert_issuer_cn(certs[i].c, ours, sizeof ours);
            int len = X509_NAME_get_text_by_NID(name, NID_commonName, theirs, sizeof theirs);

            assert_int_equal(err, len < 0 ? CLOISTER_E_NOT_FOUND : 0);
            assert_string_equal(ours, theirs);
        }
    }
}

static void purposes_are_the_same(void **state)
{
    (void)state;
    want_vectors();
    for (size_t i = 0; i < n; i++) {
        const uint32_t flags = X509_get_extension_flags(certs[i].x);
        const uint32_t usage = X509_get_key_usage(certs[i].x);

        assert_int_equal(flags & EXFLAG_INVALID, 0);
        assert_int_equal(certs[i].c->ca, (flags & EXFLAG_CA) != 0);
        assert_int_equal(certs[i].c->has_key_usage, (flags & EXFLAG_KUSAGE) != 0);
        assert_int_equal((certs[i].c->key_usage & CLO_KU_CERT_SIGN) != 0,
                         (usage & KU_KEY_CERT_SIGN) != 0);
        assert_int_equal((certs[i].c->key_usage & CLO_KU_CRL_SIGN) != 0,
                         (usage & KU_CRL_SIGN) != 0);
        assert_int_equal((certs[i].c->key_usage & CLO_KU_DIGITAL_SIGNATURE) != 0,
                         (usage & KU_DIGITAL_SIGNATURE) != 0);
        assert_int_equal(certs[i].c->ocsp_signing,
                         (flags & EXFLAG_XKUSAGE) != 0 &&
                             (X509_get_extended_key_usage(certs[i].x) & XKU_OCSP_SIGN) != 0);
    }
}

static void keys_are_the_same(void **state)
{
    (void)state;
    want_vectors();
    for (size_t i = 0; i < n; i++) {
        EVP_PKEY *key = X509_get0_pubkey(certs[i].x);

        assert_non_null(certs[i].c->key);
        assert_int_equal(EVP_PKEY_eq(certs[i].c->key, key), 1);
        assert_int_equal(clo_cert_rsa_bits(certs[i].c),
                         EVP_PKEY_is_a(key, "RSA") == 1 ? EVP_PKEY_get_bits(key) : 0);
        assert_int_equal(certs[i].c->kind == CLO_KIND_P256,
                         EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_bits(key) == 256);
        assert_int_equal(clo_cert_is_p384(certs[i].c),
                         EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_bits(key) == 384);
    }
}

static void extensions_are_the_same(void **state)
{
    (void)state;
    want_vectors();
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < X509_get_ext_count(certs[i].x); k++) {
            X509_EXTENSION *e = X509_get_ext(certs[i].x, k);
            const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(e);
            const uint8_t *p = NULL;
            char oid[128];
            size_t len = 0;

            assert_true(OBJ_obj2txt(oid, sizeof oid, X509_EXTENSION_get_object(e), 1) > 0);
            assert_int_equal(clo_cert_ext(certs[i].c, oid, &p, &len), 0);
            assert_int_equal(len, ASN1_STRING_length(value));
            assert_memory_equal(p, ASN1_STRING_get0_data(value), len);
        }
    }
}

/* By one of the profiles, or by none. */
static int signed_by_any(const struct clo_cert *c, const struct clo_cert *issuer)
{
    int err = CLOISTER_E_UNSUPPORTED;

    for (int p = CLO_SIG_RSA_PSS_SHA384; p <= CLO_SIG_RSA_SHA384 && err == CLOISTER_E_UNSUPPORTED;
         p++)
        err = clo_cert_signed_by(c, issuer, (enum clo_sig_profile)p);
    return err;
}

static void signatures_are_judged_the_same(void **state)
{
    size_t good = 0;

    (void)state;
    want_vectors();
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            int err;

            if (X509_NAME_cmp(X509_get_issuer_name(certs[i].x),
                              X509_get_subject_name(certs[k].x)) != 0) {
                assert_int_not_equal(signed_by_any(certs[i].c, certs[k].c), 0);
                continue;
            }
            err = signed_by_any(certs[i].c, certs[k].c);
            assert_int_equal(err == 0, X509_verify(certs[i].x, certs[k].c->key) == 1);
            good += err == 0;
        }
    }
    print_message("# %zu certificates, %zu signatures\n", n, good);
    assert_true(good > 50);
    ERR_clear_error();
}

static void lists_are_read_the_same(void **state)
{
    size_t entries = 0;

    (void)state;
    want_vectors();
    assert_true(lists_n > 4);
    for (size_t i = 0; i < lists_n; i++) {
        STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(lists[i].x);

        assert_true(clo_crl_this_update(lists[i].c) ==
                    seconds(X509_CRL_get0_lastUpdate(lists[i].x)));
        assert_true(clo_crl_next_update(lists[i].c) ==
                    seconds(X509_CRL_get0_nextUpdate(lists[i].x)));
        entries += (size_t)(sk_X509_REVOKED_num(revoked) > 0 ? sk_X509_REVOKED_num(revoked) : 0);
        for (size_t k = 0; k < n; k++) {
            const bool theirs = X509_NAME_cmp(X509_CRL_get_issuer(lists[i].x),
                                              X509_get_issuer_name(certs[k].x)) == 0;
            X509_REVOKED *r = NULL;

            assert_int_equal(clo_crl_revokes(lists[i].c, certs[k].c),
                             theirs && X509_CRL_get0_by_serial(
                                           lists[i].x, &r, X509_get_serialNumber(certs[k].x)) == 1);
            if (X509_NAME_cmp(X509_CRL_get_issuer(lists[i].x), X509_get_subject_name(certs[k].x)) ==
                0)
                assert_int_equal(
                    clo_crl_signed_by(lists[i].c, certs[k].c, CLO_SIG_ECDSA_P256_SHA256) == 0 ||
                        clo_crl_signed_by(lists[i].c, certs[k].c, CLO_SIG_RSA_PSS_SHA384) == 0,
                    X509_CRL_verify(lists[i].x, certs[k].c->key) == 1);
        }
    }
    print_message("# %zu lists, %zu entries\n", lists_n, entries);
    ERR_clear_error();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_and_numbers_are_the_same),
        cmocka_unit_test(names_are_the_same),
        cmocka_unit_test(purposes_are_the_same),
        cmocka_unit_test(keys_are_the_same),
        cmocka_unit_test(extensions_are_the_same),
        cmocka_unit_test(signatures_are_judged_the_same),
        cmocka_unit_test(lists_are_read_the_same),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
