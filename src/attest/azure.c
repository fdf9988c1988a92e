/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appraisal of an Azure confidential VM. The chain of reasons, each link of which is a check: the hardware's report is authentic; it covers
 * the runtime data (azure.runtime); they name one attestation key (azure.key); that key signed the vTPM's quote (tpm.signature); the
 * quote covers what the caller expects (tpm.nonce). Only all of them together are binding.report_data.
 *
 * The report says which paravisor runs; what runs above it only the vTPM's PCRs say. So the measurement of the whole is over both.
 */
#include "attest/azure.h"

#include <stdio.h>
#include <string.h>

#include "attest/hcl.h"

#define TEXT                 CLOISTER_CHECK_TEXT
#define TDREPORT_TYPE        0x81 /* REPORTMACSTRUCT.REPORTTYPE.TYPE: a TD's */
#define TDREPORT_DATA_OFFSET 128

struct appraisal {
    const struct clo_azure_input *in;
    const struct cloister_policy *policy;
    const struct cloister_roots *roots;
    int64_t now;
    struct clo_verdict_builder *vb;

    struct clo_hcl hcl;
    struct clo_hcl_runtime runtime;
    bool hcl_ok, tdx;
    uint8_t report_data[64];
    struct clo_hw_result hw;
    struct clo_tpm_result tpm;
    struct clo_key *key; /* NULL: the runtime data name none that is one */
};

static enum cloister_check_status status(const struct appraisal *a, enum cloister_check_id id)
{
    return clo_vb_status(a->vb, id);
}

static void missing(struct appraisal *a, enum cloister_check_id id, const char *reason)
{
    clo_vb_set(a->vb, id, CLOISTER_CHECK_MISSING, NULL, NULL, reason);
}

int clo_azure_is_tdx(const uint8_t *hcl, size_t n, bool *ret)
{
    struct clo_hcl h;

    if (clo_hcl_parse(hcl, n, &h) != 0)
        return CLOISTER_E_MALFORMED;
    *ret = h.report_type == CLO_HCL_TDX;
    return 0;
}

/* ---- envelope ---- */

static int check_format(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_AZURE_FORMAT;
    int err;

    if (a->in->hcl_n == 0) {
        missing(a, id, "there is no HCL envelope");
        return 0;
    }
    err = clo_hcl_parse(a->in->hcl, a->in->hcl_n, &a->hcl);
    if (err != 0) {
        clo_vb_set(a->vb, id, CLOISTER_CHECK_FAIL, NULL, NULL,
                   err == CLOISTER_E_UNKNOWN
                       ? "the envelope is of a version or type that isn't known"
                       : "the envelope breaks its format");
        return 0;
    }
    a->tdx = a->hcl.report_type == CLO_HCL_TDX;
    err = clo_hcl_runtime_parse(a->hcl.runtime, a->hcl.runtime_n, &a->runtime);
    if (clo_is_ours(err))
        return err;
    clo_vb_set(a->vb, id, err == 0 ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL, NULL, NULL,
               err == 0 ? NULL : "the runtime data break their format");
    a->hcl_ok = err == 0;
    return a->hcl_ok ? clo_hcl_report_data(&a->hcl, a->report_data) : 0;
}

/* NULL: envelope, report, quote and the caller's kind of evidence are of one kind. */
static const char *type_wrong(const struct appraisal *a)
{
    const uint8_t *td = a->hcl.report;

    if (a->vb->out[a->tdx ? CLO_CHECK_PLACE_TDX_MODULE : CLO_CHECK_PLACE_SNP_FORMAT])
        return "the envelope is of another kind of hardware than the evidence";
    if (!a->tdx)
        return a->in->quote_n == 0 ? NULL : "a TDX quote came with an SEV-SNP report";
    if (td[0] != TDREPORT_TYPE)
        return "the envelope should hold a TDREPORT, and doesn't";
    if (memcmp(td + TDREPORT_DATA_OFFSET, a->report_data, sizeof a->report_data) != 0)
        return "the envelope's TDREPORT doesn't cover the runtime data";
    return NULL;
}

static void check_type(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_AZURE_TYPE;
    const char *wrong = type_wrong(a), *kind = a->tdx ? "TDX" : "SEV-SNP";

    if (wrong != NULL)
        clo_vb_set(a->vb, id, CLOISTER_CHECK_FAIL, NULL, kind, wrong);
    else if (a->tdx && a->in->quote_n == 0)
        clo_vb_set(a->vb, id, CLOISTER_CHECK_MISSING, NULL, kind,
                   "a TDREPORT can be verified on its own machine only, and no signed quote came");
    else
        clo_vb_set(a->vb, id, CLOISTER_CHECK_PASS, NULL, kind, NULL);
}

/* ---- hardware ---- */

static int check_hardware(struct appraisal *a)
{
    const struct clo_snp_input snp = {
        .report = a->hcl.report,
        .report_n = CLO_SNP_REPORT_LEN,
        .chain = a->in->chain,
        .chain_n = a->in->chain_n,
        .collateral = a->in->collateral,
        .data_check = CLOISTER_CHECK_AZURE_RUNTIME,
        .report_data = a->report_data,
    };
    /* RTMRs are zero here, and the event log is the vTPM's. */
    const struct clo_quote_input quote = {
        .quote = a->in->quote,
        .quote_n = a->in->quote_n,
        .chain = a->in->chain,
        .chain_n = a->in->chain_n,
        .collateral = a->in->collateral,
        .data_check = CLOISTER_CHECK_AZURE_RUNTIME,
        .report_data = a->report_data,
    };

    if (a->tdx)
        return clo_quote_appraise(&quote, a->policy, a->roots, a->now, a->vb, &a->hw);
    return clo_snp_appraise(&snp, a->policy, a->roots, a->now, a->vb, &a->hw);
}

/* ---- runtime data ---- */

/*
 * The paravisor's privilege level is 0, whatever the policy wants of other machines. A report that a lower level asked for covers what
 * that level chose, so that a guest's own software could name a key that was never in a vTPM. TD quotes tell of no such level.
 */
static bool paravisor_asked(const struct appraisal *a)
{
    struct clo_snp_report r;

    return a->tdx ||
           (clo_snp_report_parse(a->hcl.report, CLO_SNP_REPORT_LEN, &r) == 0 && r.vmpl == 0);
}

static int check_key(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_AZURE_KEY;
    const struct clo_hcl_runtime *r = &a->runtime;
    const char *wrong = r->key_wrong;

    if (r->keys == 0)
        wrong = "the runtime data name no attestation key";
    else if (r->keys > 1)
        wrong = "the runtime data name more than one attestation key";
    else if (wrong == NULL && !paravisor_asked(a))
        wrong = "the guest asked for the report, not the paravisor: it may name any key";
    if (wrong == NULL) {
        const int err = clo_key_new_rsa(r->modulus, r->modulus_n, r->exponent, &a->key);

        if (clo_is_ours(err))
            return err;
        if (err != 0)
            wrong = "the attestation key isn't a sound RSA key";
    }
    clo_vb_claim(a->vb, id, wrong == NULL, a->hw.bound, NULL, NULL, wrong);
    return 0;
}

/* GUIDs are written in capitals by some, in small letters by others. */
static bool same_guid(const char *x, const char *y)
{
    static const char capital[] = "ABCDEF", small[] = "abcdef";

    for (; *x != '\0' && *y != '\0'; x++, y++) {
        const char *cx = strchr(capital, *x), *cy = strchr(capital, *y);

        if ((cx != NULL ? small[cx - capital] : *x) != (cy != NULL ? small[cy - capital] : *y))
            return false;
    }
    return *x == *y;
}

static bool vm_listed(const struct clo_policy_texts *ids, const char *id)
{
    for (size_t i = 0; i < ids->count; i++)
        if (same_guid(ids->text[i], id))
            return true;
    return false;
}

static const char *flag_text(enum clo_hcl_flag f)
{
    return f == CLO_HCL_ON ? "on" : f == CLO_HCL_OFF ? "off" : "not told";
}

static const char *vm_wrong(const struct appraisal *a)
{
    const struct clo_hcl_runtime *r = &a->runtime;
    const struct clo_policy_azure *p = &a->policy->azure;

    if (r->secure_boot == CLO_HCL_OFF && !p->allow_no_secure_boot)
        return "secure boot is off, and the policy doesn't allow that";
    if (r->console == CLO_HCL_ON && !p->allow_console)
        return "the host's console is on, and the policy doesn't allow that";
    if (p->vm_ids.given && r->vm_id[0] != '\0' && !vm_listed(&p->vm_ids, r->vm_id))
        return "the policy doesn't list this VM";
    return NULL;
}

/* What isn't told can't be judged; what the policy allows either way need not be told. */
static bool vm_silent(const struct appraisal *a)
{
    const struct clo_hcl_runtime *r = &a->runtime;
    const struct clo_policy_azure *p = &a->policy->azure;

    return r->tpm == CLO_HCL_ABSENT ||
           (r->secure_boot == CLO_HCL_ABSENT && !p->allow_no_secure_boot) ||
           (r->console == CLO_HCL_ABSENT && !p->allow_console) ||
           (p->vm_ids.given && r->vm_id[0] == '\0');
}

static void check_vm(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_AZURE_VM;
    const struct clo_hcl_runtime *r = &a->runtime;
    const char *wrong = NULL;
    char actual[TEXT];

    (void)snprintf(actual, sizeof actual, "secure boot %s, console %s, TPM %s, VM %s",
                   flag_text(r->secure_boot), flag_text(r->console), flag_text(r->tpm),
                   r->vm_id[0] != '\0' ? r->vm_id : "not told");
    if (r->tpm == CLO_HCL_OFF)
        wrong = "the VM has no TPM, so none of what it quotes is the VM's";
    else if (a->policy != NULL)
        wrong = vm_wrong(a);
    if (wrong == NULL && a->policy == NULL)
        clo_vb_no_policy(a->vb, id, actual);
    else if (wrong == NULL && vm_silent(a))
        clo_vb_set(a->vb, id, CLOISTER_CHECK_MISSING, NULL, actual,
                   "the runtime data don't tell what the policy asks for");
    else
        clo_vb_claim(a->vb, id, wrong == NULL, a->hw.bound, NULL, actual, wrong);
}

/* ---- vTPM ---- */

/* Does the policy list the key, where it lists any? */
static int key_listed(const struct appraisal *a, bool *ret)
{
    uint8_t digest[CLO_SHA256_LEN];
    int err;

    if (a->policy == NULL || !a->policy->tpm.keys.given) {
        *ret = true;
        return 0;
    }
    if ((err = clo_key_digest(a->key, digest)) == 0)
        *ret = clo_policy_list_has(&a->policy->tpm.keys, digest);
    return err;
}

static int check_tpm(struct appraisal *a)
{
    struct clo_tpm_input in = {
        .quote = a->in->tpm_quote,
        .quote_n = a->in->tpm_quote_n,
        .signature = a->in->tpm_signature,
        .signature_n = a->in->tpm_signature_n,
        .pcrs = a->in->pcrs,
        .pcrs_n = a->in->pcrs_n,
        .event_log = a->in->event_log,
        .event_log_n = a->in->event_log_n,
        .key = a->key,
        /*
         * There is no public area with attributes to look at. That HCLAkPub is a restricted key of the vTPM is the paravisor's
         * word: it made the key, names it in data that the hardware vouches for, and is itself what the report measures.
         */
        .key_restricted = true,
        .key_trust = CLOISTER_CHECK_MISSING,
        .key_trust_reason = "the hardware's report isn't known to be authentic",
        .expected = a->in->expected,
        .expected_n = a->in->expected_n,
        .any_expected = a->in->any_expected,
    };
    bool listed = false;
    int err;

    if (status(a, CLOISTER_CHECK_AZURE_RUNTIME) == CLOISTER_CHECK_FAIL) {
        in.key_trust = CLOISTER_CHECK_FAIL;
        in.key_trust_reason = "the hardware's report covers other runtime data than name this key";
    } else if (a->hw.bound && status(a, CLOISTER_CHECK_AZURE_KEY) == CLOISTER_CHECK_PASS) {
        if ((err = key_listed(a, &listed)) != 0)
            return err;
        in.key_trust = listed ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL;
        in.key_trust_reason = listed ? NULL : "the policy doesn't list this key";
    }
    return clo_tpm_appraise(&in, a->policy, a->vb, &a->tpm);
}

/* ---- together ---- */

static void check_binding(struct appraisal *a)
{
    static const enum cloister_check_id link[] = {
        CLOISTER_CHECK_AZURE_FORMAT,    CLOISTER_CHECK_AZURE_TYPE,    CLOISTER_CHECK_AZURE_RUNTIME,
        CLOISTER_CHECK_AZURE_KEY,       CLOISTER_CHECK_TPM_FORMAT,    CLOISTER_CHECK_TPM_KEY,
        CLOISTER_CHECK_TPM_KEY_TRUSTED, CLOISTER_CHECK_TPM_ALGORITHM, CLOISTER_CHECK_TPM_SIGNATURE,
        CLOISTER_CHECK_TPM_NONCE,
    };
    const enum cloister_check_id id = CLOISTER_CHECK_BINDING_REPORT_DATA;
    const char *broken = NULL;
    bool whole = a->hw.bound && a->tpm.bound;
    char reason[TEXT];

    if (a->in->expected == NULL) {
        clo_vb_unexpected(a->vb, id, a->in->any_expected, NULL);
        return;
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(link); i++) {
        whole = whole && status(a, link[i]) == CLOISTER_CHECK_PASS;
        if (broken == NULL && status(a, link[i]) == CLOISTER_CHECK_FAIL)
            broken = cloister_check_name(link[i]);
    }
    if (broken != NULL)
        (void)snprintf(reason, sizeof reason,
                       "the chain from the hardware to these keys is broken: %s", broken);
    clo_vb_claim(a->vb, id, broken == NULL, whole, NULL, NULL, broken != NULL ? reason : NULL);
}

/* SHA-384 over what the hardware measured and the PCR values as they came. */
static int result(const struct appraisal *a, struct clo_hw_result *ret)
{
    const struct clo_slice in[] = {
        {a->hw.measurement, sizeof a->hw.measurement},
        {a->in->pcrs, a->in->pcrs_n},
    };
    struct clo_hw_result r = {
        .authentic = a->hw.authentic && a->tpm.authentic,
        .bound = a->hw.bound && a->tpm.bound &&
                 status(a, CLOISTER_CHECK_BINDING_REPORT_DATA) == CLOISTER_CHECK_PASS,
        .measured = a->hw.measured && a->tpm.measured,
    };
    int err;

    if ((err = clo_hash(CLO_SHA384, in, CLO_ARRAY_LEN(in), r.measurement)) == 0)
        *ret = r;
    return err;
}

int clo_azure_appraise(const struct clo_azure_input *in, const struct cloister_policy *policy,
                       const struct cloister_roots *roots, int64_t now,
                       struct clo_verdict_builder *vb, struct clo_hw_result *ret)
{
    struct appraisal a = {.in = in, .policy = policy, .roots = roots, .now = now, .vb = vb};
    int err;

    if ((err = check_format(&a)) != 0)
        goto out;
    if (a.hcl_ok) {
        check_type(&a);
        /* Whose checks aren't part of the verdict can't be judged, and what is of two kinds is wrong already. */
        if (status(&a, CLOISTER_CHECK_AZURE_TYPE) == CLOISTER_CHECK_PASS &&
            (err = check_hardware(&a)) != 0)
            goto out;
        if ((err = check_key(&a)) != 0)
            goto out;
        check_vm(&a);
    }
    clo_vb_skip_families(vb, CLO_FAMILY_AZURE | CLO_FAMILY_SNP | CLO_FAMILY_QUOTE | CLO_FAMILY_TDX,
                         !a.hcl_ok ? "there is no envelope that can be read"
                                   : "there is no hardware's report that it could be judged by");
    if ((err = check_tpm(&a)) != 0)
        goto out;
    check_binding(&a);
    err = result(&a, ret);
out:
    clo_key_free(a.key);
    return err;
}
