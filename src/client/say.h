/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `cloister` says to people: one sentence for each problem, with its mend; verdicts in a line or in full; colours where there is a
 * terminal. Nothing that came from outside reaches a terminal unsanitised.
 */
#ifndef CLO_CLIENT_SAY_H
#define CLO_CLIENT_SAY_H

#include <stdio.h>

#include "client/answer.h"
#include "client/session.h"

enum clo_style {
    CLO_PLAIN,
    CLO_BOLD,
    CLO_DIM,
    CLO_GREEN,
    CLO_YELLOW,
    CLO_RED
};

/* Colours: only on a terminal, not with NO_COLOR (any value but an empty one), not with --no-color, not on a dumb terminal. */
void clo_say_init(bool no_color);
/* The sequence that turns a style on, "" where there are no colours; CLO_PLAIN turns it off. */
const char *clo_style(FILE *f, enum clo_style s);

/* "cloister: ..." on standard error, red. */
__attribute__((format(printf, 1, 2))) void clo_say_problem(const char *fmt, ...);
/* A remark on standard error, dim. */
__attribute__((format(printf, 1, 2))) void clo_say_note(const char *fmt, ...);

/* Explain what a session, or fetching evidence, failed of. v may be NULL. */
void clo_say_fault(const struct clo_fault *f, const struct cloister_verdict *v, const char *url);
/* The first check that failed, else the first that could not be made; NULL without one. */
const struct cloister_check *clo_verdict_culprit(const struct cloister_verdict *v);
/* An error that came inside an answer. */
void clo_say_answer_error(const struct clo_answer_error *e);
/* The program's exit code for this fault. */
int clo_fault_exit(const struct clo_fault *f, const struct cloister_verdict *v);
/* "PATH can't be read: ...", with the mend. */
void clo_say_file(const char *path, const char *what, int err);

#define CLO_SIMULATED_WARNING "SIMULATED: this protects nothing; it shows how it works"
/* The one line at the start of a chat: what was verified. On standard error. */
void clo_say_verified(const struct cloister_verdict *v);
/* The verdict; all checks if `verbose`, else those that did not pass. */
void clo_print_verdict(FILE *f, const struct cloister_verdict *v, bool verbose);

#endif
