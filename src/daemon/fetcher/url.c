/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the vendors' services, and their answers' wrappings: see url.h. Limits: CLO_ANSWER_MAX, and those of the callers' buffers. Fuzzed
 * by fuzz/fuzz_fetch.c.
 */
#include "daemon/fetcher/url.h"

#include <stdio.h>
#include <string.h>

#include "base/enc.h"
#include "codec/json.h"

enum {
    AMD_GAP_MS = 10000 /* asked more often, the service answers 429 */
};

static const char *const own[CLO_SERVICES] = {
    [CLO_SERVICE_AMD] = "https://kdsintf.amd.com",
    [CLO_SERVICE_INTEL] = "https://api.trustedservices.intel.com",
    [CLO_SERVICE_INTEL_CERTIFICATES] = "https://certificates.trustedservices.intel.com",
    [CLO_SERVICE_NVIDIA] = "https://ocsp.ndis.nvidia.com",
    [CLO_SERVICE_AZURE] = "http://169.254.169.254",
};

/* The longest path: a VCEK's. */
#define PATH_MAX_LEN 256

static int vcek_path(const struct clo_want *w, const char *product, char path[PATH_MAX_LEN])
{
    /* Where a TCB version has its levels: AMD 56860, TCB_VERSION; 57230 names the parameters. */
    const bool turin = w->product == CLO_AMD_TURIN;
    const size_t at = turin ? 1 : 0; /* of the boot loader's; before it Turin has the FMC's */
    const uint8_t snp = turin ? w->tcb[3] : w->tcb[6];
    char hwid[2 * sizeof w->hwid + 1], fmc[16] = "";

    if (w->hwid_n != (turin ? 8 : sizeof w->hwid))
        return CLOISTER_E_ARGUMENT;
    clo_hex(w->hwid, w->hwid_n, hwid);
    if (turin)
        (void)snprintf(fmc, sizeof fmc, "fmcSPL=%02u&", w->tcb[0]);
    (void)snprintf(path, PATH_MAX_LEN,
                   "/vcek/v1/%s/%s?%sblSPL=%02u&teeSPL=%02u&snpSPL=%02u&ucodeSPL=%02u", product,
                   hwid, fmc, w->tcb[at], w->tcb[at + 1], snp, w->tcb[7]);
    return 0;
}

static int amd_path(const struct clo_want *w, char path[PATH_MAX_LEN])
{
    static const char *const products[CLO_AMD_PRODUCTS] = {"Milan", "Genoa", "Turin"};

    if (w->product >= CLO_AMD_PRODUCTS)
        return CLOISTER_E_ARGUMENT;
    if (w->kind == CLO_WANT_AMD_VCEK)
        return vcek_path(w, products[w->product], path);
    (void)snprintf(path, PATH_MAX_LEN, "/%s/v1/%s/%s", w->vlek ? "vlek" : "vcek",
                   products[w->product], w->kind == CLO_WANT_AMD_CHAIN ? "cert_chain" : "crl");
    return 0;
}

static int azure_body(const struct clo_want *w, struct clo_service_request *r)
{
    char report[CLO_B64_LEN(CLO_WANT_REQUEST_MAX) + 1];
    int n;

    clo_b64(w->request, w->request_n, report);
    n = snprintf((char *)r->body, sizeof r->body, "{\"report\":\"%s\"}", report);
    r->body_n = (size_t)n;
    return n > 0 && r->body_n < sizeof r->body ? 0 : CLOISTER_E_LIMIT;
}

static void intel_path(const struct clo_want *w, struct clo_service_request *r,
                       char path[PATH_MAX_LEN])
{
    const char *tee = w->tdx ? "tdx" : "sgx";
    char fmspc[2 * sizeof w->fmspc + 1];

    r->service = CLO_SERVICE_INTEL;
    r->accept = "application/json";
    if (w->kind == CLO_WANT_INTEL_TCB_INFO) {
        clo_hex(w->fmspc, sizeof w->fmspc, fmspc);
        r->chain[0] = "TCB-Info-Issuer-Chain";
        r->chain[1] = "SGX-TCB-Info-Issuer-Chain"; /* as version 3 and some caches call it */
        (void)snprintf(path, PATH_MAX_LEN, "/%s/certification/v4/tcb?fmspc=%s", tee, fmspc);
    } else {
        r->chain[0] = "SGX-Enclave-Identity-Issuer-Chain";
        (void)snprintf(path, PATH_MAX_LEN, "/%s/certification/v4/qe/identity", tee);
    }
}

static int path_of(const struct clo_want *w, struct clo_service_request *r, char path[PATH_MAX_LEN])
{
    r->accept = "*/*";
    switch (w->kind) {
    case CLO_WANT_AMD_VCEK:
    case CLO_WANT_AMD_CHAIN:
    case CLO_WANT_AMD_CRL: r->service = CLO_SERVICE_AMD; return amd_path(w, path);
    case CLO_WANT_INTEL_TCB_INFO:
    case CLO_WANT_INTEL_QE_IDENTITY: intel_path(w, r, path); return 0;
    case CLO_WANT_INTEL_PCK_CRL:
        r->service = CLO_SERVICE_INTEL;
        (void)snprintf(path, PATH_MAX_LEN, "/sgx/certification/v4/pckcrl?ca=%s&encoding=der",
                       w->processor ? "processor" : "platform");
        return 0;
    case CLO_WANT_INTEL_ROOT_CRL:
        r->service = CLO_SERVICE_INTEL_CERTIFICATES;
        (void)snprintf(path, PATH_MAX_LEN, "/IntelSGXRootCA.der");
        return 0;
    case CLO_WANT_NVIDIA_OCSP:
        r->service = CLO_SERVICE_NVIDIA;
        r->type = "application/ocsp-request";
        r->accept = "application/ocsp-response";
        memcpy(r->body, w->request, w->request_n);
        r->body_n = w->request_n;
        (void)snprintf(path, PATH_MAX_LEN, "/");
        return 0;
    case CLO_WANT_AZURE_TD_QUOTE:
        r->service = CLO_SERVICE_AZURE;
        r->type = r->accept = "application/json";
        r->wrapped = true;
        (void)snprintf(path, PATH_MAX_LEN, "/acc/tdquote");
        return azure_body(w, r);
    default: return CLOISTER_E_ARGUMENT;
    }
}

int clo_service_request_make(const struct clo_fetcher_start *s, const struct clo_want *w,
                             struct clo_service_request *ret)
{
    const char *const base[CLO_SERVICES] = {
        [CLO_SERVICE_AMD] = s->amd,
        [CLO_SERVICE_INTEL] = s->intel,
        [CLO_SERVICE_INTEL_CERTIFICATES] = s->intel_certificates,
        [CLO_SERVICE_NVIDIA] = s->nvidia,
        [CLO_SERVICE_AZURE] = s->azure,
    };
    struct clo_service_request r = {0};
    char path[PATH_MAX_LEN] = "";
    const char *url;
    size_t n;
    int err;

    if (w->request_n > sizeof w->request)
        return CLOISTER_E_ARGUMENT;
    if ((err = path_of(w, &r, path)) != 0)
        return err;
    url = base[r.service];
    if (url[0] == '\0') {
        url = own[r.service];
        r.gap_ms = r.service == CLO_SERVICE_AMD ? AMD_GAP_MS : 0;
    }
    n = strlen(url);
    while (n > 0 && url[n - 1] == '/')
        n--;
    if (snprintf(r.url, sizeof r.url, "%.*s%s", (int)n, url, path) >= (int)sizeof r.url)
        return CLOISTER_E_LIMIT;
    r.near = clo_service_url_is_near(url);
    *ret = r;
    return 0;
}

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static int read_escape(struct clo_rd *rd, uint8_t *ret)
{
    uint8_t c[2] = {0};
    int high, low, err;

    if ((err = clo_rd_bytes(rd, c, sizeof c)) != 0)
        return err;
    high = hex_digit(c[0]);
    low = hex_digit(c[1]);
    if (high < 0 || low < 0)
        return CLOISTER_E_MALFORMED;
    *ret = (uint8_t)(high * 16 + low);
    return 0;
}

int clo_chain_header_decode(const char *s, size_t n, struct clo_buf *out)
{
    struct clo_rd rd = clo_rd_init(s, n);
    const size_t before = out->len;
    uint8_t c = 0;
    int err = 0;

    while (err == 0 && clo_rd_u8(&rd, &c) == 0) {
        const bool escaped = c == '%';

        if (escaped && (err = read_escape(&rd, &c)) != 0)
            break;
        err = (c >= ' ' && c <= '~') || (escaped && (c == '\n' || c == '\r'))
                  ? clo_buf_append(out, &c, 1)
                  : CLOISTER_E_MALFORMED;
    }
    if (err == CLOISTER_E_TRUNCATED || (err == 0 && out->len == before))
        err = CLOISTER_E_MALFORMED;
    return err;
}

int clo_azure_quote_decode(const void *p, size_t n, struct clo_buf *out)
{
    struct clo_json_obj o;
    const char *text;
    json_t *v = NULL;
    uint8_t *dst = NULL;
    size_t len, got = 0;
    int err;

    if ((err = clo_json_parse(p, n, CLO_ANSWER_MAX, &v)) != 0)
        return err;
    o = clo_json_obj_init(v);
    text = clo_json_obj_str(&o, "quote", CLO_ANSWER_MAX);
    if ((err = o.err) != 0)
        goto out;
    len = strlen(text);
    for (size_t padding = 0; padding < 2 && len > 0 && text[len - 1] == '='; padding++)
        len--;
    if (len == 0) {
        err = CLOISTER_E_MALFORMED;
        goto out;
    }
    if ((err = clo_buf_reserve(out, len, &dst)) != 0 ||
        (err = clo_unb64(text, len, dst, len, &got)) != 0)
        goto out;
    clo_buf_commit(out, got);
out:
    json_decref(v);
    return err;
}
