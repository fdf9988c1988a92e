/* SPDX-License-Identifier: Apache-2.0 */
/* How often services are asked: see pace.h. */
#include "daemon/fetcher/pace.h"

#include <string.h>

enum {
    FIRST_MS = 10 * 1000,
    MOST_MS = 15 * 60 * 1000,
    ABSENT_MS = 60 * 60 * 1000,
    RETRY_AFTER_MAX_S = 60 * 60,
    DOUBLINGS_MAX = 7
};

static uint32_t seconds_until(int64_t until, int64_t now_ms)
{
    return (uint32_t)((until - now_ms + 999) / 1000);
}

/* Up to a quarter is chance, so that machines that failed together don't come back together. */
static int64_t back_off_ms(unsigned failures, uint32_t jitter)
{
    const int64_t most = (int64_t)MOST_MS * 4 / 5;
    const unsigned doublings = failures <= 1 ? 0 : failures - 1;
    int64_t ms = (int64_t)FIRST_MS << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);

    if (ms > most)
        ms = most;
    return ms + (int64_t)jitter % (ms / 4 + 1);
}

static int find(const struct clo_pace *p, const char *name)
{
    for (int i = 0; i < CLO_PACE_WANTS; i++) {
        if (strcmp(p->want[i].name, name) == 0)
            return i;
    }
    return -1;
}

/* Its row, or a free one, or the one of the want that rests the shortest. */
static int row_for(struct clo_pace *p, const char *name)
{
    int i = find(p, name);

    if (i < 0)
        i = find(p, "");
    if (i < 0) {
        i = 0;
        for (int k = 1; k < CLO_PACE_WANTS; k++) {
            if (p->want[k].rest.until < p->want[i].rest.until)
                i = k;
        }
    }
    if (strcmp(p->want[i].name, name) != 0) {
        memset(&p->want[i], 0, sizeof p->want[i]);
        memcpy(p->want[i].name, name, strnlen(name, CLO_WANT_NAME_MAX - 1));
    }
    return i;
}

int clo_pace_check(const struct clo_pace *p, enum clo_service service, const char *name,
                   int64_t now_ms, uint32_t *ret_status, uint32_t *ret_again_s)
{
    const struct clo_pace_rest *rest = &p->service[service].rest;
    const int row = find(p, name);
    int64_t until = 0;
    int err = 0;

    *ret_status = 0;
    if (row >= 0 && p->want[row].rest.until > now_ms) {
        until = p->want[row].rest.until;
        err = p->want[row].rest.error;
        *ret_status = p->want[row].rest.status;
    }
    if (rest->until > now_ms && rest->until > until) {
        until = rest->until;
        err = rest->error;
        *ret_status = rest->status;
    }
    if (err == 0 && p->service[service].next > now_ms) {
        until = p->service[service].next;
        err = CLOISTER_E_BUSY;
    }
    *ret_again_s = err != 0 ? seconds_until(until, now_ms) : 0;
    return err;
}

void clo_pace_begin(struct clo_pace *p, enum clo_service service, uint32_t gap_ms, int64_t now_ms)
{
    p->service[service].next = now_ms + gap_ms;
}

static void set_rest(struct clo_pace_rest *r, int error, uint32_t status, int64_t until)
{
    r->error = error;
    r->status = status;
    r->until = until;
}

/* Requests that ran side by side failed together: that counts once, and never shortens what was said before. */
static void rest_service(struct clo_pace_rest *r, const struct clo_pace_end *end, int error,
                         uint32_t jitter, int64_t now_ms)
{
    const bool told = error == CLOISTER_E_BUSY && end->retry_after_s > 0;
    const uint32_t after_s = end->retry_after_s < RETRY_AFTER_MAX_S ? end->retry_after_s
                                                                    : RETRY_AFTER_MAX_S;
    int64_t until;

    if (!told && r->until > now_ms)
        return;
    if (r->until <= now_ms)
        r->failures++;
    until = now_ms + (told ? (int64_t)after_s * 1000 : back_off_ms(r->failures, jitter));
    if (until > r->until)
        set_rest(r, error, end->status, until);
}

static int error_of(uint32_t status)
{
    return status == 404                    ? CLOISTER_E_NOT_FOUND
           : status == 429 || status == 503 ? CLOISTER_E_BUSY
                                            : CLOISTER_E_NETWORK;
}

int clo_pace_done(struct clo_pace *p, enum clo_service service, const char *name,
                  const struct clo_pace_end *end, uint32_t jitter, int64_t now_ms,
                  uint32_t *ret_again_s)
{
    struct clo_pace_rest *host = &p->service[service].rest;
    const int err = end->useful ? 0 : error_of(end->status);
    uint32_t status = 0;
    int rests;

    if (err == 0) {
        const int i = find(p, name);

        if (i >= 0)
            memset(&p->want[i], 0, sizeof p->want[i]);
    } else if (err != CLOISTER_E_BUSY) {
        struct clo_pace_rest *r = &p->want[row_for(p, name)].rest;

        r->failures++;
        /* Longer than its service does, or it would always come before the others. */
        set_rest(r, err, end->status,
                 now_ms + (err == CLOISTER_E_NOT_FOUND
                               ? ABSENT_MS
                               : back_off_ms(r->failures, jitter) + FIRST_MS));
    }
    if (err == CLOISTER_E_BUSY || end->status == 0 || end->status >= 500)
        rest_service(host, end, err, jitter, now_ms);
    else
        host->failures = 0;
    *ret_again_s = 0;
    if (err == 0)
        return 0;
    rests = clo_pace_check(p, service, name, now_ms, &status, ret_again_s);
    (void)rests; /* it does, for one reason or another */
    return err;
}
