/* SPDX-License-Identifier: Apache-2.0 */
/* What makers of hardware evidence share. */
#ifndef CLO_PLATFORM_MAKER_IN_H
#define CLO_PLATFORM_MAKER_IN_H

#include "platform/maker.h"

/* What an errno value of a hardware interface means to a maker's caller. Never 0. */
CLO_MUST_USE int clo_maker_errno(int value);
/*
 * The section of an SEV-SNP guest: a report as it came, and the table of certificates beside it (table_n 0: none). CLOISTER_E_MALFORMED unless it is a
 * whole report over exactly these data. A table that is no table leaves the chain empty.
 */
CLO_MUST_USE int clo_maker_snp_section(const void *report, size_t n, const uint8_t report_data[64],
                                       const void *table, size_t table_n,
                                       struct clo_cpu_section *ret);

#endif
