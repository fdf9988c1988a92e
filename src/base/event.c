/* SPDX-License-Identifier: Apache-2.0 */
/* The closed table of log events. */
#include "base/event.h"

#include <stdio.h>
#include <time.h>

static const struct {
    enum clo_level level;
    const char *name;
    const char *num[4]; /* names of the numbers that the event has */
} events[CLO_EV_MAX] = {
    [CLO_EV_START] = { CLO_INFO, "start", { "pid" } },
    [CLO_EV_STOP] = { CLO_INFO, "stop", { "status" } },
    [CLO_EV_READY] = { CLO_INFO, "ready", { "port" } },
    [CLO_EV_NOT_READY] = { CLO_WARN, "not-ready", { NULL } },
    [CLO_EV_DRAIN] = { CLO_INFO, "drain", { "open" } },
    [CLO_EV_CHILD_START] = { CLO_INFO, "child-start", { "child", "pid" } },
    [CLO_EV_CHILD_EXIT] = { CLO_ERROR, "child-exit", { "child", "pid", "status", "signal" } },
    [CLO_EV_CHILD_BACKOFF] = { CLO_WARN, "child-backoff", { "child", "ms" } },
    [CLO_EV_IPC_BAD] = { CLO_ERROR, "ipc-bad", { "peer", "type", "state", "error" } },
    [CLO_EV_EPOCH_NEW] = { CLO_INFO, "epoch-new", { "epoch", "expires-in" } },
    [CLO_EV_EPOCH_END] = { CLO_INFO, "epoch-end", { "epoch" } },
    [CLO_EV_REPORT] = { CLO_INFO, "report", { "us", "nonces" } },
    [CLO_EV_REPORT_FAIL] = { CLO_ERROR, "report-fail", { "error" } },
    [CLO_EV_ENGINE_READY] = { CLO_INFO, "engine-ready", { "ms" } },
    [CLO_EV_ENGINE_LOST] = { CLO_ERROR, "engine-lost", { "status", "signal" } },
    [CLO_EV_REQUEST_OPEN] = { CLO_DEBUG, "request-open", { "bytes" } },
    [CLO_EV_REQUEST_DONE] = { CLO_INFO, "request-done", { "status", "in", "out", "ms" } },
    [CLO_EV_REQUEST_REFUSED] = { CLO_INFO, "request-refused", { "status" } },
    [CLO_EV_REQUEST_ABORTED] = { CLO_WARN, "request-aborted", { "error", "out" } },
    [CLO_EV_EVIDENCE] = { CLO_DEBUG, "evidence", { "bytes" } },
    [CLO_EV_LIMIT] = { CLO_WARN, "limit", { "which", "value" } },
    [CLO_EV_CONFIG] = { CLO_ERROR, "config", { "error", "line" } },
    [CLO_EV_LISTEN_FAIL] = { CLO_ERROR, "listen-fail", { "errno", "port" } },
};

static const char *const level_name[] = { "debug", "info", "warn", "error" };

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

size_t clo_event_format(enum clo_event id, const char *role, int64_t now, const uint64_t num[4], char *dst, size_t cap)
{
    time_t t = (time_t)now;
    struct tm tm = { 0 };
    size_t len = 0;

    if (id >= CLO_EV_MAX || cap < 2)
        return 0;
    gmtime_r(&t, &tm);
    len = add(len, cap, snprintf(dst, cap, "%04d-%02d-%02dT%02d:%02d:%02dZ %s %s %s", tm.tm_year + 1900, tm.tm_mon + 1,
                                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, level_name[events[id].level], role,
                                 events[id].name));
    for (size_t i = 0; i < 4 && events[id].num[i] != NULL; i++)
        len = add(len, cap, snprintf(dst + len, cap - len, " %s=%llu", events[id].num[i], (unsigned long long)num[i]));
    return add(len, cap, snprintf(dst + len, cap - len, "\n"));
}
