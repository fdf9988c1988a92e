/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's TPM (/dev/tpmrm0) beneath tss2-esys. tss2 brings a way to the device of its own, but it tells no error apart from another, takes an
 * answer that is cut for a whole one, and gives up on a TPM that is busy for a second. This one says what the kernel said, and takes
 * whole answers only.
 *
 * tss2 reports what it dislikes on standard error, which is for closed tables of events: opening switches that off for this
 * process (TSS2_LOG in its environment; the library has no other way).
 */
#ifndef CLO_PLATFORM_TPM_DEVICE_H
#define CLO_PLATFORM_TPM_DEVICE_H

#include <tss2/tss2_esys.h>

#include "base/base.h"

struct clo_tpm_device {
    TSS2_TCTI_CONTEXT_COMMON_V1 tcti; /* first: tss2 hands it back */
    int fd;
    int err; /* what the last exchange with the device ended with */
    ESYS_CONTEXT *esys;
};
/*
 * Stays where it is until it is closed. CLOISTER_E_NOT_FOUND: there is no TPM; CLOISTER_E_PERMISSION; CLOISTER_E_BUSY; CLOISTER_E_IO.
 * No command is sent.
 */
CLO_MUST_USE int clo_tpm_device_open(struct clo_tpm_device *ret);
/* One that was opened, once. */
void clo_tpm_device_close(struct clo_tpm_device *d);
/*
 * What a call of tss2-esys on this device ended with: 0, or CLOISTER_E_BUSY (not now), CLOISTER_E_NOT_FOUND (no such handle, or
 * the device has gone), CLOISTER_E_PERMISSION (of device or TPM), CLOISTER_E_UNSUPPORTED (the TPM doesn't know this), CLOISTER_E_DEVICE (it failed, or wants
 * to be started), CLOISTER_E_MALFORMED (the answer is none), CLOISTER_E_IO.
 */
CLO_MUST_USE int clo_tpm_device_result(const struct clo_tpm_device *d, TSS2_RC rc);

#endif
