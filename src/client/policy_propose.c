/* SPDX-License-Identifier: Apache-2.0 */
/* A policy that pins what evidence shows: see policy_propose.h. */
#include "client/policy_propose.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/policy_text.h"
#include "client/say.h"

#define RIM_ID 128

/* Adding to an object takes the value over; whatever failed on the way is remembered. */
static void add(json_t *o, const char *name, json_t *v, int *err)
{
    if (json_object_set_new(o, name, v) != 0)
        *err = CLOISTER_E_MEMORY;
}

static void append(json_t *a, json_t *v, int *err)
{
    if (json_array_append_new(a, v) != 0)
        *err = CLOISTER_E_MEMORY;
}

static json_t *hex_json(const uint8_t *p, size_t n)
{
    char hex[129];

    clo_hex(p, n, hex);
    return json_string(hex);
}

/* A list of this one value, unless it is zero: then it is left out, which demands zero. */
static void pin_unless_zero(json_t *o, const char *name, const uint8_t *p, size_t n, int *err)
{
    if (!clo_all_zero(p, n))
        add(o, name, json_pack("[o]", hex_json(p, n)), err);
}

/* ---- AMD ---- */

static int snp_member(const struct clo_shown *s, bool pin_chip, json_t **ret)
{
    const struct clo_snp_report *r = &s->report;
    struct clo_policy_want w = {
        .product = s->product,
        .vmpl = clo_shown_is_azure(s) ? 0 : r->vmpl, /* no other level counts there */
        .allow_smt = (r->policy & CLO_SNP_POLICY_SMT) != 0,
        .firmware = r->committed,
    };
    struct clo_snp_tcb launch;
    json_t *o = NULL;
    int err;

    if (s->product == CLO_SNP_UNKNOWN)
        return CLOISTER_E_UNSUPPORTED;
    if ((err = clo_snp_tcb_decode(s->product, r->reported_tcb, &w.tcb)) != 0 ||
        (err = clo_snp_tcb_decode(s->product, r->launch_tcb, &launch)) != 0)
        return err;
    if (!clo_snp_tcb_at_least(&launch, &w.tcb))
        w.launch = &launch;
    o = clo_policy_snp_json(&w, &err);
    if ((r->policy & CLO_SNP_POLICY_CXL_ALLOW) != 0)
        add(o, "allow_cxl", json_true(), &err);
    if (r->signing_key == CLO_SNP_KEY_VLEK) {
        add(o, "signing_keys", json_pack("[s]", "vlek"), &err);
        add(o, "csp_ids", json_pack("[s]", s->csp_id), &err);
    }
    if (pin_chip && !clo_all_zero(r->chip_id, sizeof(r->chip_id)))
        add(o, "chip_ids", json_pack("[o]", hex_json(r->chip_id, sizeof(r->chip_id))), &err);
    pin_unless_zero(o, "host_data", r->host_data, sizeof(r->host_data), &err);
    pin_unless_zero(o, "id_keys", r->id_key_digest, sizeof(r->id_key_digest), &err);
    pin_unless_zero(o, "author_keys", r->author_key_digest, sizeof(r->author_key_digest), &err);
    if (r->guest_svn > 0)
        add(o, "min_guest_svn", json_integer(r->guest_svn), &err);
    *ret = o;
    return err;
}

/* ---- Intel ---- */

struct bit {
    uint64_t bit;
    const char *name;
};

static void add_bits(json_t *o, const char *name, uint64_t bits, const struct bit *names, size_t n,
                     int *err)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        if ((bits & names[i].bit) != 0)
            append(a, json_string(names[i].name), err);
    if (json_array_size(a) > 0)
        add(o, name, a, err);
    else
        json_decref(a);
}

json_t *clo_shown_image(const struct clo_shown *s)
{
    const struct clo_td_report *t = &s->td;

    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "mrtd", hex_json(t->mrtd, 48), "rtmr0",
                     hex_json(t->rtmr[0], 48), "rtmr1", hex_json(t->rtmr[1], 48), "rtmr2",
                     hex_json(t->rtmr[2], 48), "rtmr3", hex_json(t->rtmr[3], 48));
}

static json_t *level(const struct clo_shown *s)
{
    return json_pack("{s:I}", "min_evaluation_number", (json_int_t)s->number);
}

static json_t *tdx_member(const struct clo_shown *s, int *err)
{
    static const struct bit words[] = {
        {CLO_TD_PKS, "pks"}, {CLO_TD_KL, "kl"}, {CLO_TD_PERFMON, "perfmon"}};
    const struct clo_td_report *t = &s->td;
    json_t *o = json_object();

    add(o, "images", json_pack("[o]", clo_shown_image(s)), err);
    add(o, "tcb", level(s), err);
    add_bits(o, "allow_attributes", t->attributes, words, CLO_ARRAY_LEN(words), err);
    if ((t->attributes & CLO_TD_SEPT_VE_DISABLE) == 0)
        add(o, "allow_sept_ve", json_true(), err);
    pin_unless_zero(o, "config_ids", t->mrconfigid, 48, err);
    pin_unless_zero(o, "owners", t->mrowner, 48, err);
    pin_unless_zero(o, "owner_configs", t->mrownerconfig, 48, err);
    pin_unless_zero(o, "service_tds", t->mrservicetd, 48, err);
    return o;
}

static json_t *sgx_member(const struct clo_shown *s, int *err)
{
    static const struct bit words[] = {{CLO_SGX_PROVISION_KEY, "provision_key"},
                                       {CLO_SGX_EINITTOKEN_KEY, "einittoken_key"},
                                       {CLO_SGX_KSS, "kss"},
                                       {CLO_SGX_AEX_NOTIFY, "aex_notify"}};
    uint64_t flags = 0;
    json_t *o = json_object();

    for (unsigned i = 0; i < 8; i++)
        flags |= (uint64_t)s->sgx.attributes[i] << 8 * i;
    add(o, "enclaves", json_pack("[o]", hex_json(s->sgx.mrenclave, 32)), err);
    add(o, "tcb", level(s), err);
    add_bits(o, "allow_attributes", flags, words, CLO_ARRAY_LEN(words), err);
    return o;
}

/* ---- Azure and TPM ---- */

static json_t *azure_member(const struct clo_shown *s, bool pin_chip, int *err)
{
    json_t *o = json_object();

    if (s->azure.console == CLO_HCL_ON)
        add(o, "allow_console", json_true(), err);
    if (s->azure.secure_boot == CLO_HCL_OFF)
        add(o, "allow_no_secure_boot", json_true(), err);
    if (pin_chip && s->azure.vm_id[0] != '\0')
        add(o, "vm_ids", json_pack("[s]", s->azure.vm_id), err);
    return o;
}

json_t *clo_shown_pcrs(const struct clo_shown *s, uint32_t which)
{
    const size_t len = s->tpm.bank == CLO_POLICY_BANK_SHA384 ? 48 : 32;
    json_t *o = json_object();
    char name[4];
    int err = 0;

    for (unsigned i = 0; i < CLO_POLICY_PCRS; i++) {
        if ((which >> i & 1) == 0)
            continue;
        (void)snprintf(name, sizeof(name), "%u", i);
        add(o, name, hex_json(s->tpm.value[i], len), &err);
    }
    if (err != 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static json_t *tpm_member(const struct clo_shown *s, int *err)
{
    json_t *o = json_object(), *selection = json_array();

    if (s->tpm.bank == CLO_POLICY_BANK_SHA384)
        add(o, "bank", json_string("sha384"), err);
    for (unsigned i = 0; i < CLO_POLICY_PCRS; i++)
        if ((s->tpm.selection >> i & 1) != 0)
            append(selection, json_integer(i), err);
    if (json_array_size(selection) < CLO_POLICY_PCRS)
        add(o, "selection", selection, err);
    else
        json_decref(selection);
    add(o, "pcrs", json_pack("[o]", clo_shown_pcrs(s, s->tpm.selection)), err);
    return o;
}

/* ---- devices ---- */

static const char *lowest_driver(const struct clo_shown *s)
{
    const char *low = NULL;

    for (size_t i = 0; i < s->devices; i++) {
        const char *v = s->device[i].run.driver;
        bool enough = false;

        if (s->device[i].run.arch == CLO_GPU_LS10)
            continue;
        if (low == NULL || (clo_gpu_version_at_least(v, low, 10, &enough) && !enough))
            low = v;
    }
    return low;
}

static json_t *devices_member(const struct clo_shown *s, int *err)
{
    static const char *const mode_word[] = {"single", "multi", "protected-pcie"};
    json_t *o = json_object(), *archs = json_array(), *modes = json_array();
    unsigned arch = 0, mode = 0, gpus = 0, switches = 0;

    for (size_t i = 0; i < s->devices; i++) {
        if (s->device[i].run.arch == CLO_GPU_LS10) {
            switches++;
            continue;
        }
        gpus++;
        arch |= 1u << s->device[i].run.arch;
        mode |= 1u << s->device[i].mode;
    }
    add(o, "min", json_integer(gpus), err);
    if (switches > 0)
        add(o, "switches", json_integer(switches), err);
    for (enum clo_gpu_arch a = CLO_GPU_HOPPER; a < CLO_GPU_LS10; a++)
        if ((arch >> a & 1) != 0)
            append(archs, json_string(clo_gpu_arch_name(a)), err);
    for (unsigned m = 0; m < CLO_ARRAY_LEN(mode_word); m++)
        if ((mode >> m & 1) != 0)
            append(modes, json_string(mode_word[m]), err);
    if (gpus > 0) {
        add(o, "architectures", json_incref(archs), err);
        add(o, "modes", json_incref(modes), err);
        add(o, "min_driver", json_string(lowest_driver(s)), err);
    }
    if (s->devices > 0)
        add(o, "reference_values", json_array(), err);
    json_decref(archs);
    json_decref(modes);
    return o;
}

/* ---- the document ---- */

static int kind_members(const struct clo_shown *s, bool pin_chip, json_t *o)
{
    json_t *snp = NULL;
    int err = 0;

    if (clo_shown_is_snp(s))
        add(o, "measurements", json_pack("[o]", hex_json(s->report.measurement, 48)), &err);
    if (s->kind == CLO_KIND_SIMULATED) {
        add(o, "simulated", json_pack("{s:[o]}", "roots", hex_json(s->root, sizeof(s->root))),
            &err);
    } else if (clo_shown_is_snp(s)) {
        err = snp_member(s, pin_chip, &snp);
        if (err == 0)
            add(o, "sev_snp", json_incref(snp), &err);
        json_decref(snp);
        if (err != 0)
            return err;
    }
    if (clo_shown_is_tdx(s))
        add(o, "tdx", tdx_member(s, &err), &err);
    if (s->kind == CLO_KIND_SGX)
        add(o, "sgx", sgx_member(s, &err), &err);
    if (clo_shown_is_azure(s))
        add(o, "azure", azure_member(s, pin_chip, &err), &err);
    if (s->tpm.there)
        add(o, "tpm", tpm_member(s, &err), &err);
    return err;
}

int clo_policy_propose(const struct clo_shown *s, const char *name, bool pin_chip, json_t **ret)
{
    const bool machine = s->kind != CLO_KIND_NVIDIA && s->kind != CLO_KIND_TPM;
    json_t *o = NULL;
    int err = 0;

    if (s->has_manifest && s->manifest_b64[0] == '\0')
        return CLOISTER_E_LIMIT;
    o = json_object();
    add(o, "v", json_integer(1), &err);
    add(o, "name", json_string(name), &err);
    add(o, "tee", machine ? json_pack("[s]", clo_kind_name(s->kind)) : json_array(), &err);
    if (err == 0)
        err = kind_members(s, pin_chip, o);
    if (s->kind != CLO_KIND_SIMULATED || s->devices > 0)
        add(o, "devices", devices_member(s, &err), &err);
    if (s->has_manifest) {
        add(o, "manifests", json_pack("[s]", s->manifest_b64), &err);
        if (!s->manifest.managed)
            add(o, "allow_unmanaged", json_true(), &err);
        if (s->manifest.shape != CLO_SHAPING_FULL)
            add(o, "shape", json_string(clo_shaping_name(s->manifest.shape)), &err);
    }
    if (err != 0) {
        json_decref(o);
        return err;
    }
    *ret = o;
    return 0;
}

/* ---- what has to be known ---- */

static bool told(const char *id, char (*known)[RIM_ID], size_t n)
{
    while (n > 0)
        if (strcmp(known[--n], id) == 0)
            return true;
    return false;
}

static void note_rims(const struct clo_shown *s)
{
    static const enum clo_reference_kind kinds[] = {CLO_REFERENCE_DRIVER, CLO_REFERENCE_VBIOS};
    char known[2 * CLO_REFERENCES_MAX][RIM_ID];
    size_t n = 0;

    clo_say_problem(
        "the policy has no reference values for GPUs, and so admits none of these: what a device measures about itself is "
        "no reference. `cloister-rim import` takes them out of the maker's signed RIMs:");
    for (size_t i = 0; i < s->devices && n + 2 <= CLO_ARRAY_LEN(known); i++) {
        for (size_t k = 0; k < CLO_ARRAY_LEN(kinds); k++) {
            if (kinds[k] == CLO_REFERENCE_DRIVER && s->device[i].run.arch == CLO_GPU_LS10)
                continue;
            clo_gpu_rim_id(kinds[k], &s->device[i].run, known[n], RIM_ID);
            if (told(known[n], known, n))
                continue;
            clo_say_note("  %s", known[n++]);
        }
    }
}

void clo_policy_propose_notes(const struct clo_shown *s, bool pin_chip)
{
    const bool intel = clo_shown_is_tdx(s) || s->kind == CLO_KIND_SGX;

    if (s->kind == CLO_KIND_SIMULATED)
        clo_say_problem("WARNING: " CLO_SIMULATED_WARNING);
    if (s->devices > 0)
        note_rims(s);
    if (intel && !s->has_number)
        clo_say_problem("WARNING: there is no TCB info in this evidence, so min_evaluation_number "
                        "is 0, which takes it at any age: write in Intel's current one");
    if (s->tpm.there && (s->tpm.selection >> 10 & 1) != 0)
        clo_say_note("PCR 10 is pinned as well: where the kernel measures files as they are "
                     "opened (IMA), it changes all the time, and has to be taken out");
    if (s->has_manifest && s->manifest.shape != CLO_SHAPING_FULL)
        clo_say_note(
            "the traffic of this server hides less than it could: the policy allows that (shape: %s), and "
            "`cloister policy show` says what it means",
            clo_shaping_name(s->manifest.shape));
    if (pin_chip && intel && s->kind != CLO_KIND_TDX_AZURE)
        clo_say_problem("--pin-chip: a quote of Intel's names no chip, so none is pinned");
}
