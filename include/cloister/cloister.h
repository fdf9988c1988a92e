/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything of libcloister.
 *
 * What a program may rely on while the library's soname stays: functions and constants stay and mean the same; new functions, enum values and check
 * ids may come; structs keep their size and grow only into `reserved`. Anything else changes the soname.
 *
 * Set every struct to zero before filling it (by an initialiser that names members, or = {0}), so that `reserved` is zero. The library
 * answers CLOISTER_E_UNSUPPORTED to anything else: a program that asks an older library for what it doesn't know is not half obeyed.
 */
#ifndef CLOISTER_H
#define CLOISTER_H

#include <cloister/channel.h>
#include <cloister/client.h>
#include <cloister/error.h>
#include <cloister/verify.h>

#endif
