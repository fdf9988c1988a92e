/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy reader (docs/POLICY.md). An unknown member is an error, because it may be a misspelt
 * demand; an absent one has its strict default.
 *
 * Limits: CLO_POLICY_MAX bytes, lists of CLO_POLICY_LIST_MAX values or CLO_POLICY_TEXTS_MAX texts, and those that policy.h
 * has for manifests and replicas. Fuzzed by fuzz/fuzz_policy.c.
 */
#include "attest/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/sections.h"
#include "base/enc.h"
#include "codec/hpke.h"
#include "codec/json.h"

/* The object being read, its place in the document, and where the first fault is told. */
struct place {
    struct clo_json_obj o;
    const char *path; /* "sev_snp.products.milan." */
    char *why;
    size_t cap;
};

/* The sentence reaches a terminal, and a member's name comes from the file. */
static void tell(struct place *p, const char *name, const char *what)
{
    if (p->why[0] != '\0')
        return;
    (void)snprintf(p->why, p->cap, "%s%s: %s", p->path, name, what);
    for (char *c = p->why; *c != '\0'; c++)
        if (*c < 0x20 || *c > 0x7e)
            *c = '?';
}

static void fault(struct place *p, const char *name, const char *what, int err)
{
    tell(p, name, what);
    if (p->o.err == 0)
        p->o.err = err;
}

/* After a getter: if it was the one that failed, say which member and what was wanted. */
static bool good(struct place *p, const char *name, const char *wanted)
{
    if (p->o.err != 0)
        tell(p, name, wanted);
    return p->o.err == 0;
}

static struct place enter(const json_t *v, const char *path, struct place *parent)
{
    struct place p = {clo_json_obj_init(v), path, parent->why, parent->cap};

    if (p.o.err != 0)
        tell(&p, "*", "must be an object of at most 64 members");
    return p;
}

/* Every member was asked for, or its name is told. */
static int leave(struct place *p)
{
    const char *key = NULL;
    json_t *v = NULL;
    unsigned i = 0;

    if (p->o.err != 0 || clo_json_obj_end(&p->o) == 0)
        return p->o.err;
    json_object_foreach((json_t *)(uintptr_t)p->o.v, key, v) {
        if (i < 64 && (p->o.seen >> i & 1) == 0)
            tell(p, key, "there is no such member");
        i++;
    }
    return p->o.err;
}

/* ---- members ---- */

static bool flag(struct place *p, const char *name)
{
    bool v = clo_json_obj_opt_bool(&p->o, name, false);

    return good(p, name, "must be true or false") && v;
}

static uint8_t level(struct place *p, const char *name)
{
    int64_t v = clo_json_obj_int(&p->o, name, 0, 255);

    (void)good(p, name, "must be there, a number from 0 to 255");
    return (uint8_t)v;
}

/* "1.55.29": count numbers from 0 to 255 without leading zeros. */
static bool dotted(const char *s, uint8_t *ret, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned v = 0;
        size_t digits = strspn(s, "0123456789");

        if (digits < 1 || digits > 3 || (digits > 1 && *s == '0'))
            return false;
        for (size_t k = 0; k < digits; k++)
            v = v * 10 + (unsigned)(s[k] - '0');
        if (v > 255 || s[digits] != (i + 1 < count ? '.' : '\0'))
            return false;
        ret[i] = (uint8_t)v;
        s += digits + 1;
    }
    return true;
}

/* An array of distinct hexadecimal values of `width` bytes. */
static void hex_list(struct place *p, const char *name, size_t width, struct clo_policy_list *l)
{
    const json_t *a = clo_json_obj_opt(&p->o, name, JSON_ARRAY);
    size_t n = json_array_size(a);

    l->width = width;
    if (!good(p, name, "must be an array") || a == NULL)
        return;
    l->given = true;
    if (n > CLO_POLICY_LIST_MAX) {
        fault(p, name, "has too many values", CLOISTER_E_LIMIT);
        return;
    }
    if (n != 0 && (l->item = malloc(n * width)) == NULL) {
        fault(p, name, "not enough memory", CLOISTER_E_MEMORY);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(a, i);
        uint8_t *item = l->item + i * width;

        if (!json_is_string(v) ||
            clo_unhex(json_string_value(v), json_string_length(v), item, width) != 0)
            fault(p, name, "has a value that isn't lower-case hexadecimal of the right length",
                  CLOISTER_E_MALFORMED);
        else if (clo_policy_list_has(l, item))
            fault(p, name, "has a value twice", CLOISTER_E_DUPLICATE);
        if (p->o.err != 0)
            return;
        l->count++;
    }
}

static void text_list(struct place *p, const char *name, struct clo_policy_texts *l)
{
    const json_t *a = clo_json_obj_opt(&p->o, name, JSON_ARRAY);

    if (!good(p, name, "must be an array") || a == NULL)
        return;
    l->given = true;
    if (json_array_size(a) > CLO_POLICY_TEXTS_MAX) {
        fault(p, name, "has too many values", CLOISTER_E_LIMIT);
        return;
    }
    for (size_t i = 0; i < json_array_size(a); i++) {
        const char *s = json_string_value(json_array_get(a, i));

        if (s == NULL || *s == '\0' || strlen(s) >= sizeof l->text[0] ||
            !clo_text_is_printable(s, strlen(s))) {
            fault(p, name, "has a value that isn't a short text", CLOISTER_E_MALFORMED);
            return;
        }
        memcpy(l->text[l->count++], s, strlen(s) + 1);
    }
}

struct word {
    const char *name;
    uint64_t value;
};

/* An array of words out of a closed list: the values, in order; absent: *count is left alone. */
static bool words(struct place *p, const char *name, const struct word *list, size_t list_n,
                  uint64_t *ret, size_t *count)
{
    const json_t *a = clo_json_obj_opt(&p->o, name, JSON_ARRAY);
    size_t n = 0;

    if (!good(p, name, "must be an array") || a == NULL)
        return false;
    for (size_t i = 0; i < json_array_size(a); i++) {
        const char *s = json_string_value(json_array_get(a, i));
        size_t w = 0;

        while (w < list_n && (s == NULL || strcmp(list[w].name, s) != 0))
            w++;
        if (w == list_n) {
            fault(p, name, "has a word that this version doesn't know", CLOISTER_E_UNKNOWN);
            return false;
        }
        for (size_t k = 0; k < n; k++) {
            if (ret[k] == list[w].value) {
                fault(p, name, "has a word twice", CLOISTER_E_DUPLICATE);
                return false;
            }
        }
        ret[n++] = list[w].value; /* distinct words: never more than list_n */
    }
    *count = n;
    return true;
}

/* Words that stand for bits, joined. */
static uint64_t bit_words(struct place *p, const char *name, const struct word *list, size_t list_n,
                          uint64_t absent)
{
    uint64_t v[8] = {0}, bits = 0;
    size_t n = 0;

    if (!words(p, name, list, list_n, v, &n))
        return absent;
    for (size_t i = 0; i < n; i++)
        bits |= v[i];
    return bits;
}

/* ---- sev_snp ---- */

static const struct word guest_words[] = {
    {"single_socket", CLO_SNP_POLICY_SINGLE_SOCKET},
    {"mem_aes_256_xts", CLO_SNP_POLICY_MEM_AES_256_XTS},
    {"rapl_dis", CLO_SNP_POLICY_RAPL_DIS},
    {"ciphertext_hiding", CLO_SNP_POLICY_CIPHERTEXT_HIDING},
    {"page_swap_disable", CLO_SNP_POLICY_PAGE_SWAP_DISABLE},
};
static const struct word platform_words[] = {
    {"tsme", CLO_SNP_PLATFORM_TSME},
    {"ecc", CLO_SNP_PLATFORM_ECC},
    {"rapl_dis", CLO_SNP_PLATFORM_RAPL_DIS},
    {"ciphertext_hiding", CLO_SNP_PLATFORM_CIPHERTEXT_HIDING},
    {"alias_check", CLO_SNP_PLATFORM_ALIAS_CHECK},
};
static const struct word key_words[] = {{"vcek", CLO_SNP_KEY_VCEK}, {"vlek", CLO_SNP_KEY_VLEK}};

static void tcb_read(struct place *parent, const char *path, const json_t *v, bool fmc,
                     struct clo_snp_tcb *ret)
{
    struct place p = enter(v, path, parent);

    ret->bl = level(&p, "bl");
    ret->tee = level(&p, "tee");
    ret->snp = level(&p, "snp");
    ret->ucode = level(&p, "ucode");
    if (fmc)
        ret->fmc = level(&p, "fmc");
    if (leave(&p) != 0)
        parent->o.err = p.o.err;
}

static void product_read(struct place *parent, const char *name, enum clo_snp_product product,
                         struct clo_policy_product *ret)
{
    const json_t *v = clo_json_obj_opt(&parent->o, name, JSON_OBJECT);
    char path[64], tcb_path[96];
    const json_t *min, *launch;
    const char *firmware;
    uint8_t version[3];
    struct place p;

    if (!good(parent, name, "must be an object") || v == NULL)
        return;
    (void)snprintf(path, sizeof path, "sev_snp.products.%s.", name);
    p = enter(v, path, parent);
    min = clo_json_obj_need(&p.o, "min_tcb", JSON_OBJECT);
    (void)good(&p, "min_tcb", "must be there, an object");
    launch = clo_json_obj_opt(&p.o, "min_launch_tcb", JSON_OBJECT);
    (void)good(&p, "min_launch_tcb", "must be an object");
    if (p.o.err == 0) {
        (void)snprintf(tcb_path, sizeof tcb_path, "%smin_tcb.", path);
        tcb_read(&p, tcb_path, min, product == CLO_SNP_TURIN, &ret->min_tcb);
        ret->min_launch_tcb = ret->min_tcb;
    }
    if (p.o.err == 0 && launch != NULL) {
        (void)snprintf(tcb_path, sizeof tcb_path, "%smin_launch_tcb.", path);
        tcb_read(&p, tcb_path, launch, product == CLO_SNP_TURIN, &ret->min_launch_tcb);
    }
    firmware = clo_json_obj_str(&p.o, "min_firmware", 11);
    if (good(&p, "min_firmware", "must be there, like \"1.55.29\"")) {
        if (!dotted(firmware, version, 3))
            fault(&p, "min_firmware", "must be like \"1.55.29\"", CLOISTER_E_MALFORMED);
        else
            ret->min_firmware = (struct clo_snp_firmware){version[0], version[1], version[2]};
    }
    ret->admitted = leave(&p) == 0;
    if (p.o.err != 0)
        parent->o.err = p.o.err;
}

static void products_read(struct place *parent, struct clo_policy_snp *snp)
{
    const json_t *v = clo_json_obj_need(&parent->o, "products", JSON_OBJECT);
    struct place p;

    if (!good(parent, "products", "must be there, an object"))
        return;
    p = enter(v, "sev_snp.products.", parent);
    product_read(&p, "milan", CLO_SNP_MILAN, &snp->product[CLO_SNP_MILAN]);
    product_read(&p, "genoa", CLO_SNP_GENOA, &snp->product[CLO_SNP_GENOA]);
    product_read(&p, "turin", CLO_SNP_TURIN, &snp->product[CLO_SNP_TURIN]);
    if (leave(&p) != 0)
        parent->o.err = p.o.err;
}

static void signing_keys_read(struct place *p, struct clo_policy_snp *snp)
{
    uint64_t key[CLO_ARRAY_LEN(key_words)] = {CLO_SNP_KEY_VCEK};
    size_t keys = 1;

    (void)words(p, "signing_keys", key_words, CLO_ARRAY_LEN(key_words), key, &keys);
    for (size_t i = 0; i < keys; i++) {
        snp->vcek = snp->vcek || key[i] == CLO_SNP_KEY_VCEK;
        snp->vlek = snp->vlek || key[i] == CLO_SNP_KEY_VLEK;
    }
    text_list(p, "csp_ids", &snp->csp_ids);
    if (snp->vlek && snp->csp_ids.count == 0)
        fault(p, "csp_ids", "must name the providers when \"vlek\" is admitted",
              CLOISTER_E_MALFORMED);
}

/* Bit numbers of the mitigation vectors. */
static uint64_t mitigations_read(struct place *p)
{
    const json_t *a = clo_json_obj_opt(&p->o, "mitigations", JSON_ARRAY);
    uint64_t bits = 0;

    (void)good(p, "mitigations", "must be an array");
    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *v = json_array_get(a, i);

        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 63) {
            fault(p, "mitigations", "has a value that isn't a bit's number from 0 to 63",
                  CLOISTER_E_MALFORMED);
            return 0;
        }
        bits |= (uint64_t)1 << json_integer_value(v);
    }
    return bits;
}

static void snp_read(struct place *parent, const json_t *v, struct clo_policy_snp *snp)
{
    struct place p = enter(v, "sev_snp.", parent);
    const char *abi;
    uint8_t version[2] = {0, 0};

    products_read(&p, snp);
    snp->vmpl = (uint8_t)clo_json_obj_opt_int(&p.o, "vmpl", 0, 3, 0);
    (void)good(&p, "vmpl", "must be a number from 0 to 3");
    abi = clo_json_obj_opt_str(&p.o, "min_abi", 7);
    if (good(&p, "min_abi", "must be like \"1.51\"") && abi != NULL && !dotted(abi, version, 2))
        fault(&p, "min_abi", "must be like \"1.51\"", CLOISTER_E_MALFORMED);
    snp->min_abi_major = version[0];
    snp->min_abi_minor = version[1];
    snp->allow_smt = flag(&p, "allow_smt");
    snp->allow_cxl = flag(&p, "allow_cxl");
    snp->allow_provisional = flag(&p, "allow_provisional");
    snp->allow_masked_chip = flag(&p, "allow_masked_chip");
    snp->require_guest = bit_words(&p, "require_guest", guest_words, CLO_ARRAY_LEN(guest_words), 0);
    snp->require_platform = bit_words(&p, "require_platform", platform_words,
                                      CLO_ARRAY_LEN(platform_words), CLO_SNP_PLATFORM_ALIAS_CHECK);
    signing_keys_read(&p, snp);
    hex_list(&p, "chip_ids", 64, &snp->chip_ids);
    hex_list(&p, "host_data", 32, &snp->host_data);
    hex_list(&p, "id_keys", 48, &snp->id_keys);
    hex_list(&p, "author_keys", 48, &snp->author_keys);
    snp->min_guest_svn = (uint32_t)clo_json_obj_opt_int(&p.o, "min_guest_svn", 0, UINT32_MAX, 0);
    (void)good(&p, "min_guest_svn", "must be a number");
    snp->mitigations = mitigations_read(&p);
    if (leave(&p) != 0)
        parent->o.err = p.o.err;
}

/* What the simulator makes: its levels mean nothing, so nothing is asked of them. */
static void snp_simulated(struct clo_policy_snp *snp)
{
    snp->product[CLO_SNP_GENOA].admitted = true;
    snp->allow_smt = true;
    snp->vcek = true;
    snp->require_platform = CLO_SNP_PLATFORM_ALIAS_CHECK;
    snp->host_data.width = 32;
    snp->id_keys.width = 48;
    snp->author_keys.width = 48;
}

/* ---- the document ---- */

static void tee_read(struct place *p, struct cloister_policy *pol)
{
    static const struct word list[] = {{"sev-snp", 1}, {"simulated", 2}};
    uint64_t tee[CLO_ARRAY_LEN(list)] = {0};
    size_t n = 0;

    (void)clo_json_obj_need(&p->o, "tee", JSON_ARRAY);
    if (!good(p, "tee", "must be there, an array"))
        return;
    (void)words(p, "tee", list, CLO_ARRAY_LEN(list), tee, &n);
    for (size_t i = 0; i < n; i++) {
        pol->sev_snp = pol->sev_snp || tee[i] == 1;
        pol->simulated = pol->simulated || tee[i] == 2;
    }
    if (pol->sev_snp && pol->simulated)
        fault(p, "tee", "\"simulated\" protects nothing and can't stand beside another type",
              CLOISTER_E_MALFORMED);
}

static void types_read(struct place *p, struct cloister_policy *pol)
{
    const json_t *snp = clo_json_obj_opt(&p->o, "sev_snp", JSON_OBJECT);
    const json_t *sim;
    struct place s;

    (void)good(p, "sev_snp", "must be an object");
    sim = clo_json_obj_opt(&p->o, "simulated", JSON_OBJECT);
    (void)good(p, "simulated", "must be an object");
    if (p->o.err != 0)
        return;
    if (pol->sev_snp != (snp != NULL))
        fault(p, "sev_snp", "must be there if \"tee\" names \"sev-snp\", and only then",
              CLOISTER_E_MALFORMED);
    else if (pol->simulated != (sim != NULL))
        fault(p, "simulated", "must be there if \"tee\" names \"simulated\", and only then",
              CLOISTER_E_MALFORMED);
    else if (snp != NULL)
        snp_read(p, snp, &pol->snp);
    else if (sim != NULL) {
        snp_simulated(&pol->snp);
        s = enter(sim, "simulated.", p);
        hex_list(&s, "roots", 32, &pol->roots);
        if (leave(&s) != 0)
            p->o.err = s.o.err;
    }
}

static void devices_read(struct place *p, struct cloister_policy *pol)
{
    const json_t *v = clo_json_obj_opt(&p->o, "devices", JSON_OBJECT);
    struct place d;

    /* A GPU that nobody appraised sees everything: to have none must be said. */
    pol->devices.min = pol->simulated ? 0 : 1;
    pol->devices.max = pol->devices.min;
    if (!good(p, "devices", "must be an object") || v == NULL)
        return;
    d = enter(v, "devices.", p);
    pol->devices.min = (uint32_t)clo_json_obj_int(&d.o, "min", 0, 64);
    pol->devices.max = pol->devices.min;
    (void)good(&d, "min", "must be there, a number from 0 to 64");
    if (leave(&d) != 0)
        p->o.err = d.o.err;
}

static void suites_read(struct place *p, struct cloister_policy *pol)
{
    static const struct word kem[] = {{"x-wing", CLO_KEM_XWING}, {"x25519", CLO_KEM_X25519}};
    static const struct word aead[] = {{"aes-256-gcm", CLO_AES_256_GCM},
                                       {"chacha20-poly1305", CLO_CHACHA20_POLY1305},
                                       {"aes-128-gcm", CLO_AES_128_GCM}};
    uint64_t kems[CLO_ARRAY_LEN(kem)] = {CLO_KEM_XWING};
    uint64_t aeads[CLO_ARRAY_LEN(aead)] = {CLO_AES_256_GCM, CLO_CHACHA20_POLY1305};
    size_t kems_n = 1, aeads_n = 2;
    bool xwing = false;

    (void)words(p, "kems", kem, CLO_ARRAY_LEN(kem), kems, &kems_n);
    (void)words(p, "aeads", aead, CLO_ARRAY_LEN(aead), aeads, &aeads_n);
    for (size_t i = 0; i < kems_n; i++) {
        xwing = xwing || kems[i] == CLO_KEM_XWING;
        pol->x25519 = pol->x25519 || kems[i] == CLO_KEM_X25519;
    }
    if (!xwing)
        fault(p, "kems", "must have \"x-wing\"", CLOISTER_E_MALFORMED);
    if (aeads_n == 0)
        fault(p, "aeads", "must not be empty", CLOISTER_E_MALFORMED);
    for (size_t i = 0; i < aeads_n; i++)
        pol->aead[pol->aeads++] = (uint16_t)aeads[i];
}

/* One pinned manifest: its exact bytes in base64url, of which only the digest is kept. */
static void manifest_read(struct place *p, const json_t *v, uint8_t *bytes,
                          struct clo_policy_list *l)
{
    struct clo_manifest m = {0};
    uint8_t *digest = l->item + l->count * l->width;
    const size_t len = json_string_length(v); /* 0 when it isn't a string */
    size_t n = 0;
    int err = len > CLO_B64_LEN(CLO_POLICY_MANIFEST_MAX) ? CLOISTER_E_LIMIT : CLOISTER_E_MALFORMED;

    if (err == CLOISTER_E_LIMIT)
        fault(p, "manifests", "has a value that is too long", err);
    else if (len == 0 ||
             clo_unb64(json_string_value(v), len, bytes, CLO_POLICY_MANIFEST_MAX, &n) != 0)
        fault(p, "manifests", "has a value that isn't base64url without padding", err);
    else if ((err = clo_manifest_parse(bytes, n, &m)) != 0)
        fault(p, "manifests", "has a value that isn't a manifest which this version can judge",
              err);
    else if ((err = clo_sha256(bytes, n, digest)) != 0)
        fault(p, "manifests", "can't be hashed", err);
    else if (clo_policy_list_has(l, digest))
        fault(p, "manifests", "has a value twice", CLOISTER_E_DUPLICATE);
    else
        l->count++;
}

static void manifests_read(struct place *p, struct clo_policy_list *l)
{
    const json_t *a = clo_json_obj_opt(&p->o, "manifests", JSON_ARRAY);
    uint8_t *bytes = NULL;

    l->width = 32;
    if (!good(p, "manifests", "must be an array") || a == NULL)
        return;
    l->given = true;
    if (json_array_size(a) > CLO_POLICY_MANIFESTS_MAX) {
        fault(p, "manifests", "has too many values", CLOISTER_E_LIMIT);
        return;
    }
    if (json_array_size(a) == 0)
        return;
    if ((bytes = malloc(CLO_POLICY_MANIFEST_MAX)) == NULL ||
        (l->item = malloc(json_array_size(a) * l->width)) == NULL)
        fault(p, "manifests", "not enough memory", CLOISTER_E_MEMORY);
    for (size_t i = 0; i < json_array_size(a) && p->o.err == 0; i++)
        manifest_read(p, json_array_get(a, i), bytes, l);
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
    s = strchr(s, '/') + 2;
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

static void replicas_read(struct place *p, struct cloister_policy *pol)
{
    const json_t *a = clo_json_obj_opt(&p->o, "replicas", JSON_ARRAY);

    if (!good(p, "replicas", "must be an array") || a == NULL)
        return;
    if (json_array_size(a) > CLO_POLICY_REPLICAS_MAX) {
        fault(p, "replicas", "has too many values", CLOISTER_E_LIMIT);
        return;
    }
    for (size_t i = 0; i < json_array_size(a) && p->o.err == 0; i++) {
        const char *s = json_string_value(json_array_get(a, i));

        if (s == NULL || !url_ok(s)) {
            fault(p, "replicas", "has a value that isn't an address like https://host:port/path",
                  CLOISTER_E_MALFORMED);
            return;
        }
        for (size_t k = 0; k < pol->replicas; k++)
            if (strcmp(pol->replica[k], s) == 0)
                fault(p, "replicas", "has a value twice", CLOISTER_E_DUPLICATE);
        if (p->o.err == 0 && (pol->replica[pol->replicas] = strdup(s)) == NULL)
            fault(p, "replicas", "not enough memory", CLOISTER_E_MEMORY);
        pol->replicas += p->o.err == 0;
    }
}

static void document_read(struct place *p, struct cloister_policy *pol)
{
    const char *name;

    clo_json_obj_v1(&p->o);
    (void)good(p, "v", "must be 1");
    name = clo_json_obj_str(&p->o, "name", sizeof pol->name - 1);
    if (good(p, "name", "must be there, a short text")) {
        if (strpbrk(name, "\n\t") != NULL || !clo_text_is_printable(name, strlen(name)))
            fault(p, "name", "must be printable text on one line", CLOISTER_E_MALFORMED);
        else
            memcpy(pol->name, name, strlen(name) + 1);
    }
    tee_read(p, pol);
    hex_list(p, "measurements", 48, &pol->measurements);
    types_read(p, pol);
    devices_read(p, pol);
    hex_list(p, "models", 32, &pol->models);
    text_list(p, "releases", &pol->releases);
    manifests_read(p, &pol->manifests);
    replicas_read(p, pol);
    pol->allow_unmanaged = flag(p, "allow_unmanaged");
    suites_read(p, pol);
    pol->max_age_s = clo_json_obj_opt_int(&p->o, "max_age_s", 1, 3600, 3600);
    (void)good(p, "max_age_s", "must be a number from 1 to 3600");
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
    struct place p = {.path = "", .why = why, .cap = cap};
    struct cloister_policy *pol = NULL;
    char where[24] = "policy";
    json_t *doc = NULL;
    int err;

    why[0] = '\0';
    if ((err = clo_json_parse(json, n, CLO_POLICY_MAX, &doc)) != 0) {
        if (err == CLOISTER_E_MALFORMED || err == CLOISTER_E_DUPLICATE)
            (void)snprintf(where, sizeof where, "line %d", clo_json_fault_line(json, n));
        tell(&p, where, parse_reason(err));
        return err;
    }
    if ((pol = calloc(1, sizeof *pol)) == NULL) {
        err = CLOISTER_E_MEMORY;
        goto out;
    }
    p = enter(doc, "", &p);
    document_read(&p, pol);
    if ((err = leave(&p)) != 0 || (err = clo_sha256(json, n, pol->digest)) != 0)
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
    free(p->roots.item);
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
