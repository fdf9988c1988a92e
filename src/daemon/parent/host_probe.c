/* SPDX-License-Identifier: Apache-2.0 */
/* The examination's look at the hardware: by the attester's own worker, so that what is found is what the daemon would find. */
#include <poll.h>
#include <signal.h>

#include "daemon/worker.h"
#include "daemon/parent/cell_check.h"
#include "daemon/parent/files.h"
#include "daemon/parent/host_check.h"
#include "platform/process.h"

enum {
    LIMIT_S = 30 /* as the attester's for a report */
};

/* A question and its answer, or its time's end. */
static int ask(struct clo_worker *w, uint16_t type, const void *p, size_t n, struct clo_ipc_msg *m)
{
    int err;

    if ((err = clo_worker_ask(w, type, p, n, LIMIT_S)) != 0)
        return err;
    while ((err = clo_worker_answer(w, m)) == CLOISTER_E_NOT_FOUND) {
        const int64_t left = w->until_us - clo_clock_mono_us();
        struct pollfd fd = {.fd = w->sock, .events = POLLIN};

        if (left <= 0)
            return CLOISTER_E_BUSY;
        (void)poll(&fd, 1, (int)((left + 999) / 1000));
    }
    if (err != 0 || m->type != CLO_MSG_WORK_FAILED)
        return err;
    clo_ipc_msg_clear(m);
    return CLOISTER_E_IO;
}

static int open_tee(struct clo_worker *w, const struct clo_config *cfg, struct clo_found *ret,
                    struct clo_ipc_msg *m)
{
    const struct clo_attester_start s = {
        .tee = (uint8_t)cfg->tee, .gpus = cfg->gpus, .pcrs = cfg->tpm_pcrs};
    uint8_t out[16];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int err;

    if ((err = clo_attester_start_write(&s, &wr)) != 0 ||
        (err = ask(w, CLO_MSG_WORK_OPEN, out, wr.len, m)) != 0)
        return err;
    err = clo_found_read(m->payload + 80, m->n - 80, ret); /* behind what a simulator tells */
    clo_ipc_msg_clear(m);
    return err;
}

static int take_report(struct clo_worker *w, struct clo_cpu_section *ret, struct clo_ipc_msg *m)
{
    static const uint8_t nothing[64]; /* nobody relies on this report */
    struct clo_buf raw = clo_buf_init(0);
    int err;

    if ((err = ask(w, CLO_MSG_WORK_REPORT, nothing, sizeof nothing, m)) != 0)
        return err;
    if ((err = clo_memfd_read(m->fd, CLO_CPU_RAW_MAX, &raw)) == 0)
        err = clo_cpu_raw_read(raw.p, raw.len, ret);
    clo_buf_clear(&raw);
    clo_ipc_msg_clear(m);
    return err;
}

int clo_host_probe(const struct clo_config *cfg, struct clo_found *found,
                   struct clo_cpu_section *ret)
{
    static struct clo_ipc_msg m = {.fd = -1};
    struct clo_problem problem = {0};
    char path[CLO_STR_MAX];
    struct clo_cell_site site = {0};
    struct clo_cell_trial trial = {0};
    struct clo_worker w;
    pid_t pid = 0;
    int err;

    clo_worker_init(&w);
    /* In as much of its cell as can be built here: what is missing is another finding. */
    clo_cell_site_of(cfg, CLO_ROLE_WORKER, NULL, &site);
    if (clo_cells_try(CLO_CELL_WORKER, &site, &trial) != 0)
        return CLOISTER_E_IO;
    site.lacks = trial.parts & ~(unsigned)CLO_CELL_REST;
    *found = (struct clo_found){.error = CLOISTER_E_IO};
    if ((err = clo_helper_find(CLO_ROLE_ATTESTER, path, &problem)) != 0 ||
        (err = clo_worker_start(path, &site, &w.sock, &pid)) != 0)
        return err;
    if ((err = open_tee(&w, cfg, found, &m)) == 0 && found->error == 0)
        err = take_report(&w, ret, &m);
    clo_worker_drop(&w);
    (void)kill(pid, SIGKILL); /* it isn't waited for: it may hang, and this process ends soon */
    return err;
}
