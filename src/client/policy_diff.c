/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloister policy diff`: the command, and accepting. Of the two verdicts that policy_diff_find.c takes, only if the second says
 * "verified" can the second policy take the place of the first, byte for byte as it was judged.
 */
#include "client/policy_diff.h"

#include <errno.h>
#include <poll.h>
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

/* Was the file left alone since it was read? What somebody else wrote meanwhile is not to be lost. */
static int check_unchanged(const struct clo_diff *d)
{
    struct clo_buf again = clo_buf_init(CLO_POLICY_MAX);
    int err = clo_file_read(d->o->policy, &again);

    if (err == 0 && (again.len != d->text.len || memcmp(again.p, d->text.p, again.len) != 0)) {
        clo_say_problem("%s was changed meanwhile and is left as it is: try again", d->o->policy);
        err = CLOISTER_E_STATE;
    } else if (err != 0) {
        clo_say_file(d->o->policy, "read", err);
    }
    clo_buf_clear(&again);
    return err;
}

static int accept(struct clo_diff *d)
{
    int err;

    if (!clo_diff_acceptable(d)) {
        clo_say_problem("this can't be accepted, and the policy stays as it is");
        return d->verdict.outcome == CLOISTER_VERIFIED ? CLO_EXIT_REFUSED
                                                       : cloister_verdict_exit(&d->verdict);
    }
    if (d->wanted.len == 0)
        return CLO_EXIT_OK;
    if (!agreed(d))
        return cloister_verdict_exit(&d->verdict);
    if (check_unchanged(d) != 0)
        return CLO_EXIT_ERROR;
    /* Exactly the bytes that were judged. */
    if ((err = clo_file_replace(d->o->policy, d->wanted.p, d->wanted.len)) != 0) {
        if (err == CLOISTER_E_ARGUMENT)
            clo_say_problem("%s is not a regular file: nothing was written", d->o->policy);
        else
            clo_say_file(d->o->policy, "written", err);
        return CLO_EXIT_ERROR;
    }
    d->accepted = true;
    clo_say_note("accepted: %s admits this from now on", d->o->policy);
    return CLO_EXIT_OK;
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

static int run(struct clo_diff *d)
{
    bool has_nonce = false;
    int code = CLO_EXIT_ERROR, err;

    if (check_options(d->o) != 0 ||
        clo_common_policy_text(d->o->policy, &d->text, &d->policy, &code) != 0 ||
        clo_common_evidence(d->o, &d->evidence, &d->nonce, &has_nonce, &code) != 0)
        return code;
    d->now = clo_clock_now();
    if (d->o->evidence != NULL)
        d->nonce.sent_at = d->now;
    if ((err = clo_diff_compare(d)) != 0) {
        clo_say_problem("the evidence could not be compared: %s", cloister_strerror(err));
        return CLO_EXIT_ERROR;
    }
    if (!d->o->json)
        clo_diff_print_text(d);
    code = d->o->accept ? accept(d) : cloister_verdict_exit(&d->verdict);
    if (d->o->json && (err = clo_diff_print_json(d)) != 0) {
        clo_say_file("the difference", "written", err);
        code = CLO_EXIT_ERROR;
    }
    return code;
}

int clo_policy_diff(const struct clo_options *o)
{
    struct clo_diff *d = calloc(1, sizeof(*d));
    int code = CLO_EXIT_ERROR;

    if (d == NULL) {
        clo_say_problem("not enough memory");
        return code;
    }
    d->o = o;
    d->text = clo_buf_init(CLO_POLICY_MAX);
    d->wanted = clo_buf_init(CLO_POLICY_MAX);
    code = run(d);
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
