/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering for GPUs and switches: which revocation answers they need, and what is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lab/machine.h"
#include "tests/unit/gather_try.h"

#define SHARED 2 /* of each family: identity and provisioner */

static struct synthetic *lab;

struct machine {
    struct synthetic_scene s;
    struct cloister_roots *roots;
    struct clo_gathered *g;
    struct clo_wants wants;
    struct clo_collateral made;
    uint8_t nonce[32];
    enum cloister_check_id check;
    int64_t until;
};

static void add_root(struct clo_device *d)
{
    copy_into(&d->chain[d->chain_n++], synthetic_nvidia_root(lab));
}

/* A whole machine; its devices' chains end with the root, as drivers give them. */
static struct machine *machine_new(size_t gpus, size_t switches, enum synthetic_defect defect,
                                   size_t at)
{
    struct machine *m = calloc(1, sizeof *m);
    uint8_t keys[32], manifest[32];

    assert_non_null(m);
    synthetic_good(lab, gpus, switches, &m->s);
    m->s.defect = defect;
    m->s.at = at;
    assert_int_equal(synthetic_make(lab, &m->s), 0);
    for (size_t i = 0; i < m->s.devices.count; i++)
        if (m->s.devices.device[i].chain_n == 4)
            add_root(&m->s.devices.device[i]);
    assert_int_equal(clo_sha256(m->s.sec[CLO_SEC_KEYS].p, m->s.sec[CLO_SEC_KEYS].len, keys), 0);
    assert_int_equal(
        clo_sha256(m->s.sec[CLO_SEC_MANIFEST].p, m->s.sec[CLO_SEC_MANIFEST].len, manifest), 0);
    assert_int_equal(clo_bind_gpu(keys, manifest, m->nonce), 0);
    assert_int_equal(synthetic_roots(lab, &m->roots), 0);
    assert_int_equal(clo_gathered_new(&m->g), 0);
    return m;
}

static void machine_free(struct machine *m)
{
    synthetic_clear(&m->s);
    cloister_roots_free(m->roots);
    clo_gathered_free(m->g);
    clo_wants_clear(&m->wants);
    clo_collateral_clear(&m->made);
    free(m);
}

static int wants(struct machine *m)
{
    clo_wants_clear(&m->wants);
    return clo_wants_of(NULL, &m->s.devices, &m->wants);
}

/* Does one of the responder's answers answer this? */
static int answer(struct machine *m, const struct clo_want *w)
{
    int err = CLOISTER_E_NOT_FOUND;

    for (size_t i = 0; i < m->s.collateral.ocsps && err != 0; i++) {
        const int e = put(m->g, w, &m->s.collateral.ocsp[i], m->s.now);

        if (e != CLOISTER_E_MALFORMED)
            err = e;
    }
    return err;
}

static int complete(struct machine *m, size_t *missing)
{
    clo_collateral_clear(&m->made);
    return clo_gathered_complete(m->g, &m->wants, m->s.now, NULL, &m->made, missing);
}

static int appraise(struct machine *m)
{
    const struct clo_self self = {
        .devices = &m->s.devices, .nonce = m->nonce, .collateral = &m->made, .roots = m->roots};

    return clo_self_appraise(&self, m->s.now, &m->check, &m->until);
}

static void gather(struct machine *m)
{
    assert_int_equal(wants(m), 0);
    for (size_t i = 0; i < m->wants.count; i++)
        assert_int_equal(answer(m, &m->wants.want[i]), 0);
    assert_int_equal(complete(m, NULL), 0);
}

/* ---- what is wanted ---- */

static void test_devices_share_the_answers_about_their_authorities(void **state)
{
    static const size_t gpus[] = {1, 2, 8, 8}, switches[] = {0, 0, 0, 4};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(gpus); i++) {
        struct machine *m = machine_new(gpus[i], switches[i], SYNTHETIC_SOUND, 0);
        const size_t families = 1 + (switches[i] != 0);

        gather(m);
        /* One about each device's boot ROM, and two about each family's authorities; the leaf needs none. */
        assert_int_equal(m->wants.count, gpus[i] + switches[i] + SHARED * families);
        for (size_t k = 0; k < m->wants.count; k++) {
            assert_int_equal(m->wants.want[k].kind, CLO_WANT_NVIDIA_OCSP);
            for (size_t j = 0; j < k; j++)
                assert_true(m->wants.want[j].request_n != m->wants.want[k].request_n ||
                            memcmp(m->wants.want[j].request, m->wants.want[k].request,
                                   m->wants.want[k].request_n) != 0);
        }
        assert_int_equal(m->made.ocsps, m->wants.count);
        assert_int_equal(appraise(m), 0);
        assert_int_equal(m->until, m->s.answers_until);
        clo_collateral_clear(&m->made);
        assert_int_equal(appraise(m), CLOISTER_E_REFUSED);
        assert_int_equal(m->check, CLOISTER_CHECK_GPU_OCSP);
        machine_free(m);
    }
}

static void test_no_devices_want_nothing(void **state)
{
    struct machine *m = machine_new(0, 0, SYNTHETIC_SOUND, 0);
    struct clo_self self = {
        .devices = &m->s.devices, .nonce = m->nonce, .collateral = &m->made, .roots = m->roots};

    (void)state;
    assert_int_equal(wants(m), 0);
    assert_int_equal(m->wants.count, 0);
    assert_int_equal(complete(m, NULL), 0);
    /* nothing at all isn't authentic, either */
    assert_int_equal(clo_self_appraise(&self, m->s.now, &m->check, &m->until), CLOISTER_E_ARGUMENT);
    machine_free(m);
}

static void test_machine_and_devices_together(void **state)
{
    struct machine *m = machine_new(2, 0, SYNTHETIC_SOUND, 0);
    struct clo_cpu_section cpu = {0};
    struct clo_batch_section batch;
    uint8_t digest[CLO_SEC_COUNT][32], data[64];
    struct clo_self self = {.cpu = &cpu,
                            .report_data = data,
                            .devices = &m->s.devices,
                            .nonce = m->nonce,
                            .collateral = &m->made,
                            .roots = m->roots};

    (void)state;
    assert_int_equal(
        clo_cpu_section_parse(m->s.sec[CLO_SEC_CPU].p, m->s.sec[CLO_SEC_CPU].len, &cpu), 0);
    assert_int_equal(
        clo_batch_section_parse(m->s.sec[CLO_SEC_BATCH].p, m->s.sec[CLO_SEC_BATCH].len, &batch), 0);
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        assert_int_equal(clo_sha256(m->s.sec[i].p, m->s.sec[i].len, digest[i]), 0);
    assert_int_equal(clo_bind_cpu(batch.root, digest[CLO_SEC_KEYS], digest[CLO_SEC_MANIFEST],
                                  digest[CLO_SEC_DEVICES], data),
                     0);
    assert_int_equal(clo_wants_of(&cpu, &m->s.devices, &m->wants), 0);
    assert_int_equal(m->wants.count, 1 + 2 + SHARED);
    assert_int_equal(m->wants.want[0].kind, CLO_WANT_AMD_CRL);
    assert_int_equal(put(m->g, &m->wants.want[0], &m->s.collateral.crl[0], m->s.now), 0);
    for (size_t i = 1; i < m->wants.count; i++)
        assert_int_equal(answer(m, &m->wants.want[i]), 0);
    assert_int_equal(clo_gathered_complete(m->g, &m->wants, m->s.now, &cpu, &m->made, NULL), 0);
    assert_int_equal(m->made.crls, 1);
    assert_int_equal(m->made.ocsps, 2 + SHARED);
    assert_int_equal(clo_self_appraise(&self, m->s.now, &m->check, &m->until), 0);
    data[0] ^= 1;
    assert_int_equal(clo_self_appraise(&self, m->s.now, &m->check, &m->until), CLOISTER_E_REFUSED);
    assert_int_equal(m->check, CLOISTER_CHECK_BINDING_REPORT_DATA);
    data[0] ^= 1;
    m->nonce[0] ^= 1;
    assert_int_equal(clo_self_appraise(&self, m->s.now, &m->check, &m->until), CLOISTER_E_REFUSED);
    assert_int_equal(m->check, CLOISTER_CHECK_GPU_NONCE);
    clo_cpu_section_clear(&cpu);
    machine_free(m);
}

static void test_chains_that_name_no_issuer(void **state)
{
    static const size_t left[] = {0, 4, 1, 5, 2};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(left); i++) {
        struct machine *m = machine_new(2, 0, SYNTHETIC_SOUND, 0);
        struct clo_device *d = &m->s.devices.device[1];

        if (i == 3)
            d->chain[2].p[0] ^= 1;
        if (i == 4) /* a leaf and its root */
            copy_into(&d->chain[1], &d->chain[4]);
        /* the second one lacks the laboratory's root, which nobody knows */
        for (; d->chain_n > left[i]; d->chain_n--)
            clo_buf_clear(&d->chain[d->chain_n - 1]);
        assert_int_equal(wants(m), CLOISTER_E_MALFORMED);
        assert_int_equal(m->wants.count, 0);
        machine_free(m);
    }
}

/* ---- what is taken ---- */

static void test_rubbish_is_no_answer(void **state)
{
    static const uint8_t status[][5] = {
        {0x30, 0x03, 0x0a, 0x01, 0x01}, /* malformedRequest */
        {0x30, 0x03, 0x0a, 0x01, 0x02}, /* internalError */
        {0x30, 0x03, 0x0a, 0x01, 0x03}, /* tryLater */
        {0x30, 0x03, 0x0a, 0x01, 0x05}, /* sigRequired */
        {0x30, 0x03, 0x0a, 0x01, 0x06}, /* unauthorized */
    };
    struct machine *m = machine_new(1, 0, SYNTHETIC_SOUND, 0);

    (void)state;
    assert_int_equal(wants(m), 0);
    assert_takes_no_rubbish(m->g, &m->wants.want[0], &m->s.collateral.ocsp[0], m->s.now);
    for (size_t i = 0; i < CLO_ARRAY_LEN(status); i++) {
        struct clo_buf b = clo_buf_init(sizeof status[i]);

        assert_int_equal(clo_buf_append(&b, status[i], sizeof status[i]), 0);
        assert_int_equal(put(m->g, &m->wants.want[0], &b, m->s.now), CLOISTER_E_MALFORMED);
        clo_buf_clear(&b);
    }
    machine_free(m);
}

static void test_an_answer_is_about_its_own_certificate(void **state)
{
    struct machine *m = machine_new(8, 0, SYNTHETIC_SOUND, 0);

    (void)state;
    assert_int_equal(wants(m), 0);
    for (size_t i = 0; i < m->wants.count; i++) {
        size_t taken = 0;

        for (size_t k = 0; k < m->s.collateral.ocsps; k++) {
            const int err = put(m->g, &m->wants.want[i], &m->s.collateral.ocsp[k], m->s.now);

            assert_true(err == 0 || err == CLOISTER_E_MALFORMED);
            taken += err == 0;
        }
        assert_int_equal(taken, 1);
    }
    machine_free(m);
}

static void test_dates_are_looked_at(void **state)
{
    static const struct {
        enum synthetic_defect defect;
        int err;
    } tries[] = {
        {SYNTHETIC_ANSWER_EXPIRED, CLOISTER_E_EXPIRED},
        {SYNTHETIC_ANSWER_EARLY, CLOISTER_E_EXPIRED},
        {SYNTHETIC_ANSWER_ENDLESS, CLOISTER_E_EXPIRED},
        {SYNTHETIC_NO_ANSWER, CLOISTER_E_NOT_FOUND},
        {SYNTHETIC_ANSWER_OF_OTHER, CLOISTER_E_NOT_FOUND},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(tries); i++) {
        struct machine *m = machine_new(2, 0, tries[i].defect, 1);
        size_t missing = 99, refused = 0;

        assert_int_equal(wants(m), 0);
        for (size_t k = 0; k < m->wants.count; k++) {
            const int err = answer(m, &m->wants.want[k]);

            assert_true(err == 0 || err == tries[i].err);
            refused += err != 0;
        }
        assert_int_equal(refused, 1);
        assert_int_equal(complete(m, &missing), CLOISTER_E_NOT_FOUND);
        assert_int_equal(missing, 3); /* the second device's, behind the first's and the shared */
        assert_int_equal(m->made.ocsps, 0);
        machine_free(m);
    }
}

/* ---- what comes of it ---- */

static void test_appraisal_refuses(void **state)
{
    static const struct {
        enum synthetic_defect defect;
        enum cloister_check_id check;
    } tries[] = {
        {SYNTHETIC_REVOKED, CLOISTER_CHECK_GPU_REVOKED},
        {SYNTHETIC_ON_HOLD, CLOISTER_CHECK_GPU_REVOKED},
        {SYNTHETIC_UNKNOWN, CLOISTER_CHECK_GPU_REVOKED},
        {SYNTHETIC_ICA_REVOKED, CLOISTER_CHECK_GPU_REVOKED},
        {SYNTHETIC_ANSWER_STRANGER, CLOISTER_CHECK_GPU_OCSP},
        {SYNTHETIC_OTHER_NONCE, CLOISTER_CHECK_GPU_NONCE},
        {SYNTHETIC_FLIPPED, CLOISTER_CHECK_GPU_SIGNATURE},
        {SYNTHETIC_STRANGERS_ROOT, CLOISTER_CHECK_GPU_ROOT},
        {SYNTHETIC_TWICE, CLOISTER_CHECK_GPU_DISTINCT},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(tries); i++) {
        struct machine *m = machine_new(2, 0, tries[i].defect, 0);

        if (tries[i].defect == SYNTHETIC_STRANGERS_ROOT) {
            assert_int_equal(wants(m), 0);
            m->made = m->s.collateral;
            m->s.collateral = (struct clo_collateral){0};
        } else {
            gather(m);
        }
        assert_int_equal(appraise(m), CLOISTER_E_REFUSED);
        assert_int_equal(m->check, tries[i].check);
        machine_free(m);
    }
}

/* Other firmware, an older driver, another mode: reference values and floors are the policy's. */
static void test_what_a_policy_decides_is_offered(void **state)
{
    static const enum synthetic_defect defect[] = {SYNTHETIC_OTHER_FIRMWARE, SYNTHETIC_OLD_DRIVER,
                                                   SYNTHETIC_OTHER_MODE};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(defect); i++) {
        struct machine *m = machine_new(2, 0, defect[i], 0);

        gather(m);
        assert_int_equal(appraise(m), 0);
        machine_free(m);
    }
}

static void test_an_answer_ends_with_its_responders_certificate(void **state)
{
    struct machine *m = machine_new(1, 0, SYNTHETIC_SOUND, 0);

    (void)state;
    synthetic_clear(&m->s);
    synthetic_good(lab, 1, 0, &m->s);
    m->s.delegated = true;
    m->s.answers_until = m->s.now + 3 * 365 * INT64_C(86400); /* the responder's ends before */
    assert_int_equal(synthetic_make(lab, &m->s), 0);
    add_root(&m->s.devices.device[0]);
    assert_int_equal(wants(m), 0);
    for (size_t i = 0; i < m->wants.count; i++) {
        int64_t until = 0, renew = 0;

        for (size_t k = 0; k < m->s.collateral.ocsps; k++) {
            const struct clo_answer a = answer_of(&m->s.collateral.ocsp[k], NULL);

            (void)!clo_gathered_put(m->g, &m->wants.want[i], &a, m->s.now, &until, &renew);
        }
        assert_true(until > m->s.now && until < m->s.answers_until);
    }
    assert_int_equal(complete(m, NULL), 0);
    assert_int_equal(appraise(m), 0);
    assert_true(m->until < m->s.answers_until);
    machine_free(m);
}

static int lab_open(void **state)
{
    (void)state;
    return synthetic_new(SYNTHETIC_NOW, &lab);
}

static int lab_close(void **state)
{
    (void)state;
    synthetic_free(lab);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices_share_the_answers_about_their_authorities),
        cmocka_unit_test(test_no_devices_want_nothing),
        cmocka_unit_test(test_machine_and_devices_together),
        cmocka_unit_test(test_chains_that_name_no_issuer),
        cmocka_unit_test(test_rubbish_is_no_answer),
        cmocka_unit_test(test_an_answer_is_about_its_own_certificate),
        cmocka_unit_test(test_dates_are_looked_at),
        cmocka_unit_test(test_appraisal_refuses),
        cmocka_unit_test(test_what_a_policy_decides_is_offered),
        cmocka_unit_test(test_an_answer_ends_with_its_responders_certificate),
    };

    return cmocka_run_group_tests(tests, lab_open, lab_close);
}
