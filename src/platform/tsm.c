/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports through configfs-tsm: SEV-SNP and TDX (Linux, Documentation/ABI/testing/configfs-tsm; fs/configfs/file.c for how its files behave).
 *
 * Each report has a directory of its own, made before and removed after it: nothing of one request is there when the next one
 * comes, so that a report of an earlier request can't be taken for an answer. The kernel counts each write of an attribute in `generation`; a
 * count other than that of our own writes says that somebody else wrote into our directory, and everything that was read is thrown away. What a request
 * is for stands in the report too, and is compared.
 *
 * A guest of SEV-SNP asks for its own privilege level: 0, or what `privlevel_floor` says under a paravisor or an SVSM, where the firmware refuses 0.
 *
 * A process that is killed leaves its directory. It costs the kernel a few pages and disturbs nobody: a name that is taken is passed over.
 */
#include "platform/maker_in.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/quote_parse.h"
#include "attest/snp_certs.h"

#define FOLDER    "/sys/kernel/config/tsm/report"
#define PATH_CAP  96
#define NAMES_MAX 64 /* taken names that are passed over */
#define TRIES     3  /* reports into which somebody else wrote */
#define DATA_LEN  64

struct tsm {
    struct clo_maker base;
    unsigned long next; /* for the next directory's name */
};

/* One report's bytes. */
struct blobs {
    struct clo_buf report;
    struct clo_buf certificates; /* SEV-SNP: what the host gives */
    uint32_t vmpl;               /* and what was asked for */
};

/* ---- attributes ---- */

static int attribute_open(const char *item, const char *name, int flags, int *ret)
{
    char path[PATH_CAP + 32];

    if (snprintf(path, sizeof path, "%s/%s", item, name) >= (int)sizeof path)
        return CLOISTER_E_LIMIT;
    return clo_maker_open(path, flags, ret);
}

static int attribute_read(const char *item, const char *name, struct clo_buf *out)
{
    int fd = -1, err;

    if ((err = attribute_open(item, name, O_RDONLY, &fd)) != 0)
        return err;
    err = clo_maker_read(fd, out);
    (void)close(fd);
    return err;
}

/* In one call: configfs keeps inblob until the file is closed, and drops what it then doesn't like without a word. `generation` tells. */
static int attribute_write(const char *item, const char *name, const void *p, size_t len)
{
    int fd = -1, err;
    ssize_t n;

    if ((err = attribute_open(item, name, O_WRONLY, &fd)) != 0)
        return err;
    do
        n = write(fd, p, len);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        err = clo_maker_errno(errno);
    else if ((size_t)n != len)
        err = CLOISTER_E_IO;
    if (close(fd) != 0 && errno != EINTR && err == 0)
        err = clo_maker_errno(errno);
    return err;
}

static int text_read(const char *item, const char *name, char ret[CLO_MAKER_TEXT_MAX + 1])
{
    int fd = -1, err;

    if ((err = attribute_open(item, name, O_RDONLY, &fd)) != 0)
        return err;
    err = clo_maker_text(fd, ret);
    (void)close(fd);
    return err;
}

/* The lowest level that this guest may ask for: its own, unless the driver was told to use another level's key. */
static int floor_read(const char *item, uint32_t *ret)
{
    int fd = -1, err;

    if ((err = attribute_open(item, "privlevel_floor", O_RDONLY, &fd)) != 0)
        return err;
    err = clo_maker_vmpl(fd, ret);
    (void)close(fd);
    return err;
}

static int generation_read(const char *item, unsigned long *ret)
{
    char text[CLO_MAKER_TEXT_MAX + 1] = "", *end = NULL;
    unsigned long v;
    int err;

    if ((err = text_read(item, "generation", text)) != 0)
        return err;
    errno = 0;
    v = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9')
        return CLOISTER_E_MALFORMED;
    *ret = v;
    return 0;
}

static int is_tdx(const char *item, bool *ret)
{
    char provider[CLO_MAKER_TEXT_MAX + 1] = "";
    int err;

    if ((err = text_read(item, "provider", provider)) != 0)
        return err;
    *ret = strcmp(provider, "tdx_guest") == 0;
    return *ret || strcmp(provider, "sev_guest") == 0 ? 0 : CLOISTER_E_UNSUPPORTED;
}

/* ---- a report ---- */

static int item_new(struct tsm *t, char ret[PATH_CAP])
{
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        (void)snprintf(ret, PATH_CAP, FOLDER "/cloister-%ld-%lu", (long)getpid(), t->next++);
        if (mkdir(ret, S_IRWXU) == 0)
            return 0;
        if (errno != EEXIST && errno != EINTR)
            return clo_maker_errno(errno);
    }
    return CLOISTER_E_BUSY;
}

/* A directory that can't be removed makes no report wrong. */
static void item_free(const char *item)
{
    while (rmdir(item) != 0 && errno == EINTR)
        ;
}

/* Some kernels don't have this attribute. Longer than any table: no table, as maker_in.h says. */
static int certificates_read(const char *item, struct clo_buf *out)
{
    int fd = -1, err = attribute_open(item, "auxblob", O_RDONLY, &fd);

    if (err != 0)
        return errno == ENOENT ? 0 : err;
    err = clo_maker_read(fd, out);
    (void)close(fd);
    if (err != CLOISTER_E_MALFORMED)
        return err;
    clo_buf_clear(out);
    return 0;
}

static int blobs_read(const char *item, bool tdx, struct blobs *b)
{
    int err;

    if ((err = attribute_read(item, "outblob", &b->report)) != 0)
        return err;
    return tdx ? 0 : certificates_read(item, &b->certificates);
}

/* What a report is wanted of. *ret_writes: so often an attribute was written. */
static int request(const char *item, bool tdx, const uint8_t data[DATA_LEN], struct blobs *b,
                   unsigned *ret_writes)
{
    int err;

    b->vmpl = 0;
    *ret_writes = 1;
    if (!tdx && (err = floor_read(item, &b->vmpl)) != 0)
        return err;
    if (b->vmpl > 0) { /* a new directory's level is 0 */
        const char level[] = {(char)('0' + b->vmpl), '\n'};

        *ret_writes = 2;
        if ((err = attribute_write(item, "privlevel", level, sizeof level)) != 0)
            return err;
    }
    return attribute_write(item, "inblob", data, DATA_LEN);
}

/* CLOISTER_E_STATE: the count isn't that of our own writes. */
static int attempt(const char *item, bool tdx, const uint8_t data[DATA_LEN], struct blobs *b)
{
    unsigned long before = 0, after = 0;
    unsigned writes = 0;
    bool now_tdx = false;
    int err, counted;

    if ((err = is_tdx(item, &now_tdx)) != 0)
        return err;
    if (now_tdx != tdx)
        return CLOISTER_E_NOT_FOUND;
    if ((err = generation_read(item, &before)) != 0 ||
        (err = request(item, tdx, data, b, &writes)) != 0)
        return err;
    err = blobs_read(item, tdx, b);
    /* Whatever went wrong may be the other writer's doing. */
    counted = generation_read(item, &after);
    if (counted == 0 && after != before + writes)
        return CLOISTER_E_STATE;
    return err != 0 ? err : counted;
}

static int quote_section(const struct blobs *b, const uint8_t data[DATA_LEN],
                         struct clo_cpu_section *ret)
{
    struct clo_cpu_section c = {.type = "tdx", .quote = clo_buf_init(CLO_QUOTE_MAX)};
    struct clo_quote q;
    int err;

    if (clo_quote_parse(b->report.p, b->report.len, &q) != 0 ||
        q.header.tee_type != CLO_QUOTE_TEE_TDX || q.header.body == CLO_QUOTE_BODY_SGX ||
        memcmp(q.td.report_data, data, DATA_LEN) != 0 || !clo_all_zero(q.trailing, q.trailing_n))
        return CLOISTER_E_MALFORMED;
    if ((err = clo_buf_append(&c.quote, b->report.p, b->report.len)) != 0) {
        clo_buf_clear(&c.quote);
        return err;
    }
    *ret = c;
    return 0;
}

static const struct clo_maker_ops tdx_ops;

static int tsm_report(struct clo_maker *m, const uint8_t report_data[64],
                      struct clo_cpu_section *ret)
{
    struct blobs b = {.report = clo_buf_init(CLO_QUOTE_MAX),
                      .certificates = clo_buf_init(CLO_SNP_CERT_TABLE_MAX)};
    const bool tdx = m->ops == &tdx_ops;
    struct tsm *t = (struct tsm *)m;
    int err = CLOISTER_E_STATE;

    for (unsigned i = 0; i < TRIES && err == CLOISTER_E_STATE; i++) {
        char item[PATH_CAP];

        clo_buf_clear(&b.report);
        clo_buf_clear(&b.certificates);
        if ((err = item_new(t, item)) != 0)
            break;
        err = attempt(item, tdx, report_data, &b);
        item_free(item);
    }
    if (err == CLOISTER_E_STATE)
        err = CLOISTER_E_BUSY;
    if (err == 0)
        err = tdx ? quote_section(&b, report_data, ret)
                  : clo_maker_snp_section(b.report.p, b.report.len, report_data, b.vmpl,
                                          b.certificates.p, b.certificates.len, ret);
    clo_buf_clear(&b.report);
    clo_buf_clear(&b.certificates);
    return err;
}

static void tsm_free(struct clo_maker *m)
{
    free(m);
}

static const struct clo_maker_ops snp_ops = {
    .type = "sev-snp", .report = tsm_report, .free = tsm_free};
static const struct clo_maker_ops tdx_ops = {.type = "tdx", .report = tsm_report, .free = tsm_free};

int clo_maker_tsm_new(struct clo_maker **ret)
{
    struct tsm *t = calloc(1, sizeof *t);
    char item[PATH_CAP];
    bool tdx = false;
    int err;

    if (t == NULL)
        return CLOISTER_E_MEMORY;
    if ((err = item_new(t, item)) != 0)
        goto out;
    err = is_tdx(item, &tdx);
    item_free(item);
    if (err != 0)
        goto out;
    t->base.ops = tdx ? &tdx_ops : &snp_ops;
    *ret = &t->base;
    t = NULL;
out:
    free(t);
    return err;
}
