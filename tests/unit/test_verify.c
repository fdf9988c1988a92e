/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole evidence to a verdict: made by the simulator, and by a laboratory that stands for AMD, then with one
 * thing changed. What fails is named; what passes is bound by a report.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cloister/verify.h>

#include "attest/roots.h"
#include "base/enc.h"
#include "codec/ohttp.h"
#include "../support/simulated.h"
#include "lab/snp.h"

#define NONCES 5
#define OURS   3

static struct clo_maker *simulator;

/* What evidence is made of. */
struct scene {
    bool hardware; /* by the laboratory, else by the simulator */
    int64_t now;
    struct clo_keys_section keys;
    struct clo_ohttp_keyconf conf[3];
    size_t confs;
    bool cut_list; /* the list of keys loses its last byte */
    struct clo_manifest manifest;
    const char *devices; /* NULL: none */
    uint8_t nonce[NONCES][32];
    struct cloister_nonce ours;
    bool no_nonce;
    char policy[4096]; /* ' stands for " */
    struct snp_recipe lab;
    struct clo_buf sec[CLO_SEC_COUNT]; /* filled by make() */
    struct cloister_roots *roots;
};

static unsigned seen[512]; /* by a check's number: the statuses that it had */

static int open_all(void **state)
{
    return snp_lab_open(state) | clo_maker_simulated_new(clo_rng_system(), LAB_NOW, &simulator);
}

static int close_all(void **state)
{
    clo_maker_free(simulator);
    return snp_lab_close(state);
}

static void add_key(struct scene *s, uint8_t id, uint16_t kem, uint16_t aead)
{
    struct clo_ohttp_keyconf *k = &s->conf[s->confs++];
    const uint8_t seed[32] = {id, 1, 2, 3};

    *k = (struct clo_ohttp_keyconf){.key_id = id, .kem = kem, .suites = 1};
    k->suite[0].kdf = CLO_KDF_HKDF_SHA256;
    k->suite[0].aead = aead;
    assert_int_equal(clo_kem_public(kem, seed, k->pk), 0);
}

static void scene_policy(struct scene *s)
{
    uint8_t root[32], measurement[48];
    char hex_root[65], hex_measurement[97];

    clo_maker_simulated_info(simulator, root, measurement);
    clo_hex(root, 32, hex_root);
    clo_hex(measurement, 48, hex_measurement);
    (void)snprintf(s->policy, sizeof s->policy,
                   "{'v':1,'name':'simulated','tee':['simulated'],'measurements':['%s'],"
                   "'simulated':{'roots':['%s']}}",
                   hex_measurement, hex_root);
}

static struct scene *scene_new(bool hardware)
{
    struct scene *s = calloc(1, sizeof *s);

    assert_non_null(s);
    s->hardware = hardware;
    s->now = LAB_NOW;
    s->keys.created = LAB_NOW - 600;
    s->keys.expires = LAB_NOW + 1200;
    memcpy(s->keys.gateway, "/r/0123456789abcdef", 20);
    memset(s->keys.receipt_key, 9, 32);
    add_key(s, 1, CLO_KEM_XWING, CLO_AES_256_GCM);
    s->manifest = (struct clo_manifest){
        .release = "0.1.0",
        .engine_name = "llama-server",
        .engine_version = "b1",
        .managed = true,
        .upstream = "unix",
        .model = "Some Model",
        .prefix_cache = "credential",
        .shape = CLO_SHAPING_FULL,
    };
    memset(s->manifest.model_sha256, 0x22, 32);
    for (size_t i = 0; i < NONCES; i++)
        memset(s->nonce[i], (int)(0x40 + i), 32);
    memcpy(s->ours.bytes, s->nonce[OURS], 32);
    s->ours.sent_at = LAB_NOW - 2;
    s->lab = snp_lab_good();
    if (hardware)
        memcpy(s->policy, s->lab.policy, sizeof s->policy);
    else
        scene_policy(s);
    return s;
}

static void scene_free(struct scene *s)
{
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        clo_buf_clear(&s->sec[i]);
    cloister_roots_free(s->roots);
    free(s);
}

static void section_set(struct scene *s, enum clo_section which, const char *text)
{
    clo_buf_clear(&s->sec[which]);
    s->sec[which] = clo_buf_init(CLO_SECTION_MAX + 1);
    assert_int_equal(clo_buf_append(&s->sec[which], text, strlen(text)), 0);
}

/* In a finished section the first `from` becomes `to`. */
static void section_edit(struct scene *s, enum clo_section which, const char *from, const char *to)
{
    struct clo_buf *b = &s->sec[which];
    const char *at = memmem(b->p, b->len, from, strlen(from));
    char *copy = calloc(1, b->len + strlen(to) + 1);
    size_t head;

    assert_non_null(at);
    assert_non_null(copy);
    head = (size_t)(at - (const char *)b->p);
    memcpy(copy, b->p, head);
    memcpy(copy + head, to, strlen(to));
    memcpy(copy + head + strlen(to), at + strlen(from), b->len - head - strlen(from));
    section_set(s, which, copy);
    free(copy);
}

static void hardware_report(struct scene *s, const uint8_t data[64], struct clo_cpu_section *cpu,
                            struct clo_collateral *crls)
{
    *cpu = (struct clo_cpu_section){.type = "sev-snp", .report_n = CLO_SNP_REPORT_LEN};
    memcpy(s->lab.report + 0x50, data, 64);
    snp_lab_chain(&s->lab, cpu->chain);
    snp_lab_sign(&s->lab, cpu->report);
    for (size_t i = s->lab.chain_n; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&cpu->chain[i]);
    cpu->chain_n = s->lab.chain_n;
    snp_lab_crl(&s->lab, crls);
}

/* All six sections, bound to each other. */
static void make(struct scene *s)
{
    struct clo_batch_section batch;
    struct clo_cpu_section cpu = {0};
    struct clo_collateral crls = {0};
    uint8_t digest[3][32], data[64];
    struct clo_wr wr = clo_wr_init(s->keys.ohttp_keys, sizeof s->keys.ohttp_keys);

    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        s->sec[i] = clo_buf_init(CLO_SECTION_MAX);
    assert_int_equal(clo_ohttp_keys_write(s->conf, s->confs, &wr), 0);
    s->keys.ohttp_keys_n = wr.len - s->cut_list;
    assert_int_equal(clo_keys_section_write(&s->keys, &s->sec[CLO_SEC_KEYS]), 0);
    assert_int_equal(clo_manifest_write(&s->manifest, &s->sec[CLO_SEC_MANIFEST]), 0);
    section_set(s, CLO_SEC_DEVICES, s->devices == NULL ? "{\"v\":1,\"devices\":[]}" : s->devices);
    assert_int_equal(clo_batch_make((const uint8_t(*)[32])s->nonce, NONCES, OURS, &batch), 0);
    assert_int_equal(clo_batch_section_write(&batch, &s->sec[CLO_SEC_BATCH]), 0);
    for (unsigned i = CLO_SEC_KEYS; i <= CLO_SEC_DEVICES; i++)
        assert_int_equal(clo_sha256(s->sec[i].p, s->sec[i].len, digest[i]), 0);
    assert_int_equal(clo_bind_cpu(batch.root, digest[0], digest[1], digest[2], data), 0);
    if (s->hardware) {
        hardware_report(s, data, &cpu, &crls);
        s->roots = snp_lab_roots(&s->lab);
    } else {
        assert_int_equal(simulator->ops->report(simulator, data, &cpu), 0);
        assert_int_equal(simulated_collateral(simulator, &cpu, LAB_NOW, &crls), 0);
    }
    assert_int_equal(clo_cpu_section_write(&cpu, &s->sec[CLO_SEC_CPU]), 0);
    assert_int_equal(clo_collateral_write(&crls, &s->sec[CLO_SEC_COLLATERAL]), 0);
    clo_cpu_section_clear(&cpu);
    clo_collateral_clear(&crls);
}

static struct scene *made(bool hardware)
{
    struct scene *s = scene_new(hardware);

    make(s);
    return s;
}

static struct cloister_evidence *evidence_of(const struct scene *s)
{
    struct clo_section_ref ref[CLO_SEC_COUNT] = {0};
    struct clo_buf doc = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    struct cloister_evidence *e = NULL;

    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        ref[i] = (struct clo_section_ref){.p = s->sec[i].p, .n = s->sec[i].len};
    assert_int_equal(clo_evidence_write(ref, &doc), 0);
    assert_int_equal(cloister_evidence_parse(doc.p, doc.len, &e), 0);
    clo_buf_clear(&doc);
    return e;
}

static struct cloister_policy *policy_of(const struct scene *s)
{
    struct snp_recipe r = {0};

    memcpy(r.policy, s->policy, sizeof r.policy);
    return snp_lab_policy(&r);
}

static int verify_evidence(const struct scene *s, const struct cloister_evidence *e,
                           struct cloister_verdict *v)
{
    struct cloister_policy *p = policy_of(s);
    int err = cloister_evidence_verify(e, s->no_nonce ? NULL : &s->ours, p,
                                       s->roots != NULL ? s->roots : cloister_roots_builtin(),
                                       s->now, v);

    cloister_policy_free(p);
    for (size_t i = 0; i < v->checks; i++)
        seen[v->check[i].id] |= 1u << v->check[i].status;
    return err;
}

static int verify(const struct scene *s, struct cloister_verdict *v)
{
    struct cloister_evidence *e = evidence_of(s);
    int err = verify_evidence(s, e, v);

    cloister_evidence_free(e);
    return err;
}

static void names_with(const struct cloister_verdict *v, enum cloister_check_status status,
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

/* Nothing that a channel could use stands in a verdict that isn't "verified". */
static void assert_empty_handed(const struct cloister_verdict *v)
{
    assert_int_equal(v->valid_until, 0);
    assert_int_equal(v->ohttp_keys_n, 0);
    assert_int_equal(v->aeads, 0);
    assert_string_equal(v->gateway, "");
    assert_string_equal(v->model, "");
    assert_false(v->allow_x25519);
    assert_int_equal(v->shape, CLOISTER_SHAPING_OFF);
    for (size_t i = 0; i < sizeof v->measurement; i++)
        assert_int_equal(v->measurement[i], 0);
    for (size_t i = 0; i < sizeof v->ohttp_keys; i++)
        assert_int_equal(v->ohttp_keys[i], 0);
}

/* Refused because of exactly these checks. Frees the scene. */
static void fails(struct scene *s, const char *names)
{
    struct cloister_verdict v;
    char got[2048];

    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    assert_int_equal(v.outcome, CLOISTER_REFUSED);
    assert_int_equal(cloister_verdict_exit(&v), 10);
    names_with(&v, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, names);
    assert_empty_handed(&v);
    scene_free(s);
}

static void lacks(struct scene *s, const char *names)
{
    struct cloister_verdict v;
    char got[2048];

    assert_int_equal(verify(s, &v), CLOISTER_E_INDETERMINATE);
    assert_int_equal(v.outcome, CLOISTER_INDETERMINATE);
    assert_int_equal(cloister_verdict_exit(&v), 20);
    names_with(&v, CLOISTER_CHECK_MISSING, got, sizeof got);
    if (strncmp(got, names, strlen(names)) != 0)
        assert_string_equal(got, names);
    assert_empty_handed(&v);
    scene_free(s);
}

static void malformed(struct scene *s)
{
    struct cloister_verdict v;
    char got[2048];

    assert_int_equal(verify(s, &v), CLOISTER_E_MALFORMED);
    assert_int_equal(v.outcome, CLOISTER_MALFORMED);
    assert_int_equal(cloister_verdict_exit(&v), 30);
    names_with(&v, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, "evidence.format");
    assert_empty_handed(&v);
    scene_free(s);
}

static void verified(struct scene *s)
{
    struct cloister_verdict v;

    assert_int_equal(verify(s, &v), 0);
    assert_int_equal(v.outcome, CLOISTER_VERIFIED);
    assert_true(v.valid_until > s->now);
    scene_free(s);
}

static void edit_policy(struct scene *s, const char *from, const char *to)
{
    struct snp_recipe r = {0};

    memcpy(r.policy, s->policy, sizeof r.policy);
    snp_policy_edit(&r, from, to);
    memcpy(s->policy, r.policy, sizeof s->policy);
}

/* ---- what is right ---- */

static void simulated_evidence_passes_and_says_that_it_is_simulated(void **state)
{
    struct scene *s = made(false);
    struct cloister_verdict v;
    char got[2048];

    (void)state;
    assert_int_equal(verify(s, &v), 0);
    assert_int_equal(v.outcome, CLOISTER_VERIFIED);
    assert_int_equal(v.freshness, CLOISTER_FRESH);
    assert_true(v.simulated);
    assert_string_equal(v.type, "simulated");
    assert_int_equal(cloister_verdict_exit(&v), 0);
    names_with(&v, CLOISTER_CHECK_NOT_APPLICABLE, got, sizeof got);
    assert_ptr_equal(strstr(got, "manifest.model manifest.release manifest.pinned manifest.engine "
                                 "devices.count devices.appraised snp.mitigation gpu."),
                     got);
    for (size_t i = 0; i < v.checks; i++) /* no device, and none is wanted */
        if (v.check[i].id >= 400)
            assert_int_equal(v.check[i].status, CLOISTER_CHECK_NOT_APPLICABLE);
    scene_free(s);
}

static void hardware_evidence_passes_and_hands_over_what_a_channel_needs(void **state)
{
    struct scene *s = made(true);
    struct cloister_verdict v;
    uint8_t digest[32];

    (void)state;
    assert_int_equal(verify(s, &v), 0);
    assert_false(v.simulated);
    assert_string_equal(v.type, "sev-snp");
    assert_int_equal(v.checked_at, LAB_NOW);
    assert_int_equal(v.ohttp_keys_n, s->keys.ohttp_keys_n);
    assert_memory_equal(v.ohttp_keys, s->keys.ohttp_keys, v.ohttp_keys_n);
    assert_string_equal(v.gateway, "/r/0123456789abcdef");
    assert_memory_equal(v.receipt_key, s->keys.receipt_key, 32);
    assert_int_equal(v.aeads, 2);
    assert_int_equal(v.aead[0], CLO_AES_256_GCM);
    assert_false(v.allow_x25519);
    assert_string_equal(v.model, "Some Model");
    assert_memory_equal(v.measurement, s->lab.report + 0x90, 48);
    assert_int_equal(clo_sha256(s->sec[CLO_SEC_KEYS].p, s->sec[CLO_SEC_KEYS].len, digest), 0);
    assert_memory_equal(v.keys_digest, digest, 32);
    scene_free(s);
}

/* Common checks, those of the kind and those of devices; in the list's order. */
static void every_check_of_the_kind_stands_in_the_verdict_in_the_lists_order(void **state)
{
    static const enum cloister_check_id all[] = {
#define ID_(number, id, name, title) CLOISTER_CHECK_##id,
        CLOISTER_CHECK_LIST(ID_)
#undef ID_
    };

    (void)state;
    for (unsigned hardware = 0; hardware < 2; hardware++) {
        struct scene *s = made(hardware != 0);
        struct cloister_verdict v;
        size_t n = 0;

        assert_int_equal(verify(s, &v), 0);
        for (size_t i = 0; i < CLO_ARRAY_LEN(all); i++) {
            if (all[i] >= 200 && all[i] < 400)
                continue;
            assert_true(n < v.checks);
            assert_int_equal(v.check[n].id, all[i]);
            assert_int_not_equal(v.check[n].reason[0], '\0');
            assert_non_null(strchr(cloister_check_name(v.check[n].id), '.'));
            n++;
        }
        assert_int_equal(n, v.checks);
        scene_free(s);
    }
}

static void valid_until_is_the_earliest_end(void **state)
{
    struct scene *s = made(true);
    struct cloister_verdict v;

    (void)state;
    assert_int_equal(verify(s, &v), 0);
    assert_int_equal(v.valid_until, s->keys.expires - 120);
    edit_policy(s, "'devices'", "'max_age_s':300,'devices'");
    assert_int_equal(verify(s, &v), 0);
    assert_int_equal(v.valid_until, s->ours.sent_at + 300);
    scene_free(s);

    s = scene_new(true); /* a short epoch: a fifth of its lifetime */
    s->keys.created = LAB_NOW - 10;
    s->keys.expires = LAB_NOW + 90;
    make(s);
    assert_int_equal(verify(s, &v), 0);
    assert_int_equal(v.valid_until, LAB_NOW + 70);
    scene_free(s);

    s = scene_new(true);
    s->lab.crl_to = LAB_NOW + 17;
    make(s);
    assert_int_equal(verify(s, &v), 0);
    assert_int_equal(v.valid_until, LAB_NOW + 17);
    scene_free(s);
}

static void a_saved_file_is_verified_without_freshness(void **state)
{
    struct scene *s = made(true);
    struct cloister_verdict v;

    (void)state;
    s->no_nonce = true;
    assert_int_equal(verify(s, &v), 0);
    assert_int_equal(v.freshness, CLOISTER_FRESHNESS_NOT_CHECKED);
    scene_free(s);
}

static void the_zero_verdict_means_not_verified(void **state)
{
    const struct cloister_verdict v = {0};

    (void)state;
    assert_int_equal(v.outcome, CLOISTER_NOT_VERIFIED);
    assert_int_equal(v.freshness, CLOISTER_FRESHNESS_NOT_CHECKED);
    assert_int_equal(cloister_verdict_exit(&v), 1);
}

static void a_broken_call_leaves_a_zero_verdict(void **state)
{
    const struct cloister_verdict zero = {0};
    struct scene *s = made(false);
    struct cloister_evidence *e = evidence_of(s);
    struct cloister_policy *p = policy_of(s);
    struct cloister_verdict v;

    (void)state;
    memset(&v, 0xff, sizeof v);
    assert_int_equal(cloister_evidence_verify(e, NULL, NULL, cloister_roots_builtin(), 1, &v),
                     CLOISTER_E_ARGUMENT);
    assert_memory_equal(&v, &zero, sizeof v);
    s->ours.sent_at = -1;
    assert_int_equal(cloister_evidence_verify(e, &s->ours, p, cloister_roots_builtin(), 1, &v),
                     CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_evidence_verify(e, NULL, p, NULL, 1, &v), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_evidence_verify(e, NULL, p, cloister_roots_builtin(), -1, &v),
                     CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_evidence_verify(e, NULL, p, cloister_roots_builtin(), INT64_MAX, &v),
                     CLOISTER_E_ARGUMENT);
    s->ours.sent_at = INT64_MAX;
    assert_int_equal(cloister_evidence_verify(e, &s->ours, p, cloister_roots_builtin(), 1, &v),
                     CLOISTER_E_ARGUMENT);
    cloister_policy_free(p);
    cloister_evidence_free(e);
    scene_free(s);
}

/* ---- the binding ---- */

static void foreign_keys_are_refused(void **state)
{
    struct scene *s = made(true);
    const uint8_t seed[32] = {0x66};

    (void)state;
    /* The same section, but with a key of somebody in between. */
    clo_buf_clear(&s->sec[CLO_SEC_KEYS]);
    assert_int_equal(clo_kem_public(CLO_KEM_XWING, seed, s->conf[0].pk), 0);
    {
        struct clo_wr wr = clo_wr_init(s->keys.ohttp_keys, sizeof s->keys.ohttp_keys);

        assert_int_equal(clo_ohttp_keys_write(s->conf, 1, &wr), 0);
    }
    assert_int_equal(clo_keys_section_write(&s->keys, &s->sec[CLO_SEC_KEYS]), 0);
    fails(s, "binding.report_data");
}

static void any_other_byte_of_a_bound_section_is_refused(void **state)
{
    struct scene *s = made(true);

    (void)state;
    section_edit(s, CLO_SEC_KEYS, "{\"v\":1", "{ \"v\":1");
    fails(s, "binding.report_data");
    s = made(true);
    section_edit(s, CLO_SEC_KEYS, "0123456789abcdef", "0123456789abcdee");
    fails(s, "binding.report_data");
    s = made(true);
    section_edit(s, CLO_SEC_MANIFEST, "Some Model", "Same Model");
    fails(s, "binding.report_data");
    s = made(true);
    section_edit(s, CLO_SEC_DEVICES, "[]", "[ ]");
    fails(s, "binding.report_data");
}

static void another_batch_root_is_refused(void **state)
{
    struct scene *s = made(true);

    (void)state;
    s->nonce[0][0] ^= 1; /* a batch that no report covers, with our nonce in it */
    {
        struct clo_batch_section b;

        assert_int_equal(clo_batch_make((const uint8_t(*)[32])s->nonce, NONCES, OURS, &b), 0);
        clo_buf_clear(&s->sec[CLO_SEC_BATCH]);
        assert_int_equal(clo_batch_section_write(&b, &s->sec[CLO_SEC_BATCH]), 0);
    }
    fails(s, "binding.report_data");
}

/* ---- freshness ---- */

static void another_nonce_is_refused(void **state)
{
    struct scene *s = made(true);

    (void)state;
    s->ours.bytes[31] ^= 1;
    fails(s, "freshness.nonce");
    s = made(true);
    memcpy(s->ours.bytes, s->nonce[0], 32); /* of the same batch, at another place */
    fails(s, "freshness.nonce");
    s = made(true);
    memset(s->ours.bytes, 0, 32);
    fails(s, "freshness.nonce");
}

static void a_path_of_another_length_is_refused(void **state)
{
    struct scene *s = made(true);
    char *at = NULL;

    (void)state;
    /* Without its last node. */
    at = memrchr(s->sec[CLO_SEC_BATCH].p, ',', s->sec[CLO_SEC_BATCH].len);
    assert_non_null(at);
    memcpy(at, "]}", 2);
    s->sec[CLO_SEC_BATCH].len = (size_t)((uint8_t *)at - s->sec[CLO_SEC_BATCH].p) + 2;
    fails(s, "freshness.nonce");
    s = made(true);
    section_edit(s, CLO_SEC_BATCH, "\"index\":3", "\"index\":2");
    fails(s, "freshness.nonce");
}

/* The report covers the tree's root and with it our nonce, but not how many others there were. */
static void the_number_of_nonces_is_not_told(void **state)
{
    struct scene *s = made(true);
    struct cloister_verdict v;

    (void)state;
    section_edit(s, CLO_SEC_BATCH, "\"size\":5", "\"size\":7"); /* the same path */
    assert_int_equal(verify(s, &v), 0);
    for (size_t i = 0; i < v.checks; i++)
        if (v.check[i].id == CLOISTER_CHECK_FRESHNESS_NONCE)
            assert_string_equal(v.check[i].actual, "2 s");
    scene_free(s);
}

static void a_nonce_that_was_sent_long_ago_is_refused(void **state)
{
    struct scene *s = made(true);

    (void)state;
    s->ours.sent_at = LAB_NOW - 3600;
    fails(s, "freshness.nonce");
    s = made(true);
    s->ours.sent_at = LAB_NOW - 3599;
    verified(s);
    s = made(true);
    s->ours.sent_at = LAB_NOW + 1;
    fails(s, "freshness.nonce");
}

static void an_epoch_that_has_ended_is_refused(void **state)
{
    struct scene *s = made(true);

    (void)state;
    s->now = s->keys.expires;
    s->ours.sent_at = s->now;
    fails(s, "epoch.time");
    s = made(true);
    s->now = s->ours.sent_at = s->keys.expires - 120; /* about to end */
    fails(s, "epoch.time");
    s = made(true);
    s->now = s->ours.sent_at = s->keys.expires - 121;
    verified(s);
}

static void an_epoch_of_the_future_is_refused(void **state)
{
    struct scene *s = made(true);

    (void)state;
    s->now = s->ours.sent_at = s->keys.created - 300;
    verified(s);
    s = made(true);
    s->now = s->ours.sent_at = s->keys.created - 301;
    fails(s, "epoch.time");
}

static void an_epoch_lasts_a_day_at_most(void **state)
{
    struct scene *s = scene_new(true);

    (void)state;
    s->keys.expires = s->keys.created + 86400;
    make(s);
    verified(s);
    s = scene_new(true);
    s->keys.expires = s->keys.created + 86401;
    make(s);
    fails(s, "epoch.time");
}

/* ---- the policy ---- */

static void simulated_evidence_is_refused_by_a_hardware_policy(void **state)
{
    struct scene *s = made(false);
    struct snp_recipe r = snp_lab_good();

    (void)state;
    memcpy(s->policy, r.policy, sizeof s->policy);
    fails(s, "policy.type");
}

static void hardware_evidence_is_refused_by_a_simulated_policy(void **state)
{
    struct scene *s = made(true);

    (void)state;
    scene_policy(s);
    fails(s, "policy.type");
}

/* The type is only a name: what a hardware machine signs has another chain, and so has the simulator. */
static void renaming_the_type_helps_nobody(void **state)
{
    struct scene *s = made(false);
    struct cloister_verdict v;
    struct snp_recipe r = snp_lab_good();

    (void)state;
    section_edit(s, CLO_SEC_CPU, "\"simulated\"", "\"sev-snp\"");
    memcpy(s->policy, r.policy, sizeof s->policy);
    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    assert_int_equal(v.outcome, CLOISTER_REFUSED);
    scene_free(s);
    s = made(true);
    section_edit(s, CLO_SEC_CPU, "\"sev-snp\"", "\"simulated\"");
    scene_policy(s);
    assert_int_not_equal(verify(s, &v), 0);
    scene_free(s);
}

static void a_simulator_with_another_root_is_refused(void **state)
{
    struct scene *s = made(false);

    (void)state;
    edit_policy(s, "'roots':['",
                "'roots':['0000000000000000000000000000000000000000000000000000000000"
                "000000','");
    verified(s);
    s = made(false);
    {
        char *at = strstr(s->policy, "'roots':['") + 10;

        *at = *at == '0' ? '1' : '0';
    }
    fails(s, "snp.root");
}

static void a_policy_that_pins_no_image_admits_none(void **state)
{
    struct scene *s = made(true);

    (void)state;
    edit_policy(s, "'measurements':['" SNP_LAB_MEASUREMENT "'],", "");
    fails(s, "policy.measurements snp.measurement");
}

static void the_empty_policy_accepts_nothing(void **state)
{
    struct scene *s = made(true);

    (void)state;
    (void)snprintf(s->policy, sizeof s->policy, "{'v':1,'name':'','tee':[]}");
    fails(s, "policy.type policy.measurements devices.count");
}

/* Under an image that isn't pinned the manifest says what it likes. */
static void a_manifest_is_believed_under_a_pinned_measurement_only(void **state)
{
    struct scene *s = scene_new(true);
    struct cloister_verdict v;
    char got[2048];

    (void)state;
    s->lab.report[0x90] ^= 1;
    make(s);
    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    names_with(&v, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, "snp.measurement");
    names_with(&v, CLOISTER_CHECK_MISSING, got, sizeof got);
    assert_string_equal(got, "manifest.upstream manifest.managed manifest.shape");
    scene_free(s);
}

static void nothing_is_believed_without_a_signature(void **state)
{
    struct scene *s = scene_new(true);
    struct cloister_verdict v;
    char got[2048];

    (void)state;
    s->lab.report_signer = snp_lab.stranger_leaf;
    make(s);
    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    assert_int_equal(v.freshness, CLOISTER_NOT_FRESH);
    names_with(&v, CLOISTER_CHECK_MISSING, got, sizeof got);
    assert_non_null(strstr(got, "epoch.time freshness.nonce binding.report_data keys.suite "
                                "manifest.upstream manifest.managed manifest.shape snp.product"));
    scene_free(s);
}

/* ---- manifest, keys, devices ---- */

static void only_listed_models_are_admitted(void **state)
{
    struct scene *s = made(true);

    (void)state;
    edit_policy(s, "'devices'", "'models':[],'devices'");
    fails(s, "manifest.model");
    s = made(true);
    edit_policy(s, "'devices'",
                "'models':['"
                "2222222222222222222222222222222222222222222222222222222222222222'],'devices'");
    verified(s);
    s = scene_new(true); /* an engine that isn't managed vouches for no model */
    s->manifest.managed = false;
    edit_policy(s, "'devices'",
                "'allow_unmanaged':true,'models':['"
                "0000000000000000000000000000000000000000000000000000000000000000'],'devices'");
    make(s);
    fails(s, "manifest.model");
}

static void only_listed_releases_are_admitted(void **state)
{
    struct scene *s = made(true);

    (void)state;
    edit_policy(s, "'devices'", "'releases':['0.2.0'],'devices'");
    fails(s, "manifest.release");
    s = made(true);
    edit_policy(s, "'devices'", "'releases':['0.2.0','0.1.0'],'devices'");
    verified(s);
}

static void only_listed_engines_are_admitted(void **state)
{
    struct scene *s = made(true);
    char member[300];

    (void)state;
    edit_policy(s, "'devices'", "'engines':['llama-server 0'],'devices'");
    fails(s, "manifest.engine");
    s = made(true);
    (void)snprintf(member, sizeof member, "'engines':['x 1','%.64s %.64s'],'devices'",
                   s->manifest.engine_name, s->manifest.engine_version);
    edit_policy(s, "'devices'", member);
    verified(s);
}

static void keys_live_no_longer_than_the_policy_allows(void **state)
{
    struct scene *s = made(true);
    const int64_t lifetime = s->keys.expires - s->keys.created;
    char member[100];

    (void)state;
    (void)snprintf(member, sizeof member, "'max_lifetime_s':%d,'devices'", (int)lifetime - 1);
    edit_policy(s, "'devices'", member);
    fails(s, "epoch.time");
    s = made(true);
    (void)snprintf(member, sizeof member, "'max_lifetime_s':%d,'devices'", (int)lifetime);
    edit_policy(s, "'devices'", member);
    verified(s);
}

static void admit_own_root(struct scene *s)
{
    uint8_t digest[32];
    char hex[65], member[200];

    assert_int_equal(
        clo_sha256(s->roots->amd[CLO_SNP_GENOA].der, s->roots->amd[CLO_SNP_GENOA].n, digest), 0);
    clo_hex(digest, 32, hex);
    (void)snprintf(member, sizeof member, "'roots':['%s'],'devices'", hex);
    edit_policy(s, "'devices'", member);
}

/* A policy may take roots away, and never adds one. */
static void a_policy_may_admit_fewer_roots(void **state)
{
    struct scene *s = made(true);

    (void)state;
    edit_policy(s, "'devices'", "'roots':[],'devices'");
    fails(s, "snp.root");
    s = made(true);
    edit_policy(s, "'devices'",
                "'roots':['"
                "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd'],'devices'");
    fails(s, "snp.root");
    s = made(true);
    admit_own_root(s);
    verified(s);
}

/* A plain report in the place of Azure's: nobody vouches for what was started under the paravisor. */
static void a_plain_report_does_not_stand_for_azures(void **state)
{
    struct scene *s = made(true);

    (void)state;
    edit_policy(s, "'sev-snp'", "'sev-snp-azure'");
    edit_policy(s, "'devices'", "'azure':{},'tpm':{'pcrs':[]},'devices'");
    fails(s, "policy.type");
}

/* The policy pins what s->manifest says at this moment. */
static void pin_manifest(struct scene *s)
{
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);
    char b64[1024], member[1200];

    assert_int_equal(clo_manifest_write(&s->manifest, &b), 0);
    assert_true(CLO_B64_LEN(b.len) < sizeof b64);
    clo_b64(b.p, b.len, b64);
    (void)snprintf(member, sizeof member, "'manifests':['%s'],'devices'", b64);
    edit_policy(s, "'devices'", member);
    clo_buf_clear(&b);
}

static void only_pinned_manifests_are_admitted(void **state)
{
    struct scene *s = scene_new(true);

    (void)state;
    pin_manifest(s);
    make(s);
    verified(s);
    s = made(true);
    edit_policy(s, "'devices'", "'manifests':[],'devices'");
    fails(s, "manifest.pinned");
}

/* What measured code says truly may still be something else than what was agreed to. */
static void another_manifest_under_the_same_measurement_is_refused(void **state)
{
    struct scene *s = scene_new(true);

    (void)state;
    pin_manifest(s);
    s->manifest.slots++;
    make(s);
    fails(s, "manifest.pinned");
    s = scene_new(true);
    pin_manifest(s);
    memcpy(s->manifest.model, "Same Model", 11);
    make(s);
    fails(s, "manifest.pinned");
}

static void a_pinned_manifest_under_another_measurement_is_not_believed(void **state)
{
    struct scene *s = scene_new(true);
    struct cloister_verdict v;
    char got[2048];

    (void)state;
    pin_manifest(s);
    s->lab.report[0x90] ^= 1;
    make(s);
    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    names_with(&v, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, "snp.measurement");
    names_with(&v, CLOISTER_CHECK_MISSING, got, sizeof got);
    assert_string_equal(got, "manifest.upstream manifest.managed manifest.pinned manifest.shape");
    assert_empty_handed(&v);
    scene_free(s);
}

static void inference_outside_of_the_machine_is_refused(void **state)
{
    struct scene *s = scene_new(true);

    (void)state;
    memcpy(s->manifest.upstream, "https://elsewhere", 18);
    make(s);
    fails(s, "manifest.upstream");
    s = scene_new(true);
    memcpy(s->manifest.upstream, "loopback", 9);
    make(s);
    verified(s);
}

static void an_unmanaged_engine_is_refused_unless_the_policy_allows_it(void **state)
{
    struct scene *s = scene_new(true);

    (void)state;
    s->manifest.managed = false;
    make(s);
    fails(s, "manifest.managed");
    s = scene_new(true);
    s->manifest.managed = false;
    make(s);
    edit_policy(s, "'devices'", "'allow_unmanaged':true,'devices'");
    verified(s);
}

/* "" for a policy that says nothing about it. */
static struct scene *shaped(enum clo_shaping promised, const char *wanted)
{
    struct scene *s = scene_new(true);
    char member[40];

    s->manifest.shape = promised;
    make(s);
    (void)snprintf(member, sizeof member, "'shape':'%s','devices'", wanted);
    if (wanted[0] != '\0')
        edit_policy(s, "'devices'", member);
    return s;
}

static void a_shape_that_hides_less_than_the_policy_wants_is_refused(void **state)
{
    (void)state;
    fails(shaped(CLO_SHAPING_OFF, ""), "manifest.shape");
    fails(shaped(CLO_SHAPING_SIZE, ""), "manifest.shape");
    fails(shaped(CLO_SHAPING_OFF, "full"), "manifest.shape");
    fails(shaped(CLO_SHAPING_SIZE, "full"), "manifest.shape");
    fails(shaped(CLO_SHAPING_OFF, "size"), "manifest.shape");
}

static void a_shape_that_hides_what_the_policy_wants_is_admitted_and_told(void **state)
{
    static const char *const word[] = {"off", "size", "full"};

    (void)state;
    verified(shaped(CLO_SHAPING_FULL, ""));
    for (unsigned wanted = 0; wanted < CLO_ARRAY_LEN(word); wanted++) {
        for (unsigned promised = wanted; promised < CLO_ARRAY_LEN(word); promised++) {
            struct scene *s = shaped((enum clo_shaping)promised, word[wanted]);
            struct cloister_verdict v;

            assert_int_equal(verify(s, &v), 0);
            assert_int_equal(v.shape, promised);
            scene_free(s);
        }
    }
    assert_int_equal(CLO_SHAPING_OFF, CLOISTER_SHAPING_OFF);
    assert_int_equal(CLO_SHAPING_SIZE, CLOISTER_SHAPING_SIZE);
    assert_int_equal(CLO_SHAPING_FULL, CLOISTER_SHAPING_FULL);
}

static void a_cache_that_nobody_keeps_apart_is_refused_unless_the_policy_allows_it(void **state)
{
    struct scene *s = scene_new(true);

    (void)state;
    memcpy(s->manifest.prefix_cache, "upstream", 9);
    make(s);
    fails(s, "manifest.managed");
    s = scene_new(true);
    memcpy(s->manifest.prefix_cache, "upstream", 9);
    make(s);
    edit_policy(s, "'devices'", "'allow_unmanaged':true,'devices'");
    verified(s);
}

static void fewer_devices_than_the_policy_wants_are_refused(void **state)
{
    struct scene *s = made(true);

    (void)state;
    edit_policy(s, ",'devices':{'min':0}", ""); /* one, unless said otherwise */
    fails(s, "devices.count");
}

static void a_device_that_nobody_vouches_for_is_refused(void **state)
{
    static const char one[] = "{\"v\":1,\"devices\":[{\"arch\":\"hopper\",\"report\":\"AAAA\","
                              "\"chain\":[\"AAAA\"]}]}";
    struct scene *s = scene_new(true);

    (void)state;
    s->devices = one;
    make(s);
    fails(s, "devices.count devices.appraised gpu.format gpu.chain_present");
    s = scene_new(true);
    s->devices = one;
    make(s);
    edit_policy(s, "{'min':0}", "{'min':1,'architectures':['hopper'],'min_driver':'550.90.07'}");
    fails(s, "devices.appraised gpu.format gpu.chain_present");
}

/* What the policy asks for and nobody lists is missing, and the count is wrong. */
static void a_device_that_is_not_listed_is_not_appraised(void **state)
{
    struct scene *s = made(true);
    struct cloister_verdict v;
    char got[4096];

    (void)state;
    edit_policy(s, "{'min':0}", "{'min':1,'architectures':['hopper'],'min_driver':'550.90.07'}");
    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    names_with(&v, CLOISTER_CHECK_MISSING, got, sizeof got);
    assert_ptr_equal(strstr(got, "devices.appraised gpu.format"), got);
    fails(s, "devices.count");
}

static void a_suite_that_the_policy_does_not_admit_is_refused(void **state)
{
    struct scene *s = scene_new(true);

    (void)state;
    s->confs = 0;
    add_key(s, 1, CLO_KEM_XWING, CLO_AES_128_GCM);
    make(s);
    fails(s, "keys.suite");
    s = scene_new(true);
    s->confs = 0;
    add_key(s, 1, CLO_KEM_XWING, CLO_AES_128_GCM);
    make(s);
    edit_policy(s, "'devices'", "'aeads':['aes-128-gcm'],'devices'");
    verified(s);
}

static void classical_keys_need_both_policy_and_manifest(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        struct scene *s = scene_new(true);
        struct cloister_verdict v;

        (void)state;
        s->manifest.x25519 = (i & 1) != 0;
        if ((i & 2) != 0)
            edit_policy(s, "'devices'", "'kems':['x-wing','x25519'],'devices'");
        s->confs = 0;
        add_key(s, 1, CLO_KEM_X25519, CLO_AES_256_GCM);
        make(s);
        if (i < 3) {
            fails(s, "keys.suite");
            continue;
        }
        assert_int_equal(verify(s, &v), 0);
        assert_true(v.allow_x25519);
        scene_free(s);
    }
}

static void several_keys_of_one_kind_are_refused(void **state)
{
    struct scene *s = scene_new(true);

    (void)state;
    add_key(s, 2, CLO_KEM_XWING, CLO_AES_256_GCM);
    make(s);
    fails(s, "keys.suite");
}

static void a_malformed_list_of_keys_is_refused(void **state)
{
    struct scene *s = scene_new(true);

    (void)state;
    s->cut_list = true;
    make(s);
    fails(s, "keys.suite");
}

/* ---- formats ---- */

static void a_section_that_breaks_its_format_is_malformed(void **state)
{
    static const char *const wrong[] = {"", "{}", "[]", "{\"v\":1}", "{\"v\":1,\"x\":", "null"};

    (void)state;
    for (unsigned i = 0; i < CLO_SEC_COUNT; i++) {
        for (size_t k = 0; k < CLO_ARRAY_LEN(wrong); k++) {
            struct scene *s = made(false);

            section_set(s, i, wrong[k]);
            if (s->sec[i].p == NULL) /* an empty section is bytes too */
                assert_int_equal(clo_buf_append(&s->sec[i], " ", 1), 0);
            malformed(s);
        }
    }
}

static void unknown_members_and_trailing_bytes_are_malformed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CLO_SEC_COUNT; i++) {
        struct scene *s = made(false);

        section_edit(s, i, "{\"v\":1", "{\"more\":0,\"v\":1");
        malformed(s);
        s = made(false);
        section_edit(s, i, "{\"v\":1", "{\"v\":1,\"v\":1");
        malformed(s);
        s = made(false);
        assert_int_equal(clo_buf_append(&s->sec[i], "\0", 1), 0);
        malformed(s);
    }
}

/* It has the checks of what it says it is, and nothing of it passes. */
static void a_kind_that_the_policy_does_not_name_is_refused(void **state)
{
    static const struct {
        const char *type, *members;
        unsigned families;
    } kind[] = {
        {"tdx", "\"quote\":\"AAAA\"", CLO_FAMILY_QUOTE | CLO_FAMILY_TDX},
        {"sev-snp-azure",
         "\"hcl\":\"AAAA\",\"chain\":[],\"tpm_quote\":\"AAAA\",\"tpm_signature\":\"AAAA\",\"pcrs\":\"AAAA\"",
         CLO_FAMILY_SNP | CLO_FAMILY_AZURE | CLO_FAMILY_TPM},
        {"tdx-azure",
         "\"hcl\":\"AAAA\",\"quote\":\"AAAA\",\"tpm_quote\":\"AAAA\",\"tpm_signature\":\"AAAA\",\"pcrs\":\"AAAA\"",
         CLO_FAMILY_QUOTE | CLO_FAMILY_TDX | CLO_FAMILY_AZURE | CLO_FAMILY_TPM},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(kind); i++) {
        struct scene *s = made(true);
        struct cloister_verdict v;
        struct clo_verdict_builder vb;
        char text[256], got[4096];
        size_t n = 0;

        (void)snprintf(text, sizeof text, "{\"v\":1,\"type\":\"%s\",%s}", kind[i].type,
                       kind[i].members);
        section_set(s, CLO_SEC_CPU, text);
        assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
        assert_string_equal(v.type, kind[i].type);
        names_with(&v, CLOISTER_CHECK_FAIL, got, sizeof got);
        assert_non_null(strstr(got, "policy.type"));
        clo_vb_init(&vb);
        clo_vb_keep_families(&vb, kind[i].families | CLO_FAMILY_GPU);
        for (size_t k = 0; k < CLO_CHECK_COUNT; k++)
            n += !vb.out[k];
        assert_int_equal(v.checks, n);
        for (size_t k = 0; k < v.checks; k++)
            if (v.check[k].id >= 100 && v.check[k].id < 400)
                assert_int_equal(v.check[k].status, CLOISTER_CHECK_MISSING);
        assert_empty_handed(&v);
        scene_free(s);
    }
}

static void evidence_without_certificates_is_indeterminate(void **state)
{
    struct scene *s = scene_new(true);

    (void)state;
    s->lab.chain_n = 0;
    make(s);
    lacks(s, "epoch.time freshness.nonce binding.report_data");
}

static void evidence_without_crl_is_indeterminate(void **state)
{
    struct scene *s = scene_new(true);

    (void)state;
    s->lab.no_crl = true;
    make(s);
    lacks(s, "snp.crl snp.crl_dates snp.revoked");
}

/* ---- the document ---- */

static int parse(const char *json)
{
    struct cloister_evidence *e = NULL;
    int err = cloister_evidence_parse(json, strlen(json), &e);

    cloister_evidence_free(e);
    return err;
}

#define H  "{\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"}"
#define B  "{\"bytes\":\"e30\"}"
#define S5 "\"manifest\":" H ",\"devices\":" H ",\"cpu\":" B ",\"batch\":" B ",\"collateral\":" H

static void the_document_is_strict(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"v\":1,\"sections\":{\"keys\":" B "," S5 "}}"), 0);
    assert_int_equal(parse("{\"v\":1,\"sections\":{\"keys\":" H "," S5 "}}"), 0);
    assert_int_equal(parse("{\"v\":1,\"sections\":{" S5 "}}"), CLOISTER_E_MALFORMED);
    assert_int_equal(parse("{\"v\":2,\"sections\":{\"keys\":" B "," S5 "}}"), CLOISTER_E_UNKNOWN);
    assert_int_equal(parse("{\"v\":1,\"sections\":{\"keys\":" B "," S5 "},\"x\":1}"),
                     CLOISTER_E_UNKNOWN);
    assert_int_equal(parse("{\"v\":1,\"sections\":{\"keys\":" B ",\"keys\":" B "," S5 "}}"),
                     CLOISTER_E_DUPLICATE);
    assert_int_equal(parse("{\"v\":1,\"sections\":{\"more\":" B ",\"keys\":" B "," S5 "}}"),
                     CLOISTER_E_UNKNOWN);
    assert_int_equal(parse("{\"v\":1,\"sections\":{\"keys\":{}," S5 "}}"), CLOISTER_E_MALFORMED);
    assert_int_equal(parse("{\"v\":1,\"sections\":{\"keys\":{\"bytes\":\"e30=\"}," S5 "}}"),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(parse("{\"v\":1,\"sections\":{\"keys\":{\"bytes\":\"e31\"}," S5 "}}"),
                     CLOISTER_E_MALFORMED); /* left-over bits */
    assert_int_equal(parse("{\"v\":1,\"sections\":{\"keys\":{\"bytes\":\"e3 0\"}," S5 "}}"),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(parse("{\"v\":1,\"sections\":{\"keys\":{\"sha256\":\"00\"}," S5 "}}"),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(
        parse("{\"v\":1,\"sections\":{\"keys\":{\"bytes\":\"e30\",\"sha256\":\"00\"}," S5 "}}"),
        CLOISTER_E_UNKNOWN);
    assert_int_equal(parse("{\"v\":1,\"sections\":{\"keys\":" B "," S5 "}}x"),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(parse(""), CLOISTER_E_MALFORMED);
    assert_int_equal(parse("null"), CLOISTER_E_MALFORMED);
}

static void the_document_is_bounded(void **state)
{
    struct cloister_evidence *e = NULL;
    char *s = malloc(CLOISTER_EVIDENCE_MAX + 1);

    (void)state;
    assert_non_null(s);
    memset(s, ' ', CLOISTER_EVIDENCE_MAX + 1);
    assert_int_equal(cloister_evidence_parse(s, CLOISTER_EVIDENCE_MAX + 1, &e), CLOISTER_E_LIMIT);
    free(s);
}

/* Evidence as a server gives it: three sections inside, three to be fetched. */
static struct cloister_evidence *half(const struct scene *s)
{
    struct clo_section_ref ref[CLO_SEC_COUNT] = {0};
    uint8_t digest[CLO_SEC_COUNT][32];
    struct clo_buf doc = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    struct cloister_evidence *e = NULL;

    for (unsigned i = 0; i < CLO_SEC_COUNT; i++) {
        assert_int_equal(clo_sha256(s->sec[i].p, s->sec[i].len, digest[i]), 0);
        ref[i].digest = digest[i];
        if (i == CLO_SEC_KEYS || i == CLO_SEC_CPU || i == CLO_SEC_BATCH)
            ref[i] = (struct clo_section_ref){.p = s->sec[i].p, .n = s->sec[i].len};
    }
    assert_int_equal(clo_evidence_write(ref, &doc), 0);
    assert_int_equal(cloister_evidence_parse(doc.p, doc.len, &e), 0);
    clo_buf_clear(&doc);
    return e;
}

static void evidence_is_completed_blob_by_blob(void **state)
{
    static const enum clo_section by_digest[] = {CLO_SEC_MANIFEST, CLO_SEC_DEVICES,
                                                 CLO_SEC_COLLATERAL};
    struct scene *s = made(true);
    struct cloister_evidence *e = half(s);
    struct cloister_verdict v;
    char hex[65], got[2048], *saved = NULL;
    uint8_t digest[32];
    size_t n = 0;

    (void)state;
    assert_string_equal(cloister_evidence_gateway(e), "/r/0123456789abcdef");
    assert_int_equal(cloister_evidence_save(e, &saved, &n), CLOISTER_E_STATE);
    assert_int_equal(verify_evidence(s, e, &v), CLOISTER_E_INDETERMINATE);
    names_with(&v, CLOISTER_CHECK_PASS, got, sizeof got);
    assert_string_equal(got, "");
    assert_string_equal(v.check[0].actual, "manifest, devices, collateral");
    assert_int_equal(cloister_evidence_add(e, "x", 1), CLOISTER_E_NOT_FOUND);

    for (size_t i = 0; i < CLO_ARRAY_LEN(by_digest); i++) {
        const struct clo_buf *b = &s->sec[by_digest[i]];

        assert_true(cloister_evidence_missing(e, 0, hex));
        assert_int_equal(clo_unhex(hex, 64, digest, 32), 0);
        assert_int_equal(cloister_evidence_add(e, b->p, b->len), 0);
        assert_int_equal(cloister_evidence_add(e, b->p, b->len), CLOISTER_E_NOT_FOUND);
    }
    assert_false(cloister_evidence_missing(e, 0, hex));
    assert_int_equal(verify_evidence(s, e, &v), 0);

    assert_int_equal(cloister_evidence_save(e, &saved, &n), 0);
    assert_int_equal(strlen(saved), n); /* a string, as the manual calls it */
    cloister_evidence_free(e);
    assert_int_equal(cloister_evidence_parse(saved, n, &e), 0);
    assert_int_equal(verify_evidence(s, e, &v), 0);
    free(saved);
    cloister_evidence_free(e);
    scene_free(s);
}

static void what_is_not_there_is_refused(void **state)
{
    static const struct cloister_verdict v;
    struct scene *s = made(true);
    struct cloister_evidence *e = half(s);
    struct cloister_roots *roots = NULL;
    char *text = NULL, why[200];
    size_t n = 0;

    (void)state;
    assert_int_equal(cloister_evidence_parse("{}", 2, NULL), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_evidence_parse(NULL, 2, &e), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_evidence_add(NULL, "x", 1), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_evidence_add(e, NULL, 1), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_evidence_save(NULL, &text, &n), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_evidence_save(e, NULL, &n), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_evidence_save(e, &text, NULL), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_policy_parse("{}", 2, NULL), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_policy_check(NULL, 2, why, sizeof why), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_policy_check("{}", 2, NULL, 200), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_roots_new(NULL), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_roots_new(&roots), 0);
    assert_int_equal(cloister_roots_add_amd(NULL, "Milan", "x", 1), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_roots_add_amd(roots, NULL, "x", 1), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_roots_add_amd(roots, "Milan", NULL, 1), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_verdict_json(NULL, &text), CLOISTER_E_ARGUMENT);
    assert_int_equal(cloister_verdict_json(&v, NULL), CLOISTER_E_ARGUMENT);
    cloister_roots_free(roots);
    cloister_evidence_free(e);
    scene_free(s);
}

static void sections_are_shown_as_they_came(void **state)
{
    struct scene *s = made(true);
    struct cloister_evidence *e = half(s);
    const uint8_t *p = NULL;
    size_t n = 0;

    (void)state;
    assert_true(cloister_evidence_section(e, "keys", &p, &n));
    assert_int_equal(n, s->sec[CLO_SEC_KEYS].len);
    assert_memory_equal(p, s->sec[CLO_SEC_KEYS].p, n);
    assert_false(cloister_evidence_section(e, "manifest", &p, &n)); /* by digest only, so far */
    assert_false(cloister_evidence_section(e, "", &p, &n));
    assert_memory_equal(p, s->sec[CLO_SEC_KEYS].p, n);
    cloister_evidence_free(e);
    e = evidence_of(s);
    assert_true(cloister_evidence_section(e, "manifest", &p, &n));
    assert_int_equal(n, s->sec[CLO_SEC_MANIFEST].len);
    assert_memory_equal(p, s->sec[CLO_SEC_MANIFEST].p, n);
    cloister_evidence_free(e);
    scene_free(s);
}

/* ---- the verdict itself ---- */

static void a_check_that_was_not_made_is_never_verified(void **state)
{
    struct clo_verdict_builder vb;
    struct cloister_verdict v;

    (void)state;
    for (unsigned skip_at = 0; skip_at <= CLO_CHECK_COUNT; skip_at++) {
        unsigned i = 0;

        clo_vb_init(&vb);
        memset(&v, 0, sizeof v);
#define PASS_(number, id, name, title) \
    if (i++ != skip_at)                \
        clo_vb_set(&vb, CLOISTER_CHECK_##id, CLOISTER_CHECK_PASS, NULL, NULL, NULL);
        CLOISTER_CHECK_LIST(PASS_)
#undef PASS_
        clo_vb_finish(&vb, &v);
        assert_int_equal(v.outcome,
                         skip_at == CLO_CHECK_COUNT ? CLOISTER_VERIFIED : CLOISTER_INDETERMINATE);
    }
    clo_vb_set(&vb, CLOISTER_CHECK_SNP_VMPL, CLOISTER_CHECK_PASS, NULL, NULL, NULL);
    clo_vb_finish(&vb, &v); /* twice is a bug as well */
    assert_int_equal(v.outcome, CLOISTER_INDETERMINATE);
}

static void texts_of_a_check_are_printable_and_cut(void **state)
{
    struct clo_verdict_builder vb;
    char longer[400];

    (void)state;
    clo_vb_init(&vb);
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    clo_vb_set(&vb, CLOISTER_CHECK_SNP_VMPL, CLOISTER_CHECK_FAIL, "a\033[1mb\xc3\xa4\n", longer,
               "why");
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
        if (vb.check[i].id != CLOISTER_CHECK_SNP_VMPL)
            continue;
        assert_string_equal(vb.check[i].expected, "a?[1mb???");
        assert_int_equal(strlen(vb.check[i].actual), CLOISTER_CHECK_TEXT - 1);
    }
}

static void a_verdict_becomes_strict_json(void **state)
{
    struct scene *s = made(false);
    struct cloister_verdict v;
    json_t *doc = NULL;
    char *text = NULL;

    (void)state;
    assert_int_equal(verify(s, &v), 0);
    assert_int_equal(cloister_verdict_json(&v, &text), 0);
    assert_int_equal(clo_json_parse(text, strlen(text), 1 << 20, &doc), 0);
    assert_int_equal(json_integer_value(json_object_get(doc, "v")), 1);
    assert_string_equal(json_string_value(json_object_get(doc, "outcome")), "verified");
    assert_string_equal(json_string_value(json_object_get(doc, "freshness")), "fresh");
    assert_true(json_is_true(json_object_get(doc, "simulated")));
    assert_int_equal(json_integer_value(json_object_get(doc, "valid_until")), v.valid_until);
    assert_int_equal(json_string_length(json_object_get(doc, "measurement")), 96);
    assert_int_equal(json_array_size(json_object_get(doc, "checks")), v.checks);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(json_object_get(doc, "checks"), 0), "id")),
        "evidence.complete");
    json_decref(doc);
    free(text);

    memset(&v, 0, sizeof v);
    assert_int_equal(cloister_verdict_json(&v, &text), 0);
    assert_non_null(strstr(text, "\"outcome\":\"not-verified\",\"freshness\":\"not-checked\""));
    assert_null(strstr(text, "valid_until"));
    assert_null(strstr(text, "\"measurement\""));
    free(text);
    scene_free(s);
}

/* What is published is never reused: a new check adds a line here, and none is changed or removed. */
static void numbers_and_ids_of_checks_never_change(void **state)
{
    static const struct {
        unsigned number;
        const char *id;
    } published[] = {
        {1, "evidence.complete"},
        {2, "evidence.format"},
        {3, "policy.type"},
        {4, "policy.measurements"},
        {10, "epoch.time"},
        {11, "freshness.nonce"},
        {12, "binding.report_data"},
        {20, "keys.suite"},
        {30, "manifest.model"},
        {31, "manifest.upstream"},
        {32, "manifest.managed"},
        {33, "manifest.release"},
        {34, "manifest.pinned"},
        {35, "manifest.engine"},
        {36, "manifest.shape"},
        {40, "devices.count"},
        {41, "devices.appraised"},
        {100, "snp.format"},
        {101, "snp.version"},
        {102, "snp.signature_algo"},
        {103, "snp.reserved"},
        {104, "snp.product"},
        {105, "snp.chain_present"},
        {106, "snp.root"},
        {107, "snp.chain"},
        {108, "snp.chain_dates"},
        {109, "snp.crl"},
        {110, "snp.crl_dates"},
        {111, "snp.revoked"},
        {112, "snp.signing_key"},
        {113, "snp.chip"},
        {114, "snp.cert_tcb"},
        {115, "snp.signature"},
        {120, "snp.tcb_order"},
        {121, "snp.tcb_provisional"},
        {122, "snp.tcb_min"},
        {123, "snp.tcb_launch"},
        {124, "snp.firmware_min"},
        {125, "snp.mitigation"},
        {130, "snp.policy_abi"},
        {131, "snp.debug"},
        {132, "snp.migration"},
        {133, "snp.smt"},
        {134, "snp.guest_policy"},
        {135, "snp.platform"},
        {140, "snp.vmpl"},
        {141, "snp.measurement"},
        {142, "snp.host_data"},
        {143, "snp.id_key"},
        {144, "snp.author_key"},
        {145, "snp.guest_svn"},
        {200, "quote.format"},
        {201, "quote.version"},
        {202, "quote.key_type"},
        {203, "quote.qe_vendor"},
        {204, "quote.trailing"},
        {205, "quote.chain_present"},
        {206, "quote.root"},
        {207, "quote.chain"},
        {208, "quote.chain_dates"},
        {209, "quote.crl"},
        {210, "quote.crl_dates"},
        {211, "quote.revoked"},
        {212, "quote.pck"},
        {213, "quote.qe_signature"},
        {214, "quote.qe_binding"},
        {215, "quote.signature"},
        {220, "quote.collateral"},
        {221, "quote.collateral_chain"},
        {222, "quote.collateral_dates"},
        {223, "quote.collateral_number"},
        {224, "quote.tcb_info"},
        {225, "quote.qe_identity"},
        {226, "quote.qe_tcb"},
        {227, "quote.tcb"},
        {228, "quote.advisories"},
        {250, "tdx.module"},
        {251, "tdx.module_tcb"},
        {252, "tdx.debug"},
        {253, "tdx.attributes"},
        {254, "tdx.xfam"},
        {255, "tdx.measurement"},
        {256, "tdx.config"},
        {257, "tdx.owner"},
        {258, "tdx.service_td"},
        {259, "tdx.event_log"},
        {280, "sgx.debug"},
        {281, "sgx.attributes"},
        {282, "sgx.measurement"},
        {283, "sgx.isv"},
        {300, "azure.format"},
        {301, "azure.type"},
        {302, "azure.runtime"},
        {303, "azure.key"},
        {304, "azure.vm"},
        {340, "tpm.format"},
        {341, "tpm.key"},
        {342, "tpm.key_trusted"},
        {343, "tpm.algorithm"},
        {344, "tpm.signature"},
        {345, "tpm.nonce"},
        {346, "tpm.selection"},
        {347, "tpm.pcr_digest"},
        {348, "tpm.pcrs"},
        {349, "tpm.event_log"},
        {400, "gpu.format"},
        {401, "gpu.architecture"},
        {402, "gpu.chain_present"},
        {403, "gpu.root"},
        {404, "gpu.chain"},
        {405, "gpu.chain_dates"},
        {406, "gpu.identity"},
        {407, "gpu.ocsp"},
        {408, "gpu.ocsp_dates"},
        {409, "gpu.revoked"},
        {410, "gpu.signature"},
        {411, "gpu.nonce"},
        {412, "gpu.distinct"},
        {413, "gpu.driver"},
        {414, "gpu.vbios"},
        {415, "gpu.reference"},
        {416, "gpu.measurements"},
        {417, "gpu.mode"},
        {418, "gpu.debug"},
        {419, "gpu.switches"},
    };

    (void)state;
    assert_int_equal(CLO_ARRAY_LEN(published), CLO_CHECK_COUNT);
    for (size_t i = 0; i < CLO_ARRAY_LEN(published); i++)
        assert_string_equal(cloister_check_name(published[i].number), published[i].id);
    assert_string_equal(cloister_check_name(CLOISTER_CHECK_NO_ID), "");
    assert_string_equal(cloister_check_title(CLOISTER_CHECK_NO_ID), "");
}

static void dates_are_written_as_people_read_them(void **state)
{
    static const struct {
        int64_t t;
        const char *text;
    } date[] = {
        {0, "1970-01-01T00:00:00Z"},
        {951782400, "2000-02-29T00:00:00Z"},
        {1765404861, "2025-12-10T22:14:21Z"},
        {4107542399, "2100-02-28T23:59:59Z"},
        {253402300799, "9999-12-31T23:59:59Z"},
        {253402300800, "-"},
        {-1, "-"},
        {INT64_MAX, "-"},
        {INT64_MIN, "-"},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(date); i++) {
        char got[CLO_DATE_LEN];

        clo_date(date[i].t, got);
        assert_string_equal(got, date[i].text);
    }
}

/* The last test: it looks back at all the others. One check has no way to fail: it passes, or lacks something. */
static void every_check_was_seen_to_pass_and_to_fail(void **state)
{
    (void)state;
#define BOTH_(number, id, name, title)                                                         \
    if (number < 100) {                                                                        \
        const bool no_fail = number == 1;                                                      \
        const unsigned good = 1u << CLOISTER_CHECK_PASS | 1u << CLOISTER_CHECK_NOT_APPLICABLE; \
        const unsigned bad = 1u << (no_fail ? CLOISTER_CHECK_MISSING : CLOISTER_CHECK_FAIL);   \
                                                                                               \
        if ((seen[number] & good) == 0 || (seen[number] & bad) == 0)                           \
            fail_msg("%s", name);                                                              \
    }
    CLOISTER_CHECK_LIST(BOTH_)
#undef BOTH_
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simulated_evidence_passes_and_says_that_it_is_simulated),
        cmocka_unit_test(hardware_evidence_passes_and_hands_over_what_a_channel_needs),
        cmocka_unit_test(every_check_of_the_kind_stands_in_the_verdict_in_the_lists_order),
        cmocka_unit_test(valid_until_is_the_earliest_end),
        cmocka_unit_test(a_saved_file_is_verified_without_freshness),
        cmocka_unit_test(the_zero_verdict_means_not_verified),
        cmocka_unit_test(a_broken_call_leaves_a_zero_verdict),
        cmocka_unit_test(foreign_keys_are_refused),
        cmocka_unit_test(any_other_byte_of_a_bound_section_is_refused),
        cmocka_unit_test(another_batch_root_is_refused),
        cmocka_unit_test(another_nonce_is_refused),
        cmocka_unit_test(a_path_of_another_length_is_refused),
        cmocka_unit_test(the_number_of_nonces_is_not_told),
        cmocka_unit_test(a_nonce_that_was_sent_long_ago_is_refused),
        cmocka_unit_test(an_epoch_that_has_ended_is_refused),
        cmocka_unit_test(an_epoch_of_the_future_is_refused),
        cmocka_unit_test(an_epoch_lasts_a_day_at_most),
        cmocka_unit_test(simulated_evidence_is_refused_by_a_hardware_policy),
        cmocka_unit_test(hardware_evidence_is_refused_by_a_simulated_policy),
        cmocka_unit_test(renaming_the_type_helps_nobody),
        cmocka_unit_test(a_simulator_with_another_root_is_refused),
        cmocka_unit_test(a_policy_that_pins_no_image_admits_none),
        cmocka_unit_test(the_empty_policy_accepts_nothing),
        cmocka_unit_test(a_manifest_is_believed_under_a_pinned_measurement_only),
        cmocka_unit_test(nothing_is_believed_without_a_signature),
        cmocka_unit_test(only_listed_models_are_admitted),
        cmocka_unit_test(only_listed_releases_are_admitted),
        cmocka_unit_test(only_listed_engines_are_admitted),
        cmocka_unit_test(keys_live_no_longer_than_the_policy_allows),
        cmocka_unit_test(a_policy_may_admit_fewer_roots),
        cmocka_unit_test(a_plain_report_does_not_stand_for_azures),
        cmocka_unit_test(only_pinned_manifests_are_admitted),
        cmocka_unit_test(another_manifest_under_the_same_measurement_is_refused),
        cmocka_unit_test(a_pinned_manifest_under_another_measurement_is_not_believed),
        cmocka_unit_test(inference_outside_of_the_machine_is_refused),
        cmocka_unit_test(an_unmanaged_engine_is_refused_unless_the_policy_allows_it),
        cmocka_unit_test(a_shape_that_hides_less_than_the_policy_wants_is_refused),
        cmocka_unit_test(a_shape_that_hides_what_the_policy_wants_is_admitted_and_told),
        cmocka_unit_test(a_cache_that_nobody_keeps_apart_is_refused_unless_the_policy_allows_it),
        cmocka_unit_test(fewer_devices_than_the_policy_wants_are_refused),
        cmocka_unit_test(a_device_that_nobody_vouches_for_is_refused),
        cmocka_unit_test(a_device_that_is_not_listed_is_not_appraised),
        cmocka_unit_test(a_suite_that_the_policy_does_not_admit_is_refused),
        cmocka_unit_test(classical_keys_need_both_policy_and_manifest),
        cmocka_unit_test(several_keys_of_one_kind_are_refused),
        cmocka_unit_test(a_malformed_list_of_keys_is_refused),
        cmocka_unit_test(a_section_that_breaks_its_format_is_malformed),
        cmocka_unit_test(unknown_members_and_trailing_bytes_are_malformed),
        cmocka_unit_test(a_kind_that_the_policy_does_not_name_is_refused),
        cmocka_unit_test(evidence_without_certificates_is_indeterminate),
        cmocka_unit_test(evidence_without_crl_is_indeterminate),
        cmocka_unit_test(the_document_is_strict),
        cmocka_unit_test(the_document_is_bounded),
        cmocka_unit_test(evidence_is_completed_blob_by_blob),
        cmocka_unit_test(what_is_not_there_is_refused),
        cmocka_unit_test(sections_are_shown_as_they_came),
        cmocka_unit_test(a_check_that_was_not_made_is_never_verified),
        cmocka_unit_test(texts_of_a_check_are_printable_and_cut),
        cmocka_unit_test(a_verdict_becomes_strict_json),
        cmocka_unit_test(numbers_and_ids_of_checks_never_change),
        cmocka_unit_test(dates_are_written_as_people_read_them),
        cmocka_unit_test(every_check_was_seen_to_pass_and_to_fail),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
