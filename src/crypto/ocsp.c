/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCSP responses (RFC 6960 section 4.2.1), read by the bounded reader as strict DER; only certificates inside go to
 * libcrypto. A chain walker's rule holds here too: what signs must have been signed by the very issuer of the certificate
 * in question, so that neither another authority nor the certificate itself can speak for it.
 *
 * Limits: CLO_OCSP_DER_MAX, ANSWERS_MAX answers, CERTS_MAX certificates. Fuzzed by fuzz/fuzz_ocsp.c.
 */
#include "crypto/ocsp.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/x509_in.h"

#define ANSWERS_MAX 32
#define CERTS_MAX   4

/* One SingleResponse. */
struct single {
    struct clo_rd hash_alg, name_hash, key_hash, serial; /* CertID */
    struct clo_ocsp_answer answer;
};

/* der is a copy of what was received; readers point into it. */
struct clo_ocsp {
    uint8_t *der;
    struct clo_rd tbs; /* the signed part with its header */
    struct clo_rd alg; /* AlgorithmIdentifier's content */
    struct clo_rd sig;
    bool by_name;            /* how the responder is named: */
    struct clo_rd responder; /* a Name with its header, or a key's SHA-1 */
    struct single single[ANSWERS_MAX];
    size_t singles;
    struct clo_rd cert[CERTS_MAX]; /* with their headers */
    size_t certs;
};

static const uint8_t basic_oid[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01};

/* None that is critical is known (RFC 6960 section 4.4). */
static int extensions_read(struct clo_rd *rd, uint8_t tag)
{
    struct clo_rd list;
    int err;

    if ((err = clo_der_exts(rd, tag, &list)) != 0)
        return err;
    return clo_der_any_critical(list) ? CLOISTER_E_UNSUPPORTED : 0;
}

/* certStatus: good [0] NULL, revoked [1] { time, reason [0] OPTIONAL }, unknown [2] NULL, all tags implicit. */
static int status_read(struct clo_rd *rd, struct clo_ocsp_answer *ret)
{
    struct clo_rd body, reason, code;
    int64_t when;
    int err;

    if (clo_der_next_is(rd, 0x80) || clo_der_next_is(rd, 0x82)) {
        ret->status = rd->p[0] == 0x80 ? CLO_OCSP_GOOD : CLO_OCSP_UNKNOWN;
        if ((err = clo_der_read(rd, rd->p[0], &body)) != 0)
            return err;
        return body.left == 0 ? 0 : CLOISTER_E_MALFORMED;
    }
    ret->status = CLO_OCSP_REVOKED;
    if ((err = clo_der_read(rd, CLO_DER_CONTEXT(1), &body)) != 0 ||
        (err = clo_der_generalized_time(&body, &when)) != 0)
        return err;
    if (body.left == 0)
        return 0;
    if ((err = clo_der_read(&body, CLO_DER_CONTEXT(0), &reason)) != 0 ||
        (err = clo_rd_end(&body)) != 0 ||
        (err = clo_der_read(&reason, CLO_DER_ENUMERATED, &code)) != 0 ||
        (err = clo_rd_end(&reason)) != 0)
        return err;
    if (code.left != 1)
        return CLOISTER_E_MALFORMED;
    ret->hold = code.p[0] == 6; /* CRLReason certificateHold (RFC 5280 section 5.3.1) */
    return 0;
}

static int id_read(struct clo_rd *rd, struct single *ret)
{
    struct clo_rd id;
    int err;

    if ((err = clo_der_read(rd, CLO_DER_SEQUENCE, &id)) != 0 ||
        (err = clo_der_read(&id, CLO_DER_SEQUENCE, &ret->hash_alg)) != 0 ||
        (err = clo_der_read(&id, CLO_DER_OCTETS, &ret->name_hash)) != 0 ||
        (err = clo_der_read(&id, CLO_DER_OCTETS, &ret->key_hash)) != 0 ||
        (err = clo_der_integer(&id, &ret->serial)) != 0)
        return err;
    return clo_rd_end(&id);
}

static int single_read(struct clo_rd *rd, struct single *ret)
{
    struct single s = {.answer.next_update = INT64_MIN};
    struct clo_rd body, next;
    int err;

    if ((err = clo_der_read(rd, CLO_DER_SEQUENCE, &body)) != 0 || (err = id_read(&body, &s)) != 0 ||
        (err = status_read(&body, &s.answer)) != 0 ||
        (err = clo_der_generalized_time(&body, &s.answer.this_update)) != 0)
        return err;
    if (clo_der_next_is(&body, CLO_DER_CONTEXT(0)) &&
        ((err = clo_der_read(&body, CLO_DER_CONTEXT(0), &next)) != 0 ||
         (err = clo_der_generalized_time(&next, &s.answer.next_update)) != 0 ||
         (err = clo_rd_end(&next)) != 0))
        return err;
    if ((err = extensions_read(&body, CLO_DER_CONTEXT(1))) != 0 || (err = clo_rd_end(&body)) != 0)
        return err;
    *ret = s;
    return 0;
}

/*
 * Who signs speaks for one authority's certificates, so that a response about several's would be good for one at most. Refusing it
 * whole bounds the signatures that have to be verified: a response has one issuer to ask.
 */
static bool same_issuer(const struct single *a, const struct single *b)
{
    return clo_der_same(&a->hash_alg, &b->hash_alg) && clo_der_same(&a->name_hash, &b->name_hash) &&
           clo_der_same(&a->key_hash, &b->key_hash);
}

/* ResponderID: byName [1] Name, byKey [2] OCTET STRING, tags explicit. */
static int responder_read(struct clo_rd *rd, struct clo_ocsp *o)
{
    struct clo_rd body, skip;
    int err;

    o->by_name = clo_der_next_is(rd, CLO_DER_CONTEXT(1));
    if (o->by_name) {
        if ((err = clo_der_read(rd, CLO_DER_CONTEXT(1), &body)) != 0 ||
            (err = clo_der_whole(&body, CLO_DER_SEQUENCE, &skip, &o->responder)) != 0)
            return err;
    } else if ((err = clo_der_read(rd, CLO_DER_CONTEXT(2), &body)) != 0 ||
               (err = clo_der_read(&body, CLO_DER_OCTETS, &o->responder)) != 0) {
        return err;
    }
    return clo_rd_end(&body);
}

/* ResponseData. Its version's default is the only one, so that DER leaves it out. */
static int data_read(struct clo_rd *rd, struct clo_ocsp *o)
{
    struct clo_rd body, list;
    int64_t produced_at;
    int err;

    if ((err = clo_der_whole(rd, CLO_DER_SEQUENCE, &body, &o->tbs)) != 0 ||
        (err = responder_read(&body, o)) != 0 ||
        (err = clo_der_generalized_time(&body, &produced_at)) != 0 ||
        (err = clo_der_read(&body, CLO_DER_SEQUENCE, &list)) != 0)
        return err;
    while (list.left > 0) {
        if (o->singles == ANSWERS_MAX)
            return CLOISTER_E_LIMIT;
        if ((err = single_read(&list, &o->single[o->singles])) != 0)
            return err;
        if (!same_issuer(&o->single[0], &o->single[o->singles]))
            return CLOISTER_E_UNSUPPORTED;
        o->singles++;
    }
    if ((err = extensions_read(&body, CLO_DER_CONTEXT(1))) != 0)
        return err;
    return clo_rd_end(&body);
}

static int certs_read(struct clo_rd *rd, struct clo_ocsp *o)
{
    struct clo_rd outer, list, skip;
    int err;

    if (!clo_der_next_is(rd, CLO_DER_CONTEXT(0)))
        return 0;
    if ((err = clo_der_read(rd, CLO_DER_CONTEXT(0), &outer)) != 0 ||
        (err = clo_der_read(&outer, CLO_DER_SEQUENCE, &list)) != 0 ||
        (err = clo_rd_end(&outer)) != 0)
        return err;
    while (list.left > 0) {
        if (o->certs == CERTS_MAX)
            return CLOISTER_E_LIMIT;
        if ((err = clo_der_whole(&list, CLO_DER_SEQUENCE, &skip, &o->cert[o->certs])) != 0)
            return err;
        o->certs++;
    }
    return 0;
}

static int response_read(struct clo_rd rd, struct clo_ocsp *o)
{
    struct clo_rd response, status, bytes, inner, type, octets, basic;
    int err;

    if ((err = clo_der_read(&rd, CLO_DER_SEQUENCE, &response)) != 0 ||
        (err = clo_rd_end(&rd)) != 0 ||
        (err = clo_der_read(&response, CLO_DER_ENUMERATED, &status)) != 0)
        return err;
    if (status.left != 1)
        return CLOISTER_E_MALFORMED;
    if (status.p[0] != 0) /* successful */
        return CLOISTER_E_UNSUPPORTED;
    if ((err = clo_der_read(&response, CLO_DER_CONTEXT(0), &bytes)) != 0 ||
        (err = clo_rd_end(&response)) != 0 ||
        (err = clo_der_read(&bytes, CLO_DER_SEQUENCE, &inner)) != 0 ||
        (err = clo_rd_end(&bytes)) != 0 || (err = clo_der_read(&inner, CLO_DER_OID, &type)) != 0)
        return err;
    if (type.left != sizeof basic_oid || memcmp(type.p, basic_oid, sizeof basic_oid) != 0)
        return CLOISTER_E_UNSUPPORTED;
    if ((err = clo_der_read(&inner, CLO_DER_OCTETS, &octets)) != 0 ||
        (err = clo_rd_end(&inner)) != 0 ||
        (err = clo_der_read(&octets, CLO_DER_SEQUENCE, &basic)) != 0 ||
        (err = clo_rd_end(&octets)) != 0 || (err = data_read(&basic, o)) != 0 ||
        (err = clo_der_read(&basic, CLO_DER_SEQUENCE, &o->alg)) != 0 ||
        (err = clo_der_bits(&basic, &o->sig)) != 0 || (err = certs_read(&basic, o)) != 0)
        return err;
    return clo_rd_end(&basic);
}

int clo_ocsp_parse(const void *der, size_t n, struct clo_ocsp **ret)
{
    struct clo_ocsp *o = NULL;
    int err;

    if (n > CLO_OCSP_DER_MAX)
        return CLOISTER_E_LIMIT;
    if (n == 0)
        return CLOISTER_E_TRUNCATED;
    if ((o = calloc(1, sizeof *o)) == NULL)
        return CLOISTER_E_MEMORY;
    if ((o->der = malloc(n)) == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    memcpy(o->der, der, n);
    if ((err = response_read(clo_rd_init(o->der, n), o)) != 0)
        goto out;
    *ret = o;
    o = NULL;
out:
    clo_ocsp_free(o);
    return err;
}

void clo_ocsp_free(struct clo_ocsp *o)
{
    if (o != NULL)
        free(o->der);
    free(o);
}

/* ---- who signed ---- */

/* SHA-1 names a key here (RFC 6960 section 4.2.1); no security rests on it. */
static int sha1(const struct clo_rd *in, uint8_t ret[20])
{
    size_t n = 0;

    return EVP_Q_digest(NULL, "SHA1", NULL, in->p, in->left, ret, &n) == 1 && n == 20
               ? 0
               : CLOISTER_E_CRYPTO;
}

/* Is this the certificate that ResponderID names? */
static int is_responder(const struct clo_ocsp *o, const struct clo_cert *c, bool *ret)
{
    uint8_t hash[20];
    const struct clo_rd got = clo_rd_init(hash, sizeof hash);
    int err;

    if (o->by_name) {
        *ret = clo_der_same(&o->responder, &c->subject);
        return 0;
    }
    if ((err = sha1(&c->key_bits, hash)) == 0)
        *ret = clo_der_same(&o->responder, &got);
    return err;
}

/* A signature by one of the algorithms that are good enough: no SHA-1, no RSA below 2048 bits, no PSS. */
static int signature_check(const struct clo_rd *id, const struct clo_cert *signer,
                           const struct clo_rd *msg, const struct clo_rd *sig)
{
    struct clo_sig_alg alg;

    if (clo_sig_alg_read(id, &alg) != 0 || alg.scheme == CLO_KEY_RSAPSS ||
        !clo_sig_alg_fits(&alg, signer->key, signer->kind))
        return CLOISTER_E_AUTH;
    return clo_sig_verify(&alg, signer->key, msg->p, msg->left, sig->p, sig->left);
}

/*
 * A delegated responder (RFC 6960 section 4.2.2.2): OCSPSigning itself, and not any purpose. Its own revocation can't be asked
 * for here; that its life is short is the authority's business, and its end is the caller's limit.
 */
static bool may_respond(const struct clo_cert *c, const struct clo_cert *issuer, int64_t now)
{
    return c->ocsp_signing && (c->key_usage & CLO_KU_DIGITAL_SIGNATURE) != 0 && c->same_alg &&
           clo_name_same(&c->issuer, &issuer->subject) && c->not_before <= now &&
           now < c->not_after;
}

/* *tried: it is who the response names, fit for it, and so the only one to verify signatures for. */
static int delegated_check(const struct clo_ocsp *o, const struct clo_cert *c,
                           const struct clo_cert *issuer, int64_t now, bool *tried)
{
    bool named = false;
    int err;

    if ((err = is_responder(o, c, &named)) != 0)
        return err;
    if (!named || !clo_cert_is_ca(issuer) || !may_respond(c, issuer, now))
        return CLOISTER_E_AUTH;
    *tried = true;
    if ((err = signature_check(&c->alg, issuer, &c->tbs, &c->sig)) != 0)
        return err;
    return signature_check(&o->alg, c, &o->tbs, &o->sig);
}

int clo_ocsp_signed_by(const struct clo_ocsp *o, const struct clo_cert *issuer, int64_t now,
                       int64_t *ret_until)
{
    bool named = false, tried = false;
    int err;

    if ((err = is_responder(o, issuer, &named)) != 0)
        return err;
    if (named && (err = signature_check(&o->alg, issuer, &o->tbs, &o->sig)) != CLOISTER_E_AUTH) {
        if (err == 0)
            *ret_until = INT64_MAX;
        return err;
    }
    for (size_t i = 0; i < o->certs && !tried; i++) {
        struct clo_cert *c = NULL;

        err = clo_cert_parse_eku(o->cert[i].p, o->cert[i].left, &c);
        if (err == 0 && (err = delegated_check(o, c, issuer, now, &tried)) == 0)
            *ret_until = c->not_after;
        clo_cert_free(c);
        if (err == 0 || err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO)
            return err;
    }
    return CLOISTER_E_AUTH;
}

/* ---- what it says ---- */

/* The hash of a CertID: 0, or CLOISTER_E_UNSUPPORTED for another; parameters NULL or absent (RFC 4055 section 2.1). */
static int id_hash(const struct clo_rd *alg, const struct clo_rd *in, uint8_t ret[CLO_SHA384_LEN],
                   size_t *ret_n)
{
    static const uint8_t sha1_oid[] = {0x2b, 0x0e, 0x03, 0x02, 0x1a};
    static const uint8_t sha256_oid[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01};
    static const uint8_t sha384_oid[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02};
    const struct clo_rd s1 = clo_rd_init(sha1_oid, sizeof sha1_oid);
    const struct clo_rd s256 = clo_rd_init(sha256_oid, sizeof sha256_oid);
    const struct clo_rd s384 = clo_rd_init(sha384_oid, sizeof sha384_oid);
    const struct clo_slice slice = {in->p, in->left};
    struct clo_rd rd = *alg, oid;

    if (clo_der_read(&rd, CLO_DER_OID, &oid) != 0 ||
        !(rd.left == 0 || (rd.left == 2 && rd.p[0] == 5 && rd.p[1] == 0)))
        return CLOISTER_E_UNSUPPORTED;
    if (clo_der_same(&oid, &s1)) {
        *ret_n = 20;
        return sha1(in, ret);
    }
    if (clo_der_same(&oid, &s256)) {
        *ret_n = CLO_SHA256_LEN;
        return clo_hash(CLO_SHA256, &slice, 1, ret);
    }
    if (clo_der_same(&oid, &s384)) {
        *ret_n = CLO_SHA384_LEN;
        return clo_hash(CLO_SHA384, &slice, 1, ret);
    }
    return CLOISTER_E_UNSUPPORTED;
}

/* Does the CertID name this issuer? */
static int issuer_matches(const struct single *s, const struct clo_cert *c,
                          const struct clo_cert *issuer, bool *ret)
{
    uint8_t name[CLO_SHA384_LEN], key[CLO_SHA384_LEN];
    struct clo_rd got_name, got_key;
    size_t n = 0;
    int err;

    *ret = false;
    if ((err = id_hash(&s->hash_alg, &c->issuer, name, &n)) != 0 ||
        (err = id_hash(&s->hash_alg, &issuer->key_bits, key, &n)) != 0)
        return err == CLOISTER_E_UNSUPPORTED ? 0 : err;
    got_name = clo_rd_init(name, n);
    got_key = clo_rd_init(key, n);
    *ret = clo_der_same(&s->name_hash, &got_name) && clo_der_same(&s->key_hash, &got_key);
    return 0;
}

int clo_ocsp_find(const struct clo_ocsp *o, const struct clo_cert *c, const struct clo_cert *issuer,
                  struct clo_ocsp_answer *ret)
{
    const struct single *found = NULL;
    bool several = false, matches = false;
    int err;

    for (size_t i = 0; i < o->singles; i++) {
        if (!clo_der_same(&o->single[i].serial, &c->serial))
            continue;
        several = several || found != NULL;
        found = &o->single[i];
    }
    if (found == NULL)
        return CLOISTER_E_NOT_FOUND;
    if ((err = issuer_matches(found, c, issuer, &matches)) != 0)
        return err;
    if (!matches)
        return CLOISTER_E_NOT_FOUND;
    if (several)
        return CLOISTER_E_DUPLICATE;
    *ret = found->answer;
    return 0;
}

static bool single_replaces(const struct single *s, const struct single *other)
{
    return clo_der_same(&s->hash_alg, &other->hash_alg) &&
           clo_der_same(&s->name_hash, &other->name_hash) &&
           clo_der_same(&s->key_hash, &other->key_hash) &&
           clo_der_same(&s->serial, &other->serial) &&
           s->answer.this_update >= other->answer.this_update;
}

bool clo_ocsp_replaces(const struct clo_ocsp *o, const struct clo_ocsp *other)
{
    for (size_t i = 0; i < other->singles; i++) {
        size_t k = 0;

        while (k < o->singles && !single_replaces(&o->single[k], &other->single[i]))
            k++;
        if (k == o->singles)
            return false;
    }
    return true;
}

int64_t clo_ocsp_end(const struct clo_ocsp *o)
{
    int64_t end = INT64_MAX;

    for (size_t i = 0; i < o->singles; i++)
        if (o->single[i].answer.next_update < end)
            end = o->single[i].answer.next_update;
    return end;
}

/* ---- asking ---- */

#define REQUEST_MAX    1024
#define REQUEST_LEVELS 4 /* around a CertID: Request, requestList, TBSRequest, OCSPRequest */

static int der_put(struct clo_wr *wr, uint8_t tag, const void *p, size_t n)
{
    int err;

    if (n > UINT16_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = clo_wr_u8(wr, tag)) != 0)
        return err;
    if (n < 0x80)
        err = clo_wr_u8(wr, (uint8_t)n);
    else if (n <= UINT8_MAX)
        err = clo_wr_u16be(wr, (uint16_t)(0x8100 | n));
    else if ((err = clo_wr_u8(wr, 0x82)) == 0)
        err = clo_wr_u16be(wr, (uint16_t)n);
    return err != 0 ? err : clo_wr_bytes(wr, p, n);
}

int clo_ocsp_request_make(const struct clo_cert *c, const struct clo_cert *issuer,
                          struct clo_wr *wr)
{
    static const uint8_t sha384[] = {0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
                                     0x03, 0x04, 0x02, 0x02, 0x05, 0x00};
    const struct clo_rd alg = clo_rd_init(sha384, sizeof sha384);
    uint8_t buf[2][REQUEST_MAX], name[CLO_SHA384_LEN], key[CLO_SHA384_LEN];
    struct clo_wr in = clo_wr_init(buf[0], REQUEST_MAX);
    size_t n = 0;
    int err;

    if ((err = id_hash(&alg, &c->issuer, name, &n)) != 0 ||
        (err = id_hash(&alg, &issuer->key_bits, key, &n)) != 0 ||
        (err = der_put(&in, CLO_DER_SEQUENCE, sha384, sizeof sha384)) != 0 ||
        (err = der_put(&in, CLO_DER_OCTETS, name, n)) != 0 ||
        (err = der_put(&in, CLO_DER_OCTETS, key, n)) != 0 ||
        (err = der_put(&in, CLO_DER_INTEGER, c->serial.p, c->serial.left)) != 0)
        return err;
    for (size_t i = 1; i <= REQUEST_LEVELS; i++) {
        struct clo_wr out = clo_wr_init(buf[i % 2], REQUEST_MAX);

        if ((err = der_put(&out, CLO_DER_SEQUENCE, in.p, in.len)) != 0)
            return err;
        in = out;
    }
    return der_put(wr, CLO_DER_SEQUENCE, in.p, in.len);
}

/* Exactly what clo_ocsp_request_make makes, of any hash. */
static int request_read(struct clo_rd rd, struct single *ret)
{
    struct clo_rd body;
    int err;

    for (size_t i = 0; i < REQUEST_LEVELS; i++) {
        if ((err = clo_der_read(&rd, CLO_DER_SEQUENCE, &body)) != 0 || (err = clo_rd_end(&rd)) != 0)
            return err;
        rd = body;
    }
    if ((err = id_read(&rd, ret)) != 0)
        return err;
    return clo_rd_end(&rd);
}

/* Is it about the certificate that is asked for, as far as one can tell who has none at hand? */
static bool is_asked_for(const struct single *s, const struct single *want)
{
    struct clo_rd a = s->hash_alg, b = want->hash_alg, x, y;

    if (!clo_der_same(&s->serial, &want->serial) || clo_der_read(&a, CLO_DER_OID, &x) != 0 ||
        clo_der_read(&b, CLO_DER_OID, &y) != 0)
        return false;
    return !clo_der_same(&x, &y) || (clo_der_same(&s->name_hash, &want->name_hash) &&
                                     clo_der_same(&s->key_hash, &want->key_hash));
}

int clo_ocsp_of_request(const struct clo_ocsp *o, const void *request, size_t n,
                        struct clo_ocsp_answer *ret, int64_t *ret_until)
{
    const struct single *found = NULL;
    struct single want;
    int64_t until;

    if (request_read(clo_rd_init(request, n), &want) != 0)
        return CLOISTER_E_MALFORMED;
    for (size_t i = 0; i < o->singles; i++) {
        const struct single *s = &o->single[i];

        if (!is_asked_for(s, &want))
            continue;
        if (found != NULL)
            return CLOISTER_E_DUPLICATE;
        found = s;
    }
    if (found == NULL)
        return CLOISTER_E_NOT_FOUND;
    until = found->answer.next_update;
    for (size_t i = 0; i < o->certs; i++) {
        struct clo_cert *c = NULL;
        const int err = clo_cert_parse_eku(o->cert[i].p, o->cert[i].left, &c);

        if (err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO)
            return err;
        if (err == 0 && c->not_after < until)
            until = c->not_after;
        clo_cert_free(c);
    }
    *ret = found->answer;
    *ret_until = until;
    return 0;
}
