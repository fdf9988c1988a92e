/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes raw files of a synthetic machine (synthetic.h) into a folder, for tests that drive programs: raw_maker FOLDER GPUS [TIME].
 * The last line on standard output is JSON: time, nonce, report_data, gpu_nonce, numbers of files.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "lab/machine.h"

static const char *folder;

__attribute__((format(printf, 3, 4))) static int save(const void *p, size_t n, const char *name,
                                                      ...)
{
    char file[64], path[4096];
    va_list args;
    FILE *f;
    int ok;

    va_start(args, name);
    (void)vsnprintf(file, sizeof file, name, args);
    va_end(args);
    (void)snprintf(path, sizeof path, "%s/%s", folder, file);
    if ((f = fopen(path, "wb")) == NULL)
        return CLOISTER_E_IO;
    ok = fwrite(p, 1, n, f) == n;
    return fclose(f) == 0 && ok ? 0 : CLOISTER_E_IO;
}

static int save_device(const struct clo_device *d, size_t i)
{
    int err = save(d->report.p, d->report.len, "gpu%zu.report", i);

    for (size_t k = 0; err == 0 && k < d->chain_n; k++)
        err = save(d->chain[k].p, d->chain[k].len, "gpu%zu.cert%zu.der", i, k);
    return err;
}

static int save_cpu(const struct synthetic_scene *s, struct clo_cpu_section *cpu)
{
    int err = clo_cpu_section_parse(s->sec[CLO_SEC_CPU].p, s->sec[CLO_SEC_CPU].len, cpu);

    if (err == 0)
        err = save(cpu->report, cpu->report_n, "snp.report");
    for (size_t i = 0; err == 0 && i < cpu->chain_n; i++)
        err = save(cpu->chain[i].p, cpu->chain[i].len, "snp.cert%zu.der", i);
    return err;
}

static int save_all(const struct synthetic *y, const struct synthetic_scene *s,
                    struct clo_cpu_section *cpu)
{
    const struct clo_buf *amd = synthetic_amd_root(y), *nvidia = synthetic_nvidia_root(y);
    int err;

    if ((err = save_cpu(s, cpu)) != 0 || (err = save(amd->p, amd->len, "amd-root.der")) != 0 ||
        (err = save(nvidia->p, nvidia->len, "nvidia-root.der")) != 0 ||
        (err = save(s->policy.p, strlen((const char *)s->policy.p), "policy.json")) != 0 ||
        (err = save(s->document.p, s->document.len, "server.json")) != 0)
        return err;
    for (size_t i = 0; err == 0 && i < s->devices.count; i++)
        err = save_device(&s->devices.device[i], i);
    for (size_t i = 0; err == 0 && i < s->collateral.crls; i++)
        err = save(s->collateral.crl[i].p, s->collateral.crl[i].len, "crl%zu.der", i);
    for (size_t i = 0; err == 0 && i < s->collateral.ocsps; i++)
        err = save(s->collateral.ocsp[i].p, s->collateral.ocsp[i].len, "ocsp%zu.der", i);
    return err;
}

static int tell(const struct synthetic_scene *s, const struct clo_cpu_section *cpu)
{
    uint8_t keys[32], manifest[32], gpu[32];
    char nonce[CLO_B64_LEN(32) + 1], data[129], gpu_hex[65];
    int err;

    if ((err = clo_sha256(s->sec[CLO_SEC_KEYS].p, s->sec[CLO_SEC_KEYS].len, keys)) != 0 ||
        (err = clo_sha256(s->sec[CLO_SEC_MANIFEST].p, s->sec[CLO_SEC_MANIFEST].len, manifest)) !=
            0 ||
        (err = clo_bind_gpu(keys, manifest, gpu)) != 0)
        return err;
    clo_b64(s->ours.bytes, 32, nonce);
    clo_hex(cpu->report + 0x50, 64, data);
    clo_hex(gpu, 32, gpu_hex);
    printf(
        "{\"time\":%lld,\"nonce\":\"%s\",\"report_data\":\"%s\",\"gpu_nonce\":\"%s\",\"gpus\":%zu,"
        "\"crls\":%zu,\"ocsps\":%zu,\"certs\":%zu}\n",
        (long long)s->now, nonce, data, gpu_hex, s->devices.count, s->collateral.crls,
        s->collateral.ocsps, s->devices.count > 0 ? s->devices.device[0].chain_n : 0);
    return 0;
}

int main(int argc, char **argv)
{
    struct clo_cpu_section cpu = {0};
    struct synthetic_scene s;
    struct synthetic *y = NULL;
    int64_t now;
    int err;

    if (argc != 3 && argc != 4)
        return 2;
    now = argc == 4 ? strtoll(argv[3], NULL, 10) : SYNTHETIC_NOW;
    folder = argv[1];
    if ((err = clo_crypto_init()) != 0 || (err = synthetic_new(now, &y)) != 0)
        goto out;
    synthetic_good(y, strtoul(argv[2], NULL, 10), 0, &s);
    if ((err = synthetic_make(y, &s)) == 0 && (err = save_all(y, &s, &cpu)) == 0)
        err = tell(&s, &cpu);
    synthetic_clear(&s);
    clo_cpu_section_clear(&cpu);
out:
    synthetic_free(y);
    if (err != 0)
        (void)fprintf(stderr, "raw_maker: %s\n", cloister_strerror(err));
    return err != 0;
}
