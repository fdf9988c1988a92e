/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCSP responses, written as DER by hand: libcrypto's builder asks the clock, and makes none that a test of the verifier
 * would want. Each element's content is built first, and then wrapped.
 */
#include "crypto/x509_make_in.h"

#include <string.h>
#include <time.h>

#include "crypto/x509_in.h"

#define MAX 65535 /* bytes of one element */

static int put(struct clo_buf *out, uint8_t tag, const void *p, size_t n)
{
    const uint8_t len[] = {tag, 0x82, (uint8_t)(n >> 8), (uint8_t)n};
    const uint8_t one[] = {tag, 0x81, (uint8_t)n};
    const uint8_t none[] = {tag, (uint8_t)n};
    int err;

    if (n > MAX)
        return CLOISTER_E_LIMIT;
    err = n < 0x80    ? clo_buf_append(out, none, sizeof none)
          : n < 0x100 ? clo_buf_append(out, one, sizeof one)
                      : clo_buf_append(out, len, sizeof len);
    if (err != 0 || n == 0)
        return err;
    return clo_buf_append(out, p, n);
}

/* Wrap what `in` holds, and empty it. */
static int wrap(struct clo_buf *out, uint8_t tag, struct clo_buf *in)
{
    int err = put(out, tag, in->p, in->len);

    clo_buf_clear(in);
    return err;
}

static int put_time(struct clo_buf *out, int64_t t)
{
    const time_t when = (time_t)t;
    struct tm tm = {0};
    char text[32];

    if (gmtime_r(&when, &tm) == NULL || strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &tm) != 15)
        return CLOISTER_E_ARGUMENT;
    return put(out, CLO_DER_GENERALIZED, text, 15);
}

/* ---- CertID and SingleResponse ---- */

static int put_hash_alg(struct clo_buf *out, enum clo_sig_make hash)
{
    static const uint8_t sha1[] = {0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00};
    uint8_t sha2[] = {0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x00, 0x05, 0x00};

    if (hash == CLO_MAKE_DEFAULT || hash == CLO_MAKE_SHA1)
        return put(out, CLO_DER_SEQUENCE, sha1, sizeof sha1);
    sha2[10] = hash == CLO_MAKE_SHA256 ? 1 : hash == CLO_MAKE_SHA384 ? 2 : 3;
    return put(out, CLO_DER_SEQUENCE, sha2, sizeof sha2);
}

static int put_hash(struct clo_buf *out, enum clo_sig_make hash, const struct clo_rd *in)
{
    const char *name = hash == CLO_MAKE_SHA256   ? "SHA256"
                       : hash == CLO_MAKE_SHA384 ? "SHA384"
                       : hash == CLO_MAKE_SHA512 ? "SHA512"
                                                 : "SHA1";
    uint8_t md[EVP_MAX_MD_SIZE];
    size_t n = 0;

    if (EVP_Q_digest(NULL, name, NULL, in->p, in->left, md, &n) != 1)
        return CLOISTER_E_CRYPTO;
    return put(out, CLO_DER_OCTETS, md, n);
}

static int put_id(struct clo_buf *out, const struct clo_ocsp_answer_spec *a,
                  const struct clo_cert *issuer)
{
    struct clo_buf id = clo_buf_init(MAX);
    int err;

    if ((err = put_hash_alg(&id, a->id_hash)) != 0 ||
        (err = put_hash(&id, a->id_hash, &a->cert->issuer)) != 0 ||
        (err = put_hash(&id, a->id_hash, &issuer->key_bits)) != 0 ||
        (err = put(&id, CLO_DER_INTEGER, a->cert->serial.p, a->cert->serial.left)) != 0 ||
        (err = wrap(out, CLO_DER_SEQUENCE, &id)) != 0)
        clo_buf_clear(&id);
    return err;
}

static int put_status(struct clo_buf *out, const struct clo_ocsp_answer_spec *a)
{
    const uint8_t reason[] = {CLO_DER_ENUMERATED, 1, a->reason};
    struct clo_buf revoked = clo_buf_init(MAX);
    int err;

    if (a->status != CLO_OCSP_REVOKED)
        return put(out, a->status == CLO_OCSP_GOOD ? 0x80 : 0x82, NULL, 0);
    if ((err = put_time(&revoked, a->this_update)) != 0 ||
        (a->has_reason && (err = put(&revoked, CLO_DER_CONTEXT(0), reason, sizeof reason)) != 0) ||
        (err = wrap(out, CLO_DER_CONTEXT(1), &revoked)) != 0)
        clo_buf_clear(&revoked);
    return err;
}

static int put_answer(struct clo_buf *out, const struct clo_ocsp_answer_spec *a,
                      const struct clo_cert *issuer)
{
    struct clo_buf single = clo_buf_init(MAX), next = clo_buf_init(MAX);
    int err;

    if ((err = put_id(&single, a, a->issuer != NULL ? a->issuer : issuer)) != 0 ||
        (err = put_status(&single, a)) != 0 || (err = put_time(&single, a->this_update)) != 0 ||
        (a->next_update != INT64_MIN && ((err = put_time(&next, a->next_update)) != 0 ||
                                         (err = wrap(&single, CLO_DER_CONTEXT(0), &next)) != 0)) ||
        (err = wrap(out, CLO_DER_SEQUENCE, &single)) != 0) {
        clo_buf_clear(&next);
        clo_buf_clear(&single);
    }
    return err;
}

/* ---- the response ---- */

static int put_responder(struct clo_buf *out, const struct clo_cert *c, bool by_name)
{
    struct clo_buf id = clo_buf_init(MAX);
    int err;

    if (by_name)
        return put(out, CLO_DER_CONTEXT(1), c->subject.p, c->subject.left);
    if ((err = put_hash(&id, CLO_MAKE_SHA1, &c->key_bits)) != 0 ||
        (err = wrap(out, CLO_DER_CONTEXT(2), &id)) != 0)
        clo_buf_clear(&id);
    return err;
}

/* ResponseData */
static int put_data(struct clo_buf *out, const struct clo_ocsp_spec *spec,
                    const struct clo_cert *responder)
{
    struct clo_buf data = clo_buf_init(MAX), list = clo_buf_init(MAX);
    int err = put_responder(&data, responder, spec->by_name);

    if (err == 0)
        err = put_time(&data, spec->produced_at);
    for (size_t i = 0; err == 0 && i < spec->answers; i++)
        err = put_answer(&list, &spec->answer[i], spec->issuer);
    if (err == 0 && (err = wrap(&data, CLO_DER_SEQUENCE, &list)) == 0)
        err = wrap(out, CLO_DER_SEQUENCE, &data);
    clo_buf_clear(&list);
    clo_buf_clear(&data);
    return err;
}

static int put_signature_alg(struct clo_buf *out, const struct clo_signer *s, const char *hash)
{
    /* ecdsa-with-SHA1 (RFC 3279) has an arc of its own; the others' last byte says the hash */
    static const uint8_t ecdsa_sha1[] = {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01};
    uint8_t ecdsa[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0};
    uint8_t rsa[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0, 0x05, 0x00};
    const bool sha1 = strcmp(hash, "SHA1") == 0;
    const int i = strcmp(hash, "SHA256") == 0 ? 0 : strcmp(hash, "SHA384") == 0 ? 1 : 2;

    if (EVP_PKEY_is_a(s->key, "RSA") == 1) {
        rsa[10] = (uint8_t)(sha1 ? 5 : 11 + i);
        return put(out, CLO_DER_SEQUENCE, rsa, sizeof rsa);
    }
    if (sha1)
        return put(out, CLO_DER_SEQUENCE, ecdsa_sha1, sizeof ecdsa_sha1);
    ecdsa[9] = (uint8_t)(2 + i);
    return put(out, CLO_DER_SEQUENCE, ecdsa, sizeof ecdsa);
}

/* BasicOCSPResponse's content */
static int put_basic(struct clo_buf *out, const struct clo_ocsp_spec *spec)
{
    static const uint8_t no_unused_bits = 0;
    const struct clo_cert *responder = spec->responder != NULL ? spec->responder : spec->issuer;
    const char *hash = clo_make_hash(spec->signer, spec->sig);
    struct clo_buf sig = clo_buf_init(MAX), certs = clo_buf_init(MAX), list = clo_buf_init(MAX);
    size_t from = out->len;
    int err;

    if (spec->sig == CLO_MAKE_DEFAULT && EVP_PKEY_get_bits(spec->signer->key) != 384)
        hash = "SHA256";
    if ((err = put_data(out, spec, responder)) != 0 ||
        (err = clo_buf_append(&sig, &no_unused_bits, 1)) != 0 ||
        (err = clo_make_sign(spec->signer, hash, out->p + from, out->len - from, &sig)) != 0 ||
        (err = put_signature_alg(out, spec->signer, hash)) != 0 ||
        (err = wrap(out, CLO_DER_BIT_STRING, &sig)) != 0)
        goto out;
    if (spec->responder != NULL &&
        ((err = clo_buf_append(&list, responder->der, responder->der_n)) != 0 ||
         (err = wrap(&certs, CLO_DER_SEQUENCE, &list)) != 0))
        goto out;
    if (spec->responder != NULL)
        err = wrap(out, CLO_DER_CONTEXT(0), &certs);
out:
    clo_buf_clear(&sig);
    clo_buf_clear(&certs);
    clo_buf_clear(&list);
    return err;
}

int clo_ocsp_make(const struct clo_ocsp_spec *spec, struct clo_buf *out)
{
    static const uint8_t type[] = {0x06, 0x09, 0x2b, 0x06, 0x01, 0x05,
                                   0x05, 0x07, 0x30, 0x01, 0x01};
    static const uint8_t successful[] = {CLO_DER_ENUMERATED, 1, 0};
    struct clo_buf a = clo_buf_init(MAX), b = clo_buf_init(MAX);
    int err;

    if ((err = put_basic(&a, spec)) != 0 || (err = wrap(&b, CLO_DER_SEQUENCE, &a)) != 0 ||
        (err = clo_buf_append(&a, type, sizeof type)) != 0 ||
        (err = wrap(&a, CLO_DER_OCTETS, &b)) != 0 ||
        (err = wrap(&b, CLO_DER_SEQUENCE, &a)) != 0 || /* ResponseBytes */
        (err = clo_buf_append(&a, successful, sizeof successful)) != 0 ||
        (err = wrap(&a, CLO_DER_CONTEXT(0), &b)) != 0)
        goto out;
    err = wrap(out, CLO_DER_SEQUENCE, &a);
out:
    clo_buf_clear(&a);
    clo_buf_clear(&b);
    return err;
}
