/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw NVIDIA: for each GPU or switch the SPDM exchange that is its report, its certificates, and the OCSP answers about those. Documents: DMTF
 * DSP0274 1.1 (SPDM), TCG DICE Attestation Architecture, RFC 5280, RFC 6960; what stands in SPDM's opaque data, and how measurements are compared
 * with RIMs, NVIDIA's published verifiers (nvtrust) say. What differs from the right evidence stands in a row.
 */
#include "lab/gpu.h"

/* ---- what is missing, where... ---- */

#define OCSP "gpu.ocsp gpu.ocsp_dates gpu.revoked "
/* ...claims aren't signed */
#define WITHOUT_ARCH \
    "gpu.nonce gpu.driver gpu.vbios gpu.reference gpu.measurements gpu.mode gpu.debug "
#define CLAIMS "gpu.architecture " WITHOUT_ARCH
/* ...the leaf's key didn't sign the report */
#define NO_SIGNATURE "devices.count gpu.identity gpu.distinct " CLAIMS
/* ...the certificates don't lead to the root */
#define NO_TRUST OCSP NO_SIGNATURE
/* ...the report can't be read */
#define UNREAD "gpu.signature " NO_SIGNATURE
/* ...there are no certificates that can be read */
#define NO_CHAIN "gpu.root gpu.chain gpu.chain_dates gpu.signature " NO_TRUST
/* ...nothing is looked at */
#define NOTHING "gpu.format gpu.chain_present gpu.switches " NO_CHAIN
/* ...there is no policy */
#define POLICYS                                                                      \
    "policy.type devices.count gpu.architecture gpu.driver gpu.vbios gpu.reference " \
    "gpu.measurements gpu.mode gpu.debug gpu.switches "

/* ...there are no reference values */
#define NOT_MEASURED "gpu.measurements gpu.debug"

/* ---- what decides ---- */

#define SPDM     "DMTF DSP0274 1.1, "
#define REQUEST  SPDM "GET_MEASUREMENTS request: "
#define RESPONSE SPDM "MEASUREMENTS response: "
#define BLOCK    SPDM "measurement block: "
#define SIGNED   SPDM "MEASUREMENTS signature: "
#define OPAQUE   "NVIDIA nvtrust, opaque data of MEASUREMENTS: "
#define CHAIN    "NVIDIA device chain: leaf, boot ROM, provisioner, identity, root; "
#define PATH     "RFC 5280 section 6.1"
#define RFC6960  "RFC 6960 section "
#define DICE     "TCG DICE Attestation Architecture 1.1, "
#define HELD     "NVIDIA nvtrust, comparison with RIMs: "
#define POLICY   "docs/POLICY.md, devices: "

struct row {
    const char *id, *title, *basis, *lesson, *flip;
    size_t gpus, switches; /* both 0: one GPU */
    void (*change)(struct gpu_recipe *r);
    struct {
        size_t at;
        uint8_t bits;
    } edit, edit2, after; /* XORed onto the first report: before it is signed, and behind it */
    void (*finish)(struct clo_devices *d, struct clo_collateral *c);
    const char *policy; /* the whole of it; NULL: what the recipe wants */
    const char *more;   /* its members beside that */
    const char *fail, *missing, *not_applicable;
    const char *outcome; /* NULL: what follows from these */
};

/* ---- emitting ---- */

/* A recipe is large: one at a time. */
static struct gpu_recipe recipe;

static void items(struct lab_case *c, const struct clo_devices *devices,
                  const struct clo_collateral *collateral)
{
    for (size_t i = 0; i < devices->count; i++) {
        const struct clo_device *d = &devices->device[i];

        if (d->report.len > 0)
            lab_item(c, CLOISTER_ITEM_REPORT, d->report.p, d->report.len);
        for (size_t k = 0; k < d->chain_n; k++)
            lab_item(c, CLOISTER_ITEM_CERTIFICATES, d->chain[k].p, d->chain[k].len);
    }
    for (size_t i = 0; i < collateral->ocsps; i++)
        lab_item(c, CLOISTER_ITEM_OCSP, collateral->ocsp[i].p, collateral->ocsp[i].len);
}

static void policy_text(const struct row *w, const struct gpu_recipe *r, struct clo_buf *out)
{
    if (w->policy != NULL) {
        LAB_MUST(clo_buf_append(out, w->policy, strlen(w->policy)) == 0);
    } else {
        gpu_lab_say(out, "{\"v\":1,\"name\":\"laboratory\",\"tee\":[]%s%s,\"devices\":",
                    w->more == NULL ? "" : w->more,
                    r->revocation_if_present ? ",'revocation':'if-present'" : "");
        gpu_lab_policy_json(r, out);
        gpu_lab_say(out, "%s", "}");
    }
    LAB_MUST(clo_buf_append(out, "", 1) == 0);
}

static void emit(struct lab *l, const struct row *w)
{
    struct gpu_recipe *r = &recipe;
    struct clo_buf policy = clo_buf_init(CLO_POLICY_MAX), root;
    struct clo_devices devices;
    struct clo_collateral collateral = {0};
    char id[96];
    struct lab_case c = {
        .id = id,
        .format = "nvidia",
        .title = w->title,
        .basis = w->basis,
        .lesson = w->lesson,
        .flip = w->flip,
        .bundle = {.type = CLOISTER_RAW_NVIDIA},
        .outcome = w->outcome != NULL   ? w->outcome
                   : w->fail != NULL    ? "refused"
                   : w->missing != NULL ? "indeterminate"
                                        : "verified",
        .fail = w->fail,
        .missing = w->missing,
        .not_applicable = w->not_applicable,
    };

    (void)snprintf(id, sizeof id, "nvidia-%s", w->id);
    gpu_lab_good(r, w->gpus + w->switches == 0 ? 1 : w->gpus, w->switches);
    if (w->change != NULL)
        w->change(r);
    r->device[0].edit[0].at = w->edit.at;
    r->device[0].edit[0].bits = w->edit.bits;
    r->device[0].edit[1].at = w->edit2.at;
    r->device[0].edit[1].bits = w->edit2.bits;
    gpu_lab_make(r, &devices, &collateral);
    if (w->after.bits != 0) {
        LAB_MUST(devices.device[0].report.p != NULL && w->after.at < devices.device[0].report.len);
        devices.device[0].report.p[w->after.at] ^= w->after.bits;
    }
    if (w->finish != NULL)
        w->finish(&devices, &collateral);
    items(&c, &devices, &collateral);
    policy_text(w, r, &policy);
    c.policy = r->no_policy ? NULL : (const char *)policy.p;
    c.now = r->now;
    c.expect_any = r->any_nonce;
    if (!r->no_nonce && !r->any_nonce)
        lab_expect(&c, r->nonce, sizeof r->nonce);
    if (!r->no_root) {
        gpu_lab_root(r, &root);
        lab_root(&c, LAB_ROOT_NVIDIA, root.p, root.len);
        clo_buf_clear(&root);
    }
    lab_emit(l, &c);
    clo_devices_clear(&devices);
    clo_collateral_clear(&collateral);
    clo_buf_clear(&policy);
}

/* A change that is one statement; d is the first device. */
#define CHANGE(name, statement)                         \
    static void name(struct gpu_recipe *r)              \
    {                                                   \
        struct gpu_lab_device *const d = &r->device[0]; \
                                                        \
        (void)d;                                        \
        statement;                                      \
    }
#define FINISH(name, statement)                                         \
    static void name(struct clo_devices *all, struct clo_collateral *c) \
    {                                                                   \
        struct clo_device *const d = &all->device[0];                   \
                                                                        \
        (void)d;                                                        \
        (void)c;                                                        \
        statement;                                                      \
    }

/* ---- what is right ---- */

static void blackwell_of(struct gpu_recipe *r, const char *chip)
{
    for (size_t i = 0; i < r->devices; i++)
        r->device[i].chip = r->device[i].brom_chip = chip;
    r->want.arch[CLO_GPU_HOPPER] = false;
    r->want.arch[CLO_GPU_BLACKWELL] = true;
    r->reference[0].arch = r->reference[1].arch = CLO_GPU_BLACKWELL;
    (void)snprintf(r->want.min_vbios[CLO_GPU_BLACKWELL], 64, "%s", "96.00.74.00.1C");
}

static void modes(struct gpu_recipe *r, enum clo_gpu_mode mode, enum clo_gpu_mode wanted)
{
    for (size_t i = 0; i < r->devices; i++)
        gpu_lab_mode(&r->device[i], mode);
    r->want.modes = 1u << wanted;
}

/* Fields that nothing is judged by. */
static void other_fields(struct gpu_recipe *r)
{
    struct gpu_lab_device *d = &r->device[0];
    static const uint8_t counts[64 * 2] = {1};

    gpu_lab_set(d, 12, counts, sizeof counts);
    gpu_lab_text(d, 14, "0");
    gpu_lab_set(d, 35, "\1\0\0\0\2\0\0\0", 8);
    gpu_lab_set(d, 200, "later", 5);
}

CHANGE(blackwell, blackwell_of(r, "GB100"))
CHANGE(blackwell_multi, (blackwell_of(r, "GB202"), modes(r, CLO_GPU_MULTI, CLO_GPU_MULTI)))
CHANGE(multi, modes(r, CLO_GPU_MULTI, CLO_GPU_MULTI))
CHANGE(nul, d->padding = 1)
CHANGE(slot_three, d->slot = d->tail[3] = 3)
CHANGE(send_root, d->send_root = true)
CHANGE(no_fwid_field, gpu_lab_drop(d, CLO_SPDM_FWID))
CHANGE(version_zero, gpu_lab_set(d, CLO_SPDM_OPAQUE_VERSION, "\0", 2))
CHANGE(no_version, gpu_lab_drop(d, CLO_SPDM_OPAQUE_VERSION))

static const struct row good[] = {
    {.id = "good",
     .title = "One Hopper GPU by itself, and nothing is wrong",
     .basis = SIGNED "the key in the certificate",
     .not_applicable = "gpu.switches"},
    {.id = "good-blackwell",
     .title = "One Blackwell GPU, whose certificate names its firmware in a DiceTcbInfo",
     .basis = DICE "DiceTcbInfo",
     .change = blackwell},
    {.id = "good-blackwell-multi",
     .title = "Four Blackwell GPUs that work together",
     .basis = OPAQUE "feature flag (36) is 1, MPT",
     .gpus = 4,
     .change = blackwell_multi},
    {.id = "good-multi",
     .title = "Two Hopper GPUs that work together",
     .basis = OPAQUE "feature flag (36) is 1, MPT",
     .gpus = 2,
     .change = multi},
    {.id = "good-protected-pcie",
     .title = "Eight Hopper GPUs behind four LS10 switches, in protected PCIe mode",
     .basis = OPAQUE "switch PDI (22)",
     .gpus = 8,
     .switches = 4,
     .not_applicable = ""},
    {.id = "good-switches",
     .title = "Two LS10 switches by themselves, which the policy asks for",
     .basis = POLICY "switches",
     .switches = 2,
     .not_applicable = "gpu.driver gpu.mode gpu.switches"},
    {.id = "good-all-fields",
     .title =
         "The report has a counter of measurements, a board, chip information, and a field of a later day",
     .basis = OPAQUE "MSRSCNT (12), board id (14), chip info (35)",
     .change = other_fields},
    {.id = "good-trailing-nul",
     .title = "One zero byte stands behind the signature",
     .basis = SIGNED "its place follows from the lengths; NVIDIA's tools hand out C strings",
     .lesson = "57",
     .change = nul},
    {.id = "good-slot",
     .title = "The certificates of slot 3 were asked for, and answered with",
     .basis = REQUEST "SlotIDParam",
     .change = slot_three},
    {.id = "good-root-sent", .title = "The root came along", .basis = PATH, .change = send_root},
    {.id = "good-no-fwid-field",
     .title = "The report names no firmware: the certificate alone does",
     .basis = OPAQUE "FWID (20), where it is there",
     .change = no_fwid_field},
    {.id = "good-opaque-version-0",
     .title = "The opaque data's version is 0",
     .basis = OPAQUE "opaque data version (34)",
     .change = version_zero},
    {.id = "good-opaque-version-none",
     .title = "The opaque data say nothing of their version, as those of early firmware",
     .basis = OPAQUE "opaque data version (34)",
     .change = no_version},
    {.id = "good-measurement-type",
     .title = "The first measurement is one of hardware configuration",
     .basis = BLOCK "DMTFSpecMeasurementValueType",
     .edit = {45 + 4, 0x03}},
};

/* ---- the bytes ---- */

/* In a GPU's report. */
enum {
    AT_NONCE = 4,
    AT_SLOT = 36,
    AT_RESPONSE = 37,
    AT_COUNT = 41,
    AT_LENGTH = 42,
    AT_BLOCKS = 45,
    BLOCK_N = 55,
    AT_RESPONDER = AT_BLOCKS + 64 * BLOCK_N,
    AT_OPAQUE = AT_RESPONDER + 32, /* their length */
    AT_FIELD = AT_OPAQUE + 2,      /* the first: VBIOS version, of 8 bytes */
};

#define UNFORMED .fail = "gpu.format", .missing = UNREAD

FINISH(cut_one, d->report.len--)
FINISH(cut_signature, d->report.len -= 96)
FINISH(cut_response, d->report.len = AT_RESPONSE)
FINISH(cut_to_one, d->report.len = 1)
FINISH(one_more, LAB_MUST(clo_buf_append(&d->report, "\1", 1) == 0))
FINISH(signature_again, {
    uint8_t sig[96];

    memcpy(sig, d->report.p + d->report.len - 96, 96);
    LAB_MUST(clo_buf_append(&d->report, sig, 96) == 0);
})
CHANGE(version_two, gpu_lab_set(d, CLO_SPDM_OPAQUE_VERSION, "\2", 2))
CHANGE(version_byte, gpu_lab_byte(d, CLO_SPDM_OPAQUE_VERSION, 1))

static const struct row bytes[] = {
    {.id = "request-version-1-0",
     .title = "The request is of SPDM 1.0",
     .basis = REQUEST "SPDMVersion",
     .edit = {0, 0x01},
     UNFORMED},
    {.id = "request-version-1-2",
     .title = "The request is of SPDM 1.2, whose signatures cover other bytes",
     .basis = REQUEST "SPDMVersion",
     .edit = {0, 0x03},
     UNFORMED},
    {.id = "request-code",
     .title = "The request is CHALLENGE",
     .basis = REQUEST "RequestResponseCode is 0xE0",
     .edit = {1, 0xe0 ^ 0x83},
     UNFORMED},
    {.id = "request-no-signature",
     .title = "The request asks for no signature",
     .basis = REQUEST "Param1, bit 0",
     .edit = {2, 0x01},
     UNFORMED},
    {.id = "request-param1-reserved",
     .title = "The request has a reserved bit",
     .basis = REQUEST "Param1, bits 1 to 7",
     .edit = {2, 0x02},
     UNFORMED},
    {.id = "request-number",
     .title = "The request asks how many measurements there are",
     .basis = REQUEST "Param2 is 0xFF: all",
     .edit = {3, 0xff},
     UNFORMED},
    {.id = "request-one",
     .title = "The request asks for the first measurement alone",
     .basis = REQUEST "Param2 is 0xFF: all",
     .edit = {3, 0xfe},
     UNFORMED},
    {.id = "slot-8",
     .title = "Slot 8 was asked for, and answered with",
     .basis = REQUEST "SlotIDParam: slots are 0 to 7",
     .edit = {AT_SLOT, 0x08},
     .edit2 = {AT_RESPONSE + 3, 0x08},
     UNFORMED},
    {.id = "slot-request",
     .title = "Slot 1 was asked for, and slot 0 answers",
     .basis = RESPONSE "Param2",
     .edit = {AT_SLOT, 0x01},
     UNFORMED},
    {.id = "slot-response",
     .title = "Slot 0 was asked for, and slot 1 answers",
     .basis = RESPONSE "Param2",
     .edit = {AT_RESPONSE + 3, 0x01},
     UNFORMED},
    {.id = "response-version",
     .title = "The response is of SPDM 1.2",
     .basis = RESPONSE "SPDMVersion",
     .edit = {AT_RESPONSE, 0x03},
     UNFORMED},
    {.id = "response-code",
     .title = "The response is ERROR",
     .basis = RESPONSE "RequestResponseCode is 0x60",
     .edit = {AT_RESPONSE + 1, 0x60 ^ 0x7f},
     UNFORMED},
    {.id = "response-param1",
     .title = "The response to a wish for all measurements says how many there are",
     .basis = RESPONSE "Param1",
     .edit = {AT_RESPONSE + 2, 64},
     UNFORMED},
    {.id = "blocks-none",
     .title = "The response says that it has no block",
     .basis = RESPONSE "NumberOfBlocks",
     .edit = {AT_COUNT, 64},
     UNFORMED},
    {.id = "blocks-fewer",
     .title = "The response says that it has a block less than it has",
     .basis = RESPONSE "NumberOfBlocks",
     .lesson = "47",
     .edit = {AT_COUNT, 64 ^ 63},
     UNFORMED},
    {.id = "blocks-more",
     .title = "The response says that it has a block more than it has",
     .basis = RESPONSE "NumberOfBlocks",
     .edit = {AT_COUNT, 64 ^ 65},
     UNFORMED},
    {.id = "record-shorter",
     .title = "The record's length is one too small",
     .basis = RESPONSE "MeasurementRecordLength",
     .edit = {AT_LENGTH, 0xc0 ^ 0xbf},
     UNFORMED},
    {.id = "record-longer",
     .title = "The record's length is one too large",
     .basis = RESPONSE "MeasurementRecordLength",
     .edit = {AT_LENGTH, 0x01},
     UNFORMED},
    {.id = "record-huge",
     .title = "The record's length is 64 KiB too large",
     .basis = RESPONSE "MeasurementRecordLength",
     .lesson = "38",
     .edit = {AT_LENGTH + 2, 0x01},
     UNFORMED},
    {.id = "block-index-0",
     .title = "The first block has index 0",
     .basis = BLOCK "Index starts at 1",
     .edit = {AT_BLOCKS, 0x01},
     UNFORMED},
    {.id = "block-index-twice",
     .title = "Two blocks have index 1, and none has 2",
     .basis = BLOCK "Index",
     .lesson = "57",
     .edit = {AT_BLOCKS + BLOCK_N, 0x03},
     UNFORMED},
    {.id = "block-index-swapped",
     .title = "Index 2 stands before index 1",
     .basis = BLOCK "Index",
     .edit = {AT_BLOCKS, 0x03},
     .edit2 = {AT_BLOCKS + BLOCK_N, 0x03},
     UNFORMED},
    {.id = "block-specification",
     .title = "A block isn't of DMTF's measurement specification",
     .basis = BLOCK "MeasurementSpecification, bit 0",
     .edit = {AT_BLOCKS + 1, 0x03},
     UNFORMED},
    {.id = "block-size",
     .title = "A block's size is one too large",
     .basis = BLOCK "MeasurementSize",
     .edit = {AT_BLOCKS + 2, 51 ^ 52},
     UNFORMED},
    {.id = "block-value-size",
     .title = "The size of a block's value is one too small",
     .basis = BLOCK "DMTFSpecMeasurementValueSize",
     .edit = {AT_BLOCKS + 5, 48 ^ 47},
     UNFORMED},
    {.id = "block-size-huge",
     .title = "A block is larger than the record",
     .basis = BLOCK "MeasurementSize",
     .lesson = "38",
     .edit = {AT_BLOCKS + 3, 0x80},
     .edit2 = {AT_BLOCKS + 6, 0x80},
     UNFORMED},
    {.id = "opaque-shorter",
     .title = "The opaque data's length cuts the last field",
     .basis = RESPONSE "OpaqueDataLength",
     .edit = {AT_OPAQUE, 0x01},
     UNFORMED},
    {.id = "opaque-huge",
     .title = "The opaque data's length is more than the report has",
     .basis = RESPONSE "OpaqueDataLength",
     .lesson = "38",
     .edit = {AT_OPAQUE + 1, 0x80},
     UNFORMED},
    {.id = "field-longer",
     .title = "A field is larger than the opaque data",
     .basis = OPAQUE "type, length, value",
     .lesson = "38",
     .edit = {AT_FIELD + 3, 0x80},
     UNFORMED},
    {.id = "opaque-version-2",
     .title = "The opaque data are of a later version",
     .basis = OPAQUE "opaque data version (34)",
     .change = version_two,
     UNFORMED},
    {.id = "opaque-version-short",
     .title = "The opaque data's version has one byte",
     .basis = OPAQUE "opaque data version (34)",
     .change = version_byte,
     UNFORMED},
    {.id = "cut",
     .title = "The report lacks its last byte",
     .basis = RESPONSE "Signature",
     .finish = cut_one,
     UNFORMED},
    {.id = "cut-signature",
     .title = "The report has no signature",
     .basis = RESPONSE "Signature",
     .finish = cut_signature,
     UNFORMED},
    {.id = "cut-response",
     .title = "There is the request, and no response",
     .basis = RESPONSE "its header",
     .finish = cut_response,
     UNFORMED},
    {.id = "cut-to-one-byte",
     .title = "The report is one byte long",
     .basis = REQUEST "its header",
     .finish = cut_to_one,
     UNFORMED},
    {.id = "trailing-byte",
     .title = "A byte that isn't zero stands behind the signature",
     .basis = SIGNED "it is the last field",
     .lesson = "47 57",
     .finish = one_more,
     UNFORMED},
    {.id = "trailing-signature",
     .title = "The signature comes twice, so that the last 96 bytes are one",
     .basis = SIGNED "it is the last field",
     .lesson = "47 57",
     .finish = signature_again,
     UNFORMED},
};

/* ---- fields that come twice ---- */

static unsigned twice_id;

static void twice(struct gpu_recipe *r)
{
    struct gpu_lab_device *d = &r->device[0];

    other_fields(r);
    if (gpu_lab_field(d, twice_id) == NULL)
        gpu_lab_set(d, twice_id, "\0\0\0\0\0\0\0", 8);
    LAB_MUST(d->fields < GPU_LAB_FIELDS);
    d->field[d->fields] = *gpu_lab_field(d, twice_id);
    d->fields++;
}

static void emit_twice(struct lab *l)
{
    static const struct {
        unsigned id;
        const char *word, *name;
    } field[] = {
        {3, "driver", "driver version"},
        {6, "vbios", "VBIOS version"},
        {11, "nvdec", "status of NVDEC0"},
        {12, "counter", "counter of measurements"},
        {14, "board", "board id"},
        {15, "chip-sku", "chip SKU"},
        {17, "project", "project"},
        {18, "project-sku", "project SKU"},
        {20, "fwid", "FWID"},
        {21, "protected-pcie", "status of protected PCIe"},
        {22, "pdi", "list of switches"},
        {34, "opaque-version", "opaque data version"},
        {35, "chip", "chip information"},
        {36, "feature-flag", "feature flag"},
        {200, "unknown", "number 200, which nobody knows,"},
    };

    for (size_t i = 0; i < CLO_ARRAY_LEN(field); i++) {
        char id[64], title[96], basis[128];
        const struct row w = {
            .id = id, .title = title, .basis = basis, .lesson = "57", .change = twice, UNFORMED};

        twice_id = field[i].id;
        (void)snprintf(id, sizeof id, "twice-%s", field[i].word);
        (void)snprintf(title, sizeof title, "The field %s comes twice", field[i].name);
        (void)snprintf(basis, sizeof basis, OPAQUE "a type has one value (%u)", field[i].id);
        emit(l, &w);
    }
}

/* ---- signature ---- */

CHANGE(by_stranger, d->signer = gpu_lab.stranger)
CHANGE(by_another_device, d->signer = gpu_lab.leaf[1])
CHANGE(by_brom, d->signer = gpu_lab.brom[0])
CHANGE(response_alone, d->signed_from = AT_RESPONSE)
CHANGE(without_header, d->signed_from = AT_NONCE)
FINISH(little_endian, {
    uint8_t *sig = d->report.p + d->report.len - 96;

    for (size_t i = 0; i < 24; i++)
        for (size_t k = 0; k < 96; k += 48) {
            const uint8_t v = sig[k + i];

            sig[k + i] = sig[k + 47 - i];
            sig[k + 47 - i] = v;
        }
})
FINISH(zero_signature, memset(d->report.p + d->report.len - 96, 0, 96))
FINISH(too_large_signature, memset(d->report.p + d->report.len - 96, 0xff, 96))
FINISH(signature_bit, d->report.p[d->report.len - 96 + 20] ^= 0x10)
FINISH(reports_swapped, {
    const struct clo_buf first = d->report;

    d->report = all->device[1].report;
    all->device[1].report = first;
})

#define UNSIGNED .fail = "gpu.signature", .missing = NO_SIGNATURE

static const struct row signatures[] = {
    {.id = "signed-by-stranger",
     .title = "A key that nobody vouches for signed the report",
     .basis = SIGNED "the key in the certificate",
     .lesson = "4",
     .change = by_stranger,
     UNSIGNED},
    {.id = "signed-by-another-device",
     .title = "Another device's key signed the report",
     .basis = SIGNED "the key in the certificate",
     .gpus = 2,
     .change = by_another_device,
     UNSIGNED},
    {.id = "signed-by-brom",
     .title = "The boot ROM's key signed the report",
     .basis = CHAIN "reports are signed by the leaf's key",
     .change = by_brom,
     UNSIGNED},
    {.id = "reports-swapped",
     .title = "Two devices' reports stand beside each other's certificates",
     .basis = SIGNED "the key in the certificate",
     .gpus = 2,
     .finish = reports_swapped,
     UNSIGNED},
    {.id = "signed-response-alone",
     .title = "The signature leaves out the request, and so the nonce",
     .basis = SIGNED "it covers request and response",
     .change = response_alone,
     UNSIGNED},
    {.id = "signed-without-header",
     .title = "The signature leaves out the first four bytes",
     .basis = SIGNED "it covers request and response",
     .change = without_header,
     UNSIGNED},
    {.id = "signature-little-endian",
     .title = "The signature's numbers are little-endian",
     .basis = SIGNED "r and s are big-endian",
     .finish = little_endian,
     UNSIGNED},
    {.id = "signature-zero",
     .title = "The signature is all zeros",
     .basis = "FIPS 186-5 section 6.4.2: r and s are at least 1",
     .lesson = "39",
     .finish = zero_signature,
     UNSIGNED},
    {.id = "signature-too-large",
     .title = "The signature's numbers are larger than the group's order",
     .basis = "FIPS 186-5 section 6.4.2: r and s are below the order",
     .finish = too_large_signature,
     UNSIGNED},
    {.id = "flip-responder-nonce",
     .title = "A bit of the device's own nonce is flipped",
     .basis = SIGNED "it covers all before it",
     .lesson = "41",
     .flip = "report",
     .after = {AT_RESPONDER + 31, 0x80},
     UNSIGNED},
    {.id = "flip-unlisted-measurement",
     .title = "A bit of a measurement is flipped that has no reference value",
     .basis = SIGNED "it covers all before it",
     .lesson = "41",
     .flip = "report",
     .after = {AT_BLOCKS + 50 * BLOCK_N + 7, 0x01},
     UNSIGNED},
    {.id = "flip-measurement-type",
     .title = "A bit of a measurement's type is flipped",
     .basis = SIGNED "it covers all before it",
     .lesson = "41",
     .flip = "report",
     .after = {AT_BLOCKS + 4, 0x01},
     UNSIGNED},
    {.id = "flip-signature",
     .title = "A bit of the signature is flipped",
     .basis = SIGNED "r and s",
     .flip = "signature",
     .finish = signature_bit,
     UNSIGNED},
    {.id = "flip-nonce",
     .title = "A bit of the nonce is flipped behind the signature",
     .basis = SIGNED "it covers request and response",
     .lesson = "41",
     .flip = "report nonce",
     .after = {AT_NONCE + 16, 0x04},
     .fail = "gpu.signature gpu.nonce",
     .missing =
         "devices.count gpu.identity gpu.distinct gpu.architecture gpu.driver gpu.vbios gpu.reference gpu.measurements gpu.mode gpu.debug"},
    {.id = "flip-measurement",
     .title = "A bit of a measurement is flipped that has a reference value",
     .basis = SIGNED "it covers all before it",
     .lesson = "41",
     .flip = "report measurement",
     .after = {AT_BLOCKS + 7 * BLOCK_N + 7, 0x01},
     .fail = "gpu.signature gpu.measurements",
     .missing =
         "devices.count gpu.identity gpu.distinct gpu.architecture gpu.nonce gpu.driver gpu.vbios gpu.reference gpu.mode gpu.debug"},
};

/* ---- certificates ---- */

static void places_swapped(struct clo_device *d, size_t a, size_t b)
{
    const struct clo_buf was = d->chain[a];

    d->chain[a] = d->chain[b];
    d->chain[b] = was;
}

FINISH(leaf_and_brom, places_swapped(d, 0, 1))
FINISH(ica_and_identity, places_swapped(d, 2, 3))
FINISH(leaf_bit, d->chain[0].p[d->chain[0].len - 1] ^= 0x01)
FINISH(brom_bit, d->chain[1].p[d->chain[1].len - 1] ^= 0x01)
/* DER, but no certificate. */
static void sequence_at(struct clo_device *d, size_t i)
{
    clo_buf_clear(&d->chain[i]);
    d->chain[i] = clo_buf_init(CLO_CERT_MAX);
    LAB_MUST(clo_buf_append(&d->chain[i], "\x30\x03\x02\x01\x01", 5) == 0);
}

FINISH(leaf_garbage, sequence_at(d, 0))
FINISH(brom_garbage, sequence_at(d, 1))
FINISH(leaf_no_der, d->chain[0].p[0] ^= 0x01)
FINISH(no_chain, {
    for (size_t i = 0; i < d->chain_n; i++)
        clo_buf_clear(&d->chain[i]);
    d->chain_n = 0;
})
FINISH(no_chain_of_second, {
    struct clo_device *second = &all->device[1];

    for (size_t i = 0; i < second->chain_n; i++)
        clo_buf_clear(&second->chain[i]);
    second->chain_n = 0;
})
/* A root with the right names, made by somebody else, that vouches for the identity under it. */
static void strangers_root_sent(struct clo_devices *all, struct clo_collateral *c)
{
    struct clo_device *d = &all->device[0];
    const struct clo_cert_spec spec = {
        .subject_cn = "NVIDIA Device Identity CA",
        .issuer_cn = "NVIDIA Device Identity CA",
        .serial = 1,
        .not_before = LAB_NOW - LAB_YEAR,
        .not_after = LAB_NOW + LAB_YEAR,
        .ca = true,
        .subject = gpu_lab.stranger,
        .issuer = gpu_lab.stranger,
    };

    (void)c;
    gpu_lab_cert(&spec, &d->chain[d->chain_n++]);
}

CHANGE(no_leaf, d->left_out = GPU_LAB_LEAF)
CHANGE(no_brom, d->left_out = GPU_LAB_BROM)
CHANGE(no_ica, d->left_out = GPU_LAB_ICA)
CHANGE(no_identity, d->left_out = GPU_LAB_IDENTITY)
CHANGE(leaf_alone, d->chain_n = 1)
CHANGE(leaf_by_stranger, d->leaf_issuer = gpu_lab.stranger)
CHANGE(leaf_by_ica, d->leaf_issuer = gpu_lab.ica)
CHANGE(leaf_ca, d->leaf_ca = true)
CHANGE(brom_no_ca, d->brom_no_ca = true)
CHANGE(identity_by_stranger, r->identity_issuer = gpu_lab.stranger)
CHANGE(path_len_right, (r->has_path_len = true, r->path_len = 2))
CHANGE(path_len_identity, (r->has_path_len = true, r->path_len = 1))
CHANGE(path_len_ica, (r->has_path_len = true, r->path_len_at = GPU_LAB_ICA, r->path_len = 0))
CHANGE(device_as_ica, d->ica_is_device = true)
CHANGE(no_root, r->no_root = true)
CHANGE(no_root_but_sent, r->no_root = d->send_root = true)
CHANGE(leaf_expired, d->leaf_to = LAB_NOW)
CHANGE(leaf_last_second, d->leaf_to = LAB_NOW + 1)
CHANGE(leaf_early, d->leaf_from = LAB_NOW + 1)
CHANGE(brom_expired, d->brom_to = LAB_NOW)
CHANGE(ica_expired, r->ica_to = LAB_NOW)
CHANGE(identity_expired, r->identity_to = LAB_NOW)
CHANGE(root_expired, r->root_to = LAB_NOW)
CHANGE(second_expired, r->device[1].leaf_to = LAB_NOW)

#define UNLINKED   .fail = "gpu.chain", .missing = NO_TRUST
#define UNROOTED   .fail = "gpu.root", .missing = NO_TRUST
#define OTHER_ROOT ",'roots':['0000000000000000000000000000000000000000000000000000000000000000']"

static const struct row chains[] = {
    {.id = "no-chain",
     .title = "The report came without certificates",
     .basis = CHAIN "nothing else says whose key it is",
     .lesson = "27",
     .finish = no_chain,
     .missing = "gpu.chain_present " NO_CHAIN},
    {.id = "no-chain-of-second",
     .title = "One of two reports came without certificates",
     .basis = CHAIN "nothing else says whose key it is",
     .lesson = "5",
     .gpus = 2,
     .finish = no_chain_of_second,
     .missing = "gpu.chain_present " NO_CHAIN},
    {.id = "chain-leaf-alone",
     .title = "The leaf came, and no authority",
     .basis = PATH,
     .change = leaf_alone,
     .fail = "gpu.chain_present",
     .missing = NO_CHAIN},
    {.id = "chain-leaf-garbage",
     .title = "What stands in the leaf's place is no certificate",
     .basis = "RFC 5280 section 4.1",
     .finish = leaf_garbage,
     .fail = "gpu.chain_present",
     .missing = NO_CHAIN},
    {.id = "chain-leaf-not-der",
     .title = "What stands in the leaf's place is neither DER nor PEM",
     .basis = "RFC 5280 section 4.1; docs/LAB.md, malformed",
     .finish = leaf_no_der,
     .outcome = "malformed"},
    {.id = "chain-brom-garbage",
     .title = "What stands in the boot ROM's place is no certificate",
     .basis = "RFC 5280 section 4.1",
     .finish = brom_garbage,
     .fail = "gpu.chain_present",
     .missing = NO_CHAIN},
    {.id = "chain-no-leaf",
     .title = "The leaf is missing: the boot ROM's certificate comes first",
     .basis = CHAIN "reports are signed by the leaf's key",
     .change = no_leaf,
     .fail = "gpu.architecture gpu.chain gpu.signature gpu.identity",
     .missing = "devices.count gpu.distinct " OCSP WITHOUT_ARCH},
    {.id = "chain-no-brom",
     .title = "The boot ROM's certificate is missing",
     .basis = CHAIN "the boot ROM signs the leaf, and its chip is the leaf's",
     .change = no_brom,
     .fail = "gpu.architecture gpu.chain gpu.identity",
     .missing = "devices.count gpu.distinct " OCSP WITHOUT_ARCH},
    {.id = "chain-no-ica",
     .title = "The provisioner's certificate is missing",
     .basis = PATH,
     .change = no_ica,
     UNLINKED},
    {.id = "chain-no-identity",
     .title = "The identity's certificate is missing: the last one isn't the root's",
     .basis = PATH,
     .change = no_identity,
     UNROOTED},
    {.id = "chain-order-authorities",
     .title = "Identity and provisioner have changed places",
     .basis = PATH,
     .finish = ica_and_identity,
     .fail = "gpu.chain gpu.root",
     .missing = NO_TRUST},
    {.id = "chain-order-leaf",
     .title = "Leaf and boot ROM have changed places",
     .basis = PATH,
     .finish = leaf_and_brom,
     .fail = "gpu.chain gpu.signature gpu.identity",
     .missing = "devices.count gpu.distinct " OCSP CLAIMS},
    {.id = "chain-leaf-by-stranger",
     .title = "A stranger signed the leaf in the boot ROM's name",
     .basis = PATH ".3 (a)(1)",
     .lesson = "4 54",
     .change = leaf_by_stranger,
     UNLINKED},
    {.id = "chain-leaf-by-ica",
     .title = "The provisioner signed the leaf in the boot ROM's name",
     .basis = PATH ".3 (a)(1)",
     .change = leaf_by_ica,
     UNLINKED},
    {.id = "chain-flip-leaf",
     .title = "The last bit of the leaf's signature is flipped",
     .basis = PATH ".3 (a)(1)",
     .flip = "certificate",
     .finish = leaf_bit,
     UNLINKED},
    {.id = "chain-flip-brom",
     .title = "The last bit of the boot ROM's certificate is flipped",
     .basis = PATH ".3 (a)(1)",
     .flip = "certificate",
     .finish = brom_bit,
     UNLINKED},
    {.id = "chain-brom-no-ca",
     .title = "The boot ROM's certificate isn't an authority's",
     .basis = PATH ".4 (k): cA",
     .change = brom_no_ca,
     UNLINKED},
    {.id = "chain-leaf-ca",
     .title = "The leaf is an authority's",
     .basis = CHAIN "the leaf's key signs reports, and no certificates",
     .change = leaf_ca,
     UNLINKED},
    {.id = "chain-path-length-right",
     .title = "The identity's certificate allows two authorities below it, and there are two",
     .basis = "RFC 5280 section 4.2.1.9",
     .change = path_len_right},
    {.id = "chain-path-length-identity",
     .title = "The identity's certificate allows one authority below it, and there are two",
     .basis = "RFC 5280 section 4.2.1.9",
     .change = path_len_identity,
     UNLINKED},
    {.id = "chain-path-length-provisioner",
     .title =
         "The provisioner's certificate allows no authority below it, and there is the boot ROM",
     .basis = "RFC 5280 section 4.2.1.9",
     .change = path_len_ica,
     UNLINKED},
    {.id = "chain-device-as-provisioner",
     .title =
         "A boot ROM's certificate stands in the provisioner's place: one device vouches for another",
     .basis = CHAIN "a boot ROM's key signs its own device's leaves",
     .change = device_as_ica,
     UNLINKED},
    {.id = "root-of-the-same-name",
     .title = "A stranger signed the identity in the root's name",
     .basis = PATH ".1 (d): the trust anchor's key",
     .lesson = "4 46 54",
     .change = identity_by_stranger,
     UNROOTED},
    {.id = "root-of-the-same-name-sent",
     .title = "A stranger's root, of the right name, came along and fits the chain",
     .basis = PATH ".1 (d): the trust anchor's key",
     .lesson = "4 46 54",
     .change = identity_by_stranger,
     .finish = strangers_root_sent,
     UNROOTED},
    {.id = "root-none",
     .title = "No root is pinned",
     .basis = PATH ".1 (d)",
     .lesson = "46",
     .change = no_root,
     UNROOTED},
    {.id = "root-none-but-sent",
     .title = "No root is pinned, and one came along",
     .basis = PATH ".1 (d)",
     .lesson = "4 46",
     .change = no_root_but_sent,
     UNROOTED},
    {.id = "root-not-the-policys",
     .title = "The policy admits another root alone",
     .basis = "docs/POLICY.md, roots",
     .lesson = "46",
     .more = OTHER_ROOT,
     UNROOTED},
    {.id = "dates-last-second",
     .title = "The leaf ends in a second",
     .basis = PATH ".3 (a)(2)",
     .change = leaf_last_second},
    {.id = "dates-leaf-expired",
     .title = "The leaf has expired",
     .basis = PATH ".3 (a)(2)",
     .lesson = "44",
     .change = leaf_expired,
     .fail = "gpu.chain_dates"},
    {.id = "dates-leaf-early",
     .title = "The leaf isn't valid yet",
     .basis = PATH ".3 (a)(2)",
     .change = leaf_early,
     .fail = "gpu.chain_dates"},
    {.id = "dates-brom-expired",
     .title = "The boot ROM's certificate has expired",
     .basis = PATH ".3 (a)(2)",
     .lesson = "44",
     .change = brom_expired,
     .fail = "gpu.chain_dates"},
    {.id = "dates-provisioner-expired",
     .title = "The provisioner's certificate has expired",
     .basis = PATH ".3 (a)(2)",
     .lesson = "44",
     .change = ica_expired,
     .fail = "gpu.chain_dates"},
    {.id = "dates-identity-expired",
     .title = "The identity's certificate has expired",
     .basis = PATH ".3 (a)(2)",
     .lesson = "44",
     .change = identity_expired,
     .fail = "gpu.chain_dates"},
    {.id = "dates-root-expired",
     .title = "The root has expired",
     .basis = "docs/POLICY.md: dates of every certificate count",
     .lesson = "44",
     .change = root_expired,
     .fail = "gpu.chain_dates"},
    {.id = "dates-second-expired",
     .title = "The leaf of the second of two GPUs has expired",
     .basis = PATH ".3 (a)(2)",
     .gpus = 2,
     .change = second_expired,
     .fail = "gpu.chain_dates"},
};

/* ---- identity and kind ---- */

/* The second of two GPUs; reference values of both kinds are there. */
static void blackwell_among_hoppers(struct gpu_recipe *r)
{
    r->device[1].chip = r->device[1].brom_chip = "GB100";
    for (size_t i = 0; i < 2; i++) {
        r->reference[2 + i] = r->reference[i];
        r->reference[2 + i].arch = CLO_GPU_BLACKWELL;
    }
    r->want.references = 4;
}

CHANGE(fwid_none, d->no_fwid = true)
CHANGE(fwid_other, d->fwid[47] ^= 1)
CHANGE(fwid_short, gpu_lab_field(d, CLO_SPDM_FWID)->n = 47)
CHANGE(fwid_empty, gpu_lab_field(d, CLO_SPDM_FWID)->n = 0)
CHANGE(fwid_garbage, d->fwid_garbage = true)
CHANGE(fwid_sha256, d->fwid_sha256 = true)
CHANGE(fwid_blackwell_form, d->other_form = true)
CHANGE(fwid_other_device, d->other_fwid_key = true)
CHANGE(blackwell_no_fwid, (blackwell_of(r, "GB100"), d->no_fwid = true))
CHANGE(blackwell_fwid_other, (blackwell_of(r, "GB100"), d->fwid[0] ^= 0x80))
CHANGE(blackwell_no_list, (blackwell_of(r, "GB100"), d->fwids = 0))
CHANGE(blackwell_lists, (blackwell_of(r, "GB100"), d->fwids = 2))
CHANGE(blackwell_garbage, (blackwell_of(r, "GB100"), d->fwid_garbage = true))
CHANGE(blackwell_hopper_form, (blackwell_of(r, "GB100"), d->other_form = true))
CHANGE(brom_of_blackwell, d->brom_chip = "GB100")
CHANGE(brom_of_nothing, d->brom_chip = "GA100")
CHANGE(older_chip, d->chip = d->brom_chip = "GA100")
CHANGE(chip_of_switch, (d->chip = d->brom_chip = "LS_10"))
CHANGE(not_admitted, (r->want.arch[CLO_GPU_HOPPER] = false, r->want.arch[CLO_GPU_BLACKWELL] = true))
CHANGE(no_driver_field, gpu_lab_drop(d, CLO_SPDM_DRIVER_VERSION))
CHANGE(switch_with_driver, gpu_lab_text(&r->device[1], CLO_SPDM_DRIVER_VERSION, "550.90.07"))

#define OTHER_FWID .fail = "gpu.identity"

static const struct row kinds[] = {
    {.id = "fwid-none",
     .title = "The leaf names no firmware",
     .basis = DICE "CompositeDeviceID",
     .change = fwid_none,
     OTHER_FWID},
    {.id = "fwid-other",
     .title = "The report names other firmware than the leaf",
     .basis = OPAQUE "FWID (20) is the certificate's",
     .change = fwid_other,
     OTHER_FWID},
    {.id = "fwid-short",
     .title = "The report's firmware id lacks a byte",
     .basis = OPAQUE "FWID (20) is a SHA-384 digest",
     .change = fwid_short,
     OTHER_FWID},
    {.id = "fwid-empty",
     .title = "The report's firmware id is empty",
     .basis = OPAQUE "FWID (20) is a SHA-384 digest",
     .lesson = "42",
     .change = fwid_empty,
     OTHER_FWID},
    {.id = "fwid-trailing",
     .title = "A byte stands behind the leaf's CompositeDeviceID",
     .basis = DICE "CompositeDeviceID",
     .lesson = "47",
     .change = fwid_garbage,
     OTHER_FWID},
    {.id = "fwid-sha256",
     .title = "The leaf says that its firmware id is a SHA-256 digest",
     .basis = DICE "FWID: hashAlg",
     .change = fwid_sha256,
     OTHER_FWID},
    {.id = "fwid-blackwell-form",
     .title = "A Hopper's leaf names its firmware as Blackwell's do",
     .basis = CHAIN "Hopper has a CompositeDeviceID (2.23.133.5.4.1)",
     .change = fwid_blackwell_form,
     OTHER_FWID},
    {.id = "fwid-other-device",
     .title = "The leaf's CompositeDeviceID has another boot ROM's key",
     .basis = DICE "CompositeDeviceID: deviceID",
     .change = fwid_other_device,
     OTHER_FWID},
    {.id = "fwid-blackwell-none",
     .title = "A Blackwell's leaf names no firmware",
     .basis = DICE "DiceTcbInfo",
     .change = blackwell_no_fwid,
     OTHER_FWID},
    {.id = "fwid-blackwell-other",
     .title = "A Blackwell's report names other firmware than the leaf",
     .basis = OPAQUE "FWID (20) is the certificate's",
     .change = blackwell_fwid_other,
     OTHER_FWID},
    {.id = "fwid-blackwell-no-list",
     .title = "A Blackwell's DiceTcbInfo has no fwids",
     .basis = DICE "DiceTcbInfo: fwids [6]",
     .change = blackwell_no_list,
     OTHER_FWID},
    {.id = "fwid-blackwell-two-lists",
     .title = "A Blackwell's DiceTcbInfo has fwids twice",
     .basis = DICE "DiceTcbInfo: fwids [6]",
     .lesson = "57",
     .change = blackwell_lists,
     OTHER_FWID},
    {.id = "fwid-blackwell-trailing",
     .title = "A byte stands behind a Blackwell's DiceTcbInfo",
     .basis = DICE "DiceTcbInfo",
     .lesson = "47",
     .change = blackwell_garbage,
     OTHER_FWID},
    {.id = "fwid-blackwell-hopper-form",
     .title = "A Blackwell's leaf names its firmware as Hoppers' do",
     .basis = CHAIN "Blackwell has a DiceTcbInfo (2.23.133.5.4.1.1)",
     .change = blackwell_hopper_form,
     OTHER_FWID},
    {.id = "kind-brom-of-another-chip",
     .title = "A Hopper's leaf stands under a Blackwell's boot ROM",
     .basis = CHAIN "both have the chip's name",
     .change = brom_of_blackwell,
     .fail = "gpu.architecture"},
    {.id = "kind-brom-of-an-unknown-chip",
     .title = "A Hopper's leaf stands under an Ampere's boot ROM",
     .basis = CHAIN "both have the chip's name",
     .change = brom_of_nothing,
     .fail = "gpu.architecture"},
    {.id = "kind-unknown",
     .title = "Leaf and boot ROM are an Ampere's, which can't compute in confidence",
     .basis = POLICY "architectures",
     .change = older_chip,
     .fail = "gpu.architecture gpu.reference",
     .missing = NOT_MEASURED},
    {.id = "kind-not-admitted",
     .title = "The policy admits Blackwell alone, and this is a Hopper",
     .basis = POLICY "architectures",
     .change = not_admitted,
     .fail = "gpu.architecture"},
    {.id = "kind-second-not-admitted",
     .title = "The policy admits Hopper alone, and the second of two GPUs is a Blackwell",
     .basis = POLICY "architectures",
     .gpus = 2,
     .change = blackwell_among_hoppers,
     .fail = "gpu.architecture"},
    {.id = "kind-gpu-as-switch",
     .title = "A GPU's report under a switch's certificates",
     .basis = CHAIN "names of switches begin with LS_10",
     .change = chip_of_switch,
     .fail = "devices.count gpu.architecture gpu.vbios gpu.reference",
     .missing = "gpu.measurements gpu.debug gpu.switches",
     .not_applicable = "gpu.driver gpu.mode"},
    {.id = "kind-no-driver",
     .title = "A GPU's report names no driver",
     .basis = OPAQUE "driver version (3)",
     .change = no_driver_field,
     .fail = "gpu.architecture gpu.driver gpu.reference",
     .missing = "gpu.measurements gpu.debug"},
    {.id = "kind-switch-with-driver",
     .title = "A switch's report names a driver",
     .basis = OPAQUE "driver version (3): switches have none",
     .gpus = 1,
     .switches = 1,
     .change = switch_with_driver,
     .fail = "gpu.architecture"},
};

/* ---- revocation ---- */

static void ocsp_drop(struct clo_collateral *c, size_t i)
{
    LAB_MUST(i < c->ocsps);
    clo_buf_clear(&c->ocsp[i]);
    c->ocsp[i] = c->ocsp[--c->ocsps];
    c->ocsp[c->ocsps] = (struct clo_buf){0};
}

/* The order of two GPUs' answers: boot ROM, provisioner, identity; boot ROM. */
FINISH(no_answer_for_second, ocsp_drop(c, 3))
FINISH(try_later, {
    clo_buf_clear(&c->ocsp[0]);
    c->ocsp[0] = clo_buf_init(CLO_OCSP_MAX);
    LAB_MUST(clo_buf_append(&c->ocsp[0], "\x30\x03\x0a\x01\x03", 5) == 0);
})
FINISH(answers_backwards, {
    const struct clo_buf first = c->ocsp[0];

    c->ocsp[0] = c->ocsp[c->ocsps - 1];
    c->ocsp[c->ocsps - 1] = first;
})
FINISH(answer_longer, LAB_MUST(clo_buf_append(&c->ocsp[0], "", 1) == 0))
CHANGE(no_ocsp, r->no_ocsp = true)
CHANGE(no_ocsp_allowed, r->no_ocsp = r->revocation_if_present = true)
CHANGE(no_answer_brom, (r->odd = GPU_LAB_BROM, r->odd_missing = true))
CHANGE(no_answer_ica, (r->odd = GPU_LAB_ICA, r->odd_missing = true))
CHANGE(no_answer_identity, (r->odd = GPU_LAB_IDENTITY, r->odd_missing = true))
#define STATUS(name, role, status) CHANGE(name, (r->odd = (role), r->odd_status = (status)))
STATUS(brom_revoked, GPU_LAB_BROM, CLO_OCSP_REVOKED)
STATUS(ica_revoked, GPU_LAB_ICA, CLO_OCSP_REVOKED)
STATUS(identity_revoked, GPU_LAB_IDENTITY, CLO_OCSP_REVOKED)
STATUS(brom_unknown, GPU_LAB_BROM, CLO_OCSP_UNKNOWN)
CHANGE(leaf_revoked,
       (r->odd = GPU_LAB_LEAF, r->leaf_answered = true, r->odd_status = CLO_OCSP_REVOKED))
CHANGE(leaf_good, (r->odd = GPU_LAB_LEAF, r->leaf_answered = true))
CHANGE(brom_on_hold, (brom_revoked(r), r->odd_hold = true))
CHANGE(revoked_if_present, (brom_revoked(r), r->revocation_if_present = true))
CHANGE(answer_expired, (r->odd = GPU_LAB_BROM, r->odd_to = LAB_NOW))
CHANGE(answer_last_second, (r->odd = GPU_LAB_BROM, r->odd_to = LAB_NOW + 1))
CHANGE(answer_early, (r->odd = GPU_LAB_ICA, r->odd_from = LAB_NOW + 1))
CHANGE(answer_endless, (r->odd = GPU_LAB_ICA, r->odd_to = INT64_MIN))
CHANGE(answer_expired_if_present, (answer_expired(r), r->revocation_if_present = true))
CHANGE(answer_by_stranger, (r->odd = GPU_LAB_BROM, r->odd_signer = gpu_lab.stranger))
CHANGE(answer_by_root, (r->odd = GPU_LAB_BROM, r->odd_signer = gpu_lab.root))
CHANGE(answer_by_itself, (r->odd = GPU_LAB_BROM, r->odd_signer = gpu_lab.brom[0]))
CHANGE(answer_of_other, (r->odd = GPU_LAB_BROM, r->odd_about_other = true))
CHANGE(answer_of_other_issuer, (r->odd = GPU_LAB_BROM, r->odd_other_issuer = true))
CHANGE(answer_flip, r->ocsp_flip = true)
CHANGE(answer_garbage, r->ocsp_garbage = true)
CHANGE(answer_sha1, r->ocsp_sig = CLO_MAKE_SHA1)
CHANGE(answer_by_name, (r->by_name = true, r->id_hash = CLO_MAKE_SHA256))
CHANGE(delegated, r->delegated = true)
CHANGE(delegate_unfit, r->delegated = r->delegate_unfit = true)
CHANGE(delegate_expired, (r->delegated = true, r->delegate_to = LAB_NOW))
CHANGE(delegate_strangers, (r->delegated = true, r->delegate_issuer = gpu_lab.stranger))
CHANGE(delegate_of_another, (r->delegated = true, r->delegate_issuer = gpu_lab.root))
CHANGE(newer_good, (brom_revoked(r), r->second_from = r->odd_from + 1))
CHANGE(older_good, (brom_revoked(r), r->second_from = r->odd_from - 1))
CHANGE(second_revoked,
       (r->odd = GPU_LAB_BROM, r->second_from = r->odd_from, r->second_status = CLO_OCSP_REVOKED))
STATUS(switch_revoked, GPU_LAB_BROM, CLO_OCSP_REVOKED)

#define REVOKED   .fail = "gpu.revoked"
#define UNVOUCHED .fail = "gpu.ocsp", .missing = "gpu.ocsp_dates gpu.revoked"
#define OUTDATED  .fail = "gpu.ocsp_dates"

static const struct row revocation[] = {
    {.id = "ocsp-none",
     .title = "No revocation answer came",
     .basis = "docs/POLICY.md, revocation",
     .lesson = "56",
     .change = no_ocsp,
     .missing = OCSP},
    {.id = "ocsp-none-allowed",
     .title = "No revocation answer came, and the policy doesn't insist",
     .basis = "docs/POLICY.md, revocation",
     .change = no_ocsp_allowed,
     .not_applicable = OCSP "gpu.switches"},
    {.id = "ocsp-none-for-second",
     .title = "No answer about the second of two GPUs came",
     .basis = "docs/POLICY.md, revocation",
     .lesson = "56",
     .gpus = 2,
     .finish = no_answer_for_second,
     .missing = OCSP},
    {.id = "ocsp-no-brom",
     .title = "No answer about the boot ROM came",
     .basis = "docs/POLICY.md, revocation",
     .lesson = "56",
     .change = no_answer_brom,
     .missing = OCSP},
    {.id = "ocsp-no-provisioner",
     .title = "No answer about the provisioner came",
     .basis = "docs/POLICY.md, revocation",
     .lesson = "56",
     .change = no_answer_ica,
     .missing = OCSP},
    {.id = "ocsp-no-identity",
     .title = "No answer about the identity came",
     .basis = "docs/POLICY.md, revocation",
     .lesson = "56",
     .change = no_answer_identity,
     .missing = OCSP},
    {.id = "ocsp-try-later",
     .title = "The responder says \"try later\" of the boot ROM",
     .basis = RFC6960 "2.3: tryLater is no answer",
     .finish = try_later,
     .missing = OCSP},
    {.id = "ocsp-other-order",
     .title = "Answers came in another order",
     .basis = RFC6960 "4.2.1: CertID says whom an answer is about",
     .finish = answers_backwards},
    {.id = "ocsp-leaf-good",
     .title = "There is an answer about the leaf, too, by its boot ROM",
     .basis = RFC6960 "2.2",
     .change = leaf_good},
    {.id = "revoked-leaf",
     .title = "The leaf is revoked, by its boot ROM",
     .basis = RFC6960 "2.2",
     .change = leaf_revoked,
     REVOKED},
    {.id = "revoked-brom",
     .title = "The boot ROM's certificate is revoked",
     .basis = RFC6960 "2.2",
     .change = brom_revoked,
     REVOKED},
    {.id = "revoked-provisioner",
     .title = "The provisioner's certificate is revoked",
     .basis = RFC6960 "2.2",
     .change = ica_revoked,
     REVOKED},
    {.id = "revoked-identity",
     .title = "The identity's certificate is revoked",
     .basis = RFC6960 "2.2",
     .change = identity_revoked,
     REVOKED},
    {.id = "revoked-switch",
     .title = "A switch's boot ROM is revoked",
     .basis = RFC6960 "2.2",
     .switches = 1,
     .change = switch_revoked,
     REVOKED},
    {.id = "revoked-on-hold",
     .title = "The boot ROM's certificate is on hold",
     .basis = "RFC 5280 section 5.3.1, certificateHold; docs/POLICY.md, revocation",
     .change = brom_on_hold,
     REVOKED},
    {.id = "revoked-unknown",
     .title = "The responder doesn't know the boot ROM's certificate",
     .basis = RFC6960 "2.2",
     .change = brom_unknown,
     REVOKED},
    {.id = "revoked-if-present",
     .title =
         "The boot ROM's certificate is revoked, under a policy that doesn't insist on answers",
     .basis = "docs/POLICY.md, revocation: those that are there have to hold",
     .change = revoked_if_present,
     REVOKED},
    {.id = "revoked-until-newer",
     .title = "An older answer says revoked, a newer one good",
     .basis = RFC6960 "4.2.2.1: thisUpdate",
     .change = newer_good},
    {.id = "revoked-after-older",
     .title = "An older answer says good, a newer one revoked",
     .basis = RFC6960 "4.2.2.1: thisUpdate",
     .change = older_good,
     REVOKED},
    {.id = "revoked-at-the-same-time",
     .title = "Of two answers of the same moment one says revoked",
     .basis = RFC6960 "2.2: nothing says that it was taken back",
     .change = second_revoked,
     REVOKED},
    {.id = "ocsp-expired",
     .title = "An answer's nextUpdate is this second",
     .basis = RFC6960 "4.2.2.1",
     .lesson = "44 56",
     .change = answer_expired,
     OUTDATED},
    {.id = "ocsp-expired-if-present",
     .title = "An answer has expired, under a policy that doesn't insist on answers",
     .basis = "docs/POLICY.md, revocation: those that are there have to hold",
     .lesson = "44 56",
     .change = answer_expired_if_present,
     OUTDATED},
    {.id = "ocsp-last-second",
     .title = "An answer's nextUpdate is the next second",
     .basis = RFC6960 "4.2.2.1",
     .change = answer_last_second},
    {.id = "ocsp-early",
     .title = "An answer is from the future",
     .basis = RFC6960 "4.2.2.1",
     .lesson = "56",
     .change = answer_early,
     OUTDATED},
    {.id = "ocsp-endless",
     .title = "An answer has no nextUpdate",
     .basis = RFC6960 "4.2.2.1; docs/POLICY.md: without an end it has none to rely on",
     .lesson = "44 56",
     .change = answer_endless,
     OUTDATED},
    {.id = "ocsp-by-stranger",
     .title = "A stranger signed the answer about the boot ROM",
     .basis = RFC6960 "3.2",
     .lesson = "4",
     .change = answer_by_stranger,
     UNVOUCHED},
    {.id = "ocsp-by-another-authority",
     .title = "The root signed the answer about the boot ROM",
     .basis = RFC6960 "4.2.2.2: the issuer of the certificate",
     .change = answer_by_root,
     UNVOUCHED},
    {.id = "ocsp-by-itself",
     .title = "The boot ROM signed the answer about itself",
     .basis = RFC6960 "4.2.2.2: the issuer of the certificate",
     .change = answer_by_itself,
     UNVOUCHED},
    {.id = "ocsp-flip",
     .title = "The last bit of an answer's signature is flipped",
     .basis = RFC6960 "3.2",
     .flip = "answer",
     .change = answer_flip,
     UNVOUCHED},
    {.id = "ocsp-sha1",
     .title = "Answers are signed with SHA-1",
     .basis = "NIST SP 800-131A revision 2, section 3: no SHA-1 for signatures",
     .change = answer_sha1,
     UNVOUCHED},
    {.id = "ocsp-garbage",
     .title = "What came as an answer is none",
     .basis = RFC6960 "4.2.1",
     .change = answer_garbage,
     UNVOUCHED},
    {.id = "ocsp-trailing",
     .title = "A byte stands behind an answer",
     .basis = RFC6960 "4.2.1: DER",
     .lesson = "47",
     .finish = answer_longer,
     UNVOUCHED},
    {.id = "ocsp-about-another",
     .title = "The answer is about another device's boot ROM",
     .basis = RFC6960 "3.2: the answer corresponds to the certificate",
     .change = answer_of_other,
     .missing = OCSP},
    {.id = "ocsp-about-another-issuer",
     .title = "The answer has the right serial number, under another issuer",
     .basis = RFC6960 "4.1.1: issuerNameHash and issuerKeyHash",
     .change = answer_of_other_issuer,
     .missing = OCSP},
    {.id = "ocsp-by-name",
     .title = "Responders are named, and certificates by SHA-256",
     .basis = RFC6960 "4.2.1: ResponderID byName",
     .change = answer_by_name},
    {.id = "ocsp-delegated",
     .title = "Responders that the issuers named signed the answers",
     .basis = RFC6960 "4.2.2.2",
     .change = delegated},
    {.id = "ocsp-delegated-purpose",
     .title = "The responder's certificate isn't for OCSP",
     .basis = RFC6960 "4.2.2.2: id-kp-OCSPSigning",
     .change = delegate_unfit,
     UNVOUCHED},
    {.id = "ocsp-delegated-expired",
     .title = "The responder's certificate has expired",
     .basis = RFC6960 "4.2.2.2; " PATH ".3",
     .lesson = "44",
     .change = delegate_expired,
     UNVOUCHED},
    {.id = "ocsp-delegated-by-stranger",
     .title = "A stranger named the responder",
     .basis = RFC6960 "4.2.2.2: issued by the certificate's issuer",
     .lesson = "4",
     .change = delegate_strangers,
     UNVOUCHED},
    {.id = "ocsp-delegated-by-root",
     .title = "The root named the responder for every authority below it",
     .basis = RFC6960 "4.2.2.2: issued by the certificate's issuer directly",
     .change = delegate_of_another,
     UNVOUCHED},
};

/* ---- nonce, number and versions ---- */

static void bytes_reversed(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        const uint8_t v = p[i];

        p[i] = p[n - 1 - i];
        p[n - 1 - i] = v;
    }
}

/* Count up: the right nonce differs from its reverse. */
static void nonce_counts(struct gpu_recipe *r)
{
    for (size_t i = 0; i < 32; i++)
        r->nonce[i] = r->device[0].nonce[i] = (uint8_t)(i + 1);
}

CHANGE(nonce_stale, memset(d->nonce, 0x5c, 32))
CHANGE(nonce_zero, memset(d->nonce, 0, 32))
CHANGE(nonce_last, d->nonce[31] ^= 1)
CHANGE(nonce_of_second, r->device[1].nonce[0] ^= 0x80)
CHANGE(nonce_reversed, (nonce_counts(r), bytes_reversed(d->nonce, 32)))
CHANGE(nonce_counting, nonce_counts(r))
CHANGE(nonce_unknown, r->no_nonce = true)
CHANGE(nonce_any, r->any_nonce = true)
CHANGE(same_twice, r->device[1] = r->device[0])
CHANGE(same_brom, r->device[1].key = 0)
CHANGE(same_leaf, r->device[1].leaf_key = 0)
CHANGE(same_serial, r->device[1].leaf_serial = d->leaf_serial)
CHANGE(same_of_eight, (r->device[7] = r->device[3]))
CHANGE(one_more_wanted, r->want.min = r->want.max = 2)
CHANGE(one_less_wanted, r->want.min = r->want.max = 1)
CHANGE(range_right, (r->want.min = 1, r->want.max = 4))
CHANGE(none_wanted, (r->want.min = r->want.max = 0))
CHANGE(gpu_wanted, r->want.min = r->want.max = 1)
CHANGE(switch_more_wanted, r->want.switches = 3)
CHANGE(switch_less_wanted, r->want.switches = 1)
FINISH(no_report, {
    no_chain(all, c);
    clo_buf_clear(&d->report);
})
#define FLOOR(name, what, version) CHANGE(name, (void)snprintf(r->want.what, 64, "%s", version))
FLOOR(driver_floor, min_driver, "550.90.08")
FLOOR(driver_floor_same, min_driver, "550.90.7")
FLOOR(driver_floor_ten, min_driver, "550.100.07")
FLOOR(vbios_floor, min_vbios[CLO_GPU_HOPPER], "96.00.74.00.1D")
FLOOR(vbios_floor_same, min_vbios[CLO_GPU_HOPPER], "96.00.74.00.1C")
FLOOR(switch_floor, min_vbios[CLO_GPU_LS10], "96.10.55.00.02")
CHANGE(vbios_no_floor, r->want.min_vbios[CLO_GPU_HOPPER][0] = '\0')
CHANGE(driver_text, gpu_lab_text(d, CLO_SPDM_DRIVER_VERSION, "550 90"))
CHANGE(driver_empty, gpu_lab_set(d, CLO_SPDM_DRIVER_VERSION, "", 1))
CHANGE(driver_behind, gpu_lab_set(d, CLO_SPDM_DRIVER_VERSION, "550.90.07\0x", 11))
CHANGE(driver_no_nul, gpu_lab_set(d, CLO_SPDM_DRIVER_VERSION, "550.90.07", 9))
CHANGE(vbios_none, gpu_lab_drop(d, CLO_SPDM_VBIOS_VERSION))
CHANGE(vbios_straight,
       gpu_lab_set(d, CLO_SPDM_VBIOS_VERSION, "\x96\x00\x74\x00\x1c\x00\x00\x00", 8))
CHANGE(vbios_more, gpu_lab_set(d, CLO_SPDM_VBIOS_VERSION, "\x00\x74\x00\x96\x1c\x01\x00\x00", 8))

static const struct row numbers[] = {
    {.id = "nonce-stale",
     .title = "The report answers another nonce",
     .basis = REQUEST "Nonce is the requester's",
     .lesson = "7",
     .change = nonce_stale,
     .fail = "gpu.nonce"},
    {.id = "nonce-zero",
     .title = "The report answers a nonce of zeros",
     .basis = REQUEST "Nonce is the requester's",
     .lesson = "42",
     .change = nonce_zero,
     .fail = "gpu.nonce"},
    {.id = "nonce-last-byte",
     .title = "The nonce differs in its last byte",
     .basis = REQUEST "Nonce is the requester's",
     .change = nonce_last,
     .fail = "gpu.nonce"},
    {.id = "nonce-of-second",
     .title = "The second of two GPUs answers another nonce: it is relayed",
     .basis = REQUEST "Nonce is the requester's",
     .lesson = "55",
     .gpus = 2,
     .change = nonce_of_second,
     .fail = "gpu.nonce"},
    {.id = "nonce-counting",
     .title = "Nothing is wrong; every byte of the nonce is another",
     .basis = REQUEST "Nonce",
     .change = nonce_counting},
    {.id = "nonce-reversed",
     .title = "The nonce stands backwards in the report",
     .basis = REQUEST "Nonce",
     .change = nonce_reversed,
     .fail = "gpu.nonce"},
    {.id = "nonce-not-given",
     .title = "The caller gave no nonce to compare",
     .basis = "docs/POLICY.md: nothing is accepted because nobody mentioned it",
     .lesson = "40 42",
     .change = nonce_unknown,
     .missing = "gpu.nonce"},
    {.id = "nonce-not-asked",
     .title = "The caller says that any nonce will do",
     .basis = "docs/LAB.md, expect_any",
     .change = nonce_any,
     .not_applicable = "gpu.nonce gpu.switches"},
    {.id = "distinct-same-report",
     .title = "One GPU is listed twice",
     .basis = POLICY "min: a device counts once",
     .lesson = "55",
     .gpus = 2,
     .change = same_twice,
     .fail = "gpu.distinct"},
    {.id = "distinct-same-brom",
     .title = "One boot ROM with two leaves is listed twice",
     .basis = CHAIN "the boot ROM's key is the device's own",
     .lesson = "55",
     .gpus = 2,
     .change = same_brom,
     .fail = "gpu.distinct"},
    {.id = "distinct-same-leaf",
     .title = "Two boot ROMs vouch for one key",
     .basis = CHAIN "the leaf's key is one device's",
     .lesson = "55",
     .gpus = 2,
     .change = same_leaf,
     .fail = "gpu.distinct"},
    {.id = "distinct-same-serial",
     .title = "Two leaves have one serial number, which is NVIDIA's ueid",
     .basis = "NVIDIA nvtrust, claim ueid",
     .lesson = "55",
     .gpus = 2,
     .change = same_serial,
     .fail = "gpu.distinct"},
    {.id = "distinct-same-of-eight",
     .title = "Of eight GPUs two are one",
     .basis = POLICY "min: a device counts once",
     .lesson = "55",
     .gpus = 8,
     .change = same_of_eight,
     .fail = "gpu.distinct"},
    {.id = "count-too-few",
     .title = "The policy wants two GPUs, and one is listed",
     .basis = POLICY "min",
     .lesson = "5",
     .change = one_more_wanted,
     .fail = "devices.count"},
    {.id = "count-too-many",
     .title = "The policy wants one GPU, and two are listed",
     .basis = POLICY "max",
     .gpus = 2,
     .change = one_less_wanted,
     .fail = "devices.count"},
    {.id = "count-in-range",
     .title = "The policy wants one to four GPUs, and three are listed",
     .basis = POLICY "min and max",
     .gpus = 3,
     .change = range_right},
    {.id = "count-none-wanted",
     .title = "The policy wants no GPU, and one is listed",
     .basis = POLICY "max",
     .change = none_wanted,
     .fail = "devices.count"},
    {.id = "count-switches-for-gpu",
     .title = "The policy wants a GPU beside two switches, which are listed alone",
     .basis = POLICY "min",
     .lesson = "5",
     .switches = 2,
     .change = gpu_wanted,
     .fail = "devices.count",
     .missing = "gpu.switches"},
    {.id = "count-switch-too-few",
     .title = "The policy wants three switches, and two are listed",
     .basis = POLICY "switches",
     .gpus = 1,
     .switches = 2,
     .change = switch_more_wanted,
     .fail = "devices.count"},
    {.id = "count-switch-too-many",
     .title = "The policy wants one switch, and two are listed",
     .basis = POLICY "switches",
     .gpus = 1,
     .switches = 2,
     .change = switch_less_wanted,
     .fail = "devices.count"},
    {.id = "count-no-report",
     .title = "Revocation answers came, and no report",
     .basis = "docs/POLICY.md, how a verdict comes about: what isn't there can't be judged",
     .lesson = "5",
     .finish = no_report,
     .missing = NOTHING},
    {.id = "driver-below-floor",
     .title = "The driver is a version below the floor",
     .basis = POLICY "min_driver",
     .lesson = "45",
     .change = driver_floor,
     .fail = "gpu.driver"},
    {.id = "driver-at-floor",
     .title = "The driver is at the floor, which is written with fewer digits",
     .basis = POLICY "min_driver",
     .change = driver_floor_same},
    {.id = "driver-as-number",
     .title = "The driver is 550.90 and the floor 550.100: numbers, not text",
     .basis = POLICY "min_driver",
     .change = driver_floor_ten,
     .fail = "gpu.driver"},
    {.id = "driver-not-a-version",
     .title = "The driver's version has a blank",
     .basis = OPAQUE "driver version (3)",
     .change = driver_text,
     .fail = "gpu.driver gpu.reference",
     .missing = NOT_MEASURED},
    {.id = "driver-empty",
     .title = "The driver's version is empty",
     .basis = OPAQUE "driver version (3)",
     .lesson = "42",
     .change = driver_empty,
     .fail = "gpu.driver gpu.reference",
     .missing = NOT_MEASURED},
    {.id = "driver-behind-nul",
     .title = "Something stands behind the zero byte that ends the driver's version",
     .basis = OPAQUE "driver version (3)",
     .lesson = "47",
     .change = driver_behind,
     .fail = "gpu.driver gpu.reference",
     .missing = NOT_MEASURED},
    {.id = "driver-without-nul",
     .title = "The driver's version fills its field",
     .basis = OPAQUE "driver version (3)",
     .change = driver_no_nul},
    {.id = "vbios-below-floor",
     .title = "The VBIOS is a version below the floor",
     .basis = POLICY "min_vbios",
     .lesson = "45",
     .change = vbios_floor,
     .fail = "gpu.vbios"},
    {.id = "vbios-at-floor",
     .title = "The VBIOS is at the floor",
     .basis = POLICY "min_vbios",
     .change = vbios_floor_same},
    {.id = "vbios-no-floor",
     .title = "The policy has no floor for the VBIOS: reference values decide",
     .basis = POLICY "min_vbios",
     .change = vbios_no_floor,
     .not_applicable = "gpu.vbios gpu.switches"},
    {.id = "vbios-of-switch",
     .title = "A switch's firmware is a version below the floor",
     .basis = POLICY "min_vbios",
     .lesson = "45",
     .gpus = 1,
     .switches = 1,
     .change = switch_floor,
     .fail = "gpu.vbios"},
    {.id = "vbios-none",
     .title = "The report names no VBIOS",
     .basis = OPAQUE "VBIOS version (6)",
     .change = vbios_none,
     .fail = "gpu.vbios gpu.reference",
     .missing = NOT_MEASURED},
    {.id = "vbios-straight",
     .title = "The VBIOS' bytes stand in the order in which they are printed",
     .basis = OPAQUE "VBIOS version (6) is a little-endian number",
     .change = vbios_straight,
     .fail = "gpu.vbios gpu.reference",
     .missing = NOT_MEASURED},
    {.id = "vbios-more",
     .title = "The VBIOS' number has a byte that can't be printed",
     .basis = OPAQUE "VBIOS version (6)",
     .change = vbios_more,
     .fail = "gpu.vbios gpu.reference",
     .missing = NOT_MEASURED},
};

/* ---- reference values and measurements ---- */

static void open_board(struct clo_reference *ref)
{
    ref->project[0] = ref->project_sku[0] = ref->chip_sku[0] = '\0';
}

/* References to two sets that name a part of the board each, and no more than the other. */
static void two_halves(struct gpu_recipe *r)
{
    r->reference[3] = r->reference[1];
    open_board(&r->reference[3]);
    r->reference[1].project_sku[0] = r->reference[1].chip_sku[0] = '\0';
    (void)snprintf(r->reference[3].chip_sku, sizeof r->reference[3].chip_sku, "882");
    r->want.references = 4;
}

/* A set for any board, with other values, beside the one of the very board. */
static void any_board_beside(struct gpu_recipe *r)
{
    r->reference[3] = r->reference[1];
    open_board(&r->reference[3]);
    r->reference[3].index[0].value[0][0] ^= 1;
    r->want.references = 4;
}

/* NVDEC0's status, and whether its measurement is the reference's. */
static void nvdec(struct gpu_recipe *r, const void *status, size_t n, bool right)
{
    if (n == 0)
        gpu_lab_drop(&r->device[0], CLO_SPDM_NVDEC0_STATUS);
    else
        gpu_lab_set(&r->device[0], CLO_SPDM_NVDEC0_STATUS, status, n);
    if (right)
        memset(r->device[0].value[35], 0x33, 48);
}

/* Keys, microcode and fuses of a developer's device measure as nothing that was released. */
static void devtools(struct gpu_recipe *r)
{
    static const size_t index[] = {0, 7, 12, 21};

    for (size_t i = 0; i < CLO_ARRAY_LEN(index); i++)
        memset(r->device[0].value[index[i]], 0xd0 + (int)i, 48);
}

/* As before the field and its predecessor. */
static void silent_of_mode(struct gpu_recipe *r)
{
    gpu_lab_drop(&r->device[0], CLO_SPDM_FEATURE_FLAG);
    gpu_lab_drop(&r->device[0], CLO_SPDM_PROTECTED_PCIE);
}

#define TEXT_OF(what, text) (void)snprintf((what), sizeof(what), "%s", (text))
CHANGE(driver_alone, r->want.references = 1)
CHANGE(vbios_alone, (r->want.reference = &r->reference[1], r->want.references = 1))
CHANGE(rim_other_driver, TEXT_OF(r->reference[0].version, "550.144.03"))
CHANGE(rim_other_vbios, TEXT_OF(r->reference[1].version, "96.00.5E.00.01"))
CHANGE(rim_other_arch, r->reference[0].arch = CLO_GPU_BLACKWELL)
CHANGE(rim_other_project, TEXT_OF(r->reference[1].project, "1011"))
CHANGE(rim_other_project_sku, TEXT_OF(r->reference[1].project_sku, "0201"))
CHANGE(rim_other_chip_sku, TEXT_OF(r->reference[1].chip_sku, "883"))
CHANGE(rim_other_id, TEXT_OF(r->reference[1].id, "anything"))
CHANGE(rim_any_board, open_board(&r->reference[1]))
CHANGE(rim_no_switch, r->want.references = 2)
CHANGE(rim_overlap, gpu_lab_index(&r->reference[1], 21, 0x25))
CHANGE(rim_skipped_alone, r->reference[0].active = (uint64_t)1 << 35)
CHANGE(measured_driver, d->value[21][47] ^= 1)
CHANGE(measured_vbios, d->value[0][0] ^= 0x80)
CHANGE(measured_last, d->value[63][0] ^= 1)
CHANGE(measured_second, r->device[1].value[7][20] ^= 1)
CHANGE(measured_unlisted, d->value[50][0] ^= 1)
CHANGE(measured_switch, r->device[1].value[30][0] ^= 1)
CHANGE(measured_first_alternative, memset(d->value[12], 0x77, 48))
CHANGE(measured_no_alternative, memset(d->value[12], 0x78, 48))
CHANGE(measured_neighbour, (memcpy(d->value[7], d->value[21], 48)))
CHANGE(measured_short, (d->hash_at = 8, d->hash_n = 32))
CHANGE(measured_long, (d->hash_at = 8, d->hash_n = 64))
CHANGE(measured_missing, d->blocks = 63)
CHANGE(measured_missing_switch, r->device[1].blocks = 30)
CHANGE(nvdec_on, nvdec(r, "\xaa", 1, false))
CHANGE(nvdec_on_right, nvdec(r, "\xaa", 1, true))
CHANGE(nvdec_off_right, nvdec(r, "\x55", 1, true))
CHANGE(nvdec_unknown, nvdec(r, "\x00", 1, false))
CHANGE(nvdec_long, nvdec(r, "\x55\x55", 2, false))
CHANGE(nvdec_none, nvdec(r, NULL, 0, false))
CHANGE(nvdec_none_right, nvdec(r, NULL, 0, true))

#define UNREFERENCED .fail = "gpu.reference", .missing = NOT_MEASURED
#define MISMEASURED  .fail = "gpu.measurements", .missing = "gpu.debug"

static const struct row measurements[] = {
    {.id = "reference-driver-alone",
     .title = "There are no reference values of the VBIOS",
     .basis = HELD "driver and VBIOS",
     .lesson = "58",
     .change = driver_alone,
     UNREFERENCED},
    {.id = "reference-vbios-alone",
     .title = "There are no reference values of the driver",
     .basis = HELD "driver and VBIOS",
     .lesson = "58",
     .change = vbios_alone,
     UNREFERENCED},
    {.id = "reference-other-driver",
     .title = "The reference values are another driver's",
     .basis = HELD "the RIM's version is the report's driver version (3)",
     .change = rim_other_driver,
     UNREFERENCED},
    {.id = "reference-other-vbios",
     .title = "The reference values are another VBIOS'",
     .basis = HELD "the RIM's version is the report's VBIOS version (6)",
     .change = rim_other_vbios,
     UNREFERENCED},
    {.id = "reference-other-architecture",
     .title = "The driver's reference values are Blackwell's",
     .basis = POLICY "arch",
     .change = rim_other_arch,
     UNREFERENCED},
    {.id = "reference-other-project",
     .title = "The VBIOS' reference values are another project's",
     .basis = HELD "project (17)",
     .change = rim_other_project,
     UNREFERENCED},
    {.id = "reference-other-project-sku",
     .title = "The VBIOS' reference values are of another project SKU",
     .basis = HELD "project SKU (18)",
     .change = rim_other_project_sku,
     UNREFERENCED},
    {.id = "reference-other-chip-sku",
     .title = "The VBIOS' reference values are of another chip SKU",
     .basis = HELD "chip SKU (15)",
     .change = rim_other_chip_sku,
     UNREFERENCED},
    {.id = "reference-other-id",
     .title = "Nothing is wrong; the RIM's id is another",
     .basis = POLICY "id is shown, and not believed",
     .change = rim_other_id},
    {.id = "reference-any-board",
     .title = "Nothing is wrong; the reference values leave the board open",
     .basis = POLICY "project, project_sku, chip_sku",
     .change = rim_any_board},
    {.id = "reference-of-the-board",
     .title = "Nothing is wrong; beside the board's values are others for any board",
     .basis = POLICY "project, project_sku, chip_sku",
     .change = any_board_beside},
    {.id = "reference-ambiguous",
     .title = "Two sets of reference values fit, and neither better than the other",
     .basis = POLICY "somebody has to choose",
     .change = two_halves,
     UNREFERENCED},
    {.id = "reference-no-switch",
     .title = "There are no reference values of the switch",
     .basis = POLICY "reference_values",
     .lesson = "58",
     .gpus = 1,
     .switches = 1,
     .change = rim_no_switch,
     UNREFERENCED},
    {.id = "reference-overlap",
     .title = "Driver and VBIOS have a value for one index, even if it is the same",
     .basis = HELD "an index active in both is an error",
     .change = rim_overlap,
     .fail = "gpu.reference"},
    {.id = "reference-only-skipped",
     .title = "The driver's only reference value is the one that is skipped",
     .basis = HELD "index 35",
     .lesson = "58",
     .change = rim_skipped_alone,
     UNREFERENCED},
    {.id = "measurement-driver",
     .title = "A measurement differs from the driver's reference value",
     .basis = HELD "every active index",
     .change = measured_driver,
     MISMEASURED},
    {.id = "measurement-vbios",
     .title = "A measurement differs from the VBIOS' reference value",
     .basis = HELD "every active index",
     .change = measured_vbios,
     MISMEASURED},
    {.id = "measurement-last",
     .title = "The last measurement differs",
     .basis = HELD "every active index",
     .change = measured_last,
     MISMEASURED},
    {.id = "measurement-second",
     .title = "A measurement of the second of two GPUs differs",
     .basis = HELD "every active index",
     .gpus = 2,
     .change = measured_second,
     MISMEASURED},
    {.id = "measurement-switch",
     .title = "A measurement of a switch differs",
     .basis = HELD "every active index",
     .gpus = 1,
     .switches = 1,
     .change = measured_switch,
     MISMEASURED},
    {.id = "measurement-unlisted",
     .title = "Nothing is wrong; a measurement without a reference value is another",
     .basis = HELD "active indexes alone",
     .change = measured_unlisted},
    {.id = "measurement-alternative",
     .title = "Nothing is wrong; the other of two alternatives is measured",
     .basis = HELD "any of Hash0 to Hashn",
     .change = measured_first_alternative},
    {.id = "measurement-no-alternative",
     .title = "None of two alternatives is measured",
     .basis = HELD "any of Hash0 to Hashn",
     .change = measured_no_alternative,
     MISMEASURED},
    {.id = "measurement-of-neighbour",
     .title = "Another index' reference value is measured",
     .basis = HELD "a value belongs to its index",
     .change = measured_neighbour,
     MISMEASURED},
    {.id = "measurement-short",
     .title = "A measurement has the first 32 bytes of its reference value",
     .basis = HELD "SHA-384",
     .change = measured_short,
     MISMEASURED},
    {.id = "measurement-long",
     .title = "Zero bytes stand behind a measurement's reference value",
     .basis = HELD "SHA-384",
     .lesson = "47",
     .change = measured_long,
     MISMEASURED},
    {.id = "measurement-missing",
     .title = "The report lacks the last measurement, which has a reference value",
     .basis = HELD "every active index",
     .lesson = "40",
     .change = measured_missing,
     MISMEASURED},
    {.id = "measurement-missing-switch",
     .title = "A switch's report lacks the last measurement",
     .basis = HELD "every active index",
     .lesson = "40",
     .gpus = 1,
     .switches = 1,
     .change = measured_missing_switch,
     MISMEASURED},
    {.id = "nvdec-on",
     .title = "The decoder is on, and its measurement differs",
     .basis = HELD "index 35, NVDEC0 status (11)",
     .change = nvdec_on,
     MISMEASURED},
    {.id = "nvdec-on-right",
     .title = "The decoder is on, and its measurement is right",
     .basis = HELD "index 35, NVDEC0 status (11)",
     .change = nvdec_on_right},
    {.id = "nvdec-off-right",
     .title = "The decoder is off, and its measurement is right all the same",
     .basis = HELD "index 35, NVDEC0 status (11)",
     .change = nvdec_off_right},
    {.id = "nvdec-unknown",
     .title = "The decoder's status has an unknown value, and its measurement differs",
     .basis = OPAQUE "NVDEC0 status (11) is 0xAA or 0x55",
     .change = nvdec_unknown,
     MISMEASURED},
    {.id = "nvdec-long",
     .title = "The decoder's status has two bytes, and its measurement differs",
     .basis = OPAQUE "NVDEC0 status (11)",
     .change = nvdec_long,
     MISMEASURED},
    {.id = "nvdec-none",
     .title = "The report has no status of the decoder, whose measurement differs",
     .basis = HELD "index 35, NVDEC0 status (11)",
     .lesson = "40",
     .change = nvdec_none,
     MISMEASURED},
    {.id = "nvdec-none-right",
     .title = "The report has no status of the decoder, whose measurement is right",
     .basis = HELD "index 35",
     .change = nvdec_none_right},
    {.id = "devtools",
     .title = "A GPU in the mode devtools: its firmware measures as nothing that was released",
     .basis = POLICY "gpu.debug follows from the measurements",
     .lesson = "6",
     .change = devtools,
     MISMEASURED},
};

/* ---- mode and switches ---- */

static void flag_of(struct gpu_recipe *r, const void *flag, size_t n)
{
    gpu_lab_set(&r->device[0], CLO_SPDM_FEATURE_FLAG, flag, n);
    r->want.modes = 7;
}

/* The mode of the first GPU alone. */
static void pcie_of(struct gpu_recipe *r, uint8_t status)
{
    gpu_lab_byte(&r->device[0], CLO_SPDM_PROTECTED_PCIE, status);
    r->want.modes = 7;
}

/* Each port of a GPU's leads to the same switch. */
static void one_switch_only(struct gpu_recipe *r, size_t gpu)
{
    struct gpu_lab_field *f = gpu_lab_field(&r->device[gpu], CLO_SPDM_PDI);

    for (size_t k = 0; k < 18; k++)
        memcpy(f->p + 8 * k, f->p, 8);
}

static void pdis_straight(struct gpu_recipe *r)
{
    struct gpu_lab_field *f = gpu_lab_field(&r->device[0], CLO_SPDM_PDI);

    for (size_t k = 0; k < 18; k++)
        bytes_reversed(f->p + 8 * k, 8);
}

static void switch_pdi(struct gpu_recipe *r, size_t device, const void *pdi, size_t n)
{
    gpu_lab_set(&r->device[device], CLO_SPDM_PDI, pdi, n);
}

CHANGE(mode_multi_unwanted, modes(r, CLO_GPU_MULTI, CLO_GPU_SINGLE))
CHANGE(mode_single_unwanted, modes(r, CLO_GPU_SINGLE, CLO_GPU_MULTI))
CHANGE(mode_pcie_unwanted, r->want.modes = 1u << CLO_GPU_SINGLE)
CHANGE(mode_single_for_pcie, (gpu_lab_mode(&r->device[1], CLO_GPU_SINGLE)))
CHANGE(mode_any, (modes(r, CLO_GPU_MULTI, CLO_GPU_MULTI), r->want.modes = 7))
CHANGE(flag_three, flag_of(r, "\3", 2))
CHANGE(flag_high, flag_of(r, "\0\1", 2))
CHANGE(flag_short, flag_of(r, "\0", 1))
CHANGE(flag_long, flag_of(r, "\0\0", 3))
CHANGE(pcie_unknown, pcie_of(r, 0x01))
CHANGE(pcie_against_flag, pcie_of(r, CLO_SPDM_ENABLED))
CHANGE(flag_against_pcie, flag_of(r, "\2", 2))
CHANGE(no_flag, gpu_lab_drop(d, CLO_SPDM_FEATURE_FLAG))
CHANGE(no_flag_pcie, (gpu_lab_drop(d, CLO_SPDM_FEATURE_FLAG),
                      gpu_lab_byte(d, CLO_SPDM_PROTECTED_PCIE, CLO_SPDM_ENABLED)))
CHANGE(no_flag_two,
       (gpu_lab_drop(d, CLO_SPDM_FEATURE_FLAG), gpu_lab_drop(&r->device[1], CLO_SPDM_FEATURE_FLAG)))
CHANGE(silent, silent_of_mode(r))
CHANGE(silent_unmeasured, (silent_of_mode(r), d->value[7][0] ^= 1))
CHANGE(silent_unwanted, (silent_of_mode(r), r->want.modes = 1u << CLO_GPU_MULTI))
CHANGE(switch_unlisted, (r->devices--, r->want.switches = 3))
CHANGE(switches_forgotten, (r->devices = 2, r->want.switches = 0))
CHANGE(switch_foreign, switch_pdi(r, 3, "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7", 8))
CHANGE(switch_foreign_more,
       (r->device[4] = r->device[3], r->device[4].key = r->device[4].leaf_key = 4,
        r->device[4].leaf_serial++, r->devices = 5, r->want.switches = 3,
        switch_pdi(r, 4, "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7", 8)))
CHANGE(switch_not_at_second, one_switch_only(r, 1))
CHANGE(switch_unnamed_by_gpu, gpu_lab_drop(&r->device[1], CLO_SPDM_PDI))
CHANGE(pdis_cut, gpu_lab_field(&r->device[1], CLO_SPDM_PDI)->n--)
CHANGE(pdis_byte_order, pdis_straight(r))
CHANGE(switch_nameless, gpu_lab_drop(&r->device[1], CLO_SPDM_PDI))
CHANGE(switch_name_long, gpu_lab_field(&r->device[1], CLO_SPDM_PDI)->n = 16)
CHANGE(switch_name_short, switch_pdi(r, 1, "\x50\x51\x52\x53\x54\x55\x56", 7))
CHANGE(switch_pdi_twice, (r->device[2] = r->device[1], r->device[2].key = r->device[2].leaf_key = 2,
                          r->device[2].leaf_serial++))

static const struct row layouts[] = {
    {.id = "mode-multi",
     .title = "The GPU works together with others, and the policy wants one by itself",
     .basis = OPAQUE "feature flag (36) is 1, MPT",
     .change = mode_multi_unwanted,
     .fail = "gpu.mode"},
    {.id = "mode-single",
     .title = "The GPU is by itself, and the policy wants those that work together",
     .basis = OPAQUE "feature flag (36) is 0, SPT",
     .change = mode_single_unwanted,
     .fail = "gpu.mode"},
    {.id = "mode-protected-pcie",
     .title = "The GPUs are in protected PCIe mode, and the policy wants them by themselves",
     .basis = OPAQUE "feature flag (36) is 2, PPCIE",
     .gpus = 2,
     .switches = 2,
     .change = mode_pcie_unwanted,
     .fail = "gpu.mode"},
    {.id = "mode-one-of-two",
     .title = "One of two GPUs isn't in protected PCIe mode",
     .basis = OPAQUE "feature flag (36)",
     .gpus = 2,
     .switches = 2,
     .change = mode_single_for_pcie,
     .fail = "gpu.mode"},
    {.id = "mode-any",
     .title = "The policy admits every mode",
     .basis = POLICY "modes",
     .change = mode_any},
    {.id = "mode-unknown",
     .title = "The feature flag has an unknown value, under a policy that admits every mode",
     .basis = OPAQUE "feature flag (36) is 0, 1 or 2",
     .change = flag_three,
     .fail = "gpu.mode"},
    {.id = "mode-high-byte",
     .title = "The feature flag's second byte isn't zero",
     .basis = OPAQUE "feature flag (36)",
     .change = flag_high,
     .fail = "gpu.mode"},
    {.id = "mode-short",
     .title = "The feature flag has one byte",
     .basis = OPAQUE "feature flag (36)",
     .change = flag_short,
     .fail = "gpu.mode"},
    {.id = "mode-long",
     .title = "The feature flag has three bytes",
     .basis = OPAQUE "feature flag (36)",
     .lesson = "47",
     .change = flag_long,
     .fail = "gpu.mode"},
    {.id = "mode-pcie-unknown",
     .title = "The status of protected PCIe has an unknown value",
     .basis = OPAQUE "protected PCIe status (21)",
     .change = pcie_unknown,
     .fail = "gpu.mode"},
    {.id = "mode-pcie-on-flag-single",
     .title = "Protected PCIe is on, and the feature flag says otherwise",
     .basis = OPAQUE "protected PCIe status (21), feature flag (36)",
     .change = pcie_against_flag,
     .fail = "gpu.mode"},
    {.id = "mode-pcie-off-flag-pcie",
     .title = "Protected PCIe is off, and the feature flag says otherwise",
     .basis = OPAQUE "protected PCIe status (21), feature flag (36)",
     .change = flag_against_pcie,
     .fail = "gpu.mode"},
    {.id = "mode-no-flag",
     .title = "Nothing is wrong; firmware without the feature flag says that protected PCIe is off",
     .basis = OPAQUE "protected PCIe status (21)",
     .change = no_flag},
    {.id = "mode-no-flag-pcie",
     .title =
         "Firmware without the feature flag says that protected PCIe is on, which the policy doesn't admit, nor are switches listed",
     .basis = OPAQUE "protected PCIe status (21)",
     .change = no_flag_pcie,
     .fail = "gpu.mode",
     .missing = "gpu.switches"},
    {.id = "mode-no-flag-switches",
     .title = "Nothing is wrong; GPUs behind switches have no feature flag",
     .basis = OPAQUE "protected PCIe status (21)",
     .gpus = 2,
     .switches = 2,
     .change = no_flag_two},
    {.id = "mode-silent",
     .title = "Nothing is wrong; the released firmware of the first days says nothing of its mode",
     .basis = POLICY "the mode single of drivers from before 550",
     .change = silent},
    {.id = "mode-silent-unmeasured",
     .title = "Firmware that isn't the released one says nothing of its mode",
     .basis = POLICY "the mode single of drivers from before 550",
     .lesson = "40",
     .change = silent_unmeasured,
     .fail = "gpu.measurements",
     .missing = "gpu.mode gpu.debug"},
    {.id = "mode-silent-multi",
     .title = "Firmware of the first days, and the policy wants GPUs that work together",
     .basis = POLICY "the mode single of drivers from before 550",
     .change = silent_unwanted,
     .fail = "gpu.mode"},
    {.id = "switch-unlisted",
     .title = "GPUs name four switches, and three are listed",
     .basis = OPAQUE "switch PDI (22)",
     .gpus = 2,
     .switches = 4,
     .change = switch_unlisted,
     .fail = "gpu.switches"},
    {.id = "switch-none-listed",
     .title =
         "GPUs in protected PCIe mode name two switches; none is listed, and the policy forgot to ask",
     .basis = POLICY "every switch that a GPU names has to be listed",
     .lesson = "40",
     .gpus = 2,
     .switches = 2,
     .change = switches_forgotten,
     .fail = "gpu.switches"},
    {.id = "switch-foreign",
     .title = "A switch is listed that no GPU names, in another's place",
     .basis = OPAQUE "switch PDI (22)",
     .lesson = "55",
     .gpus = 2,
     .switches = 2,
     .change = switch_foreign,
     .fail = "gpu.switches"},
    {.id = "switch-foreign-beside",
     .title = "A switch is listed that no GPU names, beside those that they name",
     .basis = OPAQUE "switch PDI (22)",
     .lesson = "55",
     .gpus = 2,
     .switches = 2,
     .change = switch_foreign_more,
     .fail = "gpu.switches"},
    {.id = "switch-not-at-every-gpu",
     .title = "The second GPU names one of two switches",
     .basis = POLICY "switches",
     .gpus = 2,
     .switches = 2,
     .change = switch_not_at_second,
     .fail = "gpu.switches"},
    {.id = "switch-no-list",
     .title = "The second GPU names no switches",
     .basis = OPAQUE "switch PDI (22)",
     .gpus = 2,
     .switches = 2,
     .change = switch_unnamed_by_gpu,
     .missing = "gpu.switches"},
    {.id = "switch-list-cut",
     .title = "The second GPU's list of switches lacks a byte",
     .basis = OPAQUE "switch PDI (22): eight bytes each",
     .gpus = 2,
     .switches = 2,
     .change = pdis_cut,
     .missing = "gpu.switches"},
    {.id = "switch-byte-order",
     .title = "The GPU names switches most significant byte first",
     .basis = OPAQUE "switch PDI (22) is little-endian in a GPU's report",
     .gpus = 1,
     .switches = 2,
     .change = pdis_byte_order,
     .fail = "gpu.switches"},
    {.id = "switch-nameless",
     .title = "A switch doesn't name itself",
     .basis = OPAQUE "switch PDI (22)",
     .gpus = 1,
     .switches = 1,
     .change = switch_nameless,
     .fail = "gpu.switches"},
    {.id = "switch-name-short",
     .title = "A switch's name has seven bytes",
     .basis = OPAQUE "switch PDI (22): eight bytes",
     .gpus = 1,
     .switches = 1,
     .change = switch_name_short,
     .fail = "gpu.switches"},
    {.id = "switch-name-long",
     .title = "Zero bytes stand behind a switch's name",
     .basis = OPAQUE "switch PDI (22): eight bytes",
     .lesson = "47",
     .gpus = 1,
     .switches = 1,
     .change = switch_name_long,
     .fail = "gpu.switches"},
    {.id = "switch-name-twice",
     .title = "Two switches have one name",
     .basis = OPAQUE "switch PDI (22)",
     .lesson = "55",
     .gpus = 1,
     .switches = 2,
     .change = switch_pdi_twice,
     .fail = "gpu.distinct gpu.switches"},
};

/* ---- policies ---- */

CHANGE(no_policy, r->no_policy = true)
CHANGE(no_policy_twice, (r->no_policy = true, r->device[1] = r->device[0]))
CHANGE(no_policy_mode, (r->no_policy = true, flag_of(r, "\3", 2)))

static const struct row policies[] = {
    {.id = "policy-none",
     .title = "No policy is given: the report is authentic, and nothing says what is right",
     .basis = "docs/POLICY.md: nothing is accepted because nobody mentioned it",
     .lesson = "26 40",
     .change = no_policy,
     .missing = POLICYS},
    {.id = "policy-none-twice",
     .title = "No policy is given, and none could count one GPU twice",
     .basis = POLICY "min: a device counts once",
     .lesson = "55",
     .gpus = 2,
     .change = no_policy_twice,
     .fail = "gpu.distinct",
     .missing = POLICYS},
    {.id = "policy-none-mode",
     .title = "No policy is given, and none could admit a mode that nobody knows",
     .basis = OPAQUE "feature flag (36)",
     .change = no_policy_mode,
     .fail = "gpu.mode",
     .missing =
         "policy.type devices.count gpu.architecture gpu.driver gpu.vbios gpu.reference gpu.measurements gpu.debug gpu.switches"},
    {.id = "policy-without-references",
     .title = "The policy has no reference values, so that it admits no device",
     .basis = POLICY "reference_values",
     .lesson = "26 58",
     .policy =
         "{'v':1,'name':'laboratory','tee':[],'devices':{'min':1,'architectures':['hopper'],'min_driver':'550.54.15'}}",
     .fail = "policy.type",
     .missing = NOTHING},
    {.id = "policy-of-tpms",
     .title = "The policy admits TPMs alone",
     .basis = "docs/POLICY.md, tee",
     .lesson = "26",
     .policy = "{'v':1,'name':'laboratory','tee':[],'devices':{'min':0},'tpm':{'pcrs':[]}}",
     .fail = "policy.type",
     .missing = NOTHING},
};

static void emit_all(struct lab *l, const struct row *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        emit(l, &row[i]);
}

void lab_cases_nvidia(struct lab *l)
{
    LAB_MUST(gpu_lab_open(NULL) == 0);
    emit_all(l, good, CLO_ARRAY_LEN(good));
    emit_all(l, bytes, CLO_ARRAY_LEN(bytes));
    emit_twice(l);
    emit_all(l, signatures, CLO_ARRAY_LEN(signatures));
    emit_all(l, chains, CLO_ARRAY_LEN(chains));
    emit_all(l, kinds, CLO_ARRAY_LEN(kinds));
    emit_all(l, revocation, CLO_ARRAY_LEN(revocation));
    emit_all(l, numbers, CLO_ARRAY_LEN(numbers));
    emit_all(l, measurements, CLO_ARRAY_LEN(measurements));
    emit_all(l, layouts, CLO_ARRAY_LEN(layouts));
    emit_all(l, policies, CLO_ARRAY_LEN(policies));
    (void)gpu_lab_close(NULL);
}
