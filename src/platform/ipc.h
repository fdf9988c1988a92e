/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPC between the daemon's processes: SOCK_SEQPACKET pairs, one packet a message, a 16-byte header (version u16, type u16,
 * length u32, id u64, little-endian) and a payload; at most CLO_IPC_MAX bytes in all. At most one descriptor travels with a message.
 *
 * A receiver names its state and its permit table: a message whose (state, type) has no row, whose length is outside
 * the row's bounds, or that brings a descriptor where none is permitted, is an error, and an error is fatal for the channel: the
 * caller must drop the peer (and exits, if the peer is its parent). The payload is copied once before it is read.
 * Fuzzed by fuzz/fuzz_ipc.c (header and permit check) and by each process's message readers.
 */
#ifndef CLO_PLATFORM_IPC_H
#define CLO_PLATFORM_IPC_H

#include "base/rw.h"

#define CLO_IPC_VERSION     1
#define CLO_IPC_HEADER      16
#define CLO_IPC_MAX         16384
#define CLO_IPC_PAYLOAD_MAX (CLO_IPC_MAX - CLO_IPC_HEADER)

struct clo_ipc_permit {
    uint32_t states; /* bit mask of the states (1u << state) in which the type is permitted */
    uint16_t type;
    uint32_t min, max; /* payload bytes */
    bool fd;           /* must bring exactly one descriptor; otherwise none */
};

struct clo_ipc_msg {
    uint16_t type;
    uint64_t id; /* request and answer share it; chosen by the asker */
    size_t n;
    int fd; /* -1: none; owned by the receiver */
    uint8_t payload[CLO_IPC_PAYLOAD_MAX];
};
/* Wipes the payload (it may hold keys) and closes the descriptor. */
void clo_ipc_msg_clear(struct clo_ipc_msg *m);

/* A connected pair, close-on-exec, non-blocking if asked. */
CLO_MUST_USE int clo_ipc_pair(int fd[2]);
/*
 * One message. CLOISTER_E_FULL: the socket's buffer is full, nothing was sent (try again when writable); CLOISTER_E_NETWORK: the
 * peer is gone. fd -1 for none; it stays the caller's.
 */
CLO_MUST_USE int clo_ipc_send(int sock, uint16_t type, uint64_t id, const void *p, size_t n,
                              int fd);
/*
 * One message for a receiver in `state`. CLOISTER_E_NOT_FOUND: nothing is there now; CLOISTER_E_NETWORK: the peer is gone;
 * CLOISTER_E_PROTOCOL: the peer broke the rules. *ret is filled on success only.
 */
CLO_MUST_USE int clo_ipc_recv(int sock, unsigned state, const struct clo_ipc_permit *table,
                              size_t rows, struct clo_ipc_msg *ret);
/* The header and permit check alone, for recv and the fuzzer: p is a whole packet. */
CLO_MUST_USE int clo_ipc_check(const void *p, size_t n, bool has_fd, unsigned state,
                               const struct clo_ipc_permit *table, size_t rows,
                               struct clo_ipc_msg *ret);

/* A sealed memfd with public bytes (never users' text or secrets: it can't be wiped), and its reading: seals are checked, then copied. */
CLO_MUST_USE int clo_memfd_make(const void *p, size_t n, int *ret_fd);
CLO_MUST_USE int clo_memfd_read(int fd, size_t max, struct clo_buf *ret);

#endif
