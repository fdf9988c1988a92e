/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bench_leak_engine and bench_leak_ask share: recorded conversations, and when each answer's text came into being.
 *
 * Times are those of CLOCK_REALTIME in nanoseconds, because that is the clock by which the kernel says when a segment came.
 */
#ifndef CLO_BENCH_LEAK_TAPE_H
#define CLO_BENCH_LEAK_TAPE_H

#include <stdbool.h>
#include <stdint.h>

/* A character of an answer's text. It stands in no other place of an event. */
#define TAPE_TEXT '~'
/* What a question consists of, with the conversation's number. */
#define TAPE_QUESTION "replay %u;"

/* One event: microseconds behind the one before, its size as the gateway gives it out, and how much of that is text. */
struct tape_event {
    uint32_t us, bytes, own;
};
struct tape_conversation {
    const struct tape_event *event;
    uint32_t events, text;
};
struct tape {
    struct tape_conversation *conversation;
    uint32_t count;
};
/* When the engine wrote the first and the last piece of text: in a file that both processes map. 0: not yet. */
struct tape_mark {
    uint64_t first, last;
};

/* From a file of 32-bit numbers in the machine's order: conversations; of each, its events and their three numbers. Ends the process where that fails. */
void tape_load(const char *path, struct tape *ret);
/* The file's marks, as many as there are conversations; it is made if it isn't there. */
struct tape_mark *tape_marks(const char *path, const struct tape *t);
uint64_t tape_now(void);
/* Says what failed, and ends the process. */
_Noreturn void tape_fail(const char *what);

#endif
