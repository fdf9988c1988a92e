/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cell: what a process shuts itself into before it reads a byte that isn't its parent's. From then on it has a user of its own and no
 * capability, can gain no right by exec, opens and runs what its list of paths has (Landlock), asks the kernel for what its list of system calls
 * has (seccomp, another call kills it), and has its own limits. None of it can be undone.
 *
 * What is in which cell is data, and stands in src/daemon/cells.c. Here is only how such data is obeyed.
 */
#ifndef CLO_PLATFORM_CELL_H
#define CLO_PLATFORM_CELL_H

#include <sys/resource.h>
#include <sys/types.h>

#include "base/base.h"

/* What a machine, or a user who isn't root, may be unable to build. */
enum clo_cell_part {
    CLO_CELL_USER = 1,  /* a user of its own, without capabilities */
    CLO_CELL_FILES = 2, /* Landlock */
    CLO_CELL_CALLS = 4, /* seccomp */
    CLO_CELL_REST = 8,  /* no_new_privs, limits, not dumpable: what every Linux can */
    CLO_CELL_PROGRAM =
        16, /* not of a cell itself: what has to run in it can't be reached from there */
};

/* One permitted system call, or one way to call it; several of the same call add up, and what the first of two that contradict each other says, holds. */
enum clo_cell_how {
    CLO_CALL_ANY,
    CLO_CALL_IS,   /* the argument, cut to `mask`, is `value` */
    CLO_CALL_SELF, /* the argument is this process's number */
    CLO_CALL_FAIL, /* not permitted, and it fails with `error` instead of killing: for what libraries try and can do without */
    CLO_CALL_FAIL_IF /* the same where the argument, cut to `mask`, is `value`; other ways of it are other entries' */
};
struct clo_cell_call {
    int nr;
    enum clo_cell_how how;
    unsigned arg; /* from 0 */
    uint64_t mask, value;
    uint16_t error; /* of CLO_CALL_FAIL and CLO_CALL_FAIL_IF: errno */
};
struct clo_cell_calls {
    const struct clo_cell_call *at;
    size_t n;
};

enum clo_cell_right {
    CLO_CELL_READ = 1,     /* files and folders, and below */
    CLO_CELL_RUN = 2,      /* as a program */
    CLO_CELL_WRITE = 4,    /* into files that are there */
    CLO_CELL_CHANGE = 8,   /* make, rename and remove files */
    CLO_CELL_SOCKETS = 16, /* make and remove Unix sockets */
    CLO_CELL_FOLDERS = 32, /* make and remove folders */
    CLO_CELL_DEVICES = 64, /* ioctl on devices; with READ and WRITE */
    CLO_CELL_LIST = 128,   /* names in folders, and below */
};
struct clo_cell_path {
    const char *path; /* one that isn't there is left out; NULL: fd */
    int fd;           /* borrowed; -1 with a NULL path: none, left out */
    unsigned rights;
};
struct clo_cell_limit {
    int resource;
    rlim_t value;
};

enum {
    CLO_CELL_SETS = 12
};
struct clo_cell {
    uid_t user; /* and group of the same number; 0: the user stays, without capabilities */
    unsigned
        lacks; /* enum clo_cell_part: these are left out, because somebody said that it may be so */
    struct clo_cell_calls calls[CLO_CELL_SETS];
    size_t sets;
    const struct clo_cell_path *path;
    size_t paths;
    bool opens_all; /* every path may be read and written, and `path` says what may be run */
    uint16_t port;  /* the one TCP port that may be connected to; 0: none, ... */
    bool net;       /* ... unless any may be */
    const struct clo_cell_limit *limit;
    size_t limits;
    uint64_t keeps; /* capabilities, bit by bit: of the parent alone; then the user stays as well */
};
/*
 * Shut this process in. On failure *ret_part says which part can't be built, errno why, and the process is half shut in: it has to end.
 */
CLO_MUST_USE int clo_cell_enter(const struct clo_cell *c, enum clo_cell_part *ret_part);
/* Keep these capabilities, bit by bit, and no way to others; a process without any is left as it is. CLOISTER_E_PERMISSION. */
CLO_MUST_USE int clo_caps_keep(uint64_t caps);

#endif
