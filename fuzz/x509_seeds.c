/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the seeds of the OCSP and PEM harnesses under the folder given (fuzz/corpus). Keys are new each time: run it again
 * when a format changes, not otherwise.
 */
#include <stdio.h>
#include <string.h>

#include "crypto/x509_make.h"
#include "fuzz.h"

#define NOW  1795000000
#define DAY  86400
#define YEAR (365 * DAY)

static const char *folder;

static struct {
    struct clo_signer *issuer, *leaf, *responder;
    struct clo_buf issuer_der, leaf_der, responder_der;
    struct clo_cert *issuer_cert, *leaf_cert, *responder_cert;
} lab;

static void save(const char *harness, const char *name, const struct clo_buf *b)
{
    char path[4096] = "";
    FILE *f = NULL;

    (void)snprintf(path, sizeof(path), "%s/%s/%s", folder, harness, name);
    f = fopen(path, "wb");
    FUZZ_CHECK(f != NULL);
    FUZZ_CHECK(fwrite(b->p, 1, b->len, f) == b->len && fclose(f) == 0);
}

static void make_cert(const char *cn, const struct clo_signer *subject, bool ca, const char *eku,
                      struct clo_buf *der, struct clo_cert **ret)
{
    const struct clo_cert_spec spec = {.subject_cn = cn,
                                       .issuer_cn = "issuer",
                                       .serial = 5,
                                       .not_before = NOW - YEAR,
                                       .not_after = NOW + YEAR,
                                       .ca = ca,
                                       .eku = eku,
                                       .subject = subject,
                                       .issuer = lab.issuer};

    *der = clo_buf_init(CLO_CERT_MAX);
    FUZZ_CHECK(clo_cert_make(&spec, der) == 0);
    FUZZ_CHECK(clo_cert_parse(der->p, der->len, ret) == 0);
}

static void append_cert(struct clo_buf *out, const struct clo_buf *der)
{
    const uint8_t n[] = {(uint8_t)(der->len >> 8), (uint8_t)der->len};

    FUZZ_CHECK(clo_buf_append(out, n, 2) == 0 && clo_buf_append(out, der->p, der->len) == 0);
}

static void make_ocsp(const char *name, enum clo_ocsp_status status, bool delegated, bool by_name,
                      size_t answers)
{
    struct clo_ocsp_answer_spec a[3];
    const struct clo_ocsp_spec spec = {.answer = a,
                                       .answers = answers,
                                       .issuer = lab.issuer_cert,
                                       .responder = delegated ? lab.responder_cert : NULL,
                                       .by_name = by_name,
                                       .signer = delegated ? lab.responder : lab.issuer,
                                       .produced_at = NOW - DAY};
    struct clo_buf b = clo_buf_init(1 << 16);

    for (size_t i = 0; i < 3; i++)
        a[i] = (struct clo_ocsp_answer_spec){.cert = i == 0 ? lab.leaf_cert : lab.issuer_cert,
                                             .id_hash = i == 1 ? CLO_MAKE_SHA256 : CLO_MAKE_DEFAULT,
                                             .status = status,
                                             .has_reason = status == CLO_OCSP_REVOKED,
                                             .reason = 6,
                                             .this_update = NOW - DAY,
                                             .next_update = i == 2 ? INT64_MIN : NOW + DAY};
    append_cert(&b, &lab.issuer_der);
    append_cert(&b, &lab.leaf_der);
    FUZZ_CHECK(clo_ocsp_make(&spec, &b) == 0);
    save("ocsp", name, &b);
    clo_buf_clear(&b);
}

static void append_pem(struct clo_buf *out, const char *label, const struct clo_buf *der,
                       const char *line_end)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char line[128];

    (void)snprintf(line, sizeof line, "-----BEGIN %s-----%s", label, line_end);
    FUZZ_CHECK(clo_buf_append(out, line, strlen(line)) == 0);
    for (size_t i = 0; i < der->len; i += 3) {
        const size_t n = der->len - i < 3 ? der->len - i : 3;
        uint32_t v = 0;

        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < n ? der->p[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            FUZZ_CHECK(clo_buf_append(out, k <= n ? &digits[v >> (18 - 6 * k) & 63] : "=", 1) == 0);
        if (i % 48 == 45)
            FUZZ_CHECK(clo_buf_append(out, line_end, strlen(line_end)) == 0);
    }
    (void)snprintf(line, sizeof line, "%s-----END %s-----%s", line_end, label, line_end);
    FUZZ_CHECK(clo_buf_append(out, line, strlen(line)) == 0);
}

int main(int argc, char **argv)
{
    struct clo_buf text = clo_buf_init(1 << 16), small = clo_buf_init(16);

    FUZZ_CHECK(argc == 2);
    folder = argv[1];
    FUZZ_CHECK(clo_crypto_init() == 0 && clo_signer_new_p384(&lab.issuer) == 0 &&
               clo_signer_new_p384(&lab.leaf) == 0 && clo_signer_new_p256(&lab.responder) == 0);
    make_cert("issuer", lab.issuer, true, NULL, &lab.issuer_der, &lab.issuer_cert);
    make_cert("leaf", lab.leaf, false, NULL, &lab.leaf_der, &lab.leaf_cert);
    make_cert("responder", lab.responder, false, CLO_EKU_OCSP_SIGNING, &lab.responder_der,
              &lab.responder_cert);
    make_ocsp("good", CLO_OCSP_GOOD, false, false, 1);
    make_ocsp("hold", CLO_OCSP_REVOKED, false, true, 1);
    make_ocsp("unknown", CLO_OCSP_UNKNOWN, true, true, 1);
    make_ocsp("delegated", CLO_OCSP_GOOD, true, false, 3);
    make_ocsp("none", CLO_OCSP_GOOD, false, false, 0);

    append_pem(&text, "CERTIFICATE", &lab.leaf_der, "\n");
    append_pem(&text, "CERTIFICATE", &lab.issuer_der, "\n");
    save("pem", "chain", &text);
    clo_buf_clear(&text);
    FUZZ_CHECK(clo_buf_append(&small, "small", 5) == 0);
    append_pem(&text, "X509 CRL", &small, "\r\n");
    append_pem(&text, "CERTIFICATE", &small, "\r\n");
    FUZZ_CHECK(clo_buf_append(&small, "!", 1) == 0 && clo_buf_append(&text, "", 1) == 0);
    append_pem(&text, "CERTIFICATE", &small, "");
    save("pem", "labels", &text);
    clo_buf_clear(&text);
    clo_buf_clear(&small);
    return 0;
}
