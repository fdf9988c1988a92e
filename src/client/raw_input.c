/* SPDX-License-Identifier: Apache-2.0 */
/* Raw evidence from files: see raw_input.h. */
#include "client/raw_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/policy.h"
#include "attest/verdict.h"
#include "base/enc.h"
#include "client/commands.h"
#include "client/say.h"
#include "codec/json.h"
#include "crypto/crypto.h"
#include "crypto/x509.h"
#include "platform/file.h"

#define TYPES "sev-snp, tdx, sgx, azure, nvidia, tpm"

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static uint8_t digit(uint8_t c)
{
    return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

void clo_unhex_text(struct clo_buf *b)
{
    size_t digits = 0, n = 0;

    for (size_t i = 0; i < b->len; i++) {
        if (is_hex(b->p[i]))
            digits++;
        else if (!is_space(b->p[i]))
            return;
    }
    if (digits == 0 || digits % 2 != 0)
        return;
    for (size_t i = 0; i < b->len; i++) {
        if (is_space(b->p[i]))
            continue;
        if (n % 2 == 0)
            b->p[n / 2] = (uint8_t)(digit(b->p[i]) << 4);
        else
            b->p[n / 2] |= digit(b->p[i]);
        n++;
    }
    b->len = digits / 2;
}

/* A file's name for people. */
static const char *called(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

static int bad_file(const char *path, const char *what, int err, int *code)
{
    clo_say_problem("%s is not %s: %s", called(path), what, cloister_strerror(err));
    *code = err == CLOISTER_E_MEMORY ? CLO_EXIT_ERROR : CLO_EXIT_MALFORMED;
    return err;
}

static int read_file(const char *path, struct clo_buf *b, int *code)
{
    const int err = clo_file_read(path, b);

    if (err != 0) {
        clo_say_file(called(path), "read", err);
        *code = err == CLOISTER_E_LIMIT ? CLO_EXIT_MALFORMED : CLO_EXIT_ERROR;
    }
    return err;
}

/* ---- containers that others write ---- */

/* Standard base64 with padding (RFC 4648 section 4), as other tools write it. */
static int unb64_standard(const char *s, struct clo_buf *out)
{
    size_t n = strlen(s), len = 0;
    char *text = strdup(s);
    uint8_t *p = NULL;
    int err = CLOISTER_E_MEMORY;

    if (text == NULL)
        return err;
    while (n > 0 && text[n - 1] == '=')
        text[--n] = '\0';
    for (size_t i = 0; i < n; i++)
        text[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    if ((err = clo_buf_reserve(out, n, &p)) == 0 && (err = clo_unb64(text, n, p, n, &len)) == 0)
        clo_buf_commit(out, len);
    free(text);
    return err;
}

static int add_b64(struct clo_bundle *b, enum cloister_raw_item item, const json_t *v)
{
    struct clo_buf bytes = clo_buf_init(CLO_RAW_ITEM_MAX);
    const char *s = json_string_value(v);
    int err = s == NULL ? CLOISTER_E_MALFORMED : unb64_standard(s, &bytes);

    if (err == 0)
        err = clo_bundle_add(b, item, bytes.p, bytes.len);
    clo_buf_clear(&bytes);
    return err == CLOISTER_E_ARGUMENT ? CLOISTER_E_MALFORMED : err;
}

static bool is_json_array(const struct clo_buf *b)
{
    size_t i = 0;

    while (i < b->len && is_space(b->p[i]))
        i++;
    return i < b->len && b->p[i] == '[';
}

/* [{"arch":...,"nonce":...,"evidence":B64,"certificate":B64},...]: NVIDIA's own serialised evidence. */
int clo_raw_add_nvidia_json(struct clo_bundle *b, const struct clo_buf *text)
{
    json_t *doc = NULL;
    int err = clo_json_parse(text->p, text->len, CLO_RAW_ITEM_MAX, &doc);

    if (err == 0 && (!json_is_array(doc) || json_array_size(doc) == 0))
        err = CLOISTER_E_MALFORMED;
    for (size_t i = 0; err == 0 && i < json_array_size(doc); i++) {
        const json_t *one = json_array_get(doc, i);

        if ((err = add_b64(b, CLOISTER_ITEM_REPORT, json_object_get(one, "evidence"))) == 0)
            err = add_b64(b, CLOISTER_ITEM_CERTIFICATES, json_object_get(one, "certificate"));
    }
    json_decref(doc);
    return err;
}

/* {"NAME":<text as it stands>,"signature":"..."}: Intel's answer, put together again from its parts. */
static int add_answer(struct clo_bundle *b, enum cloister_raw_item item, const char *name,
                      const json_t *text, const json_t *signature)
{
    struct clo_buf out = clo_buf_init(CLO_RAW_ITEM_MAX);
    const char *part[] = {"{\"",
                          name,
                          "\":",
                          json_string_value(text),
                          ",\"signature\":\"",
                          json_string_value(signature),
                          "\"}"};
    int err = 0;

    for (size_t i = 0; i < CLO_ARRAY_LEN(part) && err == 0; i++)
        err = part[i] == NULL ? CLOISTER_E_MALFORMED
                              : clo_buf_append(&out, part[i], strlen(part[i]));
    if (err == 0)
        err = clo_bundle_add(b, item, out.p, out.len);
    clo_buf_clear(&out);
    return err;
}

static int add_hex(struct clo_bundle *b, enum cloister_raw_item item, const json_t *v)
{
    struct clo_buf bytes = clo_buf_init(CLO_RAW_ITEM_MAX);
    const char *s = json_string_value(v);
    int err = s == NULL ? CLOISTER_E_MALFORMED : clo_buf_append(&bytes, s, strlen(s));

    if (err == 0) {
        clo_unhex_text(&bytes);
        err = clo_bundle_add(b, item, bytes.p, bytes.len);
    }
    clo_buf_clear(&bytes);
    return err;
}

static int add_text(struct clo_bundle *b, enum cloister_raw_item item, const json_t *v)
{
    const char *s = json_string_value(v);

    return s == NULL || *s == '\0' ? CLOISTER_E_MALFORMED : clo_bundle_add(b, item, s, strlen(s));
}

/* The platform's certificates are no collateral: beside a server's evidence, which has its own, they are left out. */
int clo_raw_add_collateral(struct clo_bundle *b, const struct clo_buf *text)
{
    json_t *doc = NULL;
    int err;

    if ((err = clo_json_parse(text->p, text->len, CLO_RAW_ITEM_MAX, &doc)) != 0)
        return err;
#define GET(name) json_object_get(doc, name)
    if ((err = add_answer(b, CLOISTER_ITEM_TCB_INFO, "tcbInfo", GET("tcb_info"),
                          GET("tcb_info_signature"))) == 0 &&
        (err = add_answer(b, CLOISTER_ITEM_QE_IDENTITY, "enclaveIdentity", GET("qe_identity"),
                          GET("qe_identity_signature"))) == 0 &&
        (err = add_text(b, CLOISTER_ITEM_COLLATERAL_CHAIN, GET("tcb_info_issuer_chain"))) == 0 &&
        (err = add_hex(b, CLOISTER_ITEM_CRL, GET("root_ca_crl"))) == 0 &&
        (err = add_hex(b, CLOISTER_ITEM_CRL, GET("pck_crl"))) == 0 && b->type != 0 &&
        GET("pck_certificate_chain") != NULL)
        err = add_text(b, CLOISTER_ITEM_CERTIFICATES, GET("pck_certificate_chain"));
#undef GET
    json_decref(doc);
    return err;
}

/* ---- the command line ---- */

static int add_file(struct clo_bundle *b, enum cloister_raw_item item, const char *path, int *code)
{
    struct clo_buf bytes = clo_buf_init(CLO_RAW_ITEM_MAX);
    int err;

    if ((err = read_file(path, &bytes, code)) != 0)
        goto out;
    if (b->type == CLOISTER_RAW_NVIDIA && item == CLOISTER_ITEM_REPORT && is_json_array(&bytes)) {
        if ((err = clo_raw_add_nvidia_json(b, &bytes)) != 0)
            (void)bad_file(path, "NVIDIA's serialised evidence", err, code);
        goto out;
    }
    clo_unhex_text(&bytes);
    if (bytes.len == 0) {
        err = CLOISTER_E_MALFORMED;
        clo_say_problem("%s is empty", called(path));
        *code = CLO_EXIT_MALFORMED;
    } else if ((err = clo_bundle_add(b, item, bytes.p, bytes.len)) != 0) {
        clo_say_file(called(path), "taken", err);
        *code = err == CLOISTER_E_LIMIT ? CLO_EXIT_MALFORMED : CLO_EXIT_ERROR;
    }
out:
    clo_buf_clear(&bytes);
    return err;
}

int clo_raw_expect(const struct clo_options *o, struct clo_bundle *b, int *code)
{
    uint8_t bytes[64];
    const size_t len = strlen(o->expect);

    *code = CLO_EXIT_ERROR;
    if (len == 0 || len % 2 != 0 || len > 2 * sizeof bytes ||
        clo_unhex(o->expect, len, bytes, len / 2) != 0) {
        clo_say_problem("--expect takes 1 to 64 bytes in lower-case hexadecimal");
        return CLOISTER_E_ARGUMENT;
    }
    clo_buf_clear(&b->expect);
    b->expect = clo_buf_init(sizeof bytes);
    return clo_buf_append(&b->expect, bytes, len / 2);
}

static int read_items(const struct clo_options *o, struct clo_bundle *ret, int *code)
{
    struct clo_buf collateral = clo_buf_init(CLO_RAW_ITEM_MAX);
    int err = 0;

    if (o->collateral != NULL && ret->type != 0 && ret->type != CLOISTER_RAW_TDX &&
        ret->type != CLOISTER_RAW_SGX && ret->type != CLOISTER_RAW_AZURE) {
        clo_say_problem("\"%s\" has no use for --collateral, which is Intel's",
                        clo_raw_type_name(ret->type));
        return CLOISTER_E_ARGUMENT;
    }
    for (size_t i = 0; err == 0 && i < o->items; i++) {
        enum cloister_raw_item item = o->item[i].item;

        /* the report of a TPM is its quote */
        if (ret->type == CLOISTER_RAW_TPM && item == CLOISTER_ITEM_REPORT)
            item = CLOISTER_ITEM_TPM_QUOTE;
        err = add_file(ret, item, o->item[i].path, code);
    }
    if (err == 0 && o->collateral != NULL &&
        (err = read_file(o->collateral, &collateral, code)) == 0 &&
        (err = clo_raw_add_collateral(ret, &collateral)) != 0)
        (void)bad_file(o->collateral, "Intel's collateral", err, code);
    clo_buf_clear(&collateral);
    return err;
}

int clo_raw_read_collateral(const struct clo_options *o, struct clo_bundle *ret, int *code)
{
    *code = CLO_EXIT_ERROR;
    return read_items(o, ret, code);
}

int clo_raw_read(const struct clo_options *o, struct clo_bundle *ret, int *code)
{
    int err = CLOISTER_E_ARGUMENT;

    *code = CLO_EXIT_ERROR;
    ret->type = o->operands > 0 ? clo_raw_type_find(o->operand[0]) : 0;
    if (ret->type == 0 && o->operands > 0)
        clo_say_problem("there is no type \"%s\": there are " TYPES, o->operand[0]);
    else if (ret->type == 0)
        clo_say_problem("say what is to be judged: a type (" TYPES ") and a report");
    else if (o->items == 0)
        clo_say_problem("say which file the report is in, behind \"%s\"", o->operand[0]);
    else
        err = 0;
    if (err == 0)
        err = read_items(o, ret, code);
    if (err == 0 && o->expect != NULL)
        err = clo_raw_expect(o, ret, code);
    return err;
}

/* ---- bundles ---- */

int clo_bundle_read(const char *path, struct clo_bundle *ret, int *code)
{
    struct clo_buf text = clo_buf_init(CLO_BUNDLE_MAX);
    int err;

    if ((err = read_file(path, &text, code)) == 0 &&
        (err = clo_bundle_parse(text.p, text.len, ret)) != 0)
        (void)bad_file(path, "a bundle", err, code);
    clo_buf_clear(&text);
    return err;
}

bool clo_bundle_expired(const struct clo_bundle *b, int64_t now, const char *path)
{
    char text[CLO_DATE_LEN];

    clo_date(now < b->created ? b->created : b->expires, text);
    if (now < b->created)
        clo_say_problem("%s was made later, on %s: is this machine's clock right?", called(path),
                        text);
    else if (now >= b->expires)
        clo_say_problem("%s expired on %s: get a fresh one, or say --at TIME to judge as of then",
                        called(path), text);
    return now < b->created || now >= b->expires;
}

/* Why this item can't go with the others. */
static void say_unfit(enum cloister_raw_type type, enum cloister_raw_item item, int err, int *code)
{
    const char *name = clo_raw_item_name(item);

    switch (err) {
    case CLOISTER_E_ARGUMENT:
        clo_say_problem("\"%s\" has no use for --%s", clo_raw_type_name(type), name);
        break;
    case CLOISTER_E_DUPLICATE: clo_say_problem("there is more than one \"%s\"", name); break;
    case CLOISTER_E_STATE:
        clo_say_problem("NVIDIA's --%s belong to the report before them: put them behind it", name);
        break;
    case CLOISTER_E_LIMIT:
        clo_say_problem("there is more of \"%s\" than can be taken, or one is too large", name);
        *code = CLO_EXIT_MALFORMED;
        break;
    case CLOISTER_E_MEMORY:
    case CLOISTER_E_CRYPTO: clo_say_problem("%s", cloister_strerror(err)); break;
    default:
        clo_say_problem("what was given as \"%s\" is none, in DER or PEM: %s", name,
                        cloister_strerror(err));
        *code = CLO_EXIT_MALFORMED;
        break;
    }
}

int clo_raw_build(const struct clo_bundle *b, bool expect_any, struct cloister_raw **ret, int *code)
{
    struct cloister_raw *r = NULL;
    int err;

    *code = CLO_EXIT_ERROR;
    if ((err = cloister_raw_new(b->type, &r)) != 0) {
        clo_say_problem("%s", cloister_strerror(err));
        return err;
    }
    for (size_t i = 0; i < b->items && err == 0; i++) {
        err = cloister_raw_add(r, b->item[i].item, b->item[i].bytes.p, b->item[i].bytes.len);
        if (err != 0)
            say_unfit(b->type, b->item[i].item, err, code);
    }
    if (err == 0 && b->expect.len != 0 &&
        (err = cloister_raw_expect(r, b->expect.p, b->expect.len)) != 0)
        clo_say_problem("--expect takes 64 bytes of report data (sev-snp, tdx, sgx), 32 of nonce "
                        "(nvidia), or up to 64 of qualifying data (azure, tpm)");
    if (err == 0 && expect_any)
        cloister_raw_expect_any(r);
    if (err == 0) {
        *ret = r;
        r = NULL;
    }
    cloister_raw_free(r);
    return err;
}

/* The bundle's own policy: it came with the evidence, so it counts only if the user knows its digest. */
static int own_policy(const struct clo_options *o, const struct clo_bundle *b,
                      struct cloister_policy **ret, int *code)
{
    uint8_t want[32], digest[32];
    int err;

    *code = CLO_EXIT_ERROR;
    if (clo_unhex(o->bundle_policy, strlen(o->bundle_policy), want, sizeof want) != 0) {
        clo_say_problem("--bundle-policy takes a SHA-256: 64 digits in lower-case hexadecimal");
        return CLOISTER_E_ARGUMENT;
    }
    if (b == NULL || b->policy.len == 0) {
        clo_say_problem("there is no policy in the bundle: give yours with --policy FILE");
        return CLOISTER_E_NOT_FOUND;
    }
    if ((err = clo_sha256(b->policy.p, b->policy.len, digest)) != 0) {
        clo_say_problem("%s", cloister_strerror(err));
        return err;
    }
    if (memcmp(want, digest, sizeof want) != 0) {
        clo_say_problem("the bundle's policy has another SHA-256 than --bundle-policy says");
        *code = CLO_EXIT_REFUSED;
        return CLOISTER_E_REFUSED;
    }
    if ((err = cloister_policy_parse(b->policy.p, b->policy.len, ret)) != 0)
        (void)bad_file("what the bundle holds", "a policy", err, code);
    return err;
}

int clo_bundle_policy(const struct clo_options *o, const struct clo_bundle *b, bool optional,
                      struct cloister_policy **ret, int *code)
{
    *ret = NULL;
    if (o->bundle_policy != NULL)
        return own_policy(o, b, ret, code);
    if (o->policy == NULL && optional)
        return 0;
    return clo_common_policy(o->policy, ret, code);
}

/* ---- roots ---- */

static int root_add(struct cloister_roots *r, const char *vendor, size_t n, const uint8_t *der,
                    size_t der_n)
{
    static const char *const amd[][2] = {
        {"amd-milan", "Milan"}, {"amd-genoa", "Genoa"}, {"amd-turin", "Turin"}};

    for (size_t i = 0; i < CLO_ARRAY_LEN(amd); i++)
        if (strlen(amd[i][0]) == n && memcmp(vendor, amd[i][0], n) == 0)
            return cloister_roots_add_amd(r, amd[i][1], der, der_n);
    if (n == 5 && memcmp(vendor, "intel", n) == 0)
        return cloister_roots_add_intel(r, der, der_n);
    if (n == 6 && memcmp(vendor, "nvidia", n) == 0)
        return cloister_roots_add_nvidia(r, der, der_n);
    if (n == 3 && memcmp(vendor, "tpm", n) == 0)
        return cloister_roots_add_tpm(r, der, der_n);
    return CLOISTER_E_UNKNOWN;
}

static int root_read(struct cloister_roots *r, const char *option, int *code)
{
    const char *equals = strchr(option, '='), *text;
    struct clo_buf file = clo_buf_init(65536), der = clo_buf_init(CLO_CERT_MAX);
    size_t text_n;
    int err;

    if (equals == NULL) {
        clo_say_problem("--root takes VENDOR=FILE, like intel=root.pem");
        return CLOISTER_E_ARGUMENT;
    }
    if ((err = read_file(equals + 1, &file, code)) != 0)
        goto out;
    text = (const char *)file.p;
    text_n = file.len;
    err = clo_pem_next(&text, &text_n, "CERTIFICATE", &der);
    if (err == 0)
        err = root_add(r, option, (size_t)(equals - option), der.p, der.len);
    else if (err == CLOISTER_E_NOT_FOUND)
        err = root_add(r, option, (size_t)(equals - option), file.p, file.len);
    if (err == CLOISTER_E_UNKNOWN)
        clo_say_problem("--root %s: there are amd-milan, amd-genoa, amd-turin, intel, nvidia, tpm",
                        option);
    else if (err != 0)
        (void)bad_file(equals + 1, "a root certificate", err, code);
out:
    clo_buf_clear(&file);
    clo_buf_clear(&der);
    return err;
}

int clo_common_roots(const struct clo_options *o, const struct cloister_roots **ret,
                     struct cloister_roots **own, int *code)
{
    int err;

    *own = NULL;
    *ret = cloister_roots_builtin();
    *code = CLO_EXIT_ERROR;
    if (o->roots_n == 0)
        return 0;
    if ((err = cloister_roots_new(own)) != 0) {
        clo_say_problem("%s", cloister_strerror(err));
        return err;
    }
    for (size_t i = 0; i < o->roots_n && err == 0; i++)
        err = root_read(*own, o->roots[i], code);
    *ret = *own;
    return err;
}
