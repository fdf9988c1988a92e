/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that runs out inside libcrypto: every allocation of a whole exchange fails once. What fails says so
 * and leaks nothing (the sanitisers look); nothing succeeds by halves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "codec/ohttp.h"
#include "crypto/ocsp.h"
#include "crypto/x509_make.h"

#define NOW 1795000000 /* 2026-11-18 */

static const uint8_t seed[CLO_KEM_SEED] = {7};
static struct clo_ohttp_keyconf conf;

/* Allocations until one fails; none fails while it is negative. */
static long left = -1;
static unsigned long failed;

static bool fails(void)
{
    if (left != 0) {
        left -= left > 0;
        return false;
    }
    left = -1;
    failed++;
    return true;
}

static void *hook_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : malloc(n);
}

static void *hook_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : realloc(p, n);
}

static void hook_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static int same_randomness(void *ctx, uint8_t *p, size_t n)
{
    (void)ctx;
    memset(p, 5, n);
    return 0;
}

static const struct clo_rng rng = {same_randomness, NULL};

static int exchange(struct clo_buf *out)
{
    struct clo_ohttp_opened client = {0}, server = {0};
    struct clo_ohttp_header h = {0};
    uint8_t enc[CLO_KEM_ENC_MAX] = {0};
    struct clo_buf text = clo_buf_init(64);
    struct clo_rd rd;
    int err;

    err = clo_ohttp_start_request(&conf, CLO_AES_256_GCM, false, &rng, out, enc, &client);
    if (err == 0) {
        rd = clo_rd_init(out->p, out->len);
        err = clo_ohttp_header_parse(&rd, &h);
    }
    if (err == 0)
        err = clo_ohttp_open_request(seed, &h, false, enc, &server);
    if (err == 0)
        err = clo_ohttp_plain_seal_request(&client, "ask", 3, out);
    if (err == 0)
        err = clo_ohttp_plain_seal_response(&server, enc, &rng, "answer", 6, out);
    if (err == 0)
        err = clo_ohttp_plain_open_response(&client, enc, out->p + out->len - 54, 54, &text);
    clo_buf_clear(&text);
    return err;
}

static int signature(struct clo_buf *out)
{
    uint8_t pk[32] = {0}, sig[64] = {0}, hash[32] = {0};
    int err;

    if ((err = clo_ed25519_public(seed, pk)) != 0 ||
        (err = clo_ed25519_sign(seed, "receipt", 7, sig)) != 0 ||
        (err = clo_ed25519_verify(pk, "receipt", 7, sig)) != 0 ||
        (err = clo_sha256("receipt", 7, hash)) != 0 || (err = clo_buf_append(out, sig, 64)) != 0)
        return err;
    return clo_buf_append(out, hash, sizeof(hash));
}

/* A chain, its list and its OCSP response, made once. */
static struct {
    struct clo_signer *issuer, *leaf, *responder, *rsa;
    struct clo_buf issuer_der, leaf_der, rsa_der, crl_der, ocsp_der, modulus, rsa_sig;
    uint8_t rs[64], xy[64];
} lab;

static int cert_make(const struct clo_signer *subject, const char *cn, bool ca, const char *eku,
                     enum clo_sig_make sig, struct clo_buf *out)
{
    const struct clo_cert_spec spec = {.subject_cn = cn,
                                       .issuer_cn = "issuer",
                                       .serial = 9,
                                       .not_before = NOW - 86400,
                                       .not_after = NOW + 86400,
                                       .ca = ca,
                                       .eku = eku,
                                       .subject = subject,
                                       .issuer = subject == lab.rsa ? lab.rsa : lab.issuer,
                                       .sig = sig};

    *out = clo_buf_init(CLO_CERT_MAX);
    return clo_cert_make(&spec, out);
}

static int lab_make(void)
{
    const uint64_t revoked = 77;
    const struct clo_crl_spec list = {.issuer_cn = "issuer",
                                      .this_update = NOW,
                                      .next_update = NOW + 86400,
                                      .revoked = &revoked,
                                      .revoked_n = 1};
    struct clo_ocsp_answer_spec answer = {
        .status = CLO_OCSP_GOOD, .this_update = NOW - 1, .next_update = NOW + 86400};
    struct clo_ocsp_spec response = {.answer = &answer, .answers = 1, .produced_at = NOW};
    struct clo_buf responder_der;
    struct clo_crl_spec crl = list;
    struct clo_cert *issuer = NULL, *leaf = NULL, *responder = NULL;
    int err;

    err = clo_signer_new_p256(&lab.issuer) | clo_signer_new_p256(&lab.leaf) |
          clo_signer_new_p256(&lab.responder) | clo_signer_new_rsa(2048, &lab.rsa);
    if (err != 0)
        return err;
    lab.crl_der = clo_buf_init(CLO_CRL_MAX);
    lab.ocsp_der = clo_buf_init(CLO_OCSP_DER_MAX);
    lab.modulus = lab.rsa_sig = clo_buf_init(512);
    crl.issuer = lab.issuer;
    err = cert_make(lab.issuer, "issuer", true, NULL, 0, &lab.issuer_der) |
          cert_make(lab.leaf, "leaf", false, NULL, 0, &lab.leaf_der) |
          cert_make(lab.rsa, "issuer", true, NULL, 0, &lab.rsa_der) |
          cert_make(lab.responder, "responder", false, CLO_EKU_OCSP_SIGNING, 0, &responder_der) |
          clo_crl_make(&crl, &lab.crl_der) |
          clo_cert_parse(lab.issuer_der.p, lab.issuer_der.len, &issuer) |
          clo_cert_parse(lab.leaf_der.p, lab.leaf_der.len, &leaf) |
          clo_cert_parse(responder_der.p, responder_der.len, &responder) |
          clo_signer_sign_p256(lab.leaf, "quote", 5, lab.rs) |
          clo_signer_point(lab.leaf, lab.xy, lab.xy + 32) |
          clo_signer_modulus(lab.rsa, &lab.modulus) |
          clo_signer_sign_rsa(lab.rsa, "quote", 5, &lab.rsa_sig);
    if (err == 0) {
        answer.cert = leaf;
        response.issuer = issuer;
        response.responder = responder;
        response.signer = lab.responder;
        err = clo_ocsp_make(&response, &lab.ocsp_der);
    }
    clo_cert_free(issuer);
    clo_cert_free(leaf);
    clo_cert_free(responder);
    clo_buf_clear(&responder_der);
    return err;
}

static void lab_clear(void)
{
    clo_signer_free(lab.issuer);
    clo_signer_free(lab.leaf);
    clo_signer_free(lab.responder);
    clo_signer_free(lab.rsa);
    clo_buf_clear(&lab.issuer_der);
    clo_buf_clear(&lab.leaf_der);
    clo_buf_clear(&lab.rsa_der);
    clo_buf_clear(&lab.crl_der);
    clo_buf_clear(&lab.ocsp_der);
    clo_buf_clear(&lab.modulus);
    clo_buf_clear(&lab.rsa_sig);
}

static int chain(struct clo_buf *out)
{
    struct clo_cert *issuer = NULL, *leaf = NULL, *rsa = NULL;
    struct clo_ocsp_answer answer = {0};
    struct clo_ocsp *ocsp = NULL;
    struct clo_crl *crl = NULL;
    int64_t until = 0;
    uint8_t digest[32] = {0};
    int err;

    if ((err = clo_cert_parse(lab.issuer_der.p, lab.issuer_der.len, &issuer)) != 0 ||
        (err = clo_cert_parse(lab.leaf_der.p, lab.leaf_der.len, &leaf)) != 0 ||
        (err = clo_cert_parse(lab.rsa_der.p, lab.rsa_der.len, &rsa)) != 0 ||
        (err = clo_cert_signed_by(issuer, issuer, CLO_SIG_ECDSA_P256_SHA256)) != 0 ||
        (err = clo_cert_signed_by(leaf, issuer, CLO_SIG_ECDSA_P256_SHA256)) != 0 ||
        (err = clo_cert_signed_by(rsa, rsa, CLO_SIG_RSA_PSS_SHA384)) != 0 ||
        (err = clo_crl_parse(lab.crl_der.p, lab.crl_der.len, &crl)) != 0 ||
        (err = clo_crl_signed_by(crl, issuer, CLO_SIG_ECDSA_P256_SHA256)) != 0 ||
        (err = clo_ocsp_parse(lab.ocsp_der.p, lab.ocsp_der.len, &ocsp)) != 0 ||
        (err = clo_ocsp_signed_by(ocsp, issuer, NOW, &until)) != 0 ||
        (err = clo_ocsp_find(ocsp, leaf, issuer, &answer)) != 0)
        goto out;
    /* what was read by halves would say something else */
    if (!clo_cert_is_ca(issuer) || clo_cert_is_ca(leaf) || clo_crl_revokes(crl, leaf) ||
        until != NOW + 86400 || answer.status != CLO_OCSP_GOOD)
        fail_msg("something was lost with the memory");
    clo_cert_digest(leaf, digest);
    err = clo_buf_append(out, digest, sizeof digest);
out:
    clo_cert_free(issuer);
    clo_cert_free(leaf);
    clo_cert_free(rsa);
    clo_crl_free(crl);
    clo_ocsp_free(ocsp);
    return err;
}

static int bare_keys(struct clo_buf *out)
{
    struct clo_key *ec = NULL, *rsa = NULL;
    uint8_t digest[32] = {0};
    int err;

    if ((err = clo_key_new_ec(256, lab.xy, lab.xy + 32, &ec)) == 0 &&
        (err = clo_key_verify(ec, CLO_KEY_ECDSA, CLO_SHA256, "quote", 5, lab.rs, 64)) == 0 &&
        (err = clo_p256_verify(lab.xy, "quote", 5, lab.rs)) == 0 &&
        (err = clo_key_new_rsa(lab.modulus.p, lab.modulus.len, 65537, &rsa)) == 0 &&
        (err = clo_key_verify(rsa, CLO_KEY_RSASSA, CLO_SHA256, "quote", 5, lab.rsa_sig.p,
                              lab.rsa_sig.len)) == 0 &&
        (err = clo_key_digest(rsa, digest)) == 0)
        err = clo_buf_append(out, digest, sizeof digest);
    clo_key_free(ec);
    clo_key_free(rsa);
    return err;
}

/* Let each allocation fail in its turn, until a run has none left that could. */
static void fail_each(int (*run)(struct clo_buf *out))
{
    struct clo_buf want = clo_buf_init(4096);
    unsigned long runs = 0, refused = 0;

    assert_int_equal(run(&want), 0);
    for (bool again = true; again; runs++) {
        struct clo_buf got = clo_buf_init(4096);
        const unsigned long before = failed;
        int err;

        left = (long)runs;
        err = run(&got);
        left = -1;
        again = failed != before;
        refused += err != 0;
        if (err == 0) { /* libcrypto could do without, or nothing failed */
            assert_int_equal(got.len, want.len);
            assert_memory_equal(got.p, want.p, want.len);
        }
        clo_buf_clear(&got);
        ERR_clear_error();
    }
    print_message("# %lu allocations failed, %lu runs were refused\n", runs - 1, refused);
    assert_true(refused > 10);
    clo_buf_clear(&want);
}

static void an_exchange_succeeds_wholly_or_says_that_it_failed(void **state)
{
    (void)state;
    fail_each(exchange);
}

static void a_signature_succeeds_wholly_or_says_that_it_failed(void **state)
{
    (void)state;
    fail_each(signature);
}

static void a_chain_is_judged_wholly_or_not_at_all(void **state)
{
    (void)state;
    fail_each(chain);
}

static void a_bare_key_verifies_or_says_that_it_couldnt(void **state)
{
    (void)state;
    fail_each(bare_keys);
}

int main(void)
{
    int err;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exchange_succeeds_wholly_or_says_that_it_failed),
        cmocka_unit_test(a_signature_succeeds_wholly_or_says_that_it_failed),
        cmocka_unit_test(a_chain_is_judged_wholly_or_not_at_all),
        cmocka_unit_test(a_bare_key_verifies_or_says_that_it_couldnt),
    };

    if (CRYPTO_set_mem_functions(hook_malloc, hook_realloc, hook_free) != 1)
        return 1;
    conf = (struct clo_ohttp_keyconf){.key_id = 1, .kem = CLO_KEM_XWING, .suites = 1};
    conf.suite[0].kdf = CLO_KDF_HKDF_SHA256;
    conf.suite[0].aead = CLO_AES_256_GCM;
    if (clo_kem_public(conf.kem, seed, conf.pk) != 0)
        return 1;
    if (lab_make() != 0)
        return 1;
    err = cmocka_run_group_tests(tests, NULL, NULL);
    lab_clear();
    return err;
}
