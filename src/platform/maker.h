/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence makers: the attester's access to hardware report interfaces, behind one small interface. A maker gives what the hardware
 * gives and judges nothing; certificates and collateral join in attest/gather.h, which is also where a report is looked at.
 *
 *   tsm.c        /sys/kernel/config/tsm/report: SEV-SNP and TDX (Linux, Documentation/ABI/testing/configfs-tsm)
 *   sev_guest.c  /dev/sev-guest: SEV-SNP on kernels without it (Linux, Documentation/virt/coco/sev-guest.rst)
 *   vtpm.c       Azure's vTPM: SEV-SNP and TDX under a paravisor
 *   simulator.c  evidence in the format of SEV-SNP under a root that it invents at start: its keys live in this process's memory only,
 *                and no hardware policy accepts them
 *
 * Calls block for as long as the hardware does: seconds, where a host throttles its guests. They run in a process
 * of their own (src/daemon/attester/worker.c), which can be ended.
 */
#ifndef CLO_PLATFORM_MAKER_H
#define CLO_PLATFORM_MAKER_H

#include "attest/gather.h"

struct clo_maker;
struct clo_maker_ops {
    const char *type; /* the cpu section's "type" */
    /*
     * Take one report over report_data; fills a cleared section: the report, and the certificates that came with it. A report that isn't over exactly this data, isn't of this guest's own
     * privilege level (VMPL), or isn't whole, is an error and never a result.
     * CLOISTER_E_BUSY: somebody else uses the interface, or the host throttles; try again later. CLOISTER_E_PERMISSION, CLOISTER_E_NOT_FOUND
     * (the interface has gone), CLOISTER_E_DEVICE (it has failed), CLOISTER_E_IO, CLOISTER_E_MALFORMED (what came is no report), CLOISTER_E_UNSUPPORTED (one of
     * another kind). What ops->report ends with says nothing about the next call.
     */
    int (*report)(struct clo_maker *m, const uint8_t report_data[64], struct clo_cpu_section *ret);
    /* The simulator is its own vendor, and answers what gather.h wants; NULL: ask elsewhere. Both bytes of an answer as gather.h says. */
    int (*answer)(struct clo_maker *m, const struct clo_want *w, struct clo_buf *body,
                  struct clo_buf *chain);
    void (*free)(struct clo_maker *m);
};
struct clo_maker {
    const struct clo_maker_ops *ops;
};

/* now: Unix seconds, for the certificates' dates. */
CLO_MUST_USE int clo_maker_simulated_new(const struct clo_rng *rng, int64_t now,
                                         struct clo_maker **ret);
/* SHA-256 of the invented root's DER, and the constant measurement that simulated reports carry. */
void clo_maker_simulated_info(const struct clo_maker *m, uint8_t root[32], uint8_t measurement[48]);

/*
 * Hardware. CLOISTER_E_NOT_FOUND: this machine doesn't have the interface; CLOISTER_E_PERMISSION: it has, and this process may
 * not use it; CLOISTER_E_UNSUPPORTED: it is another vendor's, or of a kind that this version doesn't know. Every other error may pass, and
 * says nothing about what there is: CLOISTER_E_BUSY, CLOISTER_E_DEVICE, CLOISTER_E_IO, CLOISTER_E_MALFORMED (what it says of itself can't be read). Opening
 * takes no report; the vTPM's is read for its kind.
 */
CLO_MUST_USE int clo_maker_tsm_new(struct clo_maker **ret);
CLO_MUST_USE int clo_maker_sev_guest_new(struct clo_maker **ret);
/* pcrs: bit i quotes PCR i of the SHA-256 bank. */
CLO_MUST_USE int clo_maker_vtpm_new(uint32_t pcrs, struct clo_maker **ret);
void clo_maker_free(struct clo_maker *m);

#endif
