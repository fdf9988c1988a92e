/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verdict as bytes, between the process that judges and the one that asked: see judge.h. Numbers little-endian, texts with their length in two bytes,
 * in the order of <cloister/verify.h>. At most 128 checks with three texts of less than 200 bytes each. Fuzzed by fuzz/fuzz_verdict.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "base/secret.h"
#include "client/judge.h"

enum {
    AGE_MAX_S = 3600, /* of a verdict, whatever a policy says (docs/PROTOCOL.md section 1.5) */
    PACKED_MAX = 1 << 17
};

/* ---- out ---- */

static int put_text(struct clo_wr *wr, const char *s, size_t cap)
{
    const size_t n = strnlen(s, cap);
    int err = clo_wr_u16le(wr, (uint16_t)n);

    return err != 0 ? err : clo_wr_bytes(wr, s, n);
}

static int put_check(struct clo_wr *wr, const struct cloister_check *c)
{
    int err;

    if ((err = clo_wr_u32le(wr, (uint32_t)c->id)) != 0 ||
        (err = clo_wr_u8(wr, (uint8_t)c->status)) != 0 ||
        (err = put_text(wr, c->expected, sizeof(c->expected))) != 0 ||
        (err = put_text(wr, c->actual, sizeof(c->actual))) != 0)
        return err;
    return put_text(wr, c->reason, sizeof(c->reason));
}

static int put_channel(struct clo_wr *wr, const struct cloister_verdict *v)
{
    int err;

    if ((err = clo_wr_u16le(wr, (uint16_t)v->ohttp_keys_n)) != 0 ||
        (err = clo_wr_bytes(wr, v->ohttp_keys, v->ohttp_keys_n)) != 0 ||
        (err = put_text(wr, v->gateway, sizeof(v->gateway))) != 0 ||
        (err = clo_wr_bytes(wr, v->receipt_key, sizeof(v->receipt_key))) != 0 ||
        (err = clo_wr_u8(wr, (uint8_t)v->aeads)) != 0)
        return err;
    for (size_t i = 0; i < v->aeads && err == 0; i++)
        err = clo_wr_u16le(wr, v->aead[i]);
    if (err != 0 || (err = clo_wr_u8(wr, v->allow_x25519)) != 0 ||
        (err = put_text(wr, v->model, sizeof(v->model))) != 0 ||
        (err = clo_wr_bytes(wr, v->measurement, sizeof(v->measurement))) != 0)
        return err;
    if ((err = clo_wr_u32le(wr, v->request_max)) != 0)
        return err;
    return clo_wr_u8(wr, (uint8_t)v->shape);
}

static int put_all(struct clo_wr *wr, const struct cloister_verdict *v)
{
    int err;

    if ((err = clo_wr_u8(wr, (uint8_t)v->outcome)) != 0 ||
        (err = clo_wr_u8(wr, (uint8_t)v->freshness)) != 0 ||
        (err = put_text(wr, v->type, sizeof(v->type))) != 0 ||
        (err = clo_wr_u8(wr, v->simulated)) != 0 ||
        (err = clo_wr_u64le(wr, (uint64_t)v->checked_at)) != 0 ||
        (err = clo_wr_u64le(wr, (uint64_t)v->valid_until)) != 0 ||
        (err = clo_wr_bytes(wr, v->evidence_digest, sizeof(v->evidence_digest))) != 0 ||
        (err = clo_wr_bytes(wr, v->keys_digest, sizeof(v->keys_digest))) != 0 ||
        (err = clo_wr_bytes(wr, v->manifest_digest, sizeof(v->manifest_digest))) != 0 ||
        (err = clo_wr_bytes(wr, v->policy_digest, sizeof(v->policy_digest))) != 0 ||
        (err = clo_wr_u16le(wr, (uint16_t)v->checks)) != 0)
        return err;
    for (size_t i = 0; i < v->checks && err == 0; i++)
        err = put_check(wr, &v->check[i]);
    return err != 0 ? err : put_channel(wr, v);
}

int clo_verdict_pack(const struct cloister_verdict *v, struct clo_buf *out)
{
    struct clo_wr wr;
    uint8_t *p = NULL;
    int err;

    /* A member more takes from these, and has to travel as well. */
    _Static_assert(sizeof(v->reserved) == 62 * sizeof(uint64_t), "every member is packed");
    if (v->checks > CLOISTER_CHECKS_MAX || v->shape > CLOISTER_SHAPING_FULL ||
        v->ohttp_keys_n > sizeof(v->ohttp_keys) || v->aeads > CLO_ARRAY_LEN(v->aead))
        return CLOISTER_E_ARGUMENT;
    if ((err = clo_buf_reserve(out, PACKED_MAX, &p)) != 0)
        return err;
    wr = clo_wr_init(p, PACKED_MAX);
    if ((err = put_all(&wr, v)) == 0)
        clo_buf_commit(out, wr.len);
    return err;
}

/* ---- in ---- */

static int take_number(struct clo_rd *rd, uint8_t max, uint8_t *ret)
{
    uint8_t v = 0;
    int err = clo_rd_u8(rd, &v);

    if (err == 0 && v > max)
        err = CLOISTER_E_MALFORMED;
    if (err == 0)
        *ret = v;
    return err;
}

static int take_flag(struct clo_rd *rd, bool *ret)
{
    uint8_t v = 0;
    int err = take_number(rd, 1, &v);

    if (err == 0)
        *ret = v == 1;
    return err;
}

static int take_time(struct clo_rd *rd, int64_t *ret)
{
    uint64_t v = 0;
    int err = clo_rd_u64le(rd, &v);

    if (err == 0 && v > INT64_MAX)
        err = CLOISTER_E_MALFORMED;
    if (err == 0)
        *ret = (int64_t)v;
    return err;
}

/* dst is all zero before. */
static int take_text(struct clo_rd *rd, char *dst, size_t cap)
{
    uint16_t n = 0;
    int err = clo_rd_u16le(rd, &n);

    if (err == 0 && n >= cap)
        err = CLOISTER_E_LIMIT;
    if (err == 0)
        err = clo_rd_bytes(rd, dst, n);
    if (err == 0 && (strlen(dst) != n || !clo_text_is_printable(dst, n)))
        err = CLOISTER_E_MALFORMED;
    return err;
}

static int take_check(struct clo_rd *rd, struct cloister_check *c)
{
    uint32_t id = 0;
    uint8_t status = 0;
    int err;

    if ((err = clo_rd_u32le(rd, &id)) != 0 ||
        (err = take_number(rd, CLOISTER_CHECK_MISSING, &status)) != 0 ||
        (err = take_text(rd, c->expected, sizeof(c->expected))) != 0 ||
        (err = take_text(rd, c->actual, sizeof(c->actual))) != 0 ||
        (err = take_text(rd, c->reason, sizeof(c->reason))) != 0)
        return err;
    if (id > INT16_MAX || *cloister_check_name((enum cloister_check_id)id) == 0 ||
        status == CLOISTER_CHECK_NONE)
        return CLOISTER_E_MALFORMED;
    c->id = (enum cloister_check_id)id;
    c->status = (enum cloister_check_status)status;
    return 0;
}

static int take_channel(struct clo_rd *rd, struct cloister_verdict *v)
{
    uint16_t keys_n = 0;
    uint8_t aeads = 0, shape = 0;
    int err;

    if ((err = clo_rd_u16le(rd, &keys_n)) != 0)
        return err;
    if (keys_n > sizeof(v->ohttp_keys))
        return CLOISTER_E_LIMIT;
    if ((err = clo_rd_bytes(rd, v->ohttp_keys, keys_n)) != 0 ||
        (err = take_text(rd, v->gateway, sizeof(v->gateway))) != 0 ||
        (err = clo_rd_bytes(rd, v->receipt_key, sizeof(v->receipt_key))) != 0 ||
        (err = take_number(rd, CLO_ARRAY_LEN(v->aead), &aeads)) != 0)
        return err;
    for (size_t i = 0; i < aeads && err == 0; i++)
        err = clo_rd_u16le(rd, &v->aead[i]);
    if (err != 0 || (err = take_flag(rd, &v->allow_x25519)) != 0 ||
        (err = take_text(rd, v->model, sizeof(v->model))) != 0 ||
        (err = clo_rd_bytes(rd, v->measurement, sizeof(v->measurement))) != 0 ||
        (err = clo_rd_u32le(rd, &v->request_max)) != 0 ||
        (err = take_number(rd, CLOISTER_SHAPING_FULL, &shape)) != 0)
        return err;
    v->shape = shape;
    v->ohttp_keys_n = keys_n;
    v->aeads = aeads;
    return 0;
}

static int take_all(struct clo_rd *rd, struct cloister_verdict *v)
{
    uint8_t outcome = 0, freshness = 0;
    uint16_t checks = 0;
    int err;

    if ((err = take_number(rd, CLOISTER_MALFORMED, &outcome)) != 0 ||
        (err = take_number(rd, CLOISTER_NOT_FRESH, &freshness)) != 0 ||
        (err = take_text(rd, v->type, sizeof(v->type))) != 0 ||
        (err = take_flag(rd, &v->simulated)) != 0 || (err = take_time(rd, &v->checked_at)) != 0 ||
        (err = take_time(rd, &v->valid_until)) != 0 ||
        (err = clo_rd_bytes(rd, v->evidence_digest, sizeof(v->evidence_digest))) != 0 ||
        (err = clo_rd_bytes(rd, v->keys_digest, sizeof(v->keys_digest))) != 0 ||
        (err = clo_rd_bytes(rd, v->manifest_digest, sizeof(v->manifest_digest))) != 0 ||
        (err = clo_rd_bytes(rd, v->policy_digest, sizeof(v->policy_digest))) != 0 ||
        (err = clo_rd_u16le(rd, &checks)) != 0)
        return err;
    if (checks > CLOISTER_CHECKS_MAX)
        return CLOISTER_E_LIMIT;
    for (size_t i = 0; i < checks && err == 0; i++)
        err = take_check(rd, &v->check[i]);
    v->checks = checks;
    v->outcome = (enum cloister_outcome)outcome;
    v->freshness = (enum cloister_freshness)freshness;
    if (err != 0 || (err = take_channel(rd, v)) != 0)
        return err;
    return clo_rd_end(rd);
}

/* What the process that asked knows by itself. */
static bool is_mine(const struct cloister_verdict *v, const uint8_t policy_digest[32],
                    const struct cloister_nonce *nonce, int64_t now)
{
    return v->outcome != CLOISTER_NOT_VERIFIED && v->checked_at == now &&
           memcmp(v->policy_digest, policy_digest, sizeof(v->policy_digest)) == 0 &&
           (nonce != NULL || v->freshness == CLOISTER_FRESHNESS_NOT_CHECKED);
}

/* Only what was verified has keys, and whatever wasn't checked or failed is no part of it. */
static bool agrees(const struct cloister_verdict *v, const struct cloister_nonce *nonce)
{
    if (v->outcome != CLOISTER_VERIFIED)
        return v->valid_until == 0 && v->ohttp_keys_n == 0 && v->aeads == 0 &&
               v->gateway[0] == '\0' && v->model[0] == '\0';
    for (size_t i = 0; i < v->checks; i++)
        if (v->check[i].status != CLOISTER_CHECK_PASS &&
            v->check[i].status != CLOISTER_CHECK_NOT_APPLICABLE)
            return false;
    return v->checks > 0 && v->ohttp_keys_n > 0 && v->gateway[0] == '/' &&
           (nonce == NULL || v->valid_until <= nonce->sent_at + AGE_MAX_S);
}

int clo_verdict_unpack(const void *p, size_t n, const uint8_t policy_digest[32],
                       const struct cloister_nonce *nonce, int64_t now,
                       struct cloister_verdict *ret)
{
    struct cloister_verdict *v = calloc(1, sizeof(*v));
    struct clo_rd rd = clo_rd_init(p, n);
    int err = CLOISTER_E_MEMORY;

    if (v == NULL)
        return err;
    err = take_all(&rd, v);
    if (err == 0 && (!is_mine(v, policy_digest, nonce, now) || !agrees(v, nonce)))
        err = CLOISTER_E_MALFORMED;
    if (err == 0)
        *ret = *v;
    free(v);
    return err;
}
