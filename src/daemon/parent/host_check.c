/* SPDX-License-Identifier: Apache-2.0 */
/* The items of `cloisterd check`: what is read, and, apart from it, what is thought of it. */
#include "daemon/parent/host_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "attest/hcl.h"
#include "attest/quote_parse.h"
#include "attest/snp_report.h"
#include "base/enc.h"
#include "base/secret.h"
#include "daemon/parent/cell_check.h"
#include "daemon/parent/files.h"
#include "daemon/parent/keys.h"
#include "platform/process.h"

enum {
    FILE_MAX = 4 << 20, /* /proc/net/tcp has a line a socket */
    SPACE_MIN = 16 << 20,
    LISTEN_STATE = 10,  /* TCP_LISTEN in Linux's net/tcp_states.h */
    CAP_IPC_LOCK_ = 14, /* Linux, include/uapi/linux/capability.h */
    CAP_SYS_RESOURCE_ = 24,
};
/* No build of this program is older: 2026-01-01. And no clock that is right is so far ahead. */
#define BUILD_TIME 1767225600
#define FAR_AHEAD  (BUILD_TIME + (int64_t)30 * 365 * 86400)

struct host_path {
    char text[2 * CLO_STR_MAX];
};

static struct host_path under(const struct clo_host *h, const char *file)
{
    struct host_path p = {0};

    snprintf(p.text, sizeof p.text, "%s%s", h->root, file);
    return p;
}

static bool exists(const struct clo_host *h, const char *file)
{
    return access(under(h, file).text, F_OK) == 0;
}

static void set_text(char *raw, char ret[3 * CLO_FINDING_MAX + 1])
{
    size_t used = 0;

    for (char *s = raw; *s != 0; s++)
        if (*s == '\n' || *s == '\t')
            *s = ' ';
    (void)clo_text_sanitise(raw, strlen(raw), true, ret, &used);
}

__attribute__((format(printf, 4, 5))) static void found(struct clo_finding *f,
                                                        enum clo_finding_status status,
                                                        const char *mend, const char *format, ...)
{
    char raw[CLO_FINDING_MAX];
    va_list args;

    f->status = status;
    snprintf(raw, sizeof raw, "%s", mend);
    set_text(raw, f->mend);
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    set_text(raw, f->text);
}

/* The daemon's own sentences say what is wrong and, behind the last colon, what to do. */
static void found_problem(struct clo_finding *f, const struct clo_problem *p)
{
    const char *at = NULL;

    for (const char *s = strstr(p->text, ": "); s != NULL; s = strstr(s + 2, ": "))
        at = s;
    found(f, CLO_FINDING_FAIL, at != NULL ? at + 2 : "", "%.*s",
          at != NULL ? (int)(at - p->text) : (int)strlen(p->text), p->text);
}

/* The whole file and a zero; false if it can't be read. */
static bool read_path(const char *path, struct clo_buf *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *at = NULL;
    ssize_t got = fd < 0 ? -1 : 1;

    while (got > 0 && clo_buf_reserve(ret, 4096, &at) == 0)
        if ((got = read(fd, at, 4096)) > 0)
            clo_buf_commit(ret, (size_t)got);
    if (fd >= 0)
        close(fd);
    return got == 0 && clo_buf_append(ret, "", 1) == 0;
}

static const char *read_text(const struct clo_host *h, const char *file, struct clo_buf *ret)
{
    return read_path(under(h, file).text, ret) ? (const char *)ret->p : NULL;
}

/* The first line without its end; NULL: no such file. */
static const char *read_word(const struct clo_host *h, const char *file, char *ret, size_t cap)
{
    struct clo_buf text = clo_buf_init(FILE_MAX);
    const char *p = read_text(h, file, &text);

    if (p != NULL)
        snprintf(ret, cap, "%.*s", (int)strcspn(p, "\n"), p);
    clo_buf_clear(&text);
    return p != NULL ? ret : NULL;
}

/* ---- the TEE ---- */

static void check_simulated(const struct clo_host *h, struct clo_finding *f)
{
    const bool tsm = exists(h, clo_source_name(CLO_SOURCE_TSM)),
               snp = exists(h, clo_source_name(CLO_SOURCE_SEV_GUEST));

    found(f, CLO_FINDING_WARN, snp || tsm ? "choose --tee auto" : "serve nothing private from here",
          "%s is there, and evidence will be simulated, which protects nothing",
          snp   ? clo_source_name(CLO_SOURCE_SEV_GUEST)
          : tsm ? clo_source_name(CLO_SOURCE_TSM)
                : "no TEE");
}

static void judge_found(const struct clo_host *h, const struct clo_found *t, struct clo_finding *f)
{
    char tried[256], refused[256];

    clo_sources_list(t, 0, tried, sizeof tried);
    clo_sources_list(t, CLOISTER_E_PERMISSION, refused, sizeof refused);
    if (t->error == CLOISTER_E_PERMISSION)
        found(f, CLO_FINDING_FAIL, "run this as root, or give this user the right to write there",
              "this user may not take reports from %s", refused);
    else if (t->error == CLOISTER_E_NOT_FOUND || t->error == CLOISTER_E_UNSUPPORTED)
        found(
            f, CLO_FINDING_FAIL,
            "run this machine as a confidential VM, and load its driver (modprobe sev-guest or tdx-guest)",
            "no evidence of %s (looked for %s)",
            h->cfg->tee == CLO_TEE_AUTO ? "a confidential VM" : clo_tee_name((uint8_t)h->cfg->tee),
            tried);
    else if (t->error != 0)
        found(f, CLO_FINDING_FAIL, "try again", "%s can't be opened: %s", tried,
              cloister_strerror(t->error));
    else if (t->gpus_error < 0 && t->gpus_error != CLOISTER_E_NOT_FOUND)
        found(f, CLO_FINDING_FAIL,
              "see to NVIDIA's driver, or choose --gpus none, if nothing private gets to the GPUs",
              "there are GPUs that can't be attested: %s", cloister_strerror(t->gpus_error));
    else
        found(f, CLO_FINDING_OK, "", "%s: reports come from %s; GPUs that belong to it: %u",
              clo_tee_name(t->tee), clo_source_name((enum clo_source)t->source),
              t->gpus_error == 0 ? t->gpus : 0);
}

static void check_tee(const struct clo_host *h, struct clo_finding *f)
{
    struct clo_found t = {0};
    struct clo_cpu_section cpu = {0};
    int err;

    if (h->cfg->tee == CLO_TEE_SIMULATED) {
        check_simulated(h, f);
        return;
    }
    err = h->probe(h->cfg, &t, &cpu);
    judge_found(h, &t, f);
    if (err != 0 && t.error == 0)
        found(f, CLO_FINDING_FAIL, "see what the kernel's log says of it", "%s gives no report: %s",
              clo_source_name((enum clo_source)t.source), cloister_strerror(err));
    clo_cpu_section_clear(&cpu);
}

/* 1: may be debugged, 0: not; or an error. */
static int may_be_debugged(const struct clo_cpu_section *cpu)
{
    const uint8_t *report = cpu->report;
    struct clo_snp_report r = {0};
    struct clo_quote q = {0};
    struct clo_hcl hcl = {0};
    int err;

    if (cpu->kind == CLO_CPU_TDX) {
        if ((err = clo_quote_parse(cpu->quote.p, cpu->quote.len, &q)) != 0)
            return err;
        return (int)(q.td.attributes & 1); /* TUD.DEBUG */
    }
    if (cpu->kind == CLO_CPU_SNP_AZURE || cpu->kind == CLO_CPU_TDX_AZURE) {
        if ((err = clo_hcl_parse(cpu->hcl.p, cpu->hcl.len, &hcl)) != 0)
            return err;
        if (hcl.report_type != CLO_HCL_SNP)
            return CLOISTER_E_UNSUPPORTED; /* a TDREPORT; the quote over it comes later */
        report = hcl.report;
    }
    if ((err = clo_snp_report_parse(report, CLO_SNP_REPORT_LEN, &r)) != 0)
        return err;
    return (r.policy & CLO_SNP_POLICY_DEBUG) != 0;
}

static void check_tee_debug(const struct clo_host *h, struct clo_finding *f)
{
    struct clo_cpu_section cpu = {0};
    struct clo_found t = {0};
    int debug = CLOISTER_E_NOT_FOUND;

    if (h->cfg->tee == CLO_TEE_SIMULATED) {
        found(f, CLO_FINDING_OK, "",
              "not looked at: there is no hardware behind simulated evidence");
        return;
    }
    if (h->probe(h->cfg, &t, &cpu) == 0 && t.error == 0)
        debug = may_be_debugged(&cpu);
    clo_cpu_section_clear(&cpu);
    if (debug == 1)
        found(f, CLO_FINDING_FAIL, "have it started with a guest policy that forbids debugging",
              "the host may read this guest's memory: its policy allows debugging");
    else if (debug == 0)
        found(f, CLO_FINDING_OK, "", "the guest policy forbids debugging");
    else
        found(f, CLO_FINDING_WARN, "see what is said of the TEE",
              "there is no report that would tell of debugging; clients see it in the evidence");
}

/* ---- the kernel ---- */

static void check_kernel_debug(const struct clo_host *h, struct clo_finding *f)
{
    char at[128] = "";

    (void)read_word(h, "/sys/module/kgdboc/parameters/kgdboc", at, sizeof at);
    if (at[0] != 0)
        found(f, CLO_FINDING_WARN, "boot without kgdboc=",
              "the kernel's debugger listens on %s: whoever reaches that reads all memory", at);
    else
        found(f, CLO_FINDING_OK, "", "the kernel's debugger is off");
}

static void check_ptrace(const struct clo_host *h, struct clo_finding *f)
{
    char scope[16] = "";

    if (read_word(h, "/proc/sys/kernel/yama/ptrace_scope", scope, sizeof scope) == NULL)
        found(f, CLO_FINDING_WARN, "boot with lsm=...,yama",
              "nothing (Yama) keeps a user's programs from reading each other's memory");
    else if (scope[0] == '0')
        found(f, CLO_FINDING_WARN, "sysctl kernel.yama.ptrace_scope=2",
              "a user's programs may read each other's memory (ptrace_scope 0)");
    else
        found(f, CLO_FINDING_OK, "", "ptrace_scope is %s", scope);
}

/* What lets the host look in or reach in, word by word. */
static bool is_leaky(const char *word)
{
    static const char *const begin[] = {"console=ttyS",
                                        "console=hvc",
                                        "console=ttyAMA",
                                        "earlyprintk",
                                        "earlycon",
                                        "kgdb",
                                        "sysrq_always_enabled",
                                        "systemd.debug",
                                        "systemd.log_level=debug",
                                        "rd.break",
                                        "init=",
                                        "rdinit=",
                                        "mitigations=off",
                                        "nokaslr"};

    for (size_t i = 0; i < CLO_ARRAY_LEN(begin); i++)
        if (strncmp(word, begin[i], strlen(begin[i])) == 0)
            return true;
    return strcmp(word, "debug") == 0;
}

static void check_command_line(const struct clo_host *h, struct clo_finding *f)
{
    struct clo_buf text = clo_buf_init(FILE_MAX);
    char words[512] = "", *at = NULL;
    size_t len = 0;

    if (read_text(h, "/proc/cmdline", &text) == NULL) {
        found(f, CLO_FINDING_WARN, "mount /proc", "/proc/cmdline can't be read");
        goto out;
    }
    at = (char *)text.p;
    for (char *word = strsep(&at, " \n"); word != NULL; word = strsep(&at, " \n")) {
        int n = is_leaky(word) ? snprintf(words + len, sizeof words - len, " %s", word) : 0;

        if (n > 0)
            len = (size_t)n < sizeof words - len ? len + (size_t)n : sizeof words - 1;
    }
    if (len > 0)
        found(f, CLO_FINDING_WARN, "boot an image whose command line lacks them",
              "the kernel's command line gives the host a view or a way in:%s", words);
    else
        found(f, CLO_FINDING_OK, "", "the kernel's command line opens nothing");
out:
    clo_buf_clear(&text);
}

/* ---- memory that lands on a disk ---- */

static void judge_swaps(char *text, struct clo_finding *f)
{
    const char *compressed = NULL;

    (void)strsep(&text, "\n"); /* the heading */
    for (char *line = strsep(&text, "\n"); line != NULL; line = strsep(&text, "\n")) {
        line[strcspn(line, " \t")] = 0;
        if (line[0] == 0)
            continue;
        if (strncmp(line, "/dev/zram", 9) != 0) {
            found(f, CLO_FINDING_FAIL, "swapoff -a, and take it out of /etc/fstab",
                  "swap on %s: users' text and the engine's memory can land there", line);
            return;
        }
        compressed = line;
    }
    if (compressed != NULL)
        found(f, CLO_FINDING_WARN, "see that its backing_dev is none, or swapoff -a",
              "swap on %s: in memory, unless it writes back to a disk", compressed);
    else
        found(f, CLO_FINDING_OK, "", "swap is off");
}

static void check_swap(const struct clo_host *h, struct clo_finding *f)
{
    struct clo_buf text = clo_buf_init(FILE_MAX);

    if (read_text(h, "/proc/swaps", &text) != NULL)
        judge_swaps((char *)text.p, f);
    else
        found(f, CLO_FINDING_WARN, "mount /proc", "/proc/swaps can't be read");
    clo_buf_clear(&text);
}

static bool goes_nowhere(const char *pattern)
{
    return pattern[0] == 0 || strcmp(pattern, "/dev/null") == 0 ||
           strncmp(pattern, "|/bin/false", 11) == 0 || strncmp(pattern, "|/bin/true", 10) == 0;
}

/*
 * Cloister's own processes and what they start write no core file whatever the pattern (clo_process_harden). A crash dump of the kernel,
 * and that of an engine that somebody else started, is another matter.
 */
static void check_dumps(const struct clo_host *h, struct clo_finding *f)
{
    char pattern[256] = "", suid[16] = "", crash[16] = "";
    const bool known = read_word(h, "/proc/sys/kernel/core_pattern", pattern, sizeof pattern) !=
                           NULL &&
                       read_word(h, "/proc/sys/fs/suid_dumpable", suid, sizeof suid) != NULL;

    (void)read_word(h, "/sys/kernel/kexec_crash_loaded", crash, sizeof crash);
    if (strcmp(crash, "1") == 0)
        found(f, CLO_FINDING_FAIL, "stop kdump, and boot without crashkernel=",
              "a crash of the kernel writes all memory to a disk (kdump)");
    else if (!known)
        found(f, CLO_FINDING_WARN, "mount /proc", "the settings of core dumps can't be read");
    else if (strcmp(suid, "1") == 0)
        found(f, CLO_FINDING_WARN, "sysctl fs.suid_dumpable=0",
              "programs with other rights than their user's write core dumps (suid_dumpable 1)");
    else if (!h->cfg->managed && !goes_nowhere(pattern))
        found(f, CLO_FINDING_WARN,
              "sysctl kernel.core_pattern='|/bin/false', or LimitCORE=0 for the engine",
              "if the upstream engine crashes, its memory goes to %.100s", pattern);
    else
        found(f, CLO_FINDING_OK, "", "nothing here writes core dumps");
}

/* ---- limits ---- */

static bool has_capability(const struct clo_host *h, unsigned bit)
{
    struct clo_buf text = clo_buf_init(FILE_MAX);
    const char *p = read_text(h, "/proc/self/status", &text);
    unsigned long long set;

    p = p != NULL ? strstr(p, "\nCapEff:") : NULL;
    set = p != NULL ? strtoull(p + sizeof "\nCapEff:" - 1, NULL, 16) : 0;
    clo_buf_clear(&text);
    return (set >> bit & 1) != 0;
}

static void check_locked_memory(const struct clo_host *h, struct clo_finding *f)
{
    const unsigned long long page = (unsigned long long)sysconf(_SC_PAGESIZE),
                             gateway = (unsigned long long)h->cfg->connections_max +
                                       CLO_GATEWAY_SLOTS_MORE,
                             slots = gateway > CLO_KEEPER_SLOTS ? gateway : CLO_KEEPER_SLOTS,
                             need = (slots * CLO_GUARD_SLOT + page - 1) / page * page;

    if (has_capability(h, CAP_IPC_LOCK_) || h->locked.rlim_cur >= need)
        found(f, CLO_FINDING_OK, "", "keys can be locked in memory (%llu bytes a process)", need);
    else
        found(f, CLO_FINDING_FAIL, "raise it (ulimit -l, LimitMEMLOCK=) or lower --max-connections",
              "keys need %llu bytes of locked memory a process, and the limit is %llu", need,
              (unsigned long long)h->locked.rlim_cur);
}

static void check_open_files(const struct clo_host *h, struct clo_finding *f)
{
    const unsigned long long need = clo_descriptors_needed(h->cfg->connections_max);

    if (has_capability(h, CAP_SYS_RESOURCE_) || h->files.rlim_max >= need)
        found(f, CLO_FINDING_OK, "", "%u connections find room (%llu open files)",
              h->cfg->connections_max, need);
    else
        found(f, CLO_FINDING_FAIL, "raise it (ulimit -n, LimitNOFILE=) or lower --max-connections",
              "%u connections need %llu open files, and the limit is %llu", h->cfg->connections_max,
              need, (unsigned long long)h->files.rlim_max);
}

/* ---- the engine ---- */

enum reach {
    NOBODY,
    LOCAL,
    ANYBODY
};

/* The next word of a line; "" where there is none. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " ");

    *line = word + strcspn(word, " ");
    if (**line != 0)
        *(*line)++ = 0;
    return word;
}

/*
 * Who reaches the port, by one line of /proc/net/tcp or tcp6 (Linux, Documentation/networking/proc_net_tcp.rst): number, local
 * address and port, the peer's, state. Addresses are hexadecimal words of this machine's byte order.
 */
static enum reach judge_socket(char *line, unsigned port)
{
    static const char *const loopback[] = {"00000000000000000000000001000000",
                                           "0000000000000000FFFF00000100007F"};
    const char *const number = next_word(&line);
    char *const address = next_word(&line), *const colon = strchr(address, ':');
    const char *const peer = next_word(&line), *const state = next_word(&line);

    if (number[0] == 0 || peer[0] == 0 || colon == NULL ||
        strtoul(state, NULL, 16) != LISTEN_STATE || strtoul(colon + 1, NULL, 16) != port)
        return NOBODY;
    *colon = 0;
    for (size_t i = 0; i < CLO_ARRAY_LEN(loopback); i++)
        if (strcmp(address, loopback[i]) == 0)
            return LOCAL;
    return strlen(address) == 8 && strcmp(address + 6, "7F") == 0 ? LOCAL : ANYBODY;
}

static enum reach judge_sockets(char *text, unsigned port, enum reach so_far)
{
    (void)strsep(&text, "\n"); /* the heading */
    for (char *line = strsep(&text, "\n"); line != NULL; line = strsep(&text, "\n")) {
        const enum reach r = judge_socket(line, port);

        so_far = r > so_far ? r : so_far;
    }
    return so_far;
}

static void check_tcp_engine(const struct clo_host *h, unsigned port, struct clo_finding *f)
{
    static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
    enum reach reach = NOBODY;
    bool read_one = false;

    for (size_t i = 0; i < CLO_ARRAY_LEN(tables); i++) {
        struct clo_buf text = clo_buf_init(FILE_MAX);

        if (read_text(h, tables[i], &text) != NULL) {
            read_one = true;
            reach = judge_sockets((char *)text.p, port, reach);
        }
        clo_buf_clear(&text);
    }
    if (!read_one)
        found(f, CLO_FINDING_WARN, "mount /proc", "/proc/net/tcp can't be read");
    else if (reach == ANYBODY)
        found(f, CLO_FINDING_FAIL, "let the engine listen on 127.0.0.1, or better on a Unix socket",
              "others can reach the engine: port %u is open on more than loopback", port);
    else if (reach == NOBODY)
        found(f, CLO_FINDING_WARN, "start the engine, and check again",
              "nobody listens on port %u: whether others could reach the engine isn't known", port);
    else
        found(f, CLO_FINDING_OK, "", "the engine listens on loopback only");
}

static void check_unix_engine(const struct clo_host *h, const char *socket, struct clo_finding *f)
{
    struct stat st = {0};

    if (stat(under(h, socket).text, &st) != 0)
        found(f, CLO_FINDING_WARN, "start the engine, and check again", "%s isn't there yet",
              socket);
    else if ((st.st_mode & 0002) != 0)
        found(f, CLO_FINDING_WARN,
              "chmod o-w it, or keep it in a folder that only the two may enter",
              "every user of this machine may speak to the engine's socket %s", socket);
    else
        found(f, CLO_FINDING_OK, "", "the engine listens on a Unix socket");
}

static void check_engine(const struct clo_host *h, struct clo_finding *f)
{
    const char *colon = strrchr(h->cfg->upstream, ':');

    if (h->cfg->managed)
        found(f, CLO_FINDING_OK, "",
              "llama-server will listen on a Unix socket in the private runtime folder");
    else if (strncmp(h->cfg->upstream, "unix:", 5) == 0)
        check_unix_engine(h, h->cfg->upstream + 5, f);
    else
        check_tcp_engine(h, colon != NULL ? (unsigned)strtoul(colon + 1, NULL, 10) : 0, f);
}

/* ---- clock and disk ---- */

static void check_clock(const struct clo_host *h, struct clo_finding *f)
{
    if (h->now < BUILD_TIME || h->now > FAR_AHEAD)
        found(f, CLO_FINDING_FAIL, "set it, and let a time service keep it",
              "the clock is wrong: it says %lld", (long long)h->now);
    else if (!h->clock_synchronised)
        found(f, CLO_FINDING_WARN, "let a time service keep it (chrony, systemd-timesyncd)",
              "nothing keeps the clock right, and clients judge evidence by the time");
    else
        found(f, CLO_FINDING_OK, "", "the clock is kept right");
}

static bool has_space(const char *dir, struct clo_finding *f)
{
    struct statvfs fs;

    if (statvfs(dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize >= SPACE_MIN)
        return true;
    found(f, CLO_FINDING_WARN, "make room", "less than %d MiB are free in %s", SPACE_MIN >> 20,
          dir);
    return false;
}

static void check_disk(const struct clo_host *h, struct clo_finding *f)
{
    char runtime[CLO_STR_MAX], state[CLO_STR_MAX], cache[CLO_STR_MAX],
        at[CLO_STR_MAX] = "", and_at[CLO_STR_MAX] = "", cache_at[CLO_STR_MAX] = "";
    const bool fetches = clo_role_wanted(h->cfg, CLO_ROLE_FETCHER);
    struct clo_problem problem = {0};

    if (clo_runtime_dir(h->cfg->runtime_dir, runtime) != 0 ||
        clo_state_dir(h->cfg->state_dir, state) != 0 ||
        (fetches && clo_cache_dir(h->cfg->fetch.cache, cache) != 0))
        found(f, CLO_FINDING_FAIL, "name them with --runtime-dir, --state-dir and --cache-dir",
              "there is no place for the runtime, state and cache folders");
    else if (clo_runtime_examine(under(h, runtime).text, at, &problem) != 0 ||
             clo_state_examine(under(h, state).text, and_at, &problem) != 0 ||
             (fetches && clo_cache_examine(under(h, cache).text,
                                           clo_cell_user(h->cfg->cell_uid, CLO_ROLE_FETCHER),
                                           cache_at, &problem) != 0))
        found_problem(f, &problem);
    else if (has_space(at, f) && has_space(and_at, f))
        found(f, CLO_FINDING_OK, "", "%s and %s can be written to", runtime, state);
}

/* ---- files of the daemon ---- */

static void judge_keys(const struct clo_keys *keys, int64_t now, struct clo_finding *f)
{
    uint32_t good = 0;

    for (uint32_t i = 0; i < keys->count; i++)
        good += keys->at[i].terms.expires == 0 || keys->at[i].terms.expires > now;
    if (good == 0)
        found(f, CLO_FINDING_WARN, "make one with `cloisterd key add`",
              "the key store has no key that holds: nobody will be served");
    else
        found(f, CLO_FINDING_OK, "", "%u API key%s", good, good == 1 ? "" : "s");
}

static void check_api_keys(const struct clo_host *h, struct clo_finding *f)
{
    struct clo_problem problem = {0};
    struct clo_keys keys = {0};

    if (h->cfg->api_keys[0] == 0)
        found(f, CLO_FINDING_WARN, "give --api-keys, unless this machine has no other users",
              "no API keys are asked for: every program on this machine is served");
    else if (clo_keys_load(h->cfg->api_keys, &keys, &problem) != 0)
        found_problem(f, &problem);
    else
        judge_keys(&keys, h->now, f);
    clo_keys_clear(&keys);
}

static void check_model(const struct clo_host *h, struct clo_finding *f)
{
    struct clo_problem problem = {0};
    char real[CLO_STR_MAX];

    if (!h->cfg->managed)
        found(f, CLO_FINDING_OK, "", "the upstream engine has its own");
    else if (clo_model_check(h->cfg->model, real, &problem) != 0)
        found_problem(f, &problem);
    else
        found(f, CLO_FINDING_OK, "", "%s can be read", real);
}

static void check_programs(const struct clo_host *h, struct clo_finding *f)
{
    struct clo_problem problem = {0};
    char path[CLO_STR_MAX];
    int err = 0;

    for (enum clo_role r = CLO_ROLE_GATEWAY; err == 0 && r < CLO_ROLE_COUNT; r++)
        if (clo_role_wanted(h->cfg, r))
            err = clo_helper_find(r, path, &problem);
    if (err == 0 && h->cfg->managed)
        err = clo_engine_find(h->cfg->server, path, &problem);
    if (err != 0)
        found_problem(f, &problem);
    else
        found(f, CLO_FINDING_OK, "", "all programs are in place");
}

/* ---- the processes' cells ---- */

/* Less than all is what somebody has allowed, or the daemon doesn't start. */
static void check_cells(const struct clo_host *h, struct clo_finding *f)
{
    struct clo_problem problem = {0};
    struct clo_cells_found cells = {0};
    char server[CLO_STR_MAX], model[CLO_STR_MAX];
    const bool runs = h->cfg->managed && clo_engine_find(h->cfg->server, server, &problem) == 0,
               reads = h->cfg->managed && clo_model_check(h->cfg->model, model, &problem) == 0;

    if (h->cells(h->cfg, runs ? server : NULL, reads ? model : NULL, &cells) != 0)
        found(f, CLO_FINDING_FAIL, "see what the kernel's log says of it",
              "the cells of the processes can't be tried out");
    else if (cells.missing[0] != 0)
        found(f, h->cfg->incomplete_cells ? CLO_FINDING_WARN : CLO_FINDING_FAIL, cells.mend,
              "processes can't be shut into their cells: %s", cells.missing);
    else
        found(f, CLO_FINDING_OK, "", "every process can be shut into its cell");
}

/* ---- all of them ---- */

void clo_host_init(struct clo_host *ret, const struct clo_config *cfg)
{
    struct clo_host h = {.root = "",
                         .cfg = cfg,
                         .now = clo_clock_now(),
                         .probe = clo_host_probe,
                         .cells = clo_cells_find};
    struct timex t = {0};

    h.clock_synchronised = adjtimex(&t) >= 0 && (t.status & STA_UNSYNC) == 0;
    if (getrlimit(RLIMIT_MEMLOCK, &h.locked) != 0)
        h.locked = (struct rlimit){0};
    if (getrlimit(RLIMIT_NOFILE, &h.files) != 0)
        h.files = (struct rlimit){0};
    *ret = h;
}

void clo_host_check(const struct clo_host *h, enum clo_host_item item, struct clo_finding *ret)
{
    static const struct {
        const char *id;
        void (*check)(const struct clo_host *h, struct clo_finding *f);
    } items[CLO_HOST_ITEMS] = {
        [CLO_HOST_TEE] = {"tee", check_tee},
        [CLO_HOST_TEE_DEBUG] = {"tee-debug", check_tee_debug},
        [CLO_HOST_KERNEL_DEBUG] = {"kernel-debug", check_kernel_debug},
        [CLO_HOST_PTRACE] = {"ptrace", check_ptrace},
        [CLO_HOST_COMMAND_LINE] = {"command-line", check_command_line},
        [CLO_HOST_SWAP] = {"swap", check_swap},
        [CLO_HOST_DUMPS] = {"dumps", check_dumps},
        [CLO_HOST_LOCKED_MEMORY] = {"locked-memory", check_locked_memory},
        [CLO_HOST_OPEN_FILES] = {"open-files", check_open_files},
        [CLO_HOST_ENGINE] = {"engine", check_engine},
        [CLO_HOST_CLOCK] = {"clock", check_clock},
        [CLO_HOST_DISK] = {"disk", check_disk},
        [CLO_HOST_API_KEYS] = {"api-keys", check_api_keys},
        [CLO_HOST_MODEL] = {"model", check_model},
        [CLO_HOST_PROGRAMS] = {"programs", check_programs},
        [CLO_HOST_CELLS] = {"cells", check_cells},
    };
    struct clo_finding f = {.id = items[item].id};

    items[item].check(h, &f);
    *ret = f;
}
