/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ctrl-C and its relatives (SIGINT, SIGTERM, SIGHUP) as a descriptor that becomes readable, and changes of the terminal's size.
 */
#ifndef CLO_CLIENT_STOP_H
#define CLO_CLIENT_STOP_H

#include "base/base.h"

CLO_MUST_USE int clo_stop_init(void);
/* Readable while a stop is asked for. */
int clo_stop_fd(void);
/* Both ends of what it is made of, in rising order: for a child that is to go on hearing signals. */
void clo_stop_ends(int ret[2]);
/* The signal that asked to stop; 0 for none. */
int clo_stop_signal(void);
/* Forget a SIGINT that was dealt with; SIGTERM and SIGHUP stay. */
void clo_stop_clear(void);
/* End as the signal would have ended the process, so that a shell's loop stops too; returns if there was none. */
void clo_stop_obey(void);
/* True once after the terminal's size has changed. */
bool clo_stop_resized(void);
/* Whether the program was stopped and goes on, since the last call: the terminal was somebody else's meanwhile. */
bool clo_stop_continued(void);

#endif
