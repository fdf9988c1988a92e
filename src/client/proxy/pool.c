/* SPDX-License-Identifier: Apache-2.0 */
/* Servers, their verdicts, and the policy: see pool.h. */
#include "client/proxy/pool.h"

#include <cloister/client.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "attest/policy.h"
#include "client/commands.h"
#include "client/say.h"
#include "codec/json.h"
#include "platform/file.h"
#include "platform/process.h"

enum {
    READY_WANTED = 2,
    BLOBS_MAX = 6,
    MARGIN_S = 5, /* evidence is renewed this long before its end, or a tenth of its life */
    BACKOFF_MAX_MS = 30000,
    ENDING_TRIES = 8, /* for the next keys, while the old ones end */
    ENDING_MS = 250,
    AT_ONCE_US = 1000000, /* a request that finds nothing asks again at most this often */
    WAIT_US = 15000000,   /* ... and doesn't wait for attempts that began later than this */
};

/* One attempt to get evidence. */
struct fetch {
    struct clo_flight *flight;
    struct clo_buf body;
    struct clo_case *c; /* NULL: the document hasn't come */
    struct cloister_nonce nonce;
    size_t blobs;
};

struct clo_tie {
    struct cloister_channel *chan;
    size_t holders;
};

struct clo_server {
    struct clo_pool *pool;
    size_t index;
    struct clo_transport *t;
    /* in use */
    struct clo_tie *tie; /* NULL: no verdict that counts */
    struct cloister_verdict *verdict;
    int64_t awake_since; /* boot clock minus wall clock when the verdict was made */
    int64_t life, ends;  /* seconds from the first verdict that ends then to its end */
    /* being renewed */
    struct fetch fetch;
    bool fetching;
    int unstarted; /* why an attempt could not even begin, until the loop runs */
    struct event *timer;
    int64_t last_us;            /* when the last attempt began, or failed */
    unsigned failures, endings; /* in a row; endings: see ends_now */
    /* the last attempt that failed */
    struct clo_fault fault;
    struct cloister_verdict *refused;
    bool tried, changed;
    bool hopeful; /* the next attempt is likely to succeed */
};

struct clo_pool {
    struct clo_pool_setup setup;
    struct cloister_policy *policy;
    struct clo_buf text; /* the policy's own */
    struct stat seen;    /* the policy file when it was read */
    struct clo_server *server[CLO_POOL_SERVERS_MAX];
    size_t servers;
    bool pinned, settled;
    uint8_t manifest[32], measurement[48];
    TAILQ_HEAD(waiters, clo_pool_waiter) waiters;
    struct event *tell;
};

static void start(struct clo_server *s);

/* ---- clocks ---- */

static int64_t boot_s(void)
{
    struct timespec t = {0};

    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec;
}

int64_t clo_server_now(const struct clo_server *s)
{
    const int64_t wall = clo_clock_now(), boot = boot_s() + s->awake_since;

    return wall > boot ? wall : boot;
}

/* ---- the state of a server ---- */

void clo_tie_free(struct clo_tie *t)
{
    if (t == NULL || --t->holders > 0)
        return;
    cloister_channel_free(t->chan);
    free(t);
}

struct cloister_channel *clo_tie_channel(const struct clo_tie *t)
{
    return t->chan;
}

static void drop_channel(struct clo_server *s)
{
    clo_tie_free(s->tie);
    s->tie = NULL;
}

struct cloister_channel *clo_server_channel(struct clo_server *s)
{
    if (s->tie != NULL && clo_server_now(s) >= cloister_channel_valid_until(s->tie->chan))
        drop_channel(s);
    return s->tie != NULL ? s->tie->chan : NULL;
}

struct clo_tie *clo_server_tie(struct clo_server *s)
{
    if (clo_server_channel(s) == NULL)
        return NULL;
    s->tie->holders++;
    return s->tie;
}

const struct cloister_verdict *clo_server_verdict(const struct clo_server *s)
{
    return s->verdict;
}

const struct clo_transport *clo_server_transport(const struct clo_server *s)
{
    return s->t;
}

uint32_t clo_server_bit(const struct clo_server *s)
{
    return UINT32_C(1) << s->index;
}

/* ---- waiters ---- */

static void tell_all(struct clo_pool *p)
{
    if (!TAILQ_EMPTY(&p->waiters))
        event_active(p->tell, EV_TIMEOUT, 0);
}

/* Each is told once; one that still has to wait joins anew, behind the end of this round. */
static void on_tell(evutil_socket_t fd, short what, void *arg)
{
    struct clo_pool *p = arg;
    struct clo_pool_waiter *w, *last = TAILQ_LAST(&p->waiters, waiters);

    (void)fd;
    (void)what;
    while (last != NULL && (w = TAILQ_FIRST(&p->waiters)) != NULL) {
        const bool ends = w == last;

        clo_pool_leave(p, w);
        w->told(w->ctx);
        if (ends)
            break;
    }
}

void clo_pool_leave(struct clo_pool *p, struct clo_pool_waiter *w)
{
    if (w->waits)
        TAILQ_REMOVE(&p->waiters, w, link);
    w->waits = false;
}

/* ---- the policy ---- */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Another policy: what was verified under the old one doesn't count, and what it reveals may be another machine. */
static void take_policy(struct clo_pool *p, struct cloister_policy *policy, struct clo_buf *text)
{
    uint8_t old[32] = {0}, new[32] = {0};

    cloister_policy_digest(p->policy, old);
    cloister_policy_digest(policy, new);
    if (memcmp(old, new, sizeof(old)) == 0) {
        cloister_policy_free(policy);
        return;
    }
    cloister_policy_free(p->policy);
    clo_buf_clear(&p->text);
    p->policy = policy;
    p->text = *text;
    *text = clo_buf_init(CLO_POLICY_MAX);
    p->pinned = false;
    clo_say_note("the policy has changed: every server is verified anew");
    for (size_t i = 0; i < p->servers; i++) {
        struct clo_server *s = p->server[i];
        const bool used = s->tie != NULL || s->fetching || s->tried;

        drop_channel(s);
        s->failures = s->endings = 0;
        if (used)
            start(s);
    }
}

void clo_pool_reload(struct clo_pool *p)
{
    struct clo_buf text = clo_buf_init(CLO_POLICY_MAX);
    struct cloister_policy *policy = NULL;
    struct stat st = {0};
    int code = 0;

    /* First its look, then its content: a file that changes in between is read again the next time. */
    if (stat(p->setup.policy, &st) != 0)
        st = (struct stat){0};
    if (same_file(&st, &p->seen))
        return;
    p->seen = st;
    if (clo_common_policy_text(p->setup.policy, &text, &policy, &code) == 0)
        take_policy(p, policy, &text);
    else
        clo_say_note("the policy that was read before stays in force");
    clo_buf_clear(&text);
}

/* ---- getting evidence ---- */

static void fetch_end(struct clo_server *s)
{
    clo_flight_abort(s->fetch.flight);
    clo_case_free(s->fetch.c);
    clo_buf_clear(&s->fetch.body);
    s->fetch = (struct fetch){.body = clo_buf_init(CLOISTER_EVIDENCE_MAX)};
    s->fetching = false;
}

static void wake_in(struct clo_server *s, int64_t ms)
{
    const struct timeval tv = {.tv_sec = (time_t)(ms / 1000),
                               .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

    if (evtimer_add(s->timer, &tv) != 0)
        clo_say_problem("no timer could be set: evidence is renewed when a request asks for it");
}

/*
 * Ahead of the end by a tenth of the life, but by MARGIN_S at least; then whenever a quarter of what is left has passed, because evidence
 * that comes before the server has made its next keys ends no later than what we have.
 */
static void plan_renewal(struct clo_server *s)
{
    const int64_t left = cloister_channel_valid_until(s->tie->chan) - clo_server_now(s);
    const int64_t margin = s->life / 10 > MARGIN_S ? s->life / 10 : MARGIN_S;

    wake_in(s, 1000 * (left > margin ? left - margin : left > 4 ? left / 4 : 1));
}

/* Enough verified servers, in the order of the list. */
static void keep_ready(struct clo_pool *p)
{
    size_t good = 0;

    for (size_t i = 0; i < p->servers && good < READY_WANTED; i++) {
        struct clo_server *s = p->server[i];

        if (clo_server_channel(s) == NULL && !s->fetching && !s->tried && !s->hopeful)
            start(s);
        if (s->tie != NULL || s->fetching || s->hopeful)
            good++;
    }
}

static void settle(struct clo_pool *p)
{
    const struct clo_server *verified = NULL;

    if (p->settled)
        return;
    for (size_t i = 0; i < p->servers && verified == NULL; i++) {
        if (p->server[i]->tie != NULL)
            verified = p->server[i];
    }
    for (size_t i = 0; i < p->servers && verified == NULL; i++) {
        if (!p->server[i]->tried)
            return;
    }
    p->settled = true;
    p->setup.settled(p->setup.ctx, verified);
}

/*
 * Keys that end this very moment: the next ones come with the next attempt, which is worth waiting for. If they don't come, it is a
 * refusal like others.
 */
static bool ends_now(const struct clo_server *s, const struct clo_fault *f,
                     const struct cloister_verdict *v)
{
    const struct cloister_check *why = v != NULL ? clo_verdict_culprit(v) : NULL;

    return s->endings < ENDING_TRIES &&
           (f->err == CLOISTER_E_STALE || (why != NULL && why->id == CLOISTER_CHECK_EPOCH_TIME));
}

static void attempt_failed(struct clo_server *s, const struct clo_fault *f,
                           struct cloister_verdict *v, bool changed)
{
    const bool again = ends_now(s, f, v);
    int64_t pause = 1000;

    fetch_end(s);
    s->fault = *f;
    free(s->refused);
    s->refused = v;
    s->changed = changed;
    s->last_us = clo_clock_mono_us();
    s->hopeful = again;
    if (again) {
        s->endings++;
        wake_in(s, ENDING_MS);
        return;
    }
    for (unsigned i = 0; i < s->failures && pause < BACKOFF_MAX_MS; i++)
        pause *= 2;
    s->failures++;
    wake_in(s, pause < BACKOFF_MAX_MS ? pause : BACKOFF_MAX_MS);
    s->tried = true;
    keep_ready(s->pool);
    settle(s->pool);
    tell_all(s->pool);
}

/*
 * Is it what was accepted? Where the policy pins manifests, everything that it lists was. Else what this launch began with stands for that:
 * the first to be verified says what it is.
 */
static bool is_accepted(struct clo_pool *p, const struct cloister_verdict *v)
{
    if (p->policy->manifests.given)
        return true;
    if (!p->pinned) {
        memcpy(p->manifest, v->manifest_digest, sizeof(p->manifest));
        memcpy(p->measurement, v->measurement, sizeof(p->measurement));
        p->pinned = true;
    }
    return memcmp(p->manifest, v->manifest_digest, sizeof(p->manifest)) == 0 &&
           memcmp(p->measurement, v->measurement, sizeof(p->measurement)) == 0;
}

static void judge(struct clo_server *s)
{
    const struct clo_pool *p = s->pool;
    struct clo_fault fault = {.step = CLO_STEP_VERDICT};
    struct cloister_verdict *v = calloc(1, sizeof(*v));
    struct clo_tie *tie = calloc(1, sizeof(*tie));
    const int64_t now = clo_clock_now(), awake_since = now - boot_s();
    bool changed = false;

    fault.err = v == NULL || tie == NULL
                    ? CLOISTER_E_MEMORY
                    : clo_case_verify(s->fetch.c, &s->fetch.nonce, &p->text, now, v);
    if (fault.err == 0)
        fault.err = cloister_channel_open(v, now, &tie->chan);
    if (fault.err == 0 && !is_accepted(s->pool, v)) {
        changed = true;
        cloister_channel_free(tie->chan);
        fault.err = CLOISTER_E_REFUSED;
    }
    if (fault.err != 0) {
        free(tie);
        attempt_failed(s, &fault, v, changed);
        return;
    }
    tie->holders = 1;
    fetch_end(s);
    drop_channel(s);
    free(s->verdict);
    free(s->refused);
    s->refused = NULL;
    s->tie = tie;
    s->verdict = v;
    s->awake_since = awake_since;
    if (v->valid_until != s->ends)
        s->life = v->valid_until - now;
    s->ends = v->valid_until;
    s->failures = s->endings = 0;
    s->changed = false;
    s->tried = true;
    plan_renewal(s);
    keep_ready(s->pool);
    settle(s->pool);
    tell_all(s->pool);
}

static int on_piece(void *ctx, const void *p, size_t n)
{
    struct clo_server *s = ctx;

    return clo_buf_append(&s->fetch.body, p, n);
}

static void on_fetched(void *ctx, int err, const struct clo_reply *reply);

static int fetch_path(struct clo_server *s, const char *path, const char *accept)
{
    const struct clo_flight_plan plan = {
        .to = s->t,
        .path = path,
        .accept = accept,
        .sink = on_piece,
        .done = on_fetched,
        .ctx = s,
    };

    clo_buf_clear(&s->fetch.body);
    return clo_flight_start(s->pool->setup.wire, &plan, &s->fetch.flight);
}

/* A server may leave sections out that it serves by digest. */
static int fetch_blob(struct clo_server *s, const char *path)
{
    return s->fetch.blobs++ == BLOBS_MAX ? CLOISTER_E_PROTOCOL : fetch_path(s, path, NULL);
}

static void on_fetched(void *ctx, int err, const struct clo_reply *reply)
{
    struct clo_server *s = ctx;
    struct fetch *f = &s->fetch;
    struct clo_fault fault = {.step = CLO_STEP_EVIDENCE, .reply = *reply};
    char wants[CLO_CASE_PATH_MAX] = "";

    f->flight = NULL;
    if (err == 0 && f->c == NULL) {
        fault.step = CLO_STEP_VERDICT;
        err = clo_case_open(f->body.p, f->body.len, &f->c, wants);
    } else if (err == 0) {
        err = clo_case_add(f->c, f->body.p, f->body.len, wants);
    }
    if (err == 0 && wants[0] != '\0') {
        fault.step = CLO_STEP_EVIDENCE;
        if ((err = fetch_blob(s, wants)) == 0)
            return;
    }
    fault.err = err;
    if (err != 0)
        attempt_failed(s, &fault, NULL, false);
    else
        judge(s);
}

/* Draw a nonce and ask for evidence, whatever was under way. */
static void start(struct clo_server *s)
{
    char path[CLOISTER_EVIDENCE_PATH_MAX] = {0};
    int err;

    fetch_end(s);
    (void)evtimer_del(s->timer);
    s->last_us = clo_clock_mono_us();
    s->fetching = true;
    s->hopeful = false;
    err = cloister_evidence_request(clo_clock_now(), true, &s->fetch.nonce, path);
    if (err == 0)
        err = fetch_path(s, path, "application/json");
    s->unstarted = err;
    if (err != 0)
        event_active(s->timer, EV_TIMEOUT, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct clo_server *s = arg;
    const struct clo_fault fault = {.step = CLO_STEP_EVIDENCE, .err = s->unstarted};

    (void)fd;
    (void)what;
    s->unstarted = 0;
    if (fault.err != 0) {
        attempt_failed(s, &fault, NULL, false);
        return;
    }
    clo_pool_reload(s->pool);
    if (!s->fetching)
        start(s);
}

void clo_server_failed(struct clo_server *s)
{
    drop_channel(s);
    start(s);
}

void clo_server_renew(struct clo_server *s)
{
    if (!s->fetching)
        start(s);
}

/* ---- choosing ---- */

/* The fault to tell: of a server that was judged and refused rather than of one that can't be reached. */
static const struct clo_server *worst(const struct clo_pool *p, uint32_t tried)
{
    const struct clo_server *found = NULL;

    for (size_t i = 0; i < p->servers; i++) {
        const struct clo_server *s = p->server[i];

        if (!s->tried || (tried & clo_server_bit(s)) != 0 || s->fault.err == 0)
            continue;
        if (found == NULL ||
            (found->fault.step != CLO_STEP_VERDICT && s->fault.step == CLO_STEP_VERDICT))
            found = s;
    }
    return found;
}

/* Is any on its way? ask: others are asked once more, because a request wants to know; unless that has failed a moment ago. */
static bool expects(struct clo_pool *p, uint32_t tried, bool ask)
{
    bool yes = false;

    for (size_t i = 0; i < p->servers; i++) {
        struct clo_server *s = p->server[i];

        if ((tried & clo_server_bit(s)) != 0)
            continue;
        if (ask && !s->fetching && !s->hopeful &&
            (s->failures == 0 || clo_clock_mono_us() - s->last_us >= AT_ONCE_US))
            start(s);
        yes = yes || s->fetching || s->hopeful;
    }
    return yes;
}

static struct clo_server *find_ready(struct clo_pool *p, uint32_t tried)
{
    for (size_t i = 0; i < p->servers; i++) {
        if ((tried & clo_server_bit(p->server[i])) == 0 && clo_server_channel(p->server[i]) != NULL)
            return p->server[i];
    }
    return NULL;
}

int clo_pool_choose(struct clo_pool *p, uint32_t tried, struct clo_pool_waiter *w,
                    struct clo_server **ret, struct clo_proxy_error *why)
{
    struct clo_server *s = find_ready(p, tried);
    const struct clo_server *fault;

    if (s == NULL) {
        clo_pool_reload(p);
        if (expects(p, tried, w->since_us == 0) &&
            (w->since_us == 0 || clo_clock_mono_us() - w->since_us < WAIT_US)) {
            if (w->since_us == 0)
                w->since_us = clo_clock_mono_us();
            if (!w->waits)
                TAILQ_INSERT_TAIL(&p->waiters, w, link);
            w->waits = true;
            return CLOISTER_E_STATE;
        }
        if ((fault = worst(p, tried)) != NULL)
            clo_proxy_error_server(&fault->fault, fault->refused, fault->changed,
                                   clo_transport_url(fault->t), why);
        return CLOISTER_E_NETWORK;
    }
    *ret = s;
    return 0;
}

/* ---- */

static int add_server(struct clo_pool *p, const char *url)
{
    struct clo_server *s = calloc(1, sizeof(*s));
    int err = CLOISTER_E_MEMORY;

    if (s == NULL)
        return err;
    s->pool = p;
    s->index = p->servers;
    s->fetch.body = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    s->timer = evtimer_new(p->setup.base, on_timer, s);
    if (s->timer == NULL || (err = clo_transport_new(url, &s->t)) != 0) {
        if (err == CLOISTER_E_ARGUMENT)
            clo_say_problem(
                "\"%s\" is not an address like https://host:port/path (without user, query or "
                "fragment)",
                url);
        if (s->timer != NULL)
            event_free(s->timer);
        free(s);
        return err;
    }
    p->server[p->servers++] = s;
    return 0;
}

static int add_servers(struct clo_pool *p)
{
    const struct clo_pool_setup *setup = &p->setup;
    const char *url;
    int err = 0;

    for (size_t i = 0; i < setup->urls && err == 0; i++)
        err = add_server(p, setup->url[i]);
    for (size_t i = 0; setup->urls == 0 && err == 0 && i < CLO_POOL_SERVERS_MAX; i++) {
        if ((url = cloister_policy_replica(p->policy, i)) == NULL)
            break;
        err = add_server(p, url);
    }
    if (err == 0 && p->servers == 0)
        err = add_server(p, CLO_DEFAULT_SERVER);
    return err;
}

int clo_pool_new(const struct clo_pool_setup *setup, struct clo_pool **ret, int *code)
{
    struct clo_pool *p = calloc(1, sizeof(*p));
    int err = CLOISTER_E_MEMORY;

    *code = CLO_EXIT_ERROR;
    if (p == NULL)
        return err;
    TAILQ_INIT(&p->waiters);
    p->setup = *setup;
    p->text = clo_buf_init(CLO_POLICY_MAX);
    p->tell = event_new(setup->base, -1, 0, on_tell, p);
    if (setup->policy != NULL)
        (void)!stat(setup->policy, &p->seen);
    if (p->tell == NULL ||
        (err = clo_common_policy_text(setup->policy, &p->text, &p->policy, code)) != 0 ||
        (err = add_servers(p)) != 0) {
        clo_pool_free(p);
        return err;
    }
    *ret = p;
    keep_ready(p);
    return 0;
}

void clo_pool_free(struct clo_pool *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->servers; i++) {
        struct clo_server *s = p->server[i];

        fetch_end(s);
        drop_channel(s);
        event_free(s->timer);
        clo_transport_free(s->t);
        free(s->verdict);
        free(s->refused);
        free(s);
    }
    if (p->tell != NULL)
        event_free(p->tell);
    cloister_policy_free(p->policy);
    clo_buf_clear(&p->text);
    free(p);
}

/* ---- for people and programs ---- */

/* Of the server that requests go to now, else of one that says why there is none. */
static const struct clo_server *spokesman(struct clo_pool *p)
{
    const struct clo_server *s = find_ready(p, 0);

    return s != NULL ? s : (s = worst(p, 0)) != NULL ? s : p->server[0];
}

static json_t *error_member(const struct clo_server *s)
{
    struct clo_proxy_error e = {0};
    struct clo_buf text = clo_buf_init(16384);
    json_t *doc = NULL;

    clo_proxy_error_server(&s->fault, s->refused, s->changed, clo_transport_url(s->t), &e);
    if (clo_proxy_error_json(&e, &text) == 0 &&
        clo_json_parse(text.p, text.len, text.len, &doc) != 0)
        doc = NULL;
    clo_buf_clear(&text);
    return doc;
}

int clo_pool_verdict_json(struct clo_pool *p, struct clo_buf *out)
{
    const struct clo_server *s = spokesman(p);
    const struct cloister_verdict *v = s->tie != NULL       ? s->verdict
                                       : s->refused != NULL ? s->refused
                                                            : s->verdict;
    json_t *doc = NULL, *verdict = NULL, *error = NULL;
    char *text = NULL;
    size_t ready = 0;
    int err = CLOISTER_E_MEMORY;

    for (size_t i = 0; i < p->servers; i++)
        ready += clo_server_channel(p->server[i]) != NULL;
    if (v != NULL && ((err = cloister_verdict_json(v, &text)) != 0 ||
                      (err = clo_json_parse(text, strlen(text), 1 << 20, &verdict)) != 0))
        goto out;
    doc = json_pack("{s:i, s:s, s:b, s:i, s:i, s:O?}", "v", 1, "server", clo_transport_url(s->t),
                    "ready", (int)(s->tie != NULL), "servers", (int)p->servers, "servers_ready",
                    (int)ready, "verdict", verdict);
    err = CLOISTER_E_MEMORY;
    if (doc == NULL)
        goto out;
    if (s->tie == NULL && s->fault.err != 0 && (error = error_member(s)) != NULL &&
        json_object_update(doc, error) != 0)
        goto out;
    err = clo_json_write(doc, out);
out:
    json_decref(doc);
    json_decref(verdict);
    json_decref(error);
    free(text);
    return err;
}

int clo_pool_say_fault(const struct clo_pool *p)
{
    const struct clo_server *s = worst(p, 0);

    if (s == NULL)
        return CLO_EXIT_ERROR;
    clo_say_fault(&s->fault, s->refused, clo_transport_url(s->t));
    return clo_fault_exit(&s->fault, s->refused);
}
