/* SPDX-License-Identifier: Apache-2.0 */
/* The cells, from the parent's side: may it go on, who owns what, and its own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/parent/parent.h"
#include "platform/process.h"

/*
 * Giving children users of their own, and ending them when they have; lowering what they could get back. (A process without one of these
 * keeps none by this.)
 */
#define KEPT (1ULL << CAP_SETUID | 1ULL << CAP_SETGID | 1ULL << CAP_SETPCAP | 1ULL << CAP_KILL)

static int cannot(const char *what, const char *path, struct clo_problem *problem)
{
    return clo_problem_set(
        problem,
        "%s %s can't be given to the user of its process (%s): give cloisterd CAP_CHOWN, or --incomplete-cells",
        what, path, strerror(errno));
}

/*
 * The folder of the engine's sockets is ours: llama-server makes its socket there as the folder's group, and the gateway may pass through it.
 * Nobody else gets that far: the runtime folder is closed, and these two start inside.
 */
static int open_engine_folder(const struct clo_parent *p, struct clo_problem *problem)
{
    const uid_t user = clo_cell_real_user(&p->cfg, CLO_ROLE_ENGINE, &p->cells);
    const bool shared = user != geteuid() ||
                        clo_cell_real_user(&p->cfg, CLO_ROLE_GATEWAY, &p->cells) != geteuid();
    char dir[CLO_STR_MAX];

    clo_engine_folder(&p->runtime, dir);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return clo_problem_set(problem, "%s can't be made (%s): give another --runtime-dir", dir,
                               strerror(errno));
    if ((user != geteuid() && chown(dir, (uid_t)-1, user) != 0) ||
        chmod(dir, shared ? 0771 : 0700) != 0)
        return cannot("the folder", dir, problem);
    return 0;
}

/* The cache is the fetcher's, with what is in it: files that an operator put there as well. */
static int give_cache(const struct clo_parent *p, struct clo_problem *problem)
{
    const uid_t user = clo_cell_real_user(&p->cfg, CLO_ROLE_FETCHER, &p->cells);
    const char *cache = p->cfg.fetch.cache;
    const struct dirent *e;
    DIR *d = opendir(cache);
    struct stat st;
    int err = 0;

    if (d == NULL)
        return cannot("the folder", cache, problem);
    while (err == 0 && (e = readdir(d)) != NULL) {
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            st.st_nlink == 1 && st.st_uid != user &&
            fchownat(dirfd(d), e->d_name, user, (gid_t)-1, AT_SYMLINK_NOFOLLOW) != 0)
            err = cannot("a file in", cache, problem);
    }
    /* Others may look, and we have to: what vendors publish is no secret. */
    if (err == 0 && fstat(dirfd(d), &st) == 0 && st.st_uid != user &&
        (fchmod(dirfd(d), 0755) != 0 || fchown(dirfd(d), user, (gid_t)-1) != 0))
        err = cannot("the folder", cache, problem);
    closedir(d);
    return err;
}

int clo_parent_prepare_cells(struct clo_parent *p, struct clo_problem *problem, int *ret_status)
{
    const struct clo_config *c = &p->cfg;
    char sentence[sizeof p->cells.missing + 64];
    int err;

    if (clo_cells_find(c, c->managed ? p->server : NULL, c->managed ? p->model : NULL, &p->cells) !=
        0)
        return clo_problem_set(
            problem, "the cells of the processes can't be tried out: the kernel's log may say why");
    if (p->cells.missing[0] != 0 && !c->incomplete_cells) {
        *ret_status = CLO_EXIT_UNSUPPORTED;
        return clo_problem_set(
            problem,
            "processes can't be shut into their cells: %s: %s; --incomplete-cells goes on without",
            p->cells.missing, p->cells.mend);
    }
    if (p->cells.missing[0] != 0) {
        (void)snprintf(sentence, sizeof sentence, "going on with incomplete cells: %s",
                       p->cells.missing);
        clo_parent_say(sentence);
    }
    if (c->managed && (err = open_engine_folder(p, problem)) != 0)
        return err;
    return clo_role_wanted(c, CLO_ROLE_FETCHER) ? give_cache(p, problem) : 0;
}

int clo_parent_enclose(struct clo_parent *p, struct clo_problem *problem)
{
    const char *helpers[CLO_ROLE_COUNT + 1] = {NULL};
    enum clo_cell_part part = CLO_CELL_REST;
    struct clo_cell_site site = {.keeps = KEPT, .model = -1, .helpers = helpers};
    size_t n = 0;

    for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++) {
        site.lacks |= p->cells.lacks[r] & ~(unsigned)CLO_CELL_USER;
        if (p->child[r].path[0] != 0)
            helpers[n++] = p->child[r].path;
    }
    if (p->server[0] != 0)
        site.server = p->server;
    if (clo_cells_enter(CLO_CELL_PARENT, &site, &part) == 0)
        return 0;
    clo_log("parent", CLO_EV_CELL_FAIL, CLO_ROLE_PARENT, part, (uint64_t)errno, 0);
    return clo_problem_set(problem, "the operating system refused to shut this process in (%s)",
                           strerror(errno));
}
