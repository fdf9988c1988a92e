/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of trust anchors: the built-in one is a constant, another is the caller's own. */
#include "attest/roots.h"

#include <stdlib.h>
#include <string.h>

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

static int self_signed(const void *der, size_t n)
{
    struct clo_cert *c = NULL;
    int err;

    if ((err = clo_cert_parse(der, n, &c)) == 0 &&
        (err = clo_cert_signed_by(c, c, CLO_SIG_RSA_PSS_SHA384)) == 0 && !clo_cert_is_ca(c))
        err = CLOISTER_E_MALFORMED;
    clo_cert_free(c);
    return err;
}

int cloister_roots_add_amd(struct cloister_roots *r, const char *product, const void *der, size_t n)
{
    unsigned p = CLO_SNP_MILAN;
    uint8_t *copy = NULL;
    int err;

    if (r == NULL || product == NULL || der == NULL || n == 0)
        return CLOISTER_E_ARGUMENT;
    while (p < CLO_SNP_PRODUCTS && strcmp(product, clo_snp_product_name(p)) != 0)
        p++;
    if (p == CLO_SNP_PRODUCTS)
        return CLOISTER_E_UNKNOWN;
    if (r->amd[p].der != NULL)
        return CLOISTER_E_DUPLICATE;
    if ((err = self_signed(der, n)) != 0)
        return err;
    if ((copy = malloc(n)) == NULL)
        return CLOISTER_E_MEMORY;
    memcpy(copy, der, n);
    r->amd[p] = (struct clo_root){.der = copy, .n = n};
    return 0;
}

void cloister_roots_free(struct cloister_roots *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < CLO_SNP_PRODUCTS; i++)
        free((void *)(uintptr_t)r->amd[i].der);
    free(r);
}
