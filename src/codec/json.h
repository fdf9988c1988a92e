/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict JSON on top of jansson: UTF-8 only, duplicate members refused, no trailing bytes, bounded depth and size.
 *
 * An object is read with clo_json_obj_*: each getter marks its member as known, and clo_json_obj_end refuses whatever was not asked
 * for. Reading errors stick: the first one is returned by _end, so that a reader is a flat list of calls.
 *
 * Limits: CLO_JSON_DEPTH_MAX levels and CLO_JSON_VALUES_MAX values and names (checked before jansson sees the bytes). Fuzzed by fuzz/fuzz_json.c.
 */
#ifndef CLO_CODEC_JSON_H
#define CLO_CODEC_JSON_H

#include <jansson.h>

#include "base/rw.h"

#define CLO_JSON_DEPTH_MAX  64
#define CLO_JSON_VALUES_MAX (1u << 19)

/* n <= max, else CLOISTER_E_LIMIT; CLOISTER_E_DUPLICATE for a repeated member; other faults CLOISTER_E_MALFORMED. */
CLO_MUST_USE int clo_json_parse(const void *p, size_t n, size_t max, json_t **ret);
/* The line (from 1) at which a text that clo_json_parse found malformed, or a member twice in, goes wrong. */
int clo_json_fault_line(const void *p, size_t n);
/* Make jansson allocate from the wiping heap (base/secret.h); once, at the start of a process. */
void clo_json_use_wiping_heap(void);
/* Compact serialisation, members in insertion order, UTF-8. */
CLO_MUST_USE int clo_json_write(const json_t *v, struct clo_buf *out);
/* The same for people: one member a line. (What json_dumps returns is on jansson's own heap, and only it can free that.) */
CLO_MUST_USE int clo_json_write_text(const json_t *v, struct clo_buf *out);

struct clo_json_obj {
    const json_t *v;
    uint64_t seen; /* bit i: the i-th member of the object was asked for */
    int err;
};
/* v that isn't an object (or has more than 64 members) sets the error. */
struct clo_json_obj clo_json_obj_init(const json_t *v);
/* The member, or NULL with the error set (CLOISTER_E_MALFORMED) when it is absent, null or of another type. */
const json_t *clo_json_obj_need(struct clo_json_obj *o, const char *name, json_type type);
/* NULL without error when absent; null or another type is an error. For booleans pass JSON_TRUE. */
const json_t *clo_json_obj_opt(struct clo_json_obj *o, const char *name, json_type type);
/* Integer in [min, max]. */
int64_t clo_json_obj_int(struct clo_json_obj *o, const char *name, int64_t min, int64_t max);
int64_t clo_json_obj_opt_int(struct clo_json_obj *o, const char *name, int64_t min, int64_t max,
                             int64_t absent);
bool clo_json_obj_bool(struct clo_json_obj *o, const char *name);
bool clo_json_obj_opt_bool(struct clo_json_obj *o, const char *name, bool absent);
/* Borrowed zero-terminated string of at most max bytes without zero bytes; "" on error. */
const char *clo_json_obj_str(struct clo_json_obj *o, const char *name, size_t max);
const char *clo_json_obj_opt_str(struct clo_json_obj *o, const char *name,
                                 size_t max); /* NULL when absent */
/* Exactly n bytes of lower-case hex. */
void clo_json_obj_hex(struct clo_json_obj *o, const char *name, void *dst, size_t n);
/* base64url into a fresh buffer of at most max bytes. */
void clo_json_obj_b64(struct clo_json_obj *o, const char *name, size_t max, struct clo_buf *dst);
/* "v" must be 1: CLOISTER_E_UNKNOWN otherwise. */
void clo_json_obj_v1(struct clo_json_obj *o);
/* The first error, or CLOISTER_E_UNKNOWN if a member was not asked for. */
CLO_MUST_USE int clo_json_obj_end(struct clo_json_obj *o);

#endif
