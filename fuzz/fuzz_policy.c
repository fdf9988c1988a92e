/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: what is refused is explained in one printable line; what is accepted has no dangerous gap. */
#include <string.h>

#include "attest/policy.h"
#include "fuzz.h"

static void check_sentence(const char *why)
{
    FUZZ_CHECK(why[0] != '\0' && strlen(why) < 200);
    for (; *why != '\0'; why++)
        FUZZ_CHECK(*why >= 0x20 && *why <= 0x7e);
}

static void check_replicas(const struct cloister_policy *p)
{
    size_t n = 0;

    for (const char *s = NULL; (s = cloister_policy_replica(p, n)) != NULL; n++) {
        FUZZ_CHECK(strncmp(s, "http://", 7) == 0 || strncmp(s, "https://", 8) == 0);
        FUZZ_CHECK(strlen(s) <= CLO_POLICY_URL_MAX && s[strlen(s) - 1] != '/');
        FUZZ_CHECK(strpbrk(s, "?#%\\\" ") == NULL);
        for (size_t i = 0; i < n; i++)
            FUZZ_CHECK(strcmp(s, cloister_policy_replica(p, i)) != 0);
    }
    FUZZ_CHECK(n <= CLO_POLICY_REPLICAS_MAX);
}

static void check_policy(const struct cloister_policy *p)
{
    FUZZ_CHECK(!(p->sev_snp && p->simulated));
    FUZZ_CHECK(p->aeads > 0 && p->aeads <= CLO_ARRAY_LEN(p->aead));
    FUZZ_CHECK(p->max_age_s > 0 && p->max_age_s <= 3600);
    FUZZ_CHECK(!p->snp.vlek || p->snp.csp_ids.count > 0);
    FUZZ_CHECK(p->measurements.count == 0 || p->measurements.given);
    FUZZ_CHECK(p->manifests.count == 0 || p->manifests.given);
    FUZZ_CHECK(p->manifests.count <= CLO_POLICY_MANIFESTS_MAX);
    check_replicas(p);
    if (!p->sev_snp && !p->simulated)
        for (unsigned i = 0; i < CLO_SNP_PRODUCTS; i++)
            FUZZ_CHECK(!p->snp.product[i].admitted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cloister_policy *p = NULL;
    char why[200] = "";
    const int err = cloister_policy_check(data, size, why, sizeof(why));

    FUZZ_CHECK(cloister_policy_parse(data, size, &p) == err);
    FUZZ_CHECK((p != NULL) == (err == 0));
    if (err != 0)
        check_sentence(why);
    else
        check_policy(p);
    cloister_policy_free(p);
    return 0;
}
