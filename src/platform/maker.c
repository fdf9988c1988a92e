/* SPDX-License-Identifier: Apache-2.0 */
/* What makers of hardware evidence share: see maker_in.h. */
#include "platform/maker_in.h"

#include <errno.h>
#include <string.h>

#include "attest/snp_certs.h"
#include "attest/snp_report.h"
#include "attest/verdict.h"

int clo_maker_errno(int value)
{
    switch (value) {
    case EACCES:
    case EPERM:
    case EROFS: return CLOISTER_E_PERMISSION; /* a container's /sys */
    case ENOENT:
    case ENOTDIR:
    case ENODEV:
    case ENXIO:
    case ENOTTY: return CLOISTER_E_NOT_FOUND; /* the driver has gone, or gave up its key */
    case EAGAIN:
    case EBUSY:
    case ETIMEDOUT: return CLOISTER_E_BUSY; /* the host throttles, or its quoting service is slow */
    case ENOMEM: return CLOISTER_E_MEMORY;
    default: return CLOISTER_E_IO;
    }
}

int clo_maker_snp_section(const void *report, size_t n, const uint8_t report_data[64],
                          const void *table, size_t table_n, struct clo_cpu_section *ret)
{
    struct clo_cpu_section c = {.type = "sev-snp", .report_n = CLO_SNP_REPORT_LEN};
    struct clo_snp_report r;
    int err;

    if (clo_snp_report_parse(report, n, &r) != 0 ||
        memcmp(r.report_data, report_data, sizeof r.report_data) != 0)
        return CLOISTER_E_MALFORMED;
    memcpy(c.report, report, CLO_SNP_REPORT_LEN);
    /*
     * The host writes the table, and has its chance to withhold it altogether. So rubbish is treated as nothing: the report is still good, and its
     * certificates can be had elsewhere.
     */
    err = clo_snp_certs_read(table, table_n, r.signing_key == CLO_SNP_KEY_VLEK, c.chain,
                             &c.chain_n);
    if (clo_is_ours(err))
        return err;
    *ret = c;
    return 0;
}
