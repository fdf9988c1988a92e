/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages between cloisterd's processes: who may say what to whom. Types are never reused. Payloads are written and read with the
 * bounded writer and reader; integers are little-endian, strings are u16 length + bytes without zero.
 * Each process's permit table stands in its own folder.
 *
 *   parent  -> all       PEER (a channel to another role), role-specific START, MANIFEST, ENGINE_STATE, RESET, DRAIN, PING, LOG_LEVEL
 *   all     -> parent    READY, DRAINED, PING
 *   keeper, attester, fetcher -> parent   PEER_BAD
 *   attester -> parent   FOUND, WAITING, DEVICES_LOST; SIMULATED; WORKER
 *   keeper  -> attester  KEYS (the keys section of the epoch that new evidence shows: the gateway can't choose it)
 *   keeper  -> gateway   KEYS (the same, for discovery)
 *   gateway -> attester  QUOTE -> QUOTED; attester -> gateway BLOB (pushed)
 *   gateway -> keeper    OPEN -> OPENED, COMMIT -> COMMITTED, CLOSE
 *   engine  -> parent    ENGINE_UP, ENGINE_DOWN
 *   attester -> fetcher  FETCH -> FETCHED, KEEP
 *   attester -> its worker   OPEN_TEE, REPORT, LOOK, DEVICES, ACCEPT, ANSWER, each with its answer (worker.h)
 */
#ifndef CLO_DAEMON_MESSAGES_H
#define CLO_DAEMON_MESSAGES_H

#include "attest/gather.h"
#include "codec/ohttp.h"
#include "platform/ipc.h"

enum clo_role {
    CLO_ROLE_PARENT,
    CLO_ROLE_GATEWAY,
    CLO_ROLE_KEEPER,
    CLO_ROLE_ATTESTER,
    CLO_ROLE_ENGINE,
    CLO_ROLE_FETCHER, /* with hardware only: the simulator is its own vendor */
    CLO_ROLE_WORKER,  /* the attester's; it speaks to nobody else */
    CLO_ROLE_COUNT
};
const char *clo_role_name(enum clo_role r);

enum clo_msg {
    /* parent -> any */
    CLO_MSG_PEER = 1,  /* role u8; brings a descriptor: replaces an older channel to that role */
    CLO_MSG_DRAIN = 2, /* finish what is open, take nothing new, answer DRAINED, then exit 0 */
    CLO_MSG_DRAINED = 3,
    /*
     * child -> parent: took its START (id 0). Later, with the id of a MANIFEST: the attester can quote under it, the gateway
     * serves under it.
     */
    CLO_MSG_READY = 4,
    CLO_MSG_PING = 5, /* parent -> child, and back: it isn't hung */
    /*
     * keeper, attester, fetcher -> parent: role u8. That peer broke the rules, and its channel is closed: the parent replaces it. (Was it
     * replaced meanwhile, then its successor is as well, once.)
     */
    CLO_MSG_PEER_BAD = 6,
    CLO_MSG_LOG_LEVEL = 7, /* parent -> any: enum clo_level u8, from now on */
    /* attester -> parent: end its worker, if it has one, and start another, whose channel comes as PEER. Asked once until then. */
    CLO_MSG_WORKER = 8,
    /* START, one a role */
    CLO_MSG_KEEPER_START = 10,   /* struct clo_keeper_start */
    CLO_MSG_ATTESTER_START = 11, /* struct clo_attester_start */
    CLO_MSG_ENGINE_START = 12,   /* struct clo_engine_start */
    CLO_MSG_GATEWAY_START = 13,  /* struct clo_gateway_start; brings the listening socket */
    CLO_MSG_FETCHER_START = 16,  /* struct clo_fetcher_start */
    /*
     * Empty; brings a sealed memfd (clo_credentials_write): the API keys that hold from now on. Parent -> gateway, before READY and
     * again whenever they change: each replaces the whole set.
     */
    CLO_MSG_CREDENTIALS = 14,
    /* struct clo_gateway_limits; parent -> gateway, before READY and again after a reload */
    CLO_MSG_GATEWAY_LIMITS = 15,
    /* parent -> attester, gateway */
    /*
     * The manifest section's bytes. The attester forgets its keys and its channel to the keeper; the gateway learns that the
     * attester can quote under it.
     */
    CLO_MSG_MANIFEST = 20,
    /* parent -> keeper: destroy all keys and the channel to the attester, make new keys (engine or manifest changed) */
    CLO_MSG_RESET = 21,
    /* parent -> gateway */
    CLO_MSG_ENGINE_STATE = 22, /* struct clo_engine_state */
    /* engine -> parent */
    CLO_MSG_ENGINE_UP = 30,   /* struct clo_engine_up */
    CLO_MSG_ENGINE_DOWN = 31, /* empty */
    /* attester -> parent, `simulated` only: what a demo's policy pins */
    CLO_MSG_SIMULATED = 40, /* root 32, measurement 48 */
    /* attester -> parent, before READY: struct clo_found. With an error it ends then */
    CLO_MSG_FOUND = 41,
    /* attester -> parent: no evidence can be made now; struct clo_waiting says why, in public words and numbers */
    CLO_MSG_WAITING = 42,
    /*
     * attester -> parent: enum clo_devices_fault u8. The GPUs that it vouched for can't be vouched for any more: it has forgotten the
     * keys, and ends. The parent has the keeper destroy them and the engine started again.
     */
    CLO_MSG_DEVICES_LOST = 43,
    /* keeper -> attester, gateway */
    CLO_MSG_KEYS = 50, /* the keys section's bytes */
    /* gateway <-> attester */
    CLO_MSG_QUOTE = 60,  /* nonce 32 */
    CLO_MSG_QUOTED = 61, /* struct clo_quoted; id as in QUOTE */
    /* section u8, digest 32, keep-until i64; brings a sealed memfd. A cpu section belongs to the QUOTED that follow, until the next one */
    CLO_MSG_BLOB = 62,
    /* gateway <-> keeper; the request's id names its context in all of them */
    CLO_MSG_OPEN = 70,   /* header 7, chunked u8, enc */
    CLO_MSG_OPENED = 71, /* i32 error; with 0: key 32, base nonce 12, response secret 32 */
    CLO_MSG_COMMIT = 72, /* credential 32 */
    CLO_MSG_COMMITTED =
        73, /* i32 error: 0, E_REPLAY, E_QUOTA, E_FULL, E_STATE (context unknown or expired) */
    CLO_MSG_CLOSE = 74, /* empty, no answer */
    /* attester <-> fetcher; the id names the want in all three */
    CLO_MSG_FETCH = 80, /* struct clo_fetch */
    /* struct clo_fetched; brings a sealed memfd: body, then chain; empty with an error */
    CLO_MSG_FETCHED = 81,
    /* empty: what was FETCHED under this id was good, and is worth a file in the cache */
    CLO_MSG_KEEP = 82,
    /* attester <-> its worker: one question at a time; its answer, or FAILED, has the same id (worker.h) */
    CLO_MSG_WORK_OPEN = 90, /* struct clo_attester_start */
    /* root 32, measurement 48 (zero unless simulated), struct clo_found */
    CLO_MSG_WORK_OPENED = 91,
    CLO_MSG_WORK_REPORT = 92, /* report data 64 */
    /* empty; brings a sealed memfd (clo_cpu_raw_write) */
    CLO_MSG_WORK_REPORTED = 93,
    CLO_MSG_WORK_LOOK = 94,    /* empty */
    CLO_MSG_WORK_LOOKED = 95,  /* struct clo_gpus_state */
    CLO_MSG_WORK_DEVICES = 96, /* nonce 32 */
    /* empty; brings a sealed memfd: the devices section */
    CLO_MSG_WORK_DEVICED = 97,
    CLO_MSG_WORK_ACCEPT = 98,   /* flag u8 */
    CLO_MSG_WORK_ACCEPTED = 99, /* empty */
    CLO_MSG_WORK_ANSWER = 100,  /* clo_want_write */
    /* u32 length of the body; brings a sealed memfd: body, then chain */
    CLO_MSG_WORK_ANSWERED = 101,
    CLO_MSG_WORK_FAILED = 102, /* i32 error */
};

#define CLO_STR_MAX         512
#define CLO_CREDENTIALS_MAX 4096
#define CLO_RELAYS_MAX      64

/*
 * Secrets in guarded memory (base/secret.h), at the most. Keeper: three epochs (two, and one whose set became full) and its hash
 * key, with room to spare. Gateway: one a request while it comes in, or of a plain one until it is answered; and these: the salts, and a plain
 * answer's beside its request's, for a moment.
 */
enum {
    CLO_KEEPER_SLOTS = 8,
    CLO_GATEWAY_SLOTS_MORE = 2
};

/* How a child ends when starting it again would be of no use. argv[1] of every child is the log level (enum clo_level) in one digit, argv[2] what its cell has to know (clo_cell_words). */
enum clo_child_exit {
    CLO_EXIT_UNSUPPORTED = 20, /* this machine has no such TEE */
    CLO_EXIT_LOCK = 21,        /* memory for keys can't be locked */
    CLO_EXIT_ENGINE = 22,      /* llama-server can't be started, or ended before it was ready */
    CLO_EXIT_PERMISSION = 23,  /* the report interface is there, and not for us */
    CLO_EXIT_DEVICES = 24,     /* after DEVICES_LOST: starting again is of use */
    CLO_EXIT_CELL = 25,        /* its cell can't be built */
};

struct clo_keeper_start {
    uint32_t lifetime_s;   /* of an epoch; at least 10 */
    uint8_t x25519;        /* also make DHKEM(X25519) keys */
    uint32_t quota;        /* requests a credential and epoch */
    uint32_t set_max;      /* requests an epoch in all */
    uint32_t contexts_max; /* open at the same time */
    char gateway[CLO_GATEWAY_PATH_LEN + 1];
};
/*
 * How long before the end of a private key's life new evidence shows the next one (docs/PROTOCOL.md section 3): a while before
 * verdicts over the old one end, so that evidence is never too old the moment it comes.
 */
static inline int64_t clo_epoch_ahead(int64_t lifetime_s)
{
    return lifetime_s * 3 / 10 < 300 ? lifetime_s * 3 / 10 : 300;
}
struct clo_attester_start {
    uint8_t tee;   /* enum clo_tee */
    uint8_t gpus;  /* flag: this machine's GPUs belong to the evidence, if it has any */
    uint32_t pcrs; /* bit i: a vTPM quotes PCR i */
};
enum clo_tee {
    CLO_TEE_SIMULATED = 1,
    CLO_TEE_SEV_SNP = 2,
    CLO_TEE_TDX = 3,
    CLO_TEE_SEV_SNP_AZURE = 4,
    CLO_TEE_TDX_AZURE = 5,
    CLO_TEE_AUTO = 6 /* what is there; never the simulator */
};
#define CLO_TPM_PCRS_ALL 0xffffffu
/* Its name, as the cpu section's "type" has it; "auto". NULL: none of these. */
const char *clo_tee_name(uint8_t tee);

/* Where reports can come from, in the order in which they are tried. */
enum clo_source {
    CLO_SOURCE_TSM,
    CLO_SOURCE_SEV_GUEST,
    CLO_SOURCE_VTPM,
    CLO_SOURCE_SIMULATOR,
    CLO_SOURCES
};
/* For people: where it is. */
const char *clo_source_name(enum clo_source s);
struct clo_found;
/* Names of those that were tried, apart by commas; error other than 0: of those that met with it. */
void clo_sources_list(const struct clo_found *f, int error, char *ret, size_t cap);
struct clo_found {
    int32_t error; /* 0; E_NOT_FOUND, E_PERMISSION, or what opening it met with */
    uint8_t tee;   /* with error 0: enum clo_tee, not AUTO */
    uint8_t source;
    int32_t tried[CLO_SOURCES]; /* what each met with; 1: it wasn't tried */
    int32_t gpus_error;         /* 0, or E_NOT_FOUND: none; 1: they weren't looked for */
    uint32_t gpus;
};
/* Numbers are never reused. */
enum clo_wait {
    CLO_WAIT_COLLATERAL =
        1, /* `name`: the file in the cache, `error` and `detail`: as in struct clo_fetched (status) */
    CLO_WAIT_REPORT = 2,  /* `error`: the report interface gives none */
    CLO_WAIT_DEVICES = 3, /* `detail`: enum clo_devices_fault */
    CLO_WAIT_CHECK = 4,   /* `detail`: our own evidence fails this check (enum cloister_check_id) */
    CLO_WAITS
};
struct clo_waiting {
    uint8_t what; /* enum clo_wait */
    int32_t error;
    uint32_t detail, again_s;
    char name[CLO_WANT_NAME_MAX];
};
enum clo_devices_fault {
    CLO_DEVICES_GONE = 1,      /* lost, fell off the bus, or needs a reset */
    CLO_DEVICES_RESET = 2,     /* no longer ready for work, though we said so */
    CLO_DEVICES_OTHER = 3,     /* other ones, or another number of them */
    CLO_DEVICES_CC_OFF = 4,    /* confidential computing is off */
    CLO_DEVICES_DEVTOOLS = 5,  /* developer tools are on */
    CLO_DEVICES_SIMULATED = 6, /* not a production environment */
    CLO_DEVICES_SILENT = 7,    /* the driver gives no answer */
    CLO_DEVICES_FAULTS
};
struct clo_engine_start {
    uint8_t managed;
    char server[CLO_STR_MAX]; /* managed: path of llama-server */
    char model[CLO_STR_MAX];  /* managed: model file */
    char model_name[128];     /* managed: what the engine calls its model */
    char socket
        [CLO_STR_MAX]; /* managed: the Unix socket to make; another path at every start, so that no request meets a later engine */
    char upstream[CLO_STR_MAX]; /* not managed: "unix:/path", "127.0.0.1:port" or "[::1]:port" */
    uint32_t slots;
    uint32_t context;   /* tokens a slot; 0: the model's */
    uint32_t threads;   /* 0: engine's default */
    uint8_t embeddings; /* managed: enum clo_pooling; other than NONE: nothing but embeddings */
    uint8_t vllm;       /* flag, not managed: it has to be vLLM, of a version with cache_salt */
};
/* How one vector is made of a text's: as the model says, or by one of llama-server's ways. */
enum clo_pooling {
    CLO_POOLING_NONE,
    CLO_POOLING_MODEL,
    CLO_POOLING_MEAN,
    CLO_POOLING_CLS,
    CLO_POOLING_LAST
};
struct clo_engine_up {
    char name[64], version[64], model_name[128];
    uint8_t model_sha256[32], args_sha256[32]; /* zero unless managed */
    uint32_t slots, context;
};
struct clo_engine_state {
    uint8_t up;
    uint8_t managed;
    char address[CLO_STR_MAX]; /* "unix:/path", "127.0.0.1:port" or "[::1]:port" */
    char model_name[128];
    uint32_t slots, context;
    uint8_t embeddings; /* flag: nothing but these */
    uint8_t salted;     /* flag: each request gets a cache_salt */
};
struct clo_gateway_start {
    char gateway[CLO_GATEWAY_PATH_LEN + 1];
    uint8_t open_to_all;  /* no credential configured: only with a loopback listener */
    uint8_t shape;        /* enum clo_shaping, as the manifest says */
    uint32_t request_max; /* bytes of one inner request body */
    uint32_t connections_max;
};
/* An address or network: IPv6, or IPv4 mapped into it; the first `prefix` bits count. */
struct clo_network {
    uint8_t address[16];
    uint8_t prefix;
};
/* What a reload can change while streams run. */
struct clo_gateway_limits {
    uint32_t memory_max; /* bytes of request bodies held at the same time, all together */
    uint32_t parallel;   /* running requests a credential, unless its own terms say otherwise */
    uint32_t queue_max;  /* waiting for a slot, all together */
    uint32_t peer_max;   /* connections of one address; 0: no limit */
    uint32_t relays;     /* peers that speak for many: peer_max doesn't hold for them */
    struct clo_network relay[CLO_RELAYS_MAX];
};
/* One API key as the gateway judges it. Limits of 0: none of its own. */
struct clo_credential_terms {
    uint8_t digest[32]; /* SHA-256 of the API key */
    int64_t expires;    /* Unix s; 0: never */
    uint32_t requests_minute;
    uint32_t parallel;
    uint64_t tokens_day; /* prompt and answer, a UTC day */
};
/*
 * Certificates and collateral: from files, and from the vendors' services. The reader refuses URLs that clo_service_url_ok refuses, and a
 * folder that isn't an absolute path.
 */
struct clo_fetcher_start {
    uint8_t online;          /* 0: files alone */
    char cache[CLO_STR_MAX]; /* a folder, or ".", where it works; "": none */
    char amd[CLO_STR_MAX], intel[CLO_STR_MAX], intel_certificates[CLO_STR_MAX],
        nvidia[CLO_STR_MAX]; /* base URLs; "": the vendor's own */
    char azure[CLO_STR_MAX]; /* of the instance service */
    char proxy[CLO_STR_MAX]; /* "": none */
};
enum clo_url_use {
    CLO_URL_SERVICE,  /* https, or http on this machine itself (loopback) */
    CLO_URL_INSTANCE, /* that, or http to the link-local address of a cloud's instance service */
    CLO_URL_PROXY     /* http or https to any host, without a path */
};
/* A scheme, a host, perhaps a port and a path; no user, query, fragment or escapes. "" is none, and fine. */
CLO_MUST_USE bool clo_service_url_ok(const char *url, enum clo_url_use use);
/* Is it this machine itself, or the instance service beside it? Such are not reached through a proxy. */
CLO_MUST_USE bool clo_service_url_is_near(const char *url);
struct clo_fetch {
    uint8_t renew; /* the file in the cache isn't good (any more): ask the service, if it may be */
    struct clo_want want;
};
/*
 * error: 0; E_NOT_FOUND: neither a file nor, for now, an answer, because the service says there is none (404) or nobody may be
 * asked; E_BUSY: throttled (429, or too soon after the last one); E_NETWORK: no or another answer; E_IO: the cache can't be read.
 * status: the service's last HTTP status, 0 without one. again_s: asking sooner is of no use.
 */
struct clo_fetched {
    int32_t error;
    uint32_t status, again_s;
    uint8_t from_file;
    uint32_t body_n, chain_n;
};
struct clo_quoted {
    int32_t error; /* 0, or E_FULL, E_STATE (no keys or manifest yet), E_IO: then nothing follows */
    uint8_t cpu[32], manifest[32], devices[32],
        collateral[32];          /* digests: their bytes came as BLOB */
    const uint8_t *keys, *batch; /* borrowed from the message */
    size_t keys_n, batch_n;
};

/* Writers and readers of the payloads above (messages.c). Readers refuse trailing bytes and unterminated or over-long strings. */
CLO_MUST_USE int clo_keeper_start_write(const struct clo_keeper_start *v, struct clo_wr *wr);
CLO_MUST_USE int clo_keeper_start_read(const void *p, size_t n, struct clo_keeper_start *ret);
CLO_MUST_USE int clo_attester_start_write(const struct clo_attester_start *v, struct clo_wr *wr);
CLO_MUST_USE int clo_attester_start_read(const void *p, size_t n, struct clo_attester_start *ret);
CLO_MUST_USE int clo_found_write(const struct clo_found *v, struct clo_wr *wr);
CLO_MUST_USE int clo_found_read(const void *p, size_t n, struct clo_found *ret);
CLO_MUST_USE int clo_waiting_write(const struct clo_waiting *v, struct clo_wr *wr);
CLO_MUST_USE int clo_waiting_read(const void *p, size_t n, struct clo_waiting *ret);
CLO_MUST_USE int clo_engine_start_write(const struct clo_engine_start *v, struct clo_wr *wr);
CLO_MUST_USE int clo_engine_start_read(const void *p, size_t n, struct clo_engine_start *ret);
CLO_MUST_USE int clo_engine_up_write(const struct clo_engine_up *v, struct clo_wr *wr);
CLO_MUST_USE int clo_engine_up_read(const void *p, size_t n, struct clo_engine_up *ret);
CLO_MUST_USE int clo_engine_state_write(const struct clo_engine_state *v, struct clo_wr *wr);
CLO_MUST_USE int clo_engine_state_read(const void *p, size_t n, struct clo_engine_state *ret);
CLO_MUST_USE int clo_gateway_start_write(const struct clo_gateway_start *v, struct clo_wr *wr);
CLO_MUST_USE int clo_gateway_start_read(const void *p, size_t n, struct clo_gateway_start *ret);
CLO_MUST_USE int clo_gateway_limits_write(const struct clo_gateway_limits *v, struct clo_wr *wr);
CLO_MUST_USE int clo_gateway_limits_read(const void *p, size_t n, struct clo_gateway_limits *ret);
/* The contents of a CREDENTIALS memfd; *ret from calloc, NULL for none; the same digest twice is CLOISTER_E_DUPLICATE. */
#define CLO_CREDENTIAL_BYTES 56
CLO_MUST_USE int clo_credentials_write(const struct clo_credential_terms *v, uint32_t count,
                                       struct clo_buf *out);
CLO_MUST_USE int clo_credentials_read(const void *p, size_t n, struct clo_credential_terms **ret,
                                      uint32_t *ret_count);
CLO_MUST_USE int clo_fetcher_start_write(const struct clo_fetcher_start *v, struct clo_wr *wr);
CLO_MUST_USE int clo_fetcher_start_read(const void *p, size_t n, struct clo_fetcher_start *ret);
CLO_MUST_USE int clo_fetch_write(const struct clo_fetch *v, struct clo_wr *wr);
CLO_MUST_USE int clo_fetch_read(const void *p, size_t n, struct clo_fetch *ret);
CLO_MUST_USE int clo_fetched_write(const struct clo_fetched *v, struct clo_wr *wr);
CLO_MUST_USE int clo_fetched_read(const void *p, size_t n, struct clo_fetched *ret);
CLO_MUST_USE int clo_quoted_write(const struct clo_quoted *v, struct clo_wr *wr);
CLO_MUST_USE int clo_quoted_read(const void *p, size_t n, struct clo_quoted *ret);

#endif
