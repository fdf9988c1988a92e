/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates and CRLs as they come inside evidence. The first byte says which (even: certificate). Every getter is
 * called on whatever parses.
 */
#include <string.h>
#include <time.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "attest/roots.h"
#include "fuzz.h"

static int64_t seconds(const ASN1_TIME *t)
{
    struct tm tm = {0};

    FUZZ_CHECK(ASN1_TIME_to_tm(t, &tm) == 1);
    return timegm(&tm);
}

/* What libcrypto can read too, it reads in the same way; and who we say signed, signed. */
static void compare(const uint8_t *p, size_t n, const struct clo_cert *c)
{
    const uint8_t *at = p;
    X509 *x = d2i_X509(NULL, &at, (long)n);

    if (x != NULL) {
        const uint32_t flags = X509_get_extension_flags(x);

        FUZZ_CHECK(at == p + n);
        FUZZ_CHECK(clo_cert_not_before(c) == seconds(X509_get0_notBefore(x)));
        FUZZ_CHECK(clo_cert_not_after(c) == seconds(X509_get0_notAfter(x)));
        if ((flags & EXFLAG_INVALID) == 0)
            FUZZ_CHECK(clo_cert_is_ca(c) ==
                       ((flags & EXFLAG_CA) != 0 && (flags & EXFLAG_KUSAGE) != 0 &&
                        (X509_get_key_usage(x) & KU_KEY_CERT_SIGN) != 0));
        for (int profile = CLO_SIG_RSA_PSS_SHA384; profile <= CLO_SIG_RSA_SHA384; profile++)
            if (clo_cert_signed_by(c, c, (enum clo_sig_profile)profile) == 0)
                FUZZ_CHECK(X509_verify(x, X509_get0_pubkey(x)) == 1);
    }
    X509_free(x);
    ERR_clear_error();
}

/* The same for lists. */
static void compare_list(const uint8_t *p, size_t n, const struct clo_crl *c)
{
    const uint8_t *at = p;
    X509_CRL *x = d2i_X509_CRL(NULL, &at, (long)n);

    if (x != NULL) {
        const ASN1_TIME *next = X509_CRL_get0_nextUpdate(x);

        FUZZ_CHECK(at == p + n);
        FUZZ_CHECK(clo_crl_this_update(c) == seconds(X509_CRL_get0_lastUpdate(x)));
        FUZZ_CHECK(clo_crl_next_update(c) == (next == NULL ? INT64_MIN : seconds(next)));
    }
    X509_CRL_free(x);
    ERR_clear_error();
}

static void check_text(int err, const char *s, size_t cap)
{
    if (err != 0)
        return;
    FUZZ_CHECK(memchr(s, '\0', cap) != NULL);
    for (; *s != '\0'; s++)
        FUZZ_CHECK(*s >= 0x20 && *s <= 0x7e);
}

/* At most one profile is a certificate's own, and fits its key. */
static void keys(const struct clo_cert *c)
{
    const uint8_t rs[64] = {1}, *serial = NULL;
    uint8_t digest[32];
    struct clo_key *k = NULL;
    size_t n = 0, fit = 0;

    for (int p = CLO_SIG_RSA_PSS_SHA384; p <= CLO_SIG_RSA_SHA384; p++) {
        const bool rsa = p != CLO_SIG_ECDSA_P256_SHA256 && p != CLO_SIG_ECDSA_P384_SHA384;

        if (clo_cert_signed_by(c, c, (enum clo_sig_profile)p) != 0)
            continue;
        fit++;
        FUZZ_CHECK((clo_cert_rsa_bits(c) != 0) == rsa);
        FUZZ_CHECK(clo_cert_is_p384(c) == (p == CLO_SIG_ECDSA_P384_SHA384));
    }
    FUZZ_CHECK(fit <= 1);
    if (clo_cert_serial(c, &serial, &n) == 0)
        FUZZ_CHECK(n == 0 || serial[0] != 0);
    FUZZ_CHECK(clo_cert_spki_digest(c, digest) == 0);
    FUZZ_CHECK(clo_cert_verify_p256(c, "x", 1, rs) == CLOISTER_E_AUTH);
    if (clo_key_of_cert(c, &k) == 0) {
        FUZZ_CHECK(clo_key_digest(k, digest) == 0);
        FUZZ_CHECK(clo_key_verify(k, CLO_KEY_RSASSA, CLO_SHA256, "x", 1, rs, 64) ==
                   CLOISTER_E_AUTH);
        clo_key_free(k);
    }
}

static void certificate(const uint8_t *p, size_t n)
{
    const uint8_t r[48] = {1}, s[48] = {1};
    struct clo_snp_endorsement e = {0};
    struct clo_cert *c = NULL;
    char cn[64] = "";

    if (clo_cert_parse(p, n, &c) != 0) {
        FUZZ_CHECK(c == NULL);
        return;
    }
    check_text(clo_cert_cn(c, cn, sizeof(cn)), cn, sizeof(cn));
    check_text(clo_cert_issuer_cn(c, cn, sizeof(cn)), cn, sizeof(cn));
    clo_snp_endorsement_read(c, &e);
    check_text(e.csp_err, e.csp_id, sizeof(e.csp_id));
    FUZZ_CHECK(e.hwid_err != 0 || e.hwid_n == 64 || e.hwid_n == 8);
    FUZZ_CHECK(!(clo_cert_is_p384(c) && clo_cert_rsa_bits(c) != 0));
    FUZZ_CHECK(clo_cert_verify_p384(c, "x", 1, r, s) != 0);
    keys(c);
    compare(p, n, c);
    (void)clo_cert_is_ca(c);
    clo_cert_free(c);
}

static void list(const uint8_t *p, size_t n)
{
    struct clo_crl *c = NULL;
    struct clo_cert *root = NULL;
    const struct clo_root *ark = NULL;

    if (clo_crl_parse(p, n, &c) != 0) {
        FUZZ_CHECK(c == NULL);
        return;
    }
    compare_list(p, n, c);
    ark = &cloister_roots_builtin()->amd[CLO_SNP_MILAN];
    FUZZ_CHECK(clo_cert_parse(ark->der, ark->n, &root) == 0);
    (void)clo_crl_this_update(c);
    /* what a list says of a certificate, and that this one isn't AMD's */
    if (clo_crl_revokes(c, root) || clo_crl_next_update(c) > 0)
        FUZZ_CHECK(clo_crl_signed_by(c, root, CLO_SIG_RSA_PSS_SHA384) != 0);
    clo_cert_free(root);
    clo_crl_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_rd rd = clo_rd_init(data, size);
    uint8_t what = 0;

    if (clo_rd_u8(&rd, &what) != 0)
        return 0;
    if (what % 2 == 0)
        certificate(rd.p, rd.left);
    else
        list(rd.p, rd.left);
    return 0;
}
