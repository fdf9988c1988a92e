/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: a closed table of events. An event is an id, a level, and up to four unsigned numbers whose names
 * stand in the table (src/base/event.c): counts, lengths, error numbers, process ids, digests' first eight
 * bytes. There is no free text, nothing that a peer chose, no content, and no switch that would add it.
 *
 * One line an event, on standard error: "2026-01-31T12:00:00Z info gateway request-done status=200 bytes=512".
 * The time comes from the caller, because base reads no clock.
 */
#ifndef CLO_BASE_EVENT_H
#define CLO_BASE_EVENT_H

#include "base/base.h"

enum clo_level {
    CLO_DEBUG,
    CLO_INFO,
    CLO_WARN,
    CLO_ERROR
};

/* Ids are never reused; new ones are appended. Names and levels: event.c. */
enum clo_event {
    CLO_EV_START,           /* role started */
    CLO_EV_STOP,            /* role ends: status */
    CLO_EV_READY,           /* serves: port */
    CLO_EV_NOT_READY,       /* stopped serving */
    CLO_EV_DRAIN,           /* SIGTERM: open requests */
    CLO_EV_CHILD_START,     /* role, pid */
    CLO_EV_CHILD_EXIT,      /* role, pid, exit status, signal */
    CLO_EV_CHILD_BACKOFF,   /* role, delay ms */
    CLO_EV_IPC_BAD,         /* role, message type, state, error */
    CLO_EV_EPOCH_NEW,       /* epoch number, seconds until expires */
    CLO_EV_EPOCH_END,       /* epoch number */
    CLO_EV_REPORT,          /* hardware report: microseconds, nonces */
    CLO_EV_REPORT_FAIL,     /* error */
    CLO_EV_ENGINE_READY,    /* milliseconds since start */
    CLO_EV_ENGINE_LOST,     /* exit status, signal */
    CLO_EV_REQUEST_OPEN,    /* body bytes */
    CLO_EV_REQUEST_DONE,    /* inner status, body bytes in, body bytes out, milliseconds */
    CLO_EV_REQUEST_REFUSED, /* outer status */
    CLO_EV_REQUEST_ABORTED, /* error, body bytes out */
    CLO_EV_EVIDENCE,        /* answer bytes */
    CLO_EV_LIMIT,           /* which limit (documented number), current value */
    CLO_EV_CONFIG,          /* error, line number */
    CLO_EV_LISTEN_FAIL,     /* errno, port */
    CLO_EV_ENGINE_OTHER,    /* an upstream that isn't what UpstreamEngine says */
    CLO_EV_CHILD_HUNG,      /* role, pid: gave no sign of life, and is replaced */
    CLO_EV_RELOAD,          /* SIGHUP was obeyed: API keys in the store */
    CLO_EV_FETCHED,         /* a service answered: kind of want, status, bytes, milliseconds */
    CLO_EV_FETCH_FAIL,      /* kind of want, error, status, seconds until it may be asked again */
    CLO_EV_CACHE_FAIL,      /* a file of the cache can't be read or written: errno */
    CLO_EV_SELF_REFUSED,    /* our own evidence fails a check: its number */
    CLO_EV_DEVICES_LOST,    /* keys were retired because of the GPUs: enum clo_devices_fault */
    CLO_EV_WORKER_HUNG, /* the attester's worker was too slow, and is replaced: the message's type */
    CLO_EV_CELL_FAIL,   /* a process can't shut itself in: role, enum clo_cell_part, errno */
    CLO_EV_CELL_BROKEN, /* a process did what its cell forbids, and was killed for it: role, pid */
    CLO_EV_MAX
};

/* "2026-01-31T12:00:00Z info keeper epoch-new epoch=3 expires-in=1800\n" into dst; returns its length. */
size_t clo_event_format(enum clo_event id, const char *role, int64_t now, const uint64_t num[4],
                        char *dst, size_t cap);
enum clo_level clo_event_level(enum clo_event id);
const char *clo_event_name(enum clo_event id);

#endif
