/* SPDX-License-Identifier: Apache-2.0 */
/* The laboratory's machines. */
#include "lab/machine.h"
