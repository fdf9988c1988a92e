/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate table beside an SEV-SNP report: what a host may write there, and what comes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "attest/snp_certs.h"
#include "crypto/x509_make.h"
#include "support/cert_table.h"

#define END "00000000-0000-0000-0000-000000000000"

/* Named as AMD names them; who signs whom isn't looked at here. */
static struct clo_buf vcek, ask, ark, vlek, asvk;

static int make(const char *cn, const char *issuer, const struct clo_signer *key,
                struct clo_buf *ret)
{
    const struct clo_cert_spec spec = {
        .subject_cn = cn,
        .issuer_cn = issuer,
        .serial = 1,
        .not_before = 1700000000,
        .not_after = 1800000000,
        .subject = key,
        .issuer = key,
    };

    *ret = clo_buf_init(CLO_CERT_MAX);
    return clo_cert_make(&spec, ret);
}

static int make_all(void **state)
{
    struct clo_signer *key = NULL;
    int err = clo_signer_new_p384(&key);

    (void)state;
    if (err == 0)
        err = make("SEV-VCEK", "SEV-Genoa", key, &vcek) |
              make("SEV-Genoa", "ARK-Genoa", key, &ask) |
              make("ARK-Genoa", "ARK-Genoa", key, &ark) |
              make("SEV-VLEK", "SEV-VLEK-Genoa", key, &vlek) |
              make("SEV-VLEK-Genoa", "ARK-Genoa", key, &asvk);
    clo_signer_free(key);
    return err;
}

static int clear_all(void **state)
{
    (void)state;
    clo_buf_clear(&vcek);
    clo_buf_clear(&ask);
    clo_buf_clear(&ark);
    clo_buf_clear(&vlek);
    clo_buf_clear(&asvk);
    return 0;
}

#define ENTRY(guid, b)       \
    {                        \
        guid, (b).p, (b).len \
    }

static struct clo_buf table_of(const struct cert_table_entry *e, size_t count)
{
    struct clo_buf t = clo_buf_init(1 << 20);

    assert_int_equal(cert_table_make(e, count, &t), 0);
    return t;
}

/* The chain that comes of it has these certificates. Read from a buffer of its very size, so that a sanitizer sees a step beyond. */
static void gives(const void *p, size_t n, bool of_vlek, const struct clo_buf *leaf,
                  const struct clo_buf *issuer)
{
    struct clo_buf chain[CLO_CHAIN_MAX] = {0};
    const struct clo_buf *want[] = {leaf, issuer};
    const size_t want_n = (leaf != NULL) + (issuer != NULL);
    uint8_t *own = malloc(n > 0 ? n : 1);
    size_t count = 99;

    assert_non_null(own);
    if (n > 0)
        memcpy(own, p, n);
    assert_int_equal(clo_snp_certs_read(own, n, of_vlek, chain, &count), 0);
    assert_int_equal(count, want_n);
    for (size_t i = 0; i < want_n; i++) {
        assert_int_equal(chain[i].len, want[i]->len);
        assert_memory_equal(chain[i].p, want[i]->p, want[i]->len);
        clo_buf_clear(&chain[i]);
    }
    for (size_t i = want_n; i < CLO_CHAIN_MAX; i++)
        assert_null(chain[i].p);
    free(own);
}

static void refuses(const struct clo_buf *t, int err)
{
    struct clo_buf chain[CLO_CHAIN_MAX] = {0};
    uint8_t *own = malloc(t->len > 0 ? t->len : 1);
    size_t count = 99;

    assert_non_null(own);
    memcpy(own, t->p, t->len);
    assert_int_equal(clo_snp_certs_read(own, t->len, false, chain, &count), err);
    assert_int_equal(count, 99);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        assert_null(chain[i].p);
    free(own);
}

static void gives_table(const struct cert_table_entry *e, size_t count, bool of_vlek,
                        const struct clo_buf *leaf, const struct clo_buf *issuer)
{
    struct clo_buf t = table_of(e, count);

    gives(t.p, t.len, of_vlek, leaf, issuer);
    clo_buf_clear(&t);
}

static void refuses_table(const struct cert_table_entry *e, size_t count, int err)
{
    struct clo_buf t = table_of(e, count);

    refuses(&t, err);
    clo_buf_clear(&t);
}

/* ---- what there may be ---- */

static void leaf_and_intermediate_come_leaf_first(void **state)
{
    const struct cert_table_entry e[] = {ENTRY(CERT_TABLE_ARK, ark), ENTRY(CERT_TABLE_ASK, ask),
                                         ENTRY(CERT_TABLE_VCEK, vcek)};

    (void)state;
    gives_table(e, 3, false, &vcek, &ask);
    gives_table(e + 1, 2, false, &vcek, &ask);
    gives_table(e + 2, 1, false, &vcek, NULL);
    gives_table(e, 2, false, NULL, NULL); /* without the leaf the rest is of no use */
}

static void the_reports_key_says_which_leaf(void **state)
{
    const struct cert_table_entry of_vlek[] = {
        ENTRY(CERT_TABLE_VLEK, vlek), ENTRY(CERT_TABLE_ASK, asvk), ENTRY(CERT_TABLE_ARK, ark)};
    const struct cert_table_entry both[] = {
        ENTRY(CERT_TABLE_VLEK, vlek), ENTRY(CERT_TABLE_VCEK, vcek), ENTRY(CERT_TABLE_ASK, asvk)};

    (void)state;
    gives_table(of_vlek, 3, true, &vlek, &asvk);
    gives_table(of_vlek, 3, false, NULL, NULL);
    gives_table(both, 3, true, &vlek, &asvk);
    gives_table(both, 3, false, &vcek, NULL); /* the intermediate is the other leaf's */
}

static void an_empty_table_has_no_chain(void **state)
{
    static const uint8_t zero[16384];

    (void)state;
    gives(NULL, 0, false, NULL, NULL);
    gives(zero, 24, false, NULL, NULL);
    gives(zero, sizeof zero, false, NULL, NULL);
    gives(zero, sizeof zero, true, NULL, NULL);
}

static void what_isnt_known_is_passed_over(void **state)
{
    static const uint8_t word[] = "anything";
    const struct cert_table_entry e[] = {
        {CERT_TABLE_CRL, word, sizeof word},
        {"8d75da63-64e6-6445-adc5-f4b93be8accd", word, sizeof word}, /* VCEK in UEFI's order */
        ENTRY(CERT_TABLE_VCEK, vcek),
        {"ffffffff-ffff-ffff-ffff-ffffffffffff", word, 0}};

    (void)state;
    gives_table(e, 4, false, &vcek, NULL);
}

static void the_root_isnt_even_looked_at(void **state)
{
    static const uint8_t word[] = "no certificate";
    const struct cert_table_entry e[] = {{CERT_TABLE_ARK, word, sizeof word},
                                         ENTRY(CERT_TABLE_VCEK, vcek),
                                         ENTRY(CERT_TABLE_ASK, ask)};

    (void)state;
    gives_table(e, 3, false, &vcek, &ask);
}

static void a_certificate_may_be_pem(void **state)
{
    static const char pem[] = "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n";
    const struct cert_table_entry e[] = {{CERT_TABLE_VCEK, pem, sizeof pem - 1}};
    const struct cert_table_entry dashes[] = {{CERT_TABLE_VCEK, "-----", 5}};
    /* the VCEK in base64 */
    struct clo_buf text = clo_buf_init(1 << 16);
    struct cert_table_entry good = {CERT_TABLE_VCEK, NULL, 0};
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    (void)state;
    assert_int_equal(clo_buf_append(&text, pem, 28), 0);
    for (size_t i = 0; i < vcek.len; i += 3) {
        const size_t n = vcek.len - i < 3 ? vcek.len - i : 3;
        const unsigned v = (unsigned)vcek.p[i] << 16 | (n > 1 ? (unsigned)vcek.p[i + 1] << 8 : 0) |
                           (n > 2 ? vcek.p[i + 2] : 0);
        const char four[4] = {digits[v >> 18], digits[v >> 12 & 63],
                              (char)(n > 1 ? digits[v >> 6 & 63] : '='),
                              (char)(n > 2 ? digits[v & 63] : '=')};

        assert_int_equal(clo_buf_append(&text, four, 4), 0);
        if (i % 48 == 45)
            assert_int_equal(clo_buf_append(&text, "\n", 1), 0);
    }
    assert_int_equal(clo_buf_append(&text, "\n-----END CERTIFICATE-----\n", 27), 0);
    good.p = text.p;
    good.n = text.len;
    gives_table(&good, 1, false, &vcek, NULL);
    clo_buf_clear(&text);
    refuses_table(e, 1, CLOISTER_E_MALFORMED);
    refuses_table(dashes, 1, CLOISTER_E_MALFORMED);
}

/* ---- what there may not be ---- */

static void a_guid_stands_once(void **state)
{
    const struct cert_table_entry twice[] = {
        ENTRY(CERT_TABLE_VCEK, vcek), ENTRY(CERT_TABLE_ASK, ask), ENTRY(CERT_TABLE_VCEK, vcek)};
    const struct cert_table_entry unknown[] = {
        ENTRY(CERT_TABLE_VCEK, vcek), ENTRY(CERT_TABLE_CRL, ask), ENTRY(CERT_TABLE_CRL, ask)};

    (void)state;
    refuses_table(twice, 3, CLOISTER_E_DUPLICATE);
    refuses_table(unknown, 3, CLOISTER_E_DUPLICATE);
}

/* Offsets and lengths whose sum, in 32 bits, lies inside. */
static void no_sum_wraps(void **state)
{
    static const uint32_t at[][2] = {
        {0xffffffff, 2},  {0xfffffff0, 0x40}, {48, 0xffffffff}, {0x80000000, 0x80000030},
        {72, 0xffffffd0}, {0xffffffff, 1},    {0xffffffff, 0},  {UINT32_MAX - 23, 24},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(at); i++) {
        struct clo_buf t = clo_buf_init(1 << 16);

        assert_int_equal(cert_table_entry(CERT_TABLE_VCEK, at[i][0], at[i][1], &t), 0);
        assert_int_equal(cert_table_entry(END, 0, 0, &t), 0);
        assert_int_equal(clo_buf_append(&t, vcek.p, vcek.len), 0);
        refuses(&t, CLOISTER_E_TRUNCATED);
        clo_buf_clear(&t);
    }
}

static void a_certificate_lies_behind_the_entries_and_inside_the_table(void **state)
{
    (void)state;
    for (int off = -49; off <= 1; off++) {
        struct clo_buf t = clo_buf_init(1 << 16);

        assert_int_equal(
            cert_table_entry(CERT_TABLE_VCEK, (uint32_t)(48 + off), (uint32_t)vcek.len, &t), 0);
        assert_int_equal(cert_table_entry(END, 0, 0, &t), 0);
        assert_int_equal(clo_buf_append(&t, vcek.p, vcek.len), 0);
        if (off == 0)
            gives(t.p, t.len, false, &vcek, NULL);
        else
            refuses(&t, off < -48 || off > 0 ? CLOISTER_E_TRUNCATED : CLOISTER_E_MALFORMED);
        clo_buf_clear(&t);
    }
}

/* Whatever it is: nothing of the entries is a certificate's. */
static void nothing_lies_among_the_entries(void **state)
{
    (void)state;
    for (uint32_t at = 0; at <= 72; at++) {
        struct clo_buf t = clo_buf_init(1 << 16);

        assert_int_equal(cert_table_entry(CERT_TABLE_CRL, at, 1, &t), 0);
        assert_int_equal(cert_table_entry(CERT_TABLE_VCEK, 72, (uint32_t)vcek.len, &t), 0);
        assert_int_equal(cert_table_entry(END, 0, 0, &t), 0);
        assert_int_equal(clo_buf_append(&t, vcek.p, vcek.len), 0);
        if (at < 72)
            refuses(&t, CLOISTER_E_MALFORMED);
        else
            gives(t.p, t.len, false, &vcek, NULL);
        clo_buf_clear(&t);
    }
}

static void every_cut_is_refused(void **state)
{
    const struct cert_table_entry e[] = {ENTRY(CERT_TABLE_ASK, ask), ENTRY(CERT_TABLE_VCEK, vcek)};
    struct clo_buf t = table_of(e, 2);
    const size_t whole = t.len;

    (void)state;
    for (t.len = 1; t.len < whole; t.len += t.len < 100 ? 1 : 13)
        refuses(&t, CLOISTER_E_TRUNCATED);
    t.len = whole;
    gives(t.p, t.len, false, &vcek, &ask);
    clo_buf_clear(&t);
}

static void a_table_needs_its_end(void **state)
{
    struct clo_buf t = clo_buf_init(1 << 16);

    (void)state;
    assert_int_equal(cert_table_entry(CERT_TABLE_VCEK, 24, (uint32_t)vcek.len, &t), 0);
    refuses(&t, CLOISTER_E_TRUNCATED);
    clo_buf_clear(&t);
    /* a zero GUID that points somewhere is an entry, and no end */
    assert_int_equal(cert_table_entry(END, 24, 0, &t), 0);
    refuses(&t, CLOISTER_E_TRUNCATED);
    clo_buf_clear(&t);
}

static void there_are_limits(void **state)
{
    static uint8_t large[CLO_SNP_CERT_TABLE_MAX + 1], cert[CLO_CERT_MAX + 1];
    const struct cert_table_entry e[] = {{CERT_TABLE_VCEK, cert, sizeof cert}};
    struct clo_buf t = clo_buf_init(1 << 17);

    (void)state;
    assert_int_equal(clo_buf_append(&t, large, sizeof large), 0);
    refuses(&t, CLOISTER_E_LIMIT);
    t.len--;
    gives(t.p, t.len, false, NULL, NULL);
    clo_buf_clear(&t);
    refuses_table(e, 1, CLOISTER_E_LIMIT);
    for (unsigned n = 32; n <= 33; n++) {
        for (unsigned i = 0; i < n; i++) {
            const char guid[] = {(char)('a' + i / 16), "0123456789abcdef"[i % 16], '\0'};
            char whole[] = "xx000000-0000-0000-0000-000000000001";

            memcpy(whole, guid, 2);
            assert_int_equal(cert_table_entry(whole, 0, 0, &t), 0);
        }
        assert_int_equal(cert_table_entry(END, 0, 0, &t), 0);
        if (n == 32)
            gives(t.p, t.len, false, NULL, NULL);
        else
            refuses(&t, CLOISTER_E_LIMIT);
        clo_buf_clear(&t);
    }
}

static void what_is_no_certificate_is_refused(void **state)
{
    static const uint8_t word[] = "no certificate";
    const struct cert_table_entry leaf[] = {{CERT_TABLE_VCEK, word, sizeof word}};
    const struct cert_table_entry empty[] = {{CERT_TABLE_VCEK, word, 0}};
    const struct cert_table_entry issuer[] = {ENTRY(CERT_TABLE_VCEK, vcek),
                                              {CERT_TABLE_ASK, word, sizeof word}};
    struct clo_buf longer = clo_buf_init(CLO_CERT_MAX);
    struct cert_table_entry trailing = {CERT_TABLE_VCEK, NULL, 0};

    (void)state;
    refuses_table(leaf, 1, CLOISTER_E_MALFORMED);
    refuses_table(empty, 1, CLOISTER_E_MALFORMED);
    refuses_table(issuer, 2, CLOISTER_E_MALFORMED);
    assert_int_equal(clo_buf_append(&longer, vcek.p, vcek.len), 0);
    assert_int_equal(clo_buf_append(&longer, "", 1), 0);
    trailing.p = longer.p;
    trailing.n = longer.len;
    refuses_table(&trailing, 1, CLOISTER_E_TRAILING);
    clo_buf_clear(&longer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaf_and_intermediate_come_leaf_first),
        cmocka_unit_test(the_reports_key_says_which_leaf),
        cmocka_unit_test(an_empty_table_has_no_chain),
        cmocka_unit_test(what_isnt_known_is_passed_over),
        cmocka_unit_test(the_root_isnt_even_looked_at),
        cmocka_unit_test(a_certificate_may_be_pem),
        cmocka_unit_test(a_guid_stands_once),
        cmocka_unit_test(no_sum_wraps),
        cmocka_unit_test(a_certificate_lies_behind_the_entries_and_inside_the_table),
        cmocka_unit_test(nothing_lies_among_the_entries),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(a_table_needs_its_end),
        cmocka_unit_test(there_are_limits),
        cmocka_unit_test(what_is_no_certificate_is_refused),
    };

    return cmocka_run_group_tests(tests, make_all, clear_all);
}
