/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the attester is given at build time. A build for tests has another given.c, with limits that a test can wait for and with the
 * roots of machines that don't exist; nothing at run time changes either.
 */
#ifndef CLO_DAEMON_GIVEN_H
#define CLO_DAEMON_GIVEN_H

#include <cloister/verify.h>

#include "daemon/cells.h"

struct clo_attester_limits {
    uint32_t
        report_s; /* for a report, and for opening its interface: a host may throttle its guests for seconds */
    uint32_t devices_s; /* for anything of the GPUs: eight of them take about a second each */
    uint32_t answer_s;  /* for the simulator's answers */
    uint32_t watch_ms;  /* from one look at the GPUs to the next */
    uint32_t again_ms;  /* before a failed step is tried again */
};
extern const struct clo_attester_limits clo_attester_limits;
/* What stands in for hardware needs, beside what the cells of attester and worker have: nothing, in earnest (NULL). */
const struct clo_cell_more *clo_attester_more(bool worker);
/* Whom evidence of hardware is judged by: the built-in roots. */
const struct cloister_roots *clo_attester_roots(void);

#endif
