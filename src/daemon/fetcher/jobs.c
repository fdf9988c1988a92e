/* SPDX-License-Identifier: Apache-2.0 */
/* Questions, and the jobs that answer them: see jobs.h. */
#include "daemon/fetcher/jobs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "daemon/fetcher/ask.h"
#include "daemon/fetcher/cache.h"
#include "daemon/fetcher/pace.h"
#include "daemon/role.h"

enum {
    FILES_AGAIN_S =
        60 /* where only files are asked: whoever puts one in isn't kept waiting for long */
};

enum job_state {
    QUEUED,
    RUNNING,
    DONE
};

struct job {
    TAILQ_ENTRY(job) link;
    struct clo_jobs *jobs;
    enum job_state state;
    unsigned questions; /* that it answers; without any it is gone */
    bool kept;
    struct clo_want want;
    char name[CLO_WANT_NAME_MAX];
    struct clo_service_request request;
    struct clo_asking *asking;
    int64_t since_us;
    struct clo_fetched answer; /* once DONE */
    struct clo_buf body, chain;
};

struct question {
    TAILQ_ENTRY(question) link;
    uint64_t id;
    struct job *job;
    bool sent; /* then it waits for KEEP */
};

struct clo_jobs {
    struct clo_fetcher_start start;
    struct clo_cache *cache;
    struct clo_asker *asker;
    struct clo_pace pace;
    unsigned running;
    TAILQ_HEAD(, job) jobs;
    TAILQ_HEAD(questions, question) questions; /* oldest first */
    unsigned count, waiting;                   /* of the questions; waiting: not sent */
};

static int64_t now_ms(void)
{
    return clo_clock_mono_us() / 1000;
}

int clo_jobs_new(const struct clo_fetcher_start *start, struct clo_jobs **ret)
{
    struct clo_jobs *j = calloc(1, sizeof *j);
    int err = CLOISTER_E_MEMORY;

    if (j == NULL)
        return err;
    TAILQ_INIT(&j->jobs);
    TAILQ_INIT(&j->questions);
    j->start = *start;
    if ((err = clo_cache_new(start->cache, &j->cache)) != 0 ||
        (err = clo_asker_new(start->proxy, &j->asker)) != 0) {
        clo_jobs_free(j);
        return err;
    }
    *ret = j;
    return 0;
}

static void job_free(struct job *job)
{
    struct clo_jobs *j = job->jobs;

    if (job->state == RUNNING) {
        clo_asker_abort(job->asking);
        j->running--;
    }
    TAILQ_REMOVE(&j->jobs, job, link);
    clo_buf_clear(&job->body);
    clo_buf_clear(&job->chain);
    free(job);
}

static void question_free(struct clo_jobs *j, struct question *q)
{
    TAILQ_REMOVE(&j->questions, q, link);
    j->count--;
    j->waiting -= q->sent ? 0 : 1;
    if (--q->job->questions == 0)
        job_free(q->job);
    free(q);
}

void clo_jobs_drop(struct clo_jobs *j)
{
    struct question *q;

    while ((q = TAILQ_FIRST(&j->questions)) != NULL)
        /* each leaves the list before it is freed. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        question_free(j, q);
}

void clo_jobs_free(struct clo_jobs *j)
{
    if (j == NULL)
        return;
    clo_jobs_drop(j);
    clo_asker_free(j->asker);
    clo_cache_free(j->cache);
    free(j);
}

bool clo_jobs_full(const struct clo_jobs *j)
{
    return j->waiting >= CLO_JOBS_MAX;
}

/* ---- how a job ends ---- */

static void end(struct job *job, int error, uint32_t status, uint32_t again_s)
{
    job->state = DONE;
    job->answer = (struct clo_fetched){.error = error, .status = status, .again_s = again_s};
    if (error == 0) {
        job->answer.body_n = (uint32_t)job->body.len;
        job->answer.chain_n = (uint32_t)job->chain.len;
    }
}

static void start_queued(struct clo_jobs *j);

static void on_reply(void *ctx, struct clo_reply_got *got)
{
    struct job *job = ctx;
    struct clo_jobs *j = job->jobs;
    const struct clo_pace_end how = {got->useful, got->status, got->retry_after_s};
    const int64_t ms = (clo_clock_mono_us() - job->since_us) / 1000;
    uint32_t jitter = 0, again_s = 0;
    int err;

    j->running--;
    job->asking = NULL;
    if (clo_rng_fill(clo_rng_system(), &jitter, sizeof jitter) != 0)
        jitter = 0; /* then without: nothing is at stake */
    err = clo_pace_done(&j->pace, job->request.service, job->name, &how, jitter, now_ms(),
                        &again_s);
    if (err == 0) {
        job->body = got->body;
        job->chain = got->chain;
        got->body = got->chain = clo_buf_init(0);
        clo_log("fetcher", CLO_EV_FETCHED, job->want.kind, got->status, job->body.len,
                (uint64_t)ms);
    } else {
        clo_log("fetcher", CLO_EV_FETCH_FAIL, job->want.kind, (uint64_t) - (int64_t)err,
                got->status, again_s);
    }
    end(job, err, got->status, again_s);
    start_queued(j);
}

/* Ask the service, unless it is to be left alone now. */
static void start(struct job *job)
{
    struct clo_jobs *j = job->jobs;
    const enum clo_service service = job->request.service;
    uint32_t status = 0, again_s = 0;
    int err = clo_pace_check(&j->pace, service, job->name, now_ms(), &status, &again_s);

    if (err != 0) {
        end(job, err, status, again_s);
        return;
    }
    job->since_us = clo_clock_mono_us();
    if (clo_asker_start(j->asker, &job->request, on_reply, job, &job->asking) != 0) {
        end(job, CLOISTER_E_NETWORK, 0, 1); /* no memory: nobody was asked */
        return;
    }
    clo_pace_begin(&j->pace, service, job->request.gap_ms, now_ms());
    job->state = RUNNING;
    j->running++;
}

static void start_queued(struct clo_jobs *j)
{
    struct job *job;

    TAILQ_FOREACH(job, &j->jobs, link) {
        if (j->running >= CLO_JOBS_RUNNING)
            return;
        if (job->state == QUEUED)
            start(job);
    }
}

/* ---- questions ---- */

static struct job *find_unfinished(const struct clo_jobs *j, const char *name)
{
    struct job *job;

    TAILQ_FOREACH(job, &j->jobs, link) {
        if (job->state != DONE && strcmp(job->name, name) == 0)
            return job;
    }
    return NULL;
}

/* From a file, if there is one and nothing newer is wanted; then it has ended. Otherwise it waits for its turn. */
static void begin(struct job *job, bool renew)
{
    struct clo_jobs *j = job->jobs;
    const bool online = j->start.online != 0;
    int err = renew && online ? CLOISTER_E_NOT_FOUND
                              : clo_cache_read(j->cache, job->name, job->request.chain[0] != NULL,
                                               &job->body, &job->chain);

    if (err == 0) {
        end(job, 0, 0, online ? 0 : FILES_AGAIN_S);
        job->answer.from_file = 1;
    } else if (!online) {
        end(job, err == CLOISTER_E_NOT_FOUND ? err : CLOISTER_E_IO, 0, FILES_AGAIN_S);
    }
}

static int new_job(struct clo_jobs *j, const struct clo_fetch *f, const char *name,
                   struct job **ret)
{
    struct job *job = calloc(1, sizeof *job);
    int err;

    if (job == NULL)
        return CLOISTER_E_MEMORY;
    job->jobs = j;
    job->want = f->want;
    job->body = clo_buf_init(CLO_ANSWER_MAX);
    job->chain = clo_buf_init(CLO_ANSWER_CHAIN_MAX);
    memcpy(job->name, name, sizeof job->name);
    if ((err = clo_service_request_make(&j->start, &f->want, &job->request)) != 0) {
        free(job);
        return err;
    }
    begin(job, f->renew != 0);
    *ret = job;
    return 0;
}

/* The oldest answer that nobody said KEEP to makes room for a question. */
static void make_room(struct clo_jobs *j)
{
    struct question *q;

    if (j->count < CLO_JOBS_MAX)
        return;
    TAILQ_FOREACH(q, &j->questions, link) {
        if (q->sent) {
            question_free(j, q);
            return;
        }
    }
}

int clo_jobs_fetch(struct clo_jobs *j, uint64_t id, const struct clo_fetch *f)
{
    char name[CLO_WANT_NAME_MAX];
    struct question *q = NULL;
    struct job *job = NULL, *other;
    int err;

    clo_want_name(&f->want, name);
    if (name[0] == '\0')
        return CLOISTER_E_CRYPTO;
    if ((q = calloc(1, sizeof *q)) == NULL)
        return CLOISTER_E_MEMORY;
    if ((err = new_job(j, f, name, &job)) != 0) {
        free(q);
        return err;
    }
    make_room(j);
    other = job->state == DONE ? NULL : find_unfinished(j, name);
    if (other != NULL) {
        free(job); /* it holds nothing yet */
        job = other;
    } else {
        TAILQ_INSERT_TAIL(&j->jobs, job, link);
    }
    job->questions++;
    q->id = id;
    q->job = job;
    TAILQ_INSERT_TAIL(&j->questions, q, link);
    j->count++;
    j->waiting++;
    start_queued(j);
    return 0;
}

void clo_jobs_keep(struct clo_jobs *j, uint64_t id)
{
    struct question *q;

    TAILQ_FOREACH_REVERSE(q, &j->questions, questions, link)
    {
        if (q->id == id && q->sent)
            break;
    }
    if (q == NULL)
        return;
    if (!q->job->kept)
        clo_cache_write(j->cache, q->job->name, &q->job->body, &q->job->chain);
    q->job->kept = true;
    question_free(j, q);
}

/* ---- answers ---- */

static struct question *find_due(const struct clo_jobs *j)
{
    struct question *q;

    TAILQ_FOREACH(q, &j->questions, link) {
        /* Questions leave the list before they are freed. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        if (!q->sent && q->job->state == DONE)
            return q;
    }
    return NULL;
}

bool clo_jobs_due(const struct clo_jobs *j)
{
    return find_due(j) != NULL;
}

static int send_one(const struct question *q, int sock)
{
    const struct job *job = q->job;
    struct clo_buf bytes = clo_buf_init(CLO_ANSWER_MAX + CLO_ANSWER_CHAIN_MAX);
    uint8_t out[64];
    struct clo_wr wr = clo_wr_init(out, sizeof out);
    int fd = -1, err;

    if ((err = clo_fetched_write(&job->answer, &wr)) != 0 ||
        (err = clo_buf_append(&bytes, job->body.p, job->body.len)) != 0 ||
        (err = clo_buf_append(&bytes, job->chain.p, job->chain.len)) != 0 ||
        (err = clo_memfd_make(bytes.p, bytes.len, &fd)) != 0)
        goto out;
    err = clo_ipc_send(sock, CLO_MSG_FETCHED, q->id, out, wr.len, fd);
    close(fd);
out:
    clo_buf_clear(&bytes);
    return err;
}

int clo_jobs_send(struct clo_jobs *j, int sock)
{
    struct question *q;
    int err = 0;

    while (err == 0 && (q = find_due(j)) != NULL && clo_ipc_writable(sock)) {
        if ((err = send_one(q, sock)) != 0)
            break;
        if (q->job->answer.error != 0 || q->job->answer.from_file != 0) {
            question_free(j, q); /* nothing to keep */
        } else {
            q->sent = true;
            j->waiting--;
        }
    }
    return err == CLOISTER_E_FULL ? 0 : err;
}

void clo_jobs_wait(struct clo_jobs *j, struct pollfd *fds, size_t n)
{
    clo_asker_wait(j->asker, fds, n);
}
