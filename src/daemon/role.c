/* SPDX-License-Identifier: Apache-2.0 */
/* The start that all roles share. */
#include "daemon/role.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

int clo_role_begin(enum clo_role role, int argc, char *const argv[], struct clo_cell_site *ret)
{
    int err = clo_process_harden(0);

    if (err != 0)
        return err;
    if (argc != 3 || argv[1][0] < '0' || argv[1][0] > '0' + CLO_ERROR || argv[1][1] != 0 ||
        clo_cell_words_read(argv[2], ret) != 0)
        return CLOISTER_E_ARGUMENT;
    clo_log_level((enum clo_level)(argv[1][0] - '0'));
    clo_log(clo_role_name(role), CLO_EV_START, (uint64_t)getpid(), 0, 0, 0);
    return 0;
}

int clo_role_enclose(enum clo_role role, enum clo_cell_kind k, const struct clo_cell_site *site)
{
    enum clo_cell_part part = CLO_CELL_REST;
    int err;

    /* What libraries open once, when they first need it: /etc/localtime for a date, /dev/urandom for jansson's tables. */
    tzset();
    json_object_seed(0);
    err = clo_cells_enter(k, site, &part);
    if (err != 0)
        clo_log(clo_role_name(role), CLO_EV_CELL_FAIL, role, part, (uint64_t)errno, 0);
    return err;
}

int clo_role_log_level(const struct clo_ipc_msg *m)
{
    if (m->payload[0] > CLO_ERROR)
        return CLOISTER_E_PROTOCOL;
    clo_log_level((enum clo_level)m->payload[0]);
    return 0;
}

bool clo_ipc_writable(int sock)
{
    struct pollfd p = {.fd = sock, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

void clo_channel_drop(int *sock)
{
    if (*sock >= 0)
        close(*sock);
    *sock = -1;
}

void clo_channel_refuse(int *sock, enum clo_role peer)
{
    const uint8_t name = (uint8_t)peer;
    int err;

    clo_channel_drop(sock);
    err = clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_PEER_BAD, 0, &name, 1, -1);
    (void)err; /* a parent that can't be told is gone */
}
