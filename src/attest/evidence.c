/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the evidence document and completing it blob by blob. Nothing is judged here: sections are byte
 * strings, and what was announced by digest is taken only if it has that digest.
 *
 * Limits: CLOISTER_EVIDENCE_MAX for the document, CLO_SECTION_MAX a section. Fuzzed by fuzz/fuzz_evidence.c.
 */
#include "attest/evidence.h"

#include <stdlib.h>
#include <string.h>

#include "base/enc.h"

/* What the keys section says, so that blobs can be fetched; it stays "" where that can't be read. */
static void note_gateway(struct cloister_evidence *e)
{
    struct clo_keys_section k = {0};

    if (e->sec[CLO_SEC_KEYS].present &&
        clo_keys_section_parse(e->sec[CLO_SEC_KEYS].bytes.p, e->sec[CLO_SEC_KEYS].bytes.len, &k) ==
            0)
        memcpy(e->gateway, k.gateway, sizeof e->gateway);
}

static int section_read(struct cloister_evidence *e, enum clo_section s, const json_t *v)
{
    struct clo_json_obj o = clo_json_obj_init(v);
    int err;

    if (json_object_get(v, "bytes") == NULL) {
        clo_json_obj_hex(&o, "sha256", e->sec[s].digest, sizeof e->sec[s].digest);
        return clo_json_obj_end(&o);
    }
    clo_json_obj_b64(&o, "bytes", CLO_SECTION_MAX, &e->sec[s].bytes);
    if ((err = clo_json_obj_end(&o)) != 0)
        return err;
    e->sec[s].present = true;
    return clo_sha256(e->sec[s].bytes.p, e->sec[s].bytes.len, e->sec[s].digest);
}

static int document_read(struct cloister_evidence *e, const json_t *doc)
{
    struct clo_json_obj o = clo_json_obj_init(doc), all;
    int err = 0;

    clo_json_obj_v1(&o);
    all = clo_json_obj_init(clo_json_obj_need(&o, "sections", JSON_OBJECT));
    if ((err = clo_json_obj_end(&o)) != 0)
        return err;
    for (unsigned s = 0; s < CLO_SEC_COUNT && err == 0; s++) {
        const json_t *v = clo_json_obj_need(&all, clo_section_name(s), JSON_OBJECT);

        err = v == NULL ? all.err : section_read(e, s, v);
    }
    return err != 0 ? err : clo_json_obj_end(&all);
}

int cloister_evidence_parse(const void *json, size_t n, struct cloister_evidence **ret)
{
    struct cloister_evidence *e = NULL;
    json_t *doc = NULL;
    int err;

    if (ret == NULL || (json == NULL && n > 0))
        return CLOISTER_E_ARGUMENT;
    if ((err = clo_json_parse(json, n, CLOISTER_EVIDENCE_MAX, &doc)) != 0)
        return err;
    if ((e = calloc(1, sizeof *e)) == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        e->sec[i].bytes = clo_buf_init(CLO_SECTION_MAX);
    if ((err = document_read(e, doc)) != 0)
        goto out;
    note_gateway(e);
    *ret = e;
    e = NULL;
out:
    cloister_evidence_free(e);
    json_decref(doc);
    return err;
}

void cloister_evidence_free(struct cloister_evidence *e)
{
    if (e == NULL)
        return;
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        clo_buf_clear(&e->sec[i].bytes);
    free(e);
}

bool cloister_evidence_missing(const struct cloister_evidence *e, size_t i, char hex[65])
{
    for (size_t s = 0; s < CLO_SEC_COUNT; s++) {
        if (e->sec[s].present || i-- != 0)
            continue;
        clo_hex(e->sec[s].digest, 32, hex);
        return true;
    }
    return false;
}

const char *cloister_evidence_gateway(const struct cloister_evidence *e)
{
    return e->gateway;
}

bool cloister_evidence_section(const struct cloister_evidence *e, const char *name,
                               const uint8_t **ret, size_t *ret_n)
{
    for (unsigned s = 0; s < CLO_SEC_COUNT; s++) {
        if (strcmp(clo_section_name(s), name) != 0 || !e->sec[s].present)
            continue;
        /* an empty section is there, but has no buffer */
        *ret = e->sec[s].bytes.p == NULL ? (const uint8_t *)"" : e->sec[s].bytes.p;
        *ret_n = e->sec[s].bytes.len;
        return true;
    }
    return false;
}

int cloister_evidence_add(struct cloister_evidence *e, const void *p, size_t n)
{
    uint8_t digest[32];
    bool wanted = false;
    int err;

    if (e == NULL || (p == NULL && n > 0))
        return CLOISTER_E_ARGUMENT;
    if (n > CLO_SECTION_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = clo_sha256(p, n, digest)) != 0)
        return err;
    for (size_t s = 0; s < CLO_SEC_COUNT; s++) {
        if (e->sec[s].present || memcmp(e->sec[s].digest, digest, 32) != 0)
            continue;
        if ((err = clo_buf_append(&e->sec[s].bytes, p, n)) != 0)
            return err;
        e->sec[s].present = wanted = true;
    }
    if (!wanted)
        return CLOISTER_E_NOT_FOUND;
    note_gateway(e);
    return 0;
}

int cloister_evidence_save(const struct cloister_evidence *e, char **ret, size_t *ret_n)
{
    struct clo_section_ref sec[CLO_SEC_COUNT] = {0};
    struct clo_buf b = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    char *s = NULL;
    int err;

    if (e == NULL || ret == NULL || ret_n == NULL)
        return CLOISTER_E_ARGUMENT;
    for (size_t i = 0; i < CLO_SEC_COUNT; i++) {
        if (!e->sec[i].present)
            return CLOISTER_E_STATE;
        sec[i].p = e->sec[i].bytes.p == NULL ? (const uint8_t *)"" : e->sec[i].bytes.p;
        sec[i].n = e->sec[i].bytes.len;
    }
    if ((err = clo_evidence_write(sec, &b)) != 0)
        goto out;
    if ((s = malloc(b.len + 1)) == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    memcpy(s, b.p, b.len);
    s[b.len] = '\0';
    *ret = s;
    *ret_n = b.len;
out:
    clo_buf_clear(&b);
    return err;
}
