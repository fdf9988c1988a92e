/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of cloister-rim need beside Python: certificates of any shape, and XML signatures of any form, also those that
 * no honest signer makes.
 *
 *   rim_maker cert NAME ISSUER [OPTION=VALUE...]   NAME.der, NAME.pem and NAME.key, signed by ISSUER.key and named under it
 *                                                  (ISSUER may be NAME itself); cn, from, to, ca (0, 1, none), pathlen, usage, curve, hash
 *   rim_maker sign KEY <TEMPLATE >DOCUMENT         fill in the first Signature of a document
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <xmlsec/xmlsec.h>

#include <xmlsec/xmldsig.h>
#include <xmlsec/xmltree.h>
#include <xmlsec/openssl/app.h>
#include <xmlsec/openssl/crypto.h>

static void need(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "rim_maker: %s\n", what);
    exit(1);
}

static FILE *file(const char *name, const char *suffix, const char *mode)
{
    char path[4096];
    FILE *f = NULL;

    need(snprintf(path, sizeof(path), "%s%s", name, suffix) < (int)sizeof(path),
         "a name is too long");
    f = fopen(path, mode);
    need(f != NULL, path);
    return f;
}

/* The value of OPTION=VALUE, or what is usual. */
static const char *option(int argc, char **argv, const char *name, const char *usual)
{
    const size_t n = strlen(name);

    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=')
            return argv[i] + n + 1;
    }
    return usual;
}

static void extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *e = NULL;

    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    need(e != NULL && X509_add_ext(x, e, -1) == 1, "an extension can't be made");
    X509_EXTENSION_free(e);
}

static void extensions(X509 *x, X509 *issuer, int argc, char **argv)
{
    const char *ca = option(argc, argv, "ca", "0"), *path = option(argc, argv, "pathlen", NULL);
    const char *usage = option(argc, argv, "usage",
                               strcmp(ca, "1") == 0 ? "critical,keyCertSign,cRLSign"
                                                    : "critical,digitalSignature");
    char text[64];

    if (strcmp(ca, "none") != 0) {
        (void)snprintf(text, sizeof(text), "critical,CA:%s%s%s",
                       strcmp(ca, "1") == 0 ? "TRUE" : "FALSE", path != NULL ? ",pathlen:" : "",
                       path != NULL ? path : "");
        extension(x, issuer, NID_basic_constraints, text);
    }
    if (strcmp(usage, "none") != 0)
        extension(x, issuer, NID_key_usage, usage);
}

static void name_set(X509_NAME *n, const char *cn)
{
    need(X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0) ==
             1,
         "a name can't be made");
}

static int cert(const char *name, const char *issuer_name, int argc, char **argv)
{
    const char *hash = option(argc, argv, "hash", "SHA384");
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", option(argc, argv, "curve", "P-384"));
    EVP_PKEY *by = NULL;
    X509 *x = X509_new(), *issuer = NULL;
    uint64_t serial = 0;
    FILE *f = NULL;

    need(key != NULL && x != NULL && RAND_bytes((unsigned char *)&serial, 7) == 1, "no key");
    if (strcmp(name, issuer_name) != 0) {
        f = file(issuer_name, ".key", "r");
        by = PEM_read_PrivateKey(f, NULL, NULL, NULL);
        (void)fclose(f);
        f = file(issuer_name, ".pem", "r");
        issuer = PEM_read_X509(f, NULL, NULL, NULL);
        (void)fclose(f);
        need(by != NULL && issuer != NULL, "the issuer can't be read");
    }
    need(X509_set_version(x, 2) == 1 &&
             ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 8) == 1 &&
             ASN1_TIME_set(X509_getm_notBefore(x),
                           strtoll(option(argc, argv, "from", "1700000000"), NULL, 10)) != NULL &&
             ASN1_TIME_set(X509_getm_notAfter(x),
                           strtoll(option(argc, argv, "to", "2000000000"), NULL, 10)) != NULL &&
             X509_set_pubkey(x, key) == 1,
         "a certificate can't be made");
    name_set(X509_get_subject_name(x), option(argc, argv, "cn", name));
    need(X509_set_issuer_name(x, X509_get_subject_name(issuer != NULL ? issuer : x)) == 1,
         "a name can't be set");
    extensions(x, issuer != NULL ? issuer : x, argc, argv);
    need(X509_sign(x, by != NULL ? by : key, EVP_get_digestbyname(hash)) > 0, "it can't be signed");

    f = file(name, ".der", "w");
    need(i2d_X509_fp(f, x) == 1 && fclose(f) == 0, "it can't be written");
    f = file(name, ".pem", "w");
    need(PEM_write_X509(f, x) == 1 && fclose(f) == 0, "it can't be written");
    f = file(name, ".key", "w");
    need(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(f) == 0,
         "its key can't be written");
    EVP_PKEY_free(key);
    EVP_PKEY_free(by);
    X509_free(x);
    X509_free(issuer);
    return 0;
}

static int sign(const char *key)
{
    static char text[1 << 20];
    static xmlSecByte key_text[8192];
    const size_t n = fread(text, 1, sizeof(text), stdin);
    xmlSecDSigCtx *ctx = NULL;
    size_t key_n = 0;
    FILE *f = NULL;
    xmlBuffer *out = xmlBufferCreate();
    xmlNode *node = NULL;
    xmlDoc *doc = NULL;

    xmlInitParser();
    need(xmlSecInit() == 0 && xmlSecOpenSSLInit() == 0, "libxmlsec can't be used");
    doc = xmlReadMemory(text, (int)n, NULL, NULL, XML_PARSE_NONET);
    need(doc != NULL, "the template is no XML");
    node = xmlSecFindNode(xmlDocGetRootElement(doc), xmlSecNodeSignature, xmlSecDSigNs);
    ctx = xmlSecDSigCtxCreate(NULL);
    need(node != NULL && ctx != NULL, "the template has no Signature");
    f = file(key, "", "r");
    key_n = fread(key_text, 1, sizeof(key_text), f);
    (void)fclose(f);
    ctx->signKey = xmlSecOpenSSLAppKeyLoadMemory(key_text, (xmlSecSize)key_n,
                                                 xmlSecKeyDataFormatPem, NULL, NULL, NULL);
    need(ctx->signKey != NULL && xmlSecDSigCtxSign(ctx, node) == 0, "it can't be signed");
    /* As it was signed: no declaration, no other white space. */
    need(out != NULL && xmlNodeDump(out, doc, xmlDocGetRootElement(doc), 0, 0) > 0 &&
             fwrite(xmlBufferContent(out), 1, (size_t)xmlBufferLength(out), stdout) ==
                 (size_t)xmlBufferLength(out) &&
             fflush(stdout) == 0,
         "it can't be written");
    xmlBufferFree(out);
    xmlSecDSigCtxDestroy(ctx);
    xmlFreeDoc(doc);
    (void)xmlSecOpenSSLShutdown();
    (void)xmlSecShutdown();
    xmlCleanupParser();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 4 && strcmp(argv[1], "cert") == 0)
        return cert(argv[2], argv[3], argc - 4, argv + 4);
    if (argc == 3 && strcmp(argv[1], "sign") == 0)
        return sign(argv[2]);
    fputs("rim_maker: see the top of rim_maker.c\n", stderr);
    return 1;
}
