/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the seeds of the evidence, report, certificate and raw harnesses under the folder given (fuzz/corpus), from the
 * simulator and from lab/machine.h. Keys are new each time: run it again when a format changes, not otherwise.
 */
#include <stdio.h>
#include <string.h>

#include <cloister/verify.h>

#include "codec/ohttp.h"
#include "fuzz.h"
#include "tests/support/simulated.h"
#include "tests/support/cert_table.h"
#include "lab/machine.h"

enum {
    NOW = 1795000000
};

static const char *folder;

static void save(const char *harness, const char *name, int what, const void *p, size_t n)
{
    char path[4096] = "";
    FILE *f = NULL;

    (void)snprintf(path, sizeof(path), "%s/%s/%s", folder, harness, name);
    f = fopen(path, "wb");
    FUZZ_CHECK(f != NULL);
    if (what >= 0)
        FUZZ_CHECK(fputc(what, f) == what);
    FUZZ_CHECK(fwrite(p, 1, n, f) == n && fclose(f) == 0);
}

static void make_keys(struct clo_buf *out)
{
    static struct clo_keys_section k = {
        .created = NOW - 60, .expires = NOW + 1740, .gateway = "/r/0123456789abcdef"};
    struct clo_ohttp_keyconf conf = {.key_id = 1, .kem = CLO_KEM_XWING, .suites = 1};
    const uint8_t seed[CLO_KEM_SEED] = {1};
    struct clo_wr wr = clo_wr_init(k.ohttp_keys, sizeof(k.ohttp_keys));

    conf.suite[0].kdf = CLO_KDF_HKDF_SHA256;
    conf.suite[0].aead = CLO_AES_256_GCM;
    FUZZ_CHECK(clo_kem_public(conf.kem, seed, conf.pk) == 0);
    FUZZ_CHECK(clo_ohttp_keys_write(&conf, 1, &wr) == 0);
    k.ohttp_keys_n = wr.len;
    FUZZ_CHECK(clo_keys_section_write(&k, out) == 0);
}

static void make_manifest(bool managed, enum clo_shaping shape, struct clo_buf *out)
{
    const struct clo_manifest m = {.release = "0.1.0",
                                   .engine_name = "llama-server",
                                   .engine_version = "b1",
                                   .managed = managed,
                                   .upstream = "unix",
                                   .model = "model",
                                   .x25519 = !managed,
                                   .prefix_cache = "off",
                                   .shape = shape};

    FUZZ_CHECK(clo_manifest_write(&m, out) == 0);
}

/* All six, bound to each other. */
static void make_sections(struct clo_maker *maker, struct clo_cpu_section *cpu,
                          struct clo_collateral *crls, struct clo_buf sec[CLO_SEC_COUNT])
{
    static const uint8_t nonce[3][32] = {{1}, {2}, {3}};
    struct clo_batch_section batch = {0};
    uint8_t digest[3][32] = {0}, data[64] = {0};

    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        sec[i] = clo_buf_init(CLO_SECTION_MAX);
    make_keys(&sec[CLO_SEC_KEYS]);
    make_manifest(true, CLO_SHAPING_FULL, &sec[CLO_SEC_MANIFEST]);
    FUZZ_CHECK(clo_devices_section_write_empty(&sec[CLO_SEC_DEVICES]) == 0);
    FUZZ_CHECK(clo_batch_make(nonce, 3, 2, &batch) == 0);
    FUZZ_CHECK(clo_batch_section_write(&batch, &sec[CLO_SEC_BATCH]) == 0);
    for (size_t i = 0; i < 3; i++)
        FUZZ_CHECK(clo_sha256(sec[i].p, sec[i].len, digest[i]) == 0);
    FUZZ_CHECK(clo_bind_cpu(batch.root, digest[0], digest[1], digest[2], data) == 0);
    FUZZ_CHECK(maker->ops->report(maker, data, cpu) == 0);
    FUZZ_CHECK(simulated_collateral(maker, cpu, NOW, crls) == 0);
    FUZZ_CHECK(clo_cpu_section_write(cpu, &sec[CLO_SEC_CPU]) == 0);
    FUZZ_CHECK(clo_collateral_write(crls, &sec[CLO_SEC_COLLATERAL]) == 0);
}

static void save_evidence(const struct clo_buf sec[CLO_SEC_COUNT])
{
    struct clo_section_ref ref[CLO_SEC_COUNT] = {0};
    struct clo_buf doc = clo_buf_init(CLOISTER_EVIDENCE_MAX), framed = clo_buf_init(1 << 20);
    static const uint8_t digest[32];

    for (unsigned i = 0; i < CLO_SEC_COUNT; i++) {
        const uint8_t n[2] = {(uint8_t)(sec[i].len >> 8), (uint8_t)sec[i].len};

        ref[i] = (struct clo_section_ref){.p = sec[i].p, .n = sec[i].len};
        FUZZ_CHECK(clo_buf_append(&framed, n, 2) == 0);
        FUZZ_CHECK(clo_buf_append(&framed, sec[i].p, sec[i].len) == 0);
        save("evidence", clo_section_name(i), (int)i + 1, sec[i].p, sec[i].len);
    }
    save("evidence", "bound", 7, framed.p, framed.len);
    FUZZ_CHECK(clo_evidence_write(ref, &doc) == 0);
    save("evidence", "document", 0, doc.p, doc.len);
    clo_buf_clear(&doc);
    doc = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    for (unsigned i = 0; i < CLO_SEC_COUNT; i++)
        ref[i] = (struct clo_section_ref){.digest = digest};
    FUZZ_CHECK(clo_evidence_write(ref, &doc) == 0);
    save("evidence", "digests", 0, doc.p, doc.len);
    clo_buf_clear(&doc);
    clo_buf_clear(&framed);
}

/* ---- machines with GPUs ---- */

static void frame(struct clo_buf *out, int what, const void *p, size_t n)
{
    const uint8_t head[3] = {(uint8_t)what, (uint8_t)(n >> 8), (uint8_t)n};

    FUZZ_CHECK(n <= UINT16_MAX);
    FUZZ_CHECK(clo_buf_append(out, what < 0 ? head + 1 : head, what < 0 ? 2 : 3) == 0);
    FUZZ_CHECK(clo_buf_append(out, p, n) == 0);
}

/* As fuzz_evidence.c reads it: policy, roots, sections. */
static void save_combined(const struct synthetic *y, const struct synthetic_scene *s,
                          const char *name)
{
    struct clo_buf out = clo_buf_init(1 << 20);

    frame(&out, -1, s->policy.p, s->policy.len);
    frame(&out, -1, synthetic_amd_root(y)->p, synthetic_amd_root(y)->len);
    frame(&out, -1, synthetic_nvidia_root(y)->p, synthetic_nvidia_root(y)->len);
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        frame(&out, -1, s->sec[i].p, s->sec[i].len);
    save("evidence", name, 8, out.p, out.len);
    clo_buf_clear(&out);
}

/* As fuzz_raw.c reads it. */
static void save_raw_gpus(const struct synthetic *y, const struct synthetic_scene *s,
                          const char *name)
{
    struct clo_buf out = clo_buf_init(1 << 20);

    frame(&out, 102, synthetic_nvidia_root(y)->p, synthetic_nvidia_root(y)->len);
    frame(&out, 104, s->policy.p, s->policy.len);
    for (size_t i = 0; i < s->devices.count; i++) {
        const struct clo_device *d = &s->devices.device[i];

        frame(&out, CLOISTER_ITEM_REPORT, d->report.p, d->report.len);
        for (size_t k = 0; k < d->chain_n; k++)
            frame(&out, CLOISTER_ITEM_CERTIFICATES, d->chain[k].p, d->chain[k].len);
        if (i == 0)
            frame(&out, 105, d->report.p + 4, 32);
    }
    for (size_t i = 0; i < s->collateral.ocsps; i++)
        frame(&out, CLOISTER_ITEM_OCSP, s->collateral.ocsp[i].p, s->collateral.ocsp[i].len);
    save("raw", name, CLOISTER_RAW_NVIDIA, out.p, out.len);
    clo_buf_clear(&out);
}

static void save_raw_snp(const struct synthetic *y, const struct synthetic_scene *s,
                         const char *name)
{
    const struct clo_buf *sec = &s->sec[CLO_SEC_CPU];
    struct clo_buf out = clo_buf_init(1 << 20);
    struct clo_cpu_section cpu = {0};

    FUZZ_CHECK(clo_cpu_section_parse(sec->p, sec->len, &cpu) == 0);
    frame(&out, 100, synthetic_amd_root(y)->p, synthetic_amd_root(y)->len);
    frame(&out, 104, s->policy.p, s->policy.len);
    frame(&out, CLOISTER_ITEM_REPORT, cpu.report, cpu.report_n);
    for (size_t k = 0; k < cpu.chain_n; k++)
        frame(&out, CLOISTER_ITEM_CERTIFICATES, cpu.chain[k].p, cpu.chain[k].len);
    frame(&out, CLOISTER_ITEM_CRL, s->collateral.crl[0].p, s->collateral.crl[0].len);
    frame(&out, 105, cpu.report + 0x50, 64);
    save("raw", name, CLOISTER_RAW_SEV_SNP, out.p, out.len);
    clo_buf_clear(&out);
    clo_cpu_section_clear(&cpu);
}

/* What a host may give beside a report. */
static void save_tables(const struct synthetic *y)
{
    const struct clo_buf *vcek = synthetic_amd(y, 0), *ask = synthetic_amd(y, 1),
                         *ark = synthetic_amd(y, 2);
    const struct cert_table_entry e[] = {
        {CERT_TABLE_ARK, ark->p, ark->len},
        {CERT_TABLE_ASK, ask->p, ask->len},
        {CERT_TABLE_VCEK, vcek->p, vcek->len},
        {CERT_TABLE_CRL, "list", 4},
        {CERT_TABLE_VLEK, vcek->p, vcek->len},
        {CERT_TABLE_VLEK, ask->p, ask->len},
        {CERT_TABLE_VCEK, "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", 60},
    };
    static const struct {
        const char *name;
        size_t from, count;
    } table[] = {{"whole", 0, 5}, {"vcek", 2, 1}, {"vlek", 3, 2},
                 {"twice", 4, 2}, {"pem", 6, 1},  {"no-leaf", 0, 2}};

    for (size_t i = 0; i < CLO_ARRAY_LEN(table); i++) {
        struct clo_buf t = clo_buf_init(1 << 16);

        FUZZ_CHECK(cert_table_make(e + table[i].from, table[i].count, &t) == 0);
        save("snp_certs", table[i].name, -1, t.p, t.len);
        if (i == 1) {
            memset(t.p + 16, 0xff, 4); /* the sum with the length wraps */
            save("snp_certs", "wraps", -1, t.p, t.len);
        }
        clo_buf_clear(&t);
    }
}

static void save_machines(void)
{
    static const struct {
        const char *name;
        size_t gpus, switches;
        enum synthetic_defect defect;
    } machine[] = {
        {"gpu", 1, 0, SYNTHETIC_SOUND},
        {"gpu-switch", 1, 1, SYNTHETIC_SOUND},
        {"gpu-hold", 1, 0, SYNTHETIC_ON_HOLD},
    };
    struct synthetic *y = NULL;

    FUZZ_CHECK(synthetic_new(NOW, &y) == 0);
    save_tables(y);
    for (size_t i = 0; i < CLO_ARRAY_LEN(machine); i++) {
        static struct synthetic_scene s;

        synthetic_good(y, machine[i].gpus, machine[i].switches, &s);
        s.defect = machine[i].defect;
        s.delegated = i == 1;
        FUZZ_CHECK(synthetic_make(y, &s) == 0);
        save_combined(y, &s, machine[i].name);
        save_raw_gpus(y, &s, machine[i].name);
        if (i == 0)
            save_raw_snp(y, &s, "snp");
        synthetic_clear(&s);
    }
    synthetic_free(y);
}

int main(int argc, char **argv)
{
    struct clo_buf sec[CLO_SEC_COUNT], other = clo_buf_init(CLO_SECTION_MAX);
    struct clo_cpu_section cpu = {0};
    struct clo_collateral crls = {0};
    struct clo_maker *maker = NULL;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: attest_seeds FOLDER\n");
        return 1;
    }
    folder = argv[1];
    FUZZ_CHECK(clo_maker_simulated_new(clo_rng_system(), NOW, &maker) == 0);
    make_sections(maker, &cpu, &crls, sec);
    save_evidence(sec);
    save_machines();
    make_manifest(false, CLO_SHAPING_OFF, &other);
    save("evidence", "manifest-unmanaged", CLO_SEC_MANIFEST + 1, other.p, other.len);
    clo_buf_clear(&other);
    make_manifest(true, CLO_SHAPING_SIZE, &other);
    save("evidence", "manifest-size", CLO_SEC_MANIFEST + 1, other.p, other.len);
    save("snp_report", "simulated", -1, cpu.report, cpu.report_n);
    cpu.report[0] = 2;
    memset(cpu.report + 0x188, 0, 3);
    save("snp_report", "version-2", -1, cpu.report, cpu.report_n);
    save("snp_report", "cut", -1, cpu.report, cpu.report_n - 1);
    save("cert_ext", "leaf", 0, cpu.chain[0].p, cpu.chain[0].len);
    save("cert_ext", "intermediate", 0, cpu.chain[1].p, cpu.chain[1].len);
    save("cert_ext", "root", 0, cpu.chain[2].p, cpu.chain[2].len);
    save("cert_ext", "crl", 1, crls.crl[0].p, crls.crl[0].len);
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        clo_buf_clear(&sec[i]);
    clo_buf_clear(&other);
    clo_cpu_section_clear(&cpu);
    clo_collateral_clear(&crls);
    clo_maker_free(maker);
    return 0;
}
