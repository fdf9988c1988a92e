/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the seeds of the gather harness into the folder given (fuzz/corpus/gather): machines of every kind with right answers to
 * everything that they want. Keys are new each time: run it again when a format changes, not otherwise.
 */
#include <stdio.h>
#include <string.h>

#include "attest/gather.h"
#include "fuzz.h"
#include "lab/azure.h"
#include "lab/machine.h"
#include "lab/quote.h"
#include "lab/snp.h"

static struct clo_buf out;

static void piece(const void *p, size_t n)
{
    const uint8_t len[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

    FUZZ_CHECK(clo_buf_append(&out, len, sizeof len) == 0 && clo_buf_append(&out, p, n) == 0);
}

static void answer(uint8_t which, const struct clo_buf *body, const struct clo_buf *chain)
{
    FUZZ_CHECK(clo_buf_append(&out, &which, 1) == 0);
    piece(body->p, body->len);
    piece(chain == NULL ? NULL : chain->p, chain == NULL ? 0 : chain->len);
}

static void start(const struct clo_cpu_section *cpu, const struct clo_devices *devices)
{
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);

    clo_buf_clear(&out);
    out = clo_buf_init(1 << 20);
    if (cpu != NULL)
        FUZZ_CHECK(clo_cpu_section_write(cpu, &b) == 0);
    piece(b.p, b.len);
    clo_buf_clear(&b);
    if (devices != NULL)
        FUZZ_CHECK(clo_devices_section_write(devices, &b) == 0);
    piece(b.p, b.len);
    clo_buf_clear(&b);
}

static void save(const char *folder, const char *name)
{
    char path[4096];
    FILE *f = NULL;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FUZZ_CHECK((f = fopen(path, "wb")) != NULL);
    FUZZ_CHECK(fwrite(out.p, 1, out.len, f) == out.len && fclose(f) == 0);
}

/* A certificate of the host's that is of no use, so that the section can be written without any. */
static void stale(struct clo_cpu_section *cpu, const struct clo_buf *der)
{
    cpu->chain[0] = clo_buf_init(CLO_CERT_MAX);
    FUZZ_CHECK(clo_buf_append(&cpu->chain[0], der->p, der->len) == 0);
    cpu->chain_n = 1;
}

static void snp(const char *folder, bool version_2)
{
    struct snp_recipe r = snp_lab_good();
    struct clo_cpu_section cpu = {.type = "sev-snp", .report_n = CLO_SNP_REPORT_LEN};
    struct clo_buf chain[CLO_CHAIN_MAX], root, pem = clo_buf_init(CLO_ANSWER_MAX);
    struct clo_collateral lists;

    if (version_2) {
        snp_put32(&r, 0, 2);
        memset(r.report + 0x188, 0, 3);
        snp_put64(&r, 0x1f8, 0);
        snp_put64(&r, 0x200, 0);
    }
    snp_lab_sign(&r, cpu.report);
    snp_lab_chain(&r, chain);
    snp_lab_root(&r, &root);
    snp_lab_crl(&r, &lists);
    quote_pem(&pem, &chain[1]);
    quote_pem(&pem, &root);
    stale(&cpu, &root);
    start(&cpu, NULL);
    if (version_2) { /* Genoa's, of both; then the rest */
        answer(1, &chain[0], NULL);
        answer(UINT8_MAX, &chain[0], NULL);
        answer(0, &pem, NULL);
        answer(1, &lists.crl[0], NULL);
    } else {
        answer(0, &chain[0], NULL);
        answer(1, &pem, NULL);
        answer(2, &lists.crl[0], NULL);
    }
    save(folder, version_2 ? "snp-2" : "snp");
    clo_cpu_section_clear(&cpu);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&chain[i]);
    clo_buf_clear(&root);
    clo_buf_clear(&pem);
    clo_collateral_clear(&lists);
}

static void intel_answers(const struct quote_evidence *e)
{
    struct clo_buf pem = clo_buf_init(CLO_ANSWER_CHAIN_MAX);

    quote_pem(&pem, &e->collateral.collateral_chain[0]);
    quote_pem(&pem, &e->chain[2]);
    answer(0, &e->collateral.tcb_info, &pem);
    answer(1, &e->collateral.qe_identity, &pem);
    answer(2, &e->collateral.crl[1], NULL);
    answer(3, &e->collateral.crl[0], NULL);
    clo_buf_clear(&pem);
}

static void tdx(const char *folder)
{
    const struct quote_recipe r = quote_lab_td(5, CLO_QUOTE_BODY_TD15);
    struct clo_cpu_section cpu = {.type = "tdx"};
    struct quote_evidence e;

    quote_lab_make(&r, &e);
    cpu.quote = clo_buf_init(CLO_QUOTE_MAX);
    FUZZ_CHECK(clo_buf_append(&cpu.quote, e.quote.p, e.quote.len) == 0);
    start(&cpu, NULL);
    intel_answers(&e);
    save(folder, "tdx");
    clo_cpu_section_clear(&cpu);
    quote_lab_clear(&e);
}

/* The envelope's TDREPORT has what the quote repeats. The vTPM's part is nothing that gathering looks at. */
static void tdx_azure(const char *folder)
{
    struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    struct azure_recipe a = azure_lab_good(true);
    struct clo_cpu_section cpu = {.type = "tdx-azure"};
    struct clo_buf *const blob[] = {&cpu.quote, &cpu.tpm_quote, &cpu.tpm_signature, &cpu.pcrs};
    uint8_t envelope[3 * CLO_HCL_MAX];
    struct quote_evidence e;
    char json[4096];
    size_t n = azure_lab_json(&a, json, sizeof json);

    azure_lab_covered(&a, json, n, r.body + TD_DATA);
    n = azure_lab_envelope(&a, json, n, NULL, envelope);
    memcpy(envelope + CLO_HCL_HW_OFFSET + 264, r.body, 120);
    memcpy(envelope + CLO_HCL_HW_OFFSET + 512, r.body + TD_ATTRIBUTES, 400);
    quote_lab_make(&r, &e);
    cpu.hcl = clo_buf_init(CLO_HCL_MAX);
    FUZZ_CHECK(clo_buf_append(&cpu.hcl, envelope, n) == 0);
    for (size_t i = 0; i < CLO_ARRAY_LEN(blob); i++) {
        *blob[i] = clo_buf_init(32);
        FUZZ_CHECK(clo_buf_append(blob[i], envelope, 32) == 0);
    }
    start(&cpu, NULL);
    answer(UINT8_MAX, &e.quote, NULL);
    intel_answers(&e);
    save(folder, "tdx-azure");
    clo_cpu_section_clear(&cpu);
    quote_lab_clear(&e);
}

/* To each want that one of the responder's answers which is about it. */
static void machine(const struct clo_cpu_section *cpu, const struct synthetic_scene *s)
{
    struct clo_gathered *g = NULL;
    struct clo_wants l = {0};
    int64_t until, renew;

    FUZZ_CHECK(clo_gathered_new(&g) == 0 && clo_wants_of(cpu, &s->devices, &l) == 0);
    start(cpu, &s->devices);
    for (size_t i = 0; i < l.count; i++)
        for (size_t k = 0; k <= s->collateral.ocsps; k++) {
            const struct clo_buf *b = k == 0 ? &s->collateral.crl[0] : &s->collateral.ocsp[k - 1];
            const struct clo_answer a = {.body = b->p, .body_n = b->len};

            if (clo_gathered_put(g, &l.want[i], &a, SYNTHETIC_NOW, &until, &renew) == 0)
                answer((uint8_t)i, b, NULL);
        }
    clo_wants_clear(&l);
    clo_gathered_free(g);
}

static void devices(const char *folder)
{
    struct synthetic *y = NULL;
    struct synthetic_scene s;
    struct clo_cpu_section cpu = {0};

    FUZZ_CHECK(synthetic_new(SYNTHETIC_NOW, &y) == 0);
    synthetic_good(y, 2, 1, &s);
    FUZZ_CHECK(synthetic_make(y, &s) == 0);
    for (size_t i = 0; i < s.devices.count; i++) {
        struct clo_device *d = &s.devices.device[i];
        const struct clo_buf *root = synthetic_nvidia_root(y);

        d->chain[d->chain_n] = clo_buf_init(CLO_CERT_MAX);
        FUZZ_CHECK(clo_buf_append(&d->chain[d->chain_n++], root->p, root->len) == 0);
    }
    FUZZ_CHECK(clo_cpu_section_parse(s.sec[CLO_SEC_CPU].p, s.sec[CLO_SEC_CPU].len, &cpu) == 0);
    machine(NULL, &s);
    save(folder, "devices");
    machine(&cpu, &s);
    save(folder, "machine");
    clo_cpu_section_clear(&cpu);
    synthetic_clear(&s);
    synthetic_free(y);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: gather_seeds FOLDER\n");
        return 1;
    }
    FUZZ_CHECK((snp_lab_open(NULL) | quote_lab_open(NULL) | tl_open(NULL)) == 0);
    snp(argv[1], false);
    snp(argv[1], true);
    tdx(argv[1]);
    tdx_azure(argv[1]);
    devices(argv[1]);
    clo_buf_clear(&out);
    (void)snp_lab_close(NULL);
    (void)quote_lab_close(NULL);
    (void)tl_close(NULL);
    return 0;
}
