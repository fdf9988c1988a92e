/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measuring work that consists of verifying signatures. One line for each case:
 *
 *   whole      one call of what is measured, in microseconds of the processor
 *   floor      the same signatures alone, over digests that are there already, by keys that are decoded already, in the same run with the
 *              same libcrypto: they are caught on their way into EVP_PKEY_verify during one call, and played again
 *   ratio      of the two
 *   verified   how many signatures that were, and allocs, how many allocations one call made
 *
 * Whole and floor are the medians of rounds that alternate, so that a machine that slows down slows both.
 */
#ifndef CLO_BENCH_MEASURE_H
#define CLO_BENCH_MEASURE_H

#include <stdbool.h>

/*
 * The program's arguments: --json (JSON lines rather than a table), --rounds N, and a pattern for cmocka_set_test_filter. False, with the
 * usage printed: they are none.
 */
bool measure_init(int argc, char **argv);

/* `work` returns 0; anything else ends the program, as what is measured has to be whole. */
void measure(const char *name, int (*work)(void *), void *arg);

#endif
