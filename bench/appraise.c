/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long appraisal takes, and how much of it is more than the signatures that it has to verify: measure.h says what is
 * measured. A call is one of the verifier's: parsing, all checks, the verdict. Policy and roots are parsed before.
 *
 * Recorded evidence comes from $CLOISTER_VECTORS, the rest is made here. No test: nothing fails for being slow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "attest/evidence.h"
#include "evidence_rows.h"
#include "measure.h"
#include "lab/machine.h"

struct subject {
    const struct cloister_raw *raw; /* or: */
    const struct cloister_evidence *evidence;
    const struct cloister_nonce *nonce;
    const struct cloister_policy *policy;
    const struct cloister_roots *roots;
    int64_t now;
};

static int appraise(void *arg)
{
    static struct cloister_verdict v;
    const struct subject *s = arg;

    if (s->raw != NULL)
        return cloister_raw_appraise(s->raw, s->policy, s->roots, s->now, &v);
    return cloister_evidence_verify(s->evidence, s->nonce, s->policy, s->roots, s->now, &v);
}

/* ---- recorded evidence ---- */

static void recorded(const char *name, const char *row_name)
{
    struct subject s = {0};
    struct cloister_policy *policy;
    struct cloister_roots *roots;
    struct cloister_raw *raw;
    const json_t *row;

    shelf_load();
    row = row_named(row_name);
    raw = evidence_make(row, true);
    policy = policy_make(row);
    roots = roots_make(row);
    s.raw = raw;
    s.policy = policy;
    s.roots = roots != NULL ? roots : cloister_roots_builtin();
    s.now = json_integer_value(json_object_get(row, "time"));
    measure(name, appraise, &s);
    cloister_raw_free(raw);
    cloister_policy_free(policy);
    cloister_roots_free(roots);
}

static void sev_snp(void **state)
{
    (void)state;
    recorded("SEV-SNP", "snp-milan-v2-virtee");
}

static void tdx(void **state)
{
    (void)state;
    recorded("TDX", "tdx-v4-phala-uptodate");
}

static void h100_recorded(void **state)
{
    (void)state;
    recorded("H100, no OCSP", "nvidia-h100-545.00-e2e");
}

/* ---- made evidence: nobody has recorded OCSP answers, or a processor that vouches for its GPUs ---- */

static struct synthetic *lab;

static void add(struct cloister_raw *r, enum cloister_raw_item item, const struct clo_buf *b)
{
    assert_int_equal(cloister_raw_add(r, item, b->p, b->len), 0);
}

/* The devices alone, with the answers about them. Their nonce stands in their reports, behind the request's four bytes. */
static struct cloister_raw *raw_devices(const struct synthetic_scene *scene)
{
    struct cloister_raw *r = NULL;

    assert_int_equal(cloister_raw_new(CLOISTER_RAW_NVIDIA, &r), 0);
    assert_int_equal(cloister_raw_expect(r, scene->devices.device[0].report.p + 4, 32), 0);
    for (size_t i = 0; i < scene->devices.count; i++) {
        add(r, CLOISTER_ITEM_REPORT, &scene->devices.device[i].report);
        for (size_t k = 0; k < scene->devices.device[i].chain_n; k++)
            add(r, CLOISTER_ITEM_CERTIFICATES, &scene->devices.device[i].chain[k]);
    }
    for (size_t i = 0; i < scene->collateral.ocsps; i++)
        add(r, CLOISTER_ITEM_OCSP, &scene->collateral.ocsp[i]);
    return r;
}

static void made(const char *name, size_t gpus, size_t switches, bool devices_alone)
{
    struct cloister_evidence *e = NULL;
    struct cloister_policy *policy = NULL;
    struct cloister_roots *roots = NULL;
    struct cloister_raw *raw = NULL;
    struct synthetic_scene scene;
    struct subject s = {.now = SYNTHETIC_NOW};

    synthetic_good(lab, gpus, switches, &scene);
    assert_int_equal(synthetic_make(lab, &scene), 0);
    assert_int_equal(synthetic_roots(lab, &roots), 0);
    assert_int_equal(cloister_evidence_parse(scene.document.p, scene.document.len, &e), 0);
    assert_int_equal(cloister_policy_parse(scene.policy.p, scene.policy.len, &policy), 0);
    if (devices_alone)
        raw = raw_devices(&scene);
    s.raw = raw;
    s.evidence = e;
    s.nonce = &scene.ours;
    s.policy = policy;
    s.roots = roots;
    measure(name, appraise, &s);
    cloister_raw_free(raw);
    cloister_evidence_free(e);
    cloister_policy_free(policy);
    cloister_roots_free(roots);
    synthetic_clear(&scene);
}

static void h100_one(void **state)
{
    (void)state;
    made("one H100", 1, 0, true);
}

static void h100_eight(void **state)
{
    (void)state;
    made("eight H100", 8, 0, true);
}

static void server(void **state)
{
    (void)state;
    made("server: SEV-SNP", 0, 0, false);
}

static void server_one(void **state)
{
    (void)state;
    made("server: SEV-SNP, one H100", 1, 0, false);
}

static void server_eight(void **state)
{
    (void)state;
    made("server: SEV-SNP, eight H100", 8, 0, false);
}

static void server_whole(void **state)
{
    (void)state;
    made("server: SEV-SNP, eight H100, 4 sw.", 8, 4, false);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(sev_snp),       cmocka_unit_test(tdx),
        cmocka_unit_test(h100_recorded), cmocka_unit_test(h100_one),
        cmocka_unit_test(h100_eight),    cmocka_unit_test(server),
        cmocka_unit_test(server_one),    cmocka_unit_test(server_eight),
        cmocka_unit_test(server_whole),
    };
    json_error_t fault;
    int failed;

    if (!measure_init(argc, argv))
        return 1;
    if ((table = json_load_file(CLO_EVIDENCE_TABLE, 0, &fault)) == NULL) {
        (void)fprintf(stderr, "%s: %s\n", CLO_EVIDENCE_TABLE, fault.text);
        return 1;
    }
    if (clo_crypto_init() != 0 || synthetic_new(SYNTHETIC_NOW, &lab) != 0)
        return 1;
    failed = cmocka_run_group_tests(cases, NULL, NULL);
    synthetic_free(lab);
    json_decref(table);
    return failed == 0 ? 0 : 1;
}
