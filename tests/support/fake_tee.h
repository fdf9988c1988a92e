/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine's report interfaces, imitated below the system calls: configfs-tsm under /sys/kernel/config/tsm/report as Linux's fs/configfs/file.c and
 * drivers/virt/coco/tsm.c behave, /dev/sev-guest as drivers/virt/coco/sev-guest/sev-guest.c does, and /sys/devices/system/cpu/sev/vmpl. An executable that links this
 * (dep_fake_tee) has its open, read, write, close, mkdir, rmdir and ioctl pass through here (the linker's --wrap); other paths and
 * descriptors are the kernel's as ever. One thread at a time may use the interfaces.
 *
 * What is imitated, because a maker could stumble over it: mkdir makes the attributes; a directory counts its writes in `generation`; what is written to inblob takes effect
 * when the file is closed, and then fails without a word; outblob is made by the first read after a write and kept, and each open file has a copy of its own;
 * reading it before anything was written is EINVAL; what is written to privlevel takes effect at once, and counts too; the firmware refuses levels below the
 * guest's own; the device copies nothing out when it fails but the length that certificates would need.
 *
 * A test in the same process sets `fake_tee`. In a program of its own the imitation finds a folder: its path is the first line of a file "fake_tee" beside
 * the program. There the file "tee" says what `fake_tee` would, in lines of a name and a value, and is read again for each request, so that counts have no meaning but
 * none and always; where the provider is tdx_guest, "quote" and "ak.key" lie beside it (kind_maker writes them), else "template" (a report, whose report data and signature are made anew), "vcek.key" (PEM), the file that the word `table` names, and, if requests are to wait,
 * a named pipe "slow": each opens it, and goes on when whoever opened it for writing has closed it. machine_maker writes all but the last.
 */
#ifndef CLO_TESTS_FAKE_TEE_H
#define CLO_TESTS_FAKE_TEE_H

#include "base/rw.h"

struct fake_tee {
    /* what there is */
    bool tsm, sev_guest;
    char provider[32];
    bool no_auxblob;
    const uint8_t *table; /* of certificates; NULL: the host has none */
    size_t table_n;
    /* The hardware: a report over these data, of this privilege level, appended to ret. 0, or an errno value. */
    int (*sign)(void *arg, const uint8_t data[64], uint32_t vmpl, struct clo_buf *ret);
    void *arg;
    uint32_t vmpl; /* at which the guest runs; a TD has none */

    /* what is wrong; each 0: nothing */
    int refused; /* this errno for mkdir, and for opening the device */
    unsigned
        busy; /* so many requests fail with busy_errno, or with the host's word that it throttles */
    int busy_errno; /* 0: EBUSY, and for the device EIO and "busy" in vmm_error */
    unsigned
        changed; /* into so many directories somebody else writes, between our write and the report */
    unsigned changed_early; /* the same, before our write of inblob */
    unsigned changed_late;  /* the same, between the report and the certificates */
    bool dropped;           /* what is written to inblob takes no effect */
    bool dropped_vmpl;      /* nor what is written to privlevel */
    bool no_vmpl;           /* the kernel doesn't say the level */
    const char *vmpl_said;  /* it says this; NULL: the level, in a line */
    int vmpl_error;         /* it can't be read, with this errno */
    bool other_vmpl;        /* the report is of the next level */
    bool vanishes;          /* the driver goes when a report is wanted */
    bool stale;             /* the report is the one before's */
    bool other_data;        /* the report is over other data */
    size_t cut;             /* so many bytes are missing at the report's end */
    size_t longer;          /* so many bytes are more there */
    size_t taken;           /* a write takes no more at once; configfs takes all */
    size_t piece;           /* a read gives no more at once */
    size_t error_at;        /* the report can't be read beyond */
    int error;              /* which is this errno; 0: EIO */
    uint32_t status;        /* the firmware's */
    uint32_t size_said;     /* the report's size, as the firmware gives it */
    uint32_t
        room; /* for so many bytes of certificates the host asks; more than the driver can carry: 16384 */
    bool no_ext;      /* the host doesn't know the request for certificates */
    bool interrupted; /* each call is interrupted once, before it does anything */
    unsigned
        fails; /* the call that fails, from 1 on, with `error`; removing a directory never does */
    int asked_fd,
        wait_fd; /* a request writes a byte to the one and reads one from the other; both 0: not at all */
};
extern struct fake_tee fake_tee;

/* Makes the signature of a report of SEV-SNP anew, with a P-384 key in PEM. 0, or an errno value. */
int fake_tee_sign(const void *pem, size_t n, uint8_t report[1184]);
/* No interface, no directory, nothing remembered. */
void fake_tee_reset(void);
/* A directory that somebody left. */
void fake_tee_leave(const char *name);
/* Directories and open files that there are, and calls that were made. */
unsigned fake_tee_items(void);
unsigned fake_tee_files(void);
unsigned fake_tee_calls(void);
/* Requests that reached the hardware. */
unsigned fake_tee_requests(void);

#endif
