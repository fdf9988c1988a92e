/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RIM files, twice: the input as a file, and the input inside a document that is then signed as NVIDIA signs, so that what
 * stands behind the signature is reached as well. That signature is made by other means than it is verified by: Canonical XML by libxml2 directly, and the
 * key by the crypto facade. It has to be found right, and what is read has to make a policy.
 */
#include <stdio.h>
#include <string.h>

#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "base/enc.h"
#include "codec/json.h"
#include "crypto/x509_make.h"
#include "fuzz.h"
#include "rim/guard.h"
#include "rim/policy.h"
#include "rim/rim.h"

#define NOW 1795000000

static const char head[] =
    "<SoftwareIdentity xmlns=\"http://standards.iso.org/iso/19770/-2/2015/schema.xsd\" "
    "xmlns:s=\"http://standards.iso.org/iso/19770/-2/2015/schema.xsd\" "
    "xmlns:h=\"http://www.w3.org/2001/04/xmlenc#sha384\" name=\"GH100\" tagId=\"fuzz\">";
static const char tail[] = "</SoftwareIdentity>";
static const char info[] =
    "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2006/12/xml-c14n11\"/>"
    "<ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384\"/>"
    "<ds:Reference URI=\"\"><ds:Transforms>"
    "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>"
    "<ds:Transform Algorithm=\"http://www.w3.org/2006/12/xml-c14n11\"/></ds:Transforms>"
    "<ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#sha384\"/>"
    "<ds:DigestValue>%s</ds:DigestValue></ds:Reference></ds:SignedInfo>";
static const char policy_text[] = "{\"v\":1,\"name\":\"fuzz\",\"tee\":[],\"devices\":{\"min\":0}}";

static struct lab {
    struct clo_signer *root_key, *leaf_key;
    struct clo_cert *root;
    struct clo_buf leaf; /* DER */
} lab;

static void set_up(void)
{
    static const uint8_t sign_documents[] = {0x03, 0x02, 0x07, 0x80};
    const struct clo_cert_ext_spec usage = {
        .oid = "2.5.29.15", .p = sign_documents, .n = sizeof(sign_documents), .critical = true};
    struct clo_buf der = clo_buf_init(CLO_CERT_MAX);
    struct clo_cert_spec root = {.subject_cn = "root",
                                 .issuer_cn = "root",
                                 .serial = 1,
                                 .not_before = NOW - 1000,
                                 .not_after = NOW + 1000,
                                 .ca = true};
    struct clo_cert_spec leaf = {.subject_cn = "leaf",
                                 .issuer_cn = "root",
                                 .serial = 2,
                                 .not_before = NOW - 1000,
                                 .not_after = NOW + 1000,
                                 .ext = &usage,
                                 .exts = 1};

    FUZZ_CHECK(clo_rim_init() == 0);
    FUZZ_CHECK(clo_signer_new_p384(&lab.root_key) == 0 && clo_signer_new_p384(&lab.leaf_key) == 0);
    root.subject = root.issuer = leaf.issuer = lab.root_key;
    leaf.subject = lab.leaf_key;
    lab.leaf = clo_buf_init(CLO_CERT_MAX);
    FUZZ_CHECK(clo_cert_make(&root, &der) == 0 && clo_cert_make(&leaf, &lab.leaf) == 0 &&
               clo_cert_parse(der.p, der.len, &lab.root) == 0);
    clo_buf_clear(&der);
}

/* RFC 4648 section 4. */
static void base64(const uint8_t *p, size_t n, char *dst)
{
    size_t len = CLO_B64_LEN(n);

    clo_b64(p, n, dst);
    for (size_t i = 0; i < len; i++) {
        if (dst[i] == '-' || dst[i] == '_')
            dst[i] = dst[i] == '-' ? '+' : '/';
    }
    for (; len % 4 != 0; len++)
        dst[len] = '=';
    dst[len] = '\0';
}

static xmlDoc *parse(const struct clo_buf *text)
{
    return xmlReadMemory((const char *)text->p, (int)text->len, NULL, "UTF-8",
                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
}

static void add(struct clo_buf *b, const void *p, size_t n)
{
    FUZZ_CHECK(clo_buf_append(b, p, n) == 0);
}

static void add_text(struct clo_buf *b, const char *s)
{
    add(b, s, strlen(s));
}

static int in_signed_info(void *of, xmlNode *node, xmlNode *parent)
{
    /* namespaces come as nodes of another kind, with their element as the parent */
    for (const xmlNode *n = node->type == XML_NAMESPACE_DECL ? parent : node; n != NULL;
         n = n->parent) {
        if (n == of)
            return 1;
    }
    return 0;
}

static bool digest(const struct clo_buf *text, char ret[68])
{
    xmlDoc *doc = parse(text);
    xmlChar *out = NULL;
    uint8_t hash[48];
    int n = doc == NULL ? -1 : xmlC14NDocDumpMemory(doc, NULL, XML_C14N_1_1, NULL, 0, &out);

    if (n >= 0) {
        const struct clo_slice s = {.p = out, .n = (size_t)n};

        FUZZ_CHECK(clo_hash(CLO_SHA384, &s, 1, hash) == 0);
        base64(hash, sizeof(hash), ret);
    }
    xmlFree(out);
    xmlFreeDoc(doc);
    return n >= 0;
}

static bool sign_info(const struct clo_buf *text, char ret[132])
{
    xmlDoc *doc = parse(text);
    xmlOutputBuffer *out = xmlAllocOutputBuffer(NULL);
    /* The Signature is the last element, and the SignedInfo its first. */
    xmlNode *last = doc == NULL ? NULL : xmlLastElementChild(xmlDocGetRootElement(doc));
    xmlNode *of = last == NULL ? NULL : xmlFirstElementChild(last);
    uint8_t rs[96];
    bool ok = of != NULL && out != NULL &&
              xmlC14NExecute(doc, in_signed_info, of, XML_C14N_1_1, NULL, 0, out) >= 0;

    if (ok) {
        FUZZ_CHECK(clo_signer_sign_p384(lab.leaf_key, xmlOutputBufferGetContent(out),
                                        xmlOutputBufferGetSize(out), rs, rs + 48) == 0);
        base64(rs, sizeof(rs), ret);
    }
    (void)xmlOutputBufferClose(out);
    xmlFreeDoc(doc);
    return ok;
}

/* The document with this inside, signed; false if it is no XML. */
static bool make(const uint8_t *data, size_t size, struct clo_buf *out)
{
    static char cert[4 * CLO_CERT_MAX];
    char dv[68] = "", sv[132] = "", signed_info[sizeof(info) + 68];
    struct clo_buf plain = clo_buf_init(2 * CLO_RIM_MAX), half = clo_buf_init(2 * CLO_RIM_MAX);
    bool ok = false;

    add_text(&plain, head);
    add(&plain, data, size);
    add_text(&plain, tail);
    if (!digest(&plain, dv))
        goto out;
    (void)snprintf(signed_info, sizeof(signed_info), info, dv);
    for (int round = 0; round < 2; round++) {
        struct clo_buf *b = round == 0 ? &half : out;

        add_text(b, head);
        add(b, data, size);
        add_text(b, "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">");
        add_text(b, signed_info);
        add_text(b, "<ds:SignatureValue>");
        add_text(b, sv);
        add_text(b, "</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>");
        base64(lab.leaf.p, lab.leaf.len, cert);
        add_text(b, cert);
        add_text(b, "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>");
        add_text(b, tail);
        if (round == 0 && !sign_info(&half, sv))
            goto out;
    }
    ok = true;
out:
    clo_buf_clear(&plain);
    clo_buf_clear(&half);
    return ok;
}

/* What was read can be put into a policy, and twice changes nothing. */
static void check_values(const struct clo_rim *rim)
{
    struct clo_buf text = clo_buf_init(CLO_POLICY_MAX);
    enum clo_rim_put did = CLO_RIM_SAME;
    json_t *doc = NULL;
    uint8_t old[32];
    char why[256] = "";

    FUZZ_CHECK(rim->ref.active != 0 && strcmp(rim->signer, "leaf") == 0);
    FUZZ_CHECK(rim->until == NOW + 1000);
    for (size_t i = 0; i < CLO_REFERENCE_INDEXES; i++)
        FUZZ_CHECK((rim->ref.active >> i & 1) == (rim->ref.index[i].count > 0) &&
                   rim->ref.index[i].count <= CLO_REFERENCE_VALUES);
    FUZZ_CHECK(clo_rim_same_values(&rim->ref, &rim->ref));
    FUZZ_CHECK(clo_json_parse(policy_text, sizeof(policy_text) - 1, CLO_POLICY_MAX, &doc) == 0);
    FUZZ_CHECK(clo_rim_policy_put(doc, &rim->ref, false, &did, old) == 0 && did == CLO_RIM_ADDED);
    FUZZ_CHECK(clo_rim_policy_put(doc, &rim->ref, false, &did, old) == 0 && did == CLO_RIM_SAME);
    FUZZ_CHECK(clo_json_write_text(doc, &text) == 0);
    FUZZ_CHECK(cloister_policy_check(text.p, text.len, why, sizeof(why)) == 0);
    clo_buf_clear(&text);
    json_decref(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct clo_rim rim;
    struct clo_buf whole = clo_buf_init(3 * CLO_RIM_MAX);
    const char *no = NULL;
    char why[CLO_RIM_WHY];
    int err;

    if (lab.root == NULL)
        set_up();
    /* Nothing that nobody signed is ever read. */
    err = clo_rim_read(data, size, lab.root, NOW, &rim, why);
    FUZZ_CHECK(err != 0 && why[0] != '\0' && strlen(why) < CLO_RIM_WHY);
    if (size > CLO_RIM_MAX / 2 || !make(data, size, &whole))
        goto out;
    err = clo_rim_read(whole.p, whole.len, lab.root, NOW, &rim, why);
    if (clo_rim_guard(whole.p, whole.len, &no) != 0)
        FUZZ_CHECK(err != 0);
    FUZZ_CHECK(err != CLOISTER_E_AUTH); /* the signature is right */
    if (err == 0)
        check_values(&rim);
out:
    clo_buf_clear(&whole);
    return 0;
}
