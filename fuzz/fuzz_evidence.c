/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence. The first byte says what the rest is: the document (0), one section (1 to 6), or six sections,
 * each behind its length in two bytes, that are put into a document and appraised under a policy
 * which pins whatever root and measurement they bring (7), or under a policy and roots of AMD and NVIDIA that come
 * before them in the same way (8), so that every check is reached.
 */
#include <stdio.h>
#include <string.h>

#include <cloister/verify.h>

#include "attest/sections.h"
#include "base/enc.h"
#include "fuzz.h"

enum {
    NOW = 1795000000 /* that of attest_seeds.c */
};

/* Pins what the cpu section brings; without one, nothing in particular. */
static struct cloister_policy *policy_for(const struct clo_section_ref *cpu)
{
    struct clo_cpu_section c = {0};
    struct cloister_policy *p = NULL;
    uint8_t root[32] = {0}, measurement[48] = {0};
    char hex_root[65] = "", hex_measurement[97] = "", text[512] = "";

    if (clo_cpu_section_parse(cpu->p, cpu->n, &c) == 0) {
        if (c.chain_n == 3)
            FUZZ_CHECK(clo_sha256(c.chain[2].p, c.chain[2].len, root) == 0);
        memcpy(measurement, c.report + 0x90, sizeof(measurement));
    }
    clo_cpu_section_clear(&c);
    clo_hex(root, sizeof(root), hex_root);
    clo_hex(measurement, sizeof(measurement), hex_measurement);
    (void)snprintf(text, sizeof(text),
                   "{\"v\":1,\"name\":\"fuzz\",\"tee\":[\"simulated\"],\"measurements\":[\"%s\"],"
                   "\"simulated\":{\"roots\":[\"%s\"]}}",
                   hex_measurement, hex_root);
    FUZZ_CHECK(cloister_policy_parse(text, strlen(text), &p) == 0);
    return p;
}

/* "Verified" means that every check was made and none failed or is missing. */
static void check_verdict(const struct cloister_verdict *v, int err)
{
    size_t good = 0;

    for (size_t i = 0; i < v->checks; i++) {
        FUZZ_CHECK(v->check[i].status != CLOISTER_CHECK_NONE);
        FUZZ_CHECK(strstr(v->check[i].reason, "was not made") == NULL);
        good += v->check[i].status == CLOISTER_CHECK_PASS ||
                v->check[i].status == CLOISTER_CHECK_NOT_APPLICABLE;
    }
    FUZZ_CHECK((err == 0) == (v->outcome == CLOISTER_VERIFIED));
    FUZZ_CHECK(v->outcome != CLOISTER_NOT_VERIFIED);
    FUZZ_CHECK((v->outcome == CLOISTER_VERIFIED) == (v->checks > 0 && good == v->checks));
    FUZZ_CHECK((v->outcome == CLOISTER_VERIFIED) == (v->ohttp_keys_n > 0));
    FUZZ_CHECK((v->outcome == CLOISTER_VERIFIED) == (v->valid_until > NOW));
    FUZZ_CHECK(v->shape <= (v->outcome == CLOISTER_VERIFIED ? CLOISTER_SHAPING_FULL : 0u));
}

/* Twice, with the same result: nothing is remembered. */
static void appraise(const struct cloister_evidence *e, const struct cloister_policy *p,
                     const struct cloister_roots *roots)
{
    static struct cloister_verdict v;
    char *json[2] = {NULL, NULL};

    for (size_t i = 0; i < 2; i++) {
        const int err = cloister_evidence_verify(e, NULL, p, roots, NOW, &v);

        check_verdict(&v, err);
        FUZZ_CHECK(cloister_verdict_json(&v, &json[i]) == 0);
    }
    FUZZ_CHECK(strcmp(json[0], json[1]) == 0);
    free(json[0]);
    free(json[1]);
}

static void document(const uint8_t *p, size_t n)
{
    const struct clo_section_ref none = {.p = "", .n = 0};
    struct cloister_policy *policy = NULL;
    struct cloister_evidence *e = NULL, *back = NULL;
    char hex[65] = "", *saved = NULL;
    size_t saved_n = 0;

    if (cloister_evidence_parse(p, n, &e) != 0) {
        FUZZ_CHECK(e == NULL);
        return;
    }
    policy = policy_for(&none);
    appraise(e, policy, cloister_roots_builtin());
    if (cloister_evidence_missing(e, 0, hex))
        FUZZ_CHECK(cloister_evidence_save(e, &saved, &saved_n) == CLOISTER_E_STATE);
    else if (cloister_evidence_save(e, &saved, &saved_n) == 0)
        FUZZ_CHECK(cloister_evidence_parse(saved, saved_n, &back) == 0);
    free(saved);
    cloister_evidence_free(back);
    cloister_evidence_free(e);
    cloister_policy_free(policy);
}

/* What a reader takes, the writer can say again. */
static void section(enum clo_section which, const uint8_t *p, size_t n)
{
    struct clo_buf out = clo_buf_init(CLO_SECTION_MAX);
    static struct clo_keys_section keys;
    struct clo_manifest manifest = {0};
    struct clo_cpu_section cpu = {0};
    struct clo_batch_section batch = {0};
    struct clo_collateral collateral = {0};
    struct clo_devices devices = {0};

    switch (which) {
    case CLO_SEC_KEYS:
        if (clo_keys_section_parse(p, n, &keys) == 0)
            FUZZ_CHECK(clo_keys_section_write(&keys, &out) == 0);
        break;
    case CLO_SEC_MANIFEST:
        if (clo_manifest_parse(p, n, &manifest) == 0)
            FUZZ_CHECK(clo_manifest_write(&manifest, &out) == 0);
        break;
    case CLO_SEC_DEVICES:
        if (clo_devices_section_parse(p, n, &devices) == 0) {
            FUZZ_CHECK(devices.count <= CLO_DEVICES_MAX);
            FUZZ_CHECK(clo_devices_section_write(&devices, &out) == 0);
        }
        clo_devices_clear(&devices);
        break;
    case CLO_SEC_CPU:
        if (clo_cpu_section_parse(p, n, &cpu) == 0 &&
            (cpu.kind > CLO_CPU_SNP || cpu.report_n == CLO_SNP_REPORT_LEN))
            FUZZ_CHECK(clo_cpu_section_write(&cpu, &out) == 0);
        clo_cpu_section_clear(&cpu);
        break;
    case CLO_SEC_BATCH:
        if (clo_batch_section_parse(p, n, &batch) == 0) {
            FUZZ_CHECK(clo_batch_section_write(&batch, &out) == 0);
            FUZZ_CHECK(clo_batch_check(&batch, batch.root) == CLOISTER_E_AUTH);
        }
        break;
    case CLO_SEC_COLLATERAL:
        if (clo_collateral_parse(p, n, &collateral) == 0)
            FUZZ_CHECK(clo_collateral_write(&collateral, &out) == 0);
        clo_collateral_clear(&collateral);
        break;
    case CLO_SEC_COUNT: break;
    }
    clo_buf_clear(&out);
}

/* The next byte string, behind its length. */
static bool next(struct clo_rd *rd, struct clo_section_ref *ret)
{
    const uint8_t *bytes = NULL;
    uint16_t n = 0;

    if (clo_rd_u16be(rd, &n) != 0 || clo_rd_view(rd, n, &bytes) != 0)
        return false;
    *ret = (struct clo_section_ref){.p = bytes, .n = n};
    return true;
}

/* policy and roots NULL: those that fit the simulator's sections. */
static void bound(struct clo_rd rd, const struct cloister_policy *policy,
                  const struct cloister_roots *roots)
{
    struct clo_section_ref ref[CLO_SEC_COUNT] = {0};
    struct clo_buf doc = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    struct cloister_evidence *e = NULL;
    struct cloister_policy *own = NULL;

    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        if (!next(&rd, &ref[i]))
            return;
    FUZZ_CHECK(clo_evidence_write(ref, &doc) == 0);
    FUZZ_CHECK(cloister_evidence_parse(doc.p, doc.len, &e) == 0);
    if (policy == NULL)
        own = policy_for(&ref[CLO_SEC_CPU]);
    appraise(e, policy != NULL ? policy : own, roots);
    cloister_policy_free(own);
    cloister_evidence_free(e);
    clo_buf_clear(&doc);
}

static void combined(struct clo_rd rd)
{
    struct clo_section_ref text = {0}, amd = {0}, nvidia = {0};
    struct cloister_policy *policy = NULL;
    struct cloister_roots *roots = NULL;

    if (!next(&rd, &text) || !next(&rd, &amd) || !next(&rd, &nvidia) ||
        cloister_policy_parse(text.p, text.n, &policy) != 0)
        return;
    FUZZ_CHECK(cloister_roots_new(&roots) == 0);
    if (cloister_roots_add_amd(roots, "Genoa", amd.p, amd.n) == 0 &&
        cloister_roots_add_nvidia(roots, nvidia.p, nvidia.n) == 0)
        bound(rd, policy, roots);
    cloister_roots_free(roots);
    cloister_policy_free(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_rd rd = clo_rd_init(data, size);
    uint8_t what = 0;

    if (clo_rd_u8(&rd, &what) != 0)
        return 0;
    if (what == 0)
        document(rd.p, rd.left);
    else if (what <= CLO_SEC_COUNT)
        section((enum clo_section)(what - 1), rd.p, rd.left);
    else if (what == 7)
        bound(rd, NULL, cloister_roots_builtin());
    else
        combined(rd);
    return 0;
}
