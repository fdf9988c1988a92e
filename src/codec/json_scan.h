/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict JSON (RFC 8259) read in place, without building a tree: for signed documents, where the bytes that a signature covers have to be
 * exactly those that were read, and where reading must cost less than the signature. Everything is borrowed from the
 * text. The first error sticks, and everything after it reads as empty.
 *
 * Stricter than the RFC: ASCII only; a name has no escapes and comes once in its object. Members that the caller doesn't know are skipped,
 * and are checked all the same.
 *
 * Limits: CLO_SCAN_DEPTH_MAX levels, CLO_SCAN_MEMBERS_MAX members of one object. Fuzzed by fuzz/fuzz_tcb_info.c and fuzz/fuzz_qe_identity.c.
 */
#ifndef CLO_CODEC_JSON_SCAN_H
#define CLO_CODEC_JSON_SCAN_H

#include "base/rw.h"

#define CLO_SCAN_DEPTH_MAX   16
#define CLO_SCAN_MEMBERS_MAX 32

struct clo_scan {
    struct clo_rd rd;
    unsigned depth;
    int err;
};
struct clo_scan_text {
    const char *p;
    size_t n;
};
static inline struct clo_scan clo_scan_init(const void *p, size_t n)
{
    return (struct clo_scan){.rd = clo_rd_init(p, n)};
}
/* Is it exactly this word? */
bool clo_scan_is(struct clo_scan_text t, const char *word);
/* Make an error of the caller's own stick, unless there is one. */
void clo_scan_fail(struct clo_scan *s, int err);

/* An object's names so far. */
struct clo_scan_object {
    struct clo_scan_text name[CLO_SCAN_MEMBERS_MAX];
    size_t count;
};
/* Enter an object; then ask for members until there is none. What _member returned true for has to be read or skipped. */
void clo_scan_object(struct clo_scan *s, struct clo_scan_object *ret);
bool clo_scan_member(struct clo_scan *s, struct clo_scan_object *o, struct clo_scan_text *ret);
/* The same for an array; *count is how many elements were begun. */
void clo_scan_array(struct clo_scan *s, size_t *count);
bool clo_scan_element(struct clo_scan *s, size_t *count);

/* A string without escapes: printable ASCII. */
struct clo_scan_text clo_scan_string(struct clo_scan *s);
/* An integer in [0, max]. */
uint64_t clo_scan_uint(struct clo_scan *s, uint64_t max);
/* A string of exactly n bytes in hexadecimal, of either case. */
void clo_scan_hex(struct clo_scan *s, uint8_t *dst, size_t n);
/* Any one value; its text. */
struct clo_scan_text clo_scan_skip(struct clo_scan *s);
/* Where the next value begins. */
const uint8_t *clo_scan_here(struct clo_scan *s);
/* Nothing but white space is left: the first error, or 0. */
CLO_MUST_USE int clo_scan_end(struct clo_scan *s);

#endif
