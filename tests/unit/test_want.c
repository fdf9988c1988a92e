/* SPDX-License-Identifier: Apache-2.0 */
/* Wants as messages and as names of files: src/attest/want.c; and the messages of the fetcher that carry them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "attest/gather.h"
#include "daemon/messages.h"

#define HWID_HEX                                                       \
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" \
    "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"

static struct clo_want vcek(enum clo_amd_product product)
{
    struct clo_want w = {.kind = CLO_WANT_AMD_VCEK,
                         .product = product,
                         .hwid_n = product == CLO_AMD_TURIN ? 8 : 64,
                         .tcb = {3, 0, 0, 0, 0, 0, 0x17, 0xd3}};

    for (size_t i = 0; i < w.hwid_n; i++)
        w.hwid[i] = (uint8_t)i;
    return w;
}

static struct clo_want with_request(enum clo_want_kind kind, size_t n)
{
    struct clo_want w = {.kind = kind, .request_n = n};

    memset(w.request, 'r', n <= sizeof w.request ? n : sizeof w.request);
    return w;
}

/* One of each kind, and of each member both ways. */
static size_t samples(struct clo_want w[32])
{
    size_t n = 0;

    for (unsigned p = 0; p < CLO_AMD_PRODUCTS; p++) {
        w[n++] = vcek((enum clo_amd_product)p);
        for (unsigned v = 0; v < 2; v++) {
            w[n++] = (struct clo_want){
                .kind = CLO_WANT_AMD_CHAIN, .product = (enum clo_amd_product)p, .vlek = v != 0};
            w[n++] = (struct clo_want){
                .kind = CLO_WANT_AMD_CRL, .product = (enum clo_amd_product)p, .vlek = v != 0};
        }
    }
    for (unsigned v = 0; v < 2; v++) {
        w[n++] = (struct clo_want){
            .kind = CLO_WANT_INTEL_TCB_INFO, .tdx = v != 0, .fmspc = {0xb0, 0xc0, 0x6f, 0, 0, 0}};
        w[n++] = (struct clo_want){.kind = CLO_WANT_INTEL_QE_IDENTITY, .tdx = v != 0};
        w[n++] = (struct clo_want){.kind = CLO_WANT_INTEL_PCK_CRL, .processor = v != 0};
    }
    w[n++] = (struct clo_want){.kind = CLO_WANT_INTEL_ROOT_CRL};
    w[n++] = with_request(CLO_WANT_NVIDIA_OCSP, 1);
    w[n++] = with_request(CLO_WANT_NVIDIA_OCSP, CLO_WANT_REQUEST_MAX);
    w[n++] = with_request(CLO_WANT_AZURE_TD_QUOTE, 1024);
    return n;
}

static size_t written(const struct clo_want *w, uint8_t out[2048])
{
    struct clo_wr wr = clo_wr_init(out, 2048);

    assert_int_equal(clo_want_write(w, &wr), 0);
    return wr.len;
}

static void every_want_comes_back_as_it_was_written(void **state)
{
    struct clo_want w[32];
    const size_t n = samples(w);
    uint8_t out[2048], again[2048];

    (void)state;
    for (size_t i = 0; i < n; i++) {
        struct clo_want r;
        const size_t len = written(&w[i], out);

        memset(&r, 0xee, sizeof r);
        assert_int_equal(clo_want_read(out, len, &r), 0);
        assert_int_equal(r.kind, w[i].kind);
        assert_int_equal(r.product, w[i].product);
        assert_int_equal(r.vlek, w[i].vlek);
        assert_int_equal(r.tdx, w[i].tdx);
        assert_int_equal(r.processor, w[i].processor);
        assert_int_equal(r.hwid_n, w[i].hwid_n);
        assert_memory_equal(r.hwid, w[i].hwid, sizeof r.hwid);
        assert_memory_equal(r.tcb, w[i].tcb, sizeof r.tcb);
        assert_memory_equal(r.fmspc, w[i].fmspc, sizeof r.fmspc);
        assert_int_equal(r.request_n, w[i].request_n);
        assert_memory_equal(r.request, w[i].request, sizeof r.request);
        assert_int_equal(written(&r, again), len);
        assert_memory_equal(again, out, len);
    }
}

static void a_want_that_is_cut_or_longer_is_refused(void **state)
{
    struct clo_want w[32], r = {0};
    const size_t n = samples(w);
    uint8_t out[2049];

    (void)state;
    for (size_t i = 0; i < n; i++) {
        const size_t len = written(&w[i], out);

        for (size_t cut = 0; cut < len; cut++)
            assert_int_equal(clo_want_read(out, cut, &r), CLOISTER_E_TRUNCATED);
        out[len] = 0;
        assert_int_equal(clo_want_read(out, len + 1, &r), CLOISTER_E_TRAILING);
    }
    assert_int_equal(r.kind, 0);
}

static void a_want_of_no_kind_we_know_is_refused(void **state)
{
    struct clo_want r = {0};

    (void)state;
    for (unsigned kind = 0; kind < 256; kind++) {
        const uint8_t p = (uint8_t)kind;
        const int err = clo_want_read(&p, 1, &r);

        if (kind == 0 || kind >= CLO_WANT_KINDS)
            assert_int_equal(err, CLOISTER_E_UNKNOWN);
        else
            assert_int_equal(err, kind == CLO_WANT_INTEL_ROOT_CRL ? 0 : CLOISTER_E_TRUNCATED);
    }
}

static void values_that_no_want_has_are_refused(void **state)
{
    static const uint8_t product[] = {CLO_WANT_AMD_CRL, CLO_AMD_PRODUCTS, 0};
    static const uint8_t vlek[] = {CLO_WANT_AMD_CHAIN, CLO_AMD_MILAN, 2};
    static const uint8_t tdx[] = {CLO_WANT_INTEL_QE_IDENTITY, 2};
    static const uint8_t processor[] = {CLO_WANT_INTEL_PCK_CRL, 255};
    static const uint8_t none[] = {CLO_WANT_NVIDIA_OCSP, 0, 0};
    static const uint8_t over[3 + 1025] = {CLO_WANT_NVIDIA_OCSP, 1025 & 0xff, 1025 >> 8};
    static const uint8_t report[3 + 1023] = {CLO_WANT_AZURE_TD_QUOTE, 1023 & 0xff, 1023 >> 8};
    struct clo_want r = {0};

    (void)state;
    assert_int_equal(clo_want_read(product, sizeof product, &r), CLOISTER_E_UNKNOWN);
    assert_int_equal(clo_want_read(vlek, sizeof vlek, &r), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_want_read(tdx, sizeof tdx, &r), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_want_read(processor, sizeof processor, &r), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_want_read(none, sizeof none, &r), CLOISTER_E_MALFORMED);
    assert_int_equal(clo_want_read(over, sizeof over, &r), CLOISTER_E_LIMIT);
    assert_int_equal(clo_want_read(report, sizeof report, &r), CLOISTER_E_MALFORMED);
}

static void a_want_that_makes_no_sense_is_not_written(void **state)
{
    struct clo_want hwid = vcek(CLO_AMD_GENOA), product = vcek(CLO_AMD_GENOA);
    struct clo_want none = with_request(CLO_WANT_NVIDIA_OCSP, 0);
    struct clo_want over = with_request(CLO_WANT_NVIDIA_OCSP, CLO_WANT_REQUEST_MAX + 1);
    struct clo_want report = with_request(CLO_WANT_AZURE_TD_QUOTE, 1023);
    struct clo_want kind = {.kind = CLO_WANT_KINDS}, fits = vcek(CLO_AMD_GENOA);
    const struct clo_want *const bad[] = {&hwid, &product, &none, &over, &report, &kind};
    uint8_t out[2048];
    struct clo_wr wr = clo_wr_init(out, sizeof out), small = clo_wr_init(out, 10);

    (void)state;
    hwid.hwid_n = 8; /* Turin's */
    product.product = CLO_AMD_PRODUCTS;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        assert_int_equal(clo_want_write(bad[i], &wr), CLOISTER_E_ARGUMENT);
        assert_int_equal(wr.len, 0);
    }
    assert_int_not_equal(clo_want_write(&fits, &small), 0);
    assert_int_equal(small.len, 0); /* whole or not at all */
}

static void files_have_the_names_that_the_manual_says(void **state)
{
    const struct {
        struct clo_want want;
        const char *name;
    } table[] = {
        {vcek(CLO_AMD_MILAN), "amd-vcek-milan-" HWID_HEX "-03000000000017d3.der"},
        {vcek(CLO_AMD_GENOA), "amd-vcek-genoa-" HWID_HEX "-03000000000017d3.der"},
        {vcek(CLO_AMD_TURIN), "amd-vcek-turin-0001020304050607-03000000000017d3.der"},
        {{.kind = CLO_WANT_AMD_CHAIN, .product = CLO_AMD_GENOA}, "amd-vcek-chain-genoa.pem"},
        {{.kind = CLO_WANT_AMD_CHAIN, .product = CLO_AMD_MILAN, .vlek = true},
         "amd-vlek-chain-milan.pem"},
        {{.kind = CLO_WANT_AMD_CRL, .product = CLO_AMD_TURIN}, "amd-vcek-crl-turin.der"},
        {{.kind = CLO_WANT_INTEL_TCB_INFO, .tdx = true, .fmspc = {0xb0, 0xc0, 0x6f, 0, 0, 0}},
         "intel-tcb-tdx-b0c06f000000.json"},
        {{.kind = CLO_WANT_INTEL_TCB_INFO}, "intel-tcb-sgx-000000000000.json"},
        {{.kind = CLO_WANT_INTEL_QE_IDENTITY, .tdx = true}, "intel-qe-identity-tdx.json"},
        {{.kind = CLO_WANT_INTEL_QE_IDENTITY}, "intel-qe-identity-sgx.json"},
        {{.kind = CLO_WANT_INTEL_PCK_CRL}, "intel-pck-crl-platform.der"},
        {{.kind = CLO_WANT_INTEL_PCK_CRL, .processor = true}, "intel-pck-crl-processor.der"},
        {{.kind = CLO_WANT_INTEL_ROOT_CRL}, "intel-root-crl.der"},
        /* sha256("abc"): FIPS 180-2, appendix B.1 */
        {{.kind = CLO_WANT_NVIDIA_OCSP, .request = "abc", .request_n = 3},
         "nvidia-ocsp-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.der"},
        {{.kind = CLO_WANT_AZURE_TD_QUOTE, .request = "abc", .request_n = 3},
         "azure-td-quote-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.bin"},
        {{.kind = CLO_WANT_KINDS}, ""},
        {{.kind = CLO_WANT_NVIDIA_OCSP, .request_n = CLO_WANT_REQUEST_MAX + 1}, ""},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(table); i++) {
        char name[CLO_WANT_NAME_MAX];

        memset(name, 'x', sizeof name);
        clo_want_name(&table[i].want, name);
        assert_string_equal(name, table[i].name);
    }
}

static void no_two_wants_share_a_file_and_none_leaves_the_folder(void **state)
{
    struct clo_want w[32];
    const size_t n = samples(w);
    char name[32][CLO_WANT_NAME_MAX];

    (void)state;
    for (size_t i = 0; i < n; i++) {
        clo_want_name(&w[i], name[i]);
        assert_int_not_equal(name[i][0], '\0');
        assert_int_not_equal(name[i][0], '.');
        assert_int_equal(strspn(name[i], "abcdefghijklmnopqrstuvwxyz0123456789.-"),
                         strlen(name[i]));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(name[i], name[k]);
    }
}

/* ---- messages of the fetcher ---- */

static void the_fetchers_start_comes_back_and_its_urls_are_looked_at(void **state)
{
    static const struct clo_fetcher_start whole = {1,
                                                   "/var/cache/cloister",
                                                   "https://a.example/kds",
                                                   "http://127.0.0.1:8081",
                                                   "https://c.example",
                                                   "http://localhost:1",
                                                   "http://169.254.169.254",
                                                   "http://proxy.example:3128"};
    struct clo_fetcher_start s = whole, r;
    char *const url[] = {s.amd, s.intel, s.intel_certificates, s.nvidia, s.azure};
    uint8_t out[CLO_IPC_PAYLOAD_MAX];
    struct clo_wr wr = clo_wr_init(out, sizeof out);

    (void)state;
    memset(&r, 0xee, sizeof r);
    assert_int_equal(clo_fetcher_start_write(&s, &wr), 0);
    assert_int_equal(clo_fetcher_start_read(out, wr.len, &r), 0);
    assert_memory_equal(&r, &s, sizeof s);
    for (size_t cut = 0; cut < wr.len; cut++)
        assert_int_not_equal(clo_fetcher_start_read(out, cut, &r), 0);
    for (size_t i = 0; i < CLO_ARRAY_LEN(url); i++) {
        wr.len = 0;
        strcpy(url[i], "http://plain.example");
        assert_int_equal(clo_fetcher_start_write(&s, &wr), 0);
        assert_int_equal(clo_fetcher_start_read(out, wr.len, &r), CLOISTER_E_MALFORMED);
        s = whole;
    }
    wr.len = 0;
    strcpy(s.proxy, "socks5://proxy.example");
    assert_int_equal(clo_fetcher_start_write(&s, &wr), 0);
    assert_int_equal(clo_fetcher_start_read(out, wr.len, &r), CLOISTER_E_MALFORMED);
    s = whole;
    wr.len = 0;
    strcpy(s.cache, "here");
    assert_int_equal(clo_fetcher_start_write(&s, &wr), 0);
    assert_int_equal(clo_fetcher_start_read(out, wr.len, &r), CLOISTER_E_MALFORMED);
    memset(&s, 0, sizeof s);
    wr.len = 0;
    assert_int_equal(clo_fetcher_start_write(&s, &wr), 0);
    assert_int_equal(clo_fetcher_start_read(out, wr.len, &r), 0);
}

static void a_fetch_comes_back(void **state)
{
    struct clo_fetch f = {1, vcek(CLO_AMD_TURIN)}, r = {0};
    uint8_t out[2048];
    struct clo_wr wr = clo_wr_init(out, sizeof out);

    (void)state;
    assert_int_equal(clo_fetch_write(&f, &wr), 0);
    assert_int_equal(clo_fetch_read(out, wr.len, &r), 0);
    assert_int_equal(r.renew, 1);
    assert_int_equal(r.want.product, CLO_AMD_TURIN);
    assert_int_equal(clo_fetch_read(out, wr.len + 1, &r), CLOISTER_E_TRAILING);
    out[0] = 2;
    assert_int_equal(clo_fetch_read(out, wr.len, &r), CLOISTER_E_MALFORMED);
}

static int read_back(const struct clo_fetched *f, struct clo_fetched *ret)
{
    uint8_t out[64];
    struct clo_wr wr = clo_wr_init(out, sizeof out);

    assert_int_equal(clo_fetched_write(f, &wr), 0);
    for (size_t cut = 0; cut < wr.len; cut++)
        assert_int_not_equal(clo_fetched_read(out, cut, ret), 0);
    assert_int_not_equal(clo_fetched_read(out, wr.len + 1, ret), 0);
    return clo_fetched_read(out, wr.len, ret);
}

static void an_answer_is_either_bytes_or_one_of_four_errors(void **state)
{
    struct clo_fetched good = {0, 200, 0, 0, CLO_ANSWER_MAX, CLO_ANSWER_CHAIN_MAX}, r = {0};
    struct clo_fetched bad = {CLOISTER_E_BUSY, 429, 10, 0, 0, 0};

    (void)state;
    assert_int_equal(read_back(&good, &r), 0);
    assert_memory_equal(&r, &good, sizeof r);
    good.body_n++;
    assert_int_equal(read_back(&good, &r), CLOISTER_E_LIMIT);
    good.body_n = 1;
    good.chain_n++;
    assert_int_equal(read_back(&good, &r), CLOISTER_E_LIMIT);
    good.chain_n = 0;
    good.body_n = 0;
    assert_int_equal(read_back(&good, &r), CLOISTER_E_MALFORMED);
    for (int error = -40; error <= 2; error++) {
        const bool known = error == CLOISTER_E_BUSY || error == CLOISTER_E_NETWORK ||
                           error == CLOISTER_E_NOT_FOUND || error == CLOISTER_E_IO;

        bad.error = error;
        assert_int_equal(read_back(&bad, &r), known ? 0 : CLOISTER_E_MALFORMED);
    }
    bad.error = CLOISTER_E_IO;
    bad.body_n = 1;
    assert_int_equal(read_back(&bad, &r), CLOISTER_E_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_want_comes_back_as_it_was_written),
        cmocka_unit_test(a_want_that_is_cut_or_longer_is_refused),
        cmocka_unit_test(a_want_of_no_kind_we_know_is_refused),
        cmocka_unit_test(values_that_no_want_has_are_refused),
        cmocka_unit_test(a_want_that_makes_no_sense_is_not_written),
        cmocka_unit_test(files_have_the_names_that_the_manual_says),
        cmocka_unit_test(no_two_wants_share_a_file_and_none_leaves_the_folder),
        cmocka_unit_test(the_fetchers_start_comes_back_and_its_urls_are_looked_at),
        cmocka_unit_test(a_fetch_comes_back),
        cmocka_unit_test(an_answer_is_either_bytes_or_one_of_four_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
