/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outer HTTP of the client, over libcurl: GET of evidence and blobs, POST of sealed requests. It sees ciphertext and public
 * bytes only, and nothing rests on the TLS it may use.
 *
 * A POST goes out at most once: each has a connection of its own, because libcurl sends a request again by itself when a
 * reused connection turns out to be dead, and there are no redirects and no authentication, which would repeat it as well.
 *
 * A POST may be let go: its caller has what it wanted, or gives up, while the answer is read to its end, because the moment at which a
 * connection closes shows how long the answer was. That happens while other transfers run, in clo_transport_drain, and after the program's
 * end in a process of its own (drain.h).
 *
 * Limits: 10 s to connect, 30 s for a GET, 300 s without a byte during a POST.
 */
#ifndef CLO_CLIENT_TRANSPORT_H
#define CLO_CLIENT_TRANSPORT_H

#include "base/rw.h"

enum clo_net {
    CLO_NET_OK,
    CLO_NET_RESOLVE, /* the name has no address */
    CLO_NET_CONNECT, /* nobody listens, or no way there */
    CLO_NET_TLS,
    CLO_NET_TIMEOUT,
    CLO_NET_BROKEN, /* the connection ended before the reply did */
    CLO_NET_STATUS, /* another status than 200: `status` */
    CLO_NET_TYPE,   /* another media type than the one asked for */
    CLO_NET_LIMIT,  /* longer than allowed */
};

/* What became of one exchange with the outer server: for messages, never for trust (a relay can forge all of it). */
struct clo_reply {
    enum clo_net net;
    long status;       /* 0: none came */
    long retry_after;  /* seconds, 0: none given */
    bool sent;         /* a byte of the request may have left */
    bool keys_changed; /* RFC 9458's ohttp-key problem */
    bool let_go;       /* it goes on without its caller */
};

struct clo_transport;
/*
 * url: http or https, a host, perhaps a port and a path; no user, query or fragment (CLOISTER_E_ARGUMENT). The paths of requests
 * are appended to it.
 */
CLO_MUST_USE int clo_transport_new(const char *url, struct clo_transport **ret);
/* Closes what is still there. NULL is fine. */
void clo_transport_free(struct clo_transport *t);
const char *clo_transport_url(const struct clo_transport *t);
/* Is the server on this machine itself? */
bool clo_transport_is_loopback(const struct clo_transport *t);
/* While this descriptor is readable, transfers end with CLOISTER_E_CANCELLED; -1 for none. */
void clo_transport_stop_fd(struct clo_transport *t, int fd);

/*
 * Append a 200 body of this media type (NULL: any) and at most out->max bytes to out. CLOISTER_E_NETWORK, E_PROTOCOL (status, media type), E_LIMIT or E_CANCELLED;
 * reply is filled in every case.
 */
CLO_MUST_USE int clo_transport_get(struct clo_transport *t, const char *path, const char *accept,
                                   struct clo_buf *out, struct clo_reply *reply);

struct clo_post {
    const char *path;
    const char *type;   /* of the body */
    const char *accept; /* the only media type taken for an answer */
    const void *body;
    size_t body_n;
    struct clo_buf *
        own; /* instead of body: taken, whatever becomes of it, and kept as long as it is needed; or NULL */
    /* bytes of a 200 answer of that type; a non-zero return ends the transfer with it */
    int (*sink)(void *ctx, const void *p, size_t n);
    /* called once when the stop descriptor became readable, before the connection is closed; may be NULL */
    void (*stopping)(void *ctx);
    /*
     * A transfer that is let go rather than closed has `drained`: called once when it has ended, with what came of it, from within a later
     * call of these functions; sink is called until then, and its answers end the transfer as before. It is let go when `enough` says so, which
     * is asked after each piece; when the stop descriptor is readable or the time is over, if a byte has left. NULL: closed then
     */
    bool (*enough)(void *ctx);
    void (*drained)(void *ctx, int err);
    void *ctx;
    long limit_s; /* for all of it; 0: only the stall limit */
    long stall_s; /* without a byte; 0: 300 */
    /* how long to wait for it, in seconds, without heeding the stop descriptor; 0: until its end, or that */
    long wait_s;
};
/*
 * As _get; CLOISTER_E_KEYS_CHANGED when the server says that it has no such key. With reply->let_go set the result is 0 because there was enough,
 * CLOISTER_E_CANCELLED or, when the time was over, CLOISTER_E_NETWORK.
 */
CLO_MUST_USE int clo_transport_post(struct clo_transport *t, const struct clo_post *post,
                                    struct clo_reply *reply);

/* ---- what was let go ---- */

/* Read what has come. */
void clo_transport_drain(struct clo_transport *t);
/* So many still flow. */
size_t clo_transport_drains(const struct clo_transport *t);
/* They are left to a process of their own, or (cut) closed: each is told to have ended now, with CLOISTER_E_CANCELLED. */
void clo_transport_leave(struct clo_transport *t, bool cut);

#endif
