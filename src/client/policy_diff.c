/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloister policy diff`: the command, and accepting. Of the two verdicts that policy_diff_find.c takes, only if the second says
 * "verified" can the second policy take the place of the first, byte for byte as it was judged. All that reads evidence, and the question to the
 * user, is in a cell; writing is outside.
 */
#include "client/policy_diff.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/secret.h"
#include "client/commands.h"
#include "client/policy_diff_in.h"
#include "client/say.h"
#include "client/stop.h"
#include "codec/json.h"
#include "platform/file.h"
#include "platform/process.h"

enum {
    JSON_MAX = 1 << 22,
    GIVEN_MAX = CLO_POLICY_MAX + 2 * JSON_MAX + 12
};

/* ---- accepting ---- */

static bool agreed(const struct clo_diff *d)
{
    /* A terminal hands over whole lines. A signal between the question and a read that waits would not end that. */
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = clo_stop_fd(), .events = POLLIN}};
    char line[8] = {0};

    if (d->o->yes)
        return true;
    (void)tcflush(STDIN_FILENO, TCIFLUSH); /* typed before there was a question: no answer */
    fputs("Let the policy admit this from now on? [y/N] ", stderr);
    if (fflush(stdout) == 0) {
        while (poll(fds, CLO_ARRAY_LEN(fds), -1) < 0 && errno == EINTR && clo_stop_signal() == 0)
            ;
        if (clo_stop_signal() == 0 && fgets(line, sizeof(line), stdin) != NULL &&
            (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0))
            return true;
    }
    clo_say_note("the policy stays as it is");
    return false;
}

/* ---- in a cell: comparing, showing, asking ---- */

/* What the process outside is to do: bytes and two documents, each behind its length in four bytes. */
struct given {
    struct clo_buf wanted;  /* the policy to be written */
    struct clo_buf yes, no; /* what is printed when it has been, and when it couldn't be */
};

static int put_part(const struct clo_buf *part, struct clo_buf *out)
{
    uint8_t head[4];
    struct clo_wr wr = clo_wr_init(head, sizeof(head));
    int err;

    if ((err = clo_wr_u32le(&wr, (uint32_t)part->len)) != 0 ||
        (err = clo_buf_append(out, head, sizeof(head))) != 0)
        return err;
    return clo_buf_append(out, part->p, part->len);
}

static int take_part(struct clo_rd *rd, struct clo_buf *part)
{
    const uint8_t *p = NULL;
    uint32_t n = 0;
    int err;

    if ((err = clo_rd_u32le(rd, &n)) != 0 || (err = clo_rd_view(rd, n, &p)) != 0)
        return err;
    return clo_buf_append(part, p, n);
}

static int write_json(struct clo_diff *d, bool accepted, struct clo_buf *out)
{
    d->accepted = accepted;
    return d->o->json ? clo_diff_json(d, out) : 0;
}

/* Exactly the bytes that were judged. */
static int give(struct clo_diff *d, struct clo_buf *out)
{
    struct clo_buf yes = clo_buf_init(JSON_MAX), no = clo_buf_init(JSON_MAX);
    int err;

    if ((err = write_json(d, true, &yes)) == 0 && (err = write_json(d, false, &no)) == 0 &&
        (err = put_part(&d->wanted, out)) == 0 && (err = put_part(&yes, out)) == 0)
        err = put_part(&no, out);
    clo_buf_clear(&yes);
    clo_buf_clear(&no);
    return err;
}

/* The exit code; *accepts: the wanted policy is to be written. */
static int decide(struct clo_diff *d, bool *accepts)
{
    *accepts = false;
    if (!d->o->accept)
        return cloister_verdict_exit(&d->verdict);
    if (!clo_diff_acceptable(d)) {
        clo_say_problem("this can't be accepted, and the policy stays as it is");
        return d->verdict.outcome == CLOISTER_VERIFIED ? CLO_EXIT_REFUSED
                                                       : cloister_verdict_exit(&d->verdict);
    }
    if (d->wanted.len == 0)
        return CLO_EXIT_OK;
    if (!agreed(d))
        return cloister_verdict_exit(&d->verdict);
    *accepts = true;
    return CLO_EXIT_OK;
}

static int finish(struct clo_diff *d, struct clo_buf *out)
{
    struct clo_buf json = clo_buf_init(JSON_MAX);
    bool accepts = false;
    int code, err;

    if (!d->o->json)
        clo_diff_print_text(d);
    code = decide(d, &accepts);
    if ((err = accepts ? give(d, out) : write_json(d, false, &json)) != 0) {
        clo_say_file("the difference", "written", err);
        code = CLO_EXIT_ERROR;
    }
    if (json.len > 0)
        printf("%.*s\n", (int)json.len, (const char *)json.p);
    clo_buf_clear(&json);
    return code;
}

struct work {
    const struct clo_options *o;
    const struct clo_live *live; /* NULL: saved evidence */
};

static int compare(void *ctx, struct clo_buf *out)
{
    const struct work *w = ctx;
    struct clo_diff *d = calloc(1, sizeof(*d));
    bool has_nonce = false;
    int code = CLO_EXIT_ERROR, err;

    if (d == NULL) {
        clo_say_problem("not enough memory");
        return code;
    }
    d->o = w->o;
    d->text = clo_buf_init(CLO_POLICY_MAX);
    d->wanted = clo_buf_init(CLO_POLICY_MAX);
    if (clo_common_policy_text(d->o->policy, &d->text, &d->policy, &code) != 0 ||
        clo_common_evidence(d->o, w->live, &d->evidence, &d->nonce, &has_nonce, &code) != 0)
        goto out;
    d->now = clo_clock_now();
    if (w->live == NULL)
        d->nonce.sent_at = d->now;
    if ((err = clo_diff_compare(d)) != 0) {
        clo_say_problem("the evidence could not be compared: %s", cloister_strerror(err));
        code = CLO_EXIT_ERROR;
        goto out;
    }
    code = finish(d, out);
out:
    if (d->readable)
        clo_shown_clear(&d->shown);
    clo_buf_clear(&d->wanted);
    json_decref(d->doc);
    cloister_evidence_free(d->evidence);
    cloister_policy_free(d->policy);
    clo_buf_clear(&d->text);
    free(d);
    return code;
}

/* ---- outside: writing ---- */

/* Was the file left alone since it was read? What somebody else wrote meanwhile is not to be lost. */
static int check_unchanged(const struct clo_options *o, const struct clo_buf *text)
{
    struct clo_buf again = clo_buf_init(CLO_POLICY_MAX);
    int err = clo_file_read(o->policy, &again);

    if (err == 0 && (again.len != text->len || memcmp(again.p, text->p, again.len) != 0)) {
        clo_say_problem("%s was changed meanwhile and is left as it is: try again", o->policy);
        err = CLOISTER_E_STATE;
    } else if (err != 0) {
        clo_say_file(o->policy, "read", err);
    }
    clo_buf_clear(&again);
    return err;
}

static int replace(const struct clo_options *o, const struct clo_buf *text,
                   const struct clo_buf *wanted)
{
    char why[256] = "";
    int err;

    if ((err = check_unchanged(o, text)) != 0)
        return err;
    if ((err = cloister_policy_check(wanted->p, wanted->len, why, sizeof(why))) != 0)
        clo_say_problem("%s would be no policy any more, and is left as it is: %s", o->policy, why);
    else if ((err = clo_file_replace(o->policy, wanted->p, wanted->len)) == CLOISTER_E_ARGUMENT)
        clo_say_problem("%s is not a regular file: nothing was written", o->policy);
    else if (err != 0)
        clo_say_file(o->policy, "written", err);
    else
        clo_say_note("accepted: %s admits this from now on", o->policy);
    return err;
}

/* given is empty where there is nothing to be written. */
static int write_policy(const struct clo_options *o, const struct clo_buf *text,
                        const struct clo_buf *given)
{
    struct given g = {clo_buf_init(CLO_POLICY_MAX), clo_buf_init(JSON_MAX), clo_buf_init(JSON_MAX)};
    struct clo_rd rd = clo_rd_init(given->p, given->len);
    const struct clo_buf *said = NULL;
    int code = CLO_EXIT_ERROR;

    if (given->len == 0)
        return CLO_EXIT_OK;
    if (take_part(&rd, &g.wanted) != 0 || take_part(&rd, &g.yes) != 0 ||
        take_part(&rd, &g.no) != 0 || clo_rd_end(&rd) != 0) {
        clo_say_problem("what compared this gave back nothing that counts: nothing was written");
        goto out;
    }
    if (replace(o, text, &g.wanted) == 0)
        code = CLO_EXIT_OK;
    said = code == CLO_EXIT_OK ? &g.yes : &g.no;
    if (said->len > 0)
        printf("%.*s\n", (int)said->len, (const char *)said->p);
out:
    clo_buf_clear(&g.wanted);
    clo_buf_clear(&g.yes);
    clo_buf_clear(&g.no);
    return code;
}

/* ---- the command ---- */

static int check_options(const struct clo_options *o)
{
    const char *wrong = NULL;

    if ((o->replace || o->yes) && !o->accept)
        wrong = "--replace and --yes go with --accept";
    else if ((o->evidence == NULL) != (o->nonce == NULL))
        wrong = "--evidence and --nonce go together: evidence without its nonce may be old";
    else if (o->accept && o->policy != NULL && strcmp(o->policy, "-") == 0)
        wrong = "--accept writes to the policy's file: name it with --policy FILE";
    else if (o->accept && !o->yes && o->json)
        wrong = "--accept with --json asks nobody: it needs --yes";
    else if (o->accept && !o->yes &&
             (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1 ||
              isatty(STDERR_FILENO) != 1))
        wrong =
            "--accept shows the difference and asks first, and there is no terminal: it needs --yes";
    if (wrong != NULL)
        clo_say_problem("%s", wrong);
    return wrong == NULL ? 0 : CLOISTER_E_ARGUMENT;
}

int clo_policy_diff(const struct clo_options *o)
{
    struct clo_buf text = clo_buf_init(CLO_POLICY_MAX), given = clo_buf_init(GIVEN_MAX);
    struct cloister_policy *policy = NULL;
    struct clo_live live = {0};
    struct work w = {.o = o, .live = o->evidence != NULL ? NULL : &live};
    int code = CLO_EXIT_ERROR;

    if (check_options(o) != 0)
        return code;
    if (clo_options_preload(o, -1) != 0) {
        clo_say_problem("not enough memory");
        goto out;
    }
    if (clo_common_policy_text(o->policy, &text, &policy, &code) != 0 ||
        (w.live != NULL && clo_common_fetch(o, &live, &code) != 0))
        goto out;
    if ((code = clo_common_inside(o, -1, compare, &w, &given)) == CLO_EXIT_OK)
        code = write_policy(o, &text, &given);
out:
    clo_file_preload_end();
    cloister_policy_free(policy);
    clo_buf_clear(&given);
    clo_buf_clear(&live.json);
    clo_buf_clear(&text);
    return code;
}
