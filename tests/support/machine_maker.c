/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `machine_maker DIR [GPUS]` invents an SEV-SNP machine with so many GPUs (none) and its vendors as of now, for tests in Python:
 *
 *   amd/vcek.der, amd/cert_chain.pem, amd/crl.der   what AMD's service answers (cert_chain: ASK, then ARK)
 *   amd/crl-later.der                               its list of four days later; each holds for seven, from the day before
 *   roots/ark.der                                   the root that such a machine's evidence ends in
 *   policy.json                                     admits exactly this machine, with its GPUs
 *   tee/                                            for fake_tee.h; "table" is what a host could give with a report, "table-of-two" the same without its root
 *
 * with GPUs also
 *
 *   gpus/                                           for fake_nvml.h
 *   nvidia/NAME                                     NVIDIA's answers about them, by their names in the cache (clo_want_name)
 *   nvidia-later/NAME                               and those of four days later
 *   roots/nvidia.der                                the root that their chains end in
 *
 * and says on one line of JSON how AMD's service is asked for the certificate.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/pem.h>

#include "attest/gather.h"
#include "base/enc.h"
#include "cert_table.h"
#include "crypto/x509.h"
#include "fake_nvml.h"
#include "lab/machine.h"

#define REPORTED_TCB 0x180
#define CHIP_ID      0x1a0
#define DAY          86400
#define LATER        (4 * DAY)
#define HOLDS        (7 * DAY)

static const char *folder;

static int save(const char *name, const void *p, size_t n)
{
    char path[4096];
    FILE *f;
    int ok;

    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path ||
        (f = fopen(path, "wb")) == NULL)
        return CLOISTER_E_IO;
    ok = fwrite(p, 1, n, f) == n;
    return fclose(f) == 0 && ok ? 0 : CLOISTER_E_IO;
}

static int make_folder(const char *name)
{
    char path[4096];

    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return CLOISTER_E_IO;
    return mkdir(path, 0700) == 0 ? 0 : CLOISTER_E_IO;
}

/* ASK, then ARK. */
static int save_chain(const struct synthetic *y)
{
    char path[4096];
    FILE *f;
    int ok = 1;

    if (snprintf(path, sizeof path, "%s/amd/cert_chain.pem", folder) >= (int)sizeof path ||
        (f = fopen(path, "wb")) == NULL)
        return CLOISTER_E_IO;
    for (size_t i = 1; i < 3; i++) {
        const struct clo_buf *der = synthetic_amd(y, i);

        ok &= PEM_write(f, "CERTIFICATE", "", der->p, (long)der->len) > 0;
    }
    return fclose(f) == 0 && ok ? 0 : CLOISTER_E_IO;
}

/* The one of the answers that is about what is wanted. */
static int save_answer(const struct synthetic_scene *s, const struct clo_want *w, const char *to,
                       struct clo_gathered *g)
{
    char name[CLO_WANT_NAME_MAX], path[CLO_WANT_NAME_MAX + 16];

    clo_want_name(w, name);
    (void)snprintf(path, sizeof path, "%s/%s", to, name);
    for (size_t i = 0; i < s->collateral.ocsps; i++) {
        const struct clo_buf *b = &s->collateral.ocsp[i];
        const struct clo_answer a = {.body = b->p, .body_n = b->len};
        int64_t until, renew;

        if (clo_gathered_put(g, w, &a, s->now, &until, &renew) == 0)
            return save(path, b->p, b->len);
    }
    return CLOISTER_E_NOT_FOUND;
}

/* Drivers send the root along, and evidence says by it who answers for the uppermost certificate. */
static int add_root(struct synthetic_scene *s, const struct clo_buf *root)
{
    int err = 0;

    for (size_t i = 0; i < s->devices.count && err == 0; i++) {
        struct clo_buf *to = &s->devices.device[i].chain[s->devices.device[i].chain_n++];

        *to = clo_buf_init(CLO_CERT_MAX);
        err = clo_buf_append(to, root->p, root->len);
    }
    return err;
}

static int save_answers(const struct synthetic *y, struct synthetic_scene *s, const char *to)
{
    struct clo_gathered *g = NULL;
    struct clo_wants wants = {0};
    int err;

    if ((err = make_folder(to)) != 0 || (err = add_root(s, synthetic_nvidia_root(y))) != 0 ||
        (err = clo_wants_of(NULL, &s->devices, &wants)) != 0 || (err = clo_gathered_new(&g)) != 0)
        goto out;
    for (size_t i = 0; i < wants.count && err == 0; i++)
        err = save_answer(s, &wants.want[i], to, g);
out:
    clo_gathered_free(g);
    clo_wants_clear(&wants);
    return err;
}

static int save_gpus(const struct synthetic *y, struct synthetic_scene *s)
{
    const struct clo_buf *root = synthetic_nvidia_root(y);
    char path[4096];
    int err;

    if (s->gpus == 0)
        return 0;
    if (snprintf(path, sizeof path, "%s/gpus", folder) >= (int)sizeof path)
        return CLOISTER_E_IO;
    if ((err = make_folder("gpus")) != 0 || (err = fake_gpus_write(y, s, path)) != 0 ||
        (err = save("roots/nvidia.der", root->p, root->len)) != 0)
        return err;
    return save_answers(y, s, "nvidia");
}

/* What the vendors answer when half of their first answers' time is over. */
static int save_later(const struct synthetic *y, size_t gpus)
{
    static struct synthetic_scene s;
    int err;

    synthetic_good(y, gpus, 0, &s);
    s.now += LATER;
    s.crl_until = s.answers_until = s.now + HOLDS;
    if ((err = synthetic_make(y, &s)) == 0 &&
        (err = save("amd/crl-later.der", s.collateral.crl[0].p, s.collateral.crl[0].len)) == 0 &&
        gpus > 0)
        err = save_answers(y, &s, "nvidia-later");
    synthetic_clear(&s);
    return err;
}

static int save_vendor(const struct synthetic *y, size_t gpus)
{
    static struct synthetic_scene s;
    int err;

    synthetic_good(y, gpus, 0, &s);
    s.crl_until = s.answers_until = s.now + HOLDS;
    if ((err = synthetic_make(y, &s)) != 0 || (err = make_folder("amd")) != 0 ||
        (err = make_folder("roots")) != 0 || (err = save_chain(y)) != 0 ||
        (err = save("amd/vcek.der", synthetic_amd(y, 0)->p, synthetic_amd(y, 0)->len)) != 0 ||
        (err = save("amd/crl.der", s.collateral.crl[0].p, s.collateral.crl[0].len)) != 0 ||
        (err = save("roots/ark.der", synthetic_amd(y, 2)->p, synthetic_amd(y, 2)->len)) != 0 ||
        (err = save_gpus(y, &s)) != 0)
        goto out;
    err = save("policy.json", s.policy.p, s.policy.len);
out:
    synthetic_clear(&s);
    return err;
}

static int save_hardware(const struct synthetic *y, uint8_t report[CLO_SNP_REPORT_LEN])
{
    const struct cert_table_entry e[] = {
        {CERT_TABLE_VCEK, synthetic_amd(y, 0)->p, synthetic_amd(y, 0)->len},
        {CERT_TABLE_ASK, synthetic_amd(y, 1)->p, synthetic_amd(y, 1)->len},
        {CERT_TABLE_ARK, synthetic_amd(y, 2)->p, synthetic_amd(y, 2)->len},
    };
    static const char words[] = "tsm 1\nsev_guest 1\nprovider sev_guest\n";
    struct clo_buf key = clo_buf_init(4096), table = clo_buf_init(65536);
    static const uint8_t data[64];
    int err;

    if ((err = synthetic_report(y, data, report)) != 0 ||
        (err = synthetic_vcek_key(y, &key)) != 0 ||
        (err = cert_table_make(e, CLO_ARRAY_LEN(e), &table)) != 0 ||
        (err = make_folder("tee")) != 0 ||
        (err = save("tee/template", report, CLO_SNP_REPORT_LEN)) != 0 ||
        (err = save("tee/vcek.key", key.p, key.len)) != 0 ||
        (err = save("tee/table", table.p, table.len)) != 0)
        goto out;
    clo_buf_clear(&table);
    if ((err = cert_table_make(e, 2, &table)) != 0 ||
        (err = save("tee/table-of-two", table.p, table.len)) != 0)
        goto out;
    err = save("tee/tee", words, sizeof words - 1);
out:
    clo_buf_clear(&key);
    clo_buf_clear(&table);
    return err;
}

int main(int argc, char **argv)
{
    uint8_t report[CLO_SNP_REPORT_LEN];
    struct synthetic *y = NULL;
    const size_t gpus = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    char chip[129];
    int err;

    if (argc < 2 || argc > 3) {
        (void)fputs("usage: machine_maker DIR [GPUS]\n", stderr);
        return 1;
    }
    folder = argv[1];
    if ((err = clo_crypto_init()) != 0 || (err = synthetic_new(time(NULL), &y)) != 0 ||
        (err = save_vendor(y, gpus)) != 0 || (err = save_later(y, gpus)) != 0 ||
        (err = save_hardware(y, report)) != 0)
        goto out;
    clo_hex(report + CHIP_ID, 64, chip);
    if (printf("{\"product\": \"Genoa\", \"chip_id\": \"%s\", \"tcb\": {\"bl\": %u, \"tee\": %u, "
               "\"snp\": %u, \"ucode\": %u}}\n",
               chip, report[REPORTED_TCB], report[REPORTED_TCB + 1], report[REPORTED_TCB + 6],
               report[REPORTED_TCB + 7]) < 0 ||
        fflush(stdout) != 0)
        err = CLOISTER_E_IO;
out:
    if (err != 0)
        (void)fprintf(stderr, "machine_maker: %s\n", cloister_strerror(err));
    synthetic_free(y);
    return err == 0 ? 0 : 1;
}
