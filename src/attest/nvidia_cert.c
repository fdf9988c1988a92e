/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What NVIDIA's device certificates say: the chip in their names, and the firmware id in the leaf. They are read before anything
 * vouches for them. Limits: CLO_CERT_MAX. Fuzzed by fuzz/fuzz_spdm.c.
 */
#include <string.h>

#include "attest/nvidia_in.h"

#define TAG_INTEGER   0x02
#define TAG_OCTETS    0x04
#define TAG_OID       0x06
#define TAG_SEQUENCE  0x30
#define TAG_FWIDS     0xa6 /* [6] IMPLICIT SEQUENCE OF FWID */
#define OID_COMPOSITE "2.23.133.5.4.1"
#define OID_TCB_INFO  "2.23.133.5.4.1.1"

static const char *const arch_name[CLO_GPU_ARCHS] = {
    [CLO_GPU_UNKNOWN] = "unknown",
    [CLO_GPU_HOPPER] = "hopper",
    [CLO_GPU_BLACKWELL] = "blackwell",
    [CLO_GPU_LS10] = "ls10",
};

const char *clo_gpu_arch_name(enum clo_gpu_arch a)
{
    return arch_name[(unsigned)a < CLO_GPU_ARCHS ? a : CLO_GPU_UNKNOWN];
}

enum clo_gpu_arch clo_gpu_arch_of(const char *name)
{
    unsigned a = CLO_GPU_HOPPER;

    while (a < CLO_GPU_ARCHS && strcmp(name, arch_name[a]) != 0)
        a++;
    return a < CLO_GPU_ARCHS ? (enum clo_gpu_arch)a : CLO_GPU_UNKNOWN;
}

void clo_gpu_cert_chip(const struct clo_cert *c, char dst[CLO_GPU_CHIP_LEN])
{
    char cn[64] = "";
    size_t n = 0;

    dst[0] = '\0';
    if (clo_cert_cn(c, cn, sizeof cn) != 0)
        return;
    n = strcspn(cn, " ");
    if (cn[n] != ' ' || n >= CLO_GPU_CHIP_LEN)
        return;
    memcpy(dst, cn, n);
    dst[n] = '\0';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

enum clo_gpu_arch clo_gpu_chip_arch(const char *chip)
{
    if (strcmp(chip, "GH100") == 0)
        return CLO_GPU_HOPPER;
    if (strcmp(chip, "LS_10") == 0)
        return CLO_GPU_LS10;
    if (strlen(chip) == 5 && chip[0] == 'G' && chip[1] == 'B' && digit(chip[2]) && digit(chip[3]) &&
        digit(chip[4]))
        return CLO_GPU_BLACKWELL;
    return CLO_GPU_UNKNOWN;
}

/* FWID ::= SEQUENCE { hashAlg OBJECT IDENTIFIER, digest OCTET STRING }, with SHA-384. */
static int fwid(struct clo_rd *rd, uint8_t ret[CLO_SPDM_DIGEST_LEN])
{
    static const uint8_t sha384[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02};
    struct clo_rd seq = {0}, oid = {0}, digest = {0};
    int err;

    if ((err = clo_der_read(rd, TAG_SEQUENCE, &seq)) != 0 ||
        (err = clo_der_read(&seq, TAG_OID, &oid)) != 0 ||
        (err = clo_der_read(&seq, TAG_OCTETS, &digest)) != 0 || (err = clo_rd_end(&seq)) != 0)
        return err;
    if (oid.left != sizeof sha384 || memcmp(oid.p, sha384, sizeof sha384) != 0)
        return CLOISTER_E_UNSUPPORTED;
    if (digest.left != CLO_SPDM_DIGEST_LEN)
        return CLOISTER_E_MALFORMED;
    return clo_rd_bytes(&digest, ret, CLO_SPDM_DIGEST_LEN);
}

/* CompositeDeviceID ::= SEQUENCE { version INTEGER, deviceID SubjectPublicKeyInfo, fwid FWID } */
static int composite(struct clo_rd rd, struct clo_gpu_fwid *f)
{
    struct clo_rd seq = {0}, version = {0}, key = {0};
    const uint8_t *start = NULL;
    int err;

    if ((err = clo_der_read(&rd, TAG_SEQUENCE, &seq)) != 0 || (err = clo_rd_end(&rd)) != 0 ||
        (err = clo_der_read(&seq, TAG_INTEGER, &version)) != 0)
        return err;
    start = seq.p;
    if ((err = clo_der_read(&seq, TAG_SEQUENCE, &key)) != 0 ||
        (err = clo_sha256(start, (size_t)(seq.p - start), f->device_key)) != 0 ||
        (err = fwid(&seq, f->digest)) != 0 || (err = clo_rd_end(&seq)) != 0)
        return err;
    f->has_device_key = true;
    return 0;
}

/* DiceTcbInfo ::= SEQUENCE of optional elements with context tags, in which [6] holds the fwids. */
static int tcb_info(struct clo_rd rd, struct clo_gpu_fwid *f)
{
    struct clo_rd seq = {0}, element = {0};
    bool found = false;
    int err;

    if ((err = clo_der_read(&rd, TAG_SEQUENCE, &seq)) != 0 || (err = clo_rd_end(&rd)) != 0)
        return err;
    while (seq.left != 0) {
        struct clo_rd peek = seq;
        uint8_t tag = 0;

        if ((err = clo_rd_u8(&peek, &tag)) != 0 || (err = clo_der_read(&seq, tag, &element)) != 0)
            return err;
        if (tag != TAG_FWIDS)
            continue;
        if (found)
            return CLOISTER_E_DUPLICATE;
        if ((err = fwid(&element, f->digest)) != 0)
            return err;
        found = true;
    }
    return found ? 0 : CLOISTER_E_NOT_FOUND;
}

int clo_gpu_fwid_read(const struct clo_cert *leaf, enum clo_gpu_arch arch, struct clo_gpu_fwid *ret)
{
    const bool blackwell = arch == CLO_GPU_BLACKWELL;
    struct clo_gpu_fwid f = {0};
    const uint8_t *p = NULL;
    size_t n = 0;
    int err;

    if ((err = clo_cert_ext(leaf, blackwell ? OID_TCB_INFO : OID_COMPOSITE, &p, &n)) != 0 ||
        (err = (blackwell ? tcb_info : composite)(clo_rd_init(p, n), &f)) != 0)
        return err;
    *ret = f;
    return 0;
}
