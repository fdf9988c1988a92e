/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner API as pure functions: from a decrypted Binary HTTP request to a checked request, from its JSON body to the body
 * that the engine gets, and from a fault to an error in OpenAI's shape.
 *
 * The request's plaintext is decoded while it comes in, so that the padding behind it is never held, but nothing of it is acted on
 * before the caller has seen the final chunk authenticate. Faults are remembered, not returned: decryption goes on to the end
 * whatever is inside.
 *
 * Limits: header fields as in codec/bhttp.h, the body as given by the caller, a bearer token CLO_TOKEN_MAX characters.
 * Fuzzed by fuzz/fuzz_inner_request.c.
 */
#ifndef CLO_GATEWAY_API_H
#define CLO_GATEWAY_API_H

#include "base/rw.h"
#include "codec/bhttp.h"
#include "codec/shape.h"

#define CLO_TOKEN_MAX     512
#define CLO_REQUEST_ID    32 /* bytes of a cloister-request value */
#define CLO_API_TEXT_MAX  512
#define CLO_API_PARAM_MAX 64
#define CLO_API_MODEL_MAX 127

/* ---- faults ---- */
enum clo_api_code {
    CLO_API_OK,
    CLO_API_MALFORMED, /* not a Binary HTTP request, or one that isn't allowed to look so */
    CLO_API_BAD_FIELD, /* a header field with a value that isn't allowed, or twice */
    CLO_API_BAD_KEY,   /* no API key, or not one of ours */
    CLO_API_NO_SUCH_PATH,
    CLO_API_BAD_METHOD,
    CLO_API_TOO_LARGE, /* body beyond request_max */
    CLO_API_BAD_TYPE,  /* content type isn't JSON */
    CLO_API_BAD_JSON,
    CLO_API_BAD_MEMBER, /* a body member outside the allow-list: param names it */
    CLO_API_BAD_VALUE,  /* a body member's value: param names it */
    CLO_API_NO_SUCH_MODEL,
    CLO_API_CONTEXT,       /* prompt beyond the context: text says by how much */
    CLO_API_ENGINE_SAYS,   /* the engine refused the request: text is its own */
    CLO_API_QUOTA,         /* the credential's requests of this epoch are used up */
    CLO_API_PARALLEL,      /* too many requests of this credential at the same time */
    CLO_API_BUSY,          /* queue or memory is full */
    CLO_API_KEYS_ENDED,    /* the epoch's replay set is full: fetch evidence again */
    CLO_API_NO_KEEPER,     /* the process with the keys went away */
    CLO_API_NO_ENGINE,     /* the engine isn't up */
    CLO_API_ENGINE_LOST,   /* it died or broke off */
    CLO_API_ENGINE_FAILED, /* it answered with an error of its own */
    CLO_API_NO_EMBEDDINGS,
    CLO_API_CANCELLED, /* by the owner's own request */
    CLO_API_EXPIRED,   /* the API key was one of ours */
    CLO_API_MINUTE,    /* the credential's requests of this minute are used up */
    CLO_API_DAY,       /* ... its tokens of this day */
    CLO_API_ONLY_EMBEDDINGS,
    CLO_API_TOO_LONG, /* the answer doesn't fit its class of shape */
    CLO_API_CODES
};
struct clo_api_fault {
    enum clo_api_code code;
    char param[CLO_API_PARAM_MAX + 1]; /* "" for none */
    char text[CLO_API_TEXT_MAX + 1];   /* "" for the code's own sentence */
    unsigned wait; /* seconds for Retry-After; 0 for the code's own, if it has one */
};
unsigned clo_api_status(enum clo_api_code code);
/* Seconds for Retry-After, 0 for none. */
unsigned clo_api_retry_after(const struct clo_api_fault *f);
/* A limit of a credential that was reached: the text names it. */
struct clo_api_fault clo_api_limit_fault(enum clo_api_code code, uint64_t limit, unsigned wait);
/* {"error":{"message","type","param","code"}} */
CLO_MUST_USE int clo_api_error_write(const struct clo_api_fault *f, struct clo_buf *out);
/*
 * What an engine's error answer becomes: the text of a 4xx if it is printable, with a sentence of our own for a prompt
 * beyond the context; nothing of a 5xx, whose text may tell of paths and slots.
 */
void clo_api_engine_fault(unsigned status, const void *body, size_t n, struct clo_api_fault *ret);

/* ---- the request ---- */
enum clo_endpoint {
    CLO_EP_CHAT,
    CLO_EP_COMPLETIONS,
    CLO_EP_EMBEDDINGS,
    CLO_EP_MODELS,
    CLO_EP_CANCEL,
    CLO_EP_MODEL, /* one of them by its name */
    CLO_EP_NONE
};
/* The inner path, which is the engine's as well; of CLO_EP_MODEL what stands before the name. */
const char *clo_endpoint_path(enum clo_endpoint e);
/* Bytes of request bodies held by all requests together. */
struct clo_budget {
    size_t used, max; /* more may be used than is allowed now */
};
bool clo_budget_has(const struct clo_budget *b, size_t n);

struct clo_inner {
    struct clo_bhttp_dec *dec;
    struct clo_budget *budget;
    size_t charged;
    enum clo_api_code fault; /* of decoding and fields */
    enum clo_api_code
        late; /* of method, path, type and size: told only to an accepted credential */
    enum clo_endpoint endpoint;
    enum clo_shape shape; /* the class that is asked for; chat where that can't be told */
    char model[CLO_API_MODEL_MAX + 1]; /* CLO_EP_MODEL's; "" for one that can't be ours */
    bool has_token, has_request;
    uint8_t token[32]; /* SHA-256 of the bearer token */
    uint8_t request[CLO_REQUEST_ID];
    struct clo_buf body;
};
CLO_MUST_USE int clo_inner_init(struct clo_inner *in, size_t body_max, struct clo_budget *budget);
/* Plaintext as it comes in, padding included. */
void clo_inner_feed(struct clo_inner *in, const void *p, size_t n);
/* The request has ended, authenticated. CLO_API_OK: the fields are good and the credential may be judged. */
CLO_MUST_USE enum clo_api_code clo_inner_end(struct clo_inner *in);
/* Was it sent under this id? In constant time. */
CLO_MUST_USE bool clo_inner_has_id(const struct clo_inner *in, const uint8_t id[CLO_REQUEST_ID]);
/* Wipe the body and give its memory back to the budget. */
void clo_inner_drop_body(struct clo_inner *in);
void clo_inner_clear(struct clo_inner *in);

/* ---- bodies ---- */
struct clo_api_engine {
    bool managed; /* started by us: slots and cache are ours to set */
    const char *model;
};
struct clo_api_asked {
    bool stream;
    bool usage; /* its last event is to tell how many tokens there were */
};
/*
 * Check a request body against its endpoint's allow-list and write what the engine gets, without the closing brace:
 * clo_api_body_close puts it there. Members that only concern OpenAI's own service are dropped. Of a stream the engine is always asked
 * to tell the tokens.
 */
void clo_api_body(enum clo_endpoint e, const void *p, size_t n, const struct clo_api_engine *engine,
                  struct clo_api_asked *asked, struct clo_buf *out, struct clo_api_fault *ret);
/* managed: adds id_slot and cache_prompt; salt: NULL, or what cache_salt gets (no character of it needs an escape). */
CLO_MUST_USE int clo_api_body_close(bool managed, uint32_t slot, bool cache, const char *salt,
                                    struct clo_buf *out);
/* {"request": B64} of a cancellation. */
void clo_api_cancel_body(const void *p, size_t n, uint8_t request[CLO_REQUEST_ID],
                         struct clo_api_fault *ret);
CLO_MUST_USE int clo_api_cancel_write(bool cancelled, struct clo_buf *out);
CLO_MUST_USE int clo_api_models_write(const char *model, struct clo_buf *out);
CLO_MUST_USE int clo_api_model_write(const char *model, struct clo_buf *out);

/* ---- what an answer took ---- */
#define CLO_API_USAGE_MAX ((size_t)1 << 20) /* of a larger answer nothing is read */
struct clo_api_usage {
    uint64_t tokens; /* prompt and answer */
    bool alone;      /* an event that says nothing else */
};
/* The usage in an answer or in one event of a stream; false without. */
bool clo_api_usage_read(const void *p, size_t n, struct clo_api_usage *ret);

#endif
