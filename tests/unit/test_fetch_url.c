/* SPDX-License-Identifier: Apache-2.0 */
/* What the fetcher asks of whom, and how it unwraps their answers: src/daemon/fetcher/url.c, src/daemon/service_url.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/enc.h"
#include "daemon/fetcher/url.h"

static const struct clo_fetcher_start vendors = {.online = 1};

static struct clo_want vcek(enum clo_amd_product product, const uint8_t tcb[8])
{
    struct clo_want w = {
        .kind = CLO_WANT_AMD_VCEK, .product = product, .hwid_n = product == CLO_AMD_TURIN ? 8 : 64};

    memcpy(w.tcb, tcb, sizeof w.tcb);
    memset(w.hwid, 0xab, w.hwid_n);
    return w;
}

static struct clo_service_request request(const struct clo_fetcher_start *s, struct clo_want w)
{
    struct clo_service_request r;

    memset(&r, 0xee, sizeof r);
    assert_int_equal(clo_service_request_make(s, &w, &r), 0);
    return r;
}

#define AB16 "abababababababababababababababab"

static void gets_go_to_the_urls_that_the_vendors_publish(void **state)
{
    static const uint8_t tcb[8] = {3, 1, 9, 9, 9, 9, 23, 211};
    static const uint8_t turin[8] = {1, 2, 0, 4, 9, 9, 9, 85};
    const struct {
        struct clo_want want;
        const char *url;
    } table[] = {
        {vcek(CLO_AMD_MILAN, tcb), "https://kdsintf.amd.com/vcek/v1/Milan/" AB16 AB16 AB16 AB16
                                   "?blSPL=03&teeSPL=01&snpSPL=23&ucodeSPL=211"},
        {vcek(CLO_AMD_GENOA, tcb), "https://kdsintf.amd.com/vcek/v1/Genoa/" AB16 AB16 AB16 AB16
                                   "?blSPL=03&teeSPL=01&snpSPL=23&ucodeSPL=211"},
        {vcek(CLO_AMD_TURIN, turin), "https://kdsintf.amd.com/vcek/v1/Turin/abababababababab"
                                     "?fmcSPL=01&blSPL=02&teeSPL=00&snpSPL=04&ucodeSPL=85"},
        {{.kind = CLO_WANT_AMD_CHAIN, .product = CLO_AMD_GENOA},
         "https://kdsintf.amd.com/vcek/v1/Genoa/cert_chain"},
        {{.kind = CLO_WANT_AMD_CHAIN, .product = CLO_AMD_MILAN, .vlek = true},
         "https://kdsintf.amd.com/vlek/v1/Milan/cert_chain"},
        {{.kind = CLO_WANT_AMD_CRL, .product = CLO_AMD_TURIN},
         "https://kdsintf.amd.com/vcek/v1/Turin/crl"},
        {{.kind = CLO_WANT_AMD_CRL, .product = CLO_AMD_MILAN, .vlek = true},
         "https://kdsintf.amd.com/vlek/v1/Milan/crl"},
        {{.kind = CLO_WANT_INTEL_TCB_INFO, .tdx = true, .fmspc = {0xb0, 0xc0, 0x6f}},
         "https://api.trustedservices.intel.com/tdx/certification/v4/tcb?fmspc=b0c06f000000"},
        {{.kind = CLO_WANT_INTEL_TCB_INFO, .fmspc = {0, 0x60, 0x6a}},
         "https://api.trustedservices.intel.com/sgx/certification/v4/tcb?fmspc=00606a000000"},
        {{.kind = CLO_WANT_INTEL_QE_IDENTITY, .tdx = true},
         "https://api.trustedservices.intel.com/tdx/certification/v4/qe/identity"},
        {{.kind = CLO_WANT_INTEL_QE_IDENTITY},
         "https://api.trustedservices.intel.com/sgx/certification/v4/qe/identity"},
        {{.kind = CLO_WANT_INTEL_PCK_CRL},
         "https://api.trustedservices.intel.com/sgx/certification/v4/"
         "pckcrl?ca=platform&encoding=der"},
        {{.kind = CLO_WANT_INTEL_PCK_CRL, .processor = true},
         "https://api.trustedservices.intel.com/sgx/certification/v4/"
         "pckcrl?ca=processor&encoding=der"},
        {{.kind = CLO_WANT_INTEL_ROOT_CRL},
         "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(table); i++) {
        const struct clo_service_request r = request(&vendors, table[i].want);

        assert_string_equal(r.url, table[i].url);
        assert_null(r.type);
        assert_int_equal(r.body_n, 0);
        assert_false(r.wrapped);
        assert_false(r.near);
        assert_int_equal(r.gap_ms, r.service == CLO_SERVICE_AMD ? 10000 : 0);
    }
}

static void issuers_come_in_the_headers_that_intel_names(void **state)
{
    const struct clo_service_request tcb = request(
        &vendors, (struct clo_want){.kind = CLO_WANT_INTEL_TCB_INFO});
    const struct clo_service_request qe = request(
        &vendors, (struct clo_want){.kind = CLO_WANT_INTEL_QE_IDENTITY});
    const struct clo_service_request crl = request(
        &vendors, (struct clo_want){.kind = CLO_WANT_INTEL_PCK_CRL});

    (void)state;
    assert_string_equal(tcb.chain[0], "TCB-Info-Issuer-Chain");
    assert_string_equal(tcb.chain[1], "SGX-TCB-Info-Issuer-Chain");
    assert_string_equal(qe.chain[0], "SGX-Enclave-Identity-Issuer-Chain");
    assert_null(qe.chain[1]);
    assert_null(crl.chain[0]);
}

static void nvidias_responder_gets_the_request_as_it_is(void **state)
{
    struct clo_want w = {.kind = CLO_WANT_NVIDIA_OCSP, .request_n = CLO_WANT_REQUEST_MAX};
    struct clo_service_request r;

    (void)state;
    memset(w.request, 0x30, sizeof w.request);
    r = request(&vendors, w);
    assert_string_equal(r.url, "https://ocsp.ndis.nvidia.com/");
    assert_string_equal(r.type, "application/ocsp-request");
    assert_int_equal(r.body_n, w.request_n);
    assert_memory_equal(r.body, w.request, w.request_n);
}

static void azures_instance_service_gets_the_report_in_json(void **state)
{
    struct clo_want w = {.kind = CLO_WANT_AZURE_TD_QUOTE, .request_n = 1024};
    uint8_t back[1024];
    struct clo_service_request r;
    size_t n = 0;

    (void)state;
    memset(w.request, 0xfb, sizeof w.request); /* "-_" in base64url, "+/" in base64 */
    r = request(&vendors, w);
    assert_string_equal(r.url, "http://169.254.169.254/acc/tdquote");
    assert_string_equal(r.type, "application/json");
    assert_true(r.wrapped);
    assert_true(r.near);
    assert_memory_equal(r.body, "{\"report\":\"", 11);
    assert_memory_equal(r.body + r.body_n - 2, "\"}", 2);
    assert_int_equal(clo_unb64((char *)r.body + 11, r.body_n - 13, back, sizeof back, &n), 0);
    assert_int_equal(n, 1024);
    assert_memory_equal(back, w.request, 1024);
}

static void a_mirror_takes_the_place_of_the_service_and_is_not_paced(void **state)
{
    const struct clo_fetcher_start s = {.online = 1,
                                        .amd = "https://mirror.example:8443/amd///",
                                        .intel = "http://127.0.0.1:8081",
                                        .intel_certificates = "https://certs.example/",
                                        .nvidia = "http://[::1]:80",
                                        .azure = "http://localhost:1/x"};
    struct clo_service_request r = request(
        &s, (struct clo_want){.kind = CLO_WANT_AMD_CRL, .product = CLO_AMD_MILAN});

    (void)state;
    assert_string_equal(r.url, "https://mirror.example:8443/amd/vcek/v1/Milan/crl");
    assert_int_equal(r.gap_ms, 0);
    assert_false(r.near);
    r = request(&s, (struct clo_want){.kind = CLO_WANT_INTEL_QE_IDENTITY});
    assert_string_equal(r.url, "http://127.0.0.1:8081/sgx/certification/v4/qe/identity");
    assert_true(r.near);
    r = request(&s, (struct clo_want){.kind = CLO_WANT_INTEL_ROOT_CRL});
    assert_string_equal(r.url, "https://certs.example/IntelSGXRootCA.der");
    r = request(&s, (struct clo_want){.kind = CLO_WANT_NVIDIA_OCSP, .request_n = 1});
    assert_string_equal(r.url, "http://[::1]:80/");
    assert_true(r.near);
    r = request(&s, (struct clo_want){.kind = CLO_WANT_AZURE_TD_QUOTE, .request_n = 1024});
    assert_string_equal(r.url, "http://localhost:1/x/acc/tdquote");
}

static void the_longest_mirror_and_the_longest_want_fit_together(void **state)
{
    static const uint8_t tcb[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    struct clo_fetcher_start s = {.online = 1};
    struct clo_service_request r;

    (void)state;
    memset(s.amd, 'a', sizeof s.amd - 1);
    memcpy(s.amd, "https://a.example/", 18);
    assert_true(clo_service_url_ok(s.amd, CLO_URL_SERVICE));
    r = request(&s, vcek(CLO_AMD_GENOA, tcb));
    assert_string_equal(r.url + strlen(r.url) - 13, "&ucodeSPL=255");
}

static void what_is_no_want_is_no_request(void **state)
{
    static const uint8_t tcb[8] = {0};
    struct clo_want kind = {.kind = CLO_WANT_KINDS}, product = vcek(CLO_AMD_MILAN, tcb);
    struct clo_want hwid = vcek(CLO_AMD_MILAN, tcb), turin = vcek(CLO_AMD_TURIN, tcb);
    struct clo_want over = {.kind = CLO_WANT_NVIDIA_OCSP, .request_n = CLO_WANT_REQUEST_MAX + 1};
    const struct clo_want *const bad[] = {&kind, &product, &hwid, &turin, &over};
    struct clo_service_request r = {0};

    (void)state;
    product.product = CLO_AMD_PRODUCTS;
    hwid.hwid_n = 8;
    turin.hwid_n = 64;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        assert_int_equal(clo_service_request_make(&vendors, bad[i], &r), CLOISTER_E_ARGUMENT);
    assert_int_equal(r.url[0], 0);
}

/* ---- URLs in the configuration ---- */

static void urls_of_services_are_https_or_stay_on_this_machine(void **state)
{
    static const struct {
        const char *url;
        bool service, instance, proxy;
    } table[] = {
        {"", true, true, true},
        {"https://a.example", true, true, true},
        {"https://a.example/", true, true, true},
        {"https://a.example:8443/x/y", true, true, false},
        {"https://[2001:db8::1]:443", true, true, true},
        {"https://A-1.example/%41", false, false, false},
        {"http://127.0.0.1:1", true, true, true},
        {"http://127.255.255.255", true, true, true},
        {"http://localhost", true, true, true},
        {"http://LocalHost:65535/", true, true, true},
        {"http://[::1]:80/p", true, true, false},
        {"http://169.254.169.254", false, true, true},
        {"http://169.254.169.254/x", false, true, false},
        {"http://169.254.169.253", false, false, true},
        {"http://a.example", false, false, true},
        {"http://a.example:3128", false, false, true},
        /* names that only look like this machine */
        {"http://127.0.0.1.a.example", false, false, true},
        {"http://127.0.0.256", false, false, true},
        {"http://127.1", false, false, true},
        {"http://127.0.0.1.5", false, false, true},
        {"http://127.0.0.", false, false, true},
        {"http://127..0.1", false, false, true},
        {"http://localhost.a.example", false, false, true},
        {"http://xlocalhost", false, false, true},
        {"http://[::2]", false, false, true},
        {"http://0.0.0.0", false, false, true},
        /* what a URL parser may read otherwise */
        {"https://u@a.example", false, false, false},
        {"https://u:p@a.example", false, false, false},
        {"http://127.0.0.1@a.example", false, false, false},
        {"http://127.0.0.1\\@a.example", false, false, false},
        {"https://a.example?x", false, false, false},
        {"https://a.example/?x=1", false, false, false},
        {"https://a.example#x", false, false, false},
        {"https://a.example/x y", false, false, false},
        {"https://a.example/\n", false, false, false},
        {"https://a.example\x7f", false, false, false},
        {"https://a.\xc3\xa4.example", false, false, false},
        {"https://", false, false, false},
        {"https:///x", false, false, false},
        {"https://:80", false, false, false},
        {"https://.example", false, false, false},
        {"https://-x.example", false, false, false},
        {"https://a.example:", false, false, false},
        {"https://a.example:0", false, false, false},
        {"https://a.example:65536", false, false, false},
        {"https://a.example:99999999999999999999", false, false, false},
        {"https://a.example:1x", false, false, false},
        {"https://[::1", false, false, false},
        {"https://[]", false, false, false},
        {"https://[fe80::1%25eth0]", false, false, false},
        {"HTTPS://a.example", false, false, false},
        {"file:///etc/passwd", false, false, false},
        {"ftp://a.example", false, false, false},
        {"//a.example", false, false, false},
        {"a.example", false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(table); i++) {
        print_message("# case %zu\n", i);
        assert_int_equal(clo_service_url_ok(table[i].url, CLO_URL_SERVICE), table[i].service);
        assert_int_equal(clo_service_url_ok(table[i].url, CLO_URL_INSTANCE), table[i].instance);
        assert_int_equal(clo_service_url_ok(table[i].url, CLO_URL_PROXY), table[i].proxy);
    }
}

/* ---- wrappings ---- */

static int chain_of(const char *s, struct clo_buf *out)
{
    *out = clo_buf_init(64);
    return clo_chain_header_decode(s, strlen(s), out);
}

static void issuers_are_decoded(void **state)
{
    static const char expected[] = "-----BEGIN X-----\nA+b/=\r\n";
    struct clo_buf b;

    (void)state;
    assert_int_equal(chain_of("-----BEGIN%20X-----%0AA+b%2F%3d%0D%0a", &b), 0);
    assert_int_equal(b.len, sizeof expected - 1);
    assert_memory_equal(b.p, expected, b.len);
    clo_buf_clear(&b);
}

static void issuers_that_are_no_text_are_refused(void **state)
{
    static const char *const bad[] = {"",     "%",       "a%",    "a%4",   "a%4g",
                                      "a%g4", "a%-1",    "a%00b", "a%09b", "a\tb",
                                      "a%7F", "a%c3%a4", "a\x80", "\r",    "a\nb"};
    char over[66];
    struct clo_buf b;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        print_message("# case %zu\n", i);
        assert_int_equal(chain_of(bad[i], &b), CLOISTER_E_MALFORMED);
        clo_buf_clear(&b);
    }
    memset(over, 'a', sizeof over);
    over[65] = '\0';
    assert_int_equal(chain_of(over, &b), CLOISTER_E_LIMIT);
    clo_buf_clear(&b);
    over[64] = '\0';
    assert_int_equal(chain_of(over, &b), 0);
    clo_buf_clear(&b);
}

static int quote_of(const char *s, struct clo_buf *out)
{
    *out = clo_buf_init(16);
    return clo_azure_quote_decode(s, strlen(s), out);
}

static void a_quote_comes_out_of_its_json_padded_or_not(void **state)
{
    static const char *const good[] = {"{\"quote\":\"-_-_AA\"}", "{\"quote\":\"-_-_AA==\"}",
                                       " {\"x\": [1], \"quote\": \"-_-_AA\", \"y\": null} "};
    static const uint8_t expected[] = {0xfb, 0xff, 0xbf, 0};
    struct clo_buf b;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(good); i++) {
        assert_int_equal(quote_of(good[i], &b), 0);
        assert_int_equal(b.len, sizeof expected);
        assert_memory_equal(b.p, expected, b.len);
        clo_buf_clear(&b);
    }
}

static void an_answer_without_a_quote_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "null",
        "\"quote\"",
        "{\"quote\":null}",
        "{\"quote\":1}",
        "{\"quote\":\"\"}",
        "{\"quote\":\"==\"}",
        "{\"quote\":\"A\"}",
        "{\"quote\":\"AA===\"}",
        "{\"quote\":\"+/+/\"}",
        "{\"quote\":\"AA AA\"}",
        "{\"quote\":\"AAAA\",\"quote\":\"AAAA\"}",
        "{\"quote\":\"AAAA\"}x",
        "{\"error\":\"throttled\"}",
        "<html>",
        "{\"quote\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", /* more than there is room for */
    };
    struct clo_buf b;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        print_message("# case %zu\n", i);
        assert_int_not_equal(quote_of(bad[i], &b), 0);
        assert_int_equal(b.len, 0);
        clo_buf_clear(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gets_go_to_the_urls_that_the_vendors_publish),
        cmocka_unit_test(issuers_come_in_the_headers_that_intel_names),
        cmocka_unit_test(nvidias_responder_gets_the_request_as_it_is),
        cmocka_unit_test(azures_instance_service_gets_the_report_in_json),
        cmocka_unit_test(a_mirror_takes_the_place_of_the_service_and_is_not_paced),
        cmocka_unit_test(the_longest_mirror_and_the_longest_want_fit_together),
        cmocka_unit_test(what_is_no_want_is_no_request),
        cmocka_unit_test(urls_of_services_are_https_or_stay_on_this_machine),
        cmocka_unit_test(issuers_are_decoded),
        cmocka_unit_test(issuers_that_are_no_text_are_refused),
        cmocka_unit_test(a_quote_comes_out_of_its_json_padded_or_not),
        cmocka_unit_test(an_answer_without_a_quote_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
