/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One flipped bit, anywhere in what the verifier is given. In what the evidence signs it is refused; anywhere else what was accepted either isn't any
 * more, or says exactly the same: the same measurement, the same text at every check, the same end. Evidence of
 * every kind: recorded (rows of tests/vectors/evidence_table.json), and of the laboratory, which is there everywhere.
 *
 * About BITS bits of each piece are tried, spread over all of it; CLOISTER_TEST_STRIDE makes it every so many-th bit (1: all of them).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../unit/snp_lab.h"
#include "../vectors/evidence_rows.h"
#include "attest/spdm.h"

#define BITS 150 /* of a piece: these many appraisals */

/* Bytes of a piece that a signature covers (or a digest that is signed): [from, to). */
struct covered {
    size_t piece, from, to;
};
#define COVERED_MAX 8

struct subject {
    enum cloister_raw_type type;
    struct evidence_piece piece[EVIDENCE_PIECES_MAX];
    size_t pieces;
    struct covered covered[COVERED_MAX];
    size_t covereds;
    const json_t *row;     /* what is expected, or: */
    const uint8_t *expect; /* of the laboratory's */
    size_t expect_n;
    struct cloister_policy *policy;
    struct cloister_roots *roots; /* NULL: the built-in ones */
    int64_t now;
};

/* ---- appraisal ---- */

/* The verdict on the pieces as they stand; one that isn't even taken is malformed. */
static void appraise(const struct subject *s, struct cloister_verdict *v)
{
    struct cloister_raw *raw = NULL;
    int err = 0;

    memset(v, 0, sizeof *v);
    assert_int_equal(cloister_raw_new(s->type, &raw), 0);
    for (size_t i = 0; i < s->pieces && err == 0; i++)
        err = cloister_raw_add(raw, s->piece[i].item, s->piece[i].b.p, s->piece[i].b.len);
    if (err == 0)
        err = s->row != NULL ? evidence_expect(s->row, raw)
                             : cloister_raw_expect(raw, s->expect, s->expect_n);
    if (err == 0)
        err = cloister_raw_appraise(
            raw, s->policy, s->roots != NULL ? s->roots : cloister_roots_builtin(), s->now, v);
    else
        v->outcome = CLOISTER_MALFORMED;
    assert_int_not_equal(err, CLOISTER_E_MEMORY);
    assert_int_not_equal(err, CLOISTER_E_CRYPTO);
    cloister_raw_free(raw);
}

static bool same_meaning(const struct cloister_verdict *a, const struct cloister_verdict *b)
{
    if (strcmp(a->type, b->type) != 0 || a->valid_until != b->valid_until ||
        a->checks != b->checks ||
        memcmp(a->measurement, b->measurement, sizeof a->measurement) != 0)
        return false;
    for (size_t i = 0; i < a->checks; i++)
        if (a->check[i].id != b->check[i].id || a->check[i].status != b->check[i].status ||
            strcmp(a->check[i].expected, b->check[i].expected) != 0 ||
            strcmp(a->check[i].actual, b->check[i].actual) != 0)
            return false;
    return true;
}

static void show_difference(const struct cloister_verdict *a, const struct cloister_verdict *b)
{
    for (size_t i = 0; i < a->checks && i < b->checks; i++)
        if (a->check[i].status != b->check[i].status ||
            strcmp(a->check[i].expected, b->check[i].expected) != 0 ||
            strcmp(a->check[i].actual, b->check[i].actual) != 0)
            print_message("# %s: %d \"%s\" \"%s\", not %d \"%s\" \"%s\"\n",
                          cloister_check_name(a->check[i].id), a->check[i].status,
                          a->check[i].expected, a->check[i].actual, b->check[i].status,
                          b->check[i].expected, b->check[i].actual);
    print_message("# until %lld, not %lld\n", (long long)a->valid_until, (long long)b->valid_until);
}

static bool is_covered(const struct subject *s, size_t piece, size_t byte)
{
    for (size_t i = 0; i < s->covereds; i++)
        if (s->covered[i].piece == piece && byte >= s->covered[i].from && byte < s->covered[i].to)
            return true;
    return false;
}

/* An odd step, so that it meets every bit of a byte in turn. */
static size_t step_for(size_t bits)
{
    const char *stride = getenv("CLOISTER_TEST_STRIDE");
    const size_t step = stride != NULL ? strtoul(stride, NULL, 10) : bits / BITS | 1;

    assert_true(step > 0);
    return step;
}

static void every_bit_of_piece(struct subject *s, size_t piece, const struct cloister_verdict *good)
{
    static struct cloister_verdict v;
    struct clo_buf *b = &s->piece[piece].b;
    const size_t step = step_for(b->len * 8);

    for (size_t bit = 0; bit < b->len * 8; bit += step) {
        const uint8_t mask = (uint8_t)(1u << (bit % 8));

        b->p[bit / 8] ^= mask;
        appraise(s, &v);
        b->p[bit / 8] ^= mask;
        if (is_covered(s, piece, bit / 8) && v.outcome != CLOISTER_REFUSED &&
            v.outcome != CLOISTER_MALFORMED)
            fail_msg("item %u, bit %zu: signed, but not refused", s->piece[piece].item, bit);
        if (v.outcome == CLOISTER_VERIFIED && !same_meaning(&v, good)) {
            show_difference(&v, good);
            fail_msg("item %u, bit %zu: accepted with another meaning", s->piece[piece].item, bit);
        }
    }
}

static void every_bit(struct subject *s)
{
    static struct cloister_verdict good;

    appraise(s, &good);
    assert_int_equal(good.outcome, CLOISTER_VERIFIED);
    for (size_t i = 0; i < s->pieces; i++)
        every_bit_of_piece(s, i, &good);
}

static void subject_clear(struct subject *s)
{
    for (size_t i = 0; i < s->pieces; i++)
        clo_buf_clear(&s->piece[i].b);
    cloister_policy_free(s->policy);
    cloister_roots_free(s->roots);
}

static void cover(struct subject *s, size_t piece, size_t from, size_t to)
{
    assert_true(s->covereds < COVERED_MAX && to <= s->piece[piece].b.len && from < to);
    s->covered[s->covereds++] = (struct covered){piece, from, to};
}

/* ---- what each kind signs ---- */

static size_t le(const struct clo_buf *b, size_t at, size_t n)
{
    size_t v = 0;

    assert_true(at + n <= b->len);
    while (n-- > 0)
        v = v << 8 | b->p[at + n];
    return v;
}

/* Header and body; ATTESTATION-formats differ by version (Intel, DCAP quote format, versions 3 to 5). */
static void cover_quote(struct subject *s, size_t piece)
{
    const struct clo_buf *b = &s->piece[piece].b;
    const size_t version = le(b, 0, 2);

    cover(s, piece, 0, version == 3 ? 432 : version == 4 ? 632 : 54 + le(b, 50, 4));
}

/* The envelope's report (TDX: MACed, and covered by the quote's report data only), and the runtime data. */
static void cover_envelope(struct subject *s, size_t piece)
{
    const struct clo_buf *b = &s->piece[piece].b;

    if (le(b, 0x4c8, 4) == 2)
        cover(s, piece, 0x20, 0x20 + CLO_SNP_SIGNED_LEN);
    cover(s, piece, 0x4d4, 0x4d4 + le(b, 0x4d0, 4));
}

static void cover_device(struct subject *s, size_t piece)
{
    const struct clo_buf *b = &s->piece[piece].b;
    struct clo_spdm_report r;

    assert_int_equal(clo_spdm_parse(b->p, b->len, &r), 0);
    cover(s, piece, 0, r.signed_n);
}

static void cover_piece(struct subject *s, size_t piece)
{
    switch (s->piece[piece].item) {
    case CLOISTER_ITEM_TPM_QUOTE:
    case CLOISTER_ITEM_PCRS: cover(s, piece, 0, s->piece[piece].b.len); break;
    case CLOISTER_ITEM_TD_QUOTE: cover_quote(s, piece); break;
    case CLOISTER_ITEM_REPORT:
        if (s->type == CLOISTER_RAW_SEV_SNP)
            cover(s, piece, 0, CLO_SNP_SIGNED_LEN);
        else if (s->type == CLOISTER_RAW_AZURE)
            cover_envelope(s, piece);
        else if (s->type == CLOISTER_RAW_NVIDIA)
            cover_device(s, piece);
        else
            cover_quote(s, piece);
        break;
    default: break;
    }
}

/* ---- recorded evidence ---- */

static void row_survives_no_flipped_bit(const char *name)
{
    static struct subject s;

    shelf_load();
    memset(&s, 0, sizeof s);
    s.row = row_named(name);
    s.type = type_of(vec_str(s.row, "kind"));
    s.pieces = evidence_pieces(s.row, s.piece);
    s.policy = policy_make(s.row);
    s.roots = roots_make(s.row);
    s.now = json_integer_value(json_object_get(s.row, "time"));
    for (size_t i = 0; i < s.pieces; i++)
        cover_piece(&s, i);
    assert_true(s.covereds > 0);
    every_bit(&s);
    subject_clear(&s);
}

static void a_recorded_row_survives_no_flipped_bit(void **state)
{
    row_survives_no_flipped_bit(*state);
}

/* ---- the laboratory's ---- */

static void lab_evidence_survives_no_flipped_bit(void **state)
{
    const struct recipe r = lab_good();
    struct clo_buf chain[CLO_CHAIN_MAX];
    struct clo_collateral crls;
    static struct subject s;

    (void)state;
    memset(&s, 0, sizeof s);
    lab_chain(&r, chain);
    lab_crl(&r, &crls);
    s.type = CLOISTER_RAW_SEV_SNP;
    s.piece[0] = (struct evidence_piece){CLOISTER_ITEM_REPORT, clo_buf_init(CLO_SNP_REPORT_LEN)};
    assert_int_equal(clo_buf_append(&s.piece[0].b, r.report, CLO_SNP_REPORT_LEN), 0);
    lab_sign(&r, s.piece[0].b.p);
    s.piece[1] = (struct evidence_piece){CLOISTER_ITEM_CERTIFICATES, chain[0]};
    s.piece[2] = (struct evidence_piece){CLOISTER_ITEM_CERTIFICATES, chain[1]};
    s.piece[3] = (struct evidence_piece){CLOISTER_ITEM_CRL, crls.crl[0]};
    s.pieces = 4;
    s.expect = r.report_data;
    s.expect_n = sizeof r.report_data;
    s.policy = lab_policy(&r);
    s.roots = lab_roots(&r);
    s.now = r.now;
    cover_piece(&s, 0);
    every_bit(&s);
    subject_clear(&s);
    for (size_t i = 2; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&chain[i]);
}

int main(int argc, char **argv)
{
    static const char *const rows[] = {
        "snp-milan-v2-virtee",    "snp-milan-v3-vlek-aws",
        "tdx-v4-phala-uptodate",  "tdx-v5-gtg",
        "sgx-v3-phala",           "azure-snp-milan-live",
        "azure-tdx-emr-live",     "tpm-gce-nonce-sha256-log",
        "nvidia-h100-545.00-e2e", "nvidia-ls10-switch-sdk",
    };
    struct CMUnitTest tests[CLO_ARRAY_LEN(rows) + 1] = {
        cmocka_unit_test(lab_evidence_survives_no_flipped_bit),
    };
    int failed;

    if (argc != 2 || (table = json_load_file(argv[1], JSON_REJECT_DUPLICATES, NULL)) == NULL)
        return 99;
    for (size_t i = 0; i < CLO_ARRAY_LEN(rows); i++)
        tests[i + 1] = (struct CMUnitTest){rows[i], a_recorded_row_survives_no_flipped_bit, NULL,
                                           NULL, (void *)(uintptr_t)rows[i]};
    failed = _cmocka_run_group_tests("bits", tests, CLO_ARRAY_LEN(tests), lab_open, lab_close);
    json_decref(table);
    return failed;
}
