/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a laboratory of its own needs: AMD's three certificates, NVIDIA's five, report layouts by offset, and answers for every
 * certificate. Layouts are those that src/attest reads; nothing here is shared with it but certificates' making and sections' writing.
 */
#include "lab/machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "base/enc.h"
#include "codec/ohttp.h"
#include "crypto/x509_make_in.h"

#define DAY         86400
#define YEAR        (365 * (int64_t)DAY)
#define AMD_OID(x)  "1.3.6.1.4.1.3704.1." x
#define AMD_CERTS   3 /* leaf, ASK, ARK */
#define GPU_BLOCKS  64
#define LS10_BLOCKS 31
#define DRIVER_INDEX \
    20 /* the driver's reference values are indexes 0 to 19, the VBIOS' the next 12 */
#define VBIOS_INDEX 32
#define DRIVER      "550.90.07"
#define OLD_DRIVER  "535.86.09"
#define VBIOS       "96.00.74.00.1C"
#define LS10_VBIOS  "96.10.5B.00.01"
#define REPORT_MAX  8192

/* Two certificates are a device's own: its boot ROM's, and the key's that signs reports. */
struct device {
    bool is_switch;
    struct clo_signer *brom_key, *leaf_key;
    struct clo_buf brom, leaf;
    uint8_t pdi[8];
};
/* The three above those, once for GPUs and once for switches. */
struct family {
    struct clo_signer *identity_key, *ica_key;
    struct clo_buf identity, ica;
};
struct synthetic {
    int64_t now;
    struct clo_signer *amd_key[AMD_CERTS];
    struct clo_buf amd[AMD_CERTS];
    struct clo_signer *nvidia_key, *stranger_key, *responder_key;
    struct clo_buf nvidia, stranger;
    struct family family[2];
    struct device device[SYNTHETIC_GPUS + SYNTHETIC_SWITCHES];
};

/* ---- vendors ---- */

static int cert(const struct clo_cert_spec *spec, struct clo_buf *ret)
{
    *ret = clo_buf_init(CLO_CERT_MAX);
    return clo_cert_make(spec, ret);
}

/* A certificate that may sign others. */
static int ca(const struct synthetic *y, const char *cn, const struct clo_signer *key,
              const char *issuer_cn, const struct clo_signer *issuer, uint64_t serial,
              struct clo_buf *ret)
{
    const struct clo_cert_spec spec = {
        .subject_cn = cn,
        .issuer_cn = issuer_cn,
        .serial = serial,
        .not_before = y->now - 2 * YEAR,
        .not_after = y->now + 10 * YEAR,
        .ca = true,
        .subject = key,
        .issuer = issuer,
    };

    return cert(&spec, ret);
}

static int make_amd(struct synthetic *y)
{
    static const uint8_t zero[] = {2, 1, 0}, ten[] = {2, 1, 10}, snp[] = {2, 1, 27},
                         ucode[] = {2, 2, 0, 200};
    static const uint8_t genoa[] = {0x16, 5, 'G', 'e', 'n', 'o', 'a'};
    uint8_t chip[64];
    const struct clo_cert_ext_spec ext[] = {
        {.oid = AMD_OID("1"), .p = zero, .n = 3},   {.oid = AMD_OID("2"), .p = genoa, .n = 7},
        {.oid = AMD_OID("3.1"), .p = ten, .n = 3},  {.oid = AMD_OID("3.2"), .p = zero, .n = 3},
        {.oid = AMD_OID("3.3"), .p = snp, .n = 3},  {.oid = AMD_OID("3.4"), .p = zero, .n = 3},
        {.oid = AMD_OID("3.5"), .p = zero, .n = 3}, {.oid = AMD_OID("3.6"), .p = zero, .n = 3},
        {.oid = AMD_OID("3.7"), .p = zero, .n = 3}, {.oid = AMD_OID("3.8"), .p = ucode, .n = 4},
        {.oid = AMD_OID("4"), .p = chip, .n = 64},
    };
    struct clo_cert_spec vcek = {
        .subject_cn = "SEV-VCEK",
        .issuer_cn = "SEV-Genoa",
        .not_before = y->now - YEAR,
        .not_after = y->now + 6 * YEAR,
        .ext = ext,
        .exts = CLO_ARRAY_LEN(ext),
    };
    int err;

    memset(chip, 0xc1, sizeof chip);
    if ((err = clo_signer_new_p384(&y->amd_key[0])) != 0 ||
        (err = clo_signer_new_rsa(2048, &y->amd_key[1])) != 0 ||
        (err = clo_signer_new_rsa(2048, &y->amd_key[2])) != 0)
        return err;
    vcek.subject = y->amd_key[0];
    vcek.issuer = y->amd_key[1];
    if ((err = cert(&vcek, &y->amd[0])) != 0 ||
        (err = ca(y, "SEV-Genoa", y->amd_key[1], "ARK-Genoa", y->amd_key[2], 131074, &y->amd[1])) !=
            0)
        return err;
    return ca(y, "ARK-Genoa", y->amd_key[2], "ARK-Genoa", y->amd_key[2], 131072, &y->amd[2]);
}

static const char *chip_name(bool is_switch)
{
    return is_switch ? "LS_10" : "GH100";
}

static int make_family(struct synthetic *y, bool is_switch)
{
    struct family *f = &y->family[is_switch];
    char identity[64], ica[64];
    int err;

    (void)snprintf(identity, sizeof identity, "NVIDIA %s Identity", chip_name(is_switch));
    (void)snprintf(ica, sizeof ica, "NVIDIA %s Provisioner ICA 1", chip_name(is_switch));
    if ((err = clo_signer_new_p384(&f->identity_key)) != 0 ||
        (err = clo_signer_new_p384(&f->ica_key)) != 0 ||
        (err = ca(y, identity, f->identity_key, "NVIDIA Device Identity CA", y->nvidia_key,
                  2 + is_switch, &f->identity)) != 0)
        return err;
    return ca(y, ica, f->ica_key, identity, f->identity_key, 4 + is_switch, &f->ica);
}

static void firmware_id(bool is_switch, uint8_t ret[48])
{
    memset(ret, is_switch ? 0xe2 : 0xe1, 48);
}

/* CompositeDeviceID of DICE: version, the boot ROM's key, hash of the firmware. */
static int composite_id(const struct device *d, uint8_t dst[256], size_t *ret_n)
{
    static const uint8_t fwid[] = {0x30, 0x3d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                   0x65, 0x03, 0x04, 0x02, 0x02, 0x04, 0x30};
    static const uint8_t version[] = {2, 1, 1};
    struct clo_buf spki = clo_buf_init(200);
    struct clo_wr wr = clo_wr_init(dst, 256);
    uint8_t digest[48];
    size_t n;
    int err;

    firmware_id(d->is_switch, digest);
    if ((err = clo_signer_spki(d->brom_key, &spki)) != 0)
        return err;
    n = sizeof version + spki.len + sizeof fwid + sizeof digest;
    if ((err = clo_wr_u8(&wr, 0x30)) != 0 || (err = clo_wr_u8(&wr, 0x81)) != 0 ||
        (err = clo_wr_u8(&wr, (uint8_t)n)) != 0 ||
        (err = clo_wr_bytes(&wr, version, sizeof version)) != 0 ||
        (err = clo_wr_bytes(&wr, spki.p, spki.len)) != 0 ||
        (err = clo_wr_bytes(&wr, fwid, sizeof fwid)) != 0)
        goto out;
    err = clo_wr_bytes(&wr, digest, sizeof digest);
    *ret_n = wr.len;
out:
    clo_buf_clear(&spki);
    return err != 0 || n < 128 || n > 255 ? CLOISTER_E_LIMIT : 0;
}

static void device_names(const struct device *d, size_t i, char brom[64], char leaf[64])
{
    (void)snprintf(brom, 64, "%s A01 GSP BROM %zu", chip_name(d->is_switch), i);
    (void)snprintf(leaf, 64, "%s A01 GSP FMC LF %zu", chip_name(d->is_switch), i);
}

/* Of the key that signs reports. */
static int leaf_cert(const struct synthetic *y, size_t i, int64_t until, struct clo_buf *ret)
{
    const struct device *d = &y->device[i];
    uint8_t id[256];
    struct clo_cert_ext_spec ext = {.oid = "2.23.133.5.4.1", .p = id};
    char brom[64], leaf[64];
    const struct clo_cert_spec spec = {
        .subject_cn = leaf,
        .issuer_cn = brom,
        .serial = 1000 + i,
        .not_before = y->now - YEAR,
        .not_after = until,
        .ext = &ext,
        .exts = 1,
        .subject = d->leaf_key,
        .issuer = d->brom_key,
    };
    int err;

    device_names(d, i, brom, leaf);
    if ((err = composite_id(d, id, &ext.n)) != 0)
        return err;
    return cert(&spec, ret);
}

static int make_device(struct synthetic *y, size_t i)
{
    struct device *d = &y->device[i];
    char brom[64], leaf[64], ica[64];
    int err;

    d->is_switch = i >= SYNTHETIC_GPUS;
    memset(d->pdi, 0x80 + (int)i, sizeof d->pdi);
    d->pdi[0] = 1; /* not the same from both ends */
    (void)snprintf(ica, sizeof ica, "NVIDIA %s Provisioner ICA 1", chip_name(d->is_switch));
    device_names(d, i, brom, leaf);
    if ((err = clo_signer_new_p384(&d->brom_key)) != 0 ||
        (err = clo_signer_new_p384(&d->leaf_key)) != 0 ||
        (err = ca(y, brom, d->brom_key, ica, y->family[d->is_switch].ica_key, 100 + i, &d->brom)) !=
            0)
        return err;
    return leaf_cert(y, i, y->now + 8 * YEAR, &d->leaf);
}

int synthetic_new(int64_t now, struct synthetic **ret)
{
    struct synthetic *y = calloc(1, sizeof *y);
    int err;

    if (y == NULL)
        return CLOISTER_E_MEMORY;
    y->now = now;
    if ((err = make_amd(y)) != 0 || (err = clo_signer_new_p384(&y->nvidia_key)) != 0 ||
        (err = clo_signer_new_p384(&y->stranger_key)) != 0 ||
        (err = clo_signer_new_p384(&y->responder_key)) != 0 ||
        (err = ca(y, "NVIDIA Device Identity CA", y->nvidia_key, "NVIDIA Device Identity CA",
                  y->nvidia_key, 1, &y->nvidia)) != 0 ||
        (err = ca(y, "NVIDIA Device Identity CA", y->stranger_key, "NVIDIA Device Identity CA",
                  y->stranger_key, 1, &y->stranger)) != 0 ||
        (err = make_family(y, false)) != 0 || (err = make_family(y, true)) != 0)
        goto out;
    for (size_t i = 0; i < CLO_ARRAY_LEN(y->device) && err == 0; i++)
        err = make_device(y, i);
    if (err != 0)
        goto out;
    *ret = y;
    y = NULL;
out:
    synthetic_free(y);
    return err;
}

void synthetic_free(struct synthetic *y)
{
    if (y == NULL)
        return;
    for (size_t i = 0; i < AMD_CERTS; i++) {
        clo_signer_free(y->amd_key[i]);
        clo_buf_clear(&y->amd[i]);
    }
    clo_signer_free(y->nvidia_key);
    clo_signer_free(y->stranger_key);
    clo_signer_free(y->responder_key);
    clo_buf_clear(&y->nvidia);
    clo_buf_clear(&y->stranger);
    for (size_t i = 0; i < CLO_ARRAY_LEN(y->family); i++) {
        clo_signer_free(y->family[i].identity_key);
        clo_signer_free(y->family[i].ica_key);
        clo_buf_clear(&y->family[i].identity);
        clo_buf_clear(&y->family[i].ica);
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(y->device); i++) {
        clo_signer_free(y->device[i].brom_key);
        clo_signer_free(y->device[i].leaf_key);
        clo_buf_clear(&y->device[i].brom);
        clo_buf_clear(&y->device[i].leaf);
    }
    free(y);
}

const struct clo_buf *synthetic_amd_root(const struct synthetic *y)
{
    return &y->amd[2];
}

const struct clo_buf *synthetic_nvidia_root(const struct synthetic *y)
{
    return &y->nvidia;
}

const struct clo_buf *synthetic_amd(const struct synthetic *y, size_t i)
{
    return &y->amd[i];
}

static int key_pem(const struct clo_signer *key, struct clo_buf *out)
{
    BIO *pem = BIO_new(BIO_s_mem());
    char *p = NULL;
    long n;
    int err;

    if (pem == NULL ||
        PEM_write_bio_PKCS8PrivateKey(pem, key->key, NULL, NULL, 0, NULL, NULL) != 1) {
        BIO_free(pem);
        return CLOISTER_E_CRYPTO;
    }
    n = BIO_get_mem_data(pem, &p);
    err = clo_buf_append(out, p, (size_t)n);
    BIO_free(pem);
    return err;
}

int synthetic_vcek_key(const struct synthetic *y, struct clo_buf *out)
{
    return key_pem(y->amd_key[0], out);
}

int synthetic_gpu_key(const struct synthetic *y, size_t i, struct clo_buf *out)
{
    return i < SYNTHETIC_GPUS ? key_pem(y->device[i].leaf_key, out) : CLOISTER_E_ARGUMENT;
}

int synthetic_roots(const struct synthetic *y, struct cloister_roots **ret)
{
    struct cloister_roots *r = NULL;
    int err;

    if ((err = cloister_roots_new(&r)) != 0 ||
        (err = cloister_roots_add_amd(r, "Genoa", y->amd[2].p, y->amd[2].len)) != 0 ||
        (err = cloister_roots_add_nvidia(r, y->nvidia.p, y->nvidia.len)) != 0) {
        cloister_roots_free(r);
        return err;
    }
    *ret = r;
    return 0;
}

/* ---- devices ---- */

/* What block `index` of a sound device measures. */
static int measurement(bool is_switch, size_t index, uint8_t ret[48])
{
    const uint8_t in[] = {is_switch, (uint8_t)index};

    return clo_hash(CLO_SHA384, &(struct clo_slice){in, sizeof in}, 1, ret);
}

static int block_write(struct clo_wr *wr, bool is_switch, size_t index, bool other)
{
    uint8_t value[48];
    int err;

    if ((err = measurement(is_switch, index, value)) != 0)
        return err;
    value[47] ^= (uint8_t)other;
    if ((err = clo_wr_u8(wr, (uint8_t)(index + 1))) != 0 || (err = clo_wr_u8(wr, 1)) != 0 ||
        (err = clo_wr_u16le(wr, 51)) != 0 || (err = clo_wr_u8(wr, 1)) != 0 ||
        (err = clo_wr_u16le(wr, 48)) != 0)
        return err;
    return clo_wr_bytes(wr, value, sizeof value);
}

static int field_write(struct clo_wr *wr, uint16_t id, const void *p, size_t n)
{
    int err;

    if ((err = clo_wr_u16le(wr, id)) != 0 || (err = clo_wr_u16le(wr, (uint16_t)n)) != 0)
        return err;
    return clo_wr_bytes(wr, p, n);
}

/* A text with the zero byte that drivers put behind it. */
static int text_write(struct clo_wr *wr, uint16_t id, const char *s)
{
    return field_write(wr, id, s, strlen(s) + 1);
}

static int gpu_fields(const struct synthetic *y, const struct synthetic_scene *s, bool bad,
                      struct clo_wr *wr)
{
    static const uint8_t vbios[] = {0x00, 0x74, 0x00, 0x96, 0x1c, 0, 0, 0}, decoder[] = {0xaa};
    const bool multi = bad && s->defect == SYNTHETIC_OTHER_MODE;
    const uint8_t flag[] = {multi ? 1 : s->switches > 0 ? 2 : 0, 0};
    const uint8_t pcie[] = {flag[0] == 2 ? 0xaa : 0x55};
    uint8_t pdi[(SYNTHETIC_SWITCHES + 1) * 8];
    size_t ports = s->switches;
    int err;

    for (size_t i = 0; i < s->switches; i++) /* least significant byte first */
        for (size_t k = 0; k < 8; k++)
            pdi[8 * i + k] = y->device[SYNTHETIC_GPUS + s->first_switch + i].pdi[7 - k];
    if (bad && s->defect == SYNTHETIC_OTHER_SWITCH)
        pdi[0] ^= 1;
    else if (bad && s->defect == SYNTHETIC_MORE_SWITCHES)
        memset(pdi + 8 * ports++, 0x4f, 8);
    else if (bad && s->defect == SYNTHETIC_FEWER_SWITCHES)
        ports--;
    if ((err = text_write(wr, 3, bad && s->defect == SYNTHETIC_OLD_DRIVER ? OLD_DRIVER : DRIVER)) !=
            0 ||
        (err = field_write(wr, 6, vbios, sizeof vbios)) != 0 ||
        (err = field_write(wr, 11, decoder, sizeof decoder)) != 0 ||
        (err = text_write(wr, 15, "882")) != 0 || (err = text_write(wr, 17, "1010")) != 0 ||
        (err = text_write(wr, 18, "0200")) != 0 ||
        (err = field_write(wr, 21, pcie, sizeof pcie)) != 0 ||
        (err = field_write(wr, 36, flag, sizeof flag)) != 0)
        return err;
    return s->switches == 0 ? 0 : field_write(wr, 22, pdi, 8 * ports);
}

static int fields(const struct synthetic *y, const struct synthetic_scene *s,
                  const struct device *d, bool bad, struct clo_wr *wr)
{
    uint8_t fwid[48];
    int err;

    firmware_id(d->is_switch, fwid);
    fwid[0] ^= (uint8_t)(bad && s->defect == SYNTHETIC_OTHER_FWID);
    if ((err = field_write(wr, 20, fwid, sizeof fwid)) != 0)
        return err;
    if (!d->is_switch)
        return gpu_fields(y, s, bad, wr);
    if ((err = text_write(wr, 6, LS10_VBIOS)) != 0)
        return err;
    return field_write(wr, 22, d->pdi, sizeof d->pdi);
}

/* GET_MEASUREMENTS and MEASUREMENTS, signed. */
static int report(const struct synthetic *y, const struct synthetic_scene *s,
                  const struct device *d, bool bad, const uint8_t nonce[32], struct clo_buf *ret)
{
    static const uint8_t request[] = {0x11, 0xe0, 0x01, 0xff}, response[] = {0x11, 0x60, 0, 0};
    const size_t blocks = d->is_switch ? LS10_BLOCKS : GPU_BLOCKS, record = 55 * blocks;
    uint8_t p[REPORT_MAX], f[1024], own[32], r[48], sig[48];
    struct clo_wr wr = clo_wr_init(p, sizeof p), fw = clo_wr_init(f, sizeof f);
    int err;

    memset(own, 0x77, sizeof own);
    if ((err = fields(y, s, d, bad, &fw)) != 0 ||
        (err = clo_wr_bytes(&wr, request, sizeof request)) != 0 ||
        (err = clo_wr_bytes(&wr, nonce, 32)) != 0 || (err = clo_wr_u8(&wr, 0)) != 0 ||
        (err = clo_wr_bytes(&wr, response, sizeof response)) != 0 ||
        (err = clo_wr_u8(&wr, (uint8_t)blocks)) != 0 ||
        (err = clo_wr_u16le(&wr, (uint16_t)record)) != 0 || (err = clo_wr_u8(&wr, 0)) != 0)
        return err;
    for (size_t i = 0; i < blocks && err == 0; i++)
        err = block_write(&wr, d->is_switch, i,
                          bad && s->defect == SYNTHETIC_OTHER_FIRMWARE && i == 5);
    if (err != 0 || (err = clo_wr_bytes(&wr, own, sizeof own)) != 0 ||
        (err = clo_wr_u16le(&wr, (uint16_t)fw.len)) != 0 ||
        (err = clo_wr_bytes(&wr, f, fw.len)) != 0 ||
        (err = clo_signer_sign_p384(d->leaf_key, p, wr.len, r, sig)) != 0 ||
        (err = clo_wr_bytes(&wr, r, sizeof r)) != 0 ||
        (err = clo_wr_bytes(&wr, sig, sizeof sig)) != 0)
        return err;
    if (bad && s->defect == SYNTHETIC_FLIPPED)
        p[60] ^= 1; /* in the first measurement */
    *ret = clo_buf_init(CLO_DEVICE_REPORT_MAX);
    return clo_buf_append(ret, p, wr.len);
}

static int copy(const struct clo_buf *from, struct clo_buf *ret)
{
    *ret = clo_buf_init(from->max);
    return clo_buf_append(ret, from->p, from->len);
}

/* Of the laboratory's devices the one that stands at place i of the scene's list. */
static size_t device_at(const struct synthetic_scene *s, size_t i)
{
    if (s->defect == SYNTHETIC_TWICE && i == s->at + 1)
        i = s->at;
    return i < s->gpus ? s->first_gpu + i : SYNTHETIC_GPUS + s->first_switch + i - s->gpus;
}

static int make_list(const struct synthetic *y, struct synthetic_scene *s, const uint8_t nonce[32])
{
    const size_t n = s->gpus + s->switches;
    uint8_t other[32];
    int err = 0;

    memset(other, 0x3c, sizeof other);
    s->devices.device = calloc(n == 0 ? 1 : n, sizeof *s->devices.device);
    if (s->devices.device == NULL)
        return CLOISTER_E_MEMORY;
    for (size_t i = 0; i < n && err == 0; i++) {
        const struct device *d = &y->device[device_at(s, i)];
        const struct family *f = &y->family[d->is_switch];
        const bool bad = s->defect != SYNTHETIC_SOUND && i == s->at;
        const struct clo_buf *const chain[] = {&d->leaf, &d->brom, &f->ica, &f->identity,
                                               &y->stranger};
        struct clo_device *to = &s->devices.device[i];

        s->devices.count = i + 1;
        memcpy(to->arch, d->is_switch ? "ls10" : "hopper", d->is_switch ? 5 : 7);
        err = report(y, s, d, bad, bad && s->defect == SYNTHETIC_OTHER_NONCE ? other : nonce,
                     &to->report);
        to->chain_n = bad && s->defect == SYNTHETIC_NO_CHAIN         ? 0
                      : bad && s->defect == SYNTHETIC_STRANGERS_ROOT ? 5
                                                                     : 4;
        for (size_t k = 0; k < to->chain_n && err == 0; k++)
            err = k == 0 && bad && s->defect == SYNTHETIC_LEAF_EXPIRED
                      ? leaf_cert(y, device_at(s, i), y->now - 1, &to->chain[k])
                      : copy(chain[k], &to->chain[k]);
    }
    return err;
}

/* ---- collateral ---- */

struct answer {
    const struct clo_buf *cert, *issuer;
    const struct clo_signer *issuer_key;
    const char *issuer_cn;
    enum clo_ocsp_status status;
    bool hold;
    int64_t from, to;
};

/* For a responder that the issuer named: its certificate is the issuer's word, and ends in a year. */
static int responder(const struct synthetic *y, const struct answer *a, struct clo_buf *ret)
{
    const struct clo_cert_spec spec = {
        .subject_cn = "NDIS OCSP Responder",
        .issuer_cn = a->issuer_cn,
        .serial = 77,
        .not_before = y->now - YEAR,
        .not_after = y->now + YEAR,
        .eku = CLO_EKU_OCSP_SIGNING,
        .subject = y->responder_key,
        .issuer = a->issuer_key,
    };

    return cert(&spec, ret);
}

static int answer_add(const struct synthetic *y, struct synthetic_scene *s, const struct answer *a,
                      const struct clo_signer *signer)
{
    struct clo_cert *c = NULL, *issuer = NULL, *delegate = NULL;
    struct clo_buf der = {0}, *to = &s->collateral.ocsp[s->collateral.ocsps];
    struct clo_ocsp_answer_spec one = {
        .status = a->status,
        .has_reason = a->hold,
        .reason = 6,
        .this_update = a->from,
        .next_update = a->to,
    };
    struct clo_ocsp_spec spec = {
        .answer = &one, .answers = 1, .signer = signer, .produced_at = a->from};
    int err;

    if (s->collateral.ocsps == CLO_OCSPS_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = clo_cert_parse(a->cert->p, a->cert->len, &c)) != 0 ||
        (err = clo_cert_parse(a->issuer->p, a->issuer->len, &issuer)) != 0)
        goto out;
    if (s->delegated && signer == a->issuer_key) {
        if ((err = responder(y, a, &der)) != 0 ||
            (err = clo_cert_parse(der.p, der.len, &delegate)) != 0)
            goto out;
        spec.responder = delegate;
        spec.signer = y->responder_key;
    }
    one.cert = c;
    spec.issuer = issuer;
    *to = clo_buf_init(CLO_OCSP_MAX);
    s->collateral.ocsps++;
    err = clo_ocsp_make(&spec, to);
out:
    clo_buf_clear(&der);
    clo_cert_free(c);
    clo_cert_free(issuer);
    clo_cert_free(delegate);
    return err;
}

/* The answer for a device's own certificate, and what can be wrong with it. */
static int device_answer(const struct synthetic *y, struct synthetic_scene *s, size_t i)
{
    const enum synthetic_defect defect = i == s->at ? s->defect : SYNTHETIC_SOUND;
    const size_t which = device_at(s, i);
    const struct device *d = &y->device[which];
    const struct family *f = &y->family[d->is_switch];
    const struct clo_signer *signer = f->ica_key;
    struct answer a = {
        .cert = &d->brom,
        .issuer = &f->ica,
        .issuer_key = f->ica_key,
        .issuer_cn = d->is_switch ? "NVIDIA LS_10 Provisioner ICA 1"
                                  : "NVIDIA GH100 Provisioner ICA 1",
        .status = CLO_OCSP_GOOD,
        .from = s->now - DAY,
        .to = s->answers_until,
    };

    for (size_t k = 0; k < i; k++)
        if (device_at(s, k) == which)
            return 0;
    switch (defect) {
    case SYNTHETIC_NO_ANSWER: return 0;
    case SYNTHETIC_ON_HOLD: a.hold = true; /* fall through */
    case SYNTHETIC_REVOKED: a.status = CLO_OCSP_REVOKED; break;
    case SYNTHETIC_UNKNOWN: a.status = CLO_OCSP_UNKNOWN; break;
    case SYNTHETIC_ANSWER_EXPIRED: a.to = s->now - 1; break;
    case SYNTHETIC_ANSWER_EARLY: a.from = s->now + 1; break;
    case SYNTHETIC_ANSWER_ENDLESS: a.to = INT64_MIN; break;
    case SYNTHETIC_ANSWER_OF_OTHER: /* one that the machine doesn't have */
        a.cert = &y->device[d->is_switch ? CLO_ARRAY_LEN(y->device) - 1 : SYNTHETIC_GPUS - 1].brom;
        break;
    case SYNTHETIC_ANSWER_STRANGER: signer = y->stranger_key; break;
    default: break;
    }
    return answer_add(y, s, &a, signer);
}

static int family_answers(const struct synthetic *y, struct synthetic_scene *s, bool is_switch)
{
    const struct family *f = &y->family[is_switch];
    const struct answer identity = {
        .cert = &f->identity,
        .issuer = &y->nvidia,
        .issuer_key = y->nvidia_key,
        .issuer_cn = "NVIDIA Device Identity CA",
        .status = CLO_OCSP_GOOD,
        .from = s->now - DAY,
        .to = s->answers_until,
    };
    struct answer ica = identity;
    int err;

    ica.cert = &f->ica;
    ica.issuer = &f->identity;
    ica.issuer_key = f->identity_key;
    ica.issuer_cn = is_switch ? "NVIDIA LS_10 Identity" : "NVIDIA GH100 Identity";
    if (s->defect == SYNTHETIC_ICA_REVOKED)
        ica.status = CLO_OCSP_REVOKED;
    if ((err = answer_add(y, s, &identity, y->nvidia_key)) != 0)
        return err;
    return answer_add(y, s, &ica, f->identity_key);
}

static int make_collateral(const struct synthetic *y, struct synthetic_scene *s)
{
    static const uint64_t revoked[] = {131073};
    const struct clo_crl_spec crl = {
        .issuer_cn = "ARK-Genoa",
        .this_update = s->now - DAY,
        .next_update = s->crl_until,
        .revoked = revoked,
        .revoked_n = 1,
        .issuer = y->amd_key[2],
    };
    int err;

    s->collateral.crl[0] = clo_buf_init(CLO_CRL_MAX);
    s->collateral.crls = 1;
    if ((err = clo_crl_make(&crl, &s->collateral.crl[0])) != 0)
        return err;
    if (s->defect == SYNTHETIC_NO_ANSWERS)
        return 0;
    if ((s->gpus > 0 && (err = family_answers(y, s, false)) != 0) ||
        (s->switches > 0 && (err = family_answers(y, s, true)) != 0))
        return err;
    for (size_t i = 0; i < s->gpus + s->switches && err == 0; i++)
        err = device_answer(y, s, i);
    return err;
}

/* ---- the report of the machine itself ---- */

static void put_le(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

int synthetic_report(const struct synthetic *y, const uint8_t data[64],
                     uint8_t ret[CLO_SNP_REPORT_LEN])
{
    static const size_t tcb_at[] = {0x038, 0x180, 0x1e0, 0x1f0};
    uint8_t p[CLO_SNP_REPORT_LEN] = {0}, r[48], s[48];
    int err;

    put_le(p, 5, 4);
    put_le(p + 0x008, 0x3001f, 8);
    put_le(p + 0x034, 1, 4);
    put_le(p + 0x040, 0x25, 8); /* SMT, ECC, alias check */
    memcpy(p + 0x050, data, 64);
    memset(p + 0x090, 0x55, 48);
    memcpy(p + 0x188, "\x19\x11\x01", 3);
    memset(p + 0x1a0, 0xc1, 64);
    memcpy(p + 0x1e8, "\x2b\x37\x01\x00\x2b\x37\x01\x00", 8);
    for (size_t i = 0; i < CLO_ARRAY_LEN(tcb_at); i++)
        put_le(p + tcb_at[i], 10 | (uint64_t)27 << 48 | (uint64_t)200 << 56, 8);
    if ((err = clo_signer_sign_p384(y->amd_key[0], p, 0x2a0, r, s)) != 0)
        return err;
    for (size_t i = 0; i < 48; i++) {
        p[0x2a0 + i] = r[47 - i];
        p[0x2e8 + i] = s[47 - i];
    }
    memcpy(ret, p, sizeof p);
    return 0;
}

static void section_new(struct synthetic_scene *s, enum clo_section which)
{
    clo_buf_clear(&s->sec[which]);
    s->sec[which] = clo_buf_init(CLO_SECTION_MAX);
}

int synthetic_document(struct synthetic_scene *s)
{
    struct clo_section_ref ref[CLO_SEC_COUNT] = {0};

    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        ref[i] = (struct clo_section_ref){.p = s->sec[i].p, .n = s->sec[i].len};
    clo_buf_clear(&s->document);
    s->document = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    return clo_evidence_write(ref, &s->document);
}

int synthetic_bind(const struct synthetic *y, struct synthetic_scene *s)
{
    struct clo_cpu_section cpu = {.type = "sev-snp", .report_n = CLO_SNP_REPORT_LEN, .chain_n = 2};
    struct clo_batch_section batch;
    uint8_t digest[3][32], data[64];
    int err = 0;

    section_new(s, CLO_SEC_BATCH);
    section_new(s, CLO_SEC_CPU);
    for (size_t i = CLO_SEC_KEYS; i <= CLO_SEC_DEVICES && err == 0; i++)
        err = clo_sha256(s->sec[i].p, s->sec[i].len, digest[i]);
    if (err != 0 ||
        (err = clo_batch_make((const uint8_t(*)[32])s->nonce, SYNTHETIC_NONCES,
                              SYNTHETIC_NONCES - 1, &batch)) != 0 ||
        (err = clo_batch_section_write(&batch, &s->sec[CLO_SEC_BATCH])) != 0 ||
        (err = clo_bind_cpu(batch.root, digest[CLO_SEC_KEYS], digest[CLO_SEC_MANIFEST],
                            digest[CLO_SEC_DEVICES], data)) != 0 ||
        (err = synthetic_report(y, data, cpu.report)) != 0 ||
        (err = copy(&y->amd[0], &cpu.chain[0])) != 0 ||
        (err = copy(&y->amd[1], &cpu.chain[1])) != 0 ||
        (err = clo_cpu_section_write(&cpu, &s->sec[CLO_SEC_CPU])) != 0)
        goto out;
    err = synthetic_document(s);
out:
    clo_cpu_section_clear(&cpu);
    return err;
}

/* ---- the policy ---- */

__attribute__((format(printf, 2, 3))) static int say(struct clo_buf *b, const char *format, ...)
{
    char text[2048];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text)
        return CLOISTER_E_LIMIT;
    for (int i = 0; i < n; i++)
        if (text[i] == '\'')
            text[i] = '"';
    return clo_buf_append(b, text, (size_t)n);
}

static int say_measurements(struct clo_buf *b, bool is_switch, size_t from, size_t to)
{
    int err = say(b, "'measurements':[");

    for (size_t i = from; i < to && err == 0; i++) {
        uint8_t value[48];
        char hex[97];

        if ((err = measurement(is_switch, i, value)) != 0)
            return err;
        clo_hex(value, sizeof value, hex);
        err = say(b, "%s{'index':%zu,'values':['%s']}", i == from ? "" : ",", i, hex);
    }
    return err != 0 ? err : say(b, "]}");
}

#define RIM_SHA256 \
    "'rim_sha256':'0000000000000000000000000000000000000000000000000000000000000000',"

static int say_references(const struct synthetic_scene *s, struct clo_buf *b)
{
    int err;

    if ((err = say(b, ",'reference_values':[{'kind':'driver','arch':'hopper',"
                      "'id':'NV_GPU_DRIVER_GH100_" DRIVER "','version':'" DRIVER
                      "'," RIM_SHA256)) != 0 ||
        (err = say_measurements(b, false, 0, DRIVER_INDEX)) != 0 ||
        (err = say(b,
                   ",{'kind':'vbios','arch':'hopper','id':'NV_GPU_VBIOS_1010_0200_882_960074001C',"
                   "'version':'" VBIOS
                   "','project':'1010','project_sku':'0200','chip_sku':'882'," RIM_SHA256)) != 0 ||
        (err = say_measurements(b, false, DRIVER_INDEX, VBIOS_INDEX)) != 0)
        return err;
    if (s->switches == 0)
        return say(b, "]");
    if ((err = say(b,
                   ",{'kind':'vbios','arch':'ls10','id':'NV_SWITCH_BIOS_5612_0002_890_96105B0001',"
                   "'version':'" LS10_VBIOS "'," RIM_SHA256)) != 0 ||
        (err = say_measurements(b, true, 0, LS10_BLOCKS)) != 0)
        return err;
    return say(b, "]");
}

static int make_policy(struct synthetic_scene *s)
{
    struct clo_buf *b = &s->policy;
    int err;

    *b = clo_buf_init(1 << 20);
    if ((err = say(b, "{'v':1,'name':'synthetic','tee':['sev-snp'],'measurements':['")) != 0)
        return err;
    for (size_t i = 0; i < 48 && err == 0; i++)
        err = say(b, s->image_not_pinned ? "56" : "55");
    if (err != 0 ||
        (err = say(b,
                   "'],'sev_snp':{'products':{'genoa':{'min_tcb':{'bl':10,'tee':0,'snp':27,"
                   "'ucode':200},'min_firmware':'1.55.43'}},'allow_smt':true,"
                   "'require_platform':['alias_check','ecc']},'devices':{'min':%zu,'switches':%zu",
                   s->policy_gpus, s->policy_switches)) != 0)
        return err;
    if (s->policy_gpus > 0 &&
        ((err = say(b,
                    ",'architectures':['hopper'],'modes':['%s'],'min_driver':'" DRIVER "',"
                    "'min_vbios':{'hopper':'" VBIOS "'}",
                    s->switches > 0 ? "protected-pcie" : "single")) != 0 ||
         (err = say_references(s, b)) != 0))
        return err;
    if ((err = say(b, "}}")) != 0 || (err = clo_buf_append(b, "", 1)) != 0)
        return err;
    b->len--;
    return 0;
}

/* ---- all of it ---- */

void synthetic_good(const struct synthetic *y, size_t gpus, size_t switches,
                    struct synthetic_scene *ret)
{
    struct synthetic_scene s = {
        .now = y->now,
        .keys = {.created = y->now - 600,
                 .expires = y->now + 1200,
                 .gateway = "/r/0123456789abcdef"},
        .key_seed = 1,
        .manifest =
            {
                .release = "0.1.0",
                .engine_name = "llama-server",
                .engine_version = "b1",
                .managed = true,
                .upstream = "unix",
                .model = "Some Model",
                .prefix_cache = "credential",
                .shape = CLO_SHAPING_FULL,
                .request_bytes = 1048576,
            },
        .gpus = gpus,
        .switches = switches,
        .policy_gpus = gpus,
        .policy_switches = switches,
        .ours = {.sent_at = y->now - 2},
        .answers_until = y->now + 7 * DAY,
        .crl_until = y->now + YEAR,
    };

    for (size_t i = 0; i < SYNTHETIC_NONCES; i++)
        memset(s.nonce[i], (int)(0x40 + i), 32);
    memcpy(s.ours.bytes, s.nonce[SYNTHETIC_NONCES - 1], 32);
    memset(s.manifest.model_sha256, 0x22, 32);
    *ret = s;
}

static int make_keys(struct synthetic_scene *s)
{
    struct clo_ohttp_keyconf conf = {.key_id = 1, .kem = CLO_KEM_XWING, .suites = 1};
    const uint8_t seed[32] = {s->key_seed};
    struct clo_wr wr = clo_wr_init(s->keys.ohttp_keys, sizeof s->keys.ohttp_keys);
    int err;

    conf.suite[0].kdf = CLO_KDF_HKDF_SHA256;
    conf.suite[0].aead = CLO_AES_256_GCM;
    if ((err = clo_kem_public(conf.kem, seed, conf.pk)) != 0 ||
        (err = clo_ohttp_keys_write(&conf, 1, &wr)) != 0)
        return err;
    s->keys.ohttp_keys_n = wr.len;
    return clo_keys_section_write(&s->keys, &s->sec[CLO_SEC_KEYS]);
}

int synthetic_make(const struct synthetic *y, struct synthetic_scene *s)
{
    uint8_t keys[32], manifest[32], nonce[32];
    int err;

    if (s->first_gpu + s->gpus > SYNTHETIC_GPUS ||
        s->first_switch + s->switches > SYNTHETIC_SWITCHES)
        return CLOISTER_E_ARGUMENT;
    for (unsigned i = 0; i < CLO_SEC_COUNT; i++)
        section_new(s, i);
    if ((err = make_policy(s)) != 0 || (err = make_keys(s)) != 0 ||
        (err = clo_manifest_write(&s->manifest, &s->sec[CLO_SEC_MANIFEST])) != 0 ||
        (err = clo_sha256(s->sec[CLO_SEC_KEYS].p, s->sec[CLO_SEC_KEYS].len, keys)) != 0 ||
        (err = clo_sha256(s->sec[CLO_SEC_MANIFEST].p, s->sec[CLO_SEC_MANIFEST].len, manifest)) !=
            0 ||
        (err = clo_bind_gpu(keys, manifest, nonce)) != 0 || (err = make_list(y, s, nonce)) != 0 ||
        (err = clo_devices_section_write(&s->devices, &s->sec[CLO_SEC_DEVICES])) != 0 ||
        (err = make_collateral(y, s)) != 0 ||
        (err = clo_collateral_write(&s->collateral, &s->sec[CLO_SEC_COLLATERAL])) != 0)
        return err;
    return synthetic_bind(y, s);
}

void synthetic_clear(struct synthetic_scene *s)
{
    clo_devices_clear(&s->devices);
    clo_collateral_clear(&s->collateral);
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        clo_buf_clear(&s->sec[i]);
    clo_buf_clear(&s->document);
    clo_buf_clear(&s->policy);
}
