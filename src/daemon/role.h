/* SPDX-License-Identifier: Apache-2.0 */
/* What every child of cloisterd does at its start, and how it asks whether an answer would find room. */
#ifndef CLO_DAEMON_ROLE_H
#define CLO_DAEMON_ROLE_H

#include "daemon/cells.h"
#include "platform/process.h"

/* Hardening, the log level of argv[1], what its cell has to know of argv[2], the start event. An error means: end. */
CLO_MUST_USE int clo_role_begin(enum clo_role role, int argc, char *const argv[],
                                struct clo_cell_site *ret);
/* Into its cell, or nothing: an error means to end with CLO_EXIT_CELL. */
CLO_MUST_USE int clo_role_enclose(enum clo_role role, enum clo_cell_kind k,
                                  const struct clo_cell_site *site);
/* LOG_LEVEL: one byte, as the permit tables see to. */
CLO_MUST_USE int clo_role_log_level(const struct clo_ipc_msg *m);
/*
 * Can a message be sent now? While this is true the largest one fits: a socket counts as writable up to a quarter of its
 * buffer. A role that takes a request only when its answer can be sent needs no queue of answers.
 */
CLO_MUST_USE bool clo_ipc_writable(int sock);
/* Close and forget a channel. */
void clo_channel_drop(int *sock);
/* The same for a peer that broke the rules: the parent is told, or no channel would ever take this one's place. */
void clo_channel_refuse(int *sock, enum clo_role peer);

#endif
