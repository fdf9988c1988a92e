/* SPDX-License-Identifier: Apache-2.0 */
/* `cloister explain`: what a file of evidence says, in plain language. Nothing is verified. */
#include "client/commands.h"

#include <stdlib.h>
#include <string.h>

#include "attest/bundle.h"
#include "attest/verdict.h"
#include "base/enc.h"
#include "client/explain.h"
#include "client/raw_input.h"
#include "client/say.h"
#include "codec/json.h"
#include "crypto/ocsp.h"
#include "crypto/x509.h"
#include "platform/file.h"

#define BLOCKS_SHOWN 64 /* of one PEM file */
#define CAVEAT \
    "This only says what the evidence claims. Nothing was verified: `cloister verify` and `cloister appraise` do that."

/* ---- Cloister's own sections ---- */

static void explain_keys(struct clo_explain *x, const uint8_t *p, size_t n)
{
    struct clo_keys_section k = {0};
    char from[CLO_DATE_LEN], to[CLO_DATE_LEN];
    int err = clo_keys_section_parse(p, n, &k);

    if (err != 0) {
        clo_explain_unreadable(x, "Keys", err);
        return;
    }
    clo_explain_part(
        x, "Keys of the server", "nobody by itself: the hardware's report covers it",
        "which public keys requests are encrypted to, and that the machine in the report has "
        "their private halves");
    clo_date(k.created, from);
    clo_date(k.expires, to);
    clo_explain_field(x, "dates", "the keys are used from and to, then destroyed", "%s to %s", from,
                      to);
    clo_explain_field(x, "gateway", "path of this replica", "%s", k.gateway);
    clo_explain_hex(x, "receipt key", "will sign receipts", k.receipt_key, sizeof k.receipt_key);
}

static const char *shape_in_words(enum clo_shaping s)
{
    switch (s) {
    case CLO_SHAPING_FULL:
        return "full: how long an answer is, but for its class, and when it was written";
    case CLO_SHAPING_SIZE:
        return "size: how long an answer is, but for its class; NOT when it was written";
    case CLO_SHAPING_OFF: break;
    }
    return "off: NOTHING about how long an answer is and when it was written";
}

static void explain_manifest(struct clo_explain *x, const uint8_t *p, size_t n)
{
    struct clo_manifest m = {0};
    int err = clo_manifest_parse(p, n, &m);

    if (err != 0) {
        clo_explain_unreadable(x, "Manifest", err);
        return;
    }
    clo_explain_part(
        x, "Manifest of the server", "nobody by itself: the hardware's report covers it",
        "what the machine says it runs; true if what was measured is code that keeps it true");
    clo_explain_field(x, "release", "of Cloister", "%s", m.release);
    clo_explain_field(x, "engine", "does the inference", "%s %s, %s", m.engine_name,
                      m.engine_version,
                      m.managed ? "started by Cloister" : "NOT started by Cloister");
    clo_explain_field(x, "reached by", "where the text goes inside the machine", "%s", m.upstream);
    clo_explain_field(x, "model", "", "%s", m.model);
    if (m.managed)
        clo_explain_hex(x, "model's SHA-256", "of its file", m.model_sha256, sizeof m.model_sha256);
    clo_explain_field(x, "shape", "what sizes and times of its traffic hide", "%s",
                      shape_in_words(m.shape));
}

static void explain_batch(struct clo_explain *x, const uint8_t *p, size_t n)
{
    struct clo_batch_section b = {0};
    int err = clo_batch_section_parse(p, n, &b);

    if (err != 0) {
        clo_explain_unreadable(x, "Batch", err);
        return;
    }
    clo_explain_part(x, "Batch of nonces",
                     "nobody by itself: the hardware's report covers its root",
                     "that the report was made after each of these clients had chosen its nonce");
    clo_explain_field(x, "place", "of this client's nonce", "%u of %u", b.index + 1, b.size);
    clo_explain_hex(x, "root", "of the tree over all of them", b.root, sizeof b.root);
}

static void explain_cpu(struct clo_explain *x, const uint8_t *p, size_t n)
{
    struct clo_cpu_section c = {0};
    int err = clo_cpu_section_parse(p, n, &c);

    if (err != 0) {
        clo_explain_unreadable(x, "Hardware's report", err);
        return;
    }
    if (c.kind == CLO_CPU_SIMULATED) {
        clo_explain_part(x, "SIMULATED machine", "a key that anybody can make",
                         "nothing: it only shows how things work");
    }
    if (c.report_n != 0)
        clo_explain_snp(x, c.report, c.report_n);
    if (c.hcl.len != 0)
        clo_explain_azure(x, c.hcl.p, c.hcl.len);
    if (c.quote.len != 0)
        clo_explain_quote(x, c.quote.p, c.quote.len);
    if (c.tpm_quote.len != 0)
        clo_explain_tpm(x, c.tpm_quote.p, c.tpm_quote.len);
    for (size_t i = 0; i < c.chain_n; i++)
        clo_explain_cert(x, c.chain[i].p, c.chain[i].len);
    clo_cpu_section_clear(&c);
}

static void explain_devices(struct clo_explain *x, const uint8_t *p, size_t n)
{
    struct clo_devices d = {0};
    int err = clo_devices_section_parse(p, n, &d);

    if (err != 0)
        clo_explain_unreadable(x, "Devices", err);
    else if (d.count == 0)
        clo_explain_part(x, "Devices", NULL, "no GPU is listed");
    for (size_t i = 0; err == 0 && i < d.count; i++) {
        clo_explain_gpu(x, i, d.device[i].report.p, d.device[i].report.len);
        for (size_t k = 0; k < d.device[i].chain_n; k++)
            clo_explain_cert(x, d.device[i].chain[k].p, d.device[i].chain[k].len);
    }
    clo_devices_clear(&d);
}

static void explain_collateral(struct clo_explain *x, const uint8_t *p, size_t n)
{
    struct clo_collateral c = {0};
    int err = clo_collateral_parse(p, n, &c);

    if (err != 0)
        clo_explain_unreadable(x, "Collateral", err);
    for (size_t i = 0; err == 0 && i < c.crls; i++)
        clo_explain_crl(x, c.crl[i].p, c.crl[i].len);
    for (size_t i = 0; err == 0 && i < c.ocsps; i++)
        clo_explain_ocsp(x, c.ocsp[i].p, c.ocsp[i].len);
    if (err == 0 && c.tcb_info.len != 0)
        clo_explain_tcb_info(x, c.tcb_info.p, c.tcb_info.len);
    if (err == 0 && c.qe_identity.len != 0)
        clo_explain_qe_identity(x, c.qe_identity.p, c.qe_identity.len);
    for (size_t i = 0; err == 0 && i < c.collateral_chain_n; i++)
        clo_explain_cert(x, c.collateral_chain[i].p, c.collateral_chain[i].len);
    clo_collateral_clear(&c);
}

static int explain_evidence(struct clo_explain *x, const void *p, size_t n)
{
    static const struct {
        const char *name;
        void (*explain)(struct clo_explain *x, const uint8_t *p, size_t n);
    } sections[] = {
        {"cpu", explain_cpu},     {"devices", explain_devices},
        {"keys", explain_keys},   {"manifest", explain_manifest},
        {"batch", explain_batch}, {"collateral", explain_collateral},
    };
    struct cloister_evidence *e = NULL;
    int err = cloister_evidence_parse(p, n, &e);

    for (size_t i = 0; err == 0 && i < CLO_ARRAY_LEN(sections); i++) {
        const uint8_t *bytes = NULL;
        size_t bytes_n = 0;

        if (cloister_evidence_section(e, sections[i].name, &bytes, &bytes_n))
            sections[i].explain(x, bytes, bytes_n);
        else
            clo_explain_unreadable(x, sections[i].name, CLOISTER_E_NOT_FOUND);
    }
    cloister_evidence_free(e);
    return err;
}

/* ---- raw evidence ---- */

/* One DER file: what can it be? */
static void explain_der(struct clo_explain *x, const struct clo_buf *b)
{
    struct clo_crl *crl = NULL;
    struct clo_ocsp *ocsp = NULL;

    if (clo_crl_parse(b->p, b->len, &crl) == 0)
        clo_explain_crl(x, b->p, b->len);
    else if (clo_ocsp_parse(b->p, b->len, &ocsp) == 0)
        clo_explain_ocsp(x, b->p, b->len);
    else
        clo_explain_cert(x, b->p, b->len);
    clo_crl_free(crl);
    clo_ocsp_free(ocsp);
}

/* Each block of a PEM file, or the one of a DER file. */
static void explain_x509(struct clo_explain *x, const struct clo_buf *b)
{
    static const char *const labels[] = {"CERTIFICATE", "X509 CRL"};
    size_t found = 0;
    int err;

    for (size_t i = 0; i < CLO_ARRAY_LEN(labels); i++) {
        const char *p = (const char *)b->p;
        size_t n = b->len;

        do {
            struct clo_buf der = clo_buf_init(CLO_CRL_MAX);

            err = clo_pem_next(&p, &n, labels[i], &der);
            if (err == 0 && found >= BLOCKS_SHOWN)
                err = CLOISTER_E_LIMIT;
            if (err == 0)
                explain_der(x, &der);
            else if (err != CLOISTER_E_NOT_FOUND)
                clo_explain_unreadable(x, i == 0 ? "Certificate" : "Revocation list", err);
            found += err != CLOISTER_E_NOT_FOUND;
            clo_buf_clear(&der);
        } while (err == 0);
    }
    if (found == 0)
        explain_der(x, b);
}

static bool report_like(const struct clo_buf *b, enum cloister_raw_type *type)
{
    const uint8_t *p = b->p;

    if (b->len >= 4 && memcmp(p, "HCLA", 4) == 0)
        *type = CLOISTER_RAW_AZURE;
    else if (b->len >= 37 && p[0] == 0x11 && p[1] == 0xe0)
        *type = CLOISTER_RAW_NVIDIA;
    else if (b->len >= 6 && memcmp(p, "\xff\x54\x43\x47", 4) == 0)
        *type = CLOISTER_RAW_TPM;
    else if (b->len == CLO_SNP_REPORT_LEN && p[0] >= 2 && p[0] <= 5 && p[1] == 0)
        *type = CLOISTER_RAW_SEV_SNP;
    else if (b->len > 436 && p[0] >= 3 && p[0] <= 5 && p[1] == 0)
        *type = CLOISTER_RAW_TDX;
    else
        return false;
    return true;
}

static void explain_report(struct clo_explain *x, enum cloister_raw_type type, size_t number,
                           const struct clo_buf *b)
{
    switch (type) {
    case CLOISTER_RAW_SEV_SNP: clo_explain_snp(x, b->p, b->len); break;
    case CLOISTER_RAW_TDX:
    case CLOISTER_RAW_SGX: clo_explain_quote(x, b->p, b->len); break;
    case CLOISTER_RAW_AZURE: clo_explain_azure(x, b->p, b->len); break;
    case CLOISTER_RAW_NVIDIA: clo_explain_gpu(x, number, b->p, b->len); break;
    case CLOISTER_RAW_TPM: clo_explain_tpm(x, b->p, b->len); break;
    }
}

/* What has no meaning without the quote beside it. */
static void explain_beside(struct clo_explain *x, enum cloister_raw_item item, size_t n)
{
    const char *title = "Event log", *signer = "nobody: it has to replay to quoted registers",
               *proves = "what each register was extended with, one by one";

    if (item == CLOISTER_ITEM_PCRS) {
        title = "PCR values";
        signer = "nobody: the TPM's quote covers their digest";
        proves = "what the TPM's registers held";
    } else if (item == CLOISTER_ITEM_TPM_KEY) {
        title = "Attestation key of the TPM";
        signer = "nobody by itself: certificates have to vouch for it";
        proves = "which key the quote's signature is verified by";
    } else if (item == CLOISTER_ITEM_TPM_SIGNATURE) {
        title = "Signature over the TPM quote";
        signer = NULL;
        proves = "that who has the attestation key signed the quote";
    }
    clo_explain_part(x, title, signer, proves);
    clo_explain_field(x, "size", "", "%zu bytes", n);
}

static void explain_items(struct clo_explain *x, const struct clo_bundle *b)
{
    size_t reports = 0;

    for (size_t i = 0; i < b->items; i++) {
        const struct clo_buf *bytes = &b->item[i].bytes;

        switch (b->item[i].item) {
        case CLOISTER_ITEM_REPORT: explain_report(x, b->type, reports++, bytes); break;
        case CLOISTER_ITEM_TD_QUOTE: clo_explain_quote(x, bytes->p, bytes->len); break;
        case CLOISTER_ITEM_TPM_QUOTE: clo_explain_tpm(x, bytes->p, bytes->len); break;
        case CLOISTER_ITEM_CERTIFICATES:
        case CLOISTER_ITEM_COLLATERAL_CHAIN:
        case CLOISTER_ITEM_CRL: explain_x509(x, bytes); break;
        case CLOISTER_ITEM_OCSP: clo_explain_ocsp(x, bytes->p, bytes->len); break;
        case CLOISTER_ITEM_TCB_INFO: clo_explain_tcb_info(x, bytes->p, bytes->len); break;
        case CLOISTER_ITEM_QE_IDENTITY: clo_explain_qe_identity(x, bytes->p, bytes->len); break;
        case CLOISTER_ITEM_TPM_SIGNATURE:
        case CLOISTER_ITEM_TPM_KEY:
        case CLOISTER_ITEM_PCRS:
        case CLOISTER_ITEM_EVENT_LOG: explain_beside(x, b->item[i].item, bytes->len); break;
        }
    }
}

static int explain_bundle(struct clo_explain *x, const void *p, size_t n)
{
    char from[CLO_DATE_LEN], to[CLO_DATE_LEN];
    struct clo_bundle b = {0};
    int err = clo_bundle_parse(p, n, &b);

    if (err != 0)
        return err;
    clo_date(b.created, from);
    clo_date(b.expires, to);
    clo_explain_part(x, "Bundle", "nobody: whoever carries it may have changed it",
                     "nothing by itself: what is inside is signed by others");
    clo_explain_field(x, "dates", "it can be used from and to", "%s to %s", from, to);
    clo_explain_field(x, "policy", "counts only for who knows its SHA-256", "%s",
                      b.policy.len != 0 ? "inside" : "none");
    if (b.items == 0)
        err = explain_evidence(x, b.evidence.p, b.evidence.len);
    else
        explain_items(x, &b);
    clo_bundle_clear(&b);
    return err;
}

/* Containers that other tools write. */
static int explain_foreign(struct clo_explain *x, enum cloister_raw_type type,
                           int (*add)(struct clo_bundle *b, const struct clo_buf *text),
                           const struct clo_buf *text)
{
    struct clo_bundle b = {.type = type};
    int err = add(&b, text);

    if (err == 0)
        explain_items(x, &b);
    clo_bundle_clear(&b);
    return err;
}

/* What kind of JSON is it? */
static int explain_json(struct clo_explain *x, const json_t *doc, const struct clo_buf *b)
{
    if (json_is_array(doc))
        return explain_foreign(x, CLOISTER_RAW_NVIDIA, clo_raw_add_nvidia_json, b);
    if (json_object_get(doc, "sections") != NULL)
        return explain_evidence(x, b->p, b->len);
    if (json_object_get(doc, "tcb_info") != NULL)
        return explain_foreign(x, CLOISTER_RAW_TDX, clo_raw_add_collateral, b);
    if (json_object_get(doc, "tcbInfo") != NULL)
        clo_explain_tcb_info(x, b->p, b->len);
    else if (json_object_get(doc, "enclaveIdentity") != NULL)
        clo_explain_qe_identity(x, b->p, b->len);
    else
        return explain_bundle(x, b->p, b->len);
    return 0;
}

static bool holds(const struct clo_buf *b, const char *text)
{
    return b->len > 0 && memmem(b->p, b->len, text, strlen(text)) != NULL;
}

/* What kind of file is it? */
static int explain_file(struct clo_explain *x, struct clo_buf *b)
{
    enum cloister_raw_type type;
    json_t *doc = NULL;
    int err = 0;

    if (clo_json_parse(b->p, b->len, CLO_BUNDLE_MAX, &doc) == 0) {
        err = explain_json(x, doc, b);
        json_decref(doc);
        return err;
    }
    clo_unhex_text(b);
    if (report_like(b, &type))
        explain_report(x, type, 0, b);
    else if (holds(b, "-----BEGIN CERTIFICATE") || holds(b, "-----BEGIN X509 CRL") ||
             (b->len > 1 && b->p[0] == 0x30))
        explain_x509(x, b);
    else
        err = CLOISTER_E_UNKNOWN;
    return err;
}

/* ---- showing it ---- */

/* Words broken at 78 columns, each line indented. */
static void print_wrapped(const char *first, const char *indent, const char *text)
{
    size_t column = strlen(indent);

    (void)fputs(first, stdout);
    for (const char *p = text; *p != '\0';) {
        const size_t word = strcspn(p, " ");

        if (column + 1 + word > 78 && column > strlen(indent)) {
            printf("\n%s", indent);
            column = strlen(indent);
        } else if (p != text) {
            (void)putchar(' ');
            column++;
        }
        (void)fwrite(p, 1, word, stdout);
        column += word;
        p += word + strspn(p + word, " ");
    }
    (void)putchar('\n');
}

static const char *text_of(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s == NULL ? "" : s;
}

static void print_part(const json_t *part)
{
    const char *dim = clo_style(stdout, CLO_DIM), *plain = clo_style(stdout, CLO_PLAIN);
    const json_t *fields = json_object_get(part, "fields");
    const json_t *unproven = json_object_get(part, "unproven");

    printf("%s%s%s\n", clo_style(stdout, CLO_BOLD), text_of(part, "title"), plain);
    if (*text_of(part, "signed_by") != '\0')
        print_wrapped("  signed by     ", "                ", text_of(part, "signed_by"));
    if (*text_of(part, "proves") != '\0')
        print_wrapped("  would prove   ", "                ", text_of(part, "proves"));
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *f = json_array_get(fields, i);

        printf("  %-15s %s\n", text_of(f, "name"), text_of(f, "value"));
        if (*text_of(f, "meaning") != '\0') {
            (void)fputs(dim, stdout);
            print_wrapped("                  ", "                  ", text_of(f, "meaning"));
            (void)fputs(plain, stdout);
        }
    }
    for (size_t i = 0; i < json_array_size(unproven); i++)
        print_wrapped("  not proven    ", "                ",
                      json_string_value(json_array_get(unproven, i)));
    (void)putchar('\n');
}

static int print_json(json_t *parts)
{
    struct clo_buf out = clo_buf_init(CLO_BUNDLE_MAX);
    json_t *doc = json_object();
    int err = CLOISTER_E_MEMORY;

    if (json_object_set_new(doc, "v", json_integer(1)) == 0 &&
        json_object_set_new(doc, "verified", json_false()) == 0 &&
        json_object_set(doc, "parts", parts) == 0 && (err = clo_json_write(doc, &out)) == 0)
        printf("%.*s\n", (int)out.len, (const char *)out.p);
    clo_buf_clear(&out);
    json_decref(doc);
    return err;
}

static int explain(void *ctx, struct clo_buf *out)
{
    const struct clo_options *o = ctx;
    struct clo_buf file = clo_buf_init(CLO_BUNDLE_MAX);
    struct clo_explain x = {.parts = json_array()};
    const char *name;
    int code = CLO_EXIT_ERROR, err;

    (void)out;
    name = strcmp(o->operand[0], "-") == 0 ? "standard input" : o->operand[0];
    if ((err = clo_file_read(o->operand[0], &file)) != 0) {
        clo_say_file(name, "read", err);
        if (err == CLOISTER_E_LIMIT)
            code = CLO_EXIT_MALFORMED;
        goto out;
    }
    err = explain_file(&x, &file);
    if (err == 0)
        err = x.err;
    if (err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO) {
        clo_say_problem("%s", cloister_strerror(err));
        goto out;
    }
    if (err != 0) {
        clo_say_problem("%s is neither evidence, a bundle, a report, a quote, collateral nor a "
                        "certificate: %s",
                        name, cloister_strerror(err));
        code = CLO_EXIT_MALFORMED;
        goto out;
    }
    if (o->json && (err = print_json(x.parts)) != 0) {
        clo_say_problem("%s", cloister_strerror(err));
        goto out;
    }
    if (!o->json) {
        for (size_t i = 0; i < json_array_size(x.parts); i++)
            print_part(json_array_get(x.parts, i));
        puts(CAVEAT);
    }
    code = CLO_EXIT_OK;
out:
    json_decref(x.parts);
    clo_buf_clear(&file);
    return code;
}

int clo_command_explain(const struct clo_options *o)
{
    if (o->operands != 1) {
        clo_say_problem("say which file is to be explained (- for standard input)");
        return CLO_EXIT_ERROR;
    }
    return clo_common_inside(o, 0, explain, (void *)(uintptr_t)o, NULL);
}
