/* SPDX-License-Identifier: Apache-2.0 */
/* An event log: a replay stays within what it was given, and says the same of both banks. */
#include <string.h>

#include "attest/tpm.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zero[48];
    static const enum clo_event_log_alg alg[] = {CLO_EVENT_SHA256, CLO_EVENT_SHA384};
    static struct clo_event_replay r[2];
    int err[2];

    for (size_t i = 0; i < 2; i++) {
        const size_t len = i == 0 ? 32 : 48;

        memset(&r[i], 0, sizeof r[i]);
        err[i] = clo_event_log_replay(data, size, alg[i], &r[i]);
        FUZZ_CHECK(err[i] == 0 || r[i].events == 0);
        FUZZ_CHECK(r[i].events <= 4096 && r[i].extended >> CLO_EVENT_REGISTERS == 0);
        FUZZ_CHECK((r[i].events == 0) == (r[i].extended == 0));
        for (size_t k = 0; k < CLO_EVENT_REGISTERS; k++) {
            /* Nothing but PCR 0's locality is there without an event. */
            if ((r[i].extended >> k & 1) == 0)
                FUZZ_CHECK(memcmp(r[i].value[k], zero, k == 0 ? len - 1 : len) == 0);
            FUZZ_CHECK(memcmp(r[i].value[k] + len, zero, 48 - len) == 0);
        }
    }
    if (err[0] == 0 && err[1] == 0)
        FUZZ_CHECK(r[0].events == r[1].events && r[0].extended == r[1].extended);
    return 0;
}
