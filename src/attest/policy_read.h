/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the readers of a policy's parts share: the object that is being read, its place in the document, and the sentence about the
 * first fault. Errors stick, so that a reader is a flat list of calls.
 *
 * A part's reader takes the place that it stands in, and the part's JSON; a fault inside becomes the outer place's.
 */
#ifndef CLO_ATTEST_POLICY_READ_H
#define CLO_ATTEST_POLICY_READ_H

#include "attest/policy.h"
#include "codec/json.h"

struct clo_place {
    struct clo_json_obj o;
    const char
        *path; /* "sev_snp.products.milan.": the caller's, for as long as the place is read */
    char *why; /* where the first fault is told; "" until then */
    size_t cap;
};
#define CLO_PLACE_PATH 96 /* enough for the path of every object of a policy */

/* Tell the first fault: a printable sentence, because a member's name comes from the file. */
void clo_place_tell(struct clo_place *p, const char *name, const char *what);
void clo_place_fault(struct clo_place *p, const char *name, const char *what, int err);
/* After a getter of codec/json.h: if it was the one that failed, say which member and what was wanted. */
bool clo_place_good(struct clo_place *p, const char *name, const char *wanted);
struct clo_place clo_place_enter(const json_t *v, const char *path, struct clo_place *parent);
/* Every member was asked for, or its name is told. The parent (NULL at the top) takes the error over. */
int clo_place_leave(struct clo_place *p, struct clo_place *parent);

/* ---- members; absent ones are left as they are, unless it is said otherwise ---- */

struct clo_word {
    const char *name;
    uint64_t value;
};
#define CLO_WORDS_MAX 16 /* of one closed list */

/* The object or NULL; with `need`, its absence is a fault. */
const json_t *clo_place_object(struct clo_place *p, const char *name, bool need);
/* The array or NULL; with `need`, its absence is a fault. One of more than max values is a fault, and NULL. */
const json_t *clo_place_array(struct clo_place *p, const char *name, bool need, size_t max);
/* Absent: false. */
bool clo_place_flag(struct clo_place *p, const char *name);
/* A number that has to be there. */
uint8_t clo_place_level(struct clo_place *p, const char *name);
/* Printable text on one line, as any that is shown to people. Returns whether it was there, and good. */
bool clo_place_text(struct clo_place *p, const char *name, bool need, char *ret, size_t cap);
/* Exactly n bytes in hexadecimal, which have to be there. */
void clo_place_hex(struct clo_place *p, const char *name, void *ret, size_t n);
/* An array of distinct hexadecimal values of `width` bytes; l->width is set even without one. */
void clo_place_hex_list(struct clo_place *p, const char *name, size_t width,
                        struct clo_policy_list *l);
/* An array of distinct short texts. */
void clo_place_texts(struct clo_place *p, const char *name, struct clo_policy_texts *l);
/* An array of distinct words out of a closed list: the values, in order. False: absent, or a fault. */
bool clo_place_words(struct clo_place *p, const char *name, const struct clo_word *list,
                     size_t list_n, uint64_t ret[CLO_WORDS_MAX], size_t *count);
/* Words that stand for bits, joined; `absent` if there is no such member. */
uint64_t clo_place_bits(struct clo_place *p, const char *name, const struct clo_word *list,
                        size_t list_n, uint64_t absent);
/* One word out of a closed list. */
uint64_t clo_place_word(struct clo_place *p, const char *name, bool need,
                        const struct clo_word *list, size_t list_n, uint64_t absent);
/* "event_log": "required" or "if-present". */
bool clo_place_event_log(struct clo_place *p);
/* "1.55.29": count numbers from 0 to 255 without leading zeros. */
bool clo_policy_dotted(const char *s, uint8_t *ret, size_t count);

/* ---- the parts ---- */

void clo_policy_read_snp(struct clo_place *parent, const json_t *v, struct clo_policy_snp *ret);
void clo_policy_read_tdx(struct clo_place *parent, const json_t *v, struct clo_policy_tdx *ret);
void clo_policy_read_sgx(struct clo_place *parent, const json_t *v, struct clo_policy_sgx *ret);
void clo_policy_read_azure(struct clo_place *parent, const json_t *v, struct clo_policy_azure *ret);
void clo_policy_read_tpm(struct clo_place *parent, const json_t *v, struct clo_policy_tpm *ret);
void clo_policy_read_devices(struct clo_place *parent, const json_t *v,
                             struct clo_policy_devices *ret);

#endif
