/* SPDX-License-Identifier: Apache-2.0 */
/* Policies (docs/POLICY.md): strict reading, strict defaults, and a sentence that says where one is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/enc.h"
#include "policy_try.h"

#define HEX96                                          \
    "111111111111111111111111111111111111111111111111" \
    "111111111111111111111111111111111111111111111111"
#define HEX64     "2222222222222222222222222222222222222222222222222222222222222222"
#define PRODUCT   "'genoa':{'min_tcb':{'bl':10,'tee':1,'snp':27,'ucode':84},'min_firmware':'1.55.43'}"
#define SNP       "'sev_snp':{'products':{" PRODUCT "}}"
#define HEAD      "{'v':1,'name':'n','tee':['sev-snp'],'measurements':['" HEX96 "'],"
#define GOOD      HEAD SNP "}"
#define SIMULATED "{'v':1,'name':'n','tee':['simulated'],'measurements':['" HEX96 "'],"
#define ROOTS     "'simulated':{'roots':['" HEX64 "']}"

/* A manifest, and its members after "v". */
#define MANIFEST_REST                                                                                  \
    "\"release\":\"0.1.0\",\"engine\":{\"name\":\"e\",\"version\":\"1\",\"managed\":false},"           \
    "\"upstream\":\"unix\",\"model\":{\"name\":\"m\"},\"kems\":[\"x-wing\"],\"prefix_cache\":\"off\"," \
    "\"shape\":[],\"limits\":{\"context_tokens\":1,\"slots\":1,\"request_bytes\":1}}"
#define MANIFEST "{\"v\":1," MANIFEST_REST

/* GOOD with members added to sev_snp. */
static const char *snp_with(const char *members)
{
    static char s[4096];

    (void)snprintf(s, sizeof s, HEAD "'sev_snp':{'products':{" PRODUCT "},%s}}", members);
    return s;
}

static const char *with(const char *members)
{
    static char s[4096];

    (void)snprintf(s, sizeof s, HEAD SNP ",%s}", members);
    return s;
}

static void the_defaults_are_strict(void **state)
{
    struct cloister_policy *p = parsed(GOOD);

    (void)state;
    assert_true(p->sev_snp);
    assert_false(p->simulated);
    assert_int_equal(p->measurements.count, 1);
    assert_int_equal(p->devices.min, 1);
    assert_int_equal(p->max_age_s, 3600);
    assert_false(p->allow_unmanaged);
    assert_int_equal(p->shape, CLO_SHAPING_FULL);
    assert_false(p->x25519);
    assert_false(p->revocation_if_present);
    assert_int_equal(p->aeads, 2);
    assert_int_equal(p->aead[0], CLO_AES_256_GCM);
    assert_int_equal(p->aead[1], CLO_CHACHA20_POLY1305);
    assert_int_equal(p->snp.vmpl, 0);
    assert_false(p->snp.allow_smt || p->snp.allow_cxl || p->snp.allow_provisional ||
                 p->snp.allow_masked_chip);
    assert_true(p->snp.vcek);
    assert_false(p->snp.vlek);
    assert_int_equal(p->snp.require_platform, CLO_SNP_PLATFORM_ALIAS_CHECK);
    assert_false(p->snp.host_data.given || p->snp.id_keys.given || p->snp.author_keys.given);
    assert_false(p->snp.product[CLO_SNP_MILAN].admitted || p->snp.product[CLO_SNP_TURIN].admitted);
    assert_true(p->snp.product[CLO_SNP_GENOA].admitted);
    assert_int_equal(p->snp.product[CLO_SNP_GENOA].min_launch_tcb.tee, 1);
    cloister_policy_free(p);
}

static void every_member_is_read(void **state)
{
    struct cloister_policy *p = parsed(
        "{'v':1,'name':'all of it','tee':['sev-snp'],'measurements':['" HEX96 "'],'sev_snp':{"
        "'products':{'milan':{'min_tcb':{'bl':1,'tee':2,'snp':3,'ucode':4},"
        "'min_launch_tcb':{'bl':5,'tee':6,'snp':7,'ucode':8},'min_firmware':'1.2.255'},"
        "'turin':{'min_tcb':{'fmc':9,'bl':1,'tee':2,'snp':3,'ucode':4},'min_firmware':'0.0.0'}},"
        "'vmpl':3,'min_abi':'1.51','allow_smt':true,'allow_cxl':true,'allow_provisional':true,"
        "'allow_masked_chip':true,'require_guest':['single_socket','mem_aes_256_xts'],"
        "'require_platform':[],'signing_keys':['vlek','vcek'],'csp_ids':['CN=x'],"
        "'chip_ids':[],'host_data':['" HEX64 "'],'id_keys':['" HEX96 "'],'author_keys':['" HEX96
        "'],'min_guest_svn':4294967295,'mitigations':[0,63]},"
        "'devices':{'min':2,'architectures':['hopper'],'min_driver':'550.90.07'},'revocation':'if-present','models':['" HEX64
        "'],'releases':['0.1.0'],'allow_unmanaged':true,'shape':'size',"
        "'kems':['x-wing','x25519'],'aeads':['chacha20-poly1305','aes-128-gcm'],'max_age_s':60}");

    (void)state;
    assert_string_equal(p->name, "all of it");
    assert_int_equal(p->snp.product[CLO_SNP_MILAN].min_tcb.ucode, 4);
    assert_int_equal(p->snp.product[CLO_SNP_MILAN].min_launch_tcb.bl, 5);
    assert_int_equal(p->snp.product[CLO_SNP_MILAN].min_firmware.build, 255);
    assert_int_equal(p->snp.product[CLO_SNP_TURIN].min_tcb.fmc, 9);
    assert_int_equal(p->snp.product[CLO_SNP_TURIN].min_launch_tcb.fmc, 9);
    assert_int_equal(p->snp.vmpl, 3);
    assert_int_equal(p->snp.min_abi_major, 1);
    assert_int_equal(p->snp.min_abi_minor, 51);
    assert_true(p->snp.allow_smt && p->snp.allow_cxl && p->snp.allow_provisional &&
                p->snp.allow_masked_chip && p->snp.vlek && p->snp.vcek);
    assert_int_equal(p->snp.require_guest,
                     CLO_SNP_POLICY_SINGLE_SOCKET | CLO_SNP_POLICY_MEM_AES_256_XTS);
    assert_int_equal(p->snp.require_platform, 0);
    assert_true(p->snp.chip_ids.given);
    assert_int_equal(p->snp.min_guest_svn, UINT32_MAX);
    assert_true(p->snp.mitigations == (1 | (uint64_t)1 << 63));
    assert_int_equal(p->devices.min, 2);
    assert_true(p->revocation_if_present);
    assert_int_equal(p->models.count, 1);
    assert_true(clo_policy_texts_have(&p->releases, "0.1.0"));
    assert_true(p->allow_unmanaged && p->x25519);
    assert_int_equal(p->shape, CLO_SHAPING_SIZE);
    assert_int_equal(p->aeads, 2);
    assert_int_equal(p->aead[0], CLO_CHACHA20_POLY1305);
    assert_int_equal(p->max_age_s, 60);
    cloister_policy_free(p);
}

static void the_shape_is_one_of_three_words(void **state)
{
    static const char *const member[] = {"'shape':'off'", "'shape':'size'", "'shape':'full'"};

    (void)state;
    for (unsigned i = 0; i < CLO_ARRAY_LEN(member); i++) {
        struct cloister_policy *p = parsed(with(member[i]));

        assert_int_equal(p->shape, CLO_SHAPING_OFF + i);
        cloister_policy_free(p);
    }
}

static void the_empty_policy_admits_nothing(void **state)
{
    struct cloister_policy *p = parsed("{'v':1,'name':'nothing','tee':[]}");

    (void)state;
    assert_false(p->sev_snp || p->simulated);
    assert_int_equal(p->measurements.count, 0);
    for (unsigned i = 0; i < CLO_SNP_PRODUCTS; i++)
        assert_false(p->snp.product[i].admitted);
    cloister_policy_free(p);
    refused("{}", "v: must be 1");
    refused("", "line 1: this is not strict JSON");
    refused("{'v':1,\n'name':'n'\n'tee':[]}", "line 3: this is not strict JSON");
    refused("[]", "*: must be an object of at most 64 members");
}

static void simulated_stands_alone(void **state)
{
    struct cloister_policy *p = parsed(SIMULATED ROOTS "}");

    (void)state;
    assert_true(p->simulated);
    assert_false(p->sev_snp);
    assert_int_equal(p->roots.count, 1);
    assert_int_equal(p->devices.min, 0);
    cloister_policy_free(p);
    refused("{'v':1,'name':'n','tee':['simulated','sev-snp']," SNP "," ROOTS "}",
            "tee: \"simulated\" protects nothing and can't stand beside another type");
    refused(
        SIMULATED SNP "}",
        "sev_snp: must be there if \"tee\" names \"sev-snp\" or \"sev-snp-azure\", and only then");
    refused(SIMULATED "'models':[]}",
            "simulated: must be there if \"tee\" names \"simulated\", and only then");
    refused(with(ROOTS), "simulated: must be there if \"tee\" names \"simulated\", and only then");
    refused(
        HEAD "'models':[]}",
        "sev_snp: must be there if \"tee\" names \"sev-snp\" or \"sev-snp-azure\", and only then");
}

static void what_is_not_known_is_refused_by_name(void **state)
{
    (void)state;
    refused(with("'allow_debug':false"), "allow_debug: there is no such member");
    refused(snp_with("'allow_debug':false"), "sev_snp.allow_debug: there is no such member");
    refused(snp_with("'allow_migration':false"),
            "sev_snp.allow_migration: there is no such member");
    refused(with("'\x01z':1"), "line 1: this is not strict JSON");
    refused(with("'\xc3\xa4':1"), "??: there is no such member");
    refused("{'v':1,'name':'n','tee':['sev-es']}",
            "tee: has a word that this version doesn't know");
    refused(snp_with("'require_platform':['tpm']"),
            "sev_snp.require_platform: has a word that this version doesn't know");
    refused(HEAD "'sev_snp':{'products':{'venice':{}}}}",
            "sev_snp.products.venice: there is no such member");
    refused("{'v':2,'name':'n','tee':[]}", "v: must be 1");
}

static void what_is_there_twice_is_refused(void **state)
{
    (void)state;
    refused(with("'name':'m'"), "line 1: a member appears twice");
    refused("{'v':1,'name':'n','tee':['sev-snp','sev-snp']}", "tee: has a word twice");
    refused("{'v':1,'name':'n','tee':[],'measurements':['" HEX96 "','" HEX96 "']}",
            "measurements: has a value twice");
    refused(with("'aeads':['aes-256-gcm','aes-256-gcm']"), "aeads: has a word twice");
    refused(with("'releases':['1','2','1']"), "releases: has a value twice");
}

static void values_of_another_kind_are_refused(void **state)
{
    (void)state;
    refused("{'v':1,'name':'n','tee':'sev-snp'}", "tee: must be there, an array");
    refused("{'v':1,'name':'n'}", "tee: must be there, an array");
    refused("{'v':1,'tee':[]}", "name: must be there, a short text");
    refused("{'v':1,'name':'a\\nb','tee':[]}", "name: must be printable text on one line");
    refused("{'v':1,'name':'a\\u202eb','tee':[]}", "name: must be printable text on one line");
    refused("{'v':1,'name':'n','tee':[],'measurements':'" HEX96 "'}",
            "measurements: must be an array");
    refused("{'v':1,'name':'n','tee':[],'measurements':null}", "measurements: must be an array");
    refused("{'v':1,'name':'n','tee':[],'measurements':['" HEX64 "']}",
            "measurements: has a value that isn't lower-case hexadecimal of the right length");
    refused("{'v':1,'name':'n','tee':[],'models':['2A"
            "22222222222222222222222222222222222222222222222222222222222222']}",
            "models: has a value that isn't lower-case hexadecimal of the right length");
    refused(snp_with("'allow_smt':1"), "sev_snp.allow_smt: must be true or false");
    refused(snp_with("'vmpl':4"), "sev_snp.vmpl: must be a number from 0 to 3");
    refused(snp_with("'min_abi':'1'"), "sev_snp.min_abi: must be like \"1.51\"");
    refused(snp_with("'min_guest_svn':-1"), "sev_snp.min_guest_svn: must be a number");
    refused(snp_with("'mitigations':[64]"),
            "sev_snp.mitigations: has a value that isn't a bit's number from 0 to 63");
    refused(with("'max_age_s':3601"), "max_age_s: must be a number from 1 to 3600");
    refused(with("'max_age_s':0"), "max_age_s: must be a number from 1 to 3600");
    refused(with("'devices':{}"), "devices.min: must be there, a number from 0 to 32");
    refused(with("'devices':0"), "devices: must be an object");
    refused(with("'revocation':true"), "revocation: must be a word");
    refused(with("'revocation':'never'"), "revocation: is a word that this version doesn't know");
    refused(with("'shape':true"), "shape: must be a word");
    refused(with("'shape':'none'"), "shape: is a word that this version doesn't know");
    refused(with("'shape':'FULL'"), "shape: is a word that this version doesn't know");
    refused(with("'releases':['']"), "releases: has a value that isn't a short text");
    refused(with("'engines':['']"), "engines: has a value that isn't a short text");
    refused(with("'roots':['00']"),
            "roots: has a value that isn't lower-case hexadecimal of the right length");
    refused(with("'max_lifetime_s':0"), "max_lifetime_s: must be a number from 1 to 86400");
    refused(with("'max_lifetime_s':86401"), "max_lifetime_s: must be a number from 1 to 86400");
}

static void a_product_needs_its_floors(void **state)
{
    (void)state;
    refused(HEAD "'sev_snp':{}}", "sev_snp.products: must be there, an object");
    refused(HEAD "'sev_snp':{'products':{'milan':{'min_firmware':'1.2.3'}}}}",
            "sev_snp.products.milan.min_tcb: must be there, an object");
    refused(HEAD "'sev_snp':{'products':{'milan':{'min_tcb':{'bl':1,'tee':0,'snp':3},"
                 "'min_firmware':'1.2.3'}}}}",
            "sev_snp.products.milan.min_tcb.ucode: must be there, a number from 0 to 255");
    refused(HEAD "'sev_snp':{'products':{'milan':{'min_tcb':{'bl':1,'tee':0,'snp':3,'ucode':256},"
                 "'min_firmware':'1.2.3'}}}}",
            "sev_snp.products.milan.min_tcb.ucode: must be there, a number from 0 to 255");
    refused(HEAD "'sev_snp':{'products':{'milan':{'min_tcb':{'bl':1,'tee':0,'snp':3,'ucode':4}}}}}",
            "sev_snp.products.milan.min_firmware: must be there, like \"1.55.29\"");
    /* Turin's first component has to be said, and nobody else has it. */
    refused(HEAD "'sev_snp':{'products':{'turin':{'min_tcb':{'bl':1,'tee':0,'snp':3,'ucode':4},"
                 "'min_firmware':'1.2.3'}}}}",
            "sev_snp.products.turin.min_tcb.fmc: must be there, a number from 0 to 255");
    refused(HEAD "'sev_snp':{'products':{'milan':{'min_tcb':"
                 "{'fmc':0,'bl':1,'tee':0,'snp':3,'ucode':4},'min_firmware':'1.2.3'}}}}",
            "sev_snp.products.milan.min_tcb.fmc: there is no such member");
}

static void versions_are_dotted_numbers(void **state)
{
    static const char *const wrong[] = {"1.55",     "1.55.256", "1.55.29.", "01.55.29",
                                        "1.5 5.29", "1..29",    "-1.2.3",   "",
                                        "1.55.29x", "a.b.c",    "1.2.3.4",  "1.2.+3"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++) {
        char s[1024];

        (void)snprintf(s, sizeof s,
                       HEAD "'sev_snp':{'products':{'milan':{'min_tcb':{'bl':1,'tee':0,'snp':3,"
                            "'ucode':4},'min_firmware':'%s'}}}}",
                       wrong[i]);
        refused(s, "sev_snp.products.milan.min_firmware: must be like \"1.55.29\"");
    }
}

static void a_vlek_needs_its_providers(void **state)
{
    (void)state;
    refused(snp_with("'signing_keys':['vlek']"),
            "sev_snp.csp_ids: must name the providers when \"vlek\" is admitted");
    refused(snp_with("'signing_keys':['vlek'],'csp_ids':[]"),
            "sev_snp.csp_ids: must name the providers when \"vlek\" is admitted");
}

static void suites_are_never_empty(void **state)
{
    (void)state;
    refused(with("'kems':[]"), "kems: must have \"x-wing\"");
    refused(with("'kems':['x25519']"), "kems: must have \"x-wing\"");
    refused(with("'aeads':[]"), "aeads: must not be empty");
}

static void a_policy_is_named_by_its_bytes(void **state)
{
    struct cloister_policy *p = parsed(GOOD);
    uint8_t want[32], got[32];

    (void)state;
    assert_int_equal(clo_sha256(text, strlen(text), want), 0);
    cloister_policy_digest(p, got);
    assert_memory_equal(got, want, 32);
    cloister_policy_free(p);
}

static void a_policy_is_bounded(void **state)
{
    const size_t n = (1u << 20) + 1;
    struct cloister_policy *p = NULL;
    char *s = malloc(n);

    (void)state;
    assert_non_null(s);
    memset(s, ' ', n);
    (void)quoted(GOOD);
    memcpy(s, text, strlen(text));
    assert_int_equal(cloister_policy_parse(s, n, &p), CLOISTER_E_LIMIT);
    assert_int_equal(cloister_policy_parse(s, n - 1, &p), 0);
    cloister_policy_free(p);
    free(s);
    assert_int_equal(cloister_policy_check("", 0, text, 199), CLOISTER_E_ARGUMENT);
}

static void lists_are_bounded(void **state)
{
    char *s = malloc(200000), why[200];
    size_t n = 0;

    (void)state;
    assert_non_null(s);
    n += (size_t)sprintf(s + n, "{\"v\":1,\"name\":\"n\",\"tee\":[],\"models\":[");
    for (unsigned i = 0; i <= CLO_POLICY_LIST_MAX; i++)
        n += (size_t)sprintf(s + n, "%s\"%064x\"", i == 0 ? "" : ",", i);
    n += (size_t)sprintf(s + n, "]}");
    assert_int_equal(cloister_policy_check(s, n, text, sizeof text), CLOISTER_E_LIMIT);
    assert_string_equal(text, "models: has too many values");
    free(s);
    n = (size_t)sprintf(text, "{\"v\":1,\"name\":\"n\",\"tee\":[],\"releases\":[");
    for (unsigned i = 0; i <= CLO_POLICY_TEXTS_MAX; i++)
        n += (size_t)sprintf(text + n, "%s\"%u\"", i == 0 ? "" : ",", i);
    (void)strcpy(text + n, "]}");
    assert_int_equal(cloister_policy_check(text, strlen(text), why, sizeof why), CLOISTER_E_LIMIT);
    assert_string_equal(why, "releases: has too many values");
}

/* 'manifests':['...'] of this text, after so many spaces: the same manifest in other bytes. */
static const char *manifests_with(size_t spaces, const char *manifest)
{
    static char s[CLO_B64_LEN(CLO_POLICY_MANIFEST_MAX) + 200];
    char bytes[CLO_POLICY_MANIFEST_MAX + 64];
    size_t n = (size_t)snprintf(s, sizeof s, "'manifests':['");

    assert_true(spaces + strlen(manifest) <= sizeof bytes);
    memset(bytes, ' ', spaces);
    memcpy(bytes + spaces, manifest, strlen(manifest));
    clo_b64(bytes, spaces + strlen(manifest), s + n);
    strcat(s, "']");
    return s;
}

static void a_pinned_manifest_is_kept_as_the_digest_of_its_bytes(void **state)
{
    struct cloister_policy *p = parsed(with(manifests_with(0, MANIFEST)));
    uint8_t digest[32];

    (void)state;
    assert_true(p->manifests.given);
    assert_int_equal(p->manifests.count, 1);
    assert_int_equal(clo_sha256(MANIFEST, strlen(MANIFEST), digest), 0);
    assert_true(clo_policy_list_has(&p->manifests, digest));
    assert_int_equal(clo_sha256(" " MANIFEST, strlen(MANIFEST) + 1, digest), 0);
    assert_false(clo_policy_list_has(&p->manifests, digest));
    cloister_policy_free(p);
    p = parsed(with("'manifests':[]"));
    assert_true(p->manifests.given);
    assert_int_equal(p->manifests.count, 0);
    cloister_policy_free(p);
    p = parsed(GOOD);
    assert_false(p->manifests.given);
    cloister_policy_free(p);
}

static void what_is_no_manifest_can_not_be_pinned(void **state)
{
    static const char *const no_b64[] = {"''", "'e30='", "'e3 0'", "'e31'", "0", "{}", "null"};
    static const char *const no_manifest[] = {"{}",         "[]",
                                              "x",          "{\"v\":2," MANIFEST_REST,
                                              MANIFEST "x", "{\"v\":1,\"more\":0," MANIFEST_REST};
    char member[64];

    (void)state;
    refused(with("'manifests':null"), "manifests: must be an array");
    refused(with("'manifests':'e30'"), "manifests: must be an array");
    refused(with("'manifests':[],'manifests':[]"), "line 1: a member appears twice");
    for (size_t i = 0; i < CLO_ARRAY_LEN(no_b64); i++) {
        (void)snprintf(member, sizeof member, "'manifests':[%s]", no_b64[i]);
        refused(with(member), "manifests: has a value that isn't base64url without padding");
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(no_manifest); i++)
        refused(with(manifests_with(0, no_manifest[i])),
                "manifests: has a value that isn't a manifest which this version can judge");
}

static void a_pinned_manifest_is_bounded(void **state)
{
    static char s[CLO_B64_LEN(CLO_POLICY_MANIFEST_MAX) + 2000];
    char why[200];

    (void)state;
    for (size_t extra = 0; extra <= 1; extra++) {
        (void)snprintf(
            s, sizeof s, HEAD SNP ",%s}",
            manifests_with(CLO_POLICY_MANIFEST_MAX + extra - strlen(MANIFEST), MANIFEST));
        for (char *c = s; *c != '\0'; c++)
            if (*c == '\'')
                *c = '"';
        assert_int_equal(cloister_policy_check(s, strlen(s), why, sizeof why),
                         extra == 0 ? 0 : CLOISTER_E_LIMIT);
        assert_string_equal(why, extra == 0 ? "" : "manifests: has a value that is too long");
    }
}

/* count times the same manifest in other bytes; the last one twice, if so asked. */
static const char *many_manifests(size_t count, bool twice)
{
    static char s[100000];
    char bytes[1000];
    size_t n = 0;

    n += (size_t)sprintf(s + n, "{\"v\":1,\"name\":\"n\",\"tee\":[],\"manifests\":[");
    for (size_t i = 0; i < count; i++) {
        const size_t spaces = twice && i == count - 1 ? i - 1 : i;

        memset(bytes, ' ', spaces);
        memcpy(bytes + spaces, MANIFEST, strlen(MANIFEST));
        n += (size_t)sprintf(s + n, i == 0 ? "\"" : ",\"");
        clo_b64(bytes, spaces + strlen(MANIFEST), s + n);
        n += strlen(s + n);
        s[n++] = '"';
    }
    (void)strcpy(s + n, "]}");
    return s;
}

static void pinned_manifests_are_few_and_distinct(void **state)
{
    const char *s = many_manifests(CLO_POLICY_MANIFESTS_MAX, false);
    char why[200];

    (void)state;
    assert_int_equal(cloister_policy_check(s, strlen(s), why, sizeof why), 0);
    s = many_manifests(CLO_POLICY_MANIFESTS_MAX + 1, false);
    assert_int_equal(cloister_policy_check(s, strlen(s), why, sizeof why), CLOISTER_E_LIMIT);
    assert_string_equal(why, "manifests: has too many values");
    s = many_manifests(2, true);
    assert_int_equal(cloister_policy_check(s, strlen(s), why, sizeof why), CLOISTER_E_DUPLICATE);
    assert_string_equal(why, "manifests: has a value twice");
}

static void replicas_are_kept_in_order(void **state)
{
    struct cloister_policy *p = parsed(with(
        "'replicas':['https://a.example','http://127.0.0.1:65535/x/y','http://[::1]:1/~a;b=c'],"
        "'max_age_s':60"));

    (void)state;
    assert_string_equal(cloister_policy_replica(p, 0), "https://a.example");
    assert_string_equal(cloister_policy_replica(p, 1), "http://127.0.0.1:65535/x/y");
    assert_string_equal(cloister_policy_replica(p, 2), "http://[::1]:1/~a;b=c");
    assert_null(cloister_policy_replica(p, 3));
    cloister_policy_free(p);
    p = parsed(with("'replicas':[]"));
    assert_null(cloister_policy_replica(p, 0));
    cloister_policy_free(p);
    p = parsed(GOOD);
    assert_null(cloister_policy_replica(p, 0));
    cloister_policy_free(p);
}

static void a_replica_is_written_in_one_way_only(void **state)
{
    static const char *const wrong[] = {
        "",
        "a.example",
        "https://",
        "https:///x",
        "ftp://a.example",
        "HTTPS://a.example",
        "https://A.example",
        "https://a.example.",
        "https://.a",
        "https://-a",
        "https://a_b",
        "https://\xc3\xa4.example",
        "https://a.example/",
        "https://a.example/x/",
        "https://a.example:",
        "https://a.example:0",
        "https://a.example:080",
        "https://a.example:65536",
        "https://a.example:80x",
        "https://a.example:123456",
        "https://user@a.example",
        "https://user:pass@a.example",
        "https://a.example?q",
        "https://a.example/x?q",
        "https://a.example/#f",
        "https://a.example/a b",
        "https://a.example/%41",
        "https://a.example/\\\\x",
        "https://[::1",
        "https://[]",
        "https://[::1]x",
        "https://[fe80::1%25eth0]",
        " https://a.example",
        "https://a.example\\n",
    };
    char member[256];

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++) {
        (void)snprintf(member, sizeof member, "'replicas':['%s']", wrong[i]);
        refused(with(member),
                "replicas: has a value that isn't an address like https://host:port/path");
    }
    refused(with("'replicas':[1]"),
            "replicas: has a value that isn't an address like https://host:port/path");
    refused(with("'replicas':'https://a.example'"), "replicas: must be an array");
    refused(with("'replicas':null"), "replicas: must be an array");
    refused(with("'replicas':['https://a.example','https://b.example','https://a.example']"),
            "replicas: has a value twice");
    refused(with("'replicas':[],'replicas':[]"), "line 1: a member appears twice");
}

static void replicas_are_bounded(void **state)
{
    char member[2048];
    size_t n;

    (void)state;
    for (size_t count = CLO_POLICY_REPLICAS_MAX; count <= CLO_POLICY_REPLICAS_MAX + 1; count++) {
        n = (size_t)sprintf(member, "'replicas':[");
        for (size_t i = 0; i < count; i++)
            n += (size_t)sprintf(member + n, "%s'http://h:%zu'", i == 0 ? "" : ",", i + 1);
        (void)strcpy(member + n, "]");
        if (count > CLO_POLICY_REPLICAS_MAX)
            refused(with(member), "replicas: has too many values");
        else
            cloister_policy_free(parsed(with(member)));
    }
    for (size_t len = CLO_POLICY_URL_MAX; len <= CLO_POLICY_URL_MAX + 1; len++) {
        n = (size_t)sprintf(member, "'replicas':['http://h/");
        memset(member + n, 'x', len - strlen("http://h/"));
        (void)strcpy(member + n + len - strlen("http://h/"), "']");
        if (len > CLO_POLICY_URL_MAX)
            refused(with(member),
                    "replicas: has a value that isn't an address like https://host:port/path");
        else
            cloister_policy_free(parsed(with(member)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_strict),
        cmocka_unit_test(every_member_is_read),
        cmocka_unit_test(the_shape_is_one_of_three_words),
        cmocka_unit_test(the_empty_policy_admits_nothing),
        cmocka_unit_test(simulated_stands_alone),
        cmocka_unit_test(what_is_not_known_is_refused_by_name),
        cmocka_unit_test(what_is_there_twice_is_refused),
        cmocka_unit_test(values_of_another_kind_are_refused),
        cmocka_unit_test(a_product_needs_its_floors),
        cmocka_unit_test(versions_are_dotted_numbers),
        cmocka_unit_test(a_vlek_needs_its_providers),
        cmocka_unit_test(suites_are_never_empty),
        cmocka_unit_test(a_policy_is_named_by_its_bytes),
        cmocka_unit_test(a_policy_is_bounded),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(a_pinned_manifest_is_kept_as_the_digest_of_its_bytes),
        cmocka_unit_test(what_is_no_manifest_can_not_be_pinned),
        cmocka_unit_test(a_pinned_manifest_is_bounded),
        cmocka_unit_test(pinned_manifests_are_few_and_distinct),
        cmocka_unit_test(replicas_are_kept_in_order),
        cmocka_unit_test(a_replica_is_written_in_one_way_only),
        cmocka_unit_test(replicas_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
