/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transfer of the outer HTTP, as libcurl's handle: how it is set up and what came of it. transport.c runs it to its end and
 * blocks; proxy/wire.c runs many of them in an event loop. The rules of transport.h hold for both, because they are kept here.
 */
#ifndef CLO_CLIENT_TRANSFER_H
#define CLO_CLIENT_TRANSFER_H

#include <curl/curl.h>

#include "client/transport.h"

/* A sink's answer: not now. The transfer stops reading, and the same bytes come again when it goes on. */
#define CLO_TRANSFER_PAUSE 1

struct clo_transfer {
    CURL *easy;
    const char *accept; /* the only media type taken for an answer; NULL: any */
    int (*sink)(void *ctx, const void *p, size_t n);
    void (*sent)(
        void *ctx); /* the connection stands and the first byte is about to leave; may be NULL */
    void *ctx;
    bool was_sent;
    bool judged; /* status and media type were looked at */
    bool wanted; /* ... and are the right ones */
    bool muted;  /* whatever comes is thrown away, and nobody is told */
    bool done;   /* libcurl has ended it, with `code` */
    CURLcode code;
    struct clo_buf body; /* of a POST, where the transfer has it */
    int sink_err;
    size_t head;            /* curl_narrow.h's */
    struct clo_buf problem; /* the beginning of another answer */
    struct curl_slist *headers;
};

/*
 * Make the handle, which names x as its private pointer. accept, sink, sent, ctx and body are the caller's to set before; x must not move
 * afterwards. post is NULL for a GET; its body is x's own if that has bytes, and otherwise has to last as long as the transfer.
 */
CLO_MUST_USE int clo_transfer_start(struct clo_transfer *x, const struct clo_transport *t,
                                    const char *path, const struct clo_post *post);
/* Nobody wants to know any more: it reads to its end, and throws away what comes. */
void clo_transfer_mute(struct clo_transfer *x);
/*
 * What libcurl has ended is marked so, each in its transfer (`done`): a loop that waits for one of them comes upon others.
 */
void clo_transfer_reap(CURLM *multi);
/* The transfer has ended: what it was, in our terms. The reply is filled in every case. */
CLO_MUST_USE int clo_transfer_conclude(struct clo_transfer *x, CURLcode code,
                                       struct clo_reply *reply);
void clo_transfer_clear(struct clo_transfer *x);

#endif
