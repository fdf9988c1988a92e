/* SPDX-License-Identifier: Apache-2.0 */
/* Versions, and reference values: which of the policy's are meant for what runs, and whether the measurements equal them. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "attest/nvidia_in.h"

#define COMPONENTS_MAX 8
#define COMPONENT_MAX  1000000000u

/* 16 for what isn't a digit. */
static unsigned digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    return 16;
}

/* Dotted numbers; false if it isn't that. */
static bool components(const char *s, unsigned base, uint32_t ret[COMPONENTS_MAX])
{
    for (size_t i = 0; i < COMPONENTS_MAX; i++) {
        size_t n = 0;
        uint32_t v = 0;

        for (; *s != '\0' && *s != '.'; s++, n++) {
            if (digit(*s) >= base || v >= COMPONENT_MAX / base)
                return false;
            v = v * base + digit(*s);
        }
        if (n == 0)
            return false;
        ret[i] = v;
        if (*s++ == '\0')
            return true;
    }
    return false;
}

bool clo_gpu_version_at_least(const char *version, const char *floor, unsigned base, bool *ret)
{
    uint32_t v[COMPONENTS_MAX] = {0}, f[COMPONENTS_MAX] = {0};
    size_t i = 0;

    if (!components(version, base, v) || !components(floor, base, f))
        return false;
    while (i < COMPONENTS_MAX && v[i] == f[i])
        i++;
    *ret = i == COMPONENTS_MAX || v[i] > f[i];
    return true;
}

/* A part of a board's name: what either side leaves out can't differ. */
static bool board_part(const char *reference, const char *running)
{
    return reference[0] == '\0' || running[0] == '\0' || strcasecmp(reference, running) == 0;
}

static bool fits(const struct clo_reference *ref, enum clo_reference_kind kind,
                 const struct clo_gpu_running *run)
{
    const char *version = kind == CLO_REFERENCE_DRIVER ? run->driver : run->vbios;

    if (ref->kind != kind || ref->arch != run->arch || version[0] == '\0' ||
        strcasecmp(ref->version, version) != 0)
        return false;
    return kind == CLO_REFERENCE_DRIVER || (board_part(ref->project, run->project) &&
                                            board_part(ref->project_sku, run->project_sku) &&
                                            board_part(ref->chip_sku, run->chip_sku));
}

/* How much of the board the reference names that the report names, too. */
static unsigned named(const struct clo_reference *ref, const struct clo_gpu_running *run)
{
    return (unsigned)(ref->project[0] != '\0' && run->project[0] != '\0') +
           (unsigned)(ref->project_sku[0] != '\0' && run->project_sku[0] != '\0') +
           (unsigned)(ref->chip_sku[0] != '\0' && run->chip_sku[0] != '\0');
}

const struct clo_reference *clo_gpu_reference_find(const struct clo_policy_devices *policy,
                                                   enum clo_reference_kind kind,
                                                   const struct clo_gpu_running *run,
                                                   bool *ambiguous)
{
    const struct clo_reference *best = NULL;
    bool several = false;

    for (size_t i = 0; i < policy->references; i++) {
        const struct clo_reference *ref = &policy->reference[i];

        if (!fits(ref, kind, run))
            continue;
        if (best != NULL && named(ref, run) < named(best, run))
            continue;
        several = best != NULL && named(ref, run) == named(best, run);
        best = ref;
    }
    *ambiguous = several;
    return several ? NULL : best;
}

void clo_gpu_rim_id(enum clo_reference_kind kind, const struct clo_gpu_running *run, char *dst,
                    size_t cap)
{
    char vbios[CLO_SPDM_VBIOS_LEN] = "";
    size_t n = 0;

    for (const char *c = run->vbios; *c != '\0'; c++)
        if (*c != '.')
            vbios[n++] = *c;
    if (kind == CLO_REFERENCE_DRIVER)
        (void)snprintf(dst, cap, "NV_GPU_%sDRIVER_%s_%s",
                       run->arch == CLO_GPU_BLACKWELL ? "CC_" : "", run->chip, run->driver);
    else if (run->arch == CLO_GPU_LS10) /* there is one board, and reports don't name it */
        (void)snprintf(dst, cap, "NV_SWITCH_BIOS_5612_0002_890_%s", vbios);
    else
        (void)snprintf(dst, cap, "NV_GPU_VBIOS_%s_%s_%s_%s", run->project, run->project_sku,
                       run->chip_sku, vbios);
}

void clo_gpu_compare(const struct clo_reference *ref, const struct clo_spdm_report *r,
                     uint64_t skip, struct clo_gpu_comparison *ret)
{
    for (size_t i = 0; i < CLO_REFERENCE_INDEXES; i++) {
        const struct clo_spdm_block *b = i < r->blocks ? &r->block[i] : NULL;
        bool equal = false;

        if ((ref->active & ~skip & (uint64_t)1 << i) == 0)
            continue;
        for (size_t k = 0; k < ref->index[i].count && k < CLO_REFERENCE_VALUES; k++)
            equal = equal || (b != NULL && b->n == CLO_SPDM_DIGEST_LEN &&
                              memcmp(b->p, ref->index[i].value[k], CLO_SPDM_DIGEST_LEN) == 0);
        ret->compared++;
        if (equal)
            continue;
        if (ret->different++ == 0) {
            ret->first = i;
            ret->expected = ref->index[i].value[0];
            ret->actual = b != NULL && b->n == CLO_SPDM_DIGEST_LEN ? b->p : NULL;
        }
    }
}
