/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: evidence in the format of SEV-SNP (AMD document 56860, report version 5, as a Genoa guest
 * would give it) under a root that is invented at start, so that everything behind the hardware can be
 * run and tested without it. Nothing here protects anything, and everything says so: the type, every
 * certificate's name, and a measurement that belongs to no image.
 *
 * Its RSA keys have 2048 bits so that a start takes a fraction of a second. They are used at the start only,
 * and destroyed then; the report key lives as long as the maker, in memory only.
 */
#include "platform/maker.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/x509.h"
#include "crypto/x509_make.h"

#define ROOT_CN "ARK-Genoa-SIMULATED"
#define ASK_CN  "SEV-Genoa-SIMULATED"
#define VCEK_CN "SEV-VCEK-SIMULATED"
#define HOUR    3600
#define YEAR    (365 * 24 * HOUR)

/* One firmware level for everything: boot loader 10, TEE 0, SNP 27, microcode 84. */
#define TCB_BL    10
#define TCB_TEE   0
#define TCB_SNP   27
#define TCB_UCODE 84

#define GUEST_POLICY \
    0x30000u /* SMT allowed; bit 17 is always one; no debugging, no migration agent */
#define PLATFORM_INFO 0x25u /* SMT, ECC, ALIAS_CHECK_COMPLETE */
#define SIGNED_LEN    0x2a0

static const char measured_text[] = "cloister simulator v1: this is not protected";

struct simulator {
    struct clo_maker base;
    struct clo_signer *vcek;
    struct clo_buf chain[3]; /* VCEK, ASK, root */
    struct clo_buf crl;
    uint8_t root_digest[32];
    uint8_t measurement[48];
    uint8_t chip_id[64];
    uint8_t report_id[32];
};

static int write_tcb(struct clo_wr *wr)
{
    const uint8_t tcb[8] = {TCB_BL, TCB_TEE, 0, 0, 0, 0, TCB_SNP, TCB_UCODE};

    return clo_wr_bytes(wr, tcb, sizeof tcb);
}

/* Build, minor, major and a reserved byte. */
static int write_firmware(struct clo_wr *wr)
{
    const uint8_t version[4] = {43, 55, 1, 0};

    return clo_wr_bytes(wr, version, sizeof version);
}

/* Everything that the signature covers, in the report's order. */
static int write_body(const struct simulator *s, const uint8_t report_data[64], struct clo_wr *wr)
{
    static const uint8_t cpuid[3] = {0x19, 0x11, 0x01};
    uint8_t none[32];
    int err;

    memset(none, 0xff, sizeof none);                          /* no migration agent */
    if ((err = clo_wr_u32le(wr, 5)) != 0 ||                   /* 0x000 VERSION */
        (err = clo_wr_u32le(wr, 0)) != 0 ||                   /* 0x004 GUEST_SVN */
        (err = clo_wr_u64le(wr, GUEST_POLICY)) != 0 ||        /* 0x008 POLICY */
        (err = clo_wr_zero(wr, 32)) != 0 ||                   /* 0x010 FAMILY_ID, IMAGE_ID */
        (err = clo_wr_u32le(wr, 0)) != 0 ||                   /* 0x030 VMPL */
        (err = clo_wr_u32le(wr, 1)) != 0 ||                   /* 0x034 ECDSA P-384 */
        (err = write_tcb(wr)) != 0 ||                         /* 0x038 CURRENT_TCB */
        (err = clo_wr_u64le(wr, PLATFORM_INFO)) != 0 ||       /* 0x040 */
        (err = clo_wr_zero(wr, 8)) != 0 ||                    /* 0x048 flags: VCEK */
        (err = clo_wr_bytes(wr, report_data, 64)) != 0 ||     /* 0x050 */
        (err = clo_wr_bytes(wr, s->measurement, 48)) != 0 ||  /* 0x090 */
        (err = clo_wr_zero(wr, 128)) != 0 ||                  /* 0x0c0 HOST_DATA, digests */
        (err = clo_wr_bytes(wr, s->report_id, 32)) != 0 ||    /* 0x140 */
        (err = clo_wr_bytes(wr, none, sizeof none)) != 0 ||   /* 0x160 REPORT_ID_MA */
        (err = write_tcb(wr)) != 0 ||                         /* 0x180 REPORTED_TCB */
        (err = clo_wr_bytes(wr, cpuid, sizeof cpuid)) != 0 || /* 0x188 */
        (err = clo_wr_zero(wr, 21)) != 0 ||
        (err = clo_wr_bytes(wr, s->chip_id, 64)) != 0 || /* 0x1a0 */
        (err = write_tcb(wr)) != 0 ||                    /* 0x1e0 COMMITTED_TCB */
        (err = write_firmware(wr)) != 0 ||               /* 0x1e8 current */
        (err = write_firmware(wr)) != 0 ||               /* 0x1ec committed */
        (err = write_tcb(wr)) != 0 ||                    /* 0x1f0 LAUNCH_TCB */
        (err = clo_wr_zero(wr, SIGNED_LEN - wr->len)) != 0)
        return err;
    return 0;
}

static void reverse(const uint8_t in[48], uint8_t out[48])
{
    for (size_t i = 0; i < 48; i++)
        out[i] = in[47 - i];
}

static int copy(const struct clo_buf *from, size_t max, struct clo_buf *to)
{
    *to = clo_buf_init(max);
    return clo_buf_append(to, from->p, from->len);
}

static int simulated_report(struct clo_maker *m, const uint8_t report_data[64],
                            struct clo_cpu_section *ret)
{
    const struct simulator *s = (const struct simulator *)m;
    struct clo_cpu_section c = {.type = "simulated", .report_n = CLO_SNP_REPORT_LEN};
    struct clo_wr wr = clo_wr_init(c.report, sizeof c.report);
    uint8_t r[48], sig_s[48];
    int err;

    if ((err = write_body(s, report_data, &wr)) != 0 ||
        (err = clo_signer_sign_p384(s->vcek, c.report, SIGNED_LEN, r, sig_s)) != 0)
        goto out;
    reverse(r, c.report + SIGNED_LEN);
    reverse(sig_s, c.report + SIGNED_LEN + 72);
    for (; c.chain_n < CLO_ARRAY_LEN(s->chain); c.chain_n++)
        if ((err = copy(&s->chain[c.chain_n], CLO_CERT_MAX, &c.chain[c.chain_n])) != 0)
            goto out;
    *ret = c;
    c.chain_n = 0; /* handed over */
out:
    clo_cpu_section_clear(&c);
    return err;
}

/* There is one thing to want: the list of revoked issuers. Its certificates come with each report. */
static int simulated_answer(struct clo_maker *m, const struct clo_want *w, struct clo_buf *body,
                            struct clo_buf *chain)
{
    const struct simulator *s = (const struct simulator *)m;

    clo_buf_clear(chain);
    if (w->kind != CLO_WANT_AMD_CRL)
        return CLOISTER_E_NOT_FOUND;
    clo_buf_clear(body);
    return copy(&s->crl, CLO_CRL_MAX, body);
}

static void simulated_free(struct clo_maker *m)
{
    struct simulator *s = (struct simulator *)m;

    clo_signer_free(s->vcek);
    for (size_t i = 0; i < CLO_ARRAY_LEN(s->chain); i++)
        clo_buf_clear(&s->chain[i]);
    clo_buf_clear(&s->crl);
    free(s);
}

static const struct clo_maker_ops simulated_ops = {
    .type = "simulated",
    .report = simulated_report,
    .answer = simulated_answer,
    .free = simulated_free,
};

/* AMD's extensions of a Genoa VCEK: INTEGERs, an IA5String, and the raw chip id. */
static int make_vcek(struct simulator *s, const struct clo_signer *ask, int64_t now)
{
    static const uint8_t zero[] = {2, 1, 0};
    static const uint8_t bl[] = {2, 1, TCB_BL}, tee[] = {2, 1, TCB_TEE};
    static const uint8_t snp[] = {2, 1, TCB_SNP}, ucode[] = {2, 1, TCB_UCODE};
    static const char product[] = "\x16\x05"
                                  "Genoa";
    const struct clo_cert_ext_spec ext[] = {
        {.oid = "1.3.6.1.4.1.3704.1.1", .p = zero, .n = 3},
        {.oid = "1.3.6.1.4.1.3704.1.2", .p = product, .n = sizeof product - 1},
        {.oid = "1.3.6.1.4.1.3704.1.3.1", .p = bl, .n = 3},
        {.oid = "1.3.6.1.4.1.3704.1.3.2", .p = tee, .n = 3},
        {.oid = "1.3.6.1.4.1.3704.1.3.4", .p = zero, .n = 3},
        {.oid = "1.3.6.1.4.1.3704.1.3.5", .p = zero, .n = 3},
        {.oid = "1.3.6.1.4.1.3704.1.3.6", .p = zero, .n = 3},
        {.oid = "1.3.6.1.4.1.3704.1.3.7", .p = zero, .n = 3},
        {.oid = "1.3.6.1.4.1.3704.1.3.3", .p = snp, .n = 3},
        {.oid = "1.3.6.1.4.1.3704.1.3.8", .p = ucode, .n = 3},
        {.oid = "1.3.6.1.4.1.3704.1.4", .p = s->chip_id, .n = sizeof s->chip_id},
    };
    const struct clo_cert_spec spec = {
        .subject_cn = VCEK_CN,
        .issuer_cn = ASK_CN,
        .not_before = now - HOUR,
        .not_after = now + YEAR,
        .ext = ext,
        .exts = CLO_ARRAY_LEN(ext),
        .subject = s->vcek,
        .issuer = ask,
    };

    return clo_cert_make(&spec, &s->chain[0]);
}

static int make_chain(struct simulator *s, const struct clo_signer *root,
                      const struct clo_signer *ask, int64_t now)
{
    struct clo_cert_spec spec = {
        .subject_cn = ROOT_CN,
        .issuer_cn = ROOT_CN,
        .serial = 1,
        .not_before = now - HOUR,
        .not_after = now + YEAR,
        .ca = true,
        .subject = root,
        .issuer = root,
    };
    const struct clo_crl_spec crl = {
        .issuer_cn = ROOT_CN,
        .this_update = now - HOUR,
        .next_update = now + YEAR,
        .issuer = root,
    };
    int err;

    if ((err = clo_cert_make(&spec, &s->chain[2])) != 0)
        return err;
    spec.subject_cn = ASK_CN;
    spec.serial = 2;
    spec.subject = ask;
    if ((err = clo_cert_make(&spec, &s->chain[1])) != 0 || (err = make_vcek(s, ask, now)) != 0 ||
        (err = clo_crl_make(&crl, &s->crl)) != 0)
        return err;
    return clo_sha256(s->chain[2].p, s->chain[2].len, s->root_digest);
}

int clo_maker_simulated_new(const struct clo_rng *rng, int64_t now, struct clo_maker **ret)
{
    const struct clo_slice text = {measured_text, sizeof measured_text - 1};
    struct clo_signer *root = NULL, *ask = NULL;
    struct simulator *s = NULL;
    int err;

    if ((s = calloc(1, sizeof *s)) == NULL)
        return CLOISTER_E_MEMORY;
    s->base.ops = &simulated_ops;
    for (size_t i = 0; i < CLO_ARRAY_LEN(s->chain); i++)
        s->chain[i] = clo_buf_init(CLO_CERT_MAX);
    s->crl = clo_buf_init(CLO_CRL_MAX);
    if ((err = clo_rng_fill(rng, s->chip_id, sizeof s->chip_id)) != 0 ||
        (err = clo_rng_fill(rng, s->report_id, sizeof s->report_id)) != 0 ||
        (err = clo_hash(CLO_SHA384, &text, 1, s->measurement)) != 0 ||
        (err = clo_signer_new_p384(&s->vcek)) != 0 ||
        (err = clo_signer_new_rsa(2048, &root)) != 0 ||
        (err = clo_signer_new_rsa(2048, &ask)) != 0 || (err = make_chain(s, root, ask, now)) != 0)
        goto out;
    *ret = &s->base;
    s = NULL;
out:
    clo_signer_free(ask);
    clo_signer_free(root);
    if (s != NULL)
        simulated_free(&s->base);
    return err;
}

void clo_maker_simulated_info(const struct clo_maker *m, uint8_t root[32], uint8_t measurement[48])
{
    const struct simulator *s = (const struct simulator *)m;

    memcpy(root, s->root_digest, sizeof s->root_digest);
    memcpy(measurement, s->measurement, sizeof s->measurement);
}

void clo_maker_free(struct clo_maker *m)
{
    if (m != NULL)
        m->ops->free(m);
}
