/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an attester for tests is given instead of given.c: limits that a test can wait for, the roots in the folder "roots" beside the
 * program, as machine_maker and kind_maker write them, and a clock that is ahead by as many seconds as the file "clock" there says.
 */
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/attester/given.h"

const struct clo_attester_limits clo_attester_limits = {
    .report_s = 3,
    .devices_s = 3,
    .answer_s = 10,
    .watch_ms = 50,
    .again_ms = 100,
};

int64_t __real_clo_clock_now(void);
int64_t __wrap_clo_clock_now(void);

static size_t read_beside(const char *name, unsigned char *der, size_t cap)
{
    char path[4096 + 64];
    ssize_t n = readlink("/proc/self/exe", path, 4095);
    char *slash;
    FILE *f;
    size_t got = 0;

    if (n <= 0)
        return 0;
    path[n] = '\0';
    slash = strrchr(path, '/');
    (void)snprintf(slash, 64, "/%s", name);
    if ((f = fopen(path, "rb")) != NULL) {
        got = fread(der, 1, cap, f);
        (void)fclose(f);
    }
    return got;
}

int64_t __wrap_clo_clock_now(void)
{
    char text[32] = "";

    (void)read_beside("clock", (unsigned char *)text, sizeof text - 1);
    return __real_clo_clock_now() + strtoll(text, NULL, 10);
}

/*
 * Hardware that is made of files lies beside the program, or where a file there says; a TPM is behind a socket. The attester reads its clock and
 * its roots there.
 */
const struct clo_cell_more *clo_attester_more(bool worker)
{
    static const struct clo_cell_call calls[] = {
        {.nr = SCMP_SYS(openat)},     {.nr = SCMP_SYS(open)},       {.nr = SCMP_SYS(readlink)},
        {.nr = SCMP_SYS(readlinkat)}, {.nr = SCMP_SYS(newfstatat)}, {.nr = SCMP_SYS(socket)},
        {.nr = SCMP_SYS(connect)},    {.nr = SCMP_SYS(sendto)},     {.nr = SCMP_SYS(recvfrom)},
        {.nr = SCMP_SYS(rename)},     {.nr = SCMP_SYS(unlink)},     {.nr = SCMP_SYS(access)},
    };
    static char beside[4096];
    static struct clo_cell_path path[] = {{beside, -1, 0}, {"/tmp", -1, 0}};
    static const struct clo_cell_more more = {
        .calls = {calls, CLO_ARRAY_LEN(calls)}, .path = path, .paths = CLO_ARRAY_LEN(path)};
    ssize_t n = readlink("/proc/self/exe", beside, sizeof beside - 1);

    beside[n > 0 ? n : 0] = '\0';
    if (strrchr(beside, '/') != NULL)
        *strrchr(beside, '/') = '\0';
    for (size_t i = 0; i < CLO_ARRAY_LEN(path); i++)
        path[i].rights = CLO_CELL_READ | (worker ? CLO_CELL_WRITE | CLO_CELL_CHANGE : 0);
    return &more;
}

const struct cloister_roots *clo_attester_roots(void)
{
    static struct cloister_roots *roots;
    unsigned char der[8192];
    size_t n;

    if (roots != NULL)
        return roots;
    if (cloister_roots_new(&roots) != 0)
        return cloister_roots_builtin();
    if ((n = read_beside("roots/ark.der", der, sizeof der)) > 0 &&
        cloister_roots_add_amd(roots, "Genoa", der, n) != 0)
        (void)fputs("given_fake: ark.der is no root\n", stderr);
    if ((n = read_beside("roots/nvidia.der", der, sizeof der)) > 0 &&
        cloister_roots_add_nvidia(roots, der, n) != 0)
        (void)fputs("given_fake: nvidia.der is no root\n", stderr);
    if ((n = read_beside("roots/intel.der", der, sizeof der)) > 0 &&
        cloister_roots_add_intel(roots, der, n) != 0)
        (void)fputs("given_fake: intel.der is no root\n", stderr);
    return roots;
}
