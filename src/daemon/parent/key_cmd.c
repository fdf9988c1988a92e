/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloisterd key`: makes, lists and revokes API keys. A new key is written to standard output once, alone, and kept nowhere;
 * sentences go to standard error. The daemon is not told: who changed the store says when it is to be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/secret.h"
#include "codec/json.h"
#include "daemon/parent/keys.h"
#include "platform/process.h"

/* Scanners for leaked secrets look for such a beginning. */
#define KEY_PREFIX "cloister_"

enum {
    KEY_BYTES = 32,
    KEY_TEXT = sizeof KEY_PREFIX - 1 + CLO_B64_LEN(KEY_BYTES),
    /* Of a key that somebody else made: shorter ones could be passwords, for which a plain digest is too little. */
    FOREIGN_MIN = 32,
    FOREIGN_MAX = 512,
    FOREIGN_FILE_MAX = 1 << 20
};

enum option {
    API_KEYS,
    CONFIG,
    LABEL,
    EXPIRES,
    REQUESTS,
    TOKENS,
    PARALLEL,
    FROM_FILE,
    JSON,
    HELP,
    OPTIONS
};
enum verb {
    ADD = 1,
    LIST = 2,
    REVOKE = 4
};

static const struct {
    const char *name, *arg, *help;
    unsigned verbs;
} table[OPTIONS] = {
    [API_KEYS] = {"api-keys", "FILE", "the key store", ADD | LIST | REVOKE},
    [CONFIG] = {"config", "FILE", "or the configuration that names it (" CLO_CONFIG_FILE ")",
                ADD | LIST | REVOKE},
    [LABEL] = {"label", "TEXT", "add: whom or what it is for", ADD},
    [EXPIRES] = {"expires", "WHEN", "add: a UTC time, or from now: 12h, 90d, 52w", ADD},
    [REQUESTS] = {"requests-per-minute", "N", "add: at most so many requests", ADD},
    [TOKENS] = {"tokens-per-day", "N", "add: at most so many tokens, in and out, a UTC day", ADD},
    [PARALLEL] = {"parallel", "N", "add: running requests, instead of --max-parallel", ADD},
    [FROM_FILE] = {"from-file", "FILE", "add: take keys that exist, one a line (-: standard input)",
                   ADD},
    [JSON] = {"json", NULL, "list: for programs", LIST},
    [HELP] = {"help", NULL, "show this", ADD | LIST | REVOKE},
};

struct command {
    enum verb verb;
    const char *value[OPTIONS]; /* NULL: not given */
    const char *name;           /* revoke */
    char store[CLO_STR_MAX];
};

static void say(const char *sentence)
{
    fprintf(stderr, "cloisterd: %s.\n", sentence);
}

static void help(void)
{
    printf(
        "Usage: cloisterd key add [OPTION...]\n"
        "       cloisterd key list [OPTION...]\n"
        "       cloisterd key revoke {ID | LABEL} [OPTION...]\n"
        "Changes the API keys in the key store. Afterwards let cloisterd read it again (SIGHUP).\n\n");
    for (int o = 0; o < OPTIONS; o++) {
        char left[64];

        snprintf(left, sizeof left, "--%s%s%s", table[o].name, table[o].arg != NULL ? " " : "",
                 table[o].arg != NULL ? table[o].arg : "");
        printf("  %-30s %s\n", left, table[o].help);
    }
    printf("\nManual: cloisterd(8), cloister-keys(5)\n");
}

/* ---- the command line ---- */

static int find_option(const char *name, size_t n, enum verb verb)
{
    for (int o = 0; o < OPTIONS; o++)
        if ((table[o].verbs & verb) != 0 && strlen(table[o].name) == n &&
            memcmp(table[o].name, name, n) == 0)
            return o;
    return -1;
}

static int read_option(int argc, char *const argv[], int *at, struct command *c,
                       struct clo_problem *problem)
{
    const char *name = argv[*at] + 2, *text = strchr(name, '=');
    const int o = find_option(name, text != NULL ? (size_t)(text - name) : strlen(name), c->verb);

    if (o < 0)
        return clo_problem_set(
            problem, "there is no option '%.200s' here: see cloisterd key --help", argv[*at]);
    if (c->value[o] != NULL)
        return clo_problem_set(problem, "--%s is there twice: leave one of them out",
                               table[o].name);
    if (table[o].arg == NULL && text != NULL)
        return clo_problem_set(problem, "--%s takes no value: leave it out", table[o].name);
    if (table[o].arg != NULL && text == NULL && *at + 1 == argc)
        return clo_problem_set(problem, "--%s wants %s behind it", table[o].name, table[o].arg);
    c->value[o] = table[o].arg == NULL ? "" : text != NULL ? text + 1 : argv[++*at];
    if (table[o].arg != NULL && c->value[o][0] == 0)
        return clo_problem_set(problem, "--%s has an empty value: give one, or leave it out",
                               table[o].name);
    return 0;
}

static int read_arguments(int argc, char *const argv[], struct command *c,
                          struct clo_problem *problem)
{
    const char *verb = argc > 1 ? argv[1] : "";
    int err;

    if (strcmp(verb, "--help") == 0) {
        c->value[HELP] = "";
        return 0;
    }
    c->verb = strcmp(verb, "add") == 0 ? ADD : strcmp(verb, "list") == 0 ? LIST : REVOKE;
    if (c->verb == REVOKE && strcmp(verb, "revoke") != 0)
        return clo_problem_set(problem, "say add, list or revoke: see cloisterd key --help");
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0) {
            if ((err = read_option(argc, argv, &i, c, problem)) != 0)
                return err;
        } else if (c->verb == REVOKE && c->name == NULL && argv[i][0] != 0) {
            c->name = argv[i];
        } else {
            return clo_problem_set(problem, "'%.200s' is one word too many", argv[i]);
        }
    }
    if (c->value[HELP] != NULL)
        return 0;
    if (c->verb == REVOKE && c->name == NULL)
        return clo_problem_set(problem, "say which key: its id, or its label");
    if (c->value[API_KEYS] == NULL)
        return clo_config_key_store(c->value[CONFIG], c->store, problem);
    if (strlen(c->value[API_KEYS]) >= sizeof c->store)
        return clo_problem_set(problem, "the value of --api-keys is longer than %zu bytes",
                               sizeof c->store - 1);
    snprintf(c->store, sizeof c->store, "%s", c->value[API_KEYS]);
    return 0;
}

static int number(const struct command *c, enum option o, uint64_t max, uint64_t *ret,
                  struct clo_problem *problem)
{
    const char *text = c->value[o];
    unsigned long long n;
    char *end = NULL;

    if (text == NULL)
        return 0;
    errno = 0;
    n = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 || n == 0 || n > max)
        return clo_problem_set(problem, "--%s wants a number from 1 to %llu, not '%.100s'",
                               table[o].name, (unsigned long long)max, text);
    *ret = n;
    return 0;
}

/* 90d */
static bool duration(const char *text, int64_t now, int64_t *ret)
{
    static const struct {
        char unit;
        int64_t s;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    char *end = NULL;
    long long n;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    n = strtoll(text, &end, 10);
    if (errno != 0 || *end == 0 || end[1] != 0)
        return false;
    for (size_t i = 0; i < CLO_ARRAY_LEN(units); i++) {
        if (units[i].unit != *end || n > CLO_TIME_MAX / units[i].s)
            continue;
        *ret = now + n * units[i].s;
        return true;
    }
    return false;
}

/* 2027-01-31, or 2027-01-31T12:00:00Z */
static bool moment(const char *text, int64_t *ret)
{
    static const struct {
        const char *form;
        size_t n;
    } forms[] = {{"%Y-%m-%dT%H:%M:%SZ", 20}, {"%Y-%m-%d", 10}};

    for (size_t i = 0; i < CLO_ARRAY_LEN(forms); i++) {
        struct tm tm = {0}, again;
        const char *end = strptime(text, forms[i].form, &tm);

        /* The 31st of February would become the 3rd of March. */
        again = tm;
        if (end == NULL || *end != 0 || strlen(text) != forms[i].n)
            continue;
        *ret = timegm(&again);
        return again.tm_mday == tm.tm_mday && again.tm_mon == tm.tm_mon;
    }
    return false;
}

static int read_terms(const struct command *c, int64_t now, struct clo_key *k,
                      struct clo_problem *problem)
{
    const char *when = c->value[EXPIRES], *label = c->value[LABEL];
    uint64_t requests = 0, parallel = 0;
    int err;

    k->created = now;
    if (label != NULL && !clo_key_label_ok(label, strlen(label)))
        return clo_problem_set(
            problem,
            "--label wants one line of 1 to %d printable bytes that isn't %d hex digits, as ids are",
            CLO_KEY_LABEL_MAX, CLO_KEY_ID_LEN);
    snprintf(k->label, sizeof k->label, "%s", label != NULL ? label : "");
    if (when != NULL && !duration(when, now, &k->terms.expires) && !moment(when, &k->terms.expires))
        return clo_problem_set(
            problem,
            "--expires wants a UTC time like 2027-01-31 or 2027-01-31T12:00:00Z, or a time from now like 90d, not '%.100s'",
            when);
    if (when != NULL && (k->terms.expires <= now || k->terms.expires > CLO_TIME_MAX))
        return clo_problem_set(problem,
                               "--expires wants a time in the future, before the year 10000");
    if ((err = number(c, REQUESTS, UINT32_MAX, &requests, problem)) != 0 ||
        (err = number(c, TOKENS, INT64_MAX, &k->terms.tokens_day, problem)) != 0 ||
        (err = number(c, PARALLEL, UINT32_MAX, &parallel, problem)) != 0)
        return err;
    k->terms.requests_minute = (uint32_t)requests;
    k->terms.parallel = (uint32_t)parallel;
    return 0;
}

/* ---- add ---- */

/* Gives the key an id that no other has, and puts it in. */
static int put(struct clo_keys_edit *e, const void *text, size_t n, struct clo_key *k,
               struct clo_problem *problem)
{
    uint8_t id[CLO_KEY_ID_LEN / 2];
    int err;

    if (k->label[0] != 0 && clo_keys_find(&e->keys, k->label) != NULL)
        return clo_problem_set(problem, "the store has a key labelled '%s': choose another label",
                               k->label);
    if (clo_sha256(text, n, k->terms.digest) != 0)
        return clo_problem_set(problem, "the cryptographic library failed");
    do {
        if (clo_rng_fill(clo_rng_system(), id, sizeof id) != 0)
            return clo_problem_set(problem, "the cryptographic library failed");
        clo_hex(id, sizeof id, k->id);
    } while (clo_keys_find(&e->keys, k->id) != NULL);
    if ((err = clo_keys_add(&e->keys, k)) == 0)
        return 0;
    return err == CLOISTER_E_DUPLICATE
               ? clo_problem_set(problem, "the store has this key already: nothing was changed")
           : err == CLOISTER_E_FULL
               ? clo_problem_set(problem, "%d keys are the most: revoke some", CLO_CREDENTIALS_MAX)
               : clo_problem_set(problem, "there is not enough memory");
}

static int add_new(struct clo_keys_edit *e, struct clo_key *k, struct clo_problem *problem)
{
    CLO_SECRET(raw, KEY_BYTES);
    CLO_SECRET(text, KEY_TEXT + 2);
    int err;

    if (clo_rng_fill(clo_rng_system(), raw, sizeof raw) != 0)
        return clo_problem_set(problem, "the cryptographic library failed");
    memcpy(text, KEY_PREFIX, sizeof KEY_PREFIX - 1);
    clo_b64(raw, sizeof raw, (char *)text + sizeof KEY_PREFIX - 1);
    if ((err = put(e, text, KEY_TEXT, k, problem)) != 0 ||
        (err = clo_keys_edit_save(e, problem)) != 0)
        return err;
    text[KEY_TEXT] = '\n';
    /* Past stdio, which would keep a copy. */
    if (write(STDOUT_FILENO, text, KEY_TEXT + 1) == KEY_TEXT + 1) {
        fprintf(stderr, "cloisterd: added key %s: it is shown this once, and kept nowhere.\n",
                k->id);
        return 0;
    }
    /* Nobody has it: it goes, under the same lock. */
    clo_keys_remove(&e->keys, clo_keys_find(&e->keys, k->id));
    if ((err = clo_keys_edit_save(e, problem)) != 0)
        return err;
    return clo_problem_set(problem,
                           "the key couldn't be written to standard output: none was added");
}

static int read_foreign(const char *file, struct clo_buf *text, struct clo_problem *problem)
{
    const bool is_stdin = strcmp(file, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 1;
    uint8_t *at = NULL;

    while (got > 0 && clo_buf_reserve(text, 4096, &at) == 0)
        if ((got = read(fd, at, 4096)) > 0)
            clo_buf_commit(text, (size_t)got);
    if (got < 0)
        clo_problem_set(problem, "%s can't be read (%s)", file, strerror(errno));
    else if (got > 0)
        clo_problem_set(problem, "%s is larger than %d bytes", file, FOREIGN_FILE_MAX);
    if (fd >= 0 && !is_stdin)
        close(fd);
    return got == 0 ? 0 : CLOISTER_E_CONFIG;
}

static int add_line(struct clo_keys_edit *e, const uint8_t *p, size_t n, unsigned line,
                    struct clo_key *k, struct clo_problem *problem)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] <= ' ' || p[i] > '~')
            return clo_problem_set(
                problem, "line %u: a key has letters, digits and signs only, no spaces", line);
    if (n < FOREIGN_MIN || n > FOREIGN_MAX)
        return clo_problem_set(
            problem,
            "line %u: a key must be random, and %d to %d characters long: let `cloisterd key add` make one",
            line, FOREIGN_MIN, FOREIGN_MAX);
    return put(e, p, n, k, problem);
}

static int add_foreign(struct clo_keys_edit *e, const struct command *c, struct clo_key *k,
                       struct clo_problem *problem)
{
    struct clo_buf text = clo_buf_init(FOREIGN_FILE_MAX);
    const uint8_t *p = NULL;
    const uint32_t before = e->keys.count;
    struct clo_rd rd;
    int err = read_foreign(c->value[FROM_FILE], &text, problem);

    rd = clo_rd_init(text.p, text.len);
    for (unsigned line = 1; err == 0 && rd.left > 0; line++) {
        const uint8_t *end = memchr(rd.p, '\n', rd.left);
        size_t n = end != NULL ? (size_t)(end - rd.p) : rd.left;

        if ((err = clo_rd_view(&rd, n, &p)) != 0 ||
            (end != NULL && (err = clo_rd_skip(&rd, 1)) != 0))
            break;
        if (n > 0 && p[n - 1] == '\r')
            n--;
        if (n > 0 && p[0] != '#')
            err = add_line(e, p, n, line, k, problem);
    }
    if (err == 0 && e->keys.count == before)
        err = clo_problem_set(problem, "%s holds no key", c->value[FROM_FILE]);
    if (err == 0 && (err = clo_keys_edit_save(e, problem)) == 0)
        fprintf(stderr, "cloisterd: added %u key%s.\n", e->keys.count - before,
                e->keys.count - before == 1 ? "" : "s");
    clo_buf_clear(&text);
    return err;
}

static void say_reload(void)
{
    say("for cloisterd to take this up: systemctl reload cloisterd, or kill -HUP");
}

static int add_key(const struct command *c, struct clo_problem *problem)
{
    struct clo_keys_edit e = {.dir = -1};
    struct clo_key k = {0};
    int err;

    if ((err = read_terms(c, clo_clock_now(), &k, problem)) != 0 ||
        (err = clo_keys_edit_open(c->store, true, &e, problem)) != 0)
        return err;
    err = c->value[FROM_FILE] != NULL ? add_foreign(&e, c, &k, problem) : add_new(&e, &k, problem);
    clo_keys_edit_close(&e);
    if (err == 0)
        say_reload();
    return err;
}

/* ---- list and revoke ---- */

static const char *date(int64_t t, char ret[sizeof "9999-12-31T23:59:59Z"])
{
    const time_t at = (time_t)t;
    struct tm tm = {0};

    if (t == 0 || gmtime_r(&at, &tm) == NULL ||
        strftime(ret, sizeof "9999-12-31T23:59:59Z", "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(ret, sizeof "9999-12-31T23:59:59Z", "-");
    return ret;
}

static const char *limit(uint64_t n, char ret[24])
{
    snprintf(ret, 24, n == 0 ? "-" : "%llu", (unsigned long long)n);
    return ret;
}

static void list_text(const struct clo_keys *keys, int64_t now)
{
    printf("%-8s  %-20s  %-20s  %8s  %12s  %8s  %s\n", "ID", "CREATED", "EXPIRES", "REQS/MIN",
           "TOKENS/DAY", "PARALLEL", "LABEL");
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct clo_key *k = &keys->at[i];
        const bool over = k->terms.expires != 0 && k->terms.expires <= now;
        char created[24], expires[24], requests[24], tokens[24], parallel[24];

        printf("%-8s  %-20s  %-20s  %8s  %12s  %8s  %s%s\n", k->id, date(k->created, created),
               date(k->terms.expires, expires), limit(k->terms.requests_minute, requests),
               limit(k->terms.tokens_day, tokens), limit(k->terms.parallel, parallel), k->label,
               over ? " (expired)" : "");
    }
}

/* The store without digests. */
static int list_json(const struct clo_keys *keys, int64_t now)
{
    struct clo_buf text = clo_buf_init(CLO_KEYS_FILE_MAX),
                   out = clo_buf_init(2 * CLO_KEYS_FILE_MAX);
    json_t *doc = NULL, *key = NULL;
    size_t i = 0;
    int err;

    if ((err = clo_keys_write(keys, &text)) != 0 ||
        (err = clo_json_parse(text.p, text.len, CLO_KEYS_FILE_MAX, &doc)) != 0)
        goto out;
    json_array_foreach(json_object_get(doc, "keys"), i, key) {
        const int64_t expires = keys->at[i].terms.expires;

        if (json_object_del(key, "sha256") != 0 ||
            json_object_set_new(key, "expired", json_boolean(expires != 0 && expires <= now)) !=
                0) {
            err = CLOISTER_E_MEMORY;
            goto out;
        }
    }
    if ((err = clo_json_write(doc, &out)) == 0)
        printf("%.*s\n", (int)out.len, (const char *)out.p);
out:
    json_decref(doc);
    clo_buf_clear(&text);
    clo_buf_clear(&out);
    return err;
}

static int list_keys(const struct command *c, struct clo_problem *problem)
{
    struct clo_keys keys = {0};
    int err = clo_keys_load(c->store, &keys, problem);

    if (err != 0)
        return err;
    if (c->value[JSON] == NULL)
        list_text(&keys, clo_clock_now());
    else if (list_json(&keys, clo_clock_now()) != 0)
        err = clo_problem_set(problem, "there is not enough memory");
    if (err == 0 && fflush(stdout) != 0)
        err = clo_problem_set(problem, "standard output can't be written (%s)", strerror(errno));
    clo_keys_clear(&keys);
    return err;
}

static int revoke_key(const struct command *c, struct clo_problem *problem)
{
    struct clo_keys_edit e = {.dir = -1};
    const struct clo_key *k = NULL;
    char id[CLO_KEY_ID_LEN + 1];
    int err;

    if ((err = clo_keys_edit_open(c->store, false, &e, problem)) != 0)
        return err;
    if ((k = clo_keys_find(&e.keys, c->name)) == NULL) {
        err = clo_problem_set(problem,
                              "the store has no key with this id or label: see cloisterd key list");
        goto out;
    }
    memcpy(id, k->id, sizeof id);
    clo_keys_remove(&e.keys, k);
    if ((err = clo_keys_edit_save(&e, problem)) != 0)
        goto out;
    fprintf(stderr, "cloisterd: revoked key %s.\n", id);
    say_reload();
out:
    clo_keys_edit_close(&e);
    return err;
}

int clo_key_command(int argc, char *const argv[])
{
    static struct clo_problem problem;
    static struct command c;
    int err;

    if (clo_process_harden(0) != 0) {
        say("the operating system refused to protect this process");
        return 1;
    }
    if ((err = read_arguments(argc, argv, &c, &problem)) == 0 && c.value[HELP] != NULL) {
        help();
        return 0;
    }
    if (err == 0)
        err = c.verb == ADD    ? add_key(&c, &problem)
              : c.verb == LIST ? list_keys(&c, &problem)
                               : revoke_key(&c, &problem);
    if (err != 0)
        say(problem.text);
    return err == 0 ? 0 : 1;
}
