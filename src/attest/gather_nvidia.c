/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What NVIDIA's devices need beside their reports: an answer of the responder about every certificate that it answers for, which are
 * all but the leaf (whose issuer is the device's own boot ROM) and the root. The devices of a machine share the upper ones, and
 * equal questions are one want.
 */
#include "attest/gather_in.h"
#include "crypto/ocsp.h"

struct chain {
    const struct clo_cert *cert[CLO_DEVICE_CHAIN_MAX + 1]; /* leaf first; the root behind it */
    struct clo_cert *own[CLO_DEVICE_CHAIN_MAX];
    size_t n; /* without the root */
};

static void chain_clear(struct chain *k)
{
    for (size_t i = 0; i < CLO_DEVICE_CHAIN_MAX; i++)
        clo_cert_free(k->own[i]);
}

/* Drivers send the root along; where one doesn't, only NVIDIA's can be its. */
static int chain_read(const struct clo_device *d, struct chain *k)
{
    int err = 0;

    *k = (struct chain){.n = d->chain_n};
    if (k->n == 0 || k->n > CLO_DEVICE_CHAIN_MAX)
        return CLOISTER_E_MALFORMED;
    for (size_t i = 0; i < k->n && err == 0; i++)
        err = clo_known_cert(d->chain[i].p, d->chain[i].len, &k->cert[i], &k->own[i]);
    if (err != 0)
        return err;
    if (clo_cert_names_itself(k->cert[k->n - 1])) {
        k->n--;
        return k->n < 2 ? CLOISTER_E_MALFORMED : 0;
    }
    k->cert[k->n] = cloister_roots_builtin()->nvidia.cert;
    if (k->n < 2 || k->cert[k->n] == NULL)
        return CLOISTER_E_MALFORMED;
    return clo_cert_signed_by(k->cert[k->n - 1], k->cert[k->n], CLO_SIG_ECDSA_P384_SHA384);
}

static int device_wants(const struct clo_device *d, struct clo_wants *l)
{
    struct chain k;
    int err = chain_read(d, &k);

    for (size_t i = 1; i < k.n && err == 0; i++) {
        struct clo_want w = {.kind = CLO_WANT_NVIDIA_OCSP};
        struct clo_wr wr = clo_wr_init(w.request, sizeof w.request);

        if ((err = clo_ocsp_request_make(k.cert[i], k.cert[i + 1], &wr)) != 0)
            break;
        w.request_n = wr.len;
        if ((err = clo_wants_add(l, &w)) == CLOISTER_E_LIMIT)
            goto out;
    }
    if (err != 0 && !clo_is_ours(err))
        err = CLOISTER_E_MALFORMED;
out:
    chain_clear(&k);
    return err;
}

int clo_nvidia_wants(const struct clo_devices *devices, struct clo_wants *l)
{
    const size_t before = l->count;
    int err = 0;

    for (size_t i = 0; i < devices->count && err == 0; i++)
        err = device_wants(&devices->device[i], l);
    return err == 0 && l->count - before > CLO_OCSPS_MAX ? CLOISTER_E_LIMIT : err;
}

/* "Revoked" is an answer as good as any: what becomes of the device isn't decided here. */
int clo_nvidia_take(const struct clo_answer *a, struct clo_entry *e)
{
    struct clo_ocsp_answer answer = {0};
    struct clo_ocsp *o = NULL;
    int err;

    if ((err = clo_ocsp_parse(a->body, a->body_n, &o)) != 0 ||
        (err = clo_ocsp_of_request(o, e->want.request, e->want.request_n, &answer, &e->until)) != 0)
        goto out;
    e->made = answer.this_update;
    err = clo_buf_copy(&e->body, a->body, a->body_n, CLO_OCSP_MAX);
out:
    clo_ocsp_free(o);
    return err;
}
