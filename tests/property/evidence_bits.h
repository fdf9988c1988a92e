/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One flipped bit, anywhere in what the verifier is given. In what the evidence signs it is refused; anywhere else what was
 * accepted either isn't any more, or says exactly the same: the same measurement, the same text at every check, the same end.
 *
 * So many bits of each piece are tried, spread over all of it; CLOISTER_TEST_STRIDE makes it every so many-th bit (1: all of them).
 * Include after <cmocka.h>.
 */
#ifndef CLO_TEST_EVIDENCE_BITS_H
#define CLO_TEST_EVIDENCE_BITS_H

#include "../vectors/evidence_rows.h"
#include "attest/spdm.h"

/* Bits that are tried of what is signed in a piece, and of a piece that nothing of this kind is in. */
#define BITS_SIGNED 80
#define BITS_OTHER  40

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
    const struct cloister_policy *policy;
    struct cloister_policy *own;  /* the same, or NULL where it is somebody else's */
    struct cloister_roots *roots; /* NULL: the built-in ones */
    int64_t now;
};

/* ---- appraisal ---- */

/* The verdict on the pieces as they stand; one that isn't even taken is malformed. */
static inline void appraise(const struct subject *s, struct cloister_verdict *v)
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

static inline bool same_meaning(const struct cloister_verdict *a, const struct cloister_verdict *b)
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

static inline void show_difference(const struct cloister_verdict *a,
                                   const struct cloister_verdict *b)
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

static inline bool is_covered(const struct subject *s, size_t piece, size_t byte)
{
    for (size_t i = 0; i < s->covereds; i++)
        if (s->covered[i].piece == piece && byte >= s->covered[i].from && byte < s->covered[i].to)
            return true;
    return false;
}

/* An odd step, so that it meets every bit of a byte in turn. */
static inline size_t step_for(const struct subject *s, size_t piece)
{
    const char *stride = getenv("CLOISTER_TEST_STRIDE");
    size_t bits = 0, step;

    for (size_t i = 0; i < s->covereds; i++)
        if (s->covered[i].piece == piece)
            bits += (s->covered[i].to - s->covered[i].from) * 8;
    step = bits != 0 ? bits / BITS_SIGNED | 1 : s->piece[piece].b.len * 8 / BITS_OTHER | 1;
    if (stride != NULL)
        step = strtoul(stride, NULL, 10);
    assert_true(step > 0);
    return step;
}

static inline void every_bit_of_piece(struct subject *s, size_t piece,
                                      const struct cloister_verdict *good)
{
    static struct cloister_verdict v;
    struct clo_buf *b = &s->piece[piece].b;
    const size_t step = step_for(s, piece);

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

static inline void every_bit(struct subject *s)
{
    static struct cloister_verdict good;

    appraise(s, &good);
    assert_int_equal(good.outcome, CLOISTER_VERIFIED);
    for (size_t i = 0; i < s->pieces; i++)
        every_bit_of_piece(s, i, &good);
}

static inline void subject_clear(struct subject *s)
{
    for (size_t i = 0; i < s->pieces; i++)
        clo_buf_clear(&s->piece[i].b);
    cloister_policy_free(s->own);
    cloister_roots_free(s->roots);
}

/* One more piece; its bytes are the subject's from now on. */
static inline size_t subject_add(struct subject *s, enum cloister_raw_item item, struct clo_buf b)
{
    assert_true(s->pieces < EVIDENCE_PIECES_MAX);
    s->piece[s->pieces] = (struct evidence_piece){item, b};
    return s->pieces++;
}

static inline size_t subject_copy(struct subject *s, enum cloister_raw_item item, const void *p,
                                  size_t n)
{
    struct clo_buf b = clo_buf_init(BYTES_MAX);

    assert_int_equal(clo_buf_append(&b, p, n), 0);
    return subject_add(s, item, b);
}

static inline void subject_add_crls(struct subject *s, struct clo_collateral *c)
{
    for (size_t i = 0; i < c->crls; i++)
        (void)subject_add(s, CLOISTER_ITEM_CRL, c->crl[i]);
    for (size_t i = 0; i < c->ocsps; i++)
        (void)subject_add(s, CLOISTER_ITEM_OCSP, c->ocsp[i]);
    c->crls = c->ocsps = 0;
}

static inline void cover(struct subject *s, size_t piece, size_t from, size_t to)
{
    assert_true(s->covereds < COVERED_MAX && to <= s->piece[piece].b.len && from < to);
    s->covered[s->covereds++] = (struct covered){piece, from, to};
}

/* ---- what each kind signs ---- */

static inline size_t le(const struct clo_buf *b, size_t at, size_t n)
{
    size_t v = 0;

    assert_true(at + n <= b->len);
    while (n-- > 0)
        v = v << 8 | b->p[at + n];
    return v;
}

/* Header and body; ATTESTATION-formats differ by version (Intel, DCAP quote format, versions 3 to 5). */
static inline void cover_quote(struct subject *s, size_t piece)
{
    const struct clo_buf *b = &s->piece[piece].b;
    const size_t version = le(b, 0, 2);

    cover(s, piece, 0, version == 3 ? 432 : version == 4 ? 632 : 54 + le(b, 50, 4));
}

/* The envelope's report (TDX: MACed, and covered by the quote's report data only), and the runtime data. */
static inline void cover_envelope(struct subject *s, size_t piece)
{
    const struct clo_buf *b = &s->piece[piece].b;

    if (le(b, 0x4c8, 4) == 2)
        cover(s, piece, 0x20, 0x20 + CLO_SNP_SIGNED_LEN);
    cover(s, piece, 0x4d4, 0x4d4 + le(b, 0x4d0, 4));
}

static inline void cover_device(struct subject *s, size_t piece)
{
    const struct clo_buf *b = &s->piece[piece].b;
    struct clo_spdm_report r;

    assert_int_equal(clo_spdm_parse(b->p, b->len, &r), 0);
    cover(s, piece, 0, r.signed_n);
}

static inline void cover_piece(struct subject *s, size_t piece)
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

/* Everything that a signature covers in what is there, and then every bit. */
static inline void subject_check(struct subject *s)
{
    for (size_t i = 0; i < s->pieces; i++)
        cover_piece(s, i);
    assert_true(s->covereds > 0);
    every_bit(s);
    subject_clear(s);
}

#endif
