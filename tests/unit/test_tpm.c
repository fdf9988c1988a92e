/* SPDX-License-Identifier: Apache-2.0 */
/* TPM quotes: one right one, and each way to be wrong refused by the check that is there for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "lab/event.h"
#include "lab/tpm.h"

static struct event_lab elog;

/* The names of the tpm.* checks with this status, one space between two. */
static void names_with(const struct clo_verdict_builder *vb, enum cloister_check_status status,
                       char *dst, size_t cap)
{
    dst[0] = '\0';
    for (size_t i = 0; i < CLO_CHECK_COUNT; i++) {
        if (vb->check[i].status != status || vb->out[i] || vb->check[i].id < 300)
            continue;
        if (dst[0] != '\0')
            strncat(dst, " ", cap - strlen(dst) - 1);
        strncat(dst, cloister_check_name(vb->check[i].id) + 4, cap - strlen(dst) - 1);
    }
}

static void assert_names(const struct clo_verdict_builder *vb, const char *fails,
                         const char *missing)
{
    char text[512];

    names_with(vb, CLOISTER_CHECK_FAIL, text, sizeof text);
    assert_string_equal(text, fails);
    names_with(vb, CLOISTER_CHECK_MISSING, text, sizeof text);
    assert_string_equal(text, missing);
}

/* Made by the recipe, judged by a policy that pins what `pins` has. */
static struct clo_tpm_result judge_by(const struct tl_recipe *r, const struct tl_recipe *pins,
                                      struct clo_verdict_builder *vb)
{
    struct clo_tpm_result ret = {0};
    struct tl_policy t;
    struct tl_quote q;

    tl_policy(pins, &t);
    tl_make(r, &q);
    tl_appraise(r, &q, &t.p, vb, &ret);
    return ret;
}

static void assert_judged(const struct tl_recipe *r, const char *fails, const char *missing)
{
    const struct tl_recipe good = tl_good();
    struct clo_verdict_builder vb;
    const struct clo_tpm_result ret = judge_by(r, &good, &vb);

    assert_names(&vb, fails, missing);
    if (*fails != '\0' || *missing != '\0')
        assert_false(ret.authentic && ret.bound && ret.measured);
}

/* ---- what is right ---- */

static void a_right_quote_passes_every_check(void **state)
{
    const struct tl_recipe r = tl_good();
    struct clo_verdict_builder vb;
    const struct clo_tpm_result ret = judge_by(&r, &r, &vb);

    (void)state;
    assert_names(&vb, "", "");
    assert_true(ret.authentic && ret.bound && ret.measured);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_TPM_EVENT_LOG),
                     CLOISTER_CHECK_NOT_APPLICABLE);
}

static void each_scheme_with_each_hash_of_sha_2_is_verified(void **state)
{
    const struct {
        EVP_PKEY *key;
        uint16_t scheme, hash, bank;
        bool bare;
    } good[] = {
        {tl.rsa, TPM2_ALG_RSASSA, TPM2_ALG_SHA256, TPM2_ALG_SHA384, false},
        {tl.rsa, TPM2_ALG_RSASSA, TPM2_ALG_SHA384, TPM2_ALG_SHA256, false},
        {tl.rsa, TPM2_ALG_RSASSA, TPM2_ALG_SHA512, TPM2_ALG_SHA256, false},
        {tl.rsa, TPM2_ALG_RSASSA, TPM2_ALG_SHA256, TPM2_ALG_SHA256, true},
        {tl.rsa, TPM2_ALG_RSAPSS, TPM2_ALG_SHA256, TPM2_ALG_SHA256, false},
        {tl.rsa, TPM2_ALG_RSAPSS, TPM2_ALG_SHA384, TPM2_ALG_SHA384, false},
        {tl.p256, TPM2_ALG_ECDSA, TPM2_ALG_SHA256, TPM2_ALG_SHA256, false},
        {tl.p384, TPM2_ALG_ECDSA, TPM2_ALG_SHA384, TPM2_ALG_SHA256, false},
        {tl.p384, TPM2_ALG_ECDSA, TPM2_ALG_SHA256, TPM2_ALG_SHA384, false},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(good); i++) {
        struct tl_recipe r = tl_good();
        struct clo_verdict_builder vb;
        struct clo_tpm_result ret;

        r.signer = r.key = good[i].key;
        r.scheme = good[i].scheme;
        r.hash = good[i].hash;
        r.bank[0].alg = good[i].bank;
        r.bare = good[i].bare;
        ret = judge_by(&r, &r, &vb);
        assert_names(&vb, "", "");
        assert_true(ret.authentic && ret.bound && ret.measured);
    }
}

static void pcrs_that_no_policy_pins_may_have_any_value(void **state)
{
    const struct tl_recipe r = tl_good();
    struct clo_verdict_builder vb;
    struct clo_tpm_result ret = {0};
    struct tl_policy t;
    struct tl_quote q;

    (void)state;
    tl_make(&r, &q);
    tl_policy(&r, &t);
    t.alternative[0].pinned = 1u << 4 | 1u << 23;
    memset(t.alternative[0].value[5], 0xee, 48);
    tl_appraise(&r, &q, &t.p, &vb, &ret);
    assert_true(ret.measured);
    /* one alternative has to hold in full */
    t.alternative[1] = t.alternative[0];
    t.alternative[0].value[4][31] ^= 1;
    t.alternative[1].value[23][0] ^= 1;
    t.p.tpm.pcrs_n = 2;
    tl_appraise(&r, &q, &t.p, &vb, &ret);
    assert_names(&vb, "pcrs", "");
    assert_false(ret.measured);
    t.alternative[1].value[23][0] ^= 1;
    tl_appraise(&r, &q, &t.p, &vb, &ret);
    assert_names(&vb, "", "");
    assert_true(ret.measured);
}

static void a_policy_without_pcrs_admits_none(void **state)
{
    const struct tl_recipe r = tl_good();
    struct clo_verdict_builder vb;
    struct clo_tpm_result ret = {0};
    struct tl_policy t;
    struct tl_quote q;

    (void)state;
    tl_make(&r, &q);
    tl_policy(&r, &t);
    t.p.tpm.pcrs_n = 0;
    tl_appraise(&r, &q, &t.p, &vb, &ret);
    assert_names(&vb, "pcrs", "");
    tl_policy(&r, &t);
    t.alternative[0].pinned = 0; /* a set that is empty holds for everybody */
    tl_appraise(&r, &q, &t.p, &vb, &ret);
    assert_names(&vb, "pcrs", "");
    assert_false(ret.measured);
}

/* ---- what is wrong ---- */

static void what_a_tpm_did_not_make_or_that_is_no_quote_is_refused(void **state)
{
    static const char rest[] = "algorithm signature nonce selection pcr_digest pcrs event_log";
    struct tl_recipe r = tl_good();

    (void)state;
    r.magic = 0xff544348;
    assert_judged(&r, "format", rest);
    r = tl_good();
    r.type = 0x8017; /* certify */
    assert_judged(&r, "format", rest);
    r = tl_good();
    r.quote_cut = 1;
    assert_judged(&r, "format", rest);
    r = tl_good();
    r.quote_extra = 1;
    assert_judged(&r, "format", rest);
}

static void a_key_that_may_sign_anything_makes_nothing_it_signed_believed(void **state)
{
    struct tl_recipe r = tl_good();

    (void)state;
    r.restricted = false;
    assert_judged(&r, "key", "signature nonce selection pcr_digest pcrs");
    r.unknown = true; /* nobody knows, which is no better */
    assert_judged(&r, "", "key signature nonce selection pcr_digest pcrs");
}

static void a_key_that_nothing_vouches_for_is_missing_and_one_that_is_denied_fails(void **state)
{
    struct tl_recipe r = tl_good();

    (void)state;
    /* what a key that nobody knows says of itself is no more than a claim */
    r.trust = CLOISTER_CHECK_MISSING;
    assert_judged(&r, "", "key key_trusted signature nonce selection pcr_digest pcrs");
    r.trust = CLOISTER_CHECK_NONE;
    assert_judged(&r, "", "key key_trusted signature nonce selection pcr_digest pcrs");
    r.trust = CLOISTER_CHECK_NOT_APPLICABLE;
    assert_judged(&r, "", "key key_trusted signature nonce selection pcr_digest pcrs");
    r.trust = CLOISTER_CHECK_FAIL;
    assert_judged(&r, "key_trusted", "key signature nonce selection pcr_digest pcrs");
    r = tl_good();
    r.key = NULL;
    assert_judged(&r, "", "key key_trusted signature nonce selection pcr_digest pcrs");
    r.trust = CLOISTER_CHECK_FAIL; /* what came in its place is none */
    assert_judged(&r, "key_trusted", "key signature nonce selection pcr_digest pcrs");
}

static void another_keys_signature_is_refused(void **state)
{
    struct tl_recipe r = tl_good();

    (void)state;
    r.signer = tl.rsa2;
    assert_judged(&r, "signature", "nonce selection pcr_digest pcrs");
    r = tl_good();
    r.signer = tl.p256;
    r.scheme = TPM2_ALG_ECDSA;
    assert_judged(&r, "signature", "nonce selection pcr_digest pcrs");
    r = tl_good();
    r.key = tl.p256;
    assert_judged(&r, "signature", "nonce selection pcr_digest pcrs");
}

static void a_signature_under_another_schemes_name_is_refused(void **state)
{
    struct tl_recipe r = tl_good();
    struct clo_verdict_builder vb;
    struct clo_tpm_result ret = {0};
    struct tl_policy t;
    struct tl_quote q;

    (void)state;
    tl_policy(&r, &t);
    tl_make(&r, &q);
    q.sig[1] = TPM2_ALG_RSAPSS;
    tl_appraise(&r, &q, &t.p, &vb, &ret);
    assert_names(&vb, "signature", "nonce selection pcr_digest pcrs");
    q.sig[1] = TPM2_ALG_RSASSA;
    q.sig[3] = TPM2_ALG_SHA384;
    tl_appraise(&r, &q, &t.p, &vb, &ret);
    assert_names(&vb, "signature pcr_digest", "nonce selection pcrs");
    q.sig[3] = TPM2_ALG_SHA256;
    q.sig[1] = TPM2_ALG_ECDAA;
    tl_appraise(&r, &q, &t.p, &vb, &ret);
    assert_names(&vb, "algorithm", "signature nonce selection pcr_digest pcrs");
}

static void sha_1_is_refused_in_the_signature_and_in_the_bank(void **state)
{
    struct tl_recipe r = tl_good();
    struct clo_verdict_builder vb;

    (void)state;
    r.hash = TPM2_ALG_SHA1;
    assert_judged(&r, "algorithm", "signature nonce selection pcr_digest pcrs");
    r = tl_good();
    r.bank[0].alg = TPM2_ALG_SHA1;
    assert_judged(&r, "algorithm selection pcrs", "signature nonce pcr_digest");
    /* Not even a policy can ask for it. */
    assert_false(judge_by(&r, &r, &vb).authentic);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_TPM_ALGORITHM), CLOISTER_CHECK_FAIL);
}

static void the_nonce_has_to_be_the_expected_one_whole(void **state)
{
    struct tl_recipe r = tl_good();

    (void)state;
    r.nonce[0] ^= 1;
    assert_judged(&r, "nonce", "");
    r = tl_good();
    r.nonce_n = 31;
    assert_judged(&r, "nonce", "");
    r = tl_good();
    r.nonce_n = 33;
    assert_judged(&r, "nonce", "");
    r = tl_good();
    r.expected_n = 31;
    assert_judged(&r, "nonce", "");
    r = tl_good();
    r.expected = elog.p;
    r.expected_n = 4096;
    assert_judged(&r, "nonce", "");
}

static void an_empty_nonce_never_passes(void **state)
{
    struct tl_recipe r = tl_good();

    (void)state;
    r.nonce_n = 0;
    assert_judged(&r, "nonce", "");
    r.expected_n = 0; /* equal, and nevertheless */
    assert_judged(&r, "nonce", "");
    r = tl_good();
    r.expected_n = 0;
    assert_judged(&r, "nonce", "");
}

static void without_an_expectation_the_nonce_is_missing_unless_any_will_do(void **state)
{
    const struct tl_recipe good = tl_good();
    struct tl_recipe r = tl_good();
    struct clo_verdict_builder vb;
    struct clo_tpm_result ret;

    (void)state;
    r.expected = NULL;
    assert_judged(&r, "", "nonce");
    r.any_expected = true;
    ret = judge_by(&r, &good, &vb);
    assert_names(&vb, "", "");
    assert_true(ret.authentic && ret.measured && !ret.bound);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_TPM_NONCE), CLOISTER_CHECK_NOT_APPLICABLE);
}

static void more_or_fewer_pcrs_or_another_bank_are_another_selection(void **state)
{
    struct tl_recipe r = tl_good(), pins = tl_good();
    struct clo_verdict_builder vb;

    (void)state;
    r.bank[0].pcrs = 0x7fffff;
    assert_judged(&r, "selection pcrs", "");
    pins.bank[0].pcrs = 0x7fffff; /* a superset is quoted */
    r = tl_good();
    assert_false(judge_by(&r, &pins, &vb).measured);
    assert_names(&vb, "selection", "");
    r = tl_good();
    r.bank[0].alg = TPM2_ALG_SHA384;
    assert_judged(&r, "selection pcrs", "");
    r = tl_good();
    r.banks = 2;
    r.bank[1] = (struct clo_tpm_bank){TPM2_ALG_SHA384, 1};
    assert_judged(&r, "selection pcrs", "");
    r.bank[1].pcrs = 0;
    assert_judged(&r, "selection pcrs", "");
    r.bank[1] = r.bank[0]; /* one bank twice */
    assert_judged(&r, "format", "algorithm signature nonce selection pcr_digest pcrs event_log");
    r = tl_good();
    r.banks = 0;
    assert_judged(&r, "selection pcrs", "pcr_digest");
    r = tl_good();
    r.bank[0].pcrs = 0;
    assert_judged(&r, "selection", "pcr_digest pcrs");
}

static void the_values_have_to_be_the_quoted_ones_in_length_and_content(void **state)
{
    struct tl_recipe r = tl_good();

    (void)state;
    r.pcrs_more = 1;
    assert_judged(&r, "pcr_digest pcrs", "");
    r.pcrs_more = -1;
    assert_judged(&r, "pcr_digest pcrs", "");
    r.pcrs_more = 32;
    assert_judged(&r, "pcr_digest pcrs", "");
    r.pcrs_more = -24 * 32;
    assert_judged(&r, "", "pcr_digest pcrs");
    r = tl_good();
    r.digest_flip = 5;
    assert_judged(&r, "pcr_digest", "pcrs");
}

static void values_that_the_policy_does_not_pin_are_refused(void **state)
{
    for (size_t i = 0; i < 24; i++) {
        struct tl_recipe r = tl_good();

        (void)state;
        r.value[i][i] ^= 0x80;
        assert_judged(&r, "pcrs", "");
    }
}

/* Under valgrind, where a signature takes 50 times as long, only every so many-th bit. */
static size_t stride(void)
{
    const char *s = getenv("CLOISTER_TEST_STRIDE");
    const size_t step = s != NULL ? strtoul(s, NULL, 10) : 1;

    assert_true(step > 0);
    return step;
}

static void a_flipped_bit_anywhere_is_refused(void **state)
{
    const struct tl_recipe good = tl_good();
    struct clo_verdict_builder vb;
    struct clo_tpm_result ret;
    struct tl_policy t;
    struct tl_quote q;

    (void)state;
    tl_policy(&good, &t);
    tl_make(&good, &q);
    for (size_t part = 0; part < 3; part++) {
        uint8_t *p = part == 0 ? q.quote : part == 1 ? q.sig : q.pcrs;
        const size_t n = part == 0 ? q.quote_n : part == 1 ? q.sig_n : q.pcrs_n;

        for (size_t bit = 0; bit < 8 * n; bit += stride()) {
            memset(&ret, 0xff, sizeof ret);
            tl_flip(p, (int)bit);
            tl_appraise(&good, &q, &t.p, &vb, &ret);
            tl_flip(p, (int)bit);
            assert_true(clo_vb_count(&vb, CLO_FAMILY_TPM, CLOISTER_CHECK_FAIL) > 0);
            assert_false(ret.authentic && ret.bound && ret.measured);
            if (part == 2)
                assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_TPM_PCR_DIGEST),
                                 CLOISTER_CHECK_FAIL);
            else
                assert_false(ret.authentic);
        }
    }
}

static void what_is_not_there_is_missing(void **state)
{
    const struct tl_recipe r = tl_good();
    struct clo_verdict_builder vb;
    struct clo_tpm_result ret = {0};
    struct tl_policy t;
    struct tl_quote q;

    (void)state;
    tl_policy(&r, &t);
    tl_make(&r, &q);
    q.sig_n = 0;
    tl_appraise(&r, &q, &t.p, &vb, &ret);
    assert_names(&vb, "", "format algorithm signature nonce selection pcr_digest pcrs event_log");
    tl_make(&r, &q);
    q.quote_n = 0;
    tl_appraise(&r, &q, &t.p, &vb, &ret);
    assert_names(&vb, "", "format algorithm signature nonce selection pcr_digest pcrs event_log");
    tl_make(&r, &q);
    q.pcrs_n = 0;
    tl_appraise(&r, &q, &t.p, &vb, &ret);
    assert_names(&vb, "", "pcr_digest pcrs");
}

static void without_a_policy_what_needs_one_is_missing(void **state)
{
    const struct tl_recipe r = tl_good();
    struct clo_verdict_builder vb;
    struct clo_tpm_result ret = {0};
    struct tl_policy t;
    struct tl_quote q;

    (void)state;
    tl_make(&r, &q);
    tl_appraise(&r, &q, NULL, &vb, &ret);
    assert_names(&vb, "", "selection pcrs event_log");
    assert_true(ret.authentic && ret.bound && !ret.measured);
    tl_policy(&r, &t);
    t.p.tpm.given = false; /* a policy about other things */
    tl_appraise(&r, &q, &t.p, &vb, &ret);
    assert_names(&vb, "", "selection pcrs event_log");
    assert_false(ret.measured);
}

/* ---- event log ---- */

/* PCRs 0 and 4 as the log has them. */
static struct tl_recipe logged(void)
{
    static const uint16_t both[] = {CLO_EVENT_SHA256, CLO_EVENT_SHA384, 0};
    struct tl_recipe r = tl_good();

    el_start(&elog, both);
    el_event(&elog, 0, 8, 0x11, "v", 1);
    el_event(&elog, 4, 13, 0x22, "", 0);
    el_event(&elog, 4, 13, 0x33, "", 0);
    memset(r.value[0], 0, 48);
    memset(r.value[4], 0, 48);
    el_extend(r.value[0], 32, 0x11);
    el_extend(r.value[4], 32, 0x22);
    el_extend(r.value[4], 32, 0x33);
    r.log = elog.p;
    r.log_n = elog.n;
    return r;
}

static enum cloister_check_status log_status(const struct tl_recipe *r, bool required)
{
    struct clo_verdict_builder vb;
    struct clo_tpm_result ret = {0};
    struct tl_policy t;
    struct tl_quote q;

    tl_policy(r, &t);
    t.p.tpm.require_event_log = required;
    tl_make(r, &q);
    tl_appraise(r, &q, &t.p, &vb, &ret);
    return clo_vb_status(&vb, CLOISTER_CHECK_TPM_EVENT_LOG);
}

static void a_log_that_replays_to_the_quoted_pcrs_passes(void **state)
{
    const struct tl_recipe r = logged();

    (void)state;
    assert_int_equal(log_status(&r, true), CLOISTER_CHECK_PASS);
    assert_int_equal(log_status(&r, false), CLOISTER_CHECK_PASS);
}

static void a_log_that_is_there_has_to_hold_even_if_none_is_required(void **state)
{
    struct tl_recipe r = logged();

    (void)state;
    elog.p[elog.n - 40] ^= 1; /* in the last SHA-384 digest: the other bank's */
    assert_int_equal(log_status(&r, false), CLOISTER_CHECK_PASS);
    r = logged();
    el_event(&elog, 4, 13, 0x44, "", 0);
    r.log_n = elog.n;
    assert_int_equal(log_status(&r, false), CLOISTER_CHECK_FAIL);
    r = logged();
    r.log_n--;
    assert_int_equal(log_status(&r, false), CLOISTER_CHECK_FAIL);
    r = logged();
    r.log_n = 69; /* the header alone: vouches for nothing */
    assert_int_equal(log_status(&r, false), CLOISTER_CHECK_FAIL);
}

static void a_log_of_another_bank_is_refused(void **state)
{
    static const uint16_t one[] = {CLO_EVENT_SHA384, 0};
    struct tl_recipe r = logged();

    (void)state;
    el_start(&elog, one);
    el_event(&elog, 0, 8, 0x11, "v", 1);
    r.log_n = elog.n;
    assert_int_equal(log_status(&r, false), CLOISTER_CHECK_FAIL);
}

static void what_a_log_says_of_pcrs_that_are_not_quoted_nobody_vouches_for(void **state)
{
    struct tl_recipe r = logged();

    (void)state;
    r.bank[0].pcrs = 0xfffffe; /* all but PCR 0 */
    assert_int_equal(log_status(&r, false), CLOISTER_CHECK_MISSING);
    r.value[4][3] ^= 1;
    assert_int_equal(log_status(&r, false), CLOISTER_CHECK_FAIL);
}

static void a_log_that_is_required_and_not_there_is_missing(void **state)
{
    struct tl_recipe r = logged();

    (void)state;
    r.log = NULL;
    r.log_n = 0;
    assert_int_equal(log_status(&r, true), CLOISTER_CHECK_MISSING);
    assert_int_equal(log_status(&r, false), CLOISTER_CHECK_NOT_APPLICABLE);
}

static void a_log_is_not_believed_where_the_quote_is_not(void **state)
{
    struct tl_recipe r = logged();

    (void)state;
    r.trust = CLOISTER_CHECK_MISSING;
    assert_int_equal(log_status(&r, true), CLOISTER_CHECK_MISSING);
    r = logged();
    r.digest_flip = 0;
    assert_int_equal(log_status(&r, true), CLOISTER_CHECK_MISSING);
    r = logged();
    r.pcrs_more = -32;
    assert_int_equal(log_status(&r, true), CLOISTER_CHECK_MISSING);
}

/* ---- keys ---- */

static void a_public_area_gives_the_key_and_whether_it_is_restricted(void **state)
{
    EVP_PKEY *const pkey[] = {tl.rsa, tl.p256, tl.p384};
    uint8_t p[1024], want[32], got[32];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(pkey); i++) {
        struct clo_key *key = NULL, *same = tl_key(pkey[i]);
        const size_t n = tl_public(pkey[i], TL_RESTRICTED, p, sizeof p);
        bool restricted = false;

        assert_int_equal(clo_tpm_key_from_public(p, n, &key, &restricted), 0);
        assert_true(restricted);
        assert_int_equal(clo_key_digest(key, got), 0);
        assert_int_equal(clo_key_digest(same, want), 0);
        assert_memory_equal(got, want, 32);
        clo_key_free(key);
        clo_key_free(same);
    }
}

static void each_attribute_of_a_restricted_key_is_needed(void **state)
{
    static const uint32_t wrong[] = {
        TL_RESTRICTED & ~TPMA_OBJECT_FIXEDTPM,
        TL_RESTRICTED & ~TPMA_OBJECT_FIXEDPARENT,
        TL_RESTRICTED & ~TPMA_OBJECT_SENSITIVEDATAORIGIN,
        TL_RESTRICTED & ~TPMA_OBJECT_RESTRICTED,
        TL_RESTRICTED & ~TPMA_OBJECT_SIGN_ENCRYPT,
        TL_RESTRICTED | TPMA_OBJECT_DECRYPT,
        0,
    };
    uint8_t p[1024];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++) {
        const size_t n = tl_public(tl.rsa, wrong[i], p, sizeof p);
        struct clo_key *key = NULL;
        bool restricted = true;

        assert_int_equal(clo_tpm_key_from_public(p, n, &key, &restricted), 0);
        assert_false(restricted);
        clo_key_free(key);
    }
}

static void a_public_area_that_is_cut_or_longer_or_of_another_kind_is_refused(void **state)
{
    EVP_PKEY *const pkey[] = {tl.rsa, tl.p256};
    uint8_t p[1024] = {0};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const size_t whole = tl_public(pkey[i], TL_RESTRICTED, p, sizeof p);
        struct clo_key *key = NULL;
        bool restricted = false;

        for (size_t n = 0; n <= whole + 1; n++)
            if (n != whole)
                assert_int_not_equal(clo_tpm_key_from_public(p, n, &key, &restricted), 0);
        p[1] = 8; /* a keyed hash */
        assert_int_equal(clo_tpm_key_from_public(p, whole, &key, &restricted),
                         CLOISTER_E_UNSUPPORTED);
        p[1] = i == 0 ? 1 : 0x23;
        p[11] = 6; /* AES: a storage key's */
        assert_int_equal(clo_tpm_key_from_public(p, whole, &key, &restricted),
                         CLOISTER_E_UNSUPPORTED);
        assert_null(key);
        assert_false(restricted);
    }
}

/* tss2-mu reports what it refuses on standard error: it must never be shown such a thing. */
static void what_is_refused_is_not_reported_on_standard_error(void **state)
{
    const struct tl_recipe r = tl_good();
    const int to = memfd_create("stderr", 0), old = dup(2);
    static const uint8_t edge[] = {0, 1, 3, 5, 0x7f, 0x80, 0xff};
    struct tl_quote q;

    (void)state;
    tl_make(&r, &q);
    assert_true(to >= 0 && old >= 0 && dup2(to, 2) == 2);
    for (size_t part = 0; part < 4; part++) {
        uint8_t p[1024] = {0};
        const size_t n = part == 0 ? q.quote_n
                         : part == 1
                             ? q.sig_n
                             : tl_public(part == 2 ? tl.rsa : tl.p256, TL_RESTRICTED, p, sizeof p);

        if (part < 2)
            memcpy(p, part == 0 ? q.quote : q.sig, n);
        for (size_t at = 0; at < n; at++)
            for (size_t e = 0; e < CLO_ARRAY_LEN(edge); e++)
                for (size_t len = n - 1; len <= n + 1; len++) {
                    const uint8_t was = p[at];
                    struct clo_tpm_signature sig;
                    struct clo_tpm_quote quote;
                    struct clo_key *key = NULL;
                    bool restricted;

                    p[at] = edge[e];
                    (void)!clo_tpm_quote_parse(p, len, &quote);
                    (void)!clo_tpm_signature_parse(p, len, &sig);
                    (void)!clo_tpm_key_from_public(p, len, &key, &restricted);
                    clo_key_free(key);
                    p[at] = was;
                }
    }
    assert_int_equal(dup2(old, 2), 2);
    assert_int_equal(lseek(to, 0, SEEK_END), 0);
    assert_int_equal(close(old) | close(to), 0);
}

/* ---- certificates ---- */

struct chain {
    struct clo_buf der[CLO_CHAIN_MAX + 1];
    size_t n;
    struct cloister_roots roots;
    struct clo_cert *root;
    struct clo_buf root_der;
    int64_t now;
};

/* Leaf, intermediate, and a pinned root; one certificate may be another than usual. */
static void chain_make(struct chain *c, const struct tl_cert *leaf, const struct tl_cert *ca,
                       const struct tl_cert *root)
{
    memset(c, 0, sizeof *c);
    tl_cert(leaf, &c->der[0]);
    tl_cert(ca, &c->der[1]);
    c->n = 2;
    tl_cert(root, &c->root_der);
    assert_int_equal(clo_cert_parse(c->root_der.p, c->root_der.len, &c->root), 0);
    c->roots.tpm[0] = (struct clo_root){c->root_der.p, c->root_der.len, c->root};
    c->roots.tpms = 1;
    c->now = LAB_NOW;
}

static void chain_clear(struct chain *c)
{
    for (size_t i = 0; i < CLO_ARRAY_LEN(c->der); i++)
        clo_buf_clear(&c->der[i]);
    clo_buf_clear(&c->root_der);
    clo_cert_free(c->root);
}

static struct tl_cert good_leaf(void)
{
    return (struct tl_cert){.subject = "",
                            .issuer = "TPM CA",
                            .key = tl.rsa,
                            .signer = tl.ca,
                            .from = LAB_NOW - LAB_DAY,
                            .to = LAB_NOW + LAB_DAY};
}

static struct tl_cert good_ca(void)
{
    return (struct tl_cert){.subject = "TPM CA",
                            .issuer = "TPM root",
                            .key = tl.ca,
                            .signer = tl.root,
                            .from = LAB_NOW - 2 * LAB_DAY,
                            .to = LAB_NOW + 2 * LAB_DAY,
                            .constraints = "critical,CA:TRUE,pathlen:0",
                            .md = EVP_sha384()};
}

static struct tl_cert good_root(void)
{
    return (struct tl_cert){.subject = "TPM root",
                            .issuer = "TPM root",
                            .key = tl.root,
                            .signer = tl.root,
                            .from = LAB_NOW - 3 * LAB_DAY,
                            .to = LAB_NOW + 3 * LAB_DAY,
                            .constraints = "critical,CA:TRUE"};
}

static struct clo_tpm_trust trust_of(const struct chain *c, const struct cloister_policy *policy,
                                     int64_t *until)
{
    struct clo_key *key = tl_key(tl.rsa);
    struct clo_verdict_builder vb;
    struct clo_tpm_trust t = {0};

    clo_vb_init(&vb);
    assert_int_equal(clo_tpm_key_trust(key, c->der, c->n, policy, &c->roots, c->now, &vb, &t), 0);
    if (until != NULL)
        *until = vb.valid_until;
    clo_key_free(key);
    return t;
}

static void assert_trust(const struct tl_cert *leaf, const struct tl_cert *ca,
                         const struct tl_cert *root, enum cloister_check_status status)
{
    struct clo_tpm_trust t;
    struct chain c;

    chain_make(&c, leaf, ca, root);
    t = trust_of(&c, NULL, NULL);
    assert_int_equal(t.status, status);
    assert_true((t.reason == NULL) == (status == CLOISTER_CHECK_PASS));
    chain_clear(&c);
}

static void a_chain_to_a_pinned_root_vouches_for_its_leafs_key(void **state)
{
    const struct tl_cert leaf = good_leaf(), ca = good_ca(), root = good_root();
    int64_t until = 0;
    struct chain c;

    (void)state;
    chain_make(&c, &leaf, &ca, &root);
    assert_int_equal(trust_of(&c, NULL, &until).status, CLOISTER_CHECK_PASS);
    assert_int_equal(until, leaf.to);
    /* with the root, too */
    c.der[2] = clo_buf_init(CLO_CERT_MAX);
    assert_int_equal(clo_buf_append(&c.der[2], c.root_der.p, c.root_der.len), 0);
    c.n = 3;
    assert_int_equal(trust_of(&c, NULL, NULL).status, CLOISTER_CHECK_PASS);
    /* one certificate, and nothing behind it */
    assert_int_equal(clo_buf_append(&c.der[1], "", 1), 0);
    assert_int_equal(trust_of(&c, NULL, NULL).status, CLOISTER_CHECK_FAIL);
    chain_clear(&c);
}

static void a_chain_with_anything_wrong_vouches_for_nothing(void **state)
{
    const struct tl_cert leaf = good_leaf(), ca = good_ca(), root = good_root();
    struct tl_cert x;

    (void)state;
    x = leaf, x.key = tl.rsa2; /* another key's */
    assert_trust(&x, &ca, &root, CLOISTER_CHECK_FAIL);
    x = leaf, x.signer = tl.stranger;
    assert_trust(&x, &ca, &root, CLOISTER_CHECK_FAIL);
    x = leaf, x.issuer = "Another CA";
    assert_trust(&x, &ca, &root, CLOISTER_CHECK_FAIL);
    x = leaf, x.md = EVP_sha1();
    assert_trust(&x, &ca, &root, CLOISTER_CHECK_FAIL);
    x = leaf, x.constraints = "critical,CA:TRUE";
    assert_trust(&x, &ca, &root, CLOISTER_CHECK_FAIL);
    x = leaf, x.to = LAB_NOW;
    assert_trust(&x, &ca, &root, CLOISTER_CHECK_FAIL);
    x = leaf, x.from = LAB_NOW + 1;
    assert_trust(&x, &ca, &root, CLOISTER_CHECK_FAIL);
    x = ca, x.signer = tl.stranger;
    assert_trust(&leaf, &x, &root, CLOISTER_CHECK_FAIL);
    x = ca, x.constraints = NULL; /* a leaf that issues */
    assert_trust(&leaf, &x, &root, CLOISTER_CHECK_FAIL);
    x = ca, x.constraints = "critical,CA:FALSE";
    assert_trust(&leaf, &x, &root, CLOISTER_CHECK_FAIL);
    x = ca, x.to = LAB_NOW - 1;
    assert_trust(&leaf, &x, &root, CLOISTER_CHECK_FAIL);
    x = root, x.to = LAB_NOW - 1;
    assert_trust(&leaf, &ca, &x, CLOISTER_CHECK_FAIL);
    x = root, x.key = x.signer = tl.stranger; /* the same name */
    assert_trust(&leaf, &ca, &x, CLOISTER_CHECK_FAIL);
    x = root, x.constraints = "critical,CA:TRUE,pathlen:0";
    assert_trust(&leaf, &ca, &x, CLOISTER_CHECK_FAIL);
    x = root, x.constraints = "critical,CA:TRUE,pathlen:1";
    assert_trust(&leaf, &ca, &x, CLOISTER_CHECK_PASS);
}

/* An authority that may issue leaves alone issued another authority. */
static void an_authority_below_one_that_may_have_none_is_refused(void **state)
{
    struct tl_cert leaf = good_leaf(), ca = good_ca(), root = good_root(), below = good_ca();
    struct chain c;

    (void)state;
    below.subject = "Below";
    below.issuer = "TPM CA";
    below.key = tl.stranger;
    below.signer = tl.ca;
    leaf.issuer = "Below";
    leaf.signer = tl.stranger;
    for (size_t allowed = 0; allowed < 2; allowed++) {
        ca.constraints = allowed ? "critical,CA:TRUE,pathlen:1" : "critical,CA:TRUE,pathlen:0";
        chain_make(&c, &leaf, &below, &root);
        tl_cert(&ca, &c.der[2]);
        c.n = 3;
        assert_int_equal(trust_of(&c, NULL, NULL).status,
                         allowed ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL);
        chain_clear(&c);
    }
}

static void without_a_certificate_or_a_root_nothing_vouches(void **state)
{
    const struct tl_cert leaf = good_leaf(), ca = good_ca(), root = good_root();
    struct chain c;

    (void)state;
    chain_make(&c, &leaf, &ca, &root);
    c.n = 0;
    assert_int_equal(trust_of(&c, NULL, NULL).status, CLOISTER_CHECK_MISSING);
    c.n = 1; /* the intermediate is missing: nothing that is pinned signed the leaf */
    assert_int_equal(trust_of(&c, NULL, NULL).status, CLOISTER_CHECK_FAIL);
    c.n = 2;
    c.roots.tpms = 0;
    assert_int_equal(trust_of(&c, NULL, NULL).status, CLOISTER_CHECK_MISSING);
    c.roots.tpms = 1;
    c.der[1].p[0] ^= 1;
    assert_int_equal(trust_of(&c, NULL, NULL).status, CLOISTER_CHECK_FAIL);
    c.n = CLO_CHAIN_MAX + 1;
    assert_int_equal(trust_of(&c, NULL, NULL).status, CLOISTER_CHECK_FAIL);
    chain_clear(&c);
}

static void a_policy_may_name_the_key_itself(void **state)
{
    const struct tl_recipe r = tl_good();
    const struct tl_cert leaf = good_leaf(), ca = good_ca(), root = good_root();
    struct clo_key *key = tl_key(tl.rsa);
    struct chain c = {.now = LAB_NOW};
    struct tl_policy t;

    (void)state;
    tl_policy(&r, &t);
    t.p.tpm.keys = (struct clo_policy_list){true, 32, 1, t.key[0]};
    assert_int_equal(trust_of(&c, &t.p, NULL).status, CLOISTER_CHECK_FAIL); /* another one */
    assert_int_equal(clo_key_digest(key, t.key[0]), 0);
    assert_int_equal(trust_of(&c, &t.p, NULL).status, CLOISTER_CHECK_PASS);
    t.p.tpm.keys.given = false;
    assert_int_equal(trust_of(&c, &t.p, NULL).status, CLOISTER_CHECK_MISSING);
    /* a list decides alone: a good certificate doesn't make up for a key that isn't on it */
    chain_make(&c, &leaf, &ca, &root);
    assert_int_equal(trust_of(&c, &t.p, NULL).status, CLOISTER_CHECK_PASS);
    t.p.tpm.keys.given = true;
    t.key[0][0] ^= 1;
    assert_int_equal(trust_of(&c, &t.p, NULL).status, CLOISTER_CHECK_FAIL);
    chain_clear(&c);
    clo_key_free(key);
}

/* ---- as raw evidence ---- */

/* A quote with what comes beside it; the public area and the certificates may be absent. */
struct raw_tpm {
    struct tl_quote q;
    uint8_t pub[1024];
    size_t pub_n;
    struct chain chain;
};

static void raw_tpm_make(struct raw_tpm *t)
{
    const struct tl_recipe r = tl_good();
    const struct tl_cert leaf = good_leaf(), ca = good_ca(), root = good_root();

    tl_make(&r, &t->q);
    t->pub_n = tl_public(tl.rsa, TL_RESTRICTED, t->pub, sizeof t->pub);
    chain_make(&t->chain, &leaf, &ca, &root);
}

/* What the checks of the key, of what vouches for it and of the signature say. */
static void assert_raw(const struct raw_tpm *t, enum cloister_check_status key,
                       enum cloister_check_status trusted, enum cloister_check_status signature)
{
    struct cloister_roots *roots = NULL;
    struct cloister_raw *raw = NULL;
    struct cloister_verdict v;

    assert_int_equal(cloister_roots_new(&roots), 0);
    assert_int_equal(cloister_roots_add_tpm(roots, t->chain.root_der.p, t->chain.root_der.len), 0);
    assert_int_equal(cloister_raw_new(CLOISTER_RAW_TPM, &raw), 0);
    assert_int_equal(cloister_raw_add(raw, CLOISTER_ITEM_TPM_QUOTE, t->q.quote, t->q.quote_n), 0);
    assert_int_equal(cloister_raw_add(raw, CLOISTER_ITEM_TPM_SIGNATURE, t->q.sig, t->q.sig_n), 0);
    assert_int_equal(cloister_raw_add(raw, CLOISTER_ITEM_PCRS, t->q.pcrs, t->q.pcrs_n), 0);
    if (t->pub_n > 0)
        assert_int_equal(cloister_raw_add(raw, CLOISTER_ITEM_TPM_KEY, t->pub, t->pub_n), 0);
    for (size_t i = 0; i < t->chain.n; i++)
        assert_int_equal(cloister_raw_add(raw, CLOISTER_ITEM_CERTIFICATES, t->chain.der[i].p,
                                          t->chain.der[i].len),
                         0);
    assert_int_equal(cloister_raw_expect(raw, TL_NONCE, 32), 0);
    assert_int_not_equal(cloister_raw_appraise(raw, NULL, roots, LAB_NOW, &v), 0);
    for (size_t i = 0; i < v.checks; i++) {
        if (v.check[i].id == CLOISTER_CHECK_TPM_KEY)
            assert_int_equal(v.check[i].status, key);
        else if (v.check[i].id == CLOISTER_CHECK_TPM_KEY_TRUSTED)
            assert_int_equal(v.check[i].status, trusted);
        else if (v.check[i].id == CLOISTER_CHECK_TPM_SIGNATURE)
            assert_int_equal(v.check[i].status, signature);
    }
    cloister_raw_free(raw);
    cloister_roots_free(roots);
}

static void a_certificate_out_of_an_nv_index_is_read(void **state)
{
    uint8_t filling[1000];
    struct raw_tpm t = {0};

    (void)state;
    for (int pub = 0; pub < 2; pub++)
        for (int fill = 0; fill <= 0xff; fill += 0xff) {
            raw_tpm_make(&t);
            t.pub_n = pub ? t.pub_n : 0;
            memset(filling, fill, sizeof filling);
            assert_int_equal(clo_buf_append(&t.chain.der[0], filling, sizeof filling), 0);
            assert_int_equal(clo_buf_append(&t.chain.der[1], filling, 1), 0);
            assert_raw(&t, pub ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_MISSING, CLOISTER_CHECK_PASS,
                       pub ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_MISSING);
            chain_clear(&t.chain);
        }
}

static void what_is_no_filling_is_not_cut_off(void **state)
{
    static const char *const behind[] = {"\x01", "\xff\xfe", "\x30"};
    struct raw_tpm t = {0};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(behind); i++)
        for (int pub = 0; pub < 2; pub++) {
            raw_tpm_make(&t);
            t.pub_n = pub ? t.pub_n : 0;
            assert_int_equal(clo_buf_append(&t.chain.der[0], behind[i], strlen(behind[i])), 0);
            assert_raw(&t, CLOISTER_CHECK_MISSING, CLOISTER_CHECK_FAIL, CLOISTER_CHECK_MISSING);
            chain_clear(&t.chain);
        }
}

/* TPM2B_PUBLIC, as tools store it: the public area's length before it. */
static void a_public_area_may_have_its_length_before_it(void **state)
{
    struct raw_tpm t = {0};
    uint8_t area[sizeof t.pub];

    (void)state;
    raw_tpm_make(&t);
    assert_true(t.pub_n + 2 <= sizeof t.pub);
    memcpy(area, t.pub, t.pub_n);
    memcpy(t.pub + 2, area, t.pub_n);
    t.pub[0] = (uint8_t)(t.pub_n >> 8);
    t.pub[1] = (uint8_t)t.pub_n;
    t.pub_n += 2;
    assert_raw(&t, CLOISTER_CHECK_PASS, CLOISTER_CHECK_PASS, CLOISTER_CHECK_PASS);
    t.pub[1]--;
    assert_raw(&t, CLOISTER_CHECK_MISSING, CLOISTER_CHECK_FAIL, CLOISTER_CHECK_MISSING);
    t.pub[1]++;
    t.pub_n--;
    assert_raw(&t, CLOISTER_CHECK_MISSING, CLOISTER_CHECK_FAIL, CLOISTER_CHECK_MISSING);
    chain_clear(&t.chain);
}

/* What is there and wrong is another thing than what isn't there. */
static void what_is_no_key_is_refused_and_no_key_is_missing(void **state)
{
    struct raw_tpm t = {0};

    (void)state;
    raw_tpm_make(&t);
    t.pub[0] ^= 1;
    assert_raw(&t, CLOISTER_CHECK_MISSING, CLOISTER_CHECK_FAIL, CLOISTER_CHECK_MISSING);
    t.pub_n = 0;
    t.chain.n = 0;
    assert_raw(&t, CLOISTER_CHECK_MISSING, CLOISTER_CHECK_MISSING, CLOISTER_CHECK_MISSING);
    t.chain.n = 2;
    t.chain.der[0].len = 2;
    t.chain.der[0].p[1] = 0; /* an empty SEQUENCE */
    assert_raw(&t, CLOISTER_CHECK_MISSING, CLOISTER_CHECK_FAIL, CLOISTER_CHECK_MISSING);
    chain_clear(&t.chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_quote_passes_every_check),
        cmocka_unit_test(each_scheme_with_each_hash_of_sha_2_is_verified),
        cmocka_unit_test(pcrs_that_no_policy_pins_may_have_any_value),
        cmocka_unit_test(a_policy_without_pcrs_admits_none),
        cmocka_unit_test(what_a_tpm_did_not_make_or_that_is_no_quote_is_refused),
        cmocka_unit_test(a_key_that_may_sign_anything_makes_nothing_it_signed_believed),
        cmocka_unit_test(a_key_that_nothing_vouches_for_is_missing_and_one_that_is_denied_fails),
        cmocka_unit_test(another_keys_signature_is_refused),
        cmocka_unit_test(a_signature_under_another_schemes_name_is_refused),
        cmocka_unit_test(sha_1_is_refused_in_the_signature_and_in_the_bank),
        cmocka_unit_test(the_nonce_has_to_be_the_expected_one_whole),
        cmocka_unit_test(an_empty_nonce_never_passes),
        cmocka_unit_test(without_an_expectation_the_nonce_is_missing_unless_any_will_do),
        cmocka_unit_test(more_or_fewer_pcrs_or_another_bank_are_another_selection),
        cmocka_unit_test(the_values_have_to_be_the_quoted_ones_in_length_and_content),
        cmocka_unit_test(values_that_the_policy_does_not_pin_are_refused),
        cmocka_unit_test(a_flipped_bit_anywhere_is_refused),
        cmocka_unit_test(what_is_not_there_is_missing),
        cmocka_unit_test(without_a_policy_what_needs_one_is_missing),
        cmocka_unit_test(a_log_that_replays_to_the_quoted_pcrs_passes),
        cmocka_unit_test(a_log_that_is_there_has_to_hold_even_if_none_is_required),
        cmocka_unit_test(a_log_of_another_bank_is_refused),
        cmocka_unit_test(what_a_log_says_of_pcrs_that_are_not_quoted_nobody_vouches_for),
        cmocka_unit_test(a_log_that_is_required_and_not_there_is_missing),
        cmocka_unit_test(a_log_is_not_believed_where_the_quote_is_not),
        cmocka_unit_test(a_public_area_gives_the_key_and_whether_it_is_restricted),
        cmocka_unit_test(each_attribute_of_a_restricted_key_is_needed),
        cmocka_unit_test(a_public_area_that_is_cut_or_longer_or_of_another_kind_is_refused),
        cmocka_unit_test(what_is_refused_is_not_reported_on_standard_error),
        cmocka_unit_test(a_chain_to_a_pinned_root_vouches_for_its_leafs_key),
        cmocka_unit_test(a_chain_with_anything_wrong_vouches_for_nothing),
        cmocka_unit_test(an_authority_below_one_that_may_have_none_is_refused),
        cmocka_unit_test(without_a_certificate_or_a_root_nothing_vouches),
        cmocka_unit_test(a_policy_may_name_the_key_itself),
        cmocka_unit_test(a_certificate_out_of_an_nv_index_is_read),
        cmocka_unit_test(what_is_no_filling_is_not_cut_off),
        cmocka_unit_test(a_public_area_may_have_its_length_before_it),
        cmocka_unit_test(what_is_no_key_is_refused_and_no_key_is_missing),
    };

    return cmocka_run_group_tests_name("tpm", tests, tl_open, tl_close);
}
