/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloister policy`: say in plain language what a policy admits (show), or write one (init): from values that the user knows, or from
 * what a live server shows now, which trusts that server on first use. How a server differs from a policy (diff) is policy_diff.c's.
 */
#include "client/commands.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "attest/policy.h"
#include "base/enc.h"
#include "base/secret.h"
#include "client/policy_diff.h"
#include "client/policy_text.h"
#include "client/say.h"
#include "platform/file.h"
#include "platform/process.h"

/* ---- show ---- */

static void show_list(const char *what, const struct clo_policy_list *l)
{
    char hex[129];

    for (size_t i = 0; i < l->count; i++) {
        clo_hex(l->item + i * l->width, l->width, hex);
        printf("  %s %s\n", what, hex);
    }
}

static void show_tcb(const char *what, const struct clo_snp_tcb *t, bool fmc)
{
    printf("    %s: bootloader %u, TEE %u, SNP %u, microcode %u", what, t->bl, t->tee, t->snp,
           t->ucode);
    if (fmc)
        printf(", FMC %u", t->fmc);
    putchar('\n');
}

static void show_snp(const struct clo_policy_snp *s)
{
    for (enum clo_snp_product p = CLO_SNP_MILAN; p < CLO_SNP_PRODUCTS; p++) {
        const struct clo_policy_product *q = &s->product[p];

        if (!q->admitted)
            continue;
        printf("  AMD %s, firmware %u.%u.%u or later\n", clo_snp_product_name(p),
               q->min_firmware.major, q->min_firmware.minor, q->min_firmware.build);
        show_tcb("at least", &q->min_tcb, p == CLO_SNP_TURIN);
        show_tcb("at launch at least", &q->min_launch_tcb, p == CLO_SNP_TURIN);
    }
    printf("  report from privilege level VMPL %u; signed by%s%s keys\n", s->vmpl,
           s->vcek ? " chip (VCEK)" : "", s->vlek ? " provider (VLEK)" : "");
    for (size_t i = 0; i < s->csp_ids.count; i++)
        printf("  provider %s\n", s->csp_ids.text[i]);
    printf("  hyperthreading %s; CXL memory %s; provisional firmware %s; hidden chip id %s\n",
           s->allow_smt ? "allowed" : "refused", s->allow_cxl ? "allowed" : "refused",
           s->allow_provisional ? "allowed" : "refused",
           s->allow_masked_chip ? "allowed" : "refused");
    show_list("chip", &s->chip_ids);
    show_list("host data", &s->host_data);
    show_list("image owner's key", &s->id_keys);
    show_list("author's key", &s->author_keys);
    if (s->min_guest_svn > 0)
        printf("  guest security version %u or later\n", s->min_guest_svn);
}

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

static int show(const char *path)
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
    if (p->measurements.count == 0 || (!p->sev_snp && !p->simulated)) {
        puts("admits NOTHING: it names no kind of machine, or pins no measurement");
        goto out;
    }
    if (p->simulated) {
        puts("admits SIMULATED machines, which protect nothing, with");
        show_list("root certificate", &p->roots);
    } else {
        puts("admits AMD SEV-SNP machines, with");
        show_snp(&p->snp);
    }
    puts("that started exactly");
    show_list("measurement", &p->measurements);
    if (p->devices.min > 0)
        printf("  at least %u verified GPU(s)\n", p->devices.min);
    else
        puts("  GPUs: none asked for");
    puts("\nand of what runs there");
    show_list("model", &p->models);
    if (!p->models.given)
        puts("  any model that the measured image runs");
    if (show_manifests(p, &text) != 0) {
        clo_say_problem("not enough memory");
        code = CLO_EXIT_ERROR;
        goto out;
    }
    for (size_t i = 0; i < p->releases.count; i++)
        printf("  release %s\n", p->releases.text[i]);
    if (!p->releases.given)
        puts("  any release of Cloister");
    printf("  an engine that the measured code did not start itself: %s\n",
           p->allow_unmanaged ? "allowed" : "refused");
    printf("  X25519 without ML-KEM: %s; evidence at most %lld s old\n",
           p->x25519 ? "allowed" : "refused", (long long)p->max_age_s);
    for (size_t i = 0; cloister_policy_replica(p, i) != NULL; i++)
        printf("%s  %s\n", i == 0 ? "\nserved by\n" : "", cloister_policy_replica(p, i));
out:
    clo_buf_clear(&text);
    cloister_policy_free(p);
    return code;
}

/* ---- init ---- */

/* A written policy must be one: found out here, not when it is used. */
static int emit(json_t *doc)
{
    struct clo_buf text = clo_buf_init(CLO_POLICY_MAX);
    int code = CLO_EXIT_ERROR, err;
    char why[256] = {0};

    if ((err = clo_json_write_text(doc, &text)) != 0) {
        clo_say_problem("the policy can't be written: %s", cloister_strerror(err));
    } else if (cloister_policy_check(text.p, text.len, why, sizeof(why)) != 0) {
        clo_say_problem("no policy comes of these values: %s", why);
    } else if ((err = clo_write_all(STDOUT_FILENO, text.p, text.len)) != 0 ||
               (err = clo_write_all(STDOUT_FILENO, "\n", 1)) != 0) {
        clo_say_file("the policy", "written", err);
    } else {
        code = CLO_EXIT_OK;
    }
    clo_buf_clear(&text);
    return code;
}

/* "1.2.3" into numbers 0..255; how many, 0 if it isn't that. */
static size_t dotted(const char *s, uint8_t *ret, size_t cap)
{
    for (size_t n = 0; n < cap; n++) {
        char *end = NULL;
        const unsigned long v = strtoul(s, &end, 10);

        if (end == s || v > 255 || *s < '0' || *s > '9')
            return 0;
        ret[n] = (uint8_t)v;
        if (*end == '\0')
            return n + 1;
        if (*end != '.')
            return 0;
        s = end + 1;
    }
    return 0;
}

static int init_snp(const struct clo_options *o, json_t **ret)
{
    struct clo_policy_want w = {.vmpl = 0, .no_devices = true};
    uint8_t tcb[5] = {0}, firmware[3] = {0};
    const size_t levels = o->min_tcb != NULL ? dotted(o->min_tcb, tcb, 5) : 0;

    for (enum clo_snp_product p = CLO_SNP_MILAN; p < CLO_SNP_PRODUCTS; p++) {
        if (strcasecmp(o->sev_snp, clo_snp_product_name(p)) == 0)
            w.product = p;
    }
    if (w.product == CLO_SNP_UNKNOWN || levels != (w.product == CLO_SNP_TURIN ? 5 : 4) ||
        o->min_firmware == NULL || dotted(o->min_firmware, firmware, 3) != 3) {
        clo_say_problem(
            "--sev-snp takes milan, genoa or turin, and needs --min-tcb "
            "BL.TEE.SNP.UCODE (turin: .FMC) and --min-firmware A.B.C: AMD's security bulletins "
            "tell the levels");
        return CLOISTER_E_ARGUMENT;
    }
    w.tcb = (struct clo_snp_tcb){
        .bl = tcb[0], .tee = tcb[1], .snp = tcb[2], .ucode = tcb[3], .fmc = tcb[4]};
    w.firmware = (struct clo_snp_firmware){firmware[0], firmware[1], firmware[2]};
    w.measurement = o->measurement;
    clo_say_note("GPUs are not asked for (\"devices\": {\"min\": 0}): this version appraises none");
    return clo_policy_text(&w, ret);
}

/* ---- init from what a server shows ---- */

static int shown_policy(const struct clo_shown *s, json_t **ret)
{
    static const uint8_t zero[48];
    struct clo_policy_want w = {
        .measurement = s->measurement,
        .manifest = s->manifest_b64,
        .allow_unmanaged = !s->manifest.managed,
        .no_devices = true,
    };
    char root[65], host_data[65], id_key[97], author_key[97];
    uint8_t digest[32];
    int err;

    if (s->manifest_b64[0] == '\0')
        return CLOISTER_E_LIMIT;
    if (strcmp(s->cpu.type, "simulated") == 0) {
        if (s->cpu.chain_n == 0)
            return CLOISTER_E_MALFORMED;
        if ((err = clo_sha256(s->cpu.chain[s->cpu.chain_n - 1].p,
                              s->cpu.chain[s->cpu.chain_n - 1].len, digest)) != 0)
            return err;
        clo_hex(digest, sizeof(digest), root);
        w.root = root;
        return clo_policy_text(&w, ret);
    }
    w.product = clo_snp_report_product(&s->report);
    w.vmpl = s->report.vmpl;
    w.allow_smt = (s->report.policy & CLO_SNP_POLICY_SMT) != 0;
    w.firmware = s->report.committed;
    if (w.product == CLO_SNP_UNKNOWN)
        return CLOISTER_E_UNSUPPORTED;
    if ((err = clo_snp_tcb_decode(w.product, s->report.reported_tcb, &w.tcb)) != 0)
        return err;
    if (memcmp(s->report.host_data, zero, sizeof(s->report.host_data)) != 0) {
        clo_hex(s->report.host_data, sizeof(s->report.host_data), host_data);
        w.host_data = host_data;
    }
    if (memcmp(s->report.id_key_digest, zero, sizeof(zero)) != 0) {
        clo_hex(s->report.id_key_digest, sizeof(zero), id_key);
        w.id_key = id_key;
    }
    if (memcmp(s->report.author_key_digest, zero, sizeof(zero)) != 0) {
        clo_hex(s->report.author_key_digest, sizeof(zero), author_key);
        w.author_key = author_key;
    }
    return clo_policy_text(&w, ret);
}

/* Pin what is shown, then hold the evidence against that: everything but the pinned values is checked even on first use. */
static int verify_shown(const struct cloister_evidence *e, const struct cloister_nonce *nonce,
                        const json_t *doc, int *code)
{
    struct clo_buf text = clo_buf_init(CLO_POLICY_MAX);
    struct cloister_verdict *v = calloc(1, sizeof(*v));
    struct cloister_policy *p = NULL;
    int err = CLOISTER_E_MEMORY;

    if (v != NULL && (err = clo_json_write_text(doc, &text)) == 0 &&
        (err = cloister_policy_parse(text.p, text.len, &p)) == 0)
        err = cloister_evidence_verify(e, nonce, p, cloister_roots_builtin(), clo_clock_now(), v);
    if (err != 0) {
        clo_say_problem("even a policy that pins what this server shows does not admit it:");
        if (v != NULL) {
            clo_print_verdict(stderr, v, false);
            *code = cloister_verdict_exit(v);
        }
    }
    cloister_policy_free(p);
    clo_buf_clear(&text);
    free(v);
    return err;
}

static int init_from_server(const struct clo_options *o)
{
    struct cloister_evidence *e = NULL;
    struct cloister_nonce nonce = {0};
    struct clo_shown s = {0};
    json_t *doc = NULL;
    bool has_nonce = false;
    int code = CLO_EXIT_ERROR, err;

    if (clo_common_evidence(o, &e, &nonce, &has_nonce, &code) != 0)
        return code;
    if ((err = clo_shown_read(e, &s)) != 0 || (err = shown_policy(&s, &doc)) != 0) {
        clo_say_problem("no policy can be made of this server's evidence: %s",
                        cloister_strerror(err));
        code = err == CLOISTER_E_UNSUPPORTED ? CLO_EXIT_UNSUPPORTED : CLO_EXIT_MALFORMED;
        goto out;
    }
    if (verify_shown(e, &nonce, doc, &code) != 0)
        goto out;
    clo_say_problem(
        "WARNING: this policy trusts what %s shows now. It notices later changes (`cloister policy diff` "
        "tells them), but can't tell whether this image is a good one: compare the measurement with "
        "a source you trust",
        clo_common_url(o));
    if (strcmp(s.cpu.type, "simulated") == 0)
        clo_say_problem("WARNING: " CLO_SIMULATED_WARNING);
    code = emit(doc);
out:
    json_decref(doc);
    clo_shown_clear(&s);
    cloister_evidence_free(e);
    return code;
}

static int init(const struct clo_options *o)
{
    const int sources = o->from_server + (o->root != NULL) + (o->sev_snp != NULL);
    json_t *doc = NULL;
    int code = CLO_EXIT_ERROR;

    if (sources != 1 || (!o->from_server && o->measurement == NULL)) {
        clo_say_problem(
            "policy init takes one of --from-server; --simulated-root HEX --measurement HEX; "
            "--sev-snp PRODUCT --measurement HEX --min-tcb LEVELS --min-firmware VERSION");
        return code;
    }
    if (o->from_server)
        return init_from_server(o);
    if (o->sev_snp != NULL) {
        if (init_snp(o, &doc) != 0)
            return code;
    } else {
        const struct clo_policy_want w = {.root = o->root, .measurement = o->measurement};

        if (clo_policy_text(&w, &doc) != 0) {
            clo_say_problem("not enough memory");
            return code;
        }
        clo_say_problem("WARNING: " CLO_SIMULATED_WARNING);
    }
    code = emit(doc);
    json_decref(doc);
    return code;
}

int clo_command_policy(const struct clo_options *o)
{
    const char *what = o->operands > 0 ? o->operand[0] : "";
    const bool diff = strcmp(what, "diff") == 0;

    if (!diff &&
        (o->evidence != NULL || o->nonce != NULL || o->json || o->accept || o->replace || o->yes)) {
        clo_say_problem(
            "--evidence, --nonce, --json, --accept, --replace and --yes go with `policy diff`");
        return CLO_EXIT_ERROR;
    }
    if (strcmp(what, "show") == 0 && o->operands == 2)
        return show(o->operand[1]);
    if (strcmp(what, "init") == 0 && o->operands == 1)
        return init(o);
    if (diff && o->operands == 1)
        return clo_policy_diff(o);
    clo_say_problem(
        "policy takes `init` with options, `show FILE`, or `diff` with options: see `cloister policy --help`");
    return CLO_EXIT_ERROR;
}
