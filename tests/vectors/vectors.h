/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading vectors out of $CLOISTER_VECTORS. Include after <cmocka.h>. A missing folder skips the test; a
 * missing member or bad hexadecimal inside a file that is there fails it.
 */
#ifndef CLO_TEST_VECTORS_H
#define CLO_TEST_VECTORS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <jansson.h>

#include "base/enc.h"

#define VEC_MAX 20480

struct vec {
    uint8_t p[VEC_MAX];
    size_t n;
};

/* The JSON document under the folder; the caller's to json_decref. */
static inline json_t *vec_load(const char *name)
{
    const char *folder = getenv("CLOISTER_VECTORS");
    char path[4096];
    json_t *doc = NULL;
    struct stat st;

    if (folder == NULL || stat(folder, &st) != 0)
        skip();
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    doc = json_load_file(path, 0, NULL);
    assert_non_null(doc);
    return doc;
}

static inline const char *vec_str(const json_t *object, const char *member)
{
    const char *s = json_string_value(json_object_get(object, member));

    assert_non_null(s);
    return s;
}

static inline unsigned vec_uint(const json_t *object, const char *member)
{
    const json_t *v = json_object_get(object, member);

    assert_true(json_is_integer(v));
    return (unsigned)json_integer_value(v);
}

static inline struct vec vec_unhex(const char *hex)
{
    struct vec v = {.n = strlen(hex) / 2};

    assert_true(v.n <= sizeof(v.p));
    assert_int_equal(clo_unhex(hex, strlen(hex), v.p, v.n), 0);
    return v;
}

static inline struct vec vec_hex(const json_t *object, const char *member)
{
    return vec_unhex(vec_str(object, member));
}

#endif
