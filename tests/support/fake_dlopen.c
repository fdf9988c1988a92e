/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linked into a program with --wrap (dep_fake_dlopen): its libnvidia-ml.so.1 is the one beside its own executable, or there is none; and
 * the machine's own driver, where the tests run on one that has GPUs, isn't seen. See fake_nvml.h.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);
int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode);

void *__wrap_dlopen(const char *name, int flags)
{
    static const char wanted[] = "libnvidia-ml.so.1";
    char path[4096 + sizeof wanted + 1];
    ssize_t n;
    char *slash;

    if (name == NULL || strcmp(name, wanted) != 0)
        return __real_dlopen(name, flags);
    n = readlink("/proc/self/exe", path, 4095);
    if (n <= 0)
        return NULL;
    path[n] = '\0';
    slash = strrchr(path, '/');
    memcpy(slash + 1, wanted, sizeof wanted);
    return __real_dlopen(path, flags);
}

int __wrap_access(const char *path, int mode)
{
    return strcmp(path, "/dev/nvidiactl") == 0 ? -1 : __real_access(path, mode);
}
