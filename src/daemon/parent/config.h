/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: the command line, then a file of `Keyword value` lines for whatever the command line left open.
 * Whatever is wrong becomes one sentence that says where and what to do; nothing is guessed, nothing unknown is ignored.
 */
#ifndef CLO_DAEMON_CONFIG_H
#define CLO_DAEMON_CONFIG_H

#include <sys/socket.h>

#include "base/event.h"
#include "daemon/messages.h"

#define CLO_CONFIG_FILE "/etc/cloister/cloisterd.conf"

/* A sentence for people, without a final stop, as it may reach a terminal. */
struct clo_problem {
    char text[1024];
};
/* Sets it and returns CLOISTER_E_CONFIG. */
int clo_problem_set(struct clo_problem *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct clo_config {
    struct sockaddr_storage listen;
    socklen_t listen_n;
    char listen_text[CLO_STR_MAX]; /* as given */
    bool loopback;
    enum clo_tee tee;
    bool gpus;                      /* this machine's belong to the evidence, if it has any */
    uint32_t tpm_pcrs;              /* bit i: a vTPM quotes PCR i */
    struct clo_fetcher_start fetch; /* its `cache` as given; "": the default place */
    bool managed;
    char model[CLO_STR_MAX];    /* managed */
    char server[CLO_STR_MAX];   /* managed; "" to look for it */
    char upstream[CLO_STR_MAX]; /* otherwise, as in struct clo_engine_start */
    bool vllm;                  /* upstream is, so that it takes cache_salt */
    char model_name[128];       /* "": the engine's own */
    uint32_t slots, context, threads;
    enum clo_pooling embeddings;                           /* managed */
    char api_keys[CLO_STR_MAX];                            /* "": none */
    char runtime_dir[CLO_STR_MAX], state_dir[CLO_STR_MAX]; /* "": the default place */
    enum clo_shaping shape;
    uint32_t key_lifetime, quota, epoch_requests;
    bool x25519;
    uint32_t request_max, memory_max, connections_max, parallel, queue_max;
    uint32_t peer_max; /* connections of one address; 0: no limit */
    bool peer_given;   /* otherwise it follows from loopback and connections_max */
    uint32_t relays;
    struct clo_network relay[CLO_RELAYS_MAX];
    uint32_t cell_uid;     /* clo_cell_user */
    bool incomplete_cells; /* go on where they can't be built as they should be */
    uint32_t drain_timeout;
    int ready_fd; /* -1: none */
    enum clo_level log_level;
};

enum clo_config_want {
    CLO_WANT_RUN,
    CLO_WANT_HELP,
    CLO_WANT_VERSION
};
/*
 * Read the command line and the file that it names (or CLO_CONFIG_FILE, if that exists). With *ret_want other than
 * CLO_WANT_RUN the rest of *ret is not filled.
 */
CLO_MUST_USE int clo_config_read(int argc, char *const argv[], struct clo_config *ret,
                                 enum clo_config_want *ret_want, struct clo_problem *problem);
/*
 * The key store that a daemon with this configuration would use: ApiKeys in `file`, or, where that is NULL, in CLO_CONFIG_FILE. The
 * rest of the file need not make sense together yet.
 */
CLO_MUST_USE int clo_config_key_store(const char *file, char ret[CLO_STR_MAX],
                                      struct clo_problem *problem);
/*
 * What a running daemon does when it finds `next` in the file's place: *ret is `now` with all of `next` that can change while requests
 * run. `names` gets the keywords of the rest that differ, apart by commas, for which a restart is needed; "" if there are none.
 */
CLO_MUST_USE int clo_config_merge(const struct clo_config *now, const struct clo_config *next,
                                  struct clo_config *ret, char *names, size_t names_cap,
                                  struct clo_problem *problem);
/* With this configuration: the simulator is its own vendor, and needs no fetcher. */
bool clo_role_wanted(const struct clo_config *c, enum clo_role r);
/* The text of --help, to standard output. */
void clo_config_help(void);

#endif
