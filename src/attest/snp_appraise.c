/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appraisal of an SEV-SNP report. In three steps: what the bytes are (format, certificates, CRL), whether
 * AMD's key vouches for them (root, chain, signature), and only then what they claim.
 *
 * The chain is walked here and not by libcrypto's path builder, because AMD's profile breaks it: the CRL is
 * the root's and lists intermediates only, leaves have serial number 0 and no key identifiers.
 */
#include "attest/snp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/enc.h"
#include "base/secret.h"

#define SIMULATED_SUFFIX "-SIMULATED"
#define RSA_BITS_MIN     2048
#define TEXT             CLOISTER_CHECK_TEXT

struct appraisal {
    const struct clo_snp_input *in;
    const struct cloister_policy *policy; /* NULL: none was given */
    const struct clo_policy_snp *snp;     /* its part for SEV-SNP, or NULL */
    const struct clo_policy_product
        *floor; /* NULL: the product isn't admitted, or nothing admits any */
    int64_t now;
    struct clo_verdict_builder *vb;

    struct clo_snp_report r;
    enum clo_snp_product product;
    struct clo_snp_tcb current, reported, committed, launch;
    bool tcb_ok; /* the four can be read */

    const struct clo_cert *leaf, *ask; /* both or none */
    const struct clo_cert *root;       /* pinned, or NULL */
    struct clo_cert *own[3];           /* those of the chain that aren't shared */
    struct clo_snp_endorsement e;
    bool vlek;           /* the leaf's name says so; its extensions have to agree */
    struct clo_crl *crl; /* signed by root, or NULL */

    bool root_ok, chain_ok, signature_ok;
    bool authentic; /* all three */
};

static void set(struct appraisal *a, enum cloister_check_id id, enum cloister_check_status status,
                const char *expected, const char *actual, const char *reason)
{
    clo_vb_set(a->vb, id, status, expected, actual, reason);
}

static void fact(struct appraisal *a, enum cloister_check_id id, bool ok, const char *expected,
                 const char *actual, const char *reason)
{
    set(a, id, ok ? CLOISTER_CHECK_PASS : CLOISTER_CHECK_FAIL, expected, actual,
        ok ? NULL : reason);
}

static void claim(struct appraisal *a, enum cloister_check_id id, bool right, const char *expected,
                  const char *actual, const char *reason)
{
    clo_vb_claim(a->vb, id, right, a->authentic, expected, actual, reason);
}

static void missing(struct appraisal *a, enum cloister_check_id id, const char *reason)
{
    set(a, id, CLOISTER_CHECK_MISSING, NULL, NULL, reason);
}

/*
 * A check that a policy decides, on a claim of the report. False: there is a policy to judge it by. Without one it is missing.
 */
static bool no_policy(struct appraisal *a, enum cloister_check_id id, const char *actual)
{
    if (a->policy == NULL)
        clo_vb_no_policy(a->vb, id, actual);
    return a->policy == NULL;
}

/* ---- first step: what the bytes are ---- */

/* The chain, if it has the right number of certificates and each is one. */
static int chain_load(struct appraisal *a)
{
    const size_t want = a->in->simulated ? 3 : 2;
    const struct clo_cert *c[3] = {NULL, NULL, NULL};
    char expected[TEXT], actual[TEXT];
    int err = 0;

    (void)snprintf(expected, sizeof expected, "%zu certificates", want);
    (void)snprintf(actual, sizeof actual, "%zu", a->in->chain_n);
    if (a->in->chain_n < want) {
        set(a, CLOISTER_CHECK_SNP_CHAIN_PRESENT, CLOISTER_CHECK_MISSING, expected, actual,
            "certificates are missing: without them the report can't be judged");
        return 0;
    }
    for (size_t i = 0; i < want && err == 0; i++) {
        if (a->in->parsed != NULL && a->in->parsed[i] != NULL)
            c[i] = a->in->parsed[i];
        else
            err = clo_known_cert(a->in->chain[i].p, a->in->chain[i].len, &c[i], &a->own[i]);
    }
    fact(a, CLOISTER_CHECK_SNP_CHAIN_PRESENT, err == 0 && a->in->chain_n == want, expected, actual,
         err != 0 ? "a certificate can't be read" : "there are too many certificates");
    if (err == 0 && a->in->chain_n == want) {
        a->leaf = c[0];
        a->ask = c[1];
        a->root = c[2];
    }
    return clo_is_ours(err) ? err : 0;
}

static void product_find(struct appraisal *a)
{
    char cn[64] = "";

    if (a->leaf != NULL) {
        clo_snp_endorsement_read(a->leaf, &a->e);
        if (clo_cert_cn(a->leaf, cn, sizeof cn) == 0)
            a->vlek = strncmp(cn, "SEV-VLEK", 8) == 0;
    }
    if (a->r.version >= 3)
        a->product = clo_snp_report_product(&a->r);
    else if (a->leaf != NULL && a->e.product_err == 0)
        a->product = a->e.product; /* version 2 has no CPUID */
    if (a->snp != NULL && a->product != CLO_SNP_UNKNOWN && a->snp->product[a->product].admitted)
        a->floor = &a->snp->product[a->product];
    a->tcb_ok = clo_snp_tcb_decode(a->product, a->r.current_tcb, &a->current) == 0 &&
                clo_snp_tcb_decode(a->product, a->r.reported_tcb, &a->reported) == 0 &&
                clo_snp_tcb_decode(a->product, a->r.committed_tcb, &a->committed) == 0 &&
                clo_snp_tcb_decode(a->product, a->r.launch_tcb, &a->launch) == 0;
}

/* The simulator's: its digest is in the policy; without one, it stands in its product's place among the explicit roots. */
static bool simulated_pinned(const struct appraisal *a, const struct clo_root *pin,
                             const uint8_t digest[32])
{
    uint8_t other[32];

    if (a->policy != NULL)
        return clo_policy_list_has(&a->policy->roots, digest);
    if (pin->cert == NULL)
        return false;
    clo_cert_digest(pin->cert, other);
    return memcmp(other, digest, sizeof other) == 0;
}

/* Only a pinned root stays in a->root: AMD's by product, the simulator's by digest. */
static int root_find(struct appraisal *a, const struct cloister_roots *roots)
{
    const struct clo_root *pin = &roots->amd[a->product];
    uint8_t digest[32];
    int err = 0;

    if (!a->in->simulated) {
        a->root = pin->cert;
        /* The built-in ones are decoded when they are first wanted, and memory may have been short then. */
        if (a->root == NULL && pin->der != NULL &&
            (err = clo_cert_parse(pin->der, pin->n, &a->own[2])) == 0)
            a->root = a->own[2];
        return clo_is_ours(err) ? err : 0;
    }
    if (a->root == NULL)
        return 0;
    clo_cert_digest(a->root, digest);
    if (!simulated_pinned(a, pin, digest) ||
        (err = clo_cert_signed_by(a->root, a->root, CLO_SIG_RSA_PSS_SHA384)) != 0)
        a->root = NULL;
    return clo_is_ours(err) ? err : 0;
}

/* Of the CRLs that the root signed, the newest. */
static int crl_find(struct appraisal *a)
{
    for (size_t i = 0; a->root != NULL && i < a->in->collateral->crls; i++) {
        struct clo_crl *c = NULL;
        int err = clo_crl_parse(a->in->collateral->crl[i].p, a->in->collateral->crl[i].len, &c);

        if (clo_is_ours(err))
            return err;
        if (err != 0 || clo_crl_signed_by(c, a->root, CLO_SIG_RSA_PSS_SHA384) != 0 ||
            (a->crl != NULL && clo_crl_this_update(c) <= clo_crl_this_update(a->crl))) {
            clo_crl_free(c);
            continue;
        }
        clo_crl_free(a->crl);
        a->crl = c;
    }
    return 0;
}

static void check_bytes(struct appraisal *a)
{
    char text[TEXT];

    (void)snprintf(text, sizeof text, "%" PRIu32, a->r.version);
    fact(a, CLOISTER_CHECK_SNP_VERSION, a->r.version >= 2 && a->r.version <= 5, "2 to 5", text,
         "this version of the report isn't known");
    (void)snprintf(text, sizeof text, "%" PRIu32, a->r.signature_algo);
    fact(a, CLOISTER_CHECK_SNP_SIGNATURE_ALGO, a->r.signature_algo == 1, "1", text,
         "the report names another signature algorithm");
    fact(a, CLOISTER_CHECK_SNP_RESERVED,
         a->r.reserved_zero && (a->product == CLO_SNP_UNKNOWN || a->tcb_ok), NULL, NULL,
         "reserved bits are set: the report means something that this version doesn't know");
}

/* ---- second step: does AMD's key vouch for them ---- */

static bool ca_ok(const struct clo_cert *c)
{
    return clo_cert_is_ca(c) && clo_cert_rsa_bits(c) >= RSA_BITS_MIN;
}

static int authenticate(struct appraisal *a)
{
    int err;

    if (a->leaf == NULL)
        return 0;
    if (a->root != NULL) {
        err = clo_cert_signed_by(a->ask, a->root, CLO_SIG_RSA_PSS_SHA384);
        if (clo_is_ours(err))
            return err;
        a->root_ok = err == 0 && ca_ok(a->root);
    }
    err = clo_cert_signed_by(a->leaf, a->ask, CLO_SIG_RSA_PSS_SHA384);
    if (clo_is_ours(err))
        return err;
    a->chain_ok = err == 0 && ca_ok(a->ask) && !clo_cert_is_ca(a->leaf);
    /* Over the bytes as received: whatever a parser makes of them, these are what was signed. */
    err = clo_cert_verify_p384(a->leaf, a->in->report, CLO_SNP_SIGNED_LEN, a->r.r, a->r.s);
    if (clo_is_ours(err))
        return err;
    a->signature_ok = err == 0;
    a->authentic = a->root_ok && a->chain_ok && a->signature_ok;
    return 0;
}

/* Do leaf and intermediate have the names that AMD (or the simulator) gives this product's? */
static bool names_right(const struct appraisal *a)
{
    const char *suffix = a->in->simulated ? SIMULATED_SUFFIX : "";
    char leaf[64], ask[64], want_leaf[64], want_ask[64];

    if (clo_cert_cn(a->leaf, leaf, sizeof leaf) != 0 || clo_cert_cn(a->ask, ask, sizeof ask) != 0)
        return false;
    (void)snprintf(want_leaf, sizeof want_leaf, "SEV-%s%s", a->vlek ? "VLEK" : "VCEK", suffix);
    (void)snprintf(want_ask, sizeof want_ask, "SEV-%s%s%s", a->vlek ? "VLEK-" : "",
                   clo_snp_product_name(a->product), suffix);
    return strcmp(leaf, want_leaf) == 0 && strcmp(ask, want_ask) == 0;
}

static void check_product(struct appraisal *a)
{
    const unsigned struct_version = a->product == CLO_SNP_TURIN ? 1 : 0;
    const char *actual = clo_snp_product_name(a->product);
    const enum cloister_check_id id = CLOISTER_CHECK_SNP_PRODUCT;

    if (a->product == CLO_SNP_UNKNOWN && a->r.version < 3 && a->leaf == NULL)
        missing(a, id, "a report of version 2 has its product in the certificate only");
    else if (a->product == CLO_SNP_UNKNOWN)
        fact(a, id, false, NULL, actual, "this chip family isn't known");
    else if (a->policy != NULL && a->floor == NULL)
        fact(a, id, false, NULL, actual,
             "the policy has no floor for this product, so admits none");
    else if (a->leaf == NULL)
        missing(a, id, "there is no certificate to compare");
    else
        claim(a, id,
              a->e.product_err == 0 && a->e.product == a->product &&
                  a->e.struct_version == struct_version && names_right(a),
              actual, a->e.product_err == 0 ? clo_snp_product_name(a->e.product) : "unreadable",
              "the certificates are those of another product");
}

static void check_chain(struct appraisal *a)
{
    const enum cloister_check_id root = CLOISTER_CHECK_SNP_ROOT, chain = CLOISTER_CHECK_SNP_CHAIN;

    if (a->leaf == NULL) {
        missing(a, root, "there is no chain");
        missing(a, chain, "there is no chain");
        return;
    }
    if (a->product == CLO_SNP_UNKNOWN)
        missing(a, root, "no product, no root");
    else if (a->root == NULL)
        fact(a, root, false, NULL, NULL,
             !a->in->simulated   ? "no root is pinned for this product"
             : a->policy != NULL ? "the policy doesn't pin this root"
                                 : "this root isn't the explicit one");
    else
        fact(a, root, a->root_ok, NULL, NULL, "the intermediate isn't signed by the pinned root");
    fact(a, chain, a->chain_ok, NULL, NULL,
         "the report key's certificate isn't signed by the intermediate");
}

static void check_dates(struct appraisal *a)
{
    const struct clo_cert *const c[] = {a->leaf, a->ask, a->root};
    const enum cloister_check_id id = CLOISTER_CHECK_SNP_CHAIN_DATES;
    int64_t from = INT64_MIN, to = INT64_MAX;
    char expected[TEXT], actual[TEXT], t1[CLO_DATE_LEN], t2[CLO_DATE_LEN];

    if (a->leaf == NULL) {
        missing(a, id, "there is no chain");
        return;
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(c); i++) {
        if (c[i] == NULL)
            continue;
        if (clo_cert_not_before(c[i]) > from)
            from = clo_cert_not_before(c[i]);
        if (clo_cert_not_after(c[i]) < to)
            to = clo_cert_not_after(c[i]);
    }
    clo_date(from, t1);
    clo_date(to, t2);
    (void)snprintf(expected, sizeof expected, "%s to %s", t1, t2);
    clo_date(a->now, actual);
    clo_vb_until(a->vb, to);
    fact(a, id, from <= a->now && a->now < to, expected, actual,
         "a certificate isn't valid yet or isn't any more");
}

static void check_crl(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_SNP_CRL, dates = CLOISTER_CHECK_SNP_CRL_DATES,
                                 revoked = CLOISTER_CHECK_SNP_REVOKED;
    char expected[TEXT], actual[TEXT], t1[CLO_DATE_LEN], t2[CLO_DATE_LEN];
    int64_t from, to;

    /* Nobody is asked for a list that isn't there; one that is there is no less binding for that. */
    if (a->in->collateral->crls == 0 && a->policy != NULL && a->policy->revocation_if_present) {
        static const char why[] = "no revocation list came, and the policy doesn't require one";

        set(a, id, CLOISTER_CHECK_NOT_APPLICABLE, NULL, NULL, why);
        set(a, dates, CLOISTER_CHECK_NOT_APPLICABLE, NULL, NULL, why);
        set(a, revoked, CLOISTER_CHECK_NOT_APPLICABLE, NULL, NULL, why);
        return;
    }
    if (a->crl == NULL) {
        if (a->root == NULL)
            missing(a, id, "there is no root that could have signed one");
        else if (a->in->collateral->crls == 0)
            missing(a, id, "no revocation list came with the evidence");
        else
            fact(a, id, false, NULL, NULL, "no revocation list that came is signed by the root");
        missing(a, dates, "there is no revocation list");
        missing(a, revoked, "there is no revocation list");
        return;
    }
    fact(a, id, true, NULL, NULL, NULL);
    from = clo_crl_this_update(a->crl);
    to = clo_crl_next_update(a->crl);
    clo_date(from, t1);
    clo_date(to, t2);
    (void)snprintf(expected, sizeof expected, "%s to %s", t1, t2);
    clo_date(a->now, actual);
    clo_vb_until(a->vb, to);
    fact(a, dates, from <= a->now && a->now < to, expected, actual,
         "the revocation list isn't valid yet or isn't any more");
    /* The CRL lists what the root issued. A leaf can't be on it: leaked ones are dealt with by TCB floors. */
    if (a->ask == NULL)
        missing(a, revoked, "there is no certificate to look up");
    else
        fact(a, revoked, !clo_crl_revokes(a->crl, a->ask), NULL, NULL,
             "the intermediate is revoked");
}

static void check_signing_key(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_SNP_SIGNING_KEY;
    const struct clo_policy_snp *p = a->snp;
    const char *kind = a->vlek ? "VLEK" : "VCEK";
    const char *named = a->r.signing_key == CLO_SNP_KEY_VCEK   ? "VCEK"
                        : a->r.signing_key == CLO_SNP_KEY_VLEK ? "VLEK"
                                                               : "none";
    const char *wrong = NULL;

    if (a->leaf == NULL) {
        missing(a, id, "there is no certificate to compare");
        return;
    }
    if (a->r.signing_key != (a->vlek ? CLO_SNP_KEY_VLEK : CLO_SNP_KEY_VCEK))
        wrong = "the report names another kind of key than the certificate";
    else if (p != NULL && (a->vlek ? !p->vlek : !p->vcek))
        wrong = "the policy doesn't admit this kind of key";
    else if (a->vlek && (a->e.csp_err != 0 || a->e.hwid_err != CLOISTER_E_NOT_FOUND))
        wrong = "the certificate isn't a VLEK: it names no provider, or a chip";
    else if (!a->vlek && a->e.csp_err != CLOISTER_E_NOT_FOUND)
        wrong = "the certificate isn't a VCEK: it names a provider";
    else if (a->vlek && p != NULL && !clo_policy_texts_have(&p->csp_ids, a->e.csp_id))
        wrong = "the policy doesn't name this provider";
    /* A provider's key is nobody's choice but the policy's: VCEKs are what is admitted by default. */
    if (wrong == NULL && a->vlek && no_policy(a, id, a->e.csp_id))
        return;
    claim(a, id, wrong == NULL, kind, a->vlek && a->e.csp_err == 0 ? a->e.csp_id : named, wrong);
}

static void check_chip(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_SNP_CHIP;
    const struct clo_policy_snp *p = a->snp;
    const bool masked = a->r.mask_chip_key || (!a->vlek && clo_all_zero(a->r.chip_id, 64));
    uint8_t chip[64] = {0};
    char expected[TEXT], actual[TEXT];
    const char *wrong = NULL;

    if (a->leaf == NULL) {
        missing(a, id, "there is no certificate to compare");
        return;
    }
    memcpy(chip, a->r.chip_id, sizeof chip);
    if (masked && p != NULL && !p->allow_masked_chip)
        wrong = "the report hides its chip, and the policy doesn't allow that";
    else if (!a->vlek && a->e.hwid_err != 0)
        wrong = "the certificate doesn't name its chip";
    else if (!a->vlek) {
        memset(chip, 0, sizeof chip);
        memcpy(chip, a->e.hwid, a->e.hwid_n);
        if (!masked && memcmp(chip, a->r.chip_id, sizeof chip) != 0)
            wrong = "the certificate is another chip's";
    }
    if (wrong == NULL && p != NULL && p->chip_ids.given && !clo_policy_list_has(&p->chip_ids, chip))
        wrong = "the policy doesn't list this chip";
    clo_hex(chip, sizeof chip, expected);
    clo_hex(a->r.chip_id, sizeof a->r.chip_id, actual);
    if (wrong == NULL && (a->vlek || masked) && no_policy(a, id, actual))
        return;
    if (wrong == NULL && a->vlek && !p->chip_ids.given && a->authentic)
        set(a, id, CLOISTER_CHECK_NOT_APPLICABLE, NULL, actual,
            "the policy admits VLEKs, which stand for a provider and name no chip");
    else
        claim(a, id, wrong == NULL, expected, actual, wrong);
}

static void tcb_text(const struct appraisal *a, const struct clo_snp_tcb *t, char dst[TEXT])
{
    char fmc[16] = "";

    if (a->product == CLO_SNP_TURIN)
        (void)snprintf(fmc, sizeof fmc, "fmc %u ", t->fmc);
    (void)snprintf(dst, TEXT, "%sbl %u tee %u snp %u ucode %u", fmc, t->bl, t->tee, t->snp,
                   t->ucode);
}

static void check_cert_tcb(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_SNP_CERT_TCB;
    char expected[TEXT] = "", actual[TEXT] = "";

    if (a->leaf == NULL || (a->e.tcb_err == 0 && !a->tcb_ok)) {
        missing(a, id,
                a->leaf == NULL ? "there is no certificate to compare"
                                : "the report's firmware levels can't be read");
        return;
    }
    if (a->e.tcb_err == 0) {
        tcb_text(a, &a->e.tcb, expected);
        tcb_text(a, &a->reported, actual);
    }
    claim(a, id,
          a->e.tcb_err == 0 && clo_snp_tcb_at_least(&a->e.tcb, &a->reported) &&
              clo_snp_tcb_at_least(&a->reported, &a->e.tcb),
          expected, actual,
          a->e.tcb_err != 0 ? "the certificate lacks a firmware level"
                            : "the certificate is for another firmware level");
}

static void check_signature(struct appraisal *a)
{
    const enum cloister_check_id id = CLOISTER_CHECK_SNP_SIGNATURE;

    if (a->leaf == NULL)
        missing(a, id, "there is no certificate to verify it with");
    else
        claim(a, id, a->signature_ok, NULL, NULL, "the signature is wrong");
}

/* ---- third step: what the report claims ---- */

static void check_tcb(struct appraisal *a)
{
    const bool same = a->r.committed_tcb == a->r.current_tcb &&
                      memcmp(&a->r.committed, &a->r.current, sizeof a->r.current) == 0;
    const bool provisional = a->snp != NULL && a->snp->allow_provisional;
    char reported[TEXT], committed[TEXT], current[TEXT], launch[TEXT], floor[TEXT], both[TEXT];

    if (!a->tcb_ok) {
        clo_vb_skip(a->vb, CLOISTER_CHECK_SNP_TCB_ORDER, CLOISTER_CHECK_SNP_TCB_LAUNCH,
                    "the report's firmware levels can't be read");
        return;
    }
    tcb_text(a, &a->reported, reported);
    tcb_text(a, &a->committed, committed);
    tcb_text(a, &a->current, current);
    tcb_text(a, &a->launch, launch);
    (void)snprintf(both, sizeof both, "%.90s <= %.90s", reported, committed);
    claim(a, CLOISTER_CHECK_SNP_TCB_ORDER,
          clo_snp_tcb_at_least(&a->committed, &a->reported) &&
              clo_snp_tcb_at_least(&a->current, &a->committed),
          both, current, "a level is below one that it can't be below");
    if (provisional && !same && a->authentic)
        set(a, CLOISTER_CHECK_SNP_TCB_PROVISIONAL, CLOISTER_CHECK_NOT_APPLICABLE, committed,
            current, "the policy allows provisional firmware");
    else if (same || !no_policy(a, CLOISTER_CHECK_SNP_TCB_PROVISIONAL, current))
        claim(a, CLOISTER_CHECK_SNP_TCB_PROVISIONAL, same || provisional, committed, current,
              "firmware runs that was not committed, and can be taken back");
    if (no_policy(a, CLOISTER_CHECK_SNP_TCB_MIN, reported))
        clo_vb_no_policy(a->vb, CLOISTER_CHECK_SNP_TCB_LAUNCH, launch);
    if (a->floor == NULL)
        return;
    tcb_text(a, &a->floor->min_tcb, floor);
    claim(a, CLOISTER_CHECK_SNP_TCB_MIN, clo_snp_tcb_at_least(&a->reported, &a->floor->min_tcb),
          floor, reported, "a component is older than the policy's floor");
    tcb_text(a, &a->floor->min_launch_tcb, floor);
    claim(a, CLOISTER_CHECK_SNP_TCB_LAUNCH,
          clo_snp_tcb_at_least(&a->launch, &a->floor->min_launch_tcb), floor, launch,
          "the machine was started on firmware older than the policy's floor");
}

static void check_firmware(struct appraisal *a)
{
    const struct clo_snp_firmware *c = &a->r.committed, *min;
    char expected[TEXT], actual[TEXT];

    (void)snprintf(actual, sizeof actual, "%u.%u.%u", c->major, c->minor, c->build);
    if (no_policy(a, CLOISTER_CHECK_SNP_FIRMWARE_MIN, actual) || a->floor == NULL)
        return;
    min = &a->floor->min_firmware;
    (void)snprintf(expected, sizeof expected, "%u.%u.%u", min->major, min->minor, min->build);
    claim(a, CLOISTER_CHECK_SNP_FIRMWARE_MIN,
          clo_snp_firmware_at_least(c, min) && clo_snp_firmware_at_least(&a->r.current, min),
          expected, actual, "the firmware is older than the policy's floor");
}

/* Two bit fields side by side. */
static void bits_claim(struct appraisal *a, enum cloister_check_id id, bool right, uint64_t wanted,
                       uint64_t actual, const char *reason)
{
    char e[TEXT], t[TEXT];

    (void)snprintf(e, sizeof e, "0x%" PRIx64, wanted);
    (void)snprintf(t, sizeof t, "0x%" PRIx64, actual);
    claim(a, id, right, e, t, reason);
}

static void check_mitigation(struct appraisal *a)
{
    const uint64_t want = a->snp != NULL ? a->snp->mitigations : 0;
    const uint64_t have = a->r.launch_mit & a->r.current_mit; /* zero before version 5 */
    char actual[TEXT];

    (void)snprintf(actual, sizeof actual, "0x%" PRIx64, have);
    if (no_policy(a, CLOISTER_CHECK_SNP_MITIGATION, actual))
        return;
    if (want == 0)
        set(a, CLOISTER_CHECK_SNP_MITIGATION, CLOISTER_CHECK_NOT_APPLICABLE, NULL, NULL,
            "the policy asks for none");
    else
        bits_claim(a, CLOISTER_CHECK_SNP_MITIGATION, (have & want) == want, want, have,
                   "a mitigation that the policy asks for isn't reported");
}

/* What no policy can allow. */
static void check_guest_always(struct appraisal *a)
{
    const uint64_t g = a->r.policy;

    claim(a, CLOISTER_CHECK_SNP_DEBUG, (g & CLO_SNP_POLICY_DEBUG) == 0, "off",
          (g & CLO_SNP_POLICY_DEBUG) == 0 ? "off" : "on", "the host may read the guest's memory");
    claim(a, CLOISTER_CHECK_SNP_MIGRATION, (g & CLO_SNP_POLICY_MIGRATE_MA) == 0, "none",
          (g & CLO_SNP_POLICY_MIGRATE_MA) == 0 ? "none" : "allowed",
          "a migration agent may be given the guest's memory");
}

static void check_abi(struct appraisal *a)
{
    const unsigned major = a->r.policy >> 8 & 0xff, minor = a->r.policy & 0xff;
    const enum cloister_check_id id = CLOISTER_CHECK_SNP_POLICY_ABI;
    char expected[TEXT], actual[TEXT];

    (void)snprintf(actual, sizeof actual, "%u.%u", major, minor);
    if (no_policy(a, id, actual))
        return;
    (void)snprintf(expected, sizeof expected, "%u.%u", a->snp->min_abi_major,
                   a->snp->min_abi_minor);
    claim(a, id,
          major > a->snp->min_abi_major ||
              (major == a->snp->min_abi_major && minor >= a->snp->min_abi_minor),
          expected, actual,
          "the guest would run on an older firmware interface than the policy wants");
}

static void check_smt(struct appraisal *a)
{
    const bool allowed = (a->r.policy & CLO_SNP_POLICY_SMT) != 0,
               on = (a->r.platform_info & CLO_SNP_PLATFORM_SMT) != 0;
    char actual[TEXT];

    (void)snprintf(actual, sizeof actual, "%s, %s", allowed ? "allowed" : "forbidden",
                   on ? "on" : "off");
    if (no_policy(a, CLOISTER_CHECK_SNP_SMT, actual))
        return;
    claim(a, CLOISTER_CHECK_SNP_SMT, a->snp->allow_smt ? allowed || !on : !allowed && !on,
          a->snp->allow_smt ? "allowed" : "forbidden, off", actual,
          "other guests may share this guest's cores, and the policy doesn't allow that");
}

static void check_guest_policy(struct appraisal *a)
{
    const struct clo_policy_snp *p = a->snp;
    const uint64_t g = a->r.policy, info = a->r.platform_info;
    char guest[TEXT], platform[TEXT];

    check_abi(a);
    check_guest_always(a);
    check_smt(a);
    (void)snprintf(guest, sizeof guest, "0x%" PRIx64, g);
    (void)snprintf(platform, sizeof platform, "0x%" PRIx64, info);
    if (no_policy(a, CLOISTER_CHECK_SNP_GUEST_POLICY, guest) &&
        no_policy(a, CLOISTER_CHECK_SNP_PLATFORM, platform))
        return;
    bits_claim(a, CLOISTER_CHECK_SNP_GUEST_POLICY,
               (g & p->require_guest) == p->require_guest &&
                   (p->allow_cxl || (g & CLO_SNP_POLICY_CXL_ALLOW) == 0),
               p->require_guest, g, "a bit that the policy asks for isn't set, or CXL is allowed");
    bits_claim(a, CLOISTER_CHECK_SNP_PLATFORM, (info & p->require_platform) == p->require_platform,
               p->require_platform, info, "a protection that the policy asks for isn't active");
}

/* A digest that the policy lists, or none at all where the policy lists nothing. */
static bool listed(const struct clo_policy_list *l, const uint8_t *value, size_t n)
{
    return l->given ? clo_policy_list_has(l, value) : clo_all_zero(value, n);
}

static void list_claim(struct appraisal *a, enum cloister_check_id id, bool right,
                       const struct clo_policy_list *l, const uint8_t *value, size_t n,
                       const char *reason)
{
    char expected[TEXT], actual[TEXT];

    if (!l->given)
        (void)snprintf(expected, sizeof expected, "zero");
    else if (l->count == 1)
        clo_hex(l->item, n, expected);
    else
        (void)snprintf(expected, sizeof expected, "one of %zu", l->count);
    clo_hex(value, n, actual);
    claim(a, id, right, expected, actual, reason);
}

/* An author signed the owner's key: there is no author's key without one (AMD document 56860, ID_AUTH). */
static const char author_key_reason[] = "the report contradicts itself about the author's key";
static bool author_key_consistent(const struct clo_snp_report *r)
{
    const bool author = !clo_all_zero(r->author_key_digest, 48);

    return r->author_key_en == author && (!author || !clo_all_zero(r->id_key_digest, 48));
}

/* Without a policy. What contradicts itself is wrong whatever a policy says. */
static void show_identity(struct appraisal *a)
{
    const struct clo_snp_report *r = &a->r;
    const struct {
        enum cloister_check_id id;
        const uint8_t *value;
        size_t n;
    } digest[] = {
        {CLOISTER_CHECK_SNP_MEASUREMENT, r->measurement, 48},
        {CLOISTER_CHECK_SNP_HOST_DATA, r->host_data, 32},
        {CLOISTER_CHECK_SNP_ID_KEY, r->id_key_digest, 48},
        {CLOISTER_CHECK_SNP_AUTHOR_KEY, r->author_key_digest, 48},
    };
    char actual[TEXT];

    (void)snprintf(actual, sizeof actual, "%" PRIu32, r->vmpl);
    clo_vb_no_policy(a->vb, CLOISTER_CHECK_SNP_VMPL, actual);
    for (size_t i = 0; i < CLO_ARRAY_LEN(digest); i++) {
        clo_hex(digest[i].value, digest[i].n, actual);
        if (digest[i].id == CLOISTER_CHECK_SNP_AUTHOR_KEY && !author_key_consistent(r))
            fact(a, digest[i].id, false, NULL, actual, author_key_reason);
        else
            clo_vb_no_policy(a->vb, digest[i].id, actual);
    }
    (void)snprintf(actual, sizeof actual, "%" PRIu32, r->guest_svn);
    clo_vb_no_policy(a->vb, CLOISTER_CHECK_SNP_GUEST_SVN, actual);
}

static void check_identity(struct appraisal *a)
{
    const struct clo_policy_snp *p = a->snp;
    const struct clo_snp_report *r = &a->r;
    char expected[TEXT], actual[TEXT];

    if (p == NULL) {
        show_identity(a);
        return;
    }
    (void)snprintf(expected, sizeof expected, "%u", p->vmpl);
    (void)snprintf(actual, sizeof actual, "%" PRIu32, r->vmpl);
    claim(a, CLOISTER_CHECK_SNP_VMPL, r->vmpl == p->vmpl, expected, actual,
          "the report was asked for at another privilege level");
    list_claim(a, CLOISTER_CHECK_SNP_MEASUREMENT,
               clo_policy_list_has(&a->policy->measurements, r->measurement),
               &a->policy->measurements, r->measurement, 48,
               "another image was started: `cloister policy diff` shows the difference");
    list_claim(a, CLOISTER_CHECK_SNP_HOST_DATA, listed(&p->host_data, r->host_data, 32),
               &p->host_data, r->host_data, 32,
               "the host gave the guest data that the policy doesn't list");
    list_claim(a, CLOISTER_CHECK_SNP_ID_KEY, listed(&p->id_keys, r->id_key_digest, 48), &p->id_keys,
               r->id_key_digest, 48, "the policy doesn't list this key");
    list_claim(a, CLOISTER_CHECK_SNP_AUTHOR_KEY,
               author_key_consistent(r) && listed(&p->author_keys, r->author_key_digest, 48),
               &p->author_keys, r->author_key_digest, 48,
               author_key_consistent(r) ? "the policy doesn't list this key" : author_key_reason);
    (void)snprintf(expected, sizeof expected, "%" PRIu32, p->min_guest_svn);
    (void)snprintf(actual, sizeof actual, "%" PRIu32, r->guest_svn);
    claim(a, CLOISTER_CHECK_SNP_GUEST_SVN, r->guest_svn >= p->min_guest_svn, expected, actual,
          "the guest's security version is below the policy's floor");
}

static void check_report_data(struct appraisal *a)
{
    const enum cloister_check_id id = a->in->data_check;
    char expected[TEXT], actual[TEXT];

    clo_hex(a->r.report_data, 64, actual);
    if (a->in->report_data == NULL) {
        clo_vb_unexpected(a->vb, id, a->in->any_report_data, actual);
        return;
    }
    clo_hex(a->in->report_data, 64, expected);
    claim(a, id, clo_ct_equal(a->r.report_data, a->in->report_data, sizeof a->r.report_data),
          expected, actual,
          "the report was made for other keys, another manifest, other devices, or another nonce");
}

static void result(const struct appraisal *a, struct clo_hw_result *ret)
{
    const enum cloister_check_status data = clo_vb_status(a->vb, a->in->data_check);
    const enum cloister_check_status image = clo_vb_status(a->vb, CLOISTER_CHECK_SNP_MEASUREMENT);

    ret->authentic = a->authentic;
    ret->bound = a->authentic && data == CLOISTER_CHECK_PASS;
    ret->measured = a->authentic && image == CLOISTER_CHECK_PASS;
    memcpy(ret->measurement, a->r.measurement, sizeof ret->measurement);
}

static void appraisal_clear(struct appraisal *a)
{
    for (size_t i = 0; i < CLO_ARRAY_LEN(a->own); i++)
        clo_cert_free(a->own[i]);
    clo_crl_free(a->crl);
}

int clo_snp_appraise(const struct clo_snp_input *in, const struct cloister_policy *policy,
                     const struct cloister_roots *roots, int64_t now,
                     struct clo_verdict_builder *vb, struct clo_hw_result *ret)
{
    struct appraisal a = {
        .in = in,
        .policy = policy,
        .snp = policy != NULL ? &policy->snp : NULL,
        .now = now,
        .vb = vb,
    };
    int err;

    err = clo_snp_report_parse(in->report, in->report_n, &a.r);
    fact(&a, CLOISTER_CHECK_SNP_FORMAT, err == 0, NULL, NULL, "the report hasn't 1184 bytes");
    if (err != 0) {
        missing(&a, in->data_check, "the report can't be read");
        clo_vb_skip(vb, CLOISTER_CHECK_SNP_FORMAT, CLOISTER_CHECK_SNP_GUEST_SVN,
                    "the report can't be read");
        return 0;
    }
    if ((err = chain_load(&a)) != 0)
        goto out;
    product_find(&a);
    if ((err = root_find(&a, roots)) != 0 || (err = crl_find(&a)) != 0 ||
        (err = authenticate(&a)) != 0)
        goto out;
    check_bytes(&a);
    check_product(&a);
    check_chain(&a);
    check_dates(&a);
    check_crl(&a);
    check_signing_key(&a);
    check_chip(&a);
    check_cert_tcb(&a);
    check_signature(&a);
    check_tcb(&a);
    check_firmware(&a);
    if (a.floor == NULL)
        clo_vb_skip(vb, CLOISTER_CHECK_SNP_TCB_MIN, CLOISTER_CHECK_SNP_FIRMWARE_MIN,
                    "the policy has no floor for this product");
    check_mitigation(&a);
    check_guest_policy(&a);
    check_identity(&a);
    check_report_data(&a);
    result(&a, ret);
out:
    appraisal_clear(&a);
    return err;
}
