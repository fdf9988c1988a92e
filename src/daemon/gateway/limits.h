/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of API keys over time, and of peers' connections. Pure: clocks come in, what is refused comes out together with the seconds
 * after which it is not (Retry-After).
 *
 * Requests a minute: no minute sees more than the limit; seconds are counted whole, so that one may see a little less. Tokens a day: a UTC
 * day's; what an answer will take is unknown before it has come, so a request is refused when the day's are used up, and what runs
 * may go beyond. Both are counted where no limit is set, too: one that a reload brings finds the past.
 */
#ifndef CLO_GATEWAY_LIMITS_H
#define CLO_GATEWAY_LIMITS_H

#include "daemon/messages.h"

/* The second that runs, and the 60 before it. */
#define CLO_USAGE_SECONDS 61

/* What one API key has used. Zero: nothing. */
struct clo_usage {
    int64_t second; /* the newest of: */
    uint32_t asked[CLO_USAGE_SECONDS];
    int64_t day;     /* since 1970 */
    uint64_t tokens; /* of that day */
};
/* One more request: 0, and it is counted, or the seconds until it may come again. limit 0: none. second: of a clock that only grows. */
unsigned clo_usage_ask(struct clo_usage *u, uint32_t limit, int64_t second);
/* May tokens be spent? 0, or the seconds until the next day. limit 0: none. now: Unix s. */
unsigned clo_usage_tokens_left(const struct clo_usage *u, uint64_t limit, int64_t now);
void clo_usage_spend(struct clo_usage *u, uint64_t tokens, int64_t now);

/* ---- API keys ---- */

struct clo_credential {
    struct clo_credential_terms terms;
    struct clo_usage usage;
    bool accepted;
};
/*
 * The place of the accepted key with this digest; false if there is none. Goes through all of them, so that its time doesn't tell which
 * one it is, or that one came close.
 */
CLO_MUST_USE bool clo_credential_find(const struct clo_credential *c, uint32_t count,
                                      const uint8_t digest[CLO_SHA256_LEN], uint32_t *ret);

/* ---- peers ---- */

struct sockaddr;
/*
 * Who a connection is counted for: an IPv4 address, mapped into IPv6 or not, or the /64 network of an IPv6 one, because whoever has
 * one such address has all of them. False for other kinds of address.
 */
bool clo_peer_of(const struct sockaddr *sa, uint8_t address[16]);
/* Is it in the network? For networks within a /64 the peer's own address is needed: of clo_address_of. */
bool clo_network_has(const struct clo_network *net, const uint8_t address[16]);
bool clo_address_of(const struct sockaddr *sa, uint8_t address[16]);

/* Open connections by peer; at most `max` different peers. */
struct clo_peers;
CLO_MUST_USE int clo_peers_new(uint32_t max, struct clo_peers **ret);
void clo_peers_free(struct clo_peers *p);
/* How many it has. */
uint32_t clo_peers_count(const struct clo_peers *p, const uint8_t peer[16]);
/* One more. False when there is no room for another peer, and it isn't counted. */
bool clo_peers_add(struct clo_peers *p, const uint8_t peer[16]);
/* One less. */
void clo_peers_drop(struct clo_peers *p, const uint8_t peer[16]);

#endif
