/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One verdict over a machine and its GPUs, as an operator would attack it who has genuine machines, genuine GPUs and genuine answers, and
 * may put them together as he likes. Everything is made by lab/machine.h, under roots of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <cloister/verify.h>

#include "attest/verdict.h"
#include "lab/machine.h"

static struct synthetic *lab;
static struct cloister_roots *roots;

static int open_lab(void **state)
{
    (void)state;
    return synthetic_new(SYNTHETIC_NOW, &lab) != 0 || synthetic_roots(lab, &roots) != 0;
}

static int close_lab(void **state)
{
    (void)state;
    cloister_roots_free(roots);
    synthetic_free(lab);
    return 0;
}

static struct synthetic_scene *scene(size_t gpus, size_t switches)
{
    struct synthetic_scene *s = calloc(1, sizeof *s);

    assert_non_null(s);
    synthetic_good(lab, gpus, switches, s);
    return s;
}

static void scene_free(struct synthetic_scene *s)
{
    synthetic_clear(s);
    free(s);
}

static struct synthetic_scene *made(size_t gpus, size_t switches)
{
    struct synthetic_scene *s = scene(gpus, switches);

    assert_int_equal(synthetic_make(lab, s), 0);
    return s;
}

static struct synthetic_scene *defective(enum synthetic_defect defect)
{
    struct synthetic_scene *s = scene(2, 0);

    s->defect = defect;
    s->at = 1;
    assert_int_equal(synthetic_make(lab, s), 0);
    return s;
}

static int verify_under(const struct synthetic_scene *s, const struct cloister_roots *r,
                        struct cloister_verdict *v)
{
    struct cloister_evidence *e = NULL;
    struct cloister_policy *p = NULL;
    char why[200] = "";
    int err;

    assert_int_equal(cloister_evidence_parse(s->document.p, s->document.len, &e), 0);
    if (cloister_policy_check(s->policy.p, s->policy.len, why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_int_equal(cloister_policy_parse(s->policy.p, s->policy.len, &p), 0);
    err = cloister_evidence_verify(e, &s->ours, p, r, s->now, v);
    cloister_policy_free(p);
    cloister_evidence_free(e);
    return err;
}

static int verify(const struct synthetic_scene *s, struct cloister_verdict *v)
{
    return verify_under(s, roots, v);
}

static const struct cloister_check *find(const struct cloister_verdict *v,
                                         enum cloister_check_id id)
{
    for (size_t i = 0; i < v->checks; i++)
        if (v->check[i].id == id)
            return &v->check[i];
    fail_msg("%s isn't part of the verdict", cloister_check_name(id));
    return NULL;
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

static void assert_empty_handed(const struct cloister_verdict *v)
{
    assert_int_equal(v->valid_until, 0);
    assert_int_equal(v->ohttp_keys_n, 0);
    assert_string_equal(v->gateway, "");
    for (size_t i = 0; i < sizeof v->measurement; i++)
        assert_int_equal(v->measurement[i], 0);
}

static void accepted(struct synthetic_scene *s)
{
    struct cloister_verdict v;
    char got[4096];
    int err = verify(s, &v);

    if (err != 0) {
        names_with(&v, CLOISTER_CHECK_FAIL, got, sizeof got);
        if (got[0] == '\0')
            names_with(&v, CLOISTER_CHECK_MISSING, got, sizeof got);
        assert_string_equal(got, "");
    }
    assert_int_equal(err, 0);
    assert_int_equal(v.outcome, CLOISTER_VERIFIED);
    scene_free(s);
}

/* Refused because of exactly these checks. */
static void refused(struct synthetic_scene *s, const char *names)
{
    struct cloister_verdict v;
    char got[4096];

    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    names_with(&v, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, names);
    assert_empty_handed(&v);
    scene_free(s);
}

/* Nothing is wrong, and exactly this can't be judged. */
static void indeterminate(struct synthetic_scene *s, const char *names)
{
    struct cloister_verdict v;
    char got[4096];

    assert_int_equal(verify(s, &v), CLOISTER_E_INDETERMINATE);
    names_with(&v, CLOISTER_CHECK_MISSING, got, sizeof got);
    assert_string_equal(got, names);
    assert_empty_handed(&v);
    scene_free(s);
}

/* The section of one machine in the evidence of another. */
static void take_section(struct synthetic_scene *s, const struct synthetic_scene *from,
                         enum clo_section which)
{
    clo_buf_clear(&s->sec[which]);
    s->sec[which] = clo_buf_init(CLO_SECTION_MAX);
    assert_int_equal(clo_buf_append(&s->sec[which], from->sec[which].p, from->sec[which].len), 0);
}

static void take_text(struct synthetic_scene *s, enum clo_section which, const char *text)
{
    clo_buf_clear(&s->sec[which]);
    s->sec[which] = clo_buf_init(CLO_SECTION_MAX);
    assert_int_equal(clo_buf_append(&s->sec[which], text, strlen(text)), 0);
}

/* One edit of the policy's text. */
static void edit_policy(struct synthetic_scene *s, const char *from, const char *to)
{
    char *text = (char *)s->policy.p, *at = strstr(text, from);
    struct clo_buf b = clo_buf_init(1 << 20);

    assert_non_null(at);
    assert_int_equal(clo_buf_append(&b, text, (size_t)(at - text)), 0);
    assert_int_equal(clo_buf_append(&b, to, strlen(to)), 0);
    at += strlen(from);
    assert_int_equal(clo_buf_append(&b, at, strlen(at) + 1), 0);
    b.len--;
    clo_buf_clear(&s->policy);
    s->policy = b;
}

/* ---- what is right ---- */

static void a_machine_with_gpus_is_accepted(void **state)
{
    struct synthetic_scene *s = made(1, 0);
    struct cloister_verdict v;

    (void)state;
    assert_int_equal(verify(s, &v), 0);
    assert_string_equal(v.type, "sev-snp");
    assert_false(v.simulated);
    assert_int_equal(v.freshness, CLOISTER_FRESH);
    assert_string_equal(v.gateway, "/r/0123456789abcdef");
    assert_int_equal(v.measurement[0], 0x55);
    assert_int_equal(find(&v, CLOISTER_CHECK_DEVICES_APPRAISED)->status, CLOISTER_CHECK_PASS);
    assert_int_equal(find(&v, CLOISTER_CHECK_GPU_NONCE)->status, CLOISTER_CHECK_PASS);
    scene_free(s);
    accepted(made(2, 0));
}

static void the_largest_machine_is_accepted(void **state)
{
    (void)state;
    accepted(made(8, 4));
}

static void a_machine_without_gpus_is_accepted_where_none_is_wanted(void **state)
{
    struct synthetic_scene *s = made(0, 0);
    struct cloister_verdict v;

    (void)state;
    assert_int_equal(verify(s, &v), 0);
    assert_int_equal(find(&v, CLOISTER_CHECK_DEVICES_APPRAISED)->status,
                     CLOISTER_CHECK_NOT_APPLICABLE);
    scene_free(s);
}

static void answers_may_be_a_named_responders(void **state)
{
    struct synthetic_scene *s = scene(2, 0);

    (void)state;
    s->delegated = true;
    assert_int_equal(synthetic_make(lab, s), 0);
    accepted(s);
}

static void the_verdict_has_the_families_of_its_kind_and_of_devices(void **state)
{
    struct synthetic_scene *s = made(1, 0);
    struct cloister_verdict v;
    unsigned last = 0;

    (void)state;
    assert_int_equal(verify(s, &v), 0);
    for (size_t i = 0; i < v.checks; i++) {
        const unsigned id = v.check[i].id;

        assert_true(id > last);
        assert_true(id < 200 || id >= 400);
        last = id;
    }
    assert_int_equal(last, CLOISTER_CHECK_GPU_SWITCHES);
    scene_free(s);
}

/* Everything that was relied on has an end, and the first of them is the verdict's. */
static void valid_until_is_the_earliest_of_everything(void **state)
{
    struct synthetic_scene *s = made(1, 0);
    struct cloister_verdict v;

    (void)state;
    assert_int_equal(verify(s, &v), 0);
    assert_int_equal(v.valid_until, s->keys.expires - 120);
    scene_free(s);

    s = scene(1, 0);
    s->answers_until = s->now + 33;
    s->crl_until = s->now + 44;
    assert_int_equal(synthetic_make(lab, s), 0);
    assert_int_equal(verify(s, &v), 0);
    assert_int_equal(v.valid_until, s->now + 33);
    scene_free(s);

    s = scene(1, 0);
    s->answers_until = s->now + 44;
    s->crl_until = s->now + 33;
    assert_int_equal(synthetic_make(lab, s), 0);
    assert_int_equal(verify(s, &v), 0);
    assert_int_equal(v.valid_until, s->now + 33);
    scene_free(s);
}

/* ---- somebody else's GPU ---- */

/* A genuine machine without a GPU shows the evidence of another machine's, and binds it as its own. */
static void a_gpu_of_another_machine_is_refused(void **state)
{
    struct synthetic_scene *s = made(1, 0), *other = scene(1, 0);

    (void)state;
    other->key_seed = 2; /* its own keys, as every machine has */
    other->first_gpu = 3;
    assert_int_equal(synthetic_make(lab, other), 0);
    take_section(s, other, CLO_SEC_DEVICES);
    take_section(s, other, CLO_SEC_COLLATERAL);
    assert_int_equal(synthetic_bind(lab, s), 0);
    refused(s, "devices.appraised gpu.nonce");
    accepted(other);
}

/* The same GPU, asked for the epoch before: its answer says nothing of the keys that are shown now. */
static void a_report_for_earlier_keys_is_refused(void **state)
{
    struct synthetic_scene *s = made(1, 0), *earlier = scene(1, 0);

    (void)state;
    earlier->keys.created -= 1800;
    earlier->keys.expires -= 1800;
    assert_int_equal(synthetic_make(lab, earlier), 0);
    take_section(s, earlier, CLO_SEC_DEVICES);
    assert_int_equal(synthetic_bind(lab, s), 0);
    refused(s, "devices.appraised gpu.nonce");
    scene_free(earlier);
}

static void a_report_under_another_manifest_is_refused(void **state)
{
    struct synthetic_scene *s = made(1, 0), *other = scene(1, 0);

    (void)state;
    memcpy(other->manifest.model, "Same Model", 11);
    assert_int_equal(synthetic_make(lab, other), 0);
    take_section(s, other, CLO_SEC_DEVICES);
    assert_int_equal(synthetic_bind(lab, s), 0);
    refused(s, "devices.appraised gpu.nonce");
    scene_free(other);
}

static void one_relayed_gpu_among_own_ones_is_refused(void **state)
{
    (void)state;
    refused(defective(SYNTHETIC_OTHER_NONCE), "devices.appraised gpu.nonce");
}

/* ---- a list that the machine didn't make ---- */

/* All of it is genuine and fits the keys, but the machine's report covers another list. */
static void devices_that_the_report_does_not_cover_do_not_count(void **state)
{
    struct synthetic_scene *s = made(1, 0), *more = scene(1, 0);
    struct cloister_verdict v;

    (void)state;
    more->first_gpu = 5;
    assert_int_equal(synthetic_make(lab, more), 0);
    take_section(s, more, CLO_SEC_DEVICES);
    take_section(s, more, CLO_SEC_COLLATERAL);
    assert_int_equal(synthetic_document(s), 0); /* the report stays */
    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    assert_int_equal(find(&v, CLOISTER_CHECK_GPU_NONCE)->status, CLOISTER_CHECK_PASS);
    assert_int_equal(find(&v, CLOISTER_CHECK_DEVICES_APPRAISED)->status, CLOISTER_CHECK_MISSING);
    refused(s, "binding.report_data");
    scene_free(more);
}

static void a_list_without_its_gpus_is_refused(void **state)
{
    struct synthetic_scene *s = made(1, 0);

    (void)state;
    take_text(s, CLO_SEC_DEVICES, "{\"v\":1,\"devices\":[]}");
    assert_int_equal(synthetic_document(s), 0);
    refused(s, "binding.report_data devices.count");
}

/* Even a policy that wants none: a GPU that is there and not shown sees everything. */
static void hiding_a_gpu_is_refused_where_none_is_wanted(void **state)
{
    struct synthetic_scene *s = scene(1, 0);

    (void)state;
    s->policy_gpus = 0;
    assert_int_equal(synthetic_make(lab, s), 0);
    take_text(s, CLO_SEC_DEVICES, "{\"v\":1,\"devices\":[]}");
    assert_int_equal(synthetic_document(s), 0);
    refused(s, "binding.report_data");
}

/* ---- how many ---- */

static void a_missing_gpu_is_refused(void **state)
{
    struct synthetic_scene *s = scene(1, 0);

    (void)state;
    s->policy_gpus = 2;
    assert_int_equal(synthetic_make(lab, s), 0);
    refused(s, "devices.count");
    s = scene(0, 0);
    s->policy_gpus = 1;
    assert_int_equal(synthetic_make(lab, s), 0);
    refused(s, "devices.count");
}

static void one_gpu_too_many_is_refused(void **state)
{
    struct synthetic_scene *s = scene(2, 0);

    (void)state;
    s->policy_gpus = 1;
    assert_int_equal(synthetic_make(lab, s), 0);
    refused(s, "devices.count");
}

/* A policy that speaks of no GPU holds for a machine that has one: it isn't admitted unseen. */
static void a_gpu_is_refused_where_none_is_wanted(void **state)
{
    struct synthetic_scene *s = scene(1, 0);
    struct cloister_verdict v;
    char got[4096];

    (void)state;
    s->policy_gpus = 0;
    assert_int_equal(synthetic_make(lab, s), 0);
    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    names_with(&v, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_ptr_equal(strstr(got, "devices.count devices.appraised"), got);
    scene_free(s);
}

static void a_gpu_that_is_listed_twice_is_refused(void **state)
{
    struct synthetic_scene *s = scene(2, 0);

    (void)state;
    s->defect = SYNTHETIC_TWICE;
    assert_int_equal(synthetic_make(lab, s), 0);
    refused(s, "devices.appraised gpu.distinct");
}

static void a_switch_that_is_not_listed_is_refused(void **state)
{
    struct synthetic_scene *s = scene(1, 2);

    (void)state;
    s->policy_switches = 2;
    assert_int_equal(synthetic_make(lab, s), 0);
    accepted(s);
    s = scene(1, 1);
    s->policy_switches = 2;
    assert_int_equal(synthetic_make(lab, s), 0);
    refused(s, "devices.count");
}

/* ---- revocation ---- */

static void a_revoked_gpu_is_refused(void **state)
{
    (void)state;
    refused(defective(SYNTHETIC_REVOKED), "devices.appraised gpu.revoked");
    refused(defective(SYNTHETIC_ICA_REVOKED), "devices.appraised gpu.revoked");
}

static void a_gpu_on_hold_is_refused(void **state)
{
    struct synthetic_scene *s = defective(SYNTHETIC_ON_HOLD);
    struct cloister_verdict v;

    (void)state;
    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    assert_non_null(strstr(find(&v, CLOISTER_CHECK_GPU_REVOKED)->reason, "hold"));
    assert_non_null(strstr(find(&v, CLOISTER_CHECK_GPU_REVOKED)->reason, "GPU 1"));
    refused(s, "devices.appraised gpu.revoked");
}

static void a_gpu_that_the_responder_does_not_know_is_refused(void **state)
{
    (void)state;
    refused(defective(SYNTHETIC_UNKNOWN), "devices.appraised gpu.revoked");
}

static void without_an_answer_nothing_is_known(void **state)
{
    static const char missing[] = "devices.appraised gpu.ocsp gpu.ocsp_dates gpu.revoked";

    (void)state;
    indeterminate(defective(SYNTHETIC_NO_ANSWERS), missing);
    indeterminate(defective(SYNTHETIC_NO_ANSWER), missing);
    indeterminate(defective(SYNTHETIC_ANSWER_OF_OTHER), missing);
}

static void a_policy_may_do_without_answers_and_never_ignores_one(void **state)
{
    struct synthetic_scene *s = defective(SYNTHETIC_NO_ANSWERS);

    (void)state;
    edit_policy(s, "\"devices\"", "\"revocation\":\"if-present\",\"devices\"");
    accepted(s);
    s = defective(SYNTHETIC_REVOKED);
    edit_policy(s, "\"devices\"", "\"revocation\":\"if-present\",\"devices\"");
    refused(s, "devices.appraised gpu.revoked");
}

static void an_answer_outside_of_its_dates_is_refused(void **state)
{
    (void)state;
    refused(defective(SYNTHETIC_ANSWER_EXPIRED), "devices.appraised gpu.ocsp_dates");
    refused(defective(SYNTHETIC_ANSWER_EARLY), "devices.appraised gpu.ocsp_dates");
    refused(defective(SYNTHETIC_ANSWER_ENDLESS), "devices.appraised gpu.ocsp_dates");
}

static void an_answer_by_a_stranger_is_none(void **state)
{
    struct synthetic_scene *s = defective(SYNTHETIC_ANSWER_STRANGER);
    struct cloister_verdict v;

    (void)state;
    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    assert_int_equal(find(&v, CLOISTER_CHECK_GPU_REVOKED)->status, CLOISTER_CHECK_MISSING);
    refused(s, "devices.appraised gpu.ocsp");
}

/* ---- what runs on it ---- */

static void an_altered_report_is_refused(void **state)
{
    struct synthetic_scene *s = defective(SYNTHETIC_FLIPPED);
    struct cloister_verdict v;
    char got[4096];

    (void)state;
    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    names_with(&v, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_non_null(strstr(got, "gpu.signature"));
    assert_int_equal(find(&v, CLOISTER_CHECK_GPU_NONCE)->status, CLOISTER_CHECK_MISSING);
    assert_int_equal(find(&v, CLOISTER_CHECK_DEVICES_APPRAISED)->status, CLOISTER_CHECK_FAIL);
    scene_free(s);
}

static void other_firmware_is_refused(void **state)
{
    struct synthetic_scene *s = defective(SYNTHETIC_OTHER_FIRMWARE);
    struct cloister_verdict v;

    (void)state;
    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    assert_int_equal(find(&v, CLOISTER_CHECK_GPU_DEBUG)->status, CLOISTER_CHECK_MISSING);
    refused(s, "devices.appraised gpu.measurements");
}

static void an_old_driver_is_refused(void **state)
{
    (void)state;
    refused(defective(SYNTHETIC_OLD_DRIVER), "devices.appraised gpu.driver gpu.reference");
}

static void another_mode_is_refused(void **state)
{
    (void)state;
    refused(defective(SYNTHETIC_OTHER_MODE), "devices.appraised gpu.mode");
}

static void a_policy_without_reference_values_admits_no_gpu(void **state)
{
    struct synthetic_scene *s = made(1, 0);
    char *text = (char *)s->policy.p, *at = strstr(text, ",\"reference_values\"");

    (void)state;
    assert_non_null(at);
    memcpy(at, "}}", 3);
    s->policy.len = strlen(text);
    refused(s, "devices.appraised gpu.reference");
}

static void a_gpu_without_certificates_is_indeterminate(void **state)
{
    struct synthetic_scene *s = defective(SYNTHETIC_NO_CHAIN);
    struct cloister_verdict v;

    (void)state;
    assert_int_equal(verify(s, &v), CLOISTER_E_INDETERMINATE);
    assert_int_equal(find(&v, CLOISTER_CHECK_GPU_CHAIN_PRESENT)->status, CLOISTER_CHECK_MISSING);
    assert_int_equal(find(&v, CLOISTER_CHECK_DEVICES_APPRAISED)->status, CLOISTER_CHECK_MISSING);
    scene_free(s);
}

/* ---- roots ---- */

static void a_strangers_root_is_refused(void **state)
{
    struct synthetic_scene *s = defective(SYNTHETIC_STRANGERS_ROOT);
    struct cloister_verdict v;

    (void)state;
    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    assert_int_equal(find(&v, CLOISTER_CHECK_GPU_ROOT)->status, CLOISTER_CHECK_FAIL);
    assert_empty_handed(&v);
    scene_free(s);
}

/* What is made here is worth nothing to anybody who didn't ask for it. */
static void the_built_in_roots_refuse_what_is_made_here(void **state)
{
    struct synthetic_scene *s = made(1, 0);
    struct cloister_roots *half = NULL;
    struct cloister_verdict v;

    (void)state;
    assert_int_equal(verify_under(s, cloister_roots_builtin(), &v), CLOISTER_E_REFUSED);
    assert_int_equal(find(&v, CLOISTER_CHECK_SNP_ROOT)->status, CLOISTER_CHECK_FAIL);
    assert_int_equal(find(&v, CLOISTER_CHECK_GPU_ROOT)->status, CLOISTER_CHECK_FAIL);
    assert_empty_handed(&v);

    assert_int_equal(cloister_roots_new(&half), 0); /* AMD's alone vouches for no GPU */
    assert_int_equal(cloister_roots_add_amd(half, "Genoa", synthetic_amd_root(lab)->p,
                                            synthetic_amd_root(lab)->len),
                     0);
    assert_int_equal(verify_under(s, half, &v), CLOISTER_E_REFUSED);
    assert_int_equal(find(&v, CLOISTER_CHECK_SNP_ROOT)->status, CLOISTER_CHECK_PASS);
    assert_int_equal(find(&v, CLOISTER_CHECK_GPU_ROOT)->status, CLOISTER_CHECK_FAIL);
    cloister_roots_free(half);
    scene_free(s);
}

static void a_good_gpu_makes_no_other_image_good(void **state)
{
    struct synthetic_scene *s = scene(1, 0);

    (void)state;
    s->image_not_pinned = true;
    assert_int_equal(synthetic_make(lab, s), 0);
    refused(s, "snp.measurement");
}

/* ---- raw: the device alone ---- */

static struct cloister_raw *raw_gpus(const struct synthetic_scene *s)
{
    struct cloister_raw *r = NULL;

    assert_int_equal(cloister_raw_new(CLOISTER_RAW_NVIDIA, &r), 0);
    for (size_t i = 0; i < s->devices.count; i++) {
        const struct clo_device *d = &s->devices.device[i];

        assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_REPORT, d->report.p, d->report.len), 0);
        for (size_t k = 0; k < d->chain_n; k++)
            assert_int_equal(
                cloister_raw_add(r, CLOISTER_ITEM_CERTIFICATES, d->chain[k].p, d->chain[k].len), 0);
    }
    for (size_t i = 0; i < s->collateral.ocsps; i++)
        assert_int_equal(cloister_raw_add(r, CLOISTER_ITEM_OCSP, s->collateral.ocsp[i].p,
                                          s->collateral.ocsp[i].len),
                         0);
    return r;
}

static int appraise(const struct cloister_raw *r, const struct synthetic_scene *s,
                    struct cloister_verdict *v)
{
    struct cloister_policy *p = NULL;
    int err;

    assert_int_equal(cloister_policy_parse(s->policy.p, s->policy.len, &p), 0);
    err = cloister_raw_appraise(r, p, roots, s->now, v);
    cloister_policy_free(p);
    return err;
}

static void gpu_nonce(const struct synthetic_scene *s, uint8_t ret[32])
{
    uint8_t keys[32], manifest[32];

    assert_int_equal(clo_sha256(s->sec[CLO_SEC_KEYS].p, s->sec[CLO_SEC_KEYS].len, keys), 0);
    assert_int_equal(clo_sha256(s->sec[CLO_SEC_MANIFEST].p, s->sec[CLO_SEC_MANIFEST].len, manifest),
                     0);
    assert_int_equal(clo_bind_gpu(keys, manifest, ret), 0);
}

static void raw_devices_are_judged_by_the_same_checks(void **state)
{
    struct synthetic_scene *s = made(2, 1);
    struct cloister_raw *r = raw_gpus(s);
    struct cloister_verdict v;
    uint8_t nonce[32];

    (void)state;
    gpu_nonce(s, nonce);
    assert_int_equal(cloister_raw_expect(r, nonce, 31), CLOISTER_E_ARGUMENT);
    assert_int_equal(appraise(r, s, &v), CLOISTER_E_INDETERMINATE); /* for what nonce? */
    assert_int_equal(find(&v, CLOISTER_CHECK_GPU_NONCE)->status, CLOISTER_CHECK_MISSING);
    assert_int_equal(cloister_raw_expect(r, nonce, 32), 0);
    assert_int_equal(cloister_raw_expect(r, nonce, 32), CLOISTER_E_DUPLICATE);
    assert_int_equal(appraise(r, s, &v), 0);
    assert_string_equal(v.type, "nvidia");
    assert_int_equal(v.freshness, CLOISTER_FRESHNESS_NOT_CHECKED);
    assert_int_equal(v.valid_until, s->answers_until);
    assert_int_equal(v.ohttp_keys_n, 0);
    cloister_raw_free(r);

    r = raw_gpus(s);
    nonce[0] ^= 1;
    assert_int_equal(cloister_raw_expect(r, nonce, 32), 0);
    cloister_raw_expect_any(r); /* what is expected stays expected */
    assert_int_equal(appraise(r, s, &v), CLOISTER_E_REFUSED);
    assert_int_equal(find(&v, CLOISTER_CHECK_GPU_NONCE)->status, CLOISTER_CHECK_FAIL);
    cloister_raw_free(r);

    r = raw_gpus(s);
    cloister_raw_expect_any(r);
    assert_int_equal(appraise(r, s, &v), 0);
    assert_int_equal(find(&v, CLOISTER_CHECK_GPU_NONCE)->status, CLOISTER_CHECK_NOT_APPLICABLE);
    assert_int_equal(cloister_raw_appraise(r, NULL, roots, s->now, &v), CLOISTER_E_INDETERMINATE);
    assert_int_equal(find(&v, CLOISTER_CHECK_POLICY_TYPE)->status, CLOISTER_CHECK_MISSING);
    assert_int_equal(find(&v, CLOISTER_CHECK_GPU_SIGNATURE)->status, CLOISTER_CHECK_PASS);
    cloister_raw_free(r);
    scene_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_with_gpus_is_accepted),
        cmocka_unit_test(the_largest_machine_is_accepted),
        cmocka_unit_test(a_machine_without_gpus_is_accepted_where_none_is_wanted),
        cmocka_unit_test(answers_may_be_a_named_responders),
        cmocka_unit_test(the_verdict_has_the_families_of_its_kind_and_of_devices),
        cmocka_unit_test(valid_until_is_the_earliest_of_everything),
        cmocka_unit_test(a_gpu_of_another_machine_is_refused),
        cmocka_unit_test(a_report_for_earlier_keys_is_refused),
        cmocka_unit_test(a_report_under_another_manifest_is_refused),
        cmocka_unit_test(one_relayed_gpu_among_own_ones_is_refused),
        cmocka_unit_test(devices_that_the_report_does_not_cover_do_not_count),
        cmocka_unit_test(a_list_without_its_gpus_is_refused),
        cmocka_unit_test(hiding_a_gpu_is_refused_where_none_is_wanted),
        cmocka_unit_test(a_missing_gpu_is_refused),
        cmocka_unit_test(one_gpu_too_many_is_refused),
        cmocka_unit_test(a_gpu_is_refused_where_none_is_wanted),
        cmocka_unit_test(a_gpu_that_is_listed_twice_is_refused),
        cmocka_unit_test(a_switch_that_is_not_listed_is_refused),
        cmocka_unit_test(a_revoked_gpu_is_refused),
        cmocka_unit_test(a_gpu_on_hold_is_refused),
        cmocka_unit_test(a_gpu_that_the_responder_does_not_know_is_refused),
        cmocka_unit_test(without_an_answer_nothing_is_known),
        cmocka_unit_test(a_policy_may_do_without_answers_and_never_ignores_one),
        cmocka_unit_test(an_answer_outside_of_its_dates_is_refused),
        cmocka_unit_test(an_answer_by_a_stranger_is_none),
        cmocka_unit_test(an_altered_report_is_refused),
        cmocka_unit_test(other_firmware_is_refused),
        cmocka_unit_test(an_old_driver_is_refused),
        cmocka_unit_test(another_mode_is_refused),
        cmocka_unit_test(a_policy_without_reference_values_admits_no_gpu),
        cmocka_unit_test(a_gpu_without_certificates_is_indeterminate),
        cmocka_unit_test(a_strangers_root_is_refused),
        cmocka_unit_test(the_built_in_roots_refuse_what_is_made_here),
        cmocka_unit_test(a_good_gpu_makes_no_other_image_good),
        cmocka_unit_test(raw_devices_are_judged_by_the_same_checks),
    };

    return cmocka_run_group_tests(tests, open_lab, close_lab);
}
