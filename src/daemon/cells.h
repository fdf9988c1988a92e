/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cell of each of cloisterd's processes: the table is in cells.c and meant to be read as a whole; docs/PRIVSEP.md says the same for people, and
 * a test compares the two. How a cell is built: platform/cell.h.
 */
#ifndef CLO_DAEMON_CELLS_H
#define CLO_DAEMON_CELLS_H

#include "daemon/messages.h"
#include "platform/cell.h"

enum clo_cell_kind {
    CLO_CELL_GATEWAY,
    CLO_CELL_KEEPER,
    CLO_CELL_ATTESTER,
    CLO_CELL_WORKER,
    CLO_CELL_ENGINE, /* with llama-server as its child */
    CLO_CELL_WATCH,  /* the same program with an --upstream */
    CLO_CELL_LLAMA,
    CLO_CELL_FETCHER,
    CLO_CELL_PARENT,
    CLO_CELL_KINDS
};
const char *clo_cell_name(enum clo_cell_kind k);

/* What a cell has to know that differs from place to place. */
struct clo_cell_site {
    uid_t user;                 /* 0: it keeps its parent's */
    unsigned lacks;             /* enum clo_cell_part */
    uint16_t port;              /* of an --upstream on loopback; 0: none */
    int model;                  /* ENGINE, LLAMA: the open file; -1: none */
    const char *server;         /* ENGINE, LLAMA, PARENT: the program; NULL: none */
    const char *const *helpers; /* PARENT: its own programs; NULL-terminated */
    uint64_t keeps;             /* PARENT: capabilities, bit by bit */
};
/* Users follow each other from a base, one a role. */
uid_t clo_cell_user(uint32_t base, enum clo_role r);
/* Shut this process in: clo_cell_enter(). Relative paths are the working folder's: it is the one folder that the role may change. */
CLO_MUST_USE int clo_cells_enter(enum clo_cell_kind k, const struct clo_cell_site *site,
                                 enum clo_cell_part *ret_part);

/* A child's argv[2]: "USER:LACKS:PORT". */
#define CLO_CELL_WORDS 32
void clo_cell_words(const struct clo_cell_site *site, char ret[CLO_CELL_WORDS]);
CLO_MUST_USE int clo_cell_words_read(const char *text, struct clo_cell_site *ret);

/* Tried in a child: 0, or the first part that can't be built, with its errno. */
struct clo_cell_trial {
    unsigned parts; /* enum clo_cell_part: each that can't be built */
    int why[3];     /* errno of CLO_CELL_USER, _FILES and _CALLS */
};
/* Every kind's cell, each in a process of its own that ends at once. */
CLO_MUST_USE int clo_cells_try(enum clo_cell_kind k, const struct clo_cell_site *site,
                               struct clo_cell_trial *ret);

/* Tests alone have something here (attester/given.c): what stands in for hardware needs files where hardware needs devices. */
struct clo_cell_more {
    struct clo_cell_calls calls;
    const struct clo_cell_path *path;
    size_t paths;
};
void clo_cells_add(const struct clo_cell_more *more);

#endif
