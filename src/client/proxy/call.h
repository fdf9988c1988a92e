/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of an application: its body gathered, sealed when it is whole, sent once, its answer handed over as it comes.
 *
 * A stream (text/event-stream) is passed on piece by piece, and what came can't be taken for whole unless its authenticated end has
 * come: else an error event follows, and [DONE], which is held back until then, doesn't. Any other answer is held until its
 * authenticated end, so that it comes whole or as an error.
 *
 * Only a connection that could not be made, where nothing has left, moves a request to another server, sealed anew.
 * A call that is freed while its request runs cancels it. Under a traffic shape its stream goes on all the same, and so does that of one
 * that is freed because its answer is whole (rest.h).
 *
 * Of the application's header fields nothing is passed on but content-type and accept.
 *
 * Limits: CLO_CALL_BODY_MAX a body and an answer that isn't streamed; all bodies together as the owner says.
 */
#ifndef CLO_PROXY_CALL_H
#define CLO_PROXY_CALL_H

#include "client/proxy/rest.h"

#define CLO_CALL_BODY_MAX ((size_t)32 << 20)

/* What all calls share. */
struct clo_callers {
    struct clo_pool *pool;
    size_t used, max; /* bytes of bodies, which are held once in clear, then once sealed */
    struct clo_rests rests;
    bool cuts; /* --on-hangup close: a stream that its application leaves is closed, which shows */
};

struct clo_call;
struct clo_call_plan {
    const char *method, *path;         /* copied, as all are */
    const char *content_type, *accept; /* NULL for none */
    size_t body_n;                     /* as announced, 0 if it wasn't */
    void (*wake)(void *ctx); /* something has changed; never from within a call of this interface */
    void *ctx;
};
/* CLOISTER_E_LIMIT: more than one body may have; CLOISTER_E_FULL: more than all may have; CLOISTER_E_MEMORY. */
CLO_MUST_USE int clo_call_new(struct clo_callers *shared, const struct clo_call_plan *plan,
                              struct clo_call **ret);
/* The same errors. */
CLO_MUST_USE int clo_call_body(struct clo_call *c, const void *p, size_t n);
/* The body is whole. */
void clo_call_send(struct clo_call *c);

enum clo_call_state {
    CLO_CALL_BUSY,
    CLO_CALL_STREAM, /* take content until it has ended */
    CLO_CALL_WHOLE,  /* the whole content is there */
    CLO_CALL_FAILED, /* nothing of an answer was handed over: `error` */
};
/* The answer's head; valid from STREAM or WHOLE on. */
struct clo_call_head {
    unsigned status;
    const char *type; /* "" for none */
    long retry_after; /* 0 for none */
    bool never_again; /* the engine may have run */
};
enum clo_call_state clo_call_state(const struct clo_call *c);
void clo_call_head(const struct clo_call *c, struct clo_call_head *ret);
const struct clo_proxy_error *clo_call_error(const struct clo_call *c);
/* The verdict under which it was sealed; false before that. hex: evidence digest. */
bool clo_call_vouched(const struct clo_call *c, bool *simulated, char hex[65]);

/* WHOLE: all of it, borrowed. */
const struct clo_buf *clo_call_content(const struct clo_call *c);
/* STREAM: the next piece, or 0 while there is none. */
size_t clo_call_take(struct clo_call *c, void *dst, size_t cap);
/* STREAM: nothing more will come; *whole: the authenticated end came. */
bool clo_call_ended(const struct clo_call *c, bool *whole);

/* NULL is fine. */
void clo_call_free(struct clo_call *c);

#endif
