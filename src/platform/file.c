/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files in, whole files out: see file.h. */
#include "platform/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PIECE = 16384
};

static int stop_fd = -1;

void clo_file_stop_fd(int fd)
{
    stop_fd = fd;
}

/* Until there is something to read, or somebody wants to stop. A regular file never keeps anybody waiting. */
static int await(int fd)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};

    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return CLOISTER_E_IO;
    return fds[1].revents != 0 ? CLOISTER_E_CANCELLED : 0;
}

static int read_fd(int fd, struct clo_buf *out)
{
    struct stat st = {0};
    const bool waits = stop_fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode);

    for (;;) {
        const size_t room = out->max - out->len;
        uint8_t *dst = NULL, extra = 0;
        ssize_t n;
        int err;

        if (waits && (err = await(fd)) != 0)
            return err;
        if (room == 0) { /* is there more? */
            n = read(fd, &extra, 1);
            if (n == 0)
                return 0;
            if (n > 0)
                return CLOISTER_E_LIMIT;
        } else {
            if ((err = clo_buf_reserve(out, room < PIECE ? room : PIECE, &dst)) != 0)
                return err;
            n = read(fd, dst, room < PIECE ? room : PIECE);
            if (n == 0)
                return 0;
            if (n > 0)
                clo_buf_commit(out, (size_t)n);
        }
        if (n < 0 && errno != EINTR)
            return CLOISTER_E_IO;
    }
}

/* ---- what was read ahead ---- */

struct ahead {
    struct ahead *next;
    char *path;
    struct clo_buf bytes;
    int err, saved;
};
static struct ahead *aheads;

static int read_now(const char *path, struct clo_buf *out);

static const struct ahead *find_ahead(const char *path)
{
    const struct ahead *a = aheads;

    while (a != NULL && strcmp(a->path, path) != 0)
        a = a->next;
    return a;
}

int clo_file_preload(const char *path, size_t max)
{
    struct ahead *a;

    if (find_ahead(path) != NULL)
        return 0;
    if ((a = calloc(1, sizeof *a)) == NULL || (a->path = strdup(path)) == NULL) {
        free(a);
        return CLOISTER_E_MEMORY;
    }
    a->bytes = clo_buf_init(max);
    a->err = read_now(path, &a->bytes);
    a->saved = errno;
    a->next = aheads;
    aheads = a;
    return 0;
}

void clo_file_preload_end(void)
{
    struct ahead *a = aheads, *next = NULL;

    for (; a != NULL; a = next) {
        next = a->next;
        clo_buf_clear(&a->bytes);
        free(a->path);
        free(a);
    }
    aheads = NULL;
}

int clo_file_read(const char *path, struct clo_buf *out)
{
    const struct ahead *a = find_ahead(path);
    int err;

    if (a == NULL)
        return read_now(path, out);
    err = a->err != 0 ? a->err : clo_buf_append(out, a->bytes.p, a->bytes.len);
    errno = a->saved;
    return err;
}

static int read_now(const char *path, struct clo_buf *out)
{
    int fd, err, saved;

    if (strcmp(path, "-") == 0)
        return read_fd(STDIN_FILENO, out);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return CLOISTER_E_IO;
    err = read_fd(fd, out);
    saved = errno;
    close(fd);
    errno = saved;
    return err;
}

int clo_file_read_key(const char *path, struct clo_buf *out)
{
    struct stat st = {0};
    int fd, err = CLOISTER_E_IO, saved;

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return CLOISTER_E_IO;
    /* Of the open file, so that what was checked is what is read. */
    if (fstat(fd, &st) != 0)
        goto out;
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0 || (st.st_uid != geteuid() && geteuid() != 0)) {
        err = CLOISTER_E_CREDENTIAL;
        goto out;
    }
    if ((err = read_fd(fd, out)) != 0)
        goto out;
    while (out->len > 0 && (out->p[out->len - 1] == '\n' || out->p[out->len - 1] == '\r'))
        out->len--;
    err = out->len > 0 ? 0 : CLOISTER_E_MALFORMED;
    for (size_t i = 0; i < out->len; i++) {
        if (out->p[i] <= ' ' || out->p[i] > '~')
            err = CLOISTER_E_MALFORMED;
    }
    if (err == 0)
        err = clo_buf_append(out, "", 1);
out:
    saved = errno;
    close(fd);
    errno = saved;
    return err;
}

int clo_write_all(int fd, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) {
        const ssize_t wrote = write(fd, at, n);

        if (wrote < 0 && errno != EINTR)
            return CLOISTER_E_IO;
        if (wrote > 0) {
            at += wrote;
            n -= (size_t)wrote;
        }
    }
    return 0;
}

/* old: the file whose place it takes, and whose owner and mode it gets; NULL if there is none. */
static int write_beside(const char *path, const struct stat *old, const void *p, size_t n)
{
    char *tmp = NULL;
    int fd = -1, err = CLOISTER_E_IO, saved;
    mode_t mask;

    if (asprintf(&tmp, "%s.XXXXXX", path) < 0)
        return CLOISTER_E_MEMORY;
    if ((fd = mkostemp(tmp, O_CLOEXEC)) < 0)
        goto out;
    mask = umask(0);
    umask(mask);
    if ((old == NULL || fchown(fd, old->st_uid, old->st_gid) == 0) &&
        fchmod(fd, old != NULL ? old->st_mode & 07777 : 0666 & ~mask) == 0 &&
        clo_write_all(fd, p, n) == 0 && fsync(fd) == 0 && rename(tmp, path) == 0)
        err = 0;
    saved = errno;
    if (err != 0)
        (void)unlink(tmp);
    close(fd);
    errno = saved;
out:
    free(tmp);
    return err;
}

int clo_file_write(const char *path, const void *p, size_t n)
{
    struct stat st = {0};
    int fd = -1, err, saved;

    if (strcmp(path, "-") == 0)
        return clo_write_all(STDOUT_FILENO, p, n);
    /* A device or a pipe is written to: a file in its place would be the end of /dev/null. */
    if (stat(path, &st) != 0 || S_ISREG(st.st_mode))
        return write_beside(path, NULL, p, n);
    if ((fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY)) < 0)
        return CLOISTER_E_IO;
    err = clo_write_all(fd, p, n);
    saved = errno;
    close(fd);
    errno = saved;
    return err;
}

int clo_file_replace(const char *path, const void *p, size_t n)
{
    char *whole = realpath(path, NULL); /* a link stays one */
    struct stat st = {0};
    int err = CLOISTER_E_IO;

    if (whole == NULL || stat(whole, &st) != 0)
        goto out;
    err = S_ISREG(st.st_mode) ? write_beside(whole, &st, p, n) : CLOISTER_E_ARGUMENT;
out:
    free(whole);
    return err;
}
