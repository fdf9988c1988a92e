/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the library share about channels. */
#ifndef CLO_LIB_CHANNEL_H
#define CLO_LIB_CHANNEL_H

#include <cloister/channel.h>

#include "base/base.h"

/* Let it carry no further request, as if its time were over: evidence has to be fetched anew. Safe beside other threads' requests. */
void clo_channel_spend(struct cloister_channel *c);

/*
 * The request's bytes have all left, so nobody will read them again: an exchange that only drains needs no room for them. Whoever has an
 * authenticated piece of the answer knows that: none comes before the request's end was opened.
 */
void clo_exchange_body_drop(struct cloister_exchange *x);

/* 0; CLOISTER_E_ARGUMENT for one that lacks a function, CLOISTER_E_UNSUPPORTED for one of a newer header. */
CLO_MUST_USE int clo_handler_check(const struct cloister_answer_handler *h);
/* CLOISTER_E_UNSUPPORTED unless all are NULL: a program that asks for what this version doesn't know must not be half obeyed. */
CLO_MUST_USE int clo_reserved_check(void *const *reserved, size_t n);

#endif
