/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line and the configuration file of `cloister`. One table names every option, the commands that take it and its
 * help, so that they can't differ. What a command line says outweighs the file. No environment variable takes part,
 * except for XDG_CONFIG_HOME and HOME, which say where the file is, and NO_COLOR.
 */
#ifndef CLO_CLIENT_OPTIONS_H
#define CLO_CLIENT_OPTIONS_H

#include <cloister/verify.h>

#include "base/base.h"

enum clo_command {
    CLO_CMD_CHAT,
    CLO_CMD_VERIFY,
    CLO_CMD_EVIDENCE,
    CLO_CMD_POLICY,
    CLO_CMD_DEMO,
    CLO_CMD_PROXY,
    CLO_CMD_APPRAISE,
    CLO_CMD_EXPLAIN,
    CLO_CMD_BUNDLE,
    CLO_CMD_MEASURE,
    CLO_CMD_COUNT
};

/* A file of raw evidence, in the order of the command line. */
struct clo_option_item {
    enum cloister_raw_item item;
    const char *path;
};
#define CLO_OPTION_ITEMS 256
#define CLO_OPTION_ROOTS 12

struct clo_options {
    const char *server, *relay, *policy, *key_file,
        *model; /* may come from the configuration file */
    const char *system, *evidence, *nonce, *out, *nonce_out, *root, *measurement, *engine, *daemon;
    const char *sev_snp, *min_tcb, *min_firmware;
    int64_t max_tokens, seed; /* 0, -1: not given */
    double temperature;       /* -1: not given */
    int64_t at;               /* 0: now */
    bool json, verbose, no_freshness, no_color, from_server, help;
    bool accept, replace, yes, pin_chip;
    const char *listen, *allow_origin, *token_file;
    bool allow_remote;
    const char *on_hangup;                         /* "drain", "close"; NULL: the former */
    struct clo_option_item item[CLO_OPTION_ITEMS]; /* appraise, bundle: type's files */
    size_t items;
    const char *roots[CLO_OPTION_ROOTS]; /* "VENDOR=FILE" */
    size_t roots_n;
    const char *expect, *bundle, *bundle_policy, *collateral;
    bool expect_any;
    const char *firmware, *kernel, *initrd, *append, *vcpu_type, *vcpu_signature, *guest_features,
        *vmm; /* measure */
    int64_t vcpus;
    int64_t expires;
    int64_t ready_fd;       /* -1: not given */
    char *const *command;   /* proxy: what stands behind `--`, up to a NULL; NULL for none */
    const char *operand[2]; /* what isn't an option */
    int operands;
    char *owned[5]; /* values out of the configuration file; the others are argv's */
    size_t owned_n;
};

#define CLO_DEFAULT_SERVER "http://127.0.0.1:8080"
#define CLO_DEFAULT_LISTEN "127.0.0.1:8787"

/*
 * Read the configuration file, then argv[1...] of this command. On failure one sentence has been said on standard error:
 * CLOISTER_E_ARGUMENT or CLOISTER_E_CONFIG. With `help` set nothing else counts.
 */
CLO_MUST_USE int clo_options_parse(enum clo_command c, int argc, char **argv,
                                   struct clo_options *ret);
void clo_options_clear(struct clo_options *o);
/* Read all files that the options name (clo_file_preload), and the operand of this number, -1 for none. CLOISTER_E_MEMORY. */
CLO_MUST_USE int clo_options_preload(const struct clo_options *o, int operand);
/* Does --on-hangup say close? CLOISTER_E_ARGUMENT, and a sentence, for what it doesn't take. */
CLO_MUST_USE int clo_options_cuts(const struct clo_options *o, bool *ret);
/* The options of a command, one a line. */
void clo_options_help(enum clo_command c);

#endif
