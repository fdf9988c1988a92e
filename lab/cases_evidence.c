/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cloister's whole evidence: six sections, the hardware's report that binds them, and devices beside it. docs/PROTOCOL.md section 1 says what binds what;
 * docs/POLICY.md, what a policy admits.
 */
#include "lab/lab.h"

#include <stdio.h>
#include <string.h>

#include "base/enc.h"
#include "codec/ohttp.h"
#include "lab/machine.h"
#include "lab/snp.h"
#include "platform/maker.h"

static struct synthetic *vendors;
static struct clo_maker *simulator;

/* ---- making ---- */

struct says {
    const char *id, *title, *basis;
    const char *fail, *missing; /* NULL: none */
    const char *lesson, *flip;
    const char *outcome; /* NULL: what follows from fail and missing */
    char end;
};
/* The last member says to the compiler that those between are left out on purpose. */
#define SAYS(...) (&(const struct says){__VA_ARGS__, .end = 0})

/* One machine. Its report is a recipe's, or the simulator's; all else is a scene's. */
struct whole {
    struct synthetic_scene s;
    struct snp_recipe r;
    bool simulated, no_nonce, no_references;
    bool hardware_policy, other_simulator; /* simulated, under such a policy */
    char *edits[8][2];                     /* of the policy's text: the first becomes the second */
    size_t edits_n;
    bool sound;         /* certificates and collateral come as a real machine's do */
    bool listed, bound; /* sections are made; and the report over them */
};

static struct whole *whole(size_t gpus, size_t switches)
{
    struct whole *w = calloc(1, sizeof *w);

    LAB_MUST(w != NULL);
    synthetic_good(vendors, gpus, switches, &w->s);
    w->r = snp_lab_good();
    return w;
}

/* With nothing wrong: it takes the way of a real machine's evidence. */
static struct whole *sound(size_t gpus, size_t switches)
{
    struct whole *w = whole(gpus, switches);

    w->sound = true;
    return w;
}

static struct whole *simulated(void)
{
    struct whole *w = whole(0, 0);

    w->simulated = true;
    return w;
}

static struct whole *defective(enum synthetic_defect defect)
{
    struct whole *w = whole(2, 0);

    w->s.defect = defect;
    w->s.at = 1;
    return w;
}

static void section_new(struct whole *w, enum clo_section which)
{
    clo_buf_clear(&w->s.sec[which]);
    w->s.sec[which] = clo_buf_init(CLO_SECTION_MAX + 1);
}

static void section_set(struct whole *w, enum clo_section which, const void *p, size_t n)
{
    section_new(w, which);
    LAB_MUST(clo_buf_append(&w->s.sec[which], p, n) == 0);
}

/* Keys, manifest, devices and collateral; and the policy that goes with them. */
static void list(struct whole *w)
{
    if (!w->listed)
        LAB_MUST(synthetic_make(vendors, &w->s) == 0);
    w->listed = true;
}

static void devices_again(struct whole *w)
{
    section_new(w, CLO_SEC_DEVICES);
    LAB_MUST(clo_devices_section_write(&w->s.devices, &w->s.sec[CLO_SEC_DEVICES]) == 0);
}

/* What the vendor's service answers: its own files, as a machine's fetcher gets them. False: this isn't it. */
static bool answer(const struct whole *w, const struct clo_want *want, size_t at,
                   const struct clo_buf chain[CLO_CHAIN_MAX], const struct clo_collateral *own,
                   struct clo_buf *body)
{
    const struct clo_buf *from = NULL;
    struct clo_buf root, no_chain = clo_buf_init(CLO_ANSWER_CHAIN_MAX);

    if (w->simulated) {
        LAB_MUST(simulator->ops->answer(simulator, want, body, &no_chain) == 0);
        clo_buf_clear(&no_chain);
        return true;
    }
    if (want->kind == CLO_WANT_AMD_CHAIN) {
        snp_lab_root(&w->r, &root);
        lab_pem(body, &chain[1]);
        lab_pem(body, &root);
        clo_buf_clear(&root);
        return true;
    }
    if (want->kind == CLO_WANT_NVIDIA_OCSP && at < w->s.collateral.ocsps)
        from = &w->s.collateral.ocsp[at];
    else if (want->kind == CLO_WANT_AMD_VCEK)
        from = &chain[0];
    else if (want->kind == CLO_WANT_AMD_CRL)
        from = &own->crl[0];
    LAB_MUST(from != NULL);
    LAB_MUST(clo_buf_append(body, from->p, from->len) == 0);
    return want->kind != CLO_WANT_NVIDIA_OCSP;
}

/* The devices as their driver gives them: the root comes along. All of it is borrowed. */
static void as_driven(const struct whole *w, struct clo_device device[CLO_DEVICES_MAX],
                      struct clo_devices *ret)
{
    *ret = (struct clo_devices){.count = w->s.devices.count, .device = device};
    for (size_t i = 0; i < ret->count; i++) {
        device[i] = w->s.devices.device[i];
        LAB_MUST(device[i].chain_n < CLO_DEVICE_CHAIN_MAX);
        device[i].chain[device[i].chain_n++] = *synthetic_nvidia_root(vendors);
    }
}

/*
 * Certificates and collateral by the way of a real machine's: what the report and the devices want is asked for, taken, and put together. Of OCSP's
 * answers the one that is about the wanted certificate is taken.
 */
static void gather(const struct whole *w, const struct clo_buf chain[CLO_CHAIN_MAX],
                   const struct clo_collateral *own, struct clo_cpu_section *cpu,
                   struct clo_collateral *ret)
{
    static struct clo_device device[CLO_DEVICES_MAX];
    struct clo_gathered *g = NULL;
    struct clo_wants wants = {0};
    struct clo_devices devices;

    as_driven(w, device, &devices);
    LAB_MUST(clo_gathered_new(&g) == 0);
    LAB_MUST(clo_wants_of(cpu, &devices, &wants) == 0);
    for (size_t i = 0; i < wants.count; i++) {
        int err = CLOISTER_E_MALFORMED;

        for (size_t at = 0; err != 0; at++) {
            struct clo_buf body = clo_buf_init(CLO_ANSWER_MAX);
            const bool it = answer(w, &wants.want[i], at, chain, own, &body);
            const struct clo_answer a = {.body = body.p, .body_n = body.len};
            int64_t until = 0, renew = 0;

            err = clo_gathered_put(g, &wants.want[i], &a, w->s.now, &until, &renew);
            LAB_MUST(err == 0 || (!it && err == CLOISTER_E_MALFORMED));
            clo_buf_clear(&body);
        }
    }
    LAB_MUST(clo_gathered_complete(g, &wants, w->s.now, cpu, ret, NULL) == 0);
    clo_wants_clear(&wants);
    clo_gathered_free(g);
}

/* The machine looks at its own evidence, as it does before it offers keys. */
static void appraise_self(const struct whole *w, const struct clo_cpu_section *cpu,
                          const struct clo_collateral *c, uint8_t digest[3][32],
                          const uint8_t data[64])
{
    enum cloister_check_id check = CLOISTER_CHECK_NO_ID;
    struct cloister_roots *roots = snp_lab_roots(&w->r);
    uint8_t nonce[32];
    int64_t until = 0;
    const struct clo_self self = {.cpu = cpu,
                                  .report_data = data,
                                  .devices = &w->s.devices,
                                  .nonce = nonce,
                                  .collateral = c,
                                  .roots = roots};

    LAB_MUST(cloister_roots_add_nvidia(roots, synthetic_nvidia_root(vendors)->p,
                                       synthetic_nvidia_root(vendors)->len) == 0);
    LAB_MUST(clo_bind_gpu(digest[CLO_SEC_KEYS], digest[CLO_SEC_MANIFEST], nonce) == 0);
    if (clo_self_appraise(&self, w->s.now, &check, &until) != 0)
        lab_cannot(__FILE__, __LINE__, cloister_check_name(check));
    cloister_roots_free(roots);
}

static void copy(const struct clo_buf *from, struct clo_buf *ret)
{
    *ret = clo_buf_init(from->max);
    LAB_MUST(clo_buf_append(ret, from->p, from->len) == 0);
}

/* The report over the sections as they stand, and the recipe's revocation list beside the devices' answers. */
static void bind(struct whole *w)
{
    struct clo_cpu_section cpu = {.type = "sev-snp", .report_n = w->r.report_n};
    struct clo_collateral all = {0};
    struct clo_batch_section batch;
    uint8_t digest[3][32], data[64];

    list(w);
    if (w->bound)
        return;
    w->bound = true;
    for (size_t i = CLO_SEC_KEYS; i <= CLO_SEC_DEVICES; i++)
        LAB_MUST(clo_sha256(w->s.sec[i].p, w->s.sec[i].len, digest[i]) == 0);
    LAB_MUST(clo_batch_make((const uint8_t(*)[32])w->s.nonce, SYNTHETIC_NONCES,
                            SYNTHETIC_NONCES - 1, &batch) == 0);
    LAB_MUST(clo_bind_cpu(batch.root, digest[CLO_SEC_KEYS], digest[CLO_SEC_MANIFEST],
                          digest[CLO_SEC_DEVICES], data) == 0);
    if (w->simulated) {
        LAB_MUST(simulator->ops->report(simulator, data, &cpu) == 0);
        gather(w, NULL, NULL, &cpu, &all);
    } else {
        struct clo_buf chain[CLO_CHAIN_MAX];
        struct clo_collateral own;

        memcpy(w->r.report + 0x050, data, sizeof data);
        snp_lab_chain(&w->r, chain);
        snp_lab_sign(&w->r, cpu.report);
        snp_lab_crl(&w->r, &own);
        if (w->sound) {
            gather(w, chain, &own, &cpu, &all);
            appraise_self(w, &cpu, &all, digest, data);
        } else { /* no machine would put that together */
            for (cpu.chain_n = 0; cpu.chain_n < w->r.chain_n; cpu.chain_n++)
                copy(&chain[cpu.chain_n], &cpu.chain[cpu.chain_n]);
            for (; all.crls < own.crls; all.crls++)
                copy(&own.crl[all.crls], &all.crl[all.crls]);
            for (; all.ocsps < w->s.collateral.ocsps; all.ocsps++)
                copy(&w->s.collateral.ocsp[all.ocsps], &all.ocsp[all.ocsps]);
        }
        for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
            clo_buf_clear(&chain[i]);
        clo_collateral_clear(&own);
    }
    section_new(w, CLO_SEC_BATCH);
    section_new(w, CLO_SEC_CPU);
    section_new(w, CLO_SEC_COLLATERAL);
    LAB_MUST(clo_batch_section_write(&batch, &w->s.sec[CLO_SEC_BATCH]) == 0);
    LAB_MUST(clo_cpu_section_write(&cpu, &w->s.sec[CLO_SEC_CPU]) == 0);
    LAB_MUST(clo_collateral_write(&all, &w->s.sec[CLO_SEC_COLLATERAL]) == 0);
    clo_collateral_clear(&all);
    clo_cpu_section_clear(&cpu);
}

/* In a finished section the first `from` becomes `to`. */
static void section_edit(struct whole *w, enum clo_section which, const char *from, const char *to)
{
    struct clo_buf *b = &w->s.sec[which], edited = clo_buf_init(CLO_SECTION_MAX + 1);
    const uint8_t *at;
    size_t head;

    bind(w);
    LAB_MUST((at = memmem(b->p, b->len, from, strlen(from))) != NULL);
    head = (size_t)(at - b->p);
    LAB_MUST(clo_buf_append(&edited, b->p, head) == 0);
    LAB_MUST(clo_buf_append(&edited, to, strlen(to)) == 0);
    LAB_MUST(clo_buf_append(&edited, at + strlen(from), b->len - head - strlen(from)) == 0);
    clo_buf_clear(b);
    *b = edited;
}

static void section_take(struct whole *w, struct whole *from, enum clo_section which)
{
    section_set(w, which, from->s.sec[which].p, from->s.sec[which].len);
}

static void policy_edit(struct whole *w, const char *from, const char *to)
{
    LAB_MUST(w->edits_n < CLO_ARRAY_LEN(w->edits));
    LAB_MUST((w->edits[w->edits_n][0] = strdup(from)) != NULL);
    LAB_MUST((w->edits[w->edits_n][1] = strdup(to)) != NULL);
    w->edits_n++;
}

/* A member more. */
static void policy_add(struct whole *w, const char *member)
{
    char to[2048];

    LAB_MUST((size_t)snprintf(to, sizeof to, "%s,'devices'", member) < sizeof to);
    policy_edit(w, "'devices'", to);
}

/* The scene's, or the recipe's where there is no device, or the simulator's: with ' for ". */
static char *policy_text(const struct whole *w)
{
    char own[512], hex_root[65], hex_measurement[97];
    uint8_t root[32], measurement[48];
    const char *from = w->r.policy;
    char *text;

    if (w->simulated && !w->hardware_policy) {
        clo_maker_simulated_info(simulator, root, measurement);
        root[0] ^= (uint8_t)w->other_simulator;
        clo_hex(root, sizeof root, hex_root);
        clo_hex(measurement, sizeof measurement, hex_measurement);
        (void)snprintf(own, sizeof own,
                       "{'v':1,'name':'simulated','tee':['simulated'],'measurements':['%s'],"
                       "'simulated':{'roots':['%s']},'devices':{'min':0}}",
                       hex_measurement, hex_root);
        from = own;
    } else if (w->s.gpus + w->s.switches + w->s.policy_gpus + w->s.policy_switches > 0) {
        from = (const char *)w->s.policy.p;
    }
    LAB_MUST((text = strdup(from)) != NULL);
    for (char *c = text; *c != '\0'; c++)
        if (*c == '"')
            *c = '\'';
    if (w->no_references) { /* the policy's last member */
        char *at = strstr(text, ",'reference_values'");

        LAB_MUST(at != NULL);
        memcpy(at, "}}", 3);
    }
    for (size_t i = 0; i < w->edits_n; i++) {
        const char *at = strstr(text, w->edits[i][0]);
        char *edited;
        int n;

        if (at == NULL)
            lab_cannot(__FILE__, __LINE__, w->edits[i][0]);
        n = asprintf(&edited, "%.*s%s%s", (int)(at - text), text, w->edits[i][1],
                     at + strlen(w->edits[i][0]));
        LAB_MUST(n >= 0);
        free(text);
        text = edited;
    }
    return text;
}

static void whole_free(struct whole *w)
{
    synthetic_clear(&w->s);
    for (size_t i = 0; i < w->edits_n; i++) {
        free(w->edits[i][0]);
        free(w->edits[i][1]);
    }
    free(w);
}

/* by_digest: this section isn't there but for its digest; CLO_SEC_COUNT: all are. */
static void emit_without(struct lab *l, struct whole *w, enum clo_section by_digest,
                         const struct says *s)
{
    struct clo_section_ref ref[CLO_SEC_COUNT] = {0};
    struct clo_buf doc = clo_buf_init(CLOISTER_EVIDENCE_MAX), root;
    uint8_t digest[32];
    char *policy;
    struct lab_case c = {
        .id = s->id,
        .format = "evidence",
        .title = s->title,
        .basis = s->basis,
        .lesson = s->lesson,
        .flip = s->flip,
        .outcome = s->outcome != NULL   ? s->outcome
                   : s->fail != NULL    ? "refused"
                   : s->missing != NULL ? "indeterminate"
                                        : "verified",
        .fail = s->fail,
        .missing = s->missing,
    };

    bind(w);
    c.now = w->s.now;
    for (unsigned i = 0; i < CLO_SEC_COUNT; i++) {
        ref[i] = (struct clo_section_ref){.p = w->s.sec[i].p, .n = w->s.sec[i].len};
        if (i != by_digest)
            continue;
        LAB_MUST(clo_sha256(w->s.sec[i].p, w->s.sec[i].len, digest) == 0);
        ref[i] = (struct clo_section_ref){.digest = digest};
    }
    LAB_MUST(clo_evidence_write(ref, &doc) == 0);
    lab_document(&c, doc.p, doc.len, w->no_nonce ? NULL : w->s.ours.bytes, w->s.ours.sent_at);
    clo_buf_clear(&doc);
    c.policy = policy = policy_text(w);
    if (!w->simulated && !w->r.no_root) {
        snp_lab_root(&w->r, &root);
        lab_root(&c,
                 strcmp(w->r.product, "Milan") == 0   ? LAB_ROOT_MILAN
                 : strcmp(w->r.product, "Turin") == 0 ? LAB_ROOT_TURIN
                                                      : LAB_ROOT_GENOA,
                 root.p, root.len);
        clo_buf_clear(&root);
    }
    if (w->s.gpus + w->s.switches > 0)
        lab_root(&c, LAB_ROOT_NVIDIA, synthetic_nvidia_root(vendors)->p,
                 synthetic_nvidia_root(vendors)->len);
    lab_emit(l, &c);
    free(policy);
    whole_free(w);
}

static void emit(struct lab *l, struct whole *w, const struct says *s)
{
    emit_without(l, w, CLO_SEC_COUNT, s);
}

/* ---- what can't be judged when something else is wrong ---- */

#define LEVELS "snp.tcb_order snp.tcb_provisional snp.tcb_min snp.tcb_launch "
#define GUEST_                                                                      \
    "snp.policy_abi snp.debug snp.migration snp.smt snp.guest_policy snp.platform " \
    "snp.vmpl snp.measurement snp.host_data snp.id_key snp.author_key snp.guest_svn "
#define GUEST      "snp.mitigation " GUEST_
#define STATEMENTS LEVELS "snp.firmware_min " GUEST
#define TIES       "snp.product snp.signing_key snp.chip snp.cert_tcb "
#define REVOCATION "snp.crl snp.crl_dates snp.revoked "
/* What the sections say is nobody's word before the report covers them. */
#define MANIFEST "manifest.upstream manifest.managed manifest.shape"
#define SECTIONS "epoch.time freshness.nonce keys.suite " MANIFEST
/* Without AMD's word for the report. */
#define UNSIGNED "binding.report_data " SECTIONS " " TIES STATEMENTS
#define COMMON                                                                        \
    "policy.type policy.measurements epoch.time freshness.nonce binding.report_data " \
    "keys.suite manifest.model manifest.upstream manifest.managed manifest.release "  \
    "manifest.pinned manifest.engine manifest.shape devices.count devices.appraised "
#define SNP                                                                              \
    "snp.format snp.version snp.signature_algo snp.reserved snp.chain_present snp.root " \
    "snp.chain snp.chain_dates snp.signature " REVOCATION TIES STATEMENTS
#define GPU                                                                             \
    "gpu.format gpu.architecture gpu.chain_present gpu.root gpu.chain gpu.chain_dates " \
    "gpu.identity gpu.ocsp gpu.ocsp_dates gpu.revoked gpu.signature gpu.nonce "         \
    "gpu.distinct gpu.driver gpu.vbios gpu.reference gpu.measurements gpu.mode "        \
    "gpu.debug gpu.switches "
/* What a device says, and only its own key vouches for. */
#define GPU_SAYS                                                                      \
    "gpu.architecture gpu.nonce gpu.driver gpu.vbios gpu.reference gpu.measurements " \
    "gpu.mode gpu.debug "

/* What isn't known of a device whose key nothing vouches for, or whose report can't be read. */
#define STRANGER "devices.count gpu.identity gpu.distinct " GPU_SAYS
#define BINDING \
    "docs/PROTOCOL.md section 1.4: the report covers batch root, keys, manifest and devices"
#define PROTOCOL    "docs/PROTOCOL.md section "
#define POLICY      "docs/POLICY.md: "
#define GPU_BINDING "docs/PROTOCOL.md section 1.4: a device's nonce is made of keys and manifest"

/* ---- what is right ---- */

static void good(struct lab *l)
{
    struct whole *w = sound(0, 0);

    emit(l, w, SAYS("evidence-good", "SEV-SNP without a GPU: nothing is wrong", BINDING));
    w = sound(0, 0);
    w->r = snp_lab_milan();
    emit(l, w, SAYS("evidence-good-milan", "The same on a Milan", BINDING));
    emit(l, sound(1, 0), SAYS("evidence-good-gpu", "SEV-SNP with one GPU", GPU_BINDING));
    emit(l, sound(2, 0), SAYS("evidence-good-gpus", "SEV-SNP with two GPUs", GPU_BINDING));
    emit(l, sound(8, 4),
         SAYS("evidence-good-gpus-switches", "SEV-SNP with eight GPUs behind four switches",
              GPU_BINDING));
    w = sound(2, 0);
    w->s.delegated = true;
    emit(l, w,
         SAYS("evidence-good-delegated-answers",
              "Revocation answers are signed by a responder that the issuer named",
              "RFC 6960 section 4.2.2.2"));
    emit(l, simulated(),
         SAYS("evidence-good-simulated", "The simulator's, under a policy that names the simulator",
              POLICY "simulated"));
    w = whole(0, 0);
    w->no_nonce = true;
    emit(l, w,
         SAYS("evidence-good-saved", "A saved file: nobody asks whether it is fresh",
              "docs/LAB.md: nonce"));
    w = whole(0, 0);
    memcpy(w->s.manifest.upstream, "loopback", 9);
    emit(l, w,
         SAYS("evidence-good-loopback", "The engine is reached through loopback", PROTOCOL "1.2"));
    w = whole(0, 0);
    w->s.manifest.managed = false;
    policy_add(w, "'allow_unmanaged':true");
    emit(l, w,
         SAYS("evidence-good-unmanaged", "The policy allows an engine that Cloister didn't start",
              POLICY "allow_unmanaged"));
    w = whole(0, 0);
    policy_add(w, "'models':['2222222222222222222222222222222222222222222222222222222222222222'],"
                  "'releases':['0.2.0','0.1.0'],'engines':['x 1','llama-server b1']");
    emit(l, w,
         SAYS("evidence-good-listed", "The policy lists model, release and engine",
              POLICY "models, releases, engines"));
}

static void good_shapes(struct lab *l)
{
    struct whole *w = whole(0, 0);

    w->s.manifest.shape = CLO_SHAPING_SIZE;
    policy_add(w, "'shape':'size'");
    emit(l, w,
         SAYS("evidence-good-shape-size", "Answers are padded, and the policy wants no more",
              POLICY "shape"));
    w = whole(0, 0);
    w->s.manifest.shape = CLO_SHAPING_OFF;
    policy_add(w, "'shape':'off'");
    emit(l, w,
         SAYS("evidence-good-shape-off", "The traffic has no shape, and the policy wants none",
              POLICY "shape"));
    w = whole(0, 0);
    policy_add(w, "'shape':'off'");
    emit(l, w,
         SAYS("evidence-good-shape-more", "The traffic's shape hides more than the policy wants",
              POLICY "shape"));
}

static void good_edges(struct lab *l)
{
    struct whole *w = whole(0, 0);

    w->s.now = w->s.ours.sent_at = w->s.keys.expires - 121;
    emit(l, w,
         SAYS("evidence-good-epoch-end", "The keys' epoch is about to end, and hasn't yet",
              PROTOCOL "1.5: valid_until is two minutes before it ends"));
    w = whole(0, 0);
    w->s.now = w->s.ours.sent_at = w->s.keys.created - 300;
    emit(l, w,
         SAYS("evidence-good-clock-behind", "The client's clock is five minutes behind",
              PROTOCOL "1.5, step 3"));
    w = whole(0, 0);
    w->s.keys.expires = w->s.keys.created + 86400;
    emit(l, w, SAYS("evidence-good-epoch-day", "An epoch of a whole day", POLICY "max_lifetime_s"));
    w = whole(0, 0);
    w->s.ours.sent_at = w->s.now - 3599;
    emit(l, w,
         SAYS("evidence-good-nonce-hour", "The nonce was sent almost an hour ago",
              POLICY "max_age_s"));
    w = whole(1, 0);
    w->s.defect = SYNTHETIC_NO_ANSWERS;
    policy_add(w, "'revocation':'if-present'");
    emit(l, w,
         SAYS("evidence-good-no-answers-wanted", "No revocation answer, and the policy wants none",
              POLICY "revocation"));
}

/* The manifest's bytes, as a policy pins them. */
static void pin_manifest(struct whole *w)
{
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);
    char b64[1024], member[1200];

    LAB_MUST(clo_manifest_write(&w->s.manifest, &b) == 0);
    LAB_MUST(CLO_B64_LEN(b.len) < sizeof b64);
    clo_b64(b.p, b.len, b64);
    (void)snprintf(member, sizeof member, "'manifests':['%s']", b64);
    policy_add(w, member);
    clo_buf_clear(&b);
}

/* ---- the document and its sections ---- */

static void document(struct lab *l)
{
    static const struct {
        const char *id, *title;
        enum clo_section which;
        const char *missing;
    } gone[] = {
        {"evidence-no-keys", "The keys came by digest only, and were not fetched", CLO_SEC_KEYS,
         "evidence.complete evidence.format " COMMON GPU},
        {"evidence-no-manifest", "The manifest came by digest only, and was not fetched",
         CLO_SEC_MANIFEST, "evidence.complete evidence.format " COMMON GPU},
        {"evidence-no-collateral", "The collateral came by digest only, and was not fetched",
         CLO_SEC_COLLATERAL, "evidence.complete evidence.format " COMMON GPU},
    };
    /* The kind of evidence is known once the cpu section is read, which comes after keys, manifest and devices. */
    static const struct {
        const char *id, *title;
        enum clo_section which;
        const char *from, *to, *missing;
    } broken[] = {
        {"evidence-keys-member", "The keys section has a member that nobody knows", CLO_SEC_KEYS,
         "{\"v\":1", "{\"more\":0,\"v\":1", COMMON GPU},
        {"evidence-keys-twice", "A member stands twice in the keys section", CLO_SEC_KEYS,
         "{\"v\":1", "{\"v\":1,\"v\":1", COMMON GPU},
        {"evidence-manifest-version", "The manifest's version is 2", CLO_SEC_MANIFEST, "{\"v\":1",
         "{\"v\":2", COMMON GPU},
        {"evidence-devices-null", "The list of devices is null", CLO_SEC_DEVICES, "[]", "null",
         COMMON GPU},
        {"evidence-cpu-kind", "The cpu section is of a kind that nobody knows", CLO_SEC_CPU,
         "\"sev-snp\"", "\"sev-snq\"", COMMON GPU},
        {"evidence-cpu-padding", "base64 is padded", CLO_SEC_CPU, "\"chain\":[\"",
         "\"chain\":[\"=", COMMON GPU},
        {"evidence-batch-index", "The batch's index lies beyond its size", CLO_SEC_BATCH,
         "\"index\":2", "\"index\":3", COMMON GPU SNP},
        {"evidence-collateral-trailing", "A byte stands behind the collateral", CLO_SEC_COLLATERAL,
         "]}", "]}x", COMMON GPU SNP},
    };
    /* What another version may mean: nothing is wrong with it, and nothing is known. */
    static const struct {
        const char *id, *title, *from, *to;
    } unknown[] = {
        {"evidence-shape-number", "The manifest promises frames of another size", "\"frame\":512",
         "\"frame\":513"},
        {"evidence-shape-clock", "The manifest promises a clock for two classes of three",
         "\"interval_ms\":50,\"delay_ms\":100", "\"interval_ms\":0,\"delay_ms\":0"},
        {"evidence-shape-class", "The manifest promises a class that the protocol doesn't have",
         "\"shape\":[",
         "\"shape\":[{\"name\":\"slow\",\"frame\":512,\"interval_ms\":99,\"delay_ms\":100,"
         "\"first\":512,\"max\":32768},"},
    };

    for (size_t i = 0; i < CLO_ARRAY_LEN(gone); i++)
        emit_without(l, whole(0, 0), gone[i].which,
                     SAYS(.id = gone[i].id, .title = gone[i].title, .basis = PROTOCOL "1.1",
                          .missing = gone[i].missing, .lesson = "40"));
    for (size_t i = 0; i < CLO_ARRAY_LEN(broken); i++) {
        struct whole *w = whole(0, 0);

        section_edit(w, broken[i].which, broken[i].from, broken[i].to);
        emit(l, w,
             SAYS(.id = broken[i].id, .title = broken[i].title,
                  .basis = PROTOCOL "1.2: strict JSON", .fail = "evidence.format",
                  .missing = broken[i].missing, .outcome = "malformed", .lesson = "47"));
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(unknown); i++) {
        struct whole *w = whole(0, 0);

        section_edit(w, CLO_SEC_MANIFEST, unknown[i].from, unknown[i].to);
        emit(l, w,
             SAYS(.id = unknown[i].id, .title = unknown[i].title,
                  .basis = PROTOCOL "4: the manifest promises exactly these classes, or none",
                  .missing = "evidence.format " COMMON GPU));
    }
}

/* ---- the binding ---- */

static void binding(struct lab *l)
{
    struct whole *w = whole(0, 0), *other;
    struct clo_batch_section batch;

    bind(w);
    other = whole(0, 0);
    other->s.key_seed = 2;
    list(other);
    section_take(w, other, CLO_SEC_KEYS);
    emit(l, w,
         SAYS("evidence-keys-swapped", "Somebody in between shows his own keys", BINDING,
              .fail = "binding.report_data", .missing = SECTIONS, .lesson = "1"));
    w = whole(0, 0);
    bind(w);
    whole_free(other);
    other = whole(0, 0);
    memcpy(other->s.manifest.model, "Same Model", 11);
    list(other);
    section_take(w, other, CLO_SEC_MANIFEST);
    emit(l, w,
         SAYS("evidence-manifest-swapped", "Another machine's manifest", BINDING,
              .fail = "binding.report_data", .missing = SECTIONS, .lesson = "31"));
    whole_free(other);
    w = whole(0, 0);
    section_edit(w, CLO_SEC_KEYS, "{\"v\":1", "{ \"v\":1");
    emit(l, w,
         SAYS("evidence-keys-blank", "The keys section means the same, with a blank more", BINDING,
              .fail = "binding.report_data", .missing = SECTIONS, .lesson = "1 41"));
    w = whole(0, 0);
    section_edit(w, CLO_SEC_KEYS, "0123456789abcdef", "0123456789abcdee");
    emit(l, w,
         SAYS("evidence-gateway-swapped", "The keys section names another gateway path", BINDING,
              .fail = "binding.report_data", .missing = SECTIONS, .lesson = "1"));
    w = whole(0, 0);
    section_edit(w, CLO_SEC_DEVICES, "[]", "[ ]");
    emit(l, w,
         SAYS("evidence-devices-blank", "The devices section means the same, with a blank more",
              BINDING, .fail = "binding.report_data", .missing = SECTIONS, .lesson = "41"));
    w = whole(0, 0);
    bind(w);
    w->s.nonce[0][0] ^= 1;
    LAB_MUST(clo_batch_make((const uint8_t(*)[32])w->s.nonce, SYNTHETIC_NONCES,
                            SYNTHETIC_NONCES - 1, &batch) == 0);
    section_new(w, CLO_SEC_BATCH);
    LAB_MUST(clo_batch_section_write(&batch, &w->s.sec[CLO_SEC_BATCH]) == 0);
    emit(l, w,
         SAYS("evidence-batch-swapped", "A batch with our nonce in it, which no report covers",
              BINDING, .fail = "binding.report_data", .missing = SECTIONS, .lesson = "2"));
    w = whole(0, 0);
    other = whole(0, 0);
    other->s.keys.created -= 3600;
    other->s.keys.expires -= 3600;
    bind(w);
    bind(other);
    section_take(w, other, CLO_SEC_CPU);
    emit(l, w,
         SAYS("evidence-report-earlier",
              "The report of an earlier epoch stands beside today's keys", BINDING,
              .fail = "binding.report_data", .missing = SECTIONS, .lesson = "2 7"));
    whole_free(other);
}

static void freshness(struct lab *l)
{
    struct whole *w = whole(0, 0);
    char *at;

    w->s.ours.bytes[31] ^= 1;
    emit(l, w,
         SAYS("evidence-nonce-other", "Our nonce isn't the one that the report covers",
              PROTOCOL "1.3", .fail = "freshness.nonce", .lesson = "2 7"));
    w = whole(0, 0);
    memcpy(w->s.ours.bytes, w->s.nonce[0], 32);
    emit(l, w,
         SAYS("evidence-nonce-elsewhere",
              "Our nonce is in the batch, at another place than the path's",
              PROTOCOL "1.3: RFC 6962", .fail = "freshness.nonce"));
    w = whole(0, 0);
    memset(w->s.ours.bytes, 0, 32);
    emit(l, w,
         SAYS("evidence-nonce-zero", "Our nonce is all zero, and the batch has none like that",
              PROTOCOL "1.3", .fail = "freshness.nonce", .lesson = "42"));
    w = whole(0, 0);
    w->s.ours.sent_at = w->s.now - 3600;
    emit(l, w,
         SAYS("evidence-nonce-old", "Our nonce was sent an hour ago", POLICY "max_age_s",
              .fail = "freshness.nonce", .lesson = "7 37"));
    w = whole(0, 0);
    w->s.ours.sent_at = w->s.now - 31;
    policy_add(w, "'max_age_s':31");
    emit(l, w,
         SAYS("evidence-nonce-policy-age", "Our nonce is older than the policy allows",
              POLICY "max_age_s", .fail = "freshness.nonce", .lesson = "7"));
    w = whole(0, 0);
    w->s.ours.sent_at = w->s.now + 1;
    emit(l, w,
         SAYS("evidence-nonce-future", "Our nonce was sent in the future", PROTOCOL "1.5",
              .fail = "freshness.nonce"));
    w = whole(0, 0);
    bind(w);
    LAB_MUST((at = memrchr(w->s.sec[CLO_SEC_BATCH].p, '"', w->s.sec[CLO_SEC_BATCH].len)) != NULL);
    at[-10] = at[-10] == '0' ? '1' : '0';
    emit(l, w,
         SAYS("evidence-path-flip", "A node of the path through the batch is another",
              PROTOCOL "1.3: RFC 6962 section 2.1.1", .fail = "freshness.nonce", .flip = "path"));
    w = whole(0, 0);
    section_edit(w, CLO_SEC_BATCH, "\"index\":2", "\"index\":1");
    emit(l, w,
         SAYS("evidence-path-index", "The path's length isn't that of its index and size",
              PROTOCOL "1.3: RFC 6962 section 2.1.1", .fail = "freshness.nonce"));
}

static void epoch(struct lab *l)
{
    struct whole *w = whole(0, 0);

    w->s.now = w->s.ours.sent_at = w->s.keys.expires;
    emit(l, w,
         SAYS("evidence-epoch-ended", "The keys have expired", PROTOCOL "1.5, step 3",
              .fail = "epoch.time", .lesson = "7 37"));
    w = whole(0, 0);
    w->s.now = w->s.ours.sent_at = w->s.keys.expires - 120;
    emit(l, w,
         SAYS("evidence-epoch-ending", "The keys' last two minutes", PROTOCOL "1.5, step 3",
              .fail = "epoch.time", .lesson = "7"));
    w = whole(0, 0);
    w->s.now = w->s.ours.sent_at = w->s.keys.created - 301;
    emit(l, w,
         SAYS("evidence-epoch-future", "The keys are from the future", PROTOCOL "1.5, step 3",
              .fail = "epoch.time"));
    w = whole(0, 0);
    w->s.keys.expires = w->s.keys.created + 86401;
    emit(l, w,
         SAYS("evidence-epoch-long", "An epoch of more than a day", POLICY "max_lifetime_s",
              .fail = "epoch.time"));
    w = whole(0, 0);
    policy_add(w, "'max_lifetime_s':1799");
    emit(l, w,
         SAYS("evidence-epoch-policy", "An epoch longer than the policy allows",
              POLICY "max_lifetime_s", .fail = "epoch.time"));
}

/* ---- keys and manifest ---- */

/* The list of keys anew: a scene's has one X-Wing key for AES-256-GCM. */
static void keys(struct whole *w, const uint16_t (*k)[2], size_t n, bool cut)
{
    struct clo_ohttp_keyconf conf[3] = {{0}};
    struct clo_wr wr = clo_wr_init(w->s.keys.ohttp_keys, sizeof w->s.keys.ohttp_keys);

    list(w);
    for (size_t i = 0; i < n; i++) {
        const uint8_t seed[32] = {(uint8_t)(i + 1), 1, 2, 3};

        conf[i] = (struct clo_ohttp_keyconf){
            .key_id = (uint8_t)(i + 1), .kem = k[i][0], .suites = 1};
        conf[i].suite[0].kdf = CLO_KDF_HKDF_SHA256;
        conf[i].suite[0].aead = k[i][1];
        LAB_MUST(clo_kem_public(k[i][0], seed, conf[i].pk) == 0);
    }
    LAB_MUST(clo_ohttp_keys_write(conf, n, &wr) == 0);
    w->s.keys.ohttp_keys_n = wr.len - cut;
    section_new(w, CLO_SEC_KEYS);
    LAB_MUST(clo_keys_section_write(&w->s.keys, &w->s.sec[CLO_SEC_KEYS]) == 0);
}

static void suites(struct lab *l)
{
    static const uint16_t aes128[][2] = {{CLO_KEM_XWING, CLO_AES_128_GCM}},
                          x25519[][2] = {{CLO_KEM_X25519, CLO_AES_256_GCM}},
                          two[][2] = {{CLO_KEM_XWING, CLO_AES_256_GCM},
                                      {CLO_KEM_XWING, CLO_AES_256_GCM}},
                          both[][2] = {{CLO_KEM_XWING, CLO_AES_256_GCM},
                                       {CLO_KEM_X25519, CLO_AES_256_GCM}};
    struct whole *w = whole(0, 0);

    keys(w, aes128, 1, false);
    emit(l, w,
         SAYS("evidence-suite-aes-128",
              "The keys offer AES-128 alone, which the policy doesn't admit", POLICY "aeads",
              .fail = "keys.suite"));
    w = whole(0, 0);
    keys(w, aes128, 1, false);
    policy_add(w, "'aeads':['aes-128-gcm']");
    emit(l, w,
         SAYS("evidence-good-suite-aes-128",
              "The keys offer AES-128 alone, and the policy admits it", POLICY "aeads"));
    w = whole(0, 0);
    w->s.manifest.x25519 = true;
    keys(w, x25519, 1, false);
    emit(l, w,
         SAYS("evidence-suite-x25519",
              "The keys offer X25519 alone, which the policy doesn't admit", POLICY "kems",
              .fail = "keys.suite", .lesson = "30"));
    w = whole(0, 0);
    w->s.manifest.x25519 = true;
    keys(w, both, 2, false);
    policy_add(w, "'kems':['x-wing','x25519']");
    emit(l, w,
         SAYS("evidence-good-suite-x25519", "X25519 beside X-Wing, as manifest and policy say",
              POLICY "kems"));
    w = whole(0, 0);
    keys(w, both, 2, false);
    policy_add(w, "'kems':['x-wing','x25519']");
    emit(l, w,
         SAYS("evidence-suite-not-in-manifest", "An X25519 key that the manifest doesn't name",
              PROTOCOL "1.2", .fail = "keys.suite", .lesson = "30"));
    w = whole(0, 0);
    keys(w, two, 2, false);
    emit(l, w,
         SAYS("evidence-suite-two-keys",
              "Two keys of one kind: whoever chooses tells clients apart", PROTOCOL "1.2",
              .fail = "keys.suite"));
    w = whole(0, 0);
    keys(w, two, 1, true);
    emit(l, w,
         SAYS("evidence-suite-cut", "The list of keys lacks its last byte", "RFC 9458 section 3",
              .fail = "keys.suite"));
}

#define ZERO_32 "0000000000000000000000000000000000000000000000000000000000000000"

static void manifest(struct lab *l)
{
    struct whole *w = whole(0, 0);

    policy_add(w, "'models':[]");
    emit(l, w,
         SAYS("evidence-model-none", "The policy lists models, and none stands there",
              POLICY "models", .fail = "manifest.model", .lesson = "26 40"));
    w = whole(0, 0);
    policy_add(w, "'models':['2222222222222222222222222222222222222222222222222222222222222223']");
    emit(l, w,
         SAYS("evidence-model-other", "The policy lists another model", POLICY "models",
              .fail = "manifest.model"));
    w = whole(0, 0);
    w->s.manifest.managed = false;
    policy_add(w, "'allow_unmanaged':true,'models':['" ZERO_32 "']");
    emit(l, w,
         SAYS("evidence-model-unmanaged",
              "An engine that Cloister didn't start names no model, and zeros are listed",
              POLICY "models", .fail = "manifest.model", .lesson = "42"));
    w = whole(0, 0);
    memcpy(w->s.manifest.upstream, "https://elsewhere", 18);
    emit(l, w,
         SAYS("evidence-upstream", "Inference happens elsewhere: text leaves the machine",
              PROTOCOL "1.2", .fail = "manifest.upstream", .lesson = "32"));
    w = whole(0, 0);
    w->s.manifest.managed = false;
    emit(l, w,
         SAYS("evidence-unmanaged", "An engine that Cloister didn't start",
              POLICY "allow_unmanaged", .fail = "manifest.managed"));
    w = whole(0, 0);
    policy_add(w, "'releases':['0.2.0']");
    emit(l, w,
         SAYS("evidence-release", "The policy lists another release", POLICY "releases",
              .fail = "manifest.release"));
    w = whole(0, 0);
    policy_add(w, "'engines':['llama-server b2']");
    emit(l, w,
         SAYS("evidence-engine", "The policy lists another version of the engine", POLICY "engines",
              .fail = "manifest.engine"));
    w = whole(0, 0);
    w->s.manifest.shape = CLO_SHAPING_OFF;
    emit(l, w,
         SAYS("evidence-shape-off",
              "The traffic has no shape, and the policy says nothing about it", POLICY "shape",
              .fail = "manifest.shape"));
    w = whole(0, 0);
    w->s.manifest.shape = CLO_SHAPING_SIZE;
    policy_add(w, "'shape':'full'");
    emit(l, w,
         SAYS("evidence-shape-size", "Answers are padded, and the policy wants a clock as well",
              POLICY "shape", .fail = "manifest.shape"));
    w = whole(0, 0);
    policy_add(w, "'manifests':[]");
    emit(l, w,
         SAYS("evidence-manifest-none-pinned", "The policy pins manifests, and none stands there",
              POLICY "manifests", .fail = "manifest.pinned", .lesson = "26 40"));
    w = whole(0, 0);
    pin_manifest(w);
    emit(
        l, w,
        SAYS("evidence-good-manifest-pinned", "The policy pins this manifest", POLICY "manifests"));
    w = whole(0, 0);
    pin_manifest(w);
    w->s.manifest.slots++;
    emit(l, w,
         SAYS("evidence-manifest-other-limit", "One limit differs from the pinned manifest's",
              POLICY "manifests", .fail = "manifest.pinned", .lesson = "18"));
    w = whole(0, 0);
    pin_manifest(w);
    w->r.report[0x90] ^= 1;
    emit(l, w,
         SAYS("evidence-manifest-unmeasured",
              "The pinned manifest, shown by an image that isn't pinned", PROTOCOL "1.5, step 8",
              .fail = "snp.measurement", .missing = MANIFEST " manifest.pinned", .lesson = "31"));
}

/* ---- policies ---- */

static void policies(struct lab *l)
{
    struct whole *w = whole(0, 0);

    policy_edit(w, "'measurements':['" SNP_LAB_MEASUREMENT "'],", "");
    emit(l, w,
         SAYS("evidence-policy-no-image", "The policy pins no image", POLICY "measurements",
              .fail = "policy.measurements snp.measurement", .missing = MANIFEST,
              .lesson = "26 31 40"));
    w = whole(0, 0);
    (void)snprintf(w->r.policy, sizeof w->r.policy, "{'v':1,'name':'','tee':[]}");
    emit(l, w,
         SAYS("evidence-policy-empty", "The empty policy accepts nothing", "docs/POLICY.md",
              .fail = "policy.type policy.measurements devices.count",
              .missing = "binding.report_data " SECTIONS " devices.appraised " SNP GPU,
              .lesson = "5 26"));
    w = whole(0, 0);
    policy_edit(w, "'sev-snp'", "'sev-snp-azure'");
    policy_add(w, "'azure':{},'tpm':{'pcrs':[]}");
    emit(l, w,
         SAYS("evidence-policy-azure", "The policy admits SEV-SNP on Azure only", POLICY "tee",
              .fail = "policy.type", .missing = "binding.report_data " SECTIONS " " SNP));
    w = simulated();
    w->hardware_policy = true;
    emit(l, w,
         SAYS("evidence-simulated-hardware-policy",
              "The simulator's, under a policy that names hardware", POLICY "tee",
              .fail = "policy.type", .missing = "binding.report_data " SECTIONS " " SNP,
              .lesson = "46"));
    w = simulated();
    policy_edit(w, "'roots':['", "'roots':['" ZERO_32 "','");
    emit(l, w,
         SAYS("evidence-good-simulated-two-roots", "The policy names another simulator besides",
              POLICY "simulated"));
    w = simulated();
    w->other_simulator = true;
    emit(l, w,
         SAYS("evidence-simulated-other-root", "The policy names another simulator",
              POLICY "simulated", .fail = "snp.root",
              .missing = "snp.signature " REVOCATION "binding.report_data " SECTIONS " " TIES LEVELS
                         "snp.firmware_min " GUEST_));
    w = whole(0, 0);
    (void)snprintf(
        w->r.policy, sizeof w->r.policy,
        "{'v':1,'name':'simulator','tee':['simulated'],'measurements':['" SNP_LAB_MEASUREMENT
        "'],'simulated':{'roots':['" ZERO_32 "']}}");
    emit(l, w,
         SAYS("evidence-policy-simulated",
              "Genuine hardware, under a policy that names the simulator", POLICY "tee",
              .fail = "policy.type", .missing = "binding.report_data " SECTIONS " " SNP));
    w = whole(0, 0);
    policy_add(w, "'roots':[]");
    emit(l, w,
         SAYS("evidence-policy-no-root", "The policy admits no root", POLICY "roots",
              .fail = "snp.root", .missing = "snp.signature " REVOCATION UNSIGNED,
              .lesson = "3 46"));
    w = simulated();
    section_edit(w, CLO_SEC_CPU, "\"simulated\"", "\"sev-snp\"");
    emit(l, w,
         SAYS("evidence-simulated-renamed", "The simulator's evidence calls itself SEV-SNP",
              POLICY "tee", .fail = "policy.type",
              .missing = "binding.report_data " SECTIONS " " SNP, .lesson = "46"));
}

/* ---- the report: each of its checks, here too ---- */

static void version_6(struct snp_recipe *r)
{
    snp_put32(r, 0, 6);
}
static void algo_0(struct snp_recipe *r)
{
    snp_put32(r, 0x34, 0);
}
static void policy_26(struct snp_recipe *r)
{
    r->report[0x00b] |= 4;
}
static void other_product(struct snp_recipe *r)
{
    snp_ext_text(r, SNP_OID("2"), "Milan-B0");
}
static void three_certs(struct snp_recipe *r)
{
    r->chain_n = 3;
}
static void no_certs(struct snp_recipe *r)
{
    r->chain_n = 0;
}
static void strangers_root(struct snp_recipe *r)
{
    r->ask_issuer = snp_lab.stranger;
}
static void strangers_chain(struct snp_recipe *r)
{
    r->leaf_issuer = snp_lab.stranger;
}
static void leaf_ended(struct snp_recipe *r)
{
    r->leaf_to = LAB_NOW - 1;
}
static void crl_none(struct snp_recipe *r)
{
    r->no_crl = true;
}
static void crl_stranger(struct snp_recipe *r)
{
    r->crl_issuer = snp_lab.stranger;
}
static void crl_ended(struct snp_recipe *r)
{
    r->crl_to = LAB_NOW - 1;
}
static void ask_revoked(struct snp_recipe *r)
{
    r->revoked = 131074;
}
static void names_vlek(struct snp_recipe *r)
{
    snp_put32(r, 0x48, 1 << 2);
}
static void other_chip(struct snp_recipe *r)
{
    snp_ext_find(r, SNP_OID("4"))->p[63] ^= 1;
}
static void other_level(struct snp_recipe *r)
{
    snp_ext_int(r, SNP_OID("3.8"), 77);
}
static void other_signer(struct snp_recipe *r)
{
    r->report_signer = snp_lab.stranger_leaf;
}
static void committed_low(struct snp_recipe *r)
{
    snp_put64(r, 0x180, snp_tcb(10, 0, 27, 201));
    snp_ext_int(r, SNP_OID("3.8"), 201);
}
static void provisional(struct snp_recipe *r)
{
    snp_put64(r, 0x038, snp_tcb(10, 0, 27, 201));
}
static void floor_high(struct snp_recipe *r)
{
    snp_policy_edit(r, "'min_tcb':{'bl':10", "'min_tcb':{'bl':11");
}
static void launch_low(struct snp_recipe *r)
{
    snp_put64(r, 0x1f0, snp_tcb(9, 0, 27, 200));
}
static void firmware_high(struct snp_recipe *r)
{
    snp_policy_edit(r, "1.55.43", "1.55.44");
}
static void mitigation_off(struct snp_recipe *r)
{
    snp_put64(r, 0x200, 2);
}
static void abi_low(struct snp_recipe *r)
{
    snp_put64(r, 0x008, 0x3001e);
}
static void debug_on(struct snp_recipe *r)
{
    snp_put64(r, 0x008, 0xb001f);
}
static void migration_on(struct snp_recipe *r)
{
    snp_put64(r, 0x008, 0x7001f);
}
static void smt_refused(struct snp_recipe *r)
{
    snp_policy_edit(r, "'allow_smt':true,", "");
}
static void cxl_on(struct snp_recipe *r)
{
    snp_put64(r, 0x008, 0x23001f);
}
static void no_alias_check(struct snp_recipe *r)
{
    snp_put64(r, 0x040, 0x05);
}
static void vmpl_1(struct snp_recipe *r)
{
    snp_put32(r, 0x030, 1);
}
static void other_image(struct snp_recipe *r)
{
    r->report[0x0bf] ^= 1;
}
static void host_data_set(struct snp_recipe *r)
{
    r->report[0x0df] = 7;
}
static void id_key_set(struct snp_recipe *r)
{
    memset(r->report + 0x0e0, 0x33, 48);
}
static void author_enabled(struct snp_recipe *r)
{
    snp_put32(r, 0x48, 1);
}
static void svn_low(struct snp_recipe *r)
{
    snp_put32(r, 0x004, 2);
}

static void report(struct lab *l)
{
    static const struct {
        const char *id, *title, *basis;
        void (*edit)(struct snp_recipe *r);
        const char *fail, *missing, *lesson;
    } row[] = {
        {"evidence-snp-version", "A report of unknown version", "AMD 56860, VERSION", version_6,
         "snp.version", NULL, NULL},
        {"evidence-snp-algo", "Another signature algorithm", "AMD 56860, SIGNATURE_ALGO", algo_0,
         "snp.signature_algo", NULL, NULL},
        {"evidence-snp-reserved", "A reserved bit of the guest policy", "AMD 56860, POLICY bit 26",
         policy_26, "snp.reserved", NULL, NULL},
        {"evidence-snp-product", "Another product's certificate", "AMD 57230, productName",
         other_product, "snp.product", NULL, NULL},
        {"evidence-snp-three-certificates", "A certificate too many", PROTOCOL "1.2", three_certs,
         "snp.chain_present",
         "snp.root snp.chain snp.chain_dates snp.revoked snp.signature " UNSIGNED, NULL},
        {"evidence-snp-no-certificates", "No certificate came", PROTOCOL "1.2", no_certs, NULL,
         "snp.chain_present snp.root snp.chain snp.chain_dates snp.revoked snp.signature " UNSIGNED,
         "40"},
        {"evidence-snp-root", "A complete chain that somebody made for himself", "AMD 57230, ARK",
         strangers_root, "snp.root", "snp.signature " UNSIGNED, "3 46"},
        {"evidence-snp-chain", "The intermediate didn't sign the report key's certificate",
         "RFC 5280 section 6.1.3", strangers_chain, "snp.chain", "snp.signature " UNSIGNED, NULL},
        {"evidence-snp-dates", "The report key's certificate has expired", "RFC 5280 section 6.1.3",
         leaf_ended, "snp.chain_dates", NULL, "44"},
        {"evidence-snp-no-crl", "No revocation list came", POLICY "revocation", crl_none, NULL,
         REVOCATION, "40"},
        {"evidence-snp-crl-stranger", "Somebody else signed the revocation list",
         "RFC 5280 section 6.3.3", crl_stranger, "snp.crl", "snp.crl_dates snp.revoked", NULL},
        {"evidence-snp-crl-expired", "The revocation list has expired", "RFC 5280 section 6.3.3",
         crl_ended, "snp.crl_dates", NULL, "37 44"},
        {"evidence-snp-revoked", "The intermediate is revoked", "RFC 5280 section 6.3.3",
         ask_revoked, "snp.revoked", NULL, NULL},
        {"evidence-snp-key-kind", "The report names another kind of key", "AMD 56860, SIGNING_KEY",
         names_vlek, "snp.signing_key", NULL, NULL},
        {"evidence-snp-chip", "Another chip's certificate", "AMD 57230, hwID", other_chip,
         "snp.chip", NULL, "43"},
        {"evidence-snp-cert-tcb", "Another firmware level's certificate", "AMD 57230, ucodeSPL",
         other_level, "snp.cert_tcb", NULL, "17"},
        {"evidence-snp-signature", "Another key signed the report", "AMD 56860, SIGNATURE",
         other_signer, "snp.signature", UNSIGNED, "39"},
        {"evidence-snp-order", "REPORTED_TCB is above COMMITTED_TCB", "AMD 56860, TCB_VERSION",
         committed_low, "snp.tcb_order", NULL, NULL},
        {"evidence-snp-provisional", "Provisional firmware runs", "AMD 56860, SNP_COMMIT",
         provisional, "snp.tcb_provisional", NULL, NULL},
        {"evidence-snp-tcb-min", "Firmware below the floor", POLICY "min_tcb", floor_high,
         "snp.tcb_min", NULL, "45"},
        {"evidence-snp-tcb-launch", "Firmware at launch below the floor", POLICY "min_launch_tcb",
         launch_low, "snp.tcb_launch", NULL, NULL},
        {"evidence-snp-firmware", "Firmware's version below the floor", POLICY "min_firmware",
         firmware_high, "snp.firmware_min", NULL, NULL},
        {"evidence-snp-mitigation", "A mitigation isn't active", POLICY "mitigations",
         mitigation_off, "snp.mitigation", NULL, NULL},
        {"evidence-snp-abi", "The guest's ABI floor is too low", POLICY "min_abi", abi_low,
         "snp.policy_abi", NULL, NULL},
        {"evidence-snp-debug", "The host may debug the guest", "AMD 56860, POLICY bit 19", debug_on,
         "snp.debug", NULL, "6 45"},
        {"evidence-snp-migration", "A migration agent", "AMD 56860, POLICY bit 18", migration_on,
         "snp.migration", NULL, NULL},
        {"evidence-snp-smt", "SMT is on", POLICY "allow_smt", smt_refused, "snp.smt", NULL, NULL},
        {"evidence-snp-cxl", "Memory behind CXL may be used", POLICY "allow_cxl", cxl_on,
         "snp.guest_policy", NULL, NULL},
        {"evidence-snp-platform", "Aliasing wasn't checked", POLICY "require_platform",
         no_alias_check, "snp.platform", NULL, NULL},
        {"evidence-snp-vmpl", "The report comes from VMPL 1", POLICY "vmpl", vmpl_1, "snp.vmpl",
         NULL, NULL},
        {"evidence-snp-measurement", "Another image was started", POLICY "measurements",
         other_image, "snp.measurement", MANIFEST, "31"},
        {"evidence-snp-host-data", "HOST_DATA is set", POLICY "host_data", host_data_set,
         "snp.host_data", NULL, NULL},
        {"evidence-snp-id-key", "An owner's key that isn't listed", POLICY "id_keys", id_key_set,
         "snp.id_key", NULL, NULL},
        {"evidence-snp-author-key", "An author's key without an author", "AMD 56860, AUTHOR_KEY_EN",
         author_enabled, "snp.author_key", NULL, NULL},
        {"evidence-snp-guest-svn", "GUEST_SVN is below the floor", POLICY "min_guest_svn", svn_low,
         "snp.guest_svn", NULL, NULL},
    };

    struct whole *w;
    uint8_t *at;
    size_t n;

    for (size_t i = 0; i < CLO_ARRAY_LEN(row); i++) {
        w = whole(0, 0);
        row[i].edit(&w->r);
        emit(l, w,
             SAYS(.id = row[i].id, .title = row[i].title, .basis = row[i].basis,
                  .fail = row[i].fail, .missing = row[i].missing, .lesson = row[i].lesson));
    }
    w = whole(0, 0);
    bind(w);
    at = memmem(w->s.sec[CLO_SEC_CPU].p, w->s.sec[CLO_SEC_CPU].len, "\",\"chain\"", 9);
    LAB_MUST(at != NULL);
    n = (size_t)(at - w->s.sec[CLO_SEC_CPU].p);
    memmove(w->s.sec[CLO_SEC_CPU].p + n - 3, at, w->s.sec[CLO_SEC_CPU].len - n);
    w->s.sec[CLO_SEC_CPU].len -= 3;
    emit(
        l, w,
        SAYS("evidence-snp-format", "The report lacks its last two bytes", "AMD 56860, 1184 bytes",
             .fail = "snp.format",
             .missing =
                 "snp.version snp.signature_algo snp.reserved snp.chain_present snp.root snp.chain "
                 "snp.chain_dates snp.signature " REVOCATION UNSIGNED));
}

/* ---- devices ---- */

static void foreign(struct lab *l)
{
    struct whole *w = whole(1, 0), *other = whole(1, 0);

    other->s.key_seed = 2;
    other->s.first_gpu = 3;
    list(w);
    list(other);
    section_take(w, other, CLO_SEC_DEVICES);
    clo_collateral_clear(&w->s.collateral);
    w->s.collateral = other->s.collateral;
    other->s.collateral = (struct clo_collateral){0};
    emit(l, w,
         SAYS("evidence-gpu-foreign",
              "A genuine GPU of another machine, which this machine binds as its own", GPU_BINDING,
              .fail = "devices.appraised gpu.nonce", .lesson = "2 55"));
    whole_free(other);
    w = whole(1, 0);
    other = whole(1, 0);
    other->s.keys.created -= 1800;
    other->s.keys.expires -= 1800;
    list(w);
    list(other);
    section_take(w, other, CLO_SEC_DEVICES);
    emit(l, w,
         SAYS("evidence-gpu-earlier", "The GPU's report of the epoch before", GPU_BINDING,
              .fail = "devices.appraised gpu.nonce", .lesson = "2 7"));
    whole_free(other);
    w = whole(1, 0);
    other = whole(1, 0);
    memcpy(other->s.manifest.model, "Same Model", 11);
    list(w);
    list(other);
    section_take(w, other, CLO_SEC_DEVICES);
    emit(l, w,
         SAYS("evidence-gpu-other-manifest", "The GPU's report was made under another manifest",
              GPU_BINDING, .fail = "devices.appraised gpu.nonce"));
    whole_free(other);
    emit(l, defective(SYNTHETIC_OTHER_NONCE),
         SAYS("evidence-gpu-relayed", "One of two GPUs is somebody else's", GPU_BINDING,
              .fail = "devices.appraised gpu.nonce", .lesson = "2 55"));
    w = whole(1, 0);
    other = whole(1, 0);
    other->s.first_gpu = 5;
    bind(w);
    bind(other);
    section_take(w, other, CLO_SEC_DEVICES);
    section_take(w, other, CLO_SEC_COLLATERAL);
    section_set(w, CLO_SEC_COLLATERAL, other->s.sec[CLO_SEC_COLLATERAL].p,
                other->s.sec[CLO_SEC_COLLATERAL].len);
    emit(l, w,
         SAYS("evidence-gpu-not-covered",
              "Another GPU that knows these keys, which the report doesn't cover", BINDING,
              .fail = "binding.report_data", .missing = SECTIONS " devices.appraised",
              .lesson = "55"));
    whole_free(other);
}

static void counts(struct lab *l)
{
    static const char none[] = "{\"v\":1,\"devices\":[]}";
    static const struct {
        const char *id, *title;
        enum synthetic_defect defect;
    } row[] = {
        {"evidence-switch-other", "A GPU is connected to another switch than one that is listed",
         SYNTHETIC_OTHER_SWITCH},
        {"evidence-switch-unlisted", "A GPU is connected to a switch that isn't listed",
         SYNTHETIC_MORE_SWITCHES},
        {"evidence-switch-absent", "A switch that is listed isn't at one of the GPUs",
         SYNTHETIC_FEWER_SWITCHES},
    };
    struct whole *w = whole(1, 0);

    bind(w);
    section_set(w, CLO_SEC_DEVICES, none, strlen(none));
    emit(l, w,
         SAYS("evidence-gpu-hidden", "The list was emptied behind the report's back", BINDING,
              .fail = "binding.report_data devices.count",
              .missing = SECTIONS " devices.appraised " GPU, .lesson = "5"));
    w = whole(1, 0);
    w->s.policy_gpus = 2;
    emit(l, w,
         SAYS("evidence-gpu-too-few", "The policy wants two GPUs, and there is one",
              POLICY "devices, min", .fail = "devices.count", .lesson = "5"));
    w = whole(0, 0);
    w->s.policy_gpus = 1;
    emit(l, w,
         SAYS("evidence-gpu-none", "The policy wants a GPU, and there is none",
              POLICY "devices, min", .fail = "devices.count", .missing = "devices.appraised " GPU,
              .lesson = "5"));
    w = whole(0, 0);
    policy_edit(w, ",'devices':{'min':0}", "");
    emit(l, w,
         SAYS("evidence-gpu-default", "A policy that says nothing of GPUs wants one",
              POLICY "devices", .fail = "devices.count", .missing = "devices.appraised " GPU,
              .lesson = "5 40"));
    w = whole(2, 0);
    w->s.policy_gpus = 1;
    emit(l, w,
         SAYS("evidence-gpu-too-many", "The policy wants one GPU, and there are two",
              POLICY "devices, max", .fail = "devices.count"));
    w = whole(2, 0);
    w->s.defect = SYNTHETIC_TWICE;
    emit(l, w,
         SAYS("evidence-gpu-twice", "One GPU is listed twice", POLICY "devices, min",
              .fail = "devices.appraised gpu.distinct", .lesson = "55"));
    w = whole(1, 1);
    w->s.policy_switches = 2;
    emit(l, w,
         SAYS("evidence-switch-too-few", "The policy wants two switches, and there is one",
              POLICY "devices, switches", .fail = "devices.count"));
    for (size_t i = 0; i < CLO_ARRAY_LEN(row); i++) {
        w = whole(2, 2);
        w->s.defect = row[i].defect;
        w->s.at = 1;
        emit(l, w,
             SAYS(.id = row[i].id, .title = row[i].title, .basis = POLICY "devices, switches",
                  .fail = "devices.appraised gpu.switches"));
    }
}

static void revocation(struct lab *l)
{
    static const char none[] = "devices.appraised gpu.ocsp gpu.ocsp_dates gpu.revoked";
    static const struct {
        const char *id, *title, *basis;
        enum synthetic_defect defect;
        const char *fail, *missing, *lesson;
    } row[] = {
        {"evidence-gpu-revoked", "A GPU's certificate is revoked", "RFC 6960 section 2.2",
         SYNTHETIC_REVOKED, "devices.appraised gpu.revoked", NULL, NULL},
        {"evidence-gpu-ica-revoked", "An authority above the GPUs is revoked",
         "RFC 6960 section 2.2", SYNTHETIC_ICA_REVOKED, "devices.appraised gpu.revoked", NULL,
         NULL},
        {"evidence-gpu-on-hold", "A GPU's certificate is on hold",
         "RFC 5280 section 5.3.1, certificateHold", SYNTHETIC_ON_HOLD,
         "devices.appraised gpu.revoked", NULL, NULL},
        {"evidence-gpu-unknown", "The responder doesn't know a GPU's certificate",
         "RFC 6960 section 2.2", SYNTHETIC_UNKNOWN, "devices.appraised gpu.revoked", NULL, "56"},
        {"evidence-gpu-no-answers", "No revocation answer came", POLICY "revocation",
         SYNTHETIC_NO_ANSWERS, NULL, none, "40 56"},
        {"evidence-gpu-no-answer", "No revocation answer about one GPU came", POLICY "revocation",
         SYNTHETIC_NO_ANSWER, NULL, none, "40 56"},
        {"evidence-gpu-answer-of-other", "The answer is about another GPU", "RFC 6960 section 3.2",
         SYNTHETIC_ANSWER_OF_OTHER, NULL, none, "56"},
        {"evidence-gpu-answer-expired", "The answer's nextUpdate was a second ago",
         "RFC 6960 section 4.2.2.1", SYNTHETIC_ANSWER_EXPIRED, "devices.appraised gpu.ocsp_dates",
         NULL, "37 44 56"},
        {"evidence-gpu-answer-early", "The answer is from the future", "RFC 6960 section 4.2.2.1",
         SYNTHETIC_ANSWER_EARLY, "devices.appraised gpu.ocsp_dates", NULL, "56"},
        {"evidence-gpu-answer-endless", "The answer has no nextUpdate", "docs/POLICY.md, devices",
         SYNTHETIC_ANSWER_ENDLESS, "devices.appraised gpu.ocsp_dates", NULL, "44 56"},
        {"evidence-gpu-answer-stranger", "Somebody else signed the answer", "RFC 6960 section 3.2",
         SYNTHETIC_ANSWER_STRANGER, "devices.appraised gpu.ocsp", "gpu.ocsp_dates gpu.revoked",
         "4 56"},
    };

    for (size_t i = 0; i < CLO_ARRAY_LEN(row); i++)
        emit(l, defective(row[i].defect),
             SAYS(.id = row[i].id, .title = row[i].title, .basis = row[i].basis,
                  .fail = row[i].fail, .missing = row[i].missing, .lesson = row[i].lesson));
}

static void runs(struct lab *l)
{
    struct whole *w = whole(1, 0);

    emit(l, defective(SYNTHETIC_OTHER_FIRMWARE),
         SAYS("evidence-gpu-measurement", "A measurement that no reference value has",
              "docs/POLICY.md, reference_values", .fail = "devices.appraised gpu.measurements",
              .missing = "gpu.debug"));
    emit(l, defective(SYNTHETIC_OLD_DRIVER),
         SAYS("evidence-gpu-driver", "An old driver runs", POLICY "min_driver",
              .fail = "devices.appraised gpu.driver gpu.reference",
              .missing = "gpu.measurements gpu.debug"));
    emit(l, defective(SYNTHETIC_OTHER_MODE),
         SAYS("evidence-gpu-mode", "One GPU is in a mode that the policy doesn't admit",
              POLICY "modes", .fail = "devices.appraised gpu.mode"));
    policy_edit(w, "'min_vbios':{'hopper':'96.", "'min_vbios':{'hopper':'97.");
    emit(l, w,
         SAYS("evidence-gpu-vbios", "The GPU's firmware is below the floor", POLICY "min_vbios",
              .fail = "devices.appraised gpu.vbios", .lesson = "45"));
    w = whole(1, 0);
    policy_edit(w, "'architectures':['hopper']", "'architectures':['blackwell']");
    emit(l, w,
         SAYS("evidence-gpu-architecture", "A kind of GPU that the policy doesn't admit",
              POLICY "architectures", .fail = "devices.appraised gpu.architecture"));
    w = whole(1, 0);
    w->no_references = true;
    emit(l, w,
         SAYS("evidence-gpu-no-references",
              "The policy has no reference values to compare anything with",
              POLICY "reference_values", .fail = "devices.appraised gpu.reference",
              .missing = "gpu.measurements gpu.debug", .lesson = "40 58"));
    emit(l, defective(SYNTHETIC_OTHER_FWID),
         SAYS("evidence-gpu-identity", "The report names other firmware than the certificate",
              "TCG DICE, CompositeDeviceID", .fail = "devices.appraised gpu.identity"));
}

static void device_bytes(struct lab *l)
{
    struct whole *w = whole(2, 0);
    struct clo_device *d;

    list(w);
    d = &w->s.devices.device[1];
    d->report.len--;
    devices_again(w);
    emit(l, w,
         SAYS("evidence-gpu-cut", "A GPU's report lacks its last byte",
              "DMTF DSP0274, MEASUREMENTS", .fail = "devices.appraised gpu.format",
              .missing = "gpu.signature " STRANGER));
    emit(
        l, defective(SYNTHETIC_FLIPPED),
        SAYS(
            "evidence-gpu-flip", "One bit of a GPU's report is flipped",
            "DMTF DSP0274, MEASUREMENTS signature",
            .fail = "devices.appraised gpu.signature gpu.measurements",
            .missing =
                "devices.count gpu.identity gpu.distinct gpu.architecture gpu.nonce gpu.driver gpu.vbios "
                "gpu.reference gpu.mode gpu.debug",
            .flip = "report"));
    emit(l, defective(SYNTHETIC_STRANGERS_ROOT),
         SAYS("evidence-gpu-root", "A GPU's chain ends in somebody else's root",
              "NVIDIA Device Identity CA", .fail = "devices.appraised gpu.root gpu.chain",
              .missing = "gpu.ocsp gpu.ocsp_dates gpu.revoked " STRANGER, .lesson = "4 46"));
    emit(
        l, defective(SYNTHETIC_NO_CHAIN),
        SAYS(
            "evidence-gpu-no-chain", "A GPU came without certificates", PROTOCOL "1.2",
            .missing =
                "devices.count devices.appraised gpu.chain_present gpu.root gpu.chain gpu.chain_dates "
                "gpu.ocsp gpu.ocsp_dates gpu.revoked gpu.signature gpu.identity gpu.distinct " GPU_SAYS));
    emit(l, defective(SYNTHETIC_LEAF_EXPIRED),
         SAYS("evidence-gpu-dates", "A GPU's certificate has expired", "RFC 5280 section 6.1.3",
              .fail = "devices.appraised gpu.chain_dates", .lesson = "44"));
    w = whole(2, 0);
    list(w);
    d = &w->s.devices.device[1];
    d->chain[0].p[d->chain[0].len - 1] ^= 1;
    devices_again(w);
    emit(l, w,
         SAYS("evidence-gpu-chain", "The last bit of a GPU certificate's signature is flipped",
              "RFC 5280 section 6.1.3", .fail = "devices.appraised gpu.chain",
              .missing = "gpu.ocsp gpu.ocsp_dates gpu.revoked " STRANGER, .flip = "certificate"));
    w = whole(2, 0);
    list(w);
    d = &w->s.devices.device[1];
    d->chain[1].p[4] ^= 1;
    devices_again(w);
    emit(l, w,
         SAYS("evidence-gpu-chain-garbage", "What stands in a GPU's chain is no certificate",
              "RFC 5280 section 4.1", .fail = "devices.appraised gpu.chain_present",
              .missing = "gpu.root gpu.chain gpu.chain_dates gpu.ocsp gpu.ocsp_dates gpu.revoked "
                         "gpu.signature " STRANGER));
}

void lab_cases_evidence(struct lab *l)
{
    LAB_MUST(synthetic_new(SYNTHETIC_NOW, &vendors) == 0);
    LAB_MUST(clo_maker_simulated_new(clo_rng_system(), LAB_NOW, &simulator) == 0);
    LAB_MUST(snp_lab_open(NULL) == 0);
    good(l);
    good_shapes(l);
    good_edges(l);
    document(l);
    binding(l);
    freshness(l);
    epoch(l);
    suites(l);
    manifest(l);
    policies(l);
    report(l);
    foreign(l);
    counts(l);
    revocation(l);
    runs(l);
    device_bytes(l);
    (void)snp_lab_close(NULL);
    clo_maker_free(simulator);
    synthetic_free(vendors);
}
