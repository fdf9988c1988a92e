/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs. Two verdicts over the same evidence tell everything: one under the policy as it is, one under the policy that
 * pins what is shown as well. Whatever the second one refuses is no matter of pinning.
 */
#include <string.h>

#include "client/policy_diff_in.h"
#include "codec/json.h"

/* ---- what differs ---- */

static bool has_text(const json_t *list, const char *value)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strcmp(json_string_value(json_array_get(list, i)), value) == 0)
            return true;
    }
    return false;
}

/* Members keep their places in the document. */
static int pin(json_t *doc, const char *name, const char *value, bool replace)
{
    json_t *list = json_object_get(doc, name);

    if (replace || list == NULL)
        return json_object_set_new(doc, name, json_pack("[s]", value)) == 0 ? 0 : CLOISTER_E_MEMORY;
    if (has_text(list, value))
        return 0;
    return json_array_append_new(list, json_string(value)) == 0 ? 0 : CLOISTER_E_MEMORY;
}

/* Takes the value over. */
static int pin_value(json_t *list, json_t *value, bool replace)
{
    if (value == NULL || (replace && json_array_clear(list) != 0))
        return CLOISTER_E_MEMORY;
    return json_array_append_new(list, value) == 0 ? 0 : CLOISTER_E_MEMORY;
}

/* How many of the pinned PCRs have the value that is shown. */
static size_t same_pcrs(const struct clo_policy_pcrs *p, const struct clo_shown_tpm *t)
{
    size_t same = 0;

    for (unsigned i = 0; i < CLO_POLICY_PCRS; i++)
        same += (p->pinned >> i & 1) != 0 && memcmp(p->value[i], t->value[i], 48) == 0;
    return same;
}

/* The pinned alternative that most PCRs are the same in; NULL if none is pinned. */
const struct clo_policy_pcrs *clo_diff_nearest_pcrs(const struct clo_diff *d)
{
    const struct clo_policy_tpm *t = &d->policy->tpm;
    const struct clo_policy_pcrs *best = NULL;

    for (size_t i = 0; i < t->pcrs_n; i++)
        if (best == NULL || same_pcrs(&t->pcrs[i], &d->shown.tpm) >= same_pcrs(best, &d->shown.tpm))
            best = &t->pcrs[i];
    return best;
}

const uint8_t *clo_diff_register(const struct clo_policy_td *td, size_t i)
{
    return i == 0 ? td->mrtd : td->rtmr[i - 1];
}

const uint8_t *clo_diff_shown_register(const struct clo_diff *d, size_t i)
{
    return i == 0 ? d->shown.td.mrtd : d->shown.td.rtmr[i - 1];
}

const char *const clo_diff_register_name[CLO_DIFF_REGISTERS] = {"MRTD", "RTMR0", "RTMR1", "RTMR2",
                                                                "RTMR3"};

static size_t same_registers(const struct clo_diff *d, const struct clo_policy_td *td)
{
    size_t same = 0;

    for (size_t i = 0; i < CLO_DIFF_REGISTERS; i++)
        same += memcmp(clo_diff_register(td, i), clo_diff_shown_register(d, i), 48) == 0;
    return same;
}

/* The pinned image that most registers are the same in; NULL if none is pinned. */
const struct clo_policy_td *clo_diff_nearest_image(const struct clo_diff *d)
{
    const struct clo_policy_tdx *t = &d->policy->tdx;
    const struct clo_policy_td *best = NULL;

    for (size_t i = 0; i < t->tds; i++)
        if (best == NULL || same_registers(d, &t->td[i]) >= same_registers(d, best))
            best = &t->td[i];
    return best;
}

/* The PCRs that a policy which pins what is shown pins: those that it pins already, or all that were quoted. */
uint32_t clo_diff_wanted_pcrs(const struct clo_diff *d)
{
    const struct clo_policy_pcrs *near = clo_diff_nearest_pcrs(d);

    return near != NULL ? near->pinned & d->shown.tpm.selection : d->shown.tpm.selection;
}

static void find_new(struct clo_diff *d)
{
    const struct cloister_policy *p = d->policy;
    const struct clo_shown *s = &d->shown;
    const struct clo_policy_tpm *t = &p->tpm;

    d->has_measurement = (s->kind == CLO_KIND_SIMULATED && p->simulated) ||
                         (s->kind == CLO_KIND_SNP && p->sev_snp) ||
                         (s->kind == CLO_KIND_SNP_AZURE && p->sev_snp_azure);
    d->has_image = (s->kind == CLO_KIND_TDX && p->tdx_plain) ||
                   (s->kind == CLO_KIND_TDX_AZURE && p->tdx_azure);
    /* Other PCRs or another bank are no matter of values. */
    d->has_pcrs = s->tpm.there && t->given && s->tpm.bank == t->bank &&
                  s->tpm.selection == t->selection;
    clo_hex(s->report.measurement, sizeof(s->report.measurement), d->measurement);
    d->new_measurement = d->has_measurement &&
                         !clo_policy_list_has(&p->measurements, s->report.measurement);
    d->new_image = d->has_image &&
                   (p->tdx.tds == 0 ||
                    same_registers(d, clo_diff_nearest_image(d)) < CLO_DIFF_REGISTERS);
    d->new_pcrs = d->has_pcrs;
    for (size_t i = 0; d->new_pcrs && i < t->pcrs_n; i++)
        d->new_pcrs = same_pcrs(&t->pcrs[i], &s->tpm) <
                      (size_t)__builtin_popcount(t->pcrs[i].pinned);
    d->new_manifest = s->has_manifest && p->manifests.given &&
                      !clo_policy_list_has(&p->manifests, s->manifest_digest);
}

/* A policy that pins no manifest is one of somebody who trusts measured code with it: it gets none. */
static int make_wanted(struct clo_diff *d)
{
    json_t *doc = json_deep_copy(d->doc);
    int err = doc != NULL ? 0 : CLOISTER_E_MEMORY;

    if (err == 0 && d->has_measurement)
        err = pin(doc, "measurements", d->measurement, d->o->replace);
    if (err == 0 && (d->new_image || (d->has_image && d->o->replace)))
        err = pin_value(json_object_get(json_object_get(doc, "tdx"), "images"),
                        clo_shown_image(&d->shown), d->o->replace);
    if (err == 0 && (d->new_pcrs || (d->has_pcrs && d->o->replace)))
        err = pin_value(json_object_get(json_object_get(doc, "tpm"), "pcrs"),
                        clo_shown_pcrs(&d->shown, clo_diff_wanted_pcrs(d)), d->o->replace);
    if (err == 0 && d->policy->manifests.given && d->shown.manifest_b64[0] != '\0')
        err = pin(doc, "manifests", d->shown.manifest_b64, d->o->replace);
    if (err == 0 && json_equal(doc, d->doc) == 0)
        err = clo_json_write_text(doc, &d->wanted);
    json_decref(doc);
    return err;
}

/* 0 if there is a verdict, whatever it says. */
static int judge(const struct clo_diff *d, const struct cloister_policy *policy,
                 struct cloister_verdict *ret)
{
    const int err = cloister_evidence_verify(d->evidence, &d->nonce, policy,
                                             cloister_roots_builtin(), d->now, ret);

    return ret->outcome == CLOISTER_NOT_VERIFIED ? err : 0;
}

static int judge_wanted(struct clo_diff *d)
{
    struct cloister_policy *p = NULL;
    int err;

    if (d->wanted.len == 0) {
        d->judged = d->verdict;
        return 0;
    }
    if (cloister_policy_check(d->wanted.p, d->wanted.len, d->why, sizeof(d->why)) != 0)
        return 0;
    if ((err = cloister_policy_parse(d->wanted.p, d->wanted.len, &p)) == 0)
        err = judge(d, p, &d->judged);
    cloister_policy_free(p);
    return err;
}

int clo_diff_compare(struct clo_diff *d)
{
    int err;

    if ((err = clo_json_parse(d->text.p, d->text.len, CLO_POLICY_MAX, &d->doc)) != 0 ||
        (err = clo_policy_pinned(d->doc, d->pinned, &d->pinned_n)) != 0 ||
        (err = judge(d, d->policy, &d->verdict)) != 0)
        return err;
    err = clo_shown_read(d->evidence, &d->shown);
    d->readable = err == 0;
    if (!d->readable) { /* which the verdict says in its own words */
        d->judged = d->verdict;
        return err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO ? err : 0;
    }
    find_new(d);
    err = make_wanted(d);
    return err != 0 ? err : judge_wanted(d);
}

/* Would the policy that pins what is shown admit this server? */
bool clo_diff_acceptable(const struct clo_diff *d)
{
    return d->judged.outcome == CLOISTER_VERIFIED && d->judged.freshness == CLOISTER_FRESH;
}

/* The pinned manifest that most members are the same in; NULL if none is pinned. */
const struct clo_pinned *clo_diff_nearest_manifest(const struct clo_diff *d)
{
    struct clo_manifest_member shown[CLO_MANIFEST_MEMBERS], old[CLO_MANIFEST_MEMBERS];
    const struct clo_pinned *best = NULL;
    size_t most = 0;

    clo_manifest_members(&d->shown.manifest, shown);
    for (size_t i = 0; i < d->pinned_n; i++) {
        size_t same = 0;

        clo_manifest_members(&d->pinned[i].manifest, old);
        for (size_t k = 0; k < CLO_MANIFEST_MEMBERS; k++)
            same += strcmp(shown[k].value, old[k].value) == 0;
        if (best == NULL || same >= most) { /* of equals the one that was pinned last */
            best = &d->pinned[i];
            most = same;
        }
    }
    return best;
}

/* ---- devices: what runs there has reference values, or it hasn't ---- */

static bool has_reference(const struct clo_diff *d, enum clo_reference_kind kind,
                          const struct clo_gpu_running *run)
{
    bool ambiguous = false;

    if (kind == CLO_REFERENCE_DRIVER && run->arch == CLO_GPU_LS10)
        return true; /* a switch has no driver */
    return clo_gpu_reference_find(&d->policy->devices, kind, run, &ambiguous) != NULL || ambiguous;
}

const char *clo_diff_version(enum clo_reference_kind kind, const struct clo_gpu_running *run)
{
    return kind == CLO_REFERENCE_DRIVER ? run->driver : run->vbios;
}

/* Is device i the first one that runs this? */
static bool is_first(const struct clo_diff *d, size_t i, enum clo_reference_kind kind)
{
    const struct clo_gpu_running *run = &d->shown.device[i].run;

    for (size_t k = 0; k < i; k++) {
        const struct clo_gpu_running *other = &d->shown.device[k].run;

        if (other->arch == run->arch &&
            strcmp(clo_diff_version(kind, other), clo_diff_version(kind, run)) == 0 &&
            (kind == CLO_REFERENCE_DRIVER || (strcmp(other->project, run->project) == 0 &&
                                              strcmp(other->project_sku, run->project_sku) == 0 &&
                                              strcmp(other->chip_sku, run->chip_sku) == 0)))
            return false;
    }
    return true;
}

/* Calls what for each driver and VBIOS that runs without a reference value. */
void clo_diff_each_without_reference(const struct clo_diff *d,
                                     void (*what)(const struct clo_diff *d,
                                                  enum clo_reference_kind kind,
                                                  const struct clo_gpu_running *run, void *arg),
                                     void *arg)
{
    static const enum clo_reference_kind kinds[] = {CLO_REFERENCE_DRIVER, CLO_REFERENCE_VBIOS};

    for (size_t k = 0; k < CLO_ARRAY_LEN(kinds); k++)
        for (size_t i = 0; i < d->shown.devices; i++)
            if (is_first(d, i, kinds[k]) && !has_reference(d, kinds[k], &d->shown.device[i].run))
                what(d, kinds[k], &d->shown.device[i].run, arg);
}
