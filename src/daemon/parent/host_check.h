/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `cloisterd check` looks at before this machine serves: whether the hardware protects it, and whether it would give away
 * by itself what the hardware protects. Each item is read from files below `root` ("" in earnest, a made-up tree in tests) or comes in
 * as a number, and is judged alone.
 *
 * A finding fails where private text or keys would be at risk, or the daemon wouldn't start; it warns where that depends on what
 * only the operator knows. What can't be read is a warning at least: nothing is taken for granted.
 */
#ifndef CLO_DAEMON_HOST_CHECK_H
#define CLO_DAEMON_HOST_CHECK_H

#include <sys/resource.h>

#include "daemon/parent/cell_check.h"

enum clo_finding_status {
    CLO_FINDING_FAIL, /* first: what nobody judged has failed */
    CLO_FINDING_WARN,
    CLO_FINDING_OK
};
#define CLO_FINDING_MAX 640
struct clo_finding {
    const char *id; /* static; never reused with another meaning */
    enum clo_finding_status status;
    /* Printable, one line: names of files and words of the kernel's command line, which the host chose, stand in them. */
    char text[3 * CLO_FINDING_MAX + 1];
    char mend[3 * CLO_FINDING_MAX + 1]; /* "" where nothing is to be done */
};

struct clo_host {
    const char *root;
    const struct clo_config *cfg;
    int64_t now;
    bool clock_synchronised;
    struct rlimit locked, files;
    /* clo_host_probe. */
    int (*probe)(const struct clo_config *cfg, struct clo_found *found,
                 struct clo_cpu_section *ret);
    /* clo_cells_find. */
    int (*cells)(const struct clo_config *cfg, const char *server, const char *model,
                 struct clo_cells_found *ret);
};
/*
 * What the attester would find, and one report over zeros. An error: the worker couldn't be asked, or there is no report; *found is filled
 * nevertheless. ret is the caller's to clear.
 */
CLO_MUST_USE int clo_host_probe(const struct clo_config *cfg, struct clo_found *found,
                                struct clo_cpu_section *ret);

/* This machine; limits of this process, which those of the service may differ from. */
void clo_host_init(struct clo_host *ret, const struct clo_config *cfg);

enum clo_host_item {
    CLO_HOST_TEE,
    CLO_HOST_TEE_DEBUG,
    CLO_HOST_KERNEL_DEBUG,
    CLO_HOST_PTRACE,
    CLO_HOST_COMMAND_LINE,
    CLO_HOST_SWAP,
    CLO_HOST_DUMPS,
    CLO_HOST_LOCKED_MEMORY,
    CLO_HOST_OPEN_FILES,
    CLO_HOST_ENGINE,
    CLO_HOST_CLOCK,
    CLO_HOST_DISK,
    CLO_HOST_API_KEYS,
    CLO_HOST_MODEL,
    CLO_HOST_PROGRAMS,
    CLO_HOST_CELLS,
    CLO_HOST_ITEMS
};
void clo_host_check(const struct clo_host *h, enum clo_host_item item, struct clo_finding *ret);

/* `cloisterd check ...`: argv[0] is "check". Returns the exit status. */
int clo_check_command(int argc, char *const argv[]);

#endif
