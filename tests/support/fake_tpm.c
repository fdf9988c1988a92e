/* SPDX-License-Identifier: Apache-2.0 */
/* What it does: fake_tpm.h. */
#include "support/fake_tpm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <tss2/tss2_mu.h>
#include <unistd.h>

#include "crypto/crypto.h"

#define DEVICE     "/dev/tpmrm0"
#define HEADER_LEN 10
#define MUST(c)    ((c) ? (void)0 : cannot(__LINE__, #c))

static void cannot(int line, const char *what)
{
    (void)fprintf(stderr, "fake_tpm.c:%d: can't: %s\n", line, what);
    abort();
}

int __real_open(const char *path, int flags, ...);
int __real_open64(const char *path, int flags, ...);
ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __real_write(int fd, const void *p, size_t n);
int __real_close(int fd);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
ssize_t __wrap_read(int fd, void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
int __wrap_close(int fd);

struct fake_tpm fake_tpm;

enum mode {
    LIVE,
    RECORDING,
    REPLAYING
};
struct exchange {
    uint8_t command[FAKE_TPM_MAX], answer[FAKE_TPM_MAX];
    size_t command_n, answer_n;
};
static struct {
    pid_t pid;
    int sock;
    char dir[64];
    int fd; /* the device, while it is open; -1 */
    uint8_t answer[FAKE_TPM_MAX];
    size_t answer_n;
    int read_errno;
    bool pending, read_fails, attached;
    enum mode mode;
    struct exchange *log;
    size_t logged;
} own = {.sock = -1, .fd = -1};

void fake_tpm_calm(void)
{
    memset(&fake_tpm, 0, sizeof fake_tpm);
    fake_tpm.attributes = TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE | TPMA_NV_WRITTEN;
}

/* ---- swtpm ---- */

static void end_swtpm(void)
{
    if (own.pid <= 0)
        return;
    (void)__real_close(own.sock);
    own.sock = -1;
    (void)kill(own.pid, SIGKILL);
    MUST(waitpid(own.pid, NULL, 0) == own.pid);
    own.pid = 0;
}

static void child(const char *path, int sock)
{
    char fd[16], state[80];
    const int null = __real_open("/dev/null", O_RDWR);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(fd, sizeof fd, "%d", sock);
    (void)snprintf(state, sizeof state, "dir=%s", own.dir);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
        fcntl(sock, F_SETFD, 0) != 0)
        _exit(126);
    execl(path, "swtpm", "socket", "--tpm2", "--tpmstate", state, "--fd", fd, "--flags",
          "not-need-init,startup-clear", (char *)NULL);
    _exit(127);
}

static const char *swtpm(void)
{
    static const char *const place[] = {"/usr/bin/swtpm", "/usr/local/bin/swtpm", "/bin/swtpm"};

    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++)
        if (access(place[i], X_OK) == 0)
            return place[i];
    return NULL;
}

bool fake_tpm_start(void)
{
    const char *path = swtpm();
    int pair[2];

    if (path == NULL)
        return false;
    end_swtpm();
    if (own.dir[0] == '\0') {
        (void)snprintf(own.dir, sizeof own.dir, "/tmp/cloister-swtpm.XXXXXX");
        MUST(mkdtemp(own.dir) != NULL);
    }
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    MUST((own.pid = fork()) >= 0);
    if (own.pid == 0)
        child(path, pair[1]);
    (void)__real_close(pair[1]);
    own.sock = pair[0];
    return true;
}

bool fake_tpm_runs(void)
{
    return own.pid > 0;
}

void fake_tpm_stop(void)
{
    DIR *d;

    end_swtpm();
    fake_tpm_forget();
    if (own.dir[0] == '\0')
        return;
    if ((d = opendir(own.dir)) != NULL) {
        for (const struct dirent *e; (e = readdir(d)) != NULL;)
            (void)unlinkat(dirfd(d), e->d_name, 0);
        (void)closedir(d);
    }
    (void)rmdir(own.dir);
    own.dir[0] = '\0';
}

/* ---- swtpm that somebody else started ---- */

static bool find_folder(char *ret, size_t cap)
{
    char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "fake_tpm");
    char *slash;
    FILE *f;

    if (n <= 0)
        return false;
    path[n] = '\0';
    if ((slash = strrchr(path, '/')) == NULL)
        return false;
    memcpy(slash + 1, "fake_tpm", sizeof "fake_tpm");
    if ((f = fopen(path, "re")) == NULL)
        return false;
    if (fgets(ret, (int)cap, f) == NULL)
        ret[0] = '\0';
    (void)fclose(f);
    ret[strcspn(ret, "\n")] = '\0';
    return ret[0] != '\0';
}

bool fake_tpm_attach(const char *folder)
{
    static uint8_t envelope[FAKE_TPM_MAX];
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char path[4096];
    FILE *f;

    MUST(snprintf(a.sun_path, sizeof a.sun_path, "%s/swtpm", folder) < (int)sizeof a.sun_path);
    MUST(snprintf(path, sizeof path, "%s/envelope", folder) < (int)sizeof path);
    MUST(own.sock < 0 && (own.sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0);
    if (connect(own.sock, (const struct sockaddr *)&a, sizeof a) != 0) {
        (void)__real_close(own.sock);
        own.sock = -1;
        return false;
    }
    own.attached = true;
    fake_tpm_calm();
    if ((f = fopen(path, "re")) != NULL) {
        fake_tpm.envelope_n = fread(envelope, 1, sizeof envelope, f);
        fake_tpm.envelope = envelope;
        (void)fclose(f);
    }
    return true;
}

static void detach(void)
{
    if (!own.attached)
        return;
    (void)__real_close(own.sock);
    own.sock = -1;
    own.attached = false;
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, size_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static bool read_all(uint8_t *p, size_t n)
{
    while (n > 0) {
        const ssize_t k = __real_read(own.sock, p, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

/* False: it is gone. */
static bool ask_swtpm(const uint8_t *p, size_t n, uint8_t *answer, size_t *answer_n)
{
    if (own.sock < 0 || send(own.sock, p, n, MSG_NOSIGNAL) != (ssize_t)n ||
        !read_all(answer, HEADER_LEN))
        return false;
    *answer_n = be32(answer + 2);
    MUST(*answer_n >= HEADER_LEN && *answer_n <= FAKE_TPM_MAX);
    return read_all(answer + HEADER_LEN, *answer_n - HEADER_LEN);
}

static void extend(uint32_t pcr)
{
    /* TPM2_PCR_Extend: the handle, an empty password, one digest by SHA-256 */
    uint8_t command[65] = {0x80, 2, 0, 0, 0,    65, 0, 0, 1, 0x82, 0, 0, 0, (uint8_t)pcr,
                           0,    0, 0, 9, 0x40, 0,  0, 9, 0, 0,    0, 0, 0, 0,
                           0,    0, 1, 0, 0x0b};
    uint8_t answer[FAKE_TPM_MAX];
    size_t n = 0;

    memset(command + 33, 0x5a, 32);
    MUST(ask_swtpm(command, sizeof command, answer, &n) && be32(answer + 6) == 0);
}

/* ---- the index that swtpm can't hold ---- */

static size_t answer_public(uint8_t *answer)
{
    TPM2B_NV_PUBLIC public = {.nvPublic = {
                                  .nvIndex = FAKE_TPM_INDEX,
                                  .nameAlg = TPM2_ALG_SHA256,
                                  .attributes = fake_tpm.attributes,
                                  .dataSize = (uint16_t)fake_tpm.envelope_n,
                              }};
    size_t at = HEADER_LEN;

    MUST(Tss2_MU_TPM2B_NV_PUBLIC_Marshal(&public, answer, FAKE_TPM_MAX, &at) == 0);
    put16(answer + at, 2 + CLO_SHA256_LEN); /* its name: algorithm and hash of the public area */
    put16(answer + at + 2, TPM2_ALG_SHA256);
    MUST(clo_sha256(answer + HEADER_LEN + 2, at - HEADER_LEN - 2, answer + at + 4) == 0);
    at += 4 + CLO_SHA256_LEN;
    put16(answer, TPM2_ST_NO_SESSIONS);
    put32(answer + 2, at);
    put32(answer + 6, 0);
    return at;
}

static size_t answer_code(uint32_t rc, uint8_t *answer)
{
    put16(answer, TPM2_ST_NO_SESSIONS);
    put32(answer + 2, HEADER_LEN);
    put32(answer + 6, rc);
    return HEADER_LEN;
}

/* Size and offset are the last four bytes, behind handles and authorisation; the index is the second handle. */
static size_t answer_read(const uint8_t *p, size_t n, uint8_t *answer)
{
    const uint32_t size = be32(p + n - 4) >> 16, offset = be32(p + n - 4) & 0xffff;
    const bool owner = be32(p + 10) == TPM2_RH_OWNER;

    if ((fake_tpm.attributes & (owner ? TPMA_NV_OWNERREAD : TPMA_NV_AUTHREAD)) == 0)
        return answer_code(TPM2_RC_NV_AUTHORIZATION, answer);
    if (size > 1024)
        return answer_code(TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_1, answer);
    if (offset + size > fake_tpm.envelope_n)
        return answer_code(TPM2_RC_NV_RANGE, answer);
    put16(answer, TPM2_ST_SESSIONS);
    put32(answer + 6, 0);
    put32(answer + 10, 2 + (size_t)size);
    put16(answer + 14, size);
    memcpy(answer + 16, fake_tpm.envelope + offset, size);
    memcpy(answer + 16 + size, "\0\0\1\0\0", 5); /* no nonce, the session goes on, no HMAC */
    put32(answer + 2, 21 + (size_t)size);
    return 21 + (size_t)size;
}

/* ---- one command ---- */

static bool carry_out(const uint8_t *p, size_t n)
{
    const uint32_t code = be32(p + 6);
    struct exchange *x;

    if (own.mode == REPLAYING) {
        for (size_t i = 0; i < own.logged; i++) {
            x = &own.log[i];
            if (x->command_n != n || memcmp(x->command, p, n) != 0)
                continue;
            memcpy(own.answer, x->answer, x->answer_n);
            own.answer_n = x->answer_n;
            return true;
        }
        own.answer_n = answer_code(TPM2_RC_COMMAND_CODE, own.answer);
        return true;
    }
    if (fake_tpm.envelope != NULL && code == TPM2_CC_NV_ReadPublic &&
        be32(p + 10) == FAKE_TPM_INDEX)
        own.answer_n = answer_public(own.answer);
    else if (fake_tpm.envelope != NULL && code == TPM2_CC_NV_Read && be32(p + 14) == FAKE_TPM_INDEX)
        own.answer_n = answer_read(p, n, own.answer);
    else if (!ask_swtpm(p, n, own.answer, &own.answer_n))
        return false;
    for (size_t i = 0; i < own.logged && own.mode == RECORDING; i++)
        if (own.log[i].command_n == n && memcmp(own.log[i].command, p, n) == 0)
            return true;
    if (own.mode == RECORDING) {
        MUST((own.log = realloc(own.log, (own.logged + 1) * sizeof *own.log)) != NULL);
        x = &own.log[own.logged++];
        memcpy(x->command, p, x->command_n = n);
        memcpy(x->answer, own.answer, x->answer_n = own.answer_n);
    }
    return true;
}

void fake_tpm_record(void)
{
    fake_tpm_forget();
    own.mode = RECORDING;
}

void fake_tpm_replay(void)
{
    own.mode = REPLAYING;
}

size_t fake_tpm_recorded(void)
{
    return own.logged;
}

size_t fake_tpm_recorded_len(size_t nth)
{
    return own.log[nth].answer_n;
}

void fake_tpm_forget(void)
{
    free(own.log);
    own.log = NULL;
    own.logged = 0;
    own.mode = LIVE;
}

static bool meets(const uint8_t *p, size_t n)
{
    if (fake_tpm.fault == FAKE_TPM_NONE)
        return false;
    if (own.mode == REPLAYING) {
        const struct exchange *x = &own.log[fake_tpm.skip];

        return x->command_n == n && memcmp(x->command, p, n) == 0;
    }
    if (fake_tpm.at != 0 && be32(p + 6) != fake_tpm.at)
        return false;
    if (fake_tpm.skip > 0) {
        fake_tpm.skip--;
        return false;
    }
    return fake_tpm.met < fake_tpm.times;
}

/* After the command was carried out. */
static void spoil(void)
{
    const uint32_t arg = fake_tpm.arg;

    switch (fake_tpm.fault) {
    case FAKE_TPM_READ:
        own.read_fails = true;
        own.read_errno = (int)arg;
        break;
    case FAKE_TPM_CUT_WHOLE: put32(own.answer + 2, arg); /* fall through */
    case FAKE_TPM_CUT:
        MUST(arg < own.answer_n);
        own.answer_n = arg;
        break;
    case FAKE_TPM_FLIP:
        MUST(arg / 8 < own.answer_n);
        own.answer[arg / 8] ^= (uint8_t)(1u << (arg % 8));
        break;
    case FAKE_TPM_MORE:
        MUST(own.answer_n + arg <= FAKE_TPM_MAX);
        memset(own.answer + own.answer_n, 0, arg);
        own.answer_n += arg;
        put32(own.answer + 2, own.answer_n);
        break;
    case FAKE_TPM_EXTEND: extend(arg); break;
    case FAKE_TPM_SWAP: fake_tpm.envelope = fake_tpm.other; break;
    case FAKE_TPM_SLOW: (void)usleep(arg * 1000); break;
    default: break;
    }
}

static ssize_t device_write(const uint8_t *p, size_t n)
{
    uint8_t command[FAKE_TPM_MAX];
    bool met;

    if (own.pending) {
        errno = EBUSY;
        return -1;
    }
    if (n < HEADER_LEN || n > FAKE_TPM_MAX || be32(p + 2) != n) {
        errno = EINVAL;
        return -1;
    }
    fake_tpm.commands++;
    met = meets(p, n);
    fake_tpm.met += met;
    own.read_fails = false;
    if (met && fake_tpm.fault == FAKE_TPM_WRITE) {
        errno = (int)fake_tpm.arg;
        return -1;
    }
    if (met && fake_tpm.fault == FAKE_TPM_DIE)
        end_swtpm();
    memcpy(command, p, n);
    if (met && fake_tpm.fault == FAKE_TPM_ASK) {
        MUST(fake_tpm.arg / 8 < n);
        command[fake_tpm.arg / 8] ^= (uint8_t)(1u << (fake_tpm.arg % 8));
    }
    if (met && fake_tpm.fault == FAKE_TPM_CODE) {
        own.answer_n = answer_code(fake_tpm.arg, own.answer);
    } else if (!carry_out(command, n)) {
        errno = EPIPE;
        return -1;
    }
    if (met)
        spoil();
    own.pending = true;
    return (ssize_t)n;
}

static ssize_t device_read(uint8_t *p, size_t n)
{
    if (!own.pending)
        return 0;
    own.pending = false;
    if (own.read_fails) {
        errno = own.read_errno;
        return own.read_errno != 0 ? -1 : 0;
    }
    if (n > own.answer_n)
        n = own.answer_n;
    memcpy(p, own.answer, n);
    return (ssize_t)n;
}

/* ---- in the place of the system's ---- */

static int device_open(int flags)
{
    char folder[4096];

    MUST((flags & O_ACCMODE) == O_RDWR && (flags & O_CLOEXEC) != 0 && (flags & O_NONBLOCK) == 0);
    if (own.sock < 0 && own.mode != REPLAYING && find_folder(folder, sizeof folder) &&
        !fake_tpm_attach(folder)) {
        errno = ENOENT;
        return -1;
    }
    if (fake_tpm.open_errno != 0) {
        errno = fake_tpm.open_errno;
        return -1;
    }
    MUST(own.fd < 0);
    own.fd = __real_open("/dev/null", O_RDONLY | O_CLOEXEC);
    own.pending = false;
    fake_tpm.opened++;
    return own.fd;
}

static unsigned mode_of(int flags, va_list args)
{
    return (flags & O_CREAT) != 0 ? va_arg(args, unsigned) : 0;
}

int __wrap_open(const char *path, int flags, ...)
{
    unsigned mode;
    va_list args;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return strcmp(path, DEVICE) == 0 ? device_open(flags) : __real_open(path, flags, mode);
}

int __wrap_open64(const char *path, int flags, ...)
{
    unsigned mode;
    va_list args;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return strcmp(path, DEVICE) == 0 ? device_open(flags) : __real_open64(path, flags, mode);
}

ssize_t __wrap_read(int fd, void *p, size_t n)
{
    return fd >= 0 && fd == own.fd ? device_read(p, n) : __real_read(fd, p, n);
}

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
    return fd >= 0 && fd == own.fd ? device_write(p, n) : __real_write(fd, p, n);
}

int __wrap_close(int fd)
{
    if (fd >= 0 && fd == own.fd) {
        own.fd = -1;
        fake_tpm.closed++;
        detach();
    }
    return __real_close(fd);
}
