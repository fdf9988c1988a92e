/* SPDX-License-Identifier: Apache-2.0 */
/* `cloister measure`: the launch measurement that SEV-SNP will report of a guest, from the files that it is started with. */
#include "client/commands.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/snp_launch.h"
#include "base/enc.h"
#include "client/say.h"
#include "codec/json.h"
#include "crypto/crypto.h"
#include "platform/file.h"

enum {
    PIECE = 65536
};

/* Files of any size: only their digest counts. Directories and devices that never end aren't what anybody means. */
static int hash_file(const char *path, uint8_t ret[32])
{
    static uint8_t piece[PIECE];
    struct clo_sha256_ctx *h = NULL;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = 0;
    int err = fd < 0 ? CLOISTER_E_IO : clo_sha256_new(&h);

    while (err == 0 && ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR)))
        if (n > 0)
            err = clo_sha256_update(h, piece, (size_t)n);
    if (err == 0 && n < 0)
        err = CLOISTER_E_IO;
    if (err != 0)
        clo_say_file(path, "read", err);
    else
        err = clo_sha256_final(h, ret);
    clo_sha256_free(h);
    if (fd >= 0)
        close(fd);
    return err;
}

/* "0x1f", "1f" or "b00f11": what others print, too. */
static bool parse_hex(const char *s, uint64_t max, uint64_t *ret)
{
    char *end = NULL;
    unsigned long long v;

    errno = 0;
    v = strtoull(s, &end, 16);
    if (!isxdigit((unsigned char)*s) || errno != 0 || *end != '\0' || v > max)
        return false;
    *ret = v;
    return true;
}

static int say_cpus(const char *name)
{
    char list[512];
    size_t n = 0;

    for (size_t i = 0; clo_cpu_name(i) != NULL && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i > 0 ? ", " : "",
                              clo_cpu_name(i));
    clo_say_problem("there is no processor \"%s\": QEMU has %s; or give --vcpu-signature HEX", name,
                    list);
    return CLOISTER_E_ARGUMENT;
}

static int read_vcpus(const struct clo_options *o, struct clo_snp_launch *l)
{
    uint64_t v = 0;

    if (o->vcpus < 1 || o->vcpus > CLO_SNP_VCPUS_MAX) {
        clo_say_problem("say how many processors the guest has: --vcpus 1 to %d",
                        CLO_SNP_VCPUS_MAX);
        return CLOISTER_E_ARGUMENT;
    }
    l->vcpus = (uint32_t)o->vcpus;
    if (l->vmm != CLO_VMM_QEMU)
        return 0; /* the processor's kind isn't measured there */
    if ((o->vcpu_type != NULL) == (o->vcpu_signature != NULL)) {
        clo_say_problem("say what its processors are: --vcpu-type NAME as QEMU has it, like "
                        "EPYC-v4, or --vcpu-signature HEX");
        return CLOISTER_E_ARGUMENT;
    }
    if (o->vcpu_type != NULL)
        return clo_cpu_signature_find(o->vcpu_type, &l->vcpu_signature) ? 0
                                                                        : say_cpus(o->vcpu_type);
    if (!parse_hex(o->vcpu_signature, UINT32_MAX, &v)) {
        clo_say_problem("--vcpu-signature takes what CPUID 1 gives in EAX, in hex, like b00f11");
        return CLOISTER_E_ARGUMENT;
    }
    l->vcpu_signature = (uint32_t)v;
    return 0;
}

static int read_vmm(const struct clo_options *o, struct clo_snp_launch *l)
{
    static const char *const name[] = {
        [CLO_VMM_QEMU] = "qemu", [CLO_VMM_EC2] = "ec2", [CLO_VMM_GCE] = "gce"};

    if (o->vmm == NULL)
        return 0;
    for (size_t i = 0; i < CLO_ARRAY_LEN(name); i++) {
        if (strcmp(o->vmm, name[i]) == 0) {
            l->vmm = (enum clo_snp_vmm)i;
            return 0;
        }
    }
    clo_say_problem("--vmm is qemu, ec2 or gce");
    return CLOISTER_E_ARGUMENT;
}

static int read_options(const struct clo_options *o, struct clo_snp_launch *l)
{
    int err;

    if (o->firmware == NULL) {
        clo_say_problem("say what the guest is started with: --firmware FILE");
        return CLOISTER_E_ARGUMENT;
    }
    if (o->kernel == NULL && (o->initrd != NULL || o->append != NULL)) {
        clo_say_problem("--initrd and --append go with --kernel FILE");
        return CLOISTER_E_ARGUMENT;
    }
    if ((err = read_vmm(o, l)) != 0 || (err = read_vcpus(o, l)) != 0)
        return err;
    l->guest_features = 1;
    if (o->guest_features != NULL &&
        !parse_hex(o->guest_features, UINT64_MAX, &l->guest_features)) {
        clo_say_problem("--guest-features takes a number in hex, like 0x1");
        return CLOISTER_E_ARGUMENT;
    }
    return 0;
}

static int read_kernel(const struct clo_options *o, struct clo_snp_launch *l)
{
    const char *line = o->append != NULL ? o->append : "";
    int err;

    if (o->kernel == NULL)
        return 0;
    l->kernel = true;
    if ((err = hash_file(o->kernel, l->kernel_sha256)) != 0 ||
        (err = o->initrd != NULL ? hash_file(o->initrd, l->initrd_sha256)
                                 : clo_sha256("", 0, l->initrd_sha256)) != 0)
        return err;
    return clo_sha256(line, strlen(line) + 1, l->cmdline_sha256);
}

static int read_firmware(const char *path, struct clo_buf *buf)
{
    int err = clo_file_read(path, buf);

    if (err != 0)
        clo_say_file(path, "read", err);
    return err;
}

static const char *why(enum clo_snp_launch_problem problem)
{
    switch (problem) {
    case CLO_LAUNCH_SIZE: return "it isn't a whole number of pages, or is larger than 64 MiB";
    case CLO_LAUNCH_TABLE: return "the table of GUIDs at its end breaks its format";
    case CLO_LAUNCH_NO_METADATA:
        return "it has no SEV-SNP metadata, and can't start such a guest: OVMF has to be built from "
               "OvmfPkgX64 or AmdSevX64 of 2022 or later";
    case CLO_LAUNCH_METADATA: return "its SEV metadata break their format";
    case CLO_LAUNCH_SECTION: return "its SEV metadata name a kind of section that is unknown here";
    case CLO_LAUNCH_NO_HASHES:
        return "it checks no kernel (it has no place for hashes), so that any could be started: "
               "take firmware built from AmdSevX64, or leave out --kernel";
    case CLO_LAUNCH_NO_RESET: return "it doesn't say where a second processor begins: --vcpus 1";
    default: return NULL;
    }
}

static int print_json(const struct clo_snp_launch *l, const char *hex)
{
    char signature[9], features[17], text[65];
    struct clo_buf out = clo_buf_init(4096);
    json_t *v = json_object();
    int err = CLOISTER_E_MEMORY;

    (void)snprintf(signature, sizeof signature, "%08x", l->vcpu_signature);
    (void)snprintf(features, sizeof features, "%llx", (unsigned long long)l->guest_features);
    if (v == NULL || json_object_set_new(v, "v", json_integer(1)) != 0 ||
        json_object_set_new(v, "type", json_string("sev-snp")) != 0 ||
        json_object_set_new(v, "measurement", json_string(hex)) != 0 ||
        json_object_set_new(v, "vcpus", json_integer(l->vcpus)) != 0 ||
        json_object_set_new(v, "guest_features", json_string(features)) != 0)
        goto out;
    if (l->vmm == CLO_VMM_QEMU &&
        json_object_set_new(v, "vcpu_signature", json_string(signature)) != 0)
        goto out;
    if (l->kernel) {
        clo_hex(l->kernel_sha256, 32, text);
        if (json_object_set_new(v, "kernel_sha256", json_string(text)) != 0)
            goto out;
        clo_hex(l->initrd_sha256, 32, text);
        if (json_object_set_new(v, "initrd_sha256", json_string(text)) != 0)
            goto out;
    }
    if ((err = clo_json_write(v, &out)) == 0 && (err = clo_buf_append(&out, "", 1)) == 0)
        puts((const char *)out.p);
out:
    clo_buf_clear(&out);
    json_decref(v);
    return err;
}

int clo_command_measure(const struct clo_options *o)
{
    struct clo_buf firmware = clo_buf_init(CLO_SNP_FIRMWARE_MAX);
    enum clo_snp_launch_problem problem = CLO_LAUNCH_OK;
    struct clo_snp_launch l = {0};
    uint8_t digest[48];
    char hex[97];
    int code = CLO_EXIT_ERROR, err;

    if (read_options(o, &l) != 0 || read_firmware(o->firmware, &firmware) != 0 ||
        read_kernel(o, &l) != 0)
        goto out;
    l.firmware = firmware.p;
    l.firmware_n = firmware.len;
    if ((err = clo_snp_launch_measure(&l, digest, &problem)) != 0) {
        clo_say_problem("%s can't be measured: %s", o->firmware,
                        why(problem) != NULL ? why(problem) : cloister_strerror(err));
        code = err == CLOISTER_E_UNSUPPORTED ? CLO_EXIT_UNSUPPORTED
               : why(problem) != NULL        ? CLO_EXIT_MALFORMED
                                             : CLO_EXIT_ERROR;
        goto out;
    }
    clo_hex(digest, sizeof digest, hex);
    if (o->json && print_json(&l, hex) != 0) {
        clo_say_problem("not enough memory");
        goto out;
    }
    if (!o->json)
        puts(hex);
    code = CLO_EXIT_OK;
out:
    clo_buf_clear(&firmware);
    return code;
}
