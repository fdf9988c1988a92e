/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence for the network: each nonce becomes a QUOTE, each QUOTED a document. Large sections' exact bytes come from the
 * attester as blobs, are checked against their digest once, and are kept until their epoch ends; the cpu section, until the
 * next batch's has come.
 */
#include <string.h>
#include <unistd.h>

#include "daemon/gateway/gateway.h"
#include "platform/process.h"

#define DOCUMENT_MAX ((size_t)2 << 20)
#define PROBE_ID \
    UINT64_MAX /* our own question whether evidence can be made: no request has this id */

static void drop_blob(struct clo_blob *b)
{
    clo_buf_clear(&b->bytes);
    *b = (struct clo_blob){0};
}

const struct clo_buf *clo_evidence_find(struct clo_gw *gw, const uint8_t digest[32])
{
    for (size_t i = 0; i < CLO_GW_BLOBS_MAX; i++) {
        const struct clo_blob *b = &gw->blob[i];

        if (b->bytes.p != NULL && memcmp(b->digest, digest, sizeof(b->digest)) == 0)
            return &b->bytes;
    }
    return NULL;
}

/* Who goes before whom: one of the same section, because new evidence has the newest of each; then the older one. */
static bool goes_first(const struct clo_blob *a, const struct clo_blob *b, uint8_t section)
{
    if ((a->section == section) != (b->section == section))
        return a->section == section;
    return a->keep_until != b->keep_until ? a->keep_until < b->keep_until : a->number < b->number;
}

/* A free place, or that of the blob which goes first. */
static struct clo_blob *blob_place(struct clo_gw *gw, uint8_t section)
{
    struct clo_blob *oldest = &gw->blob[0];

    for (size_t i = 0; i < CLO_GW_BLOBS_MAX; i++) {
        struct clo_blob *b = &gw->blob[i];

        if (b->bytes.p == NULL)
            return b;
        if (goes_first(b, oldest, section))
            oldest = b;
    }
    clo_log("gateway", CLO_EV_LIMIT, CLO_GW_LIMIT_BLOBS, CLO_GW_BLOBS_MAX, 0, 0);
    drop_blob(oldest);
    return oldest;
}

static void keep_longer(struct clo_gw *gw, const uint8_t digest[32], int64_t until)
{
    for (size_t i = 0; i < CLO_GW_BLOBS_MAX; i++) {
        struct clo_blob *b = &gw->blob[i];

        if (b->bytes.p != NULL && memcmp(b->digest, digest, sizeof(b->digest)) == 0 &&
            b->keep_until < until)
            b->keep_until = until;
    }
}

int clo_evidence_blob(struct clo_gw *gw, struct clo_ipc_msg *m)
{
    struct clo_rd rd = clo_rd_init(m->payload, m->n);
    struct clo_buf bytes = clo_buf_init(CLO_SECTION_MAX);
    struct clo_blob *place = NULL;
    uint8_t digest[32] = {0}, real[32] = {0};
    uint8_t section = 0;
    uint64_t until = 0;
    int err = 0;

    if ((err = clo_rd_u8(&rd, &section)) != 0 ||
        (err = clo_rd_bytes(&rd, digest, sizeof(digest))) != 0 ||
        (err = clo_rd_u64le(&rd, &until)) != 0 || (err = clo_rd_end(&rd)) != 0)
        return err;
    if (section >= CLO_SEC_COUNT || until > INT64_MAX)
        return CLOISTER_E_PROTOCOL;
    if (section != CLO_SEC_CPU && clo_evidence_find(gw, digest) != NULL) {
        keep_longer(gw, digest, (int64_t)until);
        return 0;
    }
    if ((err = clo_memfd_read(m->fd, CLO_SECTION_MAX, &bytes)) != 0 ||
        (err = clo_sha256(bytes.p, bytes.len, real)) != 0)
        goto out;
    if (bytes.len == 0 || memcmp(real, digest, sizeof(real)) != 0) {
        err = CLOISTER_E_PROTOCOL;
        goto out;
    }
    place = section == CLO_SEC_CPU ? &gw->cpu : blob_place(gw, section);
    drop_blob(place);
    memcpy(place->digest, digest, sizeof(digest));
    place->section = section;
    place->number = ++gw->blobs;
    place->keep_until = (int64_t)until;
    place->bytes = bytes;
    return 0;
out:
    clo_buf_clear(&bytes);
    return err;
}

void clo_evidence_ask(struct clo_request *r, const uint8_t nonce[32])
{
    struct clo_gw *gw = r->gw;

    if (gw->quotes >= CLO_GW_QUOTES_MAX) {
        clo_log("gateway", CLO_EV_LIMIT, CLO_GW_LIMIT_QUOTES, gw->quotes, 0, 0);
        clo_request_refuse(r, CLO_REFUSE_BUSY);
    } else if (clo_link_send(gw->attester, CLO_MSG_QUOTE, r->id, nonce, 32) != 0) {
        clo_request_refuse(r, CLO_REFUSE_BUSY);
    } else {
        gw->quotes++;
    }
}

static int write_document(struct clo_gw *gw, const struct clo_quoted *q, bool full,
                          struct clo_buf *out)
{
    struct clo_section_ref sec[CLO_SEC_COUNT] = {
        [CLO_SEC_KEYS] = {.p = q->keys, .n = q->keys_n},
        [CLO_SEC_CPU] = {.p = gw->cpu.bytes.p, .n = gw->cpu.bytes.len},
        [CLO_SEC_BATCH] = {.p = q->batch, .n = q->batch_n},
        [CLO_SEC_MANIFEST] = {.digest = q->manifest},
        [CLO_SEC_DEVICES] = {.digest = q->devices},
        [CLO_SEC_COLLATERAL] = {.digest = q->collateral},
    };

    if (gw->cpu.bytes.p == NULL || memcmp(gw->cpu.digest, q->cpu, sizeof q->cpu) != 0)
        return CLOISTER_E_NOT_FOUND;
    for (size_t i = 0; full && i < CLO_SEC_COUNT; i++) {
        const struct clo_buf *bytes = NULL;

        if (sec[i].digest == NULL)
            continue;
        bytes = clo_evidence_find(gw, sec[i].digest);
        if (bytes == NULL)
            return CLOISTER_E_NOT_FOUND;
        sec[i] = (struct clo_section_ref){.p = bytes->p, .n = bytes->len};
    }
    return clo_evidence_write(sec, out);
}

int clo_evidence_quoted(struct clo_gw *gw, const struct clo_ipc_msg *m)
{
    struct clo_request *r = clo_gw_find(gw, m->id);
    struct clo_quoted q = {0};
    int err = clo_quoted_read(m->payload, m->n, &q);

    if (err != 0)
        return err;
    if (q.error != CLOISTER_E_FULL)
        gw->quotable = q.error == 0;
    if (r == NULL || r->state != CLO_RS_QUOTING)
        return 0; /* our own question, or one whose asker has left */
    gw->quotes--;
    r->state = CLO_RS_ANSWERING;
    r->document = clo_buf_init(DOCUMENT_MAX);
    if (q.error != 0 || write_document(gw, &q, r->full, &r->document) != 0)
        clo_request_refuse(r, CLO_REFUSE_BUSY);
    else
        clo_log("gateway", CLO_EV_EVIDENCE, r->document.len, 0, 0, 0);
    clo_outer_wake(r);
    return 0;
}

void clo_evidence_attester_lost(struct clo_gw *gw)
{
    gw->quotable = false;
    drop_blob(&gw->cpu);
    for (uint32_t i = 0; i < gw->cfg.connections_max && gw->request != NULL; i++) {
        struct clo_request *r = gw->request[i];

        if (r != NULL && r->state == CLO_RS_QUOTING) {
            gw->quotes--;
            clo_request_refuse(r, CLO_REFUSE_BUSY);
            clo_outer_wake(r);
        }
    }
}

void clo_evidence_tick(struct clo_gw *gw)
{
    const int64_t now = clo_clock_now();
    const uint8_t nonce[32] = {0}; /* nobody's: the answer is dropped */

    for (size_t i = 0; i < CLO_GW_BLOBS_MAX; i++) {
        if (gw->blob[i].bytes.p != NULL && gw->blob[i].keep_until < now)
            drop_blob(&gw->blob[i]);
    }
    /* Readiness is found out, not assumed; once evidence was made, it is the clients' own questions that tell. */
    if (!gw->quotable && gw->attester != NULL &&
        clo_link_send(gw->attester, CLO_MSG_QUOTE, PROBE_ID, nonce, sizeof(nonce)) != 0)
        gw->quotable = false;
}
