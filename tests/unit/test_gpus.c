/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPUs through NVML, with a driver's library of our own (tests/support/fake_nvml.h) in place of the real one: what it gives is
 * appraised under the laboratory's roots, and what is wrong with GPUs or driver is an error by type, with nothing half made.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "attest/gather.h"
#include "attest/nvidia.h"
#include "attest/spdm.h"
#include "platform/gpus.h"
#include "platform/nvml_abi.h"
#include "support/fake_nvml.h"

#define ONE   "gpus 0\n"
#define EIGHT "gpus 0 1 2 3 4 5 6 7\n"

static const uint8_t nonce[32] = {0x40, 1, 2, 3, 4, 5, 6, 7, [31] = 0x41};

static struct synthetic *lab;
static struct cloister_roots *roots;
static char folder[] = "/tmp/cloister-gpus-XXXXXX";

/* ---- what the program's own loader says ---- */

static struct {
    bool no_library, driver_file;
    const char *missing;  /* this symbol isn't there */
    const char *replaced; /* this one is ours: */
    void (*with)(void);
} loader;

void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);
void *__real_dlsym(void *library, const char *name);
void *__wrap_dlsym(void *library, const char *name);
int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode);

static void library_path(char dst[256])
{
    (void)snprintf(dst, 256, "%s/libnvidia-ml.so.1", folder);
}

void *__wrap_dlopen(const char *name, int flags)
{
    char path[256];

    if (name == NULL || strstr(name, "nvidia") == NULL)
        return __real_dlopen(name, flags);
    assert_string_equal(name, "libnvidia-ml.so.1");
    assert_int_equal(flags, RTLD_NOW | RTLD_LOCAL);
    library_path(path);
    return loader.no_library ? NULL : __real_dlopen(path, flags);
}

static void *library_now;

void *__wrap_dlsym(void *library, const char *name)
{
    void *p = NULL;

    library_now = library;

    if (loader.missing != NULL && strcmp(name, loader.missing) == 0)
        return NULL;
    if (loader.replaced == NULL || strcmp(name, loader.replaced) != 0)
        return __real_dlsym(library, name);
    memcpy(&p, &loader.with, sizeof p);
    return p;
}

int __wrap_access(const char *path, int mode)
{
    if (strcmp(path, "/dev/nvidiactl") != 0)
        return __real_access(path, mode);
    return loader.driver_file ? 0 : -1;
}

static bool library_loaded(void)
{
    char path[256];
    void *p;

    library_path(path);
    p = __real_dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    if (p != NULL)
        (void)dlclose(p);
    return p != NULL;
}

/* ---- the machine ---- */

static int open_lab(void **state)
{
    static struct synthetic_scene s;
    int err;

    (void)state;
    if (mkdtemp(folder) == NULL || synthetic_new(SYNTHETIC_NOW, &lab) != 0 ||
        synthetic_roots(lab, &roots) != 0)
        return -1;
    synthetic_good(lab, SYNTHETIC_GPUS, 0, &s);
    err = synthetic_make(lab, &s);
    if (err == 0)
        err = fake_gpus_write(lab, &s, folder);
    if (err == 0)
        err = fake_gpus_library(folder, FAKE_NVML, folder);
    synthetic_clear(&s);
    return err;
}

static void file_remove(const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)unlink(path);
}

static int close_lab(void **state)
{
    static const char *const kind[] = {"pem", "key", "report"};
    char name[32];

    (void)state;
    cloister_roots_free(roots);
    synthetic_free(lab);
    for (size_t i = 0; i < SYNTHETIC_GPUS; i++)
        for (size_t k = 0; k < CLO_ARRAY_LEN(kind); k++) {
            (void)snprintf(name, sizeof name, "gpu-%zu.%s", i, kind[k]);
            file_remove(name);
        }
    file_remove("state");
    file_remove("ready");
    file_remove("held");
    file_remove("libnvidia-ml.so.1");
    file_remove("fake_nvml.conf");
    return rmdir(folder);
}

/* Each test begins with a loader that finds everything, and GPUs that take no work. */
static int begin(void **state)
{
    (void)state;
    memset(&loader, 0, sizeof loader);
    file_remove("ready");
    file_remove("held");
    return fake_gpus_state(folder, EIGHT);
}

/* And ends without the library. */
static int end(void **state)
{
    (void)state;
    return library_loaded() ? -1 : 0;
}

static void now(const char *lines)
{
    assert_int_equal(fake_gpus_state(folder, lines), 0);
}

__attribute__((format(printf, 1, 2))) static void nowf(const char *format, ...)
{
    char text[512];
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    assert_true(n >= 0 && (size_t)n < sizeof text);
    now(text);
}

static struct clo_gpus *opened(void)
{
    struct clo_gpus *g = NULL;

    assert_int_equal(clo_gpus_open(&g), 0);
    assert_non_null(g);
    return g;
}

static void opening_ends(int expected)
{
    struct clo_gpus *const untouched = (struct clo_gpus *)&loader;
    struct clo_gpus *g = untouched;

    assert_int_equal(clo_gpus_open(&g), expected);
    assert_ptr_equal(g, untouched);
    assert_false(library_loaded());
}

static struct clo_gpus_state looked(struct clo_gpus *g)
{
    struct clo_gpus_state s;

    assert_int_equal(clo_gpus_look(g, &s), 0);
    return s;
}

/* A failure leaves what the caller had. */
static void looking_ends(struct clo_gpus *g, int expected)
{
    struct clo_gpus_state s, before;

    memset(&s, 0x5a, sizeof s);
    before = s;
    assert_int_equal(clo_gpus_look(g, &s), expected);
    assert_memory_equal(&s, &before, sizeof s);
}

static void reporting_ends(struct clo_gpus *g, int expected)
{
    struct clo_devices d = {.count = 77, .device = NULL};

    assert_int_equal(clo_gpus_report(g, nonce, &d), expected);
    assert_int_equal(d.count, 77);
    assert_null(d.device);
}

/* ---- what sound GPUs give ---- */

/* Every check of GPUs passes, under these roots. */
static void appraise(const struct clo_devices *d, const struct synthetic_scene *s,
                     const struct cloister_roots *under, bool passes)
{
    struct cloister_policy *policy = NULL;
    const struct clo_gpu_input in = {.devices = d, .collateral = &s->collateral, .nonce = nonce};
    struct clo_verdict_builder vb;

    assert_int_equal(cloister_policy_parse(s->policy.p, s->policy.len, &policy), 0);
    clo_vb_init(&vb);
    assert_int_equal(clo_gpu_appraise(&in, policy, under, SYNTHETIC_NOW, &vb), 0);
    if (passes)
        assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_DEVICES_COUNT), CLOISTER_CHECK_PASS);
    for (unsigned id = CLOISTER_CHECK_GPU_FORMAT; id <= CLOISTER_CHECK_GPU_SWITCHES; id++) {
        const enum cloister_check_status status = clo_vb_status(&vb, (enum cloister_check_id)id);

        if (passes && status != CLOISTER_CHECK_PASS && status != CLOISTER_CHECK_NOT_APPLICABLE)
            fail_msg("%s: %d", cloister_check_name((enum cloister_check_id)id), (int)status);
    }
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_GPU_ROOT),
                     passes ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL);
    cloister_policy_free(policy);
}

static void gives_evidence(const char *state_lines, size_t gpus)
{
    struct synthetic_scene *s = calloc(1, sizeof *s);
    struct clo_buf section = clo_buf_init(CLO_SECTION_MAX);
    struct clo_devices made = {0}, read = {0};
    struct clo_gpus *g;

    assert_non_null(s);
    now(state_lines);
    g = opened();
    synthetic_good(lab, gpus, 0, s);
    assert_int_equal(synthetic_make(lab, s), 0);
    assert_int_equal(clo_gpus_report(g, nonce, &made), 0);
    assert_int_equal(made.count, gpus);
    for (size_t i = 0; i < gpus; i++) {
        assert_string_equal(made.device[i].arch, "hopper");
        assert_int_equal(made.device[i].chain_n, 5);
    }
    assert_int_equal(clo_devices_section_write(&made, &section), 0);
    assert_int_equal(clo_devices_section_parse(section.p, section.len, &read), 0);
    appraise(&read, s, roots, true);
    appraise(&read, s, cloister_roots_builtin(), false);
    clo_gpus_free(g);
    clo_devices_clear(&made);
    clo_devices_clear(&read);
    clo_buf_clear(&section);
    synthetic_clear(s);
    free(s);
}

static void evidence_of_one_gpu_is_accepted(void **state)
{
    (void)state;
    gives_evidence(ONE, 1);
}

static void evidence_of_eight_gpus_is_accepted(void **state)
{
    (void)state;
    gives_evidence(EIGHT, 8);
}

/* The daemon's own way: what it lacks, what its vendor answers, and whether a client would believe the whole. */
static void the_daemon_finds_its_own_gpus_authentic(void **state)
{
    static struct synthetic_scene s;
    struct clo_collateral c = {0};
    struct clo_gathered *gathered = NULL;
    struct clo_devices d = {0};
    struct clo_wants wants = {0};
    enum cloister_check_id check = CLOISTER_CHECK_NO_ID;
    struct clo_self self = {.devices = &d, .nonce = nonce, .collateral = &c, .roots = roots};
    struct clo_gpus *g = opened();
    int64_t until = 0, renew = 0;

    (void)state;
    synthetic_good(lab, 8, 0, &s);
    assert_int_equal(synthetic_make(lab, &s), 0);
    assert_int_equal(clo_gpus_report(g, nonce, &d), 0);
    assert_int_equal(clo_wants_of(NULL, &d, &wants), 0);
    assert_int_equal(wants.count, 8 + 2); /* each boot ROM, and two authorities that they share */
    assert_int_equal(clo_gathered_new(&gathered), 0);
    for (size_t i = 0; i < wants.count; i++)
        for (size_t k = 0; k < s.collateral.ocsps; k++) {
            const struct clo_buf *b = &s.collateral.ocsp[k];
            const struct clo_answer a = {.body = b->p, .body_n = b->len};

            if (clo_gathered_put(gathered, &wants.want[i], &a, SYNTHETIC_NOW, &until, &renew) == 0)
                break;
        }
    assert_int_equal(clo_gathered_complete(gathered, &wants, SYNTHETIC_NOW, NULL, &c, NULL), 0);
    assert_int_equal(clo_self_appraise(&self, SYNTHETIC_NOW, &check, &until), 0);
    assert_true(until > SYNTHETIC_NOW);
    self.roots = cloister_roots_builtin();
    assert_int_equal(clo_self_appraise(&self, SYNTHETIC_NOW, &check, &until), CLOISTER_E_REFUSED);
    assert_int_equal(check, CLOISTER_CHECK_GPU_ROOT);
    clo_gathered_free(gathered);
    clo_wants_clear(&wants);
    clo_collateral_clear(&c);
    clo_devices_clear(&d);
    clo_gpus_free(g);
    synthetic_clear(&s);
}

static void evidence_of_gpus_in_protected_pcie_mode_is_given(void **state)
{
    struct clo_devices d = {0};
    struct clo_gpus *g;

    (void)state;
    now(EIGHT "multi 1\n");
    g = opened();
    assert_int_equal(clo_gpus_report(g, nonce, &d), 0);
    assert_int_equal(d.count, 8);
    clo_devices_clear(&d);
    clo_gpus_free(g);
}

static void blackwell_is_named_and_others_are_unsupported(void **state)
{
    static const unsigned others[] = {0, 8, 11, 999};
    struct clo_devices d = {0};
    struct clo_gpus *g = opened();

    (void)state;
    now(ONE "arch 10\n");
    assert_int_equal(clo_gpus_report(g, nonce, &d), 0);
    assert_string_equal(d.device[0].arch, "blackwell");
    clo_devices_clear(&d);
    for (size_t i = 0; i < CLO_ARRAY_LEN(others); i++) {
        nowf(ONE "arch %u\n", others[i]);
        reporting_ends(g, CLOISTER_E_UNSUPPORTED);
    }
    clo_gpus_free(g);
}

/* ---- state ---- */

static void sound_gpus_look_sound(void **state)
{
    struct clo_gpus *g = opened();
    const struct clo_gpus_state s = looked(g);

    (void)state;
    assert_int_equal(s.count, 8);
    assert_true(s.cc);
    assert_false(s.multi);
    assert_false(s.devtools);
    assert_false(s.simulated);
    assert_false(s.accepting);
    clo_gpus_free(g);
}

static void gpus_take_work_when_told_and_no_longer_when_told(void **state)
{
    struct clo_gpus *g = opened();

    (void)state;
    assert_int_equal(clo_gpus_accept(g, true), 0);
    assert_true(looked(g).accepting);
    clo_gpus_free(g);
    g = opened();
    assert_true(looked(g).accepting);
    assert_int_equal(clo_gpus_accept(g, false), 0);
    assert_false(looked(g).accepting);
    clo_gpus_free(g);
}

static int deaf(unsigned ready)
{
    (void)ready;
    return NVML_OK;
}

static void a_driver_that_takes_the_word_and_does_nothing_is_an_error(void **state)
{
    struct clo_gpus *g;

    (void)state;
    loader.replaced = "nvmlSystemSetConfComputeGpusReadyState";
    loader.with = (void (*)(void))deaf;
    g = opened();
    assert_int_equal(clo_gpus_accept(g, true), CLOISTER_E_IO);
    assert_int_equal(clo_gpus_accept(g, false), 0);
    clo_gpus_free(g);
}

static void letting_work_in_needs_permission(void **state)
{
    struct clo_gpus *g = opened();

    (void)state;
    now(EIGHT "error nvmlSystemSetConfComputeGpusReadyState 4\n");
    assert_int_equal(clo_gpus_accept(g, true), CLOISTER_E_PERMISSION);
    now(EIGHT "cc absent\n");
    assert_int_equal(clo_gpus_accept(g, true), CLOISTER_E_UNSUPPORTED);
    clo_gpus_free(g);
}

static void modes_of_several_gpus_are_told(void **state)
{
    struct clo_gpus *g = opened();
    struct clo_gpus_state s;

    (void)state;
    now(EIGHT "multi 1\n");
    s = looked(g);
    assert_true(s.cc && s.multi && !s.simulated && !s.devtools);
    now(EIGHT "multi 1\nenvironment 0\n"); /* not told in this mode */
    s = looked(g);
    assert_true(s.cc && s.multi && !s.simulated && !s.devtools);
    now(EIGHT "multi 1\ndevtools on\n");
    assert_true(looked(g).devtools);
    now(EIGHT "multi 2\n");
    s = looked(g);
    assert_true(s.cc && s.multi);
    now(EIGHT "multi 2\ncc off\n");
    s = looked(g);
    assert_true(!s.cc && s.multi);
    clo_gpus_free(g);
}

static void switched_off_is_told(void **state)
{
    struct clo_gpus *g = opened();
    struct clo_gpus_state s;

    (void)state;
    assert_int_equal(clo_gpus_accept(g, true), 0);
    now(EIGHT "cc off\n");
    assert_false(looked(g).cc);
    reporting_ends(g, CLOISTER_E_UNSUPPORTED);
    now(EIGHT "cc absent\n");
    s = looked(g);
    assert_false(s.cc || s.accepting);
    reporting_ends(g, CLOISTER_E_UNSUPPORTED);
    clo_gpus_free(g);
}

static void developer_tools_are_told(void **state)
{
    struct clo_gpus *g = opened();

    (void)state;
    now(EIGHT "devtools on\n");
    assert_true(looked(g).devtools);
    clo_gpus_free(g);
}

static void an_environment_other_than_production_is_told(void **state)
{
    static const unsigned others[] = {0, 1, 3, 7};
    struct clo_gpus *g = opened();

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(others); i++) {
        nowf(EIGHT "environment %u\n", others[i]);
        assert_true(looked(g).simulated);
    }
    clo_gpus_free(g);
}

static void other_fewer_or_reordered_gpus_have_another_identity(void **state)
{
    static const char *const others[] = {
        "gpus 0 1 2 3 4 5 6\n",   "gpus 1 2 3 4 5 6 7\n",     "gpus 0 1 2 3 4 5 6 8\n",
        "gpus 1 0 2 3 4 5 6 7\n", "gpus 0 1 2 3 4 5 6 7 8\n", ONE,
    };
    struct clo_gpus *g = opened();
    const struct clo_gpus_state first = looked(g);
    struct clo_gpus_state s = looked(g);

    (void)state;
    assert_memory_equal(s.identity, first.identity, sizeof s.identity);
    for (size_t i = 0; i < CLO_ARRAY_LEN(others); i++) {
        now(others[i]);
        s = looked(g);
        assert_memory_not_equal(s.identity, first.identity, sizeof s.identity);
    }
    now(EIGHT "resets 1\ndevtools on\n");
    s = looked(g);
    assert_memory_equal(s.identity, first.identity, sizeof s.identity);
    clo_gpus_free(g);
}

static const uint8_t *counters(const struct clo_devices *d, size_t i, struct clo_spdm_report *r)
{
    for (size_t k = 0;
         clo_spdm_parse(d->device[i].report.p, d->device[i].report.len, r) == 0 && k < r->fields;
         k++)
        if (r->field[k].id == 12 && r->field[k].n == 256)
            return r->field[k].p;
    fail_msg("a report without counters");
    return NULL;
}

static void a_reset_takes_no_more_work_and_shows_in_reports(void **state)
{
    struct clo_devices before = {0}, after = {0};
    struct clo_spdm_report a, b;
    struct clo_gpus *g = opened();

    (void)state;
    assert_int_equal(clo_gpus_accept(g, true), 0);
    assert_int_equal(clo_gpus_report(g, nonce, &before), 0);
    now(EIGHT "resets 1\n");
    assert_false(looked(g).accepting);
    assert_int_equal(clo_gpus_report(g, nonce, &after), 0);
    assert_memory_not_equal(counters(&before, 3, &a), counters(&after, 3, &b), 256);
    assert_int_equal(clo_gpus_accept(g, true), 0);
    assert_true(looked(g).accepting);
    now(EIGHT "resets 2\n");
    assert_false(looked(g).accepting);
    clo_devices_clear(&before);
    clo_devices_clear(&after);
    clo_gpus_free(g);
}

static void a_gpu_that_is_lost_is_an_error_whichever_it_is(void **state)
{
    struct clo_gpus *g = opened();

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        nowf(EIGHT "lost %u\n", i);
        looking_ends(g, CLOISTER_E_DEVICE);
        reporting_ends(g, CLOISTER_E_DEVICE);
    }
    now(EIGHT "lost 8\n"); /* somebody else's */
    (void)looked(g);
    clo_gpus_free(g);
}

static void gpus_that_have_gone_are_an_error(void **state)
{
    struct clo_gpus *g = opened();

    (void)state;
    now("gpus\n");
    looking_ends(g, CLOISTER_E_DEVICE);
    reporting_ends(g, CLOISTER_E_DEVICE);
    clo_gpus_free(g);
}

static void more_gpus_than_a_section_holds_are_an_error(void **state)
{
    struct clo_gpus *g = opened();
    char text[256] = "gpus";
    size_t n = strlen(text);

    (void)state;
    for (int i = 0; i < CLO_DEVICES_MAX; i++, n += 2)
        memcpy(text + n, " 0", 3);
    now(text);
    assert_int_equal(looked(g).count, CLO_DEVICES_MAX);
    memcpy(text + n, " 0", 3);
    now(text);
    looking_ends(g, CLOISTER_E_LIMIT);
    reporting_ends(g, CLOISTER_E_LIMIT);
    clo_gpus_free(g);
}

/* ---- the driver ---- */

static void without_a_driver_there_are_no_gpus(void **state)
{
    (void)state;
    loader.no_library = true;
    opening_ends(CLOISTER_E_NOT_FOUND);
    loader.driver_file = true; /* its kernel half is there: a broken installation is not "none" */
    opening_ends(CLOISTER_E_UNSUPPORTED);
}

static void without_gpus_there_is_nothing_to_open(void **state)
{
    (void)state;
    now("gpus\n");
    opening_ends(CLOISTER_E_NOT_FOUND);
}

static void a_driver_that_lacks_a_function_is_too_old(void **state)
{
    static const char *const needed[] = {
        "nvmlInit_v2",
        "nvmlShutdown",
        "nvmlDeviceGetCount_v2",
        "nvmlDeviceGetHandleByIndex_v2",
        "nvmlDeviceGetUUID",
        "nvmlDeviceGetArchitecture",
        "nvmlDeviceGetMemoryInfo",
        "nvmlSystemGetConfComputeState",
        "nvmlSystemGetConfComputeGpusReadyState",
        "nvmlSystemSetConfComputeGpusReadyState",
        "nvmlDeviceGetConfComputeGpuCertificate",
        "nvmlDeviceGetConfComputeGpuAttestationReport",
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(needed); i++) {
        loader.missing = needed[i];
        opening_ends(CLOISTER_E_UNSUPPORTED);
    }
}

/* Drivers before 550, and such as say that they can't. */
static void a_driver_that_knows_no_modes_of_several_gpus_is_asked_in_the_older_way(void **state)
{
    static const int codes[] = {0, 3, 13, 25};
    struct clo_gpus_state s;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(codes); i++) {
        char also[64] = "";
        struct clo_gpus *g;

        loader.missing = codes[i] == 0 ? "nvmlSystemGetConfComputeSettings" : NULL;
        if (codes[i] != 0)
            (void)snprintf(also, sizeof also, "error nvmlSystemGetConfComputeSettings %d\n",
                           codes[i]);
        g = opened();
        nowf(EIGHT "%s", also);
        s = looked(g);
        assert_true(s.cc && !s.multi && !s.devtools && !s.simulated);
        nowf(EIGHT "%sdevtools on\nenvironment 1\n", also);
        s = looked(g);
        assert_true(s.cc && s.devtools && s.simulated);
        nowf(EIGHT "%scc off\n", also);
        assert_false(looked(g).cc);
        nowf(EIGHT "%serror nvmlSystemGetConfComputeState 999\n", also);
        looking_ends(g, CLOISTER_E_IO);
        clo_gpus_free(g);
    }
}

static unsigned shutdowns;

static int shutdown_counted(void)
{
    shutdowns++;
    return NVML_OK;
}

static void what_was_started_is_shut_down_once(void **state)
{
    (void)state;
    loader.replaced = "nvmlShutdown";
    loader.with = (void (*)(void))shutdown_counted;
    shutdowns = 0;
    clo_gpus_free(opened());
    assert_int_equal(shutdowns, 1);
    now("gpus\n");
    opening_ends(CLOISTER_E_NOT_FOUND);
    assert_int_equal(shutdowns, 2);
    now(EIGHT "error nvmlInit_v2 999\n");
    opening_ends(CLOISTER_E_IO);
    assert_int_equal(shutdowns, 2);
}

static const struct {
    int code, error;
} failures[] = {
    {1, CLOISTER_E_IO},      {2, CLOISTER_E_IO},          {4, CLOISTER_E_PERMISSION},
    {6, CLOISTER_E_IO},      {7, CLOISTER_E_IO},          {10, CLOISTER_E_BUSY},
    {11, CLOISTER_E_DEVICE}, {14, CLOISTER_E_IO},         {15, CLOISTER_E_DEVICE},
    {16, CLOISTER_E_DEVICE}, {17, CLOISTER_E_PERMISSION}, {18, CLOISTER_E_UNSUPPORTED},
    {19, CLOISTER_E_BUSY},   {20, CLOISTER_E_MEMORY},     {23, CLOISTER_E_BUSY},
    {27, CLOISTER_E_BUSY},   {29, CLOISTER_E_IO},         {999, CLOISTER_E_IO},
};

static void what_the_driver_says_at_its_start_is_told_by_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(failures); i++) {
        nowf(EIGHT "error nvmlInit_v2 %d\n", failures[i].code);
        opening_ends(failures[i].error);
        nowf(EIGHT "error nvmlDeviceGetCount_v2 %d\n", failures[i].code);
        opening_ends(failures[i].error);
    }
    now(EIGHT "error nvmlInit_v2 9\n");
    opening_ends(CLOISTER_E_NOT_FOUND);
    now(EIGHT "error nvmlInit_v2 12\n");
    opening_ends(CLOISTER_E_NOT_FOUND);
    now(EIGHT "error nvmlInit_v2 28\n");
    opening_ends(CLOISTER_E_NOT_FOUND);
}

static void whatever_a_function_answers_is_told_by_type(void **state)
{
    static const struct {
        const char *function;
        bool look, report;
    } used[] = {
        {"nvmlDeviceGetCount_v2", true, true},
        {"nvmlDeviceGetHandleByIndex_v2", true, true},
        {"nvmlDeviceGetUUID", true, false},
        {"nvmlDeviceGetMemoryInfo", true, false},
        {"nvmlSystemGetConfComputeSettings", true, false},
        {"nvmlSystemGetConfComputeGpusReadyState", true, false},
        {"nvmlDeviceGetArchitecture", false, true},
        {"nvmlDeviceGetConfComputeGpuCertificate", false, true},
        {"nvmlDeviceGetConfComputeGpuAttestationReport", false, true},
    };
    struct clo_gpus *g = opened();

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(used); i++) {
        for (size_t k = 0; k < CLO_ARRAY_LEN(failures); k++) {
            nowf(ONE "error %s %d\n", used[i].function, failures[k].code);
            if (used[i].look)
                looking_ends(g, failures[k].error);
            if (used[i].report)
                reporting_ends(g, failures[k].error);
        }
        nowf(ONE "error %s 9\n", used[i].function); /* the driver was there */
        if (used[i].look)
            looking_ends(g, CLOISTER_E_DEVICE);
        if (used[i].report)
            reporting_ends(g, CLOISTER_E_DEVICE);
    }
    now(ONE "error nvmlDeviceGetMemoryInfo 3\n"); /* some share the machine's */
    (void)looked(g);
    clo_gpus_free(g);
}

/* ---- what the driver writes ---- */

static void a_report_that_is_not_whole_is_an_error(void **state)
{
    static const unsigned sizes[] = {0,  1,   4,    35,   36,   37,        44,
                                     45, 100, 3565, 8192, 8193, 0xffffffff};
    struct clo_devices d = {0};
    struct clo_gpus *g;
    unsigned whole;

    (void)state;
    now(ONE);
    g = opened();
    assert_int_equal(clo_gpus_report(g, nonce, &d), 0);
    whole = (unsigned)d.device[0].report.len;
    clo_devices_clear(&d);
    for (size_t i = 0; i < CLO_ARRAY_LEN(sizes); i++) {
        nowf(ONE "report-size %u\n", sizes[i]);
        reporting_ends(g, CLOISTER_E_MALFORMED);
    }
    nowf(ONE "report-size %u\n", whole - 1);
    reporting_ends(g, CLOISTER_E_MALFORMED);
    nowf(ONE "report-size %u\n", whole + 1); /* a driver's own zero byte */
    assert_int_equal(clo_gpus_report(g, nonce, &d), 0);
    assert_int_equal(d.device[0].report.len, whole + 1);
    clo_devices_clear(&d);
    clo_gpus_free(g);
}

static void a_report_over_another_nonce_is_an_error(void **state)
{
    static const uint8_t other[32] = {0x99};
    struct clo_devices d = {0};
    struct clo_gpus *g = opened();

    (void)state;
    now(EIGHT "other-nonce\n");
    reporting_ends(g, CLOISTER_E_MALFORMED);
    now(EIGHT);
    assert_int_equal(clo_gpus_report(g, other, &d), 0);
    clo_devices_clear(&d);
    now(EIGHT "stale\n");
    reporting_ends(g, CLOISTER_E_MALFORMED);
    clo_gpus_free(g);
}

/* The next three are honest once. */
static unsigned honest;

static int report_once(nvml_device d, struct nvml_cc_report *r, unsigned size)
{
    int (*real)(nvml_device, struct nvml_cc_report *);
    void *p = __real_dlsym(library_now, "nvmlDeviceGetConfComputeGpuAttestationReport");

    memcpy(&real, &p, sizeof p);
    if (honest != 0) {
        honest--;
        return real(d, r);
    }
    r->report_size += size;
    return NVML_OK;
}

static int says_yes(nvml_device d, struct nvml_cc_report *r)
{
    return report_once(d, r, 0);
}

static unsigned report_size;

static int says_a_size(nvml_device d, struct nvml_cc_report *r)
{
    return report_once(d, r, report_size);
}

static int chain_says_a_size(nvml_device d, struct nvml_cc_certificate *c)
{
    int (*real)(nvml_device, struct nvml_cc_certificate *);
    void *p = __real_dlsym(library_now, "nvmlDeviceGetConfComputeGpuCertificate");

    memcpy(&real, &p, sizeof p);
    if (honest != 0) {
        honest--;
        return real(d, c);
    }
    c->attestation_chain_size = sizeof c->attestation_chain;
    return NVML_OK;
}

/* The arrays are the same in each call, and a driver may say yes and write nothing. */
static void nothing_is_left_of_an_earlier_answer(void **state)
{
    static const struct {
        const char *name;
        void (*with)(void);
    } silent[] = {
        {"nvmlDeviceGetConfComputeGpuAttestationReport", (void (*)(void))says_yes},
        {"nvmlDeviceGetConfComputeGpuAttestationReport", (void (*)(void))says_a_size},
        {"nvmlDeviceGetConfComputeGpuCertificate", (void (*)(void))chain_says_a_size},
    };

    (void)state;
    now(ONE);
    for (size_t i = 0; i < CLO_ARRAY_LEN(silent); i++) {
        struct clo_devices d = {0};
        struct clo_gpus *g;

        honest = 1;
        loader.replaced = silent[i].name;
        loader.with = silent[i].with;
        g = opened();
        assert_int_equal(clo_gpus_report(g, nonce, &d), 0);
        report_size = (unsigned)d.device[0].report.len;
        clo_devices_clear(&d);
        reporting_ends(g, CLOISTER_E_MALFORMED);
        clo_gpus_free(g);
    }
}

static void a_chain_that_is_none_is_an_error(void **state)
{
    static const unsigned sizes[] = {0, 1, 27, 28, 100, 0x1401, 0xffffffff};
    struct clo_gpus *g = opened();

    (void)state;
    now(EIGHT "chain none\n");
    reporting_ends(g, CLOISTER_E_MALFORMED);
    now(EIGHT "chain garbage\n");
    reporting_ends(g, CLOISTER_E_MALFORMED);
    now(EIGHT "chain long\n");
    reporting_ends(g, CLOISTER_E_LIMIT);
    for (size_t i = 0; i < CLO_ARRAY_LEN(sizes); i++) {
        nowf(EIGHT "chain-size %u\n", sizes[i]);
        reporting_ends(g, CLOISTER_E_MALFORMED);
    }
    clo_gpus_free(g);
}

/* Wherever it is cut: what remains is an error, or certificates that are whole. */
static void a_chain_that_was_cut_is_not_a_shorter_one(void **state)
{
    struct clo_gpus *g = opened();
    size_t given = 0, refused = 0;
    char path[256];
    struct stat st;

    (void)state;
    (void)snprintf(path, sizeof path, "%s/gpu-0.pem", folder);
    assert_int_equal(stat(path, &st), 0);
    for (unsigned n = 1; n < st.st_size - 1; n += n < 1000 ? 7 : 97) {
        struct clo_devices d = {0};
        int err;

        nowf(ONE "chain-size %u\n", n);
        err = clo_gpus_report(g, nonce, &d);
        if (err == 0) {
            given++;
            for (size_t i = 0; i < d.device[0].chain_n; i++)
                assert_int_equal(d.device[0].chain[i].p[0], 0x30);
            clo_devices_clear(&d);
        } else {
            assert_int_equal(err, CLOISTER_E_MALFORMED);
            refused++;
        }
    }
    assert_true(given <= 4 && refused > 150);
    now(ONE "chain-size 5120\n"); /* zero bytes behind */
    {
        struct clo_devices d = {0};

        assert_int_equal(clo_gpus_report(g, nonce, &d), 0);
        assert_int_equal(d.device[0].chain_n, 5);
        clo_devices_clear(&d);
    }
    clo_gpus_free(g);
}

static int no_end(nvml_device d, char *p, unsigned cap)
{
    (void)d;
    memset(p, 'A', cap);
    return NVML_OK;
}

static int no_name(nvml_device d, const char *p, unsigned cap)
{
    (void)d;
    (void)p;
    (void)cap;
    return NVML_OK;
}

static void a_uuid_that_is_none_is_an_error(void **state)
{
    void (*const with[])(void) = {(void (*)(void))no_end, (void (*)(void))no_name};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(with); i++) {
        struct clo_gpus *g;

        loader.replaced = "nvmlDeviceGetUUID";
        loader.with = with[i];
        g = opened();
        looking_ends(g, CLOISTER_E_MALFORMED);
        clo_gpus_free(g);
    }
}

static int no_handle(unsigned index, nvml_device *ret)
{
    (void)index;
    (void)ret;
    return NVML_OK;
}

static void a_handle_that_is_none_is_an_error(void **state)
{
    struct clo_gpus *g;

    (void)state;
    loader.replaced = "nvmlDeviceGetHandleByIndex_v2";
    loader.with = (void (*)(void))no_handle;
    g = opened();
    looking_ends(g, CLOISTER_E_MALFORMED);
    reporting_ends(g, CLOISTER_E_MALFORMED);
    clo_gpus_free(g);
}

/* ---- the fake ---- */

static void *look_aside(void *arg)
{
    struct clo_gpus_state s;
    static int err;

    err = clo_gpus_look(arg, &s);
    return &err;
}

/* What the daemon's tests rest on: a call that doesn't return, for as long as they want. */
static void a_held_call_returns_when_it_is_let_go(void **state)
{
    const struct timespec a_moment = {.tv_nsec = 1000000};
    struct clo_gpus *g = opened();
    char path[256];
    pthread_t t;
    void *ret = NULL;

    (void)state;
    (void)snprintf(path, sizeof path, "%s/held", folder);
    now(EIGHT "hold nvmlDeviceGetMemoryInfo\n");
    assert_int_equal(pthread_create(&t, NULL, look_aside, g), 0);
    while (access(path, F_OK) != 0)
        (void)nanosleep(&a_moment, NULL);
    now(EIGHT);
    assert_int_equal(pthread_join(t, &ret), 0);
    assert_int_equal(*(int *)ret, 0);
    clo_gpus_free(g);
}

static void nothing_is_freed_as_nothing(void **state)
{
    (void)state;
    clo_gpus_free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(evidence_of_one_gpu_is_accepted),
        TEST(evidence_of_eight_gpus_is_accepted),
        TEST(the_daemon_finds_its_own_gpus_authentic),
        TEST(evidence_of_gpus_in_protected_pcie_mode_is_given),
        TEST(blackwell_is_named_and_others_are_unsupported),
        TEST(sound_gpus_look_sound),
        TEST(gpus_take_work_when_told_and_no_longer_when_told),
        TEST(a_driver_that_takes_the_word_and_does_nothing_is_an_error),
        TEST(letting_work_in_needs_permission),
        TEST(modes_of_several_gpus_are_told),
        TEST(switched_off_is_told),
        TEST(developer_tools_are_told),
        TEST(an_environment_other_than_production_is_told),
        TEST(other_fewer_or_reordered_gpus_have_another_identity),
        TEST(a_reset_takes_no_more_work_and_shows_in_reports),
        TEST(a_gpu_that_is_lost_is_an_error_whichever_it_is),
        TEST(gpus_that_have_gone_are_an_error),
        TEST(more_gpus_than_a_section_holds_are_an_error),
        TEST(without_a_driver_there_are_no_gpus),
        TEST(without_gpus_there_is_nothing_to_open),
        TEST(a_driver_that_lacks_a_function_is_too_old),
        TEST(a_driver_that_knows_no_modes_of_several_gpus_is_asked_in_the_older_way),
        TEST(what_was_started_is_shut_down_once),
        TEST(what_the_driver_says_at_its_start_is_told_by_type),
        TEST(whatever_a_function_answers_is_told_by_type),
        TEST(a_report_that_is_not_whole_is_an_error),
        TEST(a_report_over_another_nonce_is_an_error),
        TEST(nothing_is_left_of_an_earlier_answer),
        TEST(a_chain_that_is_none_is_an_error),
        TEST(a_chain_that_was_cut_is_not_a_shorter_one),
        TEST(a_uuid_that_is_none_is_an_error),
        TEST(a_handle_that_is_none_is_an_error),
        TEST(a_held_call_returns_when_it_is_let_go),
        TEST(nothing_is_freed_as_nothing),
    };

    return cmocka_run_group_tests(tests, open_lab, close_lab);
}
