/* SPDX-License-Identifier: Apache-2.0 */
/* `cloisterd check`: examines this machine for the daemon that the same options would start, and says what to mend. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "daemon/parent/host_check.h"
#include "platform/process.h"

static const char *const status_name[] = {
    [CLO_FINDING_FAIL] = "fail", [CLO_FINDING_WARN] = "warn", [CLO_FINDING_OK] = "ok"};

static void help(void)
{
    printf(
        "Usage: cloisterd check [--json] [OPTION...]\n"
        "Examines this machine before it serves, and says how to mend what it finds. Options are those with\n"
        "which cloisterd will be started; the configuration file counts as it will then.\n\n"
        "  --json                         for programs\n"
        "  --help                         show this\n\n"
        "Exit status: 0 if nothing fails, 1 otherwise.\n"
        "Manual: cloisterd(8)\n");
}

static void print_text(const struct clo_finding *f)
{
    printf("%-4s  %-13s  %s\n", status_name[f->status], f->id, f->text);
    if (f->mend[0] != 0)
        printf("%21s-> %s\n", "", f->mend);
}

static int add_json(json_t *list, const struct clo_finding *f)
{
    json_t *o = json_object();

    if (o == NULL || json_object_set_new(o, "id", json_string(f->id)) != 0 ||
        json_object_set_new(o, "status", json_string(status_name[f->status])) != 0 ||
        json_object_set_new(o, "text", json_string(f->text)) != 0 ||
        (f->mend[0] != 0 && json_object_set_new(o, "mend", json_string(f->mend)) != 0) ||
        json_array_append(list, o) != 0) {
        json_decref(o);
        return CLOISTER_E_MEMORY;
    }
    json_decref(o);
    return 0;
}

static int print_json(json_t *list, bool ok)
{
    struct clo_buf out = clo_buf_init(1 << 20);
    json_t *doc = json_object();
    int err = CLOISTER_E_MEMORY;

    if (doc != NULL && json_object_set_new(doc, "v", json_integer(1)) == 0 &&
        json_object_set_new(doc, "ok", json_boolean(ok)) == 0 &&
        json_object_set(doc, "findings", list) == 0 && (err = clo_json_write(doc, &out)) == 0)
        printf("%.*s\n", (int)out.len, (const char *)out.p);
    json_decref(doc);
    clo_buf_clear(&out);
    return err;
}

static int examine(const struct clo_config *cfg, bool json)
{
    struct clo_host host;
    json_t *list = json_array();
    bool ok = true;
    int err = list != NULL ? 0 : CLOISTER_E_MEMORY;

    clo_host_init(&host, cfg);
    for (enum clo_host_item i = 0; err == 0 && i < CLO_HOST_ITEMS; i++) {
        struct clo_finding f;

        clo_host_check(&host, i, &f);
        ok = ok && f.status != CLO_FINDING_FAIL;
        if (json)
            err = add_json(list, &f);
        else
            print_text(&f);
    }
    if (err == 0 && json)
        err = print_json(list, ok);
    json_decref(list);
    return err == 0 && fflush(stdout) == 0 && ok ? 0 : 1;
}

int clo_check_command(int argc, char *const argv[])
{
    static struct clo_config cfg;
    static struct clo_problem problem;
    char **rest = calloc((size_t)argc + 1, sizeof *rest);
    enum clo_config_want want = CLO_WANT_RUN;
    int n = 0, status = 1;
    bool json = false;

    if (rest == NULL || clo_process_harden(0) != 0) {
        fprintf(stderr, "cloisterd: the operating system refused to protect this process.\n");
        goto out;
    }
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else
            rest[n++] = argv[i];
    }
    if (clo_config_read(n, rest, &cfg, &want, &problem) != 0) {
        fprintf(stderr, "cloisterd: %s.\n", problem.text);
        goto out;
    }
    if (want == CLO_WANT_HELP) {
        help();
        status = 0;
    } else if (want == CLO_WANT_VERSION) {
        fprintf(stderr, "cloisterd: ask for the version without check.\n");
    } else {
        status = examine(&cfg, json);
    }
out:
    free(rest);
    return status;
}
