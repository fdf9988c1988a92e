/* SPDX-License-Identifier: Apache-2.0 */
/* Reading Azure's envelope. Limits and fuzzer: hcl.h. */
#include "attest/hcl.h"

#include <string.h>

#include "base/enc.h"
#include "codec/json.h"

#define HEADER_VERSION_MAX 2
#define REQUEST_TYPE       2
#define DATA_OFFSET        0x4c0 /* of the second header, which the data's size counts */
#define DATA_HEADER_LEN    (CLO_HCL_RUNTIME_OFFSET - DATA_OFFSET)
#define DATA_VERSION       1
#define KEYS_MAX           16
#define MODULUS_MIN        256
#define EXPONENT_MAX       4
#define AK_NAME            "HCLAkPub"

static bool hash_known(uint32_t type, enum clo_hash_alg *ret)
{
    switch (type) {
    case 1: *ret = CLO_SHA256; return true;
    case 2: *ret = CLO_SHA384; return true;
    case 3: *ret = CLO_SHA512; return true;
    default: return false;
    }
}

int clo_hcl_parse(const uint8_t *p, size_t n, struct clo_hcl *ret)
{
    uint32_t version, size, request, data_size, data_version, hash_type, runtime_n;
    struct clo_rd rd = clo_rd_init(p, n);
    const uint8_t *magic = NULL;
    struct clo_hcl h = {0};
    int err;

    version = size = request = data_size = data_version = hash_type = runtime_n = 0;
    if (n > CLO_HCL_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = clo_rd_view(&rd, 4, &magic)) != 0 || (err = clo_rd_u32le(&rd, &version)) != 0 ||
        (err = clo_rd_u32le(&rd, &size)) != 0 || (err = clo_rd_u32le(&rd, &request)) != 0 ||
        (err = clo_rd_zero(&rd, 16)) != 0 || /* status and reserved */
        (err = clo_rd_view(&rd, CLO_SNP_REPORT_LEN, &h.report)) != 0 ||
        (err = clo_rd_u32le(&rd, &data_size)) != 0 ||
        (err = clo_rd_u32le(&rd, &data_version)) != 0 ||
        (err = clo_rd_u32le(&rd, &h.report_type)) != 0 ||
        (err = clo_rd_u32le(&rd, &hash_type)) != 0 || (err = clo_rd_u32le(&rd, &runtime_n)) != 0)
        return err;
    if (memcmp(magic, "HCLA", 4) != 0)
        return CLOISTER_E_MALFORMED;
    if (version < 1 || version > HEADER_VERSION_MAX || request != REQUEST_TYPE ||
        data_version != DATA_VERSION || !hash_known(hash_type, &h.hash) ||
        (h.report_type != CLO_HCL_SNP && h.report_type != CLO_HCL_TDX))
        return CLOISTER_E_UNKNOWN;
    /* Each size counts what the next one does and its own header; compared without adding to what came from outside. */
    if (size > n || size < DATA_OFFSET || data_size != size - DATA_OFFSET ||
        data_size < DATA_HEADER_LEN || runtime_n > data_size - DATA_HEADER_LEN || runtime_n == 0)
        return CLOISTER_E_MALFORMED;
    if ((err = clo_rd_view(&rd, runtime_n, &h.runtime)) != 0 ||
        (err = clo_rd_zero(&rd, rd.left)) != 0)
        return err;
    h.runtime_n = runtime_n;
    if (h.report_type == CLO_HCL_TDX) {
        rd = clo_rd_init(h.report + CLO_TDREPORT_LEN, CLO_SNP_REPORT_LEN - CLO_TDREPORT_LEN);
        if ((err = clo_rd_zero(&rd, rd.left)) != 0)
            return err;
    }
    *ret = h;
    return 0;
}

int clo_hcl_report_data(const struct clo_hcl *h, uint8_t ret[64])
{
    const struct clo_slice in = {h->runtime, h->runtime_n};
    uint8_t data[CLO_SHA512_LEN] = {0};
    int err;

    if ((err = clo_hash(h->hash, &in, 1, data)) == 0)
        memcpy(ret, data, sizeof data);
    return err;
}

/* ---- the runtime data ---- */

/* Base64urlUInt: no byte more than it takes (RFC 7518 section 2). */
static int exponent_read(const char *s, uint32_t *ret)
{
    uint8_t p[EXPONENT_MAX];
    uint32_t v = 0;
    size_t n = 0;
    int err;

    if ((err = clo_unb64(s, strlen(s), p, sizeof p, &n)) != 0)
        return err;
    if (n == 0 || p[0] == 0)
        return CLOISTER_E_MALFORMED;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    *ret = v;
    return 0;
}

/* key_ops says what the key is for (RFC 7517 section 4.3); "use", where there is one, must not contradict it. */
static bool signs_only(struct clo_json_obj *key)
{
    const json_t *ops = clo_json_obj_need(key, "key_ops", JSON_ARRAY);
    const char *use = clo_json_obj_opt_str(key, "use", 16);
    const char *op = json_string_value(json_array_get(ops, 0));

    return key->err == 0 && json_array_size(ops) == 1 && op != NULL && strcmp(op, "sign") == 0 &&
           (use == NULL || strcmp(use, "sig") == 0);
}

static const char *ak_read(const json_t *v, struct clo_hcl_runtime *r)
{
    struct clo_json_obj key = clo_json_obj_init(v);
    const char *kty = clo_json_obj_str(&key, "kty", 16);
    const char *n = clo_json_obj_str(&key, "n", CLO_B64_LEN(sizeof r->modulus));
    const char *e = clo_json_obj_str(&key, "e", CLO_B64_LEN(EXPONENT_MAX));

    if (key.err != 0 || strcmp(kty, "RSA") != 0)
        return "the attestation key isn't an RSA key";
    if (!signs_only(&key))
        return "the attestation key isn't one for signing alone";
    if (clo_unb64(n, strlen(n), r->modulus, sizeof r->modulus, &r->modulus_n) != 0 ||
        exponent_read(e, &r->exponent) != 0)
        return "the attestation key can't be read";
    if (r->modulus_n < MODULUS_MIN || r->modulus[0] < 0x80)
        return "the attestation key has not 2048 to 4096 bits";
    return NULL;
}

static int keys_read(const json_t *keys, struct clo_hcl_runtime *r)
{
    if (json_array_size(keys) > KEYS_MAX)
        return CLOISTER_E_LIMIT;
    for (size_t i = 0; i < json_array_size(keys); i++) {
        struct clo_json_obj key = clo_json_obj_init(json_array_get(keys, i));
        const char *kid = clo_json_obj_str(&key, "kid", 64);

        if (key.err != 0)
            return key.err;
        if (strcmp(kid, AK_NAME) == 0 && ++r->keys == 1)
            r->key_wrong = ak_read(key.v, r);
    }
    return 0;
}

/* Absent is one thing, present and of another type is another: an error. */
static enum clo_hcl_flag flag(struct clo_json_obj *o, const char *name)
{
    const json_t *v = clo_json_obj_opt(o, name, JSON_TRUE);

    return v == NULL ? CLO_HCL_ABSENT : json_is_true(v) ? CLO_HCL_ON : CLO_HCL_OFF;
}

int clo_hcl_runtime_parse(const uint8_t *p, size_t n, struct clo_hcl_runtime *ret)
{
    struct clo_hcl_runtime r = {0};
    struct clo_json_obj top, vm;
    const json_t *keys, *config;
    json_t *doc = NULL;
    const char *id;
    int err;

    if ((err = clo_json_parse(p, n, CLO_HCL_MAX, &doc)) != 0)
        return err;
    top = clo_json_obj_init(doc);
    keys = clo_json_obj_need(&top, "keys", JSON_ARRAY);
    config = clo_json_obj_opt(&top, "vm-configuration", JSON_OBJECT);
    if ((err = top.err) != 0 || (err = keys_read(keys, &r)) != 0 || config == NULL)
        goto out;
    vm = clo_json_obj_init(config);
    r.secure_boot = flag(&vm, "secure-boot");
    r.console = flag(&vm, "console-enabled");
    r.tpm = flag(&vm, "tpm-enabled");
    id = clo_json_obj_opt_str(&vm, "vmUniqueId", sizeof r.vm_id - 1);
    if (id != NULL)
        memcpy(r.vm_id, id, strlen(id));
    err = vm.err;
out:
    if (err == 0)
        *ret = r;
    json_decref(doc);
    return err;
}
