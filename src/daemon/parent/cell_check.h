/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which cells this machine lets be built, for this configuration and by this user: found out by building each in a child that ends at once. The
 * daemon refuses to start with less, unless IncompleteCells says that it may; then what can't be built is left out, and said.
 */
#ifndef CLO_DAEMON_CELL_CHECK_H
#define CLO_DAEMON_CELL_CHECK_H

#include "daemon/cells.h"
#include "daemon/parent/config.h"

struct clo_cells_found {
    unsigned lacks[CLO_ROLE_COUNT]; /* enum clo_cell_part, of each role's cell */
    /* What is missing, for people and without a final stop, printable ASCII without quotes; "": nothing. What would mend it. */
    char missing[768], mend[256];
};
/* Where a role's cell differs from others of its kind; `found` may be NULL. */
void clo_cell_site_of(const struct clo_config *cfg, enum clo_role r,
                      const struct clo_cells_found *found, struct clo_cell_site *ret);
enum clo_cell_kind clo_cell_kind_of(const struct clo_config *cfg, enum clo_role r);
/* server, model: as they were found, for a managed engine; NULL otherwise. */
CLO_MUST_USE int clo_cells_find(const struct clo_config *cfg, const char *server, const char *model,
                                struct clo_cells_found *ret);
/* The user that a role will really have. */
uid_t clo_cell_real_user(const struct clo_config *cfg, enum clo_role r,
                         const struct clo_cells_found *found);

#endif
