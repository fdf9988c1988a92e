/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloister policy diff`. Two verdicts over the same evidence tell everything: one under the policy as it is, one under the policy that
 * pins what is shown as well. Whatever the second one refuses is no matter of pinning, so it can't be accepted here; only if it says
 * "verified" can the second policy take the place of the first, byte for byte as it was judged.
 */
#include "client/policy_diff.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/secret.h"
#include "client/commands.h"
#include "client/policy_propose.h"
#include "client/policy_text.h"
#include "client/say.h"
#include "client/stop.h"
#include "codec/json.h"
#include "platform/file.h"
#include "platform/process.h"

#define JSON_MAX (1u << 21)

struct diff {
    const struct clo_options *o;
    struct cloister_evidence *evidence;
    struct cloister_nonce nonce;
    int64_t now;

    struct clo_buf text; /* the policy as it is */
    json_t *doc;
    struct cloister_policy *policy;
    struct cloister_verdict verdict;
    struct clo_pinned pinned[CLO_POLICY_MANIFESTS_MAX];
    size_t pinned_n;

    bool readable; /* `shown` is set */
    struct clo_shown shown;
    char measurement[97]; /* SEV-SNP and simulated */
    /* What is shown is of a kind that the policy pins; and it isn't pinned. */
    bool has_measurement, has_image, has_pcrs;
    bool new_measurement, new_image, new_pcrs, new_manifest;

    struct clo_buf wanted; /* the policy that pins what is shown; empty if that is the same one */
    char why[256];         /* it is none */
    struct cloister_verdict judged; /* under the wanted policy */
    bool accepted;
};

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
static const struct clo_policy_pcrs *nearest_pcrs(const struct diff *d)
{
    const struct clo_policy_tpm *t = &d->policy->tpm;
    const struct clo_policy_pcrs *best = NULL;

    for (size_t i = 0; i < t->pcrs_n; i++)
        if (best == NULL || same_pcrs(&t->pcrs[i], &d->shown.tpm) >= same_pcrs(best, &d->shown.tpm))
            best = &t->pcrs[i];
    return best;
}

static const uint8_t *register_of(const struct clo_policy_td *td, size_t i)
{
    return i == 0 ? td->mrtd : td->rtmr[i - 1];
}

static const uint8_t *shown_register(const struct diff *d, size_t i)
{
    return i == 0 ? d->shown.td.mrtd : d->shown.td.rtmr[i - 1];
}

#define REGISTERS 5
static const char *const register_name[REGISTERS] = {"MRTD", "RTMR0", "RTMR1", "RTMR2", "RTMR3"};

static size_t same_registers(const struct diff *d, const struct clo_policy_td *td)
{
    size_t same = 0;

    for (size_t i = 0; i < REGISTERS; i++)
        same += memcmp(register_of(td, i), shown_register(d, i), 48) == 0;
    return same;
}

/* The pinned image that most registers are the same in; NULL if none is pinned. */
static const struct clo_policy_td *nearest_image(const struct diff *d)
{
    const struct clo_policy_tdx *t = &d->policy->tdx;
    const struct clo_policy_td *best = NULL;

    for (size_t i = 0; i < t->tds; i++)
        if (best == NULL || same_registers(d, &t->td[i]) >= same_registers(d, best))
            best = &t->td[i];
    return best;
}

/* The PCRs that a policy which pins what is shown pins: those that it pins already, or all that were quoted. */
static uint32_t wanted_pcrs(const struct diff *d)
{
    const struct clo_policy_pcrs *near = nearest_pcrs(d);

    return near != NULL ? near->pinned & d->shown.tpm.selection : d->shown.tpm.selection;
}

static void find_new(struct diff *d)
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
                   (p->tdx.tds == 0 || same_registers(d, nearest_image(d)) < REGISTERS);
    d->new_pcrs = d->has_pcrs;
    for (size_t i = 0; d->new_pcrs && i < t->pcrs_n; i++)
        d->new_pcrs = same_pcrs(&t->pcrs[i], &s->tpm) <
                      (size_t)__builtin_popcount(t->pcrs[i].pinned);
    d->new_manifest = s->has_manifest && p->manifests.given &&
                      !clo_policy_list_has(&p->manifests, s->manifest_digest);
}

/* A policy that pins no manifest is one of somebody who trusts measured code with it: it gets none. */
static int make_wanted(struct diff *d)
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
                        clo_shown_pcrs(&d->shown, wanted_pcrs(d)), d->o->replace);
    if (err == 0 && d->policy->manifests.given && d->shown.manifest_b64[0] != '\0')
        err = pin(doc, "manifests", d->shown.manifest_b64, d->o->replace);
    if (err == 0 && json_equal(doc, d->doc) == 0)
        err = clo_json_write_text(doc, &d->wanted);
    json_decref(doc);
    return err;
}

/* 0 if there is a verdict, whatever it says. */
static int judge(const struct diff *d, const struct cloister_policy *policy,
                 struct cloister_verdict *ret)
{
    const int err = cloister_evidence_verify(d->evidence, &d->nonce, policy,
                                             cloister_roots_builtin(), d->now, ret);

    return ret->outcome == CLOISTER_NOT_VERIFIED ? err : 0;
}

static int judge_wanted(struct diff *d)
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

static int compare(struct diff *d)
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
static bool acceptable(const struct diff *d)
{
    return d->judged.outcome == CLOISTER_VERIFIED && d->judged.freshness == CLOISTER_FRESH;
}

/* The pinned manifest that most members are the same in; NULL if none is pinned. */
static const struct clo_pinned *nearest(const struct diff *d)
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

/* ---- for people ---- */

static void print_old(const char *text)
{
    printf("  %s- %s%s\n", clo_style(stdout, CLO_RED), text, clo_style(stdout, CLO_PLAIN));
}

static void print_new(const char *text)
{
    printf("  %s+ %s%s\n", clo_style(stdout, CLO_GREEN), text, clo_style(stdout, CLO_PLAIN));
}

static void print_measurement(const struct diff *d)
{
    const json_t *list = json_object_get(d->doc, "measurements");

    puts("measurement of what was started");
    for (size_t i = 0; i < json_array_size(list); i++)
        print_old(json_string_value(json_array_get(list, i)));
    print_new(d->measurement);
}

static void print_value(void (*print)(const char *text), const uint8_t *p, size_t n)
{
    char hex[97];

    clo_hex(p, n, hex);
    print(hex);
}

/* Register by register, against the nearest image that is pinned. */
static void print_image(const struct diff *d)
{
    const struct clo_policy_td *near = nearest_image(d);

    for (size_t i = 0; i < REGISTERS; i++) {
        if (near != NULL && memcmp(register_of(near, i), shown_register(d, i), 48) == 0)
            continue;
        printf("%s of the TD that was started\n", register_name[i]);
        if (near != NULL)
            print_value(print_old, register_of(near, i), 48);
        print_value(print_new, shown_register(d, i), 48);
    }
}

static void print_pcrs(const struct diff *d)
{
    const struct clo_policy_pcrs *near = nearest_pcrs(d);
    const struct clo_shown_tpm *t = &d->shown.tpm;
    const size_t len = t->bank == CLO_POLICY_BANK_SHA384 ? 48 : 32;
    const uint32_t wanted = wanted_pcrs(d);

    for (unsigned i = 0; i < CLO_POLICY_PCRS; i++) {
        if ((wanted >> i & 1) == 0 ||
            (near != NULL && memcmp(near->value[i], t->value[i], len) == 0))
            continue;
        printf("PCR %u of what was started\n", i);
        if (near != NULL)
            print_value(print_old, near->value[i], len);
        print_value(print_new, t->value[i], len);
    }
}

/* ---- devices: what runs there has reference values, or it hasn't ---- */

static bool has_reference(const struct diff *d, enum clo_reference_kind kind,
                          const struct clo_gpu_running *run)
{
    bool ambiguous = false;

    if (kind == CLO_REFERENCE_DRIVER && run->arch == CLO_GPU_LS10)
        return true; /* a switch has no driver */
    return clo_gpu_reference_find(&d->policy->devices, kind, run, &ambiguous) != NULL || ambiguous;
}

static const char *version_of(enum clo_reference_kind kind, const struct clo_gpu_running *run)
{
    return kind == CLO_REFERENCE_DRIVER ? run->driver : run->vbios;
}

/* Is device i the first one that runs this? */
static bool is_first(const struct diff *d, size_t i, enum clo_reference_kind kind)
{
    const struct clo_gpu_running *run = &d->shown.device[i].run;

    for (size_t k = 0; k < i; k++) {
        const struct clo_gpu_running *other = &d->shown.device[k].run;

        if (other->arch == run->arch &&
            strcmp(version_of(kind, other), version_of(kind, run)) == 0 &&
            (kind == CLO_REFERENCE_DRIVER || (strcmp(other->project, run->project) == 0 &&
                                              strcmp(other->project_sku, run->project_sku) == 0 &&
                                              strcmp(other->chip_sku, run->chip_sku) == 0)))
            return false;
    }
    return true;
}

/* Calls what for each driver and VBIOS that runs without a reference value. */
static void each_without_reference(const struct diff *d,
                                   void (*what)(const struct diff *d, enum clo_reference_kind kind,
                                                const struct clo_gpu_running *run, void *arg),
                                   void *arg)
{
    static const enum clo_reference_kind kinds[] = {CLO_REFERENCE_DRIVER, CLO_REFERENCE_VBIOS};

    for (size_t k = 0; k < CLO_ARRAY_LEN(kinds); k++)
        for (size_t i = 0; i < d->shown.devices; i++)
            if (is_first(d, i, kinds[k]) && !has_reference(d, kinds[k], &d->shown.device[i].run))
                what(d, kinds[k], &d->shown.device[i].run, arg);
}

static void print_device(const struct diff *d, enum clo_reference_kind kind,
                         const struct clo_gpu_running *run, void *arg)
{
    const struct clo_policy_devices *p = &d->policy->devices;
    char id[128];

    (void)arg;
    printf("%s of a %s device (reference values)\n",
           kind == CLO_REFERENCE_DRIVER ? "driver" : "VBIOS", clo_gpu_arch_name(run->arch));
    for (size_t i = 0; i < p->references; i++)
        if (p->reference[i].kind == kind && p->reference[i].arch == run->arch)
            print_old(p->reference[i].version);
    print_new(version_of(kind, run));
    clo_gpu_rim_id(kind, run, id, sizeof(id));
    printf("  its reference values are in the RIM %s: `cloister-rim import` takes them out\n", id);
}

static void print_manifest(const struct diff *d)
{
    struct clo_manifest_member new[CLO_MANIFEST_MEMBERS], old[CLO_MANIFEST_MEMBERS] = {{0}};
    const struct clo_pinned *near = nearest(d);
    char hex[65];
    size_t differ = 0;

    clo_manifest_members(&d->shown.manifest, new);
    if (near != NULL)
        clo_manifest_members(&near->manifest, old);
    for (size_t i = 0; i < CLO_MANIFEST_MEMBERS; i++) {
        if (strcmp(old[i].value, new[i].value) == 0)
            continue;
        puts(new[i].title);
        if (near != NULL)
            print_old(old[i].value);
        print_new(new[i].value);
        differ++;
    }
    puts(differ > 0 ? "manifest (SHA-256)" : "manifest (SHA-256): the same members in other bytes");
    if (near != NULL) {
        clo_hex(near->digest, 32, hex);
        print_old(hex);
    }
    clo_hex(d->shown.manifest_digest, 32, hex);
    print_new(hex);
}

static bool is_wrong(const struct cloister_check *c)
{
    return c->status != CLOISTER_CHECK_PASS && c->status != CLOISTER_CHECK_NOT_APPLICABLE;
}

/* Of another kind of machine than the policy's nothing else is judged, and saying so a check at a time helps nobody. */
static bool is_other_kind(const struct cloister_verdict *v)
{
    for (size_t i = 0; i < v->checks; i++)
        if (v->check[i].id == CLOISTER_CHECK_POLICY_TYPE)
            return v->check[i].status == CLOISTER_CHECK_FAIL;
    return false;
}

static void print_wrong(const struct diff *d)
{
    const struct cloister_verdict *v = &d->judged;
    const bool other_kind = is_other_kind(v);

    if (d->why[0] != '\0') {
        printf("can't be accepted, because the policy would be none: %s%s\n", d->why,
               d->o->replace ? "" : " (--replace drops what was pinned before)");
        return;
    }
    puts("can't be accepted:");
    for (size_t i = 0; i < v->checks; i++) {
        const struct cloister_check *c = &v->check[i];

        if (!is_wrong(c) || (other_kind && c->status == CLOISTER_CHECK_MISSING))
            continue;
        printf("  %s%s%s %s: %s\n", clo_style(stdout, CLO_RED),
               c->status == CLOISTER_CHECK_FAIL ? "✗" : "?", clo_style(stdout, CLO_PLAIN),
               cloister_check_name(c->id), c->reason);
        if (c->expected[0] != '\0')
            printf("      expected %s\n      found    %s\n", c->expected, c->actual);
        if (c->id == CLOISTER_CHECK_MANIFEST_MODEL || c->id == CLOISTER_CHECK_MANIFEST_RELEASE)
            puts("      the policy's list is yours: write it in by hand, if you want it");
    }
}

static const char *conclusion(const struct diff *d)
{
    if (d->verdict.outcome == CLOISTER_VERIFIED)
        return d->policy->manifests.given
                   ? "no difference: VERIFIED"
                   : "no difference: VERIFIED; the policy pins no manifest, so any is admitted (a proxy that runs keeps to "
                     "its first: start it anew)";
    if (!acceptable(d))
        return "NOT VERIFIED: nothing that this server shows is to be trusted";
    return d->o->accept ? "REFUSED so far, only for what differs: all else is verified"
                        : "REFUSED, only for what differs: all else is verified, and "
                          "`cloister policy diff --accept` lets the policy admit it";
}

/* What all other checks rest on. Anybody can start an image of their own on genuine hardware. */
static const char another_image[] =
    "WARNING: this is another image, and who made it decides what becomes of what you write. No check tells a good one from "
    "a bad one: accept it only if a source that you trust names this measurement";

static void print_text(const struct diff *d)
{
    const bool ok = d->verdict.outcome == CLOISTER_VERIFIED;

    if (d->new_measurement)
        print_measurement(d);
    if (d->new_image)
        print_image(d);
    if (d->new_pcrs)
        print_pcrs(d);
    if (d->new_manifest)
        print_manifest(d);
    if (d->readable)
        each_without_reference(d, print_device, NULL);
    if (!acceptable(d))
        print_wrong(d);
    else if (d->new_measurement || d->new_image || d->new_pcrs)
        printf("%s%s%s\n", clo_style(stdout, CLO_YELLOW), another_image,
               clo_style(stdout, CLO_PLAIN));
    printf("%s%s%s\n", clo_style(stdout, ok ? CLO_GREEN : CLO_RED), conclusion(d),
           clo_style(stdout, CLO_PLAIN));
    if (d->verdict.simulated)
        printf("%s%s%s\n", clo_style(stdout, CLO_YELLOW), CLO_SIMULATED_WARNING,
               clo_style(stdout, CLO_PLAIN));
}

/* ---- for machines ---- */

/* *err sticks at the first member that can't be made. */
static void put(json_t *o, const char *name, json_t *v, int *err)
{
    if (json_object_set_new(o, name, v) != 0)
        *err = CLOISTER_E_MEMORY;
}

static void append(json_t *a, json_t *v, int *err)
{
    if (json_array_append_new(a, v) != 0)
        *err = CLOISTER_E_MEMORY;
}

static json_t *hex_json(const uint8_t digest[32])
{
    char hex[65];

    clo_hex(digest, 32, hex);
    return json_string(hex);
}

static json_t *measurement_json(const struct diff *d, int *err)
{
    json_t *o = json_object(), *list = json_object_get(d->doc, "measurements");

    put(o, "pinned", list != NULL ? json_incref(list) : json_array(), err);
    put(o, "shown", json_string(d->measurement), err);
    put(o, "differs", json_boolean(d->new_measurement), err);
    return o;
}

/* The member's list as it stands in the policy, beside what is shown. */
static json_t *pinned_json(const struct diff *d, const char *member, const char *list,
                           json_t *shown, bool differs, int *err)
{
    json_t *o = json_object();
    json_t *pinned = json_object_get(json_object_get(d->doc, member), list);

    put(o, "pinned", pinned != NULL ? json_incref(pinned) : json_array(), err);
    put(o, "shown", shown, err);
    put(o, "differs", json_boolean(differs), err);
    return o;
}

struct wanting {
    json_t *list;
    int err;
};

static void add_device(const struct diff *d, enum clo_reference_kind kind,
                       const struct clo_gpu_running *run, void *arg)
{
    struct wanting *w = arg;
    json_t *o = json_object();
    char id[128];

    (void)d;
    clo_gpu_rim_id(kind, run, id, sizeof(id));
    put(o, "kind", json_string(kind == CLO_REFERENCE_DRIVER ? "driver" : "vbios"), &w->err);
    put(o, "arch", json_string(clo_gpu_arch_name(run->arch)), &w->err);
    put(o, "version", json_string(version_of(kind, run)), &w->err);
    put(o, "rim", json_string(id), &w->err);
    append(w->list, o, &w->err);
}

static json_t *devices_json(const struct diff *d, int *err)
{
    struct wanting w = {.list = json_array()};
    json_t *o = json_object();

    each_without_reference(d, add_device, &w);
    put(o, "shown", json_integer((json_int_t)d->shown.devices), err);
    put(o, "without_reference_values", w.list, err);
    if (w.err != 0)
        *err = w.err;
    return o;
}

static json_t *members_json(const struct diff *d, const struct clo_pinned *near, int *err)
{
    struct clo_manifest_member new[CLO_MANIFEST_MEMBERS], old[CLO_MANIFEST_MEMBERS];
    json_t *a = json_array();

    clo_manifest_members(&near->manifest, old);
    clo_manifest_members(&d->shown.manifest, new);
    for (size_t i = 0; i < CLO_MANIFEST_MEMBERS; i++) {
        json_t *o = NULL;

        if (strcmp(old[i].value, new[i].value) == 0)
            continue;
        o = json_object();
        put(o, "member", json_string(new[i].id), err);
        put(o, "pinned", json_string(old[i].value), err);
        put(o, "shown", json_string(new[i].value), err);
        append(a, o, err);
    }
    return a;
}

static json_t *manifest_json(const struct diff *d, int *err)
{
    const struct clo_pinned *near = d->new_manifest ? nearest(d) : NULL;
    json_t *o = json_object(), *list = json_array();

    for (size_t i = 0; i < d->pinned_n; i++)
        append(list, hex_json(d->pinned[i].digest), err);
    put(o, "pinned_sha256", list, err);
    put(o, "shown_sha256", hex_json(d->shown.manifest_digest), err);
    put(o, "differs", json_boolean(d->new_manifest), err);
    if (near != NULL) {
        put(o, "nearest_sha256", hex_json(near->digest), err);
        put(o, "members", members_json(d, near, err), err);
    }
    return o;
}

static json_t *wrong_json(const struct diff *d, int *err)
{
    json_t *a = json_array();

    for (size_t i = 0; i < d->judged.checks; i++) {
        const struct cloister_check *c = &d->judged.check[i];
        json_t *o = NULL;

        if (!is_wrong(c))
            continue;
        o = json_object();
        put(o, "number", json_integer(c->id), err);
        put(o, "id", json_string(cloister_check_name(c->id)), err);
        put(o, "status", json_string(c->status == CLOISTER_CHECK_FAIL ? "fail" : "missing"), err);
        put(o, "expected", json_string(c->expected), err);
        put(o, "actual", json_string(c->actual), err);
        put(o, "reason", json_string(c->reason), err);
        append(a, o, err);
    }
    return a;
}

static int print_json(const struct diff *d)
{
    struct clo_buf b = clo_buf_init(JSON_MAX);
    json_t *o = json_object();
    int err = 0;

    put(o, "v", json_integer(1), &err);
    put(o, "verified", json_boolean(d->verdict.outcome == CLOISTER_VERIFIED), &err);
    put(o, "acceptable", json_boolean(acceptable(d)), &err);
    put(o, "accepted", json_boolean(d->accepted), &err);
    put(o, "simulated", json_boolean(d->verdict.simulated), &err);
    put(o, "evidence_sha256", hex_json(d->verdict.evidence_digest), &err);
    put(o, "policy_sha256", hex_json(d->verdict.policy_digest), &err);
    if (d->readable) {
        if (clo_shown_is_snp(&d->shown))
            put(o, "measurement", measurement_json(d, &err), &err);
        if (clo_shown_is_tdx(&d->shown))
            put(o, "tdx_image",
                pinned_json(d, "tdx", "images", clo_shown_image(&d->shown), d->new_image, &err),
                &err);
        if (d->shown.tpm.there)
            put(o, "pcrs",
                pinned_json(d, "tpm", "pcrs", clo_shown_pcrs(&d->shown, wanted_pcrs(d)),
                            d->new_pcrs, &err),
                &err);
        if (d->shown.devices > 0)
            put(o, "devices", devices_json(d, &err), &err);
        put(o, "manifest", manifest_json(d, &err), &err);
    }
    put(o, "wrong", wrong_json(d, &err), &err);
    if (d->why[0] != '\0')
        put(o, "why", json_string(d->why), &err);
    if (err == 0 && (err = clo_json_write(o, &b)) == 0)
        printf("%.*s\n", (int)b.len, (const char *)b.p);
    clo_buf_clear(&b);
    json_decref(o);
    return err;
}

/* ---- accepting ---- */

static bool agreed(const struct diff *d)
{
    /* A terminal hands over whole lines. A signal between the question and a read that waits would not end that. */
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = clo_stop_fd(), .events = POLLIN}};
    char line[8] = {0};

    if (d->o->yes)
        return true;
    (void)tcflush(STDIN_FILENO, TCIFLUSH); /* typed before there was a question: no answer */
    fputs("Let the policy admit this from now on? [y/N] ", stderr);
    if (fflush(stdout) == 0) {
        while (poll(fds, CLO_ARRAY_LEN(fds), -1) < 0 && errno == EINTR && clo_stop_signal() == 0)
            ;
        if (clo_stop_signal() == 0 && fgets(line, sizeof(line), stdin) != NULL &&
            (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0))
            return true;
    }
    clo_say_note("the policy stays as it is");
    return false;
}

/* Was the file left alone since it was read? What somebody else wrote meanwhile is not to be lost. */
static int check_unchanged(const struct diff *d)
{
    struct clo_buf again = clo_buf_init(CLO_POLICY_MAX);
    int err = clo_file_read(d->o->policy, &again);

    if (err == 0 && (again.len != d->text.len || memcmp(again.p, d->text.p, again.len) != 0)) {
        clo_say_problem("%s was changed meanwhile and is left as it is: try again", d->o->policy);
        err = CLOISTER_E_STATE;
    } else if (err != 0) {
        clo_say_file(d->o->policy, "read", err);
    }
    clo_buf_clear(&again);
    return err;
}

static int accept(struct diff *d)
{
    int err;

    if (!acceptable(d)) {
        clo_say_problem("this can't be accepted, and the policy stays as it is");
        return d->verdict.outcome == CLOISTER_VERIFIED ? CLO_EXIT_REFUSED
                                                       : cloister_verdict_exit(&d->verdict);
    }
    if (d->wanted.len == 0)
        return CLO_EXIT_OK;
    if (!agreed(d))
        return cloister_verdict_exit(&d->verdict);
    if (check_unchanged(d) != 0)
        return CLO_EXIT_ERROR;
    /* Exactly the bytes that were judged. */
    if ((err = clo_file_replace(d->o->policy, d->wanted.p, d->wanted.len)) != 0) {
        if (err == CLOISTER_E_ARGUMENT)
            clo_say_problem("%s is not a regular file: nothing was written", d->o->policy);
        else
            clo_say_file(d->o->policy, "written", err);
        return CLO_EXIT_ERROR;
    }
    d->accepted = true;
    clo_say_note("accepted: %s admits this from now on", d->o->policy);
    return CLO_EXIT_OK;
}

/* ---- the command ---- */

static int check_options(const struct clo_options *o)
{
    const char *wrong = NULL;

    if ((o->replace || o->yes) && !o->accept)
        wrong = "--replace and --yes go with --accept";
    else if ((o->evidence == NULL) != (o->nonce == NULL))
        wrong = "--evidence and --nonce go together: evidence without its nonce may be old";
    else if (o->accept && o->policy != NULL && strcmp(o->policy, "-") == 0)
        wrong = "--accept writes to the policy's file: name it with --policy FILE";
    else if (o->accept && !o->yes && o->json)
        wrong = "--accept with --json asks nobody: it needs --yes";
    else if (o->accept && !o->yes &&
             (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1 ||
              isatty(STDERR_FILENO) != 1))
        wrong =
            "--accept shows the difference and asks first, and there is no terminal: it needs --yes";
    if (wrong != NULL)
        clo_say_problem("%s", wrong);
    return wrong == NULL ? 0 : CLOISTER_E_ARGUMENT;
}

static int run(struct diff *d)
{
    bool has_nonce = false;
    int code = CLO_EXIT_ERROR, err;

    if (check_options(d->o) != 0 ||
        clo_common_policy_text(d->o->policy, &d->text, &d->policy, &code) != 0 ||
        clo_common_evidence(d->o, &d->evidence, &d->nonce, &has_nonce, &code) != 0)
        return code;
    d->now = clo_clock_now();
    if (d->o->evidence != NULL)
        d->nonce.sent_at = d->now;
    if ((err = compare(d)) != 0) {
        clo_say_problem("the evidence could not be compared: %s", cloister_strerror(err));
        return CLO_EXIT_ERROR;
    }
    if (!d->o->json)
        print_text(d);
    code = d->o->accept ? accept(d) : cloister_verdict_exit(&d->verdict);
    if (d->o->json && (err = print_json(d)) != 0) {
        clo_say_file("the difference", "written", err);
        code = CLO_EXIT_ERROR;
    }
    return code;
}

int clo_policy_diff(const struct clo_options *o)
{
    struct diff *d = calloc(1, sizeof(*d));
    int code = CLO_EXIT_ERROR;

    if (d == NULL) {
        clo_say_problem("not enough memory");
        return code;
    }
    d->o = o;
    d->text = clo_buf_init(CLO_POLICY_MAX);
    d->wanted = clo_buf_init(CLO_POLICY_MAX);
    code = run(d);
    if (d->readable)
        clo_shown_clear(&d->shown);
    clo_buf_clear(&d->wanted);
    json_decref(d->doc);
    cloister_evidence_free(d->evidence);
    cloister_policy_free(d->policy);
    clo_buf_clear(&d->text);
    free(d);
    return code;
}
