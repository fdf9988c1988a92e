/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded evidence of every kind against evidence_table.json, through the public interface: each row ends in its verdict, and by
 * the check that it names. The table is the project's own, keyed by the files' SHA-256; the files come from
 * $CLOISTER_VECTORS. Rows about certificates, lists and containers have what they say asserted as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "attest/spdm.h"
#include "attest/tpm.h"
#include "crypto/crypto.h"
#include "evidence_rows.h"

#define ROWS_MAX 1024

/* ---- a verdict against its row ---- */

/* Names of the checks with this status, one space between two. */
static void names_with(const struct cloister_verdict *v, enum cloister_check_status status,
                       char *dst, size_t cap)
{
    dst[0] = '\0';
    for (size_t i = 0; i < v->checks; i++) {
        if (v->check[i].status != status)
            continue;
        if (dst[0] != '\0')
            strncat(dst, " ", cap - strlen(dst) - 1);
        strncat(dst, cloister_check_name(v->check[i].id), cap - strlen(dst) - 1);
    }
}

static const char *outcome_name(const struct cloister_verdict *v)
{
    switch (v->outcome) {
    case CLOISTER_VERIFIED: return "accept";
    case CLOISTER_REFUSED: return "reject";
    case CLOISTER_INDETERMINATE: return "indeterminate";
    case CLOISTER_MALFORMED: return "malformed";
    case CLOISTER_NOT_VERIFIED: break;
    }
    return "not verified";
}

/* What the row says of this status: its own list, or the check that decides and nothing else. */
static const char *wanted(const json_t *row, const char *member, const char *verdict)
{
    const char *list = json_string_value(json_object_get(row, member));
    const char *decides = json_string_value(json_object_get(row, "decides"));

    if (list != NULL)
        return list;
    return strcmp(vec_str(row, "verdict"), verdict) == 0 && decides != NULL ? decides : "";
}

static bool has_name(const char *list, const char *name)
{
    const size_t n = strlen(name);

    for (const char *at = list; (at = strstr(at, name)) != NULL; at += n)
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

static void print_row(const json_t *row, const char *outcome)
{
    const char *decides = json_string_value(json_object_get(row, "decides"));

    print_message("# %-44s %-13s %-24s %s\n", vec_str(row, "name"), outcome,
                  decides != NULL ? decides : "-", vec_str(row, "what"));
}

static void assert_passes(const json_t *row, const struct cloister_verdict *v)
{
    const json_t *list = json_object_get(row, "passes");
    char got[8192];

    names_with(v, CLOISTER_CHECK_PASS, got, sizeof got);
    for (size_t i = 0; i < json_array_size(list); i++)
        assert_true(has_name(got, json_string_value(json_array_get(list, i))));
}

/* For whoever has to find out: what failed or was missing, and why. */
static void print_reasons(const json_t *row, const struct cloister_verdict *v, const char *fails,
                          const char *lacks)
{
    if (strcmp(outcome_name(v), vec_str(row, "verdict")) == 0 &&
        strcmp(fails, wanted(row, "fails", "reject")) == 0 &&
        strcmp(lacks, wanted(row, "lacks", "indeterminate")) == 0)
        return;
    print_message("# %s: fails \"%s\" lacks \"%s\"\n", vec_str(row, "name"), fails, lacks);
    for (size_t i = 0; i < v->checks; i++) {
        const struct cloister_check *c = &v->check[i];

        if (c->status == CLOISTER_CHECK_FAIL || c->status == CLOISTER_CHECK_MISSING)
            print_message("#   %s %s: %s (%.40s, not %.40s)\n",
                          c->status == CLOISTER_CHECK_FAIL ? "fails" : "lacks",
                          cloister_check_name(c->id), c->reason, c->actual, c->expected);
    }
}

static void assert_decided(const json_t *row, const struct cloister_verdict *v)
{
    const char *decides = json_string_value(json_object_get(row, "decides"));
    char fails[8192], lacks[8192];

    names_with(v, CLOISTER_CHECK_FAIL, fails, sizeof fails);
    names_with(v, CLOISTER_CHECK_MISSING, lacks, sizeof lacks);
    print_reasons(row, v, fails, lacks);
    assert_string_equal(outcome_name(v), vec_str(row, "verdict"));
    assert_string_equal(fails, wanted(row, "fails", "reject"));
    assert_string_equal(lacks, wanted(row, "lacks", "indeterminate"));
    assert_true((decides == NULL) == (v->outcome == CLOISTER_VERIFIED));
    if (decides != NULL)
        assert_true(has_name(v->outcome == CLOISTER_REFUSED ? fails : lacks, decides));
    assert_passes(row, v);
}

/* What is accepted is so for its time, its policy and its binding alone. */
static void assert_no_more_than_that(const json_t *row, const struct cloister_raw *raw,
                                     const struct cloister_policy *policy,
                                     const struct cloister_roots *roots, int64_t until)
{
    static struct cloister_verdict v;
    struct cloister_raw *unbound = evidence_make(row, false);

    if (until <
        CLO_TIME_MAX) { /* a key that the policy pins has no end, and NVIDIA's certificates neither */
        assert_int_equal(cloister_raw_appraise(raw, policy, roots, until - 1, &v), 0);
        assert_int_equal(cloister_raw_appraise(raw, policy, roots, until, &v), CLOISTER_E_REFUSED);
    }
    /* Without a policy the evidence is shown to be authentic, and no more. */
    assert_int_equal(cloister_raw_appraise(raw, NULL, roots,
                                           json_integer_value(json_object_get(row, "time")), &v),
                     CLOISTER_E_INDETERMINATE);
    assert_int_equal(cloister_raw_appraise(unbound, policy, roots,
                                           json_integer_value(json_object_get(row, "time")), &v),
                     CLOISTER_E_INDETERMINATE);
    cloister_raw_free(unbound);
}

static void assert_evidence(const json_t *row)
{
    struct cloister_raw *raw = evidence_make(row, true);
    struct cloister_policy *policy = policy_make(row);
    struct cloister_roots *roots = roots_make(row);
    static struct cloister_verdict v;
    const int64_t now = json_integer_value(json_object_get(row, "time"));
    int err;

    memset(&v, 0, sizeof v);
    err = cloister_raw_appraise(raw, policy, roots != NULL ? roots : cloister_roots_builtin(), now,
                                &v);
    assert_int_equal(err == 0, v.outcome == CLOISTER_VERIFIED);
    print_row(row, outcome_name(&v));
    assert_decided(row, &v);
    if (v.outcome == CLOISTER_VERIFIED) {
        assert_true(v.valid_until > now);
        assert_no_more_than_that(row, raw, policy, roots != NULL ? roots : cloister_roots_builtin(),
                                 v.valid_until);
    }
    cloister_raw_free(raw);
    cloister_policy_free(policy);
    cloister_roots_free(roots);
}

/* ---- other rows ---- */

static bool same_der(const struct clo_root *root, const struct clo_buf *der)
{
    return root->der != NULL && root->n == der->len && memcmp(root->der, der->p, der->len) == 0;
}

static bool is_anchor(const json_t *row)
{
    const struct cloister_roots *r = cloister_roots_builtin();
    const char *vendor = vec_str(row, "vendor");
    struct clo_buf der;
    bool same = false;

    assert_true(part_der(row, 0, &der));
    for (unsigned p = CLO_SNP_MILAN; p < CLO_SNP_PRODUCTS; p++)
        if (strcmp(vendor, "amd") == 0 &&
            strcmp(vec_str(row, "product"), clo_snp_product_name(p)) == 0)
            same = same_der(&r->amd[p], &der);
    if (strcmp(vendor, "intel") == 0)
        same = same_der(&r->intel, &der);
    if (strcmp(vendor, "nvidia") == 0)
        same = same_der(&r->nvidia, &der);
    clo_buf_clear(&der);
    return same;
}

static bool is_rim_root(const json_t *row)
{
    struct clo_cert *c = part_cert(row, 0);
    uint8_t digest[32];
    char hex[65];

    clo_cert_digest(c, digest);
    clo_hex(digest, 32, hex);
    clo_cert_free(c);
    return strcmp(hex, vec_str(row, "cert_sha256")) == 0;
}

static bool signed_somehow(const struct clo_cert *c, const struct clo_cert *issuer, bool amd)
{
    static const enum clo_sig_profile any[] = {CLO_SIG_RSA_SHA256, CLO_SIG_RSA_SHA384,
                                               CLO_SIG_ECDSA_P256_SHA256,
                                               CLO_SIG_ECDSA_P384_SHA384};

    if (amd)
        return clo_cert_signed_by(c, issuer, CLO_SIG_RSA_PSS_SHA384) == 0;
    for (size_t i = 0; i < CLO_ARRAY_LEN(any); i++)
        if (clo_cert_signed_by(c, issuer, any[i]) == 0)
            return true;
    return false;
}

/* Each signed by the next, the last one by itself, all within their dates. */
static bool is_chain(const json_t *row)
{
    const int64_t now = json_integer_value(json_object_get(row, "time"));
    const bool amd = strcmp(vec_str(row, "profile"), "rsa-pss-sha384") == 0;
    struct clo_cert *c = part_cert(row, 0), *next;
    bool right = true;

    for (size_t i = 1; c != NULL; i++) {
        next = part_cert(row, i);
        right = right && clo_cert_not_before(c) <= now && now < clo_cert_not_after(c) &&
                signed_somehow(c, next != NULL ? next : c, amd);
        if (i > 1)
            assert_true(clo_cert_is_ca(c));
        clo_cert_free(c);
        c = next;
    }
    return right;
}

static bool crl_revokes(const json_t *row)
{
    struct clo_cert *leaf = part_cert(row, 0), *ca = part_cert(row, 1);
    struct clo_crl *crl = NULL;
    struct clo_buf der;
    bool right;

    assert_true(part_der(row, 2, &der));
    assert_int_equal(clo_crl_parse(der.p, der.len, &crl), 0);
    right = clo_crl_signed_by(crl, ca, CLO_SIG_ECDSA_P256_SHA256) == 0 &&
            clo_cert_signed_by(leaf, ca, CLO_SIG_ECDSA_P256_SHA256) == 0 &&
            clo_crl_revokes(crl, leaf) && !clo_crl_revokes(crl, ca);
    clo_buf_clear(&der);
    clo_crl_free(crl);
    clo_cert_free(leaf);
    clo_cert_free(ca);
    return right;
}

static bool key_signs(const json_t *row)
{
    struct clo_key *key = NULL;
    struct clo_buf part[3];
    bool right;

    for (size_t i = 0; i < 3; i++)
        assert_true(part_der(row, i, &part[i]));
    assert_int_equal(clo_key_of_spki(part[0].p, part[0].len, &key), 0);
    right = clo_key_verify(key, CLO_KEY_RSASSA, CLO_SHA256, part[1].p, part[1].len, part[2].p,
                           part[2].len) == 0;
    clo_key_free(key);
    for (size_t i = 0; i < 3; i++)
        clo_buf_clear(&part[i]);
    return right;
}

static bool log_replays(const json_t *row)
{
    const json_t *registers = json_object_get(row, "registers");
    const bool sha384 = strcmp(vec_str(row, "alg"), "sha384") == 0;
    static struct clo_event_replay r;
    struct clo_buf log;
    size_t extended = 0;

    assert_true(part_der(row, 0, &log));
    assert_int_equal(
        clo_event_log_replay(log.p, log.len, sha384 ? CLO_EVENT_SHA384 : CLO_EVENT_SHA256, &r), 0);
    clo_buf_clear(&log);
    assert_int_equal(r.events, vec_uint(row, "events"));
    for (unsigned i = 0; i < CLO_EVENT_REGISTERS; i++) {
        char name[8], hex[97];
        const char *want;

        (void)snprintf(name, sizeof name, "%u", i);
        want = json_string_value(json_object_get(registers, name));
        assert_int_equal((r.extended >> i & 1) != 0, want != NULL);
        if (want == NULL)
            continue;
        extended++;
        clo_hex(r.value[i], sha384 ? 48 : 32, hex);
        assert_string_equal(hex, want);
    }
    return extended == json_object_size(registers) && extended > 0;
}

/* A container's pieces are files of their own: the same bytes. */
static bool holds_pieces(const json_t *row)
{
    const json_t *parts = json_object_get(row, "part");

    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *piece = json_array_get(parts, i);
        struct clo_buf b;
        uint8_t digest[32];
        char hex[65];

        piece_load(piece, &b);
        assert_int_equal(clo_sha256(b.p, b.len, digest), 0);
        clo_buf_clear(&b);
        clo_hex(digest, 32, hex);
        assert_string_equal(hex, vec_str(piece, "same"));
    }
    return json_array_size(parts) > 0;
}

/* A JSON Web Token's claims are the ones written beside it. Who signed it is another verifier's business. */
static bool token_says(const json_t *row)
{
    json_t *doc[2], *claims, *token, *want;
    const char *at, *end;
    struct clo_buf raw = clo_buf_init(BYTES_MAX);
    char *text;
    bool same;

    for (size_t i = 0; i < 2; i++) {
        const json_t *piece = json_array_get(json_object_get(row, "part"), i);
        const char *path = shelf_find(vec_str(piece, "file"));

        assert_non_null(path);
        assert_non_null(doc[i] = json_load_file(path, 0, NULL));
    }
    token = json_at(doc[0], vec_str(json_array_get(json_object_get(row, "part"), 0), "json"));
    want = json_at(doc[1], vec_str(json_array_get(json_object_get(row, "part"), 1), "json"));
    assert_non_null(at = strchr(json_string_value(token), '.'));
    assert_non_null(end = strchr(at + 1, '.'));
    assert_non_null(text = strndup(at + 1, (size_t)(end - at - 1)));
    base64_append(text, &raw);
    free(text);
    claims = json_loadb((const char *)raw.p, raw.len, 0, NULL);
    same = claims != NULL && json_equal(claims, want) == 1;
    json_decref(claims);
    json_decref(doc[0]);
    json_decref(doc[1]);
    clo_buf_clear(&raw);
    return same;
}

/* ---- what others read in the same reports ---- */

static void hex_lower(const uint8_t *p, size_t n, char *dst)
{
    assert_true(n <= 64);
    clo_hex(p, n, dst);
}

/* The leaf's serial number in decimal, as others print it. */
static void serial_text(const json_t *of, char dst[256])
{
    const json_t *items = json_object_get(of, "items");
    const uint8_t *serial = NULL;
    uint8_t left[32];
    struct clo_cert *c = NULL;
    struct clo_buf pem, der = clo_buf_init(BYTES_MAX);
    char digit[256];
    size_t n = 0, digits = 0;

    piece_load(json_array_get(items, 1), &pem);
    pem_block(&pem, 0, "CERTIFICATE", &der);
    assert_int_equal(clo_cert_parse(der.p, der.len, &c), 0);
    assert_int_equal(clo_cert_serial(c, &serial, &n), 0);
    assert_true(n <= sizeof left);
    memcpy(left, serial, n);
    for (bool more = true; more;) {
        unsigned rest = 0;

        more = false;
        for (size_t i = 0; i < n; i++) {
            rest = rest << 8 | left[i];
            left[i] = (uint8_t)(rest / 10);
            rest %= 10;
            more = more || left[i] != 0;
        }
        digit[digits++] = (char)('0' + rest);
    }
    for (size_t i = 0; i < digits; i++)
        dst[i] = digit[digits - 1 - i];
    dst[digits] = '\0';
    clo_cert_free(c);
    clo_buf_clear(&pem);
    clo_buf_clear(&der);
}

static void reading(const json_t *of, const struct clo_spdm_report *r, const char *what,
                    char dst[256])
{
    static const struct {
        const char *what;
        enum clo_spdm_field_id id;
    } text[] = {
        {"driver", CLO_SPDM_DRIVER_VERSION},
        {"project", CLO_SPDM_PROJECT},
        {"project_sku", CLO_SPDM_PROJECT_SKU},
        {"chip_sku", CLO_SPDM_CHIP_SKU},
    };
    unsigned block = 0;

    dst[0] = '\0';
    if (sscanf(what, "measurement %u", &block) == 1) {
        assert_true(block >= 1 && block <= r->blocks);
        hex_lower(r->block[block - 1].p, r->block[block - 1].n, dst);
    } else if (strcmp(what, "nonce") == 0) {
        hex_lower(r->nonce, sizeof r->nonce, dst);
    } else if (strcmp(what, "vbios") == 0) {
        assert_int_equal(clo_spdm_vbios(r, dst), 0);
    } else if (strcmp(what, "fwid") == 0) {
        const struct clo_spdm_field *f = clo_spdm_find(r, CLO_SPDM_FWID);

        assert_non_null(f);
        hex_lower(f->p, f->n, dst);
    } else if (strcmp(what, "signature") == 0) {
        hex_lower(r->r, 48, dst);
        hex_lower(r->s, 48, dst + 96);
    } else if (strcmp(what, "serial") == 0) {
        serial_text(of, dst);
    } else {
        for (size_t i = 0; i < CLO_ARRAY_LEN(text); i++)
            if (strcmp(text[i].what, what) == 0)
                assert_int_equal(clo_spdm_text(r, text[i].id, dst, 256), 0);
        assert_string_not_equal(dst, "");
    }
}

/* The same text, whatever the case of its letters, and with or without 0x. */
static bool same_text(const char *theirs, const char *ours)
{
    if (strncmp(theirs, "0x", 2) == 0)
        theirs += 2;
    while (*theirs != '\0' && (*theirs | 0x20) == (*ours | 0x20)) {
        theirs++;
        ours++;
    }
    return *theirs == '\0' && *ours == '\0';
}

static bool read_alike(const json_t *row)
{
    const json_t *of = row_named(vec_str(row, "of")), *agree = json_object_get(row, "agree");
    const json_t *piece = json_array_get(json_object_get(row, "part"), 0);
    json_t *doc = json_load_file(shelf_find(vec_str(piece, "file")), 0, NULL);
    struct clo_spdm_report r;
    struct clo_buf report;

    assert_non_null(doc);
    piece_load(json_array_get(json_object_get(of, "items"), 0), &report);
    assert_int_equal(clo_spdm_parse(report.p, report.len, &r), 0);
    for (size_t i = 0; i < json_array_size(agree); i++) {
        const json_t *pair = json_array_get(agree, i);
        const char *theirs = json_string_value(
            json_at(doc, json_string_value(json_array_get(pair, 0))));
        const char *what = json_string_value(json_array_get(pair, 1));
        char ours[256];

        assert_non_null(theirs);
        reading(of, &r, what, ours);
        if (!same_text(theirs, ours))
            fail_msg("%s: %s and %s", what, theirs, ours);
    }
    clo_buf_clear(&report);
    json_decref(doc);
    return json_array_size(agree) > 0;
}

/* Readings of evidence that isn't recorded: no row expects their nonce. */
static bool is_described(const json_t *row)
{
    const json_t *rows = json_object_get(table, "rows");
    const json_t *piece = json_array_get(json_object_get(row, "part"), 0);
    json_t *doc = json_load_file(shelf_find(vec_str(piece, "file")), 0, NULL);
    const char *nonce;

    assert_non_null(doc);
    assert_non_null(nonce = json_string_value(json_at(doc, vec_str(row, "nonce"))));
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const char *expect = json_string_value(json_object_get(json_array_get(rows, i), "expect"));

        assert_true(expect == NULL || !same_text(nonce, expect));
    }
    json_decref(doc);
    return true;
}

/* Reference manifests are the importer's; here they only have to be there. */
static bool is_rim(const json_t *row)
{
    assert_true(vec_uint(row, "active") > 0);
    return strcmp(vec_str(row, "verdict"), "accept") == 0;
}

static bool other_row(const json_t *row)
{
    static const struct {
        const char *kind;
        bool (*holds)(const json_t *row);
    } kinds[] = {
        {"trust-anchor", is_anchor}, {"rim-root", is_rim_root},
        {"chain", is_chain},         {"crl", crl_revokes},
        {"key-signs", key_signs},    {"event-log", log_replays},
        {"container", holds_pieces}, {"token", token_says},
        {"golden", read_alike},      {"rim", is_rim},
    };

    for (size_t i = 0; i < CLO_ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].kind, vec_str(row, "kind")) == 0)
            return kinds[i].holds(row);
    fail_msg("no kind %s", vec_str(row, "kind"));
    return false;
}

static void a_row_ends_in_its_verdict(void **state)
{
    const json_t *row = *state;
    const char *verdict = vec_str(row, "verdict");

    shelf_load();
    if (type_of(vec_str(row, "kind")) != 0) {
        assert_evidence(row);
        return;
    }
    if (strcmp(vec_str(row, "kind"), "described") == 0)
        assert_true(is_described(row));
    else
        assert_string_equal(other_row(row) ? "accept" : "reject", verdict);
    print_row(row, verdict);
}

/* ---- the table itself ---- */

static void digests_of(const json_t *v, void (*each)(const char *sha256))
{
    const char *name;
    json_t *member;

    for (size_t i = 0; i < json_array_size(v); i++)
        digests_of(json_array_get(v, i), each);
    json_object_foreach((json_t *)(uintptr_t)v, name, member) {
        if (strcmp(name, "file") == 0 || strcmp(name, "same") == 0)
            each(json_string_value(member));
        else
            digests_of(member, each);
    }
}

static bool named[FILES_MAX];

static void name_file(const char *sha256)
{
    bool there = false;

    for (size_t i = 0; i < shelf.n; i++)
        if (strcmp(shelf.sha256[i], sha256) == 0)
            named[i] = there = true;
    if (!there)
        fail_msg("a row names a file that isn't there: %s", sha256);
}

static void every_file_is_in_a_row_and_every_row_has_its_files(void **state)
{
    (void)state;
    shelf_load();
    digests_of(json_object_get(table, "rows"), name_file);
    for (size_t i = 0; i < shelf.n; i++)
        if (!named[i])
            fail_msg("no row names %s", shelf.path[i]);
    assert_true(shelf.n >= 267);
}

/* Whoever can't be shown to be right isn't accepted: no row may say otherwise. */
static void no_row_accepts_without_naming_what_is_pinned(void **state)
{
    const json_t *rows = json_object_get(table, "rows");
    size_t evidence = 0;

    (void)state;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const bool accept = strcmp(vec_str(row, "verdict"), "accept") == 0;

        if (type_of(vec_str(row, "kind")) == 0)
            continue;
        evidence++;
        assert_non_null(json_object_get(row, "policy"));
        assert_true(json_object_get(row, "expect") != NULL || json_object_get(row, "any") != NULL);
        assert_true(json_is_integer(json_object_get(row, "time")));
        assert_true(accept == (json_object_get(row, "decides") == NULL));
        if (accept)
            assert_true(json_object_get(row, "fails") == NULL &&
                        json_object_get(row, "lacks") == NULL);
    }
    assert_true(evidence > 100);
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[ROWS_MAX];
    const json_t *rows;
    size_t n = 0;
    int failed;

    if (argc != 2 || (table = json_load_file(argv[1], JSON_REJECT_DUPLICATES, NULL)) == NULL)
        return 99;
    rows = json_object_get(table, "rows");
    if (json_array_size(rows) + 2 > ROWS_MAX)
        return 99;
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(
        every_file_is_in_a_row_and_every_row_has_its_files);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(no_row_accepts_without_naming_what_is_pinned);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);

        tests[n++] = (struct CMUnitTest){vec_str(row, "name"), a_row_ends_in_its_verdict, NULL,
                                         NULL, row};
    }
    failed = _cmocka_run_group_tests("evidence", tests, n, NULL, NULL);
    json_decref(table);
    return failed;
}
