/* SPDX-License-Identifier: Apache-2.0 */
/* Cells tried, and a sentence about those that can't be built. */
#include "daemon/parent/cell_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum clo_cell_kind clo_cell_kind_of(const struct clo_config *cfg, enum clo_role r)
{
    switch (r) {
    case CLO_ROLE_GATEWAY: return CLO_CELL_GATEWAY;
    case CLO_ROLE_KEEPER: return CLO_CELL_KEEPER;
    case CLO_ROLE_ATTESTER: return CLO_CELL_ATTESTER;
    case CLO_ROLE_WORKER: return CLO_CELL_WORKER;
    case CLO_ROLE_FETCHER: return CLO_CELL_FETCHER;
    case CLO_ROLE_ENGINE: return cfg->managed ? CLO_CELL_ENGINE : CLO_CELL_WATCH;
    default: return CLO_CELL_PARENT;
    }
}

static uint16_t upstream_port(const struct clo_config *cfg)
{
    const char *colon = strrchr(cfg->upstream, ':');

    if (cfg->managed || colon == NULL || strncmp(cfg->upstream, "unix:", 5) == 0)
        return 0;
    return (uint16_t)strtoul(colon + 1, NULL, 10);
}

void clo_cell_site_of(const struct clo_config *cfg, enum clo_role r,
                      const struct clo_cells_found *found, struct clo_cell_site *ret)
{
    const bool dials = r == CLO_ROLE_GATEWAY || r == CLO_ROLE_ENGINE;
    /* What reports come from is root's; the simulator is nobody's. */
    const bool touches_hardware = r == CLO_ROLE_WORKER && cfg->tee != CLO_TEE_SIMULATED;

    *ret = (struct clo_cell_site){.user = touches_hardware ? 0 : clo_cell_user(cfg->cell_uid, r),
                                  .lacks = found != NULL ? found->lacks[r] : 0,
                                  .port = dials ? upstream_port(cfg) : 0,
                                  .model = -1};
}

uid_t clo_cell_real_user(const struct clo_config *cfg, enum clo_role r,
                         const struct clo_cells_found *found)
{
    struct clo_cell_site site;

    clo_cell_site_of(cfg, r, found, &site);
    return site.user == 0 || (site.lacks & CLO_CELL_USER) != 0 ? geteuid() : site.user;
}

/* ---- sentences ---- */

/* Behind what is there already; what doesn't fit is left out. */
#define ADD(text, ...) \
    (void)snprintf((text) + strlen(text), sizeof(text) - strlen(text), __VA_ARGS__)

static void add_roles(struct clo_cells_found *f, unsigned part)
{
    const char *between = "";

    for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++) {
        if ((f->lacks[r] & part) == 0)
            continue;
        ADD(f->missing, "%s%s", between, clo_role_name(r));
        between = ", ";
    }
}

static void say_missing(struct clo_cells_found *f, unsigned part, const char *what, const char *why,
                        const char *mend)
{
    bool any = false;

    for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++)
        any = any || (f->lacks[r] & part) != 0;
    if (!any)
        return;
    ADD(f->missing, "%sno %s for ", f->missing[0] != 0 ? "; " : "", what);
    add_roles(f, part);
    ADD(f->missing, " (%s)", why);
    ADD(f->mend, "%s%s", f->mend[0] != 0 ? ", " : "", mend);
}

static void say_all(struct clo_cells_found *f, const int why[3])
{
    char user[128];

    if (geteuid() != 0)
        (void)snprintf(user, sizeof user, "that takes root");
    else
        (void)snprintf(user, sizeof user,
                       "%s: capabilities are missing, or those numbers aren't this container's",
                       strerror(why[0]));
    say_missing(
        f, CLO_CELL_USER, "users of their own", user,
        geteuid() != 0
            ? "start cloisterd as root"
            : "give it CAP_SETUID, CAP_SETGID, CAP_SETPCAP and CAP_KILL, or another --cell-uid");
    say_missing(f, CLO_CELL_FILES, "bounds to the file system", "this kernel has no Landlock",
                "boot with lsm=landlock,... on Linux 5.13 or newer");
    say_missing(f, CLO_CELL_CALLS, "bounds to system calls", "this kernel has no seccomp filters",
                "take a kernel with CONFIG_SECCOMP_FILTER");
}

/* ---- what a cell's user has to reach ---- */

/* In a child, as that user: may it? */
static bool may(uid_t user, const char *path, int mode)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        if (setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0)
            _exit(1);
        _exit(access(path, mode) == 0 ? 0 : 1);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* It keeps our user where its own can't do its work. */
static void out_of_reach(struct clo_cells_found *f, enum clo_role r, uid_t user, const char *cant,
                         const char *path)
{
    f->lacks[r] |= CLO_CELL_USER;
    ADD(f->missing, "%sno user of its own for %s (user %u can't %s %.200s)",
        f->missing[0] != 0 ? "; " : "", clo_role_name(r), (unsigned)user, cant, path);
    ADD(f->mend, "%slet it, or put that where it can", f->mend[0] != 0 ? ", " : "");
}

static void reach_engine(const struct clo_config *cfg, const char *server, const char *model,
                         struct clo_cells_found *f)
{
    const uid_t user = clo_cell_user(cfg->cell_uid, CLO_ROLE_ENGINE);
    int fd = model != NULL ? open(model, O_RDONLY | O_CLOEXEC) : -1;
    char open_file[64];

    if (server != NULL && !may(user, server, R_OK | X_OK)) {
        out_of_reach(f, CLO_ROLE_ENGINE, user, "run", server);
    } else if (fd >= 0) {
        /* As llama-server opens it, whatever folder it is in. */
        (void)snprintf(open_file, sizeof open_file, "/proc/self/fd/%d", fd);
        if (!may(user, open_file, R_OK))
            out_of_reach(f, CLO_ROLE_ENGINE, user, "read", model);
    }
    if (fd >= 0)
        close(fd);
}

/* An engine that isn't up yet makes its socket later: then they find out. */
static void reach_upstream(const struct clo_config *cfg, struct clo_cells_found *f)
{
    static const enum clo_role roles[] = {CLO_ROLE_GATEWAY, CLO_ROLE_ENGINE};
    const char *path = cfg->upstream + 5;

    if (strncmp(cfg->upstream, "unix:", 5) != 0 || access(path, F_OK) != 0)
        return;
    for (size_t i = 0; i < CLO_ARRAY_LEN(roles); i++) {
        const uid_t user = clo_cell_user(cfg->cell_uid, roles[i]);

        if (!may(user, path, W_OK))
            out_of_reach(f, roles[i], user, "connect to", path);
    }
}

/* A path's bytes are anybody's; these get into sentences and a line of JSON. */
static void make_plain(char *text)
{
    for (; *text != 0; text++)
        if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
            *text = '?';
}

int clo_cells_find(const struct clo_config *cfg, const char *server, const char *model,
                   struct clo_cells_found *ret)
{
    struct clo_cells_found f = {0};
    int why[3] = {0}, err;
    bool users = true;

    for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++) {
        struct clo_cell_trial t = {0};
        struct clo_cell_site site;

        if (!clo_role_wanted(cfg, r))
            continue;
        clo_cell_site_of(cfg, r, NULL, &site);
        site.server = server;
        if ((err = clo_cells_try(clo_cell_kind_of(cfg, r), &site, &t)) != 0)
            return err;
        if ((t.parts & CLO_CELL_REST) != 0)
            return CLOISTER_E_IO;
        f.lacks[r] = t.parts;
        users = users && (t.parts & CLO_CELL_USER) == 0;
        for (size_t i = 0; i < CLO_ARRAY_LEN(why); i++)
            why[i] = t.why[i] != 0 ? t.why[i] : why[i];
    }
    say_all(&f, why);
    if (users && cfg->managed)
        reach_engine(cfg, server, model, &f);
    else if (users)
        reach_upstream(cfg, &f);
    make_plain(f.missing);
    *ret = f;
    return 0;
}
