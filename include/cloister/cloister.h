/* SPDX-License-Identifier: Apache-2.0 */
/* Everything of libcloister. */
#ifndef CLOISTER_H
#define CLOISTER_H

#include <cloister/channel.h>
#include <cloister/error.h>
#include <cloister/verify.h>

#endif
