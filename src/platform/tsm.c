/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports through configfs-tsm: SEV-SNP and TDX (Linux, Documentation/ABI/testing/configfs-tsm; fs/configfs/file.c for how its files behave).
 *
 * Each report has a directory of its own, made before and removed after it: nothing of one request is there when the next one
 * comes, so that a report of an earlier request can't be taken for an answer. The kernel counts each write of an attribute in `generation`; a
 * count other than that of our one write says that somebody else wrote into our directory, and everything that was read is thrown away. What a request
 * is for stands in the report too, and is compared.
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
#define TEXT_MAX  64 /* bytes of a text attribute */
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
};

/* ---- attributes ---- */

static int attribute_open(const char *item, const char *name, int flags, int *ret)
{
    char path[PATH_CAP + 32];
    int fd;

    if (snprintf(path, sizeof path, "%s/%s", item, name) >= (int)sizeof path)
        return CLOISTER_E_LIMIT;
    do
        fd = open(path, flags | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return clo_maker_errno(errno);
    *ret = fd;
    return 0;
}

/* To its end, in as many pieces as the kernel gives; CLOISTER_E_MALFORMED beyond out->max. */
static int fd_read(int fd, struct clo_buf *out)
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

static int attribute_read(const char *item, const char *name, struct clo_buf *out)
{
    int fd = -1, err;

    if ((err = attribute_open(item, name, O_RDONLY, &fd)) != 0)
        return err;
    err = fd_read(fd, out);
    (void)close(fd);
    return err;
}

/* In one call: configfs keeps it until the file is closed, and drops what it then doesn't like without a word. `generation` tells. */
static int inblob_write(const char *item, const uint8_t data[DATA_LEN])
{
    int fd = -1, err;
    ssize_t n;

    if ((err = attribute_open(item, "inblob", O_WRONLY, &fd)) != 0)
        return err;
    do
        n = write(fd, data, DATA_LEN);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        err = clo_maker_errno(errno);
    else if (n != DATA_LEN)
        err = CLOISTER_E_IO;
    if (close(fd) != 0 && errno != EINTR && err == 0)
        err = clo_maker_errno(errno);
    return err;
}

/* A line of text, without its end. */
static int text_read(const char *item, const char *name, char ret[TEXT_MAX + 1])
{
    struct clo_buf b = clo_buf_init(TEXT_MAX);
    int err;

    if ((err = attribute_read(item, name, &b)) == 0) {
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

static int generation_read(const char *item, unsigned long *ret)
{
    char text[TEXT_MAX + 1] = "", *end = NULL;
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
    char provider[TEXT_MAX + 1] = "";
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
    err = fd_read(fd, out);
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

/* CLOISTER_E_STATE: the count isn't that of our one write. */
static int attempt(const char *item, bool tdx, const uint8_t data[DATA_LEN], struct blobs *b)
{
    unsigned long before = 0, after = 0;
    bool now_tdx = false;
    int err, counted;

    if ((err = is_tdx(item, &now_tdx)) != 0)
        return err;
    if (now_tdx != tdx)
        return CLOISTER_E_NOT_FOUND;
    if ((err = generation_read(item, &before)) != 0 || (err = inblob_write(item, data)) != 0)
        return err;
    err = blobs_read(item, tdx, b);
    /* Whatever went wrong may be the other writer's doing. */
    counted = generation_read(item, &after);
    if (counted == 0 && after != before + 1)
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
                  : clo_maker_snp_section(b.report.p, b.report.len, report_data, b.certificates.p,
                                          b.certificates.len, ret);
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
