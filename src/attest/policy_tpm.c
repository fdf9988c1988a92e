/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy's members "azure" and "tpm" (docs/POLICY.md).
 *
 * Limits: CLO_POLICY_PCRS_MAX alternatives, lists as in policy_read.c. Fuzzed by fuzz/fuzz_policy.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/policy_read.h"
#include "base/enc.h"

void clo_policy_read_azure(struct clo_place *parent, const json_t *v, struct clo_policy_azure *ret)
{
    struct clo_place p = clo_place_enter(v, "azure.", parent);

    ret->allow_console = clo_place_flag(&p, "allow_console");
    ret->allow_no_secure_boot = clo_place_flag(&p, "allow_no_secure_boot");
    clo_place_texts(&p, "vm_ids", &ret->vm_ids);
    (void)clo_place_leave(&p, parent);
}

/* ---- tpm ---- */

static void selection_read(struct clo_place *p, struct clo_policy_tpm *tpm)
{
    const json_t *a = clo_place_array(p, "selection", false, CLO_POLICY_PCRS);
    uint32_t bits = 0;

    if (a == NULL)
        return;
    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *v = json_array_get(a, i);
        const json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;

        if (n < 0 || n >= CLO_POLICY_PCRS) {
            clo_place_fault(p, "selection", "has a value that isn't a PCR's number from 0 to 23",
                            CLOISTER_E_MALFORMED);
            return;
        }
        if ((bits >> n & 1) != 0) {
            clo_place_fault(p, "selection", "has a value twice", CLOISTER_E_DUPLICATE);
            return;
        }
        bits |= (uint32_t)1 << n;
    }
    if (bits == 0)
        clo_place_fault(p, "selection", "must not be empty", CLOISTER_E_MALFORMED);
    tpm->selection = bits;
}

/* "0" to "23", as a number is written; else -1. */
static int pcr_number(const char *s)
{
    for (int i = 0; i < CLO_POLICY_PCRS; i++) {
        char name[4];

        (void)snprintf(name, sizeof name, "%d", i);
        if (strcmp(s, name) == 0)
            return i;
    }
    return -1;
}

static void pcrs_of(struct clo_place *p, const struct clo_policy_tpm *tpm,
                    struct clo_policy_pcrs *ret)
{
    const size_t len = tpm->bank == CLO_POLICY_BANK_SHA384 ? 48 : 32;
    const char *key = NULL;
    json_t *v = NULL;

    json_object_foreach((json_t *)(uintptr_t)p->o.v, key, v) {
        const int i = pcr_number(key);

        if (p->o.err != 0)
            return;
        if (i < 0) /* which leaving tells */
            continue;
        if ((tpm->selection >> i & 1) == 0) {
            clo_place_fault(p, key, "is pinned, but isn't in the selection", CLOISTER_E_MALFORMED);
            return;
        }
        clo_place_hex(p, key, ret->value[i], len);
        ret->pinned |= (uint32_t)1 << i;
    }
}

static void alternative_read(struct clo_place *parent, const json_t *v, size_t i,
                             struct clo_policy_tpm *tpm)
{
    struct clo_policy_pcrs *pcrs = &tpm->pcrs[tpm->pcrs_n];
    char path[CLO_PLACE_PATH];
    struct clo_place p;

    (void)snprintf(path, sizeof path, "tpm.pcrs[%zu].", i);
    p = clo_place_enter(v, path, parent);
    pcrs_of(&p, tpm, pcrs);
    if (clo_place_leave(&p, parent) != 0)
        return;
    if (pcrs->pinned == 0)
        clo_place_fault(parent, "pcrs", "has an alternative that pins nothing: any would match",
                        CLOISTER_E_MALFORMED);
    for (size_t k = 0; k < tpm->pcrs_n; k++)
        if (memcmp(&tpm->pcrs[k], pcrs, sizeof *pcrs) == 0)
            clo_place_fault(parent, "pcrs", "has a value twice", CLOISTER_E_DUPLICATE);
    if (parent->o.err == 0)
        tpm->pcrs_n++;
}

static void alternatives_read(struct clo_place *p, struct clo_policy_tpm *tpm)
{
    const json_t *a = clo_place_array(p, "pcrs", true, CLO_POLICY_PCRS_MAX);
    const size_t n = json_array_size(a);

    if (n == 0)
        return;
    if ((tpm->pcrs = calloc(n, sizeof *tpm->pcrs)) == NULL) {
        clo_place_fault(p, "pcrs", "not enough memory", CLOISTER_E_MEMORY);
        return;
    }
    for (size_t i = 0; i < n && p->o.err == 0; i++)
        alternative_read(p, json_array_get(a, i), i, tpm);
}

void clo_policy_read_tpm(struct clo_place *parent, const json_t *v, struct clo_policy_tpm *ret)
{
    static const struct clo_word banks[] = {{"sha256", CLO_POLICY_BANK_SHA256},
                                            {"sha384", CLO_POLICY_BANK_SHA384}};
    struct clo_place p = clo_place_enter(v, "tpm.", parent);

    ret->given = true;
    ret->bank = (uint16_t)clo_place_word(&p, "bank", false, banks, CLO_ARRAY_LEN(banks), ret->bank);
    selection_read(&p, ret);
    alternatives_read(&p, ret);
    clo_place_hex_list(&p, "keys", 32, &ret->keys);
    ret->require_event_log = clo_place_event_log(&p);
    (void)clo_place_leave(&p, parent);
}
