/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloisterd's parent, from the inside: what it knows of its children and of itself, and what its files do for each other.
 *
 *   main.c       the commands, and everything that can be wrong before a process runs
 *   child.c      starting a process, sending it its orders, seeing that it isn't hung
 *   settle.c     who is connected with whom, and under which manifest: the argument why no key is seen with two
 *   evidence.c   what the attester says for people: what it found, what it waits for, that GPUs were lost
 *   cell.c       what can't be built of the cells, the users' folders, and the parent's own cell
 *   supervise.c  what children say, what becomes of those that end, signals, the loop
 *   reload.c     SIGHUP
 *
 * It reads no byte from the network and holds no secret but digests of API keys.
 */
#ifndef CLO_DAEMON_PARENT_H
#define CLO_DAEMON_PARENT_H

#include "daemon/parent/cell_check.h"
#include "daemon/parent/files.h"
#include "daemon/parent/keys.h"
#include "platform/notify.h"

enum clo_child_state {
    CLO_CHILD_ABSENT,
    CLO_CHILD_STARTING,
    CLO_CHILD_RUNNING
};

struct clo_child {
    enum clo_child_state state;
    pid_t pid;
    int control;
    uint64_t life; /* counts starts */
    char path[CLO_STR_MAX];
    int64_t since_us, again_us; /* started; when to start again */
    unsigned delay_ms;
    unsigned pings; /* unanswered */
};

enum clo_phase {
    CLO_PHASE_SERVING,
    CLO_PHASE_DRAINING,
    CLO_PHASE_ENDING
};

struct clo_parent {
    int argc; /* the command line, which a reload puts on top of the file again */
    char *const *argv;
    struct clo_config cfg;
    struct clo_runtime runtime;
    struct clo_keys keys;
    struct clo_cells_found cells;
    struct clo_notify notify;
    char model[CLO_STR_MAX], server[CLO_STR_MAX];
    char gateway_path[CLO_GATEWAY_PATH_LEN + 1];
    int listener, signals;
    uint16_t port;
    enum clo_phase phase;
    int64_t deadline_us; /* of CLO_PHASE_DRAINING and CLO_PHASE_ENDING */
    int64_t ping_us;     /* the next one, while CLO_PHASE_SERVING */
    bool reload_wanted;
    int64_t reload_us; /* not before */
    int status;        /* to exit with */
    struct clo_child child[CLO_ROLE_COUNT];
    char socket[CLO_STR_MAX]; /* the managed engine's */
    bool worker_wanted;
    bool engine_advised; /* the sentence about an engine that doesn't start was said */
    uint8_t simulated[32 + 48];
    bool has_simulated;
    struct clo_waiting waiting;  /* the last one that was said */
    bool said_found, said_unfit; /* sentences about what the attester found */
    bool gpus;                   /* the attester vouches for some, once it is ready */
    /* the engine that is up, and what was said about it */
    bool up;
    struct clo_engine_state engine;
    struct clo_buf manifest;
    uint64_t manifest_number; /* counts engines that came up */
    uint64_t gateway_keeper[2], gateway_attester[2],
        attester_fetcher[2];  /* lives that are connected */
    uint64_t bound[3];        /* manifest and lives of keeper and attester that are bound */
    uint64_t bind_number;     /* counts bindings */
    uint64_t quotable;        /* the binding under which the attester can quote */
    uint64_t keeper_reset[2]; /* keeper's life, and the manifest that it was last reset for */
    uint64_t gateway_told
        [3]; /* gateway's life, the manifest whose engine it knows (0: none), the binding */
    uint64_t gateway_serves; /* the binding under which it said that it serves */
    bool ready, ever_ready;
};

/* One sentence for people, on standard error. */
void clo_parent_say(const char *sentence);

/* child.c */
struct clo_child *clo_child_of(struct clo_parent *p, enum clo_role r);
/* Counts starts; 0: it isn't running. */
uint64_t clo_child_life(const struct clo_parent *p, enum clo_role r);
/* False: it can't be told, and is killed. */
bool clo_child_send(struct clo_parent *p, enum clo_role r, uint16_t type, uint64_t id,
                    const void *bytes, size_t n, int fd);
/* It broke the rules, or doesn't listen: what it holds can't be relied on. Its end is seen like any other. */
void clo_child_kill(struct clo_parent *p, enum clo_role r);
CLO_MUST_USE int clo_parent_send_credentials(struct clo_parent *p);
CLO_MUST_USE int clo_parent_send_limits(struct clo_parent *p);
void clo_child_schedule(struct clo_parent *p, enum clo_role r);
bool clo_child_may_start(const struct clo_parent *p, enum clo_role r);
/* Starts what is due. */
void clo_children_start(struct clo_parent *p);
/* Replaces what hangs: a process that is stopped, or runs in circles, ends nothing and answers nothing. */
void clo_children_ping(struct clo_parent *p);

/* The attester asked for a worker. */
CLO_MUST_USE int clo_parent_want_worker(struct clo_parent *p);

/* cell.c */
/* What there is and what may be missing, and what the users of the cells have to own. Status: of the process, where it is to end. */
CLO_MUST_USE int clo_parent_prepare_cells(struct clo_parent *p, struct clo_problem *problem,
                                          int *ret_status);
/* The last before children run. */
CLO_MUST_USE int clo_parent_enclose(struct clo_parent *p, struct clo_problem *problem);

/* settle.c */
/* Compare what is with what should be, and send what makes up the difference. */
void clo_parent_settle(struct clo_parent *p);
void clo_parent_set_ready(struct clo_parent *p, bool ready);
/* An engine came up: step 1 of the argument in settle.c. */
CLO_MUST_USE int clo_parent_engine_up(struct clo_parent *p, const struct clo_ipc_msg *m);

/* evidence.c */
CLO_MUST_USE int clo_parent_found(struct clo_parent *p, const struct clo_ipc_msg *m);
CLO_MUST_USE int clo_parent_waiting(struct clo_parent *p, const struct clo_ipc_msg *m);
CLO_MUST_USE int clo_parent_devices_lost(struct clo_parent *p, const struct clo_ipc_msg *m);
/* fault: enum clo_devices_fault; 0: unknown. */
void clo_parent_retire_keys(struct clo_parent *p, uint32_t fault);

/* supervise.c: until everything has ended. */
void clo_parent_run(struct clo_parent *p);

/* reload.c: all of it holds afterwards, or nothing has changed; either way it is said. */
void clo_parent_reload(struct clo_parent *p);
void clo_parent_say_if_no_keys(const struct clo_parent *p);

#endif
