/* SPDX-License-Identifier: Apache-2.0 */
/* What every file of Cloister includes: fixed-width types, errors, attributes. */
#ifndef CLO_BASE_H
#define CLO_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloister/error.h>

#define CLO_MUST_USE     CLOISTER_MUST_USE
#define CLO_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
