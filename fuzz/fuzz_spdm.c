/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices' evidence before anything vouches for it. The first byte says which: even, a report, which is appraised without
 * certificates: each check is made, and none of its claims passes; odd, a leaf certificate, whose firmware id is read as
 * every architecture's.
 */
#include <string.h>

#include "attest/nvidia_in.h"
#include "fuzz.h"

static void check_fields(const struct clo_spdm_report *r, const uint8_t *p, size_t n)
{
    char text[64];

    FUZZ_CHECK(r->blocks >= 1 && r->blocks <= CLO_SPDM_BLOCKS_MAX);
    FUZZ_CHECK(r->fields <= CLO_SPDM_FIELDS_MAX);
    FUZZ_CHECK(n >= r->signed_n + 96 && n <= r->signed_n + 96 + CLO_SPDM_PADDING_MAX);
    FUZZ_CHECK(memcmp(r->r, p + r->signed_n, 48) == 0 &&
               memcmp(r->s, p + r->signed_n + 48, 48) == 0 && memcmp(r->nonce, p + 4, 32) == 0);
    for (size_t i = 0; i < r->blocks; i++)
        FUZZ_CHECK(r->block[i].p >= p && r->block[i].p + r->block[i].n <= p + r->signed_n);
    for (size_t i = 0; i < r->fields; i++) {
        const struct clo_spdm_field *f = &r->field[i];

        FUZZ_CHECK(f->p >= p && f->p + f->n <= p + r->signed_n);
        FUZZ_CHECK(clo_spdm_find(r, (enum clo_spdm_field_id)f->id) == f);
        if (clo_spdm_text(r, (enum clo_spdm_field_id)f->id, text, sizeof(text)) == 0)
            FUZZ_CHECK(strlen(text) >= 1 && strlen(text) <= f->n);
    }
    if (clo_spdm_vbios(r, text) == 0)
        FUZZ_CHECK(strlen(text) < CLO_SPDM_VBIOS_LEN);
}

/* A policy that admits anything, and has reference values for every index. */
static const struct cloister_policy *generous(void)
{
    static struct clo_reference reference[2];
    static struct cloister_policy p = {
        .revocation_if_present = true,
        .devices = {.max = 32,
                    .arch = {false, true, true, true},
                    .modes = 7,
                    .min_driver = "0",
                    .reference = reference,
                    .references = 2},
    };

    for (size_t i = 0; i < CLO_ARRAY_LEN(reference); i++) {
        reference[i].kind = i == 0 ? CLO_REFERENCE_DRIVER : CLO_REFERENCE_VBIOS;
        reference[i].arch = CLO_GPU_HOPPER;
        memcpy(reference[i].version, i == 0 ? "550.90.07" : "96.00.74.00.1C", i == 0 ? 10 : 15);
        reference[i].active = i == 0 ? UINT32_MAX : ~(uint64_t)UINT32_MAX;
        for (size_t k = 0; k < CLO_REFERENCE_INDEXES; k++)
            reference[i].index[k].count = 1; /* of zeroes */
    }
    return &p;
}

static void report(const uint8_t *p, size_t n)
{
    static const char *const arch[] = {"hopper", "blackwell", "ls10", "other"};
    static const struct clo_collateral none;
    static struct clo_verdict_builder vb;
    static struct clo_spdm_report r;
    const uint8_t nonce[32] = {0};
    struct clo_device d = {.report = {.p = (uint8_t *)(uintptr_t)p, .len = n}};
    const struct clo_devices devices = {.count = 1, .device = &d};
    const struct clo_gpu_input in = {.devices = &devices, .collateral = &none, .nonce = nonce};
    const bool parses = clo_spdm_parse(p, n, &r) == 0;

    if (parses)
        check_fields(&r, p, n);
    for (size_t i = 0; i < CLO_ARRAY_LEN(arch); i++) {
        memcpy(d.arch, arch[i], strlen(arch[i]) + 1);
        clo_vb_init(&vb);
        FUZZ_CHECK(clo_gpu_appraise(&in, generous(), cloister_roots_builtin(), 1795000000, &vb) ==
                   0);
        FUZZ_CHECK(!vb.twice);
        FUZZ_CHECK((clo_vb_status(&vb, CLOISTER_CHECK_GPU_FORMAT) == CLOISTER_CHECK_PASS) ==
                   parses);
        for (unsigned id = CLOISTER_CHECK_GPU_FORMAT + 1; id <= CLOISTER_CHECK_GPU_SWITCHES; id++) {
            const enum cloister_check_status s = clo_vb_status(&vb, (enum cloister_check_id)id);

            FUZZ_CHECK(s != CLOISTER_CHECK_NONE && s != CLOISTER_CHECK_PASS);
        }
    }
}

static void certificate(const uint8_t *p, size_t n)
{
    struct clo_cert *c = NULL;
    struct clo_gpu_fwid f = {0};
    char chip[CLO_GPU_CHIP_LEN];

    if (clo_cert_parse(p, n, &c) != 0)
        return;
    clo_gpu_cert_chip(c, chip);
    FUZZ_CHECK(strlen(chip) < sizeof(chip));
    FUZZ_CHECK(clo_gpu_arch_of(clo_gpu_arch_name(clo_gpu_chip_arch(chip))) ==
               clo_gpu_chip_arch(chip));
    for (unsigned a = CLO_GPU_UNKNOWN; a < CLO_GPU_ARCHS; a++) {
        const int err = clo_gpu_fwid_read(c, (enum clo_gpu_arch)a, &f);

        FUZZ_CHECK(err != 0 || f.has_device_key == (a != CLO_GPU_BLACKWELL));
        memset(&f, 0, sizeof(f));
    }
    clo_cert_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        report(data + 1, size - 1);
    else
        certificate(data + 1, size - 1);
    return 0;
}
