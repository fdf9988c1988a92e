/* SPDX-License-Identifier: Apache-2.0 */
/* The key store: its text, and the file that holds it. */
#include "daemon/parent/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/enc.h"
#include "codec/json.h"

void clo_keys_clear(struct clo_keys *k)
{
    free(k->at);
    *k = (struct clo_keys){0};
}

/* ---- the text ---- */

static bool is_id(const char *s, size_t n)
{
    return n == CLO_KEY_ID_LEN && strspn(s, "0123456789abcdef") >= n;
}

bool clo_key_label_ok(const char *label, size_t n)
{
    return n > 0 && n <= CLO_KEY_LABEL_MAX && clo_text_is_printable(label, n) &&
           memchr(label, '\n', n) == NULL && memchr(label, '\t', n) == NULL && !is_id(label, n);
}

static int read_key(const json_t *v, struct clo_key *ret)
{
    struct clo_json_obj o = clo_json_obj_init(v);
    const char *id = clo_json_obj_str(&o, "id", CLO_KEY_ID_LEN);
    const char *label = clo_json_obj_opt_str(&o, "label", CLO_KEY_LABEL_MAX);
    struct clo_key k = {0};
    int err;

    clo_json_obj_hex(&o, "sha256", k.terms.digest, sizeof k.terms.digest);
    k.created = clo_json_obj_int(&o, "created", 0, CLO_TIME_MAX);
    k.terms.expires = clo_json_obj_opt_int(&o, "expires", 1, CLO_TIME_MAX, 0);
    k.terms.requests_minute = (uint32_t)clo_json_obj_opt_int(&o, "requests_per_minute", 1,
                                                             UINT32_MAX, 0);
    k.terms.tokens_day = (uint64_t)clo_json_obj_opt_int(&o, "tokens_per_day", 1, INT64_MAX, 0);
    k.terms.parallel = (uint32_t)clo_json_obj_opt_int(&o, "parallel", 1, UINT32_MAX, 0);
    if ((err = clo_json_obj_end(&o)) != 0)
        return err;
    if (!is_id(id, strlen(id)) || (label != NULL && !clo_key_label_ok(label, strlen(label))))
        return CLOISTER_E_MALFORMED;
    snprintf(k.id, sizeof k.id, "%s", id);
    snprintf(k.label, sizeof k.label, "%s", label != NULL ? label : "");
    *ret = k;
    return 0;
}

int clo_keys_add(struct clo_keys *k, const struct clo_key *key)
{
    struct clo_key *at = NULL;

    for (uint32_t i = 0; i < k->count; i++)
        if (memcmp(k->at[i].terms.digest, key->terms.digest, sizeof key->terms.digest) == 0 ||
            strcmp(k->at[i].id, key->id) == 0 ||
            (key->label[0] != 0 && strcmp(k->at[i].label, key->label) == 0))
            return CLOISTER_E_DUPLICATE;
    if (k->count == CLO_CREDENTIALS_MAX)
        return CLOISTER_E_FULL;
    if ((at = realloc(k->at, (k->count + 1) * sizeof *at)) == NULL)
        return CLOISTER_E_MEMORY;
    k->at = at;
    k->at[k->count++] = *key;
    return 0;
}

int clo_keys_parse(const void *p, size_t n, struct clo_keys *ret, uint32_t *ret_key)
{
    struct clo_keys keys = {0};
    struct clo_json_obj o;
    const json_t *list = NULL;
    json_t *doc = NULL;
    uint32_t at = 0;
    int err;

    if ((err = clo_json_parse(p, n, CLO_KEYS_FILE_MAX, &doc)) != 0)
        goto out;
    o = clo_json_obj_init(doc);
    clo_json_obj_v1(&o);
    list = clo_json_obj_need(&o, "keys", JSON_ARRAY);
    if ((err = clo_json_obj_end(&o)) != 0)
        goto out;
    if (json_array_size(list) > CLO_CREDENTIALS_MAX) {
        err = CLOISTER_E_LIMIT;
        goto out;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct clo_key k = {0};

        at = (uint32_t)i + 1;
        if ((err = read_key(json_array_get(list, i), &k)) != 0 ||
            (err = clo_keys_add(&keys, &k)) != 0)
            goto out;
    }
    *ret = keys;
    keys = (struct clo_keys){0};
out:
    if (err != 0 && ret_key != NULL)
        *ret_key = at;
    clo_keys_clear(&keys);
    json_decref(doc);
    return err;
}

/* json_object_set_new takes NULL for a failure */
static int set_number(json_t *o, const char *name, uint64_t v)
{
    if (v == 0)
        return 0;
    return json_object_set_new(o, name, json_integer((json_int_t)v)) == 0 ? 0 : CLOISTER_E_MEMORY;
}

static int write_key(const struct clo_key *k, struct clo_buf *out)
{
    json_t *o = json_object();
    char digest[65];
    int err = CLOISTER_E_MEMORY;

    clo_hex(k->terms.digest, sizeof k->terms.digest, digest);
    if (o == NULL || json_object_set_new(o, "id", json_string(k->id)) != 0 ||
        (k->label[0] != 0 && json_object_set_new(o, "label", json_string(k->label)) != 0) ||
        json_object_set_new(o, "sha256", json_string(digest)) != 0 ||
        json_object_set_new(o, "created", json_integer(k->created)) != 0)
        goto out;
    if ((err = set_number(o, "expires", (uint64_t)k->terms.expires)) != 0 ||
        (err = set_number(o, "requests_per_minute", k->terms.requests_minute)) != 0 ||
        (err = set_number(o, "tokens_per_day", k->terms.tokens_day)) != 0 ||
        (err = set_number(o, "parallel", k->terms.parallel)) != 0)
        goto out;
    err = clo_json_write(o, out);
out:
    json_decref(o);
    return err;
}

static int put(struct clo_buf *out, const char *s)
{
    return clo_buf_append(out, s, strlen(s));
}

int clo_keys_write(const struct clo_keys *k, struct clo_buf *out)
{
    int err = put(out, "{\"v\":1,\"keys\":[");

    for (uint32_t i = 0; err == 0 && i < k->count; i++)
        if ((err = put(out, i == 0 ? "\n" : ",\n")) == 0)
            err = write_key(&k->at[i], out);
    return err != 0 ? err : put(out, "\n]}\n");
}

const struct clo_key *clo_keys_find(const struct clo_keys *k, const char *name)
{
    for (uint32_t i = 0; i < k->count; i++)
        if (strcmp(k->at[i].id, name) == 0 || (name[0] != 0 && strcmp(k->at[i].label, name) == 0))
            return &k->at[i];
    return NULL;
}

void clo_keys_remove(struct clo_keys *k, const struct clo_key *key)
{
    const size_t i = (size_t)(key - k->at);

    k->count--;
    memmove(k->at + i, k->at + i + 1, (k->count - i) * sizeof *k->at);
}

/* ---- the file ---- */

static int read_all(int fd, const char *file, struct clo_buf *ret, struct clo_problem *problem)
{
    uint8_t *at = NULL;
    ssize_t got = -1;

    while (got != 0) {
        if (clo_buf_reserve(ret, 4096, &at) != 0)
            return clo_problem_set(problem, "the key store %s is larger than %u bytes", file,
                                   CLO_KEYS_FILE_MAX);
        if ((got = read(fd, at, 4096)) < 0 && errno != EINTR)
            return clo_problem_set(problem, "the key store %s can't be read (%s)", file,
                                   strerror(errno));
        if (got > 0)
            clo_buf_commit(ret, (size_t)got);
    }
    return 0;
}

static int parse_file(const struct clo_buf *text, const char *file, struct clo_keys *ret,
                      struct clo_problem *problem)
{
    uint32_t key = 0;
    size_t i = 0;
    int err = clo_keys_parse(text->p, text->len, ret, &key);

    if (err == 0)
        return 0;
    while (i < text->len && strchr(" \t\r\n", text->p[i]) != NULL && text->p[i] != 0)
        i++;
    if (i == text->len)
        return clo_problem_set(
            problem, "the key store %s is empty: remove it, and make it with `cloisterd key add`",
            file);
    if (text->p[i] != '{')
        return clo_problem_set(
            problem,
            "%s is no key store (keys in the clear, one a line, aren't read any more): make one with `cloisterd key add "
            "--from-file %s --api-keys NEW-FILE` and give that to --api-keys",
            file, file);
    if (key != 0)
        return clo_problem_set(
            problem, "%s: key %u %s: see cloister-keys(5)", file, key,
            err == CLOISTER_E_DUPLICATE ? "has the id, label or digest of another"
            : err == CLOISTER_E_UNKNOWN ? "has a member that this version doesn't know"
                                        : "lacks a member, or has an unfit one");
    if (err == CLOISTER_E_UNKNOWN)
        return clo_problem_set(problem,
                               "%s is a key store of another version: see cloister-keys(5)", file);
    if (err == CLOISTER_E_LIMIT)
        return clo_problem_set(problem, "%s holds more than %d keys", file, CLO_CREDENTIALS_MAX);
    return clo_problem_set(problem, "%s, line %d: this is no key store: see cloister-keys(5)", file,
                           clo_json_fault_line(text->p, text->len));
}

static int load(int fd, const char *file, struct clo_keys *ret, struct clo_problem *problem)
{
    struct clo_buf text = clo_buf_init(CLO_KEYS_FILE_MAX + 4096);
    struct stat st = {0};
    int err = 0;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        err = clo_problem_set(problem, "the key store %s isn't a file: correct --api-keys", file);
    else if ((st.st_mode & 077) != 0)
        err = clo_problem_set(problem, "others can read the key store %s: run chmod 600 on it",
                              file);
    if (err == 0 && (err = read_all(fd, file, &text, problem)) == 0)
        err = parse_file(&text, file, ret, problem);
    clo_buf_clear(&text);
    return err;
}

int clo_keys_load(const char *file, struct clo_keys *ret, struct clo_problem *problem)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int err;

    if (fd < 0)
        return clo_problem_set(
            problem, "the key store %s can't be read (%s): %s", file, strerror(errno),
            errno == ENOENT ? "make it with `cloisterd key add`" : "correct --api-keys");
    err = load(fd, file, ret, problem);
    close(fd);
    return err;
}

/* ---- changing it ---- */

/* Links are followed once, so that the file behind them is replaced and not the link. */
static int take_name(const char *file, char ret[CLO_STR_MAX], struct clo_problem *problem)
{
    char *real = realpath(file, NULL);
    const char *name = real != NULL ? real : file;
    struct stat st = {0};
    int err = 0;

    if (real == NULL && errno == ENOENT && lstat(file, &st) == 0)
        err = clo_problem_set(
            problem, "the key store %s is a link to what isn't there: remove it, or correct it",
            file);
    else if (real == NULL && errno != ENOENT)
        err = clo_problem_set(problem, "the key store %s can't be reached (%s)", file,
                              strerror(errno));
    else if (strlen(name) + sizeof ".XXXXXX" > CLO_STR_MAX)
        err = clo_problem_set(problem, "the key store's name is longer than %zu bytes",
                              CLO_STR_MAX - sizeof ".XXXXXX");
    else
        snprintf(ret, CLO_STR_MAX, "%s", name);
    free(real);
    return err;
}

/* A change takes milliseconds. Whoever has the folder locked for longer is worth a word: any user who can read it could. */
static int take_lock(int dir, const char *folder)
{
    static const struct timespec nap = {.tv_nsec = 20000000};

    for (unsigned i = 0; i < 25; i++) {
        if (flock(dir, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK)
            return -1;
        (void)nanosleep(&nap, NULL);
    }
    fprintf(stderr, "cloisterd: waiting for another program, which holds the lock of %s.\n",
            folder);
    return flock(dir, LOCK_EX);
}

static int lock_folder(struct clo_keys_edit *e, struct clo_problem *problem)
{
    char folder[CLO_STR_MAX] = ".";
    const char *slash = strrchr(e->file, '/');

    if (slash != NULL)
        snprintf(folder, sizeof folder, "%.*s", slash == e->file ? 1 : (int)(slash - e->file),
                 e->file);
    e->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (e->dir >= 0 && take_lock(e->dir, folder) == 0)
        return 0;
    return clo_problem_set(problem, "the folder %s can't be used (%s)%s", folder, strerror(errno),
                           errno == ENOENT ? ": make it first" : "");
}

int clo_keys_edit_open(const char *file, bool make, struct clo_keys_edit *ret,
                       struct clo_problem *problem)
{
    struct clo_keys_edit e = {.dir = -1, .owner = geteuid(), .group = getegid()};
    struct stat st = {0};
    int fd = -1, err;

    if ((err = take_name(file, e.file, problem)) != 0 || (err = lock_folder(&e, problem)) != 0)
        goto out;
    fd = open(e.file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT && make)
        goto out;
    if (fd < 0) {
        err = clo_problem_set(problem, "the key store %s can't be read (%s)", e.file,
                              strerror(errno));
        goto out;
    }
    err = load(fd, e.file, &e.keys, problem);
    if (err == 0 && fstat(fd, &st) == 0) {
        e.owner = st.st_uid;
        e.group = st.st_gid;
    }
out:
    if (fd >= 0)
        close(fd);
    if (err == 0)
        *ret = e;
    else
        clo_keys_edit_close(&e);
    return err;
}

static bool write_all(int fd, const struct clo_buf *text)
{
    struct clo_rd rd = clo_rd_init(text->p, text->len);

    while (rd.left > 0) {
        ssize_t n = write(fd, rd.p, rd.left);

        if ((n < 0 && errno != EINTR) || (n > 0 && clo_rd_skip(&rd, (size_t)n) != 0))
            return false;
    }
    return true;
}

int clo_keys_edit_save(struct clo_keys_edit *e, struct clo_problem *problem)
{
    struct clo_buf text = clo_buf_init(CLO_KEYS_FILE_MAX);
    char draft[CLO_STR_MAX + 8];
    int fd = -1, err;

    snprintf(draft, sizeof draft, "%s.XXXXXX", e->file);
    if ((err = clo_keys_write(&e->keys, &text)) != 0) {
        err = clo_problem_set(problem, "the key store would be larger than %u bytes",
                              CLO_KEYS_FILE_MAX);
        goto out;
    }
    /* mkostemp's mode is 0600. Root writes for the user whom the file belongs to. */
    if ((fd = mkostemp(draft, O_CLOEXEC)) < 0 ||
        ((e->owner != geteuid() || e->group != getegid()) && fchown(fd, e->owner, e->group) != 0) ||
        !write_all(fd, &text) || fsync(fd) != 0 || rename(draft, e->file) != 0) {
        err = clo_problem_set(problem, "the key store %s can't be written (%s): it stays as it was",
                              e->file, strerror(errno));
        if (fd >= 0)
            (void)unlink(draft);
        goto out;
    }
    if (fsync(e->dir) != 0)
        err = clo_problem_set(problem, "the key store %s may not be on the disk yet (%s)", e->file,
                              strerror(errno));
out:
    if (fd >= 0)
        close(fd);
    clo_buf_clear(&text);
    return err;
}

void clo_keys_edit_close(struct clo_keys_edit *e)
{
    if (e->dir >= 0)
        close(e->dir);
    e->dir = -1;
    clo_keys_clear(&e->keys);
}
