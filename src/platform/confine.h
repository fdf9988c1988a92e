/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cell in which `cloister` and `cloister-rim` read what others made: evidence, bundles, reports, certificates, XML. It is a process of its own
 * that keeps the descriptors it was given and gets no other: no file, no connection, no program, no other process (seccomp: a call that isn't
 * on the list ends it; Landlock without a right; no_new_privs; 10 s of processor time, 512 MiB). A fault in a parser then wins what such a process
 * can say, a forged verdict, and not the user's files, keys and conversations.
 *
 * Without seccomp there is no cell. Landlock, which a kernel may lack, forbids once more what the list has left out already: without it there is one.
 */
#ifndef CLO_PLATFORM_CONFINE_H
#define CLO_PLATFORM_CONFINE_H

#include "base/rw.h"

/* Can a cell be built here; with Landlock? */
bool clo_confine_possible(void);
bool clo_confine_is_whole(void);
/* Shut this process, which has one thread, in for good. CLOISTER_E_UNSUPPORTED: it isn't, or half, and has to end. */
CLO_MUST_USE int clo_confine_enter(void);

/*
 * What is done in a child in a cell, which has this process's memory, standard input, output and error, and no other descriptor but those in `keep` (in
 * rising order).
 */
struct clo_confined {
    const int *keep;
    size_t keeps;
    void (*first)(void); /* before it is shut in: what else is to be left outside; may be NULL */
    /* Returns the child's exit status; out: what only this process can do something with. */
    int (*work)(void *ctx, struct clo_buf *out);
    void *ctx;
};
#define CLO_CONFINED_NEVER \
    125 /* exit status: it could not be shut in, or what it gave back not be written */
/*
 * Wait for its end. *ret gets what it gives back (its max is the cap), *ret_status what waitpid() says. CLOISTER_E_IO: no such process; CLOISTER_E_LIMIT,
 * E_MEMORY: it gave back too much.
 */
CLO_MUST_USE int clo_confine_run(const struct clo_confined *c, struct clo_buf *ret,
                                 int *ret_status);

#endif
