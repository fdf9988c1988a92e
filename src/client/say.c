/* SPDX-License-Identifier: Apache-2.0 */
/* Sentences: see say.h. */
#include "client/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/rw.h"

enum {
    LINE_MAX_ = 1200
};

static bool colors_allowed;

void clo_say_init(bool no_color)
{
    const char *env = getenv("NO_COLOR"), *term = getenv("TERM");

    colors_allowed = !no_color && (env == NULL || env[0] == '\0') && term != NULL &&
                     strcmp(term, "dumb") != 0;
}

const char *clo_style(FILE *f, enum clo_style s)
{
    static const char *const sequence[] = {
        [CLO_PLAIN] = "\033[0m",  [CLO_BOLD] = "\033[1m",    [CLO_DIM] = "\033[2m",
        [CLO_GREEN] = "\033[32m", [CLO_YELLOW] = "\033[33m", [CLO_RED] = "\033[31m",
    };

    return colors_allowed && isatty(fileno(f)) ? sequence[s] : "";
}

/* A whole line in one style, made harmless first. */
__attribute__((format(printf, 3, 0))) static void say(enum clo_style style, const char *before,
                                                      const char *fmt, va_list args)
{
    char line[LINE_MAX_], safe[3 * sizeof(line) + 1];
    size_t used = 0;

    (void)vsnprintf(line, sizeof(line), fmt, args);
    (void)clo_text_sanitise(line, strlen(line), true, safe, &used);
    (void)fprintf(stderr, "%s%s%s%s\n", clo_style(stderr, style), before, safe,
                  clo_style(stderr, CLO_PLAIN));
}

void clo_say_problem(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(CLO_RED, "cloister: ", fmt, args);
    va_end(args);
}

void clo_say_note(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(CLO_DIM, "", fmt, args);
    va_end(args);
}

/* ---- faults ---- */

static void say_status(const struct clo_reply *r, const char *url)
{
    if (r->status == 503 && r->retry_after > 0)
        clo_say_problem("the server is not ready yet: try again in %ld s", r->retry_after);
    else if (r->status == 503)
        clo_say_problem("the server is not ready yet: try again in a moment");
    else if (r->status == 404)
        clo_say_problem("there is no Cloister server at %s: check the address", url);
    else
        clo_say_problem("%s answered with HTTP status %ld instead of evidence: check the address",
                        url, r->status);
}

/* What went wrong before or beside the encrypted exchange. */
static const char *net_text(const struct clo_reply *r)
{
    switch (r->net) {
    case CLO_NET_RESOLVE: return "its name has no address: check the spelling and your network";
    case CLO_NET_CONNECT:
        return "nothing answers there: check the address, that the server runs, and your network";
    case CLO_NET_TLS:
        return "no TLS connection: check the address, your clock and your CA certificates";
    case CLO_NET_TIMEOUT: return "no answer in time: try again later";
    case CLO_NET_TYPE: return "what answers there is no Cloister server: check the address";
    case CLO_NET_LIMIT: return "it sent more than is allowed: check the address";
    case CLO_NET_OK:
    case CLO_NET_STATUS:
    case CLO_NET_BROKEN: break;
    }
    return "the connection broke off: try again";
}

const struct cloister_check *clo_verdict_culprit(const struct cloister_verdict *v)
{
    const struct cloister_check *missing = NULL;

    for (size_t i = 0; i < v->checks; i++) {
        if (v->check[i].status == CLOISTER_CHECK_FAIL)
            return &v->check[i];
        if (v->check[i].status == CLOISTER_CHECK_MISSING && missing == NULL)
            missing = &v->check[i];
    }
    return missing;
}

static void say_verdict_fault(const struct clo_fault *f, const struct cloister_verdict *v)
{
    const struct cloister_check *why = v != NULL ? clo_verdict_culprit(v) : NULL;

    if (why == NULL && f->err == CLOISTER_E_IO) /* why was said (client/judge.h) */
        clo_say_problem("the server was NOT verified and nothing was sent");
    else if (why == NULL)
        clo_say_problem(
            "the server was NOT verified and nothing was sent: %s (check your clock, and "
            "that server and client are of matching versions)",
            cloister_strerror(f->err));
    else
        clo_say_problem(
            "the server was NOT verified and nothing was sent: %s (%s); `cloister verify "
            "-v` shows every check, `cloister policy show` what you admit",
            why->reason[0] != '\0' ? why->reason : cloister_check_title(why->id),
            cloister_check_name(why->id));
}

#define NOT_AGAIN "the question was not sent again; it may have been answered in part"

static void say_send_fault(const struct clo_fault *f)
{
    if (f->err == CLOISTER_E_KEYS_CHANGED)
        clo_say_problem("the server's keys have changed and the question was not answered: ask "
                        "again, and new evidence is checked first");
    else if (f->err == CLOISTER_E_CANCELLED)
        clo_say_note("stopped");
    else if (f->reply.net == CLO_NET_STATUS)
        clo_say_problem("no answer came (outer HTTP status %ld); " NOT_AGAIN, f->reply.status);
    else if (!f->reply.sent)
        clo_say_problem("the question was not sent: %s", net_text(&f->reply));
    else
        clo_say_problem("no answer came: %s; " NOT_AGAIN, net_text(&f->reply));
}

static void say_answer_fault(const struct clo_fault *f)
{
    switch (f->err) {
    case CLOISTER_E_CANCELLED: clo_say_note("stopped"); break;
    case CLOISTER_E_IO: clo_say_file("the answer", "written", f->err); break;
    case CLOISTER_E_AUTH:
        clo_say_problem("the answer was altered on its way and what came of it is not to be "
                        "trusted to be whole; " NOT_AGAIN);
        break;
    case CLOISTER_E_SHAPE:
        clo_say_problem(
            "the server broke the traffic shape that it promises, so that sizes show more than they should; " NOT_AGAIN);
        break;
    case CLOISTER_E_CUT:
    case CLOISTER_E_NETWORK: clo_say_problem("the answer was cut off; " NOT_AGAIN); break;
    default:
        clo_say_problem("the answer could not be read: %s; " NOT_AGAIN, cloister_strerror(f->err));
        break;
    }
}

void clo_say_fault(const struct clo_fault *f, const struct cloister_verdict *v, const char *url)
{
    switch (f->step) {
    case CLO_STEP_EVIDENCE:
        if (f->err == CLOISTER_E_CANCELLED)
            clo_say_note("stopped");
        else if (f->reply.net == CLO_NET_STATUS)
            say_status(&f->reply, url);
        else if (f->err == CLOISTER_E_NETWORK || f->err == CLOISTER_E_PROTOCOL ||
                 f->err == CLOISTER_E_LIMIT)
            clo_say_problem("no evidence from %s: %s", url, net_text(&f->reply));
        else
            clo_say_problem("no evidence from %s: %s", url, cloister_strerror(f->err));
        break;
    case CLO_STEP_VERDICT: say_verdict_fault(f, v); break;
    case CLO_STEP_SEAL:
        if (f->err == CLOISTER_E_LIMIT)
            clo_say_problem("the conversation is too large to be sent: /reset begins a new one");
        else
            clo_say_problem("the question was not sent: %s", cloister_strerror(f->err));
        break;
    case CLO_STEP_SEND: say_send_fault(f); break;
    case CLO_STEP_ANSWER:
    case CLO_STEP_NONE: say_answer_fault(f); break;
    }
}

void clo_say_answer_error(const struct clo_answer_error *e)
{
    const char *text = e->message[0] != '\0' ? e->message : "the server gave no reason";

    if (strstr(e->code, "context") != NULL)
        clo_say_problem(
            "the conversation does not fit the model's context, and nothing was cut to make it fit: %s "
            "(/reset begins a new one)",
            text);
    else if (e->status == 401 || e->status == 403)
        clo_say_problem(
            "the API key is missing or was not accepted: --key-file names the file with yours");
    else if (e->status == 429)
        clo_say_problem("over the limit of this API key: %s (try again later)", text);
    else if (e->status == 503)
        clo_say_problem("the server is busy or not ready: %s (try again in a moment)", text);
    else
        clo_say_problem("the server could not answer: %s", text);
}

int clo_fault_exit(const struct clo_fault *f, const struct cloister_verdict *v)
{
    if (f->step != CLO_STEP_VERDICT)
        return 1;
    if (v != NULL && v->outcome != CLOISTER_NOT_VERIFIED && v->outcome != CLOISTER_VERIFIED)
        return cloister_verdict_exit(v);
    switch (f->err) {
    case CLOISTER_E_REFUSED:
    case CLOISTER_E_STALE: return 10;
    case CLOISTER_E_UNSUPPORTED:
    case CLOISTER_E_INDETERMINATE: return 20;
    case CLOISTER_E_TRUNCATED:
    case CLOISTER_E_TRAILING:
    case CLOISTER_E_MALFORMED:
    case CLOISTER_E_LIMIT:
    case CLOISTER_E_DUPLICATE:
    case CLOISTER_E_UNKNOWN:
    case CLOISTER_E_NOT_FOUND: return 30;
    default: return 1;
    }
}

void clo_say_file(const char *path, const char *what, int err)
{
    switch (err) {
    case CLOISTER_E_IO:
        if (errno == ENOSPC || errno == EDQUOT)
            clo_say_problem("%s can't be %s: the disk is full: make room and try again", path,
                            what);
        else if (errno == ENOENT)
            clo_say_problem("%s can't be %s: there is no such file or folder: check the name", path,
                            what);
        else
            clo_say_problem("%s can't be %s: %s", path, what, strerror(errno));
        break;
    case CLOISTER_E_CREDENTIAL:
        clo_say_problem(
            "%s holds an API key and others may read it, or it is not yours: `chmod 600` it", path);
        break;
    case CLOISTER_E_CANCELLED: clo_say_note("stopped"); break;
    case CLOISTER_E_LIMIT: clo_say_problem("%s is larger than allowed", path); break;
    default: clo_say_problem("%s can't be %s: %s", path, what, cloister_strerror(err)); break;
    }
}

/* ---- verdicts ---- */

static const struct cloister_check *find(const struct cloister_verdict *v,
                                         enum cloister_check_id id)
{
    for (size_t i = 0; i < v->checks; i++) {
        if (v->check[i].id == id)
            return &v->check[i];
    }
    return NULL;
}

static void tee_name(const struct cloister_verdict *v, char *dst, size_t cap)
{
    static const char *const products[] = {"Milan", "Genoa", "Turin"};
    static const struct {
        const char *type, *name;
    } types[] = {
        {"sev-snp", "AMD SEV-SNP"},
        {"sev-snp-azure", "Azure, AMD SEV-SNP"},
        {"tdx", "Intel TDX"},
        {"tdx-azure", "Azure, Intel TDX"},
        {"sgx", "Intel SGX"},
        {"nvidia", "NVIDIA"},
        {"tpm", "TPM"},
    };
    const struct cloister_check *c = find(v, CLOISTER_CHECK_SNP_PRODUCT);
    const char *product = "", *name = v->type[0] != '\0' ? v->type : "unknown evidence";

    if (v->simulated) {
        (void)snprintf(dst, cap, "a simulated machine");
        return;
    }
    for (size_t i = 0; c != NULL && i < CLO_ARRAY_LEN(products); i++) {
        if (strstr(c->actual, products[i]) != NULL)
            product = products[i];
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(types); i++)
        if (strcmp(v->type, types[i].type) == 0)
            name = types[i].name;
    (void)snprintf(dst, cap, "%s%s%s", name, product[0] != '\0' ? " " : "", product);
}

static void clock_text(int64_t at, bool brief, char *dst, size_t cap)
{
    const time_t t = (time_t)at;
    struct tm tm = {0};

    if (localtime_r(&t, &tm) == NULL ||
        (brief ? strftime(dst, cap, "%H:%M", &tm)
               : strftime(dst, cap, "%Y-%m-%d %H:%M:%S %Z", &tm)) == 0)
        (void)snprintf(dst, cap, "%lld", (long long)at);
}

/* What the network sees of an answer although it can't read it; NULL where the machine promises all that there is. */
static const char *shows(const struct cloister_verdict *v)
{
    switch (v->shape) {
    case CLOISTER_SHAPING_FULL: return NULL;
    case CLOISTER_SHAPING_SIZE: return "times show when which part of an answer is written";
    default:
        return "none: sizes and times show how long questions and answers are and when they are written, and hint at "
               "what they are about";
    }
}

void clo_say_verified(const struct cloister_verdict *v)
{
    char tee[64], until[32], digest[13], safe[3 * sizeof(v->model) + 1];
    size_t used = 0;

    tee_name(v, tee, sizeof(tee));
    clock_text(v->valid_until, true, until, sizeof(until));
    clo_hex(v->evidence_digest, 6, digest);
    (void)clo_text_sanitise(v->model, strnlen(v->model, sizeof(v->model)), true, safe, &used);
    (void)fprintf(stderr, "%sverified: %s · model %s · keys good until %s · evidence %s…%s\n",
                  clo_style(stderr, CLO_GREEN), tee, safe, until, digest,
                  clo_style(stderr, CLO_PLAIN));
    if (v->simulated)
        (void)fprintf(stderr, "%s%s%s\n", clo_style(stderr, CLO_YELLOW), CLO_SIMULATED_WARNING,
                      clo_style(stderr, CLO_PLAIN));
    if (shows(v) != NULL)
        (void)fprintf(stderr, "%straffic shape: %s%s\n", clo_style(stderr, CLO_YELLOW), shows(v),
                      clo_style(stderr, CLO_PLAIN));
}

static void print_check(FILE *f, const struct cloister_check *c, bool verbose)
{
    static const struct {
        const char *mark;
        enum clo_style style;
    } marks[] = {
        [CLOISTER_CHECK_NONE] = {"?", CLO_RED},
        [CLOISTER_CHECK_PASS] = {"✓", CLO_GREEN},
        [CLOISTER_CHECK_FAIL] = {"✗", CLO_RED},
        [CLOISTER_CHECK_NOT_APPLICABLE] = {"–", CLO_DIM},
        [CLOISTER_CHECK_MISSING] = {"?", CLO_YELLOW},
    };
    const size_t i = (size_t)c->status < CLO_ARRAY_LEN(marks) ? c->status : 0;

    (void)fprintf(f, "%s%s%s %-24s %s\n", clo_style(f, marks[i].style), marks[i].mark,
                  clo_style(f, CLO_PLAIN), cloister_check_name(c->id), cloister_check_title(c->id));
    if (c->reason[0] != '\0' && strcmp(c->reason, cloister_check_title(c->id)) != 0)
        (void)fprintf(f, "    %s\n", c->reason);
    if (verbose && c->expected[0] != '\0' && strcmp(c->expected, c->actual) == 0)
        (void)fprintf(f, "    %sfound    %s, as expected%s\n", clo_style(f, CLO_DIM), c->actual,
                      clo_style(f, CLO_PLAIN));
    else if (c->expected[0] != '\0' && (verbose || c->status == CLOISTER_CHECK_FAIL))
        (void)fprintf(f, "    %sexpected %s\n    found    %s%s\n", clo_style(f, CLO_DIM),
                      c->expected, c->actual, clo_style(f, CLO_PLAIN));
}

/* Raw evidence has no keys, and perhaps no policy: zeros. */
static void print_digest(FILE *f, const char *name, const uint8_t digest[32])
{
    char hex[65];

    clo_hex(digest, 32, hex);
    if (!clo_all_zero(digest, 32))
        (void)fprintf(f, "%-10s %s\n", name, hex);
}

void clo_print_verdict(FILE *f, const struct cloister_verdict *v, bool verbose)
{
    static const char *const outcomes[] = {
        [CLOISTER_NOT_VERIFIED] = "NOT VERIFIED", [CLOISTER_VERIFIED] = "VERIFIED",
        [CLOISTER_REFUSED] = "REFUSED",           [CLOISTER_INDETERMINATE] = "INDETERMINATE",
        [CLOISTER_MALFORMED] = "MALFORMED",
    };
    static const char *const fresh[] = {
        [CLOISTER_FRESHNESS_NOT_CHECKED] = "not checked (no nonce was given)",
        [CLOISTER_FRESH] = "made for our own nonce",
        [CLOISTER_NOT_FRESH] = "NOT made for this nonce",
    };
    const bool ok = v->outcome == CLOISTER_VERIFIED;
    char tee[64], until[64], safe[3 * sizeof(v->model) + 1];
    size_t count[CLOISTER_CHECK_MISSING + 1] = {0}, used = 0;

    for (size_t i = 0; i < v->checks; i++) {
        if ((size_t)v->check[i].status < CLO_ARRAY_LEN(count))
            count[v->check[i].status]++;
        if (verbose || v->check[i].status == CLOISTER_CHECK_FAIL ||
            v->check[i].status == CLOISTER_CHECK_MISSING)
            print_check(f, &v->check[i], verbose);
    }
    tee_name(v, tee, sizeof(tee));
    (void)fprintf(f, "%s%s%s", clo_style(f, ok ? CLO_GREEN : CLO_RED),
                  (size_t)v->outcome < CLO_ARRAY_LEN(outcomes) ? outcomes[v->outcome] : "?",
                  clo_style(f, CLO_PLAIN));
    (void)fprintf(
        f, ": %s; checks: %zu passed, %zu failed, %zu could not be made, %zu not asked for\n", tee,
        count[CLOISTER_CHECK_PASS], count[CLOISTER_CHECK_FAIL], count[CLOISTER_CHECK_MISSING],
        count[CLOISTER_CHECK_NOT_APPLICABLE]);
    if (v->simulated)
        (void)fprintf(f, "%s%s%s\n", clo_style(f, CLO_YELLOW), CLO_SIMULATED_WARNING,
                      clo_style(f, CLO_PLAIN));
    /* what raw evidence covers says how fresh it is, and that is a check */
    if (!clo_all_zero(v->keys_digest, sizeof v->keys_digest))
        (void)fprintf(f, "freshness  %s\n",
                      (size_t)v->freshness < CLO_ARRAY_LEN(fresh) ? fresh[v->freshness] : "?");
    if (ok) {
        (void)clo_text_sanitise(v->model, strnlen(v->model, sizeof(v->model)), true, safe, &used);
        clock_text(v->valid_until, false, until, sizeof(until));
        if (safe[0] != '\0')
            (void)fprintf(f, "model      %s\n", safe);
        (void)fprintf(f, "valid to   %s\n", until);
    }
    print_digest(f, "evidence", v->evidence_digest);
    print_digest(f, "keys", v->keys_digest);
    print_digest(f, "policy", v->policy_digest);
}
