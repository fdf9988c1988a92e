/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl inside libevent: see wire.h. */
#include "client/proxy/wire.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "client/drain.h"
#include "client/transfer.h"

struct clo_flight {
    LIST_ENTRY(clo_flight) link;
    struct clo_wire *w;
    struct clo_transfer x;
    void (*done)(void *ctx, int err, const struct clo_reply *reply);
    bool resume;
    bool handed_over;
    bool starved; /* no memory to wait for its socket */
};

/* A socket that the loop looks at. */
struct watch {
    LIST_ENTRY(watch) link;
    struct event *event;
};

struct clo_wire {
    struct event_base *base;
    CURLM *multi;
    struct event *timer;
    struct event *
        again; /* paused flights go on from the loop, because libcurl may call their sinks at once */
    LIST_HEAD(, clo_flight) flights;
    LIST_HEAD(, watch) watches;
};

/* ---- the end of flights ---- */

static void flight_free(struct clo_flight *f)
{
    LIST_REMOVE(f, link);
    (void)curl_multi_remove_handle(f->w->multi, f->x.easy);
    clo_transfer_clear(&f->x);
    free(f);
}

/* why: 0, or what ended it from our side. */
static void finish(struct clo_flight *f, CURLcode code, int why)
{
    void (*done)(void *, int, const struct clo_reply *) = f->done;
    struct clo_reply reply = {0};
    void *ctx = f->x.ctx;
    const int err = clo_transfer_conclude(&f->x, code, &reply);

    flight_free(f);
    done(ctx, why != 0 ? why : err, &reply);
}

/* Whatever has ended is told after libcurl has returned, so that who is told may start and abort others. */
static void reap(struct clo_wire *w)
{
    CURLMsg *msg;
    int left = 0;

    while ((msg = curl_multi_info_read(w->multi, &left)) != NULL) {
        struct clo_flight *f = NULL;

        if (msg->msg == CURLMSG_DONE &&
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&f) == CURLE_OK)
            finish(f, msg->data.result, 0);
    }
}

static void act(struct clo_wire *w, curl_socket_t fd, int what)
{
    int running = 0;

    (void)curl_multi_socket_action(w->multi, fd, what, &running);
    reap(w);
}

/* ---- what libcurl asks of the loop ---- */

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    act(arg, fd,
        ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
            ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static struct clo_flight *find_starved(const struct clo_wire *w)
{
    struct clo_flight *f;

    LIST_FOREACH(f, &w->flights, link) {
        /* Flights leave the list before they are freed. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        if (f->starved)
            return f;
    }
    return NULL;
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    struct clo_wire *w = arg;
    struct clo_flight *f;

    (void)fd;
    (void)what;
    LIST_FOREACH(f, &w->flights, link) {
        if (f->resume) {
            f->resume = false;
            (void)curl_easy_pause(f->x.easy, CURLPAUSE_CONT);
        }
    }
    act(w, CURL_SOCKET_TIMEOUT, 0);
    while ((f = find_starved(w)) != NULL)
        finish(f, CURLE_OUT_OF_MEMORY, CLOISTER_E_MEMORY);
}

static void watch_end(struct watch *a)
{
    if (a == NULL)
        return;
    LIST_REMOVE(a, link);
    event_free(a->event);
    free(a);
}

/* NULL where there is no memory for it. */
static struct watch *watch_begin(struct clo_wire *w, curl_socket_t fd, short wants)
{
    struct watch *a = calloc(1, sizeof(*a));

    if (a == NULL)
        return NULL;
    a->event = event_new(w->base, fd, wants, on_ready, w);
    if (a->event == NULL || event_add(a->event, NULL) != 0) {
        if (a->event != NULL)
            event_free(a->event);
        free(a);
        return NULL;
    }
    LIST_INSERT_HEAD(&w->watches, a, link);
    return a;
}

/*
 * One event a socket, assigned to it in libcurl's own table. libcurl doesn't go on after a callback that failed, with none of its transfers:
 * where there is no memory for an event only this flight ends.
 */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
    struct clo_wire *w = arg;
    struct watch *a = assigned;
    struct clo_flight *f = NULL;
    const short wants = (short)(EV_PERSIST | ((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
                                ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0));

    watch_end(a);
    a = NULL;
    if (what != CURL_POLL_REMOVE && (wants & (EV_READ | EV_WRITE)) != 0 &&
        (a = watch_begin(w, fd, wants)) == NULL) {
        if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&f) == CURLE_OK && f != NULL)
            f->starved = true;
        event_active(w->again, EV_TIMEOUT, 0);
    }
    (void)curl_multi_assign(w->multi, fd, a);
    return 0;
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
    struct clo_wire *w = arg;
    const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    (void)multi;
    if (ms < 0)
        (void)event_del(w->timer);
    else if (event_add(w->timer, &tv) != 0)
        event_active(w->again, EV_TIMEOUT, 0); /* no memory: early rather than never */
    return 0;
}

/* ---- */

int clo_wire_new(struct event_base *base, struct clo_wire **ret)
{
    struct clo_wire *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return CLOISTER_E_MEMORY;
    LIST_INIT(&w->flights);
    w->base = base;
    w->multi = curl_multi_init();
    w->timer = evtimer_new(base, on_timer, w);
    w->again = event_new(base, -1, 0, on_again, w);
    if (w->multi == NULL || w->timer == NULL || w->again == NULL ||
        curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
        curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w) != CURLM_OK ||
        curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, on_timeout) != CURLM_OK ||
        curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, w) != CURLM_OK) {
        clo_wire_free(w);
        return CLOISTER_E_MEMORY;
    }
    *ret = w;
    return 0;
}

void clo_wire_free(struct clo_wire *w)
{
    struct clo_flight *f;

    if (w == NULL)
        return;
    while ((f = LIST_FIRST(&w->flights)) != NULL)
        /* each leaves the list before it is freed. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        finish(f, CURLE_ABORTED_BY_CALLBACK, CLOISTER_E_CANCELLED);
    curl_multi_cleanup(w->multi);
    if (w->timer != NULL)
        event_free(w->timer);
    if (w->again != NULL)
        event_free(w->again);
    free(w);
}

/* Told like any other end, but it goes on, in another process: its memory is that one's. */
static void release(struct clo_flight *f)
{
    struct clo_reply reply = {.let_go = true, .sent = true};
    void *ctx = f->x.ctx;

    LIST_REMOVE(f, link);
    clo_transfer_mute(&f->x);
    if (f->resume) /* from the loop, which is over */
        (void)curl_easy_pause(f->x.easy, CURLPAUSE_CONT);
    f->done(ctx, CLOISTER_E_CANCELLED, &reply);
}

void clo_wire_leave(struct clo_wire *w)
{
    struct clo_flight *f, *next;
    bool any = false;

    if (w == NULL)
        return;
    for (f = LIST_FIRST(&w->flights); f != NULL; f = next) {
        next = LIST_NEXT(f, link);
        any = any || f->handed_over;
        if (!f->handed_over)
            finish(f, CURLE_ABORTED_BY_CALLBACK, CLOISTER_E_CANCELLED);
    }
    if (!any) {
        clo_wire_free(w);
        return;
    }
    /* There is no loop any more that libcurl could ask: it looks after its sockets by itself from here on. */
    (void)curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, NULL);
    (void)curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, NULL);
    while ((f = LIST_FIRST(&w->flights)) != NULL)
        /* each leaves the list before it is freed. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        release(f);
    while (!LIST_EMPTY(&w->watches))
        watch_end(LIST_FIRST(&w->watches));
    clo_drain_take(w->multi);
    event_free(w->timer);
    event_free(w->again);
    free(w);
}

int clo_flight_start(struct clo_wire *w, const struct clo_flight_plan *plan,
                     struct clo_flight **ret)
{
    struct clo_flight *f = calloc(1, sizeof(*f));
    int err = CLOISTER_E_MEMORY;

    if (plan->post != NULL && plan->post->own != NULL) {
        if (f != NULL)
            f->x.body = *plan->post->own;
        else
            clo_buf_clear(plan->post->own);
        *plan->post->own = clo_buf_init(0);
    }
    if (f == NULL)
        return err;
    f->w = w;
    f->done = plan->done;
    f->x.accept = plan->accept;
    f->x.sink = plan->sink;
    f->x.sent = plan->sent;
    f->x.ctx = plan->ctx;
    if ((err = clo_transfer_start(&f->x, plan->to, plan->path, plan->post)) != 0)
        goto out;
    /* libcurl only asks for its timer here; nothing is called back before the loop runs. */
    if (curl_easy_setopt(f->x.easy, CURLOPT_PRIVATE, f) != CURLE_OK ||
        curl_multi_add_handle(w->multi, f->x.easy) != CURLM_OK) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    LIST_INSERT_HEAD(&w->flights, f, link);
    *ret = f;
    f = NULL;
out:
    if (f != NULL)
        clo_transfer_clear(&f->x);
    free(f);
    return err;
}

void clo_flight_resume(struct clo_flight *f)
{
    f->resume = true;
    event_active(f->w->again, EV_TIMEOUT, 0);
}

void clo_flight_hand_over(struct clo_flight *f, bool answered,
                          int (*sink)(void *ctx, const void *p, size_t n),
                          void (*done)(void *ctx, int err, const struct clo_reply *reply),
                          void *ctx)
{
    f->handed_over = true;
    f->x.sink = sink;
    f->x.sent = NULL;
    f->x.ctx = ctx;
    f->done = done;
    if (answered)
        clo_buf_clear(&f->x.body);
}

void clo_flight_abort(struct clo_flight *f)
{
    if (f != NULL)
        flight_free(f);
}
