/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded reports of NVIDIA's GPUs and switches, their certificates, and NVIDIA's reference values: what the verifier must make
 * of each, and of each with one thing changed. No revocation answer was recorded: where a case is to be accepted,
 * its policy doesn't insist on one. A check that fails and isn't named fails the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "attest/nvidia_in.h"
#include "vectors.h"

#define FILE_MAX 65536
#define NOW      1795000000 /* 2026-11-18 */
#define DEVICES  12

/* clang-format off */
static const struct {
    const char *file, *sha256;
} files[] = {
    {"nvidia/nvidia_device_identity_root.pem",
     "6e6e91e84068cb7de2c715ca73d6df168a16b23d96a895b42e553b297a471bfc"},
    {"nvidia/nvidia_rim_root.pem",
     "afe8d01ab79b451fc6401a00bd8d3cba283e67339bd902e14bb41171eacb99d1"},
    {"nvidia/h100_550.90.07_nvtrust.report.bin",
     "c438e7e714c05a9b6734ac33d7024f4732ba23ca08894424e9e755853c0f8618"},
    {"nvidia/h100_550.90.07_nvtrust.certs.pem",
     "6a374ded27aaf208e76a211b539c4611f2d9a5774057703f21576c06d8bdf042"},
    {"nvidia/h100_545.00_E2E.report.bin",
     "712fc6408be614ce0b22e5d30968899b7972c3d3e51ff7cd53b1caa991eb609f"},
    {"nvidia/h100_545.00_E2E.certs.pem",
     "3d4eb0143377aa50bf63d927954610ce514ef9323d3b987586a939927c72b920"},
    {"nvidia/h100_535.86.09_sdk.report.bin",
     "30cddcd0b0cd5925dbf0166c0af63e3813845a1e32a13da6c515b712e0c94283"},
    {"nvidia/h100_535.86.09_sdk.certs.pem",
     "a9073b181991e32accb2283f51e567a7b7ee4a532c3ebcc26fc5bdf6b5bdff07"},
    {"nvidia/h100_570.124.03_expiredRIM_sdk.report.bin",
     "07ac943593fc66eb4ae6af2887b663ca38ad92b92edb389e5dfb586f5922645f"},
    {"nvidia/h100_570.124.03_expiredRIM_sdk.certs.pem",
     "0b5ca46a2c11b815622e9d6d79689d581f2f7ffc398aec03ca7e11d67dd186df"},
    {"nvidia/h100_560.00_BADSIG_sdk.report.bin",
     "53e055089160152f1fb348067439a8f3bcfe722bfe954a2ff1c578a17f2cda5c"},
    {"nvidia/h100_560.00_BADSIG_sdk.certs.pem",
     "0b5ca46a2c11b815622e9d6d79689d581f2f7ffc398aec03ca7e11d67dd186df"},
    {"nvidia/h100_580.95.05_trailing_trustee.report.bin",
     "d414ec6b6ec1fa0ec05747d22fb4b327b1ce3b41dfcd3b622e5cabc32361eaeb"},
    {"nvidia/h100_580.95.05_trailing_trustee.certs.pem",
     "803f9f32ee2c85d9ccb1680f6fd14d389b85d0c2c1038cbdf61de4a95cbdf6b6"},
    {"nvidia/ls10_switch_sdk.report.bin",
     "352fc991e8d201f452a6fb571b4db2bc26dbd1f5241ac62934e36ee654cf5dc4"},
    {"nvidia/ls10_switch_sdk.certs.pem",
     "05bb088ea4a394da9a5ceac022ce7b44bb513ad5af1c595702abb2a3eeb6d421"},
    {"nvidia/ls10_switch_BADSIG_sdk.report.bin",
     "25f246f539a8489aa238ff3cffa3b4b46f8eb61dd71c795f8fd44249b316cc64"},
    {"nvidia/ls10_switch_BADSIG_sdk.certs.pem",
     "05bb088ea4a394da9a5ceac022ce7b44bb513ad5af1c595702abb2a3eeb6d421"},
    {"nvidia/evidence_hopper_590.12.json",
     "d51f850c6647841c2051f621d6bf29c96f6391848c5b0b809e479c53f5e0cd8d"},
    {"nvidia/evidence_hopper_570.86.10_certhold.json",
     "14d2d892c2983fe09d13b1af965a92fe78d0545098363b81225b7a7dafe401e2"},
    {"nvidia/evidence_hopper_x4.json",
     "9cb4a41a9e0bec27923a779325dec8ed9d182a4b7605e429eb884ebed3f4542d"},
    {"nvidia/evidence_ls10_x4.json",
     "367ae00441eaa825bafffc09633c4b460bbb659325dd650213d6b0231d7345df"},
    {"nvidia/evidence_ls10.json",
     "01c8cfd37866f6eb8a90592af2801a707c2177ad12b78189daf7152129377416"},
    {"nvidia/evidence_hopper_590.12_b.json",
     "81f93aaa4774bca5c773146cd3e189bc061eb0088fc801d7921cc8fb04dc42c1"},
    {"nvidia-negative/trustee_hopper_cert_chain_case2.txt",
     "5f6ce25ce0374fff3d28b85812d1d902a0c2680e2e3c2aa36e67f7d83f1a543d"},
    {"nvidia-negative/trustee_hopper_cert_chain_case3.txt",
     "29fd771c7f18d8ce702598e5f7c86770b7869fdd589f1b21673983987576792e"},
    {"nvidia-negative/trustee_hopper_cert_chain_case4.txt",
     "eb351dc69b797a929b70a00f812e5dbed74567828419426762a00d8a4d9276a3"},
    {"nvidia-negative/gonvtrust_invalidCertChain.pem",
     "c20c5d79f9ef13ce7090c4b802e5bccc0cc17081563d3f91ba063ca959a324bb"},
    {"nvidia-expected/expected_ls10_parsed.json",
     "318bfe7e51f8d2700944ac702d1b8eab5c5d03872de3dcab468e633d3e2cfd29"},
    {"nvidia-expected/trustee_h100_550.90.07_claims.json",
     "bf817e9af59b168c148b90b70f4d68f59c5f10e97aa8a2e833185daea311478a"},
    {"nvidia-expected/nras_switch_decoded.json",
     "68ada1a722d400d5fb3df18cd4228aec71702868c54491ef73a753438cdd7f20"},
    {"nvidia-expected/expected_h100_request_parsed.json",
     "92149ffab9703a59f9b2c512e8e56ece41f04d1f0548193bb7ac8a4ae8d5b72a"},
    {"nvidia-rim/rim_Driver_RIM_test_no_gpu.xml",
     "1b939fae0138ceda87c434820e1e118739861b070c0043677a68807049eae668"},
    {"nvidia-rim/rim_1010_0200_882_96005E0001_test_no_gpu.xml",
     "3f9877de674d57ead7095bf3d32f8aa3fb1881d524bf4c7e5cf504fcac47c6bf"},
    {"nvidia-rim/rim_1010_0200_882_96005E0001_PROD.xml",
     "7e8ea28e7961a9ef83b87ca5c5685312014eae871977b720ae08553aa917bc50"},
    {"nvidia-rim/rim_NV_GPU_VBIOS_1010_0200_882_96005E0001_measurement_mismatch.xml",
     "11defa0c1a52ade7df21963ebb0b20b52473d88a11ad35a7167f2a66429f769f"},
    {"nvidia-rim/rim_NV_GPU_DRIVER_GH100_535.86.09_measurement_mismatch.xml",
     "6559fd71b18533d9d04546bc9a914b4c532c69c761473fa39968ac29def82573"},
    {"nvidia-rim/rim_switchVBIOSRim_NV_SWITCH_BIOS_5612_0002_890_9610550001.xml",
     "c0f2e7f20da21da7287390c08c2641388595cd6929baaf0b5f728c4751a1f1d6"},
    {"nvidia-rim/rim_1010_0200_882_960074001A_PROD.xml",
     "8bd3e5c400b2584c3a4efe0bb88ff6817c1f9b2830776798cd99850877328c9d"},
    {"nvidia-rim/rim_NV_GPU_DRIVER_GH100_570.124.03_expired.xml",
     "d8e474ecd27bdb2cfc0c1cf4d28edc81317b8a37ea004ec44ad3b820809b56fb"},
    {"nvidia-rim/rim_1010_0205_862_96005E0004_PROD.xml",
     "5dc12514ec779a3f3858a40efa4d76404502d81871d364c47084549f87fc93c1"},
    {"nvidia-rim/rim_NV_GPU_DRIVER_GH100_550.144.03.xml",
     "585ccd55e3d9420d693f82f4a1aa0b7506f126ba2ab9344ec67e244fde0c6305"},
};
/* clang-format on */

/* ---- files ---- */

struct file {
    uint8_t p[FILE_MAX];
    size_t n;
};

static void file_read(const char *name, struct file *f)
{
    const char *folder = getenv("CLOISTER_VECTORS");
    char path[4096], hex[65];
    uint8_t digest[32];
    struct stat st;
    size_t i = 0;
    FILE *in = NULL;

    if (folder == NULL || stat(folder, &st) != 0)
        skip();
    (void)snprintf(path, sizeof path, "%s/attestation/%s", folder, name);
    in = fopen(path, "rb");
    assert_non_null(in);
    f->n = fread(f->p, 1, sizeof f->p - 1, in);
    assert_true(f->n > 0 && f->n < sizeof f->p - 1);
    f->p[f->n] = '\0';
    assert_int_equal(fclose(in), 0);
    while (i < CLO_ARRAY_LEN(files) && strcmp(files[i].file, name) != 0)
        i++;
    assert_true(i < CLO_ARRAY_LEN(files));
    assert_int_equal(clo_sha256(f->p, f->n, digest), 0);
    clo_hex(digest, 32, hex);
    assert_string_equal(hex, files[i].sha256);
}

static void buf_set(struct clo_buf *b, const void *p, size_t n)
{
    *b = clo_buf_init(FILE_MAX);
    assert_int_equal(clo_buf_append(b, p, n), 0);
}

/* Base64 of the standard alphabet, with padding. */
static void unbase64(const char *s, struct file *ret)
{
    static char text[FILE_MAX];
    size_t n = 0;

    for (; *s != '\0'; s++)
        if (*s != '=' && *s != '\n')
            text[n++] = *s == '+' ? '-' : *s == '/' ? '_' : *s;
    assert_int_equal(clo_unb64(text, n, ret->p, sizeof ret->p - 1, &ret->n), 0);
    ret->p[ret->n] = '\0';
}

static void chain_read(const struct file *pem, struct clo_device *d)
{
    const char *p = (const char *)pem->p;
    size_t n = pem->n;

    d->chain_n = 0;
    for (;;) {
        struct clo_buf der = clo_buf_init(CLO_CERT_MAX);

        if (clo_pem_next(&p, &n, "CERTIFICATE", &der) != 0)
            break;
        assert_true(d->chain_n < CLO_DEVICE_CHAIN_MAX);
        d->chain[d->chain_n++] = der;
    }
}

/* ---- reference values: just enough of XML for these files ---- */

static void attribute(const char *element, const char *name, char *dst, size_t cap)
{
    const char *at = strstr(element, name), *end = strchr(element, '>');
    size_t n = 0;

    assert_non_null(end);
    dst[0] = '\0';
    if (at == NULL || at > end)
        return;
    at += strlen(name);
    n = strcspn(at, "\"");
    assert_true(n < cap);
    memcpy(dst, at, n);
    dst[n] = '\0';
}

static void reference_read(const char *rim, enum clo_reference_kind kind, enum clo_gpu_arch arch,
                           struct clo_reference *ref)
{
    static struct file f;
    char name[160], text[128];

    (void)snprintf(name, sizeof name, "nvidia-rim/%s.xml", rim);
    file_read(name, &f);
    memset(ref, 0, sizeof *ref);
    ref->kind = kind;
    ref->arch = arch;
    attribute(strstr((const char *)f.p, "Meta "), "colloquialVersion=\"", ref->version,
              sizeof ref->version);
    for (const char *e = (const char *)f.p;
         (e = strstr(e, "Resource type=\"Measurement\"")) != NULL; e++) {
        unsigned long i = 0;

        attribute(e, " active=\"", text, sizeof text);
        if (strcmp(text, "True") != 0)
            continue;
        attribute(e, " index=\"", text, sizeof text);
        i = strtoul(text, NULL, 10);
        assert_true(i < CLO_REFERENCE_INDEXES);
        assert_int_equal(ref->active >> i & 1, 0);
        ref->active |= (uint64_t)1 << i;
        for (unsigned k = 0; k < CLO_REFERENCE_VALUES; k++) {
            (void)snprintf(name, sizeof name, "Hash%u=\"", k);
            attribute(e, name, text, sizeof text);
            if (text[0] == '\0')
                break;
            assert_int_equal(clo_unhex(text, 96, ref->index[i].value[k], 48), 0);
            ref->index[i].count++;
        }
        assert_true(ref->index[i].count > 0);
    }
    assert_true(ref->active != 0);
}

/* ---- one appraisal ---- */

struct setting {
    struct clo_device device[DEVICES];
    struct clo_devices devices;
    struct clo_collateral collateral;
    struct clo_reference reference[2];
    struct cloister_policy policy;
    struct cloister_roots *roots; /* NULL: the built-in ones */
    struct clo_gpu_input in;
    uint8_t nonce[32];
    bool no_policy;
};

/* There is one at a time: a test that is skipped leaves nothing behind. */
static struct setting *setting_new(void)
{
    static struct setting one;
    struct setting *s = &one;

    memset(s, 0, sizeof *s);
    s->devices.device = s->device;
    s->in.devices = &s->devices;
    s->in.collateral = &s->collateral;
    s->policy.revocation_if_present = true;
    s->policy.devices.reference = s->reference;
    s->policy.devices.min = s->policy.devices.max = 1;
    s->policy.devices.arch[CLO_GPU_HOPPER] = true;
    s->policy.devices.modes = 1u << CLO_GPU_SINGLE;
    (void)snprintf(s->policy.devices.min_driver, 64, "535.86.09");
    return s;
}

static void setting_free(struct setting *s)
{
    for (size_t i = 0; i < s->devices.count; i++) {
        clo_buf_clear(&s->device[i].report);
        for (size_t k = 0; k < CLO_DEVICE_CHAIN_MAX; k++)
            clo_buf_clear(&s->device[i].chain[k]);
    }
    cloister_roots_free(s->roots);
}

static void take_nonce(struct setting *s)
{
    memcpy(s->nonce, s->device[0].report.p + 4, 32);
    s->in.nonce = s->nonce;
}

/* nvidia/NAME.report.bin with its chain, or another one. */
static void add_report(struct setting *s, const char *name, const char *arch, const char *chain)
{
    static struct file f;
    struct clo_device *d = &s->device[s->devices.count++];
    char path[160];

    (void)snprintf(path, sizeof path, "nvidia/%s.report.bin", name);
    file_read(path, &f);
    buf_set(&d->report, f.p, f.n);
    (void)snprintf(path, sizeof path, "nvidia/%s.certs.pem", name);
    file_read(chain != NULL ? chain : path, &f);
    chain_read(&f, d);
    (void)snprintf(d->arch, sizeof d->arch, "%s", arch);
    take_nonce(s);
}

/* nvidia/NAME.json, an array of reports. */
static void add_evidence(struct setting *s, const char *name)
{
    static struct file f;
    char path[160];
    json_t *doc = NULL, *e = NULL;
    size_t i = 0;

    (void)snprintf(path, sizeof path, "nvidia/%s.json", name);
    file_read(path, &f);
    doc = json_loadb((const char *)f.p, f.n, 0, NULL);
    assert_non_null(doc);
    json_array_foreach(doc, i, e) {
        struct clo_device *d = &s->device[s->devices.count++];
        const char *arch = vec_str(e, "arch");

        assert_true(s->devices.count <= DEVICES);
        (void)snprintf(d->arch, sizeof d->arch, "%s",
                       strcmp(arch, "LS10") == 0 ? "ls10" : "hopper");
        unbase64(vec_str(e, "evidence"), &f);
        buf_set(&d->report, f.p, f.n);
        unbase64(vec_str(e, "certificate"), &f);
        chain_read(&f, d);
        assert_int_equal(clo_unhex(vec_str(e, "nonce"), 64, s->nonce, 32), 0);
    }
    json_decref(doc);
    s->in.nonce = s->nonce;
}

static struct clo_reference *add_reference(struct setting *s, const char *rim,
                                           enum clo_reference_kind kind, const char *board)
{
    struct clo_reference *ref = &s->reference[s->policy.devices.references++];

    reference_read(rim, kind,
                   board != NULL && strncmp(board, "5612", 4) == 0 ? CLO_GPU_LS10 : CLO_GPU_HOPPER,
                   ref);
    if (board != NULL) { /* "1010 0200 882" */
        (void)snprintf(ref->project, sizeof ref->project, "%.4s", board);
        (void)snprintf(ref->project_sku, sizeof ref->project_sku, "%.4s", board + 5);
        (void)snprintf(ref->chip_sku, sizeof ref->chip_sku, "%.3s", board + 10);
    }
    return ref;
}

/* Reference values that equal what was measured: for reports whose own were never recorded. */
static struct clo_reference *make_reference(struct setting *s, enum clo_reference_kind kind,
                                            const char *version, uint64_t active)
{
    struct clo_reference *ref = &s->reference[s->policy.devices.references++];
    struct clo_spdm_report r;

    assert_int_equal(clo_spdm_parse(s->device[0].report.p, s->device[0].report.len, &r), 0);
    ref->kind = kind;
    ref->arch = CLO_GPU_HOPPER;
    ref->active = active;
    (void)snprintf(ref->version, sizeof ref->version, "%s", version);
    for (size_t i = 0; i < 64; i++) {
        ref->index[i].count = 1;
        memcpy(ref->index[i].value[0], r.block[i].p, 48);
    }
    return ref;
}

static void names_with(const struct clo_verdict_builder *vb, enum cloister_check_status status,
                       char *dst, size_t cap)
{
    dst[0] = '\0';
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
        if (vb->check[i].status != status)
            continue;
        if (dst[0] != '\0')
            strncat(dst, " ", cap - strlen(dst) - 1);
        strncat(dst, cloister_check_name(vb->check[i].id), cap - strlen(dst) - 1);
    }
}

static const struct cloister_check *check_of(const struct clo_verdict_builder *vb,
                                             enum cloister_check_id id)
{
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++)
        if (vb->check[i].id == id)
            return &vb->check[i];
    fail_msg("check %d was not made", (int)id);
    return NULL;
}

static void appraise(const struct setting *s, struct clo_verdict_builder *vb)
{
    clo_vb_init(vb);
    assert_int_equal(clo_gpu_appraise(&s->in, s->no_policy ? NULL : &s->policy,
                                      s->roots != NULL ? s->roots : cloister_roots_builtin(), NOW,
                                      vb),
                     0);
    assert_false(vb->twice);
    for (unsigned id = CLOISTER_CHECK_GPU_FORMAT; id <= CLOISTER_CHECK_GPU_SWITCHES; id++)
        assert_int_not_equal(clo_vb_status(vb, (enum cloister_check_id)id), CLOISTER_CHECK_NONE);
    assert_int_not_equal(clo_vb_status(vb, CLOISTER_CHECK_DEVICES_COUNT), CLOISTER_CHECK_NONE);
}

static void ends(const struct setting *s, const char *fails, const char *lacks,
                 struct clo_verdict_builder *vb)
{
    char got[2048];

    appraise(s, vb);
    names_with(vb, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, fails);
    names_with(vb, CLOISTER_CHECK_MISSING, got, sizeof got);
    assert_string_equal(got, lacks);
}

#define NO_OCSP "gpu.ocsp gpu.ocsp_dates gpu.revoked"

/* ---- what the files are ---- */

static void every_file_is_the_one_that_was_recorded(void **state)
{
    static struct file f;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(files); i++)
        file_read(files[i].file, &f);
}

static void the_built_in_root_is_the_recorded_one(void **state)
{
    static struct file f;
    struct clo_device d = {0};

    (void)state;
    file_read("nvidia/nvidia_device_identity_root.pem", &f);
    chain_read(&f, &d);
    assert_int_equal(d.chain_n, 1);
    assert_int_equal(d.chain[0].len, cloister_roots_builtin()->nvidia.n);
    assert_memory_equal(d.chain[0].p, cloister_roots_builtin()->nvidia.der, d.chain[0].len);
    clo_buf_clear(&d.chain[0]);
}

/* ---- the parser against other parsers' output ---- */

static void hex_is(const char *hex, const uint8_t *p, size_t n)
{
    char got[2 * 128 + 1];

    assert_true(n <= 128);
    clo_hex(p, n, got);
    assert_string_equal(got, strncmp(hex, "0x", 2) == 0 ? hex + 2 : hex);
}

static void a_switchs_report_reads_as_nvidias_own_parser_reads_it(void **state)
{
    struct setting *s = setting_new();
    struct clo_spdm_report r;
    char vbios[CLO_SPDM_VBIOS_LEN], text[32];
    json_t *doc = NULL;
    const json_t *record = NULL, *blocks = NULL, *fields = NULL;

    (void)state;
    add_report(s, "ls10_switch_sdk", "ls10", NULL);
    assert_int_equal(clo_spdm_parse(s->device[0].report.p, s->device[0].report.len, &r), 0);
    doc = vec_load("attestation/nvidia-expected/expected_ls10_parsed.json");
    record = json_object_get(doc, "MeasurementRecord");
    blocks = json_object_get(record, "MeasurementBlocks");
    assert_int_equal(r.blocks, vec_uint(doc, "NumberOfBlocks"));
    assert_int_equal(r.blocks, json_object_size(blocks));
    for (size_t i = 0; i < r.blocks; i++) {
        const json_t *b = NULL;

        (void)snprintf(text, sizeof text, "%zu", i + 1);
        b = json_object_get(blocks, text);
        assert_int_equal(r.block[i].type, vec_uint(b, "DMTFSpecMeasurementValueType"));
        assert_int_equal(r.block[i].n, vec_uint(b, "DMTFSpecMeasurementValueSize"));
        hex_is(vec_str(b, "DMTFSpecMeasurementValue"), r.block[i].p, r.block[i].n);
    }
    hex_is(vec_str(doc, "Nonce"), s->device[0].report.p + 45 + 1705, 32);
    fields = json_object_get(json_object_get(doc, "OpaqueData"), "OpaqueDataField");
    hex_is(vec_str(fields, "OPAQUE_FIELD_ID_DEVICE_PDI"), clo_spdm_find(&r, CLO_SPDM_PDI)->p, 8);
    hex_is(vec_str(fields, "OPAQUE_FIELD_ID_VBIOS_VERSION"),
           clo_spdm_find(&r, CLO_SPDM_VBIOS_VERSION)->p, 14);
    assert_int_equal(clo_spdm_vbios(&r, vbios), 0);
    assert_string_equal(vbios, "96.10.55.00.01");
    hex_is(vec_str(doc, "Signature"), s->device[0].report.p + r.signed_n, 96);
    json_decref(doc);
    setting_free(s);
}

static void a_request_reads_as_nvidias_own_parser_reads_it(void **state)
{
    struct setting *s = setting_new();
    struct clo_spdm_report r;
    json_t *doc = NULL;

    (void)state;
    add_report(s, "h100_535.86.09_sdk", "hopper", NULL);
    doc = vec_load("attestation/nvidia-expected/expected_h100_request_parsed.json");
    hex_is(vec_str(doc, "SPDMVersion"), s->device[0].report.p, 1);
    hex_is(vec_str(doc, "RequestResponseCode"), s->device[0].report.p + 1, 1);
    hex_is(vec_str(doc, "Param1"), s->device[0].report.p + 2, 1);
    hex_is(vec_str(doc, "Param2"), s->device[0].report.p + 3, 1);
    hex_is(vec_str(doc, "SlotIDParam"), s->device[0].report.p + 36, 1);
    /* its nonce is another report's, but is found at the same place */
    assert_int_equal(clo_unhex(vec_str(doc, "Nonce") + 2, 64, s->device[0].report.p + 4, 32), 0);
    assert_int_equal(clo_spdm_parse(s->device[0].report.p, s->device[0].report.len, &r), 0);
    hex_is(vec_str(doc, "Nonce"), r.nonce, 32);
    json_decref(doc);
    setting_free(s);
}

static void a_gpus_report_reads_as_trustee_reads_it(void **state)
{
    struct setting *s = setting_new();
    struct clo_spdm_report r;
    char text[64];
    json_t *doc = NULL;
    const json_t *config = NULL, *values = NULL;

    (void)state;
    add_report(s, "h100_550.90.07_nvtrust", "hopper", NULL);
    assert_int_equal(clo_spdm_parse(s->device[0].report.p, s->device[0].report.len, &r), 0);
    doc = vec_load("attestation/nvidia-expected/trustee_h100_550.90.07_claims.json");
    config = json_object_get(doc, "config");
    values = json_object_get(doc, "measurements");
    assert_int_equal(r.blocks, json_object_size(values));
    for (size_t i = 0; i < r.blocks; i++) {
        (void)snprintf(text, sizeof text, "%zu", i + 1);
        hex_is(vec_str(values, text), r.block[i].p, r.block[i].n);
    }
    assert_int_equal(clo_spdm_text(&r, CLO_SPDM_DRIVER_VERSION, text, sizeof text), 0);
    assert_string_equal(text, vec_str(config, "driver_version"));
    assert_int_equal(clo_spdm_text(&r, CLO_SPDM_CHIP_SKU, text, sizeof text), 0);
    assert_string_equal(text, vec_str(config, "chip_sku"));
    assert_int_equal(clo_spdm_text(&r, CLO_SPDM_PROJECT, text, sizeof text), 0);
    assert_string_equal(text, vec_str(config, "project"));
    assert_int_equal(clo_spdm_text(&r, CLO_SPDM_PROJECT_SKU, text, sizeof text), 0);
    assert_string_equal(text, vec_str(config, "project_sku"));
    assert_int_equal(clo_spdm_vbios(&r, text), 0);
    assert_string_equal(text, "96.00.9F.00.01");
    assert_string_equal(vec_str(config, "vbios_version"), "96.00.9f.00.01");
    hex_is(vec_str(config, "fwid"), clo_spdm_find(&r, CLO_SPDM_FWID)->p, 48);
    assert_string_equal(vec_str(config, "nvdec0_status"), "U"); /* 55h as a character */
    assert_int_equal(clo_spdm_find(&r, CLO_SPDM_NVDEC0_STATUS)->p[0], CLO_SPDM_DISABLED);
    json_decref(doc);
    setting_free(s);
}

/* A number of up to 20 bytes in decimal. */
static void decimal(const uint8_t *p, size_t n, char *dst)
{
    uint8_t v[20], digits[64];
    size_t used = 0;

    assert_true(n <= sizeof v);
    memcpy(v, p, n);
    for (bool any = true; any;) {
        unsigned rest = 0;

        any = false;
        for (size_t i = 0; i < n; i++) {
            rest = rest << 8 | v[i];
            v[i] = (uint8_t)(rest / 10);
            rest %= 10;
            any = any || v[i] != 0;
        }
        digits[used++] = (uint8_t)('0' + rest);
    }
    for (size_t i = 0; i < used; i++)
        dst[i] = (char)digits[used - 1 - i];
    dst[used] = '\0';
}

static void a_device_has_the_identity_that_nvidias_service_gives_it(void **state)
{
    struct setting *s = setting_new();
    struct clo_cert *leaf = NULL, *device = NULL;
    const uint8_t *serial = NULL;
    size_t n = 0;
    char text[80];
    json_t *doc = NULL;
    const json_t *claims = NULL;

    (void)state;
    add_report(s, "ls10_switch_sdk", "ls10", NULL);
    doc = vec_load("attestation/nvidia-expected/nras_switch_decoded.json");
    claims = json_object_get(doc, "SWITCH-0");
    assert_int_equal(clo_cert_parse(s->device[0].chain[0].p, s->device[0].chain[0].len, &leaf), 0);
    assert_int_equal(clo_cert_parse(s->device[0].chain[1].p, s->device[0].chain[1].len, &device),
                     0);
    assert_int_equal(clo_cert_serial(leaf, &serial, &n), 0);
    decimal(serial, n, text);
    assert_string_equal(text, vec_str(claims, "ueid"));
    assert_int_equal(clo_cert_cn(device, text, sizeof text), 0);
    assert_string_equal(text, vec_str(claims, "hwmodel"));
    clo_cert_free(leaf);
    clo_cert_free(device);
    json_decref(doc);
    setting_free(s);
}

/* ---- what is accepted ---- */

/* H100 with driver 545.00: its whole evidence but for revocation was recorded. */
static struct setting *whole(const char *vbios_rim)
{
    struct setting *s = setting_new();

    add_report(s, "h100_545.00_E2E", "hopper", NULL);
    add_reference(s, "rim_Driver_RIM_test_no_gpu", CLO_REFERENCE_DRIVER, NULL);
    add_reference(s, vbios_rim, CLO_REFERENCE_VBIOS, "1010 0200 882");
    return s;
}

static void a_whole_gpu_is_verified(void **state)
{
    struct setting *s = whole("rim_1010_0200_882_96005E0001_test_no_gpu");
    struct clo_verdict_builder vb;
    char got[2048];

    (void)state;
    ends(s, "", "", &vb);
    names_with(&vb, CLOISTER_CHECK_NOT_APPLICABLE, got, sizeof got);
    assert_string_equal(got, NO_OCSP " gpu.vbios gpu.switches");
    /* 20 of the driver's 21, because the decoder is off, and 12 of the VBIOS' */
    assert_string_equal(check_of(&vb, CLOISTER_CHECK_GPU_MEASUREMENTS)->actual, "32 of 32");
    assert_int_equal(vb.valid_until, 253402300799); /* the certificates' own end */
    s->policy.revocation_if_present = false;
    ends(s, "", NO_OCSP, &vb);
    setting_free(s);
}

static void a_whole_switch_is_verified(void **state)
{
    struct setting *s = setting_new();
    struct clo_verdict_builder vb;

    (void)state;
    add_report(s, "ls10_switch_sdk", "ls10", NULL);
    add_reference(s, "rim_switchVBIOSRim_NV_SWITCH_BIOS_5612_0002_890_9610550001",
                  CLO_REFERENCE_VBIOS, "5612 0002 890");
    s->policy.devices.min = s->policy.devices.max = 0;
    s->policy.devices.switches = 1;
    s->policy.devices.arch[CLO_GPU_LS10] = true;
    ends(s, "", "", &vb);
    assert_string_equal(check_of(&vb, CLOISTER_CHECK_GPU_MEASUREMENTS)->actual, "31 of 31");
    setting_free(s);
}

static void a_padded_report_is_verified(void **state)
{
    struct setting *s = setting_new();
    struct clo_verdict_builder vb;

    (void)state;
    add_report(s, "h100_580.95.05_trailing_trustee", "hopper", NULL);
    assert_int_equal(s->device[0].report.p[s->device[0].report.len - 1], 0);
    make_reference(s, CLO_REFERENCE_DRIVER, "580.95.05", 0x1ffffe00080);
    make_reference(s, CLO_REFERENCE_VBIOS, "96.00.74.00.1A", 0x1f7f);
    ends(s, "", "", &vb);
    /* NVIDIA's values of this name are of another day: one of twelve is another now */
    reference_read("rim_1010_0200_882_960074001A_PROD", CLO_REFERENCE_VBIOS, CLO_GPU_HOPPER,
                   &s->reference[1]);
    ends(s, "gpu.measurements", "gpu.debug", &vb);
    assert_memory_equal(check_of(&vb, CLOISTER_CHECK_GPU_MEASUREMENTS)->actual, "index 9: ", 9);
    s->device[0].report.p[s->device[0].report.len - 1] = 1;
    appraise(s, &vb);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_GPU_FORMAT), CLOISTER_CHECK_FAIL);
    setting_free(s);
}

/* ---- what isn't ---- */

static void other_reference_values_of_the_same_name_are_told_apart(void **state)
{
    struct setting *s = whole("rim_1010_0200_882_96005E0001_PROD");
    struct clo_verdict_builder vb;
    const struct cloister_check *c = NULL;

    (void)state;
    ends(s, "gpu.measurements", "gpu.mode gpu.debug", &vb);
    c = check_of(&vb, CLOISTER_CHECK_GPU_MEASUREMENTS);
    assert_memory_equal(c->expected, "index 1: ", 9);
    assert_non_null(strstr(c->actual, "(4 of 32 differ)"));
    setting_free(s);
}

static void one_measurement_that_differs_is_named(void **state)
{
    struct setting *s = setting_new();
    struct clo_reference rim;
    struct clo_verdict_builder vb;
    const struct cloister_check *c = NULL;

    (void)state;
    add_report(s, "h100_535.86.09_sdk", "hopper", NULL);
    reference_read("rim_NV_GPU_DRIVER_GH100_535.86.09_measurement_mismatch", CLO_REFERENCE_DRIVER,
                   CLO_GPU_HOPPER, &rim);
    make_reference(s, CLO_REFERENCE_DRIVER, "535.86.09", rim.active);
    add_reference(s, "rim_1010_0200_882_96005E0001_PROD", CLO_REFERENCE_VBIOS, "1010 0200 882");
    ends(s, "", "", &vb);

    reference_read("rim_NV_GPU_VBIOS_1010_0200_882_96005E0001_measurement_mismatch",
                   CLO_REFERENCE_VBIOS, CLO_GPU_HOPPER, &s->reference[1]);
    ends(s, "gpu.measurements", "gpu.mode gpu.debug", &vb);
    c = check_of(&vb, CLOISTER_CHECK_GPU_MEASUREMENTS);
    assert_memory_equal(c->expected, "index 9: ", 9);
    assert_memory_equal(c->actual, "index 9: ", 9);
    assert_non_null(strstr(c->actual, "(1 of "));
    assert_memory_equal(c->reason, "GPU 0: ", 7);

    s->reference[0] = rim;
    reference_read("rim_1010_0200_882_96005E0001_PROD", CLO_REFERENCE_VBIOS, CLO_GPU_HOPPER,
                   &s->reference[1]);
    ends(s, "gpu.measurements", "gpu.mode gpu.debug", &vb);
    assert_non_null(strstr(check_of(&vb, CLOISTER_CHECK_GPU_MEASUREMENTS)->actual, "(15 of "));
    setting_free(s);
}

static void without_reference_values_the_missing_one_is_named(void **state)
{
    static const struct {
        const char *name, *rim;
    } cases[] = {
        {"h100_550.90.07_nvtrust", "NV_GPU_VBIOS_1010_0200_882_96009F0001"},
        {"h100_570.124.03_expiredRIM_sdk", "NV_GPU_VBIOS_1010_0205_862_96005E0004"},
    };
    struct clo_verdict_builder vb;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
        struct setting *s = setting_new();

        add_report(s, cases[i].name, "hopper", NULL);
        ends(s, "gpu.reference", "gpu.measurements gpu.debug", &vb);
        assert_string_equal(check_of(&vb, CLOISTER_CHECK_GPU_REFERENCE)->expected, cases[i].rim);
        setting_free(s);
    }
}

/* NVIDIA's own expectation for this one is "fails", by the status of the certificate that signed its reference values. */
static void a_report_without_usable_reference_values_is_refused(void **state)
{
    struct setting *s = setting_new();
    struct clo_verdict_builder vb;

    (void)state;
    add_evidence(s, "evidence_hopper_570.86.10_certhold");
    ends(s, "gpu.reference", "gpu.measurements gpu.debug", &vb);
    setting_free(s);
}

static void reference_values_of_another_driver_are_not_used(void **state)
{
    struct setting *s = setting_new();
    struct clo_verdict_builder vb;

    (void)state;
    add_report(s, "h100_545.00_E2E", "hopper", NULL);
    add_reference(s, "rim_NV_GPU_DRIVER_GH100_550.144.03", CLO_REFERENCE_DRIVER, NULL);
    add_reference(s, "rim_1010_0200_882_96005E0001_test_no_gpu", CLO_REFERENCE_VBIOS,
                  "1010 0200 882");
    ends(s, "gpu.reference", "gpu.measurements gpu.mode gpu.debug", &vb);
    assert_string_equal(check_of(&vb, CLOISTER_CHECK_GPU_REFERENCE)->expected,
                        "NV_GPU_DRIVER_GH100_545.00");
    /* nor those of another board */
    reference_read("rim_Driver_RIM_test_no_gpu", CLO_REFERENCE_DRIVER, CLO_GPU_HOPPER,
                   &s->reference[0]);
    (void)snprintf(s->reference[1].project_sku, 16, "0205");
    ends(s, "gpu.reference", "gpu.measurements gpu.mode gpu.debug", &vb);
    setting_free(s);
}

static void bad_signatures_are_refused(void **state)
{
    struct setting *s = setting_new();
    struct clo_verdict_builder vb;

    (void)state;
    add_report(s, "h100_560.00_BADSIG_sdk", "hopper", NULL);
    s->policy.devices.modes = 1u << CLO_GPU_PROTECTED_PCIE;
    ends(s, "gpu.identity gpu.signature gpu.reference gpu.switches",
         "devices.count gpu.architecture gpu.nonce gpu.distinct gpu.driver gpu.measurements "
         "gpu.mode gpu.debug",
         &vb);
    setting_free(s);
    s = setting_new();
    add_report(s, "ls10_switch_BADSIG_sdk", "ls10", NULL);
    s->policy.devices.min = s->policy.devices.max = 0;
    s->policy.devices.switches = 1;
    s->policy.devices.arch[CLO_GPU_LS10] = true;
    ends(s, "gpu.signature gpu.reference",
         "devices.count gpu.architecture gpu.identity gpu.nonce gpu.distinct gpu.measurements "
         "gpu.debug",
         &vb);
    setting_free(s);
}

static void broken_chains_are_refused(void **state)
{
    static const struct {
        const char *file, *fails;
        size_t n;
    } cases[] = {
        {"nvidia-negative/trustee_hopper_cert_chain_case2.txt", "gpu.chain_present", 1},
        {"nvidia-negative/trustee_hopper_cert_chain_case3.txt", "gpu.chain", 4},
        {"nvidia-negative/trustee_hopper_cert_chain_case4.txt",
         "gpu.architecture gpu.chain gpu.identity gpu.signature", 4},
        {"nvidia-negative/gonvtrust_invalidCertChain.pem",
         "gpu.architecture gpu.chain gpu.identity", 4},
    };
    struct clo_verdict_builder vb;
    char got[2048];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
        struct setting *s = setting_new();
        const bool own = strstr(cases[i].file, "gonvtrust") != NULL;

        add_report(s, own ? "h100_545.00_E2E" : "h100_550.90.07_nvtrust", "hopper", cases[i].file);
        assert_int_equal(s->device[0].chain_n, cases[i].n);
        s->no_policy = true;
        appraise(s, &vb);
        names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
        assert_string_equal(got, cases[i].fails);
        setting_free(s);
    }
}

/* One report with each of the other devices' chains. */
static void another_devices_chain_is_refused(void **state)
{
    static const char *const other[] = {"nvidia/h100_535.86.09_sdk.certs.pem",
                                        "nvidia/h100_550.90.07_nvtrust.certs.pem",
                                        "nvidia/ls10_switch_sdk.certs.pem"};
    struct clo_verdict_builder vb;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(other); i++) {
        struct setting *s = setting_new();

        add_report(s, "h100_545.00_E2E", "hopper", other[i]);
        appraise(s, &vb);
        assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_GPU_CHAIN), CLOISTER_CHECK_PASS);
        assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_GPU_SIGNATURE), CLOISTER_CHECK_FAIL);
        assert_int_not_equal(clo_vb_status(&vb, CLOISTER_CHECK_GPU_ARCHITECTURE),
                             CLOISTER_CHECK_PASS);
        setting_free(s);
    }
}

static void under_another_root_nothing_is_authentic(void **state)
{
    static struct file f;
    struct setting *s = whole("rim_1010_0200_882_96005E0001_test_no_gpu");
    struct clo_device rim = {0};
    struct clo_verdict_builder vb;
    const char *claims = "devices.count gpu.architecture gpu.identity gpu.nonce gpu.distinct "
                         "gpu.driver gpu.reference gpu.measurements gpu.mode gpu.debug";

    (void)state;
    file_read("nvidia/nvidia_rim_root.pem", &f);
    chain_read(&f, &rim);
    assert_int_equal(cloister_roots_new(&s->roots), 0);
    ends(s, "gpu.root", claims, &vb); /* none */
    assert_int_equal(cloister_roots_add_nvidia(s->roots, rim.chain[0].p, rim.chain[0].len), 0);
    ends(s, "gpu.root", claims, &vb); /* NVIDIA's own, but not for devices */
    clo_buf_clear(&rim.chain[0]);
    setting_free(s);
}

static void a_root_need_not_be_sent(void **state)
{
    struct setting *s = whole("rim_1010_0200_882_96005E0001_test_no_gpu");
    struct clo_verdict_builder vb;

    (void)state;
    clo_buf_clear(&s->device[0].chain[--s->device[0].chain_n]);
    ends(s, "", "", &vb);
    setting_free(s);
}

static void another_nonce_is_refused(void **state)
{
    struct setting *s = whole("rim_1010_0200_882_96005E0001_test_no_gpu");
    struct clo_verdict_builder vb;

    (void)state;
    s->nonce[31] ^= 1;
    ends(s, "gpu.nonce", "", &vb);
    s->in.nonce = NULL;
    ends(s, "", "gpu.nonce", &vb);
    s->in.any_nonce = true;
    ends(s, "", "", &vb);
    setting_free(s);
}

static void without_a_policy_authenticity_is_shown_and_no_more(void **state)
{
    struct setting *s = whole("rim_1010_0200_882_96005E0001_test_no_gpu");
    struct clo_verdict_builder vb;
    char got[2048];

    (void)state;
    s->no_policy = true;
    ends(s, "",
         "devices.count gpu.architecture " NO_OCSP
         " gpu.driver gpu.vbios gpu.reference gpu.measurements gpu.mode gpu.debug gpu.switches",
         &vb);
    names_with(&vb, CLOISTER_CHECK_PASS, got, sizeof got);
    assert_string_equal(got, "gpu.format gpu.chain_present gpu.root gpu.chain gpu.chain_dates "
                             "gpu.identity gpu.signature gpu.nonce gpu.distinct");
    setting_free(s);
}

/* ---- several devices ---- */

/* All of one machine in protected PCIe mode: their data passes switches that nobody appraised. */
static void gpus_whose_switches_are_not_listed_are_refused(void **state)
{
    struct setting *s = setting_new();
    struct clo_verdict_builder vb;

    (void)state;
    add_evidence(s, "evidence_hopper_x4");
    s->policy.devices.min = s->policy.devices.max = 4;
    s->policy.devices.modes = 1u << CLO_GPU_PROTECTED_PCIE;
    ends(s, "gpu.reference gpu.switches", "gpu.measurements gpu.debug", &vb);
    assert_string_equal(check_of(&vb, CLOISTER_CHECK_GPU_SWITCHES)->actual,
                        "4 at the GPU, 0 of them listed");
    s->policy.devices.modes = 1u << CLO_GPU_SINGLE;
    s->policy.devices.min = s->policy.devices.max = 8;
    ends(s, "devices.count gpu.reference gpu.mode gpu.switches", "gpu.measurements gpu.debug", &vb);
    setting_free(s);
}

static void one_gpu_is_not_two(void **state)
{
    struct setting *s = setting_new();
    struct clo_verdict_builder vb;

    (void)state;
    add_evidence(s, "evidence_hopper_590.12");
    add_evidence(s, "evidence_hopper_590.12_b");
    s->policy.devices.min = s->policy.devices.max = 2;
    s->policy.devices.modes = 1u << CLO_GPU_PROTECTED_PCIE;
    ends(s, "gpu.reference gpu.switches", "gpu.measurements gpu.debug", &vb);
    setting_free(s);
    s = setting_new();
    add_evidence(s, "evidence_hopper_590.12");
    add_evidence(s, "evidence_hopper_590.12");
    s->policy.devices.min = s->policy.devices.max = 2;
    s->policy.devices.modes = 1u << CLO_GPU_PROTECTED_PCIE;
    ends(s, "gpu.distinct gpu.reference gpu.switches", "gpu.measurements gpu.debug", &vb);
    setting_free(s);
}

static void four_copies_of_a_switch_are_one(void **state)
{
    struct setting *s = setting_new();
    struct clo_verdict_builder vb;
    const struct cloister_check *c = NULL;

    (void)state;
    add_evidence(s, "evidence_ls10_x4");
    add_reference(s, "rim_switchVBIOSRim_NV_SWITCH_BIOS_5612_0002_890_9610550001",
                  CLO_REFERENCE_VBIOS, "5612 0002 890");
    s->policy.devices.min = s->policy.devices.max = 0;
    s->policy.devices.switches = 4;
    s->policy.devices.arch[CLO_GPU_LS10] = true;
    ends(s, "gpu.distinct", "", &vb);
    c = check_of(&vb, CLOISTER_CHECK_GPU_DISTINCT);
    assert_string_equal(c->reason, "switch 1: this device was listed before");
    assert_string_equal(c->actual, "switch 0");
    setting_free(s);
    s = setting_new();
    add_evidence(s, "evidence_ls10");
    add_reference(s, "rim_switchVBIOSRim_NV_SWITCH_BIOS_5612_0002_890_9610550001",
                  CLO_REFERENCE_VBIOS, "5612 0002 890");
    s->policy.devices.min = s->policy.devices.max = 0;
    s->policy.devices.switches = 1;
    s->policy.devices.arch[CLO_GPU_LS10] = true;
    ends(s, "", "", &vb);
    setting_free(s);
}

static void a_switch_is_not_a_gpu(void **state)
{
    struct setting *s = setting_new();
    struct clo_verdict_builder vb;

    (void)state;
    add_report(s, "ls10_switch_sdk", "hopper", NULL);
    ends(s, "gpu.architecture gpu.driver gpu.reference", "gpu.measurements gpu.mode gpu.debug",
         &vb);
    setting_free(s);
    s = setting_new();
    add_report(s, "ls10_switch_sdk", "ls10", NULL);
    appraise(s, &vb); /* one GPU was wanted */
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_DEVICES_COUNT), CLOISTER_CHECK_FAIL);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_GPU_ARCHITECTURE), CLOISTER_CHECK_FAIL);
    setting_free(s);
}

/* ---- every bit ---- */

static size_t stride(void)
{
    const char *s = getenv("CLOISTER_TEST_STRIDE");
    const size_t n = s != NULL ? strtoul(s, NULL, 10) : 1;

    assert_true(n > 0);
    return n;
}

/* One bit of every signed byte, and of every byte of the signature: a different bit in each. */
static void a_flipped_bit_of_a_real_report_is_refused(void **state)
{
    struct setting *s = whole("rim_1010_0200_882_96005E0001_test_no_gpu");
    struct clo_buf *b = &s->device[0].report;
    struct clo_verdict_builder vb;

    (void)state;
    for (size_t i = 0; i < b->len; i += stride()) {
        const uint8_t bit = (uint8_t)(1u << (i % 8));

        b->p[i] ^= bit;
        appraise(s, &vb);
        assert_true(clo_vb_status(&vb, CLOISTER_CHECK_GPU_FORMAT) == CLOISTER_CHECK_FAIL ||
                    clo_vb_status(&vb, CLOISTER_CHECK_GPU_SIGNATURE) == CLOISTER_CHECK_FAIL);
        assert_int_not_equal(clo_vb_status(&vb, CLOISTER_CHECK_GPU_SIGNATURE), CLOISTER_CHECK_PASS);
        assert_int_not_equal(clo_vb_status(&vb, CLOISTER_CHECK_GPU_MEASUREMENTS),
                             CLOISTER_CHECK_PASS);
        b->p[i] ^= bit;
    }
    setting_free(s);
}

static void a_flipped_bit_of_a_real_certificate_is_refused(void **state)
{
    struct setting *s = whole("rim_1010_0200_882_96005E0001_test_no_gpu");
    struct clo_verdict_builder vb;
    char got[2048];

    (void)state;
    for (size_t k = 0; k < s->device[0].chain_n; k++) {
        struct clo_buf *b = &s->device[0].chain[k];

        for (size_t i = k; i < b->len; i += 7 * stride()) {
            const uint8_t bit = (uint8_t)(1u << (i % 8));

            b->p[i] ^= bit;
            appraise(s, &vb);
            names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
            assert_string_not_equal(got, "");
            assert_int_not_equal(clo_vb_status(&vb, CLOISTER_CHECK_GPU_MEASUREMENTS),
                                 CLOISTER_CHECK_PASS);
            b->p[i] ^= bit;
        }
    }
    setting_free(s);
}

/* Cut anywhere, a report is none. */
static void a_real_report_is_never_shorter(void **state)
{
    struct setting *s = whole("rim_1010_0200_882_96005E0001_test_no_gpu");
    struct clo_spdm_report r;

    (void)state;
    for (size_t n = 0; n < s->device[0].report.len; n++) {
        uint8_t *p = malloc(n == 0 ? 1 : n);

        assert_non_null(p);
        memcpy(p, s->device[0].report.p, n);
        assert_int_not_equal(clo_spdm_parse(p, n, &r), 0);
        free(p);
    }
    setting_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_is_the_one_that_was_recorded),
        cmocka_unit_test(the_built_in_root_is_the_recorded_one),
        cmocka_unit_test(a_switchs_report_reads_as_nvidias_own_parser_reads_it),
        cmocka_unit_test(a_request_reads_as_nvidias_own_parser_reads_it),
        cmocka_unit_test(a_gpus_report_reads_as_trustee_reads_it),
        cmocka_unit_test(a_device_has_the_identity_that_nvidias_service_gives_it),
        cmocka_unit_test(a_whole_gpu_is_verified),
        cmocka_unit_test(a_whole_switch_is_verified),
        cmocka_unit_test(a_padded_report_is_verified),
        cmocka_unit_test(other_reference_values_of_the_same_name_are_told_apart),
        cmocka_unit_test(one_measurement_that_differs_is_named),
        cmocka_unit_test(without_reference_values_the_missing_one_is_named),
        cmocka_unit_test(a_report_without_usable_reference_values_is_refused),
        cmocka_unit_test(reference_values_of_another_driver_are_not_used),
        cmocka_unit_test(bad_signatures_are_refused),
        cmocka_unit_test(broken_chains_are_refused),
        cmocka_unit_test(another_devices_chain_is_refused),
        cmocka_unit_test(under_another_root_nothing_is_authentic),
        cmocka_unit_test(a_root_need_not_be_sent),
        cmocka_unit_test(another_nonce_is_refused),
        cmocka_unit_test(without_a_policy_authenticity_is_shown_and_no_more),
        cmocka_unit_test(gpus_whose_switches_are_not_listed_are_refused),
        cmocka_unit_test(one_gpu_is_not_two),
        cmocka_unit_test(four_copies_of_a_switch_are_one),
        cmocka_unit_test(a_switch_is_not_a_gpu),
        cmocka_unit_test(a_flipped_bit_of_a_real_report_is_refused),
        cmocka_unit_test(a_flipped_bit_of_a_real_certificate_is_refused),
        cmocka_unit_test(a_real_report_is_never_shorter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
