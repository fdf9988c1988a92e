/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appraisal of NVIDIA's devices. Each check is made for every device and the worst result stands: a failure before something
 * missing, that before a pass. In three steps, as for CPUs: what the bytes are, whether NVIDIA's key vouches for them, and only
 * then what they claim.
 *
 * What a report doesn't show, and this file doesn't pretend to know:
 *   - in which machine the device is: the nonce ties the report to keys that the CPU's report covers, and no more;
 *   - a debug state (see judge_debug);
 *   - that the leaf isn't revoked: its issuer is the device's own boot ROM, which answers to nobody. NVIDIA's responder
 *     answers for the boot ROM's certificate and those above it, so these are the ones that need an answer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/nvidia_in.h"
#include "base/enc.h"
#include "base/secret.h"

#define TEXT    CLOISTER_CHECK_TEXT
#define FIRST   CLOISTER_CHECK_GPU_FORMAT
#define LAST    CLOISTER_CHECK_GPU_SWITCHES
#define CHECKS  (LAST - FIRST + 1)
#define PDI_LEN 8
#define NVDEC_INDEX \
    35 /* of the video decoder's firmware, which isn't loaded where the decoder is off */

/* The worst result so far of one check. */
struct tally {
    enum cloister_check_status status;
    char expected[TEXT], actual[TEXT], reason[TEXT];
};

struct device {
    const struct clo_device *in;
    char name[24]; /* "GPU 3", "switch 0" */
    bool is_switch;
    bool parsed;
    struct clo_spdm_report r;
    struct clo_gpu_chain chain;
    bool trusted_chain, signature_ok;
    bool authentic; /* both */
    bool measured;  /* authentic, and every measurement equals its reference value */
    struct clo_gpu_running run;
    enum clo_gpu_mode mode;
    bool mode_known;
    uint8_t key
        [2]
        [CLO_SHA256_LEN]; /* of the leaf, and of the certificate that is the device's own for life */
};

struct appraisal {
    const struct clo_gpu_input *in;
    const struct cloister_policy *policy; /* or NULL */
    int64_t now;
    struct clo_verdict_builder *vb;
    struct clo_gpu_chains chains;
    struct device *device; /* heap */
    size_t devices;
    struct tally tally[CHECKS];
};

/* ---- results ---- */

static unsigned weight(enum cloister_check_status s)
{
    switch (s) {
    case CLOISTER_CHECK_FAIL: return 4;
    case CLOISTER_CHECK_MISSING: return 3;
    case CLOISTER_CHECK_PASS: return 2;
    case CLOISTER_CHECK_NOT_APPLICABLE: return 1;
    case CLOISTER_CHECK_NONE: break;
    }
    return 0;
}

/* d NULL: a check of all devices together. */
static void set(struct appraisal *a, const struct device *d, enum cloister_check_id id,
                enum cloister_check_status status, const char *expected, const char *actual,
                const char *reason)
{
    struct tally *t = &a->tally[id - FIRST];
    const bool bad = status == CLOISTER_CHECK_FAIL || status == CLOISTER_CHECK_MISSING;

    if (weight(status) <= weight(t->status))
        return;
    *t = (struct tally){.status = status};
    (void)snprintf(t->expected, sizeof t->expected, "%s", expected == NULL ? "" : expected);
    (void)snprintf(t->actual, sizeof t->actual, "%s", actual == NULL ? "" : actual);
    (void)snprintf(t->reason, sizeof t->reason, "%s%s%s", bad && d != NULL ? d->name : "",
                   bad && d != NULL ? ": " : "", reason == NULL ? "" : reason);
}

static void fact(struct appraisal *a, const struct device *d, enum cloister_check_id id, bool ok,
                 const char *expected, const char *actual, const char *reason)
{
    set(a, d, id, ok ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL, expected, actual,
        ok ? NULL : reason);
}

/* As clo_vb_claim. */
static void claim(struct appraisal *a, const struct device *d, enum cloister_check_id id,
                  bool right, bool trusted, const char *expected, const char *actual,
                  const char *reason)
{
    if (!right)
        set(a, d, id, CLOISTER_CHECK_FAIL, expected, actual, reason);
    else if (trusted)
        set(a, d, id, CLOISTER_CHECK_PASS, expected, actual, NULL);
    else
        set(a, d, id, CLOISTER_CHECK_MISSING, expected, actual,
            "claimed, but nothing trusted vouches for it");
}

static void missing(struct appraisal *a, const struct device *d, enum cloister_check_id id,
                    const char *actual, const char *reason)
{
    set(a, d, id, CLOISTER_CHECK_MISSING, NULL, actual, reason);
}

static void no_policy(struct appraisal *a, const struct device *d, enum cloister_check_id id,
                      const char *actual)
{
    missing(a, d, id, actual, "no policy was given to judge this by");
}

/* ---- first step: what the bytes are ---- */

static void name_devices(struct appraisal *a)
{
    size_t gpus = 0, switches = 0;

    for (size_t i = 0; i < a->devices; i++) {
        struct device *d = &a->device[i];

        d->in = &a->in->devices->device[i];
        d->is_switch = clo_gpu_arch_of(d->in->arch) == CLO_GPU_LS10;
        (void)snprintf(d->name, sizeof d->name, "%s %zu", d->is_switch ? "switch" : "GPU",
                       d->is_switch ? switches : gpus);
        switches += d->is_switch;
        gpus += !d->is_switch;
    }
}

/* A text that can't be read is "", and fits nothing. */
static void read_text(const struct clo_spdm_report *r, enum clo_spdm_field_id id, char *dst,
                      size_t cap)
{
    if (clo_spdm_text(r, id, dst, cap) != 0)
        dst[0] = '\0';
}

static void judge_format(struct appraisal *a, struct device *d)
{
    const int err = clo_spdm_parse(d->in->report.p, d->in->report.len, &d->r);
    struct clo_gpu_running *run = &d->run;

    d->parsed = err == 0;
    fact(a, d, CLOISTER_CHECK_GPU_FORMAT, err == 0, NULL, NULL,
         err == CLOISTER_E_UNSUPPORTED ? "the report is of a kind that isn't known"
         : err == CLOISTER_E_TRAILING  ? "something stands behind the report's signature"
         : err == CLOISTER_E_TRUNCATED ? "the report is cut short"
         : err == CLOISTER_E_DUPLICATE ? "the report has a field twice"
                                       : "the report can't be read");
    if (err != 0)
        return;
    read_text(&d->r, CLO_SPDM_DRIVER_VERSION, run->driver, sizeof run->driver);
    read_text(&d->r, CLO_SPDM_PROJECT, run->project, sizeof run->project);
    read_text(&d->r, CLO_SPDM_PROJECT_SKU, run->project_sku, sizeof run->project_sku);
    read_text(&d->r, CLO_SPDM_CHIP_SKU, run->chip_sku, sizeof run->chip_sku);
    if (clo_spdm_vbios(&d->r, run->vbios) != 0)
        run->vbios[0] = '\0';
}

static int judge_chain_present(struct appraisal *a, struct device *d)
{
    const enum cloister_check_id id = CLOISTER_CHECK_GPU_CHAIN_PRESENT;
    char actual[TEXT];
    int err;

    if ((err = clo_gpu_chain_load(&a->chains, d->in, &d->chain)) != 0)
        return err;
    (void)snprintf(actual, sizeof actual, "%zu without the root", d->chain.n);
    if (d->in->chain_n == 0)
        missing(a, d, id, actual,
                "certificates are missing: without them the report can't be judged");
    else
        fact(a, d, id, d->chain.readable, NULL, actual,
             d->chain.n < 2 ? "there is no leaf, or nothing between it and the root"
                            : "a certificate can't be read");
    d->run.arch = clo_gpu_arch_of(d->in->arch);
    if (d->chain.readable)
        clo_gpu_cert_chip(d->chain.cert[0]->cert, d->run.chip);
    return 0;
}

/* ---- second step: does NVIDIA's key vouch for them ---- */

static int judge_signature(struct appraisal *a, struct device *d)
{
    const enum cloister_check_id id = CLOISTER_CHECK_GPU_SIGNATURE;
    int err;

    if (!d->chain.readable) {
        missing(a, d, id, NULL, "there is no certificate to verify it with");
        return 0;
    }
    if (!d->parsed) {
        missing(a, d, id, NULL, "the report can't be read");
        return 0;
    }
    /* Over the bytes as received: whatever a parser makes of them, these are what was signed. */
    err = clo_cert_verify_p384(d->chain.cert[0]->cert, d->in->report.p, d->r.signed_n, d->r.r,
                               d->r.s);
    if (clo_is_ours(err))
        return err;
    d->signature_ok = err == 0;
    fact(a, d, id, d->signature_ok, NULL, NULL,
         "the report isn't signed by the key in its certificate");
    return 0;
}

static void judge_chain(struct appraisal *a, struct device *d)
{
    const enum cloister_check_id root = CLOISTER_CHECK_GPU_ROOT, chain = CLOISTER_CHECK_GPU_CHAIN;

    if (!d->chain.readable) {
        missing(a, d, root, NULL, "there is no chain");
        missing(a, d, chain, NULL, "there is no chain");
        return;
    }
    fact(a, d, root, d->chain.root_ok, NULL, NULL,
         a->chains.root == NULL ? "no root is pinned for NVIDIA's devices"
                                : "the last certificate isn't signed by the pinned root");
    fact(a, d, chain, d->chain.links_ok, NULL, NULL,
         clo_cert_is_ca(d->chain.cert[0]->cert)
             ? "the first certificate is an authority's, and no device's"
         : d->chain.device_above
             ? "a device's own certificate stands where an authority's belongs"
             : "a certificate isn't signed by the next, or the next may not sign certificates");
}

static void judge_dates(struct appraisal *a, struct device *d)
{
    const enum cloister_check_id id = CLOISTER_CHECK_GPU_CHAIN_DATES;
    char expected[TEXT], actual[TEXT], t1[CLO_DATE_LEN], t2[CLO_DATE_LEN];
    int64_t from = INT64_MIN, to = INT64_MAX;

    if (!d->chain.readable) {
        missing(a, d, id, NULL, "there is no chain");
        return;
    }
    for (size_t i = 0; i <= d->chain.n; i++) {
        const struct clo_cert *c = i < d->chain.n ? d->chain.cert[i]->cert : a->chains.root;

        if (c == NULL)
            continue;
        if (clo_cert_not_before(c) > from)
            from = clo_cert_not_before(c);
        if (clo_cert_not_after(c) < to)
            to = clo_cert_not_after(c);
    }
    clo_date(from, t1);
    clo_date(to, t2);
    (void)snprintf(expected, sizeof expected, "%s to %s", t1, t2);
    clo_date(a->now, actual);
    clo_vb_until(a->vb, to);
    fact(a, d, id, from <= a->now && a->now < to, expected, actual,
         "a certificate isn't valid yet or isn't any more");
}

/* No answer: whether that is missing or not asked for is the policy's decision. */
static void judge_unanswered(struct appraisal *a, const struct device *d, const char *cn)
{
    const bool asked = a->policy == NULL || !a->policy->revocation_if_present;
    const enum cloister_check_status s = asked ? CLOISTER_CHECK_MISSING
                                               : CLOISTER_CHECK_NOT_APPLICABLE;
    const char *why = asked ? "there is no revocation answer"
                            : "there is no revocation answer, and the policy doesn't insist on one";

    set(a, d, CLOISTER_CHECK_GPU_OCSP, s, NULL, cn, why);
    set(a, d, CLOISTER_CHECK_GPU_OCSP_DATES, s, NULL, cn, why);
    set(a, d, CLOISTER_CHECK_GPU_REVOKED, s, NULL, cn, why);
}

static void judge_answer(struct appraisal *a, const struct device *d, const char *cn,
                         const struct clo_gpu_revocation *r)
{
    const struct clo_ocsp_answer *o = &r->answer;
    char expected[TEXT], actual[TEXT], t1[CLO_DATE_LEN], t2[CLO_DATE_LEN];

    claim(a, d, CLOISTER_CHECK_GPU_OCSP, true, d->trusted_chain, NULL, cn, NULL);
    clo_date(o->this_update, t1);
    clo_date(r->until, t2);
    (void)snprintf(expected, sizeof expected, "%s to %s", t1, t2);
    clo_date(a->now, actual);
    clo_vb_until(a->vb, r->until);
    claim(a, d, CLOISTER_CHECK_GPU_OCSP_DATES, o->this_update <= a->now && a->now < r->until,
          d->trusted_chain, expected, actual,
          "a revocation answer isn't valid yet or isn't any more");
    claim(a, d, CLOISTER_CHECK_GPU_REVOKED, o->status == CLO_OCSP_GOOD, d->trusted_chain, "good",
          cn,
          o->status != CLO_OCSP_REVOKED ? "the responder doesn't know this certificate"
          : o->hold                     ? "this certificate is on hold"
                                        : "this certificate is revoked");
}

static int judge_revocation(struct appraisal *a, struct device *d)
{
    const struct clo_gpu_revocation *r = NULL;
    int err;

    if (!d->chain.readable) {
        judge_unanswered(a, d, NULL);
        return 0;
    }
    if (a->chains.answer_malformed)
        fact(a, NULL, CLOISTER_CHECK_GPU_OCSP, false, NULL, NULL,
             "a revocation answer can't be read");
    for (size_t i = 0; i < d->chain.n; i++) {
        char cn[64] = "";

        if ((err = clo_gpu_chain_revocation(&a->chains, &d->chain, i, &r)) != 0)
            return err;
        if (clo_cert_cn(d->chain.cert[i]->cert, cn, sizeof cn) != 0)
            cn[0] = '\0';
        if (r->answered)
            judge_answer(a, d, cn, r);
        else if (i != 0)
            judge_unanswered(a, d, cn);
        if (r->unsigned_there)
            fact(a, d, CLOISTER_CHECK_GPU_OCSP, false, NULL, cn,
                 "the answer about this certificate isn't signed by its issuer");
    }
    return 0;
}

static int judge_identity(struct appraisal *a, struct device *d)
{
    const enum cloister_check_id id = CLOISTER_CHECK_GPU_IDENTITY;
    const struct clo_spdm_field *said = NULL;
    struct clo_gpu_fwid f = {0};
    char expected[TEXT] = "", actual[TEXT] = "";
    const char *wrong = NULL;
    int err;

    if (!d->chain.readable) {
        missing(a, d, id, NULL, "there is no certificate to compare");
        return 0;
    }
    if ((err = clo_gpu_fwid_read(d->chain.cert[0]->cert, d->run.arch, &f)) == 0)
        clo_hex(f.digest, sizeof f.digest, expected);
    if (clo_is_ours(err))
        return err;
    if (d->parsed)
        said = clo_spdm_find(&d->r, CLO_SPDM_FWID);
    if (said != NULL && said->n == sizeof f.digest)
        clo_hex(said->p, said->n, actual);
    if (err == CLOISTER_E_NOT_FOUND)
        wrong = "the first certificate names no firmware: it isn't an attestation key's";
    else if (err != 0)
        wrong = "the certificate's firmware id can't be read";
    else if (f.has_device_key && memcmp(f.device_key, d->key[1], sizeof d->key[1]) != 0)
        wrong = "the certificate was made for another device";
    else if (said != NULL &&
             (said->n != sizeof f.digest || memcmp(said->p, f.digest, sizeof f.digest) != 0))
        wrong = "the report names other firmware than the certificate";
    if (wrong == NULL && !d->parsed)
        missing(a, d, id, NULL, "the report can't be read");
    else
        claim(a, d, id, wrong == NULL, d->authentic, expected, actual, wrong);
    return 0;
}

/* ---- third step: what they claim ---- */

/* Nothing claims a kind (raw evidence), and there are no certificates to tell it by. */
static bool nameless(const struct device *d)
{
    return d->in->arch[0] == '\0' && !d->chain.readable;
}

static const char *architecture_wrong(const struct appraisal *a, const struct device *d)
{
    const enum clo_gpu_arch claimed = clo_gpu_arch_of(d->in->arch);
    const bool driver = clo_spdm_find(&d->r, CLO_SPDM_DRIVER_VERSION) != NULL;
    char device[CLO_GPU_CHIP_LEN] = "";

    if (claimed == CLO_GPU_UNKNOWN)
        return "this kind of device isn't known";
    if (d->chain.readable) {
        clo_gpu_cert_chip(d->chain.cert[1]->cert, device);
        if (clo_gpu_chip_arch(d->run.chip) != claimed || strcmp(device, d->run.chip) != 0)
            return "the certificates are those of another kind of device";
    }
    if (driver == d->is_switch)
        return "the report is that of another kind of device";
    if (a->policy != NULL && !a->policy->devices.arch[claimed])
        return "the policy doesn't admit this kind of device";
    return NULL;
}

static void judge_architecture(struct appraisal *a, const struct device *d)
{
    const enum cloister_check_id id = CLOISTER_CHECK_GPU_ARCHITECTURE;
    const char *wrong = architecture_wrong(a, d);

    if (nameless(d))
        missing(a, d, id, NULL, "there is no certificate that says what kind of device this is");
    else if (wrong == NULL && a->policy == NULL)
        no_policy(a, d, id, d->in->arch);
    else
        claim(a, d, id, wrong == NULL, d->authentic, d->in->arch, d->run.chip, wrong);
}

static void judge_nonce(struct appraisal *a, const struct device *d)
{
    const enum cloister_check_id id = CLOISTER_CHECK_GPU_NONCE;
    char expected[TEXT], actual[TEXT];

    clo_hex(d->r.nonce, sizeof d->r.nonce, actual);
    if (a->in->nonce == NULL) {
        set(a, d, id, a->in->any_nonce ? CLOISTER_CHECK_NOT_APPLICABLE : CLOISTER_CHECK_MISSING,
            NULL, actual,
            a->in->any_nonce ? "not asked: the caller compares it with nothing"
                             : "the caller gave nothing to compare this with");
        return;
    }
    clo_hex(a->in->nonce, CLO_SPDM_NONCE_LEN, expected);
    claim(a, d, id, clo_ct_equal(d->r.nonce, a->in->nonce, sizeof d->r.nonce), d->authentic,
          expected, actual, "the report was made for other keys, or another manifest");
}

static void judge_floor(struct appraisal *a, const struct device *d, enum cloister_check_id id,
                        const char *floor, const char *version, unsigned base)
{
    bool enough = false;
    const bool readable = clo_gpu_version_at_least(version, floor, base, &enough);

    claim(a, d, id, readable && enough, d->authentic, floor, version,
          readable ? "an older version runs than the policy's floor" : "the version can't be read");
}

static void judge_versions(struct appraisal *a, const struct device *d)
{
    const struct clo_policy_devices *p = a->policy == NULL ? NULL : &a->policy->devices;
    const enum cloister_check_id driver = CLOISTER_CHECK_GPU_DRIVER,
                                 vbios = CLOISTER_CHECK_GPU_VBIOS;
    const struct clo_gpu_running *run = &d->run;

    if (p == NULL) {
        no_policy(a, d, driver, run->driver);
        no_policy(a, d, vbios, run->vbios);
        return;
    }
    if (d->is_switch)
        set(a, d, driver, CLOISTER_CHECK_NOT_APPLICABLE, NULL, NULL, "a switch has no driver");
    else if (p->min_driver[0] == '\0')
        missing(a, d, driver, run->driver, "the policy has no floor for drivers");
    else
        judge_floor(a, d, driver, p->min_driver, run->driver, 10);
    if (nameless(d))
        missing(a, d, vbios, run->vbios,
                "floors are a kind of device's, and this one's isn't known");
    else if (p->min_vbios[run->arch][0] == '\0')
        set(a, d, vbios, CLOISTER_CHECK_NOT_APPLICABLE, NULL, run->vbios,
            "the policy has no floor beside its reference values");
    else
        judge_floor(a, d, vbios, p->min_vbios[run->arch], run->vbios, 16);
}

/* ---- measurements ---- */

/* The decoder's measurement means nothing while the decoder is off: only this one value says so. */
static uint64_t skipped(const struct device *d)
{
    const struct clo_spdm_field *f = clo_spdm_find(&d->r, CLO_SPDM_NVDEC0_STATUS);

    return !d->is_switch && f != NULL && f->n == 1 && f->p[0] == CLO_SPDM_DISABLED
               ? (uint64_t)1 << NVDEC_INDEX
               : 0;
}

/* False: there is none, or it can't be used. */
static bool find_reference(struct appraisal *a, const struct device *d,
                           enum clo_reference_kind kind, const struct clo_reference **ret)
{
    const enum cloister_check_id id = CLOISTER_CHECK_GPU_REFERENCE;
    const char *version = kind == CLO_REFERENCE_DRIVER ? d->run.driver : d->run.vbios;
    bool ambiguous = false;
    char rim[TEXT], actual[TEXT];

    *ret = clo_gpu_reference_find(&a->policy->devices, kind, &d->run, &ambiguous);
    if (*ret != NULL && ((*ret)->active & ~skipped(d)) != 0)
        return true;
    clo_gpu_rim_id(kind, &d->run, rim, sizeof rim);
    (void)snprintf(actual, sizeof actual, "%s %s",
                   kind == CLO_REFERENCE_DRIVER ? "driver" : "VBIOS",
                   version[0] == '\0' ? "of a version that can't be read" : version);
    set(a, d, id, CLOISTER_CHECK_FAIL, rim, actual,
        *ret != NULL ? "the policy's reference values for this have no active measurement"
        : ambiguous  ? "the policy has several sets of reference values for this, for other boards"
                     : "the policy has no reference values for this: import the RIM of this name");
    return false;
}

static void judge_comparison(struct appraisal *a, struct device *d,
                             const struct clo_gpu_comparison *c)
{
    const bool right = c->compared > 0 && c->different == 0;
    char expected[TEXT] = "", actual[TEXT] = "", hex[2 * CLO_SPDM_DIGEST_LEN + 1];

    if (right) {
        (void)snprintf(actual, sizeof actual, "%zu of %zu", c->compared, c->compared);
    } else {
        clo_hex(c->expected, CLO_SPDM_DIGEST_LEN, hex);
        (void)snprintf(expected, sizeof expected, "index %zu: %s", c->first, hex);
        if (c->actual != NULL)
            clo_hex(c->actual, CLO_SPDM_DIGEST_LEN, hex);
        (void)snprintf(actual, sizeof actual, "index %zu: %s (%zu of %zu differ)", c->first,
                       c->actual == NULL ? "none" : hex, c->different, c->compared);
    }
    d->measured = right && d->authentic;
    claim(a, d, CLOISTER_CHECK_GPU_MEASUREMENTS, right, d->authentic, expected, actual,
          "a measurement differs from its reference value");
}

static void judge_measurements(struct appraisal *a, struct device *d)
{
    const enum cloister_check_id ref = CLOISTER_CHECK_GPU_REFERENCE,
                                 id = CLOISTER_CHECK_GPU_MEASUREMENTS;
    const struct clo_reference *driver = NULL, *vbios = NULL;
    struct clo_gpu_comparison c = {0};
    char actual[TEXT];
    bool found;

    (void)snprintf(actual, sizeof actual, "%s%s%sVBIOS %s", d->is_switch ? "" : "driver ",
                   d->is_switch ? "" : d->run.driver, d->is_switch ? "" : ", ", d->run.vbios);
    if (a->policy == NULL) {
        no_policy(a, d, ref, actual);
        no_policy(a, d, id, NULL);
        return;
    }
    if (nameless(d)) {
        missing(a, d, ref, actual,
                "reference values are a kind of device's, and this one's isn't known");
        missing(a, d, id, NULL, "there are no reference values to compare with");
        return;
    }
    found = find_reference(a, d, CLO_REFERENCE_VBIOS, &vbios);
    if (!d->is_switch)
        found = find_reference(a, d, CLO_REFERENCE_DRIVER, &driver) && found;
    if (!found) {
        missing(a, d, id, NULL, "there are no reference values to compare with");
        return;
    }
    /* One index with two meanings: NVIDIA publishes no such pair, so one of them isn't what it seems. */
    claim(a, d, ref, driver == NULL || (driver->active & vbios->active) == 0, d->authentic, NULL,
          actual, "the driver's reference values and the VBIOS' claim the same index");
    if (driver != NULL)
        clo_gpu_compare(driver, &d->r, skipped(d), &c);
    clo_gpu_compare(vbios, &d->r, skipped(d), &c);
    judge_comparison(a, d, &c);
}

/* ---- mode, debug, switches ---- */

static const char *mode_name(enum clo_gpu_mode m)
{
    return m == CLO_GPU_SINGLE ? "single" : m == CLO_GPU_MULTI ? "multi" : "protected-pcie";
}

static int status_byte(const struct clo_spdm_field *f)
{
    return f->n == 1 && (f->p[0] == CLO_SPDM_DISABLED || f->p[0] == CLO_SPDM_ENABLED) ? f->p[0]
                                                                                      : -1;
}

/*
 * The feature flag says it, since release 580. Before it, protected PCIe had a status of its own and there was no other mode than
 * that and the single one; and before that status (release 545) there was the single one alone. Silence is an answer
 * only where the measurements show that it is the firmware of that time that is silent: *silent.
 */
static const char *mode_read(const struct device *d, enum clo_gpu_mode *ret, bool *silent)
{
    const struct clo_spdm_field *flag = clo_spdm_find(&d->r, CLO_SPDM_FEATURE_FLAG);
    const struct clo_spdm_field *pcie = clo_spdm_find(&d->r, CLO_SPDM_PROTECTED_PCIE);
    const int status = pcie == NULL ? CLO_SPDM_DISABLED : status_byte(pcie);

    if (status < 0)
        return "the status of protected PCIe has an unknown value";
    *silent = flag == NULL && pcie == NULL;
    *ret = status == CLO_SPDM_ENABLED ? CLO_GPU_PROTECTED_PCIE : CLO_GPU_SINGLE;
    if (flag == NULL)
        return NULL;
    if (flag->n != 2 || flag->p[0] > CLO_GPU_PROTECTED_PCIE || flag->p[1] != 0)
        return "the feature flag has an unknown value";
    if (pcie != NULL && (flag->p[0] == CLO_GPU_PROTECTED_PCIE) != (status == CLO_SPDM_ENABLED))
        return "the report contradicts itself about protected PCIe";
    *ret = (enum clo_gpu_mode)flag->p[0];
    return NULL;
}

static void modes_text(unsigned modes, char *dst, size_t cap)
{
    size_t n = 0;

    dst[0] = '\0';
    for (unsigned m = CLO_GPU_SINGLE; m <= CLO_GPU_PROTECTED_PCIE && n < cap; m++)
        if ((modes & 1u << m) != 0)
            n += (size_t)snprintf(dst + n, cap - n, "%s%s", n == 0 ? "" : ", ",
                                  mode_name((enum clo_gpu_mode)m));
}

static void judge_mode(struct appraisal *a, struct device *d)
{
    const enum cloister_check_id id = CLOISTER_CHECK_GPU_MODE;
    enum clo_gpu_mode mode = CLO_GPU_SINGLE;
    bool silent = false;
    const char *wrong = NULL;
    char expected[TEXT];

    if (d->is_switch) {
        set(a, d, id, CLOISTER_CHECK_NOT_APPLICABLE, NULL, NULL, "a switch has no mode");
        return;
    }
    if ((wrong = mode_read(d, &mode, &silent)) != NULL) {
        fact(a, d, id, false, NULL, NULL, wrong);
        return;
    }
    d->mode = mode;
    d->mode_known = true;
    if (a->policy == NULL) {
        no_policy(a, d, id, mode_name(mode));
        return;
    }
    modes_text(a->policy->devices.modes, expected, sizeof expected);
    claim(a, d, id, (a->policy->devices.modes & 1u << mode) != 0,
          silent ? d->measured : d->authentic, expected, mode_name(mode),
          "the policy doesn't admit this mode");
}

/*
 * No field of a report shows a debug state, and neither is there one for NVIDIA's "devtools" mode. NVIDIA's own verifier says
 * "disabled" exactly when every measurement equals its reference value, because other firmware and fuses measure
 * otherwise; so does this one, and says why.
 */
static void judge_debug(struct appraisal *a, const struct device *d)
{
    const enum cloister_check_id id = CLOISTER_CHECK_GPU_DEBUG;

    if (a->policy == NULL)
        no_policy(a, d, id, NULL);
    else if (!d->measured)
        missing(a, d, id, NULL,
                "reports show no debug state, and the measurements aren't shown to be right");
    else
        set(a, d, id, CLOISTER_CHECK_PASS, NULL, "measured as released",
            "reports show no debug state: it follows from every measurement being the released one");
}

/* The PDIs at a GPU's ports, each once; those of ports without a switch are zero. GPUs send them least significant byte first. */
struct pdis {
    size_t n;
    uint8_t pdi[CLO_DEVICES_MAX][PDI_LEN];
};

static bool pdis_have(const struct pdis *l, const uint8_t pdi[PDI_LEN])
{
    for (size_t i = 0; i < l->n; i++)
        if (memcmp(l->pdi[i], pdi, PDI_LEN) == 0)
            return true;
    return false;
}

/* False if it can't be read, or names more switches than could be listed. */
static bool pdis_of_gpu(const struct device *d, struct pdis *ret)
{
    static const uint8_t none[PDI_LEN];
    const struct clo_spdm_field *f = clo_spdm_find(&d->r, CLO_SPDM_PDI);

    ret->n = 0;
    if (f == NULL || f->n % PDI_LEN != 0)
        return false;
    for (size_t i = 0; i < f->n; i += PDI_LEN) {
        uint8_t pdi[PDI_LEN];

        for (size_t k = 0; k < PDI_LEN; k++)
            pdi[k] = f->p[i + PDI_LEN - 1 - k];
        if (memcmp(pdi, none, PDI_LEN) == 0 || pdis_have(ret, pdi))
            continue;
        if (ret->n == CLO_DEVICES_MAX)
            return false;
        memcpy(ret->pdi[ret->n++], pdi, PDI_LEN);
    }
    return true;
}

static const uint8_t *pdi_of_switch(const struct device *d)
{
    const struct clo_spdm_field *f = d->parsed ? clo_spdm_find(&d->r, CLO_SPDM_PDI) : NULL;

    return f != NULL && f->n == PDI_LEN ? f->p : NULL;
}

/* What one GPU has to say about the listed switches. */
static void judge_gpu_switches(struct appraisal *a, const struct device *d,
                               const struct pdis *listed, bool trusted)
{
    const enum cloister_check_id id = CLOISTER_CHECK_GPU_SWITCHES;
    struct pdis at = {0};
    char expected[TEXT], actual[TEXT];
    size_t known = 0;

    if (!d->parsed || !pdis_of_gpu(d, &at)) {
        missing(a, d, id, NULL, "the GPU doesn't say which switches it is connected to");
        return;
    }
    for (size_t i = 0; i < at.n; i++)
        known += pdis_have(listed, at.pdi[i]);
    (void)snprintf(expected, sizeof expected, "%zu listed", listed->n);
    (void)snprintf(actual, sizeof actual, "%zu at the GPU, %zu of them listed", at.n, known);
    claim(a, d, id, known == at.n && known == listed->n, trusted && d->authentic, expected, actual,
          known == at.n ? "a listed switch isn't at this GPU"
                        : "data passes a switch that isn't listed");
}

/*
 * In protected PCIe mode data passes the switches in clear: each has to be appraised, whether or not the policy remembers
 * to ask for them. Every GPU is connected to every switch of its machine.
 */
static void judge_switches(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_GPU_SWITCHES;
    bool asked = a->policy != NULL && a->policy->devices.switches > 0, trusted = true, gpus = false;
    struct pdis listed = {0};

    for (size_t i = 0; i < a->devices; i++) {
        const struct device *d = &a->device[i];

        asked = asked || d->is_switch || (d->mode_known && d->mode == CLO_GPU_PROTECTED_PCIE);
        gpus = gpus || !d->is_switch;
        if (!d->is_switch)
            continue;
        trusted = trusted && d->authentic;
        if (pdi_of_switch(d) == NULL)
            missing(a, d, id, NULL, "the switch doesn't name itself");
        else if (!pdis_have(&listed, pdi_of_switch(d)))
            memcpy(listed.pdi[listed.n++], pdi_of_switch(d), PDI_LEN);
    }
    if (!asked && a->policy == NULL)
        no_policy(a, NULL, id, NULL);
    else if (!asked)
        set(a, NULL, id, CLOISTER_CHECK_NOT_APPLICABLE, NULL, NULL,
            "the policy asks for no switch, and data passes none in clear");
    else if (!gpus && a->policy != NULL && a->policy->devices.min == 0)
        set(a, NULL, id, CLOISTER_CHECK_NOT_APPLICABLE, NULL, NULL,
            "the policy asks for no GPU, and none is listed");
    else if (!gpus)
        missing(a, NULL, id, NULL, "no GPU is listed that could name its switches");
    else
        for (size_t i = 0; i < a->devices; i++)
            if (!a->device[i].is_switch)
                judge_gpu_switches(a, &a->device[i], &listed, trusted);
}

/* ---- all of them ---- */

static bool same_serial(const struct clo_cert *x, const struct clo_cert *y)
{
    const uint8_t *p = NULL, *q = NULL;
    size_t n = 0, m = 0;

    return clo_cert_serial(x, &p, &n) == 0 && clo_cert_serial(y, &q, &m) == 0 && n == m && n != 0 &&
           memcmp(p, q, n) == 0;
}

/* The leaf's key is new with each firmware; the one above it is the device's own. A serial number is what NVIDIA calls the ueid. */
static bool same_device(const struct device *x, const struct device *y)
{
    const uint8_t *p = NULL, *q = NULL;

    if (x->chain.readable && y->chain.readable &&
        (memcmp(x->key[0], y->key[0], sizeof x->key[0]) == 0 ||
         memcmp(x->key[1], y->key[1], sizeof x->key[1]) == 0 ||
         same_serial(x->chain.cert[0]->cert, y->chain.cert[0]->cert)))
        return true;
    if (!x->is_switch || !y->is_switch)
        return false;
    p = pdi_of_switch(x);
    q = pdi_of_switch(y);
    return p != NULL && q != NULL && memcmp(p, q, PDI_LEN) == 0;
}

static void judge_distinct(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_GPU_DISTINCT;

    for (size_t i = 0; i < a->devices; i++) {
        const struct device *d = &a->device[i];
        size_t k = 0;

        while (k < i && !same_device(d, &a->device[k]))
            k++;
        if (k < i)
            fact(a, d, id, false, NULL, a->device[k].name, "this device was listed before");
        else if (!d->chain.readable)
            missing(a, d, id, NULL, "there is no certificate that tells it from the others");
        else
            claim(a, d, id, true, d->authentic, NULL, NULL, NULL);
    }
}

static void range_text(uint32_t min, uint32_t max, uint32_t switches, char *dst, size_t cap)
{
    if (min == max)
        (void)snprintf(dst, cap, "%" PRIu32 " GPUs, %" PRIu32 " switches", min, switches);
    else
        (void)snprintf(dst, cap, "%" PRIu32 " to %" PRIu32 " GPUs, %" PRIu32 " switches", min, max,
                       switches);
}

static void check_count(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_DEVICES_COUNT;
    const struct clo_policy_devices *p = NULL;
    char expected[TEXT], actual[TEXT];
    size_t gpus = 0, switches = 0;
    bool trusted = a->devices != 0;

    for (size_t i = 0; i < a->devices; i++) {
        switches += a->device[i].is_switch;
        gpus += !a->device[i].is_switch;
        trusted = trusted && a->device[i].authentic;
    }
    (void)snprintf(actual, sizeof actual, "%zu GPUs, %zu switches", gpus, switches);
    if (a->policy == NULL) {
        clo_vb_no_policy(a->vb, id, actual);
        return;
    }
    p = &a->policy->devices;
    range_text(p->min, p->max, p->switches, expected, sizeof expected);
    clo_vb_claim(a->vb, id, gpus >= p->min && gpus <= p->max && switches == p->switches, trusted,
                 expected, actual,
                 gpus < p->min || switches < p->switches ? "too few devices are listed"
                                                         : "too many devices are listed");
}

static int judge_device(struct appraisal *a, struct device *d)
{
    int err;

    judge_format(a, d);
    if ((err = judge_chain_present(a, d)) != 0)
        return err;
    for (size_t i = 0; d->chain.readable && i < CLO_ARRAY_LEN(d->key); i++)
        if ((err = clo_cert_spki_digest(d->chain.cert[i]->cert, d->key[i])) != 0)
            return err;
    if ((err = judge_signature(a, d)) != 0)
        return err;
    d->trusted_chain = d->chain.readable && d->chain.root_ok && d->chain.links_ok;
    d->authentic = d->trusted_chain && d->signature_ok;
    judge_chain(a, d);
    judge_dates(a, d);
    if ((err = judge_revocation(a, d)) != 0 || (err = judge_identity(a, d)) != 0)
        return err;
    if (!d->parsed) {
        static const enum cloister_check_id said[] = {
            CLOISTER_CHECK_GPU_ARCHITECTURE, CLOISTER_CHECK_GPU_NONCE,
            CLOISTER_CHECK_GPU_DRIVER,       CLOISTER_CHECK_GPU_VBIOS,
            CLOISTER_CHECK_GPU_REFERENCE,    CLOISTER_CHECK_GPU_MEASUREMENTS,
            CLOISTER_CHECK_GPU_MODE,         CLOISTER_CHECK_GPU_DEBUG,
        };

        for (size_t i = 0; i < CLO_ARRAY_LEN(said); i++)
            missing(a, d, said[i], NULL, "the report can't be read");
        return 0;
    }
    judge_architecture(a, d);
    judge_nonce(a, d);
    judge_versions(a, d);
    judge_measurements(a, d);
    judge_mode(a, d);
    judge_debug(a, d);
    return 0;
}

/* There is nothing to appraise: the policy's wish, or a lack. */
static void no_devices(struct appraisal *a)
{
    const struct clo_policy_devices *p = a->policy == NULL ? NULL : &a->policy->devices;

    if (p == NULL || p->min > 0 || p->switches > 0) {
        check_count(a);
        clo_vb_skip(a->vb, FIRST, LAST, "no device is listed");
        return;
    }
    clo_vb_set(a->vb, CLOISTER_CHECK_DEVICES_COUNT, CLOISTER_CHECK_NOT_APPLICABLE, NULL, NULL,
               "the policy asks for no device, and none is listed");
    for (unsigned id = FIRST; id <= LAST; id++)
        clo_vb_set(a->vb, (enum cloister_check_id)id, CLOISTER_CHECK_NOT_APPLICABLE, NULL, NULL,
                   "the policy asks for no device, and none is listed");
}

int clo_gpu_appraise(const struct clo_gpu_input *in, const struct cloister_policy *policy,
                     const struct cloister_roots *roots, int64_t now,
                     struct clo_verdict_builder *vb)
{
    struct appraisal a = {
        .in = in, .policy = policy, .now = now, .vb = vb, .devices = in->devices->count};
    int err;

    if (a.devices == 0) {
        no_devices(&a);
        return 0;
    }
    if ((a.device = calloc(a.devices, sizeof *a.device)) == NULL)
        return CLOISTER_E_MEMORY;
    if ((err = clo_gpu_chains_init(&a.chains, in, roots, now)) != 0)
        goto out;
    name_devices(&a);
    for (size_t i = 0; i < a.devices; i++)
        if ((err = judge_device(&a, &a.device[i])) != 0)
            goto out;
    judge_distinct(&a);
    judge_switches(&a);
    check_count(&a);
    for (unsigned i = 0; i < CHECKS; i++) {
        const struct tally *t = &a.tally[i];

        if (t->status != CLOISTER_CHECK_NONE)
            clo_vb_set(vb, (enum cloister_check_id)(FIRST + i), t->status, t->expected, t->actual,
                       t->reason[0] == '\0' ? NULL : t->reason);
    }
out:
    clo_gpu_chains_clear(&a.chains);
    free(a.device);
    return err;
}
