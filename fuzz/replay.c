/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds files, or all files of folders, to one fuzz harness: the corpus as a regression test that needs
 * neither clang nor libFuzzer, and a way to look at a finding under a debugger. Prints TAP. Each input lies
 * in a heap block of its exact size, so that the sanitisers see a read beyond it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static bool replay_file(const char *path)
{
    struct stat st = {0};
    uint8_t *data = NULL;
    FILE *f = fopen(path, "rb");
    bool ok = false;

    if (f == NULL || fstat(fileno(f), &st) != 0)
        goto out;
    /* malloc(0) would be a block all the same, so that empty inputs are no special case */
    if ((data = malloc((size_t)st.st_size)) == NULL)
        goto out;
    if (fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
        goto out;
    LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
    ok = true;
out:
    if (!ok)
        printf("# %s: %s\n", path, strerror(errno));
    free(data);
    if (f != NULL)
        fclose(f);
    return ok;
}

/* Adds what it replayed to *count; false if anything could not be read. */
static bool replay(const char *path, unsigned *count)
{
    struct dirent *entry = NULL;
    DIR *dir = opendir(path);
    bool ok = true;

    if (dir == NULL) {
        ok = replay_file(path);
        *count += ok ? 1 : 0;
        return ok;
    }
    while ((entry = readdir(dir)) != NULL) {
        char name[4096] = "";
        int n = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);

        if (entry->d_name[0] == '.')
            continue;
        if (n < 0 || (size_t)n >= sizeof(name) || !replay_file(name))
            ok = false;
        else
            (*count)++;
    }
    closedir(dir);
    return ok;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    unsigned count = 0;
    bool ok = argc > 1;

    /* the plan first: a harness that aborts leaves it unfulfilled */
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..1\n");
    for (int i = 1; i < argc; i++)
        ok = replay(argv[i], &count) && ok;
    ok = ok && count > 0;
    printf("%sok 1 - %s: %u inputs\n", ok ? "" : "not ", slash == NULL ? argv[0] : slash + 1,
           count);
    return ok ? 0 : 1;
}
