/* SPDX-License-Identifier: Apache-2.0 */
/* What makers of hardware evidence share: see maker_in.h. */
#include "platform/maker_in.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

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

int clo_maker_open(const char *path, int flags, int *ret)
{
    int fd;

    do
        fd = open(path, flags | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return clo_maker_errno(errno);
    *ret = fd;
    return 0;
}

int clo_maker_read(int fd, struct clo_buf *out)
{
    for (;;) {
        const size_t room = out->max - out->len;
        uint8_t *dst = NULL, extra;
        ssize_t n;
        int err;

        if (room > 0 && (err = clo_buf_reserve(out, room, &dst)) != 0)
            return err;
        n = read(fd, room > 0 ? dst : &extra, room > 0 ? room : 1);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return clo_maker_errno(errno);
        if (n > 0 && room == 0)
            return CLOISTER_E_MALFORMED;
        if (n > 0)
            clo_buf_commit(out, (size_t)n);
    }
}

int clo_maker_text(int fd, char ret[CLO_MAKER_TEXT_MAX + 1])
{
    struct clo_buf b = clo_buf_init(CLO_MAKER_TEXT_MAX);
    int err;

    if ((err = clo_maker_read(fd, &b)) == 0) {
        if (b.len < 2 || b.p[b.len - 1] != '\n' || memchr(b.p, 0, b.len) != NULL) {
            err = CLOISTER_E_MALFORMED;
        } else {
            memcpy(ret, b.p, b.len - 1);
            ret[b.len - 1] = '\0';
        }
    }
    clo_buf_clear(&b);
    return err;
}

int clo_maker_vmpl(int fd, uint32_t *ret)
{
    char text[CLO_MAKER_TEXT_MAX + 1] = "";
    int err;

    if ((err = clo_maker_text(fd, text)) != 0)
        return err;
    if (text[0] < '0' || text[0] > '3' || text[1] != '\0')
        return CLOISTER_E_MALFORMED;
    *ret = (uint32_t)(text[0] - '0');
    return 0;
}

int clo_maker_snp_section(const void *report, size_t n, const uint8_t report_data[64],
                          uint32_t vmpl, const void *table, size_t table_n,
                          struct clo_cpu_section *ret)
{
    struct clo_cpu_section c = {.type = "sev-snp", .report_n = CLO_SNP_REPORT_LEN};
    struct clo_snp_report r;
    int err;

    if (clo_snp_report_parse(report, n, &r) != 0 ||
        memcmp(r.report_data, report_data, sizeof r.report_data) != 0 || r.vmpl != vmpl)
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
