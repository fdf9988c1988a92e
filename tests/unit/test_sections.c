/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of evidence: exact bytes when written, strictness when read, and the binding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <cloister/verify.h>

#include "attest/sections.h"
#include "base/enc.h"

#define HEX32  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define B64_32 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define KEYS                                                              \
    "{\"v\":1,\"ohttp_keys\":\"AQID\",\"created\":1000,\"expires\":2800," \
    "\"gateway\":\"/r/0123456789abcdef\",\"receipt_key\":\"" B64_32 "\"}"
#define SHAPE_OF(clock)                                                         \
    "{\"name\":\"chat\",\"frame\":512," clock ",\"first\":512,\"max\":32768},"  \
    "{\"name\":\"wide\",\"frame\":4096," clock ",\"first\":128,\"max\":32768}," \
    "{\"name\":\"bulk\",\"frame\":16384," clock ",\"first\":32,\"max\":32768}"
#define SHAPE_FULL SHAPE_OF("\"interval_ms\":50,\"delay_ms\":100")
#define SHAPE_SIZE SHAPE_OF("\"interval_ms\":0,\"delay_ms\":0")
#define LIMITS     "\"limits\":{\"context_tokens\":8192,\"slots\":4,\"request_bytes\":1048576}}"
#define MANIFEST                                                                                  \
    "{\"v\":1,\"release\":\"0.1.0\",\"engine\":{\"name\":\"llama-server\",\"version\":\"b6000\"," \
    "\"managed\":true,\"args\":\"" HEX32 "\"},\"upstream\":\"unix\","                             \
    "\"model\":{\"name\":\"SmolLM2\",\"sha256\":\"" HEX32 "\"},\"kems\":[\"x-wing\"],"            \
    "\"prefix_cache\":\"credential\",\"shape\":[" SHAPE_FULL "]," LIMITS

static uint8_t count_up[32];

static int make_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < 32; i++)
        count_up[i] = (uint8_t)i;
    return 0;
}

static struct clo_manifest example_manifest(void)
{
    struct clo_manifest m = {
        .release = "0.1.0",
        .engine_name = "llama-server",
        .engine_version = "b6000",
        .managed = true,
        .upstream = "unix",
        .model = "SmolLM2",
        .prefix_cache = "credential",
        .shape = CLO_SHAPING_FULL,
        .context_tokens = 8192,
        .slots = 4,
        .request_bytes = 1048576,
    };

    memcpy(m.engine_args, count_up, 32);
    memcpy(m.model_sha256, count_up, 32);
    return m;
}

static struct clo_keys_section example_keys(void)
{
    struct clo_keys_section k = {
        .ohttp_keys = {1, 2, 3},
        .ohttp_keys_n = 3,
        .created = 1000,
        .expires = 2800,
        .gateway = "/r/0123456789abcdef",
    };

    memcpy(k.receipt_key, count_up, 32);
    return k;
}

static void assert_text(struct clo_buf *b, const char *want)
{
    assert_int_equal(b->len, strlen(want));
    assert_memory_equal(b->p, want, b->len);
    clo_buf_clear(b);
}

/* A copy of `text` where the first `from` became `to`. */
static char *with(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    char *s = NULL;
    size_t n;

    assert_non_null(at);
    n = strlen(text) + strlen(to) + 1;
    assert_non_null(s = malloc(n));
    memcpy(s, text, (size_t)(at - text));
    strcpy(s + (at - text), to);
    strcat(s, at + strlen(from));
    return s;
}

static int keys_parse(const char *text)
{
    struct clo_keys_section k;

    return clo_keys_section_parse(text, strlen(text), &k);
}

static int manifest_parse(const char *text)
{
    struct clo_manifest m;

    return clo_manifest_parse(text, strlen(text), &m);
}

static int cpu_parse(const char *text)
{
    struct clo_cpu_section c = {0};
    int err = clo_cpu_section_parse(text, strlen(text), &c);

    clo_cpu_section_clear(&c);
    return err;
}

static int batch_parse(const char *text)
{
    struct clo_batch_section b;

    return clo_batch_section_parse(text, strlen(text), &b);
}

static int collateral_parse(const char *text)
{
    struct clo_collateral c = {0};
    int err = clo_collateral_parse(text, strlen(text), &c);

    clo_collateral_clear(&c);
    return err;
}

/* The result of `parse` when `from` in `text` is replaced. */
static int changed(int (*parse)(const char *), const char *text, const char *from, const char *to)
{
    char *s = with(text, from, to);
    int err = parse(s);

    free(s);
    return err;
}

static void keys_are_written_as_documented(void **state)
{
    const struct clo_keys_section k = example_keys();
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);

    (void)state;
    assert_int_equal(clo_keys_section_write(&k, &b), 0);
    assert_text(&b, KEYS);
}

static void keys_are_read_back(void **state)
{
    const struct clo_keys_section want = example_keys();
    struct clo_keys_section k = {0};

    (void)state;
    assert_int_equal(clo_keys_section_parse(KEYS, strlen(KEYS), &k), 0);
    assert_int_equal(k.ohttp_keys_n, 3);
    assert_memory_equal(k.ohttp_keys, want.ohttp_keys, 3);
    assert_int_equal(k.created, 1000);
    assert_int_equal(k.expires, 2800);
    assert_string_equal(k.gateway, want.gateway);
    assert_memory_equal(k.receipt_key, count_up, 32);
}

static void malformed_keys_are_refused(void **state)
{
    (void)state;
    assert_int_equal(changed(keys_parse, KEYS, "\"v\":1", "\"v\":2"), CLOISTER_E_UNKNOWN);
    assert_int_equal(changed(keys_parse, KEYS, "\"v\":1", "\"v\":1,\"w\":1"), CLOISTER_E_UNKNOWN);
    assert_int_equal(changed(keys_parse, KEYS, "\"v\":1", "\"v\":1,\"v\":1"), CLOISTER_E_DUPLICATE);
    assert_int_equal(changed(keys_parse, KEYS, "}", "} "), 0); /* white space is JSON's own */
    assert_int_equal(changed(keys_parse, KEYS, "}", "}{"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(keys_parse, KEYS, "AQID", "AQI="), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(keys_parse, KEYS, "AQID", "AQIDBB"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(keys_parse, KEYS, "AQID", ""), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(keys_parse, KEYS, "2800", "1000"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(keys_parse, KEYS, "2800", "null"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(keys_parse, KEYS, "2800", "2800.0"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(keys_parse, KEYS, "1000", "-1"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(keys_parse, KEYS, B64_32, "AAAA"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(keys_parse, KEYS, "\"expires\":2800,", ""), CLOISTER_E_MALFORMED);
}

static void a_gateway_path_is_r_and_sixteen_digits(void **state)
{
    (void)state;
    assert_true(clo_gateway_path_ok("/r/0123456789abcdef"));
    assert_false(clo_gateway_path_ok(""));
    assert_false(clo_gateway_path_ok("/r/0123456789abcde"));
    assert_false(clo_gateway_path_ok("/r/0123456789abcdef0"));
    assert_false(clo_gateway_path_ok("/r/0123456789ABCDEF"));
    assert_false(clo_gateway_path_ok("/r/../0123456789abc"));
    assert_false(clo_gateway_path_ok("//x/123456789abcdef"));
    assert_int_equal(changed(keys_parse, KEYS, "/r/0", "/s/0"), CLOISTER_E_MALFORMED);
}

static void a_manifest_is_written_as_documented(void **state)
{
    const struct clo_manifest m = example_manifest();
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);

    (void)state;
    assert_int_equal(clo_manifest_write(&m, &b), 0);
    assert_text(&b, MANIFEST);
}

static void a_manifest_is_read_back(void **state)
{
    const struct clo_manifest want = example_manifest();
    struct clo_manifest m;

    (void)state;
    memset(&m, 0xff, sizeof m);
    assert_int_equal(clo_manifest_parse(MANIFEST, strlen(MANIFEST), &m), 0);
    assert_string_equal(m.release, want.release);
    assert_string_equal(m.engine_version, want.engine_version);
    assert_string_equal(m.model, want.model);
    assert_memory_equal(m.engine_args, count_up, 32);
    assert_memory_equal(m.model_sha256, count_up, 32);
    assert_true(m.managed);
    assert_false(m.x25519);
    assert_int_equal(m.shape, CLO_SHAPING_FULL);
    assert_int_equal(m.request_bytes, 1048576);
}

static void an_unmanaged_manifest_has_neither_arguments_nor_model_digest(void **state)
{
    struct clo_manifest m = example_manifest();
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);
    struct clo_manifest back;

    (void)state;
    m.managed = false;
    m.x25519 = true;
    strcpy(m.upstream, "loopback");
    strcpy(m.prefix_cache, "upstream");
    assert_int_equal(clo_manifest_write(&m, &b), 0);
    assert_null(memmem(b.p, b.len, "sha256", 6));
    assert_null(memmem(b.p, b.len, "args", 4));
    assert_int_equal(clo_manifest_parse(b.p, b.len, &back), 0);
    assert_false(back.managed);
    assert_true(back.x25519);
    clo_buf_clear(&b);
    assert_int_equal(changed(manifest_parse, MANIFEST, "true", "false"), CLOISTER_E_UNKNOWN);
}

static void malformed_manifests_are_refused(void **state)
{
    (void)state;
    assert_int_equal(changed(manifest_parse, MANIFEST, "\"unix\"", "\"\""), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(manifest_parse, MANIFEST, "SmolLM2", "a\\nb"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(manifest_parse, MANIFEST, "SmolLM2", "a\\u001bb"),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(changed(manifest_parse, MANIFEST, "SmolLM2", "a\\u202eb"),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(changed(manifest_parse, MANIFEST, "\"x-wing\"", ""), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(manifest_parse, MANIFEST, "\"x-wing\"", "\"x25519\""),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(changed(manifest_parse, MANIFEST, "credential", "shared"),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(changed(manifest_parse, MANIFEST, "\"slots\":4,", ""), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(manifest_parse, MANIFEST, "\"slots\":4", "\"slots\":4,\"x\":0"),
                     CLOISTER_E_UNKNOWN);
}

static void a_manifest_promises_one_of_three_shapes(void **state)
{
    static const char *const text[] = {
        [CLO_SHAPING_OFF] = "", [CLO_SHAPING_SIZE] = SHAPE_SIZE, [CLO_SHAPING_FULL] = SHAPE_FULL};
    struct clo_manifest m = example_manifest();

    (void)state;
    for (unsigned i = 0; i < CLO_ARRAY_LEN(text); i++) {
        struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);
        struct clo_manifest back = {.shape = CLO_SHAPING_OFF};
        char *want = with(MANIFEST, SHAPE_FULL, text[i]);

        m.shape = (enum clo_shaping)i;
        assert_int_equal(clo_manifest_write(&m, &b), 0);
        assert_int_equal(clo_manifest_parse(b.p, b.len, &back), 0);
        assert_int_equal(back.shape, i);
        assert_text(&b, want);
        free(want);
    }
}

/* A client can't hold a machine to a promise that it doesn't know. */
static void another_shape_is_refused(void **state)
{
    static const struct {
        const char *from, *to;
    } change[] = {
        {"[{\"name\":\"chat\"", "[{\"name\":\"Chat\""},
        {"[{\"name\":\"chat\"", "[{\"name\":\"wide\""},
        {"[{\"name\":\"chat\"", "[{\"name\":\"chat\",\"more\":1"},
        {"[{\"name\":\"chat\",", "[{"},
        {"\"chat\",\"frame\":512", "\"chat\",\"frame\":\"512\""},
        {"\"chat\",\"frame\":512", "\"chat\",\"frame\":512.0"},
        {"\"shape\":[", "\"shape\":[{},"},
        {"\"shape\":[", "\"shape\":[" SHAPE_FULL ","},
        {SHAPE_FULL, "{}"},
        {SHAPE_FULL, "\"full\""},
        {SHAPE_FULL, SHAPE_FULL ",{}"},
        /* a class more, a class less, other classes, another order */
        {SHAPE_FULL,
         SHAPE_FULL ",{\"name\":\"slow\",\"frame\":512,\"interval_ms\":100,\"delay_ms\":100,"
                    "\"first\":512,\"max\":32768}"},
        {",{\"name\":\"bulk\",\"frame\":16384,\"interval_ms\":50,\"delay_ms\":100,\"first\":32,\"max\":32768}",
         ""},
        {"\"name\":\"wide\"", "\"name\":\"bulk\""},
        {"{\"name\":\"chat\",\"frame\":512,\"interval_ms\":50,\"delay_ms\":100,\"first\":512,\"max\":32768},"
         "{\"name\":\"wide\",\"frame\":4096,\"interval_ms\":50,\"delay_ms\":100,\"first\":128,\"max\":32768}",
         "{\"name\":\"wide\",\"frame\":4096,\"interval_ms\":50,\"delay_ms\":100,\"first\":128,\"max\":32768},"
         "{\"name\":\"chat\",\"frame\":512,\"interval_ms\":50,\"delay_ms\":100,\"first\":512,\"max\":32768}"},
        /* a clock for one class, and for half of one */
        {"\"interval_ms\":50,\"delay_ms\":100", "\"interval_ms\":0,\"delay_ms\":0"},
        {"\"interval_ms\":50,\"delay_ms\":100", "\"interval_ms\":50,\"delay_ms\":0"},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(change); i++)
        assert_int_equal(changed(manifest_parse, MANIFEST, change[i].from, change[i].to),
                         CLOISTER_E_UNSUPPORTED);
    assert_int_equal(changed(manifest_parse, MANIFEST, "\"shape\":[" SHAPE_FULL "],", ""),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(
        changed(manifest_parse, MANIFEST, "\"shape\":[" SHAPE_FULL "]", "\"shape\":\"full\""),
        CLOISTER_E_MALFORMED);
    assert_int_equal(changed(manifest_parse, MANIFEST, "\"chat\",\"frame\":512",
                             "\"chat\",\"frame\":512,\"frame\":512"),
                     CLOISTER_E_DUPLICATE);
}

/* Each number of each class, with a clock and without one. */
static void every_number_of_a_shape_is_the_protocols(void **state)
{
    static const char *const shape[] = {SHAPE_SIZE, SHAPE_FULL};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(shape); i++) {
        char *text = with(MANIFEST, SHAPE_FULL, shape[i]);
        char *const begin = strstr(text, "\"shape\""), *const end = strstr(text, "\"limits\"");
        size_t numbers = 0;

        for (char *p = begin; p < end; p++) {
            const char was = *p;

            if (was < '0' || was > '9' || (p[1] >= '0' && p[1] <= '9'))
                continue;
            *p = was == '9' ? '8' : (char)(was + 1);
            assert_int_equal(manifest_parse(text), CLOISTER_E_UNSUPPORTED);
            *p = was;
            numbers++;
        }
        assert_int_equal(numbers, 15);
        assert_int_equal(manifest_parse(text), 0);
        free(text);
    }
}

static void fill_buf(struct clo_buf *b, size_t n)
{
    *b = clo_buf_init(n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(clo_buf_append(b, &(uint8_t){(uint8_t)(i + n)}, 1), 0);
}

static void assert_same(const struct clo_buf *a, const struct clo_buf *b)
{
    assert_int_equal(a->len, b->len);
    if (a->len > 0)
        assert_memory_equal(a->p, b->p, a->len);
}

/* One of each kind, everything in it that the kind may have. */
static struct clo_cpu_section example_cpu(const char *type)
{
    const enum clo_cpu_kind kind = clo_cpu_kind(type);
    const bool azure = kind == CLO_CPU_SNP_AZURE || kind == CLO_CPU_TDX_AZURE;
    const bool tdx = kind == CLO_CPU_TDX || kind == CLO_CPU_TDX_AZURE;
    struct clo_cpu_section c = {.kind = kind};

    strcpy(c.type, type);
    if (azure) {
        fill_buf(&c.hcl, 60);
        fill_buf(&c.tpm_quote, 50);
        fill_buf(&c.tpm_signature, 40);
        fill_buf(&c.pcrs, 64);
    }
    if (tdx)
        fill_buf(&c.quote, 70);
    if (tdx || azure)
        fill_buf(&c.event_log, 80);
    if (!tdx) {
        c.chain_n = 2;
        fill_buf(&c.chain[0], 20);
        fill_buf(&c.chain[1], 21);
    }
    if (!tdx && !azure) {
        c.report_n = CLO_SNP_REPORT_LEN;
        memset(c.report, 0x5a, sizeof c.report);
    }
    return c;
}

static const char *const cpu_types[] = {"simulated", "sev-snp", "sev-snp-azure", "tdx",
                                        "tdx-azure"};

static void every_kind_of_cpu_section_round_trips(void **state)
{
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(cpu_types); i++) {
        struct clo_cpu_section c = example_cpu(cpu_types[i]), back = {0};

        assert_int_equal(clo_cpu_section_write(&c, &b), 0);
        assert_int_equal(clo_cpu_section_parse(b.p, b.len, &back), 0);
        assert_string_equal(back.type, c.type);
        assert_int_equal(back.kind, c.kind);
        assert_int_equal(back.report_n, c.report_n);
        assert_memory_equal(back.report, c.report, sizeof c.report);
        assert_same(&back.hcl, &c.hcl);
        assert_same(&back.quote, &c.quote);
        assert_same(&back.tpm_quote, &c.tpm_quote);
        assert_same(&back.tpm_signature, &c.tpm_signature);
        assert_same(&back.pcrs, &c.pcrs);
        assert_same(&back.event_log, &c.event_log);
        assert_int_equal(back.chain_n, c.chain_n);
        for (size_t k = 0; k < c.chain_n; k++)
            assert_same(&back.chain[k], &c.chain[k]);
        clo_cpu_section_clear(&back);
        clo_cpu_section_clear(&c);
        clo_buf_clear(&b);
    }
}

static void the_members_of_a_kind_are_written_as_documented(void **state)
{
    struct clo_cpu_section c = {.type = "tdx-azure"};
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);
    struct clo_buf *const part[] = {&c.hcl,           &c.quote, &c.tpm_quote,
                                    &c.tpm_signature, &c.pcrs,  &c.event_log};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(part); i++) {
        *part[i] = clo_buf_init(1);
        assert_int_equal(clo_buf_append(part[i], &count_up[i], 1), 0);
    }
    assert_int_equal(clo_cpu_section_write(&c, &b), 0);
    assert_text(&b, "{\"v\":1,\"type\":\"tdx-azure\",\"hcl\":\"AA\",\"quote\":\"AQ\","
                    "\"tpm_quote\":\"Ag\",\"tpm_signature\":\"Aw\",\"pcrs\":\"BA\","
                    "\"event_log\":\"BQ\"}");
    clo_cpu_section_clear(&c);
}

static void an_event_log_may_be_absent_and_nothing_else(void **state)
{
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);

    (void)state;
    for (size_t i = 2; i < CLO_ARRAY_LEN(cpu_types); i++) {
        struct clo_cpu_section c = example_cpu(cpu_types[i]);
        struct clo_buf *const part[] = {&c.quote, &c.hcl, &c.tpm_quote, &c.tpm_signature, &c.pcrs};

        clo_buf_clear(&c.event_log);
        assert_int_equal(clo_cpu_section_write(&c, &b), 0);
        assert_int_equal(clo_buf_append(&b, "", 1), 0);
        assert_int_equal(cpu_parse((char *)b.p), 0);
        clo_buf_clear(&b);
        for (size_t k = 0; k < CLO_ARRAY_LEN(part); k++) {
            const size_t len = part[k]->len;

            part[k]->len = 0;
            assert_int_equal(clo_cpu_section_write(&c, &b), len == 0 ? 0 : CLOISTER_E_ARGUMENT);
            part[k]->len = len;
            clo_buf_clear(&b);
        }
        clo_cpu_section_clear(&c);
    }
}

static void a_member_of_another_kind_is_refused(void **state)
{
    static const struct {
        const char *member;
        bool in[5]; /* in the order of cpu_types */
    } members[] = {
        {"\"report\":\"AAAA\"", {true, true, false, false, false}},
        {"\"chain\":[\"AAAA\"]", {true, true, true, false, false}},
        {"\"hcl\":\"AAAA\"", {false, false, true, false, true}},
        {"\"quote\":\"AAAA\"", {false, false, false, true, true}},
        {"\"tpm_quote\":\"AAAA\"", {false, false, true, false, true}},
        {"\"tpm_signature\":\"AAAA\"", {false, false, true, false, true}},
        {"\"pcrs\":\"AAAA\"", {false, false, true, false, true}},
    };

    (void)state;
    for (size_t t = 0; t < CLO_ARRAY_LEN(cpu_types); t++) {
        /* all of its own members; then without each, then with each of the others */
        for (size_t odd = 0; odd <= CLO_ARRAY_LEN(members); odd++) {
            char s[512];
            int want = 0;

            (void)snprintf(s, sizeof s, "{\"v\":1,\"type\":\"%s\"", cpu_types[t]);
            for (size_t m = 0; m < CLO_ARRAY_LEN(members); m++) {
                if (members[m].in[t] == (m != odd)) {
                    strcat(s, ",");
                    strcat(s, members[m].member);
                }
                if (m == odd)
                    want = members[m].in[t] ? CLOISTER_E_MALFORMED : CLOISTER_E_UNKNOWN;
            }
            strcat(s, "}");
            assert_int_equal(cpu_parse(s), want);
        }
    }
}

static void an_unknown_cpu_type_is_refused(void **state)
{
    (void)state;
    assert_int_equal(clo_cpu_kind("sgx"), CLO_CPU_UNKNOWN);
    assert_int_equal(clo_cpu_kind(""), CLO_CPU_UNKNOWN);
    assert_int_equal(clo_cpu_kind("TDX"), CLO_CPU_UNKNOWN);
    assert_int_equal(cpu_parse("{\"v\":1,\"type\":\"sgx\"}"), CLOISTER_E_UNKNOWN);
    assert_int_equal(cpu_parse("{\"v\":1,\"type\":\"tdx\"}"), CLOISTER_E_MALFORMED);
    assert_int_equal(cpu_parse("{\"v\":1}"), CLOISTER_E_MALFORMED);
}

#define TDX "{\"v\":1,\"type\":\"tdx\",\"quote\":\"AAAA\",\"event_log\":\"AAAA\"}"
static void malformed_quotes_are_refused(void **state)
{
    char *huge = malloc(2 * CLO_QUOTE_MAX + 200);

    (void)state;
    assert_int_equal(cpu_parse(TDX), 0);
    assert_int_equal(changed(cpu_parse, TDX, "\"AAAA\"", "\"\""), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(cpu_parse, TDX, "\"AAAA\"", "null"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(cpu_parse, TDX, "\"AAAA\"", "\"AAAB=\""), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(cpu_parse, TDX, "log\":\"AAAA\"", "log\":\"\""), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(cpu_parse, TDX, "log\":\"AAAA\"", "log\":null"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(cpu_parse, TDX, "log\":\"AAAA\"", "log\":[]"), CLOISTER_E_MALFORMED);

    assert_non_null(huge); /* the longest quote, and one byte more */
    for (size_t over = 0; over < 2; over++) {
        const size_t n = CLO_B64_LEN(CLO_QUOTE_MAX + over);

        strcpy(huge, "{\"v\":1,\"type\":\"tdx\",\"quote\":\"");
        memset(huge + strlen(huge), 'A', n + 1);
        huge[strlen("{\"v\":1,\"type\":\"tdx\",\"quote\":\"") + n] = '\0';
        strcat(huge, "\"}");
        assert_int_equal(cpu_parse(huge), over == 0 ? 0 : CLOISTER_E_LIMIT);
    }
    free(huge);
}

#define CPU "{\"v\":1,\"type\":\"sev-snp\",\"report\":\"AAAA\",\"chain\":[\"AAAA\"]}"
static void malformed_cpu_sections_are_refused(void **state)
{
    (void)state;
    assert_int_equal(cpu_parse(CPU), 0);
    assert_int_equal(changed(cpu_parse, CPU, "[\"AAAA\"]", "[]"),
                     0); /* the appraisal will miss it */
    assert_int_equal(changed(cpu_parse, CPU, "[\"AAAA\"]", "[\"\"]"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(cpu_parse, CPU, "[\"AAAA\"]", "[1]"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(cpu_parse, CPU, "[\"AAAA\"]", "[\"AAAA\",\"A\"]"),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(
        changed(cpu_parse, CPU, "[\"AAAA\"]", "[\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\"]"),
        CLOISTER_E_LIMIT);
    assert_int_equal(changed(cpu_parse, CPU, "[\"AAAA\"]", "{}"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(cpu_parse, CPU, "\"chain\"", "\"quote\":\"AAAA\",\"chain\""),
                     CLOISTER_E_UNKNOWN);
}

static void devices_are_read_and_written(void **state)
{
    const char one[] = "{\"v\":1,\"devices\":[{\"arch\":\"hopper\",\"report\":\"AQI\",\"chain\":"
                       "[\"Aw\",\"BA\"]}]}";
    const char *const bad[] = {
        "{\"v\":1,\"devices\":[1]}",
        "{\"v\":1,\"devices\":[{\"arch\":\"Hopper\",\"report\":\"AQI\",\"chain\":[]}]}",
        "{\"v\":1,\"devices\":[{\"arch\":\"hopper\",\"chain\":[]}]}",
    };
    struct clo_devices d = {0};
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);

    (void)state;
    assert_int_equal(clo_devices_section_write_empty(&b), 0);
    assert_int_equal(clo_devices_section_parse(b.p, b.len, &d), 0);
    assert_int_equal(d.count, 0);
    assert_text(&b, "{\"v\":1,\"devices\":[]}");
    clo_buf_clear(&b);
    assert_int_equal(clo_devices_section_parse(one, strlen(one), &d), 0);
    assert_int_equal(d.count, 1);
    assert_string_equal(d.device[0].arch, "hopper");
    assert_int_equal(d.device[0].chain_n, 2);
    assert_int_equal(clo_devices_section_write(&d, &b), 0);
    assert_text(&b, one);
    clo_buf_clear(&b);
    clo_devices_clear(&d);
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        assert_int_equal(clo_devices_section_parse(bad[i], strlen(bad[i]), &d),
                         CLOISTER_E_MALFORMED);
}

static void collateral_round_trips(void **state)
{
    struct clo_collateral c = {.crls = 1}, back = {0};
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);

    (void)state;
    c.crl[0] = clo_buf_init(100);
    assert_int_equal(clo_buf_append(&c.crl[0], count_up, 3), 0);
    assert_int_equal(clo_collateral_write(&c, &b), 0);
    assert_int_equal(clo_collateral_parse(b.p, b.len, &back), 0);
    assert_int_equal(back.crls, 1);
    assert_memory_equal(back.crl[0].p, count_up, 3);
    assert_text(&b, "{\"v\":1,\"crls\":[\"AAEC\"]}");
    clo_collateral_clear(&c);
    clo_collateral_clear(&back);
    assert_int_equal(collateral_parse("{\"v\":1,\"crls\":[\"AA==\"]}"), CLOISTER_E_MALFORMED);
    assert_int_equal(collateral_parse("{\"v\":1}"), CLOISTER_E_MALFORMED);
}

static void collateral_of_every_vendor_round_trips(void **state)
{
    const char text[] =
        "{\"v\":1,\"crls\":[],\"ocsp\":[\"AA\",\"AQ\"],\"intel\":{\"tcb_info\":\"Ag\","
        "\"qe_identity\":\"Aw\",\"chain\":[\"BA\"]}}";
    struct clo_collateral c = {0};
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);

    (void)state;
    assert_int_equal(clo_collateral_parse(text, strlen(text), &c), 0);
    assert_int_equal(c.ocsps, 2);
    assert_int_equal(c.ocsp[1].p[0], 1);
    assert_int_equal(c.tcb_info.p[0], 2);
    assert_int_equal(c.qe_identity.p[0], 3);
    assert_int_equal(c.collateral_chain_n, 1);
    assert_int_equal(c.collateral_chain[0].p[0], 4);
    assert_int_equal(clo_collateral_write(&c, &b), 0);
    assert_text(&b, text);
    clo_buf_clear(&c.qe_identity); /* Intel's answers come together */
    assert_int_equal(clo_collateral_write(&c, &b), CLOISTER_E_ARGUMENT);
    clo_collateral_clear(&c);
    assert_int_equal(changed(collateral_parse, text, "[\"AA\",\"AQ\"]", "[]"),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(changed(collateral_parse, text, "[\"AA\",\"AQ\"]", "null"),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(changed(collateral_parse, text, "\"AA\"", "\"\""), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(collateral_parse, text, "\"qe_identity\":\"Aw\",", ""),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(changed(collateral_parse, text, ",\"chain\":[\"BA\"]", ""),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(changed(collateral_parse, text, "[\"BA\"]", "[]"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(collateral_parse, text, "\"chain\"", "\"root\":\"AA\",\"chain\""),
                     CLOISTER_E_UNKNOWN);
    assert_int_equal(changed(collateral_parse, text, "\"ocsp\"", "\"rims\":[],\"ocsp\""),
                     CLOISTER_E_UNKNOWN);
}

/* One answer too many is refused before any is decoded. */
static void the_number_of_answers_is_bounded(void **state)
{
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);
    struct clo_collateral c = {.ocsps = CLO_OCSPS_MAX + 1};

    (void)state;
    assert_int_equal(clo_collateral_write(&c, &b), CLOISTER_E_ARGUMENT);
    for (size_t n = CLO_OCSPS_MAX; n <= CLO_OCSPS_MAX + 1; n++) {
        char s[1024] = "{\"v\":1,\"crls\":[],\"ocsp\":[\"AA\"";

        for (size_t i = 1; i < n; i++)
            strcat(s, ",\"AA\"");
        strcat(s, "]}");
        assert_int_equal(collateral_parse(s), n == CLO_OCSPS_MAX ? 0 : CLOISTER_E_LIMIT);
    }
}

/*
 * The largest machine: eight GPUs and four switches with reports and certificates as long as genuine ones are, and an
 * answer for each of their certificates. Sections and document hold it.
 */
static void the_largest_machine_fits(void **state)
{
    enum {
        GPUS = 8,
        SWITCHES = 4,
        REPORT = 4608,
        CERT = 900,
        ANSWER = 2048,
    };
    struct clo_device list[GPUS + SWITCHES] = {0};
    struct clo_devices d = {.count = CLO_ARRAY_LEN(list), .device = list};
    struct clo_collateral c = {
        .ocsps = 3 * (GPUS + SWITCHES) + 4, .crls = 3, .collateral_chain_n = 1};
    struct clo_buf devices = clo_buf_init(CLO_SECTION_MAX), coll = clo_buf_init(CLO_SECTION_MAX),
                   doc = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    struct clo_section_ref ref[CLO_SEC_COUNT];
    static const char other[32768];

    (void)state;
    for (size_t i = 0; i < d.count; i++) {
        strcpy(list[i].arch, "hopper");
        fill_buf(&list[i].report, REPORT);
        list[i].chain_n = 5;
        for (size_t k = 0; k < 5; k++)
            fill_buf(&list[i].chain[k], CERT);
    }
    for (size_t i = 0; i < c.ocsps; i++)
        fill_buf(&c.ocsp[i], ANSWER);
    for (size_t i = 0; i < c.crls; i++)
        fill_buf(&c.crl[i], 8192);
    fill_buf(&c.tcb_info, 8192);
    fill_buf(&c.qe_identity, 2048);
    fill_buf(&c.collateral_chain[0], CERT);
    assert_int_equal(clo_devices_section_write(&d, &devices), 0);
    assert_int_equal(clo_collateral_write(&c, &coll), 0);
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        ref[i] = (struct clo_section_ref){.p = other, .n = sizeof other};
    ref[CLO_SEC_DEVICES] = (struct clo_section_ref){.p = devices.p, .n = devices.len};
    ref[CLO_SEC_COLLATERAL] = (struct clo_section_ref){.p = coll.p, .n = coll.len};
    assert_int_equal(clo_evidence_write(ref, &doc), 0);
    assert_true(devices.len < CLO_SECTION_MAX * 2 / 3 && coll.len < CLO_SECTION_MAX * 2 / 3);
    clo_buf_clear(&devices);
    clo_buf_clear(&coll);
    clo_buf_clear(&doc);
    d.device = NULL; /* not from the heap */
    for (size_t i = 0; i < CLO_ARRAY_LEN(list); i++) {
        clo_buf_clear(&list[i].report);
        for (size_t k = 0; k < 5; k++)
            clo_buf_clear(&list[i].chain[k]);
    }
    clo_collateral_clear(&c);
}

#define BATCH "{\"v\":1,\"root\":\"" HEX32 "\",\"index\":1,\"size\":2,\"path\":[\"" HEX32 "\"]}"
static void the_batch_section_round_trips(void **state)
{
    struct clo_batch_section s = {.index = 1, .size = 2, .path_n = 1}, back = {0};
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);

    (void)state;
    memcpy(s.root, count_up, 32);
    memcpy(s.path[0], count_up, 32);
    assert_int_equal(clo_batch_section_write(&s, &b), 0);
    assert_int_equal(clo_batch_section_parse(b.p, b.len, &back), 0);
    assert_memory_equal(&back, &s, sizeof s);
    assert_text(&b, BATCH);
}

static void malformed_batches_are_refused(void **state)
{
    (void)state;
    assert_int_equal(changed(batch_parse, BATCH, "\"index\":1", "\"index\":2"),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(changed(batch_parse, BATCH, "\"size\":2", "\"size\":0"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(batch_parse, BATCH, "\"size\":2", "\"size\":4097"),
                     CLOISTER_E_MALFORMED);
    assert_int_equal(changed(batch_parse, BATCH, "1e1f", "1e1F"), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(batch_parse, BATCH, "[\"00", "[\""), CLOISTER_E_MALFORMED);
    assert_int_equal(changed(batch_parse, BATCH, "[\"", "[1,\""), CLOISTER_E_MALFORMED);
}

static void a_section_is_bounded(void **state)
{
    char *s = malloc(CLO_SECTION_MAX + 1);

    (void)state;
    assert_non_null(s);
    memset(s, ' ', CLO_SECTION_MAX + 1);
    memcpy(s, BATCH, strlen(BATCH));
    assert_int_equal(clo_batch_section_parse(s, CLO_SECTION_MAX, &(struct clo_batch_section){0}),
                     0);
    assert_int_equal(
        clo_batch_section_parse(s, CLO_SECTION_MAX + 1, &(struct clo_batch_section){0}),
        CLOISTER_E_LIMIT);
    free(s);
}

/* docs/PROTOCOL.md section 1.4, computed by hand from its bytes. */
static void report_data_is_the_documented_hash(void **state)
{
    uint8_t in[16 + 4 * 32], want[64], got[64], nonce[32], want_nonce[32], part[4][32];
    const struct clo_slice one = {in, sizeof in}, gpu = {in, 16 + 64};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        memset(part[i], (int)(i + 1), 32);
    memcpy(in, "cloister cpu v1\0", 16);
    memcpy(in + 16, part, sizeof part);
    assert_int_equal(clo_hash(CLO_SHA512, &one, 1, want), 0);
    assert_int_equal(clo_bind_cpu(part[0], part[1], part[2], part[3], got), 0);
    assert_memory_equal(got, want, 64);

    memcpy(in, "cloister gpu v1\0", 16);
    memcpy(in + 16, part[1], 32);
    memcpy(in + 48, part[2], 32);
    assert_int_equal(clo_hash(CLO_SHA256, &gpu, 1, want_nonce), 0);
    assert_int_equal(clo_bind_gpu(part[1], part[2], nonce), 0);
    assert_memory_equal(nonce, want_nonce, 32);
}

static void evidence_holds_sections_by_bytes_or_by_digest(void **state)
{
    struct clo_section_ref sec[CLO_SEC_COUNT] = {0};
    struct clo_buf b = clo_buf_init(4096);

    (void)state;
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        sec[i].digest = count_up;
    sec[CLO_SEC_KEYS] = (struct clo_section_ref){.p = "{}", .n = 2};
    assert_int_equal(clo_evidence_write(sec, &b), 0);
    assert_text(
        &b, "{\"v\":1,\"sections\":{\"keys\":{\"bytes\":\"e30\"},\"manifest\":{\"sha256\":\"" HEX32
            "\"},"
            "\"devices\":{\"sha256\":\"" HEX32 "\"},\"cpu\":{\"sha256\":\"" HEX32 "\"},"
            "\"batch\":{\"sha256\":\"" HEX32 "\"},\"collateral\":{\"sha256\":\"" HEX32 "\"}}}");
    sec[CLO_SEC_CPU] = (struct clo_section_ref){0};
    assert_int_equal(clo_evidence_write(sec, &b), CLOISTER_E_ARGUMENT);
}

static void what_cannot_be_read_is_not_written(void **state)
{
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);
    struct clo_keys_section k = example_keys();
    struct clo_manifest m = example_manifest();

    (void)state;
    k.expires = k.created;
    assert_int_equal(clo_keys_section_write(&k, &b), CLOISTER_E_ARGUMENT);
    k = example_keys();
    k.gateway[1] = 'x';
    assert_int_equal(clo_keys_section_write(&k, &b), CLOISTER_E_ARGUMENT);
    strcpy(m.model, "a\nb");
    assert_int_equal(clo_manifest_write(&m, &b), CLOISTER_E_ARGUMENT);
    m = example_manifest();
    m.upstream[0] = '\0';
    assert_int_equal(clo_manifest_write(&m, &b), CLOISTER_E_ARGUMENT);
    assert_int_equal(b.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_written_as_documented),
        cmocka_unit_test(keys_are_read_back),
        cmocka_unit_test(malformed_keys_are_refused),
        cmocka_unit_test(a_gateway_path_is_r_and_sixteen_digits),
        cmocka_unit_test(a_manifest_is_written_as_documented),
        cmocka_unit_test(a_manifest_is_read_back),
        cmocka_unit_test(an_unmanaged_manifest_has_neither_arguments_nor_model_digest),
        cmocka_unit_test(malformed_manifests_are_refused),
        cmocka_unit_test(a_manifest_promises_one_of_three_shapes),
        cmocka_unit_test(another_shape_is_refused),
        cmocka_unit_test(every_number_of_a_shape_is_the_protocols),
        cmocka_unit_test(every_kind_of_cpu_section_round_trips),
        cmocka_unit_test(the_members_of_a_kind_are_written_as_documented),
        cmocka_unit_test(an_event_log_may_be_absent_and_nothing_else),
        cmocka_unit_test(a_member_of_another_kind_is_refused),
        cmocka_unit_test(an_unknown_cpu_type_is_refused),
        cmocka_unit_test(malformed_quotes_are_refused),
        cmocka_unit_test(malformed_cpu_sections_are_refused),
        cmocka_unit_test(devices_are_read_and_written),
        cmocka_unit_test(collateral_round_trips),
        cmocka_unit_test(collateral_of_every_vendor_round_trips),
        cmocka_unit_test(the_number_of_answers_is_bounded),
        cmocka_unit_test(the_largest_machine_fits),
        cmocka_unit_test(the_batch_section_round_trips),
        cmocka_unit_test(malformed_batches_are_refused),
        cmocka_unit_test(a_section_is_bounded),
        cmocka_unit_test(report_data_is_the_documented_hash),
        cmocka_unit_test(evidence_holds_sections_by_bytes_or_by_digest),
        cmocka_unit_test(what_cannot_be_read_is_not_written),
    };

    return cmocka_run_group_tests(tests, make_bytes, NULL);
}
