/* SPDX-License-Identifier: Apache-2.0 */
/* What holds of either of Intel's documents. For fuzz_tcb_info.c and fuzz_qe_identity.c. */
#ifndef CLO_FUZZ_INTEL_TEXT_H
#define CLO_FUZZ_INTEL_TEXT_H

#include <string.h>
#include <jansson.h>

#include "attest/collateral_intel.h"
#include "fuzz.h"

/*
 * What is accepted is JSON to another parser as well, without a name twice, and the object that is signed is the one named. NULL where the other one can't
 * say: it refuses some escapes, and numbers out of its range.
 */
static inline json_t *same_json(const uint8_t *data, size_t size, const char *name,
                                const struct clo_intel_signed *from)
{
    json_error_t error;
    json_t *whole = NULL, *inner = NULL;

    FUZZ_CHECK(from->p >= data && from->n <= size && (size_t)(from->p - data) <= size - from->n);
    FUZZ_CHECK(from->p[0] == '{' && from->p[from->n - 1] == '}');
    if (memchr(data, '\\', size) != NULL)
        return NULL;
    whole = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
                       &error);
    FUZZ_CHECK(whole != NULL || json_error_code(&error) == json_error_numeric_overflow);
    if (whole == NULL)
        return NULL;
    inner = json_loadb((const char *)from->p, from->n,
                       JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    FUZZ_CHECK(inner != NULL && json_equal(inner, json_object_get(whole, name)));
    json_decref(whole);
    return inner;
}

static inline void same_number(const json_t *o, const char *name, uint64_t v)
{
    FUZZ_CHECK(json_real_value(json_object_get(o, name)) == (double)v);
}

static inline void check_advisories(struct clo_scan_text array)
{
    struct clo_scan s = clo_scan_init(array.p, array.n);
    struct clo_scan_text t = {0};
    size_t count = SIZE_MAX;

    while (clo_advisory_next(&s, &count, &t))
        FUZZ_CHECK(t.n <= CLO_ADVISORY_MAX && count <= CLO_ADVISORIES_MAX);
    FUZZ_CHECK(array.p == NULL || clo_scan_end(&s) == 0); /* it was checked before */
}

static inline void check_status(unsigned status)
{
    FUZZ_CHECK((status & (status - 1)) == 0 && status <= CLO_TCB_REVOKED);
}

#endif
