/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports through /dev/sev-guest (Linux, Documentation/virt/coco/sev-guest.rst and linux/sev-guest.h; the report's message is
 * MSG_REPORT_RSP in AMD document 56860). Kernels from 6.7 on have configfs-tsm too, which comes first.
 *
 * A report is asked for with the certificates that the host has, and without them where the host has more than the driver can carry. The driver
 * sends its requests one after another, over a counter that the firmware checks; a report can't be another request's, and is compared all the same.
 *
 * The report is of the guest's own privilege level: 0, or what the kernel says under a paravisor or an SVSM (Linux 6.12). The firmware refuses any below
 * that; under a kernel that doesn't say it, no report comes.
 */
#include "platform/maker_in.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "attest/snp_certs.h"

#define DEVICE          "/dev/sev-guest"
#define VMPL            "/sys/devices/system/cpu/sev/vmpl"
#define MESSAGE_VERSION 1
#define PAGE            4096
#define FIRST_TABLE     16384 /* what the driver has carried since it exists (SEV_FW_BLOB_MAX_SIZE) */

struct sev_guest {
    struct clo_maker base;
    int fd;
};

/* What a report is wanted of. */
struct wanted {
    const uint8_t *data; /* 64 bytes */
    uint32_t vmpl;
};

/* What one call leaves behind. */
struct answer {
    struct snp_report_resp resp;
    uint8_t *table; /* heap */
    uint32_t table_n;
};

/* MSG_REPORT_RSP: status, size, reserved, report. */
static int report_of(const struct snp_report_resp *resp, const uint8_t **ret)
{
    struct clo_rd rd = clo_rd_init(resp->data, sizeof resp->data);
    uint32_t status = 0, size = 0;
    int err;

    if ((err = clo_rd_u32le(&rd, &status)) != 0 || (err = clo_rd_u32le(&rd, &size)) != 0 ||
        (err = clo_rd_skip(&rd, 24)) != 0)
        return err;
    if (status != 0)
        return CLOISTER_E_IO; /* the firmware refused */
    if (size != CLO_SNP_REPORT_LEN)
        return CLOISTER_E_MALFORMED;
    return clo_rd_view(&rd, size, ret);
}

/* The errno that a request ends with, 0 for none; *vmm is what the host said. */
static int request(int fd, unsigned long what, void *req, struct snp_report_resp *resp,
                   uint32_t *vmm)
{
    struct snp_guest_request_ioctl io = {0};
    int rc;

    do {
        io = (struct snp_guest_request_ioctl){
            .msg_version = MESSAGE_VERSION,
            .req_data = (uintptr_t)req,
            .resp_data = (uintptr_t)resp,
        };
        memset(resp, 0, sizeof *resp);
        rc = ioctl(fd, what, &io);
    } while (rc < 0 && errno == EINTR);
    *vmm = io.vmm_error;
    if (rc == 0)
        return 0;
    return io.vmm_error == SNP_GUEST_VMM_ERR_BUSY ? EBUSY : errno;
}

static int plain(int fd, const struct wanted *w, struct answer *a)
{
    struct snp_report_req req = {.vmpl = w->vmpl};
    uint32_t vmm = 0;
    int failed;

    memcpy(req.user_data, w->data, sizeof req.user_data);
    failed = request(fd, SNP_GET_REPORT, &req, &a->resp, &vmm);
    return failed != 0 ? clo_maker_errno(failed) : 0;
}

/* *ret_want: so many bytes are needed for the certificates; 0: they can't be had this way. Either comes with CLOISTER_E_LIMIT. */
static int extended(int fd, const struct wanted *w, uint32_t room, struct answer *a,
                    uint32_t *ret_want)
{
    struct snp_ext_report_req req = {.data.vmpl = w->vmpl, .certs_len = room};
    uint32_t vmm = 0;
    int failed;

    free(a->table);
    a->table_n = 0;
    if ((a->table = calloc(1, room)) == NULL)
        return CLOISTER_E_MEMORY;
    memcpy(req.data.user_data, w->data, sizeof req.data.user_data);
    req.certs_address = (uintptr_t)a->table;
    failed = request(fd, SNP_GET_EXT_REPORT, &req, &a->resp, &vmm);
    if (failed == 0) {
        a->table_n = room;
        return 0;
    }
    /* The host gives no certificates, more than the driver carries, or doesn't know the request. */
    if (vmm == SNP_GUEST_VMM_ERR_INVALID_LEN || failed == EINVAL || failed == ENOTTY) {
        *ret_want = vmm == SNP_GUEST_VMM_ERR_INVALID_LEN ? req.certs_len : 0;
        return CLOISTER_E_LIMIT;
    }
    return clo_maker_errno(failed);
}

static int ask(int fd, const struct wanted *w, struct answer *a)
{
    uint32_t want = 0;
    int err = extended(fd, w, FIRST_TABLE, a, &want);

    if (err == CLOISTER_E_LIMIT && want > FIRST_TABLE && want <= CLO_SNP_CERT_TABLE_MAX &&
        want % PAGE == 0)
        err = extended(fd, w, want, a, &want);
    return err == CLOISTER_E_LIMIT ? plain(fd, w, a) : err;
}

/* At which this guest runs; 0 where the kernel doesn't say it. */
static int own_vmpl(uint32_t *ret)
{
    int fd = -1, err = clo_maker_open(VMPL, O_RDONLY, &fd);

    if (err != 0) {
        *ret = 0;
        return errno == ENOENT ? 0 : err;
    }
    err = clo_maker_vmpl(fd, ret);
    (void)close(fd);
    return err;
}

static int sev_guest_report(struct clo_maker *m, const uint8_t report_data[64],
                            struct clo_cpu_section *ret)
{
    const struct sev_guest *s = (const struct sev_guest *)m;
    struct wanted w = {.data = report_data};
    const uint8_t *report = NULL;
    struct answer a = {0};
    int err;

    if ((err = own_vmpl(&w.vmpl)) != 0)
        return err;
    if ((err = ask(s->fd, &w, &a)) == 0 && (err = report_of(&a.resp, &report)) == 0)
        err = clo_maker_snp_section(report, CLO_SNP_REPORT_LEN, report_data, w.vmpl, a.table,
                                    a.table_n, ret);
    free(a.table);
    return err;
}

static void sev_guest_free(struct clo_maker *m)
{
    struct sev_guest *s = (struct sev_guest *)m;

    (void)close(s->fd);
    free(s);
}

static const struct clo_maker_ops sev_guest_ops = {
    .type = "sev-snp", .report = sev_guest_report, .free = sev_guest_free};

int clo_maker_sev_guest_new(struct clo_maker **ret)
{
    struct sev_guest *s = NULL;
    int fd = -1, err;

    if ((err = clo_maker_open(DEVICE, O_RDWR, &fd)) != 0)
        return err;
    if ((s = calloc(1, sizeof *s)) == NULL) {
        (void)close(fd);
        return CLOISTER_E_MEMORY;
    }
    *s = (struct sev_guest){.base.ops = &sev_guest_ops, .fd = fd};
    *ret = (struct clo_maker *)s; /* its base; the analyser takes that name for a leak */
    return 0;
}
