/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channel: encrypted requests to a verified enclave. It can be made from a passed and fresh verdict only.
 *
 * Sans-I/O: the caller moves bytes (POST the request body to `<server><gateway path>`, media type
 * message/ohttp-chunked-req, header `Incremental: ?1`; give the response body back). What may pass through any relay or
 * load balancer is ciphertext.
 */
#ifndef CLOISTER_CHANNEL_H
#define CLOISTER_CHANNEL_H

#include <cloister/verify.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Which server, which keys, until when. Several threads may seal requests with one channel at a time; an exchange belongs to one thread.
 */
struct cloister_channel;
/* CLOISTER_E_REFUSED unless the outcome is verified, CLOISTER_E_STALE unless it is fresh and `now` before valid_until. */
CLOISTER_API CLOISTER_MUST_USE int cloister_channel_open(const struct cloister_verdict *v,
                                                         int64_t now,
                                                         struct cloister_channel **ret);
CLOISTER_API void cloister_channel_free(struct cloister_channel *c);
/* "/r/0123456789abcdef" */
CLOISTER_API const char *cloister_channel_gateway(const struct cloister_channel *c);
/* 0 once cloister_ask has spent the channel. */
CLOISTER_API int64_t cloister_channel_valid_until(const struct cloister_channel *c);

struct cloister_request {
    const char *method;       /* "GET" or "POST" */
    const char *path;         /* "/v1/chat/completions" */
    const char *api_key;      /* sent as Authorization: Bearer; NULL for none */
    const char *content_type; /* NULL without a body */
    const char *accept;       /* NULL: none */
    const uint8_t *
        id; /* 32 random bytes that name the request for a cancellation (cloister-request), or NULL */
    const void *body;
    size_t body_n;
    /*
     * Which sizes the answer's encrypted pieces have (docs/PROTOCOL.md section 4), which anybody can see: "chat", "wide" (logprobs, several
     * choices, tools) or "bulk" (embeddings); NULL: "chat". Without meaning where the verdict's shape is CLOISTER_SHAPING_OFF.
     */
    const char *shape;
    void *reserved[3]; /* NULL */
};

/* One request and its answer. */
struct cloister_exchange;
/*
 * Seal a request: fresh randomness from the system; CLOISTER_E_STALE when now >= valid_until; CLOISTER_E_ARGUMENT for a shape that there
 * isn't. The same exchange can't be sent twice: _body gives the bytes once. Where the verdict's shape isn't CLOISTER_SHAPING_OFF, their number
 * is one of a few sizes.
 */
CLOISTER_API CLOISTER_MUST_USE int cloister_exchange_new(struct cloister_channel *c,
                                                         const struct cloister_request *req,
                                                         int64_t now,
                                                         struct cloister_exchange **ret);
/* The whole outer body; borrowed, valid until _free. CLOISTER_E_STATE the second time. */
CLOISTER_API CLOISTER_MUST_USE int cloister_exchange_body(struct cloister_exchange *x,
                                                          const uint8_t **ret, size_t *ret_n);

/* A header field of the inner answer: lower-case name, printable value; valid during the call. */
struct cloister_field {
    const char *name, *value;
};
/* The value of the first field of that name, or NULL. */
CLOISTER_API const char *cloister_field_find(const struct cloister_field *f, size_t n,
                                             const char *name);

struct cloister_answer_handler {
    /* once, before content; content-type is there at most once */
    int (*head)(void *ctx, unsigned status, const struct cloister_field *f, size_t n);
    int (*content)(void *ctx, const void *p,
                   size_t n); /* plaintext: valid during the call, wiped after it */
    /*
     * once, when the answer is complete: it can be handed on, while what is left of the stream is read to its end, which may take many
     * seconds more and hides how long the answer was. Who ends it here shows that. NULL: isn't told
     */
    int (*complete)(void *ctx);
    void *reserved[1]; /* NULL */
};
/*
 * Response bytes as they come. Any error is final: keys are wiped. A handler's non-zero return ends it with that value. A handler leaves
 * its exchange alone: what it calls on it is answered CLOISTER_E_STATE, and freeing it is for later.
 *
 * CLOISTER_E_SHAPE: a piece has another size than the machine has promised, or there are more or fewer of them. What such a machine does
 * shows more than it should: send it nothing more under this verdict, even if the answer was complete.
 */
CLOISTER_API CLOISTER_MUST_USE int cloister_exchange_feed(struct cloister_exchange *x,
                                                          const void *p, size_t n,
                                                          const struct cloister_answer_handler *h,
                                                          void *ctx);
/* Is the answer complete (its explicit end has authenticated)? What still comes is padding. */
CLOISTER_API bool cloister_exchange_complete(const struct cloister_exchange *x);
/*
 * The response body has ended. 0: the answer was complete and so was the padding; CLOISTER_E_CUT: the answer was cut.
 * CLOISTER_E_TRUNCATED: the answer was complete, what followed broke off (reported, doesn't retract the answer).
 * CLOISTER_E_SHAPE: as _feed.
 */
CLOISTER_API CLOISTER_MUST_USE int cloister_exchange_end(struct cloister_exchange *x,
                                                         const struct cloister_answer_handler *h,
                                                         void *ctx);
CLOISTER_API void cloister_exchange_free(struct cloister_exchange *x);

#ifdef __cplusplus
}
#endif
#endif
