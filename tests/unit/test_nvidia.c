/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA's reports, chains, revocation answers and reference values, in a laboratory of their own: what is right in every respect
 * passes, and with one thing wrong exactly the named checks fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attest/nvidia_in.h"
#include "lab/gpu.h"

/* Every status that a check ever had in this program. */
static unsigned seen[CLO_CHECK_COUNT];

/* A recipe is large: one at a time, remade by each test. */
static struct gpu_recipe r;

static void appraise(struct clo_verdict_builder *vb)
{
    struct cloister_policy policy = {.devices = r.want,
                                     .revocation_if_present = r.revocation_if_present};
    struct cloister_roots *roots = NULL;
    struct clo_devices devices;
    struct clo_collateral collateral = {0};
    const struct clo_gpu_input in = {.devices = &devices,
                                     .collateral = &collateral,
                                     .nonce = r.no_nonce ? NULL : r.nonce,
                                     .any_nonce = r.any_nonce};

    assert_int_equal(cloister_roots_new(&roots), 0);
    gpu_lab_pin(&r, roots);
    gpu_lab_make(&r, &devices, &collateral);
    clo_vb_init(vb);
    assert_int_equal(clo_gpu_appraise(&in, r.no_policy ? NULL : &policy, roots, r.now, vb), 0);
    assert_false(vb->twice);
    assert_int_not_equal(clo_vb_status(vb, CLOISTER_CHECK_DEVICES_COUNT), CLOISTER_CHECK_NONE);
    for (unsigned id = CLOISTER_CHECK_GPU_FORMAT; id <= CLOISTER_CHECK_GPU_SWITCHES; id++)
        assert_int_not_equal(clo_vb_status(vb, (enum cloister_check_id)id), CLOISTER_CHECK_NONE);
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++)
        seen[i] |= 1u << vb->check[i].status;
    clo_devices_clear(&devices);
    clo_collateral_clear(&collateral);
    cloister_roots_free(roots);
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

static void ends(const char *fails, const char *lacks)
{
    struct clo_verdict_builder vb;
    char got[2048];

    appraise(&vb);
    names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, fails);
    if (lacks == NULL)
        return;
    names_with(&vb, CLOISTER_CHECK_MISSING, got, sizeof got);
    assert_string_equal(got, lacks);
}

/* Exactly these fail; what is missing beside them isn't looked at. */
static void fails(const char *names)
{
    ends(names, NULL);
}

static void passes(void)
{
    ends("", "");
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

static void says(enum cloister_check_id id, const char *expected, const char *actual,
                 const char *reason)
{
    struct clo_verdict_builder vb;
    const struct cloister_check *c = NULL;

    appraise(&vb);
    c = check_of(&vb, id);
    if (expected != NULL)
        assert_string_equal(c->expected, expected);
    if (actual != NULL)
        assert_string_equal(c->actual, actual);
    if (reason != NULL)
        assert_string_equal(c->reason, reason);
}

#define OCSP_CHECKS "gpu.ocsp gpu.ocsp_dates gpu.revoked"

/* ---- the parser ---- */

static size_t report_bytes(uint8_t p[GPU_LAB_REPORT + 512])
{
    struct clo_buf b;
    size_t n;

    gpu_lab_report(&r.device[0], &b);
    n = b.len;
    memcpy(p, b.p, n);
    clo_buf_clear(&b);
    return n;
}

/* Offsets of a GPU's report. */
enum {
    AT_NONCE = 4,
    AT_SLOT = 36,
    AT_RESPONSE = 37,
    AT_COUNT = 41,
    AT_LENGTH = 42,
    AT_BLOCKS = 45,
    BLOCK = 55,
    AT_OPAQUE = AT_BLOCKS + 64 * BLOCK + 32
};

static void a_report_is_read_as_it_is_written(void **state)
{
    uint8_t p[GPU_LAB_REPORT + 512];
    struct clo_spdm_report s;
    char text[64];
    size_t n;

    (void)state;
    gpu_lab_good(&r, 1, 4);
    n = report_bytes(p);
    assert_int_equal(clo_spdm_parse(p, n, &s), 0);
    assert_int_equal(s.signed_n, n - 96);
    assert_memory_equal(s.nonce, r.nonce, 32);
    assert_memory_equal(s.r, p + n - 96, 48);
    assert_memory_equal(s.s, p + n - 48, 48);
    assert_int_equal(s.blocks, 64);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(s.block[i].n, 48);
        assert_memory_equal(s.block[i].p, r.device[0].value[i], 48);
    }
    assert_int_equal(s.fields, r.device[0].fields);
    assert_int_equal(clo_spdm_vbios(&s, text), 0);
    assert_string_equal(text, "96.00.74.00.1C");
    assert_int_equal(clo_spdm_text(&s, CLO_SPDM_CHIP_SKU, text, sizeof text), 0);
    assert_string_equal(text, "882");
    assert_int_equal(clo_spdm_text(&s, CLO_SPDM_CHIP_SKU, text, 3), CLOISTER_E_LIMIT);
    assert_int_equal(clo_spdm_text(&s, CLO_SPDM_NVDEC0_STATUS + 200, text, sizeof text),
                     CLOISTER_E_NOT_FOUND);
    assert_int_equal(clo_spdm_text(&s, CLO_SPDM_PDI, text, sizeof text), CLOISTER_E_MALFORMED);
    assert_null(clo_spdm_find(&s, (enum clo_spdm_field_id)99));
}

static void only_a_signed_report_of_everything_is_one(void **state)
{
    static const struct {
        size_t at;
        uint8_t v;
        int err;
    } cases[] = {
        {0, 0x10, CLOISTER_E_UNSUPPORTED},               /* SPDM 1.0 */
        {0, 0x12, CLOISTER_E_UNSUPPORTED},               /* 1.2 */
        {1, 0xe1, CLOISTER_E_UNSUPPORTED},               /* another request */
        {2, 0x00, CLOISTER_E_UNSUPPORTED},               /* without signature */
        {2, 0x03, CLOISTER_E_UNSUPPORTED},               /* and another wish beside it */
        {3, 0x01, CLOISTER_E_UNSUPPORTED},               /* of one measurement */
        {3, 0x00, CLOISTER_E_UNSUPPORTED},               /* of their number */
        {AT_SLOT, 8, CLOISTER_E_MALFORMED},              /* there are 0 to 7 */
        {AT_SLOT, 1, CLOISTER_E_MALFORMED},              /* not the response's */
        {AT_RESPONSE, 0x12, CLOISTER_E_UNSUPPORTED},     /* another version */
        {AT_RESPONSE + 1, 0x7f, CLOISTER_E_UNSUPPORTED}, /* ERROR */
        {AT_RESPONSE + 2, 1, CLOISTER_E_MALFORMED},
        {AT_RESPONSE + 3, 1, CLOISTER_E_MALFORMED},
        {AT_COUNT, 0, CLOISTER_E_MALFORMED},
        {AT_COUNT, 63, CLOISTER_E_TRAILING},
        {AT_COUNT, 65, CLOISTER_E_LIMIT},
        {AT_LENGTH, 0xc1, -1},
        {AT_LENGTH, 0xbf, -1},
        {AT_LENGTH + 2, 1, CLOISTER_E_TRUNCATED},
        {AT_BLOCKS, 0, CLOISTER_E_MALFORMED},         /* indices start at 1 */
        {AT_BLOCKS, 2, CLOISTER_E_MALFORMED},         /* and none comes twice */
        {AT_BLOCKS + BLOCK, 1, CLOISTER_E_MALFORMED}, /* nor twice in another way */
        {AT_BLOCKS + BLOCK, 3, CLOISTER_E_MALFORMED}, /* and none is left out */
        {AT_BLOCKS + 1, 0, CLOISTER_E_MALFORMED},     /* not DMTF's structure */
        {AT_BLOCKS + 1, 3, CLOISTER_E_MALFORMED},
        {AT_BLOCKS + 2, 50, CLOISTER_E_MALFORMED}, /* lengths that disagree */
        {AT_BLOCKS + 2, 52, CLOISTER_E_MALFORMED},
        {AT_BLOCKS + 3, 1, CLOISTER_E_MALFORMED},
        {AT_BLOCKS + 5, 47, CLOISTER_E_MALFORMED},
        {AT_BLOCKS + 5, 49, CLOISTER_E_MALFORMED},
        {AT_BLOCKS + 6, 1, CLOISTER_E_MALFORMED},
        {AT_OPAQUE + 1, 0xff, CLOISTER_E_TRUNCATED},
    };
    uint8_t p[GPU_LAB_REPORT + 512];
    struct clo_spdm_report s;
    size_t n;

    (void)state;
    gpu_lab_good(&r, 1, 0);
    n = report_bytes(p);
    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
        const uint8_t was = p[cases[i].at];
        int err;

        p[cases[i].at] = cases[i].v;
        err = clo_spdm_parse(p, n, &s);
        assert_int_not_equal(err, 0);
        if (cases[i].err != -1)
            assert_int_equal(err, cases[i].err);
        p[cases[i].at] = was;
    }
    assert_int_equal(clo_spdm_parse(p, n, &s), 0);
    for (size_t cut = 0; cut < n; cut++)
        assert_int_not_equal(clo_spdm_parse(p, cut, &s), 0);
}

static void a_slot_is_the_same_in_request_and_response(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.device[0].slot = r.device[0].tail[3] = 3;
    passes();
    r.device[0].tail[3] = 2;
    fails("gpu.format");
}

static void opaque_data_are_whole_fields(void **state)
{
    uint8_t p[GPU_LAB_REPORT + 512];
    struct clo_spdm_report s;
    size_t n;

    (void)state;
    gpu_lab_good(&r, 1, 0);
    n = report_bytes(p);
    for (unsigned v = 0; v < 256; v++) { /* the last one's length, of 48 bytes */
        p[n - 96 - 50] = (uint8_t)v;
        assert_int_equal(clo_spdm_parse(p, n, &s) == 0, v == 48);
    }
    p[n - 96 - 50] = 48;
    for (unsigned v = 1; v < 4; v++) { /* all of them: the last field is cut, or another starts */
        p[AT_OPAQUE] = (uint8_t)(p[AT_OPAQUE] - v);
        assert_int_not_equal(clo_spdm_parse(p, n, &s), 0);
        p[AT_OPAQUE] = (uint8_t)(p[AT_OPAQUE] + v);
    }
    assert_int_equal(clo_spdm_parse(p, n, &s), 0);
}

static void a_field_that_comes_twice_is_refused(void **state)
{
    struct gpu_lab_device *d = &r.device[0];

    (void)state;
    gpu_lab_good(&r, 1, 0);
    d->field[d->fields] = *gpu_lab_field(d, CLO_SPDM_DRIVER_VERSION);
    d->fields++;
    fails("gpu.format");
    says(CLOISTER_CHECK_GPU_FORMAT, NULL, NULL, "GPU 0: the report has a field twice");
    gpu_lab_good(&r, 1, 0); /* an unknown one, too */
    gpu_lab_byte(d, 200, 1);
    passes();
    d->field[d->fields] = *gpu_lab_field(d, 200);
    d->fields++;
    fails("gpu.format");
}

static void more_fields_than_there_can_be_are_refused(void **state)
{
    uint8_t p[GPU_LAB_REPORT + 512];
    struct clo_spdm_report s;
    size_t n, sig;

    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.device[0].fields = 0;
    n = report_bytes(p);
    sig = n - 96;
    for (size_t fields = 1; fields <= CLO_SPDM_FIELDS_MAX + 1; fields++) {
        memmove(p + sig + 4, p + sig, 96);
        p[sig] = (uint8_t)fields;
        p[sig + 1] = 1; /* ids 257 and on */
        p[sig + 2] = p[sig + 3] = 0;
        sig += 4;
        p[AT_OPAQUE] = (uint8_t)(4 * fields);
        p[AT_OPAQUE + 1] = (uint8_t)(4 * fields >> 8);
        assert_int_equal(clo_spdm_parse(p, sig + 96, &s),
                         fields <= CLO_SPDM_FIELDS_MAX ? 0 : CLOISTER_E_LIMIT);
    }
}

static void another_layout_of_opaque_data_is_not_guessed_at(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    gpu_lab_set(&r.device[0], CLO_SPDM_OPAQUE_VERSION, "\2", 2);
    fails("gpu.format");
    says(CLOISTER_CHECK_GPU_FORMAT, NULL, NULL, "GPU 0: the report is of a kind that isn't known");
    gpu_lab_set(&r.device[0], CLO_SPDM_OPAQUE_VERSION, "\1\1", 2);
    fails("gpu.format");
    gpu_lab_byte(&r.device[0], CLO_SPDM_OPAQUE_VERSION, 1);
    fails("gpu.format");
    gpu_lab_set(&r.device[0], CLO_SPDM_OPAQUE_VERSION, "\0", 2);
    passes();
    r.device[0].field[0] = (struct gpu_lab_field){.id = 0x564e, .n = 0x4144, .p = "OD"};
    r.device[0].field[0].n = 192; /* "NVDAOD" can't be had whole by this builder: by hand */
    {
        uint8_t p[GPU_LAB_REPORT + 512];
        struct clo_spdm_report s;
        const size_t n = report_bytes(p);

        memcpy(p + AT_OPAQUE + 2, "NVDAOD", 6);
        assert_int_equal(clo_spdm_parse(p, n, &s), CLOISTER_E_UNSUPPORTED);
    }
}

static void a_few_zero_bytes_may_stand_behind_the_signature(void **state)
{
    uint8_t p[GPU_LAB_REPORT + 512];
    struct clo_spdm_report s;
    size_t n;

    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.device[0].padding = 1;
    passes();
    r.device[0].padding = CLO_SPDM_PADDING_MAX;
    passes();
    n = report_bytes(p);
    for (size_t i = 1; i <= CLO_SPDM_PADDING_MAX; i++) {
        p[n - i] = 1;
        assert_int_equal(clo_spdm_parse(p, n, &s), CLOISTER_E_TRAILING);
        p[n - i] = 0;
    }
    r.device[0].padding = CLO_SPDM_PADDING_MAX + 1;
    fails("gpu.format");
    says(CLOISTER_CHECK_GPU_FORMAT, NULL, NULL,
         "GPU 0: something stands behind the report's signature");
}

static void text_is_plain(void **state)
{
    static const char *const bad[] = {"", "5 0", "55\n", "5\x80", "5\"0", "5%s"};
    struct clo_spdm_report s;
    char text[64];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        const uint8_t zero = 0;

        s = (struct clo_spdm_report){.fields = 1};
        s.field[0] = (struct clo_spdm_field){
            .id = 3, .n = (uint16_t)strlen(bad[i]), .p = (const uint8_t *)bad[i]};
        assert_int_equal(clo_spdm_text(&s, CLO_SPDM_DRIVER_VERSION, text, sizeof text),
                         CLOISTER_E_MALFORMED);
        s.field[0] = (struct clo_spdm_field){.id = 3, .n = 1, .p = &zero};
        assert_int_equal(clo_spdm_text(&s, CLO_SPDM_DRIVER_VERSION, text, sizeof text),
                         CLOISTER_E_MALFORMED);
    }
    /* nothing but zero bytes may stand behind it */
    s.field[0] = (struct clo_spdm_field){.id = 3, .n = 4, .p = (const uint8_t *)"55\0x"};
    assert_int_equal(clo_spdm_text(&s, CLO_SPDM_DRIVER_VERSION, text, sizeof text),
                     CLOISTER_E_MALFORMED);
}

static void a_vbios_number_that_cannot_be_printed_is_none(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    gpu_lab_set(&r.device[0], CLO_SPDM_VBIOS_VERSION, "\x00\x74\x00\x96\x1c\x01\x00\x00", 8);
    fails("gpu.vbios gpu.reference");
    gpu_lab_good(&r, 1, 0);
    gpu_lab_drop(&r.device[0], CLO_SPDM_VBIOS_VERSION);
    fails("gpu.vbios gpu.reference");
}

/* ---- versions ---- */

static void versions_are_compared_as_numbers(void **state)
{
    static const struct {
        const char *version, *floor;
        unsigned base;
        bool enough;
    } cases[] = {
        {"550.90.07", "550.90.07", 10, true},
        {"550.90.07", "550.90.08", 10, false},
        {"550.100.07", "550.90.08", 10, true},
        {"1000.0", "999.9", 10, true},
        {"545.00", "545", 10, true},
        {"545", "545.00", 10, true},
        {"545", "545.00.01", 10, false},
        {"580.95.05", "580.95.5", 10, true},
        {"96.00.74.00.1C", "96.00.74.00.0F", 16, true},
        {"96.00.74.00.0f", "96.00.74.00.1C", 16, false},
        {"96.00.A5.00.01", "96.00.9F.00.01", 16, true},
        {"97.00.00.00.00", "96.FF.FF.FF.FF", 16, true},
    };
    static const char *const bad[] = {
        "",      ".", "5.", ".5", "5..5", "5a", "-1", "5 ", "1.2.3.4.5.6.7.8.9", "99999999999",
        "550,90"};
    bool enough = false;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
        enough = !cases[i].enough;
        assert_true(
            clo_gpu_version_at_least(cases[i].version, cases[i].floor, cases[i].base, &enough));
        assert_int_equal(enough, cases[i].enough);
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        assert_false(clo_gpu_version_at_least(bad[i], "1", 10, &enough));
        assert_false(clo_gpu_version_at_least("1", bad[i], 10, &enough));
    }
}

/* ---- what is right ---- */

static void a_good_gpu_passes_every_check(void **state)
{
    struct clo_verdict_builder vb;
    char got[2048];

    (void)state;
    gpu_lab_good(&r, 1, 0);
    passes();
    appraise(&vb);
    names_with(&vb, CLOISTER_CHECK_NOT_APPLICABLE, got, sizeof got);
    assert_string_equal(got, "gpu.switches");
    assert_int_equal(vb.valid_until, LAB_NOW + LAB_DAY); /* the revocation answers' end */
    says(CLOISTER_CHECK_GPU_MEASUREMENTS, NULL, "5 of 5", NULL);
}

static void a_good_machine_passes_every_check(void **state)
{
    struct clo_verdict_builder vb;
    char got[2048];

    (void)state;
    gpu_lab_good(&r, 8, 4);
    passes();
    appraise(&vb);
    names_with(&vb, CLOISTER_CHECK_NOT_APPLICABLE, got, sizeof got);
    assert_string_equal(got, "");
    says(CLOISTER_CHECK_DEVICES_COUNT, "8 GPUs, 4 switches", "8 GPUs, 4 switches", NULL);
}

static void a_good_blackwell_passes_every_check(void **state)
{
    (void)state;
    gpu_lab_good(&r, 2, 0);
    for (size_t i = 0; i < 2; i++) {
        r.device[i].arch = "blackwell";
        r.device[i].chip = r.device[i].brom_chip = "GB100";
        gpu_lab_mode(&r.device[i], CLO_GPU_MULTI);
    }
    r.want.arch[CLO_GPU_HOPPER] = false;
    r.want.arch[CLO_GPU_BLACKWELL] = true;
    r.want.modes = 1u << CLO_GPU_MULTI;
    r.reference[0].arch = r.reference[1].arch = CLO_GPU_BLACKWELL;
    passes();
    /* what a report doesn't name can't be compared */
    r.reference[1].project[0] = r.reference[1].project_sku[0] = r.reference[1].chip_sku[0] = '\0';
    passes();
    r.want.references = 0;
    says(CLOISTER_CHECK_GPU_REFERENCE, "NV_GPU_VBIOS_1010_0200_882_960074001C", NULL, NULL);
    r.want.references = 2;
    r.reference[0].version[0] = '6';
    says(CLOISTER_CHECK_GPU_REFERENCE, "NV_GPU_CC_DRIVER_GB100_550.90.07", "driver 550.90.07",
         "GPU 0: the policy has no reference values for this: import the RIM of this name");
}

static void a_policy_read_from_its_text_judges_the_same(void **state)
{
    static const char head[] =
        "{\"v\":1,\"name\":\"laboratory\",\"tee\":[\"sev-snp\"],\"measurements\":[],"
        "\"sev_snp\":{\"products\":{\"genoa\":{\"min_tcb\":{\"bl\":0,\"tee\":0,\"snp\":0,\"ucode\":0},"
        "\"min_firmware\":\"0.0.0\"}},\"require_platform\":[]},\"devices\":";
    struct clo_buf text = clo_buf_init(CLO_POLICY_MAX);
    struct cloister_policy *p = NULL;
    char why[200] = "";

    (void)state;
    gpu_lab_good(&r, 2, 4);
    assert_int_equal(clo_buf_append(&text, head, sizeof head - 1), 0);
    gpu_lab_policy_json(&r, &text);
    assert_int_equal(clo_buf_append(&text, "}", 1), 0);
    if (cloister_policy_check(text.p, text.len, why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_int_equal(cloister_policy_parse(text.p, text.len, &p), 0);
    r.want = p->devices;
    passes();
    r.device[1].value[21][0] ^= 1;
    fails("gpu.measurements");
    cloister_policy_free(p);
    clo_buf_clear(&text);
}

/* ---- none, too few, too many ---- */

static void without_devices_nothing_is_asked_if_none_is_wanted(void **state)
{
    struct clo_verdict_builder vb;

    (void)state;
    gpu_lab_good(&r, 0, 0);
    passes();
    appraise(&vb);
    for (unsigned id = CLOISTER_CHECK_GPU_FORMAT; id <= CLOISTER_CHECK_GPU_SWITCHES; id++)
        assert_int_equal(clo_vb_status(&vb, (enum cloister_check_id)id),
                         CLOISTER_CHECK_NOT_APPLICABLE);
    r.want.min = r.want.max = 1;
    fails("devices.count");
    r.want.min = r.want.max = 0;
    r.want.switches = 1;
    fails("devices.count");
    r.no_policy = true;
    appraise(&vb);
    for (unsigned id = CLOISTER_CHECK_GPU_FORMAT; id <= CLOISTER_CHECK_GPU_SWITCHES; id++)
        assert_int_equal(clo_vb_status(&vb, (enum cloister_check_id)id), CLOISTER_CHECK_MISSING);
}

static void as_many_devices_as_wanted_have_to_be_there(void **state)
{
    (void)state;
    gpu_lab_good(&r, 3, 2);
    r.want.min = 4;
    r.want.max = 8;
    fails("devices.count");
    r.want.min = 1;
    r.want.max = 2;
    fails("devices.count");
    r.want.max = 3;
    passes();
    says(CLOISTER_CHECK_DEVICES_COUNT, "1 to 3 GPUs, 2 switches", "3 GPUs, 2 switches", NULL);
    r.want.min = r.want.max = 5; /* switches are no GPUs */
    fails("devices.count");
    r.want.min = r.want.max = 3;
    r.want.switches = 1;
    fails("devices.count");
    r.want.switches = 3;
    fails("devices.count");
}

static void gpus_that_nobody_asked_for_are_refused(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.want = (struct clo_policy_devices){.modes = 1u << CLO_GPU_SINGLE};
    ends("devices.count gpu.architecture gpu.reference", "gpu.driver gpu.measurements gpu.debug");
}

/* ---- kinds of devices ---- */

static void a_device_is_what_it_is_listed_as(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.want.arch[CLO_GPU_BLACKWELL] = true;
    r.device[0].arch = "blackwell";
    fails("gpu.architecture gpu.identity gpu.reference");
    r.device[0].arch = "ampere";
    fails("gpu.architecture gpu.reference");
    r.device[0].arch = "ls10";
    r.want.arch[CLO_GPU_LS10] = true;
    fails("devices.count gpu.architecture gpu.vbios gpu.reference");
    gpu_lab_good(&r, 1, 1);
    r.device[1].arch = "hopper";
    fails("devices.count gpu.architecture gpu.driver gpu.reference gpu.mode gpu.switches");
}

static void an_architecture_that_the_policy_does_not_name_is_refused(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.want.arch[CLO_GPU_HOPPER] = false;
    r.want.arch[CLO_GPU_BLACKWELL] = true;
    fails("gpu.architecture");
    gpu_lab_good(&r, 1, 1);
    r.want.arch[CLO_GPU_LS10] = false;
    fails("gpu.architecture");
}

static void certificates_are_of_the_kind_of_device_that_reports(void **state)
{
    static const char *const chip[] = {"GA100", "GB100", "LS_10", "GH1000", "GBXXX", ""};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(chip); i++) {
        gpu_lab_good(&r, 1, 0);
        r.device[0].brom_chip = chip[i];
        fails("gpu.architecture"); /* a GPU's leaf under another chip's boot ROM */
    }
    gpu_lab_good(&r, 1, 0);
    r.device[0].chip = r.device[0].brom_chip = "GA100";
    fails("gpu.architecture");
}

static void a_report_has_the_shape_of_its_kind_of_device(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    gpu_lab_drop(&r.device[0], CLO_SPDM_DRIVER_VERSION);
    fails("gpu.architecture gpu.driver gpu.reference");
    gpu_lab_good(&r, 1, 1);
    gpu_lab_text(&r.device[1], CLO_SPDM_DRIVER_VERSION, "550.90.07");
    fails("gpu.architecture");
}

/* ---- chains ---- */

static const char everything_claimed[] =
    "devices.count gpu.architecture gpu.identity " OCSP_CHECKS
    " gpu.nonce gpu.distinct gpu.driver gpu.vbios gpu.reference gpu.measurements gpu.mode gpu.debug";

static void without_a_chain_nothing_is_decided(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.device[0].left_out = 0;
    r.device[0].chain_n = 1;
    fails("gpu.chain_present"); /* the boot ROM alone */
    gpu_lab_good(&r, 2, 0);
    {
        struct cloister_policy policy = {.devices = r.want};
        struct cloister_roots *roots = NULL;
        struct clo_devices devices;
        struct clo_collateral collateral = {0};
        const struct clo_gpu_input in = {
            .devices = &devices, .collateral = &collateral, .nonce = r.nonce};
        struct clo_verdict_builder vb;
        char got[2048];

        assert_int_equal(cloister_roots_new(&roots), 0);
        gpu_lab_pin(&r, roots);
        gpu_lab_make(&r, &devices, &collateral);
        devices.device[1].chain_n = 0;
        clo_vb_init(&vb);
        assert_int_equal(clo_gpu_appraise(&in, &policy, roots, LAB_NOW, &vb), 0);
        names_with(&vb, CLOISTER_CHECK_FAIL, got, sizeof got);
        assert_string_equal(got, "");
        names_with(&vb, CLOISTER_CHECK_PASS, got, sizeof got);
        assert_string_equal(got,
                            "gpu.format"); /* the first one's good results don't stand for both */
        assert_string_equal(
            check_of(&vb, CLOISTER_CHECK_GPU_CHAIN_PRESENT)->reason,
            "GPU 1: certificates are missing: without them the report can't be judged");
        for (size_t k = 0; k < CLO_DEVICE_CHAIN_MAX; k++)
            clo_buf_clear(&devices.device[1].chain[k]);
        clo_devices_clear(&devices);
        clo_collateral_clear(&collateral);
        cloister_roots_free(roots);
    }
}

static void a_chain_of_garbage_is_refused(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.device[0].garbage = true;
    fails("gpu.chain_present");
}

/* Raw evidence claims no kind of device: the leaf does. What isn't known of one device, no other one's result stands for. */
static void without_a_leaf_nobody_says_what_kind_of_device_it_is(void **state)
{
    (void)state;
    gpu_lab_good(&r, 2, 0);
    r.device[1].arch = "";
    r.device[1].garbage = true;
    ends(
        "gpu.chain_present",
        "devices.count gpu.architecture gpu.root gpu.chain gpu.chain_dates gpu.identity " OCSP_CHECKS
        " gpu.signature gpu.nonce gpu.distinct gpu.driver gpu.vbios gpu.reference "
        "gpu.measurements gpu.mode gpu.debug");
    r.no_policy = true;
    fails("gpu.chain_present");
    says(CLOISTER_CHECK_GPU_VBIOS, NULL, "96.00.74.00.1C",
         "GPU 0: no policy was given to judge this by");
}

static void a_chain_may_end_with_the_root(void **state)
{
    (void)state;
    gpu_lab_good(&r, 2, 0);
    r.device[0].send_root = true;
    passes();
    r.device[1].send_root = true;
    passes();
    /* but that is no certificate of its own */
    r.device[0].chain_n = 1;
    fails("gpu.chain_present");
}

static void the_chain_must_end_in_the_pinned_root(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.no_root = true;
    ends("gpu.root", everything_claimed);
    r.device[0].send_root = true; /* one that pins itself */
    ends("gpu.root", everything_claimed);
    gpu_lab_good(&r, 1, 0);
    r.identity_issuer = gpu_lab.stranger;
    fails("gpu.root");
    gpu_lab_good(&r, 1, 0);
    r.device[0].chain_n = 3; /* the identity is left out */
    fails("gpu.root");
}

static void every_link_of_the_chain_is_verified(void **state)
{
    (void)state;
    for (int k = 1; k <= 2; k++) {
        gpu_lab_good(&r, 1, 0);
        r.device[0].left_out = k;
        r.no_ocsp = r.revocation_if_present = true;
        fails(k == 1 ? "gpu.architecture gpu.chain gpu.identity" : "gpu.chain");
    }
    gpu_lab_good(&r, 1, 0);
    r.device[0].leaf_issuer = gpu_lab.stranger;
    ends("gpu.chain", everything_claimed);
    r.device[0].leaf_issuer = gpu_lab.ica; /* a known one, but not the next */
    fails("gpu.chain");
}

static void only_authorities_sign_certificates(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.device[0].brom_no_ca = true;
    fails("gpu.chain");
    gpu_lab_good(&r, 1, 0);
    r.device[0].leaf_ca = true;
    fails("gpu.chain");
    says(CLOISTER_CHECK_GPU_CHAIN, NULL, NULL,
         "GPU 0: the first certificate is an authority's, and no device's");
}

static void an_authority_stands_above_no_more_than_it_may(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.has_path_len = true;
    r.path_len = 2; /* provisioner and boot ROM */
    passes();
    r.path_len = 1;
    fails("gpu.chain");
}

/* Whoever got hold of one boot ROM's key would else make devices with it, and answer for their not being revoked. */
static void a_device_makes_no_devices(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.device[0].ica_is_device = true;
    fails("gpu.chain");
    says(CLOISTER_CHECK_GPU_CHAIN, NULL, NULL,
         "GPU 0: a device's own certificate stands where an authority's belongs");
}

static void dates_of_every_certificate_are_checked(void **state)
{
    struct clo_verdict_builder vb;

    (void)state;
    gpu_lab_good(&r, 2, 0);
    r.device[1].leaf_to = LAB_NOW;
    fails("gpu.chain_dates");
    r.device[1].leaf_to = LAB_NOW + 1;
    appraise(&vb);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_GPU_CHAIN_DATES), CLOISTER_CHECK_PASS);
    assert_int_equal(vb.valid_until, LAB_NOW + 1);
    r.device[1].leaf_from = r.device[1].leaf_to = LAB_NOW + LAB_YEAR;
    fails("gpu.chain_dates");
    gpu_lab_good(&r, 1, 0);
    r.root_to = LAB_NOW;
    fails("gpu.chain_dates");
}

/* ---- identity ---- */

static void a_leaf_names_its_firmware(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.device[0].no_fwid = true;
    fails("gpu.identity");
    gpu_lab_good(&r, 1, 0);
    r.device[0].fwid[47] ^= 1;
    fails("gpu.identity");
    gpu_lab_good(&r, 1, 0); /* old firmware doesn't name itself in the report */
    gpu_lab_drop(&r.device[0], CLO_SPDM_FWID);
    passes();
    gpu_lab_good(&r, 1, 0);
    gpu_lab_field(&r.device[0], CLO_SPDM_FWID)->n = 47;
    fails("gpu.identity");
    gpu_lab_field(&r.device[0], CLO_SPDM_FWID)->n = 0;
    fails("gpu.identity");
}

static void a_firmware_id_is_strict(void **state)
{
    (void)state;
    for (int blackwell = 0; blackwell < 2; blackwell++) {
        for (int what = 0; what < 3; what++) {
            gpu_lab_good(&r, 1, 0);
            if (blackwell) {
                r.device[0].arch = "blackwell";
                r.device[0].chip = r.device[0].brom_chip = "GB202";
                r.want.arch[CLO_GPU_BLACKWELL] = true;
                r.reference[0].arch = r.reference[1].arch = CLO_GPU_BLACKWELL;
            }
            r.device[0].fwid_garbage = what == 1;
            r.device[0].fwid_sha256 = what == 2;
            fails(what == 0 ? "" : "gpu.identity");
        }
    }
}

static void a_leaf_was_made_for_the_device_above_it(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.device[0].other_fwid_key = true;
    fails("gpu.identity");
}

/* ---- revocation ---- */

static void without_revocation_answers_nothing_is_decided(void **state)
{
    (void)state;
    gpu_lab_good(&r, 2, 0);
    r.no_ocsp = true;
    ends("", OCSP_CHECKS);
    r.revocation_if_present = true;
    passes();
}

static void every_certificate_above_the_leaf_needs_an_answer(void **state)
{
    static const char *const name[] = {NULL, "GH100 A01 GSP BROM", "NVIDIA GH100 Provisioner ICA 1",
                                       "NVIDIA GH100 Identity"};

    (void)state;
    for (int role = GPU_LAB_BROM; role < GPU_LAB_ROLES; role++) {
        gpu_lab_good(&r, 1, 0);
        r.odd = role;
        r.odd_missing = true;
        ends("", OCSP_CHECKS);
        says(CLOISTER_CHECK_GPU_OCSP, NULL, name[role], "GPU 0: there is no revocation answer");
        r.revocation_if_present = true;
        passes();
    }
}

static void a_revoked_certificate_is_refused(void **state)
{
    (void)state;
    for (int role = GPU_LAB_LEAF; role < GPU_LAB_ROLES; role++)
        for (int if_present = 0; if_present < 2; if_present++) {
            gpu_lab_good(&r, 2, 0);
            r.odd = role;
            r.leaf_answered = true;
            r.revocation_if_present = if_present;
            passes();
            r.odd_status = CLO_OCSP_REVOKED;
            ends("gpu.revoked", "");
            says(CLOISTER_CHECK_GPU_REVOKED, "good", NULL, "GPU 0: this certificate is revoked");
            r.odd_hold = true;
            ends("gpu.revoked", "");
            says(CLOISTER_CHECK_GPU_REVOKED, "good", NULL, "GPU 0: this certificate is on hold");
            r.odd_hold = false;
            r.odd_status = CLO_OCSP_UNKNOWN;
            ends("gpu.revoked", "");
        }
}

static void an_answer_of_another_day_is_refused(void **state)
{
    struct clo_verdict_builder vb;

    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.odd = GPU_LAB_ICA;
    r.odd_to = LAB_NOW;
    ends("gpu.ocsp_dates", "");
    r.revocation_if_present = true;
    ends("gpu.ocsp_dates", "");
    r.odd_to = LAB_NOW + 1;
    passes();
    appraise(&vb);
    assert_int_equal(vb.valid_until, LAB_NOW + 1);
    r.odd_to = INT64_MIN; /* without an end, it has none to rely on */
    ends("gpu.ocsp_dates", "");
    r.odd_from = LAB_NOW + 1;
    r.odd_to = LAB_NOW + LAB_DAY;
    ends("gpu.ocsp_dates", "");
    r.odd_from = LAB_NOW;
    passes();
}

static void an_answer_that_the_issuer_did_not_sign_is_refused(void **state)
{
    (void)state;
    for (int role = GPU_LAB_BROM; role < GPU_LAB_ROLES; role++) {
        gpu_lab_good(&r, 1, 0);
        r.odd = role;
        r.odd_signer = gpu_lab.stranger;
        ends("gpu.ocsp", "gpu.ocsp_dates gpu.revoked");
        r.odd_signer = role == GPU_LAB_BROM ? gpu_lab.identity : gpu_lab.brom[0];
        ends("gpu.ocsp", "gpu.ocsp_dates gpu.revoked");
        r.revocation_if_present = true;
        ends("gpu.ocsp", "");
    }
    gpu_lab_good(&r, 1, 0);
    r.ocsp_flip = true;
    fails("gpu.ocsp");
    gpu_lab_good(&r, 1, 0);
    r.ocsp_garbage = true;
    fails("gpu.ocsp");
}

static void an_issuer_may_have_a_responder(void **state)
{
    struct clo_verdict_builder vb;

    (void)state;
    gpu_lab_good(&r, 2, 0);
    r.delegated = true;
    passes();
    appraise(&vb);
    assert_int_equal(vb.valid_until, LAB_NOW + LAB_DAY / 2); /* the responder's end */
    r.delegate_unfit = true;
    fails("gpu.ocsp");
    gpu_lab_good(&r, 1, 0);
    r.delegated = true;
    r.now = LAB_NOW + LAB_DAY / 2;
    fails("gpu.ocsp");
}

static void of_several_answers_the_newest_decides(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.odd = GPU_LAB_BROM;
    r.odd_status = CLO_OCSP_REVOKED;
    r.second_from = r.odd_from - 1;
    ends("gpu.revoked", "");
    r.second_from = r.odd_from + 1; /* no longer on hold */
    passes();
    r.second_from = r.odd_from; /* at the same moment: neither is newer, the worse one stays */
    ends("gpu.revoked", "");
    r.odd_status = CLO_OCSP_GOOD;
    r.second_status = CLO_OCSP_REVOKED;
    ends("gpu.revoked", "");
}

/* An answer counts only under a chain that counts. */
static void answers_of_untrusted_issuers_prove_nothing(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.no_root = true;
    ends("gpu.root", everything_claimed);
    r.odd = GPU_LAB_BROM;
    r.odd_status = CLO_OCSP_REVOKED;
    fails("gpu.root gpu.revoked");
}

/* ---- reports ---- */

static void a_signature_by_another_key_is_refused(void **state)
{
    (void)state;
    gpu_lab_good(&r, 2, 0);
    r.device[1].signer = gpu_lab.leaf[0];
    ends("gpu.signature", "devices.count gpu.architecture gpu.identity gpu.nonce gpu.distinct "
                          "gpu.driver gpu.vbios gpu.reference gpu.measurements gpu.mode gpu.debug");
    says(CLOISTER_CHECK_GPU_SIGNATURE, NULL, NULL,
         "GPU 1: the report isn't signed by the key in its certificate");
    r.device[1].signer = gpu_lab.brom[1];
    fails("gpu.signature");
}

/*
 * One bit of every fifth byte: the signed ones, and the signature. (Of a recorded report test_nvidia_vectors takes every byte.)
 * Under valgrind, where each signature takes 50 times as long, CLOISTER_TEST_STRIDE makes it fewer.
 */
static void every_flipped_byte_is_refused(void **state)
{
    const char *stride = getenv("CLOISTER_TEST_STRIDE");
    const size_t step = 5 * (stride != NULL ? strtoul(stride, NULL, 10) : 1);
    struct cloister_policy policy = {.devices = r.want};
    struct cloister_roots *roots = NULL;
    struct clo_devices devices;
    struct clo_collateral collateral = {0};
    const struct clo_gpu_input in = {
        .devices = &devices, .collateral = &collateral, .nonce = r.nonce};
    struct clo_verdict_builder vb;
    struct clo_buf *report = NULL;

    (void)state;
    assert_true(step > 0);
    gpu_lab_good(&r, 1, 0);
    policy.devices = r.want;
    assert_int_equal(cloister_roots_new(&roots), 0);
    gpu_lab_pin(&r, roots);
    gpu_lab_make(&r, &devices, &collateral);
    report = &devices.device[0].report;
    for (size_t i = 0; i < report->len; i += step) {
        report->p[i] ^= (uint8_t)(1u << (i % 8));
        clo_vb_init(&vb);
        assert_int_equal(clo_gpu_appraise(&in, &policy, roots, LAB_NOW, &vb), 0);
        assert_true(clo_vb_status(&vb, CLOISTER_CHECK_GPU_FORMAT) == CLOISTER_CHECK_FAIL ||
                    clo_vb_status(&vb, CLOISTER_CHECK_GPU_SIGNATURE) == CLOISTER_CHECK_FAIL);
        assert_int_not_equal(clo_vb_status(&vb, CLOISTER_CHECK_GPU_NONCE), CLOISTER_CHECK_PASS);
        assert_int_not_equal(clo_vb_status(&vb, CLOISTER_CHECK_GPU_MEASUREMENTS),
                             CLOISTER_CHECK_PASS);
        report->p[i] ^= (uint8_t)(1u << (i % 8));
    }
    clo_devices_clear(&devices);
    clo_collateral_clear(&collateral);
    cloister_roots_free(roots);
}

static void another_nonce_is_refused(void **state)
{
    (void)state;
    gpu_lab_good(&r, 2, 0);
    r.device[1].nonce[0] ^= 1;
    ends("gpu.nonce", "");
    gpu_lab_good(&r, 1, 0);
    r.nonce[31] ^= 1;
    ends("gpu.nonce", "");
    r.no_nonce = true;
    ends("", "gpu.nonce");
    r.any_nonce = true;
    passes();
}

static void a_device_counts_once(void **state)
{
    (void)state;
    gpu_lab_good(&r, 2, 0);
    r.device[1] = r.device[0]; /* the same again */
    ends("gpu.distinct", "");
    says(CLOISTER_CHECK_GPU_DISTINCT, NULL, "GPU 0", "GPU 1: this device was listed before");

    gpu_lab_good(&r, 2, 0); /* after an update: another leaf of the same device */
    r.device[1].key = 0;
    ends("gpu.distinct", "");

    gpu_lab_good(&r, 2, 0); /* the same leaf key under another device */
    r.device[1].leaf_key = 0;
    ends("gpu.distinct", "");

    gpu_lab_good(&r, 2, 0); /* NVIDIA's number for the device */
    r.device[1].leaf_serial = r.device[0].leaf_serial;
    ends("gpu.distinct", "");

    gpu_lab_good(&r, 1, 2); /* switches have a name of their own */
    gpu_lab_set(&r.device[2], CLO_SPDM_PDI, gpu_lab_field(&r.device[1], CLO_SPDM_PDI)->p, 8);
    fails("gpu.distinct gpu.switches");
}

static void an_older_driver_is_refused(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 1);
    (void)snprintf(r.want.min_driver, 64, "550.90.08");
    ends("gpu.driver", "");
    (void)snprintf(r.want.min_driver, 64, "550.90.7");
    passes();
    r.want.min_driver[0] = '\0'; /* a policy can't forget it */
    ends("", "gpu.driver");
    (void)snprintf(r.want.min_driver, 64, "550.90.07");
    gpu_lab_text(&r.device[0], CLO_SPDM_DRIVER_VERSION, "550 90");
    fails("gpu.driver gpu.reference");
}

static void older_firmware_is_refused(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 1);
    (void)snprintf(r.want.min_vbios[CLO_GPU_HOPPER], 64, "96.00.74.00.1D");
    ends("gpu.vbios", "");
    (void)snprintf(r.want.min_vbios[CLO_GPU_HOPPER], 64, "96.00.74.00.1C");
    passes();
    (void)snprintf(r.want.min_vbios[CLO_GPU_LS10], 64, "96.10.56.00.00");
    ends("gpu.vbios", "");
    says(CLOISTER_CHECK_GPU_VBIOS, "96.10.56.00.00", "96.10.55.00.01",
         "switch 0: an older version runs than the policy's floor");
    r.want.min_vbios[CLO_GPU_LS10][0] = '\0'; /* the reference values decide */
    passes();
}

/* ---- reference values ---- */

static void without_reference_values_nothing_is_accepted(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.want.references = 0;
    ends("gpu.reference", "gpu.measurements gpu.debug");
    r.want.references = 1; /* the driver's alone */
    ends("gpu.reference", "gpu.measurements gpu.debug");
    says(CLOISTER_CHECK_GPU_REFERENCE, "NV_GPU_VBIOS_1010_0200_882_960074001C",
         "VBIOS 96.00.74.00.1C",
         "GPU 0: the policy has no reference values for this: import the RIM of this name");
    r.want.reference = &r.reference[1]; /* the VBIOS' alone */
    ends("gpu.reference", "gpu.measurements gpu.debug");
    says(CLOISTER_CHECK_GPU_REFERENCE, "NV_GPU_DRIVER_GH100_550.90.07", "driver 550.90.07", NULL);
    gpu_lab_good(&r, 1, 1);
    r.want.references = 2;
    ends("gpu.reference", "gpu.measurements gpu.debug");
    says(CLOISTER_CHECK_GPU_REFERENCE, "NV_SWITCH_BIOS_5612_0002_890_9610550001", NULL, NULL);
}

static void reference_values_are_those_that_the_report_names(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.reference[0].arch = CLO_GPU_BLACKWELL;
    fails("gpu.reference");
    gpu_lab_good(&r, 1, 0);
    r.reference[0].kind = CLO_REFERENCE_VBIOS;
    fails("gpu.reference");
    gpu_lab_good(&r, 1, 0);
    (void)snprintf(r.reference[0].version, 64, "550.90.7"); /* a version's text, not its value */
    fails("gpu.reference");
    gpu_lab_good(&r, 1, 0);
    (void)snprintf(r.reference[1].project, 16, "1011");
    fails("gpu.reference");
    gpu_lab_good(&r, 1, 0);
    (void)snprintf(r.reference[1].project_sku, 16, "0201");
    fails("gpu.reference");
    gpu_lab_good(&r, 1, 0);
    (void)snprintf(r.reference[1].chip_sku, 16, "883");
    fails("gpu.reference");
    gpu_lab_good(&r, 1, 0);
    (void)snprintf(r.reference[1].id, 128, "anything"); /* shown, never believed */
    passes();
}

static void the_reference_of_the_very_board_is_taken(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.reference[3] = r.reference[1]; /* for any board, and with other values */
    r.reference[3].project[0] = r.reference[3].project_sku[0] = r.reference[3].chip_sku[0] = '\0';
    r.reference[3].index[0].value[0][0] ^= 1;
    r.want.references = 4;
    passes();
    r.reference[2] = r.reference[3];
    r.reference[3] = r.reference[1]; /* in another order */
    r.reference[1] = r.reference[2];
    passes();
    r.reference[3] = r.reference[1]; /* two of the same rank: which is meant? */
    fails("gpu.reference");
}

static void reference_values_that_compare_nothing_are_none(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.reference[0].active = 0;
    ends("gpu.reference", "gpu.measurements gpu.debug");
    r.reference[0].active = (uint64_t)1 << 35; /* which is skipped */
    ends("gpu.reference", "gpu.measurements gpu.debug");
    gpu_lab_good(&r, 1, 0);
    r.reference[1].active = 0;
    ends("gpu.reference", "gpu.measurements gpu.debug");
}

static void an_index_with_two_meanings_is_refused(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    gpu_lab_index(&r.reference[1], 21, 0x25); /* even with the same value */
    ends("gpu.reference", "");
}

static void every_active_measurement_is_compared(void **state)
{
    static const size_t index[] = {7, 21, 63, 0, 12};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(index); i++) {
        gpu_lab_good(&r, 2, 0);
        r.device[1].value[index[i]][47] ^= 1;
        ends("gpu.measurements", "gpu.debug");
    }
    gpu_lab_good(&r, 2, 0); /* one that nobody has a value for */
    r.device[1].value[50][0] ^= 1;
    passes();
    gpu_lab_good(&r, 1, 0);
    r.device[0].value[21][0] ^= 1;
    r.device[0].value[12][0] ^= 1;
    says(CLOISTER_CHECK_GPU_MEASUREMENTS,
         "index 21: 252525252525252525252525252525252525252525252525"
         "252525252525252525252525252525252525252525252525",
         "index 21: 242525252525252525252525252525252525252525252525"
         "252525252525252525252525252525252525252525252525 (2 of 5 differ)",
         "GPU 0: a measurement differs from its reference value");
    gpu_lab_good(&r, 1, 1); /* a switch's */
    r.device[1].value[30][0] ^= 1;
    ends("gpu.measurements", "gpu.debug");
    r.device[1].blocks = 30; /* and one that isn't there */
    ends("gpu.measurements", "gpu.debug");
}

static void the_decoders_measurement_is_skipped_only_where_it_is_off(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    gpu_lab_byte(&r.device[0], CLO_SPDM_NVDEC0_STATUS, CLO_SPDM_ENABLED);
    fails("gpu.measurements");
    gpu_lab_byte(&r.device[0], CLO_SPDM_NVDEC0_STATUS, 0);
    fails("gpu.measurements");
    gpu_lab_set(&r.device[0], CLO_SPDM_NVDEC0_STATUS, "\x55\x55", 2);
    fails("gpu.measurements");
    gpu_lab_drop(&r.device[0], CLO_SPDM_NVDEC0_STATUS);
    fails("gpu.measurements");
    memset(r.device[0].value[35], 0x33, 48);
    passes();
    gpu_lab_byte(&r.device[0], CLO_SPDM_NVDEC0_STATUS, CLO_SPDM_ENABLED);
    passes();
}

/* ---- mode and debug ---- */

static void the_mode_is_the_policys(void **state)
{
    (void)state;
    for (unsigned m = CLO_GPU_SINGLE; m <= CLO_GPU_MULTI; m++)
        for (unsigned wanted = CLO_GPU_SINGLE; wanted <= CLO_GPU_MULTI; wanted++) {
            gpu_lab_good(&r, 1, 0);
            gpu_lab_mode(&r.device[0], (enum clo_gpu_mode)m);
            r.want.modes = 1u << wanted;
            ends(m == wanted ? "" : "gpu.mode", "");
            r.want.modes = 3;
            passes();
        }
    r.want.modes = 0;
    says(CLOISTER_CHECK_GPU_MODE, "", "multi", "GPU 0: the policy doesn't admit this mode");
    r.want.modes = 5;
    says(CLOISTER_CHECK_GPU_MODE, "single, protected-pcie", "multi", NULL);
}

static void an_unknown_mode_is_refused(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    r.want.modes = ~0u;
    gpu_lab_set(&r.device[0], CLO_SPDM_FEATURE_FLAG, "\3", 2);
    fails("gpu.mode");
    gpu_lab_set(&r.device[0], CLO_SPDM_FEATURE_FLAG, "\0\1", 2);
    fails("gpu.mode");
    gpu_lab_byte(&r.device[0], CLO_SPDM_FEATURE_FLAG, 0);
    fails("gpu.mode");
    gpu_lab_set(&r.device[0], CLO_SPDM_FEATURE_FLAG, "\0", 2);
    gpu_lab_byte(&r.device[0], CLO_SPDM_PROTECTED_PCIE, 0);
    fails("gpu.mode");
    gpu_lab_byte(&r.device[0], CLO_SPDM_PROTECTED_PCIE, CLO_SPDM_ENABLED); /* a contradiction */
    fails("gpu.mode");
    gpu_lab_set(&r.device[0], CLO_SPDM_FEATURE_FLAG, "\2", 2);
    gpu_lab_byte(&r.device[0], CLO_SPDM_PROTECTED_PCIE, CLO_SPDM_DISABLED);
    fails("gpu.mode");
}

static void firmware_without_the_flag_tells_its_mode_in_the_older_way(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    gpu_lab_drop(&r.device[0], CLO_SPDM_FEATURE_FLAG);
    passes();
    gpu_lab_byte(&r.device[0], CLO_SPDM_PROTECTED_PCIE, CLO_SPDM_ENABLED);
    fails("gpu.mode");
    gpu_lab_good(&r, 2, 2);
    gpu_lab_drop(&r.device[0], CLO_SPDM_FEATURE_FLAG);
    passes();
}

/* Silence is the older firmware's answer only if it is the older firmware that is silent. */
static void firmware_of_the_first_days_is_single_if_it_is_measured(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    gpu_lab_drop(&r.device[0], CLO_SPDM_FEATURE_FLAG);
    gpu_lab_drop(&r.device[0], CLO_SPDM_PROTECTED_PCIE);
    passes();
    r.device[0].value[7][0] ^= 1;
    ends("gpu.measurements", "gpu.mode gpu.debug");
    r.want.modes = 1u << CLO_GPU_MULTI;
    ends("gpu.measurements gpu.mode", "gpu.debug");
}

static void a_debug_state_follows_from_the_measurements_alone(void **state)
{
    (void)state;
    gpu_lab_good(&r, 1, 0);
    says(CLOISTER_CHECK_GPU_DEBUG, "", "measured as released",
         "reports show no debug state: it follows from every measurement being the released one");
    r.device[0].value[7][0] ^= 1;
    says(CLOISTER_CHECK_GPU_DEBUG, "", "",
         "GPU 0: reports show no debug state, and the measurements aren't shown to be right");
}

/* ---- switches ---- */

static void data_passes_only_listed_switches(void **state)
{
    (void)state;
    gpu_lab_good(&r, 2, 4);
    r.devices--; /* the fourth switch isn't shown */
    r.want.switches = 3;
    ends("gpu.switches", "");
    says(CLOISTER_CHECK_GPU_SWITCHES, "3 listed", "4 at the GPU, 3 of them listed",
         "GPU 0: data passes a switch that isn't listed");
    gpu_lab_good(&r, 2, 2); /* none is, and the policy forgot to ask */
    r.devices = 2;
    r.want.switches = 0;
    r.want.arch[CLO_GPU_LS10] = false;
    ends("gpu.switches", "");
}

static void a_listed_switch_is_at_every_gpu(void **state)
{
    struct gpu_lab_field *f = NULL;

    (void)state;
    gpu_lab_good(&r, 2, 2);
    f = gpu_lab_field(&r.device[1], CLO_SPDM_PDI);
    for (size_t k = 0; k < 18; k++) /* the second GPU only knows the first switch */
        memcpy(f->p + 8 * k, f->p, 8);
    ends("gpu.switches", "");
    says(CLOISTER_CHECK_GPU_SWITCHES, "2 listed", "1 at the GPU, 1 of them listed",
         "GPU 1: a listed switch isn't at this GPU");
}

static void a_gpu_names_its_switches(void **state)
{
    (void)state;
    gpu_lab_good(&r, 2, 2);
    gpu_lab_drop(&r.device[1], CLO_SPDM_PDI);
    ends("", "gpu.switches");
    gpu_lab_good(&r, 2, 2);
    gpu_lab_field(&r.device[1], CLO_SPDM_PDI)->n -= 1;
    ends("", "gpu.switches");
    gpu_lab_good(&r, 1, 1);
    gpu_lab_drop(&r.device[1], CLO_SPDM_PDI); /* the switch doesn't name itself */
    ends("gpu.switches", NULL);
}

static void switches_alone_are_judged_as_such(void **state)
{
    (void)state;
    gpu_lab_good(&r, 0, 2);
    passes();
    r.want.min = r.want.max = 1; /* a GPU was wanted */
    ends("devices.count", "gpu.switches");
}

/* ---- without a policy ---- */

static void without_a_policy_authenticity_is_shown_and_no_more(void **state)
{
    struct clo_verdict_builder vb;
    char got[2048];

    (void)state;
    gpu_lab_good(&r, 2, 0);
    r.no_policy = true;
    ends("", "devices.count gpu.architecture gpu.driver gpu.vbios gpu.reference gpu.measurements "
             "gpu.mode gpu.debug gpu.switches");
    appraise(&vb);
    names_with(&vb, CLOISTER_CHECK_NOT_APPLICABLE, got, sizeof got);
    assert_string_equal(got, "");
    r.no_ocsp = true; /* an exception needs a policy that makes it */
    appraise(&vb);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_GPU_REVOKED), CLOISTER_CHECK_MISSING);
}

static void what_no_policy_allows_fails_without_one(void **state)
{
    (void)state;
    gpu_lab_good(&r, 2, 0);
    r.no_policy = true;
    r.device[1] = r.device[0];
    fails("gpu.distinct");
    gpu_lab_good(&r, 1, 0);
    r.no_policy = true;
    r.device[0].chip = "GB100";
    fails("gpu.architecture gpu.identity");
    gpu_lab_good(&r, 1, 0);
    r.no_policy = true;
    gpu_lab_set(&r.device[0], CLO_SPDM_FEATURE_FLAG, "\3", 2);
    fails("gpu.mode");
    gpu_lab_good(&r, 2, 2);
    r.no_policy = true;
    r.devices = 2;
    fails("gpu.switches");
}

/* ---- all of them ---- */

static void every_check_was_seen_to_pass_and_to_fail(void **state)
{
    const unsigned both = 1u << CLOISTER_CHECK_PASS | 1u << CLOISTER_CHECK_FAIL;

    (void)state;
#define SEEN_(number, id, name, title)                                                       \
    if ((number) >= CLOISTER_CHECK_GPU_FORMAT && (number) <= CLOISTER_CHECK_GPU_SWITCHES &&  \
        (number) != CLOISTER_CHECK_GPU_DEBUG && (seen[CLO_CHECK_PLACE_##id] & both) != both) \
        fail_msg("%s", name);
    CLOISTER_CHECK_LIST(SEEN_)
#undef SEEN_
    /* A report can't say that debugging is on: the check passes or is missing. */
    assert_int_equal(seen[CLO_CHECK_PLACE_GPU_DEBUG] & both, 1u << CLOISTER_CHECK_PASS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_is_read_as_it_is_written),
        cmocka_unit_test(only_a_signed_report_of_everything_is_one),
        cmocka_unit_test(a_slot_is_the_same_in_request_and_response),
        cmocka_unit_test(opaque_data_are_whole_fields),
        cmocka_unit_test(a_field_that_comes_twice_is_refused),
        cmocka_unit_test(more_fields_than_there_can_be_are_refused),
        cmocka_unit_test(another_layout_of_opaque_data_is_not_guessed_at),
        cmocka_unit_test(a_few_zero_bytes_may_stand_behind_the_signature),
        cmocka_unit_test(text_is_plain),
        cmocka_unit_test(a_vbios_number_that_cannot_be_printed_is_none),
        cmocka_unit_test(versions_are_compared_as_numbers),
        cmocka_unit_test(a_good_gpu_passes_every_check),
        cmocka_unit_test(a_good_machine_passes_every_check),
        cmocka_unit_test(a_good_blackwell_passes_every_check),
        cmocka_unit_test(a_policy_read_from_its_text_judges_the_same),
        cmocka_unit_test(without_devices_nothing_is_asked_if_none_is_wanted),
        cmocka_unit_test(as_many_devices_as_wanted_have_to_be_there),
        cmocka_unit_test(gpus_that_nobody_asked_for_are_refused),
        cmocka_unit_test(a_device_is_what_it_is_listed_as),
        cmocka_unit_test(an_architecture_that_the_policy_does_not_name_is_refused),
        cmocka_unit_test(certificates_are_of_the_kind_of_device_that_reports),
        cmocka_unit_test(a_report_has_the_shape_of_its_kind_of_device),
        cmocka_unit_test(without_a_chain_nothing_is_decided),
        cmocka_unit_test(a_chain_of_garbage_is_refused),
        cmocka_unit_test(without_a_leaf_nobody_says_what_kind_of_device_it_is),
        cmocka_unit_test(a_chain_may_end_with_the_root),
        cmocka_unit_test(the_chain_must_end_in_the_pinned_root),
        cmocka_unit_test(every_link_of_the_chain_is_verified),
        cmocka_unit_test(only_authorities_sign_certificates),
        cmocka_unit_test(an_authority_stands_above_no_more_than_it_may),
        cmocka_unit_test(a_device_makes_no_devices),
        cmocka_unit_test(dates_of_every_certificate_are_checked),
        cmocka_unit_test(a_leaf_names_its_firmware),
        cmocka_unit_test(a_firmware_id_is_strict),
        cmocka_unit_test(a_leaf_was_made_for_the_device_above_it),
        cmocka_unit_test(without_revocation_answers_nothing_is_decided),
        cmocka_unit_test(every_certificate_above_the_leaf_needs_an_answer),
        cmocka_unit_test(a_revoked_certificate_is_refused),
        cmocka_unit_test(an_answer_of_another_day_is_refused),
        cmocka_unit_test(an_answer_that_the_issuer_did_not_sign_is_refused),
        cmocka_unit_test(an_issuer_may_have_a_responder),
        cmocka_unit_test(of_several_answers_the_newest_decides),
        cmocka_unit_test(answers_of_untrusted_issuers_prove_nothing),
        cmocka_unit_test(a_signature_by_another_key_is_refused),
        cmocka_unit_test(every_flipped_byte_is_refused),
        cmocka_unit_test(another_nonce_is_refused),
        cmocka_unit_test(a_device_counts_once),
        cmocka_unit_test(an_older_driver_is_refused),
        cmocka_unit_test(older_firmware_is_refused),
        cmocka_unit_test(without_reference_values_nothing_is_accepted),
        cmocka_unit_test(reference_values_are_those_that_the_report_names),
        cmocka_unit_test(the_reference_of_the_very_board_is_taken),
        cmocka_unit_test(reference_values_that_compare_nothing_are_none),
        cmocka_unit_test(an_index_with_two_meanings_is_refused),
        cmocka_unit_test(every_active_measurement_is_compared),
        cmocka_unit_test(the_decoders_measurement_is_skipped_only_where_it_is_off),
        cmocka_unit_test(the_mode_is_the_policys),
        cmocka_unit_test(an_unknown_mode_is_refused),
        cmocka_unit_test(firmware_without_the_flag_tells_its_mode_in_the_older_way),
        cmocka_unit_test(firmware_of_the_first_days_is_single_if_it_is_measured),
        cmocka_unit_test(a_debug_state_follows_from_the_measurements_alone),
        cmocka_unit_test(data_passes_only_listed_switches),
        cmocka_unit_test(a_listed_switch_is_at_every_gpu),
        cmocka_unit_test(a_gpu_names_its_switches),
        cmocka_unit_test(switches_alone_are_judged_as_such),
        cmocka_unit_test(without_a_policy_authenticity_is_shown_and_no_more),
        cmocka_unit_test(what_no_policy_allows_fails_without_one),
        cmocka_unit_test(every_check_was_seen_to_pass_and_to_fail),
    };

    return cmocka_run_group_tests(tests, gpu_lab_open, gpu_lab_close);
}
