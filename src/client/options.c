/* SPDX-License-Identifier: Apache-2.0 */
/* Options and configuration: see options.h. */
#include "client/options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attest/bundle.h"
#include "attest/sections.h"
#include "client/say.h"
#include "platform/file.h"

enum kind {
    TEXT,
    FLAG,
    NUMBER,
    REAL,
    TIME,
    ITEM, /* a file of raw evidence: the option's name is the item's */
    ROOT
};

#define C(command) (1u << CLO_CMD_##command)
#define ONLINE     (C(CHAT) | C(VERIFY) | C(EVIDENCE) | C(POLICY) | C(PROXY))
#define OFFLINE    (C(APPRAISE) | C(EXPLAIN) | C(BUNDLE) | C(MEASURE))
#define ALL        (ONLINE | C(DEMO) | OFFLINE)
#define RAW        (C(APPRAISE) | C(BUNDLE))
#define AT(field)  offsetof(struct clo_options, field)

static const struct opt {
    const char *name;
    unsigned commands;
    enum kind kind;
    size_t at;
    const char *arg;
    const char *help;
} opts[] = {
    {"server", ONLINE, TEXT, AT(server), "URL", "the server (default " CLO_DEFAULT_SERVER ")"},
    {"relay", ONLINE, TEXT, AT(relay), "URL", "send everything, evidence too, through this relay"},
    {"policy", C(CHAT) | C(VERIFY) | C(PROXY), TEXT, AT(policy), "FILE",
     "what you admit (no default)"},
    {"key-file", C(CHAT) | C(PROXY), TEXT, AT(key_file), "FILE",
     "API key, in a file that only you can read"},
    {"model", C(CHAT), TEXT, AT(model), "NAME", "model (default: the one that was verified)"},
    {"engine", C(DEMO), TEXT, AT(engine), "FILE", "llama.cpp's llama-server"},
    {"model", C(DEMO), TEXT, AT(model), "FILE", "the model, in GGUF"},
    {"daemon", C(DEMO), TEXT, AT(daemon), "FILE", "cloisterd, if not beside this program"},
    {"system", C(CHAT) | C(DEMO), TEXT, AT(system), "TEXT", "a system message"},
    {"max-tokens", C(CHAT) | C(DEMO), NUMBER, AT(max_tokens), "N", "longest answer"},
    {"temperature", C(CHAT) | C(DEMO), REAL, AT(temperature), "X", "0 to 2"},
    {"seed", C(CHAT) | C(DEMO), NUMBER, AT(seed), "N", "for repeatable answers"},
    {"evidence", C(VERIFY), TEXT, AT(evidence), "FILE",
     "judge saved evidence (- for standard input)"},
    {"nonce", C(VERIFY), TEXT, AT(nonce), "B64", "the nonce that the saved evidence answers"},
    {"no-freshness", C(VERIFY), FLAG, AT(no_freshness), NULL,
     "accept saved evidence without its nonce"},
    {"at", C(VERIFY), TIME, AT(at), "TIME", "judge as of then: RFC 3339 in UTC, or Unix seconds"},
    {"json", C(VERIFY), FLAG, AT(json), NULL, "print the verdict as JSON"},
    {"json", C(CHAT), FLAG, AT(json), NULL, "print one answer, with its usage, as JSON"},
    {"verbose", C(VERIFY), FLAG, AT(verbose), NULL, "say more (also -v)"},
    {"out", C(EVIDENCE), TEXT, AT(out), "FILE", "where to (- for standard output)"},
    {"nonce-out", C(EVIDENCE), TEXT, AT(nonce_out), "FILE", "write the nonce there as well"},
    {"from-server", C(POLICY), FLAG, AT(from_server), NULL,
     "init: pin what a live server shows now"},
    {"simulated-root", C(POLICY), TEXT, AT(root), "HEX", "init: admit this simulated machine"},
    {"sev-snp", C(POLICY), TEXT, AT(sev_snp), "PRODUCT",
     "init: admit AMD SEV-SNP on milan, genoa or turin"},
    {"min-tcb", C(POLICY), TEXT, AT(min_tcb), "BL.TEE.SNP.UCODE[.FMC]",
     "init: firmware floor (FMC: turin)"},
    {"min-firmware", C(POLICY), TEXT, AT(min_firmware), "A.B.C", "init: firmware version floor"},
    {"measurement", C(POLICY), TEXT, AT(measurement), "HEX", "init: the launch measurement to pin"},
    {"policy", C(POLICY), TEXT, AT(policy), "FILE", "diff: what you admit (no default)"},
    {"evidence", C(POLICY), TEXT, AT(evidence), "FILE",
     "diff: take saved evidence (- for standard input)"},
    {"nonce", C(POLICY), TEXT, AT(nonce), "B64", "diff: the nonce that the saved evidence answers"},
    {"accept", C(POLICY), FLAG, AT(accept), NULL,
     "diff: let the policy admit what differs, too, if all else is verified"},
    {"replace", C(POLICY), FLAG, AT(replace), NULL,
     "diff: with --accept, drop what was pinned before"},
    {"yes", C(POLICY), FLAG, AT(yes), NULL, "diff: with --accept, don't ask"},
    {"json", C(POLICY), FLAG, AT(json), NULL, "diff: print the differences as JSON"},
    {"pin-chip", C(POLICY), FLAG, AT(pin_chip), NULL,
     "init --from-server, from-evidence: admit this very machine only"},
    {"at", C(POLICY), TIME, AT(at), "TIME", "from-evidence: judge it as of then"},
    {"root", C(POLICY), ROOT, 0, "VENDOR=FILE",
     "from-evidence: instead of the built-in roots (as appraise takes them)"},
    {"listen", C(PROXY), TEXT, AT(listen), "HOST:PORT",
     "where applications connect (default " CLO_DEFAULT_LISTEN ")"},
    {"allow-remote", C(PROXY), FLAG, AT(allow_remote), NULL,
     "listen on another address than this machine's own; the text travels there in clear"},
    {"allow-origin", C(PROXY), TEXT, AT(allow_origin), "ORIGIN",
     "let web pages of this origin use it, like http://localhost:3000"},
    {"token-file", C(PROXY), TEXT, AT(token_file), "FILE",
     "write the token there, for you alone, until the end"},
    {"on-hangup", C(CHAT) | C(PROXY), TEXT, AT(on_hangup), "HOW",
     "streams that nobody waits for: drain them to their end (the default), or close, which shows"},
    {"ready-fd", C(PROXY), NUMBER, AT(ready_fd), "N",
     "write one line of JSON with port and token there when ready"},
    {"policy", RAW, TEXT, AT(policy), "FILE", "what you admit; for a bundle: what to put in"},
    {"certificates", RAW, ITEM, 0, "FILE",
     "certificates, DER or PEM, leaf first (NVIDIA: of the report before)"},
    {"crl", RAW, ITEM, 0, "FILE", "a revocation list, DER or PEM"},
    {"tcb-info", RAW, ITEM, 0, "FILE", "Intel's TCB info, as it was answered"},
    {"qe-identity", RAW, ITEM, 0, "FILE", "Intel's identity of the quoting enclave"},
    {"collateral-chain", RAW, ITEM, 0, "FILE", "the certificates that signed those two"},
    {"collateral", RAW, TEXT, AT(collateral), "FILE",
     "all of Intel's collateral in one JSON (QuoteCollateralV3)"},
    {"ocsp", RAW, ITEM, 0, "FILE", "an OCSP response, DER"},
    {"td-quote", RAW, ITEM, 0, "FILE", "azure: the TD's signed quote"},
    {"tpm-quote", RAW, ITEM, 0, "FILE", "azure: what the vTPM signed (TPMS_ATTEST)"},
    {"tpm-signature", RAW, ITEM, 0, "FILE", "the TPM's signature"},
    {"tpm-key", RAW, ITEM, 0, "FILE", "tpm: the attestation key (TPMT_PUBLIC)"},
    {"pcrs", RAW, ITEM, 0, "FILE", "the quoted PCRs' values, one after the other"},
    {"event-log", RAW, ITEM, 0, "FILE", "the TCG event log, or the CCEL"},
    {"expect", RAW, TEXT, AT(expect), "HEX", "what has to be covered: report data or nonce"},
    {"expect-any", C(APPRAISE), FLAG, AT(expect_any), NULL,
     "compare it with nothing: this may be old or somebody else's evidence"},
    {"at", C(APPRAISE), TIME, AT(at), "TIME", "judge as of then: RFC 3339 in UTC, or Unix seconds"},
    {"root", C(APPRAISE), ROOT, 0, "VENDOR=FILE",
     "instead of the built-in roots: amd-milan, amd-genoa, amd-turin, intel, nvidia, tpm"},
    {"bundle", C(APPRAISE) | C(VERIFY), TEXT, AT(bundle), "FILE",
     "take everything out of a bundle (- for standard input)"},
    {"bundle-policy", C(APPRAISE) | C(VERIFY), TEXT, AT(bundle_policy), "HEX",
     "use the bundle's own policy, which has this SHA-256"},
    {"evidence", C(BUNDLE), TEXT, AT(evidence), "FILE", "saved evidence of a Cloister server"},
    {"nonce", C(BUNDLE), TEXT, AT(nonce), "B64", "the nonce that the saved evidence answers"},
    {"at", C(BUNDLE), TIME, AT(at), "TIME",
     "make it as of then, for old evidence: what judges it needs --at, too"},
    {"expires", C(BUNDLE), TIME, AT(expires), "TIME",
     "use it no longer than until then (default: until its collateral ends)"},
    {"out", C(BUNDLE), TEXT, AT(out), "FILE", "where to (- for standard output)"},
    {"firmware", C(MEASURE), TEXT, AT(firmware), "FILE", "the guest's firmware (OVMF)"},
    {"kernel", C(MEASURE), TEXT, AT(kernel), "FILE", "its kernel, if QEMU is given one"},
    {"initrd", C(MEASURE), TEXT, AT(initrd), "FILE", "its initial RAM disk"},
    {"append", C(MEASURE), TEXT, AT(append), "TEXT", "its kernel's command line"},
    {"vcpus", C(MEASURE), NUMBER, AT(vcpus), "N", "how many processors it has"},
    {"vcpu-type", C(MEASURE), TEXT, AT(vcpu_type), "NAME", "of which kind, as QEMU names it"},
    {"vcpu-signature", C(MEASURE), TEXT, AT(vcpu_signature), "HEX", "or as CPUID 1 has it in EAX"},
    {"guest-features", C(MEASURE), TEXT, AT(guest_features), "HEX", "SEV_FEATURES (default 1)"},
    {"vmm", C(MEASURE), TEXT, AT(vmm), "NAME", "who starts it: qemu (default), ec2 or gce"},
    {"json", C(APPRAISE) | C(EXPLAIN) | C(MEASURE), FLAG, AT(json), NULL, "print JSON"},
    {"verbose", C(APPRAISE), FLAG, AT(verbose), NULL, "say more (also -v)"},
    {"no-color", ALL, FLAG, AT(no_color), NULL, "no colours (as does NO_COLOR)"},
    {"help", ALL, FLAG, AT(help), NULL, "this text (also -h)"},
};

enum {
    LETTER_BASE = 256, /* long options' values: above every letter */
    HELP_COLUMN = 23   /* how wide options are in the help */
};

/* ---- values ---- */

static bool parse_number(const char *s, int64_t *ret)
{
    char *end = NULL;
    long long v;

    errno = 0;
    v = strtoll(s, &end, 10);
    if (errno != 0 || end == s || *end != '\0' || v < 0)
        return false;
    *ret = v;
    return true;
}

static bool parse_real(const char *s, double *ret)
{
    char *end = NULL;
    double v;

    errno = 0;
    v = strtod(s, &end);
    if (errno != 0 || end == s || *end != '\0' || !isfinite(v) || v < 0 || v > 2)
        return false;
    *ret = v;
    return true;
}

static bool parse_time(const char *s, int64_t *ret)
{
    struct tm tm = {0};
    const char *end;

    if (parse_number(s, ret))
        return *ret > 0 && *ret <= CLO_TIME_MAX;
    end = strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (end == NULL || *end != '\0')
        return false;
    *ret = timegm(&tm);
    return *ret > 0;
}

static int add_item(struct clo_options *o, enum cloister_raw_item item, const char *path)
{
    if (o->items == CLO_ARRAY_LEN(o->item)) {
        clo_say_problem("there are more than %zu files", CLO_ARRAY_LEN(o->item));
        return CLOISTER_E_ARGUMENT;
    }
    o->item[o->items++] = (struct clo_option_item){item, path};
    return 0;
}

static int set(struct clo_options *o, const struct opt *opt, const char *s)
{
    void *at = (char *)o + opt->at;
    bool ok = true;

    switch (opt->kind) {
    case TEXT: *(const char **)at = s; break;
    case FLAG: *(bool *)at = true; break;
    case NUMBER: ok = parse_number(s, at); break;
    case REAL: ok = parse_real(s, at); break;
    case TIME: ok = parse_time(s, at); break;
    case ITEM: return add_item(o, clo_raw_item_find(opt->name), s);
    case ROOT:
        if ((ok = o->roots_n < CLO_ARRAY_LEN(o->roots)))
            o->roots[o->roots_n++] = s;
        break;
    }
    if (!ok)
        clo_say_problem(
            "--%s doesn't take \"%s\": `cloister --help` and the manual page say what it takes",
            opt->name, s);
    return ok ? 0 : CLOISTER_E_ARGUMENT;
}

/* ---- the configuration file ---- */

static const struct {
    const char *keyword;
    size_t at;
    bool file;
} keywords[] = {
    {"Server", AT(server), false},   {"Relay", AT(relay), false}, {"Policy", AT(policy), true},
    {"KeyFile", AT(key_file), true}, {"Model", AT(model), false},
};

static char *config_path(void)
{
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char *path = NULL;
    int n = -1;

    if (xdg != NULL && xdg[0] == '/') /* the specification: relative ones are to be ignored */
        n = asprintf(&path, "%s/cloister/config", xdg);
    else if (home != NULL && home[0] == '/')
        n = asprintf(&path, "%s/.config/cloister/config", home);
    return n < 0 ? NULL : path;
}

/* Files are named from the configuration's own folder. */
static int set_keyword(struct clo_options *o, size_t i, const char *path, const char *value)
{
    const char **at = (const char **)(void *)((char *)o + keywords[i].at);
    const bool relative = keywords[i].file && value[0] != '/';
    const int folder = relative ? (int)(strrchr(path, '/') - path) : 0;
    char *text = NULL;

    if (asprintf(&text, "%.*s%s%s", folder, path, relative ? "/" : "", value) < 0)
        return CLOISTER_E_MEMORY;
    o->owned[o->owned_n++] = text; /* one a keyword: none may stand there twice */
    *at = text;
    return 0;
}

static_assert(CLO_ARRAY_LEN(keywords) == CLO_ARRAY_LEN(((struct clo_options *)0)->owned),
              "each keyword has its place");

static bool is_set(const struct clo_options *o, size_t i)
{
    return *(const char *const *)(const void *)((const char *)o + keywords[i].at) != NULL;
}

static int config_line(struct clo_options *o, const char *path, unsigned number, char *line)
{
    char *keyword = line + strspn(line, " \t"), *value, *end;

    end = keyword + strlen(keyword);
    while (end > keyword && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        *--end = '\0';
    if (*keyword == '\0' || *keyword == '#')
        return 0;
    value = keyword + strcspn(keyword, " \t");
    if (*value != '\0')
        *value++ = '\0';
    value += strspn(value, " \t");
    for (size_t i = 0; i < CLO_ARRAY_LEN(keywords); i++) {
        if (strcmp(keyword, keywords[i].keyword) != 0)
            continue;
        if (*value != '\0' && !is_set(o, i))
            return set_keyword(o, i, path, value);
        clo_say_problem("%s, line %u: %s %s", path, number, keyword,
                        *value != '\0' ? "stands there twice" : "needs a value");
        return CLOISTER_E_CONFIG;
    }
    clo_say_problem(
        "%s, line %u: unknown keyword (there are Server, Relay, Policy, KeyFile, Model)", path,
        number);
    return CLOISTER_E_CONFIG;
}

static int read_config(struct clo_options *o)
{
    char *path = config_path(), *line = NULL;
    struct clo_buf file = clo_buf_init(65536);
    unsigned number = 0;
    int err = 0;

    if (path == NULL)
        return 0;
    err = clo_file_read(path, &file);
    if (err != 0 && (err != CLOISTER_E_IO || (errno != ENOENT && errno != ENOTDIR))) {
        clo_say_problem("%s can't be read: %s", path,
                        err == CLOISTER_E_IO ? strerror(errno) : cloister_strerror(err));
        err = CLOISTER_E_CONFIG;
        goto out;
    }
    if (err != 0) {
        err = 0; /* there is none */
        goto out;
    }
    if ((err = clo_buf_append(&file, "", 1)) != 0)
        goto out;
    line = (char *)file.p;
    while (err == 0 && line != NULL)
        err = config_line(o, path, ++number, strsep(&line, "\n"));
out:
    clo_buf_clear(&file);
    free(path);
    return err;
}

/* ---- the command line ---- */

/* Do arguments that are no options name files of raw evidence, behind the type? Their order counts. */
static bool takes_reports(enum clo_command c)
{
    return (RAW & 1u << c) != 0;
}

/*
 * A plus sign: what follows the first argument that is no option belongs to a command of the user's. A minus sign: such
 * arguments are told in their order among the options.
 */
static const char *letters(enum clo_command c)
{
    if (takes_reports(c))
        return c == CLO_CMD_APPRAISE ? "-:hv" : "-:h";
    return c == CLO_CMD_VERIFY ? ":hv" : c == CLO_CMD_PROXY ? "+:h" : ":h";
}

/* The type first, then reports. */
static int report(struct clo_options *o, const char *s)
{
    if (o->operands > 0)
        return add_item(o, CLOISTER_ITEM_REPORT, s);
    o->operand[o->operands++] = s;
    return 0;
}

int clo_options_parse(enum clo_command c, int argc, char **argv, struct clo_options *ret)
{
    struct clo_options o = {.seed = -1, .temperature = -1, .ready_fd = -1};
    struct option longs[CLO_ARRAY_LEN(opts) + 1] = {{0}};
    size_t n = 0;
    int got, err = 0;

    for (size_t i = 0; i < CLO_ARRAY_LEN(opts); i++) {
        if ((opts[i].commands & 1u << c) != 0)
            longs[n++] = (struct option){opts[i].name, opts[i].kind != FLAG, NULL,
                                         LETTER_BASE + (int)i};
    }
    opterr = 0;
    optind = 1;
    if ((1u << c & (C(DEMO) | OFFLINE)) == 0 && (err = read_config(&o)) != 0)
        goto out;
    while (err == 0 && (got = getopt_long(argc, argv, letters(c), longs, NULL)) != -1) {
        if (got >= LETTER_BASE)
            err = set(&o, &opts[got - LETTER_BASE], optarg);
        else if (got == 'h')
            o.help = true;
        else if (got == 'v')
            o.verbose = true;
        else if (got == 1)
            err = report(&o, optarg);
        else {
            /* a letter that isn't known may be one of several in its argument */
            const char letter[] = {'-', (char)optopt, '\0'};

            clo_say_problem(got == ':' ? "%s needs a value: see `cloister %s --help`"
                                       : "unknown option %s: see `cloister %s --help`",
                            optopt > 0 && optopt < LETTER_BASE ? letter : argv[optind - 1],
                            argv[0]);
            err = CLOISTER_E_ARGUMENT;
        }
    }
    if (err == 0 && c == CLO_CMD_PROXY && optind < argc && strcmp(argv[optind - 1], "--") == 0) {
        o.command = argv + optind;
        optind = argc;
    }
    for (; err == 0 && optind < argc; optind++) {
        if (takes_reports(c)) { /* what stands behind `--` */
            err = report(&o, argv[optind]);
        } else if (o.operands == (int)CLO_ARRAY_LEN(o.operand)) {
            clo_say_problem("too many arguments (a question of several words needs quotes): see "
                            "`cloister %s --help`",
                            argv[0]);
            err = CLOISTER_E_ARGUMENT;
        } else {
            o.operand[o.operands++] = argv[optind];
        }
    }
out:
    if (err != 0)
        clo_options_clear(&o);
    else
        *ret = o;
    return err;
}

void clo_options_clear(struct clo_options *o)
{
    while (o->owned_n > 0)
        free(o->owned[--o->owned_n]);
}

int clo_options_cuts(const struct clo_options *o, bool *ret)
{
    *ret = o->on_hangup != NULL && strcmp(o->on_hangup, "close") == 0;
    if (*ret || o->on_hangup == NULL || strcmp(o->on_hangup, "drain") == 0)
        return 0;
    clo_say_problem("--on-hangup takes drain or close, not \"%s\"", o->on_hangup);
    return CLOISTER_E_ARGUMENT;
}

void clo_options_help(enum clo_command c)
{
    char left[40];

    for (size_t i = 0; i < CLO_ARRAY_LEN(opts); i++) {
        if ((opts[i].commands & 1u << c) == 0)
            continue;
        (void)snprintf(left, sizeof(left), "--%s%s%s", opts[i].name, opts[i].arg != NULL ? " " : "",
                       opts[i].arg != NULL ? opts[i].arg : "");
        /* What is wider than the column has a line of its own. */
        if (strlen(left) > HELP_COLUMN)
            printf("  %s\n  %-*s %s\n", left, HELP_COLUMN, "", opts[i].help);
        else
            printf("  %-*s %s\n", HELP_COLUMN, left, opts[i].help);
    }
}

int clo_options_preload(const struct clo_options *o, int operand)
{
    const char *const one[] = {o->policy, o->evidence, o->bundle, o->collateral,
                               operand >= 0 && operand < o->operands ? o->operand[operand] : NULL};
    int err = 0;

    for (size_t i = 0; i < CLO_ARRAY_LEN(one) && err == 0; i++)
        if (one[i] != NULL)
            err = clo_file_preload(one[i], CLO_BUNDLE_MAX);
    for (size_t i = 0; i < o->items && err == 0; i++)
        err = clo_file_preload(o->item[i].path, CLO_BUNDLE_MAX);
    for (size_t i = 0; i < o->roots_n && err == 0; i++) {
        const char *equals = strchr(o->roots[i], '=');

        if (equals != NULL)
            err = clo_file_preload(equals + 1, CLO_BUNDLE_MAX);
    }
    return err;
}
