/* SPDX-License-Identifier: Apache-2.0 */
/* cloisterd: its commands, and everything that can be wrong before a process runs. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/parent/host_check.h"
#include "daemon/parent/parent.h"
#include "platform/process.h"

void clo_parent_say(const char *sentence)
{
    fprintf(stderr, "cloisterd: %s.\n", sentence);
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    return sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)
                                                   : -1;
}

/* Children inherit it. */
static int raise_descriptors(uint32_t connections, struct clo_problem *problem)
{
    const rlim_t need = (rlim_t)clo_descriptors_needed(connections);
    struct rlimit limit = {0};

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        limit = (struct rlimit){0};
    if (limit.rlim_cur >= need)
        return 0;
    limit.rlim_cur = need;
    if (limit.rlim_max < need)
        limit.rlim_max = need; /* root may */
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return 0;
    return clo_problem_set(
        problem,
        "%u connections need %llu open files: raise that limit (ulimit -n, LimitNOFILE=) or lower --max-connections",
        connections, (unsigned long long)need);
}

/* Root's processes could lock as much as they like; users of their own can lock what they inherit. What doesn't do is found when it is locked. */
static void raise_locked_memory(uint32_t connections)
{
    const rlim_t need = (rlim_t)connections * 256 + (1 << 20);
    struct rlimit limit = {0};

    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur >= need)
        return;
    limit.rlim_cur = need;
    if (limit.rlim_max < need)
        limit.rlim_max = need; /* root may */
    (void)setrlimit(RLIMIT_MEMLOCK, &limit);
}

/* Everything that can be wrong before a process runs. */
static int prepare(struct clo_parent *p, struct clo_problem *problem)
{
    const struct clo_config *c = &p->cfg;
    int err;

    if ((err = raise_descriptors(c->connections_max, problem)) != 0)
        return err;
    raise_locked_memory(c->connections_max);
    if (c->ready_fd >= 0 &&
        (fcntl(c->ready_fd, F_GETFD) < 0 || fcntl(c->ready_fd, F_SETFD, FD_CLOEXEC) != 0))
        return clo_problem_set(
            problem, "--ready-fd %d isn't open: open it in the program that starts cloisterd",
            c->ready_fd);
    for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++) {
        p->child[r].control = -1;
        if (clo_role_wanted(c, r) && (err = clo_helper_find(r, p->child[r].path, problem)) != 0)
            return err;
    }
    if (c->managed && ((err = clo_model_check(c->model, p->model, problem)) != 0 ||
                       (err = clo_engine_find(c->server, p->server, problem)) != 0))
        return err;
    if (c->api_keys[0] != 0) {
        if ((err = clo_keys_load(c->api_keys, &p->keys, problem)) != 0)
            return err;
        clo_parent_say_if_no_keys(p);
    }
    if ((err = clo_runtime_open(c->runtime_dir, &p->runtime, problem)) != 0 ||
        (err = clo_gateway_path_load(c->state_dir, clo_rng_system(), p->gateway_path, problem)) !=
            0 ||
        (c->tee != CLO_TEE_SIMULATED &&
         (err = clo_cache_open(c->fetch.cache, clo_cell_user(c->cell_uid, CLO_ROLE_FETCHER),
                               p->cfg.fetch.cache, problem)) != 0) ||
        (err = clo_parent_prepare_cells(p, problem, &p->status)) != 0 ||
        (err = clo_listen_open(c, &p->listener, &p->port, problem)) != 0)
        return err;
    if ((p->signals = open_signals()) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return clo_problem_set(problem, "the operating system refused a signal descriptor (%s)",
                               strerror(errno));
    return clo_parent_enclose(p, problem);
}

int main(int argc, char *argv[])
{
    static struct clo_parent p = {.listener = -1, .signals = -1, .runtime = {.lock = -1}};
    static struct clo_problem problem;
    enum clo_config_want want = CLO_WANT_RUN;

    if (argc > 1 && strcmp(argv[1], "key") == 0)
        return clo_key_command(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "check") == 0)
        return clo_check_command(argc - 1, argv + 1);
    if (clo_config_read(argc, argv, &p.cfg, &want, &problem) != 0) {
        clo_parent_say(problem.text);
        return 1;
    }
    if (want == CLO_WANT_HELP) {
        clo_config_help();
        return 0;
    }
    if (want == CLO_WANT_VERSION) {
        puts("cloisterd " CLO_VERSION);
        return 0;
    }
    clo_log_level(p.cfg.log_level);
    p.argc = argc;
    p.argv = argv;
    clo_notify_init(&p.notify);
    p.manifest = clo_buf_init(CLO_IPC_PAYLOAD_MAX);
    if (clo_process_harden(0) != 0) {
        clo_parent_say("the operating system refused to protect this process");
        return 1;
    }
    if (prepare(&p, &problem) != 0) {
        clo_parent_say(problem.text);
        p.status = p.status != 0 ? p.status : 1;
    } else {
        clo_log("parent", CLO_EV_START, (uint64_t)getpid(), 0, 0, 0);
        clo_parent_run(&p);
        clo_log("parent", CLO_EV_STOP, (uint64_t)p.status, 0, 0, 0);
    }
    clo_runtime_close(&p.runtime);
    clo_notify_clear(&p.notify);
    clo_buf_clear(&p.manifest);
    clo_keys_clear(&p.keys);
    return p.status;
}
