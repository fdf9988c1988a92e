/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RIMs: see rim.h. In this order: bytes (guard.h), well-formedness, the shape of the document and of its signature, the
 * chain, the signature by the chain's leaf, and only then what the document says.
 *
 * libxml2 gets no option that would load anything, and its loader of external entities refuses all; libxmlsec loses its input
 * callbacks and gets exactly the transforms of the one form, so that nothing beside it is even known.
 */
#include "rim/rim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlIO.h>
#include <xmlsec/xmlsec.h>

#include <xmlsec/errors.h>
#include <xmlsec/io.h>
#include <xmlsec/transforms.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/openssl/app.h>
#include <xmlsec/openssl/crypto.h>

#include "base/enc.h"
#include "rim/guard.h"

#define NS_SWID               "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
#define NS_DSIG               "http://www.w3.org/2000/09/xmldsig#"
#define NS_SHA384             "http://www.w3.org/2001/04/xmlenc#sha384"

#define ALG_C14N11            "http://www.w3.org/2006/12/xml-c14n11"
#define ALG_ECDSA             "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
#define ALG_ENVELOPED         "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
#define ALG_SHA384            "http://www.w3.org/2001/04/xmldsig-more#sha384"

#define OID_BASIC_CONSTRAINTS "2.5.29.19"
#define OID_KEY_USAGE         "2.5.29.15"

#define CHILDREN_MAX          CLO_REFERENCE_INDEXES

struct reading {
    char *why;
    xmlNode *meta, *payload, *signature;
    const char *cert_text[CLO_RIM_CERTS_MAX];
    struct clo_buf der[CLO_RIM_CERTS_MAX]; /* leaf first */
    struct clo_cert *cert[CLO_RIM_CERTS_MAX];
    size_t certs;
    int64_t until;
};

__attribute__((format(printf, 2, 3))) static void say_why(const struct reading *r, const char *fmt,
                                                          ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(r->why, CLO_RIM_WHY, fmt, args);
    va_end(args);
}
/* The error, with its reason. A macro, so that analysers see that it isn't 0. */
#define refuse(r, err, ...) (say_why(r, __VA_ARGS__), (err))

/* ---- the libraries ---- */

static xmlParserInputPtr no_entity(const char *url, const char *id, xmlParserCtxtPtr ctx)
{
    (void)url;
    (void)id;
    (void)ctx;
    return NULL;
}

__attribute__((format(printf, 2, 3))) static void say_nothing(void *ctx, const char *fmt, ...)
{
    (void)ctx;
    (void)fmt;
}

int clo_rim_init(void)
{
    int err;

    if ((err = clo_crypto_init()) != 0)
        return err;
    xmlInitParser();
    xmlSetExternalEntityLoader(no_entity);
    xmlSetGenericErrorFunc(NULL, say_nothing); /* canonicalisation's */
    if (xmlSecInit() != 0 || xmlSecCheckVersion() != 1)
        return CLOISTER_E_CRYPTO;
    xmlSecErrorsDefaultCallbackEnableOutput(0);
    xmlSecIOCleanupCallbacks();
    return xmlSecOpenSSLInit() == 0 ? 0 : CLOISTER_E_CRYPTO;
}

void clo_rim_end(void)
{
    (void)xmlSecOpenSSLShutdown();
    (void)xmlSecShutdown();
    xmlCleanupParser();
}

static int parse(const struct reading *r, const void *xml, size_t n, xmlDoc **ret)
{
    xmlParserCtxt *ctx = NULL;
    const char *why = NULL;
    xmlDoc *doc = NULL;
    int err;

    if (n > CLO_RIM_MAX)
        return refuse(r, CLOISTER_E_LIMIT, "is larger than 1 MiB, which no RIM is");
    if ((err = clo_rim_guard(xml, n, &why)) != 0)
        return refuse(r, err, "%s", why);
    if ((ctx = xmlNewParserCtxt()) == NULL)
        return CLOISTER_E_MEMORY;
    doc = xmlCtxtReadMemory(ctx, xml, (int)n, NULL, "UTF-8",
                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    /* An attribute twice, by two prefixes of one namespace, is well-formed to libxml2 and a fault of namespaces only. */
    if (doc == NULL || ctx->wellFormed != 1 || ctx->nsWellFormed != 1 || doc->intSubset != NULL ||
        doc->extSubset != NULL) {
        err = refuse(r, CLOISTER_E_MALFORMED, "is no well-formed XML");
    } else {
        *ret = doc;
        doc = NULL;
    }
    xmlFreeDoc(doc);
    xmlFreeParserCtxt(ctx);
    return err;
}

/* ---- walking the tree ---- */

static const char *name_of(const xmlNode *n)
{
    return (const char *)n->name;
}

static bool named(const xmlNode *n, const char *ns, const char *name)
{
    return n->type == XML_ELEMENT_NODE && n->ns != NULL && n->ns->href != NULL &&
           strcmp((const char *)n->ns->href, ns) == 0 && strcmp(name_of(n), name) == 0;
}

static bool is_blank(const xmlNode *n)
{
    const char *s = (const char *)n->content;

    return n->type == XML_TEXT_NODE && s != NULL && s[strspn(s, " \t\r\n")] == '\0';
}

/* The elements inside one that holds nothing else but white space. */
static int children(const struct reading *r, const xmlNode *of, size_t max, xmlNode **ret,
                    size_t *ret_n)
{
    size_t n = 0;

    for (xmlNode *c = of->children; c != NULL; c = c->next) {
        if (is_blank(c))
            continue;
        if (c->type != XML_ELEMENT_NODE)
            return refuse(r, CLOISTER_E_MALFORMED, "has text in %s, where none belongs",
                          name_of(of));
        if (n == max)
            return refuse(r, CLOISTER_E_LIMIT, "has too many elements in %s", name_of(of));
        ret[n++] = c;
    }
    *ret_n = n;
    return 0;
}

/* An attribute's value, borrowed; NULL for one that is more than plain text. */
static const char *value_of(const xmlAttr *a)
{
    if (a->children == NULL)
        return "";
    if (a->children->next != NULL || a->children->type != XML_TEXT_NODE ||
        a->children->content == NULL)
        return NULL;
    return (const char *)a->children->content;
}

/* The attribute of this name in no namespace (a prefix of none is a namespace of its own); NULL if absent. */
static const char *attr(const xmlNode *n, const char *name)
{
    for (const xmlAttr *a = n->properties; a != NULL; a = a->next) {
        if (a->ns == NULL && strcmp((const char *)a->name, name) == 0)
            return value_of(a);
    }
    return NULL;
}

static int need(const struct reading *r, const xmlNode *n, const char *name, const char **ret)
{
    const char *s = attr(n, name);

    if (s == NULL || *s == '\0')
        return refuse(r, CLOISTER_E_MALFORMED,
                      "has no %s in %s, so it can't be told what it is for", name, name_of(n));
    *ret = s;
    return 0;
}

/* ---- the shape of the document ---- */

static int shape(struct reading *r, const xmlNode *root)
{
    static const char *const name[] = {"Entity", "Meta", "Payload"};
    xmlNode *child[8] = {0};
    size_t n = 0, seen[CLO_ARRAY_LEN(name)] = {0};
    int err;

    if (!named(root, NS_SWID, "SoftwareIdentity"))
        return refuse(r, CLOISTER_E_UNKNOWN, "is no RIM: its document element is %s",
                      name_of(root));
    if ((err = children(r, root, CLO_ARRAY_LEN(child), child, &n)) != 0)
        return err;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        if (named(child[i], NS_DSIG, "Signature")) {
            if (r->signature != NULL)
                return refuse(r, CLOISTER_E_DUPLICATE, "has two signatures");
            r->signature = child[i];
            continue;
        }
        while (k < CLO_ARRAY_LEN(name) && !named(child[i], NS_SWID, name[k]))
            k++;
        if (k == CLO_ARRAY_LEN(name))
            return refuse(r, CLOISTER_E_UNKNOWN, "holds %s, which is unknown here",
                          name_of(child[i]));
        if (seen[k]++ > 0 && k > 0) /* a tag may have several creators */
            return refuse(r, CLOISTER_E_DUPLICATE, "holds %s twice", name[k]);
        if (k == 1)
            r->meta = child[i];
        if (k == 2)
            r->payload = child[i];
        if (k == 2 ? child[i]->properties != NULL : child[i]->children != NULL)
            return refuse(r, CLOISTER_E_UNKNOWN, "holds something in %s that is unknown here",
                          name[k]);
    }
    if (r->signature == NULL)
        return refuse(r, CLOISTER_E_AUTH,
                      "is not signed: there is no Signature in its document element");
    if (r->meta == NULL || r->payload == NULL)
        return refuse(r, CLOISTER_E_MALFORMED, "has no %s", r->meta == NULL ? "Meta" : "Payload");
    return 0;
}

/* ---- the shape of the signature ---- */

/* One element of XMLDSig with exactly this attribute (NULL: none); another value of it is another form of signature. */
static int expect(const struct reading *r, const xmlNode *n, const char *name,
                  const char *attribute, const char *value)
{
    const xmlAttr *a = n->properties;
    const char *is = NULL;

    if (!named(n, NS_DSIG, name))
        return refuse(r, CLOISTER_E_UNSUPPORTED,
                      "has another form of signature than RIMs have: %s where %s should be",
                      name_of(n), name);
    if (attribute == NULL ? a != NULL
                          : a == NULL || a->next != NULL || a->ns != NULL ||
                                strcmp((const char *)a->name, attribute) != 0)
        return refuse(r, CLOISTER_E_UNSUPPORTED,
                      "has another form of signature than RIMs have: the attributes of %s", name);
    is = attribute != NULL ? value_of(a) : NULL;
    if (attribute != NULL && (is == NULL || strcmp(is, value) != 0))
        return refuse(
            r, CLOISTER_E_UNSUPPORTED,
            "has another form of signature than RIMs have: %s is \"%.100s\" and not \"%s\"", name,
            is != NULL ? is : "", value);
    return 0;
}

struct want {
    const char *name, *attribute, *value;
};

/* Exactly these elements, in this order; ret gets them. */
static int expect_all(const struct reading *r, const xmlNode *of, const struct want *want, size_t n,
                      xmlNode **ret)
{
    xmlNode *child[CLO_RIM_CERTS_MAX] = {0};
    size_t got = 0;
    int err;

    if ((err = children(r, of, CLO_ARRAY_LEN(child), child, &got)) != 0)
        return err;
    if (got != n)
        return refuse(
            r, CLOISTER_E_UNSUPPORTED,
            "has another form of signature than RIMs have: %zu elements in %s instead of %zu", got,
            name_of(of), n);
    for (size_t i = 0; i < n; i++) {
        if ((err = expect(r, child[i], want[i].name, want[i].attribute, want[i].value)) != 0)
            return err;
        ret[i] = child[i];
    }
    return 0;
}

/* One run of characters inside, and nothing else. */
static int only_text(const struct reading *r, const xmlNode *n, const char **ret)
{
    const xmlNode *t = n->children;

    if (t == NULL || t->next != NULL || t->type != XML_TEXT_NODE || t->content == NULL)
        return refuse(r, CLOISTER_E_MALFORMED, "has something else than text in %s", name_of(n));
    *ret = (const char *)t->content;
    return 0;
}

static int expect_empty(const struct reading *r, xmlNode *const *node, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (node[i]->children != NULL)
            return refuse(r, CLOISTER_E_UNSUPPORTED,
                          "has another form of signature than RIMs have: %s has parameters",
                          name_of(node[i]));
    }
    return 0;
}

static int signature_shape(struct reading *r)
{
    static const struct want top[] = {
        {"SignedInfo", NULL, NULL}, {"SignatureValue", NULL, NULL}, {"KeyInfo", NULL, NULL}};
    static const struct want info[] = {{"CanonicalizationMethod", "Algorithm", ALG_C14N11},
                                       {"SignatureMethod", "Algorithm", ALG_ECDSA},
                                       {"Reference", "URI", ""}};
    static const struct want reference[] = {{"Transforms", NULL, NULL},
                                            {"DigestMethod", "Algorithm", ALG_SHA384},
                                            {"DigestValue", NULL, NULL}};
    static const struct want transforms[] = {{"Transform", "Algorithm", ALG_ENVELOPED},
                                             {"Transform", "Algorithm", ALG_C14N11}};
    static const struct want key[] = {{"X509Data", NULL, NULL}};
    xmlNode *t[3] = {0}, *i[3] = {0}, *ref[3] = {0}, *tr[2] = {0}, *k[1] = {0};
    xmlNode *cert[CLO_RIM_CERTS_MAX] = {0};
    const char *text = NULL;
    int err;

    if ((err = expect(r, r->signature, "Signature", NULL, NULL)) != 0 ||
        (err = expect_all(r, r->signature, top, CLO_ARRAY_LEN(top), t)) != 0 ||
        (err = expect_all(r, t[0], info, CLO_ARRAY_LEN(info), i)) != 0 ||
        (err = expect_empty(r, i, 2)) != 0 ||
        (err = expect_all(r, i[2], reference, CLO_ARRAY_LEN(reference), ref)) != 0 ||
        (err = expect_all(r, ref[0], transforms, CLO_ARRAY_LEN(transforms), tr)) != 0 ||
        (err = expect_empty(r, tr, 2)) != 0 || (err = expect_empty(r, ref + 1, 1)) != 0 ||
        (err = only_text(r, ref[2], &text)) != 0 || (err = only_text(r, t[1], &text)) != 0 ||
        (err = expect_all(r, t[2], key, CLO_ARRAY_LEN(key), k)) != 0 ||
        (err = children(r, k[0], CLO_ARRAY_LEN(cert), cert, &r->certs)) != 0)
        return err;
    for (size_t c = 0; c < r->certs; c++) {
        if ((err = expect(r, cert[c], "X509Certificate", NULL, NULL)) != 0 ||
            (err = only_text(r, cert[c], &r->cert_text[c])) != 0)
            return err;
    }
    return r->certs > 0 ? 0
                        : refuse(r, CLOISTER_E_AUTH, "comes without the certificate of its signer");
}

/* ---- the chain ---- */

/* Base64 of RFC 4648 section 4 with white space between, by way of the canonical decoder of section 5's. */
static int unb64_xml(const char *s, struct clo_buf *out)
{
    struct clo_buf text = clo_buf_init(2 * CLO_CERT_MAX);
    size_t pads = 0, n = 0;
    uint8_t *dst = NULL;
    int err = 0;

    for (; *s != '\0' && err == 0; s++) {
        const char *c = *s == '+' ? "-" : *s == '/' ? "_" : s;

        if (strchr(" \t\r\n", *s) != NULL)
            continue;
        if (*s == '=')
            pads++;
        else if (pads > 0 || *s == '-' || *s == '_')
            err = CLOISTER_E_MALFORMED;
        else
            err = clo_buf_append(&text, c, 1);
    }
    if (err == 0 && (pads > 2 || (text.len + pads) % 4 != 0))
        err = CLOISTER_E_MALFORMED;
    if (err == 0 && (err = clo_buf_reserve(out, CLO_CERT_MAX, &dst)) == 0 &&
        (err = clo_unb64((const char *)text.p, text.len, dst, CLO_CERT_MAX, &n)) == 0)
        clo_buf_commit(out, n);
    clo_buf_clear(&text);
    return err;
}

static const char *day(int64_t t, char ret[16])
{
    const time_t at = (time_t)t;
    struct tm tm = {0};

    if (gmtime_r(&at, &tm) == NULL || strftime(ret, 16, "%Y-%m-%d", &tm) == 0)
        (void)snprintf(ret, 16, "another time");
    return ret;
}

/* "the certificate of its signer", "its certificate 2": for sentences. */
static const char *which(const struct reading *r, const struct clo_cert *c, char ret[64])
{
    size_t i = 0;

    while (i < r->certs && r->cert[i] != c)
        i++;
    if (i == 0)
        (void)snprintf(ret, 64, "the certificate of its signer");
    else if (i < r->certs)
        (void)snprintf(ret, 64, "certificate %zu of its chain", i + 1);
    else
        (void)snprintf(ret, 64, "the root certificate");
    return ret;
}

static int check_dates(struct reading *r, const struct clo_cert *c, int64_t now)
{
    const int64_t from = clo_cert_not_before(c), to = clo_cert_not_after(c);
    char name[64], d[16], t[16];

    if (now < from)
        return refuse(r, CLOISTER_E_STALE, "can't be judged as of %s: %s begins on %s", day(now, t),
                      which(r, c, name), day(from, d));
    if (now > to)
        return refuse(
            r, CLOISTER_E_STALE,
            "is too old: %s ended on %s (fetch the RIM anew; only if you know that you had it before, "
            "judge it as of then with --time)",
            which(r, c, name), day(to, d));
    if (to < r->until)
        r->until = to;
    return 0;
}

/*
 * basicConstraints' pathLenConstraint (RFC 5280 section 4.2.1.9): how many intermediates may follow. Absent: any number.
 */
static int path_length(const struct clo_cert *c, size_t *ret)
{
    struct clo_rd ext = {0}, seq = {0}, item = {0};
    const uint8_t *p = NULL;
    size_t n = 0;
    uint8_t v = 0;
    int err;

    if ((err = clo_cert_ext(c, OID_BASIC_CONSTRAINTS, &p, &n)) != 0)
        return err;
    ext = clo_rd_init(p, n);
    if ((err = clo_der_read(&ext, 0x30, &seq)) != 0 || (err = clo_rd_end(&ext)) != 0 ||
        (err = clo_der_read(&seq, 0x01, &item)) != 0)
        return err;
    if (seq.left == 0) {
        *ret = CLO_RIM_CERTS_MAX;
        return 0;
    }
    if ((err = clo_der_read(&seq, 0x02, &item)) != 0 || (err = clo_rd_end(&seq)) != 0 ||
        (err = clo_rd_u8(&item, &v)) != 0 || (err = clo_rd_end(&item)) != 0)
        return err;
    if (v > 0x7f)
        return CLOISTER_E_MALFORMED;
    *ret = v;
    return 0;
}

/* May the leaf's key sign documents: keyUsage has digitalSignature (RFC 5280 section 4.2.1.3, bit 0), and it is no CA's? */
static bool may_sign(const struct clo_cert *c)
{
    struct clo_rd ext = {0}, bits = {0};
    const uint8_t *p = NULL;
    uint8_t unused = 0, first = 0;
    size_t n = 0;

    if (clo_cert_is_ca(c) || clo_cert_ext(c, OID_KEY_USAGE, &p, &n) != 0)
        return false;
    ext = clo_rd_init(p, n);
    return clo_der_read(&ext, 0x03, &bits) == 0 && clo_rd_u8(&bits, &unused) == 0 &&
           clo_rd_u8(&bits, &first) == 0 && (first & 0x80) != 0;
}

/* `below` intermediates stand between the issuer and the leaf. */
static int check_link(struct reading *r, const struct clo_cert *c, const struct clo_cert *issuer,
                      size_t below)
{
    char name[64], over[64];
    size_t allowed = 0;
    int err;

    if (!clo_cert_is_ca(issuer))
        return refuse(r, CLOISTER_E_AUTH, "has a wrong chain: %s may not sign certificates",
                      which(r, issuer, over));
    if (path_length(issuer, &allowed) != 0 || below > allowed)
        return refuse(r, CLOISTER_E_AUTH, "has a wrong chain: %s may not stand that far above",
                      which(r, issuer, over));
    err = clo_cert_signed_by(c, issuer, CLO_SIG_ECDSA_P384_SHA384);
    if (err == CLOISTER_E_UNSUPPORTED)
        return refuse(r, err, "has a wrong chain: %s is not signed with ECDSA P-384 and SHA-384",
                      which(r, c, name));
    if (err == CLOISTER_E_AUTH)
        return refuse(r, err, "has a wrong chain: %s is not signed by %s", which(r, c, name),
                      which(r, issuer, over));
    return err;
}

static bool is_same(const struct clo_cert *a, const struct clo_cert *b)
{
    uint8_t x[32], y[32];

    clo_cert_digest(a, x);
    clo_cert_digest(b, y);
    return memcmp(x, y, sizeof(x)) == 0;
}

/* Leaf first, each signed by the next, as NVIDIA sends them; the root may stand at the end or not. */
static int chain(struct reading *r, const struct clo_cert *root, int64_t now)
{
    int err;

    for (size_t i = 0; i < r->certs; i++) {
        r->der[i] = clo_buf_init(CLO_CERT_MAX);
        if ((err = unb64_xml(r->cert_text[i], &r->der[i])) == 0)
            err = clo_cert_parse(r->der[i].p, r->der[i].len, &r->cert[i]);
        if (err != 0)
            return refuse(r, err, "has a certificate %zu that can't be read: %s", i + 1,
                          cloister_strerror(err));
    }
    if (is_same(r->cert[r->certs - 1], root)) {
        clo_cert_free(r->cert[--r->certs]);
        r->cert[r->certs] = NULL;
    }
    for (size_t i = 0; i < r->certs; i++) {
        if (is_same(r->cert[i], root))
            return refuse(r, CLOISTER_E_AUTH, "has a wrong chain: the root is in the middle of it");
    }
    if (r->certs == 0 || !may_sign(r->cert[0]) || !clo_cert_is_p384(r->cert[0]))
        return refuse(r, CLOISTER_E_AUTH,
                      "has a wrong chain: its first certificate is not one for signing documents "
                      "with ECDSA P-384");
    for (size_t i = 0; i < r->certs; i++) {
        if ((err = check_link(r, r->cert[i], i + 1 < r->certs ? r->cert[i + 1] : root, i)) != 0)
            return err;
    }
    r->until = INT64_MAX;
    for (size_t i = 0; i < r->certs; i++) {
        if ((err = check_dates(r, r->cert[i], now)) != 0)
            return err;
    }
    return check_dates(r, root, now);
}

/* ---- the signature ---- */

/* All that this context may do. Everything else stays unknown to it, whatever the document asks for. */
static int narrow(xmlSecDSigCtx *ctx)
{
    ctx->enabledReferenceUris = xmlSecTransformUriTypeEmpty;
    return xmlSecDSigCtxEnableReferenceTransform(ctx, xmlSecTransformEnvelopedId) == 0 &&
                   xmlSecDSigCtxEnableReferenceTransform(ctx, xmlSecTransformInclC14N11Id) == 0 &&
                   xmlSecDSigCtxEnableReferenceTransform(ctx, xmlSecOpenSSLTransformSha384Id) ==
                       0 &&
                   xmlSecDSigCtxEnableSignatureTransform(ctx, xmlSecTransformInclC14N11Id) == 0 &&
                   xmlSecDSigCtxEnableSignatureTransform(ctx,
                                                         xmlSecOpenSSLTransformEcdsaSha384Id) == 0
               ? 0
               : CLOISTER_E_MEMORY;
}

/* By the leaf's key, given: with a key in place libxmlsec looks for none in KeyInfo. */
static int verify(const struct reading *r)
{
    xmlSecDSigCtx *ctx = xmlSecDSigCtxCreate(NULL);
    const xmlSecDSigReferenceCtx *ref;
    int err;

    if (ctx == NULL)
        return CLOISTER_E_MEMORY;
    if ((err = narrow(ctx)) != 0)
        goto out;
    ctx->signKey = xmlSecOpenSSLAppKeyLoadMemory(r->der[0].p, (xmlSecSize)r->der[0].len,
                                                 xmlSecKeyDataFormatCertDer, NULL, NULL, NULL);
    if (ctx->signKey == NULL) {
        err = refuse(r, CLOISTER_E_CRYPTO, "can't be verified: its signer's key can't be loaded");
        goto out;
    }
    err = CLOISTER_E_AUTH;
    if (xmlSecDSigCtxVerify(ctx, r->signature) == 0 && ctx->status == xmlSecDSigStatusSucceeded &&
        xmlSecPtrListGetSize(&ctx->signedInfoReferences) == 1 &&
        xmlSecPtrListGetSize(&ctx->manifestReferences) == 0) {
        ref = xmlSecPtrListGetItem(&ctx->signedInfoReferences, 0);
        if (ref != NULL && ref->status == xmlSecDSigStatusSucceeded)
            err = 0;
    }
    if (err != 0)
        err = refuse(r, err,
                     "was changed after it was signed, or its signer did not sign it: the "
                     "signature does not match");
out:
    xmlSecDSigCtxDestroy(ctx);
    return err;
}

/* ---- what it says ---- */

/* The letters of hexadecimal digits. */
static const char upper[] = "ABCDEF", lower[] = "abcdef";

/* "96.00.5E.00.01": five pairs of hexadecimal digits. */
static bool is_vbios(const char *s)
{
    for (size_t i = 0; i < 14; i++) {
        if (i % 3 == 2 ? s[i] != '.'
                       : s[i] == '\0' || strchr("0123456789ABCDEFabcdef", s[i]) == NULL)
            return false;
    }
    return s[14] == '\0';
}

/* "550.144.03", "545.00": two to four decimal numbers. No text is both. */
static bool is_driver(const char *s)
{
    size_t parts = 0;

    for (;; s++) {
        const size_t n = strspn(s, "0123456789");

        if (n < 1 || n > 6 || ++parts > 4)
            return false;
        s += n;
        if (*s == '\0')
            return parts >= 2;
        if (*s != '.')
            return false;
    }
}

static enum clo_gpu_arch arch_of(const char *product)
{
    const size_t n = strlen(product);

    if (strcmp(product, "GH100") == 0)
        return CLO_GPU_HOPPER;
    if (strcmp(product, "LS10") == 0)
        return CLO_GPU_LS10;
    /* Blackwell's chips: GB100, GB102, GB202, ... */
    if (n == 5 && strncmp(product, "GB", 2) == 0 && (product[2] == '1' || product[2] == '2') &&
        strspn(product + 3, "0123456789X") == 2)
        return CLO_GPU_BLACKWELL;
    return CLO_GPU_UNKNOWN;
}

/*
 * Driver or VBIOS: RIMs don't say it in so many words. The version's form does, and has to equal a device's signed version of
 * that very form before the values count. A board isn't named in what is signed, so none is written.
 */
static int read_meta(const struct reading *r, const xmlNode *root, struct clo_reference *ref)
{
    const char *id = "", *name = "", *product = "", *version = "", *edition = "", *payload = "",
               *patch = attr(root, "patch"), *supplemental = attr(root, "supplemental");
    int err;

    if ((err = need(r, root, "tagId", &id)) != 0 || (err = need(r, root, "name", &name)) != 0 ||
        (err = need(r, r->meta, "colloquialVersion", &version)) != 0 ||
        (err = need(r, r->meta, "edition", &edition)) != 0 ||
        (err = need(r, r->meta, "product", &product)) != 0 ||
        (err = need(r, r->meta, "PayloadType", &payload)) != 0)
        return err;
    if ((patch != NULL && strcmp(patch, "false") != 0) ||
        (supplemental != NULL && strcmp(supplemental, "false") != 0) ||
        strcmp(payload, "direct") != 0)
        return refuse(r, CLOISTER_E_UNSUPPORTED,
                      "is not a whole RIM by itself (patch, supplemental, or no direct payload)");
    if (strcmp(name, product) != 0)
        return refuse(r, CLOISTER_E_MALFORMED, "says two products: \"%.32s\" and \"%.32s\"", name,
                      product);
    ref->arch = arch_of(product);
    if (ref->arch == CLO_GPU_UNKNOWN)
        return refuse(r, CLOISTER_E_UNSUPPORTED, "is for a product that is unknown here: \"%.32s\"",
                      product);
    if (strcmp(edition, ref->arch == CLO_GPU_LS10 ? "SWITCH" : "GPU") != 0)
        return refuse(r, CLOISTER_E_UNSUPPORTED, "says \"%.32s\" of %s", edition, product);
    if (is_vbios(version))
        ref->kind = CLO_REFERENCE_VBIOS;
    else if (is_driver(version) && ref->arch != CLO_GPU_LS10)
        ref->kind = CLO_REFERENCE_DRIVER;
    else
        return refuse(r, CLOISTER_E_UNSUPPORTED,
                      "is for a version that neither drivers nor VBIOSes have: \"%.64s\"", version);
    memcpy(ref->version, version,
           strlen(version) + 1); /* both forms are shorter than ref->version */
    for (char *v = ref->version; *v != '\0'; v++) {
        const char *letter = strchr(lower, *v);

        if (letter != NULL)
            *v = upper[letter - lower];
    }
    if (strlen(id) >= sizeof(ref->id) || !clo_text_is_printable(id, strlen(id)))
        return refuse(r, CLOISTER_E_LIMIT, "has a tagId that is too long");
    memcpy(ref->id, id, strlen(id) + 1);
    return 0;
}

/* A number without leading zeros, below max. */
static bool number(const char *s, unsigned max, unsigned *ret)
{
    unsigned v = 0;

    if (s == NULL || *s == '\0' || (*s == '0' && s[1] != '\0') || strlen(s) > 3)
        return false;
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9')
            return false;
        v = 10 * v + (unsigned)(*s - '0');
    }
    if (v >= max)
        return false;
    *ret = v;
    return true;
}

static bool read_hash(const char *s, uint8_t ret[48])
{
    char low[97];

    if (s == NULL || strlen(s) != 96)
        return false;
    memcpy(low, s, sizeof(low));
    for (size_t i = 0; i < 96; i++) {
        const char *letter = strchr(upper, low[i]);

        if (letter != NULL)
            low[i] = lower[letter - upper];
    }
    return clo_unhex(low, 96, ret, 48) == 0;
}

struct resource {
    const char *type, *index, *active, *alternatives, *size, *name;
    uint8_t value[CLO_REFERENCE_VALUES][48];
    unsigned seen; /* bit i: Hash i */
};

static int take_attr(const struct reading *r, const xmlAttr *a, struct resource *res)
{
    const struct {
        const char *name;
        const char **at;
    } plain[] = {{"type", &res->type},     {"index", &res->index},
                 {"active", &res->active}, {"alternatives", &res->alternatives},
                 {"size", &res->size},     {"name", &res->name}};
    const char *name = (const char *)a->name, *value = value_of(a);
    unsigned k = 0;

    for (size_t i = 0; a->ns == NULL && i < CLO_ARRAY_LEN(plain); i++) {
        if (strcmp(name, plain[i].name) != 0)
            continue;
        if (value == NULL || *plain[i].at != NULL)
            return refuse(r, CLOISTER_E_DUPLICATE, "has an attribute twice: %s", name);
        *plain[i].at = value;
        return 0;
    }
    if (strncmp(name, "Hash", 4) != 0 || a->ns == NULL)
        return refuse(r, CLOISTER_E_UNKNOWN, "has an attribute that is unknown here: %.40s", name);
    if (strcmp((const char *)a->ns->href, NS_SHA384) != 0)
        return refuse(r, CLOISTER_E_UNSUPPORTED, "has values of another hash than SHA-384: %.100s",
                      (const char *)a->ns->href);
    if (!number(name + 4, CLO_REFERENCE_VALUES, &k))
        return refuse(r, CLOISTER_E_LIMIT, "has more than %d alternatives of one value",
                      CLO_REFERENCE_VALUES);
    if ((res->seen >> k & 1) != 0)
        return refuse(r, CLOISTER_E_DUPLICATE, "has an attribute twice: %s", name);
    if (!read_hash(value, res->value[k]))
        return refuse(r, CLOISTER_E_MALFORMED, "has a %s that isn't 96 hexadecimal digits", name);
    res->seen |= 1u << k;
    return 0;
}

/* The same value twice among the alternatives says nothing more; NVIDIA's own RIMs have that. */
static void keep(struct clo_reference *ref, unsigned index, const uint8_t value[48])
{
    const unsigned n = ref->index[index].count;

    for (unsigned i = 0; i < n; i++) {
        if (memcmp(ref->index[index].value[i], value, 48) == 0)
            return;
    }
    memcpy(ref->index[index].value[n], value, 48);
    ref->index[index].count++;
}

static int read_resource(const struct reading *r, const xmlNode *n, struct clo_reference *ref,
                         uint64_t *seen)
{
    struct resource res = {0};
    unsigned index = 0, count = 0;
    int err;

    if (!named(n, NS_SWID, "Resource") || n->children != NULL)
        return refuse(r, CLOISTER_E_UNKNOWN, "holds %.40s in its Payload, which is unknown here",
                      name_of(n));
    for (const xmlAttr *a = n->properties; a != NULL; a = a->next) {
        if ((err = take_attr(r, a, &res)) != 0)
            return err;
    }
    if (res.type == NULL || strcmp(res.type, "Measurement") != 0 || res.size == NULL ||
        strcmp(res.size, "48") != 0)
        return refuse(r, CLOISTER_E_UNSUPPORTED,
                      "has a Resource that isn't a measurement of 48 bytes");
    if (!number(res.index, CLO_REFERENCE_INDEXES, &index))
        return refuse(r, CLOISTER_E_MALFORMED, "has a Resource without an index from 0 to 63");
    if ((*seen >> index & 1) != 0)
        return refuse(r, CLOISTER_E_DUPLICATE, "says index %u twice", index);
    *seen |= (uint64_t)1 << index;
    if (!number(res.alternatives, CLO_REFERENCE_VALUES + 1, &count) || count == 0 ||
        res.seen != (1u << count) - 1)
        return refuse(r, CLOISTER_E_MALFORMED,
                      "has another number of values for index %u than it says, or more than %d",
                      index, CLO_REFERENCE_VALUES);
    if (res.active == NULL || (strcmp(res.active, "True") != 0 && strcmp(res.active, "False") != 0))
        return refuse(r, CLOISTER_E_MALFORMED,
                      "does not say whether index %u is active (True or False)", index);
    if (strcmp(res.active, "True") != 0)
        return 0;
    ref->active |= (uint64_t)1 << index;
    for (unsigned i = 0; i < count; i++)
        keep(ref, index, res.value[i]);
    return 0;
}

static int read_payload(const struct reading *r, struct clo_reference *ref)
{
    xmlNode *child[CHILDREN_MAX] = {0};
    uint64_t seen = 0;
    size_t n = 0;
    int err;

    if ((err = children(r, r->payload, CLO_ARRAY_LEN(child), child, &n)) != 0)
        return err;
    for (size_t i = 0; i < n; i++) {
        if ((err = read_resource(r, child[i], ref, &seen)) != 0)
            return err;
    }
    return ref->active != 0
               ? 0
               : refuse(r, CLOISTER_E_MALFORMED, "has no active value: anything would match it");
}

static int read_values(const struct reading *r, const xmlNode *root, struct clo_rim *rim)
{
    int err;

    if ((err = read_meta(r, root, &rim->ref)) != 0 || (err = read_payload(r, &rim->ref)) != 0)
        return err;
    if (clo_cert_cn(r->cert[0], rim->signer, sizeof(rim->signer)) != 0)
        return refuse(r, CLOISTER_E_MALFORMED, "has a signer without a name");
    clo_cert_digest(r->cert[0], rim->signer_digest);
    rim->until = r->until;
    return 0;
}

int clo_rim_read(const void *xml, size_t n, const struct clo_cert *root, int64_t now,
                 struct clo_rim *ret, char why[CLO_RIM_WHY])
{
    struct reading r = {.why = why};
    struct clo_rim *rim = calloc(1, sizeof(*rim));
    xmlDoc *doc = NULL;
    xmlNode *top = NULL;
    int err = CLOISTER_E_MEMORY;

    why[0] = '\0';
    if (rim == NULL || (err = parse(&r, xml, n, &doc)) != 0)
        goto out;
    top = xmlDocGetRootElement(doc);
    if ((err = shape(&r, top)) != 0 || (err = signature_shape(&r)) != 0 ||
        (err = chain(&r, root, now)) != 0 || (err = verify(&r)) != 0 ||
        (err = clo_sha256(xml, n, rim->ref.rim_sha256)) != 0 ||
        (err = read_values(&r, top, rim)) != 0)
        goto out;
    *ret = *rim;
out:
    if (err != 0 && why[0] == '\0')
        say_why(&r, "can't be read: %s", cloister_strerror(err));
    for (size_t i = 0; i < CLO_RIM_CERTS_MAX; i++) {
        clo_cert_free(r.cert[i]);
        clo_buf_clear(&r.der[i]);
    }
    xmlFreeDoc(doc);
    free(rim);
    return err;
}

/* ---- comparing ---- */

static bool has_value(const struct clo_reference *ref, size_t index, const uint8_t value[48])
{
    for (size_t i = 0; i < ref->index[index].count; i++) {
        if (memcmp(ref->index[index].value[i], value, 48) == 0)
            return true;
    }
    return false;
}

static bool covers(const struct clo_reference *a, const struct clo_reference *b)
{
    for (size_t i = 0; i < CLO_REFERENCE_INDEXES; i++) {
        if ((b->active >> i & 1) == 0)
            continue;
        for (size_t k = 0; k < b->index[i].count; k++) {
            if (!has_value(a, i, b->index[i].value[k]))
                return false;
        }
    }
    return true;
}

bool clo_rim_same_values(const struct clo_reference *a, const struct clo_reference *b)
{
    return a->active == b->active && covers(a, b) && covers(b, a);
}
