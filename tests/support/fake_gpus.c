/* SPDX-License-Identifier: Apache-2.0 */
/* Writes what fake_nvml.c reads: see fake_nvml.h. */
#include "fake_nvml.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>

#define PATH_LEN  4352
#define SIGNATURE 96

static int path_of(char dst[PATH_LEN], const char *folder, const char *name)
{
    return (size_t)snprintf(dst, PATH_LEN, "%s/%s", folder, name) < PATH_LEN ? 0 : CLOISTER_E_LIMIT;
}

/* Whole or not at all. */
static int file_write(const char *folder, const char *name, const void *p, size_t n)
{
    char path[PATH_LEN], temporary[PATH_LEN];
    FILE *f;
    bool ok;
    int err;

    if ((err = path_of(path, folder, name)) != 0 ||
        (err = path_of(temporary, folder, ".writing")) != 0)
        return err;
    f = fopen(temporary, "wbe");
    if (f == NULL)
        return CLOISTER_E_IO;
    ok = fwrite(p, 1, n, f) == n;
    ok = fclose(f) == 0 && ok;
    return ok && rename(temporary, path) == 0 ? 0 : CLOISTER_E_IO;
}

static int key_write(const struct synthetic *y, size_t gpu, const char *folder, const char *name)
{
    struct clo_buf pem = clo_buf_init(4096);
    int err;

    if ((err = synthetic_gpu_key(y, gpu, &pem)) == 0)
        err = file_write(folder, name, pem.p, pem.len);
    clo_buf_clear(&pem);
    return err;
}

/* As the driver gives it: leaf first, the root last, no text around. */
static int chain_write(const char *folder, const char *name, const struct clo_device *d,
                       const struct clo_buf *root)
{
    BIO *b = BIO_new(BIO_s_mem());
    int err = b == NULL ? CLOISTER_E_CRYPTO : 0;
    char *p = NULL;
    long n;

    for (size_t i = 0; i <= d->chain_n && err == 0; i++) {
        const struct clo_buf *der = i < d->chain_n ? &d->chain[i] : root;

        if (PEM_write_bio(b, "CERTIFICATE", "", der->p, (long)der->len) <= 0)
            err = CLOISTER_E_CRYPTO;
    }
    if (err == 0) {
        n = BIO_get_mem_data(b, &p);
        err = file_write(folder, name, p, (size_t)n);
    }
    BIO_free(b);
    return err;
}

int fake_gpus_write(const struct synthetic *y, const struct synthetic_scene *s, const char *folder)
{
    char pem[32], key[32], report[32];
    int err = 0;

    for (size_t i = 0; i < s->gpus && err == 0; i++) {
        const struct clo_device *d = &s->devices.device[i];

        (void)snprintf(pem, sizeof pem, "gpu-%zu.pem", i);
        (void)snprintf(key, sizeof key, "gpu-%zu.key", i);
        (void)snprintf(report, sizeof report, "gpu-%zu.report", i);
        if ((err = chain_write(folder, pem, d, synthetic_nvidia_root(y))) != 0 ||
            (err = key_write(y, s->first_gpu + i, folder, key)) != 0)
            break;
        err = file_write(folder, report, d->report.p, d->report.len - SIGNATURE);
    }
    return err;
}

int fake_gpus_state(const char *folder, const char *lines)
{
    return file_write(folder, "state", lines, strlen(lines));
}

int fake_gpus_library(const char *folder, const char *library, const char *gpus)
{
    char path[PATH_LEN];
    int err;

    if ((err = path_of(path, folder, "libnvidia-ml.so.1")) != 0)
        return err;
    if (symlink(library, path) != 0)
        return CLOISTER_E_IO;
    return file_write(folder, "fake_nvml.conf", gpus, strlen(gpus));
}
