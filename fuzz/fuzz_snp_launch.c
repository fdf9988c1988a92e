/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firmware images, by their last pages: what is measured is measured alike each time, what isn't says why, and a kernel changes the
 * measurement of all firmware that takes one.
 */
#include <string.h>

#include "attest/snp_launch.h"
#include "fuzz.h"

enum {
    PAGE = 4096,
    PAGES = 2
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t firmware[PAGES * PAGE];
    struct clo_snp_launch in = {
        .firmware = firmware, .firmware_n = sizeof firmware, .vcpus = 2, .guest_features = 1};
    enum clo_snp_launch_problem problem = CLO_LAUNCH_OK;
    uint8_t digest[2][48] = {{0}};
    int err[2];

    /* The end of an image is what is parsed: a short input stands there. */
    memset(firmware, 0, sizeof firmware);
    if (size > sizeof firmware) {
        in.firmware = data;
        in.firmware_n = size;
    } else if (size > 0) {
        memcpy(firmware + sizeof firmware - size, data, size);
    }
    for (unsigned i = 0; i < 2; i++) {
        in.kernel = i == 1;
        memset(digest[i], 0xee, sizeof digest[i]);
        err[i] = clo_snp_launch_measure(&in, digest[i], &problem);
        FUZZ_CHECK((err[i] == 0) == (problem == CLO_LAUNCH_OK));
        FUZZ_CHECK(err[i] == 0 || digest[i][0] == 0xee);
    }
    FUZZ_CHECK(err[1] != 0 || err[0] == 0);
    FUZZ_CHECK(err[1] != 0 || memcmp(digest[0], digest[1], sizeof digest[0]) != 0);
    return 0;
}
