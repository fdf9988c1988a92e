/* SPDX-License-Identifier: Apache-2.0 */
/* A policy's member "sev_snp" (docs/POLICY.md): AMD SEV-SNP, plain or on Azure. Fuzzed by fuzz/fuzz_policy.c. */
#include "attest/policy_read.h"

#include <stdio.h>

static const struct clo_word guest_words[] = {
    {"single_socket", CLO_SNP_POLICY_SINGLE_SOCKET},
    {"mem_aes_256_xts", CLO_SNP_POLICY_MEM_AES_256_XTS},
    {"rapl_dis", CLO_SNP_POLICY_RAPL_DIS},
    {"ciphertext_hiding", CLO_SNP_POLICY_CIPHERTEXT_HIDING},
    {"page_swap_disable", CLO_SNP_POLICY_PAGE_SWAP_DISABLE},
};
static const struct clo_word platform_words[] = {
    {"tsme", CLO_SNP_PLATFORM_TSME},
    {"ecc", CLO_SNP_PLATFORM_ECC},
    {"rapl_dis", CLO_SNP_PLATFORM_RAPL_DIS},
    {"ciphertext_hiding", CLO_SNP_PLATFORM_CIPHERTEXT_HIDING},
    {"alias_check", CLO_SNP_PLATFORM_ALIAS_CHECK},
};
static const struct clo_word key_words[] = {{"vcek", CLO_SNP_KEY_VCEK}, {"vlek", CLO_SNP_KEY_VLEK}};

static void tcb_read(struct clo_place *parent, const char *path, const json_t *v, bool fmc,
                     struct clo_snp_tcb *ret)
{
    struct clo_place p = clo_place_enter(v, path, parent);

    ret->bl = clo_place_level(&p, "bl");
    ret->tee = clo_place_level(&p, "tee");
    ret->snp = clo_place_level(&p, "snp");
    ret->ucode = clo_place_level(&p, "ucode");
    if (fmc)
        ret->fmc = clo_place_level(&p, "fmc");
    (void)clo_place_leave(&p, parent);
}

static void product_read(struct clo_place *parent, const char *name, enum clo_snp_product product,
                         struct clo_policy_product *ret)
{
    const json_t *v = clo_place_object(parent, name, false);
    char path[CLO_PLACE_PATH / 2], tcb_path[CLO_PLACE_PATH];
    const json_t *min, *launch;
    const char *firmware;
    uint8_t version[3];
    struct clo_place p;

    if (v == NULL)
        return;
    (void)snprintf(path, sizeof path, "sev_snp.products.%s.", name);
    p = clo_place_enter(v, path, parent);
    min = clo_place_object(&p, "min_tcb", true);
    launch = clo_place_object(&p, "min_launch_tcb", false);
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
    if (clo_place_good(&p, "min_firmware", "must be there, like \"1.55.29\"")) {
        if (!clo_policy_dotted(firmware, version, 3))
            clo_place_fault(&p, "min_firmware", "must be like \"1.55.29\"", CLOISTER_E_MALFORMED);
        else
            ret->min_firmware = (struct clo_snp_firmware){version[0], version[1], version[2]};
    }
    ret->admitted = clo_place_leave(&p, parent) == 0;
}

static void products_read(struct clo_place *parent, struct clo_policy_snp *snp)
{
    const json_t *v = clo_place_object(parent, "products", true);
    struct clo_place p;

    if (v == NULL)
        return;
    p = clo_place_enter(v, "sev_snp.products.", parent);
    product_read(&p, "milan", CLO_SNP_MILAN, &snp->product[CLO_SNP_MILAN]);
    product_read(&p, "genoa", CLO_SNP_GENOA, &snp->product[CLO_SNP_GENOA]);
    product_read(&p, "turin", CLO_SNP_TURIN, &snp->product[CLO_SNP_TURIN]);
    (void)clo_place_leave(&p, parent);
}

static void signing_keys_read(struct clo_place *p, struct clo_policy_snp *snp)
{
    uint64_t key[CLO_WORDS_MAX] = {0};
    size_t keys = 0;

    if (clo_place_words(p, "signing_keys", key_words, CLO_ARRAY_LEN(key_words), key, &keys))
        snp->vcek = false;
    for (size_t i = 0; i < keys; i++) {
        snp->vcek = snp->vcek || key[i] == CLO_SNP_KEY_VCEK;
        snp->vlek = snp->vlek || key[i] == CLO_SNP_KEY_VLEK;
    }
    clo_place_texts(p, "csp_ids", &snp->csp_ids);
    if (snp->vlek && snp->csp_ids.count == 0)
        clo_place_fault(p, "csp_ids", "must name the providers when \"vlek\" is admitted",
                        CLOISTER_E_MALFORMED);
}

/* Bit numbers of the mitigation vectors. */
static uint64_t mitigations_read(struct clo_place *p)
{
    const json_t *a = clo_place_array(p, "mitigations", false, 64);
    uint64_t bits = 0;

    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *v = json_array_get(a, i);

        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 63) {
            clo_place_fault(p, "mitigations", "has a value that isn't a bit's number from 0 to 63",
                            CLOISTER_E_MALFORMED);
            return 0;
        }
        bits |= (uint64_t)1 << json_integer_value(v);
    }
    return bits;
}

void clo_policy_read_snp(struct clo_place *parent, const json_t *v, struct clo_policy_snp *snp)
{
    struct clo_place p = clo_place_enter(v, "sev_snp.", parent);
    const char *abi;
    uint8_t version[2] = {0, 0};

    products_read(&p, snp);
    snp->vmpl = (uint8_t)clo_json_obj_opt_int(&p.o, "vmpl", 0, 3, 0);
    (void)clo_place_good(&p, "vmpl", "must be a number from 0 to 3");
    abi = clo_json_obj_opt_str(&p.o, "min_abi", 7);
    if (clo_place_good(&p, "min_abi", "must be like \"1.51\"") && abi != NULL &&
        !clo_policy_dotted(abi, version, 2))
        clo_place_fault(&p, "min_abi", "must be like \"1.51\"", CLOISTER_E_MALFORMED);
    snp->min_abi_major = version[0];
    snp->min_abi_minor = version[1];
    snp->allow_smt = clo_place_flag(&p, "allow_smt");
    snp->allow_cxl = clo_place_flag(&p, "allow_cxl");
    snp->allow_provisional = clo_place_flag(&p, "allow_provisional");
    snp->allow_masked_chip = clo_place_flag(&p, "allow_masked_chip");
    snp->require_guest = clo_place_bits(&p, "require_guest", guest_words,
                                        CLO_ARRAY_LEN(guest_words), 0);
    snp->require_platform = clo_place_bits(&p, "require_platform", platform_words,
                                           CLO_ARRAY_LEN(platform_words), snp->require_platform);
    signing_keys_read(&p, snp);
    clo_place_hex_list(&p, "chip_ids", 64, &snp->chip_ids);
    clo_place_hex_list(&p, "host_data", 32, &snp->host_data);
    clo_place_hex_list(&p, "id_keys", 48, &snp->id_keys);
    clo_place_hex_list(&p, "author_keys", 48, &snp->author_keys);
    snp->min_guest_svn = (uint32_t)clo_json_obj_opt_int(&p.o, "min_guest_svn", 0, UINT32_MAX, 0);
    (void)clo_place_good(&p, "min_guest_svn", "must be a number");
    snp->mitigations = mitigations_read(&p);
    (void)clo_place_leave(&p, parent);
}
