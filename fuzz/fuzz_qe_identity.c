/* SPDX-License-Identifier: Apache-2.0 */
/* Intel's QE identity: what is accepted is read as another JSON parser reads it. */
#include "intel_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct clo_qe_identity q;
    const json_t *levels;
    json_t *inner;

    if (clo_qe_identity_parse(data, size, &q) != 0)
        return 0;
    for (size_t k = 0; k < q.levels; k++) {
        check_advisories(q.level[k].advisories);
        check_status(q.level[k].status);
    }
    if ((inner = same_json(data, size, "enclaveIdentity", &q.from)) == NULL)
        return 0;
    same_number(inner, "version", 2);
    same_number(inner, "tcbEvaluationDataNumber", q.from.number);
    same_number(inner, "isvprodid", q.product_id);
    levels = json_object_get(inner, "tcbLevels");
    FUZZ_CHECK(json_array_size(levels) == q.levels);
    for (size_t k = 0; k < q.levels; k++)
        same_number(json_object_get(json_array_get(levels, k), "tcb"), "isvsvn", q.level[k].svn);
    json_decref(inner);
    return 0;
}
