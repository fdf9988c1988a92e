/* SPDX-License-Identifier: Apache-2.0 */
/* NVIDIA's device reports in plain language (DMTF DSP0274; NVIDIA's opaque fields). */
#include <stdio.h>

#include "attest/spdm.h"
#include "client/explain.h"

static void field_text(struct clo_explain *x, const struct clo_spdm_report *r,
                       enum clo_spdm_field_id id, const char *name, const char *meaning)
{
    char text[64];

    if (clo_spdm_text(r, id, text, sizeof text) == 0)
        clo_explain_field(x, name, meaning, "%s", text);
}

void clo_explain_gpu(struct clo_explain *x, size_t number, const uint8_t *p, size_t n)
{
    const struct clo_spdm_field *f;
    struct clo_spdm_report *r = NULL;
    char title[64], vbios[CLO_SPDM_VBIOS_LEN];
    struct clo_spdm_report report = {0};
    int err = clo_spdm_parse(p, n, &report);

    (void)snprintf(title, sizeof title, "NVIDIA device %zu: measurement report", number);
    if (err != 0) {
        clo_explain_unreadable(x, title, err);
        return;
    }
    r = &report;
    clo_explain_part(
        x, title, "the device's firmware, with a key of this one device that NVIDIA certified",
        "that a genuine NVIDIA device measured its own firmware and settings when it was asked "
        "with this nonce");
    clo_explain_hex(x, "nonce", "what the report answers to (Cloister: hash of keys and manifest)",
                    r->nonce, sizeof r->nonce);
    field_text(x, r, CLO_SPDM_DRIVER_VERSION, "driver",
               "version of the driver that the device runs with");
    if (clo_spdm_vbios(r, vbios) == 0)
        clo_explain_field(x, "VBIOS", "version of the device's firmware", "%s", vbios);
    field_text(x, r, CLO_SPDM_PROJECT, "project",
               "board; with the next two it chooses the reference values");
    field_text(x, r, CLO_SPDM_PROJECT_SKU, "project SKU", "");
    field_text(x, r, CLO_SPDM_CHIP_SKU, "chip SKU", "");
    if ((f = clo_spdm_find(r, CLO_SPDM_FEATURE_FLAG)) != NULL && f->n > 0)
        clo_explain_field(x, "mode", "how the device was set up", "%s",
                          f->p[0] == 0   ? "single GPU, confidential computing"
                          : f->p[0] == 1 ? "several GPUs, confidential computing"
                          : f->p[0] == 2 ? "protected PCIe: several GPUs and switches"
                                         : "a mode that isn't known here");
    clo_explain_field(x, "measurements",
                      "digests of firmware and settings; good ones are in the policy, taken "
                      "from NVIDIA's signed reference values",
                      "%zu", r->blocks);
    clo_explain_unproven(
        x,
        "which machine the device sits in: only the nonce, and measured code that put it to use, "
        "say that");
    clo_explain_unproven(x,
                         "that the device's key is still trusted: that takes signed OCSP answers");
    clo_explain_unproven(x, "that the measurements are good ones: that takes reference values");
}
