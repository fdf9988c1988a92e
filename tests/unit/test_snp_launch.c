/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launch measurement of SEV-SNP, over firmware made here. (That it is the right one, tests/e2e/test_measure.py holds against an implementation of
 * somebody else's.)
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "attest/snp_launch.h"

#define PAGE   4096
#define SIZE   (2 * PAGE)
#define TABLES 1024 /* of the metadata, from the end */

/* GUIDs as edk2 prints them; in memory the first three parts are little-endian. */
#define FOOTER     "96b582de-1fb2-45f7-baea-a366c55a082d"
#define METADATA   "dc886566-984a-4798-a75e-5585a7bf67cc"
#define RESET      "00f771de-1a7e-4fcb-890e-68c77e2fb44e"
#define HASH_TABLE "7255371f-3a3b-4b04-927b-1da6efa8d454"
#define OTHER      "11111111-2222-3333-4444-555555555555"

struct entry {
    const char *guid;
    uint32_t value;
    size_t n; /* bytes of data; the first four are the value */
};
struct recipe {
    struct entry entry[8];
    size_t entries;
    uint32_t section[8][3]; /* address, size, kind */
    size_t sections;
    const char *magic;
    uint32_t version, count, metadata_size; /* count, size: 0 for the right ones */
    uint16_t footer_size;                   /* 0: the right one */
    bool no_footer;
};

static struct recipe good(void)
{
    return (struct recipe){
        .entry = {{HASH_TABLE, 0x810c00, 8}, {RESET, 0x80b004, 4}, {METADATA, TABLES, 4}},
        .entries = 3,
        .section = {{0x800000, 0x9000, 1},
                    {0x80a000, 0x3000, 1},
                    {0x80d000, PAGE, 2},
                    {0x80e000, PAGE, 3},
                    {0x810000, PAGE, 0x10}},
        .sections = 5,
        .magic = "ASEV",
        .version = 1,
    };
}

static unsigned nibble(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

static void guid(const char *s, uint8_t ret[16])
{
    static const uint8_t place[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

    for (size_t i = 0; i < 16; s += 2) {
        if (*s == '-') {
            s--;
            continue;
        }
        ret[place[i++]] = (uint8_t)(nibble(s[0]) << 4 | nibble(s[1]));
    }
}

static void put(uint8_t *p, uint32_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static void make(const struct recipe *r, uint8_t fw[SIZE])
{
    uint8_t *at = fw + SIZE - 32 - 18, *m = fw + SIZE - TABLES;
    uint16_t total = 18;

    for (size_t i = 0; i < SIZE; i++)
        fw[i] = (uint8_t)(i * 7 + 1);
    for (size_t i = 0; i < r->entries; i++)
        total = (uint16_t)(total + r->entry[i].n + 18);
    put(at, r->footer_size != 0 ? r->footer_size : total, 2);
    guid(r->no_footer ? OTHER : FOOTER, at + 2);
    for (size_t i = 0; i < r->entries; i++) {
        const size_t n = r->entry[i].n;

        at -= 18;
        put(at, (uint32_t)(n + 18), 2);
        guid(r->entry[i].guid, at + 2);
        at -= n;
        put(at, r->entry[i].value, n < 4 ? n : 4);
    }
    memcpy(m, r->magic, 4);
    put(m + 4, r->metadata_size != 0 ? r->metadata_size : (uint32_t)(16 + 12 * r->sections), 4);
    put(m + 8, r->version, 4);
    put(m + 12, r->count != 0 ? r->count : (uint32_t)r->sections, 4);
    for (size_t i = 0; i < r->sections; i++)
        for (size_t j = 0; j < 3; j++)
            put(m + 16 + 12 * i + 4 * j, r->section[i][j], 4);
}

static struct clo_snp_launch launch(const uint8_t fw[SIZE])
{
    return (struct clo_snp_launch){.firmware = fw,
                                   .firmware_n = SIZE,
                                   .vcpus = 2,
                                   .vcpu_signature = 0xb00f11,
                                   .guest_features = 1};
}

static int measure(const struct recipe *r, bool kernel, uint8_t ret[48],
                   enum clo_snp_launch_problem *problem)
{
    uint8_t fw[SIZE];
    struct clo_snp_launch in = launch(fw);

    make(r, fw);
    in.kernel = kernel;
    memset(ret, 0xee, 48);
    return clo_snp_launch_measure(&in, ret, problem);
}

static void refused(const struct recipe *r, bool kernel, int err,
                    enum clo_snp_launch_problem problem)
{
    enum clo_snp_launch_problem got = CLO_LAUNCH_OK;
    uint8_t digest[48], untouched[48];

    memset(untouched, 0xee, sizeof untouched);
    assert_int_equal(measure(r, kernel, digest, &got), err);
    assert_int_equal(got, problem);
    assert_memory_equal(digest, untouched, sizeof digest);
}

/* Every input counts, and counts by itself. */
static void whatever_the_guest_is_started_with_changes_the_measurement(void **state)
{
    enum clo_snp_launch_problem problem;
    uint8_t fw[SIZE], other[SIZE], digest[24][48];
    struct recipe r = good();
    struct clo_snp_launch in[20];
    size_t n = 0;

    (void)state;
    make(&r, fw);
    memcpy(other, fw, sizeof fw);
    other[0] ^= 1;
    for (size_t i = 0; i < CLO_ARRAY_LEN(in); i++)
        in[i] = launch(fw);
    in[++n].firmware = other;
    in[++n].vcpus = 1;
    in[++n].vcpus = 3;
    in[++n].vcpu_signature = 0xb00f12;
    in[++n].guest_features = 0x21;
    in[++n].vmm = CLO_VMM_EC2;
    in[++n].vmm = CLO_VMM_GCE;
    for (size_t i = 0; i < 4; i++)
        in[++n].kernel = true;
    in[n].kernel_sha256[0] = 1;
    in[n - 1].initrd_sha256[31] = 1;
    in[n - 2].cmdline_sha256[7] = 1;
    for (size_t i = 0; i <= n; i++) {
        assert_int_equal(clo_snp_launch_measure(&in[i], digest[i], &problem), 0);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(digest[i], digest[j], 48);
    }
}

static void the_kind_of_processor_counts_with_qemu_only(void **state)
{
    enum clo_snp_launch_problem problem;
    uint8_t fw[SIZE], digest[2][48];
    struct recipe r = good();
    struct clo_snp_launch in = launch(fw);

    (void)state;
    make(&r, fw);
    in.vmm = CLO_VMM_EC2;
    assert_int_equal(clo_snp_launch_measure(&in, digest[0], &problem), 0);
    in.vcpu_signature++;
    assert_int_equal(clo_snp_launch_measure(&in, digest[1], &problem), 0);
    assert_memory_equal(digest[0], digest[1], 48);
}

static void firmware_is_whole_pages_of_at_most_64_mib(void **state)
{
    static uint8_t big[CLO_SNP_FIRMWARE_MAX + PAGE];
    enum clo_snp_launch_problem problem;
    uint8_t fw[SIZE], digest[48];
    struct recipe r = good();
    struct clo_snp_launch in = launch(fw);

    (void)state;
    make(&r, fw);
    in.firmware_n = 0;
    assert_int_equal(clo_snp_launch_measure(&in, digest, &problem), CLOISTER_E_MALFORMED);
    in.firmware_n = SIZE - 1;
    assert_int_equal(clo_snp_launch_measure(&in, digest, &problem), CLOISTER_E_MALFORMED);
    assert_int_equal(problem, CLO_LAUNCH_SIZE);
    in.firmware = big;
    in.firmware_n = sizeof big;
    assert_int_equal(clo_snp_launch_measure(&in, digest, &problem), CLOISTER_E_LIMIT);
    assert_int_equal(problem, CLO_LAUNCH_SIZE);
}

static void a_guest_has_1_to_4096_processors(void **state)
{
    enum clo_snp_launch_problem problem;
    uint8_t fw[SIZE], digest[48];
    struct recipe r = good();
    struct clo_snp_launch in = launch(fw);

    (void)state;
    make(&r, fw);
    in.vcpus = 0;
    assert_int_equal(clo_snp_launch_measure(&in, digest, &problem), CLOISTER_E_ARGUMENT);
    in.vcpus = CLO_SNP_VCPUS_MAX + 1;
    assert_int_equal(clo_snp_launch_measure(&in, digest, &problem), CLOISTER_E_ARGUMENT);
    in.vcpus = CLO_SNP_VCPUS_MAX;
    assert_int_equal(clo_snp_launch_measure(&in, digest, &problem), 0);
}

static void firmware_without_sev_metadata_is_not_measured(void **state)
{
    struct recipe r = good();

    (void)state;
    r.no_footer = true;
    refused(&r, false, CLOISTER_E_UNSUPPORTED, CLO_LAUNCH_NO_METADATA);
    r = good();
    r.entries = 2;
    refused(&r, false, CLOISTER_E_UNSUPPORTED, CLO_LAUNCH_NO_METADATA);
}

static void a_table_that_breaks_its_format_is_refused(void **state)
{
    struct recipe r = good();

    (void)state;
    r.footer_size = 17; /* smaller than itself */
    refused(&r, false, CLOISTER_E_MALFORMED, CLO_LAUNCH_TABLE);
    r.footer_size = 0xffff; /* beyond the image's beginning */
    refused(&r, false, CLOISTER_E_MALFORMED, CLO_LAUNCH_TABLE);
    r.footer_size = 18 + 10; /* ends within an entry */
    refused(&r, false, CLOISTER_E_MALFORMED, CLO_LAUNCH_TABLE);
    r = good();
    r.entry[r.entries++] = (struct entry){RESET, 1, 4};
    refused(&r, false, CLOISTER_E_DUPLICATE, CLO_LAUNCH_TABLE);
    r = good();
    r.entry[1].n = 3; /* no room for its number */
    refused(&r, false, CLOISTER_E_TRUNCATED, CLO_LAUNCH_TABLE);
}

static void metadata_that_break_their_format_are_refused(void **state)
{
    static const uint32_t place[] = {SIZE + 1, 0, 15, 16 + 12 * 5 - 1};
    struct recipe r;

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(place); i++) {
        enum clo_snp_launch_problem problem = CLO_LAUNCH_OK;
        uint8_t digest[48];

        r = good();
        r.entry[2].value = place[i];
        assert_true(measure(&r, false, digest, &problem) != 0);
        assert_int_equal(problem, CLO_LAUNCH_METADATA);
    }
    r = good();
    r.magic = "ASEW";
    refused(&r, false, CLOISTER_E_MALFORMED, CLO_LAUNCH_METADATA);
    r = good();
    r.version = 2;
    refused(&r, false, CLOISTER_E_MALFORMED, CLO_LAUNCH_METADATA);
    r = good();
    r.count = 6; /* one more than its size has room for */
    refused(&r, false, CLOISTER_E_MALFORMED, CLO_LAUNCH_METADATA);
    r = good();
    r.count = 0xffffffff;
    r.metadata_size = 0xffffffff; /* 12 times that wraps in 32 bits */
    refused(&r, false, CLOISTER_E_MALFORMED, CLO_LAUNCH_METADATA);
    r = good();
    r.sections = 0;
    refused(&r, false, CLOISTER_E_MALFORMED, CLO_LAUNCH_METADATA);
    r = good();
    r.section[0][0] = 0x800001;
    refused(&r, false, CLOISTER_E_MALFORMED, CLO_LAUNCH_METADATA);
    r = good();
    r.section[0][1] = 1;
    refused(&r, false, CLOISTER_E_MALFORMED, CLO_LAUNCH_METADATA);
    r = good();
    r.section[0][1] = 0;
    refused(&r, false, CLOISTER_E_MALFORMED, CLO_LAUNCH_METADATA);
    r = good();
    r.section[0][1] = 0xfffff000; /* beyond 4 GiB */
    refused(&r, false, CLOISTER_E_MALFORMED, CLO_LAUNCH_METADATA);
    r = good();
    r.section[0][1] = 256u << 20; /* with the others, more than is taken */
    refused(&r, false, CLOISTER_E_LIMIT, CLO_LAUNCH_METADATA);
}

static void an_unknown_kind_of_section_is_refused(void **state)
{
    struct recipe r = good();

    (void)state;
    r.section[1][2] = 5;
    refused(&r, false, CLOISTER_E_UNSUPPORTED, CLO_LAUNCH_SECTION);
}

/* Else the measurement would be one that any kernel has. */
static void a_kernel_needs_firmware_that_checks_it(void **state)
{
    enum clo_snp_launch_problem problem;
    struct recipe r = good();
    uint8_t digest[48];

    (void)state;
    r.sections = 4;
    assert_int_equal(measure(&r, false, digest, &problem), 0);
    refused(&r, true, CLOISTER_E_UNSUPPORTED, CLO_LAUNCH_NO_HASHES);
    r = good();
    r.entry[0].guid = OTHER; /* nothing says where the table is */
    assert_int_equal(measure(&r, false, digest, &problem), 0);
    refused(&r, true, CLOISTER_E_UNSUPPORTED, CLO_LAUNCH_NO_HASHES);
    r = good();
    r.entry[0].value = 0x811c00; /* another page than the section's */
    refused(&r, true, CLOISTER_E_UNSUPPORTED, CLO_LAUNCH_NO_HASHES);
    r = good();
    r.entry[0].value = 0x810f51; /* its end is beyond the page */
    refused(&r, true, CLOISTER_E_UNSUPPORTED, CLO_LAUNCH_NO_HASHES);
    r.entry[0].value = 0x810f50;
    assert_int_equal(measure(&r, true, digest, &problem), 0);
    r = good();
    r.section[4][1] = 2 * PAGE;
    refused(&r, true, CLOISTER_E_UNSUPPORTED, CLO_LAUNCH_NO_HASHES);
}

static void a_second_processor_needs_a_place_to_begin(void **state)
{
    enum clo_snp_launch_problem problem;
    uint8_t fw[SIZE], digest[48];
    struct recipe r = good();
    struct clo_snp_launch in = launch(fw);

    (void)state;
    r.entry[1].guid = OTHER;
    refused(&r, false, CLOISTER_E_UNSUPPORTED, CLO_LAUNCH_NO_RESET);
    make(&r, fw);
    in.vcpus = 1;
    assert_int_equal(clo_snp_launch_measure(&in, digest, &problem), 0);
    r = good();
    r.entry[1].value = 0;
    refused(&r, false, CLOISTER_E_UNSUPPORTED, CLO_LAUNCH_NO_RESET);
}

/* AMD document 25481: a family above 15 is the sum of two fields. */
static void a_signature_is_made_of_family_model_and_stepping(void **state)
{
    uint32_t v = 0;

    (void)state;
    assert_int_equal(clo_cpu_signature(25, 1, 1), 0xa00f11);
    assert_int_equal(clo_cpu_signature(23, 49, 0), 0x830f10);
    assert_int_equal(clo_cpu_signature(15, 0x4b, 2), 0x40fb2);
    assert_int_equal(clo_cpu_signature(6, 0x5e, 3), 0x506e3);
    assert_true(clo_cpu_signature_find("EPYC-Turin", &v));
    assert_int_equal(v, 0xb00f00);
    assert_false(clo_cpu_signature_find("epyc", &v));
    for (size_t i = 0; clo_cpu_name(i) != NULL; i++)
        assert_true(clo_cpu_signature_find(clo_cpu_name(i), &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_the_guest_is_started_with_changes_the_measurement),
        cmocka_unit_test(the_kind_of_processor_counts_with_qemu_only),
        cmocka_unit_test(firmware_is_whole_pages_of_at_most_64_mib),
        cmocka_unit_test(a_guest_has_1_to_4096_processors),
        cmocka_unit_test(firmware_without_sev_metadata_is_not_measured),
        cmocka_unit_test(a_table_that_breaks_its_format_is_refused),
        cmocka_unit_test(metadata_that_break_their_format_are_refused),
        cmocka_unit_test(an_unknown_kind_of_section_is_refused),
        cmocka_unit_test(a_kernel_needs_firmware_that_checks_it),
        cmocka_unit_test(a_second_processor_needs_a_place_to_begin),
        cmocka_unit_test(a_signature_is_made_of_family_model_and_stepping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
