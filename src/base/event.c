/* SPDX-License-Identifier: Apache-2.0 */
/* The closed table of log events. */
#include "base/event.h"

#include <stdio.h>

static const struct {
    enum clo_level level;
    const char *name;
    const char *num[4]; /* names of the numbers that the event has */
} events[CLO_EV_MAX] = {
    [CLO_EV_START] = {CLO_INFO, "start", {"pid"}},
    [CLO_EV_STOP] = {CLO_INFO, "stop", {"status"}},
    [CLO_EV_READY] = {CLO_INFO, "ready", {"port"}},
    [CLO_EV_NOT_READY] = {CLO_WARN, "not-ready", {NULL}},
    [CLO_EV_DRAIN] = {CLO_INFO, "drain", {"open"}},
    [CLO_EV_CHILD_START] = {CLO_INFO, "child-start", {"child", "pid"}},
    [CLO_EV_CHILD_EXIT] = {CLO_ERROR, "child-exit", {"child", "pid", "status", "signal"}},
    [CLO_EV_CHILD_BACKOFF] = {CLO_WARN, "child-backoff", {"child", "ms"}},
    [CLO_EV_IPC_BAD] = {CLO_ERROR, "ipc-bad", {"peer", "type", "state", "error"}},
    [CLO_EV_EPOCH_NEW] = {CLO_INFO, "epoch-new", {"epoch", "expires-in"}},
    [CLO_EV_EPOCH_END] = {CLO_INFO, "epoch-end", {"epoch"}},
    [CLO_EV_REPORT] = {CLO_INFO, "report", {"us", "nonces"}},
    [CLO_EV_REPORT_FAIL] = {CLO_ERROR, "report-fail", {"error"}},
    [CLO_EV_ENGINE_READY] = {CLO_INFO, "engine-ready", {"ms"}},
    [CLO_EV_ENGINE_LOST] = {CLO_ERROR, "engine-lost", {"status", "signal"}},
    [CLO_EV_REQUEST_OPEN] = {CLO_DEBUG, "request-open", {"bytes"}},
    [CLO_EV_REQUEST_DONE] = {CLO_INFO, "request-done", {"status", "in", "out", "ms"}},
    [CLO_EV_REQUEST_REFUSED] = {CLO_INFO, "request-refused", {"status"}},
    [CLO_EV_REQUEST_ABORTED] = {CLO_WARN, "request-aborted", {"error", "out"}},
    [CLO_EV_EVIDENCE] = {CLO_DEBUG, "evidence", {"bytes"}},
    [CLO_EV_LIMIT] = {CLO_WARN, "limit", {"which", "value"}},
    [CLO_EV_CONFIG] = {CLO_ERROR, "config", {"error", "line"}},
    [CLO_EV_CHILD_HUNG] = {CLO_ERROR, "child-hung", {"child", "pid"}},
    [CLO_EV_RELOAD] = {CLO_INFO, "reload", {"keys"}},
    [CLO_EV_FETCHED] = {CLO_INFO, "fetched", {"kind", "status", "bytes", "ms"}},
    [CLO_EV_FETCH_FAIL] = {CLO_WARN, "fetch-fail", {"kind", "error", "status", "again-s"}},
    [CLO_EV_CACHE_FAIL] = {CLO_WARN, "cache-fail", {"errno"}},
    [CLO_EV_SELF_REFUSED] = {CLO_ERROR, "self-refused", {"check"}},
    [CLO_EV_DEVICES_LOST] = {CLO_ERROR, "devices-lost", {"reason"}},
    [CLO_EV_WORKER_HUNG] = {CLO_ERROR, "worker-hung", {"question"}},
    [CLO_EV_CELL_FAIL] = {CLO_ERROR, "cell-fail", {"child", "part", "errno"}},
    [CLO_EV_CELL_BROKEN] = {CLO_ERROR, "cell-broken", {"child", "pid"}},
    [CLO_EV_LISTEN_FAIL] = {CLO_ERROR, "listen-fail", {"errno", "port"}},
    [CLO_EV_ENGINE_OTHER] = {CLO_ERROR, "engine-other", {NULL}},
};

static const char *const level_name[] = {"debug", "info", "warn", "error"};

enum clo_level clo_event_level(enum clo_event id)
{
    return id < CLO_EV_MAX ? events[id].level : CLO_ERROR;
}

const char *clo_event_name(enum clo_event id)
{
    return id < CLO_EV_MAX ? events[id].name : "unknown";
}

/* snprintf that adds up: text that doesn't fit is cut, the length never exceeds cap - 1. */
static size_t add(size_t len, size_t cap, int wrote)
{
    if (wrote < 0)
        return len;
    return (size_t)wrote >= cap - len ? cap - 1 : len + (size_t)wrote;
}

struct date {
    unsigned year, month, day, hour, minute, second;
};

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* By hand, because gmtime_r opens /etc/localtime on its first call: processes log behind a sandbox without files. */
static struct date date_from_unix(int64_t now)
{
    static const unsigned char month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int64_t last = 253402300799; /* the end of the year 9999 */
    uint64_t t = (uint64_t)(now < 0 ? 0 : now > last ? last : now);
    unsigned day = (unsigned)(t / 86400), of_day = (unsigned)(t % 86400);
    struct date d = {.year = 1970,
                     .month = 1,
                     .hour = of_day / 3600,
                     .minute = of_day / 60 % 60,
                     .second = of_day % 60};

    for (unsigned n; day >= (n = is_leap(d.year) ? 366 : 365); d.year++)
        day -= n;
    for (unsigned n;
         day >= (n = month_days[d.month - 1] + (d.month == 2 && is_leap(d.year) ? 1 : 0));
         d.month++)
        day -= n;
    d.day = day + 1;
    return d;
}

size_t clo_event_format(enum clo_event id, const char *role, int64_t now, const uint64_t num[4],
                        char *dst, size_t cap)
{
    struct date d = date_from_unix(now);
    size_t len = 0;

    if (id >= CLO_EV_MAX || cap < 2)
        return 0;
    len = add(len, cap,
              snprintf(dst, cap, "%04u-%02u-%02uT%02u:%02u:%02uZ %s %s %s", d.year, d.month, d.day,
                       d.hour, d.minute, d.second, level_name[events[id].level], role,
                       events[id].name));
    for (size_t i = 0; i < 4 && events[id].num[i] != NULL; i++)
        len = add(len, cap,
                  snprintf(dst + len, cap - len, " %s=%llu", events[id].num[i],
                           (unsigned long long)num[i]));
    return add(len, cap, snprintf(dst + len, cap - len, "\n"));
}
