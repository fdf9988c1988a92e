/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway process: outer HTTP, one request's keys and plaintext at a time, the engine's answer. One event loop, no
 * threads; libmicrohttpd runs inside it by its epoll descriptor.
 *
 *   main.c      channels to the other processes, start, drain, end
 *   outer.c     HTTP towards the network: routes, bodies in, chunks out
 *   evidence.c  quotes, blobs, readiness
 *   request.c   one encrypted request from its first byte to the end of its answer
 *   response.c  the encrypted answer's chunks      engine.c  the connection to the engine
 *   frames.c    what is in them under a shape      delta.c   which events are one, pure both
 *   lease.c     who may use which slot             api.c     the inner API, pure
 *   limits.c    what an API key, or a peer, has used
 */
#ifndef CLO_GATEWAY_H
#define CLO_GATEWAY_H

#include <microhttpd.h>

#include "codec/sse.h"
#include "daemon/gateway/api.h"
#include "daemon/gateway/engine.h"
#include "daemon/gateway/lease.h"
#include "daemon/gateway/limits.h"
#include "daemon/gateway/link.h"
#include "daemon/gateway/response.h"
#include "daemon/gateway/salt.h"
#include "daemon/messages.h"

struct event;
struct event_base;

enum clo_gw_state {
    CLO_GW_INIT,
    CLO_GW_RUN,
    CLO_GW_DRAIN
};

/* Limits that are nobody's to configure. */
#define CLO_GW_QUOTES_MAX    1024 /* evidence requests that wait for the attester */
#define CLO_GW_BLOBS_MAX     64
#define CLO_GW_CREDENTIALS   8192
#define CLO_GW_ANSWER_MAX    ((size_t)32 << 20) /* an answer that isn't streamed */
#define CLO_GW_EVENT_MAX     ((size_t)1 << 20)  /* one event of a stream */
#define CLO_GW_UPLOAD_S      120                /* from a request's first byte to its last */
#define CLO_GW_QUOTE_S       30                 /* for the attester's or the keeper's answer */
#define CLO_GW_IDLE_S        60                 /* a connection on which nothing moves */
#define CLO_GW_SILENCE_S     120                /* an engine in the middle of a stream */
#define CLO_GW_SILENCE_ALL_S 600                /* an engine that was asked for a whole answer */
#define CLO_GW_REFUSED_S     5   /* for a connection beyond its peer's limit to say what it wants */
#define CLO_GW_REFUSED_MAX   16  /* such connections of a peer: more aren't even accepted */
#define CLO_GW_KEY_SPARE_S   120 /* before its end a key is no longer to be kept */
#define CLO_GW_CONN_MEMORY   ((size_t)32 << 10) /* a connection's buffers: one sealed chunk fits */

/* Numbers of CLO_EV_LIMIT. */
enum clo_gw_limit {
    CLO_GW_LIMIT_MEMORY = 1,
    CLO_GW_LIMIT_QUEUE = 2,
    CLO_GW_LIMIT_QUOTES = 3,
    CLO_GW_LIMIT_CONTEXTS = 4,
    CLO_GW_LIMIT_UPLOAD = 5,
    CLO_GW_LIMIT_BLOBS = 6,
    CLO_GW_LIMIT_PEER = 7,
    CLO_GW_LIMIT_MINUTE = 8,
    CLO_GW_LIMIT_DAY = 9,
    CLO_GW_LIMIT_PARALLEL = 10
};

struct clo_blob {
    uint8_t digest[32];
    uint8_t section;
    uint64_t number;    /* counts blobs that came */
    int64_t keep_until; /* Unix s */
    struct clo_buf bytes;
};

/* What an outer request is answered with while, or because, it isn't open. */
enum clo_refusal {
    CLO_REFUSE_NOT,
    CLO_REFUSE_BAD,  /* the one 400 */
    CLO_REFUSE_KEY,  /* 400 with RFC 9458's ohttp-key problem */
    CLO_REFUSE_BUSY, /* 503: we, not the request */
    CLO_REFUSE_DROP  /* close the connection */
};

enum clo_request_kind {
    CLO_REQ_EVIDENCE,
    CLO_REQ_OHTTP
};
enum clo_request_state {
    CLO_RS_QUOTING,    /* evidence: waits for the attester */
    CLO_RS_HEADER,     /* collects the seven bytes and enc */
    CLO_RS_OPENING,    /* waits for the keeper */
    CLO_RS_BODY,       /* opens chunks, or gathers what is sealed in one piece */
    CLO_RS_COMMITTING, /* waits for the keeper */
    CLO_RS_ANSWERING,  /* waits for a slot, for the engine, or for the network */
    CLO_RS_REFUSED     /* reads to the body's end, then `refusal` */
};

/* One outer HTTP request that can't be answered at once. */
struct clo_request {
    struct clo_gw *gw;
    uint64_t id; /* names it to keeper and attester */
    enum clo_request_kind kind;
    enum clo_request_state state;
    enum clo_refusal refusal;
    int64_t began_us;
    /* outer.c */
    struct MHD_Connection *conn;
    int fd;
    struct event *watch; /* for the peer's hang-up */
    struct event *due;   /* for the moment at which the answer goes on */
    bool suspended, gone;
    uint64_t received;
    /* evidence */
    bool full;
    struct clo_buf document;
    /* OHTTP request */
    bool chunked;
    struct clo_buf head; /* the seven bytes and enc */
    size_t head_need;
    struct clo_ohttp_opened *opened; /* in guarded memory */
    struct clo_ohttp_reader *reader; /* chunked */
    struct clo_buf sealed;           /* plain: all of it, until its end has come */
    size_t sealed_charged;           /* of the budget */
    struct clo_inner inner;
    bool inner_live, keeper_context;
    uint8_t key_id;
    uint32_t owner; /* the credential's place, if: */
    bool owned;
    uint32_t engine_life; /* when the keeper was asked to commit */
    /* answer */
    struct clo_response *response;
    struct clo_buf send; /* to the engine */
    size_t charged;      /* of the budget, for `send` */
    size_t waits;        /* ... for what a shaped response hasn't sent yet */
    struct clo_api_asked asked;
    bool leased, waiting;
    struct clo_lease lease;
    struct clo_leg *leg;
    bool paused;
    unsigned engine_status;
    struct clo_sse *sse;
    bool sse_done;
    bool too_long; /* for its class of shape */
    struct clo_buf gathered;
    unsigned status; /* of the inner answer, for the log */
    /* what it took */
    bool cancelled;
    bool launched; /* the engine has it, and nothing was counted yet */
    bool metered;  /* the engine said what it took: */
    struct clo_api_usage usage;
    uint64_t prompt_bytes, events; /* to estimate from if it didn't */
};

/* What RFC 9540's discovery tells: one configuration of the keys that new evidence shows. n 0: there are none. */
struct clo_gw_key {
    uint8_t list[CLO_KEM_PK_MAX + 64];
    size_t n;
    int64_t best_before, next, expires; /* Unix s; next: another takes its place */
    uint8_t id[2];                      /* of all keys that new evidence shows */
    size_t ids;
};

struct clo_gw {
    struct event_base *base;
    unsigned state; /* enum clo_gw_state */
    struct clo_gateway_start cfg;
    struct clo_gateway_limits limits;
    bool limited;      /* they have come */
    bool credentialed; /* ... the API keys, of which there may be none */
    int listener;
    struct clo_link *parent, *keeper, *attester;
    struct clo_gw_key key;
    uint8_t *salt; /* CLO_SALT_SECRET bytes in guarded memory; of these keys and this engine */
    struct clo_credential *credential;
    uint32_t credentials, credential_room;
    struct clo_engine_state engine;
    uint32_t engine_life; /* counts what the parent said about it */
    struct clo_lessor *lessor;
    struct clo_budget budget;
    size_t upload_max;            /* bytes of one encrypted request */
    struct clo_request **request; /* cfg.connections_max places */
    uint32_t requests, next_place;
    uint32_t generation;
    int exit_status;
    /* evidence.c */
    struct clo_blob blob[CLO_GW_BLOBS_MAX];
    uint64_t blobs;      /* that came, ever */
    struct clo_blob cpu; /* of the batch that is being answered; not served alone */
    uint32_t quotes;
    bool quotable; /* the attester can make evidence */
    /* outer.c */
    struct MHD_Daemon *http;
    struct event *http_ready, *http_timer;
    bool http_again; /* a connection has ended while the server ran */
    struct clo_peers *peers;
    struct MHD_Response *fixed[8];
};

/* ---- main.c ---- */
/* The id's request; NULL when it is over. */
struct clo_request *clo_gw_find(struct clo_gw *gw, uint64_t id);
/* A request has ended: a drain may be over. */
void clo_gw_request_ended(struct clo_gw *gw);

/* ---- outer.c ---- */
CLO_MUST_USE int clo_outer_start(struct clo_gw *gw, int listener);
/* Accept nothing new. */
void clo_outer_quiesce(struct clo_gw *gw);
/* The request has something to say, or to take: let the HTTP server call again. */
void clo_outer_wake(struct clo_request *r);
/* End the connection, whatever the HTTP server waits for on it. */
void clo_outer_hang_up(struct clo_request *r);

/* ---- evidence.c ---- */
void clo_evidence_ask(struct clo_request *r, const uint8_t nonce[32]);
CLO_MUST_USE int clo_evidence_quoted(struct clo_gw *gw, const struct clo_ipc_msg *m);
CLO_MUST_USE int clo_evidence_blob(struct clo_gw *gw, struct clo_ipc_msg *m);
/* The bytes with this digest, or NULL; valid until the event loop runs. */
const struct clo_buf *clo_evidence_find(struct clo_gw *gw, const uint8_t digest[32]);
void clo_evidence_attester_lost(struct clo_gw *gw);
/* Once a second. */
void clo_evidence_tick(struct clo_gw *gw);

/* ---- request.c ---- */
CLO_MUST_USE int clo_request_new(struct clo_gw *gw, enum clo_request_kind kind,
                                 struct clo_request **ret);
/* The connection is done with it, whatever state it is in. */
void clo_request_free(struct clo_request *r);
/* Body bytes; returns how many were taken. When none were, wait. */
size_t clo_request_feed(struct clo_request *r, const void *p, size_t n);
void clo_request_body_ended(struct clo_request *r);
/* The peer hung up: nobody waits for this answer. */
void clo_request_gone(struct clo_request *r);
/* Room was made in the response. */
void clo_request_flowed(struct clo_request *r);
void clo_request_refuse(struct clo_request *r, enum clo_refusal refusal);
CLO_MUST_USE int clo_request_opened(struct clo_gw *gw, const struct clo_ipc_msg *m);
CLO_MUST_USE int clo_request_committed(struct clo_gw *gw, const struct clo_ipc_msg *m);
void clo_requests_keeper_lost(struct clo_gw *gw);
/* Slots may have become free. */
void clo_requests_pump(struct clo_gw *gw);
/* The engine went away: those that wait for it needn't. */
void clo_requests_engine_lost(struct clo_gw *gw);
/* Once a second: what takes too long ends. */
void clo_requests_tick(struct clo_gw *gw);

#endif
