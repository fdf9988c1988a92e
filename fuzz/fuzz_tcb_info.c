/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's TCB info: what is accepted is read as another JSON parser reads it, and any platform is judged by it the same way twice, and
 * never well without a level that fits.
 */
#include "attest/quote_tcb.h"
#include "intel_text.h"

static void check_levels(const json_t *inner, const struct clo_tcb_info *i)
{
    const json_t *levels = json_object_get(inner, "tcbLevels");

    FUZZ_CHECK(json_array_size(levels) == i->levels);
    for (size_t k = 0; k < i->levels; k++) {
        const json_t *tcb = json_object_get(json_array_get(levels, k), "tcb");
        const json_t *sgx = json_object_get(tcb, "sgxtcbcomponents");

        FUZZ_CHECK(json_array_size(sgx) == 16);
        for (size_t c = 0; c < 16; c++)
            same_number(json_array_get(sgx, c), "svn", i->level[k].sgx[c]);
        same_number(tcb, "pcesvn", i->level[k].pcesvn);
    }
}

/* The same platform, its SVNs taken from the text, so that levels are met. */
static void check_judged(const struct clo_tcb_info *i, const uint8_t *data, size_t size)
{
    struct clo_quote q = {.header = {.body = i->tdx ? CLO_QUOTE_BODY_TD15 : CLO_QUOTE_BODY_SGX}};
    struct clo_pck pck = {.pcesvn = (uint16_t)(size > 1 ? data[1] << 8 : 0)};
    const struct clo_qe_identity qe = {.levels = 1, .level = {{.status = CLO_TCB_UP_TO_DATE}}};
    struct clo_tcb_judged a = {0}, b = {0};

    for (size_t k = 0; k < 16 && k < size; k++) {
        pck.component[k] = data[size - 1 - k];
        q.td.tee_tcb_svn[k] = data[size / 2 + k / 2];
        q.td.tee_tcb_svn2[k] = data[k];
    }
    if (i->levels > 0 && size % 2 == 0) {
        const struct clo_tcb_level *last = &i->level[i->levels - 1];

        memcpy(pck.component, last->sgx, 16);
        memcpy(q.td.tee_tcb_svn, last->tdx, 16);
        pck.pcesvn = last->pcesvn;
    }
    clo_tcb_judge(&q, &pck, i, &qe, &a);
    clo_tcb_judge(&q, &pck, i, &qe, &b);
    FUZZ_CHECK(a.status == b.status && a.qe_status == b.qe_status &&
               a.module_status == b.module_status && a.started.level == b.started.level &&
               a.running.level == b.running.level);
    check_status(a.status);
    FUZZ_CHECK(a.started.level != NULL || a.status == 0);
    FUZZ_CHECK(!i->tdx || a.running.level != NULL || a.status == 0);
    FUZZ_CHECK(a.status == 0 || a.status >= a.started.status);
    FUZZ_CHECK(!i->tdx || a.module_status != 0 || a.status == 0);
    clo_tcb_judge(&q, &pck, i, NULL, &a);
    FUZZ_CHECK(a.status == 0); /* nor without a quoting enclave's */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct clo_tcb_info i;
    json_t *inner;

    if (clo_tcb_info_parse(data, size, &i) != 0)
        return 0;
    for (size_t k = 0; k < i.levels; k++) {
        check_advisories(i.level[k].advisories);
        check_status(i.level[k].status);
    }
    for (size_t k = 0; k < i.identities; k++)
        for (size_t l = 0; l < i.identity[k].levels; l++)
            check_advisories(i.identity[k].level[l].advisories);
    check_judged(&i, data, size);
    if ((inner = same_json(data, size, "tcbInfo", &i.from)) != NULL) {
        same_number(inner, "version", 3);
        same_number(inner, "tcbEvaluationDataNumber", i.from.number);
        check_levels(inner, &i);
        json_decref(inner);
    }
    return 0;
}
