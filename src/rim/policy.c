/* SPDX-License-Identifier: Apache-2.0 */
/* Reference values in policies: see policy.h. What stands in the policy already is read by the policy's own parser. */
#include "rim/policy.h"

#include <string.h>

#include "base/enc.h"
#include "codec/json.h"
#include "rim/rim.h"

const char *clo_rim_kind_word(enum clo_reference_kind k)
{
    return k == CLO_REFERENCE_DRIVER ? "driver" : "vbios";
}

const char *clo_rim_arch_word(enum clo_gpu_arch a)
{
    switch (a) {
    case CLO_GPU_HOPPER: return "hopper";
    case CLO_GPU_BLACKWELL: return "blackwell";
    case CLO_GPU_LS10: return "ls10";
    case CLO_GPU_UNKNOWN: break;
    }
    return "unknown";
}

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

json_t *clo_rim_measurements(const struct clo_reference *ref)
{
    json_t *list = json_array();
    int err = list != NULL ? 0 : CLOISTER_E_MEMORY;

    for (size_t i = 0; i < CLO_REFERENCE_INDEXES && err == 0; i++) {
        json_t *o = NULL, *values = NULL;

        if ((ref->active >> i & 1) == 0)
            continue;
        o = json_object();
        values = json_array();
        for (size_t k = 0; k < ref->index[i].count; k++) {
            char hex[97];

            clo_hex(ref->index[i].value[k], 48, hex);
            append(values, json_string(hex), &err);
        }
        put(o, "index", json_integer((json_int_t)i), &err);
        put(o, "values", values, &err);
        append(list, o, &err);
    }
    if (err != 0) {
        json_decref(list);
        list = NULL;
    }
    return list;
}

static int entry(const struct clo_reference *ref, json_t **ret)
{
    json_t *o = json_object();
    char hex[65];
    int err = 0;

    clo_hex(ref->rim_sha256, 32, hex);
    put(o, "kind", json_string(clo_rim_kind_word(ref->kind)), &err);
    put(o, "arch", json_string(clo_rim_arch_word(ref->arch)), &err);
    put(o, "id", json_string(ref->id), &err);
    put(o, "version", json_string(ref->version), &err);
    put(o, "rim_sha256", json_string(hex), &err);
    put(o, "measurements", clo_rim_measurements(ref), &err);
    if (err != 0)
        json_decref(o);
    else
        *ret = o;
    return err;
}

static bool same_device(const struct clo_reference *a, const struct clo_reference *b)
{
    return a->kind == b->kind && a->arch == b->arch && strcmp(a->version, b->version) == 0 &&
           strcmp(a->project, b->project) == 0 && strcmp(a->project_sku, b->project_sku) == 0 &&
           strcmp(a->chip_sku, b->chip_sku) == 0;
}

/* The policy as it stands now, in memory. */
static int as_read(const json_t *doc, struct cloister_policy **ret)
{
    struct clo_buf text = clo_buf_init(2 * CLO_POLICY_MAX);
    int err;

    if ((err = clo_json_write(doc, &text)) == 0)
        err = cloister_policy_parse(text.p, text.len, ret);
    clo_buf_clear(&text);
    return err;
}

static int put_entry(json_t *policy, const struct clo_reference *ref, size_t at)
{
    json_t *devices = json_object_get(policy, "devices");
    json_t *list = json_object_get(devices, "reference_values"), *o = NULL;
    int err;

    if (list == NULL) {
        if (json_object_set_new(devices, "reference_values", json_array()) != 0)
            return CLOISTER_E_MEMORY;
        list = json_object_get(devices, "reference_values");
    }
    if ((err = entry(ref, &o)) != 0)
        return err;
    if (at < json_array_size(list))
        return json_array_set_new(list, at, o) == 0 ? 0 : CLOISTER_E_MEMORY;
    return json_array_append_new(list, o) == 0 ? 0 : CLOISTER_E_MEMORY;
}

int clo_rim_policy_put(json_t *policy, const struct clo_reference *ref, bool replace,
                       enum clo_rim_put *ret, uint8_t old_rim[32])
{
    enum clo_rim_put did = CLO_RIM_ADDED;
    const struct clo_reference *old = NULL;
    struct cloister_policy *p = NULL;
    size_t at = 0;
    int err;

    if (!json_is_object(json_object_get(policy, "devices")))
        return CLOISTER_E_NOT_FOUND;
    if ((err = as_read(policy, &p)) != 0)
        return err;
    while (at < p->devices.references && !same_device(&p->devices.reference[at], ref))
        at++;
    if (at < p->devices.references) {
        old = &p->devices.reference[at];
        did = clo_rim_same_values(old, ref) ? CLO_RIM_SAME : CLO_RIM_REPLACED;
    } else if (at == CLO_REFERENCES_MAX) {
        err = CLOISTER_E_FULL;
    }
    if (did == CLO_RIM_REPLACED && !replace) {
        memcpy(old_rim, old->rim_sha256, 32);
        err = CLOISTER_E_DUPLICATE;
    }
    cloister_policy_free(p);
    if (err == 0 && did != CLO_RIM_SAME)
        err = put_entry(policy, ref, at);
    if (err == 0)
        *ret = did;
    return err;
}
