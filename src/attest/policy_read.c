/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of a policy, read strictly: see policy_read.h.
 *
 * Limits: lists of CLO_POLICY_LIST_MAX values or CLO_POLICY_TEXTS_MAX texts. Fuzzed by fuzz/fuzz_policy.c.
 */
#include "attest/policy_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"

void clo_place_tell(struct clo_place *p, const char *name, const char *what)
{
    if (p->why[0] != '\0')
        return;
    (void)snprintf(p->why, p->cap, "%s%s: %s", p->path, name, what);
    for (char *c = p->why; *c != '\0'; c++)
        if (*c < 0x20 || *c > 0x7e)
            *c = '?';
}

void clo_place_fault(struct clo_place *p, const char *name, const char *what, int err)
{
    clo_place_tell(p, name, what);
    if (p->o.err == 0)
        p->o.err = err;
}

bool clo_place_good(struct clo_place *p, const char *name, const char *wanted)
{
    if (p->o.err != 0)
        clo_place_tell(p, name, wanted);
    return p->o.err == 0;
}

struct clo_place clo_place_enter(const json_t *v, const char *path, struct clo_place *parent)
{
    struct clo_place p = {clo_json_obj_init(v), path, parent->why, parent->cap};

    if (p.o.err != 0)
        clo_place_tell(&p, "*", "must be an object of at most 64 members");
    return p;
}

int clo_place_leave(struct clo_place *p, struct clo_place *parent)
{
    const char *key = NULL;
    json_t *v = NULL;
    unsigned i = 0;

    if (p->o.err == 0 && clo_json_obj_end(&p->o) != 0) {
        json_object_foreach((json_t *)(uintptr_t)p->o.v, key, v) {
            if (i < 64 && (p->o.seen >> i & 1) == 0)
                clo_place_tell(p, key, "there is no such member");
            i++;
        }
    }
    if (parent != NULL && parent->o.err == 0)
        parent->o.err = p->o.err;
    return p->o.err;
}

/* ---- members ---- */

const json_t *clo_place_object(struct clo_place *p, const char *name, bool need)
{
    const json_t *v = need ? clo_json_obj_need(&p->o, name, JSON_OBJECT)
                           : clo_json_obj_opt(&p->o, name, JSON_OBJECT);

    return clo_place_good(p, name, need ? "must be there, an object" : "must be an object") ? v
                                                                                            : NULL;
}

const json_t *clo_place_array(struct clo_place *p, const char *name, bool need, size_t max)
{
    const json_t *v = need ? clo_json_obj_need(&p->o, name, JSON_ARRAY)
                           : clo_json_obj_opt(&p->o, name, JSON_ARRAY);

    if (!clo_place_good(p, name, need ? "must be there, an array" : "must be an array"))
        return NULL;
    if (json_array_size(v) > max) {
        clo_place_fault(p, name, "has too many values", CLOISTER_E_LIMIT);
        return NULL;
    }
    return v;
}

bool clo_place_flag(struct clo_place *p, const char *name)
{
    bool v = clo_json_obj_opt_bool(&p->o, name, false);

    return clo_place_good(p, name, "must be true or false") && v;
}

uint8_t clo_place_level(struct clo_place *p, const char *name)
{
    int64_t v = clo_json_obj_int(&p->o, name, 0, 255);

    (void)clo_place_good(p, name, "must be there, a number from 0 to 255");
    return (uint8_t)v;
}

bool clo_place_text(struct clo_place *p, const char *name, bool need, char *ret, size_t cap)
{
    const char *s = need ? clo_json_obj_str(&p->o, name, cap - 1)
                         : clo_json_obj_opt_str(&p->o, name, cap - 1);

    if (!clo_place_good(p, name, need ? "must be there, a short text" : "must be a short text") ||
        s == NULL)
        return false;
    if (strpbrk(s, "\n\t") != NULL || !clo_text_is_printable(s, strlen(s))) {
        clo_place_fault(p, name, "must be printable text on one line", CLOISTER_E_MALFORMED);
        return false;
    }
    memcpy(ret, s, strlen(s) + 1);
    return true;
}

void clo_place_hex(struct clo_place *p, const char *name, void *ret, size_t n)
{
    char wanted[64];

    if (p->o.err != 0)
        return;
    clo_json_obj_hex(&p->o, name, ret, n);
    (void)snprintf(wanted, sizeof wanted, "must be there, %zu lower-case hexadecimal digits",
                   2 * n);
    (void)clo_place_good(p, name, wanted);
}

void clo_place_hex_list(struct clo_place *p, const char *name, size_t width,
                        struct clo_policy_list *l)
{
    const json_t *a = clo_place_array(p, name, false, CLO_POLICY_LIST_MAX);
    size_t n = json_array_size(a);

    l->width = width;
    if (a == NULL)
        return;
    l->given = true;
    if (n != 0 && (l->item = malloc(n * width)) == NULL) {
        clo_place_fault(p, name, "not enough memory", CLOISTER_E_MEMORY);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(a, i);
        uint8_t *item = l->item + i * width;

        if (!json_is_string(v) ||
            clo_unhex(json_string_value(v), json_string_length(v), item, width) != 0)
            clo_place_fault(p, name,
                            "has a value that isn't lower-case hexadecimal of the right length",
                            CLOISTER_E_MALFORMED);
        else if (clo_policy_list_has(l, item))
            clo_place_fault(p, name, "has a value twice", CLOISTER_E_DUPLICATE);
        if (p->o.err != 0)
            return;
        l->count++;
    }
}

void clo_place_texts(struct clo_place *p, const char *name, struct clo_policy_texts *l)
{
    const json_t *a = clo_place_array(p, name, false, CLO_POLICY_TEXTS_MAX);

    if (a == NULL)
        return;
    l->given = true;
    for (size_t i = 0; i < json_array_size(a); i++) {
        const char *s = json_string_value(json_array_get(a, i));

        if (s == NULL || *s == '\0' || strlen(s) >= sizeof l->text[0] ||
            !clo_text_is_printable(s, strlen(s))) {
            clo_place_fault(p, name, "has a value that isn't a short text", CLOISTER_E_MALFORMED);
            return;
        }
        if (clo_policy_texts_have(l, s)) {
            clo_place_fault(p, name, "has a value twice", CLOISTER_E_DUPLICATE);
            return;
        }
        memcpy(l->text[l->count++], s, strlen(s) + 1);
    }
}

/* The word's place in the list; list_n if it isn't there. */
static size_t word_at(const json_t *v, const struct clo_word *list, size_t list_n)
{
    const char *s = json_string_value(v);
    size_t w = 0;

    while (w < list_n && (s == NULL || strcmp(list[w].name, s) != 0))
        w++;
    return w;
}

bool clo_place_words(struct clo_place *p, const char *name, const struct clo_word *list,
                     size_t list_n, uint64_t ret[CLO_WORDS_MAX], size_t *count)
{
    const json_t *a = clo_place_array(p, name, false, SIZE_MAX);
    size_t n = 0;

    if (a == NULL)
        return false;
    for (size_t i = 0; i < json_array_size(a); i++) {
        const size_t w = word_at(json_array_get(a, i), list, list_n);

        if (w == list_n) {
            clo_place_fault(p, name, "has a word that this version doesn't know",
                            CLOISTER_E_UNKNOWN);
            return false;
        }
        for (size_t k = 0; k < n; k++) {
            if (ret[k] == list[w].value) {
                clo_place_fault(p, name, "has a word twice", CLOISTER_E_DUPLICATE);
                return false;
            }
        }
        ret[n++] = list[w].value; /* distinct words: never more than list_n */
    }
    *count = n;
    return true;
}

uint64_t clo_place_bits(struct clo_place *p, const char *name, const struct clo_word *list,
                        size_t list_n, uint64_t absent)
{
    uint64_t v[CLO_WORDS_MAX] = {0}, bits = 0;
    size_t n = 0;

    if (!clo_place_words(p, name, list, list_n, v, &n))
        return absent;
    for (size_t i = 0; i < n; i++)
        bits |= v[i];
    return bits;
}

uint64_t clo_place_word(struct clo_place *p, const char *name, bool need,
                        const struct clo_word *list, size_t list_n, uint64_t absent)
{
    const json_t *v = need ? clo_json_obj_need(&p->o, name, JSON_STRING)
                           : clo_json_obj_opt(&p->o, name, JSON_STRING);
    size_t w = 0;

    if (!clo_place_good(p, name, need ? "must be there, a word" : "must be a word") || v == NULL)
        return absent;
    if ((w = word_at(v, list, list_n)) < list_n)
        return list[w].value;
    clo_place_fault(p, name, "is a word that this version doesn't know", CLOISTER_E_UNKNOWN);
    return absent;
}

bool clo_place_event_log(struct clo_place *p)
{
    static const struct clo_word words[] = {{"required", 1}, {"if-present", 0}};

    return clo_place_word(p, "event_log", false, words, CLO_ARRAY_LEN(words), 0) == 1;
}

bool clo_policy_dotted(const char *s, uint8_t *ret, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned v = 0;
        size_t digits = strspn(s, "0123456789");

        if (digits < 1 || digits > 3 || (digits > 1 && *s == '0'))
            return false;
        for (size_t k = 0; k < digits; k++)
            v = v * 10 + (unsigned)(s[k] - '0');
        if (v > 255 || s[digits] != (i + 1 < count ? '.' : '\0'))
            return false;
        ret[i] = (uint8_t)v;
        s += digits + 1;
    }
    return true;
}
