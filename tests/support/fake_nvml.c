/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A libnvidia-ml.so.1 that has no driver: see fake_nvml.h. It answers as NVML's reference says, also to those who call it wrongly, and is
 * a program's only source of GPUs, so that what it can't do ends that program.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "platform/nvml_abi.h"

#define GPUS_MAX     64
#define ERRORS_MAX   16
#define FILE_MAX     65536
#define NONCE_AT     4
#define BLOCKS_AT    45
#define MSRSCNT      12
#define MSRSCNT_LEN  256
#define SIGNATURE    96
#define UUID_PATTERN "GPU-c10157e2-0000-4000-8000-0000000000%02x"

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetCount_v2(unsigned *ret);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, nvml_device *ret);
int nvmlDeviceGetUUID(nvml_device d, char *ret, unsigned cap);
int nvmlDeviceGetArchitecture(nvml_device d, unsigned *ret);
int nvmlDeviceGetMemoryInfo(nvml_device d, struct nvml_memory *ret);
int nvmlSystemGetConfComputeState(struct nvml_cc_state *ret);
int nvmlSystemGetConfComputeSettings(struct nvml_cc_settings *ret);
int nvmlSystemGetConfComputeGpusReadyState(unsigned *ret);
int nvmlSystemSetConfComputeGpusReadyState(unsigned ready);
int nvmlDeviceGetConfComputeGpuCertificate(nvml_device d, struct nvml_cc_certificate *ret);
int nvmlDeviceGetConfComputeGpuAttestationReport(nvml_device d, struct nvml_cc_report *ret);

struct nvml_device_st {
    unsigned number;
    uint8_t last_nonce[32];
};
static struct nvml_device_st device[GPUS_MAX];
static unsigned initialised;
static char folder[4096];

struct state {
    unsigned gpus, gpu[GPUS_MAX];
    bool lost[GPUS_MAX];
    unsigned resets, multi, environment, arch;
    bool cc, absent, devtools, stale, other_nonce;
    enum {
        CHAIN_SOUND,
        CHAIN_NONE,
        CHAIN_GARBAGE,
        CHAIN_LONG
    } chain;
    bool has_report_size, has_chain_size;
    unsigned report_size, chain_size;
    struct {
        char function[64];
        int code; /* 0: held */
    } error[ERRORS_MAX];
    size_t errors;
};

static _Noreturn void cannot(const char *what, const char *of)
{
    (void)fprintf(stderr, "fake_nvml: %s: %s\n", what, of);
    abort();
}

/* ---- files ---- */

static void name_of(char dst[4352], const char *name)
{
    if ((size_t)snprintf(dst, 4352, "%s/%s", folder, name) >= 4352)
        cannot("name too long", name);
}

/* False if it isn't there; a zero byte behind what was read. */
static bool file_read(const char *name, char p[FILE_MAX], size_t *ret_n)
{
    char path[4352];
    FILE *f;

    name_of(path, name);
    f = fopen(path, "rbe");
    if (f == NULL && errno == ENOENT)
        return false;
    if (f == NULL)
        cannot("can't open", path);
    *ret_n = fread(p, 1, FILE_MAX - 1, f);
    if (ferror(f) != 0 || *ret_n == FILE_MAX - 1)
        cannot("can't read", path);
    p[*ret_n] = '\0';
    (void)fclose(f);
    return true;
}

static void file_write(const char *name, const char *text)
{
    char path[4352], temporary[4352];
    FILE *f;

    name_of(path, name);
    name_of(temporary, "new");
    f = fopen(temporary, "wbe");
    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0 || rename(temporary, path) != 0)
        cannot("can't write", path);
}

static void gpu_file(char dst[64], unsigned n, const char *kind)
{
    (void)snprintf(dst, 64, "gpu-%u.%s", n, kind);
}

static bool gpu_exists(unsigned n)
{
    char name[64], path[4352];

    gpu_file(name, n, "key");
    name_of(path, name);
    return access(path, R_OK) == 0;
}

/* Beside this library, under the name by which it was loaded. */
static void find_folder(void)
{
    char conf[4352];
    const char *slash;
    Dl_info info;
    FILE *f;

    if (dladdr(&device, &info) == 0 || info.dli_fname == NULL ||
        (slash = strrchr(info.dli_fname, '/')) == NULL)
        cannot("where am I", "dladdr");
    (void)snprintf(conf, sizeof conf, "%.*s/fake_nvml.conf", (int)(slash - info.dli_fname),
                   info.dli_fname);
    f = fopen(conf, "rbe");
    if (f == NULL || fgets(folder, sizeof folder, f) == NULL)
        cannot("can't read", conf);
    (void)fclose(f);
    folder[strcspn(folder, "\n")] = '\0';
}

/* ---- state ---- */

static unsigned number(const char *s, unsigned max)
{
    char *end = NULL;
    const unsigned long v = s == NULL ? 0 : strtoul(s, &end, 0);

    if (s == NULL || end == s || *end != '\0' || v > max)
        cannot("no such number", s == NULL ? "" : s);
    return (unsigned)v;
}

static void say_error(struct state *s, const char *function, int code)
{
    if (function == NULL || s->errors == ERRORS_MAX)
        cannot("state", "error");
    (void)snprintf(s->error[s->errors].function, sizeof s->error[0].function, "%s", function);
    s->error[s->errors++].code = code;
}

static void say_chain(struct state *s, const char *how)
{
    if (how != NULL && strcmp(how, "none") == 0)
        s->chain = CHAIN_NONE;
    else if (how != NULL && strcmp(how, "garbage") == 0)
        s->chain = CHAIN_GARBAGE;
    else if (how != NULL && strcmp(how, "long") == 0)
        s->chain = CHAIN_LONG;
    else
        cannot("state", "chain");
}

static void state_line(struct state *s, char *line)
{
    char *more = NULL, *word = strtok_r(line, " ", &more), *arg;

    if (word == NULL)
        return;
    if (strcmp(word, "gpus") == 0) {
        s->gpus = 0;
        while ((arg = strtok_r(NULL, " ", &more)) != NULL && s->gpus < GPUS_MAX)
            s->gpu[s->gpus++] = number(arg, GPUS_MAX - 1);
        return;
    }
    arg = strtok_r(NULL, " ", &more);
    if (strcmp(word, "lost") == 0)
        s->lost[number(arg, GPUS_MAX - 1)] = true;
    else if (strcmp(word, "resets") == 0)
        s->resets = number(arg, 1000);
    else if (strcmp(word, "cc") == 0) {
        s->cc = false;
        s->absent = arg != NULL && strcmp(arg, "absent") == 0;
    } else if (strcmp(word, "multi") == 0)
        s->multi = number(arg, 1000);
    else if (strcmp(word, "devtools") == 0)
        s->devtools = true;
    else if (strcmp(word, "environment") == 0)
        s->environment = number(arg, 1000);
    else if (strcmp(word, "arch") == 0)
        s->arch = number(arg, 1000);
    else if (strcmp(word, "error") == 0)
        say_error(s, arg, (int)number(strtok_r(NULL, " ", &more), 1000));
    else if (strcmp(word, "hold") == 0)
        say_error(s, arg, 0);
    else if (strcmp(word, "report-size") == 0) {
        s->has_report_size = true;
        s->report_size = number(arg, UINT32_MAX);
    } else if (strcmp(word, "chain-size") == 0) {
        s->has_chain_size = true;
        s->chain_size = number(arg, UINT32_MAX);
    } else if (strcmp(word, "chain") == 0)
        say_chain(s, arg);
    else if (strcmp(word, "stale") == 0)
        s->stale = true;
    else if (strcmp(word, "other-nonce") == 0)
        s->other_nonce = true;
    else
        cannot("state", word);
}

static void state_read(struct state *s)
{
    char text[FILE_MAX], *more = NULL;
    size_t n = 0;

    *s = (struct state){
        .cc = true, .environment = NVML_CC_ENVIRONMENT_PRODUCTION, .arch = NVML_ARCH_HOPPER};
    while (s->gpus < GPUS_MAX && gpu_exists(s->gpus)) {
        s->gpu[s->gpus] = s->gpus;
        s->gpus++;
    }
    if (!file_read("state", text, &n))
        return;
    for (char *line = strtok_r(text, "\n", &more); line != NULL; line = strtok_r(NULL, "\n", &more))
        state_line(s, line);
}

static bool held(const struct state *s, const char *function)
{
    for (size_t i = 0; i < s->errors; i++)
        if (s->error[i].code == 0 && strcmp(s->error[i].function, function) == 0)
            return true;
    return false;
}

/* What each function does first: may it answer, and what, if it isn't the truth? */
static int enter(struct state *s, const char *function)
{
    const struct timespec a_moment = {.tv_nsec = 2000000};

    if (initialised == 0)
        return NVML_E_UNINITIALIZED;
    state_read(s);
    if (held(s, function)) {
        file_write("held", function);
        do {
            (void)nanosleep(&a_moment, NULL);
            state_read(s);
        } while (held(s, function));
    }
    for (size_t i = 0; i < s->errors; i++)
        if (strcmp(s->error[i].function, function) == 0)
            return s->error[i].code;
    return NVML_OK;
}

static int enter_device(struct state *s, const char *function, nvml_device d, bool asks_the_device)
{
    const int rc = enter(s, function);

    if (rc != NVML_OK)
        return rc;
    if (d < &device[0] || d >= &device[GPUS_MAX] || !gpu_exists(d->number))
        return NVML_E_INVALID_ARGUMENT;
    return asks_the_device && s->lost[d->number] ? NVML_E_GPU_IS_LOST : NVML_OK;
}

/* Of confidential computing. */
static int enter_cc(struct state *s, const char *function)
{
    const int rc = enter(s, function);

    if (rc != NVML_OK)
        return rc;
    return s->absent ? NVML_E_NOT_SUPPORTED : NVML_OK;
}

/* ---- the library itself ---- */

int nvmlInit_v2(void)
{
    struct state s;
    int rc;

    find_folder();
    initialised++;
    rc = enter(&s, __func__);
    if (rc != NVML_OK)
        initialised--;
    for (unsigned i = 0; i < GPUS_MAX; i++)
        device[i].number = i;
    return rc;
}

int nvmlShutdown(void)
{
    if (initialised == 0)
        return NVML_E_UNINITIALIZED;
    initialised--;
    return NVML_OK;
}

int nvmlDeviceGetCount_v2(unsigned *ret)
{
    struct state s;
    const int rc = enter(&s, __func__);

    if (rc != NVML_OK)
        return rc;
    if (ret == NULL)
        return NVML_E_INVALID_ARGUMENT;
    *ret = s.gpus;
    return NVML_OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, nvml_device *ret)
{
    struct state s;
    const int rc = enter(&s, __func__);

    if (rc != NVML_OK)
        return rc;
    if (ret == NULL || index >= s.gpus)
        return NVML_E_INVALID_ARGUMENT;
    *ret = &device[s.gpu[index]];
    return NVML_OK;
}

int nvmlDeviceGetUUID(nvml_device d, char *ret, unsigned cap)
{
    struct state s;
    char uuid[NVML_UUID_MAX];
    const int rc = enter_device(&s, __func__, d, false);

    if (rc != NVML_OK)
        return rc;
    (void)snprintf(uuid, sizeof uuid, UUID_PATTERN, d->number);
    if (ret == NULL)
        return NVML_E_INVALID_ARGUMENT;
    if (cap <= strlen(uuid))
        return NVML_E_INSUFFICIENT_SIZE;
    memcpy(ret, uuid, strlen(uuid) + 1);
    return NVML_OK;
}

int nvmlDeviceGetArchitecture(nvml_device d, unsigned *ret)
{
    struct state s;
    const int rc = enter_device(&s, __func__, d, false);

    if (rc != NVML_OK)
        return rc;
    if (ret == NULL)
        return NVML_E_INVALID_ARGUMENT;
    *ret = s.arch;
    return NVML_OK;
}

int nvmlDeviceGetMemoryInfo(nvml_device d, struct nvml_memory *ret)
{
    struct state s;
    const int rc = enter_device(&s, __func__, d, true);

    if (rc != NVML_OK)
        return rc;
    if (ret == NULL)
        return NVML_E_INVALID_ARGUMENT;
    *ret = (struct nvml_memory){.total = 80ULL << 30, .available = 79ULL << 30, .used = 1ULL << 30};
    return NVML_OK;
}

/* ---- confidential computing ---- */

static struct nvml_cc_state cc_state(const struct state *s)
{
    return (struct nvml_cc_state){
        .environment = s->environment,
        .feature = s->cc && s->multi != NVML_CC_MULTI_PROTECTED_PCIE,
        .devtools = s->devtools,
    };
}

int nvmlSystemGetConfComputeState(struct nvml_cc_state *ret)
{
    struct state s;
    const int rc = enter_cc(&s, __func__);

    if (rc != NVML_OK)
        return rc;
    if (ret == NULL)
        return NVML_E_INVALID_ARGUMENT;
    *ret = cc_state(&s);
    return NVML_OK;
}

int nvmlSystemGetConfComputeSettings(struct nvml_cc_settings *ret)
{
    struct state s;
    const int rc = enter_cc(&s, __func__);

    if (rc != NVML_OK)
        return rc;
    if (ret == NULL)
        return NVML_E_INVALID_ARGUMENT;
    if (ret->version != 0x1000014)
        return NVML_E_ARGUMENT_VERSION_MISMATCH;
    ret->state = cc_state(&s);
    ret->multi = s.multi;
    return NVML_OK;
}

/* "1 RESETS" in the file: work was let in after so many resets. */
int nvmlSystemGetConfComputeGpusReadyState(unsigned *ret)
{
    char text[FILE_MAX] = "", wanted[32];
    struct state s;
    size_t n = 0;
    const int rc = enter_cc(&s, __func__);

    if (rc != NVML_OK)
        return rc;
    if (ret == NULL)
        return NVML_E_INVALID_ARGUMENT;
    (void)snprintf(wanted, sizeof wanted, "1 %u", s.resets);
    *ret = file_read("ready", text, &n) && strcmp(text, wanted) == 0;
    return NVML_OK;
}

int nvmlSystemSetConfComputeGpusReadyState(unsigned ready)
{
    char text[32];
    struct state s;
    const int rc = enter_cc(&s, __func__);

    if (rc != NVML_OK)
        return rc;
    if (ready > 1)
        return NVML_E_INVALID_ARGUMENT;
    (void)snprintf(text, sizeof text, "%u %u", ready, s.resets);
    file_write("ready", text);
    return NVML_OK;
}

int nvmlDeviceGetConfComputeGpuCertificate(nvml_device d, struct nvml_cc_certificate *ret)
{
    char name[64], text[FILE_MAX];
    struct state s;
    size_t n = 0;
    const int rc = enter_device(&s, __func__, d, true);

    if (rc != NVML_OK)
        return rc;
    if (ret == NULL)
        return NVML_E_INVALID_ARGUMENT;
    if (!s.cc && s.multi != NVML_CC_MULTI_PROTECTED_PCIE)
        return NVML_E_NOT_SUPPORTED;
    gpu_file(name, d->number, "pem");
    if (!file_read(name, text, &n))
        cannot("no such file", name);
    if (s.chain == CHAIN_NONE)
        n = 0;
    else if (s.chain == CHAIN_GARBAGE)
        text[100] = '!';
    else if (s.chain == CHAIN_LONG) { /* more certificates than any device has */
        n = 0;
        for (int i = 0; i < 8; i++)
            n += (size_t)snprintf(text + n, sizeof text - n,
                                  "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n"
                                  "-----END CERTIFICATE-----\n");
    }
    if (n > sizeof ret->attestation_chain)
        cannot("too long", name);
    memcpy(ret->attestation_chain, text, n);
    ret->attestation_chain_size = s.has_chain_size ? s.chain_size : (unsigned)n;
    ret->chain_size = 0;
    return NVML_OK;
}

/* ---- reports ---- */

static size_t le(const uint8_t *p, size_t n)
{
    size_t v = 0;

    while (n > 0)
        v = v << 8 | p[--n];
    return v;
}

/* The field's place, in the opaque data at p; n if there is none. */
static size_t find_counters(const uint8_t *p, size_t at, size_t n)
{
    while (at + 4 <= n && le(p + at, 2) != MSRSCNT)
        at += 4 + le(p + at + 2, 2);
    return at + 4 + MSRSCNT_LEN <= n ? at : n;
}

/*
 * Counters that each reset makes higher, in the opaque data, which is what a report ends with before its signature; they are
 * added if it has none.
 */
static size_t count_resets(uint8_t *p, size_t n, unsigned resets)
{
    const size_t opaque = BLOCKS_AT + le(p + BLOCKS_AT - 3, 3) + 32;
    size_t at, len;

    if (opaque + 2 > n || opaque + 2 + le(p + opaque, 2) != n)
        cannot("template", "its end isn't where it should be");
    at = find_counters(p, opaque + 2, n);
    if (at == n) {
        memset(p + n, 0, 4 + MSRSCNT_LEN);
        n += 4 + MSRSCNT_LEN;
        len = n - opaque - 2;
        p[opaque] = (uint8_t)len;
        p[opaque + 1] = (uint8_t)(len >> 8);
        p[at] = MSRSCNT;
        p[at + 2] = (uint8_t)MSRSCNT_LEN;
        p[at + 3] = (uint8_t)(MSRSCNT_LEN >> 8);
    }
    for (size_t i = 0; i < MSRSCNT_LEN; i += 4)
        p[at + 4 + i] = (uint8_t)(p[at + 4 + i] + resets);
    return n;
}

static void sign(const struct nvml_device_st *d, const uint8_t *p, size_t n, uint8_t sig[SIGNATURE])
{
    char name[64], text[FILE_MAX];
    uint8_t der[256];
    const uint8_t *at = der;
    size_t text_n = 0, der_n = sizeof der;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_PKEY *key = NULL;
    ECDSA_SIG *rs = NULL;
    BIO *b = NULL;

    gpu_file(name, d->number, "key");
    if (!file_read(name, text, &text_n) || c == NULL ||
        (b = BIO_new_mem_buf(text, (int)text_n)) == NULL ||
        (key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL)) == NULL ||
        EVP_DigestSignInit(c, NULL, EVP_sha384(), NULL, key) != 1 ||
        EVP_DigestSign(c, der, &der_n, p, n) != 1 ||
        (rs = d2i_ECDSA_SIG(NULL, &at, (long)der_n)) == NULL ||
        BN_bn2binpad(ECDSA_SIG_get0_r(rs), sig, SIGNATURE / 2) != SIGNATURE / 2 ||
        BN_bn2binpad(ECDSA_SIG_get0_s(rs), sig + SIGNATURE / 2, SIGNATURE / 2) != SIGNATURE / 2)
        cannot("can't sign with", name);
    ECDSA_SIG_free(rs);
    EVP_PKEY_free(key);
    BIO_free(b);
    EVP_MD_CTX_free(c);
}

int nvmlDeviceGetConfComputeGpuAttestationReport(nvml_device d, struct nvml_cc_report *ret)
{
    char name[64], text[FILE_MAX];
    uint8_t *const p = (uint8_t *)text;
    struct state s;
    size_t n = 0;
    const int rc = enter_device(&s, __func__, d, true);

    if (rc != NVML_OK)
        return rc;
    if (ret == NULL)
        return NVML_E_INVALID_ARGUMENT;
    if (!s.cc && s.multi != NVML_CC_MULTI_PROTECTED_PCIE)
        return NVML_E_NOT_SUPPORTED;
    gpu_file(name, d->number, "report");
    if (!file_read(name, text, &n) || n < BLOCKS_AT + 34 || n > sizeof ret->report - 1024)
        cannot("no template", name);
    memcpy(p + NONCE_AT, s.stale ? d->last_nonce : ret->nonce, sizeof ret->nonce);
    memcpy(d->last_nonce, ret->nonce, sizeof ret->nonce);
    if (s.other_nonce)
        p[NONCE_AT + 31] ^= 1;
    n = count_resets(p, n, s.resets);
    sign(d, p, n, p + n);
    n += SIGNATURE;
    memcpy(ret->report, p, n);
    ret->report_size = s.has_report_size ? s.report_size : (unsigned)n;
    ret->cec_present = 0;
    ret->cec_report_size = 0;
    return NVML_OK;
}
