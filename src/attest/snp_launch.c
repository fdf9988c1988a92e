/* SPDX-License-Identifier: Apache-2.0 */
/* The launch measurement of SEV-SNP: see snp_launch.h. Each page that is put in place changes it, in this order: firmware, sections, processors. */
#include "attest/snp_launch.h"

#include <string.h>

#include "crypto/crypto.h"

#define PAGE      4096u
#define FOUR_GB   0x100000000u
#define RESET_EIP 0xfffffff0u /* where an x86 processor begins */
/* A processor's state has no address of its own: the firmware takes this one, all bits of a page's number set. */
#define VMSA_GPA 0xfffffffff000u

/* PAGE_INFO (AMD 56860, table 67) */
enum page_type {
    PAGE_NORMAL = 1,
    PAGE_VMSA = 2,
    PAGE_ZERO = 3,
    PAGE_UNMEASURED = 4,
    PAGE_SECRETS = 5,
    PAGE_CPUID = 6,
};
/* Sections in OVMF's metadata (edk2, OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm) */
enum section_type {
    SECTION_MEMORY = 1,
    SECTION_SECRETS = 2,
    SECTION_CPUID = 3,
    SECTION_SVSM_CAA = 4,
    SECTION_KERNEL_HASHES = 0x10,
};
enum {
    TABLE_FROM_END =
        32,          /* OVMF's table of GUIDs ends where the reset vector's last 32 bytes begin */
    ENTRY_TAIL = 18, /* behind its data, an entry has its size and its GUID */
    ENTRIES_MAX = 64,
    SECTIONS_MAX = 64,
    METADATA_HEAD = 16,
    SECTION_LEN = 12,
    HASHES_LEN = 168 + 8, /* QEMU's table, padded to 16 bytes */
};
#define SECTIONS_BYTES (256u << 20) /* of all together */

/* GUIDs as they lie in memory: the first three parts little-endian. */
static const uint8_t guid_footer[16] = {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                        0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
static const uint8_t guid_metadata[16] = {0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47,
                                          0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc};
static const uint8_t guid_reset[16] = {0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f,
                                       0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e};
static const uint8_t guid_hash_table[16] = {0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b,
                                            0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54};
/* ... and in QEMU's table of hashes */
static const uint8_t guid_hashes[16] = {0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c,
                                        0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21};
static const uint8_t guid_kernel[16] = {0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42,
                                        0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b};
static const uint8_t guid_initrd[16] = {0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b,
                                        0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d};
static const uint8_t guid_cmdline[16] = {0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c,
                                         0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a};

struct section {
    uint32_t gpa, size, type;
};
struct firmware {
    bool has_metadata, has_reset, has_hash_table;
    uint32_t metadata_from_end, reset_eip, hash_table_gpa;
    struct section section[SECTIONS_MAX];
    size_t sections;
};

/* ---- the firmware ---- */

/* The first four bytes of an entry's data are the number that it is there for. */
static int take_entry(struct firmware *fw, const uint8_t guid[16], struct clo_rd data)
{
    struct {
        const uint8_t *guid;
        bool *has;
        uint32_t *at;
    } known[] = {
        {guid_metadata, &fw->has_metadata, &fw->metadata_from_end},
        {guid_reset, &fw->has_reset, &fw->reset_eip},
        {guid_hash_table, &fw->has_hash_table, &fw->hash_table_gpa},
    };

    for (size_t i = 0; i < CLO_ARRAY_LEN(known); i++) {
        if (memcmp(guid, known[i].guid, 16) != 0)
            continue;
        if (*known[i].has)
            return CLOISTER_E_DUPLICATE;
        *known[i].has = true;
        return clo_rd_u32le(&data, known[i].at);
    }
    return 0;
}

/* Entries are read from the last to the first: each has its size behind its data. */
static int read_table(struct clo_rd table, struct firmware *fw)
{
    size_t left = table.left;
    int err;

    for (size_t i = 0; left > 0; i++) {
        struct clo_rd rd = table, data;
        uint16_t size = 0;
        uint8_t guid[16];

        if (i == ENTRIES_MAX || left < ENTRY_TAIL)
            return CLOISTER_E_MALFORMED;
        if ((err = clo_rd_skip(&rd, left - ENTRY_TAIL)) != 0 ||
            (err = clo_rd_u16le(&rd, &size)) != 0 ||
            (err = clo_rd_bytes(&rd, guid, sizeof guid)) != 0)
            return err;
        if (size < ENTRY_TAIL || size > left)
            return CLOISTER_E_MALFORMED;
        rd = table;
        data.left = size - ENTRY_TAIL;
        if ((err = clo_rd_skip(&rd, left - size)) != 0 ||
            (err = clo_rd_view(&rd, data.left, &data.p)) != 0 ||
            (err = take_entry(fw, guid, data)) != 0)
            return err;
        left -= size;
    }
    return 0;
}

/* Find the table by its footer. Firmware without one has no entries. */
static int find_table(const struct clo_snp_launch *in, struct firmware *fw)
{
    struct clo_rd rd = clo_rd_init(in->firmware, in->firmware_n), table;
    size_t end = in->firmware_n - TABLE_FROM_END - ENTRY_TAIL; /* a page at least is there */
    uint16_t size = 0;
    uint8_t guid[16];
    int err;

    if ((err = clo_rd_skip(&rd, end)) != 0 || (err = clo_rd_u16le(&rd, &size)) != 0 ||
        (err = clo_rd_bytes(&rd, guid, sizeof guid)) != 0)
        return err;
    if (memcmp(guid, guid_footer, sizeof guid) != 0)
        return 0;
    if (size < ENTRY_TAIL || (size_t)(size - ENTRY_TAIL) > end)
        return CLOISTER_E_MALFORMED;
    table.left = size - ENTRY_TAIL;
    rd = clo_rd_init(in->firmware, in->firmware_n);
    if ((err = clo_rd_skip(&rd, end - table.left)) != 0 ||
        (err = clo_rd_view(&rd, table.left, &table.p)) != 0)
        return err;
    return read_table(table, fw);
}

static int read_metadata(const struct clo_snp_launch *in, struct firmware *fw)
{
    struct clo_rd rd = clo_rd_init(in->firmware, in->firmware_n);
    uint32_t size = 0, version = 0, count = 0;
    uint64_t total = 0;
    uint8_t magic[4];
    int err;

    if (fw->metadata_from_end > in->firmware_n)
        return CLOISTER_E_MALFORMED;
    if ((err = clo_rd_skip(&rd, in->firmware_n - fw->metadata_from_end)) != 0 ||
        (err = clo_rd_bytes(&rd, magic, sizeof magic)) != 0 ||
        (err = clo_rd_u32le(&rd, &size)) != 0 || (err = clo_rd_u32le(&rd, &version)) != 0 ||
        (err = clo_rd_u32le(&rd, &count)) != 0)
        return err;
    if (memcmp(magic, "ASEV", 4) != 0 || version != 1 || count == 0 || count > SECTIONS_MAX ||
        size < METADATA_HEAD + count * SECTION_LEN)
        return CLOISTER_E_MALFORMED;
    for (; fw->sections < count; fw->sections++) {
        struct section *s = &fw->section[fw->sections];

        if ((err = clo_rd_u32le(&rd, &s->gpa)) != 0 || (err = clo_rd_u32le(&rd, &s->size)) != 0 ||
            (err = clo_rd_u32le(&rd, &s->type)) != 0)
            return err;
        if (s->gpa % PAGE != 0 || s->size % PAGE != 0 || s->size == 0 || s->size > FOUR_GB - s->gpa)
            return CLOISTER_E_MALFORMED;
        total += s->size;
    }
    return total > SECTIONS_BYTES ? CLOISTER_E_LIMIT : 0;
}

static int read_firmware(const struct clo_snp_launch *in, struct firmware *fw,
                         enum clo_snp_launch_problem *problem)
{
    int err;

    *problem = CLO_LAUNCH_SIZE;
    if (in->firmware_n == 0 || in->firmware_n % PAGE != 0)
        return CLOISTER_E_MALFORMED;
    if (in->firmware_n > CLO_SNP_FIRMWARE_MAX)
        return CLOISTER_E_LIMIT;
    *problem = CLO_LAUNCH_TABLE;
    if ((err = find_table(in, fw)) != 0)
        return err;
    *problem = CLO_LAUNCH_NO_METADATA;
    if (!fw->has_metadata)
        return CLOISTER_E_UNSUPPORTED;
    *problem = CLO_LAUNCH_METADATA;
    return read_metadata(in, fw);
}

/* ---- the measurement ---- */

/* One page more: the old digest, that of the contents, and what kind of page is put where. */
static int extend(uint8_t digest[48], enum page_type type, uint64_t gpa, const uint8_t contents[48])
{
    uint8_t info[0x70];
    struct clo_wr wr = clo_wr_init(info, sizeof info);
    const struct clo_slice whole = {info, sizeof info};
    int err;

    if ((err = clo_wr_bytes(&wr, digest, 48)) != 0 ||
        (err = clo_wr_bytes(&wr, contents, 48)) != 0 ||
        (err = clo_wr_u16le(&wr, sizeof info)) != 0 || (err = clo_wr_u8(&wr, (uint8_t)type)) != 0 ||
        (err = clo_wr_zero(&wr, 5)) != 0 || /* no IMI page, no permissions of VMPL 1 to 3 */
        (err = clo_wr_u64le(&wr, gpa)) != 0)
        return err;
    return clo_hash(CLO_SHA384, &whole, 1, digest);
}

static int extend_page(uint8_t digest[48], enum page_type type, uint64_t gpa,
                       const uint8_t page[PAGE])
{
    const struct clo_slice whole = {page, PAGE};
    uint8_t contents[48];
    int err;

    if ((err = clo_hash(CLO_SHA384, &whole, 1, contents)) != 0)
        return err;
    return extend(digest, type, gpa, contents);
}

/* Pages whose contents don't count. */
static int extend_blank(uint8_t digest[48], enum page_type type, const struct section *s)
{
    static const uint8_t none[48];
    int err = 0;

    for (uint64_t at = 0; err == 0 && at < s->size; at += PAGE)
        err = extend(digest, type, s->gpa + at, none);
    return err;
}

static int write_hash(struct clo_wr *wr, const uint8_t guid[16], const uint8_t hash[32])
{
    int err;

    if ((err = clo_wr_bytes(wr, guid, 16)) != 0 || (err = clo_wr_u16le(wr, 16 + 2 + 32)) != 0)
        return err;
    return clo_wr_bytes(wr, hash, 32);
}

/* The page with QEMU's table (QEMU, target/i386/sev.c): where the firmware looks for it, and zero around. */
static int extend_hashes(uint8_t digest[48], const struct clo_snp_launch *in,
                         const struct firmware *fw, const struct section *s)
{
    static const uint8_t empty[PAGE];
    const uint32_t at = fw->hash_table_gpa % PAGE;
    uint8_t page[PAGE];
    struct clo_wr wr = clo_wr_init(page, sizeof page);
    int err;

    if (!fw->has_hash_table || s->size != PAGE || fw->hash_table_gpa - at != s->gpa ||
        at > PAGE - HASHES_LEN)
        return CLOISTER_E_UNSUPPORTED;
    if ((err = clo_wr_bytes(&wr, empty, at)) != 0 ||
        (err = clo_wr_bytes(&wr, guid_hashes, 16)) != 0 ||
        (err = clo_wr_u16le(&wr, 16 + 2 + 3 * (16 + 2 + 32))) != 0 ||
        (err = write_hash(&wr, guid_cmdline, in->cmdline_sha256)) != 0 ||
        (err = write_hash(&wr, guid_initrd, in->initrd_sha256)) != 0 ||
        (err = write_hash(&wr, guid_kernel, in->kernel_sha256)) != 0 ||
        (err = clo_wr_zero(&wr, PAGE - wr.len)) != 0)
        return err;
    return extend_page(digest, PAGE_NORMAL, s->gpa, page);
}

static int extend_section(uint8_t digest[48], const struct clo_snp_launch *in,
                          const struct firmware *fw, const struct section *s,
                          enum clo_snp_launch_problem *problem)
{
    *problem = CLO_LAUNCH_SECTION;
    switch (s->type) {
    case SECTION_MEMORY:
        return extend_blank(digest, in->vmm == CLO_VMM_GCE ? PAGE_UNMEASURED : PAGE_ZERO, s);
    case SECTION_SECRETS: return extend_blank(digest, PAGE_SECRETS, s);
    case SECTION_CPUID: /* EC2 puts it in place after all others */
        return in->vmm == CLO_VMM_EC2 ? 0 : extend_blank(digest, PAGE_CPUID, s);
    case SECTION_SVSM_CAA: return extend_blank(digest, PAGE_ZERO, s);
    case SECTION_KERNEL_HASHES:
        *problem = CLO_LAUNCH_NO_HASHES;
        return in->kernel ? extend_hashes(digest, in, fw, s) : extend_blank(digest, PAGE_ZERO, s);
    default: return CLOISTER_E_UNSUPPORTED;
    }
}

static int extend_sections(uint8_t digest[48], const struct clo_snp_launch *in,
                           const struct firmware *fw, enum clo_snp_launch_problem *problem)
{
    bool hashes = false;
    int err;

    for (size_t i = 0; i < fw->sections; i++) {
        if ((err = extend_section(digest, in, fw, &fw->section[i], problem)) != 0)
            return err;
        hashes |= fw->section[i].type == SECTION_KERNEL_HASHES;
    }
    *problem = CLO_LAUNCH_NO_HASHES;
    if (in->kernel && !hashes)
        return CLOISTER_E_UNSUPPORTED;
    for (size_t i = 0; i < fw->sections && in->vmm == CLO_VMM_EC2; i++)
        if (fw->section[i].type == SECTION_CPUID &&
            (err = extend_blank(digest, PAGE_CPUID, &fw->section[i])) != 0)
            return err;
    return 0;
}

/* ---- processors ---- */

static void put(uint8_t page[PAGE], size_t at, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        page[at + i] = (uint8_t)(v >> (8 * i));
}

/* Selector, attributes, limit, base (AMD64 manual, volume 2, table B-2). */
static void put_segment(uint8_t page[PAGE], size_t at, uint16_t selector, uint16_t attributes,
                        uint32_t base)
{
    put(page, at, selector, 2);
    put(page, at + 2, attributes, 2);
    put(page, at + 4, 0xffff, 4);
    put(page, at + 8, base, 8);
}

/* A processor's first state: its VMSA (AMD64 manual, volume 2, table B-4), as KVM makes it for this VMM. */
static void make_vmsa(const struct clo_snp_launch *in, uint32_t eip, uint8_t page[PAGE])
{
    const bool qemu = in->vmm == CLO_VMM_QEMU, ec2 = in->vmm == CLO_VMM_EC2;

    memset(page, 0, PAGE);
    put_segment(page, 0x000, 0, 0x93, 0);                                   /* ES */
    put_segment(page, 0x010, 0xf000, ec2 && eip == RESET_EIP ? 0x9a : 0x9b, /* CS */
                eip & 0xffff0000);
    put_segment(page, 0x020, 0, ec2 ? 0x92 : 0x93, 0);                       /* SS */
    put_segment(page, 0x030, 0, 0x93, 0);                                    /* DS */
    put_segment(page, 0x040, 0, 0x93, 0);                                    /* FS */
    put_segment(page, 0x050, 0, 0x93, 0);                                    /* GS */
    put_segment(page, 0x060, 0, 0, 0);                                       /* GDTR */
    put_segment(page, 0x070, 0, 0x82, 0);                                    /* LDTR */
    put_segment(page, 0x080, 0, 0, 0);                                       /* IDTR */
    put_segment(page, 0x090, 0, ec2 ? 0x83 : 0x8b, 0);                       /* TR */
    put(page, 0x0d0, 0x1000, 8);                                             /* EFER: SVME */
    put(page, 0x148, 0x40, 8);                                               /* CR4: MCE */
    put(page, 0x158, 0x10, 8);                                               /* CR0 */
    put(page, 0x160, 0x400, 8);                                              /* DR7 */
    put(page, 0x168, 0xffff0ff0, 8);                                         /* DR6 */
    put(page, 0x170, 2, 8);                                                  /* RFLAGS */
    put(page, 0x178, eip & 0xffff, 8);                                       /* RIP */
    put(page, 0x268, in->vmm == CLO_VMM_GCE ? 0x70106 : 0x7040600070406, 8); /* PAT */
    put(page, 0x310, qemu ? in->vcpu_signature : 0x600, 8);                  /* RDX */
    put(page, 0x3b0, in->guest_features, 8);                                 /* SEV_FEATURES */
    put(page, 0x3e8, 1, 8);                                                  /* XCR0 */
    put(page, 0x408, qemu ? 0x1f80 : 0, 4);                                  /* MXCSR */
    put(page, 0x410, qemu ? 0x37f : 0, 2);                                   /* x87 FCW */
}

static int extend_vcpus(uint8_t digest[48], const struct clo_snp_launch *in,
                        const struct firmware *fw, enum clo_snp_launch_problem *problem)
{
    uint8_t page[PAGE];
    int err;

    *problem = CLO_LAUNCH_NO_RESET;
    if (in->vcpus > 1 && (!fw->has_reset || fw->reset_eip == 0))
        return CLOISTER_E_UNSUPPORTED;
    make_vmsa(in, RESET_EIP, page);
    err = extend_page(digest, PAGE_VMSA, VMSA_GPA, page);
    if (in->vcpus > 1)
        make_vmsa(in, fw->reset_eip, page);
    for (uint32_t i = 1; err == 0 && i < in->vcpus; i++)
        err = extend_page(digest, PAGE_VMSA, VMSA_GPA, page);
    return err;
}

int clo_snp_launch_measure(const struct clo_snp_launch *in, uint8_t ret[48],
                           enum clo_snp_launch_problem *ret_problem)
{
    struct firmware fw = {0};
    uint8_t digest[48] = {0};
    int err;

    *ret_problem = CLO_LAUNCH_OK;
    if (in->vcpus == 0 || in->vcpus > CLO_SNP_VCPUS_MAX)
        return CLOISTER_E_ARGUMENT;
    if ((err = read_firmware(in, &fw, ret_problem)) != 0)
        return err;
    *ret_problem = CLO_LAUNCH_OK;
    for (size_t at = 0; at < in->firmware_n; at += PAGE)
        if ((err = extend_page(digest, PAGE_NORMAL, FOUR_GB - in->firmware_n + at,
                               in->firmware + at)) != 0)
            return err;
    if ((err = extend_sections(digest, in, &fw, ret_problem)) != 0 ||
        (err = extend_vcpus(digest, in, &fw, ret_problem)) != 0)
        return err;
    *ret_problem = CLO_LAUNCH_OK;
    memcpy(ret, digest, sizeof digest);
    return 0;
}

/* ---- processors' names ---- */

uint32_t clo_cpu_signature(unsigned family, unsigned model, unsigned stepping)
{
    const unsigned base = family > 15 ? 15 : family, more = family - base;

    return (more & 0xff) << 20 | (model >> 4 & 15) << 16 | base << 8 | (model & 15) << 4 |
           (stepping & 15);
}

/* QEMU's models (target/i386/cpu.c). */
static const struct {
    const char *name;
    uint8_t family, model, stepping;
} cpus[] = {
    {"EPYC", 23, 1, 2},          {"EPYC-v1", 23, 1, 2},       {"EPYC-v2", 23, 1, 2},
    {"EPYC-IBPB", 23, 1, 2},     {"EPYC-v3", 23, 1, 2},       {"EPYC-v4", 23, 1, 2},
    {"EPYC-Rome", 23, 49, 0},    {"EPYC-Rome-v1", 23, 49, 0}, {"EPYC-Rome-v2", 23, 49, 0},
    {"EPYC-Rome-v3", 23, 49, 0}, {"EPYC-Milan", 25, 1, 1},    {"EPYC-Milan-v1", 25, 1, 1},
    {"EPYC-Milan-v2", 25, 1, 1}, {"EPYC-Genoa", 25, 17, 0},   {"EPYC-Genoa-v1", 25, 17, 0},
    {"EPYC-Turin", 26, 0, 0},
};

bool clo_cpu_signature_find(const char *name, uint32_t *ret)
{
    for (size_t i = 0; i < CLO_ARRAY_LEN(cpus); i++) {
        if (strcmp(name, cpus[i].name) == 0) {
            *ret = clo_cpu_signature(cpus[i].family, cpus[i].model, cpus[i].stepping);
            return true;
        }
    }
    return false;
}

const char *clo_cpu_name(size_t i)
{
    return i < CLO_ARRAY_LEN(cpus) ? cpus[i].name : NULL;
}
