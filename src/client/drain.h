/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drainer: the one process that may outlive a command (docs/PROTOCOL.md section 4). An answer is handed over as soon as it is whole, and
 * the command ends then; but a connection that closes at that moment would show how long the answer was. So a child of its own reads
 * what still comes to its end, throws it away, and ends with it, with its server, or after the longest time that an answer may take.
 *
 * It is forked at the very end, because libcurl's TLS lives in memory: when all that the command held has been wiped. The child
 * wipes what is left besides: arguments, environment, freed memory, the stack. It has no key of any answer, no API key and no text, no file
 * but its connections, no terminal and no session of anybody's.
 */
#ifndef CLO_CLIENT_DRAIN_H
#define CLO_CLIENT_DRAIN_H

#include <curl/curl.h>

#include "base/base.h"

/* Keep these transfers, which are all mute (transfer.h) and have limits of their own, for the end of the program. Once a process. */
void clo_drain_take(CURLM *multi);
/*
 * The last call of main: leave what was kept to a child. What the program printed has to be written before. A sentence is said if that
 * can't be, because what is cut then shows.
 */
void clo_drain_leave(char **argv);

#endif
