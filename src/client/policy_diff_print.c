/* SPDX-License-Identifier: Apache-2.0 */
/* Saying what differs, to people and to programs. */
#include <stdio.h>
#include <string.h>

#include "client/policy_diff_in.h"
#include "client/say.h"
#include "codec/json.h"

#define JSON_MAX (1u << 21)

/* ---- for people ---- */

static void print_old(const char *text)
{
    printf("  %s- %s%s\n", clo_style(stdout, CLO_RED), text, clo_style(stdout, CLO_PLAIN));
}

static void print_new(const char *text)
{
    printf("  %s+ %s%s\n", clo_style(stdout, CLO_GREEN), text, clo_style(stdout, CLO_PLAIN));
}

static void print_measurement(const struct clo_diff *d)
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
static void print_image(const struct clo_diff *d)
{
    const struct clo_policy_td *near = clo_diff_nearest_image(d);

    for (size_t i = 0; i < CLO_DIFF_REGISTERS; i++) {
        if (near != NULL &&
            memcmp(clo_diff_register(near, i), clo_diff_shown_register(d, i), 48) == 0)
            continue;
        printf("%s of the TD that was started\n", clo_diff_register_name[i]);
        if (near != NULL)
            print_value(print_old, clo_diff_register(near, i), 48);
        print_value(print_new, clo_diff_shown_register(d, i), 48);
    }
}

static void print_pcrs(const struct clo_diff *d)
{
    const struct clo_policy_pcrs *near = clo_diff_nearest_pcrs(d);
    const struct clo_shown_tpm *t = &d->shown.tpm;
    const size_t len = t->bank == CLO_POLICY_BANK_SHA384 ? 48 : 32;
    const uint32_t wanted = clo_diff_wanted_pcrs(d);

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

static void print_device(const struct clo_diff *d, enum clo_reference_kind kind,
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
    print_new(clo_diff_version(kind, run));
    clo_gpu_rim_id(kind, run, id, sizeof(id));
    printf("  its reference values are in the RIM %s: `cloister-rim import` takes them out\n", id);
}

static void print_manifest(const struct clo_diff *d)
{
    struct clo_manifest_member new[CLO_MANIFEST_MEMBERS], old[CLO_MANIFEST_MEMBERS] = {{0}};
    const struct clo_pinned *near = clo_diff_nearest_manifest(d);
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

static void print_wrong(const struct clo_diff *d)
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
        if (c->id == CLOISTER_CHECK_MANIFEST_SHAPE)
            puts("      the policy's \"shape\" is yours: change it by hand, if less will do");
    }
}

static const char *conclusion(const struct clo_diff *d)
{
    if (d->verdict.outcome == CLOISTER_VERIFIED)
        return d->policy->manifests.given
                   ? "no difference: VERIFIED"
                   : "no difference: VERIFIED; the policy pins no manifest, so any is admitted (a proxy that runs keeps to "
                     "its first: start it anew)";
    if (!clo_diff_acceptable(d))
        return "NOT VERIFIED: nothing that this server shows is to be trusted";
    return d->o->accept ? "REFUSED so far, only for what differs: all else is verified"
                        : "REFUSED, only for what differs: all else is verified, and "
                          "`cloister policy diff --accept` lets the policy admit it";
}

/* What all other checks rest on. Anybody can start an image of their own on genuine hardware. */
static const char another_image[] =
    "WARNING: this is another image, and who made it decides what becomes of what you write. No check tells a good one from "
    "a bad one: accept it only if a source that you trust names this measurement";

void clo_diff_print_text(const struct clo_diff *d)
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
        clo_diff_each_without_reference(d, print_device, NULL);
    if (!clo_diff_acceptable(d))
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

static json_t *measurement_json(const struct clo_diff *d, int *err)
{
    json_t *o = json_object(), *list = json_object_get(d->doc, "measurements");

    put(o, "pinned", list != NULL ? json_incref(list) : json_array(), err);
    put(o, "shown", json_string(d->measurement), err);
    put(o, "differs", json_boolean(d->new_measurement), err);
    return o;
}

/* The member's list as it stands in the policy, beside what is shown. */
static json_t *pinned_json(const struct clo_diff *d, const char *member, const char *list,
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

static void add_device(const struct clo_diff *d, enum clo_reference_kind kind,
                       const struct clo_gpu_running *run, void *arg)
{
    struct wanting *w = arg;
    json_t *o = json_object();
    char id[128];

    (void)d;
    clo_gpu_rim_id(kind, run, id, sizeof(id));
    put(o, "kind", json_string(kind == CLO_REFERENCE_DRIVER ? "driver" : "vbios"), &w->err);
    put(o, "arch", json_string(clo_gpu_arch_name(run->arch)), &w->err);
    put(o, "version", json_string(clo_diff_version(kind, run)), &w->err);
    put(o, "rim", json_string(id), &w->err);
    append(w->list, o, &w->err);
}

static json_t *devices_json(const struct clo_diff *d, int *err)
{
    struct wanting w = {.list = json_array()};
    json_t *o = json_object();

    clo_diff_each_without_reference(d, add_device, &w);
    put(o, "shown", json_integer((json_int_t)d->shown.devices), err);
    put(o, "without_reference_values", w.list, err);
    if (w.err != 0)
        *err = w.err;
    return o;
}

static json_t *members_json(const struct clo_diff *d, const struct clo_pinned *near, int *err)
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

static json_t *manifest_json(const struct clo_diff *d, int *err)
{
    const struct clo_pinned *near = d->new_manifest ? clo_diff_nearest_manifest(d) : NULL;
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

static json_t *wrong_json(const struct clo_diff *d, int *err)
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

int clo_diff_json(const struct clo_diff *d, struct clo_buf *out)
{
    json_t *o = json_object();
    int err = 0;

    put(o, "v", json_integer(1), &err);
    put(o, "verified", json_boolean(d->verdict.outcome == CLOISTER_VERIFIED), &err);
    put(o, "acceptable", json_boolean(clo_diff_acceptable(d)), &err);
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
                pinned_json(d, "tpm", "pcrs", clo_shown_pcrs(&d->shown, clo_diff_wanted_pcrs(d)),
                            d->new_pcrs, &err),
                &err);
        if (d->shown.devices > 0)
            put(o, "devices", devices_json(d, &err), &err);
        put(o, "manifest", manifest_json(d, &err), &err);
    }
    put(o, "wrong", wrong_json(d, &err), &err);
    if (d->why[0] != '\0')
        put(o, "why", json_string(d->why), &err);
    if (err == 0)
        err = clo_json_write(o, out);
    json_decref(o);
    return err;
}
