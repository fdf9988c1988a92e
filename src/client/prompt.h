/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a person for text at a terminal: line editing by libedit, messages of several lines (a \ at a line's end, a block between two
 * lines that begin and end with """, or pasted text, which arrives whole), history for this process only: nothing is written to a
 * file, and no start-up file of libedit is read.
 *
 * libedit copies lines in memory that it does not wipe; the process writes no core dump.
 */
#ifndef CLO_CLIENT_PROMPT_H
#define CLO_CLIENT_PROMPT_H

#include "base/rw.h"

struct clo_prompt;
/*
 * text: the prompt, borrowed; style sequences in it stand between two \1. While no key is pressed idle() is called; it says
 * after how many milliseconds without one again.
 */
CLO_MUST_USE int clo_prompt_new(const char *text, int (*idle)(void *ctx), void *ctx,
                                struct clo_prompt **ret);
void clo_prompt_free(struct clo_prompt *p);
/*
 * Append one message, without its last line end, to out. CLOISTER_E_CANCELLED: Ctrl-C, the line was thrown away; CLOISTER_E_NOT_FOUND: the
 * end of input (Ctrl-D, or the terminal went away).
 */
CLO_MUST_USE int clo_prompt_read(struct clo_prompt *p, struct clo_buf *out);

#endif
