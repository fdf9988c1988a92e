/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy's member "devices" (docs/POLICY.md): how many GPUs and switches, of which kinds, and the reference values that they are
 * held against, as `cloister-rim import` writes them.
 *
 * Limits: CLO_REFERENCES_MAX sets of reference values, of CLO_REFERENCE_INDEXES indexes with CLO_REFERENCE_VALUES alternatives
 * each. Fuzzed by fuzz/fuzz_policy.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/policy_read.h"
#include "attest/sections.h"
#include "base/enc.h"

static const struct clo_word arch_words[] = {
    {"hopper", CLO_GPU_HOPPER},
    {"blackwell", CLO_GPU_BLACKWELL},
    {"ls10", CLO_GPU_LS10}, /* the last: a switch is no GPU */
};
#define GPU_ARCHS (CLO_ARRAY_LEN(arch_words) - 1)
static const struct clo_word mode_words[] = {
    {"single", 1u << CLO_GPU_SINGLE},
    {"multi", 1u << CLO_GPU_MULTI},
    {"protected-pcie", 1u << CLO_GPU_PROTECTED_PCIE},
};
static const struct clo_word kind_words[] = {
    {"driver", CLO_REFERENCE_DRIVER},
    {"vbios", CLO_REFERENCE_VBIOS},
};

/* ---- versions ---- */

/* "550.90.07": two to six decimal numbers of at most six digits. */
static bool driver_ok(const char *s)
{
    size_t parts = 1;

    for (;; parts++) {
        const size_t n = strspn(s, "0123456789");

        if (n < 1 || n > 6)
            return false;
        s += n;
        if (*s == '\0')
            return parts >= 2 && parts <= 6;
        if (*s++ != '.')
            return false;
    }
}

/* "96.00.74.00.1C": five pairs of hexadecimal digits in upper case, as a report's are printed. */
static bool vbios_ok(const char *s)
{
    for (size_t i = 0; i < 14; i++)
        if (i % 3 == 2 ? s[i] != '.' : s[i] == '\0' || strchr("0123456789ABCDEF", s[i]) == NULL)
            return false;
    return s[14] == '\0';
}

static const char *version_wanted(bool driver, bool need)
{
    if (driver)
        return need ? "must be there, like \"550.90.07\"" : "must be like \"550.90.07\"";
    return need ? "must be there, like \"96.00.74.00.1C\"" : "must be like \"96.00.74.00.1C\"";
}

static void version_read(struct clo_place *p, const char *name, bool driver, bool need,
                         char ret[64])
{
    const char *s = need ? clo_json_obj_str(&p->o, name, 63)
                         : clo_json_obj_opt_str(&p->o, name, 63);

    if (!clo_place_good(p, name, version_wanted(driver, need)) || s == NULL)
        return;
    if (driver ? !driver_ok(s) : !vbios_ok(s))
        clo_place_fault(p, name, version_wanted(driver, need), CLOISTER_E_MALFORMED);
    else
        memcpy(ret, s, strlen(s) + 1);
}

/* ---- reference values ---- */

static void index_read(struct clo_place *parent, const json_t *v, size_t i,
                       struct clo_reference *ref)
{
    struct clo_policy_list values = {0};
    char path[CLO_PLACE_PATH];
    struct clo_place p;
    int64_t index;

    (void)snprintf(path, sizeof path, "%smeasurements[%zu].", parent->path, i);
    p = clo_place_enter(v, path, parent);
    index = clo_json_obj_int(&p.o, "index", 0, CLO_REFERENCE_INDEXES - 1);
    if (clo_place_good(&p, "index", "must be there, a number from 0 to 63") &&
        (ref->active >> index & 1) != 0)
        clo_place_fault(&p, "index", "has stood in an earlier measurement", CLOISTER_E_DUPLICATE);
    if (clo_place_array(&p, "values", true, CLO_REFERENCE_VALUES) != NULL)
        clo_place_hex_list(&p, "values", 48, &values);
    if (p.o.err == 0 && values.count == 0)
        clo_place_fault(&p, "values", "must not be empty", CLOISTER_E_MALFORMED);
    if (clo_place_leave(&p, parent) == 0 && values.item != NULL) {
        ref->active |= (uint64_t)1 << index;
        ref->index[index].count = (uint8_t)values.count;
        memcpy(ref->index[index].value, values.item, values.count * values.width);
    }
    free(values.item);
}

static void indexes_read(struct clo_place *p, struct clo_reference *ref)
{
    const json_t *a = clo_place_array(p, "measurements", true, CLO_REFERENCE_INDEXES);

    for (size_t i = 0; i < json_array_size(a) && p->o.err == 0; i++)
        index_read(p, json_array_get(a, i), i, ref);
    if (p->o.err == 0 && ref->active == 0)
        clo_place_fault(p, "measurements", "must not be empty: anything would match",
                        CLOISTER_E_MALFORMED);
}

/* Part of a board's name: digits and capitals. */
static void board_read(struct clo_place *p, const char *name, const struct clo_reference *ref,
                       char ret[16])
{
    if (!clo_place_text(p, name, false, ret, 16))
        return;
    if (*ret == '\0' || strspn(ret, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(ret))
        clo_place_fault(p, name, "must be digits and capital letters", CLOISTER_E_MALFORMED);
    else if (ref->kind == CLO_REFERENCE_DRIVER)
        clo_place_fault(p, name, "belongs to a VBIOS: drivers have no board", CLOISTER_E_MALFORMED);
}

/* Would both be the reference for one device? Which of them is meant is for a person to say. */
static bool same_device(const struct clo_reference *a, const struct clo_reference *b)
{
    return a->kind == b->kind && a->arch == b->arch && strcmp(a->version, b->version) == 0 &&
           strcmp(a->project, b->project) == 0 && strcmp(a->project_sku, b->project_sku) == 0 &&
           strcmp(a->chip_sku, b->chip_sku) == 0;
}

static void reference_read(struct clo_place *parent, const json_t *v, size_t i,
                           struct clo_policy_devices *d)
{
    struct clo_reference *ref = &d->reference[d->references];
    char path[CLO_PLACE_PATH];
    struct clo_place p;

    (void)snprintf(path, sizeof path, "devices.reference_values[%zu].", i);
    p = clo_place_enter(v, path, parent);
    ref->kind = (enum clo_reference_kind)clo_place_word(&p, "kind", true, kind_words,
                                                        CLO_ARRAY_LEN(kind_words), 0);
    ref->arch = (enum clo_gpu_arch)clo_place_word(&p, "arch", true, arch_words,
                                                  CLO_ARRAY_LEN(arch_words), 0);
    if (ref->kind == CLO_REFERENCE_DRIVER && ref->arch == CLO_GPU_LS10)
        clo_place_fault(&p, "kind", "can't be \"driver\" for a switch", CLOISTER_E_MALFORMED);
    (void)clo_place_text(&p, "id", true, ref->id, sizeof ref->id);
    version_read(&p, "version", ref->kind == CLO_REFERENCE_DRIVER, true, ref->version);
    board_read(&p, "project", ref, ref->project);
    board_read(&p, "project_sku", ref, ref->project_sku);
    board_read(&p, "chip_sku", ref, ref->chip_sku);
    clo_place_hex(&p, "rim_sha256", ref->rim_sha256, sizeof ref->rim_sha256);
    indexes_read(&p, ref);
    for (size_t k = 0; p.o.err == 0 && k < d->references; k++) {
        if (same_device(&d->reference[k], ref)) {
            char what[96];

            (void)snprintf(what, sizeof what,
                           "is for the same version and board as reference_values[%zu]: keep one",
                           k);
            clo_place_fault(&p, "version", what, CLOISTER_E_DUPLICATE);
        }
    }
    if (clo_place_leave(&p, parent) == 0)
        d->references++;
}

static void references_read(struct clo_place *p, struct clo_policy_devices *d)
{
    const json_t *a = clo_place_array(p, "reference_values", false, CLO_REFERENCES_MAX);
    const size_t n = json_array_size(a);

    if (n == 0)
        return;
    if ((d->reference = calloc(n, sizeof *d->reference)) == NULL) {
        clo_place_fault(p, "reference_values", "not enough memory", CLOISTER_E_MEMORY);
        return;
    }
    for (size_t i = 0; i < n && p->o.err == 0; i++)
        reference_read(p, json_array_get(a, i), i, d);
}

/* ---- the member ---- */

static uint32_t count_read(struct clo_place *p, const char *name, bool need, uint32_t absent)
{
    const int64_t v = need ? clo_json_obj_int(&p->o, name, 0, CLO_DEVICES_MAX)
                           : clo_json_obj_opt_int(&p->o, name, 0, CLO_DEVICES_MAX, absent);

    (void)clo_place_good(
        p, name, need ? "must be there, a number from 0 to 32" : "must be a number from 0 to 32");
    return (uint32_t)v;
}

static void counts_read(struct clo_place *p, struct clo_policy_devices *d)
{
    d->min = count_read(p, "min", true, 0);
    d->max = count_read(p, "max", false, d->min);
    d->switches = count_read(p, "switches", false, 0);
    if (d->max < d->min)
        clo_place_fault(p, "max", "must be at least \"min\"", CLOISTER_E_MALFORMED);
    if (d->max + d->switches > CLO_DEVICES_MAX)
        clo_place_fault(p, "switches", "and \"max\" must be 32 together at most",
                        CLOISTER_E_MALFORMED);
}

static void min_vbios_read(struct clo_place *parent, struct clo_policy_devices *d)
{
    const json_t *v = clo_place_object(parent, "min_vbios", false);
    struct clo_place p;

    if (v == NULL)
        return;
    p = clo_place_enter(v, "devices.min_vbios.", parent);
    for (size_t i = 0; i < CLO_ARRAY_LEN(arch_words); i++)
        version_read(&p, arch_words[i].name, false, false, d->min_vbios[arch_words[i].value]);
    (void)clo_place_leave(&p, parent);
}

void clo_policy_read_devices(struct clo_place *parent, const json_t *v,
                             struct clo_policy_devices *ret)
{
    struct clo_place p = clo_place_enter(v, "devices.", parent);
    uint64_t arch[CLO_WORDS_MAX] = {0};
    size_t archs = 0;

    counts_read(&p, ret);
    (void)clo_place_words(&p, "architectures", arch_words, GPU_ARCHS, arch, &archs);
    for (size_t i = 0; i < archs; i++)
        ret->arch[arch[i]] = true;
    ret->arch[CLO_GPU_LS10] = ret->switches > 0;
    if (ret->max > 0 && archs == 0)
        clo_place_fault(&p, "architectures", "must name one at least if GPUs are admitted",
                        CLOISTER_E_MALFORMED);
    ret->modes = (unsigned)clo_place_bits(&p, "modes", mode_words, CLO_ARRAY_LEN(mode_words),
                                          ret->modes);
    version_read(&p, "min_driver", true, ret->max > 0, ret->min_driver);
    min_vbios_read(&p, ret);
    references_read(&p, ret);
    (void)clo_place_leave(&p, parent);
}
