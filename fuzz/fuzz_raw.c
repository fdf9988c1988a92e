/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw evidence with everything that it is judged by. The first byte is the type; then each item: a byte that says what it is, its
 * length in two bytes, its bytes. Beside the items of <cloister/verify.h> (1 to 13) there are roots, a policy and what the
 * evidence has to cover, so that whole sets under roots of their own reach every check.
 */
#include <string.h>

#include <cloister/verify.h>

#include "base/rw.h"
#include "fuzz.h"

enum {
    NOW = 1795000000, /* that of attest_seeds.c */
    WHAT_AMD = 100,   /* ARK-Genoa's place */
    WHAT_INTEL,
    WHAT_NVIDIA,
    WHAT_TPM,
    WHAT_POLICY,
    WHAT_EXPECT,
    WHAT_EXPECT_ANY,
};

struct scene {
    struct cloister_raw *raw;
    struct cloister_roots *roots;
    struct cloister_policy *policy;
};

static void take(struct scene *s, uint8_t what, const uint8_t *p, size_t n)
{
    struct cloister_policy *policy = NULL;
    int err = 0;

    switch (what) {
    case WHAT_AMD: err = cloister_roots_add_amd(s->roots, "Genoa", p, n); break;
    case WHAT_INTEL: err = cloister_roots_add_intel(s->roots, p, n); break;
    case WHAT_NVIDIA: err = cloister_roots_add_nvidia(s->roots, p, n); break;
    case WHAT_TPM: err = cloister_roots_add_tpm(s->roots, p, n); break;
    case WHAT_EXPECT: err = cloister_raw_expect(s->raw, p, n); break;
    case WHAT_EXPECT_ANY: cloister_raw_expect_any(s->raw); break;
    case WHAT_POLICY:
        if ((err = cloister_policy_parse(p, n, &policy)) == 0) {
            cloister_policy_free(s->policy);
            s->policy = policy;
        }
        break;
    default: err = cloister_raw_add(s->raw, (enum cloister_raw_item)what, p, n); break;
    }
    FUZZ_CHECK(err <= 0 && err != CLOISTER_E_CRYPTO);
}

/* "Verified" means that every check was made and none failed or is missing, and takes a policy. */
static void check_verdict(const struct cloister_policy *policy, const struct cloister_verdict *v,
                          int err)
{
    size_t good = 0;

    FUZZ_CHECK(err != CLOISTER_E_CRYPTO && err != CLOISTER_E_ARGUMENT);
    for (size_t i = 0; i < v->checks; i++) {
        FUZZ_CHECK(v->check[i].status != CLOISTER_CHECK_NONE);
        FUZZ_CHECK(strstr(v->check[i].reason, "was not made") == NULL);
        good += v->check[i].status == CLOISTER_CHECK_PASS ||
                v->check[i].status == CLOISTER_CHECK_NOT_APPLICABLE;
    }
    FUZZ_CHECK((err == 0) == (v->outcome == CLOISTER_VERIFIED));
    FUZZ_CHECK((err == 0) == (v->checks > 0 && good == v->checks));
    FUZZ_CHECK((err == 0) == (v->valid_until > NOW));
    FUZZ_CHECK(err != 0 || policy != NULL);
    FUZZ_CHECK(v->freshness == CLOISTER_FRESHNESS_NOT_CHECKED);
    FUZZ_CHECK(v->ohttp_keys_n == 0 && v->gateway[0] == '\0'); /* never enough for a channel */
}

/* Twice, with the same result: nothing is remembered. */
static void appraise(const struct scene *s, const struct cloister_policy *policy)
{
    static struct cloister_verdict v;
    char *json[2] = {NULL, NULL};

    for (size_t i = 0; i < 2; i++) {
        const int err = cloister_raw_appraise(s->raw, policy, s->roots, NOW, &v);

        check_verdict(policy, &v, err);
        FUZZ_CHECK(cloister_verdict_json(&v, &json[i]) == 0);
    }
    FUZZ_CHECK(strcmp(json[0], json[1]) == 0);
    free(json[0]);
    free(json[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_rd rd = clo_rd_init(data, size);
    struct scene s = {0};
    uint8_t type = 0, what = 0;
    uint16_t n = 0;
    const uint8_t *p = NULL;

    if (clo_rd_u8(&rd, &type) != 0)
        return 0;
    if (cloister_raw_new((enum cloister_raw_type)type, &s.raw) != 0) {
        FUZZ_CHECK(s.raw == NULL);
        return 0;
    }
    FUZZ_CHECK(cloister_roots_new(&s.roots) == 0);
    while (clo_rd_u8(&rd, &what) == 0 && clo_rd_u16be(&rd, &n) == 0 && clo_rd_view(&rd, n, &p) == 0)
        take(&s, what, p, n);
    appraise(&s, s.policy);
    appraise(&s, NULL);
    cloister_policy_free(s.policy);
    cloister_roots_free(s.roots);
    cloister_raw_free(s.raw);
    return 0;
}
