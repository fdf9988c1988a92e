/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fuzz harness is: one function, the same under libFuzzer (-Dfuzz=true) and under replay.c, which
 * feeds the committed corpus to it in every build. A harness aborts where a promise is broken; what it
 * was given need not make sense.
 */
#ifndef CLO_FUZZ_H
#define CLO_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

__attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise. */
#define FUZZ_CHECK(x) \
    do {              \
        if (!(x))     \
            abort();  \
    } while (0)

#endif
