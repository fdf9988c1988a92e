/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The makers of SEV-SNP and TDX evidence, on imitated interfaces (tests/support/fake_tee.h): what they make verifies; and whatever goes wrong is a clear
 * error, never evidence that is stale or half made, and leaves no directory and no open file behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "attest/quote.h"
#include "attest/snp.h"
#include "lab/machine.h"
#include "lab/quote.h"
#include "platform/maker.h"
#include "support/cert_table.h"
#include "support/fake_tee.h"

static struct synthetic *machine;
static struct cloister_roots *roots;
static struct synthetic_scene scene;
static struct cloister_policy *policy[4]; /* by the VMPL that it wants */
static struct clo_buf table, vcek_key;
static struct clo_buf quote_chain[4];
static struct quote_recipe td;

/* ---- hardware ---- */

static int sign_snp(void *arg, const uint8_t data[64], uint32_t vmpl, struct clo_buf *ret)
{
    uint8_t report[CLO_SNP_REPORT_LEN];

    if (synthetic_report(arg, data, report) != 0)
        return EIO;
    report[0x30] = (uint8_t)vmpl;
    if (vmpl != 0 && fake_tee_sign(vcek_key.p, vcek_key.len, report) != 0)
        return EIO;
    return clo_buf_append(ret, report, sizeof report) != 0 ? ENOMEM : 0;
}

static int sign_td(void *arg, const uint8_t data[64], uint32_t vmpl, struct clo_buf *ret)
{
    const struct quote_recipe *good = arg;
    struct quote_recipe *r = malloc(sizeof *r);
    struct clo_buf q;
    int err;

    (void)vmpl;
    if (r == NULL)
        return ENOMEM;
    *r = *good;
    memcpy(r->body + r->body_n - (r->body_n == 648 ? 128 : 64), data, 64);
    quote_lab_quote(r, quote_chain, &q);
    err = clo_buf_append(ret, q.p, q.len) != 0 ? ENOMEM : 0;
    clo_buf_clear(&q);
    free(r);
    return err;
}

static int make_table(void)
{
    const struct clo_buf *vcek = synthetic_amd(machine, 0), *ask = synthetic_amd(machine, 1),
                         *ark = synthetic_amd(machine, 2);
    const struct cert_table_entry e[] = {
        {CERT_TABLE_ARK, ark->p, ark->len},
        {CERT_TABLE_ASK, ask->p, ask->len},
        {CERT_TABLE_VCEK, vcek->p, vcek->len},
    };

    table = clo_buf_init(65536);
    return cert_table_make(e, CLO_ARRAY_LEN(e), &table);
}

/* The scene's policy, but for the VMPL that it wants. */
static int make_policy(uint32_t vmpl, struct cloister_policy **ret)
{
    static const char before[] = "\"sev_snp\":{";
    const char *text = (const char *)scene.policy.p, *at = strstr(text, before);
    char other[8192];
    int n;

    if (at == NULL)
        return CLOISTER_E_STATE;
    at += sizeof before - 1;
    n = snprintf(other, sizeof other, "%.*s\"vmpl\":%" PRIu32 ",%s", (int)(at - text), text, vmpl,
                 at);
    return n < (int)sizeof other ? cloister_policy_parse(other, (size_t)n, ret) : CLOISTER_E_LIMIT;
}

static int open_all(void **state)
{
    int err;

    vcek_key = clo_buf_init(4096);

    if ((err = synthetic_new(SYNTHETIC_NOW, &machine)) != 0 ||
        (err = synthetic_roots(machine, &roots)) != 0)
        return err;
    synthetic_good(machine, 0, 0, &scene);
    if ((err = synthetic_make(machine, &scene)) != 0 ||
        (err = synthetic_vcek_key(machine, &vcek_key)) != 0 || (err = make_table()) != 0 ||
        (err = quote_lab_open(state)) != 0)
        return err;
    for (uint32_t vmpl = 0; vmpl < CLO_ARRAY_LEN(policy); vmpl++)
        if ((err = make_policy(vmpl, &policy[vmpl])) != 0)
            return err;
    td = quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    quote_lab_chain(&td, quote_chain);
    return 0;
}

static int close_all(void **state)
{
    for (size_t i = 0; i < CLO_ARRAY_LEN(quote_chain); i++)
        clo_buf_clear(&quote_chain[i]);
    clo_buf_clear(&table);
    clo_buf_clear(&vcek_key);
    for (size_t i = 0; i < CLO_ARRAY_LEN(policy); i++)
        cloister_policy_free(policy[i]);
    synthetic_clear(&scene);
    cloister_roots_free(roots);
    synthetic_free(machine);
    return quote_lab_close(state);
}

static void tsm_snp(void)
{
    fake_tee_reset();
    fake_tee.tsm = true;
    memcpy(fake_tee.provider, "sev_guest", sizeof "sev_guest");
    fake_tee.table = table.p;
    fake_tee.table_n = table.len;
    fake_tee.sign = sign_snp;
    fake_tee.arg = machine;
}

static void tsm_tdx(void)
{
    fake_tee_reset();
    fake_tee.tsm = true;
    memcpy(fake_tee.provider, "tdx_guest", sizeof "tdx_guest");
    fake_tee.sign = sign_td;
    fake_tee.arg = &td;
}

static void device(void)
{
    tsm_snp();
    fake_tee.tsm = false;
    fake_tee.sev_guest = true;
}

/* Every interface, each with its maker. */
static const struct interface {
    const char *name;
    void (*set)(void);
    int (*maker)(struct clo_maker **ret);
    bool tsm, tdx;
} interface[] = {
    {"configfs-tsm, SEV-SNP", tsm_snp, clo_maker_tsm_new, true, false},
    {"configfs-tsm, TDX", tsm_tdx, clo_maker_tsm_new, true, true},
    {"/dev/sev-guest", device, clo_maker_sev_guest_new, false, false},
};
#define EACH(i) \
    for (const struct interface *(i) = interface; (i) < interface + CLO_ARRAY_LEN(interface); (i)++)

/* ---- asking ---- */

static void data_of(uint8_t number, uint8_t ret[64])
{
    for (size_t i = 0; i < 64; i++)
        ret[i] = (uint8_t)(number + 3 * i);
}

static struct clo_maker *open_maker(const struct interface *i)
{
    static const struct interface *last;
    struct clo_maker *m = NULL;

    i->set();
    if (i != last) /* a failure below names no interface */
        print_message("# %s\n", i->name);
    last = i;
    assert_int_equal(i->maker(&m), 0);
    assert_int_equal(fake_tee_items(), 0);
    assert_string_equal(m->ops->type, i->tdx ? "tdx" : "sev-snp");
    return m;
}

/* Nothing stays that was made for one report: but the device is held open. */
static void nothing_left(const struct interface *i)
{
    assert_int_equal(fake_tee_items(), 0);
    assert_int_equal(fake_tee_files(), i->tsm ? 0 : 1);
}

static int ask(const struct interface *i, struct clo_maker *m, uint8_t number,
               struct clo_cpu_section *ret)
{
    uint8_t data[64];
    int err;

    data_of(number, data);
    memset(ret, 0, sizeof *ret);
    err = m->ops->report(m, data, ret);
    nothing_left(i);
    if (err != 0) { /* nothing half made */
        const struct clo_cpu_section none = {0};

        assert_memory_equal(ret, &none, sizeof none);
    }
    return err;
}

static void verify_snp(const struct clo_cpu_section *c, const uint8_t data[64])
{
    const struct clo_snp_input in = {
        .report = c->report,
        .report_n = c->report_n,
        .chain = c->chain,
        .chain_n = c->chain_n,
        .collateral = &scene.collateral,
        .data_check = CLOISTER_CHECK_BINDING_REPORT_DATA,
        .report_data = data,
    };
    static struct clo_verdict_builder vb;
    struct clo_hw_result hw = {0};

    clo_vb_init(&vb);
    assert_in_range(fake_tee.vmpl, 0, CLO_ARRAY_LEN(policy) - 1);
    assert_int_equal(clo_snp_appraise(&in, policy[fake_tee.vmpl], roots, SYNTHETIC_NOW, &vb, &hw),
                     0);
    assert_true(hw.authentic && hw.bound && hw.measured);
    assert_int_equal(clo_vb_status(&vb, CLOISTER_CHECK_SNP_VMPL), CLOISTER_CHECK_PASS);
}

static void verify_td(const struct clo_cpu_section *c, const uint8_t data[64])
{
    static struct clo_verdict_builder vb;
    struct clo_hw_result hw = {0};
    struct quote_evidence e;

    quote_lab_make(&td, &e);
    e.in.quote = c->quote.p;
    e.in.quote_n = c->quote.len;
    e.in.report_data = data;
    clo_vb_init(&vb);
    assert_int_equal(clo_quote_appraise(&e.in, e.policy, e.roots, LAB_NOW, &vb, &hw), 0);
    assert_true(hw.authentic && hw.bound && hw.measured);
    quote_lab_clear(&e);
}

/* A report over the data of this number comes, whole, and verifies with the certificates that are there. */
static void comes(const struct interface *i, struct clo_maker *m, uint8_t number, size_t chain_n)
{
    struct clo_buf written = clo_buf_init(CLO_SECTION_MAX);
    struct clo_cpu_section c;
    uint8_t data[64];

    data_of(number, data);
    assert_int_equal(ask(i, m, number, &c), 0);
    assert_string_equal(c.type, m->ops->type);
    if (i->tdx) {
        verify_td(&c, data);
        assert_int_equal(clo_cpu_section_write(&c, &written), 0);
    } else {
        assert_int_equal(c.chain_n, chain_n);
        assert_memory_equal(c.report + 0x50, data, 64);
        if (chain_n == 2) {
            verify_snp(&c, data);
            assert_int_equal(clo_cpu_section_write(&c, &written), 0);
        }
    }
    clo_buf_clear(&written);
    clo_cpu_section_clear(&c);
}

static void fails(const struct interface *i, struct clo_maker *m, int err)
{
    struct clo_cpu_section c;

    assert_int_equal(ask(i, m, 7, &c), err);
}

/* ---- what there is ---- */

static void evidence_of_each_interface_verifies(void **state)
{
    (void)state;
    EACH(i)
    {
        struct clo_maker *m = open_maker(i);

        for (uint8_t number = 1; number < 4; number++)
            comes(i, m, number, 2);
        assert_int_equal(fake_tee_requests(), 3);
        clo_maker_free(m);
        assert_int_equal(fake_tee_files(), 0);
    }
}

static void quotes_of_each_version_verify(void **state)
{
    const struct interface *i = &interface[1];
    const struct quote_recipe was = td;
    struct clo_maker *m = open_maker(i);

    (void)state;
    td = quote_lab_td(5, CLO_QUOTE_BODY_TD15);
    comes(i, m, 1, 0);
    td = quote_lab_td(5, CLO_QUOTE_BODY_TD10);
    comes(i, m, 2, 0);
    td = was;
    clo_maker_free(m);
}

/* The quoting service fills its buffer up with zeros. */
static void zeros_behind_a_quote_are_taken(void **state)
{
    const struct interface *i = &interface[1];
    struct clo_maker *m = open_maker(i);

    (void)state;
    fake_tee.longer = 3000;
    comes(i, m, 1, 0);
    clo_maker_free(m);
}

static void a_missing_interface_is_said_at_the_start(void **state)
{
    (void)state;
    EACH(i)
    {
        struct clo_maker *m = NULL;

        i->set();
        fake_tee.tsm = fake_tee.sev_guest = false;
        assert_int_equal(i->maker(&m), CLOISTER_E_NOT_FOUND);
        i->set();
        fake_tee.refused = EACCES;
        assert_int_equal(i->maker(&m), CLOISTER_E_PERMISSION);
        fake_tee.refused = EPERM;
        assert_int_equal(i->maker(&m), CLOISTER_E_PERMISSION);
        fake_tee.refused = EROFS;
        assert_int_equal(i->maker(&m), CLOISTER_E_PERMISSION);
        fake_tee.refused = EIO;
        assert_int_equal(i->maker(&m), CLOISTER_E_IO);
        assert_null(m);
        assert_int_equal(fake_tee_items(), 0);
        assert_int_equal(fake_tee_files(), 0);
        assert_int_equal(fake_tee_requests(), 0);
    }
}

static void another_vendors_provider_is_not_ours(void **state)
{
    struct clo_maker *m = NULL;

    (void)state;
    tsm_snp();
    memcpy(fake_tee.provider, "arm_cca_guest", sizeof "arm_cca_guest");
    assert_int_equal(clo_maker_tsm_new(&m), CLOISTER_E_UNSUPPORTED);
    memcpy(fake_tee.provider, "sev_guest2", sizeof "sev_guest2");
    assert_int_equal(clo_maker_tsm_new(&m), CLOISTER_E_UNSUPPORTED);
    memset(fake_tee.provider, 0, sizeof fake_tee.provider); /* no driver */
    assert_int_equal(clo_maker_tsm_new(&m), CLOISTER_E_NOT_FOUND);
    assert_null(m);
    assert_int_equal(fake_tee_items(), 0);
}

static void a_provider_that_changes_is_noticed(void **state)
{
    const struct interface *i = &interface[0];
    struct clo_maker *m = open_maker(i);

    (void)state;
    memcpy(fake_tee.provider, "tdx_guest", sizeof "tdx_guest");
    fails(i, m, CLOISTER_E_NOT_FOUND);
    clo_maker_free(m);
}

static void an_interface_that_goes_is_an_error(void **state)
{
    (void)state;
    EACH(i)
    {
        struct clo_maker *m = open_maker(i);

        fake_tee.vanishes = true;
        fails(i, m, CLOISTER_E_NOT_FOUND);
        fails(i, m, CLOISTER_E_NOT_FOUND);
        clo_maker_free(m);
    }
}

static void permission_that_is_taken_away_is_an_error(void **state)
{
    const struct interface *i = &interface[0];
    struct clo_maker *m = open_maker(i);

    (void)state;
    fake_tee.refused = EACCES;
    fails(i, m, CLOISTER_E_PERMISSION);
    fake_tee.refused = 0;
    comes(i, m, 1, 2);
    clo_maker_free(m);
}

/* ---- busy, slow, disturbed ---- */

static void a_busy_device_is_busy_and_works_later(void **state)
{
    static const int how[] = {0, EBUSY, EAGAIN, ETIMEDOUT};

    (void)state;
    EACH(i)
    {
        struct clo_maker *m = open_maker(i);

        for (size_t k = 0; k < CLO_ARRAY_LEN(how); k++) {
            fake_tee.busy = 2;
            fake_tee.busy_errno = how[k];
            fails(i, m, CLOISTER_E_BUSY);
            fails(i, m, CLOISTER_E_BUSY);
            comes(i, m, (uint8_t)k, 2);
        }
        clo_maker_free(m);
    }
}

/* The second writer's report is thrown away, and another one is made. */
static void somebody_elses_write_is_noticed(void **state)
{
    (void)state;
    EACH(i)
    {
        struct clo_maker *m;

        if (!i->tsm)
            continue;
        m = open_maker(i);
        fake_tee.changed = 1;
        comes(i, m, 1, 2);
        assert_int_equal(fake_tee_requests(), 2);
        fake_tee.changed = 2;
        comes(i, m, 2, 2);
        assert_int_equal(fake_tee_requests(), 5);
        fake_tee.changed = 3;
        fails(i, m, CLOISTER_E_BUSY);
        assert_int_equal(fake_tee_requests(), 8);
        comes(i, m, 3, 2);
        clo_maker_free(m);
    }
}

/* Here the report is ours and only `generation` tells: the certificates came with the other writer's. */
static void a_write_between_report_and_certificates_is_noticed(void **state)
{
    const struct interface *i = &interface[0];
    struct clo_maker *m = open_maker(i);

    (void)state;
    fake_tee.changed_late = 1;
    comes(i, m, 1, 2);
    assert_int_equal(fake_tee_requests(), 3);
    fake_tee.changed_late = 3;
    fails(i, m, CLOISTER_E_BUSY);
    assert_int_equal(fake_tee_requests(), 9);
    clo_maker_free(m);
}

static void a_write_without_effect_is_noticed(void **state)
{
    (void)state;
    EACH(i)
    {
        struct clo_maker *m;

        if (!i->tsm)
            continue;
        m = open_maker(i);
        fake_tee.dropped = true;
        fails(i, m, CLOISTER_E_BUSY);
        assert_int_equal(fake_tee_requests(), 0);
        clo_maker_free(m);
    }
}

struct slow {
    const struct interface *i;
    struct clo_maker *m;
    struct clo_cpu_section section;
    int err;
};

static void *ask_slowly(void *arg)
{
    struct slow *s = arg;
    uint8_t data[64];

    data_of(9, data);
    s->err = s->m->ops->report(s->m, data, &s->section);
    return NULL;
}

static void a_slow_device_is_waited_for(void **state)
{
    (void)state;
    EACH(i)
    {
        static struct slow s;
        int asked[2], wait[2];
        uint8_t data[64];
        pthread_t thread;
        char byte;

        s = (struct slow){.i = i, .m = open_maker(i), .err = 1};
        assert_int_equal(pipe(asked) | pipe(wait), 0);
        fake_tee.asked_fd = asked[1];
        fake_tee.wait_fd = wait[0];
        assert_int_equal(pthread_create(&thread, NULL, ask_slowly, &s), 0);
        assert_int_equal(read(asked[0], &byte, 1), 1);
        assert_int_equal(fake_tee_items(), i->tsm ? 1 : 0); /* in the middle of it */
        assert_int_equal(s.section.report_n + s.section.quote.len, 0);
        assert_int_equal(write(wait[1], "", 1), 1);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(s.err, 0);
        nothing_left(i);
        data_of(9, data);
        if (i->tdx)
            verify_td(&s.section, data);
        else
            verify_snp(&s.section, data);
        clo_cpu_section_clear(&s.section);
        clo_maker_free(s.m);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(close(asked[k]), 0);
            assert_int_equal(close(wait[k]), 0);
        }
    }
}

static void interruptions_change_nothing(void **state)
{
    (void)state;
    EACH(i)
    {
        struct clo_maker *m = NULL;

        i->set();
        fake_tee.interrupted = true;
        assert_int_equal(i->maker(&m), 0);
        comes(i, m, 1, 2);
        comes(i, m, 2, 2);
        clo_maker_free(m);
    }
}

static void a_short_write_is_an_error(void **state)
{
    (void)state;
    EACH(i)
    {
        struct clo_maker *m;

        if (!i->tsm)
            continue;
        m = open_maker(i);
        fake_tee.taken = 63;
        fails(i, m, CLOISTER_E_IO);
        fake_tee.taken = 0;
        comes(i, m, 1, 2);
        clo_maker_free(m);
    }
}

static void pieces_are_put_together(void **state)
{
    static const size_t piece[] = {1, 7, 1183, 1184, 1185, 4096};

    (void)state;
    EACH(i)
    {
        struct clo_maker *m = open_maker(i);

        for (size_t k = 0; k < CLO_ARRAY_LEN(piece); k++) {
            fake_tee.piece = piece[k];
            comes(i, m, (uint8_t)k, 2);
        }
        clo_maker_free(m);
    }
}

/* ---- what isn't our report, or not a whole one ---- */

static void a_report_of_other_data_is_refused(void **state)
{
    (void)state;
    EACH(i)
    {
        struct clo_maker *m = open_maker(i);

        fake_tee.other_data = true;
        fails(i, m, CLOISTER_E_MALFORMED);
        fake_tee.other_data = false;
        comes(i, m, 1, 2);
        fake_tee.stale = true; /* genuine, and of the request before: the data of number 1 */
        fails(i, m, CLOISTER_E_MALFORMED);
        fake_tee.stale = false;
        comes(i, m, 2, 2);
        clo_maker_free(m);
    }
}

static void a_cut_or_padded_report_is_refused(void **state)
{
    static const size_t cut[] = {1, 100, 512, 1183, 1184, 100000};

    (void)state;
    EACH(i)
    {
        struct clo_maker *m = open_maker(i);

        for (size_t k = 0; k < CLO_ARRAY_LEN(cut); k++) {
            fake_tee.cut = cut[k];
            fails(i, m, CLOISTER_E_MALFORMED);
        }
        fake_tee.cut = 0;
        fake_tee.longer = i->tdx ? 16384 : 1;
        fails(i, m, CLOISTER_E_MALFORMED);
        fake_tee.longer = 30000;
        fails(i, m, CLOISTER_E_MALFORMED);
        fake_tee.longer = 0;
        comes(i, m, 1, 2);
        clo_maker_free(m);
    }
}

/* Zeros pad a quote; anything else behind it isn't part of it. */
static void bytes_behind_a_quote_are_refused(void **state)
{
    const struct interface *i = &interface[1];
    struct clo_maker *m = open_maker(i);

    (void)state;
    td.trailing_n = 1;
    td.trailing = 1;
    fails(i, m, CLOISTER_E_MALFORMED);
    td.trailing_n = 0;
    comes(i, m, 1, 0);
    clo_maker_free(m);
}

static void an_enclaves_quote_is_no_quote_of_a_td(void **state)
{
    const struct interface *i = &interface[1];
    const struct quote_recipe was = td;
    struct clo_maker *m = open_maker(i);

    (void)state;
    td = quote_lab_enclave(4);
    fails(i, m, CLOISTER_E_MALFORMED);
    td = was;
    clo_maker_free(m);
}

static void a_read_that_fails_anywhere_is_an_error(void **state)
{
    static const size_t at[] = {1, 2, 80, 144, 1000, 1183, 1184};

    (void)state;
    EACH(i)
    {
        struct clo_maker *m;

        if (!i->tsm)
            continue;
        m = open_maker(i);
        for (size_t k = 0; k < CLO_ARRAY_LEN(at); k++) {
            fake_tee.error_at = at[k];
            fake_tee.error = 0;
            fails(i, m, CLOISTER_E_IO);
            fake_tee.error = EBUSY;
            fails(i, m, CLOISTER_E_BUSY);
            fake_tee.error = EACCES;
            fails(i, m, CLOISTER_E_PERMISSION);
            fake_tee.error = ENODEV;
            fails(i, m, CLOISTER_E_NOT_FOUND);
        }
        clo_maker_free(m);
    }
}

/* Whichever call fails: an error by its kind, and nothing stays. */
static void every_call_that_fails_is_an_error(void **state)
{
    static const struct {
        int value, err;
    } how[] = {{EIO, CLOISTER_E_IO},
               {EBUSY, CLOISTER_E_BUSY},
               {EACCES, CLOISTER_E_PERMISSION},
               {ENODEV, CLOISTER_E_NOT_FOUND},
               {ENOMEM, CLOISTER_E_MEMORY}};

    (void)state;
    EACH(i)
    {
        for (size_t k = 0; k < CLO_ARRAY_LEN(how); k++) {
            unsigned n = 0;
            bool all = false;

            while (!all) {
                struct clo_maker *m = open_maker(i);
                struct clo_cpu_section c;
                const unsigned before = fake_tee_calls();
                int err;

                n++;
                fake_tee.error = how[k].value;
                fake_tee.fails = before + n;
                fake_tee.piece = 8192;
                err = ask(i, m, (uint8_t)n, &c);
                all = fake_tee_calls() < before + n;
                if (err == 0) {
                    uint8_t data[64];

                    assert_true(all); /* there is no such call */
                    data_of((uint8_t)n, data);
                    if (i->tdx)
                        verify_td(&c, data);
                    else
                        assert_memory_equal(c.report + 0x50, data, 64);
                } else {
                    assert_int_equal(err, how[k].err);
                }
                clo_cpu_section_clear(&c);
                clo_maker_free(m);
                assert_int_equal(fake_tee_files(), 0);
            }
            assert_true(n > (i->tsm ? 10 : 1));
        }
    }
}

static void the_start_fails_at_every_call_too(void **state)
{
    (void)state;
    EACH(i)
    {
        for (unsigned n = 1;; n++) {
            struct clo_maker *m = NULL;
            int err;

            i->set();
            fake_tee.fails = n;
            err = i->maker(&m);
            assert_int_equal(fake_tee_items(), 0);
            if (err == 0) {
                assert_true(n > 1 && fake_tee_calls() < n);
                clo_maker_free(m);
                break;
            }
            assert_int_equal(err, CLOISTER_E_IO);
            assert_null(m);
            assert_int_equal(fake_tee_files(), 0);
        }
    }
}

static void hardware_that_refuses_is_an_error(void **state)
{
    (void)state;
    EACH(i)
    {
        struct clo_maker *m = open_maker(i);

        fake_tee.status = 0x16;
        fails(i, m, i->tsm ? CLOISTER_E_NOT_FOUND : CLOISTER_E_IO); /* configfs says ENXIO */
        fake_tee.status = 0;
        comes(i, m, 1, 2);
        clo_maker_free(m);
    }
}

static void the_firmwares_size_has_to_fit(void **state)
{
    const struct interface *i = &interface[2];
    struct clo_maker *m = open_maker(i);

    (void)state;
    fake_tee.size_said = 1183;
    fails(i, m, CLOISTER_E_MALFORMED);
    fake_tee.size_said = 1185;
    fails(i, m, CLOISTER_E_MALFORMED);
    fake_tee.size_said = UINT32_MAX;
    fails(i, m, CLOISTER_E_MALFORMED);
    clo_maker_free(m);
}

/* ---- privilege levels ---- */

/* A maker of SEV-SNP evidence, of a guest at this level. */
static struct clo_maker *open_at(const struct interface *i, uint32_t vmpl)
{
    struct clo_maker *m = open_maker(i);

    fake_tee.vmpl = vmpl;
    return m;
}

#define EACH_SNP(i) EACH(i) if (!(i)->tdx)

static void reports_are_of_the_guests_own_level(void **state)
{
    (void)state;
    EACH_SNP(i)
    {
        for (uint32_t vmpl = 0; vmpl <= 3; vmpl++) {
            struct clo_maker *m = open_at(i, vmpl);

            comes(i, m, 1, 2);
            comes(i, m, 2, 2);
            assert_int_equal(fake_tee_requests(), 2);
            fake_tee.interrupted = true;
            comes(i, m, 3, 2);
            fake_tee.piece = 1;
            comes(i, m, 4, 2);
            fake_tee.no_ext = true; /* the request without certificates */
            comes(i, m, 5, i->tsm ? 2 : 0);
            clo_maker_free(m);
        }
    }
}

static void a_report_of_another_level_is_refused(void **state)
{
    (void)state;
    EACH_SNP(i)
    {
        for (uint32_t vmpl = 0; vmpl <= 3; vmpl++) {
            struct clo_maker *m = open_at(i, vmpl);

            fake_tee.other_vmpl = true;
            fails(i, m, CLOISTER_E_MALFORMED);
            assert_int_equal(fake_tee_requests(), 1);
            fake_tee.other_vmpl = false;
            comes(i, m, 1, 2);
            clo_maker_free(m);
        }
    }
}

/* Never taken for 0: the guest is at 0 here, and a report would come. */
static void a_level_that_is_no_level_is_an_error(void **state)
{
    static const char *const said[] = {
        "",     "\n",   "0",    "4\n",   "-1\n",  "00\n", "00",           "0\r",
        "0 \n", " 0\n", "0\n0", "0\n\n", "0x0\n", "a\n",  "4294967295\n", "4294967296\n"};
    char much[200];

    (void)state;
    memset(much, '0', sizeof much);
    much[sizeof much - 2] = '\n';
    much[sizeof much - 1] = '\0';
    EACH_SNP(i)
    {
        struct clo_maker *m = open_at(i, 0);

        for (size_t k = 0; k < CLO_ARRAY_LEN(said); k++) {
            fake_tee.vmpl_said = said[k];
            fails(i, m, CLOISTER_E_MALFORMED);
        }
        fake_tee.vmpl_said = much;
        fails(i, m, CLOISTER_E_MALFORMED);
        assert_int_equal(fake_tee_requests(), 0);
        fake_tee.vmpl_said = "0\n";
        comes(i, m, 1, 2);
        clo_maker_free(m);
    }
}

static void a_level_that_cant_be_read_is_an_error(void **state)
{
    static const struct {
        int value, err;
    } how[] = {{EIO, CLOISTER_E_IO},
               {EACCES, CLOISTER_E_PERMISSION},
               {ENXIO, CLOISTER_E_NOT_FOUND},
               {ENOENT, CLOISTER_E_NOT_FOUND}}; /* in reading: the file is there */

    (void)state;
    EACH_SNP(i)
    {
        struct clo_maker *m = open_at(i, 0);

        for (size_t k = 0; k < CLO_ARRAY_LEN(how); k++) {
            fake_tee.vmpl_error = how[k].value;
            fails(i, m, how[k].err);
        }
        assert_int_equal(fake_tee_requests(), 0);
        fake_tee.vmpl_error = 0;
        comes(i, m, 1, 2);
        clo_maker_free(m);
    }
}

/* configfs always says it; kernels before 6.12 don't say it elsewhere, and run at 0 or get no report. */
static void where_the_kernel_doesnt_say_the_level_it_is_0(void **state)
{
    (void)state;
    EACH_SNP(i)
    {
        for (uint32_t vmpl = 0; vmpl <= 3; vmpl++) {
            struct clo_maker *m = open_at(i, vmpl);

            fake_tee.no_vmpl = true;
            if (i->tsm)
                fails(i, m, CLOISTER_E_NOT_FOUND);
            else if (vmpl > 0)
                fails(i, m, CLOISTER_E_IO);
            else
                comes(i, m, 1, 2);
            assert_int_equal(fake_tee_requests(), i->tsm || vmpl > 0 ? 0 : 1);
            clo_maker_free(m);
        }
    }
}

/* And of a higher one, which the firmware allows, the report says so. */
static void of_a_level_below_its_own_no_report_comes(void **state)
{
    (void)state;
    EACH_SNP(i)
    {
        struct clo_maker *m = open_at(i, 2);

        fake_tee.vmpl_said = "0\n";
        fails(i, m, i->tsm ? CLOISTER_E_NOT_FOUND : CLOISTER_E_IO); /* configfs says ENXIO */
        fake_tee.vmpl_said = "1\n";
        fails(i, m, CLOISTER_E_IO); /* and EINVAL for privlevel */
        assert_int_equal(fake_tee_requests(), 0);
        fake_tee.vmpl_said = "2\n";
        comes(i, m, 1, 2);
        clo_maker_free(m);
    }
}

static void writes_are_counted_at_each_level(void **state)
{
    (void)state;
    EACH(i)
    {
        if (!i->tsm)
            continue;
        for (uint32_t vmpl = 0; vmpl <= (i->tdx ? 0 : 3); vmpl++) {
            struct clo_maker *m = open_at(i, vmpl);

            fake_tee.changed_early = 1;
            comes(i, m, 1, 2);
            assert_int_equal(fake_tee_requests(), 2);
            fake_tee.changed_early = 3;
            fails(i, m, CLOISTER_E_BUSY);
            fake_tee.changed = 1;
            comes(i, m, 2, 2);
            fake_tee.dropped =
                true; /* at a higher level, one write counts, and it isn't this one */
            fails(i, m, CLOISTER_E_BUSY);
            fake_tee.dropped = false;
            if (vmpl > 0) {
                fake_tee.dropped_vmpl = true;
                fails(i, m, CLOISTER_E_BUSY);
                fake_tee.dropped_vmpl = false;
            }
            comes(i, m, 3, 2);
            clo_maker_free(m);
        }
    }
}

static void every_call_that_fails_at_a_higher_level_is_an_error(void **state)
{
    (void)state;
    EACH_SNP(i)
    {
        for (unsigned n = 1;; n++) {
            struct clo_maker *m = open_at(i, 2);
            const unsigned before = fake_tee_calls();
            struct clo_cpu_section c;
            int err;

            fake_tee.fails = before + n;
            fake_tee.error = EACCES;
            err = ask(i, m, 1, &c);
            clo_maker_free(m);
            assert_int_equal(fake_tee_files(), 0);
            if (err == 0) {
                assert_true(fake_tee_calls() < before + n);
                assert_true(n > (i->tsm ? 20 : 3));
                assert_int_equal(c.report[0x30], 2);
                clo_cpu_section_clear(&c);
                break;
            }
            assert_int_equal(err, CLOISTER_E_PERMISSION);
        }
    }
}

/* ---- directories ---- */

static void names_that_a_crash_left_are_passed_over(void **state)
{
    const struct interface *i = &interface[0];
    struct clo_maker *m = NULL;
    struct clo_cpu_section c = {0};
    uint8_t data[64];

    (void)state;
    i->set();
    for (unsigned n = 0; n < 40; n++) {
        char name[64];

        (void)snprintf(name, sizeof name, "cloister-%ld-%u", (long)getpid(), n);
        fake_tee_leave(name);
    }
    assert_int_equal(clo_maker_tsm_new(&m), 0);
    assert_int_equal(fake_tee_items(), 40);
    data_of(1, data);
    assert_int_equal(m->ops->report(m, data, &c), 0);
    verify_snp(&c, data);
    assert_int_equal(fake_tee_items(), 40); /* nobody else's are touched */
    clo_cpu_section_clear(&c);
    clo_maker_free(m);
    for (unsigned n = 40; n < 120; n++) {
        char name[64];

        (void)snprintf(name, sizeof name, "cloister-%ld-%u", (long)getpid(), n);
        fake_tee_leave(name);
    }
    assert_int_equal(clo_maker_tsm_new(&m), CLOISTER_E_BUSY); /* not for ever */
    fake_tee_reset();
}

/* ---- the host's certificates ---- */

static void certificates_may_be_missing(void **state)
{
    (void)state;
    EACH(i)
    {
        struct clo_maker *m;

        if (i->tdx)
            continue;
        m = open_maker(i);
        fake_tee.table_n = 0;
        comes(i, m, 1, 0);
        fake_tee.table = NULL;
        comes(i, m, 2, 0);
        if (i->tsm) {
            fake_tee.no_auxblob = true;
            comes(i, m, 3, 0);
        } else {
            fake_tee.no_ext = true;
            comes(i, m, 4, 0);
            fake_tee.no_ext = false;
            /* more than the driver carries */
            fake_tee.room = 20480;
            comes(i, m, 5, 0);
            fake_tee.room = 65536;
            comes(i, m, 6, 0);
            fake_tee.room = UINT32_MAX - 4095;
            comes(i, m, 7, 0);
        }
        clo_maker_free(m);
    }
}

static int sign_by_vlek(void *arg, const uint8_t data[64], uint32_t vmpl, struct clo_buf *ret)
{
    const int err = sign_snp(arg, data, vmpl, ret);

    if (err == 0)
        ret->p[0x48] = 1 << 2; /* SIGNING_KEY; what a maker doesn't check: that it was this key */
    return err;
}

static void the_leaf_is_that_of_the_key_that_signed(void **state)
{
    const struct clo_buf *one = synthetic_amd(machine, 0), *other = synthetic_amd(machine, 1);
    const struct cert_table_entry e[] = {{CERT_TABLE_VCEK, one->p, one->len},
                                         {CERT_TABLE_VLEK, other->p, other->len}};
    struct clo_buf both = clo_buf_init(65536);

    (void)state;
    assert_int_equal(cert_table_make(e, 2, &both), 0);
    EACH(i)
    {
        struct clo_maker *m;
        struct clo_cpu_section c;

        if (i->tdx)
            continue;
        m = open_maker(i);
        fake_tee.table = both.p;
        fake_tee.table_n = both.len;
        assert_int_equal(ask(i, m, 1, &c), 0);
        assert_int_equal(c.chain_n, 1);
        assert_int_equal(c.chain[0].len, one->len);
        clo_cpu_section_clear(&c);
        fake_tee.sign = sign_by_vlek;
        assert_int_equal(ask(i, m, 1, &c), 0);
        assert_int_equal(c.chain_n, 1);
        assert_int_equal(c.chain[0].len, other->len);
        clo_cpu_section_clear(&c);
        clo_maker_free(m);
    }
    clo_buf_clear(&both);
}

static void rubbish_for_certificates_leaves_a_good_report(void **state)
{
    static uint8_t rubbish[70000];

    (void)state;
    memset(rubbish, 0xa5, sizeof rubbish);
    EACH(i)
    {
        struct clo_maker *m;

        if (i->tdx)
            continue;
        m = open_maker(i);
        fake_tee.table = rubbish;
        fake_tee.table_n = 16384;
        comes(i, m, 1, 0);
        fake_tee.table_n = 5;
        comes(i, m, 2, 0);
        fake_tee.table_n = i->tsm ? sizeof rubbish : 16384;
        comes(i, m, 3, 0);
        clo_maker_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_of_each_interface_verifies),
        cmocka_unit_test(quotes_of_each_version_verify),
        cmocka_unit_test(zeros_behind_a_quote_are_taken),
        cmocka_unit_test(a_missing_interface_is_said_at_the_start),
        cmocka_unit_test(another_vendors_provider_is_not_ours),
        cmocka_unit_test(a_provider_that_changes_is_noticed),
        cmocka_unit_test(an_interface_that_goes_is_an_error),
        cmocka_unit_test(permission_that_is_taken_away_is_an_error),
        cmocka_unit_test(a_busy_device_is_busy_and_works_later),
        cmocka_unit_test(somebody_elses_write_is_noticed),
        cmocka_unit_test(a_write_between_report_and_certificates_is_noticed),
        cmocka_unit_test(a_write_without_effect_is_noticed),
        cmocka_unit_test(a_slow_device_is_waited_for),
        cmocka_unit_test(interruptions_change_nothing),
        cmocka_unit_test(a_short_write_is_an_error),
        cmocka_unit_test(pieces_are_put_together),
        cmocka_unit_test(a_report_of_other_data_is_refused),
        cmocka_unit_test(a_cut_or_padded_report_is_refused),
        cmocka_unit_test(bytes_behind_a_quote_are_refused),
        cmocka_unit_test(an_enclaves_quote_is_no_quote_of_a_td),
        cmocka_unit_test(a_read_that_fails_anywhere_is_an_error),
        cmocka_unit_test(every_call_that_fails_is_an_error),
        cmocka_unit_test(the_start_fails_at_every_call_too),
        cmocka_unit_test(hardware_that_refuses_is_an_error),
        cmocka_unit_test(the_firmwares_size_has_to_fit),
        cmocka_unit_test(reports_are_of_the_guests_own_level),
        cmocka_unit_test(a_report_of_another_level_is_refused),
        cmocka_unit_test(a_level_that_is_no_level_is_an_error),
        cmocka_unit_test(a_level_that_cant_be_read_is_an_error),
        cmocka_unit_test(where_the_kernel_doesnt_say_the_level_it_is_0),
        cmocka_unit_test(of_a_level_below_its_own_no_report_comes),
        cmocka_unit_test(writes_are_counted_at_each_level),
        cmocka_unit_test(every_call_that_fails_at_a_higher_level_is_an_error),
        cmocka_unit_test(names_that_a_crash_left_are_passed_over),
        cmocka_unit_test(certificates_may_be_missing),
        cmocka_unit_test(the_leaf_is_that_of_the_key_that_signed),
        cmocka_unit_test(rubbish_for_certificates_leaves_a_good_report),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
