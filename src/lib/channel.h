/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the library share about channels. */
#ifndef CLO_LIB_CHANNEL_H
#define CLO_LIB_CHANNEL_H

#include <cloister/channel.h>

#include "base/rw.h"

/* Has the manifest promised a traffic shape, so that every stream is to be read to its end? */
bool clo_channel_is_shaped(const struct cloister_channel *c);
/* Let it carry no further request, as if its time were over: evidence has to be fetched anew. Safe beside other threads' requests. */
void clo_channel_spend(struct cloister_channel *c);

/*
 * As cloister_exchange_body, and the bytes are the caller's from then on, in place of what *ret held: they are sealed, and may be needed for
 * longer than the keys.
 */
CLO_MUST_USE int clo_exchange_body_take(struct cloister_exchange *x, struct clo_buf *ret);

/* 0; CLOISTER_E_ARGUMENT for one that lacks a function, CLOISTER_E_UNSUPPORTED for one of a newer header. */
CLO_MUST_USE int clo_handler_check(const struct cloister_answer_handler *h);
/* CLOISTER_E_UNSUPPORTED unless all are NULL: a program that asks for what this version doesn't know must not be half obeyed. */
CLO_MUST_USE int clo_reserved_check(void *const *reserved, size_t n);

#endif
