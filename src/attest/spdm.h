/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's measurement report: the SPDM 1.1 request GET_MEASUREMENTS and behind it the response MEASUREMENTS (DMTF
 * DSP0274 1.1), with NVIDIA's fields in the response's opaque data. The parser says what the bytes are, and judges nothing
 * that the device claims.
 */
#ifndef CLO_ATTEST_SPDM_H
#define CLO_ATTEST_SPDM_H

#include "base/rw.h"

#define CLO_SPDM_NONCE_LEN  32
#define CLO_SPDM_BLOCKS_MAX 64
#define CLO_SPDM_FIELDS_MAX 64
#define CLO_SPDM_DIGEST_LEN 48
/* Zero bytes that may stand behind the signature: drivers hand out fixed buffers, and some tools their C strings. */
#define CLO_SPDM_PADDING_MAX 64

/* NVIDIA's names for what stands in the opaque data. */
enum clo_spdm_field_id {
    CLO_SPDM_DRIVER_VERSION = 3,
    CLO_SPDM_VBIOS_VERSION = 6,
    CLO_SPDM_NVDEC0_STATUS = 11,
    CLO_SPDM_CHIP_SKU = 15,
    CLO_SPDM_PROJECT = 17,
    CLO_SPDM_PROJECT_SKU = 18,
    CLO_SPDM_FWID = 20,
    CLO_SPDM_PROTECTED_PCIE = 21,
    CLO_SPDM_PDI = 22, /* a GPU's: of the switches at its ports; a switch's: its own */
    CLO_SPDM_OPAQUE_VERSION = 34,
    CLO_SPDM_FEATURE_FLAG = 36,
};
/* The two values that a status of one byte has. */
#define CLO_SPDM_DISABLED 0x55
#define CLO_SPDM_ENABLED  0xaa

struct clo_spdm_block {
    uint8_t type;
    uint16_t n;
    const uint8_t *p; /* borrowed */
};
struct clo_spdm_field {
    uint16_t id, n;
    const uint8_t *p; /* borrowed */
};
struct clo_spdm_report {
    uint8_t nonce[CLO_SPDM_NONCE_LEN]; /* the request's: what the report answers to */
    size_t signed_n; /* the signature covers this many bytes, from the first one */
    uint8_t r[48], s[48];
    size_t blocks; /* block i has index i + 1 */
    struct clo_spdm_block block[CLO_SPDM_BLOCKS_MAX];
    size_t fields;
    struct clo_spdm_field field[CLO_SPDM_FIELDS_MAX];
};
/*
 * Borrows the input. CLOISTER_E_UNSUPPORTED for another SPDM version, another request, or opaque data of a layout that isn't known
 * here; CLOISTER_E_DUPLICATE for a field that comes twice; CLOISTER_E_TRAILING for anything but a few zero bytes behind the signature.
 */
CLO_MUST_USE int clo_spdm_parse(const void *p, size_t n, struct clo_spdm_report *ret);
/* NULL if the report doesn't have it. */
const struct clo_spdm_field *clo_spdm_find(const struct clo_spdm_report *r,
                                           enum clo_spdm_field_id id);
/*
 * A field that is text, padded with zero bytes: letters, digits, dots, hyphens and underscores, at least one. CLOISTER_E_NOT_FOUND,
 * CLOISTER_E_MALFORMED, or CLOISTER_E_LIMIT if it doesn't fit.
 */
CLO_MUST_USE int clo_spdm_text(const struct clo_spdm_report *r, enum clo_spdm_field_id id,
                               char *dst, size_t cap);
/* "96.00.5E.00.01": GPUs send numbers, switches text. Results as clo_spdm_text. */
#define CLO_SPDM_VBIOS_LEN 15
CLO_MUST_USE int clo_spdm_vbios(const struct clo_spdm_report *r, char dst[CLO_SPDM_VBIOS_LEN]);

#endif
