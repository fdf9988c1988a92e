/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloister policy show`. Each kind of evidence that the policy names is told with all that is demanded of it. Behind that stands what a
 * reader could take for granted and is not demanded: there a policy errs, if it does.
 */
#include "client/policy_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "attest/nvidia_in.h"
#include "attest/quote_tcb.h"
#include "base/enc.h"
#include "client/commands.h"
#include "client/policy_text.h"
#include "client/say.h"

/* ---- values ---- */

static void show_list(const char *what, const struct clo_policy_list *l)
{
    char hex[129];

    for (size_t i = 0; i < l->count; i++) {
        clo_hex(l->item + i * l->width, l->width, hex);
        printf("  %s %s\n", what, hex);
    }
}

/* One that is given and empty admits nothing; one that isn't has `absent` instead. */
static void show_choice(const char *what, const struct clo_policy_list *l, const char *absent)
{
    show_list(what, l);
    if (l->given && l->count == 0)
        printf("  NO %s, so nothing is admitted\n", what);
    else if (!l->given && absent != NULL)
        printf("  %s: %s\n", what, absent);
}

static void show_texts(const char *what, const struct clo_policy_texts *t)
{
    for (size_t i = 0; i < t->count; i++)
        printf("  %s %s\n", what, t->text[i]);
    if (t->given && t->count == 0)
        printf("  NO %s, so nothing is admitted\n", what);
}

static const char *allowed(bool v)
{
    return v ? "allowed" : "refused";
}

struct bit {
    uint64_t bit;
    const char *name;
};

/* "  what: a, b" or, without any, "  what: none". */
static void show_bits(const char *what, uint64_t bits, const struct bit *names, size_t n)
{
    const char *sep = " ";

    printf("  %s:", what);
    for (size_t i = 0; i < n; i++) {
        if ((bits & names[i].bit) == 0)
            continue;
        printf("%s%s", sep, names[i].name);
        sep = ", ";
    }
    puts(*sep == ',' ? "" : " none");
}

/* ---- AMD SEV-SNP ---- */

static void show_tcb(const char *what, const struct clo_snp_tcb *t, bool fmc)
{
    printf("    %s: bootloader %u, TEE %u, SNP %u, microcode %u", what, t->bl, t->tee, t->snp,
           t->ucode);
    if (fmc)
        printf(", FMC %u", t->fmc);
    putchar('\n');
}

static void show_snp(const struct cloister_policy *policy)
{
    static const struct bit guest[] = {
        {CLO_SNP_POLICY_SINGLE_SOCKET, "one socket"},
        {CLO_SNP_POLICY_MEM_AES_256_XTS, "AES-256-XTS"},
        {CLO_SNP_POLICY_RAPL_DIS, "no RAPL"},
        {CLO_SNP_POLICY_CIPHERTEXT_HIDING, "ciphertext hiding"},
        {CLO_SNP_POLICY_PAGE_SWAP_DISABLE, "no page swapping"},
    };
    static const struct bit platform[] = {
        {CLO_SNP_PLATFORM_ALIAS_CHECK, "memory aliases checked for (BadRAM)"},
        {CLO_SNP_PLATFORM_ECC, "ECC"},
        {CLO_SNP_PLATFORM_TSME, "TSME"},
        {CLO_SNP_PLATFORM_RAPL_DIS, "no RAPL"},
        {CLO_SNP_PLATFORM_CIPHERTEXT_HIDING, "ciphertext hiding"},
    };
    const struct clo_policy_snp *s = &policy->snp;
    bool any = false;

    for (enum clo_snp_product p = CLO_SNP_MILAN; p < CLO_SNP_PRODUCTS; p++) {
        const struct clo_policy_product *q = &s->product[p];

        if (!q->admitted)
            continue;
        any = true;
        printf("  AMD %s, firmware %u.%u.%u or later\n", clo_snp_product_name(p),
               q->min_firmware.major, q->min_firmware.minor, q->min_firmware.build);
        show_tcb("at least", &q->min_tcb, p == CLO_SNP_TURIN);
        show_tcb("at launch at least", &q->min_launch_tcb, p == CLO_SNP_TURIN);
    }
    if (!any)
        puts("  NO product, so none is admitted");
    printf("  report from privilege level VMPL %u; signed by%s%s keys\n", s->vmpl,
           s->vcek ? " chip (VCEK)" : "", s->vlek ? " provider (VLEK)" : "");
    if (!s->vcek && !s->vlek)
        puts("  NO kind of signing key, so none is admitted");
    show_texts("provider", &s->csp_ids);
    printf("  hyperthreading %s; CXL memory %s; provisional firmware %s; hidden chip id %s\n",
           allowed(s->allow_smt), allowed(s->allow_cxl), allowed(s->allow_provisional),
           allowed(s->allow_masked_chip));
    show_bits("the guest must demand", s->require_guest, guest, CLO_ARRAY_LEN(guest));
    show_bits("the platform must have", s->require_platform, platform, CLO_ARRAY_LEN(platform));
    show_choice("chip", &s->chip_ids, NULL);
    show_choice("host data", &s->host_data, "must be zero");
    show_choice("image owner's key", &s->id_keys, "must be none");
    show_choice("author's key", &s->author_keys, "must be none");
    if (s->min_guest_svn > 0)
        printf("  guest security version %u or later\n", s->min_guest_svn);
    if (s->mitigations != 0)
        printf("  mitigations active (bits): %016" PRIx64 "\n", s->mitigations);
    puts("that started exactly");
    show_list("measurement", &policy->measurements);
    if (policy->measurements.count == 0)
        puts("  NO measurement, so none is admitted");
}

/* ---- Intel ---- */

static void show_level(const struct clo_policy_tcb *t)
{
    printf("  TCB information number %" PRIu32 " or later; status", t->min_evaluation_number);
    for (unsigned bit = 1, n = 0; bit < CLO_TCB_REVOKED; bit <<= 1)
        if ((t->statuses & bit) != 0)
            printf("%s %s", n++ == 0 ? "" : ",", clo_tcb_status_name(bit));
    puts(t->statuses == 0 ? ": NONE, so nothing is admitted" : "");
    for (size_t i = 0; i < t->advisories.count; i++)
        printf("  open advisory accepted: %s\n", t->advisories.text[i]);
    if (t->advisories.given && t->advisories.count == 0)
        puts("  no open advisory is accepted");
    show_choice("platform (FMSPC)", &t->fmspcs, NULL);
}

static void show_image(const struct clo_policy_td *td)
{
    char hex[97];

    clo_hex(td->mrtd, sizeof(td->mrtd), hex);
    printf("  image with MRTD %s\n", hex);
    for (size_t i = 0; i < CLO_ARRAY_LEN(td->rtmr); i++) {
        clo_hex(td->rtmr[i], sizeof(td->rtmr[i]), hex);
        printf("            RTMR%zu %s\n", i, hex);
    }
}

static void show_tdx(const struct clo_policy_tdx *t)
{
    static const struct bit attributes[] = {
        {CLO_TD_PKS, "protection keys (PKS)"},
        {CLO_TD_KL, "Key Locker (KL)"},
        {CLO_TD_PERFMON, "performance monitoring (PERFMON)"},
    };

    show_level(&t->tcb);
    show_bits("attributes allowed", t->allow_attributes, attributes, CLO_ARRAY_LEN(attributes));
    printf("  SEPT_VE_DISABLE clear: %s; extended features (XFAM) within %016" PRIx64 "\n",
           allowed(t->allow_sept_ve), t->allow_xfam);
    show_choice("MRCONFIGID", &t->config_ids, "must be zero");
    show_choice("MROWNER", &t->owners, "must be zero");
    show_choice("MROWNERCONFIG", &t->owner_configs, "must be zero");
    show_choice("service TD", &t->service_tds, "must be none");
    if (t->require_event_log)
        puts("  an event log has to be there");
    puts("that started exactly");
    for (size_t i = 0; i < t->tds; i++)
        show_image(&t->td[i]);
    if (t->tds == 0)
        puts("  NO image, so none is admitted");
}

static void show_sgx(const struct clo_policy_sgx *s)
{
    static const struct bit attributes[] = {
        {CLO_SGX_PROVISION_KEY, "provisioning key"},
        {CLO_SGX_EINITTOKEN_KEY, "EINITTOKEN key"},
        {CLO_SGX_KSS, "key separation (KSS)"},
        {CLO_SGX_AEX_NOTIFY, "AEX-Notify"},
    };

    show_level(&s->tcb);
    show_bits("attributes allowed", s->allow_attributes, attributes, CLO_ARRAY_LEN(attributes));
    show_choice("enclave (MRENCLAVE)", &s->enclaves, NULL);
    if (s->enclaves.given && s->signers.given)
        puts("  and only if it is signed by");
    show_choice("signer (MRSIGNER)", &s->signers, NULL);
    if (s->signers.given)
        printf("    as product %u, version %u or later\n", s->product_id, s->min_svn);
    if (!s->enclaves.given && !s->signers.given)
        puts("  NO enclave and no signer, so none is admitted");
}

/* ---- Azure and TPM ---- */

static void show_pcrs(const struct clo_policy_tpm *t)
{
    const size_t len = t->bank == CLO_POLICY_BANK_SHA384 ? 48 : 32;
    char hex[97];

    for (size_t i = 0; i < t->pcrs_n; i++) {
        puts(i == 0 ? "  that started exactly" : "  or exactly");
        for (unsigned k = 0; k < CLO_POLICY_PCRS; k++) {
            if ((t->pcrs[i].pinned >> k & 1) == 0)
                continue;
            clo_hex(t->pcrs[i].value[k], len, hex);
            printf("    PCR %2u %s\n", k, hex);
        }
    }
    if (t->pcrs_n == 0)
        puts("  NO values of PCRs, so none is admitted");
}

/* "0 to 7, 14" */
static void show_numbers(uint32_t bits)
{
    const char *sep = "";

    for (unsigned i = 0; i < CLO_POLICY_PCRS; i++) {
        unsigned end = i;

        if ((bits >> i & 1) == 0)
            continue;
        while (end + 1 < CLO_POLICY_PCRS && (bits >> (end + 1) & 1) != 0)
            end++;
        printf("%s%u", sep, i);
        if (end > i)
            printf(end == i + 1 ? ", %u" : " to %u", end);
        sep = ", ";
        i = end;
    }
}

static void show_tpm(const struct clo_policy_tpm *t)
{
    fputs("  a TPM's quote over exactly PCR ", stdout);
    show_numbers(t->selection);
    printf(" of SHA-%s%s\n", t->bank == CLO_POLICY_BANK_SHA384 ? "384" : "256",
           t->require_event_log ? ", and their event log" : "");
    show_choice("attestation key", &t->keys, NULL);
    show_pcrs(t);
}

static void show_azure(const struct cloister_policy *p)
{
    printf("  Azure: console %s; start without secure boot %s\n", allowed(p->azure.allow_console),
           allowed(p->azure.allow_no_secure_boot));
    show_texts("Azure's id of the VM", &p->azure.vm_ids);
    show_tpm(&p->tpm);
}

/* ---- devices ---- */

static void show_reference(const struct clo_reference *r)
{
    char rim[65];
    size_t values = 0;

    for (size_t i = 0; i < CLO_REFERENCE_INDEXES; i++)
        values += r->index[i].count;
    clo_hex(r->rim_sha256, sizeof(r->rim_sha256), rim);
    printf("    %s %s %s", clo_gpu_arch_name(r->arch),
           r->kind == CLO_REFERENCE_DRIVER ? "driver" : "VBIOS", r->version);
    if (r->project[0] != '\0')
        printf(", board %s %s %s", r->project, r->project_sku, r->chip_sku);
    printf(": %zu values for %d measurements\n      from %s (SHA-256 %s)\n", values,
           __builtin_popcountll(r->active), r->id, rim);
}

static void show_devices(const struct clo_policy_devices *d)
{
    static const struct bit archs[] = {{1 << CLO_GPU_HOPPER, "Hopper"},
                                       {1 << CLO_GPU_BLACKWELL, "Blackwell"}};
    static const struct bit modes[] = {{1 << CLO_GPU_SINGLE, "single GPU"},
                                       {1 << CLO_GPU_MULTI, "several GPUs"},
                                       {1 << CLO_GPU_PROTECTED_PCIE, "protected PCIe"}};
    uint64_t admitted = 0;

    if (d->max == 0) {
        puts("\nGPUs: none asked for, and none admitted");
        return;
    }
    for (unsigned a = 0; a < CLO_GPU_ARCHS; a++)
        admitted |= d->arch[a] ? (uint64_t)1 << a : 0;
    if (admitted == 0) { /* the policy has no such member */
        puts(
            "\nwith a verified GPU, and NO architecture is admitted, so nothing is: a policy for machines without "
            "GPUs\nhas to say so (\"devices\": {\"min\": 0})");
        return;
    }
    if (d->max == d->min)
        printf("\nwith exactly %" PRIu32 " verified GPU(s)", d->min);
    else
        printf("\nwith %" PRIu32 " to %" PRIu32 " verified GPUs", d->min, d->max);
    printf(d->switches > 0 ? " and exactly %" PRIu32 " switch(es), which are\n" : ", which are\n",
           d->switches);
    show_bits("architecture", admitted, archs, CLO_ARRAY_LEN(archs));
    show_bits("mode", d->modes, modes, CLO_ARRAY_LEN(modes));
    if (d->min_driver[0] != '\0')
        printf("  driver %s or later\n", d->min_driver);
    for (enum clo_gpu_arch a = CLO_GPU_HOPPER; a < CLO_GPU_ARCHS; a++)
        if (d->min_vbios[a][0] != '\0')
            printf("  VBIOS %s or later (%s)\n", d->min_vbios[a], clo_gpu_arch_name(a));
    if (d->references > 0)
        puts("  and measure exactly as one of each says");
    for (size_t i = 0; i < d->references; i++)
        show_reference(&d->reference[i]);
    if (d->references == 0)
        puts("  NO reference values, so no GPU is admitted: `cloister-rim import` adds them");
}

/* ---- what runs there ---- */

static void show_manifest(const struct clo_pinned *p)
{
    struct clo_manifest_member m[CLO_MANIFEST_MEMBERS];
    char hex[65];

    clo_hex(p->digest, sizeof(p->digest), hex);
    printf("  manifest %s\n", hex);
    clo_manifest_members(&p->manifest, m);
    for (size_t i = 0; i < CLO_MANIFEST_MEMBERS; i++)
        printf("    %-34s %s\n", m[i].title, m[i].value);
}

static int show_manifests(const struct cloister_policy *p, const struct clo_buf *text)
{
    struct clo_pinned *pinned = calloc(CLO_POLICY_MANIFESTS_MAX, sizeof(*pinned));
    json_t *doc = NULL;
    size_t n = 0;
    int err = CLOISTER_E_MEMORY;

    if (pinned == NULL || (err = clo_json_parse(text->p, text->len, text->len, &doc)) != 0 ||
        (err = clo_policy_pinned(doc, pinned, &n)) != 0)
        goto out;
    for (size_t i = 0; i < n; i++)
        show_manifest(&pinned[i]);
    if (!p->manifests.given)
        puts("  any manifest: what the measured code says of itself is taken");
    else if (n == 0)
        puts("  NO manifest, so nothing is admitted");
out:
    json_decref(doc);
    free(pinned);
    return err;
}

static int show_runs(const struct cloister_policy *p, const struct clo_buf *text)
{
    puts("\nand of what runs there");
    show_choice("model", &p->models, NULL);
    if (!p->models.given)
        puts("  any model that the measured image runs");
    if (show_manifests(p, text) != 0)
        return CLOISTER_E_MEMORY;
    show_texts("engine", &p->engines);
    if (!p->engines.given)
        puts("  any engine that the measured image runs");
    show_texts("release", &p->releases);
    if (!p->releases.given)
        puts("  any release of Cloister");
    printf("  an engine that the measured code did not start itself: %s\n",
           allowed(p->allow_unmanaged));
    printf("  shape of the traffic: %s%s\n", clo_shaping_name(p->shape),
           p->shape == CLO_SHAPING_FULL ? "" : " or more");
    printf(
        "  X25519 without ML-KEM: %s; evidence at most %lld s old; keys that live %lld s at most\n",
        allowed(p->x25519), (long long)p->max_age_s, (long long)p->max_lifetime_s);
    if (p->vendor_roots.given)
        show_choice("vendor's root", &p->vendor_roots, NULL);
    for (size_t i = 0; cloister_policy_replica(p, i) != NULL; i++)
        printf("%s  %s\n", i == 0 ? "\nserved by\n" : "", cloister_policy_replica(p, i));
    return 0;
}

/* ---- what is left open ---- */

static void open_if(unsigned *n, bool is, const char *what)
{
    if (!is)
        return;
    if ((*n)++ == 0)
        printf("\n%sleft open%s\n", clo_style(stdout, CLO_YELLOW), clo_style(stdout, CLO_PLAIN));
    printf("  %s\n", what);
}

static void open_snp(const struct cloister_policy *p, unsigned *n)
{
    const struct clo_policy_snp *s = &p->snp;

    if (!p->sev_snp && !p->sev_snp_azure)
        return;
    open_if(n, !s->chip_ids.given,
            "SEV-SNP: any genuine chip of an admitted product (no chip_ids)");
    open_if(n, (s->require_platform & CLO_SNP_PLATFORM_ALIAS_CHECK) == 0,
            "SEV-SNP: memory modules that lie about their size (no alias_check: BadRAM)");
    open_if(n, s->allow_provisional,
            "SEV-SNP: firmware that can be taken back (allow_provisional)");
    open_if(n, s->allow_masked_chip, "SEV-SNP: which chip it is stays hidden (allow_masked_chip)");
    open_if(n, s->vlek, "SEV-SNP: a cloud provider's key vouches for the chip (vlek)");
}

static void open_level(const char *kind, const struct clo_policy_tcb *t, unsigned *n)
{
    const unsigned worse = t->statuses & ~(unsigned)CLO_TCB_UP_TO_DATE;
    char text[160];

    (void)snprintf(text, sizeof(text),
                   "%s: platforms with holes that are known and mended (OutOfDate)", kind);
    open_if(n, (t->statuses & (CLO_TCB_OUT_OF_DATE | CLO_TCB_OUT_OF_DATE_CONFIGURATION)) != 0,
            text);
    (void)snprintf(text, sizeof(text),
                   "%s: every advisory that stands behind an accepted status (no advisories)",
                   kind);
    open_if(n, worse != 0 && !t->advisories.given, text);
    (void)snprintf(text, sizeof(text),
                   "%s: TCB information of any age (min_evaluation_number is 0)", kind);
    open_if(n, t->min_evaluation_number == 0, text);
    (void)snprintf(text, sizeof(text), "%s: any genuine platform (no fmspcs)", kind);
    open_if(n, !t->fmspcs.given, text);
}

static void open_tpm(const struct cloister_policy *p, unsigned *n)
{
    uint32_t pinned = p->tpm.selection;
    char text[160];
    size_t used = 0;

    if (!p->tpm.given || p->tpm.pcrs_n == 0)
        return;
    for (size_t i = 0; i < p->tpm.pcrs_n; i++)
        pinned &= p->tpm.pcrs[i].pinned;
    used = (size_t)snprintf(text, sizeof(text), "TPM: any value of PCR");
    for (unsigned i = 0; i < CLO_POLICY_PCRS; i++)
        if ((p->tpm.selection & ~pinned) >> i & 1)
            used += (size_t)snprintf(text + used, sizeof(text) - used, " %u", i);
    (void)snprintf(text + used, sizeof(text) - used, ", at least in one alternative");
    open_if(n, pinned != p->tpm.selection, text);
    open_if(n, !(p->sev_snp_azure || p->tdx_azure) && !p->tpm.keys.given,
            "TPM: any attestation key that a trusted certificate names (no keys)");
}

static void open_all(const struct cloister_policy *p)
{
    unsigned n = 0;

    open_if(&n, p->revocation_if_present,
            "certificates whose revocation nobody can judge (revocation: if-present)");
    open_snp(p, &n);
    if (p->tdx_plain || p->tdx_azure) {
        open_level("TDX", &p->tdx.tcb, &n);
        open_if(&n, p->tdx.allow_sept_ve,
                "TDX: the host may take memory away and see what the TD does then (allow_sept_ve)");
        open_if(&n, (p->tdx.allow_attributes & CLO_TD_PERFMON) != 0,
                "TDX: counters that tell about what runs (perfmon)");
    }
    if (p->sgx_quote) {
        open_level("SGX", &p->sgx.tcb, &n);
        open_if(&n, p->sgx.signers.count > 0 && !p->sgx.enclaves.given,
                "SGX: whatever the signer signs as this product (signers)");
    }
    if (p->sev_snp_azure || p->tdx_azure) {
        open_if(&n, !p->azure.vm_ids.given, "Azure: any VM (no vm_ids)");
        open_if(&n, p->azure.allow_console, "Azure: somebody at the console (allow_console)");
        open_if(&n, p->azure.allow_no_secure_boot,
                "Azure: start without secure boot (allow_no_secure_boot)");
    }
    open_tpm(p, &n);
    open_if(&n, p->devices.min == 0 && p->devices.max > 0, "GPUs may be absent altogether");
    open_if(&n, p->allow_unmanaged,
            "an engine that nothing vouches for, and so any model (allow_unmanaged)");
    open_if(
        &n, p->shape == CLO_SHAPING_OFF,
        "sizes and times of the traffic tell how long an answer is and how it was written (shape)");
    open_if(&n, p->shape == CLO_SHAPING_SIZE,
            "times of the traffic tell how an answer was written (shape)");
    open_if(&n, p->x25519, "what is recorded now, a quantum computer may read later (x25519)");
}

/* ---- the document ---- */

static bool names_a_machine(const struct cloister_policy *p)
{
    return p->simulated || p->sev_snp || p->sev_snp_azure || p->tdx_plain || p->tdx_azure;
}

static void show_kinds(const struct cloister_policy *p)
{
    const bool azure = p->sev_snp_azure || p->tdx_azure;

    if (p->simulated) {
        puts("admits SIMULATED machines, which protect nothing, with");
        show_choice("root certificate", &p->roots, NULL);
        puts("that started exactly");
        show_list("measurement", &p->measurements);
        if (p->measurements.count == 0)
            puts("  NO measurement, so none is admitted");
    }
    if (p->sev_snp || p->sev_snp_azure) {
        printf("admits AMD SEV-SNP machines%s, with\n", !p->sev_snp_azure ? ""
                                                        : p->sev_snp      ? ", on Azure as well"
                                                                          : " on Azure");
        show_snp(p);
    }
    if (p->tdx_plain || p->tdx_azure) {
        printf("%sadmits Intel TDX machines%s, with\n", p->sev_snp || p->sev_snp_azure ? "\n" : "",
               !p->tdx_azure  ? ""
               : p->tdx_plain ? ", on Azure as well"
                              : " on Azure");
        show_tdx(&p->tdx);
    }
    if (azure) {
        puts("\nof machines on Azure also");
        show_azure(p);
    }
    if (p->sgx_quote) {
        puts("\nadmits quotes of Intel SGX enclaves (`cloister appraise`), with");
        show_sgx(&p->sgx);
    }
    if (p->tpm.given && !azure) {
        puts("\nadmits quotes of TPMs (`cloister appraise`), with");
        show_tpm(&p->tpm);
    }
}

int clo_policy_show(const char *path)
{
    struct clo_buf text = clo_buf_init(CLO_POLICY_MAX);
    struct cloister_policy *p = NULL;
    char hex[65];
    int code = CLO_EXIT_ERROR;

    if (clo_common_policy_text(path, &text, &p, &code) != 0)
        goto out;
    code = CLO_EXIT_OK;
    clo_hex(p->digest, sizeof(p->digest), hex);
    printf("policy \"%s\"\n  sha256 %s\n\n", p->name, hex);
    if (!names_a_machine(p))
        puts("admits NO machine: it names no kind of machine");
    show_kinds(p);
    show_devices(&p->devices);
    if (names_a_machine(p) && show_runs(p, &text) != 0) {
        clo_say_problem("not enough memory");
        code = CLO_EXIT_ERROR;
        goto out;
    }
    open_all(p);
out:
    clo_buf_clear(&text);
    cloister_policy_free(p);
    return code;
}
