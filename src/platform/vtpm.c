/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Azure's confidential VMs (attest/azure.h). The paravisor keeps its envelope in an NV index of the vTPM, and renews the hardware's report in
 * it every few seconds at most, over data of its own: the report is as old as it is, and proves that the vTPM's attestation key is the
 * paravisor's. What makes evidence fresh is that key's quote, whose qualifying data are SHA-256 of the 64 bytes (docs/PROTOCOL.md
 * section 1).
 *
 * Nothing that the TPM says is taken for what was asked for before it was compared: the envelope is whole where its report covers its
 * runtime data, and the quote is ours where the key that they name signed our data and the PCR values that came along.
 */
#include "platform/maker.h"

#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "attest/azure.h"
#include "attest/hcl.h"
#include "attest/tpm_quote.h"
#include "platform/tpm_device.h"

#define ENVELOPE_INDEX       0x01400001u
#define AK_HANDLE            0x81000003u

#define TDREPORT_DATA_OFFSET 128
#define SNP_DATA_OFFSET      0x50

#define PCR_LEN              CLO_SHA256_LEN
#define PCR_BATCH            8 /* TPM2_PCR_Read gives no more digests at once */

/* What is read in pieces may change between them. */
#define ENVELOPE_TRIES 3
#define QUOTE_TRIES    4

struct vtpm {
    struct clo_maker base;
    uint32_t pcrs;
};

/* ---- envelope ---- */

static int nv_piece_max(struct clo_tpm_device *d, uint16_t *ret)
{
    TPMS_CAPABILITY_DATA *data = NULL;
    TPMI_YES_NO more = TPM2_NO;
    uint32_t max = 0;
    int err;

    err = clo_tpm_device_result(d, Esys_GetCapability(d->esys, ESYS_TR_NONE, ESYS_TR_NONE,
                                                      ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES,
                                                      TPM2_PT_NV_BUFFER_MAX, 1, &more, &data));
    if (err != 0)
        return err;
    if (data->capability == TPM2_CAP_TPM_PROPERTIES && data->data.tpmProperties.count == 1 &&
        data->data.tpmProperties.tpmProperty[0].property == TPM2_PT_NV_BUFFER_MAX)
        max = data->data.tpmProperties.tpmProperty[0].value;
    Esys_Free(data);
    if (max == 0)
        return CLOISTER_E_MALFORMED;
    *ret = max < TPM2_MAX_NV_BUFFER_SIZE ? (uint16_t)max : TPM2_MAX_NV_BUFFER_SIZE;
    return 0;
}

/* What is still missing. */
static int nv_read(struct clo_tpm_device *d, ESYS_TR auth, ESYS_TR index, uint16_t piece,
                   uint16_t size, struct clo_buf *out)
{
    TPM2B_MAX_NV_BUFFER *data = NULL;
    int err;

    while (out->len < size) {
        const size_t left = size - out->len;
        const uint16_t want = left < piece ? (uint16_t)left : piece;

        err = clo_tpm_device_result(d, Esys_NV_Read(d->esys, auth, index, ESYS_TR_PASSWORD,
                                                    ESYS_TR_NONE, ESYS_TR_NONE, want,
                                                    (uint16_t)out->len, &data));
        if (err != 0)
            return err;
        err = data->size == want ? clo_buf_append(out, data->buffer, want) : CLOISTER_E_MALFORMED;
        Esys_Free(data);
        if (err != 0)
            return err;
    }
    return 0;
}

/* Azure lets the owner read, whose authorisation is empty; where one was set, the index's own may do. */
static int nv_read_as_allowed(struct clo_tpm_device *d, ESYS_TR index, TPMA_NV attributes,
                              uint16_t piece, uint16_t size, struct clo_buf *out)
{
    int err = CLOISTER_E_PERMISSION;

    if ((attributes & TPMA_NV_OWNERREAD) != 0)
        err = nv_read(d, ESYS_TR_RH_OWNER, index, piece, size, out);
    if (err == CLOISTER_E_PERMISSION && (attributes & TPMA_NV_AUTHREAD) != 0)
        err = nv_read(d, index, index, piece, size, out);
    return err;
}

/* CLOISTER_E_NOT_FOUND: a TPM, but not Azure's. */
static int envelope_fetch(struct clo_tpm_device *d, struct clo_buf *out)
{
    TPM2B_NV_PUBLIC *public = NULL;
    ESYS_TR index = ESYS_TR_NONE;
    uint16_t piece = 0;
    int err;

    if ((err = clo_tpm_device_result(d, Esys_TR_FromTPMPublic(d->esys, ENVELOPE_INDEX, ESYS_TR_NONE,
                                                              ESYS_TR_NONE, ESYS_TR_NONE,
                                                              &index))) != 0 ||
        (err = clo_tpm_device_result(d,
                                     Esys_NV_ReadPublic(d->esys, index, ESYS_TR_NONE, ESYS_TR_NONE,
                                                        ESYS_TR_NONE, &public, NULL))) != 0 ||
        (err = nv_piece_max(d, &piece)) != 0)
        goto out;
    if (public->nvPublic.dataSize < CLO_HCL_RUNTIME_OFFSET ||
        public->nvPublic.dataSize > CLO_HCL_MAX)
        err = CLOISTER_E_UNSUPPORTED;
    else
        err = nv_read_as_allowed(d, index, public->nvPublic.attributes, piece,
                                 public->nvPublic.dataSize, out);
out:
    if (index != ESYS_TR_NONE)
        (void)Esys_TR_Close(d->esys, &index);
    Esys_Free(public);
    return err;
}

/* CLOISTER_E_UNSUPPORTED: none of Azure's that this version knows; CLOISTER_E_MALFORMED: broken, or of two pieces that don't belong together. */
static int envelope_look(const struct clo_buf *b, struct clo_hcl *ret)
{
    uint8_t data[64];
    struct clo_hcl h;
    int err;

    if (memcmp(b->p, "HCLA", 4) != 0)
        return CLOISTER_E_UNSUPPORTED;
    if ((err = clo_hcl_parse(b->p, b->len, &h)) != 0)
        return err == CLOISTER_E_UNKNOWN ? CLOISTER_E_UNSUPPORTED : CLOISTER_E_MALFORMED;
    if ((err = clo_hcl_report_data(&h, data)) != 0)
        return err;
    if (memcmp(h.report + (h.report_type == CLO_HCL_TDX ? TDREPORT_DATA_OFFSET : SNP_DATA_OFFSET),
               data, sizeof data) != 0)
        return CLOISTER_E_MALFORMED;
    *ret = h;
    return 0;
}

/* out is an empty buffer of CLO_HCL_MAX, which *ret borrows from. */
static int envelope_read(struct clo_tpm_device *d, struct clo_buf *out, struct clo_hcl *ret)
{
    int err = CLOISTER_E_MALFORMED;

    for (int i = 0; i < ENVELOPE_TRIES && err == CLOISTER_E_MALFORMED; i++) {
        clo_buf_clear(out);
        if ((err = envelope_fetch(d, out)) != 0)
            return err;
        err = envelope_look(out, ret);
    }
    return err;
}

/* ---- quote ---- */

static void selection_of(uint32_t pcrs, TPML_PCR_SELECTION *ret)
{
    *ret = (TPML_PCR_SELECTION){.count = 1};
    ret->pcrSelections[0].hash = TPM2_ALG_SHA256;
    ret->pcrSelections[0].sizeofSelect = CLO_POLICY_PCRS / 8;
    for (size_t i = 0; i < CLO_POLICY_PCRS / 8; i++)
        ret->pcrSelections[0].pcrSelect[i] = (uint8_t)(pcrs >> (8 * i));
}

/* Take over what came of those asked for: *ret_got says which. */
static int batch_take(uint32_t asked, const TPML_PCR_SELECTION *sel, const TPML_DIGEST *digest,
                      uint8_t value[CLO_POLICY_PCRS][PCR_LEN], uint32_t *ret_got)
{
    const TPMS_PCR_SELECTION *s = &sel->pcrSelections[0];
    uint32_t got = 0, k = 0;

    if (sel->count != 1 || s->hash != TPM2_ALG_SHA256)
        return CLOISTER_E_MALFORMED;
    for (size_t i = 0; i < s->sizeofSelect; i++)
        got |= (uint32_t)s->pcrSelect[i] << (8 * i);
    if ((got & ~asked) != 0)
        return CLOISTER_E_MALFORMED;
    if (got == 0)
        return CLOISTER_E_UNSUPPORTED; /* the TPM has no such bank */
    for (size_t i = 0; i < CLO_POLICY_PCRS; i++) {
        if ((got >> i & 1) == 0)
            continue;
        if (k >= digest->count || digest->digests[k].size != PCR_LEN)
            return CLOISTER_E_MALFORMED;
        memcpy(value[i], digest->digests[k++].buffer, PCR_LEN);
    }
    *ret_got = got;
    return k == digest->count ? 0 : CLOISTER_E_MALFORMED;
}

static uint32_t lowest(uint32_t pcrs, unsigned count)
{
    uint32_t ret = 0;

    for (; count > 0 && pcrs != 0; count--) {
        ret |= pcrs & -pcrs;
        pcrs &= pcrs - 1;
    }
    return ret;
}

/* All values, in order, as they were at one moment: CLOISTER_E_BUSY if the TPM says that some PCR changed meanwhile. */
static int pcrs_read(struct clo_tpm_device *d, uint32_t pcrs, struct clo_buf *out)
{
    uint8_t value[CLO_POLICY_PCRS][PCR_LEN];
    uint32_t counter = 0, first = 0, got = 0;
    int err = 0;

    for (uint32_t left = pcrs; left != 0; left &= ~got) {
        const uint32_t asked = lowest(left, PCR_BATCH);
        TPML_PCR_SELECTION in, *sel = NULL;
        TPML_DIGEST *digest = NULL;

        selection_of(asked, &in);
        err = clo_tpm_device_result(d, Esys_PCR_Read(d->esys, ESYS_TR_NONE, ESYS_TR_NONE,
                                                     ESYS_TR_NONE, &in, &counter, &sel, &digest));
        if (err == 0)
            err = batch_take(asked, sel, digest, value, &got);
        Esys_Free(sel);
        Esys_Free(digest);
        if (err != 0)
            return err;
        if (left == pcrs)
            first = counter;
        else if (counter != first)
            return CLOISTER_E_BUSY;
    }
    for (size_t i = 0; i < CLO_POLICY_PCRS && err == 0; i++)
        if ((pcrs >> i & 1) != 0)
            err = clo_buf_append(out, value[i], PCR_LEN);
    return err;
}

static int quote_fetch(struct clo_tpm_device *d, const uint8_t nonce[CLO_SHA256_LEN], uint32_t pcrs,
                       struct clo_cpu_section *out)
{
    const TPMT_SIG_SCHEME rsassa = {.scheme = TPM2_ALG_RSASSA,
                                    .details.rsassa.hashAlg = TPM2_ALG_SHA256};
    TPM2B_DATA data = {.size = CLO_SHA256_LEN};
    uint8_t signature[CLO_TPM_SIG_MAX];
    TPMT_SIGNATURE *sig = NULL;
    TPM2B_ATTEST *quote = NULL;
    ESYS_TR ak = ESYS_TR_NONE;
    TPML_PCR_SELECTION sel;
    size_t n = 0;
    int err;

    memcpy(data.buffer, nonce, CLO_SHA256_LEN);
    selection_of(pcrs, &sel);
    if ((err = clo_tpm_device_result(d, Esys_TR_FromTPMPublic(d->esys, AK_HANDLE, ESYS_TR_NONE,
                                                              ESYS_TR_NONE, ESYS_TR_NONE, &ak))) !=
            0 ||
        (err = clo_tpm_device_result(d, Esys_Quote(d->esys, ak, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                                   ESYS_TR_NONE, &data, &rsassa, &sel, &quote,
                                                   &sig))) != 0)
        goto out;
    if (Tss2_MU_TPMT_SIGNATURE_Marshal(sig, signature, sizeof signature, &n) != TSS2_RC_SUCCESS) {
        err = CLOISTER_E_MALFORMED;
        goto out;
    }
    out->tpm_quote = clo_buf_init(CLO_TPM_QUOTE_MAX);
    out->tpm_signature = clo_buf_init(CLO_TPM_SIG_MAX);
    if ((err = clo_buf_append(&out->tpm_quote, quote->attestationData, quote->size)) == 0)
        err = clo_buf_append(&out->tpm_signature, signature, n);
out:
    if (ak != ESYS_TR_NONE)
        (void)Esys_TR_Close(d->esys, &ak);
    Esys_Free(quote);
    Esys_Free(sig);
    return err;
}

/* Did the key that the envelope names sign this quote? */
static int signed_by(const struct clo_hcl *h, const struct clo_cpu_section *c)
{
    struct clo_hcl_runtime r = {0};
    struct clo_tpm_signature s;
    struct clo_key *key = NULL;
    int err;

    if ((err = clo_hcl_runtime_parse(h->runtime, h->runtime_n, &r)) != 0 ||
        (err = clo_tpm_signature_parse(c->tpm_signature.p, c->tpm_signature.len, &s)) != 0)
        goto out;
    if (r.keys != 1 || r.key_wrong != NULL || s.scheme != CLO_KEY_RSASSA ||
        s.hash != CLO_TPM_SHA256) {
        err = CLOISTER_E_MALFORMED;
        goto out;
    }
    if ((err = clo_key_new_rsa(r.modulus, r.modulus_n, r.exponent, &key)) == 0)
        err = clo_key_verify(key, s.scheme, CLO_SHA256, c->tpm_quote.p, c->tpm_quote.len, s.sig,
                             s.sig_n);
out:
    clo_key_free(key);
    return err == 0 || clo_is_ours(err) ? err : CLOISTER_E_MALFORMED;
}

/* CLOISTER_E_BUSY: a genuine quote over our data, but over other values. */
static int quote_check(const struct clo_hcl *h, const struct clo_cpu_section *c,
                       const uint8_t nonce[CLO_SHA256_LEN], uint32_t pcrs)
{
    uint8_t digest[CLO_SHA256_LEN];
    struct clo_tpm_quote q;
    int err;

    if ((err = signed_by(h, c)) != 0)
        return err;
    if (clo_tpm_quote_parse(c->tpm_quote.p, c->tpm_quote.len, &q) != 0 ||
        q.extra_n != CLO_SHA256_LEN || memcmp(q.extra, nonce, CLO_SHA256_LEN) != 0 ||
        q.banks != 1 || q.bank[0].alg != CLO_TPM_SHA256 || q.bank[0].pcrs != pcrs ||
        q.digest_n != CLO_SHA256_LEN)
        return CLOISTER_E_MALFORMED;
    if ((err = clo_sha256(c->pcrs.p, c->pcrs.len, digest)) != 0)
        return err;
    return memcmp(q.digest, digest, sizeof digest) == 0 ? 0 : CLOISTER_E_BUSY;
}

static int quote_once(struct clo_tpm_device *d, const struct clo_hcl *h, const uint8_t *nonce,
                      uint32_t pcrs, struct clo_cpu_section *out)
{
    int err;

    clo_buf_clear(&out->tpm_quote);
    clo_buf_clear(&out->tpm_signature);
    clo_buf_clear(&out->pcrs);
    out->pcrs = clo_buf_init(CLO_PCRS_MAX);
    if ((err = quote_fetch(d, nonce, pcrs, out)) == 0 &&
        (err = pcrs_read(d, pcrs, &out->pcrs)) == 0)
        err = quote_check(h, out, nonce, pcrs);
    return err;
}

/* ---- the maker ---- */

static int vtpm_report(struct clo_maker *m, const uint8_t report_data[64],
                       struct clo_cpu_section *ret)
{
    const struct vtpm *v = (const struct vtpm *)m;
    struct clo_cpu_section c = {.hcl = clo_buf_init(CLO_HCL_MAX)};
    uint8_t nonce[CLO_SHA256_LEN];
    struct clo_tpm_device d;
    struct clo_hcl h = {0};
    int err;

    if ((err = clo_sha256(report_data, 64, nonce)) != 0 || (err = clo_tpm_device_open(&d)) != 0)
        return err;
    if ((err = envelope_read(&d, &c.hcl, &h)) != 0)
        goto out;
    memcpy(c.type, v->base.ops->type, strlen(v->base.ops->type));
    c.kind = clo_cpu_kind(c.type);
    if ((h.report_type == CLO_HCL_TDX) != (c.kind == CLO_CPU_TDX_AZURE)) {
        err = CLOISTER_E_MALFORMED;
        goto out;
    }
    err = CLOISTER_E_BUSY;
    for (int i = 0; i < QUOTE_TRIES && err == CLOISTER_E_BUSY; i++)
        err = quote_once(&d, &h, nonce, v->pcrs, &c);
    if (err != 0)
        goto out;
    *ret = c;
    c = (struct clo_cpu_section){0}; /* handed over */
out:
    clo_cpu_section_clear(&c);
    clo_tpm_device_close(&d);
    return err;
}

static void vtpm_free(struct clo_maker *m)
{
    free(m);
}

static const struct clo_maker_ops snp_ops = {
    .type = "sev-snp-azure",
    .report = vtpm_report,
    .free = vtpm_free,
};
static const struct clo_maker_ops tdx_ops = {
    .type = "tdx-azure",
    .report = vtpm_report,
    .free = vtpm_free,
};

int clo_maker_vtpm_new(uint32_t pcrs, struct clo_maker **ret)
{
    struct clo_buf envelope = clo_buf_init(CLO_HCL_MAX);
    struct clo_tpm_device d;
    struct clo_hcl h = {0};
    struct vtpm *v;
    int err;

    if (pcrs == 0 || pcrs >> CLO_POLICY_PCRS != 0)
        return CLOISTER_E_ARGUMENT;
    if ((err = clo_tpm_device_open(&d)) != 0)
        return err;
    if ((err = envelope_read(&d, &envelope, &h)) != 0)
        goto out;
    if ((v = calloc(1, sizeof *v)) == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    v->base.ops = h.report_type == CLO_HCL_TDX ? &tdx_ops : &snp_ops;
    v->pcrs = pcrs;
    *ret = &v->base;
out:
    clo_buf_clear(&envelope);
    clo_tpm_device_close(&d);
    return err;
}
