/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/attester/given.h"

const struct clo_attester_limits clo_attester_limits = {
    .report_s = 30,
    .devices_s = 60,
    .answer_s = 10,
    .watch_ms = 5000,
    .again_ms = 5000,
};

const struct clo_cell_more *clo_attester_more(bool worker)
{
    (void)worker;
    return NULL;
}

const struct cloister_roots *clo_attester_roots(void)
{
    return cloister_roots_builtin();
}
