/* SPDX-License-Identifier: Apache-2.0 */
/* `cloisterd check` on made-up trees: each finding seen to pass, to warn or to fail. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/parent/files.h"
#include "daemon/parent/host_check.h"

static char root[64];
static struct clo_config cfg;
static struct clo_host host;
static struct clo_finding f;
static uint8_t report[1184];
static size_t report_n;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static struct clo_found there;
static enum clo_cpu_kind kind;

static int probe(const struct clo_config *c, struct clo_found *ret, struct clo_cpu_section *cpu)
{
    assert_ptr_equal(c, &cfg);
    *ret = there;
    if (there.error != 0)
        return 0;
    cpu->kind = kind;
    if (kind == CLO_CPU_TDX)
        cpu->quote = clo_buf_init(CLO_QUOTE_MAX);
    else
        memcpy(cpu->report, report, report_n);
    return report_n == 0         ? CLOISTER_E_IO
           : kind == CLO_CPU_TDX ? clo_buf_append(&cpu->quote, report, report_n)
                                 : 0;
}

static struct clo_cells_found cells;

static int find_cells(const struct clo_config *c, const char *server, const char *model,
                      struct clo_cells_found *ret)
{
    (void)server;
    (void)model;
    assert_ptr_equal(c, &cfg);
    *ret = cells;
    return 0;
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/clo-host-XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    cfg = (struct clo_config){.tee = CLO_TEE_SEV_SNP, .managed = true, .connections_max = 1000};
    host = (struct clo_host){.root = root,
                             .cfg = &cfg,
                             .now = 1800000000,
                             .clock_synchronised = true,
                             .locked = {1 << 20, 1 << 20},
                             .files = {1024, 4096},
                             .probe = probe,
                             .cells = find_cells};
    there = (struct clo_found){.tee = CLO_TEE_SEV_SNP,
                               .source = CLO_SOURCE_TSM,
                               .tried = {0, 1, 1, 1},
                               .gpus_error = CLOISTER_E_NOT_FOUND};
    kind = CLO_CPU_SNP;
    memset(report, 0, sizeof report);
    report[0] = 2; /* version */
    report_n = sizeof report;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The file and its folders, below the root. */
static void put(const char *file, const char *text)
{
    char path[256];
    FILE *out;

    snprintf(path, sizeof path, "%s%s", root, file);
    for (char *s = strchr(path + strlen(root) + 1, '/'); s != NULL; s = strchr(s + 1, '/')) {
        *s = 0;
        (void)mkdir(path, 0700);
        *s = '/';
    }
    if (file[strlen(file) - 1] == '/')
        return;
    out = fopen(path, "we");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

#define FOUND(item, want, part)                                  \
    do {                                                         \
        clo_host_check(&host, item, &f);                         \
        assert_int_equal(f.status, want);                        \
        assert_non_null(strstr(f.text, part));                   \
        assert_true((want) == CLO_FINDING_OK || f.mend[0] != 0); \
    } while (0)
#define OK(item, part)   FOUND(item, CLO_FINDING_OK, part)
#define WARN(item, part) FOUND(item, CLO_FINDING_WARN, part)
#define FAIL(item, part) FOUND(item, CLO_FINDING_FAIL, part)

static void processes_fit_into_their_cells_or_nothing_starts(void **state)
{
    (void)state;
    cfg.managed = false;
    cells = (struct clo_cells_found){0};
    OK(CLO_HOST_CELLS, "every process");
    snprintf(cells.missing, sizeof cells.missing,
             "no users of their own for gateway (that takes root)");
    snprintf(cells.mend, sizeof cells.mend, "start cloisterd as root");
    FAIL(CLO_HOST_CELLS, "no users of their own for gateway (that takes root)");
    assert_string_equal(f.mend, "start cloisterd as root");
    cfg.incomplete_cells = true;
    WARN(CLO_HOST_CELLS, "no users of their own for gateway (that takes root)");
    host.cells = clo_cells_find; /* this machine's: whatever it says, it says something */
    cfg.tee = CLO_TEE_SIMULATED;
    cfg.cell_uid = 65520;
    clo_host_check(&host, CLO_HOST_CELLS, &f);
    assert_true(f.status == CLO_FINDING_OK || f.mend[0] != 0);
}

static void hardware_is_there_or_nothing_can_be_served(void **state)
{
    (void)state;
    OK(CLO_HOST_TEE,
       "sev-snp: reports come from /sys/kernel/config/tsm/report; GPUs that belong to it: 0");
    there.gpus_error = 0;
    there.gpus = 8;
    OK(CLO_HOST_TEE, "GPUs that belong to it: 8");
    there.gpus_error = CLOISTER_E_UNSUPPORTED;
    FAIL(CLO_HOST_TEE, "GPUs that can't be attested");
    there = (struct clo_found){
        .error = CLOISTER_E_NOT_FOUND,
        .tried = {CLOISTER_E_NOT_FOUND, CLOISTER_E_NOT_FOUND, CLOISTER_E_NOT_FOUND, 1}};
    FAIL(CLO_HOST_TEE,
         "no evidence of sev-snp (looked for /sys/kernel/config/tsm/report, /dev/sev-guest, Azure");
    cfg.tee = CLO_TEE_AUTO;
    FAIL(CLO_HOST_TEE, "no evidence of a confidential VM");
    there.error = there.tried[1] = CLOISTER_E_PERMISSION;
    FAIL(CLO_HOST_TEE, "may not take reports from /dev/sev-guest");
    there.error = CLOISTER_E_BUSY;
    FAIL(CLO_HOST_TEE, "can't be opened");
    there.error = 0;
    report_n = 0;
    FAIL(CLO_HOST_TEE, "gives no report");
}

static void simulated_evidence_is_a_warning(void **state)
{
    (void)state;
    cfg.tee = CLO_TEE_SIMULATED;
    WARN(CLO_HOST_TEE, "no TEE is there, and evidence will be simulated");
    OK(CLO_HOST_TEE_DEBUG, "not looked at");
    put("/sys/kernel/config/tsm/report/", "");
    WARN(CLO_HOST_TEE, "/sys/kernel/config/tsm/report is there, and evidence will be simulated");
    put("/dev/sev-guest", "");
    WARN(CLO_HOST_TEE, "/dev/sev-guest is there, and evidence will be simulated");
}

static void a_guest_that_may_be_debugged_fails(void **state)
{
    (void)state;
    OK(CLO_HOST_TEE_DEBUG, "forbids debugging");
    report[8 + 2] = 1 << 3; /* POLICY (offset 8), bit 19 */
    FAIL(CLO_HOST_TEE_DEBUG, "allows debugging");
    kind = CLO_CPU_TDX; /* and this is no quote */
    WARN(CLO_HOST_TEE_DEBUG, "no report that would tell");
    report_n = 0;
    WARN(CLO_HOST_TEE_DEBUG, "no report that would tell");
    there.error = CLOISTER_E_NOT_FOUND;
    WARN(CLO_HOST_TEE_DEBUG, "no report that would tell");
}

static bool load_recorded(const char *name)
{
    const char *vectors = getenv("CLOISTER_VECTORS");
    char path[512];
    FILE *in;

    snprintf(path, sizeof path, "%s/attestation/snp/%s", vectors != NULL ? vectors : "", name);
    if ((in = fopen(path, "re")) == NULL)
        return false;
    report_n = fread(report, 1, sizeof report, in);
    fclose(in);
    return true;
}

static void recorded_reports_are_judged_like_fresh_ones(void **state)
{
    (void)state;
    if (!load_recorded("milan_v2_virtee.report.bin"))
        skip();
    OK(CLO_HOST_TEE_DEBUG, "forbids debugging");
    if (!load_recorded("milan_v2_debug_gsg.report.bin"))
        skip();
    FAIL(CLO_HOST_TEE_DEBUG, "allows debugging");
}

static void the_kernels_debugger_is_a_warning(void **state)
{
    (void)state;
    OK(CLO_HOST_KERNEL_DEBUG, "is off");
    put("/sys/module/kgdboc/parameters/kgdboc", "\n");
    OK(CLO_HOST_KERNEL_DEBUG, "is off");
    put("/sys/module/kgdboc/parameters/kgdboc", "ttyS0\n");
    WARN(CLO_HOST_KERNEL_DEBUG, "ttyS0");
}

static void free_ptrace_is_a_warning(void **state)
{
    (void)state;
    WARN(CLO_HOST_PTRACE, "Yama");
    put("/proc/sys/kernel/yama/ptrace_scope", "0\n");
    WARN(CLO_HOST_PTRACE, "ptrace_scope 0");
    put("/proc/sys/kernel/yama/ptrace_scope", "2\n");
    OK(CLO_HOST_PTRACE, "ptrace_scope is 2");
}

static void words_that_open_the_kernel_are_named(void **state)
{
    (void)state;
    WARN(CLO_HOST_COMMAND_LINE, "can't be read");
    put("/proc/cmdline", "root=/dev/dm-0 ro quiet panic=1\n");
    OK(CLO_HOST_COMMAND_LINE, "opens nothing");
    put("/proc/cmdline", "root=/dev/dm-0 console=ttyS0,115200 quiet debug\n");
    WARN(CLO_HOST_COMMAND_LINE, " console=ttyS0,115200 debug");
    put("/proc/cmdline", "init=/bin/\x1b[2Jsh\n");
    WARN(CLO_HOST_COMMAND_LINE, "init=/bin/\xef\xbf\xbd[2Jsh");
}

static void swap_on_a_disk_fails(void **state)
{
    static const char heading[] = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
    char text[256];

    (void)state;
    WARN(CLO_HOST_SWAP, "can't be read");
    put("/proc/swaps", heading);
    OK(CLO_HOST_SWAP, "swap is off");
    snprintf(text, sizeof text, "%s/dev/zram0 partition 1 0 -2\n", heading);
    put("/proc/swaps", text);
    WARN(CLO_HOST_SWAP, "/dev/zram0");
    snprintf(text, sizeof text, "%s/dev/zram0 partition 1 0 -2\n/swapfile file 1 0 -2\n", heading);
    put("/proc/swaps", text);
    FAIL(CLO_HOST_SWAP, "swap on /swapfile:");
}

static void dumps_are_off_or_told(void **state)
{
    (void)state;
    WARN(CLO_HOST_DUMPS, "can't be read");
    put("/proc/sys/kernel/core_pattern", "|/usr/lib/systemd/systemd-coredump %P\n");
    put("/proc/sys/fs/suid_dumpable", "2\n");
    OK(CLO_HOST_DUMPS, "nothing here writes");
    cfg.managed = false;
    WARN(CLO_HOST_DUMPS, "systemd-coredump");
    put("/proc/sys/kernel/core_pattern", "|/bin/false\n");
    OK(CLO_HOST_DUMPS, "nothing here writes");
    put("/proc/sys/fs/suid_dumpable", "1\n");
    WARN(CLO_HOST_DUMPS, "suid_dumpable 1");
    put("/sys/kernel/kexec_crash_loaded", "1\n");
    FAIL(CLO_HOST_DUMPS, "kdump");
}

static void keys_find_room_in_locked_memory(void **state)
{
    (void)state;
    OK(CLO_HOST_LOCKED_MEMORY, "131072");
    host.locked.rlim_cur = 65536;
    FAIL(CLO_HOST_LOCKED_MEMORY, "the limit is 65536");
    put("/proc/self/status", "Name:\tx\nCapEff:\t0000000000004000\n");
    OK(CLO_HOST_LOCKED_MEMORY, "can be locked");
    cfg.connections_max = 1;
    put("/proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\n");
    OK(CLO_HOST_LOCKED_MEMORY, "4096 bytes");
}

static void connections_find_room_among_open_files(void **state)
{
    (void)state;
    OK(CLO_HOST_OPEN_FILES, "2064");
    host.files.rlim_max = 2063;
    FAIL(CLO_HOST_OPEN_FILES, "the limit is 2063");
    put("/proc/self/status", "Name:\tx\nCapEff:\t0000000001000000\n");
    OK(CLO_HOST_OPEN_FILES, "2064");
}

#define TCP_HEADING "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n"
#define TCP4(local, state) \
    "   0: " local " 00000000:0000 " state " 00000000:00000000 00:00000000 00000000 0 0 1 1\n"
#define TCP6(local, state) \
    "   0: " local " 00000000000000000000000000000000:0000 " state " 00000000:00000000 00:0 0 0\n"

static void an_engine_that_others_reach_fails(void **state)
{
    (void)state;
    OK(CLO_HOST_ENGINE, "private runtime folder");
    cfg.managed = false;
    snprintf(cfg.upstream, sizeof cfg.upstream, "127.0.0.1:8000");
    WARN(CLO_HOST_ENGINE, "can't be read");
    put("/proc/net/tcp", TCP_HEADING TCP4("00000000:1F41", "0A") TCP4("0100007F:1F40", "01"));
    WARN(CLO_HOST_ENGINE, "nobody listens on port 8000");
    put("/proc/net/tcp", TCP_HEADING TCP4("0100007F:1F40", "0A"));
    OK(CLO_HOST_ENGINE, "loopback only");
    put("/proc/net/tcp6", TCP_HEADING TCP6("00000000000000000000000001000000:1F40", "0A"));
    OK(CLO_HOST_ENGINE, "loopback only");
    put("/proc/net/tcp6", TCP_HEADING TCP6("00000000000000000000000000000000:1F40", "0A"));
    FAIL(CLO_HOST_ENGINE, "others can reach the engine");
    put("/proc/net/tcp6", TCP_HEADING);
    put("/proc/net/tcp", TCP_HEADING TCP4("0100007F:1F40", "0A") TCP4("0A0200C0:1F40", "0A"));
    FAIL(CLO_HOST_ENGINE, "others can reach the engine");
    put("/proc/net/tcp", TCP_HEADING TCP4("00000000:1F40", "0A"));
    FAIL(CLO_HOST_ENGINE, "others can reach the engine");
}

static void an_engines_socket_is_not_for_everybody(void **state)
{
    char path[128];

    (void)state;
    cfg.managed = false;
    snprintf(cfg.upstream, sizeof cfg.upstream, "unix:/run/engine.sock");
    snprintf(path, sizeof path, "%s/run/engine.sock", root);
    WARN(CLO_HOST_ENGINE, "isn't there yet");
    put("/run/engine.sock", "");
    assert_int_equal(chmod(path, 0660), 0);
    OK(CLO_HOST_ENGINE, "a Unix socket");
    assert_int_equal(chmod(path, 0666), 0);
    WARN(CLO_HOST_ENGINE, "every user of this machine");
}

static void a_clock_that_cant_be_right_fails(void **state)
{
    (void)state;
    OK(CLO_HOST_CLOCK, "kept right");
    host.clock_synchronised = false;
    WARN(CLO_HOST_CLOCK, "nothing keeps the clock");
    host.now = 1000000000;
    FAIL(CLO_HOST_CLOCK, "1000000000");
    host.now = 4000000000;
    FAIL(CLO_HOST_CLOCK, "4000000000");
}

static void folders_can_be_made_and_written_to(void **state)
{
    (void)state;
    snprintf(cfg.runtime_dir, sizeof cfg.runtime_dir, "/run/cloister");
    snprintf(cfg.state_dir, sizeof cfg.state_dir, "/var/lib/cloister");
    OK(CLO_HOST_DISK, "can be written to");
    put("/var/lib", "a file stands where a folder is wanted");
    FAIL(CLO_HOST_DISK, "/var/lib/cloister can't be made");
}

/* What the daemon would refuse at its start is found before. */
static void folders_are_private_and_the_path_in_order(void **state)
{
    char path[256];

    (void)state;
    snprintf(cfg.runtime_dir, sizeof cfg.runtime_dir, "/run/cloister");
    snprintf(cfg.state_dir, sizeof cfg.state_dir, "/var/lib/cloister");
    put("/run/cloister/", "");
    put("/var/lib/cloister/gateway", "/r/0123456789abcdef\n");
    OK(CLO_HOST_DISK, "can be written to");
    snprintf(path, sizeof path, "%s/run/cloister", root);
    assert_int_equal(chmod(path, 0777), 0);
    FAIL(CLO_HOST_DISK, "no one else can write to");
    assert_int_equal(chmod(path, 0700), 0);
    snprintf(path, sizeof path, "%s/run", root);
    assert_int_equal(chmod(path, 0777), 0);
    FAIL(CLO_HOST_DISK, "others can replace");
    snprintf(cfg.runtime_dir, sizeof cfg.runtime_dir, "/run/other");
    FAIL(CLO_HOST_DISK, "others can replace");
    assert_int_equal(chmod(path, 0700), 0);
    put("/var/lib/cloister/gateway", "elsewhere\n");
    FAIL(CLO_HOST_DISK, "doesn't hold a path of this replica");
}

/* Nothing is fetched for a simulator: a user without a home then needs no cache. */
static void folders_that_arent_needed_neednt_be_named(void **state)
{
    const uid_t uid = geteuid();
    const char *variable[] = {"HOME", "XDG_CACHE_HOME"};
    char *was[CLO_ARRAY_LEN(variable)] = {NULL};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(variable); i++) {
        if (getenv(variable[i]) != NULL)
            assert_non_null(was[i] = strdup(getenv(variable[i])));
        assert_int_equal(unsetenv(variable[i]), 0);
    }
    snprintf(cfg.runtime_dir, sizeof cfg.runtime_dir, "/run/cloister");
    snprintf(cfg.state_dir, sizeof cfg.state_dir, "/var/lib/cloister");
    if (uid == 0) { /* root has the system's folders */
        assert_int_equal(chown(root, 65534, (gid_t)-1), 0);
        assert_int_equal(seteuid(65534), 0);
    }
    FAIL(CLO_HOST_DISK, "no place for the runtime, state and cache folders");
    cfg.tee = CLO_TEE_SIMULATED;
    OK(CLO_HOST_DISK, "can be written to");
    assert_int_equal(seteuid(uid), 0);
    for (size_t i = 0; i < CLO_ARRAY_LEN(variable); i++) {
        if (was[i] != NULL)
            assert_int_equal(setenv(variable[i], was[i], 1), 0);
        free(was[i]);
    }
}

/* As the daemon does, from where it is started. */
static void folders_may_be_named_from_here(void **state)
{
    (void)state;
    assert_int_equal(chdir(root), 0);
    host.root = "";
    snprintf(cfg.runtime_dir, sizeof cfg.runtime_dir, "rt");
    snprintf(cfg.state_dir, sizeof cfg.state_dir, "st/below");
    OK(CLO_HOST_DISK, "rt and st/below can be written to");
    assert_int_equal(chdir("/"), 0);
}

static void keys_hold_or_nobody_is_served(void **state)
{
    static const char key[] =
        "{\"id\":\"0123abcd\",\"sha256\":"
        "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\","
        "\"created\":7,\"expires\":%lld}";
    char text[512], line[256];

    (void)state;
    WARN(CLO_HOST_API_KEYS, "no API keys are asked for");
    snprintf(cfg.api_keys, sizeof cfg.api_keys, "%s/keys", root);
    FAIL(CLO_HOST_API_KEYS, "can't be read");
    assert_non_null(strstr(f.mend, "cloisterd key add"));
    put("/keys", "{\"v\":1,\"keys\":[]}");
    assert_int_equal(chmod(cfg.api_keys, 0644), 0);
    FAIL(CLO_HOST_API_KEYS, "others can read");
    assert_int_equal(chmod(cfg.api_keys, 0600), 0);
    WARN(CLO_HOST_API_KEYS, "no key that holds");
    snprintf(line, sizeof line, key, (long long)host.now);
    snprintf(text, sizeof text, "{\"v\":1,\"keys\":[%s]}", line);
    put("/keys", text);
    WARN(CLO_HOST_API_KEYS, "no key that holds");
    snprintf(line, sizeof line, key, (long long)host.now + 1);
    snprintf(text, sizeof text, "{\"v\":1,\"keys\":[%s]}", line);
    put("/keys", text);
    OK(CLO_HOST_API_KEYS, "1 API key");
}

static void the_model_can_be_read(void **state)
{
    (void)state;
    snprintf(cfg.model, sizeof cfg.model, "%s/m.gguf", root);
    FAIL(CLO_HOST_MODEL, "can't be read");
    put("/m.gguf", "x");
    OK(CLO_HOST_MODEL, "m.gguf can be read");
    cfg.managed = false;
    OK(CLO_HOST_MODEL, "has its own");
}

static void programs_are_in_place(void **state)
{
    struct clo_problem problem;
    char path[CLO_STR_MAX];

    (void)state;
    put("/llama-server", "");
    snprintf(cfg.server, sizeof cfg.server, "%s/llama-server", root);
    /* A test has no helpers beside it, but they may be installed. */
    if (clo_helper_find(CLO_ROLE_GATEWAY, path, &problem) != 0) {
        FAIL(CLO_HOST_PROGRAMS, "is neither beside");
        return;
    }
    FAIL(CLO_HOST_PROGRAMS, "no program that can be run");
    assert_int_equal(chmod(cfg.server, 0700), 0);
    OK(CLO_HOST_PROGRAMS, "in place");
}

static void every_item_has_an_id_of_its_own(void **state)
{
    const char *ids[CLO_HOST_ITEMS];

    (void)state;
    for (enum clo_host_item i = 0; i < CLO_HOST_ITEMS; i++) {
        clo_host_check(&host, i, &f);
        ids[i] = f.id;
        assert_true(f.id != NULL && f.text[0] != 0);
        for (enum clo_host_item j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(hardware_is_there_or_nothing_can_be_served),
        T(simulated_evidence_is_a_warning),
        T(a_guest_that_may_be_debugged_fails),
        T(recorded_reports_are_judged_like_fresh_ones),
        T(the_kernels_debugger_is_a_warning),
        T(free_ptrace_is_a_warning),
        T(words_that_open_the_kernel_are_named),
        T(swap_on_a_disk_fails),
        T(dumps_are_off_or_told),
        T(keys_find_room_in_locked_memory),
        T(connections_find_room_among_open_files),
        T(an_engine_that_others_reach_fails),
        T(an_engines_socket_is_not_for_everybody),
        T(a_clock_that_cant_be_right_fails),
        T(folders_can_be_made_and_written_to),
        T(folders_are_private_and_the_path_in_order),
        T(folders_that_arent_needed_neednt_be_named),
        T(folders_may_be_named_from_here),
        T(processes_fit_into_their_cells_or_nothing_starts),
        T(keys_hold_or_nobody_is_served),
        T(the_model_can_be_read),
        T(programs_are_in_place),
        T(every_item_has_an_id_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
