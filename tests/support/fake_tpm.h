/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/tpmrm0 in a test: swtpm behind the behaviour of Linux' driver (drivers/char/tpm/tpm-dev-common.c, opened without O_NONBLOCK): a write is one whole
 * command and returns when it was carried out, a read gives its answer once, and a second command before that is EBUSY. Linked with
 * --wrap for open, open64, read, write and close; every other file is the system's.
 *
 * Between the two, faults on demand, and an NV index of Azure's true size, which swtpm can't hold.
 */
#ifndef CLO_TEST_FAKE_TPM_H
#define CLO_TEST_FAKE_TPM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_TPM_INDEX 0x01400001u
#define FAKE_TPM_MAX   4096

enum fake_tpm_fault {
    FAKE_TPM_NONE,
    FAKE_TPM_CODE,      /* the answer is the response code `arg` alone, and nothing was done */
    FAKE_TPM_WRITE,     /* write fails with errno `arg` */
    FAKE_TPM_READ,      /* read fails with errno `arg`; 0: it gives nothing */
    FAKE_TPM_CUT,       /* `arg` bytes of the answer come, and its header says more */
    FAKE_TPM_CUT_WHOLE, /* the same, and its header says so */
    FAKE_TPM_FLIP,      /* bit `arg` of the answer */
    FAKE_TPM_MORE,      /* `arg` zeros behind it, and its header says so */
    FAKE_TPM_DIE,       /* the TPM is gone, with the command */
    FAKE_TPM_EXTEND,    /* PCR `arg` is extended when it was answered */
    FAKE_TPM_ASK,       /* bit `arg` of the command, on its way to the TPM */
    FAKE_TPM_SWAP,      /* the envelope is the other one from then on */
    FAKE_TPM_SLOW,      /* the answer takes `arg` ms */
};

/* What happens next; a test sets it and begins from fake_tpm_calm(). */
struct fake_tpm {
    int open_errno; /* 0: it opens */
    uint32_t at;    /* the command code that meets the fault; 0: any */
    unsigned skip;  /* after so many of these */
    unsigned times; /* so often */
    enum fake_tpm_fault fault;
    uint32_t arg;
    unsigned met; /* so often it happened */

    const uint8_t
        *envelope; /* what the index holds, in place of what swtpm has there; NULL: swtpm's */
    const uint8_t *other; /* of the same length; see FAKE_TPM_SWAP */
    size_t envelope_n;
    uint32_t attributes; /* of the index: TPMA_NV */

    unsigned commands, opened, closed;
};
extern struct fake_tpm fake_tpm;
/* No faults, swtpm's own index, counters at zero. */
void fake_tpm_calm(void);

/* swtpm with its state in a folder of its own; after it died, with what it kept. False: there is no swtpm. */
bool fake_tpm_start(void);
bool fake_tpm_runs(void);
void fake_tpm_stop(void); /* and removes the folder */

/*
 * swtpm is another process: it listens on the socket "swtpm" in this folder, and what the file "envelope" there has, if there is one, the index
 * holds in place of what swtpm has. True: it does. In a program that started none, opening the device does this by itself, with the folder
 * that the first line of a file "fake_tpm" beside the program names; closing it ends it.
 */
bool fake_tpm_attach(const char *folder);

/*
 * From now on remember what was answered to which command; or answer from memory, without swtpm, with the fault at the nth answer that is
 * there (in `skip`), as often as it is asked for.
 */
void fake_tpm_record(void);
void fake_tpm_replay(void);
size_t fake_tpm_recorded(void);
size_t fake_tpm_recorded_len(size_t nth);
void fake_tpm_forget(void);

#endif
