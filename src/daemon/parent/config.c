/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table has every option: its name, its keyword, its bounds, its line of help. Values are gathered as text first, the command
 * line's before the file's, and interpreted in one place afterwards.
 */
#include "daemon/parent/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/enc.h"

enum option {
    LISTEN,
    TEE,
    GPUS,
    TPM_PCRS,
    MODEL,
    UPSTREAM,
    UPSTREAM_ENGINE,
    SERVER,
    MODEL_NAME,
    SLOTS,
    CONTEXT,
    THREADS,
    EMBEDDINGS,
    API_KEYS,
    RUNTIME_DIR,
    STATE_DIR,
    CACHE_DIR,
    FETCH,
    FETCH_PROXY,
    AMD_SERVICE,
    INTEL_SERVICE,
    INTEL_CERTIFICATES,
    NVIDIA_SERVICE,
    AZURE_SERVICE,
    SHAPE,
    KEY_LIFETIME,
    ALLOW_X25519,
    QUOTA,
    EPOCH_REQUESTS,
    MAX_REQUEST,
    MAX_MEMORY,
    MAX_CONNECTIONS,
    MAX_PARALLEL,
    MAX_QUEUE,
    MAX_PEER,
    RELAY,
    CELL_UID,
    INCOMPLETE_CELLS,
    DRAIN_TIMEOUT,
    LOG_LEVEL,
    CONFIG,
    READY_FD,
    HELP,
    VERSION,
    OPTIONS
};

enum kind {
    TEXT,
    NUMBER,
    YES_NO,
    ALONE
};

static const struct {
    const char *name;    /* --name */
    const char *keyword; /* in the file; NULL: command line only */
    enum kind kind;
    uint32_t min, max, absent; /* NUMBER */
    const char *arg, *help;
} table[OPTIONS] = {
    [LISTEN] = {"listen", "Listen", TEXT, 0, 0, 0, "ADDRESS:PORT",
                "serve here (127.0.0.1:8080); IPv6 in brackets; port 0: any"},
    [TEE] = {"tee", "Tee", TEXT, 0, 0, 0, "KIND",
             "what protects this machine (auto: what there is); simulated protects nothing"},
    [GPUS] = {"gpus", "Gpus", TEXT, 0, 0, 0, "KIND",
              "auto: this machine's NVIDIA GPUs belong to the evidence; or none"},
    [TPM_PCRS] = {"tpm-pcrs", "TpmPcrs", TEXT, 0, 0, 0, "LIST",
                  "what a vTPM quotes, like 0-7,11 (0-23)"},
    [MODEL] = {"model", "Model", TEXT, 0, 0, 0, "FILE", "serve this GGUF model with llama-server"},
    [UPSTREAM] = {"upstream", "Upstream", TEXT, 0, 0, 0, "URL",
                  "or use this engine: unix:/PATH, http://127.0.0.1:PORT"},
    [UPSTREAM_ENGINE] = {"upstream-engine", "UpstreamEngine", TEXT, 0, 0, 0, "KIND",
                         "vllm: keys of clients share no prefix cache in it (other: they may)"},
    [SERVER] = {"llama-server", "LlamaServer", TEXT, 0, 0, 0, "PROGRAM",
                "llama-server, if neither on PATH nor in the cache"},
    [MODEL_NAME] = {"model-name", "ModelName", TEXT, 0, 0, 0, "NAME",
                    "what the model is called (its file's name)"},
    [SLOTS] = {"slots", "Slots", NUMBER, 1, 1024, 4, "N",
               "requests that the engine works on at the same time"},
    [CONTEXT] = {"context", "Context", NUMBER, 0, 1 << 20, 0, "TOKENS",
                 "context of each slot; 0: the model's own"},
    [THREADS] = {"threads", "Threads", NUMBER, 0, 4096, 0, "N",
                 "processors for llama-server; 0: its choice"},
    [EMBEDDINGS] = {"embeddings", "Embeddings", TEXT, 0, 0, 0, "KIND",
                    "serve nothing else: yes (as the model says), mean, cls or last (no)"},
    [API_KEYS] = {"api-keys", "ApiKeys", TEXT, 0, 0, 0, "FILE",
                  "the key store; without it only loopback is served"},
    [RUNTIME_DIR] = {"runtime-dir", "RuntimeDir", TEXT, 0, 0, 0, "FOLDER",
                     "for the engine's socket (/run/cloister)"},
    [STATE_DIR] = {"state-dir", "StateDir", TEXT, 0, 0, 0, "FOLDER",
                   "for this replica's path (/var/lib/cloister)"},
    [CACHE_DIR] = {"cache-dir", "CacheDir", TEXT, 0, 0, 0, "FOLDER",
                   "for vendors' certificates and collateral (/var/cache/cloister)"},
    [FETCH] = {"fetch", "Fetch", TEXT, 0, 0, 0, "YES|NO",
               "ask vendors' services for what isn't in the cache (yes)"},
    [FETCH_PROXY] = {"fetch-proxy", "FetchProxy", TEXT, 0, 0, 0, "URL", "by way of this proxy"},
    [AMD_SERVICE] = {"amd-service", "AmdService", TEXT, 0, 0, 0, "URL",
                     "instead of AMD's key distribution service"},
    [INTEL_SERVICE] = {"intel-service", "IntelService", TEXT, 0, 0, 0, "URL",
                       "instead of Intel's provisioning certification service"},
    [INTEL_CERTIFICATES] = {"intel-certificates", "IntelCertificates", TEXT, 0, 0, 0, "URL",
                            "instead of Intel's distribution point of its root's list"},
    [NVIDIA_SERVICE] = {"nvidia-service", "NvidiaService", TEXT, 0, 0, 0, "URL",
                        "instead of NVIDIA's OCSP service"},
    [AZURE_SERVICE] = {"azure-service", "AzureService", TEXT, 0, 0, 0, "URL",
                       "instead of Azure's instance service"},
    [SHAPE] = {"shape", "Shape", TEXT, 0, 0, 0, "KIND",
               "what sizes and times of answers hide: full (the default), size or off"},
    [KEY_LIFETIME] = {"key-lifetime", "KeyLifetime", NUMBER, 10, 86400, 1800, "SECONDS",
                      "life of a private key"},
    [ALLOW_X25519] = {"allow-x25519", "AllowX25519", YES_NO, 0, 0, 0, NULL,
                      "offer a key without post-quantum protection as well"},
    [QUOTA] = {"quota", "Quota", NUMBER, 1, 1 << 24, 10000, "N",
               "requests of an API key in a private key's life"},
    [EPOCH_REQUESTS] = {"max-epoch-requests", "MaxEpochRequests", NUMBER, 1, 1 << 24, 200000, "N",
                        "requests in a private key's life"},
    [MAX_REQUEST] = {"max-request", "MaxRequest", NUMBER, 1024, 1 << 30, 24 << 20, "BYTES",
                     "largest request"},
    [MAX_MEMORY] = {"max-memory", "MaxMemory", NUMBER, 1 << 20, UINT32_MAX, 256 << 20, "BYTES",
                    "all requests together"},
    [MAX_CONNECTIONS] = {"max-connections", "MaxConnections", NUMBER, 1, 16384, 1024, "N",
                         "network connections"},
    [MAX_PARALLEL] = {"max-parallel", "MaxParallel", NUMBER, 1, 16384, 16, "N",
                      "running requests of an API key"},
    [MAX_QUEUE] = {"max-queue", "MaxQueue", NUMBER, 0, 16384, 256, "N",
                   "requests that wait for a slot"},
    [MAX_PEER] = {"max-peer", "MaxPeer", NUMBER, 0, 16384, 0, "N",
                  "connections of one address (a quarter; on loopback 0: no limit)"},
    [RELAY] = {"relay", "Relay", TEXT, 0, 0, 0, "NETWORKS",
               "addresses of relays and balancers, which may have more"},
    [CELL_UID] = {"cell-uid", "CellUid", NUMBER, 1, 2000000000, 65520, "N",
                  "users of the processes are this number and those behind it"},
    [INCOMPLETE_CELLS] = {"incomplete-cells", "IncompleteCells", YES_NO, 0, 0, 0, NULL,
                          "go on where processes can't be shut in as they should be"},
    [DRAIN_TIMEOUT] = {"drain-timeout", "DrainTimeout", NUMBER, 0, 3600, 30, "SECONDS",
                       "for open requests after SIGTERM"},
    [LOG_LEVEL] = {"log-level", "LogLevel", TEXT, 0, 0, 0, "LEVEL",
                   "debug, info, warn or error (info)"},
    [CONFIG] = {"config", NULL, TEXT, 0, 0, 0, "FILE",
                "configuration (" CLO_CONFIG_FILE ", if there)"},
    [READY_FD] = {"ready-fd", NULL, NUMBER, 0, 1 << 20, 0, "N",
                  "write a JSON line here when ready, and when no longer"},
    [HELP] = {"help", NULL, ALONE, 0, 0, 0, NULL, "show this"},
    [VERSION] = {"version", NULL, ALONE, 0, 0, 0, NULL, "show the version"},
};

/* A value as text, and where it came from. */
struct value {
    char text[CLO_STR_MAX];
    bool given;
    unsigned line; /* 0: command line */
};
struct values {
    struct value at[OPTIONS];
    struct clo_network relay[CLO_RELAYS_MAX]; /* of all Relay lines, or of all --relay */
    uint32_t relays;
    char file[CLO_STR_MAX];
};

int clo_problem_set(struct clo_problem *p, const char *format, ...)
{
    char raw[sizeof p->text], safe[3 * sizeof raw + 1];
    va_list args;
    size_t used = 0;

    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    /* Words of files and command lines stand in it, the carriage return of a foreign editor for one. */
    (void)clo_text_sanitise(raw, strlen(raw), true, safe, &used);
    snprintf(p->text, sizeof p->text, "%.*s", (int)sizeof p->text - 1, safe);
    return CLOISTER_E_CONFIG;
}

/* "--listen" or "/etc/cloister/cloisterd.conf, line 3: Listen" */
struct place {
    char text[CLO_STR_MAX + 64];
};
static struct place place_in(const struct values *v, enum option o, unsigned line)
{
    struct place p = {0};

    if (line == 0)
        snprintf(p.text, sizeof p.text, "--%s", table[o].name);
    else
        snprintf(p.text, sizeof p.text, "%s, line %u: %s", v->file, line, table[o].keyword);
    return p;
}
static struct place place_of(const struct values *v, enum option o)
{
    return place_in(v, o, v->at[o].line);
}

/* 192.0.2.0/24, 2001:db8::/32, or one address. */
static bool parse_network(const char *text, struct clo_network *ret)
{
    struct clo_network net = {.prefix = 128};
    char address[INET6_ADDRSTRLEN] = {0};
    const char *slash = strchr(text, '/');
    const size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);
    unsigned first = 0, prefix;

    if (n >= sizeof address)
        return false;
    snprintf(address, sizeof address, "%.*s", (int)n, text);
    if (inet_pton(AF_INET, address, net.address + 12) == 1) {
        net.address[10] = net.address[11] = 0xff; /* mapped: RFC 4291 section 2.5.5.2 */
        first = 96;
    } else if (inet_pton(AF_INET6, address, net.address) != 1) {
        return false;
    }
    if (slash != NULL) {
        const size_t digits = strspn(slash + 1, "0123456789");

        if (digits == 0 || digits > 3 || slash[1 + digits] != 0)
            return false;
        if ((prefix = first + (unsigned)strtoul(slash + 1, NULL, 10)) > 128)
            return false;
        net.prefix = (uint8_t)prefix;
    }
    /* A bit behind the prefix: was another network meant, or one address? */
    for (unsigned bit = net.prefix; bit < 128; bit++)
        if ((net.address[bit / 8] >> (7 - bit % 8) & 1) != 0)
            return false;
    *ret = net;
    return true;
}

static int add_relays(struct values *v, const char *text, unsigned line,
                      struct clo_problem *problem)
{
    char rest[CLO_STR_MAX], *at = rest, *word = NULL;

    snprintf(rest, sizeof rest, "%s", text);
    while ((word = strsep(&at, ",")) != NULL) {
        word += strspn(word, " \t");
        word[strcspn(word, " \t")] = 0;
        if (v->relays == CLO_RELAYS_MAX)
            return clo_problem_set(problem,
                                   "%d relays are the most: write networks, as in 192.0.2.0/24",
                                   CLO_RELAYS_MAX);
        if (!parse_network(word, &v->relay[v->relays]))
            return clo_problem_set(
                problem,
                "%s wants addresses or networks like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32 with nothing behind the prefix, not "
                "'%.100s'",
                place_in(v, RELAY, line).text, word);
        v->relays++;
    }
    return 0;
}

static int set(struct values *v, enum option o, const char *text, unsigned line,
               struct clo_problem *problem)
{
    struct value *at = &v->at[o];

    if (o == RELAY && at->given && (at->line == 0) == (line == 0))
        return add_relays(v, text, line, problem); /* the one that may stand several times */
    if (at->given && at->line == line)
        return clo_problem_set(problem, "--%s is there twice: leave one of them out",
                               table[o].name);
    if (at->given && at->line != 0)
        return clo_problem_set(problem,
                               "%s, line %u: %s stands in line %u already: leave one of them out",
                               v->file, line, table[o].keyword, at->line);
    if (at->given)
        return 0; /* the command line has the last word */
    if (strlen(text) >= sizeof at->text)
        return clo_problem_set(problem, "the value of --%s is longer than %zu bytes: shorten it",
                               table[o].name, sizeof at->text - 1);
    if (text[0] == 0)
        return clo_problem_set(problem, "--%s has an empty value: give one, or leave it out",
                               table[o].name);
    snprintf(at->text, sizeof at->text, "%s", text);
    at->given = true;
    at->line = line;
    return o == RELAY ? add_relays(v, text, line, problem) : 0;
}

/* ---- the command line ---- */

static int find_option(const char *name, size_t n)
{
    for (int o = 0; o < OPTIONS; o++)
        if (strlen(table[o].name) == n && memcmp(table[o].name, name, n) == 0)
            return o;
    return -1;
}

static int read_arguments(int argc, char *const argv[], struct values *v,
                          struct clo_problem *problem)
{
    int err;

    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *text = NULL;
        int o;

        if (strncmp(name, "--", 2) != 0)
            return clo_problem_set(problem, "'%.200s' is no option: see cloisterd --help", name);
        name += 2;
        text = strchr(name, '=');
        o = find_option(name, text != NULL ? (size_t)(text - name) : strlen(name));
        if (o < 0)
            return clo_problem_set(problem, "there is no option '%.200s': see cloisterd --help",
                                   argv[i]);
        if (table[o].arg == NULL && text != NULL)
            return clo_problem_set(problem, "--%s takes no value: leave it out", table[o].name);
        if (table[o].arg != NULL && text == NULL && i + 1 == argc)
            return clo_problem_set(problem, "--%s wants %s behind it", table[o].name, table[o].arg);
        text = table[o].arg == NULL ? "yes" : text != NULL ? text + 1 : argv[++i];
        if ((err = set(v, (enum option)o, text, 0, problem)) != 0)
            return err;
    }
    return 0;
}

/* ---- the file ---- */

static int find_keyword(const char *word)
{
    for (int o = 0; o < OPTIONS; o++)
        if (table[o].keyword != NULL && strcmp(table[o].keyword, word) == 0)
            return o;
    return -1;
}

static int read_line(struct values *v, char *line, unsigned number, struct clo_problem *problem)
{
    char *word = line + strspn(line, " \t");
    char *text = word + strcspn(word, " \t\n");
    size_t n;
    int o;

    if (*word == 0 || *word == '\n' || *word == '#')
        return 0;
    if (*text != 0)
        *text++ = 0;
    text += strspn(text, " \t");
    for (n = strcspn(text, "\n"); n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'); n--)
        ;
    text[n] = 0;
    if ((o = find_keyword(word)) < 0)
        return clo_problem_set(problem,
                               "%s, line %u: there is no keyword '%.100s': see cloisterd.conf(5)",
                               v->file, number, word);
    if (n == 0)
        return clo_problem_set(problem,
                               "%s, line %u: %s has no value: give one, or remove the line",
                               v->file, number, word);
    return set(v, (enum option)o, text, number, problem);
}

static int read_file(struct values *v, bool must_exist, struct clo_problem *problem)
{
    char line[2 * CLO_STR_MAX];
    FILE *f = fopen(v->file, "re");
    int err = 0;

    if (f == NULL && errno == ENOENT && !must_exist)
        return 0;
    if (f == NULL)
        return clo_problem_set(problem,
                               "%s can't be read (%s): correct --config or the file's permissions",
                               v->file, strerror(errno));
    for (unsigned number = 1; err == 0 && fgets(line, sizeof line, f) != NULL; number++) {
        /* What a zero byte hides from here would be ignored. */
        if (strchr(line, '\n') == NULL && !feof(f))
            err = clo_problem_set(problem, "%s, line %u is too long, or holds a zero byte", v->file,
                                  number);
        else
            err = read_line(v, line, number, problem);
    }
    if (err == 0 && ferror(f))
        err = clo_problem_set(problem, "%s can't be read (%s): is it a file?", v->file,
                              strerror(errno));
    fclose(f);
    return err;
}

/* ---- values ---- */

static int number(const struct values *v, enum option o, uint32_t *ret, struct clo_problem *problem)
{
    const struct value *at = &v->at[o];
    char *end = NULL;
    unsigned long long n;

    if (!at->given) {
        *ret = table[o].absent;
        return 0;
    }
    errno = 0;
    n = strtoull(at->text, &end, 10);
    if (at->text[0] < '0' || at->text[0] > '9' || *end != 0 || errno != 0 || n < table[o].min ||
        n > table[o].max)
        return clo_problem_set(problem, "%s wants a number from %u to %u, not '%.100s'",
                               place_of(v, o).text, table[o].min, table[o].max, at->text);
    *ret = (uint32_t)n;
    return 0;
}

static int yes_no(const struct values *v, enum option o, bool *ret, struct clo_problem *problem)
{
    const struct value *at = &v->at[o];

    if (at->given && strcmp(at->text, "yes") != 0 && strcmp(at->text, "no") != 0)
        return clo_problem_set(problem, "%s wants yes or no, not '%.100s'", place_of(v, o).text,
                               at->text);
    *ret = at->given && strcmp(at->text, "yes") == 0;
    return 0;
}

/* One of the words; its index. */
static int one_of(const struct values *v, enum option o, const char *const *word, size_t words,
                  unsigned *ret)
{
    for (unsigned i = 0; i < words; i++) {
        if (strcmp(v->at[o].text, word[i]) == 0) {
            *ret = i;
            return 0;
        }
    }
    return CLOISTER_E_CONFIG;
}

static bool parse_port(const char *s, in_port_t *ret)
{
    char *end = NULL;
    unsigned long port;

    if (*s < '0' || *s > '9')
        return false;
    port = strtoul(s, &end, 10);
    if (*end != 0 || port > UINT16_MAX)
        return false;
    *ret = htons((uint16_t)port);
    return true;
}

static int set_listen(const struct values *v, struct clo_config *c, struct clo_problem *problem)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    const char *text = v->at[LISTEN].given ? v->at[LISTEN].text : "127.0.0.1:8080";
    char host[CLO_STR_MAX];
    char *colon;

    snprintf(c->listen_text, sizeof c->listen_text, "%s", text);
    snprintf(host, sizeof host, "%s", text);
    if ((colon = strrchr(host, ':')) == NULL)
        goto bad;
    *colon = 0;
    if (host[0] == '[' && colon[-1] == ']') {
        colon[-1] = 0;
        if (inet_pton(AF_INET6, host + 1, &in6.sin6_addr) != 1 ||
            !parse_port(colon + 1, &in6.sin6_port))
            goto bad;
        c->loopback = IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
        c->listen_n = sizeof in6;
        memcpy(&c->listen, &in6, sizeof in6);
        return 0;
    }
    if (inet_pton(AF_INET, host, &in.sin_addr) != 1 || !parse_port(colon + 1, &in.sin_port))
        goto bad;
    c->loopback = ntohl(in.sin_addr.s_addr) >> 24 == 127;
    c->listen_n = sizeof in;
    memcpy(&c->listen, &in, sizeof in);
    return 0;
bad:
    return clo_problem_set(
        problem, "%s wants an address and a port, like 127.0.0.1:8080 or [::1]:8080, not '%.100s'",
        place_of(v, LISTEN).text, text);
}

/*
 * Where users' text goes in the clear, names could be made to lead elsewhere: a Unix socket, the two loopback addresses, and
 * "localhost", which is not looked up, are all there is.
 */
static int set_upstream(const struct values *v, struct clo_config *c, struct clo_problem *problem)
{
    static const struct {
        const char *prefix, *address;
    } tcp[] = {{"http://127.0.0.1:", "127.0.0.1:"},
               {"http://localhost:", "127.0.0.1:"},
               {"http://[::1]:", "[::1]:"}};
    static const char *const local[] = {"unix:", "http+unix:"};
    const char *text = v->at[UPSTREAM].text;
    in_port_t port = 0;

    for (size_t i = 0; i < CLO_ARRAY_LEN(local); i++) {
        size_t n = strlen(local[i]);

        /* 107 bytes are the longest path of a Unix socket (unix(7)) */
        if (strncmp(text, local[i], n) == 0 && text[n] == '/' && strlen(text + n) < 108) {
            snprintf(c->upstream, sizeof c->upstream, "unix:%.107s", text + n);
            return 0;
        }
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(tcp); i++) {
        size_t n = strlen(tcp[i].prefix);
        char rest[16];

        if (strncmp(text, tcp[i].prefix, n) != 0 || strlen(text + n) >= sizeof rest)
            continue;
        snprintf(rest, sizeof rest, "%s", text + n);
        if (rest[0] != 0 && rest[strlen(rest) - 1] == '/')
            rest[strlen(rest) - 1] = 0;
        if (parse_port(rest, &port) && port != 0) {
            snprintf(c->upstream, sizeof c->upstream, "%s%u", tcp[i].address, ntohs(port));
            return 0;
        }
    }
    return clo_problem_set(
        problem,
        "%s must stay inside this machine: unix:/PATH, http://127.0.0.1:PORT, http://localhost:PORT or "
        "http://[::1]:PORT, not '%.200s'",
        place_of(v, UPSTREAM).text, text);
}

static bool is_name(const char *s)
{
    return s[0] != 0 &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/+-")] ==
               0;
}

/* The model's file name without its ending, in the letters that names may have. */
static void name_after_file(struct clo_config *c)
{
    const char *slash = strrchr(c->model, '/');
    size_t n;

    snprintf(c->model_name, sizeof c->model_name, "%.127s", slash != NULL ? slash + 1 : c->model);
    n = strlen(c->model_name);
    if (n > 5 && strcmp(c->model_name + n - 5, ".gguf") == 0)
        c->model_name[n - 5] = 0;
    for (char *s = c->model_name; *s != 0; s++) {
        const char one[] = {*s, 0};

        if (!is_name(one))
            *s = '-';
    }
}

static int set_upstream_engine(const struct values *v, struct clo_config *c,
                               struct clo_problem *problem)
{
    static const char *const kind[] = {"other", "vllm"};
    unsigned i = 0;

    if (v->at[UPSTREAM_ENGINE].given &&
        one_of(v, UPSTREAM_ENGINE, kind, CLO_ARRAY_LEN(kind), &i) != 0)
        return clo_problem_set(problem, "%s wants vllm or other, not '%.100s'",
                               place_of(v, UPSTREAM_ENGINE).text, v->at[UPSTREAM_ENGINE].text);
    if (i != 0 && c->managed)
        return clo_problem_set(problem, "%s goes with --upstream: llama-server needs no such word",
                               place_of(v, UPSTREAM_ENGINE).text);
    c->vllm = i == 1;
    return 0;
}

static int set_engine(const struct values *v, struct clo_config *c, struct clo_problem *problem)
{
    int err;

    if (v->at[MODEL].given == v->at[UPSTREAM].given)
        return clo_problem_set(
            problem,
            "give either --model FILE, to serve a model, or --upstream URL, to use an engine that runs");
    if (v->at[MODEL_NAME].given && (strlen(v->at[MODEL_NAME].text) >= sizeof c->model_name ||
                                    !is_name(v->at[MODEL_NAME].text)))
        return clo_problem_set(problem,
                               "%s may have letters, digits and . _ : / + - only, and %zu at most",
                               place_of(v, MODEL_NAME).text, sizeof c->model_name - 1);
    c->managed = v->at[MODEL].given;
    memcpy(c->model, v->at[MODEL].text, sizeof c->model);
    memcpy(c->server, v->at[SERVER].text, sizeof c->server);
    if (v->at[MODEL_NAME].given)
        snprintf(c->model_name, sizeof c->model_name, "%.*s", (int)sizeof c->model_name - 1,
                 v->at[MODEL_NAME].text);
    else if (c->managed)
        name_after_file(c);
    if (!c->managed && (err = set_upstream(v, c, problem)) != 0)
        return err;
    return set_upstream_engine(v, c, problem);
}

static int set_tee(const struct values *v, struct clo_config *c, struct clo_problem *problem)
{
    c->tee = CLO_TEE_AUTO;
    if (!v->at[TEE].given)
        return 0;
    for (int tee = CLO_TEE_SIMULATED; tee <= CLO_TEE_AUTO; tee++) {
        if (strcmp(v->at[TEE].text, clo_tee_name((uint8_t)tee)) == 0) {
            c->tee = (enum clo_tee)tee;
            return 0;
        }
    }
    return clo_problem_set(
        problem,
        "%s wants auto, sev-snp, tdx, sev-snp-azure, tdx-azure, or simulated, which protects nothing, not '%.100s'",
        place_of(v, TEE).text, v->at[TEE].text);
}

/* One number, or two with a hyphen between; the end of what was read, NULL: it isn't that. */
static const char *read_pcrs(const char *s, uint32_t *mask)
{
    unsigned long first, last;
    char *end = NULL;

    if (*s < '0' || *s > '9')
        return NULL;
    first = last = strtoul(s, &end, 10);
    if (*end == '-') {
        s = end + 1;
        if (*s < '0' || *s > '9')
            return NULL;
        last = strtoul(s, &end, 10);
    }
    if (first > last || last > 23)
        return NULL;
    for (unsigned long i = first; i <= last; i++)
        *mask |= UINT32_C(1) << i;
    return end;
}

static int set_pcrs(const struct values *v, struct clo_config *c, struct clo_problem *problem)
{
    const char *s = v->at[TPM_PCRS].text;

    c->tpm_pcrs = v->at[TPM_PCRS].given ? 0 : CLO_TPM_PCRS_ALL;
    for (bool more = v->at[TPM_PCRS].given; more; s++) {
        if ((s = read_pcrs(s, &c->tpm_pcrs)) == NULL || (*s != ',' && *s != 0))
            return clo_problem_set(problem,
                                   "%s wants numbers from 0 to 23 like 0-7,11, not '%.100s'",
                                   place_of(v, TPM_PCRS).text, v->at[TPM_PCRS].text);
        more = *s == ',';
    }
    return 0;
}

static int set_url(const struct values *v, enum option o, enum clo_url_use use,
                   char ret[CLO_STR_MAX], struct clo_problem *problem)
{
    static const char *const wants[] = {
        [CLO_URL_SERVICE] = "https://HOST/PATH, or http:// to this machine itself",
        [CLO_URL_INSTANCE] =
            "https://HOST/PATH, or http:// to this machine or a link-local address",
        [CLO_URL_PROXY] = "http://HOST:PORT or https://HOST:PORT",
    };

    memcpy(ret, v->at[o].text, CLO_STR_MAX);
    if (clo_service_url_ok(ret, use))
        return 0;
    return clo_problem_set(problem, "%s wants %s, without user, query or fragment, not '%.200s'",
                           place_of(v, o).text, wants[use], ret);
}

static int set_fetch(const struct values *v, struct clo_config *c, struct clo_problem *problem)
{
    static const char *const gpus[] = {"auto", "none"};
    struct clo_fetcher_start *f = &c->fetch;
    bool fetch = false;
    unsigned i = 0;
    int err;

    if (v->at[GPUS].given && one_of(v, GPUS, gpus, CLO_ARRAY_LEN(gpus), &i) != 0)
        return clo_problem_set(problem, "%s wants auto or none, not '%.100s'",
                               place_of(v, GPUS).text, v->at[GPUS].text);
    c->gpus = i == 0;
    if ((err = yes_no(v, FETCH, &fetch, problem)) != 0)
        return err;
    f->online = fetch || !v->at[FETCH].given;
    memcpy(f->cache, v->at[CACHE_DIR].text, sizeof f->cache);
    if (f->cache[0] != 0 && f->cache[0] != '/')
        return clo_problem_set(problem, "%s wants a folder's whole path, not '%.200s'",
                               place_of(v, CACHE_DIR).text, f->cache);
    if ((err = set_url(v, AMD_SERVICE, CLO_URL_SERVICE, f->amd, problem)) != 0 ||
        (err = set_url(v, INTEL_SERVICE, CLO_URL_SERVICE, f->intel, problem)) != 0 ||
        (err = set_url(v, INTEL_CERTIFICATES, CLO_URL_SERVICE, f->intel_certificates, problem)) !=
            0 ||
        (err = set_url(v, NVIDIA_SERVICE, CLO_URL_SERVICE, f->nvidia, problem)) != 0 ||
        (err = set_url(v, AZURE_SERVICE, CLO_URL_INSTANCE, f->azure, problem)) != 0)
        return err;
    return set_url(v, FETCH_PROXY, CLO_URL_PROXY, f->proxy, problem);
}

static int set_embeddings(const struct values *v, struct clo_config *c, struct clo_problem *problem)
{
    static const char *const kind[] = {[CLO_POOLING_NONE] = "no",
                                       [CLO_POOLING_MODEL] = "yes",
                                       [CLO_POOLING_MEAN] = "mean",
                                       [CLO_POOLING_CLS] = "cls",
                                       [CLO_POOLING_LAST] = "last"};
    unsigned i = CLO_POOLING_NONE;

    if (v->at[EMBEDDINGS].given && one_of(v, EMBEDDINGS, kind, CLO_ARRAY_LEN(kind), &i) != 0)
        return clo_problem_set(problem, "%s wants no, yes, mean, cls or last, not '%.100s'",
                               place_of(v, EMBEDDINGS).text, v->at[EMBEDDINGS].text);
    if (i != CLO_POOLING_NONE && !c->managed)
        return clo_problem_set(
            problem, "%s is for --model: what an --upstream can do is settled where it is started",
            place_of(v, EMBEDDINGS).text);
    c->embeddings = (enum clo_pooling)i;
    return 0;
}

static int set_shape(const struct values *v, struct clo_config *c, struct clo_problem *problem)
{
    c->shape = CLO_SHAPING_FULL;
    if (v->at[SHAPE].given && !clo_shaping_read(v->at[SHAPE].text, &c->shape))
        return clo_problem_set(problem, "%s wants full, size or off, not '%.100s'",
                               place_of(v, SHAPE).text, v->at[SHAPE].text);
    return 0;
}

static int set_log_level(const struct values *v, struct clo_config *c, struct clo_problem *problem)
{
    static const char *const level[] = {
        [CLO_DEBUG] = "debug", [CLO_INFO] = "info", [CLO_WARN] = "warn", [CLO_ERROR] = "error"};
    unsigned i = CLO_INFO;

    if (v->at[LOG_LEVEL].given && one_of(v, LOG_LEVEL, level, CLO_ARRAY_LEN(level), &i) != 0)
        return clo_problem_set(problem, "%s wants debug, info, warn or error, not '%.100s'",
                               place_of(v, LOG_LEVEL).text, v->at[LOG_LEVEL].text);
    c->log_level = (enum clo_level)i;
    return 0;
}

/* One address may not take all connections, unless it is this machine's own: there a relay speaks for everybody. */
static uint32_t usual_peer_max(const struct clo_config *c)
{
    return c->loopback ? 0 : c->connections_max / 4 > 0 ? c->connections_max / 4 : 1;
}

static int interpret(const struct values *v, struct clo_config *c, struct clo_problem *problem)
{
    uint32_t fd = 0;
    int err;

    if ((err = set_tee(v, c, problem)) != 0 || (err = set_pcrs(v, c, problem)) != 0 ||
        (err = set_fetch(v, c, problem)) != 0 || (err = set_engine(v, c, problem)) != 0 ||
        (err = set_embeddings(v, c, problem)) != 0 || (err = set_listen(v, c, problem)) != 0 ||
        (err = set_log_level(v, c, problem)) != 0 || (err = set_shape(v, c, problem)) != 0 ||
        (err = number(v, SLOTS, &c->slots, problem)) != 0 ||
        (err = number(v, CONTEXT, &c->context, problem)) != 0 ||
        (err = number(v, THREADS, &c->threads, problem)) != 0 ||
        (err = number(v, KEY_LIFETIME, &c->key_lifetime, problem)) != 0 ||
        (err = yes_no(v, ALLOW_X25519, &c->x25519, problem)) != 0 ||
        (err = number(v, CELL_UID, &c->cell_uid, problem)) != 0 ||
        (err = yes_no(v, INCOMPLETE_CELLS, &c->incomplete_cells, problem)) != 0 ||
        (err = number(v, QUOTA, &c->quota, problem)) != 0 ||
        (err = number(v, EPOCH_REQUESTS, &c->epoch_requests, problem)) != 0 ||
        (err = number(v, MAX_REQUEST, &c->request_max, problem)) != 0 ||
        (err = number(v, MAX_MEMORY, &c->memory_max, problem)) != 0 ||
        (err = number(v, MAX_CONNECTIONS, &c->connections_max, problem)) != 0 ||
        (err = number(v, MAX_PARALLEL, &c->parallel, problem)) != 0 ||
        (err = number(v, MAX_QUEUE, &c->queue_max, problem)) != 0 ||
        (err = number(v, MAX_PEER, &c->peer_max, problem)) != 0 ||
        (err = number(v, DRAIN_TIMEOUT, &c->drain_timeout, problem)) != 0 ||
        (err = number(v, READY_FD, &fd, problem)) != 0)
        return err;
    if (c->memory_max < c->request_max)
        return clo_problem_set(
            problem, "--max-memory (%u) must hold at least one request of --max-request (%u) bytes",
            c->memory_max, c->request_max);
    c->peer_given = v->at[MAX_PEER].given;
    if (!c->peer_given)
        c->peer_max = usual_peer_max(c);
    c->relays = v->relays;
    memcpy(c->relay, v->relay, sizeof c->relay);
    c->ready_fd = v->at[READY_FD].given ? (int)fd : -1;
    memcpy(c->api_keys, v->at[API_KEYS].text, sizeof c->api_keys);
    memcpy(c->runtime_dir, v->at[RUNTIME_DIR].text, sizeof c->runtime_dir);
    memcpy(c->state_dir, v->at[STATE_DIR].text, sizeof c->state_dir);
    if (c->api_keys[0] == 0 && !c->loopback)
        return clo_problem_set(
            problem,
            "without API keys everybody could use %s: give --api-keys FILE, or listen on 127.0.0.1",
            c->listen_text);
    return 0;
}

int clo_config_read(int argc, char *const argv[], struct clo_config *ret,
                    enum clo_config_want *ret_want, struct clo_problem *problem)
{
    static struct values v;
    struct clo_config c = {0};
    int err;

    memset(&v, 0, sizeof v);
    if ((err = read_arguments(argc, argv, &v, problem)) != 0)
        return err;
    *ret_want = v.at[HELP].given      ? CLO_WANT_HELP
                : v.at[VERSION].given ? CLO_WANT_VERSION
                                      : CLO_WANT_RUN;
    if (*ret_want != CLO_WANT_RUN)
        return 0;
    snprintf(v.file, sizeof v.file, "%s", v.at[CONFIG].given ? v.at[CONFIG].text : CLO_CONFIG_FILE);
    if ((err = read_file(&v, v.at[CONFIG].given, problem)) != 0 ||
        (err = interpret(&v, &c, problem)) != 0)
        return err;
    *ret = c;
    return 0;
}

/* ---- reloading ---- */

#define FIELD(o, member)                                                               \
    {                                                                                  \
        o, offsetof(struct clo_config, member), sizeof((struct clo_config *)0)->member \
    }

int clo_config_merge(const struct clo_config *now, const struct clo_config *next,
                     struct clo_config *ret, char *names, size_t names_cap,
                     struct clo_problem *problem)
{
    static const struct {
        enum option o;
        size_t at, n;
    } fixed[] = {
        FIELD(LISTEN, listen_text),
        FIELD(TEE, tee),
        FIELD(GPUS, gpus),
        FIELD(TPM_PCRS, tpm_pcrs),
        FIELD(CACHE_DIR, fetch.cache),
        FIELD(FETCH, fetch.online),
        FIELD(FETCH_PROXY, fetch.proxy),
        FIELD(AMD_SERVICE, fetch.amd),
        FIELD(INTEL_SERVICE, fetch.intel),
        FIELD(INTEL_CERTIFICATES, fetch.intel_certificates),
        FIELD(NVIDIA_SERVICE, fetch.nvidia),
        FIELD(AZURE_SERVICE, fetch.azure),
        FIELD(MODEL, model),
        FIELD(UPSTREAM, upstream),
        FIELD(UPSTREAM_ENGINE, vllm),
        FIELD(SERVER, server),
        FIELD(MODEL_NAME, model_name),
        FIELD(SLOTS, slots),
        FIELD(CONTEXT, context),
        FIELD(THREADS, threads),
        FIELD(EMBEDDINGS, embeddings),
        FIELD(RUNTIME_DIR, runtime_dir),
        FIELD(STATE_DIR, state_dir),
        FIELD(SHAPE, shape),
        FIELD(KEY_LIFETIME, key_lifetime),
        FIELD(ALLOW_X25519, x25519),
        FIELD(QUOTA, quota),
        FIELD(EPOCH_REQUESTS, epoch_requests),
        FIELD(MAX_REQUEST, request_max),
        FIELD(MAX_CONNECTIONS, connections_max),
        FIELD(CELL_UID, cell_uid),
        FIELD(INCOMPLETE_CELLS, incomplete_cells),
    };
    struct clo_config c = *now;
    const bool opens = (now->api_keys[0] == 0) != (next->api_keys[0] == 0);
    size_t len = 0;

    names[0] = 0;
    for (size_t i = 0; i < CLO_ARRAY_LEN(fixed) + opens; i++) {
        const bool is_keys = i == CLO_ARRAY_LEN(fixed);
        int n;

        if (!is_keys && memcmp((const char *)now + fixed[i].at, (const char *)next + fixed[i].at,
                               fixed[i].n) == 0)
            continue;
        n = snprintf(names + len, names_cap - len, "%s%s", len > 0 ? ", " : "",
                     table[is_keys ? API_KEYS : fixed[i].o].keyword);
        len = n > 0 && (size_t)n < names_cap - len ? len + (size_t)n : len;
    }
    if (next->memory_max < now->request_max)
        return clo_problem_set(
            problem,
            "MaxMemory (%u) must hold at least one request of MaxRequest, which is %u until a restart",
            next->memory_max, now->request_max);
    /* Whether keys are asked for at all is not for a reload to change. */
    if (!opens)
        memcpy(c.api_keys, next->api_keys, sizeof c.api_keys);
    c.parallel = next->parallel;
    c.queue_max = next->queue_max;
    c.memory_max = next->memory_max;
    /* What isn't given follows from what holds until a restart. */
    c.peer_given = next->peer_given;
    c.peer_max = next->peer_given ? next->peer_max : usual_peer_max(&c);
    c.relays = next->relays;
    memcpy(c.relay, next->relay, sizeof c.relay);
    c.drain_timeout = next->drain_timeout;
    c.log_level = next->log_level;
    *ret = c;
    return 0;
}

int clo_config_key_store(const char *file, char ret[CLO_STR_MAX], struct clo_problem *problem)
{
    static struct values v;
    int err;

    memset(&v, 0, sizeof v);
    snprintf(v.file, sizeof v.file, "%s", file != NULL ? file : CLO_CONFIG_FILE);
    if ((err = read_file(&v, file != NULL, problem)) != 0)
        return err;
    if (!v.at[API_KEYS].given)
        return clo_problem_set(
            problem, "say which key store: --api-keys FILE, or an ApiKeys line in %s", v.file);
    memcpy(ret, v.at[API_KEYS].text, CLO_STR_MAX);
    return 0;
}

bool clo_role_wanted(const struct clo_config *c, enum clo_role r)
{
    return r != CLO_ROLE_FETCHER || c->tee != CLO_TEE_SIMULATED;
}

void clo_config_help(void)
{
    printf(
        "Usage: cloisterd {--model FILE | --upstream URL} [OPTION...]\n"
        "       cloisterd check [--json] [OPTION...]\n"
        "       cloisterd key {add | list | revoke} [OPTION...]\n"
        "Serves a language model to clients that verify this machine and encrypt to it alone.\n\n");
    for (int o = 0; o < OPTIONS; o++) {
        char left[64];

        snprintf(left, sizeof left, "--%s%s%s", table[o].name, table[o].arg != NULL ? " " : "",
                 table[o].arg != NULL ? table[o].arg : "");
        printf("  %-30s %s", left, table[o].help);
        if (table[o].kind == NUMBER && table[o].keyword != NULL && table[o].absent != 0)
            printf(" (%u)", table[o].absent);
        printf("\n");
    }
    printf("\nManual: cloisterd(8), cloisterd.conf(5)\n");
}
