/* SPDX-License-Identifier: Apache-2.0 */
/* `cloister`: chat with a machine that has been verified, and the commands around that. */
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/commands.h"
#include "client/drain.h"
#include "client/judge.h"
#include "client/say.h"
#include "client/stop.h"
#include "codec/json.h"
#include "platform/file.h"
#include "platform/process.h"

static const struct command {
    const char *name;
    int (*run)(const struct clo_options *o);
    const char *synopsis;
    const char *summary;
    const char *more;
} commands[CLO_CMD_COUNT] = {
    [CLO_CMD_CHAT] =
        {"chat", clo_command_chat, "[options] [QUESTION | -]",
         "talk to a server that your policy admits",
         "Without QUESTION: a conversation at the terminal, or the question from standard "
         "input.\n"},
    [CLO_CMD_VERIFY] = {"verify", clo_command_verify, "[options]",
                        "judge a server's or a saved file's evidence", ""},
    [CLO_CMD_EVIDENCE] = {"evidence", clo_command_evidence, "[options] --out FILE",
                          "save a server's evidence", ""},
    [CLO_CMD_POLICY] =
        {"policy", clo_command_policy,
         "init [options] | from-evidence FILE [options] | show FILE | diff [options]",
         "write a policy, say what one admits, or how a server differs from it", ""},
    [CLO_CMD_DEMO] = {"demo", clo_command_demo, "[options] --engine FILE --model FILE [QUESTION]",
                      "try it all on this machine with a simulated TEE, which protects nothing",
                      ""},
    [CLO_CMD_PROXY] =
        {"proxy", clo_command_proxy, "[options] [-- COMMAND [ARG...]]",
         "let applications use a verified server through the OpenAI API",
         "With COMMAND: run it with OPENAI_BASE_URL and OPENAI_API_KEY set, and end with it.\n"},
    [CLO_CMD_APPRAISE] =
        {"appraise", clo_command_appraise, "TYPE REPORT [options] | --bundle FILE [options]",
         "judge any hardware evidence, offline",
         "TYPE is sev-snp, tdx, sgx, azure, nvidia or tpm. REPORT is the report, the quote, the HCL envelope or the "
         "TPM's\nquote; of NVIDIA's there may be several, each followed by its --certificates.\n"},
    [CLO_CMD_EXPLAIN] =
        {"explain", clo_command_explain, "[options] FILE",
         "say in plain language what evidence says, who signed it and what is unproven",
         "FILE is saved evidence, a bundle, or a bare report, quote, certificate or piece of collateral.\n"},
    [CLO_CMD_BUNDLE] =
        {"bundle", clo_command_bundle,
         "[options] --evidence FILE --out FILE | TYPE REPORT [options] --out FILE",
         "put evidence and all that judging it needs into one file",
         "For a verifier without a network. Types and options are those of `cloister appraise`.\n"},
    [CLO_CMD_MEASURE] = {"measure", clo_command_measure, "--firmware FILE --vcpus N [options]",
                         "say what SEV-SNP will measure of a guest, for a policy to pin", ""},
};

/* Do they ask a server for its evidence? Then somebody else has to read it (client/judge.h). */
static bool asks(enum clo_command c)
{
    switch (c) {
    case CLO_CMD_CHAT:
    case CLO_CMD_VERIFY:
    case CLO_CMD_EVIDENCE:
    case CLO_CMD_POLICY:
    case CLO_CMD_DEMO:
    case CLO_CMD_PROXY: return true;
    default: return false;
    }
}

static void help(void)
{
    puts("cloister: chat with a language model that its operator can't read, and prove it\n");
    for (size_t i = 0; i < CLO_ARRAY_LEN(commands); i++)
        printf("  cloister %-9s %s\n", commands[i].name, commands[i].summary);
    puts("\n`cloister COMMAND --help` tells the options, `man cloister` the rest.\n\n"
         "exit status: 0 verified, done; 10 refused by verification; 20 unsupported or\n"
         "indeterminate; 30 malformed input; 1 anything else");
}

static int command_help(enum clo_command c)
{
    printf("cloister %s %s\n\n%s.\n%s\n", commands[c].name, commands[c].synopsis,
           commands[c].summary, commands[c].more);
    clo_options_help(c);
    return CLO_EXIT_OK;
}

static int run(enum clo_command c, int argc, char **argv)
{
    struct clo_options o = {0};
    int code;

    clo_say_init(false);
    if (asks(c) && clo_judge_start(argc, argv) != 0)
        return CLO_EXIT_ERROR;
    if (clo_options_parse(c, argc, argv, &o) != 0)
        return CLO_EXIT_ERROR;
    clo_say_init(o.no_color);
    code = o.help ? command_help(c) : commands[c].run(&o);
    clo_judge_end();
    clo_options_clear(&o);
    return code;
}

/* What a command printed may still wait to be written. */
static int flush(int code)
{
    if (code != CLO_EXIT_OK || (fflush(stdout) == 0 && ferror(stdout) == 0))
        return code;
    clo_say_file("standard output", "written", CLOISTER_E_IO);
    return CLO_EXIT_ERROR;
}

/* No core file, no other process looking in; but files are made as the user's own mask says. */
static int harden(void)
{
    const mode_t mask = umask(077);
    int err = clo_process_harden(0);

    umask(mask);
    if (err == 0 && (err = clo_stop_init()) == 0)
        clo_file_stop_fd(clo_stop_fd());
    return err;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";
    int code = CLO_EXIT_ERROR;

    if (harden() != 0) {
        fputs("cloister: this process could not be protected from being dumped\n", stderr);
        return CLO_EXIT_ERROR;
    }
    clo_json_use_wiping_heap();
    /* Line editing needs to know what a character is; everything here is UTF-8. */
    if (setlocale(LC_CTYPE, "") == NULL || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        (void)setlocale(LC_CTYPE, "C.UTF-8");

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        help();
        return flush(argc > 1 ? CLO_EXIT_OK : CLO_EXIT_ERROR);
    }
    if (strcmp(name, "--version") == 0) {
        puts("cloister " CLO_VERSION);
        return flush(CLO_EXIT_OK);
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(commands); i++) {
        if (strcmp(name, commands[i].name) != 0)
            continue;
        code = flush(run((enum clo_command)i, argc - 1, argv + 1));
        clo_drain_leave(argv);
        clo_stop_obey();
        return code;
    }
    clo_say_init(false);
    clo_say_problem("there is no command \"%s\": `cloister --help` lists them", name);
    return code;
}
