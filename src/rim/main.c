/* SPDX-License-Identifier: Apache-2.0 */
/* `cloister-rim`: NVIDIA's reference values out of signed RIM files into a policy. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/enc.h"
#include "codec/json.h"
#include "platform/confine.h"
#include "platform/file.h"
#include "platform/process.h"
#include "rim/policy.h"
#include "rim/rim.h"

enum {
    RIM_EXIT_OK = 0,
    RIM_EXIT_ERROR = 1,
    RIM_EXIT_REFUSED = 10,
    RIM_EXIT_UNSUPPORTED = 20,
    RIM_EXIT_MALFORMED = 30,
};

#define JSON_MAX  (1u << 22)
#define CERT_TEXT 16384 /* a root certificate's file, PEM or DER */
#define REVOCATION \
    "not checked: whether NVIDIA has revoked the signer since (only its servers know, and none is asked)"
#define TIME_MAX_ 253402300799 /* the last second of the year 9999 */

struct options {
    const char *policy, *root;
    int64_t at; /* 0: now */
    bool json, replace, no_color, help;
    char *const *file;
    int files;
};

static const struct opt {
    const char *name, *arg, *help;
    bool import_only;
} opts[] = {
    {"policy", "FILE", "the policy that gets the values (no default)", true},
    {"replace", NULL, "other values for the same version and board give way to these", true},
    {"root", "FILE", "trust this root instead of NVIDIA's: a certificate, PEM or DER", false},
    {"at", "TIME", "judge as of then: RFC 3339 in UTC, or Unix seconds", false},
    {"time", "TIME", "the same as --at", false},
    {"json", NULL, "print JSON", false},
    {"no-color", NULL, "no colours (as does NO_COLOR)", false},
    {"help", NULL, "this text (also -h)", false},
};

/* ---- saying ---- */

static bool colors_allowed;

/* stdout may stand for memory that is written there later. */
static const char *style(FILE *f, const char *sequence)
{
    return colors_allowed && isatty(f == stderr ? STDERR_FILENO : STDOUT_FILENO) == 1 ? sequence
                                                                                      : "";
}
#define RED   "\033[31m"
#define GREEN "\033[32m"
#define DIM   "\033[2m"
#define PLAIN "\033[0m"

static void colors_init(bool no_color)
{
    const char *env = getenv("NO_COLOR"), *term = getenv("TERM");

    colors_allowed = !no_color && (env == NULL || env[0] == '\0') && term != NULL &&
                     strcmp(term, "dumb") != 0;
}

/* What a file said, or what it is called, may be part of a line: made harmless first. */
__attribute__((format(printf, 3, 0))) static void say(const char *color, const char *before,
                                                      const char *fmt, va_list args)
{
    char line[1600], safe[3 * sizeof(line) + 1];
    size_t used = 0;

    (void)vsnprintf(line, sizeof(line), fmt, args);
    (void)clo_text_sanitise(line, strlen(line), true, safe, &used);
    (void)fprintf(stderr, "%s%s%s%s\n", style(stderr, color), before, safe, style(stderr, PLAIN));
}

__attribute__((format(printf, 1, 2))) static void problem(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(RED, "cloister-rim: ", fmt, args);
    va_end(args);
}

__attribute__((format(printf, 1, 2))) static void note(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(DIM, "", fmt, args);
    va_end(args);
}

static void file_problem(const char *path, const char *what, int err)
{
    const int why = errno;

    if (err == CLOISTER_E_LIMIT)
        problem("%s is larger than allowed", path);
    else if (err == CLOISTER_E_ARGUMENT)
        problem("%s is not a regular file: nothing was written", path);
    else if (err != CLOISTER_E_IO)
        problem("%s can't be %s: %s", path, what, cloister_strerror(err));
    else if (why == ENOSPC || why == EDQUOT)
        problem("%s can't be %s: the disk is full: make room and try again", path, what);
    else if (why == ENOENT)
        problem("%s can't be %s: there is no such file or folder: check the name", path, what);
    else
        problem("%s can't be %s: %s", path, what, strerror(why));
}

static int exit_of(int err)
{
    switch (err) {
    case CLOISTER_E_AUTH:
    case CLOISTER_E_STALE: return RIM_EXIT_REFUSED;
    case CLOISTER_E_UNSUPPORTED: return RIM_EXIT_UNSUPPORTED;
    case CLOISTER_E_MALFORMED:
    case CLOISTER_E_TRUNCATED:
    case CLOISTER_E_TRAILING:
    case CLOISTER_E_LIMIT:
    case CLOISTER_E_DUPLICATE:
    case CLOISTER_E_UNKNOWN: return RIM_EXIT_MALFORMED;
    default: return RIM_EXIT_ERROR;
    }
}

/* ---- the command line ---- */

static void help(void)
{
    puts(
        "cloister-rim: NVIDIA's reference values for GPUs, out of signed files into a policy\n\n"
        "  cloister-rim import FILE... --policy FILE [options]   verify RIM files, and let a policy\n"
        "                                                        admit what they describe\n"
        "  cloister-rim show FILE [options]                      verify one, and say what it says\n");
    for (size_t i = 0; i < CLO_ARRAY_LEN(opts); i++) {
        char left[40];

        (void)snprintf(left, sizeof(left), "--%s%s%s", opts[i].name, opts[i].arg != NULL ? " " : "",
                       opts[i].arg != NULL ? opts[i].arg : "");
        printf("  %-22s %s%s\n", left, opts[i].import_only ? "import: " : "", opts[i].help);
    }
    puts(
        "\nexit status: 0 verified, done; 10 refused by verification; 20 unsupported; 30 malformed\n"
        "input; 1 anything else. `man cloister-rim` tells the rest.");
}

static bool parse_time(const char *s, int64_t *ret)
{
    struct tm tm = {0};
    char *end = NULL;
    const char *rest;
    long long v;

    errno = 0;
    v = strtoll(s, &end, 10);
    if (errno == 0 && end != s && *end == '\0') {
        *ret = v;
        return v > 0 && v <= TIME_MAX_;
    }
    rest = strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (rest == NULL || *rest != '\0')
        return false;
    *ret = timegm(&tm);
    return *ret > 0;
}

static int set(struct options *o, const char *name, const char *value, bool import)
{
    if (strcmp(name, "policy") == 0)
        o->policy = value;
    else if (strcmp(name, "replace") == 0)
        o->replace = true;
    else if (strcmp(name, "root") == 0)
        o->root = value;
    else if (strcmp(name, "json") == 0)
        o->json = true;
    else if (strcmp(name, "no-color") == 0)
        o->no_color = true;
    else if (strcmp(name, "help") == 0)
        o->help = true;
    else if (!parse_time(value, &o->at)) {
        problem("--%s takes a time like 2025-06-01T00:00:00Z, or Unix seconds", name);
        return CLOISTER_E_ARGUMENT;
    }
    if (!import && (o->policy != NULL || o->replace)) {
        problem("--%s goes with `import`: see `cloister-rim --help`", name);
        return CLOISTER_E_ARGUMENT;
    }
    return 0;
}

static int options_parse(int argc, char **argv, struct options *ret)
{
    const bool import = strcmp(argv[0], "import") == 0;
    struct option longs[CLO_ARRAY_LEN(opts) + 1] = {{0}};
    struct options o = {0};
    int got, err = 0;

    for (size_t i = 0; i < CLO_ARRAY_LEN(opts); i++)
        longs[i] = (struct option){opts[i].name, opts[i].arg != NULL, NULL, 256 + (int)i};
    opterr = 0;
    while (err == 0 && (got = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
        if (got >= 256) {
            err = set(&o, opts[got - 256].name, optarg, import);
        } else if (got == 'h') {
            o.help = true;
        } else {
            problem(got == ':' ? "%s needs a value: see `cloister-rim --help`"
                               : "unknown option %s: see `cloister-rim --help`",
                    argv[optind - 1]);
            err = CLOISTER_E_ARGUMENT;
        }
    }
    o.file = argv + optind;
    o.files = argc - optind;
    if (err == 0)
        *ret = o;
    return err;
}

/* ---- files ---- */

static int load_root(const char *path, struct clo_cert **ret)
{
    struct clo_buf text = clo_buf_init(CERT_TEXT), der = clo_buf_init(CLO_CERT_MAX),
                   more = clo_buf_init(CLO_CERT_MAX);
    const char *p = NULL;
    size_t n = 0;
    int err;

    if (path == NULL)
        return clo_rim_root(ret);
    if ((err = clo_file_read(path, &text)) != 0) {
        file_problem(path, "read", err);
        goto out;
    }
    p = (const char *)text.p;
    n = text.len;
    if (n > 0 && text.p[0] == 0x30) {
        err = clo_cert_parse(text.p, text.len, ret);
    } else if ((err = clo_pem_next(&p, &n, "CERTIFICATE", &der)) == 0) {
        err = clo_pem_next(&p, &n, "CERTIFICATE", &more) == CLOISTER_E_NOT_FOUND
                  ? clo_cert_parse(der.p, der.len, ret)
                  : CLOISTER_E_MALFORMED;
    }
    if (err != 0)
        problem("%s is not one certificate in PEM or DER: %s", path, cloister_strerror(err));
out:
    clo_buf_clear(&text);
    clo_buf_clear(&der);
    clo_buf_clear(&more);
    return err;
}

/* 0, or the exit code after one sentence. */
static int load_rim(const char *path, const struct clo_cert *root, int64_t now, struct clo_rim *ret)
{
    struct clo_buf xml = clo_buf_init(CLO_RIM_MAX);
    char why[CLO_RIM_WHY];
    int err, code = 0;

    if ((err = clo_file_read(path, &xml)) != 0) {
        file_problem(path, "read", err);
        code = err == CLOISTER_E_LIMIT ? RIM_EXIT_MALFORMED : RIM_EXIT_ERROR;
    } else if ((err = clo_rim_read(xml.p, xml.len, root, now, ret, why)) != 0) {
        problem("%s %s", path, why);
        code = exit_of(err);
    }
    clo_buf_clear(&xml);
    return code;
}

/* ---- telling ---- */

static const char *day(int64_t t, char ret[32])
{
    const time_t at = (time_t)t;
    struct tm tm = {0};

    if (gmtime_r(&at, &tm) == NULL || strftime(ret, 32, "%Y-%m-%d", &tm) == 0)
        (void)snprintf(ret, 32, "?");
    return ret;
}

static const char *kind_title(const struct clo_reference *r)
{
    return r->kind == CLO_REFERENCE_DRIVER ? "driver" : "VBIOS";
}

static void put(json_t *o, const char *name, json_t *v, int *err)
{
    if (json_object_set_new(o, name, v) != 0)
        *err = CLOISTER_E_MEMORY;
}

static json_t *hex_json(const uint8_t digest[32])
{
    char hex[65];

    clo_hex(digest, 32, hex);
    return json_string(hex);
}

/* A name may hold any byte but zero; JSON holds UTF-8. */
static json_t *name_json(const char *path)
{
    char safe[3 * PATH_MAX + 1];
    const size_t n = strnlen(path, PATH_MAX);
    size_t used = 0;

    (void)clo_text_sanitise(path, n, true, safe, &used);
    return json_string(safe);
}

static json_t *rim_json(const char *path, const struct clo_rim *rim, int *err)
{
    const struct clo_reference *r = &rim->ref;
    json_t *o = json_object();

    put(o, "file", name_json(path), err);
    put(o, "kind", json_string(clo_rim_kind_word(r->kind)), err);
    put(o, "arch", json_string(clo_rim_arch_word(r->arch)), err);
    put(o, "id", json_string(r->id), err);
    put(o, "version", json_string(r->version), err);
    put(o, "rim_sha256", hex_json(r->rim_sha256), err);
    put(o, "signer", json_string(rim->signer), err);
    put(o, "signer_sha256", hex_json(rim->signer_digest), err);
    put(o, "valid_until", json_integer(rim->until), err);
    put(o, "measurements", clo_rim_measurements(r), err);
    return o;
}

static int print_json(const json_t *o, int err)
{
    struct clo_buf b = clo_buf_init(JSON_MAX);

    if (err == 0 && (err = clo_json_write(o, &b)) == 0)
        printf("%.*s\n", (int)b.len, (const char *)b.p);
    if (err != 0)
        problem("the result can't be written: %s", cloister_strerror(err));
    clo_buf_clear(&b);
    return err == 0 ? RIM_EXIT_OK : RIM_EXIT_ERROR;
}

/* ---- show ---- */

static void show_text(const struct clo_rim *rim, bool own_root)
{
    const struct clo_reference *r = &rim->ref;
    char hex[97], until[32];

    printf("%sverified%s: signed by \"%s\" under %s\n", style(stdout, GREEN), style(stdout, PLAIN),
           rim->signer, own_root ? "the root given by --root" : "NVIDIA's root for RIMs");
    printf("for        %s %s of %s\n", kind_title(r), r->version, clo_rim_arch_word(r->arch));
    printf("tag        %s\n", r->id);
    clo_hex(r->rim_sha256, 32, hex);
    printf("SHA-256    %s\n", hex);
    clo_hex(rim->signer_digest, 32, hex);
    printf("signer     %s (SHA-256 of its certificate)\n", hex);
    printf("until      %s\n", day(rim->until, until));
    for (size_t i = 0; i < CLO_REFERENCE_INDEXES; i++) {
        for (size_t k = 0; k < r->index[i].count; k++) {
            clo_hex(r->index[i].value[k], 48, hex);
            if (k == 0)
                printf("index %-4zu %s\n", i, hex);
            else
                printf("        or %s\n", hex);
        }
    }
}

static int show(const struct options *o, const struct clo_cert *root, int64_t now)
{
    struct clo_rim *rim = calloc(1, sizeof(*rim));
    json_t *j = NULL;
    int code, err = 0;

    if (rim == NULL) {
        problem("not enough memory");
        return RIM_EXIT_ERROR;
    }
    if ((code = load_rim(o->file[0], root, now, rim)) != 0)
        goto out;
    if (o->json) {
        j = rim_json(o->file[0], rim, &err);
        put(j, "v", json_integer(1), &err);
        code = print_json(j, err);
    } else {
        show_text(rim, o->root != NULL);
        note(REVOCATION);
    }
out:
    json_decref(j);
    free(rim);
    return code;
}

/* ---- import ---- */

struct import {
    const struct options *o;
    const struct clo_cert *root;
    int64_t now;
    struct clo_buf text; /* the policy as it is */
    json_t *policy, *told;
    bool changed;
};

static int load_policy(struct import *im)
{
    const char *path = im->o->policy;
    char why[256] = "";
    int err;

    if ((err = clo_file_read(path, &im->text)) != 0) {
        file_problem(path, "read", err);
        return RIM_EXIT_ERROR;
    }
    err = cloister_policy_check(im->text.p, im->text.len, why, sizeof(why));
    if (err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO) {
        problem("%s: %s", path, cloister_strerror(err));
        return RIM_EXIT_ERROR;
    }
    if (err != 0) {
        problem("%s is not a policy: %s (docs/POLICY.md describes the format)", path,
                why[0] != '\0' ? why : cloister_strerror(err));
        return RIM_EXIT_MALFORMED;
    }
    if ((err = clo_json_parse(im->text.p, im->text.len, CLO_POLICY_MAX, &im->policy)) != 0) {
        problem("%s: %s", path, cloister_strerror(err));
        return RIM_EXIT_ERROR;
    }
    if (!json_is_object(json_object_get(im->policy, "devices"))) {
        problem(
            "%s has no \"devices\": write that first, as docs/POLICY.md describes; the values alone would ask for no GPU",
            path);
        return RIM_EXIT_ERROR;
    }
    return 0;
}

static int remember(struct import *im, const char *path, const struct clo_rim *rim,
                    enum clo_rim_put did)
{
    static const char *const result[] = {
        [CLO_RIM_ADDED] = "added", [CLO_RIM_SAME] = "same", [CLO_RIM_REPLACED] = "replaced"};
    int err = 0;
    json_t *j = rim_json(path, rim, &err);

    put(j, "result", json_string(result[did]), &err);
    return json_array_append_new(im->told, j) == 0 ? err : CLOISTER_E_MEMORY;
}

static const char *text_of(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s != NULL ? s : "";
}

/* Only when it is done, so that nothing is called added that isn't. */
static void tell(const struct import *im)
{
    for (size_t i = 0; i < json_array_size(im->told); i++) {
        const json_t *o = json_array_get(im->told, i);
        const char *result = text_of(o, "result");
        char until[32];

        printf("%s%s%s: %s %s of %s, %zu measurements, signed by \"%s\" until %s (%s)\n",
               style(stdout, GREEN),
               strcmp(result, "same") == 0 ? "already there with the same values" : result,
               style(stdout, PLAIN), strcmp(text_of(o, "kind"), "vbios") == 0 ? "VBIOS" : "driver",
               text_of(o, "version"), text_of(o, "arch"),
               json_array_size(json_object_get(o, "measurements")), text_of(o, "signer"),
               day(json_integer_value(json_object_get(o, "valid_until")), until),
               text_of(o, "file"));
    }
}

static int import_one(struct import *im, const char *path, struct clo_rim *rim)
{
    enum clo_rim_put did = CLO_RIM_SAME;
    uint8_t old[32] = {0};
    char new_hex[65], old_hex[65];
    int code, err;

    if ((code = load_rim(path, im->root, im->now, rim)) != 0)
        return code;
    err = clo_rim_policy_put(im->policy, &rim->ref, im->o->replace, &did, old);
    if (err == 0)
        err = remember(im, path, rim, did);
    im->changed = im->changed || did != CLO_RIM_SAME;
    if (err == CLOISTER_E_DUPLICATE) {
        clo_hex(rim->ref.rim_sha256, 32, new_hex);
        clo_hex(old, 32, old_hex);
        problem(
            "%s (SHA-256 %s) says other values for the %s %s of %s than the RIM that the policy's values come from "
            "(SHA-256 %s). Both may be genuine: find out which one your machines match, and take this one with "
            "--replace if it is that",
            path, new_hex, kind_title(&rim->ref), rim->ref.version,
            clo_rim_arch_word(rim->ref.arch), old_hex);
    } else if (err == CLOISTER_E_FULL) {
        problem(
            "%s has %d sets of reference values, and no policy may have more: remove what no machine of yours has",
            im->o->policy, CLO_REFERENCES_MAX);
    } else if (err != 0) {
        problem("%s: %s", path, cloister_strerror(err));
    }
    return err == 0 ? 0 : RIM_EXIT_ERROR;
}

static int import_all(struct import *im)
{
    struct clo_rim *rim = calloc(1, sizeof(*rim));
    int code = rim != NULL ? load_policy(im) : RIM_EXIT_ERROR;

    for (int i = 0; i < im->o->files && code == 0; i++)
        code = import_one(im, im->o->file[i], rim);
    free(rim);
    return code;
}

/* What is said once it is done: of the text, what goes to standard output. */
static int tell_json(const struct import *im)
{
    json_t *j = json_object();
    int code, err = 0;

    put(j, "v", json_integer(1), &err);
    put(j, "written", json_boolean(im->changed), &err);
    put(j, "rims", json_incref(im->told), &err);
    code = print_json(j, err);
    json_decref(j);
    return code;
}

/* The policy as it will be, behind its length in four bytes; empty if nothing changes. */
static int put_policy(const struct import *im, struct clo_buf *out)
{
    struct clo_buf text = clo_buf_init(CLO_POLICY_MAX);
    uint8_t head[4];
    struct clo_wr wr = clo_wr_init(head, sizeof(head));
    char why[256] = "";
    int err = 0;

    if (im->changed && ((err = clo_json_write_text(im->policy, &text)) != 0 ||
                        (err = cloister_policy_check(text.p, text.len, why, sizeof(why))) != 0))
        problem("%s would be no policy any more, and is left as it is: %s", im->o->policy,
                why[0] != '\0' ? why : cloister_strerror(err));
    if (err == 0 && ((err = clo_wr_u32le(&wr, (uint32_t)text.len)) != 0 ||
                     (err = clo_buf_append(out, head, sizeof(head))) != 0 ||
                     (err = clo_buf_append(out, text.p, text.len)) != 0))
        problem("%s", cloister_strerror(err));
    clo_buf_clear(&text);
    return err;
}

/* In a cell: what is to be written, and then to be said. */
static int import(const struct options *o, const struct clo_cert *root, int64_t now,
                  struct clo_buf *out)
{
    struct import im = {.o = o,
                        .root = root,
                        .now = now,
                        .text = clo_buf_init(CLO_POLICY_MAX),
                        .told = json_array()};
    FILE *real = stdout;
    char *said = NULL;
    size_t n = 0;
    int code = import_all(&im);

    if (code == 0 && put_policy(&im, out) != 0)
        code = RIM_EXIT_ERROR;
    if (code == 0 && (stdout = open_memstream(&said, &n)) == NULL) {
        stdout = real;
        problem("not enough memory");
        code = RIM_EXIT_ERROR;
    }
    if (stdout != real) {
        if (o->json)
            code = tell_json(&im);
        else
            tell(&im);
        if (fclose(stdout) != 0 || clo_buf_append(out, said, n) != 0)
            code = RIM_EXIT_ERROR;
        stdout = real;
    }
    if (code != 0 && im.changed)
        note("nothing was written");
    free(said);
    json_decref(im.told);
    json_decref(im.policy);
    clo_buf_clear(&im.text);
    return code;
}

/* ---- outside of the cell ---- */

/* Was the file left alone since it was read? What somebody else wrote meanwhile is not to be lost. */
static int check_unchanged(const char *path, const struct clo_buf *text)
{
    struct clo_buf again = clo_buf_init(CLO_POLICY_MAX);
    int err = clo_file_read(path, &again);

    if (err == 0 && (again.len != text->len || memcmp(again.p, text->p, again.len) != 0)) {
        problem("%s was changed meanwhile and is left as it is: try again", path);
        err = CLOISTER_E_STATE;
    } else if (err != 0) {
        file_problem(path, "read", err);
    }
    clo_buf_clear(&again);
    return err;
}

/* Whole or not at all. Ctrl-C waits for the one moment in which a file of ours lies beside the policy. */
static int store(const char *path, const struct clo_buf *text, const uint8_t *p, size_t n)
{
    char why[256] = "";
    sigset_t stop, before;
    int err;

    if ((err = cloister_policy_check(p, n, why, sizeof(why))) != 0) {
        problem("%s would be no policy any more, and is left as it is: %s", path, why);
        return err;
    }
    if ((err = check_unchanged(path, text)) != 0)
        return err;
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGINT);
    (void)sigaddset(&stop, SIGTERM);
    (void)sigaddset(&stop, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &stop, &before);
    if ((err = clo_file_replace(path, p, n)) != 0)
        file_problem(path, "written", err);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return err;
}

/* What came out of the cell: a policy, and what is to be said when it has been written. */
static int finish(const struct options *o, const struct clo_buf *text, const struct clo_buf *given)
{
    struct clo_rd rd = clo_rd_init(given->p, given->len);
    const uint8_t *policy = NULL;
    uint32_t n = 0;

    if (clo_rd_u32le(&rd, &n) != 0 || clo_rd_view(&rd, n, &policy) != 0) {
        problem("what read these files gave back nothing that counts: nothing was written");
        return RIM_EXIT_ERROR;
    }
    if (n > 0 && store(o->policy, text, policy, n) != 0) {
        note("nothing was written");
        return RIM_EXIT_ERROR;
    }
    (void)fwrite(rd.p, 1, rd.left, stdout);
    if (!o->json)
        note("%s: %s. " REVOCATION, o->policy, n > 0 ? "written" : "nothing to do");
    return RIM_EXIT_OK;
}

/* ---- the program ---- */

static int check_operands(const char *command, const struct options *o)
{
    const bool is_import = strcmp(command, "import") == 0;

    if (is_import && o->files == 0)
        problem("`import` takes the RIM files to import: see `cloister-rim --help`");
    else if (is_import && (o->policy == NULL || strcmp(o->policy, "-") == 0))
        problem("`import` writes into a policy: name its file with --policy FILE");
    else if (!is_import && o->files != 1)
        problem("`show` takes one RIM file: see `cloister-rim --help`");
    else
        return 0;
    return CLOISTER_E_ARGUMENT;
}

static int flush(int code)
{
    if (code != RIM_EXIT_OK || (fflush(stdout) == 0 && ferror(stdout) == 0))
        return code;
    file_problem("standard output", "written", CLOISTER_E_IO);
    return RIM_EXIT_ERROR;
}

struct work {
    const struct options *o;
    bool import;
};

/* All that looks into files (platform/confine.h). */
static int inside(void *ctx, struct clo_buf *out)
{
    const struct work *w = ctx;
    const int64_t now = w->o->at != 0 ? w->o->at : clo_clock_now();
    struct clo_cert *root = NULL;
    int code = RIM_EXIT_ERROR;

    if (load_root(w->o->root, &root) == 0)
        code = w->import ? import(w->o, root, now, out) : show(w->o, root, now);
    clo_cert_free(root);
    return flush(code);
}

static int preload(const struct options *o)
{
    int err = o->root != NULL ? clo_file_preload(o->root, CLO_RIM_MAX) : 0;

    if (err == 0 && o->policy != NULL)
        err = clo_file_preload(o->policy, CLO_POLICY_MAX);
    for (int i = 0; i < o->files && err == 0; i++)
        err = clo_file_preload(o->file[i], CLO_RIM_MAX);
    return err;
}

/* Of a child's end nothing counts but an exit code of this program's. */
static int code_of(int status)
{
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : CLO_CONFINED_NEVER;

    if (WIFSIGNALED(status))
        problem(
            "what read these files was ended by the system (signal %d): one of them may have been made "
            "to do harm. Nothing of it counts",
            WTERMSIG(status));
    else if (code == CLO_CONFINED_NEVER)
        problem("the process that was to read these files could not be confined");
    return code == RIM_EXIT_OK || code == RIM_EXIT_REFUSED || code == RIM_EXIT_UNSUPPORTED ||
                   code == RIM_EXIT_MALFORMED
               ? code
               : RIM_EXIT_ERROR;
}

static int confined(struct work *w)
{
    const struct clo_confined c = {.work = inside, .ctx = w};
    struct clo_buf text = clo_buf_init(CLO_POLICY_MAX),
                   given = clo_buf_init(CLO_POLICY_MAX + JSON_MAX);
    int status = 0, code = RIM_EXIT_ERROR;

    if (preload(w->o) != 0) {
        problem("not enough memory");
        goto out;
    }
    /* What the policy was when it was read; that it can't be is told inside. */
    if (w->import && clo_file_read(w->o->policy, &text) != 0)
        clo_buf_clear(&text);
    if (clo_confine_run(&c, &given, &status) != 0) {
        problem("no process could be had for reading these files");
        goto out;
    }
    clo_file_preload_end();
    if ((code = code_of(status)) == RIM_EXIT_OK && w->import)
        code = finish(w->o, &text, &given);
out:
    clo_file_preload_end();
    clo_buf_clear(&text);
    clo_buf_clear(&given);
    return code;
}

static int run(const char *command, const struct options *o)
{
    struct work w = {o, strcmp(command, "import") == 0};
    int code = RIM_EXIT_ERROR;

    if (check_operands(command, o) != 0)
        return code;
    if (!clo_confine_possible()) {
        problem("this system has no seccomp: nothing that others made can be read in safety");
        return code;
    }
    if (!clo_confine_is_whole())
        problem(
            "WARNING: this system has no Landlock: what reads files is confined by seccomp alone");
    if (clo_rim_init() != 0)
        problem("libxmlsec can't be used: is it the one that this program was built with?");
    else
        code = confined(&w);
    clo_rim_end();
    return code;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";
    const mode_t mask = umask(077);
    struct options o = {0};

    if (clo_process_harden(0) != 0) {
        fputs("cloister-rim: this process could not be set up\n", stderr);
        return RIM_EXIT_ERROR;
    }
    umask(mask);
    clo_json_use_wiping_heap(); /* no look at /dev/urandom, which a cell wouldn't survive */
    colors_init(false);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        help();
        return flush(argc > 1 ? RIM_EXIT_OK : RIM_EXIT_ERROR);
    }
    if (strcmp(name, "--version") == 0) {
        puts("cloister-rim " CLO_VERSION);
        return flush(RIM_EXIT_OK);
    }
    if (strcmp(name, "import") != 0 && strcmp(name, "show") != 0) {
        problem("there is no command \"%s\": `cloister-rim --help` lists them", name);
        return RIM_EXIT_ERROR;
    }
    if (options_parse(argc - 1, argv + 1, &o) != 0)
        return RIM_EXIT_ERROR;
    colors_init(o.no_color);
    if (o.help) {
        help();
        return flush(RIM_EXIT_OK);
    }
    return flush(run(name, &o));
}
