/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/lab.h"

void lab_cases_quote(struct lab *l)
{
    (void)l;
}
