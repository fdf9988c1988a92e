/* SPDX-License-Identifier: Apache-2.0 */
/* Policies as JSON: see policy_text.h. */
#include "client/policy_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"

/* Adding to an object takes the value over; whatever failed on the way is remembered. */
static void add(json_t *o, const char *name, json_t *v, int *err)
{
    if (json_object_set_new(o, name, v) != 0)
        *err = CLOISTER_E_MEMORY;
}

static json_t *list_of(const char *text)
{
    return json_pack("[s]", text);
}

static json_t *tcb_json(const struct clo_snp_tcb *t, bool fmc, int *err)
{
    json_t *o = json_object();

    add(o, "bl", json_integer(t->bl), err);
    add(o, "tee", json_integer(t->tee), err);
    add(o, "snp", json_integer(t->snp), err);
    add(o, "ucode", json_integer(t->ucode), err);
    if (fmc)
        add(o, "fmc", json_integer(t->fmc), err);
    return o;
}

json_t *clo_policy_snp_json(const struct clo_policy_want *w, int *err)
{
    const bool fmc = w->product == CLO_SNP_TURIN;
    json_t *o = json_object(), *product = json_object();
    char name[16] = {0}, firmware[16];
    const char *proper = clo_snp_product_name(w->product);

    for (size_t i = 0; i < sizeof(name) - 1 && proper[i] != '\0'; i++)
        name[i] = (char)tolower((unsigned char)proper[i]);
    (void)snprintf(firmware, sizeof(firmware), "%u.%u.%u", w->firmware.major, w->firmware.minor,
                   w->firmware.build);
    add(product, "min_tcb", tcb_json(&w->tcb, fmc, err), err);
    if (w->launch != NULL)
        add(product, "min_launch_tcb", tcb_json(w->launch, fmc, err), err);
    add(product, "min_firmware", json_string(firmware), err);
    add(o, "products", json_pack("{s:o}", name, product), err);
    if (w->vmpl != 0)
        add(o, "vmpl", json_integer(w->vmpl), err);
    if (w->allow_smt)
        add(o, "allow_smt", json_true(), err);
    return o;
}

int clo_policy_text(const struct clo_policy_want *w, json_t **ret)
{
    const bool simulated = w->root != NULL;
    json_t *o = json_object();
    int err = 0;

    add(o, "v", json_integer(1), &err);
    add(o, "name",
        json_string(simulated ? "simulated: protects nothing" : "written by cloister policy init"),
        &err);
    add(o, "tee", list_of(simulated ? "simulated" : "sev-snp"), &err);
    add(o, "measurements", list_of(w->measurement), &err);
    if (simulated)
        add(o, "simulated", json_pack("{s:[s]}", "roots", w->root), &err);
    else
        add(o, "sev_snp", clo_policy_snp_json(w, &err), &err);
    if (!simulated) /* that no GPU is asked for has to be said */
        add(o, "devices", json_pack("{s:i}", "min", 0), &err);
    if (err != 0) {
        json_decref(o);
        return err;
    }
    *ret = o;
    return 0;
}

/* ---- what a policy pins ---- */

int clo_policy_pinned(const json_t *policy, struct clo_pinned ret[CLO_POLICY_MANIFESTS_MAX],
                      size_t *count)
{
    const json_t *list = json_object_get(policy, "manifests");
    uint8_t *bytes = malloc(CLO_POLICY_MANIFEST_MAX);
    size_t i = 0, n = 0;
    int err = bytes != NULL ? 0 : CLOISTER_E_MEMORY;

    for (; err == 0 && i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);

        if (i == CLO_POLICY_MANIFESTS_MAX)
            err = CLOISTER_E_LIMIT;
        else if ((err = clo_unb64(json_string_value(v), json_string_length(v), bytes,
                                  CLO_POLICY_MANIFEST_MAX, &n)) == 0 &&
                 (err = clo_manifest_parse(bytes, n, &ret[i].manifest)) == 0)
            err = clo_sha256(bytes, n, ret[i].digest);
    }
    free(bytes);
    if (err == 0)
        *count = i;
    return err;
}

/* ---- a manifest in words ---- */

static void number(uint32_t v, char value[160])
{
    (void)snprintf(value, 160, v == 0 ? "unknown" : "%" PRIu32, v);
}

static void digest(bool known, const uint8_t v[32], char value[160])
{
    if (known)
        clo_hex(v, 32, value);
    else
        (void)snprintf(value, 160, "unknown");
}

void clo_manifest_members(const struct clo_manifest *m,
                          struct clo_manifest_member ret[CLO_MANIFEST_MEMBERS])
{
    static const char *const names[CLO_MANIFEST_MEMBERS][2] = {
        {"release", "release of Cloister"},
        {"engine.name", "engine"},
        {"engine.version", "version of the engine"},
        {"engine.managed", "engine started by"},
        {"engine.args", "arguments of the engine (SHA-256)"},
        {"upstream", "engine reached by"},
        {"model.name", "model"},
        {"model.sha256", "file of the model (SHA-256)"},
        {"kems", "key exchange"},
        {"prefix_cache", "cache of earlier prompts"},
        {"shape", "shape of the traffic"},
        {"limits.context_tokens", "longest conversation in tokens"},
        {"limits.slots", "conversations at a time"},
        {"limits.request_bytes", "largest request in bytes"},
    };
    const struct {
        size_t at;
        const char *text;
    } texts[] = {
        {0, m->release},
        {1, m->engine_name},
        {2, m->engine_version},
        {3, m->managed ? "Cloister" : "somebody else"},
        {5, m->upstream},
        {6, m->model},
        {8, m->x25519 ? "X-Wing, or X25519 alone" : "X-Wing"},
        {9, m->prefix_cache},
        {10, clo_shaping_name(m->shape)},
    };

    memset(ret, 0, CLO_MANIFEST_MEMBERS * sizeof(*ret));
    for (size_t i = 0; i < CLO_MANIFEST_MEMBERS; i++) {
        ret[i].id = names[i][0];
        ret[i].title = names[i][1];
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++)
        (void)snprintf(ret[texts[i].at].value, sizeof(ret->value), "%s", texts[i].text);
    digest(m->managed, m->engine_args, ret[4].value);
    digest(m->managed, m->model_sha256, ret[7].value);
    number(m->context_tokens, ret[11].value);
    number(m->slots, ret[12].value);
    number(m->request_bytes, ret[13].value);
}
