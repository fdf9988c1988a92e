/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cases of TPM quotes by themselves: the quote, its signature, the attestation key's public area and certificates, the PCRs' values, and
 * perhaps an event log. What differs from the right ones stands in a row.
 */
#include "lab/event.h"
#include "lab/lab.h"
#include "lab/tpm.h"

#include "base/enc.h"

/* ---- what is missing, where... ---- */

/* ...it isn't known that the key signs only what its TPM made */
#define CLAIMS "tpm.signature tpm.nonce tpm.selection tpm.pcr_digest tpm.pcrs"
/* ...nothing vouches for the key */
#define NO_TRUST "tpm.key " CLAIMS
/* ...the key didn't sign the quote */
#define NO_SIGNATURE "tpm.nonce tpm.selection tpm.pcr_digest tpm.pcrs"
/* ...the quote can't be read */
#define UNREAD "tpm.algorithm " CLAIMS " tpm.event_log"

/* ---- what decides ---- */

#define PART1  "TPM 2.0 Library, part 1"
#define PART2  "TPM 2.0 Library, part 2"
#define QUOTE  "TPM 2.0 Library, part 3, TPM2_Quote"
#define ATTEST PART2 ", TPMS_ATTEST: "
#define OBJECT PART2 ", TPMA_OBJECT: "
#define X509   "RFC 5280 section 6.1"
#define LOG    "TCG PC Client Platform Firmware Profile, crypto-agile log"
#define POLICY "docs/POLICY.md, tpm"

/* Everything; right() is right in every respect. */
struct recipe {
    struct tl_recipe q;
    EVP_PKEY *pub; /* whose public area comes along; NULL: none */
    uint32_t attributes;
    bool sized; /* as TPM2B_PUBLIC */
    size_t pub_cut;
    struct tl_cert leaf, ca, root;
    size_t chain_n; /* 3: with the root */
    bool no_root, no_quote, no_signature, no_pcrs;
    bool no_policy, not_expected, any;
    char policy[4096];
};

struct row {
    const char *id, *title, *basis, *lesson, *flip;
    void (*change)(struct recipe *r);
    struct {
        size_t at;
        uint8_t bits;
    } quote, signature; /* XORed onto what was signed, and the signature */
    const char *policy[2], *policy2[2];
    const char *fail, *missing;
};

static struct recipe right(void)
{
    struct recipe r = {
        .q = tl_good(),
        .pub = tl.rsa,
        .attributes = TL_RESTRICTED,
        .leaf = {.subject = "",
                 .issuer = "TPM CA",
                 .key = tl.rsa,
                 .signer = tl.ca,
                 .from = LAB_NOW - LAB_DAY,
                 .to = LAB_NOW + LAB_DAY},
        .ca = {.subject = "TPM CA",
               .issuer = "TPM root",
               .key = tl.ca,
               .signer = tl.root,
               .from = LAB_NOW - 2 * LAB_DAY,
               .to = LAB_NOW + 2 * LAB_DAY,
               .constraints = "critical,CA:TRUE,pathlen:0",
               .md = EVP_sha384()},
        .root = {.subject = "TPM root",
                 .issuer = "TPM root",
                 .key = tl.root,
                 .signer = tl.root,
                 .from = LAB_NOW - 3 * LAB_DAY,
                 .to = LAB_NOW + 3 * LAB_DAY,
                 .constraints = "critical,CA:TRUE"},
        .chain_n = 2,
    };

    (void)snprintf(r.policy, sizeof r.policy, "%s",
                   "{'v':1,'name':'laboratory','tee':[],'devices':{'min':0},'tpm':{'pcrs':[{"
                   "'4':'" TL_X32("14") "','7':'" TL_X32("17") "'}]}}");
    return r;
}

static void edit(struct recipe *r, const char *from, const char *to)
{
    char s[sizeof r->policy];
    const char *at = strstr(r->policy, from);
    int n;

    LAB_MUST(at != NULL);
    n = snprintf(s, sizeof s, "%.*s%s%s", (int)(at - r->policy), r->policy, to, at + strlen(from));
    LAB_MUST(n > 0 && (size_t)n < sizeof s);
    memcpy(r->policy, s, (size_t)n + 1);
}

/* ---- emitting ---- */

static void cert_item(struct lab_case *c, const struct tl_cert *cert)
{
    struct clo_buf der;

    tl_cert(cert, &der);
    lab_item(c, CLOISTER_ITEM_CERTIFICATES, der.p, der.len);
    clo_buf_clear(&der);
}

static void items(const struct recipe *r, const struct tl_quote *q, struct lab_case *c)
{
    uint8_t pub[1024];
    struct clo_buf root;
    size_t n = 0;

    if (!r->no_quote)
        lab_item(c, CLOISTER_ITEM_TPM_QUOTE, q->quote, q->quote_n);
    if (!r->no_signature)
        lab_item(c, CLOISTER_ITEM_TPM_SIGNATURE, q->sig, q->sig_n);
    if (r->pub != NULL) {
        n = tl_public(r->pub, r->attributes, pub + 2, sizeof pub - 2) - r->pub_cut;
        pub[0] = (uint8_t)(n >> 8);
        pub[1] = (uint8_t)n;
        lab_item(c, CLOISTER_ITEM_TPM_KEY, pub + (r->sized ? 0 : 2), n + (r->sized ? 2 : 0));
    }
    if (!r->no_pcrs && q->pcrs_n > 0)
        lab_item(c, CLOISTER_ITEM_PCRS, q->pcrs, q->pcrs_n);
    for (size_t i = 0; i < r->chain_n; i++)
        cert_item(c, i == 0 ? &r->leaf : i == 1 ? &r->ca : &r->root);
    if (r->q.log != NULL)
        lab_item(c, CLOISTER_ITEM_EVENT_LOG, r->q.log, r->q.log_n);
    if (!r->not_expected && !r->any)
        lab_expect(c, r->q.expected, r->q.expected_n);
    c->expect_any = r->any;
    if (r->no_root)
        return;
    tl_cert(&r->root, &root);
    lab_root(c, LAB_ROOT_TPM, root.p, root.len);
    clo_buf_clear(&root);
}

static void emit(struct lab *l, const struct row *w)
{
    static struct tl_quote q;
    struct recipe r = right();
    char id[96];
    struct lab_case c = {
        .id = id,
        .format = "tpm",
        .title = w->title,
        .basis = w->basis,
        .lesson = w->lesson,
        .flip = w->flip,
        .bundle = {.type = CLOISTER_RAW_TPM},
        .now = LAB_NOW,
        .outcome = w->fail != NULL      ? "refused"
                   : w->missing != NULL ? "indeterminate"
                                        : "verified",
        .fail = w->fail != NULL ? w->fail : "",
        .missing = w->missing != NULL ? w->missing : "",
    };

    (void)snprintf(id, sizeof id, "tpm-%s", w->id);
    if (w->policy[0] != NULL)
        edit(&r, w->policy[0], w->policy[1]);
    if (w->policy2[0] != NULL)
        edit(&r, w->policy2[0], w->policy2[1]);
    if (w->change != NULL)
        w->change(&r);
    tl_make(&r.q, &q);
    q.quote[w->quote.at] ^= w->quote.bits;
    q.sig[w->signature.at] ^= w->signature.bits;
    items(&r, &q, &c);
    c.policy = r.no_policy ? NULL : r.policy;
    lab_emit(l, &c);
}

/* A change that is one statement. */
#define CHANGE(name, statement)        \
    static void name(struct recipe *r) \
    {                                  \
        statement;                     \
    }

/* ---- the bytes ---- */

enum { /* offsets in a quote with a name of 34 bytes and 32 bytes of data */
    AT_SIGNER = 8,
    AT_EXTRA = 44,
    AT_CLOCK = 76,
    AT_SAFE = 92,
    AT_FIRMWARE = 93,
    AT_BANKS = 101,
};

CHANGE(magic, r->q.magic = 0xff544348)
CHANGE(certify, r->q.type = TPM2_ST_ATTEST_CERTIFY)
CHANGE(quote_cut, r->q.quote_cut = 1)
CHANGE(quote_longer, r->q.quote_extra = 1)
CHANGE(bank_twice, (r->q.banks = 2, r->q.bank[1] = r->q.bank[0]))
CHANGE(no_quote, r->no_quote = true)
CHANGE(no_signature, r->no_signature = true)
CHANGE(no_policy, r->no_policy = true)
CHANGE(clock_and_firmware, (r->q.clock = 0x0123456789abcdef, r->q.firmware = 0x2016110001200000))
CHANGE(clock_unsafe, r->q.unsafe = true)

static const struct row bytes[] = {
    {.id = "good", .title = "nothing is wrong", .basis = QUOTE},
    {.id = "clock-and-firmware",
     .title = "nothing is wrong; clock and firmware version have values of some TPM",
     .basis = ATTEST "clockInfo and firmwareVersion",
     .change = clock_and_firmware},
    {.id = "clock-unsafe",
     .title = "nothing is wrong; the TPM's clock isn't safe, which no policy asks about",
     .basis = PART2 ", TPMS_CLOCK_INFO: safe",
     .change = clock_unsafe},
    {.id = "no-quote",
     .title = "key and certificates came, and no quote",
     .basis = "docs/POLICY.md, how a verdict comes about: what isn't there can't be judged",
     .change = no_quote,
     .missing = "tpm.format tpm.key tpm.key_trusted " UNREAD},
    {.id = "no-signature",
     .title = "no signature came with the quote",
     .basis = QUOTE,
     .change = no_signature,
     .missing = "tpm.format " UNREAD},
    {.id = "no-policy",
     .title = "no policy was given: the quote is authentic, and nothing says what PCRs are right",
     .basis = "docs/POLICY.md: nothing is accepted because nobody mentioned it",
     .lesson = "26 40",
     .change = no_policy,
     .missing = "policy.type tpm.selection tpm.pcrs tpm.event_log"},
    {.id = "policy-of-other-things",
     .title = "the policy doesn't admit TPMs",
     .basis = POLICY,
     .lesson = "26 40",
     .policy = {",'tpm':{'pcrs':[{'4':'" TL_X32("14") "','7':'" TL_X32("17") "'}]}", ""},
     .fail = "policy.type",
     .missing = "tpm.format tpm.key tpm.key_trusted " UNREAD},
    {.id = "magic",
     .title = "the signed bytes don't begin with the TPM's magic number",
     .basis = ATTEST "magic is TPM_GENERATED_VALUE",
     .lesson = "60",
     .change = magic,
     .fail = "tpm.format",
     .missing = UNREAD},
    {.id = "type-certify",
     .title = "the signed bytes are a TPM's statement on a key (TPM_ST_ATTEST_CERTIFY)",
     .basis = ATTEST "type is TPM_ST_ATTEST_QUOTE",
     .lesson = "60",
     .change = certify,
     .fail = "tpm.format",
     .missing = UNREAD},
    {.id = "quote-cut",
     .title = "the quote lacks its last byte",
     .basis = ATTEST "attested",
     .change = quote_cut,
     .fail = "tpm.format",
     .missing = UNREAD},
    {.id = "quote-longer",
     .title = "the signed bytes go on behind the quote",
     .basis = ATTEST "attested",
     .lesson = "47",
     .change = quote_longer,
     .fail = "tpm.format",
     .missing = UNREAD},
    {.id = "safe-no-boolean",
     .title = "the clock's safe is 3",
     .basis = PART2 ", TPMI_YES_NO",
     .quote = {AT_SAFE, 0x02},
     .fail = "tpm.format",
     .missing = UNREAD},
    {.id = "banks-too-many",
     .title = "the quote says that it selects of 65537 banks",
     .basis = PART2 ", TPML_PCR_SELECTION: count",
     .lesson = "38",
     .quote = {AT_BANKS + 1, 0x01},
     .fail = "tpm.format",
     .missing = UNREAD},
    {.id = "bank-twice",
     .title = "the quote selects of one bank twice",
     .basis = PART2 ", TPML_PCR_SELECTION",
     .change = bank_twice,
     .fail = "tpm.format",
     .missing = UNREAD},
    {.id = "signature-length",
     .title = "the declared length of the signature is one byte more than there is",
     .basis = PART2 ", TPMT_SIGNATURE",
     .signature = {5, 0x01},
     .fail = "tpm.format",
     .missing = UNREAD},
};

/* ---- signature and algorithms ---- */

static void by(struct recipe *r, EVP_PKEY *key, uint16_t scheme, uint16_t hash)
{
    r->q.signer = r->q.key = r->pub = r->leaf.key = key;
    r->q.scheme = scheme;
    r->q.hash = hash;
}

CHANGE(rsassa_384, by(r, tl.rsa, TPM2_ALG_RSASSA, TPM2_ALG_SHA384))
CHANGE(rsassa_512, by(r, tl.rsa, TPM2_ALG_RSASSA, TPM2_ALG_SHA512))
CHANGE(rsassa_bare, r->q.bare = true)
CHANGE(rsapss_256, by(r, tl.rsa, TPM2_ALG_RSAPSS, TPM2_ALG_SHA256))
CHANGE(ecdsa_p256, by(r, tl.p256, TPM2_ALG_ECDSA, TPM2_ALG_SHA256))
CHANGE(ecdsa_p384, by(r, tl.p384, TPM2_ALG_ECDSA, TPM2_ALG_SHA384))
CHANGE(sha1_signature, r->q.hash = TPM2_ALG_SHA1)
CHANGE(sha1_bank, r->q.bank[0].alg = TPM2_ALG_SHA1)
CHANGE(signed_by_another, r->q.signer = tl.rsa2)
CHANGE(signed_by_another_kind, (r->q.signer = tl.p256, r->q.scheme = TPM2_ALG_ECDSA))

#define SIGNED QUOTE ": the key signs the whole of TPMS_ATTEST"

static const struct row signatures[] = {
    {.id = "rsassa-sha384",
     .title = "nothing is wrong; signed with RSASSA and SHA-384",
     .basis = PART2 ", TPMT_SIGNATURE",
     .change = rsassa_384},
    {.id = "rsassa-sha512",
     .title = "nothing is wrong; signed with RSASSA and SHA-512",
     .basis = PART2 ", TPMT_SIGNATURE",
     .change = rsassa_512},
    {.id = "rsassa-bare",
     .title = "nothing is wrong; an RSASSA signature came without its TPMT_SIGNATURE",
     .basis = "docs/POLICY.md; libcloister(3): the bytes of an RSASSA SHA-256 signature alone",
     .change = rsassa_bare},
    {.id = "rsapss",
     .title = "nothing is wrong; signed with RSAPSS and SHA-256",
     .basis = PART2 ", TPMT_SIGNATURE",
     .change = rsapss_256},
    {.id = "ecdsa-p256",
     .title = "nothing is wrong; signed with ECDSA of P-256",
     .basis = PART2 ", TPMT_SIGNATURE",
     .change = ecdsa_p256},
    {.id = "ecdsa-p384",
     .title = "nothing is wrong; signed with ECDSA of P-384",
     .basis = PART2 ", TPMT_SIGNATURE",
     .change = ecdsa_p384},
    {.id = "signature-sha1",
     .title = "the quote is signed with SHA-1",
     .basis = "NIST SP 800-131A revision 2, section 3: no SHA-1 for signatures",
     .change = sha1_signature,
     .fail = "tpm.algorithm",
     .missing = CLAIMS},
    {.id = "bank-sha1",
     .title = "the SHA-1 bank is quoted",
     .basis = "NIST SP 800-131A revision 2, section 9; " POLICY ", bank",
     .change = sha1_bank,
     .fail = "tpm.algorithm tpm.selection tpm.pcrs",
     .missing = "tpm.signature tpm.nonce tpm.pcr_digest"},
    {.id = "scheme-unknown",
     .title = "the signature is of a scheme that isn't verified (ECDAA)",
     .basis = PART2 ", TPMT_SIGNATURE",
     .signature = {1, TPM2_ALG_RSASSA ^ TPM2_ALG_ECDAA},
     .fail = "tpm.algorithm",
     .missing = CLAIMS},
    {.id = "scheme-other",
     .title = "an RSASSA signature under the name of RSAPSS",
     .basis = PART2 ", TPMT_SIGNATURE",
     .signature = {1, TPM2_ALG_RSASSA ^ TPM2_ALG_RSAPSS},
     .fail = "tpm.signature",
     .missing = NO_SIGNATURE},
    {.id = "hash-other",
     .title = "a SHA-256 signature under the name of SHA-384",
     .basis = PART2 ", TPMT_SIGNATURE; " QUOTE ": pcrDigest is made with the signature's hash",
     .signature = {3, TPM2_ALG_SHA256 ^ TPM2_ALG_SHA384},
     .fail = "tpm.signature tpm.pcr_digest",
     .missing = "tpm.nonce tpm.selection tpm.pcrs"},
    {.id = "signed-by-another",
     .title = "another key than the one that came along signed the quote",
     .basis = SIGNED,
     .lesson = "4 39",
     .change = signed_by_another,
     .fail = "tpm.signature",
     .missing = NO_SIGNATURE},
    {.id = "signed-by-another-kind",
     .title = "a key of P-256 signed the quote, and the one that came along is of RSA",
     .basis = SIGNED,
     .change = signed_by_another_kind,
     .fail = "tpm.signature",
     .missing = NO_SIGNATURE},
    {.id = "flip-signer",
     .title = "a bit of the qualified signer's name is flipped",
     .basis = SIGNED,
     .lesson = "41",
     .flip = "quote",
     .quote = {AT_SIGNER, 0x01},
     .fail = "tpm.signature",
     .missing = NO_SIGNATURE},
    {.id = "flip-clock",
     .title = "a bit of the clock is flipped",
     .basis = SIGNED,
     .lesson = "41",
     .flip = "quote",
     .quote = {AT_CLOCK, 0x80},
     .fail = "tpm.signature",
     .missing = NO_SIGNATURE},
    {.id = "flip-firmware",
     .title = "a bit of the firmware version is flipped",
     .basis = SIGNED,
     .lesson = "41",
     .flip = "quote",
     .quote = {AT_FIRMWARE + 7, 0x01},
     .fail = "tpm.signature",
     .missing = NO_SIGNATURE},
    {.id = "flip-signature",
     .title = "a bit of the signature is flipped",
     .basis = SIGNED,
     .flip = "signature",
     .signature = {100, 0x10},
     .fail = "tpm.signature",
     .missing = NO_SIGNATURE},
};

/* ---- the key ---- */

CHANGE(not_restricted, r->attributes &= ~(uint32_t)TPMA_OBJECT_RESTRICTED)
CHANGE(not_fixed_tpm, r->attributes &= ~(uint32_t)TPMA_OBJECT_FIXEDTPM)
CHANGE(not_fixed_parent, r->attributes &= ~(uint32_t)TPMA_OBJECT_FIXEDPARENT)
CHANGE(not_sensitive_origin, r->attributes &= ~(uint32_t)TPMA_OBJECT_SENSITIVEDATAORIGIN)
CHANGE(not_sign, r->attributes &= ~(uint32_t)TPMA_OBJECT_SIGN_ENCRYPT)
CHANGE(decrypts, r->attributes |= TPMA_OBJECT_DECRYPT)
CHANGE(x509_signs, r->attributes |= TPMA_OBJECT_X509SIGN)
CHANGE(sized, r->sized = true)
CHANGE(no_public, r->pub = NULL)
CHANGE(no_certificates, r->chain_n = 0)
CHANGE(no_key, (r->pub = NULL, r->chain_n = 0))
CHANGE(public_cut, r->pub_cut = 1)
CHANGE(no_root, r->no_root = true)
CHANGE(with_root, r->chain_n = 3)
CHANGE(leaf_alone, r->chain_n = 1)
CHANGE(leaf_of_another_key, r->leaf.key = tl.rsa2)
CHANGE(leaf_foreign, r->leaf.signer = tl.stranger)
CHANGE(leaf_sha1, r->leaf.md = EVP_sha1())
CHANGE(leaf_ca, r->leaf.constraints = "critical,CA:TRUE")
CHANGE(leaf_expired, r->leaf.to = LAB_NOW - 1)
CHANGE(leaf_future, r->leaf.from = LAB_NOW + 1)
CHANGE(ca_foreign, r->ca.signer = tl.stranger)
CHANGE(ca_no_authority, r->ca.constraints = NULL)
CHANGE(ca_expired, r->ca.to = LAB_NOW - 1)
CHANGE(root_other, (r->root.key = r->root.signer = tl.stranger))
CHANGE(root_expired, r->root.to = LAB_NOW - 1)
CHANGE(root_path_length, r->root.constraints = "critical,CA:TRUE,pathlen:0")

/* A policy that lists the key, or one that differs in a bit. */
static void list(struct recipe *r, uint8_t bits)
{
    struct clo_key *key = tl_key(r->q.key);
    char hex[65], to[128];
    uint8_t digest[32];

    LAB_MUST(clo_key_digest(key, digest) == 0);
    clo_key_free(key);
    digest[31] ^= bits;
    clo_hex(digest, sizeof digest, hex);
    (void)snprintf(to, sizeof to, "'tpm':{'keys':['%s'],", hex);
    edit(r, "'tpm':{", to);
}

static void listed(struct recipe *r)
{
    list(r, 0);
    r->chain_n = 0;
    r->no_root = true;
}

static void listed_other(struct recipe *r)
{
    list(r, 1);
}

static const struct row keys[] = {
    {.id = "key-not-restricted",
     .title = "the attestation key isn't restricted: it may have signed anything",
     .basis = OBJECT "restricted; " PART1 ", attestation",
     .lesson = "60",
     .change = not_restricted,
     .fail = "tpm.key",
     .missing = CLAIMS},
    {.id = "key-not-fixed-to-tpm",
     .title = "the attestation key may leave its TPM",
     .basis = OBJECT "fixedTPM",
     .change = not_fixed_tpm,
     .fail = "tpm.key",
     .missing = CLAIMS},
    {.id = "key-not-fixed-to-parent",
     .title = "the attestation key may be given another parent",
     .basis = OBJECT "fixedParent",
     .change = not_fixed_parent,
     .fail = "tpm.key",
     .missing = CLAIMS},
    {.id = "key-made-elsewhere",
     .title = "the attestation key wasn't made by the TPM",
     .basis = OBJECT "sensitiveDataOrigin",
     .change = not_sensitive_origin,
     .fail = "tpm.key",
     .missing = CLAIMS},
    {.id = "key-does-not-sign",
     .title = "the attestation key isn't one for signing",
     .basis = OBJECT "sign",
     .change = not_sign,
     .fail = "tpm.key",
     .missing = CLAIMS},
    {.id = "key-decrypts",
     .title = "the attestation key decrypts as well",
     .basis = OBJECT "decrypt",
     .change = decrypts,
     .fail = "tpm.key",
     .missing = CLAIMS},
    {.id = "key-signs-certificates",
     .title = "the attestation key signs certificates that aren't the TPM's own words",
     .basis = OBJECT "x509sign",
     .change = x509_signs,
     .fail = "tpm.key",
     .missing = CLAIMS},
    {.id = "key-sized",
     .title = "nothing is wrong; the public area came with its length (TPM2B_PUBLIC)",
     .basis = PART2 ", TPM2B_PUBLIC",
     .change = sized},
    {.id = "key-by-certificate-alone",
     .title = "the key's certificate came, and nothing says that the key is restricted",
     .basis = OBJECT "restricted",
     .lesson = "40",
     .change = no_public,
     .missing = NO_TRUST},
    {.id = "key-unreadable",
     .title = "the public area lacks its last byte",
     .basis = PART2 ", TPMT_PUBLIC",
     .change = public_cut,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
    {.id = "key-missing",
     .title = "neither a public area nor a certificate came",
     .basis = QUOTE,
     .change = no_key,
     .missing = "tpm.key_trusted " NO_TRUST},
    {.id = "key-nobody-vouches",
     .title = "the public area came, and nothing that vouches for the key",
     .basis = POLICY ", keys",
     .lesson = "4 27",
     .change = no_certificates,
     .missing = "tpm.key_trusted " NO_TRUST},
    {.id = "key-listed",
     .title = "nothing is wrong; the policy lists the key, and no certificate came",
     .basis = POLICY ", keys",
     .change = listed},
    {.id = "key-not-listed",
     .title = "the policy lists another key; a certificate vouches for this one",
     .basis = POLICY ", keys: the list decides alone",
     .change = listed_other,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
    {.id = "root-none",
     .title = "the verifier has no root of TPMs' certificates",
     .basis = X509,
     .lesson = "46",
     .change = no_root,
     .missing = "tpm.key_trusted " NO_TRUST},
    {.id = "root-sent-along",
     .title = "nothing is wrong; the pinned root came along with the certificates",
     .basis = X509,
     .change = with_root},
    {.id = "root-not-pinned",
     .title = "the chain ends in a root of the pinned one's name",
     .basis = X509,
     .lesson = "4 46",
     .change = root_other,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
    {.id = "intermediate-missing",
     .title = "the key's certificate came without the intermediate",
     .basis = X509,
     .change = leaf_alone,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
    {.id = "certificate-of-another-key",
     .title = "the certificate is another key's",
     .basis = X509 ": what is certified is the subject's key",
     .lesson = "4 46",
     .change = leaf_of_another_key,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
    {.id = "certificate-foreign",
     .title = "the key's certificate isn't signed by the intermediate",
     .basis = X509 ".3 (a)(1)",
     .lesson = "39",
     .change = leaf_foreign,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
    {.id = "certificate-sha1",
     .title = "the key's certificate is signed with SHA-1",
     .basis = "NIST SP 800-131A revision 2, section 3: no SHA-1 for signatures",
     .change = leaf_sha1,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
    {.id = "certificate-an-authority",
     .title = "the key's certificate is an authority's",
     .basis = X509 ".4 (k)",
     .change = leaf_ca,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
    {.id = "certificate-expired",
     .title = "the key's certificate ended a second ago",
     .basis = X509 ".3 (a)(2)",
     .lesson = "44",
     .change = leaf_expired,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
    {.id = "certificate-not-yet-valid",
     .title = "the key's certificate is valid from the next second",
     .basis = X509 ".3 (a)(2)",
     .lesson = "44",
     .change = leaf_future,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
    {.id = "intermediate-foreign",
     .title = "the intermediate isn't signed by the root",
     .basis = X509 ".3 (a)(1)",
     .lesson = "39",
     .change = ca_foreign,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
    {.id = "intermediate-no-authority",
     .title = "the intermediate isn't an authority",
     .basis = X509 ".4 (k)",
     .change = ca_no_authority,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
    {.id = "intermediate-expired",
     .title = "the intermediate has ended",
     .basis = X509 ".3 (a)(2)",
     .lesson = "44",
     .change = ca_expired,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
    {.id = "root-expired",
     .title = "the root has ended",
     .basis = X509 ".3 (a)(2)",
     .lesson = "44",
     .change = root_expired,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
    {.id = "root-path-length",
     .title = "the root may issue no authorities, and an authority stands below it",
     .basis = X509 ".4 (l), (m)",
     .change = root_path_length,
     .fail = "tpm.key_trusted",
     .missing = NO_TRUST},
};

/* ---- what the quote covers ---- */

CHANGE(nonce_other, r->q.nonce[0] ^= 1)
CHANGE(nonce_last, r->q.nonce[31] ^= 0x80)
CHANGE(nonce_shorter, r->q.nonce_n = 31)
CHANGE(nonce_longer, r->q.nonce_n = 33)
CHANGE(nonce_empty, r->q.nonce_n = 0)
CHANGE(nonce_not_expected, r->not_expected = true)
CHANGE(nonce_not_asked, r->any = true)
CHANGE(pcrs_fewer, r->q.bank[0].pcrs = 0x7fffff)
CHANGE(pcrs_none, r->q.bank[0].pcrs = 0)
CHANGE(bank_none, r->q.banks = 0)
CHANGE(bank_384, r->q.bank[0].alg = TPM2_ALG_SHA384)
CHANGE(banks_two, (r->q.banks = 2, r->q.bank[1] = (struct clo_tpm_bank){TPM2_ALG_SHA384, 1}))
CHANGE(banks_two_one_empty,
       (r->q.banks = 2, r->q.bank[1] = (struct clo_tpm_bank){TPM2_ALG_SHA384, 0}))
CHANGE(values_none, r->no_pcrs = true)
CHANGE(values_more, r->q.pcrs_more = 32)
CHANGE(values_fewer, r->q.pcrs_more = -32)
CHANGE(value_unquoted, r->q.pcrs_flip = 8 * 32 * 9)
CHANGE(digest_wrong, r->q.digest_flip = 0)
CHANGE(value_4, r->q.value[4][0] ^= 1)
CHANGE(value_7, r->q.value[7][31] ^= 1)
CHANGE(value_9, r->q.value[9][0] ^= 1)

#define DATA "extraData are the caller's qualifying data, all of them"

static const struct row claims[] = {
    {.id = "nonce-other",
     .title = "the quote covers other data than expected: it may be of another time",
     .basis = ATTEST DATA,
     .lesson = "2 7",
     .change = nonce_other,
     .fail = "tpm.nonce"},
    {.id = "nonce-last-bit",
     .title = "the last byte of the quoted data differs in a bit",
     .basis = ATTEST DATA,
     .lesson = "2",
     .change = nonce_last,
     .fail = "tpm.nonce"},
    {.id = "nonce-shorter",
     .title = "the quote covers the expected data without their last byte",
     .basis = ATTEST DATA,
     .lesson = "42",
     .change = nonce_shorter,
     .fail = "tpm.nonce"},
    {.id = "nonce-longer",
     .title = "the quote covers the expected data and one byte more",
     .basis = ATTEST DATA,
     .lesson = "42",
     .change = nonce_longer,
     .fail = "tpm.nonce"},
    {.id = "nonce-empty",
     .title = "the quote covers no data",
     .basis = ATTEST DATA,
     .lesson = "7 42",
     .change = nonce_empty,
     .fail = "tpm.nonce"},
    {.id = "nonce-not-expected",
     .title = "the caller has nothing to compare the quoted data with",
     .basis = ATTEST DATA,
     .lesson = "40 42",
     .change = nonce_not_expected,
     .missing = "tpm.nonce"},
    {.id = "nonce-not-asked",
     .title = "nothing is wrong; the caller says that nothing ties this quote to anything",
     .basis = ATTEST DATA,
     .change = nonce_not_asked},
    {.id = "pcrs-fewer",
     .title = "PCR 23 isn't quoted, and the policy wants 0 to 23",
     .basis = QUOTE ", PCRselect; " POLICY ", selection",
     .lesson = "40",
     .change = pcrs_fewer,
     .fail = "tpm.selection"},
    {.id = "pcrs-more",
     .title = "PCR 23 is quoted, and the policy wants 0 to 22",
     .basis = QUOTE ", PCRselect; " POLICY ", selection",
     .policy = {"'tpm':{",
                "'tpm':{'selection':[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22],"},
     .fail = "tpm.selection"},
    {.id = "pcrs-none",
     .title = "the quote selects no PCR",
     .basis = QUOTE ", PCRselect; " POLICY ", selection",
     .lesson = "40",
     .change = pcrs_none,
     .fail = "tpm.selection",
     .missing = "tpm.pcr_digest tpm.pcrs"},
    {.id = "bank-none",
     .title = "the quote selects of no bank",
     .basis = QUOTE ", PCRselect; " POLICY ", selection",
     .lesson = "40",
     .change = bank_none,
     .fail = "tpm.selection tpm.pcrs",
     .missing = "tpm.pcr_digest"},
    {.id = "bank-other",
     .title = "the SHA-384 bank is quoted, and the policy wants SHA-256's",
     .basis = QUOTE ", PCRselect; " POLICY ", bank",
     .change = bank_384,
     .fail = "tpm.selection tpm.pcrs"},
    {.id = "bank-sha384",
     .title = "nothing is wrong; the SHA-384 bank is quoted, and wanted",
     .basis = QUOTE ", PCRselect; " POLICY ", bank",
     .change = bank_384,
     .policy = {"'tpm':{'pcrs':[{'4':'" TL_X32("14") "','7':'" TL_X32("17") "'}]}",
                "'tpm':{'bank':'sha384','pcrs':[{'4':'" TL_X32("14") TL_X4("14") TL_X4("14")
                    TL_X4("14") TL_X4("14") "'}]}"}},
    {.id = "banks-two",
     .title = "beside the wanted bank another one is quoted",
     .basis = QUOTE ", PCRselect; " POLICY ", selection",
     .change = banks_two,
     .fail = "tpm.selection tpm.pcrs"},
    {.id = "banks-two-one-empty",
     .title = "beside the wanted bank another one is named, of which nothing is quoted",
     .basis = QUOTE ", PCRselect; " POLICY ", selection",
     .change = banks_two_one_empty,
     .fail = "tpm.selection tpm.pcrs"},
    {.id = "values-missing",
     .title = "the values of the PCRs didn't come with the quote",
     .basis = QUOTE ", pcrDigest",
     .lesson = "40",
     .change = values_none,
     .missing = "tpm.pcr_digest tpm.pcrs"},
    {.id = "values-more",
     .title = "one value more came than was quoted",
     .basis = QUOTE ", pcrDigest",
     .lesson = "47",
     .change = values_more,
     .fail = "tpm.pcr_digest tpm.pcrs"},
    {.id = "values-fewer",
     .title = "one value fewer came than was quoted",
     .basis = QUOTE ", pcrDigest",
     .change = values_fewer,
     .fail = "tpm.pcr_digest tpm.pcrs"},
    {.id = "value-not-the-quoted-one",
     .title = "a value that no policy pins isn't the one that was quoted",
     .basis = QUOTE ", pcrDigest",
     .change = value_unquoted,
     .fail = "tpm.pcr_digest",
     .missing = "tpm.pcrs"},
    {.id = "digest-wrong",
     .title = "the signed digest is another than that of the values",
     .basis = QUOTE ", pcrDigest",
     .change = digest_wrong,
     .fail = "tpm.pcr_digest",
     .missing = "tpm.pcrs"},
    {.id = "pcr-4",
     .title = "PCR 4 (boot loader) has another value than the policy pins",
     .basis = POLICY ", pcrs",
     .lesson = "18 31",
     .change = value_4,
     .fail = "tpm.pcrs"},
    {.id = "pcr-7",
     .title = "PCR 7 (secure boot) has another value than the policy pins",
     .basis = POLICY ", pcrs",
     .lesson = "18 31",
     .change = value_7,
     .fail = "tpm.pcrs"},
    {.id = "pcr-not-pinned",
     .title = "nothing is wrong; a PCR that the policy doesn't pin has some value",
     .basis = POLICY ", pcrs",
     .change = value_9},
    {.id = "pcrs-second-alternative",
     .title = "nothing is wrong; the PCRs have the values of the second alternative",
     .basis = POLICY ", pcrs: one alternative has to hold",
     .policy = {"'pcrs':[", "'pcrs':[{'4':'" TL_X32("99") "'},"}},
    {.id = "pcrs-mixed",
     .title = "PCR 4 is that of one alternative, and PCR 7 another's",
     .basis = POLICY ", pcrs: one alternative has to hold",
     .policy = {"'7':'" TL_X32("17") "'", "'7':'" TL_X32("18") "'"},
     .policy2 = {"'pcrs':[", "'pcrs':[{'4':'" TL_X32("99") "','7':'" TL_X32("17") "'},"},
     .fail = "tpm.pcrs"},
    {.id = "pcrs-none-pinned",
     .title = "the policy pins no PCRs",
     .basis = POLICY ", pcrs: empty admits nothing",
     .lesson = "26 31 40",
     .policy = {"{'4':'" TL_X32("14") "','7':'" TL_X32("17") "'}", ""},
     .fail = "tpm.pcrs"},
};

/* ---- event log ---- */

static struct event_lab event_log;

/* PCRs 0 and 4 as the log leads to them. */
static void log_make(struct recipe *r, const uint16_t *algs)
{
    char hex[65], to[80];

    el_start(&event_log, algs);
    el_event(&event_log, 0, 8, 0x11, "v", 1);
    el_event(&event_log, 4, 13, 0x22, "", 0);
    el_event(&event_log, 4, 13, 0x33, "", 0);
    memset(r->q.value[0], 0, 48);
    memset(r->q.value[4], 0, 48);
    el_extend(r->q.value[0], 32, 0x11);
    el_extend(r->q.value[4], 32, 0x22);
    el_extend(r->q.value[4], 32, 0x33);
    clo_hex(r->q.value[4], 32, hex);
    (void)snprintf(to, sizeof to, "'4':'%s'", hex);
    edit(r, "'4':'" TL_X32("14") "'", to);
    r->q.log = event_log.p;
    r->q.log_n = event_log.n;
}

static void log_good(struct recipe *r)
{
    static const uint16_t both[] = {CLO_EVENT_SHA256, CLO_EVENT_SHA384, 0};

    log_make(r, both);
}

static void log_of_sha384(struct recipe *r)
{
    static const uint16_t one[] = {CLO_EVENT_SHA384, 0};

    log_make(r, one);
}

static void log_event_more(struct recipe *r)
{
    log_good(r);
    el_event(&event_log, 4, 13, 0x44, "", 0);
    r->q.log_n = event_log.n;
}

static void log_other_bank_differs(struct recipe *r)
{
    log_good(r);
    event_log.p[event_log.n - 40] ^= 1; /* in the last SHA-384 digest */
}

static void log_digest_differs(struct recipe *r)
{
    log_good(r);
    event_log.p[event_log.n - 60] ^= 1; /* in the last SHA-256 digest */
}

static void log_cut(struct recipe *r)
{
    log_good(r);
    r->q.log_n--;
}

static void log_header_alone(struct recipe *r)
{
    static const uint16_t both[] = {CLO_EVENT_SHA256, CLO_EVENT_SHA384, 0};

    log_good(r);
    el_start(&event_log, both);
    r->q.log_n = event_log.n;
}

static void log_of_unquoted(struct recipe *r)
{
    log_good(r);
    r->q.bank[0].pcrs = 0xfffffe;
    edit(r, "'tpm':{",
         "'tpm':{'selection':[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23],");
}

static const struct row logs[] = {
    {.id = "event-log",
     .title = "nothing is wrong; the event log that the policy requires replays to the PCRs",
     .basis = LOG,
     .change = log_good,
     .policy = {"'tpm':{", "'tpm':{'event_log':'required',"}},
    {.id = "event-log-missing",
     .title = "the policy requires an event log, and none came",
     .basis = POLICY ", event_log",
     .lesson = "40",
     .policy = {"'tpm':{", "'tpm':{'event_log':'required',"},
     .missing = "tpm.event_log"},
    {.id = "event-log-event-more",
     .title = "the event log has an event that no PCR was extended with",
     .basis = LOG,
     .lesson = "61",
     .change = log_event_more,
     .fail = "tpm.event_log"},
    {.id = "event-log-digest",
     .title = "a digest of the event log is another than was extended",
     .basis = LOG,
     .lesson = "61",
     .change = log_digest_differs,
     .fail = "tpm.event_log"},
    {.id = "event-log-other-bank",
     .title = "nothing is wrong; a digest of a bank that isn't quoted differs",
     .basis = LOG,
     .change = log_other_bank_differs},
    {.id = "event-log-without-bank",
     .title = "the event log has no digests of the quoted bank",
     .basis = LOG,
     .change = log_of_sha384,
     .fail = "tpm.event_log"},
    {.id = "event-log-cut",
     .title = "the event log lacks its last byte",
     .basis = LOG,
     .change = log_cut,
     .fail = "tpm.event_log"},
    {.id = "event-log-header-alone",
     .title = "the event log has a header and no events",
     .basis = LOG,
     .change = log_header_alone,
     .fail = "tpm.event_log"},
    {.id = "event-log-of-unquoted-pcrs",
     .title = "the event log speaks of PCR 0, which isn't quoted",
     .basis = LOG "; " POLICY ", event_log",
     .change = log_of_unquoted,
     .missing = "tpm.event_log"},
};

static void emit_all(struct lab *l, const struct row *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        emit(l, &row[i]);
}

void lab_cases_tpm(struct lab *l)
{
    LAB_MUST(tl_open(NULL) == 0);
    emit_all(l, bytes, CLO_ARRAY_LEN(bytes));
    emit_all(l, signatures, CLO_ARRAY_LEN(signatures));
    emit_all(l, keys, CLO_ARRAY_LEN(keys));
    emit_all(l, claims, CLO_ARRAY_LEN(claims));
    emit_all(l, logs, CLO_ARRAY_LEN(logs));
    LAB_MUST(tl_close(NULL) == 0);
}
