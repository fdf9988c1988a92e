/* SPDX-License-Identifier: Apache-2.0 */
/* cloister-lab: makes the corpus of evidence cases. docs/LAB.md says what it is for. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/json.h"
#include "lab/corpus.h"

#define EXIT_USAGE 2
#define INDEX_MAX  (4u << 20)

static const char usage[] =
    "Makes evidence of machines that don't exist, each case with the verdict that every verifier must reach.\n"
    "\n"
    "  cloister-lab list [--format FORMAT] [--json]            what there is\n"
    "  cloister-lab make FOLDER [--format FORMAT] [--case ID]  writes FOLDER/ID.json, and FOLDER/index.json\n"
    "  cloister-lab show ID                                    prints one case\n"
    "\n"
    "  -f, --format FORMAT  only these: sev-snp, sev-snp-azure, tdx, tdx-azure, sgx, tpm, nvidia, evidence\n"
    "  -c, --case ID        only this one\n"
    "  -j, --json           list as JSON\n"
    "  -h, --help           this\n"
    "\n"
    "Keys are new each time. Exit status: 0, 2 for a wrong command line, 1 for anything else.\n";

struct want {
    const char *command, *folder, *format, *id;
    bool json;
};

struct sink {
    const struct want *want;
    json_t *index; /* array */
    size_t n;
};

static void put(json_t *o, const char *name, const char *value)
{
    LAB_MUST(json_object_set_new(o, name, json_string(value)) == 0);
}

static void index_add(struct sink *s, const struct lab_case *c)
{
    json_t *o = json_object();
    char file[128];

    put(o, "id", c->id);
    put(o, "format", c->format);
    put(o, "title", c->title);
    put(o, "outcome", c->outcome);
    if (s->want->folder != NULL) {
        LAB_MUST((size_t)snprintf(file, sizeof file, "%s.json", c->id) < sizeof file);
        put(o, "file", file);
    }
    LAB_MUST(json_array_append_new(s->index, o) == 0);
}

/* Never a half-written file: what can't be written to its end goes. */
static void file_write(const char *folder, const char *name, const struct clo_buf *b)
{
    char path[4096];
    FILE *f;

    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        lab_cannot(folder, 0, "the name is too long");
    if ((f = fopen(path, "wbe")) == NULL)
        lab_cannot(path, 0, strerror(errno));
    if (fwrite(b->p, 1, b->len, f) != b->len || fputc('\n', f) == EOF || fflush(f) != 0) {
        const char *why = strerror(errno);

        (void)fclose(f);
        (void)unlink(path);
        lab_cannot(path, 0, why);
    }
    if (fclose(f) != 0)
        lab_cannot(path, 0, strerror(errno));
}

static void take(void *arg, const struct lab_case *c, const struct clo_buf *json)
{
    struct sink *s = arg;

    s->n++;
    if (strcmp(s->want->command, "show") == 0) {
        LAB_MUST(fwrite(json->p, 1, json->len, stdout) == json->len && putchar('\n') != EOF);
        return;
    }
    index_add(s, c);
    if (s->want->folder != NULL) {
        char name[128];

        (void)snprintf(name, sizeof name, "%s.json", c->id);
        file_write(s->want->folder, name, json);
    } else if (!s->want->json) {
        LAB_MUST(printf("%-13s %-44s %-13s %s\n", c->format, c->id, c->outcome, c->title) > 0);
    }
}

static void index_write(const struct sink *s)
{
    struct clo_buf b = clo_buf_init(INDEX_MAX);
    json_t *o = json_object();

    LAB_MUST(json_object_set_new(o, "v", json_integer(1)) == 0);
    LAB_MUST(json_object_set(o, "cases", s->index) == 0);
    LAB_MUST(clo_json_write_text(o, &b) == 0);
    if (s->want->folder != NULL)
        file_write(s->want->folder, "index.json", &b);
    else
        LAB_MUST(fwrite(b.p, 1, b.len, stdout) == b.len && putchar('\n') != EOF);
    clo_buf_clear(&b);
    json_decref(o);
}

static int wrong(const char *what)
{
    (void)fprintf(stderr, "cloister-lab: %s\n\n%s", what, usage);
    return EXIT_USAGE;
}

static int run(const struct want *w)
{
    struct sink s = {.want = w, .index = json_array()};

    if (w->folder != NULL && mkdir(w->folder, 0777) != 0 && errno != EEXIST) {
        (void)fprintf(stderr, "cloister-lab: %s: %s\n", w->folder, strerror(errno));
        json_decref(s.index);
        return 1;
    }
    lab_corpus(w->format, w->id, take, &s);
    if (s.n > 0 && (w->folder != NULL || w->json))
        index_write(&s);
    json_decref(s.index);
    if (fflush(stdout) != 0) {
        (void)fprintf(stderr, "cloister-lab: %s\n", strerror(errno));
        return 1;
    }
    if (s.n > 0)
        return 0;
    (void)fprintf(stderr, "cloister-lab: no such case: `cloister-lab list` says what there is\n");
    return 1;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"format", required_argument, NULL, 'f'},
        {"case", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct want w = {0};
    int c;

    while ((c = getopt_long(argc, argv, "f:c:jh", options, NULL)) != -1) {
        switch (c) {
        case 'f': w.format = optarg; break;
        case 'c': w.id = optarg; break;
        case 'j': w.json = true; break;
        case 'h': return fputs(usage, stdout) == EOF || fflush(stdout) != 0;
        default: return wrong("this command line isn't understood");
        }
    }
    if (optind == argc)
        return wrong("a command is wanted");
    w.command = argv[optind++];
    if (w.format != NULL && !lab_format_known(w.format))
        return wrong("there is no such format");
    if (strcmp(w.command, "make") == 0 && optind < argc)
        w.folder = argv[optind++];
    else if (strcmp(w.command, "show") == 0 && optind < argc && w.id == NULL)
        w.id = argv[optind++];
    else if (strcmp(w.command, "list") != 0)
        return wrong("make FOLDER, show ID or list is wanted");
    if (optind < argc)
        return wrong("too many arguments");
    return run(&w);
}
