/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attester, from the inside.
 *
 *   main.c         channels: who says what, and what is due to whom
 *   rounds.c       what the worker is asked for, in which order, and to whom its answers go:
 *   stages.c       from START to READY
 *   watch.c        the GPUs' state, and what takes keys from them
 *   keys.c         the next keys, with the GPUs' reports over them
 *   batch.c        one report for the nonces that wait
 *   appraise.c     our own appraisal, which all of them need; what is wrong, for the parent
 *                  (rounds.h: what these have of each other)
 *   collateral.c   what evidence needs beside reports
 *   quotes.c       nonces that wait, and those that one report answers
 *   worker_main.c  the worker; as it is seen from here: ../worker.h
 *   given.c        limits and roots
 *
 * Nothing here blocks: hardware is the worker's, networks are the fetcher's.
 */
#ifndef CLO_DAEMON_ATTESTER_H
#define CLO_DAEMON_ATTESTER_H

#include "daemon/attester/collateral.h"
#include "daemon/attester/given.h"
#include "daemon/attester/quotes.h"
#include "daemon/role.h"
#include "daemon/worker.h"

enum clo_attester_state {
    CLO_ATTESTER_NEW,
    CLO_ATTESTER_PREPARING, /* no evidence yet: a stage below */
    CLO_ATTESTER_RUNNING,
    CLO_ATTESTER_LOST /* the GPUs can't be vouched for: it ends */
};
/* From START to READY, one after the other. */
enum clo_stage {
    CLO_STAGE_OPEN,
    CLO_STAGE_REPORT,  /* a first report, over random data */
    CLO_STAGE_CPU,     /* its certificates and collateral; then it is appraised */
    CLO_STAGE_LOOK,    /* with GPUs: as the driver tells */
    CLO_STAGE_DEVICES, /* their reports over a random nonce */
    CLO_STAGE_GPUS,    /* their revocation answers; then they are appraised */
    CLO_STAGE_ACCEPT,  /* they may work */
    CLO_STAGE_DONE
};
/* Why the worker was asked. */
enum clo_purpose {
    CLO_FOR_NOTHING,
    CLO_FOR_OPENING,
    CLO_FOR_START,   /* report, devices, accept of a stage */
    CLO_FOR_WATCH,   /* a look */
    CLO_FOR_KEYS,    /* devices for the next keys */
    CLO_FOR_BATCH,   /* report */
    CLO_FOR_SUPPLY,  /* the simulator's answer */
    CLO_FOR_THE_END, /* accept nothing more */
};

/* A section and its digest. */
struct clo_part {
    struct clo_buf bytes;
    uint8_t digest[32];
};

/* Reports of all GPUs over one nonce. */
struct clo_attested {
    struct clo_devices devices;
    struct clo_buf section;
    uint8_t nonce[32];
    bool there;
};

/* A report, as the worker gave it. */
struct clo_reported {
    struct clo_buf raw; /* clo_cpu_raw_write; empty: none */
    uint8_t data[64];
};

/* What one report bound together, until all of its batch are answered. */
struct clo_bound {
    int error; /* then there is no report */
    struct clo_buf keys;
    struct clo_part cpu;
    uint8_t manifest[32], devices[32], collateral[32];
};

struct clo_attester {
    enum clo_attester_state state;
    struct clo_attester_start start;
    struct clo_found found;
    bool opened;                      /* once: what was found doesn't change */
    uint8_t simulated[80];            /* root and measurement */
    struct cloister_roots *own_roots; /* the simulator's */
    struct clo_supply *supply;
    int end; /* exit status, once it is not -1 */

    struct clo_worker worker;
    bool worker_wanted; /* the parent was asked for one */
    enum clo_purpose purpose;
    int64_t worker_again_us;
    uint64_t answer_id; /* CLO_FOR_SUPPLY */
    enum clo_stage stage;
    int64_t again_us; /* a stage that failed */
    int64_t anew_us;  /* then what it has waited with is asked for anew */
    bool waited;      /* the GPUs' stage did, for collateral */
    struct clo_waiting said;
    struct clo_reported report; /* the newest one that was found good */
    struct clo_gpus_state gpus; /* as they were when they were appraised */
    int64_t watch_us, looked_us;
    unsigned silent; /* looks without an answer */

    /* keys, manifest, devices and collateral: what evidence has inside */
    struct clo_part part[CLO_SEC_COUNT];
    struct clo_attested attested; /* of part[CLO_SEC_DEVICES]; empty without GPUs */
    bool quotable;
    int64_t expires;
    uint64_t manifest_id; /* the parent's number of the manifest */
    /* what it will have, as soon as that is appraised */
    struct clo_part next;
    struct clo_attested next_attested;
    int64_t next_expires;
    bool next_waits; /* for collateral */
    uint64_t next_number,
        asked_number; /* counts changes of `next`; as it was when the GPUs were asked */
    int64_t next_again_us;

    struct clo_quotes *quotes;
    struct clo_bound bound;
    struct clo_reported batch;
    bool made;              /* the batch's evidence, or its error */
    bool batch_waits;       /* for what only its own report told */
    int64_t batch_until_us; /* then no longer */
    int64_t batch_since_us;
    size_t batch_count;
    uint8_t proved[32]; /* the collateral with which the devices were appraised last */
    int64_t proved_until;
    unsigned blobs_due; /* bit mask of sections that the gateway lacks */

    int gateway, keeper, fetcher;
};

/* rounds.c, and the files beside it */
/* Everything that can be done now. An error ends the attester. */
CLO_MUST_USE int clo_attester_turn(struct clo_attester *a);
/* When there may be more to do, whatever anybody says: monotonic microseconds. */
int64_t clo_attester_wake_us(const struct clo_attester *a);
/* Answers about collateral came, or won't. */
void clo_attester_supplied(struct clo_attester *a);
/* PEER(worker): its channel is taken out of the message. */
CLO_MUST_USE int clo_attester_take_worker(struct clo_attester *a, struct clo_ipc_msg *m);
CLO_MUST_USE int clo_attester_take_keys(struct clo_attester *a, const struct clo_ipc_msg *m);
void clo_attester_forget_keys(struct clo_attester *a);

/* worker_main.c: the worker, from its START to its end: the process's exit status. */
int clo_worker_main(void);

CLO_MUST_USE int clo_part_copy(struct clo_part *p, const void *bytes, size_t n);
struct clo_moment clo_attester_now(void);

#define CLO_ATTESTER_BLOBS \
    (1U << CLO_SEC_MANIFEST | 1U << CLO_SEC_DEVICES | 1U << CLO_SEC_COLLATERAL)

#endif
