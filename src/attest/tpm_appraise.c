/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appraisal of a TPM's quote. A quote is signed by a key that signs what the TPM made and nothing else; that is what makes the magic number
 * mean something, so a key that isn't known to be restricted is refused before anything it signed is believed.
 *
 * The selection has to be exactly the policy's: one more PCR, or another bank, is another quote, of which the policy says nothing.
 */
#include "attest/tpm.h"

#include <stdio.h>
#include <string.h>

#include "attest/tpm_quote.h"
#include "base/enc.h"

#define TEXT CLOISTER_CHECK_TEXT

struct appraisal {
    const struct clo_tpm_input *in;
    const struct clo_policy_tpm *policy; /* NULL: none that says something about TPMs */
    struct clo_verdict_builder *vb;

    struct clo_tpm_quote q;
    struct clo_tpm_signature s;
    enum clo_hash_alg hash;
    bool sha2; /* signature and banks; hash is the signature's */
    bool signature_ok;
    bool digest_ok; /* the values are those that the quote's digest is made of */
    bool authentic;
};

static void fact(struct appraisal *a, enum cloister_check_id id, bool ok, const char *expected,
                 const char *actual, const char *reason)
{
    clo_vb_set(a->vb, id, ok ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL, expected, actual,
               ok ? NULL : reason);
}

static void claim(struct appraisal *a, enum cloister_check_id id, bool right, const char *expected,
                  const char *actual, const char *reason)
{
    clo_vb_claim(a->vb, id, right, a->authentic, expected, actual, reason);
}

static void missing(struct appraisal *a, enum cloister_check_id id, const char *reason)
{
    clo_vb_set(a->vb, id, CLOISTER_CHECK_MISSING, NULL, NULL, reason);
}

/* "0-7, 14" */
static void pcrs_text(uint32_t pcrs, char *dst, size_t cap)
{
    size_t at = 0;

    (void)snprintf(dst, cap, "none");
    for (unsigned i = 0; i < CLO_POLICY_PCRS && at < cap; i++) {
        const unsigned first = i;

        if ((pcrs >> i & 1) == 0)
            continue;
        while (i + 1 < CLO_POLICY_PCRS && (pcrs >> (i + 1) & 1) != 0)
            i++;
        at += (size_t)snprintf(dst + at, cap - at, first == i ? "%s%u" : "%s%u-%u",
                               at == 0 ? "" : ", ", first, i);
    }
}

static void bank_text(const struct clo_tpm_bank *b, char *dst, size_t cap)
{
    char pcrs[96];

    pcrs_text(b->pcrs, pcrs, sizeof pcrs);
    (void)snprintf(dst, cap, "%s: %s", clo_tpm_alg_name(b->alg), pcrs);
}

/* ---- what the bytes are ---- */

static bool check_format(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_TPM_FORMAT;
    int err;

    if (a->in->quote_n == 0 || a->in->signature_n == 0) {
        missing(a, id, a->in->quote_n == 0 ? "no quote came" : "no signature came with the quote");
        return false;
    }
    err = clo_tpm_quote_parse(a->in->quote, a->in->quote_n, &a->q);
    if (err != 0) {
        fact(a, id, false, NULL, NULL,
             err == CLOISTER_E_UNKNOWN ? "the signed bytes aren't a quote that a TPM made"
                                       : "the quote breaks its format");
        return false;
    }
    err = clo_tpm_signature_parse(a->in->signature, a->in->signature_n, &a->s);
    fact(a, id, err == 0, NULL, NULL, "the signature breaks its format");
    return err == 0;
}

static void check_key(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_TPM_KEY,
                                 trusted = CLOISTER_CHECK_TPM_KEY_TRUSTED;

    if (a->in->key == NULL)
        missing(a, id, "there is no attestation key");
    else if (!a->in->key_restricted && a->in->key_use_unknown)
        missing(a, id, "nothing says that the key is restricted: its public area is missing");
    else /* a public area is its sender's word: whoever vouches for the key has to have seen it */
        clo_vb_claim(a->vb, id, a->in->key_restricted, a->in->key_trust == CLOISTER_CHECK_PASS,
                     NULL, NULL,
                     "the key isn't restricted to what its TPM made: it may have signed anything");
    if (a->in->key == NULL && a->in->key_trust != CLOISTER_CHECK_FAIL) {
        missing(a, trusted, "there is no attestation key");
        return;
    }
    switch (a->in->key_trust) {
    case CLOISTER_CHECK_PASS:
        clo_vb_set(a->vb, trusted, CLOISTER_CHECK_PASS, NULL, NULL, NULL);
        break;
    case CLOISTER_CHECK_FAIL:
        clo_vb_set(a->vb, trusted, CLOISTER_CHECK_FAIL, NULL, NULL,
                   a->in->key_trust_reason != NULL ? a->in->key_trust_reason
                                                   : "what should vouch for the key doesn't");
        break;
    default:
        missing(a, trusted,
                a->in->key_trust_reason != NULL ? a->in->key_trust_reason
                                                : "nothing trusted vouches for the key");
    }
}

static void check_algorithm(struct appraisal *a)
{
    char actual[TEXT];
    enum clo_hash_alg bank;
    size_t at;

    a->sha2 = a->s.scheme != 0 && clo_tpm_hash(a->s.hash, &a->hash);
    at = (size_t)snprintf(actual, sizeof actual, "%ssignature %s",
                          a->s.scheme == 0 ? "unknown scheme, " : "", clo_tpm_alg_name(a->s.hash));
    for (size_t i = 0; i < a->q.banks && at < sizeof actual; i++) {
        a->sha2 = a->sha2 && clo_tpm_hash(a->q.bank[i].alg, &bank);
        at += (size_t)snprintf(actual + at, sizeof actual - at, ", bank %s",
                               clo_tpm_alg_name(a->q.bank[i].alg));
    }
    fact(a, CLOISTER_CHECK_TPM_ALGORITHM, a->sha2, "SHA-2", actual,
         "an algorithm is broken, or isn't known to this version");
}

static int check_signature(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_TPM_SIGNATURE;
    enum clo_hash_alg hash;
    int err;

    if (a->in->key == NULL) {
        missing(a, id, "there is no key to verify it with");
        return 0;
    }
    if (a->s.scheme == 0 || !clo_tpm_hash(a->s.hash, &hash)) {
        missing(a, id, "its algorithm isn't one that is verified");
        return 0;
    }
    /* Over the bytes as received. */
    err = clo_key_verify(a->in->key, a->s.scheme, hash, a->in->quote, a->in->quote_n, a->s.sig,
                         a->s.sig_n);
    if (clo_is_ours(err))
        return err;
    a->signature_ok = err == 0;
    a->authentic = a->signature_ok && a->sha2 && a->in->key_restricted &&
                   a->in->key_trust == CLOISTER_CHECK_PASS;
    claim(a, id, a->signature_ok, NULL, NULL, "the signature is wrong");
    return 0;
}

/* ---- what the quote claims ---- */

static void check_nonce(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_TPM_NONCE;
    char expected[TEXT], actual[TEXT];
    const char *wrong = NULL;

    clo_hex(a->q.extra, a->q.extra_n, actual);
    if (a->in->expected == NULL) {
        clo_vb_unexpected(a->vb, id, a->in->any_expected, actual);
        return;
    }
    if (a->in->expected_n <= CLO_TPM_EXTRA_MAX)
        clo_hex(a->in->expected, a->in->expected_n, expected);
    else
        (void)snprintf(expected, sizeof expected, "%zu bytes", a->in->expected_n);
    /* Whoever asks for nothing gets what was made for anybody, at any time. */
    if (a->q.extra_n == 0 || a->in->expected_n == 0)
        wrong = "the quote covers no data: it may be of any time";
    else if (a->q.extra_n != a->in->expected_n ||
             memcmp(a->q.extra, a->in->expected, a->q.extra_n) != 0)
        wrong = "the quote was made for other data";
    claim(a, id, wrong == NULL, expected, actual, wrong);
}

static void check_selection(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_TPM_SELECTION;
    char expected[TEXT], actual[TEXT];
    struct clo_tpm_bank wanted;

    if (a->q.banks == 1)
        bank_text(&a->q.bank[0], actual, sizeof actual);
    else
        (void)snprintf(actual, sizeof actual, "%zu banks", a->q.banks);
    if (a->policy == NULL) {
        clo_vb_no_policy(a->vb, id, actual);
        return;
    }
    wanted = (struct clo_tpm_bank){.alg = a->policy->bank, .pcrs = a->policy->selection};
    bank_text(&wanted, expected, sizeof expected);
    claim(a, id,
          a->q.banks == 1 && a->q.bank[0].alg == wanted.alg && a->q.bank[0].pcrs == wanted.pcrs,
          expected, actual, "other PCRs are quoted than the policy wants");
}

/* How many bytes the selected PCRs' values have; 0 for an unknown bank, or where none is selected. */
static size_t values_len(const struct clo_tpm_quote *q)
{
    size_t n = 0;

    for (size_t i = 0; i < q->banks; i++) {
        const size_t len = clo_tpm_digest_len(q->bank[i].alg);

        if (len == 0)
            return 0;
        n += len * (size_t)__builtin_popcount(q->bank[i].pcrs);
    }
    return n;
}

/* The digest is made with the signature's hash, whatever the bank is (part 3, TPM2_Quote). */
static int check_digest(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_TPM_PCR_DIGEST;
    const struct clo_slice values = {a->in->pcrs, a->in->pcrs_n};
    char expected[TEXT], actual[TEXT];
    uint8_t digest[CLO_SHA512_LEN];
    enum clo_hash_alg hash;
    int err;

    clo_hex(a->q.digest, a->q.digest_n, expected);
    if (a->in->pcrs_n == 0) {
        clo_vb_set(a->vb, id, CLOISTER_CHECK_MISSING, expected, NULL,
                   "the values of the PCRs didn't come with the quote");
        return 0;
    }
    if (!clo_tpm_hash(a->s.hash, &hash)) {
        missing(a, id, "the digest's algorithm isn't one that is verified");
        return 0;
    }
    if (a->in->pcrs_n != values_len(&a->q)) {
        (void)snprintf(actual, sizeof actual, "%zu bytes", a->in->pcrs_n);
        fact(a, id, false, expected, actual, "there are more or fewer values than were quoted");
        return 0;
    }
    if ((err = clo_hash(hash, &values, 1, digest)) != 0)
        return err;
    clo_hex(digest, clo_tpm_digest_len(a->s.hash), actual);
    a->digest_ok = a->q.digest_n == clo_tpm_digest_len(a->s.hash) &&
                   memcmp(a->q.digest, digest, a->q.digest_n) == 0;
    claim(a, id, a->digest_ok, expected, actual, "these aren't the values that were quoted");
    return 0;
}

/* The value of a PCR of the one bank whose values came in full; NULL if it wasn't quoted. */
static const uint8_t *value_of(const struct appraisal *a, unsigned pcr)
{
    const struct clo_tpm_bank *b = &a->q.bank[0];
    const size_t len = clo_tpm_digest_len(b->alg);

    if (a->q.banks != 1 || a->in->pcrs_n != values_len(&a->q) || (b->pcrs >> pcr & 1) == 0)
        return NULL;
    return a->in->pcrs + len * (size_t)__builtin_popcount(b->pcrs & ((1u << pcr) - 1));
}

/* Which of an alternative's PCRs have another value, or none. */
static uint32_t differing(const struct appraisal *a, const struct clo_policy_pcrs *want)
{
    const size_t len = clo_tpm_digest_len(a->policy->bank);
    uint32_t other = 0;

    for (unsigned i = 0; i < CLO_POLICY_PCRS; i++) {
        const uint8_t *value = value_of(a, i);

        if ((want->pinned >> i & 1) != 0 &&
            (value == NULL || memcmp(value, want->value[i], len) != 0))
            other |= 1u << i;
    }
    return other;
}

static void check_pcrs(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_TPM_PCRS;
    char expected[TEXT], actual[TEXT], list[96];
    uint32_t nearest = UINT32_MAX;

    if (a->policy == NULL) {
        clo_vb_no_policy(a->vb, id, NULL);
        return;
    }
    (void)snprintf(expected, sizeof expected, "one of %zu sets", a->policy->pcrs_n);
    if (a->policy->pcrs_n == 0) {
        fact(a, id, false, expected, NULL, "the policy pins no PCR, so admits none");
        return;
    }
    if (a->q.banks != 1 || a->q.bank[0].alg != a->policy->bank) {
        fact(a, id, false, expected, NULL, "the bank that the policy pins isn't what is quoted");
        return;
    }
    if (a->in->pcrs_n == 0) {
        missing(a, id, "the values of the PCRs didn't come with the quote");
        return;
    }
    for (size_t i = 0; i < a->policy->pcrs_n; i++) {
        const struct clo_policy_pcrs *want = &a->policy->pcrs[i];
        const uint32_t other = want->pinned == 0 ? UINT32_MAX >> 1 : differing(a, want);

        if (__builtin_popcount(other) < __builtin_popcount(nearest))
            nearest = other;
    }
    pcrs_text(nearest, list, sizeof list);
    (void)snprintf(actual, sizeof actual, "other than the nearest set: %s", list);
    /* Values are the quote's only if its digest says so. */
    clo_vb_claim(a->vb, id, nearest == 0, a->authentic && a->digest_ok, expected, actual,
                 "PCRs have values that the policy doesn't pin: something else was started");
}

/*
 * The log speaks of the PCRs that it extends, and each has to be quoted and to have exactly the replayed value. PCRs that it doesn't
 * extend are extended by others too (an operating system's own measurements), so the log says nothing about them:
 * tpm.pcrs does. A log that extends a PCR outside the selection says something that nobody vouches for.
 */
static int judge_log(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_TPM_EVENT_LOG;
    const struct clo_tpm_bank *b = &a->q.bank[0];
    const size_t len = clo_tpm_digest_len(b->alg);
    struct clo_event_replay replay;
    char expected[TEXT], actual[TEXT];
    uint32_t other = 0;
    int err;

    if (a->q.banks != 1 || (b->alg != CLO_TPM_SHA256 && b->alg != CLO_TPM_SHA384)) {
        missing(a, id, "event logs are replayed to one SHA-256 or SHA-384 bank only");
        return 0;
    }
    if (a->in->pcrs_n != values_len(&a->q)) {
        missing(a, id, "there are no values of PCRs to compare it with");
        return 0;
    }
    err = clo_event_log_replay(a->in->event_log, a->in->event_log_n,
                               b->alg == CLO_TPM_SHA256 ? CLO_EVENT_SHA256 : CLO_EVENT_SHA384,
                               &replay);
    if (clo_is_ours(err))
        return err;
    if (err != 0 || replay.extended == 0) {
        fact(a, id, false, NULL, NULL,
             err == CLOISTER_E_NOT_FOUND ? "the log has no digests of the quoted bank"
             : err != 0                  ? "the log breaks its format"
                                         : "the log has no events");
        return 0;
    }
    for (unsigned i = 0; i < CLO_EVENT_REGISTERS; i++) {
        const uint8_t *value = value_of(a, i);

        if ((replay.extended >> i & 1) != 0 && value != NULL &&
            memcmp(value, replay.value[i], len) != 0)
            other |= 1u << i;
    }
    pcrs_text(replay.extended, expected, sizeof expected);
    pcrs_text(other, actual, sizeof actual);
    if (other == 0 && (replay.extended & ~b->pcrs) != 0)
        clo_vb_set(a->vb, id, CLOISTER_CHECK_MISSING, expected, actual,
                   "the log speaks of PCRs that aren't quoted");
    else
        clo_vb_claim(a->vb, id, other == 0, a->authentic && a->digest_ok, expected, actual,
                     "the log isn't the one behind these PCRs");
    return 0;
}

static int check_event_log(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_TPM_EVENT_LOG;

    if (a->in->event_log_n != 0)
        return judge_log(a);
    if (a->policy == NULL)
        clo_vb_no_policy(a->vb, id, "none");
    else if (a->policy->require_event_log)
        missing(a, id, "no event log came with the quote");
    else
        clo_vb_set(a->vb, id, CLOISTER_CHECK_NOT_APPLICABLE, NULL, "none",
                   "no event log came, and the policy doesn't require one");
    return 0;
}

static bool passed(const struct appraisal *a, enum cloister_check_id id)
{
    return clo_vb_status(a->vb, id) == CLOISTER_CHECK_PASS;
}

int clo_tpm_appraise(const struct clo_tpm_input *in, const struct cloister_policy *policy,
                     struct clo_verdict_builder *vb, struct clo_tpm_result *ret)
{
    struct appraisal a = {.in = in, .vb = vb};
    int err;

    if (policy != NULL && policy->tpm.given)
        a.policy = &policy->tpm;
    check_key(&a);
    if (!check_format(&a)) {
        clo_vb_skip(vb, CLOISTER_CHECK_TPM_FORMAT, CLOISTER_CHECK_TPM_EVENT_LOG,
                    "there is no quote that can be read");
        *ret = (struct clo_tpm_result){0};
        return 0;
    }
    check_algorithm(&a);
    if ((err = check_signature(&a)) != 0)
        return err;
    check_nonce(&a);
    check_selection(&a);
    if ((err = check_digest(&a)) != 0)
        return err;
    check_pcrs(&a);
    if ((err = check_event_log(&a)) != 0)
        return err;
    ret->authentic = a.authentic;
    ret->bound = a.authentic && passed(&a, CLOISTER_CHECK_TPM_NONCE);
    ret->measured = a.authentic && passed(&a, CLOISTER_CHECK_TPM_SELECTION) &&
                    passed(&a, CLOISTER_CHECK_TPM_PCR_DIGEST) &&
                    passed(&a, CLOISTER_CHECK_TPM_PCRS);
    return 0;
}
