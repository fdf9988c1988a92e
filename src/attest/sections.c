/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sections of evidence as strict JSON, both ways (docs/PROTOCOL.md section 1).
 *
 * Limits: a section has at most CLO_SECTION_MAX bytes, a certificate CLO_CERT_MAX, a CRL CLO_CRL_MAX; lists
 * and the other byte strings are capped as the header says. Text is printable UTF-8 on one line, because people will read it.
 * Fuzzed by fuzz/fuzz_evidence.c.
 */
#include "attest/sections.h"

#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "crypto/x509.h"

static const char *const section_name[CLO_SEC_COUNT] = {
    [CLO_SEC_KEYS] = "keys", [CLO_SEC_MANIFEST] = "manifest", [CLO_SEC_DEVICES] = "devices",
    [CLO_SEC_CPU] = "cpu",   [CLO_SEC_BATCH] = "batch",       [CLO_SEC_COLLATERAL] = "collateral",
};

const char *clo_section_name(enum clo_section s)
{
    return (unsigned)s < CLO_SEC_COUNT ? section_name[s] : "";
}

/* ---- writing: a list of members; the first that can't be made spoils the object ---- */

struct writer {
    json_t *obj;
    int err;
};

static void put(struct writer *w, const char *name, json_t *v)
{
    if (json_object_set_new(w->obj, name, v) != 0 && w->err == 0)
        w->err = CLOISTER_E_MEMORY;
}

static struct writer writer_init(void)
{
    return (struct writer){.obj = json_object()};
}

static struct writer section_init(void)
{
    struct writer w = writer_init();

    put(&w, "v", json_integer(1));
    return w;
}

static json_t *b64_json(const void *p, size_t n)
{
    char *s = malloc(CLO_B64_LEN(n) + 1);
    json_t *v = NULL;

    if (s != NULL) {
        clo_b64(p, n, s);
        v = json_string(s);
    }
    free(s);
    return v;
}

static json_t *hex_json(const uint8_t digest[32])
{
    char s[65];

    clo_hex(digest, 32, s);
    return json_string(s);
}

static json_t *b64_array_json(const struct clo_buf *b, size_t count)
{
    json_t *a = json_array();

    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(a, b64_json(b[i].p, b[i].len)) != 0) {
            json_decref(a);
            return NULL;
        }
    }
    return a;
}

/* An object inside another one: its error becomes the outer one's. */
static void put_object(struct writer *w, const char *name, struct writer *inner)
{
    if (inner->err != 0 && w->err == 0)
        w->err = inner->err;
    put(w, name, inner->obj);
}

static int writer_end(struct writer *w, struct clo_buf *out)
{
    int err = w->err;

    if (err == 0)
        err = clo_json_write(w->obj, out);
    json_decref(w->obj);
    return err;
}

/* ---- reading ---- */

static void set_error(struct clo_json_obj *o, int err)
{
    if (o->err == 0)
        o->err = err;
}

static int section_read(const void *p, size_t n, json_t **doc, struct clo_json_obj *o)
{
    int err;

    if ((err = clo_json_parse(p, n, CLO_SECTION_MAX, doc)) != 0)
        return err;
    *o = clo_json_obj_init(*doc);
    clo_json_obj_v1(o);
    return 0;
}

static bool text_ok(const char *s)
{
    return *s != '\0' && strpbrk(s, "\n\t") == NULL && clo_text_is_printable(s, strlen(s));
}

static void text(struct clo_json_obj *o, const char *name, char *dst, size_t cap)
{
    const char *s = clo_json_obj_str(o, name, cap - 1);

    if (o->err != 0)
        return;
    if (!text_ok(s))
        set_error(o, CLOISTER_E_MALFORMED);
    else
        memcpy(dst, s, strlen(s) + 1);
}

/* Exactly n bytes of base64url. */
static void b64_fixed(struct clo_json_obj *o, const char *name, uint8_t *dst, size_t n)
{
    struct clo_buf b;

    clo_json_obj_b64(o, name, n, &b);
    if (b.len != n)
        set_error(o, CLOISTER_E_MALFORMED);
    else
        memcpy(dst, b.p, n);
    clo_buf_clear(&b);
}

/* A byte string that is there has bytes: "absent" is said in one way. */
static void b64_blob(struct clo_json_obj *o, const char *name, size_t max, struct clo_buf *dst)
{
    clo_json_obj_b64(o, name, max, dst);
    if (dst->len == 0)
        set_error(o, CLOISTER_E_MALFORMED);
}

static void b64_opt_blob(struct clo_json_obj *o, const char *name, size_t max, struct clo_buf *dst)
{
    if (clo_json_obj_opt(o, name, JSON_STRING) != NULL)
        b64_blob(o, name, max, dst);
}

/* An array of up to cap non-empty byte strings of up to `max` bytes; *count says how many were made, on error too. */
static void b64_array(struct clo_json_obj *o, const char *name, size_t max, struct clo_buf *dst,
                      size_t cap, size_t *count)
{
    const json_t *a = clo_json_obj_need(o, name, JSON_ARRAY);

    if (json_array_size(a) > cap) {
        set_error(o, CLOISTER_E_LIMIT);
        return;
    }
    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *v = json_array_get(a, i);
        size_t len = json_string_length(v); /* 0 when it isn't a string */
        uint8_t *p = NULL;
        size_t n = 0;
        int err = 0;

        dst[i] = clo_buf_init(max);
        *count = i + 1;
        if (len == 0)
            err = CLOISTER_E_MALFORMED;
        else if (len > CLO_B64_LEN(max))
            err = CLOISTER_E_LIMIT;
        else if ((err = clo_buf_reserve(&dst[i], len / 4 * 3 + len % 4 * 3 / 4, &p)) == 0 &&
                 (err = clo_unb64(json_string_value(v), len, p, max, &n)) == 0)
            clo_buf_commit(&dst[i], n);
        if (err != 0) {
            set_error(o, err);
            return;
        }
    }
}

/* ---- keys ---- */

bool clo_gateway_path_ok(const char *path)
{
    uint8_t id[8];

    return strlen(path) == CLO_GATEWAY_PATH_LEN && memcmp(path, "/r/", 3) == 0 &&
           clo_unhex(path + 3, CLO_GATEWAY_PATH_LEN - 3, id, sizeof id) == 0;
}

int clo_keys_section_write(const struct clo_keys_section *k, struct clo_buf *out)
{
    struct writer w;

    if (k->ohttp_keys_n == 0 || k->ohttp_keys_n > sizeof k->ohttp_keys || k->created < 0 ||
        k->expires <= k->created || k->expires > CLO_TIME_MAX || !clo_gateway_path_ok(k->gateway))
        return CLOISTER_E_ARGUMENT;
    w = section_init();
    put(&w, "ohttp_keys", b64_json(k->ohttp_keys, k->ohttp_keys_n));
    put(&w, "created", json_integer(k->created));
    put(&w, "expires", json_integer(k->expires));
    put(&w, "gateway", json_string(k->gateway));
    put(&w, "receipt_key", b64_json(k->receipt_key, sizeof k->receipt_key));
    return writer_end(&w, out);
}

int clo_keys_section_parse(const void *p, size_t n, struct clo_keys_section *ret)
{
    struct clo_keys_section k = {0};
    struct clo_buf list = {0};
    struct clo_json_obj o;
    json_t *doc = NULL;
    int err;

    if ((err = section_read(p, n, &doc, &o)) != 0)
        return err;
    clo_json_obj_b64(&o, "ohttp_keys", sizeof k.ohttp_keys, &list);
    k.created = clo_json_obj_int(&o, "created", 0, CLO_TIME_MAX);
    k.expires = clo_json_obj_int(&o, "expires", 0, CLO_TIME_MAX);
    text(&o, "gateway", k.gateway, sizeof k.gateway);
    b64_fixed(&o, "receipt_key", k.receipt_key, sizeof k.receipt_key);
    if (list.len == 0 || k.expires <= k.created || !clo_gateway_path_ok(k.gateway))
        set_error(&o, CLOISTER_E_MALFORMED);
    if ((err = clo_json_obj_end(&o)) == 0) {
        memcpy(k.ohttp_keys, list.p, list.len);
        k.ohttp_keys_n = list.len;
        *ret = k;
    }
    clo_buf_clear(&list);
    json_decref(doc);
    return err;
}

/* ---- manifest ---- */

static bool prefix_cache_ok(const char *s)
{
    return strcmp(s, "credential") == 0 || strcmp(s, "off") == 0 || strcmp(s, "upstream") == 0;
}

static json_t *kems_json(bool x25519)
{
    json_t *a = json_array();

    if (json_array_append_new(a, json_string("x-wing")) == 0 &&
        (!x25519 || json_array_append_new(a, json_string("x25519")) == 0))
        return a;
    json_decref(a);
    return NULL;
}

/* ["x-wing"] or ["x-wing","x25519"]: does DHKEM(X25519) stand behind X-Wing, which is always offered? */
static bool kems_read(struct clo_json_obj *o)
{
    static const char *const kem[] = {"x-wing", "x25519"};
    const json_t *a = clo_json_obj_need(o, "kems", JSON_ARRAY);
    size_t n = json_array_size(a);

    if (n < 1 || n > CLO_ARRAY_LEN(kem))
        set_error(o, CLOISTER_E_MALFORMED);
    for (size_t i = 0; i < n && o->err == 0; i++) {
        const char *s = json_string_value(json_array_get(a, i));

        if (s == NULL || strcmp(s, kem[i]) != 0)
            set_error(o, CLOISTER_E_MALFORMED);
    }
    return o->err == 0 && n == CLO_ARRAY_LEN(kem);
}

static bool manifest_text_ok(const struct clo_manifest *m)
{
    return text_ok(m->release) && text_ok(m->engine_name) && text_ok(m->engine_version) &&
           text_ok(m->upstream) && text_ok(m->model) && prefix_cache_ok(m->prefix_cache);
}

static json_t *class_json(const struct clo_shape_class *c)
{
    struct writer w = writer_init();

    put(&w, "name", json_string(c->name));
    put(&w, "frame", json_integer(c->frame));
    put(&w, "interval_ms", json_integer(c->interval_ms));
    put(&w, "delay_ms", json_integer(c->delay_ms));
    put(&w, "first", json_integer(c->first));
    put(&w, "max", json_integer(c->max));
    if (w.err == 0)
        return w.obj;
    json_decref(w.obj);
    return NULL;
}

/* NULL when memory ran out. */
static json_t *shape_json(enum clo_shaping s)
{
    json_t *a = json_array();

    for (unsigned i = 0; s != CLO_SHAPING_OFF && i < CLO_SHAPES; i++) {
        const struct clo_shape_class c = clo_shape_class(s, (enum clo_shape)i);

        if (json_array_append_new(a, class_json(&c)) != 0) {
            json_decref(a);
            return NULL;
        }
    }
    return a;
}

/* What it promises, if it is one of the three promises that there are. */
static int shape_read(const json_t *v, enum clo_shaping *ret)
{
    for (unsigned s = CLO_SHAPING_OFF; s <= CLO_SHAPING_FULL; s++) {
        json_t *want = shape_json((enum clo_shaping)s);
        const bool same = want != NULL && json_equal(v, want);

        json_decref(want);
        if (want == NULL)
            return CLOISTER_E_MEMORY;
        if (same) {
            *ret = (enum clo_shaping)s;
            return 0;
        }
    }
    return CLOISTER_E_UNSUPPORTED;
}

int clo_manifest_write(const struct clo_manifest *m, struct clo_buf *out)
{
    struct writer w, engine, model, limits;

    if (!manifest_text_ok(m))
        return CLOISTER_E_ARGUMENT;
    engine = writer_init();
    put(&engine, "name", json_string(m->engine_name));
    put(&engine, "version", json_string(m->engine_version));
    put(&engine, "managed", json_boolean(m->managed));
    model = writer_init();
    put(&model, "name", json_string(m->model));
    if (m->managed) {
        put(&engine, "args", hex_json(m->engine_args));
        put(&model, "sha256", hex_json(m->model_sha256));
    }
    limits = writer_init();
    put(&limits, "context_tokens", json_integer(m->context_tokens));
    put(&limits, "slots", json_integer(m->slots));
    put(&limits, "request_bytes", json_integer(m->request_bytes));

    w = section_init();
    put(&w, "release", json_string(m->release));
    put_object(&w, "engine", &engine);
    put(&w, "upstream", json_string(m->upstream));
    put_object(&w, "model", &model);
    put(&w, "kems", kems_json(m->x25519));
    put(&w, "prefix_cache", json_string(m->prefix_cache));
    put(&w, "shape", shape_json(m->shape));
    put_object(&w, "limits", &limits);
    return writer_end(&w, out);
}

static int engine_read(const json_t *v, struct clo_manifest *m)
{
    struct clo_json_obj o = clo_json_obj_init(v);

    text(&o, "name", m->engine_name, sizeof m->engine_name);
    text(&o, "version", m->engine_version, sizeof m->engine_version);
    m->managed = clo_json_obj_bool(&o, "managed");
    if (m->managed)
        clo_json_obj_hex(&o, "args", m->engine_args, sizeof m->engine_args);
    return clo_json_obj_end(&o);
}

static int model_read(const json_t *v, struct clo_manifest *m)
{
    struct clo_json_obj o = clo_json_obj_init(v);

    text(&o, "name", m->model, sizeof m->model);
    if (m->managed)
        clo_json_obj_hex(&o, "sha256", m->model_sha256, sizeof m->model_sha256);
    return clo_json_obj_end(&o);
}

static int limits_read(const json_t *v, struct clo_manifest *m)
{
    struct clo_json_obj o = clo_json_obj_init(v);

    m->context_tokens = (uint32_t)clo_json_obj_int(&o, "context_tokens", 0, UINT32_MAX);
    m->slots = (uint32_t)clo_json_obj_int(&o, "slots", 0, UINT32_MAX);
    m->request_bytes = (uint32_t)clo_json_obj_int(&o, "request_bytes", 0, UINT32_MAX);
    return clo_json_obj_end(&o);
}

int clo_manifest_parse(const void *p, size_t n, struct clo_manifest *ret)
{
    struct clo_manifest m = {0};
    struct clo_json_obj o;
    json_t *doc = NULL;
    int err;

    if ((err = section_read(p, n, &doc, &o)) != 0)
        return err;
    text(&o, "release", m.release, sizeof m.release);
    set_error(&o, engine_read(clo_json_obj_need(&o, "engine", JSON_OBJECT), &m));
    text(&o, "upstream", m.upstream, sizeof m.upstream);
    set_error(&o, model_read(clo_json_obj_need(&o, "model", JSON_OBJECT), &m));
    m.x25519 = kems_read(&o);
    text(&o, "prefix_cache", m.prefix_cache, sizeof m.prefix_cache);
    if (!prefix_cache_ok(m.prefix_cache))
        set_error(&o, CLOISTER_E_MALFORMED);
    set_error(&o, shape_read(clo_json_obj_need(&o, "shape", JSON_ARRAY), &m.shape));
    set_error(&o, limits_read(clo_json_obj_need(&o, "limits", JSON_OBJECT), &m));
    if ((err = clo_json_obj_end(&o)) == 0)
        *ret = m;
    json_decref(doc);
    return err;
}

/* ---- cpu ---- */

/* The members that a kind has beside "type". */
enum {
    HAS_REPORT = 1 << 0,
    HAS_CHAIN = 1 << 1,
    HAS_HCL = 1 << 2,
    HAS_QUOTE = 1 << 3,
    HAS_TPM = 1 << 4, /* quote, signature and PCRs */
    MAY_LOG = 1 << 5, /* an event log, or none */
};

static const struct {
    enum clo_cpu_kind kind;
    const char *type;
    unsigned has;
} cpu_kinds[] = {
    {CLO_CPU_SIMULATED, "simulated", HAS_REPORT | HAS_CHAIN},
    {CLO_CPU_SNP, "sev-snp", HAS_REPORT | HAS_CHAIN},
    {CLO_CPU_SNP_AZURE, "sev-snp-azure", HAS_HCL | HAS_CHAIN | HAS_TPM | MAY_LOG},
    {CLO_CPU_TDX, "tdx", HAS_QUOTE | MAY_LOG},
    {CLO_CPU_TDX_AZURE, "tdx-azure", HAS_HCL | HAS_QUOTE | HAS_TPM | MAY_LOG},
};

enum clo_cpu_kind clo_cpu_kind(const char *type)
{
    for (size_t i = 0; i < CLO_ARRAY_LEN(cpu_kinds); i++)
        if (strcmp(type, cpu_kinds[i].type) == 0)
            return cpu_kinds[i].kind;
    return CLO_CPU_UNKNOWN;
}

/* 0 for none that is known. */
static unsigned cpu_has(enum clo_cpu_kind kind)
{
    for (size_t i = 0; i < CLO_ARRAY_LEN(cpu_kinds); i++)
        if (kind == cpu_kinds[i].kind)
            return cpu_kinds[i].has;
    return 0;
}

static bool blob_fits(const struct clo_buf *b, bool there, size_t max)
{
    return there ? b->len > 0 && b->len <= max : b->len == 0;
}

/* Is there exactly what the kind has? */
static bool cpu_whole(const struct clo_cpu_section *c, unsigned has)
{
    const bool tpm = (has & HAS_TPM) != 0;

    return has != 0 && c->report_n == ((has & HAS_REPORT) != 0 ? CLO_SNP_REPORT_LEN : 0u) &&
           c->chain_n <= ((has & HAS_CHAIN) != 0 ? CLO_CHAIN_MAX : 0u) &&
           blob_fits(&c->hcl, (has & HAS_HCL) != 0, CLO_HCL_MAX) &&
           blob_fits(&c->quote, (has & HAS_QUOTE) != 0, CLO_QUOTE_MAX) &&
           blob_fits(&c->tpm_quote, tpm, CLO_TPM_QUOTE_MAX) &&
           blob_fits(&c->tpm_signature, tpm, CLO_TPM_SIG_MAX) &&
           blob_fits(&c->pcrs, tpm, CLO_PCRS_MAX) &&
           (c->event_log.len == 0 ||
            blob_fits(&c->event_log, (has & MAY_LOG) != 0, CLO_EVENT_LOG_MAX));
}

static void put_blob(struct writer *w, const char *name, const struct clo_buf *b)
{
    if (b->len > 0)
        put(w, name, b64_json(b->p, b->len));
}

int clo_cpu_section_write(const struct clo_cpu_section *c, struct clo_buf *out)
{
    const unsigned has = cpu_has(clo_cpu_kind(c->type));
    struct writer w;

    if (!cpu_whole(c, has))
        return CLOISTER_E_ARGUMENT;
    w = section_init();
    put(&w, "type", json_string(c->type));
    if ((has & HAS_REPORT) != 0)
        put(&w, "report", b64_json(c->report, c->report_n));
    put_blob(&w, "hcl", &c->hcl);
    put_blob(&w, "quote", &c->quote);
    if ((has & HAS_CHAIN) != 0)
        put(&w, "chain", b64_array_json(c->chain, c->chain_n));
    put_blob(&w, "tpm_quote", &c->tpm_quote);
    put_blob(&w, "tpm_signature", &c->tpm_signature);
    put_blob(&w, "pcrs", &c->pcrs);
    put_blob(&w, "event_log", &c->event_log);
    return writer_end(&w, out);
}

/* A report of any length: whether it is one, its appraisal says. */
static void report_read(struct clo_json_obj *o, struct clo_cpu_section *c)
{
    struct clo_buf b = {0};

    clo_json_obj_b64(o, "report", CLO_SNP_REPORT_LEN, &b);
    if (b.len != 0)
        memcpy(c->report, b.p, b.len);
    c->report_n = b.len;
    clo_buf_clear(&b);
}

int clo_cpu_section_parse(const void *p, size_t n, struct clo_cpu_section *ret)
{
    struct clo_cpu_section c = {0};
    struct clo_json_obj o;
    json_t *doc = NULL;
    unsigned has;
    int err;

    if ((err = section_read(p, n, &doc, &o)) != 0)
        return err;
    text(&o, "type", c.type, sizeof c.type);
    c.kind = clo_cpu_kind(c.type);
    if ((has = cpu_has(c.kind)) == 0)
        set_error(&o, CLOISTER_E_UNKNOWN);
    if ((has & HAS_REPORT) != 0)
        report_read(&o, &c);
    if ((has & HAS_HCL) != 0)
        b64_blob(&o, "hcl", CLO_HCL_MAX, &c.hcl);
    if ((has & HAS_QUOTE) != 0)
        b64_blob(&o, "quote", CLO_QUOTE_MAX, &c.quote);
    if ((has & HAS_CHAIN) != 0)
        b64_array(&o, "chain", CLO_CERT_MAX, c.chain, CLO_CHAIN_MAX, &c.chain_n);
    if ((has & HAS_TPM) != 0) {
        b64_blob(&o, "tpm_quote", CLO_TPM_QUOTE_MAX, &c.tpm_quote);
        b64_blob(&o, "tpm_signature", CLO_TPM_SIG_MAX, &c.tpm_signature);
        b64_blob(&o, "pcrs", CLO_PCRS_MAX, &c.pcrs);
    }
    if ((has & MAY_LOG) != 0)
        b64_opt_blob(&o, "event_log", CLO_EVENT_LOG_MAX, &c.event_log);
    if ((err = clo_json_obj_end(&o)) == 0) {
        *ret = c;
        c = (struct clo_cpu_section){0};
    }
    clo_cpu_section_clear(&c);
    json_decref(doc);
    return err;
}

void clo_cpu_section_clear(struct clo_cpu_section *c)
{
    for (size_t i = 0; i < c->chain_n; i++)
        clo_buf_clear(&c->chain[i]);
    clo_buf_clear(&c->quote);
    clo_buf_clear(&c->hcl);
    clo_buf_clear(&c->tpm_quote);
    clo_buf_clear(&c->tpm_signature);
    clo_buf_clear(&c->pcrs);
    clo_buf_clear(&c->event_log);
    memset(c, 0, sizeof *c);
}

/* ---- devices ---- */

static bool arch_ok(const char *s)
{
    const size_t n = strlen(s);

    return n > 0 && n < sizeof((struct clo_device *)NULL)->arch &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789") == n;
}

static json_t *device_json(const struct clo_device *d, int *err)
{
    struct writer w = writer_init();

    if (!arch_ok(d->arch) || d->chain_n > CLO_DEVICE_CHAIN_MAX)
        *err = CLOISTER_E_ARGUMENT;
    put(&w, "arch", json_string(d->arch));
    put(&w, "report", b64_json(d->report.p, d->report.len));
    put(&w, "chain", b64_array_json(d->chain, d->chain_n));
    if (*err == 0)
        *err = w.err;
    return w.obj;
}

int clo_devices_section_write(const struct clo_devices *d, struct clo_buf *out)
{
    struct writer w = section_init();
    json_t *list = json_array();

    for (size_t i = 0; i < d->count; i++)
        if (json_array_append_new(list, device_json(&d->device[i], &w.err)) != 0 && w.err == 0)
            w.err = CLOISTER_E_MEMORY;
    put(&w, "devices", list);
    return writer_end(&w, out);
}

int clo_devices_section_write_empty(struct clo_buf *out)
{
    return clo_devices_section_write(&(struct clo_devices){0}, out);
}

static int device_read(const json_t *v, struct clo_device *d)
{
    struct clo_json_obj o = clo_json_obj_init(v);

    text(&o, "arch", d->arch, sizeof d->arch);
    if (o.err == 0 && !arch_ok(d->arch))
        set_error(&o, CLOISTER_E_MALFORMED);
    clo_json_obj_b64(&o, "report", CLO_DEVICE_REPORT_MAX, &d->report);
    b64_array(&o, "chain", CLO_CERT_MAX, d->chain, CLO_DEVICE_CHAIN_MAX, &d->chain_n);
    return clo_json_obj_end(&o);
}

int clo_devices_section_parse(const void *p, size_t n, struct clo_devices *ret)
{
    struct clo_devices d = {0};
    struct clo_json_obj o;
    const json_t *list;
    json_t *doc = NULL;
    int err;

    if ((err = section_read(p, n, &doc, &o)) != 0)
        return err;
    list = clo_json_obj_need(&o, "devices", JSON_ARRAY);
    if (json_array_size(list) > CLO_DEVICES_MAX)
        set_error(&o, CLOISTER_E_LIMIT);
    else if (json_array_size(list) > 0 &&
             (d.device = calloc(json_array_size(list), sizeof *d.device)) == NULL)
        set_error(&o, CLOISTER_E_MEMORY);
    for (size_t i = 0; o.err == 0 && d.device != NULL && i < json_array_size(list); i++) {
        d.count = i + 1;
        set_error(&o, device_read(json_array_get(list, i), &d.device[i]));
    }
    if ((err = clo_json_obj_end(&o)) == 0) {
        *ret = d;
        d = (struct clo_devices){0};
    }
    clo_devices_clear(&d);
    json_decref(doc);
    return err;
}

void clo_devices_clear(struct clo_devices *d)
{
    for (size_t i = 0; d->device != NULL && i < d->count; i++) {
        clo_buf_clear(&d->device[i].report);
        for (size_t k = 0; k < d->device[i].chain_n; k++)
            clo_buf_clear(&d->device[i].chain[k]);
    }
    free(d->device);
    *d = (struct clo_devices){0};
}

/* ---- collateral ---- */

static bool intel_there(const struct clo_collateral *c)
{
    return c->tcb_info.len != 0 || c->qe_identity.len != 0 || c->collateral_chain_n != 0;
}

int clo_collateral_write(const struct clo_collateral *c, struct clo_buf *out)
{
    struct writer w, intel;

    if (c->crls > CLO_CRLS_MAX || c->ocsps > CLO_OCSPS_MAX ||
        c->collateral_chain_n > CLO_CHAIN_MAX ||
        (intel_there(c) &&
         (c->tcb_info.len == 0 || c->qe_identity.len == 0 || c->collateral_chain_n == 0)))
        return CLOISTER_E_ARGUMENT;
    w = section_init();
    put(&w, "crls", b64_array_json(c->crl, c->crls));
    if (c->ocsps > 0)
        put(&w, "ocsp", b64_array_json(c->ocsp, c->ocsps));
    if (intel_there(c)) {
        intel = writer_init();
        put_blob(&intel, "tcb_info", &c->tcb_info);
        put_blob(&intel, "qe_identity", &c->qe_identity);
        put(&intel, "chain", b64_array_json(c->collateral_chain, c->collateral_chain_n));
        put_object(&w, "intel", &intel);
    }
    return writer_end(&w, out);
}

/* An optional list isn't empty: "absent" is said in one way. */
static void b64_some(struct clo_json_obj *o, const char *name, size_t max, struct clo_buf *dst,
                     size_t cap, size_t *count)
{
    b64_array(o, name, max, dst, cap, count);
    if (*count == 0)
        set_error(o, CLOISTER_E_MALFORMED);
}

static int intel_read(const json_t *v, struct clo_collateral *c)
{
    struct clo_json_obj o = clo_json_obj_init(v);

    b64_blob(&o, "tcb_info", CLO_TCB_INFO_MAX, &c->tcb_info);
    b64_blob(&o, "qe_identity", CLO_TCB_INFO_MAX, &c->qe_identity);
    b64_some(&o, "chain", CLO_CERT_MAX, c->collateral_chain, CLO_CHAIN_MAX, &c->collateral_chain_n);
    return clo_json_obj_end(&o);
}

int clo_collateral_parse(const void *p, size_t n, struct clo_collateral *ret)
{
    struct clo_collateral c = {0};
    struct clo_json_obj o;
    const json_t *intel;
    json_t *doc = NULL;
    int err;

    if ((err = section_read(p, n, &doc, &o)) != 0)
        return err;
    b64_array(&o, "crls", CLO_CRL_MAX, c.crl, CLO_CRLS_MAX, &c.crls);
    if (clo_json_obj_opt(&o, "ocsp", JSON_ARRAY) != NULL)
        b64_some(&o, "ocsp", CLO_OCSP_MAX, c.ocsp, CLO_OCSPS_MAX, &c.ocsps);
    if ((intel = clo_json_obj_opt(&o, "intel", JSON_OBJECT)) != NULL)
        set_error(&o, intel_read(intel, &c));
    if ((err = clo_json_obj_end(&o)) == 0) {
        *ret = c;
        c = (struct clo_collateral){0};
    }
    clo_collateral_clear(&c);
    json_decref(doc);
    return err;
}

void clo_collateral_clear(struct clo_collateral *c)
{
    for (size_t i = 0; i < c->crls; i++)
        clo_buf_clear(&c->crl[i]);
    for (size_t i = 0; i < c->ocsps; i++)
        clo_buf_clear(&c->ocsp[i]);
    for (size_t i = 0; i < c->collateral_chain_n; i++)
        clo_buf_clear(&c->collateral_chain[i]);
    clo_buf_clear(&c->tcb_info);
    clo_buf_clear(&c->qe_identity);
    memset(c, 0, sizeof *c);
}

/* ---- batch ---- */

int clo_batch_section_write(const struct clo_batch_section *b, struct clo_buf *out)
{
    struct writer w;
    json_t *path = NULL;

    if (b->path_n > CLO_BATCH_PATH_MAX || b->index >= b->size || b->size > CLO_BATCH_MAX)
        return CLOISTER_E_ARGUMENT;
    w = section_init();
    put(&w, "root", hex_json(b->root));
    put(&w, "index", json_integer(b->index));
    put(&w, "size", json_integer(b->size));
    put(&w, "path", path = json_array());
    for (size_t i = 0; i < b->path_n && w.err == 0; i++)
        if (json_array_append_new(path, hex_json(b->path[i])) != 0)
            w.err = CLOISTER_E_MEMORY;
    return writer_end(&w, out);
}

int clo_batch_section_parse(const void *p, size_t n, struct clo_batch_section *ret)
{
    struct clo_batch_section b = {0};
    struct clo_json_obj o;
    const json_t *path;
    json_t *doc = NULL;
    int err;

    if ((err = section_read(p, n, &doc, &o)) != 0)
        return err;
    clo_json_obj_hex(&o, "root", b.root, sizeof b.root);
    b.size = (uint32_t)clo_json_obj_int(&o, "size", 1, CLO_BATCH_MAX);
    b.index = (uint32_t)clo_json_obj_int(&o, "index", 0, CLO_BATCH_MAX - 1);
    path = clo_json_obj_need(&o, "path", JSON_ARRAY);
    if (b.index >= b.size || json_array_size(path) > CLO_BATCH_PATH_MAX)
        set_error(&o, CLOISTER_E_MALFORMED);
    for (size_t i = 0; i < json_array_size(path) && o.err == 0; i++) {
        const json_t *v = json_array_get(path, i);

        if (!json_is_string(v))
            set_error(&o, CLOISTER_E_MALFORMED);
        else
            set_error(&o, clo_unhex(json_string_value(v), json_string_length(v), b.path[i], 32));
    }
    b.path_n = json_array_size(path);
    if ((err = clo_json_obj_end(&o)) == 0)
        *ret = b;
    json_decref(doc);
    return err;
}

/* ---- the evidence document ---- */

int clo_evidence_write(const struct clo_section_ref sec[CLO_SEC_COUNT], struct clo_buf *out)
{
    struct writer w = section_init();
    struct writer all = writer_init();

    for (size_t i = 0; i < CLO_SEC_COUNT; i++) {
        struct writer one = writer_init();

        if (sec[i].p != NULL)
            put(&one, "bytes", b64_json(sec[i].p, sec[i].n));
        else if (sec[i].digest != NULL)
            put(&one, "sha256", hex_json(sec[i].digest));
        else
            one.err = CLOISTER_E_ARGUMENT;
        put_object(&all, section_name[i], &one);
    }
    put_object(&w, "sections", &all);
    return writer_end(&w, out);
}
