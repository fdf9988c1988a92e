/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parent finds and makes in the file system and takes from it: its folders, its lock, this replica's path,
 * the helpers, llama-server, the listening socket. Each failure is one sentence (struct clo_problem).
 */
#ifndef CLO_DAEMON_FILES_H
#define CLO_DAEMON_FILES_H

#include "daemon/parent/config.h"

/* The runtime folder: made if need be, private, locked for this process, cleared of what a crash left there. */
struct clo_runtime {
    char dir[CLO_STR_MAX];
    bool made; /* by this process: goes at the end */
    int lock;
};
CLO_MUST_USE int clo_runtime_open(const char *dir, struct clo_runtime *ret,
                                  struct clo_problem *problem);
void clo_runtime_close(struct clo_runtime *r);
/* Where the engine's sockets lie: below the runtime folder, and nothing else is there. */
void clo_engine_folder(const struct clo_runtime *r, char ret[CLO_STR_MAX]);

/* The configured folder, or the default one of this user; CLOISTER_E_NOT_FOUND: there is none. */
CLO_MUST_USE int clo_runtime_dir(const char *configured, char ret[CLO_STR_MAX]);
CLO_MUST_USE int clo_state_dir(const char *configured, char ret[CLO_STR_MAX]);
CLO_MUST_USE int clo_cache_dir(const char *configured, char ret[CLO_STR_MAX]);
/* Make it, if need be, and see that nobody can write to it but this user and `other`, the fetcher's. */
CLO_MUST_USE int clo_cache_open(const char *configured, uid_t other, char ret[CLO_STR_MAX],
                                struct clo_problem *problem);

/*
 * What a start would say of these folders, without making or locking anything. *ret is the folder, or, where it isn't made yet, what
 * there is of its path.
 */
CLO_MUST_USE int clo_runtime_examine(const char *dir, char ret[CLO_STR_MAX],
                                     struct clo_problem *problem);
CLO_MUST_USE int clo_state_examine(const char *dir, char ret[CLO_STR_MAX],
                                   struct clo_problem *problem);
CLO_MUST_USE int clo_cache_examine(const char *dir, uid_t other, char ret[CLO_STR_MAX],
                                   struct clo_problem *problem);

/*
 * Open files that so many connections need: each has one, and one to the engine, and a process opens others beside. A gateway
 * without would lose messages that bring a descriptor, and strangers could see to that by connecting.
 */
static inline uint64_t clo_descriptors_needed(uint32_t connections)
{
    return 2 * (uint64_t)connections + 64;
}

/* This replica's path: read from the state folder, made there at the first start. */
CLO_MUST_USE int clo_gateway_path_load(const char *state_dir, const struct clo_rng *rng,
                                       char ret[CLO_GATEWAY_PATH_LEN + 1],
                                       struct clo_problem *problem);

/* Path of a helper: beside this program, or in the folder of the installation. */
CLO_MUST_USE int clo_helper_find(enum clo_role role, char ret[CLO_STR_MAX],
                                 struct clo_problem *problem);
/* llama-server: as configured, on PATH, or the newest in Cloister's cache. */
CLO_MUST_USE int clo_engine_find(const char *configured, char ret[CLO_STR_MAX],
                                 struct clo_problem *problem);
/* The model is a regular, readable file; its absolute path. */
CLO_MUST_USE int clo_model_check(const char *file, char ret[CLO_STR_MAX],
                                 struct clo_problem *problem);
/* The listening socket and its port. */
CLO_MUST_USE int clo_listen_open(const struct clo_config *c, int *ret_fd, uint16_t *ret_port,
                                 struct clo_problem *problem);

#endif
