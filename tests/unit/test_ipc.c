/* SPDX-License-Identifier: Apache-2.0 */
/* The channel between processes: what passes, what is a breach, and what stays behind. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/messages.h"

enum {
    NEW,
    RUNNING
};
static const struct clo_ipc_permit table[] = {
    {1U << NEW, 10, 4, 8, false},
    {1U << NEW | 1U << RUNNING, 11, 0, CLO_IPC_PAYLOAD_MAX, false},
    {1U << RUNNING, 12, 1, 1, true},
};

struct channel {
    int fd[2];
    struct clo_ipc_msg m;
};

static int up(void **state)
{
    struct channel *c = calloc(1, sizeof *c);

    if (c == NULL || clo_ipc_pair(c->fd) != 0)
        return -1;
    c->m.fd = -1;
    *state = c;
    return 0;
}

static int down(void **state)
{
    struct channel *c = *state;

    clo_ipc_msg_clear(&c->m);
    close(c->fd[0]);
    close(c->fd[1]);
    free(c);
    return 0;
}

static int receive(struct channel *c, unsigned state)
{
    return clo_ipc_recv(c->fd[1], state, table, CLO_ARRAY_LEN(table), &c->m);
}

/* A descriptor that is surely not open any more would be a bug of the test: count them instead. */
static int open_fds(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void a_permitted_message_arrives_whole(void **state)
{
    struct channel *c = *state;

    assert_int_equal(clo_ipc_send(c->fd[0], 10, 77, "hello", 5, -1), 0);
    assert_int_equal(receive(c, NEW), 0);
    assert_int_equal(c->m.type, 10);
    assert_int_equal(c->m.id, 77);
    assert_int_equal(c->m.n, 5);
    assert_memory_equal(c->m.payload, "hello", 5);
    assert_int_equal(c->m.fd, -1);
    assert_int_equal(receive(c, NEW), CLOISTER_E_NOT_FOUND);
}

static void the_largest_message_arrives_and_a_larger_one_is_not_sent(void **state)
{
    struct channel *c = *state;
    static uint8_t big[CLO_IPC_PAYLOAD_MAX + 1];

    memset(big, 'x', sizeof big);
    assert_int_equal(clo_ipc_send(c->fd[0], 11, 0, big, sizeof big, -1), CLOISTER_E_LIMIT);
    assert_int_equal(clo_ipc_send(c->fd[0], 11, 0, big, sizeof big - 1, -1), 0);
    assert_int_equal(receive(c, NEW), 0);
    assert_int_equal(c->m.n, CLO_IPC_PAYLOAD_MAX);
    assert_memory_equal(c->m.payload, big, CLO_IPC_PAYLOAD_MAX);
}

static void a_type_without_a_row_is_a_breach(void **state)
{
    struct channel *c = *state;

    assert_int_equal(clo_ipc_send(c->fd[0], 99, 0, NULL, 0, -1), 0);
    assert_int_equal(receive(c, NEW), CLOISTER_E_PROTOCOL);
}

static void a_type_of_another_state_is_a_breach(void **state)
{
    struct channel *c = *state;

    assert_int_equal(clo_ipc_send(c->fd[0], 10, 0, "hello", 5, -1), 0);
    assert_int_equal(receive(c, RUNNING), CLOISTER_E_PROTOCOL);
}

static void lengths_outside_the_row_are_breaches(void **state)
{
    struct channel *c = *state;

    for (size_t n = 0; n <= 12; n++) {
        assert_int_equal(clo_ipc_send(c->fd[0], 10, 0, "twelve bytes", n, -1), 0);
        assert_int_equal(receive(c, NEW), n >= 4 && n <= 8 ? 0 : CLOISTER_E_PROTOCOL);
    }
}

static void an_unexpected_descriptor_is_a_breach_and_is_closed(void **state)
{
    struct channel *c = *state;
    int before = open_fds();

    assert_int_equal(clo_ipc_send(c->fd[0], 10, 0, "hello", 5, c->fd[0]), 0);
    assert_int_equal(receive(c, NEW), CLOISTER_E_PROTOCOL);
    assert_int_equal(open_fds(), before);
}

static void a_missing_descriptor_is_a_breach(void **state)
{
    struct channel *c = *state;

    assert_int_equal(clo_ipc_send(c->fd[0], 12, 0, "x", 1, -1), 0);
    assert_int_equal(receive(c, RUNNING), CLOISTER_E_PROTOCOL);
}

static void a_descriptor_arrives_closed_on_exec_and_is_closed_with_its_message(void **state)
{
    struct channel *c = *state;
    int before = open_fds();

    assert_int_equal(clo_ipc_send(c->fd[0], 12, 0, "x", 1, c->fd[0]), 0);
    assert_int_equal(receive(c, RUNNING), 0);
    assert_true(c->m.fd >= 0);
    assert_int_equal(fcntl(c->m.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(open_fds(), before + 1);
    clo_ipc_msg_clear(&c->m);
    assert_int_equal(open_fds(), before);
}

static void two_descriptors_are_a_breach_and_are_closed(void **state)
{
    struct channel *c = *state;
    uint8_t packet[17] = {1, 0, 12, 0, 1};
    union {
        struct cmsghdr align;
        uint8_t space[CMSG_SPACE(8 * sizeof(int))];
    } control = {0};
    struct iovec iov = {packet, sizeof packet};
    int before = open_fds();

    for (size_t fds = 2; fds <= 8; fds += 3) {
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space};
        struct cmsghdr *h;

        msg.msg_controllen = CMSG_SPACE(fds * sizeof(int));
        h = CMSG_FIRSTHDR(&msg);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(fds * sizeof(int));
        for (size_t i = 0; i < fds; i++)
            memcpy(CMSG_DATA(h) + i * sizeof(int), &c->fd[0], sizeof(int));
        assert_int_equal(sendmsg(c->fd[0], &msg, 0), sizeof packet);
        assert_int_equal(receive(c, RUNNING), CLOISTER_E_PROTOCOL);
        assert_int_equal(open_fds(), before);
    }
}

/* A whole packet, byte by byte: version, type, length, id. */
static int check(struct channel *c, const void *p, size_t n)
{
    return clo_ipc_check(p, n, false, NEW, table, CLO_ARRAY_LEN(table), &c->m);
}

static void another_version_is_a_breach(void **state)
{
    static const uint8_t good[16] = {1, 0, 11}, bad[16] = {2, 0, 11}, big_endian[16] = {0, 1, 11};

    assert_int_equal(check(*state, good, 16), 0);
    assert_int_equal(check(*state, bad, 16), CLOISTER_E_PROTOCOL);
    assert_int_equal(check(*state, big_endian, 16), CLOISTER_E_PROTOCOL);
}

static void a_length_that_isnt_the_packets_is_a_breach(void **state)
{
    static const uint8_t short_by_one[17] = {1, 0, 11, 0, 0}, long_by_one[17] = {1, 0, 11, 0, 2},
                         right[17] = {1, 0, 11, 0, 1},
                         wraps[17] = {1, 0, 11, 0, 0xff, 0xff, 0xff, 0xff};

    assert_int_equal(check(*state, right, 17), 0);
    assert_int_equal(check(*state, short_by_one, 17), CLOISTER_E_PROTOCOL);
    assert_int_equal(check(*state, long_by_one, 17), CLOISTER_E_PROTOCOL);
    assert_int_equal(check(*state, wraps, 17), CLOISTER_E_PROTOCOL);
    for (size_t n = 0; n < 16; n++)
        assert_int_equal(check(*state, right, n), CLOISTER_E_PROTOCOL);
}

static void a_packet_beyond_the_cap_is_a_breach(void **state)
{
    struct channel *c = *state;
    static uint8_t big[CLO_IPC_MAX + 1] = {
        1, 0, 11, 0, (CLO_IPC_PAYLOAD_MAX + 1) & 0xff, (CLO_IPC_PAYLOAD_MAX + 1) >> 8};

    assert_int_equal(send(c->fd[0], big, sizeof big, 0), sizeof big);
    assert_int_equal(receive(c, NEW), CLOISTER_E_PROTOCOL);
    assert_int_equal(check(c, big, sizeof big), CLOISTER_E_PROTOCOL);
}

static void a_closed_peer_is_told_from_silence(void **state)
{
    struct channel *c = *state;

    assert_int_equal(receive(c, NEW), CLOISTER_E_NOT_FOUND);
    close(c->fd[0]);
    assert_int_equal(receive(c, NEW), CLOISTER_E_NETWORK);
    assert_int_equal(clo_ipc_send(c->fd[1], 11, 0, NULL, 0, -1), CLOISTER_E_NETWORK);
    c->fd[0] = dup(c->fd[1]);
}

static void a_full_channel_says_so_and_loses_nothing(void **state)
{
    struct channel *c = *state;
    static uint8_t big[CLO_IPC_PAYLOAD_MAX];
    uint64_t sent = 0, received = 0;
    int err;

    while ((err = clo_ipc_send(c->fd[0], 11, sent, big, sizeof big, -1)) == 0)
        sent++;
    assert_int_equal(err, CLOISTER_E_FULL);
    assert_true(sent > 1);
    while ((err = receive(c, NEW)) == 0)
        assert_int_equal(c->m.id, received++);
    assert_int_equal(err, CLOISTER_E_NOT_FOUND);
    assert_int_equal(received, sent);
}

static void a_failed_receive_leaves_the_message_alone(void **state)
{
    struct channel *c = *state;

    c->m.type = 5;
    c->m.id = 6;
    assert_int_equal(clo_ipc_send(c->fd[0], 99, 1, "hello", 5, -1), 0);
    assert_int_equal(receive(c, NEW), CLOISTER_E_PROTOCOL);
    assert_int_equal(c->m.type, 5);
    assert_int_equal(c->m.id, 6);
}

static void clearing_wipes_the_payload(void **state)
{
    struct channel *c = *state;
    static const uint8_t zero[6];

    assert_int_equal(clo_ipc_send(c->fd[0], 10, 0, "secret", 6, -1), 0);
    assert_int_equal(receive(c, NEW), 0);
    clo_ipc_msg_clear(&c->m);
    assert_memory_equal(c->m.payload, zero, 6);
    assert_int_equal(c->m.n, 0);
}

static void a_memfd_gives_back_its_bytes(void **state)
{
    struct clo_buf b = clo_buf_init(0);
    int fd = -1;

    (void)state;
    assert_int_equal(clo_memfd_make("public bytes", 12, &fd), 0);
    assert_int_equal(clo_memfd_read(fd, 12, &b), 0);
    assert_int_equal(b.len, 12);
    assert_memory_equal(b.p, "public bytes", 12);
    clo_buf_clear(&b);
    assert_int_equal(clo_memfd_read(fd, 11, &b), CLOISTER_E_LIMIT);
    close(fd);
    assert_int_equal(clo_memfd_make("", 0, &fd), 0);
    assert_int_equal(clo_memfd_read(fd, 12, &b), 0);
    assert_int_equal(b.len, 0);
    close(fd);
}

static void a_made_memfd_cant_be_changed(void **state)
{
    int fd = -1;

    (void)state;
    assert_int_equal(clo_memfd_make("public bytes", 12, &fd), 0);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(ftruncate(fd, 1), -1);
    assert_int_equal(ftruncate(fd, 100), -1);
    assert_ptr_equal(mmap(NULL, 12, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    close(fd);
}

static void a_memfd_with_a_seal_missing_is_refused(void **state)
{
    static const int all[] = {F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE};
    struct clo_buf b = clo_buf_init(0);

    (void)state;
    for (size_t missing = 0; missing < CLO_ARRAY_LEN(all); missing++) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int seals = 0;

        assert_true(fd >= 0);
        assert_int_equal(write(fd, "bytes", 5), 5);
        for (size_t i = 0; i < CLO_ARRAY_LEN(all); i++)
            seals |= i == missing ? 0 : all[i];
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
        assert_int_equal(clo_memfd_read(fd, 100, &b), CLOISTER_E_PROTOCOL);
        close(fd);
    }
    assert_int_equal(clo_memfd_read(STDIN_FILENO, 100, &b), CLOISTER_E_PROTOCOL);
}

/* ---- payloads ---- */

static void starts_come_back_as_they_were_written(void **state)
{
    uint8_t raw[4096];
    struct clo_wr wr = clo_wr_init(raw, sizeof raw);
    struct clo_engine_start e = {.managed = 1,
                                 .server = "/usr/bin/llama-server",
                                 .model = "/m.gguf",
                                 .model_name = "m",
                                 .socket = "/run/e.sock",
                                 .slots = 2,
                                 .context = 4096,
                                 .threads = 3,
                                 .embeddings = CLO_POOLING_MEAN,
                                 .vllm = 1};
    struct clo_engine_start e2;
    struct clo_gateway_start g = {.gateway = "/r/0123456789abcdef",
                                  .open_to_all = 1,
                                  .shape = 2,
                                  .request_max = 1,
                                  .connections_max = 3};
    struct clo_gateway_start g2;
    struct clo_gateway_limits l = {.memory_max = 2,
                                   .parallel = 4,
                                   .queue_max = 5,
                                   .peer_max = 6,
                                   .relays = 2,
                                   .relay = {{{1}, 128}, {{2}, 0}}};
    struct clo_gateway_limits l2;
    struct clo_keeper_start k = {1800, 1, 2, 3, 4, "/r/0123456789abcdef"}, k2;
    struct clo_engine_state s = {1, 1, "unix:/x", "m", 2, 3, 1, 1}, s2;
    struct clo_engine_up u = {"llama-server", "1", "m", {1}, {2}, 3, 4}, u2;
    struct clo_attester_start a = {CLO_TEE_SEV_SNP, 1, 0x8000ff}, a2;
    struct clo_found f = {0, CLO_TEE_TDX, CLO_SOURCE_TSM, {0, 1, 1, 1}, CLOISTER_E_NOT_FOUND, 2},
                     f2;
    struct clo_waiting w = {CLO_WAIT_COLLATERAL, CLOISTER_E_BUSY, 429, 10,
                            "amd-crl-vcek-milan.der"};
    struct clo_waiting w2;

    (void)state;
    memset(&e2, 0xee, sizeof e2);
    assert_int_equal(clo_engine_start_write(&e, &wr), 0);
    assert_int_equal(clo_engine_start_read(raw, wr.len, &e2), 0);
    assert_memory_equal(&e, &e2, sizeof e);
    wr.len = 0;
    assert_int_equal(clo_gateway_start_write(&g, &wr), 0);
    assert_int_equal(clo_gateway_start_read(raw, wr.len, &g2), 0);
    assert_string_equal(g.gateway, g2.gateway);
    assert_int_equal(g2.open_to_all, 1);
    assert_int_equal(g2.shape, CLO_SHAPING_FULL);
    assert_int_equal(g2.connections_max, 3);
    for (unsigned shape = 0; shape < 256; shape++) { /* behind path and flag */
        raw[2 + CLO_GATEWAY_PATH_LEN + 1] = (uint8_t)shape;
        assert_int_equal(clo_gateway_start_read(raw, wr.len, &g2),
                         shape <= CLO_SHAPING_FULL ? 0 : CLOISTER_E_MALFORMED);
    }
    wr.len = 0;
    memset(&l2, 0xee, sizeof l2);
    assert_int_equal(clo_gateway_limits_write(&l, &wr), 0);
    assert_int_equal(clo_gateway_limits_read(raw, wr.len, &l2), 0);
    assert_memory_equal(&l, &l2, sizeof l);
    wr.len = 0;
    assert_int_equal(clo_keeper_start_write(&k, &wr), 0);
    assert_int_equal(clo_keeper_start_read(raw, wr.len, &k2), 0);
    assert_int_equal(k2.lifetime_s, 1800);
    assert_int_equal(k2.contexts_max, 4);
    wr.len = 0;
    assert_int_equal(clo_engine_state_write(&s, &wr), 0);
    assert_int_equal(clo_engine_state_read(raw, wr.len, &s2), 0);
    assert_string_equal(s2.address, "unix:/x");
    assert_int_equal(s2.context, 3);
    assert_int_equal(s2.embeddings, 1);
    assert_int_equal(s2.salted, 1);
    wr.len = 0;
    assert_int_equal(clo_engine_up_write(&u, &wr), 0);
    assert_int_equal(clo_engine_up_read(raw, wr.len, &u2), 0);
    assert_memory_equal(&u, &u2, sizeof u);
    wr.len = 0;
    assert_int_equal(clo_attester_start_write(&a, &wr), 0);
    assert_int_equal(clo_attester_start_read(raw, wr.len, &a2), 0);
    assert_int_equal(a2.tee, CLO_TEE_SEV_SNP);
    assert_int_equal(a2.gpus, 1);
    assert_int_equal(a2.pcrs, 0x8000ff);
    wr.len = 0;
    memset(&f2, 0xee, sizeof f2);
    assert_int_equal(clo_found_write(&f, &wr), 0);
    assert_int_equal(clo_found_read(raw, wr.len, &f2), 0);
    assert_int_equal(f2.tee, CLO_TEE_TDX);
    assert_memory_equal(f2.tried, f.tried, sizeof f.tried);
    assert_int_equal(f2.gpus_error, CLOISTER_E_NOT_FOUND);
    assert_int_equal(f2.gpus, 2);
    wr.len = 0;
    memset(&w2, 0xee, sizeof w2);
    assert_int_equal(clo_waiting_write(&w, &wr), 0);
    assert_int_equal(clo_waiting_read(raw, wr.len, &w2), 0);
    assert_string_equal(w2.name, w.name);
    assert_int_equal(w2.error, CLOISTER_E_BUSY);
    assert_int_equal(w2.detail, 429);
    assert_int_equal(w2.again_s, 10);
}

static void api_keys_come_back_with_their_terms(void **state)
{
    const struct clo_credential_terms v[2] = {{{1}, 1700000000, 60, 4, UINT64_C(1) << 40},
                                              {{2}, 0, 0, 0, 0}};
    struct clo_buf b = clo_buf_init(4096);
    struct clo_credential_terms *ret = NULL;
    uint32_t count = 0;

    (void)state;
    assert_int_equal(clo_credentials_write(v, 2, &b), 0);
    for (size_t n = 0; n < b.len; n++)
        assert_int_not_equal(clo_credentials_read(b.p, n, &ret, &count), 0);
    assert_int_equal(clo_credentials_read(b.p, b.len, &ret, &count), 0);
    assert_int_equal(count, 2);
    assert_memory_equal(ret, v, sizeof v);
    free(ret);
    b.p[4 + CLO_CREDENTIAL_BYTES] = 1; /* the same digest twice */
    assert_int_equal(clo_credentials_read(b.p, b.len, &ret, &count), CLOISTER_E_DUPLICATE);
    clo_buf_clear(&b);
    assert_int_equal(clo_credentials_write(NULL, 0, &b), 0);
    assert_int_equal(clo_credentials_read(b.p, b.len, &ret, &count), 0);
    assert_int_equal(count, 0);
    clo_buf_clear(&b);
}

static void a_payload_is_read_completely_or_not_at_all(void **state)
{
    uint8_t raw[4096] = {0};
    struct clo_wr wr = clo_wr_init(raw, sizeof raw);
    struct clo_engine_state s = {1, 1, "unix:/x", "m", 2, 3, 1, 0}, s2 = {.slots = 42};

    (void)state;
    assert_int_equal(clo_engine_state_write(&s, &wr), 0);
    for (size_t n = 0; n < wr.len; n++)
        assert_int_equal(clo_engine_state_read(raw, n, &s2), CLOISTER_E_TRUNCATED);
    assert_int_equal(clo_engine_state_read(raw, wr.len + 1, &s2), CLOISTER_E_TRAILING);
    assert_int_equal(s2.slots, 42);
}

static void flags_strings_and_kinds_are_checked(void **state)
{
    struct clo_engine_state s;
    struct clo_attester_start a;
    struct clo_keeper_start k;
    /* up 2; a zero inside the address; an address longer than its place */
    static const uint8_t flag[] = {2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t zero[] = {1, 1, 3, 0, 'a', 0, 'b', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static uint8_t over[2 + 2 + CLO_STR_MAX + 10] = {1, 1, CLO_STR_MAX & 0xff, CLO_STR_MAX >> 8};
    static const uint8_t tee[] = {7, 0, 0, 0, 0, 0}, gpus[] = {1, 2, 0, 0, 0, 0};
    static const uint8_t pcrs[] = {1, 0, 0, 0, 0, 1};
    struct clo_found f = {0, CLO_TEE_AUTO, CLO_SOURCE_TSM, {0}, 0, 0};
    struct clo_waiting w = {.what = CLO_WAIT_COLLATERAL, .name = "../x"};
    uint8_t raw[512] = {0};
    struct clo_wr wr = clo_wr_init(raw, sizeof raw);
    uint8_t path[] = "\x08\x07\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\x13\0/r/0123456789abcdeF";

    (void)state;
    memset(over + 4, 'a', CLO_STR_MAX);
    assert_int_equal(clo_engine_state_read(flag, sizeof flag, &s), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_engine_state_read(zero, sizeof zero, &s), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_engine_state_read(over, sizeof over, &s), CLOISTER_E_LIMIT);
    assert_int_equal(clo_attester_start_read(tee, sizeof tee, &a), CLOISTER_E_UNKNOWN);
    assert_int_equal(clo_attester_start_read(gpus, sizeof gpus, &a), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_attester_start_read(pcrs, sizeof pcrs, &a), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_found_write(&f, &wr), 0); /* nobody finds "auto" */
    assert_int_equal(clo_found_read(raw, wr.len, &f), CLOISTER_E_MALFORMED);
    wr.len = 0;
    f.tee = CLO_TEE_TDX;
    f.gpus = CLO_DEVICES_MAX + 1;
    assert_int_equal(clo_found_write(&f, &wr), 0);
    assert_int_equal(clo_found_read(raw, wr.len, &f), CLOISTER_E_MALFORMED);
    wr.len = 0;
    f.gpus = 0;
    f.error = 2; /* errors are negative */
    assert_int_equal(clo_found_write(&f, &wr), 0);
    assert_int_equal(clo_found_read(raw, wr.len, &f), CLOISTER_E_MALFORMED);
    wr.len = 0;
    assert_int_equal(clo_waiting_write(&w, &wr), 0); /* no letters for people's eyes */
    assert_int_equal(clo_waiting_read(raw, wr.len, &w), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_keeper_start_read(path, sizeof path - 1, &k), CLOISTER_E_MALFORMED);
    path[sizeof path - 2] = 'f';
    assert_int_equal(clo_keeper_start_read(path, sizeof path - 1, &k), 0);
}

static void an_unterminated_string_is_not_written(void **state)
{
    uint8_t raw[4096];
    struct clo_wr wr = clo_wr_init(raw, sizeof raw);
    static struct clo_engine_state s;

    (void)state;
    memset(s.address, 'a', sizeof s.address);
    assert_int_equal(clo_engine_state_write(&s, &wr), CLOISTER_E_ARGUMENT);
}

static void a_quote_comes_back_and_a_failed_one_carries_nothing(void **state)
{
    uint8_t raw[4096] = {0};
    struct clo_wr wr = clo_wr_init(raw, sizeof raw);
    struct clo_quoted q = {.cpu = {4},
                           .manifest = {1},
                           .devices = {2},
                           .collateral = {3},
                           .keys = (const uint8_t *)"keys",
                           .keys_n = 4,
                           .batch = (const uint8_t *)"batch",
                           .batch_n = 5};
    struct clo_quoted r = {0};

    (void)state;
    assert_int_equal(clo_quoted_write(&q, &wr), 0);
    assert_int_equal(clo_quoted_read(raw, wr.len, &r), 0);
    assert_int_equal(r.collateral[0], 3);
    assert_int_equal(r.cpu[0], 4);
    assert_int_equal(r.batch_n, 5);
    assert_memory_equal(r.batch, "batch", 5);
    for (size_t n = 0; n < wr.len; n++)
        assert_int_not_equal(clo_quoted_read(raw, n, &r), 0);
    wr.len = 0;
    q.error = CLOISTER_E_FULL;
    assert_int_equal(clo_quoted_write(&q, &wr), 0);
    assert_int_equal(wr.len, 4);
    assert_int_equal(clo_quoted_read(raw, 4, &r), 0);
    assert_int_equal(r.error, CLOISTER_E_FULL);
    assert_null(r.keys);
    assert_int_equal(clo_quoted_read(raw, 5, &r), CLOISTER_E_TRAILING);
    raw[3] = 0;
    assert_int_equal(clo_quoted_read(raw, 4, &r), CLOISTER_E_MALFORMED); /* errors are negative */
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_permitted_message_arrives_whole),
        T(the_largest_message_arrives_and_a_larger_one_is_not_sent),
        T(a_type_without_a_row_is_a_breach),
        T(a_type_of_another_state_is_a_breach),
        T(lengths_outside_the_row_are_breaches),
        T(an_unexpected_descriptor_is_a_breach_and_is_closed),
        T(a_missing_descriptor_is_a_breach),
        T(a_descriptor_arrives_closed_on_exec_and_is_closed_with_its_message),
        T(two_descriptors_are_a_breach_and_are_closed),
        T(another_version_is_a_breach),
        T(a_length_that_isnt_the_packets_is_a_breach),
        T(a_packet_beyond_the_cap_is_a_breach),
        T(a_closed_peer_is_told_from_silence),
        T(a_full_channel_says_so_and_loses_nothing),
        T(a_failed_receive_leaves_the_message_alone),
        T(clearing_wipes_the_payload),
        cmocka_unit_test(a_memfd_gives_back_its_bytes),
        cmocka_unit_test(a_made_memfd_cant_be_changed),
        cmocka_unit_test(a_memfd_with_a_seal_missing_is_refused),
        cmocka_unit_test(starts_come_back_as_they_were_written),
        cmocka_unit_test(api_keys_come_back_with_their_terms),
        cmocka_unit_test(a_payload_is_read_completely_or_not_at_all),
        cmocka_unit_test(flags_strings_and_kinds_are_checked),
        cmocka_unit_test(an_unterminated_string_is_not_written),
        cmocka_unit_test(a_quote_comes_back_and_a_failed_one_carries_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
