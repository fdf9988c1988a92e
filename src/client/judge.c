/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both sides of a case: see judge.h. What was split off is a loop that makes one process a case and reads nothing but descriptors
 * from its parent. A case's process answers frames: a word, a length, bytes.
 */
#include "client/judge.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "attest/verdict.h"
#include "base/secret.h"
#include "client/say.h"
#include "crypto/crypto.h"
#include "platform/confine.h"
#include "platform/file.h"

enum {
    WAIT_S = 15,
    CONTROL = 3, /* the descriptor that is left to what is split off */
    FRAME_MAX = CLOISTER_EVIDENCE_MAX + 65536,
    HEAD = 8,
    VERIFY_HEAD = 1 + 32 + 8 + 8 /* nonce given?, nonce, when it was sent, now */
};

enum word {
    OPEN = 1,
    ADD,
    SAVE,
    VERIFY
};

static int control = -1; /* towards what was split off */

/* ---- frames ---- */

static int read_all(int fd, void *dst, size_t n)
{
    uint8_t *p = dst;

    while (n > 0) {
        const ssize_t got = read(fd, p, n);

        if (got == 0 || (got < 0 && errno != EINTR))
            return CLOISTER_E_IO;
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
    return 0;
}

static int send_frame(int fd, int32_t word, const void *p, size_t n)
{
    uint8_t head[HEAD];
    struct clo_wr wr = clo_wr_init(head, sizeof(head));
    int err;

    if (n > FRAME_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = clo_wr_u32le(&wr, (uint32_t)word)) != 0 ||
        (err = clo_wr_u32le(&wr, (uint32_t)n)) != 0 ||
        (err = clo_write_all(fd, head, sizeof(head))) != 0)
        return err;
    return clo_write_all(fd, p, n);
}

/* body is empty before. */
static int take_frame(int fd, int32_t *word, struct clo_buf *body)
{
    uint8_t head[HEAD];
    struct clo_rd rd = clo_rd_init(head, sizeof(head));
    uint32_t first = 0, n = 0;
    uint8_t *dst = NULL;
    int err;

    if ((err = read_all(fd, head, sizeof(head))) != 0 || (err = clo_rd_u32le(&rd, &first)) != 0 ||
        (err = clo_rd_u32le(&rd, &n)) != 0 || (err = clo_buf_reserve(body, n, &dst)) != 0 ||
        (err = read_all(fd, dst, n)) != 0)
        return err;
    clo_buf_commit(body, n);
    *word = (int32_t)first;
    return 0;
}

/* ---- a case, from its inside ---- */

struct inside {
    struct cloister_evidence *e;
    struct clo_buf answer;
};

/* The path of what is missing. */
static int say_missing(struct inside *in)
{
    char hex[65] = {0}, path[CLO_CASE_PATH_MAX];
    int n = 0;

    if (!cloister_evidence_missing(in->e, 0, hex))
        return 0;
    n = snprintf(path, sizeof(path), "%s/blob/%s", cloister_evidence_gateway(in->e), hex);
    return clo_buf_append(&in->answer, path, (size_t)n);
}

static int save(struct inside *in)
{
    char *text = NULL;
    size_t n = 0;
    int err = cloister_evidence_save(in->e, &text, &n);

    if (err == 0)
        err = clo_buf_append(&in->answer, text, n);
    free(text);
    return err;
}

static int verify(struct inside *in, const struct clo_buf *asked)
{
    struct clo_rd rd = clo_rd_init(asked->p, asked->len);
    struct cloister_verdict *v = calloc(1, sizeof(*v));
    struct cloister_policy *policy = NULL;
    struct cloister_nonce nonce = {0};
    uint64_t sent = 0, now = 0;
    uint8_t given = 0;
    int err = CLOISTER_E_MEMORY, result;

    if (v == NULL || (err = clo_rd_u8(&rd, &given)) != 0 ||
        (err = clo_rd_bytes(&rd, nonce.bytes, sizeof(nonce.bytes))) != 0 ||
        (err = clo_rd_u64le(&rd, &sent)) != 0 || (err = clo_rd_u64le(&rd, &now)) != 0 ||
        (err = cloister_policy_parse(rd.p, rd.left, &policy)) != 0)
        goto out;
    nonce.sent_at = (int64_t)sent;
    result = cloister_evidence_verify(in->e, given != 0 ? &nonce : NULL, policy,
                                      cloister_roots_builtin(), (int64_t)now, v);
    err = v->outcome == CLOISTER_NOT_VERIFIED ? result : clo_verdict_pack(v, &in->answer);
out:
    cloister_policy_free(policy);
    free(v);
    return err;
}

static int answer(struct inside *in, int32_t word, const struct clo_buf *asked)
{
    int err;

    if ((word == OPEN) != (in->e == NULL))
        return CLOISTER_E_STATE;
    switch (word) {
    case OPEN:
        err = cloister_evidence_parse(asked->p, asked->len, &in->e);
        return err == 0 ? say_missing(in) : err;
    case ADD:
        err = cloister_evidence_add(in->e, asked->p, asked->len);
        return err == 0 ? say_missing(in) : err;
    case SAVE: return save(in);
    case VERIFY: return verify(in, asked);
    default: return CLOISTER_E_UNKNOWN;
    }
}

_Noreturn static void judge(int fd, pid_t parent)
{
    struct inside in = {.answer = clo_buf_init(FRAME_MAX)};
    struct clo_buf asked = clo_buf_init(FRAME_MAX);
    int32_t word = 0;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || clo_confine_enter() != 0)
        _exit(1);
    while (take_frame(fd, &word, &asked) == 0) {
        const int err = answer(&in, word, &asked);

        if (send_frame(fd, err, in.answer.p, err == 0 ? in.answer.len : 0) != 0)
            break;
        clo_buf_clear(&in.answer);
        clo_buf_clear(&asked);
    }
    _exit(0);
}

/* ---- what is split off ---- */

/* One descriptor, which comes with one byte; -1: nobody is left to send any. */
static int next_case(void)
{
    char byte = 0;
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    const struct cmsghdr *c = NULL;
    int fd = -1;

    while (recvmsg(CONTROL, &m, MSG_CMSG_CLOEXEC) < 0)
        if (errno != EINTR)
            return -1;
    c = CMSG_FIRSTHDR(&m);
    if (c != NULL && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
}

/* What a process of a user begins with may hold a question, or a key of another program. */
static void forget(int argc, char **argv, char **env)
{
    for (int i = 1; i < argc; i++)
        clo_wipe(argv[i], strlen(argv[i]));
    for (; *env != NULL; env++)
        clo_wipe(*env, strlen(*env));
}

_Noreturn static void serve(int argc, char **argv, int fd, pid_t parent)
{
    int one;

    /* A session of its own: Ctrl-C ends an answer, and not this. It is gone when its parent is. */
    if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent ||
        (fd != CONTROL && dup2(fd, CONTROL) < 0) || close_range(CONTROL + 1, ~0U, 0) != 0 ||
        close_range(0, CONTROL - 1, 0) != 0 || signal(SIGCHLD, SIG_IGN) == SIG_ERR)
        _exit(1);
    forget(argc, argv, environ);
    while ((one = next_case()) >= 0) {
        const pid_t self = getpid(), pid = fork();

        if (pid == 0) {
            close(CONTROL);
            judge(one, self);
        }
        close(one);
    }
    _exit(0);
}

int clo_judge_possible(void)
{
    static bool said;

    if (!clo_confine_possible()) {
        clo_say_problem(
            "this system has no seccomp: nothing that others made can be read in safety");
        return CLOISTER_E_UNSUPPORTED;
    }
    if (!said && !clo_confine_is_whole())
        clo_say_problem("WARNING: this system has no Landlock: what reads evidence is confined by "
                        "seccomp alone");
    said = true;
    return 0;
}

int clo_judge_start(int argc, char **argv)
{
    const pid_t parent = getpid();
    int ends[2] = {-1, -1};
    pid_t pid = -1;

    if (clo_judge_possible() != 0)
        return CLOISTER_E_UNSUPPORTED;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0 && (pid = fork()) == 0)
        serve(argc, argv, ends[1], parent);
    if (ends[1] >= 0)
        close(ends[1]);
    if (pid < 0) {
        if (ends[0] >= 0)
            close(ends[0]);
        clo_say_problem("no process could be started for reading evidence");
        return CLOISTER_E_IO;
    }
    control = ends[0];
    return 0;
}

void clo_judge_end(void)
{
    if (control >= 0)
        close(control);
    control = -1;
}

/* ---- a case, from its outside ---- */

struct clo_case {
    int fd;
};

static int broken(void)
{
    clo_say_problem("what reads evidence has ended, or takes too long: it may have been made to do "
                    "harm. Nothing of it counts");
    return CLOISTER_E_IO;
}

/* Ask, and get the answer's bytes: they are forged if the other side was taken over. */
static int ask(struct clo_case *c, enum word word, const void *p, size_t n, struct clo_buf *ret)
{
    int32_t err = 0;

    if (n > FRAME_MAX)
        return CLOISTER_E_LIMIT;
    if (send_frame(c->fd, (int32_t)word, p, n) != 0 || take_frame(c->fd, &err, ret) != 0)
        return broken();
    /* An error that there is, and nothing with it. */
    if (err > 0 ||
        (err < 0 && (ret->len > 0 || strcmp(cloister_error_name(err), "unknown-error") == 0)))
        return broken();
    return err;
}

/* A path of this server, and nothing that could be anything else. */
static int take_path(const struct clo_buf *b, char wants[CLO_CASE_PATH_MAX])
{
    static const char letters[] = "/abcdefghijklmnopqrstuvwxyz0123456789";

    wants[0] = '\0';
    if (b->len == 0)
        return 0;
    if (b->len >= CLO_CASE_PATH_MAX || b->p[0] != '/' || memchr(b->p, '\0', b->len) != NULL)
        return broken();
    memcpy(wants, b->p, b->len);
    wants[b->len] = '\0';
    if (wants[strspn(wants, letters)] != '\0' || strstr(wants, "//") != NULL)
        return broken();
    return 0;
}

static int send_case(int fd)
{
    char byte = 0;
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    return sendmsg(control, &m, MSG_NOSIGNAL) == 1 ? 0 : CLOISTER_E_IO;
}

/* One that answers in time, if it answers. */
static int begin(int *ret)
{
    const struct timeval wait = {.tv_sec = WAIT_S};
    int ends[2] = {-1, -1}, err = CLOISTER_E_IO;

    if (control < 0)
        return CLOISTER_E_STATE;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return err;
    if (setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0 &&
        setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) == 0)
        err = send_case(ends[1]);
    close(ends[1]);
    if (err == 0)
        *ret = ends[0];
    else
        close(ends[0]);
    return err;
}

int clo_case_open(const void *json, size_t n, struct clo_case **ret, char wants[CLO_CASE_PATH_MAX])
{
    struct clo_buf got = clo_buf_init(CLO_CASE_PATH_MAX);
    struct clo_case *c = calloc(1, sizeof(*c));
    int err = CLOISTER_E_MEMORY;

    if (c == NULL)
        return err;
    c->fd = -1;
    if ((err = begin(&c->fd)) != 0)
        (void)broken();
    else if ((err = ask(c, OPEN, json, n, &got)) == 0)
        err = take_path(&got, wants);
    if (err == 0) {
        *ret = c;
        c = NULL;
    }
    clo_buf_clear(&got);
    clo_case_free(c);
    return err;
}

int clo_case_add(struct clo_case *c, const void *section, size_t n, char wants[CLO_CASE_PATH_MAX])
{
    struct clo_buf got = clo_buf_init(CLO_CASE_PATH_MAX);
    int err;

    if ((err = ask(c, ADD, section, n, &got)) == 0)
        err = take_path(&got, wants);
    clo_buf_clear(&got);
    return err;
}

int clo_case_save(struct clo_case *c, struct clo_buf *out)
{
    return ask(c, SAVE, NULL, 0, out);
}

static int write_question(const struct cloister_nonce *nonce, const struct clo_buf *policy,
                          int64_t now, struct clo_buf *out)
{
    uint8_t head[VERIFY_HEAD];
    struct clo_wr wr = clo_wr_init(head, sizeof(head));
    static const struct cloister_nonce none;
    const struct cloister_nonce *n = nonce != NULL ? nonce : &none;
    int err;

    if ((err = clo_wr_u8(&wr, nonce != NULL)) != 0 ||
        (err = clo_wr_bytes(&wr, n->bytes, sizeof(n->bytes))) != 0 ||
        (err = clo_wr_u64le(&wr, (uint64_t)n->sent_at)) != 0 ||
        (err = clo_wr_u64le(&wr, (uint64_t)now)) != 0 ||
        (err = clo_buf_append(out, head, wr.len)) != 0)
        return err;
    return clo_buf_append(out, policy->p, policy->len);
}

int clo_case_verify(struct clo_case *c, const struct cloister_nonce *nonce,
                    const struct clo_buf *policy, int64_t now, struct cloister_verdict *ret)
{
    struct clo_buf asked = clo_buf_init(FRAME_MAX), got = clo_buf_init(FRAME_MAX);
    uint8_t digest[CLO_SHA256_LEN];
    int err;

    *ret = (struct cloister_verdict){0};
    if ((err = clo_sha256(policy->p, policy->len, digest)) != 0 ||
        (err = write_question(nonce, policy, now, &asked)) != 0 ||
        (err = ask(c, VERIFY, asked.p, asked.len, &got)) != 0)
        goto out;
    err = clo_verdict_unpack(got.p, got.len, digest, nonce, now, ret) != 0
              ? broken()
              : clo_outcome_error(ret->outcome);
out:
    clo_buf_clear(&asked);
    clo_buf_clear(&got);
    return err;
}

void clo_case_free(struct clo_case *c)
{
    if (c == NULL)
        return;
    if (c->fd >= 0)
        close(c->fd);
    free(c);
}
