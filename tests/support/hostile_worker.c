/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker that was taken over, in the place of the attester's own: what it does, the file "worker" beside the program says.
 * No such file: it is the real one.
 *
 *   simulates   opens a simulator, whatever it was told to
 *   rubbish     answers each question with another one's answer, and goes on saying so
 *   deaf        reads nothing and says nothing
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/attester/attester.h"

int __real_clo_worker_main(void);
int __wrap_clo_worker_main(void);
int __real_clo_attester_start_read(const void *p, size_t n, struct clo_attester_start *ret);
int __wrap_clo_attester_start_read(const void *p, size_t n, struct clo_attester_start *ret);

static bool simulates;

static void read_mode(char ret[32])
{
    char path[4096 + 16];
    ssize_t n = readlink("/proc/self/exe", path, 4095);
    FILE *f;

    if (n <= 0)
        return;
    path[n] = 0;
    (void)snprintf(strrchr(path, '/'), 16, "/worker");
    if ((f = fopen(path, "r")) == NULL)
        return;
    if (fscanf(f, "%31s", ret) != 1)
        ret[0] = 0;
    (void)fclose(f);
}

int __wrap_clo_worker_main(void)
{
    static const uint8_t bytes[41] = {1};
    char mode[32] = "";

    read_mode(mode);
    simulates = strcmp(mode, "simulates") == 0;
    if (strcmp(mode, "rubbish") == 0)
        while (clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_WORK_LOOKED, 1, bytes, sizeof bytes, -1) == 0)
            ;
    if (strcmp(mode, "rubbish") == 0 || strcmp(mode, "deaf") == 0)
        for (;;)
            (void)pause();
    return __real_clo_worker_main();
}

int __wrap_clo_attester_start_read(const void *p, size_t n, struct clo_attester_start *ret)
{
    int err = __real_clo_attester_start_read(p, n, ret);

    if (err == 0 && simulates)
        *ret = (struct clo_attester_start){.tee = CLO_TEE_SIMULATED};
    return err;
}
