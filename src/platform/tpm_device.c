/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's TPM device as tss2 wants it: TCG TSS 2.0 TPM Command Transmission Interface specification, version 1 of the context. */
#include "platform/tpm_device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rw.h"

/* The resource manager in the kernel: who opens it has a TPM to itself. */
#define DEVICE       "/dev/tpmrm0"

#define TCTI_MAGIC   0x434c4f2d54504d00u /* "CLO-TPM" */
#define HEADER_LEN   10                  /* tag, length, code */
#define RESPONSE_MAX 4096                /* TPM_BUFSIZE of the kernel */

static int error_of(int e)
{
    switch (e) {
    case ENOENT:
    case ENODEV:
    case ENXIO: return CLOISTER_E_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS: return CLOISTER_E_PERMISSION;
    case EBUSY:
    case EAGAIN: return CLOISTER_E_BUSY;
    case ENOMEM: return CLOISTER_E_MEMORY;
    default: return CLOISTER_E_IO;
    }
}

static struct clo_tpm_device *device_of(TSS2_TCTI_CONTEXT *ctx)
{
    return (struct clo_tpm_device *)ctx; /* its first member */
}

/* ---- command transmission ---- */

static TSS2_RC fails(struct clo_tpm_device *d, int err)
{
    d->err = err;
    return TSS2_TCTI_RC_IO_ERROR;
}

/* The driver takes a command whole or not at all, and works on it until it returns. */
static TSS2_RC transmit(TSS2_TCTI_CONTEXT *ctx, size_t n, const uint8_t *p)
{
    struct clo_tpm_device *d = device_of(ctx);
    ssize_t k;

    d->err = 0;
    do
        k = write(d->fd, p, n);
    while (k < 0 && errno == EINTR);
    if (k < 0)
        return fails(d, error_of(errno));
    return (size_t)k == n ? TSS2_RC_SUCCESS : fails(d, CLOISTER_E_IO);
}

/* Some drivers give an answer in one read or never, so it is asked for whole; and it is what its header says, or none. */
static TSS2_RC receive(TSS2_TCTI_CONTEXT *ctx, size_t *n, uint8_t *p, int32_t timeout)
{
    struct clo_tpm_device *d = device_of(ctx);
    uint8_t answer[RESPONSE_MAX];
    struct clo_rd rd;
    uint16_t tag = 0;
    uint32_t len = 0;
    ssize_t k;

    (void)timeout; /* esys waits without one */
    if (p == NULL) {
        *n = sizeof answer;
        return TSS2_RC_SUCCESS;
    }
    do
        k = read(d->fd, answer, sizeof answer);
    while (k < 0 && errno == EINTR);
    if (k <= 0)
        return fails(d, k < 0 ? error_of(errno) : CLOISTER_E_IO);
    rd = clo_rd_init(answer, (size_t)k);
    if (k < HEADER_LEN || clo_rd_u16be(&rd, &tag) != 0 || clo_rd_u32be(&rd, &len) != 0 ||
        len != (size_t)k || len > *n)
        return fails(d, CLOISTER_E_MALFORMED);
    memcpy(p, answer, len);
    *n = len;
    return TSS2_RC_SUCCESS;
}

/* ---- results ---- */

/* Part 2, section 6.6.2: a format-one code says what is wrong with which handle, session or parameter. */
static int format_one(TSS2_RC rc)
{
    switch (rc & ~(TSS2_RC)(TPM2_RC_N_MASK | TPM2_RC_P)) {
    case TPM2_RC_HANDLE: return CLOISTER_E_NOT_FOUND;
    case TPM2_RC_VALUE: /* of a handle: there is none of this number */
        return (rc & (TPM2_RC_P | TPM2_RC_S)) == 0 ? CLOISTER_E_NOT_FOUND : CLOISTER_E_IO;
    case TPM2_RC_AUTH_FAIL:
    case TPM2_RC_BAD_AUTH:
    case TPM2_RC_POLICY_FAIL:
    case TPM2_RC_HIERARCHY: return CLOISTER_E_PERMISSION;
    case TPM2_RC_ASYMMETRIC:
    case TPM2_RC_ATTRIBUTES:
    case TPM2_RC_HASH:
    case TPM2_RC_KEY:
    case TPM2_RC_SCHEME:
    case TPM2_RC_TYPE: return CLOISTER_E_UNSUPPORTED;
    default: return CLOISTER_E_IO;
    }
}

static int format_zero(TSS2_RC rc)
{
    /* Warnings: the command was not begun, and may be tried again, but for what names a handle. */
    if ((rc & TPM2_RC_WARN) == TPM2_RC_WARN) {
        if (rc == TPM2_RC_LOCALITY)
            return CLOISTER_E_PERMISSION;
        return rc >= TPM2_RC_REFERENCE_H0 && rc <= TPM2_RC_REFERENCE_S6 ? CLOISTER_E_NOT_FOUND
                                                                        : CLOISTER_E_BUSY;
    }
    switch (rc) {
    case TPM2_RC_NV_UNINITIALIZED: return CLOISTER_E_NOT_FOUND;
    case TPM2_RC_AUTH_TYPE:
    case TPM2_RC_AUTH_UNAVAILABLE:
    case TPM2_RC_NV_AUTHORIZATION:
    case TPM2_RC_NV_LOCKED: return CLOISTER_E_PERMISSION;
    case TPM2_RC_COMMAND_CODE:
    case TPM2_RC_DISABLED: return CLOISTER_E_UNSUPPORTED;
    case TPM2_RC_FAILURE:
    case TPM2_RC_INITIALIZE:
    case TPM2_RC_REBOOT: return CLOISTER_E_DEVICE;
    default: return CLOISTER_E_IO;
    }
}

int clo_tpm_device_result(const struct clo_tpm_device *d, TSS2_RC rc)
{
    const TSS2_RC layer = rc & TSS2_RC_LAYER_MASK, code = rc & ~TSS2_RC_LAYER_MASK;

    if (rc == TSS2_RC_SUCCESS)
        return 0;
    if (d->err != 0)
        return d->err;
    /* The kernel answers in the resource manager's name what it refuses itself. */
    if (layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_RC_LAYER ||
        layer == TSS2_RESMGR_TPM_RC_LAYER)
        return (code & TPM2_RC_FMT1) != 0 ? format_one(code) : format_zero(code);
    switch (code) {
    case TSS2_BASE_RC_MEMORY: return CLOISTER_E_MEMORY;
    case TSS2_BASE_RC_TRY_AGAIN: return CLOISTER_E_BUSY;
    case TSS2_BASE_RC_NOT_IMPLEMENTED:
    case TSS2_BASE_RC_NOT_SUPPORTED:
    case TSS2_BASE_RC_ABI_MISMATCH: return CLOISTER_E_UNSUPPORTED;
    default: return CLOISTER_E_MALFORMED; /* tss2 could make nothing of the answer */
    }
}

/* ---- opening ---- */

int clo_tpm_device_open(struct clo_tpm_device *ret)
{
    int err;

    *ret = (struct clo_tpm_device){.fd = -1};
    if (setenv("TSS2_LOG", "all+none", 1) != 0)
        return CLOISTER_E_MEMORY;
    ret->tcti.magic = TCTI_MAGIC;
    ret->tcti.version = 1;
    ret->tcti.transmit = transmit;
    ret->tcti.receive = receive;
    if ((ret->fd = open(DEVICE, O_RDWR | O_CLOEXEC)) < 0)
        return error_of(errno);
    err = clo_tpm_device_result(ret,
                                Esys_Initialize(&ret->esys, (TSS2_TCTI_CONTEXT *)&ret->tcti, NULL));
    if (err != 0)
        clo_tpm_device_close(ret);
    return err;
}

void clo_tpm_device_close(struct clo_tpm_device *d)
{
    Esys_Finalize(&d->esys);
    if (d->fd >= 0)
        (void)close(d->fd);
    d->fd = -1;
}
