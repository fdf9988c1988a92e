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

static void check_intel(const struct cloister_policy *p)
{
    const bool tdx = p->tdx_plain || p->tdx_azure;

    FUZZ_CHECK((p->tdx.tcb.statuses & CLO_TCB_REVOKED) == 0);
    FUZZ_CHECK((p->sgx.tcb.statuses & CLO_TCB_REVOKED) == 0);
    FUZZ_CHECK(p->tdx.tds <= CLO_POLICY_TDS_MAX && (tdx || p->tdx.tds == 0));
    FUZZ_CHECK((p->tdx.allow_attributes & 0xff) == 0 && (p->sgx.allow_attributes & 2) == 0);
    FUZZ_CHECK((p->tdx.allow_xfam & ~(uint64_t)CLO_TD_XFAM_ALLOWED) == 0);
    FUZZ_CHECK(p->sgx_quote || (!p->sgx.enclaves.given && !p->sgx.signers.given));
}

static void check_tpm(const struct clo_policy_tpm *t)
{
    FUZZ_CHECK(t->bank == CLO_POLICY_BANK_SHA256 || t->bank == CLO_POLICY_BANK_SHA384);
    FUZZ_CHECK(t->selection != 0 && t->selection >> CLO_POLICY_PCRS == 0);
    FUZZ_CHECK(t->pcrs_n <= CLO_POLICY_PCRS_MAX && (t->given || t->pcrs_n == 0));
    for (size_t i = 0; i < t->pcrs_n; i++)
        FUZZ_CHECK(t->pcrs[i].pinned != 0 && (t->pcrs[i].pinned & ~t->selection) == 0);
}

static void check_devices(const struct clo_policy_devices *d)
{
    FUZZ_CHECK(d->min <= d->max && d->references <= CLO_REFERENCES_MAX);
    FUZZ_CHECK(!d->arch[CLO_GPU_UNKNOWN]);
    for (size_t i = 0; i < d->references; i++) {
        const struct clo_reference *r = &d->reference[i];

        FUZZ_CHECK(r->active != 0 && r->version[0] != '\0');
        FUZZ_CHECK(r->kind == CLO_REFERENCE_DRIVER || r->kind == CLO_REFERENCE_VBIOS);
        FUZZ_CHECK(r->arch > CLO_GPU_UNKNOWN && r->arch < CLO_GPU_ARCHS);
        for (unsigned k = 0; k < CLO_REFERENCE_INDEXES; k++) {
            const bool active = (r->active >> k & 1) != 0;

            FUZZ_CHECK(r->index[k].count <= CLO_REFERENCE_VALUES);
            FUZZ_CHECK(active == (r->index[k].count > 0));
        }
    }
}

static void check_policy(const struct cloister_policy *p)
{
    FUZZ_CHECK(!(p->simulated &&
                 (p->sev_snp || p->sev_snp_azure || p->tdx_plain || p->tdx_azure || p->sgx_quote)));
    FUZZ_CHECK(!(p->sev_snp_azure || p->tdx_azure) || p->tpm.given);
    check_intel(p);
    check_tpm(&p->tpm);
    check_devices(&p->devices);
    FUZZ_CHECK(p->aeads > 0 && p->aeads <= CLO_ARRAY_LEN(p->aead));
    FUZZ_CHECK(p->max_age_s > 0 && p->max_age_s <= 3600);
    FUZZ_CHECK(!p->snp.vlek || p->snp.csp_ids.count > 0);
    FUZZ_CHECK(p->measurements.count == 0 || p->measurements.given);
    FUZZ_CHECK(p->manifests.count == 0 || p->manifests.given);
    FUZZ_CHECK(p->manifests.count <= CLO_POLICY_MANIFESTS_MAX);
    check_replicas(p);
    if (!p->sev_snp && !p->sev_snp_azure && !p->simulated)
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
