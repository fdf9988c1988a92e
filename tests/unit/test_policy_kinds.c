/* SPDX-License-Identifier: Apache-2.0 */
/* Policies (docs/POLICY.md) for TDX, SGX, Azure, TPMs and GPUs: strict reading and strict defaults, kind by kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "attest/sections.h"
#include "base/enc.h"
#include "policy_try.h"

#define R8(x) x x x x x x x x
#define A32   R8("aaaaaaaa") /* 64 digits */
#define B32   R8("bbbbbbbb")
#define A48   R8("aaaaaaaaaaaa") /* 96 digits */
#define B48   R8("bbbbbbbbbbbb")
#define C48   R8("cccccccccccc")
#define SNP \
    "'sev_snp':{'products':{'genoa':{'min_tcb':{'bl':10,'tee':1,'snp':27,'ucode':84},'min_firmware':'1.55.43'}}}"
#define GUESTS \
    "'sev_snp':{'vmpl':2,'products':{'genoa':{'min_tcb':{'bl':10,'tee':1,'snp':27,'ucode':84},'min_firmware':'1.55.43'}}}"
#define LEVEL "'tcb':{'min_evaluation_number':17}"
#define IMAGE(m) \
    "{'mrtd':'" m "','rtmr0':'" A48 "','rtmr1':'" A48 "','rtmr2':'" A48 "','rtmr3':'" A48 "'}"
#define TDX(more)            "'tdx':{'images':[" IMAGE(A48) "]," LEVEL more "}"
#define SGX(more)            "'sgx':{" LEVEL more "}"
#define TPM(more)            "'tpm':{'pcrs':[{'4':'" A32 "'}]" more "}"
#define POLICY(tee, members) "{'v':1,'name':'n','tee':[" tee "]," members "}"
#define GPU                  "'min':1,'architectures':['hopper'],'min_driver':'550.90.07'"
#define DRIVER_ID                                                                                                   \
    "'kind':'driver','arch':'hopper','id':'NV_GPU_DRIVER_GH100_550.90.07','version':'550.90.07','rim_sha256':'" A32 \
    "'"
#define VBIOS_ID \
    "'kind':'vbios','arch':'hopper','id':'x','version':'96.00.74.00.1C','rim_sha256':'" A32 "'"
#define VALUES             "'measurements':[{'index':0,'values':['" A48 "']}]"
#define DEVICES(members)   "{'v':1,'name':'n','tee':[],'devices':{" members "}}"
#define REFERENCE(members) DEVICES(GPU ",'reference_values':[{" members "}]")

/* ---- which kinds, and their members ---- */

static void kinds_of_hardware_may_stand_together(void **state)
{
    struct cloister_policy *p = parsed(POLICY("'sev-snp','sev-snp-azure','tdx','tdx-azure','sgx'",
                                              "'measurements':['" A48 "']," SNP
                                              "," TDX("") "," SGX("") ",'azure':{}," TPM("")));

    (void)state;
    assert_true(p->sev_snp && p->sev_snp_azure && p->tdx_plain && p->tdx_azure && p->sgx_quote);
    assert_false(p->simulated);
    assert_int_equal(p->measurements.count, 1);
    assert_true(p->snp.product[CLO_SNP_GENOA].admitted);
    assert_int_equal(p->tdx.tds, 1);
    assert_int_equal(p->tdx.tcb.min_evaluation_number, 17);
    assert_int_equal(p->sgx.tcb.min_evaluation_number, 17);
    assert_true(p->tpm.given);
    cloister_policy_free(p);
    for (unsigned i = 0; i < 5; i++) {
        static const char *const tees[] = {"sev-snp", "sev-snp-azure", "tdx", "tdx-azure", "sgx"};
        char s[512];

        (void)snprintf(s, sizeof s, "{'v':1,'name':'n','tee':['simulated','%s'],'simulated':{}}",
                       tees[i]);
        refused(s, "tee: \"simulated\" protects nothing and can't stand beside another type");
    }
}

static void each_kind_has_its_member_and_no_other(void **state)
{
    (void)state;
    refused(POLICY("'tdx'", "'models':[]"),
            "tdx: must be there if \"tee\" names \"tdx\" or \"tdx-azure\", and only then");
    refused(POLICY("'sev-snp'", SNP "," TDX("")),
            "tdx: must be there if \"tee\" names \"tdx\" or \"tdx-azure\", and only then");
    refused(POLICY("'sgx'", "'models':[]"),
            "sgx: must be there if \"tee\" names \"sgx\", and only then");
    refused(POLICY("'tdx'", TDX("") "," SGX("")),
            "sgx: must be there if \"tee\" names \"sgx\", and only then");
    refused(
        POLICY("'tdx'", TDX("") "," SNP),
        "sev_snp: must be there if \"tee\" names \"sev-snp\" or \"sev-snp-azure\", and only then");
    refused(
        POLICY("'sev-snp-azure'", "'azure':{}," TPM("")),
        "sev_snp: must be there if \"tee\" names \"sev-snp\" or \"sev-snp-azure\", and only then");
    refused(POLICY("'sev-snp-azure'", SNP "," TPM("")),
            "azure: must be there if \"tee\" names a kind on Azure, and only then");
    refused(POLICY("'sev-snp-azure'", SNP ",'azure':{}"),
            "tpm: must be there if \"tee\" names a kind on Azure");
    refused(POLICY("'tdx-azure'", TDX("") ",'azure':{}"),
            "tpm: must be there if \"tee\" names a kind on Azure");
    /* a paravisor's measurement, pinned for Azure, would admit what the guest above it asks for by itself */
    refused(POLICY("'sev-snp','sev-snp-azure'", GUESTS "," TPM("") ",'azure':{}"),
            "sev_snp: can't want a \"vmpl\" but 0 if \"tee\" names \"sev-snp-azure\"");
    cloister_policy_free(parsed(POLICY("'sev-snp'", GUESTS)));
    refused(POLICY("'tdx'", TDX("") ",'azure':{}"),
            "azure: must be there if \"tee\" names a kind on Azure, and only then");
    refused(POLICY("'tdx'", TDX("") ",'simulated':{}"),
            "simulated: must be there if \"tee\" names \"simulated\", and only then");
    refused(POLICY("'simulated'", "'simulated':{}," TDX("")),
            "tdx: must be there if \"tee\" names \"tdx\" or \"tdx-azure\", and only then");
    refused(POLICY("'tdx'", "'tdx':[]"), "tdx: must be an object");
}

/* Whoever pins a launch measurement believes that something is pinned by it. */
static void measurements_of_snp_do_not_stand_with_intel_alone(void **state)
{
    (void)state;
    refused(POLICY("'tdx'", "'measurements':['" A48 "']," TDX("")),
            "measurements: is for SEV-SNP: images of TDX stand in \"tdx\", SGX has its enclaves");
    refused(POLICY("'sgx'", "'measurements':[]," SGX("")),
            "measurements: is for SEV-SNP: images of TDX stand in \"tdx\", SGX has its enclaves");
    cloister_policy_free(
        parsed(POLICY("'tdx','sev-snp'", "'measurements':['" A48 "']," SNP "," TDX(""))));
}

/* ---- tdx ---- */

static void the_defaults_for_tdx_are_strict(void **state)
{
    struct cloister_policy *p = parsed(POLICY("'tdx'", TDX("")));

    (void)state;
    assert_int_equal(p->tdx.tcb.statuses, CLO_TCB_UP_TO_DATE);
    assert_false(p->tdx.tcb.fmspcs.given || p->tdx.tcb.advisories.given);
    assert_true(p->tdx.allow_attributes == 0);
    assert_false(p->tdx.allow_sept_ve);
    assert_true(p->tdx.allow_xfam == CLO_TD_XFAM_ALLOWED);
    assert_false(p->tdx.config_ids.given || p->tdx.owners.given || p->tdx.owner_configs.given ||
                 p->tdx.service_tds.given);
    assert_false(p->tdx.require_event_log);
    assert_int_equal(p->devices.min, 1);
    for (unsigned i = 0; i < CLO_GPU_ARCHS; i++)
        assert_false(p->devices.arch[i]);
    cloister_policy_free(p);
    p = parsed(POLICY("'tdx'", "'tdx':{'images':[]," LEVEL "}"));
    assert_int_equal(p->tdx.tds, 0);
    cloister_policy_free(p);
}

static void every_member_of_tdx_is_read(void **state)
{
    struct cloister_policy *p = parsed(POLICY(
        "'tdx'",
        "'tdx':{'images':[{'mrtd':'" A48 "','rtmr0':'" B48 "','rtmr1':'" C48 "','rtmr2':'" A48
        "','rtmr3':'" B48 "'}," IMAGE(
            B48) "],'tcb':{'min_evaluation_number':4294967295,"
                 "'statuses':['SWHardeningNeeded','TDRelaunchAdvised','OutOfDate'],"
                 "'fmspcs':['00906ed50000'],'advisories':['INTEL-SA-00615','INTEL-SA-1000000']},"
                 "'allow_attributes':['pks','kl','perfmon'],'allow_sept_ve':true,"
                 "'allow_xfam':'00000000000002e7','config_ids':['" A48 "'],'owners':['" B48
                 "'],'owner_configs':['" C48 "'],'service_tds':[],'event_log':'required'}"));

    (void)state;
    assert_int_equal(p->tdx.tds, 2);
    assert_int_equal(p->tdx.td[0].mrtd[0], 0xaa);
    assert_int_equal(p->tdx.td[0].rtmr[0][47], 0xbb);
    assert_int_equal(p->tdx.td[0].rtmr[1][0], 0xcc);
    assert_int_equal(p->tdx.td[0].rtmr[2][0], 0xaa);
    assert_int_equal(p->tdx.td[0].rtmr[3][0], 0xbb);
    assert_int_equal(p->tdx.td[1].mrtd[0], 0xbb);
    assert_true(p->tdx.tcb.min_evaluation_number == UINT32_MAX);
    assert_int_equal(p->tdx.tcb.statuses,
                     CLO_TCB_SW_HARDENING | CLO_TCB_RELAUNCH_ADVISED | CLO_TCB_OUT_OF_DATE);
    assert_int_equal(p->tdx.tcb.fmspcs.width, 6);
    assert_int_equal(p->tdx.tcb.fmspcs.count, 1);
    assert_true(clo_policy_texts_have(&p->tdx.tcb.advisories, "INTEL-SA-00615"));
    assert_true(p->tdx.allow_attributes ==
                ((uint64_t)1 << 30 | (uint64_t)1 << 31 | (uint64_t)1 << 63));
    assert_true(p->tdx.allow_sept_ve && p->tdx.require_event_log);
    assert_true(p->tdx.allow_xfam == 0x2e7);
    assert_int_equal(p->tdx.config_ids.item[0], 0xaa);
    assert_int_equal(p->tdx.owners.item[0], 0xbb);
    assert_int_equal(p->tdx.owner_configs.item[0], 0xcc);
    assert_true(p->tdx.service_tds.given);
    assert_int_equal(p->tdx.service_tds.count, 0);
    cloister_policy_free(p);
}

static void an_image_of_tdx_is_whole(void **state)
{
    (void)state;
    refused(POLICY("'tdx'", "'tdx':{" LEVEL "}"), "tdx.images: must be there, an array");
    refused(POLICY("'tdx'", "'tdx':{'images':['" A48 "']," LEVEL "}"),
            "tdx.images[0].*: must be an object of at most 64 members");
    refused(POLICY("'tdx'", "'tdx':{'images':[" IMAGE(A48) ",{'mrtd':'" A48 "'}]," LEVEL "}"),
            "tdx.images[1].rtmr0: must be there, 96 lower-case hexadecimal digits");
    refused(POLICY("'tdx'", "'tdx':{'images':[" IMAGE(A32) "]," LEVEL "}"),
            "tdx.images[0].mrtd: must be there, 96 lower-case hexadecimal digits");
    refused(POLICY("'tdx'", "'tdx':{'images':[{'mrtd':'" A48 "','rtmr0':'" A48 "','rtmr1':'" A48
                            "','rtmr2':'" A48 "','rtmr3':null}]," LEVEL "}"),
            "tdx.images[0].rtmr3: must be there, 96 lower-case hexadecimal digits");
    refused(POLICY("'tdx'", "'tdx':{'images':[{'mrtd':'" A48 "','rtmr0':'" A48 "','rtmr1':'" A48
                            "','rtmr2':'" A48 "','rtmr3':'" A48 "','rtmr4':'" A48 "'}]," LEVEL "}"),
            "tdx.images[0].rtmr4: there is no such member");
    refused(POLICY("'tdx'", "'tdx':{'images':[" IMAGE(A48) "," IMAGE(A48) "]," LEVEL "}"),
            "tdx.images: has a value twice");
}

static void images_of_tdx_are_bounded(void **state)
{
    static char s[65536];

    (void)state;
    for (unsigned count = CLO_POLICY_TDS_MAX; count <= CLO_POLICY_TDS_MAX + 1; count++) {
        size_t n = (size_t)sprintf(s,
                                   "{'v':1,'name':'n','tee':['tdx'],'tdx':{" LEVEL ",'images':[");

        for (unsigned i = 0; i < count; i++)
            n += (size_t)sprintf(s + n,
                                 "%s{'mrtd':'%096x','rtmr0':'" A48 "','rtmr1':'" A48
                                 "','rtmr2':'" A48 "','rtmr3':'" A48 "'}",
                                 i == 0 ? "" : ",", i);
        (void)strcpy(s + n, "]}}");
        if (count > CLO_POLICY_TDS_MAX)
            refused(s, "tdx.images: has too many values");
        else
            cloister_policy_free(parsed(s));
    }
}

static void a_level_of_intels_tcb_has_its_floor_and_known_words(void **state)
{
    static const char *const wrong[] = {"INTEL-SA-", "INTEL-SA-123", "INTEL-SA-0061x",
                                        "INTEL-00615", "intel-sa-00615"};
    char s[2048];

    (void)state;
    refused(POLICY("'tdx'", "'tdx':{'images':[]}"), "tdx.tcb: must be there, an object");
    refused(POLICY("'sgx'", "'sgx':{'enclaves':[]}"), "sgx.tcb: must be there, an object");
    refused(POLICY("'sgx'", "'sgx':{'tcb':{}}"),
            "sgx.tcb.min_evaluation_number: must be there, a number");
    refused(POLICY("'sgx'", "'sgx':{'tcb':{'min_evaluation_number':-1}}"),
            "sgx.tcb.min_evaluation_number: must be there, a number");
    refused(POLICY("'sgx'", "'sgx':{'tcb':{'min_evaluation_number':4294967296}}"),
            "sgx.tcb.min_evaluation_number: must be there, a number");
    refused(POLICY("'sgx'", "'sgx':{'tcb':{'min_evaluation_number':1,'statuses':['uptodate']}}"),
            "sgx.tcb.statuses: has a word that this version doesn't know");
    refused(POLICY("'sgx'",
                   "'sgx':{'tcb':{'min_evaluation_number':1,'statuses':['UpToDate','Revoked']}}"),
            "sgx.tcb.statuses: can't have \"Revoked\": no policy admits that");
    refused(POLICY("'sgx'",
                   "'sgx':{'tcb':{'min_evaluation_number':1,'statuses':['UpToDate','UpToDate']}}"),
            "sgx.tcb.statuses: has a word twice");
    refused(POLICY("'sgx'", "'sgx':{'tcb':{'min_evaluation_number':1,'fmspcs':['00906ED50000']}}"),
            "sgx.tcb.fmspcs: has a value that isn't lower-case hexadecimal of the right length");
    refused(POLICY("'sgx'", "'sgx':{'tcb':{'min_evaluation_number':1,'date':'2026'}}"),
            "sgx.tcb.date: there is no such member");
    for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++) {
        (void)snprintf(
            s, sizeof s,
            POLICY("'tdx'",
                   "'tdx':{'images':[],'tcb':{'min_evaluation_number':1,'advisories':['%s']}}"),
            wrong[i]);
        refused(s, "tdx.tcb.advisories: has a value that isn't like \"INTEL-SA-00615\"");
    }
}

/* Every status but Revoked has a word of its own. */
static void all_statuses_are_known(void **state)
{
    struct cloister_policy *p = parsed(
        POLICY("'sgx'",
               "'sgx':{'tcb':{'min_evaluation_number':1,'statuses':['UpToDate','SWHardeningNeeded',"
               "'ConfigurationNeeded','ConfigurationAndSWHardeningNeeded','OutOfDate',"
               "'OutOfDateConfigurationNeeded','TDRelaunchAdvised',"
               "'TDRelaunchAdvisedConfigurationNeeded']}}"));

    (void)state;
    assert_int_equal(p->sgx.tcb.statuses, CLO_TCB_REVOKED - 1);
    cloister_policy_free(p);
    p = parsed(POLICY("'sgx'", "'sgx':{'tcb':{'min_evaluation_number':1,'statuses':[]}}"));
    assert_int_equal(p->sgx.tcb.statuses, 0);
    cloister_policy_free(p);
}

static void debugging_can_not_be_allowed(void **state)
{
    (void)state;
    refused(POLICY("'tdx'", TDX(",'allow_attributes':['debug']")),
            "tdx.allow_attributes: has a word that this version doesn't know");
    refused(POLICY("'tdx'", TDX(",'allow_debug':true")),
            "tdx.allow_debug: there is no such member");
    refused(POLICY("'sgx'", SGX(",'allow_attributes':['debug']")),
            "sgx.allow_attributes: has a word that this version doesn't know");
    refused(POLICY("'sgx'", SGX(",'allow_debug':true")),
            "sgx.allow_debug: there is no such member");
}

static void extended_features_are_those_that_exist(void **state)
{
    static const char *const wrong[] = {"00000000000002e4", "00000000000006eb1", "2e7", "",
                                        "00000000000002E7"};
    char s[2048];

    (void)state;
    refused(POLICY("'tdx'", TDX(",'allow_xfam':'0000000000000000'")),
            "tdx.allow_xfam: must have bits 0 and 1 (every TD has them), and none beyond 6dbe7");
    refused(POLICY("'tdx'", TDX(",'allow_xfam':'ffffffffffffffff'")),
            "tdx.allow_xfam: must have bits 0 and 1 (every TD has them), and none beyond 6dbe7");
    refused(POLICY("'tdx'", TDX(",'allow_xfam':743")),
            "tdx.allow_xfam: must be 16 lower-case hexadecimal digits");
    for (size_t i = 1; i < CLO_ARRAY_LEN(wrong); i++) {
        (void)snprintf(s, sizeof s, POLICY("'tdx'", TDX(",'allow_xfam':'%s'")), wrong[i]);
        refused(s, "tdx.allow_xfam: must be 16 lower-case hexadecimal digits");
    }
    (void)snprintf(s, sizeof s, POLICY("'tdx'", TDX(",'allow_xfam':'%s'")), wrong[0]);
    refused(s, "tdx.allow_xfam: must have bits 0 and 1 (every TD has them), and none beyond 6dbe7");
    refused(POLICY("'tdx'", TDX(",'event_log':true")), "tdx.event_log: must be a word");
    refused(POLICY("'tdx'", TDX(",'event_log':'never'")),
            "tdx.event_log: is a word that this version doesn't know");
}

/* ---- sgx ---- */

static void an_enclave_is_pinned_by_itself_or_by_its_signer(void **state)
{
    struct cloister_policy *p = parsed(POLICY("'sgx'", SGX("")));

    (void)state;
    assert_false(p->sgx.enclaves.given || p->sgx.signers.given); /* which admits nothing */
    assert_true(p->sgx.allow_attributes == 0);
    assert_int_equal(p->sgx.tcb.statuses, CLO_TCB_UP_TO_DATE);
    cloister_policy_free(p);
    p = parsed(POLICY("'sgx'", SGX(",'enclaves':['" A32 "'],'signers':['" B32
                                   "'],'product_id':65535,'min_svn':2,'allow_attributes':"
                                   "['provision_key','einittoken_key','kss','aex_notify']")));
    assert_int_equal(p->sgx.enclaves.item[0], 0xaa);
    assert_int_equal(p->sgx.signers.item[0], 0xbb);
    assert_int_equal(p->sgx.product_id, 65535);
    assert_int_equal(p->sgx.min_svn, 2);
    assert_true(p->sgx.allow_attributes == (1 << 4 | 1 << 5 | 1 << 7 | 1 << 10));
    cloister_policy_free(p);
}

static void a_signer_needs_its_product_and_version(void **state)
{
    (void)state;
    refused(POLICY("'sgx'", SGX(",'signers':['" A32 "'],'min_svn':1")),
            "sgx.product_id: must be there with \"signers\", a number to 65535");
    refused(POLICY("'sgx'", SGX(",'signers':['" A32 "'],'product_id':1")),
            "sgx.min_svn: must be there with \"signers\", a number to 65535");
    refused(POLICY("'sgx'", SGX(",'signers':[],'product_id':65536,'min_svn':1")),
            "sgx.product_id: must be there with \"signers\", a number to 65535");
    refused(POLICY("'sgx'", SGX(",'enclaves':['" A32 "'],'min_svn':1")),
            "sgx.signers: must be there with \"product_id\" and \"min_svn\"");
    refused(POLICY("'sgx'", SGX(",'product_id':1")),
            "sgx.signers: must be there with \"product_id\" and \"min_svn\"");
}

/* ---- azure and tpm ---- */

static void the_defaults_for_azure_are_strict(void **state)
{
    struct cloister_policy *p = parsed(POLICY("'sev-snp-azure'", SNP ",'azure':{}," TPM("")));

    (void)state;
    assert_false(p->azure.allow_console || p->azure.allow_no_secure_boot || p->azure.vm_ids.given);
    assert_int_equal(p->tpm.bank, CLO_POLICY_BANK_SHA256);
    assert_int_equal(p->tpm.selection, 0xffffff);
    assert_int_equal(p->tpm.pcrs_n, 1);
    assert_int_equal(p->tpm.pcrs[0].pinned, 1 << 4);
    assert_int_equal(p->tpm.pcrs[0].value[4][31], 0xaa);
    assert_false(p->tpm.keys.given || p->tpm.require_event_log);
    cloister_policy_free(p);
    p = parsed(
        POLICY("'tdx-azure'",
               TDX("") ",'azure':{'allow_console':true,'allow_no_secure_boot':true,"
                       "'vm_ids':['B5C0A2A1-0000-4000-8000-000000000001']},'tpm':{'pcrs':[]}"));
    assert_true(p->azure.allow_console && p->azure.allow_no_secure_boot);
    assert_int_equal(p->azure.vm_ids.count, 1);
    assert_int_equal(p->tpm.pcrs_n, 0); /* admits nothing */
    cloister_policy_free(p);
    refused(POLICY("'tdx-azure'", TDX("") ",'azure':{'allow_debug':true}," TPM("")),
            "azure.allow_debug: there is no such member");
    refused(POLICY("'tdx-azure'", TDX("") ",'azure':{'vm_ids':['x','x']}," TPM("")),
            "azure.vm_ids: has a value twice");
}

static void every_member_of_tpm_is_read(void **state)
{
    struct cloister_policy *p = parsed(
        POLICY("", "'tpm':{'bank':'sha384','selection':[23,0,7],'pcrs':[{'0':'" A48 "','23':'" B48
                   "'},{'7':'" C48 "'}],'keys':['" A32 "'],'event_log':'required'}"));

    (void)state;
    assert_true(p->tpm.given && p->tpm.require_event_log);
    assert_int_equal(p->tpm.bank, CLO_POLICY_BANK_SHA384);
    assert_int_equal(p->tpm.selection, 1 << 23 | 1 << 7 | 1);
    assert_int_equal(p->tpm.pcrs_n, 2);
    assert_int_equal(p->tpm.pcrs[0].pinned, 1 << 23 | 1);
    assert_int_equal(p->tpm.pcrs[0].value[23][47], 0xbb);
    assert_int_equal(p->tpm.pcrs[1].value[7][0], 0xcc);
    assert_int_equal(p->tpm.keys.count, 1);
    cloister_policy_free(p);
}

static void a_selection_is_of_distinct_pcrs(void **state)
{
    (void)state;
    refused(POLICY("", TPM(",'selection':[]")), "tpm.selection: must not be empty");
    refused(POLICY("", TPM(",'selection':[4,24]")),
            "tpm.selection: has a value that isn't a PCR's number from 0 to 23");
    refused(POLICY("", TPM(",'selection':[-1]")),
            "tpm.selection: has a value that isn't a PCR's number from 0 to 23");
    refused(POLICY("", TPM(",'selection':['4']")),
            "tpm.selection: has a value that isn't a PCR's number from 0 to 23");
    refused(POLICY("", TPM(",'selection':[4,4]")), "tpm.selection: has a value twice");
    refused(POLICY("", TPM(",'bank':'sha1'")),
            "tpm.bank: is a word that this version doesn't know");
}

static void pinned_pcrs_are_quoted_ones_of_the_bank(void **state)
{
    (void)state;
    refused(POLICY("", "'tpm':{}"), "tpm.pcrs: must be there, an array");
    refused(POLICY("", "'tpm':{'pcrs':[{}]}"),
            "tpm.pcrs: has an alternative that pins nothing: any would match");
    refused(POLICY("", "'tpm':{'pcrs':['" A32 "']}"),
            "tpm.pcrs[0].*: must be an object of at most 64 members");
    refused(POLICY("", TPM(",'selection':[0,7]")),
            "tpm.pcrs[0].4: is pinned, but isn't in the selection");
    refused(POLICY("", "'tpm':{'pcrs':[{'24':'" A32 "'}]}"),
            "tpm.pcrs[0].24: there is no such member");
    refused(POLICY("", "'tpm':{'pcrs':[{'4':'" A32 "','04':'" A32 "'}]}"),
            "tpm.pcrs[0].04: there is no such member");
    refused(POLICY("", "'tpm':{'pcrs':[{'4':'" A48 "'}]}"),
            "tpm.pcrs[0].4: must be there, 64 lower-case hexadecimal digits");
    refused(POLICY("", TPM(",'bank':'sha384'")),
            "tpm.pcrs[0].4: must be there, 96 lower-case hexadecimal digits");
    refused(POLICY("", "'tpm':{'pcrs':[{'4':'" A32 "'},{'4':'" A32 "'}]}"),
            "tpm.pcrs: has a value twice");
}

static void alternatives_of_pcrs_are_bounded(void **state)
{
    static char s[16384];

    (void)state;
    for (unsigned count = CLO_POLICY_PCRS_MAX; count <= CLO_POLICY_PCRS_MAX + 1; count++) {
        size_t n = (size_t)sprintf(s, "{'v':1,'name':'n','tee':[],'tpm':{'pcrs':[");

        for (unsigned i = 0; i < count; i++)
            n += (size_t)sprintf(s + n, "%s{'0':'%064x'}", i == 0 ? "" : ",", i);
        (void)strcpy(s + n, "]}}");
        if (count > CLO_POLICY_PCRS_MAX)
            refused(s, "tpm.pcrs: has too many values");
        else
            cloister_policy_free(parsed(s));
    }
}

/* ---- devices ---- */

static void every_member_of_devices_is_read(void **state)
{
    struct cloister_policy *p = parsed(DEVICES(
        "'min':2,'max':8,'switches':4,'architectures':['blackwell','hopper'],"
        "'modes':['multi','protected-pcie'],'min_driver':'580.95.05',"
        "'min_vbios':{'hopper':'96.00.74.00.00','ls10':'96.10.55.00.01'},'reference_values':["
        "{" DRIVER_ID "," VALUES "},{" VBIOS_ID
        ",'project':'G520','project_sku':'0200','chip_sku':'885',"
        "'measurements':[{'index':63,'values':['" B48 "']},{'index':1,'values':['" A48 "','" C48
        "']}]}]"));
    const struct clo_reference *r = NULL;

    (void)state;
    assert_int_equal(p->devices.min, 2);
    assert_int_equal(p->devices.max, 8);
    assert_int_equal(p->devices.switches, 4);
    assert_true(p->devices.arch[CLO_GPU_HOPPER] && p->devices.arch[CLO_GPU_BLACKWELL] &&
                p->devices.arch[CLO_GPU_LS10]);
    assert_int_equal(p->devices.modes, 1 << CLO_GPU_MULTI | 1 << CLO_GPU_PROTECTED_PCIE);
    assert_string_equal(p->devices.min_driver, "580.95.05");
    assert_string_equal(p->devices.min_vbios[CLO_GPU_HOPPER], "96.00.74.00.00");
    assert_string_equal(p->devices.min_vbios[CLO_GPU_BLACKWELL], "");
    assert_string_equal(p->devices.min_vbios[CLO_GPU_LS10], "96.10.55.00.01");
    assert_int_equal(p->devices.references, 2);
    r = &p->devices.reference[0];
    assert_int_equal(r->kind, CLO_REFERENCE_DRIVER);
    assert_int_equal(r->arch, CLO_GPU_HOPPER);
    assert_string_equal(r->id, "NV_GPU_DRIVER_GH100_550.90.07");
    assert_string_equal(r->version, "550.90.07");
    assert_string_equal(r->project, "");
    assert_int_equal(r->rim_sha256[0], 0xaa);
    assert_true(r->active == 1);
    assert_int_equal(r->index[0].count, 1);
    r = &p->devices.reference[1];
    assert_int_equal(r->kind, CLO_REFERENCE_VBIOS);
    assert_string_equal(r->project, "G520");
    assert_string_equal(r->project_sku, "0200");
    assert_string_equal(r->chip_sku, "885");
    assert_true(r->active == ((uint64_t)1 << 63 | 2));
    assert_int_equal(r->index[1].count, 2);
    assert_int_equal(r->index[1].value[1][0], 0xcc);
    assert_int_equal(r->index[63].value[0][47], 0xbb);
    cloister_policy_free(p);
}

static void the_defaults_for_devices_are_strict(void **state)
{
    struct cloister_policy *p = parsed(DEVICES(GPU));

    (void)state;
    assert_int_equal(p->devices.max, 1);
    assert_int_equal(p->devices.switches, 0);
    assert_false(p->devices.arch[CLO_GPU_BLACKWELL] || p->devices.arch[CLO_GPU_LS10] ||
                 p->devices.arch[CLO_GPU_UNKNOWN]);
    assert_int_equal(p->devices.modes, 1 << CLO_GPU_SINGLE);
    assert_int_equal(p->devices.references, 0);
    cloister_policy_free(p);
    p = parsed(DEVICES("'min':0"));
    assert_int_equal(p->devices.max, 0);
    cloister_policy_free(p);
    p = parsed("{'v':1,'name':'n','tee':[]}");
    assert_int_equal(p->devices.min, 1);
    assert_int_equal(p->devices.max, 1);
    assert_int_equal(p->devices.modes, 1 << CLO_GPU_SINGLE);
    cloister_policy_free(p);
    /* The laboratory's GPUs stand beside its simulated machine. */
    p = parsed(POLICY("'simulated'", "'simulated':{},'devices':{" GPU
                                     ",'reference_values':[{" DRIVER_ID "," VALUES "}]}"));
    assert_int_equal(p->devices.min, 1);
    assert_int_equal(p->devices.references, 1);
    cloister_policy_free(p);
}

static void gpus_are_admitted_by_number_architecture_and_driver(void **state)
{
    (void)state;
    refused(DEVICES("'min':1"),
            "devices.architectures: must name one at least if GPUs are admitted");
    refused(DEVICES("'min':0,'max':1,'min_driver':'550.90.07'"),
            "devices.architectures: must name one at least if GPUs are admitted");
    refused(DEVICES("'min':1,'architectures':[],'min_driver':'550.90.07'"),
            "devices.architectures: must name one at least if GPUs are admitted");
    refused(DEVICES("'min':1,'architectures':['hopper']"),
            "devices.min_driver: must be there, like \"550.90.07\"");
    refused(DEVICES("'min':1,'architectures':['ls10'],'min_driver':'550.90.07'"),
            "devices.architectures: has a word that this version doesn't know");
    refused(DEVICES("'min':33,'architectures':['hopper'],'min_driver':'550.90.07'"),
            "devices.min: must be there, a number from 0 to 32");
    refused(DEVICES("'min':8,'max':7,'architectures':['hopper'],'min_driver':'550.90.07'"),
            "devices.max: must be at least \"min\"");
    refused(
        DEVICES(
            "'min':8,'max':30,'switches':3,'architectures':['hopper'],'min_driver':'550.90.07'"),
        "devices.switches: and \"max\" must be 32 together at most");
    refused(DEVICES(GPU ",'switches':-1"), "devices.switches: must be a number from 0 to 32");
    refused(DEVICES(GPU ",'modes':['devtools']"),
            "devices.modes: has a word that this version doesn't know");
    refused(DEVICES(GPU ",'allow_debug':true"), "devices.allow_debug: there is no such member");
    refused(DEVICES("'architectures':['hopper'],'min_driver':'1.2'"),
            "devices.min: must be there, a number from 0 to 32");
}

static void versions_of_devices_are_dotted_numbers(void **state)
{
    static const char *const drivers[] = {"550",        "550.",      ".90.07", "550..07",
                                          "550.90.07x", "1234567.1", "550.9a", "1.2.3.4.5.6.7",
                                          "550.-1",     ""};
    static const char *const vbios[] = {
        "96.00.74.00", "96.00.74.00.1c", "96.00.74.00.1C.00", "96.00.74.00.1",
        "960074001C",  "96.00.74.00.1G", "96.00.74.00.1C.",   ""};
    char s[512];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(drivers); i++) {
        (void)snprintf(s, sizeof s, DEVICES("'min':1,'architectures':['hopper'],'min_driver':'%s'"),
                       drivers[i]);
        refused(s, "devices.min_driver: must be there, like \"550.90.07\"");
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(vbios); i++) {
        (void)snprintf(s, sizeof s, DEVICES(GPU ",'min_vbios':{'blackwell':'%s'}"), vbios[i]);
        refused(s, "devices.min_vbios.blackwell: must be like \"96.00.74.00.1C\"");
    }
    refused(DEVICES(GPU ",'min_vbios':{'ampere':'96.00.74.00.1C'}"),
            "devices.min_vbios.ampere: there is no such member");
}

static void reference_values_are_whole(void **state)
{
    (void)state;
    refused(REFERENCE("'arch':'hopper'"),
            "devices.reference_values[0].kind: must be there, a word");
    refused(REFERENCE("'kind':'firmware'"),
            "devices.reference_values[0].kind: is a word that this version doesn't know");
    refused(REFERENCE("'kind':'driver','arch':'ls10'"),
            "devices.reference_values[0].kind: can't be \"driver\" for a switch");
    refused(REFERENCE("'kind':'driver','arch':'hopper'"),
            "devices.reference_values[0].id: must be there, a short text");
    refused(REFERENCE("'kind':'driver','arch':'hopper','id':'x'"),
            "devices.reference_values[0].version: must be there, like \"550.90.07\"");
    refused(REFERENCE("'kind':'vbios','arch':'hopper','id':'x','version':'550.90.07'"),
            "devices.reference_values[0].version: must be there, like \"96.00.74.00.1C\"");
    refused(
        REFERENCE("'kind':'driver','arch':'hopper','id':'x','version':'550.90.07'"),
        "devices.reference_values[0].rim_sha256: must be there, 64 lower-case hexadecimal digits");
    refused(REFERENCE(DRIVER_ID),
            "devices.reference_values[0].measurements: must be there, an array");
    refused(REFERENCE(DRIVER_ID "," VALUES ",'more':1"),
            "devices.reference_values[0].more: there is no such member");
    refused(REFERENCE(DRIVER_ID "," VALUES ",'project':'1010'"),
            "devices.reference_values[0].project: belongs to a VBIOS: drivers have no board");
    refused(REFERENCE(VBIOS_ID "," VALUES ",'project':'g520'"),
            "devices.reference_values[0].project: must be digits and capital letters");
    refused(REFERENCE(VBIOS_ID "," VALUES ",'chip_sku':''"),
            "devices.reference_values[0].chip_sku: must be digits and capital letters");
    refused(REFERENCE("'kind':'driver','arch':'hopper','id':'a\\u001bb'"),
            "devices.reference_values[0].id: must be printable text on one line");
}

static void measurements_that_anything_would_match_are_refused(void **state)
{
    (void)state;
    refused(REFERENCE(DRIVER_ID ",'measurements':[]"),
            "devices.reference_values[0].measurements: must not be empty: anything would match");
    refused(REFERENCE(DRIVER_ID ",'measurements':[{'index':0,'values':[]}]"),
            "devices.reference_values[0].measurements[0].values: must not be empty");
    refused(REFERENCE(DRIVER_ID ",'measurements':[{'index':0}]"),
            "devices.reference_values[0].measurements[0].values: must be there, an array");
    refused(
        REFERENCE(DRIVER_ID ",'measurements':[{'values':['" A48 "']}]"),
        "devices.reference_values[0].measurements[0].index: must be there, a number from 0 to 63");
    refused(
        REFERENCE(DRIVER_ID ",'measurements':[{'index':64,'values':['" A48 "']}]"),
        "devices.reference_values[0].measurements[0].index: must be there, a number from 0 to 63");
    refused(
        REFERENCE(DRIVER_ID ",'measurements':[{'index':5,'values':['" A48
                            "']},{'index':5,'values':['" B48 "']}]"),
        "devices.reference_values[0].measurements[1].index: has stood in an earlier measurement");
    refused(REFERENCE(DRIVER_ID ",'measurements':[{'index':5,'values':['" A48 "','" A48 "']}]"),
            "devices.reference_values[0].measurements[0].values: has a value twice");
    refused(REFERENCE(DRIVER_ID ",'measurements':[{'index':5,'values':['" A32 "']}]"),
            "devices.reference_values[0].measurements[0].values: has a value that isn't lower-case "
            "hexadecimal of the right length");
}

/* Two signed RIMs of one id may have other values: which one is meant can't be left to their order. */
static void one_version_has_one_set_of_reference_values(void **state)
{
    (void)state;
    refused(DEVICES(GPU ",'reference_values':[{" DRIVER_ID "," VALUES "},{" DRIVER_ID
                        ",'measurements':[{'index':1,'values':['" B48 "']}]}]"),
            "devices.reference_values[1].version: is for the same version and board as "
            "reference_values[0]: keep one");
    refused(DEVICES(GPU ",'reference_values':[{" VBIOS_ID ",'project':'1010'," VALUES
                        "},{" DRIVER_ID "," VALUES "},{" VBIOS_ID ",'project':'1010'," VALUES "}]"),
            "devices.reference_values[2].version: is for the same version and board as "
            "reference_values[0]: keep one");
    cloister_policy_free(
        parsed(DEVICES(GPU ",'reference_values':[{" VBIOS_ID ",'project':'1010'," VALUES
                           "},{" VBIOS_ID ",'project':'1011'," VALUES "}]")));
}

/* As many sets of as many values as the largest RIMs have: one policy holds them. */
static void reference_values_of_many_rims_fit(void **state)
{
    static char s[CLO_POLICY_MAX];
    struct cloister_policy *p = NULL;
    char why[200];

    (void)state;
    for (unsigned sets = CLO_REFERENCES_MAX; sets <= CLO_REFERENCES_MAX + 1; sets++) {
        size_t n = (size_t)sprintf(s, "{\"v\":1,\"name\":\"n\",\"tee\":[],\"devices\":{\"min\":0,"
                                      "\"reference_values\":[");

        for (unsigned i = 0; i < sets; i++) {
            n += (size_t)sprintf(
                s + n,
                "%s{\"kind\":\"driver\",\"arch\":\"hopper\",\"id\":\"x\",\"version\":"
                "\"550.%u\",\"rim_sha256\":\"" A32 "\",\"measurements\":[",
                i == 0 ? "" : ",", i);
            for (unsigned k = 0; k < 31; k++) {
                n += (size_t)sprintf(s + n, "%s{\"index\":%u,\"values\":[", k == 0 ? "" : ",", k);
                for (unsigned v = 0; v < 4; v++)
                    n += (size_t)sprintf(s + n, "%s\"%096x\"", v == 0 ? "" : ",", v);
                n += (size_t)sprintf(s + n, "]}");
            }
            n += (size_t)sprintf(s + n, "]}");
        }
        n += (size_t)sprintf(s + n, "]}}");
        assert_true(n < sizeof s);
        if (sets > CLO_REFERENCES_MAX) {
            assert_int_equal(cloister_policy_check(s, n, why, sizeof why), CLOISTER_E_LIMIT);
            assert_string_equal(why, "devices.reference_values: has too many values");
        } else {
            assert_int_equal(cloister_policy_parse(s, n, &p), 0);
            assert_int_equal(p->devices.references, CLO_REFERENCES_MAX);
            assert_int_equal(p->devices.reference[63].index[30].count, 4);
            cloister_policy_free(p);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_of_hardware_may_stand_together),
        cmocka_unit_test(each_kind_has_its_member_and_no_other),
        cmocka_unit_test(measurements_of_snp_do_not_stand_with_intel_alone),
        cmocka_unit_test(the_defaults_for_tdx_are_strict),
        cmocka_unit_test(every_member_of_tdx_is_read),
        cmocka_unit_test(an_image_of_tdx_is_whole),
        cmocka_unit_test(images_of_tdx_are_bounded),
        cmocka_unit_test(a_level_of_intels_tcb_has_its_floor_and_known_words),
        cmocka_unit_test(all_statuses_are_known),
        cmocka_unit_test(debugging_can_not_be_allowed),
        cmocka_unit_test(extended_features_are_those_that_exist),
        cmocka_unit_test(an_enclave_is_pinned_by_itself_or_by_its_signer),
        cmocka_unit_test(a_signer_needs_its_product_and_version),
        cmocka_unit_test(the_defaults_for_azure_are_strict),
        cmocka_unit_test(every_member_of_tpm_is_read),
        cmocka_unit_test(a_selection_is_of_distinct_pcrs),
        cmocka_unit_test(pinned_pcrs_are_quoted_ones_of_the_bank),
        cmocka_unit_test(alternatives_of_pcrs_are_bounded),
        cmocka_unit_test(every_member_of_devices_is_read),
        cmocka_unit_test(the_defaults_for_devices_are_strict),
        cmocka_unit_test(gpus_are_admitted_by_number_architecture_and_driver),
        cmocka_unit_test(versions_of_devices_are_dotted_numbers),
        cmocka_unit_test(reference_values_are_whole),
        cmocka_unit_test(measurements_that_anything_would_match_are_refused),
        cmocka_unit_test(one_version_has_one_set_of_reference_values),
        cmocka_unit_test(reference_values_of_many_rims_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
