/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate table that a host gives beside an SEV-SNP report, as AMD's GHCB specification lays it out. */
#ifndef CLO_TESTS_CERT_TABLE_H
#define CLO_TESTS_CERT_TABLE_H

#include <stdlib.h>
#include <string.h>

#include "base/rw.h"

#define CERT_TABLE_VCEK "63da758d-e664-4564-adc5-f4b93be8accd"
#define CERT_TABLE_VLEK "a8074bc2-a25a-483e-aae6-39c045a0b8a1"
#define CERT_TABLE_ASK  "4ab7b379-bbac-4fe4-a02f-05aef327c782"
#define CERT_TABLE_ARK  "c0b406a4-a803-4952-9743-3fb6014cd0ae"
#define CERT_TABLE_CRL  "92f81bc3-5811-4d3d-97ff-d19f88dc67ea"

struct cert_table_entry {
    const char *guid;
    const void *p;
    size_t n;
};

/* Sixteen bytes, offset, length. */
static inline int cert_table_entry(const char *guid, uint32_t offset, uint32_t length,
                                   struct clo_buf *out)
{
    uint8_t raw[24];
    size_t at = 0;

    for (const char *s = guid; *s != '\0' && at < 16; s += s[2] == '-' ? 3 : 2) {
        const char digits[3] = {s[0], s[1], '\0'};

        raw[at++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    for (size_t i = 0; i < 4; i++) {
        raw[16 + i] = (uint8_t)(offset >> (8 * i));
        raw[20 + i] = (uint8_t)(length >> (8 * i));
    }
    return clo_buf_append(out, raw, sizeof raw);
}

/* Entries, the zero one, and the certificates in the same order. Appended to out, which is empty. */
static inline int cert_table_make(const struct cert_table_entry *e, size_t count,
                                  struct clo_buf *out)
{
    static const uint8_t end[24];
    uint32_t at = (uint32_t)(24 * (count + 1));
    int err = 0;

    for (size_t i = 0; i < count && err == 0; i++) {
        err = cert_table_entry(e[i].guid, at, (uint32_t)e[i].n, out);
        at += (uint32_t)e[i].n;
    }
    if (err == 0)
        err = clo_buf_append(out, end, sizeof end);
    for (size_t i = 0; i < count && err == 0; i++)
        err = clo_buf_append(out, e[i].p, e[i].n);
    return err;
}

#endif
