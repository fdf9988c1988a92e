/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device chains and revocation. The devices of a machine share all but their first two certificates, and one answer of the
 * responder may be about many of them: each is decoded once, and each signature verified once, in a call.
 *
 * Limits: CLO_DEVICES_MAX, CLO_DEVICE_CHAIN_MAX, CLO_OCSPS_MAX, so that the number of signatures is bounded, too.
 */
#include <stdlib.h>
#include <string.h>

#include "attest/nvidia_in.h"

int clo_gpu_chains_init(struct clo_gpu_chains *c, const struct clo_gpu_input *in,
                        const struct cloister_roots *roots, int64_t now)
{
    const size_t room = in->devices->count * CLO_DEVICE_CHAIN_MAX;
    int err = 0;

    *c = (struct clo_gpu_chains){.collateral = in->collateral,
                                 .root = roots->nvidia.cert,
                                 .pin = &roots->nvidia,
                                 .now = now};
    if ((c->cert = calloc(room == 0 ? 1 : room, sizeof *c->cert)) == NULL)
        return CLOISTER_E_MEMORY;
    for (size_t i = 0; i < in->collateral->ocsps && err == 0; i++) {
        const struct clo_buf *b = &in->collateral->ocsp[i];

        err = clo_ocsp_parse(b->p, b->len, &c->answer[i].ocsp);
        if (err != 0 && !clo_is_ours(err)) {
            /* "try later" and its like are well-formed, and say nothing */
            c->answer_malformed = c->answer_malformed || err != CLOISTER_E_UNSUPPORTED;
            err = 0;
        }
    }
    if (err != 0)
        clo_gpu_chains_clear(c);
    return err;
}

void clo_gpu_chains_clear(struct clo_gpu_chains *c)
{
    for (size_t i = 0; i < c->certs; i++)
        clo_cert_free(c->cert[i].owned);
    free(c->cert);
    for (size_t i = 0; i < CLO_OCSPS_MAX; i++)
        clo_ocsp_free(c->answer[i].ocsp);
    *c = (struct clo_gpu_chains){0};
}

/* The certificate with these bytes, decoded now or before. */
static int cert_get(struct clo_gpu_chains *c, const struct clo_buf *der, struct clo_gpu_cert **ret)
{
    struct clo_gpu_cert *k = NULL;
    int err;

    for (size_t i = 0; i < c->certs; i++)
        if (c->cert[i].n == der->len && memcmp(c->cert[i].der, der->p, der->len) == 0) {
            *ret = &c->cert[i];
            return 0;
        }
    k = &c->cert[c->certs++];
    *k = (struct clo_gpu_cert){.der = der->p, .n = der->len};
    err = clo_known_cert(der->p, der->len, &k->cert, &k->owned);
    if (clo_is_ours(err))
        return err;
    *ret = k;
    return 0;
}

static int signed_by(struct clo_gpu_cert *k, const struct clo_cert *issuer, bool *ret)
{
    int err;

    if (k->issuer != issuer) {
        err = clo_cert_signed_by(k->cert, issuer, CLO_SIG_ECDSA_P384_SHA384);
        if (clo_is_ours(err))
            return err;
        k->issuer = issuer;
        k->signed_by_issuer = err == 0;
        k->looked_up = false;
    }
    *ret = k->signed_by_issuer;
    return 0;
}

/* Certificate i of a chain, or the root: may it sign the one before, with all that are below? */
static bool authority(const struct clo_cert *c, size_t i)
{
    return clo_cert_is_ca(c) && clo_cert_path_len_allows(c, i - 1);
}

/*
 * A boot ROM's certificate is an authority's without limits, but what it signs is the leaf's key and nothing else. Higher up, whoever
 * got one device's key out would make devices with it, and be asked whether they are revoked.
 */
static bool of_device(const struct clo_cert *c)
{
    char chip[CLO_GPU_CHIP_LEN];

    clo_gpu_cert_chip(c, chip);
    return clo_gpu_chip_arch(chip) != CLO_GPU_UNKNOWN;
}

static int links(struct clo_gpu_chains *c, struct clo_gpu_chain *k)
{
    bool ok = false;
    int err;

    k->links_ok = !clo_cert_is_ca(k->cert[0]->cert);
    for (size_t i = 1; i < k->n; i++) {
        if ((err = signed_by(k->cert[i - 1], k->cert[i]->cert, &ok)) != 0)
            return err;
        k->device_above = k->device_above || (i > 1 && of_device(k->cert[i]->cert));
        k->links_ok = k->links_ok && ok && authority(k->cert[i]->cert, i) && !k->device_above;
    }
    if (c->root == NULL)
        return 0;
    if ((err = signed_by(k->cert[k->n - 1], c->root, &ok)) != 0)
        return err;
    k->root_ok = ok && authority(c->root, k->n);
    return 0;
}

int clo_gpu_chain_load(struct clo_gpu_chains *c, const struct clo_device *d,
                       struct clo_gpu_chain *ret)
{
    struct clo_gpu_chain k = {.n = d->chain_n};
    int err = 0;

    /* A root that was sent along proves nothing. Another one than the pinned stays, and is not signed by it. */
    if (k.n > 0 && c->root != NULL && d->chain[k.n - 1].len == c->pin->n &&
        memcmp(d->chain[k.n - 1].p, c->pin->der, c->pin->n) == 0)
        k.n--;
    k.readable = k.n >= 2;
    for (size_t i = 0; i < k.n; i++) {
        if ((err = cert_get(c, &d->chain[i], &k.cert[i])) != 0)
            return err;
        k.readable = k.readable && k.cert[i]->cert != NULL;
    }
    /* said twice, for compilers that follow the loop less well than its reader */
    if (k.readable && k.cert[0] != NULL && k.cert[k.n - 1] != NULL && (err = links(c, &k)) != 0)
        return err;
    *ret = k;
    return 0;
}

/* ---- revocation ---- */

/* An answer is about one key's certificates, however many certificates that key has. */
static int answer_signed_by(struct clo_gpu_chains *c, struct clo_gpu_answer *a,
                            const struct clo_cert *issuer, bool *ret)
{
    uint8_t key[CLO_SHA256_LEN];
    int64_t until = INT64_MIN;
    int err;

    if ((err = clo_cert_spki_digest(issuer, key)) != 0)
        return err;
    if (!a->asked || memcmp(a->issuer_key, key, sizeof key) != 0) {
        err = clo_ocsp_signed_by(a->ocsp, issuer, c->now, &until);
        if (clo_is_ours(err))
            return err;
        a->asked = true;
        memcpy(a->issuer_key, key, sizeof key);
        a->signed_by_issuer = err == 0;
        a->until = until;
    }
    *ret = a->signed_by_issuer;
    return 0;
}

/* Is it newer, or worse at the same moment? What the order of answers is must not matter. */
static bool supersedes(const struct clo_ocsp_answer *a, const struct clo_ocsp_answer *than)
{
    return a->this_update > than->this_update ||
           (a->this_update == than->this_update && a->status != CLO_OCSP_GOOD &&
            than->status == CLO_OCSP_GOOD);
}

static int look_up(struct clo_gpu_chains *c, const struct clo_cert *cert,
                   const struct clo_cert *issuer, struct clo_gpu_revocation *ret)
{
    struct clo_gpu_revocation r = {0};
    bool any = false;

    for (size_t i = 0; i < c->collateral->ocsps; i++) {
        struct clo_gpu_answer *a = &c->answer[i];
        struct clo_ocsp_answer found = {0};
        bool ok = false;
        int err;

        if (a->ocsp == NULL)
            continue;
        err = clo_ocsp_find(a->ocsp, cert, issuer, &found);
        if (clo_is_ours(err))
            return err;
        if (err == CLOISTER_E_NOT_FOUND)
            continue;
        any = true;
        /* An answer that contradicts itself is none. */
        if (err != 0)
            continue;
        if ((err = answer_signed_by(c, a, issuer, &ok)) != 0)
            return err;
        if (!ok || (r.answered && !supersedes(&found, &r.answer)))
            continue;
        r.answered = true;
        r.answer = found;
        r.until = found.next_update < a->until ? found.next_update : a->until;
    }
    r.unsigned_there = any && !r.answered;
    *ret = r;
    return 0;
}

int clo_gpu_chain_revocation(struct clo_gpu_chains *c, const struct clo_gpu_chain *k, size_t i,
                             const struct clo_gpu_revocation **ret)
{
    const struct clo_cert *issuer = i + 1 < k->n ? k->cert[i + 1]->cert : c->root;
    struct clo_gpu_cert *cert = k->cert[i];
    int err;

    if (!cert->looked_up || cert->issuer != issuer) {
        cert->revocation = (struct clo_gpu_revocation){0};
        if (issuer != NULL && (err = look_up(c, cert->cert, issuer, &cert->revocation)) != 0)
            return err;
        cert->looked_up = cert->issuer == issuer;
    }
    *ret = &cert->revocation;
    return 0;
}
