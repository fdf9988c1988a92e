/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attester's worker: a process of its own that alone holds the report interface and the GPUs' driver, because a call into
 * hardware takes as long as it takes, and the driver's library is a lot of foreign code. It is the attester's program again
 * (argv[3] is "worker"), started by the parent, which may let it touch hardware, with nothing but a channel to the attester; it ends
 * with that. It judges nothing and knows nothing of keys.
 *
 * Here is the side of whoever asks it, which is also `cloisterd check`; its own is attester/worker_main.c.
 *
 * It answers one question at a time. One that takes longer than its limit is given up with the worker, and another is asked for.
 */
#ifndef CLO_DAEMON_WORKER_H
#define CLO_DAEMON_WORKER_H

#include <sys/types.h>

#include "daemon/cells.h"
#include "platform/gpus.h"

struct clo_worker {
    int sock;         /* -1: none */
    uint16_t asked;   /* 0: it is idle */
    uint64_t id;      /* of the question */
    int64_t until_us; /* then it hangs */
};
void clo_worker_init(struct clo_worker *w);
/* For the parent, and `cloisterd check`. program: the attester's; *ret_sock: its channel. */
CLO_MUST_USE int clo_worker_start(const char *program, const struct clo_cell_site *site,
                                  int *ret_sock, pid_t *ret_pid);
/* Closes the channel: it ends by that, unless it hangs. */
void clo_worker_drop(struct clo_worker *w);
/* An idle one. Any error: drop it. */
CLO_MUST_USE int clo_worker_ask(struct clo_worker *w, uint16_t type, const void *p, size_t n,
                                uint32_t limit_s);
/* Its answer, if it is there: CLOISTER_E_NOT_FOUND: not yet; other errors: drop it. */
CLO_MUST_USE int clo_worker_answer(struct clo_worker *w, struct clo_ipc_msg *ret);

/* ---- payloads ---- */

/*
 * A cpu section on its way from maker to attester: as the hardware gave it, with members left out that join later. Not JSON: most of it
 * is long binary fields.
 */
#define CLO_CPU_RAW_MAX 262144
CLO_MUST_USE int clo_cpu_raw_write(const struct clo_cpu_section *c, struct clo_buf *out);
CLO_MUST_USE int clo_cpu_raw_read(const void *p, size_t n, struct clo_cpu_section *ret);
CLO_MUST_USE int clo_gpus_state_write(const struct clo_gpus_state *v, struct clo_wr *wr);
CLO_MUST_USE int clo_gpus_state_read(const void *p, size_t n, struct clo_gpus_state *ret);

#endif
