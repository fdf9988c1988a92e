/* SPDX-License-Identifier: Apache-2.0 */
/* The cache folder: see cache.h. */
#include "daemon/fetcher/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/gather.h"
#include "crypto/crypto.h"
#include "platform/file.h"
#include "platform/process.h"

#define CHAIN_SUFFIX ".chain.pem"
/* No want's file begins like this. */
#define UNFINISHED   ".new-"
#define FILE_MODE    0644
#define NAME_MAX_LEN (CLO_WANT_NAME_MAX + sizeof CHAIN_SUFFIX)

struct clo_cache {
    char *folder;   /* NULL: none */
    int last_errno; /* of the trouble that was logged last; 0 after a success */
};

static void log_trouble(struct clo_cache *c, int e)
{
    if (e != c->last_errno)
        clo_log("fetcher", CLO_EV_CACHE_FAIL, (uint64_t)e, 0, 0, 0);
    c->last_errno = e;
}

static int open_folder(const struct clo_cache *c)
{
    return open(c->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Another process that writes here just now loses a file by this, which it then reports, and no more. */
static void sweep(const struct clo_cache *c)
{
    DIR *d = opendir(c->folder);
    const struct dirent *e;

    if (d == NULL)
        return;
    while ((e = readdir(d)) != NULL) {
        if (strncmp(e->d_name, UNFINISHED, strlen(UNFINISHED)) == 0)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

int clo_cache_new(const char *folder, struct clo_cache **ret)
{
    struct clo_cache *c = calloc(1, sizeof *c);

    if (c == NULL || (folder[0] != '\0' && (c->folder = strdup(folder)) == NULL)) {
        clo_cache_free(c);
        return CLOISTER_E_MEMORY;
    }
    if (c->folder != NULL)
        sweep(c);
    *ret = c;
    return 0;
}

void clo_cache_free(struct clo_cache *c)
{
    if (c == NULL)
        return;
    free(c->folder);
    free(c);
}

/* errno says why where the error is CLOISTER_E_IO. */
static int read_all(int fd, struct clo_buf *out)
{
    struct stat st = {0};
    uint8_t *at = NULL;
    size_t want;
    int err;

    if (fstat(fd, &st) != 0)
        return CLOISTER_E_IO;
    if (!S_ISREG(st.st_mode) || st.st_size <= 0 || (uint64_t)st.st_size > out->max - out->len) {
        errno = !S_ISREG(st.st_mode) ? EINVAL : st.st_size <= 0 ? ENODATA : EFBIG;
        return CLOISTER_E_IO;
    }
    want = (size_t)st.st_size;
    if ((err = clo_buf_reserve(out, want, &at)) != 0)
        return err;
    while (want > 0) {
        const ssize_t got = read(fd, at, want);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got == 0 ? ENODATA : errno; /* it became shorter meanwhile */
            return CLOISTER_E_IO;
        }
        clo_buf_commit(out, (size_t)got);
        at += got;
        want -= (size_t)got;
    }
    return 0;
}

static int read_one(int folder, const char *name, struct clo_buf *out)
{
    /* A pipe by that name must not keep us waiting, nor a link lead elsewhere. */
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int err, saved;

    if (fd < 0)
        return errno == ENOENT ? CLOISTER_E_NOT_FOUND : CLOISTER_E_IO;
    err = read_all(fd, out);
    saved = errno;
    close(fd);
    errno = saved;
    return err;
}

static void chain_name(const char *name, char ret[NAME_MAX_LEN])
{
    (void)snprintf(ret, NAME_MAX_LEN, "%s%s", name, CHAIN_SUFFIX);
}

int clo_cache_read(struct clo_cache *c, const char *name, bool want_chain, struct clo_buf *body,
                   struct clo_buf *chain)
{
    char beside[NAME_MAX_LEN];
    int folder, err;

    if (c->folder == NULL)
        return CLOISTER_E_NOT_FOUND;
    folder = open_folder(c);
    if (folder < 0 && errno == ENOENT)
        return CLOISTER_E_NOT_FOUND;
    chain_name(name, beside);
    err = folder < 0 ? CLOISTER_E_IO : read_one(folder, name, body);
    if (err == 0 && want_chain)
        err = read_one(folder, beside, chain);
    if (err == CLOISTER_E_IO)
        log_trouble(c, errno);
    if (folder >= 0)
        close(folder);
    if (err != 0) {
        clo_buf_clear(body);
        clo_buf_clear(chain);
    }
    return err;
}

/* errno says why. */
static bool write_one(int folder, const char *name, const struct clo_buf *b)
{
    char beside[sizeof UNFINISHED + 16];
    uint64_t random = 0;
    bool done = false;
    int fd, saved;

    errno = EIO;
    if (clo_rng_fill(clo_rng_system(), &random, sizeof random) != 0)
        return false;
    (void)snprintf(beside, sizeof beside, "%s%016llx", UNFINISHED, (unsigned long long)random);
    fd = openat(folder, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return false;
    done = fchmod(fd, FILE_MODE) == 0 && clo_write_all(fd, b->p, b->len) == 0 && fsync(fd) == 0 &&
           renameat(folder, beside, folder, name) == 0;
    saved = errno;
    if (!done)
        (void)unlinkat(folder, beside, 0);
    close(fd);
    errno = saved;
    return done;
}

void clo_cache_write(struct clo_cache *c, const char *name, const struct clo_buf *body,
                     const struct clo_buf *chain)
{
    char beside[NAME_MAX_LEN];
    int folder;
    bool done;

    if (c->folder == NULL)
        return;
    chain_name(name, beside);
    folder = open_folder(c);
    /* The chain first: with one that is newer than its answer, the signature is still a vendor's. */
    done = folder >= 0 && (chain->len == 0 || write_one(folder, beside, chain)) &&
           write_one(folder, name, body) && fsync(folder) == 0;
    if (done)
        c->last_errno = 0;
    else
        log_trouble(c, errno);
    if (folder >= 0)
        close(folder);
}
