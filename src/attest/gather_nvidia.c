/* SPDX-License-Identifier: Apache-2.0 */
/* What NVIDIA's devices need beside their reports: an answer about every authority above a device's key. */
#include "attest/gather_in.h"

int clo_nvidia_wants(const struct clo_devices *devices, struct clo_wants *l)
{
    (void)l;
    return devices->count == 0 ? 0 : CLOISTER_E_UNSUPPORTED;
}

int clo_nvidia_take(const struct clo_answer *a, struct clo_entry *e)
{
    (void)a;
    (void)e;
    return CLOISTER_E_UNSUPPORTED;
}
