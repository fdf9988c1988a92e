/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw SEV-SNP: a report of 1184 bytes, the certificates that vouch for its key, and the root's revocation list. Documents: AMD 56860 (SEV-SNP firmware
 * ABI), AMD 57230 (VCEK and VLEK certificates), RFC 5280; what the standards leave to whoever relies on a report, docs/POLICY.md decides.
 */
#include "lab/lab.h"

#include <stdio.h>
#include <string.h>

#include "base/enc.h"
#include "lab/snp.h"

/* ---- emitting ---- */

struct says {
    const char *id, *title, *basis;
    const char *fail, *missing; /* NULL: none */
    const char *lesson, *flip;
    const char *outcome; /* NULL: what follows from fail and missing */
    char end;
};
/* The last member says to the compiler that those between are left out on purpose. */
#define SAYS(...) (&(const struct says){__VA_ARGS__, .end = 0})

/* A recipe's bytes, for those cases whose defect is in bytes that are finished. */
struct made {
    struct snp_recipe r;
    uint8_t report[CLO_SNP_REPORT_LEN + 1];
    struct clo_buf chain[CLO_CHAIN_MAX];
    struct clo_collateral crls;
    struct clo_buf extra[2]; /* certificates behind the chain */
    size_t extras, expect_n;
    bool no_report, pem, expect_any;
};

static struct made make(const struct snp_recipe *r)
{
    struct made m = {.r = *r, .expect_n = 64};

    snp_lab_chain(r, m.chain);
    snp_lab_crl(r, &m.crls);
    snp_lab_sign(r, m.report);
    return m;
}

static void pem_item(struct lab_case *c, const struct clo_buf *der)
{
    struct clo_buf text = clo_buf_init(2 * CLO_CERT_MAX);

    lab_pem(&text, der);
    lab_item(c, CLOISTER_ITEM_CERTIFICATES, text.p, text.len);
    clo_buf_clear(&text);
}

static void root_of(struct lab_case *c, const struct snp_recipe *r)
{
    static const struct {
        const char *name;
        enum lab_root_kind kind;
    } kinds[] = {{"Milan", LAB_ROOT_MILAN}, {"Genoa", LAB_ROOT_GENOA}, {"Turin", LAB_ROOT_TURIN}};
    struct clo_buf root;

    if (r->no_root)
        return;
    snp_lab_root(r, &root);
    for (size_t i = 0; i < CLO_ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].name, r->product) == 0)
            lab_root(c, kinds[i].kind, root.p, root.len);
    clo_buf_clear(&root);
}

static void emit_made(struct lab *l, struct made *m, const struct says *s)
{
    const struct snp_recipe *r = &m->r;
    struct lab_case c = {
        .id = s->id,
        .format = "sev-snp",
        .title = s->title,
        .basis = s->basis,
        .lesson = s->lesson,
        .flip = s->flip,
        .expect_any = m->expect_any,
        .policy = r->no_policy ? NULL : r->policy,
        .now = r->now,
        .outcome = s->outcome != NULL   ? s->outcome
                   : s->fail != NULL    ? "refused"
                   : s->missing != NULL ? "indeterminate"
                                        : "verified",
        .fail = s->fail,
        .missing = s->missing,
    };

    c.bundle.type = CLOISTER_RAW_SEV_SNP;
    if (!m->no_report && r->report_n > 0)
        lab_item(&c, CLOISTER_ITEM_REPORT, m->report, r->report_n);
    for (size_t i = 0; i < r->chain_n; i++) {
        if (m->pem)
            pem_item(&c, &m->chain[i]);
        else
            lab_item(&c, CLOISTER_ITEM_CERTIFICATES, m->chain[i].p, m->chain[i].len);
    }
    for (size_t i = 0; i < m->extras; i++)
        lab_item(&c, CLOISTER_ITEM_CERTIFICATES, m->extra[i].p, m->extra[i].len);
    for (size_t i = 0; i < m->crls.crls; i++)
        lab_item(&c, CLOISTER_ITEM_CRL, m->crls.crl[i].p, m->crls.crl[i].len);
    if (m->expect_n > 0 && !m->expect_any)
        lab_expect(&c, r->report_data, m->expect_n);
    root_of(&c, r);
    lab_emit(l, &c);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        clo_buf_clear(&m->chain[i]);
    for (size_t i = 0; i < m->extras; i++)
        clo_buf_clear(&m->extra[i]);
    clo_collateral_clear(&m->crls);
}

static void emit(struct lab *l, const struct snp_recipe *r, const struct says *s)
{
    struct made m = make(r);

    emit_made(l, &m, s);
}

/* ---- what can't be judged when something else is wrong ---- */

/* What the report says, and only its signature vouches for. */
#define LEVELS      "snp.tcb_order snp.tcb_provisional snp.tcb_min snp.tcb_launch "
#define NEEDS_FLOOR "snp.tcb_min snp.tcb_launch snp.firmware_min"
#define GUEST_                                                                      \
    "snp.policy_abi snp.debug snp.migration snp.smt snp.guest_policy snp.platform " \
    "snp.vmpl snp.measurement snp.host_data snp.id_key snp.author_key snp.guest_svn "
#define GUEST      "snp.mitigation " GUEST_
#define STATEMENTS LEVELS "snp.firmware_min " GUEST "binding.report_data"
/* What compares report and certificates. */
#define TIES       "snp.product snp.signing_key snp.chip snp.cert_tcb "
#define REVOCATION "snp.crl snp.crl_dates snp.revoked "
/* Whatever a policy decides. */
#define POLICYS                                                                              \
    "policy.type snp.tcb_min snp.tcb_launch snp.firmware_min snp.mitigation snp.policy_abi " \
    "snp.smt snp.guest_policy snp.platform snp.vmpl snp.measurement snp.host_data "          \
    "snp.id_key snp.author_key snp.guest_svn"
#define ALL_BUT_FORMAT                                                                  \
    "snp.version snp.signature_algo snp.reserved snp.chain_present snp.root snp.chain " \
    "snp.chain_dates snp.signature " REVOCATION TIES STATEMENTS

#define REPORT       "AMD 56860, ATTESTATION_REPORT: "
#define GUEST_POLICY "AMD 56860, Guest Policy: "
#define PLATFORM     "AMD 56860, PLATFORM_INFO: "
#define VCEK         "AMD 57230, VCEK certificate: "
#define VLEK         "AMD 57230, VLEK certificate: "
#define OWN          "docs/POLICY.md, sev_snp: "

/* ---- variants of what is right ---- */

static struct snp_recipe vlek_of(struct snp_recipe r, const char *asvk_cn, const char *product)
{
    r.ask_cn = r.leaf_issuer_cn = asvk_cn;
    r.leaf_cn = "SEV-VLEK";
    snp_ext_text(&r, SNP_OID("2"), product);
    snp_ext_drop(&r, SNP_OID("4"));
    snp_ext_text(&r, SNP_OID("5"), "CN=cloud.example");
    memset(r.report + 0x1a0, 0, 64);
    snp_put32(&r, 0x48, 1 << 2);
    snp_policy_edit(&r, "'min_abi'",
                    "'signing_keys':['vlek'],'csp_ids':['CN=cloud.example'],'min_abi'");
    return r;
}

static struct snp_recipe vlek(void)
{
    return vlek_of(snp_lab_good(), "SEV-VLEK-Genoa", "Genoa");
}

/* A report of an older version has no mitigation vectors, and the policy can't ask for any. */
static struct snp_recipe version(uint32_t v)
{
    struct snp_recipe r = snp_lab_good();

    snp_put32(&r, 0, v);
    snp_put64(&r, 0x1f8, 0);
    snp_put64(&r, 0x200, 0);
    snp_policy_edit(&r, ",'mitigations':[0,1]", "");
    if (v < 3)
        memset(r.report + 0x188, 0, 3);
    return r;
}

static void add_policy(struct snp_recipe *r, const char *member)
{
    char to[512];

    LAB_MUST((size_t)snprintf(to, sizeof to, "%s,'min_abi'", member) < sizeof to);
    snp_policy_edit(r, "'min_abi'", to);
}

static void good_products(struct lab *l)
{
    struct snp_recipe r = snp_lab_good();

    emit(l, &r,
         SAYS("snp-good-genoa", "A Genoa's report of version 5: nothing is wrong", REPORT "all"));
    r = snp_lab_milan();
    emit(l, &r, SAYS("snp-good-milan", "A Milan's report: nothing is wrong", REPORT "all"));
    snp_ext_text(&r, SNP_OID("2"), "Milan-B1");
    emit(l, &r,
         SAYS("snp-good-milan-stepping", "productName carries another stepping",
              VCEK "productName"));
    r = snp_lab_turin();
    emit(
        l, &r,
        SAYS(
            "snp-good-turin",
            "A Turin's report: FMC in TCB_VERSION, a chip id of 8 bytes, bit 6 of PLATFORM_INFO set",
            "AMD 57230, TCB_VERSION of family 1Ah; HWID of 8 bytes"));
    r = snp_lab_good();
    r.report[0x189] = 0xa0;
    emit(l, &r,
         SAYS("snp-good-siena", "A Siena (model A0h), endorsed as Genoa",
              "AMD 57230: Siena's certificates are Genoa's"));
    r.report[0x189] = 0xaf;
    emit(l, &r,
         SAYS("snp-good-siena-last", "The last model that is endorsed as Genoa (AFh)",
              "AMD 57230: models A0h to AFh"));
    r = snp_lab_good();
    r.report[0x189] = 0x1f;
    emit(l, &r,
         SAYS("snp-good-genoa-last", "The last model of Genoa's own range (1Fh)",
              "AMD 57230: models 10h to 1Fh"));
    r = vlek();
    emit(l, &r,
         SAYS("snp-good-vlek-genoa", "Signed by a provider's key that the policy names",
              VLEK "CSP_ID"));
    r = vlek_of(snp_lab_milan(), "SEV-VLEK-Milan", "Milan");
    emit(l, &r,
         SAYS("snp-good-vlek-milan", "A Milan's provider key: no stepping in productName",
              VLEK "productName"));
    r = vlek_of(snp_lab_turin(), "SEV-VLEK-Turin", "Turin");
    emit(l, &r, SAYS("snp-good-vlek-turin", "A Turin's provider key", VLEK "FMC"));
    r = vlek();
    r.report[0x1a0] = 7;
    emit(l, &r,
         SAYS("snp-good-vlek-shows-chip",
              "Signed by a provider's key, and the report shows its chip", VLEK "no HWID"));
}

static void good_versions(struct lab *l)
{
    static const char *const id[] = {"snp-good-version-2", "snp-good-version-3",
                                     "snp-good-version-4"};
    struct snp_recipe r;
    struct made m;
    uint8_t wrapped[66] = {4, 64};

    for (uint32_t v = 2; v <= 4; v++) {
        r = version(v);
        emit(l, &r,
             SAYS(.id = id[v - 2], .title = "A report of an older version: nothing is wrong",
                  .basis = REPORT "VERSION"));
    }
    r = snp_lab_good();
    memcpy(wrapped + 2, r.report + 0x1a0, 64);
    snp_ext_set(&r, SNP_OID("4"), wrapped, sizeof wrapped);
    emit(l, &r,
         SAYS("snp-good-chip-wrapped", "The certificate's chip id is wrapped in an OCTET STRING",
              VCEK "hwID"));
    r = snp_lab_good();
    m = make(&r);
    m.pem = true;
    emit_made(l, &m, SAYS("snp-good-pem", "Certificates come as PEM", "RFC 7468"));
    m = make(&r);
    snp_lab_root(&r, &m.extra[0]);
    m.extras = 1;
    emit_made(l, &m,
              SAYS("snp-good-root-in-chain", "The root itself comes behind the chain",
                   "AMD 57230, cert_chain: ASK, then ARK"));
    m = make(&r);
    m.expect_any = true;
    emit_made(l, &m,
              SAYS("snp-good-any-data", "Whoever asks wants no data compared",
                   "docs/LAB.md: expect_any"));
    snp_policy_edit(&r, "'devices'", "'revocation':'if-present','devices'");
    r.no_crl = true;
    emit(l, &r,
         SAYS("snp-good-no-crl-wanted", "No revocation list, and the policy wants none",
              "docs/POLICY.md: revocation"));
    r = snp_lab_good();
    r.clean_crl_from = r.crl_from - LAB_DAY;
    r.revoked = 9;
    emit(l, &r,
         SAYS("snp-good-two-crls", "An older revocation list comes beside the newest",
              "RFC 5280 section 5"));
}

/* What a policy may allow, and does. */
static void good_allowed(struct lab *l)
{
    char hex[129], list[256];
    struct snp_recipe r = snp_lab_good();

    snp_put64(&r, 0x038, snp_tcb(10, 0, 27, 201));
    add_policy(&r, "'allow_provisional':true");
    emit(l, &r,
         SAYS("snp-good-provisional-allowed", "Provisional firmware runs, and the policy allows it",
              OWN "allow_provisional"));
    r = snp_lab_good();
    memset(r.report + 0x1a0, 0, 64);
    add_policy(&r, "'allow_masked_chip':true");
    emit(l, &r,
         SAYS("snp-good-chip-hidden-allowed", "The report hides its chip, and the policy allows it",
              OWN "allow_masked_chip"));
    r = snp_lab_good();
    clo_hex(r.report + 0x1a0, 64, hex);
    (void)snprintf(list, sizeof list, "'chip_ids':['%s']", hex);
    add_policy(&r, list);
    emit(l, &r, SAYS("snp-good-chip-listed", "The policy lists this chip", OWN "chip_ids"));
    r = snp_lab_good();
    snp_put32(&r, 0x030, 2);
    add_policy(&r, "'vmpl':2");
    emit(l, &r,
         SAYS("snp-good-vmpl-2", "The report comes from VMPL 2, as the policy wants",
              REPORT "VMPL"));
    r = snp_lab_good();
    snp_put64(&r, 0x008, 0x33001f | 1 << 24 | 1 << 25 | 1 << 22 | 1 << 23);
    add_policy(&r, "'allow_cxl':true,'require_guest':['single_socket','mem_aes_256_xts','rapl_dis',"
                   "'ciphertext_hiding','page_swap_disable']");
    emit(l, &r,
         SAYS("snp-good-guest-bits", "Every guest policy bit that may be asked for is set",
              GUEST_POLICY "bits 20 to 25"));
    r = snp_lab_good();
    snp_put64(&r, 0x040, 0x3f);
    snp_policy_edit(&r, "'alias_check','ecc'",
                    "'alias_check','ecc','tsme','rapl_dis','ciphertext_hiding'");
    emit(l, &r,
         SAYS("snp-good-platform-bits", "Every platform protection that may be asked for is active",
              PLATFORM "bits 1 to 5"));
    r = snp_lab_good();
    snp_put64(&r, 0x040, 0x25 | 1 << 6 | 1 << 7 | UINT64_C(1) << 63);
    emit(l, &r,
         SAYS("snp-good-platform-unknown-bits",
              "Bits of PLATFORM_INFO that no document names say nothing against a machine",
              PLATFORM "reserved bits; both recorded Turins have bit 6 set"));
    r = snp_lab_good();
    snp_put64(&r, 0x008, 0x2001f);
    snp_put64(&r, 0x040, 0x24);
    snp_policy_edit(&r, "'allow_smt':true,", "");
    emit(l, &r,
         SAYS("snp-good-smt-off", "SMT is off and forbidden, as the policy wants",
              GUEST_POLICY "bit 16; PLATFORM_INFO bit 0"));
    r = snp_lab_good();
    snp_put64(&r, 0x008, 0x30100);
    emit(l, &r,
         SAYS("snp-good-abi-1-0", "The guest's ABI floor 1.0 is above the policy's 0.31",
              GUEST_POLICY "ABI_MAJOR, ABI_MINOR"));
    r = snp_lab_good();
    snp_policy_edit(&r, "1.55.43", "1.54.255");
    emit(l, &r,
         SAYS("snp-good-firmware-1-55", "Firmware 1.55.43 is above a floor of 1.54.255",
              REPORT "CURRENT_MAJOR, MINOR, BUILD"));
}

#define KEY_DIGEST                                     \
    "333333333333333333333333333333333333333333333333" \
    "333333333333333333333333333333333333333333333333"
#define HOST_DATA "0000000000000000000000000000000000000000000000000000000000000007"

static void good_identity(struct lab *l)
{
    struct snp_recipe r = snp_lab_good();

    r.report[0x0df] = 7;
    add_policy(&r, "'host_data':['" HOST_DATA "']");
    emit(l, &r,
         SAYS("snp-good-host-data", "HOST_DATA is what the policy lists", REPORT "HOST_DATA"));
    r = snp_lab_good();
    memset(r.report + 0x0e0, 0x33, 48);
    add_policy(&r, "'id_keys':['" KEY_DIGEST "']");
    emit(l, &r,
         SAYS("snp-good-id-key", "The image owner's key is one that the policy lists",
              REPORT "ID_KEY_DIGEST"));
    snp_put32(&r, 0x48, 1);
    memset(r.report + 0x110, 0x33, 48);
    add_policy(&r, "'author_keys':['" KEY_DIGEST "']");
    emit(l, &r,
         SAYS("snp-good-author-key", "The author's key is one that the policy lists",
              REPORT "AUTHOR_KEY_EN, AUTHOR_KEY_DIGEST"));
    r = snp_lab_good();
    snp_put32(&r, 0x004, 9);
    emit(l, &r,
         SAYS("snp-good-guest-svn", "GUEST_SVN is above the policy's floor", REPORT "GUEST_SVN"));
    r = snp_lab_good();
    memset(r.report + 0x010, 0xfe, 32);
    memset(r.report + 0x140, 0xfe, 64);
    emit(l, &r,
         SAYS("snp-good-free-fields",
              "FAMILY_ID, IMAGE_ID, REPORT_ID and REPORT_ID_MA may have any value",
              REPORT "FAMILY_ID, IMAGE_ID, REPORT_ID, REPORT_ID_MA"));
}

/* ---- bytes ---- */

static void bytes(struct lab *l)
{
    struct snp_recipe r = snp_lab_good();
    struct made m;

    r.report_n = CLO_SNP_REPORT_LEN - 1;
    emit(l, &r,
         SAYS("snp-format-short", "The report lacks its last byte", REPORT "1184 bytes",
              .fail = "snp.format", .missing = ALL_BUT_FORMAT));
    r.report_n = CLO_SNP_REPORT_LEN + 1;
    emit(l, &r,
         SAYS("snp-format-trailing", "A zero byte stands behind the report", REPORT "1184 bytes",
              .fail = "snp.format", .missing = ALL_BUT_FORMAT, .lesson = "47"));
    r.report_n = 1;
    emit(l, &r,
         SAYS("snp-format-one-byte", "The report is one byte", REPORT "1184 bytes",
              .fail = "snp.format", .missing = ALL_BUT_FORMAT));
    r = snp_lab_good();
    m = make(&r);
    m.no_report = true;
    emit_made(l, &m,
              SAYS("snp-format-none", "Certificates came, but no report", REPORT "1184 bytes",
                   .missing = "snp.format " ALL_BUT_FORMAT));
    snp_put32(&r, 0, 6);
    emit(l, &r,
         SAYS("snp-version-6", "A version that no document describes", REPORT "VERSION",
              .fail = "snp.version"));
    r = version(1);
    emit(l, &r,
         SAYS("snp-version-1", "A version from before the first that firmware shipped with",
              REPORT "VERSION", .fail = "snp.version"));
    r = version(0);
    emit(l, &r, SAYS("snp-version-0", "Version 0", REPORT "VERSION", .fail = "snp.version"));
    r = snp_lab_good();
    snp_put32(&r, 0, 0x10005);
    emit(l, &r,
         SAYS("snp-version-high-half", "The version's upper half is set: 65541 isn't 5",
              REPORT "VERSION is 32 bits", .fail = "snp.version"));
    r = snp_lab_good();
    snp_put32(&r, 0x34, 0);
    emit(l, &r,
         SAYS("snp-algo-0", "Another signature algorithm is named: 0", REPORT "SIGNATURE_ALGO",
              .fail = "snp.signature_algo"));
    snp_put32(&r, 0x34, 2);
    emit(l, &r,
         SAYS("snp-algo-2", "Another signature algorithm is named: 2", REPORT "SIGNATURE_ALGO",
              .fail = "snp.signature_algo"));
    snp_put32(&r, 0x34, 0x101);
    emit(l, &r,
         SAYS("snp-algo-high", "The algorithm's number is 257, whose lowest byte is 1",
              REPORT "SIGNATURE_ALGO is 32 bits", .fail = "snp.signature_algo"));
}

/* The signature covers all of these but the last six. */
static void reserved(struct lab *l)
{
    static const struct {
        const char *id, *title;
        size_t at;
        uint8_t bit;
        bool behind; /* the signed part */
    } row[] = {
        {"snp-reserved-policy-26", "The lowest reserved bit of POLICY is set", 0x00b, 0x04, false},
        {"snp-reserved-policy-63", "The highest reserved bit of POLICY is set", 0x00f, 0x80, false},
        {"snp-reserved-flags-5", "The lowest reserved bit of the flags is set", 0x048, 0x20, false},
        {"snp-reserved-flags-31", "The highest reserved bit of the flags is set", 0x04b, 0x80,
         false},
        {"snp-reserved-04c", "The reserved word behind the flags isn't zero", 0x04f, 0x80, false},
        {"snp-reserved-18b", "The first reserved byte behind CPUID isn't zero", 0x18b, 0x01, false},
        {"snp-reserved-19f", "The last reserved byte before CHIP_ID isn't zero", 0x19f, 0x80,
         false},
        {"snp-reserved-1eb", "The byte behind the current version isn't zero", 0x1eb, 0x01, false},
        {"snp-reserved-1ef", "The byte behind the committed version isn't zero", 0x1ef, 0x01,
         false},
        {"snp-reserved-208", "The first byte behind the mitigation vectors isn't zero", 0x208, 0x01,
         false},
        {"snp-reserved-29f", "The last byte that is signed isn't zero", 0x29f, 0x80, false},
        {"snp-reserved-r-48", "R's byte 48 isn't zero: 384 bits have 48", 0x2d0, 0x01, true},
        {"snp-reserved-r-71", "R's last byte isn't zero", 0x2e7, 0x80, true},
        {"snp-reserved-s-48", "S' byte 48 isn't zero", 0x318, 0x01, true},
        {"snp-reserved-s-71", "S' last byte isn't zero", 0x32f, 0x80, true},
        {"snp-reserved-330", "The first byte behind the signature isn't zero", 0x330, 0x01, true},
        {"snp-reserved-49f", "The report's last byte isn't zero", 0x49f, 0x80, true},
    };
    struct snp_recipe r;

    for (size_t i = 0; i < CLO_ARRAY_LEN(row); i++) {
        struct made m;

        r = snp_lab_good();
        if (!row[i].behind)
            r.report[row[i].at] |= row[i].bit;
        m = make(&r);
        if (row[i].behind)
            m.report[row[i].at] |= row[i].bit;
        emit_made(l, &m,
                  SAYS(.id = row[i].id, .title = row[i].title,
                       .basis = REPORT "reserved fields must be zero", .fail = "snp.reserved",
                       .lesson = row[i].behind ? "41 47" : NULL));
    }
    r = snp_lab_good();
    snp_put64(&r, 0x008, 0x1001f);
    emit(l, &r,
         SAYS("snp-reserved-policy-17", "POLICY bit 17, which must be one, is zero",
              GUEST_POLICY "bit 17", .fail = "snp.reserved"));
    r = snp_lab_good();
    r.report[0x3a] = 1;
    emit(l, &r,
         SAYS("snp-reserved-current-tcb", "A reserved byte of CURRENT_TCB isn't zero",
              "AMD 56860, TCB_VERSION of family 19h", .fail = "snp.reserved",
              .missing = "snp.cert_tcb " LEVELS));
    r = snp_lab_turin();
    r.report[0x1f6] = 1;
    emit(l, &r,
         SAYS("snp-reserved-turin-launch-tcb",
              "Turin: byte 6 of LAUNCH_TCB, which was SNP's on Genoa, isn't zero",
              "AMD 56860, TCB_VERSION of family 1Ah", .fail = "snp.reserved",
              .missing = "snp.cert_tcb " LEVELS));
    r = version(2);
    r.report[0x188] = 0x19;
    r.report[0x189] = 0x11;
    emit(l, &r,
         SAYS("snp-reserved-version-2-cpuid", "Version 2 has no CPUID, and the bytes are set",
              REPORT "CPUID fields since version 3", .fail = "snp.reserved"));
    r = version(4);
    snp_put64(&r, 0x200, 3);
    emit(l, &r,
         SAYS("snp-reserved-version-4-mitigation",
              "Version 4 has no mitigation vectors, and the bytes are set",
              REPORT "mitigation vectors since version 5", .fail = "snp.reserved"));
}

static void signature(struct lab *l)
{
    static const char *const flipped[] = {"snp-signature-flip-family-id",
                                          "snp-signature-flip-report-id", "snp-signature-flip-s"};
    static const size_t at[] = {0x010, 0x15f, 0x2e8 + 20};
    /* n of P-384, little-endian: the smallest value that no scalar has */
    static const uint8_t order[48] = {0x73, 0x29, 0xc5, 0xcc, 0x6a, 0x19, 0xec, 0xec, 0x7a, 0xa7,
                                      0xb0, 0x48, 0xb2, 0x0d, 0x1a, 0x58, 0xdf, 0x2d, 0x37, 0xf4,
                                      0x81, 0x4d, 0x63, 0xc7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct snp_recipe r = snp_lab_good();
    struct made m;

    for (size_t i = 0; i < CLO_ARRAY_LEN(at); i++) {
        m = make(&r);
        m.report[at[i]] ^= 1;
        emit_made(l, &m,
                  SAYS(.id = flipped[i],
                       .title = "One bit of the report differs from what was signed",
                       .basis = REPORT "SIGNATURE over bytes 0 to 29Fh as received",
                       .fail = "snp.signature", .missing = TIES STATEMENTS, .flip = "report",
                       .lesson = "41"));
    }
    m = make(&r);
    memset(m.report + 0x2a0, 0, 144);
    emit_made(l, &m,
              SAYS("snp-signature-zero", "R and S are zero", "FIPS 186-5 section 6.4.2: 1 to n-1",
                   .fail = "snp.signature", .missing = TIES STATEMENTS, .lesson = "39"));
    m = make(&r);
    memcpy(m.report + 0x2a0, order, sizeof order);
    emit_made(l, &m,
              SAYS("snp-signature-r-order", "R is the order of the group",
                   "FIPS 186-5 section 6.4.2: 1 to n-1", .fail = "snp.signature",
                   .missing = TIES STATEMENTS, .lesson = "39"));
    m = make(&r);
    memcpy(m.report + 0x2e8, order, sizeof order);
    emit_made(l, &m,
              SAYS("snp-signature-s-order", "S is the order of the group",
                   "FIPS 186-5 section 6.4.2: 1 to n-1", .fail = "snp.signature",
                   .missing = TIES STATEMENTS, .lesson = "39"));
    m = make(&r);
    for (size_t i = 0; i < 24; i++)
        for (size_t k = 0; k < 2; k++) {
            uint8_t *p = m.report + 0x2a0 + 72 * k, swap = p[i];

            p[i] = p[47 - i];
            p[47 - i] = swap;
        }
    emit_made(l, &m,
              SAYS("snp-signature-big-endian", "R and S stand most significant byte first",
                   REPORT "R and S little-endian", .fail = "snp.signature",
                   .missing = TIES STATEMENTS));
    r.report_signer = snp_lab.stranger_leaf;
    emit(l, &r,
         SAYS("snp-signature-other-key", "Another key than the certificate's signed the report",
              REPORT "SIGNATURE", .fail = "snp.signature", .missing = TIES STATEMENTS,
              .lesson = "39"));
    r = snp_lab_good();
    r.leaf = snp_lab.stranger;
    emit(l, &r,
         SAYS("snp-signature-rsa-leaf", "The report key's certificate holds an RSA key",
              VCEK "P-384", .fail = "snp.signature", .missing = TIES STATEMENTS));
}

/* ---- certificates ---- */

static void product(struct lab *l)
{
    struct snp_recipe r = snp_lab_good();
    const char *unknown = TIES "snp.root snp.signature " REVOCATION STATEMENTS;
    const char *ties_less = strchr(unknown, ' ') + 1; /* all but the product itself */

    r.report[0x188] = 0x17;
    emit(l, &r,
         SAYS("snp-product-family-17", "Family 17h (Naples, Rome) has no SEV-SNP",
              REPORT "CPUID_FAM_ID", .fail = "snp.product", .missing = ties_less));
    r = snp_lab_good();
    r.report[0x189] = 0xb0;
    emit(l, &r,
         SAYS("snp-product-model-b0", "A model behind Siena's last", REPORT "CPUID_MOD_ID",
              .fail = "snp.product", .missing = ties_less));
    r.report[0x189] = 0x20;
    emit(l, &r,
         SAYS("snp-product-model-20", "A model behind Genoa's last", REPORT "CPUID_MOD_ID",
              .fail = "snp.product", .missing = ties_less));
    r = snp_lab_turin();
    r.report[0x189] = 0x12;
    emit(l, &r,
         SAYS("snp-product-model-1a-12", "A model behind Turin's last", REPORT "CPUID_MOD_ID",
              .fail = "snp.product", .missing = ties_less));
    r = snp_lab_good();
    snp_policy_edit(&r, "'genoa'", "'milan'");
    emit(l, &r,
         SAYS("snp-product-not-admitted",
              "The policy has floors for Milan, and the chip is a Genoa", OWN "products",
              .fail = "snp.product", .missing = NEEDS_FLOOR));
    r = snp_lab_good();
    snp_ext_text(&r, SNP_OID("2"), "Milan-B0");
    emit(l, &r,
         SAYS("snp-product-extension", "The certificate's productName is another chip's",
              VCEK "productName", .fail = "snp.product"));
    snp_ext_drop(&r, SNP_OID("2"));
    emit(l, &r,
         SAYS("snp-product-extension-missing", "The certificate has no productName",
              VCEK "productName", .fail = "snp.product", .lesson = "40"));
    r = snp_lab_good();
    snp_ext_int(&r, SNP_OID("1"), 1);
    emit(l, &r,
         SAYS("snp-product-struct-version", "A Genoa's certificate has Turin's structVersion",
              VCEK "structVersion", .fail = "snp.product"));
    snp_ext_drop(&r, SNP_OID("1"));
    emit(l, &r,
         SAYS("snp-product-struct-version-missing", "The certificate has no structVersion",
              VCEK "structVersion", .fail = "snp.product", .lesson = "40"));
    r = snp_lab_good();
    r.ask_cn = r.leaf_issuer_cn = "SEV-Milan";
    emit(l, &r,
         SAYS("snp-product-ask-name", "The intermediate has another product's name",
              "AMD 57230, ASK: SEV-{product}", .fail = "snp.product"));
    r = snp_lab_good();
    r.leaf_cn = "SEV-OTHER";
    emit(l, &r,
         SAYS("snp-product-leaf-name", "The report key's certificate has another name",
              VCEK "SEV-VCEK", .fail = "snp.product"));
    r = snp_lab_good();
    r.leaf_cn = "SEV-VCEK-SIMULATED";
    emit(l, &r,
         SAYS("snp-product-simulated-name", "A simulator's name under a hardware root",
              VCEK "SEV-VCEK", .fail = "snp.product", .lesson = "46"));
    r = snp_lab_good();
    r.ask_cn = r.leaf_issuer_cn = "SEV-VLEK-Genoa";
    emit(l, &r,
         SAYS("snp-product-vcek-by-asvk", "A VCEK under the intermediate of VLEKs",
              "AMD 57230, ASVK", .fail = "snp.product"));
    r = vlek();
    r.ask_cn = r.leaf_issuer_cn = "SEV-Genoa";
    emit(l, &r,
         SAYS("snp-product-vlek-by-ask", "A VLEK under the intermediate of VCEKs",
              "AMD 57230, ASVK", .fail = "snp.product"));
    r = vlek_of(snp_lab_milan(), "SEV-VLEK-Genoa", "Milan");
    emit(l, &r,
         SAYS("snp-product-vlek-other-asvk", "A Milan's VLEK under Genoa's intermediate",
              "AMD 57230, ASVK", .fail = "snp.product"));
}

static void chain_present(struct lab *l)
{
    struct snp_recipe r = snp_lab_good(), other = r;
    const char *none = "snp.chain_present snp.root snp.chain snp.chain_dates snp.revoked "
                       "snp.signature " TIES STATEMENTS;
    const char *unread = strchr(none, ' ') + 1;
    struct made m;

    r.chain_n = 0;
    emit(l, &r,
         SAYS("snp-chain-none", "No certificate came: nothing can be decided",
              "AMD 57230: a report is verified with its key's certificate", .missing = none,
              .lesson = "40"));
    r.chain_n = 1;
    emit(l, &r,
         SAYS("snp-chain-no-intermediate", "The intermediate's certificate didn't come",
              "AMD 57230: VCEK, ASK, ARK", .missing = none));
    r = version(2);
    r.chain_n = 0;
    emit(l, &r,
         SAYS("snp-chain-none-version-2",
              "No certificate came, and a report of version 2 doesn't name its product",
              REPORT "CPUID fields since version 3",
              .missing =
                  "snp.chain_present snp.root snp.chain snp.chain_dates snp.signature " REVOCATION
                      TIES LEVELS "snp.firmware_min " GUEST_ "binding.report_data"));
    r = snp_lab_good();
    r.chain_garbage = true;
    emit(l, &r,
         SAYS("snp-chain-no-der", "What came as the intermediate begins like no certificate",
              "X.690: DER", .outcome = "malformed"));
    r = snp_lab_good();
    m = make(&r);
    m.chain[0].len--;
    emit_made(l, &m,
              SAYS("snp-chain-leaf-cut", "The report key's certificate lacks its last byte",
                   "X.690: DER", .outcome = "malformed"));
    m = make(&r);
    m.chain[1].p[4] ^= 1; /* the tag of what is signed */
    emit_made(l, &m,
              SAYS("snp-chain-garbage", "The intermediate is DER, and no certificate",
                   "RFC 5280 section 4.1", .fail = "snp.chain_present", .missing = unread));
    m = make(&r);
    LAB_MUST(clo_buf_append(&m.chain[0], "", 1) == 0);
    emit_made(l, &m,
              SAYS("snp-chain-leaf-trailing", "A byte stands behind the report key's certificate",
                   "X.690: DER", .fail = "snp.chain_present", .missing = unread, .lesson = "47"));
    m = make(&r);
    other.leaf_to += LAB_DAY;
    {
        struct clo_buf more[CLO_CHAIN_MAX];

        snp_lab_chain(&other, more);
        m.extra[m.extras++] = more[0];
        clo_buf_clear(&more[1]);
        clo_buf_clear(&more[2]);
    }
    emit_made(l, &m,
              SAYS("snp-chain-two-leaves", "Two report keys' certificates came",
                   "docs/LAB.md: items, certificates", .fail = "snp.chain_present",
                   .missing = unread));
}

static void chain(struct lab *l)
{
    const char *no_root = "snp.signature " REVOCATION TIES STATEMENTS;
    struct snp_recipe r = snp_lab_good();
    struct made m;

    r.ask_issuer = snp_lab.stranger;
    emit(l, &r,
         SAYS("snp-root-strangers", "A complete chain that somebody made for himself",
              "AMD 57230, ARK", .fail = "snp.root", .missing = "snp.signature " TIES STATEMENTS,
              .lesson = "3 4 46 54"));
    r = snp_lab_good();
    r.no_root = true;
    emit(l, &r,
         SAYS("snp-root-none", "No root is given for this product", "AMD 57230, ARK",
              .fail = "snp.root", .missing = no_root, .lesson = "3 46"));
    r = snp_lab_good();
    r.product = "Milan";
    emit(l, &r,
         SAYS("snp-root-other-product",
              "The root that signed the chain is given for another product",
              "AMD 57230, ARK-{product}", .fail = "snp.root", .missing = no_root));
    r = snp_lab_good();
    r.ask_issuer_cn = "ARK-Milan";
    emit(l, &r,
         SAYS("snp-root-issuer-name", "The intermediate names another issuer than its root",
              "RFC 5280 section 6.1.3 (a)(4)", .fail = "snp.root",
              .missing = "snp.signature " TIES STATEMENTS));
    r = snp_lab_good();
    m = make(&r);
    m.chain[1].p[m.chain[1].len - 1] ^= 1;
    emit_made(l, &m,
              SAYS("snp-root-flip", "The last bit of the intermediate's signature is flipped",
                   "RFC 5280 section 6.1.3 (a)(1)", .fail = "snp.root",
                   .missing = "snp.signature " TIES STATEMENTS, .flip = "certificate"));
    r.leaf_issuer = snp_lab.stranger;
    emit(l, &r,
         SAYS("snp-chain-stranger", "The intermediate didn't sign the report key's certificate",
              "RFC 5280 section 6.1.3 (a)(1)", .fail = "snp.chain",
              .missing = "snp.signature " TIES STATEMENTS, .lesson = "39"));
    r = snp_lab_good();
    m = make(&r);
    m.chain[0].p[m.chain[0].len - 1] ^= 1;
    emit_made(l, &m,
              SAYS("snp-chain-flip",
                   "The last bit of the report key certificate's signature is flipped",
                   "RFC 5280 section 6.1.3 (a)(1)", .fail = "snp.chain",
                   .missing = "snp.signature " TIES STATEMENTS, .flip = "certificate"));
    r.leaf_issuer_cn = "SEV-Turin";
    emit(l, &r,
         SAYS("snp-chain-issuer-name", "The report key's certificate names another issuer",
              "RFC 5280 section 6.1.3 (a)(4)", .fail = "snp.chain",
              .missing = "snp.signature " TIES STATEMENTS));
    r = snp_lab_good();
    r.ask_no_ca = true;
    emit(l, &r,
         SAYS("snp-chain-no-authority", "The intermediate is no certificate authority",
              "RFC 5280 section 6.1.4 (k)", .fail = "snp.chain",
              .missing = "snp.signature " TIES STATEMENTS));
    r = snp_lab_good();
    r.leaf_ca = true;
    emit(l, &r,
         SAYS("snp-chain-leaf-authority", "The report key's certificate is an authority's",
              VCEK "not a CA", .fail = "snp.chain", .missing = "snp.signature " TIES STATEMENTS));
    r = snp_lab_good();
    r.leaf_salt = 32;
    emit(l, &r,
         SAYS("snp-chain-pss-salt", "RSA-PSS with a salt of 32 bytes, where SHA-384 has 48",
              "AMD 57230: RSASSA-PSS, SHA-384, salt 48", .fail = "snp.chain",
              .missing = "snp.signature " TIES STATEMENTS));
}

static void dates(struct lab *l)
{
    struct snp_recipe r = snp_lab_good();

    r.leaf_to = LAB_NOW - 1;
    emit(l, &r,
         SAYS("snp-dates-leaf-ended", "The report key's certificate ended a second ago",
              "RFC 5280 section 4.1.2.5", .fail = "snp.chain_dates", .lesson = "37 44"));
    r.leaf_to = LAB_NOW + 1;
    emit(l, &r,
         SAYS("snp-good-dates-last-second", "The report key's certificate ends in a second",
              "RFC 5280 section 4.1.2.5"));
    r.leaf_from = LAB_NOW + 1;
    r.leaf_to = LAB_NOW + LAB_YEAR;
    emit(l, &r,
         SAYS("snp-dates-leaf-early", "The report key's certificate begins in a second",
              "RFC 5280 section 4.1.2.5", .fail = "snp.chain_dates"));
    r = snp_lab_good();
    r.ask_to = LAB_NOW - LAB_DAY;
    emit(l, &r,
         SAYS("snp-dates-ask", "The intermediate has expired", "RFC 5280 section 6.1.3 (a)(2)",
              .fail = "snp.chain_dates", .lesson = "44"));
    r = snp_lab_good();
    r.root_to = LAB_NOW - LAB_DAY;
    emit(l, &r,
         SAYS("snp-dates-root", "The root has expired", "RFC 5280 section 6.1; docs/POLICY.md",
              .fail = "snp.chain_dates", .lesson = "44"));
    r = vlek();
    r.leaf_to = LAB_NOW - LAB_DAY;
    emit(l, &r,
         SAYS("snp-dates-vlek", "A provider's key has expired", VLEK "one year",
              .fail = "snp.chain_dates", .lesson = "44"));
    r = snp_lab_good();
    r.now = LAB_NOW - 10 * (int64_t)LAB_YEAR;
    emit(l, &r,
         SAYS("snp-dates-now-before", "The time that is given lies before everything",
              "RFC 5280 section 6.1.3 (a)(2)", .fail = "snp.chain_dates snp.crl_dates"));
}

static void crl(struct lab *l)
{
    struct snp_recipe r = snp_lab_good();
    struct made m;

    r.no_crl = true;
    emit(l, &r,
         SAYS("snp-crl-none", "No revocation list came, and the policy wants one",
              "RFC 5280 section 6.3; docs/POLICY.md: revocation", .missing = REVOCATION,
              .lesson = "40"));
    r = snp_lab_good();
    r.crl_issuer = snp_lab.stranger;
    emit(l, &r,
         SAYS("snp-crl-stranger", "Somebody else signed the revocation list",
              "RFC 5280 section 6.3.3 (g)", .fail = "snp.crl",
              .missing = "snp.crl_dates snp.revoked"));
    r.crl_issuer = snp_lab.ask;
    emit(l, &r,
         SAYS("snp-crl-by-intermediate",
              "The intermediate signed the revocation list, not the root",
              "AMD 57230, CRL: issued by the ARK", .fail = "snp.crl",
              .missing = "snp.crl_dates snp.revoked"));
    r = snp_lab_good();
    m = make(&r);
    m.crls.crl[0].p[m.crls.crl[0].len - 1] ^= 1;
    emit_made(l, &m,
              SAYS("snp-crl-flip", "The last bit of the revocation list's signature is flipped",
                   "RFC 5280 section 6.3.3 (g)", .fail = "snp.crl",
                   .missing = "snp.crl_dates snp.revoked", .flip = "crl"));
    m = make(&r);
    LAB_MUST(clo_buf_append(&m.crls.crl[0], "", 1) == 0);
    emit_made(l, &m,
              SAYS("snp-crl-trailing", "A byte stands behind the revocation list", "X.690: DER",
                   .fail = "snp.crl", .missing = "snp.crl_dates snp.revoked", .lesson = "47"));
    r.crl_issuer = snp_lab.stranger;
    snp_policy_edit(&r, "'devices'", "'revocation':'if-present','devices'");
    emit(l, &r,
         SAYS("snp-crl-stranger-if-present",
              "A policy that does without a list doesn't do with somebody else's",
              "docs/POLICY.md: revocation", .fail = "snp.crl",
              .missing = "snp.crl_dates snp.revoked"));
    r = snp_lab_good();
    r.crl_to = LAB_NOW - 1;
    emit(l, &r,
         SAYS("snp-crl-expired", "The revocation list's nextUpdate was a second ago",
              "RFC 5280 section 6.3.3 (a)", .fail = "snp.crl_dates", .lesson = "37 44"));
    r.crl_to = LAB_NOW - LAB_YEAR + LAB_DAY;
    r.crl_from = LAB_NOW - LAB_YEAR;
    emit(l, &r,
         SAYS("snp-crl-old", "The revocation list ended a year ago", "RFC 5280 section 6.3.3 (a)",
              .fail = "snp.crl_dates", .lesson = "44"));
    r = snp_lab_good();
    r.crl_from = LAB_NOW + 1;
    emit(l, &r,
         SAYS("snp-crl-early", "The revocation list's thisUpdate is in a second",
              "RFC 5280 section 5.1.2.4", .fail = "snp.crl_dates"));
    r = snp_lab_good();
    r.revoked = 131074;
    emit(l, &r,
         SAYS("snp-revoked-ask", "The intermediate is revoked", "RFC 5280 section 6.3.3 (i)",
              .fail = "snp.revoked"));
    snp_policy_edit(&r, "'devices'", "'revocation':'if-present','devices'");
    emit(l, &r,
         SAYS("snp-revoked-if-present",
              "The intermediate is revoked, by a list that the policy didn't want",
              "docs/POLICY.md: revocation", .fail = "snp.revoked"));
    r = snp_lab_good();
    r.revoked = 131074;
    r.clean_crl_from = r.crl_from - 1;
    emit(l, &r,
         SAYS("snp-revoked-older-clean", "An older list doesn't revoke what the newest revokes",
              "RFC 5280 section 5.1.2.4", .fail = "snp.revoked"));
    r.clean_crl_first = true;
    emit(l, &r,
         SAYS("snp-revoked-older-clean-first", "The same, and the older list comes first",
              "RFC 5280 section 5.1.2.4", .fail = "snp.revoked"));
    r.clean_crl_from = LAB_NOW + 1;
    emit(l, &r,
         SAYS("snp-crl-early-hides", "A list from the future stands before the one that revokes",
              "RFC 5280 section 5.1.2.4", .fail = "snp.crl_dates"));
}

/* ---- certificate against report ---- */

static void signing_key(struct lab *l)
{
    struct snp_recipe r = snp_lab_good();
    const uint8_t chip[64] = {1};

    snp_put32(&r, 0x48, 1 << 2);
    emit(l, &r,
         SAYS("snp-key-names-vlek", "The report says VLEK, and a VCEK signed it",
              REPORT "SIGNING_KEY", .fail = "snp.signing_key"));
    snp_put32(&r, 0x48, 7 << 2);
    emit(l, &r,
         SAYS("snp-key-names-none", "The report says that it isn't signed", REPORT "SIGNING_KEY 7",
              .fail = "snp.signing_key"));
    snp_put32(&r, 0x48, 2 << 2);
    emit(l, &r,
         SAYS("snp-key-names-reserved", "The report names a kind of key that doesn't exist",
              REPORT "SIGNING_KEY 2 is reserved", .fail = "snp.signing_key"));
    r = vlek();
    snp_put32(&r, 0x48, 0);
    emit(l, &r,
         SAYS("snp-key-names-vcek", "The report says VCEK, and a VLEK signed it",
              REPORT "SIGNING_KEY", .fail = "snp.signing_key"));
    r = vlek();
    snp_ext_text(&r, SNP_OID("5"), "CN=other.example");
    emit(l, &r,
         SAYS("snp-key-other-provider", "Another provider's VLEK", OWN "csp_ids",
              .fail = "snp.signing_key"));
    snp_ext_text(&r, SNP_OID("5"), "CN=cloud.example.org");
    emit(l, &r,
         SAYS("snp-key-provider-prefix", "The provider's name only begins as the policy's",
              OWN "csp_ids", .fail = "snp.signing_key"));
    snp_ext_drop(&r, SNP_OID("5"));
    emit(l, &r,
         SAYS("snp-key-vlek-no-provider", "A VLEK that names no provider", VLEK "CSP_ID",
              .fail = "snp.signing_key", .lesson = "40"));
    r = vlek();
    snp_ext_set(&r, SNP_OID("4"), chip, sizeof chip);
    emit(l, &r,
         SAYS("snp-key-vlek-chip", "A VLEK that names a chip", VLEK "no HWID",
              .fail = "snp.signing_key", .lesson = "43"));
    r = vlek();
    snp_policy_edit(&r, "['vlek']", "['vcek']");
    emit(l, &r,
         SAYS("snp-key-vlek-not-admitted", "A VLEK, and the policy admits VCEKs",
              OWN "signing_keys", .fail = "snp.signing_key"));
    r = snp_lab_good();
    add_policy(&r, "'signing_keys':['vlek'],'csp_ids':['CN=cloud.example']");
    emit(l, &r,
         SAYS("snp-key-vcek-not-admitted", "A VCEK, and the policy admits VLEKs",
              OWN "signing_keys", .fail = "snp.signing_key"));
    r = snp_lab_good();
    snp_ext_text(&r, SNP_OID("5"), "CN=cloud.example");
    emit(l, &r,
         SAYS("snp-key-vcek-provider", "A VCEK that names a provider", VCEK "no CSP_ID",
              .fail = "snp.signing_key"));
}

static void chip(struct lab *l)
{
    struct snp_recipe r = snp_lab_good();
    uint8_t wrapped[66] = {4, 63};
    char hex[129], list[256];

    snp_ext_find(&r, SNP_OID("4"))->p[63] ^= 1;
    emit(l, &r,
         SAYS("snp-chip-other", "The certificate is another chip's", VCEK "hwID",
              .fail = "snp.chip", .lesson = "43"));
    snp_ext_drop(&r, SNP_OID("4"));
    emit(l, &r,
         SAYS("snp-chip-no-extension", "The certificate doesn't name its chip", VCEK "hwID",
              .fail = "snp.chip", .lesson = "40 43"));
    snp_ext_set(&r, SNP_OID("4"), r.report + 0x1a0, 63);
    emit(l, &r,
         SAYS("snp-chip-short", "The certificate's chip id lacks a byte", VCEK "hwID",
              .fail = "snp.chip"));
    r = snp_lab_good();
    memcpy(wrapped + 2, r.report + 0x1a0, 64);
    snp_ext_set(&r, SNP_OID("4"), wrapped, sizeof wrapped);
    emit(l, &r,
         SAYS("snp-chip-wrapped-wrong", "The OCTET STRING around the chip id has the wrong length",
              "X.690: DER", .fail = "snp.chip"));
    r = snp_lab_good();
    memset(r.report + 0x1a0, 0, 64);
    emit(l, &r,
         SAYS("snp-chip-hidden", "CHIP_ID is zero, and the policy doesn't allow that",
              REPORT "CHIP_ID", .fail = "snp.chip", .lesson = "43"));
    r.report[0x1a0] = 9;
    add_policy(&r, "'allow_masked_chip':true");
    emit(l, &r,
         SAYS("snp-chip-almost-hidden", "Hiding is allowed, and the report shows another chip",
              OWN "allow_masked_chip", .fail = "snp.chip"));
    r = snp_lab_good();
    snp_put32(&r, 0x48, 2);
    emit(l, &r,
         SAYS("snp-chip-mask-flag", "MASK_CHIP_KEY is set, and the policy doesn't allow that",
              REPORT "MASK_CHIP_KEY", .fail = "snp.chip"));
    r = vlek();
    snp_put32(&r, 0x48, 1 << 2 | 2);
    emit(l, &r,
         SAYS("snp-chip-mask-flag-vlek", "MASK_CHIP_KEY is set beside a provider's key",
              REPORT "MASK_CHIP_KEY", .fail = "snp.chip"));
    r = snp_lab_good();
    add_policy(&r, "'chip_ids':[]");
    emit(l, &r,
         SAYS("snp-chip-none-listed", "The policy lists chips, and none stands there",
              OWN "chip_ids", .fail = "snp.chip", .lesson = "26 40"));
    r = snp_lab_good();
    clo_hex(r.report + 0x1a0, 64, hex);
    hex[127] = hex[127] == '0' ? '1' : '0';
    (void)snprintf(list, sizeof list, "'chip_ids':['%s']", hex);
    add_policy(&r, list);
    emit(l, &r,
         SAYS("snp-chip-not-listed", "The policy lists another chip", OWN "chip_ids",
              .fail = "snp.chip"));
    r = snp_lab_turin();
    r.report[0x1df] = 1;
    emit(l, &r,
         SAYS("snp-chip-turin-padding", "Turin: a byte behind the chip id's eight isn't zero",
              "AMD 57230: HWID of 8 bytes", .fail = "snp.chip"));
    r = snp_lab_turin();
    r.report[0x1a7] ^= 0x40;
    emit(l, &r,
         SAYS("snp-chip-turin-other", "Turin: the certificate is another chip's",
              "AMD 57230: HWID of 8 bytes", .fail = "snp.chip", .lesson = "43"));
}

static void cert_tcb(struct lab *l)
{
    static const struct {
        const char *oid, *other, *gone, *name;
    } level[] = {
        {SNP_OID("3.1"), "snp-cert-tcb-bl", "snp-cert-tcb-bl-missing", VCEK "blSPL"},
        {SNP_OID("3.2"), "snp-cert-tcb-tee", "snp-cert-tcb-tee-missing", VCEK "teeSPL"},
        {SNP_OID("3.3"), "snp-cert-tcb-snp", "snp-cert-tcb-snp-missing", VCEK "snpSPL"},
        {SNP_OID("3.8"), "snp-cert-tcb-ucode", "snp-cert-tcb-ucode-missing", VCEK "ucodeSPL"},
    };
    static const struct {
        const char *id, *title;
        uint8_t p[5];
        size_t n;
    } der[] = {
        {"snp-cert-tcb-der-long", "A level with a needless leading zero byte", {2, 2, 0, 10}, 4},
        {"snp-cert-tcb-der-negative", "A negative level", {2, 1, 0x8a}, 3},
        {"snp-cert-tcb-der-empty", "A level without a byte", {2, 0}, 2},
        {"snp-cert-tcb-der-trailing", "A byte behind a level", {2, 1, 10, 0}, 4},
        {"snp-cert-tcb-der-octets", "A level that is an OCTET STRING", {4, 1, 10}, 3},
        {"snp-cert-tcb-der-large", "A level of 266, whose lowest byte is right", {2, 2, 1, 10}, 4},
        {"snp-cert-tcb-der-raw", "A level without DER around it", {10}, 1},
    };
    struct snp_recipe r;

    for (size_t i = 0; i < CLO_ARRAY_LEN(level); i++) {
        r = snp_lab_good();
        snp_ext_int(&r, level[i].oid, 77);
        emit(l, &r,
             SAYS(.id = level[i].other, .title = "The certificate is for another firmware level",
                  .basis = level[i].name, .fail = "snp.cert_tcb", .lesson = "17"));
        snp_ext_drop(&r, level[i].oid);
        emit(l, &r,
             SAYS(.id = level[i].gone, .title = "The certificate lacks a firmware level",
                  .basis = level[i].name, .fail = "snp.cert_tcb", .lesson = "17 40"));
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(der); i++) {
        r = snp_lab_good();
        snp_ext_set(&r, SNP_OID("3.1"), der[i].p, der[i].n);
        emit(l, &r,
             SAYS(.id = der[i].id, .title = der[i].title, .basis = "X.690 section 8.3: INTEGER",
                  .fail = "snp.cert_tcb"));
    }
    r = snp_lab_turin();
    snp_ext_int(&r, SNP_OID("3.9"), 3);
    emit(l, &r,
         SAYS("snp-cert-tcb-fmc", "Turin: the certificate is for another FMC level", VCEK "fmcSPL",
              .fail = "snp.cert_tcb", .lesson = "17"));
    snp_ext_drop(&r, SNP_OID("3.9"));
    emit(l, &r,
         SAYS("snp-cert-tcb-fmc-missing", "Turin: the certificate lacks the FMC level",
              VCEK "fmcSPL", .fail = "snp.cert_tcb", .lesson = "17 40"));
    r = snp_lab_good();
    snp_ext_int(&r, SNP_OID("3.5"), 1);
    emit(l, &r,
         SAYS("snp-cert-tcb-reserved", "A reserved level isn't zero", VCEK "spl_5",
              .fail = "snp.cert_tcb"));
    r = snp_lab_good();
    r.ext[r.exts] = *snp_ext_find(&r, SNP_OID("3.8"));
    r.exts++;
    emit(l, &r,
         SAYS("snp-cert-tcb-twice", "A level stands twice in the certificate",
              "RFC 5280 section 4.2: at most once", .fail = "snp.cert_tcb"));
}

/* ---- what the report says ---- */

static void levels(struct lab *l)
{
    static const struct {
        const char *reported, *launch, *floor, *what;
    } above[] = {
        {"snp-tcb-min-bl", "snp-tcb-launch-bl", "{'bl':11,'tee':0,'snp':27,'ucode':200}",
         "boot loader"},
        {"snp-tcb-min-tee", "snp-tcb-launch-tee", "{'bl':10,'tee':1,'snp':27,'ucode':200}", "TEE"},
        {"snp-tcb-min-snp", "snp-tcb-launch-snp", "{'bl':10,'tee':0,'snp':28,'ucode':200}", "SNP"},
        {"snp-tcb-min-ucode", "snp-tcb-launch-ucode", "{'bl':0,'tee':0,'snp':0,'ucode':201}",
         "microcode"},
    };
    struct snp_recipe r;
    char to[128], title[128];

    for (size_t i = 0; i < CLO_ARRAY_LEN(above); i++) {
        r = snp_lab_good();
        (void)snprintf(to, sizeof to, "'min_tcb':%s", above[i].floor);
        snp_policy_edit(&r, "'min_tcb':{'bl':10,'tee':0,'snp':27,'ucode':200}", to);
        (void)snprintf(title, sizeof title, "REPORTED_TCB is below the floor: %s", above[i].what);
        emit(l, &r,
             SAYS(.id = above[i].reported, .title = title,
                  .basis = "AMD 56860, TCB_VERSION: each component by itself",
                  .fail = "snp.tcb_min", .lesson = "45"));
        r = snp_lab_good();
        (void)snprintf(to, sizeof to, "'min_launch_tcb':%s", above[i].floor);
        snp_policy_edit(&r, "'min_launch_tcb':{'bl':10,'tee':0,'snp':27,'ucode':200}", to);
        (void)snprintf(title, sizeof title, "LAUNCH_TCB is below the floor: %s", above[i].what);
        emit(l, &r,
             SAYS(.id = above[i].launch, .title = title, .basis = REPORT "LAUNCH_TCB",
                  .fail = "snp.tcb_launch"));
    }
    r = snp_lab_turin();
    snp_policy_edit(&r, "{'fmc':2", "{'fmc':3");
    emit(l, &r,
         SAYS("snp-tcb-min-fmc", "Turin: REPORTED_TCB is below the floor: FMC",
              "AMD 56860, TCB_VERSION of family 1Ah", .fail = "snp.tcb_min"));
    r = snp_lab_good();
    snp_policy_edit(&r, "'min_launch_tcb':{'bl':10,'tee':0,'snp':27,'ucode':200},", "");
    snp_put64(&r, 0x1f0, snp_tcb(10, 0, 26, 200));
    emit(l, &r,
         SAYS("snp-tcb-launch-default", "The launch floor is the other floor where none is said",
              OWN "min_launch_tcb", .fail = "snp.tcb_launch", .lesson = "40"));
    r = snp_lab_good();
    snp_put64(&r, 0x180, snp_tcb(10, 0, 27, 201));
    snp_ext_int(&r, SNP_OID("3.8"), 201);
    emit(l, &r,
         SAYS("snp-tcb-order-reported", "REPORTED_TCB is above COMMITTED_TCB",
              "AMD 56860, TCB_VERSION: reported <= committed", .fail = "snp.tcb_order"));
    r = snp_lab_good();
    snp_put64(&r, 0x038, snp_tcb(10, 0, 26, 201));
    emit(l, &r,
         SAYS("snp-tcb-order-mixed",
              "Of CURRENT_TCB one component is above COMMITTED_TCB and another below",
              "AMD 56860, TCB_VERSION: committed <= current, each component by itself",
              .fail = "snp.tcb_order snp.tcb_provisional"));
    add_policy(&r, "'allow_provisional':true");
    emit(l, &r,
         SAYS("snp-tcb-order-alone", "The same, where provisional firmware is allowed",
              "AMD 56860, TCB_VERSION: committed <= current", .fail = "snp.tcb_order"));
    r = snp_lab_good();
    snp_put64(&r, 0x038, snp_tcb(10, 0, 27, 201));
    emit(l, &r,
         SAYS("snp-provisional-tcb",
              "CURRENT_TCB is above COMMITTED_TCB: firmware that can be taken back",
              "AMD 56860, SNP_COMMIT", .fail = "snp.tcb_provisional"));
    r = snp_lab_good();
    r.report[0x1e8] = 44;
    emit(l, &r,
         SAYS("snp-provisional-build", "The current build is above the committed one",
              REPORT "CURRENT_BUILD, COMMITTED_BUILD", .fail = "snp.tcb_provisional"));
    r = snp_lab_good();
    snp_policy_edit(&r, "1.55.43", "1.55.44");
    emit(l, &r,
         SAYS("snp-firmware-build", "The firmware's build is below the floor",
              REPORT "COMMITTED_BUILD", .fail = "snp.firmware_min"));
    snp_policy_edit(&r, "1.55.44", "1.56.0");
    emit(l, &r,
         SAYS("snp-firmware-minor", "The firmware's minor version is below the floor",
              REPORT "COMMITTED_MINOR", .fail = "snp.firmware_min"));
    snp_policy_edit(&r, "1.56.0", "2.0.0");
    emit(l, &r,
         SAYS("snp-firmware-major", "The firmware's major version is below the floor",
              REPORT "COMMITTED_MAJOR", .fail = "snp.firmware_min"));
    r = snp_lab_good();
    snp_put64(&r, 0x1f8, 1);
    emit(l, &r,
         SAYS("snp-mitigation-launch", "A mitigation that the policy wants wasn't active at launch",
              REPORT "LAUNCH_MIT_VECTOR", .fail = "snp.mitigation"));
    r = snp_lab_good();
    snp_put64(&r, 0x200, 2);
    emit(l, &r,
         SAYS("snp-mitigation-current", "A mitigation that the policy wants isn't active now",
              REPORT "CURRENT_MIT_VECTOR", .fail = "snp.mitigation"));
    r = version(4);
    snp_policy_edit(&r, "'min_guest_svn':3", "'min_guest_svn':3,'mitigations':[0]");
    emit(l, &r,
         SAYS("snp-mitigation-version-4", "The policy wants a mitigation, and version 4 names none",
              REPORT "mitigation vectors since version 5", .fail = "snp.mitigation",
              .lesson = "40"));
}

static void guest(struct lab *l)
{
    static const struct {
        const char *id, *bit, *basis;
        unsigned at;
    } wanted[] = {
        {"snp-guest-single-socket", "single_socket", GUEST_POLICY "bit 20, SINGLE_SOCKET", 20},
        {"snp-guest-aes-256-xts", "mem_aes_256_xts", GUEST_POLICY "bit 22, MEM_AES_256_XTS", 22},
        {"snp-guest-rapl-dis", "rapl_dis", GUEST_POLICY "bit 23, RAPL_DIS", 23},
        {"snp-guest-ciphertext-hiding", "ciphertext_hiding",
         GUEST_POLICY "bit 24, CIPHERTEXT_HIDING_DRAM", 24},
        {"snp-guest-page-swap", "page_swap_disable", GUEST_POLICY "bit 25, PAGE_SWAP_DISABLE", 25},
    };
    static const struct {
        const char *id, *bit, *basis;
        unsigned at;
    } platform[] = {
        {"snp-platform-tsme", "tsme", PLATFORM "bit 1, TSME_EN", 1},
        {"snp-platform-ecc", "ecc", PLATFORM "bit 2, ECC_EN", 2},
        {"snp-platform-rapl-dis", "rapl_dis", PLATFORM "bit 3, RAPL_DIS", 3},
        {"snp-platform-ciphertext-hiding", "ciphertext_hiding",
         PLATFORM "bit 4, CIPHERTEXT_HIDING_DRAM_EN", 4},
        {"snp-platform-alias-check", "alias_check",
         PLATFORM "bit 5, ALIAS_CHECK_COMPLETE (AMD-SB-3015)", 5},
    };
    struct snp_recipe r = snp_lab_good();
    char member[128];

    snp_put64(&r, 0x008, 0xb001f);
    emit(l, &r,
         SAYS("snp-debug", "The host may debug the guest", GUEST_POLICY "bit 19, DEBUG",
              .fail = "snp.debug", .lesson = "6 45"));
    snp_put64(&r, 0x008, 0x7001f);
    emit(l, &r,
         SAYS("snp-migration", "A migration agent may be given the guest's memory",
              GUEST_POLICY "bit 18, MIGRATE_MA", .fail = "snp.migration", .lesson = "6"));
    snp_put64(&r, 0x008, 0xf001f);
    emit(l, &r,
         SAYS("snp-debug-and-migration", "Both debugging and a migration agent are allowed",
              GUEST_POLICY "bits 18 and 19", .fail = "snp.debug snp.migration"));
    snp_put64(&r, 0x008, 0x3001e);
    emit(l, &r,
         SAYS("snp-abi-minor", "The guest's ABI floor 0.30 is below the policy's 0.31",
              GUEST_POLICY "ABI_MINOR", .fail = "snp.policy_abi"));
    r = snp_lab_good();
    snp_policy_edit(&r, "'0.31'", "'1.0'");
    emit(l, &r,
         SAYS("snp-abi-major", "The guest's ABI floor 0.31 is below the policy's 1.0",
              GUEST_POLICY "ABI_MAJOR", .fail = "snp.policy_abi"));
    r = snp_lab_good();
    snp_policy_edit(&r, "'allow_smt':true,", "");
    emit(l, &r,
         SAYS("snp-smt-on", "SMT is on and allowed, and the policy doesn't want it",
              GUEST_POLICY "bit 16, SMT", .fail = "snp.smt"));
    snp_put64(&r, 0x040, 0x24);
    emit(l, &r,
         SAYS("snp-smt-may-come", "SMT is off, but the guest allows it", GUEST_POLICY "bit 16, SMT",
              .fail = "snp.smt"));
    r = snp_lab_good();
    snp_put64(&r, 0x008, 0x2001f);
    emit(l, &r,
         SAYS("snp-smt-contradiction", "SMT is on, although the guest forbids it",
              GUEST_POLICY "bit 16; PLATFORM_INFO bit 0", .fail = "snp.smt"));
    snp_put64(&r, 0x008, 0x23001f);
    emit(l, &r,
         SAYS("snp-guest-cxl", "Memory behind CXL may be used", GUEST_POLICY "bit 21, CXL_ALLOW",
              .fail = "snp.guest_policy"));
    for (size_t i = 0; i < CLO_ARRAY_LEN(wanted); i++) {
        r = snp_lab_good();
        snp_put64(&r, 0x008, 0x3001f | (0x3d00000 & ~(UINT64_C(1) << wanted[i].at)));
        snp_policy_edit(&r, "'min_abi'", "'allow_cxl':true,'min_abi'");
        (void)snprintf(member, sizeof member, "'require_guest':['%s']", wanted[i].bit);
        add_policy(&r, member);
        emit(l, &r,
             SAYS(.id = wanted[i].id, .title = "A guest policy bit that the policy wants isn't set",
                  .basis = wanted[i].basis, .fail = "snp.guest_policy"));
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(platform); i++) {
        r = snp_lab_good();
        snp_put64(&r, 0x040, 0x3f & ~(UINT64_C(1) << platform[i].at));
        (void)snprintf(member, sizeof member, "['%s']", platform[i].bit);
        snp_policy_edit(&r, "['alias_check','ecc']", member);
        emit(l, &r,
             SAYS(.id = platform[i].id,
                  .title = "A platform protection that the policy wants isn't active",
                  .basis = platform[i].basis, .fail = "snp.platform"));
    }
    r = snp_lab_good();
    snp_put64(&r, 0x040, 0x05);
    snp_policy_edit(&r, "'require_platform':['alias_check','ecc'],", "");
    emit(l, &r,
         SAYS("snp-platform-default",
              "Aliasing wasn't checked, and a policy that says nothing wants it",
              OWN "require_platform", .fail = "snp.platform", .lesson = "40"));
}

static void identity(struct lab *l)
{
    struct snp_recipe r = snp_lab_good();

    snp_put32(&r, 0x030, 1);
    emit(l, &r,
         SAYS("snp-vmpl-1", "The report was asked for at VMPL 1", REPORT "VMPL",
              .fail = "snp.vmpl"));
    snp_put32(&r, 0x030, 0x100);
    emit(l, &r,
         SAYS("snp-vmpl-256", "VMPL is 256, whose lowest byte is right", REPORT "VMPL is 32 bits",
              .fail = "snp.vmpl"));
    snp_put32(&r, 0x030, UINT32_MAX);
    emit(l, &r,
         SAYS("snp-vmpl-host", "The host asked for the report (SNP_HV_REPORT_REQ)",
              REPORT "VMPL FFFFFFFFh", .fail = "snp.vmpl"));
    r = snp_lab_good();
    r.report[0x090] ^= 1;
    emit(l, &r,
         SAYS("snp-measurement-first", "Another image: the first byte differs",
              REPORT "MEASUREMENT", .fail = "snp.measurement", .lesson = "6"));
    r = snp_lab_good();
    r.report[0x0bf] ^= 0x80;
    emit(l, &r,
         SAYS("snp-measurement-last", "Another image: the last byte differs", REPORT "MEASUREMENT",
              .fail = "snp.measurement"));
    r = snp_lab_good();
    snp_policy_edit(&r, "'measurements':['" SNP_LAB_MEASUREMENT "'],", "");
    emit(l, &r,
         SAYS("snp-measurement-none-pinned", "The policy pins no image",
              "docs/POLICY.md: measurements", .fail = "snp.measurement", .lesson = "26 40"));
    r = snp_lab_good();
    snp_policy_edit(&r, "['" SNP_LAB_MEASUREMENT "']", "[]");
    memset(r.report + 0x090, 0, 48);
    emit(l, &r,
         SAYS("snp-measurement-zero", "An empty list of images, and a measurement of zeros",
              "docs/POLICY.md: measurements", .fail = "snp.measurement", .lesson = "26 40"));
    r = snp_lab_good();
    r.report[0x0df] = 7;
    emit(l, &r,
         SAYS("snp-host-data-set", "HOST_DATA is set, and the policy lists none",
              REPORT "HOST_DATA", .fail = "snp.host_data", .lesson = "40"));
    r.report[0x0df] = 0;
    add_policy(&r, "'host_data':['" HOST_DATA "']");
    emit(l, &r,
         SAYS("snp-host-data-zero", "HOST_DATA is zero, and the policy lists another value",
              OWN "host_data", .fail = "snp.host_data"));
    r = snp_lab_good();
    memset(r.report + 0x0e0, 0x33, 48);
    emit(l, &r,
         SAYS("snp-id-key-set", "An owner's key that the policy doesn't list",
              REPORT "ID_KEY_DIGEST", .fail = "snp.id_key"));
    r = snp_lab_good();
    add_policy(&r, "'id_keys':['" KEY_DIGEST "']");
    emit(l, &r,
         SAYS("snp-id-key-none", "The policy lists an owner's key, and the launch wasn't signed",
              OWN "id_keys", .fail = "snp.id_key", .lesson = "40"));
    r = snp_lab_good();
    snp_put32(&r, 0x48, 1);
    emit(l, &r,
         SAYS("snp-author-key-enabled-only", "AUTHOR_KEY_EN is set, and no author is named",
              REPORT "AUTHOR_KEY_EN", .fail = "snp.author_key"));
    memset(r.report + 0x0e0, 0x33, 48);
    memset(r.report + 0x110, 0x33, 48);
    add_policy(&r, "'id_keys':['" KEY_DIGEST "']");
    emit(l, &r,
         SAYS("snp-author-key-not-listed", "An author's key that the policy doesn't list",
              REPORT "AUTHOR_KEY_DIGEST", .fail = "snp.author_key"));
    add_policy(&r, "'author_keys':['" KEY_DIGEST "']");
    snp_put32(&r, 0x48, 0);
    emit(l, &r,
         SAYS("snp-author-key-not-enabled", "An author is named, and AUTHOR_KEY_EN isn't set",
              REPORT "AUTHOR_KEY_EN", .fail = "snp.author_key"));
    r = snp_lab_good();
    snp_put32(&r, 0x48, 1);
    memset(r.report + 0x110, 0x33, 48);
    add_policy(&r, "'author_keys':['" KEY_DIGEST "']");
    emit(l, &r,
         SAYS("snp-author-key-no-owner", "An author, but no owner whose key he could have signed",
              "AMD 56860, ID_AUTH: the author signs the ID key", .fail = "snp.author_key"));
    r = snp_lab_good();
    snp_put32(&r, 0x004, 2);
    emit(l, &r,
         SAYS("snp-guest-svn", "GUEST_SVN is below the policy's floor", REPORT "GUEST_SVN",
              .fail = "snp.guest_svn"));
}

static void data(struct lab *l)
{
    static const char *const id[] = {"snp-data-first-byte", "snp-data-middle",
                                     "snp-data-last-byte"};
    static const size_t at[] = {0, 32, 63};
    struct snp_recipe r;
    struct made m;

    for (size_t i = 0; i < CLO_ARRAY_LEN(at); i++) {
        r = snp_lab_good();
        r.report_data[at[i]] ^= 0x10;
        emit(l, &r,
             SAYS(.id = id[i], .title = "REPORT_DATA isn't what is expected",
                  .basis = REPORT "REPORT_DATA, 64 bytes", .fail = "binding.report_data",
                  .lesson = "2"));
    }
    r = snp_lab_good();
    memset(r.report + 0x050, 0, 64);
    emit(l, &r,
         SAYS("snp-data-zero", "REPORT_DATA is zero: the report covers nothing",
              REPORT "REPORT_DATA, 64 bytes", .fail = "binding.report_data", .lesson = "2 42"));
    r = snp_lab_good();
    m = make(&r);
    m.expect_n = 0;
    emit_made(l, &m,
              SAYS("snp-data-nothing-expected", "Nothing was given to compare REPORT_DATA with",
                   "docs/LAB.md: expect", .missing = "binding.report_data", .lesson = "40 42"));
    m = make(&r);
    m.expect_n = 63;
    emit_made(l, &m,
              SAYS("snp-data-short", "Of what is expected there are 63 bytes, all of them right",
                   REPORT "REPORT_DATA, 64 bytes", .outcome = "malformed", .lesson = "42"));
}

static void policies(struct lab *l)
{
    struct snp_recipe r = snp_lab_good();

    r.no_policy = true;
    emit(l, &r,
         SAYS("snp-policy-none",
              "No policy is given: the report is genuine, and no more can be said",
              "docs/POLICY.md", .missing = POLICYS, .lesson = "26 45"));
    (void)snprintf(r.policy, sizeof r.policy, "{'v':1,'name':'nothing','tee':[]}");
    r.no_policy = false;
    emit(l, &r,
         SAYS("snp-policy-empty", "A policy that names nothing admits nothing", "docs/POLICY.md",
              .fail = "policy.type", .missing = "snp.format " ALL_BUT_FORMAT, .lesson = "26"));
    r = snp_lab_good();
    snp_policy_edit(&r, "'sev-snp'", "'sev-snp-azure'");
    snp_policy_edit(&r, "'devices'", "'azure':{},'tpm':{'pcrs':[]},'devices'");
    emit(l, &r,
         SAYS("snp-policy-azure-only", "The policy admits SEV-SNP on Azure, where a paravisor runs",
              "docs/POLICY.md: tee", .fail = "policy.type",
              .missing = "snp.format " ALL_BUT_FORMAT));
    (void)snprintf(
        r.policy, sizeof r.policy,
        "{'v':1,'name':'simulator','tee':['simulated'],'measurements':['" SNP_LAB_MEASUREMENT
        "'],'simulated':{'roots':[]}}");
    emit(l, &r,
         SAYS("snp-policy-simulated", "The policy admits the simulator alone",
              "docs/POLICY.md: tee", .fail = "policy.type",
              .missing = "snp.format " ALL_BUT_FORMAT));
    r = vlek();
    r.no_policy = true;
    emit(l, &r,
         SAYS("snp-policy-none-vlek", "No policy is given to say which providers are trusted",
              OWN "signing_keys", .missing = "snp.signing_key snp.chip " POLICYS));
    r = snp_lab_good();
    r.no_policy = true;
    snp_put64(&r, 0x008, 0xb001f);
    emit(l, &r,
         SAYS("snp-policy-none-debug", "No policy is given, and none could allow debugging",
              GUEST_POLICY "bit 19, DEBUG", .fail = "snp.debug", .missing = POLICYS,
              .lesson = "6"));
    r = snp_lab_good();
    snp_policy_edit(
        &r, "'devices'",
        "'roots':['0000000000000000000000000000000000000000000000000000000000000000'],'devices'");
    emit(l, &r,
         SAYS("snp-policy-other-root", "The policy pins another root than the one that is given",
              "docs/POLICY.md: roots", .fail = "snp.root",
              .missing = "snp.signature " REVOCATION TIES STATEMENTS, .lesson = "3 46"));
}

void lab_cases_snp(struct lab *l)
{
    LAB_MUST(snp_lab_open(NULL) == 0);
    good_products(l);
    good_versions(l);
    good_allowed(l);
    good_identity(l);
    bytes(l);
    reserved(l);
    signature(l);
    product(l);
    chain_present(l);
    chain(l);
    dates(l);
    crl(l);
    signing_key(l);
    chip(l);
    cert_tcb(l);
    levels(l);
    guest(l);
    identity(l);
    data(l);
    policies(l);
    (void)snp_lab_close(NULL);
}
