/* SPDX-License-Identifier: Apache-2.0 */
/* Counting: requests by the second, tokens by the day, connections by the peer. */
#include "daemon/gateway/limits.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/secret.h"

#define DAY 86400

/* ---- requests a minute ---- */

static uint32_t *bucket(struct clo_usage *u, int64_t second)
{
    return &u->asked[(uint64_t)second % CLO_USAGE_SECONDS];
}

static void advance(struct clo_usage *u, int64_t second)
{
    if (second - u->second >= CLO_USAGE_SECONDS)
        u->second = second - CLO_USAGE_SECONDS;
    while (u->second < second)
        *bucket(u, ++u->second) = 0;
}

unsigned clo_usage_ask(struct clo_usage *u, uint32_t limit, int64_t second)
{
    uint64_t sum = 0;
    unsigned wait = 0;

    advance(u, second);
    for (unsigned i = 0; i < CLO_USAGE_SECONDS; i++)
        sum += u->asked[i];
    /* The oldest seconds leave first. */
    while (limit != 0 && sum >= limit && wait < CLO_USAGE_SECONDS) {
        wait++;
        sum -= *bucket(u, u->second + wait);
    }
    if (wait == 0 && *bucket(u, u->second) < UINT32_MAX)
        (*bucket(u, u->second))++;
    return wait;
}

/* ---- tokens a day ---- */

unsigned clo_usage_tokens_left(const struct clo_usage *u, uint64_t limit, int64_t now)
{
    if (limit == 0 || u->day != now / DAY || u->tokens < limit)
        return 0;
    return (unsigned)(DAY - now % DAY);
}

void clo_usage_spend(struct clo_usage *u, uint64_t tokens, int64_t now)
{
    if (u->day != now / DAY)
        u->tokens = 0;
    u->day = now / DAY;
    u->tokens = tokens > UINT64_MAX - u->tokens ? UINT64_MAX : u->tokens + tokens;
}

/* ---- API keys ---- */

bool clo_credential_find(const struct clo_credential *c, uint32_t count,
                         const uint8_t digest[CLO_SHA256_LEN], uint32_t *ret)
{
    uint32_t at = 0;
    bool found = false;

    for (uint32_t i = 0; i < count; i++) {
        const bool same = clo_ct_equal(c[i].terms.digest, digest, CLO_SHA256_LEN) & c[i].accepted;

        at |= i & (0U - (uint32_t)same);
        found |= same;
    }
    /* Whether it is one, the answer tells; which one, what it may and has used. */
    clo_ct_public(&found, sizeof(found));
    clo_ct_public(&at, sizeof(at));
    if (found)
        *ret = at;
    return found;
}

/* ---- peers ---- */

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool clo_address_of(const struct sockaddr *sa, uint8_t address[16])
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (sa->sa_family == AF_INET) {
        memcpy(&in, sa, sizeof(in));
        memcpy(address, mapped, sizeof(mapped));
        memcpy(address + sizeof(mapped), &in.sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        memcpy(&in6, sa, sizeof(in6));
        memcpy(address, &in6.sin6_addr, 16);
    } else {
        return false;
    }
    return true;
}

bool clo_peer_of(const struct sockaddr *sa, uint8_t address[16])
{
    if (!clo_address_of(sa, address))
        return false;
    if (memcmp(address, mapped, sizeof(mapped)) != 0)
        memset(address + 8, 0, 8);
    return true;
}

bool clo_network_has(const struct clo_network *net, const uint8_t address[16])
{
    const unsigned whole = net->prefix / 8, rest = net->prefix % 8;
    const unsigned mask = 0xff00U >> rest & 0xffU;

    return net->prefix <= 128 && memcmp(net->address, address, whole) == 0 &&
           (rest == 0 || ((net->address[whole] ^ address[whole]) & mask) == 0);
}

struct peer {
    uint8_t address[16];
    uint32_t count;
};

struct clo_peers {
    uint32_t max, used;
    struct peer at[]; /* scanned: an accept costs more */
};

int clo_peers_new(uint32_t max, struct clo_peers **ret)
{
    struct clo_peers *p = calloc(1, sizeof(*p) + max * sizeof(p->at[0]));

    if (p == NULL)
        return CLOISTER_E_MEMORY;
    p->max = max;
    *ret = p;
    return 0;
}

void clo_peers_free(struct clo_peers *p)
{
    free(p);
}

static uint32_t find(const struct clo_peers *p, const uint8_t peer[16])
{
    uint32_t i = 0;

    while (i < p->used && memcmp(p->at[i].address, peer, 16) != 0)
        i++;
    return i;
}

uint32_t clo_peers_count(const struct clo_peers *p, const uint8_t peer[16])
{
    const uint32_t i = find(p, peer);

    return i < p->used ? p->at[i].count : 0;
}

bool clo_peers_add(struct clo_peers *p, const uint8_t peer[16])
{
    const uint32_t i = find(p, peer);

    if (i == p->max)
        return false;
    if (i == p->used) {
        p->at[i] = (struct peer){0};
        memcpy(p->at[i].address, peer, 16);
        p->used++;
    }
    p->at[i].count++;
    return true;
}

void clo_peers_drop(struct clo_peers *p, const uint8_t peer[16])
{
    const uint32_t i = find(p, peer);

    if (i < p->used && --p->at[i].count == 0)
        p->at[i] = p->at[--p->used];
}
