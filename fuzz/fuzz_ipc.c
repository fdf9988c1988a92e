/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPC between the daemon's processes. The first byte chooses what reads the rest: the header and permit check, or one of the
 * payload readers. What a reader accepts is written again, byte for byte.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/messages.h"
#include "fuzz.h"

static const struct clo_ipc_permit table[] = {
    {1U << 0, CLO_MSG_KEEPER_START, 1, CLO_IPC_PAYLOAD_MAX, false},
    {1U << 0 | 1U << 1, CLO_MSG_QUOTE, 32, 32, false},
    {1U << 1, CLO_MSG_PEER, 1, 1, true},
    {1U << 1, CLO_MSG_DRAIN, 0, 0, false},
    {1U << 31, CLO_MSG_OPEN, 8, 1128, false},
};

static void check(const uint8_t *p, size_t n)
{
    static struct clo_ipc_msg m;
    bool has_fd;
    unsigned state;

    if (n < 1)
        return;
    has_fd = (p[0] & 0x80) != 0;
    state = p[0] & 0x3f; /* beyond 31 there are no states */
    p++;
    n--;
    if (clo_ipc_check(p, n, has_fd, state, table, CLO_ARRAY_LEN(table), &m) != 0)
        return;
    FUZZ_CHECK(state < 32 && n <= CLO_IPC_MAX && m.n == n - CLO_IPC_HEADER && m.fd == -1);
    FUZZ_CHECK(m.n == 0 || memcmp(m.payload, p + CLO_IPC_HEADER, m.n) == 0);
    for (size_t i = 0; i < CLO_ARRAY_LEN(table); i++)
        if (table[i].type == m.type)
            FUZZ_CHECK((table[i].states >> state & 1) != 0 && m.n >= table[i].min &&
                       m.n <= table[i].max && table[i].fd == has_fd);
}

#define READ_AND_WRITE(kind)                                                                   \
    static void kind##_again(const uint8_t *p, size_t n)                                       \
    {                                                                                          \
        static struct clo_##kind v;                                                            \
        static uint8_t out[CLO_IPC_MAX + 1];                                                   \
        struct clo_wr wr = clo_wr_init(out, sizeof out);                                       \
                                                                                               \
        if (clo_##kind##_read(p, n, &v) != 0)                                                  \
            return;                                                                            \
        FUZZ_CHECK(clo_##kind##_write(&v, &wr) == 0 && wr.len == n && memcmp(out, p, n) == 0); \
    }

READ_AND_WRITE(keeper_start)
READ_AND_WRITE(attester_start)
READ_AND_WRITE(engine_start)
READ_AND_WRITE(engine_up)
READ_AND_WRITE(engine_state)
READ_AND_WRITE(gateway_start)
READ_AND_WRITE(gateway_limits)
READ_AND_WRITE(quoted)
READ_AND_WRITE(found)
READ_AND_WRITE(waiting)
READ_AND_WRITE(fetcher_start)
READ_AND_WRITE(fetch)
READ_AND_WRITE(fetched)

static void credentials_again(const uint8_t *p, size_t n)
{
    struct clo_credential_terms *v = NULL;
    struct clo_buf out = clo_buf_init(CLO_IPC_MAX);
    uint32_t count = 0;

    if (clo_credentials_read(p, n, &v, &count) != 0)
        return;
    FUZZ_CHECK(clo_credentials_write(v, count, &out) == 0);
    FUZZ_CHECK(out.len == n && memcmp(out.p, p, n) == 0);
    clo_buf_clear(&out);
    free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const reader[])(const uint8_t *p, size_t n) = {
        check,
        keeper_start_again,
        attester_start_again,
        engine_start_again,
        engine_up_again,
        engine_state_again,
        gateway_start_again,
        quoted_again,
        gateway_limits_again,
        credentials_again,
        found_again,
        waiting_again,
        fetcher_start_again,
        fetch_again,
        fetched_again,
    };

    if (size < 1 || size > CLO_IPC_MAX)
        return 0;
    reader[data[0] % CLO_ARRAY_LEN(reader)](data + 1, size - 1);
    return 0;
}
