/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of trust anchors: the built-in one is a constant, another is the caller's own. And vendors' intermediates, decoded once:
 * constants too, made when they are first wanted.
 */
#include "attest/roots_in.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "attest/policy.h"

/* ---- the caller's own ---- */

int cloister_roots_new(struct cloister_roots **ret)
{
    struct cloister_roots *r = NULL;

    if (ret == NULL)
        return CLOISTER_E_ARGUMENT;
    if ((r = calloc(1, sizeof *r)) == NULL)
        return CLOISTER_E_MEMORY;
    *ret = r;
    return 0;
}

/* By one of the profiles; what the certificate itself names decides which. */
static int self_signed(const struct clo_cert *c, const enum clo_sig_profile *profile, size_t n)
{
    int err = CLOISTER_E_UNSUPPORTED;

    for (size_t i = 0; i < n && err == CLOISTER_E_UNSUPPORTED; i++)
        err = clo_cert_signed_by(c, c, profile[i]);
    return err;
}

/* A root of the caller's: a copy, and the same decoded. */
static int root_new(const void *der, size_t n, const enum clo_sig_profile *profile, size_t profiles,
                    struct clo_root *ret)
{
    struct clo_cert *c = NULL;
    uint8_t *copy = NULL;
    int err;

    if ((err = clo_cert_parse(der, n, &c)) != 0 || (err = self_signed(c, profile, profiles)) != 0)
        goto out;
    if (!clo_cert_is_ca(c)) {
        err = CLOISTER_E_MALFORMED;
        goto out;
    }
    if ((copy = malloc(n)) == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    memcpy(copy, der, n);
    *ret = (struct clo_root){.der = copy, .n = n, .cert = c};
    c = NULL;
out:
    clo_cert_free(c);
    return err;
}

int cloister_roots_add_amd(struct cloister_roots *r, const char *product, const void *der, size_t n)
{
    static const enum clo_sig_profile profile[] = {CLO_SIG_RSA_PSS_SHA384};
    unsigned p = CLO_SNP_MILAN;

    if (r == NULL || product == NULL || der == NULL || n == 0)
        return CLOISTER_E_ARGUMENT;
    while (p < CLO_SNP_PRODUCTS && strcmp(product, clo_snp_product_name(p)) != 0)
        p++;
    if (p == CLO_SNP_PRODUCTS)
        return CLOISTER_E_UNKNOWN;
    if (r->amd[p].der != NULL)
        return CLOISTER_E_DUPLICATE;
    return root_new(der, n, profile, CLO_ARRAY_LEN(profile), &r->amd[p]);
}

int cloister_roots_add_intel(struct cloister_roots *r, const void *der, size_t n)
{
    static const enum clo_sig_profile profile[] = {CLO_SIG_ECDSA_P256_SHA256};

    if (r == NULL || der == NULL || n == 0)
        return CLOISTER_E_ARGUMENT;
    if (r->intel.der != NULL)
        return CLOISTER_E_DUPLICATE;
    return root_new(der, n, profile, CLO_ARRAY_LEN(profile), &r->intel);
}

int cloister_roots_add_nvidia(struct cloister_roots *r, const void *der, size_t n)
{
    static const enum clo_sig_profile profile[] = {CLO_SIG_ECDSA_P384_SHA384};

    if (r == NULL || der == NULL || n == 0)
        return CLOISTER_E_ARGUMENT;
    if (r->nvidia.der != NULL)
        return CLOISTER_E_DUPLICATE;
    return root_new(der, n, profile, CLO_ARRAY_LEN(profile), &r->nvidia);
}

int cloister_roots_add_tpm(struct cloister_roots *r, const void *der, size_t n)
{
    static const enum clo_sig_profile profile[] = {CLO_SIG_RSA_SHA256, CLO_SIG_RSA_SHA384,
                                                   CLO_SIG_ECDSA_P256_SHA256,
                                                   CLO_SIG_ECDSA_P384_SHA384};
    int err;

    if (r == NULL || der == NULL || n == 0)
        return CLOISTER_E_ARGUMENT;
    for (size_t i = 0; i < r->tpms; i++)
        if (r->tpm[i].n == n && memcmp(r->tpm[i].der, der, n) == 0)
            return CLOISTER_E_DUPLICATE;
    if (r->tpms == CLO_ROOTS_TPM_MAX)
        return CLOISTER_E_FULL;
    if ((err = root_new(der, n, profile, CLO_ARRAY_LEN(profile), &r->tpm[r->tpms])) == 0)
        r->tpms++;
    return err;
}

static void root_clear(struct clo_root *root)
{
    free((void *)(uintptr_t)root->der);
    clo_cert_free((struct clo_cert *)(uintptr_t)root->cert);
}

void cloister_roots_free(struct cloister_roots *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < CLO_SNP_PRODUCTS; i++)
        root_clear(&r->amd[i]);
    root_clear(&r->intel);
    root_clear(&r->nvidia);
    for (size_t i = 0; i < r->tpms; i++)
        root_clear(&r->tpm[i]);
    free(r);
}

/* ---- built in ---- */

static struct cloister_roots builtin;

/* Where memory has run out, cert stays NULL: to an appraisal that is a root that nobody pinned. */
static struct clo_root root_of(const struct clo_root_der *der)
{
    struct clo_cert *c = NULL;

    if (der->p == NULL || clo_cert_parse(der->p, der->n, &c) != 0)
        c = NULL;
    if (c != NULL && !clo_cert_has_key(c)) {
        clo_cert_free(c);
        c = NULL;
    }
    return (struct clo_root){.der = der->p, .n = der->n, .cert = c};
}

static void builtin_make(void)
{
    /* Decoding may be the program's first use of libcrypto, and this must be its first call. Without it nothing verifies. */
    if (clo_crypto_init() != 0)
        return;
    for (size_t i = 0; i < CLO_SNP_PRODUCTS; i++)
        builtin.amd[i] = root_of(&clo_root_amd[i]);
    builtin.intel = root_of(&clo_root_intel);
    builtin.nvidia = root_of(&clo_root_nvidia);
}

const struct cloister_roots *cloister_roots_builtin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, builtin_make);
    return &builtin;
}

/* ---- intermediates ---- */

static const struct clo_cert *root_with(const struct clo_root *root, const uint8_t *der, size_t n)
{
    return root->n == n && root->cert != NULL && memcmp(root->der, der, n) == 0 ? root->cert : NULL;
}

/* Chains often end with the root itself. */
static const struct clo_cert *builtin_with(const uint8_t *der, size_t n)
{
    const struct cloister_roots *r = cloister_roots_builtin();
    const struct clo_cert *c = root_with(&r->intel, der, n);

    if (c == NULL)
        c = root_with(&r->nvidia, der, n);
    for (size_t i = 0; c == NULL && i < CLO_SNP_PRODUCTS; i++)
        c = root_with(&r->amd[i], der, n);
    return c;
}

int clo_known_cert(const uint8_t *der, size_t n, const struct clo_cert **ret,
                   struct clo_cert **ret_owned)
{
    static _Atomic(struct clo_cert *) decoded[CLO_KNOWN_DERS];
    const struct clo_cert *root = NULL;
    struct clo_cert *c = NULL, *first = NULL;
    size_t i = 0;
    int err;

    if ((root = builtin_with(der, n)) != NULL) {
        *ret = root;
        *ret_owned = NULL;
        return 0;
    }
    while (i < CLO_KNOWN_DERS &&
           (clo_known_der[i].n != n || memcmp(clo_known_der[i].p, der, n) != 0))
        i++;
    if (i < CLO_KNOWN_DERS && (c = atomic_load(&decoded[i])) != NULL) {
        *ret = c;
        *ret_owned = NULL;
        return 0;
    }
    if ((err = clo_cert_parse(der, n, &c)) != 0)
        return err;
    if (i == CLO_KNOWN_DERS || !clo_cert_has_key(c)) { /* what was read by halves isn't kept */
        *ret = *ret_owned = c;
        return 0;
    }
    /* Of several threads that decode at a time the first one's stays. */
    if (!atomic_compare_exchange_strong(&decoded[i], &first, c)) {
        clo_cert_free(c);
        c = first;
    }
    *ret = c;
    *ret_owned = NULL;
    return 0;
}

int clo_known_by_cn(const char *cn, const struct clo_cert **ret, const uint8_t **ret_der,
                    size_t *ret_n)
{
    for (size_t i = 0; i < CLO_KNOWN_DERS; i++) {
        const struct clo_root_der *d = &clo_known_der[i];
        const struct clo_cert *c = NULL;
        struct clo_cert *owned = NULL;
        char have[64];
        int err;

        if ((err = clo_known_cert(d->p, d->n, &c, &owned)) != 0)
            return err;
        if (owned != NULL) { /* read by halves, for lack of memory */
            clo_cert_free(owned);
            return CLOISTER_E_MEMORY;
        }
        if (clo_cert_cn(c, have, sizeof have) == 0 && strcmp(have, cn) == 0) {
            *ret = c;
            *ret_der = d->p;
            *ret_n = d->n;
            return 0;
        }
    }
    return CLOISTER_E_NOT_FOUND;
}

/* Nothing stays in the place of a root that isn't admitted. */
static int admit(const struct cloister_policy *policy, struct clo_root *root)
{
    uint8_t digest[32];
    int err;

    if (root->der == NULL)
        return 0;
    if ((err = clo_sha256(root->der, root->n, digest)) != 0)
        return err;
    if (!clo_policy_list_has(&policy->vendor_roots, digest))
        *root = (struct clo_root){0};
    return 0;
}

int clo_roots_admitted(const struct cloister_roots *roots, const struct cloister_policy *policy,
                       struct cloister_roots *copy, const struct cloister_roots **ret)
{
    size_t n = 0;
    int err = 0;

    if (policy == NULL || !policy->vendor_roots.given) {
        *ret = roots;
        return 0;
    }
    *copy = *roots;
    for (size_t i = 0; i < CLO_SNP_PRODUCTS && err == 0; i++)
        err = admit(policy, &copy->amd[i]);
    if (err == 0 && (err = admit(policy, &copy->intel)) == 0)
        err = admit(policy, &copy->nvidia);
    for (size_t i = 0; i < copy->tpms && err == 0; i++) {
        struct clo_root root = copy->tpm[i];

        if ((err = admit(policy, &root)) == 0 && root.der != NULL)
            copy->tpm[n++] = root;
    }
    copy->tpms = n;
    *ret = copy;
    return err;
}
