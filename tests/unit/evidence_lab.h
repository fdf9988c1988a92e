/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole evidence around a laboratory's report or quote: whole_begin() makes the sections that it has to cover, whole_verify() takes the
 * finished `cpu` section and judges all six. Include after <cmocka.h>.
 */
#ifndef CLO_TEST_EVIDENCE_LAB_H
#define CLO_TEST_EVIDENCE_LAB_H

#include <string.h>

#include <cloister/verify.h>

#include "attest/sections.h"
#include "codec/ohttp.h"

struct whole {
    struct clo_buf sec[CLO_SEC_COUNT];
    struct cloister_nonce ours;
    int64_t now;
};

static inline void whole_keys(struct whole *w, uint8_t which)
{
    struct clo_keys_section keys = {.created = w->now - 600, .expires = w->now + 1200};
    struct clo_ohttp_keyconf conf = {.key_id = which, .kem = CLO_KEM_XWING, .suites = 1};
    struct clo_wr wr = clo_wr_init(keys.ohttp_keys, sizeof keys.ohttp_keys);
    const uint8_t seed[32] = {which};

    conf.suite[0].kdf = CLO_KDF_HKDF_SHA256;
    conf.suite[0].aead = CLO_AES_256_GCM;
    assert_int_equal(clo_kem_public(CLO_KEM_XWING, seed, conf.pk), 0);
    assert_int_equal(clo_ohttp_keys_write(&conf, 1, &wr), 0);
    keys.ohttp_keys_n = wr.len;
    memcpy(keys.gateway, "/r/0123456789abcdef", 20);
    memset(keys.receipt_key, 9, 32);
    clo_buf_clear(&w->sec[CLO_SEC_KEYS]);
    w->sec[CLO_SEC_KEYS] = clo_buf_init(CLO_SECTION_MAX);
    assert_int_equal(clo_keys_section_write(&keys, &w->sec[CLO_SEC_KEYS]), 0);
}

/* All but `cpu` and `collateral`; data: what the hardware has to cover. No device is listed. */
static inline void whole_begin(struct whole *w, int64_t now, uint8_t data[64])
{
    const struct clo_manifest manifest = {
        .release = "0.1.0",
        .engine_name = "llama-server",
        .engine_version = "b1",
        .managed = true,
        .upstream = "unix",
        .model = "Some Model",
        .prefix_cache = "credential",
        .shape = CLO_SHAPING_FULL,
    };
    const uint8_t nonce[2][32] = {{1}, {2}};
    struct clo_batch_section batch;
    uint8_t digest[3][32];

    *w = (struct whole){.now = now, .ours.sent_at = now - 2};
    memcpy(w->ours.bytes, nonce[1], 32);
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        w->sec[i] = clo_buf_init(CLO_SECTION_MAX);
    whole_keys(w, 1);
    assert_int_equal(clo_manifest_write(&manifest, &w->sec[CLO_SEC_MANIFEST]), 0);
    assert_int_equal(clo_devices_section_write_empty(&w->sec[CLO_SEC_DEVICES]), 0);
    assert_int_equal(clo_batch_make(nonce, 2, 1, &batch), 0);
    assert_int_equal(clo_batch_section_write(&batch, &w->sec[CLO_SEC_BATCH]), 0);
    for (unsigned i = CLO_SEC_KEYS; i <= CLO_SEC_DEVICES; i++)
        assert_int_equal(clo_sha256(w->sec[i].p, w->sec[i].len, digest[i]), 0);
    assert_int_equal(clo_bind_cpu(batch.root, digest[0], digest[1], digest[2], data), 0);
}

static inline int whole_verify(struct whole *w, const struct clo_cpu_section *cpu,
                               const struct clo_collateral *collateral,
                               const struct cloister_policy *policy,
                               const struct cloister_roots *roots, struct cloister_verdict *v)
{
    struct clo_section_ref ref[CLO_SEC_COUNT] = {0};
    struct clo_buf doc = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    struct cloister_evidence *e = NULL;
    int err;

    assert_int_equal(clo_cpu_section_write(cpu, &w->sec[CLO_SEC_CPU]), 0);
    assert_int_equal(clo_collateral_write(collateral, &w->sec[CLO_SEC_COLLATERAL]), 0);
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        ref[i] = (struct clo_section_ref){.p = w->sec[i].p, .n = w->sec[i].len};
    assert_int_equal(clo_evidence_write(ref, &doc), 0);
    assert_int_equal(cloister_evidence_parse(doc.p, doc.len, &e), 0);
    err = cloister_evidence_verify(e, &w->ours, policy, roots, w->now, v);
    cloister_evidence_free(e);
    clo_buf_clear(&doc);
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        clo_buf_clear(&w->sec[i]);
    return err;
}

/* The names of the checks with this status, with a blank between. */
static inline void whole_names(const struct cloister_verdict *v, enum cloister_check_status status,
                               char *dst, size_t cap)
{
    dst[0] = '\0';
    for (size_t i = 0; i < v->checks; i++) {
        if (v->check[i].status != status)
            continue;
        if (dst[0] != '\0')
            strncat(dst, " ", cap - strlen(dst) - 1);
        strncat(dst, cloister_check_name(v->check[i].id), cap - strlen(dst) - 1);
    }
}

#endif
