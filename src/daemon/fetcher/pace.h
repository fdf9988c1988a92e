/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often services are asked. Each has a gap between the beginnings of two requests, and a time until which it is left alone after it
 * throttled (429, 503: as long as Retry-After says, an hour at most), failed (5xx) or didn't answer; without a Retry-After 10 s, and twice as
 * long each time, 15 min at most, with jitter. A want that was answered with 404 rests for an hour; one that had no or a useless answer,
 * ten seconds longer than a failing service would: so one want that always fails doesn't keep the others of its service waiting for ever.
 *
 * Pure: time is monotonic milliseconds, jitter is any random number.
 */
#ifndef CLO_FETCHER_PACE_H
#define CLO_FETCHER_PACE_H

#include "daemon/fetcher/url.h"

#define CLO_PACE_WANTS \
    256 /* that rest at the same time; beyond, the one that would end first is forgotten */

/* Until when not to ask, and what to say meanwhile. */
struct clo_pace_rest {
    int64_t until;
    unsigned failures; /* in a row */
    int error;
    uint32_t status;
};
struct clo_pace {
    struct {
        int64_t next; /* its gap's end */
        struct clo_pace_rest rest;
    } service[CLO_SERVICES];
    struct {
        char name[CLO_WANT_NAME_MAX]; /* "": free */
        struct clo_pace_rest rest;
    } want[CLO_PACE_WANTS];
};
/* All zero is the beginning. */

/*
 * May this want be asked now? 0; or CLOISTER_E_BUSY (throttled, or too soon), E_NETWORK, E_NOT_FOUND: *ret_status is the service's last
 * status (0: none) and *ret_again_s says how long to wait.
 */
CLO_MUST_USE int clo_pace_check(const struct clo_pace *p, enum clo_service service,
                                const char *name, int64_t now_ms, uint32_t *ret_status,
                                uint32_t *ret_again_s);
void clo_pace_begin(struct clo_pace *p, enum clo_service service, uint32_t gap_ms, int64_t now_ms);

struct clo_pace_end {
    bool useful;            /* status 200, and all that belongs to such an answer */
    uint32_t status;        /* 0: no whole answer came */
    uint32_t retry_after_s; /* 0: it doesn't say */
};
/* A request has ended: 0 if it was useful, else as clo_pace_check. */
CLO_MUST_USE int clo_pace_done(struct clo_pace *p, enum clo_service service, const char *name,
                               const struct clo_pace_end *end, uint32_t jitter, int64_t now_ms,
                               uint32_t *ret_again_s);

#endif
