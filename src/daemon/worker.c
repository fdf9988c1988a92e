/* SPDX-License-Identifier: Apache-2.0 */
/* The asking side of the attester's worker: never blocks, believes no length. */
#include "daemon/worker.h"

#include <unistd.h>

#include "platform/process.h"

/* What may come while which question is open. */
enum question {
    NOTHING,
    OPENING,
    REPORTING,
    LOOKING,
    ATTESTING,
    ACCEPTING,
    ANSWERING
};

static const struct clo_ipc_permit from_worker[] = {
    {1U << OPENING, CLO_MSG_WORK_OPENED, 81, 256, false},
    {1U << REPORTING, CLO_MSG_WORK_REPORTED, 0, 0, true},
    {1U << LOOKING, CLO_MSG_WORK_LOOKED, 41, 41, false},
    {1U << ATTESTING, CLO_MSG_WORK_DEVICED, 0, 0, true},
    {1U << ACCEPTING, CLO_MSG_WORK_ACCEPTED, 0, 0, false},
    {1U << ANSWERING, CLO_MSG_WORK_ANSWERED, 4, 4, true},
    {~(1U << NOTHING), CLO_MSG_WORK_FAILED, 4, 4, false},
};

static enum question question_of(uint16_t asked)
{
    switch (asked) {
    case CLO_MSG_WORK_OPEN: return OPENING;
    case CLO_MSG_WORK_REPORT: return REPORTING;
    case CLO_MSG_WORK_LOOK: return LOOKING;
    case CLO_MSG_WORK_DEVICES: return ATTESTING;
    case CLO_MSG_WORK_ACCEPT: return ACCEPTING;
    case CLO_MSG_WORK_ANSWER: return ANSWERING;
    default: return NOTHING;
    }
}

void clo_worker_init(struct clo_worker *w)
{
    *w = (struct clo_worker){.sock = -1};
}

int clo_worker_start(const char *program, const struct clo_cell_site *site, int *ret_sock,
                     pid_t *ret_pid)
{
    static char name[] = "cloisterd-attester", level[] = "3", role[] = "worker";
    char words[CLO_CELL_WORDS];
    char *const argv[] = {name, level, words, role, NULL};
    int pair[2] = {-1, -1}, err;

    clo_cell_words(site, words);
    if ((err = clo_ipc_pair(pair)) != 0)
        return err;
    /* Mute: libraries of drivers and TPMs say what they like on standard error. */
    err = clo_process_start(
        &(struct clo_process_start){
            .path = program, .argv = argv, .control = pair[1], .mute = true, .folder = "/"},
        ret_pid);
    close(pair[1]);
    if (err != 0) {
        close(pair[0]);
        return err;
    }
    *ret_sock = pair[0];
    return 0;
}

void clo_worker_drop(struct clo_worker *w)
{
    if (w->sock >= 0)
        close(w->sock);
    w->sock = -1;
    w->asked = 0;
}

int clo_worker_ask(struct clo_worker *w, uint16_t type, const void *p, size_t n, uint32_t limit_s)
{
    int err;

    if (w->sock < 0 || w->asked != 0)
        return CLOISTER_E_STATE;
    if ((err = clo_ipc_send(w->sock, type, ++w->id, p, n, -1)) != 0)
        return err;
    w->asked = type;
    w->until_us = clo_clock_mono_us() + (int64_t)limit_s * 1000000;
    return 0;
}

int clo_worker_answer(struct clo_worker *w, struct clo_ipc_msg *ret)
{
    int err = clo_ipc_recv(w->sock, question_of(w->asked), from_worker, CLO_ARRAY_LEN(from_worker),
                           ret);

    if (err != 0)
        return err;
    if (ret->id != w->id) {
        clo_ipc_msg_clear(ret);
        return CLOISTER_E_PROTOCOL;
    }
    w->asked = 0;
    return 0;
}
