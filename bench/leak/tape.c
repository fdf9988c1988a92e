/* SPDX-License-Identifier: Apache-2.0 */
#include "tape.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void tape_fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, errno != 0 ? strerror(errno) : "not as it should be");
    exit(1);
}

uint64_t tape_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The file's numbers, for as long as the process lives. */
static const uint32_t *numbers(const char *path, size_t *ret)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *p;

    if (fd < 0 || fstat(fd, &st) != 0)
        tape_fail(path);
    if ((p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        tape_fail(path);
    close(fd);
    *ret = (size_t)st.st_size / sizeof(uint32_t);
    return p;
}

void tape_load(const char *path, struct tape *ret)
{
    size_t left = 0;
    const uint32_t *p = numbers(path, &left);

    errno = 0;
    if (left < 1)
        tape_fail(path);
    ret->count = *p++;
    left--;
    if ((ret->conversation = calloc(ret->count, sizeof(*ret->conversation))) == NULL)
        tape_fail(path);
    for (uint32_t i = 0; i < ret->count; i++) {
        struct tape_conversation *c = &ret->conversation[i];

        if (left < 1 || *p > (left - 1) / 3)
            tape_fail(path);
        c->events = *p++;
        c->event = (const struct tape_event *)p;
        p += 3 * (size_t)c->events;
        left -= 1 + 3 * (size_t)c->events;
        for (uint32_t e = 0; e < c->events; e++)
            c->text += c->event[e].own;
    }
    if (left != 0)
        tape_fail(path);
}

struct tape_mark *tape_marks(const char *path, const struct tape *t)
{
    const size_t n = t->count * sizeof(struct tape_mark);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *p;

    if (fd < 0 || ftruncate(fd, (off_t)n) != 0 ||
        (p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
        tape_fail(path);
    close(fd);
    return p;
}
