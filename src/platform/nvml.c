/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPUs through NVML. The library is asked for by its bare name, as every program finds it, and every function by dlsym: a driver that
 * lacks one is too old. It stays initialised for as long as the GPUs are looked at, which also keeps them from being reset from within
 * this machine behind our back.
 *
 * What the driver writes is as untrusted as a file: its sizes are checked against the arrays that they are about, the arrays
 * are emptied before each call, and a report has to be whole and to hold the nonce that was asked for, so that none is ever an older one.
 *
 * Limits: CLO_DEVICES_MAX devices, CLO_DEVICE_CHAIN_MAX certificates each, NVML's own arrays. The parsers are fuzzed by fuzz/fuzz_pem.c
 * and fuzz/fuzz_spdm.c.
 */
#include "platform/gpus.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/spdm.h"
#include "crypto/x509.h"
#include "platform/nvml_abi.h"

#define LIBRARY "libnvidia-ml.so.1"
/* The kernel driver's own file: there is a driver, whatever becomes of the library. */
#define DRIVER_FILE "/dev/nvidiactl"

#define NONCE_AT    4 /* in a report: behind the head of the request */

struct functions {
    int (*init)(void);
    int (*shutdown)(void);
    int (*count)(unsigned *);
    int (*handle)(unsigned, nvml_device *);
    int (*uuid)(nvml_device, char *, unsigned);
    int (*arch)(nvml_device, unsigned *);
    int (*memory)(nvml_device, struct nvml_memory *);
    int (*state)(struct nvml_cc_state *);
    int (*settings)(struct nvml_cc_settings *); /* NULL before driver 550 */
    int (*ready)(unsigned *);
    int (*set_ready)(unsigned);
    int (*certificate)(nvml_device, struct nvml_cc_certificate *);
    int (*report)(nvml_device, struct nvml_cc_report *);
};
static const struct {
    const char *name;
    size_t at;
    bool optional;
} symbols[] = {
    {"nvmlInit_v2", offsetof(struct functions, init), false},
    {"nvmlShutdown", offsetof(struct functions, shutdown), false},
    {"nvmlDeviceGetCount_v2", offsetof(struct functions, count), false},
    {"nvmlDeviceGetHandleByIndex_v2", offsetof(struct functions, handle), false},
    {"nvmlDeviceGetUUID", offsetof(struct functions, uuid), false},
    {"nvmlDeviceGetArchitecture", offsetof(struct functions, arch), false},
    {"nvmlDeviceGetMemoryInfo", offsetof(struct functions, memory), false},
    {"nvmlSystemGetConfComputeState", offsetof(struct functions, state), false},
    {"nvmlSystemGetConfComputeSettings", offsetof(struct functions, settings), true},
    {"nvmlSystemGetConfComputeGpusReadyState", offsetof(struct functions, ready), false},
    {"nvmlSystemSetConfComputeGpusReadyState", offsetof(struct functions, set_ready), false},
    {"nvmlDeviceGetConfComputeGpuCertificate", offsetof(struct functions, certificate), false},
    {"nvmlDeviceGetConfComputeGpuAttestationReport", offsetof(struct functions, report), false},
};

struct clo_gpus {
    void *library;
    bool initialised;
    struct functions f;
    /* too large for a stack */
    struct nvml_cc_certificate certificate;
    struct nvml_cc_report report;
};

/* Of a driver that was there when the GPUs were opened. */
static int failure(int rc)
{
    switch (rc) {
    case NVML_OK: return 0;
    case NVML_E_NOT_SUPPORTED:
    case NVML_E_FUNCTION_NOT_FOUND:
    case NVML_E_LIB_RM_VERSION_MISMATCH:
    case NVML_E_ARGUMENT_VERSION_MISMATCH: return CLOISTER_E_UNSUPPORTED;
    case NVML_E_NO_PERMISSION:
    case NVML_E_OPERATING_SYSTEM: return CLOISTER_E_PERMISSION;
    case NVML_E_TIMEOUT:
    case NVML_E_IN_USE:
    case NVML_E_INSUFFICIENT_RESOURCES:
    case NVML_E_NOT_READY: return CLOISTER_E_BUSY;
    case NVML_E_DRIVER_NOT_LOADED:
    case NVML_E_IRQ_ISSUE:
    case NVML_E_GPU_IS_LOST:
    case NVML_E_RESET_REQUIRED:
    case NVML_E_GPU_NOT_FOUND: return CLOISTER_E_DEVICE;
    case NVML_E_MEMORY: return CLOISTER_E_MEMORY;
    default: return CLOISTER_E_IO;
    }
}

/* ---- the library ---- */

static int load(struct clo_gpus *g)
{
    g->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (g->library ==
        NULL) /* with a driver there, no library is a broken installation, and no reason to go on without GPUs */
        return access(DRIVER_FILE, F_OK) == 0 ? CLOISTER_E_UNSUPPORTED : CLOISTER_E_NOT_FOUND;
    for (size_t i = 0; i < CLO_ARRAY_LEN(symbols); i++) {
        void *p = dlsym(g->library, symbols[i].name);

        if (p == NULL && !symbols[i].optional)
            return CLOISTER_E_UNSUPPORTED;
        memcpy((char *)&g->f + symbols[i].at, &p, sizeof p);
    }
    return 0;
}

static int initialise(struct clo_gpus *g)
{
    const int rc = g->f.init();
    unsigned count = 0;
    int err;

    if (rc == NVML_E_DRIVER_NOT_LOADED || rc == NVML_E_LIBRARY_NOT_FOUND ||
        rc == NVML_E_GPU_NOT_FOUND)
        return CLOISTER_E_NOT_FOUND;
    if ((err = failure(rc)) != 0)
        return err;
    g->initialised = true;
    if ((err = failure(g->f.count(&count))) != 0)
        return err;
    return count == 0 ? CLOISTER_E_NOT_FOUND : 0;
}

int clo_gpus_open(struct clo_gpus **ret)
{
    struct clo_gpus *g = calloc(1, sizeof *g);
    int err;

    if (g == NULL)
        return CLOISTER_E_MEMORY;
    if ((err = load(g)) != 0 || (err = initialise(g)) != 0)
        goto out;
    *ret = g;
    g = NULL;
out:
    clo_gpus_free(g);
    return err;
}

void clo_gpus_free(struct clo_gpus *g)
{
    if (g == NULL)
        return;
    if (g->initialised)
        (void)g->f.shutdown();
    if (g->library != NULL)
        (void)dlclose(g->library);
    free(g);
}

/* ---- state ---- */

/* There were some when they were opened. */
static int count_now(const struct clo_gpus *g, uint32_t *ret)
{
    unsigned count = 0;
    int err;

    if ((err = failure(g->f.count(&count))) != 0)
        return err;
    if (count == 0)
        return CLOISTER_E_DEVICE;
    if (count > CLO_DEVICES_MAX)
        return CLOISTER_E_LIMIT;
    *ret = count;
    return 0;
}

static int device_at(const struct clo_gpus *g, uint32_t i, nvml_device *ret)
{
    nvml_device d = NULL;
    int err;

    if ((err = failure(g->f.handle(i, &d))) != 0)
        return err;
    if (d == NULL)
        return CLOISTER_E_MALFORMED;
    *ret = d;
    return 0;
}

/*
 * Names are kept by the library from its start, so that a GPU that fell off the bus still has its own. How much memory it has, the
 * driver has to ask it.
 */
static int device_look(const struct clo_gpus *g, uint32_t i, struct clo_sha256_ctx *h)
{
    char uuid[NVML_UUID_MAX] = {0};
    struct nvml_memory memory = {0};
    nvml_device d = NULL;
    size_t n;
    int rc, err;

    if ((err = device_at(g, i, &d)) != 0 || (err = failure(g->f.uuid(d, uuid, sizeof uuid))) != 0)
        return err;
    n = strnlen(uuid, sizeof uuid);
    if (n == 0 || n == sizeof uuid)
        return CLOISTER_E_MALFORMED;
    if ((err = clo_sha256_update(h, uuid, n + 1)) != 0)
        return err;
    rc = g->f.memory(d, &memory);
    return rc == NVML_E_NOT_SUPPORTED ? 0 : failure(rc); /* some share the machine's memory */
}

static int devices_look(const struct clo_gpus *g, struct clo_gpus_state *s)
{
    struct clo_sha256_ctx *h = NULL;
    int err;

    if ((err = count_now(g, &s->count)) != 0 || (err = clo_sha256_new(&h)) != 0)
        return err;
    for (uint32_t i = 0; i < s->count && err == 0; i++)
        err = device_look(g, i, h);
    if (err == 0)
        err = clo_sha256_final(h, s->identity);
    clo_sha256_free(h);
    return err;
}

/* An answer that isn't there: of a driver, or of GPUs without the feature. */
static bool lacks(int rc)
{
    return rc == NVML_E_NOT_SUPPORTED || rc == NVML_E_FUNCTION_NOT_FOUND ||
           rc == NVML_E_ARGUMENT_VERSION_MISMATCH;
}

/* Drivers before 550 know no modes of several GPUs. All is zero, and so off, where there is nothing to be asked. */
static int settings_now(const struct clo_gpus *g, struct nvml_cc_settings *ret)
{
    struct nvml_cc_settings s = {.version = NVML_CC_SETTINGS_VERSION};
    int rc = g->f.settings == NULL ? NVML_E_FUNCTION_NOT_FOUND : g->f.settings(&s);

    if (lacks(rc)) {
        s = (struct nvml_cc_settings){0};
        rc = g->f.state(&s.state);
    }
    if (lacks(rc))
        return 0;
    *ret = s;
    return failure(rc);
}

static int ready_now(const struct clo_gpus *g, bool *ret)
{
    unsigned ready = 0;
    const int rc = g->f.ready(&ready);

    *ret = rc == NVML_OK && ready == 1;
    return lacks(rc) ? 0 : failure(rc);
}

/*
 * What isn't known to be off, or to be production, isn't. In protected PCIe mode the feature of single GPUs is off, and the
 * environment may not be told.
 */
static void judge(const struct nvml_cc_settings *s, struct clo_gpus_state *ret)
{
    const bool protected_pcie = s->multi == NVML_CC_MULTI_PROTECTED_PCIE;
    const bool untold = s->state.environment == NVML_CC_ENVIRONMENT_UNAVAILABLE &&
                        s->state.feature == 0;

    ret->cc = s->state.feature == 1 || protected_pcie;
    ret->multi = s->multi != NVML_CC_MULTI_NONE;
    ret->devtools = s->state.devtools != 0;
    ret->simulated = s->state.environment != NVML_CC_ENVIRONMENT_PRODUCTION && !untold;
}

int clo_gpus_look(struct clo_gpus *g, struct clo_gpus_state *ret)
{
    struct clo_gpus_state s = {0};
    struct nvml_cc_settings settings = {0};
    int err;

    if ((err = devices_look(g, &s)) != 0 || (err = settings_now(g, &settings)) != 0 ||
        (err = ready_now(g, &s.accepting)) != 0)
        return err;
    judge(&settings, &s);
    *ret = s;
    return 0;
}

int clo_gpus_accept(struct clo_gpus *g, bool work)
{
    bool ready = false;
    int err;

    if ((err = failure(g->f.set_ready(work ? 1 : 0))) != 0 || (err = ready_now(g, &ready)) != 0)
        return err;
    return ready == work ? 0 : CLOISTER_E_IO;
}

/* ---- reports ---- */

static int device_arch(const struct clo_gpus *g, nvml_device d, struct clo_device *ret)
{
    unsigned arch = 0;
    int err;

    if ((err = failure(g->f.arch(d, &arch))) != 0)
        return err;
    switch (arch) {
    case NVML_ARCH_HOPPER: memcpy(ret->arch, "hopper", sizeof "hopper"); return 0;
    case NVML_ARCH_BLACKWELL: memcpy(ret->arch, "blackwell", sizeof "blackwell"); return 0;
    default: return CLOISTER_E_UNSUPPORTED;
    }
}

/* Certificates and nothing behind them but white space and zero bytes: what can't be read or was cut off isn't a shorter chain. */
static int chain_read(const char *p, size_t n, struct clo_device *ret)
{
    int err;

    for (;;) {
        struct clo_buf der = clo_buf_init(CLO_CERT_MAX);

        if ((err = clo_pem_next(&p, &n, "CERTIFICATE", &der)) != 0)
            break;
        if (ret->chain_n == CLO_DEVICE_CHAIN_MAX) {
            clo_buf_clear(&der);
            return CLOISTER_E_LIMIT;
        }
        ret->chain[ret->chain_n++] = der;
    }
    if (err == CLOISTER_E_MEMORY)
        return err;
    if (ret->chain_n == 0)
        return CLOISTER_E_MALFORMED;
    for (size_t i = 0; i < n; i++)
        if (p[i] != '\n' && p[i] != '\r' && p[i] != ' ' && p[i] != '\t' && p[i] != '\0')
            return CLOISTER_E_MALFORMED;
    return 0;
}

static int device_chain(struct clo_gpus *g, nvml_device d, struct clo_device *ret)
{
    struct nvml_cc_certificate *c = &g->certificate;
    int err;

    memset(c, 0, sizeof *c);
    if ((err = failure(g->f.certificate(d, c))) != 0)
        return err;
    if (c->attestation_chain_size > sizeof c->attestation_chain)
        return CLOISTER_E_MALFORMED;
    return chain_read((const char *)c->attestation_chain, c->attestation_chain_size, ret);
}

/* Is it whole, and the answer to this nonce? A layout that is newer than our parser is left for whoever knows it. */
static int report_check(const uint8_t *p, size_t n, const uint8_t nonce[32])
{
    struct clo_spdm_report r;
    struct clo_rd rd = clo_rd_init(p, n);
    const uint8_t *there = NULL;
    const int err = clo_spdm_parse(p, n, &r);

    if (err != 0 && err != CLOISTER_E_UNSUPPORTED)
        return CLOISTER_E_MALFORMED;
    if (clo_rd_skip(&rd, NONCE_AT) != 0 || clo_rd_view(&rd, 32, &there) != 0 ||
        memcmp(there, nonce, 32) != 0)
        return CLOISTER_E_MALFORMED;
    return 0;
}

static int device_report(struct clo_gpus *g, nvml_device d, const uint8_t nonce[32],
                         struct clo_device *ret)
{
    struct nvml_cc_report *r = &g->report;
    int err;

    memset(r, 0, sizeof *r);
    memcpy(r->nonce, nonce, sizeof r->nonce);
    if ((err = failure(g->f.report(d, r))) != 0)
        return err;
    if (r->report_size > sizeof r->report)
        return CLOISTER_E_MALFORMED;
    if ((err = report_check(r->report, r->report_size, nonce)) != 0)
        return err;
    ret->report = clo_buf_init(CLO_DEVICE_REPORT_MAX);
    return clo_buf_append(&ret->report, r->report, r->report_size);
}

int clo_gpus_report(struct clo_gpus *g, const uint8_t nonce[32], struct clo_devices *ret)
{
    struct clo_devices devices = {0};
    uint32_t count = 0;
    int err;

    if ((err = count_now(g, &count)) != 0)
        return err;
    devices.device = calloc(count, sizeof *devices.device);
    if (devices.device == NULL)
        return CLOISTER_E_MEMORY;
    devices.count = count;
    for (uint32_t i = 0; i < count && err == 0; i++) {
        struct clo_device *to = &devices.device[i];
        nvml_device d = NULL;

        if ((err = device_at(g, i, &d)) != 0 || (err = device_arch(g, d, to)) != 0 ||
            (err = device_chain(g, d, to)) != 0)
            break;
        err = device_report(g, d, nonce, to);
    }
    if (err != 0) {
        clo_devices_clear(&devices);
        return err;
    }
    *ret = devices;
    return 0;
}
