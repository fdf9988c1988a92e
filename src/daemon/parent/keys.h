/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key store: which API keys hold, and on what terms (cloister-keys(5)). It has digests, no keys: whoever reads it, or a copy
 * of it, can't ask anything. A plain SHA-256 suffices because a key is 256 random bits: what slows down guessing, salt and a
 * costly function, is for passwords that can be guessed.
 *
 * Reading is strict: unknown or repeated members, repeated ids, labels or digests, and numbers out of bounds are refused, never
 * skipped. Limits: CLO_KEYS_FILE_MAX bytes, CLO_CREDENTIALS_MAX keys. Fuzzed by fuzz/fuzz_keys.c.
 */
#ifndef CLO_DAEMON_KEYS_H
#define CLO_DAEMON_KEYS_H

#include "daemon/parent/config.h"

#define CLO_KEYS_FILE_MAX (2u << 20)
#define CLO_KEY_ID_LEN    8
#define CLO_KEY_LABEL_MAX 64
/* The last second of the year 9999, the last one that has a date of the usual form. */
#define CLO_TIME_MAX 253402300799

struct clo_key {
    char id[CLO_KEY_ID_LEN + 1];       /* lower-case hex */
    char label[CLO_KEY_LABEL_MAX + 1]; /* "": none */
    int64_t created;                   /* Unix s */
    struct clo_credential_terms terms;
};
/* {0} is an empty store. */
struct clo_keys {
    struct clo_key *at;
    uint32_t count;
};
void clo_keys_clear(struct clo_keys *k);

/*
 * Text of a store. *ret_key (may be NULL) is the number, from 1, of the key at fault; 0: the fault is in the whole.
 * CLOISTER_E_UNKNOWN: another version, or a member that this one doesn't know; CLOISTER_E_DUPLICATE; CLOISTER_E_LIMIT;
 * CLOISTER_E_MALFORMED.
 */
CLO_MUST_USE int clo_keys_parse(const void *p, size_t n, struct clo_keys *ret, uint32_t *ret_key);
/* One key a line. */
CLO_MUST_USE int clo_keys_write(const struct clo_keys *k, struct clo_buf *out);

/* A label: printable, one line, at most CLO_KEY_LABEL_MAX bytes, and nothing that could be an id. */
bool clo_key_label_ok(const char *label, size_t n);
/* CLOISTER_E_DUPLICATE (id, label or digest is there), CLOISTER_E_FULL. */
CLO_MUST_USE int clo_keys_add(struct clo_keys *k, const struct clo_key *key);
/* By id or label; NULL: there is none. */
const struct clo_key *clo_keys_find(const struct clo_keys *k, const char *name);
void clo_keys_remove(struct clo_keys *k, const struct clo_key *key);

/* What the file says. It must be a regular file that only its owner can read. */
CLO_MUST_USE int clo_keys_load(const char *file, struct clo_keys *ret, struct clo_problem *problem);

/*
 * A store that is being changed: locked against others that change it, from _open to _close. _save replaces the file as a whole:
 * who reads sees the old one or the new one, also after a crash. _open of a file that doesn't exist is an empty store if `make`.
 */
struct clo_keys_edit {
    char file[CLO_STR_MAX]; /* without links */
    int dir;                /* its folder, which bears the lock */
    uint32_t owner, group;
    struct clo_keys keys;
};
CLO_MUST_USE int clo_keys_edit_open(const char *file, bool make, struct clo_keys_edit *ret,
                                    struct clo_problem *problem);
CLO_MUST_USE int clo_keys_edit_save(struct clo_keys_edit *e, struct clo_problem *problem);
void clo_keys_edit_close(struct clo_keys_edit *e);

/* `cloisterd key ...`: argv[0] is "key". Returns the exit status. */
int clo_key_command(int argc, char *const argv[]);

#endif
