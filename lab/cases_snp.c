/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/lab.h"

void lab_cases_snp(struct lab *l)
{
    (void)l;
}
