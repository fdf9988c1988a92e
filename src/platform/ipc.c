/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPC over SOCK_SEQPACKET pairs. Packet boundaries are the kernel's, so a message is whole or absent; what came is copied
 * out of the kernel once, checked against the receiver's permit table, and wiped from every buffer that it passed.
 */
#include "platform/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
/* The kernel hands over up to as many descriptors as fit: room for more than one, so that surplus is seen and closed. */
enum {
    FDS_MAX = 4
};

union control {
    struct cmsghdr align;
    uint8_t space[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

void clo_ipc_msg_clear(struct clo_ipc_msg *m)
{
    if (m == NULL)
        return;
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
    clo_wipe(m->payload, m->n <= sizeof m->payload ? m->n : sizeof m->payload);
    m->n = 0;
}

int clo_ipc_pair(int fd[2])
{
    int pair[2] = {-1, -1};

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return CLOISTER_E_IO;
    fd[0] = pair[0];
    fd[1] = pair[1];
    return 0;
}

static int send_error(int e)
{
    switch (e) {
    case EAGAIN:
    case ENOBUFS:
    case ETOOMANYREFS: return CLOISTER_E_FULL;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN: return CLOISTER_E_NETWORK;
    default: return CLOISTER_E_IO;
    }
}

int clo_ipc_send(int sock, uint16_t type, uint64_t id, const void *p, size_t n, int fd)
{
    uint8_t head[CLO_IPC_HEADER];
    struct clo_wr wr = clo_wr_init(head, sizeof head);
    union control control = {0};
    struct iovec iov[2] = {{head, sizeof head}, {0}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n > 0 ? 2 : 1};
    ssize_t sent;
    int err;

    if (n > CLO_IPC_PAYLOAD_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = clo_wr_u16le(&wr, CLO_IPC_VERSION)) != 0 || (err = clo_wr_u16le(&wr, type)) != 0 ||
        (err = clo_wr_u32le(&wr, (uint32_t)n)) != 0 || (err = clo_wr_u64le(&wr, id)) != 0)
        return err;
    /* iov_base isn't const, but sendmsg only reads it */
    memcpy(&iov[1].iov_base, &p, sizeof p);
    iov[1].iov_len = n;
    if (fd >= 0) {
        struct cmsghdr *c;

        msg.msg_control = control.space;
        msg.msg_controllen = CMSG_SPACE(sizeof fd);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    do
        sent = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? send_error(errno) : 0;
}

int clo_ipc_check(const void *p, size_t n, bool has_fd, unsigned state,
                  const struct clo_ipc_permit *table, size_t rows, struct clo_ipc_msg *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    uint16_t version = 0, type = 0;
    uint32_t len = 0;
    uint64_t id = 0;

    if (state > 31 || n > CLO_IPC_MAX || clo_rd_u16le(&rd, &version) != 0 ||
        version != CLO_IPC_VERSION || clo_rd_u16le(&rd, &type) != 0 ||
        clo_rd_u32le(&rd, &len) != 0 || clo_rd_u64le(&rd, &id) != 0 || len != rd.left)
        return CLOISTER_E_PROTOCOL;
    for (size_t i = 0; i < rows; i++) {
        const struct clo_ipc_permit *row = &table[i];

        if (row->type != type || (row->states & (1U << state)) == 0)
            continue;
        if (len < row->min || len > row->max || has_fd != row->fd)
            break;
        ret->type = type;
        ret->id = id;
        ret->n = len;
        ret->fd = -1;
        return clo_rd_bytes(&rd, ret->payload, len);
    }
    return CLOISTER_E_PROTOCOL;
}

/* Takes the descriptors out of a received message: the first into *ret, the others are closed. Returns how many came. */
static size_t take_fds(struct msghdr *msg, int *ret)
{
    size_t count = 0;

    *ret = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd = -1;

            memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
            if (count++ == 0)
                *ret = fd;
            else
                close(fd);
        }
    }
    return count;
}

int clo_ipc_recv(int sock, unsigned state, const struct clo_ipc_permit *table, size_t rows,
                 struct clo_ipc_msg *ret)
{
    CLO_SECRET(packet, CLO_IPC_MAX);
    union control control = {0};
    struct iovec iov = {packet, sizeof packet};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.space,
                         .msg_controllen = sizeof control.space};
    size_t fds;
    ssize_t n;
    int fd = -1;
    int err;

    do
        n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN       ? CLOISTER_E_NOT_FOUND
               : errno == ECONNRESET ? CLOISTER_E_NETWORK
                                     : CLOISTER_E_IO;
    fds = take_fds(&msg, &fd);
    /* Length zero is the end of the channel; an empty packet, which looks the same, ends it too. */
    err = n == 0 ? CLOISTER_E_NETWORK
          : (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || fds > 1
              ? CLOISTER_E_PROTOCOL
              : clo_ipc_check(packet, (size_t)n, fds == 1, state, table, rows, ret);
    if (err != 0) {
        if (fd >= 0)
            close(fd);
        return err;
    }
    ret->fd = fd;
    return 0;
}

int clo_memfd_make(const void *p, size_t n, int *ret_fd)
{
    struct clo_rd rd = clo_rd_init(p, n);
    int fd = memfd_create("cloister", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return CLOISTER_E_IO;
    while (rd.left > 0) {
        ssize_t wrote = write(fd, rd.p, rd.left);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0 || clo_rd_skip(&rd, (size_t)wrote) != 0)
            goto fail;
    }
    if (fcntl(fd, F_ADD_SEALS, SEALS) != 0)
        goto fail;
    *ret_fd = fd;
    return 0;
fail:
    close(fd);
    return CLOISTER_E_IO;
}

int clo_memfd_read(int fd, size_t max, struct clo_buf *ret)
{
    struct clo_buf b = clo_buf_init(max);
    struct stat st;
    uint8_t *at = NULL;
    int err = 0;
    int seals = fcntl(fd, F_GET_SEALS);

    /* Unsealed, the sender could change the bytes between their check and their use. */
    if (seals < 0 || (seals & SEALS) != SEALS)
        return CLOISTER_E_PROTOCOL;
    if (fstat(fd, &st) != 0 || st.st_size < 0)
        return CLOISTER_E_IO;
    if ((uint64_t)st.st_size > max)
        return CLOISTER_E_LIMIT;
    while (b.len < (size_t)st.st_size) {
        size_t want = (size_t)st.st_size - b.len;
        ssize_t got;

        if ((err = clo_buf_reserve(&b, want, &at)) != 0)
            goto out;
        got = pread(fd, at, want, (off_t)b.len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            err = CLOISTER_E_IO;
            goto out;
        }
        clo_buf_commit(&b, (size_t)got);
    }
    clo_buf_clear(ret);
    *ret = b;
    b = clo_buf_init(0);
out:
    clo_buf_clear(&b);
    return err;
}
