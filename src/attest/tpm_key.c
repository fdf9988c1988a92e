/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vouches for an attestation key that came with its quote: the policy, or certificates. TPM makers and clouds sign with
 * RSA PKCS #1; leaves may have an empty subject, and differ in their extended key usage (some of Google's name that of endorsement
 * keys), so none is asked for: the leaf has to hold the very key that signed the quote, and that is enough.
 * Limits: CLO_CHAIN_MAX certificates of CLO_CERT_MAX bytes.
 */
#include "attest/tpm.h"

#include <string.h>

#define RSA_BITS_MIN 2048

struct trust {
    struct clo_cert *c[CLO_CHAIN_MAX];
    size_t count;
    const struct clo_cert *root; /* borrowed */
    const char *wrong;
};

static int load(struct trust *t, const struct clo_buf *chain, size_t chain_n)
{
    int err = 0;

    if (chain_n > CLO_CHAIN_MAX) {
        t->wrong = "there are too many certificates";
        return 0;
    }
    for (size_t i = 0; i < chain_n && err == 0; i++) {
        if ((err = clo_cert_parse(chain[i].p, chain[i].len, &t->c[i])) == 0)
            t->count++;
    }
    if (err != 0)
        t->wrong = "a certificate can't be read";
    return clo_is_ours(err) ? err : 0;
}

/* 0, CLOISTER_E_AUTH or an error of ours. */
static int signed_by(const struct clo_cert *c, const struct clo_cert *issuer)
{
    int err = clo_cert_signed_by(c, issuer, CLO_SIG_RSA_SHA256);

    if (err == CLOISTER_E_UNSUPPORTED)
        err = clo_cert_signed_by(c, issuer, CLO_SIG_RSA_SHA384);
    return err == 0 || clo_is_ours(err) ? err : CLOISTER_E_AUTH;
}

static bool authority(const struct clo_cert *c, size_t below)
{
    return clo_cert_is_ca(c) && clo_cert_rsa_bits(c) >= RSA_BITS_MIN &&
           clo_cert_path_len_allows(c, below);
}

static bool same_cert(const struct clo_cert *a, const struct clo_cert *b)
{
    uint8_t digest[2][CLO_SHA256_LEN];

    clo_cert_digest(a, digest[0]);
    clo_cert_digest(b, digest[1]);
    return memcmp(digest[0], digest[1], sizeof digest[0]) == 0;
}

/* A root that came along is one of ours, or is no root: it proves nothing by being there. */
static void root_drop(struct trust *t, const struct cloister_roots *roots)
{
    for (size_t i = 0; i < roots->tpms && t->count > 1; i++)
        if (same_cert(t->c[t->count - 1], roots->tpm[i].cert)) {
            clo_cert_free(t->c[--t->count]);
            t->c[t->count] = NULL;
            return;
        }
}

static int walk(struct trust *t, const struct cloister_roots *roots)
{
    const size_t last = t->count - 1;
    int err;

    for (size_t i = 0; i < last; i++) {
        if (clo_is_ours(err = signed_by(t->c[i], t->c[i + 1])))
            return err;
        if (err != 0 || !authority(t->c[i + 1], i)) {
            t->wrong = "a certificate isn't signed by the next, or the next isn't an authority";
            return 0;
        }
    }
    for (size_t i = 0; i < roots->tpms && t->root == NULL; i++) {
        if (clo_is_ours(err = signed_by(t->c[last], roots->tpm[i].cert)))
            return err;
        if (err == 0 && authority(roots->tpm[i].cert, last))
            t->root = roots->tpm[i].cert;
    }
    if (t->root == NULL)
        t->wrong = "the certificates don't end in a pinned root";
    else if (clo_cert_is_ca(t->c[0]))
        t->wrong = "the key's certificate is an authority's";
    return 0;
}

static void dates(struct trust *t, int64_t now, struct clo_verdict_builder *vb)
{
    for (size_t i = 0; i <= t->count; i++) {
        const struct clo_cert *c = i < t->count ? t->c[i] : t->root;

        clo_vb_until(vb, clo_cert_not_after(c));
        if (now < clo_cert_not_before(c) || now >= clo_cert_not_after(c))
            t->wrong = "a certificate isn't valid yet or isn't any more";
    }
}

/* The policy's word: NOT_APPLICABLE stands for none. */
static enum cloister_check_status named(const struct cloister_policy *policy, const uint8_t *digest)
{
    if (policy == NULL || !policy->tpm.given || !policy->tpm.keys.given)
        return CLOISTER_CHECK_NOT_APPLICABLE;
    return clo_policy_list_has(&policy->tpm.keys, digest) ? CLOISTER_CHECK_PASS
                                                          : CLOISTER_CHECK_FAIL;
}

static int judge(struct trust *t, const uint8_t *digest, const struct clo_buf *chain,
                 size_t chain_n, const struct cloister_roots *roots, int64_t now,
                 struct clo_verdict_builder *vb)
{
    uint8_t spki[CLO_SHA256_LEN];
    int err;

    if ((err = load(t, chain, chain_n)) != 0 || t->wrong != NULL)
        return err;
    if ((err = clo_cert_spki_digest(t->c[0], spki)) != 0)
        return err;
    if (memcmp(spki, digest, sizeof spki) != 0) {
        t->wrong = "the certificate is another key's";
        return 0;
    }
    root_drop(t, roots);
    if ((err = walk(t, roots)) == 0 && t->wrong == NULL)
        dates(t, now, vb);
    return err;
}

int clo_tpm_key_trust(const struct clo_key *key, const struct clo_buf *chain, size_t chain_n,
                      const struct cloister_policy *policy, const struct cloister_roots *roots,
                      int64_t now, struct clo_verdict_builder *vb, struct clo_tpm_trust *ret)
{
    struct clo_tpm_trust r = {.status = CLOISTER_CHECK_MISSING};
    enum cloister_check_status word;
    uint8_t digest[CLO_SHA256_LEN];
    struct trust t = {0};
    int err;

    if ((err = clo_key_digest(key, digest)) != 0)
        return err;
    word = named(policy, digest);
    if (word == CLOISTER_CHECK_PASS) {
        r.status = CLOISTER_CHECK_PASS;
    } else if (word == CLOISTER_CHECK_FAIL) { /* a certificate doesn't make up for that */
        r.status = CLOISTER_CHECK_FAIL;
        r.reason = "the policy doesn't list this key";
    } else if (chain_n == 0) {
        r.reason = "no certificate came with the key, and no policy names it";
    } else if (roots->tpms == 0) {
        r.reason = "no root of attestation keys' certificates is pinned";
    } else {
        err = judge(&t, digest, chain, chain_n, roots, now, vb);
        r.status = t.wrong == NULL ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL;
        r.reason = t.wrong;
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(t.c); i++)
        clo_cert_free(t.c[i]);
    if (err == 0)
        *ret = r;
    return err;
}
