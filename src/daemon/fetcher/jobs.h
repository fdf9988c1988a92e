/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the attester asked for, until it has its answers: from the cache or from a service, a few at a time, the others in a queue; equal
 * wants are asked for once. A service's answer is kept until KEEP says that it was good, which puts it into the cache, or until there is
 * no room for it.
 */
#ifndef CLO_FETCHER_JOBS_H
#define CLO_FETCHER_JOBS_H

#include <poll.h>

#include "daemon/messages.h"

#define CLO_JOBS_MAX     256 /* questions that wait, and answers that may still be kept, together */
#define CLO_JOBS_RUNNING 4

struct clo_jobs;
CLO_MUST_USE int clo_jobs_new(const struct clo_fetcher_start *start, struct clo_jobs **ret);
void clo_jobs_free(struct clo_jobs *j);
/* Is there no room for another question? An answer that may still be kept makes room. */
bool clo_jobs_full(const struct clo_jobs *j);
/* id: of the message. */
CLO_MUST_USE int clo_jobs_fetch(struct clo_jobs *j, uint64_t id, const struct clo_fetch *f);
/* An id that no answer has (any more) is nothing to complain about. */
void clo_jobs_keep(struct clo_jobs *j, uint64_t id);
/* Nobody waits any more. */
void clo_jobs_drop(struct clo_jobs *j);
/* Is there an answer to be sent? */
bool clo_jobs_due(const struct clo_jobs *j);
/* Send as many as there is room for. */
CLO_MUST_USE int clo_jobs_send(struct clo_jobs *j, int sock);
/* Let requests go on, and wait as clo_asker_wait. */
void clo_jobs_wait(struct clo_jobs *j, struct pollfd *fds, size_t n);

#endif
