/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of evidence_table.json as evidence: files found by their digests under $CLOISTER_VECTORS, the pieces that a row takes of
 * them, and its policy and roots. Include after <cmocka.h>. A missing folder skips the test; everything else that doesn't fit the table fails
 * it.
 */
#ifndef CLO_TEST_EVIDENCE_ROWS_H
#define CLO_TEST_EVIDENCE_ROWS_H

#include <dirent.h>

#include "attest/roots.h"
#include "attest/sections.h"
#include "vectors.h"

#define FILES_MAX 512
#define BYTES_MAX (1u << 20)

static json_t *table;

/* ---- files, by what they hold ---- */

static struct {
    char path[FILES_MAX][512];
    char sha256[FILES_MAX][65];
    size_t n;
} shelf;

static inline void file_whole(const char *path, struct clo_buf *ret)
{
    uint8_t chunk[4096];
    FILE *in = fopen(path, "rb");
    size_t n;

    assert_non_null(in);
    *ret = clo_buf_init(BYTES_MAX);
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0)
        assert_int_equal(clo_buf_append(ret, chunk, n), 0);
    assert_int_equal(fclose(in), 0);
}

/* Folders inside the first one; the files beside them describe the set and aren't of it. */
static inline void shelf_fill(const char *folder, unsigned depth)
{
    DIR *d = opendir(folder);
    const struct dirent *e;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        char path[512];
        struct stat st;
        uint8_t digest[32];
        struct clo_buf b;

        if (e->d_name[0] == '.')
            continue;
        assert_true((size_t)snprintf(path, sizeof path, "%s/%s", folder, e->d_name) < sizeof path);
        assert_int_equal(stat(path, &st), 0);
        if (S_ISDIR(st.st_mode))
            shelf_fill(path, depth + 1);
        if (!S_ISREG(st.st_mode) || depth == 0)
            continue;
        file_whole(path, &b);
        assert_int_equal(clo_sha256(b.p, b.len, digest), 0);
        clo_buf_clear(&b);
        assert_true(shelf.n < FILES_MAX);
        memcpy(shelf.path[shelf.n], path, sizeof path);
        clo_hex(digest, 32, shelf.sha256[shelf.n]);
        shelf.n++;
    }
    (void)closedir(d);
}

static inline void shelf_load(void)
{
    const char *folder = getenv("CLOISTER_VECTORS");
    char path[512];
    struct stat st;

    if (folder == NULL || stat(folder, &st) != 0)
        skip();
    (void)snprintf(path, sizeof path, "%s/attestation", folder);
    if (shelf.n == 0)
        shelf_fill(path, 0);
}

static inline const char *shelf_find(const char *sha256)
{
    for (size_t i = 0; i < shelf.n; i++)
        if (strcmp(shelf.sha256[i], sha256) == 0)
            return shelf.path[i];
    return NULL;
}

/* ---- a piece of a file ---- */

/* RFC 6901, without the escapes that nothing here needs. */
static inline json_t *json_at(json_t *doc, const char *pointer)
{
    while (*pointer == '/' && doc != NULL) {
        const size_t n = strcspn(pointer + 1, "/");
        char name[128];

        assert_true(n < sizeof name);
        memcpy(name, pointer + 1, n);
        name[n] = '\0';
        doc = json_is_array(doc) ? json_array_get(doc, strtoul(name, NULL, 10))
                                 : json_object_get(doc, name);
        pointer += 1 + n;
    }
    assert_non_null(doc);
    return doc;
}

static inline void base64_append(const char *s, struct clo_buf *out)
{
    struct clo_buf text = clo_buf_init(BYTES_MAX), raw = clo_buf_init(BYTES_MAX);
    size_t n = 0;

    for (; *s != '\0' && *s != '='; s++) {
        const char c = *s == '+' ? '-' : *s == '/' ? '_' : *s;

        if (c != '\n' && c != '\r')
            assert_int_equal(clo_buf_append(&text, &c, 1), 0);
    }
    assert_int_equal(clo_buf_append(&raw, text.p, text.len), 0); /* room enough */
    assert_int_equal(clo_unb64((const char *)text.p, text.len, raw.p, raw.len, &n), 0);
    assert_int_equal(clo_buf_append(out, raw.p, n), 0);
    clo_buf_clear(&text);
    clo_buf_clear(&raw);
}

/* Text as `as` says it is encoded, numbers as bytes, arrays one element behind the other. */
static inline void json_bytes(const json_t *v, const char *as, struct clo_buf *out)
{
    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++)
            json_bytes(json_array_get(v, i), as, out);
    } else if (json_is_integer(v)) {
        const uint8_t b = (uint8_t)json_integer_value(v);

        assert_int_equal(clo_buf_append(out, &b, 1), 0);
    } else {
        const char *s = json_string_value(v);

        assert_non_null(s);
        if (strcmp(as, "hex") == 0) {
            static uint8_t raw[BYTES_MAX / 2];
            const size_t n = strlen(s) / 2;

            assert_true(n <= sizeof raw);
            assert_int_equal(clo_unhex(s, 2 * n, raw, n), 0);
            assert_int_equal(clo_buf_append(out, raw, n), 0);
        } else if (strcmp(as, "base64") == 0) {
            base64_append(s, out);
        } else {
            assert_string_equal(as, "text");
            assert_int_equal(clo_buf_append(out, s, strlen(s)), 0);
        }
    }
}

/* A signed answer as its sender sends it, out of the two texts that a container keeps of it. */
static inline void json_wrap(json_t *doc, const json_t *wrap, struct clo_buf *out)
{
    const char *member = json_string_value(json_array_get(wrap, 0));
    const char *text = json_string_value(json_at(doc, json_string_value(json_array_get(wrap, 1))));
    const char *sig = json_string_value(json_at(doc, json_string_value(json_array_get(wrap, 2))));
    const char *const part[] = {"{\"", member, "\":", text, ",\"signature\":\"", sig, "\"}"};

    for (size_t i = 0; i < CLO_ARRAY_LEN(part); i++)
        assert_int_equal(clo_buf_append(out, part[i], strlen(part[i])), 0);
}

/* The length that the first DER element says it has, with its head. */
static inline size_t der_length(const struct clo_buf *b)
{
    assert_true(b->len > 4 && b->p[0] == 0x30 && b->p[1] == 0x82);
    return 4u + (size_t)(b->p[2] << 8 | b->p[3]);
}

/* The i-th PEM block as DER, appended. */
static inline void pem_block(const struct clo_buf *b, size_t i, const char *label,
                             struct clo_buf *out)
{
    const char *p = (const char *)b->p;
    size_t n = b->len;

    for (size_t k = 0; k <= i; k++) {
        struct clo_buf der = clo_buf_init(BYTES_MAX);

        assert_int_equal(clo_pem_next(&p, &n, label, &der), 0);
        if (k == i)
            assert_int_equal(clo_buf_append(out, der.p, der.len), 0);
        clo_buf_clear(&der);
    }
}

static inline void piece_json(const json_t *piece, struct clo_buf *b)
{
    const char *pointer = json_string_value(json_object_get(piece, "json"));
    const char *as = json_string_value(json_object_get(piece, "as"));
    const json_t *wrap = json_object_get(piece, "wrap");
    struct clo_buf out = clo_buf_init(BYTES_MAX);
    json_t *doc;

    if (pointer == NULL && wrap == NULL)
        return;
    doc = json_loadb((const char *)b->p, b->len, 0, NULL);
    assert_non_null(doc);
    if (wrap != NULL)
        json_wrap(doc, wrap, &out);
    else
        json_bytes(json_at(doc, pointer), as != NULL ? as : "text", &out);
    json_decref(doc);
    clo_buf_clear(b);
    *b = out;
}

/* The whole of a piece, but for its PEM blocks. */
static inline void piece_load(const json_t *piece, struct clo_buf *b)
{
    const json_t *bytes = json_object_get(piece, "bytes");
    const char *path = shelf_find(vec_str(piece, "file"));
    size_t from = 0, n;

    if (path == NULL)
        fail_msg("no file has the digest %s", vec_str(piece, "file"));
    file_whole(path, b);
    piece_json(piece, b);
    n = b->len;
    if (bytes != NULL) {
        from = (size_t)json_integer_value(json_array_get(bytes, 0));
        n = (size_t)json_integer_value(json_array_get(bytes, 1));
    }
    if (json_is_true(json_object_get(piece, "der")))
        n = der_length(b);
    assert_true(from + n <= b->len);
    memmove(b->p, b->p + from, n);
    b->len = n;
}

/* A row's i-th certificate, or whatever stands there, as DER; false beyond the last. */
static inline bool part_der(const json_t *row, size_t i, struct clo_buf *ret)
{
    const json_t *parts = json_object_get(row, "part");

    for (size_t k = 0; k < json_array_size(parts); k++) {
        const json_t *piece = json_array_get(parts, k), *pem = json_object_get(piece, "pem");
        const char *label = json_string_value(json_object_get(piece, "label"));
        const size_t here = pem != NULL ? json_array_size(pem) : 1;
        struct clo_buf b;

        if (i >= here) {
            i -= here;
            continue;
        }
        piece_load(piece, &b);
        if (pem == NULL) {
            *ret = b;
            return true;
        }
        *ret = clo_buf_init(BYTES_MAX);
        pem_block(&b, (size_t)json_integer_value(json_array_get(pem, i)),
                  label != NULL ? label : "CERTIFICATE", ret);
        clo_buf_clear(&b);
        return true;
    }
    return false;
}

static inline struct clo_cert *part_cert(const json_t *row, size_t i)
{
    struct clo_cert *c = NULL;
    struct clo_buf der;

    if (!part_der(row, i, &der))
        return NULL;
    assert_int_equal(clo_cert_parse(der.p, der.len, &c), 0);
    clo_buf_clear(&der);
    return c;
}

/* ---- evidence ---- */

static inline enum cloister_raw_item item_of(const char *name)
{
    static const struct {
        const char *name;
        enum cloister_raw_item item;
    } items[] = {
        {"report", CLOISTER_ITEM_REPORT},
        {"certificates", CLOISTER_ITEM_CERTIFICATES},
        {"crl", CLOISTER_ITEM_CRL},
        {"tcb-info", CLOISTER_ITEM_TCB_INFO},
        {"qe-identity", CLOISTER_ITEM_QE_IDENTITY},
        {"collateral-chain", CLOISTER_ITEM_COLLATERAL_CHAIN},
        {"td-quote", CLOISTER_ITEM_TD_QUOTE},
        {"tpm-quote", CLOISTER_ITEM_TPM_QUOTE},
        {"tpm-signature", CLOISTER_ITEM_TPM_SIGNATURE},
        {"tpm-key", CLOISTER_ITEM_TPM_KEY},
        {"pcrs", CLOISTER_ITEM_PCRS},
        {"event-log", CLOISTER_ITEM_EVENT_LOG},
    };

    for (size_t i = 0; i < CLO_ARRAY_LEN(items); i++)
        if (strcmp(items[i].name, name) == 0)
            return items[i].item;
    fail_msg("no item %s", name);
    return CLOISTER_ITEM_REPORT;
}

/* 0: rows of this kind are no evidence. */
static inline enum cloister_raw_type type_of(const char *kind)
{
    static const struct {
        const char *kind;
        enum cloister_raw_type type;
    } types[] = {
        {"sev-snp", CLOISTER_RAW_SEV_SNP}, {"tdx", CLOISTER_RAW_TDX},
        {"sgx", CLOISTER_RAW_SGX},         {"azure", CLOISTER_RAW_AZURE},
        {"nvidia", CLOISTER_RAW_NVIDIA},   {"tpm", CLOISTER_RAW_TPM},
    };

    for (size_t i = 0; i < CLO_ARRAY_LEN(types); i++)
        if (strcmp(types[i].kind, kind) == 0)
            return types[i].type;
    return 0;
}

/* What the verifier is given, in its order. */
struct evidence_piece {
    enum cloister_raw_item item;
    struct clo_buf b;
};
#define EVIDENCE_PIECES_MAX 32
static inline size_t evidence_pieces(const json_t *row,
                                     struct evidence_piece piece[EVIDENCE_PIECES_MAX])
{
    const json_t *items = json_object_get(row, "items");
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i), *pem = json_object_get(item, "pem");
        const enum cloister_raw_item id = item_of(vec_str(item, "item"));
        struct clo_buf b;

        piece_load(item, &b);
        assert_true(n + json_array_size(pem) < EVIDENCE_PIECES_MAX);
        for (size_t k = 0; k < json_array_size(pem); k++, n++) {
            piece[n] = (struct evidence_piece){id, clo_buf_init(BYTES_MAX)};
            pem_block(&b, (size_t)json_integer_value(json_array_get(pem, k)), "CERTIFICATE",
                      &piece[n].b);
        }
        if (pem == NULL)
            piece[n++] = (struct evidence_piece){id, b};
        else
            clo_buf_clear(&b);
    }
    return n;
}

/* What the row expects the evidence to cover. */
static inline int evidence_expect(const json_t *row, struct cloister_raw *raw)
{
    const char *expect = json_string_value(json_object_get(row, "expect"));
    const json_t *piece = json_object_get(row, "expect_from");
    struct vec v;

    if (json_is_true(json_object_get(row, "any"))) {
        cloister_raw_expect_any(raw);
        return 0;
    }
    v = vec_unhex(expect);
    if (piece != NULL) { /* recorded as a file of its own */
        struct clo_buf b;

        piece_load(piece, &b);
        assert_int_equal(b.len, v.n);
        assert_memory_equal(b.p, v.p, v.n);
        clo_buf_clear(&b);
    }
    return cloister_raw_expect(raw, v.p, v.n);
}

static inline struct cloister_raw *evidence_make(const json_t *row, bool bound)
{
    struct evidence_piece piece[EVIDENCE_PIECES_MAX];
    const size_t n = evidence_pieces(row, piece);
    struct cloister_raw *raw = NULL;

    assert_int_equal(cloister_raw_new(type_of(vec_str(row, "kind")), &raw), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(cloister_raw_add(raw, piece[i].item, piece[i].b.p, piece[i].b.len), 0);
        clo_buf_clear(&piece[i].b);
    }
    if (bound)
        assert_int_equal(evidence_expect(row, raw), 0);
    return raw;
}

/* RFC 7396. */
static inline void merge_patch(json_t *to, const json_t *patch)
{
    const char *name;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)patch, name, v) {
        json_t *old = json_object_get(to, name);

        if (json_is_null(v))
            assert_int_equal(json_object_del(to, name),
                             0); /* what isn't there needn't be taken out */
        else if (json_is_object(v) && json_is_object(old))
            merge_patch(old, v);
        else
            assert_int_equal(json_object_set(to, name, v), 0);
    }
}

static inline struct cloister_policy *policy_make(const json_t *row)
{
    const json_t *named = json_object_get(json_object_get(table, "policies"),
                                          vec_str(row, "policy"));
    const json_t *but = json_object_get(row, "but");
    struct cloister_policy *p = NULL;
    char *text, why[200];
    json_t *copy;

    assert_non_null(named);
    assert_non_null(copy = json_deep_copy(named));
    if (but != NULL)
        merge_patch(copy, but);
    assert_non_null(text = json_dumps(copy, JSON_COMPACT));
    if (cloister_policy_check(text, strlen(text), why, sizeof why) != 0)
        fail_msg("%s: %s", vec_str(row, "name"), why);
    assert_int_equal(cloister_policy_parse(text, strlen(text), &p), 0);
    free(text);
    json_decref(copy);
    return p;
}

/* The row's own roots, or NULL for the built-in ones. */
static inline struct cloister_roots *roots_make(const json_t *row)
{
    const json_t *own = json_object_get(row, "roots");
    struct cloister_roots *r = NULL;
    struct clo_buf der;

    if (own == NULL)
        return NULL;
    assert_int_equal(cloister_roots_new(&r), 0);
    for (unsigned intel = 0; intel < 2; intel++) {
        json_t *list = json_object_get(own, intel ? "intel" : "tpm"), *parts;

        if (list == NULL)
            continue;
        assert_non_null(parts = json_pack("{s:O}", "part", list));
        for (size_t i = 0; part_der(parts, i, &der); i++) {
            assert_int_equal(intel ? cloister_roots_add_intel(r, der.p, der.len)
                                   : cloister_roots_add_tpm(r, der.p, der.len),
                             0);
            clo_buf_clear(&der);
        }
        json_decref(parts);
    }
    return r;
}

static inline const json_t *row_named(const char *name)
{
    const json_t *rows = json_object_get(table, "rows");

    for (size_t i = 0; i < json_array_size(rows); i++)
        if (strcmp(vec_str(json_array_get(rows, i), "name"), name) == 0)
            return json_array_get(rows, i);
    fail_msg("no row %s", name);
    return NULL;
}

#endif
