/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy reader (docs/POLICY.md). An unknown member is an error, because it may be a misspelt
 * demand; an absent one has its strict default. What is common to all kinds of evidence is read here, each kind's own member in
 * its policy_*.c.
 *
 * Limits: CLO_POLICY_MAX bytes, those that policy.h has for manifests and replicas, and those of policy_read.c.
 * Fuzzed by fuzz/fuzz_policy.c.
 */
#include "attest/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/policy_read.h"
#include "attest/sections.h"
#include "base/enc.h"
#include "codec/hpke.h"

/* ---- strict defaults ---- */

/*
 * What holds where a policy says nothing. Everything else starts as zero, false or an empty list, which admits nothing or demands
 * zeros. Readers change only what the policy has.
 */
static void strict_defaults(struct cloister_policy *pol)
{
    pol->max_age_s = 3600;
    pol->max_lifetime_s = CLO_EPOCH_MAX_S;
    pol->snp.vcek = true;
    pol->snp.require_platform = CLO_SNP_PLATFORM_ALIAS_CHECK; /* the defence against BadRAM */
    pol->tdx.tcb.statuses = CLO_TCB_UP_TO_DATE;
    pol->tdx.allow_xfam = CLO_TD_XFAM_ALLOWED;
    pol->sgx.tcb.statuses = CLO_TCB_UP_TO_DATE;
    pol->tpm.bank = CLO_POLICY_BANK_SHA256;
    pol->tpm.selection = ((uint32_t)1 << CLO_POLICY_PCRS) - 1;
    /* A GPU that nobody appraised sees everything: to have none must be said. */
    pol->devices.min = 1;
    pol->devices.max = 1;
    pol->devices.modes = 1u << CLO_GPU_SINGLE;
}

/* What the simulator makes: its levels mean nothing, so nothing is asked of them. */
static void simulated_defaults(struct cloister_policy *pol)
{
    pol->snp.product[CLO_SNP_GENOA].admitted = true;
    pol->snp.allow_smt = true;
    pol->snp.host_data.width = 32;
    pol->snp.id_keys.width = 48;
    pol->snp.author_keys.width = 48;
    pol->devices.min = 0;
    pol->devices.max = 0;
}

/* ---- kinds of evidence ---- */

enum tee {
    TEE_SEV_SNP = 1 << 0,
    TEE_SEV_SNP_AZURE = 1 << 1,
    TEE_TDX = 1 << 2,
    TEE_TDX_AZURE = 1 << 3,
    TEE_SGX = 1 << 4,
    TEE_SIMULATED = 1 << 5,
};

static unsigned tee_read(struct clo_place *p, struct cloister_policy *pol)
{
    static const struct clo_word list[] = {
        {"sev-snp", TEE_SEV_SNP}, {"sev-snp-azure", TEE_SEV_SNP_AZURE},
        {"tdx", TEE_TDX},         {"tdx-azure", TEE_TDX_AZURE},
        {"sgx", TEE_SGX},         {"simulated", TEE_SIMULATED},
    };
    unsigned tee = 0;

    if (clo_place_array(p, "tee", true, SIZE_MAX) == NULL)
        return 0;
    tee = (unsigned)clo_place_bits(p, "tee", list, CLO_ARRAY_LEN(list), 0);
    pol->sev_snp = (tee & TEE_SEV_SNP) != 0;
    pol->sev_snp_azure = (tee & TEE_SEV_SNP_AZURE) != 0;
    pol->tdx_plain = (tee & TEE_TDX) != 0;
    pol->tdx_azure = (tee & TEE_TDX_AZURE) != 0;
    pol->sgx_quote = (tee & TEE_SGX) != 0;
    pol->simulated = (tee & TEE_SIMULATED) != 0;
    if (pol->simulated && tee != TEE_SIMULATED)
        clo_place_fault(p, "tee",
                        "\"simulated\" protects nothing and can't stand beside another type",
                        CLOISTER_E_MALFORMED);
    return tee;
}

/* The member that says what is asked of these kinds: there exactly if one of them is named. NULL: there is nothing to read. */
static const json_t *kind_member(struct clo_place *p, const char *name, bool named,
                                 const char *kinds)
{
    const json_t *v = clo_place_object(p, name, false);
    char what[96];

    if (p->o.err != 0 || named == (v != NULL))
        return v;
    (void)snprintf(what, sizeof what, "must be there if \"tee\" names %s, and only then", kinds);
    clo_place_fault(p, name, what, CLOISTER_E_MALFORMED);
    return NULL;
}

static void simulated_read(struct clo_place *parent, const json_t *v, struct cloister_policy *pol)
{
    struct clo_place p = clo_place_enter(v, "simulated.", parent);

    simulated_defaults(pol);
    clo_place_hex_list(&p, "roots", 32, &pol->roots);
    (void)clo_place_leave(&p, parent);
}

static void kinds_read(struct clo_place *p, struct cloister_policy *pol)
{
    const unsigned tee = tee_read(p, pol);
    const unsigned azure = TEE_SEV_SNP_AZURE | TEE_TDX_AZURE;
    const unsigned snp = TEE_SEV_SNP | TEE_SEV_SNP_AZURE;
    const json_t *v;

    clo_place_hex_list(p, "measurements", 48, &pol->measurements);
    if (pol->measurements.given && tee != 0 && (tee & (snp | TEE_SIMULATED)) == 0)
        clo_place_fault(p, "measurements",
                        "is for SEV-SNP: images of TDX stand in \"tdx\", SGX has its enclaves",
                        CLOISTER_E_MALFORMED);
    if ((v = kind_member(p, "sev_snp", (tee & snp) != 0, "\"sev-snp\" or \"sev-snp-azure\"")) !=
        NULL)
        clo_policy_read_snp(p, v, &pol->snp);
    /*
     * `measurements` has the paravisor's then, and above that the guest's own software may ask for reports of its level: a plain
     * one of them would be admitted, whatever was started, because PCRs are asked of Azure's evidence only.
     */
    if ((tee & TEE_SEV_SNP_AZURE) != 0 && pol->snp.vmpl != 0)
        clo_place_fault(p, "sev_snp",
                        "can't want a \"vmpl\" but 0 if \"tee\" names \"sev-snp-azure\"",
                        CLOISTER_E_MALFORMED);
    if ((v = kind_member(p, "tdx", (tee & (TEE_TDX | TEE_TDX_AZURE)) != 0,
                         "\"tdx\" or \"tdx-azure\"")) != NULL)
        clo_policy_read_tdx(p, v, &pol->tdx);
    if ((v = kind_member(p, "sgx", (tee & TEE_SGX) != 0, "\"sgx\"")) != NULL)
        clo_policy_read_sgx(p, v, &pol->sgx);
    if ((v = kind_member(p, "azure", (tee & azure) != 0, "a kind on Azure")) != NULL)
        clo_policy_read_azure(p, v, &pol->azure);
    if ((v = kind_member(p, "simulated", (tee & TEE_SIMULATED) != 0, "\"simulated\"")) != NULL)
        simulated_read(p, v, pol);
    /* TPM quotes may also be judged by themselves, and GPUs stand beside every kind. */
    if ((v = clo_place_object(p, "tpm", false)) != NULL)
        clo_policy_read_tpm(p, v, &pol->tpm);
    else if ((tee & azure) != 0)
        clo_place_fault(p, "tpm", "must be there if \"tee\" names a kind on Azure",
                        CLOISTER_E_MALFORMED);
    if ((v = clo_place_object(p, "devices", false)) != NULL)
        clo_policy_read_devices(p, v, &pol->devices);
}

static void revocation_read(struct clo_place *p, struct cloister_policy *pol)
{
    static const struct clo_word list[] = {{"required", 0}, {"if-present", 1}};

    pol->revocation_if_present = clo_place_word(p, "revocation", false, list, CLO_ARRAY_LEN(list),
                                                0) == 1;
}

/* ---- what runs there ---- */

static void suites_read(struct clo_place *p, struct cloister_policy *pol)
{
    static const struct clo_word kem[] = {{"x-wing", CLO_KEM_XWING}, {"x25519", CLO_KEM_X25519}};
    static const struct clo_word aead[] = {{"aes-256-gcm", CLO_AES_256_GCM},
                                           {"chacha20-poly1305", CLO_CHACHA20_POLY1305},
                                           {"aes-128-gcm", CLO_AES_128_GCM}};
    uint64_t kems[CLO_WORDS_MAX] = {CLO_KEM_XWING};
    uint64_t aeads[CLO_WORDS_MAX] = {CLO_AES_256_GCM, CLO_CHACHA20_POLY1305};
    size_t kems_n = 1, aeads_n = 2;
    bool xwing = false;

    (void)clo_place_words(p, "kems", kem, CLO_ARRAY_LEN(kem), kems, &kems_n);
    (void)clo_place_words(p, "aeads", aead, CLO_ARRAY_LEN(aead), aeads, &aeads_n);
    for (size_t i = 0; i < kems_n; i++) {
        xwing = xwing || kems[i] == CLO_KEM_XWING;
        pol->x25519 = pol->x25519 || kems[i] == CLO_KEM_X25519;
    }
    if (!xwing)
        clo_place_fault(p, "kems", "must have \"x-wing\"", CLOISTER_E_MALFORMED);
    if (aeads_n == 0)
        clo_place_fault(p, "aeads", "must not be empty", CLOISTER_E_MALFORMED);
    for (size_t i = 0; i < aeads_n; i++)
        pol->aead[pol->aeads++] = (uint16_t)aeads[i];
}

/* Without the word nothing less than all of it will do: a policy that says nothing hides the most. */
static enum clo_shaping shape_read(struct clo_place *p)
{
    static const struct clo_word words[] = {
        {"off", CLO_SHAPING_OFF}, {"size", CLO_SHAPING_SIZE}, {"full", CLO_SHAPING_FULL}};

    return (enum clo_shaping)clo_place_word(p, "shape", false, words, CLO_ARRAY_LEN(words),
                                            CLO_SHAPING_FULL);
}

/* One pinned manifest: its exact bytes in base64url, of which only the digest is kept. */
static void manifest_read(struct clo_place *p, const json_t *v, uint8_t *bytes,
                          struct clo_policy_list *l)
{
    struct clo_manifest m = {0};
    uint8_t *digest = l->item + l->count * l->width;
    const size_t len = json_string_length(v); /* 0 when it isn't a string */
    size_t n = 0;
    int err = len > CLO_B64_LEN(CLO_POLICY_MANIFEST_MAX) ? CLOISTER_E_LIMIT : CLOISTER_E_MALFORMED;

    if (err == CLOISTER_E_LIMIT)
        clo_place_fault(p, "manifests", "has a value that is too long", err);
    else if (len == 0 ||
             clo_unb64(json_string_value(v), len, bytes, CLO_POLICY_MANIFEST_MAX, &n) != 0)
        clo_place_fault(p, "manifests", "has a value that isn't base64url without padding", err);
    else if ((err = clo_manifest_parse(bytes, n, &m)) != 0)
        clo_place_fault(p, "manifests",
                        "has a value that isn't a manifest which this version can judge", err);
    else if ((err = clo_sha256(bytes, n, digest)) != 0)
        clo_place_fault(p, "manifests", "can't be hashed", err);
    else if (clo_policy_list_has(l, digest))
        clo_place_fault(p, "manifests", "has a value twice", CLOISTER_E_DUPLICATE);
    else
        l->count++;
}

static void manifests_read(struct clo_place *p, struct clo_policy_list *l)
{
    const json_t *a = clo_place_array(p, "manifests", false, CLO_POLICY_MANIFESTS_MAX);
    uint8_t *bytes = NULL;

    l->width = 32;
    if (a == NULL)
        return;
    l->given = true;
    if (json_array_size(a) == 0)
        return;
    if ((bytes = malloc(CLO_POLICY_MANIFEST_MAX)) == NULL ||
        (l->item = malloc(json_array_size(a) * l->width)) == NULL) {
        clo_place_fault(p, "manifests", "not enough memory", CLOISTER_E_MEMORY);
        goto out;
    }
    for (size_t i = 0; i < json_array_size(a) && p->o.err == 0; i++)
        manifest_read(p, json_array_get(a, i), bytes, l);
out:
    free(bytes);
}

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* ":" and a number from 1 to 65535, or nothing: what follows it, or NULL. */
static const char *skip_port(const char *s)
{
    unsigned v = 0;
    size_t n;

    if (*s != ':')
        return s;
    n = strspn(++s, DIGITS);
    if (n < 1 || n > 5 || *s == '0')
        return NULL;
    for (size_t i = 0; i < n; i++)
        v = v * 10 + (unsigned)(s[i] - '0');
    return v <= 65535 ? s + n : NULL;
}

/*
 * RFC 3986 section 3, less than all of it: http or https, a host in lower case, perhaps a port and a path that doesn't end in a
 * slash. Nothing that is written in two ways for one server without need, no user, query, fragment or percent sign.
 */
static bool url_ok(const char *s)
{
    size_t n;

    if (strlen(s) > CLO_POLICY_URL_MAX ||
        (strncmp(s, "https://", 8) != 0 && strncmp(s, "http://", 7) != 0))
        return false;
    s += s[4] == 's' ? 8 : 7;
    if (*s == '[') {
        n = strspn(s + 1, DIGITS "abcdef:.");
        if (n == 0 || s[1 + n] != ']')
            return false;
        s += n + 2;
    } else {
        n = strspn(s, LOWER DIGITS "-.");
        if (n == 0 || *s == '-' || *s == '.' || s[n - 1] == '.')
            return false;
        s += n;
    }
    if ((s = skip_port(s)) == NULL)
        return false;
    n = strlen(s);
    return n == 0 || (*s == '/' && s[n - 1] != '/' &&
                      strspn(s, LOWER UPPER DIGITS "/-._~!$&'()*+,;=:@") == n);
}

static void replicas_read(struct clo_place *p, struct cloister_policy *pol)
{
    const json_t *a = clo_place_array(p, "replicas", false, CLO_POLICY_REPLICAS_MAX);

    for (size_t i = 0; i < json_array_size(a) && p->o.err == 0; i++) {
        const char *s = json_string_value(json_array_get(a, i));
        char *copy = NULL;

        if (s == NULL || !url_ok(s)) {
            clo_place_fault(p, "replicas",
                            "has a value that isn't an address like https://host:port/path",
                            CLOISTER_E_MALFORMED);
            return;
        }
        for (size_t k = 0; k < pol->replicas; k++)
            if (strcmp(pol->replica[k], s) == 0)
                clo_place_fault(p, "replicas", "has a value twice", CLOISTER_E_DUPLICATE);
        if (p->o.err != 0)
            return;
        if ((copy = strdup(s)) == NULL)
            clo_place_fault(p, "replicas", "not enough memory", CLOISTER_E_MEMORY);
        else
            pol->replica[pol->replicas++] = copy;
    }
}

/* ---- the document ---- */

static void document_read(struct clo_place *p, struct cloister_policy *pol)
{
    clo_json_obj_v1(&p->o);
    (void)clo_place_good(p, "v", "must be 1");
    (void)clo_place_text(p, "name", true, pol->name, sizeof pol->name);
    kinds_read(p, pol);
    revocation_read(p, pol);
    clo_place_hex_list(p, "roots", 32, &pol->vendor_roots);
    clo_place_hex_list(p, "models", 32, &pol->models);
    clo_place_texts(p, "engines", &pol->engines);
    clo_place_texts(p, "releases", &pol->releases);
    manifests_read(p, &pol->manifests);
    replicas_read(p, pol);
    pol->allow_unmanaged = clo_place_flag(p, "allow_unmanaged");
    pol->shape = shape_read(p);
    suites_read(p, pol);
    pol->max_age_s = clo_json_obj_opt_int(&p->o, "max_age_s", 1, 3600, pol->max_age_s);
    (void)clo_place_good(p, "max_age_s", "must be a number from 1 to 3600");
    pol->max_lifetime_s = clo_json_obj_opt_int(&p->o, "max_lifetime_s", 1, CLO_EPOCH_MAX_S,
                                               pol->max_lifetime_s);
    (void)clo_place_good(p, "max_lifetime_s", "must be a number from 1 to 86400");
}

/* The parser's reason for a text that isn't strict JSON. */
static const char *parse_reason(int err)
{
    switch (err) {
    case CLOISTER_E_DUPLICATE: return "a member appears twice";
    case CLOISTER_E_LIMIT: return "the policy is too large or too deep";
    case CLOISTER_E_MEMORY: return "not enough memory";
    default: return "this is not strict JSON";
    }
}

static int policy_read(const void *json, size_t n, char *why, size_t cap,
                       struct cloister_policy **ret)
{
    struct clo_place p = {.path = "", .why = why, .cap = cap};
    struct cloister_policy *pol = NULL;
    char where[24] = "policy";
    json_t *doc = NULL;
    int err;

    why[0] = '\0';
    if ((err = clo_json_parse(json, n, CLO_POLICY_MAX, &doc)) != 0) {
        if (err == CLOISTER_E_MALFORMED || err == CLOISTER_E_DUPLICATE)
            (void)snprintf(where, sizeof where, "line %d", clo_json_fault_line(json, n));
        clo_place_tell(&p, where, parse_reason(err));
        return err;
    }
    if ((pol = calloc(1, sizeof *pol)) == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    strict_defaults(pol);
    p = clo_place_enter(doc, "", &p);
    document_read(&p, pol);
    if ((err = clo_place_leave(&p, NULL)) != 0 || (err = clo_sha256(json, n, pol->digest)) != 0)
        goto out;
    *ret = pol;
    pol = NULL;
out:
    cloister_policy_free(pol);
    json_decref(doc);
    return err;
}

int cloister_policy_parse(const void *json, size_t n, struct cloister_policy **ret)
{
    char why[200];

    if (ret == NULL || (json == NULL && n > 0))
        return CLOISTER_E_ARGUMENT;
    return policy_read(json, n, why, sizeof why, ret);
}

int cloister_policy_check(const void *json, size_t n, char *why, size_t cap)
{
    struct cloister_policy *pol = NULL;
    int err;

    if (why == NULL || cap < 200 || (json == NULL && n > 0))
        return CLOISTER_E_ARGUMENT;
    err = policy_read(json, n, why, cap, &pol);
    cloister_policy_free(pol);
    return err;
}

void cloister_policy_free(struct cloister_policy *p)
{
    if (p == NULL)
        return;
    free(p->measurements.item);
    free(p->snp.chip_ids.item);
    free(p->snp.host_data.item);
    free(p->snp.id_keys.item);
    free(p->snp.author_keys.item);
    free(p->tdx.tcb.fmspcs.item);
    free(p->tdx.td);
    free(p->tdx.config_ids.item);
    free(p->tdx.owners.item);
    free(p->tdx.owner_configs.item);
    free(p->tdx.service_tds.item);
    free(p->sgx.tcb.fmspcs.item);
    free(p->sgx.enclaves.item);
    free(p->sgx.signers.item);
    free(p->tpm.pcrs);
    free(p->tpm.keys.item);
    free(p->devices.reference);
    free(p->roots.item);
    free(p->vendor_roots.item);
    free(p->models.item);
    free(p->manifests.item);
    for (size_t i = 0; i < p->replicas; i++)
        free(p->replica[i]);
    free(p);
}

void cloister_policy_digest(const struct cloister_policy *p, uint8_t ret[32])
{
    memcpy(ret, p->digest, sizeof p->digest);
}

const char *cloister_policy_replica(const struct cloister_policy *p, size_t i)
{
    return i < p->replicas ? p->replica[i] : NULL;
}

bool clo_policy_list_has(const struct clo_policy_list *l, const uint8_t *value)
{
    for (size_t i = 0; i < l->count; i++)
        if (memcmp(l->item + i * l->width, value, l->width) == 0)
            return true;
    return false;
}

bool clo_policy_texts_have(const struct clo_policy_texts *l, const char *value)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->text[i], value) == 0)
            return true;
    return false;
}
