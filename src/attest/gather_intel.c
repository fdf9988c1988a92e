/* SPDX-License-Identifier: Apache-2.0 */
/* What an Intel quote needs beside itself: what Intel says of its platform and quoting enclave, and two lists. */
#include <string.h>

#include "attest/gather_in.h"

int clo_intel_wants(const struct clo_cpu_section *cpu, struct clo_wants *l)
{
    (void)cpu;
    (void)l;
    return CLOISTER_E_UNSUPPORTED;
}

int clo_intel_take(const struct clo_answer *a, struct clo_entry *e)
{
    (void)a;
    (void)e;
    return CLOISTER_E_UNSUPPORTED;
}

int clo_intel_prepare(struct clo_gathered *g, int64_t now, struct clo_cpu_section *cpu)
{
    (void)g;
    (void)now;
    (void)cpu;
    return 0;
}
