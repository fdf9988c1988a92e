/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict JSON: what jansson leaves open is closed before it sees the bytes (depth, size, number of values), by its flags
 * (duplicates, trailing bytes, zero bytes in strings are refused) or by the reader of objects (unknown
 * members).
 */
#include "codec/json.h"

#include <errno.h>
#include <setjmp.h>
#include <string.h>

#include "base/enc.h"
#include "base/secret.h"

/*
 * jansson recurses once a level, and makes of `[]` and a comma 200 bytes. Each value but the first, and each name, stands behind a
 * bracket, comma or colon. Unbalanced or mismatched brackets are left for it to find.
 */
static int check_shape(struct clo_rd rd)
{
    size_t depth = 0, values = 0;
    bool in_string = false;

    for (size_t i = 0; i < rd.left; i++) {
        uint8_t c = rd.p[i];

        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (in_string)
            continue;
        else if ((c == '{' || c == '[') && ++depth > CLO_JSON_DEPTH_MAX)
            return CLOISTER_E_LIMIT;
        else if ((c == '}' || c == ']') && depth > 0)
            depth--;
        if (!in_string && (c == '{' || c == '[' || c == ',' || c == ':') &&
            ++values > CLO_JSON_VALUES_MAX)
            return CLOISTER_E_LIMIT;
    }
    return 0;
}

/*
 * Memory that runs out while jansson reads. Its lexer takes no notice when a token can't grow: it drops the byte and goes on, so that
 * a number loses a digit, and a string that loses its closing quote is read and written beyond its end. So the allocator doesn't
 * return then: it jumps out of the reading, and all blocks that this had got are freed. They are linked together until it has ended.
 */
struct block {
    _Alignas(max_align_t) struct block *prev;
    struct block *next;
};

static _Thread_local struct reading {
    struct block blocks; /* a ring */
    jmp_buf out_of_memory;
} * reading;

static void block_alone(struct block *b)
{
    b->prev = b->next = b;
}

static void *block_malloc(size_t n)
{
    struct block *b = n > SIZE_MAX - sizeof(*b) ? NULL : clo_wipe_malloc(sizeof(*b) + n);

    if (b == NULL) {
        if (reading != NULL)
            longjmp(reading->out_of_memory, 1);
        return NULL;
    }
    block_alone(b);
    if (reading != NULL) {
        b->prev = &reading->blocks;
        b->next = reading->blocks.next;
        b->next->prev = b;
        reading->blocks.next = b;
    }
    return b + 1;
}

static void block_free(void *p)
{
    struct block *b = p;

    if (p == NULL)
        return;
    b--;
    b->prev->next = b->next;
    b->next->prev = b->prev;
    clo_wipe_free(b);
}

/* No block refers to another any more: what was read may be freed piece by piece, by any thread. */
static void blocks_end(struct reading *r, bool discard)
{
    struct block *next = NULL;

    for (struct block *b = r->blocks.next; b != &r->blocks; b = next) {
        next = b->next;
        if (discard)
            clo_wipe_free(b);
        else
            block_alone(b);
    }
}

/* r is the caller's: what setjmp()'s own function changes meanwhile is indeterminate after a jump (C17 7.13.2.1). */
static int load_in(struct reading *r, const void *p, size_t n, json_error_t *error, json_t **ret)
{
    block_alone(&r->blocks);
    reading = r;
    if (setjmp(r->out_of_memory) != 0) {
        reading = NULL;
        blocks_end(r, true);
        return CLOISTER_E_MEMORY;
    }
    *ret = json_loadb(n == 0 ? "" : p, n, JSON_REJECT_DUPLICATES, error);
    reading = NULL;
    blocks_end(r, false);
    return 0;
}

static int load(const void *p, size_t n, json_error_t *error, json_t **ret)
{
    struct reading r;

    return load_in(&r, p, n, error, ret);
}

int clo_json_parse(const void *p, size_t n, size_t max, json_t **ret)
{
    json_error_t error = {0};
    json_t *v = NULL;
    int err = 0;

    if (n > max)
        return CLOISTER_E_LIMIT;
    if ((err = check_shape(clo_rd_init(p, n))) != 0 || (err = load(p, n, &error, &v)) != 0)
        return err;
    if (v == NULL) {
        switch (json_error_code(&error)) {
        case json_error_duplicate_key: return CLOISTER_E_DUPLICATE;
        case json_error_out_of_memory: return CLOISTER_E_MEMORY;
        default: return CLOISTER_E_MALFORMED;
        }
    }
    *ret = v;
    return 0;
}

int clo_json_fault_line(const void *p, size_t n)
{
    json_error_t error = {0};
    json_t *v = NULL;

    if (check_shape(clo_rd_init(p, n)) != 0 || load(p, n, &error, &v) != 0)
        return 1;
    json_decref(v);
    return error.line > 0 ? error.line : 1;
}

void clo_json_use_wiping_heap(void)
{
    json_set_alloc_funcs(block_malloc, block_free);
    /* The first object would otherwise read the hash seed from a file, perhaps behind a sandbox that has none. */
    json_object_seed(0);
}

static int write(const json_t *v, size_t flags, struct clo_buf *out)
{
    uint8_t *p = NULL;
    size_t n = 0;
    int err = 0;

    errno = 0;
    if ((n = json_dumpb(v, NULL, 0, flags)) == 0)
        return errno == ENOMEM ? CLOISTER_E_MEMORY : CLOISTER_E_ARGUMENT;
    if ((err = clo_buf_reserve(out, n, &p)) != 0)
        return err;
    if (json_dumpb(v, (char *)p, n, flags) != n)
        return CLOISTER_E_MEMORY;
    clo_buf_commit(out, n);
    return 0;
}

int clo_json_write(const json_t *v, struct clo_buf *out)
{
    return write(v, JSON_COMPACT | JSON_ENCODE_ANY, out);
}

int clo_json_write_text(const json_t *v, struct clo_buf *out)
{
    return write(v, JSON_INDENT(2) | JSON_ENCODE_ANY, out);
}

static void fail(struct clo_json_obj *o, int err)
{
    if (o->err == 0)
        o->err = err;
}

struct clo_json_obj clo_json_obj_init(const json_t *v)
{
    struct clo_json_obj o = {.v = v};

    if (!json_is_object(v))
        o.err = CLOISTER_E_MALFORMED;
    else if (json_object_size(v) > 64)
        o.err = CLOISTER_E_LIMIT;
    return o;
}

/* The member and its mark; NULL when absent or when there is no object to look into. */
static const json_t *find(struct clo_json_obj *o, const char *name)
{
    json_t *v = (json_t *)(uintptr_t)o->v; /* jansson's iterators lack const */
    const char *key = NULL;
    json_t *member = NULL;
    unsigned i = 0;

    if (!json_is_object(v))
        return NULL;
    json_object_foreach(v, key, member) {
        if (i < 64 && strcmp(key, name) == 0) {
            o->seen |= (uint64_t)1 << i;
            return member;
        }
        i++;
    }
    return NULL;
}

const json_t *clo_json_obj_opt(struct clo_json_obj *o, const char *name, json_type type)
{
    const json_t *v = find(o, name);

    if (v == NULL)
        return NULL;
    if (json_typeof(v) != type && !(type == JSON_TRUE && json_is_false(v))) {
        fail(o, CLOISTER_E_MALFORMED);
        return NULL;
    }
    return v;
}

const json_t *clo_json_obj_need(struct clo_json_obj *o, const char *name, json_type type)
{
    const json_t *v = clo_json_obj_opt(o, name, type);

    if (v == NULL)
        fail(o, CLOISTER_E_MALFORMED);
    return v;
}

static int64_t int_value(struct clo_json_obj *o, const json_t *v, int64_t min, int64_t max)
{
    if (json_integer_value(v) < min || json_integer_value(v) > max) {
        fail(o, CLOISTER_E_MALFORMED);
        return min;
    }
    return json_integer_value(v);
}

int64_t clo_json_obj_int(struct clo_json_obj *o, const char *name, int64_t min, int64_t max)
{
    const json_t *v = clo_json_obj_need(o, name, JSON_INTEGER);

    return v == NULL ? min : int_value(o, v, min, max);
}

int64_t clo_json_obj_opt_int(struct clo_json_obj *o, const char *name, int64_t min, int64_t max,
                             int64_t absent)
{
    const json_t *v = clo_json_obj_opt(o, name, JSON_INTEGER);

    return v == NULL ? absent : int_value(o, v, min, max);
}

bool clo_json_obj_bool(struct clo_json_obj *o, const char *name)
{
    return json_is_true(clo_json_obj_need(o, name, JSON_TRUE));
}

bool clo_json_obj_opt_bool(struct clo_json_obj *o, const char *name, bool absent)
{
    const json_t *v = clo_json_obj_opt(o, name, JSON_TRUE);

    return v == NULL ? absent : json_is_true(v);
}

static const char *str_value(struct clo_json_obj *o, const json_t *v, size_t max)
{
    const char *s = json_string_value(v);
    size_t n = json_string_length(v);

    if (n > max)
        fail(o, CLOISTER_E_LIMIT);
    else if (strlen(s) != n)
        fail(o, CLOISTER_E_MALFORMED);
    else
        return s;
    return "";
}

const char *clo_json_obj_str(struct clo_json_obj *o, const char *name, size_t max)
{
    const json_t *v = clo_json_obj_need(o, name, JSON_STRING);

    return v == NULL ? "" : str_value(o, v, max);
}

const char *clo_json_obj_opt_str(struct clo_json_obj *o, const char *name, size_t max)
{
    const json_t *v = clo_json_obj_opt(o, name, JSON_STRING);

    return v == NULL ? NULL : str_value(o, v, max);
}

void clo_json_obj_hex(struct clo_json_obj *o, const char *name, void *dst, size_t n)
{
    const json_t *v = clo_json_obj_need(o, name, JSON_STRING);
    int err = 0;

    if (v != NULL && (err = clo_unhex(json_string_value(v), json_string_length(v), dst, n)) != 0)
        fail(o, err);
}

void clo_json_obj_b64(struct clo_json_obj *o, const char *name, size_t max, struct clo_buf *dst)
{
    const json_t *v = clo_json_obj_need(o, name, JSON_STRING);
    size_t len = json_string_length(v);
    uint8_t *p = NULL;
    size_t n = 0;
    int err = 0;

    *dst = clo_buf_init(max);
    if (v == NULL)
        return;
    if ((err = clo_buf_reserve(dst, len / 4 * 3 + (len % 4 * 3) / 4, &p)) != 0 ||
        (err = clo_unb64(json_string_value(v), len, p, max, &n)) != 0) {
        clo_buf_clear(dst);
        fail(o, err);
        return;
    }
    clo_buf_commit(dst, n);
}

void clo_json_obj_v1(struct clo_json_obj *o)
{
    const json_t *v = find(o, "v");

    if (!json_is_integer(v) || json_integer_value(v) != 1)
        fail(o, CLOISTER_E_UNKNOWN);
}

int clo_json_obj_end(struct clo_json_obj *o)
{
    size_t n = json_object_size(o->v);

    if (o->err == 0 && o->seen != (n >= 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1))
        o->err = CLOISTER_E_UNKNOWN;
    return o->err;
}
