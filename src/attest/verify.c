/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier (docs/PROTOCOL.md section 1.5): sections, then the report that binds them, then what they
 * say. Every statement of a section passes only if the report covers the section and is authentic; what the
 * manifest says needs the pinned measurement besides, because only measured code keeps a manifest true.
 */
#include <cloister/verify.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/azure.h"
#include "attest/evidence.h"
#include "attest/kind.h"
#include "attest/nvidia.h"
#include "base/enc.h"
#include "codec/ohttp.h"

#define CLOCK_SKEW_S 300 /* `created` may lie this far ahead of the client's clock */
#define MARGIN_S     120 /* keys aren't used in the last moments of their epoch */
#define KEYCONFS_MAX 16
#define TEXT         CLOISTER_CHECK_TEXT

#define FIRST_CHECK  1
#define LAST_CHECK   UINT16_MAX
#define NOT_ADMITTED "not judged, because the policy doesn't admit this kind of evidence"

struct work {
    const struct cloister_evidence *e;
    const struct cloister_nonce *nonce;
    const struct cloister_policy *policy;
    int64_t now;
    struct clo_verdict_builder vb;

    struct clo_keys_section keys;
    struct clo_manifest manifest;
    struct clo_cpu_section cpu;
    struct clo_batch_section batch;
    struct clo_collateral collateral;
    struct clo_devices devices;
    struct clo_ohttp_keyconf keyconf[KEYCONFS_MAX];

    enum clo_kind kind;
    struct clo_hw_result hw;
    bool bound;    /* the report is authentic and covers keys, manifest, devices and root */
    bool measured; /* and names a pinned measurement */
};

/* ---- reading ---- */

/* 0, or the first section's fault that can't be read or judged: *which is its number. */
static int sections_parse(struct work *w, enum clo_section *which)
{
    int err = 0;

    for (unsigned i = 0; i < CLO_SEC_COUNT && err == 0; i++) {
        const void *p = w->e->sec[i].bytes.p;
        const size_t n = w->e->sec[i].bytes.len;

        *which = i;
        switch (*which) {
        case CLO_SEC_KEYS: err = clo_keys_section_parse(p, n, &w->keys); break;
        case CLO_SEC_MANIFEST: err = clo_manifest_parse(p, n, &w->manifest); break;
        case CLO_SEC_DEVICES: err = clo_devices_section_parse(p, n, &w->devices); break;
        case CLO_SEC_CPU: err = clo_cpu_section_parse(p, n, &w->cpu); break;
        case CLO_SEC_BATCH: err = clo_batch_section_parse(p, n, &w->batch); break;
        case CLO_SEC_COLLATERAL: err = clo_collateral_parse(p, n, &w->collateral); break;
        case CLO_SEC_COUNT: break;
        }
    }
    return err;
}

/* ---- what can be said of the sections before the report ---- */

static bool complete(struct work *w)
{
    char missing[TEXT] = "";
    size_t n = 0;

    for (unsigned i = 0; i < CLO_SEC_COUNT; i++)
        if (!w->e->sec[i].present) /* six short names always fit */
            n += (size_t)snprintf(missing + n, sizeof missing - n, "%s%s", n == 0 ? "" : ", ",
                                  clo_section_name(i));
    if (n == 0)
        clo_vb_set(&w->vb, CLOISTER_CHECK_EVIDENCE_COMPLETE, CLOISTER_CHECK_PASS, NULL, NULL, NULL);
    else
        clo_vb_set(&w->vb, CLOISTER_CHECK_EVIDENCE_COMPLETE, CLOISTER_CHECK_MISSING, NULL, missing,
                   "sections that came by digest were not fetched");
    return n == 0;
}

/* Can the rest be judged? A section of a later version's kind is missing an appraisal; another fault is final. */
static int readable(struct work *w, bool *ret)
{
    enum clo_section which = CLO_SEC_KEYS;
    char text[TEXT];
    int err = sections_parse(w, &which);

    if (err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO)
        return err;
    w->kind = clo_kind_of_cpu(w->cpu.kind);
    clo_vb_keep_families(&w->vb, clo_kind_families(w->kind) | CLO_FAMILY_GPU);
    *ret = err == 0;
    if (err == 0) {
        clo_vb_set(&w->vb, CLOISTER_CHECK_EVIDENCE_FORMAT, CLOISTER_CHECK_PASS, NULL, NULL, NULL);
        return 0;
    }
    (void)snprintf(text, sizeof text, "%s: %s", clo_section_name(which), cloister_strerror(err));
    if (err == CLOISTER_E_UNSUPPORTED) {
        clo_vb_set(&w->vb, CLOISTER_CHECK_EVIDENCE_FORMAT, CLOISTER_CHECK_MISSING, NULL, text,
                   "well-formed, but beyond this version");
        clo_vb_skip(&w->vb, FIRST_CHECK, LAST_CHECK, "beyond this version");
    } else {
        clo_vb_set(&w->vb, CLOISTER_CHECK_EVIDENCE_FORMAT, CLOISTER_CHECK_FAIL, NULL, text,
                   "a section breaks its format");
        clo_vb_skip(&w->vb, FIRST_CHECK, LAST_CHECK,
                    "not judged, because the evidence is malformed");
    }
    return 0;
}

/* ---- the hardware's statement ---- */

static int appraise_snp(struct work *w, const struct cloister_roots *roots,
                        const uint8_t report_data[64], struct clo_hw_result *hw)
{
    const struct clo_snp_input in = {
        .report = w->cpu.report,
        .report_n = w->cpu.report_n,
        .chain = w->cpu.chain,
        .chain_n = w->cpu.chain_n,
        .collateral = &w->collateral,
        .simulated = w->kind == CLO_KIND_SIMULATED,
        .data_check = CLOISTER_CHECK_BINDING_REPORT_DATA,
        .report_data = report_data,
    };

    return clo_snp_appraise(&in, w->policy, roots, w->now, &w->vb, hw);
}

static int appraise_tdx(struct work *w, const struct cloister_roots *roots,
                        const uint8_t report_data[64], struct clo_hw_result *hw)
{
    const struct clo_quote_input in = {
        .quote = w->cpu.quote.p,
        .quote_n = w->cpu.quote.len,
        .collateral = &w->collateral,
        .event_log = w->cpu.event_log.p,
        .event_log_n = w->cpu.event_log.len,
        .data_check = CLOISTER_CHECK_BINDING_REPORT_DATA,
        .report_data = report_data,
    };

    return clo_quote_appraise(&in, w->policy, roots, w->now, &w->vb, hw);
}

/* A vTPM's qualifying data are shorter than report data: their SHA-256 stands for them. */
static int appraise_azure(struct work *w, const struct cloister_roots *roots,
                          const uint8_t report_data[64], struct clo_hw_result *hw)
{
    const struct clo_cpu_section *c = &w->cpu;
    uint8_t expected[32];
    const struct clo_azure_input in = {
        .hcl = c->hcl.p,
        .hcl_n = c->hcl.len,
        .quote = c->quote.p,
        .quote_n = c->quote.len,
        .chain = c->chain,
        .chain_n = c->chain_n,
        .tpm_quote = c->tpm_quote.p,
        .tpm_quote_n = c->tpm_quote.len,
        .tpm_signature = c->tpm_signature.p,
        .tpm_signature_n = c->tpm_signature.len,
        .pcrs = c->pcrs.p,
        .pcrs_n = c->pcrs.len,
        .event_log = c->event_log.p,
        .event_log_n = c->event_log.len,
        .collateral = &w->collateral,
        .expected = expected,
        .expected_n = sizeof expected,
    };
    int err = clo_sha256(report_data, 64, expected);

    return err != 0 ? err : clo_azure_appraise(&in, w->policy, roots, w->now, &w->vb, hw);
}

static int appraise(struct work *w, const struct cloister_roots *roots)
{
    uint8_t report_data[64];
    int err;

    if ((err = clo_bind_cpu(w->batch.root, w->e->sec[CLO_SEC_KEYS].digest,
                            w->e->sec[CLO_SEC_MANIFEST].digest, w->e->sec[CLO_SEC_DEVICES].digest,
                            report_data)) != 0)
        return err;
    switch (w->kind) {
    case CLO_KIND_SIMULATED:
    case CLO_KIND_SNP: err = appraise_snp(w, roots, report_data, &w->hw); break;
    case CLO_KIND_TDX: err = appraise_tdx(w, roots, report_data, &w->hw); break;
    case CLO_KIND_SNP_AZURE:
    case CLO_KIND_TDX_AZURE: err = appraise_azure(w, roots, report_data, &w->hw); break;
    case CLO_KIND_SGX:
    case CLO_KIND_NVIDIA:
    case CLO_KIND_TPM:
    case CLO_KIND_UNKNOWN:
    case CLO_KINDS: break; /* no cpu section is of these: nothing is bound */
    }
    w->bound = err == 0 && w->hw.bound;
    w->measured = w->bound && w->hw.measured;
    return err;
}

/* ---- what the bound sections say ---- */

static void check_epoch(struct work *w)
{
    const int64_t lifetime = w->keys.expires - w->keys.created;
    const int64_t margin = lifetime / 5 < MARGIN_S ? lifetime / 5 : MARGIN_S;
    const int64_t until = w->keys.expires - margin;
    char expected[TEXT], actual[TEXT], from[CLO_DATE_LEN], to[CLO_DATE_LEN];
    const char *wrong = NULL;

    if (w->keys.created > w->now + CLOCK_SKEW_S)
        wrong = "the keys are from the future: is this machine's clock right?";
    else if (w->now >= until)
        wrong = "the keys have expired, or are about to: is this machine's clock right?";
    else if (lifetime > w->policy->max_lifetime_s)
        wrong = "the keys live longer than the policy allows";
    clo_date(w->keys.created, from);
    clo_date(until, to);
    (void)snprintf(expected, sizeof expected, "%s to %s", from, to);
    clo_date(w->now, actual);
    clo_vb_until(&w->vb, until);
    clo_vb_claim(&w->vb, CLOISTER_CHECK_EPOCH_TIME, wrong == NULL, w->bound, expected, actual,
                 wrong);
}

static int check_freshness(struct work *w, enum cloister_freshness *ret)
{
    const enum cloister_check_id id = CLOISTER_CHECK_FRESHNESS_NONCE;
    char expected[TEXT], actual[TEXT];
    const char *wrong = NULL;
    int64_t age;
    int err;

    if (w->nonce == NULL) {
        clo_vb_set(&w->vb, id, CLOISTER_CHECK_NOT_APPLICABLE, NULL, NULL,
                   "not asked: no nonce was given, so this may be old evidence");
        *ret = CLOISTER_FRESHNESS_NOT_CHECKED;
        return 0;
    }
    age = w->now - w->nonce->sent_at;
    err = clo_batch_check(&w->batch, w->nonce->bytes);
    if (err != 0 && err != CLOISTER_E_AUTH)
        return err;
    if (err != 0)
        wrong = "our nonce isn't among those that the report covers";
    else if (age < 0)
        wrong = "the nonce is from the future: this machine's clock went back";
    else if (age >= w->policy->max_age_s)
        wrong = "the nonce was sent too long ago";
    (void)snprintf(expected, sizeof expected, "less than %" PRId64 " s old", w->policy->max_age_s);
    (void)snprintf(actual, sizeof actual, "%" PRId64 " s", age);
    clo_vb_until(&w->vb, w->nonce->sent_at + w->policy->max_age_s);
    clo_vb_claim(&w->vb, id, wrong == NULL, w->bound, expected, actual, wrong);
    *ret = clo_vb_status(&w->vb, id) == CLOISTER_CHECK_PASS ? CLOISTER_FRESH : CLOISTER_NOT_FRESH;
    return 0;
}

static bool offers(const struct clo_ohttp_keyconf *k, const struct cloister_policy *policy)
{
    for (size_t s = 0; s < k->suites; s++)
        for (size_t i = 0; i < policy->aeads; i++)
            if (k->suite[s].kdf == CLO_KDF_HKDF_SHA256 && k->suite[s].aead == policy->aead[i])
                return true;
    return false;
}

/* Exactly one key of a KEM, so that nobody chooses by place, and an AEAD that the policy admits. */
static void check_suite(struct work *w)
{
    const bool x25519 = w->policy->x25519 && w->manifest.x25519;
    size_t n = 0, xwing = 0, classic = 0, usable = 0;
    int err = clo_ohttp_keys_parse(w->keys.ohttp_keys, w->keys.ohttp_keys_n, w->keyconf,
                                   KEYCONFS_MAX, &n);
    const char *wrong = NULL;
    char actual[TEXT];

    for (size_t i = 0; err == 0 && i < n; i++) {
        const struct clo_ohttp_keyconf *k = &w->keyconf[i];

        xwing += k->kem == CLO_KEM_XWING;
        classic += k->kem == CLO_KEM_X25519;
        if (offers(k, w->policy) &&
            (k->kem == CLO_KEM_XWING || (x25519 && k->kem == CLO_KEM_X25519)))
            usable++;
    }
    if (err != 0)
        wrong = "the list of keys breaks its format";
    else if (xwing > 1 || classic > 1)
        wrong = "there are several keys of one kind";
    else if (classic > 0 && !w->manifest.x25519)
        wrong = "there is a key of a kind that the manifest doesn't name";
    else if (usable == 0)
        wrong = "no key can be used with a suite that the policy admits";
    (void)snprintf(actual, sizeof actual, "X-Wing %zu, X25519 %zu", xwing, classic);
    clo_vb_claim(&w->vb, CLOISTER_CHECK_KEYS_SUITE, wrong == NULL, w->bound,
                 x25519 ? "X-Wing or X25519" : "X-Wing", actual, wrong);
}

static void check_model(struct work *w)
{
    const enum cloister_check_id id = CLOISTER_CHECK_MANIFEST_MODEL;
    char hex[TEXT] = "none";

    if (w->manifest.managed)
        clo_hex(w->manifest.model_sha256, 32, hex);
    if (!w->policy->models.given)
        clo_vb_set(&w->vb, id, CLOISTER_CHECK_NOT_APPLICABLE, NULL, hex,
                   "the policy names no model: the one that the measured code reports is taken");
    else
        clo_vb_claim(&w->vb, id,
                     w->manifest.managed &&
                         clo_policy_list_has(&w->policy->models, w->manifest.model_sha256),
                     w->measured, "listed in the policy", hex,
                     "the policy doesn't list this model");
}

static void check_pinned(struct work *w)
{
    const enum cloister_check_id id = CLOISTER_CHECK_MANIFEST_PINNED;
    char hex[TEXT] = "";

    clo_hex(w->e->sec[CLO_SEC_MANIFEST].digest, 32, hex);
    if (!w->policy->manifests.given)
        clo_vb_set(&w->vb, id, CLOISTER_CHECK_NOT_APPLICABLE, NULL, hex,
                   "the policy pins no manifest: what the measured code reports is taken");
    else
        clo_vb_claim(
            &w->vb, id,
            clo_policy_list_has(&w->policy->manifests, w->e->sec[CLO_SEC_MANIFEST].digest),
            w->measured, "pinned by the policy", hex,
            "the policy pins another manifest: `cloister policy diff` shows the difference");
}

static void check_shape(struct work *w)
{
    clo_vb_claim(&w->vb, CLOISTER_CHECK_MANIFEST_SHAPE, w->manifest.shape >= w->policy->shape,
                 w->measured, clo_shaping_name(w->policy->shape),
                 clo_shaping_name(w->manifest.shape),
                 "sizes and times of the traffic tell more than the policy allows");
}

static void check_engine(struct work *w)
{
    const enum cloister_check_id id = CLOISTER_CHECK_MANIFEST_ENGINE;
    char name[TEXT];

    (void)snprintf(name, sizeof name, "%s %s", w->manifest.engine_name, w->manifest.engine_version);
    if (!w->policy->engines.given)
        clo_vb_set(&w->vb, id, CLOISTER_CHECK_NOT_APPLICABLE, NULL, name,
                   "the policy names no engine: the measurement decides");
    else
        clo_vb_claim(&w->vb, id, clo_policy_texts_have(&w->policy->engines, name), w->measured,
                     "listed in the policy", name, "the policy doesn't list this engine");
}

static void check_manifest(struct work *w)
{
    const struct clo_manifest *m = &w->manifest;

    check_model(w);
    clo_vb_claim(&w->vb, CLOISTER_CHECK_MANIFEST_UPSTREAM,
                 strcmp(m->upstream, "unix") == 0 || strcmp(m->upstream, "loopback") == 0,
                 w->measured, "unix or loopback", m->upstream, "text leaves the protected machine");
    /* What "upstream" says of the cache is true of such an engine alone. */
    clo_vb_claim(&w->vb, CLOISTER_CHECK_MANIFEST_MANAGED,
                 (m->managed && strcmp(m->prefix_cache, "upstream") != 0) ||
                     w->policy->allow_unmanaged,
                 w->measured, w->policy->allow_unmanaged ? "any" : "managed",
                 m->managed ? "managed" : "unmanaged",
                 "an engine that Cloister didn't start, and the policy doesn't allow that");
    check_engine(w);
    if (!w->policy->releases.given)
        clo_vb_set(&w->vb, CLOISTER_CHECK_MANIFEST_RELEASE, CLOISTER_CHECK_NOT_APPLICABLE, NULL,
                   m->release, "the policy names no release: the measurement decides");
    else
        clo_vb_claim(&w->vb, CLOISTER_CHECK_MANIFEST_RELEASE,
                     clo_policy_texts_have(&w->policy->releases, m->release), w->measured,
                     "listed in the policy", m->release, "the policy doesn't list this release");
    check_pinned(w);
    check_shape(w);
}

/*
 * The devices are this machine's only as far as its report covers the section that lists them, and their own reports cover
 * these keys and this manifest: genuine evidence of somebody else's GPU has another nonce.
 */
static int check_devices(struct work *w, const struct cloister_roots *roots)
{
    const enum cloister_check_id id = CLOISTER_CHECK_DEVICES_APPRAISED;
    uint8_t nonce[32];
    const struct clo_gpu_input in = {
        .devices = &w->devices, .collateral = &w->collateral, .nonce = nonce};
    size_t failed, judged, open;
    char actual[TEXT];
    int err;

    if ((err = clo_bind_gpu(w->e->sec[CLO_SEC_KEYS].digest, w->e->sec[CLO_SEC_MANIFEST].digest,
                            nonce)) != 0 ||
        (err = clo_gpu_appraise(&in, w->policy, roots, w->now, &w->vb)) != 0)
        return err;
    failed = clo_vb_count(&w->vb, CLO_FAMILY_GPU, CLOISTER_CHECK_FAIL);
    judged = clo_vb_count(&w->vb, CLO_FAMILY_GPU, CLOISTER_CHECK_PASS);
    open = clo_vb_count(&w->vb, CLO_FAMILY_GPU, CLOISTER_CHECK_MISSING) +
           clo_vb_count(&w->vb, CLO_FAMILY_GPU, CLOISTER_CHECK_NONE);
    (void)snprintf(actual, sizeof actual, "%zu", w->devices.count);
    if (w->devices.count == 0 && failed + judged + open == 0)
        clo_vb_set(&w->vb, id, CLOISTER_CHECK_NOT_APPLICABLE, NULL, NULL,
                   "the policy asks for no device, and none is listed");
    else if (failed == 0 && (open > 0 || clo_vb_status(&w->vb, CLOISTER_CHECK_GPU_SIGNATURE) !=
                                             CLOISTER_CHECK_PASS))
        clo_vb_set(&w->vb, id, CLOISTER_CHECK_MISSING, NULL, actual, "a device can't be judged");
    else
        clo_vb_claim(&w->vb, id, failed == 0, w->bound, NULL, actual,
                     "a device isn't as it has to be");
    return 0;
}

/* ---- the verdict ---- */

static int digests(const struct work *w, struct cloister_verdict *v)
{
    struct clo_slice in[CLO_SEC_COUNT];

    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        in[i] = (struct clo_slice){w->e->sec[i].digest, 32};
    memcpy(v->keys_digest, w->e->sec[CLO_SEC_KEYS].digest, 32);
    memcpy(v->manifest_digest, w->e->sec[CLO_SEC_MANIFEST].digest, 32);
    cloister_policy_digest(w->policy, v->policy_digest);
    return clo_hash(CLO_SHA256, in, CLO_SEC_COUNT, v->evidence_digest);
}

/* What a channel needs is handed out together with "verified", and never otherwise. */
static void hand_over(const struct work *w, struct cloister_verdict *v)
{
    memcpy(v->ohttp_keys, w->keys.ohttp_keys, w->keys.ohttp_keys_n);
    v->ohttp_keys_n = w->keys.ohttp_keys_n;
    memcpy(v->gateway, w->keys.gateway, sizeof w->keys.gateway);
    memcpy(v->receipt_key, w->keys.receipt_key, sizeof v->receipt_key);
    memcpy(v->aead, w->policy->aead, sizeof v->aead);
    v->aeads = w->policy->aeads;
    v->allow_x25519 = w->policy->x25519 && w->manifest.x25519;
    memcpy(v->model, w->manifest.model, sizeof v->model);
    v->request_max = w->manifest.request_bytes;
    v->shape = (uint32_t)w->manifest.shape;
    memcpy(v->measurement, w->hw.measurement, sizeof v->measurement);
}

static int judge(struct work *w, const struct cloister_roots *roots, struct cloister_verdict *v)
{
    bool ok = false;
    int err;

    if (!complete(w)) {
        clo_vb_keep_families(&w->vb, CLO_FAMILY_GPU);
        clo_vb_skip(&w->vb, FIRST_CHECK, LAST_CHECK, "not judged, because sections are missing");
        return 0;
    }
    err = readable(w, &ok);
    memcpy(v->type, w->cpu.type, sizeof v->type);
    if (err != 0 || !ok)
        return err;
    v->simulated = w->kind == CLO_KIND_SIMULATED;
    clo_kind_check_pins(w->kind, w->policy, &w->vb);
    if (!clo_kind_admit(w->kind, w->policy, &w->vb)) {
        clo_vb_skip_families(&w->vb, clo_kind_families(w->kind), NOT_ADMITTED);
        clo_vb_skip(&w->vb, CLOISTER_CHECK_BINDING_REPORT_DATA, CLOISTER_CHECK_BINDING_REPORT_DATA,
                    NOT_ADMITTED);
    } else if ((err = appraise(w, roots)) != 0) {
        return err;
    }
    check_epoch(w);
    if ((err = check_freshness(w, &v->freshness)) != 0)
        return err;
    check_suite(w);
    check_manifest(w);
    return check_devices(w, roots);
}

int cloister_evidence_verify(const struct cloister_evidence *e, const struct cloister_nonce *nonce,
                             const struct cloister_policy *policy,
                             const struct cloister_roots *roots, int64_t now,
                             struct cloister_verdict *ret)
{
    struct cloister_roots fewer;
    struct work *w = NULL;
    int err = 0;

    if (ret == NULL)
        return CLOISTER_E_ARGUMENT;
    memset(ret, 0, sizeof *ret);
    if (e == NULL || policy == NULL || roots == NULL || now < 0 || now > CLO_TIME_MAX ||
        (nonce != NULL && (nonce->sent_at < 0 || nonce->sent_at > CLO_TIME_MAX)))
        return CLOISTER_E_ARGUMENT;
    if ((err = clo_roots_admitted(roots, policy, &fewer, &roots)) != 0)
        return err;
    if ((w = calloc(1, sizeof *w)) == NULL)
        return CLOISTER_E_MEMORY;
    w->e = e;
    w->nonce = nonce;
    w->policy = policy;
    w->now = now;
    clo_vb_init(&w->vb);
    ret->checked_at = now;
    if (nonce != NULL)
        ret->freshness = CLOISTER_NOT_FRESH;
    if ((err = digests(w, ret)) != 0 || (err = judge(w, roots, ret)) != 0) {
        memset(ret, 0, sizeof *ret);
        goto out;
    }
    clo_vb_finish(&w->vb, ret);
    if (ret->outcome == CLOISTER_VERIFIED)
        hand_over(w, ret);
    err = clo_outcome_error(ret->outcome);
out:
    clo_cpu_section_clear(&w->cpu);
    clo_collateral_clear(&w->collateral);
    clo_devices_clear(&w->devices);
    free(w);
    return err;
}
