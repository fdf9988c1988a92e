/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole evidence of TDX, and of TDX on Azure, to a verdict: what test_verify.c shows of SEV-SNP has to hold for every kind. The manifest
 * is believed under a pinned image only; on Azure that takes the PCRs as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attest/roots.h"
#include "evidence_lab.h"
#include "lab/azure.h"
#include "lab/quote.h"

#define TPM "'azure':{},'tpm':{'pcrs':[{'4':'" X16("14") X16("14") "'}]}"

struct scene {
    bool azure;
    struct quote_recipe td;
    struct tl_recipe tpm;
    const char *log;          /* an event log; NULL: none */
    const char *roots_member; /* of the policy: "%s" is the digest of the laboratory's root */
    bool other_keys;          /* the keys are changed when everything is bound */
};

static struct scene good(bool azure)
{
    struct scene s = {.azure = azure, .td = quote_lab_td(4, CLO_QUOTE_BODY_TD10), .tpm = tl_good()};

    if (azure) {
        quote_edit(s.td.policy, "['tdx']", "['tdx-azure']");
        quote_edit(s.td.policy, "'devices'", TPM ",'devices'");
    }
    return s;
}

static void buf_set(struct clo_buf *b, const void *p, size_t n)
{
    *b = clo_buf_init(CLO_SECTION_MAX);
    assert_int_equal(clo_buf_append(b, p, n), 0);
}

/* An envelope whose TDREPORT and runtime data name tl.rsa; data: what the quote has to cover. */
static void hcl_make(struct clo_buf *hcl, uint8_t data[64])
{
    static uint8_t p[3 * CLO_HCL_MAX];
    static char json[CLO_HCL_MAX];
    const struct azure_recipe r = azure_lab_good(true);
    const size_t n = azure_lab_json(&r, json, sizeof json);

    azure_lab_covered(&r, json, n, data);
    buf_set(hcl, p, azure_lab_envelope(&r, json, n, NULL, p));
}

static void policy_roots(struct scene *s, const struct cloister_roots *roots)
{
    uint8_t digest[32];
    char hex[65], member[200];

    assert_int_equal(clo_sha256(roots->intel.der, roots->intel.n, digest), 0);
    clo_hex(digest, 32, hex);
    (void)snprintf(member, sizeof member, "'roots':[%s%s%s],'devices'", *s->roots_member ? "'" : "",
                   strcmp(s->roots_member, "own") == 0 ? hex : s->roots_member,
                   *s->roots_member ? "'" : "");
    quote_edit(s->td.policy, "'devices'", member);
}

static int verify(struct scene *s, struct cloister_verdict *v)
{
    struct clo_cpu_section cpu = {0};
    struct cloister_policy *policy;
    uint8_t data[64], qualifying[32];
    struct quote_evidence e;
    struct whole w;
    static struct tl_quote q;
    int err;

    whole_begin(&w, s->td.now, data);
    if (s->azure) {
        assert_int_equal(clo_sha256(data, 64, qualifying), 0);
        memcpy(s->tpm.nonce, qualifying, 32);
        tl_make(&s->tpm, &q);
        buf_set(&cpu.tpm_quote, q.quote, q.quote_n);
        buf_set(&cpu.tpm_signature, q.sig, q.sig_n);
        buf_set(&cpu.pcrs, q.pcrs, q.pcrs_n);
        hcl_make(&cpu.hcl, data);
    }
    memcpy(s->td.body + TD_DATA, data, 64);
    quote_lab_make(&s->td, &e);
    (void)snprintf(cpu.type, sizeof cpu.type, "%s", s->azure ? "tdx-azure" : "tdx");
    buf_set(&cpu.quote, e.quote.p, e.quote.len);
    if (s->log != NULL)
        buf_set(&cpu.event_log, s->log, strlen(s->log));
    if (s->other_keys)
        whole_keys(&w, 2);
    if (s->roots_member != NULL)
        policy_roots(s, e.roots);
    policy = quote_lab_policy(&s->td);
    err = whole_verify(&w, &cpu, &e.collateral, policy, e.roots, v);
    cloister_policy_free(policy);
    clo_cpu_section_clear(&cpu);
    quote_lab_clear(&e);
    return err;
}

static void verified(struct scene *s)
{
    struct cloister_verdict v;
    char got[4096];
    const int err = verify(s, &v);

    whole_names(&v, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, "");
    whole_names(&v, CLOISTER_CHECK_MISSING, got, sizeof got);
    assert_string_equal(got, "");
    assert_int_equal(err, 0);
    assert_string_equal(v.type, s->azure ? "tdx-azure" : "tdx");
    assert_int_equal(v.freshness, CLOISTER_FRESH);
    assert_false(v.simulated);
    assert_true(v.ohttp_keys_n > 0);
    assert_int_equal(v.valid_until, s->td.now + 1200 - 120); /* of the keys */
}

/* Refused because of exactly these, and the manifest (believed: its statements pass) is what the image makes it. */
static void fails(struct scene *s, const char *names, bool believed)
{
    struct cloister_verdict v;
    char got[4096];

    assert_int_equal(verify(s, &v), CLOISTER_E_REFUSED);
    whole_names(&v, CLOISTER_CHECK_FAIL, got, sizeof got);
    assert_string_equal(got, names);
    whole_names(&v, CLOISTER_CHECK_PASS, got, sizeof got);
    assert_int_equal(strstr(got, "manifest.upstream") != NULL, believed);
    assert_int_equal(strstr(got, "manifest.managed") != NULL, believed);
    assert_int_equal(v.ohttp_keys_n, 0);
    assert_int_equal(v.valid_until, 0);
}

static void a_td_is_accepted(void **state)
{
    struct scene s = good(false);
    struct cloister_verdict v;
    uint8_t registers[5 * 48], want[48];
    const struct clo_slice in = {registers, sizeof registers};

    (void)state;
    verified(&s);
    memset(registers, 0xa0, 48);
    for (size_t i = 0; i < 4; i++)
        memset(registers + 48 + 48 * i, (int)(0xb0 + i), 48);
    assert_int_equal(clo_hash(CLO_SHA384, &in, 1, want), 0);
    assert_int_equal(verify(&s, &v), 0);
    assert_memory_equal(v.measurement, want, 48);
}

static void a_td_on_azure_is_accepted(void **state)
{
    struct scene s = good(true);
    struct cloister_verdict before, after;

    (void)state;
    verified(&s);
    /* another value of a PCR that nobody pins is another machine to whoever remembers this one */
    assert_int_equal(verify(&s, &before), 0);
    s.tpm.value[9][0] ^= 1;
    assert_int_equal(verify(&s, &after), 0);
    assert_memory_not_equal(before.measurement, after.measurement, 48);
}

/* What one kind is pinned for says nothing of the other. */
static void one_kind_does_not_stand_for_the_other(void **state)
{
    struct scene s = good(false);

    (void)state;
    quote_edit(s.td.policy, "['tdx']", "['tdx-azure']");
    quote_edit(s.td.policy, "'devices'", TPM ",'devices'");
    fails(&s, "policy.type", false);
    s = good(true);
    quote_edit(s.td.policy, "['tdx-azure']", "['tdx']");
    quote_edit(s.td.policy, "'azure':{},", "");
    fails(&s, "policy.type", false);
}

static void keys_that_the_hardware_does_not_cover_are_refused(void **state)
{
    struct scene s = good(false);

    (void)state;
    s.other_keys = true;
    fails(&s, "binding.report_data", false);
    s = good(true);
    s.other_keys = true;
    fails(&s, "binding.report_data tpm.nonce", false);
}

static void a_policy_that_pins_no_image_admits_none(void **state)
{
    struct scene s;

    (void)state;
    for (int azure = 0; azure < 2; azure++) {
        char *list, *end;

        s = good(azure == 1);
        list = strstr(s.td.policy, "'images':[") + 10;
        end = strchr(list, ']');
        memmove(list, end, strlen(end) + 1);
        fails(&s, "policy.measurements tdx.measurement", false);
    }
    s = good(true);
    quote_edit(s.td.policy, "[{'4':'" X16("14") X16("14") "'}]", "[]");
    fails(&s, "policy.measurements tpm.pcrs", false);
}

static void the_manifest_is_believed_under_the_pinned_image_only(void **state)
{
    struct scene s;

    (void)state;
    for (int azure = 0; azure < 2; azure++) {
        s = good(azure == 1);
        s.td.body[TD_RTMR + 48] ^= 1;
        fails(&s, "tdx.measurement", false);
    }
    s = good(true);
    s.tpm.value[4][0] ^= 1;
    fails(&s, "tpm.pcrs", false);
    /* what isn't a matter of the image leaves it believed */
    s = good(false);
    quote_edit(s.td.policy, "'min_evaluation_number':17", "'min_evaluation_number':18");
    fails(&s, "quote.collateral_number", true);
}

static void an_event_log_that_comes_has_to_be_right(void **state)
{
    struct scene s = good(false);

    (void)state;
    s.log = "no log";
    fails(&s, "tdx.event_log", true);
    s = good(true);
    s.log = "no log";
    fails(&s, "tpm.event_log", true);
}

static void a_policy_may_admit_fewer_roots(void **state)
{
    (void)state;
    for (int azure = 0; azure < 2; azure++) {
        struct cloister_verdict v;
        struct scene s = good(azure == 1);

        s.roots_member = "own";
        verified(&s);
        s = good(azure == 1);
        s.roots_member = "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd";
        assert_int_equal(verify(&s, &v), CLOISTER_E_REFUSED);
        s = good(azure == 1);
        s.roots_member = "";
        assert_int_equal(verify(&s, &v), CLOISTER_E_REFUSED);
    }
}

static int open_both(void **state)
{
    return quote_lab_open(state) | tl_open(state);
}

static int close_both(void **state)
{
    return quote_lab_close(state) | tl_close(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_td_is_accepted),
        cmocka_unit_test(a_td_on_azure_is_accepted),
        cmocka_unit_test(one_kind_does_not_stand_for_the_other),
        cmocka_unit_test(keys_that_the_hardware_does_not_cover_are_refused),
        cmocka_unit_test(a_policy_that_pins_no_image_admits_none),
        cmocka_unit_test(the_manifest_is_believed_under_the_pinned_image_only),
        cmocka_unit_test(an_event_log_that_comes_has_to_be_right),
        cmocka_unit_test(a_policy_may_admit_fewer_roots),
    };

    return cmocka_run_group_tests(tests, open_both, close_both);
}
