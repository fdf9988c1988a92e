/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloisterd-engine: starts llama-server and watches it, or watches an engine that somebody else started.
 *
 * A managed engine is one life of llama-server: when it ends, this process says so and ends too, and the parent
 * starts the next one with another socket. The model is opened once: what was hashed is what llama-server loads, because it is handed
 * the open file as /proc/self/fd/3 (it opens that path like any other; a model split into several files can't be given so, and is refused by
 * it). That holds against another file under the name, not against other bytes in it: a disk that the host can change under the machine
 * needs dm-verity or the like. Its output goes to /dev/null, its environment holds three switches, and both die with their parents. Its
 * socket lies in this process's working folder. It has a cell of its own (CLO_CELL_LLAMA), built between fork and exec.
 *
 * An engine that isn't managed is asked once a second. When another process listens on its Unix socket, or it names another
 * model, that counts as a restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/enc.h"
#include "codec/json.h"
#include "daemon/engine/probe.h"
#include "daemon/role.h"

enum state {
    NEW,
    RUNNING
};

static const struct clo_ipc_permit from_parent[] = {
    {1U << NEW, CLO_MSG_ENGINE_START, 1, CLO_IPC_PAYLOAD_MAX, false},
    {1U << NEW | 1U << RUNNING, CLO_MSG_DRAIN, 0, 0, false},
    {1U << NEW | 1U << RUNNING, CLO_MSG_PING, 0, 0, false},
    {1U << NEW | 1U << RUNNING, CLO_MSG_LOG_LEVEL, 1, 1, false},
};

enum {
    POLL_STARTING_MS = 50,
    POLL_UPSTREAM_MS = 1000,
    PROBE_MS = 2000,
    MISSES_MAX = 3, /* unanswered questions before a silent upstream counts as down */
    HASH_PIECE = 1 << 20,
    BATCH_TOKENS = 2048, /* of an engine for embeddings whose context isn't known */
};

struct engine {
    enum state state;
    struct clo_engine_start cfg;
    char address[CLO_STR_MAX + 8];
    struct clo_cell_site site;
    struct clo_engine_up up;
    bool is_up;
    int64_t since; /* microseconds; of the start */
    /* managed */
    int model;
    struct clo_sha256_ctx *hash; /* while it is being read */
    pid_t pid;
    int pidfd;
    /* not managed */
    pid_t peer;
    unsigned misses;
    bool other; /* and that was said */
    bool ends;
    int status; /* to exit with */
};

/* ---- what the engine says of itself ---- */

static void read_props(const struct clo_buf *body, struct clo_engine_up *up)
{
    json_t *doc = NULL;
    const json_t *build, *context;

    if (clo_json_parse(body->p, body->len, CLO_PROBE_BODY_MAX, &doc) != 0)
        return;
    build = json_object_get(doc, "build_info");
    context = json_object_get(json_object_get(doc, "default_generation_settings"), "n_ctx");
    if (json_is_string(build) && json_string_length(build) < sizeof up->version &&
        clo_text_is_printable(json_string_value(build), json_string_length(build)))
        snprintf(up->version, sizeof up->version, "%s", json_string_value(build));
    if (json_is_integer(context) && json_integer_value(context) > 0 &&
        json_integer_value(context) <= INT32_MAX)
        up->context = (uint32_t)json_integer_value(context);
    json_decref(doc);
}

/* The first model of an OpenAI model list; *ret_vllm: its owner is who vLLM says it is. */
static void read_models(const struct clo_buf *body, struct clo_engine_up *up, bool *ret_vllm)
{
    json_t *doc = NULL;
    const json_t *first, *id, *owner;

    if (clo_json_parse(body->p, body->len, CLO_PROBE_BODY_MAX, &doc) != 0)
        return;
    first = json_array_get(json_object_get(doc, "data"), 0);
    id = json_object_get(first, "id");
    owner = json_object_get(first, "owned_by");
    *ret_vllm = json_is_string(owner) && strcmp(json_string_value(owner), "vllm") == 0;
    if (json_is_string(id) && json_string_length(id) < sizeof up->model_name &&
        clo_text_is_printable(json_string_value(id), json_string_length(id)))
        snprintf(up->model_name, sizeof up->model_name, "%s", json_string_value(id));
    json_decref(doc);
}

/* vLLM's own version: has it cache_salt, which older ones pass over without a word? Since 0.9.0. */
static bool read_version(const struct clo_buf *body, struct clo_engine_up *up)
{
    unsigned long major, minor;
    const json_t *version;
    json_t *doc = NULL;
    char *end = NULL;
    bool has = false;

    if (clo_json_parse(body->p, body->len, CLO_PROBE_BODY_MAX, &doc) != 0)
        return false;
    version = json_object_get(doc, "version");
    if (json_is_string(version) && json_string_length(version) < sizeof up->version &&
        clo_text_is_printable(json_string_value(version), json_string_length(version)) &&
        *json_string_value(version) >= '0' && *json_string_value(version) <= '9') {
        snprintf(up->version, sizeof up->version, "%s", json_string_value(version));
        major = strtoul(up->version, &end, 10);
        minor = end[0] == '.' && end[1] >= '0' && end[1] <= '9' ? strtoul(end + 1, NULL, 10) : 0;
        has = major > 0 || minor >= 9;
    }
    json_decref(doc);
    return has;
}

static int say_up(struct engine *e, const struct clo_engine_up *up)
{
    uint8_t out[1024];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int err;

    if ((err = clo_engine_up_write(up, &wr)) != 0 ||
        (err = clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_ENGINE_UP, 0, out, wr.len, -1)) != 0)
        return err;
    e->up = *up;
    e->is_up = true;
    clo_log("engine", CLO_EV_ENGINE_READY, (uint64_t)(clo_clock_mono_us() - e->since) / 1000, 0, 0,
            0);
    return 0;
}

static int say_down(struct engine *e)
{
    e->is_up = false;
    return clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_ENGINE_DOWN, 0, NULL, 0, -1);
}

/* ---- managed ---- */

/* llama-server's arguments, and their digest for the manifest: what differs from place to place is replaced by what it is. */
struct args {
    char number[4][16];
    char *argv[48];
    size_t n;
    struct clo_slice digest[80];
    size_t digests;
};

static void arg_as(struct args *a, const char *s, const char *digested)
{
    /* argv isn't const, but exec only reads it */
    memcpy(&a->argv[a->n++], &s, sizeof s);
    a->digest[a->digests++] = (struct clo_slice){digested, strlen(digested) + 1};
}

static void arg(struct args *a, const char *s)
{
    arg_as(a, s, s);
}

static void arg_number(struct args *a, const char *name, char text[16], uint32_t v)
{
    snprintf(text, 16, "%u", v);
    arg(a, name);
    arg(a, text);
}

/*
 * An engine that makes embeddings puts each text on a slot of its own choice, so it is one that does nothing else and remembers nothing: a
 * text is worked through whole, in one batch, which has to hold the longest.
 */
static void make_embeddings_args(const struct clo_engine_start *cfg, struct args *a)
{
    static const char *const pooling[] = {
        [CLO_POOLING_MEAN] = "mean", [CLO_POOLING_CLS] = "cls", [CLO_POOLING_LAST] = "last"};

    arg(a, "--embeddings");
    if (cfg->embeddings != CLO_POOLING_MODEL) {
        arg(a, "--pooling");
        arg(a, pooling[cfg->embeddings]);
    }
    arg_number(a, "--ubatch-size", a->number[3], cfg->context > 0 ? cfg->context : BATCH_TOKENS);
    arg(a, "--batch-size");
    arg(a, a->number[3]);
    arg(a, "--no-cache-prompt");
}

static void make_args(const struct clo_engine_start *cfg, struct args *a)
{
    const char *slash = strrchr(cfg->server, '/');

    arg_as(a, cfg->server, slash != NULL ? slash + 1 : cfg->server);
    arg(a, "--model");
    arg_as(a, "/proc/self/fd/3", "MODEL");
    arg(a, "--alias");
    arg(a, cfg->model_name);
    arg(a, "--host");
    arg_as(a, cfg->socket, "SOCKET");
    arg_number(a, "--parallel", a->number[0], cfg->slots);
    /* llama-server divides the context by the slots; 0 is the model's own */
    arg_number(a, "--ctx-size", a->number[1], cfg->context * cfg->slots);
    if (cfg->threads > 0)
        arg_number(a, "--threads", a->number[2], cfg->threads);
    if (cfg->embeddings != CLO_POOLING_NONE)
        make_embeddings_args(cfg, a);
    /* One user's text in no other's cache, and nobody told what others ask. */
    arg(a, "--no-slots");
    arg(a, "--slot-prompt-similarity");
    arg(a, "0");
    arg(a, "--cache-ram");
    arg(a, "0");
    /* A prompt that doesn't fit is an error, never silently cut. */
    arg(a, "--no-context-shift");
    /* Spinning threads cost others their processors. */
    arg(a, "--poll");
    arg(a, "0");
    arg(a, "--jinja");
    arg(a, "--log-disable");
}

/* In the child that becomes llama-server. */
static int enclose(void *ctx)
{
    const struct engine *e = ctx;
    struct clo_cell_site site = e->site;
    enum clo_cell_part part = CLO_CELL_REST;

    site.model = CLO_CONTROL_FD;
    /* The gateway, another user, has to connect: who may enter the folder decides who else. There is nothing but this socket that it could make. */
    (void)umask(0);
    site.user = 0; /* it has this process's */
    return clo_cells_enter(CLO_CELL_LLAMA, &site, &part);
}

static int launch(struct engine *e)
{
    /* Switches that older versions don't know: as variables they are ignored there, as arguments they would be errors. */
    static char ui[] = "LLAMA_ARG_UI=0", no_webui[] = "LLAMA_ARG_NO_WEBUI=1",
                offline[] = "LLAMA_ARG_OFFLINE=1";
    static char *const env[] = {ui, no_webui, offline, NULL};
    struct args a = {0};
    int err;

    make_args(&e->cfg, &a);
    if ((err = clo_hash(CLO_SHA256, a.digest, a.digests, e->up.args_sha256)) != 0)
        return err;
    if (unlink(e->cfg.socket) != 0 && errno != ENOENT)
        return CLOISTER_E_IO;
    if ((err = clo_process_start(&(struct clo_process_start){.path = e->cfg.server,
                                                             .argv = a.argv,
                                                             .env = env,
                                                             .control = e->model,
                                                             .mute = true,
                                                             .enclose = enclose,
                                                             .ctx = e},
                                 &e->pid)) != 0)
        return err;
    e->pidfd = pidfd_open(e->pid, 0);
    return e->pidfd >= 0 ? 0 : CLOISTER_E_IO;
}

static int open_model(struct engine *e)
{
    struct stat st;

    e->model = open(e->cfg.model, O_RDONLY | O_CLOEXEC);
    if (e->model < 0 || fstat(e->model, &st) != 0 || !S_ISREG(st.st_mode))
        return CLOISTER_E_IO;
    return clo_sha256_new(&e->hash);
}

/* One piece of the model, so that commands are heard while a large one is being read. */
static int hash_piece(struct engine *e)
{
    static uint8_t piece[HASH_PIECE];
    ssize_t got = read(e->model, piece, sizeof piece);
    int err;

    if (got < 0)
        return errno == EINTR ? 0 : CLOISTER_E_IO;
    if (got > 0)
        return clo_sha256_update(e->hash, piece, (size_t)got);
    if ((err = clo_sha256_final(e->hash, e->up.model_sha256)) != 0)
        return err;
    clo_sha256_free(e->hash);
    e->hash = NULL;
    return launch(e);
}

static int ask_managed(struct engine *e)
{
    struct clo_engine_up up = e->up;
    struct clo_probe health = {0}, props = {0};
    int err;

    if (clo_probe_get(e->address, "/health", PROBE_MS, &health) != 0 || health.status != 200) {
        clo_probe_clear(&health);
        return 0; /* not yet */
    }
    clo_probe_clear(&health);
    snprintf(up.name, sizeof up.name, "llama-server");
    snprintf(up.version, sizeof up.version, "unknown");
    snprintf(up.model_name, sizeof up.model_name, "%s", e->cfg.model_name);
    up.slots = e->cfg.slots;
    up.context = e->cfg.context;
    if (clo_probe_get(e->address, "/props", PROBE_MS, &props) == 0 && props.status == 200)
        read_props(&props.body, &up);
    clo_probe_clear(&props);
    err = say_up(e, &up);
    return err;
}

/* llama-server ended. */
static int mourn(struct engine *e)
{
    int status = 0;
    pid_t pid;

    if (waitpid(e->pid, &status, WNOHANG) != e->pid)
        return 0;
    pid = e->pid;
    e->pid = 0;
    clo_log("engine", CLO_EV_ENGINE_LOST, WIFEXITED(status) ? (uint64_t)WEXITSTATUS(status) : 0,
            WIFSIGNALED(status) ? (uint64_t)WTERMSIG(status) : 0, 0, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        clo_log("engine", CLO_EV_CELL_BROKEN, CLO_ROLE_ENGINE, (uint64_t)pid, 0, 0);
    e->status = e->is_up ? 1 : CLO_EXIT_ENGINE;
    e->ends = true;
    return e->is_up ? say_down(e) : 0;
}

static int tend_managed(struct engine *e)
{
    int err;

    if (e->hash != NULL)
        return hash_piece(e);
    if ((err = mourn(e)) != 0 || e->ends)
        return err;
    return e->is_up ? 0 : ask_managed(e);
}

/* ---- not managed ---- */

static int ask_upstream(const struct engine *e, struct clo_engine_up *up, pid_t *peer)
{
    struct clo_probe health = {0}, models = {0}, version = {0};
    bool vllm = false;
    int err;

    if ((err = clo_probe_get(e->address, "/health", PROBE_MS, &health)) != 0)
        return err;
    err = health.status == 200 || health.status == 404 ? 0 : CLOISTER_E_ENGINE;
    *peer = health.peer;
    /* Not every engine has /health; all have a list of models, and it has the name. */
    if (err == 0 && (err = clo_probe_get(e->address, "/v1/models", PROBE_MS, &models)) == 0) {
        if (models.status == 200)
            read_models(&models.body, up, &vllm);
        else if (health.status != 200)
            err = CLOISTER_E_ENGINE;
    }
    /* The manifest will say that its cache is kept apart: an engine that doesn't know the word for it must not come up. */
    if (err == 0 && e->cfg.vllm) {
        err = clo_probe_get(e->address, "/version", PROBE_MS, &version);
        if (err == 0 && !(vllm && version.status == 200 && read_version(&version.body, up)))
            err = CLOISTER_E_UNSUPPORTED;
        snprintf(up->name, sizeof up->name, "vllm");
    }
    clo_probe_clear(&health);
    clo_probe_clear(&models);
    clo_probe_clear(&version);
    return err;
}

static int tend_upstream(struct engine *e)
{
    struct clo_engine_up up = {.name = "upstream", .version = "unknown", .model_name = "default"};
    pid_t peer = 0;
    int err = ask_upstream(e, &up, &peer);

    up.slots = e->cfg.slots;
    up.context = e->cfg.context;
    if (err == CLOISTER_E_UNSUPPORTED && !e->other)
        clo_log("engine", CLO_EV_ENGINE_OTHER, 0, 0, 0, 0);
    e->other = err == CLOISTER_E_UNSUPPORTED;
    if (err != 0) {
        /* Nobody listens, or another engine: down. No answer in time: perhaps it is only busy. */
        e->misses = err == CLOISTER_E_NETWORK || e->other ? MISSES_MAX : e->misses + 1;
        if (!e->is_up || e->misses < MISSES_MAX)
            return 0;
        clo_log("engine", CLO_EV_ENGINE_LOST, 0, 0, 0, 0);
        return say_down(e);
    }
    e->misses = 0;
    if (e->is_up && peer == e->peer && strcmp(up.model_name, e->up.model_name) == 0 &&
        strcmp(up.version, e->up.version) == 0)
        return 0;
    if (e->is_up && (err = say_down(e)) != 0)
        return err;
    e->peer = peer;
    return say_up(e, &up);
}

/* ---- commands ---- */

static int start(struct engine *e, const struct clo_ipc_msg *m)
{
    int n, err;

    if ((err = clo_engine_start_read(m->payload, m->n, &e->cfg)) != 0)
        return err;
    n = e->cfg.managed ? snprintf(e->address, sizeof e->address, "unix:%s", e->cfg.socket)
                       : snprintf(e->address, sizeof e->address, "%s", e->cfg.upstream);
    if (n < 0 || (size_t)n >= sizeof e->address || e->cfg.slots == 0 ||
        e->cfg.context > UINT32_MAX / e->cfg.slots)
        return CLOISTER_E_CONFIG;
    e->since = clo_clock_mono_us();
    e->state = RUNNING;
    if (e->cfg.managed && (err = open_model(e)) != 0)
        return err;
    e->site.model = e->model;
    e->site.server = e->cfg.server;
    /* Before the first byte of the model, or of an upstream, is read. */
    if (clo_role_enclose(CLO_ROLE_ENGINE, e->cfg.managed ? CLO_CELL_ENGINE : CLO_CELL_WATCH,
                         &e->site) != 0) {
        e->status = CLO_EXIT_CELL;
        e->ends = true;
        return 0;
    }
    return clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_READY, 0, NULL, 0, -1);
}

static int from_parent_all(struct engine *e)
{
    static struct clo_ipc_msg m = {.fd = -1};
    int err;

    while ((err = clo_ipc_recv(CLO_CONTROL_FD, e->state, from_parent, CLO_ARRAY_LEN(from_parent),
                               &m)) == 0) {
        if (m.type == CLO_MSG_ENGINE_START) {
            err = start(e, &m);
        } else if (m.type == CLO_MSG_PING) {
            err = clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_PING, m.id, NULL, 0, -1);
        } else if (m.type == CLO_MSG_LOG_LEVEL) {
            err = clo_role_log_level(&m);
        } else { /* DRAIN: what ran has ended with the gateway */
            e->ends = true;
            err = clo_ipc_send(CLO_CONTROL_FD, CLO_MSG_DRAINED, m.id, NULL, 0, -1);
        }
        clo_ipc_msg_clear(&m);
        if (err != 0 || e->ends)
            return err;
    }
    if (err == CLOISTER_E_NETWORK)
        e->ends = true;
    return err == CLOISTER_E_NOT_FOUND || err == CLOISTER_E_NETWORK ? 0 : err;
}

static int wait_ms(const struct engine *e)
{
    if (e->state == NEW)
        return -1;
    if (!e->cfg.managed)
        return POLL_UPSTREAM_MS;
    return e->hash != NULL ? 0 : e->is_up ? -1 : POLL_STARTING_MS;
}

static int run(struct engine *e)
{
    int err;

    for (;;) {
        struct pollfd p[] = {{.fd = CLO_CONTROL_FD, .events = POLLIN},
                             {.fd = e->pidfd, .events = POLLIN}};

        (void)poll(p, CLO_ARRAY_LEN(p), wait_ms(e));
        if ((err = from_parent_all(e)) != 0 || e->ends)
            return err;
        if (e->state == RUNNING &&
            ((err = e->cfg.managed ? tend_managed(e) : tend_upstream(e)) != 0 || e->ends))
            return err;
    }
}

int main(int argc, char *argv[])
{
    struct engine e = {.model = -1, .pidfd = -1};
    int err;

    if (clo_role_begin(CLO_ROLE_ENGINE, argc, argv, &e.site) != 0)
        return 1;
    err = run(&e);
    if (err != 0) {
        clo_log("engine", CLO_EV_IPC_BAD, CLO_ROLE_PARENT, 0, e.state, (uint64_t) - (int64_t)err);
        e.status = e.cfg.managed && e.pid == 0 ? CLO_EXIT_ENGINE : 1;
    }
    if (e.pid > 0) { /* it has no state to save, and answers that nobody reads */
        (void)kill(e.pid, SIGKILL);
        (void)waitpid(e.pid, NULL, 0);
    }
    if (e.cfg.managed && e.cfg.socket[0] != 0)
        (void)unlink(e.cfg.socket);
    clo_sha256_free(e.hash);
    return e.status;
}
