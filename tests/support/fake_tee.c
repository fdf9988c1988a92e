/* SPDX-License-Identifier: Apache-2.0 */
/* Imitated report interfaces: see fake_tee.h. */
#include "fake_tee.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "crypto/x509_make_in.h"

#define FOLDER        "/sys/kernel/config/tsm/report/"
#define DEVICE        "/dev/sev-guest"
#define VMPL          "/sys/devices/system/cpu/sev/vmpl"
#define ITEMS_MAX     128
#define FILES_MAX     16
#define NAME_CAP      64
#define INBLOB_MAX    64
#define REPORT_LEN    1184
#define REPORT_MAX    131072
#define TABLE_MAX     16384 /* SEV_FW_BLOB_MAX_SIZE */
#define HEADER_LEN    32    /* of MSG_REPORT_RSP */
#define QUOTE_MAX     16384
#define INVALID_PARAM 0x16 /* its status */

struct item {
    char name[NAME_CAP]; /* "": none */
    unsigned long writes, reported;
    uint8_t inblob[INBLOB_MAX];
    size_t inblob_n;
    uint32_t vmpl;
    struct clo_buf outblob, auxblob;
};

enum attribute {
    DEVICE_FILE,
    VMPL_FILE,
    INBLOB, /* from here on in each directory */
    OUTBLOB,
    AUXBLOB,
    PROVIDER,
    GENERATION,
    PRIVLEVEL,
    FLOOR,
    ATTRIBUTES
};
static const struct {
    const char *name;
    int mode; /* how it may be opened */
} attribute[ATTRIBUTES] = {
    [INBLOB] = {"inblob", O_WRONLY},         [OUTBLOB] = {"outblob", O_RDONLY},
    [AUXBLOB] = {"auxblob", O_RDONLY},       [PROVIDER] = {"provider", O_RDONLY},
    [GENERATION] = {"generation", O_RDONLY}, [PRIVLEVEL] = {"privlevel", O_WRONLY},
    [FLOOR] = {"privlevel_floor", O_RDONLY},
};

struct file {
    bool used;
    int fd; /* a real one, so that nobody else gets the number */
    enum attribute what;
    char item[NAME_CAP];
    bool filled; /* data is what a reader gets */
    struct clo_buf data;
    size_t at;
};

struct fake_tee fake_tee;
static struct item items[ITEMS_MAX];
static struct file files[FILES_MAX];
static uint8_t before[64]; /* the data of the request before */
static unsigned calls, requests;
static bool interrupted_before;

/* Names that begin with two underscores are the linker's. NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_open(const char *path, int flags, ...);
int __real_open64(const char *path, int flags, ...);
ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __real_write(int fd, const void *p, size_t n);
int __real_close(int fd);
int __real_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
int __real_ioctl(int fd, unsigned long what, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap___open_2(const char *path, int flags);
int __wrap___open64_2(const char *path, int flags);
ssize_t __wrap_read(int fd, void *p, size_t n);
ssize_t __wrap___read_chk(int fd, void *p, size_t n, size_t room);
ssize_t __wrap_write(int fd, const void *p, size_t n);
int __wrap_close(int fd);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
int __wrap_ioctl(int fd, unsigned long what, ...);

/* ---- what a folder says ---- */

static char folder[4096];

static bool find_folder(void)
{
    char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "fake_tee");
    char *slash;
    FILE *f;

    if (n <= 0)
        return false;
    path[n] = '\0';
    if ((slash = strrchr(path, '/')) == NULL)
        return false;
    memcpy(slash + 1, "fake_tee", sizeof "fake_tee");
    if ((f = fopen(path, "re")) == NULL)
        return false;
    if (fgets(folder, sizeof folder, f) == NULL)
        folder[0] = '\0';
    (void)fclose(f);
    folder[strcspn(folder, "\n")] = '\0';
    return folder[0] != '\0';
}

/* A file of the folder, into at most cap bytes; how many, or -1. */
static ssize_t folder_read(const char *name, void *p, size_t cap)
{
    char path[8192];
    size_t n;
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    if ((f = fopen(path, "re")) == NULL)
        return -1;
    n = fread(p, 1, cap, f);
    (void)fclose(f);
    return (ssize_t)n;
}

int fake_tee_sign(const void *pem, size_t n, uint8_t report[1184])
{
    BIO *bio = BIO_new_mem_buf(pem, (int)n);
    struct clo_signer signer = {0};
    uint8_t r[48], s[48];
    int err = CLOISTER_E_CRYPTO;

    if (bio != NULL && (signer.key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)) != NULL)
        err = clo_signer_sign_p384(&signer, report, 0x2a0, r, s);
    EVP_PKEY_free(signer.key);
    BIO_free(bio);
    for (size_t i = 0; i < 48 && err == 0; i++) {
        report[0x2a0 + i] = r[47 - i];
        report[0x2e8 + i] = s[47 - i];
    }
    return err != 0 ? EIO : 0;
}

/* A quote of version 4 over a TD's report: header, report with the data at its end, length, signature by the key that the quote names. */
static int quote_by_folder(const uint8_t data[64], struct clo_buf *ret)
{
    enum {
        SIGNED = 48 + 584
    };
    uint8_t quote[QUOTE_MAX], key[4096];
    const ssize_t n = folder_read("quote", quote, sizeof quote);
    const ssize_t key_n = folder_read("ak.key", key, sizeof key);
    struct clo_signer signer = {0};
    int err = CLOISTER_E_CRYPTO;
    BIO *bio;

    if (n < SIGNED + 4 + 64 || key_n < 0)
        return EIO;
    memcpy(quote + SIGNED - 64, data, 64);
    bio = BIO_new_mem_buf(key, (int)key_n);
    if (bio != NULL && (signer.key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)) != NULL)
        err = clo_signer_sign_p256(&signer, quote, SIGNED, quote + SIGNED + 4);
    EVP_PKEY_free(signer.key);
    BIO_free(bio);
    if (err != 0)
        return EIO;
    return clo_buf_append(ret, quote, (size_t)n) != 0 ? ENOMEM : 0;
}

static int sign_by_folder(void *arg, const uint8_t data[64], uint32_t vmpl, struct clo_buf *ret)
{
    uint8_t report[REPORT_LEN], key[4096];
    const ssize_t key_n = folder_read("vcek.key", key, sizeof key);

    (void)arg;
    if (strcmp(fake_tee.provider, "tdx_guest") == 0)
        return quote_by_folder(data, ret);
    if (key_n < 0 || folder_read("template", report, sizeof report) != REPORT_LEN)
        return EIO;
    memcpy(report + 0x50, data, 64);
    report[0x30] = (uint8_t)vmpl;
    if (fake_tee_sign(key, (size_t)key_n, report) != 0)
        return EIO;
    return clo_buf_append(ret, report, sizeof report) != 0 ? ENOMEM : 0;
}

static uint8_t folder_table[65536];
static char folder_vmpl[64]; /* what the kernel says */

static void folder_word(const char *name, const char *value)
{
    const unsigned long v = strtoul(value, NULL, 0);

#define WORD(member, type)          \
    if (strcmp(name, #member) == 0) \
    fake_tee.member = (type)(v)
    WORD(tsm, bool);
    WORD(sev_guest, bool);
    WORD(no_auxblob, bool);
    WORD(refused, int);
    WORD(busy, unsigned);
    WORD(busy_errno, int);
    WORD(changed, unsigned);
    WORD(changed_early, unsigned);
    WORD(changed_late, unsigned);
    WORD(dropped, bool);
    WORD(vmpl, uint32_t);
    WORD(dropped_vmpl, bool);
    WORD(no_vmpl, bool);
    WORD(vmpl_error, int);
    WORD(other_vmpl, bool);
    WORD(vanishes, bool);
    WORD(stale, bool);
    WORD(other_data, bool);
    WORD(cut, size_t);
    WORD(longer, size_t);
    WORD(piece, size_t);
    WORD(error_at, size_t);
    WORD(error, int);
    WORD(status, uint32_t);
    WORD(size_said, uint32_t);
    WORD(room, uint32_t);
    WORD(no_ext, bool);
#undef WORD
    if (strcmp(name, "provider") == 0)
        (void)snprintf(fake_tee.provider, sizeof fake_tee.provider, "%.31s", value);
    if (strcmp(name, "vmpl_said") == 0) {
        (void)snprintf(folder_vmpl, sizeof folder_vmpl, "%.62s\n", value);
        fake_tee.vmpl_said = folder_vmpl;
    }
    if (strcmp(name, "table") == 0) {
        const ssize_t n = folder_read(value, folder_table, sizeof folder_table);

        fake_tee.table = n > 0 ? folder_table : NULL;
        fake_tee.table_n = n > 0 ? (size_t)n : 0;
    }
}

/* Before each request; without a folder `fake_tee` stays as the test set it. */
static void look(void)
{
    static int have = -1;
    char name[64], value[4096];
    FILE *f;

    if (fake_tee.sign != NULL && fake_tee.sign != sign_by_folder)
        return;
    if (have < 0)
        have = find_folder();
    if (have == 0)
        return;
    fake_tee = (struct fake_tee){.sign = sign_by_folder, .provider = "sev_guest"};
    (void)snprintf(value, sizeof value, "%.4000s/tee", folder);
    if ((f = fopen(value, "re")) == NULL)
        return;
    while (fscanf(f, "%63s %4095s", name, value) == 2)
        folder_word(name, value);
    (void)fclose(f);
}

/* "slow": a pipe with a name, beside; a request waits until somebody has opened it for writing and closed it. */
static void wait_for_release(void)
{
    char byte = 0, path[8192];
    FILE *f;

    if (fake_tee.asked_fd != 0) {
        if (__real_write(fake_tee.asked_fd, "", 1) != 1 ||
            __real_read(fake_tee.wait_fd, &byte, 1) != 1)
            abort();
        return;
    }
    if (folder[0] == '\0')
        return;
    (void)snprintf(path, sizeof path, "%s/slow", folder);
    if ((f = fopen(path, "re")) == NULL)
        return;
    while (fgetc(f) != EOF)
        ;
    (void)fclose(f);
}

/* ---- the hardware ---- */

static bool counted(unsigned *n)
{
    if (*n == 0)
        return false;
    --*n;
    return true;
}

/* 0 or an errno value. */
static int report_make(const uint8_t data[64], uint32_t vmpl, struct clo_buf *ret)
{
    static const uint8_t more[256];
    uint8_t about[64];
    int err;

    requests++;
    wait_for_release();
    memcpy(about, fake_tee.stale ? before : data, sizeof about);
    memcpy(before, data, sizeof before);
    if (fake_tee.other_data)
        about[63] ^= 1;
    clo_buf_clear(ret);
    *ret = clo_buf_init(REPORT_MAX);
    if (fake_tee.other_vmpl)
        vmpl++;
    if ((err = fake_tee.sign != NULL ? fake_tee.sign(fake_tee.arg, about, vmpl, ret) : EIO) != 0)
        return err;
    ret->len -= fake_tee.cut < ret->len ? fake_tee.cut : ret->len;
    for (size_t left = fake_tee.longer; left > 0;) {
        const size_t n = left < sizeof more ? left : sizeof more;

        if (clo_buf_append(ret, more, n) != 0)
            return ENOMEM;
        left -= n;
    }
    return 0;
}

/* ---- one call ---- */

static int failed(int value)
{
    errno = value;
    return -1;
}

static bool interrupted(void)
{
    interrupted_before = fake_tee.interrupted && !interrupted_before;
    if (interrupted_before)
        errno = EINTR;
    return interrupted_before;
}

/* Does this call fail before it does anything? */
static bool stopped(void)
{
    calls++;
    if (interrupted())
        return true;
    if (fake_tee.fails == 0 || calls != fake_tee.fails)
        return false;
    errno = fake_tee.error != 0 ? fake_tee.error : EIO;
    return true;
}

static struct item *item_find(const char *name)
{
    for (size_t i = 0; i < ITEMS_MAX; i++)
        if (items[i].name[0] != '\0' && strcmp(items[i].name, name) == 0)
            return &items[i];
    return NULL;
}

static struct item *item_make(const char *name)
{
    for (size_t i = 0; i < ITEMS_MAX; i++)
        if (items[i].name[0] == '\0') {
            items[i] = (struct item){0};
            (void)snprintf(items[i].name, NAME_CAP, "%s", name);
            return &items[i];
        }
    abort();
}

static void item_remove(struct item *it)
{
    clo_buf_clear(&it->outblob);
    clo_buf_clear(&it->auxblob);
    *it = (struct item){0};
}

static struct file *file_find(int fd)
{
    for (size_t i = 0; i < FILES_MAX; i++)
        if (files[i].used && files[i].fd == fd)
            return &files[i];
    return NULL;
}

static int file_make(enum attribute what, const char *item)
{
    for (size_t i = 0; i < FILES_MAX; i++)
        if (!files[i].used) {
            const int fd = __real_open("/dev/null", O_RDWR | O_CLOEXEC);

            if (fd < 0)
                return -1;
            files[i] = (struct file){
                .used = true, .fd = fd, .what = what, .data = clo_buf_init(REPORT_MAX)};
            (void)snprintf(files[i].item, NAME_CAP, "%s", item);
            return fd;
        }
    return failed(EMFILE);
}

/* Is it ours? Then *ret_name is what stands behind the folder. */
static bool is_tsm(const char *path, const char **ret_name)
{
    const size_t n = strlen(FOLDER);

    if (strncmp(path, FOLDER, n) != 0)
        return false;
    *ret_name = path + n;
    return true;
}

static int tsm_open(const char *name, int flags)
{
    const char *slash = strchr(name, '/');
    char dir[NAME_CAP];
    struct item *it;

    if (!fake_tee.tsm || slash == NULL)
        return failed(ENOENT);
    (void)snprintf(dir, sizeof dir, "%.*s", (int)(slash - name), name);
    if ((it = item_find(dir)) == NULL)
        return failed(ENOENT);
    for (unsigned i = INBLOB; i < ATTRIBUTES; i++) {
        const bool snp = strcmp(fake_tee.provider, "sev_guest") == 0;
        const bool hidden = i == AUXBLOB ? fake_tee.no_auxblob || !snp
                                         : i >= PRIVLEVEL && (fake_tee.no_vmpl || !snp);

        if (strcmp(slash + 1, attribute[i].name) == 0 && !hidden)
            return (flags & O_ACCMODE) == attribute[i].mode ? file_make(i, dir) : failed(EACCES);
    }
    return failed(ENOENT);
}

/* -2: not ours. */
static int tee_open(const char *path, int flags)
{
    const char *name = NULL;

    if (strcmp(path, DEVICE) != 0 && strcmp(path, VMPL) != 0 && !is_tsm(path, &name))
        return -2;
    if (name == NULL)
        look();
    if (stopped())
        return -1;
    if (name != NULL)
        return tsm_open(name, flags);
    if (strcmp(path, VMPL) == 0)
        return fake_tee.no_vmpl ? failed(ENOENT) : file_make(VMPL_FILE, "");
    if (!fake_tee.sev_guest)
        return failed(ENOENT);
    if (fake_tee.refused != 0)
        return failed(fake_tee.refused);
    return file_make(DEVICE_FILE, "");
}

/* ---- configfs-tsm ---- */

static void somebody_writes(struct item *it)
{
    it->writes++;
    memset(it->inblob, 0x5e, sizeof it->inblob);
    it->inblob_n = sizeof it->inblob;
}

/* The report of what was written last, made now or before. 0 or an errno value. */
static int item_report(struct item *it)
{
    int err;

    if (it->inblob_n == 0)
        return EINVAL;
    if (it->outblob.p != NULL && it->reported == it->writes)
        return 0;
    if (fake_tee.vanishes) {
        fake_tee.provider[0] = '\0';
        return ENOTTY;
    }
    if (counted(&fake_tee.busy))
        return fake_tee.busy_errno != 0 ? fake_tee.busy_errno : EBUSY;
    if (counted(&fake_tee.changed))
        somebody_writes(it);
    if (fake_tee.status != 0 || it->vmpl < fake_tee.vmpl)
        return ENXIO;
    if ((err = report_make(it->inblob, it->vmpl, &it->outblob)) != 0)
        return err;
    clo_buf_clear(&it->auxblob);
    it->auxblob = clo_buf_init(REPORT_MAX);
    if (clo_buf_append(&it->auxblob, fake_tee.table, fake_tee.table_n) != 0)
        return ENOMEM;
    it->reported = it->writes;
    return 0;
}

/* What a reader of this file gets. 0 or an errno value. */
static int file_fill(struct file *f)
{
    struct item *it = item_find(f->item);
    char text[64] = "";
    int err;

    if (f->what != VMPL_FILE && (it == NULL || !fake_tee.tsm))
        return ENOENT;
    if (f->what == VMPL_FILE || f->what == FLOOR) {
        const char *said = fake_tee.vmpl_said != NULL ? fake_tee.vmpl_said : text;

        if (fake_tee.vmpl_error != 0)
            return fake_tee.vmpl_error;
        (void)snprintf(text, sizeof text, "%u\n", fake_tee.vmpl);
        err = said[0] != '\0' ? clo_buf_append(&f->data, said, strlen(said)) : 0;
    } else if (f->what == PROVIDER || f->what == GENERATION) {
        (void)snprintf(text, sizeof text, "%s\n", fake_tee.provider);
        if (f->what == GENERATION)
            (void)snprintf(text, sizeof text, "%lu\n", it->writes);
        err = clo_buf_append(&f->data, text, strlen(text));
    } else {
        if (f->what == AUXBLOB && counted(&fake_tee.changed_late))
            somebody_writes(it);
        if ((err = item_report(it)) != 0)
            return err;
        err = f->what == AUXBLOB ? clo_buf_append(&f->data, it->auxblob.p, it->auxblob.len)
                                 : clo_buf_append(&f->data, it->outblob.p, it->outblob.len);
    }
    f->filled = err == 0;
    return err != 0 ? ENOMEM : 0;
}

static ssize_t tee_read(struct file *f, void *p, size_t n)
{
    int err;

    if (stopped())
        return -1;
    if (f->what == DEVICE_FILE || f->what == INBLOB || f->what == PRIVLEVEL)
        return failed(EINVAL);
    if (!f->filled && (err = file_fill(f)) != 0)
        return failed(err);
    if (fake_tee.piece > 0 && n > fake_tee.piece)
        n = fake_tee.piece;
    if (n > f->data.len - f->at)
        n = f->data.len - f->at;
    if (f->what == OUTBLOB && fake_tee.error_at > 0) {
        if (f->at >= fake_tee.error_at)
            return failed(fake_tee.error != 0 ? fake_tee.error : EIO);
        if (n > fake_tee.error_at - f->at)
            n = fake_tee.error_at - f->at;
    }
    if (n > 0)
        memcpy(p, f->data.p + f->at, n);
    f->at += n;
    return (ssize_t)n;
}

/* As a number in a line; its driver's floor is the guest's own level. */
static ssize_t level_write(const struct file *f, const char *p, size_t n)
{
    struct item *it = item_find(f->item);

    if (it == NULL || n != 2 || p[0] < '0' || p[0] > '9' || p[1] != '\n')
        return failed(EINVAL);
    if ((uint32_t)(p[0] - '0') < fake_tee.vmpl || p[0] > '3')
        return failed(EINVAL);
    if (!fake_tee.dropped_vmpl) {
        it->writes++;
        it->vmpl = (uint32_t)(p[0] - '0');
    }
    return (ssize_t)n;
}

static ssize_t tee_write(struct file *f, const void *p, size_t n)
{
    if (stopped())
        return -1;
    if (f->what == PRIVLEVEL)
        return level_write(f, p, n);
    if (f->what != INBLOB)
        return failed(EINVAL);
    if (n > INBLOB_MAX - f->data.len)
        return failed(EFBIG);
    if (fake_tee.taken > 0 && n > fake_tee.taken)
        n = fake_tee.taken;
    return clo_buf_append(&f->data, p, n) != 0 ? failed(ENOMEM) : (ssize_t)n;
}

/* Only now configfs hands on what was written. */
static int tee_close(struct file *f)
{
    struct item *it = item_find(f->item);
    const int fd = f->fd;

    if (f->what == INBLOB && it != NULL && counted(&fake_tee.changed_early))
        somebody_writes(it);
    if (f->what == INBLOB && f->data.len > 0 && it != NULL && !fake_tee.dropped) {
        it->writes++;
        memcpy(it->inblob, f->data.p, f->data.len);
        it->inblob_n = f->data.len;
    }
    clo_buf_clear(&f->data);
    *f = (struct file){0};
    return __real_close(fd);
}

/* ---- /dev/sev-guest ---- */

static int device_answer(const struct snp_report_req *req, struct snp_guest_request_ioctl *io)
{
    const bool refused = req->vmpl < fake_tee.vmpl || req->vmpl > 3;
    struct snp_report_resp *resp = (void *)(uintptr_t)io->resp_data;
    struct clo_buf report = clo_buf_init(REPORT_MAX);
    uint32_t head[2] = {refused ? INVALID_PARAM : fake_tee.status, 0};
    int err;

    if (head[0] == 0 && (err = report_make(req->user_data, req->vmpl, &report)) != 0) {
        clo_buf_clear(&report);
        return err;
    }
    if (report.len > sizeof resp->data - HEADER_LEN)
        report.len = sizeof resp->data - HEADER_LEN;
    head[1] = fake_tee.size_said != 0 ? fake_tee.size_said : (uint32_t)report.len;
    memset(resp, 0, sizeof *resp);
    memcpy(resp->data, head, sizeof head);
    if (report.len > 0)
        memcpy(resp->data + HEADER_LEN, report.p, report.len);
    clo_buf_clear(&report);
    io->exitinfo2 = 0;
    return 0;
}

/* 0 or an errno value. */
static int device_request(unsigned long what, struct snp_guest_request_ioctl *io)
{
    struct snp_ext_report_req *ext = (void *)(uintptr_t)io->req_data;
    const struct snp_report_req *plain = (const void *)(uintptr_t)io->req_data;
    const uint32_t need = fake_tee.room != 0 ? fake_tee.room : (uint32_t)fake_tee.table_n;
    const bool extended = what == SNP_GET_EXT_REPORT;
    int err;

    io->exitinfo2 = 0xff;
    if (io->msg_version == 0 || !clo_all_zero(plain->rsvd, sizeof plain->rsvd))
        return EINVAL;
    if ((what != SNP_GET_REPORT && !extended) || fake_tee.vanishes)
        return ENOTTY;
    if (extended && (fake_tee.no_ext || ext->certs_len > TABLE_MAX || ext->certs_len % 4096 != 0))
        return EINVAL;
    if (counted(&fake_tee.busy)) {
        if (fake_tee.busy_errno != 0)
            return fake_tee.busy_errno;
        io->vmm_error = SNP_GUEST_VMM_ERR_BUSY;
        return EIO;
    }
    if (extended && ext->certs_len > 0 && need > ext->certs_len) {
        ext->certs_len = (need + 4095) / 4096 * 4096;
        io->exitinfo2 = 0;
        io->vmm_error = SNP_GUEST_VMM_ERR_INVALID_LEN;
        return EIO;
    }
    if ((err = device_answer(extended ? &ext->data : plain, io)) != 0)
        return err;
    if (extended && ext->certs_len > 0) {
        memset((void *)(uintptr_t)ext->certs_address, 0, ext->certs_len);
        if (fake_tee.table_n > 0)
            memcpy((void *)(uintptr_t)ext->certs_address, fake_tee.table, fake_tee.table_n);
    }
    return 0;
}

/* ---- what the linker puts in the calls' places ---- */

static mode_t mode_of(int flags, va_list args)
{
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? (mode_t)va_arg(args, int)
                                                                      : 0;
}

int __wrap_open(const char *path, int flags, ...)
{
    const int fd = tee_open(path, flags);
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return fd != -2 ? fd : __real_open(path, flags, mode);
}

int __wrap_open64(const char *path, int flags, ...)
{
    const int fd = tee_open(path, flags);
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return fd != -2 ? fd : __real_open64(path, flags, mode);
}

int __wrap___open_2(const char *path, int flags)
{
    return __wrap_open(path, flags);
}

int __wrap___open64_2(const char *path, int flags)
{
    return __wrap_open64(path, flags);
}

ssize_t __wrap_read(int fd, void *p, size_t n)
{
    struct file *f = file_find(fd);

    return f != NULL ? tee_read(f, p, n) : __real_read(fd, p, n);
}

ssize_t __wrap___read_chk(int fd, void *p, size_t n, size_t room)
{
    if (n > room)
        abort();
    return __wrap_read(fd, p, n);
}

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
    struct file *f = file_find(fd);

    return f != NULL ? tee_write(f, p, n) : __real_write(fd, p, n);
}

int __wrap_close(int fd)
{
    struct file *f = file_find(fd);

    return f != NULL ? tee_close(f) : __real_close(fd);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    const char *name = NULL;

    if (!is_tsm(path, &name))
        return __real_mkdir(path, mode);
    look();
    if (stopped())
        return -1;
    if (!fake_tee.tsm)
        return failed(ENOENT);
    if (fake_tee.refused != 0)
        return failed(fake_tee.refused);
    if (fake_tee.provider[0] == '\0')
        return failed(ENXIO); /* no driver has registered */
    if (item_find(name) != NULL)
        return failed(EEXIST);
    (void)item_make(name);
    return 0;
}

int __wrap_rmdir(const char *path)
{
    const char *name = NULL;
    struct item *it;

    if (!is_tsm(path, &name))
        return __real_rmdir(path);
    if (interrupted())
        return -1;
    if ((it = item_find(name)) == NULL)
        return failed(ENOENT);
    item_remove(it);
    return 0;
}

int __wrap_ioctl(int fd, unsigned long what, ...)
{
    const struct file *f = file_find(fd);
    va_list args;
    void *arg;
    int err;

    va_start(args, what);
    arg = va_arg(args, void *);
    va_end(args);
    if (f == NULL)
        return __real_ioctl(fd, what, arg);
    look();
    if (stopped())
        return -1;
    err = f->what == DEVICE_FILE ? device_request(what, arg) : ENOTTY;
    return err != 0 ? failed(err) : 0;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* ---- for tests ---- */

void fake_tee_reset(void)
{
    for (size_t i = 0; i < ITEMS_MAX; i++)
        item_remove(&items[i]);
    fake_tee = (struct fake_tee){0};
    memset(before, 0, sizeof before);
    calls = requests = 0;
    interrupted_before = false;
}

void fake_tee_leave(const char *name)
{
    (void)item_make(name);
}

unsigned fake_tee_items(void)
{
    unsigned n = 0;

    for (size_t i = 0; i < ITEMS_MAX; i++)
        n += items[i].name[0] != '\0';
    return n;
}

unsigned fake_tee_files(void)
{
    unsigned n = 0;

    for (size_t i = 0; i < FILES_MAX; i++)
        n += files[i].used;
    return n;
}

unsigned fake_tee_calls(void)
{
    return calls;
}

unsigned fake_tee_requests(void)
{
    return requests;
}
