/* SPDX-License-Identifier: Apache-2.0 */
/* What makers of hardware evidence share. */
#ifndef CLO_PLATFORM_MAKER_IN_H
#define CLO_PLATFORM_MAKER_IN_H

#include "platform/maker.h"

/* What an errno value of a hardware interface means to a maker's caller. Never 0. */
CLO_MUST_USE int clo_maker_errno(int value);
/* The kernel's small files. Their errors are clo_maker_errno's; errno says more after a file that can't be opened. */
CLO_MUST_USE int clo_maker_open(const char *path, int flags, int *ret);
/* To its end, in as many pieces as the kernel gives; CLOISTER_E_MALFORMED beyond out->max. */
CLO_MUST_USE int clo_maker_read(int fd, struct clo_buf *out);
/* A line of text, without its end. CLOISTER_E_MALFORMED for anything else. */
#define CLO_MAKER_TEXT_MAX 64
CLO_MUST_USE int clo_maker_text(int fd, char ret[CLO_MAKER_TEXT_MAX + 1]);
/* A privilege level of SEV-SNP (VMPL), 0 to 3. CLOISTER_E_MALFORMED for anything else. */
CLO_MUST_USE int clo_maker_vmpl(int fd, uint32_t *ret);
/*
 * The section of an SEV-SNP guest: a report as it came, and the table of certificates beside it (table_n 0: none). CLOISTER_E_MALFORMED unless it is a
 * whole report over exactly these data, of the privilege level that was asked for. A table that is no table leaves the chain empty.
 */
CLO_MUST_USE int clo_maker_snp_section(const void *report, size_t n, const uint8_t report_data[64],
                                       uint32_t vmpl, const void *table, size_t table_n,
                                       struct clo_cpu_section *ret);

#endif
