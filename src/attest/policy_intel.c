/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy's members "tdx" and "sgx" (docs/POLICY.md): which TDs and enclaves, at which level of Intel's TCB.
 *
 * Limits: CLO_POLICY_TDS_MAX images, lists as in policy_read.c. Fuzzed by fuzz/fuzz_policy.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/policy_read.h"

/* "Revoked" isn't among them: no policy can admit it. */
static const struct clo_word status_words[] = {
    {"UpToDate", CLO_TCB_UP_TO_DATE},
    {"SWHardeningNeeded", CLO_TCB_SW_HARDENING},
    {"ConfigurationNeeded", CLO_TCB_CONFIGURATION},
    {"ConfigurationAndSWHardeningNeeded", CLO_TCB_CONFIGURATION_AND_SW_HARDENING},
    {"OutOfDate", CLO_TCB_OUT_OF_DATE},
    {"OutOfDateConfigurationNeeded", CLO_TCB_OUT_OF_DATE_CONFIGURATION},
    {"TDRelaunchAdvised", CLO_TCB_RELAUNCH_ADVISED},
    {"TDRelaunchAdvisedConfigurationNeeded", CLO_TCB_RELAUNCH_ADVISED_CONFIGURATION},
};
/* TD_ATTRIBUTES; DEBUG isn't among them */
static const struct clo_word td_words[] = {
    {"pks", CLO_TD_PKS},
    {"kl", CLO_TD_KL},
    {"perfmon", CLO_TD_PERFMON},
};
/* ATTRIBUTES of an enclave; DEBUG isn't among them */
static const struct clo_word enclave_words[] = {
    {"provision_key", CLO_SGX_PROVISION_KEY},
    {"einittoken_key", CLO_SGX_EINITTOKEN_KEY},
    {"kss", CLO_SGX_KSS},
    {"aex_notify", CLO_SGX_AEX_NOTIFY},
};

/* ---- tcb ---- */

static bool names_revoked(const json_t *a)
{
    for (size_t i = 0; i < json_array_size(a); i++) {
        const char *s = json_string_value(json_array_get(a, i));

        if (s != NULL && strcmp(s, "Revoked") == 0)
            return true;
    }
    return false;
}

/* "INTEL-SA-00615" */
static bool advisory_ok(const char *s)
{
    static const char head[] = "INTEL-SA-";
    const size_t n = strlen(s);

    return strncmp(s, head, sizeof head - 1) == 0 && n >= sizeof head - 1 + 5 &&
           strspn(s + sizeof head - 1, "0123456789") == n - (sizeof head - 1);
}

static void tcb_read(struct clo_place *parent, const char *path, struct clo_policy_tcb *ret)
{
    const json_t *v = clo_place_object(parent, "tcb", true);
    struct clo_place p;

    if (v == NULL)
        return;
    p = clo_place_enter(v, path, parent);
    ret->min_evaluation_number = (uint32_t)clo_json_obj_int(&p.o, "min_evaluation_number", 0,
                                                            UINT32_MAX);
    (void)clo_place_good(&p, "min_evaluation_number", "must be there, a number");
    if (names_revoked(clo_place_array(&p, "statuses", false, SIZE_MAX)))
        clo_place_fault(&p, "statuses", "can't have \"Revoked\": no policy admits that",
                        CLOISTER_E_MALFORMED);
    ret->statuses = (unsigned)clo_place_bits(&p, "statuses", status_words,
                                             CLO_ARRAY_LEN(status_words), ret->statuses);
    clo_place_hex_list(&p, "fmspcs", 6, &ret->fmspcs);
    clo_place_texts(&p, "advisories", &ret->advisories);
    for (size_t i = 0; i < ret->advisories.count; i++)
        if (!advisory_ok(ret->advisories.text[i]))
            clo_place_fault(&p, "advisories", "has a value that isn't like \"INTEL-SA-00615\"",
                            CLOISTER_E_MALFORMED);
    (void)clo_place_leave(&p, parent);
}

/* ---- tdx ---- */

static void image_read(struct clo_place *parent, const json_t *v, size_t i,
                       struct clo_policy_tdx *tdx)
{
    struct clo_policy_td *td = &tdx->td[tdx->tds];
    char path[CLO_PLACE_PATH];
    struct clo_place p;

    (void)snprintf(path, sizeof path, "tdx.images[%zu].", i);
    p = clo_place_enter(v, path, parent);
    clo_place_hex(&p, "mrtd", td->mrtd, sizeof td->mrtd);
    clo_place_hex(&p, "rtmr0", td->rtmr[0], sizeof td->rtmr[0]);
    clo_place_hex(&p, "rtmr1", td->rtmr[1], sizeof td->rtmr[1]);
    clo_place_hex(&p, "rtmr2", td->rtmr[2], sizeof td->rtmr[2]);
    clo_place_hex(&p, "rtmr3", td->rtmr[3], sizeof td->rtmr[3]);
    for (size_t k = 0; p.o.err == 0 && k < tdx->tds; k++)
        if (memcmp(&tdx->td[k], td, sizeof *td) == 0)
            clo_place_fault(parent, "images", "has a value twice", CLOISTER_E_DUPLICATE);
    if (clo_place_leave(&p, parent) == 0 && parent->o.err == 0)
        tdx->tds++;
}

static void images_read(struct clo_place *p, struct clo_policy_tdx *tdx)
{
    const json_t *a = clo_place_array(p, "images", true, CLO_POLICY_TDS_MAX);
    const size_t n = json_array_size(a);

    if (n == 0)
        return;
    if ((tdx->td = calloc(n, sizeof *tdx->td)) == NULL) {
        clo_place_fault(p, "images", "not enough memory", CLOISTER_E_MEMORY);
        return;
    }
    for (size_t i = 0; i < n && p->o.err == 0; i++)
        image_read(p, json_array_get(a, i), i, tdx);
}

/* A number, most significant digit first. */
static void xfam_read(struct clo_place *p, struct clo_policy_tdx *tdx)
{
    uint8_t b[8];
    uint64_t v = 0;

    if (clo_json_obj_opt(&p->o, "allow_xfam", JSON_STRING) == NULL) {
        (void)clo_place_good(p, "allow_xfam", "must be 16 lower-case hexadecimal digits");
        return;
    }
    clo_json_obj_hex(&p->o, "allow_xfam", b, sizeof b);
    if (!clo_place_good(p, "allow_xfam", "must be 16 lower-case hexadecimal digits"))
        return;
    for (size_t i = 0; i < sizeof b; i++)
        v = v << 8 | b[i];
    if ((v & CLO_TD_XFAM_FIXED1) != CLO_TD_XFAM_FIXED1 || (v & ~(uint64_t)CLO_TD_XFAM_ALLOWED) != 0)
        clo_place_fault(p, "allow_xfam",
                        "must have bits 0 and 1 (every TD has them), and none beyond 6dbe7",
                        CLOISTER_E_MALFORMED);
    tdx->allow_xfam = v;
}

void clo_policy_read_tdx(struct clo_place *parent, const json_t *v, struct clo_policy_tdx *ret)
{
    struct clo_place p = clo_place_enter(v, "tdx.", parent);

    images_read(&p, ret);
    tcb_read(&p, "tdx.tcb.", &ret->tcb);
    ret->allow_attributes = clo_place_bits(&p, "allow_attributes", td_words,
                                           CLO_ARRAY_LEN(td_words), 0);
    ret->allow_sept_ve = clo_place_flag(&p, "allow_sept_ve");
    xfam_read(&p, ret);
    clo_place_hex_list(&p, "config_ids", 48, &ret->config_ids);
    clo_place_hex_list(&p, "owners", 48, &ret->owners);
    clo_place_hex_list(&p, "owner_configs", 48, &ret->owner_configs);
    clo_place_hex_list(&p, "service_tds", 48, &ret->service_tds);
    ret->require_event_log = clo_place_event_log(&p);
    (void)clo_place_leave(&p, parent);
}

/* ---- sgx ---- */

/* A signer has many enclaves: which product of theirs, and from which version on, has to be said, and means nothing without one. */
static void signers_read(struct clo_place *p, struct clo_policy_sgx *sgx)
{
    clo_place_hex_list(p, "signers", 32, &sgx->signers);
    if (!sgx->signers.given) {
        if (json_object_get(p->o.v, "product_id") != NULL ||
            json_object_get(p->o.v, "min_svn") != NULL)
            clo_place_fault(p, "signers", "must be there with \"product_id\" and \"min_svn\"",
                            CLOISTER_E_MALFORMED);
        return;
    }
    sgx->product_id = (uint16_t)clo_json_obj_int(&p->o, "product_id", 0, UINT16_MAX);
    (void)clo_place_good(p, "product_id", "must be there with \"signers\", a number to 65535");
    sgx->min_svn = (uint16_t)clo_json_obj_int(&p->o, "min_svn", 0, UINT16_MAX);
    (void)clo_place_good(p, "min_svn", "must be there with \"signers\", a number to 65535");
}

void clo_policy_read_sgx(struct clo_place *parent, const json_t *v, struct clo_policy_sgx *ret)
{
    struct clo_place p = clo_place_enter(v, "sgx.", parent);

    clo_place_hex_list(&p, "enclaves", 32, &ret->enclaves);
    signers_read(&p, ret);
    tcb_read(&p, "sgx.tcb.", &ret->tcb);
    ret->allow_attributes = clo_place_bits(&p, "allow_attributes", enclave_words,
                                           CLO_ARRAY_LEN(enclave_words), 0);
    (void)clo_place_leave(&p, parent);
}
